//! Question: how long does it take to find who lists an access point among 10 and 20 million, alone and a batch at a time,
//! where most are listed and where most are not; how many bytes does a listing take, and how long does building take?
//!
//! Sites list 20 addresses each, runs of four under 2,000 makers, and one in five sites a block of sixteen more, so that
//! an address nobody lists is looked for twice. A batch is 1,000 scans of four addresses. "Hits" are scans of a random
//! site's addresses, one in twenty of them from its block; "30 %" has seven of ten addresses that (almost surely) nobody
//! lists, under the same makers. Seed fixed; scans are made beforehand, many times what the caches hold.
//!
//! The peer is `hashbrown` with `foldhash`, one map for addresses and one for blocks, asked in the same order; rounds of
//! both alternate, the least and the middle round are told. Answers are compared, and their hash is printed.
//! `single` asks one address after the other without waiting for its answer, as a loop does; `waited` makes each address
//! depend on the answer before, which is what one look-up takes by itself; `timed` holds single look-ups timed one by one,
//! with one reading of the clock (`timer`) in each.

#![allow(clippy::print_stdout, reason = "a benchmark's answer is what it prints")]

use std::hint::black_box;
use std::time::Instant;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use hdrhistogram::Histogram;
use hot::{Counting, MAKERS, address, is_tiny, maker};
use matcher::{Listed, RadioIndex};
use model::{AccessPoint, Bssid, BssidBlock, Fence, LonLat, Reference, Site, SiteIndex};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Addresses a site lists, and of how many sites one lists a block.
const PER_SITE: u64 = 20;
const BLOCK_ONE_IN: u64 = 5;
/// Addresses of a batch: 1,000 scans of four.
const BATCH: usize = 4_000;

/// SplitMix64: the same everywhere.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
    }
}

fn bssid(bits: u64) -> Bssid {
    Bssid::from_bits(bits).expect("24 bits of maker and 24 of device are 48")
}

/// The block of the site with that number.
fn block(site: u64) -> u64 {
    (0x0e_0000 + site / 0x10_0000) << 24 | (site % 0x10_0000) << 4
}

/// Sites that list `listed` addresses together, of each site's no more than `kept`.
fn snapshot(listed: u64, kept: usize) -> Reference {
    let site = |number: u64| Site {
        site_id: "".into(),
        name: "".into(),
        org: "".into(),
        time_zone: jiff::tz::TimeZone::UTC,
        time_zone_name: "".into(),
        fence: Fence::Circle { centre: LonLat::new(114.0, 22.0).expect("a point on land"), radius_m: 50.0 },
        tolerance_m: None,
        policy: None,
        bssids: blocks(number).take(kept).collect(),
        beacons: Vec::new(),
        terminals: Vec::new(),
        managers: Vec::new(),
        valid_from: None,
        valid_to: None,
    };
    Reference { sites: (0..listed / PER_SITE).map(site).collect(), ..Reference::default() }
}

fn blocks(site: u64) -> impl Iterator<Item = BssidBlock> {
    let addresses = (0..PER_SITE).map(move |at| (address(site * PER_SITE + at), 48));
    let block = site.is_multiple_of(BLOCK_ONE_IN).then(|| (bssid(block(site)), 44));
    addresses.chain(block).map(|(first, bits)| BssidBlock::new(first, bits).expect("bits behind 44 are zero"))
}

/// Scans of four addresses, `hits_of_ten` of ten of them listed.
fn scans(listed: u64, hits_of_ten: u64, count: usize) -> Vec<AccessPoint> {
    let mut numbers = Numbers(20_261_123);
    let sites = listed / PER_SITE;
    let mut scans = Vec::with_capacity(count);
    while scans.len() < count {
        let site = numbers.below(sites);
        for _ in 0..4 {
            let bssid = match numbers.below(10) < hits_of_ten {
                true if site.is_multiple_of(BLOCK_ONE_IN) && numbers.below(4) == 0 => {
                    bssid(block(site) | numbers.below(16))
                }
                true => address(site * PER_SITE + numbers.below(PER_SITE)),
                false => bssid(maker(numbers.below(MAKERS)) << 24 | numbers.below(1 << 24)),
            };
            scans.push(AccessPoint { bssid, rssi_dbm: None, connected: false, age_ms: 0 });
        }
    }
    scans
}

