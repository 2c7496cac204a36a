//! The embedded log as its users see it: round trips, partitions, starts, limits, locks, many threads; and what the
//! other tests of this folder share.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use model::position::partition_of;
use model::{EventTime, Offset};
use tempfile::TempDir;

use super::*;
use crate::error::Action;
use crate::log::{Append, Header, NewRecord, Polled, Source};
use crate::raw_batch::RawBatch;

/// A log in a folder of its own, on a clock that stands until it is set.
pub(super) struct World {
    pub(super) folder: TempDir,
    pub(super) clock_ms: Arc<AtomicI64>,
}

/// One record as read: partition, offset, append ms, key, value, headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) partition: u32,
    pub(super) offset: i64,
    pub(super) append_ms: i64,
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
}

impl World {
    pub(super) fn new() -> Self {
        Self { folder: TempDir::new().unwrap(), clock_ms: Arc::new(AtomicI64::new(1_000_000)) }
    }

    pub(super) fn clock(&self) -> WallClock {
        let clock_ms = Arc::clone(&self.clock_ms);
        Arc::new(move || EventTime::from_ms(clock_ms.load(Ordering::Relaxed)))
    }

    pub(super) fn set_ms(&self, ms: i64) {
        self.clock_ms.store(ms, Ordering::Relaxed);
    }

    pub(super) fn open(&self) -> EmbeddedLog {
        self.open_with(Options { partitions: 2, ..Options::default() })
    }

    pub(super) fn open_with(&self, options: Options) -> EmbeddedLog {
        EmbeddedLog::open(self.folder.path(), options, self.clock()).unwrap()
    }
}

pub(super) fn keyed<'a>(key: &'a str, value: &'a str) -> NewRecord<'a> {
    NewRecord { key: Some(key.as_bytes()), value: Some(value.as_bytes()), ..NewRecord::default() }
}

pub(super) fn at(partition: u32, next: i64) -> (Partition, NextOffset) {
    (Partition::new(partition), NextOffset::new(next).unwrap())
}

/// A source of `topic` that starts each partition where `positions` says, else at the beginning.
pub(super) fn started(
    log: &EmbeddedLog,
    topic: &str,
    positions: &[(Partition, NextOffset)],
) -> EmbeddedSource {
    let mut source = log.source(topic).unwrap();
    let Polled::Assigned(partitions) = source.poll(Duration::ZERO, &mut RawBatch::new()).unwrap() else {
        panic!("the first poll assigns");
    };
    let from_start: Vec<_> = partitions.iter().map(|partition| (*partition, NextOffset::START)).collect();
    source.start(&from_start).unwrap();
    source.start(positions).unwrap();
    source
}

/// Everything the source has, until all that is left to say was said.
pub(super) fn drain(source: &mut impl Source) -> (Vec<Read>, Vec<(u32, i64, i64)>) {
    let (mut reads, mut gaps, mut batch) = (Vec::new(), Vec::new(), RawBatch::new());
    loop {
        match source.poll(Duration::ZERO, &mut batch).unwrap() {
            Polled::Batch => {
                assert!(!batch.is_empty());
                let partition = batch.partition().number();
                gaps.extend(batch.gaps().iter().map(|gap| (partition, gap.from.get(), gap.until.get())));
                reads.extend(batch.iter().map(|entry| Read {
                    partition,
                    offset: entry.offset.get(),
                    append_ms: entry.append_time.unwrap().ms(),
                    key: entry.key.map(<[u8]>::to_vec),
                    value: entry.value.map(<[u8]>::to_vec),
                    headers:
                        entry.headers.iter().map(|(n, v)| (n.to_owned(), v.map(<[u8]>::to_vec))).collect(),
                }));
            }
            Polled::CaughtUp { .. } => {}
            Polled::Idle => return (reads, gaps),
            other => panic!("unexpected {other:?}"),
        }
    }
}

pub(super) fn read_all(log: &EmbeddedLog, topic: &str) -> Vec<Read> {
    drain(&mut started(log, topic, &[])).0
}

pub(super) fn values(reads: &[Read], partition: u32) -> Vec<(i64, String)> {
    let text = |read: &Read| String::from_utf8_lossy(read.value.as_deref().unwrap_or(b"-")).into_owned();
    reads.iter().filter(|read| read.partition == partition).map(|read| (read.offset, text(read))).collect()
}

