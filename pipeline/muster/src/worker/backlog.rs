//! What was read of one partition and is not committed yet: what a crash now would have to be read again.
//!
//! In: batches as they are read, positions as they are committed.  Out: records and bytes between the two.
//! Owns: the end and the size of each batch that is not wholly committed.
//! Absent on purpose: any limit: `Settings::buffered_bytes_max` bounds the sum over all partitions; control sees to it.

use std::collections::VecDeque;

use model::NextOffset;
use source::RawBatch;

/// Records and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Buffered {
    /// Records.
    pub records: u64,
    /// Bytes of them as they were read.
    pub bytes: u64,
}

/// The batches of one partition that are not wholly committed, in order.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    batches: VecDeque<(NextOffset, Buffered)>,
    sum: Buffered,
}

impl Backlog {
    /// A batch was read.
    pub(super) fn read(&mut self, batch: &RawBatch) {
        self.add(batch.next(), Buffered { records: batch.records() as u64, bytes: batch.bytes() as u64 });
    }

    fn add(&mut self, until: NextOffset, size: Buffered) {
        self.sum.records += size.records;
        self.sum.bytes += size.bytes;
        self.batches.push_back((until, size));
    }

    /// Everything before `next` is committed.
    pub(super) fn committed(&mut self, next: NextOffset) {
        while let Some((_, size)) = self.batches.pop_front_if(|(until, _)| *until <= next) {
            self.sum.records -= size.records;
            self.sum.bytes -= size.bytes;
        }
    }

    /// What is not committed yet; a batch counts until its last record is.
    pub(super) const fn buffered(&self) -> Buffered {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_counts_until_its_last_record_is_committed() {
        let next = |value| NextOffset::new(value).unwrap();
        let mut backlog = Backlog::default();
        for (until, records) in [(4, 4), (9, 5), (12, 2)] {
            backlog.add(next(until), Buffered { records, bytes: records * 100 });
        }
        for (committed, records) in [(0, 11), (3, 11), (4, 7), (8, 7), (11, 2), (12, 0), (20, 0)] {
            backlog.committed(next(committed));
            assert_eq!(backlog.buffered(), Buffered { records, bytes: records * 100 }, "{committed}");
        }
    }
}
