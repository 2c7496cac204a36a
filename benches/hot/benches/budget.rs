//! Question: which bars of the hot path's budget hold? Every line of it, the bar beside the figure, in batches and by
//! single punches, one core.
//!
//! The world is `hot::Cities`: 1,000,000 circles in skewed cities, each site listing ten access points. A hundred batches
//! of 1,000 punches, 70 % at a store, where three of the four access points heard are the store's, 30 % elsewhere in its
//! town, where nobody lists any. Lines:
//!
//! - match by GPS alone, and with the four access points: decoded punches to verdicts;
//! - JSON, Avro and Protobuf to verdict: bytes of the same punches with a beacon that nobody lists, decoded and matched;
//!   where their people were due is known beforehand in all lines;
//! - building the index over the fences and twenty access points a site, on one thread; bytes by what the index asked for;
//! - calls of the allocator in a warm round of all lines.
//!
//! Lines take turns, so that a noisy minute is noisy for all, and what the one left in the caches the next one pushes out.
//! `min` is the least of the rounds, `p50` the middle one; single punches are timed one by one, the clock's reading
//! (`timer`) in it, but for the first of each thousand, which finds the caches as the batches before left them. The hash is of all verdicts of a line.

#![allow(clippy::print_stdout, reason = "a benchmark's answer is what it prints")]
#![allow(clippy::unwrap_used, reason = "shared with tests: a record that cannot be made is a bug")]
#![allow(dead_code, reason = "of the modules shared with tests not all is used")]

#[path = "../../../schemas/tests/support/dice.rs"]
mod dice;
#[path = "../../../schemas/tests/support/lines.rs"]
mod lines;

use std::hint::black_box;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use hot::{BATCH_RECORDS, Cities, Counting, Fingerprint, is_tiny};
use lines::AvroStyle;
use matcher::{Scratch, SiteIndex};
use model::{Batch, DueBatch, EventTime, NextOffset, Offset, Partition, Punch, Reference, Verdicts};
use schemas::decode::{SchemaId, WriterSchema};
use schemas::punch::{AccessPointLine, LocationLine, OccurredAt, PunchLine};
use schemas::{Decoder, Format, ImportOptions, RawRecord};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const AVRO: &str = include_str!("../../../schemas/avro/punch.avsc");
/// Access points of a site while matching, and while building.
const LISTED: u64 = 10;
const LISTED_AT_BUILD: u64 = 20;
/// Rounds, and how many of their batches go through punch by punch.
const ROUNDS: usize = 6;
const SINGLE_BATCHES: usize = 50;

/// Where the punches of a line come from.
enum Source {
    /// Decoded batches.
    Decoded(Vec<Batch>),
    /// Bytes of each batch's records.
    Bytes(Box<Decoder>, Vec<Vec<Vec<u8>>>),
}

/// A line of the budget.
struct Line {
    name: &'static str,
    from: Source,
    /// What its bytes are decoded into.
    batch: Batch,
    mean_max_ns: f64,
    p999_max_ns: Option<u64>,
    rounds_ns: Vec<f64>,
    single: Histogram<u64>,
}

/// What every line matches against and with.
struct World {
    reference: std::sync::Arc<Reference>,
    index: SiteIndex,
    due: Vec<DueBatch>,
    scratch: Scratch,
    out: Verdicts,
    one_due: DueBatch,
    /// Calls of the allocator while batches were timed.
    calls: usize,
}

impl Line {
    fn new(name: &'static str, from: Source, mean_max_ns: f64, p999_max_ns: Option<u64>) -> Self {
        let single = histogram();
        let batch = Batch::new(Partition::new(0), NextOffset::START);
        Self { name, from, batch, mean_max_ns, p999_max_ns, rounds_ns: Vec::new(), single }
    }

