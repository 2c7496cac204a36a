//! What an owner writes: a commit of punches with its side tables, and said state.
//!
//! ```text
//!   files of all tables ▶ punch_evidence ▶ rejects ▶ late ▶ vendor_records ▶ punches + numbers
//!        kill here or here or here: the next owner finds the side rows beyond its frontier and skips them
//! ```
//!
//! In: record batches and frontiers.  Out: [`CommitOutcome`]; the claim moves along.  Owns: an unfinished commit, in the claim.
//! Invariants: I-2 rows of `punches` and the numbers that pass them are one entry; position and clock never go back, asserted
//! here; I-3 a call that ended in an error is finished, not begun anew, by the next call with the same rows.
//! Why so: side tables first, because a row there that the frontier never passes is skipped on the next try, while a frontier
//! that passes a row that is nowhere would lose it.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Int32Type, Int64Type};
use deltalake::kernel::Add;
use frontier::{Frontiers, Mark, Outcome, PartitionFrontier, TxnId};
use model::{NextOffset, Offset, Partition};
use schemas::tables::{
    adjustments, anomalies, late, punch_evidence, punches, rejects, shift_results, vendor_records,
};

use crate::claim::{Claim, frontier_numbers};
use crate::encode::{check_schema, encode, upload};
use crate::error::{Error, Result};
use crate::fold::origins_from;
use crate::lake::{Lake, schema_of};
use crate::log::Pending;

/// What one commit carries: the rows of all partitions that moved, and where they moved to. Columns are those of
/// `schemas::tables`.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// Rows of `rejects`.
    pub rejects: Vec<RecordBatch>,
    /// Rows of `late`.
    pub late: Vec<RecordBatch>,
    /// Rows of `punch_evidence`.
    pub evidence: Vec<RecordBatch>,
    /// Rows of `vendor_records`.
    pub vendor_records: Vec<RecordBatch>,
    /// Rows of `punches`.
    pub punches: Vec<RecordBatch>,
    /// The frontier behind these rows, of every partition that has any, or whose clock or inbox moved.
    pub frontiers: Vec<(Partition, PartitionFrontier)>,
}

/// New versions of said state. Columns are those of `schemas::tables`.
#[derive(Clone, Debug, Default)]
pub struct SaidRows {
    /// Rows of `shift_results`.
    pub shift_results: Vec<RecordBatch>,
    /// Rows of `adjustments`.
    pub adjustments: Vec<RecordBatch>,
    /// Rows of `anomalies`.
    pub anomalies: Vec<RecordBatch>,
}

/// How a commit ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitOutcome {
    /// Everything is in the lake, once.
    Done {
        /// The table's version that holds it; of `anomalies` for said state.
        version: u64,
        /// Partitions of the claim, none of them in this commit, that another owner has claimed meanwhile: the claim holds them
        /// no longer.
        lost: BTreeSet<Partition>,
    },
    /// Nothing counts of it: another owner has claimed these partitions, the claim holds them no longer. What the others had in
    /// it may be committed again, without these.
    Lost(BTreeSet<Partition>),
}

