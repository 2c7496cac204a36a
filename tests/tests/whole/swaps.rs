//! Shifts that change hands or times after something was said of them: whoever had them is let off, whoever has them is judged,
//! and going back restores what held; on three partitions, by recovering with another roster.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use model::EventTime;
use model::position::partition_of;
use serde_json::{Value, json};
use source::embedded::Options;
use source::{Append, EmbeddedLog, NewRecord};
use tests::lake_reader::LakeReader;
use tests::oracles::{check_versions, push_version};
use tests::program::Program;
use tests::topic::read_topic;

const PARTITIONS: u32 = 3;

/// The `nth` person whose key falls on `partition`.
fn person(partition: u32, nth: usize) -> String {
    let names = (0..).map(|n| format!("p{n}"));
    let mut own = names.filter(|name| partition_of(name.as_bytes(), PARTITIONS).number() == partition);
    own.nth(nth).unwrap()
}

/// A shift by id, person, day and hours.
type Planned<'a> = (&'a str, &'a str, &'a str, &'a str);

fn write_roster(folder: &Path, shifts: &[Planned<'_>]) {
    let mut rows = String::new();
    for (shift_id, employee_id, business_date, start) in shifts {
        let end = if *start == "09:00" { "18:00" } else { "23:00" };
        let row = json!({"shift_id": shift_id, "employee_id": employee_id, "site_id": "s1",
            "business_date": business_date, "start": start, "end": end});
        rows.push_str(&format!("{row}\n"));
    }
    std::fs::write(folder.join("shifts.ndjson"), rows).unwrap();
}

fn run(folder: &Path) -> Value {
    let until = ["run", "-c", "muster.toml", "--json", "--until", "2026-11-10T00:00:00Z"];
    let ran = Program::new().args(until).in_folder(folder).run();
    assert_eq!(ran.code, Some(0), "{}", ran.told());
    serde_json::from_str(ran.last_line()).unwrap()
}

fn rows(folder: &Path, statement: &str) -> Vec<String> {
    let line = ["sql", "--lake", "lake", "--format", "csv", statement];
    let ran = Program::new().args(line).in_folder(folder).run();
    assert_eq!(ran.code, Some(0), "{}", ran.told());
    ran.stdout.lines().skip(1).map(|row| row.replace("\"\"", "")).collect()
}

const LATEST: &str = "SELECT shift_id, employee_id, business_date, status, array_to_string(reasons, ' ') \
                      FROM latest_shift_results ORDER BY shift_id";

/// What fires about shifts.
const FIRING: &str = "SELECT shift_id, kind, employee_id FROM latest_anomalies \
                      WHERE state = 'firing' AND shift_id IS NOT NULL ORDER BY shift_id, kind, employee_id";

/// The last version of every alert about a shift that fires, by the log's topic.
fn alerts(folder: &Path) -> Vec<String> {
    let log = EmbeddedLog::open(&folder.join("log"), Options::default(), Arc::new(|| EventTime::from_ms(0)))
        .unwrap();
    let (mut last, mut versions) = (BTreeMap::new(), BTreeMap::new());
    for record in read_topic(&mut log.source("alerts").unwrap()) {
        if !record.key.starts_with("_owner/") {
            let body: Value = serde_json::from_slice(&record.value).unwrap();
            push_version(&mut versions, &body);
            last.insert(record.key, body);
        }
    }
    check_versions(&versions, "alerts topic");
    let firing = last.into_values().filter(|body| body["state"] == "firing" && body["shift_id"].is_string());
    let text = |body: &Value, key: &str| body[key].as_str().unwrap_or_default().to_owned();
    let mut firing: Vec<String> = firing
        .map(|body| ["shift_id", "kind", "employee_id"].map(|key| text(&body, key)).join(","))
        .collect();
    firing.sort();
    firing
}

#[test]
fn a_shift_that_leaves_takes_along_what_was_said_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (anna, dora) = (person(0, 0), person(0, 1));
    let (bert, carl) = (person(1, 0), person(2, 0));
    let site = json!({"type": "FeatureCollection", "features": [{"type": "Feature",
        "geometry": {"type": "Point", "coordinates": [114.17, 22.3]},
        "properties": {"site_id": "s1", "name": "store", "org": "hk/a", "time_zone": "UTC", "radius_m": 100}}]});
    std::fs::write(folder.join("sites.geojson"), site.to_string()).unwrap();
    let people = [&anna, &dora, &bert, &carl]
        .map(|id| format!("{}\n", json!({"employee_id": id, "org": "hk/a", "home_site": "s1"})));
    std::fs::write(folder.join("people.ndjson"), people.concat()).unwrap();
    super::config(folder, "\n[source]\ndir = \"log\"\nclock = \"record\"\npartitions = 3\n");
    {
        let options = Options { partitions: PARTITIONS, ..Options::default() };
        let log =
            EmbeddedLog::open(&folder.join("log"), options, Arc::new(|| EventTime::from_ms(0))).unwrap();
        log.create_topic("punches", PARTITIONS).unwrap();
        let punch = |employee_id: &str, kind: &str, at: &str| {
            let value = json!({"event_id": format!("{kind}-{at}"), "employee_id": employee_id, "kind": kind,
                "origin": "phone", "occurred_at": at,
                "location": {"lon": 114.17, "lat": 22.3, "accuracy_m": 10}});
            let value = value.to_string();
            let (key, value) = (Some(employee_id.as_bytes()), Some(value.as_bytes()));
            let record = NewRecord { key, value, ..NewRecord::default() };
            log.appender().append("punches", &[record]).unwrap();
        };
        // Where each partition's log begins; who covers for whom; where the log ends.
        [&anna, &bert, &carl].into_iter().for_each(|id| punch(id, "auto", "2026-11-01T12:00:00Z"));
        punch(&bert, "in", "2026-11-02T08:58:00Z");
        punch(&bert, "out", "2026-11-02T18:01:00Z");
        punch(&carl, "in", "2026-11-04T09:20:00Z");
        punch(&carl, "out", "2026-11-04T18:00:00Z");
        [&anna, &bert, &carl].into_iter().for_each(|id| punch(id, "auto", "2026-11-06T12:00:00Z"));
    }
    let before: [Planned<'_>; 6] = [
        ("far", &anna, "2026-11-02", "09:00"),
        ("future", &carl, "2026-11-03", "09:00"),
        ("late", &carl, "2026-11-04", "09:00"),
        ("near", &anna, "2026-11-03", "09:00"),
        ("past", &carl, "2026-11-02", "09:00"),
        ("still", &dora, "2026-11-02", "09:00"),
    ];
    let absent = |names: [(&str, &str); 5]| names.map(|(shift, id)| format!("{shift},absent,{id}")).to_vec();
    let first_firing = {
        let mut firing =
            absent([("far", &anna), ("future", &carl), ("near", &anna), ("past", &carl), ("still", &dora)]);
        firing.insert(2, format!("late,late,{carl}"));
        firing
    };
    let first = [
        format!("far,{anna},2026-11-02,absent,"),
        format!("future,{carl},2026-11-03,absent,"),
        format!("late,{carl},2026-11-04,late,"),
        format!("near,{anna},2026-11-03,absent,"),
        format!("past,{carl},2026-11-02,absent,"),
        format!("still,{dora},2026-11-02,absent,"),
    ];
    write_roster(folder, &before);
    run(folder);
    assert_eq!(rows(folder, LATEST), first);
    assert_eq!(rows(folder, FIRING), first_firing);

    // One goes to another partition, one stays on its own, one to next month, one to before the log began, one to the evening;
    // one is gone from the roster, which tells nothing about it.
    let after: [Planned<'_>; 5] = [
        ("far", &bert, "2026-11-02", "09:00"),
        ("future", &carl, "2026-12-20", "09:00"),
        ("late", &carl, "2026-11-05", "14:00"),
        ("near", &dora, "2026-11-03", "09:00"),
        ("past", &carl, "2026-09-01", "09:00"),
    ];
    let second = [
        format!("far,{bert},2026-11-02,present,"),
        format!("future,{carl},2026-11-03,cancelled,rescheduled"),
        format!("late,{carl},2026-11-05,absent,"),
        format!("near,{dora},2026-11-03,absent,"),
        format!("past,{carl},2026-11-02,cancelled,rescheduled"),
        format!("still,{dora},2026-11-02,absent,"),
    ];
    let second_firing =
        [format!("late,absent,{carl}"), format!("near,absent,{dora}"), format!("still,absent,{dora}")];
    write_roster(folder, &after);
    let versions = |folder: &Path| {
        LakeReader::open(&folder.join("lake")).versions("shift_results", "shift_id || '/' || employee_id")
    };
    for again in [false, true] {
        let before = versions(folder);
        run(folder);
        assert_eq!(rows(folder, LATEST), second, "again: {again}");
        assert_eq!(rows(folder, FIRING), second_firing);
        assert_eq!(alerts(folder), second_firing);
        let after = versions(folder);
        if again {
            assert_eq!(after, before, "who starts again says nothing twice");
        } else {
            assert_ne!(after, before);
        }
    }
    // Of whoever gave a shift away the last that was said is that it is another's.
    let of_anna = format!(
        "SELECT shift_id, max(version), last_value(array_to_string(reasons, ' ') ORDER BY version) \
         FROM shift_results WHERE employee_id = '{anna}' GROUP BY shift_id ORDER BY shift_id"
    );
    let told = rows(folder, &of_anna);
    assert!(told.iter().all(|row| row.ends_with(",reassigned")) && told.len() == 2, "{told:?}");
    let counted = format!(
        "SELECT due_days, absent_days FROM monthly_statistics WHERE month = '2026-11' AND employee_id = '{bert}'"
    );
    assert_eq!(rows(folder, &counted), ["1.0,0.0"]);

    // Back again: what held at first holds again, and versions go on.
    write_roster(folder, &before);
    run(folder);
    assert_eq!(rows(folder, LATEST), first);
    assert_eq!(rows(folder, FIRING), first_firing);
    assert_eq!(alerts(folder), first_firing);
    check_versions(&versions(folder), "shift_results");
}
