//! Metres on the ellipsoid, by the plainest law that is right: the two radii of curvature at the middle latitude.
//!
//! In: points and fences.  Out: metres east and north, signed distances to a fence's edge, shifted coordinates.
//! Absent on purpose: indexes, distances beyond a few kilometres, fences across the antimeridian (none is generated).
//! Why so: within a kilometre the law stays within a millimetre of the geodesic (`tests`, against geographiclib),
//! and no fix is ever sampled nearer than half a metre to where a decision turns.

use std::f64::consts::PI;

use model::reference::Fence;
use model::{LonLat, Ring};

use crate::exact::{rounded, sin_cos};

const SEMI_MAJOR_M: f64 = 6_378_137.0;
const FLATTENING: f64 = 1.0 / 298.257_223_563;
const ECCENTRICITY_SQUARED: f64 = FLATTENING * (2.0 - FLATTENING);

/// The point at these degrees; they are generated near stores, so they are in range.
pub(crate) fn point(lon: f64, lat: f64) -> LonLat {
    LonLat::new(lon.clamp(-180.0, 180.0), lat.clamp(-90.0, 90.0)).expect("clamped degrees are in range")
}

/// The point as it is written: seven decimals, about a centimetre.
pub(crate) fn written(at: LonLat) -> LonLat {
    point(rounded(at.lon(), 7), rounded(at.lat(), 7))
}

/// Metres per degree of longitude and of latitude at `lat`.
fn metres_per_degree(lat: f64) -> (f64, f64) {
    let (sin, cos) = sin_cos(lat.to_radians());
    let w = 1.0 - ECCENTRICITY_SQUARED * sin * sin;
    let prime_vertical = SEMI_MAJOR_M / w.sqrt();
    let meridional = SEMI_MAJOR_M * (1.0 - ECCENTRICITY_SQUARED) / (w * w.sqrt());
    (prime_vertical * cos * PI / 180.0, meridional * PI / 180.0)
}

/// Metres per degree around one point, to tell cheaply what is surely too far away to matter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rough {
    at: LonLat,
    per_lon: f64,
    per_lat: f64,
}

impl Rough {
    /// Around `at`.
    pub(crate) fn around(at: LonLat) -> Self {
        let (per_lon, per_lat) = metres_per_degree(at.lat());
        Self { at, per_lon, per_lat }
    }

    /// Whether `to` is farther than `limit_m`, a kilometre or so; right to a few metres.
    pub(crate) fn is_beyond(&self, to: LonLat, limit_m: f64) -> bool {
        let east = (to.lon() - self.at.lon()) * self.per_lon;
        let north = (to.lat() - self.at.lat()) * self.per_lat;
        east * east + north * north > limit_m * limit_m
    }
}

/// Metres between two points.
pub(crate) fn metres(from: LonLat, to: LonLat) -> f64 {
    let (per_lon, per_lat) = metres_per_degree((from.lat() + to.lat()) / 2.0);
    let (east, north) = ((to.lon() - from.lon()) * per_lon, (to.lat() - from.lat()) * per_lat);
    (east * east + north * north).sqrt()
}

/// The point that many metres east and north of `from`.
pub(crate) fn moved(from: LonLat, (east, north): (f64, f64)) -> LonLat {
    let (_, per_lat) = metres_per_degree(from.lat());
    let roughly = from.lat() + north / per_lat;
    let (per_lon, per_lat) = metres_per_degree((from.lat() + roughly) / 2.0);
    point(from.lon() + east / per_lon, from.lat() + north / per_lat)
}

/// Signed metres from `at` to the edge of `fence`: negative inside, 0 on the edge.
pub(crate) fn signed_metres(at: LonLat, fence: &Fence) -> f64 {
    match fence {
        Fence::Circle { centre, radius_m } => metres(at, *centre) - radius_m,
        // The parts of a generated fence lie apart, so the nearest part's own distance is that of their union.
        Fence::Polygons(parts) => {
            parts.iter().map(|part| signed_metres_to_part(at, part)).fold(f64::MAX, f64::min)
        }
    }
}

fn signed_metres_to_part(at: LonLat, rings: &[Ring]) -> f64 {
    let mut inside = false;
    let mut nearest = f64::MAX;
    for ring in rings {
        let Some(last) = ring.0.last() else { continue };
        // One scale for the whole ring keeps its edges straight in lon/lat, as the contract has them.
        let (per_lon, per_lat) = metres_per_degree((at.lat() + last.1) / 2.0);
        let local = |(lon, lat): (f64, f64)| ((lon - at.lon()) * per_lon, (lat - at.lat()) * per_lat);
        let mut a = local(*last);
        for corner in &ring.0 {
            let b = local(*corner);
            nearest = nearest.min(metres_from_origin(a, b));
            // Even-odd: count the edges that the ray due east of the origin crosses.
            if (a.1 > 0.0) != (b.1 > 0.0) && a.0 + (b.0 - a.0) * (a.1 / (a.1 - b.1)) > 0.0 {
                inside = !inside;
            }
            a = b;
        }
    }
    if inside { -nearest } else { nearest }
}

/// Metres from the origin to the segment from `a` to `b`.
fn metres_from_origin(a: (f64, f64), b: (f64, f64)) -> f64 {
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let square = dx * dx + dy * dy;
    let along = if square > 0.0 { (-(a.0 * dx + a.1 * dy) / square).clamp(0.0, 1.0) } else { 0.0 };
    let (x, y) = (a.0 + along * dx, a.1 + along * dy);
    (x * x + y * y).sqrt()
}

