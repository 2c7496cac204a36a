//! Who lists an access point, a beacon or a terminal now: an earlier snapshot's index, and what changed since.
//!
//! In: a base over all sites, the sites that list something else now.  Out: what `RadioIndex` answers, as of now.
//! Owns: a share in the base; for each address, beacon and terminal whose listing changed, all sites that list it now.
//! Absent on purpose: new and lost sites (places in the snapshot would move: that takes a new base).
//! Invariants: every question is answered as an index built from the new snapshot would (`tests/changes.rs`).
//!
//! ```text
//! address ─▶ base ─▶ who lists it at the longest prefix
//!    │
//!    └─▶ for each prefix length at which anything changed: was this block's listing changed?       no: that was it
//!                                                                                                  yes ─▶ walk all lengths,
//!                                                            a changed listing in place of the base's at its own length
//! ```
//!
//! Why so: an address may be listed by several sites and lie in several blocks, so that masking sites and merging two lists
//! would have to be done for each look-up. Which listings a change touches is known when it is made: their answers are
//! worked out then, and a look-up takes one or the other whole.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use model::{AccessPoint, Beacon, BeaconId, Bssid, Reference, Site, SiteIndex};

use crate::radio_index::{Listed, RadioIndex, Shared, Sites, may_be_seen, prefix_mask};
use crate::radio_table::RadioTable;

/// Who lists what in one snapshot.
#[derive(Debug)]
pub(crate) struct Radios {
    base: Arc<RadioIndex>,
    changed: Option<Changed>,
}

/// Listings that are no longer as the base has them.
#[derive(Debug)]
struct Changed {
    listings: Listings,
    levels: Vec<Level>,
    /// All prefix lengths at which anybody lists or listed a block, the longest first.
    prefixes: Vec<u8>,
    beacons: HashMap<BeaconId, Listed, RandomState>,
    terminals: HashMap<Arc<str>, Vec<SiteIndex>, RandomState>,
    /// Lists that are numbered behind those of the base.
    shared: Shared,
    lists_of_base: u32,
}

/// What was listed by another site than now, at any time since the base was built, and by whom.
#[derive(Clone, Debug, Default)]
struct Listings {
    sites: BTreeSet<SiteIndex>,
    blocks: BTreeSet<(u8, u64)>,
    beacons: BTreeSet<BeaconId>,
    terminals: BTreeSet<Arc<str>>,
}

/// Changed listings of blocks of one length.
#[derive(Debug)]
struct Level {
    bits: u8,
    /// By the block's first address: a number behind a place in `listed`.
    table: RadioTable,
    listed: Vec<Listed>,
}

impl Radios {
    pub(crate) fn build(reference: &Reference) -> Self {
        Self { base: Arc::new(RadioIndex::build(reference)), changed: None }
    }

    /// What the sites of `next` list, which differs from `previous` in `sites` alone.
    pub(crate) fn with_changes(
        &self,
        previous: &Reference,
        next: &Reference,
        sites: impl Iterator<Item = SiteIndex>,
    ) -> Self {
        let mut listings = self.changed.as_ref().map(|changed| changed.listings.clone()).unwrap_or_default();
        sites.for_each(|site| listings.compare(site, previous.site(site), next.site(site)));
        let changed = (!listings.sites.is_empty()).then(|| Changed::build(&self.base, listings, next));
        Self { base: Arc::clone(&self.base), changed }
    }

    /// How many listings are not in the base.
    pub(crate) fn changed(&self) -> usize {
        self.changed.as_ref().map_or(0, |changed| changed.listings.len())
    }

    /// See [`RadioIndex::access_points`].
    pub(crate) fn access_points(&self, seen: &[AccessPoint], found: &mut Vec<Listed>) {
        self.base.access_points(seen, found);
        let Some(changed) = self.changed.as_ref().filter(|changed| !changed.levels.is_empty()) else {
            return;
        };
        for (seen, found) in seen.iter().zip(found) {
            if changed.touches(seen.bssid) {
                *found = changed.first(&self.base, seen.bssid, |listed| !listed.is_nobody());
            }
        }
    }

