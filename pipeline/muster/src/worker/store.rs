//! The lake as the pipeline uses it: claim and fold, commit in order, fetch what draining the inbox needs.
//!
//! In: partitions, rows, frontiers.  Out: what was owned, committed, lost.  Owns: the claim, and the inbox's state.
//! Absent on purpose: decisions about outcomes (`frontier` makes them inside `lake`), and retries without end: an outside
//! that stays down ends the run with exit code 3, and the next run resumes.
//! Invariants: I-2 through `Lake::commit`; said state is committed behind the punches it is about.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use arrow::array::RecordBatch;
use attendance::Recall;
use frontier::PartitionFrontier;
use lake::{Action, Claim, Commit, CommitOutcome, Lake, LogIdentity, SaidUntil};
use model::position::{Generation, NextOffset};
use model::{Anomaly, EventTime, Partition, ShiftResult, StoredPunch};
use schemas::tables::{late, punches};
use tokio::runtime::Handle;

use super::rows::Rows;
use crate::failure::Failure;

/// How often a commit is tried again while the outside says no, and how long between two tries.
const COMMIT_TRIES_MAX: u32 = 8;
const COMMIT_WAIT_FIRST: Duration = Duration::from_millis(250);

/// Rows of the inbox drained at once.
const DRAIN_ROWS_MAX: usize = 10_000;

/// How many commits between two rounds of housekeeping.
const MAINTAIN_EVERY_COMMITS: u64 = 50;

/// One partition, claimed and folded.
pub(super) struct Owned {
    /// The partition.
    pub(super) partition: Partition,
    /// How far it has been taken.
    pub(super) frontier: PartitionFrontier,
    /// How far its said state had been committed.
    pub(super) said_until: SaidUntil,
    /// The claim's generation.
    pub(super) generation: Generation,
    /// People with inbox rows drained behind what was said, and the earliest instant of these.
    pub(super) unsaid: Vec<(Arc<str>, EventTime)>,
    /// The punches in memory.
    pub(super) punches: Vec<StoredPunch>,
    /// Punches of earlier files, in memory beside them.
    pub(super) other_logs: Vec<StoredPunch>,
    /// What was last said of shifts.
    pub(super) shift_results: Vec<ShiftResult>,
    /// What was last said of anomalies.
    pub(super) anomalies: Vec<Anomaly>,
    /// Where the log's clock first stood, if it has stood anywhere.
    pub(super) since: Option<EventTime>,
}

/// Rows of the inbox `late` with everything that judging them needs.
pub(super) struct Drained {
    /// The partition.
    pub(super) partition: Partition,
    /// The inbox rows, by offset, in the columns of `punches`.
    pub(super) rows: Vec<RecordBatch>,
    /// People whom memory does not reach.
    pub(super) recalls: Vec<Recall>,
    /// Every stored punch of their people.
    pub(super) history: Vec<StoredPunch>,
    /// What was last said of their shifts.
    pub(super) shift_results: Vec<ShiftResult>,
    /// What was last said about them.
    pub(super) anomalies: Vec<Anomaly>,
}

/// What is to be committed.
#[derive(Default)]
pub(super) struct Request {
    /// The rows of all tables.
    pub(super) rows: Rows,
    /// Where they end.
    pub(super) frontiers: Vec<(Partition, PartitionFrontier)>,
    /// People to be judged from the lake behind this commit.
    pub(super) recalls: Vec<(Partition, Recall)>,
}

/// What a commit did.
#[derive(Default)]
pub(super) struct Committed {
    /// Rows added to `punches`.
    pub(super) rows: u64,
    /// Where the source may forget what lies before.
    pub(super) frontiers: Vec<(Partition, NextOffset)>,
    /// Partitions that another owner has claimed.
    pub(super) lost: Vec<Partition>,
    /// Rows of the inbox, and people, that are now to be judged from the lake.
    pub(super) drained: Vec<Drained>,
}

