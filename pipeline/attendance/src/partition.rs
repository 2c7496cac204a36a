//! The state of one partition: its people's recent punches and the instants at which something can change.
//!
//! In: the log clock record by record, punches as stored, snapshots.  Out: [`Step`]s, each with the clock at which it
//! holds, in the order in which it came about.
//! Owns: [`Book`], [`Timers`], the log clock and where the log begins.
//! Absent on purpose: I/O, the wall clock, and what was said before: the caller compares and says the difference.
//! Invariants: I-13 `fold` then `resume` equals having lived through the same rows; timers fire in the order of time,
//! each at its own instant and before the record at whose clock they are due, so that results never depend on how far the
//! clock moves at once; both kept by `tests/`.
//! Why so: a timer is judged as of its instant, not as of the record that made it visible, since two logs cut into
//! different batches must say the same.
//!
//! The order per record: [`PartitionState::advance`] to its clock, then [`PartitionState::is_late`],
//! [`PartitionState::lookup`] and [`PartitionState::arrive`], then store the row, then [`PartitionState::apply`] it.

mod foresight;
mod hearing;

pub use foresight::AHEAD;

use std::ops::Range;
use std::sync::Arc;

use jiff::civil::Date;
use model::{EventId, EventTime, Partition, PersonIndex, StoredPunch, StoredRef};

use crate::arrival::{Arrival, Clocking, Facts, arrive};
use crate::believe::SUSPECT_US;
use crate::book::{Book, Key, Known};
use crate::due::no_show_by;
use crate::findings::Subject;
use crate::judge::{Judge, Judged, Moment, Scope, emptied};
use crate::lone::{Walk, in_window, lone_at, walk};
use crate::minutes::corrected;
use crate::roster::{Roster, ShiftIndex};
use crate::silence::{HELD_US_MAX, Listen, Silence, SilenceNote};
use crate::standing::Seen;
use crate::timers::{Begin, Instant, Timer, Timers};

const DAY_US: i64 = 86_400_000_000;

/// A leave row in force touches at most this much of the future: later shifts have not opened, nothing is said of them.
const LEAVE_AHEAD_DAYS: i64 = 3;

/// How many timers [`PartitionState::advance_some`] fires before its caller may look at what they say.
pub const TIMERS_AT_ONCE: usize = 32;

/// What makes the log's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockSource {
    /// The time of receipt.
    Append,
    /// The latest believable `occurred_at`.
    Record,
}

/// Which partition, and how much of it is remembered.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The partition.
    pub partition: Partition,
    /// How many partitions its log has: timers are kept for the people whose key falls on this one.
    pub partitions: u32,
    /// What makes the log's clock.
    pub clock: ClockSource,
    /// How many days before the clock punches are remembered. Long enough for a window, its settling time and the days
    /// around it: at least 4.
    pub state_days: i64,
}

impl Settings {
    /// Whether a person's timers are kept here.
    pub(crate) fn owns(&self, roster: &Roster, person: PersonIndex) -> bool {
        roster.is_on(person, self.partition, self.partitions)
    }
}

/// Something that holds now.
#[derive(Clone, Debug)]
pub enum Step {
    /// What holds about one person.
    Judged(Judged),
    /// A person whose stored punches must be read from the lake to be judged.
    Recall(Recall),
    /// An org fell silent, or speaks again.
    Silence(SilenceNote),
    /// Stored punches of people of other partitions are wanted, to tell silent people from a silent log.
    Listen(Listen),
}

/// A person to be judged over a span that memory does not reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recall {
    /// The person's pseudonym.
    pub employee_id: Arc<str>,
    /// The span to be judged; an empty one asks only for what was said of the person.
    pub span: Range<EventTime>,
    /// Read the person's stored punches that occurred within this and give them to [`PartitionState::recalled`].
    pub read: Range<EventTime>,
    /// The clock at which it is to be judged.
    pub clock: EventTime,
}

