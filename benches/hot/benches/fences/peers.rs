//! Other indexes over the same fences: boxes in three kinds of tree, S2 and H3 cells in hash maps, all with exact
//! containment by `geo`.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use geo::{Contains, Coord, Distance, Haversine, LineString, Point, Polygon};
use geo_index::rtree::sort::HilbertSort;
use geo_index::rtree::{RTree as Packed, RTreeBuilder, RTreeIndex};
use h3o::{CellIndex, LatLng, Resolution};
use hashbrown::HashMap;
use hot::Counting;
use model::{Fence, Punch, Reference};
use rstar::primitives::{GeomWithData, Rectangle};
use rstar::{AABB, RTree};
use s2::cellid::CellID;
use s2::rect::Rect;
use s2::region::RegionCoverer;
use static_aabb2d_index::{StaticAABB2DIndex, StaticAABB2DIndexBuilder};

/// S2 cells of about 600 m, H3 cells of about 350 m across.
const S2_LEVEL: u8 = 14;
const H3_RESOLUTION: Resolution = Resolution::Nine;
/// A degree of latitude is not shorter, in metres.
const DEGREE_M: f64 = 110_574.0;

type Boxes = Vec<[f64; 4]>;
type Cells = HashMap<u64, Vec<u32>, RandomState>;

enum Index {
    Rstar(RTree<GeomWithData<Rectangle<[f64; 2]>, u32>>),
    Packed(Packed<f64>),
    Static(StaticAABB2DIndex<f64>),
    S2(Cells),
    H3(Cells),
}

enum Shape {
    Circle(Point<f64>, f64),
    Polygon(Polygon<f64>),
}

/// An index and what exact containment needs.
pub(crate) struct Peer {
    index: Index,
    shapes: std::rc::Rc<Vec<Shape>>,
}

impl Peer {
    /// Builds all of them; `tell` hears name, bytes and time of each.
    pub(crate) fn build_all(reference: &Reference, mut tell: impl FnMut(&str, usize, Duration)) -> Vec<Self> {
        let shapes =
            std::rc::Rc::new(reference.sites.iter().map(|site| shape(&site.fence)).collect::<Vec<_>>());
        let boxes: Boxes = shapes.iter().map(around).collect();
        let kinds: [fn(&Boxes, &[Shape]) -> Index; 5] = [rstar, geo_index, static_index, s2_cells, h3_cells];
        let build = |kind: fn(&Boxes, &[Shape]) -> Index| {
            let (before, begun) = (Counting::live(), Instant::now());
            let peer = Self { index: kind(&boxes, &shapes), shapes: std::rc::Rc::clone(&shapes) };
            tell(peer.name(), Counting::live().saturating_sub(before), begun.elapsed());
            peer
        };
        kinds.into_iter().map(build).collect()
    }

    /// What it is called.
    pub(crate) fn name(&self) -> &'static str {
        match self.index {
            Index::Rstar(_) => "rstar + geo",
            Index::Packed(_) => "geo-index + geo",
            Index::Static(_) => "static_aabb2d + geo",
            Index::S2(_) => "s2 cells + geo",
            Index::H3(_) => "h3 cells + geo",
        }
    }

    /// How many fences hold the punches' points.
    pub(crate) fn run(&self, punches: &[Punch]) -> usize {
        let point = |punch: &Punch| punch.fix.map(|fix| (fix.point.lon(), fix.point.lat()));
        punches.iter().filter_map(point).map(|point| self.holding(point)).sum()
    }

    fn holding(&self, (lon, lat): (f64, f64)) -> usize {
        let point = Point::new(lon, lat);
        let holds = |at: usize| match &self.shapes[at] {
            Shape::Circle(centre, radius_m) => Haversine.distance(*centre, point) <= *radius_m,
            Shape::Polygon(polygon) => polygon.contains(&point),
        };
        match &self.index {
            Index::Rstar(tree) => {
                let mut count = 0;
                let at = AABB::from_point([lon, lat]);
                let _ = tree.locate_in_envelope_intersecting_int(at, |entry| {
                    count += usize::from(holds(entry.data as usize));
                    ControlFlow::<()>::Continue(())
                });
                count
            }
            Index::Packed(tree) => {
                tree.search(lon, lat, lon, lat).into_iter().filter(|at| holds(*at as usize)).count()
            }
            Index::Static(tree) => {
                let mut count = 0;
                tree.visit_query(lon, lat, lon, lat, &mut |at: usize| count += usize::from(holds(at)));
                count
            }
            Index::S2(cells) => {
                let leaf = CellID::from(s2::latlng::LatLng::from_degrees(lat, lon));
                let near = cells.get(&leaf.parent(u64::from(S2_LEVEL)).0);
                near.map_or(0, |near| near.iter().filter(|at| holds(**at as usize)).count())
            }
            Index::H3(cells) => {
                let Ok(point) = LatLng::new(lat, lon) else { return 0 };
                let near = cells.get(&u64::from(point.to_cell(H3_RESOLUTION)));
                near.map_or(0, |near| near.iter().filter(|at| holds(**at as usize)).count())
            }
        }
    }
}

