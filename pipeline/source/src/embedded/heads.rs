//! Where each partition begins and ends, in memory: what readers may see, and how they learn of more.
//!
//! In: what the store committed.  Out: ends and promised times, to sources.  Owns: one mutex around all heads.
//! Absent on purpose: rows; a head is published only after the commit that moved it.
//! Invariants: a time that `look` gave is never later than the append time of a record published afterwards, kept by
//! `begin_append` (it stamps later than the highest time given) and by holding `look` back below a stamp in flight.
//! Why so: timers run on the log's clock; if an end could be reported for a time at which an append is still on its
//! way to the disk, a person would be concluded absent whose punch is being written.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use model::{EventTime, LogId, NextOffset, Offset};

use super::Extent;
use crate::log::WallClock;

/// One partition's first and next offset and last append time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) begin: i64,
    pub(crate) next: i64,
    pub(crate) last_ms: i64,
}

impl Head {
    pub(crate) fn extent(&self) -> Extent {
        Extent { begin: position(self.begin), next: position(self.next) }
    }
}

/// The position before offset `value`; the store never holds a negative one (its tables check).
pub(crate) fn position(value: i64) -> NextOffset {
    NextOffset::new(value).expect("stored offsets are not negative")
}

/// The offset `value`; the store never holds a negative one (its tables check).
pub(crate) fn offset(value: i64) -> Offset {
    Offset::new(value).expect("stored offsets are not negative")
}

/// One topic: its number in the store, its log id, its partitions' heads.
#[derive(Clone, Debug)]
pub(crate) struct Topic {
    pub(crate) id: i64,
    pub(crate) log_id: LogId,
    pub(crate) partitions: Vec<Head>,
}

/// What one look at a topic saw.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// Changes whenever a head does.
    pub(crate) version: u64,
    /// Everything with an append time up to here lies before the heads seen. Never goes back.
    pub(crate) at: EventTime,
}

pub(crate) struct Heads {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    topics: HashMap<String, Topic>,
    version: u64,
    /// The stamp of the append that is being written. The store's mutex lets only one be.
    in_flight_ms: Option<i64>,
    /// The highest time that a look has given away.
    promised_ms: i64,
}

impl State {
    fn head(&mut self, topic: &str, partition: u32) -> Option<&mut Head> {
        self.topics.get_mut(topic)?.partitions.get_mut(partition as usize)
    }
}

impl Heads {
    pub(crate) fn new(topics: HashMap<String, Topic>) -> Self {
        let state = State { topics, version: 0, in_flight_ms: None, promised_ms: i64::MIN };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change below is a plain assignment that cannot stop half way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn with<T>(&self, topic: &str, read: impl FnOnce(&Topic) -> T) -> Option<T> {
        self.state().topics.get(topic).map(read)
    }

    pub(crate) fn topics(&self) -> Vec<String> {
        let mut names: Vec<String> = self.state().topics.keys().cloned().collect();
        names.sort();
        names
    }

    pub(crate) fn add(&self, name: &str, topic: Topic) {
        self.state().topics.insert(name.to_owned(), topic);
    }

    /// Publishes that `topic` has `partitions` partitions now, the new ones empty.
    pub(crate) fn grow(&self, topic: &str, partitions: u32) {
        let mut state = self.state();
        if let Some(found) = state.topics.get_mut(topic) {
            found.partitions.resize(partitions as usize, Head::default());
        }
        state.version += 1;
    }

    /// The stamp for the append that is about to be written; until it is dropped, looks stay before it.
    pub(crate) fn begin_append(&self, now: &WallClock) -> Stamp<'_> {
        let mut state = self.state();
        let ms = now().ms().max(state.promised_ms.saturating_add(1));
        state.in_flight_ms = Some(ms);
        Stamp { heads: self, ms }
    }

    /// Publishes that `topic`'s partition begins at `begin` now.
    pub(crate) fn trimmed(&self, topic: &str, partition: u32, begin: i64) {
        if let Some(found) = self.state().head(topic, partition) {
            found.begin = found.begin.max(begin);
        }
    }

    /// Copies the heads of `topic` and says up to which time they are complete.
    pub(crate) fn look(&self, topic: &str, now: &WallClock, into: &mut Vec<Head>) -> Look {
        let mut state = self.state();
        // A record may still be stamped with the millisecond that has begun, so the one before is the last complete.
        let complete_ms = now().ms().min(state.in_flight_ms.unwrap_or(i64::MAX)).saturating_sub(1);
        state.promised_ms = state.promised_ms.max(complete_ms);
        into.clear();
        if let Some(found) = state.topics.get(topic) {
            into.extend_from_slice(&found.partitions);
        }
        Look { version: state.version, at: EventTime::from_ms(state.promised_ms) }
    }

    /// Waits until a head changes after `version`, at most until `deadline`; whether one did.
    pub(crate) fn wait(&self, version: u64, deadline: Instant) -> bool {
        let mut state = self.state();
        while state.version == version {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

/// The time of an append that is being written.
pub(crate) struct Stamp<'a> {
    heads: &'a Heads,
    pub(crate) ms: i64,
}

impl Stamp<'_> {
    /// Publishes the heads that the committed append moved.
    pub(crate) fn publish<'a>(self, moved: impl IntoIterator<Item = (&'a str, u32, Head)>) {
        let mut state = self.heads.state();
        state.in_flight_ms = None;
        for (topic, partition, head) in moved {
            if let Some(found) = state.head(topic, partition) {
                *found = head;
            }
        }
        state.version += 1;
        drop(state);
        self.heads.changed.notify_all();
    }
}

impl Drop for Stamp<'_> {
    fn drop(&mut self) {
        // Only one append is in flight at a time (the store's mutex), so this can only clear its own stamp.
        self.heads.state().in_flight_ms = None;
    }
}