/// A call that ended in an error: what of it is done, and what is in doubt.
#[derive(Debug, Default)]
pub(crate) struct Unfinished {
    /// Where the commit of punches wanted to move; empty for said state.
    moved: Frontiers,
    /// Tables of said state that are done, with the rows that are in.
    said: Vec<(&'static str, Vec<RecordBatch>)>,
    pending: Option<(&'static str, Vec<RecordBatch>, Pending)>,
}

/// One step's end.
#[derive(Debug)]
pub(crate) enum Step {
    Done(u64, BTreeSet<Partition>),
    Lost(BTreeSet<Partition>),
}

impl Lake {
    /// Commits rows and the frontiers behind them: once, or not at all.
    ///
    /// After an `Err` whose action is `Retry` the same rows must be committed again with the same claim (what is in doubt is then
    /// settled first), or the claim dropped and the partitions claimed anew. Nothing moved and no rows: nothing is written.
    ///
    /// Panics if a frontier goes back, or if there are rows but nothing moved.
    pub async fn commit(&self, claim: &mut Claim, commit: Commit) -> Result<CommitOutcome> {
        let wanted: Frontiers = commit.frontiers.iter().copied().collect();
        if let Some(outcome) = self.settle(claim, &wanted).await? {
            return Ok(outcome);
        }
        let strangers: BTreeSet<Partition> =
            wanted.keys().filter(|partition| !claim.frontiers.contains_key(partition)).copied().collect();
        if !strangers.is_empty() {
            return Ok(CommitOutcome::Lost(strangers));
        }
        let moved = claim.moved(&wanted);
        if moved.is_empty() {
            let Commit { rejects, late, evidence, vendor_records, punches, .. } = &commit;
            let rows = [rejects, late, evidence, vendor_records, punches];
            let rows: usize = rows.into_iter().flatten().map(RecordBatch::num_rows).sum();
            assert_eq!(rows, 0, "I-2: {rows} rows would be committed with a frontier that did not move");
            return Ok(CommitOutcome::Done { version: claim.seen_of(punches::NAME), lost: BTreeSet::new() });
        }
        let mut lost = BTreeSet::new();
        let behind: Frontiers = claim
            .frontiers
            .iter()
            .chain(&moved)
            .map(|(partition, frontier)| (*partition, *frontier))
            .collect();
        let evidence = self.young_evidence(&behind, commit.evidence)?;
        self.know_drained(claim, &commit.rejects).await?;
        for (table, batches) in [
            (punch_evidence::NAME, evidence),
            (rejects::NAME, commit.rejects),
            (late::NAME, commit.late),
            (vendor_records::NAME, commit.vendor_records),
        ] {
            match self.commit_side(claim, table, batches, &moved).await? {
                Step::Done(_, more) => lost.extend(more),
                Step::Lost(lost) => return Ok(CommitOutcome::Lost(lost)),
            }
        }
        match self.commit_punches(claim, commit.punches, &moved).await? {
            Step::Done(version, more) => {
                lost.extend(more);
                Ok(CommitOutcome::Done { version, lost })
            }
            Step::Lost(lost) => Ok(CommitOutcome::Lost(lost)),
        }
    }

    /// Takes note which of these rejects the table holds although the frontier has passed them: those of drained inbox rows,
    /// where an owner died between this table's commit and the one that moves the inbox's position.
    pub(crate) async fn know_drained(&self, claim: &mut Claim, batches: &[RecordBatch]) -> Result<()> {
        let is_passed = |(partition, offset): &(Partition, Offset)| {
            claim.frontiers.get(partition).is_some_and(|base| base.next().has_passed(*offset))
        };
        let passed: HashSet<_> = origins(batches)?.into_iter().filter(is_passed).collect();
        if passed.is_empty() {
            return Ok(());
        }
        let mut from: BTreeMap<Partition, NextOffset> = BTreeMap::new();
        for (partition, offset) in &passed {
            let lowest = from.entry(*partition).or_insert(offset.next());
            *lowest = (*lowest).min(NextOffset::new(offset.get()).unwrap_or(NextOffset::START));
        }
        let table = self.table(rejects::NAME)?;
        let snapshot = self.snapshot_at(&table, claim.seen_of(rejects::NAME)).await?;
        let held = origins_from(self, &table, &snapshot, &claim.log, &from).await?;
        claim.present.entry(rejects::NAME).or_default().extend(held.intersection(&passed));
        Ok(())
    }

    /// The rows of one side table that it is not known to hold.
    pub(crate) async fn commit_side(
        &self,
        claim: &mut Claim,
        table: &'static str,
        batches: Vec<RecordBatch>,
        moved: &Frontiers,
    ) -> Result<Step> {
        let missing = not_present(claim, table, batches)?;
        let Some(files) = self.write(table, &missing).await? else {
            return Ok(Step::Done(claim.seen_of(table), BTreeSet::new()));
        };
        let mut numbers = said_numbers(claim, moved.keys().copied());
        let until = |(partition, frontier): (&Partition, &PartitionFrontier)| {
            (claim.id(*partition, Mark::Until), frontier.next().get())
        };
        numbers.extend(moved.iter().map(until));
        let rows = origins(&missing)?;
        let step = self.append(claim, table, missing, files, &numbers, moved).await?;
        if let Step::Done(..) = step {
            claim.present.entry(table).or_default().extend(rows);
        }
        Ok(step)
    }

    /// The rows of `punches` and where they move the frontier: one entry.
    pub(crate) async fn commit_punches(
        &self,
        claim: &mut Claim,
        batches: Vec<RecordBatch>,
        moved: &Frontiers,
    ) -> Result<Step> {
        let files = self.write(punches::NAME, &batches).await?.unwrap_or_default();
        let numbers = frontier_numbers(claim, moved.iter());
        let step = self.append(claim, punches::NAME, batches, files, &numbers, moved).await?;
        if let Step::Done(..) = step {
            claim.pass(moved);
        }
        Ok(step)
    }

    /// Commits new versions of said state, `shift_results` first, and that everything up to the committed frontier of the
    /// partitions `judged` has been said by now. Rows are fenced by their column `cause_partition`: a former
    /// owner's are refused. After an `Err` the same call must be repeated, or the claim dropped, as with [`Lake::commit`]; after
    /// `Lost` the same without these partitions: tables that were done by then are not written again.
    pub async fn commit_derived(
        &self,
        claim: &mut Claim,
        rows: SaidRows,
        judged: &[Partition],
    ) -> Result<CommitOutcome> {
        if let Some(CommitOutcome::Lost(lost)) = self.settle(claim, &Frontiers::new()).await? {
            return Ok(CommitOutcome::Lost(lost));
        }
        let said = claim.unfinished.take().map(|unfinished| unfinished.said).unwrap_or_default();
        let mut lost = BTreeSet::new();
        let mut done = Vec::new();
        let SaidRows { shift_results, adjustments, anomalies } = rows;
        for (table, batches) in [
            (shift_results::NAME, shift_results),
            (adjustments::NAME, adjustments),
            (anomalies::NAME, anomalies),
        ] {
            let is_in = said.iter().any(|(known, rows)| *known == table && *rows == batches);
            let is_idle = table == adjustments::NAME && batches.is_empty();
            // The others are told how far was judged, even where one has no row of it.
            let step = if is_in || is_idle {
                Ok(Step::Done(0, BTreeSet::new()))
            } else {
                self.commit_said(claim, table, &batches, judged).await
            };
            match step {
                Ok(Step::Done(_, more)) => {
                    done.push((table, batches));
                    lost.extend(more);
                }
                Ok(Step::Lost(more)) => {
                    lost.extend(more);
                    done.iter_mut().try_for_each(|(_, rows)| leave_out(rows, &lost))?;
                    claim.unfinished.get_or_insert_default().said = done;
                    return Ok(CommitOutcome::Lost(lost));
                }
                Err(error) => {
                    claim.unfinished.get_or_insert_default().said = done;
                    return Err(error);
                }
            }
        }
        Ok(CommitOutcome::Done { version: claim.seen_of(anomalies::NAME), lost })
    }

    async fn commit_said(
        &self,
        claim: &mut Claim,
        table: &'static str,
        batches: &[RecordBatch],
        judged: &[Partition],
    ) -> Result<Step> {
        let causes = cause_partitions(batches)?;
        let told = causes.iter().chain(judged);
        let strangers: BTreeSet<_> =
            told.filter(|partition| !claim.frontiers.contains_key(partition)).copied().collect();
        if !strangers.is_empty() {
            return Ok(Step::Lost(strangers));
        }
        let files = self.write(table, batches).await?.unwrap_or_default();
        let said: BTreeSet<Partition> = causes.into_iter().chain(judged.iter().copied()).collect();
        let mut numbers = said_numbers(claim, said.iter().copied());
        for partition in said.iter().filter(|partition| judged.contains(partition)) {
            let Some(frontier) = claim.frontiers.get(partition) else { continue };
            numbers.insert(claim.id(*partition, Mark::Offset), frontier.next().get());
            numbers.insert(claim.id(*partition, Mark::Clock), frontier.clock_ms());
            numbers.insert(claim.id(*partition, Mark::Late), frontier.late().get());
            if let Some(ruled) = claim.ruled_until.get(partition).filter(|_| table == anomalies::NAME) {
                numbers.insert(claim.id(*partition, Mark::Ruled), *ruled);
            }
        }
        if files.is_empty() && numbers.is_empty() {
            return Ok(Step::Done(claim.seen_of(table), BTreeSet::new()));
        }
        self.append(claim, table, batches.to_vec(), files, &numbers, &Frontiers::new()).await
    }

    /// Writes the rows as files; `None` if there are none.
    async fn write(&self, table: &'static str, batches: &[RecordBatch]) -> Result<Option<Vec<Add>>> {
        if batches.iter().all(|batch| batch.num_rows() == 0) {
            return Ok(None);
        }
        self.write_files(table, batches).await.map(Some)
    }

    /// Writes the rows as files of the table, unnamed by its log yet.
    pub(crate) async fn write_files(&self, table: &str, batches: &[RecordBatch]) -> Result<Vec<Add>> {
        check_schema(table, &schema_of(table)?, batches)?;
        self.encode_files(table, batches, self.options().target_file_bytes).await
    }

    /// Writes rows read from one file of the table as one file again, unnamed by its log yet; none if there are none.
    pub(crate) async fn rewrite_file(&self, table: &str, batches: &[RecordBatch]) -> Result<Option<Add>> {
        let mut files = self.encode_files(table, batches, u64::MAX).await?;
        assert!(files.len() <= 1, "a file of table {table} holds one month");
        Ok(files.pop())
    }

    async fn encode_files(&self, table: &str, batches: &[RecordBatch], target: u64) -> Result<Vec<Add>> {
        let (name, rows) = (table.to_owned(), batches.to_vec());
        let files = tokio::task::spawn_blocking(move || encode(&name, &rows, target)).await;
        let files =
            files.map_err(|panic| Error::corrupt(format!("encode rows of table {table}: {panic}")))??;
        upload(table, self.table(table)?.store().as_ref(), files).await
    }

    async fn append(
        &self,
        claim: &mut Claim,
        table: &'static str,
        rows: Vec<RecordBatch>,
        files: Vec<Add>,
        numbers: &BTreeMap<TxnId, i64>,
        moved: &Frontiers,
    ) -> Result<Step> {
        let log = self.table(table)?;
        let entry = log.new_entry(files, &claim.fenced(numbers.clone()))?;
        let held = claim.held();
        let seen = claim.seen_of(table);
        match log.append(&claim.log.log_id, entry, &held, seen, self.options().retries).await {
            Ok(outcome) => Ok(claim.take_in(table, outcome)),
            Err((pending, error)) => {
                let said = claim.unfinished.take().map(|unfinished| unfinished.said).unwrap_or_default();
                let pending = Some((table, rows, pending));
                claim.unfinished = Some(Unfinished { moved: moved.clone(), said, pending });
                Err(error)
            }
        }
    }

    /// Settles what an earlier call left in doubt; an outcome if that ends the call that wants `wanted`. A commit of punches that
    /// turns out done ends a call that wants the same; one that wants something else loses those partitions, so that their owner
    /// claims and folds anew.
    async fn settle(&self, claim: &mut Claim, wanted: &Frontiers) -> Result<Option<CommitOutcome>> {
        let Some(mut unfinished) = claim.unfinished.take() else { return Ok(None) };
        let Some((table, rows, pending)) = unfinished.pending.take() else {
            claim.unfinished = Some(unfinished);
            return Ok(None);
        };
        let log = self.table(table)?;
        let outcome = match log.resume(&claim.log.log_id, pending).await {
            Ok(outcome) => outcome,
            Err((pending, error)) => {
                unfinished.pending = Some((table, rows, pending));
                claim.unfinished = Some(unfinished);
                return Err(error);
            }
        };
        let (version, lost) = match claim.take_in(table, outcome) {
            Step::Lost(lost) => {
                unfinished.said.iter_mut().try_for_each(|(_, rows)| leave_out(rows, &lost))?;
                claim.unfinished = (!unfinished.said.is_empty()).then_some(unfinished);
                return Ok(Some(CommitOutcome::Lost(lost)));
            }
            Step::Done(version, lost) => (version, lost),
        };
        tracing::info!(table, version, "a commit that was in doubt is done");
        let moved = std::mem::take(&mut unfinished.moved);
        if moved.is_empty() {
            unfinished.said.push((table, rows));
            claim.unfinished = Some(unfinished);
            return Ok(None);
        }
        if table != punches::NAME {
            claim.present.entry(table).or_default().extend(origins(&rows)?);
            return Ok(None);
        }
        let is_same = claim.moved(wanted) == moved;
        claim.pass(&moved);
        if is_same {
            return Ok(Some(CommitOutcome::Done { version, lost }));
        }
        let lost = moved.keys().copied().collect();
        claim.lose(&lost);
        Ok(Some(CommitOutcome::Lost(lost)))
    }
}

impl Claim {
    /// Takes in how an attempt on `table` ended.
    pub(crate) fn take_in(&mut self, table: &'static str, outcome: Outcome) -> Step {
        match outcome {
            Outcome::Done { version, lost } => {
                self.saw(table, version);
                self.lose(&lost);
                Step::Done(version, lost)
            }
            Outcome::Lost { lost, seen } => {
                self.saw(table, seen);
                self.lose(&lost);
                Step::Lost(lost)
            }
            Outcome::InDoubt => unreachable!("`TableLog` returns what is in doubt as an error"),
        }
    }

    /// Moves the frontiers behind rows that are committed, and forgets the side rows they passed.
    fn pass(&mut self, moved: &Frontiers) {
        for (partition, frontier) in moved {
            if let Some(base) = self.frontiers.get_mut(partition) {
                frontier.assert_follows(*base, *partition);
                *base = *frontier;
            }
        }
        let frontiers = &self.frontiers;
        for rows in self.present.values_mut() {
            rows.retain(|(partition, offset)| {
                frontiers.get(partition).is_some_and(|frontier| !frontier.next().has_passed(*offset))
            });
        }
    }

    /// What of `wanted` differs from what is committed, less what this claim does not hold.
    fn moved(&self, wanted: &Frontiers) -> Frontiers {
        let moved = wanted.iter().filter(|(partition, frontier)| match self.frontiers.get(partition) {
            Some(base) => {
                frontier.assert_follows(*base, **partition);
                base != *frontier
            }
            None => false,
        });
        moved.map(|(partition, frontier)| (*partition, *frontier)).collect()
    }
}

pub(crate) fn said_numbers(
    claim: &Claim,
    partitions: impl Iterator<Item = Partition>,
) -> BTreeMap<TxnId, i64> {
    partitions.map(|partition| (claim.id(partition, Mark::Said), claim.generation.0)).collect()
}

/// The rows of `batches` that the side table is not known to hold.
fn not_present(claim: &Claim, table: &'static str, batches: Vec<RecordBatch>) -> Result<Vec<RecordBatch>> {
    let Some(present) = claim.present.get(table).filter(|rows| !rows.is_empty()) else { return Ok(batches) };
    let cut = |batch: RecordBatch| {
        let mask: BooleanArray =
            row_origins(&batch)?.iter().map(|row| Some(!present.contains(row))).collect();
        filter_record_batch(&batch, &mask).map_err(|e| Error::schema(format!("write table {table}"), e))
    };
    batches.into_iter().map(cut).collect()
}

fn origins(batches: &[RecordBatch]) -> Result<HashSet<(Partition, Offset)>> {
    let mut rows = HashSet::new();
    for batch in batches {
        rows.extend(row_origins(batch)?);
    }
    Ok(rows)
}

/// Leaves out the rows that were caused in partitions which are others' now.
fn leave_out(batches: &mut Vec<RecordBatch>, lost: &BTreeSet<Partition>) -> Result<()> {
    for batch in &mut *batches {
        let causes = partition_column(batch, "cause_partition")?;
        let mask: BooleanArray = causes.iter().map(|cause| Some(!lost.contains(cause))).collect();
        *batch = filter_record_batch(batch, &mask)
            .map_err(|e| Error::schema("leave out what is another owner's", e))?;
    }
    batches.retain(|batch| batch.num_rows() > 0);
    Ok(())
}

/// Partition and offset of every row, by the columns of that name.
pub(crate) fn row_origins(batch: &RecordBatch) -> Result<Vec<(Partition, Offset)>> {
    let partitions = partition_column(batch, "partition")?;
    let offsets = batch.column_by_name("offset").and_then(|column| column.as_primitive_opt::<Int64Type>());
    let offsets =
        offsets.ok_or_else(|| Error::corrupt("rows without a column `offset` of 64-bit numbers"))?;
    let row = |(partition, offset): (Partition, &i64)| {
        let offset =
            Offset::new(*offset).ok_or_else(|| Error::corrupt(format!("a row at offset {offset}")))?;
        Ok((partition, offset))
    };
    partitions.into_iter().zip(offsets.values()).map(row).collect()
}

fn cause_partitions(batches: &[RecordBatch]) -> Result<BTreeSet<Partition>> {
    let mut causes = BTreeSet::new();
    for batch in batches {
        causes.extend(partition_column(batch, "cause_partition")?);
    }
    Ok(causes)
}

pub(crate) fn partition_column(batch: &RecordBatch, name: &str) -> Result<Vec<Partition>> {
    let column = batch.column_by_name(name).and_then(|column| column.as_primitive_opt::<Int32Type>());
    let column = column.filter(|column| column.null_count() == 0);
    let column = column
        .ok_or_else(|| Error::corrupt(format!("rows without a column `{name}` of partition numbers")))?;
    let number = |number: &i32| {
        let number = u32::try_from(*number).map_err(|e| Error::schema(format!("read column `{name}`"), e))?;
        Ok(Partition::new(number))
    };
    column.values().iter().map(number).collect()
}
