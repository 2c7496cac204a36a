//! A walk through a mall as punches: each scan a punch without a fix, tried by `muster match`.

use std::collections::BTreeSet;
use std::path::Path;

use model::AccessPoint;
use serde_json::{Value, json};
use tests::program::Program;

use crate::mall::{MALL, NEIGHBOUR_M, STRONG_DBM, Scan, Shop, halves, scans, shops};

/// A chain of so many shops, one in so many of those that the maps name.
const CHAIN: usize = 16;

/// A site that lists these access points. Its circle holds the whole mall, and no punch has a fix.
fn site<'a>(id: &str, listed: impl IntoIterator<Item = &'a AccessPoint>) -> Value {
    let listed: BTreeSet<String> = listed.into_iter().map(|seen| seen.bssid.to_string()).collect();
    json!({"type": "Feature", "geometry": {"type": "Point", "coordinates": [MALL.0, MALL.1]},
        "properties": {"site_id": id, "name": id, "org": "cn/mall", "time_zone": "Asia/Shanghai", "radius_m": 200,
            "bssids": listed}})
}

fn punch(n: usize, scan: &Scan) -> Value {
    let seen = |point: &AccessPoint| {
        json!({"bssid": point.bssid.to_string(), "rssi": point.rssi_dbm, "connected": point.connected,
            "age_ms": point.age_ms})
    };
    json!({"event_id": format!("scan-{n}"), "employee_id": "walker", "kind": "auto", "origin": "phone",
        "occurred_at": "2026-11-02T08:00:00+08:00", "wifi": scan.seen.iter().map(seen).collect::<Vec<_>>()})
}

/// The verdicts of `muster match` on these scans.
fn tried(folder: &Path, sites: Vec<Value>, scans: &[Scan]) -> Vec<Value> {
    let put = |name: &str, text: String| std::fs::write(folder.join(name), text).unwrap();
    put("muster.toml", "[reference]\nsites = \"sites.geojson\"\n".to_owned());
    put("sites.geojson", json!({"type": "FeatureCollection", "features": sites}).to_string());
    put("scans.ndjson", scans.iter().enumerate().map(|(n, scan)| format!("{}\n", punch(n, scan))).collect());
    let ran = Program::new().in_folder(folder).args(["match", "-c", "muster.toml", "scans.ndjson"]).run();
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let verdicts: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(verdicts.len(), scans.len(), "a verdict for each scan, in order");
    verdicts
}

#[test]
fn match_tells_the_mall_right_every_time() {
    let Some(scans) = scans() else { return };
    let (surveyed, others) = halves(scans);
    let folder = tempfile::tempdir().unwrap();
    let verdicts = tried(folder.path(), vec![site("mall", surveyed.iter().flat_map(Scan::fresh))], &others);
    for (n, verdict) in verdicts.iter().enumerate() {
        let expected = json!({"event_id": format!("scan-{n}"), "place": "inside", "site_id": "mall", "candidates": [],
            "evidence": ["wifi"], "distance_m": null, "reasons": ["unknown_employee"]});
        assert_eq!(verdict, &expected, "path {}", others[n].path);
    }
    println!("{} scans of the paths that were not surveyed, all told right", others.len());
}

#[test]
fn match_swears_to_no_shop_that_a_neighbour_could_explain() {
    let (Some(scans), Some(shops)) = (scans(), shops()) else { return };
    let (surveyed, others) = halves(scans);
    let every = shops.len() / CHAIN;
    let chain: Vec<&Shop> = shops.iter().step_by(every).take(CHAIN).collect();
    let sites = chain.iter().enumerate().map(|(at, shop)| {
        let near = surveyed.iter().filter(|scan| shop.metres(scan) < NEIGHBOUR_M);
        let strong = near.flat_map(Scan::fresh).filter(|seen| seen.rssi_dbm >= Some(STRONG_DBM));
        site(&format!("shop-{at:02}"), strong)
    });
    let folder = tempfile::tempdir().unwrap();
    let verdicts = tried(folder.path(), sites.collect(), &others);
    let (mut named, mut ambiguous) = (0, 0);
    for (verdict, scan) in verdicts.iter().zip(&others) {
        let Some(site_id) = verdict["site_id"].as_str() else {
            ambiguous += usize::from(verdict["candidates"] != json!([]));
            continue;
        };
        named += 1;
        let of = |at: usize| format!("shop-{at:02}");
        let neighbour = (0..CHAIN).find(|at| of(*at) != site_id && chain[*at].metres(scan) < NEIGHBOUR_M);
        assert_eq!(neighbour.map(of), None, "path {}: {verdict}", scan.path);
    }
    println!("{} scans: {named} named a shop, {ambiguous} told several", others.len());
    assert!(named > 50 && ambiguous > 200, "something was told: {named}, {ambiguous}");
}
