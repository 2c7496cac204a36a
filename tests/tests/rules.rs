//! Rules in SQL in the whole pipeline: what they find fires, changes and resolves like everything else, whenever commits are
//! made, wherever the process is killed, and however many partitions there are.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use model::EventTime;
use serde_json::{Value, json};
use source::embedded::Options;
use source::{Append, EmbeddedLog, NewRecord};
use tests::program::Program;

const SITES: &str = r#"{"type":"FeatureCollection","features":[{"type":"Feature","geometry":{"type":"Point","coordinates":[114.17,22.30]},"properties":{"site_id":"hk-1","name":"One","org":"hk","time_zone":"Asia/Hong_Kong","radius_m":100}}]}"#;

/// What is said of rules' kinds, in the order in which it was.
const SAID: &str = "SELECT kind, coalesce(employee_id, device_id, site_id) AS subject, version, state, \
                    to_char(detected_at, '%H:%M') AS at, coalesce(resolved_by, '') AS by, audience \
                    FROM anomalies WHERE kind IN ('absence_rate', 'shared_device', 'impossible_travel', 'frozen_fix', \
                    'site_drift', 'access_point_moved', 'late_hotspot', 'device_clock') \
                    ORDER BY detected_at, kind, subject, version";

/// A phone that three people use before the shift, and another one after it; one who is 55 km away a quarter of an hour later;
/// three of ten who come an hour late.
const EXPECTED: [&str; 5] = [
    "absence_rate,hk-1,1,firing,01:30,,manager",
    "absence_rate,hk-1,2,resolved,02:00,rule,manager",
    "impossible_travel,e1,1,firing,02:00,,reviewer",
    "shared_device,d1,1,firing,02:00,,reviewer",
    // Behind the last instant: the end of the input asks once more.
    "shared_device,d2,1,firing,10:04,,reviewer",
];

fn config(folder: &Path, more: &str) {
    let text = format!(
        "[reference]\nsites = \"sites.geojson\"\npeople = \"people.ndjson\"\nshifts = \"shifts.ndjson\"\n\n\
         [privacy]\nlocation_days = 3650\n{more}\n"
    );
    std::fs::write(folder.join("muster.toml"), text).unwrap();
}

fn people() -> Vec<String> {
    let of = |letter: &'static str, count: usize| (0..count).map(move |n| format!("{letter}{n}"));
    of("a", 10).chain(of("q", 6)).chain(["e1".to_owned()]).collect()
}

fn write_reference(folder: &Path) {
    std::fs::write(folder.join("sites.geojson"), SITES).unwrap();
    let rows = |rows: Vec<Value>| rows.iter().map(|row| format!("{row}\n")).collect::<String>();
    let person = |id: &String| json!({"employee_id": id, "org": "hk", "home_site": "hk-1"});
    std::fs::write(folder.join("people.ndjson"), rows(people().iter().map(person).collect())).unwrap();
    let shift = |id: &String| {
        json!({"shift_id": format!("s-{id}"), "employee_id": id, "site_id": "hk-1",
            "business_date": "2026-11-02", "start": "09:00", "end": "18:00"})
    };
    let due: Vec<Value> = people().iter().filter(|id| id.starts_with('a')).map(shift).collect();
    std::fs::write(folder.join("shifts.ndjson"), rows(due)).unwrap();
}

/// (person, minute behind midnight UTC, device, longitude), in the order of time.
fn punches() -> Vec<(String, i64, String, f64)> {
    let mut punches = Vec::new();
    let mut punch = |id: &str, minute: i64, device: &str, lon: f64| {
        punches.push((id.to_owned(), minute, device.to_owned(), lon));
    };
    for n in 0..10 {
        let (id, phone) = (format!("a{n}"), format!("phone-{n}"));
        punch(&id, if n < 7 { 58 } else { 110 }, &phone, 114.17);
        punch(&id, 600, &phone, 114.17);
    }
    for (n, minute) in [(0, 60), (1, 63), (2, 66), (3, 601), (4, 603), (5, 604)] {
        punch(&format!("q{n}"), minute, if n < 3 { "d1" } else { "d2" }, 114.17);
    }
    // What a person does later that day takes nothing back.
    for (minute, lon) in [(60, 114.17), (75, 114.7045), (300, 114.17), (600, 114.17)] {
        punch("e1", minute, "phone-e", lon);
    }
    punches.sort_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0)));
    punches
}

