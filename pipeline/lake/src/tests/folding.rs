//! What is folded equals what was written, whatever the cut into commits, months and partitions.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use jiff::civil::Date;
use model::{EventTime, Partition, SaidShift, StoredPunch};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use schemas::tables::{late, punches, rejects, shift_results};

use super::golden::result;
use super::support::{START, World, frontier, is_done, late_rows, log, next, with_punch_at};
use crate::{Commit, LakeOptions, SaidRows};

/// A random punch within 100 days of [`START`], in a row and as attendance sees it.
fn random_punch(
    random: &mut StdRng,
    partition: u32,
    offset: i64,
    builder: &mut punches::Builder,
) -> StoredPunch {
    let occurred_at = START.plus_s(random.random_range(0..100 * 86_400));
    let day = occurred_at.timestamp().to_zoned(jiff::tz::TimeZone::UTC).date();
    let business_date = if random.random_bool(0.2) { day.yesterday().unwrap() } else { day };
    with_punch_at(partition, offset, occurred_at, business_date, |row| {
        builder.append(row);
        row.stored()
    })
}

#[tokio::test]
async fn a_fold_gives_back_what_was_written_since() {
    for seed in 0..2 {
        eprintln!("seed {seed}");
        let mut random = StdRng::seed_from_u64(seed);
        let world = World::with(LakeOptions { target_file_bytes: 10_000, ..LakeOptions::default() });
        let mut claim = world.claim(&[0, 1, 2]).await;
        let mut written: Vec<(Partition, StoredPunch)> = Vec::new();
        let mut ends = BTreeMap::from([(0, 0), (1, 0), (2, 0)]);
        for _ in 0..12 {
            let mut commit = Commit::default();
            for (partition, end) in &mut ends {
                let mut builder = punches::Builder::default();
                let until = *end + random.random_range(0..60);
                for offset in *end..until {
                    let stored = random_punch(&mut random, *partition, offset, &mut builder);
                    written.push((Partition::new(*partition), stored));
                }
                *end = until;
                commit.punches.push(builder.finish());
                commit.frontiers.push((Partition::new(*partition), frontier(until)));
            }
            assert!(is_done(&world.lake.commit(&mut claim, commit).await.unwrap()));
        }
        for (held, days) in [(vec![0, 1, 2], 0), (vec![1], 0), (vec![0, 2], 60), (vec![0, 1, 2], 101)] {
            let since = START.plus_s(days * 86_400);
            let claim = world.claim(&held).await;
            let fold = world.lake.fold(&claim, since).await.unwrap();
            let mut expected: Vec<_> = written
                .iter()
                .filter(|(partition, punch)| held.contains(&partition.number()) && punch.occurred_at >= since)
                .cloned()
                .collect();
            expected.sort_by_key(|(partition, punch)| (*partition, punch.offset));
            assert_eq!(fold.punches, expected);
        }
        let people = ["E0-7", "E2-0", "E9-1"];
        let found = world.lake.punches_of(&people).await.unwrap();
        let mut expected: Vec<_> =
            written.into_iter().filter(|(_, punch)| people.contains(&&*punch.employee_id)).collect();
        expected.sort_by_key(|(partition, punch)| (*partition, punch.offset));
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn a_fold_sees_nothing_beyond_its_claim() {
    let world = World::new();
    let mut first = world.claim(&[0]).await;
    world.lake.commit(&mut first, super::support::commit_of(0, 0, 10)).await.unwrap();
    let before = world.lake.fold(&first, START).await.unwrap();
    let mut second = world.claim(&[0]).await;
    world.lake.commit(&mut second, super::support::commit_of(0, 10, 20)).await.unwrap();
    assert_eq!(world.lake.fold(&first, START).await.unwrap().punches, before.punches);
    assert!(world.lake.fold(&second, START).await.unwrap().punches.len() > before.punches.len());
}

#[tokio::test]
async fn the_inbox_gives_what_was_not_drained_in_order() {
    let world = World::new();
    let mut claim = world.claim(&[0, 1]).await;
    assert!(world.lake.late_rows(&log(), Partition::new(0), next(0)..next(100)).await.unwrap().is_empty());
    let rows = [late_rows(0, [2, 9]), late_rows(1, [3]), late_rows(0, [12, 14])];
    for (batch, until) in rows.into_iter().zip([10, 11, 15]) {
        let partitions = [0, 1].map(|partition| (Partition::new(partition), frontier(until)));
        let commit = Commit { late: vec![batch], frontiers: partitions.to_vec(), ..Commit::default() };
        assert!(is_done(&world.lake.commit(&mut claim, commit).await.unwrap()));
    }
    for (between, expected) in [
        (0..15, vec![2, 9, 12, 14]),
        (9..15, vec![9, 12, 14]),
        (13..15, vec![14]),
        (15..15, vec![]),
        (0..12, vec![2, 9]),
    ] {
        let range = next(between.start)..next(between.end);
        let batches = world.lake.late_rows(&log(), Partition::new(0), range).await.unwrap();
        let rows: Vec<RecordBatch> = batches.iter().map(|batch| late::to_punches(batch).unwrap()).collect();
        let offsets: Vec<i64> = rows
            .iter()
            .flat_map(|rows| punches::read(rows).unwrap())
            .map(|(_, punch)| punch.offset.get())
            .collect();
        assert_eq!(offsets, expected, "{between:?}");
    }
}

#[tokio::test]
async fn what_was_rejected_between_two_positions_is_read_back_in_order() {
    let world = World::new();
    let mut claim = world.claim(&[0, 1]).await;
    for (from, until) in [(0, 10), (10, 20)] {
        for partition in [0, 1] {
            let commit = super::support::commit_of(partition, from, until);
            assert!(is_done(&world.lake.commit(&mut claim, commit).await.unwrap()));
        }
    }
    for (between, expected) in
        [(0..20, vec![0, 5, 10, 15]), (1..15, vec![5, 10]), (5..11, vec![5, 10]), (16..20, vec![])]
    {
        let range = next(between.start)..next(between.end);
        let batches = world.lake.reject_rows(&log(), Partition::new(1), range).await.unwrap();
        let rows = batches.iter().flat_map(|batch| rejects::read(batch).unwrap());
        let found: Vec<i64> = rows
            .map(|(partition, rejected_at, reject)| {
                assert_eq!((partition, rejected_at), (Partition::new(1), START));
                reject.offset.get()
            })
            .collect();
        assert_eq!(found, expected, "{between:?}");
    }
}

#[tokio::test]
async fn only_the_latest_version_of_what_was_said_is_folded() {
    let world = World::new();
    let mut claim = world.claim(&[0, 1]).await;
    let (november, october) = (Date::constant(2026, 11, 2), Date::constant(2026, 10, 1));
    let said = [
        vec![result("a", 1, november, 0), result("b", 1, november, 1), result("old", 1, october, 0)],
        vec![result("a", 3, november, 0)],
        vec![result("a", 2, november, 0), result("b", 2, november, 1)],
    ];
    for rows in said {
        let mut builder = shift_results::Builder::default();
        for row in &rows {
            builder.append(&shift_results::Row { result: row, decided_at: START, sealed: false });
        }
        let outcome = world
            .lake
            .commit_derived(
                &mut claim,
                SaidRows { shift_results: vec![builder.finish()], ..SaidRows::default() },
                &[],
            )
            .await
            .unwrap();
        assert!(is_done(&outcome));
    }
    let folded = |rows: Vec<SaidShift>| {
        let mut rows: Vec<_> = rows.into_iter().map(|row| (row.shift_id.to_string(), row.version)).collect();
        rows.sort_unstable();
        rows
    };
    let fold = world.lake.fold(&claim, START).await.unwrap();
    assert_eq!(folded(fold.shift_results), [("a".to_owned(), 3), ("b".to_owned(), 2)]);
    let only_one = world.claim(&[1]).await;
    let fold = world.lake.fold(&only_one, START).await.unwrap();
    assert_eq!(folded(fold.shift_results), [("b".to_owned(), 2)]);
    let all = world.lake.results_of(&["E1"]).await.unwrap();
    assert_eq!(
        folded(all.iter().map(SaidShift::from).collect()),
        [("a".to_owned(), 3), ("b".to_owned(), 2), ("old".to_owned(), 1)]
    );
    assert!(world.lake.results_of(&["E2"]).await.unwrap().is_empty());
}

/// A lookup skips the files that cannot hold the people asked for, and no other.
#[tokio::test]
async fn a_lookup_opens_only_files_that_may_hold_the_person() {
    let world = World::new();
    let mut claim = world.claim(&[0, 1]).await;
    for (partition, months) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let mut builder = punches::Builder::default();
        let at: EventTime = START.plus_s(months * 31 * 86_400);
        let offset = months * 10;
        let day = at.timestamp().to_zoned(jiff::tz::TimeZone::UTC).date();
        with_punch_at(partition, offset, at, day, |row| builder.append(row));
        let frontiers = vec![(Partition::new(partition), frontier(offset + 1))];
        let commit = Commit { punches: vec![builder.finish()], frontiers, ..Commit::default() };
        assert!(is_done(&world.lake.commit(&mut claim, commit).await.unwrap()));
    }
    let snapshot = world.lake.snapshot("punches").await.unwrap().unwrap();
    let months: Vec<_> = snapshot.files.iter().filter_map(|file| file.business_month.clone()).collect();
    assert_eq!(months, ["2026-12", "2026-11", "2026-12", "2026-11"]);
    let before = world.calls().gets;
    world.lake.snapshot("punches").await.unwrap();
    let to_list = world.calls().gets - before;
    let before = world.calls().gets;
    assert_eq!(world.lake.punches_of(&["E1-10"]).await.unwrap().len(), 1);
    let opened = world.calls().gets - before - to_list;
    assert!(opened <= 2, "{opened} files opened for one person's one punch");
}
