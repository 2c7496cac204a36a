//! Where in a log something stands: partition, offset, next offset, log clock, and the cause of what was said.

use std::fmt;
use std::sync::Arc;

use crate::time::EventTime;

/// A partition's number within its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition(u32);

impl Partition {
    /// The partition numbered `number`, counted from 0.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Its number, counted from 0.
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The offset of one record that exists in a partition, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(i64);

impl Offset {
    /// The first record of every partition.
    pub const FIRST: Self = Self(0);

    /// The offset `value`, or `None` if it is negative.
    pub const fn new(value: i64) -> Option<Self> {
        if value < 0 { None } else { Some(Self(value)) }
    }

    /// The offset as Kafka counts it.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The position just behind this record.
    pub const fn next(self) -> NextOffset {
        NextOffset(self.0.saturating_add(1))
    }
}

/// A position in a partition: the first offset *not yet* taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NextOffset(i64);

impl NextOffset {
    /// The beginning of every partition.
    pub const START: Self = Self(0);

    /// The position before offset `value`, or `None` if it is negative.
    pub const fn new(value: i64) -> Option<Self> {
        if value < 0 { None } else { Some(Self(value)) }
    }

    /// The first offset not yet taken.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// Whether the record at `offset` has been taken.
    pub const fn has_passed(self, offset: Offset) -> bool {
        offset.0 < self.0
    }
}

/// The identity of a log: Kafka's topic id, or one made with the embedded log, or `file:` and a hash of a file's bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId(Arc<str>);

impl LogId {
    /// The id `text`, or `None` if it is empty or holds a `/` or white space (it becomes part of a Delta `txn` id).
    pub fn new(text: &str) -> Option<Self> {
        let bad = text.is_empty() || text.contains(|c: char| c == '/' || c.is_whitespace());
        (!bad).then(|| Self(text.into()))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A log's id in short, to tell the causes of different logs in one lake apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LogMark(u64);

impl LogMark {
    /// 16 hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == 16).then(|| u64::from_str_radix(text, 16).ok())?.map(Self)
    }
}

impl LogId {
    /// The id in short: FNV-1a over its text, the same on every machine.
    pub fn mark(&self) -> LogMark {
        let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        LogMark(self.0.as_bytes().iter().fold(0xcbf2_9ce4_8422_2325, step))
    }
}

impl fmt::Display for LogMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for LogMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The time up to which a partition's log has been read: the only clock that timers see. Never goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogClock(EventTime);

impl LogClock {
    /// Before anything was read: the epoch, at which no shift is due.
    pub const UNSET: Self = Self(EventTime::from_us(0));

    /// The clock standing at `time`.
    pub const fn at(time: EventTime) -> Self {
        Self(time)
    }

    /// The instant it stands at.
    pub const fn time(self) -> EventTime {
        self.0
    }

    /// Whether anything has set it yet.
    pub fn is_set(self) -> bool {
        self.0.us() > 0
    }

    /// Moves to `time` if that is later; stays otherwise.
    pub fn advance(&mut self, time: EventTime) {
        self.0 = self.0.max(time);
    }
}

/// The Delta version of the commit by which an owner claimed a partition; a later owner's is higher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub i64);

/// What made Muster say something: how far the partition had been read and where its clock stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The log that had been read.
    pub log: LogMark,
    /// The partition whose owner said it.
    pub partition: Partition,
    /// The position just behind the last record that had been judged.
    pub next: NextOffset,
    /// The log clock at that moment.
    pub clock: LogClock,
}

impl Cause {
    /// Whether an owner who stands at (`next`, `clock`) has seen everything this cause had seen.
    pub fn is_passed_by(&self, next: NextOffset, clock: LogClock) -> bool {
        next >= self.next && clock >= self.clock
    }
}

/// The partition a key belongs to: Kafka's murmur2 (seed 0x9747b28c), as Java's default partitioner and librdkafka's
/// `murmur2_random` compute it for a key that is present.
pub fn partition_of(key: &[u8], partitions: u32) -> Partition {
    Partition((murmur2(key) & 0x7fff_ffff) % partitions.max(1))
}

fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c_u32 ^ data.len() as u32;
    let mut chunks = data.chunks_exact(4);
    for chunk in &mut chunks {
        let mut k = u32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]);
        k = k.wrapping_mul(M);
        k ^= k >> 24;
        k = k.wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ k;
    }
    let tail = chunks.remainder();
    if !tail.is_empty() {
        for (i, byte) in tail.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * i);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of Apache Kafka's own `UtilsTest.testMurmur2`.
    #[test]
    fn murmur2_agrees_with_kafkas_published_vectors() {
        for (key, hash) in [
            ("21", -973_932_308_i32),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()) as i32, hash, "{key}");
        }
    }

    #[test]
    fn a_cause_is_passed_only_by_position_and_clock_together() {
        let at = |next, us| (NextOffset::new(next).unwrap(), LogClock::at(EventTime::from_us(us)));
        let (next, clock) = at(5, 100);
        let log = LogId::new("a").unwrap().mark();
        assert_eq!(LogMark::parse(&log.to_string()), Some(log));
        let cause = Cause { log, partition: Partition::new(0), next, clock };
        for (next, us, passed) in [(5, 100, true), (6, 101, true), (4, 200, false), (9, 99, false)] {
            let (next, clock) = at(next, us);
            assert_eq!(cause.is_passed_by(next, clock), passed);
        }
    }

    #[test]
    fn the_clock_never_goes_back() {
        let mut clock = LogClock::UNSET;
        clock.advance(EventTime::from_us(7));
        clock.advance(EventTime::from_us(3));
        assert_eq!(clock.time().us(), 7);
    }

    #[test]
    fn a_log_id_fits_into_a_txn_id() {
        assert!(LogId::new("file:00ab").is_some());
        assert!(LogId::new("a/b").is_none());
        assert!(LogId::new("").is_none());
    }
}
