//! Who was told what and when, for the lake's table `alert_deliveries`.
//!
//! In: an outbox's file.  Out: rows in the order they came about.  Owns: a read-only connection.
//! Absent on purpose: writing them to the lake (whoever calls), bodies, names.
//! Why so: a reader of its own beside the deliverer's connection needs no lock that a call to a receiver could hold.

use std::path::Path;
use std::time::Duration;

use model::EventTime;
use rusqlite::{Connection, OpenFlags, params};

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

/// Reads the attempts of an outbox while its deliverer goes on.
#[derive(Debug)]
pub struct DeliveryLog {
    connection: Connection,
}

impl DeliveryLog {
    /// Opens the outbox at `path`, which a deliverer has made.
    ///
    /// # Errors
    /// As SQLite says.
    pub fn open(path: &Path) -> Result<Self, DeliveryError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let failed = DeliveryError::sqlite("open it for reading");
        let connection = Connection::open_with_flags(path, flags).map_err(&failed)?;
        connection.busy_timeout(Duration::from_secs(5)).map_err(failed)?;
        Ok(Self { connection })
    }

    /// All rows of the next `attempts_max` attempts after `attempt_id` (0: from the first one kept), in order. Rows are
    /// kept for `DeliveryLimits::keep_days`.
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
