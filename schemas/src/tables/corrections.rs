//! Table `corrections`: corrections (補卡) of every snapshot.

use std::sync::LazyLock;

use arrow::datatypes::SchemaRef;
use jiff::tz::TimeZone;
use model::{Correction, Reference};

use super::approvals;
use super::columns::{Cells, Type, optional, required, schema as make_schema};
use super::local_time::local_date;
use super::{SnapshotRef, TableBuilder, TableRows};

/// The table's name.
pub const NAME: &str = "corrections";

/// The table `corrections`.
#[derive(Clone, Copy, Debug)]
pub struct Corrections;

/// Collects rows of `corrections`.
pub type Builder = TableBuilder<Corrections>;

/// The table's columns.
pub fn schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        make_schema(vec![
            required("occurred_at", Type::Time),
            required("employee_id", Type::Text),
            required("correction_id", Type::Text),
            required("kind", Type::Text),
            required("type", Type::Text),
            required("status", Type::Text),
            optional("shift_id", Type::Text),
            optional("effective_at", Type::Time),
            required("reference_version", Type::Text),
            required("taken_at", Type::Time),
            optional("approvals", Type::Texts),
        ])
    });
    SCHEMA.clone()
}

/// One row, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// The snapshot it belongs to.
    pub snapshot: SnapshotRef<'a>,
    /// The correction.
    pub correction: &'a Correction,
    /// The values of that snapshot, which name the person.
    pub reference: &'a Reference,
}

impl TableRows for Corrections {
    const NAME: &'static str = NAME;
    type Row<'a> = Row<'a>;

    fn schema() -> SchemaRef {
        schema()
    }

    fn write(row: &Row<'_>, cells: &mut Cells<'_>) {
        let correction = row.correction;
        cells
            .time(correction.occurred_at)
            .text(&row.reference.person(correction.person).employee_id)
            .text(&correction.correction_id)
            .text(correction.kind.name())
            .text(correction.correction_type.name())
            .text(correction.status.name())
            .text_or_null(correction.shift_id.as_deref())
            .time_or_null(correction.effective_at)
            .text(row.snapshot.version)
            .time(row.snapshot.taken_at)
            .texts(
                correction
                    .approvals
                    .iter()
                    .map(|approval| approvals::text(&correction.correction_id, approval)),
            )
            .month(local_date(row.snapshot.taken_at, &TimeZone::UTC));
    }
}
