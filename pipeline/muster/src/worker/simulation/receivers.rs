//! The far end of a simulated world: the real deliverer, stepped on this thread, and a receiver that fails, answers late or never.
//!
//! In: the alerts topic; dice of its own.  Out: P4 as a receiver sees it. Safety: no version comes under two ids, and a message comes
//! again only if its answer was lost, or a crash stood between send and record. Liveness: in the end it knows what holds.
//! Owns: the outbox, a SQLite file; what the receiver was told.
//! Absent on purpose: kills within a step: what a step writes, it writes by transactions of SQLite.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alerts::{
    Deliverer, DeliveryLimits, DeliverySetup, Destination, DestinationConfig, Done, Parcel, Post, Regions,
    Reply,
};
use model::{AnomalyState, EventTime, LogId, NextOffset, Offset, Partition};
use schemas::lines::{AlertBody, AlertDigest};
use serde_json::json;
use source::{LogIdentity, Polled, RawBatch, RawHeaders, Source, StartAt};

use super::Mutant;
use super::dice::Dice;
use super::outside::{Topic, note};
use super::world::{PARTITIONS, at};

/// Seconds between two steps at most, and between two rounds of steps at rest.
const STEP_S_MAX: u64 = 120;
const REST_S: i64 = 6 * 3_600;

/// Rounds at rest, and steps of one, at most.
const ROUNDS_MAX: usize = 40;
const STEPS_MAX: usize = 400;

/// Records of one batch at most.
const BATCH_RECORDS_MAX: usize = 4;

/// Reads the alerts topic as anybody can.
struct Alerts {
    identity: LogIdentity,
    topic: Topic,
    positions: BTreeMap<Partition, usize>,
    is_assigned: bool,
    /// Whose end was told and has not moved since.
    at_end: BTreeSet<Partition>,
}

impl Alerts {
    fn new(topic: &Topic) -> Self {
        let log_id = LogId::new("alerts").unwrap();
        Self {
            identity: LogIdentity { topic: "alerts".to_owned(), log_id, partitions: PARTITIONS },
            topic: Arc::clone(topic),
            positions: BTreeMap::new(),
            is_assigned: false,
            at_end: BTreeSet::new(),
        }
    }
}

impl Source for Alerts {
    fn identity(&self) -> &LogIdentity {
        &self.identity
    }

    fn start(&mut self, positions: &[(Partition, NextOffset)]) -> Result<(), source::Error> {
        self.positions.extend(positions.iter().map(|(partition, next)| (*partition, next.get() as usize)));
        Ok(())
    }

    fn locate(&mut self, partition: Partition, at: StartAt) -> Result<NextOffset, source::Error> {
        let end = self.topic.lock().unwrap().records(partition).len();
        Ok(if at == StartAt::Earliest { NextOffset::START } else { position(end) })
    }

    fn poll(&mut self, _: Duration, into: &mut RawBatch) -> Result<Polled, source::Error> {
        if !std::mem::replace(&mut self.is_assigned, true) {
            return Ok(Polled::Assigned((0..PARTITIONS).map(Partition::new).collect()));
        }
        let told = self.topic.lock().unwrap();
        for (partition, next) in &mut self.positions {
            let records = told.records(*partition);
            if *next < records.len() {
                into.begin(*partition, position(*next));
                for (key, value) in records[*next..].iter().take(BATCH_RECORDS_MAX) {
                    let offset = Offset::new(*next as i64).unwrap();
                    let (key, value) = (Some(key.as_bytes()), Some(value.as_slice()));
                    into.push(offset, None, key, value, RawHeaders::default());
                    *next += 1;
                }
                self.at_end.remove(partition);
                return Ok(Polled::Batch);
            }
            if self.at_end.insert(*partition) {
                return Ok(Polled::CaughtUp { partition: *partition, next: position(*next), at: at(0, 0) });
            }
        }
        Ok(Polled::Idle)
    }

    fn pause(&mut self, _: Partition) {}

    fn resume(&mut self, _: Partition) {}

    fn commit_hint(&mut self, _: &[(Partition, NextOffset)]) {}
}

