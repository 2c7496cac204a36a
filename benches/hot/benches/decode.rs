//! Question: how many nanoseconds does it take to turn the bytes of one record into a punch (or a reject), and how many
//! would other readers take?
//!
//! `day`: one day of a generated chain of 10,000 stores and 50,000 people, seed 7, as JSON: phones' scans and fixes,
//! terminals, kiosks and 0.3 % bad records as they come, in batches of 1,000. Reported per record.
//! `phones`: a table over 1,000 phones' punches of one shape (four access points, one beacon, a fix), in JSON, Avro and
//! Protobuf and Arrow, beside general readers of JSON into a struct that borrows its texts. All take turns, batch by batch, so that a
//! noisy machine is noisy for all of them; the smallest and the middle of their times are shown. Their structs hold texts
//! where a batch holds addresses and instants: the peers do less.

#![allow(clippy::print_stdout, reason = "a benchmark's answer is what it prints")]
#![allow(
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "shared with tests: a record that cannot be made is a bug"
)]
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]
#![allow(
    dead_code,
    reason = "the struct of the peers is filled and not looked at; of the shared modules not all is used"
)]

#[path = "../../../schemas/tests/support/arrows.rs"]
mod arrows;
#[path = "../../../schemas/tests/support/dice.rs"]
mod dice;
#[path = "../../../schemas/tests/support/lines.rs"]
mod lines;

use std::hint::black_box;
use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hot::{Chain, Fingerprint, Locator, Scale};
use lines::AvroStyle;
use model::{Batch, EventTime, NextOffset, Offset, Partition};
use schemas::decode::{PunchColumns, SchemaId, WriterSchema, read_arrow};
use schemas::punch::{OccurredAt, PunchLine};
use schemas::{Decoder, Format, ImportOptions, RawRecord};
use serde::Deserialize;

fn day(criterion: &mut Criterion) {
    let chain = Chain::make(Scale::or_tiny(Scale::FULL));
    let batches = chain.batches();
    let mut locator = Locator::default();
    let (mut print, mut punches) = (Fingerprint::default(), 0);
    for records in &batches {
        locator.decode(records);
        punches += locator.batch.punches.len();
        locator.batch.punches.iter().for_each(|punch| print.add(punch));
        locator.batch.rejects.iter().for_each(|reject| print.add(reject));
    }
    println!(
        "decode: {} records of {:.0} bytes, {punches} punches, hash {print}",
        chain.len(),
        chain.bytes_per_record()
    );
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(chain.len() as u64)).sample_size(20);
    group.bench_function("day", |bencher| {
        bencher.iter(|| batches.iter().for_each(|records| locator.decode(records)));
    });
    group.finish();
}

/// A record as a general reader gives it: the contract's fields, texts borrowed.
#[derive(Deserialize)]
struct Line<'a> {
    event_id: &'a str,
    employee_id: &'a str,
    kind: &'a str,
    occurred_at: &'a str,
    origin: &'a str,
    trigger: Option<&'a str>,
    device_id: Option<&'a str>,
    site_id: Option<&'a str>,
    location: Option<Location<'a>>,
    #[serde(default, borrow)]
    wifi: Vec<AccessPoint<'a>>,
    #[serde(default, borrow)]
    beacons: Vec<Beacon<'a>>,
    tz: Option<&'a str>,
}

#[derive(Deserialize)]
struct Location<'a> {
    lon: f64,
    lat: f64,
    accuracy_m: Option<f64>,
    datum: Option<&'a str>,
    mocked: Option<bool>,
    platform: Option<&'a str>,
}

#[derive(Deserialize)]
struct AccessPoint<'a> {
    bssid: &'a str,
    rssi: Option<i16>,
    connected: Option<bool>,
    age_ms: Option<u32>,
}

#[derive(Deserialize)]
struct Beacon<'a> {
    uuid: &'a str,
    major: u16,
    minor: u16,
    rssi: Option<i16>,
}

/// One of those that take turns: its name, bytes a record, and what it does with all records.
struct Contender<'a> {
    name: &'static str,
    bytes: usize,
    pass: Box<dyn FnMut() + 'a>,
    nanoseconds: Vec<f64>,
}

fn contender<'a>(
    name: &'static str,
    values: &'a [Vec<u8>],
    pass: impl FnMut(&'a [Vec<u8>]) + 'a,
) -> Contender<'a> {
    let mut pass = pass;
    let bytes = values.iter().map(Vec::len).sum::<usize>() / values.len();
    Contender { name, bytes, pass: Box::new(move || pass(values)), nanoseconds: Vec::new() }
}

/// Ours: into a batch that is used again and again.
fn ours<'a>(name: &'static str, values: &'a [Vec<u8>], mut decoder: Decoder) -> Contender<'a> {
    let mut batch = Batch::new(Partition::new(0), NextOffset::START);
    contender(name, values, move |values| {
        batch.clear(Partition::new(0), NextOffset::START);
        for (place, value) in values.iter().enumerate() {
            let offset = Offset::new(place as i64).unwrap();
            decoder.decode(
                RawRecord { offset, append_time: Some(EventTime::from_us(0)), value: Some(value) },
                &mut batch,
            );
        }
        assert_eq!(batch.punches.len(), values.len(), "{:?}", batch.rejects.first());
    })
}

