//! Rows read back: what an owner folds on assignment, drains from the inbox, or looks up.
//!
//! In: a claim, ids.  Out: values of `model` as `schemas` reads them; batches where rows move on as they are.  Owns: nothing.
//! Absent on purpose: an index or a cache: files are skipped by their statistics, columns by projection, and where some people's
//! rows are wanted, all other rows by their ids alone.
//! Invariants: an owner folds from the versions its claim has seen, never from a later one, so that state and frontier belong
//! together; kept by [`Lake::fold`].
//! Why so: whole files are fetched and decoded one after another; memory holds one file and the rows that matter.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::Hash;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Int32Type, Schema, SchemaRef, TimestampMicrosecondType};
use arrow::error::ArrowError;
use futures::future::{BoxFuture, FutureExt as _};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use futures::try_join;
use jiff::tz::TimeZone;
use model::{
    Anomaly, AnomalyId, EventTime, NextOffset, Offset, Partition, SaidShift, ShiftResult, StoredPunch,
};
use schemas::tables::{ReadError, adjustments, anomalies, late, local_date, punches, rejects, shift_results};

use crate::claim::Claim;
use crate::commit::row_origins;
use crate::error::{Error, Result};
use crate::grouping::Grouping;
use crate::lake::{Lake, schema_of};
use crate::log::TableLog;
use crate::ownership::LogIdentity;
use crate::read::{People, read_file, read_people};
use crate::scan::{FileEntry, TableSnapshot};

/// Days by which a business date may lie before the UTC date of the instants that belong to it: a shift that starts on one day's
/// evening far west of Greenwich and ends two UTC dates later.
const BUSINESS_DAYS_BEHIND: i32 = 2;

/// Where the versions of shift results are: those said after their month was sealed apart.
const RESULT_TABLES: [&str; 2] = [shift_results::NAME, adjustments::NAME];

/// Files of a table decoded at once: one while another's rows are taken in.
const FILES_AT_ONCE: usize = 2;

/// Reads the rows of a batch.
type ReadRows<T> = fn(&RecordBatch) -> std::result::Result<Vec<T>, ReadError>;

/// What an owner folds into memory when it is assigned partitions.
#[derive(Clone, Debug, Default)]
pub struct Fold {
    /// Punches of the claimed log, by the partition under which they are stored, and offset.
    pub punches: Vec<(Partition, StoredPunch)>,
    /// Punches of other replayed files: facts about the same people, but not of this log's clock and devices.
    pub other_logs: Vec<StoredPunch>,
    /// What was last said about each shift instance.
    pub shift_results: Vec<SaidShift>,
    /// What was last said about each anomaly.
    pub anomalies: Vec<Anomaly>,
    /// Which of the claim's partitions each of these belongs to: not always that under which it is stored.
    pub grouping: Grouping,
}

impl Lake {
    /// What the lake held when `claim` claimed: punches of its partitions that occurred at or after `since`, and what was last
    /// said, by causes in its partitions, about shifts and anomalies of business dates from two days before `since`.
    ///
    /// Replays fold the rows of all replayed files: there is one partition 0, and people appear in several files. Called after
    /// commits with the same claim, it folds up to these.
    pub async fn fold(&self, claim: &Claim, since: EventTime) -> Result<Fold> {
        let held = claim.held();
        let topic = (!claim.log.is_file()).then(|| claim.log.topic.clone());
        let results = async {
            let mut results = Latest::new(key_of_said);
            for name in RESULT_TABLES {
                let read = (Some(shift_results::SAID_COLUMNS), shift_results::read_said as _);
                self.fold_said(claim, name, &held, since, read, &mut results).await?;
            }
            Ok(results)
        };
        let said = async {
            let mut said = Latest::new(key_of_anomaly);
            let read = (None, anomalies::read as _);
            self.fold_said(claim, anomalies::NAME, &held, since, read, &mut said).await?;
            Ok(said)
        };
        // One table's files are decoded while another's rows are taken in.
        let punches = self.fold_punches(claim, &held, topic.as_deref(), since);
        let ((punches, other_logs), results, said) = try_join!(punches, results, said)?;
        let grouping = claim.grouping.clone();
        let is_held = |stored: Partition, key: &str| held.contains(&grouping.owner(stored, key));
        let (mut shift_results, mut anomalies) = (results.into_values(), said.into_values());
        shift_results.retain(|result| is_held(result.cause.partition, &result.employee_id));
        anomalies.retain(|anomaly| is_held(anomaly.cause.partition, anomaly.finding.subject()));
        let mut fold = Fold { punches, other_logs, shift_results, anomalies, grouping };
        fold.punches.sort_by_key(|(partition, punch)| (*partition, punch.offset));
        Ok(fold)
    }

