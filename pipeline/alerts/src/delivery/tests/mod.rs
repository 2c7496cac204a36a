//! The deliverer against an embedded log, a clock that is set by hand and receivers that answer as they are told.

mod any_order;
mod failing;
mod grouping;
mod http;
mod restart;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::position::{Generation, NextOffset};
use model::{AnomalyId, AnomalyKind, AnomalyState, EventTime, Partition};
use schemas::lines::{AlertBody, AlertDigest, KindCount, utc_text};
use serde_json::{Value, json};
use source::{EmbeddedLog, LogIdentity, Polled, RawBatch, Source, StartAt, WallClock, embedded};

use super::*;
use crate::Outlet;
use crate::compose::tests::anomaly;
use crate::topic_outlet::TopicOutlet;

const TOPIC: &str = "alerts";
const FIRING: AnomalyState = AnomalyState::Firing;
const RESOLVED: AnomalyState = AnomalyState::Resolved;
/// Monday 2 November 2026, 09:00 in Hong Kong.
const START_MS: i64 = 1_793_581_200_000;

fn status(code: u16) -> Reply {
    Reply::Status { code, retry_after: None, refusal: None }
}

/// Receivers that answer at once from a list, then with 200; or hold the answer back.
#[derive(Clone, Default)]
struct Receivers(Arc<Mutex<ReceiversState>>);

#[derive(Default)]
struct ReceiversState {
    got: Vec<Parcel>,
    answers: VecDeque<Reply>,
    is_mute: bool,
    held: Vec<Done>,
}

impl Receivers {
    fn will_answer(&self, answers: impl IntoIterator<Item = Reply>) {
        self.0.lock().unwrap().answers = answers.into_iter().collect();
    }

    fn is_mute(&self, is_mute: bool) {
        self.0.lock().unwrap().is_mute = is_mute;
    }

    /// What a call that is still open is answered.
    fn answer_held(&self, reply: &Reply) {
        let held = std::mem::take(&mut self.0.lock().unwrap().held);
        held.into_iter().for_each(|done| done.reply(reply.clone()));
    }

    fn take(&self) -> Vec<Parcel> {
        std::mem::take(&mut self.0.lock().unwrap().got)
    }

    /// The bodies that came since the last time.
    fn digests(&self) -> Vec<AlertDigest> {
        self.take().iter().map(|parcel| serde_json::from_slice(&parcel.body).unwrap()).collect()
    }
}

impl Post for Receivers {
    fn post(&self, parcel: Parcel, done: Done) {
        let mut state = self.0.lock().unwrap();
        state.got.push(parcel);
        if state.is_mute {
            state.held.push(done);
            return;
        }
        let answer = state.answers.pop_front().unwrap_or(status(200));
        drop(state);
        done.reply(answer);
    }
}

struct World {
    folder: tempfile::TempDir,
    log: EmbeddedLog,
    now_us: Arc<AtomicI64>,
    destinations: Vec<Value>,
    receivers: Receivers,
    age_max: Option<Duration>,
    names: bool,
    limits: DeliveryLimits,
    /// Notes what is sent to `receivers`.
    noting: Option<Arc<Mutex<any_order::Ledger>>>,
    /// Where calls are made by HTTP; else `receivers` answer.
    runtime: Option<tokio::runtime::Runtime>,
    /// What the topic answers instead of its records.
    topic_failure: Arc<Mutex<Option<source::Error>>>,
    /// Whether `poll` fails as well as `start`.
    topic_fails_in_poll: bool,
    deliverer: Option<Deliverer>,
}

/// The topic, or the failure that is set.
struct Flaky(Box<dyn Source>, Arc<Mutex<Option<source::Error>>>, bool);

