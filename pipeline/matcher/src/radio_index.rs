//! Finds the sites that list an access point, a beacon, a terminal, or an id.
//!
//! In: the sites of one snapshot.  Out: the sites that list an address, in the order of the snapshot.
//! Owns: a table of addresses for each prefix length in use, one of beacons, maps of terminals and ids, and the lists of
//! sites that share an address.
//! Absent on purpose: freshness, votes, and which of the sites are in force (`evidence` judges them; what is in force is
//! asked of it here only to choose a prefix); allocation while looking up.
//! Invariants: of several listings of one access point the longest prefix with a site in force counts alone, as in
//! routing: an address listed by itself says more than the block it lies in (`the_longest_prefix_counts`). Addresses that
//! phones report in place of one they may not tell are listed by nobody, whatever block they lie in; a locally
//! administered address is as good as any (access points make their virtual ones that way).
//! Why so: one table per prefix length in use, at most 25 and in practice two, so that a look-up reads one line of memory
//! per length until it is found; a block counts for all its addresses and takes one slot. Addresses of a whole batch are
//! looked up together, each line asked for 32 addresses before it is read. At 20 million listings that takes 25 ns an
//! address where `hashbrown` takes 89, and 13.3 bytes a listing where it takes 28.5 (`benches/README.md`).

use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use model::{AccessPoint, Beacon, BeaconId, Bssid, BssidBlock, Reference, SiteIndex};

use crate::radio_table::{Home, RadioTable};

/// Addresses swept through one table before the next.
const GROUP: usize = 512;
/// Lines asked for ahead: about as many as a core keeps on their way.
const AHEAD: usize = 32;
/// Rows put into a table together.
const ROWS: usize = 64;
/// Sites and lists have numbers below this.
const NUMBERS_MAX: usize = (u32::MAX >> 1) as usize;

/// What the sites of one snapshot list. [`crate::SiteIndex`] holds one; by itself it answers who lists an address.
#[derive(Debug)]
pub struct RadioIndex {
    /// (bits shared, blocks by their first address), the longest prefix first.
    blocks: Vec<(u8, RadioTable)>,
    beacons: Beacons,
    terminals: Listings<Arc<str>>,
    ids: HashMap<Arc<str>, SiteIndex, RandomState>,
    shared: Shared,
}

/// Who lists an address: nobody, one site, or several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed(u32);

/// The sites that list an address.
#[derive(Clone, Copy, Debug)]
pub enum Sites<'a> {
    /// One site.
    One([SiteIndex; 1]),
    /// None or several, in the order of the snapshot.
    Several(&'a [SiteIndex]),
}

/// Beacons by (number of their UUID, major, minor), 48 bits together; a chain has few UUIDs.
#[derive(Debug)]
struct Beacons {
    uuids: HashMap<u128, u16, RandomState>,
    table: RadioTable,
    /// Those whose UUID came too late for a number of 16 bits.
    others: HashMap<BeaconId, Listed, RandomState>,
}

/// Lists of sites that list the same address.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    sites: Vec<SiteIndex>,
    /// Where each list ends.
    ends: Vec<u32>,
}

/// For each key the sites that list it.
#[derive(Debug)]
struct Listings<K> {
    ranges: HashMap<K, (u32, u32), RandomState>,
    sites: Vec<SiteIndex>,
}

impl Listed {
    /// By nobody.
    pub const NOBODY: Self = Self(0);

    /// By that site alone.
    pub(crate) const fn site(site: SiteIndex) -> Self {
        Self((site.0 + 1) << 1)
    }

    /// By the sites of that list.
    pub(crate) const fn list(number: u32) -> Self {
        Self((number + 1) << 1 | 1)
    }

    /// The list's number, if several sites list it.
    pub(crate) const fn list_number(self) -> Option<u32> {
        if self.0 & 1 == 1 { Some((self.0 >> 1) - 1) } else { None }
    }

    /// Whether nobody lists it.
    pub const fn is_nobody(self) -> bool {
        self.0 == 0
    }
}

