//! What was last said about each key of a derived table or topic, and whether there is anything new to say.
//!
//! In: what the table or topic holds (folded on assignment), then what holds now.  Out: `Decision`.
//! Owns: one entry a key, and the keys whose cause an owner in recovery has not passed yet.
//! Absent on purpose: what the values mean (a digest compares them), clocks of any kind, I/O.
//! Invariants: I-5 versions of a key are 1, 2, 3, … without gap or repeat, and a key is left alone until its cause is
//! passed; kept by `SaidState::decide`, tested by `a_crash_anywhere_leaves_the_same_versions`.
//! Why so: level-triggered difference instead of remembered effects: a timer that fired just before a crash is neither
//! repeated (what was said stands) nor left open for ever (it is looked at again once its cause is passed).

use std::collections::HashMap;
use std::hash::Hash;

use foldhash::fast::FixedState;
use model::{Cause, LogClock, NextOffset};

/// What was last said about one key.
#[derive(Clone, Debug, PartialEq)]
pub struct Said<T> {
    /// 1 for the first thing ever said about it.
    pub version: i64,
    /// What the saying was about, hashed.
    pub digest: u64,
    /// How far the owner had read when it said so.
    pub cause: Cause,
    /// What was said.
    pub value: T,
}

/// What to do about a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It was said already, or by an owner who had seen more than this one has: leave it alone.
    Leave,
    /// Say it, with this version.
    Say {
        /// One more than the last.
        version: i64,
    },
}

/// Everything said about the keys of one owner.
#[derive(Clone, Debug)]
pub struct SaidState<K, T> {
    said: HashMap<K, Said<T>, FixedState>,
    ahead: Vec<K>,
    /// Before this position, or before this clock, none of them is passed.
    ahead_from: (NextOffset, LogClock),
}

impl<K, T> Default for SaidState<K, T> {
    fn default() -> Self {
        Self { said: HashMap::default(), ahead: Vec::new(), ahead_from: BEGINNING }
    }
}

const BEGINNING: (NextOffset, LogClock) = (NextOffset::START, LogClock::UNSET);

impl<K: Eq + Hash + Clone, T> SaidState<K, T> {
    /// Takes in one thing found said; of several about a key, the highest version stays.
    pub fn fold(&mut self, key: K, said: Said<T>) {
        match self.said.get(&key) {
            Some(known) if known.version >= said.version => {}
            _ => {
                self.said.insert(key, said);
            }
        }
    }

    /// Ends folding where the owner stands: remembers which keys were said from further on than `here`, to look at them again.
    pub fn start_at(&mut self, here: Cause) {
        let ahead = |said: &Said<T>| !passed(said.cause, here);
        self.ahead.extend(self.said.iter().filter(|(_, said)| ahead(said)).map(|(key, _)| key.clone()));
    }

    /// What to do about `key` when `digest` describes what holds and the owner stands at `here`.
    pub fn decide(&self, key: &K, digest: u64, here: Cause) -> Decision {
        match self.said.get(key) {
            None => Decision::Say { version: 1 },
            Some(said) if said.digest == digest => Decision::Leave,
            Some(said) if !passed(said.cause, here) => Decision::Leave,
            Some(said) => Decision::Say { version: said.version + 1 },
        }
    }

    /// Records that it was said.
    pub fn say(&mut self, key: K, said: Said<T>) {
        let last = self.said.get(&key).map_or(0, |known| known.version);
        assert_eq!(said.version, last + 1, "I-5: versions of a key have no gap and no repeat");
        self.said.insert(key, said);
    }

    /// Says `value` of `key` if `digest` describes something else than what was said, and gives its version: as
    /// [`Self::decide`] and [`Self::say`] together, at the cost of one look for a key that is known.
    pub fn say_if_new(
        &mut self,
        key: &K,
        digest: u64,
        here: Cause,
        value: impl FnOnce() -> T,
    ) -> Option<i64> {
        let Some(said) = self.said.get_mut(key) else {
            self.said.insert(key.clone(), Said { version: 1, digest, cause: here, value: value() });
            return Some(1);
        };
        if said.digest == digest || !passed(said.cause, here) {
            return None;
        }
        *said = Said { version: said.version + 1, digest, cause: here, value: value() };
        Some(said.version)
    }

    /// What was last said about `key`.
    pub fn get(&self, key: &K) -> Option<&Said<T>> {
        self.said.get(key)
    }

