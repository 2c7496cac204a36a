//! What a file says about its rows without being opened: Delta's per-file statistics, written and read.
//!
//! In: the record batches of one file; or the JSON of an `add` action.  Out: that JSON; or bounds.  Owns: nothing.
//! Absent on purpose: bounds of doubles (nothing here is looked up by them) and of texts other than ids, which a person's
//! notes or names could be.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::{max, max_string, min, min_string};
use arrow::datatypes::{DataType, Date32Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType};
use jiff::Timestamp;
use jiff::civil::Date;
use model::EventTime;
use serde_json::{Map, Value, json};

/// Texts that files are looked up by.
const TEXT_COLUMNS: &[&str] =
    &["employee_id", "site_id", "org", "shift_id", "topic", "kind", "status", "code"];

/// A text longer than this has no place in the log; its column gets no bounds.
const TEXT_BYTES_MAX: usize = 64;

/// The statistics of the rows of `batches`, which are all of one file.
pub(crate) fn of(batches: &[RecordBatch]) -> String {
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let (mut lowest, mut highest, mut nulls) = (Map::new(), Map::new(), Map::new());
    if let Some(first) = batches.first() {
        for (at, field) in first.schema().fields().iter().enumerate() {
            if matches!(field.data_type(), DataType::List(_)) {
                continue;
            }
            let columns: Vec<&ArrayRef> = batches.iter().map(|batch| batch.column(at)).collect();
            let null_count: usize = columns.iter().map(|column| column.null_count()).sum();
            nulls.insert(field.name().clone(), json!(null_count));
            let is_text = *field.data_type() == DataType::Utf8;
            if is_text && !TEXT_COLUMNS.contains(&field.name().as_str()) {
                continue;
            }
            if let Some((low, high)) = bounds(&columns) {
                lowest.insert(field.name().clone(), low);
                highest.insert(field.name().clone(), high);
            }
        }
    }
    json!({ "numRecords": rows, "minValues": lowest, "maxValues": highest, "nullCount": nulls }).to_string()
}

/// The least and greatest value of the columns, as Delta writes them.
fn bounds(columns: &[&ArrayRef]) -> Option<(Value, Value)> {
    match columns.first()?.data_type() {
        DataType::Int32 => {
            let ends = columns.iter().filter_map(|column| {
                let column = column.as_primitive::<Int32Type>();
                min(column).zip(max(column))
            });
            fold(ends).map(|(low, high)| (json!(low), json!(high)))
        }
        DataType::Int64 => {
            let ends = columns.iter().filter_map(|column| {
                let column = column.as_primitive::<Int64Type>();
                min(column).zip(max(column))
            });
            fold(ends).map(|(low, high)| (json!(low), json!(high)))
        }
        DataType::Date32 => {
            let ends = columns.iter().filter_map(|column| {
                let column = column.as_primitive::<Date32Type>();
                min(column).zip(max(column))
            });
            fold(ends).and_then(|(low, high)| Some((json!(date_text(low)?), json!(date_text(high)?))))
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let ends = columns.iter().filter_map(|column| {
                let column = column.as_primitive::<TimestampMicrosecondType>();
                min(column).zip(max(column))
            });
            fold(ends).and_then(|(low, high)| Some((json!(time_text(low)?), json!(time_text(high)?))))
        }
        DataType::Utf8 => {
            let ends = columns.iter().filter_map(|column| {
                let column = column.as_string::<i32>();
                min_string(column).zip(max_string(column))
            });
            fold(ends)
                .filter(|(low, high)| low.len() <= TEXT_BYTES_MAX && high.len() <= TEXT_BYTES_MAX)
                .map(|(low, high)| (json!(low), json!(high)))
        }
        _ => None,
    }
}

fn fold<T: Ord + Copy>(ends: impl Iterator<Item = (T, T)>) -> Option<(T, T)> {
    ends.reduce(|(low, high), (other_low, other_high)| (low.min(other_low), high.max(other_high)))
}

fn time_text(us: i64) -> Option<String> {
    Timestamp::from_microsecond(us).ok().map(|time| format!("{time:.6}"))
}

fn date_text(days: i32) -> Option<String> {
    let day = Timestamp::from_second(i64::from(days) * 86_400).ok()?;
    Some(day.to_zoned(jiff::tz::TimeZone::UTC).date().to_string())
}

/// The bounds a file's statistics give, for skipping files. What they do not say is unbounded.
pub(crate) struct Bounds(Value);

