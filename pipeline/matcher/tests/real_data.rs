//! Real access points in a real mall, and a real chain whose shops stand side by side.
//!
//! The records are read from `$MUSTER_DATA` and never copied; without it each test says in one line that it is skipped.
//! Scans, their positions and the outlines of shops were recorded by others; that a shop lists what was heard near it, and
//! that a scan is a punch, is ours.
//!
//! Access points are surveyed from one half of the paths walked through the mall and tried on the other half.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "test code outside of `#[test]` functions")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::PathBuf;

use geo::{Distance, Euclidean, Point, Polygon};
use geographiclib_rs::{Geodesic, InverseGeodesic};
use model::{
    AccessPoint, Batch, Bssid, BssidBlock, Datum, Due, DueBatch, EventTime, EvidenceSet, Fence, Fix, LonLat,
    Place, Platform, Policy, Reason, Reference, Site, SiteIndex as SiteAt, Verdict, Verdicts,
};
use serde_json::Value;
use support::Numbers;

const FLOORS: [&str; 3] = ["B1", "F1", "F2"];
/// A neighbour nearer than this could explain a scan, in metres.
const NEIGHBOUR_M: f64 = 20.0;
/// What a survey takes for near, in dBm, and fresh, in ms (the policy's own default).
const STRONG_DBM: i16 = -70;
const FRESH_MS: u32 = 10_000;
/// Flat metres around the mall.
const MALL: (f64, f64) = (120.0745, 30.2930);

fn data(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("MUSTER_DATA");
    if folder.is_none() {
        println!("skipped: MUSTER_DATA is not set ({name})");
    }
    Some(PathBuf::from(folder?).join(name))
}

fn unpacked(path: PathBuf) -> String {
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
    // Names of networks are in whatever encoding their owners chose.
    String::from_utf8_lossy(&bytes).into_owned()
}

fn json(path: PathBuf) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn lon_lat(pair: &Value) -> (f64, f64) {
    (pair[0].as_f64().unwrap(), pair[1].as_f64().unwrap())
}

/// One punch without anything but what `bring` adds.
fn push(batch: &mut Batch, due: &mut DueBatch, fix: Option<Fix>, scan: &[AccessPoint], row: Due) {
    let mut punch = support::punch(batch, EventTime::from_us(0));
    batch.access_points.extend_from_slice(scan);
    punch.wifi.end = batch.access_points.len() as u32;
    punch.fix = fix;
    batch.punches.push(punch);
    due.rows.push(row);
}

fn circle(centre: LonLat, radius_m: f64) -> Fence {
    Fence::Circle { centre, radius_m }
}

fn exactly(bssid: Bssid) -> BssidBlock {
    BssidBlock::new(bssid, 48).unwrap()
}

/// One scan of the mall.
struct Scan {
    path: String,
    floor: &'static str,
    /// Where it was taken, in flat metres.
    at: Point<f64>,
    seen: Vec<AccessPoint>,
}

impl Scan {
    fn fresh(&self) -> impl Iterator<Item = &AccessPoint> {
        self.seen.iter().filter(|seen| seen.age_ms <= FRESH_MS)
    }
}

fn flat(at: (f64, f64)) -> (f64, f64) {
    ((at.0 - MALL.0) * 111_320.0 * MALL.1.to_radians().cos(), (at.1 - MALL.1) * 110_850.0)
}