fn shape(fence: &Fence) -> Shape {
    match fence {
        Fence::Circle { centre, radius_m } => {
            Shape::Circle(Point::new(centre.lon(), centre.lat()), *radius_m)
        }
        Fence::Polygons(parts) => {
            let line = |corners: &[(f64, f64)]| {
                LineString(corners.iter().map(|(x, y)| Coord { x: *x, y: *y }).collect())
            };
            let holes = parts[0][1..].iter().map(|hole| line(&hole.0)).collect();
            Shape::Polygon(Polygon::new(line(&parts[0][0].0), holes))
        }
    }
}

fn around(shape: &Shape) -> [f64; 4] {
    match shape {
        Shape::Circle(centre, radius_m) => {
            let half = radius_m / DEGREE_M;
            let wide = half / (centre.y().abs() + half).to_radians().cos();
            [centre.x() - wide, centre.y() - half, centre.x() + wide, centre.y() + half]
        }
        Shape::Polygon(polygon) => {
            let corners = || polygon.exterior().coords();
            let least = |value: fn(&Coord<f64>) -> f64| corners().map(value).fold(f64::INFINITY, f64::min);
            let most = |value: fn(&Coord<f64>) -> f64| corners().map(value).fold(f64::NEG_INFINITY, f64::max);
            [least(|c| c.x), least(|c| c.y), most(|c| c.x), most(|c| c.y)]
        }
    }
}

fn rstar(boxes: &Boxes, _: &[Shape]) -> Index {
    let entry = |(at, b): (usize, &[f64; 4])| {
        GeomWithData::new(Rectangle::from_corners([b[0], b[1]], [b[2], b[3]]), at as u32)
    };
    Index::Rstar(RTree::bulk_load(boxes.iter().enumerate().map(entry).collect()))
}

fn geo_index(boxes: &Boxes, _: &[Shape]) -> Index {
    let mut builder = RTreeBuilder::<f64>::new(boxes.len() as u32);
    for [west, south, east, north] in boxes {
        builder.add(*west, *south, *east, *north);
    }
    Index::Packed(builder.finish::<HilbertSort>())
}

fn static_index(boxes: &Boxes, _: &[Shape]) -> Index {
    let mut builder = StaticAABB2DIndexBuilder::<f64>::new(boxes.len());
    for [west, south, east, north] in boxes {
        builder.add(*west, *south, *east, *north);
    }
    Index::Static(builder.build().expect("as many boxes as were announced"))
}

fn s2_cells(boxes: &Boxes, _: &[Shape]) -> Index {
    let coverer = RegionCoverer { min_level: S2_LEVEL, max_level: S2_LEVEL, level_mod: 1, max_cells: 64 };
    let mut cells = Cells::default();
    for (at, [west, south, east, north]) in boxes.iter().enumerate() {
        let covering = coverer.covering(&Rect::from_degrees(*south, *west, *north, *east));
        for cell in covering.0 {
            cells.entry(cell.0).or_default().push(at as u32);
        }
    }
    Index::S2(cells)
}

/// The middle's cell and the ring around it: 240 m in every direction.
fn h3_cells(boxes: &Boxes, _: &[Shape]) -> Index {
    let mut cells = Cells::default();
    for (at, [west, south, east, north]) in boxes.iter().enumerate() {
        let (lon, lat) = (f64::midpoint(*west, *east), f64::midpoint(*south, *north));
        let Ok(middle) = LatLng::new(lat, lon) else { continue };
        for cell in middle.to_cell(H3_RESOLUTION).grid_disk::<Vec<CellIndex>>(1) {
            cells.entry(u64::from(cell)).or_default().push(at as u32);
        }
    }
    Index::H3(cells)
}
