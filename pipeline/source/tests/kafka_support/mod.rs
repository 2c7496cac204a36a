//! What tests against a real broker share: a topic of their own, records, a loop around `poll`.
//!
//! In: `MUSTER_TEST_KAFKA`.  Out: logs, topics.  Owns: nothing.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test file uses its part; test code outside of `#[test]` functions"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures::executor::block_on;
use model::{EventTime, NextOffset, Offset, Partition};
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::metadata::MetadataTopic;
use rdkafka::{ClientConfig, TopicPartitionList};
use source::{Append, KafkaLog, KafkaOptions, NewRecord, Polled, RawBatch, Source, WallClock};

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The broker to test against.
pub(crate) fn brokers() -> String {
    // RUST_LOG=source=debug shows what happens.
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
    std::env::var("MUSTER_TEST_KAFKA").expect(
        "MUSTER_TEST_KAFKA=host:port names the broker to test against; `tests/run` starts one and sets it",
    )
}

/// A name that no test has used before.
pub(crate) fn fresh(what: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    format!("{what}-{}-{}", since.as_nanos(), COUNT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn wall() -> WallClock {
    Arc::new(now)
}

pub(crate) fn now() -> EventTime {
    EventTime::from_ms(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64)
}

pub(crate) fn admin() -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", brokers()).create().unwrap()
}

fn patient() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(Duration::from_secs(20)))
}

