//! Status, minutes and flags of one shift instance (contract, section 4, "status" and "minutes").
//!
//! In: the shift, its due time, the punches bound to it by instant, the corrections in force, the log clock.
//! Out: a [`ShiftOutcome`], or nothing where no row exists yet.
//! Why so: lateness is read like a clock (truncated to the minute), leaving early and working are true durations; both
//! ends of every rule are inclusive where the contract says so. Durations are differences in UTC, so a night with a change
//! of clocks has its 7 or 9 hours.

use std::sync::Arc;

use jiff::civil::Date;
use model::policy::{Flex, LateFrom, LateResolution, NightBand, Overtime, OvertimeRestDay};
use model::reference::{Approval, CorrectionKind, DayKind, ShiftKind, ShiftPlan};
use model::shift_result::{Approved, ShiftOutcome};
use model::{Correction, EventId, EventTime, Kind, Policy, Shift, ShiftStatus};

use crate::binding::Bound;
use crate::caps::Refusal;
use crate::due::DueTime;
use crate::roster::{Roster, ShiftIndex};
use crate::spans::{Span, Spans, clip, join, length_us, subtract};
use crate::standing::Seen;

/// A label instead of the hours: late by `late_as_absent_min` or more.
pub(crate) const LATE_AS_ABSENT: &str = "late_as_absent";
/// Fewer minutes worked than `half_day_under_min`.
pub(crate) const HALF_DAY: &str = "half_day";
/// Punches although leave covers the whole due time.
pub(crate) const WORKED_ON_LEAVE: &str = "worked_on_leave";

const MINUTE_US: i64 = 60_000_000;

/// A punch that may hold an end or a break of the shift.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held<'a> {
    pub(crate) punch: Seen<'a>,
    pub(crate) direction: Kind,
}

impl<'a> Held<'a> {
    pub(crate) fn of(punch: Seen<'a>, bound: &Bound) -> Self {
        Self { punch, direction: bound.direction.unwrap_or(Kind::In) }
    }
}

/// One end of a shift: the punch or the correction that holds it.
#[derive(Clone, Debug, Default)]
pub(crate) struct End {
    pub(crate) at: Option<EventTime>,
    pub(crate) event_id: Option<EventId>,
    pub(crate) site_id: Option<Arc<str>>,
}

impl End {
    fn of(held: Option<&Held<'_>>) -> Self {
        let Some(held) = held else { return Self::default() };
        let punch = &held.punch;
        Self {
            at: Some(punch.occurred_at),
            event_id: Some(punch.event.clone()),
            site_id: punch.site_id.cloned(),
        }
    }

    fn correct(&mut self, correction: Option<&Correction>) {
        if let Some(correction) = correction {
            *self = Self { at: Some(correction.occurred_at), event_id: None, site_id: None };
        }
    }
}

/// The time between coming and leaving that is no work.
pub(crate) struct Off {
    /// Unpaid breaks and leave, joined.
    pub(crate) spans: Spans,
    /// How much of it is leave.
    pub(crate) leave_us: i64,
    /// A break deducted after hours of work, in microseconds; it lies nowhere.
    pub(crate) deducted_us: i64,
    /// Whether a planned break was deducted without a punch.
    pub(crate) is_auto: bool,
}

/// Everything the outcome of one shift instance is made from.
pub(crate) struct Case<'a> {
    pub(crate) roster: &'a Roster,
    pub(crate) index: ShiftIndex,
    pub(crate) due: &'a DueTime,
    /// The punches bound to it, by instant; no repeats.
    pub(crate) held: &'a [Held<'a>],
    /// The corrections in force that are meant for it: of the in, of the out.
    pub(crate) corrections: [Option<&'a Correction>; 2],
    pub(crate) clock: EventTime,
}

