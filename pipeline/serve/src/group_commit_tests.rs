//! The ingest thread by itself: who shares an append, and whose fault is whose.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use model::{Offset, Partition};
use source::{Append, NewRecord};

use crate::group_commit::{Appended, Entry, Queue, Unavailable, start};
use crate::health::Health;
use crate::metrics::tests::metrics;
use crate::test_log::{TOPIC, TestLog};

fn entries(keys: &[&str], bytes: usize) -> Vec<Entry> {
    let entry = |key: &&str| Entry { key: (*key).to_owned(), value: Bytes::from("x".repeat(bytes)) };
    keys.iter().map(entry).collect()
}

fn begin(appender: impl Append + 'static, jobs_max: usize) -> (Queue, Health) {
    let metrics = metrics();
    let health = Health::new(&[], &metrics);
    health.started();
    let (queue, _) = start(Box::new(appender), TOPIC.into(), jobs_max, metrics, health.clone()).unwrap();
    (queue, health)
}

/// Puts a job into the queue now; its outcome comes later. On a runtime of one thread the yield runs what was spawned.
async fn put(
    queue: &Queue,
    entries: Vec<Entry>,
) -> tokio::task::JoinHandle<Result<Vec<Appended>, Unavailable>> {
    let queue = queue.clone();
    let job = tokio::spawn(async move { queue.append(entries).await });
    tokio::task::yield_now().await;
    job
}

#[tokio::test]
async fn requests_that_wait_together_share_an_append() {
    let log = TestLog::open(1 << 20);
    let (appender, mut gate) = log.gated();
    let (queue, _) = begin(appender, 64);
    let first = put(&queue, entries(&["a"], 1)).await;
    gate.entered().await;
    let mut waiting = Vec::new();
    for _ in 0..20 {
        waiting.push(put(&queue, entries(&["b", "c"], 1)).await);
    }
    gate.go_on();
    gate.entered().await;
    gate.go_on();
    assert_eq!(first.await.unwrap(), Ok(vec![Appended::Durable]));
    for job in waiting {
        assert_eq!(job.await.unwrap(), Ok(vec![Appended::Durable; 2]));
    }
    assert_eq!((log.appends.load(Ordering::Relaxed), log.records().len()), (2, 41));
}

#[tokio::test]
async fn the_queue_is_bounded() {
    let log = TestLog::open(1 << 20);
    let (appender, mut gate) = log.gated();
    let (queue, _) = begin(appender, 2);
    let first = put(&queue, entries(&["a"], 1)).await;
    gate.entered().await;
    let waiting = [put(&queue, entries(&["b"], 1)).await, put(&queue, entries(&["c"], 1)).await];
    assert_eq!(put(&queue, entries(&["d"], 1)).await.await.unwrap(), Err(Unavailable::Full));
    gate.go_on();
    gate.go_on();
    for job in [first].into_iter().chain(waiting) {
        assert_eq!(job.await.unwrap(), Ok(vec![Appended::Durable]));
    }
}

#[tokio::test]
async fn a_record_too_large_for_the_log_fails_nothing_but_itself() {
    let log = TestLog::open(100);
    let (appender, mut gate) = log.gated();
    let (queue, _) = begin(appender, 64);
    let first = put(&queue, entries(&["a"], 1)).await;
    gate.entered().await;
    let mut mixed = entries(&["b", "c"], 1);
    mixed.insert(1, entries(&["big"], 200).remove(0));
    let jobs = [put(&queue, mixed).await, put(&queue, entries(&["d"], 1)).await];
    drop((0..8).map(|_| gate.go_on()).collect::<Vec<_>>());
    assert_eq!(first.await.unwrap(), Ok(vec![Appended::Durable]));
    let [mixed, other] = jobs;
    let expected = vec![Appended::Durable, Appended::TooLarge, Appended::Durable];
    assert_eq!(mixed.await.unwrap(), Ok(expected));
    assert_eq!(other.await.unwrap(), Ok(vec![Appended::Durable]));
    let lone = put(&queue, entries(&["big"], 200)).await;
    assert_eq!(lone.await.unwrap(), Ok(vec![Appended::TooLarge]));
    let keys: Vec<String> = log.records().into_iter().map(|(_, key, _)| key).collect();
    assert_eq!(keys.len(), 4, "{keys:?}");
}

#[tokio::test]
async fn a_log_that_fails_is_told_and_forgotten_when_it_heals() {
    let log = TestLog::open(1 << 20);
    let (queue, health) = begin(log.appender(), 64);
    log.fails.store(true, Ordering::Relaxed);
    let failed = queue.append(entries(&["a"], 1)).await;
    assert!(matches!(failed, Err(Unavailable::Log(text)) if text.contains("topic")));
    assert!(health.readiness().text.contains("not ready: ingest"), "{}", health.readiness().text);
    log.fails.store(false, Ordering::Relaxed);
    assert_eq!(queue.append(entries(&["a"], 1)).await, Ok(vec![Appended::Durable]));
    assert!(health.readiness().is_well && health.liveness().is_well);
}

struct Panics;

impl Append for Panics {
    fn append(&mut self, _: &str, _: &[NewRecord<'_>]) -> Result<Vec<(Partition, Offset)>, source::Error> {
        panic!("as the test wants")
    }
}

#[tokio::test]
async fn a_dead_thread_is_told_to_senders_and_to_liveness() {
    let (queue, health) = begin(Panics, 64);
    assert_eq!(queue.append(entries(&["a"], 1)).await, Err(Unavailable::Gone));
    assert_eq!(queue.append(Vec::new()).await, Ok(Vec::new()));
    // The first answer came while the thread was unwinding; by the second it is gone for certain.
    while queue.append(entries(&["a"], 1)).await != Err(Unavailable::Gone) {}
    assert!(!health.liveness().is_well);
}
