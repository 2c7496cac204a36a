//! A world told in a few words: sites in metres around one origin, punches, and the verdicts they get.
//!
//! Lines of a world, in order; `policy` and `due` hold for the punches below them:
//!
//! ```text
//! site A circle=0,0,100 ap=a1,b0/44 beacon=7 terminal=T1 tolerance=20 from=10 until=20
//! site B polygon=0,0;9,0;9,9|2,2;4,2;4,4||20,0;29,0;29,9        rings by |, parts by ||
//! policy rule=centre t=30 evidence=wifi_and_gps accuracy_max=50 age_max=5000
//! due scheduled=A permitted=A,B field=0,0,100 declined stranger
//! at=110,0 acc=20 ios mocked datum=gcj02 ap=a1+,a2@20000 ignored=1 beacon=7 device=T1 claim=A t=15 => uncertain …
//! ```
//!
//! A verdict: `place site evidence distance`, then `of A,B` for candidates and `because …` for reasons; `-` is none.

#![allow(dead_code, reason = "each test file uses its own part")]

pub(crate) mod town;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use model::policy::FieldPhoto;
use model::{
    AccessPoint, Batch, Beacon, BeaconId, BssidBlock, Datum, Due, DueBatch, EventTime, EvidenceRule,
    EvidenceSet, Fence, FenceRule, Fix, Kind, LonLat, NextOffset, Offset, Origin, Partition, Permitted,
    PersonIndex, Photo, Platform, Policy, PolicyIndex, Punch, Reference, Ring, Site, SiteIndex as SiteAt,
    Verdict, Verdicts,
};

/// The origin of metres: Mong Kok.
pub(crate) const ORIGIN: (f64, f64) = (114.17, 22.32);

/// Numbers from a printed seed (SplitMix64): the same everywhere, no crate needed.
pub(crate) struct Numbers(u64);

impl Numbers {
    /// Seeded by `MUSTER_SEED` if set, else by `seed`; prints which.
    pub(crate) fn new(seed: u64) -> Self {
        let told = std::env::var("MUSTER_SEED").ok().and_then(|text| text.parse().ok());
        let seed = told.unwrap_or(seed);
        println!("seed {seed} (set MUSTER_SEED to try another)");
        Self(seed)
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// From 0 until 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + self.unit() * (high - low)
    }

    /// From 0 until `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.bits() % n as u64) as usize
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }
}

/// The point `east`, `north` metres from `origin` (lon, lat), by the ellipsoid's radii there.
pub(crate) fn moved(origin: (f64, f64), east: f64, north: f64) -> (f64, f64) {
    let (sin, cos) = origin.1.to_radians().sin_cos();
    let e2 = 0.006_694_379_990_141_316_f64;
    let w2 = 1.0 - e2 * sin * sin;
    let prime_vertical = 6_378_137.0 / w2.sqrt();
    let meridian = prime_vertical * (1.0 - e2) / w2;
    (origin.0 + (east / (prime_vertical * cos)).to_degrees(), origin.1 + (north / meridian).to_degrees())
}

pub(crate) fn lon_lat(point: (f64, f64)) -> LonLat {
    let lon = (point.0 + 180.0).rem_euclid(360.0) - 180.0;
    LonLat::new(lon, point.1.clamp(-90.0, 90.0)).unwrap()
}

pub(crate) fn site(id: &str, fence: Fence) -> Site {
    Site {
        site_id: id.into(),
        name: id.into(),
        org: "hk".into(),
        time_zone: model_time_zone(),
        time_zone_name: "UTC".into(),
        fence,
        tolerance_m: None,
        policy: None,
        bssids: Vec::new(),
        beacons: Vec::new(),
        terminals: Vec::new(),
        managers: Vec::new(),
        valid_from: None,
        valid_to: None,
    }
}

fn model_time_zone() -> jiff::tz::TimeZone {
    jiff::tz::TimeZone::UTC
}

/// A punch without any evidence.
pub(crate) fn punch(batch: &mut Batch, at: EventTime) -> Punch {
    let offset = batch.punches.len() as i64;
    let empty = batch.push_text("");
    Punch {
        offset: Offset::new(offset).unwrap(),
        received_at: at,
        event_id: batch.push_text(&format!("e{offset}")),
        employee_id: batch.push_text("E"),
        kind: Kind::Auto,
        occurred_at: at,
        origin: Origin::Phone,
        trigger: None,
        device_id: empty,
        site_claim: empty,
        time_zone: empty,
        fix: None,
        wifi: batch.access_points.len() as u32..batch.access_points.len() as u32,
        wifi_ignored: 0,
        beacons: batch.beacons.len() as u32..batch.beacons.len() as u32,
        photo: Photo::default(),
    }
}

pub(crate) fn empty_batch() -> Batch {
    Batch::new(Partition::new(0), NextOffset::START)
}

/// Due nowhere in particular, a known person.
pub(crate) fn due() -> Due {
    Due {
        person: Some(PersonIndex(0)),
        scheduled: None,
        permitted: Permitted::All,
        policy: PolicyIndex(0),
        location_declined: false,
        field: None,
    }
}

