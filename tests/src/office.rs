//! A year of punches spread over the stores of a city: real where `$MUSTER_DATA` has it, made up else.
//!
//! In: `punches/attlog-office-2020.dat` and `stores/hk-convenience-stores.geojson`, or a seed.  Out: reference files,
//! records in arrival order with 30 broken and 100 re-sent ones mixed in, and what must come of them.
//! Owns: nothing.
//! Absent on purpose: any code of the rooms under test: the records and the recount stand on their own.
//! Why so: the times and people, the stores and the coordinates are real; joining them is ours: person n works at store
//! 41·n, from Monday to Friday, 08:00 to 17:00, and stands within 60 m of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde_json::json;
use source::NewRecord;

/// Broken records by kind, three of each.
pub const BROKEN_KINDS: [&str; 10] = [
    "not_json",
    "wrong_type",
    "missing_field",
    "bad_coordinates",
    "coordinates_nan",
    "year_9999",
    "year_1969",
    "null_value",
    "not_utf8",
    "unknown_kind",
];

/// One punch as the time clock told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfficePunch {
    /// The person.
    pub employee_id: String,
    /// The event.
    pub event_id: String,
    /// On the wall clock of Hong Kong.
    pub local: DateTime,
    /// Whether it is an in.
    pub is_in: bool,
}

/// What a record of the log is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A punch, for the first time.
    Punch,
    /// A punch sent again.
    Repeat,
    /// No punch: its kind, one of [`BROKEN_KINDS`].
    Broken(&'static str),
}

/// One record to append.
#[derive(Clone, Debug)]
pub struct Record {
    /// The key.
    pub key: String,
    /// The value; `None` is a null value.
    pub value: Option<Vec<u8>>,
    /// What it is.
    pub what: What,
}

impl Record {
    /// As a producer appends it: by its key.
    pub fn to_append(&self) -> NewRecord<'_> {
        NewRecord { key: Some(self.key.as_bytes()), value: self.value.as_deref(), ..NewRecord::default() }
    }
}

/// The whole scenario.
#[derive(Clone, Debug)]
pub struct Office {
    /// Every distinct punch, in arrival order.
    pub punches: Vec<OfficePunch>,
    /// Records in arrival order.
    pub records: Vec<Record>,
    /// Store coordinates in file order.
    pub stores: Vec<(f64, f64)>,
    /// Person → store.
    pub homes: BTreeMap<String, usize>,
    /// Whether the real data was used.
    pub is_real: bool,
}

/// Hong Kong's zone.
pub fn hong_kong() -> TimeZone {
    TimeZone::get("Asia/Hong_Kong").unwrap()
}

impl Office {
    /// The scenario of `seed`; for a log that cannot hold a null value (a file), another broken kind takes its place.
    pub fn new(seed: u64, holds_nulls: bool) -> Self {
        let data = std::env::var_os("MUSTER_DATA").map(std::path::PathBuf::from);
        let mut rng = StdRng::seed_from_u64(seed);
        let (punches, stores, is_real) = match data.filter(|folder| folder.join("punches").is_dir()) {
            Some(folder) => (real_punches(&folder), real_stores(&folder), true),
            None => {
                println!("MUSTER_DATA is not set: the office year is made up");
                (made_up_punches(&mut rng), made_up_stores(&mut rng), false)
            }
        };
        let mut people: Vec<&String> = punches.iter().map(|punch| &punch.employee_id).collect();
        people.sort();
        people.dedup();
        let homes: BTreeMap<String, usize> =
            people.into_iter().enumerate().map(|(n, id)| (id.clone(), n * 41 % stores.len())).collect();
        let mut records: Vec<Record> = punches
            .iter()
            .map(|punch| Record {
                key: punch.employee_id.clone(),
                value: Some(punch_json(punch, stores[homes[&punch.employee_id]], &mut rng)),
                what: What::Punch,
            })
            .collect();
        mix_in(&mut records, &mut rng, holds_nulls);
        Self { punches, records, stores, homes, is_real }
    }

    /// The same, cut off behind so many records.
    #[must_use]
    pub fn first(mut self, records: usize) -> Self {
        self.records.truncate(records);
        let punches = self.records.iter().filter(|record| record.what == What::Punch);
        let event_id = |record: &Record| {
            let value: serde_json::Value =
                serde_json::from_slice(record.value.as_deref().expect("a punch has a value")).expect("JSON");
            value["event_id"].as_str().expect("a punch has an id").to_owned()
        };
        let sent: BTreeSet<String> = punches.map(event_id).collect();
        self.punches.retain(|punch| sent.contains(&punch.event_id));
        self
    }

