//! A store that fails before or after it has applied: every commit ends done once, lost, or in doubt and settled later.

use arrow::array::RecordBatch;
use jiff::civil::Date;
use model::{LogClock, Partition};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::support::{Fault, On, START, World, commit_of, is_done, is_lost, next};
use crate::{Action, Claim, ErrorKind, SaidRows};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_is_read_back() {
    for on in On::EACH {
        for table in ["punches", "rejects", "late", "punch_evidence"] {
            for faults in [vec![Fault::After], vec![Fault::Before], vec![Fault::Before, Fault::After]] {
                let world = World::on(on);
                let mut claim = world.claim(&[0]).await;
                world.fail(table, faults.iter().copied());
                let outcome = world.lake.commit(&mut claim, commit_of(0, 0, 20)).await.unwrap();
                assert!(is_done(&outcome), "{table} {faults:?} {outcome:?}");
                world.assert_exact(&[(0, 20)]).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_whose_answer_is_lost_is_read_back() {
    for on in On::EACH {
        let world = World::on(on);
        world.fail("", []);
        drop(world.claim(&[0]).await);
        for table in ["punches", "rejects", "anomalies"] {
            world.fail(table, [Fault::After]);
            let mut claim = world.claim(&[0]).await;
            let from = claim.frontiers()[&Partition::new(0)].next().get();
            assert!(is_done(&world.lake.commit(&mut claim, commit_of(0, from, from + 10)).await.unwrap()));
        }
        world.assert_exact(&[(0, 30)]).await;
    }
}

#[tokio::test]
async fn a_full_disk_is_said_and_passes_by_itself() {
    for table in ["punches", "late"] {
        let world = World::new();
        let mut claim = world.claim(&[0]).await;
        world.fail(table, [Fault::Full; 3]);
        let error = world.lake.commit(&mut claim, commit_of(0, 0, 20)).await.unwrap_err();
        assert_eq!((error.kind(), error.action()), (ErrorKind::DiskFull, Action::Retry), "{error}");
        // Space is back: the same rows again.
        assert!(is_done(&world.lake.commit(&mut claim, commit_of(0, 0, 20)).await.unwrap()));
        world.assert_exact(&[(0, 20)]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_in_doubt_is_settled_by_the_same_commit() {
    for on in On::EACH {
        for table in ["punches", "rejects"] {
            for last in [Fault::Before, Fault::After] {
                let world = World::on(on);
                let mut claim = world.claim(&[0, 1]).await;
                world.fail(table, [Fault::Before, Fault::Before, last]);
                world.lake.commit(&mut claim, commit_of(0, 0, 20)).await.unwrap_err();
                let outcome = world.lake.commit(&mut claim, commit_of(0, 0, 20)).await.unwrap();
                assert!(is_done(&outcome), "{table} {last:?} {outcome:?}");
                assert!(is_done(&world.lake.commit(&mut claim, commit_of(0, 20, 30)).await.unwrap()));
                world.assert_exact(&[(0, 30)]).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_in_doubt_that_is_done_refuses_a_longer_one() {
    for on in On::EACH {
        let world = World::on(on);
        let mut claim = world.claim(&[0, 1]).await;
        world.fail("punches", [Fault::Before, Fault::Before, Fault::After]);
        world.lake.commit(&mut claim, commit_of(0, 0, 20)).await.unwrap_err();
        let outcome = world.lake.commit(&mut claim, commit_of(0, 0, 25)).await.unwrap();
        assert!(is_lost(&outcome, &[0]), "{outcome:?}");
        let mut claim = world.claim(&[0]).await;
        assert!(is_done(&world.lake.commit(&mut claim, commit_of(0, 20, 25)).await.unwrap()));
        world.assert_exact(&[(0, 25)]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_in_doubt_may_be_dropped_and_the_partition_claimed() {
    for on in On::EACH {
        for last in [Fault::Before, Fault::After] {
            let world = World::on(on);
            let mut claim = world.claim(&[0]).await;
            world.fail("punches", [Fault::Before, Fault::Before, last]);
            world.lake.commit(&mut claim, commit_of(0, 0, 20)).await.unwrap_err();
            drop(claim);
            let mut claim = world.claim(&[0]).await;
            let from = claim.frontiers()[&Partition::new(0)].next().get();
            assert_eq!(from, if last == Fault::After { 20 } else { 0 });
            assert!(is_done(&world.lake.commit(&mut claim, commit_of(0, from, 30)).await.unwrap()));
            world.assert_exact(&[(0, 30)]).await;
        }
    }
}

fn anomaly(shift: i64, version: i64) -> model::Anomaly {
    let cause = model::Cause {
        log: super::support::log().log_id.mark(),
        partition: Partition::new(0),
        next: next(shift),
        clock: LogClock::at(START),
    };
    model::Anomaly {
        version,
        state: model::AnomalyState::Firing,
        finding: model::anomaly::Finding {
            id: model::AnomalyId([shift as u8; 16]),
            kind: model::AnomalyKind::Late,
            employee_id: Some("E1".into()),
            site_id: None,
            org: "hk".into(),
            business_date: Date::constant(2026, 11, 2),
            shift_id: Some(format!("s{shift}").into()),
            device_id: None,
            event_ids: vec!["ev".into()],
            minutes: Some(7),
            first_at: START,
            last_at: START,
        },
        detected_at: START,
        resolved_by: None,
        resolved_ref: None,
        cause,
    }
}

fn anomaly_rows(shifts: std::ops::Range<i64>, version: i64) -> RecordBatch {
    let mut builder = schemas::tables::anomalies::Builder::default();
    for shift in shifts {
        builder.append(&anomaly(shift, version));
    }
    builder.finish()
}

async fn said(world: &World, claim: &Claim) -> Vec<(String, i64)> {
    let fold = world.lake.fold(claim, START).await.unwrap();
    let mut said: Vec<_> = fold
        .anomalies
        .iter()
        .map(|anomaly| (anomaly.finding.shift_id.as_deref().unwrap().to_owned(), anomaly.version))
        .collect();
    said.sort_unstable();
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn said_state_is_fenced_and_said_once() {
    for on in On::EACH {
        let world = World::on(on);
        let mut former = world.claim(&[0]).await;
        let rows = || vec![anomaly_rows(0..3, 1)];
        world.fail("anomalies", [Fault::Before, Fault::Before, Fault::After]);
        world
            .lake
            .commit_derived(&mut former, SaidRows { anomalies: rows(), ..SaidRows::default() }, &[])
            .await
            .unwrap_err();
        assert!(is_done(
            &world
                .lake
                .commit_derived(&mut former, SaidRows { anomalies: rows(), ..SaidRows::default() }, &[])
                .await
                .unwrap()
        ));
        assert_eq!(world.lake.snapshot("anomalies").await.unwrap().unwrap().files.len(), 1);
        assert_eq!(said(&world, &former).await, [("s0".into(), 1), ("s1".into(), 1), ("s2".into(), 1)]);

        let mut owner = world.claim(&[0]).await;
        let outcome = world
            .lake
            .commit_derived(
                &mut former,
                SaidRows { anomalies: vec![anomaly_rows(0..1, 2)], ..SaidRows::default() },
                &[],
            )
            .await
            .unwrap();
        assert!(is_lost(&outcome, &[0]), "{outcome:?}");
        assert!(is_done(
            &world
                .lake
                .commit_derived(
                    &mut owner,
                    SaidRows { anomalies: vec![anomaly_rows(1..2, 2)], ..SaidRows::default() },
                    &[]
                )
                .await
                .unwrap()
        ));
        assert_eq!(said(&world, &owner).await, [("s0".into(), 1), ("s1".into(), 2), ("s2".into(), 1)]);
    }
}

#[tokio::test]
async fn said_state_that_is_in_is_not_written_again_when_the_next_table_meets_a_claim() {
    let world = World::new();
    let [lost, ours] = [0, 1].map(Partition::new);
    let mut former = world.claim(&[0, 1]).await;
    world.fail("anomalies", [Fault::Before; 3]);
    let said = SaidRows::default;
    world.lake.commit_derived(&mut former, said(), &[lost, ours]).await.unwrap_err();
    world.claim(&[0]).await;
    let version = world.lake.version("shift_results").await.unwrap();
    let outcome = world.lake.commit_derived(&mut former, said(), &[lost, ours]).await.unwrap();
    assert!(is_lost(&outcome, &[0]), "{outcome:?}");
    assert!(is_done(&world.lake.commit_derived(&mut former, said(), &[ours]).await.unwrap()));
    assert_eq!(world.lake.version("shift_results").await.unwrap(), version);
    // Who is told to be judged and is another's is no part of an entry.
    assert!(is_lost(&world.lake.commit_derived(&mut former, said(), &[lost]).await.unwrap(), &[0]));
}

/// Random faults, kills and rival owners; afterwards every record is there once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rough_day_ends_exact() {
    for on in On::EACH {
        for seed in 0..4 {
            eprintln!("seed {seed}");
            let mut random = StdRng::seed_from_u64(seed);
            let world = World::on(on);
            let mut claims = [world.claim(&[0, 1]).await, world.claim(&[0, 1]).await];
            let tables = ["punches", "rejects", "late", "punch_evidence"];
            for _ in 0..30 {
                let at = random.random_range(0..2);
                if random.random_bool(0.3) {
                    let faults: Vec<_> = (0..random.random_range(1..=3))
                        .map(|_| if random.random_bool(0.5) { Fault::Before } else { Fault::After })
                        .collect();
                    world.fail(tables[random.random_range(0..4)], faults);
                }
                let partition = random.random_range(0..2);
                let claim = &mut claims[at];
                let is_kill = random.random_bool(0.1);
                let Some(base) = claim.frontiers().get(&Partition::new(partition)).filter(|_| !is_kill)
                else {
                    if let Ok(new) =
                        world.lake.claim(&super::support::log(), &[0, 1].map(Partition::new)).await
                    {
                        claims[at] = new;
                    }
                    continue;
                };
                let from = base.next().get();
                let until = from + random.random_range(1..12);
                let mut tries = 0;
                while let Err(error) = world.lake.commit(claim, commit_of(partition, from, until)).await {
                    assert_eq!(error.action(), Action::Retry, "{error}");
                    tries += 1;
                    assert!(tries < 10, "the faults end, and so does the doubt: {error}");
                }
            }
            let claim = loop {
                if let Ok(claim) = world.lake.claim(&super::support::log(), &[0, 1].map(Partition::new)).await
                {
                    break claim;
                }
            };
            let ends: Vec<_> = claim
                .frontiers()
                .iter()
                .map(|(partition, frontier)| (partition.number(), frontier.next().get()))
                .collect();
            world.assert_exact(&ends).await;
        }
    }
}
