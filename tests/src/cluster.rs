//! What an operator does to topics: makes them, deletes them and their records, adds partitions, asks who is in a group.
//!
//! In: a broker's plain listener.  Out: done, or the test has failed.  Owns: a connection.

use std::time::{Duration, Instant};

use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

const WITHIN: Duration = Duration::from_secs(60);

/// The operator of one broker.
pub struct Cluster {
    bootstrap: String,
    admin: AdminClient<DefaultClientContext>,
}

impl Cluster {
    /// Connects to a plain listener.
    pub fn at(bootstrap: &str) -> Self {
        let admin = ClientConfig::new().set("bootstrap.servers", bootstrap).create().unwrap();
        Self { bootstrap: bootstrap.to_owned(), admin }
    }

    /// Makes a topic, kept for ever, with the given `message.timestamp.type`.
    pub fn make_topic(&self, topic: &str, partitions: i32, timestamps: &str) {
        let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1))
            .set("message.timestamp.type", timestamps)
            .set("retention.ms", "-1");
        let made = block_on(self.admin.create_topics([&new], &options())).unwrap();
        assert_eq!(made, [Ok(topic.to_owned())]);
        self.await_partitions(topic, usize::try_from(partitions).unwrap());
    }

    /// Makes a topic all of whose partitions are on the broker `node` alone.
    pub fn make_topic_on(&self, topic: &str, partitions: usize, node: i32) {
        let alone = [node];
        let replicas = vec![&alone[..]; partitions];
        let count = i32::try_from(partitions).unwrap();
        let new = NewTopic::new(topic, count, TopicReplication::Variable(&replicas))
            .set("min.insync.replicas", "1")
            .set("retention.ms", "-1");
        let made = block_on(self.admin.create_topics([&new], &options())).unwrap();
        assert_eq!(made, [Ok(topic.to_owned())]);
        self.await_partitions(topic, partitions);
    }

    /// The broker that leads a partition; -1 while none does.
    pub fn leader(&self, topic: &str, partition: usize) -> i32 {
        let found = self.client().fetch_metadata(Some(topic), WITHIN).unwrap();
        found.topics()[0].partitions()[partition].leader()
    }

    /// Deletes a topic.
    pub fn delete_topic(&self, topic: &str) {
        let deleted = block_on(self.admin.delete_topics(&[topic], &options())).unwrap();
        assert_eq!(deleted, [Ok(topic.to_owned())]);
        self.await_partitions(topic, 0);
    }

    /// Adds partitions to a topic until it has `count`.
    pub fn add_partitions(&self, topic: &str, count: usize) {
        let added = block_on(self.admin.create_partitions(&[NewPartitions::new(topic, count)], &options()));
        assert_eq!(added.unwrap(), [Ok(topic.to_owned())]);
        self.await_partitions(topic, count);
    }

    /// Deletes a partition's records before `offset`, as retention does.
    pub fn delete_records(&self, topic: &str, partition: i32, offset: i64) {
        let mut before = TopicPartitionList::new();
        before.add_partition_offset(topic, partition, Offset::Offset(offset)).unwrap();
        block_on(self.admin.delete_records(&before, &options())).unwrap();
    }

    /// Sets one of a topic's settings; its others go back to the brokers' own.
    pub fn configure_topic(&self, topic: &str, key: &str, value: &str) {
        let change = AlterConfig::new(ResourceSpecifier::Topic(topic)).set(key, value);
        let done = block_on(self.admin.alter_configs([&change], &options())).unwrap();
        assert!(done.iter().all(Result::is_ok), "{done:?}");
    }

    /// What the controller has acknowledged, the broker knows a moment later.
    fn await_partitions(&self, topic: &str, count: usize) {
        let client = self.client();
        let begun = Instant::now();
        loop {
            let found = client.fetch_metadata(Some(topic), WITHIN).unwrap();
            let led = found.topics()[0].partitions().iter().filter(|partition| partition.leader() >= 0);
            if led.count() == count && (count > 0) == found.topics()[0].error().is_none() {
                return;
            }
            assert!(begun.elapsed() < WITHIN, "topic {topic} has no {count} partitions after {WITHIN:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn client(&self) -> BaseConsumer {
        ClientConfig::new().set("bootstrap.servers", &self.bootstrap).create().unwrap()
    }

    /// How many members a consumer group has.
    pub fn members(&self, group: &str) -> usize {
        let client = self.client();
        let groups = client.fetch_group_list(Some(group), WITHIN).unwrap();
        groups.groups().iter().map(|found| found.members().len()).sum()
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(WITHIN)).request_timeout(Some(WITHIN))
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}