#[test]
fn a_record_comes_back_as_it_went_in() {
    let world = World::new();
    let log = world.open();
    let headers: &[Header<'_>] = &[("a", Some(b"1")), ("a", None), ("", Some(b"")), ("b", Some(b"\xff\x00"))];
    let partition = Some(Partition::new(1));
    let records = [
        NewRecord { key: Some(b"k"), value: Some(b"v"), headers, partition },
        NewRecord { key: None, value: None, headers: &[], partition },
        NewRecord { key: Some(b""), value: Some(b""), headers: &[], partition },
        NewRecord { key: Some(b"\xff\xfe"), value: Some(b"\x00\n\x00"), headers: &[], partition },
    ];
    let placed = log.appender().append("punches", &records).unwrap();
    assert_eq!(placed, (0..4).map(|at| (Partition::new(1), Offset::new(at).unwrap())).collect::<Vec<_>>());
    let reads = read_all(&log, "punches");
    for (read, record) in reads.iter().zip(&records) {
        assert_eq!((read.key.as_deref(), read.value.as_deref()), (record.key, record.value));
        let back: Vec<Header<'_>> =
            read.headers.iter().map(|(name, v)| (name.as_str(), v.as_deref())).collect();
        assert_eq!(back, record.headers);
        assert_eq!((read.partition, read.append_ms), (1, 1_000_000));
    }
    assert_eq!(reads.len(), records.len());
}

#[test]
fn the_partition_is_that_of_the_key_or_the_one_named_or_the_next() {
    let world = World::new();
    let log = world.open_with(Options { partitions: 5, ..Options::default() });
    let mut appender = log.appender();
    let keys: Vec<String> = (0..200).map(|number| format!("E{number:05}")).collect();
    let records: Vec<_> = keys.iter().map(|key| keyed(key, "v")).collect();
    for ((partition, _), key) in appender.append("punches", &records).unwrap().iter().zip(&keys) {
        assert_eq!(*partition, partition_of(key.as_bytes(), 5), "{key}");
    }
    let named = NewRecord { partition: Some(Partition::new(3)), ..keyed("E00000", "v") };
    assert_eq!(appender.append("punches", &[named]).unwrap()[0].0, Partition::new(3));
    let keyless = [NewRecord { value: Some(b"v"), ..NewRecord::default() }; 7];
    let placed: Vec<u32> =
        appender.append("other", &keyless).unwrap().iter().map(|(p, _)| p.number()).collect();
    assert_eq!(placed, [0, 1, 2, 3, 4, 0, 1]);
}

#[test]
fn offsets_and_ids_go_on_after_a_reopen() {
    let world = World::new();
    let first = {
        let log = world.open();
        log.appender().append("punches", &[keyed("a", "1"), keyed("a", "2")]).unwrap();
        log.appender().append("alerts", &[keyed("a", "x")]).unwrap();
        log.identity("punches").unwrap()
    };
    let log = world.open_with(Options { partitions: 64, ..Options::default() });
    assert_eq!(log.identity("punches").unwrap(), first);
    assert_eq!(first.partitions, 2, "an existing topic keeps its number of partitions");
    assert_ne!(log.identity("alerts").unwrap().log_id, first.log_id);
    assert_eq!(first.log_id.as_str().len(), 32);
    assert_eq!(log.topics(), ["alerts", "punches"]);
    let (_, offset) = log.appender().append("punches", &[keyed("a", "3")]).unwrap()[0];
    assert_eq!(offset.get(), 2);
    let reads = read_all(&log, "punches");
    let partition = partition_of(b"a", 2).number();
    let expected: Vec<_> = (0..3).map(|number| (number, (number + 1).to_string())).collect();
    assert_eq!(values(&reads, partition), expected);
}

#[test]
fn only_one_holder_at_a_time_and_the_error_names_it() {
    let world = World::new();
    let log = world.open();
    let source = log.source("punches").unwrap();
    let again = || EmbeddedLog::open(world.folder.path(), Options::default(), world.clock());
    let error = again().err().unwrap();
    assert_eq!((error.kind(), error.action()), (ErrorKind::Locked, Action::Stop));
    assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
    drop(log);
    assert_eq!(again().err().unwrap().kind(), ErrorKind::Locked, "a source holds the log too");
    drop(source);
    again().unwrap();
}

#[test]
fn a_changed_partition_count_is_refused_by_name() {
    let world = World::new();
    let log = world.open();
    let made = log.create_topic("punches", 3).unwrap();
    assert_eq!(log.create_topic("punches", 3).unwrap(), made);
    let error = log.create_topic("punches", 4).unwrap_err();
    assert_eq!((error.kind(), error.action()), (ErrorKind::PartitionCount, Action::Stop));
    assert!(error.to_string().contains("move to another with `muster repartition`"), "{error}");
    for partitions in [0, PARTITIONS_MAX + 1] {
        assert_eq!(log.create_topic("more", partitions).unwrap_err().kind(), ErrorKind::PartitionCount);
    }
}

#[test]
fn what_cannot_be_appended_is_refused_whole() {
    let world = World::new();
    let log = world.open_with(Options { partitions: 2, record_bytes_max: 100, ..Options::default() });
    let mut appender = log.appender();
    let large = "x".repeat(100);
    let check = |topic: &str, bad: NewRecord<'_>, kind, appender: &mut EmbeddedAppender| {
        let error = appender.append(topic, &[keyed("a", "good"), bad]).unwrap_err();
        assert_eq!((error.kind(), error.action()), (kind, Action::Stop), "{error}");
    };
    check("punches", keyed("a", &large), ErrorKind::TooLarge, &mut appender);
    let nowhere = NewRecord { partition: Some(Partition::new(2)), ..keyed("a", "v") };
    check("punches", nowhere, ErrorKind::UnknownPartition, &mut appender);
    for topic in ["", "a/b", "..", "ä", &"x".repeat(250)] {
        check(topic, keyed("a", "v"), ErrorKind::InvalidTopic, &mut appender);
    }
    assert!(read_all(&log, "punches").is_empty());
    appender.append("punches", &[keyed("a", &large[1..])]).unwrap();
}

