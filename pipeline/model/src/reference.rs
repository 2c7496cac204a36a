//! One validated snapshot of everything the pipeline is told: sites, people, shifts, leave, corrections, policies.
//!
//! In: built by `reference` (and by tests) in one go.  Out: read by `matcher`, `attendance`, row builders, `alerts`.
//! Owns: the values; indexes (`SiteIndex`, …) are places in its vectors and mean nothing in another snapshot.
//! Absent on purpose: spatial and time indexes (their rooms build them from here), names of people (restricted, they
//! never reach the hot path), file positions.
//! Invariants: every index points into this snapshot; shifts are sorted by person and start; kept by `reference::load`.

use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::batch::named;
use crate::geometry::{LonLat, Ring};
use crate::ids::{BeaconId, BssidBlock, PersonIndex, PolicyIndex, SiteIndex};
use crate::policy::Policy;
pub use crate::policy_book::{PolicyBook, PolicyScope};
use crate::rows::Rows;
use crate::time::EventTime;

/// One immutable snapshot.
#[derive(Clone, Debug, Default)]
pub struct Reference {
    /// A hash of the content: the same rows give the same version. Every lake row carries it.
    pub version: Arc<str>,
    /// All sites. One that stayed as it was is shared with the snapshot before.
    pub sites: Rows<Arc<Site>>,
    /// All orgs that are described; a site's org need not be.
    pub orgs: Rows<Org>,
    /// All people.
    pub people: Rows<Person>,
    /// All shift instances, sorted by (person, start, shift_id).
    pub shifts: Rows<Shift>,
    /// All leave, overtime and field permissions, sorted by (person, from).
    pub leave: Rows<Leave>,
    /// All corrections, sorted by (person, occurred_at).
    pub corrections: Rows<Correction>,
    /// Every distinct resolved policy; place 0 is the default policy without any table.
    pub policies: Vec<Policy>,
    /// Which policy holds where.
    pub policy_rules: PolicyBook,
    /// Kinds of days by org and date.
    pub calendars: Vec<Calendar>,
    /// Dated legal values, sorted by path, key and day.
    pub law: Vec<LawValue>,
    /// The release of the time zone rules that its wall times and zones were read by, as `2025b`.
    pub tz_version: Arc<str>,
}

/// An outline that a site owns, in WGS-84.
#[derive(Clone, Debug, PartialEq)]
pub enum Fence {
    /// All points within `radius_m` ellipsoidal metres of the centre.
    Circle {
        /// The centre.
        centre: LonLat,
        /// The radius in metres, > 0.
        radius_m: f64,
    },
    /// Parts, each an outer ring with its holes; inside is even-odd within a part and the union over parts.
    Polygons(Vec<Vec<Ring>>),
}

/// A store, an office, any place where people may punch.
#[derive(Clone, Debug)]
pub struct Site {
    /// Its id.
    pub site_id: Arc<str>,
    /// What people call it.
    pub name: Arc<str>,
    /// The org path it belongs to: `hk/kln/mong-kok`.
    pub org: Arc<str>,
    /// The wall clock's zone.
    pub time_zone: TimeZone,
    /// The zone's IANA name.
    pub time_zone_name: Arc<str>,
    /// Its outline.
    pub fence: Fence,
    /// Its own tolerance in metres, in place of the policy's.
    pub tolerance_m: Option<f64>,
    /// The name of the policy it asks for.
    pub policy: Option<Arc<str>>,
    /// Its access points.
    pub bssids: Vec<BssidBlock>,
    /// Its beacons.
    pub beacons: Vec<BeaconId>,
    /// The device ids of its terminals.
    pub terminals: Vec<Arc<str>>,
    /// The employee ids of its managers.
    pub managers: Vec<Arc<str>>,
    /// First instant at which it counts; `None` = always did.
    pub valid_from: Option<EventTime>,
    /// First instant at which it no longer counts.
    pub valid_to: Option<EventTime>,
}

