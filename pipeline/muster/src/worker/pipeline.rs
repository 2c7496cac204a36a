//! A run: what it works with, what it is told, who watches it.
//!
//! In: a source, a store, outlets.  Out: the run's tally.  Owns: worker threads, the committer thread, their queues.
//! Absent on purpose: the loop itself (`control`) and any look into a record.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use alerts::Outlet;
use arc_swap::ArcSwap;
use model::position::LogClock;
use model::{Anomaly, EventTime, NextOffset, Partition, ShiftResult};
use source::{Source, StartAt};

use super::backlog::Buffered;
use super::burier::{Burier, bury_all};
use super::control::Control;
use super::letters::Letters;
use super::misplaced::Forwarder;
use super::partition::PartitionSettings;
use super::patience::Patience;
use super::ruling::{Rules, rule_all};
use super::speaker::{Speaker, speak};
use super::store::Store;
use super::tally::Tally;
use super::threads::{commit_all, spawn_worker};
use super::world::World;
use crate::failure::Failure;

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
    /// Bytes read and not committed, as they were read, before polling pauses: rows on their way to the lake count, too.
    pub buffered_bytes_max: u64,
    /// Where a partition that no frontier knows is read from.
    pub start: StartAt,
    /// When the run ends.
    pub end: End,
    /// What to do when another owner has claimed a partition in the lake that the log still gives to this run.
    pub rivals: Rivals,
}

/// What to do about other owners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rivals {
    /// Claim it again: the log says whose it is, and the other one will hear of it.
    Overtake,
    /// Stop: no log says whose a replayed file is.
    GiveWay,
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
    /// Called at every cut and after every commit.
    fn watch(&mut self, status: &Status<'_>);

    /// Called with what was said in each cut, in order: versions of anomalies, and, where it [wants them](Self::wants_results),
    /// of shift results.
    fn said(&mut self, anomalies: &[Anomaly], results: &[ShiftResult]);

    /// Whether [`Self::said`] is to be told of shift results: there are as many as punches, and each is a copy.
    fn wants_results(&self) -> bool {
        false
    }
}

/// Where a run stands.
#[derive(Debug)]
pub struct Status<'a> {
    /// What was counted up to the last cut.
    pub tally: &'a Tally,
    /// The latest clock of any partition.
    pub clock: EventTime,
    /// The partitions this process holds.
    pub partitions: &'a BTreeMap<Partition, Progress>,
    /// Rows waiting for a commit.
    pub buffered_rows: usize,
    /// Partitions not read at present, because their worker or the lake has to catch up.
    pub paused: usize,
    /// What happened at the edges.
    pub events: &'a Events,
}

/// How far one partition has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Judged up to here, as of the last cut.
    pub judged: NextOffset,
    /// In the lake up to here.
    pub committed: NextOffset,
    /// The log's clock as committed.
    pub committed_clock: LogClock,
    /// The log's end as the source last told it.
    pub end: Option<NextOffset>,
    /// The log's clock as of the last cut.
    pub clock: LogClock,
    /// Whether it is not read at present, because its worker or the lake has to catch up.
    pub is_paused: bool,
    /// What was read of it and is not committed yet.
    pub buffered: Buffered,
}

impl Progress {
    /// Not begun.
    pub(super) const START: Self = Self {
        judged: NextOffset::START,
        committed: NextOffset::START,
        committed_clock: LogClock::UNSET,
        end: None,
        clock: LogClock::UNSET,
        is_paused: false,
        buffered: Buffered { records: 0, bytes: 0 },
    };
}

/// Counts of what happens at a run's edges, since its start.
#[derive(Clone, Debug, Default)]
pub struct Events {
    /// Rows added to `punches`.
    pub committed_rows: u64,
    /// Rows added, by table.
    pub lake_rows: BTreeMap<&'static str, u64>,
    /// Commits that are in the lake.
    pub commits: u64,
    /// Milliseconds the last cut took to be committed, all its tables together.
    pub last_commit_ms: u64,
    /// Partitions claimed.
    pub claims: u64,
    /// Partitions the log took away, in good order or not.
    pub revoked: u64,
    /// Partitions that another owner had claimed in the lake while this process held them.
    pub overtaken: u64,
    /// How often each rule answered, and failed.
    pub rules: BTreeMap<Arc<str>, RuleCounts>,
    /// How often changed rules came into force, and were refused.
    pub rule_sets: RuleCounts,
}

