//! Which instants of a shift, a leave or a correction change what holds, and in what order they come.
//!
//! In: a snapshot, which people are this partition's, the log clock.  Out: timers that are due, in order of time.
//! Owns: the partition's shifts by opening (4 bytes each) and the instants of those that have opened.
//! Absent on purpose: what firing means (`partition`), and any wall clock.
//! Invariants: timers come out in order of (instant, kind, row), whatever order they went in; a shift's own instants are
//! set once, when its window opens or its person is reminded; what rests on punches, or on leave that has come into force
//! since, is added by whoever judges.
//! Why so: people begin their shifts together, so one entry for an instant holds all their rows, four bytes each, sorted
//! once when it falls due; a heap takes six times that and a walk through memory for each. Four instants for each of a month's shifts would be a gigabyte of heap; the shifts sorted by opening are
//! their own schedule, and only the shifts under way have entries.

use std::collections::BTreeMap;

use model::reference::{RequestStatus, ShiftPlan};
use model::{EventTime, PersonIndex};

use crate::due::{no_show_by, remind_by};
use crate::minutes::corrected;
use crate::roster::{Roster, ShiftIndex};

/// What an instant stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// No-shows of those who start with this shift are about to fall due: listen whether its org is silent.
    Listen(ShiftIndex),
    /// Listen once more.
    ListenAgain(ShiftIndex),
    /// Due start, grace and waiting time have passed.
    NoShow(ShiftIndex),
    /// A no-show that was held back is asked for again.
    Held(ShiftIndex),
    /// The window has closed.
    Closed(ShiftIndex),
    /// `settle_min` has passed since: what holds now is final.
    Settled(ShiftIndex),
    /// The person is to be reminded, if not there yet.
    Remind(ShiftIndex),
    /// The hours of a person at work come near, or go beyond, what is allowed.
    Hours(ShiftIndex),
    /// A leave, by its place in the snapshot, comes into force.
    Leave(u32),
    /// A correction, by its place in the snapshot, comes into force.
    Correction(u32),
}

/// A timer and when it is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant {
    /// The instant at which the log's clock must stand.
    pub at: EventTime,
    /// What it stands for.
    pub timer: Timer,
}

/// The instants of one shift instance under the leave in force at `clock`, in order.
pub fn next_instants(
    roster: &Roster,
    shift: ShiftIndex,
    clock: EventTime,
) -> impl Iterator<Item = Instant> + use<> {
    let window = roster.window(shift);
    let is_planned = roster.shift_at(shift).plan == ShiftPlan::Planned;
    let no_show = is_planned.then(|| no_show_by(roster, shift, clock)).flatten();
    let closed = window.closed_from();
    let settled = settles(roster, shift);
    let no_show = no_show.map(|at| Instant { at, timer: Timer::NoShow(shift) });
    let settled = (settled > closed).then_some(Instant { at: settled, timer: Timer::Settled(shift) });
    let remind = is_planned.then(|| remind_by(roster, shift, clock)).flatten();
    let remind = remind.map(|at| Instant { at, timer: Timer::Remind(shift) });
    let closed = Instant { at: closed, timer: Timer::Closed(shift) };
    [remind, no_show, Some(closed), settled].into_iter().flatten()
}

/// When what holds of a shift is final.
pub(crate) fn settles(roster: &Roster, shift: ShiftIndex) -> EventTime {
    let window = roster.window(shift);
    window.closes.plus_min(roster.shift_policy(shift).settle_min).max(window.closed_from())
}

/// When, and the kind's place in [`Timer`]'s order.
type Due = (EventTime, u8);

/// The instants of one partition's people.
#[derive(Debug, Default)]
pub struct Timers {
    /// How many people they are for.
    pub(crate) people: usize,
    by_opening: Vec<ShiftIndex>,
    opened: usize,
    /// What falls due later: the rows of each instant and kind, in no order.
    later: BTreeMap<Due, Rows>,
    /// What is being taken out, the last row first; nothing of `later` comes before it, but for what was added since.
    now: Option<(Due, Rows)>,
    spent: Vec<Rows>,
}

/// Rows of the snapshot to which one instant means the same: as many as begin their shift together.
type Rows = Vec<u32>;

/// Lists of rows kept for their room.
const SPENT_MAX: usize = 64;