/// A node of the org tree.
#[derive(Clone, Debug)]
pub struct Org {
    /// Its path.
    pub org: Arc<str>,
    /// Its name in English, traditional and simplified Chinese, where given.
    pub names: [Option<Arc<str>>; 3],
    /// The employee ids of its managers.
    pub managers: Vec<Arc<str>>,
}

/// One employee, under a pseudonym.
#[derive(Clone, Debug)]
pub struct Person {
    /// The pseudonym.
    pub employee_id: Arc<str>,
    /// The org path.
    pub org: Arc<str>,
    /// Where the person belongs.
    pub home_site: Option<SiteIndex>,
    /// Further sites where the person may punch.
    pub allowed_sites: Vec<SiteIndex>,
    /// Groups for `applies_to = "group:NAME"`.
    pub groups: Vec<Arc<str>>,
    /// Employee ids of the person's own managers.
    pub managers: Vec<Arc<str>>,
    /// Whether the person declined location.
    pub location_declined: bool,
    /// First day of employment.
    pub joined: Option<Date>,
    /// Last day of employment.
    pub left: Option<Date>,
}

/// Whether a shift instance is meant to be worked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ShiftPlan {
    /// It is.
    Planned,
    /// It was called off.
    Cancelled,
}

/// Whether a shift has due times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ShiftKind {
    /// Due from start until end.
    Fixed,
    /// Any time within the window.
    Free,
}

named! {
    ShiftPlan { Planned = "planned", Cancelled = "cancelled" }
    ShiftKind { Fixed = "fixed", Free = "free" }
}

/// A planned break, half open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Break {
    /// Its first instant.
    pub start: EventTime,
    /// The first instant after it.
    pub end: EventTime,
    /// Whether it counts as work.
    pub paid: bool,
}

/// One person's planned duty. The instance *is* its `shift_id`.
#[derive(Clone, Debug)]
pub struct Shift {
    /// Its id.
    pub shift_id: Arc<str>,
    /// Whose.
    pub person: PersonIndex,
    /// Where.
    pub site: SiteIndex,
    /// The day it counts for, in the site's zone.
    pub business_date: Date,
    /// Its number within the day.
    pub segment: u32,
    /// The planned start.
    pub start: EventTime,
    /// The planned end, after the start.
    pub end: EventTime,
    /// Planned breaks within start and end, sorted, not overlapping.
    pub breaks: Vec<Break>,
    /// Fixed or free.
    pub kind: ShiftKind,
    /// Planned or cancelled.
    pub plan: ShiftPlan,
    /// The policy in force for it: its own name, its site's, or by org, group and date, resolved at load.
    pub policy: PolicyIndex,
}

/// Where a request stands. This alone decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RequestStatus {
    /// Not decided.
    Pending,
    /// In force.
    Approved,
    /// Refused.
    Rejected,
    /// Taken back by the person.
    Withdrawn,
    /// Taken back by the approver.
    Revoked,
}

/// Which end of a shift a correction replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CorrectionKind {
    /// The coming.
    In,
    /// The leaving.
    Out,
}

/// What a correction mends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CorrectionType {
    /// A punch that was not made.
    Missing,
    /// A late coming.
    Late,
    /// An early leaving.
    Early,
    /// Anything else.
    Other,
}

named! {
    RequestStatus {
        Pending = "pending", Approved = "approved", Rejected = "rejected", Withdrawn = "withdrawn", Revoked = "revoked"
    }
    CorrectionKind { In = "in", Out = "out" }
    CorrectionType { Missing = "missing", Late = "late", Early = "early", Other = "other" }
}

/// One approval of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// The level of the approver, counted from 1, where the row tells it.
    pub level: Option<u32>,
    /// Who approved, where the row tells it.
    pub by: Option<Arc<str>>,
    /// When.
    pub at: EventTime,
}

