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
//! a punch's point ──▶ cells: slot ─▶ entries          one line of memory each, asked for ahead of time
//!                                      │ site
//!                                      ▼
//! rows    [ lon 8 | metres from the axis 8 | metres from the equator 8 | radius 8 ]      two to a line
//!           a circle; or radius −1 − n: the n-th of `polygons`
//! plain   one bit a site: in force at all times, without a tolerance of its own
//! ```
//!
//! Why so: what a search by GPS costs is the lines of memory it waits for. A circle's row is all that its exact distance
//! needs, and the bits (125 kB for a million sites, they stay in the cache) save a look at the site itself.

use model::{LonLat, Reference, Site, SiteIndex};

use crate::cell_grid::{CellGrid, CellGridBuilder, Position, REACH_M, Reach};
use crate::distance::{Spot, metres};
use crate::outline::{Outline, Polygons, micrometres};
use crate::prefetch::prefetch;

/// The fences of one snapshot.
#[derive(Debug)]
pub(crate) struct FenceIndex {
    grid: CellGrid,
    rows: Vec<Row>,
    polygons: Vec<Polygons>,
    plain: Vec<u64>,
}

/// A circle, or where a polygon lies.
#[derive(Clone, Copy, Debug)]
#[repr(align(32))]
struct Row {
    centre: Spot,
    /// Metres; below zero: −1 − place in `polygons`.
    radius_m: f64,
}

/// A point made ready for this index.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Here {
    pub(crate) point: LonLat,
    pub(crate) spot: Spot,
    position: Position,
}

impl Here {
    #[inline]
    pub(crate) fn new(point: LonLat) -> Self {
        let spot = Spot::new(point);
        Self { point, spot, position: Position::new(point, &spot) }
    }
}

impl FenceIndex {
    pub(crate) fn build(reference: &Reference) -> Self {
        let count = reference.sites.len();
        let mut grid = CellGridBuilder::default();
        let (mut rows, mut polygons) = (Vec::with_capacity(count), Vec::new());
        let mut plain = vec![0; count.div_ceil(64)];
        for (at, site) in reference.sites.iter().enumerate() {
            plain[at / 64] |= u64::from(is_plain(site)) << (at % 64);
            let around_m = site.tolerance_m.unwrap_or(0.0).max(0.0) + REACH_M;
            let outline = Outline::new(&site.fence);
            for around in outline.boxes(around_m) {
                let radius_m = outline.radius_m(&around) - REACH_M;
                grid.put(&Reach { site: SiteIndex(at as u32), around, radius_m });
            }
            rows.push(match outline {
                Outline::Circle(centre, radius_m) => Row { centre: Spot::new(centre), radius_m },
                Outline::Polygons(outline) => {
                    polygons.push(outline);
                    Row { centre: Spot::NOWHERE, radius_m: -(polygons.len() as f64) }
                }
            });
        }
        polygons.shrink_to_fit();
        Self { grid: grid.build(), rows, polygons, plain }
    }

    /// Whether the site is in force at all times and has no tolerance of its own.
    #[inline]
    pub(crate) fn is_plain(&self, site: SiteIndex) -> bool {
        self.plain[site.0 as usize / 64] >> (site.0 % 64) & 1 != 0
    }

    /// Signed metres from `here` to the edge of the site's fence: ≤ 0 inside, 0 on the edge. Told in whole micrometres,
    /// so that a point on the edge is on it whatever the last bit of a product says.
    #[inline]
    pub(crate) fn signed_metres(&self, site: SiteIndex, here: &Here) -> f64 {
        let row = &self.rows[site.0 as usize];
        let signed = match row.polygons() {
            None => metres(&here.spot, &row.centre) - row.radius_m,
            Some(place) => self.polygons[place].signed_metres(here.point),
        };
        micrometres(signed)
    }

    /// A bound that [`Self::signed_metres`] is not below, for less.
    pub(crate) fn metres_at_least(&self, site: SiteIndex, here: &Here) -> f64 {
        let row = &self.rows[site.0 as usize];
        match row.polygons() {
            None => (here.spot.plane_m - row.centre.plane_m).abs() - row.radius_m,
            Some(place) => self.polygons[place].metres_at_least(here.point),
        }
    }

    /// Calls `visit` for every site whose fence, widened by the site's own tolerance, comes within `radius_m` of `here`;
    /// possibly twice, possibly for others nearby.
    #[inline]
    pub(crate) fn within(&self, here: &Here, radius_m: f64, visit: impl FnMut(SiteIndex)) {
        self.grid.within(here.point, here.position, radius_m, visit);
    }

    /// Asks for the slots of the cell that `here` lies in. Like the other two a hint: answers are the same without.
    #[inline]
    pub(crate) fn fetch_slot(&self, here: &Here) {
        self.grid.fetch_slot(here.position);
    }

    /// Asks for the entries of that cell.
    #[inline]
    pub(crate) fn fetch_entries(&self, here: &Here) {
        self.grid.fetch_entries(here.position);
    }

    /// Asks for the row of a site.
    #[inline]
    pub(crate) fn fetch_row(&self, site: SiteIndex) {
        prefetch(&self.rows, site.0 as usize);
    }
}

impl Row {
    #[inline]
    fn polygons(&self) -> Option<usize> {
        (self.radius_m < 0.0).then(|| (-self.radius_m) as usize - 1)
    }
}

fn is_plain(site: &Site) -> bool {
    site.tolerance_m.is_none() && site.valid_from.is_none() && site.valid_to.is_none()
}
