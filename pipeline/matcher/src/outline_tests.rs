//! Fences against `geo`'s containment, and against themselves told in other ways.

use geo::{Contains, Coord, LineString, Point, Polygon};
use model::{Fence, LonLat, Ring};

use super::*;
use crate::distance::{Spot, metres};

fn point(lon: f64, lat: f64) -> LonLat {
    LonLat::new(wrap(lon), lat).unwrap()
}

fn polygons(parts: &[&[&[(f64, f64)]]]) -> Outline {
    let ring = |ring: &&[(f64, f64)]| Ring(ring.to_vec());
    Outline::new(&Fence::Polygons(parts.iter().map(|part| part.iter().map(ring).collect()).collect()))
}

/// As the index tells it.
fn signed(fence: &Outline, point: LonLat) -> f64 {
    micrometres(match fence {
        Outline::Circle(centre, radius_m) => metres(&Spot::new(point), &Spot::new(*centre)) - radius_m,
        Outline::Polygons(polygons) => polygons.signed_metres(point),
    })
}

fn unit(i: usize, stride: f64) -> f64 {
    (i as f64 * stride).fract()
}

/// A star-shaped ring around `centre`: never crosses itself, as jagged as `corners` allow.
fn star(seed: usize, centre: (f64, f64), corners: usize, radius_deg: f64) -> Vec<(f64, f64)> {
    let corner = |i: usize| {
        let angle = std::f64::consts::TAU * (i as f64 + 0.9 * unit(seed + i, 0.754_877_666)) / corners as f64;
        let radius = radius_deg * (0.55 + 0.45 * unit(seed * 31 + i, 0.569_840_291));
        (centre.0 + radius * angle.cos(), centre.1 + radius * angle.sin())
    };
    (0..corners).map(corner).collect()
}

#[test]
fn inside_is_what_geo_contains() {
    let mut inside = 0;
    for seed in 0..60 {
        let centre = (unit(seed, 0.61) * 300.0 - 150.0, unit(seed, 0.37) * 140.0 - 70.0);
        let shell = star(seed, centre, 7 + seed % 40, 0.02);
        let hole = star(seed + 1_000, centre, 3 + seed % 7, 0.005);
        let line =
            |ring: &[(f64, f64)]| LineString(ring.iter().map(|(x, y)| Coord { x: *x, y: *y }).collect());
        let theirs = Polygon::new(line(&shell), vec![line(&hole)]);
        // Ours takes the hole wound like the shell as well as against it.
        let turned: Vec<_> = hole.iter().rev().copied().collect();
        for ours in [polygons(&[&[&shell, &hole]]), polygons(&[&[&shell, &turned]])] {
            for i in 0..400 {
                let (x, y) = (unit(i + seed, 0.754_877_666) - 0.5, unit(i * 3 + seed, 0.569_840_291) - 0.5);
                let there = (centre.0 + 0.05 * x, centre.1 + 0.05 * y);
                let signed = signed(&ours, point(there.0, there.1));
                assert_ne!(signed, 0.0, "no random point lies on an edge");
                assert_eq!(
                    signed < 0.0,
                    theirs.contains(&Point::new(there.0, there.1)),
                    "seed {seed}: {there:?}"
                );
                inside += usize::from(signed < 0.0);
            }
        }
    }
    assert!(inside > 2_000, "{inside} of 48,000 inside: the test looks at both sides");
}

/// All of them are one fence, and every point gets the same distance from each.
fn check_same(what: &str, fences: &[Outline], points: &[(f64, f64)]) {
    for (lon, lat) in points {
        let told: Vec<_> = fences.iter().map(|fence| signed(fence, point(*lon, *lat))).collect();
        let apart = told.iter().fold(0.0_f64, |apart, metres| apart.max((metres - told[0]).abs()));
        assert!(apart <= 1e-5, "{what}: {told:?} at {lon},{lat}");
    }
}