pub(crate) fn reference(sites: Vec<Site>, policies: Vec<Policy>) -> Reference {
    Reference { version: "test".into(), sites: sites.into(), policies, ..Reference::default() }
}

/// Punches with their due rows, verdicts by the index.
pub(crate) fn verdicts(reference: &Reference, batch: &Batch, due: &DueBatch) -> Verdicts {
    let index = matcher::SiteIndex::build(reference);
    let mut out = Verdicts::default();
    index.match_batch(reference, batch, due, &mut matcher::Scratch::default(), &mut out);
    out
}

/// The verdict in words.
pub(crate) fn told(reference: &Reference, verdicts: &Verdicts, verdict: &Verdict) -> String {
    let id = |site: &SiteAt| reference.site(*site).site_id.to_string();
    let list = |items: Vec<String>| if items.is_empty() { "-".to_owned() } else { items.join(",") };
    let site = verdict.site.as_ref().map_or("-".to_owned(), id);
    let evidence = list(verdict.evidence.names().map(str::to_owned).collect());
    let distance = verdict.distance_m.map_or("-".to_owned(), |metres| format!("{metres:.2}"));
    let mut text = format!("{} {site} {evidence} {distance}", verdict.place.name());
    let candidates: Vec<_> = verdicts.candidates(verdict).iter().map(id).collect();
    if !candidates.is_empty() {
        let _ = write!(text, " of {}", list(candidates));
    }
    let reasons: Vec<_> = verdict.reasons.iter().map(|reason| reason.name().to_owned()).collect();
    if !reasons.is_empty() {
        let _ = write!(text, " because {}", list(reasons));
    }
    text
}

/// Reads a world and holds the verdict of each of its punches against what stands behind `=>`. All punches that follow
/// each other without a change of world go in one batch.
pub(crate) fn check(world: &str) {
    let mut told_world = World::default();
    let mut lines = Vec::new();
    for line in world.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.split_once("=>") {
            Some((punch, expected)) => {
                told_world.punch(punch);
                lines.push((punch.trim(), expected.trim()));
            }
            None => told_world.line(line),
        }
    }
    let reference = reference(told_world.sites, told_world.policies);
    let verdicts = verdicts(&reference, &told_world.batch, &told_world.due);
    let mut wrong = String::new();
    for ((punch, expected), verdict) in lines.iter().zip(&verdicts.rows) {
        let told = told(&reference, &verdicts, verdict);
        if told != *expected {
            let _ = write!(wrong, "\n{punch}\n  expected {expected}\n  told     {told}");
        }
    }
    assert!(wrong.is_empty() && !lines.is_empty(), "in the world\n{world}{wrong}");
}

struct World {
    sites: Vec<Site>,
    policies: Vec<Policy>,
    due: DueBatch,
    due_now: Due,
    batch: Batch,
}

impl Default for World {
    fn default() -> Self {
        Self {
            sites: Vec::new(),
            policies: vec![Policy::default()],
            due: DueBatch::default(),
            due_now: due(),
            batch: empty_batch(),
        }
    }
}

/// `key=value` words, or bare words with an empty value.
fn words(line: &str) -> BTreeMap<&str, &str> {
    line.split_whitespace().map(|word| word.split_once('=').unwrap_or((word, ""))).collect()
}

fn numbers(text: &str) -> Vec<f64> {
    text.split(',').map(|number| number.parse().unwrap()).collect()
}

fn at_metres(text: &str) -> (f64, f64) {
    let metres = numbers(text);
    moved(ORIGIN, metres[0], metres[1])
}

fn block(text: &str) -> BssidBlock {
    BssidBlock::parse(&format!("aa:bb:cc:dd:ee:{text}")).unwrap()
}

fn beacon(text: &str) -> BeaconId {
    BeaconId { uuid: 0xfda5, major: 1, minor: text.parse().unwrap() }
}

fn seconds(text: &str) -> EventTime {
    EventTime::from_us(0).plus_s(text.parse().unwrap())
}

fn items<'a>(words: &BTreeMap<&str, &'a str>, key: &str) -> impl Iterator<Item = &'a str> {
    words.get(key).copied().into_iter().flat_map(|list| list.split(','))
}

pub(crate) fn evidence_rule(text: &str) -> EvidenceRule {
    if text == "any" {
        return EvidenceRule::Any;
    }
    let mut sets = [EvidenceSet::EMPTY; 4];
    for (set, terms) in sets.iter_mut().zip(text.split("_or_")) {
        for kind in terms.split("_and_") {
            *set = set.with(EvidenceSet::from_name(kind).unwrap());
        }
    }
    EvidenceRule::Sets(sets)
}

impl World {
    fn line(&mut self, line: &str) {
        let (head, rest) = line.split_once(' ').unwrap_or((line, ""));
        match head {
            "site" => self.site(rest),
            "policy" => self.policy(&words(rest)),
            "due" => self.due(&words(rest)),
            _ => panic!("no such line: {line}"),
        }
    }