    /// The same, each punch with so many bytes of nothing behind it.
    #[must_use]
    pub fn padded(mut self, bytes: usize) -> Self {
        let punches = self.records.iter_mut().filter(|record| !matches!(record.what, What::Broken(_)));
        for value in punches.filter_map(|record| record.value.as_mut()) {
            value.resize(value.len() + bytes, b' ');
        }
        self
    }

    /// Writes sites, people and shifts into `folder`.
    pub fn write_reference(&self, folder: &Path) {
        let features: Vec<_> = self
            .stores
            .iter()
            .enumerate()
            .map(|(n, (lon, lat))| {
                json!({"type": "Feature", "geometry": {"type": "Point", "coordinates": [lon, lat]}, "properties": {
                    "site_id": site_id(n), "name": format!("store {n}"), "org": "hk", "time_zone": "Asia/Hong_Kong",
                    "radius_m": 100,
                }})
            })
            .collect();
        let sites = json!({"type": "FeatureCollection", "features": features});
        std::fs::write(folder.join("sites.geojson"), sites.to_string()).unwrap();
        let mut people = String::new();
        let mut shifts = String::new();
        for (employee_id, home) in &self.homes {
            let person = json!({"employee_id": employee_id, "org": "hk", "home_site": site_id(*home)});
            writeln!(people, "{person}").unwrap();
            for day in self.workdays() {
                let shift = json!({
                    "shift_id": shift_id(employee_id, day), "employee_id": employee_id, "site_id": site_id(*home),
                    "business_date": day.to_string(), "start": "08:00", "end": "17:00",
                });
                writeln!(shifts, "{shift}").unwrap();
            }
        }
        std::fs::write(folder.join("people.ndjson"), people).unwrap();
        std::fs::write(folder.join("shifts.ndjson"), shifts).unwrap();
    }

    /// Monday to Friday, from the first punch's day until the last one's.
    pub fn workdays(&self) -> Vec<Date> {
        let first = self.punches.iter().map(|punch| punch.local.date()).min().unwrap();
        let last = self.punches.iter().map(|punch| punch.local.date()).max().unwrap();
        let days = first.series(jiff::Span::new().days(1)).take_while(|day| *day <= last);
        days.filter(|day| !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday)).collect()
    }

    /// The records as NDJSON, one line each.
    pub fn ndjson(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for record in &self.records {
            bytes.extend_from_slice(record.value.as_deref().unwrap());
            bytes.push(b'\n');
        }
        bytes
    }
}

/// `hk-0001`, … in file order.
pub fn site_id(n: usize) -> String {
    format!("hk-{:04}", n + 1)
}

/// One shift a person and day.
pub fn shift_id(employee_id: &str, day: Date) -> String {
    format!("{employee_id}/{day}")
}

fn real_punches(folder: &Path) -> Vec<OfficePunch> {
    let text = std::fs::read_to_string(folder.join("punches/attlog-office-2020.dat")).unwrap();
    let line = |(n, line): (usize, &str)| {
        let fields: Vec<&str> = line.split('\t').map(str::trim).collect();
        OfficePunch {
            employee_id: format!("p{:0>5}", fields[0]),
            event_id: format!("line-{n}"),
            local: fields[1].parse().unwrap(),
            is_in: fields[3] != "1",
        }
    };
    text.lines().enumerate().map(line).collect()
}

fn real_stores(folder: &Path) -> Vec<(f64, f64)> {
    let text = std::fs::read_to_string(folder.join("stores/hk-convenience-stores.geojson")).unwrap();
    let stores: serde_json::Value = serde_json::from_str(&text).unwrap();
    let point = |feature: &serde_json::Value| {
        let at = &feature["geometry"]["coordinates"];
        (at[0].as_f64().unwrap(), at[1].as_f64().unwrap())
    };
    stores["features"].as_array().unwrap().iter().map(point).collect()
}

fn made_up_stores(rng: &mut StdRng) -> Vec<(f64, f64)> {
    (0..300).map(|_| (rng.random_range(113.95..114.25), rng.random_range(22.25..22.5))).collect()
}

/// Twenty people over half a year, with the habits of the real file: lunch punches, double taps, forgotten ends, and a
/// device that sometimes hands its punches over a day late.
fn made_up_punches(rng: &mut StdRng) -> Vec<OfficePunch> {
    let mut punches: Vec<(i64, OfficePunch)> = Vec::new();
    let first: Date = "2020-01-07".parse().unwrap();
    for (day_number, day) in first.series(jiff::Span::new().days(1)).take(182).enumerate() {
        for person in 0..20 {
            if rng.random_bool(0.25) {
                continue;
            }
            let mut at = |from_min: i64, until_min: i64, is_in: bool, rng: &mut StdRng| {
                let second = rng.random_range(from_min * 60..until_min * 60);
                let local =
                    day.to_datetime(jiff::civil::Time::midnight()) + jiff::Span::new().seconds(second);
                let late_s = if rng.random_bool(0.03) { rng.random_range(0..100_000) } else { 0 };
                let event_id = format!("made-{}", punches.len());
                let punch = OfficePunch { employee_id: format!("p{person:0>5}"), event_id, local, is_in };
                punches.push((day_number as i64 * 86_400 + second + late_s, punch));
            };
            if rng.random_bool(0.95) {
                at(460, 505, true, rng);
            }
            if rng.random_bool(0.3) {
                at(715, 725, false, rng);
                at(770, 785, true, rng);
            }
            if rng.random_bool(0.95) {
                at(1_010, 1_080, false, rng);
            }
        }
    }
    punches.sort_by_key(|(arrival, _)| *arrival);
    punches.into_iter().map(|(_, punch)| punch).collect()
}

