//! The control loop: polls the source, feeds workers, cuts and commits, recovers what was lost.
//!
//! In: what the source, the workers and the committer say.  Out: messages to them; a `Status` to the observer.
//! Owns: the rows gathered for the next commit; which partition stands where is `frontier::Holdings`' to say.
//! Absent on purpose: any look into a record, and waiting for a worker: a worker with enough to do has its partitions
//! paused, while the source goes on being polled.
//! Invariants: an assigned partition is never left idle: it is claimed, folded and started before the next poll; one
//! commit is in flight at a time; rows waiting stay under `buffered_rows_max`, bytes that are read and not committed under
//! `buffered_bytes_max`, plus `QUEUE_BATCHES_MAX` batches a worker; nothing of a partition that was taken away is committed
//! behind that, kept by the generation every cut carries.
//! Why so: one thread that polls keeps a Kafka consumer in its group whatever workers and commits do. While it waits itself
//! for a claim, it stays with the log by `Source::attend`: a store that is down for an hour costs no membership.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use alerts::SaidAlert;
use frontier::{Flow, Holdings, PartitionFrontier};
use model::{EventTime, NextOffset, Partition};
use schemas::tables::punches;
use source::{Polled, RawBatch, Source, StartAt};

use super::backlog::Backlog;
use super::partition::{ClockMode, Cut};
use super::pipeline::{End, Events, Observer, Outlets, Progress, Rivals, Settings, Status};
use super::ruling::{Ruled, Standing, ToRuler};
use super::speaker;
use super::store::{Committed, Owned, Part, Request};
use super::tally::Tally;
use super::threads::{Beginning, FromCommitter, FromWorker, ToCommitter, ToWorker};
use crate::failure::Failure;
use crate::files;

/// How long a commit of nothing but clocks waits.
const CLOCK_COMMIT_EVERY: Duration = Duration::from_secs(60);

/// How long one poll waits where nothing happens.
const POLL_WAIT: Duration = Duration::from_millis(20);

/// How long one poll waits while some partitions are paused: their workers may be done any moment.
const BUSY_WAIT: Duration = Duration::from_millis(1);

/// How long the loop waits for a worker while everything is paused.
const PAUSED_WAIT: Duration = Duration::from_millis(5);

/// How long the loop waits after the log did not answer.
const SILENCE_WAIT: Duration = Duration::from_millis(200);

/// How often the log is attended to while a claim is waited for.
const ATTEND_EVERY: Duration = Duration::from_millis(100);

/// How often the watcher is told where the run stands while nothing is cut.
const WATCH_EVERY: Duration = Duration::from_secs(1);

/// How often alerts that were over long ago are forgotten: it reads the whole alerts topic.
const TIDY_EVERY: Duration = Duration::from_secs(6 * 3_600);

pub(super) struct Control<'a> {
    source: &'a mut dyn Source,
    settings: &'a Settings,
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
    spare: Vec<RawBatch>,
    holdings: Holdings,
    progress: BTreeMap<Partition, Progress>,
    backlogs: BTreeMap<Partition, Backlog>,
    standing: BTreeMap<Partition, Standing>,
    tally: Tally,
    events: Events,
    clock: EventTime,
    buffered: usize,
    gathered: Vec<Cut>,
    begun: Instant,
    last_cut: Instant,
    dirty: bool,
    last_commit: Instant,
    last_tidy: Instant,
    last_watch: Instant,
}