#[test]
fn nothing_comes_before_start_and_a_paused_partition_waits() {
    let world = World::new();
    let log = world.open();
    let record = |number, value: &'static str| NewRecord {
        partition: Some(Partition::new(number)),
        ..keyed("a", value)
    };
    log.appender().append("punches", &[record(0, "p0"), record(1, "p1")]).unwrap();
    let (mut source, mut batch) = (log.source("punches").unwrap(), RawBatch::new());
    assert_eq!(source.start(&[at(0, 0)]).unwrap_err().kind(), ErrorKind::NotAssigned);
    let assigned = source.poll(Duration::ZERO, &mut batch).unwrap();
    assert_eq!(assigned, Polled::Assigned(vec![Partition::new(0), Partition::new(1)]));
    assert_eq!(source.poll(Duration::ZERO, &mut batch).unwrap(), Polled::Idle);
    assert_eq!(source.start(&[at(2, 0)]).unwrap_err().kind(), ErrorKind::NotAssigned);
    source.start(&[at(1, 0)]).unwrap();
    assert_eq!(values(&drain(&mut source).0, 1), [(0, "p1".to_owned())]);
    source.start(&[at(0, 0)]).unwrap();
    source.pause(Partition::new(0));
    log.appender().append("punches", &[record(1, "p1 again")]).unwrap();
    let reads = drain(&mut source).0;
    assert_eq!((values(&reads, 0), values(&reads, 1)), (vec![], vec![(1, "p1 again".to_owned())]));
    source.resume(Partition::new(0));
    assert_eq!(values(&drain(&mut source).0, 0), [(0, "p0".to_owned())]);
}

#[test]
fn a_start_in_the_middle_at_the_end_and_beyond_it() {
    let world = World::new();
    let log = world.open_with(Options { partitions: 1, ..Options::default() });
    log.appender().append("punches", &[keyed("a", "0"), keyed("a", "1"), keyed("a", "2")]).unwrap();
    for (next, left) in [(0, 3), (1, 2), (3, 0)] {
        assert_eq!(drain(&mut started(&log, "punches", &[at(0, next)])).0.len(), left);
    }
    let mut source = started(&log, "punches", &[at(0, 2)]);
    let error = source.start(&[at(0, 4)]).unwrap_err();
    assert_eq!((error.kind(), error.action()), (ErrorKind::BeyondEnd, Action::Stop));
    assert!(error.to_string().contains("ends at 3"), "{error}");
    assert_eq!(drain(&mut source).0.len(), 1, "a refused start changes nothing");
}

#[test]
fn other_sqlite_files_and_layouts_are_refused() {
    for (sql, text) in [
        ("CREATE TABLE t(x)", "no log of Muster"),
        ("PRAGMA application_id = 1", "no log of Muster"),
        ("PRAGMA application_id = 1836282956; PRAGMA user_version = 2", "layout is version 2"),
    ] {
        let world = World::new();
        let file = rusqlite::Connection::open(world.folder.path().join("log.sqlite")).unwrap();
        file.execute_batch(sql).unwrap();
        drop(file);
        let error = EmbeddedLog::open(world.folder.path(), Options::default(), world.clock()).err().unwrap();
        assert_eq!((error.kind(), error.action()), (ErrorKind::ForeignFormat, Action::Stop));
        assert!(error.to_string().contains(text), "{error}");
    }
    let world = World::new();
    std::fs::write(world.folder.path().join("log.sqlite"), "employee,time\n".repeat(500)).unwrap();
    let error = EmbeddedLog::open(world.folder.path(), Options::default(), world.clock()).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::ForeignFormat, "{error}");
}

#[test]
fn many_threads_share_commits_and_lose_nothing() {
    let world = World::new();
    let log = world.open();
    const THREADS: usize = 8;
    const CALLS: usize = 25;
    let mut told: Vec<(u32, i64, String)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let mut appender = log.appender();
                scope.spawn(move || {
                    let mut told = Vec::new();
                    for call in 0..CALLS {
                        let texts: Vec<String> =
                            (0..3).map(|number| format!("{thread}.{call}.{number}")).collect();
                        let records: Vec<_> = texts.iter().map(|text| keyed(text, text)).collect();
                        let placed = appender.append("punches", &records).unwrap();
                        told.extend(
                            placed.iter().zip(texts).map(|((p, o), text)| (p.number(), o.get(), text)),
                        );
                    }
                    told
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    told.sort();
    let text = |read: &Read| String::from_utf8(read.value.clone().unwrap()).unwrap();
    let mut read: Vec<_> =
        read_all(&log, "punches").iter().map(|read| (read.partition, read.offset, text(read))).collect();
    read.sort();
    assert_eq!(read.len(), THREADS * CALLS * 3);
    assert_eq!(read, told, "every record is where its appender was told");
}