impl Sites<'_> {
    /// The sites, in the order of the snapshot.
    pub fn as_slice(&self) -> &[SiteIndex] {
        match self {
            Self::One(site) => site,
            Self::Several(sites) => sites,
        }
    }
}

impl RadioIndex {
    /// Indexes what the sites of `reference` list.
    ///
    /// # Panics
    /// If there are 2³¹ sites or more, or 2³² access points or more.
    pub fn build(reference: &Reference) -> Self {
        let sites = || reference.sites.iter().enumerate().map(|(at, site)| (SiteIndex(at as u32), site));
        let mut shared = Shared::default();
        let listed = || sites().flat_map(|(at, site)| site.bssids.iter().map(move |block| (*block, at)));
        let mut counts = [0_usize; 49];
        listed().for_each(|(block, _)| counts[usize::from(block.prefix_bits())] += 1);
        let lengths = (0..=48_u8).rev().filter(|bits| counts[usize::from(*bits)] > 0);
        let blocks = lengths.map(|bits| {
            let rows = listed().filter(|(block, _)| block.prefix_bits() == bits && may_be_seen(*block));
            let rows = rows.map(|(block, at)| (block.first().bits(), at));
            (bits, table(counts[usize::from(bits)], sites().len(), rows, &mut shared))
        });
        let blocks = blocks.collect();
        let terminals =
            sites().flat_map(|(at, site)| site.terminals.iter().map(move |id| (Arc::clone(id), at)));
        Self {
            blocks,
            beacons: Beacons::build(reference, &mut shared),
            terminals: Listings::build(terminals.collect()),
            ids: sites().map(|(at, site)| (Arc::clone(&site.site_id), at)).collect(),
            shared,
        }
    }

    /// Puts into `found`, for each of `seen`, who lists it at the longest prefix at which anybody does.
    pub fn access_points(&self, seen: &[AccessPoint], found: &mut Vec<Listed>) {
        found.clear();
        let blocks = match self.blocks.as_slice() {
            // Of addresses listed by themselves none is a placeholder.
            [(48, table), blocks @ ..] => {
                look_up(table, seen, found);
                blocks
            }
            blocks => {
                found.resize(seen.len(), Listed::NOBODY);
                blocks
            }
        };
        if blocks.is_empty() {
            return;
        }
        let mut waiting = [0_u16; GROUP];
        for (seen, found) in seen.chunks(GROUP).zip(found.chunks_mut(GROUP)) {
            let mut count = 0;
            for (at, (seen, found)) in seen.iter().zip(&*found).enumerate() {
                waiting[count] = at as u16;
                count += usize::from(found.is_nobody() & !seen.bssid.is_placeholder());
            }
            for (bits, table) in blocks {
                if count == 0 {
                    break;
                }
                count = sweep(table, prefix_mask(*bits), seen, &mut waiting[..count], found);
            }
        }
    }

    /// Who lists the access point at the longest prefix at which `in_force` holds for any of them; some of them may not
    /// be in force.
    pub fn access_point(&self, bssid: Bssid, in_force: impl Fn(SiteIndex) -> bool) -> Listed {
        if bssid.is_placeholder() {
            return Listed::NOBODY;
        }
        // All lines are on their way before the first is read.
        for (bits, table) in &self.blocks {
            table.fetch(table.home(bssid.bits() & prefix_mask(*bits)));
        }
        let listed = self.blocks.iter().map(|(bits, table)| {
            let key = bssid.bits() & prefix_mask(*bits);
            Listed(table.get(key, table.home(key)))
        });
        let any = |listed: &Listed| self.sites(*listed).as_slice().iter().any(|site| in_force(*site));
        listed.into_iter().find(any).unwrap_or(Listed::NOBODY)
    }

    /// Puts into `found`, for each of `seen`, who lists it.
    pub fn beacons(&self, seen: &[Beacon], found: &mut Vec<Listed>) {
        found.clear();
        found.extend(seen.iter().map(|beacon| self.beacons.get(beacon.id)));
    }

