//! Reads a Kafka topic as a member of a consumer group.
//!
//! In: positions from the lake; records and rebalances from the client; looks from outside.  Out: what [`Source`] tells.
//! Owns: the member, the readings of its partitions, the looking thread.
//! Absent on purpose: a seek, a position of the group's, a wait for a broker on the polling thread (but `locate`).
//! Invariants: a partition is fetched only from a position that lies within the log and after the topic's identity was
//! seen, both later than `start`; a position before the log's beginning becomes a gap, one beyond its end an error;
//! nothing of a partition is delivered between `Revoked` or `Lost` and the next `start`.
//! Why so: see `group` (assignments answered at once, fetched later), `intake` (one queue), `looker` (the clock).
//!
//! ```text
//! group assigns ─▶ Announced ─ start(next) ─▶ Asked ─ look: same topic, begin ≤ next ≤ end ─▶ Fetching
//!                                              ▲                                                │
//!                                              └──── out of range, or stalled: asked again ─────┘
//! ```

use std::time::{Duration, Instant};

use model::{NextOffset, Partition};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use super::KafkaLog;
use super::failures;
use super::group::{Change, Membership};
use super::intake::{Drained, Intake, Trouble};
use super::looker::{Look, Looker};
use super::reading::{Range, Reading, Stage};
use crate::error::{Error, ErrorKind};
use crate::log::{LogIdentity, Polled, Source, StartAt};
use crate::raw_batch::RawBatch;

/// The longest that `poll` waits for a record before it sees to everything else.
const WAIT_STEP: Duration = Duration::from_millis(20);

/// How often positions are told to the group, at most.
const HINT_EVERY: Duration = Duration::from_millis(200);

/// After a pause between polls of this length nobody can say which partition stalls.
const UNWATCHED_AFTER: Duration = Duration::from_secs(5);

/// A member that is thrown out of the group as another's namesake joins anew once within this; twice within it, it is
/// told. A broker that went away in the middle of a join leaves a member behind that is its own namesake; two processes
/// of one name throw each other out at once, and one of them has to end.
const NAMESAKE_WITHIN: Duration = Duration::from_secs(60);

/// A member of the consumer group that reads the topic of punches.
pub struct KafkaSource {
    log: KafkaLog,
    looker: Looker,
    intake: Intake,
    /// What was found wrong for ever.
    failure: Option<Error>,
    /// What was heard while nobody polled.
    unheard: Option<Error>,
    polled_at: Instant,
    hints: Vec<(Partition, NextOffset)>,
    hinted_at: Option<Instant>,
    rejoined_at: Option<Instant>,
}

impl KafkaSource {
    pub(crate) fn join(log: KafkaLog) -> Result<Self, Error> {
        let intake = member(&log)?;
        let looker = Looker::start(log.clone())?;
        Ok(Self {
            log,
            looker,
            intake,
            failure: None,
            unheard: None,
            polled_at: Instant::now(),
            hints: Vec::new(),
            hinted_at: None,
            rejoined_at: None,
        })
    }

    /// Joins anew in place of a member that the group has thrown out; what that one held is lost.
    fn rejoin(&mut self) -> Result<Polled, Error> {
        self.rejoined_at = Some(Instant::now());
        tracing::warn!(
            topic = self.intake.topic,
            "thrown out of the group by a member of the same instance name: joining anew"
        );
        let held = self.intake.those(|_| true);
        self.intake = member(&self.log)?;
        self.hints.clear();
        self.want();
        if held.is_empty() {
            return Ok(Polled::Idle);
        }
        self.log.counters().rebalanced(held.len());
        Ok(Polled::Lost(held))
    }

    /// Takes in the oldest thing that the group did.
    fn take_change(&mut self) -> Option<Polled> {
        let change = self.intake.client.context().take_change()?;
        let lost = if let Change::Lost(partitions) = &change { partitions.len() } else { 0 };
        self.log.counters().rebalanced(lost);
        let polled = match change {
            Change::Assigned(mut partitions) => {
                partitions.retain(|partition| {
                    let is_known = self.intake.insert(*partition).is_some();
                    if !is_known {
                        tracing::error!(%partition, "a partition that the topic did not have when the log was opened");
                    }
                    is_known
                });
                Polled::Assigned(partitions)
            }
            Change::Revoked(partitions) => Polled::Revoked(partitions),
            Change::Lost(partitions) => Polled::Lost(partitions),
        };
        if let Polled::Revoked(partitions) | Polled::Lost(partitions) = &polled {
            partitions.iter().for_each(|partition| self.intake.remove(*partition));
            self.hints.retain(|(partition, _)| !partitions.contains(partition));
            self.want();
        }
        Some(polled)
    }

    /// Tells the looking thread what to look at; what waits for its range waits for this look now.
    fn want(&mut self) {
        let wanted = self.intake.those(|reading| reading.stage != Stage::Announced);
        let ranges = self.intake.those(|reading| matches!(reading.stage, Stage::Asked(_)));
        let ticket = self.looker.want(wanted, ranges);
        for (_, reading) in self.intake.iter() {
            if matches!(reading.stage, Stage::Asked(_)) {
                reading.stage = Stage::Asked(ticket);
            }
        }
    }