    /// Everything said, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &Said<T>)> {
        self.said.iter()
    }

    /// Keys said from further on than the owner then was, and passed at `here`: each is returned once and is to be
    /// looked at again, since nothing else may ever touch it.
    pub fn take_passed(&mut self, here: Cause) -> Vec<K> {
        if self.ahead.is_empty() || here.next < self.ahead_from.0 || here.clock < self.ahead_from.1 {
            return Vec::new();
        }
        let said = &self.said;
        let is_passed = |key: &K| said.get(key).is_none_or(|said| passed(said.cause, here));
        let (taken, left) = std::mem::take(&mut self.ahead).into_iter().partition(is_passed);
        self.ahead = left;
        // Asked at every record: a look at all of them only where one may have been passed.
        let causes = || self.ahead.iter().filter_map(|key| said.get(key)).map(|said| said.cause);
        let next = causes().map(|cause| next_here(cause, here)).min();
        let clock = causes().map(|cause| cause.clock).min();
        self.ahead_from = next.zip(clock).unwrap_or(BEGINNING);
        taken
    }

    /// Forgets keys that `keep` does not want (older than memory).
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &Said<T>) -> bool) {
        self.said.retain(|key, said| keep(key, said));
    }

    /// Keys said from further on than the owner was when it started, and not passed yet.
    pub fn ahead(&self) -> &[K] {
        &self.ahead
    }

    /// How many keys are known.
    pub fn len(&self) -> usize {
        self.said.len()
    }

    /// Whether nothing was ever said.
    pub fn is_empty(&self) -> bool {
        self.said.is_empty()
    }
}

/// A cause of another log (files replayed into one lake) is always passed: nothing of it will be read here. So is the position
/// of one on another partition of this log (a person's partition changed with the partition count), but not its clock: all
/// partitions of a log tell one time.
fn passed(cause: Cause, here: Cause) -> bool {
    if cause.log != here.log {
        return true;
    }
    Cause { next: next_here(cause, here), ..cause }.is_passed_by(here.next, here.clock)
}

