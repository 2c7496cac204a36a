//! Retention of `punch_evidence`: fixes and scans older than `location_days` leave the table, and then the store.
//!
//! ```text
//!   rows too old ─▶ one entry: remove the file, add what is left of it ─▶ … grace for readers … ─▶ the bytes are deleted
//!                        a kill here leaves files that the next round finds: tombstoned, or named by no entry at all
//! ```
//!
//! In: the clocks in the log of `punches`, `location_days`, the wall.  Out: [`RetentionStats`].  Owns: nothing.
//! Absent on purpose: any other table (their retention is erasure's and counts in months), merging of small files, and the
//! log: what a broker or the embedded log keeps of the records is that log's retention. Bytes leave the store by `sweep`.
//! Invariants: a row is never lost but by its age nor doubled, whatever other owners and other rounds do meanwhile: a removal
//! is put behind the version it was planned on, and planned anew where anybody removed anything since ([`Fence::Removals`]).
//! Tested by `tests::retention`.
//! Why so: the age is counted twice and the stricter count holds. By the log: a row goes once the lowest clock among the
//! log's partitions is `location_days` past the punch, so that a replay of old records ends as it did when they were new. By
//! the wall: a file goes once it is `location_days` old, whatever its rows say. So a punch whose device clock ran ahead by
//! years does not stay for years, and a log that stood still for weeks does not keep for weeks: its next round deletes first.
//!
//! [`Fence::Removals`]: crate::log::Fence::Removals

use std::collections::BTreeSet;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::TimestampMicrosecondType;
use deltalake::kernel::Add;
use frontier::{Frontiers, Outcome};
use model::{EventTime, Partition};
use object_store::path::Path;
use schemas::tables::{punch_evidence, punches};

use crate::claim::stored_frontiers;
use crate::encode::now_ms;
use crate::error::{Error, ErrorKind, Result};
use crate::lake::Lake;
use crate::log::TableLog;
use crate::ownership::LogIdentity;
use crate::read::read_file;
use crate::scan::{FileEntry, TableSnapshot};

/// The column that says when a punch happened.
const OCCURRED: &str = "occurred_at";

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

/// Files that one entry removes or rewrites at most.
const FILES_PER_ENTRY_MAX: usize = 256;

/// How often a removal is planned anew because others remove, too.
const ROUNDS_MAX: u32 = 16;

/// What a round of retention did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetentionStats {
    /// Files whose rows were all too old.
    pub files_removed: u64,
    /// Files of which some rows were too old.
    pub files_rewritten: u64,
    /// Files whose bytes were deleted: removed ones, and ones that no entry ever named.
    pub files_deleted: u64,
    /// Files the table has now.
    pub files_left: u64,
}

/// What is too old.
#[derive(Clone, Copy, Debug)]
struct Limit {
    /// Punches that occurred before.
    occurred: EventTime,
    /// Files whose rows were written before, by the wall.
    written_ms: i64,
}

/// What becomes of one file.
enum Fate {
    Stays,
    Goes,
    /// It may hold rows of both kinds.
    Mixed,
}

impl Limit {
    fn fate(self, file: &FileEntry) -> Fate {
        let bounds = file.bounds();
        if file.written_ms < self.written_ms || !bounds.may_reach_time(OCCURRED, self.occurred) {
            Fate::Goes
        } else if bounds.may_lie_before(OCCURRED, self.occurred) {
            Fate::Mixed
        } else {
            Fate::Stays
        }
    }
}

impl Lake {
    /// One round of retention: rows of `punch_evidence` older than [`location_days`](crate::LakeOptions::location_days), by the
    /// lowest clock among the partitions of `log` that have one, leave the table; the bytes of files removed longer than
    /// [`reader_grace_min`](crate::LakeOptions::reader_grace_min) ago leave the store. Any process may run it, at any time,
    /// beside owners at work and beside other rounds; after a kill the next round goes on.
    ///
    /// A file is also removed once its rows were written that many days ago by the wall, whatever they say of their age.
    ///
    /// # Errors
    /// What the store says; `Contended` where other processes remove without end. What was removed before stays removed.
    pub async fn retain_evidence(&self, log: &LogIdentity) -> Result<RetentionStats> {
        self.retain_evidence_at(log, now_ms()).await
    }

    /// The same, with the wall at `now_ms`.
    pub(crate) async fn retain_evidence_at(&self, log: &LogIdentity, now_ms: i64) -> Result<RetentionStats> {
        let table = self.table(punch_evidence::NAME)?;
        let mut stats = RetentionStats::default();
        let limit = self.limit(log, now_ms).await?;
        self.remove_evidence(&table, limit, now_ms, &mut stats).await?;
        stats.files_deleted += self.sweep_table(&table, now_ms).await?;
        Ok(stats)
    }

    async fn limit(&self, log: &LogIdentity, now_ms: i64) -> Result<Limit> {
        let days = self.options().location_days.max(0);
        let written_ms = now_ms.saturating_sub(days.saturating_mul(DAY_MS));
        let table = self.table(punches::NAME)?;
        let frontiers = match table.head().await? {
            Some(head) => {
                let partitions: BTreeSet<Partition> = (0..log.partitions).map(Partition::new).collect();
                stored_frontiers(&table, log, &partitions, head).await?
            }
            None => Frontiers::new(),
        };
        Ok(Limit { occurred: self.oldest_evidence(&frontiers), written_ms })
    }