/// What became of a punch that was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It is part of the state.
    Folded,
    /// It is older than memory and changed nothing: its person is to be judged from the lake, see
    /// [`PartitionState::recall`].
    Late,
}

/// The state of one partition.
pub struct PartitionState {
    settings: Settings,
    roster: Arc<Roster>,
    book: Book,
    timers: Timers,
    silence: Silence,
    judge: Judge,
    /// Where the log's clock stands; the epoch while nothing has set it.
    clock: EventTime,
    since: Option<EventTime>,
    until: EventTime,
    /// Nothing is judged as of an earlier clock: where other logs of the same lake have come to already.
    judged_from: EventTime,
    advanced: u64,
    first_received: Option<EventTime>,
}

impl std::fmt::Debug for PartitionState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { settings, clock, since, book, .. } = self;
        let state = (settings, clock, since, book);
        f.debug_tuple("PartitionState").field(&state).finish_non_exhaustive()
    }
}

impl PartitionState {
    /// A partition about which nothing is known.
    pub fn new(roster: Arc<Roster>, settings: Settings) -> Self {
        roster.prepare(settings.partitions, settings.clock == ClockSource::Append);
        Self {
            settings,
            roster,
            book: Book::new(),
            timers: Timers::default(),
            silence: Silence::default(),
            judge: Judge::default(),
            clock: EventTime::from_us(0),
            since: None,
            until: Moment::NO_END,
            judged_from: EventTime::from_us(0),
            advanced: 0,
            first_received: None,
        }
    }