    fn site(&mut self, line: &str) {
        let (id, rest) = line.split_once(' ').unwrap();
        let words = words(rest);
        let ring = |text: &str| Ring(text.split(';').map(at_metres).collect());
        let fence = match (words.get("circle"), words.get("polygon")) {
            (Some(circle), _) => {
                let n = numbers(circle);
                Fence::Circle { centre: lon_lat(moved(ORIGIN, n[0], n[1])), radius_m: n[2] }
            }
            (_, Some(parts)) => {
                Fence::Polygons(parts.split("||").map(|part| part.split('|').map(ring).collect()).collect())
            }
            _ => panic!("a site without a fence: {line}"),
        };
        self.sites.push(Site {
            tolerance_m: words.get("tolerance").map(|metres| metres.parse().unwrap()),
            bssids: items(&words, "ap").map(block).collect(),
            beacons: items(&words, "beacon").map(beacon).collect(),
            terminals: items(&words, "terminal").map(Arc::from).collect(),
            valid_from: words.get("from").map(|text| seconds(text)),
            valid_to: words.get("until").map(|text| seconds(text)),
            ..site(id, fence)
        });
    }

    fn policy(&mut self, words: &BTreeMap<&str, &str>) {
        let mut policy = Policy::default();
        for (key, value) in words {
            match *key {
                "rule" => policy.fence_rule = FenceRule::from_name(value).unwrap(),
                "t" => policy.tolerance_m = value.parse().unwrap(),
                "evidence" => policy.evidence = evidence_rule(value),
                "accuracy_max" => policy.accuracy_max_m = value.parse().unwrap(),
                "photo" => policy.field_photo = FieldPhoto::from_name(value).unwrap(),
                "age_max" => policy.wifi_age_max_ms = value.parse().unwrap(),
                _ => panic!("no such policy word: {key}"),
            }
        }
        self.due_now.policy = PolicyIndex(self.policies.len() as u32);
        self.policies.push(policy);
    }

    fn find(&self, id: &str) -> SiteAt {
        SiteAt(self.sites.iter().position(|site| &*site.site_id == id).unwrap() as u32)
    }

    fn due(&mut self, words: &BTreeMap<&str, &str>) {
        let from = self.due.sites.len() as u32;
        let permitted: Vec<_> = items(words, "permitted").map(|id| self.find(id)).collect();
        self.due.sites.extend(permitted);
        let until = self.due.sites.len() as u32;
        self.due_now = Due {
            person: (!words.contains_key("stranger")).then_some(PersonIndex(0)),
            scheduled: words.get("scheduled").map(|id| self.find(id)),
            permitted: if from == until { Permitted::All } else { Permitted::Sites(from..until) },
            location_declined: words.contains_key("declined"),
            field: words.get("field").map(|text| {
                let n = numbers(text);
                (lon_lat(moved(ORIGIN, n[0], n[1])), n[2])
            }),
            policy: self.due_now.policy,
        };
    }

    fn punch(&mut self, line: &str) {
        let words = words(line);
        let batch = &mut self.batch;
        let mut row = punch(batch, words.get("t").map_or(EventTime::from_us(0), |text| seconds(text)));
        let datum = words.get("datum").map_or(Datum::Wgs84, |name| Datum::from_name(name).unwrap());
        row.fix = words.get("at").map(|text| Fix {
            point: model::datum::from_wgs84(lon_lat(at_metres(text)), datum),
            datum,
            accuracy_m: words.get("acc").map(|metres| metres.parse().unwrap()),
            mocked: words.contains_key("mocked"),
            platform: if words.contains_key("ios") { Platform::Ios } else { Platform::Unknown },
        });
        for seen in items(&words, "ap") {
            let connected = seen.ends_with('+');
            let (address, age) = seen.trim_end_matches('+').split_once('@').unwrap_or((seen, "0"));
            let bssid = block(address.trim_end_matches('+')).first();
            let age_ms = age.parse().unwrap();
            batch.access_points.push(AccessPoint { bssid, rssi_dbm: None, connected, age_ms });
        }
        batch.beacons.extend(items(&words, "beacon").map(|id| Beacon { id: beacon(id), rssi_dbm: None }));
        row.wifi.end = batch.access_points.len() as u32;
        row.beacons.end = batch.beacons.len() as u32;
        row.wifi_ignored = words.get("ignored").map_or(0, |count| count.parse().unwrap());
        row.device_id = batch.push_text(words.get("device").copied().unwrap_or(""));
        row.site_claim = batch.push_text(words.get("claim").copied().unwrap_or(""));
        if words.contains_key("field") {
            row.origin = Origin::Field;
        }
        let mut part =
            |of: &str| words.get("photo").filter(|told| told.contains(of)).map(|_| batch.push_text(of));
        row.photo = Photo { reference: part("ref"), sha256: part("hash"), is_with_vendor: false };
        row.photo.is_with_vendor = words.contains_key("vendors_photo");
        batch.punches.push(row);
        self.due.rows.push(self.due_now.clone());
    }
}