/// The lake, and what this process has claimed in it.
pub struct Store {
    lake: Lake,
    log: LogIdentity,
    runtime: Handle,
    claim: Option<Claim>,
    state_days: i64,
    inbox: BTreeSet<Partition>,
    handed_out: BTreeMap<Partition, NextOffset>,
    commits: u64,
}

impl Store {
    /// The lake as `log` uses it. `state_days` of punches are folded into memory.
    pub fn new(lake: Lake, log: LogIdentity, runtime: Handle, state_days: i64) -> Self {
        Self {
            lake,
            log,
            runtime,
            claim: None,
            state_days,
            inbox: BTreeSet::new(),
            handed_out: BTreeMap::new(),
            commits: 0,
        }
    }

    /// Claims `partitions` beside those held, and folds them.
    ///
    /// # Errors
    /// What the lake says.
    pub(super) fn own(&mut self, partitions: &[Partition]) -> Result<Vec<Owned>, Box<Failure>> {
        let mut wanted: BTreeSet<Partition> = partitions.iter().copied().collect();
        wanted.extend(self.claim.iter().flat_map(Claim::held));
        let wanted: Vec<Partition> = wanted.into_iter().collect();
        let claim = self.block(|store| store.runtime.block_on(store.lake.claim(&store.log, &wanted)))?;
        let clock = |partition: &Partition| claim.frontiers()[partition].clock();
        // Without a clock nobody knows which days will come: then all that was ever stored is memory.
        let is_new = partitions.iter().any(|partition| !clock(partition).is_set());
        // Said state may lag behind the frontier: what was judged since is judged again, so it must be in hand.
        let said = |partition: &Partition| EventTime::from_ms(claim.said_until(*partition).clock_ms);
        let reach = |partition: &Partition| clock(partition).time().min(said(partition));
        let oldest = partitions.iter().map(reach).min();
        let since = match oldest {
            Some(clock) if !is_new => clock.plus_min(-self.state_days * 24 * 60),
            _ => EventTime::from_us(0),
        };
        let fold = self.block(|store| store.runtime.block_on(store.lake.fold(&claim, since)))?;
        let mut owned: Vec<Owned> = partitions
            .iter()
            .map(|partition| Owned {
                partition: *partition,
                frontier: claim.frontiers()[partition],
                said_until: claim.said_until(*partition),
                generation: claim.generation(),
                unsaid: Vec::new(),
                punches: Vec::new(),
                other_logs: Vec::new(),
                shift_results: Vec::new(),
                anomalies: Vec::new(),
                since: claim.frontiers()[partition].since(),
            })
            .collect();
        for owned in &mut owned {
            owned.unsaid = self.drained_unsaid(owned)?;
        }
        let place = |partition: Partition| partitions.iter().position(|p| *p == partition);
        for (partition, punch) in fold.punches {
            if let Some(at) = place(partition) {
                owned[at].punches.push(punch);
            }
        }
        if let [only] = owned.as_mut_slice() {
            only.other_logs = fold.other_logs;
        }
        for result in fold.shift_results {
            if let Some(at) = place(result.cause.partition) {
                owned[at].shift_results.push(result);
            }
        }
        for anomaly in fold.anomalies {
            if let Some(at) = place(anomaly.cause.partition) {
                owned[at].anomalies.push(anomaly);
            }
        }
        self.inbox.extend(partitions);
        for partition in partitions {
            self.handed_out.remove(partition);
        }
        self.claim = Some(claim);
        Ok(owned)
    }