    /// One batch to verdicts, and how long that took.
    fn run(&mut self, at: usize, world: &mut World) -> Duration {
        world.one_due.clone_from(&world.due[at]);
        let (calls, begun) = (Counting::calls(), Instant::now());
        match &mut self.from {
            Source::Decoded(batches) => world.locate(&batches[at]),
            Source::Bytes(decoder, batches) => {
                self.batch.clear(Partition::new(0), NextOffset::START);
                for (place, value) in batches[at].iter().enumerate() {
                    decoder.decode(record(place, value), &mut self.batch);
                }
                world.locate(&self.batch);
            }
        }
        let took = begun.elapsed();
        world.calls += Counting::calls() - calls;
        took
    }

    /// The same punch by punch.
    fn run_single(&mut self, at: usize, world: &mut World) {
        let due = std::mem::take(&mut world.due[at]);
        world.one_due.sites.clone_from(&due.sites);
        // Copied before any is timed: a copy that is still on its way would be waited for by the match.
        let copies: Vec<Batch> = match &self.from {
            Source::Decoded(batches) => {
                batches[at].punches.iter().map(|punch| copy(&batches[at], punch)).collect()
            }
            Source::Bytes(..) => Vec::new(),
        };
        for (place, row) in due.rows.iter().enumerate() {
            world.one_due.rows.clear();
            world.one_due.rows.push(row.clone());
            let begun = Instant::now();
            match &mut self.from {
                Source::Decoded(_) => world.locate(&copies[place]),
                Source::Bytes(decoder, batches) => {
                    self.batch.clear(Partition::new(0), NextOffset::START);
                    decoder.decode(record(place, &batches[at][place]), &mut self.batch);
                    world.locate(&self.batch);
                }
            }
            let took = begun.elapsed();
            if place > 0 {
                self.single.saturating_record(took.as_nanos() as u64);
            }
        }
        world.due[at] = due;
    }

    fn tell(&mut self) {
        assert!(!self.single.is_empty(), "single punches were timed");
        self.rounds_ns.sort_by(f64::total_cmp);
        let (min, p50) = (self.rounds_ns[0], self.rounds_ns[self.rounds_ns.len() / 2]);
        let single = |quantile| self.single.value_at_quantile(quantile);
        let tail = self
            .p999_max_ns
            .map_or_else(String::new, |most| format!(", p99.9 ≤ {most}: {}", holds(single(0.999) <= most)));
        let bar = format!("≤ {:.0}: {}{tail}", self.mean_max_ns, holds(p50 <= self.mean_max_ns));
        println!(
            "{:<24} {min:>7.0} {p50:>7.0} {:>8.2} M {:>8.0} {:>7} {:>7} {:>8} {:>10}   {bar}",
            self.name,
            1e3 / p50,
            self.single.mean(),
            single(0.5),
            single(0.99),
            single(0.999),
            self.single.max(),
        );
    }
}

impl World {
    fn locate(&mut self, batch: &Batch) {
        let Self { reference, index, scratch, out, one_due, .. } = self;
        index.match_batch(reference, batch, one_due, scratch, out);
    }
}

fn holds(is_held: bool) -> &'static str {
    if is_held { "holds" } else { "missed" }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 10_000_000_000, 3).expect("constant bounds are valid: 1 ns to 10 s")
}

fn record(place: usize, value: &[u8]) -> RawRecord<'_> {
    let offset = Offset::new(place as i64).expect("a place is not negative");
    RawRecord { offset, append_time: Some(EventTime::from_us(0)), value: Some(value) }
}

/// One punch and what it heard as a batch; it has no texts but its person's, which no match reads.
fn copy(of: &Batch, punch: &Punch) -> Batch {
    let mut batch = Batch::new(Partition::new(0), NextOffset::START);
    batch.access_points.extend_from_slice(of.wifi(punch));
    batch.punches.push(Punch { wifi: 0..batch.access_points.len() as u32, ..punch.clone() });
    batch
}