fn records() -> Vec<(String, String)> {
    let record = |(id, minute, device, lon): (String, i64, String, f64)| {
        let record = json!({"event_id": format!("{id}-{minute}"), "employee_id": id, "kind": "auto",
            "origin": "phone", "device_id": device, "occurred_at": 1_793_577_600_000_i64 + minute * 60_000,
            "location": {"lon": lon, "lat": 22.30, "accuracy_m": 10}});
        (id, record.to_string())
    };
    punches().into_iter().map(record).collect()
}

fn said(folder: &Path) -> Vec<String> {
    let line = ["sql", "--lake", "lake", "--format", "csv", SAID];
    let ran = Program::new().args(line).in_folder(folder).run();
    assert_eq!(ran.code, Some(0), "{}", ran.told());
    ran.stdout.lines().skip(1).map(|row| row.replace('"', "")).collect()
}

fn replay(folder: &Path) -> Value {
    let ran =
        Program::new().args(["replay", "-c", "muster.toml", "p.ndjson", "--json"]).in_folder(folder).run();
    assert_eq!(ran.code, Some(0), "{}", ran.told());
    serde_json::from_str(ran.last_line()).unwrap()
}

#[test]
fn rules_are_asked_at_the_same_instants_whenever_commits_are_made() {
    for limits in ["", "\n[limits]\nbatch_records_max = 1\n\n[lake]\ncommit_every_ms = 10\n"] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        write_reference(folder);
        let lines: Vec<String> = records().into_iter().map(|(_, line)| line).collect();
        std::fs::write(folder.join("p.ndjson"), lines.join("\n") + "\n").unwrap();
        config(folder, &format!("\n[rules]\n{limits}"));
        let summary = replay(folder);
        assert_eq!(summary["alerts"]["shared_device"], 2, "{summary}");
        assert_eq!(said(folder), EXPECTED);
        // Again: nothing is said twice.
        replay(folder);
        assert_eq!(said(folder), EXPECTED);
    }
}

fn fill_log(folder: &Path) {
    let options = Options { partitions: 3, ..Options::default() };
    let log = EmbeddedLog::open(&folder.join("log"), options, Arc::new(|| EventTime::from_ms(0))).unwrap();
    log.create_topic("punches", 3).unwrap();
    for (key, value) in records() {
        let record =
            NewRecord { key: Some(key.as_bytes()), value: Some(value.as_bytes()), ..NewRecord::default() };
        log.appender().append("punches", &[record]).unwrap();
    }
}

const RUN: [&str; 6] = ["run", "-c", "muster.toml", "--json", "--until", "2026-11-02T12:00:00Z"];

#[test]
fn a_run_killed_again_and_again_says_what_rules_find_once() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_reference(folder);
    fill_log(folder);
    config(
        folder,
        "\n[rules]\n\n[source]\ndir = \"log\"\nclock = \"record\"\npartitions = 3\n\n\
         [limits]\nbatch_records_max = 2\n\n[lake]\ncommit_every_ms = 10\n",
    );
    for wait_ms in [150, 300, 450, 600, 900] {
        let mut child = Program::new().args(RUN).in_folder(folder).spawn();
        // Anywhere in a run: how far it came does not matter.
        thread::sleep(Duration::from_millis(wait_ms));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    for _ in 0..2 {
        let ran = Program::new().args(RUN).in_folder(folder).run();
        assert_eq!(ran.code, Some(0), "{}", ran.told());
        assert_eq!(said(folder), EXPECTED);
    }
}

