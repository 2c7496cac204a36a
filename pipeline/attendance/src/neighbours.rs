//! What a shift owes to those of the same person before it: rest, rest days, hours of a day and a week, and coming later
//! after leaving late.
//!
//! In: the ends of a person's shifts by start, one shift with its policy.  Out: facts about that shift.
//! Owns: nothing.
//! Invariants: a shift looks only at shifts that start at most [`Roster::reach_us`] before it, so what is judged with a
//! punch is bounded and the same however wide a span is judged (I-4, `tests/order.rs`).
//! Why so: a rule that looks back makes every punch count for shifts to come; nobody whose policy has no such rule pays
//! for it, and what is looked at are ends, which rest on no other shift, so that nothing goes round in circles.

use std::ops::Range;

use jiff::civil::{Date, Weekday};
use model::reference::ShiftPlan;
use model::{AnomalyKind, EventId, EventTime, Policy, Shift};

use crate::findings::Fact;
use crate::roster::{Roster, ShiftIndex};

const DAY_US: i64 = 86_400_000_000;

/// How far back a shift of this policy looks, in microseconds from start to start; 0 where no rule looks back. A shift may
/// start up to two days into its business date, hence two days more than a rule counts.
pub(crate) fn reach_us(policy: &Policy) -> i64 {
    reach(policy).map_or(0, |(_, days)| days * DAY_US)
}

/// The key of this policy that looks farthest back, and how many days of punches it needs; `None` where no rule looks back.
pub fn reach(policy: &Policy) -> Option<(&'static str, i64)> {
    let days = |key, is_on: bool, days: i64| is_on.then_some((key, days + 2));
    let rules = [
        days("rest_min_hours", policy.rest_min_hours > 0, (policy.rest_min_hours + 23) / 24),
        days("consecutive_days_max", policy.consecutive_days_max > 0, policy.consecutive_days_max),
        days("late_leave", policy.late_leave[0].excused_min > 0, 1),
        days("hours_day_max", policy.hours_day_max > 0, 0),
        days("hours_week_max", policy.hours_week_max > 0, 6),
    ];
    rules.into_iter().flatten().max_by_key(|(_, days)| *days)
}

/// The ends of one shift as punches and corrections hold them, and what was worked between.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ends {
    pub(crate) is_bound: bool,
    pub(crate) left: Option<EventTime>,
    pub(crate) out_event_id: Option<EventId>,
    /// 0 while an end is missing.
    pub(crate) worked_s: i64,
}

/// Which shifts a judgement reaches through rules that look back.
#[derive(Clone, Debug)]
pub(crate) struct Links {
    /// Shifts to be judged lie in this range, besides those that are judged anyway.
    pub(crate) judged: Range<u32>,
    /// Shifts whose ends must be known.
    pub(crate) known: Range<u32>,
}

impl Roster {
    /// What must be judged and known besides the `judged` shifts of one person, by start, if any rule looks back.
    pub(crate) fn links(&self, judged: &[ShiftIndex]) -> Option<Links> {
        let (first, last) = (judged.first()?.0, judged.last()?.0);
        if !self.is_near_rules(ShiftIndex(first)) {
            return None;
        }
        let all = self.shifts_of(self.shift_at(ShiftIndex(first)).person);
        let start = |at: u32| self.shift_at(ShiftIndex(at)).start;
        let until = start(last).plus_us(self.reach_us());
        let end = (last + 1..all.end).find(|at| start(*at) > until).unwrap_or(all.end);
        let linked = (first..end).find(|at| self.looks_back(ShiftIndex(*at)))?;
        let from = start(linked).plus_us(-self.reach_us());
        let known = (all.start..linked).rev().take_while(|at| start(*at) >= from).last().unwrap_or(linked);
        Some(Links { judged: first..end, known: known..end })
    }

    /// Whether a rule of the shift's policy looks at the shifts before it.
    pub(crate) fn looks_back(&self, index: ShiftIndex) -> bool {
        self.shift_at(index).plan == ShiftPlan::Planned && reach_us(self.shift_policy(index)) > 0
    }

    /// From the first opening to the last closing of the windows of the runs that the shifts belong to.
    pub(crate) fn span_of(&self, shifts: &Range<u32>) -> (EventTime, EventTime) {
        let first = self.run(ShiftIndex(shifts.start)).start;
        let last = self.run(ShiftIndex(shifts.end.max(shifts.start + 1) - 1)).end;
        self.run_span(first..last)
    }
}

/// A shift among those before it.
#[derive(Clone, Copy)]
pub(crate) struct Neighbours<'a> {
    pub(crate) roster: &'a Roster,
    pub(crate) index: ShiftIndex,
    /// The ends of the person's shifts from `known_from` on; none where nothing looks back.
    pub(crate) ends: &'a [Ends],
    pub(crate) known_from: u32,
}

