//! A fence of one plain ring of few corners: most polygons of a chain, kept as nothing but its corners side by side.
//!
//! In: corners, a point.  Out: signed metres, negative inside.  Owns: nothing (`fence_index` keeps the corners).
//! Absent on purpose: holes, parts, the antimeridian, poles (`outline` knows them); boxes (16 corners are looked at faster).
//! Invariants: the answer is the one `outline` gives for the same ring, but for digits below the micrometre
//! (`a_ring_is_as_far_as_its_outline`).
//! Why so: rings, edges and boxes of an outline lie in seven places that each tell where the next one is; the corners of a
//! small ring take two or three lines of memory, asked for ahead of time.

use model::LonLat;

use crate::distance::{POLAR_LAT, Spot, metres, wrap};
use crate::edge_distance::{Frame, metres_along};

/// Corners of a ring that is kept this way.
pub(crate) const CORNERS_MAX: usize = 32;
/// How far it may reach in either direction, in degrees.
const EXTENT_MAX_DEG: f64 = 0.2;
/// Up to here, in metres, an edge that looks nearest in a local frame is within 1 % of the nearest, and the frame at the
/// middle between point and edge is exact enough.
const NEAR_M: f64 = 2_000.0;
const NEAR_SLACK: f64 = 1.01;
/// Up to here, in metres, a frame tells which edges may be the nearest.
const FRAME_MAX_M: f64 = 50_000.0;
const EARTH_M: f64 = 6_335_000.0;

/// Whether the ring may be kept as its corners.
pub(crate) fn is_plain(corners: &[(f64, f64)]) -> bool {
    let within = |value: fn(&(f64, f64)) -> f64, most: f64| {
        let (low, high) = corners
            .iter()
            .map(value)
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        low > -most && high < most && high - low < EXTENT_MAX_DEG
    };
    (1..=CORNERS_MAX).contains(&corners.len()) && within(|c| c.0, 180.0) && within(|c| c.1, POLAR_LAT)
}

/// Signed metres from `point` to the ring's edge: ≤ 0 inside.
pub(crate) fn signed_metres(point: LonLat, corners: &[(f64, f64)]) -> f64 {
    let (lon, lat) = (point.lon(), point.lat());
    let corners = &corners[..corners.len().min(CORNERS_MAX)];
    let (first, last) = (corners[0], corners[corners.len() - 1]);
    // The ring crosses no antimeridian, but one may lie between it and the point.
    let dlon = first.0 - lon;
    let lon = lon + (dlon - wrap(dlon));
    let frame = Frame::at(if lat.abs() <= POLAR_LAT { f64::midpoint(lat, first.1) } else { first.1 });
    let mut squares = [0.0; CORNERS_MAX];
    let (mut inside, mut least) = (false, f64::INFINITY);
    let mut a = last;
    for (b, square) in corners.iter().zip(&mut squares) {
        if (a.1 > lat) != (b.1 > lat) && a.0 - lon + (lat - a.1) * (b.0 - a.0) / (b.1 - a.1) > 0.0 {
            inside = !inside;
        }
        let (near, _) = frame.nearest((a.0 - lon, a.1 - lat), (b.0 - lon, b.1 - lat));
        *square = frame.square(near);
        least = least.min(*square);
        a = *b;
    }
    let from = Ask { point, lon, lat, frame };
    let metres = from.exactly(corners, &squares, least.sqrt());
    if inside { -metres } else { metres }
}

/// A point before a ring, on the ring's turn.
struct Ask {
    point: LonLat,
    lon: f64,
    lat: f64,
    frame: Frame,
}

impl Ask {
    /// The least distance to those edges that look near enough in the frame to be the nearest.
    fn exactly(&self, corners: &[(f64, f64)], squares: &[f64; CORNERS_MAX], least_m: f64) -> f64 {
        let is_near = least_m <= NEAR_M && self.lat.abs() <= POLAR_LAT;
        let enough_m = match is_near {
            true => least_m * NEAR_SLACK,
            false if least_m <= FRAME_MAX_M && self.lat.abs() <= POLAR_LAT => {
                // All edges look too near or too far alike; what tells them apart is turned by the width of a degree.
                let turned = least_m / EARTH_M * (POLAR_LAT.min(self.lat.abs() + 1.0)).to_radians().tan();
                let extent_m = 2.0 * EXTENT_MAX_DEG * 111_700.0;
                least_m + extent_m.min(self.extent_m(corners)) * (2.0 * turned + 0.002) + 0.1
            }
            false => f64::INFINITY,
        };
        let mut best = f64::INFINITY;
        let mut a = corners[corners.len() - 1];
        for (b, square) in corners.iter().zip(squares) {
            if *square <= enough_m * enough_m {
                best = best.min(if is_near { self.near(a, *b) } else { self.far(a, *b) });
            }
            a = *b;
        }
        best
    }