impl Timer {
    fn parts(self) -> (u8, u32) {
        match self {
            Self::Listen(shift) => (0, shift.0),
            Self::ListenAgain(shift) => (1, shift.0),
            Self::NoShow(shift) => (2, shift.0),
            Self::Held(shift) => (3, shift.0),
            Self::Closed(shift) => (4, shift.0),
            Self::Settled(shift) => (5, shift.0),
            Self::Remind(shift) => (6, shift.0),
            Self::Hours(shift) => (7, shift.0),
            Self::Leave(row) => (8, row),
            Self::Correction(row) => (9, row),
        }
    }

    fn of((kind, row): (u8, u32)) -> Self {
        match kind {
            0 => Self::Listen(ShiftIndex(row)),
            1 => Self::ListenAgain(ShiftIndex(row)),
            2 => Self::NoShow(ShiftIndex(row)),
            3 => Self::Held(ShiftIndex(row)),
            4 => Self::Closed(ShiftIndex(row)),
            5 => Self::Settled(ShiftIndex(row)),
            6 => Self::Remind(ShiftIndex(row)),
            7 => Self::Hours(ShiftIndex(row)),
            8 => Self::Leave(row),
            _ => Self::Correction(row),
        }
    }
}

/// The kinds that stand for a moment of a shift whose window has opened.
const OF_SHIFT: std::ops::RangeInclusive<u8> = 2..=7;

impl Timers {
    /// The timers of the people for whom `is_ours`, of a log that begins at `since` and whose clock stands at `clock`. A
    /// shift whose window closed before `since` never gets an instant here. With `Begin::Resumed`, what lies behind the clock
    /// was done by whoever stood there; but a no-show less than `held_us` old is repeated, since it may have been held
    /// back.
    pub fn new(
        roster: &Roster,
        is_ours: impl Fn(PersonIndex) -> bool,
        since: EventTime,
        begin: Begin,
        held_us: i64,
    ) -> Self {
        let mut timers = Self::default();
        for person in (0..roster.reference().people.len() as u32).map(PersonIndex).filter(|p| is_ours(*p)) {
            timers.people += 1;
            timers.by_opening.extend(roster.shifts_of(person).map(ShiftIndex));
            timers.push_requests(roster, person, since, begin);
        }
        timers.by_opening.retain(|shift| roster.window(*shift).closes >= since);
        // They came in the order of rows, and the sort is stable.
        timers.by_opening.sort_by_cached_key(|shift| wakes(roster, *shift));
        if let Begin::Resumed(clock) = begin {
            timers.resume(roster, clock, held_us);
        }
        timers
    }

    /// Adds an instant.
    pub fn push(&mut self, instant: Instant) {
        let (kind, row) = instant.timer.parts();
        let spent = &mut self.spent;
        self.later.entry((instant.at, kind)).or_insert_with(|| spent.pop().unwrap_or_default()).push(row);
    }

    /// Opens the windows that are open when the log's clock stands at `clock`.
    pub fn open(&mut self, roster: &Roster, clock: EventTime) {
        while let Some(shift) = self.by_opening.get(self.opened).copied() {
            let wakes = wakes(roster, shift);
            if wakes > clock {
                break;
            }
            self.opened += 1;
            // As of then, not of `clock`: how far the clock moves at once must not matter.
            next_instants(roster, shift, wakes).for_each(|instant| self.push(instant));
        }
    }

    /// Takes out the next instant that is due when the log's clock stands at `clock`, of windows already opened.
    pub fn pop_due(&mut self, clock: EventTime) -> Option<Instant> {
        let first = self.later.first_key_value().map(|(due, _)| *due);
        let now = self.now.as_ref().filter(|(_, rows)| !rows.is_empty()).map(|(due, _)| *due);
        match (now, first) {
            (None, first) => self.take(first.filter(|(at, _)| *at <= clock)?),
            (Some(now), Some(first)) if first <= now => {
                // Something earlier was added while this was being taken out.
                let left = self.now.take().map(|(_, rows)| rows).unwrap_or_default();
                self.later.entry(now).or_default().extend(left);
                self.take(first);
            }
            _ => {}
        }
        let ((at, kind), rows) = self.now.as_mut()?;
        let row = if *at <= clock { rows.pop() } else { None };
        row.map(|row| Instant { at: *at, timer: Timer::of((*kind, row)) })
    }

    fn take(&mut self, due: Due) {
        let mut rows = self.later.remove(&due).unwrap_or_default();
        rows.sort_unstable_by(|a, b| b.cmp(a));
        // What is judged twice before may have asked twice for the same instant.
        rows.dedup();
        let spent = self.now.replace((due, rows)).map(|(_, rows)| rows);
        if self.spent.len() < SPENT_MAX {
            self.spent.extend(spent);
        }
    }

