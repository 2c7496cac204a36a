//! The outbox: how far the alerts topic was read, what waits for whom, what was sent when; one SQLite file.
//!
//! In: what batches of the topic say; how calls went.  Out: messages to send, rows about what was sent.
//! Owns: the file and its lock.
//! Absent on purpose: wall time (handed in), names of people (added to the copy that is sent), calls.
//! Invariants: the position moves in the transaction that stores what was read, so that no alert is lost or taken twice;
//! a version is put into one message of a destination at most (`told`); a message keeps its id and body in all attempts;
//! an attempt is forgotten only once the lake holds it.
//! Why so: SQLite with a write-ahead log and `synchronous=FULL` has the best known crash record of the stores compared
//! (research/ecosystem.md, section 3), and a retry that lives in memory is lost with the process.
//!
//! ```text
//!            take                          seal                             record
//! topic ──▶ waiting ── group_wait, ──▶ messages ── attempt, breaker, ──▶ attempts ──▶ `alert_deliveries`
//!            (latest     interval      queued        bucket, schedule     sent | dead | superseded | expired
//!             version)                   └──▶ told (what the receiver was last told about each alert)
//! ```

mod arrivals;
mod elsewhere;
mod erase;
mod log;
mod messages;
mod upkeep;

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::position::{Generation, NextOffset};
use model::{EventTime, Partition};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use source::LogIdentity;

use super::breaker::Breaker;
use super::error::DeliveryError;

pub(crate) use arrivals::{Event, Taking};
pub use elsewhere::ToldBefore;
pub use erase::{OutboxErasure, TellsOf, erase_from_outbox};
pub use log::{DeliveryLog, DeliveryRow, OffDestination};
pub(crate) use messages::{After, Message, Recorded, Sealing};

/// "mstO": tells SQLite files of the outbox from others.
const APPLICATION_ID: i32 = 0x6d73_744f;
/// The layout below.
const LAYOUT_VERSION: i32 = 2;
/// How long a statement waits for a reader, in ms.
const BUSY_MS_MAX: u64 = 5_000;
/// Statements kept prepared.
const STATEMENTS: usize = 64;

