//! Towns of random sites with random punches, dense enough that fences overlap and radios are shared.

use std::ops::Range;

use model::policy::FieldPhoto;
use model::{
    AccessPoint, Batch, Beacon, BeaconId, Bssid, BssidBlock, Datum, Due, DueBatch, EventTime, Fence,
    FenceRule, Fix, LonLat, Origin, Permitted, PersonIndex, Photo, Platform, Policy, PolicyIndex, Punch,
    Reference, Ring, Site, SiteIndex as SiteAt,
};

use super::{Numbers, empty_batch, evidence_rule, lon_lat, moved, punch, reference, site};

/// Centres of towns: ordinary ones, the antimeridian, the high north, the borders of the polar
/// method and of windows all round the pole, the poles.
pub(crate) const CENTRES: [(f64, f64); 9] = [
    (114.17, 22.32),
    (-0.12, 51.5),
    (179.999, -16.8),
    (-179.998, 65.0),
    (18.95, 78.2),
    (25.0, 85.0),
    (100.0, 89.8995),
    (100.0, 89.97),
    (-60.0, -89.9995),
];

const EVIDENCE: [&str; 7] = [
    "any",
    "any",
    "gps",
    "wifi",
    "wifi_and_gps",
    "wifi_and_gps_or_terminal",
    "terminal_and_beacon_or_wifi_or_gps",
];

pub(crate) struct Town {
    pub(crate) reference: Reference,
    pub(crate) batch: Batch,
    pub(crate) due: DueBatch,
    pub(crate) centre: (f64, f64),
}

impl Town {
    pub(crate) fn random(numbers: &mut Numbers, centre: (f64, f64), sites: usize, punches: usize) -> Self {
        let spread = 60.0 * (sites as f64).sqrt();
        let mut ids: Vec<usize> = (0..sites).collect();
        for at in (1..sites).rev() {
            ids.swap(at, numbers.below(at + 1));
        }
        let sites = ids.into_iter().map(|id| random_site(numbers, centre, spread, id)).collect();
        let policies = (0..12).map(|_| random_policy(numbers)).collect();
        let reference = reference(sites, policies);
        let (mut batch, mut due) = (empty_batch(), DueBatch::default());
        for _ in 0..punches {
            let row = random_punch(numbers, &mut batch, centre, spread, &reference);
            let row_due = random_due(numbers, &mut due, centre, spread, &reference);
            batch.punches.push(row);
            due.rows.push(row_due);
        }
        Self { reference, batch, due, centre }
    }

    /// The same town with other sites.
    pub(crate) fn with_sites(&self, sites: Vec<Site>) -> Reference {
        Reference { sites: sites.into(), ..self.reference.clone() }
    }
}

fn anywhere(numbers: &mut Numbers, centre: (f64, f64), spread: f64) -> (f64, f64) {
    moved(centre, numbers.between(-spread, spread), numbers.between(-spread, spread))
}

/// A ring of 3 to 14 corners around `centre`, between 0.55 and 1 times `radius` away, that never crosses itself. With
/// `steady`, its corners are close enough for a ring of a third of the radius to lie within.
fn random_ring(numbers: &mut Numbers, centre: (f64, f64), radius: f64, corners: Range<usize>) -> Ring {
    let count = corners.start + numbers.below(corners.end - corners.start);
    let corner = |at: usize, jitter: f64, reach: f64| {
        let angle = std::f64::consts::TAU * (at as f64 + 0.8 * jitter) / count as f64;
        moved(centre, radius * reach * angle.cos(), radius * reach * angle.sin())
    };
    let mut corners: Vec<_> =
        (0..count).map(|at| corner(at, numbers.unit(), numbers.between(0.6, 1.0))).collect();
    if numbers.one_in(2) {
        corners.reverse();
    }
    // Half of the fences at the antimeridian jump there, half run beyond it.
    if numbers.one_in(2) {
        for corner in &mut corners {
            corner.0 = (corner.0 + 180.0).rem_euclid(360.0) - 180.0;
        }
    }
    for corner in &mut corners {
        corner.1 = corner.1.clamp(-90.0, 90.0);
    }
    Ring(corners)
}

fn random_fence(numbers: &mut Numbers, centre: (f64, f64), spread: f64) -> Fence {
    let here = anywhere(numbers, centre, spread);
    let radius = numbers.between(20.0, 150.0);
    // Rings as drawn here are polygons only away from the poles.
    if centre.1.abs() > 85.1 || numbers.one_in(2) {
        return Fence::Circle { centre: lon_lat(here), radius_m: radius };
    }
    let with_hole = |numbers: &mut Numbers, at| {
        vec![random_ring(numbers, at, radius, 8..15), random_ring(numbers, at, 0.3 * radius, 3..9)]
    };
    match numbers.below(3) {
        0 => Fence::Polygons(vec![vec![random_ring(numbers, here, radius, 3..15)]]),
        1 => Fence::Polygons(vec![with_hole(numbers, here)]),
        _ => {
            let there = moved(here, numbers.between(2.1, 4.0) * radius, numbers.between(-200.0, 200.0));
            let second = vec![random_ring(numbers, there, radius, 3..15)];
            Fence::Polygons(vec![with_hole(numbers, here), second])
        }
    }
}

fn random_bssid(numbers: &mut Numbers, pool: usize) -> Bssid {
    Bssid::from_bits(0xa456_3000_0000 + numbers.below(pool) as u64).unwrap()
}

fn beacon(number: usize) -> BeaconId {
    BeaconId { uuid: 0xfda5_0693, major: 1, minor: number as u16 }
}

