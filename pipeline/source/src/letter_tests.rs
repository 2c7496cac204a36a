//! Letters written and read back: from a topic, from a file, and with records that were too large.

use std::sync::Arc;
use std::time::Duration;

use model::{EventTime, NextOffset, Offset, Partition, RejectCode};
use tempfile::TempDir;

use super::*;
use crate::dead_letter::{DeadLetter, RecordOrigin, append_or_keep};
use crate::dead_letter_file::DeadLetterFile;
use crate::embedded::{EmbeddedLog, Options};
use crate::log::{Append, NewRecord, Polled, Source};
use crate::raw_batch::{RawBatch, RawHeaders};

const RECORD_BYTES_MAX: usize = 2_000;

struct Log {
    folder: TempDir,
    log: EmbeddedLog,
}

impl Log {
    /// A log that takes records a little larger than letters may be.
    fn new(record_bytes_max: usize) -> Self {
        let folder = TempDir::new().unwrap();
        let options = Options { partitions: 1, record_bytes_max, ..Options::default() };
        let now = || EventTime::from_ms(1_763_800_000_000);
        let log = EmbeddedLog::open(&folder.path().join("log"), options, Arc::new(now)).unwrap();
        Self { folder, log }
    }

    fn kept(&self) -> KeptRecords {
        KeptRecords::new(&self.folder.path().join("lake/dead_records"), RECORD_BYTES_MAX)
    }

    fn read(&self, topic: &str) -> Vec<Letter> {
        let (mut source, mut batch) = (self.log.source(topic).unwrap(), RawBatch::new());
        let Polled::Assigned(all) = source.poll(Duration::ZERO, &mut batch).unwrap() else { panic!() };
        source.start(&[(all[0], NextOffset::START)]).unwrap();
        assert_eq!(source.poll(Duration::ZERO, &mut batch).unwrap(), Polled::Batch);
        batch.iter().map(|entry| Letter::read(&entry).unwrap()).collect()
    }
}

struct Dead {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<u8>,
}

impl Dead {
    fn new(key: Option<&[u8]>, value: Option<&[u8]>, headers: &[Header<'_>]) -> Self {
        let mut encoded = Vec::new();
        RawHeaders::encode(headers, &mut encoded);
        Self { key: key.map(<[u8]>::to_vec), value: value.map(<[u8]>::to_vec), headers: encoded }
    }

    fn letter(&self, offset: i64) -> DeadLetter<'_> {
        DeadLetter {
            origin: RecordOrigin {
                topic: "punches",
                partition: Partition::new(3),
                offset: Offset::new(offset).unwrap(),
                timestamp: Some(EventTime::from_ms(1_763_800_000_123)),
            },
            stage: "decode",
            code: RejectCode::NotJson,
            message: "byte 1",
            key: self.key.as_deref(),
            value: self.value.as_deref().map(Into::into),
            headers: RawHeaders::from_encoded(&self.headers).unwrap(),
        }
    }

    fn is(&self, record: &DeadRecord) -> bool {
        let headers = record.headers();
        let own = RawHeaders::from_encoded(&self.headers).unwrap();
        record.key == self.key && record.value == self.value && own.iter().eq(headers)
    }
}

