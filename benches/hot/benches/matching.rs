//! Question: how many nanoseconds does the verdict of one decoded punch take, at 10,000 sites with their access points?
//!
//! Over one day of a generated chain of 10,000 stores and 50,000 people, seed 7: circles, polygons, holes, several access
//! points a scan, blocks of addresses, beacons, two datums. Decoded and expected beforehand, matched in batches of 1,000.
//! Reported per punch.

#![allow(clippy::print_stdout, reason = "a benchmark's answer is what it prints")]
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hot::{Chain, Fingerprint, Locator, Scale};
use matcher::Scratch;
use model::{Batch, DueBatch, Verdicts};

fn matching(criterion: &mut Criterion) {
    let chain = Chain::make(Scale::or_tiny(Scale::FULL));
    let (roster, sites) = (chain.roster(), chain.sites());
    let mut locator = Locator::default();
    let mut print = Fingerprint::default();
    let (mut located, mut punches, mut seen) = (Vec::<(Batch, DueBatch)>::new(), 0, 0);
    for records in chain.batches() {
        locator.run(&records, &roster, &sites);
        locator.verdicts.rows.iter().for_each(|verdict| print.add(verdict));
        punches += locator.batch.punches.len();
        seen += locator.batch.access_points.len();
        located.push((locator.batch.clone(), locator.due.clone()));
    }
    println!(
        "match: {punches} punches with {:.1} access points each, {} sites, hash {print}",
        seen as f64 / punches.max(1) as f64,
        chain.reference.sites.len()
    );
    let (mut scratch, mut out) = (Scratch::default(), Verdicts::default());
    let mut group = criterion.benchmark_group("match");
    group.throughput(Throughput::Elements(punches as u64)).sample_size(20);
    group.bench_function("day", |bencher| {
        bencher.iter(|| {
            for (batch, due) in &located {
                sites.match_batch(&chain.reference, batch, due, &mut scratch, &mut out);
            }
        });
    });
    group.finish();
}

criterion_group!(benches, matching);
criterion_main!(benches);
