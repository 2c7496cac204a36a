//! Sealing a month while owners work: who had not read the seal commits nothing any more, and who claims again has read it.

use jiff::civil::Date;
use model::{EventTime, NextOffset, Partition};
use schemas::tables::seals::Seal;
use schemas::tables::{adjustments, shift_results};

use super::golden::result;
use super::support::{Fault, On, START, World, commit_of, frontier, is_done, is_lost, log};
use crate::{Commit, LogKind, SaidRows, Sealing, TakenFile};

const MONTH: Date = Date::constant(2026, 11, 1);
const EPOCH: EventTime = EventTime::from_us(0);

fn seal(org: &str) -> Seal {
    Seal {
        month: MONTH,
        org: org.into(),
        sealed_at: EPOCH,
        sealed_on: START,
        sealed_by: Some("M1".into()),
        unresolved: 2,
    }
}

/// Of partition 0, without rows of the inbox.
fn rows(from: i64, until: i64) -> Commit {
    Commit { late: Vec::new(), ..commit_of(0, from, until) }
}

fn results(version: i64) -> SaidRows {
    let mut rows = shift_results::Builder::default();
    let result = result("s1", version, Date::constant(2026, 11, 2), 0);
    rows.append(&shift_results::Row { result: &result, decided_at: START, sealed: false });
    SaidRows { shift_results: vec![rows.finish()], ..SaidRows::default() }
}

fn adjusted(version: i64) -> SaidRows {
    let mut rows = adjustments::Builder::default();
    let result = result("s1", version, Date::constant(2026, 11, 2), 0);
    rows.append(&shift_results::Row { result: &result, decided_at: START, sealed: true });
    SaidRows { adjustments: vec![rows.finish()], ..SaidRows::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_not_read_the_seal_commits_nothing_any_more() {
    for on in On::EACH {
        let world = World::on(on);
        let lake = &world.lake;
        lake.own(&log(), LogKind::Live).await.unwrap();
        let all: Vec<Partition> = (0..log().partitions).map(Partition::new).collect();
        let mut owner = lake.claim(&log(), &all).await.unwrap();
        assert!(is_done(&lake.commit(&mut owner, rows(0, 10)).await.unwrap()));
        assert!(is_done(&lake.commit_derived(&mut owner, results(1), &[Partition::new(0)]).await.unwrap()));
        let at = frontier(10).clock().time();
        let early = lake.seal(&seal("hk"), &[], at.plus_us(1)).await.unwrap();
        assert_eq!(early, Sealing::TooEarly(at));
        assert!(is_done(&lake.commit(&mut owner, rows(10, 20)).await.unwrap()), "nobody was disturbed");

        let at = frontier(20).clock().time();
        assert_eq!(lake.seal(&seal("hk"), &[], EPOCH).await.unwrap(), Sealing::Now(at));
        let said = lake.commit_derived(&mut owner, results(2), &[Partition::new(0)]).await.unwrap();
        assert!(matches!(said, crate::CommitOutcome::Lost(_)), "{said:?}");
        assert_eq!(lake.results_of(&["E1"]).await.unwrap().len(), 1);

        let known = Seal { sealed_at: at, ..seal("hk") };
        let mut owner = lake.claim(&log(), &all).await.unwrap();
        assert_eq!(lake.seals().await.unwrap(), std::slice::from_ref(&known));
        assert!(is_done(&lake.commit_derived(&mut owner, adjusted(2), &[Partition::new(0)]).await.unwrap()));
        let fold = lake.fold(&owner, START).await.unwrap();
        assert_eq!(fold.shift_results.iter().map(|result| result.version).collect::<Vec<_>>(), [2]);
        assert_eq!(lake.results_of(&["E1"]).await.unwrap()[0].version, 2, "versions go on in the ledger");

        let again = Seal { sealed_by: None, ..seal("hk") };
        assert_eq!(lake.seal(&again, &[], EPOCH).await.unwrap(), Sealing::Before(known.clone()));
        for org in ["", "hk/kln"] {
            assert_eq!(lake.seal(&seal(org), &[], EPOCH).await.unwrap(), Sealing::Overlaps(known.clone()));
        }
        assert!(matches!(lake.seal(&seal("hkx"), &[], EPOCH).await.unwrap(), Sealing::Now(_)));
        let said = lake.commit(&mut owner, rows(20, 30)).await.unwrap();
        assert!(matches!(said, crate::CommitOutcome::Lost(_)), "{said:?}");
        assert_eq!(lake.seals().await.unwrap().len(), 2);

        let mut owner = lake.claim(&log(), &all).await.unwrap();
        assert!(is_done(&lake.commit(&mut owner, commit_of(0, 20, 30)).await.unwrap()));
        assert_eq!(lake.seal(&seal("cn"), &[], EPOCH).await.unwrap(), Sealing::Waits(2));
    }
}

/// Whatever answer is lost on the way: sealing again ends it, and once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seal_that_was_interrupted_is_ended_by_sealing_again() {
    for table in ["seals", "shift_results", "punches", "anomalies"] {
        for fault in [Fault::Before, Fault::After, Fault::Full] {
            let world = World::new();
            let lake = &world.lake;
            lake.own(&log(), LogKind::Live).await.unwrap();
            let mut owner = lake.claim(&log(), &[Partition::new(0)]).await.unwrap();
            assert!(is_done(&lake.commit(&mut owner, rows(0, 10)).await.unwrap()));
            world.fail(table, [fault]);
            let first = lake.seal(&seal(""), &[], EPOCH).await;
            let second = lake.seal(&seal(""), &[], EPOCH).await.unwrap();
            let is_first = matches!(first, Ok(Sealing::Now(_)));
            assert_eq!(
                matches!(second, Sealing::Before(_)),
                is_first,
                "{table} {fault:?}: {first:?}, {second:?}"
            );
            assert_eq!(lake.seals().await.unwrap().len(), 1, "{table} {fault:?}");
            let said = lake.commit_derived(&mut owner, results(1), &[Partition::new(0)]).await.unwrap();
            assert!(is_lost(&said, &[0]), "{table} {fault:?}: {said:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lake_of_replays_is_sealed_too() {
    let world = World::new();
    let file = crate::LogIdentity::file(model::LogId::new("file:01").unwrap());
    let mut replay = world.lake.claim(&file, &[Partition::new(0)]).await.unwrap();
    assert!(is_done(&world.lake.commit(&mut replay, rows(0, 10)).await.unwrap()));
    let taken = [TakenFile { topic: "file:01".into(), next: NextOffset::new(10).unwrap() }];
    let wanted = Seal { sealed_at: START, ..seal("") };
    assert_eq!(world.lake.seal(&wanted, &taken, START.plus_us(1)).await.unwrap(), Sealing::TooEarly(START));
    assert_eq!(world.lake.seal(&wanted, &taken, START).await.unwrap(), Sealing::Now(START));
    assert!(is_lost(&world.lake.commit(&mut replay, rows(10, 20)).await.unwrap(), &[0]));
    assert_eq!(world.lake.seals().await.unwrap(), [wanted]);
}
