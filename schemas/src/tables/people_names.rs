//! Table `people_names`: the names of people; restricted, and the only table that holds one.

use std::sync::LazyLock;

use arrow::datatypes::SchemaRef;
use jiff::tz::TimeZone;

use super::columns::{Cells, Type, required, schema as make_schema};
use super::local_time::local_date;
use super::{SnapshotRef, TableBuilder, TableRows};

/// The table's name.
pub const NAME: &str = "people_names";

/// The table `people_names`.
#[derive(Clone, Copy, Debug)]
pub struct PeopleNames;

/// Collects rows of `people_names`.
pub type Builder = TableBuilder<PeopleNames>;

/// The table's columns.
pub fn schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        make_schema(vec![
            required("employee_id", Type::Text),
            required("name", Type::Text),
            required("reference_version", Type::Text),
            required("taken_at", Type::Time),
        ])
    });
    SCHEMA.clone()
}

/// One row, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// The snapshot it belongs to.
    pub snapshot: SnapshotRef<'a>,
    /// The person's pseudonym.
    pub employee_id: &'a str,
    /// The person's name.
    pub name: &'a str,
}

impl TableRows for PeopleNames {
    const NAME: &'static str = NAME;
    type Row<'a> = Row<'a>;

    fn schema() -> SchemaRef {
        schema()
    }

    fn write(row: &Row<'_>, cells: &mut Cells<'_>) {
        cells
            .text(row.employee_id)
            .text(row.name)
            .text(row.snapshot.version)
            .time(row.snapshot.taken_at)
            .month(local_date(row.snapshot.taken_at, &TimeZone::UTC));
    }
}