    /// People whose inbox rows became punches in a commit that no commit of said state followed.
    fn drained_unsaid(&self, owned: &Owned) -> Result<Vec<(Arc<str>, EventTime)>, Box<Failure>> {
        let (from, until) = (owned.said_until.late, owned.frontier.late());
        if from >= until {
            return Ok(Vec::new());
        }
        let rows = persist(|| self.runtime.block_on(self.lake.late_rows(&self.log, owned.partition, from)))?;
        let mut unsaid = Vec::new();
        for batch in rows {
            let batch = late::to_punches(&batch).map_err(Failure::from_outside)?;
            let punches = punches::read(&batch).map_err(Failure::from_outside)?;
            let drained = punches.into_iter().filter(|(_, punch)| until.has_passed(punch.offset));
            unsaid.extend(drained.map(|(_, punch)| (punch.employee_id, punch.occurred_at)));
        }
        Ok(unsaid)
    }

    /// Commits one cut: rows and frontiers, then said state.
    ///
    /// # Errors
    /// What the lake says, once trying again has not helped.
    pub(super) fn commit(&mut self, request: Request) -> Result<Committed, Box<Failure>> {
        let Some(mut claim) = self.claim.take() else { return Ok(Committed::default()) };
        let Request { rows, frontiers, recalls } = request;
        // What is still to be judged from the lake has not been said: the next cut has it.
        let is_judged = |partition: &Partition| recalls.iter().all(|(recalled, _)| recalled != partition);
        let judged: Vec<Partition> = partitions_of(&frontiers).into_iter().filter(is_judged).collect();
        let outcome = self.commit_with(&mut claim, rows, &frontiers, &judged);
        self.claim = Some(claim);
        let mut committed = outcome?;
        committed.frontiers =
            frontiers.iter().map(|(partition, frontier)| (*partition, frontier.next())).collect();
        committed.drained = self.next_drained(recalls)?;
        self.commits += 1;
        if self.commits.is_multiple_of(MAINTAIN_EVERY_COMMITS) {
            // Housekeeping that fails is tried again later; nothing rests on it.
            if let Err(error) = self.runtime.block_on(self.lake.maintain()) {
                tracing::warn!(%error, "housekeeping of the lake failed");
            }
        }
        Ok(committed)
    }

    fn commit_with(
        &mut self,
        claim: &mut Claim,
        rows: Rows,
        frontiers: &[(Partition, PartitionFrontier)],
        judged: &[Partition],
    ) -> Result<Committed, Box<Failure>> {
        let count = |batches: &[RecordBatch]| batches.iter().map(|batch| batch.num_rows() as u64).sum();
        let added: u64 = count(&rows.punches);
        if !rows.late.is_empty() {
            self.inbox.extend(frontiers.iter().map(|(partition, _)| *partition));
        }
        let commit = Commit {
            rejects: rows.rejects,
            late: rows.late,
            evidence: rows.evidence,
            punches: rows.punches,
            frontiers: frontiers.to_vec(),
        };
        let (runtime, lake) = (self.runtime.clone(), self.lake.clone());
        let outcome = persist(|| runtime.block_on(lake.commit(claim, commit.clone())))?;
        if let CommitOutcome::Lost(lost) = &outcome {
            // Nothing of the cut counts: what the others had in it is read again, too.
            tracing::warn!(?lost, "another owner has claimed partitions of this cut");
            return Ok(Committed { lost: partitions_of(frontiers), ..Committed::default() });
        }
        let lost: Vec<Partition> = match outcome {
            CommitOutcome::Done { lost, .. } | CommitOutcome::Lost(lost) => lost.into_iter().collect(),
        };
        let (results, anomalies) = (rows.shift_results, rows.anomalies);
        let derived =
            || runtime.block_on(lake.commit_derived(claim, results.clone(), anomalies.clone(), judged));
        let lost = match persist(derived)? {
            CommitOutcome::Done { .. } => lost,
            CommitOutcome::Lost(_) => partitions_of(frontiers),
        };
        Ok(Committed { rows: added, lost, ..Committed::default() })
    }