    async fn fold_punches(
        &self,
        claim: &Claim,
        held: &BTreeSet<Partition>,
        topic: Option<&str>,
        since: EventTime,
    ) -> Result<(Vec<(Partition, StoredPunch)>, Vec<StoredPunch>)> {
        let table = self.table(punches::NAME)?;
        let snapshot = self.snapshot_at(&table, claim.seen_of(punches::NAME)).await?;
        let grouping = &claim.grouping;
        let stored_under = grouping.stored_under(held);
        let may_hold = |file: &FileEntry| {
            let bounds = file.bounds();
            bounds.may_reach_time("occurred_at", since)
                && bounds.may_hold_number(
                    "partition",
                    stored_under.iter().map(|partition| i64::from(partition.number())),
                )
                && topic.is_none_or(|topic| bounds.may_hold_text("topic", std::iter::once(topic)))
        };
        let (mut rows, mut other_logs) = (Vec::new(), Vec::new());
        let keep = |batch: &RecordBatch| {
            let occurred = times(batch, "occurred_at")?;
            let topics = texts(batch, "topic")?;
            let people = texts(batch, "employee_id")?;
            let origins = row_origins(batch)?;
            let keep = |row: usize| {
                held.contains(&grouping.owner(origins[row].0, people.value(row)))
                    && occurred.value(row) >= since.us()
                    && topic.is_none_or(|topic| topics.value(row) == topic)
            };
            Ok((0..batch.num_rows()).map(|row| Some(keep(row))).collect())
        };
        let wanted = only(&snapshot.schema, &folded_columns());
        self.visit(&table, &snapshot, &wanted, (may_hold, None), keep, |batch| {
            // `keep` has read this column of the same batch already.
            let topics = texts(batch, "topic").map_err(|error| ArrowError::SchemaError(error.to_string()))?;
            for (row, (partition, punch)) in punches::read(batch)?.into_iter().enumerate() {
                if topics.value(row) == &*claim.log.topic {
                    rows.push((partition, punch));
                } else {
                    other_logs.push(punch);
                }
            }
            Ok(())
        })
        .await?;
        Ok((rows, other_logs))
    }

    async fn fold_said<T, K: Eq + Hash>(
        &self,
        claim: &Claim,
        name: &'static str,
        held: &BTreeSet<Partition>,
        since: EventTime,
        (columns, read): (Option<&[&str]>, ReadRows<T>),
        latest: &mut Latest<T, K>,
    ) -> Result<()> {
        let table = self.table(name)?;
        let snapshot = self.snapshot_at(&table, claim.seen_of(name)).await?;
        let from =
            local_date(since, &TimeZone::UTC).saturating_sub(jiff::Span::new().days(BUSINESS_DAYS_BEHIND));
        let from_days = local_days(from);
        // Whom a row is about is asked of the latest version alone.
        let said_under = claim.grouping.stored_under(held);
        let may_hold = |file: &FileEntry| {
            let bounds = file.bounds();
            let causes = said_under.iter().map(|partition| i64::from(partition.number()));
            bounds.may_reach_day("business_date", from) && bounds.may_hold_number("cause_partition", causes)
        };
        let keep = |batch: &RecordBatch| {
            let causes = numbers(batch, "cause_partition")?;
            let days = batch
                .column_by_name("business_date")
                .and_then(|column| column.as_primitive_opt::<arrow::datatypes::Date32Type>());
            let days = days
                .ok_or_else(|| Error::corrupt(format!("table {name} has no column business_date of days")))?;
            let is_held = |number: i32| {
                u32::try_from(number).is_ok_and(|number| said_under.contains(&Partition::new(number)))
            };
            Ok((0..batch.num_rows())
                .map(|row| Some(is_held(causes.value(row)) && days.value(row) >= from_days))
                .collect())
        };
        let wanted =
            columns.map_or_else(|| snapshot.schema.clone(), |columns| only(&snapshot.schema, columns));
        self.visit(&table, &snapshot, &wanted, (may_hold, None), keep, |batch| {
            latest.extend(read(batch)?);
            Ok(())
        })
        .await
    }