fn position(offset: usize) -> NextOffset {
    NextOffset::new(offset as i64).unwrap()
}

/// What the receiver knows, and how it answers.
struct Receiver {
    dice: Dice,
    is_calm: bool,
    /// Of each alert the last version that it was told.
    heard: BTreeMap<String, AlertBody>,
    /// Version → the message it came in.
    ids: BTreeMap<(String, i64), String>,
    /// Message → how often it came, and how often it may come.
    came: BTreeMap<String, (u32, u32)>,
    /// Messages whose answers may not be recorded yet.
    unrecorded: BTreeSet<String>,
    /// Messages that were answered.
    answered: BTreeSet<String>,
    /// Calls that are answered later, or never.
    held: Vec<(String, Done)>,
}

impl Receiver {
    /// Takes a message.
    fn take(&mut self, parcel: &Parcel) {
        let id = &parcel.webhook_id;
        let (came, may_come) = self.came.entry(id.clone()).or_insert((0, 1));
        *came += 1;
        assert!(*came <= *may_come, "P4: message {id} came {came} times");
        let digest: AlertDigest = serde_json::from_slice(&parcel.body).unwrap();
        for alert in digest.alerts {
            note(|| format!("hears of {} {} {}", &alert.alert_id[..6], alert.version, alert.state));
            let under = self.ids.entry((alert.alert_id.clone(), alert.version)).or_insert_with(|| id.clone());
            assert_eq!(under, id, "P4: {} {} came in two messages", alert.alert_id, alert.version);
            // A message that was overtaken may still come: versions tell.
            let is_newer = self.heard.get(&alert.alert_id).is_none_or(|heard| heard.version < alert.version);
            if is_newer {
                self.heard.insert(alert.alert_id.clone(), alert);
            }
        }
    }

    fn answer_held(&mut self) {
        for (id, done) in std::mem::take(&mut self.held) {
            self.answered.insert(id);
            done.reply(status(200));
        }
    }
}

fn status(code: u16) -> Reply {
    Reply::Status { code, retry_after: None, refusal: None }
}

struct Calls(Arc<Mutex<Receiver>>);

impl Post for Calls {
    fn post(&self, parcel: Parcel, done: Done) {
        let mut receiver = self.0.lock().unwrap();
        let roll = if receiver.is_calm { 5 } else { receiver.dice.below(6) };
        let id = parcel.webhook_id.clone();
        receiver.unrecorded.insert(id.clone());
        let lost = || Reply::Failed { kind: "timeout", what: "no answer".into() };
        let reply = match roll {
            0 => status(500),
            1 => lost(),
            2 => {
                receiver.take(&parcel);
                receiver.came.get_mut(&id).expect("it came").1 += 1;
                lost()
            }
            3 => {
                receiver.take(&parcel);
                receiver.held.push((id, done));
                return;
            }
            _ => {
                receiver.take(&parcel);
                status(200)
            }
        };
        receiver.answered.insert(id);
        done.reply(reply);
    }
}

/// The deliverer's process.
pub(super) struct Courier {
    folder: tempfile::TempDir,
    topic: Topic,
    mutant: Option<Mutant>,
    now_us: Arc<AtomicI64>,
    receiver: Arc<Mutex<Receiver>>,
    deliverer: Option<Deliverer>,
}

impl Courier {
    pub(super) fn new(seed: u64, topic: &Topic, mutant: Option<Mutant>) -> Self {
        let receiver = Receiver {
            dice: Dice::new(!seed),
            is_calm: false,
            heard: BTreeMap::new(),
            ids: BTreeMap::new(),
            came: BTreeMap::new(),
            unrecorded: BTreeSet::new(),
            answered: BTreeSet::new(),
            held: Vec::new(),
        };
        Self {
            folder: tempfile::tempdir().unwrap(),
            topic: Arc::clone(topic),
            mutant,
            now_us: Arc::new(AtomicI64::new(at(0, 0).us())),
            receiver: Arc::new(Mutex::new(receiver)),
            deliverer: None,
        }
    }

