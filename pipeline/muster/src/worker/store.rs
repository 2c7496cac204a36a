//! The lake as the pipeline uses it: claim and fold, commit in order, fetch what draining the inbox needs.
//!
//! In: partitions, rows, frontiers.  Out: what was owned, committed, lost.  Owns: the claim, and the inbox's state.
//! Absent on purpose: decisions about outcomes (`frontier` makes them inside `lake`), and about how long a store that is down
//! is waited for (`patience`).
//! Invariants: I-2 through `Lake::commit`; said state is committed behind the punches it is about.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Instant;

use arrow::array::RecordBatch;
use attendance::{Listen, Recall};
use frontier::PartitionFrontier;
use lake::{Claim, Commit, CommitOutcome, ErrorKind, KnownIds, Lake, LogIdentity, SaidRows, SaidUntil};
use model::position::{Generation, NextOffset};
use model::{Anomaly, EventTime, Partition, Reject, SaidShift, StoredPunch};
use schemas::tables::{late, punches, rejects};
use tokio::runtime::Handle;

use super::housekeeping::Housekeeping;
use super::identities::Filters;
use super::patience::Patience;
use super::rows::Rows;
use super::seals::Seals;
use super::snapshots::Unwritten;
use crate::failure::Failure;

/// Rows of the inbox drained at once.
const DRAIN_ROWS_MAX: usize = 10_000;

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
    /// Punches of the inbox that were drained behind what was said.
    pub(super) unsaid: Vec<StoredPunch>,
    /// Records that were rejected behind what was said as they were read, each with the log's time of it.
    pub(super) rejected: Vec<(EventTime, Reject)>,
    /// The punches in memory.
    pub(super) punches: Vec<StoredPunch>,
    /// Those stored under another partition, of a time when the log had another number of them: all of it was said.
    pub(super) moved: Vec<StoredPunch>,
    /// Whether what people were told before may stand under other partitions' names.
    pub(super) has_moved: bool,
    /// Punches of earlier files, in memory beside them.
    pub(super) other_logs: Vec<StoredPunch>,
    /// What was last said of shifts.
    pub(super) shift_results: Vec<SaidShift>,
    /// What was last said of anomalies.
    pub(super) anomalies: Vec<Anomaly>,
    /// Where the log's clock first stood, if it has stood anywhere.
    pub(super) since: Option<EventTime>,
    /// Which identities are stored, or wait in the inbox.
    pub(super) known: KnownIds,
    /// Which records of other attendance systems are stored; empty unless the log has such.
    pub(super) vendor_records: HashSet<u128>,
    /// The months that are closed.
    pub(super) seals: Seals,
    /// The last instant whose answers of rules are stored.
    pub(super) ruled_until: Option<EventTime>,
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
    pub(super) shift_results: Vec<SaidShift>,
    /// What was last said about them.
    pub(super) anomalies: Vec<Anomaly>,
}

/// Inbox rows of one partition, and people whom its memory does not reach.
type Due = (Vec<RecordBatch>, Vec<Recall>);

/// The answer to a question about people of other partitions.
pub(super) struct Heard {
    /// The partition that asked.
    pub(super) partition: Partition,
    /// The question.
    pub(super) listen: Listen,
    /// The punches it asks for, and maybe more.
    pub(super) punches: Arc<[StoredPunch]>,
}

/// What is to be committed: a part for each partition.
pub(super) type Request = Vec<Part>;

/// What one partition has to commit.
pub(super) struct Part {
    /// The partition.
    pub(super) partition: Partition,
    /// The rows of all tables.
    pub(super) rows: Rows,
    /// Where they end.
    pub(super) frontier: PartitionFrontier,
    /// People to be judged from the lake behind this commit.
    pub(super) recalls: Vec<Recall>,
    /// Questions about people of other partitions, whose rows other processes commit.
    pub(super) listens: Vec<Listen>,
    /// The last instant whose answers of rules are among the rows, or were before.
    pub(super) ruled_until: Option<EventTime>,
}

