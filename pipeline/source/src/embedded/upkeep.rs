//! Keeps the embedded log small: trims what is older than its retention, compacts topics that say state per key. And takes
//! records out of it for good.
//!
//! In: how far readers no longer need it.  Out: how many records went.  Owns: nothing.
//! Absent on purpose: a schedule (`muster` decides when), giving space back to the disk (appends fill freed pages).
//! Invariants: the end of a partition never moves; what is gone is a gap to readers; appends wait for one chunk at most.

use std::collections::BTreeMap;

use model::{NextOffset, Partition};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::{EmbeddedLog, store};
use crate::error::{Error, ErrorKind};

/// Records that one transaction deletes: appends wait for no more than that.
const CHUNK_RECORDS: i64 = 10_000;
/// Offsets that one pass of a compaction keeps in memory (8 bytes each); a longer list takes several passes.
const PASS_RECORDS_MAX: i64 = 1_000_000;

/// Whether a record is to go: by its topic, key and value.
pub type IsDue<'a> = dyn FnMut(&str, Option<&[u8]>, Option<&[u8]>) -> bool + 'a;

impl EmbeddedLog {
    /// Deletes the records of `partition` before `before` and returns how many there were. Readers that start there are
    /// told of a gap.
    ///
    /// # Errors
    /// `UnknownTopic`, `UnknownPartition`; `BeyondEnd` if `before` lies behind the end; as the store says.
    pub fn trim(&self, topic: &str, partition: Partition, before: NextOffset) -> Result<u64, Error> {
        let doing = format!("trim topic {topic} partition {partition} before {}", before.get());
        let head = self.shared.check_partition(topic, partition)?;
        if before.get() > head.next {
            return Err(Error::new(ErrorKind::BeyondEnd, format!("{doing}: the log ends at {}", head.next)));
        }
        let (id, number) = (self.topic_id(topic)?, partition.number());
        let mut deleted = 0;
        while let Some((records, begin)) =
            trim_chunk(&mut self.shared.store().connection, id, number, before.get())
                .map_err(|error| Error::sqlite(&doing, error))?
        {
            deleted += records;
            self.shared.heads.trimmed(topic, number, begin);
        }
        Ok(deleted)
    }

    /// Deletes of each key all records but the last, and that one too if it is a tombstone (no value); records without
    /// a key stay. Returns how many went. Offsets of those that stay do not change.
    ///
    /// # Errors
    /// `UnknownTopic`; as the store says.
    pub fn compact(&self, topic: &str) -> Result<u64, Error> {
        let id = self.topic_id(topic)?;
        let mut deleted = 0;
        for (number, extent) in (0..).zip(self.extents(topic)) {
            let doing = format!("compact topic {topic} partition {number}");
            let reader = store::open_reader(&self.shared.path, 4)?;
            loop {
                // A record that has a successor, or is a tombstone, stays superfluous whatever is appended meanwhile.
                let superfluous = superfluous(&reader, id, number, extent.next.get())
                    .map_err(|error| Error::sqlite(&doing, error))?;
                for chunk in superfluous.chunks(CHUNK_RECORDS as usize) {
                    delete(&mut self.shared.store().connection, id, number, chunk)
                        .map_err(|error| Error::sqlite(&doing, error))?;
                }
                deleted += superfluous.len() as u64;
                if (superfluous.len() as i64) < PASS_RECORDS_MAX {
                    break;
                }
            }
        }
        Ok(deleted)
    }

    /// How many records of which topic `is_due` says are to go, by topic, key and value.
    ///
    /// # Errors
    /// As the store says.
    pub fn count_due(&self, is_due: &mut IsDue<'_>) -> Result<BTreeMap<String, u64>, Error> {
        self.visit_due(is_due, |_, _, _| Ok(()))
    }

    /// Deletes the records that `is_due` says are to go, so that nothing of their bytes stays in the file. Positions and ends stay
    /// as they are; to readers such a record is a gap. Returns how many went of which topic. Writes the whole file anew: for a log
    /// that nobody else uses meanwhile.
    ///
    /// # Errors
    /// As the store says; after one, what is left is found by the next call.
    pub fn erase(&self, is_due: &mut IsDue<'_>) -> Result<BTreeMap<String, u64>, Error> {
        const DOING: &str = "erase records from the log";
        let failed = |error| Error::sqlite(DOING, error);
        self.shared.store().connection.pragma_update(None, "secure_delete", "ON").map_err(failed)?;
        let erased = self.visit_due(is_due, |topic, partition, offsets| {
            for chunk in offsets.chunks(CHUNK_RECORDS as usize) {
                delete(&mut self.shared.store().connection, topic, partition, chunk).map_err(failed)?;
            }
            Ok(())
        })?;
        // Pages that were freed before may hold copies, and so does the write-ahead log.
        let store = self.shared.store();
        store.connection.execute_batch("VACUUM").map_err(failed)?;
        store.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(failed)?;
        Ok(erased)
    }

