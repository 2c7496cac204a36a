//! The common case: a shift whose window overlaps no other, judged from its own few punches alone.
//!
//! In: a lone shift ([`Roster::is_lone`]), its person's kept punches.  Out: what [`crate::binding`] would make of those
//! in its window; or nothing, where more than these must be looked at.
//! Owns: nothing.
//! Invariants: I-4 what is told here is what the general way tells, kept by the tests in `tests/order.rs`, which compare
//! the two at every record.
//! Why so: nine punches in ten are the only in or the only out of the one shift around them. The general way reads eleven
//! days of punches and asks of each which windows hold it; here one window and the punches in it are read.

use std::ops::Range;

use model::{EventId, EventTime, Kind, PersonIndex};

use crate::book::Kept;
use crate::judge::DAY_REACH_US;
use crate::roster::{Roster, ShiftIndex};
use crate::standing::{Standing, repeats};

/// With more punches in one window the general way is taken.
const PUNCHES_MAX: usize = 16;

/// A punch in the window, as far as binding asks.
#[derive(Clone, Copy)]
struct Step {
    at: EventTime,
    kind: Kind,
    /// Whether it was stored as a repeat.
    is_repunch: bool,
}

impl Step {
    fn of(kept: &Kept) -> Self {
        Self { at: kept.occurred_at, kind: kept.kind(), is_repunch: kept.is_repunch() }
    }
}

/// The punches in the window of one lone shift, in the order of time, with what binding makes of each.
pub(crate) struct Walk {
    len: usize,
    made: [(Standing, Kind); PUNCHES_MAX],
    has_both_ends: bool,
}

impl Walk {
    /// Standing and direction of each, in the order of the punches walked.
    pub(crate) fn made(&self) -> &[(Standing, Kind)] {
        &self.made[..self.len]
    }

    /// Whether any of them holds something.
    pub(crate) fn is_bound(&self) -> bool {
        self.made().iter().any(|(standing, _)| *standing == Standing::Binds)
    }

    /// Whether they hold both ends of the shift for certain: that its window closes then says nothing new.
    pub(crate) fn has_both_ends(&self) -> bool {
        self.has_both_ends
    }
}

/// The lone shift whose window holds `at`.
pub(crate) fn lone_at(roster: &Roster, person: PersonIndex, at: EventTime) -> Option<ShiftIndex> {
    // A lone shift's window overlaps no other: what comes first is all there is.
    roster.windows_in(person, at, at).next().filter(|index| roster.is_lone(*index))
}

/// Those of the sorted `punches` that lie in the window of `index`, as a range of places.
pub(crate) fn in_window(roster: &Roster, index: ShiftIndex, punches: &[Kept]) -> Range<usize> {
    let window = roster.window(index);
    // From the end: most shifts asked about are the latest.
    let behind = punches.iter().rev().take_while(|kept| kept.occurred_at > window.closes).count();
    let until = punches.len() - behind;
    let within = punches[..until].iter().rev().take_while(|kept| kept.occurred_at >= window.opens).count();
    until - within..until
}

/// Binds the punches of a lone shift that lie at `within` among all of the person's, or tells that it is not for here:
/// a punch within that does not count, or a punch outside that shares a business date and no shift holds.
pub(crate) fn walk(
    roster: &Roster,
    person: PersonIndex,
    index: ShiftIndex,
    punches: &[Kept],
    within: Range<usize>,
) -> Option<Walk> {
    let own = &punches[within.clone()];
    if own.len() > PUNCHES_MAX || !own.iter().all(Kept::counts) {
        return None;
    }
    if let Some(first) = own.first() {
        let day = first.business_date;
        let window = roster.window(index);
        let (from, until) = (window.opens.plus_us(-DAY_REACH_US), window.closes.plus_us(1 + DAY_REACH_US));
        let before = punches[..within.start].iter().rev().take_while(|kept| kept.occurred_at >= from);
        let behind = punches[within.end..].iter().take_while(|kept| kept.occurred_at < until);
        let is_unbound = |kept: &Kept| !kept.counts() || roster.run_at(person, kept.occurred_at).is_none();
        if own.iter().any(|kept| kept.business_date != day)
            || before.chain(behind).any(|kept| kept.business_date == day && is_unbound(kept))
        {
            return None;
        }
    }
    let mut steps = [Step { at: EventTime::from_us(0), kind: Kind::In, is_repunch: false }; PUNCHES_MAX];
    for (step, kept) in steps.iter_mut().zip(own) {
        *step = Step::of(kept);
    }
    Some(bind(roster, index, &steps[..own.len()]))
}

