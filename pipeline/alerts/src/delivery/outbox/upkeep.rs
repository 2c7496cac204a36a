//! How the outbox stands, and what in it has become too old to keep.

use model::EventTime;
use rusqlite::params;

use super::{DeliveryError, Outbox};

/// How long it is remembered what a receiver was told about an alert that nobody resolved or forgot, in days. Facts that
/// change a shift's result come within the month after it; this is far beyond.
const TOLD_DAYS: i64 = 400;
/// How long it is remembered what a receiver was told about an alert that is over, in days: beyond the 35 after which its
/// owner forgets it.
const TOLD_RESOLVED_DAYS: i64 = 40;
/// Messages that were sealed before ?1, whose story is over and told to the lake.
const DONE_WITH: &str =
    "FROM messages WHERE sealed_at < ?1 AND state NOT IN ('queued', 'dead') AND NOT EXISTS (
    SELECT 1 FROM attempts WHERE attempts.message = messages.id
       AND attempts.id > (SELECT stored_until FROM lake))";

/// What waits for one destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Backlog {
    /// Alerts that wait to be put into a message.
    pub(crate) waiting: u64,
    /// Messages that wait to be sent, for the first time or again.
    pub(crate) queued: u64,
    /// Messages that were given up.
    pub(crate) dead: u64,
    /// When the first of all that is or was due.
    pub(crate) due_at: Option<EventTime>,
}

/// What was given up because of its age.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Expired {
    /// Alerts that had waited for a message.
    pub(crate) alerts: u64,
    /// Messages that were never taken.
    pub(crate) messages: u64,
}

impl Outbox {
    /// What waits for a destination.
    pub(crate) fn backlog(&self, destination: i64) -> Result<Backlog, DeliveryError> {
        let read = || -> rusqlite::Result<Backlog> {
            let one = |sql: &str| -> rusqlite::Result<(u64, Option<i64>)> {
                let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get(1)?));
                self.connection.prepare_cached(sql)?.query_row([destination], row)
            };
            let (waiting, _) = one("SELECT count(*), NULL FROM waiting WHERE destination = ?1")?;
            let (_, due) =
                one("SELECT 0, min(due_at) FROM stores WHERE destination = ?1 AND due_at IS NOT NULL")?;
            let (queued, retry) = one(
                "SELECT count(*), min(due_at) FROM messages WHERE destination = ?1 AND state = 'queued'",
            )?;
            let (dead, _) =
                one("SELECT count(*), NULL FROM messages WHERE destination = ?1 AND state = 'dead'")?;
            let due_at = due.into_iter().chain(retry).min().map(EventTime::from_us);
            Ok(Backlog { waiting, queued, dead, due_at })
        };
        read().map_err(DeliveryError::sqlite("count what waits"))
    }

    /// When tokens of a destination were taken since `since`, in order.
    pub(crate) fn sent_since(
        &self,
        destination: i64,
        since: EventTime,
    ) -> Result<Vec<EventTime>, DeliveryError> {
        let read = || {
            self.connection
                .prepare_cached(
                    "SELECT sent_at FROM attempts JOIN messages ON messages.id = attempts.message
                     WHERE sent_at > ?2 AND destination = ?1 ORDER BY sent_at",
                )?
                .query_map(params![destination, since.us()], |row| row.get(0).map(EventTime::from_us))?
                .collect::<rusqlite::Result<_>>()
        };
        read().map_err(DeliveryError::sqlite("read when messages were sent"))
    }

    /// Gives up what has waited since before `undelivered`, and forgets what was done before `kept` and is in the lake.
    pub(crate) fn purge(
        &mut self,
        undelivered: EventTime,
        kept: EventTime,
        now: EventTime,
    ) -> Result<Expired, DeliveryError> {
        const DOING: &str = "remove what is too old";
        let failed = DeliveryError::sqlite(DOING);
        let transaction = self.transaction(DOING)?;
        let days_ago = |days: i64| now.plus_s(-days * 86_400).us();
        let run = |sql: &str, before: i64| transaction.execute(sql, [before]);
        let purge = || -> rusqlite::Result<Expired> {
            let alerts = run("DELETE FROM waiting WHERE arrived_at < ?1", undelivered.us())? as u64;
            let messages = run(
                "UPDATE messages SET state = 'expired', body = NULL
                 WHERE state IN ('queued', 'dead') AND sealed_at < ?1",
                undelivered.us(),
            )? as u64;
            // Children first: what is done with is found by its attempts.
            for table in ["message_alerts", "attempts"] {
                run(&format!("DELETE FROM {table} WHERE message IN (SELECT id {DONE_WITH})"), kept.us())?;
            }
            run("DELETE FROM told WHERE told_at < ?1 AND is_firing = 0", days_ago(TOLD_RESOLVED_DAYS))?;
            run("DELETE FROM told WHERE told_at < ?1", days_ago(TOLD_DAYS))?;
            run("DELETE FROM stores WHERE due_at IS NULL AND ifnull(sealed_at, 0) < ?1", days_ago(2))?;
            Ok(Expired { alerts, messages })
        };
        let expired = purge().map_err(&failed)?;
        transaction.commit().map_err(failed)?;
        Ok(expired)
    }
}