    /// The next rows of the inbox that are not drained, with all they need.
    fn next_drained(&mut self, recalls: Vec<(Partition, Recall)>) -> Result<Vec<Drained>, Box<Failure>> {
        let mut due: BTreeMap<Partition, (Vec<RecordBatch>, Vec<Recall>)> = BTreeMap::new();
        for (partition, recall) in recalls {
            due.entry(partition).or_default().1.push(recall);
        }
        for partition in self.inbox.clone() {
            let Some(frontier) =
                self.claim.as_ref().and_then(|claim| claim.frontiers().get(&partition).copied())
            else {
                self.inbox.remove(&partition);
                continue;
            };
            if self.handed_out.get(&partition).is_some_and(|until| frontier.late() < *until) {
                // The worker has them; the commit that drains them has not come by yet.
                continue;
            }
            let (runtime, lake) = (self.runtime.clone(), self.lake.clone());
            let found = persist(|| runtime.block_on(lake.late_rows(&self.log, partition, frontier.late())))?;
            let mut rows = Vec::new();
            let mut taken = 0;
            for batch in found {
                let batch = batch.slice(0, batch.num_rows().min(DRAIN_ROWS_MAX - taken));
                taken += batch.num_rows();
                if batch.num_rows() > 0 {
                    rows.push(late::to_punches(&batch).map_err(Failure::from_outside)?);
                }
            }
            let mut until = None;
            for batch in &rows {
                let punches = punches::read(batch).map_err(Failure::from_outside)?;
                until = punches.last().map(|(_, punch)| punch.offset.next()).or(until);
            }
            let Some(until) = until else {
                self.inbox.remove(&partition);
                continue;
            };
            self.handed_out.insert(partition, until);
            due.entry(partition).or_default().0 = rows;
        }
        due.into_iter()
            .map(|(partition, (rows, recalls))| self.with_history(partition, rows, recalls))
            .collect()
    }

    /// Everything stored and said about the people of `rows` and `recalls`.
    fn with_history(
        &self,
        partition: Partition,
        rows: Vec<RecordBatch>,
        recalls: Vec<Recall>,
    ) -> Result<Drained, Box<Failure>> {
        let mut people: BTreeSet<Arc<str>> =
            recalls.iter().map(|recall| recall.employee_id.clone()).collect();
        for batch in &rows {
            let punches = punches::read(batch).map_err(Failure::from_outside)?;
            people.extend(punches.into_iter().map(|(_, punch)| punch.employee_id));
        }
        let people: Vec<&str> = people.iter().map(|id| &**id).collect();
        let (runtime, lake) = (&self.runtime, &self.lake);
        let history = persist(|| runtime.block_on(lake.punches_of(&people)))?;
        let shift_results = persist(|| runtime.block_on(lake.results_of(&people)))?;
        let anomalies = persist(|| runtime.block_on(lake.anomalies_of(&people)))?;
        let history = history.into_iter().map(|(_, punch)| punch).collect();
        Ok(Drained { partition, rows, recalls, history, shift_results, anomalies })
    }

    fn block<T>(&self, mut act: impl FnMut(&Self) -> lake::Result<T>) -> Result<T, Box<Failure>> {
        persist(|| act(self))
    }
}

fn partitions_of(frontiers: &[(Partition, PartitionFrontier)]) -> Vec<Partition> {
    frontiers.iter().map(|(partition, _)| *partition).collect()
}

/// Tries again what may pass, with doubling waits, within a bound.
fn persist<T>(mut act: impl FnMut() -> lake::Result<T>) -> Result<T, Box<Failure>> {
    let mut wait = COMMIT_WAIT_FIRST;
    for _ in 1..COMMIT_TRIES_MAX {
        match act() {
            Ok(value) => return Ok(value),
            Err(error) if error.action() == Action::Retry => {
                tracing::warn!(%error, "the lake said no: trying again");
                thread::sleep(wait);
                wait *= 2;
            }
            Err(error) => return Err(Box::new(Failure::from_outside(error))),
        }
    }
    act().map_err(|error| Box::new(Failure::from_outside(error)))
}