impl<'a> Control<'a> {
    pub(super) fn new(
        source: &'a mut dyn Source,
        settings: &'a Settings,
        outlets: &'a Outlets,
        (stop, may_end): (&'a AtomicBool, &'a AtomicBool),
        (queues, from_workers): (Vec<Sender<ToWorker>>, Receiver<FromWorker>),
        (to_committer, from_committer): (Sender<ToCommitter>, Receiver<FromCommitter>),
        to_ruler: Option<Sender<ToRuler>>,
    ) -> Self {
        Self {
            source,
            settings,
            outlets,
            stop,
            may_end,
            holdings: Holdings::new(queues.len()),
            queues,
            from_workers,
            to_committer,
            from_committer,
            to_ruler,
            rules_are_over: false,
            spare: Vec::new(),
            progress: BTreeMap::new(),
            backlogs: BTreeMap::new(),
            standing: BTreeMap::new(),
            tally: Tally::default(),
            events: Events::default(),
            clock: EventTime::from_us(0),
            buffered: 0,
            gathered: Vec::new(),
            begun: Instant::now(),
            last_cut: Instant::now(),
            dirty: false,
            last_commit: Instant::now(),
            last_tidy: Instant::now(),
            last_watch: Instant::now(),
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
            let is_full = self.is_full();
            let is_due = self.last_cut.elapsed() >= self.settings.commit_every || !self.holdings.reads_on();
            if is_full || self.dirty && is_due {
                self.ask_for_cut();
            }
            if self.last_tidy.elapsed() >= TIDY_EVERY {
                self.last_tidy = Instant::now();
                self.tell_all(|| ToWorker::Tidy);
            }
            if self.last_watch.elapsed() >= WATCH_EVERY {
                self.last_watch = Instant::now();
                observer.watch(&self.status());
            }
            self.ask_for_end();
            self.reclaim()?;
            self.hold_back(is_full);
            if self.holdings.paused() == 0 {
                self.poll(POLL_WAIT)?;
            } else if self.holdings.paused() < self.holdings.len() {
                self.poll(BUSY_WAIT)?;
            } else {
                self.poll(Duration::ZERO)?;
                self.wait_a_little(PAUSED_WAIT, observer)?;
            }
        }
    }

    /// Whether the lake has to take what waits before more is read.
    fn is_full(&self) -> bool {
        let bytes: u64 = self.backlogs.values().map(|backlog| backlog.buffered().bytes).sum();
        self.buffered >= self.settings.buffered_rows_max || bytes >= self.settings.buffered_bytes_max
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.holdings.have_ended()
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
        for partition in self.holdings.partitions() {
            self.send(partition, ToWorker::Ruled(partition, Arc::clone(&ruled)));
        }
    }

    fn ask_ruler(&self, message: ToRuler) {
        if let Some(to_ruler) = &self.to_ruler {
            // Without rules punches go on.
            let _ = to_ruler.send(message);
        }
    }

    /// Pauses and resumes what the holdings say.
    fn hold_back(&mut self, is_full: bool) {
        for (partition, flow) in self.holdings.hold_back(is_full) {
            match flow {
                Flow::Pause => self.source.pause(partition),
                Flow::Resume => self.source.resume(partition),
            }
            if let Some(progress) = self.progress.get_mut(&partition) {
                progress.is_paused = flow == Flow::Pause;
            }
        }
    }

    fn poll(&mut self, wait: Duration) -> Result<(), Box<Failure>> {
        let mut batch = self.spare.pop().unwrap_or_default();
        // Asked before the poll: what it then finds to be the end is the end of everything that was appended.
        let may_end = self.may_end.load(Ordering::Acquire);
        let polled = match self.source.poll(wait, &mut batch) {
            Err(error) if error.action() == source::Action::Retry => {
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
                if self.holdings.take_batch(partition).is_some() {
                    self.dirty = true;
                    let backlog = self.backlogs.entry(partition).or_default();
                    backlog.read(&batch);
                    self.progress.entry(partition).or_insert(Progress::START).buffered = backlog.buffered();
                    self.send(partition, ToWorker::Batch(batch));
                    return Ok(());
                }
            }
            Polled::CaughtUp { partition, next, at } => self.caught_up(partition, next, at, may_end),
            Polled::Ended(partition) => self.holdings.caught_up(partition),
            Polled::Idle => {}
        }
        self.spare.push(batch);
        Ok(())
    }

    fn caught_up(&mut self, partition: Partition, next: NextOffset, at: EventTime, may_end: bool) {
        if !self.holdings.is_read(partition) {
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
            self.holdings.caught_up(partition);
        }
    }

