//! Punches that a producer without the right partitioner put anywhere: each is judged once, on its person's partition.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::EventTime;
use model::position::{Partition, partition_of};
use serde_json::{Value, json};
use source::embedded::Options;
use source::{Append, EmbeddedLog, NewRecord};
use tests::program::Program;
use tests::topic::read_topic;

const PARTITIONS: u32 = 4;
const PEOPLE: u32 = 40;
/// 2026-11-02T01:00:00Z.
const START_MS: i64 = 1_793_581_200_000;

#[test]
fn a_punch_on_another_partition_is_judged_once_on_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[source]\ndir = \"log\"\nclock = \"record\"\npartitions = 4\n\n[lake]\nurl = \"lake\"\n\n\
                [limits]\nbatch_records_max = 8\n";
    std::fs::write(folder.path().join("muster.toml"), text).unwrap();
    let open = || {
        let options = Options { partitions: PARTITIONS, ..Options::default() };
        EmbeddedLog::open(&folder.path().join("log"), options, Arc::new(|| EventTime::from_ms(START_MS)))
            .unwrap()
    };
    let person = |n: u32| format!("p{n}");
    {
        let log = open();
        log.create_topic("punches", PARTITIONS).unwrap();
        for n in 0..2 * PEOPLE {
            let value = json!({
                "event_id": format!("e{n}"), "employee_id": person(n % PEOPLE), "kind": "in", "origin": "phone",
                "occurred_at": START_MS + i64::from(n) * 1_000,
            });
            let value = value.to_string();
            let record = NewRecord {
                value: Some(value.as_bytes()),
                headers: &[("trace", Some(b"t-1"))],
                partition: Some(Partition::new(0)),
                ..NewRecord::default()
            };
            log.appender().append("punches", &[record]).unwrap();
        }
    }
    // Twice: the second run finds everything done.
    for run in 0..2 {
        let ran = Program::new()
            .args(["run", "-c", "muster.toml", "--json", "--until", "2026-11-05T00:00:00Z"])
            .in_folder(folder.path())
            .run();
        assert_eq!(ran.code, Some(0), "{}", ran.told());
        let summary: Value = serde_json::from_str(ran.last_line()).unwrap();
        assert_eq!(summary["accepted"], if run == 0 { 2 * PEOPLE } else { 0 }, "{summary}");
    }
    let rows = |statement: &str| -> Vec<Value> {
        let line = ["sql", "--lake", "lake", "--format", "json", statement];
        let ran = Program::new().args(line).in_folder(folder.path()).run();
        assert_eq!(ran.code, Some(0), "{}", ran.told());
        ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let own = |employee: &str| partition_of(employee.as_bytes(), PARTITIONS).number();
    let punches = rows("SELECT employee_id, event_id, CAST(partition AS BIGINT) AS at FROM punches");
    let events: BTreeSet<&str> = punches.iter().map(|row| row["event_id"].as_str().unwrap()).collect();
    assert_eq!((punches.len(), events.len()), (2 * PEOPLE as usize, 2 * PEOPLE as usize));
    for row in &punches {
        assert_eq!(row["at"], own(row["employee_id"].as_str().unwrap()), "{row}");
    }
    let away = (0..2 * PEOPLE).filter(|n| own(&person(n % PEOPLE)) != 0).count();
    let rejects = rows("SELECT code, \"offset\" FROM rejects");
    assert!(rejects.iter().all(|row| row["code"] == "misplaced"), "{rejects:?}");
    assert_eq!(rejects.len(), away);
    let log = open();
    let moved: Vec<_> = read_topic(&mut log.source("punches").unwrap())
        .into_iter()
        .filter(|record| record.headers.contains_key("muster.origin"))
        .collect();
    assert_eq!(moved.len(), away);
    assert!(moved.iter().all(|record| {
        record.headers["trace"] == "t-1" && record.headers["muster.origin"].starts_with("punches/0/")
    }));
}