const LAYOUT: &str = "
    CREATE TABLE topic(name TEXT NOT NULL, log_id TEXT NOT NULL) STRICT;
    CREATE TABLE positions(
        partition INTEGER PRIMARY KEY, next INTEGER NOT NULL CHECK (next >= 0), owner INTEGER,
        fresh_from INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE destinations(
        id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, fingerprint TEXT NOT NULL, off_at INTEGER, off_why TEXT,
        failures INTEGER NOT NULL DEFAULT 0, opened INTEGER NOT NULL DEFAULT 0, open_until INTEGER,
        leave_until INTEGER
    ) STRICT;
    CREATE TABLE waiting(
        destination INTEGER NOT NULL, alert_id TEXT NOT NULL, version INTEGER NOT NULL, store TEXT NOT NULL,
        arrived_at INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (destination, alert_id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX waiting_store ON waiting(destination, store);
    CREATE TABLE stores(
        destination INTEGER NOT NULL, store TEXT NOT NULL, due_at INTEGER, sealed_at INTEGER,
        PRIMARY KEY (destination, store)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX stores_due ON stores(destination, due_at) WHERE due_at IS NOT NULL;
    CREATE TABLE told(
        destination INTEGER NOT NULL, alert_id TEXT NOT NULL, version INTEGER NOT NULL, is_firing INTEGER NOT NULL,
        told_at INTEGER NOT NULL, PRIMARY KEY (destination, alert_id)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE messages(
        id INTEGER PRIMARY KEY AUTOINCREMENT, destination INTEGER NOT NULL, store TEXT NOT NULL,
        webhook_id TEXT NOT NULL, body BLOB, sealed_at INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
        attempts_before INTEGER NOT NULL DEFAULT 0, due_at INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('queued', 'sent', 'dead', 'superseded', 'expired'))
    ) STRICT;
    CREATE INDEX messages_due ON messages(destination, due_at) WHERE state = 'queued';
    CREATE INDEX messages_store ON messages(destination, store) WHERE state = 'queued';
    CREATE INDEX messages_dead ON messages(destination) WHERE state = 'dead';
    CREATE TABLE message_alerts(
        message INTEGER NOT NULL, alert_id TEXT NOT NULL, version INTEGER NOT NULL, PRIMARY KEY (message, alert_id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX message_alerts_alert ON message_alerts(alert_id);
    CREATE TABLE attempts(
        id INTEGER PRIMARY KEY AUTOINCREMENT, message INTEGER NOT NULL, attempt INTEGER NOT NULL,
        sent_at INTEGER NOT NULL, status TEXT NOT NULL, http INTEGER
    ) STRICT;
    CREATE INDEX attempts_message ON attempts(message);
    CREATE INDEX attempts_time ON attempts(sent_at);";

/// What layout 2 adds to layout 1: the outbox's own id, up to which attempt the lake holds everything, and destinations
/// that an operator wants switched on again.
const LAYOUT_2: &str = "
    CREATE TABLE lake(outbox TEXT NOT NULL, stored_until INTEGER NOT NULL) STRICT;
    INSERT INTO lake VALUES (lower(hex(randomblob(16))), 0);
    CREATE TABLE wanted_on(destination TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;";

/// How far one partition of the topic was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// The first offset not yet taken.
    pub(crate) next: NextOffset,
    /// The generation of the owner whose marker was read.
    pub(crate) owner: Option<Generation>,
    /// Alerts before this were there before the deliverer first started: the old ones among them page nobody.
    pub(crate) fresh_from: NextOffset,
}

/// What is kept of a destination.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Since when it is switched off, and why.
    pub(crate) off: Option<(EventTime, String)>,
    /// Whether it is worth calling.
    pub(crate) breaker: Breaker,
    /// It asked to be left alone until then.
    pub(crate) leave_until: Option<EventTime>,
}

/// An open outbox.
pub(crate) struct Outbox {
    path: PathBuf,
    pub(super) connection: Connection,
    _lock: File,
}

impl Outbox {
    /// Opens the outbox at `path`, makes it and its folder if absent, and locks it.
    pub(crate) fn open(path: &Path) -> Result<Self, DeliveryError> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)
                .map_err(|error| DeliveryError::file("make folder", folder, error))?;
        }
        let lock = lock(path)?;
        let mut connection = Connection::open(path).map_err(DeliveryError::sqlite("open it"))?;
        prepare(&mut connection, path)?;
        Ok(Self { path: path.to_owned(), connection, _lock: lock })
    }

    fn transaction(&mut self, doing: &'static str) -> Result<rusqlite::Transaction<'_>, DeliveryError> {
        self.connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(DeliveryError::sqlite(doing))
    }

    /// Binds a new outbox to its topic; an older one must be bound to the same.
    pub(crate) fn bind(&mut self, log: &LogIdentity) -> Result<(), DeliveryError> {
        let failed = DeliveryError::sqlite("read its topic");
        let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?));
        let own = self.connection.query_row("SELECT name, log_id FROM topic", [], row).optional();
        let text = |name: &str, log_id: &str| format!("{name} (log {log_id})");
        match own.map_err(&failed)? {
            None => {
                let insert = "INSERT INTO topic VALUES (?1, ?2)";
                self.connection.execute(insert, [&log.topic, log.log_id.as_str()]).map_err(failed)?;
                Ok(())
            }
            Some((name, log_id)) if name == log.topic && log_id == log.log_id.as_str() => Ok(()),
            Some((name, log_id)) => Err(DeliveryError::OtherTopic {
                path: self.path.display().to_string(),
                own: text(&name, &log_id),
                found: text(&log.topic, log.log_id.as_str()),
            }),
        }
    }

    /// How far `partition` was read; `None` before the first time.
    pub(crate) fn position(&self, partition: Partition) -> Result<Option<Position>, DeliveryError> {
        let read = "SELECT next, owner, fresh_from FROM positions WHERE partition = ?1";
        let place = |value: i64| NextOffset::new(value).unwrap_or(NextOffset::START);
        self.connection
            .query_row(read, [partition.number()], |row| {
                Ok(Position {
                    next: place(row.get(0)?),
                    owner: row.get::<_, Option<i64>>(1)?.map(Generation),
                    fresh_from: place(row.get(2)?),
                })
            })
            .optional()
            .map_err(DeliveryError::sqlite("read a position"))
    }

    /// Stores where `partition` is read from for the first time.
    pub(crate) fn begin(&mut self, partition: Partition, position: Position) -> Result<(), DeliveryError> {
        let insert = "INSERT INTO positions(partition, next, owner, fresh_from) VALUES (?1, ?2, ?3, ?4)";
        let owner = position.owner.map(|owner| owner.0);
        let row = params![partition.number(), position.next.get(), owner, position.fresh_from.get()];
        self.connection.execute(insert, row).map_err(DeliveryError::sqlite("store a position"))?;
        Ok(())
    }

    /// The destinations that an operator wants switched on again.
    pub(crate) fn wanted_on(&self) -> Result<Vec<String>, DeliveryError> {
        let read = || {
            self.connection
                .prepare_cached("SELECT destination FROM wanted_on")?
                .query_map([], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()
        };
        read().map_err(DeliveryError::sqlite("read which destinations are wanted on"))
    }

    /// The number and standing of the destination called `name`. One whose URL or secrets changed since, or that is
    /// wanted on again, begins anew, and what was given up is tried again.
    pub(crate) fn destination(
        &mut self,
        name: &str,
        fingerprint: &str,
        now: EventTime,
    ) -> Result<(i64, Standing), DeliveryError> {
        const DOING: &str = "read a destination";
        let transaction = self.transaction(DOING)?;
        let failed = DeliveryError::sqlite(DOING);
        transaction
            .execute(
                "INSERT INTO destinations(name, fingerprint) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
                [name, fingerprint],
            )
            .map_err(&failed)?;
        let (id, known, standing) = transaction
            .query_row(
                "SELECT id, fingerprint, off_at, off_why, failures, opened, open_until, leave_until
                 FROM destinations WHERE name = ?1",
                [name],
                |row| {
                    let time = |column| -> rusqlite::Result<Option<EventTime>> {
                        Ok(row.get::<_, Option<i64>>(column)?.map(EventTime::from_us))
                    };
                    let why: Option<String> = row.get(3)?;
                    let standing = Standing {
                        off: time(2)?.map(|at| (at, why.unwrap_or_default())),
                        breaker: Breaker { failures: row.get(4)?, opened: row.get(5)?, open_until: time(6)? },
                        leave_until: time(7)?,
                    };
                    Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, standing))
                },
            )
            .map_err(&failed)?;
        let wanted_on =
            transaction.execute("DELETE FROM wanted_on WHERE destination = ?1", [name]).map_err(&failed)? > 0;
        let is_new = known != fingerprint || wanted_on;
        if is_new {
            transaction
                .execute("UPDATE destinations SET fingerprint = ?2 WHERE id = ?1", params![id, fingerprint])
                .and_then(|_| store_standing(&transaction, id, &Standing::default()))
                .and_then(|()| {
                    transaction.execute(
                        "UPDATE messages SET state = 'queued', due_at = ?2, attempts_before = attempts
                         WHERE destination = ?1 AND state IN ('queued', 'dead')",
                        params![id, now.us()],
                    )
                })
                .map_err(&failed)?;
        }
        transaction.commit().map_err(failed)?;
        Ok((id, if is_new { Standing::default() } else { standing }))
    }
}

