//! Fixes and scans leave the table by age and the folder after the grace, beside owners at work, rival rounds and kills.

use std::collections::BTreeSet;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use frontier::{PartitionFrontier, Retries};
use model::{EventTime, LogClock, Partition};
use schemas::tables::{punch_evidence, punches};

use super::support::{Fault, On, START, World, evidence_of, is_done, log, next, with_punch_at};
use crate::encode::now_ms;
use crate::read::read_file;
use crate::{Claim, Commit, ErrorKind, Lake, LakeOptions};

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

/// Hours behind [`START`].
fn at(hours: i64) -> EventTime {
    START.plus_min(hours * 60)
}

fn options() -> LakeOptions {
    LakeOptions { retries: Retries::at_once(2), ..LakeOptions::default() }
}

/// Punches with evidence: (offset, hours behind START), and the clock behind them.
fn commit_of(partition: u32, rows: &[(i64, i64)], clock_hours: i64) -> Commit {
    let mut evidence = punch_evidence::Builder::default();
    let mut stored = punches::Builder::default();
    for (offset, hours) in rows {
        let day = at(*hours).timestamp().to_zoned(jiff::tz::TimeZone::UTC).date();
        with_punch_at(partition, *offset, at(*hours), day, |row| {
            stored.append(row);
            evidence.append(&evidence_of(row));
        });
    }
    let until = rows.iter().map(|(offset, _)| offset + 1).max().unwrap_or(0);
    let frontier = PartitionFrontier::new(next(until), LogClock::at(at(clock_hours)), next(0));
    Commit {
        evidence: vec![evidence.finish()],
        punches: vec![stored.finish()],
        frontiers: vec![(Partition::new(partition), frontier)],
        ..Commit::default()
    }
}

async fn put(world: &World, claim: &mut Claim, partition: u32, rows: &[(i64, i64)], clock_hours: i64) {
    let outcome = world.lake.commit(claim, commit_of(partition, rows, clock_hours)).await.unwrap();
    assert!(is_done(&outcome), "{outcome:?}");
}

/// The data files in the table's folders, staged ones included.
fn files_on_disk(world: &World) -> BTreeSet<String> {
    world.data_files("punch_evidence").into_iter().collect()
}

async fn files_in_table(lake: &Lake) -> BTreeSet<String> {
    let snapshot = lake.snapshot("punch_evidence").await.unwrap().unwrap();
    snapshot.files.iter().map(|file| file.path.filename().unwrap().to_owned()).collect()
}

