//! The embedded log kept small: trims, compaction, the write-ahead log, a full disk.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::tests::{World, at, drain, keyed, read_all, started, values};
use super::*;
use crate::error::Action;
use crate::log::{Append, NewRecord, Source, StartAt};

#[test]
fn what_was_trimmed_is_a_gap() {
    let world = World::new();
    let log = world.open_with(Options { partitions: 1, ..Options::default() });
    let texts: Vec<String> = (0..25_000).map(|number| number.to_string()).collect();
    let records: Vec<_> = texts.iter().map(|text| keyed("a", text)).collect();
    log.appender().append("punches", &records).unwrap();
    let trim = |before| log.trim("punches", Partition::new(0), NextOffset::new(before).unwrap());
    assert_eq!(trim(24_990).unwrap(), 24_990);
    assert_eq!(trim(10).unwrap(), 0, "a trim never goes back");
    let (reads, gaps) = drain(&mut started(&log, "punches", &[at(0, 7)]));
    assert_eq!((reads.len(), gaps), (10, vec![(0, 7, 24_990)]));
    assert_eq!(drain(&mut started(&log, "punches", &[at(0, 24_995)])).1, []);
    let mut source = started(&log, "punches", &[]);
    assert_eq!(source.locate(Partition::new(0), StartAt::Earliest).unwrap().get(), 24_990);

    assert_eq!(trim(25_001).unwrap_err().kind(), ErrorKind::BeyondEnd);
    assert_eq!(trim(25_000).unwrap(), 10);
    assert_eq!(drain(&mut started(&log, "punches", &[at(0, 24_995)])).1, [(0, 24_995, 25_000)]);
    drop((source, log));
    let log = world.open();
    assert_eq!(log.appender().append("punches", &[keyed("a", "next")]).unwrap()[0].1.get(), 25_000);
    let extent = log.extents("punches")[0];
    assert_eq!((extent.begin.get(), extent.next.get()), (25_000, 25_001));
}

#[test]
fn an_erased_record_leaves_no_byte_and_the_others_stay_where_they_are() {
    let world = World::new();
    let log = world.open_with(Options { partitions: 1, ..Options::default() });
    let records =
        [keyed("a", "a0"), keyed("gone", "of nobody 1"), keyed("a", "of nobody 2"), keyed("a", "a3")];
    log.appender().append("punches", &records).unwrap();
    log.appender().append("alerts", &[keyed("gone", "of nobody 0"), keyed("b", "b1")]).unwrap();
    // Freed before, and not overwritten: its page still has the bytes.
    log.appender().append("alerts", &[keyed("freed", "of nobody"), keyed("freed", "z")]).unwrap();
    log.compact("alerts").unwrap();
    let mut is_due = |topic: &str, key: Option<&[u8]>, value: Option<&[u8]>| {
        key == Some(b"gone")
            || (topic == "punches" && value.is_some_and(|value| value.starts_with(b"of nobody")))
    };
    let expected = BTreeMap::from([("alerts".to_owned(), 1), ("punches".to_owned(), 2)]);
    assert_eq!(log.count_due(&mut is_due).unwrap(), expected);
    assert_eq!(log.erase(&mut is_due).unwrap(), expected);
    assert_eq!(log.erase(&mut is_due).unwrap(), BTreeMap::new());
    for file in std::fs::read_dir(world.folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("of nobody") && !text.contains("gone"));
    }
    let (reads, gaps) = drain(&mut started(&log, "punches", &[]));
    assert_eq!(values(&reads, 0), [(0, "a0".to_owned()), (3, "a3".to_owned())]);
    assert_eq!(gaps, [(0, 1, 3)]);
    assert_eq!(log.appender().append("punches", &[keyed("a", "next")]).unwrap()[0].1.get(), 4);
    drop(log);
    assert_eq!(world.open().extents("punches")[0].next.get(), 5);
}

#[test]
fn compaction_keeps_the_last_of_each_key() {
    let world = World::new();
    let log = world.open_with(Options { partitions: 1, ..Options::default() });
    let gone = NewRecord { key: Some(b"c"), ..NewRecord::default() };
    let keyless = NewRecord { value: Some(b"n"), ..NewRecord::default() };
    let records = [
        keyed("a", "a0"),
        keyed("b", "b1"),
        keyed("c", "c2"),
        keyed("a", "a3"),
        keyless,
        gone,
        keyless,
        keyed("a", "a7"),
        gone,
    ];
    log.appender().append("alerts", &records).unwrap();
    assert_eq!(log.compact("alerts").unwrap(), 5);
    assert_eq!(log.compact("alerts").unwrap(), 0);
    let (reads, gaps) = drain(&mut started(&log, "alerts", &[]));
    let kept = [(1, "b1"), (4, "n"), (6, "n"), (7, "a7")].map(|(offset, text)| (offset, text.to_owned()));
    assert_eq!(values(&reads, 0), kept);
    assert_eq!(gaps, [(0, 0, 1), (0, 2, 4), (0, 5, 6), (0, 8, 9)]);
    assert_eq!(log.compact("nothing").unwrap_err().kind(), ErrorKind::UnknownTopic);
}

#[test]
fn a_full_disk_is_a_retry_and_leaves_nothing_behind() {
    let world = World::new();
    let log = world.open_with(Options { partitions: 1, ..Options::default() });
    let mut appender = log.appender();
    appender.append("punches", &[keyed("a", "first")]).unwrap();
    let limit_pages =
        |pages: i64| log.shared.store().connection.pragma_update(None, "max_page_count", pages).unwrap();
    let pages: i64 =
        log.shared.store().connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    limit_pages(pages + 2);
    let large = "x".repeat(3_000);
    let records = vec![keyed("a", &large); 20];
    let error = appender.append("punches", &records).unwrap_err();
    assert_eq!((error.kind(), error.action()), (ErrorKind::DiskFull, Action::Retry));
    assert!(error.to_string().contains("the disk is full"), "{error}");
    assert_eq!(read_all(&log, "punches").len(), 1);
    limit_pages(1 << 30);
    assert_eq!(appender.append("punches", &records).unwrap()[0].1.get(), 1);
    assert_eq!(read_all(&log, "punches").len(), 21);
}

