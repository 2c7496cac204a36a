//! Records that are no punch, and punches of people and sites that nobody knows: in files and on the embedded log.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::{EventTime, NextOffset, Partition};
use serde_json::{Value, json};
use source::embedded::Options;
use source::{Append, EmbeddedLog, NewRecord, Polled, RawBatch, Source};
use tests::program::Ran;

use super::shop::{CONFIG, Shop, check, lines, punch, punch_with, read_lines, summary};

/// What must come of a record.
#[derive(Clone, Copy)]
enum Due {
    /// A row of `punches` with these reasons.
    Taken(&'static [&'static str]),
    /// A reject of this code, whose message has this in it.
    Refused(&'static str, &'static str),
}

use Due::{Refused, Taken};

fn at(lon: Value, lat: Value) -> Value {
    json!({"lon": lon, "lat": lat, "accuracy_m": 10})
}

/// A record whose longitude is written as `text`, which is no JSON number.
fn raw_lon(event_id: &str, text: &str) -> Vec<u8> {
    punch_with(event_id, "location", at(json!("LON"), json!(22.3)))
        .to_string()
        .replace("\"LON\"", text)
        .into_bytes()
}

/// Every kind of bad record, with good ones between.
fn table() -> Vec<(Vec<u8>, Due)> {
    let of = |value: Value| value.to_string().into_bytes();
    let with = |event: &str, field: &str, value: Value| of(punch_with(event, field, value));
    let mut truncated = of(punch("cut"));
    truncated.truncate(60);
    vec![
        (truncated, Refused("not_json", "EOF")),
        (of(punch("first")), Taken(&[])),
        (
            with("number", "employee_id", json!(7)),
            Refused("wrong_type", "`employee_id` is 7, expected a text"),
        ),
        (with("object", "occurred_at", json!({})), Refused("wrong_type", "`occurred_at`")),
        (
            with("kind", "kind", json!("lunch")),
            Refused("wrong_type", "expected in, out, break_out, break_in or auto"),
        ),
        (with("origin", "origin", json!("pigeon")), Refused("wrong_type", "`origin`")),
        (b"null".to_vec(), Refused("wrong_type", "expected an object")),
        (b"[]".to_vec(), Refused("wrong_type", "expected an object")),
        (with("no-time", "occurred_at", Value::Null), Refused("missing_field", "`occurred_at`")),
        (with("", "note", json!("")), Refused("missing_field", "`event_id`")),
        (with("east", "location", at(json!(200), json!(22.3))), Refused("bad_coordinates", "`lon`")),
        (with("north", "location", at(json!(114.1), json!(-90.001))), Refused("bad_coordinates", "`lat`")),
        (with("edge", "location", at(json!(180), json!(90))), Taken(&[])),
        (raw_lon("nan", "NaN"), Refused("bad_coordinates", "`location.lon`")),
        (raw_lon("inf", "1e999"), Refused("bad_coordinates", "`location.lon`")),
        (
            with("text", "location", at(json!("NaN"), json!(22.3))),
            Refused("bad_coordinates", "`location.lon`"),
        ),
        (
            with("far", "occurred_at", json!("9999-12-31T23:59:59Z")),
            Refused("time_impossible", "outside 1970 to 2199"),
        ),
        (
            with("ms-far", "occurred_at", json!(7_258_118_400_000_i64)),
            Refused("time_impossible", "outside 1970 to 2199"),
        ),
        (with("ms-neg", "occurred_at", json!(-1)), Refused("time_impossible", "outside 1970 to 2199")),
        (
            with("1969", "occurred_at", json!("1969-12-31T23:59:59Z")),
            Refused("time_impossible", "outside 1970"),
        ),
        (with("1970", "occurred_at", json!("1970-01-01T00:00:00Z")), Taken(&[])),
        (with("no-zone", "occurred_at", json!("2026-11-02T08:00:00")), Refused("time_impossible", "offset")),
        (with("large", "note", json!("x".repeat(1 << 20))), Refused("too_large", "262144")),
        (b"{\"event_id\":\"\xff\xfe\"}".to_vec(), Refused("not_utf8", "byte 13")),
        (with("ghost", "employee_id", json!("ghost")), Taken(&["unknown_employee"])),
        (with("nowhere", "site_id", json!("nowhere")), Taken(&["unknown_site"])),
        (with("misspelt", "loctaion", json!({})), Taken(&[])),
    ]
}

/// Reasons that rest on what a person did before, and so are no property of the record.
const HISTORY: [&str; 3] = ["clock_suspect", "repunch", "unscheduled"];

