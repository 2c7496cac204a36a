//! Several members of one group: what comes and goes, and that nothing is lost or read from elsewhere.
#![allow(clippy::unwrap_used, reason = "test code outside of `#[test]` functions")]

mod kafka_support;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kafka_support::*;
use model::{NextOffset, Partition};
use source::{Append, ErrorKind, KafkaLog, KafkaOptions, NewRecord, Polled, RawBatch, Source};

/// A lake as seen by members: the frontier of each partition, fenced by a generation.
#[derive(Default)]
struct Lake {
    partitions: Mutex<BTreeMap<u32, (u64, i64)>>,
    /// Each record that was committed, by partition and offset: how often.
    records: Mutex<BTreeMap<(u32, i64), u32>>,
}

impl Lake {
    /// Claims `partition`: its new generation, and where to go on.
    fn claim(&self, partition: Partition) -> (u64, NextOffset) {
        let mut partitions = self.partitions.lock().unwrap();
        let (generation, at) = partitions.entry(partition.number()).or_default();
        *generation += 1;
        (*generation, next(*at))
    }

    /// Commits a batch; whether the generation still holds.
    fn commit(&self, generation: u64, batch: &RawBatch) -> bool {
        let number = batch.partition().number();
        let mut partitions = self.partitions.lock().unwrap();
        let held = partitions.entry(number).or_default();
        if held.0 != generation {
            return false;
        }
        assert_eq!(held.1, batch.from().get(), "partition {number} was not read from the frontier");
        held.1 = batch.next().get();
        let mut records = self.records.lock().unwrap();
        for entry in batch.iter() {
            *records.entry((number, entry.offset.get())).or_default() += 1;
        }
        true
    }

    fn count(&self) -> usize {
        self.records.lock().unwrap().len()
    }
}

/// What a member went through.
#[derive(Debug, Default)]
struct Life {
    assigned: usize,
    revoked: usize,
    lost: usize,
    refused: usize,
    owned: Vec<Partition>,
}

/// Reads as a worker does until `stop`: claims what it gets, commits what it reads, gives up what it loses.
fn live(
    log: &KafkaLog,
    lake: &Lake,
    stop: &AtomicBool,
    committed: &AtomicUsize,
    claim_takes: Duration,
) -> Life {
    let mut source = log.source().unwrap();
    let mut generations: BTreeMap<Partition, u64> = BTreeMap::new();
    let mut life = Life::default();
    let mut batch = RawBatch::new();
    while !stop.load(Ordering::Relaxed) {
        match source.poll(Duration::from_millis(20), &mut batch).unwrap() {
            Polled::Assigned(partitions) => {
                life.assigned += partitions.len();
                let mut starts = Vec::new();
                for partition in partitions {
                    let (generation, next) = lake.claim(partition);
                    assert!(generations.insert(partition, generation).is_none(), "{partition} given twice");
                    starts.push((partition, next));
                }
                // The group must not miss us while the lake takes its time.
                std::thread::sleep(claim_takes);
                source.start(&starts).unwrap();
            }
            Polled::Revoked(partitions) => {
                life.revoked += partitions.len();
                partitions.iter().for_each(|partition| assert!(generations.remove(partition).is_some()));
            }
            Polled::Lost(partitions) => {
                life.lost += partitions.len();
                partitions.iter().for_each(|partition| assert!(generations.remove(partition).is_some()));
            }
            Polled::Batch => {
                let generation = generations[&batch.partition()];
                if lake.commit(generation, &batch) {
                    committed.fetch_add(batch.records(), Ordering::Relaxed);
                    source.commit_hint(&[(batch.partition(), batch.next())]);
                } else {
                    life.refused += 1;
                }
            }
            _ => {}
        }
    }
    life.owned = generations.into_keys().collect();
    life
}

/// Ends threads when the test ends, by a failed assertion too.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn options_of(base: &KafkaOptions) -> KafkaOptions {
    KafkaOptions { client_id: fresh("member"), ..base.clone() }
}

/// Appends to every partition until told to stop; returns how many records there are.
fn produce(log: &KafkaLog, partitions: u32, stop: &AtomicBool) -> usize {
    let mut appender = log.appender();
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        let values: Vec<String> = (0..200).map(|n| format!("{}", count + n)).collect();
        let records: Vec<NewRecord<'_>> = values
            .iter()
            .enumerate()
            .map(|(n, value)| NewRecord {
                value: Some(value.as_bytes()),
                partition: Some(Partition::new(n as u32 % partitions)),
                ..NewRecord::default()
            })
            .collect();
        count += appender.append(&log.identity().topic, &records).unwrap().len();
        std::thread::sleep(Duration::from_millis(5));
    }
    count
}

