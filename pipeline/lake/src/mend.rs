//! What stands in the way of opening a table's log, though its entries are all there: log snapshots (Delta's checkpoints) that
//! cannot be read, and a `_last_checkpoint` that names one that is gone.
//!
//! ```text
//!   the log does not open ─▶ snapshots from the newest on: read through ─▶ torn | whole
//!                            every entry behind the newest whole one (without one: every entry) is there?
//!                              yes ─▶ the hint and the torn ones are deleted, the log is opened again
//!                              no  ─▶ an error that names the first one missing; nothing is deleted
//! ```
//!
//! In: a table's log that could not be opened.  Out: whether it was mended.  Owns: nothing.
//! Absent on purpose: mending by readers, who write nothing (`Lake::open_existing`); snapshots in several parts, which this
//! program never writes; damage to a snapshot that is met only once rows are read.
//! Invariants: I-3, this half: a log that lost entries is never read as if it began behind them.
//! Why so: a snapshot only repeats what entries say, and those are kept for hours behind it, but a reader that was pointed at it
//! gives up: the kernel cannot tell whether entries before it were lost. A lake that was copied while it was written, or a disk
//! that lost a file's end, is such a log.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{ObjectStore as _, ObjectStoreExt as _};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;

use crate::error::{Error, Result};
use crate::log::TableLog;

/// The file that names the last log snapshot.
const HINT: &str = "_delta_log/_last_checkpoint";

/// The versions of a log's files.
#[derive(Debug, Default)]
struct Listed {
    entries: BTreeSet<u64>,
    snapshots: BTreeSet<u64>,
}

impl TableLog {
    /// The version of the table's last log snapshot, as the hint has it; `None` where there is none, or none that can be read.
    pub(crate) async fn hinted(&self) -> Result<Option<u64>> {
        let what = || format!("read {HINT} of table {}", self.name());
        let bytes = match self.store().get(&Path::from(HINT)).await {
            Ok(found) => found.bytes().await.map_err(|e| Error::store(what(), e))?,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(Error::store(what(), error)),
        };
        let hint: Option<serde_json::Value> = serde_json::from_slice(&bytes).ok();
        Ok(hint.and_then(|hint| hint["version"].as_u64()))
    }

    /// Deletes torn log snapshots, and a hint that names none; whether there was any such thing.
    ///
    /// # Errors
    /// What the store says; `Corrupt` where entries that a torn or lost snapshot stood for are gone.
    pub(crate) async fn mend(&self) -> Result<bool> {
        let listed = self.list().await?;
        let (mut torn, mut whole) = (Vec::new(), None);
        for version in listed.snapshots.iter().rev() {
            match self.is_whole(*version).await? {
                Some(true) => {
                    whole = Some(*version);
                    break;
                }
                Some(false) => torn.push(*version),
                None => {}
            }
        }
        let misled = self.hinted().await?.filter(|hinted| whole.is_none_or(|whole| whole < *hinted));
        let Some(stood) = torn.first().copied().max(misled) else { return Ok(false) };
        let first = whole.map_or(0, |whole| whole + 1);
        let last = listed.entries.last().map_or(stood, |last| stood.max(*last));
        if let Some(missing) = (first..=last).find(|version| !listed.entries.contains(version)) {
            let name = self.name();
            return Err(Error::corrupt(format!(
                "open table {name}: log snapshot {stood} is lost or torn, and entry {missing}, which it stood for, is gone: put \
                 back the folder {name}/_delta_log from a copy"
            )));
        }
        tracing::warn!(
            table = self.name(),
            ?torn,
            ?misled,
            ?whole,
            "log snapshots that cannot be read are deleted: the log has every entry behind the last whole one"
        );
        // The hint first: a log without one is whole, a hint without its snapshot is not.
        let named = misled.map(|_| Path::from(HINT));
        for path in named.into_iter().chain(torn.into_iter().map(snapshot_path)) {
            match self.store().delete(&path).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => {
                    return Err(Error::store(format!("delete {path} of table {}", self.name()), error));
                }
            }
        }
        Ok(true)
    }

    async fn list(&self) -> Result<Listed> {
        let store = self.store();
        let mut files = store.list(Some(&Path::from("_delta_log")));
        let mut listed = Listed::default();
        let what = || format!("list the log of table {}", self.name());
        while let Some(file) = files.try_next().await.map_err(|e| Error::store(what(), e))? {
            let name = file.location.filename().unwrap_or_default();
            let version = |end: &str| -> Option<u64> {
                name.strip_suffix(end).filter(|digits| digits.len() == 20)?.parse().ok()
            };
            listed.entries.extend(version(".json"));
            listed.snapshots.extend(version(".checkpoint.parquet"));
        }
        Ok(listed)
    }

    /// Whether the log snapshot of `version` can be read to its end; `None` if it has gone meanwhile.
    async fn is_whole(&self, version: u64) -> Result<Option<bool>> {
        let path = snapshot_path(version);
        let what = || format!("read {path} of table {}", self.name());
        let bytes = match self.store().get(&path).await {
            Ok(found) => found.bytes().await.map_err(|e| Error::store(what(), e))?,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(Error::store(what(), error)),
        };
        let read = tokio::task::spawn_blocking(move || read_through(bytes)).await;
        // Bytes that make the reader panic are no snapshot either.
        Ok(Some(matches!(read, Ok(Ok(())))))
    }
}

fn read_through(bytes: Bytes) -> std::result::Result<(), ParquetError> {
    for batch in ParquetRecordBatchReaderBuilder::try_new(bytes)?.build()? {
        batch?;
    }
    Ok(())
}

fn snapshot_path(version: u64) -> Path {
    Path::from(format!("_delta_log/{version:020}.checkpoint.parquet"))
}
