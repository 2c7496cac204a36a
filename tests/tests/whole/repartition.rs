//! A log that is given more partitions while it is read: what finally holds is what holds of a log that had them from the
//! start, wherever the move is killed.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::EventTime;
use model::position::partition_of;
use serde_json::Value;
use source::embedded::Options;
use source::{Append, EmbeddedLog, NewRecord};
use tests::crowd::{self, Final, Sent};
use tests::lake_reader::LakeReader;
use tests::program::{Program, Ran};
use tests::topic::read_topic;

pub(super) const TABLES: [&str; 5] = ["punches", "rejects", "late", "shift_results", "anomalies"];

pub(super) fn configure(folder: &Path, partitions: u32) {
    let text = format!(
        "[reference]\nsites = \"sites.geojson\"\npeople = \"people.ndjson\"\nshifts = \"shifts.ndjson\"\n\n\
         [source]\ndir = \"log\"\nclock = \"record\"\npartitions = {partitions}\n\n\
         [lake]\nurl = \"lake\"\ncommit_every_ms = 60\nsync = false\nstate_days = 32\nrestate_days = 14\n\n\
         [limits]\nbatch_records_max = 50\n"
    );
    std::fs::write(folder.join("muster.toml"), text).unwrap();
}

fn open(folder: &Path, partitions: u32) -> EmbeddedLog {
    let options = Options { partitions, ..Options::default() };
    let log = EmbeddedLog::open(&folder.join("log"), options, Arc::new(|| EventTime::from_ms(0))).unwrap();
    log.create_topic("punches", partitions).unwrap();
    log
}

/// Appends the records where a producer that knows `known` partitions puts them.
pub(super) fn append(folder: &Path, partitions: u32, known: u32, records: &[Sent]) {
    let log = open(folder, partitions);
    let records: Vec<NewRecord<'_>> = records
        .iter()
        .map(|sent| NewRecord {
            key: Some(sent.employee_id.as_bytes()),
            value: Some(sent.value.as_bytes()),
            partition: Some(partition_of(sent.employee_id.as_bytes(), known)),
            ..NewRecord::default()
        })
        .collect();
    log.appender().append("punches", &records).unwrap();
}

pub(super) fn muster(folder: &Path, args: &[&str]) -> Ran {
    Program::new().args(args).in_folder(folder).run()
}

pub(super) fn run(folder: &Path, until: &str) {
    let ran = muster(folder, &["run", "-c", "muster.toml", "--json", "--until", until]);
    assert_eq!(ran.code, Some(0), "{}", ran.told());
}

const MOVE: [&str; 4] = ["repartition", "-c", "muster.toml", "--json"];

/// What has been done to the lake: entries of its tables' logs, and how far its owner file has come.
fn effects(folder: &Path) -> u64 {
    let heads: u64 = TABLES.iter().map(|table| super::head(&folder.join("lake"), table)).sum();
    heads + u64::from(owner_file(folder).contains("moving_to"))
}

fn owner_file(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("lake/_muster/lake.json")).unwrap()
}

/// Runs the command and kills it behind its `nth` effect; `false` if it came to its end before.
fn kill_behind(folder: &Path, args: &[&str], nth: u64) -> bool {
    let base = effects(folder);
    let mut child = Program::new().args(args).in_folder(folder).spawn();
    let begun = Instant::now();
    while effects(folder) < base + nth {
        assert!(begun.elapsed() < Duration::from_secs(60), "effect {nth} never came");
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{:?}", child.wait_with_output());
            return false;
        }
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    true
}

fn finally(folder: &Path, partitions: u32) -> Final {
    let log = open(folder, partitions);
    let alerts = read_topic(&mut log.source("alerts").unwrap());
    crowd::finally(&LakeReader::open(&folder.join("lake")), &alerts)
}

/// Moves from `from` to `to` partitions, killed behind each `step`th effect.
fn check(seed: u64, (from, to): (u32, u32), step: u64) {
    let scratch = tempfile::tempdir().unwrap();
    let [moved, born] = ["moved", "born"].map(|name| {
        let folder = scratch.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        crowd::write_reference(&folder);
        folder
    });
    let records = crowd::records(seed);
    let (first, rest) = records.split_at(records.len() * 4 / 10);
    let (second, rest) = rest.split_at(records.len() * 2 / 10);
    let (stale, fresh) = rest.split_at(records.len() * 2 / 10);

    configure(&born, to);
    append(&born, to, to, &records);
    run(&born, &crowd::settled_at());

    configure(&moved, from);
    append(&moved, from, from, first);
    run(&moved, "2026-11-01T00:00:00Z");
    append(&moved, from, from, second);
    kill_behind(&moved, &["run", "-c", "muster.toml", "--until", "2026-11-01T00:00:00Z"], 9);
    configure(&moved, to);
    let refused = muster(&moved, &["run", "-c", "muster.toml", "--until", "2026-11-01T00:00:00Z"]);
    assert_ne!(refused.code, Some(0), "{}", refused.told());
    assert!(refused.said().contains("muster repartition"), "{}", refused.told());

    let before = (owner_file(&moved), effects(&moved));
    let dry = muster(&moved, &[&MOVE[..], &["--dry-run"]].concat());
    assert_eq!(dry.code, Some(0), "{}", dry.told());
    let plan: Value = serde_json::from_str(dry.last_line()).unwrap();
    assert_eq!((&plan["from"], &plan["to"]), (&from.into(), &to.into()), "{plan}");
    assert!(plan["people_moved"].as_u64().unwrap() > 0, "{plan}");
    assert_eq!((owner_file(&moved), effects(&moved)), before, "a dry run changes nothing");

    let mut kills = 0;
    while kill_behind(&moved, &MOVE, 1 + kills * step) {
        kills += 1;
        if kills == 2 {
            let refused = muster(&moved, &["run", "-c", "muster.toml", "--until", "2026-11-01T00:00:00Z"]);
            assert!(refused.said().contains("run `muster repartition` again"), "{}", refused.told());
        }
    }
    println!("{from} to {to}: killed {kills} times on the way, {plan}");
    assert!(kills * step >= 12, "only {kills} kills");
    assert!(owner_file(&moved).contains("\"former\""), "{}", owner_file(&moved));
    let again = muster(&moved, &MOVE);
    let done: Value = serde_json::from_str(again.last_line()).unwrap();
    assert_eq!((again.code, &done["is_new"]), (Some(0), &false.into()), "{}", again.told());
    let fewer = muster(&moved, &[&MOVE[..], &["--partitions", "1"]].concat());
    assert_eq!(fewer.code, Some(2), "{}", fewer.told());

    append(&moved, to, from, stale);
    append(&moved, to, to, fresh);
    kill_behind(&moved, &["run", "-c", "muster.toml", "--until", "2026-11-01T00:00:00Z"], 11);
    run(&moved, &crowd::settled_at());
    let (moved, born) = (finally(&moved, to), finally(&born, to));
    if let Some(difference) = born.difference(&moved) {
        panic!("seed {seed}, {from} to {to}: {difference}");
    }
}

#[test]
fn a_log_that_is_doubled_ends_as_one_that_was_born_so() {
    check(1, (2, 4), 6);
}

#[test]
fn a_log_whose_people_all_mix_ends_as_one_that_was_born_so() {
    check(2, (3, 5), 1);
}
