//! Coming, leaving and what lies between: breaks, hours, night, overtime (contract, section 4, "minutes").
//!
//! In: a shift, its due time, the punches and corrections that hold it.  Out: its ends, and a line of seconds to count.
//! Why so: every second between coming and leaving is work unless something is painted over it.

use std::sync::Arc;

use model::policy::{Flex, LateResolution, Overtime, OvertimeRestDay};
use model::reference::DayKind;
use model::{EventTime, Kind};

use crate::binding::Punch;
use crate::corrections::{Corrected, is_in_force};
use crate::due::Due;
use crate::duty::{Duty, Plan};
use crate::line::{APPROVED, AT_WORK, AWAY, BREAK, LEAVE, Line, NIGHT, PAID, PLANNED};
use crate::wall;
use crate::world::Seconds;

/// One end of a shift: by a punch, or by a correction, which has no punch and no site.
#[derive(Clone, Debug)]
pub(crate) struct End {
    pub(crate) at: Seconds,
    pub(crate) event_id: Option<Arc<str>>,
    pub(crate) site_id: Option<Arc<str>>,
}

impl End {
    fn punched(punch: &Punch<'_>) -> Self {
        let (event_id, site_id) = (Some(punch.stored.event_id.clone()), punch.stored.site_id.clone());
        Self { at: punch.at, event_id, site_id }
    }

    fn corrected(at: Seconds) -> Self {
        Self { at, event_id: None, site_id: None }
    }
}

/// The punches that bind to a shift, by time, each with its direction.
pub(crate) type Held<'a, 'p> = Vec<(&'a Punch<'p>, Kind)>;

/// First in, last out. An out followed by an in inside is a break; one before the person came is nobody's leaving.
pub(crate) fn ends(
    duty: &Duty<'_>,
    held: &Held<'_, '_>,
    corrected: &Corrected<'_>,
) -> (Option<End>, Option<End>) {
    let first_in = held.iter().find(|(_, direction)| *direction == Kind::In);
    let first_in = first_in.map(|(punch, _)| End::punched(punch));
    let came = corrected.came.map(|row| End::corrected(row.at)).or(first_in);
    let came_at = came.as_ref().map(|end| end.at);
    let is_leaving = |(punch, direction): &&(&Punch<'_>, Kind)| {
        *direction == Kind::Out && came_at.is_none_or(|came| came <= punch.at)
    };
    let last_out = held.iter().rfind(is_leaving);
    let comes_back = |after: &Punch<'_>| {
        held.iter()
            .skip_while(|(punch, _)| !std::ptr::eq(*punch, after))
            .skip(1)
            .any(|(punch, direction)| matches!(direction, Kind::In | Kind::BreakIn) && punch.at < duty.end)
    };
    let last_out = last_out.filter(|(punch, _)| !comes_back(punch)).map(|(punch, _)| End::punched(punch));
    let left = corrected.left.map(|row| End::corrected(row.at)).or(last_out);
    (came, left)
}

/// What lies between two ends.
pub(crate) struct Work {
    came: Seconds,
    left: Seconds,
    line: Line,
    /// Seconds deducted for each full so many seconds present: where no break is planned or punched.
    deduct: Option<(Seconds, Seconds)>,
    pub(crate) break_auto: bool,
}

fn is_unpaid(marks: u8) -> bool {
    marks & BREAK != 0 || marks & AWAY != 0 && marks & PAID == 0
}

fn is_work(marks: u8) -> bool {
    marks & AT_WORK != 0 && marks & LEAVE == 0 && !is_unpaid(marks)
}

impl Work {
    /// Work from `came` until `left`. A break that has not ended is none.
    pub(crate) fn between(
        duty: &Duty<'_>,
        due: &Due<'_>,
        held: &Held<'_, '_>,
        (came, left): (Seconds, Seconds),
    ) -> Self {
        let left = left.max(came);
        let mut line = Line::new(duty.start.min(came), duty.end.max(left));
        line.paint(came..left, AT_WORK);
        line.paint(duty.start..duty.end, PLANNED);
        let mut punched: Vec<(Seconds, Seconds)> = Vec::new();
        let mut away = None;
        for (punch, direction) in held.iter().filter(|(punch, _)| came <= punch.at && punch.at <= left) {
            match direction {
                Kind::Out | Kind::BreakOut => away = Some(punch.at),
                _ => punched.extend(away.take().map(|from| (from, punch.at))),
            }
        }
        for (from, until) in &punched {
            line.paint(*from..*until, AWAY);
        }
        let mut break_auto = false;
        for (from, until, is_paid) in &duty.breaks {
            let is_replaced = punched.iter().any(|(start, end)| start.max(from) < end.min(until));
            if *is_paid {
                line.paint(*from..*until, PAID);
            } else if !is_replaced {
                line.paint(*from..*until, BREAK);
                break_auto |= came.max(*from) < left.min(*until);
            }
        }
        if !due.is_leave {
            for (row, _) in &due.leave {
                line.paint(row.from.max(due.inside.start)..row.until.min(due.inside.end), LEAVE);
            }
        }
        let is_planned = duty.breaks.iter().any(|(_, _, is_paid)| !is_paid);
        let is_punched = line.count(|marks| marks & AT_WORK != 0 && is_unpaid(marks)) > 0;
        let (after_s, deduct_s) = (duty.policy.break_after_hours * 3_600, duty.policy.break_deduct_min * 60);
        let deduct = (after_s > 0 && !is_planned && !is_punched).then_some((after_s, deduct_s));
        let mut work = Self { came, left, line, deduct, break_auto };
        work.break_auto |= work.deducted_s() > 0;
        work
    }

