//! Everything outside a process that outlives it: three tables with compare-and-swap, dead letters, the alerts topic. Each append
//! is held against what was promised.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use model::{Generation, Partition};

use super::records::{Id, Scenario};
use crate::commit::{AttemptId, Entry};

/// The tables an owner writes, in the order in which one cut is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Table {
    /// `rejects` and `late`, in one.
    Side,
    /// `punches`, with the frontiers.
    Punches,
    /// Said state, in one.
    Said,
}

impl Table {
    pub(super) const ALL: [Self; 3] = [Self::Side, Self::Punches, Self::Said];
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Row {
    Reject { offset: i64 },
    Late { offset: i64, id: Id },
    Punch { offset: i64, id: Id },
    Said(Saying),
}

/// One version of what was said about a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Saying {
    pub(super) key: Id,
    pub(super) version: i64,
    pub(super) is_firing: bool,
    /// Position and clock of its cause.
    pub(super) cause: (i64, i64),
    /// Whether whoever said it knew that the books are closed.
    pub(super) knows_seal: bool,
}

impl Saying {
    /// Whether it may come behind `known`: as the next version, said by who had read as far.
    fn follows(&self, known: Option<Self>) -> bool {
        let (version, cause) = known.map_or((0, (0, 0)), |known| (known.version, known.cause));
        self.version == version + 1 && self.cause.0 >= cause.0 && self.cause.1 >= cause.1
    }
}

/// What an entry writes of one partition beside rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Numbers {
    /// The writer's claim; of `punches` the entry's own version, if it is a claim.
    pub(super) generation: i64,
    pub(super) next: i64,
    pub(super) clock: i64,
    pub(super) late: i64,
}

/// One entry of a table's log.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Commit {
    pub(super) attempt: AttemptId,
    pub(super) numbers: BTreeMap<Partition, Numbers>,
    pub(super) rows: Vec<(Partition, Row)>,
    pub(super) is_claim: bool,
}

/// An entry, with a hash of it.
#[derive(Clone, Debug)]
struct Hashed(u64, Arc<Commit>);

impl Hashed {
    fn new(commit: Commit) -> Self {
        let mut hasher = DefaultHasher::new();
        commit.hash(&mut hasher);
        Self(hasher.finish(), Arc::new(commit))
    }
}

impl Hash for Hashed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl Deref for Hashed {
    type Target = Commit;

    fn deref(&self) -> &Commit {
        &self.1
    }
}

/// One record of the alerts topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Spoken {
    Owner(Generation),
    Alert(Saying, Generation),
}

/// The world outside.
#[derive(Clone, Debug, Hash)]
pub(super) struct Sinks {
    tables: [Vec<Hashed>; 3],
    pub(super) letters: BTreeSet<(Partition, i64)>,
    pub(super) alerts: BTreeMap<Partition, Vec<Spoken>>,
    /// Attempts whose owners were told that they are not in, and never will be.
    pub(super) told_lost: BTreeSet<AttemptId>,
    /// Whether whoever reads the seals finds one.
    pub(super) is_seal_written: bool,
    /// From which version of `Said` on the books are closed.
    pub(super) sealed_at: Option<u64>,
}

impl Sinks {
    pub(super) fn new() -> Self {
        let created = || {
            let attempt = AttemptId(0);
            let none = Commit { attempt, numbers: BTreeMap::new(), rows: Vec::new(), is_claim: false };
            vec![Hashed::new(none)]
        };
        Self {
            tables: [created(), created(), created()],
            letters: BTreeSet::new(),
            alerts: BTreeMap::new(),
            told_lost: BTreeSet::new(),
            is_seal_written: false,
            sealed_at: None,
        }
    }

    pub(super) fn head(&self, table: Table) -> u64 {
        self.tables[table as usize].len() as u64 - 1
    }

    pub(super) fn at(&self, table: Table, version: u64) -> Option<&Commit> {
        self.tables[table as usize].get(version as usize).map(|commit| &**commit)
    }

    pub(super) fn entry(&self, table: Table, version: u64) -> Option<Entry> {
        let commit = self.at(table, version)?;
        Some(Entry { attempt: Some(commit.attempt), touches: commit.numbers.keys().copied().collect() })
    }