    /// Recovery: takes in a row as stored, in any order, before [`PartitionState::resume`].
    pub fn fold<'a>(&mut self, punch: impl Into<StoredRef<'a>>) {
        let punch = punch.into();
        let earliest = self.first_received.map_or(punch.received_at, |first| first.min(punch.received_at));
        self.first_received = Some(earliest);
        let event_id = EventId::new(punch.event_id);
        self.book.fold(&punch, key_of(&self.roster, &punch, &event_id));
    }

    /// Recovery: takes in a row of another log of the same people (an earlier file).
    pub fn fold_beside<'a>(&mut self, punch: impl Into<StoredRef<'a>>) {
        let punch = punch.into();
        let event_id = EventId::new(punch.event_id);
        self.book.fold_beside(&punch, key_of(&self.roster, &punch, &event_id));
    }

    /// Recovery: ends folding where the frontier's clock stands. `since` is where the log's clock first stood, where the
    /// caller knows it; else the earliest receipt among the rows folded (exact for a log younger than memory).
    ///
    /// What fell due up to `clock` is not repeated; [`PartitionState::restate`] judges it again, which heals what a
    /// former owner judged but did not get to say.
    pub fn resume(&mut self, clock: EventTime, since: Option<EventTime>) {
        if clock.us() <= 0 {
            return;
        }
        let since = since.or(self.first_received).unwrap_or(clock).min(clock);
        self.since = Some(since);
        self.advanced = 2;
        self.set_clock(clock);
        self.build_timers(Begin::Resumed(clock));
    }

    /// Takes in a new snapshot at the present clock. [`PartitionState::restate`] judges again what it changes.
    pub fn swap(&mut self, roster: Arc<Roster>) {
        if roster.is_like(&self.roster) {
            self.roster = roster;
            return;
        }
        self.book.renumber(&self.roster, &roster);
        self.roster = roster;
        if self.since.is_some() {
            self.build_timers(Begin::Resumed(self.clock));
        }
    }

    /// Where the log's clock stands.
    pub fn clock(&self) -> EventTime {
        self.clock
    }

    /// Judges as of `clock` wherever the log's own clock stands earlier: another log of the same people (an earlier file)
    /// has come so far, and what is known of its days must not be taken back because this file begins before them.
    pub fn judge_no_earlier_than(&mut self, clock: EventTime) {
        self.judged_from = self.judged_from.max(clock);
    }

    /// The clock as of which people are judged: the log's, or where other logs have come to.
    pub fn judged_clock(&self) -> EventTime {
        self.clock.max(self.judged_from)
    }

    /// Where the log's clock first stood.
    pub fn since(&self) -> Option<EventTime> {
        self.since
    }

    /// The memory floor: punches older than it are late.
    pub fn floor(&self) -> EventTime {
        self.book.floor()
    }

    /// Which partition, and how much of it is remembered.
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The snapshot.
    pub fn roster(&self) -> &Arc<Roster> {
        &self.roster
    }

    /// Whether a punch of that instant is older than memory.
    pub fn is_late(&self, occurred_at: EventTime) -> bool {
        occurred_at < self.book.floor()
    }

    /// The punch of that identity, if it is in memory.
    pub fn lookup(&self, facts: &Facts<'_>) -> Option<Known> {
        self.book.lookup(facts.key(&self.roster))
    }

    /// What a punch looks like when it arrives at the present clock. Changes nothing.
    pub fn arrive(&mut self, facts: &Facts<'_>, clocking: Clocking) -> Arrival {
        arrive(&mut self.judge, &self.book, &self.roster, facts, clocking)
    }

    /// Moves the log's clock to `clock`, firing what falls due on the way in the order of time.
    pub fn advance(&mut self, clock: EventTime, sink: &mut dyn FnMut(Step)) {
        let mut is_more_due = self.advance_some(clock, sink);
        while is_more_due {
            is_more_due = self.advance_on(clock, sink);
        }
    }

    /// As [`Self::advance`], but fires at most [`TIMERS_AT_ONCE`] timers: thousands of people can be due at one instant,
    /// and what holds about each must not have to wait in memory for the last. Returns whether more is due; then go on
    /// with [`Self::advance_on`] before anything else.
    pub fn advance_some(&mut self, clock: EventTime, sink: &mut dyn FnMut(Step)) -> bool {
        if clock.us() <= 0 {
            return false;
        }
        self.advanced += 1;
        let is_alone = self.advanced == 2 && clock.us_since(self.clock) > SUSPECT_US;
        if self.since.is_none() || is_alone && self.settings.clock == ClockSource::Record {
            // A record that a jump leaves alone behind is no beginning: the log does not reach across the jump.
            self.since = Some(clock);
            self.set_clock(clock);
            self.build_timers(Begin::Fresh);
        }
        self.timers.open(&self.roster, clock);
        self.advance_on(clock, sink)
    }

    /// Goes on with [`Self::advance_some`] to the same `clock`; returns whether still more is due.
    pub fn advance_on(&mut self, clock: EventTime, sink: &mut dyn FnMut(Step)) -> bool {
        for fired in 0..TIMERS_AT_ONCE {
            if fired % AHEAD == 0 {
                self.foresee_timers();
            }
            let Some(instant) = self.timers.pop_due(clock) else {
                self.set_clock(clock);
                return false;
            };
            self.set_clock(instant.at);
            self.fire(instant, sink);
        }
        true
    }

    /// Takes in a row as stored, at the present clock, and judges its person.
    pub fn apply<'a>(&mut self, punch: impl Into<StoredRef<'a>>, sink: &mut dyn FnMut(Step)) -> Applied {
        let punch = punch.into();
        let (roster, event_id) = (Arc::clone(&self.roster), EventId::new(punch.event_id));
        self.take_in(&punch, key_of(&roster, &punch, &event_id), sink)
    }

    /// As [`Self::apply`], of the row that a punch became which arrived just now, so that nothing is looked up again.
    pub fn apply_arrived(
        &mut self,
        punch: &StoredRef<'_>,
        facts: &Facts<'_>,
        sink: &mut dyn FnMut(Step),
    ) -> Applied {
        debug_assert_eq!((punch.employee_id, punch.event_id), (facts.employee_id, &*facts.event_id.text()));
        debug_assert_eq!(self.roster.person(punch.employee_id), facts.person);
        let roster = Arc::clone(&self.roster);
        self.take_in(punch, facts.key(&roster), sink)
    }

    fn take_in(&mut self, punch: &StoredRef<'_>, key: Key<'_>, sink: &mut dyn FnMut(Step)) -> Applied {
        if self.is_late(punch.occurred_at) {
            return Applied::Late;
        }
        self.book.fold(punch, key);
        let at = punch.occurred_at;
        match key.person {
            Some(person) => {
                let lone = lone_at(&self.roster, person, at);
                if !lone.is_some_and(|index| self.judge_lone(person, index, |_| true, sink)) {
                    let roster = Arc::clone(&self.roster);
                    let employee_id = &roster.reference().person(person).employee_id;
                    self.judge_span(employee_id, Some(person), at..at.plus_us(1), sink);
                }
            }
            None => {
                // Folded just now, so that the book has the one shared text.
                let kept = self.book.stranger(punch.employee_id).cloned();
                let employee_id = kept.unwrap_or_else(|| punch.employee_id.into());
                self.judge_span(&employee_id, None, at..at.plus_us(1), sink);
            }
        }
        Applied::Folded
    }

    /// Takes back what a sink got and has read, so that the next judgement needs no new buffers. Nobody has to.
    pub fn recycle(&mut self, judged: Judged) {
        self.judge.recycle(judged);
    }

    /// The end of the input: fires what is left of every window opened by now, until all have closed and settled, and
    /// requests that come into force on the way. Windows that open later are left alone: the log does not reach there.
    /// Returns where the clock ran to.
    ///
    /// That run is no part of the log: the frontier keeps the clock of its last record, and a log that is read again
    /// ends the same way again.
    pub fn end(&mut self, sink: &mut dyn FnMut(Step)) -> EventTime {
        if let Some(horizon) = self.timers.last_of_opened() {
            self.until = self.clock;
            while let Some(instant) = self.timers.pop_due(horizon) {
                self.set_clock(instant.at);
                self.fire(instant, sink);
            }
        }
        self.clock
    }

    /// Judges again everyone with a window or a punch since `from`, as of the present clock: after a swap, and after
    /// recovery. What belongs to no shift stays as it was said on days that memory knows in part: of everyone that would be
    /// too much to ask of the lake.
    pub fn restate(&mut self, from: EventTime, sink: &mut dyn FnMut(Step)) {
        let span = from..self.clock.plus_us(1);
        let roster = self.roster.clone();
        for person in (0..roster.reference().people.len() as u32).map(PersonIndex) {
            let employee_id = &roster.reference().person(person).employee_id;
            let has_windows = || roster.windows_in(person, span.start, self.clock).next().is_some();
            if self.book.holds(person) || self.settings.owns(&roster, person) && has_windows() {
                self.judge_known(employee_id, Some(person), span.clone(), sink);
            }
        }
        // Somebody may have to be reminded of a shift whose window has not opened.
        let woken = self.timers.opened().iter().copied();
        let woken: Vec<ShiftIndex> = woken.filter(|shift| roster.window(*shift).opens > self.clock).collect();
        woken.into_iter().for_each(|shift| self.judge_shift(shift, |_| true, sink));
        for employee_id in self.book.strangers() {
            self.judge_known(&employee_id, None, span.clone(), sink);
        }
    }

    /// Judges one person again over everything since `from`, as of the present clock.
    pub fn rejudge(&mut self, employee_id: &Arc<str>, from: EventTime, sink: &mut dyn FnMut(Step)) {
        let person = self.roster.person(employee_id);
        self.judge_span(employee_id, person, from..self.clock.plus_us(1), sink);
    }

    /// Judges the person of one shift again around it, as of the present clock.
    pub fn rejudge_shift(&mut self, shift: ShiftIndex, sink: &mut dyn FnMut(Step)) {
        let roster = self.roster.clone();
        let opens = roster.window(shift).opens;
        let person = roster.shift_at(shift).person;
        let employee_id = &roster.reference().person(person).employee_id;
        self.judge_span(employee_id, Some(person), opens..opens.plus_us(1), sink);
    }

    /// What must be read to judge a person around a late punch.
    pub fn recall(&self, employee_id: &Arc<str>, occurred_at: EventTime) -> Recall {
        let person = self.roster.person(employee_id);
        self.recall_of(employee_id, person, occurred_at..occurred_at.plus_us(1))
    }

    /// Judges what was recalled, with the person's stored punches of `recall.read`.
    pub fn recalled(&self, recall: &Recall, punches: &[StoredPunch]) -> Judged {
        let moment = Moment { clock: recall.clock, ..self.moment() };
        crate::judge::judge(&self.roster, &recall.employee_id, punches, recall.span.clone(), moment)
    }

    fn moment(&self) -> Moment<'_> {
        Moment {
            clock: self.judged_clock(),
            since: self.since.unwrap_or(EventTime::from_us(i64::MAX)),
            until: self.until,
            holds: &self.silence.holds,
        }
    }

    fn set_clock(&mut self, clock: EventTime) {
        self.clock = self.clock.max(clock);
        self.book.forget_before(self.clock.plus_us(-self.settings.state_days.saturating_mul(DAY_US)));
    }

    fn build_timers(&mut self, begin: Begin) {
        let (roster, settings) = (&self.roster, self.settings);
        let ours = |person| settings.owns(roster, person);
        let hears = settings.clock == ClockSource::Append;
        let held_us = if hears { HELD_US_MAX } else { 0 };
        let since = self.since.unwrap_or(self.clock);
        self.timers = Timers::new(roster, ours, since, begin, held_us);
        self.book.reserve(self.timers.people);
        self.silence = match begin {
            Begin::Fresh => Silence::default(),
            Begin::Resumed(_) => Silence::resumed(),
        };
        if hears {
            self.prick_up(begin);
        }
        if begin != Begin::Fresh && self.roster.reach_us() > 0 {
            self.look_ahead();
        }
    }

    /// Sets the instants of shifts under way that rest on punches, as judging set them for whoever stood here.
    fn look_ahead(&mut self) {
        let roster = self.roster.clone();
        let is_open = |shift: &&ShiftIndex| !roster.window(**shift).is_closed(self.clock);
        let open = self.timers.opened().iter().filter(is_open).filter(|shift| roster.is_near_rules(**shift));
        let open: Vec<ShiftIndex> = open.copied().collect();
        open.into_iter().for_each(|shift| self.judge_shift(shift, |_| true, &mut |_| {}));
    }

    fn fire(&mut self, instant: Instant, sink: &mut dyn FnMut(Step)) {
        let roster = self.roster.clone();
        match instant.timer {
            Timer::Listen(shift) => {
                self.listen_next(shift);
                self.listen(shift, false, sink);
            }
            Timer::ListenAgain(shift) => self.listen(shift, true, sink),
            Timer::NoShow(shift) => self.fire_no_show(shift, sink),
            Timer::Held(shift) => {
                if self.silence.is_held(shift) {
                    self.fire_no_show(shift, sink);
                }
            }
            Timer::Closed(shift) => {
                let policy = roster.shift_policy(shift);
                let settles_later = roster.window(shift).closes.plus_min(policy.settle_min) > self.clock;
                self.judge_shift(shift, |walk| !(settles_later && walk.has_both_ends()), sink);
            }
            Timer::Settled(shift) => self.judge_shift(shift, |_| true, sink),
            Timer::Remind(shift) => {
                // In its turn it comes before any no-show. Where the log begins behind both, the no-show's own timer asks first
                // whether the log is silent.
                let in_turn = instant.at == self.clock;
                if in_turn || no_show_by(&roster, shift, self.clock).is_none_or(|at| at > self.clock) {
                    self.judge_shift(shift, |walk| !walk.is_bound(), sink);
                }
            }
            Timer::Hours(shift) => self.judge_shift(shift, |_| true, sink),
            Timer::Leave(place) => {
                let row = &roster.reference().leave[place as usize];
                let until = row.until.min(self.clock.plus_us(LEAVE_AHEAD_DAYS * DAY_US));
                if row.from < until && &*row.leave_type != "field" {
                    let employee_id = &roster.reference().person(row.person).employee_id;
                    self.judge_span(employee_id, Some(row.person), row.from..until, sink);
                }
            }
            Timer::Correction(place) => {
                if let Some(shift) = corrected(&roster, &roster.reference().corrections[place as usize]) {
                    self.judge_shift(shift, |_| true, sink);
                }
            }
        }
    }

    /// Judges the person of a shift around it; a plain shift only if what is bound to it may show something new.
    fn judge_shift(
        &mut self,
        shift: ShiftIndex,
        is_news: impl FnOnce(&Walk) -> bool,
        sink: &mut dyn FnMut(Step),
    ) {
        let person = self.roster.shift_at(shift).person;
        if self.roster.is_lone(shift) && self.judge_lone(person, shift, is_news, sink) {
            return;
        }
        let roster = self.roster.clone();
        let start = roster.window(shift).opens;
        let employee_id = &roster.reference().person(person).employee_id;
        self.judge_span(employee_id, Some(person), start..start.plus_us(1), sink);
    }

    /// Judges a lone shift from the punches in its window, if these alone decide and memory reaches it whole, and unless
    /// they show that there is nothing new of a plain one; returns whether that is done.
    fn judge_lone(
        &mut self,
        person: PersonIndex,
        index: ShiftIndex,
        is_news: impl FnOnce(&Walk) -> bool,
        sink: &mut dyn FnMut(Step),
    ) -> bool {
        let Self { roster, book, judge, silence, timers, .. } = self;
        let (roster, floor) = (&**roster, book.floor());
        let punches = book.punches_of(person);
        let within = in_window(roster, index, punches);
        if roster.is_near_rules(index)
            || roster.window(index).opens < floor
            || punches[within.clone()].first().is_some_and(|kept| !is_day_known(kept.business_date, floor))
        {
            return false;
        }
        let Some(walk) = walk(roster, person, index, punches, within.clone()) else { return false };
        if roster.is_plain(index) && !is_news(&walk) {
            return true;
        }
        let employee_id = &roster.reference().person(person).employee_id;
        let subject = Subject { roster, employee_id, person: Some(person) };
        let moment = Moment {
            clock: self.clock.max(self.judged_from),
            since: self.since.unwrap_or(EventTime::from_us(i64::MAX)),
            until: self.until,
            holds: &silence.holds,
        };
        let seen = punches[within].iter().map(|kept| book.seen_of(kept));
        sink(Step::Judged(judge.judge_lone(subject, index, (seen, &walk), moment)));
        judge.ahead.drain(..).for_each(|instant| timers.push(instant));
        true
    }

    /// Judges from memory what lies above the floor, and asks for the rest.
    fn judge_span(
        &mut self,
        employee_id: &Arc<str>,
        person: Option<PersonIndex>,
        span: Range<EventTime>,
        sink: &mut dyn FnMut(Step),
    ) {
        if let Some(last) = self.judge_known(employee_id, person, span.clone(), sink) {
            let below = day_end(last).min(span.end);
            sink(Step::Recall(self.recall_of(employee_id, person, span.start..below)));
        }
    }

    /// The same, but for what belongs to no shift on days whose punches may partly lie below the floor: gives the last of them.
    fn judge_known(
        &mut self,
        employee_id: &Arc<str>,
        person: Option<PersonIndex>,
        mut span: Range<EventTime>,
        sink: &mut dyn FnMut(Step),
    ) -> Option<Date> {
        let floor = self.book.floor();
        if let Some(below) = self.below_floor(person, &span) {
            sink(Step::Recall(self.recall_of(employee_id, person, span.start..below)));
            span.start = below;
        }
        span.start = span.start.max(floor);
        if span.start >= span.end {
            return None;
        }
        let roster = self.roster.clone();
        let read = roster.recall_span(person, span.clone());
        let mut seen: Vec<Seen<'_>> = emptied(std::mem::take(&mut self.judge.seen));
        seen.extend(self.book.seen((person, employee_id), read));
        let subject = Subject { roster: &roster, employee_id, person };
        let moment = Moment {
            clock: self.clock.max(self.judged_from),
            since: self.since.unwrap_or(EventTime::from_us(i64::MAX)),
            until: self.until,
            holds: &self.silence.holds,
        };
        let mut judged = self.judge.judge(subject, &mut seen, span, moment);
        self.judge.seen = emptied(seen);
        self.judge.ahead.drain(..).for_each(|instant| self.timers.push(instant));
        let unknown = drop_days_below(&mut judged, floor);
        if judged.scope == Scope::default() {
            self.judge.recycle(judged);
        } else {
            sink(Step::Judged(judged));
        }
        unknown
    }

    /// The end of the last run of shifts that the span concerns and memory does not reach whole, if there is one.
    fn below_floor(&self, person: Option<PersonIndex>, span: &Range<EventTime>) -> Option<EventTime> {
        let floor = self.book.floor();
        let windows =
            person.into_iter().flat_map(|p| self.roster.windows_in(p, span.start, span.end.plus_us(-1)));
        let spans = windows.map(|index| {
            let (opens, closes) = self.roster.run_span(self.roster.run(index));
            let links = if self.roster.reach_us() > 0 { self.roster.links(&[index]) } else { None };
            (links.map_or(opens, |links| self.roster.span_of(&links.known).0.min(opens)), closes)
        });
        spans.filter(|(opens, _)| *opens < floor).map(|(_, closes)| closes.plus_us(1)).max()
    }

    fn recall_of(
        &self,
        employee_id: &Arc<str>,
        person: Option<PersonIndex>,
        span: Range<EventTime>,
    ) -> Recall {
        let read = self.roster.recall_span(person, span.clone());
        Recall { employee_id: employee_id.clone(), span, read, clock: self.judged_clock() }
    }
}

