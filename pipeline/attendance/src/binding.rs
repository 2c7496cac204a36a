//! Which shift a punch belongs to, and in which direction it goes (contract, section 4, "Binding").
//!
//! In: one person's punches by instant, with their standing; the windows of one run.  Out: shift and direction of each.
//! Invariants: I-4 the result is a function of the set of punches and the snapshot; I-8 only windows bind. Kept by
//! going through the set in the order of time from the run's first opening, never from the middle.
//! Why so: "open" and "un-entered" are states along the day, so the set is walked like a day; where the contract's
//! criteria name no shift (an out with none open, an in with all entered) the one punched last is meant, since the
//! person was there a moment ago, else the earlier.

use std::ops::Range;

use model::reference::ShiftPlan;
use model::{EventTime, Kind, PersonIndex};

use crate::roster::{Roster, ShiftIndex};
use crate::standing::{Seen, Standing, repeats, standing};

/// One punch with what binding made of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bound {
    /// Whether it may hold anything.
    pub(crate) standing: Standing,
    /// The first shift of the run it falls into; none where no window holds it.
    pub(crate) run: Option<u32>,
    /// The shift it goes with.
    pub(crate) shift: Option<ShiftIndex>,
    /// In, out, break out or break in; `None` where an `auto` punch never binds.
    pub(crate) direction: Option<Kind>,
}

/// Where the person is in a shift, as far as the punches walked tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    NotCome,
    Working,
    OnBreak,
    Left,
}

struct Candidate {
    shift: ShiftIndex,
    presence: Presence,
    is_entered: bool,
    /// The place of the last punch bound to it.
    punched_last: Option<usize>,
}

/// Buffers for [`bind`], kept by the caller so that a warm call allocates nothing.
#[derive(Default)]
pub(crate) struct Binder {
    candidates: Vec<Candidate>,
    holding: Vec<usize>,
}