    /// What occurred before is too old where the clocks of a whole log stand at `frontiers`.
    fn oldest_evidence(&self, frontiers: &Frontiers) -> EventTime {
        let days = self.options().location_days;
        if days <= 0 {
            return EventTime::from_us(i64::MAX);
        }
        let clocks = frontiers.values().map(|frontier| frontier.clock()).filter(|clock| clock.is_set());
        match clocks.map(|clock| clock.time()).min() {
            Some(clock) => clock.plus_min(-days * DAY_MS / MINUTE_MS),
            None => EventTime::from_us(i64::MIN),
        }
    }

    /// Evidence that is not too old already when the clocks will stand at `frontiers`: a late upload's fix, or what a fast
    /// replay reads of weeks ago, is not written only to be removed.
    pub(crate) fn young_evidence(
        &self,
        frontiers: &Frontiers,
        batches: Vec<RecordBatch>,
    ) -> Result<Vec<RecordBatch>> {
        let occurred = self.oldest_evidence(frontiers);
        batches.iter().map(|batch| young_rows(batch, occurred)).collect()
    }

    /// Removes what is beyond `limit`, in entries of some files each.
    async fn remove_evidence(
        &self,
        table: &TableLog,
        limit: Limit,
        now_ms: i64,
        stats: &mut RetentionStats,
    ) -> Result<()> {
        for _ in 0..ROUNDS_MAX {
            let Some(head) = table.head().await? else { return Ok(()) };
            let snapshot = self.snapshot_at(table, head).await?;
            if self.remove_from(table, &snapshot, limit, now_ms, stats).await? {
                return Ok(());
            }
        }
        let what =
            format!("remove old rows of table {}: other processes remove, too, without end", table.name());
        Err(Error::new(ErrorKind::Contended, what))
    }

    /// One plan, carried out; `false` if somebody else removed something meanwhile, so that it no longer holds.
    async fn remove_from(
        &self,
        table: &TableLog,
        snapshot: &TableSnapshot,
        limit: Limit,
        now_ms: i64,
        stats: &mut RetentionStats,
    ) -> Result<bool> {
        let due: Vec<&FileEntry> =
            snapshot.files.iter().filter(|file| !matches!(limit.fate(file), Fate::Stays)).collect();
        stats.files_left = snapshot.files.len() as u64;
        let mut seen = snapshot.version;
        for files in due.chunks(FILES_PER_ENTRY_MAX) {
            let (mut removed, mut added) = (Vec::new(), Vec::new());
            for file in files {
                match self.rest_of(table, snapshot, file, limit).await? {
                    None => continue,
                    Some(rest) => added.extend(rest),
                }
                removed.push(file.removal(now_ms, true));
            }
            if removed.is_empty() {
                continue;
            }
            let (gone, rewritten) = (removed.len() - added.len(), added.len());
            let predicate = format!("{OCCURRED} < '{}'", limit.occurred.timestamp());
            let paths: Vec<Path> = added.iter().map(|add| Path::from(add.path.as_str())).collect();
            let entry = table.new_removal(removed, added, predicate)?;
            match table.append_removal(entry, seen, self.options().retries).await? {
                Outcome::Done { version, .. } => seen = version,
                Outcome::Lost { .. } | Outcome::InDoubt => {
                    // They hold locations, and no entry will ever name them.
                    self.delete(table, paths).await?;
                    return Ok(false);
                }
            }
            stats.files_removed += gone as u64;
            stats.files_rewritten += rewritten as u64;
            stats.files_left -= gone as u64;
        }
        Ok(true)
    }

    /// The file that takes the place of `file`, if any row of it stays; `None` if all do.
    async fn rest_of(
        &self,
        table: &TableLog,
        snapshot: &TableSnapshot,
        file: &FileEntry,
        limit: Limit,
    ) -> Result<Option<Option<Add>>> {
        if matches!(limit.fate(file), Fate::Goes) {
            return Ok(Some(None));
        }
        let batches = read_file(table.name(), table.store().as_ref(), file, &snapshot.schema).await?;
        let rows = |batches: &[RecordBatch]| batches.iter().map(RecordBatch::num_rows).sum::<usize>();
        let kept: Vec<RecordBatch> =
            batches.iter().map(|batch| young_rows(batch, limit.occurred)).collect::<Result<_>>()?;
        if rows(&kept) == rows(&batches) {
            return Ok(None);
        }
        let rest = self.rewrite_file(table.name(), &kept).await?;
        // The rows are as old as before.
        Ok(Some(rest.map(|add| Add { modification_time: file.written_ms, ..add })))
    }
}

/// The rows that occurred at or after `occurred`.
fn young_rows(batch: &RecordBatch, occurred: EventTime) -> Result<RecordBatch> {
    let what = || format!("cut old rows of table {}", punch_evidence::NAME);
    let times = batch.column_by_name(OCCURRED);
    let times = times.and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
    let times = times.ok_or_else(|| Error::corrupt(format!("{}: no column `{OCCURRED}`", what())))?;
    let mask: BooleanArray = (0..batch.num_rows())
        .map(|row| Some(times.is_valid(row) && times.value(row) >= occurred.us()))
        .collect();
    filter_record_batch(batch, &mask).map_err(|e| Error::schema(what(), e))
}
