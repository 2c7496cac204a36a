//! A full disk: the run stops with exit code 3 and says so, and the same command finishes the work once there is room.
//!
//! The disk is full at a stated file size: no file may grow past it, which fails the same writes at the same places on
//! every machine, with and without the right to mount one. Which file grows first decides what fails: so every size is
//! tried from less than the first file of the lake to more than the last.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use model::EventTime;
use serde_json::{Value, json};
use source::embedded::Options;
use source::{Append, EmbeddedLog, NewRecord};

use super::shop::{Shop, check, lines, punch_with, read_lines, summary};

const PUNCHES: u64 = 2_000;
const BROKEN: u64 = 40;

/// Good records of 250 people, every fiftieth followed by a broken one.
fn records() -> Vec<String> {
    let mut records = Vec::new();
    for n in 0..PUNCHES {
        let mut punch = punch_with(&format!("e{n}"), "employee_id", json!(format!("q{}", n % 250)));
        punch["occurred_at"] = json!(1_793_577_600_000 + n * 1_000);
        records.push(punch.to_string());
        if n % (PUNCHES / BROKEN) == 0 {
            records.push(format!("{{\"broken\": {n}"));
        }
    }
    records
}

/// Gives each of the first `people` a shift from 08:00 that nobody clocks out of.
fn rostered(shop: &Shop, people: u64) {
    let all = 0..people;
    let person = |n| json!({"employee_id": format!("q{n}"), "org": "hk", "home_site": "hk-1"}).to_string();
    let shift = |n| {
        json!({
            "shift_id": format!("s{n}"), "employee_id": format!("q{n}"), "site_id": "hk-1",
            "business_date": "2026-11-02", "start": "08:00", "end": "17:00",
        })
        .to_string()
    };
    shop.put("people.ndjson", lines(all.clone().map(person)));
    shop.put("shifts.ndjson", lines(all.map(shift)));
}

/// Everything a table holds, in an order of its own.
fn rows(shop: &Shop, lake: &str, statement: &str) -> Vec<String> {
    let mut rows: Vec<String> = shop.sql(lake, statement).iter().map(Value::to_string).collect();
    rows.sort();
    rows
}

const WHAT_HOLDS: [&str; 4] = [
    "SELECT event_id, employee_id, kind, direction, occurred_at, place, site_id, reasons FROM punches",
    "SELECT \"offset\", code, message FROM rejects",
    "SELECT shift_id, status, late_min, worked_min, missing_in, missing_out, final FROM latest_shift_results",
    // What came and went while nobody could store it is not said behind: a reminder of what has begun reminds nobody.
    "SELECT anomaly_id, kind, state, employee_id, shift_id FROM latest_anomalies WHERE kind <> 'reminder'",
];

#[test]
fn a_replay_on_a_full_disk_stops_and_goes_on_later() {
    let shop = Shop::new();
    rostered(&shop, 40);
    shop.put("p.ndjson", lines(records()));
    let ran = shop.muster("replay -c muster.toml --json --lake whole p.ndjson");
    assert_eq!(summary(&ran), [PUNCHES, BROKEN, 0]);
    let expected = WHAT_HOLDS.map(|statement| rows(&shop, "whole", statement));
    let mut failed_at = BTreeSet::new();
    for kib in [1, 3, 5, 8, 16, 24] {
        let line = "replay -c muster.toml --json --lake full p.ndjson";
        let ran = shop.program(line).file_bytes_max(kib << 10).run();
        if ran.code != Some(1) {
            check(&ran, 3, &["the disk is full", "free some space and run the same command again"]);
            failed_at.insert(ran.said().split_whitespace().take(3).collect::<Vec<_>>().join(" "));
        }
        let rest = shop.muster(line);
        assert!(matches!(rest.code, Some(0 | 1)), "{kib} KiB: {}", rest.told());
        for (statement, expected) in WHAT_HOLDS.iter().zip(&expected) {
            assert!(
                rows(&shop, "full", statement) == *expected,
                "{kib} KiB: {statement} differs from a run with room"
            );
        }
        assert_eq!(letters(&shop, "full"), BROKEN, "{kib} KiB");
        assert_eq!(alerts(&shop, "full"), alerts(&shop, "whole"), "{kib} KiB");
        fs::remove_dir_all(shop.path("full")).unwrap();
    }
    assert!(failed_at.len() >= 3, "the sizes tried fail at too few places: {failed_at:?}");
}

