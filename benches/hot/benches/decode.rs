//! Question: how many nanoseconds does it take to turn the bytes of one JSON record into a punch (or a reject)?
//!
//! Over one day of a generated chain of 10,000 stores and 50,000 people, seed 7: phones' scans and fixes, terminals,
//! kiosks and 0.3 % bad records as they come, in batches of 1,000. Reported per record.

#![allow(clippy::print_stdout, reason = "a benchmark's answer is what it prints")]
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hot::{Chain, Fingerprint, Locator, Scale};

fn decode(criterion: &mut Criterion) {
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
    let lines: Vec<Vec<u8>> = hot::phone_records(1_000)
        .iter()
        .map(|line| serde_json::to_vec(line).expect("a line is JSON"))
        .collect();
    let bytes: usize = lines.iter().map(Vec::len).sum();
    println!("phones: {} bytes a record", bytes / lines.len());
    let records: Vec<schemas::RawRecord<'_>> = lines
        .iter()
        .enumerate()
        .map(|(at, line)| schemas::RawRecord {
            offset: model::Offset::new(at as i64).expect("not negative"),
            append_time: Some(model::EventTime::from_us(0)),
            value: Some(line),
        })
        .collect();
    locator.decode(&records);
    assert_eq!(locator.batch.punches.len(), records.len());
    let mut group = criterion.benchmark_group("phones");
    group.throughput(Throughput::Elements(records.len() as u64));
    group.bench_function("json", |bencher| {
        bencher.iter(|| locator.decode(&records));
    });
    group.finish();
}

criterion_group!(benches, decode);
criterion_main!(benches);
