//! Single questions about one point or one radio: what may be kept of a punch's evidence rests on them.
//!
//! In: a point, an access point, a beacon, an instant.  Out: whether a site in force at that instant holds or lists it.
//! Owns: nothing.
//! Absent on purpose: accuracy and policies: whether a fix is good enough is the caller's to say.

use model::{Beacon, Bssid, EventTime, LonLat, Reference};

use crate::cells::Position;
use crate::distance::Spot;
use crate::fence_index::Here;
use crate::radio_index::Listed;
use crate::site_index::SiteIndex;

/// Looked through around a point: what holds it has no distance at all.
const WINDOW_M: f64 = 1.0;

impl SiteIndex {
    /// Whether the fence of any site in force at `at` holds the point (WGS-84), its edge included. `reference` is the
    /// snapshot this index was built from.
    pub fn is_in_a_fence(&self, reference: &Reference, point: LonLat, at: EventTime) -> bool {
        let world = self.world(reference);
        let spot = Spot::new(point);
        let here = Here { point, spot, position: Position::new(point, &spot) };
        let mut is_held = false;
        world.fences.window(&here, WINDOW_M, &mut |site, low_m, _| {
            is_held = is_held
                || low_m <= 0.0 && world.in_force(site, at) && world.fences.signed_metres(site, &here) <= 0.0;
        });
        is_held
    }

    /// Whether any site in force at `at` lists the access point, by itself or within a block.
    pub fn lists_access_point(&self, reference: &Reference, bssid: Bssid, at: EventTime) -> bool {
        let world = self.world(reference);
        !world.radios.access_point(bssid, |site| world.in_force(site, at)).is_nobody()
    }

    /// Whether any site in force at `at` lists the beacon.
    pub fn lists_beacon(&self, reference: &Reference, beacon: Beacon, at: EventTime) -> bool {
        let world = self.world(reference);
        let mut found: Vec<Listed> = Vec::new();
        world.radios.beacons(&[beacon], &mut found);
        let sites = found.iter().flat_map(|listed| world.radios.sites(*listed).as_slice().to_vec());
        sites.into_iter().any(|site| world.in_force(site, at))
    }
}
