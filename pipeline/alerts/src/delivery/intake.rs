//! What the deliverer reads: the alerts topic from where the outbox stands, as events to be stored.
//!
//! In: a source of the alerts topic.  Out: [`Taking`]s.  Owns: the batch being read, and what was read of it until it is
//! stored.
//! Absent on purpose: storing (the deliverer does it, and again until it succeeds).
//! Invariants: nothing is read while something that was read is not stored, so that the reader's memory of owners never
//! runs ahead of the outbox by more than one batch.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use model::position::NextOffset;
use model::{EventTime, Partition};
use source::{Polled, RawBatch, Source, StartAt};

use super::error::DeliveryError;
use super::lane::Lane;
use super::outbox::{Event, Outbox, Position, Taking};
use super::stats::DeliveryStats;
use crate::alert_reader::{AlertReader, Seen};

/// What one poll brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Nothing.
    Nothing,
    /// Something, and what was read is to be stored.
    Something,
    /// The topic was read to its end for the first time.
    CaughtUp,
}

/// The reading end of a deliverer.
pub(super) struct Intake {
    source: Box<dyn Source>,
    reader: AlertReader,
    fresh_from: HashMap<Partition, NextOffset>,
    /// Assigned, and not started yet.
    unstarted: Vec<Partition>,
    assigned: HashSet<Partition>,
    caught_up: HashSet<Partition>,
    has_caught_up: bool,
    batch: RawBatch,
    taking: Option<Taking>,
    positions: BTreeMap<Partition, NextOffset>,
}

impl Intake {
    pub(super) fn new(source: Box<dyn Source>) -> Self {
        Self {
            source,
            reader: AlertReader::default(),
            fresh_from: HashMap::new(),
            unstarted: Vec::new(),
            assigned: HashSet::new(),
            caught_up: HashSet::new(),
            has_caught_up: false,
            batch: RawBatch::new(),
            taking: None,
            positions: BTreeMap::new(),
        }
    }

    /// What was read and is not stored yet.
    pub(super) const fn taking(&self) -> Option<&Taking> {
        self.taking.as_ref()
    }

    /// What was read is stored.
    pub(super) fn stored(&mut self) {
        if let Some(taking) = self.taking.take() {
            self.source.commit_hint(&[(taking.partition, taking.next)]);
            self.positions.insert(taking.partition, taking.next);
        }
    }

    /// How far each partition is stored.
    pub(super) const fn positions(&self) -> &BTreeMap<Partition, NextOffset> {
        &self.positions
    }

    /// Whether every partition was read to its end at the last look.
    pub(super) fn is_caught_up(&self) -> bool {
        !self.assigned.is_empty() && self.caught_up == self.assigned
    }

    /// Whether the topic was read to its end since it was opened.
    pub(super) const fn has_caught_up(&self) -> bool {
        self.has_caught_up
    }

    /// Waits up to `wait` for the topic to say something. Alerts that were in the topic before its outbox was made and
    /// were said before `oldest` are passed over.
    ///
    /// # Panics
    /// If something that was read is not stored.
    pub(super) fn poll(
        &mut self,
        wait: Duration,
        outbox: &mut Outbox,
        lanes: &[Lane],
        oldest: Option<EventTime>,
        stats: &mut DeliveryStats,
    ) -> Result<Heard, DeliveryError> {
        assert!(self.taking.is_none(), "a batch of the alerts topic was read and is not stored");
        self.start(outbox)?;
        let polled = self.source.poll(wait, &mut self.batch).map_err(|error| self.failed(error))?;
        match polled {
            Polled::Assigned(partitions) => {
                self.unstarted.extend(partitions);
                self.start(outbox)?;
            }
            Polled::Batch => self.read_batch(lanes, oldest, stats),
            Polled::CaughtUp { partition, next, .. } => {
                // Offsets behind the last record may hold none of ours.
                self.positions.insert(partition, next);
                return Ok(self.note_caught_up(partition));
            }
            Polled::Ended(partition) => return Ok(self.note_caught_up(partition)),
            Polled::Revoked(partitions) | Polled::Lost(partitions) => {
                for partition in partitions {
                    self.unstarted.retain(|unstarted| *unstarted != partition);
                    self.assigned.remove(&partition);
                    self.positions.remove(&partition);
                    self.caught_up.remove(&partition);
                }
            }
            Polled::Idle => return Ok(Heard::Nothing),
        }
        Ok(Heard::Something)
    }

