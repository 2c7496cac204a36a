//! Appends to Kafka topics: one idempotent producer for all appenders of a process.
//!
//! In: new records, of any number of threads.  Out: where they landed.  Owns: the producer, its reporting thread.
//! Absent on purpose: transactions; a retry by us (the producer retries within `append_timeout`).
//! Invariants: an append returns only when every record of it was acknowledged by all in-sync replicas, or failed; the
//! records of one call and partition land in the order given.
//! Why so: librdkafka 2.12 has no defence against a delayed end of a transaction being taken for a later one's, and a
//! transaction would add a marker and two round trips to each alert. Every record that Muster appends has an identity
//! (an alert's id and version, a letter's origin, a punch's ids), so a repeat is harmless, and a repeat is all that an
//! error can cause. Order holds across retries because the producer numbers its records.

use std::collections::HashSet;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use model::{Offset, Partition};
use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header as KafkaHeader, Message, OwnedHeaders, Timestamp};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};

use super::broker_time::{BrokerTimes, PROBE_KEY_PREFIX};
use super::failures::{self, Reasons};
use super::options::KafkaOptions;
use super::{KafkaLog, asker, topics};
use crate::error::{Error, ErrorKind};
use crate::log::{Append, NewRecord};

/// How long an answer may come after the producer should have given up.
const REPORT_GRACE: Duration = Duration::from_secs(5);

/// An appender to any topic of the cluster. Clones share one producer and append at the same time.
///
/// What it promises instead of "all or none" (see [`Append::append`]): when `append` returns well, all records are
/// durable. After an error some of them may have landed, and with [`ErrorKind::Unreachable`] some may land even later;
/// the producer is then made anew, so that none of them can overtake what is appended next. Whoever appends again may
/// so write a record twice, and must give its records an identity.
#[derive(Clone)]
pub struct KafkaAppender {
    log: KafkaLog,
}

impl KafkaAppender {
    pub(crate) fn new(log: KafkaLog) -> Self {
        Self { log }
    }
}

impl Append for KafkaAppender {
    fn append(&mut self, topic: &str, records: &[NewRecord<'_>]) -> Result<Vec<(Partition, Offset)>, Error> {
        self.log.producers().append(topic, records)
    }
}

type Sender = ThreadedProducer<Reports>;

/// The process's producer, and the next one after it failed.
pub(crate) struct Producers {
    options: KafkaOptions,
    current: Mutex<Arc<Sender>>,
    /// Topics that are known to exist: naming another would have a broker create it by its own defaults.
    known: Mutex<HashSet<String>>,
}

impl Producers {
    pub(crate) fn new(options: &KafkaOptions) -> Result<Self, Error> {
        let current = Mutex::new(Arc::new(make(options)?));
        Ok(Self { options: options.clone(), current, known: Mutex::default() })
    }

    fn current(&self) -> Arc<Sender> {
        Arc::clone(&lock(&self.current))
    }

    /// Puts a new producer in the place of `failed`, unless another thread already did.
    fn replace(&self, failed: &Arc<Sender>) {
        let mut current = lock(&self.current);
        if !Arc::ptr_eq(&current, failed) {
            return;
        }
        match make(&self.options) {
            Ok(made) => *current = Arc::new(made),
            Err(error) => tracing::error!(%error, "the producer could not be made anew"),
        }
    }

    fn check_topic(&self, producer: &Sender, topic: &str) -> Result<(), Error> {
        topics::check_name(topic)?;
        if lock(&self.known).contains(topic) {
            return Ok(());
        }
        let doing = format!("append to topic {topic}");
        let described = topics::describe(producer.client(), topic, self.options.request_timeout)
            .map_err(|code| failures::coded(&doing, code, &producer.context().reasons.suffix()))?;
        if described.is_none() {
            let brokers = &self.options.brokers;
            return Err(Error::new(
                ErrorKind::UnknownTopic,
                format!("{doing}: there is no such topic at {brokers}: create it first"),
            ));
        }
        lock(&self.known).insert(topic.to_owned());
        Ok(())
    }

