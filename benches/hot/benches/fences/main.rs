//! Question: how long does the verdict of a punch by GPS alone take among a million fences, in batches and by itself; how
//! many bytes does a fence take and how long does building; and how do other indexes do on the same data?
//!
//! The world is `hot::Cities`: circles in skewed cities, once more with every fifth fence a polygon. Batches of 1,000
//! punches, made beforehand and copied where they are matched from, so that punches come from the cache as they do behind
//! a decoder, while cells and rows come from wherever a random punch finds them. Rounds of all indexes alternate in one
//! run; told are the mean, the least and the middle round, a punch each.
//!
//! `batch` is the whole match: cells, exact distances, rule, fusion, distance to the site where the person was due.
//! `single` is the same for batches of one, each timed by itself, with one reading of the clock (`timer`) in it. The peers
//! answer less: which fences hold the point, from boxes or cells to exact containment by `geo` (haversine for circles), no
//! distances, no tolerance. `memory` says what a random line of memory costs in the same minutes: one after the other
//! (`waited`), and many at a time (`together`), which is the limit of any index that has to read lines.
//!
//! `MUSTER_PLOT=file.svg` also measures 1,000 to 1,000,000 fences and plots them. Seed fixed; the hash is of all verdicts.

#![allow(clippy::print_stdout, reason = "a benchmark's answer is what it prints")]

mod peers;
mod plot;

use std::hint::black_box;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use hot::{BATCH_RECORDS, Cities, Counting, Fingerprint, is_tiny};
use matcher::{Scratch, SiteIndex};
use model::{Batch, DueBatch, NextOffset, Partition, Verdicts};

use peers::Peer;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Batches of a round, and rounds.
const BATCHES: usize = 100;
const ROUNDS: usize = 6;
/// Of the plot's rounds so many batches go punch by punch too.
const SINGLE_BATCHES: usize = 20;
/// Longest time told apart, in nanoseconds.
const NS_MAX: u64 = 10_000_000_000;

/// Punches with where their people were due.
type Work = Vec<(Batch, DueBatch)>;

/// Nanoseconds a punch of each round.
#[derive(Default)]
struct Times(Vec<f64>);

impl Times {
    fn add(&mut self, took: Duration, punches: usize) {
        self.0.push(took.as_nanos() as f64 / punches.max(1) as f64);
    }

    fn mean(&self) -> f64 {
        self.0.iter().sum::<f64>() / self.0.len().max(1) as f64
    }

    fn sorted(&self) -> Vec<f64> {
        let mut all = self.0.clone();
        all.sort_unstable_by(f64::total_cmp);
        all
    }

    fn least(&self) -> f64 {
        self.sorted().first().copied().unwrap_or(f64::NAN)
    }

