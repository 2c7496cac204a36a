//! The control loop: polls the source, feeds workers, cuts and commits, recovers what was lost.
//!
//! ```text
//!   Assigned ─▶ claim, fold ─▶ Reading ─▶ EndAsked ─▶ Ended
//!                  ▲              │ a commit met another owner's claim
//!                  └─ still ours ─┴▶ Overtaken          Revoked, Lost: dropped, released
//! ```
//!
//! In: what the source, the workers and the committer say.  Out: messages to them; a `Status` to the observer.
//! Owns: which partition stands where, and the rows gathered for the next commit.
//! Absent on purpose: any look into a record, and waiting for a worker: a worker with enough to do has its partitions
//! paused, while the source goes on being polled.
//! Invariants: an assigned partition is never left idle: it is claimed, folded and started before the next poll; one
//! commit is in flight at a time; rows waiting stay under `buffered_rows_max` plus `QUEUE_BATCHES_MAX` batches a worker;
//! nothing of a partition that was taken away is committed behind that, kept by the generation every cut carries.
//! Why so: one thread that polls keeps a Kafka consumer in its group whatever workers and commits do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use alerts::SaidAlert;
use arc_swap::ArcSwap;
use frontier::PartitionFrontier;
use model::position::Generation;
use model::{EventTime, NextOffset, Partition};
use schemas::tables::punches;
use source::{ErrorKind, Polled, RawBatch, Source, StartAt};

use super::backlog::Backlog;
use super::partition::{ClockMode, Cut, PartitionWork};
use super::patience::await_log;
use super::pipeline::{End, Events, Observer, Outlets, Progress, Rivals, Settings, Status};
use super::ruling::{Ruled, Standing, ToRuler};
use super::store::{Committed, Owned, Part, Request};
use super::tally::Tally;
use super::threads::{FromCommitter, FromWorker, ToCommitter, ToWorker};
use super::world::World;
use crate::failure::Failure;
use crate::files;

/// Batches under way to one worker before its partitions are paused.
const QUEUE_BATCHES_MAX: usize = 4;

/// How long a commit of nothing but clocks waits.
const CLOCK_COMMIT_EVERY: Duration = Duration::from_secs(60);

/// How long one poll waits where nothing happens.
const POLL_WAIT: Duration = Duration::from_millis(20);

/// How long one poll waits while some partitions are paused: their workers may be done any moment.
const BUSY_WAIT: Duration = Duration::from_millis(1);

/// How long the loop waits for a worker while everything is paused.
const PAUSED_WAIT: Duration = Duration::from_millis(5);

/// How long a partition that another owner has claimed must stay assigned to this process before it is claimed back: a
/// process that was stalled hears within this that the group has given its partitions away.
const OVERTAKEN_WAIT: Duration = Duration::from_secs(3);

/// How long the loop waits after the log did not answer.
const SILENCE_WAIT: Duration = Duration::from_millis(200);

/// How often alerts that were over long ago are forgotten: it reads the whole alerts topic.
const TIDY_EVERY: Duration = Duration::from_secs(6 * 3_600);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Reading,
    EndAsked,
    Ended,
    Overtaken(Instant),
}

struct Holding {
    stage: Stage,
    /// Read to its end, as far as the run's own end asks for.
    is_caught_up: bool,
    worker: usize,
    generation: Generation,
}

pub(super) struct Control<'a> {
    source: &'a mut dyn Source,
    settings: &'a Settings,
    world: &'a ArcSwap<World>,
    outlets: &'a Outlets,
    stop: &'a AtomicBool,
    may_end: &'a AtomicBool,
    queues: Vec<Sender<ToWorker>>,
    from_workers: Receiver<FromWorker>,
    to_committer: Sender<ToCommitter>,
    from_committer: Receiver<FromCommitter>,
    /// Where rules are asked, if there are any.
    to_ruler: Option<Sender<ToRuler>>,
    /// Whether no more answers of rules will come.
    rules_are_over: bool,
    /// Batches under way to each worker.
    under_way: Vec<usize>,
    spare: Vec<RawBatch>,
    held: BTreeMap<Partition, Holding>,
    progress: BTreeMap<Partition, Progress>,
    backlogs: BTreeMap<Partition, Backlog>,
    paused: BTreeSet<Partition>,
    standing: BTreeMap<Partition, Standing>,
    tally: Tally,
    events: Events,
    clock: EventTime,
    buffered: usize,
    cuts_due: usize,
    gathered: Vec<Cut>,
    in_flight: bool,
    last_cut: Instant,
    dirty: bool,
    last_commit: Instant,
    last_tidy: Instant,
}

