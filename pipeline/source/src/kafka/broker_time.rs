//! What time the brokers have, at least: the append times of small probes that they acknowledged.
//!
//! In: delivery reports of probes.  Out: a lower bound of each broker's time.  Owns: the newest of each broker.
//! Absent on purpose: reckoning forward between probes: a bound that nobody answered for is no bound.
//! Invariants: a bound is an append time that a broker gave before it was asked for; a broker that leads no probed
//! partition any more gives none.
//! Why so: the log clock must not pass an append time that a broker may yet give. Kafka tells its time in no answer but
//! the one to an append, so Muster appends: a tombstone with the key `_clock/<client id>` to the compacted topic of
//! alerts, every two seconds, one for each broker that leads a partition of it. Readers of that topic pass tombstones
//! over, and compaction leaves one. The probe is acknowledged by all in-sync replicas, so a cluster whose replicas lag
//! answers late, and holds the clock back by itself. What remains uncovered is a lag of one partition's replicas alone,
//! or a difference between brokers' clocks where a broker leads partitions of punches only: the margin is for these.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use model::EventTime;

/// What the keys of probes begin with.
pub const PROBE_KEY_PREFIX: &str = "_clock/";

#[derive(Debug, Default)]
pub(crate) struct BrokerTimes {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// By broker: a partition of the probed topic that it leads, and the newest time that it gave.
    brokers: HashMap<i32, (i32, Option<i64>)>,
    /// Probes under way.
    open: usize,
}

impl BrokerTimes {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in who leads the partitions of the probed topic now.
    pub(crate) fn plan(&self, leaders: &[i32]) {
        let mut state = self.state();
        let mut brokers = HashMap::new();
        for (partition, leader) in leaders.iter().enumerate().rev().filter(|(_, leader)| **leader >= 0) {
            let newest = state.brokers.get(leader).and_then(|(_, newest)| *newest);
            brokers.insert(*leader, (partition as i32, newest));
        }
        state.brokers = brokers;
    }

    /// The probes to send now: (partition, its leader). None while some are under way.
    pub(crate) fn begin_round(&self) -> Vec<(i32, i32)> {
        let mut state = self.state();
        if state.open > 0 {
            return Vec::new();
        }
        let probes: Vec<_> =
            state.brokers.iter().map(|(leader, (partition, _))| (*partition, *leader)).collect();
        state.open = probes.len();
        probes
    }

    /// A probe was answered by `leader` with `append_ms`, or not at all.
    pub(crate) fn note(&self, leader: i32, append_ms: Option<i64>) {
        let mut state = self.state();
        state.open = state.open.saturating_sub(1);
        if let (Some(ms), Some((_, newest))) = (append_ms, state.brokers.get_mut(&leader)) {
            *newest = Some(newest.map_or(ms, |newest| newest.max(ms)));
        }
    }

    /// What the time is at least on the broker `leader`; if that leads no probed partition, on the slowest one.
    pub(crate) fn least(&self, leader: i32) -> Option<EventTime> {
        let state = self.state();
        let ms = match state.brokers.get(&leader) {
            Some((_, newest)) => *newest,
            None => state.brokers.values().map(|(_, newest)| *newest).min().flatten(),
        };
        ms.map(EventTime::from_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_gives_the_newest_time_it_acknowledged_and_one_that_is_not_probed_that_of_the_slowest() {
        let times = BrokerTimes::default();
        assert_eq!(times.least(1), None);
        times.plan(&[1, 2, 1, -1]);
        let mut round = times.begin_round();
        round.sort_unstable();
        assert_eq!(round, [(0, 1), (1, 2)]);
        assert_eq!(times.begin_round(), [], "one round at a time");
        times.note(1, Some(500));
        assert_eq!(times.least(7), None, "not all have answered");
        times.note(2, None);
        assert_eq!(times.begin_round().len(), 2);
        times.note(2, Some(300));
        times.note(1, Some(400));
        let at = |leader| times.least(leader).map(EventTime::ms);
        assert_eq!((at(1), at(2), at(7)), (Some(500), Some(300), Some(300)));
        times.plan(&[1, 1]);
        assert_eq!(at(2), Some(500), "a broker that leads no probed partition any more holds nobody back");
    }
}
