//! Reading ahead what judging the next punches and timers will read.
//!
//! In: the places of the punches to come in their batch; the timers to come.  Out: nothing but warm caches.
//! Absent on purpose: any decision. Leaving a call out changes no result.
//! Why so: a person's shift, texts and punches are a dozen cache lines somewhere in memory, most found only through
//! another. Met one after the other each is waited for; asked for sixteen people at a time, step by step, the waits run
//! beside each other. Reading is all that safe code can do to ask, and it is enough.

use std::hint::black_box;
use std::ops::Range;

use model::{Batch, DueBatch, PersonIndex};

use super::PartitionState;
use crate::book::Kept;
use crate::roster::{Roster, ShiftIndex};

/// How many people are read ahead at once: about as many cache lines as a core can wait for.
pub const AHEAD: usize = 16;

/// A person, and the shift that is about to be judged.
type Coming = (PersonIndex, Option<ShiftIndex>);

impl PartitionState {
    /// Reads ahead for the punches at `places` of a batch that was located by this state's snapshot.
    pub fn foresee(&self, batch: &Batch, due: &DueBatch, places: Range<usize>) {
        let places = places.start..places.end.min(due.rows.len());
        let mut coming = [None; AHEAD];
        for at in places.clone().step_by(AHEAD) {
            let until = places.end.min(at + AHEAD);
            let known = due.rows[at..until].iter().zip(&batch.punches[at..until]);
            for (coming, (due, punch)) in coming.iter_mut().zip(known) {
                let shift =
                    |person| self.roster.windows_in(person, punch.occurred_at, punch.occurred_at).next();
                *coming = due.person.map(|person| (person, shift(person)));
            }
            self.read_ahead(&coming[..until - at]);
        }
    }

    /// Reads ahead for the timers that come out next.
    pub(super) fn foresee_timers(&self) {
        let mut coming = [None; AHEAD];
        let mut len = 0;
        for (coming, shift) in coming.iter_mut().zip(self.timers.coming()) {
            *coming = Some((self.roster.shift_at(shift).person, Some(shift)));
            len += 1;
        }
        self.read_ahead(&coming[..len]);
    }

    fn read_ahead(&self, coming: &[Option<Coming>]) {
        let roster = &*self.roster;
        let mut punches: [&[Kept]; AHEAD] = [&[]; AHEAD];
        for (punches, (person, _)) in punches.iter_mut().zip(coming.iter().flatten()) {
            *punches = self.book.punches_of(*person);
        }
        let rows = coming.iter().flatten().map(|coming| rows(roster, *coming));
        let kept = punches.iter().filter_map(|punches| punches.last());
        let kept: i64 = kept.map(|kept| kept.occurred_at.us()).fold(0, i64::wrapping_add);
        black_box(rows.fold(0, usize::wrapping_add));
        black_box(kept);
        let texts = coming.iter().flatten().map(|coming| texts(roster, *coming));
        black_box(texts.fold(0, usize::wrapping_add));
    }
}

/// Touches the rows of the person and of the shift.
fn rows(roster: &Roster, (person, shift): Coming) -> usize {
    let person = roster.reference().person(person);
    let shift = shift.map_or(0, |index| {
        let shift = roster.shift_at(index);
        shift.breaks.len() + shift.policy.0 as usize + roster.reference().site(shift.site).org.len()
    });
    person.org.len() + person.employee_id.len() + shift
}

/// Touches what the rows point to.
fn texts(roster: &Roster, (person, shift): Coming) -> usize {
    let first = |text: &str| usize::from(text.as_bytes().first().copied().unwrap_or_default());
    let shift = shift.map_or(0, |index| {
        let shift = roster.shift_at(index);
        let site = roster.reference().site(shift.site);
        let breaks = shift.breaks.first().map_or(0, |first| usize::from(first.paid));
        first(&shift.shift_id) + first(&site.site_id) + first(&site.org) + breaks
    });
    first(&roster.reference().person(person).employee_id) + shift
}
