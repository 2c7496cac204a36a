//! The grid against all fences, and its borders.

use model::Fence;

use super::*;
use crate::cells::degrees;
use crate::distance::{Spot, metres};
use crate::outline::Outline;
use crate::reach::{CellGridBuilder, Reach};

/// Numbers from 0 until 1, the same in every run.
fn unit(i: usize, stride: f64) -> f64 {
    (i as f64 * stride).fract()
}

fn wrap(lon: f64) -> f64 {
    (lon + 180.0).rem_euclid(360.0) - 180.0
}

fn circle(at: u32, centre: LonLat, radius_m: f64, grid: &mut CellGridBuilder) {
    let exact = Some((centre, radius_m));
    let outline = Outline::new(&Fence::Circle { centre, radius_m });
    for around in outline.boxes(REACH_M) {
        let radius_m = outline.radius_m(&around) - REACH_M;
        grid.put(&Reach { site: SiteIndex(at), around, radius_m, exact });
    }
}

/// What the cell of a point says of the fences within some metres.
fn seen(grid: &CellGrid, point: LonLat, span: Span) -> Vec<(u32, Seen)> {
    let at = Position::new(point, &Spot::new(point));
    let mut near = Vec::new();
    for level in grid.levels() {
        level.near(at, level.cell_at_once(at), span, &mut near);
    }
    near.into_iter().map(|near| (near.site.0, near.seen)).collect()
}

fn found(grid: &CellGrid, point: LonLat, radius_m: f64) -> Vec<u32> {
    let mut found: Vec<u32> = if radius_m <= REACH_M {
        let all = seen(grid, point, Span { inside_m: 0.0, within_m: radius_m });
        all.into_iter().map(|(site, _)| site).collect()
    } else {
        let mut found = Vec::new();
        grid.window(point, Position::new(point, &Spot::new(point)), radius_m, &mut |site, _, _| {
            found.push(site.0)
        });
        found
    };
    found.sort_unstable();
    found.dedup();
    found
}

/// Circles of all sizes at all latitudes, points around them at all distances: whatever is in reach comes out.
#[test]
fn every_fence_in_reach_comes_out() {
    let (mut sought, mut told) = (0, 0);
    for lat in [0.0, 0.001, 22.3, -51.5, 78.2, 84.9, 85.1, -89.2, 89.95, -90.0] {
        for lon in [0.0, 114.17, 180.0, -179.999] {
            let mut builder = CellGridBuilder::default();
            let circles: Vec<(LonLat, f64)> = (0..120)
                .map(|i| {
                    let spread = 0.02 / f64::to_radians(lat).cos().max(0.001);
                    let there = (lat + 0.02 * (unit(i, 0.754_877) - 0.5)).clamp(-90.0, 90.0);
                    let centre = LonLat::new(wrap(lon + spread * (unit(i, 0.569_840) - 0.5)), there).unwrap();
                    (centre, [30.0, 80.0, 200.0, 900.0, 5_000.0, 40_000.0, 3_000_000.0][i % 7])
                })
                .collect();
            for (at, (centre, radius_m)) in circles.iter().enumerate() {
                circle(at as u32, *centre, *radius_m, &mut builder);
            }
            let grid = builder.build();
            for i in 0..150 {
                let spread = 0.04 / f64::to_radians(lat).cos().max(0.001);
                let there = (lat + 0.04 * (unit(i, 0.671_043) - 0.5)).clamp(-90.0, 90.0);
                let point = LonLat::new(wrap(lon + spread * (unit(i, 0.819_172) - 0.5)), there).unwrap();
                for radius_m in [0.0, 20.0, 127.9, REACH_M, 128.1, 400.0, 3_000.0, 11_000.0, 13_000.0] {
                    let all = found(&grid, point, radius_m);
                    told += all.len();
                    for (at, (centre, fence_m)) in circles.iter().enumerate() {
                        let apart = metres(&Spot::new(point), &Spot::new(*centre)) - fence_m;
                        if apart <= radius_m {
                            sought += 1;
                            assert!(
                                all.binary_search(&(at as u32)).is_ok(),
                                "{apart} m from {point:?} to {centre:?} {fence_m}, searched {radius_m}"
                            );
                        }
                    }
                }
            }
        }
    }
    println!("{sought} in reach, {told} told");
    assert!(told < 2 * sought, "{told} told for {sought} in reach");
}

/// Points just on and just beside the borders of cells, fences that end just there.
#[test]
fn a_border_of_cells_belongs_to_one_of_them_and_hides_nothing() {
    let width = degrees(0);
    for (column, row) in [(0.0, 100.0), (52_000.0, 20_453.0), (65_535.0, 20_453.0), (40_000.0, 31_000.0)] {
        let (lon, lat) = (column * width - 180.0, row * width - 90.0);
        for (east, north) in [(0.0, 0.5), (0.5, 0.0), (0.0, 0.0), (1.0, 1.0)] {
            let corner = (lon + east * width, lat + north * width);
            for nudge in [0.0, 1e-13, -1e-13, 1e-9, -1e-9] {
                let point = LonLat::new(wrap(corner.0 + nudge), corner.1 + nudge).unwrap();
                for azimuth in 0..16 {
                    for reach_m in [0.0, 50.0, 100.0, REACH_M] {
                        // A fence whose edge lies as far away as is searched, to the micrometre.
                        let angle = f64::from(azimuth) * std::f64::consts::TAU / 16.0;
                        let away = 0.01;
                        let centre = LonLat::new(
                            wrap(point.lon() + away * angle.cos()),
                            point.lat() + away * angle.sin(),
                        )
                        .unwrap();
                        let apart = metres(&Spot::new(point), &Spot::new(centre));
                        let mut builder = CellGridBuilder::default();
                        circle(7, centre, apart - reach_m, &mut builder);
                        assert_eq!(
                            found(&builder.build(), point, reach_m + 1e-6),
                            [7],
                            "{point:?} {azimuth}"
                        );
                    }
                }
            }
        }
    }
}

