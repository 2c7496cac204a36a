//! From what waits to messages, and from the answers to their state.
//!
//! In: wall time, answers.  Out: the next message of a destination.  Owns: nothing.
//! Absent on purpose: sealing ahead: what waits becomes a message only when that message can be sent at once, so that
//! a destination which is down or slow gets one message about what then holds, not a queue of what once held.
//! Invariants: a message about a store waits for the one before it until that has failed [`OVERTAKEN_AFTER`] times;
//! one whose every alert was told anew meanwhile is not sent any more.

use model::EventTime;
use rusqlite::{Connection, OptionalExtension, params};
use schemas::lines::{AlertBody, utc_text};
use sha2::{Digest as _, Sha256};

use super::{DeliveryError, Outbox, Standing, store_standing};
use crate::delivery::destination::Destination;
use crate::delivery::digest::{digest_of, is_resolved};

/// Failed attempts (35 minutes) after which newer messages about the same store no longer wait.
const OVERTAKEN_AFTER: u32 = 3;

/// A message to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) id: i64,
    pub(crate) webhook_id: String,
    /// Attempts made so far on the present schedule.
    pub(crate) attempts: u32,
    /// The body, without names.
    pub(crate) body: Vec<u8>,
}

/// Whether what waits may become a message now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sealing {
    /// It may.
    Allowed,
    /// Only what is a message already may be sent.
    Awaited,
}

/// What becomes of a message after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// It was taken.
    Sent,
    /// It is tried again then.
    Queued(EventTime),
    /// It is given up until its destination is switched on again.
    Dead,
}

/// An attempt and its outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recorded {
    pub(crate) message: i64,
    pub(crate) sent_at: EventTime,
    pub(crate) status: &'static str,
    pub(crate) http: Option<u16>,
    pub(crate) after: After,
}

impl Outbox {
    /// The next message of a destination: a retry that is due, else what waits about a store that is due.
    pub(crate) fn next_message(
        &mut self,
        id: i64,
        destination: &Destination,
        in_flight: &[i64],
        sealing: Sealing,
        now: EventTime,
    ) -> Result<Option<Message>, DeliveryError> {
        match (self.next_retry(id, in_flight, now)?, sealing) {
            (Some(message), _) => Ok(Some(message)),
            (None, Sealing::Allowed) => self.seal(id, destination, now),
            (None, Sealing::Awaited) => Ok(None),
        }
    }

    fn next_retry(
        &mut self,
        destination: i64,
        in_flight: &[i64],
        now: EventTime,
    ) -> Result<Option<Message>, DeliveryError> {
        const DOING: &str = "find a message to send again";
        let failed = DeliveryError::sqlite(DOING);
        loop {
            let found = due(&self.connection, destination, in_flight, now).map_err(&failed)?;
            let Some(message) = found else { return Ok(None) };
            if message.attempts == 0
                || !is_superseded(&self.connection, destination, message.id).map_err(&failed)?
            {
                return Ok(Some(message));
            }
            self.connection
                .execute("UPDATE messages SET state = 'superseded', body = NULL WHERE id = ?1", [message.id])
                .map_err(&failed)?;
        }
    }

    /// Makes a message of what waits about the store that has been due longest.
    fn seal(
        &mut self,
        id: i64,
        destination: &Destination,
        now: EventTime,
    ) -> Result<Option<Message>, DeliveryError> {
        const DOING: &str = "seal a message";
        let failed = DeliveryError::sqlite(DOING);
        if due_store(&self.connection, id, now).map_err(&failed)?.is_none() {
            return Ok(None);
        }
        let transaction = self.transaction(DOING)?;
        let mut sealed = None;
        while let Some(store) = due_store(&transaction, id, now).map_err(&failed)? {
            sealed = seal_store(&transaction, id, destination, &store, now).map_err(&failed)?;
            if sealed.is_some() {
                break;
            }
        }
        transaction.commit().map_err(failed)?;
        Ok(sealed)
    }

    /// Stores an attempt, what becomes of its message, and how its destination stands. `recovered` lets everything of the
    /// destination be tried again at once: its waits were for a receiver that was away.
    pub(crate) fn record(
        &mut self,
        destination: i64,
        standing: &Standing,
        recorded: &Recorded,
        recovered: Option<EventTime>,
    ) -> Result<(), DeliveryError> {
        const DOING: &str = "record an attempt";
        let failed = DeliveryError::sqlite(DOING);
        let transaction = self.transaction(DOING)?;
        record(&transaction, recorded)
            .and_then(|()| store_standing(&transaction, destination, standing))
            .and_then(|()| match recovered {
                None => Ok(0),
                Some(now) => transaction.execute(
                    "UPDATE messages SET due_at = ?2 WHERE destination = ?1 AND state = 'queued' AND due_at > ?2",
                    params![destination, now.us()],
                ),
            })
            .map_err(&failed)?;
        transaction.commit().map_err(failed)
    }
}

fn record(connection: &Connection, recorded: &Recorded) -> rusqlite::Result<()> {
    let Recorded { message, sent_at, status, http, after } = recorded;
    let (state, due_at) = match after {
        After::Sent => ("sent", None),
        After::Queued(due_at) => ("queued", Some(due_at.us())),
        After::Dead => ("dead", None),
    };
    // What was taken need not be kept; who was told what stays in `message_alerts`. A message that was given up while it
    // was on its way stays given up, unless it was taken.
    connection
        .prepare_cached(
            "UPDATE messages SET attempts = attempts + 1, due_at = ifnull(?3, due_at),
             state = CASE WHEN state = 'expired' AND ?2 <> 'sent' THEN state ELSE ?2 END,
             body = CASE ?2 WHEN 'sent' THEN NULL ELSE body END WHERE id = ?1",
        )?
        .execute(params![message, state, due_at])?;
    connection
        .prepare_cached(
            "INSERT INTO attempts(message, attempt, sent_at, status, http)
             SELECT id, attempts, ?2, ?3, ?4 FROM messages WHERE id = ?1",
        )?
        .execute(params![message, sent_at.us(), status, http])?;
    Ok(())
}

