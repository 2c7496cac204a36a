//! Table `vendor_records`: what other attendance systems say of their check points, beside the punches that Muster
//! judges itself.
//!
//! Absent on purpose: coordinates, addresses, access points, names, pictures and free text; the decoders leave them
//! out of `raw`.

use std::sync::LazyLock;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use jiff::tz::TimeZone;
use model::{EventTime, Kind, Partition, VendorRecord};

use super::columns::{Cells, Type, optional, required, schema as make_schema};
use super::local_time::local_date;
use super::read::{ReadError, Rows};
use super::{TableBuilder, TableRows};

/// The table's name.
pub const NAME: &str = "vendor_records";

/// The table `vendor_records`.
#[derive(Clone, Copy, Debug)]
pub struct VendorRecords;

/// Collects rows of `vendor_records`.
pub type Builder = TableBuilder<VendorRecords>;

/// The table's columns.
pub fn schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        make_schema(vec![
            required("employee_id", Type::Text),
            optional("business_date", Type::Day),
            optional("occurred_at", Type::Time),
            required("vendor", Type::Text),
            optional("event_id", Type::Text),
            optional("direction", Type::Text),
            optional("planned_at", Type::Time),
            optional("base_at", Type::Time),
            optional("time_result", Type::Text),
            optional("place_result", Type::Text),
            optional("no_punch", Type::Text),
            optional("vendor_id", Type::Text),
            optional("modified_at", Type::Time),
            optional("check_type", Type::Text),
            optional("invalid_type", Type::Text),
            optional("invalid_message", Type::Text),
            optional("risk", Type::Text),
            optional("approve_id", Type::Text),
            optional("supplement", Type::Text),
            required("imported_at", Type::Time),
            required("raw", Type::Text),
            required("record_id", Type::Text),
            required("topic", Type::Text),
            required("partition", Type::Small),
            required("offset", Type::Int),
        ])
    });
    SCHEMA.clone()
}

/// One row, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// The log's topic.
    pub topic: &'a str,
    /// Its partition.
    pub partition: Partition,
    /// What the vendor says.
    pub said: &'a VendorRecord,
    /// When it was read, by the wall: of two that tell no time of change, the later one holds.
    pub imported_at: EventTime,
}

impl TableRows for VendorRecords {
    const NAME: &'static str = NAME;
    type Row<'a> = Row<'a>;

    fn schema() -> SchemaRef {
        schema()
    }

    fn write(row: &Row<'_>, cells: &mut Cells<'_>) {
        let said = row.said;
        let time = said.occurred_at.or(said.planned_at).or(said.base_at).unwrap_or(row.imported_at);
        let month = said.business_date.unwrap_or_else(|| local_date(time, &TimeZone::UTC));
        cells
            .text(&said.employee_id)
            .day_or_null(said.business_date)
            .time_or_null(said.occurred_at)
            .text(said.vendor.name())
            .text_or_null(said.event_id.as_deref())
            .text_or_null(said.direction.map(Kind::name))
            .time_or_null(said.planned_at)
            .time_or_null(said.base_at)
            .text_or_null(said.time_result.as_deref())
            .text_or_null(said.place_result.as_deref())
            .text_or_null(said.no_punch.map(model::NoPunch::name))
            .text_or_null(said.vendor_id.as_deref())
            .time_or_null(said.modified_at)
            .text_or_null(said.check_type.as_deref())
            .text_or_null(said.invalid_type.as_deref())
            .text_or_null(said.invalid_message.as_deref())
            .text_or_null(said.risk.as_deref())
            .text_or_null(said.approve_id.as_deref())
            .text_or_null(said.supplement.as_deref())
            .time(row.imported_at)
            .text(&said.raw)
            .text(&record_id(said.id))
            .text(row.topic)
            .small(row.partition.number())
            .int(said.offset.get())
            .month(month);
    }
}

/// A record's id as the table has it: 32 hex digits.
fn record_id(id: u128) -> String {
    format!("{id:032x}")
}

/// The columns that [`read_ids`] reads.
pub const ID_COLUMNS: &[&str] = &["record_id", "topic", "partition", "offset"];

/// The ids of the records in `batch` for which `is_wanted` says so, by topic, partition and offset.
pub fn read_ids(
    batch: &RecordBatch,
    is_wanted: impl Fn(&str, Partition, model::Offset) -> bool,
) -> Result<Vec<u128>, ReadError> {
    let rows = Rows::new(NAME, batch);
    let (id, topic) = (rows.text("record_id")?, rows.text("topic")?);
    let (partition, offset) = (rows.partition("partition")?, rows.offset("offset")?);
    let mut ids = Vec::new();
    for row in 0..rows.len() {
        if is_wanted(topic.some(row)?, partition.some(row)?, offset.some(row)?) {
            // A row of other hands has an id of its own making, which is no record's of ours.
            ids.extend(u128::from_str_radix(id.some(row)?, 16));
        }
    }
    Ok(ids)
}
