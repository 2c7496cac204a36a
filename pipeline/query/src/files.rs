//! The files of one Delta snapshot, as a scan needs them: which Parquet files hold a table at one version, and what is
//! known about each without opening it.
//!
//! Absent on purpose: the Delta log. `lake` reads it; here a table is a list of files that does not change.

use std::sync::Arc;

use arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};
use object_store::ObjectStore;
use object_store::path::Path;
use schemas::tables::MONTH_COLUMN;
use url::Url;

/// One Parquet file of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LakeFile {
    /// Its path within its object store, percent-decoded, without a leading slash.
    pub path: Path,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// How many rows it holds, where the log says so.
    pub rows: Option<u64>,
    /// The value of [`MONTH_COLUMN`] for all its rows; the column is not in the file.
    pub business_month: Option<String>,
}

/// One table at one version.
#[derive(Clone, Debug)]
pub struct LakeTable {
    /// The name under which statements call it.
    pub name: String,
    /// Its Delta version; −1 for a table that nothing has been written to.
    pub version: i64,
    /// Its columns, [`MONTH_COLUMN`] among them if it is partitioned.
    pub schema: SchemaRef,
    /// Its files.
    pub files: Vec<LakeFile>,
}

impl LakeTable {
    /// A table to which nothing has been written: it answers with no rows.
    pub fn empty(name: &str, schema: SchemaRef) -> Self {
        Self { name: name.to_owned(), version: -1, schema, files: Vec::new() }
    }

    /// How many rows it holds; `None` where a file does not say.
    pub fn rows(&self) -> Option<u64> {
        self.files.iter().map(|file| file.rows).sum()
    }

    /// The columns that are in the files.
    pub(crate) fn file_schema(&self) -> SchemaRef {
        let stored: Vec<FieldRef> =
            self.schema.fields().iter().filter(|field| field.name() != MONTH_COLUMN).cloned().collect();
        Arc::new(Schema::new(stored))
    }

    /// The partition column, if the table has it.
    pub(crate) fn partition_field(&self) -> Option<&Field> {
        self.schema.field_with_name(MONTH_COLUMN).ok()
    }
}

/// All tables of a lake, each at one version, and the store their files are in.
#[derive(Clone, Debug)]
pub struct LakeTables {
    /// Scheme and authority of the object store: `file:///`, `s3://bucket`.
    pub url: Url,
    /// The store, whose root is that of `url`.
    pub store: Arc<dyn ObjectStore>,
    /// The tables, in any order.
    pub tables: Vec<Arc<LakeTable>>,
}

impl LakeTables {
    /// A lake to which nothing was ever written.
    pub(crate) fn nothing() -> Self {
        let url = Url::parse("memory:///").expect("an URL");
        Self { url, store: Arc::new(object_store::memory::InMemory::new()), tables: Vec::new() }
    }

    /// The table of that name.
    pub fn table(&self, name: &str) -> Option<&Arc<LakeTable>> {
        self.tables.iter().find(|table| table.name == name)
    }

    /// What tells this state of the lake from another: the version of every table.
    pub(crate) fn versions(&self) -> Vec<(&str, i64)> {
        let mut versions: Vec<_> =
            self.tables.iter().map(|table| (table.name.as_str(), table.version)).collect();
        versions.sort_unstable();
        versions
    }
}
