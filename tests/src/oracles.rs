//! Oracles of the office year: every promise checked against what was sent, by code that shares nothing with the rooms. What has
//! been through any fault is judged by [`check_ledger`].
//!
//! In: a lake read back by SQL, the log's topics, the office, where its records landed.  Out: panics that say what differs.  Owns: nothing.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use jiff::civil::Date;
use source::Source;

use crate::lake_reader::LakeReader;
use crate::office::{Office, Record, What, hong_kong};
use crate::recount::{Month, recount};
use crate::topic::read_topic;

/// The ledger against everything that came of it, whatever happened in between: P1, P2, P3, and P4 as far as the log and the lake
/// tell. `topic` opens one of the log's. Gives the alerts by id with their versions.
///
/// # Panics
/// If any of it does not hold.
pub fn check_ledger(
    lake: &LakeReader,
    topic: &dyn Fn(&str) -> Box<dyn Source>,
    office: &Office,
    origins: &[(u32, i64)],
) -> BTreeMap<String, Vec<i64>> {
    check_punches(lake, office);
    check_offsets(lake, origins);
    check_letters(&mut *topic("punches.dlq"), office, origins);
    let fired = check_alerts(&mut *topic("alerts"));
    check_versions(&lake.versions("anomalies", "anomaly_id"), "anomalies");
    check_versions(&lake.versions("shift_results", "shift_id"), "shift_results");
    fired
}

/// P1: every distinct punch exactly once.
pub fn check_punches(lake: &LakeReader, office: &Office) {
    let due: BTreeSet<(String, String)> =
        office.punches.iter().map(|punch| (punch.employee_id.clone(), punch.event_id.clone())).collect();
    assert_eq!(due.len(), office.punches.len());
    let mut found = BTreeSet::new();
    for batch in lake.sql("SELECT employee_id, event_id FROM punches") {
        let (employees, events) = (text(&batch, 0), text(&batch, 1));
        for (employee_id, event_id) in employees.into_iter().zip(events) {
            let punch = (employee_id.unwrap(), event_id.unwrap());
            assert!(found.insert(punch.clone()), "{punch:?} is twice in the lake");
        }
    }
    assert_eq!(found, due);
}

/// P2: every offset is in `punches`, `rejects` or `late`, and in exactly one of `punches` and `rejects`.
pub fn check_offsets(lake: &LakeReader, origins: &[(u32, i64)]) {
    let mut found: BTreeMap<(u32, i64), usize> = BTreeMap::new();
    for table in ["punches", "rejects"] {
        for batch in lake.sql(&format!("SELECT CAST(partition AS BIGINT), \"offset\" FROM {table}")) {
            let (partitions, offsets) =
                (batch.column(0).as_primitive::<Int64Type>(), batch.column(1).as_primitive::<Int64Type>());
            for row in 0..batch.num_rows() {
                *found.entry((partitions.value(row) as u32, offsets.value(row))).or_default() += 1;
            }
        }
    }
    let due: BTreeMap<(u32, i64), usize> = origins.iter().map(|origin| (*origin, 1)).collect();
    assert_eq!(found, due, "offsets in punches and rejects");
}

/// P3: every broken record by origin among the dead letters, and nothing else.
pub fn check_letters(dead_letters: &mut dyn Source, office: &Office, origins: &[(u32, i64)]) {
    let mut letters = BTreeSet::new();
    for record in read_topic(dead_letters) {
        let number = |name: &str| record.headers[name].parse::<i64>().unwrap();
        letters.insert((number("dlq.partition") as u32, number("dlq.offset")));
    }
    assert_eq!(
        letters,
        broken_origins(office, origins),
        "every broken record, by origin, among the dead letters"
    );
}

/// P4: behind the owners' markers every (id, version) once and without gap. Gives the alerts by id with their versions.
///
/// What a former owner wrote behind its successor's marker does not count, and compaction would keep it alone: an owner that
/// finds such a record says once more what it hides, word for word. Nothing else is there twice.
pub fn check_alerts(alerts: &mut dyn Source) -> BTreeMap<String, Vec<i64>> {
    let (mut versions, mut owners) = (BTreeMap::new(), BTreeMap::<u32, i64>::new());
    let mut latest: BTreeMap<String, serde_json::Value> = BTreeMap::new();
    let mut hidden: BTreeSet<String> = BTreeSet::new();
    let (mut stale, mut again) = (0, 0);
    for record in read_topic(alerts) {
        let Ok(mut body) = serde_json::from_slice::<serde_json::Value>(&record.value) else { continue };
        let owner = owners.entry(record.partition).or_insert(i64::MIN);
        if record.key.starts_with("_owner/") {
            *owner = (*owner).max(body["generation"].as_i64().unwrap());
        } else if record.key.starts_with('_') {
            continue;
        } else if body["cause"]["generation"].take().as_i64().unwrap() < *owner {
            stale += 1;
            hidden.insert(record.key);
        } else if latest.get(&record.key) == Some(&body) && hidden.remove(&record.key) {
            again += 1;
        } else {
            if latest.get(&record.key).is_some_and(|before| before["version"] == body["version"]) {
                println!("twice, again at partition {}, offset {}: {body}", record.partition, record.offset);
            }
            hidden.remove(&record.key);
            push_version(&mut versions, &body);
            latest.insert(record.key, body);
        }
    }
    println!(
        "{} alerts; {stale} records of former owners do not count, {again} said again for them",
        versions.len()
    );
    check_versions(&versions, "alerts topic");
    versions
}

