//! The interface to a log: what a source tells its worker, and what an appender takes.
//!
//! In: positions from the lake's frontier.  Out: batches and facts about partitions, to the worker.  Owns: nothing.
//! Absent on purpose: async (a worker thread polls), an offset commit that counts (the frontier in the lake does).
//! Invariants: one poll speaks of one partition; nothing of a partition is delivered before `start` has answered its
//! `Assigned`, and nothing after `Revoked` or `Lost` (each implementor's tests).
//! Why so: Kafka's rebalance needs assignments as events that the caller answers with a position of its own; a file or
//! an embedded log then simply assigns everything at the first poll.

use std::sync::Arc;
use std::time::Duration;

use model::{EventTime, LogId, NextOffset, Offset, Partition};

use crate::error::Error;
use crate::raw_batch::RawBatch;

/// Where wall time comes from: `muster` reads the machine's clock, tests bring their own. It is asked under a lock of
/// the log, so it must not use the log itself.
pub type WallClock = Arc<dyn Fn() -> EventTime + Send + Sync>;

/// Which log this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogIdentity {
    /// The topic's name; `file:<id>` for a file.
    pub topic: String,
    /// The log's id: a lake belongs to one.
    pub log_id: LogId,
    /// How many partitions the topic has.
    pub partitions: u32,
}

/// What one poll found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Polled {
    /// These partitions are now this source's: answer with [`Source::start`].
    Assigned(Vec<Partition>),
    /// These partitions go to another owner in good order; nothing more of them comes.
    Revoked(Vec<Partition>),
    /// These partitions already have another owner; nothing more of them comes, and nothing may be committed.
    Lost(Vec<Partition>),
    /// The batch holds records of one partition, or gaps, or both.
    Batch,
    /// The partition was read to its end.
    CaughtUp {
        /// The partition.
        partition: Partition,
        /// Its position, which is the log's end.
        next: NextOffset,
        /// Everything with an append time up to here, this one included, has been delivered.
        at: EventTime,
    },
    /// Nothing happened within the wait.
    Idle,
    /// The partition has ended for ever (files only).
    Ended(Partition),
}

/// A place in a partition by meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartAt {
    /// The first record the log still holds.
    Earliest,
    /// Behind the last record.
    Latest,
    /// The first record appended at or after this instant; the end if there is none.
    Time(EventTime),
}

/// How large a batch may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    /// Records of one batch.
    pub records_max: usize,
    /// Bytes of keys, values and headers; a batch may pass it by one record.
    pub bytes_max: usize,
}

impl Default for BatchLimits {
    fn default() -> Self {
        Self { records_max: 4_096, bytes_max: 4 << 20 }
    }
}

/// The reading end of a log.
pub trait Source: Send {
    /// Which log this is.
    fn identity(&self) -> &LogIdentity;

    /// The answer to [`Polled::Assigned`]: where to read each partition from. May be called again to go elsewhere.
    ///
    /// # Errors
    /// `Stop`: a partition is not assigned, or a position lies beyond the log's end (a Kafka source may find that out
    /// in `poll`). A position before the log's beginning is no error: the first batch reports the gap.
    fn start(&mut self, positions: &[(Partition, NextOffset)]) -> Result<(), Error>;

    /// The position that `at` means now, for a partition that no frontier knows.
    ///
    /// # Errors
    /// `Stop`: no such partition. Else as the store says.
    fn locate(&mut self, partition: Partition, at: StartAt) -> Result<NextOffset, Error>;

    /// Waits up to `wait` for something to happen. `into` is cleared first and holds records or gaps only after
    /// [`Polled::Batch`]; bring the same batch again to reuse its memory.
    ///
    /// # Errors
    /// As the store says; after `Retry` the next poll continues where this one stood.
    fn poll(&mut self, wait: Duration, into: &mut RawBatch) -> Result<Polled, Error>;

    /// Stays with the log while nobody polls: the brokers put a member out of its group that is not heard of. Delivers
    /// nothing; what happens meanwhile is told by the next [`Source::poll`]. Pause first what should not be read ahead.
    fn attend(&mut self) {}

    /// Delivers nothing of `partition` until [`Source::resume`]. Go on polling: the other partitions move on.
    fn pause(&mut self, partition: Partition);

    /// Ends a pause.
    fn resume(&mut self, partition: Partition);

    /// Tells the log how far the lake has committed, for lag tools. It decides nothing.
    fn commit_hint(&mut self, positions: &[(Partition, NextOffset)]);
}

/// A record header: its name and, as in Kafka, a value that may be absent.
pub type Header<'a> = (&'a str, Option<&'a [u8]>);

/// A record to append.
#[derive(Clone, Copy, Debug, Default)]
pub struct NewRecord<'a> {
    /// The key, which decides the partition unless that is given.
    pub key: Option<&'a [u8]>,
    /// The value; none is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Headers, in order; a name may repeat.
    pub headers: &'a [Header<'a>],
    /// The partition; else murmur2 of the key; a record without either goes round robin.
    pub partition: Option<Partition>,
}

/// The writing end of a log.
pub trait Append: Send {
    /// Appends `records` in order and returns where each one landed. They are durable when this returns, all of them
    /// or, after an error, none. (After a `Stop` error of the disk itself they may come to light at the next open: a
    /// producer that sends them again sends repeats, which the pipeline finds.) An append to Kafka promises less: after an
    /// error some of them may have landed, see [`KafkaAppender`](crate::KafkaAppender).
    ///
    /// # Errors
    /// `Retry`: disk full, store busy, or no broker can take them now. `Stop`: anything else.
    fn append(&mut self, topic: &str, records: &[NewRecord<'_>]) -> Result<Vec<(Partition, Offset)>, Error>;
}