impl<'a> Control<'a> {
    pub(super) fn new(
        source: &'a mut dyn Source,
        settings: &'a Settings,
        (world, outlets): (&'a ArcSwap<World>, &'a Outlets),
        (stop, may_end): (&'a AtomicBool, &'a AtomicBool),
        (queues, from_workers): (Vec<Sender<ToWorker>>, Receiver<FromWorker>),
        (to_committer, from_committer): (Sender<ToCommitter>, Receiver<FromCommitter>),
        to_ruler: Option<Sender<ToRuler>>,
    ) -> Self {
        Self {
            source,
            settings,
            world,
            outlets,
            stop,
            may_end,
            under_way: vec![0; queues.len()],
            queues,
            from_workers,
            to_committer,
            from_committer,
            to_ruler,
            rules_are_over: false,
            spare: Vec::new(),
            held: BTreeMap::new(),
            progress: BTreeMap::new(),
            backlogs: BTreeMap::new(),
            paused: BTreeSet::new(),
            standing: BTreeMap::new(),
            tally: Tally::default(),
            events: Events::default(),
            clock: EventTime::from_us(0),
            buffered: 0,
            cuts_due: 0,
            gathered: Vec::new(),
            in_flight: false,
            last_cut: Instant::now(),
            dirty: false,
            last_commit: Instant::now(),
            last_tidy: Instant::now(),
        }
    }

    /// Runs until the end that the settings name, or until stopped.
    pub(super) fn run(&mut self, observer: &mut dyn Observer) -> Result<Tally, Box<Failure>> {
        loop {
            self.hear(observer)?;
            if self.is_over() {
                self.settle(observer)?;
                self.finish_rules(observer)?;
                return Ok(std::mem::take(&mut self.tally));
            }
            let is_full = self.buffered >= self.settings.buffered_rows_max;
            let is_due = self.last_cut.elapsed() >= self.settings.commit_every || !self.reads_on();
            if is_full || self.dirty && is_due {
                self.ask_for_cut();
            }
            if self.last_tidy.elapsed() >= TIDY_EVERY {
                self.last_tidy = Instant::now();
                self.tell_all(|| ToWorker::Tidy);
            }
            self.ask_for_end();
            self.reclaim()?;
            self.hold_back(is_full);
            if self.paused.is_empty() {
                self.poll(POLL_WAIT)?;
            } else if self.paused.len() < self.held.len() {
                self.poll(BUSY_WAIT)?;
            } else {
                self.poll(Duration::ZERO)?;
                self.wait_a_little(PAUSED_WAIT, observer)?;
            }
        }
    }

    fn is_over(&self) -> bool {
        let has_ended = |holding: &Holding| holding.stage == Stage::Ended;
        let ended = !self.held.is_empty() && self.held.values().all(has_ended);
        self.stop.load(Ordering::Relaxed) || ended
    }

    /// Behind an input that has ended: waits for the last answers of rules, and says and commits what they find.
    fn finish_rules(&mut self, observer: &mut dyn Observer) -> Result<(), Box<Failure>> {
        if self.to_ruler.is_none() || self.stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.ask_ruler(ToRuler::Finish);
        while !self.rules_are_over && !self.stop.load(Ordering::Relaxed) {
            self.wait_a_little(POLL_WAIT, observer)?;
        }
        self.settle(observer)
    }

    /// Hands what rules answer to every partition held here: each says what is about its own subjects.
    fn take_ruled(&mut self, ruled: Ruled) {
        self.dirty = true;
        for (rule, failed) in &ruled.runs {
            let counts = self.events.rules.entry(rule.clone()).or_default();
            let count = if failed.is_none() { &mut counts.done } else { &mut counts.failed };
            *count += 1;
        }
        let ruled = Arc::new(ruled);
        for (partition, holding) in &self.held {
            // A worker that is gone has sent why.
            let _ = self.queues[holding.worker].send(ToWorker::Ruled(*partition, Arc::clone(&ruled)));
        }
    }

