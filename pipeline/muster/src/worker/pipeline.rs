//! The control loop: polls the source, feeds workers, cuts and commits, recovers what was lost.
//!
//! In: a source, a store, outlets.  Out: the run's tally.  Owns: worker threads, the committer thread, their queues.
//! Absent on purpose: any look into a record.
//! Invariants: an assigned partition is never left idle: it is claimed, folded and started before the next poll; one
//! commit is in flight at a time; rows waiting stay under `buffered_rows_max` plus one batch a partition.
//! Why so: one thread that polls keeps a Kafka consumer alive whatever workers and commits do.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use alerts::Outlet;
use arc_swap::ArcSwap;
use frontier::PartitionFrontier;
use model::{Anomaly, EventTime, NextOffset, Partition, ShiftResult};
use source::{Polled, RawBatch, Source};

use super::letters::Letters;
use super::partition::{ClockMode, Cut, PartitionSettings, PartitionWork};
use super::store::{Committed, Drained, Owned, Request, Store};
use super::tally::Tally;
use super::world::World;
use crate::failure::Failure;

/// Batches waiting for one worker.
const QUEUE_BATCHES_MAX: usize = 4;

/// How long a commit of nothing but clocks waits.
const CLOCK_COMMIT_EVERY: Duration = Duration::from_secs(60);

/// How long one poll waits where nothing happens.
const POLL_WAIT: Duration = Duration::from_millis(20);

/// What a run is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What every partition is told.
    pub partition: PartitionSettings,
    /// Worker threads.
    pub threads: usize,
    /// At most so long between two commits while there is something to commit.
    pub commit_every: Duration,
    /// Rows waiting for a commit before one is made early and polling pauses.
    pub buffered_rows_max: usize,
    /// When the run ends.
    pub end: End,
}

/// When a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// When it is stopped.
    Never,
    /// When the source has ended (files) or been read to its end, and every window opened by then has settled.
    Settled,
    /// When the source has been read to its end, and every clock stands here.
    At(EventTime),
}

/// Who watches a run.
pub trait Observer: Send {
    /// Called a few times a second with what was counted so far, rows committed, and the latest clock.
    fn watch(&mut self, tally: &Tally, committed: u64, clock: EventTime);

    /// Called with what was said in each cut, in order: versions of anomalies, and of shift results.
    fn said(&mut self, anomalies: &[Anomaly], results: &[ShiftResult]);
}

/// Everything a run works with.
pub struct Pipeline<'a> {
    /// The log of punches.
    pub source: &'a mut dyn Source,
    /// The lake.
    pub store: Store,
    /// The snapshot in force; swapped from outside.
    pub world: &'a ArcSwap<World>,
    /// Where alerts go.
    pub outlet: Box<dyn Outlet>,
    /// Where dead letters go.
    pub letters: Box<dyn Letters>,
    /// What the run is told.
    pub settings: Settings,
    /// Set from outside to end the run in good order: drain what was read, commit, return.
    pub stop: &'a AtomicBool,
    /// The run ends by itself only once this is set: whoever fills the log is done.
    pub may_end: &'a AtomicBool,
}

enum ToWorker {
    Own(Box<PartitionWork>),
    Batch(RawBatch),
    CaughtUp(Partition, EventTime),
    End(Partition, End),
    Cut,
    Drop(Partition),
    Drained(Box<Drained>),
}

enum FromWorker {
    Spent(RawBatch, usize),
    Ended,
    Cut(Vec<Cut>),
    Failed(Box<Failure>),
}

enum ToCommitter {
    Claim(Vec<Partition>),
    Commit(Box<Request>),
}

enum FromCommitter {
    Owned(Result<Vec<Owned>, Box<Failure>>),
    Committed(Result<Committed, Box<Failure>>),
}

/// What workers share: each is used once a batch at most, and only by a batch that has something for it.
pub(super) struct Outlets {
    pub(super) alerts: Mutex<Box<dyn Outlet>>,
    pub(super) letters: Mutex<Box<dyn Letters>>,
}

