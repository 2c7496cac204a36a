//! The tables of a simulated lake: logs of entries that are put if absent; some writes travel for long.
//!
//! In: entries.  Out: what they hold at a version.  Owns: all entries, and those that travel.
//! Invariants: P5 an entry of a former owner never lands, looked at here; what else must hold, `witness` looks at.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use frontier::{AttemptId, Entry, PartitionFrontier};
use model::{Anomaly, EventTime, NextOffset, Offset, Partition, Reject, ShiftResult, StoredPunch};
use schemas::tables::{anomalies, late, punches, rejects, shift_results};

use super::Mutant;
use super::dice::Dice;
use super::outside::note;
use super::witness::Witness;
use crate::worker::rows::Rows;

/// The tables, in the order in which they are claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Table {
    Punches,
    Rejects,
    Late,
    Results,
    Anomalies,
}

impl Table {
    pub(super) const ALL: [Self; 5] =
        [Self::Punches, Self::Rejects, Self::Late, Self::Results, Self::Anomalies];

    /// Its rows of a cut.
    pub(super) fn rows(self, rows: &Rows) -> &[RecordBatch] {
        match self {
            Self::Punches => &rows.punches,
            Self::Rejects => &rows.rejects,
            Self::Late => &rows.late,
            Self::Results => &rows.shift_results,
            Self::Anomalies => &rows.anomalies,
        }
    }
}

/// What an entry says of a partition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbers {
    pub(super) generation: i64,
    /// Of `punches` the frontier; of said state how far was said; of a claim elsewhere nothing.
    pub(super) until: Option<PartitionFrontier>,
}

/// One entry.
#[derive(Clone, Debug)]
pub(super) struct Commit {
    pub(super) attempt: AttemptId,
    pub(super) numbers: BTreeMap<Partition, Numbers>,
    pub(super) rows: Vec<RecordBatch>,
    pub(super) is_claim: bool,
}

/// All tables.
pub(super) struct Tables {
    logs: [Vec<Commit>; 5],
    flights: Vec<(Table, u64, Commit)>,
    attempts: u128,
    witness: Witness,
    mutant: Option<Mutant>,
}

/// Days of punches in memory.
pub(super) const STATE_DAYS: i64 = 4;

impl Tables {
    /// Nothing yet; what lands is told to `witness`.
    pub(super) fn new(witness: Witness, mutant: Option<Mutant>) -> Self {
        Self { logs: Default::default(), flights: Vec::new(), attempts: 0, witness, mutant }
    }

    /// What tells an attempt from any other.
    pub(super) fn next_attempt(&mut self) -> AttemptId {
        self.attempts += 1;
        AttemptId(self.attempts)
    }

    /// A write that goes on its way, and lands some time if its place is still free then.
    pub(super) fn send(&mut self, table: Table, version: u64, commit: &Commit) {
        self.flights.push((table, version, commit.clone()));
    }

    fn log(&self, table: Table) -> &[Commit] {
        &self.logs[table as usize]
    }

    pub(super) fn head(&self, table: Table) -> u64 {
        self.log(table).len() as u64
    }

    /// Entries are counted from 1: version 0 creates the table.
    fn until(&self, table: Table, version: u64) -> impl DoubleEndedIterator<Item = &Commit> {
        self.log(table).iter().take(version as usize)
    }

    pub(super) fn entry(&self, table: Table, version: u64) -> Option<Entry> {
        let created = Entry { attempt: None, touches: BTreeSet::new() };
        let Some(at) = version.checked_sub(1) else { return Some(created) };
        let commit = self.log(table).get(at as usize)?;
        Some(Entry { attempt: Some(commit.attempt), touches: commit.numbers.keys().copied().collect() })
    }

    pub(super) fn put(&mut self, table: Table, version: u64, commit: &Commit) -> bool {
        let is_free = version == self.head(table) + 1;
        assert!(is_free || version <= self.head(table), "I-3: a version was left out");
        if !is_free && self.mutant != Some(Mutant::PutsOverWhatIsThere) {
            return false;
        }
        let mut commit = commit.clone();
        if commit.is_claim && table == Table::Punches {
            commit.numbers.values_mut().for_each(|numbers| numbers.generation = version as i64);
        }
        for (partition, numbers) in commit.numbers.iter().filter(|_| !commit.is_claim) {
            let claims = self.log(table).iter().rev().filter(|known| known.is_claim);
            let last = claims.filter_map(|claim| claim.numbers.get(partition)).next();
            assert_eq!(last.map(|last| last.generation), Some(numbers.generation), "P5: by a former owner");
        }
        note(|| {
            let until = |(partition, numbers): (&Partition, &Numbers)| {
                let at = numbers.until.map(|until| (until.next().get(), until.late().get()));
                format!("{partition} by {} until {at:?}", numbers.generation)
            };
            let numbers: Vec<String> = commit.numbers.iter().map(until).collect();
            let rows: usize = commit.rows.iter().map(RecordBatch::num_rows).sum();
            let what = if commit.is_claim { "claim" } else { "commit" };
            format!("{what} {table:?} {version}: {rows} rows, {}", numbers.join(", "))
        });
        self.witness.landed(table, &commit);
        self.logs[table as usize].truncate(version as usize - 1);
        self.logs[table as usize].push(commit);
        true
    }

