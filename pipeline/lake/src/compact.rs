//! Many small files become few large ones, their rows in the order in which they are asked for.
//!
//! ```text
//!   commits ─▶ f f f f f f f f ─▶ one entry: remove these, add F (the same rows, sorted by site, person and time)
//!                                 rivals: the one whose entry comes first; the other's file is deleted, its plan is dropped
//! ```
//!
//! In: the files of each table.  Out: entries that say the same rows in other files; [`CompactStats`].  Owns: nothing.
//! Absent on purpose: a loss of rows (`retention`), the bytes of what was replaced (`sweep`), and delta-rs's own optimizer:
//! it re-reads the log on every commit and takes its own commit for another's (`research/streams.md`, 5.4).
//! Invariants: I-35 a row is in exactly one file, whoever compacts, removes and commits at once: an entry is put behind the
//! version it was planned on and dropped where anybody removed anything since ([`Fence::Removals`]), and names a file only
//! whose rows were counted to be as many as those of the files it replaces. Tested by `tests::compact`.
//! Why so: files by steps of eight in rows and eight of a step become one, so that a row is written again at most four times,
//! and a month has at most some dozens of small files beside its full ones however often is committed.
//!
//! [`Fence::Removals`]: crate::log::Fence::Removals

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::compute::{SortColumn, concat_batches, lexsort_to_indices, take_record_batch};
use deltalake::kernel::Add;
use frontier::Outcome;
use object_store::path::Path;
use schemas::tables::{self, punch_evidence};

use crate::encode::now_ms;
use crate::error::{Error, ErrorKind, Result};
use crate::lake::Lake;
use crate::log::TableLog;
use crate::read::read_file;
use crate::scan::FileEntry;

/// A file of so many rows is left as it is.
const FULL_ROWS: u64 = 1 << 17;

/// Rows that one merge takes at most: it holds them as read, as one, and sorted.
const MERGED_ROWS_MAX: u64 = 2 * FULL_ROWS;

/// Files of one step that become one.
const STEP_FILES: usize = 8;

/// Small files of a month that nobody has written to for this long become one, however few they are.
const QUIET_MS: i64 = 3_600_000;

/// Evidence is kept by when it was written, too: only files of the same hour become one.
const EVIDENCE_SPAN_MS: i64 = 3_600_000;

/// By what rows are sorted: of these, the columns that a table has, in this order.
const ORDER: [&str; 6] = ["site_id", "employee_id", "occurred_at", "planned_start", "first_at", "version"];

/// Which files become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Eight of a size, and the rest of a month that has been quiet for an hour: for a lake that others write to.
    Due,
    /// All of a month that are not full: behind an import, or when somebody asks.
    All,
}

/// What a round of compaction did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompactStats {
    /// Files replaced.
    pub files_replaced: u64,
    /// Files in their place.
    pub files_written: u64,
    /// Rows in these.
    pub rows: u64,
    /// Merges dropped because somebody else removed files meanwhile.
    pub dropped: u64,
}

impl Lake {
    /// One round of compaction over all tables. Any process may run it, at any time, beside owners at work; two at once only
    /// do each other's work in vain. After a kill the next round begins anew, and [`Lake::sweep`] removes what was left.
    ///
    /// # Errors
    /// What the store says; `Corrupt` where a file holds other than the number of rows that its table's log tells: nothing of
    /// it is replaced then.
    pub async fn compact(&self, which: Which) -> Result<CompactStats> {
        self.compact_at(which, now_ms()).await
    }

    /// The same, with the wall at `now_ms`.
    pub(crate) async fn compact_at(&self, which: Which, now_ms: i64) -> Result<CompactStats> {
        let mut stats = CompactStats::default();
        for table in tables::ALL {
            self.compact_table(&self.table(table.name)?, which, now_ms, &mut stats).await?;
        }
        Ok(stats)
    }

