//! Table `alert_deliveries`: who was told of which alert and how that went, a row for each alert of each attempt, those
//! included that a message only counts because its body would have become too large.
//!
//! Absent on purpose: what was said (`anomalies` has it, by the same id and version), names, addresses of destinations.

use std::sync::LazyLock;

use arrow::datatypes::SchemaRef;
use jiff::tz::TimeZone;
use model::EventTime;

use super::columns::{Cells, Type, optional, required, schema as make_schema};
use super::local_time::local_date;
use super::{TableBuilder, TableRows};

/// The table's name.
pub const NAME: &str = "alert_deliveries";

/// The table `alert_deliveries`.
#[derive(Clone, Copy, Debug)]
pub struct AlertDeliveries;

/// Collects rows of `alert_deliveries`.
pub type Builder = TableBuilder<AlertDeliveries>;

/// The table's columns.
pub fn schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        make_schema(vec![
            required("sent_at", Type::Time),
            required("destination", Type::Text),
            required("anomaly_id", Type::Text),
            required("version", Type::Int),
            required("status", Type::Text),
            optional("http_status", Type::Int),
            required("attempt", Type::Int),
            required("webhook_id", Type::Text),
            required("outbox", Type::Text),
            required("attempt_id", Type::Int),
        ])
    });
    SCHEMA.clone()
}

/// One alert's part in one attempt, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// When the attempt began; its UTC month is the row's month.
    pub sent_at: EventTime,
    /// The destination's name.
    pub destination: &'a str,
    /// The alert, which has the anomaly's id.
    pub anomaly_id: &'a str,
    /// The version that was told.
    pub version: i64,
    /// `sent`, `refused`, `gone`, `timeout`, …
    pub status: &'a str,
    /// The HTTP status, if there was one.
    pub http_status: Option<u16>,
    /// 1 for the first attempt of the message.
    pub attempt: u32,
    /// The message: the same in all its attempts.
    pub webhook_id: &'a str,
    /// The deliverer's outbox.
    pub outbox: &'a str,
    /// The attempt's number in that outbox; the same for all alerts of its message.
    pub attempt_id: i64,
}

impl TableRows for AlertDeliveries {
    const NAME: &'static str = NAME;
    type Row<'a> = Row<'a>;

    fn schema() -> SchemaRef {
        schema()
    }

    fn write(row: &Row<'_>, cells: &mut Cells<'_>) {
        cells
            .time(row.sent_at)
            .text(row.destination)
            .text(row.anomaly_id)
            .int(row.version)
            .text(row.status)
            .int_or_null(row.http_status.map(i64::from))
            .int(i64::from(row.attempt))
            .text(row.webhook_id)
            .text(row.outbox)
            .int(row.attempt_id)
            .month(local_date(row.sent_at, &TimeZone::UTC));
    }
}
