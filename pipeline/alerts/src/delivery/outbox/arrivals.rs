//! What is read from the topic becomes what waits for each destination, together with the position.
//!
//! In: events of one batch.  Out: how many of them wait now.  Owns: nothing.
//! Invariants: of an alert only its latest version waits; a version that was told or passed over never waits again; an
//! alert that is over waits only where its receiver believes that it holds.
//! Why so: an alert that fired and was resolved before anybody was told is nothing that anybody must know: the all-clear
//! for it would be the first that its receiver hears of it.

use model::position::{Generation, NextOffset};
use model::{AnomalyId, EventTime, Partition};
use rusqlite::{Connection, OptionalExtension, params};
use schemas::lines::AlertBody;

use super::{DeliveryError, Outbox};
use crate::delivery::destination::Destination;
use crate::delivery::digest::is_resolved;

/// What one record of the topic means here.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A version of an alert; for which destinations, by their number in the configuration.
    Arrived(Box<AlertBody>, Vec<usize>),
    /// The alert is forgotten.
    Forgotten(AnomalyId),
}

/// What one batch means, to be stored as a whole.
#[derive(Clone, Debug)]
pub(crate) struct Taking {
    /// The partition.
    pub(crate) partition: Partition,
    /// The position behind the batch.
    pub(crate) next: NextOffset,
    /// The owner whose marker was read last.
    pub(crate) owner: Option<Generation>,
    /// In the order of the log.
    pub(crate) events: Vec<Event>,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Versions that wait now, counted once a destination.
    pub(crate) waiting: u64,
    /// Versions that were told already, or had been passed over.
    pub(crate) repeats: u64,
    /// Alerts that were over before anybody was told.
    pub(crate) unsaid: u64,
}

impl Outbox {
    /// Stores what a batch means and moves the position behind it. `lanes` are the destinations and their numbers here.
    pub(crate) fn take(
        &mut self,
        taking: &Taking,
        lanes: &[(i64, &Destination)],
        now: EventTime,
    ) -> Result<Taken, DeliveryError> {
        const DOING: &str = "take alerts";
        let failed = DeliveryError::sqlite(DOING);
        let transaction = self.transaction(DOING)?;
        let mut taken = Taken::default();
        for event in &taking.events {
            match event {
                Event::Arrived(body, wanted) => {
                    for (id, destination) in wanted.iter().filter_map(|lane| lanes.get(*lane)) {
                        arrive(&transaction, *id, destination, body, now, &mut taken).map_err(&failed)?;
                    }
                }
                Event::Forgotten(alert_id) => forget(&transaction, *alert_id).map_err(&failed)?,
            }
        }
        transaction
            .prepare_cached("UPDATE positions SET next = ?2, owner = ?3 WHERE partition = ?1 AND next <= ?2")
            .and_then(|mut update| {
                let owner = taking.owner.map(|owner| owner.0);
                update.execute(params![taking.partition.number(), taking.next.get(), owner])
            })
            .map_err(&failed)
            .map(|moved| assert_eq!(moved, 1, "the outbox's position of {} went back", taking.partition))?;
        transaction.commit().map_err(failed)?;
        Ok(taken)
    }
}

/// The store that a message is about: a site, else an org.
pub(crate) fn store_of(body: &AlertBody) -> String {
    match &body.site_id {
        Some(site_id) => format!("site:{site_id}"),
        None => format!("org:{}", body.org),
    }
}

fn arrive(
    connection: &Connection,
    destination_id: i64,
    destination: &Destination,
    body: &AlertBody,
    now: EventTime,
    taken: &mut Taken,
) -> rusqlite::Result<()> {
    let version_in = |sql: &str| -> rusqlite::Result<Option<(i64, bool)>> {
        let mut select = connection.prepare_cached(sql)?;
        let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        select.query_row(params![destination_id, body.alert_id], row).optional()
    };
    let told = version_in("SELECT version, is_firing FROM told WHERE destination = ?1 AND alert_id = ?2")?;
    let waits = version_in("SELECT version, 0 FROM waiting WHERE destination = ?1 AND alert_id = ?2")?;
    let known = told.max(waits).map_or(i64::MIN, |(version, _)| version);
    if body.version <= known {
        taken.repeats += 1;
        return Ok(());
    }
    let believes = told.is_some_and(|(_, is_firing)| is_firing);
    if is_resolved(body) && !(believes && destination.send_resolved) {
        taken.unsaid += u64::from(!believes);
        return pass_over(connection, destination_id, body, now);
    }
    taken.waiting += 1;
    let json = serde_json::to_vec(body).expect("a body is text, numbers and lists of text");
    let store = store_of(body);
    connection
        .prepare_cached(
            "INSERT INTO waiting(destination, alert_id, version, store, arrived_at, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT DO UPDATE SET version = excluded.version, store = excluded.store, body = excluded.body",
        )?
        .execute(params![destination_id, body.alert_id, body.version, store, now.us(), json])?;
    let us = |length: std::time::Duration| i64::try_from(length.as_micros()).unwrap_or(i64::MAX);
    let waited = now.plus_us(us(destination.group_wait)).us();
    connection
        .prepare_cached(
            "INSERT INTO stores(destination, store, due_at) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET due_at = max(?3, ifnull(sealed_at + ?4, ?3)) WHERE due_at IS NULL",
        )?
        .execute(params![destination_id, store, waited, us(destination.group_interval)])?;
    Ok(())
}

/// Remembers a version that its receiver is not told, and that nothing earlier is to be told either.
fn pass_over(
    connection: &Connection,
    destination_id: i64,
    body: &AlertBody,
    now: EventTime,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM waiting WHERE destination = ?1 AND alert_id = ?2")?
        .execute(params![destination_id, body.alert_id])?;
    connection
        .prepare_cached(
            "INSERT INTO told(destination, alert_id, version, is_firing, told_at) VALUES (?1, ?2, ?3, 0, ?4)
             ON CONFLICT DO UPDATE SET version = excluded.version, is_firing = 0, told_at = excluded.told_at",
        )?
        .execute(params![destination_id, body.alert_id, body.version, now.us()])?;
    Ok(())
}

/// Forgets an alert that was resolved long ago.
fn forget(connection: &Connection, alert_id: AnomalyId) -> rusqlite::Result<()> {
    let alert_id = alert_id.to_string();
    let destinations: Vec<i64> = connection
        .prepare_cached("SELECT id FROM destinations")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for destination in destinations {
        for table in ["told", "waiting"] {
            connection
                .prepare_cached(&format!("DELETE FROM {table} WHERE destination = ?1 AND alert_id = ?2"))?
                .execute(params![destination, alert_id])?;
        }
    }
    Ok(())
}
