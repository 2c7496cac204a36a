//! Table `shifts`: the shift instances of every snapshot.

use std::sync::LazyLock;

use arrow::datatypes::SchemaRef;
use jiff::tz::TimeZone;
use model::{Reference, Shift};

use super::columns::{Cells, Type, required, schema as make_schema};
use super::local_time::local_date;
use super::{SnapshotRef, TableBuilder, TableRows};

/// The table's name.
pub const NAME: &str = "shifts";

/// The table `shifts`.
#[derive(Clone, Copy, Debug)]
pub struct Shifts;

/// Collects rows of `shifts`.
pub type Builder = TableBuilder<Shifts>;

/// The table's columns.
pub fn schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        make_schema(vec![
            required("business_date", Type::Day),
            required("employee_id", Type::Text),
            required("site_id", Type::Text),
            required("shift_id", Type::Text),
            required("segment", Type::Small),
            required("planned_start", Type::Time),
            required("planned_end", Type::Time),
            required("kind", Type::Text),
            required("status", Type::Text),
            required("unpaid_break_s", Type::Int),
            required("paid_break_s", Type::Int),
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
    /// The shift instance.
    pub shift: &'a Shift,
    /// The values of that snapshot, which name the shift's person and site.
    pub reference: &'a Reference,
}

impl TableRows for Shifts {
    const NAME: &'static str = NAME;
    type Row<'a> = Row<'a>;

    fn schema() -> SchemaRef {
        schema()
    }

    fn write(row: &Row<'_>, cells: &mut Cells<'_>) {
        let shift = row.shift;
        let break_s = |paid| -> i64 {
            let breaks = shift.breaks.iter().filter(|pause| pause.paid == paid);
            breaks.map(|pause| pause.end.us_since(pause.start) / 1_000_000).sum()
        };
        cells
            .day(shift.business_date)
            .text(&row.reference.person(shift.person).employee_id)
            .text(&row.reference.site(shift.site).site_id)
            .text(&shift.shift_id)
            .small(shift.segment)
            .time(shift.start)
            .time(shift.end)
            .text(shift.kind.name())
            .text(shift.plan.name())
            .int(break_s(false))
            .int(break_s(true))
            .text(row.snapshot.version)
            .time(row.snapshot.taken_at)
            .month(local_date(row.snapshot.taken_at, &TimeZone::UTC));
    }
}