    fn ask_ruler(&self, message: ToRuler) {
        if let Some(to_ruler) = &self.to_ruler {
            // Without rules punches go on.
            let _ = to_ruler.send(message);
        }
    }

    /// Whether any partition may still bring records.
    fn reads_on(&self) -> bool {
        self.held.is_empty() || self.held.values().any(|holding| holding.stage == Stage::Reading)
    }

    /// Overload pauses the source: partitions whose worker has enough to do, and all of them while the lake has to take
    /// what waits.
    fn hold_back(&mut self, is_full: bool) {
        for (partition, holding) in &self.held {
            let is_busy = self.under_way[holding.worker] >= QUEUE_BATCHES_MAX;
            let is_overtaken = matches!(holding.stage, Stage::Overtaken(_));
            if is_full || is_busy || is_overtaken {
                if self.paused.insert(*partition) {
                    self.source.pause(*partition);
                }
            } else if self.paused.remove(partition) {
                self.source.resume(*partition);
            }
            if let Some(progress) = self.progress.get_mut(partition) {
                progress.is_paused = self.paused.contains(partition);
            }
        }
    }

    fn poll(&mut self, wait: Duration) -> Result<(), Box<Failure>> {
        let mut batch = self.spare.pop().unwrap_or_default();
        // Asked before the poll: what it then finds to be the end is the end of everything that was appended.
        let may_end = self.may_end.load(Ordering::Acquire);
        let polled = match self.source.poll(wait, &mut batch) {
            Err(error) if error.kind() == ErrorKind::Unreachable => {
                tracing::warn!(%error, "the log does not answer");
                std::thread::sleep(SILENCE_WAIT);
                Polled::Idle
            }
            polled => polled.map_err(files::failure)?,
        };
        match polled {
            Polled::Assigned(partitions) => self.own(partitions)?,
            Polled::Revoked(partitions) | Polled::Lost(partitions) => self.give_up(partitions),
            Polled::Batch => {
                let partition = batch.partition();
                if let Some(holding) = self.held.get_mut(&partition).filter(|holding| holding.is_read()) {
                    holding.is_caught_up = false;
                    self.dirty = true;
                    self.under_way[holding.worker] += 1;
                    let backlog = self.backlogs.entry(partition).or_default();
                    backlog.read(&batch);
                    self.progress.entry(partition).or_insert(Progress::START).buffered = backlog.buffered();
                    self.send(partition, ToWorker::Batch(batch));
                    return Ok(());
                }
            }
            Polled::CaughtUp { partition, next, at } => self.caught_up(partition, next, at, may_end),
            Polled::Ended(partition) => self.note_caught_up(partition),
            Polled::Idle => {}
        }
        self.spare.push(batch);
        Ok(())
    }

    fn caught_up(&mut self, partition: Partition, next: NextOffset, at: EventTime, may_end: bool) {
        if !self.held.get(&partition).is_some_and(Holding::is_read) {
            return;
        }
        self.progress.entry(partition).or_insert(Progress::START).end = Some(next);
        self.send(partition, ToWorker::CaughtUp(partition, at));
        self.dirty = true;
        let is_due = match self.settings.end {
            End::Never => false,
            End::Settled => true,
            End::At(time) => self.settings.partition.clock == ClockMode::Record || at >= time,
        };
        if may_end && is_due {
            self.note_caught_up(partition);
        }
    }

    fn note_caught_up(&mut self, partition: Partition) {
        if let Some(holding) = self.held.get_mut(&partition) {
            holding.is_caught_up = true;
        }
    }

    /// Asks for the end once every partition was read to its own, and no worker has anything under way that could
    /// still bring a record to another partition.
    fn ask_for_end(&mut self) {
        if self.under_way.iter().any(|batches| *batches > 0)
            || self.held.values().any(|holding| !holding.is_caught_up)
        {
            return;
        }
        let reading = |(partition, holding): (&Partition, &mut Holding)| {
            let is_due = holding.stage == Stage::Reading;
            if is_due {
                holding.stage = Stage::EndAsked;
            }
            is_due.then_some(*partition)
        };
        let due: Vec<Partition> = self.held.iter_mut().filter_map(reading).collect();
        for partition in due {
            self.dirty = true;
            self.send(partition, ToWorker::End(partition, self.settings.end));
        }
    }

