//! A source in front of a source: a record passes once its schema is known, or known to be missing.
//!
//! In: another source's polls.  Out: the same, with a partition held at the first record whose schema is being asked for.
//! Owns: what was read of such a partition.
//! Absent on purpose: any look behind the five bytes of a frame, and a wait: a poll takes no longer than the source's own.
//! Invariants: I-29; order and contents are the source's: what is held comes before anything behind it, and that a
//! partition was read to its end is said only behind it.
//! Why so: the worker then never meets an unknown schema, and the hot path holds no question about one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashSet;
use model::{NextOffset, Partition};
use schemas::decode::{SchemaId, framed_id};

use super::{Look, Shared};
use crate::error::Error;
use crate::log::{LogIdentity, Polled, Source, StartAt};
use crate::raw_batch::RawBatch;

/// Lets records pass whose schemas are settled.
pub struct SchemaGate {
    inner: Box<dyn Source>,
    registry: Arc<Shared>,
    /// Ids that need no more asking.
    known: HashSet<SchemaId>,
    held: BTreeMap<Partition, Held>,
    paused: BTreeSet<Partition>,
    /// What the source said behind records that have been let go since.
    said: VecDeque<Polled>,
}

/// What was read of a partition, from the first record on whose schema is not settled.
struct Held {
    batch: RawBatch,
    id: SchemaId,
    /// What the source said behind it, last.
    behind: Option<Polled>,
}

impl std::fmt::Debug for SchemaGate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SchemaGate").field("held", &self.held.keys()).finish_non_exhaustive()
    }
}

impl SchemaGate {
    pub(super) fn new(inner: Box<dyn Source>, registry: Arc<Shared>) -> Self {
        Self {
            inner,
            registry,
            known: HashSet::new(),
            held: BTreeMap::new(),
            paused: BTreeSet::new(),
            said: VecDeque::new(),
        }
    }

    /// The first record of `batch` whose schema is not settled, and its id. All that are not are asked for.
    fn first_unsettled(&mut self, batch: &RawBatch) -> Option<(NextOffset, SchemaId)> {
        let (mut last, mut first) = (None, None);
        for entry in batch.iter() {
            let id = entry.value.and_then(framed_id);
            let Some(id) = id.filter(|id| Some(*id) != last && !self.known.contains(id)) else { continue };
            match self.registry.look(id, entry.append_time) {
                Look::Known => _ = self.known.insert(id),
                Look::Missing => {}
                Look::Asked if first.is_none() => {
                    let at = NextOffset::new(entry.offset.get()).expect("an offset is not negative");
                    first = Some((at, id));
                }
                Look::Asked => {}
            }
            last = Some(id);
        }
        first
    }

    /// Keeps in `batch` what may pass, and holds the rest; `behind` is what was said behind it.
    fn admit(&mut self, batch: &mut RawBatch, behind: Option<Polled>) -> Polled {
        let partition = batch.partition();
        let Some((at, id)) = self.first_unsettled(batch) else {
            self.said.extend(behind);
            return Polled::Batch;
        };
        let mut rest = RawBatch::new();
        batch.split_off(at, &mut rest);
        if batch.is_empty() {
            // Nothing in front of it but offsets that are no records: they stay with it.
            batch.append_tail(&rest);
            std::mem::swap(batch, &mut rest);
            batch.begin(partition, rest.from());
        }
        self.inner.pause(partition);
        self.registry.hold(partition, id);
        self.held.insert(partition, Held { batch: rest, id, behind });
        if batch.is_empty() { Polled::Idle } else { Polled::Batch }
    }

    /// Lets go what is held of a partition whose schema has been settled meanwhile.
    fn let_go(&mut self, into: &mut RawBatch) -> Option<Polled> {
        let is_settled = |(partition, held): (&Partition, &Held)| {
            let appended = held.batch.get(0).and_then(|entry| entry.append_time);
            let is_settled = self.registry.look(held.id, appended) != Look::Asked;
            (is_settled && !self.paused.contains(partition)).then_some(*partition)
        };
        let partition = self.held.iter().find_map(is_settled)?;
        let held = self.held.remove(&partition)?;
        self.registry.release(partition);
        *into = held.batch;
        let polled = self.admit(into, held.behind);
        if !self.held.contains_key(&partition) {
            self.inner.resume(partition);
        }
        (polled == Polled::Batch).then_some(polled)
    }

    fn forget(&mut self, partitions: &[Partition]) {
        for partition in partitions {
            if self.held.remove(partition).is_some() {
                self.registry.release(*partition);
            }
            self.paused.remove(partition);
        }
        self.said.retain(|said| !of(said).is_some_and(|partition| partitions.contains(&partition)));
    }
}

/// Which partition was read to its end.
fn of(said: &Polled) -> Option<Partition> {
    match said {
        Polled::CaughtUp { partition, .. } | Polled::Ended(partition) => Some(*partition),
        _ => None,
    }
}

impl Source for SchemaGate {
    fn identity(&self) -> &LogIdentity {
        self.inner.identity()
    }

    fn start(&mut self, positions: &[(Partition, NextOffset)]) -> Result<(), Error> {
        for (partition, _) in positions {
            if self.held.remove(partition).is_some() {
                self.registry.release(*partition);
                if !self.paused.contains(partition) {
                    self.inner.resume(*partition);
                }
            }
            self.said.retain(|said| of(said) != Some(*partition));
        }
        self.inner.start(positions)
    }

    fn locate(&mut self, partition: Partition, at: StartAt) -> Result<NextOffset, Error> {
        self.inner.locate(partition, at)
    }

    fn poll(&mut self, wait: Duration, into: &mut RawBatch) -> Result<Polled, Error> {
        if let Some(polled) = self.let_go(into) {
            return Ok(polled);
        }
        if let Some(said) = self.said.pop_front() {
            return Ok(said);
        }
        let polled = self.inner.poll(wait, into)?;
        match &polled {
            Polled::Batch => match self.held.get_mut(&into.partition()) {
                // It was on its way when the source was paused.
                Some(held) => {
                    held.batch.append_tail(into);
                    Ok(Polled::Idle)
                }
                None => Ok(self.admit(into, None)),
            },
            Polled::CaughtUp { partition, .. } | Polled::Ended(partition) => {
                match self.held.get_mut(partition) {
                    Some(held) => {
                        held.behind = Some(polled);
                        Ok(Polled::Idle)
                    }
                    None => Ok(polled),
                }
            }
            Polled::Revoked(partitions) | Polled::Lost(partitions) => {
                self.forget(partitions);
                Ok(polled)
            }
            Polled::Assigned(_) | Polled::Idle => Ok(polled),
        }
    }

    fn attend(&mut self) {
        self.inner.attend();
    }

    fn pause(&mut self, partition: Partition) {
        self.paused.insert(partition);
        self.inner.pause(partition);
    }

    fn resume(&mut self, partition: Partition) {
        self.paused.remove(&partition);
        if !self.held.contains_key(&partition) {
            self.inner.resume(partition);
        }
    }

    fn commit_hint(&mut self, positions: &[(Partition, NextOffset)]) {
        self.inner.commit_hint(positions);
    }
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
