//! Reading a topic in a group: from the position given, gaps, ends, pauses.
#![allow(clippy::unwrap_used, reason = "test code outside of `#[test]` functions")]

mod kafka_support;

use std::time::{Duration, Instant};

use kafka_support::*;
use model::{NextOffset, Partition};
use source::{Append, ErrorKind, KafkaLog, NewRecord, Polled, RawBatch, Source, StartAt};

#[test]
fn records_come_from_the_position_given_in_order_and_the_end_is_told() {
    let log = log(3);
    for partition in 0..3 {
        fill(&log, partition, 0, 500);
    }
    let mut source = log.source().unwrap();
    assert_eq!(source.identity(), log.identity());
    let mut seen = Seen::default();
    seen.positions.insert(Partition::new(1), next(490));
    seen.positions.insert(Partition::new(2), next(500));
    seen.until(&mut source, |seen| seen.caught_up.len() == 3 && seen.count() == 510);
    assert_eq!(seen.values[&0].len(), 500);
    assert_eq!(seen.values[&1].first().unwrap(), &(490, "1/490".to_owned()));
    assert!(
        seen.values[&0]
            .iter()
            .enumerate()
            .all(|(n, (at, value))| { *at == n as i64 && *value == format!("0/{n}") })
    );
    assert!(seen.caught_up.values().all(|(at, _)| *at == 500));
    assert_eq!(seen.gaps, []);
    // What comes later comes at once.
    fill(&log, 2, 500, 1);
    seen.until(&mut source, |seen| seen.count() == 511 && seen.caught_up[&2].0 == 501);
    let stats = log.stats();
    assert_eq!((stats.records, stats.repeats, stats.stalls), (511, 0, 0));
}