/// The scans of three floors whose place is known and not extrapolated, in the order of path and time.
fn scans() -> Option<Vec<Scan>> {
    let mut scans: BTreeMap<(String, i64), Scan> = BTreeMap::new();
    for row in unpacked(data("wifi/mall-scan-truth.csv.gz")?).lines().skip(1) {
        let cells: Vec<_> = row.split(',').collect();
        let Some(floor) = FLOORS.into_iter().find(|floor| *floor == cells[1]) else { continue };
        if cells[cells.len() - 1] == "0" {
            let at = flat((cells[6].parse().unwrap(), cells[7].parse().unwrap())).into();
            let path = cells[2].to_owned();
            scans.insert(
                (path.clone(), cells[3].parse().unwrap()),
                Scan { path, floor, at, seen: Vec::new() },
            );
        }
    }
    for floor in FLOORS {
        for line in unpacked(data(&format!("wifi/mall-{floor}.tsv.gz"))?).lines() {
            let cells: Vec<_> = line.split('\t').collect();
            let [path, taken, "TYPE_WIFI", _, bssid, rssi, _, last_seen] = cells[..] else { continue };
            let taken: i64 = taken.parse().unwrap();
            let Some(scan) = scans.get_mut(&(path.to_owned(), taken)) else { continue };
            let bssid = Bssid::parse(bssid.as_bytes()).unwrap();
            let age_ms = u32::try_from(taken - last_seen.parse::<i64>().unwrap()).unwrap_or(0);
            let rssi_dbm = Some(rssi.parse().unwrap());
            if !bssid.is_placeholder() {
                scan.seen.push(AccessPoint { bssid, rssi_dbm, connected: false, age_ms });
            }
        }
    }
    let scans: Vec<_> = scans.into_values().filter(|scan| !scan.seen.is_empty()).collect();
    assert!(scans.len() > 5_000, "{} scans", scans.len());
    Some(scans)
}

/// The scans of every other path, and those of the others.
fn halves(scans: Vec<Scan>) -> (Vec<Scan>, Vec<Scan>) {
    let paths: BTreeSet<String> = scans.iter().map(|scan| scan.path.clone()).collect();
    let surveyed: BTreeSet<&String> = paths.iter().step_by(2).collect();
    scans.into_iter().partition(|scan| surveyed.contains(&scan.path))
}

/// The verdicts on scans without a fix, as if each were a punch.
fn tried(sites: Vec<Site>, scans: &[Scan]) -> (Verdicts, Reference) {
    let reference = support::reference(sites, vec![Policy::default()]);
    let (mut batch, mut due) = (support::empty_batch(), DueBatch::default());
    for scan in scans {
        push(&mut batch, &mut due, None, &scan.seen, support::due());
    }
    (support::verdicts(&reference, &batch, &due), reference)
}

/// Beside the mall, a thousand sites list addresses of the same makers that differ from the mall's in one bit.
#[test]
fn the_mall_is_told_right_every_time() {
    let Some(scans) = scans() else { return };
    let heard: BTreeSet<Bssid> = scans.iter().flat_map(|scan| &scan.seen).map(|seen| seen.bssid).collect();
    let (surveyed, others) = halves(scans);
    let listed: BTreeSet<Bssid> = surveyed.iter().flat_map(Scan::fresh).map(|seen| seen.bssid).collect();
    let nowhere = LonLat::new(MALL.0, MALL.1).unwrap();
    let mut sites = vec![support::site("mall", circle(nowhere, 200.0))];
    sites[0].bssids = listed.iter().copied().map(exactly).collect();
    let alike = listed.iter().enumerate().filter_map(|(at, bssid)| {
        let other = Bssid::from_bits(bssid.bits() ^ 1 << (at % 24))?;
        (!heard.contains(&other) && !other.is_placeholder()).then_some(other)
    });
    for (at, bssid) in alike.enumerate() {
        let place = LonLat::new(MALL.0 + 0.01, MALL.1 + 0.000_01 * at as f64).unwrap();
        let mut site = support::site(&format!("other-{at:04}"), circle(place, 50.0));
        site.bssids.push(exactly(bssid));
        sites.push(site);
    }
    let (verdicts, _) = tried(sites, &others);
    for (verdict, scan) in verdicts.rows.iter().zip(&others) {
        assert!(scan.fresh().any(|seen| listed.contains(&seen.bssid)), "a scan of {}", scan.path);
        assert_eq!((verdict.place, verdict.site), (Place::Inside, Some(SiteAt(0))), "{verdict:?}");
        assert_eq!(verdict.evidence, EvidenceSet::WIFI);
        assert!(verdict.candidates.is_empty() && verdict.reasons.bits() == 0, "{verdict:?}");
    }
    println!("{} scans tried, {} access points surveyed", others.len(), listed.len());
}