    /// See [`RadioIndex::access_point`].
    pub(crate) fn access_point(&self, bssid: Bssid, in_force: impl Fn(SiteIndex) -> bool) -> Listed {
        match &self.changed {
            Some(changed) if changed.touches(bssid) => {
                let any = |listed| self.sites(listed).as_slice().iter().any(|site| in_force(*site));
                changed.first(&self.base, bssid, any)
            }
            _ => self.base.access_point(bssid, in_force),
        }
    }

    /// See [`RadioIndex::beacons`].
    pub(crate) fn beacons(&self, seen: &[Beacon], found: &mut Vec<Listed>) {
        self.base.beacons(seen, found);
        let Some(changed) = self.changed.as_ref().filter(|changed| !changed.beacons.is_empty()) else {
            return;
        };
        for (seen, found) in seen.iter().zip(found) {
            if let Some(listed) = changed.beacons.get(&seen.id) {
                *found = *listed;
            }
        }
    }

    /// See [`RadioIndex::sites`].
    #[inline]
    pub(crate) fn sites(&self, listed: Listed) -> Sites<'_> {
        let Some(changed) = &self.changed else { return self.base.sites(listed) };
        match listed.list_number().and_then(|number| number.checked_sub(changed.lists_of_base)) {
            Some(number) => Sites::Several(changed.shared.list(number)),
            None => self.base.sites(listed),
        }
    }

    /// See [`RadioIndex::terminal`].
    pub(crate) fn terminal(&self, device_id: &str) -> &[SiteIndex] {
        let changed = self.changed.as_ref().and_then(|changed| changed.terminals.get(device_id));
        changed.map_or_else(|| self.base.terminal(device_id), Vec::as_slice)
    }

    /// See [`RadioIndex::site`].
    pub(crate) fn site(&self, site_id: &str) -> Option<SiteIndex> {
        self.base.site(site_id)
    }
}

impl Changed {
    fn build(base: &RadioIndex, listings: Listings, next: &Reference) -> Self {
        let (mut shared, lists_of_base) = (Shared::default(), base.lists());
        let mut listed = |sites: &[SiteIndex]| match sites {
            [] => Listed::NOBODY,
            [site] => Listed::site(*site),
            several => Listed::list(lists_of_base + shared.push(several.iter().copied())),
        };
        let blocks = listings.answers(&listings.blocks, next, blocks, |(bits, first)| {
            base.sites(base.listed_at(*bits, *first)).as_slice().to_vec()
        });
        let blocks: Vec<_> = blocks.into_iter().map(|(key, sites)| (key, listed(&sites))).collect();
        let levels: Vec<Level> = blocks.chunk_by(|a, b| a.0.0 == b.0.0).map(Level::build).collect();
        let beacons = listings.answers(
            &listings.beacons,
            next,
            |site| site.beacons.clone(),
            |id| base.sites(base.beacon(*id)).as_slice().to_vec(),
        );
        let beacons = beacons.into_iter().map(|(id, sites)| (id, listed(&sites))).collect();
        let terminals = listings.answers(
            &listings.terminals,
            next,
            |site| site.terminals.clone(),
            |id| base.terminal(id).to_vec(),
        );
        let mut prefixes: Vec<u8> = base.prefixes().chain(levels.iter().map(|level| level.bits)).collect();
        prefixes.sort_unstable_by(|a, b| b.cmp(a));
        prefixes.dedup();
        let terminals = terminals.into_iter().collect();
        Self { listings, levels, prefixes, beacons, terminals, shared, lists_of_base }
    }

    /// Whether the listing of any block that the address lies in changed.
    #[inline]
    fn touches(&self, bssid: Bssid) -> bool {
        !bssid.is_placeholder() && self.levels.iter().any(|level| level.get(bssid).is_some())
    }

