//! Bytes that no table needs any more leave the store: of files removed long enough ago, and of files that no entry ever named.
//!
//! ```text
//!   every file in the month folders − files the table has − files removed within the grace − unnamed files still young ─▶ deleted
//! ```
//!
//! In: the wall.  Out: how many files were deleted.  Owns: nothing.
//! Absent on purpose: which rows go (`retention`) and which files become one (`compact`): they only remove files from the log.
//! Invariants: a file that some version of the grace names is never deleted, nor one that a commit under way may still name:
//! folders are listed before the log is read, and an unnamed file is left until no owner who wrote it can commit any more
//! ([`log_retention_hours`](crate::LakeOptions::log_retention_hours)).
//! Why so: a process killed between writing files and naming them leaves them behind, and nobody else knows of them.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use futures::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{ObjectStore as _, ObjectStoreExt as _};
use schemas::tables::{self, MONTH_COLUMN, punch_evidence};

use crate::encode::now_ms;
use crate::error::{Error, Result};
use crate::lake::Lake;
use crate::log::TableLog;

const MINUTE_MS: i64 = 60_000;

impl Lake {
    /// Deletes, in every table, the bytes of files removed longer ago than the grace for readers (of `punch_evidence`
    /// [`reader_grace_min`](crate::LakeOptions::reader_grace_min), of the others
    /// [`compacted_grace_min`](crate::LakeOptions::compacted_grace_min)), and of files that a killed process left unnamed.
    /// Returns how many. Lists every folder: for now and then. Any process may run it, at any time, beside owners at work.
    ///
    /// # Errors
    /// What the store says. What was deleted before stays deleted.
    pub async fn sweep(&self) -> Result<u64> {
        self.sweep_at(now_ms()).await
    }

    /// The same, with the wall at `now_ms`.
    pub(crate) async fn sweep_at(&self, now_ms: i64) -> Result<u64> {
        let mut deleted = 0;
        for table in tables::ALL {
            deleted += self.sweep_table(&self.table(table.name)?, now_ms).await?;
        }
        Ok(deleted)
    }

    /// Deletes the bytes of one table's files that nobody can be reading any more.
    pub(crate) async fn sweep_table(&self, table: &TableLog, now_ms: i64) -> Result<u64> {
        let options = self.options();
        let unnamed_ms = i64::try_from(options.log_retention_hours).unwrap_or(i64::MAX);
        let unnamed_before = now_ms.saturating_sub(unnamed_ms.saturating_mul(60 * MINUTE_MS));
        let grace_min = if table.name() == punch_evidence::NAME {
            options.reader_grace_min
        } else {
            options.compacted_grace_min
        };
        let removed_before = now_ms - i64::from(grace_min) * MINUTE_MS;
        let mut deleted = 0;
        // Listed first: a file that is named after this look is younger than any bound, or named in the look that follows.
        let mut found = list_files(table).await?;
        let Some(head) = table.head().await? else { return Ok(deleted) };
        let snapshot = self.snapshot_at(table, head).await?;
        let live: HashSet<&Path> = snapshot.files.iter().map(|file| &file.path).collect();
        found.retain(|(path, _)| !live.contains(path));
        if !found.is_empty() {
            let removed = removed_files(table, head).await?;
            let is_due = |(path, written_ms): &(Path, i64)| match removed.get(path) {
                Some(removed_ms) => *removed_ms <= removed_before,
                None => *written_ms <= unnamed_before,
            };
            let due: Vec<Path> = found.into_iter().filter(is_due).map(|(path, _)| path).collect();
            deleted += self.delete(table, due).await?;
        }
        deleted += self.sweep_staged(table, unnamed_before).await?;
        Ok(deleted)
    }

    /// Deletes files of the table; one that is gone already is no error.
    pub(crate) async fn delete(&self, table: &TableLog, paths: Vec<Path>) -> Result<u64> {
        let store = table.store();
        let mut deleted = 0;
        for path in paths {
            match store.delete(&path).await {
                Ok(()) => deleted += 1,
                Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => {
                    return Err(Error::store(format!("delete file {path} of table {}", table.name()), error));
                }
            }
        }
        Ok(deleted)
    }

    /// A local store writes beside and renames: deletes what a kill left beside, which its listings do not show.
    pub(crate) async fn sweep_staged(&self, table: &TableLog, before_ms: i64) -> Result<u64> {
        if self.root().scheme() != "file" {
            return Ok(0);
        }
        let Ok(dir) = self.root().to_file_path() else { return Ok(0) };
        let dir = dir.join(table.name());
        let what = format!("delete unfinished files of table {}", table.name());
        match tokio::task::spawn_blocking(move || delete_staged(&dir, before_ms)).await {
            Ok(deleted) => deleted.map_err(|e| Error::store(what, e)),
            Err(panic) => Err(Error::corrupt(format!("{what}: {panic}"))),
        }
    }
}

/// When each file was removed that the log still knows as removed, in milliseconds.
async fn removed_files(table: &TableLog, head: u64) -> Result<HashMap<Path, i64>> {
    let what = || format!("read what was removed from table {}", table.name());
    let loaded = table.load(head).await.map_err(|e| Error::store(what(), e))?;
    let state = loaded.snapshot().map_err(|e| Error::store(what(), e))?;
    let mut tombstones = state.all_tombstones(table.delta().as_ref());
    let mut removed = HashMap::new();
    while let Some(tombstone) = tombstones.try_next().await.map_err(|e| Error::store(what(), e))? {
        let Some(at) = tombstone.deletion_timestamp() else { continue };
        let path = Path::parse(tombstone.path()).unwrap_or_else(|_| Path::from(tombstone.path().as_ref()));
        removed.insert(path, at);
    }
    Ok(removed)
}

/// Every data file in the table's folders, named by its log or not, and when it was written, in milliseconds.
pub(crate) async fn list_files(table: &TableLog) -> Result<Vec<(Path, i64)>> {
    let what = || format!("list the folders of table {}", table.name());
    let store = table.store();
    // Not the log's own folder: it is the larger one.
    let folders = store.list_with_delimiter(None).await.map_err(|e| Error::store(what(), e))?.common_prefixes;
    let is_month = |folder: &Path| folder.filename().is_some_and(|name| name.starts_with(MONTH_COLUMN));
    let mut files = Vec::new();
    for folder in folders.iter().filter(|folder| is_month(folder)) {
        let mut listed = store.list(Some(folder)).boxed();
        while let Some(found) = listed.try_next().await.map_err(|e| Error::store(what(), e))? {
            files.push((found.location, found.last_modified.timestamp_millis()));
        }
    }
    Ok(files)
}

fn delete_staged(dir: &std::path::Path, before_ms: i64) -> std::io::Result<u64> {
    let before = UNIX_EPOCH + Duration::from_millis(u64::try_from(before_ms).unwrap_or(0));
    let mut deleted = 0;
    let Ok(folders) = std::fs::read_dir(dir) else { return Ok(0) };
    let is_ours = |folder: &PathBuf| {
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        name.starts_with(MONTH_COLUMN) || name == "_delta_log"
    };
    for folder in folders.flatten().map(|folder| folder.path()).filter(is_ours) {
        for file in std::fs::read_dir(folder)?.flatten() {
            let name = file.file_name().to_string_lossy().into_owned();
            let is_staged = name.split_once('#').is_some_and(|(_, number)| number.parse::<u64>().is_ok());
            if is_staged && file.metadata()?.modified()? <= before {
                std::fs::remove_file(file.path())?;
                deleted += 1;
            }
        }
    }
    Ok(deleted)
}
