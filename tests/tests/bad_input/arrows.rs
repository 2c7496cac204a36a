//! Arrow files through the whole pipeline: the same punches as lines and as rows, with rows that are none, and files that
//! break off.

use std::sync::Arc;

use arrow::datatypes::Schema;
use arrow::json::ReaderBuilder;
use arrow_ipc::writer::{FileWriter, StreamWriter};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemas::decode::PunchColumns;
use serde_json::Value;

use super::shop::{Shop, check, read_lines, summary};

/// Two people's day, one of its records twice, one without an employee.
const LINES: &str = r#"{"event_id":"a1","employee_id":"p1","kind":"in","occurred_at":"2026-11-02T08:09:00+08:00","origin":"phone","location":{"lon":114.17,"lat":22.30,"accuracy_m":10.0}}
{"event_id":"a2","employee_id":"p2","kind":"in","occurred_at":"2026-11-02T08:10:00+08:00","origin":"phone","location":{"lon":114.17,"lat":22.30,"accuracy_m":10.0}}
{"event_id":"a3","employee_id":"","kind":"in","occurred_at":"2026-11-02T08:11:00+08:00","origin":"phone"}
{"event_id":"a1","employee_id":"p1","kind":"in","occurred_at":"2026-11-02T08:09:00+08:00","origin":"phone","location":{"lon":114.17,"lat":22.30,"accuracy_m":10.0}}
{"event_id":"a4","employee_id":"p1","kind":"out","occurred_at":"2026-11-02T17:01:00+08:00","origin":"phone","location":{"lon":114.17,"lat":22.30,"accuracy_m":10.0}}
"#;

/// The lines as Arrow, three rows a record batch.
fn arrows(is_file: bool) -> Vec<u8> {
    let schema = Arc::new(Schema::new(PunchColumns::schema()));
    let reader = ReaderBuilder::new(Arc::clone(&schema)).with_batch_size(3).build(LINES.as_bytes()).unwrap();
    let batches: Vec<_> = reader.collect::<Result<_, _>>().unwrap();
    assert_eq!(batches.len(), 2);
    if is_file {
        let mut writer = FileWriter::try_new(Vec::new(), &schema).unwrap();
        batches.iter().for_each(|batch| writer.write(batch).unwrap());
        writer.finish().unwrap();
        writer.into_inner().unwrap()
    } else {
        let mut writer = StreamWriter::try_new(Vec::new(), &schema).unwrap();
        batches.iter().for_each(|batch| writer.write(batch).unwrap());
        writer.finish().unwrap();
        writer.into_inner().unwrap()
    }
}

#[test]
fn rows_are_judged_as_the_lines_that_say_the_same() {
    let shop = Shop::new();
    shop.put("day.ndjson", LINES);
    shop.put("day.arrow", arrows(true));
    shop.put("day.arrows", arrows(false));
    let said = |name: &str| {
        let lake = format!("lake-{name}");
        let ran = shop.muster(&format!("replay -c muster.toml {name} --lake {lake} --json"));
        check(&ran, 1, &[]);
        assert_eq!(summary(&ran), [3, 1, 1], "{name}: {}", ran.told());
        let columns = "event_id, employee_id, occurred_at, place, site_id, distance_m, shift_id, \"offset\"";
        let punches = shop.sql(&lake, &format!("SELECT {columns} FROM punches ORDER BY event_id"));
        let results =
            "SELECT shift_id, status, late_min, worked_s FROM latest_shift_results ORDER BY shift_id";
        let rejects = "SELECT code, message, \"offset\" FROM rejects ORDER BY \"offset\"";
        let matched = shop.muster(&format!("match -c muster.toml {name}"));
        check(&matched, 1, &[]);
        ((punches, shop.sql(&lake, results), shop.sql(&lake, rejects)), matched.stdout)
    };
    let lines = said("day.ndjson");
    assert_eq!(lines.0.0.len(), 3);
    for name in ["day.arrow", "day.arrows"] {
        assert_eq!(said(name), lines, "{name}");
        // A row that is rejected can be read in its dead letter.
        let letters = read_lines(&shop.path(&format!("lake-{name}/dead_letters.ndjson")));
        let values = letters.iter().map(|line| serde_json::from_str::<Value>(line).unwrap()["value"].clone());
        let values: Vec<_> = values.map(|value| STANDARD.decode(value.as_str().unwrap()).unwrap()).collect();
        let ids =
            values.iter().map(|value| serde_json::from_slice::<Value>(value).unwrap()["event_id"].clone());
        assert_eq!(ids.collect::<Vec<_>>(), ["a3"], "{name}");
        let again = shop.muster(&format!("replay -c muster.toml {name} --lake lake-{name} --json"));
        assert_eq!(summary(&again), [0, 0, 0], "{name} again: {}", again.told());
    }
}

#[test]
fn an_arrow_file_that_breaks_off_keeps_its_rows_and_says_so() {
    let shop = Shop::new();
    let whole = arrows(false);
    shop.put("day.arrows", &whole[..whole.len() - 8]);
    let ran = shop.muster("replay -c muster.toml day.arrows");
    check(&ran, 3, &["day.arrows", "breaks off behind 5 rows"]);
    shop.put("day.arrows", &whole);
    check(&shop.muster("replay -c muster.toml day.arrows"), 1, &[]);
    assert_eq!(shop.count("lake", "punches"), 3, "what was taken before is not taken twice");
    shop.put("other.arrow", "{}");
    check(&shop.muster("replay -c muster.toml other.arrow"), 3, &["other.arrow", "not Arrow IPC"]);
}
