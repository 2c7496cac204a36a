//! A fence made ready for questions: is a point in it, how far is its edge, which boxes hold it.
//!
//! In: `model::Fence`, built once per snapshot.  Out: signed metres, negative inside.  Owns: unrolled rings and edges.
//! Absent on purpose: winding (GeoJSON may wind rings any way: inside is even-odd) and validity (a ring that crosses
//! itself still has an even-odd inside).
//! Invariants: what the antimeridian does to coordinates leaves no trace in answers: cut or not, wound past ±180 or
//! jumping there, around a pole or not (`the_antimeridian_leaves_no_trace`).
//!
//! A step of more than 180° (and less than a full turn) between neighbouring corners is read as crossing the
//! antimeridian. A ring that comes back a full turn away has gone round a pole and holds the one nearer to it. Edges
//! that stand on the antimeridian with the fence on both sides are where a writer cut it: they bound nothing and count
//! for no distance; nor do the points that edges along a pole shrink to.

use std::cell::Cell;
use std::ops::Range;

use model::{Fence, LonLat, Ring};

use crate::distance::{LAT_DEGREE_MAX_M, LAT_DEGREE_MIN_M, reach_deg, wrap};
use crate::edge_distance::{Edge, metres_to_edges};
use crate::runs::Runs;

/// Longer edges are cut, in degrees: along a shorter one the distance from any point has one minimum.
const EDGE_MAX_DEG: f64 = 10.0;
/// How far beside a cut its two sides are probed, in degrees (about a tenth of a millimetre).
const PROBE_DEG: f64 = 1e-9;
/// A run this far beside a point, in degrees, is beside it whatever rounding makes of the edges.
const BESIDE_DEG: f64 = 1e-9;

/// A fence made ready.
#[derive(Debug)]
pub(crate) enum Outline {
    /// All points within a radius in metres.
    Circle(LonLat, f64),
    /// A union of parts.
    Polygons(Polygons),
}

/// Parts, and the edges that bound their union.
#[derive(Debug)]
pub(crate) struct Polygons {
    parts: Vec<Vec<Unrolled>>,
    edges: Vec<Edge>,
    runs: Runs,
    /// Southernmost and northernmost latitude.
    lat: (f64, f64),
}

/// A box in degrees, west ≤ east. Those around fences begin in [−180, 180) and end up to a turn further; those over edges
/// lie where their ring's corners run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct LonLatBox {
    pub(crate) west: f64,
    pub(crate) south: f64,
    pub(crate) east: f64,
    pub(crate) north: f64,
}

/// A ring whose corners follow each other without a jump at the antimeridian.
#[derive(Debug)]
struct Unrolled {
    /// The corners as given, on continuous turns; for a ring round a pole, with the way there and back.
    corners: Vec<(f64, f64)>,
    /// How many of the corners were given; the rest is the way to the pole.
    given: usize,
    /// The longitudes and latitudes it spans.
    lon: (f64, f64),
    lat: (f64, f64),
    /// Over the edges that follow each corner.
    runs: Runs,
}

impl Outline {
    pub(crate) fn new(fence: &Fence) -> Self {
        match fence {
            Fence::Circle { centre, radius_m } => Self::Circle(*centre, *radius_m),
            Fence::Polygons(parts) => Self::Polygons(Polygons::new(parts)),
        }
    }

    /// The radius in metres of a circle around the middle of `around`, one of [`Self::boxes`], that holds all points
    /// within the metres around the fence that the box was made with.
    pub(crate) fn radius_m(&self, around: &LonLatBox) -> f64 {
        let height_m = 0.5 * (around.north - around.south) * LAT_DEGREE_MAX_M;
        match self {
            Self::Circle(..) => height_m,
            Self::Polygons(_) => {
                let spans_equator = around.south * around.north <= 0.0;
                let lat = if spans_equator { 0.0 } else { around.south.abs().min(around.north.abs()) };
                let width_m = 0.5 * (around.east - around.west) * LAT_DEGREE_MAX_M * lat.to_radians().cos();
                width_m.hypot(height_m)
            }
        }
    }

    /// Boxes that together hold all points within `around_m` of the fence.
    pub(crate) fn boxes(&self, around_m: f64) -> Vec<LonLatBox> {
        match self {
            Self::Circle(centre, radius_m) => {
                let (lon, lat) = (centre.lon(), centre.lat());
                vec![LonLatBox::around((lon, lon), (lat, lat), radius_m + around_m)]
            }
            Self::Polygons(polygons) => {
                let rings = polygons.parts.iter().flatten();
                let all: Vec<_> = rings.map(|ring| LonLatBox::around(ring.lon, ring.lat, around_m)).collect();
                // Holes lie in their shells: a box in another adds nothing (of two equal ones the first stays).
                let covers = |outer: usize, inner: usize| {
                    outer != inner
                        && all[outer].holds(&all[inner])
                        && (outer < inner || all[outer] != all[inner])
                };
                let kept = (0..all.len()).filter(|inner| !(0..all.len()).any(|outer| covers(outer, *inner)));
                kept.map(|at| all[at]).collect()
            }
        }
    }
}

