//! The deliverer: reads the alerts topic into the outbox, sends what is due, records the answers.
//!
//! In: a source of the alerts topic, a way to post, wall time.  Out: messages, counters.
//! Owns: the outbox, the source, the answers that came and are not recorded yet.
//! Absent on purpose: threads inside a step: one thread owns the outbox and the source; only calls run elsewhere, so that
//! a slow receiver holds up nobody but itself.
//! Invariants: an answer is recorded before anything else is done with the outbox: a full disk stops sending, since a
//! message whose being sent cannot be stored would be sent twice.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use model::EventTime;
use schemas::lines::AlertDigest;
use source::{Action, Source, WallClock};

use super::answer::{Outcome, Reply};
use super::bucket::AWAY_S;
use super::destination::Destination;
use super::digest::add_names;
use super::error::DeliveryError;
use super::intake::{Heard, Intake};
use super::lane::{Lane, fingerprint};
use super::outbox::{Message, Outbox, Sealing, ToldBefore};
use super::post::{Answered, Done, Parcel, Post};
use super::signature::signatures;
use super::stats::DeliveryStats;

/// Looks up a person's name by pseudonym, for destinations that get names.
pub type NameOf = Box<dyn Fn(&str) -> Option<String> + Send>;

/// How long one poll of the topic waits while nothing is on its way, in ms.
const POLL_MS: u64 = 200;
/// How long it waits while answers are expected, in ms.
const POLL_BUSY_MS: u64 = 20;
/// How long after opening new messages wait for the topic to be read to its end, in seconds: what happened while no
/// deliverer ran may have settled what waits. A log that cannot be read must not keep them for longer.
const CATCH_UP_S_MAX: i64 = 60;
/// How often what is too old is removed, in seconds.
const PURGE_EVERY_S: i64 = 3_600;
/// How often it is looked which destinations are wanted on again, in seconds.
const LOOK_EVERY_S: i64 = 1;
/// By how much the clocks of two machines with an outbox each may differ, in seconds.
const CLOCKS_DIFFER_S_MAX: i64 = 3_600;
/// How long a deliverer that is told to stop waits for answers.
const STOP_WAIT: Duration = Duration::from_secs(10);

/// Limits of a deliverer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryLimits {
    /// Messages on their way to one destination at once.
    pub in_flight_max: usize,
    /// Days after which an alert or a message that nobody took is given up.
    pub undelivered_days: u32,
    /// Days for which it is kept what was delivered.
    pub keep_days: u32,
}

impl Default for DeliveryLimits {
    fn default() -> Self {
        Self { in_flight_max: 4, undelivered_days: 7, keep_days: 35 }
    }
}

/// What a deliverer is made of.
pub struct DeliverySetup {
    /// Where to deliver to.
    pub destinations: Vec<Destination>,
    /// A source of the alerts topic that gets all of its partitions.
    pub source: Box<dyn Source>,
    /// How messages are sent; its destinations are those above, in their order.
    pub post: Box<dyn Post>,
    /// Wall time.
    pub wall: WallClock,
    /// Names of people; asked only for destinations that get names, at every attempt.
    pub name_of: Option<NameOf>,
    /// How old an alert may be (by the clock at which it was said) when a new outbox finds it in the topic; no limit if
    /// none. What comes later is sent whatever its age: it was fresh when it was said.
    pub age_max: Option<Duration>,
    /// Limits.
    pub limits: DeliveryLimits,
}

/// Reads the alerts topic and delivers what it says.
pub struct Deliverer {
    pub(super) outbox: Outbox,
    pub(super) lanes: Vec<Lane>,
    intake: Intake,
    post: Box<dyn Post>,
    wall: WallClock,
    name_of: Option<NameOf>,
    age_max: Option<Duration>,
    limits: DeliveryLimits,
    opened_at: EventTime,
    pub(super) replies: (Sender<Answered>, Receiver<Answered>),
    pub(super) unrecorded: VecDeque<Answered>,
    purged_at: Option<EventTime>,
    /// When it was last looked which destinations are wanted on again.
    looked_at: Option<EventTime>,
    /// Whether what waits may have changed since it was counted.
    is_dirty: bool,
    stats: DeliveryStats,
    shared: Arc<Mutex<DeliveryStats>>,
}