/// The peer.
struct Maps {
    addresses: HashMap<u64, u32, RandomState>,
    blocks: HashMap<u64, u32, RandomState>,
}

impl Maps {
    fn build(reference: &Reference) -> Self {
        let listed = || {
            let rows = reference.sites.iter().zip(0_u32..);
            rows.flat_map(|(site, at)| site.bssids.iter().map(move |block| (block, at)))
        };
        let of = |bits: u8| {
            let rows = || listed().filter(move |(block, _)| block.prefix_bits() == bits);
            let mut map = HashMap::with_capacity_and_hasher(rows().count(), RandomState::default());
            map.extend(rows().map(|(block, at)| (block.first().bits() >> (48 - bits), at)));
            map
        };
        Self { addresses: of(48), blocks: of(44) }
    }

    fn get(&self, bssid: Bssid) -> Option<SiteIndex> {
        let bits = bssid.bits();
        self.addresses.get(&bits).or_else(|| self.blocks.get(&(bits >> 4))).copied().map(SiteIndex)
    }
}

fn site(index: &RadioIndex, listed: Listed) -> u64 {
    index.sites(listed).as_slice().first().map_or(0, |site| u64::from(site.0) + 1)
}

/// A hash of answers in their order.
fn added(hash: u64, answer: u64) -> u64 {
    (hash ^ answer).wrapping_mul(0x0100_0000_01b3)
}

/// Nanoseconds an address of the least and of the middle round.
struct Rounds {
    name: &'static str,
    ns: Vec<f64>,
    hash: u64,
}

impl Rounds {
    fn new(name: &'static str) -> Self {
        Self { name, ns: Vec::new(), hash: 0 }
    }

    fn run(&mut self, count: usize, work: impl FnOnce() -> u64) {
        let begun = Instant::now();
        self.hash = black_box(work());
        self.ns.push(begun.elapsed().as_nanos() as f64 / count as f64);
    }

    fn tell(&mut self, what: &str) -> f64 {
        self.ns.sort_by(f64::total_cmp);
        let middle = self.ns[self.ns.len() / 2];
        println!(
            "{what:<14} {:<18} min {:>6.1}  p50 {middle:>6.1}  ns an address, hash {:016x}",
            self.name, self.ns[0], self.hash
        );
        middle
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 10_000_000_000, 3).expect("constant bounds are valid: 1 ns to 10 s")
}

fn tell(what: &str, name: &str, times: &Histogram<u64>, unit: f64) {
    let at = |quantile| times.value_at_quantile(quantile) as f64 / unit;
    println!(
        "{what:<14} {name:<18} n {:>8}  mean {:>6.1}  p50 {:>6.1}  p99 {:>6.1}  p99.9 {:>7.1}  max {:>9.1}  ns",
        times.len(),
        times.mean() / unit,
        at(0.5),
        at(0.99),
        at(0.999),
        times.max() as f64 / unit
    );
}

