//! Whether the outlines of one polygon cross themselves or each other.
//!
//! In: rings of corners.  Out: the first crossing found, or none.  Owns: nothing.
//! Absent on purpose: rounding. Corners are put on a grid of 10⁻⁹ degrees (a tenth of a millimetre), finer than anybody
//! writes them, and everything after that is whole numbers: a corner that was drawn on an edge lies on it. Rings that
//! touch in a point or run along each other for a stretch do not cross: even-odd still says plainly what is inside.
//! Why so: a hierarchy of boxes over edges in ring order, joined with itself. Neighbours in a ring are neighbours on the
//! ground, so the boxes are tight without sorting; a sweep line needs an ordered tree whose order floating point breaks
//! at shared corners. 75,000 corners take a fraction of a second unoptimised (`crossing::tests::a_large_ring_is_quick`).

/// A corner: (longitude, latitude).
pub(crate) type Corner = (f64, f64);

/// Steps of the grid in a degree.
const STEPS: f64 = 1e9;

/// A corner on the grid.
type Point = (i64, i64);

/// Two edges that cross, each as (ring, number of its first corner), and about where.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Crossing {
    pub(crate) first: (usize, usize),
    pub(crate) second: (usize, usize),
    pub(crate) near: Corner,
}

/// The first crossing among the edges of `rings`; each ring's last corner is joined to its first, which is not repeated.
pub(crate) fn find(rings: &[Vec<Corner>]) -> Option<Crossing> {
    let outlines = Outlines::new(rings);
    if outlines.edges.len() < 2 {
        return None;
    }
    let tree = BoxTree::new(&outlines);
    tree.within(&outlines, 0, 0..outlines.edges.len())
}

/// A ring on the grid, each point with the number of its corner.
struct GridRing {
    points: Vec<Point>,
    corners: Vec<usize>,
}

impl GridRing {
    fn new(ring: &[Corner]) -> Self {
        let mut grid =
            Self { points: Vec::with_capacity(ring.len()), corners: Vec::with_capacity(ring.len()) };
        for (corner, (lon, lat)) in ring.iter().enumerate() {
            let point = ((lon * STEPS).round() as i64, (lat * STEPS).round() as i64);
            if grid.points.last() != Some(&point) {
                grid.points.push(point);
                grid.corners.push(corner);
            }
        }
        while grid.points.len() > 1 && grid.points.first() == grid.points.last() {
            grid.points.pop();
            grid.corners.pop();
        }
        grid
    }
}

#[derive(Clone, Copy)]
struct Edge {
    ring: usize,
    corner: usize,
}

struct Outlines {
    rings: Vec<GridRing>,
    edges: Vec<Edge>,
}

impl Outlines {
    fn new(rings: &[Vec<Corner>]) -> Self {
        let rings: Vec<GridRing> = rings.iter().map(|ring| GridRing::new(ring)).collect();
        let of_ring = |(ring, grid): (usize, &GridRing)| {
            (0..grid.points.len()).map(move |corner| Edge { ring, corner })
        };
        Self { edges: rings.iter().enumerate().flat_map(of_ring).collect(), rings }
    }

    fn point(&self, ring: usize, corner: usize) -> Point {
        let points = &self.rings[ring].points;
        points[corner % points.len()]
    }

    fn ends(&self, edge: Edge) -> (Point, Point) {
        (self.point(edge.ring, edge.corner), self.point(edge.ring, edge.corner + 1))
    }

    /// The point behind the edge's end.
    fn after(&self, edge: Edge) -> Point {
        self.point(edge.ring, edge.corner + 2)
    }

    /// The point before the edge's start.
    fn before(&self, edge: Edge) -> Point {
        self.point(edge.ring, edge.corner + self.rings[edge.ring].points.len() - 1)
    }

    /// The edge's name outside: its ring and the number of its first corner.
    fn name(&self, edge: Edge) -> (usize, usize) {
        (edge.ring, self.rings[edge.ring].corners[edge.corner])
    }

