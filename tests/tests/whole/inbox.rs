//! Punches older than memory: what the inbox makes of them is what a punch in time would have become.

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use model::EventTime;
use serde_json::{Value, json};
use source::embedded::Options;
use source::{Append, EmbeddedLog, NewRecord};
use tests::program::{Program, Ran};
use tests::topic::read_topic;

const DAY_MS: i64 = 86_400_000;
/// 2026-08-03T01:00:00Z.
const START_MS: i64 = 1_785_718_800_000;

fn punch(event_id: &str, kind: &str, at_ms: i64) -> String {
    json!({
        "event_id": event_id, "employee_id": "p1", "kind": kind, "origin": "phone", "occurred_at": at_ms,
        "note": format!("as {event_id} was sent {kind}"),
    })
    .to_string()
}

/// A punch a day for eighty days with a memory of thirty-two, then four that are older than memory: other content under an identity
/// that is stored, a repeat, a re-punch, and a plain one.
fn records() -> Vec<String> {
    let mut records: Vec<String> =
        (0..CONFLICT).map(|day| punch(&format!("e{day}"), "in", START_MS + day * DAY_MS)).collect();
    records.push(punch("e3", "out", START_MS + 3 * DAY_MS));
    records.push(punch("e4", "in", START_MS + 4 * DAY_MS));
    records.push(punch("again", "in", START_MS + 5 * DAY_MS + 30_000));
    records.push(punch("plain", "out", START_MS + 5 * DAY_MS + 30_000));
    records
}

/// The offset of the first of the four.
const CONFLICT: i64 = 80;

fn config(folder: &Path) {
    let text = "[source]\ndir = \"log\"\nclock = \"record\"\npartitions = 1\n\n\
                [lake]\nurl = \"lake\"\ncommit_every_ms = 20\nstate_days = 32\nrestate_days = 5\n\n\
                [limits]\nbatch_records_max = 8\n";
    std::fs::write(folder.join("muster.toml"), text).unwrap();
}

fn muster(folder: &Path, command: &[&str]) -> Ran {
    Program::new().args(command).in_folder(folder).run()
}

/// Which punches are re-punches, and what was rejected.
fn check_lake(folder: &Path) {
    let rows = |statement: &str| -> Vec<Value> {
        let ran = muster(folder, &["sql", "--lake", "lake", "--format", "json", statement]);
        assert_eq!(ran.code, Some(0), "{}", ran.told());
        ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let punches = rows("SELECT event_id, reasons FROM punches");
    assert_eq!(punches.len() as i64, CONFLICT + 2);
    let repunches: Vec<&Value> = punches
        .iter()
        .filter(|row| row["reasons"].to_string().contains("repunch"))
        .map(|row| &row["event_id"])
        .collect();
    assert_eq!(repunches, ["again"]);
    let rejects = rows("SELECT \"offset\", code FROM rejects ORDER BY \"offset\"");
    let codes: Vec<(i64, &str)> =
        rejects.iter().map(|row| (row["offset"].as_i64().unwrap(), row["code"].as_str().unwrap())).collect();
    assert_eq!(codes, [(CONFLICT, "duplicate_conflict"), (CONFLICT + 1, "duplicate")]);
}

#[test]
fn a_conflict_older_than_memory_has_its_letter_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    config(folder.path());
    std::fs::write(folder.path().join("p.ndjson"), records().join("\n") + "\n").unwrap();
    let ran = muster(folder.path(), &["replay", "-c", "muster.toml", "p.ndjson", "--json"]);
    assert_eq!(ran.code, Some(1), "{}", ran.told());
    check_lake(folder.path());
    let letters = std::fs::read_to_string(folder.path().join("lake/dead_letters.ndjson")).unwrap();
    let letters: Vec<Value> = letters.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(letters[0]["headers"]["dlq.offset"], CONFLICT.to_string());
    assert_eq!(letters[0]["headers"]["dlq.code"], "duplicate_conflict");
    let bytes = base64::engine::general_purpose::STANDARD.decode(letters[0]["value"].as_str().unwrap());
    assert_eq!(String::from_utf8(bytes.unwrap()).unwrap(), records()[CONFLICT as usize]);
}

#[test]
fn a_conflict_older_than_memory_has_its_letter_in_the_topic() {
    let folder = tempfile::tempdir().unwrap();
    config(folder.path());
    let open = || {
        let now = Arc::new(|| EventTime::from_ms(START_MS + 100 * DAY_MS));
        let options = Options { partitions: 1, ..Options::default() };
        EmbeddedLog::open(&folder.path().join("log"), options, now).unwrap()
    };
    {
        let log = open();
        log.create_topic("punches", 1).unwrap();
        let records = records();
        let records: Vec<NewRecord<'_>> = records
            .iter()
            .map(|value| NewRecord {
                key: Some(b"p1"),
                value: Some(value.as_bytes()),
                ..NewRecord::default()
            })
            .collect();
        log.appender().append("punches", &records).unwrap();
    }
    let command = ["run", "-c", "muster.toml", "--until", "2026-12-01T00:00:00Z", "--json"];
    let ran = muster(folder.path(), &command);
    assert_eq!(ran.code, Some(1), "{}", ran.told());
    check_lake(folder.path());
    let log = open();
    let letters = read_topic(&mut log.source("punches.dlq").unwrap());
    assert_eq!(letters.len(), 1);
    let letter = &letters[0];
    assert_eq!(letter.key, "p1");
    assert_eq!(letter.headers["dlq.offset"], CONFLICT.to_string());
    assert_eq!(letter.headers["dlq.code"], "duplicate_conflict");
    assert_eq!(String::from_utf8_lossy(&letter.value), records()[CONFLICT as usize]);
}