#[test]
fn the_write_ahead_log_is_emptied_beside_a_reader() {
    let world = World::new();
    let log = world.open_with(Options { partitions: 1, ..Options::default() });
    let wal_bytes = || std::fs::metadata(world.folder.path().join("log.sqlite-wal")).unwrap().len();
    log.shared.store().wal_bytes_max = 100_000;
    let large = "x".repeat(3_000);
    let mut source = started(&log, "punches", &[]);
    let mut wal_max = 0;
    for round in 1..=30 {
        log.appender().append("punches", &vec![keyed("a", &large); 10]).unwrap();
        assert_eq!(drain(&mut source).0.len(), 10, "round {round}");
        wal_max = wal_max.max(wal_bytes());
    }
    assert!(wal_max < 200_000, "900 kB were appended, the write-ahead log grew to {wal_max} bytes");

    // A statement that is being read puts it off, and appends go on.
    let reader = store::open_reader(&log.shared.path, 1).unwrap();
    let mut select = reader.prepare(&format!("SELECT offset FROM {}", store::table(1, 0))).unwrap();
    let mut rows = select.query([]).unwrap();
    rows.next().unwrap().unwrap();
    for _ in 0..10 {
        log.appender().append("punches", &vec![keyed("a", &large); 10]).unwrap();
    }
    assert!(wal_bytes() > 200_000);
    drop(rows);
    for _ in 0..10 {
        log.appender().append("punches", &vec![keyed("a", &large); 10]).unwrap();
    }
    assert!(wal_bytes() < 200_000);
    assert_eq!(read_all(&log, "punches").len(), 500);
}

/// What one step of the property test does.
#[derive(Clone, Debug)]
enum Step {
    /// Keys and values: none is keyless, none is a tombstone.
    Append(Vec<(Option<u8>, Option<u8>)>),
    /// Trims this share of what there is.
    Trim(f64),
    Compact,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let record = (proptest::option::weighted(0.8, 0..4_u8), proptest::option::weighted(0.7, any::<u8>()));
    prop_oneof![
        5 => proptest::collection::vec(record, 1..10).prop_map(Step::Append),
        1 => (0.0..1.0_f64).prop_map(Step::Trim),
        2 => Just(Step::Compact),
        1 => Just(Step::Reopen),
    ]
}

/// Compaction by the obvious slow rule.
fn compacted(rows: &mut BTreeMap<i64, (Option<u8>, Option<u8>)>) {
    let all = rows.clone();
    rows.retain(|offset, (key, value)| {
        let has_successor = all.range(offset + 1..).any(|(_, (other, _))| other == key);
        key.is_none() || (!has_successor && value.is_some())
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Against a plain map: from any start, records and gaps together are every offset up to the end, once.
    #[test]
    fn what_is_gone_is_a_gap_and_the_rest_is_there(
        steps in proptest::collection::vec(step(), 1..10),
        records_max in 1..6_usize,
        from in 0.0..1.0_f64,
    ) {
        let world = World::new();
        let batch = BatchLimits { records_max, bytes_max: 1 << 20 };
        let options = Options { partitions: 1, batch, ..Options::default() };
        let (mut log, mut rows, mut end) = (world.open_with(options), BTreeMap::new(), 0_i64);
        log.create_topic("alerts", 1).unwrap();
        for step in steps {
            match step {
                Step::Append(list) => {
                    let bytes: Vec<_> = list.iter().map(|(k, v)| (k.map(|k| [k]), v.map(|v| [v]))).collect();
                    let records: Vec<_> = bytes
                        .iter()
                        .map(|(key, value)| NewRecord {
                            key: key.as_ref().map(|key| &key[..]),
                            value: value.as_ref().map(|value| &value[..]),
                            ..NewRecord::default()
                        })
                        .collect();
                    log.appender().append("alerts", &records).unwrap();
                    rows.extend((end..).zip(list));
                    end += records.len() as i64;
                }
                Step::Trim(share) => {
                    let before = (end as f64 * share) as i64;
                    log.trim("alerts", Partition::new(0), NextOffset::new(before).unwrap()).unwrap();
                    rows.retain(|offset, _| *offset >= before);
                }
                Step::Compact => {
                    let before = rows.len();
                    compacted(&mut rows);
                    prop_assert_eq!(log.compact("alerts").unwrap() as usize, before - rows.len());
                }
                Step::Reopen => {
                    drop(log);
                    log = world.open_with(options);
                }
            }
        }
        let from = (end as f64 * from) as i64;
        let (reads, gaps) = drain(&mut started(&log, "alerts", &[at(0, from)]));
        let expected: Vec<_> = rows.range(from..).map(|(o, (k, v))| (*o, k.map(|k| vec![k]), v.map(|v| vec![v]))).collect();
        let found: Vec<_> = reads.into_iter().map(|read| (read.offset, read.key, read.value)).collect();
        prop_assert_eq!(&found, &expected);
        let mut offsets: Vec<i64> = found.iter().map(|(offset, ..)| *offset).collect();
        offsets.extend(gaps.iter().flat_map(|(_, from, until)| *from..*until));
        offsets.sort_unstable();
        prop_assert_eq!(offsets, (from..end).collect::<Vec<_>>());
    }
}
