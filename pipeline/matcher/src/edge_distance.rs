//! Metres on the WGS-84 ellipsoid from a point to edges straight in lon/lat.
//!
//! Up to 2 km and at |lat| ≤ 85°: a local affine frame at the mid-latitude, longitude and latitude differences times the
//! radii of the prime vertical and of the meridian there. Elsewhere the least of many distances between points.
//!
//! Why so: the mid-latitude frame is off by 3.6 µm at 1 km at 60° and 0.15 mm at 85°, and its error grows with the cube of
//! the distance.

use model::LonLat;

use crate::distance::{
    CHORD_MAX_M, ECCENTRICITY_2, LAT_DEGREE_MAX_M, LAT_DEGREE_MIN_M, LON_DEGREE_MAX_M, POLAR_LAT,
    SEMI_MAJOR_M, Spot, metres, sin_cos, wrap,
};
use crate::outline::LonLatBox;
use crate::runs::Runs;

/// Up to here, in metres, the local frame is trusted.
const NEAR_M: f64 = 2_000.0;
/// An edge found in the frame at the point's own latitude may be this much nearer, relatively, than it looks there
/// (7e-4 at 2 km and 85°).
const FRAME_SLACK: f64 = 1.01;

/// No part of the earth is more curved than a sphere of this radius in metres (the meridian at the equator).
const LEAST_RADIUS_M: f64 = 6_335_439.0;
/// Up to these lengths of an edge and distances of its ends, in metres, the square of the distance along it is taken for
/// a parabola.
const PARABOLA_EDGE_MAX_M: f64 = 20_000.0;
const PARABOLA_MAX_M: f64 = CHORD_MAX_M;

/// The nearest point on an edge is searched until its bracket is this short; the distance is then good to a micrometre.
const BRACKET_M: f64 = 1e-4;
const BRACKET_STEPS_MAX: u32 = 80;

/// A piece of a fence's outline, straight in lon/lat, at most ten degrees long in either direction (`outline` cuts).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Edge {
    /// (lon, lat) in degrees of the one end; the longitude may lie beyond ±180.
    pub(crate) from: (f64, f64),
    /// (lon, lat) of the other end, on the same turn.
    pub(crate) until: (f64, f64),
}

/// Metres from `point` to the nearest point of any of `edges`, over which `runs` lie; infinite without edges.
pub(crate) fn metres_to_edges(point: LonLat, edges: &[Edge], runs: &Runs) -> f64 {
    if point.lat().abs() <= POLAR_LAT {
        let near = metres_to_near_edges(point, edges, runs);
        if near <= NEAR_M {
            return near;
        }
    }
    metres_to_far_edges(point, edges, runs)
}

/// Metres per degree east and north at one latitude.
#[derive(Clone, Copy)]
pub(crate) struct Frame {
    east: f64,
    north: f64,
}

impl Frame {
    pub(crate) fn at(lat: f64) -> Self {
        let (sin, cos) = sin_cos(lat);
        let w2 = 1.0 - ECCENTRICITY_2 * sin * sin;
        let prime_vertical_m = SEMI_MAJOR_M / w2.sqrt();
        let meridian_m = prime_vertical_m * (1.0 - ECCENTRICITY_2) / w2;
        Self { east: (prime_vertical_m * cos).to_radians(), north: meridian_m.to_radians() }
    }

    fn length(self, dlon: f64, dlat: f64) -> f64 {
        self.square((dlon, dlat)).sqrt()
    }

    /// The square of the metres between two points so many degrees apart.
    pub(crate) fn square(self, (dlon, dlat): (f64, f64)) -> f64 {
        let (x, y) = (dlon * self.east, dlat * self.north);
        x * x + y * y
    }

    /// The point of the edge from `a` to `b` (degrees from the origin) that is nearest to the origin, and how far along
    /// the edge it is, from 0 to 1.
    pub(crate) fn nearest(self, a: (f64, f64), b: (f64, f64)) -> ((f64, f64), f64) {
        let (ax, ay) = (a.0 * self.east, a.1 * self.north);
        let (dx, dy) = ((b.0 - a.0) * self.east, (b.1 - a.1) * self.north);
        let length_2 = dx * dx + dy * dy;
        let t = if length_2 > 0.0 { (-(ax * dx + ay * dy) / length_2).clamp(0.0, 1.0) } else { 0.0 };
        ((a.0 + t * (b.0 - a.0), a.1 + t * (b.1 - a.1)), t)
    }
}