    fn note_caught_up(&mut self, partition: Partition) -> Heard {
        self.caught_up.insert(partition);
        if self.has_caught_up || !self.is_caught_up() {
            return Heard::Something;
        }
        self.has_caught_up = true;
        Heard::CaughtUp
    }

    fn failed(&self, source: source::Error) -> DeliveryError {
        DeliveryError::Log { topic: self.source.identity().topic.clone(), source }
    }

    /// Goes on where the outbox stands; a new one begins at the topic's beginning and takes what is old as known. What
    /// fails is tried again at the next poll: a source announces its partitions once.
    fn start(&mut self, outbox: &mut Outbox) -> Result<(), DeliveryError> {
        if self.unstarted.is_empty() {
            return Ok(());
        }
        let mut starts = Vec::with_capacity(self.unstarted.len());
        for partition in &self.unstarted {
            let position = match outbox.position(*partition)? {
                Some(position) => position,
                None => {
                    let mut locate = |at| self.source.locate(*partition, at);
                    let found =
                        locate(StartAt::Earliest).and_then(|next| Ok((next, locate(StartAt::Latest)?)));
                    let (next, fresh_from) = found.map_err(|error| self.failed(error))?;
                    let position = Position { next, owner: None, fresh_from };
                    outbox.begin(*partition, position)?;
                    position
                }
            };
            if let Some(owner) = position.owner {
                self.reader.resume(*partition, owner);
            }
            self.fresh_from.insert(*partition, position.fresh_from);
            starts.push((*partition, position.next));
        }
        self.source.start(&starts).map_err(|error| self.failed(error))?;
        self.positions.extend(starts);
        self.assigned.extend(self.unstarted.drain(..));
        Ok(())
    }

    /// What the batch means. It is stored next, and again until that succeeds.
    fn read_batch(&mut self, lanes: &[Lane], oldest: Option<EventTime>, stats: &mut DeliveryStats) {
        let partition = self.batch.partition();
        self.caught_up.remove(&partition);
        let fresh_from = self.fresh_from.get(&partition).copied().unwrap_or(NextOffset::START);
        let (mut events, mut foreign) = (Vec::new(), None);
        for entry in self.batch.iter() {
            stats.records += 1;
            match self.reader.read(partition, &entry) {
                Seen::Alert(body) => {
                    let wants =
                        |lane: &Lane| lane.destination.wants(&body.audience, &body.severity, &body.org);
                    let wanted: Vec<usize> =
                        (0..).zip(lanes).filter(|(_, lane)| wants(lane)).map(|(n, _)| n).collect();
                    let was_there = fresh_from.has_passed(entry.offset);
                    if was_there && oldest.is_some_and(|oldest| said_before(&body.detected_at, oldest)) {
                        stats.too_old += 1;
                    } else if !wanted.is_empty() {
                        stats.alerts += 1;
                        events.push(Event::Arrived(body, wanted));
                    }
                }
                Seen::Forgotten(id) => events.push(Event::Forgotten(id)),
                Seen::Stale(_) => stats.stale += 1,
                Seen::Owner(_) | Seen::Other => {}
                Seen::Foreign(what) => {
                    stats.foreign += 1;
                    // One of a batch is said: a topic full of something else must not fill the log.
                    foreign.get_or_insert((entry.offset.get(), what));
                }
            }
        }
        if let Some((offset, what)) = foreign {
            tracing::warn!(%partition, offset, what, "a record of the alerts topic is no alert");
        }
        let owner = self.reader.owner(partition);
        self.taking = Some(Taking { partition, next: self.batch.next(), owner, events });
    }
}

/// Whether an alert was said before `oldest`; one that does not say when counts as fresh.
fn said_before(detected_at: &str, oldest: EventTime) -> bool {
    detected_at.parse::<jiff::Timestamp>().is_ok_and(|at| EventTime::from(at) < oldest)
}
