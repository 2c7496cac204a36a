//! Metres on the WGS-84 ellipsoid between two points.
//!
//! Up to 100 km: the straight chord through the earth between the two, bent to the length of an arc of the ellipsoid's
//! radius along it. Beyond, the geodesic.
//!
//! Absent on purpose: the sphere (it is off by up to 0.56 %, 1.1 m at 200 m), and the platform's sine and cosine, whose
//! last bit may differ from one processor to the next.
//! Why so: a chord needs neither a pole nor a date line to be told apart, and what it falls short of the arc is 1 mm at
//! 10 km, so that the radius hardly matters; against the geodesic it is off by less than a micrometre at 10 km and 20 µm at
//! 100 km (`metres_are_those_of_the_geodesic`), for a fortieth of its cost.

use std::sync::LazyLock;

use geographiclib_rs::{Geodesic, InverseGeodesic};
use model::LonLat;

/// Beyond this latitude, in degrees, it is not.
pub(crate) const POLAR_LAT: f64 = 85.0;
/// Up to here, in metres, an arc over a chord is trusted.
pub(crate) const CHORD_MAX_M: f64 = 100_000.0;
/// Up to here, in metres, any radius of the earth bends a chord well enough: 1 % of the 1 mm it falls short at 10 km.
const ANY_RADIUS_M: f64 = 10_000.0;
/// 1/R² of a mean radius, 6,371,008.8 m.
const MEAN_CURVATURE_2: f64 = 1.0 / (6_371_008.8 * 6_371_008.8);

/// Semi-major axis in metres and squared eccentricity of WGS-84.
pub(crate) const SEMI_MAJOR_M: f64 = 6_378_137.0;
const FLATTENING: f64 = 1.0 / 298.257_223_563;
pub(crate) const ECCENTRICITY_2: f64 = FLATTENING * (2.0 - FLATTENING);

/// No degree of latitude is shorter (the equator's 110,574.27 m, rounded down), none longer (the pole's 111,693.98 m,
/// rounded up), in metres.
pub(crate) const LAT_DEGREE_MIN_M: f64 = 110_574.0;
pub(crate) const LAT_DEGREE_MAX_M: f64 = 111_694.0;
/// A degree of longitude at latitude φ is at least this times cos φ, and at most `LON_DEGREE_MAX_M`, in metres.
const LON_DEGREE_MIN_M: f64 = 111_319.0;
pub(crate) const LON_DEGREE_MAX_M: f64 = 111_320.0;

static WGS84: LazyLock<Geodesic> = LazyLock::new(Geodesic::wgs84);

/// A longitude difference brought into [−180, 180].
pub(crate) fn wrap(dlon: f64) -> f64 {
    if (-180.0..=180.0).contains(&dlon) { dlon } else { dlon - 360.0 * (dlon / 360.0).round() }
}

/// A point made ready for distances: its longitude, and where it is in the half plane of its meridian.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spot {
    /// Degrees east.
    pub(crate) lon: f64,
    /// Metres from the earth's axis.
    pub(crate) axis_m: f64,
    /// Metres north of the equator's plane.
    pub(crate) plane_m: f64,
}

impl Spot {
    /// In the middle of the earth, where nobody is.
    pub(crate) const NOWHERE: Self = Self { lon: 0.0, axis_m: 0.0, plane_m: 0.0 };

    #[inline]
    pub(crate) fn new(point: LonLat) -> Self {
        Self::at((point.lon(), point.lat()))
    }

    /// Of (lon, lat), the longitude on whatever turn.
    #[inline]
    pub(crate) fn at((lon, lat): (f64, f64)) -> Self {
        let (sin, cos) = sin_cos(lat);
        let prime_vertical_m = SEMI_MAJOR_M / (1.0 - ECCENTRICITY_2 * sin * sin).sqrt();
        let plane_m = prime_vertical_m * (1.0 - ECCENTRICITY_2) * sin;
        Self { lon, axis_m: prime_vertical_m * cos, plane_m }
    }

    /// Degrees north, to the last digits but one.
    pub(crate) fn lat(&self) -> f64 {
        self.plane_m.atan2(self.axis_m * (1.0 - ECCENTRICITY_2)).to_degrees()
    }
}

/// Metres between two points: within 20 µm of the geodesic.
#[inline]
pub(crate) fn metres(a: &Spot, b: &Spot) -> f64 {
    let near = metres_if_near(a, b);
    if near.is_nan() { metres_if_far(a, b) } else { near }
}

/// The same for two points within 10 km and two degrees of longitude of each other; no number for others. Without a branch, so
/// that a compiler may measure several at once.
#[inline]
pub(crate) fn metres_if_near(a: &Spot, b: &Spot) -> f64 {
    let half = 0.5 * (a.lon - b.lon);
    let chord_2 = chord_2(a, b, small_sin(half));
    let chord = chord_2.sqrt();
    let metres = chord * (1.0 + chord_2 * (MEAN_CURVATURE_2 / 24.0));
    if (half.abs() <= 1.0) & (chord <= ANY_RADIUS_M) { metres } else { f64::NAN }
}