    /// The shifts whose timers come out next, as far as they are being taken out.
    pub(crate) fn coming(&self) -> impl Iterator<Item = ShiftIndex> + '_ {
        let now = self.now.iter().filter(|((_, kind), _)| OF_SHIFT.contains(kind));
        now.flat_map(|(_, rows)| rows.iter().rev()).map(|row| ShiftIndex(*row))
    }

    /// The shifts that have instants by now, by when they got them.
    pub(crate) fn opened(&self) -> &[ShiftIndex] {
        &self.by_opening[..self.opened]
    }

    /// The last instant of any shift whose window has opened.
    pub(crate) fn last_of_opened(&self) -> Option<EventTime> {
        let now = self.now.as_ref().filter(|(_, rows)| !rows.is_empty()).map(|(due, _)| due);
        let of_shift = |due: &&Due| OF_SHIFT.contains(&due.1);
        self.later.keys().rev().chain(now).filter(of_shift).map(|(at, _)| *at).max()
    }

    fn resume(&mut self, roster: &Roster, clock: EventTime, held_us: i64) {
        self.opened = self.by_opening.partition_point(|shift| wakes(roster, *shift) <= clock);
        for at in 0..self.opened {
            let shift = self.by_opening[at];
            let is_left = |instant: &Instant| {
                instant.at > clock
                    || matches!(instant.timer, Timer::NoShow(_)) && instant.at.plus_us(held_us) > clock
            };
            next_instants(roster, shift, clock).filter(is_left).for_each(|instant| self.push(instant));
        }
    }

    /// Approved requests that come into force later; what came into force before the log began is simply in force. A
    /// correction shows as soon as its shift's window is open.
    fn push_requests(&mut self, roster: &Roster, person: PersonIndex, since: EventTime, begin: Begin) {
        let is_ahead = |at: EventTime| match begin {
            Begin::Fresh => at > since,
            Begin::Resumed(clock) => at > clock,
        };
        let reference = roster.reference();
        for place in roster.leave_places(person) {
            let row = &reference.leave[place as usize];
            if let Some(at) =
                row.effective_at.filter(|at| row.status == RequestStatus::Approved && is_ahead(*at))
            {
                self.push(Instant { at, timer: Timer::Leave(place) });
            }
        }
        for place in roster.correction_places(person) {
            let row = &reference.corrections[place as usize];
            let shift = corrected(roster, row).filter(|_| row.status == RequestStatus::Approved);
            let window = shift.map(|shift| roster.window(shift)).filter(|window| window.closes >= since);
            let Some(window) = window else { continue };
            let at = row.effective_at.map_or(window.opens, |at| at.max(window.opens));
            if is_ahead(at) || begin == Begin::Fresh {
                self.push(Instant { at, timer: Timer::Correction(place) });
            }
        }
    }
}

/// From when on a shift has instants: when its window opens, or the person is reminded before.
pub(crate) fn wakes(roster: &Roster, shift: ShiftIndex) -> EventTime {
    let before_min = roster.shift_policy(shift).reminder_before_min;
    roster.window(shift).opens.min(roster.shift_at(shift).start.plus_min(-before_min))
}

/// Where timers begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// At the beginning of the log: nothing has been done.
    Fresh,
    /// Behind this clock: instants up to it have been done.
    Resumed(EventTime),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_come_out_in_order_whatever_order_they_went_in() {
        let mut state = 0x7a11_u64;
        println!("seed {state:#x}");
        let mut below = |bound: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % bound
        };
        let (mut timers, mut plain) = (Timers::default(), Vec::new());
        let mut clock = 0;
        for _ in 0..5_000 {
            for _ in 0..below(8) {
                // Some at the very instant that is being taken out, before or behind what is left of it.
                let at = EventTime::from_us((clock + below(4)) as i64);
                let timer = Timer::of((below(10) as u8, below(20) as u32));
                timers.push(Instant { at, timer });
                plain.push(Instant { at, timer });
            }
            for _ in 0..below(7) {
                plain.sort_unstable_by(|a, b| b.cmp(a));
                plain.dedup();
                let is_due = plain.last().is_some_and(|next| next.at.us() <= clock as i64);
                let next = if is_due { plain.pop() } else { None };
                assert_eq!(timers.pop_due(EventTime::from_us(clock as i64)), next);
            }
            clock += u64::from(below(3) == 0);
        }
        assert!(clock > 1_000 && plain.len() < 20_000);
    }
}
