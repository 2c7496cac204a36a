//! Alerts to people: one deliverer reads the alerts topic and sends signed webhooks.
//!
//! In: records of the alerts topic, by a source the caller opened; destinations; wall time.  Out: HTTP calls; rows about
//! them; counters.  Owns: the outbox (one SQLite file, locked) and the thread it runs on.
//! Absent on purpose: silences, escalation, acknowledgement, a repeat interval, mail and chat robots; judging; a second
//! deliverer (the lock refuses it).
//! Invariants: P4 each version of an alert is sent to a destination at most once, but for a crash between a send and its
//! record, which repeats it with the same `webhook-id`; nothing that waits is lost in any crash; names never rest here.
//! Why so: grouping as Alertmanager's (`group_wait`, `group_interval`), because a bad morning must be one message a store
//! and not two hundred; the retries of Standard Webhooks, because receivers' libraries know them.
//!
//! What is sent, exactly. Of each alert the latest version that holds when a message about its store can go out;
//! versions in between are never sent. "Can go out" means: `group_wait` after the first news, `group_interval` after the
//! message before, the destination up, a token in its bucket, the earlier message about the store taken (or failed three
//! times). An alert that is over is told only to a receiver that was told it holds.

mod address;
mod answer;
mod breaker;
mod bucket;
mod config;
mod deliverer;
mod destination;
mod digest;
mod error;
mod intake;
mod lane;
mod outbox;
mod post;
mod running;
mod schedule;
mod signature;
mod stats;

#[cfg(test)]
mod tests;

pub use answer::Reply;
pub use config::{DestinationConfig, Length, SecretText};
pub use deliverer::{Deliverer, DeliveryLimits, DeliverySetup, NameOf};
pub use destination::{Destination, DestinationProblem, Regions};
pub use error::DeliveryError;
pub use outbox::{
    DeliveryLog, DeliveryRow, OffDestination, OutboxErasure, TellsOf, ToldBefore, erase_from_outbox,
};
pub use post::{Done, HttpPost, Parcel, Post};
pub use running::Running;
pub use stats::{DeliveryStats, DestinationState, DestinationStats};
