//! Moves records from the client's queue into the batches of their partitions.
//!
//! In: the client's queue.  Out: full batches, in exchange for empty ones.  Owns: the client, each partition's reading.
//! Absent on purpose: where to start, and what the group does (`source` and `reader` say).
//! Invariants: batches in the making hold at most `buffered_bytes_max` and one record more (those of paused partitions
//! come on top, each at most one batch); a record of a partition that is not fetched is dropped.
//! A paused partition's next batch is still filled; the client is told to pause it only when that is full, since the
//! client drops what it has fetched ahead of a paused partition, and resumes late (`waker`).
//! Why so: one queue of the client for all partitions, drained whole, costs one copy a record and no queue a partition:
//! split partition queues outlive a rebalance in librdkafka 2.12 and then starve (research/streams.md, 4.4).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::{EventTime, NextOffset, Offset, Partition};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message, Timestamp};

use super::counters::Counters;
use super::failures;
use super::group::{self, Membership};
use super::native;
use super::options::KafkaOptions;
use super::reading::{Reading, Stage, Taken, position};
use super::waker::Waker;
use crate::error::{Error, ErrorKind};
use crate::log::BatchLimits;
use crate::raw_batch::{RawBatch, RawHeaders};

/// What a round of draining came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drained {
    /// This partition's batch should be delivered now.
    Full(Partition),
    /// Nothing more waits.
    Empty,
}

/// What the client told of instead of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Some partition's position lies outside its log: hold all of them against their ranges.
    OutOfRange,
    /// The topic may be gone: look.
    TopicGone,
}

pub(crate) struct Intake {
    // Before the client: its thread holds one as well.
    waker: Waker,
    pub(crate) client: Arc<BaseConsumer<Membership>>,
    pub(crate) topic: String,
    readings: Vec<Option<Box<Reading>>>,
    limits: BatchLimits,
    buffered_bytes: usize,
    buffered_bytes_max: usize,
    trouble: Option<Trouble>,
    headers: Vec<u8>,
    /// What the client holds paused: it does so over a rebalance too, when the partition has long been another's.
    paused: BTreeSet<Partition>,
    /// The partition that is delivered next when none is full.
    turn: usize,
}

impl Intake {
    pub(crate) fn new(
        client: BaseConsumer<Membership>,
        topic: &str,
        partitions: u32,
        options: &KafkaOptions,
    ) -> Self {
        let client = Arc::new(client);
        Self {
            waker: Waker::start(&client, topic),
            client,
            topic: topic.to_owned(),
            readings: (0..partitions).map(|_| None).collect(),
            limits: options.batch,
            buffered_bytes: 0,
            buffered_bytes_max: options.buffered_bytes_max,
            trouble: None,
            headers: Vec::new(),
            paused: BTreeSet::new(),
            turn: 0,
        }
    }

    /// Bytes of all batches in the making.
    pub(crate) const fn buffered_bytes(&self) -> usize {
        self.buffered_bytes
    }

    pub(crate) fn get(&mut self, partition: Partition) -> Option<&mut Reading> {
        self.readings.get_mut(partition.number() as usize)?.as_deref_mut()
    }

    /// Begins to keep a reading of `partition`; none if the topic has no such partition.
    pub(crate) fn insert(&mut self, partition: Partition) -> Option<&mut Reading> {
        self.remove(partition);
        let place = self.readings.get_mut(partition.number() as usize)?;
        Some(place.insert(Box::new(Reading::new(partition, Instant::now()))))
    }

    /// Drops what is known of `partition`, its batch in the making too.
    pub(crate) fn remove(&mut self, partition: Partition) {
        let gone = self.readings.get_mut(partition.number() as usize).and_then(Option::take);
        self.buffered_bytes -= gone.map_or(0, |reading| reading.pending.bytes());
    }

    /// Drops `partition`'s batch in the making and begins at `next`.
    pub(crate) fn begin(&mut self, partition: Partition, next: NextOffset, ticket: u64) {
        let Some(reading) = self.readings.get_mut(partition.number() as usize).and_then(Option::as_deref_mut)
        else {
            return;
        };
        self.buffered_bytes -= reading.pending.bytes();
        reading.begin(next, ticket, Instant::now());
    }

    pub(crate) fn iter(&mut self) -> impl Iterator<Item = (Partition, &mut Reading)> {
        self.readings.iter_mut().enumerate().filter_map(|(number, reading)| {
            reading.as_deref_mut().map(|reading| (Partition::new(number as u32), reading))
        })
    }

    /// Whether any reading fits.
    pub(crate) fn any(&self, fits: impl Fn(&Reading) -> bool) -> bool {
        self.readings.iter().flatten().any(|reading| fits(reading))
    }

    /// The partitions whose readings fit.
    pub(crate) fn those(&self, fits: impl Fn(&Reading) -> bool) -> Vec<Partition> {
        let numbered = self.readings.iter().enumerate();
        let fitting = numbered.filter(|(_, reading)| reading.as_deref().is_some_and(&fits));
        fitting.map(|(number, _)| Partition::new(number as u32)).collect()
    }