    /// Twice the widest way from the first corner, in metres.
    fn extent_m(&self, corners: &[(f64, f64)]) -> f64 {
        let first = corners[0];
        let away = |corner: &(f64, f64)| self.frame.square((corner.0 - first.0, corner.1 - first.1));
        2.0 * corners.iter().map(away).fold(0.0, f64::max).sqrt()
    }

    fn near(&self, a: (f64, f64), b: (f64, f64)) -> f64 {
        let (a, b) = ((a.0 - self.lon, a.1 - self.lat), (b.0 - self.lon, b.1 - self.lat));
        let (rough, _) = self.frame.nearest(a, b);
        let (nearest, _) = Frame::at(self.lat + 0.5 * rough.1).nearest(a, b);
        Frame::at(self.lat + 0.5 * nearest.1).square(nearest).sqrt()
    }

    fn far(&self, a: (f64, f64), b: (f64, f64)) -> f64 {
        let here = Spot::new(self.point);
        let (_, t) = self.frame.nearest((a.0 - self.lon, a.1 - self.lat), (b.0 - self.lon, b.1 - self.lat));
        let ends = metres(&here, &Spot::at(a)).min(metres(&here, &Spot::at(b)));
        ends.min(metres_along(&here, a, b, t))
    }
}

#[cfg(test)]
mod tests {
    use model::{Fence, Ring};

    use super::*;
    use crate::outline::{Outline, micrometres};

    fn unit(i: usize, stride: f64) -> f64 {
        (i as f64 * stride).fract()
    }

    #[test]
    fn a_ring_is_as_far_as_its_outline() {
        let (mut inside, mut worst) = (0, 0.0_f64);
        for seed in 0..400 {
            let lat = unit(seed, 0.37) * 169.0 - 84.5;
            let centre = (unit(seed, 0.61) * 359.0 - 179.5, lat);
            let count = 1 + seed % 12;
            let reach = [0.001, 0.004, 0.02, 0.09][seed % 4];
            let ring: Vec<(f64, f64)> = (0..count)
                .map(|i| {
                    let angle =
                        std::f64::consts::TAU * (i as f64 + 0.9 * unit(seed + i, 0.754)) / count as f64;
                    let length = reach * (0.3 + 0.7 * unit(seed * 7 + i, 0.569));
                    (centre.0 + length * angle.cos(), centre.1 + length * angle.sin())
                })
                .collect();
            assert!(is_plain(&ring), "{ring:?}");
            let Outline::Polygons(outline) = Outline::new(&Fence::Polygons(vec![vec![Ring(ring.clone())]]))
            else {
                unreachable!("polygons stay polygons")
            };
            for i in 0..60 {
                let spread = reach * [2.0, 3.0, 30.0, 300.0][i % 4];
                let there = (
                    centre.0 + spread * (unit(i + seed, 0.671) - 0.5),
                    (centre.1 + spread * (unit(i + seed, 0.819) - 0.5)).clamp(-90.0, 90.0),
                );
                let point = LonLat::new(wrap(there.0), there.1).unwrap();
                let told = micrometres(signed_metres(point, &ring));
                let outline = micrometres(outline.signed_metres(point));
                inside += usize::from(told <= 0.0);
                worst = worst.max((told - outline).abs());
                // Beyond two kilometres both look for the lowest point of a curve, each in its own way.
                let blur = if outline.abs() < 1_900.0 { 2e-6 } else { 5e-4 };
                assert!((told - outline).abs() <= blur, "{told} {outline} seed {seed} {point:?} {ring:?}");
                assert_eq!(told < 0.0, outline < 0.0, "seed {seed} {point:?}");
            }
        }
        println!("{inside} inside, worst difference {worst} m");
        assert!(inside > 500, "{inside}");
    }

    #[test]
    fn what_is_not_plain_is_left_to_outlines() {
        assert!(is_plain(&[(0.0, 0.0), (0.1, 0.0), (0.1, 0.1)]));
        for ring in [
            vec![],
            vec![(0.0, 0.0), (0.3, 0.0), (0.1, 0.1)],
            vec![(179.95, 0.0), (180.0, 0.0), (180.0, 0.1)],
            vec![(179.95, 0.0), (-179.95, 0.0), (-179.95, 0.1)],
            vec![(0.0, 84.95), (0.1, 84.95), (0.1, 85.0)],
            (0..33).map(|i| (f64::from(i) * 0.001, f64::from(i % 2) * 0.01)).collect(),
        ] {
            assert!(!is_plain(&ring), "{ring:?}");
        }
    }
}