/// What binding makes of a punch that is about to be taken in, among those kept in the window that count.
pub(crate) fn bind_among(
    roster: &Roster,
    index: ShiftIndex,
    within: &[Kept],
    (at, event_id, kind): (EventTime, &EventId, Kind),
) -> Option<(Standing, Kind)> {
    let mut steps = [Step { at, kind, is_repunch: false }; PUNCHES_MAX];
    let (mut len, mut own) = (0, None);
    for kept in within.iter().filter(|kept| kept.counts()) {
        if own.is_none() && (kept.occurred_at, &kept.event_id) > (at, event_id) {
            own = Some(len);
            len += 1;
        }
        *steps.get_mut(len)? = Step::of(kept);
        len += 1;
    }
    let own = own.unwrap_or(len);
    let len = len.max(own + 1);
    if len > PUNCHES_MAX {
        return None;
    }
    Some(bind(roster, index, &steps[..len]).made[own])
}

/// Walks the punches like a day, as `Binder` does for a run of one planned shift.
fn bind(roster: &Roster, index: ShiftIndex, steps: &[Step]) -> Walk {
    let debounce_us = roster.shift_policy(index).debounce_s.saturating_mul(1_000_000);
    let made = [(Standing::Binds, Kind::In); PUNCHES_MAX];
    let mut walk = Walk { len: steps.len(), made, has_both_ends: false };
    // What the person last did in this shift: `None` before coming, and what `Presence` tells apart behind it.
    let mut last: Option<Kind> = None;
    let (mut holding, mut lone) = (0, 0);
    for (at, step) in steps.iter().enumerate() {
        let standing = if is_repeat(steps, at, debounce_us) { Standing::Repunch } else { Standing::Binds };
        let repeated = (0..at).rev().find(|before| repeats(step.kind, steps[*before].kind));
        let direction = match (standing, repeated) {
            (Standing::Repunch, Some(before)) => walk.made[before].1,
            _ => match (step.kind, last) {
                (Kind::Auto, None | Some(Kind::Out)) => Kind::In,
                (Kind::Auto, Some(Kind::BreakOut)) => Kind::In,
                (Kind::Auto, _) => Kind::Out,
                (kind, _) => kind,
            },
        };
        if standing == Standing::Binds {
            last = Some(direction);
            (holding, lone) = (holding + 1, at);
        }
        walk.made[at] = (standing, direction);
    }
    if holding == 1 && steps[lone].kind == Kind::Auto {
        let shift = roster.shift_at(index);
        let away_us = |time: EventTime| steps[lone].at.us_since(time).saturating_abs();
        let direction = if away_us(shift.start) < away_us(shift.end) { Kind::In } else { Kind::Out };
        walk.made[..steps.len()].iter_mut().for_each(|made| made.1 = direction);
    }
    let mut held = walk.made().iter().filter(|made| made.0 == Standing::Binds).map(|made| made.1);
    // An in, and behind it an out that is the last of all.
    walk.has_both_ends = held.any(|direction| direction == Kind::In) && held.next_back() == Some(Kind::Out);
    walk
}

/// Whether the step at `at` repeats an earlier one within the debounce: [`crate::standing`] for punches of one shift.
fn is_repeat(steps: &[Step], at: usize, debounce_us: i64) -> bool {
    let step = &steps[at];
    step.is_repunch
        || debounce_us > 0
            && steps[..at]
                .iter()
                .rev()
                .take_while(|earlier| step.at.us_since(earlier.at) <= debounce_us)
                .any(|earlier| repeats(step.kind, earlier.kind))
}
