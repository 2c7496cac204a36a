//! Question: how long does it take to load and index reference data from nothing, on one thread and on two; how long from a
//! changed file to a world by which punches can be judged, when one fence moved or one site has a hundred new access points;
//! and what does a punch cost while such changes are carried beside the base?
//!
//! The world is `hot::Cities` written to one GeoJSON file, 20 access points a site, without people: `MUSTER_BENCH_FENCES`
//! (100,000 unless told otherwise) and 20 times as many access points. A change writes the file anew and renames it into
//! place, which is not timed; timed are a look at the files, the load, whether the new snapshot may take the old one's place,
//! its roster and its index: all that `muster run` does between seeing the change and swapping, on one thread. Changes are
//! made in turns, the least and the middle of the rounds are told.
//!
//! `punch` matches batches of 1,000 punches with a fix and four access points each, in turns by an index without changes, by
//! one with a moved fence and a hundred access points beside the base, and by one with 2,000 changed sites. The hash is of
//! all verdicts by the index with changes, which are compared with those by an index built from the same snapshot.

#![allow(clippy::print_stdout, reason = "a benchmark's answer is what it prints")]

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use attendance::Roster;
use hot::{BATCH_RECORDS, Cities, Fingerprint, is_tiny};
use matcher::{Scratch, SiteIndex};
use model::{
    AccessPoint, Batch, Bssid, BssidBlock, DueBatch, Fence, NextOffset, Partition, Reference, Verdicts,
};
use reference::{Loader, Sources};

/// Access points a site lists.
const PER_SITE: usize = 20;
/// How many more the changed site gets.
const MORE: u64 = 100;
const CHANGES: usize = 9;
const MANY: usize = 2_000;
const ROUNDS: usize = 8;
const BATCHES: usize = 50;

fn bssid(number: u64) -> Bssid {
    // Even first octets, so that none names a group; from 1 on, so that none is what phones report in place of another.
    let bits = 0x0200_0000_0000 | (number + 1).wrapping_mul(0x9e37_79b9_7f4b) & 0xfcff_ffff_ffff;
    Bssid::from_bits(bits).expect("40 bits and a first octet are an address")
}

/// The addresses of a site; those behind the twentieth are nobody else's.
fn bssids(site: usize, count: usize) -> impl Iterator<Item = Bssid> {
    let more = (0..MORE).map(move |at| bssid((1 << 34) + (site as u64) * MORE + at));
    (0..PER_SITE).map(move |at| bssid((site * PER_SITE + at) as u64)).chain(more).take(count)
}

/// What is told of a site, apart from its place in the chain.
#[derive(Clone, Copy)]
struct Told {
    centre: (f64, f64),
    radius_m: f64,
    bssids: usize,
}

fn told(reference: &Reference) -> Vec<Told> {
    let of = |fence: &Fence| match fence {
        Fence::Circle { centre, radius_m } => ((centre.lon(), centre.lat()), *radius_m),
        Fence::Polygons(_) => unreachable!("cities of circles were asked for"),
    };
    let sites = reference.sites.iter().map(|site| of(&site.fence));
    sites.map(|(centre, radius_m)| Told { centre, radius_m, bssids: PER_SITE }).collect()
}

fn put(path: &Path, sites: &[Told]) {
    let mut text = String::with_capacity(sites.len() * 640);
    text.push_str("{\"type\":\"FeatureCollection\",\"features\":[\n");
    for (at, Told { centre: (lon, lat), radius_m, bssids: count }) in sites.iter().enumerate() {
        let head = if at == 0 { "" } else { ",\n" };
        write!(
            text,
            "{head}{{\"type\":\"Feature\",\"geometry\":{{\"type\":\"Point\",\"coordinates\":[{lon},{lat}]}},\
             \"properties\":{{\"site_id\":\"s{at:07}\",\"org\":\"hk\",\"time_zone\":\"UTC\",\"radius_m\":{radius_m},\"bssids\":["
        )
        .expect("a string takes what is written");
        for (place, bssid) in bssids(at, *count).enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(text, "{comma}\"{bssid}\"").expect("a string takes what is written");
        }
        text.push_str("]}}");
    }
    text.push_str("\n]}\n");
    let new = path.with_extension("new");
    std::fs::write(&new, text).expect("the temporary folder takes a file");
    std::fs::rename(new, path).expect("a file of one folder is renamed within it");
}

/// A snapshot with its indexes, as a worker has them.
struct World {
    reference: Arc<Reference>,
    roster: Roster,
    sites: SiteIndex,
}

/// What `muster run` does from seeing a change to the swap.
fn reload(loader: &mut Loader, before: &World) -> (World, Duration) {
    let begun = Instant::now();
    let _ = loader.look();
    let reference = loader.load().reference.expect("the change is good");
    reference::accept(&before.reference, &reference).expect("nothing is lost");
    let roster = before.roster.with_sites_of(&reference).expect("only sites changed");
    let sites = before.sites.with_changes(&before.reference, &reference).expect("few sites changed");
    (World { reference, roster, sites }, begun.elapsed())
}

/// The least and the middle.
fn least_and_middle(mut all: Vec<f64>) -> (f64, f64) {
    all.sort_unstable_by(f64::total_cmp);
    (all[0], all[all.len() / 2])
}

fn timed<T>(make: impl FnOnce() -> T) -> (T, f64) {
    let begun = Instant::now();
    let made = make();
    (made, begun.elapsed().as_secs_f64())
}