pub(crate) fn random_site(numbers: &mut Numbers, centre: (f64, f64), spread: f64, id: usize) -> Site {
    let mut row = site(&format!("s{id:04}"), random_fence(numbers, centre, spread));
    for _ in 0..numbers.below(3) {
        row.bssids.push(BssidBlock::new(random_bssid(numbers, 200), 48).unwrap());
    }
    if numbers.one_in(3) {
        let bits = numbers.pick(&[42, 44, 46]);
        let low = (1_u64 << (48 - bits)) - 1;
        let first = Bssid::from_bits(random_bssid(numbers, 200).bits() & !low).unwrap();
        row.bssids.push(BssidBlock::new(first, bits).unwrap());
    }
    row.beacons.extend((0..numbers.below(2)).map(|_| beacon(numbers.below(40))));
    row.terminals.extend((0..numbers.below(2)).map(|_| format!("t{}", numbers.below(30)).into()));
    row.tolerance_m = numbers.one_in(4).then(|| numbers.pick(&[0.0, 15.0, 80.0]));
    row.valid_from = numbers.one_in(8).then(|| EventTime::from_us(0).plus_s(numbers.below(100) as i64));
    row.valid_to = numbers.one_in(8).then(|| EventTime::from_us(0).plus_s(numbers.below(100) as i64));
    row
}

fn random_policy(numbers: &mut Numbers) -> Policy {
    Policy {
        evidence: evidence_rule(EVIDENCE[numbers.below(EVIDENCE.len())]),
        fence_rule: numbers.pick(FenceRule::ALL),
        tolerance_m: numbers.pick(&[0.0, 0.0, 10.0, 60.0]),
        accuracy_max_m: numbers.pick(&[80.0, 500.0]),
        field_photo: numbers.pick(FieldPhoto::ALL),
        ..Policy::default()
    }
}

fn random_punch(
    numbers: &mut Numbers,
    batch: &mut Batch,
    centre: (f64, f64),
    spread: f64,
    reference: &Reference,
) -> Punch {
    let mut row = punch(batch, EventTime::from_us(0).plus_s(numbers.below(100) as i64));
    if !numbers.one_in(6) {
        let far = if numbers.one_in(10) { 8.0 } else { 1.2 };
        let point = lon_lat(anywhere(numbers, centre, spread * far));
        row.fix = Some(random_fix(numbers, point));
    }
    for _ in 0..numbers.pick(&[0, 0, 1, 2, 4]) {
        batch.access_points.push(AccessPoint {
            bssid: random_bssid(numbers, 400),
            rssi_dbm: None,
            connected: numbers.one_in(4),
            age_ms: numbers.pick(&[0, 0, 10_000, 10_001]),
        });
    }
    for _ in 0..numbers.pick(&[0, 0, 0, 1, 2]) {
        batch.beacons.push(Beacon { id: beacon(numbers.below(60)), rssi_dbm: None });
    }
    row.wifi.end = batch.access_points.len() as u32;
    row.beacons.end = batch.beacons.len() as u32;
    row.wifi_ignored = numbers.pick(&[0, 0, 0, 2]);
    if numbers.one_in(3) {
        row.device_id = batch.push_text(&format!("t{}", numbers.below(35)));
    }
    if numbers.one_in(6) {
        let claimed = reference.sites[numbers.below(reference.sites.len())].site_id.clone();
        row.site_claim = batch.push_text(if numbers.one_in(5) { "s9999" } else { &claimed });
    }
    if numbers.one_in(4) {
        row.origin = Origin::Field;
    }
    let mut part = |text: &str| numbers.pick(&[None, Some(""), Some(text)]).map(|text| batch.push_text(text));
    row.photo = Photo { reference: part("s3://x"), sha256: part("hash"), is_with_vendor: false };
    row.photo.is_with_vendor = numbers.one_in(9);
    row
}

fn random_fix(numbers: &mut Numbers, point: LonLat) -> Fix {
    let accuracy = [
        None,
        Some(0.0),
        Some(-1.0),
        Some(4.0),
        Some(12.0),
        Some(30.0),
        Some(79.0),
        Some(160.0),
        Some(700.0),
    ];
    Fix {
        point,
        datum: Datum::Wgs84,
        accuracy_m: numbers.pick(&accuracy),
        mocked: numbers.one_in(10),
        platform: numbers.pick(&[Platform::Unknown, Platform::Android, Platform::Ios]),
    }
}

fn random_due(
    numbers: &mut Numbers,
    batch: &mut DueBatch,
    centre: (f64, f64),
    spread: f64,
    reference: &Reference,
) -> Due {
    let any_site = |numbers: &mut Numbers| SiteAt(numbers.below(reference.sites.len()) as u32);
    let from = batch.sites.len() as u32;
    for _ in 0..numbers.pick(&[0, 0, 1, 3]) {
        let permitted = any_site(numbers);
        batch.sites.push(permitted);
    }
    let until = batch.sites.len() as u32;
    Due {
        person: (!numbers.one_in(10)).then_some(PersonIndex(0)),
        scheduled: numbers.one_in(2).then(|| any_site(numbers)),
        permitted: if from == until { Permitted::All } else { Permitted::Sites(from..until) },
        policy: PolicyIndex(numbers.below(reference.policies.len()) as u32),
        location_declined: numbers.one_in(12),
        field: numbers.one_in(8).then(|| (lon_lat(anywhere(numbers, centre, spread)), 90.0)),
    }
}
