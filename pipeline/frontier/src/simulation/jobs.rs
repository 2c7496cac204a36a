//! What a process asks of the lake, effect by effect: a claim with its fold, a commit, as `lake` and `muster::worker::store` do it.

use std::collections::{BTreeMap, BTreeSet};

use model::{Generation, Partition};

use super::Mutant;
use super::records::Scenario;
use super::sinks::{Commit, Numbers, Row, Sinks, Table};
use super::work::{Rows, Work};
use crate::commit::{Attempt, AttemptId, Do, Outcome};
use crate::retries::Retries;

/// What an owner holds of the lake.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Claim {
    pub(super) generation: i64,
    pub(super) frontiers: BTreeMap<Partition, Numbers>,
    pub(super) seen: BTreeMap<Table, u64>,
    /// Side rows at or beyond the frontier that the table holds.
    pub(super) present: BTreeSet<(Partition, RowKey)>,
}

/// A side row by kind and offset.
pub(super) type RowKey = (bool, i64);

fn key_of(row: &Row) -> RowKey {
    match row {
        Row::Reject { offset } => (false, *offset),
        Row::Late { offset, .. } => (true, *offset),
        row => panic!("{row:?} among side rows"),
    }
}

impl Claim {
    pub(super) fn lose(&mut self, lost: &BTreeSet<Partition>) {
        self.frontiers.retain(|partition, _| !lost.contains(partition));
        self.present.retain(|(partition, _)| !lost.contains(partition));
    }

    fn held(&self) -> BTreeSet<Partition> {
        self.frontiers.keys().copied().collect()
    }
}

/// An entry being appended.
#[derive(Clone, Debug, Hash)]
pub(super) struct Trying {
    attempt: Attempt,
    pub(super) next: Do,
    pub(super) table: Table,
    pub(super) commit: Commit,
}

impl Trying {
    pub(super) fn start(table: Table, commit: Commit, held: BTreeSet<Partition>, seen: u64) -> Self {
        let writes = commit.numbers.keys().copied().collect();
        let (attempt, next) = Attempt::start(commit.attempt, writes, held, seen, Retries::at_once(1));
        Self { attempt, next, table, commit }
    }

    /// Takes the answer; the outcome, if that ends it. One in doubt is resumed for ever: giving up is being killed.
    pub(super) fn on(&mut self, event: crate::commit::Event) -> Option<Outcome> {
        self.next = self.attempt.on(event);
        match &self.next {
            Do::End(Outcome::InDoubt) => {
                self.next = self.attempt.resume();
                None
            }
            Do::End(outcome) => Some(outcome.clone()),
            _ => None,
        }
    }
}

/// What is asked next of a claim.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum ClaimStage {
    Append,
    Fold,
    Mark,
    ReadBack,
}

/// Partitions being claimed and folded.
#[derive(Clone, Debug, Hash)]
pub(super) struct ClaimJob {
    asked: BTreeSet<Partition>,
    /// What was held before, by the claim before.
    before: Option<Claim>,
    pub(super) claim: Claim,
    pub(super) stage: ClaimStage,
    /// The generation that each partition's tables knew before.
    former: BTreeMap<Partition, i64>,
    said_until: BTreeMap<Partition, Numbers>,
    pub(super) works: Vec<Work>,
    pub(super) trying: Option<Trying>,
}

/// The order in which tables are claimed.
const CLAIM_ORDER: [Table; 3] = [Table::Punches, Table::Side, Table::Said];

impl ClaimJob {
    pub(super) fn new(asked: BTreeSet<Partition>, before: Option<Claim>) -> Self {
        Self {
            asked,
            before,
            claim: Claim::default(),
            stage: ClaimStage::Append,
            former: BTreeMap::new(),
            said_until: BTreeMap::new(),
            works: Vec::new(),
            trying: None,
        }
    }

    fn wanted(&self) -> BTreeSet<Partition> {
        let held = self.before.as_ref().map(Claim::held).unwrap_or_default();
        self.asked.union(&held).copied().collect()
    }

    fn begin_anew(&mut self) {
        (self.claim, self.trying) = (Claim::default(), None);
    }

    /// Goes on without the store, until there is an entry to append or nothing more to claim.
    pub(super) fn prepare(&mut self, sinks: &Sinks, mut attempt: impl FnMut() -> AttemptId) {
        if self.stage != ClaimStage::Append || self.trying.is_some() {
            return;
        }
        let Some(table) = CLAIM_ORDER.into_iter().find(|table| !self.claim.seen.contains_key(table)) else {
            self.stage = ClaimStage::Fold;
            return;
        };
        let head = sinks.head(table);
        if table == Table::Punches {
            let frontier = |partition| (partition, sinks.numbers(table, head, partition, |_| true));
            self.claim.frontiers = self.wanted().into_iter().map(frontier).collect();
            self.former.clear();
        } else {
            for partition in self.claim.held() {
                let stored = sinks.numbers(table, head, partition, |_| true).generation;
                if stored > self.claim.generation {
                    self.begin_anew();
                    return self.prepare(sinks, attempt);
                }
                let former = self.former.entry(partition).or_default();
                *former = stored.max(*former);
                if table == Table::Said {
                    self.said_until
                        .insert(partition, sinks.numbers(table, head, partition, |commit| !commit.is_claim));
                }
            }
        }
        let generation = self.claim.generation;
        let numbers = self.claim.frontiers.iter().map(|(partition, frontier)| match table {
            Table::Punches => (*partition, *frontier),
            _ => (*partition, Numbers { generation, ..Numbers::default() }),
        });
        let commit =
            Commit { attempt: attempt(), numbers: numbers.collect(), rows: Vec::new(), is_claim: true };
        self.trying = Some(Trying::start(table, commit, self.claim.held(), head));
    }

