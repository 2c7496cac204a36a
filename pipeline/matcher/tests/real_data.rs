//! Real access points in a real mall, and a real chain whose shops stand side by side.
//!
//! The records are read from `$MUSTER_DATA` and never copied; without it each test says in one line that it is skipped.
//! Scans, their positions and the outlines of shops were recorded by others; that a shop lists what was heard near it, and
//! that a scan is a punch, is ours.
//!
//! Access points are surveyed from one half of the paths walked through the mall and tried on the other half.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "test code outside of `#[test]` functions")]

#[path = "support/mall.rs"]
mod mall;
mod support;

use std::collections::BTreeSet;

use geographiclib_rs::{Geodesic, InverseGeodesic};
use mall::{MALL, NEIGHBOUR_M, STRONG_DBM, Scan, Shop, data, halves, json, lon_lat, scans, shops};
use model::{
    AccessPoint, Batch, Bssid, BssidBlock, Datum, Due, DueBatch, EventTime, EvidenceSet, Fence, Fix, LonLat,
    Place, Platform, Policy, Reason, Reference, Site, SiteIndex as SiteAt, Verdict, Verdicts,
};
use support::Numbers;

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
