//! Arrow columns against JSON: a punch of a row is the same punch as its JSON, whatever the widths of the columns; a row goes
//! back to JSON unchanged; damaged bytes are an error or rows, never more. `COLUMNS_SEED` repeats a run.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "test code outside of `#[test]` functions")]
#![allow(dead_code, reason = "of the shared modules not all is used")]

#[path = "support/arrows.rs"]
mod arrows;
#[path = "support/dice.rs"]
mod dice;
#[path = "support/lines.rs"]
mod lines;
#[path = "support/seen.rs"]
mod seen;

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::record_batch::RecordBatch;
use arrows::Columns;
use dice::Dice;
use model::{Batch, EventTime, NextOffset, Offset, Partition};
use schemas::decode::{PunchColumns, read_arrow};
use schemas::{Decoder, Format, ImportOptions, PunchLine};
use seen::{decode_all, seen};

fn decoded(batches: &[PunchColumns]) -> Batch {
    let mut batch = Batch::new(Partition::new(0), NextOffset::START);
    let rows = batches.iter().flat_map(|columns| (0..columns.rows()).map(move |row| (columns, row)));
    for (at, row) in rows.enumerate() {
        let offset = Offset::new(at as i64).unwrap();
        Decoder::decode_row(offset, Some(EventTime::from_us(1)), row, &mut batch);
    }
    batch
}

fn of_json(punches: &[PunchLine]) -> Batch {
    let values: Vec<Vec<u8>> = punches.iter().map(|line| serde_json::to_vec(line).unwrap()).collect();
    let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
    let mut batch = Batch::new(Partition::new(0), NextOffset::START);
    decode_all(&mut Decoder::new(Format::Json, ImportOptions::default()), &values, &mut batch);
    batch
}

#[test]
fn a_row_is_the_punch_that_its_json_is() {
    let mut dice = Dice::from_env("COLUMNS_SEED");
    for _ in 0..dice.cases("COLUMNS_CASES", 20) {
        let punches: Vec<PunchLine> = (0..1 + dice.below(60)).map(|_| lines::any_line(&mut dice)).collect();
        let want = seen(&of_json(&punches));
        for style in [Columns::Stated, Columns::Texts] {
            let batch = arrows::record_batch(&punches, style);
            for bytes in [arrows::stream(&batch), arrows::file(&batch)] {
                let columns = read_arrow(bytes).unwrap();
                assert_eq!(seen(&decoded(&columns)), want, "{style:?}");
                let again: Vec<PunchLine> =
                    columns.iter().flat_map(|of| (0..of.rows()).map(|row| of.line(row))).collect();
                assert_eq!(seen(&of_json(&again)), want, "{style:?}, back to JSON");
            }
        }
    }
}

#[test]
fn damaged_bytes_are_an_error_or_rows() {
    let mut dice = Dice::from_env("COLUMNS_SEED");
    let punches: Vec<PunchLine> = (0..3).map(|_| lines::line(&mut dice)).collect();
    let batch = arrows::record_batch(&punches, Columns::Stated);
    let whole = [arrows::stream(&batch), arrows::file(&batch)];
    let mut read = 0;
    for _ in 0..dice.cases("COLUMNS_CASES", 600) {
        let mut bytes = whole[dice.below(2)].clone();
        for _ in 0..1 + dice.below(3) {
            if bytes.is_empty() {
                break;
            }
            let at = dice.below(bytes.len());
            match dice.below(4) {
                0 => bytes[at] ^= 1 << dice.below(8),
                1 => bytes[at] = [0, 1, 0x7f, 0xff][dice.below(4)],
                2 if at > 0 => bytes.truncate(at),
                _ => drop(bytes.remove(at)),
            }
        }
        if let Ok(columns) = read_arrow(bytes) {
            let batch = decoded(&columns);
            assert_eq!(batch.records(), columns.iter().map(PunchColumns::rows).sum::<usize>());
            read += 1;
        }
    }
    assert!(read > 20, "damage that goes unseen is read: {read}");
}

