//! Log snapshots (Delta's checkpoints) that a kill or a bad disk leaves half done: the next owner opens the table and goes on
//! (P1, P2), or is told which entry is gone.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use s3_server::Point;

use super::support::{On, World, commit_of, is_done};
use crate::{ErrorKind, Lake, LakeOptions};

/// Those that every commit here writes.
const TABLES: [&str; 2] = ["punches", "punch_evidence"];

/// How long a request may take to come where it is held.
const LIMIT: Duration = Duration::from_secs(60);

fn options(log_retention_hours: u64) -> LakeOptions {
    LakeOptions { checkpoint_every: 10, log_retention_hours, ..LakeOptions::default() }
}

/// A lake with two log snapshots of each table, ten commits apart, and two commits behind them; its frontier is at 88.
async fn with_snapshots(log_retention_hours: u64) -> World {
    let world = World::with(options(log_retention_hours));
    let mut claim = world.claim(&[0]).await;
    for round in 0..22 {
        assert!(is_done(
            &world.lake.commit(&mut claim, commit_of(0, round * 4, round * 4 + 4)).await.unwrap()
        ));
        if round % 10 == 9 {
            assert!(world.lake.maintain().await.unwrap().log_snapshots >= 2);
        }
    }
    world
}

/// A table's log snapshots, oldest first.
fn snapshots(world: &World, table: &str) -> Vec<PathBuf> {
    let files = std::fs::read_dir(world.dir().join(table).join("_delta_log")).unwrap();
    let mut found: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    found.retain(|path| path.to_str().unwrap().ends_with(".checkpoint.parquet"));
    found.sort();
    found
}

fn hint(world: &World, table: &str) -> PathBuf {
    world.dir().join(table).join("_delta_log/_last_checkpoint")
}

/// Cuts a file off behind so many of its bytes.
fn tear(path: &std::path::Path, bytes: usize) {
    let mut whole = std::fs::read(path).unwrap();
    assert!(whole.len() > bytes);
    whole.truncate(bytes);
    std::fs::write(path, whole).unwrap();
}

/// The next owner takes the partition where it was left, commits, and everything is there once.
async fn assert_goes_on(world: &World) {
    let mut claim = world.claim(&[0]).await;
    assert_eq!(claim.frontiers()[&model::Partition::new(0)].next().get(), 88);
    assert!(is_done(&world.lake.commit(&mut claim, commit_of(0, 88, 92)).await.unwrap()));
    world.assert_exact(&[(0, 92)]).await;
}

/// Does something to a table's newest snapshot, of which there are two.
type Damage = fn(&World, &str);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_snapshot_that_is_torn_or_gone_costs_nothing_while_its_entries_are_there() {
    let newest = |world: &World, table: &str| snapshots(world, table)[1].clone();
    let damages: [(&str, Damage); 7] = [
        ("half of it is missing", |world, table| tear(&snapshots(world, table)[1], 2_000)),
        ("it is full of zeros between its head and its foot", |world, table| {
            let path = &snapshots(world, table)[1];
            let mut bytes = std::fs::read(path).unwrap();
            let (len, foot_at) = (bytes.len(), bytes.len() - 8);
            let foot = u32::from_le_bytes(bytes[foot_at..foot_at + 4].try_into().unwrap()) as usize;
            bytes[4..len - 8 - foot].fill(0);
            std::fs::write(path, bytes).unwrap();
        }),
        ("both are torn", |world, table| {
            snapshots(world, table).iter().for_each(|path| tear(path, 1_000));
        }),
        ("the hint is missing", |world, table| std::fs::remove_file(hint(world, table)).unwrap()),
        ("the hint is torn", |world, table| tear(&hint(world, table), 9)),
        ("the hint names one that is gone", |world, table| {
            std::fs::remove_file(&snapshots(world, table)[1]).unwrap();
        }),
        ("all are gone but the hint", |world, table| {
            snapshots(world, table).iter().for_each(|path| std::fs::remove_file(path).unwrap());
        }),
    ];
    for (what, damage) in damages {
        let world = with_snapshots(24).await;
        let named = TABLES.map(|table| newest(&world, table));
        TABLES.iter().for_each(|table| damage(&world, table));
        println!("{what}");
        assert_goes_on(&world).await;
        // The next round writes one that opens.
        let mut claim = world.claim(&[0]).await;
        for round in 23..33 {
            let commit = commit_of(0, round * 4, round * 4 + 4);
            assert!(is_done(&world.lake.commit(&mut claim, commit).await.unwrap()), "{what}");
        }
        assert!(world.lake.maintain().await.unwrap().log_snapshots >= 2, "{what}");
        for (table, before) in TABLES.iter().zip(named) {
            assert!(snapshots(&world, table).last() > Some(&before), "{what}: {table}");
        }
        world.assert_exact(&[(0, 132)]).await;
    }
}

#[tokio::test]
async fn a_reader_leaves_a_torn_log_snapshot_as_it_is() {
    let world = with_snapshots(24).await;
    let torn = snapshots(&world, "punches")[1].clone();
    tear(&torn, 1_000);
    let reader = Lake::open_existing(world.dir().to_str().unwrap(), options(24)).await.unwrap();
    assert!(reader.snapshot("punches").await.is_err());
    assert!(torn.is_file());
    assert_goes_on(&world).await;
    assert!(!torn.exists());
    assert!(reader.snapshot("punches").await.unwrap().is_some());
}

#[tokio::test]
async fn a_torn_log_snapshot_whose_entries_are_gone_is_named_and_left() {
    let world = with_snapshots(0).await;
    let torn = snapshots(&world, "punches").pop().unwrap();
    tear(&torn, 1_000);
    let error = world.lake.claim(&super::support::log(), &[model::Partition::new(0)]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    let said = error.to_string();
    assert!(said.contains("open table punches: log snapshot 21 is lost or torn, and entry 0"), "{said}");
    assert!(torn.is_file() && hint(&world, "punches").is_file());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_within_a_log_snapshot_is_healed_by_the_next_owner() {
    for (key, is_applied) in [
        ("/punches/_delta_log/00000000000000000023.checkpoint.parquet", false),
        ("/punches/_delta_log/00000000000000000023.checkpoint.parquet", true),
        ("/punches/_delta_log/_last_checkpoint", false),
        ("/punches/_delta_log/_last_checkpoint", true),
    ] {
        let world = World::on_with(On::S3, options(0));
        let mut claim = world.claim(&[0]).await;
        for round in 0..22 {
            let commit = commit_of(0, round * 4, round * 4 + 4);
            assert!(is_done(&world.lake.commit(&mut claim, commit).await.unwrap()));
        }
        drop(claim);
        world.server().hold(Point { method: "PUT", key, body: "", is_applied });
        let lake = world.again(options(0));
        let killed = tokio::spawn(async move { lake.maintain().await });
        let begun = Instant::now();
        while !world.server().is_holding() {
            assert!(begun.elapsed() < LIMIT && !killed.is_finished(), "{key}: it never came there");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        killed.abort();
        world.server().let_go(false);
        assert_goes_on(&world).await;
        assert!(world.lake.maintain().await.unwrap().log_snapshots >= 3, "{key}");
        assert_eq!(world.claim(&[0]).await.frontiers()[&model::Partition::new(0)].next().get(), 92);
        world.assert_exact(&[(0, 92)]).await;
    }
}
