//! What is particular to a store of objects: its door, answers that are unclear, throttling, storms.

use std::sync::Arc;
use std::time::{Duration, Instant};

use frontier::Retries;
use model::Partition;
use object_store::path::Path;
use object_store::{BackoffConfig, Error as StoreError, ObjectStore, PutMode, RetryConfig};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use s3_server::{Fault, S3Server};

use super::support::{commit_of, is_done, log, s3_options, s3_place};
use crate::encode::now_ms;
use crate::s3::client_retries;
use crate::{Action, Addressing, ErrorKind, Lake, LakeOptions, LogKind, S3Options, SaidRows};

const DAY_MS: i64 = 86_400_000;

/// Between two tries in a test.
const SHORT: Duration = Duration::from_millis(2);

fn options(server: &S3Server) -> LakeOptions {
    LakeOptions { s3: s3_options(server), checkpoint_every: 8, ..LakeOptions::default() }
}

/// A client that tries everything once.
fn once(server: &S3Server) -> Arc<dyn ObjectStore> {
    let retries = RetryConfig { max_retries: 0, ..client_retries() };
    crate::s3::open(&s3_place(), &s3_options(server), retries).unwrap().0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lake_is_made_and_found_again() {
    let server = S3Server::start();
    let error = Lake::open_existing(&s3_place(), options(&server)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoLake, "{error}");
    let lake = Lake::open(&s3_place(), options(&server)).await.unwrap();
    assert_eq!((lake.dir(), lake.root().as_str()), (None, "s3://lakes/chains/hk/"));
    lake.own(&log(), LogKind::Live).await.unwrap();
    let mut claim = lake.claim(&log(), &[Partition::new(0)]).await.unwrap();
    assert!(is_done(&lake.commit(&mut claim, commit_of(0, 0, 20)).await.unwrap()));

    let again = Lake::open_existing(&s3_place(), options(&server)).await.unwrap();
    assert_eq!(again.is_live().await.unwrap(), Some(true));
    assert_eq!(again.snapshot("punches").await.unwrap().unwrap().files.len(), 1);
    // At the root of the bucket, too, and neither sees the other.
    let root = Lake::open("s3://lakes", options(&server)).await.unwrap();
    assert_eq!(root.version("punches").await.unwrap(), None);
    root.claim(&log(), &[Partition::new(0)]).await.unwrap();
    assert_eq!(root.version("punches").await.unwrap(), Some(1));
    assert!(server.keys("").iter().all(|key| !key.contains("//")), "{:?}", server.keys(""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_overwrites_is_refused() {
    let server = S3Server::start();
    server.ignore_conditions();
    for _ in 0..2 {
        let error = Lake::open(&s3_place(), options(&server)).await.unwrap_err();
        assert_eq!((error.kind(), error.action()), (ErrorKind::NotConditional, Action::Stop));
        assert!(error.to_string().contains("takes no notice of `If-None-Match: *`"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_door_refuses_is_named() {
    let server = S3Server::start();
    let mut wrong_key = options(&server);
    wrong_key.s3.keys.as_mut().unwrap().access_key = "stranger".to_owned();
    let nobody = S3Options { endpoint: Some("http://127.0.0.1:1".to_owned()), ..s3_options(&server) };
    let nobody = LakeOptions { s3: nobody, retries: Retries::at_once(0), ..LakeOptions::default() };
    for (place, options, kind, text) in [
        (
            s3_place(),
            wrong_key,
            ErrorKind::Denied,
            "check the access key, its secret and what its policy allows",
        ),
        (
            "s3://nowhere/x".to_owned(),
            options(&server),
            ErrorKind::NoLake,
            "there is no bucket `nowhere`: make it first",
        ),
        (s3_place(), nobody, ErrorKind::Unreachable, "open lake s3://lakes/chains/hk/"),
    ] {
        let begun = Instant::now();
        let error = Lake::open(&place, options.clone()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(text), "{error}");
        let error = Lake::open_existing(&place, options).await.unwrap_err();
        assert_eq!(error.kind(), kind, "reading: {error}");
        assert!(begun.elapsed() < Duration::from_secs(30), "a person waits: {:?}", begun.elapsed());
    }
}

#[test]
fn places_and_settings_that_cannot_be_are_refused_without_asking() {
    let plain = S3Options::default;
    let at = |endpoint: &str| S3Options { endpoint: Some(endpoint.to_owned()), ..S3Options::default() };
    for (place, options, key) in [
        ("s3://bucket", plain(), None),
        ("s3://bucket/a/b-c_d.e=f", plain(), None),
        ("s3://bucket/a b", plain(), Some("url")),
        ("s3://bucket/a%20b", plain(), Some("url")),
        ("s3://bucket//a", plain(), Some("url")),
        ("s3://bucket/a?x=1", plain(), Some("url")),
        ("s3://key:secret@bucket/a", plain(), Some("url")),
        ("s3:///a", plain(), Some("url")),
        ("s3://fast--use1-az4--x-s3/a", plain(), Some("url")),
        ("s3://b/a", at("https://s3.example.com"), None),
        ("s3://b/a", at("http://127.0.0.1:9000"), None),
        ("s3://b/a", at("http://[::1]:9000"), None),
        ("s3://b/a", at("http://localhost:9000"), None),
        ("s3://b/a", at("http://minio:9000"), Some("endpoint")),
        ("s3://b/a", at("http://10.0.0.7:9000"), Some("endpoint")),
        ("s3://b/a", at("http://localhost.example.com"), Some("endpoint")),
        ("s3://b/a", S3Options { allow_http: true, ..at("http://minio:9000") }, None),
        ("s3://b/a", at("minio:9000"), Some("endpoint")),
        ("s3://b/a", at("https://minio/b"), Some("endpoint")),
        ("s3://b/a", at("ftp://minio"), Some("endpoint")),
        ("s3://a.b/a", S3Options { addressing: Addressing::Host, ..plain() }, Some("addressing")),
    ] {
        let problem = options.check(place).err();
        assert_eq!(problem.as_ref().map(|problem| problem.key), key, "{place} {options:?}: {problem:?}");
    }
    let keys = s3_options(&S3Server::start()).keys;
    assert!(!format!("{keys:?}").contains(s3_server::SECRET_KEY), "{keys:?}");
}

/// 412 says that the entry is there. 409, 5xx, silence and a broken connection say nothing, whether it was applied or not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_412_says_that_an_entry_is_taken() {
    let server = S3Server::start();
    let store = once(&server);
    for (number, (fault, is_applied)) in [
        (Fault::Conflict, false),
        (Fault::SlowDown, false),
        (Fault::Lost, false),
        (Fault::LostAfter, true),
        (Fault::ErrorAfter, true),
    ]
    .into_iter()
    .enumerate()
    {
        let path = Path::from(format!("chains/hk/entry-{number}"));
        server.fail("PUT", "entry", [fault]);
        let put = || store.put_opts(&path, "x".into(), PutMode::Create.into());
        let first = put().await.unwrap_err();
        assert!(!matches!(first, StoreError::AlreadyExists { .. }), "{fault:?}: {first}");
        assert_eq!(matches!(put().await, Err(StoreError::AlreadyExists { .. })), is_applied, "{fault:?}");
        assert!(matches!(put().await, Err(StoreError::AlreadyExists { .. })), "{fault:?}");
    }
}

/// Every way an entry of each table can fail, with the client's own tries at work and without them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_ends_done_once_whatever_the_store_does() {
    let kinds =
        [Fault::Conflict, Fault::SlowDown, Fault::Lost, Fault::LostAfter, Fault::ErrorAfter, Fault::Slow(20)];
    for table in ["punches", "rejects", "anomalies"] {
        let server = S3Server::start();
        let lake = Lake::open(&s3_place(), options(&server)).await.unwrap();
        let mut claim = lake.claim(&log(), &[Partition::new(0)]).await.unwrap();
        let mut until = 0;
        for faults in kinds.iter().flat_map(|kind| [vec![*kind], vec![*kind, Fault::LostAfter]]) {
            let planned = faults.clone();
            server.fail("PUT", &format!("/{table}/_delta_log/"), faults);
            let commit = commit_of(0, until, until + 10);
            until += 10;
            assert!(is_done(&lake.commit(&mut claim, commit).await.unwrap()), "{table} {planned:?}");
            let said = lake.commit_derived(&mut claim, SaidRows::default(), &[Partition::new(0)]).await;
            assert!(is_done(&said.unwrap()), "{table} {planned:?}");
            server.calm();
        }
        drop(claim);
        let claim = lake.claim(&log(), &[Partition::new(0)]).await.unwrap();
        assert_eq!(claim.frontiers()[&Partition::new(0)].next().get(), until);
        assert_eq!(rows(&lake).await, until, "{table}");
    }
}

/// Rows of `punches`, `rejects` and `late` together, by the files' own counts.
async fn rows(lake: &Lake) -> i64 {
    let mut rows = 0;
    for table in ["punches", "rejects", "late"] {
        let snapshot = lake.snapshot(table).await.unwrap().unwrap();
        rows += snapshot.files.iter().map(|file| file.rows.unwrap() as i64).sum::<i64>();
    }
    rows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_break_off_are_read_on() {
    let server = S3Server::start();
    let lake = Lake::open(&s3_place(), options(&server)).await.unwrap();
    let mut claim = lake.claim(&log(), &[Partition::new(0)]).await.unwrap();
    lake.commit(&mut claim, commit_of(0, 0, 400)).await.unwrap();
    server.fail("GET", "punches/business_month", [Fault::Truncated; 3]);
    let fold = lake.fold(&claim, super::support::START).await.unwrap();
    assert_eq!(fold.punches.len(), 400 - 80 - 46);
}

/// Throttled clients wait longer and longer instead of hammering.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn throttling_is_waited_out() {
    let server = S3Server::start();
    let lake = Lake::open(&s3_place(), options(&server)).await.unwrap();
    let mut claim = lake.claim(&log(), &[Partition::new(0)]).await.unwrap();
    server.fail("PUT", "/punches/_delta_log/", [Fault::SlowDown; 3]);
    let begun = Instant::now();
    assert!(is_done(&lake.commit(&mut claim, commit_of(0, 0, 20)).await.unwrap()));
    assert!(begun.elapsed() >= Duration::from_millis(300), "{:?}", begun.elapsed());
    assert_eq!(server.answered(503), 3);
}

/// A store that is down is told as such within a bound, after few requests, and the same commit goes through once it is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_down_costs_few_requests_and_loses_nothing() {
    let server = S3Server::start();
    let patient = LakeOptions {
        retries: Retries::new(2, Duration::from_millis(10), Duration::from_millis(20)),
        ..options(&server)
    };
    let lake = Lake::open(&s3_place(), patient).await.unwrap();
    let mut claim = lake.claim(&log(), &[Partition::new(0)]).await.unwrap();
    server.go_down();
    let error = lake.commit(&mut claim, commit_of(0, 0, 20)).await.unwrap_err();
    assert_eq!((error.kind(), error.action()), (ErrorKind::Unreachable, Action::Retry), "{error}");
    assert!(server.answered(503) <= 20, "{} requests", server.answered(503));
    server.calm();
    assert!(is_done(&lake.commit(&mut claim, commit_of(0, 0, 20)).await.unwrap()));
    assert_eq!(rows(&lake).await, 20);
}

/// A tenth of all requests fails somehow while two owners rival, log snapshots are written, entries and old rows removed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn owners_in_a_storm_lose_and_double_nothing() {
    let seed: u64 = std::env::var("MUSTER_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7);
    eprintln!("MUSTER_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let server = S3Server::start();
    // As in life, and in less time.
    let backoff = BackoffConfig { init_backoff: SHORT, max_backoff: 4 * SHORT, base: 2. };
    let retries = RetryConfig { backoff, ..client_retries() };
    let (store, root) = crate::s3::open(&s3_place(), &s3_options(&server), retries).unwrap();
    let storm = LakeOptions {
        log_retention_hours: 0,
        reader_grace_min: 0,
        retries: Retries::new(8, SHORT, 4 * SHORT),
        ..options(&server)
    };
    let lakes = [(); 2].map(|()| Lake::with_store(store.clone(), root.clone(), storm.clone()).unwrap());
    let partitions = [0, 1].map(Partition::new);
    server.storm(seed, 0.1);
    let mut claims = [claimed(&lakes[0]).await, claimed(&lakes[1]).await];
    for _ in 0..40 {
        let at = random.random_range(0..2);
        let partition = random.random_range(0..2);
        let claim = &mut claims[at];
        let Some(base) = claim.frontiers().get(&partitions[partition as usize]) else {
            *claim = claimed(&lakes[at]).await;
            continue;
        };
        let from = base.next().get();
        let commit = commit_of(partition, from, from + random.random_range(1..12));
        while let Err(error) = lakes[at].commit(claim, commit.clone()).await {
            assert_eq!(error.action(), Action::Retry, "{error}");
        }
        if random.random_bool(0.2) {
            // What housekeeping cannot do now its next round does.
            let _ = lakes[at].maintain().await;
            let _ = lakes[at].retain_evidence_at(&log(), now_ms() + 8 * DAY_MS).await;
        }
    }
    server.calm();
    let claim = claimed(&lakes[0]).await;
    let ends: i64 = claim.frontiers().values().map(|frontier| frontier.next().get()).sum();
    assert!(ends > 40, "{ends} records");
    assert_eq!(rows(&lakes[1]).await, ends);
    lakes[0].maintain().await.unwrap();
    let stats = lakes[0].retain_evidence_at(&log(), now_ms() + 8 * DAY_MS).await.unwrap();
    assert_eq!(stats.files_left, 0);
    assert!(server.keys("chains/hk/punch_evidence/business_month").is_empty());
    let checkpoints =
        server.keys("chains/hk/punches/_delta_log/").into_iter().filter(|key| key.contains(".checkpoint."));
    assert!(checkpoints.count() > 0, "log snapshots are written in a store as in a folder");
    assert!(
        server.keys("chains/hk/punches/_delta_log/00000000000000000000.json").is_empty(),
        "old entries go"
    );
}

async fn claimed(lake: &Lake) -> crate::Claim {
    loop {
        match lake.claim(&log(), &[0, 1].map(Partition::new)).await {
            Ok(claim) => return claim,
            Err(error) => assert_eq!(error.action(), Action::Retry, "{error}"),
        }
    }
}
