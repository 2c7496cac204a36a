//! Table `shift_results`: what was last said about a shift instance, a row per version.
//!
//! In: `ShiftResult`.  Out: a record batch; or, read back, `ShiftResult` again, all but its unknown reasons.

use std::sync::LazyLock;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::SchemaRef;
use model::reference::DayKind;
use model::shift_result::ShiftOutcome;
use model::{EventId, EventTime, SaidShift, ShiftResult, ShiftStatus};

use super::approvals;
use super::columns::{Cells, Type, cause_fields, optional, required, schema as make_schema};
use super::read::{Interner, ReadError, Rows};
use super::{TableBuilder, TableRows};

/// The table's name.
pub const NAME: &str = "shift_results";

/// The codes in `reasons`. A stored code that is not among them reads back as [`UNKNOWN_REASON`].
pub const REASONS: &[&str] = &[
    "correction_kind_refused",
    "correction_over_cap",
    "correction_too_late",
    "half_day",
    "late_as_absent",
    "reassigned",
    "rescheduled",
    "worked_on_leave",
];

/// Stands for a reason that a newer version wrote.
pub const UNKNOWN_REASON: &str = "unknown";

/// The table `shift_results`.
#[derive(Clone, Copy, Debug)]
pub struct ShiftResults;

/// Collects rows of `shift_results`.
pub type Builder = TableBuilder<ShiftResults>;

/// The table's columns.
pub fn schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        let mut fields = vec![
            required("business_date", Type::Day),
            required("employee_id", Type::Text),
            required("site_id", Type::Text),
            required("org", Type::Text),
            required("shift_id", Type::Text),
            required("version", Type::Int),
            required("final", Type::Flag),
            required("status", Type::Text),
            required("segment", Type::Small),
            required("day_kind", Type::Text),
            required("planned_start", Type::Time),
            required("planned_end", Type::Time),
            required("due_min", Type::Int),
            optional("first_in", Type::Time),
            optional("last_out", Type::Time),
            required("late_min", Type::Int),
            required("early_min", Type::Int),
            optional("worked_s", Type::Int),
            optional("worked_min", Type::Int),
            required("break_min", Type::Int),
            required("break_auto", Type::Flag),
            required("leave_min", Type::Int),
            required("overtime_min", Type::Int),
            required("missing_in", Type::Flag),
            required("missing_out", Type::Flag),
            optional("in_event_id", Type::Text),
            optional("out_event_id", Type::Text),
            optional("in_site_id", Type::Text),
            optional("out_site_id", Type::Text),
            required("decided_at", Type::Time),
            required("sealed", Type::Flag),
            required("inputs", Type::Int),
        ];
        fields.extend(cause_fields());
        fields.extend(["reasons", "leave_ids", "correction_ids"].map(|name| required(name, Type::Texts)));
        fields.push(optional("leave_minutes", Type::Smalls));
        fields.push(optional("approvals", Type::Texts));
        fields.push(optional("statutory_holiday", Type::Flag));
        fields.push(optional("night_s", Type::Int));
        make_schema(fields)
    });
    SCHEMA.clone()
}

/// One row, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// What is said.
    pub result: &'a ShiftResult,
    /// When it was decided, by the log clock.
    pub decided_at: EventTime,
    /// Whether the month had been sealed.
    pub sealed: bool,
}

impl TableRows for ShiftResults {
    const NAME: &'static str = NAME;
    type Row<'a> = Row<'a>;

    fn schema() -> SchemaRef {
        schema()
    }