/// What a commit did.
#[derive(Default)]
pub(super) struct Committed {
    /// Rows added, by table.
    pub(super) rows: BTreeMap<&'static str, u64>,
    /// Where the source may forget what lies before.
    pub(super) frontiers: Vec<(Partition, PartitionFrontier)>,
    /// Partitions that another owner has claimed.
    pub(super) lost: Vec<Partition>,
    /// Rows of the inbox, and people, that are now to be judged from the lake.
    pub(super) drained: Vec<Drained>,
    /// Answers to the questions of this cut.
    pub(super) heard: Vec<Heard>,
    /// What is known of identities, where that is newer than what was said before.
    pub(super) known: Vec<(Partition, KnownIds)>,
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
    house: Housekeeping,
    filters: Filters,
    unwritten: Arc<Unwritten>,
    patience: Patience,
    /// Whether the log's records are another attendance system's.
    is_vendors: bool,
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
            house: Housekeeping::default(),
            filters: Filters::default(),
            unwritten: Arc::default(),
            patience: Patience::short(),
            is_vendors: false,
        }
    }

    /// The same, whose commits wait for the rows of snapshots that wait there.
    pub fn behind(self, unwritten: Arc<Unwritten>) -> Self {
        Self { unwritten, ..self }
    }

    /// The same, waiting for a store that does not answer as `patience` says.
    pub(super) fn patient(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }

    /// The same for a log whose records are another attendance system's: which of these are stored is told with every partition.
    #[must_use]
    pub fn with_vendor_records(mut self) -> Self {
        self.is_vendors = true;
        self
    }

    /// Claims `partitions` beside those held, and folds them; also those held that anybody else has claimed meanwhile: even if it
    /// moved no frontier, it may have said something, or closed a month.
    ///
    /// # Errors
    /// What the lake says.
    pub(super) fn own(&mut self, partitions: &[Partition]) -> Result<Vec<Owned>, Box<Failure>> {
        let held = self.claim.as_ref().map(Claim::held).unwrap_or_default();
        let wanted: BTreeSet<Partition> = partitions.iter().chain(&held).copied().collect();
        let wanted: Vec<Partition> = wanted.into_iter().collect();
        let begun = Instant::now();
        let claim = self.block(|store| store.runtime.block_on(store.lake.claim(&store.log, &wanted)))?;
        // Before anything is read: a log that stood still has kept what is too old by now.
        self.house.claimed(&self.runtime, &self.lake, &self.log, slowest_clock(&claim));
        let mut folded: BTreeSet<Partition> = partitions.iter().copied().collect();
        if let Some(before) = &self.claim {
            folded.extend(held.iter().filter(|partition| !claim.continues(before, **partition)));
        }
        let partitions: &[Partition] = &Vec::from_iter(folded);
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
        let rows = fold.punches.len() + fold.shift_results.len() + fold.anomalies.len();
        persist(&self.patience, || self.filters.claimed(&self.runtime, &self.lake, &claim))?;
        let known = |partition| self.filters.of(partition).expect("I-22: filters are those of the claim");
        let vendor_records = match self.is_vendors {
            true => self.block(|store| store.runtime.block_on(store.lake.vendor_record_ids(&claim)))?,
            false => HashSet::new(),
        };
        // Behind the claim: whoever seals after this takes the partitions away again.
        let seals = Seals::new(self.block(|store| store.runtime.block_on(store.lake.seals()))?);
        let mut owned: Vec<Owned> = partitions
            .iter()
            .map(|partition| Owned {
                partition: *partition,
                frontier: claim.frontiers()[partition],
                said_until: claim.said_until(*partition),
                generation: claim.generation(),
                unsaid: Vec::new(),
                rejected: Vec::new(),
                punches: Vec::new(),
                moved: Vec::new(),
                has_moved: fold.grouping.has_moved(),
                other_logs: Vec::new(),
                shift_results: Vec::new(),
                anomalies: Vec::new(),
                since: claim.frontiers()[partition].since(),
                known: known(*partition),
                vendor_records: vendor_records.clone(),
                seals: seals.clone(),
                ruled_until: claim.ruled_until(*partition),
            })
            .collect();
        for owned in &mut owned {
            owned.unsaid = self.drained_unsaid(owned)?;
            owned.rejected = self.rejected_unsaid(owned)?;
        }
        let place = |partition: Partition| partitions.iter().position(|p| *p == partition);
        let owner = |stored: Partition, key: &str| place(fold.grouping.owner(stored, key));
        for (stored, punch) in fold.punches {
            if let Some(at) = owner(stored, &punch.employee_id) {
                let owned = &mut owned[at];
                let into = if owned.partition == stored { &mut owned.punches } else { &mut owned.moved };
                into.push(punch);
            }
        }
        if let [only] = owned.as_mut_slice() {
            only.other_logs = fold.other_logs;
        }
        for result in fold.shift_results {
            if let Some(at) = owner(result.cause.partition, &result.employee_id) {
                owned[at].shift_results.push(result);
            }
        }
        for anomaly in fold.anomalies {
            if let Some(at) = owner(anomaly.cause.partition, anomaly.finding.subject()) {
                owned[at].anomalies.push(anomaly);
            }
        }
        self.inbox.extend(partitions);
        for partition in partitions {
            self.handed_out.remove(partition);
        }
        self.claim = Some(claim);
        let ms = begun.elapsed().as_millis();
        tracing::info!(?partitions, rows, ms, "claimed and folded");
        Ok(owned)
    }

    /// Punches of the inbox that were drained in a commit that no commit of said state followed.
    fn drained_unsaid(&self, owned: &Owned) -> Result<Vec<StoredPunch>, Box<Failure>> {
        let (from, until) = (owned.said_until.late, owned.frontier.late());
        if from >= until {
            return Ok(Vec::new());
        }
        let (log, partition) = (&self.log, owned.partition);
        let rows = persist(&self.patience, || {
            self.runtime.block_on(self.lake.late_rows(log, partition, from..until))
        })?;
        let mut unsaid = Vec::new();
        for batch in rows {
            let batch = late::to_punches(&batch).map_err(unreadable)?;
            let punches = punches::read(&batch).map_err(unreadable)?;
            unsaid.extend(punches.into_iter().map(|(_, punch)| punch));
        }
        Ok(unsaid)
    }

    /// Records that were rejected as they were read, in a commit that no commit of said state followed. One that waited in the inbox
    /// may have its row of `rejects` from a commit that was cut off, and its person is not told of it.
    fn rejected_unsaid(&self, owned: &Owned) -> Result<Vec<(EventTime, Reject)>, Box<Failure>> {
        let (from, until) = (owned.said_until.next, owned.frontier.next());
        if from >= until {
            return Ok(Vec::new());
        }
        let (log, partition) = (&self.log, owned.partition);
        let rows = persist(&self.patience, || {
            self.runtime.block_on(self.lake.reject_rows(log, partition, from..until))
        })?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let inbox = persist(&self.patience, || {
            self.runtime.block_on(self.lake.late_rows(log, partition, from..until))
        })?;
        let mut waited = HashSet::new();
        for batch in inbox {
            let origins = late::read_origins(&batch).map_err(unreadable)?;
            waited.extend(origins.into_iter().map(|origin| origin.offset));
        }
        let mut rejected = Vec::new();
        for batch in rows {
            let rejects = rejects::read(&batch).map_err(unreadable)?.into_iter();
            let rejects = rejects.filter(|(_, _, reject)| !waited.contains(&reject.offset));
            rejected.extend(rejects.map(|(_, at, reject)| (at, reject)));
        }
        Ok(rejected)
    }

    /// Commits one cut: rows and frontiers, then said state. Partitions that another owner has claimed are left out of it.
    ///
    /// # Errors
    /// What the lake says, once trying again has not helped.
    pub(super) fn commit(&mut self, mut request: Request) -> Result<Committed, Box<Failure>> {
        let snapshots = persist(&self.patience, || self.unwritten.write(&self.runtime, &self.lake))?;
        let Some(mut claim) = self.claim.take() else { return Ok(Committed::default()) };
        let outcome = self.commit_parts(&mut claim, &mut request);
        self.claim = Some(claim);
        let lost = outcome?;
        let mut rows = BTreeMap::new();
        snapshots.into_iter().for_each(|(table, count)| *rows.entry(table).or_default() += count);
        request.iter().for_each(|part| part.rows.count(&mut rows));
        let punches = rows.get(punches::NAME).copied().unwrap_or(0);
        let mut committed = Committed {
            rows,
            frontiers: request.iter().map(|part| (part.partition, part.frontier)).collect(),
            lost: lost.into_iter().collect(),
            drained: Vec::new(),
            heard: Vec::new(),
            known: Vec::new(),
        };
        committed.heard = self.listen(&mut request)?;
        let recalls = request.into_iter().flat_map(|part| {
            let partition = part.partition;
            part.recalls.into_iter().map(move |recall| (partition, recall))
        });
        committed.drained = self.next_drained(recalls.collect())?;
        let clock = self.claim.as_ref().map_or(EventTime::from_us(0), slowest_clock);
        let holds_first =
            self.claim.as_ref().is_some_and(|claim| claim.frontiers().contains_key(&Partition::new(0)));
        self.house.committed(&self.runtime, &self.lake, &self.log, clock, holds_first);
        if let Some(claim) = &self.claim {
            committed.known = self.filters.committed(&self.runtime, &self.lake, claim, punches);
        }
        Ok(committed)
    }

    /// Commits `parts`, and says which partitions another owner has claimed: their parts are gone from `parts` unless they
    /// were in the lake before.
    fn commit_parts(
        &mut self,
        claim: &mut Claim,
        parts: &mut Request,
    ) -> Result<BTreeSet<Partition>, Box<Failure>> {
        let (runtime, lake) = (self.runtime.clone(), self.lake.clone());
        let mut lost = BTreeSet::new();
        loop {
            let rows = rows_of(parts.iter());
            if !rows.late.is_empty() {
                self.inbox.extend(parts.iter().map(|part| part.partition));
            }
            let commit = Commit {
                rejects: rows.rejects,
                late: rows.late,
                evidence: rows.evidence,
                punches: rows.punches,
                vendor_records: rows.vendor_records,
                frontiers: parts.iter().map(|part| (part.partition, part.frontier)).collect(),
            };
            match persist(&self.patience, || runtime.block_on(lake.commit(claim, commit.clone())))? {
                CommitOutcome::Done { lost: more, .. } => {
                    lost.extend(more);
                    break;
                }
                CommitOutcome::Lost(others) => {
                    // Nothing of the cut counts: what the others had in it is committed without them.
                    tracing::warn!(?others, "another owner has claimed partitions of this cut");
                    parts.retain(|part| !others.contains(&part.partition));
                    lost.extend(others);
                }
            }
        }
        loop {
            let is_ours = |part: &&Part| !lost.contains(&part.partition);
            let rows = rows_of(parts.iter().filter(is_ours));
            // What is still to be judged from the lake has not been said: the next cut has it.
            let said = parts.iter().filter(is_ours).filter(|part| part.recalls.is_empty());
            let judged: Vec<(Partition, Option<EventTime>)> =
                said.map(|part| (part.partition, part.ruled_until)).collect();
            for (partition, ruled_until) in &judged {
                ruled_until.iter().for_each(|instant| claim.note_ruled(*partition, *instant));
            }
            let judged: Vec<Partition> = judged.into_iter().map(|(partition, _)| partition).collect();
            let derived = || {
                let Rows { shift_results, adjustments, anomalies, .. } = rows.clone();
                let said = SaidRows { shift_results, adjustments, anomalies };
                runtime.block_on(lake.commit_derived(claim, said, &judged))
            };
            match persist(&self.patience, derived)? {
                CommitOutcome::Done { lost: more, .. } => {
                    lost.extend(more);
                    return Ok(lost);
                }
                CommitOutcome::Lost(others) => lost.extend(others),
            }
        }
    }

    /// Waits for what goes on beside commits.
    pub(super) fn finish(&mut self) {
        self.house.finish(&self.runtime);
    }

    /// Lets go of partitions that the log has given to somebody else: they are not claimed again.
    pub(super) fn release(&mut self, partitions: &[Partition]) {
        if let Some(claim) = &mut self.claim {
            claim.release(partitions);
        }
        for partition in partitions {
            self.inbox.remove(partition);
            self.handed_out.remove(partition);
        }
    }

    /// Answers what the parts ask about people of other partitions, in one look at the lake as it is now.
    fn listen(&self, request: &mut Request) -> Result<Vec<Heard>, Box<Failure>> {
        let asked: Vec<(Partition, Listen)> = request
            .iter_mut()
            .flat_map(|part| {
                std::mem::take(&mut part.listens).into_iter().map(|listen| (part.partition, listen))
            })
            .collect();
        let Some(since) = asked.iter().map(|(_, listen)| listen.since).min() else { return Ok(Vec::new()) };
        let people: HashSet<&str> =
            asked.iter().flat_map(|(_, listen)| &listen.employee_ids).map(|id| &**id).collect();
        let (runtime, lake) = (&self.runtime, &self.lake);
        let punches: Arc<[StoredPunch]> =
            persist(&self.patience, || runtime.block_on(lake.punches_since(&people, since)))?.into();
        let answer = |(partition, listen)| Heard { partition, listen, punches: Arc::clone(&punches) };
        Ok(asked.into_iter().map(answer).collect())
    }

    /// The next rows of the inbox that are not drained, with all they need.
    fn next_drained(&mut self, recalls: Vec<(Partition, Recall)>) -> Result<Vec<Drained>, Box<Failure>> {
        let mut due: BTreeMap<Partition, Due> = BTreeMap::new();
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
            let waiting = frontier.late()..frontier.next();
            let found = persist(&self.patience, || {
                runtime.block_on(lake.late_rows(&self.log, partition, waiting.clone()))
            })?;
            let mut rows = Vec::new();
            let mut taken = 0;
            for batch in found {
                let batch = batch.slice(0, batch.num_rows().min(DRAIN_ROWS_MAX - taken));
                taken += batch.num_rows();
                if batch.num_rows() > 0 {
                    rows.push(late::to_punches(&batch).map_err(unreadable)?);
                }
            }
            let mut until = None;
            for batch in &rows {
                let punches = punches::read(batch).map_err(unreadable)?;
                until = punches.last().map(|(_, punch)| punch.offset.next()).or(until);
            }
            let Some(until) = until else {
                self.inbox.remove(&partition);
                continue;
            };
            self.handed_out.insert(partition, until);
            due.entry(partition).or_default().0 = rows;
        }
        self.with_history(due)
    }

    /// Everything stored and said about the people of inbox rows and recalls, read once for all partitions.
    fn with_history(&self, due: BTreeMap<Partition, Due>) -> Result<Vec<Drained>, Box<Failure>> {
        let mut people: BTreeMap<Partition, HashSet<Arc<str>>> = BTreeMap::new();
        for (partition, (rows, recalls)) in &due {
            let people = people.entry(*partition).or_default();
            people.extend(recalls.iter().map(|recall| recall.employee_id.clone()));
            for batch in rows {
                let punches = punches::read(batch).map_err(unreadable)?;
                people.extend(punches.into_iter().map(|(_, punch)| punch.employee_id));
            }
        }
        let all: BTreeSet<&str> = people.values().flatten().map(|id| &**id).collect();
        if all.is_empty() {
            return Ok(Vec::new());
        }
        let all = Vec::from_iter(all);
        let (runtime, lake) = (&self.runtime, &self.lake);
        let history = persist(&self.patience, || runtime.block_on(lake.punches_of(&all)))?;
        let results = persist(&self.patience, || runtime.block_on(lake.results_of(&all)))?;
        let anomalies = persist(&self.patience, || runtime.block_on(lake.anomalies_of(&all)))?;
        let drained = due.into_iter().map(|(partition, (rows, recalls))| {
            let people = &people[&partition];
            let history = history.iter().map(|(_, punch)| punch);
            let of_person = |anomaly: &&Anomaly| {
                anomaly.finding.employee_id.as_ref().is_some_and(|person| people.contains(person))
            };
            Drained {
                partition,
                rows,
                recalls,
                history: history.filter(|punch| people.contains(&punch.employee_id)).cloned().collect(),
                shift_results: results
                    .iter()
                    .filter(|result| people.contains(&result.outcome.employee_id))
                    .map(SaidShift::from)
                    .collect(),
                anomalies: anomalies.iter().filter(of_person).cloned().collect(),
            }
        });
        Ok(drained.collect())
    }

    fn block<T>(&self, mut act: impl FnMut(&Self) -> lake::Result<T>) -> Result<T, Box<Failure>> {
        persist(&self.patience, || act(self))
    }
}