/// The reasons of a record alone, from the lake's `a;b` or the verdict's list.
fn reasons(value: &Value) -> Vec<String> {
    let all: Vec<String> = match value {
        Value::String(text) => text.split(';').filter(|r| !r.is_empty()).map(str::to_owned).collect(),
        Value::Array(list) => list.iter().map(|r| r.as_str().unwrap().to_owned()).collect(),
        _ => Vec::new(),
    };
    all.into_iter().filter(|reason| !HISTORY.contains(&reason.as_str())).collect()
}

#[test]
fn match_tells_each_reject_with_its_line_and_judges_the_rest() {
    let (shop, table) = (Shop::new(), table());
    shop.put("p.ndjson", lines(table.iter().map(|(bytes, _)| bytes)));
    let ran = shop.muster("match -c muster.toml p.ndjson");
    check(&ran, 1, &[]);
    let told: Vec<&str> = ran.stderr.lines().collect();
    let mut verdicts = ran.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut rejects = told.iter();
    for (index, (bytes, due)) in table.iter().enumerate() {
        match due {
            Refused(code, part) => {
                let line = rejects.next().unwrap();
                assert!(line.starts_with(&format!("line {}: {code}: ", index + 1)), "{line}");
                assert!(line.contains(part), "{line} lacks {part}");
                assert!(line.len() < 300, "a message quotes a whole record: {} bytes", line.len());
            }
            Taken(expected) => {
                let record: Value = serde_json::from_slice(bytes).unwrap();
                let verdict = verdicts.next().unwrap();
                assert_eq!(verdict["event_id"], record["event_id"]);
                assert_eq!(reasons(&verdict["reasons"]), *expected, "{verdict}");
            }
        }
    }
    assert_eq!((rejects.next(), verdicts.next()), (None, None));
    for threads in [2, 5] {
        let again = shop.muster(&format!("match -c muster.toml --threads {threads} p.ndjson"));
        assert_eq!(
            (again.stdout, again.stderr),
            (ran.stdout.clone(), ran.stderr.clone()),
            "{threads} threads"
        );
    }
}

#[test]
fn replay_keeps_each_reject_once_with_its_bytes_and_takes_the_rest() {
    let (shop, table) = (Shop::new(), table());
    shop.put("p.ndjson", lines(table.iter().map(|(bytes, _)| bytes)));
    let refused = table.iter().filter(|(_, due)| matches!(due, Refused(..))).count() as u64;
    let taken = table.len() as u64 - refused;
    let ran = shop.muster("replay -c muster.toml --json p.ndjson");
    check(&ran, 1, &[]);
    assert_eq!(summary(&ran), [taken, refused, 0]);
    let again = shop.muster("replay -c muster.toml --json p.ndjson");
    check(&again, 0, &[]);
    assert_eq!(summary(&again), [0, 0, 0], "the position stands behind every record, the bad ones too");

    let rows = shop.sql("lake", "SELECT event_id, reasons FROM punches");
    let mut found: BTreeMap<String, Vec<String>> = rows
        .iter()
        .map(|row| (row["event_id"].as_str().unwrap().to_owned(), reasons(&row["reasons"])))
        .collect();
    assert_eq!(rows.len(), found.len());
    let rows = shop.sql("lake", r#"SELECT "offset" AS o, code, message FROM rejects"#);
    let mut rejects: BTreeMap<u64, &Value> =
        rows.iter().map(|row| (row["o"].as_u64().unwrap(), row)).collect();
    assert_eq!(rows.len() as u64, refused);
    let letters = read_lines(&shop.path("lake/dead_letters.ndjson"));
    let mut letters: BTreeMap<u64, Value> = letters
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|letter| (letter["headers"]["dlq.offset"].as_str().unwrap().parse().unwrap(), letter))
        .collect();
    for (offset, (bytes, due)) in table.iter().enumerate() {
        let offset = offset as u64;
        match due {
            Taken(expected) => {
                let record: Value = serde_json::from_slice(bytes).unwrap();
                let event_id = record["event_id"].as_str().unwrap();
                assert_eq!(found.remove(event_id).as_deref(), Some(&*strings(expected)), "{event_id}");
            }
            Refused(code, part) => {
                let row = rejects.remove(&offset).unwrap();
                assert_eq!(row["code"], **code, "{row}");
                assert!(row["message"].as_str().unwrap().contains(part), "{row}");
                let letter = letters.remove(&offset).unwrap();
                assert_eq!(letter["headers"]["dlq.code"], **code);
                let kept = STANDARD.decode(letter["value"].as_str().unwrap()).unwrap();
                assert!(
                    kept == *bytes || *code == "too_large",
                    "offset {offset}: its bytes are not as they were"
                );
            }
        }
    }
    assert!(
        found.is_empty() && rejects.is_empty() && letters.is_empty(),
        "{found:?} {rejects:?} {letters:?}"
    );
}

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn a_file_of_nothing_but_bad_records_is_passed_once() {
    let shop = Shop::new();
    let bad: Vec<String> = (0..5_000).map(|n| format!("{{\"event_id\":\"e{n}\"")).collect();
    shop.put("bad.ndjson", lines(&bad));
    let ran = shop.muster("replay -c muster.toml --json bad.ndjson");
    check(&ran, 1, &[]);
    assert_eq!(summary(&ran), [0, 5_000, 0]);
    let ran = shop.muster("replay -c muster.toml --json bad.ndjson");
    check(&ran, 0, &[]);
    assert_eq!(summary(&ran), [0, 0, 0]);
    assert_eq!(shop.count("lake", "rejects"), 5_000);
    assert_eq!(read_lines(&shop.path("lake/dead_letters.ndjson")).len(), 5_000);
    // Another file that holds them too is another log: its rejects are its own.
    shop.put("more.ndjson", lines(bad.iter().take(3)));
    let ran = shop.muster("replay -c muster.toml --json more.ndjson");
    assert_eq!(summary(&ran), [0, 3, 0]);
    assert_eq!(shop.count("lake", "rejects"), 5_003);
}

