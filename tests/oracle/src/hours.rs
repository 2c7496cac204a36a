//! What a shift owes to those before it: rest, rest days, coming late after leaving late, hours of a day and a week.
//!
//! In: the ends of all shifts of the person, one shift.  Out: minutes excused; facts.
//! Why so: each rule is a sentence about days and about the last leaving before; it looks at all shifts there are.

use std::sync::Arc;

use jiff::civil::{Date, Weekday};
use model::{AnomalyKind, EventTime};

use crate::duty::Plan;
use crate::findings::Fact;
use crate::wall;
use crate::work::{End, Work};
use crate::world::Seconds;

/// The ends of one shift, and what was worked between them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    pub(crate) is_bound: bool,
    pub(crate) came: Option<End>,
    pub(crate) left: Option<End>,
    /// 0 while an end is missing.
    pub(crate) worked_s: Seconds,
}

/// The shifts of a person before one, with what is known of them.
pub(crate) struct Before<'a, 'w> {
    pub(crate) plan: &'a Plan<'w>,
    pub(crate) known: &'a [Known],
    pub(crate) place: usize,
}

impl Before<'_, '_> {
    fn date(&self) -> Date {
        self.plan.duties[self.place].shift.date
    }

    /// The places of the shifts before this one that count for such a day.
    fn of(&self, is_day: impl Fn(Date) -> bool) -> impl Iterator<Item = usize> {
        (0..self.place).filter(move |at| is_day(self.plan.duties[*at].shift.date))
    }

    fn is_first_bound_of_day(&self) -> bool {
        let day = self.date();
        !self.of(|date| date == day).any(|at| self.known[at].is_bound)
    }

    /// Who left late the day before may come so many minutes later; the first shift planned on a day alone is excused.
    pub(crate) fn excused_min(&self) -> i64 {
        let day = self.date();
        let is_first = !self.of(|date| date == day).any(|at| self.plan.duties[at].is_planned());
        let Ok(day_before) = day.yesterday() else { return 0 };
        let left = self.of(|date| date == day_before);
        let left = left.filter_map(|at| Some((self.known[at].left.as_ref()?.at, at))).max();
        let Some((left, at)) = left.filter(|_| is_first) else { return 0 };
        let zone = &self.plan.duties[at].site.zone;
        let days = wall::days_between(day_before, wall::date(zone, left));
        let left_min = days * 1_440 + wall::minute_of_day(zone, left);
        let rules = self.plan.duties[self.place].policy.late_leave;
        let reached = rules.iter().filter(|rule| rule.excused_min > 0 && rule.left_min <= left_min);
        reached.map(|rule| rule.excused_min).max().unwrap_or(0)
    }

    /// Coming sooner than `rest_min_hours` after the last leaving of an earlier day; minutes are the rest that is missing.
    pub(crate) fn short_rest(&self, came: &End) -> Option<Fact> {
        let rest_min = self.plan.duties[self.place].policy.rest_min_hours * 60;
        if rest_min == 0 || !self.is_first_bound_of_day() {
            return None;
        }
        let day = self.date();
        let left = self.of(|date| date < day).filter_map(|at| self.known[at].left.as_ref());
        let last = left.filter(|left| left.at <= came.at).max_by_key(|left| left.at)?;
        let rested_min = (came.at - last.at) / 60;
        (rested_min < rest_min).then(|| Fact {
            minutes: Some(rest_min - rested_min),
            event_ids: last.event_id.iter().chain(&came.event_id).cloned().collect(),
            ..Fact::at(AnomalyKind::ShortRest, came.at)
        })
    }

    /// Work on this day and on each of the `consecutive_days_max` days before it.
    pub(crate) fn rest_day_missed(&self, at: Seconds, in_event_id: Option<&Arc<str>>) -> Option<Fact> {
        let days_max = self.plan.duties[self.place].policy.consecutive_days_max;
        if days_max == 0 || !self.is_first_bound_of_day() {
            return None;
        }
        let today = self.date();
        let was_there = |back: &i64| {
            let worked = |date: Date| wall::days_between(date, today) == *back;
            self.of(worked).any(|at| self.known[at].is_bound)
        };
        (1..=days_max).all(|back| was_there(&back)).then(|| Fact {
            event_ids: in_event_id.into_iter().cloned().collect(),
            ..Fact::at(AnomalyKind::RestDayMissed, at)
        })
    }

    /// Seconds worked before this shift on the same day, and in the same week from Sunday on.
    fn worked_before_s(&self) -> [Seconds; 2] {
        let day = self.date();
        let since_sunday = i64::from(day.weekday().since(Weekday::Sunday));
        let sum = |back_max: i64| {
            let within = move |date: Date| (0..=back_max).contains(&wall::days_between(date, day));
            self.of(within).map(|at| self.known[at].worked_s).sum()
        };
        [sum(0), sum(since_sunday)]
    }
}

/// What is to be said of hours, and the seconds at which that changes by itself.
pub(crate) struct Hours {
    pub(crate) fact: Option<Fact>,
    pub(crate) ahead: Vec<Seconds>,
}

/// `hours_near` and `hours_exceeded`. Exactly as long as allowed is allowed; a whole minute more is beyond. Near counts while
/// the person is at work; where both the day and the week are beyond, the day tells the minutes.
///
/// `work` runs to the leaving; for somebody who is there to the last second of the window, or to the break that has not
/// ended, during which nobody's hours run.
pub(crate) fn hours(before: &Before<'_, '_>, work: &Work, clock: EventTime) -> Hours {
    let duty = &before.plan.duties[before.place];
    let known = &before.known[before.place];
    let policy = &duty.policy;
    let (mut day, mut week) = (None, None);
    let mut ahead = Vec::new();
    let limits = [policy.hours_day_max, policy.hours_week_max];
    let Some(came) = &known.came else { return Hours { fact: None, ahead } };
    for ((hours, before_s), fact) in
        limits.into_iter().zip(before.worked_before_s()).zip([&mut day, &mut week])
    {
        let max_s = hours * 3_600;
        if max_s == 0 {
            continue;
        }
        if let Some(left) = &known.left {
            let minutes = (before_s + known.worked_s - max_s).div_euclid(60);
            if minutes > 0 {
                let over = work.reaches(max_s + 60 - before_s).unwrap_or(left.at);
                let at = Fact::at(AnomalyKind::HoursExceeded, over);
                *fact = Some(Fact { minutes: Some(minutes), last_at: left.at, ..at });
            }
            continue;
        }
        let over = work.reaches(max_s + 60 - before_s);
        let near = work.reaches(max_s - policy.hours_warn_min * 60 - before_s);
        let near = near.filter(|_| policy.hours_warn_min > 0);
        let has_come = |at: &Seconds| at * 1_000_000 <= clock.us();
        let over_now = over.filter(has_come).map(|at| Fact::at(AnomalyKind::HoursExceeded, at));
        *fact = over_now.or(near.filter(has_come).map(|at| Fact::at(AnomalyKind::HoursNear, at)));
        ahead.extend(near.into_iter().chain(over).filter(|at| !has_come(at)));
    }
    let is_beyond = |fact: &Fact| fact.kind == AnomalyKind::HoursExceeded;
    let told = match (day, week) {
        (Some(day), Some(week)) if !is_beyond(&day) && is_beyond(&week) => Some(week),
        (day, week) => day.or(week),
    };
    let event_ids: Vec<Arc<str>> = came.event_id.iter().cloned().collect();
    Hours { fact: told.map(|fact| Fact { event_ids, ..fact }), ahead }
}
