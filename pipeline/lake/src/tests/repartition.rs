//! Moving a log to more partitions while owners work: who knows the old number commits nothing any more, and rows are found
//! where their people are now.

use model::Partition;
use model::position::partition_of;

use super::support::{Fault, On, START, World, commit_of, frontier, is_done, log, next};
use crate::{Commit, CommitOutcome, ErrorKind, Lake, LogIdentity, LogKind, SaidRows};

const WIDE: u32 = 6;

fn partitions(count: u32) -> Vec<Partition> {
    (0..count).map(Partition::new).collect()
}

/// Of partition 0, without rows of the inbox.
fn rows(from: i64, until: i64) -> Commit {
    Commit { late: Vec::new(), ..commit_of(0, from, until) }
}

/// Says that everything read so far was said.
async fn say(lake: &Lake) {
    let mut owner = lake.claim(&log(), &partitions(4)).await.unwrap();
    let said = lake.commit_derived(&mut owner, SaidRows::default(), &partitions(4)).await.unwrap();
    assert!(is_done(&said), "{said:?}");
}

fn is_refused<T>(tried: crate::Result<T>) -> bool {
    tried.is_err_and(|error| error.kind() == ErrorKind::PartitionsChanged)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_knows_the_old_number_commits_nothing_behind_a_move() {
    for on in On::EACH {
        let world = World::on(on);
        let lake = &world.lake;
        let wide = LogIdentity { partitions: WIDE, ..log() };
        lake.own(&log(), LogKind::Live).await.unwrap();
        let mut owner = lake.claim(&log(), &partitions(4)).await.unwrap();
        assert!(is_done(&lake.commit(&mut owner, rows(0, 40)).await.unwrap()));

        let mover = lake.begin_repartition(WIDE).await.unwrap();
        assert!(is_refused(lake.own(&log(), LogKind::Live).await));
        assert!(is_refused(lake.claim(&log(), &partitions(4)).await));
        assert!(is_refused(lake.begin_repartition(5).await), "on its way to another number");
        let early = mover.move_frontiers(&log(), WIDE).await.unwrap_err();
        assert_eq!(early.kind(), ErrorKind::Contended, "not all of it was said: {early}");
        say(&mover).await;
        let claim = mover.move_frontiers(&log(), WIDE).await.unwrap();
        let at = |partition| claim.frontiers()[&Partition::new(partition)];
        assert_eq!(at(0), frontier(40));
        assert_eq!((at(4).next(), at(4).clock()), (next(0), frontier(40).clock()));
        assert!(!at(5).clock().is_set(), "nobody of its people was ever read");
        let behind = lake.commit(&mut owner, rows(40, 50)).await.unwrap();
        assert!(matches!(behind, CommitOutcome::Lost(_)), "{behind:?}");

        mover.end_repartition().await.unwrap();
        assert!(is_refused(lake.claim(&log(), &partitions(4)).await));
        assert!(is_refused(lake.own(&log(), LogKind::Live).await));
        assert!(is_refused(mover.claim(&log(), &partitions(4)).await), "a mover who comes too late");
        lake.own(&wide, LogKind::Live).await.unwrap();
        let mut found = 0;
        for partition in partitions(WIDE) {
            let claim = lake.claim(&wide, &[partition]).await.unwrap();
            let fold = lake.fold(&claim, START).await.unwrap();
            for (stored, punch) in &fold.punches {
                let own = partition_of(punch.employee_id.as_bytes(), WIDE);
                assert_eq!((own, fold.grouping.owner(*stored, &punch.employee_id)), (partition, partition));
            }
            found += fold.punches.len();
        }
        // People of these rows are on partition 0 whatever their key: those whose key could be there are found.
        let could_be = |(_, offset): &(u32, i64)| {
            partition_of(format!("E0-{}", offset % 50).as_bytes(), 2) == Partition::new(0)
        };
        let due = world.rows("punches").await.iter().filter(|row| could_be(row)).count();
        assert!(due > 0);
        assert_eq!(found, due);
    }
}

/// Whatever answer is lost on the way: the same call again ends it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_that_was_interrupted_is_ended_by_moving_again() {
    for table in ["punches", "shift_results", "anomalies"] {
        for fault in [Fault::Before, Fault::After, Fault::Full] {
            let world = World::new();
            let lake = &world.lake;
            lake.own(&log(), LogKind::Live).await.unwrap();
            let mut owner = lake.claim(&log(), &partitions(4)).await.unwrap();
            assert!(is_done(&lake.commit(&mut owner, rows(0, 40)).await.unwrap()));
            let mover = lake.begin_repartition(WIDE).await.unwrap();
            say(&mover).await;
            world.fail(table, [fault]);
            let first = mover.move_frontiers(&log(), WIDE).await;
            let mover = lake.begin_repartition(WIDE).await.unwrap();
            let second = mover.move_frontiers(&log(), WIDE).await.unwrap();
            if let Ok(first) = first {
                assert_eq!(first.frontiers(), second.frontiers(), "{table} {fault:?}");
            }
            mover.end_repartition().await.unwrap();
            mover.end_repartition().await.unwrap();
            let standing = lake.partition_move().await.unwrap().unwrap();
            assert_eq!((standing.log.partitions, standing.to), (WIDE, None), "{table} {fault:?}");
        }
    }
}