    fn ask_for_end(&mut self) {
        for partition in self.holdings.due_to_end() {
            self.dirty = true;
            self.send(partition, ToWorker::End(partition, self.settings.end));
        }
    }

    /// The log has given `partitions` to somebody else: what is not committed is theirs to read again.
    fn give_up(&mut self, partitions: Vec<Partition>) {
        self.events.revoked += partitions.len() as u64;
        for partition in &partitions {
            self.send(*partition, ToWorker::Drop(*partition));
            self.holdings.give_up(*partition);
            self.progress.remove(partition);
            self.backlogs.remove(partition);
        }
        self.ask_committer(ToCommitter::Release(partitions));
    }

    /// Claims, folds and starts `partitions`. Waits for it: nothing of them may be read before.
    fn own(&mut self, partitions: Vec<Partition>) -> Result<(), Box<Failure>> {
        self.finish_commit()?;
        self.ask_committer(ToCommitter::Claim(partitions));
        let owned = loop {
            match self.hear_committer()? {
                FromCommitter::Owned(owned) => break owned?,
                FromCommitter::Committed(committed, took) => self.take_committed(committed, took)?,
            }
        };
        let owners = owned.iter().map(|owned| (owned.partition, owned.generation)).collect();
        let standing = |owned: &Owned| Standing::of(owned.ruled_until, owned.frontier);
        self.ask_ruler(ToRuler::Own(owned.iter().map(standing).collect()));
        let taking = self.outlets.alerts.take_over(owners);
        let taken = self.await_answer(|_, wait| taking.recv_timeout(wait));
        let mut said = taken.unwrap_or_else(|| Err(speaker::gone()))?;
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
        // One with a clock is not new: nothing was appended to it before, or it was moved here.
        let is_new = committed == NextOffset::START && !owned.frontier.clock().is_set();
        if is_new && self.settings.start != StartAt::Earliest {
            let next = self.outlets.patience.persevere(|| self.source.locate(partition, self.settings.start));
            let next = next.map_err(files::failure)?;
            owned.frontier = owned.frontier.beginning_at(next);
        }
        let (next, generation) = (owned.frontier.next(), owned.generation);
        // One that was overtaken may still have its former owner's work in a worker.
        self.send(partition, ToWorker::Drop(partition));
        let beginning = Beginning { settings: self.settings.partition.clone(), owned, said };
        self.holdings.own(partition, generation);
        let is_paused = self.holdings.is_paused(partition);
        let progress = Progress { judged: next, committed, is_paused, ..Progress::START };
        self.backlogs.remove(&partition);
        self.progress.insert(partition, progress);
        self.events.claims += 1;
        self.send(partition, ToWorker::Own(Box::new(beginning)));
        Ok((partition, next))
    }

