//! What leave in force leaves of a shift's due time (contract, section 4, "Leave over…").
//!
//! In: a shift, leave in force at a clock.  Out: due ends and seconds, and how many minutes go with each leave.
//! Why so: the planned time is a line of seconds; those in an unpaid break are not due, those under leave are leave.

use std::ops::Range;

use model::EventTime;

use crate::corrections::is_in_force;
use crate::duty::{Duty, Plan};
use crate::line::{BREAK, LEAVE, Line};
use crate::world::{Leave, Seconds};

/// A shift's due time.
pub(crate) struct Due<'w> {
    pub(crate) start: Seconds,
    pub(crate) end: Seconds,
    /// Between the due ends as leave alone leaves them: leave here is leave inside.
    pub(crate) inside: Range<Seconds>,
    pub(crate) due_s: Seconds,
    pub(crate) leave_s: Seconds,
    /// Whether leave covers all of it.
    pub(crate) is_leave: bool,
    /// The leave that overlaps the planned time, with its minutes, by id.
    pub(crate) leave: Vec<(&'w Leave, i64)>,
    /// The planned time.
    pub(crate) line: Line,
}

pub(crate) fn due<'w>(plan: &Plan<'w>, duty: &Duty<'w>, clock: EventTime) -> Due<'w> {
    let planned = duty.start..duty.end;
    let mut line = Line::new(duty.start, duty.end);
    for (from, until, is_paid) in &duty.breaks {
        if !is_paid {
            line.paint(*from..*until, BREAK);
        }
    }
    let total_s = line.count(|marks| marks & BREAK == 0);
    let overlaps = |row: &&&Leave| row.from.max(planned.start) < row.until.min(planned.end);
    let is_absence = |row: &&&Leave| !matches!(row.kind.as_str(), "overtime" | "field");
    let rows: Vec<&Leave> = (plan.leave.iter())
        .filter(|row| is_in_force(row.status, &row.approvals, clock))
        .filter(is_absence)
        .filter(overlaps)
        .copied()
        .collect();
    // Each second goes with the leave that begins first; the whole minutes of all of it are shared out in that order.
    let mut leave = Vec::new();
    let mut until_now_s = 0;
    for row in rows {
        let before_s = until_now_s;
        line.paint(row.from..row.until, LEAVE);
        until_now_s = line.count(|marks| marks & (LEAVE | BREAK) == LEAVE);
        leave.push((row, until_now_s / 60 - before_s / 60));
    }
    leave.sort_by_key(|(row, _)| &row.id);
    let (start, end) = ends(duty, &line);
    let leave_s = until_now_s;
    let is_leave = !leave.is_empty() && leave_s == total_s;
    Due { start, end, inside: start..end, due_s: total_s - leave_s, leave_s, is_leave, leave, line }
}

/// Leave over an end moves it to where leave ends; nobody is due in the unpaid break where it ends.
fn ends(duty: &Duty<'_>, line: &Line) -> (Seconds, Seconds) {
    let (mut start, mut end) = (duty.start, duty.end);
    if line.at(start) & LEAVE != 0 {
        while start < duty.end && line.at(start) & (LEAVE | BREAK) != 0 {
            start += 1;
        }
    }
    if line.at(end - 1) & LEAVE != 0 {
        while end > duty.start && line.at(end - 1) & (LEAVE | BREAK) != 0 {
            end -= 1;
        }
    }
    (start, end)
}

/// The first second from which a person of whom nothing is bound is missing: the due start, flexible time, grace and the
/// time of waiting, and behind leave that lies there.
pub(crate) fn no_show_at(duty: &Duty<'_>, due: &Due<'_>) -> Option<Seconds> {
    let policy = &duty.policy;
    if duty.shift.is_free || due.is_leave {
        return None;
    }
    let flex_min = if policy.flex == model::policy::Flex::None { 0 } else { policy.flex_min };
    let mut at = due.start + (flex_min + policy.grace_in_min + policy.no_show_after_min) * 60;
    while due.line.at(at) & LEAVE != 0 {
        at += 1;
    }
    (at <= duty.closes).then_some(at)
}

/// The second from which a person who is not there is reminded.
pub(crate) fn remind_at(duty: &Duty<'_>, due: &Due<'_>) -> Option<Seconds> {
    let before_min = duty.policy.reminder_before_min;
    let is_due = !duty.shift.is_free && !due.is_leave && before_min > 0;
    is_due.then(|| due.start - before_min * 60)
}
