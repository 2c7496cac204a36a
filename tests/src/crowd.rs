//! Some people in one store for three months, what they send and when, and what must have become of it in the end, however the log
//! was divided meanwhile.
//!
//! In: a seed; then a lake and an alerts topic.  Out: reference files, records in the order in which they are sent; what finally
//! holds, as text.  Owns: nothing.
//! Absent on purpose: a judgement: two lakes are held against each other, one of which had all its partitions from the start.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::DataType;
use jiff::civil::date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::lake_reader::LakeReader;
use crate::topic::TopicRecord;

const PEOPLE: usize = 24;
const DAYS: i64 = 80;
/// Everybody is due every so many days.
const DUE_EVERY: usize = 4;

/// One record, as it is sent.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Its key.
    pub employee_id: String,
    /// Its value.
    pub value: String,
}

/// The people's records, in the order in which they are sent.
pub fn records(seed: u64) -> Vec<Sent> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut sent: Vec<(Timestamp, Sent)> = Vec::new();
    let mut send = |rng: &mut StdRng, n: usize, kind: &str, at: Timestamp| {
        let value = json!({"event_id": format!("{kind}-{at}"), "employee_id": person(n), "kind": kind,
            "origin": "field", "occurred_at": at.to_string(),
            "location": {"lon": 114.17, "lat": 22.3, "accuracy_m": 10}});
        let record = Sent { employee_id: person(n), value: value.to_string() };
        let days = |days: i64| SignedDuration::from_hours(24 * days);
        // Some phones are offline, for longer than memory; some send again.
        let some_days = |rng: &mut StdRng| match rng.random_range(0..20) {
            0 => days(rng.random_range(1..7)),
            1 => days(rng.random_range(36..44)),
            _ => SignedDuration::ZERO,
        };
        let late = some_days(rng);
        sent.push((at + late, record.clone()));
        if rng.random_bool(0.06) {
            sent.push((at + late + some_days(rng), record));
        }
    };
    for n in 0..PEOPLE {
        // Before anybody is due, so that every partition's clock stands before the first shift.
        send(&mut rng, n, "auto", at(0, 30 + i64::try_from(n).unwrap()));
    }
    for day in (0..DAYS).step_by(DUE_EVERY) {
        for n in 0..PEOPLE {
            let (come, left) = (540 + rng.random_range(-20..25), 1_080 + rng.random_range(-10..30));
            match rng.random_range(0..10) {
                0 => {}
                1 => send(&mut rng, n, "in", at(day, come)),
                2 => send(&mut rng, n, "out", at(day, left)),
                _ => {
                    send(&mut rng, n, "in", at(day, come));
                    send(&mut rng, n, "out", at(day, left));
                }
            }
        }
    }
    sent.sort_by_key(|(at, _)| *at);
    sent.into_iter().map(|(_, record)| record).collect()
}

/// When everything about the people has settled.
pub fn settled_at() -> String {
    at(DAYS + 8, 0).to_string()
}

fn person(n: usize) -> String {
    format!("p{n:03}")
}

fn at(day: i64, minute: i64) -> Timestamp {
    let midnight = date(2026, 11, 2).to_zoned(TimeZone::UTC).unwrap().timestamp();
    midnight + SignedDuration::from_mins(day * 24 * 60 + minute)
}

/// Writes sites, people and shifts into `folder`.
pub fn write_reference(folder: &Path) {
    let site = json!({"type": "FeatureCollection", "features": [{"type": "Feature",
        "geometry": {"type": "Point", "coordinates": [114.17, 22.3]},
        "properties": {"site_id": "s1", "name": "store", "org": "hk/a", "time_zone": "UTC", "radius_m": 100}}]});
    std::fs::write(folder.join("sites.geojson"), site.to_string()).unwrap();
    let (mut people, mut shifts) = (String::new(), String::new());
    for n in 0..PEOPLE {
        let row = json!({"employee_id": person(n), "org": "hk/a", "home_site": "s1"});
        writeln!(people, "{row}").unwrap();
        for day in (0..DAYS).step_by(DUE_EVERY) {
            let date = at(day, 0).to_zoned(TimeZone::UTC).date().to_string();
            let row = json!({"shift_id": format!("{}/{date}", person(n)), "employee_id": person(n), "site_id": "s1",
                "business_date": date, "start": "09:00", "end": "18:00"});
            writeln!(shifts, "{row}").unwrap();
        }
    }
    std::fs::write(folder.join("people.ndjson"), people).unwrap();
    std::fs::write(folder.join("shifts.ndjson"), shifts).unwrap();
}

