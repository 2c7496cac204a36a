//! A process killed between any two steps of a commit: the next owner loses and doubles nothing (P1, P2).

use std::collections::BTreeMap;

use frontier::PartitionFrontier;
use model::{Offset, Partition, Reject, RejectCode};
use schemas::tables::rejects;

use super::support::{On, START, World, commit_of, is_done, next, punch_rows, reject_rows};
use crate::claim::SIDE_TABLES;
use crate::commit::Step;
use crate::{Claim, Commit, SaidRows};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_between_any_two_tables_is_healed_by_the_next_owner() {
    for on in On::EACH {
        for tables_done in 0..=SIDE_TABLES.len() {
            let world = World::on(on);
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
            assert!(
                claim.present.values().all(|rows| rows.is_empty()),
                "rows the frontier passed are forgotten"
            );
        }
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
    commit.rejects = vec![reject_rows(0, [0, 3, 5])];
    world.lake.commit(&mut claim, commit).await.unwrap();
    assert_eq!(world.rows("rejects").await, [(0, 0), (0, 3), (0, 5)]);
}

#[tokio::test]
async fn a_kill_while_the_inbox_is_drained_repeats_no_reject() {
    let partition = Partition::new(0);
    let world = World::new();
    let mut claim = world.claim(&[0]).await;
    world.lake.commit(&mut claim, commit_of(0, 0, 20)).await.unwrap();
    let before = world.rows("rejects").await;
    // Offsets 7 and 14 are in the inbox; one turns out to be a repeat. The next records come with it.
    let drained = |claim: &Claim| {
        let base = claim.frontiers()[&partition];
        let frontier = PartitionFrontier::new(next(22), base.clock(), next(15));
        let rejects = vec![reject_rows(0, [7]), reject_rows(0, [20])];
        let punches = vec![punch_rows(0, [14, 21])];
        Commit { rejects, punches, frontiers: vec![(partition, frontier)], ..Commit::default() }
    };
    let commit = drained(&claim);
    let moved: BTreeMap<_, _> = commit.frontiers.iter().copied().collect();
    world.lake.commit_side(&mut claim, "rejects", commit.rejects, &moved).await.unwrap();
    drop(claim);

    let mut claim = world.claim(&[0]).await;
    assert_eq!(claim.frontiers()[&partition].late(), next(0), "the inbox is still to be drained");
    let commit = drained(&claim);
    assert!(is_done(&world.lake.commit(&mut claim, commit).await.unwrap()));
    let mut expected = before;
    expected.extend([(0, 7), (0, 20)]);
    expected.sort_unstable();
    assert_eq!(world.rows("rejects").await, expected);
    assert!(claim.present.values().all(|rows| rows.is_empty()), "and nothing of it is remembered");

    // Another log's reject at that offset is another record.
    let mut builder = rejects::Builder::default();
    let reject = Reject {
        offset: Offset::new(14).unwrap(),
        until: next(15),
        code: RejectCode::Duplicate,
        message: String::new(),
        employee_id: None,
        event_id: None,
    };
    builder.append(&rejects::Row { topic: "file:other", partition, reject: &reject, rejected_at: START });
    let found = world.lake.know_drained(&mut claim, &[builder.finish()]).await;
    found.unwrap();
    assert!(!claim.present["rejects"].contains(&(partition, reject.offset)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_before_said_state_shows_how_far_it_lags() {
    for on in On::EACH {
        let world = World::on(on);
        let partition = Partition::new(0);
        let mut claim = world.claim(&[0]).await;
        world.lake.commit(&mut claim, commit_of(0, 0, 20)).await.unwrap();
        world.lake.commit_derived(&mut claim, SaidRows::default(), &[partition]).await.unwrap();
        world.lake.commit(&mut claim, commit_of(0, 20, 60)).await.unwrap();
        drop(claim);

        let mut claim = world.claim(&[0]).await;
        let said = claim.said_until(partition);
        assert_eq!((said.next.get(), claim.frontiers()[&partition].next().get()), (20, 60));
        assert!(said.clock_ms < claim.frontiers()[&partition].clock_ms());
        world.lake.commit_derived(&mut claim, SaidRows::default(), &[partition]).await.unwrap();
        drop(claim);

        let claim = world.claim(&[0]).await;
        assert_eq!(claim.said_until(partition).next, claim.frontiers()[&partition].next());
    }
}