impl Deliverer {
    /// Opens the outbox at `path`, for this process alone, and finds out how each destination stands.
    ///
    /// # Errors
    /// `Locked` if another process has it; `Foreign`, `OtherTopic`; as SQLite says.
    pub fn open(path: &Path, setup: DeliverySetup) -> Result<Self, DeliveryError> {
        let now = (setup.wall)();
        let mut outbox = Outbox::open(path)?;
        outbox.bind(setup.source.identity())?;
        let mut lanes = Vec::with_capacity(setup.destinations.len());
        for destination in setup.destinations {
            let (id, standing) = outbox.destination(&destination.name, &fingerprint(&destination), now)?;
            if let Some((_, why)) = &standing.off {
                tracing::error!(
                    destination = destination.name,
                    why,
                    "alerts are not delivered there: it is switched off; mend it, then: muster destinations enable"
                );
            }
            let taken = outbox.sent_since(id, now.plus_s(-AWAY_S))?;
            lanes.push(Lane::new(id, destination, standing, taken));
        }
        let mut deliverer = Self {
            outbox,
            lanes,
            intake: Intake::new(setup.source),
            post: setup.post,
            wall: setup.wall,
            name_of: setup.name_of,
            age_max: setup.age_max,
            limits: setup.limits,
            opened_at: now,
            replies: channel(),
            unrecorded: VecDeque::new(),
            purged_at: None,
            looked_at: None,
            is_dirty: true,
            stats: DeliveryStats::default(),
            shared: Arc::default(),
        };
        deliverer.publish_stats()?;
        Ok(deliverer)
    }

    /// From when on others may have told receivers what this outbox does not know: some time before it last sent anything; if
    /// it is new, as far back as it takes alerts at all. `None`: whenever that was.
    ///
    /// # Errors
    /// As SQLite says.
    pub fn unheard_since(&self) -> Result<Option<EventTime>, DeliveryError> {
        if self.outbox.is_new()? {
            let age_us = |age: Duration| i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
            return Ok(self.age_max.map(|age| self.opened_at.plus_us(age_us(age).saturating_neg())));
        }
        Ok(self.outbox.sent_last()?.map(|last| last.plus_s(-CLOCKS_DIFFER_S_MAX)))
    }

    /// Takes in what receivers were told from elsewhere, before the first step: it is not told again.
    ///
    /// # Errors
    /// As SQLite says.
    pub fn learn(&mut self, told: &[ToldBefore]) -> Result<(), DeliveryError> {
        let news = self.outbox.learn(told)?;
        if news > 0 {
            tracing::info!(news, "versions of alerts were told from elsewhere: they are not told again");
        }
        self.publish_stats()
    }

    /// The counters as of the last step; the same ones for as long as the deliverer lives.
    pub fn stats(&self) -> Arc<Mutex<DeliveryStats>> {
        Arc::clone(&self.shared)
    }

    /// Waits up to `wait` for the topic to say something, and does what there is to do. Whether it said something.
    ///
    /// # Errors
    /// `Stop`, or `Retry`: then nothing was lost, and the next step goes on where this one stood.
    pub fn step(&mut self, wait: Duration) -> Result<bool, DeliveryError> {
        self.hear()?;
        self.store_batch()?;
        // What the topic says is taken in before anything is put together; if it cannot be read, what waits is sent.
        let polled = self.poll(wait);
        self.store_batch()?;
        self.hear()?;
        self.purge()?;
        self.switch_on()?;
        self.send()?;
        self.publish_stats()?;
        polled
    }

    /// How many messages are on their way.
    pub fn in_flight(&self) -> usize {
        self.lanes.iter().map(|lane| lane.in_flight.len()).sum()
    }

    /// Waits up to `wait` for one answer and records it. Whether one came.
    ///
    /// # Errors
    /// As [`Deliverer::step`].
    pub fn await_reply(&mut self, wait: Duration) -> Result<bool, DeliveryError> {
        if let Ok(reply) = self.replies.1.recv_timeout(wait) {
            self.unrecorded.push_back(reply);
        }
        let came = !self.unrecorded.is_empty();
        self.hear()?;
        self.publish_stats()?;
        Ok(came)
    }

    /// Delivers until `stop`, then waits a few seconds for the answers that are on their way.
    ///
    /// # Errors
    /// What only an operator can mend.
    pub fn run(mut self, stop: &AtomicBool) -> Result<(), DeliveryError> {
        let mut is_failing = false;
        while !stop.load(Ordering::Relaxed) {
            let wait_ms = if self.in_flight() > 0 { POLL_BUSY_MS } else { POLL_MS };
            let result = self.step(Duration::from_millis(wait_ms));
            is_failing = self.bear(result, is_failing)?;
        }
        let until = Instant::now() + STOP_WAIT;
        while self.in_flight() > 0 && Instant::now() < until {
            let result = self.await_reply(Duration::from_millis(POLL_MS));
            is_failing = self.bear(result, is_failing)?;
        }
        Ok(())
    }