    fn write(row: &Row<'_>, cells: &mut Cells<'_>) {
        let ShiftResult { version, outcome, inputs, cause } = row.result;
        cells
            .day(outcome.business_date)
            .text(&outcome.employee_id)
            .text(&outcome.site_id)
            .text(&outcome.org)
            .text(&outcome.shift_id)
            .int(*version)
            .flag(outcome.is_final)
            .text(outcome.status.name())
            .small(outcome.segment)
            .text(outcome.day_kind.name())
            .time(outcome.planned_start)
            .time(outcome.planned_end)
            .int(outcome.due_min)
            .time_or_null(outcome.first_in)
            .time_or_null(outcome.last_out)
            .int(outcome.late_min)
            .int(outcome.early_min)
            .int_or_null(outcome.worked_s)
            .int_or_null(outcome.worked_min())
            .int(outcome.break_min)
            .flag(outcome.break_auto)
            .int(outcome.leave_min)
            .int(outcome.overtime_min)
            .flag(outcome.missing_in)
            .flag(outcome.missing_out)
            .text_or_null(outcome.in_event_id.as_ref().map(EventId::text).as_deref())
            .text_or_null(outcome.out_event_id.as_ref().map(EventId::text).as_deref())
            .text_or_null(outcome.in_site_id.as_deref())
            .text_or_null(outcome.out_site_id.as_deref())
            .time(row.decided_at)
            .flag(row.sealed)
            // The hash keeps its 64 bits; the sign of the stored number means nothing.
            .int(*inputs as i64)
            // Writing to a builder's buffer cannot fail.
            .cause(cause)
            .texts(&outcome.reasons)
            .texts(&outcome.leave_ids)
            .texts(&outcome.correction_ids)
            // A shift has some thousands of minutes at most.
            .smalls(outcome.leave_minutes.iter().map(|minutes| i32::try_from(*minutes).ok()))
            .texts(outcome.approvals.iter().map(|one| approvals::text(&one.request_id, &one.approval)))
            .flag(outcome.statutory_holiday)
            .int_or_null(Some(outcome.night_s).filter(|seconds| *seconds != 0))
            .month(outcome.business_date);
    }
}

/// The columns that [`read_said`] reads.
pub const SAID_COLUMNS: &[&str] = &[
    "shift_id",
    "employee_id",
    "org",
    "business_date",
    "planned_start",
    "planned_end",
    "version",
    "inputs",
    "cause_log",
    "cause_partition",
    "cause_offset",
    "cause_clock",
];

/// Of the rows what an owner folds, in the batch's order; [`SAID_COLUMNS`] are enough.
pub fn read_said(batch: &RecordBatch) -> Result<Vec<SaidShift>, ReadError> {
    let rows = Rows::new(NAME, batch);
    let mut known = Interner::default();
    let (shift_id, employee_id, org) = (rows.text("shift_id")?, rows.text("employee_id")?, rows.text("org")?);
    let (planned_start, planned_end) = (rows.time("planned_start")?, rows.time("planned_end")?);
    let business_date = rows.day("business_date")?;
    let (version, inputs) = (rows.int("version")?, rows.int("inputs")?);
    let cause = rows.cause()?;
    let said = |row| {
        Ok(SaidShift {
            shift_id: shift_id.some(row)?.into(),
            employee_id: known.get(employee_id.some(row)?),
            org: known.get(org.some(row)?),
            business_date: business_date.some(row)?,
            planned_start: planned_start.some(row)?,
            planned_end: planned_end.some(row)?,
            version: version.value(row),
            inputs: inputs.value(row) as u64,
            cause: cause.some(row)?,
        })
    };
    (0..rows.len()).map(said).collect()
}

/// The rows as they were said, in the batch's order.
pub fn read(batch: &RecordBatch) -> Result<Vec<ShiftResult>, ReadError> {
    let rows = Rows::new(NAME, batch);
    let mut known = Interner::default();
    let outcomes = read_outcomes(rows, &mut known)?;
    let (version, inputs) = (rows.int("version")?, rows.int("inputs")?);
    let cause = rows.cause()?;
    let said = |(row, outcome)| {
        let (version, inputs) = (version.value(row), inputs.value(row) as u64);
        Ok(ShiftResult { version, outcome, inputs, cause: cause.some(row)? })
    };
    outcomes.into_iter().enumerate().map(said).collect()
}

