//! Everything that holds about one person at one clock: rows, findings, and when that changes by itself.
//!
//! In: a plan, the punches stored so far, the clock.  Out: [`Told`].
//! Why so: the whole of it is told anew for every clock that anybody asks about.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::policy::{Flex, LateFrom};
use model::shift_result::{Approved, ShiftOutcome};
use model::{AnomalyKind, EventId, EventTime, Kind, ShiftStatus, StoredPunch};

use crate::binding::{Punch, bind};
use crate::corrections::{Corrected, corrected, effective_at};
use crate::due::{Due, due, no_show_at, remind_at};
use crate::duty::{Duty, Plan};
use crate::findings::{Fact, Found, of_days, of_punches};
use crate::hours::{Before, Known, hours};
use crate::work::{End, Held, Work, after_min, ends, slide_min};
use crate::world::Seconds;

/// Where the log stands.
#[derive(Clone, Copy, Debug)]
pub struct When {
    /// Its clock.
    pub clock: EventTime,
    /// Where its clock first stood: nothing is concluded from silence about a shift whose window closed before.
    pub since: EventTime,
    /// Where it ends, if it does: nothing is concluded from silence about a shift whose window opens later.
    pub until: EventTime,
}

/// What holds about one person.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// The row of each shift that has one, by start.
    pub rows: Vec<ShiftOutcome>,
    /// Everything wrong, sorted.
    pub found: Vec<Found>,
    /// Instants at which something may change by itself.
    pub ahead: BTreeSet<EventTime>,
}

fn time(at: Seconds) -> EventTime {
    EventTime::from_us(at * 1_000_000)
}

impl Plan<'_> {
    /// What holds at `when` by the punches stored so far, all of the person's, in any order.
    pub fn told(&self, punches: &[StoredPunch], when: When) -> Told {
        let punches = bind(self, punches);
        let known: Vec<Known> =
            (0..self.duties.len()).map(|place| self.known(place, &punches, when.clock)).collect();
        let mut told = Told::default();
        for place in 0..self.duties.len() {
            let before = Before { plan: self, known: &known, place };
            self.tell_shift(&before, &punches, when, &mut told);
        }
        told.found.extend(of_days(self, &punches));
        told.found.sort();
        told
    }

    /// The ends of one shift, as far as other shifts ask.
    fn known(&self, place: usize, punches: &[Punch<'_>], clock: EventTime) -> Known {
        let duty = &self.duties[place];
        if !duty.is_planned() {
            return Known::default();
        }
        let held = held(place, punches);
        let corrected = corrected(self, place, clock);
        let (came, left) = ends(duty, &held, &corrected);
        let due = due(self, duty, clock);
        let both = came.as_ref().zip(left.as_ref());
        let worked = both.map(|(came, left)| Work::between(duty, &due, &held, (came.at, left.at)));
        let is_bound = !held.is_empty() || corrected.came.is_some() || corrected.left.is_some();
        Known { is_bound, came, left, worked_s: worked.map_or(0, |work| work.worked_s()) }
    }

    fn tell_shift(&self, before: &Before<'_, '_>, punches: &[Punch<'_>], when: When, told: &mut Told) {
        let place = before.place;
        let duty = &self.duties[place];
        let held = held(place, punches);
        let is_reached = time(duty.closes) >= when.since && time(duty.opens) <= when.until;
        let case = Case {
            plan: self,
            duty,
            known: &before.known[place],
            corrected: corrected(self, place, when.clock),
            due: self.due_of(before, when.clock),
            held,
            clock: when.clock,
        };
        told.ahead.extend(case.instants().filter(|at| *at > when.clock));
        let is_bound = duty.is_planned() && case.known.is_bound;
        let has_row = is_bound && !case.held.is_empty() || is_reached && (is_bound || case.is_closed());
        if !has_row && !is_reached {
            return;
        }
        let row = case.row();
        if duty.is_planned() {
            let mut facts = case.at_ends(&row);
            if is_bound {
                facts.extend(case.beside(before, told));
            }
            facts.extend(of_punches(self, place, punches));
            let site: Arc<str> = duty.shift.site.as_str().into();
            let found = |fact: Fact| fact.found(Some(duty.id()), duty.shift.date, Some(site.clone()));
            told.found.extend(facts.into_iter().map(found));
        }
        told.rows.extend(has_row.then_some(row));
    }

    /// The due time; leaving late the day before moves its start.
    fn due_of(&self, before: &Before<'_, '_>, clock: EventTime) -> Due<'_> {
        let duty = &self.duties[before.place];
        let mut due = due(self, duty, clock);
        let excused_s = before.excused_min() * 60;
        if excused_s > 0 {
            due.start = due.start.max(duty.start + excused_s);
        }
        due
    }
}