    /// Every row of `partition` that the table holds at `version`.
    pub(super) fn rows(
        &self,
        table: Table,
        version: u64,
        partition: Partition,
    ) -> impl Iterator<Item = &Row> {
        let commits = self.tables[table as usize].iter().take(version as usize + 1);
        commits.flat_map(|commit| &commit.rows).filter(move |(of, _)| *of == partition).map(|(_, row)| row)
    }

    /// The last numbers that the table keeps of `partition` at `version`; `wanted` tells which entries keep any.
    pub(super) fn numbers(
        &self,
        table: Table,
        version: u64,
        partition: Partition,
        wanted: impl Fn(&Commit) -> bool,
    ) -> Numbers {
        let commits = self.tables[table as usize].iter().take(version as usize + 1).rev();
        let mut kept =
            commits.filter(|commit| wanted(commit)).filter_map(|commit| commit.numbers.get(&partition));
        kept.next().copied().unwrap_or_default()
    }

    /// The inbox rows of `partition` from offset `from` on, as the table holds them now, in offset order.
    pub(super) fn inbox(&self, partition: Partition, from: i64) -> Vec<(i64, Id)> {
        let late = |row: &Row| match row {
            Row::Late { offset, id } if *offset >= from => Some((*offset, *id)),
            _ => None,
        };
        let mut rows: Vec<_> =
            self.rows(Table::Side, self.head(Table::Side), partition).filter_map(late).collect();
        rows.sort_unstable();
        rows
    }

    /// Puts `commit` at `version` if absent; whether it is there now by this call.
    pub(super) fn put(&mut self, scenario: &Scenario, table: Table, version: u64, commit: &Commit) -> bool {
        if version <= self.head(table) {
            return false;
        }
        assert_eq!(version, self.head(table) + 1, "I-3: a version was left out");
        assert!(
            !self.told_lost.contains(&commit.attempt),
            "I-3: {commit:?} lands after its owner was told it is lost"
        );
        let known = &self.tables[table as usize];
        assert!(known.iter().all(|known| known.attempt != commit.attempt), "I-3: {commit:?} lands twice");
        if !commit.is_claim {
            for partition in commit.numbers.keys() {
                let claims = known.iter().rev().filter(|known| known.is_claim);
                let last = claims.filter_map(|claim| claim.numbers.get(partition)).next();
                let generation = commit.numbers[partition].generation;
                assert_eq!(
                    last.map(|last| last.generation),
                    Some(generation),
                    "P5: {commit:?} by a former owner"
                );
            }
        }
        match table {
            Table::Side => self.check_side(commit),
            Table::Punches => self.check_punches(scenario, commit),
            Table::Said => self.check_said(version, commit),
        }
        let mut commit = commit.clone();
        if commit.is_claim && table == Table::Punches {
            commit.numbers.values_mut().for_each(|numbers| numbers.generation = version as i64);
        }
        self.tables[table as usize].push(Hashed::new(commit));
        true
    }

    fn check_side(&self, commit: &Commit) {
        let offset = |row: &Row| match row {
            Row::Reject { offset } => (0, *offset),
            Row::Late { offset, .. } => (1, *offset),
            row => panic!("{row:?} among rejects"),
        };
        let mut new = BTreeSet::new();
        for (partition, row) in &commit.rows {
            assert!(new.insert((*partition, offset(row))), "P1: {row:?} twice in one entry");
            let mut known = self.rows(Table::Side, self.head(Table::Side), *partition);
            assert!(
                !known.any(|known| offset(known) == offset(row)),
                "P1: {row:?} of partition {partition} twice"
            );
        }
    }

