//! A punch that binds and raises nothing new asks the allocator for nothing, amortised: counted by an allocator of this
//! test's own, from a partition's first record on, while state grows and while old punches leave it.

#![allow(
    unsafe_code,
    reason = "an allocator cannot be counted but by implementing one; it hands everything on to System"
)]
#![allow(clippy::unwrap_used, reason = "test code outside of `#[test]` functions")]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use attendance::*;
use model::reference::Break;
use model::*;
use support::{World, settings};

thread_local! {
    /// Calls of this thread that ask for memory: other tests run beside it.
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call is handed on to `System` unchanged, which keeps the contract; counting touches a thread-local
// `Cell` without a destructor, which neither allocates nor unwinds (`try_with` covers the end of a thread).
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promises about `layout` are handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `System` by `alloc` or `realloc` above, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        // SAFETY: `pointer` came from `System`, with this layout; the caller's promise about `size` is handed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const PEOPLE: u32 = 2_000;
const DAYS: i64 = 16;
const STATE_DAYS: i64 = 5;
const DAY_US: i64 = 86_400_000_000;

/// Calls of the allocator per record that count as none.
const CALLS_PER_RECORD_MAX: f64 = 0.05;

/// `PEOPLE` with a shift a day of `DAYS`, a planned break in each, and the instant at which the first day begins.
fn chain() -> (Arc<Roster>, EventTime) {
    let world = World::parse("shift s 09:00-18:00 break 12:00-13:00 paid 15:00-15:15");
    let mut reference = world.reference.clone();
    let (person, shift) = (reference.people.remove(0), reference.shifts.remove(0));
    for at in 0..PEOPLE {
        reference.people.push(Person { employee_id: format!("P{at:05}").into(), ..person.clone() });
        for day in 0..DAYS {
            let later = |time: EventTime| time.plus_us(day * DAY_US);
            let breaks = shift.breaks.iter();
            reference.shifts.push(Shift {
                shift_id: format!("s{at:05}-{day:02}").into(),
                person: PersonIndex(at),
                business_date: shift.business_date + jiff::Span::new().days(day),
                start: later(shift.start),
                end: later(shift.end),
                breaks: breaks
                    .map(|b| Break { start: later(b.start), end: later(b.end), paid: b.paid })
                    .collect(),
                ..shift.clone()
            });
        }
    }
    (Arc::new(Roster::new(Arc::new(reference))), world.time("00:00"))
}

/// What came of some records.
#[derive(Default)]
struct Counts {
    records: u64,
    calls: u64,
    outcomes: usize,
    findings: usize,
}

struct Worker {
    state: PartitionState,
    steps: Vec<Step>,
    offset: i64,
}

impl Worker {
    /// Takes one punch as a worker does; the texts of the record are the caller's.
    fn take(&mut self, employee_id: &str, event_id: &str, kind: Kind, at: EventTime, counts: &mut Counts) {
        let before = COUNT.with(Cell::get);
        let facts = Facts {
            person: self.state.roster().person(employee_id),
            employee_id,
            event_id: EventId::new(event_id),
            kind,
            occurred_at: at,
            received_at: at,
            origin: Origin::Phone,
            device_id: "",
            time_zone: "",
            place: Place::Inside,
            site: Some(SiteIndex(0)),
            import_zone: None,
        };
        self.advance(at, counts);
        assert!(self.state.lookup(&facts).is_none());
        let arrival = self.state.arrive(&facts, Clocking::Append);
        assert!(arrival.shift_id.is_some(), "{employee_id} at {at:?}");
        let stored = StoredRef {
            employee_id,
            event_id,
            kind,
            occurred_at: at,
            received_at: at,
            origin: facts.origin,
            device_id: "",
            place: facts.place,
            site_id: Some("A"),
            reasons: arrival.reasons,
            business_date: arrival.business_date,
            offset: Offset::new(self.offset).unwrap(),
        };
        self.offset += 1;
        self.change(counts, |state, sink| _ = state.apply_arrived(&stored, &facts, sink));
        counts.records += 1;
        counts.calls += COUNT.with(Cell::get) - before;
    }

    fn advance(&mut self, clock: EventTime, counts: &mut Counts) {
        let mut is_more_due = false;
        self.change(counts, |state, sink| is_more_due = state.advance_some(clock, sink));
        while is_more_due {
            self.change(counts, |state, sink| is_more_due = state.advance_on(clock, sink));
        }
    }

    fn change(
        &mut self,
        counts: &mut Counts,
        change: impl FnOnce(&mut PartitionState, &mut dyn FnMut(Step)),
    ) {
        let Self { state, steps, .. } = self;
        change(state, &mut |step| steps.push(step));
        for step in steps.drain(..) {
            let Step::Judged(judged) = step else { continue };
            counts.outcomes += judged.outcomes.len();
            counts.findings += judged.findings.len();
            state.recycle(judged);
        }
    }

    /// Everybody comes `late_min` after the shift's start and leaves on time.
    fn day(&mut self, roster: &Roster, midnight: EventTime, late_min: i64) -> Counts {
        let mut counts = Counts::default();
        for (kind, minute) in [(Kind::In, 9 * 60 + late_min), (Kind::Out, 18 * 60)] {
            for (n, person) in roster.reference().people.iter().enumerate() {
                let event_id = format!("{:08x}-0000-4000-8000-{:012x}", self.offset, n);
                // A second for about thirty people: the shift change of a large partition.
                let at = midnight.plus_min(minute).plus_us(n as i64 * 30_000);
                self.take(&person.employee_id, &event_id, kind, at, &mut counts);
            }
        }
        counts
    }
}

#[test]
fn a_punch_that_raises_nothing_new_asks_for_no_memory() {
    let (roster, midnight) = chain();
    let state = PartitionState::new(Arc::clone(&roster), Settings { state_days: STATE_DAYS, ..settings() });
    let mut worker = Worker { state, steps: Vec::new(), offset: 0 };
    // The timers of all shifts are set with the first clock.
    worker.advance(midnight, &mut Counts::default());
    let (mut calls, mut records) = (0, 0);
    for day in 0..DAYS {
        let late_min = if day < DAYS - 3 { -2 } else { 7 };
        let counts = worker.day(&roster, midnight.plus_us(day * DAY_US), late_min);
        assert_eq!(counts.records, u64::from(2 * PEOPLE));
        assert!(counts.outcomes >= 2 * PEOPLE as usize, "each punch shows its shift's outcome");
        let per_record = counts.calls as f64 / counts.records as f64;
        if late_min < 0 {
            assert!(per_record <= CALLS_PER_RECORD_MAX, "day {day}: {} calls", counts.calls);
            assert_eq!(counts.findings, 0, "day {day}");
        } else {
            // A finding that stands is found again with the out: its buffers go round as well.
            assert!(counts.findings >= 2 * PEOPLE as usize, "day {day}");
            assert!(per_record <= CALLS_PER_RECORD_MAX, "day {day}, late: {} calls", counts.calls);
        }
        if (8..DAYS - 3).contains(&day) {
            (calls, records) = (calls + counts.calls, records + counts.records);
        }
    }
    assert!(COUNT.with(Cell::get) > 0, "the counter counts");
    assert!(records >= 10_000, "{records}");
    // Memory is as large as it gets, and old punches leave it as new ones come.
    assert!(calls * 1_000 <= records, "warm: {calls} calls for {records} records");
}
