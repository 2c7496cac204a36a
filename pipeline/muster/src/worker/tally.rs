//! What a worker counts: handed back once a batch, summed by whoever shows it.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use model::{AnomalyKind, RejectCode};

/// Counts of one partition or of a whole run.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Records read.
    pub records: u64,
    /// Rows added to `punches`.
    pub accepted: u64,
    /// Records that are no punch.
    pub rejected: u64,
    /// Rows added to `rejects`, by code.
    pub rejects: BTreeMap<RejectCode, u64>,
    /// Repeats.
    pub duplicates: u64,
    /// Records of other attendance systems that hold no punch, only what that system says.
    pub no_punch: u64,
    /// Punches older than memory, put into the inbox.
    pub late: u64,
    /// Punches found on another partition than their person's, appended again to that one.
    pub misplaced: u64,
    /// Records put into the dead letters.
    pub letters: u64,
    /// Versions of alerts published.
    pub published: u64,
    /// Nanoseconds that a durable write of alerts took.
    pub publish_ns: Histogram<u64>,
    /// Nanoseconds from the instant at which an alert was found (the append of its punch, or where the log clock stood
    /// when its timer fired) to its own durable append, by the wall; nothing under `clock = "record"`.
    pub found_to_published_ns: Histogram<u64>,
    /// Fields that no version of the contract names.
    pub unknown_fields: u64,
    /// Distinct anomalies that fired, by kind.
    pub fired: BTreeMap<AnomalyKind, u64>,
    /// Nanoseconds a punch spent from its bytes to its row, a batch's mean counted once for each of its punches.
    pub latency_ns: Histogram<u64>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            records: 0,
            accepted: 0,
            rejected: 0,
            rejects: BTreeMap::new(),
            duplicates: 0,
            no_punch: 0,
            late: 0,
            misplaced: 0,
            letters: 0,
            published: 0,
            publish_ns: grown_as_needed(),
            found_to_published_ns: grown_as_needed(),
            unknown_fields: 0,
            fired: BTreeMap::new(),
            latency_ns: Histogram::new_with_bounds(1, 60_000_000_000, 3)
                .expect("constant bounds are valid: 1 ns to 60 s at three digits"),
        }
    }
}

impl Tally {
    /// Adds another's counts.
    pub fn add(&mut self, other: &Self) {
        self.records += other.records;
        self.accepted += other.accepted;
        self.rejected += other.rejected;
        self.duplicates += other.duplicates;
        self.no_punch += other.no_punch;
        self.late += other.late;
        self.misplaced += other.misplaced;
        self.letters += other.letters;
        self.published += other.published;
        self.unknown_fields += other.unknown_fields;
        for (code, count) in &other.rejects {
            *self.rejects.entry(*code).or_default() += count;
        }
        for (kind, count) in &other.fired {
            *self.fired.entry(*kind).or_default() += count;
        }
        // Both have the same bounds, so nothing can be out of range.
        let _ = self.latency_ns.add(&other.latency_ns);
        // These grow as they must.
        let _ = self.publish_ns.add(&other.publish_ns);
        let _ = self.found_to_published_ns.add(&other.found_to_published_ns);
    }
}

/// A histogram of any range, at two digits; it takes room only once there is something to count.
fn grown_as_needed() -> Histogram<u64> {
    Histogram::new(2).expect("two digits are few enough")
}

/// A length of time as a histogram of nanoseconds takes it: at least one.
pub(super) fn whole_ns(length: Duration) -> u64 {
    u64::try_from(length.as_nanos()).unwrap_or(u64::MAX).max(1)
}
