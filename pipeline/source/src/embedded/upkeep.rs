//! Keeps the embedded log small: trims what is older than its retention, compacts topics that say state per key.
//!
//! In: how far readers no longer need it.  Out: how many records went.  Owns: nothing.
//! Absent on purpose: a schedule (`muster` decides when), giving space back to the disk (appends fill freed pages).
//! Invariants: the end of a partition never moves; what is gone is a gap to readers; appends wait for one chunk at most.

use model::{NextOffset, Partition};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::{EmbeddedLog, store};
use crate::error::{Error, ErrorKind};

/// Records that one transaction deletes: appends wait for no more than that.
const CHUNK_RECORDS: i64 = 10_000;
/// Offsets that one pass of a compaction keeps in memory (8 bytes each); a longer list takes several passes.
const PASS_RECORDS_MAX: i64 = 1_000_000;

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
