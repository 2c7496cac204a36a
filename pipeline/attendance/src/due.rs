//! What leave in force leaves of a shift's due time, and from when on its absence shows.
//!
//! In: a shift instance, the person's leave, the log clock.  Out: [`DueTime`].
//! Why so: leave is joined first and unpaid breaks are taken out of it once, so that neither two leave rows over the same
//! hour nor leave over a lunch break count twice; nobody is due in an unpaid break, so leave that ends in one moves the
//! due start to the break's end (and the due end to the break's start).

use std::sync::Arc;

use model::EventTime;
use model::policy::Flex;
use model::reference::ShiftKind;
use smallvec::SmallVec;

use crate::roster::{Roster, ShiftIndex};
use crate::spans::{Span, Spans, clip, join, length_us, subtract};

const MINUTE_US: i64 = 60_000_000;

/// The due time of a shift instance under the leave in force.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DueTime {
    /// The due start: the planned one, or the end of leave over it.
    pub(crate) start: EventTime,
    /// The due end: the planned one, or the start of leave over it.
    pub(crate) end: EventTime,
    /// Due time in microseconds: planned less unpaid breaks less leave.
    pub(crate) due_us: i64,
    /// Leave within the due time in microseconds.
    pub(crate) leave_us: i64,
    /// Whether leave covers the whole due time.
    pub(crate) is_leave: bool,
    /// Leave between the due ends, joined.
    pub(crate) inside: Spans,
    /// All leave within the planned time, joined.
    pub(crate) leave: Spans,
    /// The leave that overlaps the planned time, sorted.
    pub(crate) leave_ids: Vec<Arc<str>>,
    /// The minutes of leave that go with each of them.
    pub(crate) leave_minutes: Vec<i64>,
}

impl DueTime {
    /// The due time of `shift` under the leave in force at `clock`.
    pub(crate) fn of(roster: &Roster, index: ShiftIndex, clock: EventTime) -> Self {
        let shift = roster.shift_at(index);
        let planned = (shift.start, shift.end);
        let unpaid =
            || shift.breaks.iter().filter(|b| !b.paid).filter_map(|b| clip((b.start, b.end), planned));
        let (mut leave, leave_ids, leave_minutes) = (Spans::new(), Vec::new(), Vec::new());
        if roster.is_plain(index) {
            // Breaks do not overlap one another.
            let unpaid_us: i64 = unpaid().map(|span| span.1.us_since(span.0)).sum();
            let due_us = shift.end.us_since(shift.start) - unpaid_us;
            let (start, end, inside) = (shift.start, shift.end, Spans::new());
            let (leave_us, is_leave) = (0, false);
            return Self { start, end, due_us, leave_us, is_leave, inside, leave, leave_ids, leave_minutes };
        }
        let mut breaks: Spans = unpaid().collect();
        join(&mut breaks);
        let total_us = shift.end.us_since(shift.start) - length_us(&breaks);
        let rows = roster.leave_of(shift.person).iter().take_while(|row| row.from < shift.end);
        let mut counted: SmallVec<[(Span, &Arc<str>); 2]> = SmallVec::new();
        for row in rows.filter(|row| row.is_absence() && row.is_in_force(clock)) {
            counted.extend(clip((row.from, row.until), planned).map(|span| (span, &row.leave_id)));
        }
        if counted.is_empty() {
            let (inside, leave_us) = (Spans::new(), 0);
            let (start, end, due_us, is_leave) = (shift.start, shift.end, total_us, false);
            return Self { start, end, due_us, leave_us, is_leave, inside, leave, leave_ids, leave_minutes };
        }
        leave.extend(counted.iter().map(|(span, _)| *span));
        join(&mut leave);
        let (leave_ids, leave_minutes) = shares(&counted, &breaks);
        let leave_us = length_us(&subtract(&leave, &breaks));
        let (start, end) = ends(planned, &leave, &breaks);
        let is_leave = leave_us == total_us;
        let inside = leave.iter().filter_map(|span| clip(*span, (start, end))).collect();
        let due_us = total_us - leave_us;
        Self { start, end, due_us, leave_us, is_leave, inside, leave, leave_ids, leave_minutes }
    }
}

impl DueTime {
    /// Moves the due start of a shift planned from `planned` on, unless leave has moved it further.
    pub(crate) fn excuse(&mut self, planned: EventTime, excused_min: i64) {
        if excused_min > 0 {
            self.start = self.start.max(planned.plus_min(excused_min));
        }
    }
}

