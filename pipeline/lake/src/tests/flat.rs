//! The cost of a commit does not grow with the table: the store's calls are counted, not the time.

use super::support::{Calls, World, commit_of, is_done, punch_rows};
use crate::LakeOptions;

fn since(before: Calls, after: Calls) -> Calls {
    Calls {
        puts: after.puts - before.puts,
        gets: after.gets - before.gets,
        lists: after.lists - before.lists,
    }
}

#[tokio::test]
async fn two_hundred_commits_cost_the_same_each() {
    let world = World::new();
    let mut claim = world.claim(&[0]).await;
    let mut costs = Vec::new();
    for round in 0..200 {
        let mut commit = commit_of(0, round * 10, round * 10 + 10);
        (commit.rejects, commit.late, commit.evidence) = Default::default();
        commit.punches = vec![punch_rows(0, round * 10..round * 10 + 10)];
        let before = world.calls();
        assert!(is_done(&world.lake.commit(&mut claim, commit).await.unwrap()));
        costs.push(since(before, world.calls()));
    }
    // One file, one entry; one look at the entry last seen; no listing.
    assert!(costs.iter().all(|cost| *cost == Calls { puts: 2, gets: 1, lists: 0 }), "{costs:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn housekeeping_shortens_the_log_and_takes_nothing_from_it() {
    let world =
        World::with(LakeOptions { checkpoint_every: 10, log_retention_hours: 0, ..LakeOptions::default() });
    let mut claim = world.claim(&[0, 1]).await;
    for round in 0..25 {
        assert!(is_done(
            &world.lake.commit(&mut claim, commit_of(0, round * 4, round * 4 + 4)).await.unwrap()
        ));
    }
    let entries = || {
        let log = world.dir().join("punches/_delta_log");
        let names =
            std::fs::read_dir(log).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".json") && !name.contains("checkpoint")).count()
    };
    assert_eq!(entries(), 27);
    let stats = world.lake.maintain().await.unwrap();
    assert_eq!(stats.log_snapshots, 4, "punches, punch_evidence, rejects and late: {stats:?}");
    assert!(stats.entries_deleted >= 26, "{stats:?}");
    assert!(entries() <= 2, "{}", entries());
    assert_eq!(world.lake.maintain().await.unwrap(), Default::default(), "nothing more to do");

    // The owner at work goes on; the next one finds frontier and rows through the log snapshot.
    assert!(is_done(&world.lake.commit(&mut claim, commit_of(0, 100, 110)).await.unwrap()));
    world.assert_exact(&[(0, 110)]).await;
    let mut claim = world.claim(&[0, 1]).await;
    let ends: Vec<_> = claim.frontiers().values().map(|frontier| frontier.next().get()).collect();
    assert_eq!(ends, [110, 0]);
    assert!(is_done(&world.lake.commit(&mut claim, commit_of(0, 110, 120)).await.unwrap()));
    world.assert_exact(&[(0, 120)]).await;
}

#[tokio::test]
async fn an_owner_whom_the_log_was_cleaned_past_has_lost() {
    let world =
        World::with(LakeOptions { checkpoint_every: 5, log_retention_hours: 0, ..LakeOptions::default() });
    let mut stalled = world.claim(&[0, 1]).await;
    let mut owner = world.claim(&[0]).await;
    for round in 0..10 {
        assert!(is_done(
            &world.lake.commit(&mut owner, commit_of(0, round * 4, round * 4 + 4)).await.unwrap()
        ));
    }
    world.lake.maintain().await.unwrap();
    // The version behind the one it has seen is free again, and must not be taken.
    let outcome = world.lake.commit(&mut stalled, commit_of(1, 0, 10)).await.unwrap();
    assert!(super::support::is_lost(&outcome, &[0, 1]), "{outcome:?}");
    world.assert_exact(&[(0, 40)]).await;
}
