//! Question: how many bytes does the site index hold for a site, and the state of a partition for a person on duty?
//!
//! Over a generated chain of 10,000 stores and 100,000 people who all work that day, seed 7, in one partition. Bytes are
//! those the program asked for and has not given back, counted by an allocator of this benchmark's own: what the system's
//! allocator adds around each block is not in them. The state is looked at when its timers are set, at its largest during
//! the day, and behind the day's last record, when it holds every punch of the day. Rows waiting for a commit are handed
//! over after every 1,000 records and not counted.

#![allow(clippy::print_stdout, reason = "a benchmark's answer is what it prints")]

use std::hint::black_box;

use hot::{Chain, Counting, Judge, Locator, Scale};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn live() -> usize {
    Counting::live()
}

/// What `make` makes, and how many bytes it left behind.
fn held<T>(make: impl FnOnce() -> T) -> (T, usize) {
    let before = live();
    let made = black_box(make());
    (made, live().saturating_sub(before))
}

fn tell(what: &str, bytes: usize, of: usize, name: &str) {
    println!("{what:<36} {bytes:>12} bytes  {:>8.1} bytes per {name}", bytes as f64 / of.max(1) as f64);
}

fn main() {
    let chain = Chain::make(Scale::or_tiny(Scale::ON_DUTY));
    let reference = &chain.reference;
    let (people, stores, shifts) = (reference.people.len(), reference.sites.len(), reference.shifts.len());
    let listed: usize = reference.sites.iter().map(|site| site.bssids.len()).sum();
    println!(
        "memory: {stores} sites with {listed} access points or blocks, {people} people, {shifts} shifts"
    );
    let (sites, index_bytes) = held(|| chain.sites());
    tell("site index", index_bytes, stores, "site");
    let (roster, roster_bytes) = held(|| chain.roster());
    tell("roster (beside the snapshot)", roster_bytes, people, "person");

    let at_first = bytes_of_state(Judge::new(&roster, chain.begins()));
    tell("state, timers set, no punch", at_first, people, "person");

    let (mut locator, batches) = (Locator::default(), chain.batches());
    // Buffers are warm before anything is counted, so that only the state grows.
    batches.iter().for_each(|records| locator.run(records, &roster, &sites));
    let (before, mut largest) = (live(), 0);
    let mut judge = Judge::new(&roster, chain.begins());
    for records in &batches {
        locator.run(records, &roster, &sites);
        judge.take_all(&locator);
        judge.cut();
        largest = largest.max(live().saturating_sub(before));
    }
    let (stored, print, at_last) = (judge.stored, judge.fingerprint(), live().saturating_sub(before));
    let whole_day = bytes_of_state(judge);
    // What lives beside the state (an empty row builder) is the same at any moment between two batches.
    largest = largest.saturating_sub(at_last.saturating_sub(whole_day));
    tell("state, at its largest", largest, people, "person");
    tell("state, with all punches of the day", whole_day, people, "person");
    tell("  of which beyond the timers set", whole_day.saturating_sub(at_first), stored as usize, "punch");
    assert!(whole_day > 0 && index_bytes > 0, "something was counted");
    println!("memory: {stored} punches stored, hash {print}");
}

/// How many bytes come free with the state.
fn bytes_of_state(judge: Judge) -> usize {
    let Judge { state, .. } = judge;
    let with = live();
    drop(state);
    with.saturating_sub(live())
}
