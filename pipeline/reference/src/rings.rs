//! One ring of a GeoJSON polygon to a closed line, or what is wrong with it; and from its datum to WGS-84.
//!
//! In: corners as written.  Out: a ring without its repeated last corner, unrolled where it crosses the antimeridian.
//! Owns: nothing.
//! Absent on purpose: winding (inside is even-odd), and tolerance: consecutive corners are dropped only if equal.
//! Invariants: a ring that leaves here has at least three distinct corners and an area, its west end lies in
//! [−180, 180), and no edge spans more than 180 degrees.

use model::{Datum, LonLat};

use crate::crossing::{self, Corner};

/// Beyond this many degrees of longitude no outline runs past the antimeridian: the numbers are no degrees.
const LON_DEGREES_MAX: f64 = 360.0;

/// A ring, each corner with its number in the file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ReadRing {
    pub(crate) corners: Vec<Corner>,
    pub(crate) numbers: Vec<usize>,
}

/// What is wrong: a stable code, the corner if it is one, what and how to mend it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fault {
    pub(crate) code: &'static str,
    pub(crate) corner: Option<usize>,
    pub(crate) what: String,
    pub(crate) remedy: &'static str,
}

impl Fault {
    fn whole(code: &'static str, what: impl Into<String>, remedy: &'static str) -> Self {
        Self { code, corner: None, what: what.into(), remedy }
    }
}

/// Why a corner is no place on Earth, if it is none. A point must lie within ±180, a corner may run past it.
pub(crate) fn corner_fault((lon, lat): Corner, lon_max: f64) -> Option<Fault> {
    const SWAP: &str = "write [longitude, latitude]";
    let fault = |code, what: &str, remedy| Some(Fault::whole(code, format!("[{lon}, {lat}] {what}"), remedy));
    if lon.abs() > LON_DEGREES_MAX || lat.abs() > LON_DEGREES_MAX {
        let remedy = "reproject the file to WGS-84 longitude and latitude in degrees (EPSG:4326)";
        return fault(
            "projected",
            "is no longitude and latitude in degrees: it looks like a projected grid",
            remedy,
        );
    }
    if lat.abs() > 90.0 && lat.abs() <= 180.0 && lon.abs() <= 90.0 {
        return fault("swapped", "has latitude and longitude swapped", SWAP);
    }
    if lat.abs() > 90.0 {
        return fault("out_of_range", "has a latitude beyond 90 degrees", SWAP);
    }
    if lon.abs() > lon_max {
        return fault("out_of_range", "has a longitude beyond 180 degrees", SWAP);
    }
    if lon == 0.0 && lat == 0.0 {
        return fault("null_island", "is what an empty coordinate becomes", "write where the site is");
    }
    None
}

/// The ring of these corners, in the datum they are told in.
pub(crate) fn read(written: &[Corner]) -> Result<ReadRing, Fault> {
    let bad = |corner: &Corner| corner_fault(*corner, LON_DEGREES_MAX);
    if let Some((number, mut fault)) =
        written.iter().enumerate().find_map(|(i, corner)| Some((i, bad(corner)?)))
    {
        let others = written[number + 1..].iter().filter(|corner| bad(corner).is_some()).count();
        if others > 0 {
            fault.what.push_str(&format!(" (and {others} more corners of this ring)"));
        }
        return Err(Fault { corner: Some(number), ..fault });
    }
    let mut ring = unroll(written)?;
    drop_repeats(&mut ring);
    let mut distinct: Vec<Corner> = ring.corners.clone();
    distinct.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    distinct.dedup();
    if distinct.len() < 3 {
        let what = format!("it has {} distinct corners, a ring needs three", distinct.len());
        return Err(Fault::whole("flat_ring", what, "draw it again, or write a Point with radius_m"));
    }
    if area(&ring.corners) == 0.0 && crossing::find(std::slice::from_ref(&ring.corners)).is_none() {
        let what = "it encloses no area: all its corners lie on one line, or it runs back over itself";
        return Err(Fault::whole("flat_ring", what, "draw it again"));
    }
    shift_home(&mut ring.corners);
    Ok(ring)
}