/// The punch as a phone tells it, its texts and beacon taken from `like`.
fn line(batch: &Batch, punch: &Punch, like: &PunchLine) -> PunchLine {
    let six_digits = |degrees: f64| (degrees * 1e6).round() / 1e6;
    let location = punch.fix.map(|fix| LocationLine {
        lon: six_digits(fix.point.lon()),
        lat: six_digits(fix.point.lat()),
        accuracy_m: fix.accuracy_m.map(|metres| (metres * 10.0).round() / 10.0),
        datum: None,
        mocked: None,
        platform: Some("android".to_owned()),
    });
    let address = |bits: u64| {
        let octets: Vec<String> =
            bits.to_be_bytes()[2..].iter().map(|octet| format!("{octet:02x}")).collect();
        octets.join(":")
    };
    let heard = batch.wifi(punch).iter().map(|seen| AccessPointLine {
        bssid: address(seen.bssid.bits()),
        rssi: Some(-60),
        connected: None,
        age_ms: None,
    });
    PunchLine { location, wifi: Some(heard.collect()), ..like.clone() }
}

/// The records of all batches, written by `write`.
fn written(
    batches: &[Batch],
    likes: &[PunchLine],
    write: impl Fn(&PunchLine) -> Vec<u8>,
) -> Vec<Vec<Vec<u8>>> {
    let of = |batch: &Batch| {
        let lines = batch.punches.iter().zip(likes.iter().cycle());
        lines.map(|(punch, like)| write(&line(batch, punch, like))).collect()
    };
    batches.iter().map(of).collect()
}

/// With its time as a number, which the binary formats have.
fn timed(line: &PunchLine) -> PunchLine {
    let OccurredAt::Text(text) = &line.occurred_at else { return line.clone() };
    let ms = text.parse::<jiff::Timestamp>().unwrap().as_millisecond();
    PunchLine { occurred_at: OccurredAt::EpochMs(ms), ..line.clone() }
}