    /// Bears a failure that may pass: says it once and waits a little.
    fn bear<T>(&self, result: Result<T, DeliveryError>, is_failing: bool) -> Result<bool, DeliveryError> {
        match result {
            Ok(_) => {
                if is_failing {
                    tracing::warn!("alerts are being delivered again");
                }
                Ok(false)
            }
            Err(error) if error.action() == Action::Retry => {
                if !is_failing {
                    tracing::error!(%error, "alerts are not being delivered; trying again");
                }
                std::thread::park_timeout(Duration::from_millis(POLL_MS));
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }

    /// Records the answers that came.
    fn hear(&mut self) -> Result<(), DeliveryError> {
        let now = (self.wall)();
        self.unrecorded.extend(self.replies.1.try_iter());
        while let Some((message, reply)) = self.unrecorded.front() {
            let (message, reply) = (*message, reply.clone());
            self.record(message, &reply, now)?;
            self.unrecorded.pop_front();
        }
        Ok(())
    }

    fn record(&mut self, message: i64, reply: &Reply, now: EventTime) -> Result<(), DeliveryError> {
        let is_its = |lane: &&mut Lane| lane.in_flight.iter().any(|(sent, _)| sent.id == message);
        let Some(lane) = self.lanes.iter_mut().find(is_its) else { return Ok(()) };
        let before = lane.standing.clone();
        let Some((recorded, recovered)) = lane.settle(message, reply, now) else { return Ok(()) };
        let stored = self.outbox.record(lane.id, &lane.standing, &recorded, recovered.then_some(now));
        if let Err(error) = stored {
            // It is settled again when it can be stored.
            lane.standing = before;
            return Err(error);
        }
        lane.in_flight.retain(|(sent, _)| sent.id != message);
        lane.quiet_until = None;
        self.is_dirty = true;
        let name = lane.destination.name();
        match reply.outcome(now) {
            Outcome::Sent => {
                lane.stats.sent += 1;
                lane.stats.last_failure = None;
                if recovered {
                    tracing::warn!(destination = name, "a destination of alerts is back");
                }
            }
            Outcome::Gone => {
                lane.stats.failed += 1;
                lane.stats.last_failure = Some("HTTP status 410".into());
            }
            Outcome::Failed { what, .. } => {
                lane.stats.failed += 1;
                if before.breaker.open_until.is_none() && lane.standing.breaker.open_until.is_some() {
                    tracing::warn!(
                        destination = name,
                        what,
                        "a destination of alerts fails: it is left alone"
                    );
                } else {
                    tracing::debug!(destination = name, what, "a message of alerts was not taken");
                }
                lane.stats.last_failure = Some(what);
            }
        }
        if let (None, Some((_, why))) = (&before.off, &lane.standing.off) {
            tracing::error!(
                destination = name,
                why,
                "alerts are no longer delivered there: mend it, then: muster destinations enable"
            );
        }
        Ok(())
    }

    /// Sends what is due, each destination as much as it may get.
    fn send(&mut self) -> Result<(), DeliveryError> {
        let now = (self.wall)();
        let sealing = if self.intake.has_caught_up() || now >= self.opened_at.plus_s(CATCH_UP_S_MAX) {
            Sealing::Allowed
        } else {
            Sealing::Awaited
        };
        for number in 0..self.lanes.len() {
            loop {
                let lane = &mut self.lanes[number];
                if lane.quiet_until.is_some_and(|until| now < until)
                    || !lane.may_send(self.limits.in_flight_max, now)
                {
                    break;
                }
                let in_flight: Vec<i64> = lane.in_flight.iter().map(|(sent, _)| sent.id).collect();
                let found = self.outbox.next_message(lane.id, &lane.destination, &in_flight, sealing, now)?;
                let Some(message) = found else {
                    // Whatever is due later: messages on their way are looked at again when they are answered.
                    let due = self.outbox.backlog(lane.id)?.due_at.filter(|due| *due > now);
                    lane.quiet_until = Some(due.unwrap_or_else(|| now.plus_s(1)));
                    break;
                };
                lane.bucket.take(now);
                self.is_dirty = true;
                self.post(number, message, now);
            }
        }
        Ok(())
    }

    fn post(&mut self, number: usize, message: Message, now: EventTime) {
        let lane = &mut self.lanes[number];
        let destination = &lane.destination;
        let mut body = message.body.clone();
        if let (true, Some(name_of)) = (destination.names, &self.name_of)
            && let Ok(mut digest) = serde_json::from_slice::<AlertDigest>(&body)
        {
            add_names(&mut digest, name_of);
            body = digest.to_json();
        }
        let timestamp = now.us().div_euclid(1_000_000);
        let parcel = Parcel {
            destination: number,
            url: destination.url.clone(),
            signature: signatures(&destination.secrets, &message.webhook_id, timestamp, &body),
            webhook_id: message.webhook_id.clone(),
            timestamp,
            body,
            timeout: destination.timeout,
        };
        let done = Done::new(message.id, self.replies.0.clone());
        lane.in_flight.push((message, now));
        self.post.post(parcel, done);
    }

    fn poll(&mut self, wait: Duration) -> Result<bool, DeliveryError> {
        let us = |age: Duration| i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
        let oldest = self.age_max.map(|age| (self.wall)().plus_us(-us(age)));
        let heard = self.intake.poll(wait, &mut self.outbox, &self.lanes, oldest, &mut self.stats)?;
        if heard == Heard::CaughtUp {
            self.lanes.iter_mut().for_each(|lane| lane.quiet_until = None);
        }
        Ok(heard != Heard::Nothing)
    }

    fn store_batch(&mut self) -> Result<(), DeliveryError> {
        let Some(taking) = self.intake.taking() else { return Ok(()) };
        let now = (self.wall)();
        let lanes: Vec<(i64, &Destination)> =
            self.lanes.iter().map(|lane| (lane.id, &lane.destination)).collect();
        let taken = self.outbox.take(taking, &lanes, now)?;
        self.stats.repeats += taken.repeats;
        self.stats.unsaid += taken.unsaid;
        if !taking.events.is_empty() {
            self.is_dirty = true;
            self.lanes.iter_mut().for_each(|lane| lane.quiet_until = None);
        }
        self.intake.stored();
        Ok(())
    }

    fn purge(&mut self) -> Result<(), DeliveryError> {
        let now = (self.wall)();
        let is_due = self.purged_at.is_none_or(|at| now >= at.plus_s(PURGE_EVERY_S) || now < at);
        if !is_due {
            return Ok(());
        }
        let days_ago = |days: u32| now.plus_s(-i64::from(days) * 86_400);
        let (undelivered, kept) = (self.limits.undelivered_days, self.limits.keep_days);
        let expired = self.outbox.purge(days_ago(undelivered), days_ago(kept), now)?;
        if expired.alerts + expired.messages > 0 {
            tracing::error!(
                alerts = expired.alerts,
                messages = expired.messages,
                undelivered_days = undelivered,
                "alerts were given up: their destinations took none for so long"
            );
        }
        self.stats.expired += expired.alerts + expired.messages;
        self.is_dirty = true;
        self.purged_at = Some(now);
        Ok(())
    }

    /// Switches on again what an operator wants on; whatever else is wanted is not configured here, and stays noted.
    fn switch_on(&mut self) -> Result<(), DeliveryError> {
        let now = (self.wall)();
        let is_due = self.looked_at.is_none_or(|at| now >= at.plus_s(LOOK_EVERY_S) || now < at);
        if !is_due {
            return Ok(());
        }
        self.looked_at = Some(now);
        for name in self.outbox.wanted_on()? {
            let Some(lane) = self.lanes.iter_mut().find(|lane| lane.destination.name == name) else {
                continue;
            };
            let known = fingerprint(&lane.destination);
            (_, lane.standing) = self.outbox.destination(&name, &known, now)?;
            lane.quiet_until = None;
            self.is_dirty = true;
            tracing::warn!(destination = name, "a destination of alerts is switched on again");
        }
        Ok(())
    }

    fn publish_stats(&mut self) -> Result<(), DeliveryError> {
        let now = (self.wall)();
        self.stats.positions.clone_from(self.intake.positions());
        self.stats.is_caught_up = self.intake.is_caught_up();
        self.stats.destinations.clear();
        for lane in &mut self.lanes {
            if self.is_dirty {
                let backlog = self.outbox.backlog(lane.id)?;
                lane.stats.waiting = backlog.waiting;
                lane.stats.queued = backlog.queued;
                lane.stats.dead = backlog.dead;
                lane.stats.oldest_due = backlog.due_at;
            }
            lane.stats.in_flight = lane.in_flight.len() as u64;
            lane.stats.state = lane.state(now);
            self.stats.destinations.push(lane.stats.clone());
        }
        self.is_dirty = false;
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&self.stats);
        Ok(())
    }
}
