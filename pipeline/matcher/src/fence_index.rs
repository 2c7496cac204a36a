//! The fences of one snapshot: which may come within a given distance of a point, and how far each one is.
//!
//! In: the sites of one snapshot.  Out: `SiteIndex`es that may be near, and signed metres to a fence, negative inside.
//! Owns: the cells by which fences are found (`cell_grid`), a row for each fence, the outlines of those that are no
//! circles, and a bit for each site of which nothing else has to be known.
//! Absent on purpose: verdicts, validity in time (asked per punch by the caller), allocation while searching.
//! Invariants: a site whose fence, widened by the site's own tolerance, comes within the radius is always among the
//! answers (`tests/oracle.rs`).
//!
//! ```text
//! a punch's point ──▶ cell: one line of memory, and more of them for one cell in four        (`cell_table`)
//!                                      │ sites that the cell is not sure of; the one that a distance is told to
//!                                      ▼
//! rows    [ lon 8 | metres from the axis 8 | metres from the equator 8 | radius 8 ]      two to a line
//!           a circle; or, with −1 − n for a radius, the n-th of `polygons`, or a ring whose corners begin at the n-th:
//!         [ southernmost 8 | number of corners 8 | northernmost latitude 8 | −1 − n 8 ]
//!                                      │
//! corners [ lon 8 | lat 8 ] …          ▼   those of a ring side by side
//! plain   one bit a site: in force at all times, without a tolerance of its own
//! ```
//!
//! Why so: what a search by GPS costs is the lines of memory it reads. Of most fences near a point their cell tells enough
//! (`cell_grid`), so that a punch reads the row of the one site that its distance is told to, and seldom another. A
//! circle's row is all that its exact distance needs, and the bits (125 kB for a million sites, they stay in the cache)
//! save a look at the site itself.

use model::{Fence, LonLat, Reference, SiteIndex};

use crate::cell_grid::{Cell, CellGrid, Level, Near, Span};
use crate::cells::Position;
use crate::distance::{LAT_DEGREE_MIN_M, Spot, metres};
use crate::outline::{Outline, Polygons, micrometres};
use crate::plain_sites::PlainSites;
use crate::processor::{in_large_pages, prefetch};
use crate::reach::{CellGridBuilder, REACH_M, Reach};
use crate::ring;

/// Corners in 64 bytes.
const CORNERS_A_LINE: usize = 4;

/// The fences of one snapshot.
#[derive(Debug)]
pub(crate) struct FenceIndex {
    grid: CellGrid,
    rows: Vec<Row>,
    /// Of all plain rings.
    corners: Vec<(f64, f64)>,
    polygons: Vec<Polygons>,
    /// Whether any fence was put into the cells more than once, in parts.
    may_repeat: bool,
}

/// A circle, or where the outline lies.
#[derive(Clone, Copy, Debug)]
#[repr(align(32))]
struct Row {
    centre: Spot,
    /// Metres; below zero: −1 − a place in `corners` or `polygons`.
    radius_m: f64,
}

/// A point made ready for this index.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Here {
    pub(crate) point: LonLat,
    pub(crate) spot: Spot,
    pub(crate) position: Position,
}

impl FenceIndex {
    pub(crate) fn build(reference: &Reference, plain: &PlainSites) -> Self {
        let count = reference.sites.len();
        let mut grid = CellGridBuilder::default();
        let (mut rows, mut polygons) = (in_large_pages(count), Vec::new());
        let (mut corners, mut may_repeat) = (Vec::new(), false);
        for (at, site) in reference.sites.iter().enumerate() {
            let around_m = site.tolerance_m.unwrap_or(0.0).max(0.0) + REACH_M;
            let outline = Outline::new(&site.fence);
            let exact = match outline {
                Outline::Circle(centre, radius_m) if plain.contains(SiteIndex(at as u32)) => {
                    Some((centre, radius_m))
                }
                _ => None,
            };
            let boxes = outline.boxes(around_m);
            may_repeat |= boxes.len() > 1;
            for around in boxes {
                let radius_m = outline.radius_m(&around) - REACH_M;
                grid.put(&Reach { site: SiteIndex(at as u32), around, radius_m, exact });
            }
            rows.push(match (outline, ring_of(&site.fence)) {
                (Outline::Circle(centre, radius_m), _) => Row { centre: Spot::new(centre), radius_m },
                (Outline::Polygons(_), Some(ring)) => {
                    let from = corners.len();
                    corners.extend_from_slice(ring);
                    Row::ring(from, ring)
                }
                (Outline::Polygons(outline), None) => {
                    polygons.push(outline);
                    Row::polygons(polygons.len() - 1)
                }
            });
        }
        corners.shrink_to_fit();
        polygons.shrink_to_fit();
        Self { grid: grid.build(), rows, corners, polygons, may_repeat }
    }