impl<'a> Neighbours<'a> {
    fn shift(&self) -> &'a Shift {
        self.roster.shift_at(self.index)
    }

    fn policy(&self) -> &'a Policy {
        self.roster.shift_policy(self.index)
    }

    /// The shifts before this one that it may look at, the latest first.
    fn before(&self) -> impl Iterator<Item = (ShiftIndex, &'a Shift, &'a Ends)> + use<'a> {
        let (roster, known_from, ends) = (self.roster, self.known_from, self.ends);
        let from = self.shift().start.plus_us(-roster.reach_us());
        let places = (known_from..self.index.0).rev().map(ShiftIndex);
        let before = places.map(move |at| (at, roster.shift_at(at), &ends[(at.0 - known_from) as usize]));
        before.take_while(move |(_, shift, _)| shift.start >= from)
    }

    fn of_day(&self, day: Date) -> impl Iterator<Item = (ShiftIndex, &'a Shift, &'a Ends)> + use<'a> {
        self.before().filter(move |(_, shift, _)| shift.business_date == day)
    }

    /// Whether nothing is bound to an earlier shift of the same day.
    fn begins_day(&self) -> bool {
        !self.of_day(self.shift().business_date).any(|(_, _, ends)| ends.is_bound)
    }

    /// By how many minutes the due start moves because the person left late the day before: only that of the first shift
    /// planned that day. The time of leaving is read on the wall clock of the site left.
    pub(crate) fn excused_min(&self) -> i64 {
        let rules = &self.policy().late_leave;
        if self.ends.is_empty() || rules[0].excused_min == 0 {
            return 0;
        }
        let day = self.shift().business_date;
        let is_planned = |shift: &Shift| shift.plan == ShiftPlan::Planned;
        let Ok(day_before) = day.yesterday() else { return 0 };
        if self.of_day(day).any(|(_, shift, _)| is_planned(shift)) {
            return 0;
        }
        let left = self.of_day(day_before).filter_map(|(at, _, ends)| Some((ends.left?, at))).max();
        let Some((left, at)) = left else { return 0 };
        let wall = self.roster.shift_site(at).time_zone.to_datetime(left.timestamp());
        let days = i64::from((wall.date() - day_before).get_days());
        let left_min = days * 1_440 + i64::from(wall.hour()) * 60 + i64::from(wall.minute());
        let reached = rules.iter().filter(|rule| rule.excused_min > 0 && rule.left_min <= left_min);
        reached.map(|rule| rule.excused_min).max().unwrap_or(0)
    }

    /// `short_rest`: coming earlier than `rest_min_hours` after the last leaving of an earlier day. Minutes are the rest
    /// that is missing. Where nobody knows when the person left, nothing is concluded.
    pub(crate) fn short_rest(&self, came: EventTime, in_event_id: Option<&EventId>) -> Option<Fact> {
        let due_min = self.policy().rest_min_hours * 60;
        if due_min == 0 || !self.begins_day() {
            return None;
        }
        let day = self.shift().business_date;
        let earlier = self.before().filter(|(_, shift, _)| shift.business_date < day);
        let left = earlier.filter_map(|(_, _, ends)| Some((ends.left.filter(|left| *left <= came)?, ends)));
        let (left, ends) = left.max_by_key(|(left, _)| *left)?;
        let rest_min = came.us_since(left).div_euclid(60_000_000);
        let event_ids = ends.out_event_id.iter().chain(in_event_id).cloned().collect();
        let fact = Fact::at(AnomalyKind::ShortRest, came);
        (rest_min < due_min).then(|| Fact { minutes: Some(due_min - rest_min), event_ids, ..fact })
    }

    /// `rest_day_missed`: something is bound on this day and on each of the `consecutive_days_max` days before it.
    pub(crate) fn rest_day_missed(&self, at: EventTime, in_event_id: Option<&EventId>) -> Option<Fact> {
        let days_max = self.policy().consecutive_days_max;
        if days_max == 0 || !self.begins_day() {
            return None;
        }
        let mut day = self.shift().business_date;
        let mut worked = 0;
        // The latest day comes first, whatever the order of starts within neighbouring days.
        for _ in 0..days_max {
            day = day.yesterday().ok()?;
            worked += i64::from(self.of_day(day).any(|(_, _, ends)| ends.is_bound));
        }
        let event_ids = in_event_id.into_iter().cloned().collect();
        (worked == days_max).then(|| Fact { event_ids, ..Fact::at(AnomalyKind::RestDayMissed, at) })
    }

    /// Seconds worked in the shifts before this one, of the same day and of the same week, which begins on Sunday.
    pub(crate) fn worked_before_s(&self) -> (i64, i64) {
        let day = self.shift().business_date;
        let sunday = day.tomorrow().and_then(|next| next.nth_weekday(-1, Weekday::Sunday));
        let (mut of_day, mut of_week) = (0, 0);
        for (_, shift, ends) in self.before() {
            if shift.business_date == day {
                of_day += ends.worked_s;
            }
            if sunday.as_ref().is_ok_and(|sunday| (*sunday..=day).contains(&shift.business_date)) {
                of_week += ends.worked_s;
            }
        }
        (of_day, of_week)
    }
}