    /// The log has given `partitions` to somebody else: what is not committed is theirs to read again.
    fn give_up(&mut self, partitions: Vec<Partition>) {
        self.events.revoked += partitions.len() as u64;
        for partition in &partitions {
            self.send(*partition, ToWorker::Drop(*partition));
            self.held.remove(partition);
            self.progress.remove(partition);
            self.backlogs.remove(partition);
            self.paused.remove(partition);
        }
        self.ask_committer(ToCommitter::Release(partitions));
    }

    /// Claims, folds and starts `partitions`. Waits for it: nothing of them may be read before.
    fn own(&mut self, partitions: Vec<Partition>) -> Result<(), Box<Failure>> {
        self.finish_commit()?;
        self.ask_committer(ToCommitter::Claim(partitions));
        let owned = loop {
            match self.from_committer.recv() {
                Ok(FromCommitter::Owned(owned)) => break owned?,
                Ok(FromCommitter::Committed(committed, took)) => self.take_committed(committed, took)?,
                Err(_) => return Err(Box::new(Failure::from_outside("the committer thread died"))),
            }
        };
        let owners = owned.iter().map(|owned| (owned.partition, owned.generation)).collect();
        let standing = |owned: &Owned| Standing::of(owned.ruled_until, owned.frontier);
        self.ask_ruler(ToRuler::Own(owned.iter().map(standing).collect()));
        let mut said = self.outlets.alerts.take_over(owners)?;
        let mut starts = Vec::new();
        for owned in owned {
            let said = said.remove(&owned.partition).unwrap_or_default();
            starts.push(self.start(owned, said)?);
        }
        self.source.start(&starts).map_err(files::failure)?;
        self.dirty = true;
        Ok(())
    }

    /// Hands a claimed and folded partition to a worker; gives the position to read it from.
    fn start(
        &mut self,
        mut owned: Owned,
        said: Vec<SaidAlert>,
    ) -> Result<(Partition, NextOffset), Box<Failure>> {
        let partition = owned.partition;
        let committed = owned.frontier.next();
        if committed == NextOffset::START && self.settings.start != StartAt::Earliest {
            let next =
                await_log(|| self.source.locate(partition, self.settings.start)).map_err(files::failure)?;
            owned.frontier = owned.frontier.beginning_at(next);
        }
        let (next, generation) = (owned.frontier.next(), owned.generation);
        // One that was overtaken may still have its former owner's work in a worker.
        self.send(partition, ToWorker::Drop(partition));
        let work = PartitionWork::recover(&self.settings.partition, owned, said, &self.world.load());
        let load = |worker: &usize| self.held.values().filter(|holding| holding.worker == *worker).count();
        let worker = (0..self.queues.len()).min_by_key(load).unwrap_or(0);
        self.held
            .insert(partition, Holding { stage: Stage::Reading, is_caught_up: false, worker, generation });
        let progress = Progress { judged: next, committed, ..Progress::START };
        self.backlogs.remove(&partition);
        self.progress.insert(partition, progress);
        self.events.claims += 1;
        self.send(partition, ToWorker::Own(Box::new(work)));
        Ok((partition, next))
    }

    /// Claims back what another owner has claimed, once the log has had time to say that it is no longer ours.
    fn reclaim(&mut self) -> Result<(), Box<Failure>> {
        let is_due = |holding: &Holding| match holding.stage {
            Stage::Overtaken(since) => since.elapsed() >= OVERTAKEN_WAIT,
            Stage::Reading | Stage::EndAsked | Stage::Ended => false,
        };
        let due: Vec<Partition> = self
            .held
            .iter()
            .filter(|(_, holding)| is_due(holding))
            .map(|(partition, _)| *partition)
            .collect();
        if due.is_empty() { Ok(()) } else { self.own(due) }
    }

    /// Takes in what workers and the committer said meanwhile.
    fn hear(&mut self, observer: &mut dyn Observer) -> Result<(), Box<Failure>> {
        while let Ok(message) = self.from_workers.try_recv() {
            self.take_worker(message, observer)?;
        }
        while let Ok(message) = self.from_committer.try_recv() {
            if let FromCommitter::Committed(committed, took) = message {
                self.take_committed(committed, took)?;
                observer.watch(&self.status());
            }
        }
        Ok(())
    }

