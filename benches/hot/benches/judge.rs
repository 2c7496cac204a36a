//! Question: what does history cost: how many nanoseconds do the clock and its timers, the look-up for repeats, the
//! judgement on arrival, the Arrow row and the change of state take for one punch?
//!
//! Over one day of a generated chain of 10,000 stores and 50,000 people, seed 7, located beforehand, in one partition:
//! every shift's timers fire on the way. The state begins empty in each iteration, its timers set; making and dropping it
//! is not timed, nor is handing rows over, which happens after every batch of 1,000. Reported per punch. Comparing with what was said, dead letters and commits are `benches/whole`'s.

#![allow(clippy::print_stdout, reason = "a benchmark's answer is what it prints")]
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hot::{Chain, Judge, Level, Locator, Scale};

fn judge(criterion: &mut Criterion) {
    let chain = Chain::make(Scale::or_tiny(Scale::FULL));
    let (roster, sites) = (chain.roster(), chain.sites());
    let mut clock = model::EventTime::from_us(0);
    let located: Vec<Locator> = chain
        .batches()
        .iter()
        .map(|records| {
            let mut locator = Locator::at(clock);
            locator.run(records, &roster, &sites);
            clock = locator.clock();
            locator
        })
        .collect();
    let punches: usize = located.iter().map(|batch| batch.batch.punches.len()).sum();
    let run = || {
        let mut judge = Judge::new(&roster, chain.begins());
        let mut spent = Duration::ZERO;
        for batch in &located {
            let begun = Instant::now();
            judge.take_all(batch);
            spent += begun.elapsed();
            judge.cut();
        }
        (spent, judge)
    };
    let mut levelled = Judge::new(&roster, chain.begins());
    levelled.level = Some(Level::default());
    for batch in &located {
        levelled.take_all(batch);
        levelled.cut();
    }
    let (changes, level) = levelled.level.as_ref().expect("it was asked for").fingerprint();
    let (_, judged) = run();
    println!(
        "judge: {punches} punches, {} stored, {} repeats, {} persons judged, hash {}; {changes} said anew, hash {level}",
        judged.stored,
        judged.repeats,
        judged.judged,
        judged.fingerprint()
    );
    let mut group = criterion.benchmark_group("judge");
    group.throughput(Throughput::Elements(punches as u64)).sample_size(10);
    group.bench_function("day", |bencher| {
        bencher.iter_custom(|times| (0..times).map(|_| run().0).sum::<Duration>());
    });
    group.finish();
}

criterion_group!(benches, judge);
criterion_main!(benches);
