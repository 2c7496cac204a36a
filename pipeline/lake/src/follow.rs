//! What was appended to a table, entry by entry of its log, for whoever passes rows on.
//!
//! In: the version that was passed on last.  Out: the next version and the rows that it added.  Owns: nothing.
//! Absent on purpose: rows of entries that only move rows from file to file (`dataChange` unset): they were passed on before.
//! Invariants: versions are handed out one by one and in order; an entry that the log no longer holds is an error, never a step.

use std::collections::HashMap;

use arrow::array::RecordBatch;
use object_store::path::Path;
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::lake::{Lake, schema_of};
use crate::read::read_file;
use crate::scan::FileEntry;

/// Rows that one entry of a table's log added.
#[derive(Clone, Debug)]
pub struct Appended {
    /// The version that the entry made.
    pub version: u64,
    /// The rows, with this program's columns; perhaps none.
    pub rows: Vec<RecordBatch>,
}

/// What an entry says of a file that it adds.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AddedFile {
    path: String,
    size: u64,
    modification_time: i64,
    data_change: bool,
    #[serde(default)]
    partition_values: HashMap<String, Option<String>>,
    stats: Option<String>,
}

impl AddedFile {
    fn entry(self, what: impl Fn() -> String) -> Result<FileEntry> {
        Ok(FileEntry {
            path: Path::from_url_path(&self.path).map_err(|error| Error::schema(what(), error))?,
            size_bytes: self.size,
            written_ms: self.modification_time,
            rows: None,
            business_month: self.partition_values.get(schemas::tables::MONTH_COLUMN).cloned().flatten(),
            statistics: self.stats,
        })
    }
}

impl Lake {
    /// What was appended to table `name` by the entry behind version `after`, or by its first one; `None` if there is none yet.
    ///
    /// # Errors
    /// What the store says; an entry that is no longer kept (`[lake]` keeps them for a while behind a log snapshot).
    pub async fn appended(&self, name: &str, after: Option<u64>) -> Result<Option<Appended>> {
        let table = self.table(name)?;
        let version = after.map_or(0, |after| after + 1);
        let Some(added) = table.added(version).await? else {
            return match table.head().await? {
                Some(head) if head >= version => Err(Error::corrupt(format!(
                    "entry {version} of table {name} is no longer kept: what it added cannot be told apart any more"
                ))),
                _ => Ok(None),
            };
        };
        let (store, wanted) = (table.store(), schema_of(name)?);
        let mut rows = Vec::new();
        for file in added.into_iter().filter(|file| file.data_change) {
            let file = file.entry(|| format!("read entry {version} of table {name}"))?;
            rows.extend(read_file(name, store.as_ref(), &file, &wanted).await?);
        }
        Ok(Some(Appended { version, rows }))
    }
}