fn store_standing(connection: &Connection, id: i64, standing: &Standing) -> rusqlite::Result<()> {
    let us = |time: Option<EventTime>| time.map(EventTime::us);
    let (off_at, off_why) = standing.off.as_ref().map(|(at, why)| (at.us(), why.as_str())).unzip();
    let Breaker { failures, opened, open_until } = standing.breaker;
    connection
        .prepare_cached(
            "UPDATE destinations SET off_at = ?2, off_why = ?3, failures = ?4, opened = ?5, open_until = ?6,
             leave_until = ?7 WHERE id = ?1",
        )?
        .execute(params![id, off_at, off_why, failures, opened, us(open_until), us(standing.leave_until)])?;
    Ok(())
}

/// Takes the lock beside the file at `path`; the kernel lets go of it if the process dies.
fn lock(path: &Path) -> Result<File, DeliveryError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".lock");
    let beside = PathBuf::from(beside);
    let failed = |error| DeliveryError::file("lock outbox", &beside, error);
    let mut file =
        File::options().read(true).write(true).create(true).truncate(false).open(&beside).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::Error(error)) => return Err(failed(error)),
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // Who holds it is a courtesy: without it the error still says what is wrong.
            let _ = file.read_to_string(&mut holder);
            let holder = match holder.trim() {
                "" => "another process".to_owned(),
                pid => format!("process {pid}"),
            };
            return Err(DeliveryError::Locked { path: path.display().to_string(), holder });
        }
    }
    let name_holder = |file: &mut File| {
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0))?;
        writeln!(file, "{}", std::process::id())
    };
    name_holder(&mut file).map_err(failed)?;
    Ok(file)
}

