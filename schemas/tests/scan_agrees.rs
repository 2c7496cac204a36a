//! The scanner of JSON against the general reader: the same punches to the last bit, the same rejects in the same words,
//! the same counts, whatever the bytes.
//!
//! Three sources: a table of spellings near the border between the two; records of every shape, written in several
//! styles and then damaged; and the corpus of the fuzz target `json`. The seed is printed; `SCAN_SEED` repeats a run,
//! `SCAN_CASES` makes it longer.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "test code outside of `#[test]` functions")]

#[path = "support/dice.rs"]
mod dice;
#[path = "support/records.rs"]
mod records;
#[path = "support/seen.rs"]
mod seen;

use std::path::Path;

use dice::Dice;
use model::{Batch, NextOffset, Partition};
use schemas::{Decoder, Format, ImportOptions};
use seen::{decode_all, seen};

/// Decodes `value` both ways, behind another record so that ranges and roll-backs begin somewhere, and compares.
fn check(value: &[u8]) {
    let options = ImportOptions::default;
    let mut batches = [(); 2].map(|()| Batch::new(Partition::new(0), NextOffset::START));
    let values = [records::PLAIN.as_bytes(), value, records::PLAIN.as_bytes()];
    decode_all(&mut Decoder::new(Format::Json, options()), &values, &mut batches[0]);
    decode_all(&mut Decoder::general_json(options()), &values, &mut batches[1]);
    let [scanned, general] = batches.each_ref().map(seen);
    assert!(scanned == general, "{}\nscanned: {scanned:#?}\ngeneral: {general:#?}", value.escape_ascii());
}

#[test]
fn spellings_at_the_border() {
    for field in
        ["event_id", "kind", "occurred_at", "trigger", "tz", "note", "wifi", "photo", "location", "later"]
    {
        for value in records::VALUES {
            for (colon, comma) in [(":", ","), (": ", ", "), (" :", " ,"), (":\n\t", ",\r\n")] {
                check(format!("{{\"employee_id\":\"E\"{comma}\"{field}\"{colon}{value}}}").as_bytes());
                check(
                    format!("{{\"{field}\"{colon}{value}{comma}\"event_id\":\"a\"{comma}\"employee_id\":\"E\",\"kind\":\"in\",\"occurred_at\":1,\"origin\":\"phone\"}}\n")
                        .as_bytes(),
                );
            }
        }
    }
    for field in ["lon", "lat", "accuracy_m", "mocked", "datum", "platform", "later"] {
        for value in records::VALUES {
            check(format!("{{\"event_id\":\"a\",\"employee_id\":\"E\",\"kind\":\"in\",\"occurred_at\":1,\"origin\":\"phone\",\"location\":{{\"lon\":1,\"lat\":2,\"{field}\":{value}}}}}").as_bytes());
            check(format!("{{\"event_id\":\"a\",\"employee_id\":\"E\",\"kind\":\"in\",\"occurred_at\":1,\"origin\":\"phone\",\"location\":{{\"{field}\":{value},\"lat\":2.5,\"lon\":3}}}}").as_bytes());
        }
    }
    for (list, fields) in [
        ("wifi", &["bssid", "rssi", "connected", "age_ms", "later"][..]),
        ("beacons", &["uuid", "major", "minor", "rssi", "later"]),
    ] {
        let rest =
            "\"event_id\":\"a\",\"employee_id\":\"E\",\"kind\":\"in\",\"occurred_at\":1,\"origin\":\"phone\"";
        for field in fields {
            for value in records::VALUES {
                check(format!("{{{rest},\"{list}\":[{{\"{field}\":{value}}}]}}").as_bytes());
                let whole = "\"bssid\":\"A4-56-30-0B-9C-FF\",\"uuid\":\"FDA50693A4E24FB1AFCFC6EB07647825\",\"major\":1,\"minor\":2";
                check(format!("{{{rest},\"{list}\":[{{{whole},\"{field}\":{value}}},{{\"{field}\":{value},{whole}}}]}}").as_bytes());
            }
        }
    }
}

#[test]
fn numbers_are_the_nearest_to_their_digits() {
    let mut dice = Dice::from_env("SCAN_SEED");
    for _ in 0..dice.cases("SCAN_CASES", 30_000) {
        let number = records::number(&mut dice);
        let text = format!(
            "{{\"event_id\":\"a\",\"employee_id\":\"E\",\"kind\":\"in\",\"occurred_at\":1,\"origin\":\"phone\",\"location\":{{\"lon\":0,\"lat\":0,\"accuracy_m\":{number}}}}}"
        );
        check(text.as_bytes());
        let mut batch = Batch::new(Partition::new(0), NextOffset::START);
        decode_all(&mut Decoder::new(Format::Json, ImportOptions::default()), &[text.as_bytes()], &mut batch);
        let read = batch.punches[0].fix.unwrap().accuracy_m.unwrap();
        assert_eq!(read.to_bits(), number.parse::<f64>().unwrap().to_bits(), "{number}");
    }
}

#[test]
fn records_whole_and_damaged() {
    let mut dice = Dice::from_env("SCAN_SEED");
    for _ in 0..dice.cases("SCAN_CASES", 6_000) {
        let mut value = records::record(&mut dice).into_bytes();
        check(&value);
        for _ in 0..dice.below(4) {
            records::damage(&mut dice, &mut value);
            check(&value);
        }
    }
}

#[test]
fn the_fuzz_targets_corpus() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus/json");
    let mut files = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        check(&std::fs::read(file.unwrap().path()).unwrap());
        files += 1;
    }
    assert!(files >= 20, "the corpus is kept: {files} files");
}
