//! Finds the sites whose fence may come within a given distance of a point.
//!
//! In: the sites of one snapshot.  Out: `SiteIndex`es, some of them more than once, some of them a little too far.
//! Owns: an R-tree over the fences' boxes in lon/lat, and the fences made ready.
//! Absent on purpose: verdicts, validity in time (asked per punch by the caller), allocation while searching.
//! Invariants: a site whose fence, widened by the site's own tolerance, comes within the radius is always among the
//! answers (`tests/oracle.rs`). Boxes start in [−180, 180) and may end up to a turn further east, so a search window
//! is laid over them a turn to the east and a turn to the west as well where it or they cross the antimeridian.
//! Why so: a well-kept R-tree crate, bulk loaded, answers in about a microsecond at a million boxes and is right; a
//! faster index has only this file to replace.

use std::ops::ControlFlow;

use model::{LonLat, Reference, SiteIndex};
use rstar::primitives::{GeomWithData, Rectangle};
use rstar::{AABB, RTree};

use crate::distance::reach_deg;
use crate::outline::Outline;

type Entry = GeomWithData<Rectangle<[f64; 2]>, SiteIndex>;

/// The fences of one snapshot.
#[derive(Debug)]
pub(crate) struct FenceIndex {
    outlines: Vec<Outline>,
    tree: RTree<Entry>,
    /// How far east any box ends.
    east: f64,
}

impl FenceIndex {
    pub(crate) fn build(reference: &Reference) -> Self {
        let outlines: Vec<_> = reference.sites.iter().map(|site| Outline::new(&site.fence)).collect();
        let mut entries = Vec::with_capacity(outlines.len());
        let mut east = 180.0_f64;
        for (at, (outline, site)) in outlines.iter().zip(&reference.sites).enumerate() {
            for around in outline.boxes(site.tolerance_m.unwrap_or(0.0).max(0.0)) {
                let corners =
                    Rectangle::from_corners([around.west, around.south], [around.east, around.north]);
                entries.push(Entry::new(corners, SiteIndex(at as u32)));
                east = east.max(around.east);
            }
        }
        Self { outlines, tree: RTree::bulk_load(entries), east }
    }

    /// The site's fence.
    pub(crate) fn outline(&self, site: SiteIndex) -> &Outline {
        &self.outlines[site.0 as usize]
    }

    /// Calls `visit` for every site whose fence, widened by the site's own tolerance, comes within `radius_m` of
    /// `point`; possibly twice, possibly for others nearby.
    pub(crate) fn within(&self, point: LonLat, radius_m: f64, mut visit: impl FnMut(SiteIndex)) {
        let (half_lat, half_lon) = reach_deg(point.lat(), radius_m);
        let (south, north) = (point.lat() - half_lat, point.lat() + half_lat);
        let mut search = |west: f64, east: f64| {
            let window = AABB::from_corners([west, south], [east, north]);
            let found = self.tree.locate_in_envelope_intersecting_int(window, |entry| {
                visit(entry.data);
                ControlFlow::<()>::Continue(())
            });
            debug_assert!(found.is_continue());
        };
        let (west, east) = (point.lon() - half_lon, point.lon() + half_lon);
        if half_lon >= 180.0 {
            return search(-180.0, self.east);
        }
        search(west, east);
        if west + 360.0 <= self.east {
            search(west + 360.0, east + 360.0);
        }
        if east - 360.0 >= -180.0 {
            search(west - 360.0, east - 360.0);
        }
    }
}