/// Rounded to whole micrometres; never −0.
#[inline]
pub(crate) fn micrometres(metres: f64) -> f64 {
    rounded(metres, 1e6)
}

/// Rounded to a whole number of parts of one, halves away from zero; never −0. Where the parts are too many to be told
/// from each other, as it is. Without a branch or a call, so that a compiler may round several at once.
#[inline]
pub(crate) fn rounded(value: f64, parts: f64) -> f64 {
    // Numbers from here on have no fraction: what is added to a smaller one and taken away again rounds it.
    const WHOLE: f64 = (1_u64 << 52) as f64;
    let scaled = (value * parts).abs();
    let more = scaled + 0.5;
    let nearest = more + WHOLE - WHOLE;
    let whole = nearest - if nearest > more { 1.0 } else { 0.0 };
    let rounded = (whole / parts).copysign(value) + 0.0;
    if scaled < 4e15 { rounded } else { value }
}

impl LonLatBox {
    /// Over two points.
    pub(crate) fn over(a: (f64, f64), b: (f64, f64)) -> Self {
        Self { west: a.0.min(b.0), south: a.1.min(b.1), east: a.0.max(b.0), north: a.1.max(b.1) }
    }

    fn around(lon: (f64, f64), lat: (f64, f64), around_m: f64) -> Self {
        let (half_lat, half_lon) = reach_deg(lat.0.abs().max(lat.1.abs()), around_m);
        let (south, north) = (lat.0 - half_lat, lat.1 + half_lat);
        let width = lon.1 - lon.0 + 2.0 * half_lon;
        if width >= 360.0 {
            return Self { west: -180.0, south, east: 180.0, north };
        }
        let west = lon.0 - half_lon;
        let west = west - 360.0 * ((west + 180.0) / 360.0).floor();
        Self { west, south, east: west + width, north }
    }

    fn holds(&self, other: &Self) -> bool {
        self.west <= other.west
            && other.east <= self.east
            && self.south <= other.south
            && other.north <= self.north
    }
}

impl Polygons {
    fn new(parts: &[Vec<Ring>]) -> Self {
        let parts: Vec<Vec<_>> =
            parts.iter().map(|part| part.iter().filter_map(Unrolled::new).collect()).collect();
        let rings = || parts.iter().flatten();
        let lat = rings().fold((f64::INFINITY, f64::NEG_INFINITY), |lat, ring| {
            (lat.0.min(ring.lat.0), lat.1.max(ring.lat.1))
        });
        // Latitudes at which anything stands on the antimeridian: between two of them a cut is all cut or no cut.
        let mut borders: Vec<f64> =
            rings().flat_map(|ring| &ring.corners).filter(|c| on_antimeridian(c.0)).map(|c| c.1).collect();
        borders.sort_unstable_by(f64::total_cmp);
        borders.dedup();
        let mut polygons = Self { edges: Vec::new(), runs: Runs::default(), lat, parts };
        let mut edges = Vec::new();
        for ring in polygons.parts.iter().flatten() {
            for edge in ring.edges() {
                if on_antimeridian(edge.from.0)
                    && on_antimeridian(edge.until.0)
                    && edge.from.0 == edge.until.0
                {
                    polygons.uncut(edge, &borders, &mut edges);
                } else if !(edge.from.1.abs() == 90.0 && edge.from.1 == edge.until.1) {
                    split(edge, &mut edges);
                }
            }
        }
        edges.shrink_to_fit();
        let boxes: Vec<_> = edges.iter().map(|edge| LonLatBox::over(edge.from, edge.until)).collect();
        polygons.runs = Runs::over(&boxes);
        polygons.edges = edges;
        polygons
    }

    /// Keeps those stretches of an edge on the antimeridian that have the fence on one side only.
    fn uncut(&self, edge: Edge, borders: &[f64], kept: &mut Vec<Edge>) {
        let (south, north) = (edge.from.1.min(edge.until.1), edge.from.1.max(edge.until.1));
        let from = borders.partition_point(|lat| *lat < south);
        let until = borders.partition_point(|lat| *lat <= north);
        for pair in borders[from..until].windows(2) {
            let middle = f64::midpoint(pair[0], pair[1]);
            if !(self.hold(180.0 - PROBE_DEG, middle) && self.hold(-180.0 + PROBE_DEG, middle)) {
                split(Edge { from: (edge.from.0, pair[0]), until: (edge.from.0, pair[1]) }, kept);
            }
        }
    }

    /// A bound that [`Self::signed_metres`] is not below, from the latitudes alone.
    pub(crate) fn metres_at_least(&self, point: LonLat) -> f64 {
        let gap = (self.lat.0 - point.lat()).max(point.lat() - self.lat.1);
        if gap > 0.0 { gap * LAT_DEGREE_MIN_M } else { f64::NEG_INFINITY }
    }

    /// Signed metres from `point` to the edge: ≤ 0 inside.
    pub(crate) fn signed_metres(&self, point: LonLat) -> f64 {
        let metres = metres_to_edges(point, &self.edges, &self.runs);
        if self.hold(point.lon(), point.lat()) { -metres } else { metres }
    }