    /// The sites, in the order of the snapshot.
    #[inline]
    pub fn sites(&self, listed: Listed) -> Sites<'_> {
        match listed.0 {
            0 => Sites::Several(&[]),
            bits if bits & 1 == 0 => Sites::One([SiteIndex((bits >> 1) - 1)]),
            bits => Sites::Several(self.shared.list((bits >> 1) - 1)),
        }
    }

    /// Who lists the block of that many shared bits that begins with `first`.
    pub(crate) fn listed_at(&self, bits: u8, first: u64) -> Listed {
        let of_length = self.blocks.iter().find(|(length, _)| *length == bits);
        of_length.map_or(Listed::NOBODY, |(_, table)| Listed(table.get(first, table.home(first))))
    }

    /// The prefix lengths at which anybody lists a block.
    pub(crate) fn prefixes(&self) -> impl Iterator<Item = u8> {
        self.blocks.iter().map(|(bits, _)| *bits)
    }

    /// Who lists the beacon.
    pub(crate) fn beacon(&self, id: BeaconId) -> Listed {
        self.beacons.get(id)
    }

    /// How many lists of sites there are: their numbers lie below.
    pub(crate) fn lists(&self) -> u32 {
        self.shared.ends.len() as u32
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

/// Looks up all of `seen` by themselves, the lines of so many asked for before those of the ones before are read.
fn look_up(table: &RadioTable, seen: &[AccessPoint], found: &mut Vec<Listed>) {
    let ask = |seen: &[AccessPoint], homes: &mut [Home; AHEAD]| {
        for (seen, home) in seen.iter().zip(homes) {
            *home = table.home(seen.bssid.bits());
            table.fetch(*home);
        }
    };
    let (mut homes, mut following) = ([Home::default(); AHEAD], [Home::default(); AHEAD]);
    let (mut homes, mut following) = (&mut homes, &mut following);
    let mut chunks = seen.chunks(AHEAD);
    let mut chunk = chunks.next().unwrap_or_default();
    ask(chunk, homes);
    while !chunk.is_empty() {
        let next = chunks.next().unwrap_or_default();
        ask(next, following);
        let listed = chunk.iter().zip(&*homes).map(|(seen, home)| table.get(seen.bssid.bits(), *home));
        found.extend(listed.map(Listed));
        std::mem::swap(&mut homes, &mut following);
        chunk = next;
    }
}

/// Looks up those of `seen` that wait at one prefix length, each line asked for `AHEAD` addresses before it is read.
/// How many wait on: `waiting` begins with them.
fn sweep(
    table: &RadioTable,
    mask: u64,
    seen: &[AccessPoint],
    waiting: &mut [u16],
    found: &mut [Listed],
) -> usize {
    let key = |at: u16| seen[usize::from(at)].bssid.bits() & mask;
    let asked = |at: u16| {
        let home = table.home(key(at));
        table.fetch(home);
        home
    };
    let mut homes = [Home::default(); AHEAD];
    waiting.iter().zip(&mut homes).for_each(|(at, home)| *home = asked(*at));
    let mut left = 0;
    for place in 0..waiting.len() {
        let at = waiting[place];
        let listed = table.get(key(at), homes[place % AHEAD]);
        if let Some(next) = waiting.get(place + AHEAD) {
            homes[place % AHEAD] = asked(*next);
        }
        found[usize::from(at)] = Listed(listed);
        // Those not found move up, without a branch that nobody could foresee.
        waiting[left] = at;
        left += usize::from(listed == 0);
    }
    left
}

/// The bits that all addresses of a block share.
pub(crate) const fn prefix_mask(bits: u8) -> u64 {
    ((1 << bits) - 1) << (48 - bits)
}

/// Whether a scan may hold the block's address; a wider block than one address may hold some that it may.
pub(crate) fn may_be_seen(block: BssidBlock) -> bool {
    block.prefix_bits() < 48 || !block.first().is_placeholder()
}

/// A table over at most `count` rows of (key, site); keys that several sites list get a list of `shared`.
fn table(
    count: usize,
    sites: usize,
    rows: impl Iterator<Item = (u64, SiteIndex)>,
    shared: &mut Shared,
) -> RadioTable {
    // A list needs two rows.
    let numbers = sites.max(shared.ends.len() + count / 2);
    assert!(numbers < NUMBERS_MAX, "a snapshot holds fewer than 2^31 sites and 2^32 access points");
    let number_max = Listed::list(numbers as u32).0;
    let mut table = RadioTable::with_room(count, number_max);
    let mut repeated: Vec<(u64, SiteIndex)> = Vec::new();
    let mut waiting = Vec::with_capacity(ROWS);
    let mut put = |waiting: &mut Vec<(u64, SiteIndex)>| {
        waiting.iter().for_each(|(key, _)| table.fetch(table.home(*key)));
        for (key, site) in waiting.drain(..) {
            let listed = Listed::site(site).0;
            if let Some(before) = table.insert(key, listed).filter(|before| *before != listed) {
                repeated.extend([(key, SiteIndex((before >> 1) - 1)), (key, site)]);
            }
        }
    };
    for row in rows {
        waiting.push(row);
        if waiting.len() == ROWS {
            put(&mut waiting);
        }
    }
    put(&mut waiting);
    repeated.sort_unstable();
    repeated.dedup();
    for group in repeated.chunk_by(|a, b| a.0 == b.0) {
        let list = Listed::list(shared.push(group.iter().map(|(_, site)| *site)));
        table.replace(group[0].0, list.0);
    }
    table
}

impl Shared {
    /// The number of a list with those sites.
    pub(crate) fn push(&mut self, sites: impl Iterator<Item = SiteIndex>) -> u32 {
        self.sites.extend(sites);
        self.ends.push(self.sites.len() as u32);
        self.ends.len() as u32 - 1
    }

    pub(crate) fn list(&self, number: u32) -> &[SiteIndex] {
        let from = number.checked_sub(1).map_or(0, |before| self.ends[before as usize]);
        &self.sites[from as usize..self.ends[number as usize] as usize]
    }
}

impl Beacons {
    fn build(reference: &Reference, shared: &mut Shared) -> Self {
        let sites = || reference.sites.iter().enumerate().map(|(at, site)| (SiteIndex(at as u32), site));
        let listed = || sites().flat_map(|(at, site)| site.beacons.iter().map(move |id| (*id, at)));
        let mut uuids: HashMap<u128, u16, RandomState> = HashMap::default();
        for (id, _) in listed() {
            if let Ok(number) = u16::try_from(uuids.len()) {
                uuids.entry(id.uuid).or_insert(number);
            }
        }
        let rows = listed().filter_map(|(id, at)| Some((key(&uuids, id)?, at)));
        let table = table(listed().count(), reference.sites.len(), rows, shared);
        let mut left: Vec<_> = listed().filter(|(id, _)| !uuids.contains_key(&id.uuid)).collect();
        left.sort_unstable();
        left.dedup();
        let groups = left.chunk_by(|a, b| a.0 == b.0);
        let mut list = |group: &[(BeaconId, SiteIndex)]| shared.push(group.iter().map(|(_, site)| *site));
        let others = groups.map(|group| (group[0].0, Listed::list(list(group)))).collect();
        Self { uuids, table, others }
    }

    fn get(&self, id: BeaconId) -> Listed {
        match key(&self.uuids, id) {
            Some(key) => Listed(self.table.get(key, self.table.home(key))),
            None => self.others.get(&id).copied().unwrap_or(Listed::NOBODY),
        }
    }
}

/// A beacon in 48 bits, where its UUID has a number.
fn key(uuids: &HashMap<u128, u16, RandomState>, id: BeaconId) -> Option<u64> {
    let number = uuids.get(&id.uuid)?;
    Some(u64::from(*number) << 32 | u64::from(id.major) << 16 | u64::from(id.minor))
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

#[cfg(test)]
#[path = "radio_index_tests.rs"]
mod tests;