#[test]
fn members_come_and_go_and_every_record_is_committed_once_from_the_frontier() {
    const PARTITIONS: u32 = 6;
    let log = log(PARTITIONS as i32);
    let base = log.options().clone();
    let lake = Arc::new(Lake::default());
    let (over, members_over) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let _ends = [SetOnDrop(&over), SetOnDrop(&members_over)];
        let producer = scope.spawn(|| produce(&log, PARTITIONS, &over));
        // One member stays; others come and go beside it.
        let stayer = scope.spawn(|| live(&log, &lake, &members_over, &AtomicUsize::new(0), Duration::ZERO));
        for round in 0..6 {
            let (guest_over, committed) = (AtomicBool::new(false), AtomicUsize::new(0));
            let options = options_of(&base);
            let guest = std::thread::scope(|scope| {
                let _ends = SetOnDrop(&guest_over);
                let guest = scope.spawn(|| {
                    let log = KafkaLog::open(options, wall()).unwrap();
                    live(&log, &lake, &guest_over, &committed, Duration::from_millis(100 * round))
                });
                // Long enough for the guest to take part.
                let begun = Instant::now();
                while committed.load(Ordering::Relaxed) < 200 {
                    assert!(begun.elapsed() < PATIENCE, "nothing flows");
                    std::thread::sleep(Duration::from_millis(20));
                }
                guest_over.store(true, Ordering::Relaxed);
                guest.join().unwrap()
            });
            assert!(guest.assigned >= 1 && guest.lost == 0, "round {round}: {guest:?}");
        }
        over.store(true, Ordering::Relaxed);
        let written = producer.join().unwrap();
        let begun = Instant::now();
        while lake.count() < written {
            assert!(begun.elapsed() < PATIENCE, "{} of {written}", lake.count());
            std::thread::sleep(Duration::from_millis(20));
        }
        members_over.store(true, Ordering::Relaxed);
        let life = stayer.join().unwrap();
        assert_eq!(life.owned.len(), PARTITIONS as usize);
        assert!(life.revoked > 0 && life.lost == 0 && life.refused == 0, "{life:?}");
        let records = lake.records.lock().unwrap();
        assert!(records.values().all(|times| *times == 1));
        assert_eq!(records.len(), written);
    });
}

#[test]
fn what_a_member_keeps_flows_on_while_others_join_and_claim() {
    let log = log(4);
    let mut stayer = log.source().unwrap();
    let mut seen = Seen::default();
    seen.until(&mut stayer, |seen| seen.caught_up.len() == 4);
    let guest_log = KafkaLog::open(options_of(log.options()), wall()).unwrap();
    let mut guest = guest_log.source().unwrap();
    let mut guest_seen = Seen::default();
    let mut batch = RawBatch::new();
    let begun = Instant::now();
    // The guest is assigned partitions and takes its time to claim them.
    let assigned = loop {
        assert!(begun.elapsed() < PATIENCE);
        seen.step(&mut stayer);
        if let Polled::Assigned(partitions) = guest.poll(Duration::from_millis(5), &mut batch).unwrap() {
            break partitions;
        }
    };
    assert_eq!(assigned.len(), 2);
    assert_eq!(seen.owned.len(), 2);
    let kept = seen.owned.clone();
    for round in 0..20 {
        for partition in &kept {
            fill(&log, partition.number(), round * 10, 10);
        }
        let wanted = (round + 1) * 20;
        seen.until(&mut stayer, |seen| seen.count() == wanted);
    }
    guest.start(&assigned.iter().map(|p| (*p, next(0))).collect::<Vec<_>>()).unwrap();
    guest_seen.owned = assigned.clone();
    for partition in &assigned {
        fill(&log, partition.number(), 0, 10);
    }
    guest_seen.until(&mut guest, |seen| seen.count() == 20);
    // The guest leaves in good order; what it had comes back, from the position that the lake says.
    let positions = std::mem::take(&mut guest_seen.positions);
    drop(guest);
    seen.positions.extend(positions);
    for partition in &assigned {
        fill(&log, partition.number(), 10, 10);
    }
    seen.until(&mut stayer, |seen| seen.owned.len() == 4 && seen.count() == 400 + 20);
    assert!(!seen.log.iter().any(|polled| matches!(polled, Polled::Lost(_))));
}

#[test]
fn a_partition_that_was_paused_when_it_left_flows_when_it_returns() {
    let log = log(2);
    let mut stayer = log.source().unwrap();
    let mut seen = Seen::default();
    seen.until(&mut stayer, |seen| seen.caught_up.len() == 2);
    (0..2).for_each(|partition| stayer.pause(Partition::new(partition)));
    let guest_log = KafkaLog::open(options_of(log.options()), wall()).unwrap();
    let mut guest = guest_log.source().unwrap();
    let mut guest_seen = Seen::default();
    let begun = Instant::now();
    while guest_seen.caught_up.is_empty() {
        assert!(begun.elapsed() < PATIENCE);
        seen.step(&mut stayer);
        guest_seen.step(&mut guest);
    }
    let (left, kept) = (guest_seen.owned[0], seen.owned[0]);
    drop(guest);
    fill(&log, left.number(), 0, 10);
    fill(&log, kept.number(), 0, 10);
    seen.until(&mut stayer, |seen| seen.count() == 10);
    assert_eq!(seen.values[&left.number()].len(), 10, "a pause ends with the assignment");
    stayer.resume(kept);
    seen.until(&mut stayer, |seen| seen.count() == 20);
}