/// The distance where it is within `NEAR_M`; some number beyond that where it is not.
fn metres_to_near_edges(point: LonLat, edges: &[Edge], runs: &Runs) -> f64 {
    let here = Frame::at(point.lat());
    let mut best = NEAR_M * FRAME_SLACK;
    let bound = |over: &LonLatBox| {
        let (dlon, dlat) = beside(point, over);
        here.length(dlon, dlat) / FRAME_SLACK
    };
    runs.nearest(&mut best, &bound, &mut |range, best| {
        for edge in &edges[range] {
            let a = (wrap(edge.from.0 - point.lon()), edge.from.1 - point.lat());
            let b = (a.0 + (edge.until.0 - edge.from.0), edge.until.1 - point.lat());
            let (rough, _) = here.nearest(a, b);
            if here.length(rough.0, rough.1) > *best * FRAME_SLACK {
                continue;
            }
            let between = Frame::at(point.lat() + 0.5 * rough.1);
            let (nearest, _) = between.nearest(a, b);
            let between = Frame::at(point.lat() + 0.5 * nearest.1);
            *best = best.min(between.length(nearest.0, nearest.1));
        }
    });
    best
}

/// Degrees of longitude and latitude between a point and the nearest meridian and parallel of a box.
fn beside(point: LonLat, over: &LonLatBox) -> (f64, f64) {
    let (west, width) = (wrap(over.west - point.lon()), over.east - over.west);
    let dlon = if west <= 0.0 {
        (-(west + width)).min(west + 360.0).max(0.0)
    } else {
        west.min(360.0 - (west + width)).max(0.0)
    };
    (dlon, (over.south - point.lat()).max(point.lat() - over.north).max(0.0))
}

/// The distance where the local frame is not trusted. The ends of an edge bound it from above; it is searched between
/// them only if the triangle inequality leaves room for something nearer there.
fn metres_to_far_edges(point: LonLat, edges: &[Edge], runs: &Runs) -> f64 {
    let from = Spot::new(point);
    let to = |end: (f64, f64)| metres(&from, &Spot::at(end));
    let (mut best, cos) = (f64::INFINITY, sin_cos(point.lat()).1);
    let bound = |over: &LonLatBox| {
        let (dlon, dlat) = beside(point, over);
        // To the meridian on a sphere that no part of the earth is more curved than; beyond a right angle, to the pole.
        let across = if dlon < 90.0 { (cos * dlon.to_radians().sin()).asin() } else { cos.asin() };
        (0.99 * LEAST_RADIUS_M * across).max(dlat * LAT_DEGREE_MIN_M)
    };
    runs.nearest(&mut best, &bound, &mut |range, best| {
        for edge in &edges[range] {
            let (from_m, until_m, length_m) = (to(edge.from), to(edge.until), longest(edge));
            *best = best.min(from_m).min(until_m);
            if 0.5 * (from_m + until_m - length_m) < *best {
                *best = best.min(between_ends(&from, edge, from_m, until_m));
            }
        }
    });
    best
}

/// The least distance between the ends of an edge, which are `from_m` and `until_m` away.
fn between_ends(point: &Spot, edge: &Edge, from_m: f64, until_m: f64) -> f64 {
    let length_m = longest(edge);
    let at = |t: f64| {
        let lon = edge.from.0 + t * (edge.until.0 - edge.from.0);
        metres(point, &Spot::at((lon, edge.from.1 + t * (edge.until.1 - edge.from.1))))
    };
    let is_low = edge.from.1.abs().max(edge.until.1.abs()) <= POLAR_LAT;
    if !(is_low && length_m <= PARABOLA_EDGE_MAX_M && from_m.max(until_m) <= PARABOLA_MAX_M) {
        return search(at, length_m);
    }
    let first = vertex(0.5, 0.5, [from_m, at(0.5), until_m]);
    at(first).min(metres_along(point, edge.from, edge.until, first))
}

/// The least distance along an edge of up to `PARABOLA_EDGE_MAX_M` from a point up to `PARABOLA_MAX_M` away, if it is
/// between the ends near `t`. The square of the distance is all but a parabola there: it is put through three points,
/// close enough together for what is left of higher powers to vanish.
pub(crate) fn metres_along(point: &Spot, from: (f64, f64), until: (f64, f64), t: f64) -> f64 {
    let at =
        |t: f64| metres(point, &Spot::at((from.0 + t * (until.0 - from.0), from.1 + t * (until.1 - from.1))));
    let half = 0.05;
    let middle = t.clamp(half, 1.0 - half);
    at(vertex(middle, half, [at(middle - half), at(middle), at(middle + half)]))
}

