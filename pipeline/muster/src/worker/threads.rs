//! The threads around the control loop: workers, which own partitions, and the committer, which owns the lake's edge.
//!
//! In: messages from control.  Out: messages to control.  Owns: per worker its partitions' work; the store.
//! Absent on purpose: a bound on the queues: control counts what is under way and stops reading instead, so that it
//! never waits while it should poll.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::thread::Scope;
use std::time::{Duration, Instant};

use alerts::SaidAlert;
use arc_swap::ArcSwap;
use lake::KnownIds;
use model::{EventTime, Partition};
use source::RawBatch;

use super::partition::{Cut, PartitionSettings, PartitionWork};
use super::pipeline::{End, Outlets};
use super::ruling::Ruled;
use super::settling::Settling;
use super::store::{Committed, Drained, Heard, Owned, Request, Store};
use super::tally::Tally;
use super::world::World;
use crate::failure::Failure;

pub(super) enum ToWorker {
    Own(Box<Beginning>),
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

/// A partition that was claimed and folded, and what the outlet was told of it.
pub(super) struct Beginning {
    pub(super) settings: PartitionSettings,
    pub(super) owned: Owned,
    pub(super) said: Vec<SaidAlert>,
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

/// How many shift results of a cut are compared between two messages, and how many more for each row that the message made:
/// a cut is over before as many punches have come again.
const COMPARED_AT_ONCE: usize = 128;
const COMPARED_A_ROW: usize = 2;

/// How long a worker with nothing else to do waits for letters and alerts to be durable before it looks again.
const SETTLE_WAIT: Duration = Duration::from_micros(500);

/// A worker's cut in the making: its partitions one after the other, then their dead letters and alerts.
struct Cutting {
    left: Vec<Partition>,
    /// The one that has begun.
    begun: Option<Partition>,
    done: Vec<Cut>,
    settling: Option<(Settling<()>, Settling<Tally>)>,
    are_buried: bool,
}

impl Cutting {
    fn of(owned: &BTreeMap<Partition, PartitionWork>) -> Self {
        let left = owned.keys().rev().copied().collect();
        Self { left, begun: None, done: Vec::new(), settling: None, are_buried: false }
    }

    /// One more step; what to hand over after the last.
    fn go_on(
        &mut self,
        owned: &mut BTreeMap<Partition, PartitionWork>,
        rows: usize,
        outlets: &Outlets,
    ) -> Result<Option<FromWorker>, Box<Failure>> {
        if let Some((letters, alerts)) = &self.settling {
            self.are_buried = self.are_buried || letters.settled()?.is_some();
            let spoken = if self.are_buried { alerts.settled()? } else { None };
            return Ok(spoken.map(|spoken| FromWorker::Cut(std::mem::take(&mut self.done), Box::new(spoken))));
        }
        // One that was taken away meanwhile has no cut.
        let begun =
            self.begun.and_then(|partition| owned.get_mut(&partition)).filter(|work| work.is_cutting());
        if let Some(work) = begun {
            if let Some(cut) = work.go_on_cutting(COMPARED_AT_ONCE + COMPARED_A_ROW * rows) {
                self.done.push(cut);
                self.begun = None;
            }
            return Ok(None);
        }
        self.begun = self.left.pop();
        match self.begun {
            None => self.settling = Some((outlets.burier.settle(), outlets.alerts.settle())),
            Some(partition) => {
                if let Some(work) = owned.get_mut(&partition) {
                    work.begin_cut();
                }
            }
        }
        Ok(None)
    }

    /// Whether nothing is left but to wait.
    fn only_waits(&self) -> bool {
        self.settling.is_some()
    }
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
    let mut cutting: Option<Cutting> = None;
    loop {
        // Punches come first, and a cut is made in between.
        let message = match &cutting {
            None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(cutting) if cutting.only_waits() => inbox.recv_timeout(SETTLE_WAIT),
            Some(_) => inbox.recv_timeout(Duration::ZERO),
        };
        let rows = match message {
            Ok(ToWorker::Cut) => {
                cutting = Some(Cutting::of(&owned));
                0
            }
            Ok(message) => {
                let spent = heed(message, &mut owned, &world.load(), outlets)?;
                let rows = spent.as_ref().map_or(0, |spent| spent.rows);
                if let Some(Spent { batch, rows, forwarded }) = spent {
                    // Control that is gone needs no answer.
                    let _ = outbox.send(FromWorker::Spent { worker, batch, rows, forwarded });
                }
                rows
            }
            Err(RecvTimeoutError::Timeout) => 0,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
        if let Some(going) = &mut cutting
            && let Some(cut) = going.go_on(&mut owned, rows, outlets)?
        {
            let _ = outbox.send(cut);
            cutting = None;
        }
    }
}

/// A batch that was taken.
struct Spent {
    batch: RawBatch,
    rows: usize,
    forwarded: Vec<Partition>,
}

/// Does what one message asks for.
fn heed(
    message: ToWorker,
    owned: &mut BTreeMap<Partition, PartitionWork>,
    world: &World,
    outlets: &Outlets,
) -> Result<Option<Spent>, Box<Failure>> {
    match message {
        ToWorker::Own(beginning) => {
            let Beginning { settings, owned: claimed, said } = *beginning;
            let work = PartitionWork::recover(&settings, claimed, said, world);
            let work = owned.entry(work.partition()).insert_entry(work).into_mut();
            work.restate(world, outlets);
        }
        ToWorker::Batch(mut batch) => {
            let (mut rows, mut forwarded) = (0, Vec::new());
            if let Some(work) = owned.get_mut(&batch.partition()) {
                let before = work.buffered();
                work.take(&mut batch, world, outlets)?;
                rows = work.buffered().saturating_sub(before);
                forwarded = work.take_forwarded();
            }
            return Ok(Some(Spent { batch, rows, forwarded }));
        }
        ToWorker::CaughtUp(partition, at) => {
            if let Some(work) = owned.get_mut(&partition) {
                work.caught_up(at, world, outlets);
            }
        }
        ToWorker::End(partition, end) => {
            if let Some(work) = owned.get_mut(&partition) {
                work.end(end, world, outlets)?;
            }
        }
        ToWorker::Drained(drained) => {
            if let Some(work) = owned.get_mut(&drained.partition) {
                work.drain(*drained, world, outlets)?;
            }
        }
        ToWorker::Heard(heard) => {
            if let Some(work) = owned.get_mut(&heard.partition) {
                work.heard(&heard, world, outlets);
            }
        }
        ToWorker::Ruled(partition, ruled) => {
            if let Some(work) = owned.get_mut(&partition) {
                work.ruled(&ruled, world, outlets);
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
        // Made by whoever heeds the messages.
        ToWorker::Cut => {}
    }
    Ok(None)
}

/// The committer thread: one request after the other, until control is gone; then what the store has begun beside commits.
pub(super) fn commit_all(store: &mut Store, inbox: &Receiver<ToCommitter>, outbox: &Sender<FromCommitter>) {
    heed_all(store, inbox, outbox);
    store.finish();
}

fn heed_all(store: &mut Store, inbox: &Receiver<ToCommitter>, outbox: &Sender<FromCommitter>) {
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
