//! `ground_distance_m(lon, lat, lon, lat)` and `ground_bearing_deg(lon, lat, lon, lat)`: metres from one place to another
//! and in which direction, as SQL sees it.
//!
//! Why so: on a sphere (haversine, mean radius), within 0.6 % of the ellipsoid: drift is read in tens of metres, and the
//! exact distances a verdict rests on are stored with the punch (`distance_m`).

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array};
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// The mean radius of the earth in metres (IUGG).
const EARTH_RADIUS_M: f64 = 6_371_008.8;

/// The distance, to be registered with a session.
pub(crate) fn ground_distance() -> ScalarUDF {
    Ground::function(Measure::Metres)
}

/// The direction at the first place, in degrees from the north to the east, 0 to 360; null between a place and itself.
pub(crate) fn ground_bearing() -> ScalarUDF {
    Ground::function(Measure::Bearing)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Measure {
    Metres,
    Bearing,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Ground {
    measure: Measure,
    signature: Signature,
}

impl Ground {
    fn function(measure: Measure) -> ScalarUDF {
        let signature = Signature::exact(vec![DataType::Float64; 4], Volatility::Immutable);
        ScalarUDF::new_from_impl(Self { measure, signature })
    }
}

impl ScalarUDFImpl for Ground {
    fn name(&self) -> &str {
        match self.measure {
            Measure::Metres => "ground_distance_m",
            Measure::Bearing => "ground_bearing_deg",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = ColumnarValue::values_to_arrays(&args.args)?;
        let [lon1, lat1, lon2, lat2] = [0, 1, 2, 3].map(|at| columns[at].as_primitive::<Float64Type>());
        let from = lon1.iter().zip(lat1);
        let to = lon2.iter().zip(lat2);
        let value = |(lon1, lat1): (Option<f64>, Option<f64>), (lon2, lat2): (Option<f64>, Option<f64>)| {
            let (from, to) = ((lon1?, lat1?), (lon2?, lat2?));
            match self.measure {
                Measure::Metres => Some(metres_between(from, to)),
                Measure::Bearing => bearing_deg(from, to),
            }
        };
        let values: Float64Array = from.zip(to).map(|(from, to)| value(from, to)).collect();
        Ok(ColumnarValue::Array(Arc::new(values) as ArrayRef))
    }
}

fn metres_between((lon1, lat1): (f64, f64), (lon2, lat2): (f64, f64)) -> f64 {
    let half_sine = |degrees: f64| (degrees.to_radians() / 2.0).sin().powi(2);
    let a =
        half_sine(lat2 - lat1) + lat1.to_radians().cos() * lat2.to_radians().cos() * half_sine(lon2 - lon1);
    2.0 * EARTH_RADIUS_M * a.min(1.0).sqrt().asin()
}

fn bearing_deg((lon1, lat1): (f64, f64), (lon2, lat2): (f64, f64)) -> Option<f64> {
    let (east_sin, east_cos) = (lon2 - lon1).to_radians().sin_cos();
    let ((sin1, cos1), (sin2, cos2)) = (lat1.to_radians().sin_cos(), lat2.to_radians().sin_cos());
    let (east, north) = (east_sin * cos2, cos1 * sin2 - sin1 * cos2 * east_cos);
    (east != 0.0 || north != 0.0).then(|| east.atan2(north).to_degrees().rem_euclid(360.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_hold_across_the_antimeridian_and_at_home() {
        let near = |from, to, expected: f64| (metres_between(from, to) - expected).abs() < 1.0;
        assert!(near((114.17, 22.30), (114.17, 22.30), 0.0));
        assert!(near((0.0, 0.0), (1.0, 0.0), 111_195.0));
        assert!(near((179.9995, -17.0), (-179.9995, -17.0), 106.3));
    }

    #[test]
    fn directions_go_from_the_north_to_the_east() {
        let from = (114.17, 22.30);
        for (to, expected) in [
            ((114.17, 22.31), 0.0),
            ((114.18, 22.30), 90.0),
            ((114.17, 22.29), 180.0),
            ((114.16, 22.30), 270.0),
            ((114.18, 22.30 + 0.01 * 22.3_f64.to_radians().cos()), 45.0),
        ] {
            let found = bearing_deg(from, to).unwrap();
            assert!((found - expected).abs() < 0.1, "{to:?}: {found}");
        }
        let across = bearing_deg((179.9995, -17.0), (-179.9995, -17.0)).unwrap();
        assert!((across - 90.0).abs() < 0.1, "{across}");
        assert_eq!(bearing_deg(from, from), None);
    }
}