    /// What the client told of since the last call.
    pub(crate) fn take_trouble(&mut self) -> Option<Trouble> {
        self.trouble.take()
    }

    /// Has the client fetch `partitions` from where their readings stand.
    pub(crate) fn fetch(&mut self, partitions: &[Partition]) -> Result<(), Error> {
        let mut from = Vec::with_capacity(partitions.len());
        for partition in partitions {
            if let Some(reading) = self.get(*partition) {
                reading.stage = Stage::Fetching;
                reading.touch(Instant::now());
                from.push((partition.number() as i32, reading.next().get()));
            }
        }
        self.client.context().fetch(&self.client, &self.topic, &from).map_err(|error| {
            let doing = format!("fetch {} partitions of topic {}", from.len(), self.topic);
            failures::failed(&doing, &error, &self.client.context().reasons.suffix())
        })?;
        partitions.iter().for_each(|partition| self.agree_on_pause(*partition));
        Ok(())
    }

    /// Has the client fetch `partitions` no longer, until `ticket` says how to go on; what was taken of them stays.
    pub(crate) fn unfetch(&mut self, partitions: &[Partition], ticket: u64) {
        let mut numbers = Vec::with_capacity(partitions.len());
        for partition in partitions {
            if let Some(reading) = self.get(*partition).filter(|reading| reading.stage != Stage::Announced) {
                reading.stage = Stage::Asked(ticket);
                numbers.push(partition.number() as i32);
            }
        }
        if let Err(error) = self.client.context().unfetch(&self.client, &self.topic, &numbers) {
            tracing::warn!(topic = self.topic, %error, "the client did not stop fetching");
        }
    }

    /// Stops or goes on delivering `partition`; what was taken of it stays.
    pub(crate) fn pause(&mut self, partition: Partition, is_paused: bool) {
        let Some(reading) = self.get(partition).filter(|reading| reading.is_paused != is_paused) else {
            return;
        };
        reading.is_paused = is_paused;
        reading.touch(Instant::now());
        if reading.stage != Stage::Fetching {
            return;
        }
        self.agree_on_pause(partition);
    }

    /// Has the client pause a partition that is paused and has a full batch waiting, and resume it else.
    fn agree_on_pause(&mut self, partition: Partition) {
        let limits = self.limits;
        let Some(is_paused) = self.get(partition).map(|reading| reading.is_paused && reading.is_full(limits))
        else {
            return;
        };
        let list = group::list(&self.topic, &[partition.number() as i32]);
        let done = match (is_paused, self.paused.contains(&partition)) {
            (true, false) => self.client.pause(&list),
            (false, true) => self.client.resume(&list),
            _ => return,
        };
        match done {
            Ok(()) if is_paused => {
                self.paused.insert(partition);
            }
            Ok(()) => {
                self.paused.remove(&partition);
                self.waker.wake(partition.number() as i32);
            }
            Err(error) => {
                tracing::warn!(topic = self.topic, %partition, is_paused, %error, "pause or resume")
            }
        }
    }

    /// Takes records until a batch is full, nothing waits, or the group has changed something. Waits up to `wait` for the
    /// first.
    pub(crate) fn drain(&mut self, wait: Duration, counters: &Counters) -> Result<Drained, Error> {
        let mut wait = wait;
        let mut taken = 0;
        let drained = loop {
            // Borrowed apart from the client, so that a message can be held while its reading is written.
            let Self { client, readings, headers, limits, .. } = &mut *self;
            let Some(found) = client.poll(wait) else { break Drained::Empty };
            wait = Duration::ZERO;
            let message = match found {
                Ok(message) => message,
                Err(error) => {
                    self.hear(&error)?;
                    continue;
                }
            };
            let number = message.partition();
            let reading =
                usize::try_from(number).ok().and_then(|number| readings.get_mut(number)?.as_deref_mut());
            let Some(reading) = reading.filter(|reading| reading.stage == Stage::Fetching) else {
                continue;
            };
            let before = reading.pending.bytes();
            if take(reading, &message, headers) == Taken::Repeat {
                counters.repeat();
                continue;
            }
            taken += 1;
            let after = reading.pending.bytes();
            let (is_full, is_paused) = (reading.is_full(*limits), reading.is_paused);
            self.buffered_bytes += after - before;
            let partition = Partition::new(number as u32);
            match (is_full, is_paused) {
                (true, false) => break Drained::Full(partition),
                (true, true) => self.agree_on_pause(partition),
                (false, _) => {}
            }
            if self.buffered_bytes >= self.buffered_bytes_max
                && let Some(largest) = self.largest()
            {
                break Drained::Full(largest);
            }
        };
        if taken > 0 {
            counters.taken(taken);
        }
        Ok(drained)
    }

    /// The partition with the largest batch that may be delivered.
    fn largest(&self) -> Option<Partition> {
        let sized = self.readings.iter().enumerate().filter_map(|(number, reading)| {
            let reading = reading.as_deref().filter(|reading| !reading.is_paused && reading.has_news())?;
            Some((reading.pending.bytes(), number))
        });
        sized.max().map(|(_, number)| Partition::new(number as u32))
    }

