//! Which shift a punch goes with (contract, section 4, "Binding").
//!
//! In: a plan, punches as stored.  Out: for each punch its [`Fate`].
//! Why so: the day is walked punch by punch, and every question is answered by looking at all punches walked so far.
//! Where the contract's criteria name no shift (an out with none open, an in with all entered), the one punched last is
//! meant, since the person was there a moment ago, else the earliest.

use model::{Kind, Origin, Reason, StoredPunch};

use crate::duty::{Duty, Plan};
use crate::world::Seconds;

/// A punch with what became of it.
#[derive(Clone, Debug)]
pub(crate) struct Punch<'p> {
    pub(crate) stored: &'p StoredPunch,
    pub(crate) at: Seconds,
    pub(crate) fate: Fate,
}

/// What became of a punch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fate {
    /// Its clock is suspect, or it is a correction made by hand.
    Never,
    /// No window holds it.
    Unbound,
    /// It goes with the shift at that place; a re-punch holds nothing.
    With { duty: usize, direction: Kind, is_repunch: bool },
}

impl Punch<'_> {
    pub(crate) fn is_believed(&self) -> bool {
        self.fate != Fate::Never
    }

    /// The direction in which it binds to the shift at `place`, if it does.
    pub(crate) fn binds(&self, place: usize) -> Option<Kind> {
        match self.fate {
            Fate::With { duty, direction, is_repunch: false } if duty == place => Some(direction),
            _ => None,
        }
    }

    pub(crate) fn goes_with(&self, place: usize) -> bool {
        matches!(self.fate, Fate::With { duty, .. } if duty == place)
    }
}

/// The whole seconds of an instant; a punch within a second would need a finer line than this one.
pub(crate) fn seconds(at: model::EventTime) -> Seconds {
    assert_eq!(at.us() % 1_000_000, 0, "punches on whole seconds");
    at.us() / 1_000_000
}

/// All punches by time, then id, each with its fate.
pub(crate) fn bind<'p>(plan: &Plan<'_>, punches: &'p [StoredPunch]) -> Vec<Punch<'p>> {
    let never = |stored: &StoredPunch| {
        stored.origin == Origin::Correction || stored.reasons.contains(Reason::ClockSuspect)
    };
    let mut all: Vec<Punch<'p>> = punches
        .iter()
        .map(|stored| Punch { stored, at: seconds(stored.occurred_at), fate: Fate::Never })
        .collect();
    all.sort_by(|a, b| (a.at, &a.stored.event_id).cmp(&(b.at, &b.stored.event_id)));
    for next in 0..all.len() {
        if never(all[next].stored) {
            continue;
        }
        let holding = holding(plan, all[next].at);
        if holding.is_empty() {
            all[next].fate = Fate::Unbound;
            continue;
        }
        let is_repunch = all[next].stored.reasons.contains(Reason::Repunch) || repeats(plan, &all, next);
        let (duty, direction) = match twin(plan, &all, next).filter(|_| is_repunch) {
            Some(Fate::With { duty, direction, .. }) => (duty, direction),
            _ => choose(plan, &all[..next], &all[next], &holding),
        };
        all[next].fate = Fate::With { duty, direction, is_repunch };
    }
    for (place, duty) in plan.duties.iter().enumerate() {
        settle_lone(duty, place, &mut all);
    }
    all
}

/// The places of the shifts whose window holds `at`.
fn holding(plan: &Plan<'_>, at: Seconds) -> Vec<usize> {
    let duties = plan.duties.iter().enumerate();
    duties.filter(|(_, duty)| duty.is_planned() && duty.holds(at)).map(|(place, _)| place).collect()
}

/// Whether the punch can be the repeat of an earlier one: of its kind, or of any for an `auto` one, where one window holds
/// both. One just before a window opens takes nothing away from the one just behind.
fn is_like(plan: &Plan<'_>, earlier: &Punch<'_>, later: &Punch<'_>) -> bool {
    let kind = later.stored.kind;
    let is_kind = kind == earlier.stored.kind || kind == Kind::Auto;
    let in_one = holding(plan, later.at).iter().any(|place| plan.duties[*place].holds(earlier.at));
    earlier.is_believed() && is_kind && in_one
}

