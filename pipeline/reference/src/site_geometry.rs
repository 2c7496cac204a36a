//! The geometry of one GeoJSON feature to a site's fence.
//!
//! In: the geometry's text, the radius and the datum of its properties.  Out: a [`Fence`] in WGS-84, or problems that
//! name part, ring and vertex.  Owns: nothing.
//! Absent on purpose: the `geojson` crate's values, which are built whole before anything can be said about them; here a
//! faulty feature is told and the next one is read.

use std::borrow::Cow;
use std::fmt;

use model::{Datum, Fence, LonLat, Ring};
use serde::Deserialize;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::crossing::{self, Corner};
use crate::problem::{At, Report};
use crate::rings::{self, Fault, ReadRing};
use crate::rows::without_place;

/// Longest radius of a circle, in metres. A larger one is a slip of units.
const RADIUS_M_MAX: f64 = 100_000.0;

/// Most corners of one site.
const CORNERS_MAX: usize = 1_000_000;

/// Where a geometry stands, for its problems.
pub(crate) struct Place<'a> {
    pub(crate) at: At,
    pub(crate) subject: &'a str,
}

impl Place<'_> {
    fn tell(&self, report: &mut Report, inner: &str, fault: Fault) {
        let mut subject = format!("{}{inner}", self.subject);
        if let Some(corner) = fault.corner {
            subject.push_str(&format!(", vertex {corner}"));
        }
        report.error(fault.code, self.at, &subject, fault.what, fault.remedy);
    }
}

#[derive(Deserialize)]
struct Geometry<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    coordinates: Option<&'a RawValue>,
}

/// The fence of this geometry; `None` with the reasons told.
pub(crate) fn fence(
    report: &mut Report,
    place: &Place<'_>,
    geometry: Option<&str>,
    radius_m: Option<f64>,
    datum: Datum,
) -> Option<Fence> {
    let Some(text) = geometry.filter(|text| *text != "null") else {
        let remedy = "give it a Point with radius_m, a Polygon or a MultiPolygon";
        report.error("no_geometry", place.at, place.subject, "it has no geometry", remedy);
        return None;
    };
    let geometry: Geometry<'_> = read_json(report, place, text)?;
    let Some(coordinates) = geometry.coordinates.map(RawValue::get) else {
        let what = format!("a {} is no site", geometry.kind);
        report.error(
            "wrong_geometry",
            place.at,
            place.subject,
            what,
            "write a Point, a Polygon or a MultiPolygon",
        );
        return None;
    };
    match &*geometry.kind {
        "Point" => {
            let centre: Position = read_json(report, place, coordinates)?;
            circle(report, place, centre.0, radius_m, datum)
        }
        "Polygon" => {
            let part: Vec<Vec<Position>> = read_json(report, place, coordinates)?;
            polygons(report, place, &[part], datum)
        }
        "MultiPolygon" => {
            let parts: Vec<Vec<Vec<Position>>> = read_json(report, place, coordinates)?;
            polygons(report, place, &parts, datum)
        }
        other => {
            let what = format!("a {other} encloses nothing");
            report.error(
                "wrong_geometry",
                place.at,
                place.subject,
                what,
                "write a Point, a Polygon or a MultiPolygon",
            );
            None
        }
    }
}

fn read_json<'a, T: Deserialize<'a>>(report: &mut Report, place: &Place<'_>, text: &'a str) -> Option<T> {
    match serde_json::from_str(text) {
        Ok(value) => Some(value),
        Err(error) => {
            let line = place.at.line + error.line().saturating_sub(1) as u64;
            let at = At { line, ..place.at };
            let what = format!("its geometry does not read: {}", without_place(&error));
            report.error("bad_geometry", at, place.subject, what, "a position is [longitude, latitude]");
            None
        }
    }
}