fn read_outcomes(rows: Rows<'_>, known: &mut Interner) -> Result<Vec<ShiftOutcome>, ReadError> {
    let text = |name| rows.text(name);
    let (shift_id, employee_id, site_id, org) =
        (text("shift_id")?, text("employee_id")?, text("site_id")?, text("org")?);
    let (in_event_id, out_event_id) = (text("in_event_id")?, text("out_event_id")?);
    let (in_site_id, out_site_id) = (text("in_site_id")?, text("out_site_id")?);
    let (status, day_kind) = (text("status")?, text("day_kind")?);
    let (planned_start, planned_end) = (rows.time("planned_start")?, rows.time("planned_end")?);
    let (first_in, last_out) = (rows.time("first_in")?, rows.time("last_out")?);
    let (business_date, segment) = (rows.day("business_date")?, rows.partition("segment")?);
    let int = |name| rows.int(name);
    let (due_min, late_min, early_min) = (int("due_min")?, int("late_min")?, int("early_min")?);
    let (break_min, leave_min) = (int("break_min")?, int("leave_min")?);
    let (overtime_min, worked_s, night_s) = (int("overtime_min")?, int("worked_s")?, int("night_s")?);
    let flag = |name| rows.flag(name);
    let (is_final, break_auto) = (flag("final")?, flag("break_auto")?);
    let (missing_in, missing_out) = (flag("missing_in")?, flag("missing_out")?);
    let (reasons, leave_ids) = (rows.texts("reasons")?, rows.texts("leave_ids")?);
    let (correction_ids, leave_minutes) = (rows.texts("correction_ids")?, rows.smalls("leave_minutes")?);
    let approved = rows.texts("approvals")?;
    let statutory = flag("statutory_holiday")?;
    let mut read_row = |row| {
        Ok(ShiftOutcome {
            shift_id: shift_id.some(row)?.into(),
            employee_id: known.get(employee_id.some(row)?),
            site_id: known.get(site_id.some(row)?),
            org: known.get(org.some(row)?),
            business_date: business_date.some(row)?,
            segment: segment.some(row)?.number(),
            day_kind: day_kind.named(row, DayKind::from_name)?,
            // Null in rows written before this was kept.
            statutory_holiday: statutory.is_valid(row) && statutory.value(row),
            planned_start: planned_start.some(row)?,
            planned_end: planned_end.some(row)?,
            is_final: is_final.value(row),
            due_min: due_min.value(row),
            first_in: first_in.get(row),
            last_out: last_out.get(row),
            in_event_id: in_event_id.get(row).map(Into::into),
            out_event_id: out_event_id.get(row).map(Into::into),
            in_site_id: in_site_id.get(row).map(|id| known.get(id)),
            out_site_id: out_site_id.get(row).map(|id| known.get(id)),
            status: status.named(row, ShiftStatus::from_name)?,
            late_min: late_min.value(row),
            early_min: early_min.value(row),
            worked_s: worked_s.is_valid(row).then(|| worked_s.value(row)),
            break_min: break_min.value(row),
            break_auto: break_auto.value(row),
            leave_min: leave_min.value(row),
            overtime_min: overtime_min.value(row),
            night_s: if night_s.is_valid(row) { night_s.value(row) } else { 0 },
            missing_in: missing_in.value(row),
            missing_out: missing_out.value(row),
            reasons: reasons.get(row).map(known_reason).collect(),
            leave_ids: leave_ids.get(row).map(Into::into).collect(),
            leave_minutes: leave_minutes.get(row).map(i64::from).collect(),
            correction_ids: correction_ids.get(row).map(Into::into).collect(),
            approvals: approved.get(row).filter_map(approvals::read).collect(),
        })
    };
    (0..rows.len()).map(&mut read_row).collect()
}

fn known_reason(text: &str) -> &'static str {
    REASONS.iter().copied().find(|known| *known == text).unwrap_or(UNKNOWN_REASON)
}
