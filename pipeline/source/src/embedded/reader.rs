//! Reads the embedded log: a source that owns every partition of one topic.
//!
//! In: positions; heads as appends publish them.  Out: batches, gaps, ends.  Owns: a read-only connection, positions.
//! Absent on purpose: rebalances, and a thread: `poll` reads on the caller's thread and sleeps on the heads.
//! Invariants: what lies between a position and the published end is delivered as a record or as a gap, once; partitions
//! take turns, so a busy one does not hold up the others' clocks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use model::{EventTime, NextOffset, Partition};
use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::heads::{self, Head, Look};
use super::{Shared, store};
use crate::error::{Error, ErrorKind};
use crate::log::{LogIdentity, Polled, Source, StartAt};
use crate::raw_batch::{RawBatch, RawHeaders};

/// How often a partition that stays at its end says so again, in ms of wall time.
const CAUGHT_UP_EVERY_MS: i64 = 100;

/// A source of all partitions of one topic of an embedded log.
pub struct EmbeddedSource {
    shared: Arc<Shared>,
    identity: LogIdentity,
    connection: Connection,
    topic_id: i64,
    is_announced: bool,
    partitions: Vec<Reading>,
    /// The partition whose turn is next.
    turn: usize,
    heads: Vec<Head>,
}

/// How far one partition has been read.
struct Reading {
    /// The first offset not yet delivered; none before `start`.
    next: Option<i64>,
    is_paused: bool,
    /// The position and time of the last `CaughtUp`.
    said: Option<(i64, EventTime)>,
    select: String,
}

impl EmbeddedSource {
    pub(super) fn open(shared: Arc<Shared>, identity: LogIdentity) -> Result<Self, Error> {
        let connection = store::open_reader(&shared.path, identity.partitions as usize + 4)?;
        let topic_id =
            shared.heads.with(&identity.topic, |topic| topic.id).expect("a topic is made before its source");
        let partitions = (0..identity.partitions)
            .map(|partition| Reading {
                next: None,
                is_paused: false,
                said: None,
                select: format!(
                    "SELECT offset, append_ms, key, value, headers FROM {} WHERE offset >= ?1 AND offset < ?2
                     ORDER BY offset",
                    store::table(topic_id, partition)
                ),
            })
            .collect();
        Ok(Self {
            shared,
            identity,
            connection,
            topic_id,
            is_announced: false,
            partitions,
            turn: 0,
            heads: Vec::new(),
        })
    }

    /// Gives each partition its turn: the first that has something to say ends the round.
    fn look_around(&mut self, into: &mut RawBatch) -> Result<(Look, Option<Polled>), Error> {
        let look = self.shared.heads.look(&self.identity.topic, &self.shared.now, &mut self.heads);
        let count = self.partitions.len();
        for step in 0..count {
            let at = (self.turn + step) % count;
            let (reading, head) = (&mut self.partitions[at], self.heads[at]);
            let Some(next) = reading.next.filter(|_| !reading.is_paused) else { continue };
            let partition = Partition::new(at as u32);
            if next < head.next {
                self.turn = (at + 1) % count;
                self.read(partition, next, head.next, into)?;
                return Ok((look, Some(Polled::Batch)));
            }
            if reading.is_due(next, look.at) {
                reading.said = Some((next, look.at));
                self.turn = (at + 1) % count;
                let next = heads::position(next);
                return Ok((look, Some(Polled::CaughtUp { partition, next, at: look.at })));
            }
        }
        Ok((look, None))
    }

    /// Reads from `next` up to `end` or to the batch limits, gaps included.
    fn read(&mut self, partition: Partition, next: i64, end: i64, into: &mut RawBatch) -> Result<(), Error> {
        let limits = self.shared.options.batch;
        let reading = &mut self.partitions[partition.number() as usize];
        let connection = &self.connection;
        into.begin(partition, heads::position(next));
        let mut fill = || -> rusqlite::Result<bool> {
            let mut select = connection.prepare_cached(&reading.select)?;
            let mut rows = select.query([next, end])?;
            while into.records() < limits.records_max.max(1) && into.bytes() < limits.bytes_max.max(1) {
                let Some(row) = rows.next()? else { return Ok(true) };
                let offset: i64 = row.get(0)?;
                let append_time = EventTime::from_ms(row.get(1)?);
                let bytes = |column| -> rusqlite::Result<Option<&[u8]>> {
                    match row.get_ref(column)? {
                        ValueRef::Null => Ok(None),
                        value => Ok(Some(value.as_blob()?)),
                    }
                };
                let headers = RawHeaders::from_encoded(bytes(4)?.unwrap_or_default()).ok_or_else(|| {
                    rusqlite::Error::InvalidColumnType(4, "headers".to_owned(), rusqlite::types::Type::Blob)
                })?;
                into.push_gap(heads::position(offset));
                into.push(heads::offset(offset), Some(append_time), bytes(2)?, bytes(3)?, headers);
            }
            Ok(false)
        };
        match fill() {
            Ok(is_all) => {
                if is_all {
                    into.push_gap(heads::position(end));
                }
                reading.next = Some(into.next().get());
                Ok(())
            }
            Err(error) => {
                into.begin(partition, heads::position(next));
                let doing = format!("read topic {} partition {partition} from {next}", self.identity.topic);
                Err(Error::sqlite(&doing, error))
            }
        }
    }