/// The records with their times as numbers, which the binary formats have.
fn timed(records: &[PunchLine]) -> Vec<PunchLine> {
    let at = |line: &PunchLine| match &line.occurred_at {
        OccurredAt::Text(text) => text.parse::<jiff::Timestamp>().unwrap().as_millisecond(),
        OccurredAt::EpochMs(ms) => *ms,
    };
    let timed = |line: &PunchLine| PunchLine { occurred_at: OccurredAt::EpochMs(at(line)), ..line.clone() };
    records.iter().map(timed).collect()
}

fn phones(_: &mut Criterion) {
    const AVRO: &str = include_str!("../../../schemas/avro/punch.avsc");
    let rounds = if hot::is_tiny() { 1 } else { 400 };
    let records = hot::phone_records(1_000);
    let json: Vec<Vec<u8>> = records.iter().map(|line| serde_json::to_vec(line).unwrap()).collect();
    let schema = apache_avro::Schema::parse_str(AVRO).unwrap();
    let pool = lines::proto_pool(concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas/proto"));
    let timed = timed(&records);
    let avro: Vec<Vec<u8>> = timed
        .iter()
        .map(|line| lines::framed(1, &lines::avro(&schema, line, AvroStyle::Octets, Vec::new())))
        .collect();
    let protobuf: Vec<Vec<u8>> = timed
        .iter()
        .map(|line| lines::framed(2, &[&[0], &lines::protobuf(&pool, line)[..]].concat()))
        .collect();
    let options = ImportOptions::default;
    let mut framed = [(); 2].map(|()| Decoder::new(Format::Framed, options()));
    for decoder in &mut framed {
        decoder.add_schema(SchemaId(1), WriterSchema::avro(AVRO).unwrap());
        decoder.add_schema(SchemaId(2), WriterSchema::protobuf(&[0]));
    }
    let [of_avro, of_protobuf] = framed;
    let batch = arrows::record_batch(&timed, arrows::Columns::Stated);
    let columns = PunchColumns::of(&batch).unwrap();
    let arrow = [arrows::stream(&batch)];
    let [mut rows, mut whole] = [(); 2].map(|()| Batch::new(Partition::new(0), NextOffset::START));
    let mut copy = Vec::new();
    let mut buffers = simd_json::Buffers::default();
    let mut contenders = [
        ours("json, ours", &json, Decoder::new(Format::Json, options())),
        ours("json, our general reader", &json, Decoder::general_json(options())),
        contender("json, serde_json into a struct", &json, |values| {
            values
                .iter()
                .for_each(|value| drop(black_box(serde_json::from_slice::<Line<'_>>(value).unwrap())));
        }),
        contender("json, sonic-rs into a struct", &json, |values| {
            values.iter().for_each(|value| drop(black_box(sonic_rs::from_slice::<Line<'_>>(value).unwrap())));
        }),
        contender("json, simd-json into a struct", &json, move |values| {
            for value in values {
                // It writes into its input.
                copy.clear();
                copy.extend_from_slice(value);
                drop(black_box(
                    simd_json::serde::from_slice_with_buffers::<Line<'_>>(&mut copy, &mut buffers).unwrap(),
                ));
            }
        }),
        ours("avro, ours", &avro, of_avro),
        ours("protobuf, ours", &protobuf, of_protobuf),
        contender("arrow, its rows", &arrow, |_| {
            rows.clear(Partition::new(0), NextOffset::START);
            for row in 0..columns.rows() {
                let offset = Offset::new(row as i64).unwrap();
                Decoder::decode_row(offset, Some(EventTime::from_us(0)), (&columns, row), &mut rows);
            }
            assert_eq!(rows.punches.len(), columns.rows(), "{:?}", rows.rejects.first());
        }),
        contender("arrow, from a stream's bytes", &arrow, |values| {
            whole.clear(Partition::new(0), NextOffset::START);
            for columns in &read_arrow(values[0].clone()).unwrap() {
                for row in 0..columns.rows() {
                    let offset = Offset::new(row as i64).unwrap();
                    Decoder::decode_row(offset, Some(EventTime::from_us(0)), (columns, row), &mut whole);
                }
            }
            assert_eq!(whole.punches.len(), records.len(), "{:?}", whole.rejects.first());
        }),
    ];
    // A stream holds all records in one value.
    let of_arrow = contenders.iter_mut().filter(|contender| contender.name.starts_with("arrow"));
    of_arrow.for_each(|contender| contender.bytes /= records.len());
    for _ in 0..rounds {
        for contender in &mut contenders {
            let begin = Instant::now();
            (contender.pass)();
            contender.nanoseconds.push(begin.elapsed().as_nanos() as f64 / records.len() as f64);
        }
    }
    println!("\n{:32} {:>6} {:>8} {:>8} {:>7}", "phones", "bytes", "min ns", "p50 ns", "ratio");
    let mut first = None;
    for contender in &mut contenders {
        contender.nanoseconds.sort_by(f64::total_cmp);
        let (min, p50) = (contender.nanoseconds[0], contender.nanoseconds[rounds / 2]);
        let ratio = min / *first.get_or_insert(min);
        println!("{:32} {:>6} {min:>8.0} {p50:>8.0} {ratio:>7.2}", contender.name, contender.bytes);
    }
}

criterion_group!(benches, day, phones);
criterion_main!(benches);
