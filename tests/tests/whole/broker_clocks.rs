//! Brokers whose clocks are hours apart: append times that jump ahead and back. Punches keep the times they were given, the log's
//! clock goes neither back nor past this machine's own, and nobody is concluded absent by a broker's mistake.

use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use model::EventTime;
use serde_json::{Value, json};
use source::embedded::Options;
use source::{Append, EmbeddedLog, NewRecord};
use tests::program::Program;

use super::seals::rows;

/// What the log's clock may be ahead of this machine's: a minute, and what the test takes.
const AHEAD_MAX: SignedDuration = SignedDuration::from_mins(5);

/// Appends values, each with the append time that some broker gave it.
fn append(folder: &Path, sent: &[(String, Timestamp)]) {
    let options = Options { partitions: 1, ..Options::default() };
    let wall = Arc::new(|| EventTime::from(Timestamp::now()));
    let log = EmbeddedLog::open(&folder.join("log"), options, wall).unwrap();
    log.create_topic("punches", 1).unwrap();
    let records: Vec<NewRecord<'_>> = sent
        .iter()
        .map(|(value, _)| NewRecord {
            key: Some(b"k"),
            value: Some(value.as_bytes()),
            ..NewRecord::default()
        })
        .collect();
    let landed = log.appender().append("punches", &records).unwrap();
    drop(log);
    let file = rusqlite::Connection::open(folder.join("log/log.sqlite")).unwrap();
    let topic: i64 =
        file.query_row("SELECT id FROM topics WHERE name = 'punches'", [], |row| row.get(0)).unwrap();
    for ((_, at), (_, offset)) in sent.iter().zip(landed) {
        let update = format!("UPDATE log_{topic}_0 SET append_ms = ?1 WHERE offset = ?2");
        assert_eq!(file.execute(&update, [at.as_millisecond(), offset.get()]).unwrap(), 1);
    }
}

fn punch(employee_id: &str, kind: &str, at: Timestamp) -> String {
    let punch = json!({"event_id": format!("{kind}-{at}"), "employee_id": employee_id, "kind": kind,
        "origin": "phone", "occurred_at": at.to_string(), "location": {"lon": 114.17, "lat": 22.3, "accuracy_m": 10}});
    punch.to_string()
}

/// `p1` and `p2` work in the two hours before the last one, `p3` begins in two hours.
fn write_world(folder: &Path, now: Timestamp) {
    let site = json!({"type": "FeatureCollection", "features": [{"type": "Feature",
        "geometry": {"type": "Point", "coordinates": [114.17, 22.3]},
        "properties": {"site_id": "s1", "name": "store", "org": "hk/a", "time_zone": "UTC", "radius_m": 100}}]});
    std::fs::write(folder.join("sites.geojson"), site.to_string()).unwrap();
    let people = ["p1", "p2", "p3"]
        .map(|id| format!("{}\n", json!({"employee_id": id, "org": "hk/a", "home_site": "s1"})));
    std::fs::write(folder.join("people.ndjson"), people.concat()).unwrap();
    let shift = |(employee_id, from, until): (&str, i64, i64)| {
        let at = |hours: i64| now + SignedDuration::from_hours(hours);
        let date = at(from).to_zoned(jiff::tz::TimeZone::UTC).date();
        let row = json!({"shift_id": employee_id, "employee_id": employee_id, "site_id": "s1",
            "business_date": date.to_string(), "start": at(from).to_string(), "end": at(until).to_string()});
        format!("{row}\n")
    };
    let shifts = [("p1", -3, -1), ("p2", -3, -1), ("p3", 2, 4)].map(shift);
    std::fs::write(folder.join("shifts.ndjson"), shifts.concat()).unwrap();
    super::config(folder, "\n[source]\ndir = \"log\"\npartitions = 1\n");
}

/// Takes what there is.
fn run(folder: &Path, until: Timestamp) -> Value {
    let until = until.to_string();
    let args = ["run", "-c", "muster.toml", "--json", "--until", &until];
    let ran = Program::new().args(args).in_folder(folder).run();
    assert!(matches!(ran.code, Some(0 | 1)), "{}", ran.told());
    serde_json::from_str(ran.last_line()).unwrap()
}

/// Where the log's clock stood behind each commit, in ms.
fn clocks(folder: &Path) -> Vec<i64> {
    let log = folder.join("lake/punches/_delta_log");
    let entries = (0..).map(|version| std::fs::read_to_string(log.join(format!("{version:020}.json"))));
    let mut clocks = Vec::new();
    for entry in entries.map_while(Result::ok) {
        for line in entry.lines() {
            let action: Value = serde_json::from_str(line).unwrap();
            let id = action["txn"]["appId"].as_str().unwrap_or_default();
            clocks.extend(action["txn"]["version"].as_i64().filter(|_| id.ends_with("/clock")));
        }
    }
    clocks
}

#[test]
fn brokers_whose_clocks_are_hours_apart_conclude_nobody_absent_and_no_device_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
    let at = |hours: i64, minutes: i64| now + SignedDuration::from_mins(hours * 60 + minutes);
    write_world(folder, now);
    append(
        folder,
        &[
            (punch("p1", "in", at(-3, -10)), at(-3, -10)),
            (punch("p2", "in", at(-3, -5)), at(-3, -5)),
            // Another leader, hours ahead: by its time p3 would have been due long since.
            ("{no punch".to_owned(), at(9, 0)),
            // A third one, hours behind: by its time the phone would be wrong.
            (punch("p1", "out", at(-1, 2)), at(-6, 2)),
            (punch("p2", "out", at(-1, 3)), at(2, 55)),
        ],
    );
    let summary = run(folder, now);
    assert_eq!((&summary["accepted"], &summary["rejected"]), (&json!(4), &json!(1)), "{summary}");
    append(folder, &[(punch("p9", "in", at(0, -1)), at(-4, 0))]);
    assert_eq!(run(folder, now)["accepted"], 1);

    let found = clocks(folder);
    assert!(found.is_sorted() && !found.is_empty(), "it went back: {found:?}");
    let latest = (Timestamp::now() + AHEAD_MAX).as_millisecond();
    assert!(found.iter().all(|clock| *clock <= latest), "it believed a broker alone: {found:?}");
    let received = "SELECT CAST(to_unixtime(received_at) AS BIGINT) FROM punches ORDER BY \"offset\"";
    let due = [at(-3, -10), at(-3, -5), at(-6, 2), at(2, 55), at(-4, 0)];
    assert_eq!(
        rows(folder, received),
        due.map(|at| at.as_second().to_string()),
        "what brokers said stays said"
    );
    let results =
        "SELECT shift_id, status, missing_in, missing_out FROM latest_shift_results ORDER BY shift_id";
    assert_eq!(rows(folder, results), ["p1,present,false,false", "p2,present,false,false"]);
    let wrong =
        "SELECT kind, employee_id FROM anomalies WHERE kind IN ('no_show', 'absent', 'clock_suspect')";
    assert_eq!(rows(folder, wrong), Vec::<String>::new());
}
