//! A mall's Wi-Fi as it was recorded: scans with their places on three floors, and the outlines of shops.
//!
//! In: `$MUSTER_DATA/wifi`; nothing, and one printed line, without it.  Out: scans, shops.  Owns: nothing.
//! Access points are surveyed from one half of the paths walked through the mall and tried on the other half.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::PathBuf;

use geo::{Distance, Euclidean, Point, Polygon};
use model::{AccessPoint, Bssid};
use serde_json::Value;

pub(crate) const FLOORS: [&str; 3] = ["B1", "F1", "F2"];
/// A neighbour nearer than this could explain a scan, in metres.
pub(crate) const NEIGHBOUR_M: f64 = 20.0;
/// What a survey takes for near, in dBm, and fresh, in ms (the policy's own default).
pub(crate) const STRONG_DBM: i16 = -70;
pub(crate) const FRESH_MS: u32 = 10_000;
/// The middle of the mall, around which metres are flat.
pub(crate) const MALL: (f64, f64) = (120.0745, 30.2930);

pub(crate) fn data(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("MUSTER_DATA");
    if folder.is_none() {
        println!("skipped: MUSTER_DATA is not set ({name})");
    }
    Some(PathBuf::from(folder?).join(name))
}

pub(crate) fn unpacked(path: PathBuf) -> String {
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
    // Names of networks are in whatever encoding their owners chose.
    String::from_utf8_lossy(&bytes).into_owned()
}

pub(crate) fn json(path: PathBuf) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

pub(crate) fn lon_lat(pair: &Value) -> (f64, f64) {
    (pair[0].as_f64().unwrap(), pair[1].as_f64().unwrap())
}

/// One scan of the mall.
pub(crate) struct Scan {
    pub(crate) path: String,
    pub(crate) floor: &'static str,
    /// Where it was taken, in flat metres.
    pub(crate) at: Point<f64>,
    pub(crate) seen: Vec<AccessPoint>,
}

impl Scan {
    pub(crate) fn fresh(&self) -> impl Iterator<Item = &AccessPoint> {
        self.seen.iter().filter(|seen| seen.age_ms <= FRESH_MS)
    }
}

pub(crate) fn flat(at: (f64, f64)) -> (f64, f64) {
    ((at.0 - MALL.0) * 111_320.0 * MALL.1.to_radians().cos(), (at.1 - MALL.1) * 110_850.0)
}

/// The scans of three floors whose place is known and not extrapolated, in the order of path and time.
pub(crate) fn scans() -> Option<Vec<Scan>> {
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
pub(crate) fn halves(scans: Vec<Scan>) -> (Vec<Scan>, Vec<Scan>) {
    let paths: BTreeSet<String> = scans.iter().map(|scan| scan.path.clone()).collect();
    let surveyed: BTreeSet<&String> = paths.iter().step_by(2).collect();
    scans.into_iter().partition(|scan| surveyed.contains(&scan.path))
}

/// A shop of the mall: its floor, its outline in flat metres.
pub(crate) struct Shop {
    pub(crate) floor: &'static str,
    pub(crate) outline: Polygon<f64>,
}

impl Shop {
    pub(crate) fn metres(&self, scan: &Scan) -> f64 {
        if self.floor == scan.floor { Euclidean.distance(&scan.at, &self.outline) } else { f64::INFINITY }
    }
}

pub(crate) fn shops() -> Option<Vec<Shop>> {
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