    async fn compact_table(
        &self,
        table: &TableLog,
        which: Which,
        now_ms: i64,
        stats: &mut CompactStats,
    ) -> Result<()> {
        let Some(head) = table.head().await? else { return Ok(()) };
        let snapshot = self.snapshot_at(table, head).await?;
        let mut seen = snapshot.version;
        for group in plan(table.name(), &snapshot.files, which, now_ms) {
            let merged = self.merged(table, &snapshot.schema, &group).await?;
            let path = Path::from(merged.path.as_str());
            let removed = group.iter().map(|file| file.removal(now_ms, false)).collect();
            let entry = table.new_compaction(removed, vec![merged], self.options().target_file_bytes)?;
            match table.append_removal(entry, seen, self.options().retries).await? {
                Outcome::Done { version, .. } => {
                    seen = version;
                    stats.files_replaced += group.len() as u64;
                    stats.files_written += 1;
                    stats.rows += group.iter().filter_map(|file| file.rows).sum::<u64>();
                }
                Outcome::Lost { .. } | Outcome::InDoubt => {
                    // No entry will ever name it. What the rival left is for the next round.
                    self.delete(table, vec![path]).await?;
                    stats.dropped += 1;
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// One new file with the rows of `group`, sorted; unnamed by the log yet.
    async fn merged(
        &self,
        table: &TableLog,
        schema: &arrow::datatypes::SchemaRef,
        group: &[FileEntry],
    ) -> Result<Add> {
        let what = || format!("make {} files of table {} one", group.len(), table.name());
        let mut batches = Vec::new();
        for file in group {
            let read = read_file(table.name(), table.store().as_ref(), file, schema).await?;
            let rows: usize = read.iter().map(RecordBatch::num_rows).sum();
            if file.rows.is_some_and(|told| told != rows as u64) {
                let told = file.rows.unwrap_or_default();
                let what =
                    format!("{}: {} holds {rows} rows, and the table's log says {told}", what(), file.path);
                return Err(Error::corrupt(what));
            }
            batches.extend(read);
        }
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        let sorted = tokio::task::spawn_blocking(move || sorted(&batches)).await;
        let sorted = sorted.map_err(|panic| Error::corrupt(format!("{}: {panic}", what())))?;
        let sorted = sorted.map_err(|e| Error::schema(what(), e))?;
        if sorted.num_rows() != rows {
            return Err(Error::corrupt(format!("{}: {rows} rows became {}", what(), sorted.num_rows())));
        }
        let merged = self.rewrite_file(table.name(), &[sorted]).await?;
        let merged = merged.ok_or_else(|| Error::new(ErrorKind::Corrupt, format!("{}: no row", what())))?;
        // The rows are as old as before.
        let written_ms = group.iter().map(|file| file.written_ms).min().unwrap_or(merged.modification_time);
        Ok(Add { modification_time: written_ms, data_change: false, ..merged })
    }
}

/// The rows as one batch, in [`ORDER`]; rows that are alike in it keep theirs.
pub(crate) fn sorted(batches: &[RecordBatch]) -> std::result::Result<RecordBatch, arrow::error::ArrowError> {
    // Columns that may be null in any of the files may be in all.
    let schema = batches.iter().map(RecordBatch::schema).reduce(|one, other| {
        let fields = one.fields().iter().zip(other.fields());
        let field = |(a, b): (&arrow::datatypes::FieldRef, &arrow::datatypes::FieldRef)| {
            if a.is_nullable() { a.clone() } else { b.clone() }
        };
        std::sync::Arc::new(arrow::datatypes::Schema::new(fields.map(field).collect::<Vec<_>>()))
    });
    let Some(schema) = schema else {
        return Err(arrow::error::ArrowError::InvalidArgumentError("no rows to sort".to_owned()));
    };
    let all = concat_batches(&schema, batches)?;
    let mut columns: Vec<SortColumn> = ORDER
        .iter()
        .filter_map(|name| all.column_by_name(name))
        .map(|column| SortColumn { values: column.clone(), options: None })
        .collect();
    if columns.is_empty() {
        return Ok(all);
    }
    let places = arrow::array::UInt32Array::from_iter_values(0..all.num_rows() as u32);
    columns.push(SortColumn { values: std::sync::Arc::new(places), options: None });
    take_record_batch(&all, &lexsort_to_indices(&columns, None)?)
}

/// Which files become one, each group of one month. Files whose rows are not counted are another writer's and left alone.
fn plan(table: &str, files: &[FileEntry], which: Which, now_ms: i64) -> Vec<Vec<FileEntry>> {
    let mut small: BTreeMap<(Option<&str>, i64), Vec<&FileEntry>> = BTreeMap::new();
    for file in files.iter().filter(|file| file.rows.is_some_and(|rows| rows > 0 && rows < FULL_ROWS)) {
        let span =
            if table == punch_evidence::NAME { file.written_ms.div_euclid(EVIDENCE_SPAN_MS) } else { 0 };
        small.entry((file.business_month.as_deref(), span)).or_default().push(file);
    }
    let mut groups = Vec::new();
    for mut files in small.into_values() {
        // What was written together is asked for together.
        files.sort_by(|a, b| (a.written_ms, &a.path).cmp(&(b.written_ms, &b.path)));
        let is_quiet = files.iter().all(|file| file.written_ms < now_ms - QUIET_MS);
        if which == Which::All || is_quiet {
            groups.extend(cut(&files));
            continue;
        }
        let mut steps: BTreeMap<u32, Vec<&FileEntry>> = BTreeMap::new();
        for file in files {
            steps.entry(step(file)).or_default().push(file);
        }
        for files in steps.values().filter(|files| files.len() >= STEP_FILES) {
            groups.extend(cut(files));
        }
    }
    groups
}

/// Files of a step differ at most by a factor of eight.
fn step(file: &FileEntry) -> u32 {
    const FIRST: u64 = FULL_ROWS >> 6;
    (file.rows.unwrap_or(0) / FIRST).checked_ilog(8).map_or(0, |step| step + 1)
}

/// `files` in order as groups of two or more, none larger than a merge may be.
fn cut(files: &[&FileEntry]) -> Vec<Vec<FileEntry>> {
    let mut groups: Vec<(u64, Vec<FileEntry>)> = Vec::new();
    for file in files {
        let rows = file.rows.unwrap_or(0);
        match groups.last_mut().filter(|(held, _)| *held < FULL_ROWS && held + rows <= MERGED_ROWS_MAX) {
            Some((held, group)) => {
                *held += rows;
                group.push((*file).clone());
            }
            None => groups.push((rows, vec![(*file).clone()])),
        }
    }
    groups.into_iter().map(|(_, group)| group).filter(|group| group.len() > 1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, month: &str, rows: u64, written_ms: i64) -> FileEntry {
        FileEntry {
            path: Path::from(name),
            size_bytes: rows * 40,
            written_ms,
            rows: Some(rows),
            business_month: Some(month.to_owned()),
            statistics: None,
        }
    }

    fn names(groups: &[Vec<FileEntry>]) -> Vec<String> {
        let name = |group: &Vec<FileEntry>| {
            group.iter().map(|file| file.path.to_string()).collect::<Vec<_>>().join(" ")
        };
        groups.iter().map(name).collect()
    }

    #[test]
    fn eight_of_a_step_become_one_and_full_ones_never() {
        let many = |count: u64, rows: u64| -> Vec<FileEntry> {
            (0..count).map(|n| file(&format!("f{n}"), "2026-11", rows, n as i64)).collect()
        };
        let due = |files: &[FileEntry]| names(&plan("punches", files, Which::Due, 0));
        assert_eq!(due(&many(7, 10)), [""; 0]);
        assert_eq!(due(&many(8, 10)), ["f0 f1 f2 f3 f4 f5 f6 f7"]);
        assert_eq!(due(&many(9, FULL_ROWS)), [""; 0]);
        // Of different steps: four and four.
        let mut mixed = many(4, 10);
        mixed.extend((4..8).map(|n| file(&format!("f{n}"), "2026-11", 20_000, n)));
        assert_eq!(due(&mixed), [""; 0]);
        // Never more than a merge may hold.
        let large = plan("punches", &many(16, FULL_ROWS / 2), Which::Due, 0);
        assert!(large.iter().all(|group| group.len() == 2), "{large:?}");
        assert_eq!(large.len(), 8);
    }

    #[test]
    fn a_quiet_months_rest_and_all_when_asked() {
        let files = [file("a", "2026-10", 10, 0), file("b", "2026-10", 9_000, 1), file("c", "2026-11", 5, 0)];
        let at = |which, now_ms| names(&plan("punches", &files, which, now_ms));
        assert_eq!(at(Which::Due, QUIET_MS), [""; 0]);
        assert_eq!(at(Which::Due, QUIET_MS + 2), ["a b"], "a lone file stays as it is");
        assert_eq!(at(Which::All, 0), ["a b"]);
    }

    #[test]
    fn evidence_becomes_one_only_within_an_hour() {
        let files: Vec<FileEntry> =
            (0..16).map(|n| file(&format!("f{n:02}"), "2026-11", 5, n * EVIDENCE_SPAN_MS / 8)).collect();
        let groups = plan(punch_evidence::NAME, &files, Which::All, 0);
        assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), [8, 8]);
        assert_eq!(plan("punches", &files, Which::All, 0).len(), 1);
    }

    /// However often is committed, few files are left and a row is written again a few times only.
    #[test]
    fn ten_thousand_commits_leave_some_dozens_of_files() {
        let (mut files, mut rewritten) = (Vec::new(), 0);
        for n in 0..10_000_u64 {
            files.push(file(&format!("c{n:05}"), "2026-11", 100, n as i64));
            if n % 50 == 49 {
                for group in plan("punches", &files, Which::Due, n as i64) {
                    let rows = group.iter().filter_map(|file| file.rows).sum();
                    rewritten += rows;
                    files.retain(|file| !group.contains(file));
                    files.push(file(&format!("m{n:05}-{rows}"), "2026-11", rows, group[0].written_ms));
                }
            }
        }
        assert!(files.len() <= 3 * STEP_FILES + 8, "{}", files.len());
        assert!(rewritten <= 4 * 1_000_000, "{rewritten}");
        assert_eq!(files.iter().filter_map(|file| file.rows).sum::<u64>(), 1_000_000);
    }
}
