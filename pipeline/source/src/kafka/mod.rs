//! A Kafka topic as the log: read in a group or alone, appended to, its clock and its identity watched.
//!
//! In: options; positions from the lake; records to append.  Out: what [`Source`](crate::Source) and
//! [`Append`](crate::Append) tell.  Owns: connections to the brokers, and two threads beside the client library's own.
//! Absent on purpose: group offsets as truth, transactions, the new group protocol (librdkafka 2.12 stalls under it,
//! research/streams.md 4.5), any change to a topic that exists.
//! Invariants: positions come from the caller only; an idle partition's clock is no later than what its broker has
//! acknowledged; a topic made anew, or with another number of partitions, is never read as if it were the old one.
//! Why so: each client has one task: the member reads, the asker asks for ends with open transactions in sight, the
//! producer appends and learns the brokers' time. None waits for another.
//!
//! ```text
//!              ┌─ member (rdkafka) ─▶ intake ─▶ source ─▶ worker
//! brokers ─────┼─ asker ─▶ looker: identity, ends, brokers' time ─▶ source
//!              └─ producer ◀─ appenders; probes
//! ```

mod appender;
mod asker;
mod broker_time;
mod counters;
mod failures;
mod group;
mod intake;
mod looker;
mod native;
mod options;
mod reader;
mod reading;
mod source;
mod topics;
mod waker;

use std::sync::Arc;

use model::{EventTime, NextOffset, Partition};

pub use appender::KafkaAppender;
pub use broker_time::PROBE_KEY_PREFIX;
pub use counters::{KafkaStats, Silence};
pub use options::{CLOCK_MARGIN, HAS_TLS, KafkaClock, KafkaOptions, Mechanism, Sasl, Security, Tls};
pub use reader::KafkaReader;
pub use source::KafkaSource;
pub use topics::{Topic, TopicUse};

use crate::error::{Error, ErrorKind};
use crate::log::{LogIdentity, StartAt, WallClock};
use appender::Producers;
use asker::{Asker, Place};
use counters::Counters;
use native::Described;
use topics::Admin;

/// An open Kafka log. Clones share its connections.
#[derive(Clone)]
pub struct KafkaLog {
    shared: Arc<Shared>,
}

struct Shared {
    options: KafkaOptions,
    wall: WallClock,
    topic: Topic,
    asker: Asker,
    producers: Producers,
    counters: Counters,
}

/// What a partition holds now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The first position that the brokers still hold.
    pub begin: NextOffset,
    /// The position behind the last record.
    pub next: NextOffset,
}

impl KafkaLog {
    /// Connects to the brokers and checks that the topic can be a log of punches.
    ///
    /// # Errors
    /// `InvalidOptions`; `Unreachable` if no broker answers within the request timeout; `Forbidden`; `UnknownTopic` and
    /// `TopicConfig`, with the command that mends it.
    pub fn open(options: KafkaOptions, wall: WallClock) -> Result<Self, Error> {
        options.check()?;
        let needs_append_time = options.clock != KafkaClock::Record;
        let asker = Asker::new(&options)?;
        let described = asker.reach(&options.topic, &options.brokers)?;
        let topic = Admin::new(&options)?.log(&options.topic, described, needs_append_time)?;
        let producers = Producers::new(&options)?;
        let counters = Counters::default();
        Ok(Self { shared: Arc::new(Shared { options, wall, topic, asker, producers, counters }) })
    }

    /// Which log this is.
    pub fn identity(&self) -> &LogIdentity {
        &self.shared.topic.identity
    }

    /// The topic of punches as it stood when the log was opened.
    pub fn topic(&self) -> &Topic {
        &self.shared.topic
    }

    /// The options it was opened with.
    pub fn options(&self) -> &KafkaOptions {
        &self.shared.options
    }

    /// Makes a topic that Muster writes, with the replication of punches and, for [`TopicUse::LastSaid`], as many
    /// partitions; one that exists is checked and left as it is.
    ///
    /// # Errors
    /// `PartitionCount` or `TopicConfig` if it exists and does not fit; `Unreachable`, `Forbidden`, `InvalidTopic`.
    pub fn create_topic(&self, topic: &str, of: TopicUse) -> Result<Topic, Error> {
        Admin::new(&self.shared.options)?.create(topic, of, &self.shared.topic)
    }

