//! The dead-letter file: each origin once, whole lines only, whatever happened before.

use model::{EventTime, Offset, Partition, RejectCode};
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::dead_letter::RecordOrigin;
use crate::error::Action;
use crate::raw_batch::RawHeaders;

fn letter(topic: &str, partition: u32, offset: i64) -> DeadLetter<'_> {
    let origin = RecordOrigin {
        topic,
        partition: Partition::new(partition),
        offset: Offset::new(offset).unwrap(),
        timestamp: Some(EventTime::from_ms(0)),
    };
    let (key, value) = (None, Some(&b"{\xff\n"[..]));
    DeadLetter {
        origin,
        stage: "decode",
        code: RejectCode::NotUtf8,
        message: "x",
        key,
        value: value.map(Into::into),
        headers: RawHeaders::default(),
    }
}

fn lines(path: &Path) -> Vec<DeadLetterLine> {
    std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn each_origin_is_written_once_over_reopens() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("lake/dead_letters.ndjson");
    let mut file = DeadLetterFile::open(&path).unwrap();
    assert_eq!(file.append(&[]).unwrap(), 0);
    let first = [letter("a", 0, 5), letter("a", 0, 6), letter("a", 0, 5)];
    assert_eq!(file.append(&first).unwrap(), 2);
    assert_eq!(file.append(&first).unwrap(), 0);
    drop(file);
    let mut file = DeadLetterFile::open(&path).unwrap();
    assert_eq!(
        file.append(&[letter("a", 0, 6), letter("a", 1, 6), letter("b", 0, 6), letter("a", 0, 4)]).unwrap(),
        3
    );
    assert_eq!(file.letters(), 5);
    let found = lines(&path);
    assert_eq!(found.len(), 5);
    assert_eq!(found[0].origin(), Some(("a", 0, 5)));
    assert_eq!(found[0].value_bytes(), Some(Some(b"{\xff\n".to_vec())));
    assert_eq!(found[4].origin(), Some(("a", 0, 4)));
}

#[test]
fn a_torn_last_line_is_cut_off_wherever_it_tore() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("dead_letters.ndjson");
    DeadLetterFile::open(&path).unwrap().append(&[letter("a", 0, 1), letter("a", 0, 2)]).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let first = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for cut in first..whole.len() {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let mut file = DeadLetterFile::open(&path).unwrap();
        assert_eq!(file.letters(), 1, "cut at byte {cut}");
        assert_eq!(file.append(&[letter("a", 0, 1), letter("a", 0, 2)]).unwrap(), 1);
        assert_eq!(std::fs::read(&path).unwrap(), whole);
    }
}

#[test]
fn a_whole_line_that_is_no_letter_stops() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("dead_letters.ndjson");
    DeadLetterFile::open(&path).unwrap().append(&[letter("a", 0, 1)]).unwrap();
    for bad in ["{}\n", "\n", "{\"headers\":{}}\n", "\u{0}\u{0}\n"] {
        let mut text = std::fs::read_to_string(&path).unwrap();
        let kept = text.clone();
        text.push_str(bad);
        std::fs::write(&path, &text).unwrap();
        let error = DeadLetterFile::open(&path).err().unwrap();
        assert_eq!((error.kind(), error.action()), (ErrorKind::ForeignDeadLetter, Action::Stop));
        assert!(error.to_string().contains("line 2"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "nothing is thrown away");
        std::fs::write(&path, kept).unwrap();
    }
}

proptest! {
    /// Ranges against a plain set.
    #[test]
    fn origins_are_a_set(offsets in proptest::collection::vec((0..2_u32, 0..40_i64), 0..120)) {
        let (mut origins, mut plain) = (Origins::default(), BTreeSet::new());
        for (partition, offset) in offsets {
            prop_assert_eq!(origins.holds(("t", partition, offset)), plain.contains(&(partition, offset)));
            origins.add("t", partition, offset);
            plain.insert((partition, offset));
        }
        prop_assert_eq!(origins.count, plain.len() as u64);
        for partition in 0..3 {
            for offset in 0..41 {
                prop_assert_eq!(origins.holds(("t", partition, offset)), plain.contains(&(partition, offset)));
            }
        }
        prop_assert!(!origins.holds(("u", 0, 0)));
    }
}
