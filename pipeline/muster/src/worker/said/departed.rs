//! What was said of shifts that have since gone to another person, or to another time, is taken back.
//!
//! In: the roster that holds now, and how far back what changed is judged again.  Out: resolved findings; outcomes that take back
//! what was said.
//! Owns: nothing.
//! Absent on purpose: a comparison with the roster before: an owner that recovers has none, and finds the same by what was said.
//! Invariants: I-30 what was said of a shift that left is taken back; I-5 through `frontier::said`, as for every other version.

use std::collections::HashSet;
use std::sync::Arc;

use attendance::{Departure, Plan, Roster, ShiftIndex};
use model::anomaly::Finding;
use model::position::Cause;
use model::{AnomalyState, EventTime};

use super::{Among, ResultKey, SaidBook, SaidResult};

/// Of whom everything that was said is known.
#[derive(Clone, Copy, Debug)]
pub(in crate::worker) enum Reach<'a> {
    /// Of everybody, but for shifts whose window opened before that: these are judged from the lake.
    Memory(EventTime),
    /// Of these people, who were just read from the lake and judged.
    People(&'a HashSet<Arc<str>>),
}

impl SaidBook {
    /// Of a part of what was said, resolves what fires since `from` about shifts that have gone to another person, or to a time that has not come. Gives the
    /// shifts that have gone to a time before `from`, where nobody judges them again unless asked to.
    pub(in crate::worker) fn resolve_departed(
        &mut self,
        roster: &Roster,
        from: EventTime,
        here: Cause,
        among: Among<'_>,
    ) -> Vec<ShiftIndex> {
        let clock = here.clock.time();
        let is_before = |index: ShiftIndex| roster.window(index).closes < from;
        let (mut over, mut moved) = (Vec::<Finding>::new(), Vec::new());
        for said in self.findings(among) {
            let finding = &said.value.finding;
            if said.value.state != AnomalyState::Firing || finding.last_at < from {
                continue;
            }
            let (Some(employee_id), Some(shift_id)) = (&finding.employee_id, &finding.shift_id) else {
                continue;
            };
            match roster.departure(employee_id, shift_id) {
                Some(Departure::Reassigned(_)) => over.push(finding.clone()),
                Some(Departure::Kept(index)) if roster.is_left_behind(index, finding.last_at, clock) => {
                    over.push(finding.clone());
                }
                Some(Departure::Kept(index)) => moved.extend(is_before(index).then_some(index)),
                None => {}
            }
        }
        for (key, said) in self.results(among).filter(|(_, said)| said.plan.end >= from) {
            if let Some(Departure::Kept(index)) = roster.departure(&key.employee_id, &key.shift_id) {
                moved.extend((is_before(index) && roster.plan(index) != said.plan).then_some(index));
            }
        }
        over.sort_by_key(|finding| (finding.first_at, finding.kind, finding.id));
        for finding in over {
            self.level(&finding, AnomalyState::Resolved, Some("reference".into()), clock, here);
        }
        moved.sort_unstable();
        moved.dedup();
        moved
    }

    /// Takes back the results since `from` of shifts that have gone to another person, or to another time at which they have no
    /// outcome yet.
    pub(in crate::worker) fn take_back(
        &mut self,
        roster: &Roster,
        from: EventTime,
        here: Cause,
        reach: Reach<'_>,
        among: Among<'_>,
    ) {
        let has_left = |(key, said): (&ResultKey, &SaidResult)| {
            let plan = said.plan;
            let is_reached = match reach {
                Reach::Memory(_) => true,
                Reach::People(people) => people.contains(&key.employee_id),
            };
            if plan.end < from || !is_reached {
                return None;
            }
            let departure = roster.departure(&key.employee_id, &key.shift_id)?;
            if let Departure::Kept(index) = departure {
                let is_known = match reach {
                    Reach::Memory(floor) => roster.window(index).opens >= floor,
                    Reach::People(_) => true,
                };
                if !is_known || roster.plan(index) == plan || self.is_judged_at(index, roster, key) {
                    return None;
                }
            }
            Some((key.clone(), departure, said.clone()))
        };
        let mut departed: Vec<_> = self.results(among).filter_map(has_left).collect();
        departed
            .sort_by(|(a, ..), (b, ..)| (&a.shift_id, &a.employee_id).cmp(&(&b.shift_id, &b.employee_id)));
        for (key, departure, said) in departed {
            self.outcomes.keep(said.taken_back(roster, departure, &key), here);
        }
    }

    /// Forgets outcomes since the last cut of shifts that have left before anything was said of them.
    pub(in crate::worker) fn drop_departed(&mut self, roster: &Roster) {
        let Self { outcomes, results, .. } = self;
        outcomes.drop_those(|outcome| {
            results.get(&ResultKey::of(outcome)).is_none()
                && match roster.departure(&outcome.employee_id, &outcome.shift_id) {
                    Some(Departure::Reassigned(_)) => true,
                    Some(Departure::Kept(index)) => roster.plan(index) != Plan::of(outcome),
                    None => false,
                }
        });
    }

    /// Whether since the last cut the shift has got an outcome at the time at which the roster has it.
    fn is_judged_at(&self, index: ShiftIndex, roster: &Roster, key: &ResultKey) -> bool {
        self.outcomes.latest(&key.shift_id).is_some_and(|outcome| {
            outcome.employee_id == key.employee_id && Plan::of(outcome) == roster.plan(index)
        })
    }
}
