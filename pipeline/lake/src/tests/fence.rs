//! Compaction, retention and erasure share one fence: of two at once, one stalled anywhere, never both count (I-39).

use std::collections::BTreeSet;

use frontier::PartitionFrontier;
use model::{LogClock, Partition};
use schemas::tables::{punch_evidence, punches};

use super::erase::{THEIRS, options};
use super::support::{START, World, evidence_of, is_done, log, next, with_punch_at};
use crate::compact::Which;
use crate::{Commit, Erasing, Lake, LogKind};

/// What takes files out of tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Job {
    Compact,
    Retain,
    Erase,
}

impl Job {
    const ALL: [Self; 3] = [Self::Compact, Self::Retain, Self::Erase];

    async fn run(self, lake: &Lake) -> crate::Result<()> {
        match self {
            Self::Compact => lake.compact(Which::All).await.map(drop),
            Self::Retain => lake.retain_evidence(&log()).await.map(drop),
            Self::Erase => lake.eraser(THEIRS, BTreeSet::new()).remove(Erasing::Everything).await.map(drop),
        }
    }
}

/// Punches with evidence at these offsets and hours behind START; the clock stands at `clock_hours`.
fn rows(rows: &[(i64, i64)], clock_hours: i64) -> Commit {
    let (mut stored, mut evidence) = (punches::Builder::default(), punch_evidence::Builder::default());
    for (offset, hours) in rows {
        let at = START.plus_min(hours * 60);
        let day = at.timestamp().to_zoned(jiff::tz::TimeZone::UTC).date();
        with_punch_at(0, *offset, at, day, |row| {
            stored.append(row);
            evidence.append(&evidence_of(row));
        });
    }
    let until = rows.iter().map(|(offset, _)| offset + 1).max().unwrap();
    let clock = LogClock::at(START.plus_min(clock_hours * 60));
    Commit {
        evidence: vec![evidence.finish()],
        punches: vec![stored.finish()],
        frontiers: vec![(Partition::new(0), PartitionFrontier::new(next(until), clock, next(0)))],
        ..Commit::default()
    }
}

/// Small files with rows of the person and of others, some of them of evidence that is too old.
async fn filled() -> World {
    let world = World::with(options());
    world.lake.own(&log(), LogKind::Live).await.unwrap();
    let mut claim = world.claim(&[0]).await;
    for (offsets, clock) in [(&[(46, 0), (47, 24), (48, 24)][..], 24), (&[(97, 180), (98, 180)], 180)] {
        assert!(is_done(&world.lake.commit(&mut claim, rows(offsets, clock)).await.unwrap()));
    }
    world
}

/// Each row that is nobody's who was erased is there once; evidence, if it is young.
async fn assert_whole(world: &World, ran: &[Job], told: &str) {
    let is_erased = ran.contains(&Job::Erase);
    let kept = |offset: &i64| !is_erased || ![48, 98].contains(offset);
    let all = [46, 47, 48, 97, 98].into_iter().filter(kept);
    let punches: Vec<(u32, i64)> = all.clone().map(|offset| (0, offset)).collect();
    let is_old = |offset: &i64| ran.contains(&Job::Retain) && *offset == 46;
    let evidence: Vec<(u32, i64)> = all.filter(|offset| !is_old(offset)).map(|offset| (0, offset)).collect();
    assert_eq!(world.rows("punches").await, punches, "{told}");
    assert_eq!(world.rows("punch_evidence").await, evidence, "{told}");
}

/// Of any two the one stalls before each object that it puts or deletes while the other runs to its end.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_jobs_that_remove_files_at_once_never_both_count() {
    let world = filled().await;
    for stalled in Job::ALL {
        let alone = world.copied();
        let (lake, store) = alone.apart(options());
        stalled.run(&lake).await.unwrap();
        assert_whole(&alone, &[stalled], "alone").await;
        for at in 0..store.effects() {
            for other in Job::ALL {
                let told = format!("{stalled:?} stalls behind effect {at}, {other:?} overtakes it");
                let world = world.copied();
                let (lake, store) = world.apart(options());
                store.hold_at(at);
                let job = tokio::spawn(async move { stalled.run(&lake).await });
                store.held().await;
                let overtaken = other.run(&world.lake).await;
                store.let_go();
                let ended = job.await.unwrap();
                // Either may give way; then nothing of it counts, and it goes on when it is run again.
                for ended in [&overtaken, &ended] {
                    assert!(ended.is_ok() || is_way_given(ended), "{told}: {ended:?}");
                }
                for job in [stalled, other] {
                    job.run(&world.lake)
                        .await
                        .unwrap_or_else(|error| panic!("{told}, then {job:?}: {error}"));
                }
                assert_whole(&world, &[stalled, other], &told).await;
            }
        }
    }
}

fn is_way_given(ended: &crate::Result<()>) -> bool {
    use crate::ErrorKind::{Contended, Gone};
    ended.as_ref().is_err_and(|error| [Contended, Gone].contains(&error.kind()))
}
