//! What receivers were told, by whichever outbox, as the lake's `alert_deliveries` has it: where a deliverer begins that has
//! none of its own yet, or an old one.
//!
//! ```text
//!   machine A: outbox ─ mover ─▶ alert_deliveries ─▶ machine B, before its first message: told, latest version each
//! ```
//!
//! In: the lake, since when.  Out: the latest version of each alert that each destination took.  Owns: nothing.
//! Absent on purpose: a lease on the receivers: that one deliverer runs at a time is the configuration's word (on one machine the
//! outbox's lock). What a machine sent and had not moved into the lake when it died is sent once more, under the same id as long
//! as the same alerts are told together.

use alerts::ToldBefore;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use lake::Lake;
use model::EventTime;
use query::Session;
use tokio::runtime::Handle;

use crate::failure::Failure;

/// What destinations took since `since`; ever, if that is none.
///
/// # Errors
/// What the lake says.
pub fn told_elsewhere(
    lake: &Lake,
    runtime: &Handle,
    since: Option<EventTime>,
) -> Result<Vec<ToldBefore>, Box<Failure>> {
    let since =
        since.map_or(String::new(), |since| format!(" AND sent_at >= TIMESTAMP '{}'", since.timestamp()));
    // An alert whose anomaly is not stored yet fired not long ago.
    let statement = format!(
        "SELECT d.destination, d.anomaly_id, d.version, coalesce(a.state, 'firing') = 'firing', \
         CAST(to_unixtime(d.sent_at) AS BIGINT) FROM (SELECT destination, anomaly_id, max(version) AS version, \
         max(sent_at) AS sent_at FROM alert_deliveries WHERE status = 'sent'{since} GROUP BY destination, anomaly_id) AS d \
         LEFT JOIN anomalies AS a ON a.anomaly_id = d.anomaly_id AND a.version = d.version"
    );
    let asked = runtime.block_on(async {
        let session = Session::open(lake.clone(), query::Options::default()).await?;
        session.sql(&statement).await
    });
    let answer = asked.map_err(Failure::from_outside)?;
    Ok(answer.batches.iter().flat_map(rows).collect())
}

fn rows(batch: &RecordBatch) -> Vec<ToldBefore> {
    let of = |column: usize, wanted: &DataType| {
        cast(batch.column(column), wanted).expect("texts and numbers are such, however they are stored")
    };
    let (destinations, alerts) = (of(0, &DataType::Utf8), of(1, &DataType::Utf8));
    let (versions, firing, seconds) =
        (of(2, &DataType::Int64), of(3, &DataType::Boolean), of(4, &DataType::Int64));
    let row = |row: usize| ToldBefore {
        destination: destinations.as_string::<i32>().value(row).to_owned(),
        alert_id: alerts.as_string::<i32>().value(row).to_owned(),
        version: versions.as_primitive::<Int64Type>().value(row),
        is_firing: firing.is_null(row) || firing.as_boolean().value(row),
        at: EventTime::from_us(0).plus_s(seconds.as_primitive::<Int64Type>().value(row)),
    };
    (0..batch.num_rows()).map(row).collect()
}