    fn append(&self, topic: &str, records: &[NewRecord<'_>]) -> Result<Vec<(Partition, Offset)>, Error> {
        let producer = self.current();
        self.check_topic(&producer, topic)?;
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let call = Arc::new(Call::new(records.len()));
        let deadline = Instant::now() + self.options.append_timeout + REPORT_GRACE;
        for (index, record) in records.iter().enumerate() {
            if let Err(code) = send(&producer, topic, record, index, &call, deadline) {
                // What was sent before is on its way; what follows must not land without this one.
                (index..records.len()).for_each(|unsent| call.answer(unsent, Err(code)));
                break;
            }
        }
        let answers = call.wait(deadline);
        let mut placed = Vec::with_capacity(answers.len());
        let mut worst: Option<RDKafkaErrorCode> = None;
        for answer in answers {
            match answer.unwrap_or(Err(RDKafkaErrorCode::MessageTimedOut)) {
                Ok(place) => placed.push(place),
                Err(code) => {
                    let is_worse = |worst: RDKafkaErrorCode| {
                        let stops = |code| failures::kind_of(code) != ErrorKind::Unreachable;
                        stops(code) && !stops(worst)
                    };
                    worst = Some(worst.filter(|worst| !is_worse(*worst)).unwrap_or(code));
                }
            }
        }
        let Some(code) = worst else { return Ok(placed) };
        let doing = format!(
            "append {} records to topic {topic}: {} of them failed",
            records.len(),
            records.len() - placed.len()
        );
        let error = failures::coded(&doing, code, &producer.context().reasons.suffix());
        if error.kind() == ErrorKind::Unreachable || producer.client().fatal_error().is_some() {
            self.replace(&producer);
        }
        if error.kind() == ErrorKind::UnknownTopic {
            lock(&self.known).remove(topic);
        }
        Err(error)
    }

    /// Sends a probe of the brokers' time to each broker that `times` names; the answers go there.
    pub(crate) fn probe(&self, topic: &str, times: &Arc<BrokerTimes>) {
        let probes = times.begin_round();
        if probes.is_empty() {
            return;
        }
        let producer = self.current();
        let key = format!("{PROBE_KEY_PREFIX}{}", self.options.client_id);
        let is_known = self.check_topic(&producer, topic);
        for (partition, leader) in probes {
            let report = Box::new(Report::Probe(Arc::clone(times), leader));
            let record: BaseRecord<'_, str, [u8], _> =
                BaseRecord::with_opaque_to(topic, report).key(key.as_str()).partition(partition);
            let sent = match &is_known {
                Ok(()) => producer.send(record).map_err(|(error, _)| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            if let Err(error) = sent {
                tracing::warn!(topic, partition, error, "the brokers' time could not be asked for");
                times.note(leader, None);
            }
        }
        if let Some((code, reason)) = producer.client().fatal_error() {
            tracing::warn!(%code, reason, "the producer failed and is made anew");
            self.replace(&producer);
        }
    }
}

fn make(options: &KafkaOptions) -> Result<Sender, Error> {
    ThreadedProducer::from_config_and_context(&options.producer(), Reports::default())
        .map_err(|error| failures::failed("make a producer", &error, ""))
}

/// Hands one record to the producer; waits while its queue is full.
fn send(
    producer: &Sender,
    topic: &str,
    record: &NewRecord<'_>,
    index: usize,
    call: &Arc<Call>,
    deadline: Instant,
) -> Result<(), RDKafkaErrorCode> {
    let report = Box::new(Report::Record(Arc::clone(call), index));
    let mut wanted: BaseRecord<'_, [u8], [u8], _> = BaseRecord::with_opaque_to(topic, report);
    wanted.key = record.key;
    wanted.payload = record.value;
    wanted.partition = record
        .partition
        .map(|partition| asker::number(partition).map_err(|_| RDKafkaErrorCode::UnknownPartition))
        .transpose()?;
    if !record.headers.is_empty() {
        let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
        for (key, value) in record.headers {
            headers = headers.insert(KafkaHeader { key, value: *value });
        }
        wanted.headers = Some(headers);
    }
    loop {
        let (error, back) = match producer.send(wanted) {
            Ok(()) => return Ok(()),
            Err(refused) => refused,
        };
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::InvalidArgument);
        if code != RDKafkaErrorCode::QueueFull || Instant::now() >= deadline {
            return Err(code);
        }
        // Its own thread empties the queue as reports come in.
        std::thread::sleep(Duration::from_millis(1));
        wanted = back;
    }
}

/// One call of `append`: what became of each record.
struct Call {
    state: Mutex<Answers>,
    answered: Condvar,
}

type Answer = Result<(Partition, Offset), RDKafkaErrorCode>;

struct Answers {
    records: Vec<Option<Answer>>,
    open: usize,
}

impl Call {
    fn new(records: usize) -> Self {
        let state = Answers { records: vec![None; records], open: records };
        Self { state: Mutex::new(state), answered: Condvar::new() }
    }

    fn answer(&self, index: usize, answer: Answer) {
        let mut state = lock(&self.state);
        if state.records[index].replace(answer).is_none() {
            state.open -= 1;
        }
        if state.open == 0 {
            self.answered.notify_all();
        }
    }

    /// What became of each record when all are known, or at `deadline`.
    fn wait(&self, deadline: Instant) -> Vec<Option<Answer>> {
        let mut state = lock(&self.state);
        while state.open > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.answered.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.records.clone()
    }
}

/// What a delivery report is for.
enum Report {
    /// The record of that index of a call.
    Record(Arc<Call>, usize),
    /// A probe of that broker's time.
    Probe(Arc<BrokerTimes>, i32),
}

/// The producer's context: takes delivery reports in.
#[derive(Debug, Default)]
struct Reports {
    reasons: Reasons,
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        failures::log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.reasons.hear(&error, reason);
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<Report>;

    fn delivery(&self, result: &DeliveryResult<'_>, report: Box<Report>) {
        match *report {
            Report::Record(call, index) => call.answer(index, place_of(result)),
            Report::Probe(times, leader) => {
                let append_ms = match result.as_ref().map(Message::timestamp) {
                    Ok(Timestamp::LogAppendTime(ms)) => Some(ms),
                    _ => None,
                };
                times.note(leader, append_ms);
            }
        }
    }
}

fn place_of(result: &DeliveryResult<'_>) -> Answer {
    match result {
        Ok(message) => {
            let partition = u32::try_from(message.partition()).ok().map(Partition::new);
            partition.zip(Offset::new(message.offset())).ok_or(RDKafkaErrorCode::Fail)
        }
        Err((error, _)) => Err(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail)),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change under these locks is a plain assignment that cannot stop half way.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "appender_tests.rs"]
mod tests;
