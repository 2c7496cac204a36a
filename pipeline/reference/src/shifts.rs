//! Rows of shifts to shift instances with their instants and their policy.
//!
//! In: files of `[reference] shifts`, sites, people, policies.  Out: shifts sorted by (person, start, id).  Owns: nothing.
//! Invariants: start < end; breaks lie within, sorted, apart; both kept by `Reader::times` and `Reader::breaks`.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use model::reference::{Break, ShiftKind, ShiftPlan};
use model::{EventTime, PersonIndex, PolicyIndex, Rows, Shift, Site, SiteIndex};
use schemas::rows::{BreakRow, ShiftRow};

use crate::ids::{Ids, Lookup, Strings};
use crate::people::People;
use crate::policy_resolution::{Asked, Resolver};
use crate::problem::{At, FileId, Report};
use crate::sites::Sites;
use crate::suggest::did_you_mean;
use crate::{rows, wall_time};

const REQUIRED: &[&str] = &["shift_id", "employee_id", "site_id", "business_date", "start", "end"];

/// A shift longer than this is worth a look, in hours.
const LONG_HOURS: i64 = 24;

const TIME_REMEDY: &str =
    "write HH:MM up to 47:59 (26:00 is 02:00 of the next day), or RFC 3339 with an offset";

/// What is known of a value while a row is checked.
pub(crate) struct Known<'a> {
    pub(crate) sites: &'a Sites,
    pub(crate) people: &'a People,
}

/// The shifts read, sorted.
pub(crate) struct Shifts {
    pub(crate) shifts: Rows<Shift>,
    pub(crate) ids: Ids,
}

/// Reads every shift.
pub(crate) fn read(
    report: &mut Report,
    files: &[(FileId, PathBuf)],
    known: &Known<'_>,
    resolver: &mut Resolver,
    strings: &mut Strings,
) -> Shifts {
    let mut reader = Reader { known, resolver, strings, ids: Ids::default(), read: Vec::new() };
    rows::read::<ShiftRow>(report, files, REQUIRED, |_| (), |report, at, row| reader.shift(report, at, &row));
    let Reader { mut read, mut ids, .. } = reader;
    read.sort_by(|a, b| (a.person, a.start, &a.shift_id).cmp(&(b.person, b.start, &b.shift_id)));
    for (index, shift) in read.iter().enumerate() {
        ids.set_index(&shift.shift_id, index);
    }
    tell_overlaps(report, &read, &ids, known.people);
    Shifts { shifts: read.into(), ids }
}

struct Reader<'a> {
    known: &'a Known<'a>,
    resolver: &'a mut Resolver,
    strings: &'a mut Strings,
    ids: Ids,
    read: Vec<Shift>,
}

/// A row at hand and where it stands.
struct Row<'r> {
    at: At,
    row: &'r ShiftRow,
}

impl Row<'_> {
    fn subject(&self) -> String {
        format!("shift {}", self.row.shift_id)
    }

    fn error(&self, report: &mut Report, code: &'static str, what: String, remedy: impl Into<String>) {
        report.error(code, self.at, &self.subject(), what, remedy);
    }
}