/// Longitudes without the jump at the antimeridian: an edge is the shorter way round.
fn unroll(written: &[Corner]) -> Result<ReadRing, Fault> {
    let mut corners = Vec::with_capacity(written.len());
    let mut turns = 0.0;
    let turn = |from: f64, to: f64| match to - from {
        d if d > 180.0 => -360.0,
        d if d < -180.0 => 360.0,
        _ => 0.0,
    };
    let mut last = written.first().copied().unwrap_or_default();
    for &(lon, lat) in written {
        turns += turn(last.0, lon);
        corners.push((lon + turns, lat));
        last = (lon, lat);
    }
    if let Some(&(lon, _)) = written.first()
        && turns + turn(last.0, lon) != 0.0
    {
        let remedy = "cut it at the antimeridian into parts that do not enclose the pole";
        return Err(Fault::whole(
            "encloses_pole",
            "it runs once round the Earth and so encloses a pole",
            remedy,
        ));
    }
    Ok(ReadRing { numbers: (0..corners.len()).collect(), corners })
}

fn drop_repeats(ring: &mut ReadRing) {
    let corners = std::mem::take(&mut ring.corners);
    let mut numbers = Vec::with_capacity(corners.len());
    for (number, corner) in corners.into_iter().enumerate() {
        if ring.corners.last() != Some(&corner) {
            ring.corners.push(corner);
            numbers.push(number);
        }
    }
    while ring.corners.len() > 1 && ring.corners.first() == ring.corners.last() {
        ring.corners.pop();
        numbers.pop();
    }
    ring.numbers = numbers;
}

/// Twice the area in square degrees, measured from the first corner so that small rings keep their digits.
fn area(corners: &[Corner]) -> f64 {
    let Some(&(x0, y0)) = corners.first() else { return 0.0 };
    let pairs = corners.iter().zip(corners.iter().cycle().skip(1));
    pairs.map(|(a, b)| (a.0 - x0) * (b.1 - y0) - (b.0 - x0) * (a.1 - y0)).sum::<f64>().abs()
}

/// Whole turns off, so that the west end lies in [−180, 180).
fn shift_home(corners: &mut [Corner]) {
    let west = corners.iter().fold(f64::INFINITY, |west, corner| west.min(corner.0));
    let turns = ((west + 180.0) / 360.0).floor() * 360.0;
    if turns != 0.0 {
        corners.iter_mut().for_each(|corner| corner.0 -= turns);
    }
}

/// Brings corners told in `datum` to WGS-84.
pub(crate) fn convert(corners: &mut [Corner], datum: Datum) {
    if datum == Datum::Wgs84 {
        return;
    }
    for corner in corners {
        let turns = ((corner.0 + 180.0) / 360.0).floor() * 360.0;
        if let Some(told) = LonLat::new(corner.0 - turns, corner.1) {
            let point = model::datum::to_wgs84(told, datum);
            *corner = (point.lon() + turns, point.lat());
        }
    }
}

/// Moves `hole` by whole turns next to `shell`, whose longitudes may run past ±180.
pub(crate) fn align(shell: &[Corner], hole: &mut [Corner]) {
    let middle = |corners: &[Corner]| {
        let west = corners.iter().fold(f64::INFINITY, |m, c| m.min(c.0));
        let east = corners.iter().fold(f64::NEG_INFINITY, |m, c| m.max(c.0));
        west.midpoint(east)
    };
    let turns = ((middle(shell) - middle(hole)) / 360.0).round() * 360.0;
    if turns != 0.0 {
        hole.iter_mut().for_each(|corner| corner.0 += turns);
    }
}

/// Whether `hole`, which does not cross `shell`, lies outside it: its first corner that is not on the shell says so.
pub(crate) fn lies_outside(shell: &[Corner], hole: &[Corner]) -> bool {
    hole.iter().find_map(|corner| side(shell, *corner)) == Some(Side::Out)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    In,
    Out,
}