/// How one rule goes.
#[derive(Clone, Copy, Debug, Default)]
pub struct RuleCounts {
    /// Answers.
    pub done: u64,
    /// Failures.
    pub failed: u64,
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
    /// Takes misplaced records to their own partition; a log of one partition needs none, and one that may not be written
    /// has none.
    pub forwarder: Option<Forwarder>,
    /// Rules in SQL, where there are any.
    pub rules: Option<Rules>,
    /// How long it waits for a log, a lake or a disk that does not answer.
    pub patience: Patience,
    /// What the run is told.
    pub settings: Settings,
    /// Set from outside to end the run in good order: drain what was read, commit, return.
    pub stop: &'a AtomicBool,
    /// The run ends by itself only once this is set: whoever fills the log is done.
    pub may_end: &'a AtomicBool,
}

/// What workers share: only a batch that has something for it uses it.
pub(super) struct Outlets {
    pub(super) alerts: Speaker,
    pub(super) letters: Mutex<Box<dyn Letters>>,
    pub(super) burier: Burier,
    pub(super) forwarder: Option<Mutex<Forwarder>>,
    pub(super) patience: Patience,
}

impl Pipeline<'_> {
    /// Runs until `Settings::end`, or until stopped.
    ///
    /// # Errors
    /// What the log, the lake or an outlet says that cannot be retried. What was committed before stays.
    pub fn run(self, observer: &mut dyn Observer) -> Result<Tally, Box<Failure>> {
        let (speaker, speaker_inbox) = Speaker::new();
        let (burier, burier_inbox) = Burier::new();
        let outlets = Outlets {
            alerts: speaker,
            letters: Mutex::new(self.letters),
            burier,
            forwarder: self.forwarder.map(Mutex::new),
            patience: self.patience.clone(),
        };
        let workers = self.settings.threads.clamp(1, self.source.identity().partitions as usize);
        let (to_control, from_workers) = mpsc::channel();
        let (to_committer, committer_inbox) = mpsc::channel();
        let (committed, from_committer) = mpsc::channel();
        let mut settings = self.settings;
        settings.partition.tells_results = observer.wants_results();
        let mut store = self.store.patient(self.patience.clone());
        let patience = self.patience;
        let (rules, rules_are_over) = (self.rules, AtomicBool::new(false));
        let (outlet, wall) = (self.outlet, &settings.partition.wall);
        thread::scope(|scope| {
            let patience = &patience;
            scope.spawn(move || speak(outlet, &speaker_inbox, wall, patience));
            // However this ends: the scope waits for the speaker, and for whoever buries, too.
            let _ending = outlets.alerts.end_when_dropped();
            let letters = &outlets.letters;
            scope.spawn(move || bury_all(letters, &burier_inbox, patience));
            let _burying = outlets.burier.end_when_dropped();
            let mut queues = Vec::new();
            for worker in 0..workers {
                let (queue, inbox) = mpsc::channel();
                spawn_worker(scope, worker, inbox, to_control.clone(), self.world, &outlets);
                queues.push(queue);
            }
            let answers = to_control;
            scope.spawn(move || commit_all(&mut store, &committer_inbox, &committed));
            let rules_are_over = &rules_are_over;
            let to_ruler = rules.map(|rules| {
                let (to_ruler, inbox) = mpsc::channel();
                scope.spawn(move || rule_all(rules, &inbox, answers, rules_are_over));
                to_ruler
            });
            let ran = Control::new(
                self.source,
                &settings,
                &outlets,
                (self.stop, self.may_end),
                (queues, from_workers),
                (to_committer, from_committer),
                to_ruler,
            )
            .run(observer);
            rules_are_over.store(true, Ordering::Relaxed);
            ran
        })
    }
}