impl<'a> Case<'a> {
    fn shift(&self) -> &'a Shift {
        self.roster.shift_at(self.index)
    }

    fn policy(&self) -> &'a Policy {
        self.roster.shift_policy(self.index)
    }

    /// The outcome, whether or not a row exists for it yet.
    pub(crate) fn outcome(&self) -> ShiftOutcome {
        let mut outcome = self.blank();
        if self.shift().plan == ShiftPlan::Cancelled {
            return outcome;
        }
        let (came, left) = self.ends();
        outcome.due_min = self.due.due_us.div_euclid(MINUTE_US);
        outcome.leave_min = self.due.leave_us.div_euclid(MINUTE_US);
        outcome.leave_ids = self.due.leave_ids.clone();
        outcome.leave_minutes = self.due.leave_minutes.clone();
        let counted = self.corrections.into_iter().flatten();
        outcome.correction_ids = counted.map(|correction| correction.correction_id.clone()).collect();
        outcome.correction_ids.sort();
        outcome.approvals = self.approvals(&outcome.leave_ids);
        if !self.roster.is_plain(self.index) {
            let refusals = meant_for(self.roster, self.index, self.clock).filter_map(|(refusal, _)| refusal);
            outcome.reasons.extend(refusals.map(Refusal::name));
            outcome.reasons.sort_unstable();
            outcome.reasons.dedup();
        }
        self.judge_status(&mut outcome, came.at, left.at);
        self.count_work(&mut outcome, came.at, left.at);
        (outcome.first_in, outcome.in_event_id, outcome.in_site_id) = (came.at, came.event_id, came.site_id);
        (outcome.last_out, outcome.out_event_id, outcome.out_site_id) =
            (left.at, left.event_id, left.site_id);
        outcome
    }

    /// The outcome of a shift of which nothing counts.
    pub(crate) fn blank(&self) -> ShiftOutcome {
        let (shift, window) = (self.shift(), self.roster.window(self.index));
        let site = self.roster.shift_site(self.index);
        let reference = self.roster.reference();
        let settled = window.closes.plus_min(self.policy().settle_min);
        ShiftOutcome {
            shift_id: shift.shift_id.clone(),
            employee_id: reference.person(shift.person).employee_id.clone(),
            site_id: site.site_id.clone(),
            org: site.org.clone(),
            business_date: shift.business_date,
            segment: shift.segment,
            day_kind: self.roster.day_kind(self.index),
            statutory_holiday: self.roster.is_statutory_holiday(self.index),
            planned_start: shift.start,
            planned_end: shift.end,
            is_final: window.is_closed(self.clock) && self.clock >= settled,
            due_min: 0,
            first_in: None,
            last_out: None,
            in_event_id: None,
            out_event_id: None,
            in_site_id: None,
            out_site_id: None,
            status: ShiftStatus::Cancelled,
            late_min: 0,
            early_min: 0,
            worked_s: Some(0),
            break_min: 0,
            break_auto: false,
            leave_min: 0,
            overtime_min: 0,
            night_s: 0,
            missing_in: false,
            missing_out: false,
            reasons: Vec::new(),
            leave_ids: Vec::new(),
            leave_minutes: Vec::new(),
            correction_ids: Vec::new(),
            approvals: Vec::new(),
        }
    }

    /// Who approved the leave and the corrections that count.
    fn approvals(&self, leave_ids: &[Arc<str>]) -> Vec<Approved> {
        let mut approvals = Vec::new();
        let mut approve = |request_id: &Arc<str>, of: &[Approval]| {
            let of = of.iter().cloned();
            approvals.extend(of.map(|approval| Approved { request_id: request_id.clone(), approval }));
        };
        if !leave_ids.is_empty() {
            let rows = self.roster.leave_of(self.shift().person).iter();
            rows.filter(|row| leave_ids.contains(&row.leave_id))
                .for_each(|row| approve(&row.leave_id, &row.approvals));
        }
        for row in self.corrections.into_iter().flatten() {
            approve(&row.correction_id, &row.approvals);
        }
        approvals.sort_by(|a, b| {
            let key = |one: &Approved| (one.approval.at, one.request_id.clone(), one.approval.level);
            key(a).cmp(&key(b))
        });
        approvals
    }

    /// First in, last out. An out with a return before the shift's end is the beginning of a break, not the leaving; an
    /// out before the person came belongs to nothing.
    pub(crate) fn ends(&self) -> (End, End) {
        let mut came = End::of(self.held.iter().find(|held| held.direction == Kind::In));
        came.correct(self.corrections[0]);
        let is_out = |held: &Held<'_>| {
            held.direction == Kind::Out && came.at.is_none_or(|came| came <= held.punch.occurred_at)
        };
        let is_return = |held: &Held<'_>| {
            matches!(held.direction, Kind::In | Kind::BreakIn) && held.punch.occurred_at < self.shift().end
        };
        let last_out = self.held.iter().rposition(is_out);
        let last_out = last_out.filter(|at| !self.held[at + 1..].iter().any(is_return));
        let mut left = End::of(last_out.map(|at| &self.held[at]));
        left.correct(self.corrections[1]);
        (came, left)
    }

    fn judge_status(&self, outcome: &mut ShiftOutcome, came: Option<EventTime>, left: Option<EventTime>) {
        let policy = self.policy();
        let is_closed = self.roster.window(self.index).is_closed(self.clock);
        let is_bound = !self.held.is_empty() || came.is_some() || left.is_some();
        if self.due.is_leave {
            outcome.status = ShiftStatus::Leave;
            if is_bound {
                outcome.reasons.push(WORKED_ON_LEAVE);
            }
            return;
        }
        outcome.missing_in = is_closed && came.is_none();
        outcome.missing_out = is_closed && left.is_none();
        let slide_min = self.slide_min(came);
        outcome.late_min = came.map_or(0, |came| self.late_min(came, slide_min));
        outcome.early_min = left.map_or(0, |left| self.early_min(left, slide_min));
        outcome.status = match outcome.late_min {
            _ if !is_bound => ShiftStatus::Absent,
            late if reaches(late, policy.late_as_absent_min) => {
                outcome.reasons.push(LATE_AS_ABSENT);
                ShiftStatus::Absent
            }
            late if reaches(late, policy.serious_late_min) => ShiftStatus::SeriousLate,
            0 => ShiftStatus::Present,
            _ => ShiftStatus::Late,
        };
    }

    /// By how many minutes sliding time moves the due ends: as late as the person came, at most `flex_min`.
    fn slide_min(&self, came: Option<EventTime>) -> i64 {
        match (self.policy().flex, came) {
            (Flex::Slide, Some(came)) => self.after_min(came).clamp(0, self.policy().flex_min.max(0)),
            _ => 0,
        }
    }

    /// How many minutes after the due start the person came, less than 0 for before: read like a clock, or each minute
    /// begun.
    fn after_min(&self, came: EventTime) -> i64 {
        match self.policy().late_resolution {
            LateResolution::Minute => came.floor_minute().us_since(self.due.start).div_euclid(MINUTE_US),
            LateResolution::Second => {
                let seconds = came.us_since(self.due.start).div_euclid(1_000_000);
                (seconds + 59).div_euclid(60)
            }
        }
    }

    /// What flexible time forgives, in minutes, before grace.
    fn forgiven_min(&self) -> i64 {
        if self.policy().flex == Flex::Forgive { self.policy().flex_min.max(0) } else { 0 }
    }

    fn late_min(&self, came: EventTime, slide_min: i64) -> i64 {
        let policy = self.policy();
        if self.shift().kind == ShiftKind::Free {
            return 0;
        }
        let late_min = self.after_min(came) - slide_min;
        let grace_min = policy.grace_in_min + self.forgiven_min();
        match policy.late_from {
            _ if late_min <= grace_min => 0,
            LateFrom::Start => late_min.max(0),
            LateFrom::GraceEnd => (late_min - grace_min).max(0),
        }
    }

    fn early_min(&self, left: EventTime, slide_min: i64) -> i64 {
        if self.shift().kind == ShiftKind::Free {
            return 0;
        }
        let due = self.due.end.plus_min(slide_min);
        let early_min = due.us_since(left).div_euclid(MINUTE_US);
        let grace_min = self.policy().grace_out_min + self.forgiven_min();
        if early_min <= grace_min { 0 } else { early_min.max(0) }
    }

    fn count_work(&self, outcome: &mut ShiftOutcome, came: Option<EventTime>, left: Option<EventTime>) {
        let at_work = match (came, left) {
            (Some(came), Some(left)) => (came, left.max(came)),
            (None, None) => return,
            _ => {
                outcome.worked_s = None;
                return;
            }
        };
        let off = self.off(at_work);
        let off_us = length_us(&off.spans) + off.deducted_us;
        let worked_us = at_work.1.us_since(at_work.0) - off_us;
        outcome.worked_s = Some(worked_us.div_euclid(1_000_000));
        outcome.break_min = (off_us - off.leave_us).div_euclid(MINUTE_US);
        outcome.break_auto = off.is_auto;
        outcome.overtime_min = self.overtime_min(at_work, &off, self.slide_min(came));
        outcome.night_s = self.night_s(at_work, &off.spans);
        let is_half = worked_us.div_euclid(MINUTE_US) < self.policy().half_day_under_min;
        if is_half && !matches!(outcome.status, ShiftStatus::Absent | ShiftStatus::Leave) {
            outcome.reasons.push(HALF_DAY);
        }
    }

    /// Microseconds worked between coming and leaving.
    pub(crate) fn worked_us(&self, at_work: Span) -> i64 {
        let off = self.off(at_work);
        at_work.1.us_since(at_work.0) - length_us(&off.spans) - off.deducted_us
    }

    /// What of the time at work is no work.
    pub(crate) fn off(&self, at_work: Span) -> Off {
        let (mut spans, mut is_auto) = self.unpaid_breaks(at_work);
        let has_breaks = !spans.is_empty() || self.shift().breaks.iter().any(|b| !b.paid);
        let inside = if self.due.is_leave { &[][..] } else { &self.due.inside[..] };
        let leave: Spans = inside.iter().filter_map(|span| clip(*span, at_work)).collect();
        spans.extend_from_slice(&leave);
        join(&mut spans);
        let mut deducted_us = 0;
        if !has_breaks && self.policy().break_after_hours > 0 {
            let present_us = at_work.1.us_since(at_work.0) - length_us(&spans);
            deducted_us = self.deducted_us(present_us);
            is_auto |= deducted_us > 0;
        }
        Off { spans, leave_us: length_us(&leave), deducted_us, is_auto }
    }

    /// The break deducted from so much time at work where none is planned or punched: `break_deduct_min` for each full
    /// `break_after_hours`. It lies within the planned time: overtime keeps its minutes.
    fn deducted_us(&self, present_us: i64) -> i64 {
        let policy = self.policy();
        let after_us = policy.break_after_hours * 60 * MINUTE_US;
        if after_us == 0 { 0 } else { present_us.div_euclid(after_us) * policy.break_deduct_min * MINUTE_US }
    }

    /// How long somebody without breaks must have been at work to have worked `target_us`; `None` if a day is too short.
    pub(crate) fn present_us(&self, target_us: i64) -> Option<i64> {
        let mut present_us = target_us;
        for _ in 0..24 {
            let next = target_us + self.deducted_us(present_us);
            if next == present_us {
                return Some(next);
            }
            present_us = next;
        }
        None
    }

    /// Seconds worked in the policy's night, on the wall clock of the shift's site.
    fn night_s(&self, at_work: Span, off: &[Span]) -> i64 {
        let NightBand { from_min, until_min } = self.policy().night;
        if from_min == until_min {
            return 0;
        }
        let zone = &self.roster.shift_site(self.index).time_zone;
        let wall = |day: Date, minutes: i64| {
            let (days, minutes) = (minutes.div_euclid(1_440), minutes.rem_euclid(1_440));
            let time = jiff::civil::time((minutes / 60) as i8, (minutes % 60) as i8, 0, 0);
            let day = day.checked_add(jiff::Span::new().days(days)).ok()?;
            let instant = zone.to_ambiguous_zoned(day.to_datetime(time)).compatible().ok()?;
            Some(EventTime::from(instant.timestamp()))
        };
        let until_min = if until_min > from_min { until_min } else { until_min + 1_440 };
        let first = zone.to_datetime(at_work.0.timestamp()).date();
        let last = zone.to_datetime(at_work.1.timestamp()).date();
        let mut days = first.yesterday().into_iter().flat_map(|day| day.series(jiff::Span::new().days(1)));
        let bands: Spans = days
            .by_ref()
            .take_while(|day| *day <= last)
            .filter_map(|day| clip((wall(day, from_min)?, wall(day, until_min)?), at_work))
            .collect();
        length_us(&subtract(&bands, off)).div_euclid(1_000_000)
    }

    /// Since when the person has been on a break that has not ended.
    pub(crate) fn on_break_since(&self) -> Option<EventTime> {
        let last = self.held.last().filter(|held| held.direction == Kind::BreakOut);
        last.map(|held| held.punch.occurred_at)
    }

    /// Unpaid breaks within the time at work, not joined: as punched, and the planned ones that no punched one overlaps;
    /// and whether any of the latter was deducted. The part of a punched break within a planned paid one stays paid.
    fn unpaid_breaks(&self, at_work: Span) -> (Spans, bool) {
        let mut punched = Spans::new();
        let mut away = None;
        let during =
            |held: &&Held<'_>| at_work.0 <= held.punch.occurred_at && held.punch.occurred_at <= at_work.1;
        for held in self.held.iter().filter(during) {
            match held.direction {
                Kind::Out | Kind::BreakOut => away = Some(held.punch.occurred_at),
                _ => {
                    punched.extend(away.take().and_then(|from| clip((from, held.punch.occurred_at), at_work)))
                }
            }
        }
        let planned = &self.shift().breaks;
        let mut paid: Spans = planned.iter().filter(|b| b.paid).map(|b| (b.start, b.end)).collect();
        join(&mut paid);
        let mut unpaid = if paid.is_empty() { punched.clone() } else { subtract(&punched, &paid) };
        let mut is_auto = false;
        for span in planned.iter().filter(|b| !b.paid).map(|b| (b.start, b.end)) {
            if punched.iter().any(|punched| clip(*punched, span).is_some()) {
                continue;
            }
            if let Some(span) = clip(span, at_work) {
                is_auto = true;
                unpaid.push(span);
            }
        }
        (unpaid, is_auto)
    }

    /// Overtime as the policy counts it: work past `overtime_after_min` behind the due end, what was approved outside the
    /// planned time, or the part of the approved time that was worked; nothing below `overtime_min_min`, and no more than
    /// `overtime_max_min`. With `overtime_rest_day = "whole"` nothing is planned time on a rest day or a holiday.
    fn overtime_min(&self, at_work: Span, off: &Off, slide_min: i64) -> i64 {
        let policy = self.policy();
        let shift = self.shift();
        let is_whole = policy.overtime_rest_day == OvertimeRestDay::Whole
            && self.roster.day_kind(self.index) != DayKind::Workday;
        let planned = [(shift.start, shift.end)];
        let planned = if is_whole { &[][..] } else { &planned[..] };
        let mut deducted_us = 0;
        let spans = match policy.overtime {
            Overtime::Off => return 0,
            Overtime::Punched if is_whole => {
                deducted_us = off.deducted_us;
                subtract(&[at_work], &off.spans)
            }
            Overtime::Punched => {
                let from = self.due.end.plus_min(slide_min + policy.overtime_after_min);
                subtract(&Spans::from_iter(clip((from, at_work.1), at_work)), &off.spans)
            }
            Overtime::Approved => subtract(&self.approved_overtime(), planned),
            Overtime::Both => {
                let approved = subtract(&self.approved_overtime(), planned);
                let worked: Spans = approved.iter().filter_map(|span| clip(*span, at_work)).collect();
                subtract(&worked, &off.spans)
            }
        };
        let minutes = (length_us(&spans) - deducted_us).div_euclid(MINUTE_US);
        let longest = if policy.overtime_max_min > 0 { policy.overtime_max_min } else { minutes };
        if minutes >= policy.overtime_min_min { minutes.min(longest) } else { 0 }
    }

    /// Approved overtime within this shift's window, joined. Where windows overlap, a permission goes with the shift
    /// whose planned time is nearest to its beginning, then the earlier.
    fn approved_overtime(&self) -> Spans {
        let (shift, window) = (self.shift(), self.roster.window(self.index));
        let within = (window.opens, window.closes);
        let distance = |index: &ShiftIndex, at: EventTime| {
            let other = self.roster.shift_at(*index);
            other.start.us_since(at).max(at.us_since(other.end)).max(0)
        };
        let rows = self.roster.leave_of(shift.person).iter().take_while(|row| row.from < window.closes);
        let mut spans: Spans = rows
            .filter(|row| &*row.leave_type == "overtime" && row.is_in_force(self.clock))
            .filter(|row| {
                let windows = self.roster.windows_in(shift.person, row.from, row.until);
                let planned = windows.filter(|index| self.roster.shift_at(*index).plan == ShiftPlan::Planned);
                planned.min_by_key(|index| distance(index, row.from)) == Some(self.index)
            })
            .filter_map(|row| clip((row.from, row.until), within))
            .collect();
        join(&mut spans);
        spans
    }
}

