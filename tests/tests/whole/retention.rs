//! Fixes and scans are kept for `location_days`: by the log's clock in a replay, and from the next start on after the
//! setting was lowered.

use std::path::Path;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use serde_json::json;
use tests::lake_reader::LakeReader;
use tests::program::Program;

const DAYS: i64 = 40;
const DAY_MS: i64 = 86_400_000;
/// 2026-10-01T01:00:00Z.
const START_MS: i64 = 1_790_816_400_000;

const SITES: &str = r#"{"type":"FeatureCollection","features":[{"type":"Feature","geometry":{"type":"Point","coordinates":[114.17,22.30]},"properties":{"site_id":"hk-1","name":"One","org":"hk","time_zone":"Asia/Hong_Kong","radius_m":100}}]}"#;

fn config(folder: &Path, location_days: i64) {
    let text = format!(
        "[reference]\nsites = \"sites.geojson\"\n\n[lake]\nurl = \"lake\"\ncommit_every_ms = 20\n\n\
         [limits]\nbatch_records_max = 16\n\n[privacy]\nlocation_days = {location_days}\n"
    );
    std::fs::write(folder.join("muster.toml"), text).unwrap();
}

/// Four punches a day at a site, one of them uploaded three days later, one from a device that is a century ahead.
fn punches() -> String {
    let punch = |day: i64, n: i64, at_ms: i64| {
        json!({
            "event_id": format!("e{day}-{n}"), "employee_id": format!("p{n}"), "kind": "in", "origin": "phone",
            "occurred_at": at_ms, "location": {"lon": 114.17, "lat": 22.30, "accuracy_m": 10},
        })
        .to_string()
    };
    let mut lines = Vec::new();
    for day in 0..DAYS {
        let at = START_MS + day * DAY_MS;
        lines.extend((0..3).map(|n| punch(day, n, at + n * 60_000)));
        if day >= 3 {
            lines.push(punch(day, 3, at - 3 * DAY_MS));
        }
    }
    lines.insert(20, punch(0, 4, START_MS + 100 * 365 * DAY_MS));
    lines.join("\n") + "\n"
}

fn replay(folder: &Path, file: &str) {
    let command = ["replay", "-c", "muster.toml", file, "--json"];
    let ran = Program::new().args(command).in_folder(folder).run();
    assert_eq!(ran.code, Some(0), "{}", ran.told());
}

/// Days behind the first of every row of evidence, sorted, and how many punches there are.
fn kept(folder: &Path) -> (Vec<i64>, i64) {
    let lake = LakeReader::open(&folder.join("lake"));
    let statement = "SELECT CAST(to_unixtime(occurred_at) AS BIGINT) AS s FROM punch_evidence ORDER BY s";
    let mut days = Vec::new();
    for batch in lake.sql(statement) {
        let seconds = batch.column(0).as_primitive::<Int64Type>();
        days.extend(seconds.values().iter().map(|s| (s - START_MS / 1_000).div_euclid(86_400)));
    }
    (days, lake.count("punches"))
}

#[test]
fn a_replay_of_weeks_keeps_the_fixes_of_the_last_days() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("sites.geojson"), SITES).unwrap();
    let text = punches();
    let records = text.lines().count() as i64;
    std::fs::write(folder.path().join("p.ndjson"), &text).unwrap();
    config(folder.path(), 7);
    replay(folder.path(), "p.ndjson");
    let (days, stored) = kept(folder.path());
    assert_eq!(stored, records);
    // The clock ended a few minutes into the last day. A device ahead of its log is kept by the wall: not for a century.
    let ahead = days.iter().filter(|day| **day > DAYS).count();
    assert_eq!(ahead, 1, "{days:?}");
    let young: Vec<i64> = days.into_iter().filter(|day| *day <= DAYS).collect();
    let oldest = DAYS - 1 - 7;
    assert!(young.iter().all(|day| *day >= oldest), "{young:?}");
    assert!((oldest + 1..DAYS).all(|day| young.contains(&day)), "{young:?}");

    // The setting is lowered: the next start removes, although it has nothing else to do.
    config(folder.path(), 2);
    replay(folder.path(), "p.ndjson");
    let (days, stored) = kept(folder.path());
    assert_eq!(stored, records);
    assert!(days.iter().all(|day| *day >= DAYS - 1 - 2) && days.len() >= 6, "{days:?}");
    config(folder.path(), 0);
    replay(folder.path(), "p.ndjson");
    assert_eq!(kept(folder.path()), (Vec::new(), records));
}
