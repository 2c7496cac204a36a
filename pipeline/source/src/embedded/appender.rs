//! Appends to the embedded log: checks, partitions, one transaction per group.
//!
//! In: new records.  Out: where they landed.  Owns: the round robin of records without a key.
//! Absent on purpose: retries; the caller knows how long its producer can wait.
//! Invariants: offsets of a partition are contiguous and its append times do not go back, kept by `write`; heads are
//! published only after the commit.

use std::sync::Arc;

use model::position::partition_of;
use model::{Offset, Partition};
use rusqlite::{Connection, TransactionBehavior, params};

use super::group::{Job, Placed};
use super::heads::{self, Head};
use super::{Shared, check_topic, store};
use crate::error::{Error, ErrorKind};
use crate::log::{Append, NewRecord};
use crate::raw_batch::{RawBatch, RawHeaders};

/// An appender of an embedded log. Clones append on their own; those that append at the same time share a commit.
#[derive(Clone)]
pub struct EmbeddedAppender {
    shared: Arc<Shared>,
    keyless: u32,
    headers: Vec<u8>,
}

impl EmbeddedAppender {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, keyless: 0, headers: Vec::new() }
    }

    /// Copies the records and decides their partitions, so that any thread can commit them.
    fn job(&mut self, topic: &str, partitions: u32, records: &[NewRecord<'_>]) -> Result<Job, Error> {
        let limit = self.shared.options.record_bytes_max;
        let mut job = Job {
            topic: topic.to_owned(),
            records: RawBatch::new(),
            partitions: Vec::with_capacity(records.len()),
        };
        for (index, record) in records.iter().enumerate() {
            self.headers.clear();
            RawHeaders::encode(record.headers, &mut self.headers);
            let bytes =
                record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len) + self.headers.len();
            if bytes > limit {
                return Err(Error::new(
                    ErrorKind::TooLarge,
                    format!(
                        "append to topic {topic}: record {index} has {bytes} bytes, the log takes {limit}"
                    ),
                ));
            }
            let partition = match (record.partition, record.key) {
                (Some(partition), _) if partition.number() >= partitions => {
                    return Err(Error::new(
                        ErrorKind::UnknownPartition,
                        format!(
                            "append to topic {topic}: it has {partitions} partitions, none is {partition}"
                        ),
                    ));
                }
                (Some(partition), _) => partition,
                (None, Some(key)) => partition_of(key, partitions),
                (None, None) => {
                    self.keyless = self.keyless.wrapping_add(1);
                    Partition::new(self.keyless.wrapping_sub(1) % partitions)
                }
            };
            job.partitions.push(partition);
            let headers = RawHeaders::from_encoded(&self.headers).expect("what encode wrote reads back");
            job.records.push(heads::offset(index as i64), None, record.key, record.value, headers);
        }
        Ok(job)
    }
}

impl Append for EmbeddedAppender {
    fn append(&mut self, topic: &str, records: &[NewRecord<'_>]) -> Result<Vec<(Partition, Offset)>, Error> {
        if records.is_empty() {
            check_topic(topic)?;
            return Ok(Vec::new());
        }
        let shared = Arc::clone(&self.shared);
        let partitions = match shared.heads.with(topic, |found| found.partitions.len() as u32) {
            Some(partitions) => partitions,
            None => shared.ensure_topic(topic, shared.options.partitions)?.partitions,
        };
        let job = self.job(topic, partitions, records)?;
        shared.group.commit(job, |jobs| write(&shared, jobs))
    }
}

/// What one transaction does to one topic.
struct Moved<'a> {
    topic: &'a str,
    id: i64,
    heads: Vec<Head>,
}

/// One record of the group: by topic and partition, then in order of arrival.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    topic: usize,
    partition: u32,
    job: usize,
    record: usize,
}

fn write(shared: &Shared, jobs: &[(u64, Job)]) -> Result<Vec<Placed>, Error> {
    let mut moved: Vec<Moved<'_>> = Vec::new();
    let mut order = Vec::with_capacity(jobs.iter().map(|(_, job)| job.partitions.len()).sum());
    for (number, (_, job)) in jobs.iter().enumerate() {
        let topic = moved.iter().position(|found| found.topic == job.topic).unwrap_or_else(|| {
            moved.push(Moved { topic: &job.topic, id: 0, heads: Vec::new() });
            moved.len() - 1
        });
        order.extend(job.partitions.iter().enumerate().map(|(record, partition)| Place {
            topic,
            partition: partition.number(),
            job: number,
            record,
        }));
    }
    order.sort_unstable();
    let mut placed: Vec<Placed> =
        jobs.iter().map(|(_, job)| job.partitions.iter().map(|p| (*p, heads::offset(0))).collect()).collect();

    let mut store = shared.store();
    for found in &mut moved {
        (found.id, found.heads) = shared
            .heads
            .with(found.topic, |topic| (topic.id, topic.partitions.clone()))
            .expect("a topic is made before records are appended to it");
    }
    let stamp = shared.heads.begin_append(&shared.now);
    insert(&mut store.connection, stamp.ms, jobs, &order, &mut moved, &mut placed).map_err(|error| {
        let topics: Vec<&str> = moved.iter().map(|found| found.topic).collect();
        Error::sqlite(&format!("append {} records to topic {}", order.len(), topics.join(", ")), error)
    })?;
    stamp.publish(order.chunk_by(is_neighbour).map(|run| {
        let found = &moved[run[0].topic];
        (found.topic, run[0].partition, found.heads[run[0].partition as usize])
    }));
    if let Err(error) = store.bound_wal() {
        // The records are durable; only the space of the write-ahead log is not reclaimed yet.
        tracing::warn!(%error, "write-ahead log above its limit");
    }
    Ok(placed)
}

fn is_neighbour(one: &Place, other: &Place) -> bool {
    (one.topic, one.partition) == (other.topic, other.partition)
}

fn insert(
    connection: &mut Connection,
    stamp_ms: i64,
    jobs: &[(u64, Job)],
    order: &[Place],
    moved: &mut [Moved<'_>],
    placed: &mut [Placed],
) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for run in order.chunk_by(is_neighbour) {
        let topic = &mut moved[run[0].topic];
        let head = &mut topic.heads[run[0].partition as usize];
        head.last_ms = head.last_ms.max(stamp_ms);
        let mut insert = transaction.prepare_cached(&format!(
            "INSERT INTO {}(offset, append_ms, key, value, headers) VALUES (?1, ?2, ?3, ?4, ?5)",
            store::table(topic.id, run[0].partition)
        ))?;
        for place in run {
            let record = jobs[place.job].1.records.get(place.record).expect("a place is of its job");
            let headers = (!record.headers.is_empty()).then_some(record.headers.encoded());
            insert.execute(params![head.next, head.last_ms, record.key, record.value, headers])?;
            placed[place.job][place.record].1 = heads::offset(head.next);
            head.next += 1;
        }
        transaction
            .prepare_cached(
                "UPDATE partitions SET next = ?3, last_ms = ?4 WHERE topic = ?1 AND partition = ?2",
            )?
            .execute(params![topic.id, run[0].partition, head.next, head.last_ms])?;
    }
    transaction.commit()
}