/// A shop of the mall: its floor, its outline in flat metres.
struct Shop {
    floor: &'static str,
    outline: Polygon<f64>,
}

impl Shop {
    fn metres(&self, scan: &Scan) -> f64 {
        if self.floor == scan.floor { Euclidean.distance(&scan.at, &self.outline) } else { f64::INFINITY }
    }
}

fn shops() -> Option<Vec<Shop>> {
    let mut shops = Vec::new();
    for floor in FLOORS {
        let map = json(data(&format!("wifi/mall-{floor}-map.geojson"))?);
        for feature in map["features"].as_array().unwrap() {
            if feature["geometry"]["type"] != "Polygon" || feature["properties"]["name"].as_str().is_none() {
                continue;
            }
            let ring = feature["geometry"]["coordinates"][0].as_array().unwrap();
            let corners: Vec<_> = ring.iter().map(|corner| flat(lon_lat(corner))).collect();
            shops.push(Shop { floor, outline: Polygon::new(corners.into(), vec![]) });
        }
    }
    Some(shops)
}

/// Chains of 8 to 40 shops: each lists what was heard strongly within 20 m of it. A shop is named for a scan only if no
/// other of the chain's shops is within 20 m of where the scan was taken.
#[test]
fn no_shop_is_sworn_to_that_a_neighbour_could_explain() {
    let (Some(scans), Some(shops)) = (scans(), shops()) else { return };
    let (surveyed, others) = halves(scans);
    let mut numbers = Numbers::new(2_020);
    let (mut named, mut ambiguous, mut unheard) = (0, 0, 0);
    for size in [8, 16, 40] {
        let mut chain: Vec<&Shop> = Vec::new();
        while chain.len() < size {
            let shop = &shops[numbers.below(shops.len())];
            if chain.iter().all(|other| !std::ptr::eq(*other, shop)) {
                chain.push(shop);
            }
        }
        let place = LonLat::new(MALL.0, MALL.1).unwrap();
        let list = |shop: &Shop| -> BTreeSet<Bssid> {
            let near = surveyed.iter().filter(|scan| shop.metres(scan) < NEIGHBOUR_M);
            let strong = near.flat_map(Scan::fresh).filter(|seen| seen.rssi_dbm >= Some(STRONG_DBM));
            strong.map(|seen| seen.bssid).collect()
        };
        let sites = chain.iter().enumerate().map(|(at, shop)| Site {
            bssids: list(shop).into_iter().map(exactly).collect(),
            ..support::site(&format!("shop-{at:03}"), circle(place, 50.0))
        });
        let (verdicts, reference) = tried(sites.collect(), &others);
        for (verdict, scan) in verdicts.rows.iter().zip(&others) {
            let fresh: BTreeSet<Bssid> = scan.fresh().map(|seen| seen.bssid).collect();
            let lists = |site: &Site| site.bssids.iter().any(|block| fresh.contains(&block.first()));
            let could: Vec<_> = (0..size).filter(|at| lists(&reference.sites[*at])).collect();
            let candidates: Vec<_> =
                verdicts.candidates(verdict).iter().map(|site| site.0 as usize).collect();
            let Some(site) = verdict.site else {
                assert_eq!(could, candidates, "every shop that could explain it is a candidate");
                assert_eq!(verdict.reasons.contains(Reason::AmbiguousSite), !could.is_empty());
                ambiguous += usize::from(!could.is_empty());
                unheard += usize::from(could.is_empty());
                continue;
            };
            named += 1;
            assert_eq!(could, [site.0 as usize], "nobody else lists anything that was heard");
            let neighbour =
                (0..size).find(|at| *at != site.0 as usize && chain[*at].metres(scan) < NEIGHBOUR_M);
            assert_eq!(neighbour, None, "{size} shops, path {}: {verdict:?}", scan.path);
        }
    }
    println!("named {named}, ambiguous {ambiguous}, no shop's access point heard {unheard}");
    assert!(named > 300 && ambiguous > 3_000, "something was told: {named}, {ambiguous}");
}

