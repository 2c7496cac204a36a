//! The files that make up a table at one version: what `query` plans its scans over, and what folding reads.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use deltalake::kernel::{Remove, Snapshot};
use futures::TryStreamExt as _;
use object_store::path::Path;
use schemas::tables::MONTH_COLUMN;

use crate::error::{Error, ErrorKind, Result};
use crate::lake::{Lake, schema_of};
use crate::log::TableLog;
use crate::statistics::Bounds;

/// One Parquet file of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Where, from the table's root.
    pub path: Path,
    /// How large.
    pub size_bytes: u64,
    /// When its rows were first written, by the wall of whoever wrote them, in milliseconds since the epoch.
    pub written_ms: i64,
    /// How many rows, if its statistics say so.
    pub rows: Option<u64>,
    /// The month of all its rows, `2026-11`.
    pub business_month: Option<String>,
    /// Delta's statistics of the file as JSON, if it has any.
    pub statistics: Option<String>,
}

impl FileEntry {
    pub(crate) fn bounds(&self) -> Bounds {
        Bounds::parse(self.statistics.as_deref())
    }

    /// The action that takes the file out of its table; `is_loss` if rows of it are in no other file then.
    pub(crate) fn removal(&self, now_ms: i64, is_loss: bool) -> Remove {
        Remove {
            path: self.path.to_string(),
            data_change: is_loss,
            deletion_timestamp: Some(now_ms),
            extended_file_metadata: Some(true),
            partition_values: Some(HashMap::from([(MONTH_COLUMN.to_owned(), self.business_month.clone())])),
            size: i64::try_from(self.size_bytes).ok(),
            tags: None,
            deletion_vector: None,
            base_row_id: None,
            default_row_commit_version: None,
        }
    }
}

/// A table at one version.
#[derive(Clone, Debug)]
pub struct TableSnapshot {
    /// The version.
    pub version: u64,
    /// The table's columns, the month last.
    pub schema: SchemaRef,
    /// Its root within the lake's store.
    pub root: Path,
    /// Its files, the newest first.
    pub files: Vec<FileEntry>,
}

impl Lake {
    /// The table `name` as it is now; `None` if nothing has been written to it yet. The schema is this program's: columns that an
    /// older file lacks read as null.
    pub async fn snapshot(&self, name: &str) -> Result<Option<TableSnapshot>> {
        let log = self.table(name)?;
        let Some(version) = log.head().await? else { return Ok(None) };
        self.snapshot_at(&log, version).await.map(Some)
    }

    /// The version that [`Lake::snapshot`] would give now: whether an earlier one is stale.
    pub async fn version(&self, name: &str) -> Result<Option<u64>> {
        self.table(name)?.head().await
    }

    pub(crate) async fn snapshot_at(&self, log: &TableLog, version: u64) -> Result<TableSnapshot> {
        let files = match files_at(log, version).await {
            Ok(files) => files,
            Err(error) => return Err(gone_or(error, log, version).await),
        };
        Ok(TableSnapshot { version, schema: schema_of(log.name())?, root: log.root().clone(), files })
    }
}

/// A version that no log snapshot leads to any more is gone; else `error`.
async fn gone_or(error: Error, log: &TableLog, version: u64) -> Error {
    match log.hinted().await {
        Ok(Some(first)) if version < first => {
            Error::new(ErrorKind::Gone, format!("read version {version} of table {}", log.name()))
        }
        _ => error,
    }
}

async fn files_at(log: &TableLog, version: u64) -> Result<Vec<FileEntry>> {
    let what = || format!("list the files of table {} version {version}", log.name());
    let store = log.delta();
    let snapshot =
        Snapshot::try_new(store.as_ref(), Some(version)).await.map_err(|e| Error::store(what(), e))?;
    let snapshot = Arc::new(snapshot);
    let views = snapshot.file_views(store.as_ref(), None).map_ok(|file| {
        let statistics = file.stats();
        let bounds = Bounds::parse(statistics.as_deref());
        FileEntry {
            path: file.object_store_path(),
            size_bytes: u64::try_from(file.size()).unwrap_or(0),
            written_ms: file.modification_time(),
            rows: bounds.rows(),
            business_month: file.partition_values_map().remove(MONTH_COLUMN).flatten(),
            statistics,
        }
    });
    views.try_collect().await.map_err(|e| Error::store(what(), e))
}
