//! The lake as one process of a simulated world uses it: a claim, a fold and a commit over tables, in the order of the real ones.
//!
//! In: cuts.  Out: what was claimed, committed and lost; what is to be drained.  Owns: nothing.
//! Absent on purpose: filters over identities (all that are stored or wait are in one), files, checkpoints.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use attendance::Recall;
use frontier::{Attempt, AttemptId, Do, Event, Frontiers, Outcome, PartitionFrontier, Put, Retries};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use lake::{IdentityKey, KnownIds, SaidUntil};
use model::position::Generation;
use model::{Anomaly, EventTime, NextOffset, Partition, SaidShift, ShiftResult, StoredPunch};
use schemas::tables::punches;

use super::Mutant;
use super::group::Shared;
use super::outside::{between, note};
use super::table::{Commit, Numbers, STATE_DAYS, Table, Tables, origins};
use crate::worker::seals::Seals;
use crate::worker::store::{Drained, Heard, Owned, Part};

/// Inbox rows drained at once.
const DRAIN_ROWS_MAX: usize = 3;

/// Days before memory about which said state is folded.
const BUSINESS_DAYS_BEHIND: i32 = 2;

/// Behind every offset.
const END: NextOffset = NextOffset::new(i64::MAX).unwrap();

/// What an owner holds.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    generation: i64,
    pub(super) frontiers: Frontiers,
    seen: BTreeMap<Table, u64>,
    /// Side rows at or beyond the frontier that their table holds.
    present: HashSet<(Table, Partition, i64)>,
    former: BTreeMap<Partition, i64>,
    said_until: BTreeMap<Partition, SaidUntil>,
}

impl Claim {
    pub(super) fn lose(&mut self, lost: &BTreeSet<Partition>) {
        self.frontiers.retain(|partition, _| !lost.contains(partition));
        self.present.retain(|(_, partition, _)| !lost.contains(partition));
    }

    fn held(&self) -> BTreeSet<Partition> {
        self.frontiers.keys().copied().collect()
    }
}

/// The lake as one process uses it.
pub(super) struct Store<'a>(pub(super) &'a Shared);