/// Takes back what is said about days whose punches may partly lie below the floor, and gives the last of them.
fn drop_days_below(judged: &mut Judged, floor: EventTime) -> Option<Date> {
    let is_known = |day: &Date| is_day_known(*day, floor);
    let last = judged.scope.dates.iter().filter(|day| !is_known(day)).max().copied()?;
    judged.scope.dates.retain(is_known);
    judged.findings.retain(|finding| finding.shift_id.is_some() || is_known(&finding.business_date));
    Some(last)
}

/// By when the last punch of that day has been made: a day ends at most 12 hours behind UTC, and a shift's window behind its day.
fn day_end(day: Date) -> EventTime {
    EventTime::from_us(epoch_day(day).saturating_mul(DAY_US)).plus_us(3 * DAY_US)
}

/// Whether all punches of that day lie above the floor.
fn is_day_known(day: Date, floor: EventTime) -> bool {
    // A day begins at most 14 hours ahead of UTC, and a shift's window before its day.
    let midnight = EventTime::from_us(epoch_day(day).saturating_mul(DAY_US));
    midnight.plus_us(-2 * DAY_US) >= floor
}

/// Days since 1970-01-01. Years are counted from March, so that the leap day is the last of its year (Hinnant,
/// "chrono-compatible low-level date algorithms").
fn epoch_day(day: Date) -> i64 {
    let (year, month) = (i64::from(day.year()), i64::from(day.month()));
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + i64::from(day.day()) - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Under what the book keeps a stored punch.
fn key_of<'a>(roster: &Roster, punch: &StoredRef<'a>, event_id: &'a EventId) -> Key<'a> {
    Key { person: roster.person(punch.employee_id), employee_id: punch.employee_id, event_id, site: None }
}
