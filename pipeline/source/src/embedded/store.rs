//! The SQLite file: its tables, and the one connection that writes them.
//!
//! In: topics and transactions of the embedded log.  Out: heads at open.  Owns: the writing connection.
//! Absent on purpose: time and group commit (`appender`), reading records (`reader`).
//! Invariants: `partitions.next` lies behind every row, checked at open; the file carries this log's application id
//! and layout version, so no other SQLite file is taken for it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::LogId;
use rusqlite::{Connection, OpenFlags, TransactionBehavior, params};

use super::heads::{Head, Topic};
use crate::error::{Error, ErrorKind};

/// "mstL": tells SQLite files of this log from others.
const APPLICATION_ID: i32 = 0x6d73_744c;
/// The layout below.
const LAYOUT_VERSION: i32 = 1;
/// How long a statement waits for another connection, in ms.
const BUSY_MS_MAX: u64 = 10_000;
/// Pages of write-ahead log after which SQLite copies them into the file, without waiting for readers.
const CHECKPOINT_PAGES: i32 = 8_192;
/// Bytes of write-ahead log after which the writer waits for readers to let it start over, and after which it tries
/// again if they did not.
const WAL_BYTES_MAX: u64 = 128 << 20;
/// How long it waits for them, in ms: appends wait along.
const READERS_MS_MAX: u64 = 50;
/// Page cache of the writer and of each reader, in KiB.
const CACHE_KIB: i32 = 8_192;

const LAYOUT: &str = "
    CREATE TABLE topics(
        id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, log_id TEXT NOT NULL, partitions INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE partitions(
        topic INTEGER NOT NULL REFERENCES topics(id), partition INTEGER NOT NULL,
        begin INTEGER NOT NULL CHECK (begin >= 0), next INTEGER NOT NULL CHECK (next >= begin),
        last_ms INTEGER NOT NULL, PRIMARY KEY (topic, partition)
    ) STRICT, WITHOUT ROWID;";

/// The table that holds a partition's records.
pub(crate) fn table(topic_id: i64, partition: u32) -> String {
    format!("log_{topic_id}_{partition}")
}

pub(crate) struct Store {
    pub(crate) connection: Connection,
    wal: PathBuf,
    pub(crate) wal_bytes_max: u64,
    /// The size at which the write-ahead log is to be emptied next.
    wal_bytes_next: u64,
}

impl Store {
    /// Opens the file at `path` and makes it if absent.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let doing = format!("open log {}", path.display());
        let mut connection = Connection::open(path).map_err(|error| Error::sqlite(&doing, error))?;
        prepare(&mut connection, path).map_err(|error| match error {
            Prepare::Sqlite(error) => Error::sqlite(&doing, error),
            Prepare::Foreign(what) => Error::new(ErrorKind::ForeignFormat, format!("{doing}: {what}")),
        })?;
        let mut wal = path.as_os_str().to_owned();
        wal.push("-wal");
        Ok(Self { connection, wal: wal.into(), wal_bytes_max: WAL_BYTES_MAX, wal_bytes_next: 0 })
    }

    /// All topics and heads, checked against the rows.
    pub(crate) fn load(&self) -> Result<HashMap<String, Topic>, Error> {
        self.load_inner().map_err(|error| Error::sqlite("read the log's topics", error))?
    }

    fn load_inner(&self) -> rusqlite::Result<Result<HashMap<String, Topic>, Error>> {
        let mut topics = HashMap::new();
        let mut list = self.connection.prepare("SELECT id, name, log_id, partitions FROM topics")?;
        let mut heads = self.connection.prepare(
            "SELECT partition, begin, next, last_ms FROM partitions WHERE topic = ?1 ORDER BY partition",
        )?;
        let mut rows = list.query([])?;
        while let Some(row) = rows.next()? {
            let (id, name): (i64, String) = (row.get(0)?, row.get(1)?);
            let (log_id, partitions): (String, u32) = (row.get(2)?, row.get(3)?);
            let damaged =
                |what: &str| Error::new(ErrorKind::Damaged, format!("topic {name} of the log: {what}"));
            let found: Vec<(u32, Head)> = heads
                .query_map([id], |row| {
                    Ok((row.get(0)?, Head { begin: row.get(1)?, next: row.get(2)?, last_ms: row.get(3)? }))
                })?
                .collect::<rusqlite::Result<_>>()?;
            if !(0..partitions).eq(found.iter().map(|(number, _)| *number)) {
                return Ok(Err(damaged("its partitions are not those it was made with")));
            }
            let Some(log_id) = LogId::new(&log_id) else {
                return Ok(Err(damaged("its log id is malformed")));
            };
            for (number, head) in &found {
                let sql = format!("SELECT max(offset) FROM {}", table(id, *number));
                let last: Option<i64> = self.connection.query_row(&sql, [], |row| row.get(0))?;
                if last.is_some_and(|last| last >= head.next) {
                    return Ok(Err(damaged("a record lies behind its end")));
                }
            }
            let partitions = found.into_iter().map(|(_, head)| head).collect();
            topics.insert(name, Topic { id, log_id, partitions });
        }
        Ok(Ok(topics))
    }

    /// Makes a topic with a new log id.
    pub(crate) fn create_topic(&mut self, name: &str, partitions: u32) -> Result<Topic, Error> {
        let doing = format!("create topic {name}");
        let made = self.create_topic_inner(name, partitions).map_err(|error| Error::sqlite(&doing, error))?;
        let log_id = LogId::new(&made.1).expect("hex digits make a log id");
        Ok(Topic { id: made.0, log_id, partitions: vec![Head::default(); partitions as usize] })
    }

    fn create_topic_inner(&mut self, name: &str, partitions: u32) -> rusqlite::Result<(i64, String)> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // SQLite's generator is seeded from the operating system's entropy.
        let log_id: String =
            transaction.query_row("SELECT lower(hex(randomblob(16)))", [], |row| row.get(0))?;
        transaction.execute(
            "INSERT INTO topics(name, log_id, partitions) VALUES (?1, ?2, ?3)",
            params![name, log_id, partitions],
        )?;
        let id = transaction.last_insert_rowid();
        add_partitions(&transaction, id, 0..partitions)?;
        transaction.commit()?;
        Ok((id, log_id))
    }

    /// Gives a topic `to` partitions in place of fewer.
    pub(crate) fn grow_topic(&mut self, topic_id: i64, from: u32, to: u32) -> Result<(), Error> {
        let mut grow = || -> rusqlite::Result<()> {
            let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            add_partitions(&transaction, topic_id, from..to)?;
            transaction.execute("UPDATE topics SET partitions = ?2 WHERE id = ?1", params![topic_id, to])?;
            transaction.commit()
        };
        grow().map_err(|error| Error::sqlite(&format!("add partitions to topic {topic_id}"), error))
    }

    /// Keeps the write-ahead log small even if some reader is always reading, so that SQLite's own checkpoints never
    /// find a moment to start it over. A reader that does not let go within the wait puts it off.
    pub(crate) fn bound_wal(&mut self) -> Result<(), Error> {
        let bytes = std::fs::metadata(&self.wal).map_or(0, |found| found.len());
        if bytes <= self.wal_bytes_max.max(self.wal_bytes_next) {
            return Ok(());
        }
        let empty = || -> rusqlite::Result<bool> {
            self.connection.busy_timeout(Duration::from_millis(READERS_MS_MAX))?;
            let is_busy =
                self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
            self.connection.busy_timeout(Duration::from_millis(BUSY_MS_MAX))?;
            Ok(is_busy)
        };
        let is_busy = empty().map_err(|error| Error::sqlite("empty the write-ahead log", error))?;
        self.wal_bytes_next = if is_busy { bytes + self.wal_bytes_max } else { 0 };
        Ok(())
    }
}