    /// Gives the offsets of what is to go to `take`, by topic's number and partition.
    fn visit_due(
        &self,
        is_due: &mut IsDue<'_>,
        mut take: impl FnMut(i64, u32, &[i64]) -> Result<(), Error>,
    ) -> Result<BTreeMap<String, u64>, Error> {
        let mut counted = BTreeMap::new();
        for topic in self.topics() {
            let id = self.topic_id(&topic)?;
            for number in 0..self.extents(&topic).len() as u32 {
                let doing = format!("read topic {topic} partition {number}");
                let reader = store::open_reader(&self.shared.path, 1)?;
                let due = due(&reader, (id, number), |key, value| is_due(&topic, key, value))
                    .map_err(|error| Error::sqlite(&doing, error))?;
                drop(reader);
                if !due.is_empty() {
                    *counted.entry(topic.clone()).or_default() += due.len() as u64;
                    take(id, number, &due)?;
                }
            }
        }
        Ok(counted)
    }

    fn topic_id(&self, topic: &str) -> Result<i64, Error> {
        self.shared.heads.with(topic, |found| found.id).ok_or_else(|| {
            Error::new(ErrorKind::UnknownTopic, format!("no topic {topic} in {}", self.shared.path.display()))
        })
    }
}

/// Deletes one chunk before `before` and returns how many records went and where the partition begins now; `None`
/// once it begins there.
fn trim_chunk(
    connection: &mut Connection,
    topic: i64,
    partition: u32,
    before: i64,
) -> rusqlite::Result<Option<(u64, i64)>> {
    let table = store::table(topic, partition);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let begin: i64 = transaction.query_row(
        "SELECT begin FROM partitions WHERE topic = ?1 AND partition = ?2",
        params![topic, partition],
        |row| row.get(0),
    )?;
    if begin >= before {
        return Ok(None);
    }
    let behind_chunk: Option<i64> = transaction
        .query_row(
            &format!("SELECT offset FROM {table} WHERE offset < ?1 ORDER BY offset LIMIT 1 OFFSET ?2"),
            params![before, CHUNK_RECORDS],
            |row| row.get(0),
        )
        .optional()?;
    let until = behind_chunk.unwrap_or(before);
    let records = transaction.execute(&format!("DELETE FROM {table} WHERE offset < ?1"), [until])?;
    transaction.execute(
        "UPDATE partitions SET begin = ?3 WHERE topic = ?1 AND partition = ?2",
        params![topic, partition, until],
    )?;
    transaction.commit()?;
    Ok(Some((records as u64, until)))
}

/// The offsets of a partition whose records are to go.
fn due(
    reader: &Connection,
    (topic, partition): (i64, u32),
    mut is_due: impl FnMut(Option<&[u8]>, Option<&[u8]>) -> bool,
) -> rusqlite::Result<Vec<i64>> {
    let sql = format!("SELECT offset, key, value FROM {} ORDER BY offset", store::table(topic, partition));
    let mut select = reader.prepare(&sql)?;
    let mut rows = select.query([])?;
    let mut due = Vec::new();
    while let Some(row) = rows.next()? {
        let (key, value) = (row.get_ref(1)?.as_blob_or_null()?, row.get_ref(2)?.as_blob_or_null()?);
        if is_due(key, value) {
            due.push(row.get(0)?);
        }
    }
    Ok(due)
}

fn superfluous(reader: &Connection, topic: i64, partition: u32, end: i64) -> rusqlite::Result<Vec<i64>> {
    let table = store::table(topic, partition);
    let mut select = reader.prepare(&format!(
        "SELECT r.offset FROM {table} AS r
         JOIN (SELECT key, max(offset) AS last FROM {table} WHERE key IS NOT NULL AND offset < ?1 GROUP BY key) AS k
           ON k.key = r.key
         WHERE r.offset < ?1 AND (r.offset < k.last OR r.value IS NULL)
         ORDER BY r.offset LIMIT ?2"
    ))?;
    let rows = select.query_map([end, PASS_RECORDS_MAX], |row| row.get(0))?;
    rows.collect()
}

fn delete(connection: &mut Connection, topic: i64, partition: u32, offsets: &[i64]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut statement =
        transaction.prepare(&format!("DELETE FROM {} WHERE offset = ?1", store::table(topic, partition)))?;
    for offset in offsets {
        statement.execute([offset])?;
    }
    drop(statement);
    transaction.commit()
}
