//! Question: with a million people on duty in one partition, what does it cost to judge a punch, what does a timer cost that
//! fires, of each kind, and how many bytes of state does a person take?
//!
//! One million people made in memory, a shift of nine hours each, beginning in sixteen groups seven minutes apart so that
//! no two kinds of timer fall due together; the contract's default policy. Nine in ten come twenty minutes before their
//! start, so that the reminder finds them there, and leave at the end; one in ten never comes. Punches arrive in a shuffled
//! order of people, sixteen are read ahead and timed together as a worker takes them: the clock, the look-up for repeats,
//! the judgement on arrival and the change of state; no decoding, no matching, no Arrow row. Timers are timed as they are
//! fired, in portions of at most thirty-two, what they say given back unread. A percentile is of such means: single punches
//! and timers spread wider. Bytes are those the program asked for and has not given back, counted by an allocator of this
//! benchmark's own, which costs an atomic addition a call.

#![allow(clippy::print_stdout, reason = "a benchmark's answer is what it prints")]

use std::sync::Arc;
use std::time::Instant;

use attendance::{
    AHEAD, ClockSource, Clocking, Facts, PartitionState, Roster, Settings, Step, TIMERS_AT_ONCE, expect,
};
use hdrhistogram::Histogram;
use hot::{Counting, Fingerprint, is_tiny};
use jiff::civil::date;
use jiff::tz::TimeZone;
use model::reference::{ShiftKind, ShiftPlan};
use model::{
    Batch, DueBatch, EventId, EventTime, Fence, Kind, LonLat, NextOffset, Offset, Origin, Partition, Person,
    PersonIndex, Place, Policy, PolicyIndex, Punch, Reasons, Reference, Shift, Site, SiteIndex, StoredRef,
};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const SITES: u32 = 10_000;
const GROUPS: u32 = 16;
/// Minutes between the starts of two groups: no multiple of it lies between two instants of one shift.
const APART_MIN: i64 = 7;
/// Minutes before the start at which people come.
const EARLY_MIN: i64 = 20;
const SHIFT_MIN: i64 = 9 * 60;
/// One in so many never comes.
const MISSING_ONE_IN: u32 = 10;

/// Midnight in Hong Kong at the beginning of the day.
fn midnight() -> EventTime {
    let zone = TimeZone::get("Asia/Hong_Kong").expect("Hong Kong has a zone");
    let day = date(2026, 11, 2).to_zoned(zone).expect("it has a midnight");
    EventTime::from(day.timestamp())
}

fn start_of(person: u32) -> EventTime {
    midnight().plus_min(8 * 60 + i64::from(person % GROUPS) * APART_MIN)
}

fn reference(people: u32) -> Reference {
    let zone = TimeZone::get("Asia/Hong_Kong").expect("Hong Kong has a zone");
    let centre = LonLat::new(114.17, 22.31).expect("a place on earth");
    let site = |at: u32| Site {
        site_id: format!("s{at:05}").into(),
        name: format!("store {at}").into(),
        org: format!("hk/{:03}", at / 50).into(),
        time_zone: zone.clone(),
        time_zone_name: "Asia/Hong_Kong".into(),
        fence: Fence::Circle { centre, radius_m: 100.0 },
        tolerance_m: None,
        policy: None,
        bssids: vec![],
        beacons: vec![],
        terminals: vec![],
        managers: vec![],
        valid_from: None,
        valid_to: None,
    };
    let sites: Vec<Site> = (0..SITES.min(people)).map(site).collect();
    let site_of = |at: u32| SiteIndex(at % sites.len() as u32);
    let person = |at: u32| Person {
        employee_id: format!("P{at:07}").into(),
        org: sites[site_of(at).0 as usize].org.clone(),
        home_site: Some(site_of(at)),
        allowed_sites: vec![],
        groups: vec![],
        managers: vec![],
        location_declined: false,
        joined: None,
        left: None,
    };
    let shift = |at: u32| Shift {
        shift_id: format!("shift-{at:07}").into(),
        person: PersonIndex(at),
        site: site_of(at),
        business_date: date(2026, 11, 2),
        segment: 0,
        start: start_of(at),
        end: start_of(at).plus_min(SHIFT_MIN),
        breaks: vec![],
        kind: ShiftKind::Fixed,
        plan: ShiftPlan::Planned,
        policy: PolicyIndex(0),
    };
    let (people, shifts) = ((0..people).map(person).collect(), (0..people).map(shift).collect());
    Reference {
        sites: sites.into(),
        people,
        shifts,
        policies: vec![Policy::default()],
        ..Reference::default()
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 10_000_000_000, 3).expect("constant bounds are valid")
}

