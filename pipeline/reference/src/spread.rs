//! Sites that stand far from all others: a slip of a digit or a sign, more often than a new country.

use std::collections::HashMap;
use std::sync::Arc;

use model::{Fence, Site};

use crate::crossing::Corner;
use crate::problem::{At, Report};

/// Farther than this from every other site is worth a look, in kilometres.
const FAR_KM: f64 = 1_000.0;

/// Mean radius of the Earth in kilometres; a percent does not matter here.
const EARTH_KM: f64 = 6_371.0;

type Vector = [f64; 3];

/// Warns of every site that is more than 1,000 km from all others. One site alone has no others.
pub(crate) fn tell_far(report: &mut Report, sites: &[Arc<Site>], places: &[At]) {
    let corners: Vec<Corner> = sites.iter().filter_map(|site| place(&site.fence)).collect();
    if corners.len() < sites.len() || sites.len() < 2 {
        return;
    }
    let grid = Grid::new(&corners);
    for (index, &(lon, lat)) in corners.iter().enumerate() {
        if grid.has_near(index, (lon, lat)) {
            continue;
        }
        let subject = format!("site {}", sites[index].site_id);
        let what = format!("it stands at [{lon:.5}, {lat:.5}], more than 1,000 km from every other site");
        let is_swap = lon.abs() <= 90.0 && grid.has_near(index, (lat, lon));
        let remedy = match is_swap {
            true => "longitude and latitude look swapped: write [longitude, latitude]",
            false => "look whether a digit or a sign slipped",
        };
        report.warning("far_away", places[index], &subject, what, remedy);
    }
}

/// A point of a fence, good enough for a distance of 1,000 km.
fn place(fence: &Fence) -> Option<Corner> {
    match fence {
        Fence::Circle { centre, .. } => Some((centre.lon(), centre.lat())),
        Fence::Polygons(parts) => parts.first()?.first()?.0.first().copied(),
    }
}

/// Sites by cubes around the Earth's centre whose side is the chord of 1,000 km, so that whoever is near stands in one
/// of the 27 cubes around.
struct Grid {
    cubes: HashMap<[i32; 3], Vec<u32>>,
    vectors: Vec<Vector>,
}

fn chord() -> f64 {
    2.0 * (FAR_KM / EARTH_KM / 2.0).sin()
}

fn vector((lon, lat): Corner) -> Vector {
    let (lon, lat) = (lon.to_radians(), lat.to_radians());
    [lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()]
}

fn cube(vector: Vector) -> [i32; 3] {
    vector.map(|x| (x / chord()).floor() as i32)
}

impl Grid {
    fn new(corners: &[Corner]) -> Self {
        let vectors: Vec<Vector> = corners.iter().map(|corner| vector(*corner)).collect();
        let mut cubes: HashMap<[i32; 3], Vec<u32>> = HashMap::new();
        for (index, vector) in vectors.iter().enumerate() {
            cubes.entry(cube(*vector)).or_default().push(index as u32);
        }
        Self { cubes, vectors }
    }

    /// Whether any site but `own` stands within 1,000 km of `corner`. In a crowded cube the first looked at is near; a
    /// lonely one looks through its neighbours' cubes, and there is no room on Earth for many lonely ones.
    fn has_near(&self, own: usize, corner: Corner) -> bool {
        let at = vector(corner);
        let [x, y, z] = cube(at);
        let around = |n: i32| [n, n - 1, n + 1];
        around(x).into_iter().any(|x| {
            around(y)
                .into_iter()
                .any(|y| around(z).into_iter().any(|z| self.cube_has_near([x, y, z], own, at)))
        })
    }

    fn cube_has_near(&self, cube: [i32; 3], own: usize, at: Vector) -> bool {
        let Some(sites) = self.cubes.get(&cube) else { return false };
        sites.iter().any(|site| {
            let other = self.vectors[*site as usize];
            let square: f64 = (0..3).map(|axis| (other[axis] - at[axis]).powi(2)).sum();
            *site as usize != own && square <= chord() * chord()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn haversine_km(a: Corner, b: Corner) -> f64 {
        let (dlon, dlat) = ((b.0 - a.0).to_radians(), (b.1 - a.1).to_radians());
        let h = (dlat / 2.0).sin().powi(2)
            + a.1.to_radians().cos() * b.1.to_radians().cos() * (dlon / 2.0).sin().powi(2);
        2.0 * EARTH_KM * h.sqrt().asin()
    }

    #[test]
    fn near_is_what_the_slow_loop_calls_near() {
        let mut state = 11_u64;
        println!("seed {state}");
        let mut random = |span: f64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5) * span
        };
        let corners: Vec<Corner> = (0..120).map(|_| (random(360.0), random(180.0))).collect();
        let grid = Grid::new(&corners);
        let mut far = 0;
        for (index, corner) in corners.iter().enumerate() {
            let others = corners.iter().enumerate().filter(|(other, _)| *other != index);
            let slow = others.map(|(_, other)| haversine_km(*corner, *other)).fold(f64::INFINITY, f64::min)
                <= FAR_KM;
            assert_eq!(grid.has_near(index, *corner), slow, "{corner:?}");
            far += usize::from(!slow);
        }
        assert!((5..115).contains(&far), "{far}");
    }
}
