//! Table `snapshots`: every snapshot of the reference data that was taken or refused, with its size.

use std::sync::LazyLock;

use arrow::datatypes::SchemaRef;
use jiff::tz::TimeZone;
use model::Reference;

use super::columns::{Cells, Type, optional, required, schema as make_schema};
use super::local_time::local_date;
use super::{SnapshotRef, TableBuilder, TableRows};

/// The table's name.
pub const NAME: &str = "snapshots";

/// The table `snapshots`.
#[derive(Clone, Copy, Debug)]
pub struct Snapshots;

/// Collects rows of `snapshots`.
pub type Builder = TableBuilder<Snapshots>;

/// The table's columns.
pub fn schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        make_schema(vec![
            required("taken_at", Type::Time),
            required("reference_version", Type::Text),
            required("sites", Type::Int),
            required("orgs", Type::Int),
            required("people", Type::Int),
            required("shifts", Type::Int),
            required("leave", Type::Int),
            required("corrections", Type::Int),
            required("policies", Type::Int),
            required("calendars", Type::Int),
            required("problems", Type::Texts),
            optional("tz_version", Type::Text),
        ])
    });
    SCHEMA.clone()
}

/// One row, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// When it was taken; `snapshot.version` is `reference.version`.
    pub taken_at: model::EventTime,
    /// The snapshot itself; its rows are counted.
    pub reference: &'a Reference,
    /// What was wrong with it and did not stop it; the caller bounds how many.
    pub problems: &'a [String],
}

impl<'a> Row<'a> {
    /// The context for the rows of this snapshot in the tables of reference data.
    pub fn snapshot(&self) -> SnapshotRef<'a> {
        SnapshotRef { version: &self.reference.version, taken_at: self.taken_at }
    }
}

impl TableRows for Snapshots {
    const NAME: &'static str = NAME;
    type Row<'a> = Row<'a>;

    fn schema() -> SchemaRef {
        schema()
    }

    fn write(row: &Row<'_>, cells: &mut Cells<'_>) {
        let reference = row.reference;
        let count = |rows: usize| i64::try_from(rows).unwrap_or(i64::MAX);
        cells
            .time(row.taken_at)
            .text(&reference.version)
            .int(count(reference.sites.len()))
            .int(count(reference.orgs.len()))
            .int(count(reference.people.len()))
            .int(count(reference.shifts.len()))
            .int(count(reference.leave.len()))
            .int(count(reference.corrections.len()))
            .int(count(reference.policies.len()))
            .int(count(reference.calendars.len()))
            .texts(row.problems)
            .text_or_null(Some(&*reference.tz_version).filter(|version| !version.is_empty()))
            .month(local_date(row.taken_at, &TimeZone::UTC));
    }
}
