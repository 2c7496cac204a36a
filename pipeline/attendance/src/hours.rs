//! Where a day's and a week's hours stand with one shift: still below what the policy allows, near it, or beyond.
//!
//! In: a shift's case, what was worked before it.  Out: a fact, and the instant at which it will be another.
//! Owns: nothing.
//! Invariants: what holds changes only at whole milliseconds, the resolution of a stored log clock, so that a restart
//! tells the same; each change is an instant given beforehand (`tests/order.rs`, `tests/restart.rs`).
//! Why so: "near" is worth something only while the person is still at work, so the hours of somebody who has come and
//! not left run on with the clock; a clock asks once, when the limit is reached, instead of minute by minute.

use model::{AnomalyKind, EventTime};

use crate::findings::Fact;
use crate::judge::Moment;
use crate::minutes::Case;
use crate::spans::Span;

/// What is to be said of hours, and when that changes if nothing else does.
#[derive(Default)]
pub(crate) struct Hours {
    pub(crate) fact: Option<Fact>,
    pub(crate) next: Option<EventTime>,
}

/// The first whole millisecond at or after `at`.
fn ceil_ms(at: EventTime) -> EventTime {
    EventTime::from_us(at.us() + (-at.us()).rem_euclid(1_000))
}

impl Case<'_> {
    /// `hours_near` and `hours_exceeded` of this shift, `before_s` being what was worked before it that day and that week.
    /// Exactly as long as allowed is allowed. Near counts while the person is at work, beyond stays; where both the day and
    /// the week are beyond, the day tells the minutes.
    pub(crate) fn hours(&self, before_s: (i64, i64)) -> Hours {
        let policy = self.roster.shift_policy(self.index);
        let limits = [(policy.hours_day_max, before_s.0), (policy.hours_week_max, before_s.1)];
        let limits = limits.into_iter().filter(|(hours, _)| *hours > 0).map(|(hours, s)| (hours * 3_600, s));
        let (came, left) = self.ends();
        let Some(came_at) = came.at else { return Hours::default() };
        let is_open = left.at.is_none() && !self.roster.window(self.index).is_closed(self.clock);
        let mut hours = Hours::default();
        let mut take = |fact: Fact, is_graver: bool| {
            if hours.fact.as_ref().is_none_or(|known| is_graver && known.kind != fact.kind) {
                hours.fact = Some(Fact { event_ids: came.event_id.iter().cloned().collect(), ..fact });
            }
        };
        let mut next: Option<EventTime> = None;
        // Who has left and comes back after the end has not taken a break.
        let until = left.at.map_or(Moment::NO_END, |left| left.max(came_at));
        for (max_s, before_s) in limits {
            let over = self.reaches((came_at, until), (max_s + 60 - before_s).max(0));
            if let Some(left) = left.at {
                let total_s = before_s + self.worked_us((came_at, left.max(came_at))).div_euclid(1_000_000);
                let minutes = (total_s - max_s).div_euclid(60);
                if minutes > 0 {
                    let fact = Fact::at(AnomalyKind::HoursExceeded, over.map_or(left, |at| at.min(left)));
                    take(Fact { minutes: Some(minutes), last_at: left, ..fact }, true);
                }
                continue;
            }
            if !is_open {
                continue;
            }
            let over = over.map(ceil_ms);
            let warn_s = policy.hours_warn_min * 60;
            let near = self.reaches((came_at, until), (max_s - warn_s - before_s).max(0));
            let near = near.map(ceil_ms).filter(|_| warn_s > 0);
            let has_come = |at: &Option<EventTime>| at.is_some_and(|at| at <= self.clock);
            if has_come(&over) {
                over.into_iter().for_each(|at| take(Fact::at(AnomalyKind::HoursExceeded, at), true));
                continue;
            }
            if has_come(&near) {
                near.into_iter().for_each(|at| take(Fact::at(AnomalyKind::HoursNear, at), false));
            }
            let ahead = near.into_iter().chain(over).filter(|at| *at > self.clock).min();
            next = next.into_iter().chain(ahead).min();
        }
        let closes = self.roster.window(self.index).closes;
        Hours { next: next.filter(|at| *at <= closes), ..hours }
    }

    /// When a person who was at work so, or came and stays, has worked `target_s` in this shift: never, if there and on a break.
    fn reaches(&self, at_work: Span, target_s: i64) -> Option<EventTime> {
        let off = self.off(at_work);
        let target_us = target_s * 1_000_000;
        let present_us = if off.deducted_us > 0 { self.present_us(target_us)? } else { target_us };
        let mut at = at_work.0.plus_us(present_us);
        // All breaks and leave that are known, also those behind: each before the instant moves it.
        for span in off.spans {
            if span.0 >= at {
                break;
            }
            at = at.plus_us(span.1.us_since(span.0));
        }
        let is_there = at_work.1 == Moment::NO_END;
        let away = self.on_break_since().filter(|_| is_there);
        away.is_none_or(|since| since >= at).then_some(at)
    }
}