/// A fix at the very place of each store, circles of 100 m: alone it names a store only where no sister's circle holds it;
/// the store's own access point or the person's shift settles it.
#[test]
fn a_store_with_a_sister_in_reach_is_ambiguous_without_wifi() {
    let Some(path) = data("stores/hk-convenience-stores.geojson") else { return };
    let stores = json(path);
    let points: Vec<LonLat> = stores["features"]
        .as_array()
        .unwrap()
        .iter()
        .map(|store| {
            let (lon, lat) = lon_lat(&store["geometry"]["coordinates"]);
            LonLat::new(lon, lat).unwrap()
        })
        .collect();
    let bssid = |at: usize| Bssid::from_bits(0x0a56_3000_0000 + at as u64).unwrap();
    let site = |(at, point): (usize, &LonLat)| Site {
        bssids: vec![exactly(bssid(at))],
        ..support::site(&format!("hk-{at:04}"), circle(*point, 100.0))
    };
    let reference =
        support::reference(points.iter().enumerate().map(site).collect(), vec![Policy::default()]);
    let (mut batch, mut due) = (support::empty_batch(), DueBatch::default());
    for (at, point) in points.iter().enumerate() {
        let platform = Platform::Android;
        let fix = Fix { point: *point, datum: Datum::Wgs84, accuracy_m: Some(10.0), mocked: false, platform };
        let seen = AccessPoint { bssid: bssid(at), rssi_dbm: None, connected: true, age_ms: 0 };
        push(&mut batch, &mut due, Some(fix), &[], support::due());
        push(&mut batch, &mut due, Some(fix), &[seen], support::due());
        push(
            &mut batch,
            &mut due,
            Some(fix),
            &[],
            Due { scheduled: Some(SiteAt(at as u32)), ..support::due() },
        );
    }
    let verdicts = support::verdicts(&reference, &batch, &due);
    let earth = Geodesic::wgs84();
    let mut with_sisters = 0;
    for (at, point) in points.iter().enumerate() {
        let metres =
            |other: &LonLat| -> f64 { earth.inverse(point.lat(), point.lon(), other.lat(), other.lon()) };
        let holding = |radius_m: f64| -> Vec<SiteAt> {
            (0..points.len())
                .filter(|other| metres(&points[*other]) <= radius_m)
                .map(|at| SiteAt(at as u32))
                .collect()
        };
        let holds = holding(100.0);
        assert_eq!(holds, holding(100.001), "a store on another's edge: choose another radius");
        let [alone, with_wifi, scheduled]: &[Verdict; 3] =
            verdicts.rows[3 * at..3 * at + 3].try_into().unwrap();
        assert_eq!(alone.place, Place::Inside);
        if holds.len() > 1 {
            with_sisters += 1;
            assert_eq!((alone.site, verdicts.candidates(alone)), (None, holds.as_slice()), "store {at}");
            assert!(alone.reasons.contains(Reason::AmbiguousSite));
        } else {
            assert_eq!((alone.site, alone.candidates.len()), (Some(SiteAt(at as u32)), 0), "store {at}");
        }
        for settled in [with_wifi, scheduled] {
            assert_eq!((settled.site, settled.candidates.len()), (Some(SiteAt(at as u32)), 0), "store {at}");
            assert!(!settled.reasons.contains(Reason::AmbiguousSite));
        }
    }
    println!("{with_sisters} of {} stores have a sister in reach", points.len());
    assert!(with_sisters * 4 > points.len(), "{with_sisters}");
}