/// From where on an owner at `here` has passed a cause's position.
fn next_here(cause: Cause, here: Cause) -> NextOffset {
    if cause.partition == here.partition { cause.next } else { NextOffset::START }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::position::Partition;
    use model::{EventTime, LogId};

    fn cause(at: i64) -> Cause {
        let clock = LogClock::at(EventTime::from_us(at));
        let log = LogId::new("log").unwrap().mark();
        Cause { log, partition: Partition::new(0), next: NextOffset::new(at).unwrap(), clock }
    }

    /// One key whose level follows `levels` (`None` = nothing holds and nothing was ever said); says what differs.
    fn step(
        state: &mut SaidState<&'static str, u64>,
        level: Option<u64>,
        at: i64,
        log: &mut Vec<(i64, u64)>,
    ) {
        let Some(level) = level.or_else(|| state.get(&"key").map(|_| 0)) else { return };
        if let Decision::Say { version } = state.decide(&"key", level, cause(at)) {
            state.say("key", Said { version, digest: level, cause: cause(at), value: level });
            log.push((version, level));
        }
    }

    #[test]
    fn a_crash_anywhere_leaves_the_same_versions() {
        let levels = [None, Some(1), Some(1), None, Some(2), None, None, Some(3)];
        let mut whole = Vec::new();
        let mut state = SaidState::default();
        for (at, level) in levels.iter().enumerate() {
            step(&mut state, *level, at as i64, &mut whole);
        }
        // The owner crashes after `crash` and starts again from an earlier frontier with what it had said.
        for crash in 0..levels.len() {
            for frontier in 0..=crash {
                let (mut log, mut state) = (Vec::new(), SaidState::default());
                for (at, level) in levels.iter().enumerate().take(crash + 1) {
                    step(&mut state, *level, at as i64, &mut log);
                }
                let mut recovered = SaidState::default();
                if let Some(said) = state.get(&"key") {
                    recovered.fold("key", said.clone());
                }
                recovered.start_at(cause(frontier as i64));
                for (at, level) in levels.iter().enumerate().skip(frontier) {
                    step(&mut recovered, *level, at as i64, &mut log);
                }
                assert_eq!(log, whole, "crash after {crash}, frontier {frontier}");
            }
        }
    }

    #[test]
    fn saying_what_is_new_is_deciding_and_saying() {
        // Two digests and causes on both sides of where the owner stands, in every order of four.
        let says: Vec<(u64, i64)> = vec![(1, 1), (1, 9), (2, 1), (2, 9)];
        for n in 0..says.len().pow(4) {
            let (mut apart, mut together) = (SaidState::default(), SaidState::default());
            for step in 0..4 {
                let (digest, at) = says[n / says.len().pow(step) % says.len()];
                let decided = apart.decide(&"key", digest, cause(at));
                if let Decision::Say { version } = decided {
                    apart.say("key", Said { version, digest, cause: cause(at), value: digest });
                }
                let version = together.say_if_new(&"key", digest, cause(at), || digest);
                assert_eq!(
                    version,
                    if let Decision::Say { version } = decided { Some(version) } else { None }
                );
                assert_eq!(apart.get(&"key"), together.get(&"key"));
            }
        }
    }

    #[test]
    fn a_key_said_from_further_on_is_looked_at_once_when_passed() {
        let mut state = SaidState::default();
        state.fold("key", Said { version: 4, digest: 9, cause: cause(10), value: 9 });
        state.start_at(cause(3));
        assert_eq!(state.decide(&"key", 1, cause(9)), Decision::Leave);
        assert!(state.take_passed(cause(9)).is_empty());
        assert_eq!(state.take_passed(cause(10)), ["key"]);
        assert!(state.take_passed(cause(11)).is_empty());
        assert_eq!(state.decide(&"key", 1, cause(10)), Decision::Say { version: 5 });
    }

    #[test]
    fn each_key_is_looked_at_when_its_position_and_its_clock_are_passed_and_not_before() {
        let at = |partition, next: i64, clock: i64| Cause {
            partition: Partition::new(partition),
            next: NextOffset::new(next).unwrap(),
            clock: LogClock::at(EventTime::from_us(clock)),
            ..cause(0)
        };
        let mut state = SaidState::default();
        for key in 0..60_i64 {
            // Positions and clocks in different orders; every fifth on another partition.
            let said = at(u32::from(key % 5 == 0), 10 + key * 17 % 60, 10 + key * 23 % 60);
            state.fold(key, Said { version: 1, digest: 1, cause: said, value: () });
        }
        let passed_at = |here: Cause| {
            let is_passed = |key: &i64| {
                (key % 5 == 0 || here.next.get() >= 10 + key * 17 % 60)
                    && here.clock.time().us() >= 10 + key * 23 % 60
            };
            (0..60).filter(is_passed).collect::<Vec<_>>()
        };
        state.start_at(at(0, 3, 3));
        let mut taken = Vec::new();
        for step in 0..40 {
            // The clock stands still now and then, and leaps.
            let here = at(0, 3 + step * 2, 3 + step / 3 * 6);
            taken.extend(state.take_passed(here));
            taken.sort_unstable();
            assert_eq!(taken, passed_at(here), "{here:?}");
        }
        assert_eq!(taken.len(), 60);
    }

    #[test]
    fn a_cause_of_another_log_is_always_passed() {
        let mut state = SaidState::default();
        let other = Cause { log: LogId::new("other").unwrap().mark(), ..cause(100) };
        state.fold("key", Said { version: 1, digest: 9, cause: other, value: 9 });
        state.start_at(cause(0));
        assert_eq!(state.decide(&"key", 1, cause(1)), Decision::Say { version: 2 });
        assert!(state.take_passed(cause(1)).is_empty());
    }

    #[test]
    fn a_cause_of_another_partition_is_passed_by_the_clock_alone() {
        let mut state = SaidState::default();
        let other = Cause { partition: Partition::new(7), next: NextOffset::new(900).unwrap(), ..cause(10) };
        state.fold("key", Said { version: 1, digest: 9, cause: other, value: 9 });
        state.start_at(cause(3));
        assert_eq!(state.decide(&"key", 1, cause(9)), Decision::Leave);
        assert_eq!(state.take_passed(cause(10)), ["key"]);
        assert_eq!(state.decide(&"key", 1, cause(10)), Decision::Say { version: 2 });
    }

    #[test]
    fn folding_keeps_the_highest_version() {
        let mut state = SaidState::default();
        for version in [2, 3, 1] {
            state.fold("key", Said { version, digest: version as u64, cause: cause(1), value: 0 });
        }
        assert_eq!(state.get(&"key").unwrap().version, 3);
    }
}
