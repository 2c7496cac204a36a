//! What holds about one person at one clock: shift outcomes and findings, and exactly which keys that speaks for.
//!
//! In: the person's stored punches, a span of time, the log clock.  Out: [`Judged`].
//! Owns: nothing; [`Judge`] is a set of buffers.
//! Absent on purpose: what was said before, and memory: the caller gives the punches, from memory or from the lake.
//! Invariants: I-4 the result is a function of the set of punches, the snapshot and the [`Moment`].
//! Why so: a punch can change every shift whose window touches its own (through binding) and every punch of its day that
//! no shift holds (through one finding a day), and nothing else: that is the [`Scope`].

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use foldhash::fast::FixedState;
use jiff::civil::Date;
use model::anomaly::Finding;
use model::reference::ShiftPlan;
use model::shift_result::ShiftOutcome;
use model::{AnomalyKind, EventId, EventTime, PersonIndex, StoredPunch};

use crate::binding::{Binder, Bound};
use crate::due::{DueTime, no_show_at, remind_at};
use crate::findings::{Findings, JudgedShift, Subject};
use crate::hours::Hours;
use crate::lone::Walk;
use crate::minutes::{Case, Held, corrections_at};
use crate::neighbours::{Ends, Links, Neighbours};
use crate::partition::TIMERS_AT_ONCE;
use crate::roster::{Roster, ShiftIndex};
use crate::standing::{Seen, Standing, sort};
use crate::timers::{Instant, Timer, settles, wakes};

/// How far from a run of shifts a punch can lie that shares a finding with one of its punches: business dates are told
/// in some zone, and an overnight shift's punches count for its first day.
pub(crate) const DAY_REACH_US: i64 = 5 * 86_400_000_000;

/// Shifts whose no-show is held back because the whole log has fallen silent. Empty but for [`crate::PartitionState`].
#[derive(Clone, Debug, Default)]
pub struct Holds {
    pub(crate) shifts: HashSet<ShiftIndex, FixedState>,
}

impl Holds {
    /// Nothing is held back.
    pub fn none() -> &'static Self {
        static NONE: std::sync::LazyLock<Holds> = std::sync::LazyLock::new(Holds::default);
        &NONE
    }
}

/// The clock at which something holds.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// Where the log's clock stands.
    pub clock: EventTime,
    /// Where the log's clock first stood: nothing is concluded from the absence of punches about a shift whose window
    /// closed before.
    pub since: EventTime,
    /// Where the log ends, if it does: nothing is concluded from the absence of punches about a shift whose window opens
    /// later. [`Moment::NO_END`] for a log that goes on.
    pub until: EventTime,
    /// Shifts whose no-show is held back.
    pub holds: &'a Holds,
}

impl Moment<'_> {
    /// The log goes on.
    pub const NO_END: EventTime = EventTime::from_us(i64::MAX);
}

/// The keys that a [`Judged`] speaks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Shift instances, sorted by start.
    pub shift_ids: Vec<Arc<str>>,
    /// Business dates of punches, sorted.
    pub dates: Vec<Date>,
}

/// What holds about one person at one clock.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The person's pseudonym.
    pub employee_id: Arc<str>,
    /// The person in the snapshot, if known.
    pub person: Option<PersonIndex>,
    /// The clock at which it holds.
    pub clock: EventTime,
    /// The keys it speaks for.
    pub scope: Scope,
    /// For each shift of the scope that has a row, its outcome.
    pub outcomes: Vec<ShiftOutcome>,
    /// Everything wrong within the scope.
    pub findings: Vec<Finding>,
    /// Shifts of the scope whose no-show is held back: nothing is said about it, and nothing said is taken back.
    pub withheld: Vec<Arc<str>>,
}