impl Source for Flaky {
    fn identity(&self) -> &LogIdentity {
        self.0.identity()
    }
    fn start(&mut self, positions: &[(Partition, NextOffset)]) -> Result<(), source::Error> {
        match &*self.1.lock().unwrap() {
            Some(error) => Err(error.clone()),
            None => self.0.start(positions),
        }
    }
    fn locate(&mut self, partition: Partition, at: StartAt) -> Result<NextOffset, source::Error> {
        self.0.locate(partition, at)
    }
    fn poll(&mut self, wait: Duration, into: &mut RawBatch) -> Result<Polled, source::Error> {
        let failure = self.1.lock().unwrap().clone();
        match (failure, self.2) {
            (Some(error), true) => Err(error),
            // The partitions are announced, and then they cannot be started.
            _ => self.0.poll(wait, into),
        }
    }
    fn pause(&mut self, partition: Partition) {
        self.0.pause(partition);
    }
    fn resume(&mut self, partition: Partition) {
        self.0.resume(partition);
    }
    fn commit_hint(&mut self, positions: &[(Partition, NextOffset)]) {
        self.0.commit_hint(positions);
    }
}

impl World {
    /// A world with one destination, `ops`, that differs from the default by `changes`.
    fn new(changes: Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let now_us = Arc::new(AtomicI64::new(START_MS * 1_000));
        let wall = wall(&now_us);
        let options = embedded::Options { partitions: 2, ..embedded::Options::default() };
        let log = EmbeddedLog::open(&folder.path().join("log"), options, wall).unwrap();
        log.create_topic(TOPIC, 2).unwrap();
        Self {
            folder,
            log,
            now_us,
            destinations: vec![destination("ops", changes)],
            receivers: Receivers::default(),
            age_max: None,
            names: false,
            limits: DeliveryLimits::default(),
            noting: None,
            runtime: None,
            topic_failure: Arc::default(),
            topic_fails_in_poll: true,
            deliverer: None,
        }
    }

    /// An operator wants `ops` on again.
    fn enable_ops(&self) {
        DeliveryLog::open(&self.outbox()).unwrap().enable("ops").unwrap();
    }

    fn outbox(&self) -> PathBuf {
        self.folder.path().join("out/outbox.sqlite")
    }

    fn try_open(&self) -> Result<Deliverer, DeliveryError> {
        let configs: Vec<DestinationConfig> = self
            .destinations
            .iter()
            .map(|destination| serde_json::from_value(destination.clone()).unwrap())
            .collect();
        let regions = Regions { home: Some("hk".into()), names_allowed: Vec::new() };
        let destinations = Destination::check_all(&configs, &regions, &|_| None).unwrap();
        let post: Box<dyn Post> = match (&self.runtime, &self.noting) {
            (Some(runtime), _) => Box::new(HttpPost::new(runtime.handle().clone(), &destinations)?),
            (None, Some(ledger)) => {
                Box::new(any_order::Noting::new(self.receivers.clone(), Arc::clone(ledger)))
            }
            (None, None) => Box::new(self.receivers.clone()),
        };
        let setup = DeliverySetup {
            destinations,
            source: Box::new(Flaky(
                Box::new(self.log.source(TOPIC).unwrap()),
                Arc::clone(&self.topic_failure),
                self.topic_fails_in_poll,
            )),
            post,
            wall: wall(&self.now_us),
            name_of: self.names.then(|| -> NameOf { Box::new(|id| Some(format!("陳{id}"))) }),
            age_max: self.age_max,
            limits: self.limits,
        };
        Deliverer::open(&self.outbox(), setup)
    }

    fn deliverer(&mut self) -> &mut Deliverer {
        if self.deliverer.is_none() {
            self.deliverer = Some(self.try_open().unwrap());
        }
        self.deliverer.as_mut().unwrap()
    }

    /// The process dies: nothing is closed in good order.
    fn crash(&mut self) {
        self.deliverer = None;
        self.receivers.0.lock().unwrap().held.clear();
    }

    fn outlet(&self) -> TopicOutlet {
        let log = self.log.clone();
        let open = move || log.source(TOPIC).map(|source| Box::new(source) as Box<dyn Source>);
        TopicOutlet::new(TOPIC, Box::new(self.log.appender()), Box::new(open))
    }

