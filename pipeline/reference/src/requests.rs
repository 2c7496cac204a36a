//! Rows of leave, permissions and corrections.
//!
//! In: files of `[reference] leave` and `corrections`, people, shifts.  Out: rows sorted by (person, time, id).
//! Owns: nothing.
//! Absent on purpose: whether a row is in force; that is a question to the log's clock (`Leave::is_in_force`).
//! A time without an offset, and a date alone (its midnight), are read on the wall clock of the person's home site; a
//! span is half open, so leave for 2 November goes from 2026-11-02 to 2026-11-03.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use jiff::tz::TimeZone;
use model::reference::{Approval, Compensation, CorrectionKind, CorrectionType, RequestStatus};
use model::{Correction, EventTime, Leave, LonLat, PersonIndex};
use schemas::rows::{ApprovalRow, CorrectionRow, LeaveRow, PlaceRow};

use crate::ids::{Ids, Lookup, Strings};
use crate::people::People;
use crate::problem::{At, FileId, Report};
use crate::shifts::{Known, Shifts, person_of};
use crate::{files, rings, rows, wall_time};

const LEAVE_REQUIRED: &[&str] = &["leave_id", "employee_id", "from", "to", "type", "status"];
const CORRECTION_REQUIRED: &[&str] =
    &["correction_id", "employee_id", "kind", "occurred_at", "type", "status"];

const TIME_REMEDY: &str = "write RFC 3339 with an offset, such as 2026-11-02T09:00:00+08:00";

/// One row at hand: where it stands, what it is called.
struct Row<'r> {
    at: At,
    subject: String,
    people: &'r People,
    zone: Option<TimeZone>,
}

impl<'r> Row<'r> {
    fn new(
        report: &mut Report,
        at: At,
        subject: String,
        known: &'r Known<'_>,
        employee_id: &str,
    ) -> (Self, Option<PersonIndex>) {
        let person = person_of(report, at, &subject, known.people, employee_id);
        let home = person.and_then(|person| known.people.people[person.0 as usize].home_site);
        let zone = home.map(|site| known.sites.sites[site.0 as usize].time_zone.clone());
        // A person or home that was refused leaves no zone: the row is lost with it, and any zone will do to read on.
        let ids = &known.sites.ids;
        let is_lost = person.is_none() || ids.is_partial() || ids.len() > known.sites.sites.len();
        let zone = zone.or_else(|| is_lost.then_some(TimeZone::UTC));
        (Self { at, subject, people: known.people, zone }, person)
    }

    fn error(&self, report: &mut Report, code: &'static str, what: String, remedy: impl Into<String>) {
        report.error(code, self.at, &self.subject, what, remedy);
    }

    fn time(&self, report: &mut Report, key: &str, text: &str) -> Option<EventTime> {
        match wall_time::instant_in(text, self.zone.as_ref()) {
            Ok(time) => Some(time),
            Err(fault) => {
                self.error(report, "bad_time", format!("`{key}` `{text}` {fault}"), TIME_REMEDY);
                None
            }
        }
    }

    fn named<T: Copy>(&self, report: &mut Report, key: &str, text: &str, values: Names<T>) -> Option<T> {
        let value = (values.from_name)(text);
        if value.is_none() {
            let names: Vec<&str> = values.all.iter().map(|value| (values.name)(*value)).collect();
            self.error(
                report,
                "bad_value",
                format!("`{key}` is `{text}`"),
                format!("write one of {}", names.join(", ")),
            );
        }
        value
    }

    /// Who approved it and when, and the latest of these instants: from then on the row counts. `None` if one does not read.
    fn approvals(
        &self,
        report: &mut Report,
        rows: &[ApprovalRow],
        strings: &mut Strings,
    ) -> Option<(Vec<Approval>, Option<EventTime>)> {
        let mut approvals = Vec::with_capacity(rows.len());
        for ApprovalRow { level, by, at } in rows {
            let at = self.time(report, "approvals[].at", at)?;
            let by = by.as_deref().filter(|by| !by.is_empty()).map(|by| strings.get(by));
            approvals.push(Approval { level: *level, by, at });
        }
        let latest = approvals.iter().map(|approval| approval.at).max();
        Some((approvals, latest))
    }

