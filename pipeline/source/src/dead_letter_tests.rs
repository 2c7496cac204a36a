//! Letters to a topic: what they carry.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::embedded::{EmbeddedLog, Options};
use crate::log::{Polled, Source};
use crate::raw_batch::RawBatch;

#[test]
fn a_letter_carries_bytes_headers_and_origin() {
    let folder = tempfile::TempDir::new().unwrap();
    let now = || EventTime::from_ms(1_763_800_000_000);
    let options = Options { partitions: 1, ..Options::default() };
    let log = EmbeddedLog::open(folder.path(), options, Arc::new(now)).unwrap();
    let headers: [Header<'_>; 3] = [("trace", Some(b"\xff")), ("trace", None), ("dlq.code", Some(b"older"))];
    let bad = NewRecord { key: Some(b"E1"), value: Some(b"{\xff"), headers: &headers, partition: None };
    let tombstone = NewRecord { key: None, value: None, headers: &[], partition: None };
    let mut appender = log.appender();
    appender.append("punches", &[bad, tombstone]).unwrap();
    let read = |topic: &str| {
        let (mut source, mut batch) = (log.source(topic).unwrap(), RawBatch::new());
        let Polled::Assigned(partitions) = source.poll(Duration::ZERO, &mut batch).unwrap() else { panic!() };
        source.start(&[(partitions[0], model::NextOffset::START)]).unwrap();
        assert_eq!(source.poll(Duration::ZERO, &mut batch).unwrap(), Polled::Batch);
        batch
    };
    let batch = read("punches");
    let long = "長".repeat(1_000);
    let letters: Vec<_> = batch
        .iter()
        .zip([(RejectCode::NotUtf8, "byte 1"), (RejectCode::NullValue, long.as_str())])
        .map(|(entry, (code, message))| {
            DeadLetter::new("punches", batch.partition(), &entry, "decode", code, message)
        })
        .collect();
    append_letters(&mut appender, &letters).unwrap();

    let letters = read("punches.dlq");
    let (first, second) = (letters.get(0).unwrap(), letters.get(1).unwrap());
    assert_eq!((first.key, first.value), (Some(&b"E1"[..]), Some(&b"{\xff"[..])));
    assert_eq!((second.key, second.value), (None, None));
    let kept: Vec<Header<'_>> = first.headers.iter().take(3).collect();
    assert_eq!(kept, headers);
    let added: Vec<(&str, String)> = first
        .headers
        .iter()
        .skip(3)
        .map(|(name, value)| (name, String::from_utf8(value.unwrap().to_vec()).unwrap()))
        .collect();
    let expected = [
        ("dlq.topic", "punches"),
        ("dlq.partition", "0"),
        ("dlq.offset", "0"),
        ("dlq.timestamp", "2025-11-22T08:26:40Z"),
        ("dlq.stage", "decode"),
        ("dlq.code", "not_utf8"),
        ("dlq.message", "byte 1"),
        ("dlq.app", concat!("muster ", env!("CARGO_PKG_VERSION"))),
    ];
    assert_eq!(added, expected.map(|(name, value)| (name, value.to_owned())));
    assert_eq!(first.headers.get("dlq.code"), Some(&b"not_utf8"[..]), "the last of a name holds");
    let message = std::str::from_utf8(second.headers.get("dlq.message").unwrap()).unwrap();
    assert_eq!(message, "長".repeat(MESSAGE_BYTES_MAX / 3));
    assert_eq!(second.headers.get("dlq.offset"), Some(&b"1"[..]));
}

#[test]
fn a_record_of_a_file_has_no_timestamp() {
    let mut batch = RawBatch::new();
    batch.push(Offset::new(7).unwrap(), None, None, Some(b"x"), RawHeaders::default());
    let entry = batch.get(0).unwrap();
    let letter = DeadLetter::new("file:00", Partition::new(0), &entry, "decode", RejectCode::NotJson, "");
    assert_eq!(letter.topic(), "file:00.dlq");
    let line = letter.line();
    assert_eq!(line.origin(), Some(("file:00", 0, 7)));
    assert_eq!(line.headers[header::TIMESTAMP], "");
}