    /// Rows of the inbox `late` of one partition at offsets `between`, in offset order. Those at or beyond the frontier's offset are
    /// of an owner that was killed in a commit: they are no rows yet, their records will be read again.
    pub async fn late_rows(
        &self,
        log: &LogIdentity,
        partition: Partition,
        between: Range<NextOffset>,
    ) -> Result<Vec<RecordBatch>> {
        self.side_rows(late::NAME, log, partition, between).await
    }

    /// Rows of `rejects` of one partition at offsets `between`, in offset order; of those at or beyond the frontier's offset the same
    /// holds.
    pub async fn reject_rows(
        &self,
        log: &LogIdentity,
        partition: Partition,
        between: Range<NextOffset>,
    ) -> Result<Vec<RecordBatch>> {
        self.side_rows(rejects::NAME, log, partition, between).await
    }

    async fn side_rows(
        &self,
        name: &'static str,
        log: &LogIdentity,
        partition: Partition,
        between: Range<NextOffset>,
    ) -> Result<Vec<RecordBatch>> {
        let table = self.table(name)?;
        let Some(snapshot) = self.snapshot(name).await? else { return Ok(Vec::new()) };
        let mut batches = Vec::new();
        let from = BTreeMap::from([(partition, between.start)]);
        self.visit(
            &table,
            &snapshot,
            &snapshot.schema,
            (may_lie_beyond(log, &from), None),
            lies_beyond(log, &from),
            |batch| {
                batches.push(batch.clone());
                Ok(())
            },
        )
        .await?;
        let mut rows = sorted_by_offset(name, &snapshot.schema, &batches)?;
        for batch in &mut rows {
            let origins = row_origins(batch)?;
            *batch = batch.slice(0, origins.partition_point(|(_, offset)| between.end.has_passed(*offset)));
        }
        Ok(rows)
    }

    /// Every punch ever stored of these people, by partition and offset.
    pub async fn punches_of(&self, employee_ids: &[&str]) -> Result<Vec<(Partition, StoredPunch)>> {
        let mut rows = Vec::new();
        self.visit_people(punches::NAME, employee_ids, |batch| {
            rows.extend(punches::read(batch)?);
            Ok(())
        })
        .await?;
        rows.sort_by_key(|(partition, punch)| (*partition, punch.offset));
        Ok(rows)
    }

    /// The punches stored of these people that occurred at or after `since`, whatever partition they are on, in no order.
    pub async fn punches_since(
        &self,
        employee_ids: &HashSet<&str>,
        since: EventTime,
    ) -> Result<Vec<StoredPunch>> {
        let table = self.table(punches::NAME)?;
        let Some(snapshot) = self.snapshot(punches::NAME).await? else { return Ok(Vec::new()) };
        let may_hold = |file: &FileEntry| {
            let bounds = file.bounds();
            bounds.may_reach_time("occurred_at", since)
                && bounds.may_hold_text("employee_id", employee_ids.iter().copied())
        };
        let keep = |batch: &RecordBatch| {
            let (ids, occurred) = (texts(batch, "employee_id")?, times(batch, "occurred_at")?);
            let keep = |row: usize| {
                occurred.value(row) >= since.us()
                    && ids.is_valid(row)
                    && employee_ids.contains(ids.value(row))
            };
            Ok((0..batch.num_rows()).map(|row| Some(keep(row))).collect())
        };
        let mut rows = Vec::new();
        let wanted = only(&snapshot.schema, &folded_columns());
        let people = owned(employee_ids.iter());
        self.visit(&table, &snapshot, &wanted, (may_hold, Some(&people)), keep, |batch| {
            rows.extend(punches::read(batch)?.into_iter().map(|(_, punch)| punch));
            Ok(())
        })
        .await?;
        Ok(rows)
    }

    /// What was last said about every shift instance of these people.
    pub async fn results_of(&self, employee_ids: &[&str]) -> Result<Vec<ShiftResult>> {
        let mut latest = Latest::new(key_of_result);
        for name in RESULT_TABLES {
            self.visit_people(name, employee_ids, |batch| {
                latest.extend(shift_results::read(batch)?);
                Ok(())
            })
            .await?;
        }
        Ok(latest.into_values())
    }

