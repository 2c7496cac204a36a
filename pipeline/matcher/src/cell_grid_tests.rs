//! The grid against all fences, and its borders.

use super::*;
use crate::distance::metres;
use crate::outline::Outline;
use model::Fence;

/// Numbers from 0 until 1, the same in every run.
fn unit(i: usize, stride: f64) -> f64 {
    (i as f64 * stride).fract()
}

fn wrap(lon: f64) -> f64 {
    (lon + 180.0).rem_euclid(360.0) - 180.0
}

fn circle(at: u32, centre: LonLat, radius_m: f64, grid: &mut CellGridBuilder) {
    let outline = Outline::new(&Fence::Circle { centre, radius_m });
    for around in outline.boxes(REACH_M) {
        let radius_m = outline.radius_m(&around) - REACH_M;
        grid.put(&Reach { site: SiteIndex(at), around, radius_m });
    }
}

fn found(grid: &CellGrid, point: LonLat, radius_m: f64) -> Vec<u32> {
    let mut found = Vec::new();
    grid.within(point, Position::new(point, &Spot::new(point)), radius_m, |site| found.push(site.0));
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
    let width = degrees(FINEST);
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
