//! Question: how many nanoseconds pass from the bytes of a record to its verdict: decode, expect and match together?
//!
//! Over one day of a generated chain of 10,000 stores and 50,000 people, seed 7, in batches of 1,000, all three stages on
//! one batch before the next, as a worker runs them. Reported per record. Less than its parts' sum would mean that a part
//! was measured with cold caches; more, that they push each other out.

#![allow(clippy::print_stdout, reason = "a benchmark's answer is what it prints")]
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hot::{Chain, Fingerprint, Locator, Scale};

fn located(criterion: &mut Criterion) {
    let chain = Chain::make(Scale::or_tiny(Scale::FULL));
    let (roster, sites) = (chain.roster(), chain.sites());
    let batches = chain.batches();
    let mut locator = Locator::default();
    let mut print = Fingerprint::default();
    for records in &batches {
        locator.run(records, &roster, &sites);
        locator.verdicts.rows.iter().for_each(|verdict| print.add(verdict));
    }
    println!("decode+expect+match: {} records, hash {print}", chain.len());
    let mut group = criterion.benchmark_group("decode+expect+match");
    group.throughput(Throughput::Elements(chain.len() as u64)).sample_size(20);
    group.bench_function("day", |bencher| {
        bencher.iter(|| batches.iter().for_each(|records| locator.run(records, &roster, &sites)));
    });
    group.finish();
}

criterion_group!(benches, located);
criterion_main!(benches);