impl Store<'_> {
    /// Appends an entry behind what its owner has seen, whatever answers are lost: giving up is being killed.
    fn append(&self, table: Table, mut commit: Commit, held: BTreeSet<Partition>, mut seen: u64) -> Outcome {
        let shared = self.0;
        commit.attempt = shared.tables.borrow_mut().next_attempt();
        if shared.lacks(Mutant::CommitsWithoutPin) {
            seen = shared.tables.borrow().head(table);
        }
        let writes = commit.numbers.keys().copied().collect();
        let (mut attempt, mut next) =
            Attempt::start(commit.attempt, writes, held.clone(), seen, Retries::at_once(2));
        loop {
            between();
            let event = match next {
                Do::Read { .. } if self.is_hidden() => {
                    note(|| format!("does not see {table:?}"));
                    Event::ReadFailed
                }
                Do::Read { version, .. } => Event::Read(shared.tables.borrow().entry(table, version)),
                Do::Put { version } => match self.put(table, version, &commit) {
                    Put::Unclear if shared.lacks(Mutant::TakesUnclearForDone) => Event::Put(Put::Applied),
                    Put::Unclear if shared.lacks(Mutant::WritesAgainUnread) => {
                        let head = shared.tables.borrow().head(table);
                        return self.append(table, commit, held, head);
                    }
                    put => Event::Put(put),
                },
                Do::End(Outcome::InDoubt) => {
                    next = attempt.resume();
                    continue;
                }
                Do::End(outcome) => return outcome,
            };
            between();
            next = attempt.on(event);
        }
    }

    /// Whether the store gives no answer.
    fn is_hidden(&self) -> bool {
        !self.0.is_calm.get() && self.0.once_in(self.0.odds.unclear)
    }

    fn put(&self, table: Table, version: u64, commit: &Commit) -> Put {
        let mut tables = self.0.tables.borrow_mut();
        if !self.is_hidden() {
            return if tables.put(table, version, commit) { Put::Applied } else { Put::Taken };
        }
        let what = ["is applied", "vanishes", "travels"][self.0.below(3)];
        note(|| format!("puts {table:?} {version} without an answer: it {what}"));
        match what {
            "is applied" => drop(tables.put(table, version, commit)),
            "travels" => tables.send(table, version, commit),
            _ => {}
        }
        Put::Unclear
    }

    /// Claims `asked` beside what is held by `before`, and folds them; also what was held and somebody else has claimed since.
    pub(super) fn own(&self, asked: &BTreeSet<Partition>, before: Option<&Claim>) -> (Claim, Vec<Owned>) {
        let held = before.map(Claim::held).unwrap_or_default();
        let wanted: BTreeSet<Partition> = asked.union(&held).copied().collect();
        let claim = loop {
            if let Some(claim) = self.claim(&wanted) {
                break claim;
            }
        };
        between();
        let continues = |partition: &Partition| {
            before.is_some_and(|before| {
                let is_ours = claim.former[partition] == before.generation;
                held.contains(partition) && (is_ours || self.0.lacks(Mutant::KeepsWhatOthersClaimed))
            })
        };
        let folded = wanted.iter().filter(|partition| asked.contains(partition) || !continues(partition));
        let owned = folded.map(|partition| self.fold(&claim, *partition)).collect();
        (claim, owned)
    }

    /// One round of claiming; `None` if another owner was faster.
    fn claim(&self, wanted: &BTreeSet<Partition>) -> Option<Claim> {
        let frontiers = wanted.iter().map(|partition| (*partition, PartitionFrontier::START)).collect();
        let mut claim = Claim {
            generation: 0,
            frontiers,
            seen: BTreeMap::new(),
            present: HashSet::new(),
            former: BTreeMap::new(),
            said_until: BTreeMap::new(),
        };
        for table in Table::ALL {
            between();
            let (head, numbers) = self.before_claim(&mut claim, table)?;
            let commit = Commit { attempt: AttemptId(0), numbers, rows: Vec::new(), is_claim: true };
            let Outcome::Done { version, .. } = self.append(table, commit, wanted.clone(), head) else {
                return None;
            };
            claim.seen.insert(table, version);
            match table {
                Table::Punches => claim.generation = version as i64,
                Table::Rejects | Table::Late => {
                    let tables = self.0.tables.borrow();
                    for batch in tables.batches(table, version) {
                        let beyond = origins(table, batch).into_iter().filter(|(partition, offset)| {
                            claim
                                .frontiers
                                .get(partition)
                                .is_some_and(|frontier| *offset >= frontier.next().get())
                        });
                        claim.present.extend(beyond.map(|(partition, offset)| (table, partition, offset)));
                    }
                }
                Table::Results | Table::Anomalies => {}
            }
        }
        Some(claim)
    }

    /// What the table holds before it is claimed, and the numbers to claim it by; `None` if another owner was faster.
    fn before_claim(&self, claim: &mut Claim, table: Table) -> Option<(u64, BTreeMap<Partition, Numbers>)> {
        let tables = self.0.tables.borrow();
        let head = tables.head(table);
        let mut numbers = BTreeMap::new();
        for (partition, frontier) in &mut claim.frontiers {
            let generation = claim.generation;
            if table == Table::Punches {
                *frontier = tables.last_until(table, head, *partition);
                numbers.insert(*partition, Numbers { generation, until: Some(*frontier) });
                continue;
            }
            let stored = tables.generation(table, head, *partition);
            if stored > generation {
                return None;
            }
            let former = claim.former.entry(*partition).or_default();
            *former = stored.max(*former);
            numbers.insert(*partition, Numbers { generation, until: None });
            if matches!(table, Table::Results | Table::Anomalies) {
                let until = tables.last_until(table, head, *partition);
                let until = SaidUntil { next: until.next(), clock_ms: until.clock_ms(), late: until.late() };
                // The table that lags decides.
                let known = claim.said_until.entry(*partition).or_insert(until);
                known.next = known.next.min(until.next);
                known.clock_ms = known.clock_ms.min(until.clock_ms);
                known.late = known.late.min(until.late);
            }
        }
        Some((head, numbers))
    }

    fn fold(&self, claim: &Claim, partition: Partition) -> Owned {
        let tables = self.0.tables.borrow();
        let (frontier, mut said_until) = (claim.frontiers[&partition], claim.said_until[&partition]);
        if self.0.lacks(Mutant::TakesAllForSaid) {
            let (next, clock_ms, late) = (frontier.next(), frontier.clock_ms(), frontier.late());
            said_until = SaidUntil { next, clock_ms, late };
        }
        let clock = frontier.clock();
        let reach = clock.time().min(EventTime::from_ms(said_until.clock_ms));
        let since =
            if clock.is_set() { reach.plus_min(-STATE_DAYS * 24 * 60) } else { EventTime::from_us(0) };
        let stored = tables.batches(Table::Punches, claim.seen[&Table::Punches]);
        let stored: Vec<StoredPunch> = stored
            .flat_map(|batch| punches::read(batch).unwrap())
            .filter(|(of, _)| *of == partition)
            .map(|(_, punch)| punch)
            .collect();
        let waiting = tables.inbox(partition, NextOffset::START, END);
        let waiting = waiting.iter().flat_map(|batch| punches::read(batch).unwrap()).map(|(_, punch)| punch);
        let key = |punch: &StoredPunch| IdentityKey::of(&punch.employee_id, &punch.event_id);
        let keys: Vec<IdentityKey> = stored.iter().map(key).chain(waiting.map(|punch| key(&punch))).collect();
        let unsaid = tables.inbox(partition, said_until.late, frontier.late());
        let from = TimeZone::UTC.to_datetime(since.timestamp()).date();
        let from = from.saturating_sub(jiff::Span::new().days(BUSINESS_DAYS_BEHIND));
        let is_folded = |of: Partition, day: Date| of == partition && day >= from;
        let unsaid = unsaid.iter().flat_map(|batch| punches::read(batch).unwrap());
        let behind = said_until.next..frontier.next();
        let is_left_out = self.0.lacks(Mutant::LeavesRejectsUnsaid);
        Owned {
            partition,
            frontier,
            said_until,
            generation: Generation(claim.generation),
            unsaid: unsaid.map(|(_, punch)| punch).collect(),
            rejected: if is_left_out { Vec::new() } else { tables.rejects(partition, behind) },
            punches: stored.into_iter().filter(|punch| punch.occurred_at >= since).collect(),
            other_logs: Vec::new(),
            shift_results: latest_results(&tables)
                .into_iter()
                .filter(|result| is_folded(result.cause.partition, result.outcome.business_date))
                .map(|result| SaidShift::from(&result))
                .collect(),
            anomalies: latest_anomalies(&tables)
                .into_iter()
                .filter(|said| is_folded(said.cause.partition, said.finding.business_date))
                .collect(),
            since: frontier.since(),
            known: KnownIds::of(&keys).unwrap(),
            vendor_records: HashSet::new(),
            seals: Seals::default(),
            moved: Vec::new(),
            has_moved: false,
            ruled_until: None,
        }
    }

    /// Commits one cut; gives the partitions that others have claimed.
    pub(super) fn commit(&self, claim: &mut Claim, mut parts: Vec<Part>) -> (BTreeSet<Partition>, Vec<Part>) {
        let mut lost = BTreeSet::new();
        'anew: loop {
            let strangers = |part: &Part| !claim.frontiers.contains_key(&part.partition);
            lost.extend(parts.iter().filter(|part| strangers(part)).map(|part| part.partition));
            parts.retain(|part| !strangers(part));
            let moved: Frontiers = parts
                .iter()
                .filter(|part| claim.frontiers[&part.partition] != part.frontier)
                .map(|part| (part.partition, part.frontier))
                .collect();
            if moved.is_empty() {
                break;
            }
            let order = match self.0.lacks(Mutant::CommitsRejectsLast) {
                true => [Table::Punches, Table::Rejects, Table::Late],
                false => [Table::Rejects, Table::Late, Table::Punches],
            };
            for table in order {
                let rows = self.rows_to_write(claim, table, &parts);
                if rows.is_empty() && table != Table::Punches {
                    continue;
                }
                let until = |frontier| (table == Table::Punches).then_some(frontier);
                let numbers = moved
                    .iter()
                    .map(|(partition, frontier)| {
                        frontier.assert_follows(claim.frontiers[partition], *partition);
                        (*partition, Numbers { generation: claim.generation, until: until(*frontier) })
                    })
                    .collect();
                let written: Vec<_> = rows
                    .iter()
                    .filter(|_| table != Table::Punches)
                    .flat_map(|batch| origins(table, batch))
                    .collect();
                match self.append_owned(claim, table, numbers, rows) {
                    Ok(more) => lost.extend(more),
                    Err(others) => {
                        parts.retain(|part| !others.contains(&part.partition));
                        lost.extend(others);
                        continue 'anew;
                    }
                }
                claim
                    .present
                    .extend(written.into_iter().map(|(partition, offset)| (table, partition, offset)));
            }
            claim.frontiers.extend(moved);
            break;
        }
        'said: loop {
            parts.retain(|part| !lost.contains(&part.partition));
            for table in [Table::Results, Table::Anomalies] {
                let rows: Vec<RecordBatch> =
                    parts.iter().flat_map(|part| table.rows(&part.rows)).cloned().collect();
                let judged = parts.iter().filter(|part| part.recalls.is_empty()).map(|part| part.partition);
                let judged: BTreeSet<Partition> = judged.collect();
                let until = |partition| judged.contains(&partition).then(|| claim.frontiers[&partition]);
                let said = parts
                    .iter()
                    .filter(|part| judged.contains(&part.partition) || !table.rows(&part.rows).is_empty());
                let numbers: BTreeMap<_, _> = said
                    .map(|part| {
                        (
                            part.partition,
                            Numbers { generation: claim.generation, until: until(part.partition) },
                        )
                    })
                    .collect();
                if numbers.is_empty() {
                    continue;
                }
                match self.append_owned(claim, table, numbers, rows) {
                    Ok(more) => lost.extend(more),
                    Err(others) => {
                        lost.extend(others);
                        // What is in is in: the next table alone is tried without the others.
                        if table == Table::Anomalies {
                            parts.iter_mut().for_each(|part| part.rows.shift_results.clear());
                        }
                        continue 'said;
                    }
                }
            }
            return (lost, parts);
        }
    }

    fn append_owned(
        &self,
        claim: &mut Claim,
        table: Table,
        numbers: BTreeMap<Partition, Numbers>,
        rows: Vec<RecordBatch>,
    ) -> Result<BTreeSet<Partition>, BTreeSet<Partition>> {
        let commit = Commit { attempt: AttemptId(0), numbers, rows, is_claim: false };
        let (version, lost, is_done) = match self.append(table, commit, claim.held(), claim.seen[&table]) {
            Outcome::Done { version, lost } => (version, lost, true),
            Outcome::Lost { lost, seen } => (seen, lost, false),
            Outcome::InDoubt => unreachable!("it is resumed"),
        };
        claim.seen.insert(table, version);
        claim.lose(&lost);
        if is_done { Ok(lost) } else { Err(lost) }
    }

    /// The rows of `parts` that the table is not known to hold.
    fn rows_to_write(&self, claim: &Claim, table: Table, parts: &[Part]) -> Vec<RecordBatch> {
        let rows = parts.iter().flat_map(|part| table.rows(&part.rows));
        if table == Table::Punches {
            return rows.cloned().collect();
        }
        let stored: HashSet<(Partition, i64)> = self.0.tables.borrow().origins(table).into_iter().collect();
        let cut = |batch: &RecordBatch| {
            let is_new = |(partition, offset): (Partition, i64)| {
                // Of drained inbox rows, passed long ago, the table itself is asked.
                let is_passed =
                    claim.frontiers.get(&partition).is_some_and(|base| base.next().get() > offset);
                let is_drained =
                    table == Table::Rejects && is_passed && stored.contains(&(partition, offset));
                let is_present = claim.present.contains(&(table, partition, offset));
                Some(!is_drained && (!is_present || self.0.lacks(Mutant::WritesRejectsAgain)))
            };
            let mask: BooleanArray = origins(table, batch).into_iter().map(is_new).collect();
            filter_record_batch(batch, &mask).unwrap()
        };
        rows.map(cut).filter(|batch| batch.num_rows() > 0).collect()
    }

    /// The next rows of the inbox that are not drained, behind those that a worker has in hand, and people to be judged again, with
    /// all they need; and how far of the inbox that is.
    pub(super) fn drain(
        &self,
        claim: &Claim,
        recalls: Vec<Recall>,
        (partition, in_hand): (Partition, Option<NextOffset>),
    ) -> Option<(Drained, NextOffset)> {
        let tables = self.0.tables.borrow();
        let frontier = claim.frontiers.get(&partition)?;
        let is_out = in_hand.is_some_and(|until| frontier.late() < until);
        let until = match self.0.lacks(Mutant::DrainsWhatIsNotRead) {
            true => END,
            false => frontier.next(),
        };
        let rows = tables.inbox(partition, frontier.late(), until);
        let rows = rows.filter(|_| !is_out);
        let rows = rows.map(|rows| rows.slice(0, rows.num_rows().min(DRAIN_ROWS_MAX)));
        let waiting: Vec<StoredPunch> =
            rows.iter().flat_map(|batch| punches::read(batch).unwrap()).map(|(_, punch)| punch).collect();
        let until = waiting.last().map_or(frontier.late(), |punch| punch.offset.next());
        let people: HashSet<Arc<str>> = waiting
            .iter()
            .map(|punch| punch.employee_id.clone())
            .chain(recalls.iter().map(|recall| recall.employee_id.clone()))
            .collect();
        if people.is_empty() {
            return None;
        }
        let is_theirs =
            |said: &Anomaly| said.finding.employee_id.as_ref().is_some_and(|person| people.contains(person));
        let history = tables.punches().into_iter().map(|(_, punch)| punch);
        let mut results = latest_results(&tables);
        results.retain(|result| people.contains(&result.outcome.employee_id));
        let mut anomalies = latest_anomalies(&tables);
        anomalies.retain(is_theirs);
        let drained = Drained {
            partition,
            rows: rows.into_iter().collect(),
            recalls,
            history: history.filter(|punch| people.contains(&punch.employee_id)).collect(),
            shift_results: results.iter().map(SaidShift::from).collect(),
            anomalies,
        };
        Some((drained, until))
    }

    /// Answers the questions of a part.
    pub(super) fn listen(&self, part: &mut Part) -> Vec<Heard> {
        let punches: Arc<[StoredPunch]> =
            self.0.tables.borrow().punches().into_iter().map(|(_, punch)| punch).collect();
        let partition = part.partition;
        let answer = |listen| Heard { partition, listen, punches: Arc::clone(&punches) };
        std::mem::take(&mut part.listens).into_iter().map(answer).collect()
    }
}

pub(super) fn latest_results(tables: &Tables) -> Vec<ShiftResult> {
    let mut latest = BTreeMap::new();
    for result in tables.results() {
        let key = (result.outcome.shift_id.clone(), result.outcome.employee_id.clone());
        latest.insert(key, result);
    }
    latest.into_values().collect()
}

pub(super) fn latest_anomalies(tables: &Tables) -> Vec<Anomaly> {
    let mut latest = BTreeMap::new();
    for anomaly in tables.anomalies() {
        latest.insert(anomaly.finding.id.to_string(), anomaly);
    }
    latest.into_values().collect()
}