/// Whether one like it lies within `debounce_s` before it.
fn repeats(plan: &Plan<'_>, all: &[Punch<'_>], next: usize) -> bool {
    let later = &all[next];
    let near = |earlier: &&Punch<'_>| later.at - earlier.at <= 3_600 && is_like(plan, earlier, later);
    let Some(last) = all[..next].iter().rev().find(near) else { return false };
    let debounce_s = plan.policy_at(later.at).debounce_s;
    assert!(debounce_s <= 3_600, "a debounce of more than an hour is no double tap");
    debounce_s > 0 && later.at - last.at <= debounce_s
}

/// The fate of the latest one that it may repeat.
fn twin(plan: &Plan<'_>, all: &[Punch<'_>], next: usize) -> Option<Fate> {
    let earlier = all[..next].iter().rev().find(|earlier| is_like(plan, earlier, &all[next]));
    earlier.map(|earlier| earlier.fate)
}

/// What the punches walked so far, by time, did to one shift.
struct Walked {
    is_entered: bool,
    is_open: bool,
    is_on_break: bool,
    last: Option<usize>,
}

fn walked(before: &[Punch<'_>], place: usize) -> Walked {
    let mut walked = Walked { is_entered: false, is_open: false, is_on_break: false, last: None };
    for (at, punch) in before.iter().enumerate() {
        let Some(direction) = punch.binds(place) else { continue };
        walked.last = Some(at);
        walked.is_entered |= direction == Kind::In;
        walked.is_open = direction != Kind::Out;
        walked.is_on_break = direction == Kind::BreakOut;
    }
    walked
}

fn choose(plan: &Plan<'_>, before: &[Punch<'_>], punch: &Punch<'_>, holding: &[usize]) -> (usize, Kind) {
    let is_at = |place: &usize| punch.stored.site_id.as_deref() == Some(&*plan.duties[*place].shift.site);
    let at_site: Vec<usize> = holding.iter().copied().filter(is_at).collect();
    let holding = if at_site.is_empty() { holding.to_vec() } else { at_site };
    let states: Vec<(usize, Walked)> =
        holding.into_iter().map(|place| (place, walked(before, place))).collect();
    let earliest = states[0].0;
    let punched = states.iter().filter(|(_, state)| state.last.is_some());
    let punched_last = punched.max_by_key(|(_, state)| state.last).map_or(earliest, |(place, _)| *place);
    let open = states.iter().find(|(_, state)| state.is_open);
    let distance = |place: usize| (plan.duties[place].start - punch.at).abs();
    let un_entered = states.iter().filter(|(_, state)| !state.is_entered).map(|(place, _)| *place);
    let to_enter = un_entered.min_by_key(|place| distance(*place)).unwrap_or(punched_last);
    match (punch.stored.kind, open) {
        (Kind::In, _) => (to_enter, Kind::In),
        (Kind::Auto, None) => (to_enter, Kind::In),
        (Kind::Auto, Some((place, state))) => (*place, if state.is_on_break { Kind::In } else { Kind::Out }),
        (stated, Some((place, _))) => (*place, stated),
        (stated, None) => (punched_last, stated),
    }
}

/// "A lone one is an in if nearer the start."
fn settle_lone(duty: &Duty<'_>, place: usize, all: &mut [Punch<'_>]) {
    let bound: Vec<usize> = (0..all.len()).filter(|at| all[*at].binds(place).is_some()).collect();
    let [lone] = bound[..] else { return };
    if all[lone].stored.kind != Kind::Auto {
        return;
    }
    let is_nearer_start = (all[lone].at - duty.start).abs() < (all[lone].at - duty.end).abs();
    let settled = if is_nearer_start { Kind::In } else { Kind::Out };
    for punch in all.iter_mut().filter(|punch| punch.goes_with(place)) {
        if let Fate::With { direction, .. } = &mut punch.fate {
            *direction = settled;
        }
    }
}
