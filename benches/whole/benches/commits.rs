//! Question: does a commit stay as quick as the table ages: how long do 10,000 commits of 100 punches take, one by one, into a
//! lake in a folder whose log snapshots and compaction are made beside them, as a processor makes them?
//!
//! One owner, one partition, a million people's punches a second of log time apart (eleven days of them); random ids, as
//! phones make them. Every file is synced to the disk (`MUSTER_BENCH_SYNC=0`: none is). A round of housekeeping is started behind
//! every fiftieth commit, if none is under way. Prints the distribution of all commits, of the first and of the last thousand, and
//! what the table is made of in the end; every row is counted there.

#![allow(clippy::print_stdout, reason = "a benchmark's answer is what it prints")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use frontier::PartitionFrontier;
use hdrhistogram::Histogram;
use jiff::tz::TimeZone;
use lake::{Commit, CommitOutcome, Lake, LakeOptions, LogIdentity, LogKind, Which};
use model::{
    EventTime, EvidenceSet, Kind, LogClock, LogId, NextOffset, Offset, Origin, Partition, Place, Reasons,
};
use schemas::tables::punches;
use whole::{Tables, is_tiny};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROWS: i64 = 100;
const HOUSEKEEPING_EVERY: usize = 50;
/// 2026-11-02T00:00:00Z.
const START: EventTime = EventTime::from_us(1_793_577_600_000_000);

fn main() {
    let commits = if is_tiny() { 60 } else { 10_000 };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let sync = std::env::var_os("MUSTER_BENCH_SYNC").is_none_or(|value| value != "0");
    let took = runtime.block_on(run(folder.path(), commits, sync));
    let quarter = took.len().min(1_000);
    for (what, part) in
        [("all", &took[..]), ("first", &took[..quarter]), ("last", &took[took.len() - quarter..])]
    {
        let mut times =
            Histogram::<u64>::new_with_bounds(1, 60_000_000, 3).expect("constant bounds are valid");
        part.iter().for_each(|us| times.saturating_record(*us));
        let ms = |quantile: f64| times.value_at_quantile(quantile) as f64 / 1e3;
        println!(
            "{what:<6} {:>6} commits | p50 {:>7.1} | p99 {:>7.1} | p99.9 {:>7.1} | max {:>7.1} ms",
            part.len(),
            ms(0.5),
            ms(0.99),
            ms(0.999),
            times.max() as f64 / 1e3
        );
    }
    let tables = Tables::of(folder.path());
    let stored = tables.table("punches").expect("a table of punches");
    assert_eq!(stored.rows, commits as u64 * ROWS as u64, "every row is there");
    let bytes = stored.bytes as f64 / stored.rows as f64;
    println!("{} rows in {} files, {bytes:.1} bytes each; synced: {sync}", stored.rows, stored.files);
}

/// Microseconds of each commit.
async fn run(folder: &std::path::Path, commits: usize, sync: bool) -> Vec<u64> {
    let place = folder.to_str().expect("the folder's name is text");
    let lake = Lake::open(place, LakeOptions { sync, ..LakeOptions::default() }).await.expect("a lake");
    let log =
        LogIdentity { log_id: LogId::new("bench").expect("an id"), topic: "punches".into(), partitions: 1 };
    lake.own(&log, LogKind::Live).await.expect("a new lake is anybody's");
    let mut claim = lake.claim(&log, &[Partition::new(0)]).await.expect("nobody else claims");
    let is_tidying = Arc::new(AtomicBool::new(false));
    let mut took = Vec::with_capacity(commits);
    for number in 0..commits {
        let commit = commit_of(number as i64 * ROWS);
        let begun = Instant::now();
        let outcome = lake.commit(&mut claim, commit).await.expect("the disk takes it");
        took.push(u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX));
        assert!(matches!(outcome, CommitOutcome::Done { .. }), "{outcome:?}");
        if number % HOUSEKEEPING_EVERY == HOUSEKEEPING_EVERY - 1 && !is_tidying.swap(true, Ordering::AcqRel) {
            let (lake, is_tidying) = (lake.clone(), Arc::clone(&is_tidying));
            tokio::spawn(async move {
                lake.maintain().await.expect("log snapshots");
                lake.compact(Which::Due).await.expect("compaction");
                is_tidying.store(false, Ordering::Release);
            });
        }
    }
    while is_tidying.load(Ordering::Acquire) {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    took
}

fn commit_of(from: i64) -> Commit {
    let zone = TimeZone::get("Asia/Hong_Kong").expect("Hong Kong has a zone");
    let mut rows = punches::Builder::default();
    for offset in from..from + ROWS {
        let occurred_at = START.plus_s(offset);
        // A permutation, so that neighbours in the log are not neighbours in the chain; and ids like random ones.
        let person = offset.wrapping_mul(7_919) % 1_000_000;
        let bits = (u128::from(offset as u64) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        let (employee_id, site_id) = (format!("P{person:07}"), format!("hk-{:05}", person / 100));
        let hex = format!("{bits:032x}");
        let event_id = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-");
        rows.append(&punches::Row {
            occurred_at,
            employee_id: &employee_id,
            site_id: Some(&site_id),
            business_date: occurred_at.timestamp().to_zoned(zone.clone()).date(),
            event_id: &event_id,
            kind: Kind::In,
            direction: Some(Kind::In),
            received_at: occurred_at.plus_us(350_000),
            origin: Origin::Phone,
            trigger: None,
            device_id: "",
            place: Place::Inside,
            distance_m: Some((person % 10_000) as f64 / -100.0),
            shift_id: None,
            time_zone: &zone,
            topic: "punches",
            partition: Partition::new(0),
            offset: Offset::new(offset).expect("offsets are not negative"),
            reference_version: "v1",
            candidates: punches::Candidates::Ids(&[]),
            evidence: EvidenceSet::GPS,
            reasons: Reasons::EMPTY,
            photo_ref: "",
            photo_sha256: "",
        });
    }
    let next = NextOffset::new(from + ROWS).expect("offsets are not negative");
    let clock = LogClock::at(START.plus_s(from + ROWS));
    let late = NextOffset::START;
    Commit {
        punches: vec![rows.finish()],
        frontiers: vec![(Partition::new(0), PartitionFrontier::new(next, clock, late))],
        ..Commit::default()
    }
}
