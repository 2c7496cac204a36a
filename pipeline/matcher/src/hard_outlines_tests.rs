//! Outlines that are hard to get right, against the plainest even-odd loop, a loop over all edges, and `geo`.

use geo::{Contains, Coord, LineString, MultiPolygon, Point, Polygon};
use model::{Fence, LonLat, Ring};

use super::*;
use crate::runs::Runs;

type Corners = Vec<(f64, f64)>;

fn unit(i: usize, stride: f64) -> f64 {
    (i as f64 * stride).fract()
}

fn polygons(parts: &[Vec<Corners>]) -> Polygons {
    let part = |rings: &Vec<Corners>| rings.iter().cloned().map(Ring).collect();
    match Outline::new(&Fence::Polygons(parts.iter().map(part).collect())) {
        Outline::Polygons(polygons) => polygons,
        Outline::Circle(..) => unreachable!("polygons stay polygons"),
    }
}

/// Even-odd over all rings of a part, any part: the textbook's loop.
fn even_odd(parts: &[Vec<Corners>], (lon, lat): (f64, f64)) -> bool {
    let crossings = |ring: &Corners| {
        let next = |at: usize| ring[(at + 1) % ring.len()];
        let crosses = |at: &usize| {
            let (a, b) = (ring[*at], next(*at));
            (a.1 > lat) != (b.1 > lat) && lon < a.0 + (lat - a.1) / (b.1 - a.1) * (b.0 - a.0)
        };
        (0..ring.len()).filter(crosses).count()
    };
    parts.iter().any(|part| part.iter().map(crossings).sum::<usize>() % 2 == 1)
}

/// Points in and around the fence, inside as the loop says, as far as a loop over all edges says. Returns how many of
/// them are inside.
fn check(what: &str, parts: &[Vec<Corners>], count: usize) -> usize {
    let fence = polygons(parts);
    let corners = || parts.iter().flatten().flatten();
    let low = corners().fold((f64::INFINITY, f64::INFINITY), |low, c| (low.0.min(c.0), low.1.min(c.1)));
    let high = corners().fold((-400.0_f64, -400.0_f64), |high, c| (high.0.max(c.0), high.1.max(c.1)));
    let all_edges = Runs::default_over(fence.edges.len());
    let mut inside = 0;
    for i in 0..count {
        let at = |low: f64, high: f64, stride: f64| low + (high - low) * (1.4 * unit(i, stride) - 0.2);
        let mut there = (at(low.0, high.0, 0.754_877_666), at(low.1, high.1, 0.569_840_291));
        if i % 5 == 0 {
            // On a corner's latitude, where a ray meets corners and level edges.
            there.1 = corners().nth(i * 7_919 % corners().count()).unwrap().1;
        }
        let point = LonLat::new(there.0, there.1.clamp(-90.0, 90.0)).unwrap();
        let told = fence.signed_metres(point);
        let slow = metres_to_edges(point, &fence.edges, &all_edges);
        assert_eq!(told.abs(), slow, "{what}: distance at {point:?}");
        if slow > 1e-6 {
            assert_eq!(told < 0.0, even_odd(parts, there), "{what}: {told} at {point:?}");
        }
        inside += usize::from(told <= 0.0);
    }
    // On every corner and on the middle of every edge: on the edge, which is inside.
    for ring in parts.iter().flatten() {
        for (at, a) in ring.iter().enumerate().step_by(ring.len() / 50 + 1) {
            let b = ring[(at + 1) % ring.len()];
            for there in [*a, (f64::midpoint(a.0, b.0), f64::midpoint(a.1, b.1))] {
                let told = micrometres(fence.signed_metres(LonLat::new(there.0, there.1).unwrap()));
                assert!(told <= 0.0 || told.abs() < 2e-6, "{what}: {told} on the edge at {there:?}");
                assert!(told > -1e-3 || parts.len() > 1, "{what}: {told} on the edge at {there:?}");
            }
        }
    }
    inside
}

/// As jagged a ring as can be that does not cross itself.
fn jagged(seed: usize, centre: (f64, f64), corners: usize, radius: f64) -> Corners {
    let corner = |i: usize| {
        let angle = std::f64::consts::TAU * (i as f64 + 0.9 * unit(seed + i, 0.754_877_666)) / corners as f64;
        let length = radius * (0.55 + 0.45 * unit(seed * 31 + i, 0.569_840_291));
        (centre.0 + length * angle.cos(), centre.1 + length * angle.sin())
    };
    (0..corners).map(corner).collect()
}

#[test]
fn ten_thousand_corners_with_holes_answer_as_a_loop_over_all_of_them() {
    for (lon, lat) in [(114.17, 22.3), (-0.1, 51.5), (20.0, -78.0)] {
        let shell = jagged(3, (lon, lat), 10_000, 0.05);
        let holes = (0..4).map(|i| jagged(i, (lon + 0.01 * i as f64 - 0.015, lat), 1_000, 0.004));
        let parts = [std::iter::once(shell).chain(holes).collect::<Vec<_>>()];
        let inside = check("10,000 corners", &parts, 300);
        assert!((40..280).contains(&inside), "{inside}");
    }
}

#[test]
fn runs_change_no_answer() {
    for count in [3, 15, 16, 17, 31, 32, 33, 255, 256, 257, 4_096, 4_097] {
        check("a star", &[vec![jagged(count, (10.0, 47.0), count, 0.03)]], 200);
    }
}