/// The ids of the leave that `counted`, sorted, and how many minutes of the leave outside `breaks` go with each. Time under
/// several rows goes with the one that comes first (the roster has them by their beginning, then by id), so that the minutes
/// add up to the whole minutes of all of it.
fn shares(counted: &[(Span, &Arc<str>)], breaks: &[Span]) -> (Vec<Arc<str>>, Vec<i64>) {
    let mut taken = Spans::from_slice(breaks);
    let (mut before_us, mut before_min) = (0, 0);
    let mut shares: SmallVec<[(&Arc<str>, i64); 2]> = SmallVec::new();
    for (span, leave_id) in counted {
        before_us += length_us(&subtract(&[*span], &taken));
        taken.push(*span);
        join(&mut taken);
        // Cut at whole minutes of the sum: each share on its own would lose its seconds.
        let until_min = before_us.div_euclid(MINUTE_US);
        shares.push((leave_id, until_min - before_min));
        before_min = until_min;
    }
    shares.sort();
    shares.into_iter().map(|(leave_id, minutes)| (leave_id.clone(), minutes)).unzip()
}

fn ends(planned: Span, leave: &[Span], breaks: &[Span]) -> Span {
    let (mut start, mut end) = planned;
    loop {
        let over = |span: &&Span| span.0 <= start && start < span.1;
        let is_moved = start > planned.0;
        match leave.iter().find(over).or_else(|| breaks.iter().find(over).filter(|_| is_moved)) {
            Some(span) => start = span.1,
            None => break,
        }
    }
    loop {
        let over = |span: &&Span| span.0 < end && end <= span.1;
        let is_moved = end < planned.1;
        match leave.iter().find(over).or_else(|| breaks.iter().find(over).filter(|_| is_moved)) {
            Some(span) => end = span.0,
            None => break,
        }
    }
    (start, end)
}

/// The first instant at which a shift with nothing bound is a no-show: due start + flexible time + `grace_in_min` +
/// `no_show_after_min`, and not before leave that covers that instant ends. `None` for a shift without due times, under
/// leave throughout, or whose window closes first.
pub(crate) fn no_show_at(roster: &Roster, index: ShiftIndex, due: &DueTime) -> Option<EventTime> {
    let shift = roster.shift_at(index);
    if shift.kind == ShiftKind::Free || due.is_leave {
        return None;
    }
    let mut at = due.start.plus_min(patience_min(roster, index));
    while let Some(span) = due.leave.iter().find(|span| span.0 <= at && at < span.1) {
        at = span.1;
    }
    (at <= roster.window(index).closes).then_some(at)
}

/// The instant from which a person who is not there is reminded of the shift: `reminder_before_min` before the due start.
/// `None` without due times, under leave throughout, or where nobody is reminded.
pub(crate) fn remind_at(roster: &Roster, index: ShiftIndex, due: &DueTime) -> Option<EventTime> {
    let before_min = roster.shift_policy(index).reminder_before_min;
    let is_due = roster.shift_at(index).kind != ShiftKind::Free && !due.is_leave && before_min > 0;
    is_due.then(|| due.start.plus_min(-before_min))
}

/// As [`remind_at`], under the leave in force at `clock`.
pub(crate) fn remind_by(roster: &Roster, index: ShiftIndex, clock: EventTime) -> Option<EventTime> {
    if !roster.is_plain(index) {
        return remind_at(roster, index, &DueTime::of(roster, index, clock));
    }
    let (shift, before_min) = (roster.shift_at(index), roster.shift_policy(index).reminder_before_min);
    (shift.kind != ShiftKind::Free && before_min > 0).then(|| shift.start.plus_min(-before_min))
}

/// As [`no_show_at`], under the leave in force at `clock`.
pub(crate) fn no_show_by(roster: &Roster, index: ShiftIndex, clock: EventTime) -> Option<EventTime> {
    if !roster.is_plain(index) {
        return no_show_at(roster, index, &DueTime::of(roster, index, clock));
    }
    let shift = roster.shift_at(index);
    let at = shift.start.plus_min(patience_min(roster, index));
    (shift.kind != ShiftKind::Free && at <= roster.window(index).closes).then_some(at)
}

/// How many minutes after its due start a shift with nothing bound is a no-show.
pub(crate) fn patience_min(roster: &Roster, index: ShiftIndex) -> i64 {
    let policy = roster.shift_policy(index);
    let flex_min = if policy.flex == Flex::None { 0 } else { policy.flex_min };
    flex_min + policy.grace_in_min + policy.no_show_after_min
}
