//! Table `rejects`: every offset that is no row of `punches`, with its code; a gap in the log is one row.

use std::sync::{Arc, LazyLock};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use jiff::tz::TimeZone;
use model::{EventTime, NextOffset, Offset, Partition, Reject, RejectCode};

use super::columns::{Cells, Type, optional, required, schema as make_schema};
use super::local_time::local_date;
use super::read::{Interner, ReadError, Rows};
use super::{TableBuilder, TableRows};

/// The table's name.
pub const NAME: &str = "rejects";

/// The table `rejects`.
#[derive(Clone, Copy, Debug)]
pub struct Rejects;

/// Collects rows of `rejects`.
pub type Builder = TableBuilder<Rejects>;

/// The table's columns.
pub fn schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        make_schema(vec![
            required("rejected_at", Type::Time),
            optional("employee_id", Type::Text),
            required("code", Type::Text),
            optional("event_id", Type::Text),
            required("topic", Type::Text),
            required("partition", Type::Small),
            required("offset", Type::Int),
            required("until_offset", Type::Int),
            required("message", Type::Text),
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
    /// What could not be taken.
    pub reject: &'a Reject,
    /// The log's time of the record (its append time, else the log clock); its UTC month is the row's month.
    pub rejected_at: EventTime,
}

impl TableRows for Rejects {
    const NAME: &'static str = NAME;
    type Row<'a> = Row<'a>;

    fn schema() -> SchemaRef {
        schema()
    }

    fn write(row: &Row<'_>, cells: &mut Cells<'_>) {
        let reject = row.reject;
        cells
            .time(row.rejected_at)
            .text_or_null(reject.employee_id.as_deref())
            .text(reject.code.name())
            .text_or_null(reject.event_id.as_deref())
            .text(row.topic)
            .small(row.partition.number())
            .int(reject.offset.get())
            .int(reject.until.get())
            .text(&reject.message)
            .month(local_date(row.rejected_at, &TimeZone::UTC));
    }
}

/// What could not be taken, each with its partition and the log's time of the record, in the batch's order. Rows whose code a later
/// version has made are left out.
pub fn read(batch: &RecordBatch) -> Result<Vec<(Partition, EventTime, Reject)>, ReadError> {
    let rows = Rows::new(NAME, batch);
    let (rejected_at, partition) = (rows.time("rejected_at")?, rows.partition("partition")?);
    let (offset, until) = (rows.offset("offset")?, rows.offset("until_offset")?);
    let (code, message) = (rows.text("code")?, rows.text("message")?);
    let (employee_id, event_id) = (rows.text("employee_id")?, rows.text("event_id")?);
    let read_row = |row| {
        let Some(code) = RejectCode::from_name(code.some(row)?) else { return Ok(None) };
        let reject = Reject {
            offset: offset.some(row)?,
            until: until.next(row)?,
            code,
            message: message.some(row)?.to_owned(),
            employee_id: employee_id.get(row).map(str::to_owned),
            event_id: event_id.get(row).map(str::to_owned),
        };
        Ok(Some((partition.some(row)?, rejected_at.some(row)?, reject)))
    };
    (0..rows.len()).filter_map(|row| read_row(row).transpose()).collect()
}

/// Where a row comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RecordOrigin {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: Partition,
    /// The first offset.
    pub offset: Offset,
    /// The position behind the last one: `offset + 1` but for a gap.
    pub until: NextOffset,
}

/// Where each row comes from, in the batch's order.
pub fn read_origins(batch: &RecordBatch) -> Result<Vec<RecordOrigin>, ReadError> {
    origins(NAME, batch)
}

pub(super) fn origins(table: &'static str, batch: &RecordBatch) -> Result<Vec<RecordOrigin>, ReadError> {
    let rows = Rows::new(table, batch);
    let (topic, partition, offset) =
        (rows.text("topic")?, rows.partition("partition")?, rows.offset("offset")?);
    let until = if table == NAME { Some(rows.offset("until_offset")?) } else { None };
    let mut topics = Interner::default();
    let mut read_row = |row| {
        let first = offset.some(row)?;
        Ok(RecordOrigin {
            topic: topics.get(topic.some(row)?),
            partition: partition.some(row)?,
            offset: first,
            until: until.map_or(Ok(first.next()), |until| until.next(row))?,
        })
    };
    (0..rows.len()).map(&mut read_row).collect()
}