#[test]
fn odd_rings_are_even_odd() {
    let bow_tie = vec![(0.0, 0.0), (0.02, 0.02), (0.02, 0.0), (0.0, 0.02)];
    let spike =
        vec![(0.0, 0.0), (0.02, 0.0), (0.02, 0.01), (0.05, 0.01), (0.02, 0.01), (0.02, 0.02), (0.0, 0.02)];
    let doubled =
        vec![(0.0, 0.0), (0.0, 0.0), (0.02, 0.0), (0.02, 0.02), (0.02, 0.02), (0.0, 0.02), (0.0, 0.0)];
    let sliver = vec![(0.0, 0.0), (0.03, 0.01), (0.030_000_000_1, 0.01), (0.000_000_000_1, 0.0)];
    let touching = vec![(0.0, 0.0), (0.02, 0.0), (0.01, 0.01), (0.02, 0.02), (0.0, 0.02), (0.01, 0.01)];
    let shell = vec![(0.0, 0.0), (0.02, 0.0), (0.02, 0.02), (0.0, 0.02)];
    let hole_at_corner = vec![(0.0, 0.0), (0.01, 0.005), (0.005, 0.01)];
    let hole_on_edge = vec![(0.005, 0.0), (0.015, 0.0), (0.01, 0.01)];
    for ring in [&bow_tie, &spike, &doubled, &sliver, &touching] {
        check("an odd ring", &[vec![ring.clone()]], 1_000);
        let back: Corners = ring.iter().rev().copied().collect();
        check("an odd ring backwards", &[vec![back]], 1_000);
    }
    for hole in [&hole_at_corner, &hole_on_edge] {
        let back: Corners = hole.iter().rev().copied().collect();
        for hole in [hole, &back] {
            let inside = check("a hole that touches", &[vec![shell.clone(), hole.clone()]], 2_000);
            assert!((500..1_200).contains(&inside), "{inside}");
        }
    }
    // A star drawn in one stroke: its middle is wound twice, and outside.
    let point = |i: usize| {
        let angle = std::f64::consts::TAU * (2 * i) as f64 / 5.0;
        (0.02 * angle.cos(), 0.02 * angle.sin())
    };
    let pentagram: Corners = (0..5).map(point).collect();
    check("a pentagram", &[vec![pentagram.clone()]], 2_000);
    assert!(polygons(&[vec![pentagram]]).signed_metres(LonLat::new(0.0, 0.0).unwrap()) > 0.0);
}

/// Polygons drawn by surveyors, when the data is at hand.
#[test]
fn real_outlines_hold_what_geo_says() {
    let Some(data) = std::env::var_os("MUSTER_DATA") else { return };
    let folder = std::path::Path::new(&data).join("polygons");
    let (mut compared, mut inside, mut largest) = (0, 0, 0);
    for name in ["helsinki_buildings", "helsinki_shops", "hk-districts-lowres", "time-zones-selected"] {
        let text = std::fs::read_to_string(folder.join(name).with_extension("geojson")).unwrap();
        let root: serde_json::Value = serde_json::from_str(&text).unwrap();
        for parts in root["features"].as_array().unwrap().iter().filter_map(parts_of).take(1_500) {
            let corners = || parts.iter().flatten().flatten();
            if corners().any(|c| c.0.abs() >= 180.0 || c.1.abs() >= 85.0) {
                continue;
            }
            largest = largest.max(corners().count());
            let line =
                |ring: &Corners| LineString(ring.iter().map(|(x, y)| Coord { x: *x, y: *y }).collect());
            let theirs = MultiPolygon(
                parts.iter().map(|p| Polygon::new(line(&p[0]), p[1..].iter().map(line).collect())).collect(),
            );
            let ours = polygons(&parts);
            let low = corners().fold((400.0_f64, 400.0_f64), |low, c| (low.0.min(c.0), low.1.min(c.1)));
            let high = corners().fold((-400.0_f64, -400.0_f64), |h, c| (h.0.max(c.0), h.1.max(c.1)));
            let count = if corners().count() > 1_000 { 300 } else { 40 };
            for i in 0..count {
                let at =
                    |low: f64, high: f64, stride: f64| low + (high - low) * (1.2 * unit(i, stride) - 0.1);
                let there = (at(low.0, high.0, 0.754_877_666), at(low.1, high.1, 0.569_840_291));
                let Some(point) = LonLat::new(there.0, there.1) else { continue };
                let held = ours.hold(point.lon(), point.lat());
                let near = |parts: &[Vec<Corners>]| even_odd(parts, there);
                compared += 1;
                inside += usize::from(held);
                assert_eq!(held, near(&parts), "{name} {there:?}");
                assert_eq!(held, theirs.contains(&Point::new(there.0, there.1)), "{name} {there:?}");
            }
        }
    }
    println!("{compared} points compared, {inside} inside, the largest outline has {largest} corners");
    assert!(compared > 10_000 && inside > 2_000 && largest > 1_000, "{compared} {inside} {largest}");
}

fn parts_of(feature: &serde_json::Value) -> Option<Vec<Vec<Corners>>> {
    let geometry = &feature["geometry"];
    let ring = |ring: &serde_json::Value| -> Corners {
        let corners = ring.as_array().unwrap().iter();
        corners.map(|c| (c[0].as_f64().unwrap(), c[1].as_f64().unwrap())).collect()
    };
    let part = |part: &serde_json::Value| part.as_array().unwrap().iter().map(ring).collect::<Vec<_>>();
    match geometry["type"].as_str()? {
        "Polygon" => Some(vec![part(&geometry["coordinates"])]),
        "MultiPolygon" => Some(geometry["coordinates"].as_array()?.iter().map(part).collect()),
        _ => None,
    }
}