/// Nanoseconds of things done together, as the mean of each.
struct Times {
    histogram: Histogram<u64>,
    ns: u128,
    done: u64,
}

impl Times {
    fn new() -> Self {
        Self { histogram: histogram(), ns: 0, done: 0 }
    }

    fn record(&mut self, begun: Instant, done: u64) {
        let ns = begun.elapsed().as_nanos();
        let each = u64::try_from(ns / u128::from(done)).unwrap_or(u64::MAX);
        self.histogram.saturating_record_n(each.max(1), done);
        (self.ns, self.done) = (self.ns + ns, self.done + done);
    }

    fn tell(&self, what: &str) {
        let at = |quantile: f64| self.histogram.value_at_quantile(quantile);
        println!(
            "{what:<44} {:>9} | mean {:>6} | p50 {:>6} | p99 {:>6} | p99.9 {:>7} ns",
            self.done,
            self.ns / u128::from(self.done.max(1)),
            at(0.5),
            at(0.99),
            at(0.999),
        );
    }
}

struct Duty {
    roster: Arc<Roster>,
    state: PartitionState,
    steps: Vec<Step>,
    offset: i64,
    print: Fingerprint,
    said: u64,
}

impl Duty {
    fn new(roster: &Arc<Roster>) -> Self {
        let settings = Settings {
            partition: Partition::new(0),
            partitions: 1,
            clock: ClockSource::Append,
            state_days: 45,
        };
        let state = PartitionState::new(Arc::clone(roster), settings);
        let (steps, print) = (Vec::new(), Fingerprint::default());
        Self { roster: Arc::clone(roster), state, steps, offset: 0, print, said: 0 }
    }

    fn read(&mut self) {
        for step in self.steps.drain(..) {
            if let Step::Judged(judged) = step {
                self.said += (judged.outcomes.len() + judged.findings.len()) as u64;
                self.state.recycle(judged);
            }
        }
    }

    /// Moves the clock; `fire` timers fall due on the way, all of one kind.
    fn advance(&mut self, clock: EventTime, mut due: u64, times: &mut Times) {
        let mut is_first = true;
        loop {
            let begun = Instant::now();
            let steps = &mut self.steps;
            let mut sink = |step| steps.push(step);
            let is_more = if is_first {
                self.state.advance_some(clock, &mut sink)
            } else {
                self.state.advance_on(clock, &mut sink)
            };
            let done = due.min(TIMERS_AT_ONCE as u64);
            if done > 0 {
                times.record(begun, done);
            }
            (due, is_first) = (due - done, false);
            self.read();
            if !is_more {
                break;
            }
        }
        assert_eq!(due, 0, "every timer of the instant fired");
    }

    /// One punch each of `people`, all arriving at `at`, as batches of a worker.
    fn punch(&mut self, people: &[u32], kind: Kind, at: EventTime, times: &mut Times) {
        let (mut due, roster) = (DueBatch::default(), Arc::clone(&self.roster));
        for people in people.chunks(1_000) {
            let batch = self.batch(people, kind, at);
            let clocks = vec![at; batch.punches.len()];
            expect(&roster, &batch, &clocks, &mut due);
            for from in (0..batch.punches.len()).step_by(AHEAD) {
                let places = from..(from + AHEAD).min(batch.punches.len());
                let begun = Instant::now();
                self.state.foresee(&batch, &due, places.clone());
                for place in places.clone() {
                    self.take(&batch, &due, place);
                }
                times.record(begun, places.len() as u64);
                self.read();
            }
        }
    }

    fn batch(&mut self, people: &[u32], kind: Kind, at: EventTime) -> Batch {
        let mut batch = Batch::new(Partition::new(0), NextOffset::START);
        for person in people {
            let event_id = format!("{:08x}-0000-4000-8000-{person:012x}", self.offset);
            let person = &self.roster.reference().person(PersonIndex(*person)).employee_id;
            let texts = [person, event_id.as_str(), "", "", ""].map(|text| batch.push_text(text));
            batch.punches.push(Punch {
                offset: Offset::new(self.offset).expect("an offset is not negative"),
                received_at: at,
                event_id: texts[1],
                employee_id: texts[0],
                kind,
                occurred_at: at,
                origin: Origin::Phone,
                trigger: None,
                device_id: texts[2],
                site_claim: texts[3],
                time_zone: texts[4],
                fix: None,
                wifi: 0..0,
                wifi_ignored: 0,
                beacons: 0..0,
                photo: model::Photo::default(),
            });
            self.offset += 1;
        }
        batch
    }