    fn follows(&self, edge: Edge, next: Edge) -> bool {
        edge.ring == next.ring && (edge.corner + 1) % self.rings[edge.ring].points.len() == next.corner
    }

    fn test(&self, i: usize, j: usize) -> Option<Crossing> {
        let (e, f) = (self.edges[i], self.edges[j]);
        let near =
            self.meet_within(e, f).or_else(|| self.pass_at_end(e, f)).or_else(|| self.pass_at_end(f, e))?;
        let (e, f) = (self.name(e), self.name(f));
        Some(Crossing { first: e.min(f), second: e.max(f), near })
    }

    /// A point inside both edges.
    fn meet_within(&self, e: Edge, f: Edge) -> Option<Corner> {
        let ((a, b), (c, d)) = (self.ends(e), self.ends(f));
        let splits = |p, q, r, s| side(p, q, r) * side(p, q, s) < 0;
        if !(splits(a, b, c, d) && splits(c, d, a, b)) {
            return None;
        }
        let (u, v, w) = (minus(b, a), minus(d, c), minus(c, a));
        let t = cross(w, v) as f64 / cross(u, v) as f64;
        Some(((a.0 as f64 + t * u.0 as f64) / STEPS, (a.1 as f64 + t * u.1 as f64) / STEPS))
    }

    /// The end of `e`, if it lies on `f` (its start included, its end not, so that each corner is asked once) and the
    /// outline passes there from one side of `f`'s outline to the other.
    fn pass_at_end(&self, e: Edge, f: Edge) -> Option<Corner> {
        if self.follows(e, f) {
            return None;
        }
        let ((a, v), (c, d)) = (self.ends(e), self.ends(f));
        if v == d || !(v == c || lies_within(v, c, d)) {
            return None;
        }
        let before = if v == c { self.before(f) } else { c };
        let sides = (sector(v, before, d, a), sector(v, before, d, self.after(e)));
        matches!(sides, (Some(x), Some(y)) if x != y).then_some((v.0 as f64 / STEPS, v.1 as f64 / STEPS))
    }
}

fn minus(p: Point, q: Point) -> Point {
    (p.0 - q.0, p.1 - q.1)
}

/// Longitudes and latitudes of any ring are below 2^40 steps, so that products fit with room to spare.
fn cross(u: Point, v: Point) -> i128 {
    i128::from(u.0) * i128::from(v.1) - i128::from(u.1) * i128::from(v.0)
}

/// +1 if `r` lies left of the line from `p` to `q`, −1 right, 0 on it.
fn side(p: Point, q: Point, r: Point) -> i8 {
    cross(minus(q, p), minus(r, p)).signum() as i8
}

/// Whether `v` lies on the line between `c` and `d`, neither end meant.
fn lies_within(v: Point, c: Point, d: Point) -> bool {
    let between = |x: i64, p: i64, q: i64| (p.min(q)..=p.max(q)).contains(&x);
    between(v.0, c.0, d.0) && between(v.1, c.1, d.1) && side(c, d, v) == 0
}

/// Whether the ray from `v` to `x` lies in the open sector counter-clockwise from ray `a` to ray `b`; `None` if it lies
/// on one of those rays.
fn sector(v: Point, a: Point, b: Point, x: Point) -> Option<bool> {
    let ahead = |p: Point, q: Point| {
        let (p, q) = (minus(p, v), minus(q, v));
        i128::from(p.0) * i128::from(q.0) + i128::from(p.1) * i128::from(q.1) > 0
    };
    let same_ray = |p: Point, q: Point| side(v, p, q) == 0 && ahead(p, q);
    if same_ray(a, x) || same_ray(b, x) {
        return None;
    }
    Some(match side(v, a, b) {
        1 => side(v, a, x) > 0 && side(v, x, b) > 0,
        -1 => !(side(v, b, x) > 0 && side(v, x, a) > 0),
        _ if ahead(a, b) => false,
        _ => side(v, a, x) > 0,
    })
}