#[test]
fn an_overlapping_file_adds_nothing_twice() {
    let shop = Shop::new();
    let record = |n: u32| punch_with(&format!("e{n}"), "note", json!(n)).to_string();
    shop.put("one.ndjson", lines((0..20).map(record)));
    shop.put("two.ndjson", lines((15..25).map(record)));
    assert_eq!(summary(&shop.muster("replay -c muster.toml --json one.ndjson")), [20, 0, 0]);
    assert_eq!(summary(&shop.muster("replay -c muster.toml --json two.ndjson one.ndjson")), [5, 0, 5]);
    assert_eq!(shop.count("lake", "punches"), 25);
    // The same identity with other content is no repeat: it is refused and kept for a person to look at.
    shop.put("three.ndjson", lines([punch_with("e3", "kind", json!("out")).to_string()]));
    let ran = shop.muster("replay -c muster.toml --json three.ndjson");
    check(&ran, 1, &[]);
    assert_eq!(summary(&ran), [0, 1, 0]);
    assert_eq!(shop.count("lake", "rejects WHERE code = 'duplicate_conflict'"), 1);
}

#[test]
fn the_other_formats_tell_their_broken_lines() {
    let attlog = "7\t2026-11-02 08:00:00\t1\t0\t1\t0\n7\t2026-11-02 25:00:00\t1\t0\t1\t0\nnonsense\n";
    let terminal =
        "登记号码,姓名,出勤时间\nE0045,王,2026/11/2 星期一 8:20\nE0045,王\nE0045,王,2026/13/2 星期一 8:20\n";
    let csv = "event_id,employee_id,kind,occurred_at,origin\n\
               a,p1,in,2026-11-02T08:00:00Z,phone\nb,p1,in,yesterday,phone\nc,p1\n";
    for (name, text, taken, refused) in [
        ("attlog.dat", attlog, 1, [(2, "time_impossible", "25:00:00"), (3, "not_json", "separated by tabs")]),
        ("terminal.csv", terminal, 1, [(3, "not_json", "出勤时间"), (4, "time_impossible", "2026/13/2")]),
        (
            "punches.csv",
            csv,
            1,
            [(3, "time_impossible", "yesterday"), (4, "not_json", "2 columns, the header has 5")],
        ),
    ] {
        let shop = Shop::new();
        shop.put(name, text);
        let ran = shop.muster(&format!("match -c muster.toml {name}"));
        check(&ran, 1, &[]);
        assert_eq!(ran.stdout.lines().count(), taken, "{name}: {}", ran.told());
        let told: Vec<&str> = ran.stderr.lines().collect();
        assert_eq!(told.len(), refused.len(), "{name}: {}", ran.told());
        for (line, (number, code, part)) in told.iter().zip(refused) {
            assert!(
                line.starts_with(&format!("line {number}: {code}: ")) && line.contains(part),
                "{name}: {line}"
            );
        }
        let ran = shop.muster(&format!("replay -c muster.toml --json {name}"));
        check(&ran, 1, &[]);
        assert_eq!(summary(&ran), [taken as u64, 2, 0], "{name}");
        assert_eq!(
            summary(&shop.muster(&format!("replay -c muster.toml --json {name}"))),
            [0, 0, 0],
            "{name}"
        );
    }
}

