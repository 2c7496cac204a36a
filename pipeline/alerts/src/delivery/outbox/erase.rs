//! One person's alerts out of the outbox: what was told, what was tried, and the bytes behind it.
//!
//! In: the ids of the person's alerts, and who can tell a body that is about the person.  Out: [`OutboxErasure`].  Owns: nothing.
//! Absent on purpose: sending: what waits or is queued is somebody's news, so its owner is told to let it be delivered first.

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::{Connection, params};

use super::{DeliveryError, Outbox};

/// Whether a body tells of a person.
pub type TellsOf<'a> = dyn Fn(&[u8]) -> bool + 'a;

/// What an outbox holds of a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboxErasure {
    /// Alerts and messages that wait to be sent: while there are any, nothing is erased.
    pub unsent: u64,
    /// Rows about the person's alerts: what was told, and what messages were made of.
    pub rows: u64,
}

/// Erases from the outbox at `path` what it holds about `alerts`, and messages given up whose body `tells_of` the person; nothing
/// while any of it waits to be sent, or if this is a `dry_run`. Without a file there is nothing.
///
/// # Errors
/// `Locked` while a deliverer has it open; as SQLite says.
pub fn erase_from_outbox(
    path: &Path,
    alerts: &BTreeSet<String>,
    tells_of: &TellsOf<'_>,
    dry_run: bool,
) -> Result<OutboxErasure, DeliveryError> {
    if !path.exists() {
        return Ok(OutboxErasure::default());
    }
    let mut outbox = Outbox::open(path)?;
    const DOING: &str = "erase a person's alerts";
    let failed = DeliveryError::sqlite(DOING);
    outbox.connection.pragma_update(None, "secure_delete", "ON").map_err(&failed)?;
    let transaction = outbox.transaction(DOING)?;
    let found = look(&transaction, alerts, tells_of).map_err(&failed)?;
    let erasure = OutboxErasure { unsent: found.unsent, rows: found.rows };
    if dry_run || erasure.unsent > 0 {
        return Ok(erasure);
    }
    remove(&transaction, alerts, &found.messages).map_err(&failed)?;
    transaction.commit().map_err(&failed)?;
    // Pages that were freed before may hold copies, and so does the write-ahead log.
    outbox
        .connection
        .execute_batch("VACUUM")
        .and_then(|()| outbox.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())))
        .map_err(failed)?;
    Ok(erasure)
}

struct Found {
    unsent: u64,
    rows: u64,
    /// Messages with one of the person's alerts in them.
    messages: BTreeSet<i64>,
}

fn look(
    connection: &Connection,
    alerts: &BTreeSet<String>,
    tells_of: &TellsOf<'_>,
) -> rusqlite::Result<Found> {
    let mut found = Found { unsent: 0, rows: 0, messages: BTreeSet::new() };
    let mut waiting = connection.prepare("SELECT alert_id, body FROM waiting")?;
    let mut rows = waiting.query([])?;
    while let Some(row) = rows.next()? {
        found.unsent +=
            u64::from(alerts.contains(row.get_ref(0)?.as_str()?) || tells_of(row.get_ref(1)?.as_blob()?));
    }
    let mut told = connection.prepare("SELECT alert_id FROM told")?;
    let mut rows = told.query([])?;
    while let Some(row) = rows.next()? {
        found.rows += u64::from(alerts.contains(row.get_ref(0)?.as_str()?));
    }
    let mut parts = connection.prepare("SELECT message, alert_id FROM message_alerts")?;
    let mut rows = parts.query([])?;
    while let Some(row) = rows.next()? {
        if alerts.contains(row.get_ref(1)?.as_str()?) {
            found.messages.insert(row.get(0)?);
            found.rows += 1;
        }
    }
    let mut bodies =
        connection.prepare("SELECT id, state, body FROM messages WHERE state IN ('queued', 'dead')")?;
    let mut rows = bodies.query([])?;
    while let Some(row) = rows.next()? {
        let id = row.get(0)?;
        let tells = row.get_ref(2)?.as_blob_or_null()?.is_some_and(tells_of);
        if tells || found.messages.contains(&id) {
            found.unsent += u64::from(row.get_ref(1)?.as_str()? == "queued");
            found.messages.insert(id);
        }
    }
    Ok(found)
}

