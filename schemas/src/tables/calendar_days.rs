//! Table `calendar_days`: the calendars of every snapshot, a row for each weekday and for each day that differs.

use std::sync::LazyLock;

use arrow::datatypes::SchemaRef;
use jiff::tz::TimeZone;
use model::reference::{Calendar, CalendarDay};

use super::columns::{Cells, Type, optional, required, schema as make_schema};
use super::local_time::local_date;
use super::{SnapshotRef, TableBuilder, TableRows};

/// The table's name.
pub const NAME: &str = "calendar_days";

/// The table `calendar_days`.
#[derive(Clone, Copy, Debug)]
pub struct CalendarDays;

/// Collects rows of `calendar_days`.
pub type Builder = TableBuilder<CalendarDays>;

/// The table's columns.
pub fn schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        make_schema(vec![
            required("applies_to", Type::Text),
            optional("date", Type::Day),
            optional("weekday", Type::Int),
            required("kind", Type::Text),
            required("statutory", Type::Flag),
            required("status", Type::Text),
            required("reference_version", Type::Text),
            required("taken_at", Type::Time),
        ])
    });
    SCHEMA.clone()
}

/// A rule of a calendar.
#[derive(Clone, Copy, Debug)]
pub enum Rule {
    /// What a weekday is, 0 = Monday, where no day says otherwise.
    Weekday(usize),
    /// A day that differs.
    Day(CalendarDay),
}

impl Rule {
    /// Every rule of `calendar`: its weekdays, then its days.
    pub fn all(calendar: &Calendar) -> impl Iterator<Item = Self> {
        (0..calendar.weekdays.len()).map(Self::Weekday).chain(calendar.days.iter().copied().map(Self::Day))
    }
}

/// One row, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// The snapshot it belongs to.
    pub snapshot: SnapshotRef<'a>,
    /// The calendar.
    pub calendar: &'a Calendar,
    /// Which of its rules.
    pub rule: Rule,
}

impl TableRows for CalendarDays {
    const NAME: &'static str = NAME;
    type Row<'a> = Row<'a>;

    fn schema() -> SchemaRef {
        schema()
    }

    fn write(row: &Row<'_>, cells: &mut Cells<'_>) {
        let (date, weekday, kind, is_statutory, is_estimated) = match row.rule {
            Rule::Weekday(at) => (None, Some(at as i64 + 1), row.calendar.weekdays[at], false, false),
            Rule::Day(day) => (Some(day.date), None, day.kind, day.is_statutory, day.is_estimated),
        };
        cells
            .text(&row.calendar.applies_to)
            .day_or_null(date)
            .int_or_null(weekday)
            .text(kind.name())
            .flag(is_statutory)
            .text(if is_estimated { "estimated" } else { "official" })
            .text(row.snapshot.version)
            .time(row.snapshot.taken_at)
            .month(local_date(row.snapshot.taken_at, &TimeZone::UTC));
    }
}