    /// Who lists the address at the longest prefix at which `fits` holds.
    fn first(&self, base: &RadioIndex, bssid: Bssid, fits: impl Fn(Listed) -> bool) -> Listed {
        let mut listed = self.prefixes.iter().map(|bits| {
            let changed = self.levels.iter().find(|level| level.bits == *bits);
            let changed = changed.and_then(|level| level.get(bssid));
            changed.unwrap_or_else(|| base.listed_at(*bits, bssid.bits() & prefix_mask(*bits)))
        });
        listed.find(|listed| fits(*listed)).unwrap_or(Listed::NOBODY)
    }
}

impl Level {
    /// `blocks` are of one length, and at least one.
    fn build(blocks: &[((u8, u64), Listed)]) -> Self {
        let mut table = RadioTable::with_room(blocks.len(), blocks.len() as u32);
        for (place, ((_, first), _)) in blocks.iter().enumerate() {
            table.insert(*first, place as u32 + 1);
        }
        let listed = blocks.iter().map(|(_, listed)| *listed).collect();
        Self { bits: blocks[0].0.0, table, listed }
    }

    /// Who lists the address's block, if that changed.
    #[inline]
    fn get(&self, bssid: Bssid) -> Option<Listed> {
        let key = bssid.bits() & prefix_mask(self.bits);
        let number = self.table.get(key, self.table.home(key)) as usize;
        number.checked_sub(1).map(|place| self.listed[place])
    }
}

impl Listings {
    fn len(&self) -> usize {
        self.blocks.len() + self.beacons.len() + self.terminals.len()
    }

    /// Takes up what a site listed before and does not list now, and the other way round.
    fn compare(&mut self, site: SiteIndex, before: &Site, after: &Site) {
        let blocks = differences(blocks(before), blocks(after));
        let beacons = differences(before.beacons.clone(), after.beacons.clone());
        let terminals = differences(before.terminals.clone(), after.terminals.clone());
        if !(blocks.is_empty() && beacons.is_empty() && terminals.is_empty()) {
            self.sites.insert(site);
        }
        self.blocks.extend(blocks);
        self.beacons.extend(beacons);
        self.terminals.extend(terminals);
    }

    /// All sites that list each of `keys` now, in order: those of the base, and of those that changed as `of` tells.
    fn answers<K: Ord + Clone>(
        &self,
        keys: &BTreeSet<K>,
        next: &Reference,
        of: impl Fn(&Site) -> Vec<K>,
        in_base: impl Fn(&K) -> Vec<SiteIndex>,
    ) -> BTreeMap<K, Vec<SiteIndex>> {
        let unchanged = |key: &K| {
            let mut sites = in_base(key);
            sites.retain(|site| !self.sites.contains(site));
            (key.clone(), sites)
        };
        let mut answers: BTreeMap<K, Vec<SiteIndex>> = keys.iter().map(unchanged).collect();
        for site in &self.sites {
            for key in of(next.site(*site)) {
                if let Some(sites) = answers.get_mut(&key) {
                    sites.push(*site);
                }
            }
        }
        for sites in answers.values_mut() {
            sites.sort_unstable();
            sites.dedup();
        }
        answers
    }
}

/// The blocks that a site lists and that scans may hold, by length and first address.
fn blocks(site: &Site) -> Vec<(u8, u64)> {
    let seen = site.bssids.iter().filter(|block| may_be_seen(**block));
    seen.map(|block| (block.prefix_bits(), block.first().bits())).collect()
}

/// What only one of the two holds.
fn differences<K: Ord + Clone>(before: Vec<K>, after: Vec<K>) -> Vec<K> {
    let (before, after) = (BTreeSet::from_iter(before), BTreeSet::from_iter(after));
    before.symmetric_difference(&after).cloned().collect()
}