fn main() {
    let asked = std::env::var("MUSTER_BENCH_FENCES").ok().and_then(|text| text.parse().ok());
    let fences = if is_tiny() { 3_000 } else { asked.unwrap_or(100_000) };
    let (changes, rounds, batches) = if is_tiny() { (2, 2, 2) } else { (CHANGES, ROUNDS, BATCHES) };
    let mut cities = Cities::make(fences, 0);
    let mut sites = told(&cities.reference);
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    let path = folder.path().join("sites.geojson");
    put(&path, &sites);
    let bytes = std::fs::metadata(&path).expect("it was just written").len();
    println!("snapshots: {fences} fences, {} access points, a file of {bytes} bytes", fences * PER_SITE);

    let mut loader = Loader::new(Sources { sites: vec![path.clone()], ..Sources::default() });
    let (loaded, load_s) = timed(|| loader.load());
    let reference = loaded.reference.expect("a good chain");
    let (one, one_s) = timed(|| SiteIndex::build(&reference));
    drop(one);
    let (two, two_s) = timed(|| SiteIndex::build_on_two(&reference));
    println!("from nothing: load {load_s:.2} s; index {one_s:.2} s on one thread, {two_s:.2} s on two");
    let roster = Roster::new(Arc::clone(&reference));
    let mut world = World { reference, roster, sites: two };

    let mut took = [Vec::new(), Vec::new()];
    for change in 0..changes {
        let at = (change * 7_919 + 11) % fences;
        sites[at].centre.1 += 0.000_5;
        put(&path, &sites);
        let (next, moved) = reload(&mut loader, &world);
        let other = (change * 104_729 + 5) % fences;
        sites[other].bssids = PER_SITE + MORE as usize;
        put(&path, &sites);
        let (next, listed) = reload(&mut loader, &next);
        took[0].push(moved.as_secs_f64() * 1e3);
        took[1].push(listed.as_secs_f64() * 1e3);
        world = next;
    }
    println!("carried beside the base: {} fences and listings", world.sites.changes());
    for (what, took) in ["a moved fence", "100 new access points"].into_iter().zip(took) {
        let (least, middle) = least_and_middle(took);
        println!("change to live, {what}: least {least:.0} ms, middle {middle:.0} ms");
    }
    punches(&mut cities, &world, (rounds, batches));
}

/// The snapshot with the first `count` sites a little larger, and an access point more each.
fn changed(reference: &Reference, count: usize) -> Reference {
    let mut next = reference.clone();
    next.version = format!("{} and {count}", reference.version).into();
    for at in 0..count.min(next.sites.len() / 2) {
        let mut site = (*next.sites[at]).clone();
        if let Fence::Circle { radius_m, .. } = &mut site.fence {
            *radius_m += 1.0;
        }
        site.bssids.extend(BssidBlock::new(bssid((1 << 35) + at as u64), 48));
        next.sites[at] = Arc::new(site);
    }
    next
}

fn punches(cities: &mut Cities, world: &World, (rounds, batches): (usize, usize)) {
    let many = changed(&world.reference, MANY);
    let with_many = world.sites.with_changes(&world.reference, &many).expect("few enough sites changed");
    let without = SiteIndex::build(&world.reference);
    let work: Vec<(Batch, DueBatch)> = (0..batches).map(|_| batch(cities)).collect();
    let indexes = [
        ("without changes", &without, &*world.reference),
        ("with few changes", &world.sites, &*world.reference),
        ("with many changes", &with_many, &many),
    ];
    let mut times = [const { Vec::new() }; 3];
    let mut prints = [Fingerprint::default(); 3];
    let (mut scratch, mut out) = (Scratch::default(), Verdicts::default());
    let mut copy = Batch::new(Partition::new(0), NextOffset::START);
    for _ in 0..rounds {
        prints = [Fingerprint::default(); 3];
        for ((times, print), (_, index, reference)) in times.iter_mut().zip(&mut prints).zip(&indexes) {
            let mut took = Duration::ZERO;
            for (batch, due) in &work {
                copy.clone_from(batch);
                let begun = Instant::now();
                index.match_batch(reference, &copy, due, &mut scratch, &mut out);
                took += begun.elapsed();
                print.add(&out.rows);
            }
            times.push(took.as_nanos() as f64 / (work.len() * BATCH_RECORDS) as f64);
        }
    }
    assert_eq!(prints[0], prints[1], "an index with changes answers as one built anew");
    for (times, (what, index, _)) in times.into_iter().zip(indexes) {
        let (least, middle) = least_and_middle(times);
        println!("punch, {what} ({}): least {least:.0} ns, middle {middle:.0} ns", index.changes());
    }
    println!("snapshots: hash {}", prints[1]);
}

/// A batch of punches by GPS that also heard four access points of a site each.
fn batch(cities: &mut Cities) -> (Batch, DueBatch) {
    let mut batch = Batch::new(Partition::new(0), NextOffset::START);
    let mut due = DueBatch::default();
    cities.fill(BATCH_RECORDS, &mut batch, &mut due);
    let sites = cities.reference.sites.len();
    for (at, row) in due.rows.iter().enumerate() {
        let site = row.scheduled.map_or(at % sites, |site| site.0 as usize);
        let from = batch.access_points.len() as u32;
        let heard =
            bssids(site, 4).map(|bssid| AccessPoint { bssid, rssi_dbm: None, connected: false, age_ms: 0 });
        batch.access_points.extend(heard);
        batch.punches[at].wifi = from..batch.access_points.len() as u32;
    }
    (batch, due)
}
