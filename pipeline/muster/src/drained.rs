//! The partitions that a log had before it was given more, read to their present ends.
//!
//! In: a reader of all partitions.  Out: batches of the old ones; each ends where the log then ends.  Owns: the reader.
//! Absent on purpose: the time of an end: a clock that runs on at the end of an old partition would conclude that people are
//! absent whose punches are on a new one already.

use std::time::Duration;

use model::{NextOffset, Partition};
use source::{Error, LogIdentity, Polled, RawBatch, Source, StartAt};

/// A source of the first partitions of another, each of which ends.
pub struct Drained {
    all: Box<dyn Source>,
    identity: LogIdentity,
}

impl Drained {
    /// The first `partitions` of `all`.
    pub fn new(all: Box<dyn Source>, partitions: u32) -> Self {
        let identity = LogIdentity { partitions, ..all.identity().clone() };
        Self { all, identity }
    }
}

impl Source for Drained {
    fn identity(&self) -> &LogIdentity {
        &self.identity
    }

    fn start(&mut self, positions: &[(Partition, NextOffset)]) -> Result<(), Error> {
        self.all.start(positions)
    }

    fn locate(&mut self, partition: Partition, at: StartAt) -> Result<NextOffset, Error> {
        self.all.locate(partition, at)
    }

    fn poll(&mut self, wait: Duration, into: &mut RawBatch) -> Result<Polled, Error> {
        Ok(match self.all.poll(wait, into)? {
            Polled::Assigned(mut partitions) => {
                partitions.retain(|partition| partition.number() < self.identity.partitions);
                Polled::Assigned(partitions)
            }
            Polled::CaughtUp { partition, .. } => Polled::Ended(partition),
            polled => polled,
        })
    }

    fn pause(&mut self, partition: Partition) {
        self.all.pause(partition);
    }

    fn resume(&mut self, partition: Partition) {
        self.all.resume(partition);
    }

    fn commit_hint(&mut self, positions: &[(Partition, NextOffset)]) {
        self.all.commit_hint(positions);
    }
}