#[test]
fn the_antimeridian_leaves_no_trace() {
    let uncut = polygons(&[&[&[(179.9, 10.0), (180.2, 10.0), (180.2, 10.2), (179.9, 10.2)]]]);
    let jumping = polygons(&[&[&[(179.9, 10.0), (-179.8, 10.0), (-179.8, 10.2), (179.9, 10.2)]]]);
    let west_about = polygons(&[&[&[(-180.1, 10.0), (-179.8, 10.0), (-179.8, 10.2), (-180.1, 10.2)]]]);
    let cut = polygons(&[
        &[&[(179.9, 10.0), (180.0, 10.0), (180.0, 10.2), (179.9, 10.2)]],
        &[&[(-180.0, 10.0), (-179.8, 10.0), (-179.8, 10.2), (-180.0, 10.2)]],
    ]);
    let mut points = vec![(180.0, 10.1), (-180.0, 10.1), (180.0, 10.0), (179.999_999, 10.1), (-179.9, 10.05)];
    points.extend([
        (179.89, 10.1),
        (-179.79, 10.1),
        (180.0, 9.99),
        (180.0, 10.21),
        (0.0, 0.0),
        (179.95, 10.1),
    ]);
    check_same("a box", &[uncut, jumping, west_about, cut], &points);
    // Half of it on the other side only in part: the rest of the cut is a true edge.
    let stepped = polygons(&[
        &[&[(179.9, 10.0), (180.0, 10.0), (180.0, 10.2), (179.9, 10.2)]],
        &[&[(-180.0, 10.0), (-179.8, 10.0), (-179.8, 10.1), (-180.0, 10.1)]],
    ]);
    let whole = polygons(&[&[&[
        (179.9, 10.0),
        (180.2, 10.0),
        (180.2, 10.1),
        (180.0, 10.1),
        (180.0, 10.2),
        (179.9, 10.2),
    ]]]);
    check_same("a step", &[stepped, whole], &points);
    assert!(
        signed(
            &polygons(&[&[&[(179.9, 10.0), (180.0, 10.0), (180.0, 10.2), (179.9, 10.2)]]]),
            point(180.0, 10.1)
        )
        .abs()
            < 1e-5
    );
}

#[test]
fn a_ring_round_a_pole_holds_the_pole() {
    let around: Vec<_> = (0..36).map(|i| (wrap(f64::from(i) * 10.0), 80.0)).collect();
    let back: Vec<_> = around.iter().rev().copied().collect();
    let boxed: [&[(f64, f64)]; 1] = [&[(-180.0, 80.0), (180.0, 80.0), (180.0, 90.0), (-180.0, 90.0)]];
    let fences = [polygons(&[&[&around]]), polygons(&[&[&back]]), polygons(&[&boxed])];
    let points =
        [(0.0, 90.0), (77.0, 90.0), (180.0, 89.0), (-180.0, 85.0), (5.0, 80.001), (5.0, 79.999), (0.0, 0.0)];
    check_same("a cap", &fences, &points);
    assert!(signed(&fences[0], point(12.0, 90.0)) < -1_000_000.0);
    assert!(signed(&fences[0], point(12.0, 79.0)) > 100_000.0);
    let south: Vec<_> = around.iter().map(|(lon, lat)| (*lon, -lat)).collect();
    let inner: Vec<_> = south.iter().map(|(lon, _)| (*lon + 3.0, -88.0)).collect();
    let annulus = polygons(&[&[&south, &inner]]);
    for (lat, inside) in [(-79.0, false), (-81.0, true), (-87.9, true), (-88.1, false), (-90.0, false)] {
        for lon in [-180.0, -179.0, 0.0, 3.0, 90.0, 180.0] {
            assert_eq!(signed(&annulus, point(lon, lat)) <= 0.0, inside, "{lon},{lat}");
        }
    }
}

#[test]
fn rings_may_start_anywhere_and_run_either_way() {
    for seed in 0..40 {
        let centre = (unit(seed, 0.61) * 360.0 - 180.0, unit(seed, 0.37) * 160.0 - 80.0);
        let ring = star(seed, centre, 5 + seed % 9, 0.01);
        let mut turned = ring.clone();
        turned.rotate_left(seed % ring.len());
        let back: Vec<_> = ring.iter().rev().copied().collect();
        let further: Vec<_> = ring.iter().map(|(lon, lat)| (lon + 360.0, *lat)).collect();
        let doubled: Vec<_> = ring.iter().flat_map(|corner| [*corner, *corner]).collect();
        let fences = [&ring, &turned, &back, &further, &doubled].map(|ring| polygons(&[&[ring]]));
        let points: Vec<_> = (0..50)
            .map(|i| (centre.0 + 0.03 * (unit(i, 0.754) - 0.5), centre.1 + 0.03 * (unit(i, 0.569) - 0.5)))
            .collect();
        check_same("a star", &fences, &points);
    }
}

