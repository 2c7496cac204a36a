//! The half of a `punches` row that needs history: what a punch looks like when it arrives.
//!
//! In: the punch, its verdict's site, what is known of its person and source.  Out: [`Arrival`].
//! Absent on purpose: any change of state (the row is stored first, then folded), and later facts: what they make of the
//! punch is in `shift_results`.

use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use model::{
    Batch, Due, EventId, EventTime, Kind, Origin, PersonIndex, Place, Punch, Reason, Reasons, SiteIndex,
    Verdict,
};

use crate::believe::{Belief, SUSPECT_US};
use crate::binding::Bound;
use crate::book::{Book, Key, is_machine};
use crate::judge::{Judge, emptied};
use crate::lone::{bind_among, in_window, lone_at};
use crate::roster::{Roster, ShiftIndex, local_date};
use crate::standing::{Seen, Standing, sort};

/// Live, a punch may be this far ahead of its receipt (contract, section 4).
const AHEAD_US_MAX: i64 = 10 * 60_000_000;

const DAY_US: i64 = 86_400_000_000;

/// How the log's clock is made, and what it makes of this record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clocking {
    /// `clock = "append"`: the time of receipt is the measure.
    Append,
    /// `clock = "record"`: what [`crate::Believer`] decided about this record.
    Record(Belief),
}

/// What is known about a punch when it arrives.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// The person in the state's snapshot, if known there.
    pub person: Option<PersonIndex>,
    /// The person's pseudonym.
    pub employee_id: &'a str,
    /// With it, the identity.
    pub event_id: EventId,
    /// What the person says it is.
    pub kind: Kind,
    /// When it happened by the device's clock.
    pub occurred_at: EventTime,
    /// When the log took it.
    pub received_at: EventTime,
    /// By what road it came.
    pub origin: Origin,
    /// The device, or empty.
    pub device_id: &'a str,
    /// The device's IANA zone, or empty.
    pub time_zone: &'a str,
    /// Where the verdict says it was made.
    pub place: Place,
    /// The verdict's site.
    pub site: Option<SiteIndex>,
    /// The importer's zone.
    pub import_zone: Option<&'a TimeZone>,
}

impl<'a> Facts<'a> {
    /// The facts of a punch of a batch that was located by the state's snapshot.
    pub fn of(
        batch: &'a Batch,
        punch: &Punch,
        (due, verdict): (&Due, &Verdict),
        import_zone: Option<&'a TimeZone>,
    ) -> Self {
        Self {
            person: due.person,
            employee_id: batch.text(punch.employee_id),
            event_id: EventId::new(batch.text(punch.event_id)),
            kind: punch.kind,
            occurred_at: punch.occurred_at,
            received_at: punch.received_at,
            origin: punch.origin,
            device_id: batch.text(punch.device_id),
            time_zone: batch.text(punch.time_zone),
            place: verdict.place,
            site: verdict.site,
            import_zone,
        }
    }

    pub(crate) fn key<'b>(&'b self, roster: &'b Roster) -> Key<'b> {
        let Self { person, employee_id, event_id, site, .. } = self;
        let site = site.map(|site| (site, &roster.reference().site(site).site_id));
        Key { person: *person, employee_id, event_id, site }
    }
}

/// A punch as judged on arrival.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// In, out, break out or break in, as far as can be told now; `None` for an `auto` punch that never binds.
    pub direction: Option<Kind>,
    /// The shift instance it goes with, as far as can be told now.
    pub shift: Option<ShiftIndex>,
    /// Its id.
    pub shift_id: Option<Arc<str>>,
    /// `clock_suspect`, `repunch`, `unscheduled`.
    pub reasons: Reasons,
    /// The day it counts for: its shift's, else the day of `time_zone`.
    pub business_date: Date,
    /// The zone of its local time: the verdict's site's, else its shift's site's, else the home site's, else the
    /// device's, else the importer's, else UTC.
    pub time_zone: TimeZone,
}