impl Judged {
    /// Whether this speaks for `said`: if so and `said` is not among the findings, it no longer holds.
    ///
    /// A finding about a shift instance is spoken for when the instance is in the scope, one about a day's punches when
    /// its business date is; findings about another person, or about no person, never, nor a no-show that is held back, nor
    /// a kind that judging does not find.
    pub fn covers(&self, said: &Finding) -> bool {
        said.kind.is_judged()
            && said.employee_id.as_ref() == Some(&self.employee_id)
            && match &said.shift_id {
                Some(shift_id) => {
                    self.scope.shift_ids.contains(shift_id)
                        && !(said.kind == AnomalyKind::NoShow && self.withheld.contains(shift_id))
                }
                None => self.scope.dates.contains(&said.business_date),
            }
    }
}

/// Judges one person's shifts whose windows overlap `span`, and those that their windows touch, and the punches of the
/// same days that no shift holds, as of `moment`.
///
/// `punches` are stored punches of that person in any order: all of those within [`Roster::recall_span`] of `span`.
pub fn judge(
    roster: &Roster,
    employee_id: &Arc<str>,
    punches: &[StoredPunch],
    span: Range<EventTime>,
    moment: Moment<'_>,
) -> Judged {
    let ids: Vec<EventId> = punches.iter().map(|punch| EventId::new(&punch.event_id)).collect();
    let mut seen: Vec<Seen<'_>> = punches.iter().zip(&ids).map(|(punch, id)| Seen::of(punch, id)).collect();
    sort(&mut seen);
    let person = roster.person(employee_id);
    let subject = Subject { roster, employee_id, person };
    Judge::default().judge(subject, &mut seen, span, moment)
}

impl Roster {
    /// Around which instants punches must be known to judge `span`: from the first opening to the last closing of the
    /// windows judged with it, and the days around.
    pub fn recall_span(&self, person: Option<PersonIndex>, span: Range<EventTime>) -> Range<EventTime> {
        let (mut from, mut until) = self.judged_span(person, span.clone());
        if self.reach_us() > 0 {
            let mut shifts = Vec::new();
            list_judged(self, person, span, &mut shifts);
            if let Some(links) = self.links(&shifts) {
                let (opens, closes) = self.span_of(&links.known);
                (from, until) = (from.min(opens), until.max(closes.plus_us(1)));
            }
        }
        from.plus_us(-DAY_REACH_US)..until.plus_us(DAY_REACH_US)
    }

    /// From the first opening to the last closing of the windows judged with `span`, and `span` itself.
    pub(crate) fn judged_span(
        &self,
        person: Option<PersonIndex>,
        span: Range<EventTime>,
    ) -> (EventTime, EventTime) {
        let (mut from, mut until) = (span.start, span.end);
        if let Some(person) = person {
            for index in self.windows_in(person, span.start, span.end.plus_us(-1)) {
                let (opens, closes) = self.run_span(self.run(index));
                (from, until) = (from.min(opens), until.max(closes.plus_us(1)));
            }
        }
        (from, until)
    }
}

/// Judgements kept for their buffers: as many as timers fire before a caller gives them back, and some for swaps.
const SPENT_MAX: usize = 2 * TIMERS_AT_ONCE;

