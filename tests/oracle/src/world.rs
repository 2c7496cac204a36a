//! Reference data as people write them: nothing is resolved yet.
//!
//! In: whoever makes a test.  Out: plain values.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use model::reference::{Approval, CorrectionKind, CorrectionType, DayKind, RequestStatus};

/// Whole seconds since 1970-01-01T00:00:00Z.
pub type Seconds = i64;

/// A time of a shift.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Time {
    /// Minutes on the site's wall clock from the beginning of the business date, below 2,880.
    Wall(i64),
    /// An instant.
    At(Seconds),
}

/// Everything that is written down.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// All sites.
    pub sites: Vec<Site>,
    /// All people.
    pub people: Vec<Person>,
    /// All shifts.
    pub shifts: Vec<Shift>,
    /// All leave and permissions.
    pub leave: Vec<Leave>,
    /// All corrections.
    pub corrections: Vec<Correction>,
    /// All `[[policy]]` tables.
    pub policies: Vec<Table>,
    /// All calendars.
    pub calendars: Vec<Calendar>,
}

/// A site, as far as time is concerned.
#[derive(Clone, Debug)]
pub struct Site {
    /// Its id.
    pub id: String,
    /// Its org path.
    pub org: String,
    /// Its wall clock.
    pub zone: TimeZone,
    /// The name of the policy it asks for.
    pub policy: Option<String>,
}

/// A person.
#[derive(Clone, Debug)]
pub struct Person {
    /// The pseudonym.
    pub id: String,
    /// The org path.
    pub org: String,
    /// The home site.
    pub home: Option<String>,
    /// Further sites.
    pub allowed: Vec<String>,
    /// Groups.
    pub groups: Vec<String>,
}

/// A planned break.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Break {
    /// Its first instant.
    pub start: Time,
    /// The instant after its last.
    pub end: Time,
    /// Whether it counts as work.
    pub is_paid: bool,
}

/// A shift.
#[derive(Clone, Debug)]
pub struct Shift {
    /// Its id.
    pub id: String,
    /// Whose.
    pub person: String,
    /// Where.
    pub site: String,
    /// The day it counts for.
    pub date: Date,
    /// Its number within the day.
    pub segment: u32,
    /// Its start.
    pub start: Time,
    /// Its end.
    pub end: Time,
    /// Its breaks.
    pub breaks: Vec<Break>,
    /// Whether it has no due times.
    pub is_free: bool,
    /// Whether it was called off.
    pub is_cancelled: bool,
    /// The name of the policy it asks for.
    pub policy: Option<String>,
}

/// Leave or a permission.
#[derive(Clone, Debug)]
pub struct Leave {
    /// Its id.
    pub id: String,
    /// Whose.
    pub person: String,
    /// Its first second.
    pub from: Seconds,
    /// The second behind its last.
    pub until: Seconds,
    /// Its type; `overtime` and `field` are permissions.
    pub kind: String,
    /// Where it stands.
    pub status: RequestStatus,
    /// Who approved it, and when.
    pub approvals: Vec<Approval>,
}

/// A correction.
#[derive(Clone, Debug)]
pub struct Correction {
    /// Its id.
    pub id: String,
    /// Whose.
    pub person: String,
    /// Which end it replaces.
    pub kind: CorrectionKind,
    /// The second it puts in place.
    pub at: Seconds,
    /// The shift it names.
    pub shift: Option<String>,
    /// What it mends.
    pub mends: CorrectionType,
    /// Where it stands.
    pub status: RequestStatus,
    /// Who approved it, and when.
    pub approvals: Vec<Approval>,
}

/// A `[[policy]]` table: the keys it sets, each value as written, without quotes.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its name.
    pub name: Option<String>,
    /// An org path, or `group:NAME`.
    pub applies_to: String,
    /// The first business date.
    pub valid_from: Date,
    /// What it sets.
    pub keys: BTreeMap<String, String>,
}

/// A calendar.
#[derive(Clone, Debug)]
pub struct Calendar {
    /// The org path.
    pub applies_to: String,
    /// The kinds of Monday to Sunday.
    pub weekdays: [DayKind; 7],
    /// The days that differ, and whether the law makes them holidays.
    pub days: BTreeMap<Date, (DayKind, bool)>,
}

/// Whether `scope` is `path` or above it.
pub(crate) fn covers(scope: &str, path: &str) -> bool {
    let (scope, path): (Vec<&str>, Vec<&str>) = (scope.split('/').collect(), path.split('/').collect());
    scope == [""] || path.starts_with(&scope)
}

impl World {
    pub(crate) fn site(&self, id: &str) -> Option<&Site> {
        self.sites.iter().find(|site| site.id == id)
    }

    /// What kind of day `date` is for `org`, and whether it is a holiday by law: as the calendar of the nearest org says.
    pub(crate) fn day(&self, org: &str, date: Date) -> (DayKind, bool) {
        let fits = self.calendars.iter().filter(|calendar| covers(&calendar.applies_to, org));
        let Some(calendar) = fits.max_by_key(|calendar| calendar.applies_to.len()) else {
            return (DayKind::Workday, false);
        };
        let ordinary = calendar.weekdays[date.weekday().to_monday_zero_offset() as usize];
        calendar.days.get(&date).copied().unwrap_or((ordinary, false))
    }
}