fn add_partitions(
    transaction: &rusqlite::Transaction<'_>,
    topic_id: i64,
    partitions: std::ops::Range<u32>,
) -> rusqlite::Result<()> {
    for partition in partitions {
        transaction
            .execute("INSERT INTO partitions VALUES (?1, ?2, 0, 0, 0)", params![topic_id, partition])?;
        transaction.execute_batch(&format!(
            "CREATE TABLE {}(
                offset INTEGER PRIMARY KEY CHECK (offset >= 0), append_ms INTEGER NOT NULL,
                key BLOB, value BLOB, headers BLOB
            ) STRICT",
            table(topic_id, partition)
        ))?;
    }
    Ok(())
}

/// A connection that only reads the file at `path`.
pub(crate) fn open_reader(path: &Path, statements: usize) -> Result<Connection, Error> {
    let open = || {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(Duration::from_millis(BUSY_MS_MAX))?;
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        connection.set_prepared_statement_cache_capacity(statements);
        Ok(connection)
    };
    open().map_err(|error| Error::sqlite(&format!("open log {} for reading", path.display()), error))
}

enum Prepare {
    Sqlite(rusqlite::Error),
    Foreign(String),
}

impl From<rusqlite::Error> for Prepare {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

fn prepare(connection: &mut Connection, path: &Path) -> Result<(), Prepare> {
    connection.busy_timeout(Duration::from_millis(BUSY_MS_MAX))?;
    connection.set_prepared_statement_cache_capacity(2 * super::PARTITIONS_MAX as usize);
    let application_id: i32 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let version: i32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let fresh = application_id == 0 && version == 0 && tables == 0;
    if !fresh && application_id != APPLICATION_ID {
        return Err(Prepare::Foreign(format!("{} is no log of Muster", path.display())));
    }
    if !fresh && version != LAYOUT_VERSION {
        return Err(Prepare::Foreign(format!(
            "its layout is version {version}, this program reads {LAYOUT_VERSION}"
        )));
    }
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(Prepare::Foreign(format!(
            "the file system of {} has no write-ahead log",
            path.display()
        )));
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    if fresh {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Exclusive)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", LAYOUT_VERSION)?;
        transaction.execute_batch(LAYOUT)?;
        transaction.commit()?;
    }
    Ok(())
}