/// A stretch of leave, or a permission (`overtime`, `field`), half open.
#[derive(Clone, Debug)]
pub struct Leave {
    /// Its id.
    pub leave_id: Arc<str>,
    /// Whose.
    pub person: PersonIndex,
    /// Its first instant.
    pub from: EventTime,
    /// The first instant after it.
    pub until: EventTime,
    /// Its type as written; `overtime` and `field` are permissions, not absences.
    pub leave_type: Arc<str>,
    /// Where the request stands.
    pub status: RequestStatus,
    /// Who approved it, and when, in the row's order.
    pub approvals: Vec<Approval>,
    /// When the log's clock must stand for it to count: the last approval, or `None` for at once.
    pub effective_at: Option<EventTime>,
    /// The place of a `field` permission.
    pub place: Option<LonLat>,
    /// How an `overtime` permission is made good, where that is told.
    pub compensation: Option<Compensation>,
}

/// How overtime is made good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compensation {
    /// By pay.
    Pay,
    /// By as much time off.
    TimeOff,
}

named! {
    Compensation { Pay = "pay", TimeOff = "time_off" }
}

impl Leave {
    /// Whether it is an absence rather than a permission.
    pub fn is_absence(&self) -> bool {
        !matches!(&*self.leave_type, "overtime" | "field")
    }

    /// Whether it counts when the log's clock stands at `clock`.
    pub fn is_in_force(&self, clock: EventTime) -> bool {
        self.status == RequestStatus::Approved && self.effective_at.is_none_or(|at| at <= clock)
    }
}

/// A correction (補卡).
#[derive(Clone, Debug)]
pub struct Correction {
    /// Its id.
    pub correction_id: Arc<str>,
    /// Whose.
    pub person: PersonIndex,
    /// Which end it replaces.
    pub kind: CorrectionKind,
    /// The instant it puts in place.
    pub occurred_at: EventTime,
    /// The shift instance it names, if any.
    pub shift_id: Option<Arc<str>>,
    /// What it mends.
    pub correction_type: CorrectionType,
    /// Where the request stands.
    pub status: RequestStatus,
    /// Who approved it, and when, in the row's order.
    pub approvals: Vec<Approval>,
    /// When the log's clock must stand for it to count.
    pub effective_at: Option<EventTime>,
}

impl Correction {
    /// Whether it was approved, be it for later.
    pub fn is_approved(&self) -> bool {
        self.status == RequestStatus::Approved
    }

    /// Whether it counts when the log's clock stands at `clock`.
    pub fn is_in_force(&self, clock: EventTime) -> bool {
        self.status == RequestStatus::Approved && self.effective_at.is_none_or(|at| at <= clock)
    }
}

/// What kind of day it is for pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DayKind {
    /// An ordinary day.
    Workday,
    /// A weekly day of rest.
    Rest,
    /// A holiday.
    Holiday,
}

named! {
    DayKind { Workday = "workday", Rest = "rest", Holiday = "holiday" }
}

/// A day of a calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CalendarDay {
    /// The day.
    pub date: Date,
    /// Its kind.
    pub kind: DayKind,
    /// Whether it is a holiday to which the law entitles every employee, of the holidays that this calendar has.
    pub is_statutory: bool,
    /// Whether this rests on a rule, because the authority has not published its list for that year yet.
    pub is_estimated: bool,
}

/// A dated calendar for an org subtree.
#[derive(Clone, Debug, PartialEq)]
pub struct Calendar {
    /// The org path it applies to, at path-segment borders; empty = everywhere.
    pub applies_to: Arc<str>,
    /// Days that differ from the weekday rule, sorted by date.
    pub days: Vec<CalendarDay>,
    /// The kind of each weekday, Monday first.
    pub weekdays: [DayKind; 7],
}