    fn place(
        &self,
        report: &mut Report,
        place: Option<&PlaceRow>,
        leave_type: &str,
    ) -> Result<Option<LonLat>, ()> {
        let Some(place) = place else { return Ok(None) };
        if leave_type != "field" {
            let what = "only leave of type `field` has a place";
            report.warning(
                "idle_place",
                self.at,
                &self.subject,
                what,
                "remove `place`, or write the type `field`",
            );
        }
        let corner = (place.lon, place.lat);
        match (rings::corner_fault(corner, 180.0), LonLat::new(place.lon, place.lat)) {
            (None, Some(point)) => Ok(Some(point)),
            (fault, _) => {
                let (what, remedy) =
                    fault.map_or(("is no place".to_owned(), ""), |fault| (fault.what, fault.remedy));
                let remedy =
                    if remedy.starts_with("write [") { "write lon and lat, in degrees" } else { remedy };
                self.error(report, "bad_place", format!("`place` {what}"), remedy);
                Err(())
            }
        }
    }

    fn compensation(&self, report: &mut Report, row: &LeaveRow) -> Result<Option<Compensation>, ()> {
        let Some(text) = row.compensation.as_deref().filter(|text| !text.is_empty()) else { return Ok(None) };
        if row.leave_type != "overtime" {
            let what = "only permissions of type `overtime` are made good";
            let remedy = "remove `compensation`, or write the type `overtime`";
            report.warning("idle_compensation", self.at, &self.subject, what, remedy);
        }
        self.named(report, "compensation", text, COMPENSATION).map(Some).ok_or(())
    }
}

/// The values of one named type.
struct Names<T: 'static> {
    all: &'static [T],
    name: fn(T) -> &'static str,
    from_name: fn(&str) -> Option<T>,
}

const STATUS: Names<RequestStatus> =
    Names { all: RequestStatus::ALL, name: RequestStatus::name, from_name: RequestStatus::from_name };
const COMPENSATION: Names<Compensation> =
    Names { all: Compensation::ALL, name: Compensation::name, from_name: Compensation::from_name };
const KIND: Names<CorrectionKind> =
    Names { all: CorrectionKind::ALL, name: CorrectionKind::name, from_name: CorrectionKind::from_name };
const TYPE: Names<CorrectionType> =
    Names { all: CorrectionType::ALL, name: CorrectionType::name, from_name: CorrectionType::from_name };

/// Reads all leave; sorted by (person, from, id).
pub(crate) fn read_leave(
    report: &mut Report,
    files: &[(FileId, PathBuf)],
    known: &Known<'_>,
    strings: &mut Strings,
) -> Vec<Leave> {
    let mut ids = Ids::default();
    let mut read = Vec::new();
    rows::read::<LeaveRow>(
        report,
        files,
        LEAVE_REQUIRED,
        |_| (),
        |report, at, row| {
            if let Some(leave_id) = ids.claim(report, at, "leave", &row.leave_id) {
                read.extend(leave(report, at, leave_id, &row, known, strings));
            }
        },
    );
    read.sort_by(|a: &Leave, b| (a.person, a.from, &a.leave_id).cmp(&(b.person, b.from, &b.leave_id)));
    read
}

fn leave(
    report: &mut Report,
    at: At,
    leave_id: Arc<str>,
    row: &LeaveRow,
    known: &Known<'_>,
    strings: &mut Strings,
) -> Option<Leave> {
    let (checked, person) = Row::new(report, at, format!("leave {leave_id}"), known, &row.employee_id);
    let from = checked.time(report, "from", &row.from);
    let until = checked.time(report, "to", &row.to);
    let status = checked.named(report, "status", &row.status, STATUS);
    let approvals = checked.approvals(report, &row.approvals, strings);
    let place = checked.place(report, row.place.as_ref(), &row.leave_type);
    let compensation = checked.compensation(report, row);
    let (from, until) = (from?, until?);
    if until <= from {
        let what = format!("`to` {} is not after `from` {}", row.to, row.from);
        checked.error(report, "empty_span", what, "leave ends before `to`: for one day write the next day");
        return None;
    }
    let leave_type = strings.get(&row.leave_type);
    let ((approvals, effective_at), place, compensation) = (approvals?, place.ok()?, compensation.ok()?);
    let (person, status) = (person?, status?);
    Some(Leave {
        leave_id,
        person,
        from,
        until,
        leave_type,
        status,
        approvals,
        effective_at,
        place,
        compensation,
    })
}

