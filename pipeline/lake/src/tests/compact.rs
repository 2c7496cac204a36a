//! Small files become large ones beside owners at work, rival rounds, retention and kills, and no row is lost or doubled.

use std::collections::BTreeSet;

use arrow::array::AsArray;
use frontier::Retries;
use model::Partition;

use super::support::{Fault, On, World, commit_of, is_done, log, punch_rows};
use crate::compact::{CompactStats, Which};
use crate::encode::now_ms;
use crate::read::read_file;
use crate::scan::FileEntry;
use crate::{ErrorKind, Lake, LakeOptions};

const DAY_MS: i64 = 24 * 3_600_000;

fn options() -> LakeOptions {
    LakeOptions { retries: Retries::at_once(2), ..LakeOptions::default() }
}

async fn files_of(lake: &Lake, table: &str) -> BTreeSet<String> {
    let snapshot = lake.snapshot(table).await.unwrap().unwrap();
    snapshot.files.iter().map(|file| file.path.filename().unwrap().to_owned()).collect()
}

/// Commits of ten records each, from `from` on.
async fn commit(world: &World, claim: &mut crate::Claim, from: i64, commits: i64) {
    for round in 0..commits {
        let at = from + round * 10;
        assert!(is_done(&world.lake.commit(claim, commit_of(0, at, at + 10)).await.unwrap()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_rows_in_few_files_sorted_and_passed_on_once() {
    for on in On::EACH {
        let world = World::on_with(on, options());
        let mut claim = world.claim(&[0, 1]).await;
        commit(&world, &mut claim, 0, 9).await;
        let before = files_of(&world.lake, "punches").await;
        let version = world.lake.version("punches").await.unwrap();
        let stats = world.lake.compact(Which::Due).await.unwrap();
        // One commit in nine had nothing for the inbox.
        assert_eq!((stats.files_replaced, stats.files_written, stats.dropped), (9 * 3 + 8, 4, 0));
        assert_eq!(stats.rows, 62 + 62 + 18 + 10, "punches, their evidence, rejects and the inbox");
        let after = files_of(&world.lake, "punches").await;
        assert!(after.len() == 1 && after.is_disjoint(&before));
        world.assert_exact(&[(0, 90)]).await;

        // By site, person and time.
        let snapshot = world.lake.snapshot("punches").await.unwrap().unwrap();
        let store = world.lake.table("punches").unwrap().store();
        let rows = read_file("punches", store.as_ref(), &snapshot.files[0], &snapshot.schema).await.unwrap();
        let times = rows[0].column_by_name("occurred_at").unwrap();
        let times = times.as_primitive::<arrow::datatypes::TimestampMicrosecondType>();
        let people = rows[0].column_by_name("employee_id").unwrap().as_string::<i32>();
        let order: Vec<_> = (0..62).map(|row| (people.value(row).to_owned(), times.value(row))).collect();
        assert!(order.is_sorted() && order[0].0 != order[61].0, "{order:?}");

        // Whoever passes rows on gets nothing of it; owner and next owner go on.
        let passed = world.lake.appended("punches", version).await.unwrap().unwrap();
        assert!(passed.rows.is_empty(), "{passed:?}");
        commit(&world, &mut claim, 90, 1).await;
        let mut next = world.claim(&[0, 1]).await;
        assert_eq!(next.frontiers()[&Partition::new(0)].next().get(), 100);
        assert!(is_done(&world.lake.commit(&mut next, commit_of(0, 100, 110)).await.unwrap()));
        world.assert_exact(&[(0, 110)]).await;
        assert_eq!(world.lake.compact(Which::Due).await.unwrap(), CompactStats::default(), "nothing is due");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn identities_stay_known_whichever_file_they_are_in() {
    let world = World::with(options());
    let mut claim = world.claim(&[0]).await;
    commit(&world, &mut claim, 0, 8).await;
    let before = world.lake.identities(&claim.identity_extent(), None).await.unwrap();
    world.lake.compact(Which::All).await.unwrap();
    commit(&world, &mut claim, 80, 1).await;
    let after = world.lake.identities(&claim.identity_extent(), Some(&before)).await.unwrap();
    let known = after.of(Partition::new(0)).unwrap();
    let rows = punch_rows(0, (0..90).filter(|offset| offset % 5 != 0 && offset % 7 != 0));
    let text = |name: &str| rows.column_by_name(name).unwrap().as_string::<i32>().clone();
    let (people, events) = (text("employee_id"), text("event_id"));
    for row in 0..rows.num_rows() {
        assert!(known.may_hold(crate::IdentityKey::of(people.value(row), events.value(row))), "row {row}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_round_that_dies_doubles_nothing_and_leaves_nothing_for_long() {
    for faults in
        [vec![Fault::Before; 3], vec![Fault::Full; 3], vec![Fault::Before, Fault::Before, Fault::After]]
    {
        let world = World::with(options());
        let mut claim = world.claim(&[0]).await;
        commit(&world, &mut claim, 0, 8).await;
        world.fail("punches", faults.iter().copied());
        world.lake.compact(Which::Due).await.unwrap_err();
        world.assert_exact(&[(0, 80)]).await;
        assert!(world.data_files("punches").len() > 8, "{faults:?}: a file without an entry, or with one");

        let next = world.again(options());
        next.compact(Which::Due).await.unwrap();
        assert_eq!(files_of(&next, "punches").await.len(), 1, "{faults:?}");
        world.assert_exact(&[(0, 80)]).await;
        // What was replaced stays for readers that began before, and then goes, with what nobody named.
        let now = now_ms();
        assert_eq!(next.sweep_at(now).await.unwrap(), 0, "{faults:?}");
        assert!(next.sweep_at(now + DAY_MS + 60_000).await.unwrap() >= 3 * 8, "{faults:?}");
        let left: BTreeSet<String> = world.data_files("punches").into_iter().collect();
        assert_eq!(left, files_of(&next, "punches").await, "{faults:?}");
        world.assert_exact(&[(0, 80)]).await;
    }
}

/// An answer that is lost once is found in the log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_is_read_back() {
    for on in On::EACH {
        let world = World::on_with(on, options());
        let mut claim = world.claim(&[0]).await;
        commit(&world, &mut claim, 0, 8).await;
        world.fail("punches", [Fault::After]);
        let stats = world.lake.compact(Which::Due).await.unwrap();
        assert_eq!((stats.files_written, stats.dropped), (3, 0), "all but the inbox, which has seven");
        world.assert_exact(&[(0, 80)]).await;
    }
}

/// Two rounds, a retention and an owner at once: whatever comes first counts, the others begin anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rivals_and_commits_at_once_lose_and_double_nothing() {
    for on in On::EACH {
        let world = World::on_with(on, options());
        let mut claim = world.claim(&[0]).await;
        commit(&world, &mut claim, 0, 8).await;
        let round = |lake: Lake| async move {
            let mut written = 0;
            for _ in 0..6 {
                match lake.compact(Which::All).await {
                    Ok(stats) => written += stats.files_written,
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Contended, "{error}"),
                }
                if let Err(error) = lake.retain_evidence(&log()).await {
                    assert_eq!(error.kind(), ErrorKind::Contended, "{error}");
                }
            }
            written
        };
        let rivals = [world.again(options()), world.again(options())].map(|lake| tokio::spawn(round(lake)));
        commit(&world, &mut claim, 80, 12).await;
        let mut written = 0;
        for rival in rivals {
            written += rival.await.unwrap();
        }
        assert!(written >= 4, "{written}");
        world.assert_exact(&[(0, 200)]).await;
        world.lake.compact(Which::All).await.unwrap();
        assert_eq!(files_of(&world.lake, "punches").await.len(), 1);
        world.assert_exact(&[(0, 200)]).await;
        world.lake.sweep_at(now_ms() + DAY_MS + 60_000).await.unwrap();
        let left: BTreeSet<String> = world.data_files("punches").into_iter().collect();
        assert_eq!(left, files_of(&world.lake, "punches").await);
    }
}

/// A process that stalls between a round's files and its entry, while another makes one of the same files: its entry comes too
/// late, and what it wrote is nobody's.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_round_that_stalls_before_its_entry_gives_way_to_the_one_that_overtook_it() {
    let world = World::on_with(On::S3, options());
    let mut claim = world.claim(&[0]).await;
    commit(&world, &mut claim, 0, 8).await;
    let entry =
        s3_server::Point { method: "PUT", key: "/punches/_delta_log/", body: "OPTIMIZE", is_applied: false };
    world.server().hold(entry);
    let stalled = world.again(options());
    let stalled = tokio::spawn(async move { stalled.compact(Which::Due).await });
    for _ in 0..10_000 {
        if world.server().is_holding() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    assert!(world.server().is_holding(), "the round never came to its entry");

    let stats = world.lake.compact(Which::Due).await.unwrap();
    assert!(stats.files_written >= 1, "{stats:?}");
    commit(&world, &mut claim, 80, 1).await;
    let before = files_of(&world.lake, "punches").await;
    assert_eq!(before.len(), 2, "the one of the round that overtook, and that of the commit behind it");
    world.server().let_go(true);
    match stalled.await.unwrap() {
        Ok(stats) => assert!(stats.dropped > 0, "{stats:?}"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::Contended, "{error}"),
    }
    assert_eq!(files_of(&world.lake, "punches").await, before);
    world.assert_exact(&[(0, 90)]).await;
    world.lake.sweep_at(now_ms() + DAY_MS + 60_000).await.unwrap();
    let left: BTreeSet<String> = world.data_files("punches").into_iter().collect();
    assert_eq!(left, before, "what the late round wrote is swept away");
}

/// A file that holds other than what the log says is evidence of something: it is named, and left as it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_with_other_rows_than_told_is_not_replaced() {
    let world = World::with(options());
    let mut claim = world.claim(&[0]).await;
    commit(&world, &mut claim, 0, 8).await;
    let folder = world.dir().join("punches/business_month=2026-11");
    // Of eight commits of ten records, not all have the same number of punches.
    let snapshot = world.lake.snapshot("punches").await.unwrap().unwrap();
    let told = |file: &FileEntry| (file.bounds().rows(), file.path.filename().unwrap().to_owned());
    let files: BTreeSet<_> = snapshot.files.iter().map(told).collect();
    let ((few, one), (many, other)) = (files.first().unwrap(), files.last().unwrap());
    assert!(few < many, "{files:?}");
    std::fs::copy(folder.join(other), folder.join(one)).unwrap();
    let before = files_of(&world.lake, "punches").await;
    let error = world.lake.compact(Which::Due).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains(one) && error.to_string().contains("log says"), "{error}");
    assert_eq!(files_of(&world.lake, "punches").await, before);
}
