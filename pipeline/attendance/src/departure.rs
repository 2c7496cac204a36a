//! Shifts of which something was said that the roster has since given to somebody else, or to another time.
//!
//! In: whose a shift was said to be and when, a roster.  Out: what became of it, and the outcome that takes back what was said.
//! Absent on purpose: shifts that the roster no longer lists. A roster may begin this month, so a row that is gone tells nothing
//! about the day it stood for; a shift that is called off is `cancelled`.
//! Why so: judging a person speaks for the shifts that are the person's *now*, so what was said of one that left would stand for
//! ever: a no-show of somebody who had swapped the shift away, an absence that a payroll counts.

use std::sync::Arc;

use jiff::civil::Date;
use model::EventTime;
use model::shift_result::ShiftOutcome;

use crate::due::DueTime;
use crate::minutes::Case;
use crate::roster::{Roster, ShiftIndex};
use crate::timers::wakes;

/// The reason of an outcome that takes back another: the shift went to another person.
pub const REASSIGNED: &str = "reassigned";
/// The reason of an outcome that takes back another: the shift went to another time.
pub const RESCHEDULED: &str = "rescheduled";

/// What became of a shift of which something was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// It is another person's now.
    Reassigned(ShiftIndex),
    /// It is the same person's still, and may be at another time.
    Kept(ShiftIndex),
}

/// When a shift was said to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The day it counted for.
    pub business_date: Date,
    /// The planned start.
    pub start: EventTime,
    /// The planned end.
    pub end: EventTime,
}

impl Plan {
    /// When `outcome` says that its shift is.
    pub fn of(outcome: &ShiftOutcome) -> Self {
        let ShiftOutcome { business_date, planned_start, planned_end, .. } = outcome;
        Self { business_date: *business_date, start: *planned_start, end: *planned_end }
    }
}

impl Roster {
    /// What became of the shift that was said to be `employee_id`'s; `None` if the roster does not list it.
    pub fn departure(&self, employee_id: &str, shift_id: &str) -> Option<Departure> {
        let index = self.shift(shift_id)?;
        let person = self.reference().person(self.shift_at(index).person);
        let is_same = *person.employee_id == *employee_id;
        Some(if is_same { Departure::Kept(index) } else { Departure::Reassigned(index) })
    }

    /// When the shift at `index` is.
    pub fn plan(&self, index: ShiftIndex) -> Plan {
        let shift = self.shift_at(index);
        Plan { business_date: shift.business_date, start: shift.start, end: shift.end }
    }

    /// The outcome that takes back what was said of a shift that was `employee_id`'s when it stood at `plan`. Nothing of it counts;
    /// where it was due is where it is due now.
    pub fn taken_back(&self, departure: Departure, employee_id: &Arc<str>, plan: Plan) -> ShiftOutcome {
        let (index, reason) = match departure {
            Departure::Reassigned(index) => (index, REASSIGNED),
            Departure::Kept(index) => (index, RESCHEDULED),
        };
        let due = DueTime::of(self, index, plan.end);
        let case =
            Case { roster: self, index, due: &due, held: &[], corrections: [None; 2], clock: plan.end };
        ShiftOutcome {
            employee_id: employee_id.clone(),
            business_date: plan.business_date,
            planned_start: plan.start,
            planned_end: plan.end,
            is_final: true,
            reasons: vec![reason],
            ..case.blank()
        }
    }

    /// Whether nothing can be said yet at `clock` of the shift at `index`, and a finding whose last instant is `last_at` lies
    /// before it: then it is about a time at which the shift no longer is. Who is reminded of a shift may be so before its
    /// window opens.
    pub fn is_left_behind(&self, index: ShiftIndex, last_at: EventTime, clock: EventTime) -> bool {
        let wakes = wakes(self, index);
        clock < wakes && last_at < wakes
    }
}
