//! Punches as Arrow columns, through Arrow's own reader of JSON: as the contract's schema has them, or with addresses as
//! texts and times as milliseconds; and as bytes of a stream or file.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema};
use arrow::json::ReaderBuilder;
use arrow::record_batch::RecordBatch;
use arrow_ipc::writer::{FileWriter, StreamWriter};
use model::EventTime;
use schemas::PunchLine;
use schemas::decode::PunchColumns;
use schemas::punch::OccurredAt;

/// How a writer says addresses and times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Columns {
    /// As [`PunchColumns::schema`]: octets, timestamps.
    Stated,
    /// Texts, milliseconds, wide numbers, and the columns in reverse.
    Texts,
}

/// The punches as one batch.
pub(crate) fn record_batch(punches: &[PunchLine], style: Columns) -> RecordBatch {
    let fields = match style {
        Columns::Stated => PunchColumns::schema(),
        Columns::Texts => PunchColumns::schema().iter().rev().map(|field| as_texts(field)).collect(),
    };
    let mut decoder = ReaderBuilder::new(Arc::new(Schema::new(fields))).build_decoder().unwrap();
    let lines: Vec<PunchLine> = punches.iter().map(|punch| spelt(punch, style)).collect();
    decoder.serialize(&lines).unwrap();
    decoder.flush().unwrap().unwrap_or_else(|| RecordBatch::new_empty(Arc::new(Schema::empty())))
}

fn spelt(punch: &PunchLine, style: Columns) -> PunchLine {
    let mut punch = punch.clone();
    if style == Columns::Stated {
        if let OccurredAt::EpochMs(ms) = punch.occurred_at {
            punch.occurred_at = OccurredAt::Text(schemas::lines::utc_text(EventTime::from_ms(ms)));
        }
        let hex = |text: &mut String| text.retain(|c| c.is_ascii_hexdigit());
        punch.wifi.iter_mut().flatten().for_each(|point| hex(&mut point.bssid));
        punch.beacons.iter_mut().flatten().for_each(|beacon| hex(&mut beacon.uuid));
    }
    punch
}

fn as_texts(field: &Field) -> Field {
    let of = match field.data_type() {
        DataType::FixedSizeBinary(_) => DataType::LargeUtf8,
        DataType::Timestamp(..) | DataType::Int16 | DataType::UInt16 | DataType::UInt32 => DataType::Int64,
        DataType::Struct(fields) => DataType::Struct(wider(fields)),
        DataType::List(item) => DataType::LargeList(FieldRef::new(as_texts(item))),
        of => of.clone(),
    };
    field.clone().with_data_type(of)
}

fn wider(fields: &Fields) -> Fields {
    fields.iter().rev().map(|field| as_texts(field)).collect()
}

/// A batch as a stream's bytes.
pub(crate) fn stream(batch: &RecordBatch) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), batch.schema_ref()).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}

/// A batch as a file's bytes.
pub(crate) fn file(batch: &RecordBatch) -> Vec<u8> {
    let mut writer = FileWriter::try_new(Vec::new(), batch.schema_ref()).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}