fn reaches(late_min: i64, threshold_min: i64) -> bool {
    threshold_min > 0 && late_min >= threshold_min
}

/// The corrections in force that are meant for a shift instance, and why those do not count that the policy refuses.
fn meant_for(
    roster: &Roster,
    index: ShiftIndex,
    clock: EventTime,
) -> impl Iterator<Item = (Option<Refusal>, &Correction)> {
    let places = roster.correction_places(roster.shift_at(index).person);
    let rows = places.map(move |place| (place, &roster.reference().corrections[place as usize]));
    rows.filter(move |(_, row)| row.is_in_force(clock) && corrected(roster, row) == Some(index))
        .map(move |(place, row)| (roster.refusal(place), row))
}

/// As [`corrections_for`]: none before the window opens, since nothing is said of a shift until then.
pub(crate) fn corrections_at(
    roster: &Roster,
    index: ShiftIndex,
    clock: EventTime,
) -> [Option<&Correction>; 2] {
    let is_open = roster.window(index).opens <= clock;
    if is_open && !roster.is_plain(index) { corrections_for(roster, index, clock) } else { [None; 2] }
}

/// The corrections in force and not refused that are meant for a shift instance: of the in, of the out. A correction names its shift, or
/// belongs to the one whose window holds its instant; of several windows to the one whose corrected end is planned
/// nearest, then the earlier. Of several corrections of one end the one approved last counts, then the larger id.
fn corrections_for(roster: &Roster, index: ShiftIndex, clock: EventTime) -> [Option<&Correction>; 2] {
    let mut chosen: [Option<&Correction>; 2] = [None, None];
    for (_, row) in meant_for(roster, index, clock).filter(|(refusal, _)| refusal.is_none()) {
        let end = &mut chosen[usize::from(row.kind == CorrectionKind::Out)];
        let rank = |row: &Correction| (row.effective_at, row.correction_id.clone());
        if end.is_none_or(|before| rank(before) < rank(row)) {
            *end = Some(row);
        }
    }
    chosen
}

/// The shift instance that a correction is meant for.
pub(crate) fn corrected(roster: &Roster, row: &Correction) -> Option<ShiftIndex> {
    if let Some(shift_id) = &row.shift_id {
        return roster.shift(shift_id).filter(|index| roster.shift_at(*index).person == row.person);
    }
    roster.holding(row.person, row.occurred_at).min_by_key(|index| {
        let shift = roster.shift_at(*index);
        let planned = if row.kind == CorrectionKind::In { shift.start } else { shift.end };
        planned.us_since(row.occurred_at).saturating_abs()
    })
}