    fn open(&self) -> Deliverer {
        let config: DestinationConfig = serde_json::from_value(json!({
            "name": "ops", "url": "https://hooks.example/ops", "region": "hk",
            "secrets": ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
            "audiences": ["manager", "employee", "operations"]}))
        .unwrap();
        let regions = Regions { home: Some("hk".into()), names_allowed: Vec::new() };
        let now_us = Arc::clone(&self.now_us);
        let setup = DeliverySetup {
            destinations: Destination::check_all(&[config], &regions, &|_| None).unwrap(),
            source: Box::new(Alerts::new(&self.topic)),
            post: Box::new(Calls(Arc::clone(&self.receiver))),
            wall: Arc::new(move || EventTime::from_us(now_us.load(Ordering::Relaxed))),
            name_of: None,
            age_max: None,
            limits: DeliveryLimits { undelivered_days: 1_000, ..DeliveryLimits::default() },
        };
        Deliverer::open(&self.folder.path().join("outbox.sqlite"), setup).unwrap()
    }

    fn pass(&self, seconds: i64) {
        self.now_us.fetch_add(seconds * 1_000_000, Ordering::Relaxed);
    }

    /// A little time passes, and a step is made; or the process is killed, and the next turn begins another.
    pub(super) fn turn(&mut self) {
        let (dies, answers, seconds) = {
            let dice = &mut self.receiver.lock().unwrap().dice;
            (dice.once_in(10), dice.once_in(4), dice.below(STEP_S_MAX) as i64)
        };
        self.pass(seconds);
        if answers {
            self.receiver.lock().unwrap().answer_held();
        }
        if dies {
            self.die();
        } else {
            self.step();
        }
    }

    fn die(&mut self) {
        note(|| "the deliverer is killed".to_owned());
        self.deliverer = None;
        let mut receiver = self.receiver.lock().unwrap();
        let Receiver { unrecorded, answered, held, came, .. } = &mut *receiver;
        for id in std::mem::take(unrecorded) {
            came.entry(id).or_insert((0, 1)).1 += 1;
        }
        held.clear();
        answered.clear();
        if self.mutant == Some(Mutant::LosesItsOutbox) {
            self.folder = tempfile::tempdir().unwrap();
        }
    }

    /// Whether anything was read.
    fn step(&mut self) -> bool {
        if self.deliverer.is_none() {
            self.deliverer = Some(self.open());
        }
        let deliverer = self.deliverer.as_mut().expect("it was opened");
        let recorded = std::mem::take(&mut self.receiver.lock().unwrap().answered);
        let has_read = deliverer.step(Duration::ZERO).unwrap();
        self.receiver.lock().unwrap().unrecorded.retain(|id| !recorded.contains(id));
        has_read
    }

    /// Faults have ended: everything is told.
    pub(super) fn rest(&mut self) {
        self.receiver.lock().unwrap().is_calm = true;
        for _ in 0..ROUNDS_MAX {
            self.receiver.lock().unwrap().answer_held();
            self.pass(REST_S);
            let has_come_to_rest =
                (0..STEPS_MAX).any(|_| !self.step() && self.receiver.lock().unwrap().answered.is_empty());
            assert!(has_come_to_rest, "P6: the deliverer does not come to rest");
            let deliverer = self.deliverer.as_ref().expect("it was opened");
            let stats = deliverer.stats().lock().unwrap().destinations[0].clone();
            if (stats.waiting, stats.queued, stats.in_flight, stats.dead) == (0, 0, 0, 0) {
                return self.check();
            }
        }
        panic!("P6: alerts wait for ever");
    }

    /// The receiver knows what holds.
    fn check(&self) {
        let (told, receiver) = (self.topic.lock().unwrap(), self.receiver.lock().unwrap());
        for body in told.last() {
            let heard = receiver.heard.get(&body.alert_id);
            let is_known = match heard {
                Some(heard) if body.state == AnomalyState::Firing.name() => heard.version == body.version,
                Some(heard) => heard.state == body.state,
                None => body.state != AnomalyState::Firing.name(),
            };
            assert!(is_known, "P4: the receiver heard {heard:?} where {body:?} holds");
        }
    }
}