    fn take(&mut self, batch: &Batch, due: &DueBatch, place: usize) {
        let Self { roster, state, steps, .. } = self;
        let (punch, due) = (&batch.punches[place], &due.rows[place]);
        let facts = Facts {
            person: due.person,
            employee_id: batch.text(punch.employee_id),
            event_id: EventId::new(batch.text(punch.event_id)),
            kind: punch.kind,
            occurred_at: punch.occurred_at,
            received_at: punch.received_at,
            origin: punch.origin,
            device_id: "",
            time_zone: "",
            place: Place::Inside,
            site: due.scheduled,
            import_zone: None,
        };
        state.advance(punch.received_at, &mut |step| steps.push(step));
        assert!(state.lookup(&facts).is_none(), "no punch comes twice");
        let arrival = state.arrive(&facts, Clocking::Append);
        let site = due.scheduled.map(|site| &roster.reference().site(site).site_id);
        let stored = StoredRef {
            employee_id: facts.employee_id,
            event_id: batch.text(punch.event_id),
            kind: punch.kind,
            occurred_at: punch.occurred_at,
            received_at: punch.received_at,
            origin: punch.origin,
            device_id: "",
            place: facts.place,
            site_id: site.map(|site| &**site),
            reasons: arrival.reasons.union(Reasons::EMPTY),
            business_date: arrival.business_date,
            offset: punch.offset,
        };
        state.apply_arrived(&stored, &facts, &mut |step| steps.push(step));
    }
}

fn main() {
    let people: u32 = if is_tiny() { 3_200 } else { 1_000_000 };
    let roster = Arc::new(Roster::new(Arc::new(reference(people))));
    let mut rng = StdRng::seed_from_u64(7);
    let mut order: Vec<u32> = (0..people).collect();
    order.shuffle(&mut rng);
    let group = |number: u32| order.iter().copied().filter(move |person| person % GROUPS == number);
    let comes = |person: &u32| !(person / GROUPS).is_multiple_of(MISSING_ONE_IN);
    let policy = Policy::default();
    let before = Counting::live();
    let mut duty = Duty::new(&roster);
    let kinds = ["reminder, one in ten not there", "no-show, one in ten not there", "close", "settled"];
    let (mut ins, mut outs, mut fired) = (Times::new(), Times::new(), kinds.map(|_| Times::new()));
    let mut quiet = Times::new();
    duty.advance(midnight(), 0, &mut quiet);
    // Everything that happens, by instant: what people do, and which timers fire.
    let mut happens: Vec<(EventTime, usize, u32)> = Vec::new();
    for number in 0..GROUPS {
        let start = start_of(number);
        let end = start.plus_min(SHIFT_MIN);
        let closed = end.plus_min(policy.accept_after_min).plus_us(1_000);
        let settled = end.plus_min(policy.accept_after_min + policy.settle_min);
        happens.extend([
            (start.plus_min(-policy.reminder_before_min), 0, number),
            (start.plus_min(policy.no_show_after_min), 1, number),
            (closed, 2, number),
            (settled, 3, number),
            (start.plus_min(-EARLY_MIN), 4, number),
            (end, 5, number),
        ]);
    }
    happens.sort_unstable();
    let mut largest = 0;
    for (at, what, number) in happens {
        let all: Vec<u32> = group(number).collect();
        if what < 4 {
            duty.advance(at, all.len() as u64, &mut fired[what]);
            largest = largest.max(Counting::live() - before);
            continue;
        }
        let coming: Vec<u32> = all.into_iter().filter(comes).collect();
        let (kind, times) = if what == 4 { (Kind::In, &mut ins) } else { (Kind::Out, &mut outs) };
        duty.advance(at, 0, &mut quiet);
        duty.punch(&coming, kind, at, times);
        largest = largest.max(Counting::live() - before);
    }
    println!("duty: {people} people on duty, {} punches", ins.done + outs.done);
    ins.tell("judge a punch: in");
    outs.tell("judge a punch: out");
    fired.iter().zip(kinds).for_each(|(times, kind)| times.tell(&format!("a timer: {kind}")));
    println!("state at its largest: {:.1} bytes a person", largest as f64 / f64::from(people));
    assert_eq!(ins.done, outs.done);
    duty.print.add(&[duty.said, ins.done, fired.iter().map(|times| times.done).sum()]);
    duty.print.add(&duty.state.clock());
    println!("duty: {} said, hash {}", duty.said, duty.print);
}