    /// A delayed write arrives, if there is one.
    pub(super) fn arrive(&mut self, dice: &mut Dice) {
        if !self.flights.is_empty() {
            let nth = dice.below(self.flights.len() as u64) as usize;
            let (table, version, commit) = self.flights.swap_remove(nth);
            self.put(table, version, &commit);
        }
    }

    /// The last frontier of `partition`, and of said state how far was said.
    pub(super) fn last_until(&self, table: Table, version: u64, partition: Partition) -> PartitionFrontier {
        let mut known = self.until(table, version).rev().filter_map(|commit| commit.numbers.get(&partition));
        known.find_map(|numbers| numbers.until).unwrap_or(PartitionFrontier::START)
    }

    pub(super) fn generation(&self, table: Table, version: u64, partition: Partition) -> i64 {
        let mut known = self.until(table, version).rev().filter_map(|commit| commit.numbers.get(&partition));
        known.next().map_or(0, |numbers| numbers.generation)
    }

    pub(super) fn frontier(&self, partition: Partition) -> PartitionFrontier {
        self.last_until(Table::Punches, self.head(Table::Punches), partition)
    }

    pub(super) fn batches(&self, table: Table, version: u64) -> impl Iterator<Item = &RecordBatch> {
        self.until(table, version).flat_map(|commit| &commit.rows)
    }

    /// Partition and offset of each row of a side table.
    pub(super) fn origins(&self, table: Table) -> Vec<(Partition, i64)> {
        self.batches(table, self.head(table)).flat_map(|batch| origins(table, batch)).collect()
    }

    pub(super) fn punches(&self) -> Vec<(Partition, StoredPunch)> {
        let head = self.head(Table::Punches);
        self.batches(Table::Punches, head).flat_map(|batch| punches::read(batch).unwrap()).collect()
    }

    pub(super) fn results(&self) -> Vec<ShiftResult> {
        let head = self.head(Table::Results);
        self.batches(Table::Results, head).flat_map(|batch| shift_results::read(batch).unwrap()).collect()
    }

    pub(super) fn anomalies(&self) -> Vec<Anomaly> {
        let head = self.head(Table::Anomalies);
        self.batches(Table::Anomalies, head).flat_map(|batch| anomalies::read(batch).unwrap()).collect()
    }

    /// What was rejected of a partition at offsets `between` and has not waited in the inbox, in no order, each with the time of its
    /// record.
    pub(super) fn rejects(
        &self,
        partition: Partition,
        between: Range<NextOffset>,
    ) -> Vec<(EventTime, Reject)> {
        let waited = self.origins(Table::Late);
        let rows = self.batches(Table::Rejects, self.head(Table::Rejects));
        rows.flat_map(|batch| rejects::read(batch).unwrap())
            .filter(|(of, _, reject)| *of == partition && between.contains(&position(reject.offset)))
            .filter(|(of, _, reject)| !waited.contains(&(*of, reject.offset.get())))
            .map(|(_, at, reject)| (at, reject))
            .collect()
    }

    /// Inbox rows of a partition at offsets `from..until`, in offset order, in the columns of `punches`.
    pub(super) fn inbox(
        &self,
        partition: Partition,
        from: NextOffset,
        until: NextOffset,
    ) -> Option<RecordBatch> {
        let head = self.head(Table::Late);
        let mut rows: Vec<(i64, RecordBatch)> = Vec::new();
        for batch in self.batches(Table::Late, head) {
            let all = late::to_punches(batch).unwrap();
            for (row, (of, offset)) in origins(Table::Late, batch).into_iter().enumerate() {
                if of == partition && offset >= from.get() && offset < until.get() {
                    rows.push((offset, all.slice(row, 1)));
                }
            }
        }
        rows.sort_by_key(|(offset, _)| *offset);
        let schema = rows.first()?.1.schema();
        let rows: Vec<RecordBatch> = rows.into_iter().map(|(_, row)| row).collect();
        Some(concat_batches(&schema, &rows).unwrap())
    }
}

fn position(offset: Offset) -> NextOffset {
    NextOffset::new(offset.get()).unwrap()
}

/// Partition and offset of each row of a side table.
pub(super) fn origins(table: Table, batch: &RecordBatch) -> Vec<(Partition, i64)> {
    let origins = match table {
        Table::Rejects => rejects::read_origins(batch).unwrap(),
        _ => late::read_origins(batch).unwrap(),
    };
    origins.into_iter().map(|origin| (origin.partition, origin.offset.get())).collect()
}
