//! What a Kafka log counts, for metrics: shared by its source, its readers and its looking thread.
//!
//! In: increments.  Out: [`KafkaStats`].  Owns: the counters.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use model::Partition;

/// Counts since the log was opened, and where its partitions stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KafkaStats {
    /// Records taken from the brokers.
    pub records: u64,
    /// Records that came again before the position, and were dropped.
    pub repeats: u64,
    /// Times that the group gave or took partitions.
    pub rebalances: u64,
    /// Partitions that the group took away without asking.
    pub lost: u64,
    /// Partitions that had records to read, delivered none, and were started again.
    pub stalls: u64,
    /// Offsets that the log no longer held when they were to be read.
    pub missing_offsets: u64,
    /// Looks at the log's ends that no broker answered.
    pub unanswered: u64,
    /// Records behind the last one delivered, of each partition that is read here.
    pub lag: Vec<(Partition, u64)>,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    records: AtomicU64,
    repeats: AtomicU64,
    rebalances: AtomicU64,
    lost: AtomicU64,
    stalls: AtomicU64,
    missing_offsets: AtomicU64,
    unanswered: AtomicU64,
    buffered_bytes: AtomicU64,
    lag: Mutex<Vec<(Partition, u64)>>,
    silence: Mutex<Option<Silence>>,
}

/// No broker answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silence {
    /// Since when.
    pub since: Instant,
    /// What the first look was told that nobody answered.
    pub why: String,
}

impl Counters {
    pub(crate) fn taken(&self, records: u64) {
        self.records.fetch_add(records, Ordering::Relaxed);
    }

    pub(crate) fn repeat(&self) {
        self.repeats.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn rebalanced(&self, lost: usize) {
        self.rebalances.fetch_add(1, Ordering::Relaxed);
        self.lost.fetch_add(lost as u64, Ordering::Relaxed);
    }

    pub(crate) fn stalled(&self, partitions: usize) {
        self.stalls.fetch_add(partitions as u64, Ordering::Relaxed);
    }

    pub(crate) fn missing(&self, offsets: u64) {
        self.missing_offsets.fetch_add(offsets, Ordering::Relaxed);
    }

    pub(crate) fn unanswered(&self) {
        self.unanswered.fetch_add(1, Ordering::Relaxed);
    }

    /// Batches of punches in the making hold so many bytes.
    pub(crate) fn note_buffered(&self, bytes: usize) {
        self.buffered_bytes.fetch_max(bytes as u64, Ordering::Relaxed);
    }

    /// The most that they held since the last call.
    pub(crate) fn take_buffered_peak(&self) -> u64 {
        self.buffered_bytes.swap(0, Ordering::Relaxed)
    }

    /// Nobody answers from now on, or somebody does again.
    pub(crate) fn set_silence(&self, why: Option<String>) {
        let mut silence = self.silence.lock().unwrap_or_else(PoisonError::into_inner);
        *silence = why.map(|why| Silence { since: Instant::now(), why });
    }

    pub(crate) fn silence(&self) -> Option<Silence> {
        self.silence.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_lag(&self, lag: impl Iterator<Item = (Partition, u64)>) {
        let mut held = self.lag.lock().unwrap_or_else(PoisonError::into_inner);
        held.clear();
        held.extend(lag);
    }

    pub(crate) fn stats(&self) -> KafkaStats {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        KafkaStats {
            records: get(&self.records),
            repeats: get(&self.repeats),
            rebalances: get(&self.rebalances),
            lost: get(&self.lost),
            stalls: get(&self.stalls),
            missing_offsets: get(&self.missing_offsets),
            unanswered: get(&self.unanswered),
            lag: self.lag.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}