    /// Takes in the newest look: starts what waited for it, notes ends, and lag.
    fn take_look(&mut self) -> Result<(), Error> {
        let Some(look) = self.looker.take()? else { return Ok(()) };
        let now = Instant::now();
        let mut ready = Vec::new();
        for (partition, reading) in self.intake.iter() {
            let Some(end) = look.ends.get(&partition) else { continue };
            reading.end = Some(*end);
            let range = match reading.stage {
                Stage::Announced => continue,
                Stage::Fetching => reading.hold_against_end(end.next, now),
                Stage::Asked(ticket) if look.ticket < ticket => continue,
                Stage::Asked(_) => {
                    let Some(range) = hold(reading, &look, partition, now) else { continue };
                    if range == Range::Fits && !reading.is_paused {
                        ready.push(partition);
                    }
                    range
                }
            };
            if range == Range::Beyond {
                return Err(beyond_end(self.log.identity(), partition, reading.next(), end.next));
            }
        }
        // A member that was thrown out of the group hears of it in the next poll; it must not take anything up before.
        if !ready.is_empty() && !self.intake.client.assignment_lost() {
            self.intake.fetch(&ready)?;
            self.want();
        }
        self.intake.pass_markers();
        self.log
            .counters()
            .set_lag(self.intake.iter().map(|(partition, reading)| (partition, reading.lag())));
        Ok(())
    }

    /// Sees to what the client told of, and to partitions that ought to deliver and do not.
    fn take_care(&mut self) {
        let now = Instant::now();
        if now.saturating_duration_since(self.polled_at) >= UNWATCHED_AFTER {
            self.intake.iter().for_each(|(_, reading)| reading.touch(now));
        }
        self.polled_at = now;
        let is_fetched = |reading: &Reading| reading.stage == Stage::Fetching;
        match self.intake.take_trouble() {
            Some(Trouble::OutOfRange) => {
                // The client does not say which: all are held against their ranges and go on from where they stand.
                let all = self.intake.those(is_fetched);
                tracing::warn!(
                    topic = self.intake.topic,
                    "a position lies outside the log: all are looked at"
                );
                self.start_again(&all);
            }
            // The ticket of a new look makes it check the topic's identity.
            Some(Trouble::TopicGone) => self.want(),
            None => {}
        }
        let after = self.log.options().stalled_after;
        let stalled = self.intake.those(|reading| reading.is_stalled(after, now));
        if stalled.is_empty() {
            return;
        }
        self.log.counters().stalled(stalled.len());
        for partition in &stalled {
            let Some(reading) = self.intake.get(*partition) else { continue };
            reading.touch(now);
            tracing::warn!(
                topic = self.log.identity().topic,
                %partition,
                next = reading.next().get(),
                end = reading.end.map(|end| end.next),
                after_s = after.as_secs(),
                "the partition has records to read and delivers none: it is started again (an open transaction of a \
                 producer holds records back, too)"
            );
        }
        self.start_again(&stalled);
    }

    /// Fetches `partitions` anew from where they stand, once a look has found that within the log.
    fn start_again(&mut self, partitions: &[Partition]) {
        self.intake.unfetch(partitions, u64::MAX);
        self.want();
    }

    fn deliver(&mut self, partition: Partition, into: &mut RawBatch) -> Polled {
        self.intake.deliver(partition, into);
        let missing: i64 = into.gaps().iter().map(|gap| gap.until.get() - gap.from.get()).sum();
        if missing > 0 {
            tracing::error!(
                topic = self.log.identity().topic,
                %partition,
                from = into.gaps()[0].from.get(),
                missing,
                "the log no longer holds offsets that were to be read"
            );
            self.log.counters().missing(u64::try_from(missing).unwrap_or(0));
        }
        Polled::Batch
    }

    fn next_caught_up(&mut self) -> Option<Polled> {
        self.intake.iter().find_map(|(partition, reading)| {
            reading.caught_up().map(|(next, at)| Polled::CaughtUp { partition, next, at })
        })
    }

    /// Tells the group the positions noted, if it is time.
    fn send_hints(&mut self) {
        if self.hints.is_empty() || self.hinted_at.is_some_and(|at| at.elapsed() < HINT_EVERY) {
            return;
        }
        self.hinted_at = Some(Instant::now());
        let mut list = TopicPartitionList::with_capacity(self.hints.len());
        for (partition, next) in self.hints.drain(..) {
            // Only an offset below 0 is refused.
            let _ = list.add_partition_offset(
                &self.intake.topic,
                partition.number() as i32,
                Offset::Offset(next.get()),
            );
        }
        if let Err(error) = self.intake.client.commit(&list, CommitMode::Async) {
            tracing::debug!(%error, "the group did not take offsets");
        }
    }