/// The point as a mainland map service tells it: GCJ-02 by the public formula.
pub(crate) fn gcj02(at: LonLat) -> LonLat {
    const AXIS: f64 = 6_378_245.0;
    const EE: f64 = 0.006_693_421_622_965_943;
    let sin = |x: f64| sin_cos(x).0;
    let (x, y) = (at.lon() - 105.0, at.lat() - 35.0);
    let ripple = 20.0 * sin(6.0 * x * PI) + 20.0 * sin(2.0 * x * PI);
    let wave = |v: f64| 20.0 * sin(v * PI) + 40.0 * sin(v / 3.0 * PI);
    let swell = |v: f64, short: f64, long: f64| short * sin(v / 12.0 * PI) + long * sin(v / 30.0 * PI);
    let root = x.abs().sqrt();
    let lat = -100.0
        + 2.0 * x
        + 3.0 * y
        + 0.2 * y * y
        + 0.1 * x * y
        + 0.2 * root
        + (ripple + wave(y) + swell(y, 160.0, 320.0)) * 2.0 / 3.0;
    let lon = 300.0
        + x
        + 2.0 * y
        + 0.1 * x * x
        + 0.1 * x * y
        + 0.1 * root
        + (ripple + wave(x) + swell(x, 150.0, 300.0)) * 2.0 / 3.0;
    let (sin_lat, cos_lat) = sin_cos(at.lat() / 180.0 * PI);
    let magic = 1.0 - EE * sin_lat * sin_lat;
    let lat = lat * 180.0 / ((AXIS * (1.0 - EE)) / (magic * magic.sqrt()) * PI);
    let lon = lon * 180.0 / (AXIS / magic.sqrt() * cos_lat * PI);
    point(at.lon() + lon, at.lat() + lat)
}

#[cfg(test)]
mod tests {
    use geographiclib_rs::{DirectGeodesic, Geodesic, InverseGeodesic};

    use super::*;
    use crate::dice::{Seed, Subject};

    #[test]
    fn distances_and_moves_agree_with_the_geodesic() {
        let geodesic = Geodesic::wgs84();
        let mut dice = Seed::new(11).dice(Subject::Spoil, 0, 0, 0);
        for lat in [-60.0, -33.9, 0.0, 1.3, 22.3, 35.7, 51.5, 60.0] {
            for _ in 0..50 {
                let (from, away_m) = (point(114.1, lat), dice.between(0.1, 1_000.0));
                let (to_lat, to_lon) = geodesic.direct(lat, 114.1, dice.between(0.0, 360.0), away_m);
                let to = point(to_lon, to_lat);
                assert!(
                    (metres(from, to) - away_m).abs() < 1e-4,
                    "lat {lat}, {away_m} m: {}",
                    metres(from, to)
                );
                let (east, north) = dice.in_disc();
                let there = moved(from, (east * 1_000.0, north * 1_000.0));
                let moved_m: f64 = geodesic.inverse(lat, 114.1, there.lat(), there.lon());
                assert!((moved_m - 1_000.0 * (east * east + north * north).sqrt()).abs() < 1e-3, "lat {lat}");
            }
        }
    }

    /// The distance to a ring by walking along each edge in steps of straight lon/lat, by the geodesic.
    fn walked_metres(at: LonLat, ring: &Ring) -> f64 {
        let geodesic = Geodesic::wgs84();
        let mut nearest = f64::MAX;
        for (i, a) in ring.0.iter().enumerate() {
            let b = ring.0[(i + 1) % ring.0.len()];
            for step in 0..=400 {
                let along = f64::from(step) / 400.0;
                let (lon, lat) = (a.0 + along * (b.0 - a.0), a.1 + along * (b.1 - a.1));
                nearest = nearest.min(geodesic.inverse(at.lat(), at.lon(), lat, lon));
            }
        }
        nearest
    }

    #[test]
    fn a_polygons_distance_is_the_shortest_walk_to_its_edge() {
        let square = |size: f64| {
            let corner = |east: f64, north: f64| {
                let at = moved(point(114.17, 22.3), (east * size, north * size));
                (at.lon(), at.lat())
            };
            Ring(vec![corner(-1.0, -1.0), corner(1.0, -1.0), corner(1.2, 1.0), corner(-1.0, 1.0)])
        };
        let (shell, hole) = (square(80.0), square(20.0));
        let fence = Fence::Polygons(vec![vec![shell.clone(), hole.clone()]]);
        let mut dice = Seed::new(12).dice(Subject::Spoil, 0, 0, 0);
        for _ in 0..40 {
            let (east, north) = dice.in_disc();
            let at = moved(point(114.17, 22.3), (east * 150.0, north * 150.0));
            let walked = walked_metres(at, &shell).min(walked_metres(at, &hole));
            let told = signed_metres(at, &fence);
            assert!((told.abs() - walked).abs() < 0.1, "{told} against {walked} m");
        }
        for (east, north, inside) in
            [(0.0, 0.0, false), (50.0, 0.0, true), (85.0, 79.0, true), (-85.0, 79.0, false)]
        {
            let at = moved(point(114.17, 22.3), (east, north));
            assert_eq!(signed_metres(at, &fence) < 0.0, inside, "{east} m east, {north} m north");
        }
    }

    #[test]
    fn gcj02_shifts_beijing_as_published() {
        let shifted = gcj02(point(116.404, 39.915));
        assert!((shifted.lon() - 116.410_244_499_169_38).abs() < 1e-9, "{}", shifted.lon());
        assert!((shifted.lat() - 39.916_404_281_501_64).abs() < 1e-9, "{}", shifted.lat());
    }
}