/// A value that the law sets, from a day on until the next value of the same path and key.
#[derive(Clone, Debug, PartialEq)]
pub struct LawValue {
    /// The org path it applies to, at path-segment borders; empty = everywhere.
    pub applies_to: Arc<str>,
    /// What it is: `continuous_week_hours`.
    pub key: Arc<str>,
    /// The value, ≥ 0; its unit is part of the key's meaning.
    pub value: f64,
    /// The first day on which it holds.
    pub valid_from: Date,
    /// Who says so.
    pub source: Arc<str>,
    /// Whether it is not enacted yet.
    pub is_estimated: bool,
}

/// Whether `path` is `scope` or lies below it, at path-segment borders; the empty scope covers everything.
pub fn org_covers(scope: &str, path: &str) -> bool {
    scope.is_empty() || path.strip_prefix(scope).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Reference {
    /// The policies under which `person` is judged where no shift says otherwise: (first business date, policy), ascending;
    /// the defaults before the first.
    pub fn policies_of(&self, person: &Person) -> &[(Date, PolicyIndex)] {
        let mut groups = person.groups.clone();
        groups.sort();
        match person.home_site.map(|site| self.site(site)) {
            Some(site) => self.policy_rules.dated(&site.org, &groups, site.policy.as_deref()),
            None => self.policy_rules.dated(&person.org, &groups, None),
        }
    }

    /// What `date` is for `org`, by the calendar with the longest `applies_to` that covers it; a workday without one.
    pub fn day(&self, org: &str, date: Date) -> CalendarDay {
        let plain = |kind| CalendarDay { date, kind, is_statutory: false, is_estimated: false };
        let fits = self.calendars.iter().filter(|calendar| org_covers(&calendar.applies_to, org));
        let Some(calendar) = fits.max_by_key(|calendar| calendar.applies_to.len()) else {
            return plain(DayKind::Workday);
        };
        match calendar.days.binary_search_by_key(&date, |day| day.date) {
            Ok(at) => calendar.days[at],
            Err(_) => plain(calendar.weekdays[date.weekday().to_monday_zero_offset() as usize]),
        }
    }

    /// The policy at `index`.
    #[inline]
    pub fn policy(&self, index: PolicyIndex) -> &Policy {
        &self.policies[index.0 as usize]
    }

    /// The site at `index`.
    #[inline]
    pub fn site(&self, index: SiteIndex) -> &Site {
        &self.sites[index.0 as usize]
    }

    /// The person at `index`.
    pub fn person(&self, index: PersonIndex) -> &Person {
        &self.people[index.0 as usize]
    }

    /// The shift instances of `person`, by start.
    pub fn shifts_of(&self, person: PersonIndex) -> &[Shift] {
        of_person(&self.shifts, person, |shift| shift.person)
    }

    /// The leave and permissions of `person`, by first instant.
    pub fn leave_of(&self, person: PersonIndex) -> &[Leave] {
        of_person(&self.leave, person, |leave| leave.person)
    }

    /// The corrections of `person`, by instant.
    pub fn corrections_of(&self, person: PersonIndex) -> &[Correction] {
        of_person(&self.corrections, person, |correction| correction.person)
    }
}

fn of_person<T>(rows: &[T], person: PersonIndex, key: impl Fn(&T) -> PersonIndex) -> &[T] {
    let from = rows.partition_point(|row| key(row) < person);
    let until = from + rows[from..].partition_point(|row| key(row) == person);
    &rows[from..until]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orgs_are_covered_at_segment_borders() {
        for (scope, path, covers) in [
            ("", "hk", true),
            ("hk", "hk", true),
            ("hk", "hk/kln", true),
            ("hk", "hkx", false),
            ("hk/kln", "hk", false),
        ] {
            assert_eq!(org_covers(scope, path), covers, "{scope} over {path}");
        }
    }

    #[test]
    fn rows_of_a_person_are_a_contiguous_slice() {
        let rows = [0, 0, 2, 2, 2, 5].map(PersonIndex);
        let of = |n| of_person(&rows, PersonIndex(n), |row| *row).len();
        assert_eq!((of(0), of(1), of(2), of(5), of(9)), (2, 0, 3, 1, 0));
    }
}