    /// What was last said about every anomaly of these people.
    pub async fn anomalies_of(&self, employee_ids: &[&str]) -> Result<Vec<Anomaly>> {
        let mut latest = Latest::new(key_of_anomaly);
        self.visit_people(anomalies::NAME, employee_ids, |batch| {
            latest.extend(anomalies::read(batch)?);
            Ok(())
        })
        .await?;
        Ok(latest.into_values())
    }

    async fn visit_people(
        &self,
        name: &str,
        employee_ids: &[&str],
        visit: impl FnMut(&RecordBatch) -> std::result::Result<(), ReadError>,
    ) -> Result<()> {
        let table = self.table(name)?;
        let Some(snapshot) = self.snapshot(name).await? else { return Ok(()) };
        let people: HashSet<&str> = employee_ids.iter().copied().collect();
        let may_hold = |file: &FileEntry| file.bounds().may_hold_text("employee_id", people.iter().copied());
        let keep = |batch: &RecordBatch| {
            let ids = texts(batch, "employee_id")?;
            Ok((0..batch.num_rows())
                .map(|row| Some(ids.is_valid(row) && people.contains(ids.value(row))))
                .collect())
        };
        let wanted = if name == punches::NAME {
            only(&snapshot.schema, &folded_columns())
        } else {
            snapshot.schema.clone()
        };
        let named = owned(people.iter());
        self.visit(&table, &snapshot, &wanted, (may_hold, Some(&named)), keep, visit).await
    }

    /// Calls `visit` with the rows that `keep` keeps of the files that `may_hold` such rows, which are all of `people` where
    /// these are given.
    pub(crate) async fn visit(
        &self,
        table: &TableLog,
        snapshot: &TableSnapshot,
        wanted: &SchemaRef,
        (may_hold, people): (impl Fn(&FileEntry) -> bool, Option<&People>),
        keep: impl Fn(&RecordBatch) -> Result<BooleanArray>,
        mut visit: impl FnMut(&RecordBatch) -> std::result::Result<(), ReadError>,
    ) -> Result<()> {
        let store = table.store();
        let failed = |e: Box<dyn std::error::Error + Send + Sync>| {
            Error::schema(format!("fold table {}", table.name()), e)
        };
        let files = snapshot.files.iter().filter(|file| may_hold(file));
        let reads: Vec<BoxFuture<'_, Result<Vec<RecordBatch>>>> = files
            .map(|file| match people {
                Some(people) => read_people(table.name(), store.as_ref(), file, wanted, people).boxed(),
                None => read_file(table.name(), store.as_ref(), file, wanted).boxed(),
            })
            .collect();
        let mut read = stream::iter(reads).buffered(FILES_AT_ONCE);
        while let Some(batches) = read.try_next().await? {
            for batch in batches {
                let batch = filter_record_batch(&batch, &keep(&batch)?).map_err(|e| failed(e.into()))?;
                if batch.num_rows() > 0 {
                    visit(&batch).map_err(|e| failed(e.into()))?;
                }
            }
        }
        Ok(())
    }
}

fn owned<'a>(employee_ids: impl Iterator<Item = &'a &'a str>) -> People {
    Arc::new(employee_ids.map(|id| (*id).to_owned()).collect())
}

/// Partition and offset of the rows of a side table that lie at or beyond `from`.
pub(crate) async fn origins_from(
    lake: &Lake,
    table: &TableLog,
    snapshot: &TableSnapshot,
    log: &LogIdentity,
    from: &BTreeMap<Partition, NextOffset>,
) -> Result<HashSet<(Partition, Offset)>> {
    let mut rows = HashSet::new();
    let wanted = only(&schema_of(table.name())?, &["topic", "partition", "offset"]);
    let mut failed = None;
    let may_hold = (may_lie_beyond(log, from), None);
    lake.visit(table, snapshot, &wanted, may_hold, lies_beyond(log, from), |batch| {
        match row_origins(batch) {
            Ok(origins) => rows.extend(origins),
            Err(error) => failed = Some(error),
        }
        Ok(())
    })
    .await?;
    failed.map_or(Ok(rows), Err)
}

fn may_lie_beyond<'a>(
    log: &'a LogIdentity,
    from: &'a BTreeMap<Partition, NextOffset>,
) -> impl Fn(&FileEntry) -> bool + 'a {
    move |file| {
        let bounds = file.bounds();
        bounds.may_hold_text("topic", std::iter::once(&*log.topic))
            && from.iter().any(|(partition, next)| {
                bounds.may_hold_number("partition", std::iter::once(i64::from(partition.number())))
                    && bounds.may_reach("offset", next.get())
            })
    }
}