fn rows_of<'a>(parts: impl IntoIterator<Item = &'a Part>) -> Rows {
    let mut rows = Rows::default();
    parts.into_iter().for_each(|part| rows.extend(part.rows.clone()));
    rows
}

/// The slowest clock among the partitions claimed that have one; the epoch where none has.
fn slowest_clock(claim: &Claim) -> EventTime {
    let clocks = claim.frontiers().values().map(|frontier| frontier.clock()).filter(|clock| clock.is_set());
    clocks.map(|clock| clock.time()).min().unwrap_or(EventTime::from_us(0))
}

/// Rows of the lake that this program cannot read.
fn unreadable(error: schemas::tables::ReadError) -> Box<Failure> {
    Box::new(Failure::outside(
        format!("read rows of the lake back: {error}"),
        "another program has changed the lake's tables: bring the lake back from a copy, or give the log a lake of its own",
    ))
}

/// An error of the lake as a person reads it. Most say themselves what to do.
fn failed(error: lake::Error) -> Box<Failure> {
    let remedy = match error.kind() {
        ErrorKind::Unreachable | ErrorKind::Contended => {
            "see that the lake's storage answers and that no other program commits to it, then run the same command again: \
             nothing is lost or doubled"
        }
        ErrorKind::Schema | ErrorKind::Corrupt => {
            "another program has changed the lake: bring it back from a copy, or give the log a lake of its own"
        }
        _ => return Box::new(Failure::from_outside(error)),
    };
    Box::new(Failure::outside(error.to_string(), remedy))
}

/// Tries again what may pass.
fn persist<T>(patience: &Patience, act: impl FnMut() -> lake::Result<T>) -> Result<T, Box<Failure>> {
    patience.persevere(act).map_err(failed)
}
