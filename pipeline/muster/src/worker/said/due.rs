//! What is to be said of shifts at a cut: kept until then, compared with what was said some at a time.
//!
//! In: outcomes as shifts are judged.  Out: new versions of shift results.  Owns: the outcomes since the last cut.
//! Invariants: I-5 through `frontier::said`.
//! Why so: a shift may be judged several times between two cuts, and comparing costs several times what keeping does. All
//! at once, the comparison of a cut would keep punches waiting for tens of milliseconds.

use std::collections::HashMap;
use std::sync::Arc;

use attendance::{Plan, Roster};
use foldhash::fast::FixedState;
use frontier::said::Decision;
use model::ShiftResult;
use model::position::Cause;
use model::shift_result::ShiftOutcome;

use super::{ResultKey, SaidBook, SaidResult};

/// The outcomes since the last cut, in the order in which they came about: of each shift and person the latest, and where
/// among these each shift's latest is.
#[derive(Default)]
pub(super) struct Outcomes {
    kept: Vec<Option<(ShiftOutcome, Cause)>>,
    places: HashMap<Arc<str>, u32, FixedState>,
}

impl Outcomes {
    /// Keeps an outcome, in the place of an earlier one of the same shift and person.
    pub(super) fn keep(&mut self, outcome: ShiftOutcome, cause: Cause) {
        if let Some(known) = self.place_of(&outcome.shift_id)
            && let Some((known, known_cause)) = &mut self.kept[known]
            && known.employee_id == outcome.employee_id
        {
            (*known, *known_cause) = (outcome, cause);
            return;
        }
        let place = u32::try_from(self.kept.len()).expect("fewer shifts than 2^32 between cuts");
        self.places.insert(outcome.shift_id.clone(), place);
        self.kept.push(Some((outcome, cause)));
    }

    /// Drops the outcomes that `is_over` names.
    pub(super) fn drop_those(&mut self, is_over: impl Fn(&ShiftOutcome) -> bool) {
        for kept in &mut self.kept {
            if kept.as_ref().is_some_and(|(outcome, _)| is_over(outcome)) {
                *kept = None;
            }
        }
    }

    /// The latest outcome of a shift, whosever it is.
    pub(super) fn latest(&self, shift_id: &str) -> Option<&ShiftOutcome> {
        let (outcome, _) = self.kept[self.place_of(shift_id)?].as_ref()?;
        Some(outcome)
    }

    /// Nothing, with the room that the same number needs, but not that of a day judged again at once.
    fn emptied(mut self) -> Self {
        let room = self.kept.len().saturating_mul(2);
        self.kept.clear();
        self.kept.shrink_to(room);
        self.places.clear();
        self.places.shrink_to(room);
        self
    }

    fn place_of(&self, shift_id: &str) -> Option<usize> {
        self.places.get(shift_id).map(|place| *place as usize)
    }
}

/// What one cut has to say of shifts, by shift, as far as it was not compared yet.
pub(in crate::worker) struct Due {
    outcomes: Outcomes,
    /// Places among them, the next one last.
    order: Vec<u32>,
}

impl Due {
    /// Whether everything was compared.
    pub(in crate::worker) fn is_over(&self) -> bool {
        self.order.is_empty()
    }

    /// Whether a shift is among them.
    pub(super) fn holds(&self, shift_id: &str) -> bool {
        self.outcomes.place_of(shift_id).is_some()
    }
}

impl SaidBook {
    /// Takes what is to be said of shifts since the last cut; [`Self::say_some`] compares it. What was taken before must have
    /// been compared by then.
    pub(in crate::worker) fn take_due(&mut self) -> Due {
        let outcomes = std::mem::replace(&mut self.outcomes, self.spare.take().unwrap_or_default());
        let kept = &outcomes.kept;
        let shift_of = |place: &u32| kept[*place as usize].as_ref().map(|(outcome, _)| &outcome.shift_id);
        let mut order = Vec::from_iter(0..u32::try_from(kept.len()).expect("as counted by `keep`"));
        order.sort_unstable_by(|a, b| shift_of(b).cmp(&shift_of(a)).then(b.cmp(a)));
        Due { outcomes, order }
    }

    /// Tells the new versions of shift results among the next `count` of `due`: for each shift its latest outcome where that
    /// differs from what was said; and of each whether its month is closed. One that goes from one closed month to another,
    /// or out of one or into one, is taken back where it was first: each month adds up by itself.
    pub(in crate::worker) fn say_some(
        &mut self,
        due: &mut Due,
        count: usize,
        digest: impl Fn(&ShiftOutcome) -> u64,
        roster: &Roster,
        mut say: impl FnMut(ShiftResult, bool),
    ) {
        for place in due.order.drain(due.order.len().saturating_sub(count)..).rev() {
            let Some((outcome, cause)) = due.outcomes.kept[place as usize].take() else { continue };
            let (inputs, key) = (digest(&outcome), ResultKey::of(&outcome));
            let taken_back = self.taken_back(&outcome, &key, roster);
            let taken_back =
                taken_back.filter(|_| self.results.decide(&key, inputs, cause) != Decision::Leave);
            let taken_back = taken_back.map(|outcome| (digest(&outcome), outcome));
            for (inputs, outcome) in taken_back.into_iter().chain([(inputs, outcome)]) {
                let value = || SaidResult::of(&outcome);
                if let Some(version) = self.results.say_if_new(&key, inputs, cause, value) {
                    let is_sealed = self.seals.of(outcome.business_date, &outcome.org).is_some();
                    say(ShiftResult { version, outcome, inputs, cause }, is_sealed);
                }
            }
        }
        if due.is_over() {
            self.spare = Some(std::mem::take(&mut due.outcomes).emptied());
        }
    }

    /// What takes back the result that was said of a shift, where the new one falls under another seal.
    fn taken_back(&self, outcome: &ShiftOutcome, key: &ResultKey, roster: &Roster) -> Option<ShiftOutcome> {
        if self.seals.is_empty() {
            return None;
        }
        let SaidResult { plan: Plan { business_date, .. }, org } = &self.results.get(key)?.value;
        if self.seals.of(*business_date, org) == self.seals.of(outcome.business_date, &outcome.org) {
            return None;
        }
        let departure = roster.departure(&key.employee_id, &key.shift_id)?;
        Some(self.results.get(key)?.value.taken_back(roster, departure, key))
    }
}
