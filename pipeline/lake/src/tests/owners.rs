//! Claims and commits of one owner, and of two who both believe they own a partition (P5).

use model::{Generation, Partition};

use super::support::{On, World, commit_of, frontier, is_done, is_lost, log, punch_rows};
use crate::{Commit, CommitOutcome, SaidRows};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_committed_is_found_by_the_next_owner() {
    for on in On::EACH {
        let world = World::on(on);
        let mut claim = world.claim(&[0, 1]).await;
        assert_eq!(claim.frontiers()[&Partition::new(0)], frontier::PartitionFrontier::START);
        let outcome = world.lake.commit(&mut claim, commit_of(0, 0, 20)).await.unwrap();
        assert!(is_done(&outcome), "{outcome:?}");
        let outcome = world.lake.commit(&mut claim, commit_of(1, 0, 30)).await.unwrap();
        assert!(is_done(&outcome), "{outcome:?}");
        assert_eq!(claim.frontiers()[&Partition::new(1)], frontier(30));
        world.assert_exact(&[(0, 20), (1, 30)]).await;

        let mut again = world.claim(&[0, 1, 2]).await;
        assert!(again.generation() > claim.generation());
        let frontiers: Vec<_> = again.frontiers().values().copied().collect();
        assert_eq!(frontiers, [frontier(20), frontier(30), frontier::PartitionFrontier::START]);
        assert!(is_done(&world.lake.commit(&mut again, commit_of(0, 20, 40)).await.unwrap()));
        world.assert_exact(&[(0, 40), (1, 30)]).await;
    }
}

#[tokio::test]
async fn a_frontier_that_moves_without_rows_is_a_commit_and_one_that_stands_is_none() {
    let world = World::new();
    let mut claim = world.claim(&[0]).await;
    let moved = || Commit { frontiers: vec![(Partition::new(0), frontier(5))], ..Commit::default() };
    let CommitOutcome::Done { version, .. } = world.lake.commit(&mut claim, moved()).await.unwrap() else {
        panic!()
    };
    let again = world.lake.commit(&mut claim, moved()).await.unwrap();
    assert_eq!(again, CommitOutcome::Done { version, lost: Default::default() });
    assert_eq!(world.lake.version("punches").await.unwrap(), Some(version));
    assert_eq!(world.claim(&[0]).await.frontiers()[&Partition::new(0)], frontier(5));
}

#[tokio::test]
#[should_panic(expected = "I-2: partition 0 would go back")]
async fn a_frontier_that_goes_back_panics() {
    let world = World::new();
    let mut claim = world.claim(&[0]).await;
    world.lake.commit(&mut claim, commit_of(0, 0, 20)).await.unwrap();
    let _ = world.lake.commit(&mut claim, commit_of(0, 0, 10)).await;
}

