//! The embedded log: Kafka's addressing (topic, partition, offset) in one SQLite file, for one process at a time.
//!
//! In: records from any number of appenders.  Out: batches to any number of sources.  Owns: the folder's lock, the
//! SQLite file, the heads of all partitions in memory.
//! Absent on purpose: consumer groups and rebalances (one process owns all partitions), a server.
//! Invariants: an append is one transaction, synced before it returns; offsets of a partition are contiguous from 0 as
//! written; append times of a partition never go back; an append time is later than any time that a `CaughtUp` gave.
//! Why so: SQLite with `synchronous=FULL` has the best known crash record of the stores compared
//! (research/ecosystem.md section 3); the disk's sync is the limit, so the batch size decides, not the library. A table
//! per partition keyed by the offset makes every insert an append at the tree's right edge and every read a scan; one
//! table for all partitions would split pages in the middle and leave them half empty.
//!
//! ```text
//! <dir>/muster.lock      held exclusively; names the process that holds it
//! <dir>/log.sqlite       topics(id, name, log_id, partitions)
//!                        partitions(topic, partition, begin, next, last_ms)
//!                        log_<topic>_<partition>(offset, append_ms, key, value, headers)
//! ```

mod appender;
mod group;
mod heads;
mod lock;
mod reader;
mod store;
mod upkeep;

#[cfg(test)]
mod clock_tests;
#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod upkeep_tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::{LogId, NextOffset, Partition};

use crate::error::{Error, ErrorKind};
use crate::folder;
use crate::log::{BatchLimits, LogIdentity, WallClock};

use group::Group;
use heads::Heads;
use store::Store;

pub use appender::EmbeddedAppender;
pub use reader::EmbeddedSource;
pub use upkeep::IsDue;

/// The most partitions a topic may have: each one is a table and a prepared statement per connection.
pub const PARTITIONS_MAX: u32 = 1_024;

/// The most bytes of key, value and headers of one record by default.
pub const RECORD_BYTES_MAX: usize = 8 << 20;

/// How an embedded log is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Partitions of a topic that is created by its first use.
    pub partitions: u32,
    /// How large a source's batches may grow.
    pub batch: BatchLimits,
    /// Bytes of key, value and headers of one record.
    pub record_bytes_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { partitions: 8, batch: BatchLimits::default(), record_bytes_max: RECORD_BYTES_MAX }
    }
}

/// What a partition holds now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The first position that was not trimmed away.
    pub begin: NextOffset,
    /// The position behind the last record.
    pub next: NextOffset,
}

/// An open embedded log. Clones share it; the folder is free again when the last clone, source and appender is gone.
#[derive(Clone)]
pub struct EmbeddedLog {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    options: Options,
    now: WallClock,
    heads: Heads,
    store: Mutex<Store>,
    group: Group,
    _lock: lock::FolderLock,
}