fn metres_if_far(a: &Spot, b: &Spot) -> f64 {
    let half = 0.5 * wrap(a.lon - b.lon);
    let chord_2 = chord_2(a, b, if half.abs() > 1.0 { sin_cos(half).0 } else { small_sin(half) });
    let chord = chord_2.sqrt();
    if chord <= ANY_RADIUS_M {
        return chord * (1.0 + chord_2 * (MEAN_CURVATURE_2 / 24.0));
    }
    if chord <= CHORD_MAX_M {
        let bend = chord_2 * curvature_2(a, b, north_2(a, b) / chord_2);
        return chord * (1.0 + bend * (1.0 / 24.0 + bend * (3.0 / 640.0)));
    }
    WGS84.inverse(a.lat(), wrap(a.lon), b.lat(), wrap(b.lon))
}

/// The square of the straight line between two points; `half_sin` is the sine of half the difference of their longitudes.
#[inline]
fn chord_2(a: &Spot, b: &Spot, half_sin: f64) -> f64 {
    north_2(a, b) + 4.0 * (a.axis_m * b.axis_m) * (half_sin * half_sin)
}

#[inline]
fn north_2(a: &Spot, b: &Spot) -> f64 {
    let (out, up) = (a.axis_m - b.axis_m, a.plane_m - b.plane_m);
    out * out + up * up
}

/// 1/R² in the middle between two points along the line that joins them, whose square is northward by `north_share`
/// (Euler: 1/R = cos²α/M + sin²α/N).
fn curvature_2(a: &Spot, b: &Spot, north_share: f64) -> f64 {
    let (out, up) = (a.axis_m + b.axis_m, (a.plane_m + b.plane_m) / (1.0 - ECCENTRICITY_2));
    let w2 = 1.0 - ECCENTRICITY_2 * up * up / (out * out + up * up);
    let prime_vertical_m = SEMI_MAJOR_M / w2.sqrt();
    let meridian_m = prime_vertical_m * (1.0 - ECCENTRICITY_2) / w2;
    let curvature = north_share / meridian_m + (1.0 - north_share) / prime_vertical_m;
    curvature * curvature
}

/// The sine of an angle of −1 to 1 degree.
#[inline]
fn small_sin(degrees: f64) -> f64 {
    // The next term is below 10⁻¹⁶ of the whole.
    let x = degrees.to_radians();
    let x2 = x * x;
    x - x * x2 * (1.0 / 6.0 - x2 * (1.0 / 120.0 - x2 * (1.0 / 5_040.0)))
}

/// Sine and cosine of an angle of −90 to 90 degrees, within two units of the last place of what the larger of them has:
/// the polynomials of FreeBSD's `k_sin.c` and `k_cos.c`, in additions and products alone, which every processor rounds
/// alike.
#[inline]
pub(crate) fn sin_cos(degrees: f64) -> (f64, f64) {
    let size = degrees.abs();
    debug_assert!(size <= 90.0);
    let from_45 = size > 45.0;
    let x = if from_45 { 90.0 - size } else { size }.to_radians();
    let x2 = x * x;
    let sin = 1.589_690_995_211_55e-10;
    let sin = -2.505_076_025_340_686_3e-8 + x2 * sin;
    let sin = 2.755_731_370_707_006_8e-6 + x2 * sin;
    let sin = -1.984_126_982_985_795e-4 + x2 * sin;
    let sin = 8.333_333_333_322_49e-3 + x2 * sin;
    let sin = -1.666_666_666_666_663_2e-1 + x2 * sin;
    let sin = x + x * x2 * sin;
    let cos = -1.135_964_755_778_819_5e-11;
    let cos = 2.087_572_321_298_175e-9 + x2 * cos;
    let cos = -2.755_731_435_139_066_3e-7 + x2 * cos;
    let cos = 2.480_158_728_947_673e-5 + x2 * cos;
    let cos = -1.388_888_888_887_411e-3 + x2 * cos;
    let cos = 4.166_666_666_666_66e-2 + x2 * cos;
    let cos = 1.0 - 0.5 * x2 + x2 * x2 * cos;
    let (sin, cos) = if from_45 { (cos, sin) } else { (sin, cos) };
    (sin.copysign(degrees), cos)
}

/// Half the height and half the width in degrees of a box around a point at `lat` that holds all within `radius_m`.
pub(crate) fn reach_deg(lat: f64, radius_m: f64) -> (f64, f64) {
    let half_lat = radius_m / LAT_DEGREE_MIN_M;
    let lat_max = lat.abs() + half_lat;
    if lat_max >= 89.9 {
        return (half_lat, 180.0);
    }
    let half_lon = radius_m / (LON_DEGREE_MIN_M * lat_max.to_radians().cos());
    (half_lat, half_lon.min(180.0))
}