#[test]
fn a_record_keeps_its_bytes_headers_and_append_time() {
    let log = log(1);
    let headers: [source::Header<'_>; 4] =
        [("trace", Some(b"\xff\x00")), ("trace", None), ("empty", Some(b"")), ("", Some(b"x"))];
    let records = [
        NewRecord { key: Some(b"E\xfe"), value: Some(b"{\x00"), headers: &headers, partition: None },
        NewRecord { key: None, value: None, headers: &[], partition: None },
        NewRecord { key: Some(b""), value: Some(b""), headers: &[], partition: None },
    ];
    let before = now();
    log.appender().append(&log.identity().topic, &records).unwrap();
    let after = now();
    let mut source = log.source().unwrap();
    let mut batch = RawBatch::new();
    let mut begun = Instant::now() + PATIENCE;
    loop {
        match source.poll(Duration::from_millis(50), &mut batch).unwrap() {
            Polled::Assigned(partitions) => {
                source.start(&[(partitions[0], NextOffset::START)]).unwrap();
                begun = Instant::now();
            }
            Polled::Batch => break,
            _ => assert!(begun.elapsed() < PATIENCE),
        }
    }
    let read: Vec<_> = batch.iter().collect();
    assert_eq!(read.len(), 3);
    for (entry, record) in read.iter().zip(&records) {
        assert_eq!((entry.key, entry.value), (record.key, record.value));
        assert!(entry.headers.iter().eq(record.headers.iter().copied()));
        let time = entry.append_time.unwrap();
        assert!(before <= time && time <= after, "{before:?} {time:?} {after:?}");
    }
}

#[test]
fn deleted_records_are_a_gap_at_the_start_and_while_reading() {
    let topic = fresh("punches");
    create(&topic, 2, &[]);
    // A batch of one record is full: of a paused partition the client then fetches one record and no more.
    let mut options = options(&topic);
    options.batch.records_max = 1;
    let log = KafkaLog::open(options, wall()).unwrap();
    fill(&log, 0, 0, 100);
    fill(&log, 1, 0, 100);
    delete_records(&topic, 0, 40);
    let mut source = log.source().unwrap();
    let mut seen = Seen::default();
    seen.positions.insert(Partition::new(0), next(10));
    seen.until(&mut source, |seen| seen.count() == 160);
    assert_eq!(seen.gaps, [(0, 10, 40)]);
    assert_eq!(seen.values[&0].first().unwrap().0, 40);
    seen.until(&mut source, |seen| seen.caught_up.len() == 2);

    // Behind the reader's back: the client has fetched only one record of it, because the partition is paused.
    source.pause(Partition::new(0));
    fill(&log, 0, 100, 1);
    seen.until(&mut source, |_| log.stats().records == 161);
    fill(&log, 0, 101, 99);
    fill(&log, 1, 100, 1);
    seen.until(&mut source, |seen| seen.count() == 161);
    delete_records(&topic, 0, 150);
    source.resume(Partition::new(0));
    seen.until(&mut source, |seen| seen.count() == 212);
    assert_eq!(seen.gaps, [(0, 10, 40), (0, 101, 150)]);
    assert_eq!(log.stats().missing_offsets, 79);
    // A partition emptied to its end is a gap up to the end, and then read to its end.
    source.pause(Partition::new(0));
    fill(&log, 0, 200, 1);
    seen.until(&mut source, |_| log.stats().records == 213);
    fill(&log, 0, 201, 9);
    delete_records(&topic, 0, 210);
    source.resume(Partition::new(0));
    seen.until(&mut source, |seen| seen.caught_up[&0].0 == 210);
    assert_eq!(seen.gaps.last(), Some(&(0, 201, 210)));
}

#[test]
fn a_position_beyond_the_end_stops() {
    let log = log(1);
    fill(&log, 0, 0, 10);
    let mut source = log.source().unwrap();
    let mut batch = RawBatch::new();
    let begun = Instant::now();
    let error = loop {
        match source.poll(Duration::from_millis(50), &mut batch) {
            Ok(Polled::Assigned(partitions)) => source.start(&[(partitions[0], next(11))]).unwrap(),
            Ok(Polled::Idle) => assert!(begun.elapsed() < PATIENCE),
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::BeyondEnd, "{error}");
    assert!(error.to_string().contains("partition 0 from 11: the log ends at 10"), "{error}");
    assert_eq!(source.poll(Duration::ZERO, &mut batch).unwrap_err().kind(), ErrorKind::BeyondEnd);
}

#[test]
fn start_may_go_elsewhere_and_refuses_what_is_not_assigned() {
    let log = log(1);
    fill(&log, 0, 0, 1_000);
    let mut source = log.source().unwrap();
    let mut seen = Seen::default();
    let partition = Partition::new(0);
    assert_eq!(source.start(&[(partition, next(0))]).unwrap_err().kind(), ErrorKind::NotAssigned);
    seen.until(&mut source, |seen| seen.count() == 1_000);
    for round in 1..=5 {
        let from = 1_000 - round * 100;
        seen.positions.insert(partition, next(from));
        source.start(&[(partition, next(from))]).unwrap();
        let before = seen.count();
        seen.until(&mut source, |seen| seen.count() == before + round as usize * 100);
        assert_eq!(seen.values[&0][before].0, from);
    }
}

#[test]
fn a_paused_partition_is_silent_while_others_go_on_and_loses_nothing() {
    let log = log(2);
    let mut source = log.source().unwrap();
    let mut seen = Seen::default();
    seen.until(&mut source, |seen| seen.caught_up.len() == 2);
    let mut written = 0;
    for round in 0..10 {
        source.pause(Partition::new(0));
        fill(&log, 0, written, 200);
        fill(&log, 1, written, 200);
        written += 200;
        seen.until(&mut source, |seen| seen.values.get(&1).is_some_and(|values| values.len() == written));
        let silent = seen.values.get(&0).map_or(0, Vec::len);
        assert_eq!(silent, written - 200, "round {round}");
        source.resume(Partition::new(0));
        seen.until(&mut source, |seen| seen.values.get(&0).is_some_and(|values| values.len() == written));
    }
    assert_eq!(seen.gaps, []);
    assert_eq!(log.stats().stalls, 0);
}

#[test]
fn batches_keep_to_their_limits_and_memory_to_its_budget() {
    let topic = fresh("punches");
    create(&topic, 8, &[]);
    let mut options = options(&topic);
    options.batch = source::BatchLimits { records_max: 100, bytes_max: 20_000 };
    options.buffered_bytes_max = 40_000;
    let log = KafkaLog::open(options, wall()).unwrap();
    let value = vec![b'x'; 1_000];
    let mut appender = log.appender();
    for partition in 0..8 {
        let record = NewRecord {
            value: Some(&value),
            partition: Some(Partition::new(partition)),
            ..NewRecord::default()
        };
        appender.append(&topic, &vec![record; 300]).unwrap();
    }
    let mut source = log.source().unwrap();
    let mut batch = RawBatch::new();
    let mut records = 0;
    let begun = Instant::now();
    while records < 2_400 {
        assert!(begun.elapsed() < PATIENCE);
        match source.poll(Duration::from_millis(50), &mut batch).unwrap() {
            Polled::Assigned(partitions) => {
                source
                    .start(&partitions.iter().map(|p| (*p, NextOffset::START)).collect::<Vec<_>>())
                    .unwrap();
            }
            Polled::Batch => {
                assert!(batch.bytes() <= 21_000 && batch.records() <= 100);
                records += batch.records();
            }
            _ => {}
        }
    }
}

#[test]
fn places_are_found_by_meaning() {
    let log = log(1);
    fill(&log, 0, 0, 5);
    std::thread::sleep(Duration::from_millis(20));
    let middle = now();
    fill(&log, 0, 5, 5);
    delete_records(&log.identity().topic, 0, 2);
    let mut source = log.source().unwrap();
    let partition = Partition::new(0);
    let mut locate = |at| source.locate(partition, at).unwrap().get();
    assert_eq!(locate(StartAt::Earliest), 2);
    assert_eq!(locate(StartAt::Latest), 10);
    assert_eq!(locate(StartAt::Time(middle)), 5);
    assert_eq!(locate(StartAt::Time(now().plus_s(60))), 10);
    assert_eq!(locate(StartAt::Time(model::EventTime::from_ms(-5))), 2);
    let extents = log.extents(&log.identity().topic).unwrap();
    assert_eq!((extents[0].begin.get(), extents[0].next.get()), (2, 10));
}

#[test]
fn a_reader_needs_no_group_and_reads_a_topic_to_its_end() {
    let log = log(2);
    fill(&log, 0, 0, 30);
    fill(&log, 1, 0, 20);
    let topic = log.identity().topic.clone();
    delete_records(&topic, 1, 5);
    let mut reader = log.reader(&topic).unwrap();
    assert_eq!(reader.identity(), log.identity());
    let mut seen = Seen::default();
    seen.until(&mut reader, |seen| seen.caught_up.len() == 2);
    assert_eq!((seen.values[&0].len(), seen.values[&1].len()), (30, 15));
    assert_eq!(seen.gaps, [(1, 0, 5)]);
    fill(&log, 1, 20, 1);
    seen.until(&mut reader, |seen| seen.values[&1].len() == 16);
    // Only one partition, from its middle, with a reader of its own.
    let mut reader = log.reader(&topic).unwrap();
    let mut batch = RawBatch::new();
    assert!(
        matches!(reader.poll(Duration::ZERO, &mut batch).unwrap(), Polled::Assigned(all) if all.len() == 2)
    );
    reader.start(&[(Partition::new(0), next(25))]).unwrap();
    let mut records = 0;
    loop {
        match reader.poll(Duration::from_millis(50), &mut batch).unwrap() {
            Polled::Batch => records += batch.records(),
            Polled::CaughtUp { partition, next, .. } => {
                assert_eq!((partition.number(), next.get(), records), (0, 30, 5));
                break;
            }
            _ => {}
        }
    }
    let beyond = reader.start(&[(Partition::new(1), next(22))]).unwrap_err();
    assert_eq!(beyond.kind(), ErrorKind::BeyondEnd);
    assert_eq!(log.reader("absent").err().unwrap().kind(), ErrorKind::UnknownTopic);
}