/// Buffers for judging: a warm call allocates nothing but what it finds for the first time.
#[derive(Default)]
pub(crate) struct Judge {
    /// For callers, between two judgements.
    pub(crate) seen: Vec<Seen<'static>>,
    binder: Binder,
    bound: Vec<Bound>,
    shifts: Vec<ShiftIndex>,
    punches: Vec<(Seen<'static>, Bound)>,
    held: Vec<Held<'static>>,
    of_day: Vec<Seen<'static>>,
    ends: Vec<Ends>,
    /// Instants at which what was judged since they were last taken changes by itself.
    pub(crate) ahead: Vec<Instant>,
    spent: Vec<Judged>,
    spent_ids: Vec<Vec<EventId>>,
}

impl Judge {
    /// As [`judge`], over sorted punches; it takes out those that do not matter.
    pub(crate) fn judge(
        &mut self,
        subject: Subject<'_>,
        seen: &mut Vec<Seen<'_>>,
        span: Range<EventTime>,
        moment: Moment<'_>,
    ) -> Judged {
        let roster = subject.roster;
        let (from, until) = roster.judged_span(subject.person, span.clone());
        let mut judged = self.fresh(subject, moment.clock);
        let mut shifts = std::mem::take(&mut self.shifts);
        list_judged(roster, subject.person, span, &mut shifts);
        let links = if roster.reach_us() > 0 { roster.links(&shifts) } else { None };
        let is_within = |seen: &Seen<'_>| from <= seen.occurred_at && seen.occurred_at < until;
        let dates = &mut judged.scope.dates;
        dates.extend(seen.iter().filter(|seen| is_within(seen)).map(|seen| seen.business_date));
        dates.sort_unstable();
        dates.dedup();
        let linked = links.as_ref().map(|links| roster.span_of(&links.known));
        let is_linked = |at: EventTime| linked.is_some_and(|(opens, closes)| opens <= at && at <= closes);
        seen.retain(|seen| {
            is_within(seen) || dates.contains(&seen.business_date) || is_linked(seen.occurred_at)
        });
        let known =
            links.as_ref().map(|links| roster.run(ShiftIndex(links.known.start)).start..links.known.end);
        let wanted = |run: u32| {
            shifts.binary_search(&ShiftIndex(run)).is_ok()
                || known.as_ref().is_some_and(|known| known.contains(&run))
        };
        self.binder.bind(roster, subject.person, seen, wanted, &mut self.bound);
        let known_from = self.know_ends(subject, links.as_ref(), seen, moment);
        if let Some(links) = links {
            let further = links.judged.map(ShiftIndex).filter(|index| roster.looks_back(*index));
            shifts.extend(further);
            shifts.sort_unstable();
            shifts.dedup();
        }
        for index in &shifts {
            self.judge_shift(subject, (*index, known_from), seen, moment, &mut judged);
        }
        self.ends.clear();
        self.judge_days(subject, seen, &mut judged);
        judged.findings.sort_unstable_by_key(|finding| (finding.first_at, finding.kind, finding.id));
        self.shifts = shifts;
        judged
    }

    /// Takes back a judgement that has been read, for its buffers.
    pub(crate) fn recycle(&mut self, mut judged: Judged) {
        if self.spent.len() == SPENT_MAX {
            return;
        }
        judged.scope.shift_ids.clear();
        judged.scope.dates.clear();
        judged.outcomes.clear();
        judged.withheld.clear();
        for finding in judged.findings.drain(..).filter(|finding| finding.event_ids.capacity() > 0) {
            if self.spent_ids.len() < SPENT_MAX {
                let mut event_ids = finding.event_ids;
                event_ids.clear();
                self.spent_ids.push(event_ids);
            }
        }
        self.spent.push(judged);
    }

    fn fresh(&mut self, subject: Subject<'_>, clock: EventTime) -> Judged {
        let (employee_id, person) = (subject.employee_id.clone(), subject.person);
        match self.spent.pop() {
            Some(spent) => Judged { employee_id, person, clock, ..spent },
            None => Judged {
                employee_id,
                person,
                clock,
                scope: Scope::default(),
                outcomes: Vec::new(),
                findings: Vec::new(),
                withheld: Vec::new(),
            },
        }
    }