impl Bounds {
    /// Reads the statistics of an `add` action; anything unreadable bounds nothing.
    pub(crate) fn parse(stats: Option<&str>) -> Self {
        Self(stats.and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null))
    }

    pub(crate) fn rows(&self) -> Option<u64> {
        self.0["numRecords"].as_u64()
    }

    /// Whether a row with an instant in `column` at or after `from` is possible. Other writers cut bounds to milliseconds.
    pub(crate) fn may_reach_time(&self, column: &str, from: EventTime) -> bool {
        let highest = self.0["maxValues"][column].as_str().and_then(|text| text.parse::<Timestamp>().ok());
        highest.is_none_or(|highest| EventTime::from(highest).plus_us(1_000) > from)
    }

    /// Whether a row with an instant in `column` before `until` is possible. Other writers cut bounds down to milliseconds.
    pub(crate) fn may_lie_before(&self, column: &str, until: EventTime) -> bool {
        self.earliest(column).is_none_or(|earliest| earliest < until)
    }

    /// No row has an earlier instant in `column`.
    pub(crate) fn earliest(&self, column: &str) -> Option<EventTime> {
        let lowest = self.0["minValues"][column].as_str().and_then(|text| text.parse::<Timestamp>().ok());
        lowest.map(EventTime::from)
    }

    /// Whether a row with a day in `column` at or after `from` is possible.
    pub(crate) fn may_reach_day(&self, column: &str, from: Date) -> bool {
        let highest = self.0["maxValues"][column].as_str().and_then(|text| text.parse::<Date>().ok());
        highest.is_none_or(|highest| highest >= from)
    }

    /// Whether a row whose number in `column` is at least `from` is possible.
    pub(crate) fn may_reach(&self, column: &str, from: i64) -> bool {
        self.0["maxValues"][column].as_i64().is_none_or(|highest| highest >= from)
    }

    /// Whether a row whose number in `column` is one of `values` is possible.
    pub(crate) fn may_hold_number(&self, column: &str, mut values: impl Iterator<Item = i64>) -> bool {
        let lowest = self.0["minValues"][column].as_i64().unwrap_or(i64::MIN);
        let highest = self.0["maxValues"][column].as_i64().unwrap_or(i64::MAX);
        values.any(|value| (lowest..=highest).contains(&value))
    }

    /// Whether a row whose text in `column` is one of `values` is possible. A greatest text may have been cut by other writers.
    pub(crate) fn may_hold_text<'a>(&self, column: &str, mut values: impl Iterator<Item = &'a str>) -> bool {
        let lowest = self.0["minValues"][column].as_str();
        let highest = self.0["maxValues"][column].as_str();
        values.any(|value| {
            lowest.is_none_or(|lowest| value >= lowest)
                && highest.is_none_or(|highest| value <= highest || value.starts_with(highest))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Date32Array, Int32Array, Int64Array, StringArray, TimestampMicrosecondArray};
    use std::sync::Arc;

    fn batch(times: &[i64], ids: &[Option<&str>], offsets: &[i64]) -> RecordBatch {
        let days: Vec<i32> = times.iter().map(|us| us.div_euclid(86_400_000_000) as i32).collect();
        RecordBatch::try_from_iter([
            (
                "occurred_at",
                Arc::new(TimestampMicrosecondArray::from(times.to_vec()).with_timezone("UTC")) as ArrayRef,
            ),
            ("business_date", Arc::new(Date32Array::from(days))),
            ("employee_id", Arc::new(StringArray::from(ids.to_vec()))),
            ("message", Arc::new(StringArray::from(vec!["free text"; ids.len()]))),
            ("partition", Arc::new(Int32Array::from(vec![3; ids.len()]))),
            ("offset", Arc::new(Int64Array::from(offsets.to_vec()))),
        ])
        .unwrap()
    }

    #[test]
    fn bounds_span_all_batches_of_the_file() {
        let text = of(&[batch(&[1_500_000], &[Some("E2")], &[7]), batch(&[86_400_000_001], &[None], &[5])]);
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            value,
            json!({
                "numRecords": 2,
                "minValues": {
                    "occurred_at": "1970-01-01T00:00:01.500000Z", "business_date": "1970-01-01", "employee_id": "E2",
                    "partition": 3, "offset": 5
                },
                "maxValues": {
                    "occurred_at": "1970-01-02T00:00:00.000001Z", "business_date": "1970-01-02", "employee_id": "E2",
                    "partition": 3, "offset": 7
                },
                "nullCount": {
                    "occurred_at": 0, "business_date": 0, "employee_id": 1, "message": 0, "partition": 0, "offset": 0
                }
            })
        );
    }

    #[test]
    fn a_long_text_gets_no_bounds() {
        let long = "x".repeat(65);
        let value: Value = serde_json::from_str(&of(&[batch(&[0], &[Some(&long)], &[0])])).unwrap();
        assert!(value["maxValues"].get("employee_id").is_none(), "{value}");
    }

    #[test]
    fn what_the_file_cannot_hold_is_skipped_and_nothing_else() {
        let bounds =
            Bounds::parse(Some(&of(&[batch(&[1_000_000, 2_000_000], &[Some("E2"), Some("E5")], &[4, 9])])));
        let at = EventTime::from_us;
        assert!(bounds.may_reach_time("occurred_at", at(2_000_000)));
        assert!(!bounds.may_reach_time("occurred_at", at(2_001_000)));
        assert!(bounds.may_lie_before("occurred_at", at(1_000_001)));
        assert!(!bounds.may_lie_before("occurred_at", at(1_000_000)));
        assert!(bounds.may_reach("offset", 9) && !bounds.may_reach("offset", 10));
        assert!(bounds.may_hold_text("employee_id", ["E1", "E3"].into_iter()));
        assert!(!bounds.may_hold_text("employee_id", ["E1", "E6"].into_iter()));
        assert!(bounds.may_hold_number("partition", [1, 3].into_iter()));
        assert!(!bounds.may_hold_number("partition", [1, 4].into_iter()));
        assert!(bounds.may_reach_day("business_date", Date::constant(1970, 1, 1)));
        assert!(!bounds.may_reach_day("business_date", Date::constant(1970, 1, 2)));
        assert_eq!(bounds.rows(), Some(2));
    }

    #[test]
    fn a_file_without_statistics_may_hold_anything() {
        for text in [None, Some("not json"), Some("{}")] {
            let bounds = Bounds::parse(text);
            assert!(
                bounds.may_reach("offset", i64::MAX)
                    && bounds.may_reach_time("t", EventTime::from_us(i64::MAX))
                    && bounds.may_lie_before("t", EventTime::from_us(0))
            );
            assert!(bounds.may_hold_text("employee_id", ["x"].into_iter()));
            assert_eq!(bounds.rows(), None);
        }
    }
}
