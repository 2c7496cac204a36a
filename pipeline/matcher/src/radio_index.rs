//! Finds the sites that list an access point, a beacon, a terminal, or an id.
//!
//! In: the sites of one snapshot.  Out: the sites that list an address, in the order of the snapshot.
//! Owns: hash maps into flat lists.
//! Absent on purpose: validity in time, freshness, votes (`evidence` judges them); allocation while looking up.
//! Invariants: of several listings of one access point the longest prefix with a site in force counts alone, as in
//! routing: an address listed by itself says more than the block it lies in (`the_longest_prefix_counts`).
//! Why so: one map per prefix length in use, at most 25 and in practice two; a faster table has only this to replace.

use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use model::{BeaconId, Bssid, Reference, SiteIndex};

/// What the sites of one snapshot list.
#[derive(Debug)]
pub(crate) struct RadioIndex {
    /// (bits shared, listings by those bits), the longest prefix first.
    blocks: Vec<(u8, Listings<u64>)>,
    beacons: Listings<BeaconId>,
    terminals: Listings<Arc<str>>,
    ids: HashMap<Arc<str>, SiteIndex, RandomState>,
}

/// For each key the sites that list it.
#[derive(Debug)]
struct Listings<K> {
    ranges: HashMap<K, (u32, u32), RandomState>,
    sites: Vec<SiteIndex>,
}

impl RadioIndex {
    pub(crate) fn build(reference: &Reference) -> Self {
        let sites = || reference.sites.iter().enumerate().map(|(at, site)| (SiteIndex(at as u32), site));
        let mut blocks: Vec<(u8, Vec<(u64, SiteIndex)>)> = Vec::new();
        for (at, site) in sites() {
            for block in &site.bssids {
                let bits = block.prefix_bits();
                let row = (block.first().bits() >> (48 - bits), at);
                match blocks.iter_mut().find(|(prefix_bits, _)| *prefix_bits == bits) {
                    Some((_, rows)) => rows.push(row),
                    None => blocks.push((bits, vec![row])),
                }
            }
        }
        blocks.sort_unstable_by_key(|(bits, _)| std::cmp::Reverse(*bits));
        let beacons = sites().flat_map(|(at, site)| site.beacons.iter().map(move |id| (*id, at)));
        let terminals =
            sites().flat_map(|(at, site)| site.terminals.iter().map(move |id| (Arc::clone(id), at)));
        Self {
            blocks: blocks.into_iter().map(|(bits, rows)| (bits, Listings::build(rows))).collect(),
            beacons: Listings::build(beacons.collect()),
            terminals: Listings::build(terminals.collect()),
            ids: sites().map(|(at, site)| (Arc::clone(&site.site_id), at)).collect(),
        }
    }

    /// The sites that list the access point at the longest prefix at which `in_force` holds for any; some of them may
    /// not be in force.
    pub(crate) fn access_point(&self, bssid: Bssid, in_force: impl Fn(SiteIndex) -> bool) -> &[SiteIndex] {
        let mut listed =
            self.blocks.iter().map(|(bits, listings)| listings.get(&(bssid.bits() >> (48 - bits))));
        listed.find(|sites| sites.iter().any(|site| in_force(*site))).unwrap_or(&[])
    }

    /// The sites that list the beacon.
    pub(crate) fn beacon(&self, id: BeaconId) -> &[SiteIndex] {
        self.beacons.get(&id)
    }

    /// The sites that list the device among their terminals.
    pub(crate) fn terminal(&self, device_id: &str) -> &[SiteIndex] {
        self.terminals.get(device_id)
    }

    /// The site of that id.
    pub(crate) fn site(&self, site_id: &str) -> Option<SiteIndex> {
        self.ids.get(site_id).copied()
    }
}

impl<K: Ord + Hash + Clone> Listings<K> {
    fn build(mut rows: Vec<(K, SiteIndex)>) -> Self {
        rows.sort_unstable();
        rows.dedup();
        let mut listings = Self { ranges: HashMap::default(), sites: Vec::with_capacity(rows.len()) };
        for group in rows.chunk_by(|a, b| a.0 == b.0) {
            let from = listings.sites.len() as u32;
            listings.sites.extend(group.iter().map(|(_, site)| *site));
            listings.ranges.insert(group[0].0.clone(), (from, listings.sites.len() as u32));
        }
        listings
    }

    fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> &[SiteIndex]
    where
        K: Borrow<Q>,
    {
        self.ranges.get(key).map_or(&[], |(from, until)| &self.sites[*from as usize..*until as usize])
    }
}