fn punch_json(punch: &OfficePunch, store: (f64, f64), rng: &mut StdRng) -> Vec<u8> {
    let (away_m, angle) = (rng.random_range(0.0..60.0_f64), rng.random_range(0.0..std::f64::consts::TAU));
    let lat = store.1 + away_m * angle.sin() / 111_000.0;
    let lon = store.0 + away_m * angle.cos() / (111_000.0 * store.1.to_radians().cos());
    let value = json!({
        "event_id": punch.event_id, "employee_id": punch.employee_id, "kind": if punch.is_in { "in" } else { "out" },
        "occurred_at": format!("{}+08:00", punch.local), "origin": "phone",
        "location": {"lon": lon, "lat": lat, "accuracy_m": rng.random_range(5..30)},
    });
    value.to_string().into_bytes()
}

/// 100 records again, anywhere behind themselves, and 30 broken ones anywhere, the first of them at the very start.
fn mix_in(records: &mut Vec<Record>, rng: &mut StdRng, holds_nulls: bool) {
    let mut repeats: Vec<usize> = (0..records.len()).collect();
    repeats.shuffle(rng);
    repeats.truncate(100);
    let mut inserts: Vec<(usize, Record)> = Vec::new();
    for original in repeats {
        let copy = Record { what: What::Repeat, ..records[original].clone() };
        inserts.push((rng.random_range(original + 1..=records.len()), copy));
    }
    for n in 0..30 {
        let kind = BROKEN_KINDS[n % BROKEN_KINDS.len()];
        let kind = if kind == "null_value" && !holds_nulls { "missing_field" } else { kind };
        let at = if n == 0 { 0 } else { rng.random_range(0..=records.len()) };
        let key = records[rng.random_range(0..records.len())].key.clone();
        inserts.push((at, Record { value: broken(kind, &key, n), key, what: What::Broken(kind) }));
    }
    inserts.sort_by_key(|(at, _)| *at);
    let mut mixed = Vec::with_capacity(records.len() + inserts.len());
    let mut inserts = inserts.into_iter().peekable();
    for (n, record) in std::mem::take(records).into_iter().enumerate() {
        while let Some((_, insert)) = inserts.next_if(|(at, _)| *at <= n) {
            mixed.push(insert);
        }
        mixed.push(record);
    }
    mixed.extend(inserts.map(|(_, insert)| insert));
    *records = mixed;
}

fn broken(kind: &str, employee_id: &str, n: usize) -> Option<Vec<u8>> {
    let with = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut value = json!({
            "event_id": format!("broken-{n}"), "employee_id": employee_id, "kind": "in", "origin": "phone",
            "occurred_at": "2020-06-01T08:00:00+08:00",
        });
        change(&mut value);
        Some(value.to_string().into_bytes())
    };
    match kind {
        "not_json" => Some(format!("{{\"event_id\": \"broken-{n}\", \"employee_id\": ").into_bytes()),
        "wrong_type" => with(&|value| value["occurred_at"] = json!({"at": "noon"})),
        "missing_field" => with(&|value| value["employee_id"] = json!("")),
        "bad_coordinates" => with(&|value| value["location"] = json!({"lon": 200.0, "lat": 10.0})),
        "coordinates_nan" => {
            let text = format!(
                "{{\"event_id\":\"broken-{n}\",\"employee_id\":\"{employee_id}\",\"kind\":\"in\",\"origin\":\"phone\",\
                 \"occurred_at\":1590969600000,\"location\":{{\"lon\":NaN,\"lat\":1}}}}"
            );
            Some(text.into_bytes())
        }
        "year_9999" => with(&|value| value["occurred_at"] = json!("9999-01-01T00:00:00Z")),
        "year_1969" => with(&|value| value["occurred_at"] = json!("1969-12-31T00:00:00Z")),
        "null_value" => None,
        "not_utf8" => Some(vec![b'{', 0xff, 0xfe, b'0' + (n % 10) as u8, b'}']),
        "unknown_kind" => with(&|value| value["kind"] = json!("lunch")),
        other => panic!("no such broken kind: {other}"),
    }
}