fn lies_beyond<'a>(
    log: &'a LogIdentity,
    from: &'a BTreeMap<Partition, NextOffset>,
) -> impl Fn(&RecordBatch) -> Result<BooleanArray> + 'a {
    move |batch| {
        let topics = texts(batch, "topic")?;
        let origins = row_origins(batch)?;
        let keep = |row: usize| {
            let (partition, offset) = origins[row];
            topics.value(row) == &*log.topic
                && from.get(&partition).is_some_and(|next| !next.has_passed(offset))
        };
        Ok((0..batch.num_rows()).map(|row| Some(keep(row))).collect())
    }
}

/// A shift that went from one person to another has versions of each.
fn key_of_result(result: &ShiftResult) -> ((Arc<str>, Arc<str>), i64) {
    ((result.outcome.shift_id.clone(), result.outcome.employee_id.clone()), result.version)
}

fn key_of_said(said: &SaidShift) -> ((Arc<str>, Arc<str>), i64) {
    ((said.shift_id.clone(), said.employee_id.clone()), said.version)
}

fn key_of_anomaly(anomaly: &Anomaly) -> (AnomalyId, i64) {
    (anomaly.finding.id, anomaly.version)
}

/// The latest version of each key.
struct Latest<T, K> {
    key: fn(&T) -> (K, i64),
    values: HashMap<K, (i64, T)>,
}

impl<T, K: Eq + Hash> Latest<T, K> {
    fn new(key: fn(&T) -> (K, i64)) -> Self {
        Self { key, values: HashMap::new() }
    }

    fn extend(&mut self, values: Vec<T>) {
        for value in values {
            let (key, version) = (self.key)(&value);
            if self.values.get(&key).is_none_or(|(known, _)| *known < version) {
                self.values.insert(key, (version, value));
            }
        }
    }

    fn into_values(self) -> Vec<T> {
        self.values.into_values().map(|(_, value)| value).collect()
    }
}

/// What of `punches` is folded: the rest only analysts read.
fn folded_columns() -> Vec<&'static str> {
    punches::READ_COLUMNS.iter().copied().chain(["topic"]).collect()
}

pub(crate) fn only(schema: &SchemaRef, wanted: &[&str]) -> SchemaRef {
    let fields = schema.fields().iter().filter(|field| wanted.contains(&field.name().as_str())).cloned();
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn sorted_by_offset(name: &str, schema: &SchemaRef, batches: &[RecordBatch]) -> Result<Vec<RecordBatch>> {
    let failed = |e| Error::schema(format!("sort rows of table {name}"), e);
    let all = arrow::compute::concat_batches(schema, batches).map_err(failed)?;
    if all.num_rows() == 0 {
        return Ok(Vec::new());
    }
    let missing = || Error::corrupt(format!("table {name} has no column offset"));
    let offsets = all.column_by_name("offset").ok_or_else(missing)?;
    let order = arrow::compute::sort_to_indices(offsets, None, None).map_err(failed)?;
    Ok(vec![arrow::compute::take_record_batch(&all, &order).map_err(failed)?])
}

fn local_days(date: jiff::civil::Date) -> i32 {
    let epoch = jiff::civil::Date::constant(1970, 1, 1);
    date.since(epoch).map_or(i32::MIN, |span| span.get_days())
}

fn times<'a>(
    batch: &'a RecordBatch,
    name: &str,
) -> Result<&'a arrow::array::PrimitiveArray<TimestampMicrosecondType>> {
    let column = batch.column_by_name(name).and_then(|column| column.as_primitive_opt());
    column.ok_or_else(|| Error::corrupt(format!("rows without a column `{name}` of instants")))
}

fn numbers<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a arrow::array::PrimitiveArray<Int32Type>> {
    let column = batch.column_by_name(name).and_then(|column| column.as_primitive_opt());
    column.ok_or_else(|| Error::corrupt(format!("rows without a column `{name}` of numbers")))
}

pub(crate) fn texts<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a arrow::array::StringArray> {
    let column = batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
    column.ok_or_else(|| Error::corrupt(format!("rows without a column `{name}` of text")))
}