impl Reader<'_> {
    fn shift(&mut self, report: &mut Report, at: At, row: &ShiftRow) {
        let Some(shift_id) = self.ids.claim(report, at, "shift", &row.shift_id) else { return };
        let row = Row { at, row };
        let person = person_of(report, at, &row.subject(), self.known.people, &row.row.employee_id);
        let site = self.site(report, &row);
        let date = business_date(report, &row);
        let kind =
            named(report, &row, "kind", row.row.kind.as_deref(), ShiftKind::Fixed, ShiftKind::from_name);
        let plan = named(
            report,
            &row,
            "status",
            row.row.status.as_deref(),
            ShiftPlan::Planned,
            ShiftPlan::from_name,
        );
        let policy_name = self.policy_name(report, &row);
        let (Some(site), Some(date)) = (site, date) else { return };
        let zone = &self.known.sites.sites[site.0 as usize].time_zone;
        let Some((start, end)) = times(report, &row, date, zone) else { return };
        let Some(breaks) = breaks(report, &row, date, zone, (start, end)) else { return };
        let (Some(person), Some(kind), Some(plan), Ok(policy_name)) = (person, kind, plan, policy_name)
        else {
            return;
        };
        self.tell_odd(report, &row, person, site, date);
        let policy = self.policy(person, site, date, policy_name.as_ref());
        let segment = row.row.segment.unwrap_or(0);
        self.read.push(Shift {
            shift_id,
            person,
            site,
            business_date: date,
            segment,
            start,
            end,
            breaks,
            kind,
            plan,
            policy,
        });
    }

    fn site(&self, report: &mut Report, row: &Row<'_>) -> Option<SiteIndex> {
        let id = &row.row.site_id;
        match self.known.sites.ids.find(id) {
            Lookup::Row(index) => Some(SiteIndex(index)),
            Lookup::Refused => None,
            Lookup::Unknown => {
                let remedy = self.known.sites.ids.remedy("sites", id);
                row.error(report, "unknown_site", format!("`site_id` `{id}` is no site"), remedy);
                None
            }
        }
    }

    /// The name the row asks for, `Err` if no table has it.
    fn policy_name(&mut self, report: &mut Report, row: &Row<'_>) -> Result<Option<Arc<str>>, ()> {
        let Some(name) = row.row.policy.as_deref().filter(|name| !name.is_empty()) else { return Ok(None) };
        if let Some(remedy) = unknown_policy(self.resolver, name) {
            row.error(report, "unknown_policy", format!("`policy` `{name}` is no policy"), remedy);
            return Err(());
        }
        Ok(Some(self.strings.get(name)))
    }

    fn policy(
        &mut self,
        person: PersonIndex,
        site: SiteIndex,
        date: Date,
        name: Option<&Arc<str>>,
    ) -> PolicyIndex {
        let site = &self.known.sites.sites[site.0 as usize];
        let groups = &self.known.people.people[person.0 as usize].groups;
        self.resolver.find(Asked { org: &site.org, groups, site: site.policy.as_ref(), shift: name }, date)
    }

    /// What is no error and yet seldom meant.
    fn tell_odd(&self, report: &mut Report, row: &Row<'_>, person: PersonIndex, site: SiteIndex, date: Date) {
        let person = &self.known.people.people[person.0 as usize];
        let is_employed =
            person.joined.is_none_or(|joined| joined <= date) && person.left.is_none_or(|left| date <= left);
        if !is_employed {
            let what = format!("person {} is not employed on {date}", person.employee_id);
            report.warning(
                "not_employed",
                row.at,
                &row.subject(),
                what,
                "cancel the shift, or correct joined or left",
            );
        }
        let site = &self.known.sites.sites[site.0 as usize];
        if !is_open(site, date) {
            let what = format!("site {} does not count on {date}", site.site_id);
            report.warning(
                "site_closed",
                row.at,
                &row.subject(),
                what,
                "correct valid_from or valid_to of the site",
            );
        }
    }
}

fn is_open(site: &Site, date: Date) -> bool {
    if site.valid_from.is_none() && site.valid_to.is_none() {
        return true;
    }
    let midnight = |date: Date| site.time_zone.to_timestamp(date.at(0, 0, 0, 0)).map(EventTime::from).ok();
    let (Some(begin), Some(end)) = (midnight(date), date.tomorrow().ok().and_then(midnight)) else {
        return true;
    };
    site.valid_from.is_none_or(|from| from < end) && site.valid_to.is_none_or(|to| begin < to)
}

/// A remedy if no table is named so.
pub(crate) fn unknown_policy(resolver: &Resolver, name: &str) -> Option<String> {
    let names = resolver.names();
    let known = || names.iter().map(|name| &**name);
    (!names.contains(name) && !resolver.is_partial())
        .then(|| did_you_mean(name, known(), "add a [[policy]] of that name, or correct it here"))
}

/// The person a row names, or `None` with the problem told.
pub(crate) fn person_of(
    report: &mut Report,
    at: At,
    subject: &str,
    people: &People,
    id: &str,
) -> Option<PersonIndex> {
    match people.ids.find(id) {
        Lookup::Row(index) => Some(PersonIndex(index)),
        Lookup::Refused => None,
        Lookup::Unknown => {
            let remedy = people.ids.remedy("people", id);
            report.error("unknown_person", at, subject, format!("`employee_id` `{id}` is no person"), remedy);
            None
        }
    }
}

fn business_date(report: &mut Report, row: &Row<'_>) -> Option<Date> {
    let text = &row.row.business_date;
    let date = wall_time::date(text);
    if let Err(fault) = date {
        row.error(
            report,
            "bad_time",
            format!("`business_date` `{text}` {fault}"),
            "write a day such as 2026-11-02",
        );
    }
    date.ok()
}

