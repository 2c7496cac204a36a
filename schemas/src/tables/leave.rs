//! Table `leave`: leave and permissions of every snapshot. The place of a field permission is not kept.

use std::sync::LazyLock;

use arrow::datatypes::SchemaRef;
use jiff::tz::TimeZone;
use model::reference::Compensation;
use model::{Leave, Reference};

use super::approvals;
use super::columns::{Cells, Type, optional, required, schema as make_schema};
use super::local_time::local_date;
use super::{SnapshotRef, TableBuilder, TableRows};

/// The table's name.
pub const NAME: &str = "leave";

/// The table `leave`.
#[derive(Clone, Copy, Debug)]
pub struct LeaveTable;

/// Collects rows of `leave`.
pub type Builder = TableBuilder<LeaveTable>;

/// The table's columns.
pub fn schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        make_schema(vec![
            required("from", Type::Time),
            required("employee_id", Type::Text),
            required("leave_id", Type::Text),
            required("to", Type::Time),
            required("type", Type::Text),
            required("status", Type::Text),
            optional("effective_at", Type::Time),
            required("reference_version", Type::Text),
            required("taken_at", Type::Time),
            optional("approvals", Type::Texts),
            optional("compensation", Type::Text),
        ])
    });
    SCHEMA.clone()
}

/// One row, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// The snapshot it belongs to.
    pub snapshot: SnapshotRef<'a>,
    /// The leave or permission.
    pub leave: &'a Leave,
    /// The values of that snapshot, which name the person.
    pub reference: &'a Reference,
}

impl TableRows for LeaveTable {
    const NAME: &'static str = NAME;
    type Row<'a> = Row<'a>;

    fn schema() -> SchemaRef {
        schema()
    }

    fn write(row: &Row<'_>, cells: &mut Cells<'_>) {
        let leave = row.leave;
        cells
            .time(leave.from)
            .text(&row.reference.person(leave.person).employee_id)
            .text(&leave.leave_id)
            .time(leave.until)
            .text(&leave.leave_type)
            .text(leave.status.name())
            .time_or_null(leave.effective_at)
            .text(row.snapshot.version)
            .time(row.snapshot.taken_at)
            .texts(leave.approvals.iter().map(|approval| approvals::text(&leave.leave_id, approval)))
            .text_or_null(leave.compensation.map(Compensation::name))
            .month(local_date(row.snapshot.taken_at, &TimeZone::UTC));
    }
}