    /// An entry's attempt has ended.
    pub(super) fn ended(&mut self, sinks: &Sinks, outcome: &Outcome) {
        let trying = self.trying.take().expect("an attempt that ended was under way");
        let Outcome::Done { version, .. } = *outcome else { return self.begin_anew() };
        self.claim.seen.insert(trying.table, version);
        match trying.table {
            Table::Punches => self.claim.generation = version as i64,
            Table::Side => {
                for (partition, frontier) in &self.claim.frontiers {
                    let rows = sinks.rows(Table::Side, version, *partition).map(key_of);
                    let beyond = rows.filter(|(_, offset)| *offset >= frontier.next);
                    self.claim.present.extend(beyond.map(|key| (*partition, key)));
                }
            }
            Table::Said => {}
        }
    }

    /// Folds what was asked for, and of what was held whatever somebody else has claimed meanwhile.
    pub(super) fn fold(&mut self, sinks: &Sinks, mutant: Option<Mutant>) {
        let is_stale = |partition: &Partition| {
            let Some(before) = &self.before else { return true };
            match mutant {
                Some(Mutant::KeepsWhatStoodStill) => {
                    let place = |claim: &Claim| {
                        claim.frontiers.get(partition).map(|known| (known.next, known.clock, known.late))
                    };
                    place(before) != place(&self.claim)
                }
                _ => self.former[partition] != before.generation,
            }
        };
        let folded = self
            .wanted()
            .into_iter()
            .filter(|partition| self.asked.contains(partition) || is_stale(partition));
        self.works = folded
            .collect::<Vec<_>>()
            .into_iter()
            .map(|partition| self.fold_one(sinks, partition, mutant))
            .collect();
        self.stage = if mutant == Some(Mutant::ReadsBackBeforeItsMarker) {
            ClaimStage::ReadBack
        } else {
            ClaimStage::Mark
        };
    }

    fn fold_one(&self, sinks: &Sinks, partition: Partition, mutant: Option<Mutant>) -> Work {
        let frontier = self.claim.frontiers[&partition];
        let generation = Generation(self.claim.generation);
        let mut work = Work::new(partition, generation, frontier, sinks.is_seal_written, mutant);
        for row in sinks.rows(Table::Punches, self.claim.seen[&Table::Punches], partition) {
            let Row::Punch { offset, id } = row else { panic!("{row:?} among punches") };
            work.punched.insert(*id, *offset);
        }
        work.waiting = sinks.inbox(partition, frontier.late).into_iter().map(|(_, id)| id).collect();
        for row in sinks.rows(Table::Said, self.claim.seen[&Table::Said], partition) {
            let Row::Said(saying) = row else { panic!("{row:?} among said state") };
            work.table.fold(partition, saying);
            if !saying.is_firing {
                work.outlet.fold(partition, saying);
            }
        }
        work
    }

    pub(super) fn mark(&self, sinks: &mut Sinks) {
        for work in &self.works {
            sinks.speak(work.partition, super::sinks::Spoken::Owner(work.generation));
        }
    }

    pub(super) fn read_back(&mut self, sinks: &Sinks) {
        for work in &mut self.works {
            for (saying, _) in sinks.believed(work.partition) {
                work.outlet.fold(work.partition, &saying);
            }
        }
    }

    /// The works, started.
    pub(super) fn start(mut self, scenario: &Scenario, sinks: &Sinks) -> (Claim, Vec<Work>) {
        for work in &mut self.works {
            let said_until = self.said_until[&work.partition];
            let drained = sinks.inbox(work.partition, said_until.late).into_iter();
            let drained = drained.filter(|(offset, _)| *offset < work.late).map(|(_, id)| id).collect();
            work.start(scenario, said_until, &drained);
        }
        (self.claim, self.works)
    }
}

/// What one partition has to commit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Part {
    /// Where the partition stood when the commit began.
    pub(super) base: Numbers,
    pub(super) frontier: Numbers,
    pub(super) rows: Rows,
}

/// A cut being committed.
#[derive(Clone, Debug, Hash)]
pub(super) struct CommitJob {
    parts: BTreeMap<Partition, Part>,
    /// The tables done so far.
    done: usize,
    pub(super) lost: BTreeSet<Partition>,
    pub(super) trying: Option<Trying>,
    order: [Table; 3],
}