fn named<T: Copy>(
    report: &mut Report,
    row: &Row<'_>,
    key: &str,
    text: Option<&str>,
    default: T,
    from_name: fn(&str) -> Option<T>,
) -> Option<T> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Some(default) };
    let value = from_name(text);
    if value.is_none() {
        let allowed = if key == "kind" { "fixed or free" } else { "planned or cancelled" };
        row.error(report, "bad_value", format!("`{key}` is `{text}`"), format!("write {allowed}"));
    }
    value
}

fn time(
    report: &mut Report,
    row: &Row<'_>,
    key: &str,
    text: &str,
    date: Date,
    zone: &TimeZone,
) -> Option<EventTime> {
    match wall_time::shift_time(text, date, zone) {
        Ok(time) => Some(time),
        Err(fault) => {
            row.error(report, "bad_time", format!("`{key}` `{text}` {fault}"), TIME_REMEDY);
            None
        }
    }
}

fn times(report: &mut Report, row: &Row<'_>, date: Date, zone: &TimeZone) -> Option<(EventTime, EventTime)> {
    let start = time(report, row, "start", &row.row.start, date, zone);
    let end = time(report, row, "end", &row.row.end, date, zone);
    let (start, end) = (start?, end?);
    if end <= start {
        let what = format!("`end` {} is not after `start` {}", row.row.end, row.row.start);
        row.error(
            report,
            "empty_span",
            what,
            "an end after midnight is written from the business date: 30:00 is 06:00",
        );
        return None;
    }
    if end.us_since(start) > LONG_HOURS * 3_600_000_000 {
        let what = format!("it lasts more than {LONG_HOURS} hours");
        report.warning("long_shift", row.at, &row.subject(), what, "look whether a day slipped");
    }
    let day = start.timestamp().to_zoned(zone.clone()).date();
    if day < date || date.tomorrow().is_ok_and(|next| day > next) {
        let what = format!("it starts on {day}, its business date is {date}");
        report.warning("far_date", row.at, &row.subject(), what, "look whether a day slipped");
    }
    Some((start, end))
}

fn breaks(
    report: &mut Report,
    row: &Row<'_>,
    date: Date,
    zone: &TimeZone,
    (start, end): (EventTime, EventTime),
) -> Option<Vec<Break>> {
    let mut breaks = Vec::with_capacity(row.row.breaks.len());
    for BreakRow { start: from, end: until, paid } in &row.row.breaks {
        let (from_at, until_at) =
            (time(report, row, "breaks", from, date, zone)?, time(report, row, "breaks", until, date, zone)?);
        if until_at <= from_at {
            row.error(
                report,
                "bad_break",
                format!("break {from}-{until} ends before it begins"),
                "correct it",
            );
            return None;
        }
        if from_at < start || end < until_at {
            let what = format!("break {from}-{until} is not within {}-{}", row.row.start, row.row.end);
            let remedy = "correct it; after midnight it is written from the business date (26:00 is 02:00)";
            row.error(report, "bad_break", what, remedy);
            return None;
        }
        breaks.push(Break { start: from_at, end: until_at, paid: paid.unwrap_or(false) });
    }
    breaks.sort_by_key(|one| (one.start, one.end));
    if breaks.windows(2).any(|pair| pair[1].start < pair[0].end) {
        row.error(
            report,
            "bad_break",
            "two of its breaks overlap".to_owned(),
            "join them, or set them apart",
        );
        return None;
    }
    Some(breaks)
}

/// Planned shifts of one person that overlap: the earlier one's end is carried along, so that a long one is held against
/// all that begin within it.
fn tell_overlaps(report: &mut Report, shifts: &[Shift], ids: &Ids, people: &People) {
    let mut longest: Option<&Shift> = None;
    for shift in shifts.iter().filter(|shift| shift.plan == ShiftPlan::Planned) {
        match longest {
            Some(other) if other.person == shift.person && shift.start < other.end => {
                if let Some(at) = ids.place(&shift.shift_id) {
                    let place = ids
                        .place(&other.shift_id)
                        .map_or(String::new(), |at| format!(" ({})", report.place(at)));
                    let person = &people.people[shift.person.0 as usize].employee_id;
                    let what =
                        format!("it overlaps shift {}{place} of the same person {person}", other.shift_id);
                    let remedy =
                        "a punch in the overlap is bound to one of the two: set them apart, or cancel one";
                    report.warning("overlap", at, &format!("shift {}", shift.shift_id), what, remedy);
                }
                if shift.end > other.end {
                    longest = Some(shift);
                }
            }
            _ => longest = Some(shift),
        }
    }
}
