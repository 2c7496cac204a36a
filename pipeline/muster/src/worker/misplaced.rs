//! Records found on another partition than their person's: appended again where they belong.
//!
//! In: records of one batch, each with its person's partition.  Out: the same records, durable on that partition.
//! Owns: nothing but the appender.
//! Absent on purpose: a judgement of them here: everything about one person is one worker's (`design.md`, decision 1).
//! Invariants: the frontier passes a misplaced record only behind its copy, kept by `PartitionWork::take`; a copy names its
//! partition and its key's hash is not asked again, so no record wanders for ever. A copy made twice by a crash is a
//! repeat where it lands.

use model::Partition;
use source::{Append, Header, NewRecord, RawBatch};

/// The header that says where a record was found first: `topic/partition/offset`.
const ORIGIN_HEADER: &str = "muster.origin";

/// Appends records again to partitions of their own topic.
pub struct Forwarder {
    topic: String,
    appender: Box<dyn Append>,
}

impl Forwarder {
    /// Appends to `topic`.
    pub fn new(topic: &str, appender: Box<dyn Append>) -> Self {
        Self { topic: topic.to_owned(), appender }
    }

    /// Makes the records `found` of `raw` durable on the partitions named.
    ///
    /// # Errors
    /// As the log says; some may have been appended.
    pub(super) fn forward(
        &mut self,
        raw: &RawBatch,
        found: &[(usize, Partition)],
    ) -> Result<(), source::Error> {
        let from = raw.partition();
        let entries: Vec<_> = found.iter().filter_map(|(n, to)| Some((raw.get(*n)?, *to))).collect();
        let origins: Vec<String> = entries
            .iter()
            .map(|(entry, _)| format!("{}/{from}/{}", self.topic, entry.offset.get()))
            .collect();
        let headers: Vec<Vec<Header<'_>>> = entries
            .iter()
            .zip(&origins)
            .map(|((entry, _), origin)| {
                entry.headers.iter().chain([(ORIGIN_HEADER, Some(origin.as_bytes()))]).collect()
            })
            .collect();
        let records: Vec<NewRecord<'_>> = entries
            .iter()
            .zip(&headers)
            .map(|((entry, to), headers)| NewRecord {
                key: entry.key,
                value: entry.value,
                headers,
                partition: Some(*to),
            })
            .collect();
        self.appender.append(&self.topic, &records).map(|_| ())
    }
}

impl std::fmt::Debug for Forwarder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Forwarder").field("topic", &self.topic).finish_non_exhaustive()
    }
}
