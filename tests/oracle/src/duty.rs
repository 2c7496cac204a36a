//! One person's shifts with everything that the reference data say of them: instants, windows, policies, kinds of days.
//!
//! In: [`World`], a person.  Out: [`Plan`].

use jiff::civil::Date;
use jiff::tz::TimeZone;
use model::Policy;
use model::reference::DayKind;

use crate::corrections::refusals;
use crate::policies::{Asked, policy};
use crate::wall;
use crate::world::{Correction, Leave, Person, Seconds, Shift, Site, Time, World};

/// A shift with its instants and its policy.
#[derive(Clone, Debug)]
pub struct Duty<'w> {
    pub(crate) shift: &'w Shift,
    pub(crate) site: &'w Site,
    pub(crate) start: Seconds,
    pub(crate) end: Seconds,
    /// Start, end, and whether it is paid.
    pub(crate) breaks: Vec<(Seconds, Seconds, bool)>,
    pub(crate) policy: Policy,
    /// The first second at which a punch binds.
    pub(crate) opens: Seconds,
    /// The last second at which a punch binds.
    pub(crate) closes: Seconds,
    pub(crate) day: DayKind,
    pub(crate) is_statutory: bool,
}

/// One person's shifts by start, then id, with the person's requests.
#[derive(Clone, Debug)]
pub struct Plan<'w> {
    pub(crate) world: &'w World,
    pub(crate) person: &'w Person,
    pub(crate) home: Option<&'w Site>,
    pub(crate) duties: Vec<Duty<'w>>,
    /// Leave and permissions by beginning, then id.
    pub(crate) leave: Vec<&'w Leave>,
    pub(crate) corrections: Vec<&'w Correction>,
    /// The approved corrections that do not count, by id, and why.
    pub(crate) refused: Vec<(String, &'static str)>,
}

impl<'w> Plan<'w> {
    /// The plan of a person of `world`.
    pub fn of(world: &'w World, employee_id: &str) -> Self {
        let person = world.people.iter().find(|person| person.id == employee_id).expect("a known person");
        let own = world.shifts.iter().filter(|shift| shift.person == person.id);
        let mut duties: Vec<Duty<'w>> = own.map(|shift| duty(world, person, shift)).collect();
        duties.sort_by_key(|duty| (duty.start, &duty.shift.id));
        let mut leave: Vec<&Leave> = world.leave.iter().filter(|row| row.person == person.id).collect();
        leave.sort_by_key(|row| (row.from, &row.id));
        let corrections = world.corrections.iter().filter(|row| row.person == person.id).collect();
        let home = person.home.as_deref().and_then(|id| world.site(id));
        let mut plan = Self { world, person, home, duties, leave, corrections, refused: Vec::new() };
        plan.refused = refusals(&plan);
        plan
    }

    /// The shifts.
    pub fn duties(&self) -> &[Duty<'w>] {
        &self.duties
    }

    /// The policy for a punch: the shift's whose window holds it, of several the one with the nearest start; else that of
    /// the home site, else that of the person's org.
    pub(crate) fn policy_at(&self, at: Seconds) -> Policy {
        let holding = self.duties.iter().filter(|duty| duty.is_planned() && duty.holds(at));
        if let Some(duty) = holding.min_by_key(|duty| (duty.start - at).abs()) {
            return duty.policy.clone();
        }
        let (org, name, zone) = match self.home {
            Some(home) => (&home.org, home.policy.as_deref(), home.zone.clone()),
            None => (&self.person.org, None, TimeZone::UTC),
        };
        let date = wall::date(&zone, at);
        policy(self.world, &Asked { org, groups: &self.person.groups, names: [name, None], date })
    }

    /// Sites where the person may punch: home, allowed, and those of all own shifts.
    pub(crate) fn may_punch_at(&self, site: &str) -> bool {
        let own = self.person.home.iter().chain(&self.person.allowed);
        let of_shifts = self.duties.iter().map(|duty| &duty.shift.site);
        self.world.site(site).is_some() && own.chain(of_shifts).any(|id| id == site)
    }
}

impl Duty<'_> {
    /// The id of the shift.
    pub fn id(&self) -> &str {
        &self.shift.id
    }

    /// Where it is.
    pub fn site_id(&self) -> &str {
        &self.shift.site
    }

    /// The day it counts for.
    pub fn date(&self) -> Date {
        self.shift.date
    }

    /// Its start and end.
    pub fn planned(&self) -> (Seconds, Seconds) {
        (self.start, self.end)
    }

    /// When its window opens, and the last second at which a punch binds.
    pub fn window(&self) -> (Seconds, Seconds) {
        (self.opens, self.closes)
    }

    /// Its policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    pub(crate) fn is_planned(&self) -> bool {
        !self.shift.is_cancelled
    }

    pub(crate) fn holds(&self, at: Seconds) -> bool {
        self.opens <= at && at <= self.closes
    }
}

fn duty<'w>(world: &'w World, person: &'w Person, shift: &'w Shift) -> Duty<'w> {
    let site = world.site(&shift.site).expect("a known site");
    let at = |time: Time| match time {
        Time::Wall(minutes) => wall::instant(&site.zone, shift.date, minutes),
        Time::At(at) => at,
    };
    let names = [shift.policy.as_deref(), site.policy.as_deref()];
    let asked = Asked { org: &site.org, groups: &person.groups, names, date: shift.date };
    let policy = policy(world, &asked);
    let (start, end) = (at(shift.start), at(shift.end));
    let (day, is_statutory) = world.day(&site.org, shift.date);
    Duty {
        shift,
        site,
        start,
        end,
        breaks: shift.breaks.iter().map(|one| (at(one.start), at(one.end), one.is_paid)).collect(),
        opens: start - policy.accept_before_min * 60,
        closes: end + policy.accept_after_min * 60,
        policy,
        day,
        is_statutory,
    }
}
