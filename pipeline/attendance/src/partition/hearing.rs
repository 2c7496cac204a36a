//! When a partition listens whether an org has fallen silent, and what then becomes of its no-shows.
//!
//! In: timers that are due, answers to questions.  Out: questions, notes, judgements.  Owns: nothing beyond the partition's
//! [`Silence`] and timers.
//! Why so: listening has timers of its own, since the partition that speaks for an org may have none of its people.

use std::sync::Arc;

use model::{EventTime, StoredPunch};

use super::{ClockSource, DAY_US, PartitionState, Step};
use crate::due::{no_show_by, patience_min};
use crate::roster::{Roster, ShiftIndex};
use crate::silence::{ASK_AGAIN_US, HELD_US_MAX, Listen, STARTS_MIN, Scene, Silence, Verdict};
use crate::timers::{Begin, Instant, Timer};

impl PartitionState {
    /// Sets when to listen for the orgs that this partition speaks for, and holds back what fell due a while ago and may
    /// have been held back by whoever stood here.
    pub(super) fn prick_up(&mut self, begin: Begin) {
        let roster = Arc::clone(&self.roster);
        let clock = self.clock;
        let recent = clock.plus_us(-2 * HELD_US_MAX);
        for (org, starts) in roster.starts() {
            if starts.len() < STARTS_MIN || !self.scene(&roster).speaks_for(org) {
                continue;
            }
            let begun = starts.partition_point(|shift| roster.shift_at(*shift).start < recent);
            let is_past = |shift: &&ShiftIndex| listened_at(&roster, **shift) <= clock;
            let past = starts[begun..].iter().take_while(is_past).last();
            if let Some(shift) = past.filter(|_| begin != Begin::Fresh) {
                // And again: what was said from further on can be answered only there.
                for at in [clock, clock.plus_us(ASK_AGAIN_US)] {
                    self.timers.push(Instant { at, timer: Timer::ListenAgain(*shift) });
                }
            }
            if let Some(shift) = starts[begun..].iter().find(|shift| !is_past(shift)) {
                self.timers.push(Instant { at: listened_at(&roster, *shift), timer: Timer::Listen(*shift) });
            }
        }
        if begin == Begin::Fresh {
            return;
        }
        let may_be_held = |shift: &ShiftIndex| {
            let is_recent = roster.shift_at(*shift).start.plus_us(DAY_US + HELD_US_MAX) > clock;
            let due = || no_show_by(&roster, *shift, clock);
            let at = is_recent.then(due).flatten();
            at.is_some_and(|at| at <= clock && at.plus_us(HELD_US_MAX) > clock)
        };
        let shifts: Vec<ShiftIndex> =
            self.timers.opened().iter().filter(|shift| may_be_held(shift)).copied().collect();
        let mut silence = std::mem::take(&mut self.silence);
        silence.hold_unless_heard(self.scene(&roster), &shifts);
        self.silence = silence;
    }

    fn scene<'a>(&'a self, roster: &'a Roster) -> Scene<'a> {
        let since = self.since.unwrap_or(self.clock);
        Scene { roster, book: &self.book, settings: &self.settings, since, clock: self.clock }
    }

    /// Asks the partition's silence something, where it stands.
    fn listening<T>(
        &mut self,
        sink: &mut dyn FnMut(Step),
        ask: impl FnOnce(&mut Silence, Scene<'_>, &mut Vec<Step>) -> T,
    ) -> T {
        let roster = Arc::clone(&self.roster);
        let (mut silence, mut steps) = (std::mem::take(&mut self.silence), Vec::new());
        let answer = ask(&mut silence, self.scene(&roster), &mut steps);
        self.silence = silence;
        steps.into_iter().for_each(sink);
        answer
    }

    /// The answer to [`Step::Listen`]: the stored punches it asks for.
    pub fn heard(&mut self, listen: &Listen, punches: &[StoredPunch], sink: &mut dyn FnMut(Step)) {
        let heard = |silence: &mut Silence, scene: Scene<'_>, out: &mut Vec<Step>| {
            silence.heard(scene, listen, punches, out)
        };
        for shift in self.listening(sink, heard) {
            self.judge_shift(shift, |_| true, sink);
        }
    }

    pub(super) fn listen(&mut self, shift: ShiftIndex, is_again: bool, sink: &mut dyn FnMut(Step)) {
        let again = self.listening(sink, |silence, scene, out| silence.listen(scene, shift, is_again, out));
        if let Some(at) = again {
            self.timers.push(Instant { at, timer: Timer::ListenAgain(shift) });
        }
    }

    /// Sets when to listen next for the org of `shift`: with the next start.
    pub(super) fn listen_next(&mut self, shift: ShiftIndex) {
        let roster = &self.roster;
        let starts = roster.starts_of(&roster.shift_site(shift).org);
        let start = roster.shift_at(shift).start;
        let next = starts.partition_point(|other| roster.shift_at(*other).start <= start);
        if let Some(shift) = starts.get(next).copied() {
            let at = listened_at(roster, shift);
            self.timers.push(Instant { at, timer: Timer::Listen(shift) });
        }
    }

    pub(super) fn fire_no_show(&mut self, shift: ShiftIndex, sink: &mut dyn FnMut(Step)) {
        let roster = self.roster.clone();
        // Leave may have come into force since the instant was set.
        let due_at = no_show_by(&roster, shift, self.clock);
        let Some(due_at) = due_at.filter(|at| *at <= self.clock) else {
            self.silence.let_go(&roster, shift);
            if let Some(at) = due_at {
                self.timers.push(Instant { at, timer: Timer::NoShow(shift) });
            }
            return;
        };
        if self.settings.clock == ClockSource::Append {
            let ask = |silence: &mut Silence, scene: Scene<'_>, out: &mut Vec<Step>| {
                silence.ask(scene, shift, due_at, out)
            };
            if let Verdict::Hold(at) = self.listening(sink, ask) {
                self.timers.push(Instant { at, timer: Timer::Held(shift) });
                return;
            }
        }
        // Where something is bound to the shift, nobody is missing.
        self.judge_shift(shift, |walk| !walk.is_bound(), sink);
    }
}

/// When to listen whether the org of a shift is silent: when the no-shows of those who start with it fall due.
fn listened_at(roster: &Roster, shift: ShiftIndex) -> EventTime {
    roster.shift_at(shift).start.plus_min(patience_min(roster, shift))
}