#[tokio::test]
#[should_panic(expected = "I-2: 3 rows would be committed with a frontier that did not move")]
async fn rows_without_a_frontier_behind_them_panic() {
    let world = World::new();
    let mut claim = world.claim(&[0]).await;
    let commit = Commit { punches: vec![punch_rows(0, 0..3)], ..Commit::default() };
    let _ = world.lake.commit(&mut claim, commit).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_former_owner_commits_nothing_that_counts() {
    for on in On::EACH {
        let world = World::on(on);
        let mut former = world.claim(&[0, 1]).await;
        world.lake.commit(&mut former, commit_of(0, 0, 10)).await.unwrap();
        // It stalls; another claims partition 0 and has not written a row yet.
        let mut owner = world.claim(&[0]).await;

        let outcome = world.lake.commit(&mut former, commit_of(0, 10, 20)).await.unwrap();
        assert!(is_lost(&outcome, &[0]), "{outcome:?}");
        world.assert_exact(&[(0, 10)]).await;
        assert_eq!(former.held().into_iter().map(Partition::number).collect::<Vec<_>>(), [1]);
        // What it still holds goes on.
        assert!(is_done(&world.lake.commit(&mut former, commit_of(1, 0, 10)).await.unwrap()));
        assert!(is_done(&world.lake.commit(&mut owner, commit_of(0, 10, 30)).await.unwrap()));
        // And what it lost stays lost.
        assert!(is_lost(&world.lake.commit(&mut former, commit_of(0, 10, 20)).await.unwrap(), &[0]));
        world.assert_exact(&[(0, 30), (1, 10)]).await;
    }
}

#[tokio::test]
async fn a_commit_of_one_partition_notices_that_another_was_lost() {
    let world = World::new();
    let mut former = world.claim(&[0, 1]).await;
    let mut owner = world.claim(&[1]).await;
    let only_punches = |from, until| Commit {
        punches: vec![punch_rows(0, from..until)],
        frontiers: vec![(Partition::new(0), frontier(until))],
        ..Commit::default()
    };
    let outcome = world.lake.commit(&mut former, only_punches(0, 3)).await.unwrap();
    let CommitOutcome::Done { lost, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(lost, [Partition::new(1)].into());
    // Had the version of its own commit been adopted unread, this would now pass.
    assert!(is_lost(&world.lake.commit(&mut former, commit_of(1, 0, 5)).await.unwrap(), &[1]));
    assert!(is_done(&world.lake.commit(&mut owner, commit_of(1, 0, 5)).await.unwrap()));
    assert_eq!(world.rows("punches").await.len(), 3 + 4);
}

#[tokio::test]
async fn a_claim_continues_only_what_nobody_else_has_claimed_meanwhile() {
    let world = World::new();
    let mut before = world.claim(&[0, 1]).await;
    assert!(is_done(&world.lake.commit(&mut before, commit_of(0, 0, 10)).await.unwrap()));
    // It moves no frontier, yet may have said something, or closed a month.
    let other = world.claim(&[1]).await;
    let after = world.claim(&[0, 1, 2]).await;
    assert_eq!(after.frontiers()[&Partition::new(1)], before.frontiers()[&Partition::new(1)]);
    let continued = [0, 1, 2].map(|number| after.continues(&before, Partition::new(number)));
    assert_eq!(continued, [true, false, false]);
    assert!(!after.continues(&other, Partition::new(0)) && after.continues(&other, Partition::new(1)));
}

#[tokio::test]
async fn owners_of_different_partitions_do_not_disturb_each_other() {
    let world = World::new();
    let mut first = world.claim(&[0]).await;
    let mut second = world.claim(&[1]).await;
    for round in 0..6 {
        let (from, until) = (round * 10, round * 10 + 10);
        assert!(is_done(&world.lake.commit(&mut first, commit_of(0, from, until)).await.unwrap()));
        assert!(is_done(&world.lake.commit(&mut second, commit_of(1, from, until)).await.unwrap()));
    }
    world.assert_exact(&[(0, 60), (1, 60)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn owners_who_claim_at_once_all_get_a_generation_of_their_own() {
    for on in On::EACH {
        let world = World::on(on);
        let claims = futures::future::join_all((0..4).map(|_| world.claim(&[0, 1]))).await;
        let mut generations: Vec<Generation> = claims.iter().map(crate::Claim::generation).collect();
        generations.sort_unstable();
        generations.dedup();
        assert_eq!(generations.len(), 4);
        // The last one owns; the others learn that they do not.
        let latest = *generations.last().unwrap();
        for mut claim in claims {
            let is_owner = claim.generation() == latest;
            let outcome = world.lake.commit(&mut claim, commit_of(0, 0, 5)).await.unwrap();
            assert_eq!(is_done(&outcome), is_owner, "{outcome:?}");
        }
        world.assert_exact(&[(0, 5)]).await;
    }
}

#[tokio::test]
async fn logs_of_replayed_files_share_the_tables() {
    let world = World::new();
    let file = |name: &str| crate::LogIdentity::file(model::LogId::new(name).unwrap());
    let (one, two) = (file("file:01"), file("file:02"));
    let mut first = world.lake.claim(&one, &[Partition::new(0)]).await.unwrap();
    assert!(is_done(&world.lake.commit(&mut first, commit_of(0, 0, 10)).await.unwrap()));
    let mut second = world.lake.claim(&two, &[Partition::new(0)]).await.unwrap();
    assert_eq!(second.frontiers()[&Partition::new(0)], frontier::PartitionFrontier::START);
    assert!(is_done(&world.lake.commit(&mut second, commit_of(0, 0, 10)).await.unwrap()));
    let again = world.lake.claim(&one, &[Partition::new(0)]).await.unwrap();
    assert_eq!(again.frontiers()[&Partition::new(0)], frontier(10));
    assert_eq!(
        world.lake.claim(&log(), &[Partition::new(0)]).await.unwrap().frontiers()[&Partition::new(0)]
            .next()
            .get(),
        0
    );
}

/// What one replay finds new another may just have written: the later one to claim goes on, before it has written a row.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_replays_at_once_the_later_goes_on() {
    for on in On::EACH {
        let world = World::on(on);
        let file = |name: &str| crate::LogIdentity::file(model::LogId::new(name).unwrap());
        let mut first = world.lake.claim(&file("file:01"), &[Partition::new(0)]).await.unwrap();
        assert!(is_done(&world.lake.commit(&mut first, commit_of(0, 0, 10)).await.unwrap()));
        let mut second = world.lake.claim(&file("file:02"), &[Partition::new(0)]).await.unwrap();
        assert!(is_lost(&world.lake.commit(&mut first, commit_of(0, 10, 20)).await.unwrap(), &[0]));
        let said = world.lake.commit_derived(&mut first, SaidRows::default(), &[Partition::new(0)]).await;
        assert!(is_lost(&said.unwrap(), &[0]));
        assert!(is_done(&world.lake.commit(&mut second, commit_of(0, 0, 10)).await.unwrap()));
        // It may come back, and then the other one stops.
        let mut first = world.lake.claim(&file("file:01"), &[Partition::new(0)]).await.unwrap();
        assert_eq!(first.frontiers()[&Partition::new(0)], frontier(10));
        assert!(is_lost(&world.lake.commit(&mut second, commit_of(0, 10, 20)).await.unwrap(), &[0]));
        assert!(is_done(&world.lake.commit(&mut first, commit_of(0, 10, 20)).await.unwrap()));
    }
}

/// Owners run on a runtime with several threads, each of which may go on with any owner's work.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_may_move_between_threads() {
    let world = World::new();
    let lake = world.lake.clone();
    let owner = tokio::spawn(async move {
        let mut claim = lake.claim(&log(), &[Partition::new(0)]).await?;
        lake.commit(&mut claim, commit_of(0, 0, 20)).await?;
        lake.commit_derived(&mut claim, SaidRows::default(), &[]).await?;
        lake.maintain().await?;
        let all = super::support::next(0)..super::support::next(i64::MAX);
        lake.late_rows(&log(), Partition::new(0), all).await?;
        lake.append_reference(Vec::new(), "v1").await?;
        lake.fold(&claim, super::support::START).await
    });
    assert_eq!(owner.await.unwrap().unwrap().punches.len(), 14);
    world.assert_exact(&[(0, 20)]).await;
}