/// Rounds of both, alternating, over the same scans.
fn compare(what: &str, index: &RadioIndex, maps: &Maps, scans: &[AccessPoint], rounds: usize) {
    let mut found = Vec::new();
    let mut batches = histogram();
    let [mut batch, mut single, mut waited, mut map, mut map_waited] =
        ["batch", "single", "waited", "hashbrown single", "hashbrown waited"].map(Rounds::new);
    let everywhere = |_: SiteIndex| true;
    for _ in 0..rounds {
        batch.run(scans.len(), || {
            scans.chunks(BATCH).fold(0, |hash, scans| {
                let begun = Instant::now();
                index.access_points(scans, &mut found);
                batches.saturating_record((begun.elapsed().as_nanos() * 10 / scans.len() as u128) as u64);
                found.iter().fold(hash, |hash, listed| added(hash, site(index, *listed)))
            })
        });
        single.run(scans.len(), || {
            let of = |seen: &AccessPoint| site(index, index.access_point(seen.bssid, everywhere));
            scans.iter().fold(0, |hash, seen| added(hash, of(seen)))
        });
        map.run(scans.len(), || {
            let of = |seen: &AccessPoint| maps.get(seen.bssid).map_or(0, |site| u64::from(site.0) + 1);
            scans.iter().fold(0, |hash, seen| added(hash, of(seen)))
        });
        waited.run(scans.len(), || chain(scans, |bssid| site(index, index.access_point(bssid, everywhere))));
        map_waited.run(scans.len(), || {
            chain(scans, |bssid| maps.get(bssid).map_or(0, |site| u64::from(site.0) + 1))
        });
    }
    assert!(batch.hash == single.hash && single.hash == map.hash, "all answer alike");
    assert_eq!(waited.hash, map_waited.hash, "all answer alike");
    let ours = batch.tell(what);
    single.tell(what);
    let peer = map.tell(what);
    let (ours_waited, peer_waited) = (waited.tell(what), map_waited.tell(what));
    println!(
        "{what:<14} hashbrown / ours: {:.2} (batch), {:.2} (waited)",
        peer / ours,
        peer_waited / ours_waited
    );
    tell(what, "batches, mean of", &batches, 10.0);
    let (mut timed, mut timer) = (histogram(), histogram());
    for seen in scans.iter().take(2_000_000) {
        let begun = Instant::now();
        black_box(index.access_point(seen.bssid, everywhere));
        let until = Instant::now();
        timed.saturating_record((until - begun).as_nanos() as u64);
        timer.saturating_record(until.elapsed().as_nanos() as u64);
    }
    tell(what, "timed", &timed, 1.0);
    tell(what, "timer", &timer, 1.0);
}

/// Each address is asked for only when the answer before is known, though which one it is does not depend on it.
fn chain(scans: &[AccessPoint], get: impl Fn(Bssid) -> u64) -> u64 {
    scans.iter().fold(0, |before, seen| {
        // The compiler cannot know that no hash is this one, the processor not before it has it.
        let bits = seen.bssid.bits() ^ u64::from(before == black_box(0x5bd1_e995));
        added(before, get(bssid(bits)))
    })
}

fn main() {
    let chosen = std::env::var("MUSTER_BENCH_RADIOS").ok().and_then(|text| text.parse().ok());
    let (sizes, asked, rounds) = match chosen {
        _ if is_tiny() => (vec![20_000], 8_000, 1),
        Some(size) => (vec![size], 2_000_000, 5),
        None => (vec![10_000_000, 20_000_000], 4_000_000, 7),
    };
    for listed in sizes {
        let reference = snapshot(listed, 0);
        let before = Counting::live();
        // Sites without any access point are found by their id: that is no access point's.
        let index = RadioIndex::build(&reference);
        let ids = Counting::live() - before;
        drop((index, reference));
        let before = Counting::live();
        let reference = snapshot(listed, usize::MAX);
        let rows: usize = reference.sites.iter().map(|site| site.bssids.len()).sum();
        let lists: usize =
            reference.sites.iter().map(|site| site.bssids.capacity() * size_of::<BssidBlock>()).sum();
        let whole = Counting::live() - before;
        let (mut index, mut seconds) = (None, Vec::new());
        for _ in 0..3 {
            drop(index.take());
            let begun = Instant::now();
            index = Some(RadioIndex::build(&reference));
            seconds.push(begun.elapsed().as_secs_f64());
        }
        seconds.sort_by(f64::total_cmp);
        let index = index.expect("built three times");
        let bytes = Counting::live() - before - whole - ids;
        let begun = Instant::now();
        let maps = Maps::build(&reference);
        let peer_seconds = begun.elapsed().as_secs_f64();
        let peer_bytes = Counting::live() - before - whole - ids - bytes;
        let each = |bytes: usize| bytes as f64 / rows as f64;
        println!(
            "radios: {rows} access points and blocks of {} sites; index {:.1} B each, built in {:.2} s (min of 3); \
             hashbrown {:.1} B each, {peer_seconds:.2} s; the snapshot's own lists {:.1} B each",
            reference.sites.len(),
            each(bytes),
            seconds[0],
            each(peer_bytes),
            each(lists)
        );
        for (name, hits_of_ten) in [("hits", 10), ("30 %", 3)] {
            let scans = scans(listed, hits_of_ten, asked);
            compare(&format!("{} M, {name}", listed / 1_000_000), &index, &maps, &scans, rounds);
        }
    }
}
