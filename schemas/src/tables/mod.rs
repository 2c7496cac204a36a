//! The lake's tables: their columns, builders of rows, and readers for what is folded back (contract, section 5).
//!
//! In: values of `model`, a row at a time.  Out: Arrow record batches, and back.  Owns: builders' buffers, reused.
//! Absent on purpose: Delta and Parquet (`lake`), and any rule.
//! Invariants: every table ends with `business_month`, its partition column; all instants are UTC microseconds; the
//! columns that analysts filter by come first, so that statistics cover them (`tests` in this module).
//! Why so: only types that Delta readers of version 1 know: text, 32 and 64 bit integers, doubles, booleans, days,
//! UTC instants and lists of text. Lists name their item `element`, as Parquet and Delta do.

pub mod adjustments;
pub mod alert_deliveries;
pub mod anomalies;
mod approvals;
pub mod calendar_days;
mod columns;
pub mod corrections;
pub mod late;
pub mod law_values;
pub mod leave;
pub(crate) mod local_time;
mod months;
pub mod orgs;
pub mod people;
pub mod people_names;
pub mod punch_evidence;
pub mod punches;
pub(crate) mod read;
pub mod rejects;
pub mod reviews;
pub mod seals;
pub mod shift_results;
pub mod shifts;
pub mod sites;
pub mod snapshots;
pub mod vendor_records;

pub use local_time::local_date;
pub use months::split_by_month;
pub use read::ReadError;

use std::fmt;
use std::marker::PhantomData;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

pub use columns::Cells;
use columns::Columns;

/// The name of every table's partition column: the month of its business date, `2026-11`.
pub const MONTH_COLUMN: &str = "business_month";

/// One table: its name in the lake, and its columns.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Its folder in the lake, and its name in SQL.
    pub name: &'static str,
    /// Its columns.
    pub schema: fn() -> SchemaRef,
}

/// Every table that has rows.
pub const ALL: &[Table] = &[
    Table { name: punches::NAME, schema: punches::schema },
    Table { name: punch_evidence::NAME, schema: punch_evidence::schema },
    Table { name: rejects::NAME, schema: rejects::schema },
    Table { name: late::NAME, schema: late::schema },
    Table { name: shift_results::NAME, schema: shift_results::schema },
    Table { name: adjustments::NAME, schema: adjustments::schema },
    Table { name: seals::NAME, schema: seals::schema },
    Table { name: anomalies::NAME, schema: anomalies::schema },
    Table { name: vendor_records::NAME, schema: vendor_records::schema },
    Table { name: alert_deliveries::NAME, schema: alert_deliveries::schema },
    Table { name: reviews::NAME, schema: reviews::schema },
    Table { name: snapshots::NAME, schema: snapshots::schema },
    Table { name: sites::NAME, schema: sites::schema },
    Table { name: orgs::NAME, schema: orgs::schema },
    Table { name: people::NAME, schema: people::schema },
    Table { name: people_names::NAME, schema: people_names::schema },
    Table { name: shifts::NAME, schema: shifts::schema },
    Table { name: leave::NAME, schema: leave::schema },
    Table { name: corrections::NAME, schema: corrections::schema },
    Table { name: law_values::NAME, schema: law_values::schema },
    Table { name: calendar_days::NAME, schema: calendar_days::schema },
];

/// What a table's rows are: its borrowed row, and how that is written.
pub trait TableRows {
    /// The table's name.
    const NAME: &'static str;
    /// One row, borrowed.
    type Row<'a>;

    /// Its columns.
    fn schema() -> SchemaRef;

    /// Writes every cell of `row`, in the schema's order.
    fn write(row: &Self::Row<'_>, cells: &mut Cells<'_>);
}

/// Collects rows of one table until they are taken as a record batch.
pub struct TableBuilder<T> {
    columns: Columns,
    table: PhantomData<fn() -> T>,
}

impl<T: TableRows> TableBuilder<T> {
    /// Without rows.
    pub fn new() -> Self {
        Self { columns: Columns::new(T::schema()), table: PhantomData }
    }

    /// Adds a row.
    pub fn append(&mut self, row: &T::Row<'_>) {
        T::write(row, &mut self.columns.row());
    }

    /// Rows since the last [`Self::finish`].
    pub fn len(&self) -> usize {
        self.columns.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows so far; the builder is empty again and keeps as much room as they took.
    pub fn finish(&mut self) -> RecordBatch {
        self.columns.finish()
    }
}

impl<T: TableRows> Default for TableBuilder<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: TableRows> fmt::Debug for TableBuilder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableBuilder").field("table", &T::NAME).field("rows", &self.len()).finish()
    }
}

/// The context of a row in a table of reference data.
#[derive(Clone, Copy, Debug)]
pub struct SnapshotRef<'a> {
    /// The version of the reference data the row belongs to.
    pub version: &'a str,
    /// When that snapshot was taken; its UTC month is the row's `business_month`.
    pub taken_at: model::EventTime,
}

#[cfg(test)]
mod tests;