    /// Claims back what another owner has claimed, once the log has had time to say that it is no longer ours.
    fn reclaim(&mut self) -> Result<(), Box<Failure>> {
        let due = self.holdings.due_back(self.begun.elapsed());
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
                self.holdings.spent(worker, &forwarded);
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
                let was_last = self.holdings.cut_told();
                self.tally.add(&spoken);
                cuts.retain(|cut| self.is_current(cut));
                for cut in &cuts {
                    self.tally.add(&cut.tally);
                    self.clock = self.clock.max(cut.frontier.clock().time());
                    observer.said(&cut.anomalies, &cut.results);
                    let progress = self.progress.entry(cut.partition).or_insert(Progress::START);
                    (progress.judged, progress.clock) = (cut.frontier.next(), cut.frontier.clock());
                    if cut.has_ended {
                        self.holdings.ended(cut.partition);
                    }
                }
                self.gathered.extend(cuts);
                observer.watch(&self.status());
                if was_last {
                    self.commit();
                }
            }
        }
        Ok(())
    }

    /// Whether a cut is of the work that now holds its partition, not of one that was given up.
    fn is_current(&self, cut: &Cut) -> bool {
        self.holdings.is_current(cut.partition, cut.generation)
    }

    fn status(&self) -> Status<'_> {
        Status {
            tally: &self.tally,
            clock: self.clock,
            partitions: &self.progress,
            buffered_rows: self.buffered,
            paused: self.holdings.paused(),
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
        self.holdings.commit();
        self.ask_committer(ToCommitter::Commit(request));
    }

    fn take_committed(
        &mut self,
        committed: Result<Committed, Box<Failure>>,
        took: Duration,
    ) -> Result<(), Box<Failure>> {
        let committed = committed?;
        let overtaken = self.holdings.committed(&committed.lost, self.begun.elapsed());
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
                "another replay or move has begun to write to this lake, or a month of it was sealed",
                "wait until that has ended, then run the same command again: nothing is lost or doubled",
            )));
        }
        for partition in overtaken {
            // Another owner has it in the lake: what was judged here does not count.
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
        self.standing.retain(|partition, _| self.holdings.worker(*partition).is_some());
        self.standing.values().copied().collect()
    }

    fn ask_for_cut(&mut self) {
        if !self.holdings.ask_for_cut() {
            return;
        }
        self.last_cut = Instant::now();
        self.dirty = false;
        self.buffered = 0;
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
            while self.holdings.is_settling() {
                self.wait_a_little(POLL_WAIT, observer)?;
            }
            self.dirty = false;
            self.ask_for_cut();
            while self.holdings.is_settling() {
                self.wait_a_little(POLL_WAIT, observer)?;
            }
            if !self.dirty {
                return Ok(());
            }
        }
    }

    fn finish_commit(&mut self) -> Result<(), Box<Failure>> {
        while !self.holdings.may_claim() {
            if let FromCommitter::Committed(committed, took) = self.hear_committer()? {
                self.take_committed(committed, took)?;
            }
        }
        Ok(())
    }

    fn hear_committer(&mut self) -> Result<FromCommitter, Box<Failure>> {
        let heard = self.await_answer(|control, wait| control.from_committer.recv_timeout(wait));
        heard.ok_or_else(|| Box::new(Failure::from_outside("the committer thread died")))
    }

    /// Waits for an answer however long it takes, and stays with the log meanwhile; none if nobody is left to give it.
    fn await_answer<T>(
        &mut self,
        answer: impl Fn(&Self, Duration) -> Result<T, RecvTimeoutError>,
    ) -> Option<T> {
        let mut attends = false;
        let answered = loop {
            match answer(self, ATTEND_EVERY) {
                Ok(answer) => break Some(answer),
                Err(RecvTimeoutError::Disconnected) => break None,
                Err(RecvTimeoutError::Timeout) => {
                    if !std::mem::replace(&mut attends, true) {
                        // Or what is read ahead would grow while nobody takes it.
                        self.holdings.partitions().for_each(|partition| self.source.pause(partition));
                    }
                    self.source.attend();
                }
            }
        };
        if attends {
            let goes_on = |partition: &Partition| !self.holdings.is_paused(*partition);
            let partitions: Vec<Partition> = self.holdings.partitions().filter(goes_on).collect();
            partitions.into_iter().for_each(|partition| self.source.resume(partition));
        }
        answered
    }

    fn wait_a_little(&mut self, wait: Duration, observer: &mut dyn Observer) -> Result<(), Box<Failure>> {
        if let Ok(message) = self.from_workers.recv_timeout(wait) {
            self.take_worker(message, observer)?;
        }
        self.hear(observer)
    }

    fn send(&self, partition: Partition, message: ToWorker) {
        if let Some(worker) = self.holdings.worker(partition) {
            // A worker that is gone has sent why; that message ends the run.
            let _ = self.queues[worker].send(message);
        }
    }

    fn ask_committer(&self, message: ToCommitter) {
        // A committer that is gone is found out by whoever waits for its answer.
        let _ = self.to_committer.send(message);
    }
}