/// Where the broken records landed, of `origins` in the order of the records.
pub fn broken_origins(office: &Office, origins: &[(u32, i64)]) -> BTreeSet<(u32, i64)> {
    let broken =
        |(record, origin): (&Record, &(u32, i64))| matches!(record.what, What::Broken(_)).then_some(*origin);
    let found: BTreeSet<_> = office.records.iter().zip(origins).filter_map(broken).collect();
    assert!(!found.is_empty(), "none is broken");
    found
}

/// Notes the id and version of an alert's body.
pub fn push_version(versions: &mut BTreeMap<String, Vec<i64>>, body: &serde_json::Value) {
    let id = body["alert_id"].as_str().unwrap().to_owned();
    versions.entry(id).or_default().push(body["version"].as_i64().unwrap());
}

/// P4: every (id, version) once, and without gap.
pub fn check_versions(versions: &BTreeMap<String, Vec<i64>>, place: &str) {
    assert!(!versions.is_empty(), "{place} is empty");
    for (id, found) in versions {
        let mut sorted = found.clone();
        sorted.sort_unstable();
        let due: Vec<i64> = (1..=found.len() as i64).collect();
        assert_eq!(sorted, due, "{place}: versions of {id}");
    }
}

/// P8: the month's statistics equal the recount.
pub fn check_months(lake: &LakeReader, office: &Office, first: impl Fn(&str) -> Date) {
    let columns = "employee_id, month, due_days, attended_days, late_count, late_min, serious_late_count, early_count, \
                   early_min, missing_in, missing_out, absent_days, worked_s";
    let mut found: BTreeMap<(String, String), Month> = BTreeMap::new();
    for batch in lake.sql(&format!("SELECT {columns} FROM monthly_statistics")) {
        let (people, months) = (text(&batch, 0), text(&batch, 1));
        let number = |column: usize, row: usize| {
            let column = arrow::compute::cast(batch.column(column), &DataType::Float64).unwrap();
            column.as_primitive::<Float64Type>().value(row)
        };
        for row in 0..batch.num_rows() {
            let count = |column: usize| number(column, row) as i64;
            let month = Month {
                due_days: count(2),
                attended_days: number(3, row),
                late_count: count(4),
                late_min: count(5),
                serious_late_count: count(6),
                early_count: count(7),
                early_min: count(8),
                missing_in: count(9),
                missing_out: count(10),
                absent_days: number(11, row),
                worked_s: count(12),
            };
            found.insert((people[row].clone().unwrap(), months[row].clone().unwrap()), month);
        }
    }
    let last = *office.workdays().last().unwrap();
    let mut due = BTreeMap::new();
    for employee_id in office.homes.keys() {
        let of_person = recount(office, first(employee_id), last);
        due.extend(of_person.into_iter().filter(|((person, _), _)| person == employee_id));
    }
    let differing: Vec<_> = due.iter().filter(|(key, month)| found.get(*key) != Some(month)).collect();
    for (key, month) in differing.iter().take(5) {
        println!("{key:?}\n  recount {month:?}\n  lake    {:?}", found.get(*key));
    }
    assert!(differing.is_empty(), "{} of {} months differ", differing.len(), due.len());
    assert_eq!(found.len(), due.len());
}

/// The date of a punch on Hong Kong's wall clock.
pub fn local_date(record: &Record) -> Date {
    let value: serde_json::Value = serde_json::from_slice(record.value.as_deref().unwrap()).unwrap();
    let at: jiff::Timestamp = value["occurred_at"].as_str().unwrap().parse().unwrap();
    at.to_zoned(hong_kong()).date()
}

/// A column as text.
pub fn text(batch: &RecordBatch, column: usize) -> Vec<Option<String>> {
    let column = arrow::compute::cast(batch.column(column), &DataType::Utf8).unwrap();
    column.as_string::<i32>().iter().map(|value| value.map(str::to_owned)).collect()
}