    fn try_poll(&mut self, wait: Duration, into: &mut RawBatch) -> Result<Polled, Error> {
        if let Some(error) = self.unheard.take() {
            return Err(error);
        }
        let deadline = Instant::now() + wait;
        loop {
            if let Some(polled) = self.take_change() {
                return Ok(polled);
            }
            self.take_look()?;
            self.take_care();
            self.send_hints();
            // What is ready goes out before the client is waited for.
            let left = deadline.saturating_duration_since(Instant::now());
            let is_ready = self.intake.any(|reading| reading.has_news() && !reading.is_paused);
            let step = if is_ready { Duration::ZERO } else { left.min(WAIT_STEP) };
            let drained = self.intake.drain(step, self.log.counters())?;
            self.log.counters().note_buffered(self.intake.buffered_bytes());
            if let Some(polled) = self.take_change() {
                return Ok(polled);
            }
            let full = match drained {
                Drained::Full(partition) => Some(partition),
                Drained::Empty => self.intake.next_with_news(),
            };
            if let Some(partition) = full {
                return Ok(self.deliver(partition, into));
            }
            if let Some(polled) = self.next_caught_up() {
                return Ok(polled);
            }
            if left.is_zero() {
                return Ok(Polled::Idle);
            }
        }
    }
}

/// A new member of the group.
fn member(log: &KafkaLog) -> Result<Intake, Error> {
    let (identity, options) = (log.identity(), log.options());
    let client: BaseConsumer<Membership> =
        BaseConsumer::from_config_and_context(&options.member(), Membership::default())
            .map_err(|error| failures::failed("make a member of the group", &error, ""))?;
    client
        .subscribe(&[&identity.topic])
        .map_err(|error| failures::failed(&format!("join group {}", options.group), &error, ""))?;
    Ok(Intake::new(client, &identity.topic, identity.partitions, options))
}

/// Holds a position against the range that a look saw; none if that did not see it.
fn hold(reading: &mut Reading, look: &Look, partition: Partition, now: Instant) -> Option<Range> {
    let (begin, end) = (look.begins.get(&partition)?, look.ends.get(&partition)?);
    Some(reading.hold_against(*begin, end.next, now))
}

pub(crate) fn beyond_end(identity: &LogIdentity, partition: Partition, next: NextOffset, end: i64) -> Error {
    Error::new(
        ErrorKind::BeyondEnd,
        format!(
            "read topic {} partition {partition} from {}: the log ends at {end}: it was cut, restored or made anew since \
             the lake read it: bring the old log back, or give this one a lake of its own",
            identity.topic,
            next.get()
        ),
    )
}

impl Source for KafkaSource {
    fn identity(&self) -> &LogIdentity {
        self.log.identity()
    }

    fn start(&mut self, positions: &[(Partition, NextOffset)]) -> Result<(), Error> {
        for (partition, next) in positions {
            if self.intake.get(*partition).is_none() {
                let topic = &self.log.identity().topic;
                return Err(Error::new(
                    ErrorKind::NotAssigned,
                    format!(
                        "start topic {topic} partition {partition} at {}: it is not assigned",
                        next.get()
                    ),
                ));
            }
        }
        let elsewhere: Vec<Partition> = positions.iter().map(|(partition, _)| *partition).collect();
        self.intake.unfetch(&elsewhere, u64::MAX);
        for (partition, next) in positions {
            self.intake.begin(*partition, *next, u64::MAX);
        }
        self.want();
        Ok(())
    }

    fn locate(&mut self, partition: Partition, at: StartAt) -> Result<NextOffset, Error> {
        self.log.locate(&self.log.identity().topic, partition, at)
    }

    fn poll(&mut self, wait: Duration, into: &mut RawBatch) -> Result<Polled, Error> {
        into.begin(Partition::new(0), NextOffset::START);
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let polled = match self.try_poll(wait, into) {
            Err(error)
                if error.kind() == ErrorKind::Fenced
                    && self.rejoined_at.is_none_or(|at| at.elapsed() > NAMESAKE_WITHIN) =>
            {
                into.begin(Partition::new(0), NextOffset::START);
                self.rejoin()
            }
            polled => polled,
        };
        polled.inspect_err(|error| self.failure = Some(error.clone()))
    }

    fn attend(&mut self) {
        match self.intake.drain(Duration::ZERO, self.log.counters()) {
            Ok(_) => self.log.counters().note_buffered(self.intake.buffered_bytes()),
            Err(error) => self.unheard = Some(error),
        }
    }

    fn pause(&mut self, partition: Partition) {
        self.intake.pause(partition, true);
    }

    fn resume(&mut self, partition: Partition) {
        self.intake.pause(partition, false);
        let waits = |reading: &mut Reading| matches!(reading.stage, Stage::Asked(_));
        if self.intake.get(partition).is_some_and(waits) {
            // Its range was seen while it was paused; it is looked at again.
            self.want();
        }
    }

    fn commit_hint(&mut self, positions: &[(Partition, NextOffset)]) {
        for (partition, next) in positions {
            if self.intake.get(*partition).is_none() {
                continue;
            }
            match self.hints.iter_mut().find(|(held, _)| held == partition) {
                Some(held) => held.1 = *next,
                None => self.hints.push((*partition, *next)),
            }
        }
        self.send_hints();
    }
}