/// Hours behind START of every row, read from its file, sorted.
async fn hours_in_table(lake: &Lake) -> Vec<i64> {
    let snapshot = lake.snapshot("punch_evidence").await.unwrap().unwrap();
    let store = lake.table("punch_evidence").unwrap().store();
    let mut hours = Vec::new();
    for file in &snapshot.files {
        let batches: Vec<RecordBatch> =
            read_file("punch_evidence", store.as_ref(), file, &snapshot.schema).await.unwrap();
        for batch in batches {
            let times =
                batch.column_by_name("occurred_at").unwrap().as_primitive::<TimestampMicrosecondType>();
            hours.extend(times.values().iter().map(|us| (us - START.us()) / 3_600_000_000));
        }
    }
    hours.sort_unstable();
    hours
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_rows_leave_the_table_and_then_the_folder() {
    for on in On::EACH {
        let world = World::on_with(on, options());
        let mut claim = world.claim(&[0]).await;
        put(&world, &mut claim, 0, &[(0, 0), (1, 24)], 24).await;
        put(&world, &mut claim, 0, &[(2, 36), (3, 120)], 120).await;
        put(&world, &mut claim, 0, &[(4, 216)], 216).await;
        let (now, before) = (now_ms(), files_on_disk(&world));

        // The clock stands at nine days: what occurred before the second is gone.
        let stats = world.lake.retain_evidence_at(&log(), now).await.unwrap();
        assert_eq!((stats.files_removed, stats.files_rewritten, stats.files_deleted), (1, 1, 0));
        assert_eq!(stats.files_left, 2);
        assert_eq!(hours_in_table(&world.lake).await, [120, 216]);
        assert_eq!(
            world.rows("punch_evidence").await,
            [(0, 3), (0, 4)],
            "the rows' other columns came along"
        );
        assert!(files_on_disk(&world).is_superset(&before), "readers have their grace");

        // Once more does nothing; a killed round's next one needs no memory of it.
        let again = world.again(options());
        let stats = again.retain_evidence_at(&log(), now + 14 * MINUTE_MS).await.unwrap();
        assert_eq!((stats.files_removed, stats.files_rewritten, stats.files_deleted), (0, 0, 0));
        let stats = again.retain_evidence_at(&log(), now + 15 * MINUTE_MS).await.unwrap();
        assert_eq!(stats.files_deleted, 2);
        assert_eq!(files_on_disk(&world), files_in_table(&again).await);
        assert_eq!(hours_in_table(&again).await, [120, 216]);
        assert_eq!(world.rows("punches").await.len(), 5, "the punches stay");

        // The owner at work goes on behind the entries that removed.
        put(&world, &mut claim, 0, &[(5, 217)], 217).await;
        assert_eq!(hours_in_table(&again).await, [120, 216, 217]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_old_already_is_never_written() {
    let world = World::with(options());
    let mut claim = world.claim(&[0]).await;
    // A fast replay: one commit spans three weeks. And a phone that comes back after ten days.
    put(&world, &mut claim, 0, &[(0, 0), (1, 24 * 13), (2, 24 * 14), (3, 24 * 21)], 24 * 21).await;
    put(&world, &mut claim, 0, &[(4, 24 * 11), (5, 24 * 21 + 1)], 24 * 21 + 1).await;
    assert_eq!(hours_in_table(&world.lake).await, [24 * 14, 24 * 21, 24 * 21 + 1]);
    assert_eq!(world.rows("punches").await.len(), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_years_ahead_and_a_log_that_stands_still_keep_nothing_for_longer() {
    let world = World::with(options());
    let mut claim = world.claim(&[0]).await;
    put(&world, &mut claim, 0, &[(0, 24), (1, 24 * 4_000)], 24).await;
    let now = now_ms();
    let stats = world.lake.retain_evidence_at(&log(), now + 6 * DAY_MS).await.unwrap();
    assert_eq!((stats.files_removed, stats.files_rewritten), (0, 0));
    // The clock of the log has not moved; what was written eight days ago goes all the same.
    let stats = world.lake.retain_evidence_at(&log(), now + 8 * DAY_MS).await.unwrap();
    assert_eq!((stats.files_removed, stats.files_left), (2, 0));
    assert!(hours_in_table(&world.lake).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_left_of_a_file_is_as_old_as_the_file() {
    let world = World::with(options());
    let mut claim = world.claim(&[0]).await;
    put(&world, &mut claim, 0, &[(0, 0), (1, 24)], 24).await;
    put(&world, &mut claim, 0, &[(2, 24 * 7 + 12)], 24 * 7 + 12).await;
    let snapshot = || async { world.lake.snapshot("punch_evidence").await.unwrap().unwrap().files };
    let written: BTreeSet<i64> = snapshot().await.iter().map(|file| file.written_ms).collect();
    let stats = world.lake.retain_evidence_at(&log(), now_ms() + DAY_MS).await.unwrap();
    assert_eq!(stats.files_rewritten, 1);
    assert_eq!(snapshot().await.iter().map(|file| file.written_ms).collect::<BTreeSet<_>>(), written);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_slowest_partition_that_has_a_clock_decides() {
    let world = World::with(options());
    let mut claim = world.claim(&[0, 1, 2, 3]).await;
    put(&world, &mut claim, 1, &[(0, 0)], 0).await;
    put(&world, &mut claim, 0, &[(0, 1), (1, 24 * 20)], 24 * 20).await;
    let stats = world.lake.retain_evidence_at(&log(), now_ms()).await.unwrap();
    assert_eq!(stats.files_removed + stats.files_rewritten, 0);
    put(&world, &mut claim, 1, &[(1, 24 * 8)], 24 * 8).await;
    world.lake.retain_evidence_at(&log(), now_ms()).await.unwrap();
    assert_eq!(hours_in_table(&world.lake).await, [24 * 8, 24 * 20]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lowered_setting_holds_from_the_next_round_on() {
    let world = World::with(options());
    let mut claim = world.claim(&[0]).await;
    put(&world, &mut claim, 0, &[(0, 0), (1, 24), (2, 72)], 72).await;
    let now = now_ms();
    for (location_days, left) in [(7, vec![0, 24, 72]), (2, vec![24, 72]), (1, vec![72]), (0, vec![])] {
        let lake = world.again(LakeOptions { location_days, ..options() });
        lake.retain_evidence_at(&log(), now).await.unwrap();
        assert_eq!(hours_in_table(&lake).await, left, "{location_days} days");
    }
    // Nothing is kept: nothing is written either.
    let none = world.again(LakeOptions { location_days: 0, ..options() });
    none.commit(&mut claim, commit_of(0, &[(3, 73)], 73)).await.unwrap();
    assert!(hours_in_table(&none).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_round_that_dies_is_finished_by_the_next() {
    for faults in
        [vec![Fault::Before; 3], vec![Fault::Full; 3], vec![Fault::Before, Fault::Before, Fault::After]]
    {
        let world = World::with(options());
        let mut claim = world.claim(&[0]).await;
        put(&world, &mut claim, 0, &[(0, 0), (1, 24), (2, 240)], 24).await;
        put(&world, &mut claim, 0, &[(3, 180)], 180).await;
        let now = now_ms();
        // The rest of a file is written, and the entry that names it does not come, or comes and nobody hears of it.
        world.fail("punch_evidence", faults.iter().copied());
        world.lake.retain_evidence_at(&log(), now).await.unwrap_err();
        assert!(files_on_disk(&world).len() > 2, "{faults:?}");

        let next = world.again(options());
        next.retain_evidence_at(&log(), now).await.unwrap();
        assert_eq!(hours_in_table(&next).await, [24, 180, 240], "{faults:?}");
        // Whatever was named once goes after the grace, what never was after a day.
        next.retain_evidence_at(&log(), now + DAY_MS + MINUTE_MS).await.unwrap();
        assert_eq!(files_on_disk(&world), files_in_table(&next).await, "{faults:?}");
        assert_eq!(hours_in_table(&next).await, [24, 180, 240]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_writers_left_unfinished_goes_after_a_day_and_not_before() {
    let world = World::with(options());
    let mut claim = world.claim(&[0]).await;
    put(&world, &mut claim, 0, &[(0, 0)], 0).await;
    // A writer was killed behind its upload, another within it.
    let rows = commit_of(0, &[(1, 1)], 1).evidence;
    world.lake.write_files("punch_evidence", &rows).await.unwrap();
    let folder = world.dir().join("punch_evidence/business_month=2026-11");
    std::fs::write(folder.join("part-00000-x.parquet#1"), b"a location").unwrap();
    let now = now_ms();
    let stats = world.lake.retain_evidence_at(&log(), now + DAY_MS - MINUTE_MS).await.unwrap();
    assert_eq!((stats.files_deleted, files_on_disk(&world).len()), (0, 3));
    let stats = world.lake.retain_evidence_at(&log(), now + DAY_MS + MINUTE_MS).await.unwrap();
    assert_eq!(stats.files_deleted, 2);
    assert_eq!(files_on_disk(&world), files_in_table(&world.lake).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_snapshot_forgets_neither_age_nor_removal() {
    for on in On::EACH {
        let more = LakeOptions { checkpoint_every: 2, ..options() };
        let world = World::on_with(on, more.clone());
        let mut claim = world.claim(&[0]).await;
        put(&world, &mut claim, 0, &[(0, 0), (1, 24)], 24).await;
        put(&world, &mut claim, 0, &[(2, 30)], 30).await;
        assert!(world.lake.maintain().await.unwrap().log_snapshots > 0);
        put(&world, &mut claim, 0, &[(3, 180)], 180).await;
        let now = now_ms();
        let stats = world.lake.retain_evidence_at(&log(), now).await.unwrap();
        assert_eq!(
            (stats.files_removed, stats.files_rewritten),
            (0, 1),
            "bounds and dates are in the snapshot"
        );
        put(&world, &mut claim, 0, &[(4, 181)], 181).await;
        assert!(world.lake.maintain().await.unwrap().log_snapshots > 0);
        let again = world.again(more);
        let stats = again.retain_evidence_at(&log(), now + 15 * MINUTE_MS).await.unwrap();
        assert_eq!(stats.files_deleted, 1, "the removal is in the snapshot");
        assert_eq!(hours_in_table(&again).await, [24, 30, 180, 181]);
    }
}

/// Two processes remove, a third one commits, all at once: each row is there once, or gone for its age.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rounds_and_commits_at_once_lose_and_double_nothing() {
    for on in On::EACH {
        let world = World::on_with(on, options());
        let mut claim = world.claim(&[0]).await;
        let mut expected = Vec::new();
        for offset in 0..12 {
            put(&world, &mut claim, 0, &[(offset * 2, offset), (offset * 2 + 1, offset + 40)], offset + 40)
                .await;
            expected.extend([offset, offset + 40]);
        }
        let now = now_ms();
        let round = |lake: Lake| async move {
            let mut stats = Vec::new();
            for _ in 0..6 {
                match lake.retain_evidence_at(&log(), now).await {
                    Ok(round) => stats.push(round),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Contended, "{error}"),
                }
            }
            stats
        };
        let rivals = [world.again(options()), world.again(options())].map(|lake| tokio::spawn(round(lake)));
        for step in 0..12 {
            // The limit moves on from hour to hour, through the files' middle.
            let hours = 24 * 7 + step;
            put(&world, &mut claim, 0, &[(24 + step, hours)], hours).await;
            expected.push(hours);
        }
        for rival in rivals {
            rival.await.unwrap();
        }
        world.lake.retain_evidence_at(&log(), now).await.unwrap();
        expected.retain(|hours| *hours >= 11);
        expected.sort_unstable();
        assert_eq!(hours_in_table(&world.lake).await, expected);
        world.lake.retain_evidence_at(&log(), now + DAY_MS + MINUTE_MS).await.unwrap();
        assert_eq!(files_on_disk(&world), files_in_table(&world.lake).await);
    }
}
