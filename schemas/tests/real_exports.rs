//! Real exports of time clocks, where there are any: `MUSTER_DATA` names the folder that holds `punches/`.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "test code outside of `#[test]` functions")]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use jiff::tz::TimeZone;
use model::{Batch, Kind, NextOffset, Offset, Partition};
use schemas::{Decoder, Format, ImportOptions, RawRecord};

fn export(name: &str) -> Option<String> {
    let path = PathBuf::from(std::env::var_os("MUSTER_DATA")?).join("punches").join(name);
    fs::read_to_string(path).ok()
}

/// Decodes all lines behind the header; every one must be a punch.
fn decoded(format: Format, text: &str) -> Batch {
    let time_zone = TimeZone::get("Asia/Hong_Kong").unwrap();
    let mut decoder = Decoder::new(format, ImportOptions { time_zone, ..ImportOptions::default() });
    let mut batch = Batch::new(Partition::new(0), NextOffset::START);
    for (offset, line) in text.split_inclusive('\n').enumerate() {
        let offset = Offset::new(offset as i64).unwrap();
        decoder.decode(RawRecord { offset, append_time: None, value: Some(line.as_bytes()) }, &mut batch);
    }
    assert_eq!(batch.rejects, []);
    assert_eq!(batch.punches.len(), text.lines().count());
    batch
}

fn ids(batch: &Batch) -> BTreeSet<&str> {
    batch.punches.iter().map(|punch| batch.text(punch.event_id)).collect()
}

/// An id per distinct line, told by its first six cells.
fn check_attlog(name: &str) {
    let Some(text) = export(name) else { return eprintln!("skipped: MUSTER_DATA has no punches/{name}") };
    let batch = decoded(Format::AttLog, &text);
    let distinct: BTreeSet<Vec<&str>> =
        text.lines().map(|line| line.split('\t').map(str::trim).take(6).collect()).collect();
    assert_eq!(ids(&batch).len(), distinct.len());
    for (punch, line) in batch.punches.iter().zip(text.lines()) {
        let cells: Vec<_> = line.split('\t').map(str::trim).collect();
        let kind = match cells[3] {
            "0" | "4" => Kind::In,
            "1" | "5" => Kind::Out,
            "2" => Kind::BreakOut,
            _ => Kind::BreakIn,
        };
        let local = punch.occurred_at.timestamp().to_zoned(TimeZone::get("Asia/Hong_Kong").unwrap());
        let told =
            (batch.text(punch.employee_id), local.strftime("%Y-%m-%d %H:%M:%S").to_string(), punch.kind);
        assert_eq!(told, (cells[0], cells[1].to_owned(), kind), "{line}");
    }
}

#[test]
fn the_office_s_clock() {
    check_attlog("attlog-office-2020.dat");
}

#[test]
fn the_college_s_clock() {
    check_attlog("attlog-college.dat");
}

#[test]
fn the_chinese_terminal() {
    let name = "terminal-cn.csv";
    let Some(text) = export(name) else { return eprintln!("skipped: MUSTER_DATA has no punches/{name}") };
    let (header, lines) = text.split_once('\n').unwrap();
    assert!(header.contains("登记号码"));
    let batch = decoded(Format::CnTerminal, lines);
    let without_name = |line: &'static str| {
        let cells: Vec<_> = line.split(',').map(str::trim).collect();
        (cells[0], cells[2])
    };
    let lines: &'static str = Box::leak(lines.to_owned().into_boxed_str());
    let distinct: BTreeSet<_> = lines.lines().map(without_name).collect();
    assert_eq!(ids(&batch).len(), distinct.len());
    assert!(batch.punches.iter().all(|punch| punch.kind == Kind::Auto));
}