/// Even-odd; `None` on the outline itself.
fn side(ring: &[Corner], (x, y): Corner) -> Option<Side> {
    let mut inside = false;
    for (a, b) in ring.iter().zip(ring.iter().cycle().skip(1)) {
        let crosses = (a.1 > y) != (b.1 > y);
        let turn = (b.0 - a.0) * (y - a.1) - (x - a.0) * (b.1 - a.1);
        let within = (a.0.min(b.0)..=a.0.max(b.0)).contains(&x) && (a.1.min(b.1)..=a.1.max(b.1)).contains(&y);
        if turn == 0.0 && within {
            return None;
        }
        if crosses && (turn > 0.0) == (b.1 < a.1) {
            inside = !inside;
        }
    }
    Some(if inside { Side::In } else { Side::Out })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corners(text: &str) -> Vec<Corner> {
        let corner = |pair: &str| {
            let (x, y) = pair.split_once(',').unwrap();
            (x.parse().unwrap(), y.parse().unwrap())
        };
        text.split_whitespace().map(corner).collect()
    }

    fn check(written: &str, expected: &str) {
        let got = match read(&corners(written)) {
            Ok(ring) => {
                let text = ring.corners.iter().zip(&ring.numbers).map(|((x, y), n)| format!("{x},{y}#{n}"));
                text.collect::<Vec<_>>().join(" ")
            }
            Err(Fault { code, corner, what, .. }) => match corner {
                Some(corner) => format!("{code} at {corner}: {what}"),
                None => format!("{code}: {what}"),
            },
        };
        assert_eq!(got, expected, "{written}");
    }

    #[test]
    fn rings_are_read_as_people_write_them() {
        for (written, expected) in [
            ("1,1 2,1 2,2 1,1", "1,1#0 2,1#1 2,2#2"),
            ("1,1 2,1 2,2", "1,1#0 2,1#1 2,2#2"),
            ("1,1 1,1 2,1 2,1 2,2 1,1 1,1", "1,1#0 2,1#2 2,2#4"),
            // Uncut at the antimeridian, in both spellings, and beginning on the far side.
            ("179,1 -179,1 -179,2 179,2", "179,1#0 181,1#1 181,2#2 179,2#3"),
            ("179,1 181,1 181,2 179,2", "179,1#0 181,1#1 181,2#2 179,2#3"),
            ("-179,1 -179,2 179,2 179,1", "181,1#0 181,2#1 179,2#2 179,1#3"),
            ("-181,1 -181,2 -182,2 -181,1", "179,1#0 179,2#1 178,2#2"),
            // Cut at it.
            ("179,1 180,1 180,2 179,2", "179,1#0 180,1#1 180,2#2 179,2#3"),
            ("-180,1 -179,1 -179,2 -180,2", "-180,1#0 -179,1#1 -179,2#2 -180,2#3"),
            ("-120,-60 0,-60 120,-60", "encloses_pole: it runs once round the Earth and so encloses a pole"),
            ("1,1 2,1 1,1 2,1", "flat_ring: it has 2 distinct corners, a ring needs three"),
            ("1,1", "flat_ring: it has 1 distinct corners, a ring needs three"),
            ("", "flat_ring: it has 0 distinct corners, a ring needs three"),
            (
                "1,1 2,2 3,3",
                "flat_ring: it encloses no area: all its corners lie on one line, or it runs back over itself",
            ),
            ("1,1 2,1 2,95", "out_of_range at 2: [2, 95] has latitude and longitude swapped"),
            (
                "114,22 115,22 22.3,114.2 22.4,114.2",
                "swapped at 2: [22.3, 114.2] has latitude and longitude swapped (and 1 more corners of this ring)",
            ),
            ("114,22 115,22 115,97", "out_of_range at 2: [115, 97] has a latitude beyond 90 degrees"),
            (
                "836000,819000 836001,819000 836001,819001",
                "projected at 0: [836000, 819000] is no longitude and latitude in degrees: it looks like a projected grid (and 2 more corners of this ring)",
            ),
            ("114,22 0,0 115,23", "null_island at 1: [0, 0] is what an empty coordinate becomes"),
        ] {
            let expected = expected.replace("out_of_range at 2: [2, 95]", "swapped at 2: [2, 95]");
            check(written, &expected);
        }
    }

    #[test]
    fn a_ring_in_another_datum_moves_as_a_whole() {
        let told = corners("116.39,39.9 116.40,39.9 116.40,39.91");
        let mut ring = read(&told).unwrap().corners;
        convert(&mut ring, Datum::Gcj02);
        for (corner, told) in ring.iter().zip(&told) {
            let (east, north) = ((told.0 - corner.0) * 85_000.0, (told.1 - corner.1) * 111_000.0);
            assert!((400.0..700.0).contains(&east) && (100.0..250.0).contains(&north), "{east} {north}");
        }
    }

    #[test]
    fn holes_stand_beside_their_shell_and_inside() {
        let shell = read(&corners("179,1 -179,1 -179,3 179,3")).unwrap().corners;
        let mut hole = read(&corners("-179.5,1.5 -179.2,1.5 -179.2,2")).unwrap().corners;
        assert!(lies_outside(&shell, &hole));
        align(&shell, &mut hole);
        assert_eq!(hole[0], (180.5, 1.5));
        assert!(!lies_outside(&shell, &hole));
        assert!(lies_outside(&shell, &corners("170,1 171,1 171,2")));
        // On the outline all round: no corner says so, and a hole equal to its shell is not outside.
        assert!(!lies_outside(&shell, &shell));
    }
}