/// Judges a punch on arrival.
pub(crate) fn arrive(
    judge: &mut Judge,
    book: &Book,
    roster: &Roster,
    facts: &Facts<'_>,
    clocking: Clocking,
) -> Arrival {
    let person = facts.person;
    let mut reasons = Reasons::EMPTY;
    if is_suspect(book, facts, clocking) {
        reasons.insert(Reason::ClockSuspect);
    }
    let bound = match bind_lone(book, roster, facts, reasons) {
        Some(bound) => bound,
        None => bind(judge, book, roster, person, facts, reasons),
    };
    if bound.standing == Standing::Repunch {
        reasons.insert(Reason::Repunch);
    }
    let is_rostered = || person.is_some_and(|person| roster.is_rostered_near(person, facts.occurred_at));
    if bound.standing != Standing::Never && bound.shift.is_none() && is_rostered() {
        reasons.insert(Reason::Unscheduled);
    }
    let time_zone = zone(roster, person, bound.shift, facts);
    let shift = bound.shift.map(|index| roster.shift_at(index));
    Arrival {
        direction: bound.direction,
        shift: bound.shift,
        shift_id: shift.map(|shift| shift.shift_id.clone()),
        reasons,
        business_date: shift
            .map_or_else(|| local_date(facts.occurred_at, &time_zone), |shift| shift.business_date),
        time_zone,
    }
}

/// Whether the record's clock contradicts its neighbours (contract, section 4, `clock_suspect`).
fn is_suspect(book: &Book, facts: &Facts<'_>, clocking: Clocking) -> bool {
    let ahead = match clocking {
        Clocking::Append => facts.occurred_at.us_since(facts.received_at) > AHEAD_US_MAX,
        Clocking::Record(belief) => belief == Belief::Suspect,
    };
    let behind = || {
        let latest = book.latest_of(facts.device_id);
        latest.is_some_and(|latest| latest.us_since(facts.occurred_at) >= SUSPECT_US)
    };
    ahead || is_machine(facts.origin) && behind()
}

/// What binding makes of a believed punch in the window of a lone shift.
fn bind_lone(book: &Book, roster: &Roster, facts: &Facts<'_>, reasons: Reasons) -> Option<Bound> {
    if facts.origin == Origin::Correction || reasons.contains(Reason::ClockSuspect) {
        return None;
    }
    let person = facts.person?;
    let index = lone_at(roster, person, facts.occurred_at)?;
    let punches = book.punches_of(person);
    let within = &punches[in_window(roster, index, punches)];
    let own = (facts.occurred_at, &facts.event_id, facts.kind);
    let (standing, direction) = bind_among(roster, index, within, own)?;
    Some(Bound { standing, run: Some(index.0), shift: Some(index), direction: Some(direction) })
}

fn bind(
    judge: &mut Judge,
    book: &Book,
    roster: &Roster,
    person: Option<PersonIndex>,
    facts: &Facts<'_>,
    reasons: Reasons,
) -> Bound {
    let at = facts.occurred_at;
    let own_run = person.and_then(|person| roster.run_at(person, at));
    // The day matters only where no shift holds the punch.
    let business_date = match own_run {
        Some(_) => Date::default(),
        None => local_date(at, &zone(roster, person, None, facts)),
    };
    // The run of its shifts, and for a punch that no shift holds its day.
    let (from, until) = roster.judged_span(person, at..at.plus_us(1));
    let span = from.min(at.plus_us(-DAY_US))..until.max(at.plus_us(DAY_US));
    let mut seen: Vec<Seen<'_>> = emptied(std::mem::take(&mut judge.seen));
    seen.extend(book.seen((person, facts.employee_id), span));
    let site_id = facts.site.map(|site| &roster.reference().site(site).site_id);
    seen.push(Seen {
        event: &facts.event_id,
        kind: facts.kind,
        occurred_at: at,
        origin: facts.origin,
        place: facts.place,
        site_id,
        reasons,
        business_date,
        // Behind every stored punch of the same instant and id; there is none, since repeats are looked up first.
        offset: i64::MAX,
    });
    sort(&mut seen);
    let own = seen.iter().position(|seen| seen.offset == i64::MAX).unwrap_or(seen.len() - 1);
    let bound = judge.bind_one(roster, person, &seen, own, own_run);
    judge.seen = emptied(seen);
    bound
}

fn zone(
    roster: &Roster,
    person: Option<PersonIndex>,
    shift: Option<ShiftIndex>,
    facts: &Facts<'_>,
) -> TimeZone {
    let site = facts.site.map(|site| roster.reference().site(site));
    let site = site.or_else(|| shift.map(|shift| roster.shift_site(shift))).or_else(|| roster.home(person).1);
    if let Some(site) = site {
        return site.time_zone.clone();
    }
    let told = (!facts.time_zone.is_empty()).then(|| TimeZone::get(facts.time_zone).ok()).flatten();
    told.or_else(|| facts.import_zone.cloned()).unwrap_or(TimeZone::UTC)
}
