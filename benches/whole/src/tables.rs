//! What a lake holds: rows and bytes of its tables, by the file list of each newest snapshot.

use std::path::Path;

use lake::{Lake, LakeOptions};

/// The tables a run writes, besides the reference data's.
const WRITTEN: [&str; 6] = ["punches", "punch_evidence", "rejects", "late", "shift_results", "anomalies"];

/// One table's size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Rows of its active files.
    pub rows: u64,
    /// Active Parquet files.
    pub files: usize,
    /// Bytes of these.
    pub bytes: u64,
}

/// The sizes of all tables that a run writes and that exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tables(pub Vec<Table>);

impl Tables {
    /// The tables of the lake in `folder`.
    ///
    /// # Panics
    /// If there is no lake, or it cannot be read.
    pub fn of(folder: &Path) -> Self {
        let runtime = muster::runtime().expect("threads for the lake's edge");
        let place = folder.to_string_lossy();
        let lake = runtime.block_on(Lake::open_existing(&place, LakeOptions::default())).expect("the lake");
        let size = |name| {
            let snapshot = runtime.block_on(lake.snapshot(name)).expect("the table's newest snapshot")?;
            let rows = snapshot.files.iter().filter_map(|file| file.rows).sum();
            let bytes = snapshot.files.iter().map(|file| file.size_bytes).sum();
            Some(Table { name, rows, files: snapshot.files.len(), bytes })
        };
        Self(WRITTEN.into_iter().filter_map(size).collect())
    }

    /// The table `name`, if it exists.
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.0.iter().find(|table| table.name == name)
    }

    /// Bytes of all of them.
    pub fn bytes(&self) -> u64 {
        self.0.iter().map(|table| table.bytes).sum()
    }
}