/// Dead letters of a replay, each by its origin.
fn letters(shop: &Shop, lake: &str) -> u64 {
    let lines = read_lines(&shop.path(lake).join("dead_letters.ndjson"));
    let origins: BTreeSet<String> = lines
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["headers"]["dlq.offset"].to_string())
        .collect();
    assert_eq!(origins.len(), lines.len());
    lines.len() as u64
}

/// Alerts of a replay: id, version and state, each once.
fn alerts(shop: &Shop, lake: &str) -> BTreeSet<String> {
    let lines = read_lines(&shop.path(lake).join("alerts.ndjson"));
    let said: BTreeSet<String> = lines
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|alert| format!("{} {} {}", alert["alert_id"], alert["version"], alert["state"]))
        .collect();
    assert_eq!(said.len(), lines.len());
    said
}

#[test]
fn a_run_on_a_full_disk_stops_and_goes_on_later() {
    let shop = Shop::new();
    {
        let now = EventTime::from("2026-11-02T04:00:00Z".parse::<jiff::Timestamp>().unwrap());
        let options = Options { partitions: 2, ..Options::default() };
        let log = EmbeddedLog::open(&shop.path("log"), options, Arc::new(move || now)).unwrap();
        log.create_topic("punches", 2).unwrap();
        let records = records();
        let person = |text: &String| match serde_json::from_str::<Value>(text) {
            Ok(punch) => punch["employee_id"].as_str().unwrap_or_default().to_owned(),
            Err(_) => String::new(),
        };
        let people: Vec<String> = records.iter().map(person).collect();
        let records: Vec<NewRecord<'_>> = records
            .iter()
            .zip(&people)
            .map(|(text, person)| NewRecord {
                key: Some(person.as_bytes()),
                value: Some(text.as_bytes()),
                ..NewRecord::default()
            })
            .collect();
        log.appender().append("punches", &records).unwrap();
    }
    let line = "run -c muster.toml --json --until 2026-11-05T00:00:00Z";
    // First not even the log can be opened for writing, then the lake grows too large, then the log's dead letters.
    let log_kib = fs::metadata(shop.path("log/log.sqlite")).unwrap().len() >> 10;
    let mut stopped = 0;
    for kib in [1, 6, log_kib / 2, log_kib + 16] {
        let ran = shop.program(line).file_bytes_max(kib << 10).run();
        if !matches!(ran.code, Some(0 | 1)) {
            check(&ran, 3, &["disk"]);
            stopped += 1;
        }
    }
    assert!(stopped >= 2, "the sizes tried never fill the disk");
    let rest = shop.muster(line);
    assert!(matches!(rest.code, Some(0 | 1)), "{}", rest.told());
    assert_eq!(shop.count("lake", "punches"), PUNCHES);
    assert_eq!(rows(&shop, "lake", "SELECT DISTINCT event_id FROM punches").len() as u64, PUNCHES);
    assert_eq!(shop.count("lake", "rejects"), BROKEN);
    assert_eq!(summary(&shop.muster(line)), [0, 0, 0]);
}

#[test]
fn a_disk_that_fills_between_two_tables_leaves_nothing_unsaid() {
    let shop = Shop::new();
    rostered(&shop, 1);
    let punches = (0..20).map(|n| punch_with(&format!("e{n}"), "employee_id", json!(format!("q{}", n % 2))));
    shop.put("p.ndjson", lines(punches.map(|punch| punch.to_string())));
    let line = "replay -c muster.toml --json p.ndjson";
    // The table of results has twice the columns of the table of punches: its smallest file is larger than theirs.
    check(
        &shop.program(line).file_bytes_max(17 * 512).run(),
        3,
        &["table shift_results", "the disk is full"],
    );
    assert_eq!(shop.count("lake", "punches"), 20, "the punches and their position are committed");
    assert_eq!(shop.count("lake", "shift_results"), 0, "what follows from them is not");
    let said = alerts(&shop, "lake");
    let rest = shop.muster(line);
    check(&rest, 0, &[]);
    assert_eq!(summary(&rest), [0, 0, 0]);
    assert_eq!(shop.muster(&line.replace("p.ndjson", "--lake whole p.ndjson")).code, Some(0));
    for statement in WHAT_HOLDS {
        assert_eq!(rows(&shop, "lake", statement), rows(&shop, "whole", statement), "{statement}");
    }
    assert!(!said.is_empty() && alerts(&shop, "lake").is_superset(&said));
    assert_eq!(alerts(&shop, "lake"), alerts(&shop, "whole"));
}
