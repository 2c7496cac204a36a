//! What receivers were told from another outbox, or from this one after it was copied: as the lake has it.
//!
//! In: the latest version of each alert that a destination took.  Out: how much of it was news.  Owns: nothing.
//! Absent on purpose: what another outbox tried and nobody took: this one tries it anew.
//! Invariants: what is learnt takes no version back; a message is given up only if its destination took all of its alerts.
//! Why so: a machine that takes over has an outbox of its own, and the topic does not say who was told what.

use model::EventTime;
use rusqlite::{OptionalExtension, params};

use super::{DeliveryError, Outbox};

/// The latest version of an alert that a destination has taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldBefore {
    /// The destination's name.
    pub destination: String,
    /// The alert.
    pub alert_id: String,
    /// The version.
    pub version: i64,
    /// Whether its receiver believes since then that it holds.
    pub is_firing: bool,
    /// When it was sent.
    pub at: EventTime,
}

impl Outbox {
    /// When anything was last sent from here; `None` if it is not known.
    pub(crate) fn sent_last(&self) -> Result<Option<EventTime>, DeliveryError> {
        let read = "SELECT max(sent_at) FROM attempts";
        let last = self.connection.query_row(read, [], |row| row.get::<_, Option<i64>>(0));
        Ok(last.map_err(DeliveryError::sqlite("read when it last sent anything"))?.map(EventTime::from_us))
    }

    /// Whether no partition of the topic was begun.
    pub(crate) fn is_new(&self) -> Result<bool, DeliveryError> {
        let read = "SELECT NOT EXISTS (SELECT 1 FROM positions)";
        self.connection
            .query_row(read, [], |row| row.get(0))
            .map_err(DeliveryError::sqlite("read its positions"))
    }

    /// Takes in what was told before; how many versions of it were not known here.
    pub(crate) fn learn(&mut self, told: &[ToldBefore]) -> Result<u64, DeliveryError> {
        const DOING: &str = "take in what was told before";
        let failed = DeliveryError::sqlite(DOING);
        let transaction = self.transaction(DOING)?;
        let learn = || -> rusqlite::Result<u64> {
            transaction.execute_batch(
                "CREATE TEMP TABLE learnt(destination INTEGER NOT NULL, alert_id TEXT NOT NULL, version INTEGER NOT NULL,
                    PRIMARY KEY (destination, alert_id)) STRICT, WITHOUT ROWID",
            )?;
            let mut news = 0;
            for ToldBefore { destination, alert_id, version, is_firing, at } in told {
                let find = "SELECT id FROM destinations WHERE name = ?1";
                let id: Option<i64> = transaction
                    .prepare_cached(find)?
                    .query_row([destination], |row| row.get(0))
                    .optional()?;
                // A destination that is no longer configured is told nothing.
                let Some(id) = id else { continue };
                news += transaction
                    .prepare_cached(
                        "INSERT INTO told(destination, alert_id, version, is_firing, told_at) VALUES (?1, ?2, ?3, ?4, ?5)
                         ON CONFLICT DO UPDATE SET version = excluded.version, is_firing = excluded.is_firing,
                             told_at = excluded.told_at WHERE excluded.version > version",
                    )?
                    .execute(params![id, alert_id, version, is_firing, at.us()])? as u64;
                transaction
                    .prepare_cached(
                        "DELETE FROM waiting WHERE destination = ?1 AND alert_id = ?2 AND version <= ?3",
                    )?
                    .execute(params![id, alert_id, version])?;
                transaction
                    .prepare_cached("INSERT OR REPLACE INTO temp.learnt VALUES (?1, ?2, ?3)")?
                    .execute(params![id, alert_id, version])?;
            }
            transaction.execute(
                "UPDATE messages SET state = 'superseded', body = NULL
                 WHERE state IN ('queued', 'dead') AND NOT EXISTS (
                     SELECT 1 FROM message_alerts a WHERE a.message = messages.id AND NOT EXISTS (
                         SELECT 1 FROM temp.learnt l WHERE l.destination = messages.destination
                           AND l.alert_id = a.alert_id AND l.version >= a.version))",
                [],
            )?;
            transaction.execute_batch("DROP TABLE temp.learnt")?;
            Ok(news)
        };
        let news = learn().map_err(&failed)?;
        transaction.commit().map_err(failed)?;
        Ok(news)
    }
}