#[derive(Clone, Copy)]
struct Box2 {
    min: Point,
    max: Point,
}

impl Box2 {
    const EMPTY: Self = Self { min: (i64::MAX, i64::MAX), max: (i64::MIN, i64::MIN) };

    fn of((a, b): (Point, Point)) -> Self {
        Self { min: (a.0.min(b.0), a.1.min(b.1)), max: (a.0.max(b.0), a.1.max(b.1)) }
    }

    fn with(self, other: Self) -> Self {
        Self {
            min: (self.min.0.min(other.min.0), self.min.1.min(other.min.1)),
            max: (self.max.0.max(other.max.0), self.max.1.max(other.max.1)),
        }
    }

    fn meets(self, other: Self) -> bool {
        self.min.0 <= other.max.0
            && other.min.0 <= self.max.0
            && self.min.1 <= other.max.1
            && other.min.1 <= self.max.1
    }
}

/// Boxes over halved ranges of edges, in heap order: node `n` has the children `2n + 1` and `2n + 2`.
struct BoxTree {
    boxes: Vec<Box2>,
}

type Edges = std::ops::Range<usize>;

fn halves(edges: &Edges) -> (Edges, Edges) {
    let middle = edges.start + edges.len().div_ceil(2);
    (edges.start..middle, middle..edges.end)
}

impl BoxTree {
    fn new(outlines: &Outlines) -> Self {
        let mut tree = Self { boxes: vec![Box2::EMPTY; outlines.edges.len().next_power_of_two() * 2] };
        tree.fill(outlines, 0, 0..outlines.edges.len());
        tree
    }

    fn fill(&mut self, outlines: &Outlines, node: usize, edges: Edges) -> Box2 {
        let filled = if edges.len() == 1 {
            Box2::of(outlines.ends(outlines.edges[edges.start]))
        } else {
            let (left, right) = halves(&edges);
            self.fill(outlines, 2 * node + 1, left).with(self.fill(outlines, 2 * node + 2, right))
        };
        self.boxes[node] = filled;
        filled
    }

    fn within(&self, outlines: &Outlines, node: usize, edges: Edges) -> Option<Crossing> {
        if edges.len() < 2 {
            return None;
        }
        let (left, right) = halves(&edges);
        self.within(outlines, 2 * node + 1, left.clone())
            .or_else(|| self.within(outlines, 2 * node + 2, right.clone()))
            .or_else(|| self.between(outlines, (2 * node + 1, left), (2 * node + 2, right)))
    }