    fn judge_shift(
        &mut self,
        subject: Subject<'_>,
        (index, known_from): (ShiftIndex, u32),
        seen: &[Seen<'_>],
        moment: Moment<'_>,
        out: &mut Judged,
    ) {
        let mut punches: Vec<(Seen<'_>, Bound)> = emptied(std::mem::take(&mut self.punches));
        let with_shift = seen.iter().copied().zip(self.bound.iter().copied());
        punches.extend(with_shift.filter(|(_, bound)| bound.shift == Some(index)));
        self.judge_bound(subject, (index, known_from), &punches, moment, out);
        self.punches = emptied(punches);
    }

    /// Fills in the ends of the shifts that rules look at; returns the first of these.
    fn know_ends(
        &mut self,
        subject: Subject<'_>,
        links: Option<&Links>,
        seen: &[Seen<'_>],
        moment: Moment<'_>,
    ) -> u32 {
        self.ends.clear();
        let Some(links) = links else { return 0 };
        let roster = subject.roster;
        for index in links.known.clone().map(ShiftIndex) {
            if roster.shift_at(index).plan != ShiftPlan::Planned {
                self.ends.push(Ends::default());
                continue;
            }
            let mut held: Vec<Held<'_>> = emptied(std::mem::take(&mut self.held));
            let of_shift = seen
                .iter()
                .zip(&self.bound)
                .filter(|(_, bound)| bound.shift == Some(index) && bound.standing == Standing::Binds);
            held.extend(of_shift.map(|(seen, bound)| Held::of(*seen, bound)));
            let due = DueTime::of(roster, index, moment.clock);
            let corrections = corrections_at(roster, index, moment.clock);
            let case = Case { roster, index, due: &due, held: &held, corrections, clock: moment.clock };
            let (came, left) = case.ends();
            let worked_us = came.at.zip(left.at).map(|(came, left)| case.worked_us((came, left.max(came))));
            self.ends.push(Ends {
                is_bound: !held.is_empty() || corrections.iter().any(Option::is_some),
                left: left.at,
                out_event_id: left.event_id,
                worked_s: worked_us.unwrap_or(0).div_euclid(1_000_000),
            });
            self.held = emptied(held);
        }
        links.known.start
    }

    /// Judges a lone shift from the punches in its window and what binding made of them: what [`Self::judge`] would say
    /// of an instant in that window.
    pub(crate) fn judge_lone<'a>(
        &mut self,
        subject: Subject<'_>,
        index: ShiftIndex,
        (seen, walk): (impl Iterator<Item = Seen<'a>>, &Walk),
        moment: Moment<'_>,
    ) -> Judged {
        let mut judged = self.fresh(subject, moment.clock);
        let mut punches: Vec<(Seen<'_>, Bound)> = emptied(std::mem::take(&mut self.punches));
        punches.extend(seen.zip(walk.made()).map(|(seen, (standing, direction))| {
            let (run, shift) = (Some(index.0), Some(index));
            (seen, Bound { standing: *standing, run, shift, direction: Some(*direction) })
        }));
        judged.scope.dates.extend(punches.first().map(|(seen, _)| seen.business_date));
        self.judge_bound(subject, (index, 0), &punches, moment, &mut judged);
        self.punches = emptied(punches);
        judged.findings.sort_unstable_by_key(|finding| (finding.first_at, finding.kind, finding.id));
        judged
    }

    /// Judges a shift from the punches that go with it.
    fn judge_bound(
        &mut self,
        subject: Subject<'_>,
        (index, known_from): (ShiftIndex, u32),
        punches: &[(Seen<'_>, Bound)],
        moment: Moment<'_>,
        out: &mut Judged,
    ) {
        let roster = subject.roster;
        out.scope.shift_ids.push(roster.shift_at(index).shift_id.clone());
        let mut held: Vec<Held<'_>> = emptied(std::mem::take(&mut self.held));
        let binding = punches.iter().filter(|(_, bound)| bound.standing == Standing::Binds);
        held.extend(binding.map(|(punch, bound)| Held::of(*punch, bound)));
        let window = roster.window(index);
        let corrections = corrections_at(roster, index, moment.clock);
        let is_planned = roster.shift_at(index).plan == ShiftPlan::Planned;
        let is_corrected = is_planned && corrections.iter().any(Option::is_some);
        let is_reached = window.closes >= moment.since && window.opens <= moment.until;
        let has_row = !held.is_empty() || is_reached && (is_corrected || window.is_closed(moment.clock));
        let mut due = DueTime::of(roster, index, moment.clock);
        let neighbours = Neighbours { roster, index, ends: &self.ends, known_from };
        if !self.ends.is_empty() {
            due.excuse(roster.shift_at(index).start, neighbours.excused_min());
        }
        let case = Case { roster, index, due: &due, held: &held, corrections, clock: moment.clock };
        let outcome = case.outcome();
        if has_row || is_reached {
            let is_bound = !held.is_empty() || is_corrected;
            let mut hours = None;
            if !self.ends.is_empty() && is_bound {
                let Hours { fact, next } = case.hours(neighbours.worked_before_s());
                hours = fact;
                self.ahead.extend(next.map(|at| Instant { at, timer: Timer::Hours(index) }));
            }
            // Before it wakes it has no instants: it gets them then.
            let may_move = !roster.is_plain(index) || !self.ends.is_empty();
            if !is_bound && may_move && wakes(roster, index) <= moment.clock {
                let no_show = no_show_at(roster, index, &due).map(|at| (at, Timer::NoShow(index)));
                let remind = remind_at(roster, index, &due).map(|at| (at, Timer::Remind(index)));
                let ahead = no_show.into_iter().chain(remind).filter(|(at, _)| *at > moment.clock);
                self.ahead.extend(ahead.map(|(at, timer)| Instant { at, timer }));
            }
            let mut shift = JudgedShift {
                index,
                outcome: &outcome,
                due: &due,
                punches,
                is_bound,
                is_held_back: moment.holds.shifts.contains(&index),
                neighbours,
                hours,
                clock: moment.clock,
            };
            let is_due = || no_show_at(roster, index, &due).is_some_and(|at| at <= moment.clock);
            if shift.is_held_back && !shift.is_bound && is_due() {
                out.withheld.push(outcome.shift_id.clone());
            }
            let mut findings = Findings { found: &mut out.findings, spent: &mut self.spent_ids };
            subject.of_shift(&mut shift, &mut findings);
        }
        if has_row {
            // Closed before the log began, it has no instants but what a late punch gives it: otherwise nothing is known of it here.
            let settled = settles(roster, index);
            if window.closes < moment.since && settled > moment.clock {
                self.ahead.push(Instant { at: settled, timer: Timer::Settled(index) });
            }
            out.outcomes.push(outcome);
        }
        self.held = emptied(held);
    }

    fn judge_days(&mut self, subject: Subject<'_>, seen: &[Seen<'_>], out: &mut Judged) {
        let unbound = || seen.iter().zip(&self.bound).filter(|(_, bound)| bound.run.is_none());
        if unbound().next().is_none() {
            return;
        }
        let mut of_day: Vec<Seen<'_>> = emptied(std::mem::take(&mut self.of_day));
        for day in &out.scope.dates {
            of_day.clear();
            of_day.extend(unbound().map(|(seen, _)| *seen).filter(|seen| seen.business_date == *day));
            let mut findings = Findings { found: &mut out.findings, spent: &mut self.spent_ids };
            subject.of_day(*day, &of_day, &mut findings);
        }
        self.of_day = emptied(of_day);
    }

    /// What binding makes of the punch at `at` of the sorted `seen`, which falls into `run`.
    pub(crate) fn bind_one(
        &mut self,
        roster: &Roster,
        person: Option<PersonIndex>,
        seen: &[Seen<'_>],
        at: usize,
        run: Option<u32>,
    ) -> Bound {
        self.binder.bind(roster, person, seen, |other| Some(other) == run, &mut self.bound);
        self.bound[at]
    }
}

/// The same buffer, empty, for values that borrow from something else: what only differs in a lifetime has the same
/// size, so the standard library collects it into the memory it comes from (`tests/allocation.rs` would notice if not).
pub(crate) fn emptied<A, B>(mut values: Vec<A>) -> Vec<B> {
    const { assert!(size_of::<A>() == size_of::<B>() && align_of::<A>() == align_of::<B>()) };
    values.clear();
    values.into_iter().map(|_| unreachable!("an empty buffer holds no value")).collect()
}

/// The shifts of every run with a window that overlaps `span`, by start.
fn list_judged(
    roster: &Roster,
    person: Option<PersonIndex>,
    span: Range<EventTime>,
    out: &mut Vec<ShiftIndex>,
) {
    out.clear();
    let Some(person) = person else { return };
    for index in roster.windows_in(person, span.start, span.end.plus_us(-1)) {
        if out.last().is_none_or(|last| *last < index) {
            out.extend(roster.run(index).map(ShiftIndex));
        }
    }
}
