//! The snapshot as rows of the lake's reference tables, so that statistics and auditors see what punches were judged by.
//!
//! In: a snapshot, and the names kept apart from it.  Out: one record batch a table.  Owns: nothing.

use std::sync::Arc;

use arrow::array::RecordBatch;
use model::{EventTime, Reference};
use schemas::tables::{
    SnapshotRef, TableBuilder, TableRows, calendar_days, corrections, law_values, leave, orgs, people,
    people_names, shifts, sites, snapshots,
};

/// The rows of every reference table of `reference`, taken at `taken_at`.
pub fn tables(
    reference: &Reference,
    names: &[(Arc<str>, String)],
    taken_at: EventTime,
) -> Vec<(&'static str, RecordBatch)> {
    let snapshot = SnapshotRef { version: &reference.version, taken_at };
    let rules: Vec<_> = reference
        .calendars
        .iter()
        .flat_map(|calendar| calendar_days::Rule::all(calendar).map(move |rule| (calendar, rule)))
        .collect();
    vec![
        table::<sites::Sites, _>(&reference.sites, |site| sites::Row { snapshot, site }),
        table::<orgs::Orgs, _>(&reference.orgs, |org| orgs::Row { snapshot, org }),
        table::<people::People, _>(&reference.people, |person| people::Row { snapshot, person, reference }),
        table::<people_names::PeopleNames, _>(names, |(employee_id, name)| people_names::Row {
            snapshot,
            employee_id,
            name,
        }),
        table::<shifts::Shifts, _>(&reference.shifts, |shift| shifts::Row { snapshot, shift, reference }),
        table::<leave::LeaveTable, _>(&reference.leave, |leave| leave::Row { snapshot, leave, reference }),
        table::<corrections::Corrections, _>(&reference.corrections, |correction| corrections::Row {
            snapshot,
            correction,
            reference,
        }),
        table::<law_values::LawValues, _>(&reference.law, |law| law_values::Row { snapshot, law }),
        table::<calendar_days::CalendarDays, _>(&rules, |(calendar, rule)| calendar_days::Row {
            snapshot,
            calendar,
            rule: *rule,
        }),
        table::<snapshots::Snapshots, _>(&[()], |()| snapshots::Row { taken_at, reference, problems: &[] }),
    ]
}

fn table<'a, T: TableRows, V>(
    values: &'a [V],
    row: impl Fn(&'a V) -> T::Row<'a>,
) -> (&'static str, RecordBatch) {
    let mut builder = TableBuilder::<T>::new();
    for value in values {
        builder.append(&row(value));
    }
    (T::NAME, builder.finish())
}