#[test]
fn a_rule_that_does_not_run_is_told_and_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_reference(folder);
    let lines: Vec<String> = records().into_iter().map(|(_, line)| line).collect();
    std::fs::write(folder.join("p.ndjson"), lines.join("\n") + "\n").unwrap();
    std::fs::create_dir(folder.join("own")).unwrap();
    let own = |name: &str, text: &str| std::fs::write(folder.join("own").join(name), text).unwrap();
    let header = "-- kind: shared_device\n-- subject: device\n-- window: 1 hour\n-- every: 1 hour\n";
    // One in place of ours that cannot run, one whose header lacks something, and one that is added.
    own("absence_rate.sql", &header.replace("shared_device", "absence_rate").replace("device\n", "site\n"));
    own("frozen_fix.sql", "SELECT 1");
    own(
        "extra.sql",
        &format!(
            "{}SELECT 'hk' AS org, DATE '2026-11-02' AS business_date, $now AS first_at, $now AS last_at",
            header.replace("shared_device", "late_hotspot").replace("device\n", "org\n")
        ),
    );
    config(folder, "\n[rules]\ndir = \"own\"\nevery = \"1 hour\"\n");
    let checked = Program::new().args(["check", "-c", "muster.toml"]).in_folder(folder).run();
    assert_eq!(checked.code, Some(1), "{}", checked.told());
    assert!(
        checked.stdout.contains("absence_rate.sql") && checked.stdout.contains("frozen_fix.sql"),
        "{}",
        checked.told()
    );
    assert!(!checked.stdout.contains("extra.sql"), "{}", checked.told());
    let summary = replay(folder);
    assert_eq!(summary["accepted"], punches().len(), "{summary}");
    let kinds: Vec<&String> = summary["alerts"].as_object().unwrap().keys().collect();
    for (kind, is_found) in [("absence_rate", false), ("shared_device", true), ("late_hotspot", true)] {
        assert_eq!(kinds.iter().any(|known| *known == kind), is_found, "{kind} in {kinds:?}");
    }
}

#[test]
fn without_the_section_no_rule_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_reference(folder);
    let lines: Vec<String> = records().into_iter().map(|(_, line)| line).collect();
    std::fs::write(folder.join("p.ndjson"), lines.join("\n") + "\n").unwrap();
    config(folder, "");
    replay(folder);
    assert_eq!(said(folder), Vec::<String>::new());
}

/// The command `muster review` with `arguments`, which is to end with `code`; what it prints.
fn review(folder: &Path, arguments: &[&str], code: i32) -> String {
    let ran = Program::new().arg("review").args(arguments).args(["--lake", "lake"]).in_folder(folder).run();
    assert_eq!(ran.code, Some(code), "{arguments:?}: {}", ran.told());
    ran.stdout
}

#[test]
fn a_reviewer_decides_and_may_decide_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_reference(folder);
    let lines: Vec<String> = records().into_iter().map(|(_, line)| line).collect();
    std::fs::write(folder.join("p.ndjson"), lines.join("\n") + "\n").unwrap();
    config(folder, "\n[rules]\n");
    replay(folder);
    let listed = |more: &[&str]| -> Vec<String> {
        let arguments = [&["list", "--format", "csv"], more].concat();
        review(folder, &arguments, 0).lines().skip(1).map(str::to_owned).collect()
    };
    let open = listed(&[]);
    assert_eq!(open.len(), 3, "{open:#?}");
    let id_of = |what: &str| open.iter().find(|line| line.contains(what)).unwrap()[..32].to_owned();
    let (phone, travel) = (id_of("shared_device,firing,d1"), id_of("impossible_travel"));
    review(folder, &["dismiss", &phone[..8], "--by", "hr desk", "--note", "the store's own tablet"], 0);
    review(folder, &["confirm", &travel, "--by", "hr desk"], 0);
    assert_eq!(listed(&[]).len(), 1);
    assert_eq!(listed(&["--all"]).iter().filter(|line| line.ends_with(",dismissed")).count(), 1);
    // Twice is once; another decision replaces the first.
    assert!(review(folder, &["dismiss", &phone, "--by", "hr desk"], 0).contains("already"));
    review(folder, &["confirm", &phone, "--by", "auditor"], 0);
    let line = [
        "sql",
        "--lake",
        "lake",
        "--format",
        "csv",
        "SELECT kind, fired, confirmed, dismissed, open, \
                false_positive_rate FROM suspicion_quality ORDER BY kind, site_id",
    ];
    let ran = Program::new().args(line).in_folder(folder).run();
    assert_eq!(
        ran.stdout.lines().skip(1).collect::<Vec<_>>(),
        ["impossible_travel,1,1,0,0,0.0", "shared_device,2,1,0,1,0.0"]
    );
    // A replay goes on beside decisions; what is no suspicion is none.
    replay(folder);
    assert_eq!(listed(&[]).len(), 1);
    review(folder, &["confirm", "zz", "--by", "hr desk"], 2);
    review(folder, &["confirm", "00000000000000", "--by", "hr desk"], 2);
}