    fn middle(&self) -> f64 {
        self.sorted().get(self.0.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

/// The matcher, with the buffers a worker keeps.
struct Ours {
    index: SiteIndex,
    scratch: Scratch,
    out: Verdicts,
    batch: Batch,
    due: DueBatch,
}

impl Ours {
    fn build(cities: &Cities) -> Self {
        Self {
            index: SiteIndex::build(&cities.reference),
            scratch: Scratch::default(),
            out: Verdicts::default(),
            batch: Batch::new(Partition::new(0), NextOffset::START),
            due: DueBatch::default(),
        }
    }

    /// Matches a copy of a batch and says how long that took without the copying.
    fn run(&mut self, cities: &Cities, batch: &Batch, due: &DueBatch) -> Duration {
        self.batch.clone_from(batch);
        self.due.clone_from(due);
        let begun = Instant::now();
        self.index.match_batch(&cities.reference, &self.batch, &self.due, &mut self.scratch, &mut self.out);
        begun.elapsed()
    }

    /// Matches each punch of a batch by itself.
    fn run_single(&mut self, cities: &Cities, batch: &Batch, due: &DueBatch, times: &mut Histogram<u64>) {
        self.batch.clone_from(batch);
        self.due.clone_from(due);
        for (punch, row) in batch.punches.iter().zip(&due.rows) {
            self.batch.punches.truncate(1);
            self.batch.punches[0].clone_from(punch);
            self.due.rows.truncate(1);
            self.due.rows[0].clone_from(row);
            let begun = Instant::now();
            let Self { index, scratch, out, batch, due } = self;
            index.match_batch(&cities.reference, batch, due, scratch, out);
            times.saturating_record(begun.elapsed().as_nanos() as u64);
        }
    }
}

fn work(cities: &mut Cities, batches: usize) -> Work {
    let mut one = || {
        let (mut batch, mut due) = (Batch::new(Partition::new(0), NextOffset::START), DueBatch::default());
        cities.fill(BATCH_RECORDS, &mut batch, &mut due);
        (batch, due)
    };
    (0..batches).map(|_| one()).collect()
}

/// What `make` makes, how many bytes it left behind, and how long it took.
fn built<T>(make: impl FnOnce() -> T) -> (T, usize, Duration) {
    let (before, begun) = (Counting::live(), Instant::now());
    let made = black_box(make());
    (made, Counting::live().saturating_sub(before), begun.elapsed())
}

fn tell(name: &str, times: &Times, ours: f64) {
    let (mean, least, middle) = (times.mean(), times.least(), times.middle());
    println!(
        "{name:<24} mean {mean:>7.1}  min {least:>7.1}  p50 {middle:>7.1} ns a punch  {:>6.2} ×",
        least / ours
    );
}

fn tell_histogram(name: &str, times: &Histogram<u64>) {
    let at = |quantile| times.value_at_quantile(quantile);
    println!(
        "{name:<24} n {:>8}  mean {:>6.0}  p50 {:>6}  p99 {:>6}  p99.9 {:>7}  max {:>9}  ns",
        times.len(),
        times.mean(),
        at(0.5),
        at(0.99),
        at(0.999),
        times.max()
    );
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, NS_MAX, 3).expect("constant bounds are valid: 1 ns to 10 s at three digits")
}

/// What a random line costs: one whose place the line before tells, and one of many known beforehand.
fn memory(bytes: usize) -> (f64, f64) {
    let count = bytes / 64;
    let mut lines = vec![[0_u64; 8]; count];
    // Sattolo's shuffle: one cycle through all lines.
    let mut order: Vec<u32> = (0..count as u32).collect();
    let mut state = 7_u64;
    for at in (1..count).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        order.swap(at, (state >> 33) as usize % at);
    }
    (0..count).for_each(|at| lines[order[at] as usize][0] = u64::from(order[(at + 1) % count]));
    let steps = count.min(400_000);
    let begun = Instant::now();
    let mut at = 0;
    (0..steps).for_each(|_| at = lines[at][0] as usize);
    black_box(at);
    let waited = begun.elapsed().as_nanos() as f64 / steps as f64;
    let begun = Instant::now();
    let sum = order.iter().take(steps).fold(0_u64, |sum, at| sum.wrapping_add(lines[*at as usize][0]));
    black_box(sum);
    (waited, begun.elapsed().as_nanos() as f64 / steps as f64)
}

/// Compares everything over one world, and tells it.
fn compare(name: &str, fences: usize, polygon_in: usize) {
    let mut cities = Cities::make(fences, polygon_in);
    let work = work(&mut cities, if is_tiny() { 2 } else { BATCHES });
    let punches = work.len() * BATCH_RECORDS;
    let (mut ours, bytes, took) = built(|| Ours::build(&cities));
    println!("\n{name}: {fences} fences, {punches} punches a round");
    println!("{:<24} {:>6.1} bytes a fence, built in {took:.2?}", "ours", bytes as f64 / fences as f64);
    let mut print = Fingerprint::default();
    for (batch, due) in &work {
        ours.run(&cities, batch, due);
        ours.out.rows.iter().for_each(|verdict| print.add(verdict));
    }
    let mut peers = Peer::build_all(&cities.reference, |name, bytes, took| {
        println!("{name:<24} {:>6.1} bytes a fence, built in {took:.2?}", bytes as f64 / fences as f64);
    });
    let (mut mine, mut theirs) =
        (Times::default(), peers.iter().map(|_| Times::default()).collect::<Vec<_>>());
    let (mut single, mut found) = (histogram(), vec![0; peers.len()]);
    let rounds = if is_tiny() { 1 } else { ROUNDS };
    for _ in 0..rounds {
        let took = work.iter().map(|(batch, due)| ours.run(&cities, batch, due)).sum();
        mine.add(took, punches);
        for ((peer, times), found) in peers.iter_mut().zip(&mut theirs).zip(&mut found) {
            let begun = Instant::now();
            *found = work.iter().map(|(batch, _)| peer.run(&batch.punches)).sum::<usize>();
            times.add(begun.elapsed(), punches);
        }
        work.iter().for_each(|(batch, due)| ours.run_single(&cities, batch, due, &mut single));
    }
    tell("batch", &mine, mine.least());
    for ((peer, times), found) in peers.iter().zip(&theirs).zip(&found) {
        tell(peer.name(), times, mine.least());
        assert!(*found > 0, "{} finds fences", peer.name());
    }
    println!(
        "{:<24} {found:?} (spheres differ from the ellipsoid by up to 0.5 %)",
        "fences that hold, peers"
    );
    tell_histogram("single", &single);
    println!("{name}: hash {print}");
}

/// Nanoseconds a punch among so many fences.
fn among(fences: usize) -> plot::Point {
    let mut cities = Cities::make(fences, 0);
    let work = work(&mut cities, if is_tiny() { 2 } else { BATCHES });
    let mut ours = Ours::build(&cities);
    let (mut times, mut single) = (Times::default(), histogram());
    for _ in 0..if is_tiny() { 1 } else { ROUNDS } {
        let took = work.iter().map(|(batch, due)| ours.run(&cities, batch, due)).sum();
        times.add(took, work.len() * BATCH_RECORDS);
        work.iter()
            .take(SINGLE_BATCHES)
            .for_each(|(batch, due)| ours.run_single(&cities, batch, due, &mut single));
    }
    let at = |quantile| single.value_at_quantile(quantile) as f64;
    plot::Point { fences, batch: times.least(), single_p50: at(0.5), single_p99: at(0.99) }
}

fn main() {
    let full = if is_tiny() { 2_000 } else { 1_000_000 };
    let mut timer = histogram();
    for _ in 0..if is_tiny() { 1_000 } else { 1_000_000 } {
        let begun = black_box(Instant::now());
        timer.saturating_record(begun.elapsed().as_nanos() as u64);
    }
    compare("circles", full, 0);
    compare("every fifth a polygon", full, 5);
    tell_histogram("timer", &timer);
    let (waited, together) = memory(if is_tiny() { 1 << 20 } else { 128 << 20 });
    println!("memory: {waited:.1} ns a line waited for, {together:.1} ns a line of many");
    let file = std::env::var_os("MUSTER_PLOT").map(std::path::PathBuf::from);
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let file = file.or_else(|| is_tiny().then(|| scratch.path().join("fences.svg")));
    if let Some(file) = file {
        let counts: &[usize] = if is_tiny() {
            &[100, 300]
        } else {
            &[1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000]
        };
        let points: Vec<_> = counts.iter().map(|count| among(*count)).collect();
        plot::write(&file, &points).expect("the plot can be written");
        for plot::Point { fences, batch, single_p50, single_p99 } in &points {
            println!(
                "{fences:>9} fences: batch {batch:.1}, single p50 {single_p50:.0}, p99 {single_p99:.0} ns"
            );
        }
        println!("drawn to {}", file.display());
    }
}