impl Binder {
    /// Fills `out` with one row per punch of the sorted `seen`. Punches of runs that are not `wanted` keep their run and
    /// get no shift.
    pub(crate) fn bind(
        &mut self,
        roster: &Roster,
        person: Option<PersonIndex>,
        seen: &[Seen<'_>],
        wanted: impl Fn(u32) -> bool,
        out: &mut Vec<Bound>,
    ) {
        out.clear();
        out.extend(seen.iter().map(|punch| Bound {
            standing: Standing::Never,
            run:
                person.filter(|_| punch.counts()).and_then(|person| roster.run_at(person, punch.occurred_at)),
            shift: None,
            direction: Some(punch.kind).filter(|kind| *kind != Kind::Auto),
        }));
        for at in 0..out.len() {
            let may_share = |earlier: usize| out[earlier].run == out[at].run;
            out[at].standing = standing(roster, person, seen, at, may_share);
        }
        let mut done: [Option<u32>; 2] = [None, None];
        for at in 0..out.len() {
            let Some(run) = out[at].run.filter(|run| !done.contains(&Some(*run)) && wanted(*run)) else {
                continue;
            };
            // Runs lie one behind the other in time; at a cut two can interleave, and no more than two.
            done = [Some(run), done[0]];
            self.bind_run(roster, roster.run(ShiftIndex(run)), seen, out);
        }
        alternate_unbound(seen, out);
    }

    fn bind_run(&mut self, roster: &Roster, run: Range<u32>, seen: &[Seen<'_>], out: &mut [Bound]) {
        self.candidates.clear();
        let planned = run.clone().map(ShiftIndex).filter(|s| roster.shift_at(*s).plan == ShiftPlan::Planned);
        self.candidates.extend(planned.map(|shift| Candidate {
            shift,
            presence: Presence::NotCome,
            is_entered: false,
            punched_last: None,
        }));
        for at in 0..seen.len() {
            if out[at].run != Some(run.start) {
                continue;
            }
            if out[at].standing == Standing::Repunch
                && let Some(first) = repeated(seen, out, at)
            {
                (out[at].shift, out[at].direction) = (out[first].shift, out[first].direction);
                continue;
            }
            self.find_holding(roster, &seen[at]);
            let (choice, direction) = self.choose(roster, &seen[at]);
            let candidate = &mut self.candidates[choice];
            (out[at].shift, out[at].direction) = (Some(candidate.shift), Some(direction));
            if out[at].standing == Standing::Binds {
                candidate.take(at, direction);
            }
        }
        for candidate in &self.candidates {
            settle_lone(roster, candidate.shift, seen, out);
        }
    }

    /// The candidates whose window holds the punch; of several only those at the verdict's site, if any is.
    fn find_holding(&mut self, roster: &Roster, punch: &Seen<'_>) {
        let Self { candidates, holding } = self;
        holding.clear();
        holding.extend((0..candidates.len()).filter(|at| {
            let window = roster.window(candidates[*at].shift);
            window.holds(punch.occurred_at)
        }));
        let is_at_site = |at: &usize| {
            punch.site_id.is_some_and(|site| roster.shift_site(candidates[*at].shift).site_id == *site)
        };
        if holding.len() > 1 && holding.iter().any(is_at_site) {
            holding.retain(is_at_site);
        }
    }

    fn choose(&self, roster: &Roster, punch: &Seen<'_>) -> (usize, Kind) {
        let is_open = |at: &&usize| self.candidates[**at].is_open();
        match punch.kind {
            Kind::In => (self.choose_for_in(roster, punch.occurred_at), Kind::In),
            Kind::Out | Kind::BreakOut | Kind::BreakIn => (self.choose_for_out(), punch.kind),
            Kind::Auto => match self.holding.iter().find(is_open) {
                Some(at) if self.candidates[*at].presence == Presence::OnBreak => (*at, Kind::In),
                Some(at) => (*at, Kind::Out),
                None => (self.choose_for_in(roster, punch.occurred_at), Kind::In),
            },
        }
    }

    /// The un-entered one with the nearest start, the earlier of two; with all entered, the one punched last.
    fn choose_for_in(&self, roster: &Roster, at: EventTime) -> usize {
        let distance = |place: &&usize| {
            let start = roster.shift_at(self.candidates[**place].shift).start;
            start.us_since(at).saturating_abs()
        };
        let fresh = self.holding.iter().filter(|place| !self.candidates[**place].is_entered);
        fresh.min_by_key(distance).copied().unwrap_or_else(|| self.punched_last())
    }

    /// The earliest open one; with none open, the one punched last, else the earliest.
    fn choose_for_out(&self) -> usize {
        let open = self.holding.iter().find(|place| self.candidates[**place].is_open());
        open.copied().unwrap_or_else(|| self.punched_last())
    }

    fn punched_last(&self) -> usize {
        // `max_by_key` takes the last of equals, and the earlier shift is wanted where none was punched.
        let last = self.holding.iter().rev().max_by_key(|place| self.candidates[**place].punched_last);
        last.copied().expect("I-8: a punch of a run lies in a window of that run")
    }
}

impl Candidate {
    fn is_open(&self) -> bool {
        matches!(self.presence, Presence::Working | Presence::OnBreak)
    }

    fn take(&mut self, at: usize, direction: Kind) {
        self.punched_last = Some(at);
        self.is_entered |= direction == Kind::In;
        self.presence = match direction {
            Kind::In | Kind::BreakIn | Kind::Auto => Presence::Working,
            Kind::BreakOut => Presence::OnBreak,
            Kind::Out => Presence::Left,
        };
    }
}

/// The latest earlier punch that the one at `at` repeats.
fn repeated(seen: &[Seen<'_>], out: &[Bound], at: usize) -> Option<usize> {
    (0..at)
        .rev()
        .find(|earlier| out[*earlier].run == out[at].run && repeats(seen[at].kind, seen[*earlier].kind))
}

/// A lone `auto` punch of a shift is an in if nearer the start than the end, else an out.
fn settle_lone(roster: &Roster, shift: ShiftIndex, seen: &[Seen<'_>], out: &mut [Bound]) {
    let is_held = |bound: &Bound| bound.shift == Some(shift) && bound.standing == Standing::Binds;
    let mut held = (0..out.len()).filter(|at| is_held(&out[*at]));
    let (Some(lone), None) = (held.next(), held.next()) else { return };
    if seen[lone].kind != Kind::Auto {
        return;
    }
    let (at, plan) = (seen[lone].occurred_at, roster.shift_at(shift));
    let (to_start, to_end) =
        (at.us_since(plan.start).saturating_abs(), at.us_since(plan.end).saturating_abs());
    let direction = if to_start < to_end { Kind::In } else { Kind::Out };
    for bound in out.iter_mut().filter(|bound| bound.shift == Some(shift)) {
        bound.direction = Some(direction);
    }
}

/// `auto` punches that no shift holds alternate through their day, beginning with an in.
fn alternate_unbound(seen: &[Seen<'_>], out: &mut [Bound]) {
    for at in 0..out.len() {
        if seen[at].kind != Kind::Auto || out[at].run.is_some() || out[at].standing == Standing::Never {
            continue;
        }
        let same_day = |earlier: &usize| {
            out[*earlier].run.is_none()
                && out[*earlier].standing != Standing::Never
                && seen[*earlier].business_date == seen[at].business_date
        };
        let before = (0..at).rev().find(same_day).and_then(|earlier| out[earlier].direction);
        out[at].direction = match (before, out[at].standing) {
            (Some(before), Standing::Repunch) => Some(before),
            (Some(Kind::In | Kind::BreakIn), _) => Some(Kind::Out),
            _ => Some(Kind::In),
        };
    }
}