fn due(
    connection: &Connection,
    destination: i64,
    in_flight: &[i64],
    now: EventTime,
) -> rusqlite::Result<Option<Message>> {
    let mut select = connection.prepare_cached(
        "SELECT id, webhook_id, attempts - attempts_before, body FROM messages
         WHERE destination = ?1 AND state = 'queued' AND due_at <= ?2 ORDER BY due_at, id",
    )?;
    let mut rows = select.query(params![destination, now.us()])?;
    while let Some(row) = rows.next()? {
        let id = row.get(0)?;
        if !in_flight.contains(&id) {
            let message = Message { id, webhook_id: row.get(1)?, attempts: row.get(2)?, body: row.get(3)? };
            return Ok(Some(message));
        }
    }
    Ok(None)
}

/// Whether every alert of the message was told anew, by a message that was taken.
fn is_superseded(connection: &Connection, destination: i64, message: i64) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT NOT EXISTS (
                 SELECT 1 FROM message_alerts a WHERE a.message = ?1 AND NOT EXISTS (
                     SELECT 1 FROM message_alerts b JOIN messages m ON m.id = b.message
                     WHERE b.alert_id = a.alert_id AND b.version > a.version
                       AND m.destination = ?2 AND m.state = 'sent'))",
        )?
        .query_row(params![message, destination], |row| row.get(0))
}

fn due_store(connection: &Connection, destination: i64, now: EventTime) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached(
            "SELECT store FROM stores s WHERE destination = ?1 AND due_at <= ?2 AND NOT EXISTS (
                 SELECT 1 FROM messages m WHERE m.destination = ?1 AND m.store = s.store AND m.state = 'queued'
                   AND m.attempts - m.attempts_before < ?3)
             ORDER BY due_at LIMIT 1",
        )?
        .query_row(params![destination, now.us(), OVERTAKEN_AFTER], |row| row.get(0))
        .optional()
}

fn seal_store(
    connection: &Connection,
    id: i64,
    destination: &Destination,
    store: &str,
    now: EventTime,
) -> rusqlite::Result<Option<Message>> {
    let alerts: Vec<AlertBody> = connection
        .prepare_cached("SELECT body FROM waiting WHERE destination = ?1 AND store = ?2 ORDER BY alert_id")?
        .query_map(params![id, store], |row| {
            serde_json::from_slice(row.get_ref(0)?.as_blob()?).map_err(|error| {
                rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Blob, Box::new(error))
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    if alerts.is_empty() {
        connection
            .prepare_cached("UPDATE stores SET due_at = NULL WHERE destination = ?1 AND store = ?2")?
            .execute(params![id, store])?;
        return Ok(None);
    }
    let webhook_id = webhook_id(destination.name(), store, &alerts);
    let told: Vec<(String, i64, bool)> =
        alerts.iter().map(|a| (a.alert_id.clone(), a.version, !is_resolved(a))).collect();
    let body = digest_of(destination, alerts, &utc_text(now)).to_json();
    connection
        .prepare_cached(
            "INSERT INTO messages(destination, store, webhook_id, body, sealed_at, due_at, state)
             VALUES (?1, ?2, ?3, ?4, ?5, ?5, 'queued')",
        )?
        .execute(params![id, store, webhook_id, body, now.us()])?;
    let message = connection.last_insert_rowid();
    for (alert_id, version, is_firing) in &told {
        connection
            .prepare_cached("INSERT INTO message_alerts(message, alert_id, version) VALUES (?1, ?2, ?3)")?
            .execute(params![message, alert_id, version])?;
        connection
            .prepare_cached(
                "INSERT INTO told(destination, alert_id, version, is_firing, told_at) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO UPDATE SET version = excluded.version, is_firing = excluded.is_firing,
                     told_at = excluded.told_at",
            )?
            .execute(params![id, alert_id, version, is_firing, now.us()])?;
    }
    connection
        .prepare_cached("DELETE FROM waiting WHERE destination = ?1 AND store = ?2")?
        .execute(params![id, store])?;
    connection
        .prepare_cached(
            "UPDATE stores SET due_at = NULL, sealed_at = ?3 WHERE destination = ?1 AND store = ?2",
        )?
        .execute(params![id, store, now.us()])?;
    Ok(Some(Message { id: message, webhook_id, attempts: 0, body }))
}

/// The id of a message: of its destination and of exactly these versions, so that it is the same whenever they are put
/// together again. `alerts` are in the order of their ids.
fn webhook_id(destination: &str, store: &str, alerts: &[AlertBody]) -> String {
    const SEPARATOR: [u8; 1] = [0x1f];
    let mut hash = Sha256::new().chain_update(destination).chain_update(SEPARATOR).chain_update(store);
    for alert in alerts {
        hash = hash.chain_update(SEPARATOR).chain_update(&alert.alert_id);
        hash = hash.chain_update(alert.version.to_be_bytes());
    }
    let mut id = String::from("msg_");
    for byte in &hash.finalize()[..16] {
        id.push_str(&format!("{byte:02x}"));
    }
    id
}
