//! The log clock on a real broker: what `CaughtUp` says of a time stays true.
#![allow(clippy::unwrap_used, reason = "test code outside of `#[test]` functions")]

mod kafka_support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kafka_support::*;
use model::{EventTime, NextOffset, Partition};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use source::kafka::TopicUse;
use source::{Append, KafkaClock, KafkaLog, KafkaOptions, NewRecord, Polled, RawBatch, Source, WallClock};

/// A log with the append clock, its probe topic made; the wall is `ahead_ms` before the true one.
fn clocked(partitions: i32, margin: Duration, ahead_ms: i64) -> KafkaLog {
    let topic = fresh("punches");
    create(&topic, partitions, &[]);
    let probe_topic = fresh("alerts");
    let clock = KafkaClock::Append { probe_topic: probe_topic.clone(), margin };
    let wall: WallClock = Arc::new(move || now().plus_us(ahead_ms * 1_000));
    let log = KafkaLog::open(KafkaOptions { clock, ..options(&topic) }, wall).unwrap();
    log.create_topic(&probe_topic, TopicUse::LastSaid).unwrap();
    log
}

#[test]
fn no_record_comes_with_an_append_time_that_the_clock_had_passed() {
    const PARTITIONS: u32 = 4;
    // A wall that is an hour ahead, and a margin of nothing: only the brokers' own time holds the clock back.
    let log = clocked(PARTITIONS as i32, Duration::ZERO, 3_600_000);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for thread in 0..3_u32 {
            let (log, stop) = (&log, &stop);
            scope.spawn(move || {
                let mut appender = log.appender();
                let mut n = thread;
                while !stop.load(Ordering::Relaxed) {
                    n += 1;
                    let record = NewRecord {
                        value: Some(b"x"),
                        partition: Some(Partition::new(n % PARTITIONS)),
                        ..NewRecord::default()
                    };
                    appender.append(&log.identity().topic, &[record]).unwrap();
                    std::thread::sleep(Duration::from_millis(u64::from(n * 7 % 40)));
                }
            });
        }
        let mut source = log.source().unwrap();
        let mut batch = RawBatch::new();
        let mut clocks: BTreeMap<Partition, EventTime> = BTreeMap::new();
        let (mut said, mut records) = (0, 0);
        let begun = Instant::now();
        while said < 60 || records < 500 {
            assert!(begun.elapsed() < PATIENCE, "{said} times, {records} records");
            match source.poll(Duration::from_millis(20), &mut batch).unwrap() {
                Polled::Assigned(partitions) => {
                    source
                        .start(&partitions.iter().map(|p| (*p, NextOffset::START)).collect::<Vec<_>>())
                        .unwrap();
                }
                Polled::Batch => {
                    let clock = clocks.get(&batch.partition()).copied();
                    for entry in batch.iter() {
                        records += 1;
                        let time = entry.append_time.unwrap();
                        assert!(
                            clock.is_none_or(|clock| time >= clock),
                            "{time:?} after the clock showed {clock:?}"
                        );
                    }
                }
                Polled::CaughtUp { partition, at, .. } => {
                    said += 1;
                    assert!(at <= now(), "the clock is ahead of the broker");
                    let before = clocks.insert(partition, at);
                    assert!(before.is_none_or(|before| before <= at));
                }
                _ => {}
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn an_idle_log_has_a_clock_that_moves_and_trails_by_the_margin() {
    let log = clocked(2, Duration::from_secs(1), 0);
    let mut source = log.source().unwrap();
    let mut seen = Seen::default();
    seen.until(&mut source, |seen| seen.caught_up.len() == 2);
    let first = seen.caught_up[&0].1;
    let begun = Instant::now();
    seen.until(&mut source, |seen| seen.caught_up[&0].1 >= first.plus_s(5));
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    let behind_ms = now().us_since(seen.caught_up[&0].1) / 1_000;
    assert!((1_000..6_000).contains(&behind_ms), "{behind_ms} ms behind");
    // The probes are tombstones of one key: a reader of the topic passes them over.
    let KafkaClock::Append { probe_topic, .. } = &log.options().clock else { panic!() };
    let mut reader = log.reader(probe_topic).unwrap();
    let mut batch = RawBatch::new();
    let mut probes = 0;
    let mut at_end = 0;
    while at_end < 2 {
        match reader.poll(Duration::from_millis(50), &mut batch).unwrap() {
            Polled::Assigned(all) => {
                reader.start(&all.iter().map(|p| (*p, NextOffset::START)).collect::<Vec<_>>()).unwrap();
            }
            Polled::Batch => {
                for entry in batch.iter() {
                    probes += 1;
                    assert!(entry.value.is_none());
                    assert!(entry.key.unwrap().starts_with(source::kafka::PROBE_KEY_PREFIX.as_bytes()));
                }
            }
            Polled::CaughtUp { .. } => at_end += 1,
            _ => {}
        }
    }
    assert!(probes >= 3, "{probes}");
}

#[test]
fn without_the_brokers_time_the_clock_stands() {
    let log = clocked(1, Duration::ZERO, 0);
    let KafkaClock::Append { probe_topic, .. } = log.options().clock.clone() else { panic!() };
    delete(&probe_topic);
    let mut source = log.source().unwrap();
    let mut seen = Seen::default();
    fill(&log, 0, 0, 10);
    seen.until(&mut source, |seen| seen.count() == 10);
    for _ in 0..60 {
        seen.step(&mut source);
    }
    assert!(
        seen.caught_up.is_empty(),
        "records flow, the clock of an idle log does not: {:?}",
        seen.caught_up
    );
}

fn transactional() -> BaseProducer {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers())
        .set("transactional.id", fresh("transaction"))
        .create()
        .unwrap();
    producer.init_transactions(Duration::from_secs(20)).unwrap();
    producer
}

fn send(producer: &BaseProducer, topic: &str, count: usize) {
    for n in 0..count {
        let value = format!("{n}");
        let record: BaseRecord<'_, (), str> = BaseRecord::to(topic).payload(value.as_str()).partition(0);
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(Duration::from_secs(20)).unwrap();
}

#[test]
fn a_partition_that_has_records_and_delivers_none_is_started_again_and_counted() {
    let topic = fresh("punches");
    create(&topic, 2, &[]);
    let options = KafkaOptions { stalled_after: Duration::from_secs(1), ..options(&topic) };
    let log = KafkaLog::open(options, wall()).unwrap();
    fill(&log, 0, 0, 10);
    let mut source = log.source().unwrap();
    let mut seen = Seen::default();
    seen.until(&mut source, |seen| seen.count() == 10 && seen.caught_up.len() == 2);
    // An open transaction is the one way to hold records back from outside.
    let producer = transactional();
    producer.begin_transaction().unwrap();
    send(&producer, &topic, 5);
    let begun = Instant::now();
    while log.stats().stalls < 2 {
        assert!(begun.elapsed() < PATIENCE);
        seen.step(&mut source);
    }
    assert_eq!(seen.count(), 10);
    // The other partition is not in doubt.
    fill(&log, 1, 0, 10);
    seen.until(&mut source, |seen| seen.count() == 20);
    producer.commit_transaction(Duration::from_secs(20)).unwrap();
    seen.until(&mut source, |seen| seen.count() == 25 && seen.caught_up[&0].0 == 16);
    assert_eq!(seen.gaps, []);
    let stalls = log.stats().stalls;
    for _ in 0..60 {
        seen.step(&mut source);
    }
    assert_eq!(log.stats().stalls, stalls);
}

#[test]
fn an_open_transaction_holds_the_clock_back_and_its_marker_is_no_loss() {
    let log = clocked(1, Duration::ZERO, 0);
    let topic = log.identity().topic.clone();
    let producer = transactional();
    let send = |count: usize| send(&producer, &topic, count);
    let mut source = log.source().unwrap();
    let mut seen = Seen::default();
    seen.until(&mut source, |seen| !seen.caught_up.is_empty());
    producer.begin_transaction().unwrap();
    send(5);
    let opened = now();
    for _ in 0..100 {
        seen.step(&mut source);
        assert!(seen.caught_up[&0].1 <= opened, "records of an open transaction are still to come");
    }
    assert_eq!(seen.count(), 0);
    producer.commit_transaction(Duration::from_secs(20)).unwrap();
    seen.until(&mut source, |seen| seen.count() == 5 && seen.caught_up[&0].0 == 6);
    assert_eq!(seen.gaps, [], "a marker is no loss");
    assert!(seen.caught_up[&0].1 > opened);
    // Aborted records and their marker at the end of the log: the position passes them, and the clock moves on.
    producer.begin_transaction().unwrap();
    send(3);
    producer.abort_transaction(Duration::from_secs(20)).unwrap();
    seen.until(&mut source, |seen| seen.caught_up[&0].0 == 10);
    assert_eq!((seen.count(), seen.gaps.len()), (5, 0));
    fill_at(&log, 10);
    seen.until(&mut source, |seen| seen.count() == 6);
    assert_eq!(seen.gaps, []);
}

fn fill_at(log: &KafkaLog, at: i64) {
    let record = NewRecord { value: Some(b"x"), partition: Some(Partition::new(0)), ..NewRecord::default() };
    let placed = log.appender().append(&log.identity().topic, &[record]).unwrap();
    assert_eq!(placed, [(Partition::new(0), offset(at))]);
}