/// Columns of one row, by name.
fn columns(of: &[(&str, ArrayRef)]) -> Result<PunchColumns, String> {
    let batch =
        RecordBatch::try_from_iter(of.iter().map(|(name, column)| (*name, Arc::clone(column)))).unwrap();
    PunchColumns::of(&batch).map_err(|error| error.to_string())
}

fn text(value: &str) -> ArrayRef {
    Arc::new(StringArray::from(vec![Some(value).filter(|value| *value != "null")]))
}

#[test]
fn faults_of_rows_and_columns() {
    let time: ArrayRef = Arc::new(Int64Array::from(vec![1_795_309_111_000]));
    let row = |change: (&'static str, ArrayRef)| {
        let mut of = vec![
            ("event_id", text("e")),
            ("employee_id", text("E1")),
            ("kind", text("in")),
            ("occurred_at", Arc::clone(&time)),
            ("origin", text("phone")),
        ];
        of.retain(|(name, _)| *name != change.0);
        of.push(change);
        columns(&of)
    };
    let check = |change: (&'static str, ArrayRef), want: &str| {
        let told = row(change).map_or_else(
            |error| error,
            |columns| {
                let batch = decoded(&[columns]);
                let told = |reject: &model::Reject| {
                    format!("{} {:?} {}", reject.code.name(), reject.employee_id, reject.message)
                };
                batch.rejects.first().map_or_else(|| format!("fits, {} unknown", batch.unknown_fields), told)
            },
        );
        assert_eq!(told, want);
    };
    check(("kind", text("out")), "fits, 0 unknown");
    check(("shoes", text("9")), "fits, 1 unknown");
    check(("shoes", text("null")), "fits, 0 unknown");
    check(
        ("kind", text("lunch")),
        "wrong_type Some(\"E1\") `kind` is \"lunch\", expected a name of the contract",
    );
    check(("kind", text("null")), "missing_field Some(\"E1\") `kind` is missing or empty");
    check(("event_id", text("")), "missing_field Some(\"E1\") `event_id` is missing or empty");
    check(
        ("occurred_at", Arc::new(Int64Array::from(vec![i64::MAX]))),
        "time_impossible Some(\"E1\") `occurred_at` is 9223372036854775807 µs: outside 1970 to 2199",
    );
    check(("kind", Arc::clone(&time)), "the column `kind` is Int64, expected text");
    check(
        ("occurred_at", text("noon")),
        "the column `occurred_at` is Utf8, expected a timestamp with a time zone, or int64 milliseconds",
    );
    let naive: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![1]));
    check(
        ("occurred_at", naive),
        "the column `occurred_at` is Timestamp(µs), expected a timestamp with a time zone, or int64 milliseconds",
    );
    check(("location", text("here")), "the column `location` is Utf8, expected a struct");
    check(("wifi", text("here")), "the column `wifi` is Utf8, expected a list of structs");
    assert_eq!(columns(&[("event_id", text("e"))]).unwrap_err(), "the column `employee_id` is missing");
    assert!(read_arrow(b"{}".to_vec()).unwrap_err().to_string().starts_with("not Arrow IPC"));
    assert!(read_arrow(Vec::new()).unwrap_err().to_string().contains("it is empty"));
}

/// `golden/v1/punches.arrows`: the six punches of `punches.framed.txt` as a stream of the stated schema. `UPDATE_GOLDEN=1`
/// writes it anew.
#[test]
fn every_version_reads_the_golden_stream() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/v1/punches.arrows");
    let mut dice = Dice::seeded(1);
    let punches: Vec<PunchLine> = (0..6).map(|_| lines::line(&mut dice)).collect();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, arrows::stream(&arrows::record_batch(&punches, Columns::Stated))).unwrap();
    }
    let columns = read_arrow(std::fs::read(path).unwrap()).unwrap();
    assert_eq!(seen(&decoded(&columns)), seen(&of_json(&punches)));
}
