//! Turns coordinates told in GCJ-02 or BD-09 into WGS-84, and back.
//!
//! GCJ-02 is what mainland map services speak: WGS-84 shifted by some hundreds of metres by a formula on the
//! Krasovsky ellipsoid, applied inside one rectangle and nowhere else. BD-09 is Baidu's further shift of GCJ-02.
//! Both forward formulas are the public ones; no public formula inverts them, so the inverses iterate the forward
//! ones until the step is far below a millimetre (`the_inverse_is_within_a_centimetre`, over the whole rectangle).
//!
//! Absent on purpose: any guess whether a coordinate *is* shifted, and any outline of a country. The tag decides, and
//! the rectangle alone bounds the formula, Hong Kong included (contract, section 3). Just outside the rectangle a told
//! point may be one that was not shifted, or one that was and came from within: it is read as the latter.

use std::f64::consts::PI;

use crate::geometry::{Datum, LonLat};

/// The formula's rectangle: GCJ-02 differs from WGS-84 inside it only.
const LON: (f64, f64) = (72.004, 137.8347);
const LAT: (f64, f64) = (0.8293, 55.8271);

/// Krasovsky 1940: semi-major axis in metres and squared eccentricity, as the public formula has them.
const SEMI_MAJOR_M: f64 = 6_378_245.0;
const ECCENTRICITY_2: f64 = 0.006_693_421_622_965_943;

/// Baidu's angle unit.
const BAIDU_PI: f64 = PI * 3_000.0 / 180.0;

/// The iteration ends when a step is below this many degrees (about 10 µm; the next would be a hundredth of it), or after
/// `STEPS_MAX` steps.
const STEP_DEG: f64 = 1e-10;
const STEPS_MAX: u32 = 30;

/// No point is shifted out of the rectangle by more degrees than this (1,500 m at its northern border).
const SHIFT_MAX_DEG: f64 = 0.03;
/// A point found by iteration counts as in the rectangle up to this many degrees beside it (a tenth of a millimetre).
const BORDER_DEG: f64 = 1e-9;

/// `point`, told in `datum`, in WGS-84. Errors of the inverse are far below a centimetre.
#[inline]
pub fn to_wgs84(point: LonLat, datum: Datum) -> LonLat {
    match datum {
        Datum::Wgs84 => point,
        Datum::Gcj02 => gcj02_to_wgs84(point),
        Datum::Bd09 => gcj02_to_wgs84(bd09_to_gcj02(point)),
    }
}

/// `point`, told in WGS-84, in `datum`.
pub fn from_wgs84(point: LonLat, datum: Datum) -> LonLat {
    match datum {
        Datum::Wgs84 => point,
        Datum::Gcj02 => wgs84_to_gcj02(point),
        Datum::Bd09 => gcj02_to_bd09(wgs84_to_gcj02(point)),
    }
}

/// Whether the point is in the rectangle or at most `beside` degrees away.
fn in_rectangle(point: LonLat, beside: f64) -> bool {
    (LON.0 - beside..=LON.1 + beside).contains(&point.lon())
        && (LAT.0 - beside..=LAT.1 + beside).contains(&point.lat())
}

fn wgs84_to_gcj02(point: LonLat) -> LonLat {
    if !in_rectangle(point, 0.0) {
        return point;
    }
    let (lon, lat) = (point.lon(), point.lat());
    let (dlon, dlat) = gcj02_shift(lon, lat);
    LonLat::new(lon + dlon, lat + dlat).unwrap_or(point)
}

fn gcj02_to_wgs84(point: LonLat) -> LonLat {
    if !in_rectangle(point, SHIFT_MAX_DEG) {
        return point;
    }
    let truth = invert(point, |lon, lat| {
        let (dlon, dlat) = gcj02_shift(lon, lat);
        (lon + dlon, lat + dlat)
    });
    let was_shifted = in_rectangle(point, 0.0) || in_rectangle(truth, BORDER_DEG);
    if was_shifted { truth } else { point }
}