fn circle(
    report: &mut Report,
    place: &Place<'_>,
    centre: Corner,
    radius_m: Option<f64>,
    datum: Datum,
) -> Option<Fence> {
    let fault = rings::corner_fault(centre, 180.0);
    let is_placed = fault.is_none();
    if let Some(fault) = fault {
        place.tell(report, "", fault);
    }
    let radius_m = match radius_m {
        Some(radius_m) if radius_m > 0.0 && radius_m <= RADIUS_M_MAX => radius_m,
        Some(radius_m) => {
            let what = format!("`radius_m` is {radius_m}");
            let remedy = format!("write metres above 0, at most {RADIUS_M_MAX}");
            report.error("bad_radius", place.at, place.subject, what, remedy);
            return None;
        }
        None => {
            let remedy = "add it in metres (100 suits a shop), or draw a Polygon";
            report.error("no_radius", place.at, place.subject, "a Point needs `radius_m`", remedy);
            return None;
        }
    };
    let centre = LonLat::new(centre.0, centre.1).filter(|_| is_placed)?;
    Some(Fence::Circle { centre: model::datum::to_wgs84(centre, datum), radius_m })
}

fn polygons(
    report: &mut Report,
    place: &Place<'_>,
    parts: &[Vec<Vec<Position>>],
    datum: Datum,
) -> Option<Fence> {
    let corners: usize = parts.iter().flatten().map(Vec::len).sum();
    if corners > CORNERS_MAX {
        let what = format!("it has {corners} corners, at most {CORNERS_MAX} fit");
        report.error("too_many_corners", place.at, place.subject, what, "simplify the outline");
        return None;
    }
    let mut fence = Vec::with_capacity(parts.len());
    let mut is_good = true;
    for (number, part) in parts.iter().enumerate() {
        let inner = if parts.len() > 1 { format!(", part {number}") } else { String::new() };
        match polygon(report, place, &inner, part, datum) {
            Some(rings) => fence.push(rings),
            None => is_good = false,
        }
    }
    if parts.is_empty() {
        report.error("no_geometry", place.at, place.subject, "its geometry has no part", "draw its outline");
        return None;
    }
    is_good.then_some(Fence::Polygons(fence))
}

fn polygon(
    report: &mut Report,
    place: &Place<'_>,
    inner: &str,
    part: &[Vec<Position>],
    datum: Datum,
) -> Option<Vec<Ring>> {
    let mut read: Vec<ReadRing> = Vec::with_capacity(part.len());
    if part.is_empty() {
        let what = "a polygon without a ring encloses nothing";
        report.error("no_geometry", place.at, &format!("{}{inner}", place.subject), what, "draw its outline");
    }
    for (number, positions) in part.iter().enumerate() {
        let corners: Vec<Corner> = positions.iter().map(|position| position.0).collect();
        match rings::read(&corners) {
            Ok(ring) => read.push(ring),
            Err(fault) => place.tell(report, &format!("{inner}, ring {number}"), fault),
        }
    }
    if read.len() < part.len() || read.is_empty() {
        return None;
    }
    let (shell, holes) = read.split_at_mut(1);
    holes.iter_mut().for_each(|hole| rings::align(&shell[0].corners, &mut hole.corners));
    let (corners, numbers): (Vec<_>, Vec<_>) =
        read.into_iter().map(|ring| (ring.corners, ring.numbers)).unzip();
    if let Some(crossing) = crossing::find(&corners) {
        place.tell(report, inner, crossing_fault(crossing, &numbers));
        return None;
    }
    let outside = (1..corners.len()).filter(|hole| rings::lies_outside(&corners[0], &corners[*hole]));
    let outside: Vec<usize> = outside.collect();
    for hole in &outside {
        let subject = format!("{}{inner}, ring {hole}", place.subject);
        let remedy = "make it a part of a MultiPolygon, or remove it";
        report.error("hole_outside", place.at, &subject, "this hole lies outside its outline", remedy);
    }
    let to_wgs84 = |mut ring: Vec<Corner>| {
        rings::convert(&mut ring, datum);
        Ring(ring)
    };
    outside.is_empty().then(|| corners.into_iter().map(to_wgs84).collect())
}