    fn deducted_from(&self, present_s: Seconds) -> Seconds {
        self.deduct.map_or(0, |(after_s, deduct_s)| present_s / after_s * deduct_s)
    }

    fn deducted_s(&self) -> Seconds {
        self.deducted_from(self.line.count(is_work))
    }

    /// Seconds worked.
    pub(crate) fn worked_s(&self) -> Seconds {
        self.line.count(is_work) - self.deducted_s()
    }

    /// Whole minutes of unpaid break, leave taken out.
    pub(crate) fn break_min(&self) -> i64 {
        let breaks_s = self.line.count(|m| m & AT_WORK != 0 && is_unpaid(m) && m & LEAVE == 0);
        (breaks_s + self.deducted_s()) / 60
    }

    /// The second at which so many seconds have been worked, by stepping from the coming on.
    pub(crate) fn reaches(&self, target_s: Seconds) -> Option<Seconds> {
        let (mut at, mut present_s) = (self.came, 0);
        while present_s - self.deducted_from(present_s) < target_s {
            if at >= self.left {
                return None;
            }
            present_s += Seconds::from(is_work(self.line.at(at)));
            at += 1;
        }
        Some(at)
    }

    /// Seconds worked in the policy's night, as the wall clock of the site shows it.
    pub(crate) fn night_s(&mut self, duty: &Duty<'_>) -> Seconds {
        let night = duty.policy.night;
        if night.from_min == night.until_min {
            return 0;
        }
        let is_night = |minute: i64| {
            if night.from_min < night.until_min {
                (night.from_min..night.until_min).contains(&minute)
            } else {
                minute >= night.from_min || minute < night.until_min
            }
        };
        let zone = &duty.site.zone;
        wall::quarters(zone, self.came, self.left, |from, until, offset| {
            for at in from..until {
                if is_night((at + offset).rem_euclid(wall::DAY_S) / 60) {
                    self.line.paint(at..at + 1, NIGHT);
                }
            }
        });
        self.line.count(|marks| is_work(marks) && marks & NIGHT != 0)
    }

    /// Minutes of overtime, as the policy counts them.
    pub(crate) fn overtime_min(
        &mut self,
        plan: &Plan<'_>,
        duty: &Duty<'_>,
        due_end: Seconds,
        clock: EventTime,
    ) -> i64 {
        let policy = &duty.policy;
        let is_whole = policy.overtime_rest_day == OvertimeRestDay::Whole && duty.day != DayKind::Workday;
        let mut window = Line::new(duty.opens, duty.closes);
        window.paint(duty.start..duty.end, PLANNED);
        for (from, until) in approved(plan, duty, clock) {
            let (from, until) = (from.max(duty.opens), until.min(duty.closes));
            window.paint(from..until, APPROVED);
            self.line.paint(from..until, APPROVED);
        }
        let is_planned = |marks: u8| marks & PLANNED != 0 && !is_whole;
        let beyond = |marks: u8| marks & APPROVED != 0 && !is_planned(marks);
        let seconds = match policy.overtime {
            Overtime::Off => return 0,
            Overtime::Punched if is_whole => self.worked_s(),
            Overtime::Punched => {
                let from = due_end + policy.overtime_after_min * 60;
                (from.max(self.came)..self.line.until()).filter(|at| is_work(self.line.at(*at))).count()
                    as Seconds
            }
            Overtime::Approved => window.count(beyond),
            Overtime::Both => self.line.count(|marks| beyond(marks) && is_work(marks)),
        };
        let minutes = seconds.div_euclid(60);
        if minutes < policy.overtime_min_min {
            return 0;
        }
        if policy.overtime_max_min > 0 { minutes.min(policy.overtime_max_min) } else { minutes }
    }
}

/// Permissions in force that go with this shift: of the shifts whose windows one touches, the one whose planned time is
/// nearest to its beginning, then the earlier.
fn approved(plan: &Plan<'_>, duty: &Duty<'_>, clock: EventTime) -> Vec<(Seconds, Seconds)> {
    let rows = plan.leave.iter().filter(|row| row.kind == "overtime");
    let rows = rows.filter(|row| is_in_force(row.status, &row.approvals, clock));
    let goes_with = |from: Seconds, until: Seconds| {
        let touched = plan.duties.iter().filter(|one| one.is_planned());
        let touched = touched.filter(|one| one.opens <= until && from <= one.closes);
        touched.min_by_key(|one| (one.start - from).max(from - one.end).max(0)).map(Duty::id)
    };
    rows.filter(|row| goes_with(row.from, row.until) == Some(duty.id()))
        .map(|row| (row.from, row.until))
        .collect()
}

/// By how many minutes the person came after the due start, less than 0 for before: read like a clock without seconds, or
/// each minute begun.
pub(crate) fn after_min(duty: &Duty<'_>, due_start: Seconds, came: Seconds) -> i64 {
    match duty.policy.late_resolution {
        LateResolution::Minute => (came - came.rem_euclid(60) - due_start).div_euclid(60),
        LateResolution::Second => -(due_start - came).div_euclid(60),
    }
}

/// By how many minutes sliding time moves both due ends.
pub(crate) fn slide_min(duty: &Duty<'_>, due_start: Seconds, came: Option<Seconds>) -> i64 {
    match (duty.policy.flex, came) {
        (Flex::Slide, Some(came)) => after_min(duty, due_start, came).min(duty.policy.flex_min).max(0),
        _ => 0,
    }
}