#[test]
fn a_member_that_does_not_poll_in_time_loses_its_partitions_and_gets_them_back() {
    let topic = fresh("punches");
    create(&topic, 2, &[]);
    let options = KafkaOptions {
        session_timeout: Duration::from_secs(2),
        poll_interval_max: Duration::from_secs(2),
        ..options(&topic)
    };
    let log = KafkaLog::open(options, wall()).unwrap();
    fill(&log, 0, 0, 100);
    let mut source = log.source().unwrap();
    let mut seen = Seen::default();
    seen.until(&mut source, |seen| seen.count() == 100 && seen.caught_up.len() == 2);
    fill(&log, 0, 100, 100);
    // Longer than the group waits for a poll.
    std::thread::sleep(Duration::from_secs(4));
    seen.until(&mut source, |seen| seen.log.iter().any(|polled| matches!(polled, Polled::Lost(_))));
    assert_eq!(seen.owned, []);
    seen.until(&mut source, |seen| seen.owned.len() == 2 && seen.count() == 200);
    assert!(log.stats().lost >= 2);
}

#[test]
fn a_member_that_attends_keeps_its_partitions_however_long_it_does_not_poll() {
    let topic = fresh("punches");
    create(&topic, 2, &[]);
    let options = KafkaOptions {
        session_timeout: Duration::from_secs(2),
        poll_interval_max: Duration::from_secs(2),
        ..options(&topic)
    };
    let log = KafkaLog::open(options, wall()).unwrap();
    fill(&log, 0, 0, 100);
    let mut source = log.source().unwrap();
    let mut seen = Seen::default();
    seen.until(&mut source, |seen| seen.count() == 100 && seen.caught_up.len() == 2);
    [0, 1].into_iter().for_each(|partition| source.pause(Partition::new(partition)));
    fill(&log, 0, 100, 100);
    // Longer than the group waits for a poll.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(5) {
        std::thread::sleep(Duration::from_millis(100));
        source.attend();
    }
    assert_eq!(seen.count(), 100, "nothing is delivered meanwhile");
    [0, 1].into_iter().for_each(|partition| source.resume(Partition::new(partition)));
    seen.until(&mut source, |seen| seen.count() == 200);
    assert!(!seen.log.iter().any(|polled| matches!(polled, Polled::Lost(_) | Polled::Revoked(_))));
    assert_eq!(log.stats().lost, 0);
}

#[test]
fn a_named_instance_keeps_its_partitions_over_a_restart_and_a_namesake_is_told() {
    let topic = fresh("punches");
    create(&topic, 2, &[]);
    let named = KafkaOptions { instance: Some("till-1".to_owned()), ..options(&topic) };
    let other = KafkaOptions { instance: Some("till-2".to_owned()), ..options_of(&named) };
    let log = KafkaLog::open(named.clone(), wall()).unwrap();
    let other_log = KafkaLog::open(other, wall()).unwrap();
    let (mut source, mut other) = (log.source().unwrap(), other_log.source().unwrap());
    let (mut seen, mut other_seen) = (Seen::default(), Seen::default());
    let begun = Instant::now();
    while seen.owned.len() != 1 || other_seen.owned.len() != 1 {
        assert!(begun.elapsed() < PATIENCE);
        seen.step(&mut source);
        other_seen.step(&mut other);
    }
    let mine = seen.owned.clone();
    drop(source);
    // Nobody takes over what the instance had, though it is away for a moment.
    for _ in 0..40 {
        other_seen.step(&mut other);
    }
    assert_eq!(other_seen.owned.len(), 1);
    let mut source = log.source().unwrap();
    let mut seen = Seen::default();
    let begun = Instant::now();
    while seen.owned.is_empty() {
        assert!(begun.elapsed() < PATIENCE);
        seen.step(&mut source);
        other_seen.step(&mut other);
    }
    assert_eq!(seen.owned, mine);
    // A second process of the same name: each throws the other out once, then one of them ends with a word about why.
    let namesake_log = KafkaLog::open(named, wall()).unwrap();
    let mut namesake = namesake_log.source().unwrap();
    let begun = Instant::now();
    let mut batch = RawBatch::new();
    let error = loop {
        assert!(begun.elapsed() < PATIENCE);
        other_seen.step(&mut other);
        let polled = [&mut source, &mut namesake].map(|one| one.poll(Duration::from_millis(20), &mut batch));
        if let Some(error) = polled.into_iter().find_map(Result::err) {
            break error;
        }
    };
    assert_eq!(error.kind(), ErrorKind::Fenced, "{error}");
    assert!(error.to_string().contains("same instance name"), "{error}");
}