impl Shared {
    /// The one writing connection.
    fn store(&self) -> MutexGuard<'_, Store> {
        // A panic between two statements leaves a transaction that the next `begin` would refuse and `Drop` rolls
        // back; the heads change only after a commit. So the store behind a poisoned lock is still whole.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EmbeddedLog {
    /// Opens the log in `dir` and makes both if absent.
    ///
    /// # Errors
    /// `Locked` if any process, this one included, has it open; `ForeignFormat`, `Damaged`, `Io`.
    pub fn open(dir: &Path, options: Options, now: WallClock) -> Result<Self, Error> {
        check_partitions(options.partitions)?;
        let lock = lock::FolderLock::take(dir)?;
        let path = dir.join("log.sqlite");
        let store = Store::open(&path)?;
        folder::sync(dir)?;
        let heads = Heads::new(store.load()?);
        let group = Group::default();
        let shared = Shared { path, options, now, heads, store: Mutex::new(store), group, _lock: lock };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Makes a topic of `partitions` partitions and returns its identity; an existing one of as many is left as it is.
    ///
    /// # Errors
    /// `PartitionCount` if it exists with another number of partitions: keys would move. `InvalidTopic`; as the store says.
    pub fn create_topic(&self, topic: &str, partitions: u32) -> Result<LogIdentity, Error> {
        check_partitions(partitions)?;
        let found = self.shared.ensure_topic(topic, partitions)?;
        if found.partitions != partitions {
            return Err(Error::new(
                ErrorKind::PartitionCount,
                format!(
                    "topic {topic} has {} partitions, not {partitions}: keep the number, or move to another with `muster repartition`",
                    found.partitions
                ),
            ));
        }
        Ok(found)
    }

    /// Gives `topic` more partitions: keys move. What was appended stays where it is. Sources that are open know nothing of it.
    ///
    /// # Errors
    /// `UnknownTopic`; `PartitionCount` if it has more already; as the store says.
    pub fn grow_topic(&self, topic: &str, partitions: u32) -> Result<LogIdentity, Error> {
        check_partitions(partitions)?;
        let mut store = self.shared.store();
        let found = self.shared.heads.with(topic, |found| (found.id, found.partitions.len() as u32));
        let Some((id, from)) = found else {
            let what = format!("no topic {topic} in {}", self.shared.path.display());
            return Err(Error::new(ErrorKind::UnknownTopic, what));
        };
        if from > partitions {
            let what = format!("topic {topic} has {from} partitions: none of them can be taken away");
            return Err(Error::new(ErrorKind::PartitionCount, what));
        }
        if from < partitions {
            store.grow_topic(id, from, partitions)?;
            self.shared.heads.grow(topic, partitions);
        }
        drop(store);
        self.shared.ensure_topic(topic, partitions)
    }

    /// The identity of `topic`, if it exists.
    pub fn identity(&self, topic: &str) -> Option<LogIdentity> {
        self.shared.heads.with(topic, |found| LogIdentity {
            topic: topic.to_owned(),
            log_id: found.log_id.clone(),
            partitions: found.partitions.len() as u32,
        })
    }

    /// The names of all topics, sorted.
    pub fn topics(&self) -> Vec<String> {
        self.shared.heads.topics()
    }

    /// What each partition of `topic` holds now, by partition; empty without such a topic.
    pub fn extents(&self, topic: &str) -> Vec<Extent> {
        let extents = |topic: &heads::Topic| topic.partitions.iter().map(heads::Head::extent).collect();
        self.shared.heads.with(topic, extents).unwrap_or_default()
    }

    /// A source of all partitions of `topic`, which is created if absent.
    ///
    /// # Errors
    /// `InvalidTopic`; as the store says.
    pub fn source(&self, topic: &str) -> Result<EmbeddedSource, Error> {
        let identity = self.shared.ensure_topic(topic, self.shared.options.partitions)?;
        EmbeddedSource::open(Arc::clone(&self.shared), identity)
    }

    /// An appender. Topics are created by the first append to them.
    pub fn appender(&self) -> EmbeddedAppender {
        EmbeddedAppender::new(Arc::clone(&self.shared))
    }
}

impl Shared {
    fn ensure_topic(&self, topic: &str, partitions: u32) -> Result<LogIdentity, Error> {
        let identity = |log_id: &LogId, partitions: usize| LogIdentity {
            topic: topic.to_owned(),
            log_id: log_id.clone(),
            partitions: partitions as u32,
        };
        if let Some(found) = self.heads.with(topic, |found| identity(&found.log_id, found.partitions.len())) {
            return Ok(found);
        }
        check_topic(topic)?;
        let mut store = self.store();
        // Another thread may have made it before this one got the store.
        if let Some(found) = self.heads.with(topic, |found| identity(&found.log_id, found.partitions.len())) {
            return Ok(found);
        }
        let made = store.create_topic(topic, partitions)?;
        let found = identity(&made.log_id, made.partitions.len());
        self.heads.add(topic, made);
        Ok(found)
    }

    fn check_partition(&self, topic: &str, partition: Partition) -> Result<heads::Head, Error> {
        let number = partition.number() as usize;
        match self.heads.with(topic, |found| found.partitions.get(number).copied()) {
            None => Err(Error::new(
                ErrorKind::UnknownTopic,
                format!("no topic {topic} in {}", self.path.display()),
            )),
            Some(None) => Err(Error::new(
                ErrorKind::UnknownPartition,
                format!("topic {topic} has no partition {partition}"),
            )),
            Some(Some(head)) => Ok(head),
        }
    }
}

/// Kafka's rule for topic names.
pub(crate) fn check_topic(topic: &str) -> Result<(), Error> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if topic.is_empty() || topic.len() > 249 || topic == "." || topic == ".." || !topic.bytes().all(fits) {
        return Err(Error::new(
            ErrorKind::InvalidTopic,
            format!("topic {topic:?}: a name is 1 to 249 letters, digits, `.`, `_` or `-`"),
        ));
    }
    Ok(())
}

fn check_partitions(partitions: u32) -> Result<(), Error> {
    if (1..=PARTITIONS_MAX).contains(&partitions) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::PartitionCount,
        format!("{partitions} partitions: a topic has 1 to {PARTITIONS_MAX}"),
    ))
}