    /// The partition whose turn it is to deliver what there is.
    pub(crate) fn next_with_news(&mut self) -> Option<Partition> {
        let count = self.readings.len();
        for step in 0..count {
            let at = (self.turn + step) % count;
            let has_news =
                self.readings[at].as_deref().is_some_and(|reading| !reading.is_paused && reading.has_news());
            if has_news {
                self.turn = (at + 1) % count;
                return Some(Partition::new(at as u32));
            }
        }
        None
    }

    /// Hands `partition`'s batch over into `into`.
    pub(crate) fn deliver(&mut self, partition: Partition, into: &mut RawBatch) {
        let Some(reading) = self.get(partition) else { return };
        reading.touch(Instant::now());
        reading.deliver(into);
        self.buffered_bytes -= into.bytes();
    }

    /// Moves positions over the transaction markers and aborted records at the end of partitions, where no record
    /// follows that would.
    pub(crate) fn pass_markers(&mut self) {
        let behind: Vec<i32> = self
            .those(|reading| reading.is_behind() && !reading.has_news())
            .into_iter()
            .map(|partition| partition.number() as i32)
            .collect();
        if behind.is_empty() {
            return;
        }
        let Ok(positions) = self.client.position() else { return };
        for element in positions.elements_for_topic(&self.topic) {
            let (number, rdkafka::Offset::Offset(offset)) = (element.partition(), element.offset()) else {
                continue;
            };
            if behind.contains(&number)
                && let Some(reading) = self.get(Partition::new(number as u32))
            {
                reading.pass(position(offset));
            }
        }
    }

    /// Takes in what the client says instead of a record.
    fn hear(&mut self, error: &KafkaError) -> Result<(), Error> {
        use RDKafkaErrorCode as Code;
        let doing = format!("read topic {}", self.topic);
        let reason = self.client.context().reasons.suffix();
        if let KafkaError::MessageConsumptionFatal(code) = error {
            let fatal = self.client.client().fatal_error();
            let (code, reason) =
                fatal.map_or((*code, reason), |(code, reason)| (code, format!(": {reason}")));
            let error = failures::coded(&doing, code, &reason);
            return Err(match error.kind() {
                ErrorKind::Fenced => Error::new(
                    ErrorKind::Fenced,
                    format!(
                        "{error}: another process has the same instance name: give each its own, or none"
                    ),
                ),
                // A client that failed for good does not come back.
                ErrorKind::Unreachable => Error::new(ErrorKind::Client, error.to_string()),
                _ => error,
            });
        }
        match error.rdkafka_error_code() {
            Some(Code::AutoOffsetReset | Code::LogTruncation | Code::OffsetOutOfRange) => {
                self.trouble = Some(Trouble::OutOfRange);
            }
            Some(
                Code::UnknownTopicOrPartition
                | Code::UnknownTopic
                | Code::UnknownPartition
                | Code::UnknownTopicId,
            ) => {
                self.trouble.get_or_insert(Trouble::TopicGone);
            }
            Some(Code::BadMessage | Code::InvalidMessage | Code::BadCompression) => {
                tracing::error!(topic = self.topic, %error, reason, "the log holds damaged records: they are passed over, as a gap");
                self.iter().for_each(|(_, reading)| reading.is_suspect = true);
            }
            Some(
                code @ (Code::InconsistentGroupProtocol | Code::InvalidSessionTimeout | Code::InvalidGroupId),
            ) => {
                return Err(Error::new(
                    ErrorKind::InvalidOptions,
                    format!(
                        "{doing}: the group refuses us: {code}{reason}: every member must assign by cooperative-sticky, \
                         within the brokers' session timeouts: use a group of its own"
                    ),
                ));
            }
            Some(
                code @ (Code::TopicAuthorizationFailed
                | Code::GroupAuthorizationFailed
                | Code::ClusterAuthorizationFailed),
            ) => return Err(failures::coded(&doing, code, &reason)),
            // The client itself goes on trying; `Membership::error` has told of it. That holds for a refused handshake
            // too: brokers that start or stop refuse some, and a rotated password is mended outside.
            _ => {}
        }
        Ok(())
    }
}

/// Copies a message into its partition's batch.
fn take(reading: &mut Reading, message: &BorrowedMessage<'_>, headers: &mut Vec<u8>) -> Taken {
    let Some(offset) = Offset::new(message.offset()) else { return Taken::Repeat };
    let append_time = match message.timestamp() {
        Timestamp::LogAppendTime(ms) => Some(EventTime::from_ms(ms)),
        Timestamp::CreateTime(_) | Timestamp::NotAvailable => None,
    };
    headers.clear();
    native::encode_headers(message, headers);
    let headers = RawHeaders::from_encoded(headers).unwrap_or_default();
    reading.take(offset, append_time, message.key(), message.payload(), headers)
}
