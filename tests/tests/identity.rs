//! A punch exists once, for ever: ids that come again long after memory has let them go, with whatever time.
//!
//! In: seventy days of a hundred and twenty people, and repeats of their first ids.  Out: what became of every record.
//! The oracle is the list of what was sent.

// A test that cannot go on panics.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, AsArray};
use arrow::datatypes::DataType;
use model::EventTime;
use serde_json::{Value, json};
use source::embedded::Options;
use source::{Append, EmbeddedLog, NewRecord};
use tests::lake_reader::LakeReader;
use tests::program::Program;
use tests::topic::read_topic;

const PEOPLE: usize = 120;
/// Well beyond the 45 days of memory; with so many people enough rows for filters on disk.
const DAYS: i64 = 70;

const CONFIG: &str = "[reference]\nsites = \"sites.geojson\"\npeople = \"people.ndjson\"\nshifts = \"shifts.ndjson\"\n\n\
                      [source]\ndir = \"log\"\nclock = \"record\"\npartitions = 3\n\n\
                      [lake]\nurl = \"lake\"\ncommit_every_ms = 60\n";

const SITES: &str = r#"{"type":"FeatureCollection","features":[
{"type":"Feature","geometry":{"type":"Point","coordinates":[114.17,22.30]},"properties":{"site_id":"hk-1","name":"One","org":"hk","time_zone":"Asia/Hong_Kong","radius_m":100,"terminals":["t1"]}}
]}
"#;

/// A record: whose, and its JSON.
#[derive(Clone, Debug)]
struct Sent {
    employee_id: String,
    value: String,
}

/// 2026-01-05 and `day` days, at that local time.
fn at(day: i64, time: &str) -> String {
    let date = jiff::civil::date(2026, 1, 5).checked_add(jiff::Span::new().days(day)).unwrap();
    format!("{date}T{time}+08:00")
}

fn punch(person: usize, event_id: &str, kind: &str, occurred_at: &str) -> Sent {
    let employee_id = format!("p{person:03}");
    let value = json!({
        "event_id": event_id, "employee_id": employee_id, "kind": kind, "occurred_at": occurred_at,
        "origin": "terminal", "device_id": "t1", "site_id": "hk-1",
    });
    Sent { employee_id, value: value.to_string() }
}

/// The first punch of a person, the one that is sent again.
fn first(person: usize) -> Sent {
    punch(person, &format!("{person}-0-in"), "in", &at(0, "08:55:00"))
}

/// The id of a person's first punch with another time.
fn moved(person: usize, day: i64) -> Sent {
    punch(person, &format!("{person}-0-in"), "in", &at(day, "12:00:00"))
}

/// What everybody does on the days from `from` until `until`.
fn days(from: i64, until: i64) -> Vec<Sent> {
    let mut sent = Vec::new();
    for day in from..until {
        for (kind, time) in [("in", "08:55:00"), ("out", "17:05:00")] {
            let one = |person| punch(person, &format!("{person}-{day}-{kind}"), kind, &at(day, time));
            sent.extend((0..PEOPLE).map(one));
        }
    }
    sent
}

fn write_reference(folder: &Path) {
    fs::write(folder.join("muster.toml"), CONFIG).unwrap();
    fs::write(folder.join("sites.geojson"), SITES).unwrap();
    let person = |n| format!("{{\"employee_id\":\"p{n:03}\",\"org\":\"hk\",\"home_site\":\"hk-1\"}}\n");
    fs::write(folder.join("people.ndjson"), (0..PEOPLE).map(person).collect::<String>()).unwrap();
    let shift = json!({
        "shift_id": "late-shift", "employee_id": "p000", "site_id": "hk-1",
        "business_date": at(DAYS + 1, "").split_once('T').unwrap().0, "start": "09:00", "end": "17:00",
    });
    fs::write(folder.join("shifts.ndjson"), format!("{shift}\n")).unwrap();
}

/// Appends to the log; where each record landed.
fn append(folder: &Path, sent: &[Sent]) -> Vec<(u32, i64)> {
    let options = Options { partitions: 3, ..Options::default() };
    let wall = Arc::new(|| EventTime::from(jiff::Timestamp::now()));
    let log = EmbeddedLog::open(&folder.join("log"), options, wall).unwrap();
    let mut appender = log.appender();
    let mut origins = Vec::new();
    for sent in sent.chunks(1_000) {
        let record = |sent: &'_ Sent| (sent.employee_id.clone(), sent.value.clone());
        let texts: Vec<(String, String)> = sent.iter().map(record).collect();
        let new: Vec<NewRecord<'_>> = texts
            .iter()
            .map(|(key, value)| NewRecord {
                key: Some(key.as_bytes()),
                value: Some(value.as_bytes()),
                ..NewRecord::default()
            })
            .collect();
        let landed = appender.append("punches", &new).unwrap();
        origins.extend(landed.into_iter().map(|(partition, offset)| (partition.number(), offset.get())));
    }
    origins
}