    /// Signed metres from `here` to the edge of the site's fence: ≤ 0 inside, 0 on the edge. Told in whole micrometres,
    /// so that a point on the edge is on it whatever the last bit of a product says.
    #[inline]
    pub(crate) fn signed_metres(&self, site: SiteIndex, here: &Here) -> f64 {
        let row = &self.rows[site.0 as usize];
        micrometres(match row.kind() {
            Kind::Circle => metres(&here.spot, &row.centre) - row.radius_m,
            Kind::Ring(from, count) => ring::signed_metres(here.point, &self.corners[from..from + count]),
            Kind::Polygons(place) => self.polygons[place].signed_metres(here.point),
        })
    }

    /// A bound that [`Self::signed_metres`] is not below, for less.
    pub(crate) fn metres_at_least(&self, site: SiteIndex, here: &Here) -> f64 {
        let row = &self.rows[site.0 as usize];
        match row.kind() {
            Kind::Circle => (here.spot.plane_m - row.centre.plane_m).abs() - row.radius_m,
            Kind::Ring(..) => {
                let (south, north) = (row.centre.lon, row.centre.plane_m);
                let gap = (south - here.point.lat()).max(here.point.lat() - north);
                if gap > 0.0 { gap * LAT_DEGREE_MIN_M } else { f64::NEG_INFINITY }
            }
            Kind::Polygons(place) => self.polygons[place].metres_at_least(here.point),
        }
    }

    /// The centre of a site's fence and its radius in metres; the radius is below zero where the fence is no circle.
    #[inline]
    pub(crate) fn circle(&self, site: SiteIndex) -> (Spot, f64) {
        let row = &self.rows[site.0 as usize];
        (row.centre, row.radius_m)
    }

    /// The levels of its cells.
    #[inline]
    pub(crate) fn levels(&self) -> &[Level] {
        self.grid.levels()
    }

    /// Puts every site behind `near` whose fence, widened by the site's own tolerance, comes within `span.within_m` ≤
    /// [`REACH_M`] of a point; possibly twice, possibly others nearby. `cell` tells the point's cell at the n-th of the
    /// levels, its line asked for. A cell is sure only of plain sites. Whether any is unsure.
    #[inline]
    pub(crate) fn near(
        &self,
        at: Position,
        cell: impl Fn(usize, &Level) -> Cell,
        span: Span,
        near: &mut Vec<Near>,
    ) -> bool {
        let levels = self.levels().iter().enumerate();
        levels.fold(false, |is_unsure, (n, level)| level.near(at, cell(n, level), span, near) | is_unsure)
    }

    /// Visits the sites up to any distance; `visit` hears between which two numbers of metres the signed distance is, if that is
    /// known.
    pub(crate) fn window(&self, here: &Here, radius_m: f64, visit: &mut impl FnMut(SiteIndex, f64, f64)) {
        self.grid.window(here.point, here.position, radius_m, visit);
    }

    /// Asks for the row of a site.
    #[inline]
    pub(crate) fn fetch_row(&self, site: SiteIndex) {
        prefetch(&self.rows, site.0 as usize);
    }

    /// Whether [`Self::near`] may visit a site twice up to [`REACH_M`].
    #[inline]
    pub(crate) fn may_repeat(&self) -> bool {
        self.may_repeat
    }

    /// Whether any fence is other than a circle, so that rows lead to anything.
    #[inline]
    pub(crate) fn has_outlines(&self) -> bool {
        !(self.corners.is_empty() && self.polygons.is_empty())
    }

    /// Asks for what the row of a site leads to.
    #[inline]
    pub(crate) fn fetch_outline(&self, site: SiteIndex) {
        match self.rows[site.0 as usize].kind() {
            Kind::Circle => {}
            Kind::Ring(from, count) => {
                (0..count).step_by(CORNERS_A_LINE).for_each(|at| prefetch(&self.corners, from + at));
                prefetch(&self.corners, from + count - 1);
            }
            Kind::Polygons(place) => prefetch(&self.polygons, place),
        }
    }
}

/// What a row tells.
enum Kind {
    Circle,
    /// Where its corners begin, and how many there are.
    Ring(usize, usize),
    Polygons(usize),
}

impl Row {
    /// A ring in `corners`.
    fn ring(from: usize, ring: &[(f64, f64)]) -> Self {
        let lat = ring.iter().map(|corner| corner.1);
        let (south, north) =
            lat.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), lat| (low.min(lat), high.max(lat)));
        let centre = Spot { lon: south, axis_m: ring.len() as f64, plane_m: north };
        Self { centre, radius_m: -1.0 - from as f64 }
    }

    fn polygons(place: usize) -> Self {
        Self { centre: Spot::NOWHERE, radius_m: -1.0 - place as f64 }
    }

    #[inline]
    fn kind(&self) -> Kind {
        if self.radius_m >= 0.0 {
            return Kind::Circle;
        }
        let place = -self.radius_m as usize - 1;
        match self.centre.axis_m as usize {
            0 => Kind::Polygons(place),
            count => Kind::Ring(place, count),
        }
    }
}

/// The one plain ring of a fence that is no more than that.
fn ring_of(fence: &Fence) -> Option<&[(f64, f64)]> {
    let Fence::Polygons(parts) = fence else { return None };
    let [part] = parts.as_slice() else { return None };
    let [ring] = part.as_slice() else { return None };
    ring::is_plain(&ring.0).then_some(&ring.0)
}
