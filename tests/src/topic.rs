//! Topics of a broker: made as producers' operators make them, and read from beginning to end, for oracles.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use model::EventTime;
use model::position::NextOffset;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use source::{Polled, RawBatch, Source};

/// Makes a topic of punches: the broker's append time, kept for ever, with as many replicas as the brokers have by default.
///
/// # Panics
/// If the broker does not make it.
pub fn make_punches(bootstrap: &str, topic: &str, partitions: u32) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", bootstrap).create().unwrap();
    let new = NewTopic::new(topic, i32::try_from(partitions).unwrap(), TopicReplication::Fixed(-1))
        .set("message.timestamp.type", "LogAppendTime")
        .set("retention.ms", "-1")
        .set("retention.bytes", "-1");
    let within = Some(Duration::from_secs(60));
    let options = AdminOptions::new().operation_timeout(within).request_timeout(within);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let made = runtime.block_on(admin.create_topics(&[new], &options)).unwrap();
    assert_eq!(made, [Ok(topic.to_owned())]);
    // A broker that has just started tells of a new topic a moment after it has made it.
    let begun = Instant::now();
    let is_there = || {
        let metadata = admin.inner().fetch_metadata(Some(topic), Duration::from_secs(60)).unwrap();
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        found.is_some_and(|found| {
            found.partitions().len() == partitions as usize
                && found.partitions().iter().all(|of| of.leader() >= 0)
        })
    };
    while !is_there() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{topic} is not there yet");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// One record.
#[derive(Clone, Debug)]
pub struct TopicRecord {
    /// Its partition.
    pub partition: u32,
    /// Its offset.
    pub offset: i64,
    /// When it was appended.
    pub append_time: Option<EventTime>,
    /// Its key as text.
    pub key: String,
    /// Its headers as text.
    pub headers: BTreeMap<String, String>,
    /// Its value; empty for a tombstone.
    pub value: Vec<u8>,
}

/// Reads what `source` finds until every partition was read to its end.
///
/// # Panics
/// If that takes longer than two minutes.
pub fn read_topic(source: &mut dyn Source) -> Vec<TopicRecord> {
    let mut batch = RawBatch::new();
    let mut records = Vec::new();
    let mut open = usize::MAX;
    let begun = Instant::now();
    while open > 0 {
        assert!(
            begun.elapsed() < Duration::from_secs(120),
            "the topic was not read to its end in two minutes"
        );
        match source.poll(Duration::from_millis(50), &mut batch).unwrap() {
            Polled::Assigned(partitions) => {
                open = partitions.len();
                let starts: Vec<_> = partitions.iter().map(|p| (*p, NextOffset::START)).collect();
                source.start(&starts).unwrap();
            }
            Polled::Batch => records.extend(batch.iter().map(|entry| {
                let words = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                let header = |(name, value): (&str, Option<&[u8]>)| {
                    (name.to_owned(), words(value.unwrap_or_default()))
                };
                TopicRecord {
                    partition: batch.partition().number(),
                    offset: entry.offset.get(),
                    append_time: entry.append_time,
                    key: words(entry.key.unwrap_or_default()),
                    headers: entry.headers.iter().map(header).collect(),
                    value: entry.value.unwrap_or_default().to_vec(),
                }
            })),
            Polled::CaughtUp { partition, .. } => {
                open -= 1;
                source.pause(partition);
            }
            _ => {}
        }
    }
    records
}