fn held<'a, 'p>(place: usize, punches: &'a [Punch<'p>]) -> Held<'a, 'p> {
    punches.iter().filter_map(|punch| Some((punch, punch.binds(place)?))).collect()
}

/// One shift with everything its row is made from.
struct Case<'a, 'p, 'w> {
    plan: &'a Plan<'w>,
    duty: &'a Duty<'w>,
    known: &'a Known,
    corrected: Corrected<'w>,
    due: Due<'a>,
    held: Held<'a, 'p>,
    clock: EventTime,
}

impl Case<'_, '_, '_> {
    fn is_closed(&self) -> bool {
        self.clock > time(self.duty.closes)
    }

    fn is_final(&self) -> bool {
        self.is_closed() && self.clock >= time(self.duty.closes + self.duty.policy.settle_min * 60)
    }

    /// The instants at which the clock alone changes what holds about the shift, whoever is there.
    fn instants(&self) -> impl Iterator<Item = EventTime> {
        let Self { duty, due, .. } = self;
        let told = [no_show_at(duty, due), remind_at(duty, due)].into_iter().flatten().map(time);
        let settled = time(duty.closes + duty.policy.settle_min * 60);
        // The log's clock is told in milliseconds.
        let closed = EventTime::from_ms(duty.closes * 1_000 + 1);
        told.chain([time(duty.opens), closed, settled])
    }

    fn row(&self) -> ShiftOutcome {
        let mut row = self.blank();
        if !self.duty.is_planned() {
            return row;
        }
        let Self { due, known: Known { came, left, .. }, corrected, .. } = self;
        row.due_min = due.due_s / 60;
        row.leave_min = due.leave_s / 60;
        row.leave_ids = due.leave.iter().map(|(row, _)| row.id.as_str().into()).collect();
        row.leave_minutes = due.leave.iter().map(|(_, minutes)| *minutes).collect();
        let counted = corrected.came.into_iter().chain(corrected.left);
        row.correction_ids = counted.map(|row| row.id.as_str().into()).collect();
        row.correction_ids.sort();
        row.approvals = self.approvals();
        row.reasons = corrected.refusals.clone();
        self.tell_status(&mut row);
        self.tell_work(&mut row);
        let event_id = |end: &End| end.event_id.as_deref().map(EventId::new);
        row.first_in = came.as_ref().map(|end| time(end.at));
        row.last_out = left.as_ref().map(|end| time(end.at));
        row.in_event_id = came.as_ref().and_then(event_id);
        row.out_event_id = left.as_ref().and_then(event_id);
        row.in_site_id = came.as_ref().and_then(|end| end.site_id.clone());
        row.out_site_id = left.as_ref().and_then(|end| end.site_id.clone());
        row.reasons.sort_unstable();
        row
    }

    /// A row of which nothing counts.
    fn blank(&self) -> ShiftOutcome {
        let duty = self.duty;
        ShiftOutcome {
            shift_id: duty.shift.id.as_str().into(),
            employee_id: duty.shift.person.as_str().into(),
            site_id: duty.site.id.as_str().into(),
            org: duty.site.org.as_str().into(),
            business_date: duty.shift.date,
            segment: duty.shift.segment,
            day_kind: duty.day,
            statutory_holiday: duty.is_statutory,
            planned_start: time(duty.start),
            planned_end: time(duty.end),
            is_final: self.is_final(),
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

    /// Who approved what counts: by time, then request and level.
    fn approvals(&self) -> Vec<Approved> {
        let leave = self.due.leave.iter().map(|(row, _)| (&row.id, &row.approvals));
        let corrections = self.corrected.came.into_iter().chain(self.corrected.left);
        let requests = leave.chain(corrections.map(|row| (&row.id, &row.approvals)));
        let mut all: Vec<Approved> = requests
            .flat_map(|(id, approvals)| approvals.iter().map(move |approval| (id, approval.clone())))
            .map(|(id, approval)| Approved { request_id: id.as_str().into(), approval })
            .collect();
        all.sort_by_key(|one| (one.approval.at, one.request_id.clone(), one.approval.level));
        all
    }

    fn tell_status(&self, row: &mut ShiftOutcome) {
        let Self { duty, due, known: Known { came, left, is_bound, .. }, .. } = self;
        let policy = &duty.policy;
        if due.is_leave {
            row.status = ShiftStatus::Leave;
            row.reasons.extend(is_bound.then_some("worked_on_leave"));
            return;
        }
        (row.missing_in, row.missing_out) =
            (self.is_closed() && came.is_none(), self.is_closed() && left.is_none());
        let slid_min = slide_min(duty, due.start, came.as_ref().map(|end| end.at));
        let forgiven_min = if policy.flex == Flex::Forgive { policy.flex_min } else { 0 };
        if let Some(came) = came.as_ref().filter(|_| !duty.shift.is_free) {
            let late_min = after_min(duty, due.start, came.at) - slid_min;
            let grace_min = policy.grace_in_min + forgiven_min;
            let counted_min =
                if policy.late_from == LateFrom::Start { late_min } else { late_min - grace_min };
            row.late_min = if late_min <= grace_min { 0 } else { counted_min };
        }
        if let Some(left) = left.as_ref().filter(|_| !duty.shift.is_free) {
            let early_min = (due.end + slid_min * 60 - left.at).div_euclid(60);
            row.early_min = if early_min <= policy.grace_out_min + forgiven_min { 0 } else { early_min };
        }
        let reaches = |threshold_min: i64| threshold_min > 0 && row.late_min >= threshold_min;
        row.status = if !is_bound {
            ShiftStatus::Absent
        } else if reaches(policy.late_as_absent_min) {
            row.reasons.push("late_as_absent");
            ShiftStatus::Absent
        } else if reaches(policy.serious_late_min) {
            ShiftStatus::SeriousLate
        } else if row.late_min > 0 {
            ShiftStatus::Late
        } else {
            ShiftStatus::Present
        };
    }

    fn tell_work(&self, row: &mut ShiftOutcome) {
        let Self { plan, duty, due, known: Known { came, left, .. }, held, clock, .. } = self;
        let (came, left) = match (came, left) {
            (Some(came), Some(left)) => (came.at, left.at),
            (None, None) => return,
            _ => {
                row.worked_s = None;
                return;
            }
        };
        let mut work = Work::between(duty, due, held, (came, left));
        row.worked_s = Some(work.worked_s());
        row.break_min = work.break_min();
        row.break_auto = work.break_auto;
        row.night_s = work.night_s(duty);
        let due_end = due.end + slide_min(duty, due.start, Some(came)) * 60;
        row.overtime_min = work.overtime_min(plan, duty, due_end, *clock);
        let is_half = work.worked_s().div_euclid(60) < duty.policy.half_day_under_min;
        if is_half && !matches!(row.status, ShiftStatus::Absent | ShiftStatus::Leave) {
            row.reasons.push("half_day");
        }
    }

    /// What is wrong with coming, leaving, and not being there.
    fn at_ends(&self, row: &ShiftOutcome) -> Vec<Fact> {
        let Self { duty, due, known: Known { came, left, is_bound, .. }, clock, .. } = self;
        let mut facts = Vec::new();
        if due.is_leave {
            return facts;
        }
        let shown = |ends: &[&Option<End>]| {
            ends.iter().filter_map(|end| end.as_ref()?.event_id.clone()).collect::<Vec<_>>()
        };
        if let Some(came) = came.as_ref().filter(|_| row.late_min > 0) {
            let serious_min = duty.policy.serious_late_min;
            let is_serious = serious_min > 0 && row.late_min >= serious_min;
            let is_serious = is_serious || row.reasons.contains(&"late_as_absent");
            let kind = if is_serious { AnomalyKind::SeriousLate } else { AnomalyKind::Late };
            let event_ids = shown(&[&self.known.came]);
            facts.push(Fact { minutes: Some(row.late_min), event_ids, ..Fact::at(kind, came.at) });
        }
        if let Some(left) = left.as_ref().filter(|_| row.early_min > 0) {
            let fact = Fact::at(AnomalyKind::EarlyLeave, left.at);
            let event_ids = shown(&[&self.known.left]);
            facts.push(Fact { minutes: Some(row.early_min), event_ids, ..fact });
        }
        if *is_bound {
            let missing =
                [(row.missing_in, AnomalyKind::MissingIn), (row.missing_out, AnomalyKind::MissingOut)];
            for (_, kind) in missing.into_iter().filter(|(is_missing, _)| *is_missing) {
                let event_ids = shown(&[&self.known.came, &self.known.left]);
                facts.push(Fact { event_ids, ..Fact::at(kind, duty.closes) });
            }
            return facts;
        }
        let has_come = |at: &Seconds| time(*at) <= *clock;
        let no_show = no_show_at(duty, due);
        let is_over = no_show.map_or(self.is_closed(), |at| has_come(&at));
        if let Some(at) = remind_at(duty, due).filter(has_come).filter(|_| !is_over) {
            facts.push(Fact::at(AnomalyKind::Reminder, at));
        }
        if let Some(at) = no_show.filter(has_come).filter(|_| !self.is_final()) {
            facts.push(Fact::at(AnomalyKind::NoShow, at));
        }
        if self.is_closed() {
            facts.push(Fact::at(AnomalyKind::Absent, duty.closes));
        }
        facts
    }

    /// What is wrong with coming so soon, so many days in a row, or for so long.
    fn beside(&self, before: &Before<'_, '_>, told: &mut Told) -> Vec<Fact> {
        let Self { duty, due, held, known: Known { came, left, .. }, clock, .. } = self;
        let mut facts: Vec<Fact> = came.iter().filter_map(|came| before.short_rest(came)).collect();
        let in_event_id = came.as_ref().and_then(|end| end.event_id.as_ref());
        let at = came.as_ref().or(left.as_ref()).map_or(duty.start, |end| end.at);
        facts.extend(before.rest_day_missed(at, in_event_id));
        // The hours of somebody who never left are not known once the window has closed.
        let on_break = held.last().filter(|(_, direction)| *direction == Kind::BreakOut);
        let there_until = on_break.map_or(duty.closes, |(punch, _)| punch.at);
        let until = left.as_ref().map(|end| end.at).or((!self.is_closed()).then_some(there_until));
        if let Some((came, until)) = came.as_ref().zip(until) {
            let work = Work::between(duty, due, held, (came.at, until));
            let told_hours = hours(before, &work, *clock);
            facts.extend(told_hours.fact);
            told.ahead.extend(told_hours.ahead.into_iter().map(time));
        }
        facts
    }
}

impl Plan<'_> {
    /// When requests of the person take effect.
    pub fn approvals(&self) -> BTreeSet<EventTime> {
        let leave = self.leave.iter().filter_map(|row| effective_at(&row.approvals));
        leave.chain(self.corrections.iter().filter_map(|row| effective_at(&row.approvals))).collect()
    }
}