    fn reading(&mut self, partition: Partition) -> Option<&mut Reading> {
        self.partitions.get_mut(partition.number() as usize)
    }
}

impl Reading {
    /// Whether being at the end is news: at another position, or long enough ago.
    fn is_due(&self, next: i64, at: EventTime) -> bool {
        self.said.is_none_or(|(said_next, said_at)| {
            next != said_next || at.ms().saturating_sub(said_at.ms()) >= CAUGHT_UP_EVERY_MS
        })
    }
}

impl Source for EmbeddedSource {
    fn identity(&self) -> &LogIdentity {
        &self.identity
    }

    fn start(&mut self, positions: &[(Partition, NextOffset)]) -> Result<(), Error> {
        for (partition, next) in positions {
            let topic = &self.identity.topic;
            let doing = || format!("start topic {topic} partition {partition} at {}", next.get());
            if !self.is_announced || self.partitions.len() <= partition.number() as usize {
                let text = format!("{}: the partition is not assigned", doing());
                return Err(Error::new(ErrorKind::NotAssigned, text));
            }
            let head = self.shared.check_partition(topic, *partition)?;
            if next.get() > head.next {
                return Err(Error::new(
                    ErrorKind::BeyondEnd,
                    format!(
                        "{}: the log ends at {}: it was cut, restored or made anew since the lake read it; \
                         bring the old log back, or give this one a lake of its own",
                        doing(),
                        head.next
                    ),
                ));
            }
        }
        for (partition, next) in positions {
            if let Some(reading) = self.reading(*partition) {
                reading.next = Some(next.get());
                reading.said = None;
            }
        }
        Ok(())
    }

    fn locate(&mut self, partition: Partition, at: StartAt) -> Result<NextOffset, Error> {
        let head = self.shared.check_partition(&self.identity.topic, partition)?;
        let since = match at {
            StartAt::Earliest => return Ok(heads::position(head.begin)),
            StartAt::Latest => return Ok(heads::position(head.next)),
            StartAt::Time(since) => since,
        };
        // Append times do not go back within a partition, so the offsets can be halved.
        let table = store::table(self.topic_id, partition.number());
        let found = || -> rusqlite::Result<i64> {
            let mut first = self.connection.prepare_cached(&format!(
                "SELECT offset, append_ms FROM {table} WHERE offset >= ?1 ORDER BY offset LIMIT 1"
            ))?;
            let (mut from, mut until) = (head.begin, head.next);
            while from < until {
                let middle = from + (until - from) / 2;
                let mut rows = first.query([middle])?;
                match rows.next()? {
                    Some(row) if EventTime::from_ms(row.get(1)?) < since => from = row.get::<_, i64>(0)? + 1,
                    _ => until = middle,
                }
            }
            // Offsets before the first such record that compaction took away are passed over.
            let mut rows = first.query([from])?;
            let offset = rows.next()?.map(|row| row.get(0)).transpose()?;
            Ok(offset.unwrap_or(head.next).min(head.next))
        };
        let doing = || format!("find a time in topic {} partition {partition}", self.identity.topic);
        found().map(heads::position).map_err(|error| Error::sqlite(&doing(), error))
    }

    fn poll(&mut self, wait: Duration, into: &mut RawBatch) -> Result<Polled, Error> {
        into.begin(Partition::new(0), NextOffset::START);
        if !self.is_announced {
            self.is_announced = true;
            return Ok(Polled::Assigned((0..self.identity.partitions).map(Partition::new).collect()));
        }
        let deadline = Instant::now() + wait;
        loop {
            let (look, polled) = self.look_around(into)?;
            if let Some(polled) = polled {
                return Ok(polled);
            }
            if !self.shared.heads.wait(look.version, deadline) {
                return Ok(Polled::Idle);
            }
        }
    }

    fn pause(&mut self, partition: Partition) {
        if let Some(reading) = self.reading(partition) {
            reading.is_paused = true;
        }
    }

    fn resume(&mut self, partition: Partition) {
        if let Some(reading) = self.reading(partition) {
            reading.is_paused = false;
        }
    }

    fn commit_hint(&mut self, _positions: &[(Partition, NextOffset)]) {
        // One process reads an embedded log: its lag is the difference of the frontier and `EmbeddedLog::extents`.
    }
}