/// Runs `muster` to its end; the summary it prints.
fn run(folder: &Path, args: &[&str]) -> Value {
    let ran = Program::new().args(args).in_folder(folder).limit(Duration::from_secs(300)).run();
    assert!(matches!(ran.code, Some(0 | 1)), "{}", ran.told());
    serde_json::from_str(ran.last_line()).unwrap()
}

/// The answer as text, row by row.
fn rows(lake: &LakeReader, statement: &str) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for batch in lake.sql(statement) {
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(|column| arrow::compute::cast(column, &DataType::Utf8).unwrap())
            .collect();
        for row in 0..batch.num_rows() {
            let cell = |column: &arrow::array::ArrayRef| {
                let texts = column.as_string::<i32>();
                if texts.is_valid(row) { texts.value(row).to_owned() } else { "-".to_owned() }
            };
            rows.push(columns.iter().map(cell).collect());
        }
    }
    rows
}

fn filters(lake: &Path) -> Vec<PathBuf> {
    let Ok(files) = fs::read_dir(lake.join("_muster/identity")) else { return Vec::new() };
    files.map(|file| file.unwrap().path()).collect()
}

/// What was sent, and what must have become of the repeats.
#[derive(Default)]
struct Ledger {
    origins: Vec<(u32, i64)>,
    accepted: BTreeSet<(String, String)>,
    /// Where conflicts landed.
    conflicts: BTreeSet<(u32, i64)>,
    duplicates: BTreeSet<(u32, i64)>,
}

impl Ledger {
    /// One life of the process: `sent` is appended, and the log run to its end.
    fn live(&mut self, folder: &Path, until: i64, sent: &[Sent]) {
        let origins = append(folder, sent);
        for (sent, origin) in sent.iter().zip(&origins) {
            let value: Value = serde_json::from_str(&sent.value).unwrap();
            let event_id = value["event_id"].as_str().unwrap().to_owned();
            if self.accepted.insert((sent.employee_id.clone(), event_id.clone())) {
                continue;
            }
            let person: usize = sent.employee_id[1..].parse().unwrap();
            let repeats =
                if sent.value == first(person).value { &mut self.duplicates } else { &mut self.conflicts };
            repeats.insert(*origin);
        }
        self.origins.extend(origins);
        run(folder, &["run", "-c", "muster.toml", "--until", &at(until, "00:00:00"), "--json"]);
        self.check(folder);
    }

    fn check(&self, folder: &Path) {
        let lake = LakeReader::open(&folder.join("lake"));
        let mut found = BTreeSet::new();
        for row in rows(&lake, "SELECT employee_id, event_id FROM punches") {
            assert!(found.insert((row[0].clone(), row[1].clone())), "{row:?} is twice in the lake");
        }
        assert!(found == self.accepted, "{} punches of {}", found.len(), self.accepted.len());
        let mut rejects: BTreeMap<String, BTreeSet<(u32, i64)>> = BTreeMap::new();
        for row in rows(&lake, "SELECT code, partition, \"offset\" FROM rejects") {
            let origin = (row[1].parse().unwrap(), row[2].parse().unwrap());
            assert!(rejects.entry(row[0].clone()).or_default().insert(origin), "{row:?} twice");
        }
        assert_eq!(rejects.remove("duplicate_conflict").unwrap_or_default(), self.conflicts);
        assert_eq!(rejects.remove("duplicate").unwrap_or_default(), self.duplicates);
        assert!(rejects.is_empty(), "{rejects:?}");
        let log =
            EmbeddedLog::open(&folder.join("log"), Options::default(), Arc::new(|| EventTime::from_ms(0)));
        let mut letters = BTreeSet::new();
        for record in read_topic(&mut log.unwrap().source("punches.dlq").unwrap()) {
            let number = |name: &str| record.headers[name].parse::<i64>().unwrap();
            assert_eq!(record.headers["dlq.code"], "duplicate_conflict");
            letters.insert((number("dlq.partition") as u32, number("dlq.offset")));
        }
        assert_eq!(letters, self.conflicts, "a letter for every conflict");
    }
}

