//! `wall_time(instant, zone)`: the wall clock of a place at an instant, as SQL sees it.
//!
//! The engine's own `AT TIME ZONE` takes one constant zone for a whole column; a chain's stores have one each.
//! Absent on purpose: the other direction. A wall time may name two instants or none; the pipeline has decided those.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The function, to be registered with a session.
pub(crate) fn wall_time() -> ScalarUDF {
    ScalarUDF::new_from_impl(WallTime { signature: signature() })
}

fn instant() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn signature() -> Signature {
    Signature::new(TypeSignature::Exact(vec![instant(), DataType::Utf8]), Volatility::Immutable)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct WallTime {
    signature: Signature,
}

impl ScalarUDFImpl for WallTime {
    fn name(&self) -> &str {
        "wall_time"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Timestamp(TimeUnit::Microsecond, None))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = ColumnarValue::values_to_arrays(&args.args)?;
        let instants = columns[0].as_primitive::<TimestampMicrosecondType>();
        let zones = columns[1].as_string::<i32>();
        let mut known: Option<(&str, TimeZone)> = None;
        let mut wall = TimestampMicrosecondArray::builder(instants.len());
        for (at, instant) in instants.iter().enumerate() {
            let zone = zones.is_valid(at).then(|| zones.value(at));
            let (Some(instant), Some(zone)) = (instant, zone) else {
                wall.append_null();
                continue;
            };
            // Neighbouring rows are mostly of one site: looking a zone up once per change is enough.
            if known.as_ref().is_none_or(|(name, _)| *name != zone) {
                let found = TimeZone::get(zone)
                    .map_err(|e| DataFusionError::Execution(format!("wall_time: time zone {zone}: {e}")))?;
                known = Some((zone, found));
            }
            wall.append_option(known.as_ref().and_then(|(_, zone)| wall_us(instant, zone)));
        }
        Ok(ColumnarValue::Array(Arc::new(wall.finish()) as ArrayRef))
    }
}

/// Microseconds of the wall clock of `zone` at `instant`, both counted from 1970; `None` outside the years ±9999.
fn wall_us(instant: i64, zone: &TimeZone) -> Option<i64> {
    let at = Timestamp::from_microsecond(instant).ok()?;
    Some(instant + i64::from(zone.to_offset(at).seconds()) * 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_clock_follows_the_zone_through_a_summer_night() {
        let london = TimeZone::get("Europe/London").unwrap();
        let wall = |instant: &str| {
            let instant: Timestamp = instant.parse().unwrap();
            let us = wall_us(instant.as_microsecond(), &london).unwrap();
            Timestamp::from_microsecond(us).unwrap().to_string()
        };
        assert_eq!(wall("2026-03-29T00:59:59Z"), "2026-03-29T00:59:59Z");
        assert_eq!(wall("2026-03-29T01:00:00Z"), "2026-03-29T02:00:00Z");
        assert_eq!(wall("2026-10-25T00:30:00Z"), "2026-10-25T01:30:00Z");
        assert_eq!(wall("2026-10-25T01:30:00Z"), "2026-10-25T01:30:00Z");
    }
}