fn crossing_fault(crossing: crossing::Crossing, numbers: &[Vec<usize>]) -> Fault {
    let edge = |(ring, corner): (usize, usize)| {
        let of = &numbers[ring];
        format!("the edge from vertex {} to {}", of[corner], of[(corner + 1) % of.len()])
    };
    let (lon, lat) = crossing.near;
    let (first, second) = (crossing.first, crossing.second);
    let what = if first.0 == second.0 {
        format!(
            "ring {} crosses itself: {} meets {} near [{lon:.6}, {lat:.6}]",
            first.0,
            edge(first),
            edge(second)
        )
    } else {
        format!(
            "ring {} crosses ring {}: {} meets {} near [{lon:.6}, {lat:.6}]",
            first.0,
            second.0,
            edge(first),
            edge(second)
        )
    };
    Fault { code: "self_crossing", corner: None, what, remedy: "draw the outline so that no two edges cross" }
}

/// The first two numbers of a position; a third (height) means nothing here.
struct Position(Corner);

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(PositionVisitor)
    }
}

struct PositionVisitor;

impl<'de> Visitor<'de> for PositionVisitor {
    type Value = Position;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a position [longitude, latitude]")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Position, A::Error> {
        let missing = |have| serde::de::Error::invalid_length(have, &self);
        let lon: f64 = seq.next_element()?.ok_or_else(|| missing(0))?;
        let lat: f64 = seq.next_element()?.ok_or_else(|| missing(1))?;
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Position((lon, lat)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(geometry: &str, radius_m: Option<f64>, expected: &str) {
        let mut report = Report::default();
        let file = report.add_file("s".into());
        let place = Place { at: At::line(file, 3), subject: "site x, feature 0" };
        let got = match fence(&mut report, &place, Some(geometry), radius_m, Datum::Wgs84) {
            Some(Fence::Circle { centre, radius_m }) => {
                format!("circle {} {} {radius_m}", centre.lon(), centre.lat())
            }
            Some(Fence::Polygons(parts)) => {
                let part = |rings: &Vec<Ring>| {
                    rings.iter().map(|ring| ring.0.len().to_string()).collect::<Vec<_>>().join("+")
                };
                parts.iter().map(part).collect::<Vec<_>>().join(" ")
            }
            None => {
                let (problems, ..) = report.finish();
                let told: Vec<String> = problems
                    .iter()
                    .map(|p| p.to_string().replace("s:3: error: site x, feature 0", "!"))
                    .collect();
                told.join(" / ")
            }
        };
        assert_eq!(got, expected, "{geometry}");
    }

    #[test]
    fn points_are_circles() {
        let point = r#"{"type":"Point","coordinates":[114.17,22.28,5.0]}"#;
        check(point, Some(80.0), "circle 114.17 22.28 80");
        check(
            point,
            None,
            "!: a Point needs `radius_m`; add it in metres (100 suits a shop), or draw a Polygon",
        );
        check(point, Some(0.0), "!: `radius_m` is 0; write metres above 0, at most 100000");
        check(point, Some(-5.0), "!: `radius_m` is -5; write metres above 0, at most 100000");
        check(
            r#"{"type":"Point","coordinates":[22.28,114.17]}"#,
            None,
            "!: a Point needs `radius_m`; add it in metres (100 suits a shop), or draw a Polygon / !: [22.28, 114.17] has latitude and longitude swapped; write [longitude, latitude]",
        );
        check(
            r#"{"type":"Point","coordinates":[836012.5,819350.25]}"#,
            Some(5.0),
            "!: [836012.5, 819350.25] is no longitude and latitude in degrees: it looks like a projected grid; reproject the file to WGS-84 longitude and latitude in degrees (EPSG:4326)",
        );
        check(
            r#"{"type":"Point","coordinates":[0,0]}"#,
            Some(5.0),
            "!: [0, 0] is what an empty coordinate becomes; write where the site is",
        );
        check(
            r#"{"type":"Point","coordinates":[194.0,22.28]}"#,
            Some(5.0),
            "!: [194, 22.28] has a longitude beyond 180 degrees; write [longitude, latitude]",
        );
        check(
            r#"{"type":"Point","coordinates":[114.17]}"#,
            Some(5.0),
            "!: its geometry does not read: invalid length 1, expected a position [longitude, latitude]; a position is [longitude, latitude]",
        );
        check(
            r#"{"type":"Point","coordinates":["114.17","22"]}"#,
            Some(5.0),
            "!: its geometry does not read: invalid type: string \"114.17\", expected f64; a position is [longitude, latitude]",
        );
        check(
            r#"{"type":"LineString","coordinates":[[1,1],[2,2]]}"#,
            None,
            "!: a LineString encloses nothing; write a Point, a Polygon or a MultiPolygon",
        );
        check(
            r#"{"type":"GeometryCollection","geometries":[]}"#,
            None,
            "!: a GeometryCollection is no site; write a Point, a Polygon or a MultiPolygon",
        );
        check(
            "null",
            None,
            "!: it has no geometry; give it a Point with radius_m, a Polygon or a MultiPolygon",
        );
    }

    #[test]
    fn a_fence_told_in_another_datum_is_moved() {
        let mut report = Report::default();
        let file = report.add_file("s".into());
        let place = Place { at: At::line(file, 3), subject: "site x, feature 0" };
        let point = r#"{"type":"Point","coordinates":[116.39,39.9]}"#;
        let outline = r#"{"type":"Polygon","coordinates":[[[116.39,39.9],[116.40,39.9],[116.40,39.91]]]}"#;
        let wgs84 = model::datum::to_wgs84(LonLat::new(116.39, 39.9).unwrap(), Datum::Gcj02);
        let circle = fence(&mut report, &place, Some(point), Some(50.0), Datum::Gcj02).unwrap();
        assert_eq!(circle, Fence::Circle { centre: wgs84, radius_m: 50.0 });
        let Some(Fence::Polygons(parts)) = fence(&mut report, &place, Some(outline), None, Datum::Gcj02)
        else {
            panic!("an outline")
        };
        assert_eq!(parts[0][0].0[0], (wgs84.lon(), wgs84.lat()));
        assert!((wgs84.lon() - 116.39).abs() > 0.004, "it moved by hundreds of metres");
    }

    #[test]
    fn polygons_keep_their_holes_and_parts() {
        let shell = "[[1,1],[9,1],[9,9],[1,9],[1,1]]";
        check(&format!(r#"{{"type":"Polygon","coordinates":[{shell},[[2,2],[3,2],[3,3]]]}}"#), None, "4+3");
        check(
            &format!(r#"{{"type":"MultiPolygon","coordinates":[[{shell}],[[[20,1],[21,1],[21,2]]]]}}"#),
            None,
            "4 3",
        );
        check(
            &format!(r#"{{"type":"Polygon","coordinates":[{shell},[[12,2],[13,2],[13,3]]]}}"#),
            None,
            "!, ring 1: this hole lies outside its outline; make it a part of a MultiPolygon, or remove it",
        );
        check(
            &format!(r#"{{"type":"Polygon","coordinates":[{shell},[[2,2],[13,2],[3,3]]]}}"#),
            None,
            "!: ring 0 crosses ring 1: the edge from vertex 1 to 2 meets the edge from vertex 0 to 1 near [9.000000, 2.000000]; draw the outline so that no two edges cross",
        );
        check(
            r#"{"type":"MultiPolygon","coordinates":[[[[1,1],[1,1],[3,3],[3,1],[1,3]]],[[[5,5],[6,95],[6,6]]]]}"#,
            None,
            "!, part 0: ring 0 crosses itself: the edge from vertex 0 to 2 meets the edge from vertex 3 to 4 near [2.000000, 2.000000]; draw the outline so that no two edges cross / !, part 1, ring 0, vertex 1: [6, 95] has latitude and longitude swapped; write [longitude, latitude]",
        );
        check(
            r#"{"type":"Polygon","coordinates":[]}"#,
            None,
            "!: a polygon without a ring encloses nothing; draw its outline",
        );
        check(
            r#"{"type":"MultiPolygon","coordinates":[]}"#,
            None,
            "!: its geometry has no part; draw its outline",
        );
    }
}