/// Makes the layout in a new file; brings an older one's up to it.
fn prepare(connection: &mut Connection, path: &Path) -> Result<(), DeliveryError> {
    let failed = DeliveryError::sqlite("open it");
    let foreign = |what: String| DeliveryError::Foreign { path: path.display().to_string(), what };
    connection.busy_timeout(Duration::from_millis(BUSY_MS_MAX)).map_err(&failed)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    let number = |connection: &Connection, sql: &str| {
        connection.query_row(sql, [], |row| row.get::<_, i32>(0)).map_err(|error| match error {
            rusqlite::Error::SqliteFailure(failure, _)
                if failure.code == rusqlite::ErrorCode::NotADatabase =>
            {
                foreign("it is no SQLite file".into())
            }
            other => failed(other),
        })
    };
    let mode: String = match connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)) {
        Err(rusqlite::Error::SqliteFailure(failure, _))
            if failure.code == rusqlite::ErrorCode::NotADatabase =>
        {
            return Err(foreign("it is no SQLite file".into()));
        }
        mode => mode.map_err(&failed)?,
    };
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(foreign(format!("its file system lets it have no write-ahead log (mode {mode})")));
    }
    connection.execute_batch("PRAGMA synchronous = FULL").map_err(&failed)?;
    let tables = number(connection, "SELECT count(*) FROM sqlite_schema")?;
    let (id, version) =
        (number(connection, "PRAGMA application_id")?, number(connection, "PRAGMA user_version")?);
    let mut make = |layouts: &[&str]| {
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
        for layout in layouts {
            transaction.execute_batch(layout).map_err(&failed)?;
        }
        let stamp =
            format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {LAYOUT_VERSION};");
        transaction.execute_batch(&stamp).map_err(&failed)?;
        transaction.commit().map_err(&failed)
    };
    match (tables, id, version) {
        (0, 0, 0) => make(&[LAYOUT, LAYOUT_2]),
        (_, APPLICATION_ID, 1) => make(&[LAYOUT_2]),
        (_, APPLICATION_ID, LAYOUT_VERSION) => Ok(()),
        (_, APPLICATION_ID, version) => {
            Err(foreign(format!("it has layout {version}, this version of Muster reads {LAYOUT_VERSION}")))
        }
        _ => Err(foreign("it is another program's file".into())),
    }
}
