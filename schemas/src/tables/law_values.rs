//! Table `law_values`: the dated legal values of every snapshot, with who says so.

use std::sync::LazyLock;

use arrow::datatypes::SchemaRef;
use jiff::tz::TimeZone;
use model::reference::LawValue;

use super::columns::{Cells, Type, required, schema as make_schema};
use super::local_time::local_date;
use super::{SnapshotRef, TableBuilder, TableRows};

/// The table's name.
pub const NAME: &str = "law_values";

/// The table `law_values`.
#[derive(Clone, Copy, Debug)]
pub struct LawValues;

/// Collects rows of `law_values`.
pub type Builder = TableBuilder<LawValues>;

/// The table's columns.
pub fn schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        make_schema(vec![
            required("applies_to", Type::Text),
            required("key", Type::Text),
            required("value", Type::Number),
            required("valid_from", Type::Day),
            required("source", Type::Text),
            required("status", Type::Text),
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
    /// The value.
    pub law: &'a LawValue,
}

impl TableRows for LawValues {
    const NAME: &'static str = NAME;
    type Row<'a> = Row<'a>;

    fn schema() -> SchemaRef {
        schema()
    }

    fn write(row: &Row<'_>, cells: &mut Cells<'_>) {
        let law = row.law;
        cells
            .text(&law.applies_to)
            .text(&law.key)
            .number_or_null(Some(law.value))
            .day(law.valid_from)
            .text(&law.source)
            .text(if law.is_estimated { "estimated" } else { "official" })
            .text(row.snapshot.version)
            .time(row.snapshot.taken_at)
            .month(local_date(row.snapshot.taken_at, &TimeZone::UTC));
    }
}