    /// Every readable offset that the frontier passes is in exactly one table, what is no punch behind its letter, and what it
    /// means has been told.
    fn check_punches(&self, scenario: &Scenario, commit: &Commit) {
        let head = self.head(Table::Punches);
        for (partition, numbers) in &commit.numbers {
            let base = self.numbers(Table::Punches, head, *partition, |_| true);
            assert!(
                numbers.next >= base.next && numbers.clock >= base.clock && numbers.late >= base.late,
                "I-2: partition {partition} goes back from {base:?} to {numbers:?}"
            );
            let known = self.rows(Table::Punches, head, *partition);
            let new = commit.rows.iter().filter(|(of, _)| of == partition).map(|(_, row)| row);
            let mut punches = BTreeMap::new();
            for row in known.chain(new) {
                let Row::Punch { offset, id } = row else { panic!("{row:?} among punches") };
                assert!(
                    punches.insert(*offset, *id).is_none(),
                    "P1: offset {offset} of partition {partition} twice"
                );
            }
            let ids: BTreeSet<Id> = punches.values().copied().collect();
            assert_eq!(
                ids.len(),
                punches.len(),
                "P1: an identity twice in partition {partition}: {punches:?}"
            );
            let (mut rejects, mut inbox) = (BTreeSet::new(), BTreeSet::new());
            for row in self.rows(Table::Side, self.head(Table::Side), *partition) {
                match row {
                    Row::Reject { offset } => drop(rejects.insert(*offset)),
                    Row::Late { offset, .. } => drop(inbox.insert(*offset)),
                    row => panic!("{row:?} among rejects"),
                }
            }
            for offset in base.next.min(base.late)..numbers.next {
                let is_taken = punches.contains_key(&offset);
                let waits = inbox.contains(&offset) && offset >= numbers.late;
                // A reject beyond what was drained may be of an owner that was killed: it is there already.
                let is_rejected = rejects.contains(&offset);
                assert!(
                    is_taken || waits || is_rejected,
                    "P2: offset {offset} of partition {partition} is nowhere"
                );
                assert!(
                    !(is_taken && is_rejected),
                    "P2: offset {offset} of partition {partition} is in two tables"
                );
                if scenario.has_letter(*partition, offset) && !waits {
                    let letter = (*partition, offset);
                    assert!(self.letters.contains(&letter), "P3: {letter:?} is passed without its letter");
                }
            }
            for id in scenario.due_until(*partition, numbers.clock) {
                let is_told = self.believed(*partition).iter().any(|(saying, _)| saying.key == id);
                assert!(is_told || ids.contains(&id), "I-12: the frontier passes key {id} before it is told");
            }
        }
    }

    fn check_said(&self, version: u64, commit: &Commit) {
        let mut last = BTreeMap::new();
        for (partition, row) in &commit.rows {
            let Row::Said(saying) = row else { panic!("{row:?} among said state") };
            let stored = self.last_said(*partition, saying.key);
            let known = last.insert((*partition, saying.key), *saying).or(stored);
            assert!(saying.follows(known), "P4: {saying:?} of partition {partition} behind {known:?}");
            if self.sealed_at.is_some_and(|sealed| version > sealed) {
                assert!(saying.knows_seal, "I-31: {saying:?} by an owner who has not read the seal");
            }
        }
    }

    pub(super) fn last_said(&self, partition: Partition, key: Id) -> Option<Saying> {
        let of_key = |row: &Row| match row {
            Row::Said(saying) if saying.key == key => Some(*saying),
            _ => None,
        };
        self.rows(Table::Said, self.head(Table::Said), partition).filter_map(of_key).last()
    }

    /// What a reader of the alerts topic believes: records of former owners behind a marker are none.
    pub(super) fn believed(&self, partition: Partition) -> Vec<(Saying, Generation)> {
        let (mut present, mut believed) = (Generation(0), Vec::new());
        for spoken in self.alerts.get(&partition).map_or(&[][..], Vec::as_slice) {
            match spoken {
                Spoken::Owner(generation) => present = present.max(*generation),
                Spoken::Alert(saying, generation) if *generation >= present => {
                    believed.push((*saying, *generation));
                }
                Spoken::Alert(..) => {}
            }
        }
        believed
    }

    pub(super) fn speak(&mut self, partition: Partition, spoken: Spoken) {
        self.alerts.entry(partition).or_default().push(spoken);
        let mut last: BTreeMap<Id, Saying> = BTreeMap::new();
        for (saying, _) in self.believed(partition) {
            let known = last.insert(saying.key, saying);
            let repeats = known
                .is_some_and(|known| known.version == saying.version && known.is_firing == saying.is_firing);
            assert!(repeats || saying.follows(known), "P4: alert {saying:?} behind {known:?}");
        }
    }
}