fn gcj02_to_bd09(point: LonLat) -> LonLat {
    let (lon, lat) = baidu(point.lon(), point.lat());
    LonLat::new(lon, lat).unwrap_or(point)
}

fn bd09_to_gcj02(point: LonLat) -> LonLat {
    invert(point, baidu)
}

/// The point that `forward` takes to `told`: each step moves the guess by what it still misses.
fn invert(told: LonLat, forward: impl Fn(f64, f64) -> (f64, f64)) -> LonLat {
    let (mut lon, mut lat) = (told.lon(), told.lat());
    for _ in 0..STEPS_MAX {
        let (lon_there, lat_there) = forward(lon, lat);
        let (step_lon, step_lat) = (told.lon() - lon_there, told.lat() - lat_there);
        lon += step_lon;
        lat += step_lat;
        if step_lon.abs().max(step_lat.abs()) < STEP_DEG {
            break;
        }
    }
    LonLat::new(lon, lat).unwrap_or(told)
}

/// The shift in degrees that GCJ-02 adds at a WGS-84 point.
fn gcj02_shift(lon: f64, lat: f64) -> (f64, f64) {
    let (x, y) = (lon - 105.0, lat - 35.0);
    let wave = |v: f64, a: f64, b: f64| a * (v * PI * b).sin();
    let shared = (wave(x, 20.0, 6.0) + wave(x, 20.0, 2.0)) * 2.0 / 3.0;
    let north_m = -100.0
        + 2.0 * x
        + 3.0 * y
        + 0.2 * y * y
        + 0.1 * x * y
        + 0.2 * x.abs().sqrt()
        + shared
        + (wave(y, 20.0, 1.0) + wave(y, 40.0, 1.0 / 3.0)) * 2.0 / 3.0
        + (wave(y, 160.0, 1.0 / 12.0) + wave(y, 320.0, 1.0 / 30.0)) * 2.0 / 3.0;
    let east_m = 300.0
        + x
        + 2.0 * y
        + 0.1 * x * x
        + 0.1 * x * y
        + 0.1 * x.abs().sqrt()
        + shared
        + (wave(x, 20.0, 1.0) + wave(x, 40.0, 1.0 / 3.0)) * 2.0 / 3.0
        + (wave(x, 150.0, 1.0 / 12.0) + wave(x, 300.0, 1.0 / 30.0)) * 2.0 / 3.0;
    let (sin, cos) = lat.to_radians().sin_cos();
    let w2 = 1.0 - ECCENTRICITY_2 * sin * sin;
    let meridian_m = SEMI_MAJOR_M * (1.0 - ECCENTRICITY_2) / (w2 * w2.sqrt());
    let parallel_m = SEMI_MAJOR_M / w2.sqrt() * cos;
    ((east_m / parallel_m).to_degrees(), (north_m / meridian_m).to_degrees())
}

