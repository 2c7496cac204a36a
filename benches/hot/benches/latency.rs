//! Question: how long does one punch take from its bytes to its verdict, and to its Arrow row with everything it changes,
//! alone and not as a share of a batch: mean, p50, p99, p99.9 and the worst?
//!
//! Over one day of a generated chain of 10,000 stores and 50,000 people, seed 7. Each record goes through decode, expect,
//! match, then advance, look up, arrive, row, apply, and is timed by itself; `cut` hands rows over after every 1,000
//! records, untimed, as commits do. The whole day is run once before, untimed for the figures, to warm code and buffers. A
//! record at whose clock timers fire carries their cost: at the top of an hour one record pays for many people.
//! What the clock and its timers take is told apart from what the punch itself does, and both are in the whole.
//! Every sample holds one reading of the clock, stated as `timer`: subtract its mean from a mean, and distrust percentiles
//! that are near it. Prints one line for each row of the table in `benches/README.md`.

#![allow(clippy::print_stdout, reason = "a benchmark's answer is what it prints")]

use std::hint::black_box;
use std::time::Instant;

use attendance::Roster;
use hdrhistogram::Histogram;
use hot::{BATCH_RECORDS, Chain, Judge, Locator, Scale, is_tiny};
use matcher::SiteIndex;

/// Longest time told apart, in nanoseconds; a longer one counts as this.
const NS_MAX: u64 = 10_000_000_000;

struct Times {
    /// Bytes to verdict.
    located: Histogram<u64>,
    /// The log's clock moves, and what falls due fires.
    advanced: Histogram<u64>,
    /// Verdict to row and state, its clock reached before.
    judged: Histogram<u64>,
    /// Bytes to row and state.
    whole: Histogram<u64>,
    /// Bytes to a reject.
    rejected: Histogram<u64>,
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, NS_MAX, 3).expect("constant bounds are valid: 1 ns to 10 s at three digits")
}

fn ns(from: Instant, until: Instant) -> u64 {
    u64::try_from(until.duration_since(from).as_nanos()).unwrap_or(u64::MAX).max(1)
}

fn run(chain: &Chain, roster: &std::sync::Arc<Roster>, sites: &SiteIndex) -> (Times, Judge) {
    let mut times = Times {
        located: histogram(),
        advanced: histogram(),
        judged: histogram(),
        whole: histogram(),
        rejected: histogram(),
    };
    let (mut locator, mut judge) = (Locator::default(), Judge::new(roster, chain.begins()));
    for (place, record) in chain.records().enumerate() {
        let begun = Instant::now();
        locator.run(&[record], roster, sites);
        let located = Instant::now();
        if locator.batch.punches.is_empty() {
            times.rejected.saturating_record(ns(begun, located));
            continue;
        }
        judge.advance(locator.clocks[0]);
        let advanced = Instant::now();
        judge.take(&locator, 0);
        let judged = Instant::now();
        times.located.saturating_record(ns(begun, located));
        times.advanced.saturating_record(ns(located, advanced));
        times.judged.saturating_record(ns(advanced, judged));
        times.whole.saturating_record(ns(begun, judged));
        if place % BATCH_RECORDS == 0 {
            judge.cut();
        }
    }
    (times, judge)
}

/// What a sample holds besides the work: the time between two readings of the clock with nothing between them.
fn timer(samples: u64) -> Histogram<u64> {
    let mut times = histogram();
    for _ in 0..samples {
        let begun = black_box(Instant::now());
        times.saturating_record(ns(begun, Instant::now()));
    }
    times
}

fn tell(name: &str, times: &Histogram<u64>) {
    let at = |quantile| times.value_at_quantile(quantile);
    println!(
        "{name:<24} n {:>8}  mean {:>8.0}  p50 {:>7}  p99 {:>7}  p99.9 {:>8}  max {:>10}  ns",
        times.len(),
        times.mean(),
        at(0.5),
        at(0.99),
        at(0.999),
        times.max()
    );
}

fn main() {
    let chain = Chain::make(Scale::or_tiny(Scale::FULL));
    let (roster, sites) = (chain.roster(), chain.sites());
    let (_, warm) = run(&chain, &roster, &sites);
    let (times, judge) = run(&chain, &roster, &sites);
    assert_eq!(warm.fingerprint(), judge.fingerprint(), "two runs over the same day agree");
    assert_eq!(times.whole.len() + times.rejected.len(), chain.len() as u64, "every record is timed");
    println!(
        "latency: {} records at {} sites, hash {}",
        chain.len(),
        chain.reference.sites.len(),
        judge.fingerprint()
    );
    tell("timer", &timer(if is_tiny() { 10_000 } else { 1_000_000 }));
    tell("bytes to verdict", &times.located);
    tell("clock, timers due", &times.advanced);
    tell("verdict to row, state", &times.judged);
    tell("bytes to row, state", &times.whole);
    tell("bytes to reject", &times.rejected);
}
