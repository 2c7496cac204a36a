//! Question: first look
#![allow(clippy::print_stdout, reason = "a benchmark's answer is what it prints")]
use std::time::Instant;
use hot::{Cities, is_tiny, Fingerprint, BATCH_RECORDS};
use matcher::{Scratch, SiteIndex};
use model::{Batch, DueBatch, Verdicts, Partition, NextOffset, Place};
use hdrhistogram::Histogram;
fn main() {
    let fences = std::env::var("FENCES").ok().and_then(|s| s.parse().ok()).unwrap_or(if is_tiny() { 2_000 } else { 1_000_000 });
    let poly = std::env::var("POLY").ok().and_then(|s| s.parse().ok()).unwrap_or(0);
    let t = Instant::now();
    let mut cities = Cities::make(fences, poly);
    println!("made in {:?}", t.elapsed());
    let t = Instant::now();
    let index = SiteIndex::build(&cities.reference);
    println!("index in {:?}", t.elapsed());
    let (mut batch, mut due) = (Batch::new(Partition::new(0), NextOffset::START), DueBatch::default());
    let (mut scratch, mut out) = (Scratch::default(), Verdicts::default());
    let mut print = Fingerprint::default();
    let rounds = if is_tiny() { 3 } else { std::env::var("ROUNDS").ok().and_then(|s| s.parse().ok()).unwrap_or(500) };
    let single = std::env::var("SINGLE").is_ok();
    let mut ns = Vec::new(); let mut places=[0u64;4]; let mut near = 0;
    let mut hist: Histogram<u64> = Histogram::new_with_bounds(1, 10_000_000_000, 3).unwrap();
    for _ in 0..rounds {
        cities.fill(BATCH_RECORDS, &mut batch, &mut due);
        let t = Instant::now();
        index.match_batch(&cities.reference, &batch, &due, &mut scratch, &mut out);
        ns.push(t.elapsed().as_nanos() as f64 / BATCH_RECORDS as f64);
        for v in &out.rows { places[v.place as usize] += 1; near += v.candidates.len(); }
        if rounds < 1000 { out.rows.iter().for_each(|v| print.add(v)); }
        if single {
            let (mut b1, mut d1) = (batch.clone(), DueBatch::default());
            for (p, d) in batch.punches.iter().zip(&due.rows) {
                b1.punches.clear(); b1.punches.push(p.clone());
                d1.clear(); d1.rows.push(d.clone());
                d1.sites.clone_from(&due.sites);
                let t = Instant::now();
                index.match_batch(&cities.reference, &b1, &d1, &mut scratch, &mut out);
                hist.saturating_record(t.elapsed().as_nanos() as u64);
            }
        }
    }
    let mean = ns.iter().sum::<f64>() / ns.len() as f64;
    ns.sort_by(f64::total_cmp);
    println!("mean {mean:.1} p10 {:.1} median batch {:.1} min {:.1} max {:.1}; places {places:?} candidates {near} {print}", ns[ns.len()/10], ns[ns.len()/2], ns[0], ns[ns.len()-1]);
    if single { println!("single mean {:.0} p50 {} p99 {} p99.9 {} max {}", hist.mean(), hist.value_at_quantile(0.5), hist.value_at_quantile(0.99), hist.value_at_quantile(0.999), hist.max()); }
    let _ = Place::Inside;
}
