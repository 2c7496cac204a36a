//! Framing against `csv-core`, and at its limits.

use std::io::{Seek, Write};

use proptest::prelude::*;

use super::*;

fn framing(bytes: &[u8], is_csv: bool) -> Framing {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    Framing::new(file, bytes.len() as u64, is_csv)
}

/// All records with their first lines.
fn records(bytes: &[u8], is_csv: bool) -> Vec<(u64, Vec<u8>)> {
    let (mut framing, mut record, mut found) = (framing(bytes, is_csv), Vec::new(), Vec::new());
    while let Some(framed) = framing.next_record(&mut record).unwrap() {
        assert_eq!(framed.omitted, 0);
        found.push((framed.line, record.clone()));
    }
    assert_eq!(framing.place().byte, bytes.len() as u64);
    found
}

/// The fields of each record of `bytes`, as `csv-core` sees them.
fn fields(bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let mut reader = csv_core::Reader::new();
    let (mut found, mut record, mut field) = (Vec::new(), Vec::new(), Vec::new());
    let (mut rest, mut out) = (bytes, vec![0; bytes.len() + 1]);
    loop {
        let (outcome, read, written) = reader.read_field(rest, &mut out);
        rest = &rest[read..];
        field.extend_from_slice(&out[..written]);
        match outcome {
            csv_core::ReadFieldResult::Field { record_end } => {
                record.push(std::mem::take(&mut field));
                if record_end {
                    found.push(std::mem::take(&mut record));
                }
            }
            csv_core::ReadFieldResult::End => return found,
            csv_core::ReadFieldResult::InputEmpty | csv_core::ReadFieldResult::OutputFull => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// A record cut out by this module and read alone has the fields it has for `csv-core` in the whole file. Every
    /// quote closes here; lone carriage returns, which only `csv-core` takes for ends of lines, are left out.
    #[test]
    fn records_are_those_of_csv_core(cells in proptest::collection::vec(
        proptest::collection::vec(("[a ,\"\n]{0,6}", any::<bool>()), 1..4), 0..8),
        ending in prop_oneof![Just("\n"), Just("\r\n")])
    {
        let mut text = String::new();
        for cells in &cells {
            let row: Vec<String> = cells.iter().map(|(cell, is_quoted)| match is_quoted {
                true => format!("\"{}\"", cell.replace('"', "\"\"")),
                // A quote in the middle of a plain field is text.
                false => format!("x{}", cell.replace([',', '\n'], "")),
            }).collect();
            text.push_str(&row.join(","));
            text.push_str(ending);
        }
        let cut: Vec<_> = records(text.as_bytes(), true).into_iter().map(|(_, record)| fields(&record)).collect();
        let whole: Vec<_> = fields(text.as_bytes()).into_iter().map(|record| vec![record]).collect();
        // Rows of one empty quoted cell are records for both; whitespace-only rows do not occur.
        prop_assert_eq!(cut, whole);
    }

    /// Reading from any record on gives the records that reading from the start gives, whatever the bytes.
    #[test]
    fn reading_may_begin_at_any_record(text in "[a,\"\n\r \u{feff}]{0,80}", is_csv in any::<bool>()) {
        let all = records(text.as_bytes(), is_csv);
        for (at, (line, _)) in all.iter().enumerate() {
            let mut framing = framing(text.as_bytes(), is_csv);
            framing.skip_to_line(*line).unwrap();
            let mut record = Vec::new();
            for expected in &all[at..] {
                let framed = framing.next_record(&mut record).unwrap().unwrap();
                prop_assert_eq!(&(framed.line, record.clone()), expected);
            }
            prop_assert!(framing.next_record(&mut record).unwrap().is_none());
        }
    }
}

#[test]
fn a_quote_that_never_closes_costs_one_record() {
    let mut text = String::from("a,b\n1,\"open\n");
    for line in 2..500 {
        text.push_str(&format!("{line},x\n"));
    }
    let found = records(text.as_bytes(), true);
    assert_eq!(found.len(), 500);
    assert_eq!(found[1], (1, b"1,\"open".to_vec()));
    assert_eq!(found[499], (499, b"499,x".to_vec()));

    let short = records(b"a,b\n1,\"open\n2,x\n3,y", true);
    assert_eq!(short.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [0, 1, 2, 3]);
}

#[test]
fn a_record_may_span_just_as_many_lines_as_the_limit_says() {
    for (breaks, lines_left) in [(RECORD_LINES_MAX - 1, 1), (RECORD_LINES_MAX, 1 + RECORD_LINES_MAX)] {
        let text = format!("\"{}\"\n", "x\n".repeat(breaks as usize));
        assert_eq!(records(text.as_bytes(), true).len() as u64, lines_left, "{breaks} line breaks");
    }
}

#[test]
fn a_line_longer_than_memory_allows_is_cut_and_its_length_known() {
    let long = LINE_BYTES_MAX + 12_345;
    for is_csv in [false, true] {
        let mut bytes = b"first\n".to_vec();
        bytes.resize(bytes.len() + long, b'x');
        bytes.extend_from_slice(b"\nlast");
        let (mut framing, mut record) = (framing(&bytes, is_csv), Vec::new());
        let mut next = || {
            let framed = framing.next_record(&mut record).unwrap()?;
            Some((framed.line, record.len(), framed.omitted))
        };
        assert_eq!(next(), Some((0, 5, 0)));
        assert_eq!(next(), Some((1, LINE_BYTES_MAX, 12_345 + 1)));
        assert_eq!(next(), Some((2, 4, 0)));
        assert_eq!(next(), None);
    }
}
