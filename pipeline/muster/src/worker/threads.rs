//! The threads around the control loop: workers, which own partitions, and the committer, which owns the lake's edge.
//!
//! In: messages from control.  Out: messages to control.  Owns: per worker its partitions' work; the store.
//! Absent on purpose: a bound on the queues: control counts what is under way and stops reading instead, so that it
//! never waits while it should poll.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::thread::Scope;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use lake::KnownIds;
use model::{EventTime, Partition};
use source::RawBatch;

use super::partition::{Cut, PartitionWork};
use super::pipeline::{End, Outlets};
use super::ruling::Ruled;
use super::store::{Committed, Drained, Heard, Owned, Request, Store};
use super::tally::Tally;
use super::world::World;
use crate::failure::Failure;

pub(super) enum ToWorker {
    Own(Box<PartitionWork>),
    Batch(RawBatch),
    CaughtUp(Partition, EventTime),
    End(Partition, End),
    Cut,
    /// Forget alerts that were over long ago.
    Tidy,
    Drop(Partition),
    Drained(Box<Drained>),
    /// The answer to a question about people of other partitions.
    Heard(Box<Heard>),
    /// What rules answer at an instant.
    Ruled(Partition, Arc<Ruled>),
    /// Newer filters over the identities of a partition.
    Known(Partition, KnownIds),
}

pub(super) enum FromWorker {
    /// A batch was taken; so many rows more wait for a cut.
    Spent {
        worker: usize,
        batch: RawBatch,
        rows: usize,
        /// Partitions that records of it were appended to again.
        forwarded: Vec<Partition>,
    },
    /// What each partition hands over, and what was counted of alerts meanwhile.
    Cut(Vec<Cut>, Box<Tally>),
    /// What rules answer at an instant.
    Ruled(Box<Ruled>),
    /// Files of rules changed; whether they are in force.
    RulesRead(bool),
    /// Every instant of an input that has ended was asked.
    RulesDone,
    Failed(Box<Failure>),
}

pub(super) enum ToCommitter {
    Claim(Vec<Partition>),
    Release(Vec<Partition>),
    Commit(Request),
}

pub(super) enum FromCommitter {
    Owned(Result<Vec<Owned>, Box<Failure>>),
    /// What a commit did, and how long it took.
    Committed(Result<Committed, Box<Failure>>, Duration),
}

/// Starts the worker thread number `worker`.
pub(super) fn spawn_worker<'scope>(
    scope: &'scope Scope<'scope, '_>,
    worker: usize,
    inbox: Receiver<ToWorker>,
    outbox: Sender<FromWorker>,
    world: &'scope ArcSwap<World>,
    outlets: &'scope Outlets,
) {
    scope.spawn(move || {
        if let Err(failure) = work(worker, &inbox, &outbox, world, outlets) {
            let _ = outbox.send(FromWorker::Failed(failure));
        }
    });
}

/// One worker thread: owns its partitions until its queue is closed.
fn work(
    worker: usize,
    inbox: &Receiver<ToWorker>,
    outbox: &Sender<FromWorker>,
    world: &ArcSwap<World>,
    outlets: &Outlets,
) -> Result<(), Box<Failure>> {
    let mut owned: BTreeMap<Partition, PartitionWork> = BTreeMap::new();
    for message in inbox {
        let world = world.load();
        let say = |message| {
            // Control that is gone needs no answer.
            let _ = outbox.send(message);
        };
        match message {
            ToWorker::Own(work) => {
                let work = owned.entry(work.partition()).insert_entry(*work).into_mut();
                work.restate(&world, outlets);
            }
            ToWorker::Batch(mut batch) => {
                let (mut rows, mut forwarded) = (0, Vec::new());
                if let Some(work) = owned.get_mut(&batch.partition()) {
                    let before = work.buffered();
                    work.take(&mut batch, &world, outlets)?;
                    rows = work.buffered().saturating_sub(before);
                    forwarded = work.take_forwarded();
                }
                say(FromWorker::Spent { worker, batch, rows, forwarded });
            }
            ToWorker::CaughtUp(partition, at) => {
                if let Some(work) = owned.get_mut(&partition) {
                    work.caught_up(at, &world, outlets);
                }
            }
            ToWorker::End(partition, end) => {
                if let Some(work) = owned.get_mut(&partition) {
                    work.end(end, &world, outlets)?;
                }
            }
            ToWorker::Drained(drained) => {
                if let Some(work) = owned.get_mut(&drained.partition) {
                    work.drain(*drained, &world, outlets)?;
                }
            }
            ToWorker::Heard(heard) => {
                if let Some(work) = owned.get_mut(&heard.partition) {
                    work.heard(&heard, &world, outlets);
                }
            }
            ToWorker::Ruled(partition, ruled) => {
                if let Some(work) = owned.get_mut(&partition) {
                    work.ruled(&ruled, &world, outlets);
                }
            }
            ToWorker::Known(partition, known) => {
                if let Some(work) = owned.get_mut(&partition) {
                    work.learn(known);
                }
            }
            ToWorker::Drop(partition) => {
                owned.remove(&partition);
            }
            ToWorker::Tidy => owned.values().for_each(|work| work.tidy(outlets)),
            ToWorker::Cut => {
                let spoken = Box::new(outlets.alerts.settle()?);
                say(FromWorker::Cut(owned.values_mut().map(PartitionWork::cut).collect(), spoken));
            }
        }
    }
    Ok(())
}

/// The committer thread: one request after the other, until control is gone.
pub(super) fn commit_all(store: &mut Store, inbox: &Receiver<ToCommitter>, outbox: &Sender<FromCommitter>) {
    for message in inbox {
        let answer = match message {
            ToCommitter::Claim(partitions) => FromCommitter::Owned(store.own(&partitions)),
            ToCommitter::Release(partitions) => {
                store.release(&partitions);
                continue;
            }
            ToCommitter::Commit(request) => {
                let begun = Instant::now();
                FromCommitter::Committed(store.commit(request), begun.elapsed())
            }
        };
        if outbox.send(answer).is_err() {
            return;
        }
    }
}