    fn between(&self, outlines: &Outlines, a: (usize, Edges), b: (usize, Edges)) -> Option<Crossing> {
        if !self.boxes[a.0].meets(self.boxes[b.0]) {
            return None;
        }
        if a.1.len() == 1 && b.1.len() == 1 {
            return outlines.test(a.1.start, b.1.start);
        }
        if a.1.len() < b.1.len() {
            return self.between(outlines, b, a);
        }
        let (left, right) = halves(&a.1);
        self.between(outlines, (2 * a.0 + 1, left), b.clone())
            .or_else(|| self.between(outlines, (2 * a.0 + 2, right), b))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(text: &str) -> Vec<Corner> {
        let corner = |pair: &str| {
            let (x, y) = pair.split_once(',').unwrap();
            (x.parse().unwrap(), y.parse().unwrap())
        };
        text.split_whitespace().map(corner).collect()
    }

    fn check(rings: &[&str], crosses: bool) {
        let rings: Vec<_> = rings.iter().map(|text| ring(text)).collect();
        assert_eq!(find(&rings).is_some(), crosses, "{rings:?}");
        let reversed: Vec<_> = rings.iter().map(|ring| ring.iter().rev().copied().collect()).collect();
        assert_eq!(find(&reversed).is_some(), crosses, "reversed {rings:?}");
        for turn in 0..rings[0].len() {
            let mut turned = rings.clone();
            turned[0].rotate_left(turn);
            assert_eq!(find(&turned).is_some(), crosses, "turned by {turn} {rings:?}");
        }
    }

    #[test]
    fn crossing_is_passing_from_side_to_side() {
        check(&["0,0 4,0 4,4 0,4"], false);
        // A bow tie, with its knot between corners and on a corner of both strands.
        check(&["0,0 2,2 2,0 0,2"], true);
        check(&["0,0 1,1 2,2 2,0 1,1 0,2"], true);
        // A corner on the middle of an edge: touching, and passing through.
        check(&["0,0 4,0 4,4 2,0 0,4"], false);
        check(&["0,0 4,0 4,4 2,0 1,-2 0,4"], true);
        // Two lobes that touch in a corner without crossing.
        check(&["0,0 2,0 1,1 2,2 0,2 1,1"], false);
        // A spike, and a stretch run twice.
        check(&["0,0 4,0 4,4 4,6 4,4 0,4"], false);
        check(&["0,0 4,0 4,2 6,2 4,2 4,4 0,4"], false);
        // A hole inside, touching its shell, crossing it, equal to it.
        check(&["0,0 9,0 9,9 0,9", "1,1 2,1 2,2"], false);
        check(&["0,0 9,0 9,9 0,9", "0,0 2,1 1,2"], false);
        check(&["0,0 9,0 9,9 0,9", "1,1 12,1 2,2"], true);
        check(&["0,0 9,0 9,9 0,9", "0,0 9,0 9,9 0,9"], false);
    }

    /// What is drawn on a slanted edge lies on it, though its decimals have no exact binary form.
    #[test]
    fn corners_on_an_edge_touch_it() {
        check(&["114.159,22.245 114.161,22.247 114.16,22.246 114.159,22.247"], false);
        check(&["114.1,22.1 114.4,22.4 114.5,22.2 114.3,22.3 114.6,22.05"], false);
        check(&["114.1,22.1 114.4,22.4 114.5,22.2 114.299999999,22.300000001 114.6,22.05"], true);
    }

    #[test]
    fn the_place_is_told() {
        let found = find(&[ring("0,0 2,2 2,0 0,2")]).unwrap();
        assert_eq!((found.first, found.second, found.near), ((0, 0), (0, 2), (1.0, 1.0)));
    }

    /// Against all pairs, on small random rings over a coarse grid, where touching and overlapping are common.
    #[test]
    fn the_tree_finds_what_all_pairs_find() {
        let seed = 0x5eed_u64;
        println!("seed {seed}");
        let mut random = Random(seed);
        let mut crossing = 0;
        for _ in 0..4_000 {
            let count = 3 + random.below(9);
            let mut ring: Vec<Corner> =
                (0..count).map(|_| (random.below(6) as f64, random.below(6) as f64)).collect();
            ring.dedup();
            if ring.len() < 3 || ring.first() == ring.last() {
                continue;
            }
            let rings = [ring];
            let outlines = Outlines::new(&rings);
            let n = outlines.edges.len();
            let slow = (0..n).any(|i| (i + 1..n).any(|j| outlines.test(i, j).is_some()));
            assert_eq!(find(&rings).is_some(), slow, "{rings:?}");
            crossing += usize::from(slow);
        }
        assert!(crossing > 500, "the case is common enough: {crossing}");
    }

    #[test]
    fn a_large_ring_is_quick() {
        let mut random = Random(7);
        let corner = |i: usize, radius: f64| {
            let angle = i as f64 / 75_000.0 * std::f64::consts::TAU;
            (radius * angle.cos(), radius * angle.sin())
        };
        let mut ring: Vec<Corner> =
            (0..75_000).map(|i| corner(i, 1.0 + random.below(1000) as f64 * 1e-8)).collect();
        assert_eq!(find(std::slice::from_ref(&ring)), None);
        ring[40_000] = (-1.5 * ring[40_000].0, -1.5 * ring[40_000].1);
        assert!(find(&[ring]).is_some());
    }

    struct Random(u64);

    impl Random {
        fn below(&mut self, n: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % n
        }
    }
}