impl CommitJob {
    pub(super) fn new(parts: BTreeMap<Partition, Part>, mutant: Option<Mutant>) -> Self {
        let mut order = Table::ALL;
        match mutant {
            Some(Mutant::CommitsRejectsLast) => order.swap(0, 1),
            Some(Mutant::CommitsSaidStateFirst) => order = [Table::Said, Table::Side, Table::Punches],
            _ => {}
        }
        Self { parts, done: 0, lost: BTreeSet::new(), trying: None, order }
    }

    /// Goes on without the store, until there is an entry to append or nothing more.
    pub(super) fn prepare(
        &mut self,
        claim: &mut Claim,
        sinks: &Sinks,
        mutant: Option<Mutant>,
        mut attempt: impl FnMut() -> AttemptId,
    ) {
        while self.trying.is_none() {
            let Some(table) = self.order.get(self.done).copied() else { return };
            let strangers: BTreeSet<Partition> = self
                .parts
                .keys()
                .filter(|partition| !claim.frontiers.contains_key(partition))
                .copied()
                .collect();
            self.lost.extend(&strangers);
            if table != Table::Said {
                self.parts.retain(|partition, _| !strangers.contains(partition));
            }
            let (numbers, rows) = self.entry(table, claim, sinks, mutant);
            if rows.is_empty() && (table == Table::Side || numbers.is_empty()) {
                self.done += 1;
                continue;
            }
            let commit = Commit { attempt: attempt(), numbers, rows, is_claim: false };
            let seen = if mutant == Some(Mutant::CommitsWithoutPin) {
                sinks.head(table)
            } else {
                claim.seen[&table]
            };
            self.trying = Some(Trying::start(table, commit, claim.held(), seen));
        }
    }

    /// What the table's entry carries.
    fn entry(
        &self,
        table: Table,
        claim: &Claim,
        sinks: &Sinks,
        mutant: Option<Mutant>,
    ) -> (BTreeMap<Partition, Numbers>, Vec<(Partition, Row)>) {
        let generation = claim.generation;
        let (mut numbers, mut rows) = (BTreeMap::new(), Vec::new());
        for (partition, part) in self.parts.iter().filter(|(partition, _)| !self.lost.contains(partition)) {
            let base = part.base;
            let is_moved = (base.next, base.clock, base.late)
                != (part.frontier.next, part.frontier.clock, part.frontier.late);
            match table {
                Table::Said => {
                    numbers.insert(*partition, Numbers { generation, ..claim.frontiers[partition] });
                    rows.extend(part.rows.said.iter().map(|saying| (*partition, Row::Said(*saying))));
                }
                _ if !is_moved => {
                    assert!(
                        part.rows.side.is_empty() && part.rows.punches.is_empty(),
                        "I-2: rows, and nothing moved"
                    );
                }
                Table::Punches => {
                    numbers.insert(*partition, Numbers { generation, ..part.frontier });
                    rows.extend(part.rows.punches.iter().map(|row| (*partition, row.clone())));
                }
                Table::Side => {
                    numbers.insert(*partition, Numbers { generation, ..part.frontier });
                    let is_new = |row: &&Row| {
                        let key = key_of(row);
                        // Of drained inbox rows, passed long ago, the table itself is asked.
                        let is_stored = key.1 < base.next
                            && sinks
                                .rows(table, claim.seen[&table], *partition)
                                .any(|known| key_of(known) == key);
                        let is_known = is_stored || claim.present.contains(&(*partition, key));
                        !is_known || mutant == Some(Mutant::WritesRejectsAgain)
                    };
                    rows.extend(part.rows.side.iter().filter(is_new).map(|row| (*partition, row.clone())));
                }
            }
        }
        (numbers, rows)
    }

    /// An entry's attempt has ended.
    pub(super) fn ended(&mut self, claim: &mut Claim, outcome: &Outcome) {
        let Trying { table, commit, .. } = self.trying.take().expect("an attempt that ended was under way");
        match outcome {
            Outcome::Done { version, lost } => {
                claim.seen.insert(table, *version);
                claim.lose(lost);
                self.lost.extend(lost);
                match table {
                    Table::Side => {
                        claim
                            .present
                            .extend(commit.rows.iter().map(|(partition, row)| (*partition, key_of(row))));
                    }
                    Table::Punches => {
                        claim.frontiers.extend(commit.numbers);
                        let Claim { frontiers, present, .. } = claim;
                        present.retain(|(partition, (_, offset))| {
                            frontiers.get(partition).is_some_and(|frontier| *offset >= frontier.next)
                        });
                    }
                    Table::Said => {}
                }
                self.done += 1;
            }
            Outcome::Lost { lost, seen } => {
                claim.seen.insert(table, *seen);
                claim.lose(lost);
                self.lost.extend(lost);
                if table != Table::Said {
                    // Nothing counts of it: what the others had in it is committed without them.
                    self.parts.retain(|partition, _| !lost.contains(partition));
                    self.done = 0;
                }
            }
            Outcome::InDoubt => unreachable!("an attempt in doubt is resumed"),
        }
    }
}