    fn take_worker(&mut self, message: FromWorker, observer: &mut dyn Observer) -> Result<(), Box<Failure>> {
        match message {
            FromWorker::Spent { worker, batch, rows, forwarded } => {
                for to in forwarded {
                    // Durable on that partition by now: the source will bring it.
                    if let Some(holding) = self.held.get_mut(&to) {
                        holding.is_caught_up = false;
                    }
                }
                self.under_way[worker] -= 1;
                self.buffered += rows;
                self.spare.push(batch);
            }
            FromWorker::Failed(failure) => return Err(failure),
            FromWorker::Ruled(ruled) => self.take_ruled(*ruled),
            FromWorker::RulesRead(is_taken) => {
                let counts = &mut self.events.rule_sets;
                *(if is_taken { &mut counts.done } else { &mut counts.failed }) += 1;
            }
            FromWorker::RulesDone => self.rules_are_over = true,
            FromWorker::Cut(mut cuts, spoken) => {
                self.cuts_due -= 1;
                self.tally.add(&spoken);
                cuts.retain(|cut| self.is_current(cut));
                for cut in &cuts {
                    self.tally.add(&cut.tally);
                    self.clock = self.clock.max(cut.frontier.clock().time());
                    observer.said(&cut.anomalies, &cut.results);
                    let progress = self.progress.entry(cut.partition).or_insert(Progress::START);
                    (progress.judged, progress.clock) = (cut.frontier.next(), cut.frontier.clock());
                    let holding = self.held.get_mut(&cut.partition);
                    if let Some(holding) = holding.filter(|_| cut.has_ended) {
                        holding.stage = Stage::Ended;
                    }
                }
                self.gathered.extend(cuts);
                observer.watch(&self.status());
                if self.cuts_due == 0 {
                    self.commit();
                }
            }
        }
        Ok(())
    }

    /// Whether a cut is of the work that now holds its partition, not of one that was given up.
    fn is_current(&self, cut: &Cut) -> bool {
        let holding = self.held.get(&cut.partition);
        holding.is_some_and(|holding| holding.generation == cut.generation && !holding.is_overtaken())
    }