/// Where between 0 and 1 the parabola is lowest that takes the squares of these values at `middle` and `half` to its sides.
fn vertex(middle: f64, half: f64, [a, b, c]: [f64; 3]) -> f64 {
    let bend = a * a - 2.0 * b * b + c * c;
    let t = if bend > 0.0 { middle - 0.5 * half * (c * c - a * a) / bend } else { middle };
    t.clamp(0.0, 1.0)
}

/// An upper bound of an edge's length in metres.
fn longest(edge: &Edge) -> f64 {
    (edge.until.0 - edge.from.0).abs() * LON_DEGREE_MAX_M
        + (edge.until.1 - edge.from.1).abs() * LAT_DEGREE_MAX_M
}

/// The least distance between the ends by golden section: along so short an edge the distance has one minimum.
fn search(at: impl Fn(f64) -> f64, length_m: f64) -> f64 {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    let (mut low, mut high) = (0.0, 1.0);
    let (mut left, mut right) = (high - GOLDEN, low + GOLDEN);
    let (mut left_m, mut right_m) = (at(left), at(right));
    for _ in 0..BRACKET_STEPS_MAX {
        if (high - low) * length_m <= BRACKET_M {
            break;
        }
        if left_m <= right_m {
            (high, right, right_m) = (right, left, left_m);
            left = high - GOLDEN * (high - low);
            left_m = at(left);
        } else {
            (low, left, left_m) = (left, right, right_m);
            right = low + GOLDEN * (high - low);
            right_m = at(right);
        }
    }
    left_m.min(right_m)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distance::tests::{geodesic, moved, place, unit};

    /// Edges against many geodesics: no point of the edge is nearer, and some point is about as near.
    #[test]
    fn the_distance_to_an_edge_is_that_to_its_nearest_point() {
        for i in 0..800 {
            let (lat_max, reach) =
                [(84.9, 900.0), (84.9, 40_000.0), (89.999, 900.0), (89.9, 200_000.0)][i as usize % 4];
            let point = place(i, lat_max);
            let from = moved(point, unit(i, 0.33) * 360.0, unit(i, 0.41) * reach);
            let until = moved(
                LonLat::new(wrap(from.0), from.1).unwrap(),
                unit(i, 0.57) * 360.0,
                1.0 + unit(i, 0.77) * reach.min(9_000.0),
            );
            let edge = Edge { from, until: (from.0 + wrap(until.0 - from.0), until.1) };
            if (edge.until.0 - edge.from.0).abs() > 10.0 {
                continue;
            }
            let told =
                metres_to_edges(point, &[edge], &Runs::over(&[LonLatBox::over(edge.from, edge.until)]));
            let steps = 400;
            let sampled = (0..=steps)
                .map(|step| {
                    let t = f64::from(step) / f64::from(steps);
                    let lon = edge.from.0 + t * (edge.until.0 - edge.from.0);
                    geodesic(point, (lon, edge.from.1 + t * (edge.until.1 - edge.from.1)))
                })
                .fold(f64::INFINITY, f64::min);
            let coarse = longest(&edge) / f64::from(steps);
            assert!(told <= sampled + 0.001, "case {i}: told {told}, sampled {sampled}: {point:?} {edge:?}");
            assert!(told >= sampled - coarse, "case {i}: told {told}, sampled {sampled}: {point:?} {edge:?}");
            let at = |t: f64| {
                let lon = edge.from.0 + t * (edge.until.0 - edge.from.0);
                geodesic(point, (lon, edge.from.1 + t * (edge.until.1 - edge.from.1)))
            };
            let searched = search(at, longest(&edge)).min(geodesic(point, edge.from));
            let searched = searched.min(geodesic(point, edge.until));
            assert!(
                (told - searched).abs() < 0.001,
                "case {i}: told {told}, searched {searched}: {point:?} {edge:?}"
            );
        }
    }

    #[test]
    fn no_edges_are_infinitely_far() {
        assert_eq!(metres_to_edges(LonLat::new(0.0, 0.0).unwrap(), &[], &Runs::default()), f64::INFINITY);
    }
}