    fn publish(&self, bodies: &[AlertBody]) {
        self.outlet().publish(&[(Partition::new(1), bodies)]).unwrap();
    }

    /// Steps until nothing happens any more without time passing, or until the outbox cannot be written.
    fn settle(&mut self) {
        for _ in 0..2_000 {
            let deliverer = self.deliverer();
            let before = deliverer.stats().lock().unwrap().clone();
            let spoke = match deliverer.step(Duration::ZERO) {
                Ok(spoke) => spoke,
                Err(error) if error.action() == source::Action::Retry => return,
                Err(error) => panic!("{error}"),
            };
            deliverer.unrecorded.extend(deliverer.replies.1.try_iter());
            let is_over = !spoke && deliverer.unrecorded.is_empty();
            if is_over && *deliverer.stats().lock().unwrap() == before {
                return;
            }
        }
        panic!("the deliverer never comes to rest");
    }

    /// Another connection holds the outbox, as a backup does; calls of the deliverer that need it fail at once.
    fn hold_outbox(&mut self) -> rusqlite::Connection {
        let connection = &self.deliverer().outbox.connection;
        connection.busy_timeout(Duration::ZERO).unwrap();
        let other = rusqlite::Connection::open(self.outbox()).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        other
    }

    /// Lets `seconds` pass and everything due happen.
    fn after_s(&mut self, seconds: i64) {
        self.now_us.fetch_add(seconds * 1_000_000, Ordering::Relaxed);
        self.settle();
    }

    fn now(&self) -> EventTime {
        EventTime::from_us(self.now_us.load(Ordering::Relaxed))
    }

    fn stats(&mut self) -> DeliveryStats {
        self.deliverer().stats().lock().unwrap().clone()
    }

    fn ops(&mut self) -> DestinationStats {
        self.stats().destinations[0].clone()
    }
}

fn wall(now_us: &Arc<AtomicI64>) -> WallClock {
    let now_us = Arc::clone(now_us);
    Arc::new(move || EventTime::from_us(now_us.load(Ordering::Relaxed)))
}

fn destination(name: &str, changes: Value) -> Value {
    let mut table = json!({
        "name": name, "url": format!("https://hooks.example/{name}"), "region": "hk",
        "secrets": ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    });
    for (key, value) in changes.as_object().unwrap() {
        table[key] = value.clone();
    }
    table
}

/// Version `version` of alert `number`, at store `s1`, said now.
fn alert(number: u16, version: i64, state: AnomalyState) -> AlertBody {
    alert_at(number, version, state, "s1")
}

fn alert_at(number: u16, version: i64, state: AnomalyState, store: &str) -> AlertBody {
    let mut anomaly = anomaly();
    anomaly.version = version;
    anomaly.state = state;
    anomaly.finding.id = AnomalyId(u128::from(number).to_be_bytes());
    anomaly.finding.kind = AnomalyKind::NoShow;
    anomaly.finding.employee_id = Some(format!("E{number}").into());
    anomaly.finding.site_id = Some(store.into());
    let mut body = crate::compose::body(&anomaly, Generation(1), None, None);
    body.detected_at = utc_text(EventTime::from_ms(START_MS));
    body
}

/// What a message says: (alert, version), sorted.
fn told(digest: &AlertDigest) -> Vec<(u128, i64)> {
    let mut told: Vec<_> = digest
        .alerts
        .iter()
        .map(|alert| (u128::from_str_radix(&alert.alert_id, 16).unwrap(), alert.version))
        .collect();
    told.sort_unstable();
    told
}

/// What all messages since the last time say, each one sorted.
fn all_told(receivers: &Receivers) -> Vec<Vec<(u128, i64)>> {
    receivers.digests().iter().map(told).collect()
}

fn position_of(world: &World, partition: u32) -> NextOffset {
    world.log.extents(TOPIC)[partition as usize].next
}