/// Baidu's forward formula: a GCJ-02 point in BD-09.
fn baidu(lon: f64, lat: f64) -> (f64, f64) {
    let z = lon.hypot(lat) + 0.000_02 * (lat * BAIDU_PI).sin();
    let theta = lat.atan2(lon) + 0.000_003 * (lon * BAIDU_PI).cos();
    (z * theta.cos() + 0.006_5, z * theta.sin() + 0.006)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIFTED: [Datum; 2] = [Datum::Gcj02, Datum::Bd09];

    fn point(lon: f64, lat: f64) -> LonLat {
        LonLat::new(lon, lat).unwrap()
    }

    /// Metres between two points a few hundred metres apart; good to a percent, which is all a bound needs.
    fn metres(a: LonLat, b: LonLat) -> f64 {
        let per_degree = 111_320.0;
        let east = (a.lon() - b.lon()) * per_degree * a.lat().to_radians().cos();
        east.hypot((a.lat() - b.lat()) * per_degree)
    }

    /// Points all over the rectangle by a fixed irrational stride (no random crate needed), and along its border.
    fn points() -> impl Iterator<Item = LonLat> {
        let within = (0..20_000_u32)
            .map(|i| ((f64::from(i) * 0.754_877_666).fract(), (f64::from(i) * 0.569_840_291).fract()));
        let steps = || (0..=1_000_u32).map(|i| f64::from(i) / 1_000.0);
        let border =
            steps().flat_map(|t| [(t, 0.0), (t, 1.0), (0.0, t), (1.0, t), (t, 1e-6), (1.0 - 1e-6, t)]);
        // Ends are met exactly: `a + (b − a)` need not be `b`.
        let between = |(from, until): (f64, f64), t: f64| from * (1.0 - t) + until * t;
        within.chain(border).map(move |(u, v)| point(between(LON, u), between(LAT, v)))
    }

    /// Values that published implementations agree on: eviltransform's and coordtransform's test tables.
    #[test]
    fn the_forward_formulas_are_the_public_ones() {
        for (wgs, gcj) in [
            ((121.527_210_6, 31.177_427_6), (121.531_541_859_215, 31.175_303_983_645_97)),
            ((113.912_316, 22.543_847), (113.917_176_480_836_3, 22.540_796_131_694_766)),
            ((116.377_817, 39.911_954), (116.384_047_224_556_57, 39.913_345_455_360_69)),
            ((116.404, 39.915), (116.410_244_499_169_38, 39.916_404_281_501_64)),
        ] {
            let told = from_wgs84(point(wgs.0, wgs.1), Datum::Gcj02);
            assert!(metres(told, point(gcj.0, gcj.1)) < 0.02, "{wgs:?}: {told:?}");
        }
        let baidu = gcj02_to_bd09(point(116.404, 39.915));
        assert!(metres(baidu, point(116.410_369_493_710_29, 39.921_336_993_510_21)) < 1e-6, "{baidu:?}");
        // The closed form usually printed as the inverse is off by some decimetres; ours inverts the forward formula.
        let gcj = bd09_to_gcj02(point(116.404, 39.915));
        assert!(metres(gcj, point(116.397_627_291_193_15, 39.908_656_739_576_31)) < 1.0, "{gcj:?}");
    }

    #[test]
    fn the_inverse_is_within_a_centimetre() {
        for datum in SHIFTED {
            for truth in points() {
                assert!(in_rectangle(truth, 0.0), "{truth:?}");
                let back = to_wgs84(from_wgs84(truth, datum), datum);
                assert!(metres(back, truth) < 0.000_01, "{datum:?} {truth:?} {back:?}");
            }
        }
    }

    #[test]
    fn the_shift_is_some_hundreds_of_metres_inside_the_rectangle() {
        for truth in points() {
            let shift = metres(from_wgs84(truth, Datum::Gcj02), truth);
            assert!((1.0..1_500.0).contains(&shift), "{truth:?} {shift}");
        }
        // Hong Kong lies in the rectangle: the formula holds there.
        let central = point(114.158, 22.282);
        assert!(metres(from_wgs84(central, Datum::Gcj02), central) > 400.0);
    }

    #[test]
    fn outside_the_rectangle_gcj02_is_wgs84() {
        for (lon, lat) in [(72.003, 30.0), (137.835, 30.0), (110.0, 0.829), (110.0, 55.828), (-73.9, 40.7)] {
            let there = point(lon, lat);
            assert_eq!(from_wgs84(there, Datum::Gcj02), there);
        }
        for (lon, lat) in [(71.97, 30.0), (137.87, 30.0), (110.0, 0.79), (110.0, 55.86), (-73.9, 40.7)] {
            let there = point(lon, lat);
            assert_eq!(to_wgs84(there, Datum::Gcj02), there);
        }
    }

    #[test]
    fn every_point_on_earth_comes_out_as_a_point() {
        for lon in [-180.0, -179.999, -90.0, 0.0, 72.004, 137.8347, 179.999, 180.0] {
            for lat in [-90.0, -89.999, 0.0, 0.8293, 55.8271, 89.999, 90.0] {
                for datum in SHIFTED {
                    let there = point(lon, lat);
                    assert!(metres(to_wgs84(there, datum), there) < 5_000.0, "{datum:?} {there:?}");
                }
            }
        }
    }
}