    /// Gives `topic` more partitions, if it is there and has fewer; says how many it then has. A topic of punches that was given
    /// more is to be opened anew.
    ///
    /// # Errors
    /// `Unreachable`, `Forbidden`.
    pub fn grow_topic(&self, topic: &str, partitions: u32) -> Result<Option<u32>, Error> {
        Admin::new(&self.shared.options)?.grow(topic, partitions)
    }

    /// Makes `<topic>.dlq`, where the dead letters of this log go.
    ///
    /// # Errors
    /// As [`KafkaLog::create_topic`].
    pub fn create_dead_letter_topic(&self) -> Result<Topic, Error> {
        self.create_topic(&crate::dead_letter::topic_of(&self.identity().topic), TopicUse::DeadLetters)
    }

    /// Joins the group and reads the topic of punches. Under [`KafkaClock::Append`] its probe topic must exist.
    ///
    /// # Errors
    /// `Client` if the client library refuses an option.
    pub fn source(&self) -> Result<KafkaSource, Error> {
        KafkaSource::join(self.clone())
    }

    /// Reads any topic of the cluster, all partitions, outside the group.
    ///
    /// # Errors
    /// `UnknownTopic`; `Unreachable`, `Forbidden`.
    pub fn reader(&self, topic: &str) -> Result<KafkaReader, Error> {
        let described = self.describe(topic)?.ok_or_else(|| self.unknown(topic))?;
        KafkaReader::open(self.clone(), topics::topic_of(topic, &described, None))
    }

    /// An appender to any topic of the cluster that exists.
    pub fn appender(&self) -> KafkaAppender {
        KafkaAppender::new(self.clone())
    }

    /// What each partition of `topic` holds now, by partition; records of open transactions count.
    ///
    /// # Errors
    /// `UnknownTopic`; `Unreachable`, `Forbidden`.
    pub fn extents(&self, topic: &str) -> Result<Vec<Extent>, Error> {
        let described = self.describe(topic)?.ok_or_else(|| self.unknown(topic))?;
        let partitions: Vec<Partition> = (0..described.leaders.len() as u32).map(Partition::new).collect();
        let begins = self.asker().ask(topic, &partitions, Place::Begin)?;
        let ends = self.asker().ask(topic, &partitions, Place::End)?;
        let position = |offset: Option<i64>| reading::position(offset.unwrap_or_default());
        let extents = begins.into_iter().zip(ends);
        Ok(extents
            .map(|((_, begin), (_, next))| Extent { begin: position(begin), next: position(next) })
            .collect())
    }

    /// The most bytes that batches of punches in the making held since the last call. They may hold
    /// [`KafkaOptions::buffered_bytes_max`].
    pub fn take_buffered_peak(&self) -> u64 {
        self.shared.counters.take_buffered_peak()
    }

    /// What was counted since the log was opened, and the lag of the partitions read here.
    pub fn stats(&self) -> KafkaStats {
        self.shared.counters.stats()
    }

    /// Since when no broker answers those who ask for the log's ends, and why; none while one does.
    pub fn silence(&self) -> Option<Silence> {
        self.shared.counters.silence()
    }

    pub(crate) fn locate(&self, topic: &str, partition: Partition, at: StartAt) -> Result<NextOffset, Error> {
        let place = match at {
            StartAt::Earliest => Place::Begin,
            StartAt::Latest => Place::End,
            StartAt::Time(at) => Place::Since(at),
        };
        let ask = |place| -> Result<Option<i64>, Error> {
            Ok(self.asker().ask(topic, &[partition], place)?.into_iter().find_map(|(_, offset)| offset))
        };
        let found = match ask(place)? {
            Some(found) => Some(found),
            // No record is that young: behind the last one.
            None => ask(Place::End)?,
        };
        Ok(reading::position(found.unwrap_or_default()))
    }

    pub(crate) fn describe(&self, topic: &str) -> Result<Option<Described>, Error> {
        self.asker()
            .describe(topic)
            .map_err(|code| failures::coded(&format!("describe topic {topic}"), code, ""))
    }

    fn unknown(&self, topic: &str) -> Error {
        let brokers = &self.shared.options.brokers;
        Error::new(
            ErrorKind::UnknownTopic,
            format!("no topic {topic} at {brokers}: `muster run` makes those it writes"),
        )
    }

    pub(crate) fn asker(&self) -> &Asker {
        &self.shared.asker
    }

    pub(crate) fn producers(&self) -> &Producers {
        &self.shared.producers
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    pub(crate) fn wall(&self) -> EventTime {
        (self.shared.wall)()
    }
}