fn lines_of(plain: Vec<Batch>, hearing: Vec<Batch>) -> Vec<Line> {
    let likes = hot::phone_records(BATCH_RECORDS);
    let json = written(&hearing, &likes, |line| serde_json::to_vec(line).unwrap());
    let schema = apache_avro::Schema::parse_str(AVRO).unwrap();
    let pool = lines::proto_pool(concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas/proto"));
    let avro = written(&hearing, &likes, |line| {
        lines::framed(1, &lines::avro(&schema, &timed(line), AvroStyle::Octets, Vec::new()))
    });
    let protobuf = written(&hearing, &likes, |line| {
        lines::framed(2, &[&[0], &lines::protobuf(&pool, &timed(line))[..]].concat())
    });
    let bytes = |of: &[Vec<Vec<u8>>]| {
        let all = of.iter().flatten();
        all.clone().map(Vec::len).sum::<usize>() / all.count().max(1)
    };
    println!("bytes a record: JSON {}, Avro {}, Protobuf {}", bytes(&json), bytes(&avro), bytes(&protobuf));
    let framed = || {
        let mut decoder = Decoder::new(Format::Framed, ImportOptions::default());
        decoder.add_schema(SchemaId(1), WriterSchema::avro(AVRO).unwrap());
        decoder.add_schema(SchemaId(2), WriterSchema::protobuf(&[0]));
        Box::new(decoder)
    };
    let of_json = Box::new(Decoder::new(Format::Json, ImportOptions::default()));
    vec![
        Line::new("match, GPS", Source::Decoded(plain), 90.0, Some(1_000)),
        Line::new("match, GPS + 4 BSSIDs", Source::Decoded(hearing), 170.0, Some(1_000)),
        Line::new("JSON to verdict", Source::Bytes(of_json, json), 450.0, None),
        Line::new("Avro to verdict", Source::Bytes(framed(), avro), 200.0, None),
        Line::new("Protobuf to verdict", Source::Bytes(framed(), protobuf), 200.0, None),
    ]
}

/// What `make` makes, how many bytes it left behind, and how long it took.
fn built<T>(make: impl FnOnce() -> T) -> (T, usize, f64) {
    let (before, begun) = (Counting::live(), Instant::now());
    let made = black_box(make());
    (made, Counting::live().saturating_sub(before), begun.elapsed().as_secs_f64())
}

/// Builds with and without access points, and tells seconds and bytes.
fn build(cities: &mut Cities, fences: usize) {
    let (index, alone, _) = built(|| SiteIndex::build(&cities.reference));
    drop(index);
    cities.list_access_points(LISTED_AT_BUILD);
    let (index, both, seconds) = built(|| SiteIndex::build(&cities.reference));
    drop(index);
    let a_fence = alone as f64 / fences as f64;
    let listed = fences as f64 * LISTED_AT_BUILD as f64;
    let a_radio = both.saturating_sub(alone) as f64 / listed;
    println!(
        "build, {:.0} M BSSIDs       {seconds:>7.2} s      ≤ 5: {}",
        listed / 1e6,
        holds(seconds <= 5.0)
    );
    println!("bytes a fence             {a_fence:>7.1}        ≤ 270: {}", holds(a_fence <= 270.0));
    println!("bytes a BSSID             {a_radio:>7.1}        ≤ 16: {}", holds(a_radio <= 16.0));
}

fn main() {
    let (fences, batches, rounds) = if is_tiny() { (2_000, 2, 1) } else { (1_000_000, 100, ROUNDS) };
    let mut cities = Cities::make(fences, 0);
    println!("budget: {fences} fences, {LISTED} BSSIDs a site, {batches} batches of {BATCH_RECORDS}");
    build(&mut cities, fences);
    cities.list_access_points(LISTED);
    let (mut plain, mut hearing, mut due) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..batches {
        let (mut batch, mut rows) = (Batch::new(Partition::new(0), NextOffset::START), DueBatch::default());
        cities.fill(BATCH_RECORDS, &mut batch, &mut rows);
        plain.push(batch.clone());
        cities.hear(&mut batch, &rows);
        hearing.push(batch);
        due.push(rows);
    }
    let reference = std::sync::Arc::clone(&cities.reference);
    let mut world = World {
        index: SiteIndex::build(&reference),
        reference,
        due,
        scratch: Scratch::default(),
        out: Verdicts::default(),
        one_due: DueBatch::default(),
        calls: 0,
    };
    let mut lines = lines_of(plain, hearing);
    for line in &mut lines {
        let mut print = Fingerprint::default();
        for at in 0..batches {
            line.run(at, &mut world);
            assert_eq!(world.out.rows.len(), BATCH_RECORDS, "{:?}", line.batch.rejects.first());
            world.out.rows.iter().for_each(|verdict| print.add(verdict));
        }
        println!("{:<24} hash {print}", line.name);
    }
    world.calls = 0;
    for _ in 0..rounds {
        for line in &mut lines {
            let took: Duration = (0..batches).map(|at| line.run(at, &mut world)).sum();
            line.rounds_ns.push(took.as_nanos() as f64 / (batches * BATCH_RECORDS) as f64);
        }
        for line in &mut lines {
            (0..batches.min(SINGLE_BATCHES)).for_each(|at| line.run_single(at, &mut world));
        }
    }
    println!(
        "\n{:<24} {:>7} {:>7} {:>10} {:>8} {:>7} {:>7} {:>8} {:>10}   bars",
        "ns a punch", "min", "p50", "a second", "single", "p50", "p99", "p99.9", "max"
    );
    lines.iter_mut().for_each(Line::tell);
    let mut timer = histogram();
    for _ in 0..1_000_000 {
        let begun = black_box(Instant::now());
        timer.saturating_record(begun.elapsed().as_nanos() as u64);
    }
    println!("timer: mean {:.0}, p99.9 {} ns", timer.mean(), timer.value_at_quantile(0.999));
    let calls = world.calls;
    println!(
        "calls of the allocator in {} warm rounds: {calls}   0: {}",
        rounds * lines.len(),
        holds(calls == 0)
    );
}