    /// Whether any part holds the point: even-odd over the rings of a part. A pole is asked from a hair below, since
    /// a ray along it crosses nothing.
    fn hold(&self, lon: f64, lat: f64) -> bool {
        let lat = lat.clamp(PROBE_DEG - 90.0, 90.0 - PROBE_DEG);
        if lat < self.lat.0 || lat > self.lat.1 {
            return false;
        }
        self.parts.iter().any(|part| part.iter().fold(false, |inside, ring| inside ^ ring.holds(lon, lat)))
    }
}

impl Unrolled {
    /// `None` for a ring without any extent.
    fn new(ring: &Ring) -> Option<Self> {
        let given = &ring.0;
        let (first, last) = (given.first()?, given.last()?);
        let mut turn = 0.0;
        let mut before = first.0;
        let mut corners = Vec::with_capacity(given.len() + 3);
        for corner in given {
            turn += jump(corner.0 - before);
            before = corner.0;
            corners.push((corner.0 + turn, corner.1));
        }
        let home = turn + jump(first.0 - last.0);
        let given = corners.len();
        if home != 0.0 {
            let north: f64 = corners.iter().map(|corner| corner.1).sum();
            let pole = if north < 0.0 { -90.0 } else { 90.0 };
            corners.extend([(first.0 + home, first.1), (first.0 + home, pole), (first.0, pole)]);
        }
        let range = |value: fn(&(f64, f64)) -> f64| {
            corners
                .iter()
                .map(value)
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
        };
        let (lon, lat) = (range(|corner| corner.0), range(|corner| corner.1));
        let next = corners.iter().skip(1).chain(corners.first());
        let boxes: Vec<_> = corners.iter().zip(next).map(|(a, b)| LonLatBox::over(*a, *b)).collect();
        let runs = Runs::over(&boxes);
        corners.shrink_to_fit();
        Some(Self { corners, given, lon, lat, runs })
    }

    /// The edges between given corners.
    fn edges(&self) -> impl Iterator<Item = Edge> {
        let next = |at: usize| {
            if at + 1 < self.corners.len() { self.corners[at + 1] } else { self.corners[0] }
        };
        (0..self.given).map(move |at| Edge { from: self.corners[at], until: next(at) })
    }

    /// Whether the point is inside, on whatever turn. A point on an edge is inside on one side of it only; who counts
    /// edges as inside asks the distance.
    fn holds(&self, lon: f64, lat: f64) -> bool {
        if lat < self.lat.0 || lat > self.lat.1 {
            return false;
        }
        let mut turn = ((self.lon.0 - lon) / 360.0).ceil();
        while lon + 360.0 * turn <= self.lon.1 {
            if self.holds_on_turn(lon + 360.0 * turn, lat) {
                return true;
            }
            turn += 1.0;
        }
        false
    }

    /// Counts the edges that a ray to the east crosses.
    fn holds_on_turn(&self, lon: f64, lat: f64) -> bool {
        let corner = |at: usize| self.corners[if at < self.corners.len() { at } else { 0 }];
        let mut inside = Cell::new(false);
        let mut enter = |over: &LonLatBox, edges: Range<usize>| {
            if over.south > lat || over.north <= lat || over.east < lon - BESIDE_DEG {
                return false;
            }
            let is_east = over.west > lon + BESIDE_DEG;
            if is_east && (corner(edges.start).1 > lat) != (corner(edges.end).1 > lat) {
                inside.set(!inside.get());
            }
            !is_east
        };
        let mut visit = |edges: Range<usize>| {
            let mut a = corner(edges.start);
            for at in edges {
                let b = corner(at + 1);
                if (a.1 > lat) != (b.1 > lat) && a.0 - lon + (lat - a.1) * (b.0 - a.0) / (b.1 - a.1) > 0.0 {
                    inside.set(!inside.get());
                }
                a = b;
            }
        };
        self.runs.enter(&mut enter, &mut visit);
        *inside.get_mut()
    }
}

/// The turn to add after a step of `dlon` degrees between two corners.
fn jump(dlon: f64) -> f64 {
    match dlon.abs() {
        step if step > 180.0 && step < 360.0 => -360.0 * dlon.signum(),
        _ => 0.0,
    }
}

fn on_antimeridian(lon: f64) -> bool {
    wrap(lon).abs() == 180.0
}

/// Cuts an edge into pieces of at most `EDGE_MAX_DEG`.
fn split(edge: Edge, pieces: &mut Vec<Edge>) {
    let (dlon, dlat) = (edge.until.0 - edge.from.0, edge.until.1 - edge.from.1);
    let count = (dlon.abs().max(dlat.abs()) / EDGE_MAX_DEG).ceil().max(1.0);
    let at = |i: f64| match i / count {
        t if t >= 1.0 => edge.until,
        t => (edge.from.0 + t * dlon, edge.from.1 + t * dlat),
    };
    let mut i = 0.0;
    while i < count {
        pieces.push(Edge { from: at(i), until: at(i + 1.0) });
        i += 1.0;
    }
}

#[cfg(test)]
#[path = "outline_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "hard_outlines_tests.rs"]
mod hard_tests;
