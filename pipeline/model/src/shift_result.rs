//! What became of one shift instance: status, minutes, which punches hold its ends.

use std::sync::Arc;

use jiff::civil::Date;

use crate::batch::named;
use crate::event_id::EventId;
use crate::position::Cause;
use crate::reference::{Approval, DayKind};
use crate::time::EventTime;

/// What became of the shift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ShiftStatus {
    /// Worked.
    Present,
    /// Worked, begun late.
    Late,
    /// Worked, begun late beyond the policy's second threshold.
    SeriousLate,
    /// Not worked, or labelled so by `late_as_absent_min`.
    Absent,
    /// Leave over the whole due time.
    Leave,
    /// Called off.
    Cancelled,
}

named! {
    ShiftStatus {
        Present = "present", Late = "late", SeriousLate = "serious_late", Absent = "absent", Leave = "leave",
        Cancelled = "cancelled"
    }
}

/// What became of one shift instance at one clock: a row of `shift_results` less version and cause.
#[derive(Clone, Debug, PartialEq)]
pub struct ShiftOutcome {
    /// The instance.
    pub shift_id: Arc<str>,
    /// Whose.
    pub employee_id: Arc<str>,
    /// Where it was due.
    pub site_id: Arc<str>,
    /// The site's org.
    pub org: Arc<str>,
    /// The day it counts for.
    pub business_date: Date,
    /// Its number within the day.
    pub segment: u32,
    /// What kind of day that was.
    pub day_kind: DayKind,
    /// Whether it was a holiday to which the law entitles every employee.
    pub statutory_holiday: bool,
    /// The planned start.
    pub planned_start: EventTime,
    /// The planned end.
    pub planned_end: EventTime,
    /// Whether the window has closed and settled.
    pub is_final: bool,
    /// Planned minutes due: planned time less unpaid breaks, less leave.
    pub due_min: i64,
    /// The first in that holds.
    pub first_in: Option<EventTime>,
    /// The last out that holds.
    pub last_out: Option<EventTime>,
    /// Its punch; `None` with a `first_in` where a correction holds the end.
    pub in_event_id: Option<EventId>,
    /// Its punch; `None` with a `last_out` where a correction holds the end.
    pub out_event_id: Option<EventId>,
    /// Where the in was made.
    pub in_site_id: Option<Arc<str>>,
    /// Where the out was made.
    pub out_site_id: Option<Arc<str>>,
    /// What became of it.
    pub status: ShiftStatus,
    /// Late minutes.
    pub late_min: i64,
    /// Minutes left early.
    pub early_min: i64,
    /// True seconds worked; `None` while exactly one end is missing.
    pub worked_s: Option<i64>,
    /// Minutes of unpaid break deducted or punched.
    pub break_min: i64,
    /// Whether a planned unpaid break was deducted without a punch.
    pub break_auto: bool,
    /// Minutes of leave within the due time.
    pub leave_min: i64,
    /// Minutes of overtime.
    pub overtime_min: i64,
    /// Seconds worked in the policy's `night`; 0 where it has none.
    pub night_s: i64,
    /// Whether the in is missing after the window closed.
    pub missing_in: bool,
    /// Whether the out is missing after the window closed.
    pub missing_out: bool,
    /// Codes such as `half_day`, `late_as_absent`, `worked_on_leave`; sorted.
    pub reasons: Vec<&'static str>,
    /// The leave that counted, sorted.
    pub leave_ids: Vec<Arc<str>>,
    /// The minutes of `leave_min` that go with each of `leave_ids`: their sum is `leave_min`. Empty in results said before
    /// this was kept.
    pub leave_minutes: Vec<i64>,
    /// The corrections that counted, sorted.
    pub correction_ids: Vec<Arc<str>>,
    /// Who approved the leave and the corrections that counted, sorted by time, then request and level. Empty in results said
    /// before this was kept.
    pub approvals: Vec<Approved>,
}

/// One approval of a request that counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approved {
    /// The leave or the correction.
    pub request_id: Arc<str>,
    /// Who approved it, and when.
    pub approval: Approval,
}

impl ShiftOutcome {
    /// Whole minutes worked: `floor(worked_s / 60)`.
    pub fn worked_min(&self) -> Option<i64> {
        self.worked_s.map(|seconds| seconds.div_euclid(60))
    }
}

/// What has to be known of the version last said of a shift to say the next one.
#[derive(Clone, Debug, PartialEq)]
pub struct SaidShift {
    /// The shift instance.
    pub shift_id: Arc<str>,
    /// Whose shift it was said to be.
    pub employee_id: Arc<str>,
    /// The org it counted for.
    pub org: Arc<str>,
    /// The day it counted for.
    pub business_date: Date,
    /// When it was said to begin.
    pub planned_start: EventTime,
    /// When it was said to end.
    pub planned_end: EventTime,
    /// The version.
    pub version: i64,
    /// A hash of the outcome.
    pub inputs: u64,
    /// What made Muster say it.
    pub cause: Cause,
}

impl From<&ShiftResult> for SaidShift {
    fn from(result: &ShiftResult) -> Self {
        let outcome = &result.outcome;
        Self {
            shift_id: outcome.shift_id.clone(),
            employee_id: outcome.employee_id.clone(),
            org: outcome.org.clone(),
            business_date: outcome.business_date,
            planned_start: outcome.planned_start,
            planned_end: outcome.planned_end,
            version: result.version,
            inputs: result.inputs,
            cause: result.cause,
        }
    }
}

/// One version of a shift's outcome, as said.
#[derive(Clone, Debug, PartialEq)]
pub struct ShiftResult {
    /// 1 for the first version; the latest is what holds.
    pub version: i64,
    /// What became of the shift.
    pub outcome: ShiftOutcome,
    /// A hash of the outcome: what decides whether there is something new to say.
    pub inputs: u64,
    /// What made Muster say it.
    pub cause: Cause,
}