#[test]
fn an_id_is_known_for_ever_whatever_time_it_comes_with() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, lake) = (folder.path(), folder.path().join("lake"));
    write_reference(folder);
    let mut ledger = Ledger::default();

    // Within one life, and most likely within few commits: what was known is forgotten, and sent again 61 days later.
    let mut sent = days(0, 61);
    sent.extend([moved(0, 61), first(1), moved(0, 61)]);
    sent.extend(days(61, DAYS));
    ledger.live(folder, DAYS, &sent);
    assert_eq!((ledger.conflicts.len(), ledger.duplicates.len()), (2, 1));

    // After a restart: from filters made of the lake's files.
    ledger.live(folder, DAYS + 1, &[moved(2, DAYS), first(3), punch(3, "new", "in", &at(DAYS, "12:30:00"))]);
    assert!(!filters(&lake).is_empty(), "so many rows have a filter on disk");
    // With no filter left, and with damaged ones.
    fs::remove_dir_all(lake.join("_muster/identity")).unwrap();
    ledger.live(folder, DAYS + 2, &[moved(4, DAYS + 1), first(5)]);
    for file in filters(&lake) {
        let mut bytes = fs::read(&file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&file, bytes).unwrap();
    }
    ledger.live(folder, DAYS + 3, &[moved(6, DAYS + 2), moved(0, DAYS + 2)]);
    assert_eq!((ledger.conflicts.len(), ledger.duplicates.len()), (6, 3));
}

/// A filter that says yes to what the lake does not hold: made over a lake that did, and put beside one that does not.
#[test]
fn a_filter_that_is_wrong_costs_no_punch_and_doubles_none() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_reference(folder);
    let put = |name: &str, sent: &[Sent]| {
        let lines: Vec<&str> = sent.iter().map(|sent| &*sent.value).collect();
        fs::write(folder.join(name), lines.join("\n") + "\n").unwrap();
    };
    let (day, after) = (DAYS + 1, DAYS + 2);
    put("history.ndjson", &days(0, DAYS));
    put(
        "day.ndjson",
        &[
            punch(0, "day-in", "in", &at(day, "09:10:00")),
            punch(1, "day-other", "in", &at(day, "09:30:00")),
            punch(0, "day-out", "out", &at(day, "17:00:30")),
        ],
    );
    put("after.ndjson", &[punch(2, "after", "in", &at(after, "09:00:00"))]);
    let replay = |file: &str, lake: &str| {
        run(folder, &["replay", "-c", "muster.toml", file, "--lake", lake, "--json"])
    };
    let shift = |lake: &str| {
        let lake = LakeReader::open(&folder.join(lake));
        let result = "SELECT status, late_min, worked_s, in_event_id, out_event_id, final FROM shift_results \
                      WHERE shift_id = 'late-shift' ORDER BY version DESC LIMIT 1";
        rows(&lake, result)
    };
    let stored = |lake: &str| {
        let lake = LakeReader::open(&folder.join(lake));
        let row = "SELECT employee_id, event_id, kind, direction, shift_id, array_to_string(reasons, ' '), business_date \
                   FROM punches WHERE event_id LIKE 'day-%' ORDER BY event_id";
        rows(&lake, row)
    };

    assert_eq!(replay("history.ndjson", "lake")["accepted"], PEOPLE * DAYS as usize * 2);
    copy(&folder.join("lake"), &folder.join("wrong"));
    assert_eq!(replay("day.ndjson", "lake")["accepted"], 3);
    // Makes one filter of everything there, the three of the day among it.
    fs::remove_dir_all(folder.join("lake/_muster/identity")).unwrap();
    assert_eq!(replay("after.ndjson", "lake")["accepted"], 1);
    assert_eq!(filters(&folder.join("lake")).len(), 1);
    copy(&folder.join("lake/_muster/identity"), &folder.join("wrong/_muster/identity"));

    assert_eq!(replay("day.ndjson", "wrong")["accepted"], 3);
    let lake = LakeReader::open(&folder.join("wrong"));
    let inbox = rows(&lake, "SELECT event_id, code FROM late ORDER BY event_id");
    let known = |id: &str| vec![id.to_owned(), "id_known_before".to_owned()];
    assert_eq!(inbox, [known("day-in"), known("day-other"), known("day-out")]);
    assert_eq!(lake.count("rejects"), 0);
    assert_eq!(stored("wrong"), stored("lake"));
    assert_eq!(stored("wrong").len(), 3);
    assert_eq!(shift("wrong"), shift("lake"));
    assert_eq!(shift("wrong")[0][..2], ["late".to_owned(), "10".to_owned()], "both ends are bound");

    // The state folded from the lake says nothing that the state alive did not say, and nothing comes twice.
    let said = |lake: &LakeReader| {
        let mut versions = lake.versions("shift_results", "shift_id");
        versions.values_mut().for_each(|versions| versions.sort_unstable());
        versions
    };
    let versions = said(&lake);
    for (file, accepted) in [("day.ndjson", 0), ("after.ndjson", 1), ("day.ndjson", 0)] {
        assert_eq!(replay(file, "wrong")["accepted"], accepted, "{file}");
    }
    let lake = LakeReader::open(&folder.join("wrong"));
    assert_eq!(said(&lake), versions);
    assert_eq!(lake.count("punches") as usize, PEOPLE * DAYS as usize * 2 + 4);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}
