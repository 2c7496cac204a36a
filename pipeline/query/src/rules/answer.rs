//! The answer of a rule as rows of one meaning, whatever types the engine gave its columns.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type, Int64Type, TimeUnit, TimestampMicrosecondType};
use jiff::civil::Date;
use model::{EventId, EventTime};

use super::{Rule, Subject, wrong_column};
use crate::error::{Error, Kind};
use crate::session::Answer;

/// One thing that a rule finds.
#[derive(Clone, Debug, PartialEq)]
pub struct RuledRow {
    /// Whom it is about: the value of the subject's column.
    pub subject: Arc<str>,
    /// The day it counts for; with the subject its identity.
    pub business_date: Date,
    /// When the first of it happened.
    pub first_at: EventTime,
    /// When the last of it happened.
    pub last_at: EventTime,
    /// The punches that show it, sorted.
    pub event_ids: Vec<EventId>,
    /// How many minutes, where that means something.
    pub minutes: Option<i64>,
    /// The site.
    pub site_id: Option<Arc<str>>,
    /// The org; may be empty.
    pub org: Arc<str>,
}

/// The rows of `answer`, sorted by subject and day; of two about one subject and day the first counts.
pub(super) fn read(rule: &Rule, answer: &Answer) -> Result<Vec<RuledRow>, Error> {
    let mut rows = Vec::with_capacity(answer.rows());
    for batch in &answer.batches {
        rows.extend(read_batch(rule.subject, batch)?);
    }
    // An answer without rows has no batch, and its columns are to be looked at, too.
    read_batch(rule.subject, &RecordBatch::new_empty(Arc::clone(&answer.schema)))?;
    rows.sort_by(|a, b| {
        let key = |row: &RuledRow| (row.subject.clone(), row.business_date, row.first_at, row.last_at);
        key(a).cmp(&key(b)).then_with(|| a.event_ids.cmp(&b.event_ids))
    });
    rows.dedup_by(|b, a| (&a.subject, a.business_date) == (&b.subject, b.business_date));
    Ok(rows)
}

fn read_batch(subject: Subject, batch: &RecordBatch) -> Result<Vec<RuledRow>, Error> {
    let instant = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let required = |name: &str, to: &DataType| {
        let missing = || wrong_column(format!("its answer has no column {name}"), &batch.schema());
        column(batch, name, to)?.ok_or_else(missing)
    };
    let subjects = required(subject.column(), &DataType::Utf8)?;
    let days = required("business_date", &DataType::Date32)?;
    let (first, last) = (required("first_at", &instant)?, required("last_at", &instant)?);
    let minutes = column(batch, "minutes", &DataType::Int64)?;
    let (sites, orgs) = (column(batch, "site_id", &DataType::Utf8)?, column(batch, "org", &DataType::Utf8)?);
    let lists = batch.column_by_name("event_ids");
    let text = |column: &Option<ArrayRef>, row: usize| {
        let texts = column.as_ref()?.as_string::<i32>();
        texts.is_valid(row).then(|| Arc::<str>::from(texts.value(row)))
    };
    let mut rows = Vec::with_capacity(batch.num_rows());
    for row in 0..batch.num_rows() {
        let null =
            |name: &str| Error::new(Kind::Statement, format!("its answer has a null in column {name}"));
        let time = |column: &ArrayRef, name: &str| {
            let times = column.as_primitive::<TimestampMicrosecondType>();
            times.is_valid(row).then(|| EventTime::from_us(times.value(row))).ok_or_else(|| null(name))
        };
        let day = days.as_primitive::<Date32Type>();
        let day = day.is_valid(row).then(|| day.value(row)).and_then(date_of);
        let minutes = minutes.as_ref().map(|column| column.as_primitive::<Int64Type>());
        rows.push(RuledRow {
            subject: text(&Some(Arc::clone(&subjects)), row).ok_or_else(|| null(subject.column()))?,
            business_date: day.ok_or_else(|| null("business_date"))?,
            first_at: time(&first, "first_at")?,
            last_at: time(&last, "last_at")?,
            event_ids: lists.map_or(Ok(Vec::new()), |lists| event_ids(lists, row))?,
            minutes: minutes.and_then(|minutes| minutes.is_valid(row).then(|| minutes.value(row))),
            site_id: text(&sites, row),
            org: text(&orgs, row).unwrap_or_else(|| "".into()),
        });
    }
    Ok(rows)
}

fn column(batch: &RecordBatch, name: &str, to: &DataType) -> Result<Option<ArrayRef>, Error> {
    let Some(column) = batch.column_by_name(name) else { return Ok(None) };
    // Wall time would be taken for UTC, a number for microseconds: what has to be an instant is one already.
    let is_instant = matches!(column.data_type(), DataType::Timestamp(_, Some(_)) | DataType::Null);
    let is_kind = !matches!(to, DataType::Timestamp(..)) || is_instant;
    let wrong = || wrong_column(format!("its column {name} is no {}", meaning(to)), &batch.schema());
    let cast = is_kind.then(|| cast(column, to).ok()).flatten();
    cast.map(Some).ok_or_else(wrong)
}

const fn meaning(of: &DataType) -> &'static str {
    match of {
        DataType::Date32 => "day",
        DataType::Int64 => "number",
        DataType::Timestamp(..) => "instant (a timestamp in UTC)",
        _ => "text",
    }
}

fn event_ids(lists: &ArrayRef, row: usize) -> Result<Vec<EventId>, Error> {
    let wrong = || Error::new(Kind::Statement, "its column event_ids is no list of texts");
    if matches!(lists.data_type(), DataType::Null) || lists.is_null(row) {
        return Ok(Vec::new());
    }
    let list = lists.as_list_opt::<i32>().ok_or_else(wrong)?.value(row);
    let texts = cast(&list, &DataType::Utf8).map_err(|_| wrong())?;
    let mut ids: Vec<EventId> = texts.as_string::<i32>().iter().flatten().map(EventId::from).collect();
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

fn date_of(days: i32) -> Option<Date> {
    Date::constant(1970, 1, 1).checked_add(jiff::Span::new().try_days(days).ok()?).ok()
}