#[test]
fn boxes_hold_the_fence_and_what_is_around_it() {
    for seed in 0..45 {
        let centre = (unit(seed, 0.61) * 360.0 - 180.0, unit(seed, 0.37) * 180.0 - 90.0);
        let fence = match seed % 3 {
            0 => Outline::new(&Fence::Circle { centre: point(centre.0, centre.1), radius_m: 500.0 }),
            1 => polygons(&[&[&star(seed, (centre.0, centre.1 * 0.98), 7, 0.01)]]),
            _ => polygons(&[
                &[&star(seed, (centre.0, centre.1 * 0.98), 7, 0.01)],
                &[&star(seed + 9, (centre.0 + 0.05, centre.1 * 0.98), 5, 0.01)],
            ]),
        };
        let around_m = 300.0 * unit(seed, 0.11);
        let boxes = fence.boxes(around_m);
        for i in 0..60 {
            let lat = (centre.1 + 0.04 * (unit(i, 0.754) - 0.5)).clamp(-90.0, 90.0);
            let there = point(centre.0 + 0.06 * (unit(i, 0.569) - 0.5), lat);
            if signed(&fence, there) <= around_m {
                let held = boxes.iter().any(|held| {
                    let turns = [there.lon(), there.lon() + 360.0];
                    (held.south..=held.north).contains(&lat)
                        && turns.iter().any(|x| (held.west..=held.east).contains(x))
                });
                assert!(held, "seed {seed}: {there:?} not in {boxes:?}");
            }
            if let Outline::Polygons(polygons) = &fence {
                let bound = polygons.metres_at_least(there);
                assert!(bound <= signed(&fence, there) + 1e-6, "seed {seed} {there:?}");
            }
        }
    }
    // A hole needs no box of its own, a part does.
    let shell = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0)];
    let hole = [(0.7, 0.2), (0.8, 0.2), (0.8, 0.3)];
    assert_eq!(polygons(&[&[&shell, &hole]]).boxes(0.0).len(), 1);
    assert_eq!(polygons(&[&[&shell], &[&shell]]).boxes(0.0).len(), 1);
    assert_eq!(polygons(&[&[&hole], &[&[(5.0, 5.0), (6.0, 5.0), (6.0, 6.0)]]]).boxes(0.0).len(), 2);
}

#[test]
fn parts_that_overlap_are_one_fence() {
    let fence = polygons(&[
        &[&[(0.0, 0.0), (0.02, 0.0), (0.02, 0.02), (0.0, 0.02)]],
        &[&[(0.01, 0.0), (0.03, 0.0), (0.03, 0.02), (0.01, 0.02)]],
    ]);
    for (lon, inside) in [(-0.001, false), (0.005, true), (0.015, true), (0.025, true), (0.031, false)] {
        assert_eq!(signed(&fence, point(lon, 0.01)) <= 0.0, inside, "{lon}");
    }
}

#[test]
fn a_fence_without_extent_holds_nothing() {
    for fence in [polygons(&[]), polygons(&[&[]]), polygons(&[&[&[]]])] {
        assert_eq!(signed(&fence, point(0.0, 0.0)), f64::INFINITY);
        assert!(fence.boxes(100.0).is_empty());
    }
}

/// Against the same by a whole number of 64 bits.
#[test]
fn rounding_is_that_of_whole_numbers() {
    let by_integer = |value: f64, parts: f64| {
        let scaled = (value * parts).abs();
        if scaled < 4e15 { (((scaled + 0.5) as i64) as f64 / parts).copysign(value) + 0.0 } else { value }
    };
    let steps = (0..200_000).map(|i| f64::from(i) * 0.612_345_6 - 61_234.0);
    let halves = (-2_000..2_000).map(|i| f64::from(i) * 0.005);
    let large = (0..60).map(|i| 2_f64.powi(i) + 0.5);
    for value in steps.chain(halves).chain(large).chain([0.0, -0.0, 1e300, f64::NAN, f64::NEG_INFINITY]) {
        for parts in [1e6, 100.0] {
            let (told, expected) = (rounded(value, parts), by_integer(value, parts));
            assert_eq!(told.to_bits(), expected.to_bits(), "{value} {parts}");
        }
    }
}