#[test]
fn a_file_read_as_another_format_is_all_rejects() {
    let shop = Shop::new();
    shop.put("p.ndjson", lines([punch("a").to_string(), punch("b").to_string()]));
    let ran = shop.muster("replay -c muster.toml --json --format attlog p.ndjson");
    check(&ran, 1, &[]);
    assert_eq!(summary(&ran), [0, 2, 0]);
}

#[test]
fn an_empty_file_is_no_work_and_no_error() {
    let shop = Shop::new();
    shop.put("p.ndjson", "");
    let ran = shop.muster("match -c muster.toml p.ndjson");
    check(&ran, 0, &[]);
    assert!(ran.stdout.is_empty(), "{}", ran.told());
    let ran = shop.muster("replay -c muster.toml --json p.ndjson");
    check(&ran, 0, &[]);
    assert_eq!(summary(&ran), [0, 0, 0]);
    // A CSV names its columns in its first line; without one nobody can tell what is in it.
    shop.put("p.csv", "");
    for line in ["replay -c muster.toml --lake new p.ndjson p.csv", "match -c muster.toml p.csv"] {
        check(&shop.muster(line), 2, &["p.csv: the file is empty", "begins with a header"]);
    }
    shop.put("p.csv", "Name,Time\n");
    let ran = shop.muster("replay -c muster.toml --lake new p.ndjson p.csv");
    check(&ran, 2, &["p.csv: read the header line", "employee_id"]);
    assert!(!shop.path("new").exists(), "the lake is made once every file is known to be readable");
}

/// A log in the shop's folder whose append times are the records' own.
fn log(shop: &Shop) -> EmbeddedLog {
    let options = Options { partitions: 2, ..Options::default() };
    let noon: EventTime = EventTime::from("2026-11-02T04:00:00Z".parse::<jiff::Timestamp>().unwrap());
    let log = EmbeddedLog::open(&shop.path("log"), options, Arc::new(move || noon)).unwrap();
    log.create_topic("punches", 2).unwrap();
    log
}

/// Every record of a topic: partition, key, value, headers.
type Kept = (u32, Option<Vec<u8>>, Option<Vec<u8>>, BTreeMap<String, String>);

fn read_topic(log: &EmbeddedLog, topic: &str) -> Vec<Kept> {
    let mut source = log.source(topic).unwrap();
    let (mut batch, mut kept, mut open) = (RawBatch::new(), Vec::new(), 0);
    loop {
        match source.poll(Duration::ZERO, &mut batch).unwrap() {
            Polled::Assigned(partitions) => {
                open = partitions.len();
                let starts: Vec<_> = partitions.into_iter().map(|p| (p, NextOffset::START)).collect();
                source.start(&starts).unwrap();
            }
            Polled::Batch => kept.extend(batch.iter().map(|entry| {
                let headers = entry.headers.iter().map(|(name, value)| {
                    (name.to_owned(), String::from_utf8(value.unwrap_or_default().to_vec()).unwrap())
                });
                let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
                (batch.partition().number(), owned(entry.key), owned(entry.value), headers.collect())
            })),
            Polled::CaughtUp { partition, .. } => {
                source.pause(partition);
                open -= 1;
                if open == 0 {
                    return kept;
                }
            }
            _ => {}
        }
    }
}

fn run(shop: &Shop) -> Ran {
    shop.muster("run -c muster.toml --json --until 2026-11-05T00:00:00Z")
}