    fn status(&self) -> Status<'_> {
        Status {
            tally: &self.tally,
            clock: self.clock,
            partitions: &self.progress,
            buffered_rows: self.buffered,
            paused: self.paused.len(),
            events: &self.events,
        }
    }

    fn commit(&mut self) {
        let mut gathered = std::mem::take(&mut self.gathered);
        gathered.retain(|cut| self.is_current(cut));
        let has_moved = gathered.iter().any(|cut| {
            let committed = self.progress.get(&cut.partition).map(|progress| progress.committed);
            !cut.rows.is_empty()
                || !cut.recalls.is_empty()
                || !cut.listens.is_empty()
                || committed != Some(cut.frontier.next())
        });
        let is_first = self.events.commits == 0;
        if !has_moved && !is_first && !self.is_over() && self.last_commit.elapsed() < CLOCK_COMMIT_EVERY {
            // Nothing but the clock has moved: that can wait, an idle log must not fill the lake with commits.
            return;
        }
        let part = |cut: Cut| {
            let Cut { partition, frontier, rows, recalls, listens, ruled_until, .. } = cut;
            Part { partition, rows, frontier, recalls, listens, ruled_until }
        };
        let request: Request = gathered.into_iter().map(part).collect();
        self.last_commit = Instant::now();
        self.in_flight = true;
        self.ask_committer(ToCommitter::Commit(request));
    }

    fn take_committed(
        &mut self,
        committed: Result<Committed, Box<Failure>>,
        took: Duration,
    ) -> Result<(), Box<Failure>> {
        let committed = committed?;
        self.in_flight = false;
        for (table, rows) in &committed.rows {
            *self.events.lake_rows.entry(table).or_default() += rows;
        }
        self.events.committed_rows += committed.rows.get(punches::NAME).copied().unwrap_or(0);
        self.events.commits += 1;
        self.events.last_commit_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let next = |(partition, frontier): &(Partition, PartitionFrontier)| (*partition, frontier.next());
        self.source.commit_hint(&committed.frontiers.iter().map(next).collect::<Vec<_>>());
        let standings = self.standings(&committed);
        self.ask_ruler(ToRuler::Committed(standings));
        for (partition, frontier) in &committed.frontiers {
            if let Some(progress) = self.progress.get_mut(partition) {
                (progress.committed, progress.committed_clock) = (frontier.next(), frontier.clock());
                if let Some(backlog) = self.backlogs.get_mut(partition) {
                    backlog.committed(frontier.next());
                    progress.buffered = backlog.buffered();
                }
            }
        }
        for drained in committed.drained {
            self.dirty = true;
            self.send(drained.partition, ToWorker::Drained(Box::new(drained)));
        }
        for heard in committed.heard {
            self.dirty = true;
            self.send(heard.partition, ToWorker::Heard(Box::new(heard)));
        }
        for (partition, known) in committed.known {
            self.send(partition, ToWorker::Known(partition, known));
        }
        if !committed.lost.is_empty() && self.settings.rivals == Rivals::GiveWay {
            return Err(Box::new(Failure::outside(
                "another replay has begun to write to this lake, or a month of it was sealed",
                "wait until that has ended, then run the same command again: nothing is lost or doubled",
            )));
        }
        for partition in committed.lost {
            // Another owner has it in the lake: what was judged here does not count.
            let Some(holding) = self.held.get_mut(&partition) else { continue };
            holding.stage = Stage::Overtaken(Instant::now());
            self.events.overtaken += 1;
            self.send(partition, ToWorker::Drop(partition));
        }
        Ok(())
    }

    /// Where every partition held here stands by what is committed.
    fn standings(&mut self, committed: &Committed) -> Vec<Standing> {
        for (partition, frontier) in &committed.frontiers {
            self.standing.insert(*partition, Standing::of(None, *frontier));
        }
        self.standing.retain(|partition, _| self.held.contains_key(partition));
        self.standing.values().copied().collect()
    }

    fn ask_for_cut(&mut self) {
        if self.cuts_due > 0 || self.in_flight {
            return;
        }
        self.last_cut = Instant::now();
        self.dirty = false;
        self.buffered = 0;
        self.cuts_due = self.queues.len();
        self.tell_all(|| ToWorker::Cut);
    }

    fn tell_all(&self, message: impl Fn() -> ToWorker) {
        for queue in &self.queues {
            // A worker that is gone has sent why.
            let _ = queue.send(message());
        }
    }

    /// Cuts and commits until nothing waits.
    fn settle(&mut self, observer: &mut dyn Observer) -> Result<(), Box<Failure>> {
        loop {
            while self.cuts_due > 0 || self.in_flight {
                self.wait_a_little(POLL_WAIT, observer)?;
            }
            self.dirty = false;
            self.ask_for_cut();
            while self.cuts_due > 0 || self.in_flight {
                self.wait_a_little(POLL_WAIT, observer)?;
            }
            if !self.dirty {
                return Ok(());
            }
        }
    }

    fn finish_commit(&mut self) -> Result<(), Box<Failure>> {
        while self.in_flight {
            match self.from_committer.recv() {
                Ok(FromCommitter::Committed(committed, took)) => self.take_committed(committed, took)?,
                Ok(FromCommitter::Owned(_)) => {}
                Err(_) => return Err(Box::new(Failure::from_outside("the committer thread died"))),
            }
        }
        Ok(())
    }

    fn wait_a_little(&mut self, wait: Duration, observer: &mut dyn Observer) -> Result<(), Box<Failure>> {
        if let Ok(message) = self.from_workers.recv_timeout(wait) {
            self.take_worker(message, observer)?;
        }
        self.hear(observer)
    }

    fn send(&self, partition: Partition, message: ToWorker) {
        if let Some(holding) = self.held.get(&partition) {
            // A worker that is gone has sent why; that message ends the run.
            let _ = self.queues[holding.worker].send(message);
        }
    }

    fn ask_committer(&self, message: ToCommitter) {
        // A committer that is gone is found out by whoever waits for its answer.
        let _ = self.to_committer.send(message);
    }
}

impl Holding {
    fn is_read(&self) -> bool {
        !self.is_overtaken()
    }

    fn is_overtaken(&self) -> bool {
        matches!(self.stage, Stage::Overtaken(_))
    }
}