/// Records of all sizes: what fits, what does not, and what has a key or headers that do not.
fn dead() -> Vec<Dead> {
    let large = vec![b'x'; RECORD_BYTES_MAX];
    let older: &[Header<'_>] = &[("dlq.topic", Some(b"older")), ("trace", None), ("dlq.offset", Some(b"7"))];
    vec![
        Dead::new(Some(b"E\xfe"), Some(b"{\xff"), older),
        Dead::new(None, None, &[]),
        Dead::new(Some(b"E1"), Some(&large), older),
        Dead::new(Some(b"E1"), Some(b"small"), &[("trace", Some(&large))]),
        Dead::new(Some(&large), None, &[]),
    ]
}

#[test]
fn letters_come_back_byte_for_byte_also_where_the_record_was_too_large() {
    let log = Log::new(3 * RECORD_BYTES_MAX);
    let dead = dead();
    let letters: Vec<_> = dead.iter().zip(0..).map(|(dead, offset)| dead.letter(offset)).collect();
    // Twice, as after a crash: nothing is in the way of it.
    for _ in 0..2 {
        append_or_keep(&mut log.log.appender(), &letters, &log.kept()).unwrap();
    }
    let read = log.read("punches.dlq");
    assert_eq!(read.len(), 2 * dead.len());
    for (n, letter) in read.iter().enumerate() {
        let dead = &dead[n % dead.len()];
        let origin = LetterOrigin {
            topic: "punches".to_owned(),
            partition: Partition::new(3),
            offset: Offset::new((n % 5) as i64).unwrap(),
            timestamp: Some(EventTime::from_ms(1_763_800_000_123)),
        };
        assert_eq!(letter.origin, origin);
        let said = (letter.stage.as_str(), letter.code.as_str(), letter.message.as_str());
        assert_eq!(said, ("decode", "not_json", "byte 1"));
        assert!(letter.app.starts_with("muster "));
        assert!(dead.is(&letter.record(&log.kept()).unwrap()), "letter {n}");
        assert_eq!(matches!(letter.content, Content::Kept(_)), n % 5 >= 2, "letter {n}");
    }
    let mut files: Vec<String> = std::fs::read_dir(log.kept().folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(files, ["punches.3.2", "punches.3.3.letter.ndjson", "punches.3.4.letter.ndjson"]);
}

#[test]
fn a_topic_that_takes_less_than_was_thought_stops_no_partition() {
    let log = Log::new(700);
    let dead = [Dead::new(None, Some(&[b'x'; 600]), &[]), Dead::new(None, Some(b"x"), &[])];
    let letters: Vec<_> = dead.iter().zip(0..).map(|(dead, offset)| dead.letter(offset)).collect();
    append_or_keep(&mut log.log.appender(), &letters, &log.kept()).unwrap();
    let read = log.read("punches.dlq");
    assert_eq!(read.len(), 2);
    for (letter, dead) in read.iter().zip(&dead) {
        assert!(dead.is(&letter.record(&log.kept()).unwrap()));
    }
}

#[test]
fn kept_bytes_that_are_gone_or_changed_are_told_of() {
    let log = Log::new(3 * RECORD_BYTES_MAX);
    let dead = Dead::new(None, Some(&[b'x'; RECORD_BYTES_MAX]), &[]);
    append_or_keep(&mut log.log.appender(), &[dead.letter(0)], &log.kept()).unwrap();
    let letter = log.read("punches.dlq").remove(0);
    let Content::Kept(kept) = letter.content.clone() else { panic!() };
    assert_eq!(log.kept().read(&kept).unwrap().len(), RECORD_BYTES_MAX);
    let path = log.kept().folder().join(&kept.file);
    std::fs::write(&path, vec![b'y'; RECORD_BYTES_MAX]).unwrap();
    assert_eq!(letter.record(&log.kept()).unwrap_err().kind(), ErrorKind::DamagedLetter);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(letter.record(&log.kept()).unwrap_err().kind(), ErrorKind::DamagedLetter);
    let outside = Kept { file: "../log/log.sqlite".to_owned(), ..kept };
    assert_eq!(log.kept().read(&outside).unwrap_err().kind(), ErrorKind::DamagedLetter);
}

#[test]
fn what_is_no_letter_is_told_of() {
    let log = Log::new(1_000);
    let headers: [Header<'_>; 2] = [("dlq.topic", Some(b"punches")), ("dlq.partition", Some(b"x"))];
    let record = NewRecord { headers: &headers, ..NewRecord::default() };
    log.log.appender().append("punches.dlq", &[NewRecord::default(), record]).unwrap();
    let (mut source, mut batch) = (log.log.source("punches.dlq").unwrap(), RawBatch::new());
    source.poll(Duration::ZERO, &mut batch).unwrap();
    source.start(&[(Partition::new(0), NextOffset::START)]).unwrap();
    source.poll(Duration::ZERO, &mut batch).unwrap();
    let errors: Vec<String> =
        batch.iter().map(|entry| Letter::read(&entry).unwrap_err().to_string()).collect();
    assert!(errors[0].contains("offset 0: header dlq.partition is missing"), "{errors:?}");
    assert!(errors[1].contains("offset 1: header dlq.partition is \"x\", no number"), "{errors:?}");
}

#[test]
fn a_file_of_letters_is_read_back_line_by_line() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("dead_letters.ndjson");
    let dead = dead();
    let letters: Vec<_> = dead.iter().zip(0..).map(|(dead, offset)| dead.letter(offset)).collect();
    DeadLetterFile::open(&path).unwrap().append(&letters).unwrap();
    let mut text = std::fs::read_to_string(&path).unwrap();
    text.push_str("{\"no\":1}\n{\"torn");
    std::fs::write(&path, text).unwrap();
    let read = Letter::read_file(&path).unwrap();
    assert_eq!(read.len(), dead.len() + 1);
    let kept = KeptRecords::new(folder.path(), 0);
    for ((letter, dead), offset) in read.iter().zip(&dead).zip(0..) {
        let letter = letter.as_ref().unwrap();
        assert_eq!(letter.origin.offset.get(), offset);
        assert!(dead.is(&letter.record(&kept).unwrap()));
    }
    let error = read.last().unwrap().as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DamagedLetter);
    assert_eq!(Letter::read_file(&folder.path().join("absent")).unwrap_err().kind(), ErrorKind::Io);
}