impl Pipeline<'_> {
    /// Runs until `Settings::end`, or until stopped.
    ///
    /// # Errors
    /// What the log, the lake or an outlet says that cannot be retried. What was committed before stays.
    pub fn run(self, observer: &mut dyn Observer) -> Result<Tally, Box<Failure>> {
        let outlets = Outlets { alerts: Mutex::new(self.outlet), letters: Mutex::new(self.letters) };
        let workers = self.settings.threads.clamp(1, self.source.identity().partitions as usize);
        let (to_control, from_workers) = mpsc::channel();
        let (to_committer, committer_inbox) = mpsc::channel();
        let (committed, from_committer) = mpsc::channel();
        let mut store = self.store;
        thread::scope(|scope| {
            let mut queues = Vec::new();
            for _ in 0..workers {
                let (queue, inbox) = mpsc::sync_channel(QUEUE_BATCHES_MAX);
                spawn_worker(scope, inbox, to_control.clone(), self.world, &outlets);
                queues.push(queue);
            }
            scope.spawn(move || commit_all(&mut store, &committer_inbox, &committed));
            let mut control = Control {
                source: self.source,
                settings: &self.settings,
                world: self.world,
                outlets: &outlets,
                stop: self.stop,
                may_end: self.may_end,
                queues,
                from_workers,
                to_committer,
                from_committer,
                spare: Vec::new(),
                tally: Tally::default(),
                committed: 0,
                clock: EventTime::from_us(0),
                buffered: 0,
                cuts_due: 0,
                gathered: Vec::new(),
                in_flight: false,
                last_cut: Instant::now(),
                dirty: false,
                positions: Vec::new(),
                last_commit: Instant::now(),
                assigned: BTreeMap::new(),
            };
            control.run(observer)
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Reading,
    EndAsked,
    Ended,
}

struct Control<'a> {
    source: &'a mut dyn Source,
    settings: &'a Settings,
    world: &'a ArcSwap<World>,
    outlets: &'a Outlets,
    stop: &'a AtomicBool,
    may_end: &'a AtomicBool,
    queues: Vec<SyncSender<ToWorker>>,
    from_workers: Receiver<FromWorker>,
    to_committer: Sender<ToCommitter>,
    from_committer: Receiver<FromCommitter>,
    spare: Vec<RawBatch>,
    tally: Tally,
    committed: u64,
    clock: EventTime,
    buffered: usize,
    cuts_due: usize,
    gathered: Vec<Cut>,
    in_flight: bool,
    last_cut: Instant,
    dirty: bool,
    positions: Vec<(Partition, NextOffset)>,
    last_commit: Instant,
    assigned: BTreeMap<Partition, Stage>,
}

impl Control<'_> {
    fn run(&mut self, observer: &mut dyn Observer) -> Result<Tally, Box<Failure>> {
        loop {
            self.hear(observer)?;
            if self.is_over() {
                self.settle(observer)?;
                return Ok(std::mem::take(&mut self.tally));
            }
            let full = self.buffered >= self.settings.buffered_rows_max;
            if full || (self.dirty && self.last_cut.elapsed() >= self.settings.commit_every) {
                self.ask_for_cut();
            }
            if full {
                // Overload pauses the source: nothing is read until the lake has taken what waits.
                self.wait_a_little(observer)?;
            } else {
                self.poll()?;
            }
        }
    }

    fn is_over(&self) -> bool {
        let ended = !self.assigned.is_empty() && self.assigned.values().all(|stage| *stage == Stage::Ended);
        self.stop.load(Ordering::Relaxed) || ended
    }

    fn poll(&mut self) -> Result<(), Box<Failure>> {
        let mut batch = self.spare.pop().unwrap_or_default();
        // Asked before the poll: what it then finds to be the end is the end of everything that was appended.
        let may_end = self.may_end.load(Ordering::Acquire);
        let polled = self.source.poll(POLL_WAIT, &mut batch).map_err(Failure::from_outside)?;
        match polled {
            Polled::Assigned(partitions) => self.own(partitions)?,
            Polled::Revoked(partitions) | Polled::Lost(partitions) => {
                for partition in partitions {
                    self.assigned.remove(&partition);
                    self.send(partition, ToWorker::Drop(partition));
                }
            }
            Polled::Batch => {
                self.dirty = true;
                let partition = batch.partition();
                self.send(partition, ToWorker::Batch(batch));
                return Ok(());
            }
            Polled::CaughtUp { partition, at, .. } => self.caught_up(partition, at, may_end),
            Polled::Ended(partition) => self.ask_for_end(partition),
            Polled::Idle => {}
        }
        self.spare.push(batch);
        Ok(())
    }

    fn caught_up(&mut self, partition: Partition, at: EventTime, may_end: bool) {
        self.send(partition, ToWorker::CaughtUp(partition, at));
        self.dirty = true;
        let is_due = match self.settings.end {
            End::Never => false,
            End::Settled => true,
            End::At(time) => self.settings.partition.clock == ClockMode::Record || at >= time,
        };
        if may_end && is_due {
            self.ask_for_end(partition);
        }
    }

    fn ask_for_end(&mut self, partition: Partition) {
        if let Some(stage @ Stage::Reading) = self.assigned.get_mut(&partition) {
            *stage = Stage::EndAsked;
            self.dirty = true;
            self.send(partition, ToWorker::End(partition, self.settings.end));
        }
    }

    /// Claims, folds and starts `partitions`. Waits for it: nothing of them may be read before.
    fn own(&mut self, partitions: Vec<Partition>) -> Result<(), Box<Failure>> {
        self.finish_commit()?;
        self.ask_committer(ToCommitter::Claim(partitions));
        let owned = loop {
            match self.from_committer.recv() {
                Ok(FromCommitter::Owned(owned)) => break owned?,
                Ok(FromCommitter::Committed(committed)) => self.take_committed(committed)?,
                Err(_) => return Err(Box::new(Failure::from_outside("the committer thread died"))),
            }
        };
        let mut starts = Vec::new();
        for owned in owned {
            let partition = owned.partition;
            starts.push((partition, owned.frontier.next()));
            let said = self.outlets.alerts.lock().map_err(poisoned)?.fold(partition);
            let said = said.map_err(Failure::from_outside)?;
            self.outlets
                .alerts
                .lock()
                .map_err(poisoned)?
                .own(partition, owned.generation)
                .map_err(Failure::from_outside)?;
            let work = PartitionWork::recover(&self.settings.partition, owned, said, &self.world.load());
            self.assigned.insert(partition, Stage::Reading);
            self.send(partition, ToWorker::Own(Box::new(work)));
        }
        self.source.start(&starts).map_err(Failure::from_outside)?;
        self.dirty = true;
        Ok(())
    }

    /// Takes in what workers and the committer said meanwhile.
    fn hear(&mut self, observer: &mut dyn Observer) -> Result<(), Box<Failure>> {
        while let Ok(message) = self.from_workers.try_recv() {
            self.take_worker(message, observer)?;
        }
        while let Ok(message) = self.from_committer.try_recv() {
            if let FromCommitter::Committed(committed) = message {
                self.take_committed(committed)?;
            }
        }
        Ok(())
    }

    fn take_worker(&mut self, message: FromWorker, observer: &mut dyn Observer) -> Result<(), Box<Failure>> {
        match message {
            FromWorker::Spent(batch, rows) => {
                self.buffered += rows;
                self.spare.push(batch);
            }
            FromWorker::Failed(failure) => return Err(failure),
            FromWorker::Ended => {}
            FromWorker::Cut(cuts) => {
                self.cuts_due -= 1;
                for cut in &cuts {
                    self.tally.add(&cut.tally);
                    self.clock = self.clock.max(cut.frontier.clock().time());
                    observer.said(&cut.anomalies, &cut.results);
                    if cut.has_ended {
                        self.assigned.insert(cut.partition, Stage::Ended);
                    }
                }
                self.gathered.extend(cuts);
                observer.watch(&self.tally, self.committed, self.clock);
                if self.cuts_due == 0 {
                    self.commit();
                }
            }
        }
        Ok(())
    }

    fn commit(&mut self) {
        let mut request = Request::default();
        for cut in std::mem::take(&mut self.gathered) {
            request.frontiers.push((cut.partition, cut.frontier));
            request.rows.extend(cut.rows);
            request.recalls.extend(cut.recalls.into_iter().map(|recall| (cut.partition, recall)));
        }
        let position = |(partition, frontier): &(Partition, PartitionFrontier)| (*partition, frontier.next());
        let positions: Vec<_> = request.frontiers.iter().map(position).collect();
        let has_moved =
            !request.rows.is_empty() || !request.recalls.is_empty() || positions != self.positions;
        if !has_moved && !self.is_over() && self.last_commit.elapsed() < CLOCK_COMMIT_EVERY {
            // Nothing but the clock has moved: that can wait, an idle log must not fill the lake with commits.
            return;
        }
        self.positions = positions;
        self.last_commit = Instant::now();
        self.in_flight = true;
        self.ask_committer(ToCommitter::Commit(Box::new(request)));
    }

    fn take_committed(&mut self, committed: Result<Committed, Box<Failure>>) -> Result<(), Box<Failure>> {
        let committed = committed?;
        self.in_flight = false;
        self.committed += committed.rows;
        self.source.commit_hint(&committed.frontiers);
        for drained in committed.drained {
            self.dirty = true;
            self.send(drained.partition, ToWorker::Drained(Box::new(drained)));
        }
        if committed.lost.is_empty() {
            return Ok(());
        }
        // Another owner has them in the lake, yet they are assigned to us: drop everything, claim, fold, resume.
        let lost: Vec<Partition> =
            committed.lost.into_iter().filter(|p| self.assigned.contains_key(p)).collect();
        for partition in &lost {
            self.send(*partition, ToWorker::Drop(*partition));
        }
        self.own(lost)
    }

    fn ask_for_cut(&mut self) {
        if self.cuts_due > 0 || self.in_flight {
            return;
        }
        self.last_cut = Instant::now();
        self.dirty = false;
        self.buffered = 0;
        self.cuts_due = self.queues.len();
        for queue in &self.queues {
            // A worker that is gone has sent why.
            let _ = queue.send(ToWorker::Cut);
        }
    }

    /// Cuts and commits until nothing waits.
    fn settle(&mut self, observer: &mut dyn Observer) -> Result<(), Box<Failure>> {
        loop {
            while self.cuts_due > 0 || self.in_flight {
                self.wait_a_little(observer)?;
            }
            self.dirty = false;
            self.ask_for_cut();
            while self.cuts_due > 0 || self.in_flight {
                self.wait_a_little(observer)?;
            }
            if !self.dirty {
                return Ok(());
            }
        }
    }

    fn finish_commit(&mut self) -> Result<(), Box<Failure>> {
        while self.in_flight {
            match self.from_committer.recv() {
                Ok(FromCommitter::Committed(committed)) => self.take_committed(committed)?,
                Ok(FromCommitter::Owned(_)) => {}
                Err(_) => return Err(Box::new(Failure::from_outside("the committer thread died"))),
            }
        }
        Ok(())
    }

    fn wait_a_little(&mut self, observer: &mut dyn Observer) -> Result<(), Box<Failure>> {
        if let Ok(message) = self.from_workers.recv_timeout(POLL_WAIT) {
            self.take_worker(message, observer)?;
        }
        self.hear(observer)
    }

    fn send(&self, partition: Partition, message: ToWorker) {
        let worker = partition.number() as usize % self.queues.len();
        // A worker that is gone has sent why; that message ends the run.
        let _ = self.queues[worker].send(message);
    }

    fn ask_committer(&self, message: ToCommitter) {
        let _ = self.to_committer.send(message);
    }
}