/// What finally holds.
#[derive(Debug, PartialEq, Eq)]
pub struct Final {
    punches: Vec<String>,
    results: Vec<String>,
    months: Vec<String>,
    open: Vec<String>,
    alerts: BTreeSet<String>,
}

impl Final {
    /// What differs first, of another that must be the same.
    pub fn difference(&self, other: &Self) -> Option<String> {
        let lists = |of: &Self| {
            let alerts = Vec::from_iter(of.alerts.iter().cloned());
            [of.punches.clone(), of.results.clone(), of.months.clone(), of.open.clone(), alerts]
        };
        let names = ["punches", "results", "months", "open anomalies", "open alerts"];
        names.iter().zip(lists(self).iter().zip(&lists(other))).find_map(|(name, (due, found))| {
            let missing: Vec<_> = due.iter().filter(|row| !found.contains(row)).take(4).collect();
            let other: Vec<_> = found.iter().filter(|row| !due.contains(row)).take(4).collect();
            let is_same = due.len() == found.len() && missing.is_empty();
            (!is_same).then(|| {
                format!(
                    "{name}: {} and {}; only here {missing:#?}, only there {other:#?}",
                    due.len(),
                    found.len()
                )
            })
        })
    }
}

/// What finally holds in `lake`, and of the records of its alerts topic. Versions are without gap on the way; an alert is said
/// once, but for a copy on another partition.
pub fn finally(lake: &LakeReader, alerts: &[TopicRecord]) -> Final {
    let punches = rows(lake, "SELECT employee_id, event_id, occurred_at FROM punches");
    assert_eq!(BTreeSet::from_iter(&punches).len(), punches.len(), "a punch is twice in the lake");
    let results = "SELECT employee_id, shift_id, status, final, first_in, last_out, in_event_id, out_event_id, late_min, early_min, \
                   worked_s, missing_in, missing_out, array_to_string(reasons, ' ') FROM latest_shift_results";
    let open = "SELECT a.anomaly_id, a.kind, a.employee_id, a.shift_id, a.minutes FROM anomalies AS a JOIN (SELECT anomaly_id, \
                max(version) AS version FROM anomalies GROUP BY anomaly_id) AS l ON a.anomaly_id = l.anomaly_id AND \
                a.version = l.version WHERE a.state = 'firing'";
    crate::oracles::check_versions(&lake.versions("shift_results", "shift_id"), "shift_results");
    crate::oracles::check_versions(&lake.versions("anomalies", "anomaly_id"), "anomalies");
    Final {
        punches,
        results: rows(lake, results),
        months: rows(lake, "SELECT * FROM monthly_statistics"),
        open: rows(lake, open),
        alerts: open_alerts(alerts),
    }
}

fn rows(lake: &LakeReader, statement: &str) -> Vec<String> {
    let line = |batch: &RecordBatch, row: usize| {
        let cell = |column: &arrow::array::ArrayRef| {
            let text = arrow::compute::cast(column, &DataType::Utf8).unwrap();
            let text = text.as_string::<i32>();
            if text.is_valid(row) { text.value(row).to_owned() } else { "-".to_owned() }
        };
        batch.columns().iter().map(cell).collect::<Vec<_>>().join(" ")
    };
    let mut rows = Vec::new();
    for batch in lake.sql(statement) {
        rows.extend((0..batch.num_rows()).map(|row| line(&batch, row)));
    }
    rows.sort();
    rows
}

/// The ids of alerts whose highest version fires.
fn open_alerts(records: &[TopicRecord]) -> BTreeSet<String> {
    let mut said: BTreeMap<(String, i64), BTreeMap<u32, Value>> = BTreeMap::new();
    for record in records.iter().filter(|record| !record.key.starts_with('_')) {
        let mut body: Value = serde_json::from_slice(&record.value).unwrap();
        body["cause"]["generation"] = Value::Null;
        let version = body["version"].as_i64().unwrap();
        let before = said.entry((record.key.clone(), version)).or_default().insert(record.partition, body);
        assert_eq!(
            before, None,
            "alert {} version {version} twice on partition {}",
            record.key, record.partition
        );
    }
    let mut latest: BTreeMap<String, (i64, bool)> = BTreeMap::new();
    for ((id, version), copies) in said {
        let bodies: Vec<&Value> = copies.values().collect();
        assert!(
            bodies.windows(2).all(|two| two[0] == two[1]),
            "alert {id} version {version} differs: {bodies:?}"
        );
        let before = latest.insert(id.clone(), (version, bodies[0]["state"] == "firing"));
        assert_eq!(before.map_or(0, |(version, _)| version) + 1, version, "versions of alert {id}");
    }
    latest.into_iter().filter(|(_, (_, is_firing))| *is_firing).map(|(id, _)| id).collect()
}
