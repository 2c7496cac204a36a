//! A process killed between any two steps of a commit: the next owner loses and doubles nothing (P1, P2).

use std::collections::BTreeMap;

use model::Partition;

use super::support::{World, commit_of, is_done};
use crate::claim::SIDE_TABLES;
use crate::commit::Step;

#[tokio::test]
async fn a_kill_between_any_two_tables_is_healed_by_the_next_owner() {
    for tables_done in 0..=SIDE_TABLES.len() {
        let world = World::new();
        let mut claim = world.claim(&[0, 1]).await;
        world.lake.commit(&mut claim, commit_of(0, 0, 20)).await.unwrap();

        let commit = commit_of(0, 20, 60);
        let moved: BTreeMap<_, _> = commit.frontiers.iter().copied().collect();
        let sides = [commit.evidence.clone(), commit.rejects.clone(), commit.late.clone()];
        for (table, batches) in SIDE_TABLES.into_iter().zip(sides).take(tables_done) {
            let step = world.lake.commit_side(&mut claim, table, batches, &moved).await.unwrap();
            assert!(matches!(step, Step::Done(..)), "{step:?}");
        }
        // Files of `punches` that no entry names.
        world.lake.write_files("punches", &commit.punches).await.unwrap();
        drop(claim);

        // The next owner reads again from the frontier, cut otherwise than before.
        let mut claim = world.claim(&[0, 1]).await;
        assert_eq!(claim.frontiers()[&Partition::new(0)].next().get(), 20);
        for (from, until) in [(20, 33), (33, 70)] {
            let outcome = world.lake.commit(&mut claim, commit_of(0, from, until)).await.unwrap();
            assert!(is_done(&outcome), "{outcome:?}");
        }
        world.assert_exact(&[(0, 70)]).await;
        assert!(claim.present.values().all(|rows| rows.is_empty()), "rows the frontier passed are forgotten");
    }
}

#[tokio::test]
async fn a_record_judged_otherwise_after_a_kill_is_not_lost() {
    let world = World::new();
    let mut claim = world.claim(&[0]).await;
    let commit = commit_of(0, 0, 10);
    let moved: BTreeMap<_, _> = commit.frontiers.iter().copied().collect();
    world.lake.commit_side(&mut claim, "rejects", commit.rejects.clone(), &moved).await.unwrap();
    drop(claim);
    // Offset 3 was a punch, now it is a reject: it must go in although the table has been written beyond it.
    let mut claim = world.claim(&[0]).await;
    let mut commit = commit_of(0, 0, 10);
    commit.rejects = vec![super::support::reject_rows(0, [0, 3, 5])];
    world.lake.commit(&mut claim, commit).await.unwrap();
    assert_eq!(world.rows("rejects").await, [(0, 0), (0, 3), (0, 5)]);
}

#[tokio::test]
async fn a_kill_before_said_state_shows_how_far_it_lags() {
    let world = World::new();
    let partition = Partition::new(0);
    let mut claim = world.claim(&[0]).await;
    world.lake.commit(&mut claim, commit_of(0, 0, 20)).await.unwrap();
    world.lake.commit_derived(&mut claim, Vec::new(), Vec::new(), &[partition]).await.unwrap();
    world.lake.commit(&mut claim, commit_of(0, 20, 60)).await.unwrap();
    drop(claim);

    let mut claim = world.claim(&[0]).await;
    let said = claim.said_until(partition);
    assert_eq!((said.next.get(), claim.frontiers()[&partition].next().get()), (20, 60));
    assert!(said.clock_ms < claim.frontiers()[&partition].clock_ms());
    world.lake.commit_derived(&mut claim, Vec::new(), Vec::new(), &[partition]).await.unwrap();
    drop(claim);

    let claim = world.claim(&[0]).await;
    assert_eq!(claim.said_until(partition).next, claim.frontiers()[&partition].next());
}
