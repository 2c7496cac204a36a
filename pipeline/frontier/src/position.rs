//! How far a partition has been taken: position, clock, drained inbox. What one commit of `punches` stores.

use std::collections::BTreeMap;

use model::{EventTime, LogClock, NextOffset, Partition};

/// The frontiers of several partitions.
pub type Frontiers = BTreeMap<Partition, PartitionFrontier>;

/// How far one partition has been taken. The clock is stored in whole milliseconds, so it is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PartitionFrontier {
    next: NextOffset,
    clock_ms: i64,
    late: NextOffset,
    since_ms: i64,
}

impl PartitionFrontier {
    /// Nothing has been taken.
    pub const START: Self =
        Self { next: NextOffset::START, clock_ms: 0, late: NextOffset::START, since_ms: 0 };

    /// The frontier before offset `next`, at `clock` rounded down to the millisecond, with every row of the inbox `late`
    /// below offset `late` drained.
    ///
    /// Panics if `late` lies beyond `next`: a row that was not read cannot have been drained.
    pub fn new(next: NextOffset, clock: LogClock, late: NextOffset) -> Self {
        assert!(late <= next, "I-2: the inbox is drained until {} but read until {}", late.get(), next.get());
        Self { next, clock_ms: clock.time().ms(), late, since_ms: 0 }
    }

    /// The frontier that these three stored numbers say; `None` if they say none (a negative number, an inbox drained beyond
    /// what was read): then the store contradicts itself.
    pub fn from_stored(next: i64, clock_ms: i64, late: i64) -> Option<Self> {
        let (next, late) = (NextOffset::new(next)?, NextOffset::new(late)?);
        (late <= next && clock_ms >= 0).then_some(Self { next, clock_ms, late, since_ms: 0 })
    }

    /// The same, of a log whose clock first stood at `since`, rounded down to the millisecond: nothing is concluded
    /// from the absence of punches before. Kept, so that an owner in recovery concludes as the first one did.
    #[must_use]
    pub fn with_since(mut self, since: Option<EventTime>) -> Self {
        self.since_ms = since.map_or(0, EventTime::ms);
        self
    }

    /// The same, with `since` as stored: milliseconds since the epoch, 0 for a clock that never stood.
    #[must_use]
    pub const fn with_since_ms(mut self, since_ms: i64) -> Self {
        self.since_ms = since_ms;
        self
    }

    /// The frontier of a log that is read from `next` on: what lies before is nobody's.
    #[must_use]
    pub const fn beginning_at(mut self, next: NextOffset) -> Self {
        self.next = next;
        self.late = next;
        self
    }

    /// Where the log's clock first stood, if it ever did.
    pub fn since(self) -> Option<EventTime> {
        (self.since_ms > 0).then(|| EventTime::from_ms(self.since_ms))
    }

    /// Where the log's clock first stood, in milliseconds as stored; 0 for nowhere.
    pub const fn since_ms(self) -> i64 {
        self.since_ms
    }

    /// The first offset not yet taken.
    pub const fn next(self) -> NextOffset {
        self.next
    }

    /// The log clock, in whole milliseconds.
    pub const fn clock(self) -> LogClock {
        LogClock::at(EventTime::from_ms(self.clock_ms))
    }

    /// The log clock in milliseconds since the epoch, as stored.
    pub const fn clock_ms(self) -> i64 {
        self.clock_ms
    }

    /// Every row of the inbox `late` below this offset has been drained.
    pub const fn late(self) -> NextOffset {
        self.late
    }

    /// Whether this frontier is at or behind `earlier` in nothing: position, clock and inbox.
    pub fn follows(self, earlier: Self) -> bool {
        self.next >= earlier.next && self.clock_ms >= earlier.clock_ms && self.late >= earlier.late
    }

    /// Panics unless it [follows](Self::follows) `earlier`. Called where a frontier is written and where one is read back.
    pub fn assert_follows(self, earlier: Self, partition: Partition) {
        assert!(
            self.follows(earlier),
            "I-2: partition {partition} would go back from {earlier:?} to {self:?}"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frontier(next: i64, clock_us: i64, late: i64) -> PartitionFrontier {
        PartitionFrontier::new(
            NextOffset::new(next).unwrap(),
            LogClock::at(EventTime::from_us(clock_us)),
            NextOffset::new(late).unwrap(),
        )
    }

    #[test]
    fn the_clock_is_rounded_down_to_the_millisecond_and_reads_back_the_same() {
        let written = frontier(7, 1_999_999, 3);
        assert_eq!(written.clock_ms(), 1_999);
        assert_eq!(PartitionFrontier::from_stored(7, 1_999, 3), Some(written));
        assert_eq!(written.clock().time().us(), 1_999_000);
    }

    #[test]
    fn numbers_that_are_no_frontier_are_refused() {
        for (next, clock, late) in [(-1, 0, 0), (0, -1, 0), (0, 0, -1), (3, 0, 4)] {
            assert_eq!(PartitionFrontier::from_stored(next, clock, late), None, "{next} {clock} {late}");
        }
    }

    #[test]
    fn a_frontier_follows_only_if_nothing_goes_back() {
        let base = frontier(5, 5_000, 2);
        for (next, clock_us, late, follows) in [
            (5, 5_000, 2, true),
            (6, 5_000, 2, true),
            (5, 6_000, 5, true),
            (4, 9_000, 2, false),
            (9, 4_999, 2, false),
            (9, 9_000, 1, false),
        ] {
            assert_eq!(frontier(next, clock_us, late).follows(base), follows, "{next} {clock_us} {late}");
        }
    }

    #[test]
    #[should_panic(expected = "I-2: partition 3 would go back")]
    fn writing_a_clock_that_goes_back_panics() {
        frontier(9, 1_000, 0).assert_follows(frontier(5, 2_000, 0), Partition::new(3));
    }

    #[test]
    #[should_panic(expected = "I-2: the inbox is drained until 4 but read until 3")]
    fn draining_what_was_not_read_panics() {
        frontier(3, 0, 4);
    }
}
