//! What is wrong (contract, section 4, "anomalies"), as far as one person's shifts and punches show it.
//!
//! In: a shift's row with what it was made from; punches that no window holds.  Out: [`Found`].
//! Absent on purpose: identities and orgs, which are no matter of time.

use std::sync::Arc;

use jiff::civil::Date;
use model::{AnomalyKind, EventTime, Place, Reason};

use crate::binding::{Fate, Punch};
use crate::duty::Plan;
use crate::wall::DAY_S;
use crate::world::Seconds;

/// A broken rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// The rule.
    pub kind: AnomalyKind,
    /// The shift, where it is about one.
    pub shift_id: Option<Arc<str>>,
    /// The day it counts for.
    pub business_date: Date,
    /// The site: the shift's, else that of the punches, else the home.
    pub site_id: Option<Arc<str>>,
    /// How many minutes.
    pub minutes: Option<i64>,
    /// The punches that show it, sorted.
    pub event_ids: Vec<Arc<str>>,
    /// When the first of it happened.
    pub first_at: EventTime,
    /// When the last of it happened.
    pub last_at: EventTime,
}

/// What a finding says beside whom and where.
#[derive(Clone, Debug)]
pub(crate) struct Fact {
    pub(crate) kind: AnomalyKind,
    pub(crate) minutes: Option<i64>,
    pub(crate) event_ids: Vec<Arc<str>>,
    pub(crate) first_at: Seconds,
    pub(crate) last_at: Seconds,
}

impl Fact {
    pub(crate) fn at(kind: AnomalyKind, at: Seconds) -> Self {
        Self { kind, minutes: None, event_ids: Vec::new(), first_at: at, last_at: at }
    }

    /// The fact as a finding about a shift or, without one, about a day.
    pub(crate) fn found(
        mut self,
        shift_id: Option<&str>,
        business_date: Date,
        site_id: Option<Arc<str>>,
    ) -> Found {
        self.event_ids.sort();
        Found {
            kind: self.kind,
            shift_id: shift_id.map(Into::into),
            business_date,
            site_id,
            minutes: self.minutes,
            event_ids: self.event_ids,
            first_at: EventTime::from_us(self.first_at * 1_000_000),
            last_at: EventTime::from_us(self.last_at * 1_000_000),
        }
    }
}

/// One fact for all of the punches of which `is_so` says yes.
fn together(kind: AnomalyKind, punches: &[&Punch<'_>], is_so: impl Fn(&Punch<'_>) -> bool) -> Option<Fact> {
    let shown: Vec<&&Punch<'_>> = punches.iter().filter(|punch| is_so(punch)).collect();
    let first_at = shown.iter().map(|punch| punch.at).min()?;
    let last_at = shown.iter().map(|punch| punch.at).max()?;
    let event_ids = shown.iter().map(|punch| punch.stored.event_id.clone()).collect();
    Some(Fact { kind, minutes: None, event_ids, first_at, last_at })
}

/// What single punches show, whatever they are bound to.
fn places(punches: &[&Punch<'_>]) -> Vec<Fact> {
    let with = |reason: Reason| move |punch: &Punch<'_>| punch.stored.reasons.contains(reason);
    let outside = together(AnomalyKind::Outside, punches, |punch| punch.stored.place == Place::Outside);
    let mocked = together(AnomalyKind::Mocked, punches, with(Reason::Mocked));
    let contradiction = together(AnomalyKind::Contradiction, punches, with(Reason::ContradictionWifiGps));
    [outside, mocked, contradiction].into_iter().flatten().collect()
}

/// What the punches that go with the shift at `place` show: where they were made, and whether at another permitted site.
pub(crate) fn of_punches(plan: &Plan<'_>, place: usize, punches: &[Punch<'_>]) -> Vec<Fact> {
    let of_shift: Vec<&Punch<'_>> = punches.iter().filter(|punch| punch.goes_with(place)).collect();
    let own_site = &plan.duties[place].shift.site;
    let strays = |punch: &Punch<'_>| {
        let elsewhere = punch.stored.site_id.as_deref().filter(|site| *site != own_site.as_str());
        punch.binds(place).is_some()
            && punch.stored.place == Place::Inside
            && elsewhere.is_some_and(|site| plan.may_punch_at(site))
    };
    let mut facts = places(&of_shift);
    facts.extend(together(AnomalyKind::WrongStore, &of_shift, strays));
    facts
}

/// What the punches show that no window holds, one finding a rule and business date.
pub(crate) fn of_days(plan: &Plan<'_>, punches: &[Punch<'_>]) -> Vec<Found> {
    let lone = || punches.iter().filter(|punch| !matches!(punch.fate, Fate::With { .. }));
    let mut dates: Vec<Date> = lone().map(|punch| punch.stored.business_date).collect();
    dates.sort();
    dates.dedup();
    let mut found = Vec::new();
    for date in dates {
        let of_day = lone().filter(|punch| punch.stored.business_date == date);
        let (believed, others): (Vec<&Punch<'_>>, Vec<_>) = of_day.partition(|punch| punch.is_believed());
        let mut facts = places(&believed);
        facts
            .extend(together(AnomalyKind::Unscheduled, &believed, |punch| has_shifts_around(plan, punch.at)));
        let is_suspect = |punch: &Punch<'_>| punch.stored.reasons.contains(Reason::ClockSuspect);
        facts.extend(together(AnomalyKind::ClockSuspect, &others, is_suspect));
        for fact in facts {
            let shows = |punch: &&Punch<'_>| fact.event_ids.contains(&punch.stored.event_id);
            let told = lone().filter(shows).find_map(|punch| punch.stored.site_id.clone());
            let told = told.filter(|site| plan.world.site(site).is_some());
            let site = told.or(plan.home.map(|home| home.id.as_str().into()));
            found.push(fact.found(None, date, site));
        }
    }
    found
}

/// Whether the person has a shift within 31 days.
fn has_shifts_around(plan: &Plan<'_>, at: Seconds) -> bool {
    plan.duties.iter().any(|duty| duty.start <= at + 31 * DAY_S && duty.end >= at - 31 * DAY_S)
}
