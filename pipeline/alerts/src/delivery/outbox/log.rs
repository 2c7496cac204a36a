//! The outbox as others than its deliverer see it: who was told what and when, for the lake's table `alert_deliveries`;
//! which destinations are off, for operators.
//!
//! In: an outbox's file; how far the lake holds it; what is wanted on again.  Out: rows in the order they came about.
//! Owns: a connection.
//! Absent on purpose: writing them to the lake (whoever calls), bodies, names.
//! Why so: a reader of its own beside the deliverer's connection needs no lock that a call to a receiver could hold.

use std::path::Path;
use std::time::Duration;

use model::EventTime;
use rusqlite::{Connection, OpenFlags, TransactionBehavior, params};

use super::DeliveryError;

/// One alert's part in one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryRow {
    /// The attempt's number in this outbox; rises, the same for all alerts of its message.
    pub attempt_id: i64,
    /// The alert.
    pub alert_id: String,
    /// Its version.
    pub version: i64,
    /// The destination's name.
    pub destination: String,
    /// The message's id: the same in all attempts.
    pub webhook_id: String,
    /// 1 for the first attempt of the message.
    pub attempt: u32,
    /// `sent`, `refused`, `gone`, `redirect_refused`, `timeout`, `connect`, `address_refused`, `abandoned`, …
    pub status: String,
    /// The HTTP status, if there was one.
    pub http_status: Option<u16>,
    /// When it was sent.
    pub at: EventTime,
}

/// A destination that is no longer called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffDestination {
    /// Its name.
    pub name: String,
    /// Since when.
    pub since: EventTime,
    /// Why.
    pub why: String,
    /// Whether an operator wants it on, and its deliverer has not seen that yet.
    pub is_wanted_on: bool,
}

/// Reads the attempts of an outbox while its deliverer goes on.
#[derive(Debug)]
pub struct DeliveryLog {
    connection: Connection,
    outbox: String,
}

impl DeliveryLog {
    /// Opens the outbox at `path`, which a deliverer has made.
    ///
    /// # Errors
    /// As SQLite says.
    pub fn open(path: &Path) -> Result<Self, DeliveryError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let failed = DeliveryError::sqlite("open it for reading");
        let connection = Connection::open_with_flags(path, flags).map_err(&failed)?;
        connection.busy_timeout(Duration::from_secs(5)).map_err(&failed)?;
        connection.execute_batch("PRAGMA synchronous = FULL").map_err(&failed)?;
        let outbox = connection.query_row("SELECT outbox FROM lake", [], |row| row.get(0)).map_err(failed)?;
        Ok(Self { connection, outbox })
    }

    /// The id of the outbox: 32 hex digits, made with it.
    pub fn outbox(&self) -> &str {
        &self.outbox
    }

    /// Notes that the lake holds every row up to `attempt_id`: they may be forgotten once they are old enough. Attempts
    /// to come are numbered behind it, also in an outbox that was brought back from a copy.
    ///
    /// # Errors
    /// As SQLite says.
    pub fn stored(&mut self, attempt_id: i64) -> Result<(), DeliveryError> {
        let mut note = || {
            let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            transaction.execute("UPDATE lake SET stored_until = max(stored_until, ?1)", [attempt_id])?;
            transaction.execute(
                "INSERT INTO sqlite_sequence(name, seq) SELECT 'attempts', 0
                 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'attempts')",
                [],
            )?;
            transaction.execute(
                "UPDATE sqlite_sequence SET seq = ?1 WHERE name = 'attempts' AND seq < ?1",
                [attempt_id],
            )?;
            transaction.commit()
        };
        note().map_err(DeliveryError::sqlite("note what the lake holds"))
    }

    /// The destinations that are switched off, by name.
    ///
    /// # Errors
    /// As SQLite says.
    pub fn off(&self) -> Result<Vec<OffDestination>, DeliveryError> {
        let read = || {
            self.connection
                .prepare_cached(
                    "SELECT name, off_at, off_why, name IN (SELECT destination FROM wanted_on) FROM destinations
                     WHERE off_at IS NOT NULL ORDER BY name",
                )?
                .query_map([], |row| {
                    let why: Option<String> = row.get(2)?;
                    Ok(OffDestination {
                        name: row.get(0)?,
                        since: EventTime::from_us(row.get(1)?),
                        why: why.unwrap_or_default(),
                        is_wanted_on: row.get(3)?,
                    })
                })?
                .collect::<rusqlite::Result<_>>()
        };
        read().map_err(DeliveryError::sqlite("read which destinations are off"))
    }

    /// Notes that the destination `name` is to be switched on again: its deliverer does so within a second or two, or
    /// when it starts. What was given up there is tried again.
    ///
    /// # Errors
    /// As SQLite says.
    pub fn enable(&self, name: &str) -> Result<(), DeliveryError> {
        let insert = "INSERT INTO wanted_on VALUES (?1) ON CONFLICT DO NOTHING";
        let noted = self.connection.execute(insert, [name]);
        noted.map(|_| ()).map_err(DeliveryError::sqlite("note that a destination is wanted on"))
    }

    /// All rows of the next `attempts_max` attempts after `attempt_id` (0: from the first one kept), in order. Rows are
    /// kept for `DeliveryLimits::keep_days`, and until they were [`stored`](Self::stored).
    ///
    /// # Errors
    /// As SQLite says.
    pub fn after(&self, attempt_id: i64, attempts_max: u32) -> Result<Vec<DeliveryRow>, DeliveryError> {
        let read = || {
            self.connection
                .prepare_cached(
                    "SELECT t.id, a.alert_id, a.version, d.name, m.webhook_id, t.attempt, t.status, t.http, t.sent_at
                     FROM (SELECT * FROM attempts WHERE id > ?1 ORDER BY id LIMIT ?2) AS t
                     JOIN messages m ON m.id = t.message
                     JOIN destinations d ON d.id = m.destination
                     JOIN message_alerts a ON a.message = t.message
                     ORDER BY t.id, a.alert_id",
                )?
                .query_map(params![attempt_id, attempts_max], |row| {
                    Ok(DeliveryRow {
                        attempt_id: row.get(0)?,
                        alert_id: row.get(1)?,
                        version: row.get(2)?,
                        destination: row.get(3)?,
                        webhook_id: row.get(4)?,
                        attempt: row.get(5)?,
                        status: row.get(6)?,
                        http_status: row.get(7)?,
                        at: EventTime::from_us(row.get(8)?),
                    })
                })?
                .collect::<rusqlite::Result<_>>()
        };
        read().map_err(DeliveryError::sqlite("read what was delivered"))
    }
}