/// Makes a topic with append times and what `settings` add.
pub(crate) fn create(topic: &str, partitions: i32, settings: &[(&str, &str)]) {
    let mut wanted = NewTopic::new(topic, partitions, TopicReplication::Fixed(1))
        .set("message.timestamp.type", "LogAppendTime");
    for (key, value) in settings {
        wanted = wanted.set(key, value);
    }
    let admin = admin();
    block_on(admin.create_topics([&wanted], &patient())).unwrap()[0].as_ref().unwrap();
    // A broker that has just started tells of a new topic a moment after it has made it.
    let begun = Instant::now();
    let is_there = || {
        let metadata = admin.inner().fetch_metadata(Some(topic), PATIENCE).unwrap();
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        let has_leaders = |found: &MetadataTopic| found.partitions().iter().all(|part| part.leader() >= 0);
        found.is_some_and(|found| found.partitions().len() == partitions as usize && has_leaders(found))
    };
    while !is_there() {
        assert!(begun.elapsed() < PATIENCE, "{topic} is not there yet");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Deletes a topic, and waits until it is gone.
pub(crate) fn delete(topic: &str) {
    block_on(admin().delete_topics(&[topic], &patient())).unwrap()[0].as_ref().unwrap();
    let log = reader_log(topic);
    let begun = Instant::now();
    while log.extents(topic).is_ok() {
        assert!(begun.elapsed() < PATIENCE, "{topic} is still there");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn reader_log(other_than: &str) -> KafkaLog {
    let topic = fresh("bystander");
    assert_ne!(topic, other_than);
    create(&topic, 1, &[]);
    KafkaLog::open(options(&topic), wall()).unwrap()
}

pub(crate) fn add_partitions(topic: &str, count: usize) {
    let wanted = NewPartitions::new(topic, count);
    block_on(admin().create_partitions([&wanted], &patient())).unwrap()[0].as_ref().unwrap();
}

/// Deletes what lies before `until`.
pub(crate) fn delete_records(topic: &str, partition: i32, until: i64) {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, rdkafka::Offset::Offset(until)).unwrap();
    let done = block_on(admin().delete_records(&list, &patient())).unwrap();
    for element in done.elements() {
        element.error().unwrap();
    }
}

pub(crate) fn options(topic: &str) -> KafkaOptions {
    KafkaOptions {
        session_timeout: Duration::from_secs(6),
        client_id: fresh("test"),
        ..KafkaOptions::new(&brokers(), topic, &fresh("group"))
    }
}

/// A log of a fresh topic.
pub(crate) fn log(partitions: i32) -> KafkaLog {
    let topic = fresh("punches");
    create(&topic, partitions, &[]);
    KafkaLog::open(options(&topic), wall()).unwrap()
}

/// Appends `count` records to one partition, their values counting from `from`.
pub(crate) fn fill(log: &KafkaLog, partition: u32, from: usize, count: usize) {
    let values: Vec<String> = (from..from + count).map(|n| format!("{partition}/{n}")).collect();
    let records: Vec<NewRecord<'_>> = values
        .iter()
        .map(|value| NewRecord {
            value: Some(value.as_bytes()),
            partition: Some(Partition::new(partition)),
            ..NewRecord::default()
        })
        .collect();
    let placed = log.appender().append(&log.identity().topic, &records).unwrap();
    for (n, (at, offset)) in placed.iter().enumerate() {
        assert_eq!((at.number(), offset.get()), (partition, (from + n) as i64));
    }
}

pub(crate) fn next(value: i64) -> NextOffset {
    NextOffset::new(value).unwrap()
}

pub(crate) fn offset(value: i64) -> Offset {
    Offset::new(value).unwrap()
}

/// What a source said and delivered, as a worker would keep it.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) values: BTreeMap<u32, Vec<(i64, String)>>,
    pub(crate) positions: BTreeMap<Partition, NextOffset>,
    pub(crate) gaps: Vec<(u32, i64, i64)>,
    pub(crate) caught_up: BTreeMap<u32, (i64, EventTime)>,
    pub(crate) owned: Vec<Partition>,
    pub(crate) log: Vec<Polled>,
    batch: RawBatch,
}

impl Seen {
    /// Polls once. An assignment is answered with the position kept of the partition, else with its beginning.
    pub(crate) fn step(&mut self, source: &mut dyn Source) -> Polled {
        let polled = source.poll(Duration::from_millis(50), &mut self.batch).unwrap();
        self.note(source, &polled);
        polled
    }

    fn note(&mut self, source: &mut dyn Source, polled: &Polled) {
        match polled {
            Polled::Assigned(partitions) => {
                let at = |p: &Partition| (*p, self.positions.get(p).copied().unwrap_or(NextOffset::START));
                let starts: Vec<_> = partitions.iter().map(at).collect();
                source.start(&starts).unwrap();
                self.owned.extend(partitions);
            }
            Polled::Revoked(partitions) | Polled::Lost(partitions) => {
                self.owned.retain(|partition| !partitions.contains(partition));
            }
            Polled::Batch => self.take(),
            Polled::CaughtUp { partition, next, at } => {
                self.caught_up.insert(partition.number(), (next.get(), *at));
            }
            _ => {}
        }
        if *polled != Polled::Idle {
            self.log.push(polled.clone());
        }
    }

    fn take(&mut self) {
        let partition = self.batch.partition();
        assert!(self.owned.contains(&partition), "{partition} is not ours");
        let at = self.positions.entry(partition).or_insert(NextOffset::START);
        assert_eq!(*at, self.batch.from(), "partition {partition}");
        *at = self.batch.next();
        let number = partition.number();
        for gap in self.batch.gaps() {
            self.gaps.push((number, gap.from.get(), gap.until.get()));
        }
        let values = self.values.entry(number).or_default();
        for entry in self.batch.iter() {
            let value = String::from_utf8_lossy(entry.value.unwrap_or_default()).into_owned();
            values.push((entry.offset.get(), value));
        }
    }

    /// Polls until `is_enough`.
    pub(crate) fn until(&mut self, source: &mut dyn Source, is_enough: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !is_enough(self) {
            assert!(begun.elapsed() < PATIENCE, "{:?}", self.log);
            self.step(source);
        }
    }

    /// How many records were delivered.
    pub(crate) fn count(&self) -> usize {
        self.values.values().map(Vec::len).sum()
    }
}