/// A cell of a dense downtown gives out what is near and leaves out the rest.
#[test]
fn five_hundred_fences_in_one_cell_all_come_out() {
    let centre = (114.158, 22.282);
    let mut builder = CellGridBuilder::default();
    let at = |i: usize| {
        LonLat::new(
            centre.0 + 0.003 * (unit(i, 0.754_877) - 0.5),
            centre.1 + 0.003 * (unit(i, 0.569_84) - 0.5),
        )
        .unwrap()
    };
    (0..500).for_each(|i| circle(i as u32, at(i), 30.0, &mut builder));
    let grid = builder.build();
    let mut told = 0;
    for i in 0..200 {
        let point = at(i + 1_000);
        let near = (0..500).filter(|at_i| metres(&Spot::new(point), &Spot::new(at(*at_i))) - 30.0 <= 20.0);
        let near: Vec<u32> = near.map(|at| at as u32).collect();
        let all = found(&grid, point, 20.0);
        told += all.len();
        assert!(near.iter().all(|site| all.contains(site)), "{point:?}");
        assert!(all.len() <= near.len() + near.len() / 2 + 10, "{} for {}", all.len(), near.len());
    }
    assert!(told > 0);
}

/// Circles and points at all distances around both of their borders: what a cell is sure of is so, and it is sure but
/// near the borders; the two numbers of a window hold the truth between them.
#[test]
fn a_cell_is_sure_of_the_truth() {
    let (mut sure, mut unsure, mut closest_m) = (0, 0, f64::INFINITY);
    for i in 0..15_000 {
        let centre =
            LonLat::new(wrap(unit(i, 0.754_877) * 360.0), 75.0 * (2.0 * unit(i, 0.569_84) - 1.0)).unwrap();
        let fence_m = 1.0 + 460.0 * unit(i, 0.671_043);
        let span = [
            Span { inside_m: 0.0, within_m: 20.0 + 100.0 * unit(i, 0.123) },
            Span { inside_m: 30.0, within_m: 30.0 },
            Span { inside_m: -60.0 * unit(i, 0.321), within_m: 100.0 },
            Span { inside_m: -500.0, within_m: REACH_M },
        ][i % 4];
        let border_m = if i % 3 == 0 { span.inside_m } else { span.within_m };
        let away_m =
            (fence_m + border_m + [4.0, 1.5, 200.0][i / 4 % 3] * (2.0 * unit(i, 0.819_172) - 1.0)).max(0.0);
        let angle = unit(i, 0.437_1) * std::f64::consts::TAU;
        let degree_m = 111_300.0;
        let point = LonLat::new(
            wrap(centre.lon() + away_m / degree_m * angle.sin() / centre.lat().to_radians().cos()),
            centre.lat() + away_m / degree_m * angle.cos(),
        )
        .unwrap();
        let mut builder = CellGridBuilder::default();
        circle(1, centre, fence_m, &mut builder);
        let grid = builder.build();
        let truth_m = metres(&Spot::new(point), &Spot::new(centre)) - fence_m;
        let to_border_m = (truth_m - span.inside_m).abs().min((truth_m - span.within_m).abs());
        for (_, says) in seen(&grid, point, span) {
            match says {
                Seen::Inside => {
                    assert!(truth_m < span.inside_m, "{truth_m} {span:?} {point:?} {centre:?} {fence_m}")
                }
                Seen::Between => {
                    let is_between = truth_m > span.inside_m && truth_m < span.within_m;
                    assert!(is_between, "{truth_m} {span:?} {point:?} {centre:?} {fence_m}");
                }
                Seen::Outside => panic!("nothing was measured"),
                Seen::Unsure => {
                    // Larger ones, and those where cells are narrow, stand at another level.
                    let is_exact = centre.lat().abs() < 60.0 && fence_m < 200.0;
                    assert!(
                        !is_exact || to_border_m < 1.6,
                        "{truth_m} {span:?} {point:?} {centre:?} {fence_m}"
                    );
                    unsure += 1;
                    continue;
                }
            }
            sure += 1;
            closest_m = closest_m.min(to_border_m);
        }
        let at = Position::new(point, &Spot::new(point));
        for radius_m in [200.0, 900.0] {
            grid.window(point, at, radius_m, &mut |_, low_m, high_m| {
                assert!(
                    low_m <= truth_m && truth_m <= high_m,
                    "{low_m} {truth_m} {high_m} {point:?} {centre:?}"
                );
            });
        }
    }
    println!("{sure} sure, as near to a border as {closest_m} m; {unsure} not");
    assert!(sure > 5_000 && unsure > 250 && closest_m > 0.2, "{sure} {unsure} {closest_m}");
}