fn remove(
    connection: &Connection,
    alerts: &BTreeSet<String>,
    messages: &BTreeSet<i64>,
) -> rusqlite::Result<()> {
    for alert in alerts {
        for table in ["told", "message_alerts"] {
            connection
                .prepare_cached(&format!("DELETE FROM {table} WHERE alert_id = ?1"))?
                .execute([alert])?;
        }
    }
    for message in messages {
        // What was given up is never tried again without the person; what others are in keeps its attempts.
        connection
            .prepare_cached(
                "UPDATE messages SET state = 'expired', body = NULL WHERE id = ?1 AND state = 'dead'",
            )?
            .execute(params![message])?;
        let is_theirs_alone = "(SELECT 1 FROM message_alerts WHERE message_alerts.message = ?1)";
        for (table, column) in [("attempts", "message"), ("messages", "id")] {
            connection
                .prepare_cached(&format!(
                    "DELETE FROM {table} WHERE {column} = ?1 AND NOT EXISTS {is_theirs_alone}"
                ))?
                .execute(params![message])?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILL: &str = "
        INSERT INTO told VALUES (1, 'theirs', 1, 1, 0), (1, 'others', 1, 1, 0);
        INSERT INTO messages(id, destination, store, webhook_id, body, sealed_at, due_at, state) VALUES
            (1, 1, 's', 'm1', NULL, 0, 0, 'sent'), (2, 1, 's', 'm2', NULL, 0, 0, 'sent'),
            (3, 1, 's', 'm3', CAST('of E1' AS BLOB), 0, 0, 'dead'), (4, 1, 's', 'm4', CAST('of E2' AS BLOB), 0, 0, 'dead');
        INSERT INTO message_alerts VALUES (1, 'theirs', 1), (2, 'theirs', 1), (2, 'others', 1), (4, 'others', 2);
        INSERT INTO attempts(message, attempt, sent_at, status) VALUES (1, 1, 0, 'sent'), (2, 1, 0, 'sent');";

    fn erase(path: &Path, dry_run: bool) -> OutboxErasure {
        let alerts = BTreeSet::from(["theirs".to_owned()]);
        let tells_of = |body: &[u8]| body.windows(2).any(|word| word == b"E1");
        erase_from_outbox(path, &alerts, &tells_of, dry_run).unwrap()
    }

    fn bytes_tell(path: &Path) -> bool {
        let wal = path.with_extension("sqlite-wal");
        let files = [path, &wal].map(|file| std::fs::read(file).unwrap_or_default());
        files.iter().any(|bytes| {
            ["theirs", "of E1"]
                .iter()
                .any(|text| bytes.windows(text.len()).any(|found| found == text.as_bytes()))
        })
    }

    #[test]
    fn what_was_told_goes_with_its_bytes_and_what_waits_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outbox.sqlite");
        assert_eq!(erase(&path, false), OutboxErasure::default());
        assert!(!path.exists(), "nothing is made");
        let outbox = Outbox::open(&path).unwrap();
        outbox.connection.execute_batch(FILL).unwrap();
        let waiting = "INSERT INTO waiting VALUES (1, 'other', 1, 's', 0, CAST('of E1' AS BLOB))";
        outbox.connection.execute_batch(waiting).unwrap();
        drop(outbox);
        assert_eq!(erase(&path, false), OutboxErasure { unsent: 1, rows: 3 });
        assert!(bytes_tell(&path), "nothing went while something waits");
        let outbox = Outbox::open(&path).unwrap();
        outbox.connection.execute_batch("DELETE FROM waiting").unwrap();
        drop(outbox);
        assert_eq!(erase(&path, true), OutboxErasure { unsent: 0, rows: 3 });
        assert_eq!(erase(&path, false), OutboxErasure { unsent: 0, rows: 3 });
        assert!(!bytes_tell(&path));
        let outbox = Outbox::open(&path).unwrap();
        let left = |sql: &str| outbox.connection.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
        assert_eq!(
            left("SELECT group_concat(id || state || ifnull(CAST(body AS TEXT), ''), ' ') FROM messages"),
            "2sent 4deadof E2"
        );
        assert_eq!(left("SELECT group_concat(message, ' ') FROM attempts"), "2");
        assert_eq!(
            left(
                "SELECT group_concat(alert_id, ' ') FROM (SELECT alert_id FROM message_alerts ORDER BY message)"
            ),
            "others others"
        );
        drop(outbox);
        assert_eq!(erase(&path, false), OutboxErasure::default());
    }
}