/// Reads all corrections; sorted by (person, occurred_at, id).
pub(crate) fn read_corrections(
    report: &mut Report,
    files: &[(FileId, PathBuf)],
    known: &Known<'_>,
    shifts: &Shifts,
    strings: &mut Strings,
) -> Vec<Correction> {
    let mut ids = Ids::default();
    let mut read = Vec::new();
    rows::read::<CorrectionRow>(
        report,
        files,
        CORRECTION_REQUIRED,
        |_| (),
        |report, at, row| {
            if let Some(correction_id) = ids.claim(report, at, "correction", &row.correction_id) {
                read.extend(correction(report, at, correction_id, &row, known, shifts, strings));
            }
        },
    );
    let key = |row: &Correction| (row.person, row.occurred_at, row.correction_id.clone());
    read.sort_by_cached_key(key);
    read
}

/// File and line of each of these corrections: the first row that has the id, for what is found out about it only when all
/// are known.
pub fn places_of_corrections(paths: &[PathBuf], ids: &HashSet<&str>) -> HashMap<String, (PathBuf, u64)> {
    let mut found: HashMap<String, (PathBuf, u64)> = HashMap::new();
    if ids.is_empty() {
        return found;
    }
    let mut report = Report::default();
    for (file, path) in files::expand(&mut report, paths, files::ROW_ENDINGS) {
        let rows = [(file, path.clone())];
        rows::read::<CorrectionRow>(
            &mut report,
            &rows,
            CORRECTION_REQUIRED,
            |_| (),
            |_, at, row| {
                if ids.contains(&*row.correction_id) {
                    found.entry(row.correction_id).or_insert_with(|| (path.clone(), at.line));
                }
            },
        );
    }
    found
}

fn correction(
    report: &mut Report,
    at: At,
    correction_id: Arc<str>,
    row: &CorrectionRow,
    known: &Known<'_>,
    shifts: &Shifts,
    strings: &mut Strings,
) -> Option<Correction> {
    let (checked, person) =
        Row::new(report, at, format!("correction {correction_id}"), known, &row.employee_id);
    let occurred_at = checked.time(report, "occurred_at", &row.occurred_at);
    let kind = checked.named(report, "kind", &row.kind, KIND);
    let correction_type = checked.named(report, "type", &row.correction_type, TYPE);
    let status = checked.named(report, "status", &row.status, STATUS);
    let approvals = checked.approvals(report, &row.approvals, strings);
    let shift_id = row.shift_id.as_deref().filter(|id| !id.is_empty());
    let is_whose =
        shift_id.is_none_or(|id| person.is_none_or(|person| is_own(report, &checked, shifts, id, person)));
    if !is_whose {
        return None;
    }
    let (approvals, effective_at) = approvals?;
    Some(Correction {
        correction_id,
        person: person?,
        kind: kind?,
        occurred_at: occurred_at?,
        shift_id: shift_id.map(|id| strings.get(id)),
        correction_type: correction_type?,
        status: status?,
        approvals,
        effective_at,
    })
}

/// Whether the shift a correction names may be its person's. One that is not among the shifts may have been: a warning.
fn is_own(report: &mut Report, row: &Row<'_>, shifts: &Shifts, id: &str, person: PersonIndex) -> bool {
    match shifts.ids.find(id) {
        Lookup::Row(index) if shifts.shifts[index as usize].person != person => {
            let owner = &row.people.people[shifts.shifts[index as usize].person.0 as usize].employee_id;
            let what = format!("`shift_id` `{id}` is a shift of person {owner}");
            row.error(report, "foreign_shift", what, "name a shift of the same person, or leave it out");
            false
        }
        Lookup::Unknown => {
            let what = format!("`shift_id` `{id}` is no shift: the correction does nothing");
            report.warning("unknown_shift", row.at, &row.subject, what, shifts.ids.remedy("shifts", id));
            true
        }
        _ => true,
    }
}
