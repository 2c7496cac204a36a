//! Reads a topic without a group: all of its partitions, or some, from wherever the caller says.
//!
//! In: positions.  Out: what [`Source`] tells, to its present end and on.  Owns: a client, the readings.
//! Absent on purpose: rebalances, the log clock (`CaughtUp` tells the wall's time, capped by nothing).
//! Invariants: as for the source: a position before the beginning is a gap, one beyond the end an error.
//! Why so: alerts and dead letters are read back whole, by whoever needs them, at any time.

use std::time::{Duration, Instant};

use model::{NextOffset, Partition};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::BaseConsumer;

use super::KafkaLog;
use super::asker::Place;
use super::failures;
use super::group::Membership;
use super::intake::{Drained, Intake};
use super::reading::{End, Range, Reading, Stage, position};
use super::source::beyond_end;
use super::topics::Topic;
use crate::error::{Error, ErrorKind};
use crate::log::{LogIdentity, Polled, Source, StartAt};
use crate::raw_batch::RawBatch;

/// How often the end is asked for while nothing comes.
const ASK_EVERY: Duration = Duration::from_millis(200);

/// The longest that `poll` waits for a record before it sees to everything else.
const WAIT_STEP: Duration = Duration::from_millis(20);

/// A reader of one topic, outside any group.
pub struct KafkaReader {
    log: KafkaLog,
    topic: Topic,
    intake: Intake,
    is_announced: bool,
    asked_at: Option<Instant>,
}

impl KafkaReader {
    pub(crate) fn open(log: KafkaLog, topic: Topic) -> Result<Self, Error> {
        let identity = &topic.identity;
        let client: BaseConsumer<Membership> =
            BaseConsumer::from_config_and_context(&log.options().consumer("reader"), Membership::default())
                .map_err(|error| failures::failed(&format!("read topic {}", identity.topic), &error, ""))?;
        let intake = Intake::new(client, &identity.topic, identity.partitions, log.options());
        Ok(Self { log, topic, intake, is_announced: false, asked_at: None })
    }

    /// Holds `partitions` against the log's range, notes gaps, and has them fetched.
    fn enter(&mut self, partitions: &[Partition]) -> Result<(), Error> {
        let identity = &self.topic.identity;
        let begins = self.log.asker().ask(&identity.topic, partitions, Place::Begin)?;
        let ends = self.log.asker().ask(&identity.topic, partitions, Place::End)?;
        for ((partition, begin), (_, end)) in begins.into_iter().zip(ends) {
            let (Some(begin), Some(end)) = (begin, end) else { continue };
            let Some(reading) = self.intake.get(partition) else { continue };
            if reading.hold_against(begin, end, Instant::now()) != Range::Fits {
                return Err(beyond_end(identity, partition, reading.next(), end));
            }
        }
        self.intake.fetch(partitions)
    }

    /// Asks where the log ends now, and notes it.
    fn ask_ends(&mut self) -> Result<(), Error> {
        self.asked_at = Some(Instant::now());
        let wall = self.log.wall();
        let partitions = self.intake.those(|reading| reading.stage == Stage::Fetching);
        for (partition, next) in self.log.asker().ask(&self.topic.identity.topic, &partitions, Place::End)? {
            if let (Some(reading), Some(next)) = (self.intake.get(partition), next) {
                reading.end = Some(End { next, at: Some(wall) });
            }
        }
        Ok(())
    }
}

impl Source for KafkaReader {
    fn identity(&self) -> &LogIdentity {
        &self.topic.identity
    }

    fn start(&mut self, positions: &[(Partition, NextOffset)]) -> Result<(), Error> {
        let mut partitions = Vec::with_capacity(positions.len());
        for (partition, next) in positions {
            if !self.is_announced || partition.number() >= self.topic.identity.partitions {
                let topic = &self.topic.identity.topic;
                return Err(Error::new(
                    ErrorKind::NotAssigned,
                    format!(
                        "start topic {topic} partition {partition} at {}: it is not assigned",
                        next.get()
                    ),
                ));
            }
            partitions.push(*partition);
        }
        self.intake.unfetch(&partitions, 0);
        for (partition, next) in positions {
            self.intake.insert(*partition);
            self.intake.begin(*partition, *next, 0);
        }
        self.asked_at = None;
        self.enter(&partitions)
    }

    fn locate(&mut self, partition: Partition, at: StartAt) -> Result<NextOffset, Error> {
        self.log.locate(&self.topic.identity.topic, partition, at)
    }

    fn poll(&mut self, wait: Duration, into: &mut RawBatch) -> Result<Polled, Error> {
        into.begin(Partition::new(0), NextOffset::START);
        if !self.is_announced {
            self.is_announced = true;
            return Ok(Polled::Assigned((0..self.topic.identity.partitions).map(Partition::new).collect()));
        }
        let deadline = Instant::now() + wait;
        loop {
            if self.intake.take_trouble().is_some() {
                let all = self.intake.those(|reading| reading.stage == Stage::Fetching);
                self.intake.unfetch(&all, 0);
                self.enter(&all)?;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let is_unsure = self.intake.any(|reading| is_unsure(reading, self.asked_at));
            if is_unsure {
                self.ask_ends()?;
            }
            self.intake.pass_markers();
            let drained = self.intake.drain(left.min(WAIT_STEP), self.log.counters())?;
            let full = match drained {
                Drained::Full(partition) => Some(partition),
                Drained::Empty => self.intake.next_with_news(),
            };
            if let Some(partition) = full {
                self.intake.deliver(partition, into);
                return Ok(Polled::Batch);
            }
            let caught_up = self.intake.iter().find_map(|(partition, reading)| {
                reading.caught_up().map(|(next, at)| Polled::CaughtUp { partition, next, at })
            });
            if let Some(polled) = caught_up {
                return Ok(polled);
            }
            if left.is_zero() {
                return Ok(Polled::Idle);
            }
        }
    }

    fn pause(&mut self, partition: Partition) {
        self.intake.pause(partition, true);
    }

    fn resume(&mut self, partition: Partition) {
        self.intake.pause(partition, false);
    }

    fn commit_hint(&mut self, _positions: &[(Partition, NextOffset)]) {
        // There is no group to tell.
    }
}

/// Whether a partition may stand at its end and nobody has asked lately.
fn is_unsure(reading: &Reading, asked_at: Option<Instant>) -> bool {
    let is_there = reading.end.is_none_or(|end| reading.next() >= position(end.next));
    reading.stage == Stage::Fetching
        && !reading.has_news()
        && is_there
        && asked_at.is_none_or(|at| at.elapsed() >= ASK_EVERY)
}
