//! Topics of a broker: made, filled, and read by a bare client, against which everything else is judged.
//!
//! In: a broker's address.  Out: a [`Topic`], and what reading it took ([`Drained`]).  Owns: nothing.
//! Why so: the bare client does what any reader of the topic must do (fetch, check sums, hand over each message) and
//! nothing else; it has the settings with which librdkafka was found to be fastest here.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use model::position::partition_of;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use rdkafka::{ClientConfig, ClientContext, Offset, TopicPartitionList};

use crate::chain::Chain;
use crate::usage::Usage;

/// How many partitions a benchmark's topics have.
pub const PARTITIONS: u32 = 8;

/// Records that are too large to be punches are part of a week.
const RECORD_BYTES_MAX: &str = "16777216";

/// How long the broker may take for any one thing.
const PATIENCE: Duration = Duration::from_secs(120);

/// A topic of punches on a broker.
#[derive(Clone, Debug)]
pub struct Topic {
    /// `host:port` of the broker.
    pub brokers: String,
    /// Its name.
    pub name: String,
}

/// What it took to read a topic.
#[derive(Clone, Copy, Debug)]
pub struct Drained {
    /// From the first record to the last.
    pub wall: Duration,
    /// Processor seconds in between, of all threads of the reader.
    pub cpu_s: f64,
    /// How many records.
    pub records: u64,
    /// Bytes of their values.
    pub bytes: u64,
}

impl Topic {
    /// Makes a topic with append times, kept for ever.
    ///
    /// # Panics
    /// If the broker does not.
    pub fn make(brokers: &str, purpose: &str) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
        let name = format!("bench-{purpose}-{}", now.as_millis());
        let admin: AdminClient<DefaultClientContext> = client(brokers).create().expect("an admin client");
        let new = NewTopic::new(&name, PARTITIONS as i32, TopicReplication::Fixed(1))
            .set("message.timestamp.type", "LogAppendTime")
            .set("max.message.bytes", RECORD_BYTES_MAX)
            .set("retention.ms", "-1");
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
        let made = futures::executor::block_on(admin.create_topics([&new], &options)).expect("an answer");
        assert_eq!(made, [Ok(name.clone())], "the broker makes the topic");
        // A broker that has just started tells of a new topic a moment after it has made it.
        let begun = Instant::now();
        while !has_leaders(&admin, &name) {
            assert!(begun.elapsed() < PATIENCE, "the topic is not there yet");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { brokers: brokers.to_owned(), name }
    }

    /// Something that appends to it in the background.
    ///
    /// # Panics
    /// If the client library refuses its settings.
    pub fn producer(&self) -> Sender {
        let mut config = client(&self.brokers);
        config.set("linger.ms", "2").set("queue.buffering.max.messages", "2000000");
        config.set("message.max.bytes", RECORD_BYTES_MAX);
        config.set("queue.buffering.max.kbytes", "2000000").set("enable.idempotence", "true");
        let producer = config.create_with_context(Failing::default()).expect("a producer");
        Sender { producer, topic: self.name.clone() }
    }

    /// Appends a chain's whole week; gives how many records that was.
    ///
    /// # Panics
    /// If the broker does not take them.
    pub fn fill(&self, chain: &Chain) -> u64 {
        let sender = self.producer();
        let mut records = 0;
        for record in chain.world.punches() {
            sender.send(&record.key, record.value.as_deref());
            records += 1;
        }
        sender.flush();
        records
    }

    /// A client that reads all partitions of `topic` from their beginning, outside any group.
    ///
    /// # Panics
    /// If the client library refuses it.
    pub fn reader(&self, topic: &str) -> BaseConsumer {
        let mut config = client(&self.brokers);
        config.set("group.id", "bench").set("enable.auto.commit", "false").set("check.crcs", "true");
        config.set("fetch.queue.backoff.ms", "10").set("queued.min.messages", "1000000");
        let reader: BaseConsumer = config.create().expect("a consumer");
        let mut list = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            list.add_partition_offset(topic, partition as i32, Offset::Beginning).expect("an offset");
        }
        reader.assign(&list).expect("partitions of the topic");
        reader
    }

    /// Reads `records` records and hands each to `see`.
    ///
    /// # Panics
    /// If reading fails, or nothing comes for two minutes.
    pub fn drain(
        &self,
        records: u64,
        mut see: impl FnMut(&rdkafka::message::BorrowedMessage<'_>),
    ) -> Drained {
        let reader = self.reader(&self.name);
        let (mut count, mut bytes) = (0, 0);
        let (mut begun, mut cpu) = (Instant::now(), cpu_s());
        while count < records {
            let message = reader.poll(PATIENCE).expect("records within two minutes").expect("a record");
            if count == 0 {
                (begun, cpu) = (Instant::now(), cpu_s());
            }
            see(&message);
            bytes += message.payload_len() as u64;
            count += 1;
        }
        Drained { wall: begun.elapsed(), cpu_s: cpu_s() - cpu, records, bytes }
    }
}

/// Appends records in the background.
pub struct Sender {
    producer: ThreadedProducer<Failing>,
    topic: String,
}

impl Sender {
    /// Hands a record to the client, to the partition of its key.
    ///
    /// # Panics
    /// If the client does not take it.
    pub fn send(&self, key: &str, value: Option<&[u8]>) {
        let partition = partition_of(key.as_bytes(), PARTITIONS).number() as i32;
        loop {
            let mut record = BaseRecord::to(&self.topic).key(key).partition(partition);
            record.payload = value;
            match self.producer.send::<str, [u8]>(record) {
                Ok(()) => return,
                Err((error, _))
                    if error.rdkafka_error_code() == Some(rdkafka::types::RDKafkaErrorCode::QueueFull) =>
                {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err((error, _)) => panic!("append a record: {error}"),
            }
        }
    }

    /// Waits until the broker has them all.
    ///
    /// # Panics
    /// If it does not take them within two minutes, or has refused one: the figures would be of another load.
    pub fn flush(&self) {
        self.producer.flush(PATIENCE).expect("the broker takes all records");
        let refused = self.producer.context().refused.get();
        assert!(refused.is_none(), "the broker refused a record: {refused:?}");
    }
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender").field("topic", &self.topic).finish_non_exhaustive()
    }
}

/// Keeps why the broker refused a record, if it did.
#[derive(Debug, Default)]
struct Failing {
    refused: OnceLock<KafkaError>,
}

impl ClientContext for Failing {}

impl rdkafka::producer::ProducerContext for Failing {
    type DeliveryOpaque = ();

    fn delivery(&self, outcome: &rdkafka::producer::DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = outcome {
            // The first is enough.
            let _ = self.refused.set(error.clone());
        }
    }
}

fn has_leaders(admin: &AdminClient<DefaultClientContext>, topic: &str) -> bool {
    let metadata = admin.inner().fetch_metadata(Some(topic), PATIENCE).expect("the broker answers");
    let partitions =
        metadata.topics().iter().filter(|found| found.name() == topic).flat_map(|found| found.partitions());
    partitions.filter(|partition| partition.leader() >= 0).count() == PARTITIONS as usize
}

fn client(brokers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers);
    config
}

fn cpu_s() -> f64 {
    Usage::own().map_or(0.0, |usage| usage.cpu_s)
}
