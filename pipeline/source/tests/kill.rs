//! The embedded log under `kill -9`: another process appends and says what it was answered; it is killed in the middle of
//! its work, again and again, and every answered record must be there once, in whole appends.

#![allow(
    clippy::unwrap_used,
    reason = "a test: the exemption of clippy.toml covers only functions marked as one"
)]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use model::{EventTime, NextOffset};
use source::embedded::Options;
use source::{Append, EmbeddedLog, ErrorKind, NewRecord, Polled, RawBatch, Source};

/// Set in the process that is to be killed: the folder of its log.
const FOLDER: &str = "MUSTER_TEST_KILL_FOLDER";
/// Records of one append.
const RECORDS: usize = 20;
/// How often a process is killed.
const ROUNDS: u64 = 6;

fn open(folder: &Path) -> Result<EmbeddedLog, source::Error> {
    let options = Options { partitions: 3, ..Options::default() };
    EmbeddedLog::open(folder, options, Arc::new(|| EventTime::from_ms(1_763_800_000_000)))
}

/// Appends for ever and prints each answered append: `answered <process>.<number>`.
fn append_until_killed(folder: &Path) -> ! {
    let mut appender = open(folder).unwrap().appender();
    let process = std::process::id();
    for number in 0_u64.. {
        let texts: Vec<String> = (0..RECORDS).map(|record| format!("{process}.{number}.{record}")).collect();
        let records: Vec<_> = texts
            .iter()
            .map(|text| NewRecord {
                key: Some(text.as_bytes()),
                value: Some(text.as_bytes()),
                ..NewRecord::default()
            })
            .collect();
        appender.append("punches", &records).unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "answered {process}.{number}").unwrap();
        out.flush().unwrap();
    }
    unreachable!("the numbers do not end")
}

/// How many records each append has, by `<process>.<number>`; checks that offsets are contiguous.
fn appends(log: &EmbeddedLog) -> HashMap<String, usize> {
    let (mut source, mut batch, mut found) =
        (log.source("punches").unwrap(), RawBatch::new(), HashMap::new());
    let mut expected = HashMap::new();
    loop {
        match source.poll(Duration::ZERO, &mut batch).unwrap() {
            Polled::Assigned(partitions) => {
                let positions: Vec<_> = partitions.into_iter().map(|p| (p, NextOffset::START)).collect();
                source.start(&positions).unwrap();
            }
            Polled::Batch => {
                assert!(batch.gaps().is_empty());
                for entry in batch.iter() {
                    let next = expected.entry(batch.partition()).or_insert(0);
                    assert_eq!(entry.offset.get(), *next);
                    *next += 1;
                    let text = std::str::from_utf8(entry.value.unwrap()).unwrap();
                    *found.entry(text.rsplit_once('.').unwrap().0.to_owned()).or_insert(0) += 1;
                }
            }
            Polled::CaughtUp { .. } => {}
            Polled::Idle => return found,
            other => panic!("unexpected {other:?}"),
        }
    }
}

#[test]
fn what_was_answered_survives_kill_9() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        append_until_killed(&PathBuf::from(folder));
    }
    let folder = tempfile::TempDir::new().unwrap();
    let mut answered: Vec<String> = Vec::new();
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "what_was_answered_survives_kill_9", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // Fixed but uneven: the kill falls between an answer and whatever the next append is doing.
        let until = 3 + (round * 7) % 11;
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut seen = 0;
        for line in lines {
            let Some(append) = line.split_once("answered ").map(|(_, append)| append.to_owned()) else {
                continue;
            };
            if seen == 0 {
                let error = open(folder.path()).err().unwrap();
                assert_eq!(error.kind(), ErrorKind::Locked);
                assert!(error.to_string().contains(&format!("process {}", child.id())), "{error}");
            }
            answered.push(append);
            seen += 1;
            if seen == until {
                // What it still answers before it dies is read too.
                child.kill().unwrap();
            }
        }
        assert!(seen >= until, "the process ended by itself after {seen} appends");
        child.wait().unwrap();

        let found = appends(&open(folder.path()).unwrap());
        for append in &answered {
            assert_eq!(found.get(append), Some(&RECORDS), "answered append {append} in round {round}");
        }
        assert!(found.values().all(|records| *records == RECORDS), "an append is whole or absent");
        // A process dies with at most one append on its way.
        assert!(found.len() <= answered.len() + round as usize + 1);
    }
}