fn poisoned<T>(_: std::sync::PoisonError<T>) -> Box<Failure> {
    Box::new(Failure::from_outside("a worker died while it published alerts"))
}

fn spawn_worker<'scope>(
    scope: &'scope Scope<'scope, '_>,
    inbox: Receiver<ToWorker>,
    outbox: Sender<FromWorker>,
    world: &'scope ArcSwap<World>,
    outlets: &'scope Outlets,
) {
    scope.spawn(move || {
        if let Err(failure) = work(&inbox, &outbox, world, outlets) {
            let _ = outbox.send(FromWorker::Failed(failure));
        }
    });
}

/// One worker thread: owns its partitions until its queue is closed.
fn work(
    inbox: &Receiver<ToWorker>,
    outbox: &Sender<FromWorker>,
    world: &ArcSwap<World>,
    outlets: &Outlets,
) -> Result<(), Box<Failure>> {
    let mut owned: BTreeMap<Partition, PartitionWork> = BTreeMap::new();
    for message in inbox {
        let world = world.load();
        let say = |message| {
            let _ = outbox.send(message);
        };
        match message {
            ToWorker::Own(work) => {
                let work = owned.entry(work.partition()).insert_entry(*work).into_mut();
                work.restate(&world, outlets)?;
            }
            ToWorker::Batch(mut batch) => {
                let before = owned.get(&batch.partition()).map_or(0, PartitionWork::buffered);
                let mut after = before;
                if let Some(work) = owned.get_mut(&batch.partition()) {
                    work.take(&mut batch, &world, outlets)?;
                    after = work.buffered();
                }
                say(FromWorker::Spent(batch, after.saturating_sub(before)));
            }
            ToWorker::CaughtUp(partition, at) => {
                if let Some(work) = owned.get_mut(&partition) {
                    work.caught_up(at, &world, outlets)?;
                }
            }
            ToWorker::End(partition, end) => {
                if let Some(work) = owned.get_mut(&partition) {
                    work.end(end, &world, outlets)?;
                }
                say(FromWorker::Ended);
            }
            ToWorker::Drained(drained) => {
                if let Some(work) = owned.get_mut(&drained.partition) {
                    work.drain(*drained, &world, outlets)?;
                }
            }
            ToWorker::Drop(partition) => {
                owned.remove(&partition);
            }
            ToWorker::Cut => say(FromWorker::Cut(owned.values_mut().map(PartitionWork::cut).collect())),
        }
    }
    Ok(())
}

/// The committer thread: one request after the other, until control is gone.
fn commit_all(store: &mut Store, inbox: &Receiver<ToCommitter>, outbox: &Sender<FromCommitter>) {
    for message in inbox {
        let answer = match message {
            ToCommitter::Claim(partitions) => FromCommitter::Owned(store.own(&partitions)),
            ToCommitter::Commit(request) => FromCommitter::Committed(store.commit(*request)),
        };
        if outbox.send(answer).is_err() {
            return;
        }
    }
}