#[test]
fn the_embedded_log_passes_null_values_and_a_partition_of_nothing_but_bad_records() {
    let (shop, table) = (Shop::new(), table());
    {
        let log = log(&shop);
        let mut appender = log.appender();
        let of = |partition, value| NewRecord {
            key: Some(b"k\xff"),
            value,
            headers: &[("trace", Some(b"t-1"))],
            partition: Some(Partition::new(partition)),
        };
        let bad = table
            .iter()
            .filter(|(_, due)| matches!(due, Refused(..)))
            .map(|(bytes, _)| of(1, Some(&bytes[..])));
        let good: Vec<Vec<u8>> = (0..3).map(|n| punch(&format!("e{n}")).to_string().into_bytes()).collect();
        let mut records = vec![of(0, None)];
        records.extend(good.iter().map(|bytes| of(0, Some(&bytes[..]))));
        records.extend(bad);
        records.push(of(1, None));
        appender.append("punches", &records).unwrap();
    }
    let refused = table.iter().filter(|(_, due)| matches!(due, Refused(..))).count() as u64 + 2;
    let ran = run(&shop);
    check(&ran, 1, &[]);
    assert_eq!(summary(&ran), [3, refused, 0]);
    let again = run(&shop);
    check(&again, 0, &[]);
    assert_eq!(summary(&again), [0, 0, 0], "both positions stand behind the bad records");
    assert_eq!(shop.count("lake", "rejects"), refused);
    assert_eq!(shop.count("lake", "rejects WHERE code = 'null_value'"), 2);
    let letters = read_topic(&log(&shop), "punches.dlq");
    assert_eq!(letters.len() as u64, refused);
    let nulls = letters.iter().filter(|(_, _, value, _)| value.is_none()).count();
    assert_eq!(nulls, 2);
    for (_, key, value, headers) in &letters {
        assert_eq!(key.as_deref(), Some(&b"k\xff"[..]), "the key is untouched");
        assert_eq!(headers["trace"], "t-1", "its own headers are kept");
        assert_eq!(headers["dlq.topic"], "punches");
        if headers["dlq.code"] == "null_value" {
            continue;
        }
        assert_eq!(headers["dlq.partition"], "1");
        let offset: usize = headers["dlq.offset"].parse().unwrap();
        let (bytes, _) = table.iter().filter(|(_, due)| matches!(due, Refused(..))).nth(offset).unwrap();
        assert_eq!(value.as_ref(), Some(bytes), "the bytes are untouched");
    }
}

#[test]
fn a_person_is_told_that_their_punch_could_not_be_taken_until_one_is() {
    let shop = Shop::new();
    let of = |event: &str, person: &str, at: &str, lon: Value| {
        json!({"event_id": event, "employee_id": person, "kind": "auto", "occurred_at": format!("2026-11-02T{at}:00+08:00"),
               "origin": "phone", "location": {"lon": lon, "lat": 22.30, "accuracy_m": 10}})
        .to_string()
    };
    let day = [
        ("p1", of("a", "p1", "08:00", json!(114.17))),
        ("p1", of("b", "p1", "11:30", json!("east"))),
        ("p1", of("b", "p1", "11:30", json!("east"))),
        ("p2", of("c", "p2", "11:30", json!(1_000))),
        ("nobody", of("d", "nobody", "11:30", json!(1_000))),
        ("p1", of("e", "p1", "11:45", json!(114.17))),
    ];
    shop.put("muster.toml", CONFIG.replace("clock = \"record\"", "clock = \"append\""));
    {
        let log = log(&shop);
        let records: Vec<NewRecord<'_>> = day
            .iter()
            .map(|(key, value)| NewRecord {
                key: Some(key.as_bytes()),
                value: Some(value.as_bytes()),
                ..NewRecord::default()
            })
            .collect();
        log.appender().append("punches", &records).unwrap();
    }
    check(&run(&shop), 1, &[]);
    let told = shop.sql(
        "lake",
        "SELECT employee_id, state, version, resolved_by, business_date, site_id, event_ids FROM anomalies WHERE kind = 'punch_rejected' ORDER BY employee_id, version",
    );
    let of = |state: &str, version: i64, by: Value, person: &str, site: &str, event: &str| {
        json!({"employee_id": person, "state": state, "version": version, "resolved_by": by,
               "business_date": "2026-11-02", "site_id": site, "event_ids": [event]})
    };
    let expected = [
        of("firing", 1, Value::Null, "p1", "hk-1", "b"),
        of("resolved", 2, json!("punch"), "p1", "hk-1", "b"),
        of("firing", 1, Value::Null, "p2", "hk-2", "c"),
    ];
    assert_eq!(told.len(), expected.len(), "{told:?}");
    for (told, expected) in told.iter().zip(&expected) {
        for (column, value) in expected.as_object().unwrap() {
            let own = told.get(column).unwrap_or(&Value::Null);
            assert_eq!(own, value, "{column} of {told}");
        }
    }
    // An import tells nobody: what happened is over, and its records come in other files, too.
    shop.put("muster.toml", CONFIG);
    let lines: Vec<&str> = day.iter().map(|(_, line)| line.as_str()).collect();
    shop.put("day.ndjson", lines.join("\n"));
    check(&shop.muster("replay -c muster.toml day.ndjson --lake imported"), 1, &[]);
    assert_eq!(shop.count("imported", "anomalies WHERE kind = 'punch_rejected'"), 0);
}