#[cfg(test)]
pub(crate) mod tests {
    use geographiclib_rs::DirectGeodesic;

    use super::*;

    /// Metres along the geodesic from `a` to `b` (lon, lat).
    pub(crate) fn geodesic(a: LonLat, b: (f64, f64)) -> f64 {
        WGS84.inverse(a.lat(), a.lon(), b.1, wrap(b.0))
    }

    /// Numbers from 0 until 1, the same in every run: the fractions of multiples of an irrational.
    pub(crate) fn unit(i: u32, stride: f64) -> f64 {
        (f64::from(i) * stride).fract()
    }

    /// A point at a random place within ±`lat_max`.
    pub(crate) fn place(i: u32, lat_max: f64) -> LonLat {
        let lon = unit(i, 0.754_877_666_246_693) * 360.0 - 180.0;
        LonLat::new(lon, (unit(i, 0.569_840_290_998_053) * 2.0 - 1.0) * lat_max).unwrap()
    }

    /// The point `metres` away from `from` in direction `azimuth`, by the geodesic.
    pub(crate) fn moved(from: LonLat, azimuth: f64, metres: f64) -> (f64, f64) {
        let (lat, lon): (f64, f64) = WGS84.direct(from.lat(), from.lon(), azimuth, metres);
        (lon, lat)
    }

    fn metres_between(a: LonLat, b: LonLat) -> f64 {
        metres(&Spot::new(a), &Spot::new(b))
    }

    #[test]
    fn metres_are_those_of_the_geodesic() {
        for (metres_max, error_max) in
            [(1_000.0, 1e-7), (10_000.0, 1.5e-5), (CHORD_MAX_M - 1.0, 2e-5), (400_000.0, 2e-5)]
        {
            let mut worst = (0.0_f64, 0.0, 0.0);
            for i in 0..40_000 {
                let from = place(i, 90.0);
                let truth = unit(i, 0.819_172_513_396_164) * metres_max;
                let (lon, lat) = moved(from, unit(i, 0.671_043_606_703_789) * 360.0, truth);
                let Some(until) = LonLat::new(wrap(lon), lat) else { continue };
                let error = (metres_between(from, until) - truth).abs();
                if error > worst.0 {
                    worst = (error, from.lat(), truth);
                }
            }
            println!(
                "up to {metres_max} m: worst error {} m at latitude {} over {} m",
                worst.0, worst.1, worst.2
            );
            assert!(worst.0 <= error_max, "{worst:?}");
        }
    }

    #[test]
    fn sine_and_cosine_are_those_of_the_platform_but_for_the_last_digits() {
        for i in 0..=90_000 {
            let degrees = f64::from(i) * 0.002 - 90.0;
            let (sin, cos) = sin_cos(degrees);
            let radians = degrees.to_radians();
            assert!((sin - radians.sin()).abs() <= 2.5e-16, "sine of {degrees}");
            assert!((cos - radians.cos()).abs() <= 2.5e-16, "cosine of {degrees}");
        }
    }

    #[test]
    fn metres_are_symmetric_and_know_neither_the_antimeridian_nor_the_pole() {
        let point = |lon, lat| LonLat::new(lon, lat).unwrap();
        assert_eq!(metres_between(point(180.0, 10.0), point(-180.0, 10.0)), 0.0);
        assert!(metres_between(point(0.0, 90.0), point(123.0, 90.0)) < 1e-6);
        // Half the meridian from pole to pole, and a known line of Karney's.
        assert!((metres_between(point(0.0, -90.0), point(0.0, 90.0)) - 20_003_931.458_6).abs() < 0.001);
        let known = metres_between(point(-118.288_423_7, 34.095_925), point(24.734_176_4, 59.432_343_9));
        assert!((known - 9_094_718.727_5).abs() < 1.0, "{known}");
        for i in 0..2_000 {
            let (a, b) = (place(i, 90.0), place(i + 7_919, 90.0));
            assert!((metres_between(a, b) - metres_between(b, a)).abs() < 1e-6);
        }
    }

    #[test]
    fn all_within_a_radius_lies_in_its_box() {
        for i in 0..20_000 {
            let point = place(i, 90.0);
            let radius_m = unit(i, 0.123_456_789) * [50.0, 5_000.0, 500_000.0][i as usize % 3];
            let (half_lat, half_lon) = reach_deg(point.lat(), radius_m);
            let (lon, lat) = moved(point, unit(i, 0.987_654_321) * 360.0, radius_m);
            assert!((lat - point.lat()).abs() <= half_lat, "{point:?} {radius_m}");
            assert!(wrap(lon - point.lon()).abs() <= half_lon, "{point:?} {radius_m}");
        }
    }
}
