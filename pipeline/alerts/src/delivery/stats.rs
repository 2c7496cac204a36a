//! What a deliverer does, for metrics and for whoever looks.
//!
//! Absent on purpose: a metrics library (`serve` exports these).

use std::collections::BTreeMap;

use model::{EventTime, NextOffset, Partition};

/// Counters of a deliverer since it was opened, and how it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryStats {
    /// Records of the topic that were read.
    pub records: u64,
    /// Versions of alerts that some destination wanted.
    pub alerts: u64,
    /// Records that a former owner wrote behind its successor's marker.
    pub stale: u64,
    /// Records that were no alerts.
    pub foreign: u64,
    /// Alerts that were there before the deliverer first started and were too old then.
    pub too_old: u64,
    /// Versions that came again.
    pub repeats: u64,
    /// Alerts that were over before their receiver was told.
    pub unsaid: u64,
    /// Alerts and messages given up because nobody had taken them for `DeliveryLimits::undelivered_days`.
    pub expired: u64,
    /// How far each partition of the topic is stored in the outbox.
    pub positions: BTreeMap<Partition, NextOffset>,
    /// Whether every partition was read to its end at the last look.
    pub is_caught_up: bool,
    /// Each destination, in the order of the configuration.
    pub destinations: Vec<DestinationStats>,
}

/// One destination.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DestinationStats {
    /// Its name.
    pub name: String,
    /// Alerts that wait to be put into a message.
    pub waiting: u64,
    /// Messages that wait to be sent, for the first time or again.
    pub queued: u64,
    /// Messages on their way now.
    pub in_flight: u64,
    /// Messages that were taken.
    pub sent: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Messages that were given up and wait for the destination to be switched on again.
    pub dead: u64,
    /// When the first of what waits is or was due.
    pub oldest_due: Option<EventTime>,
    /// Whether it is being called.
    pub state: DestinationState,
    /// Why the last attempt failed; none after a success.
    pub last_failure: Option<String>,
}

/// Whether a destination is being called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DestinationState {
    /// It is.
    #[default]
    On,
    /// Not until then: it asked for that (`retry-after`).
    Left(EventTime),
    /// Not until then, and then by one message: it failed too often in a row.
    Open(EventTime),
    /// One message is tried.
    HalfOpen,
    /// No more, since it said so (410) or did not answer for days, until its configuration changes or it is switched on.
    Off,
}

impl DestinationState {
    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Left(_) => "left_alone",
            Self::Open(_) => "open",
            Self::HalfOpen => "half_open",
            Self::Off => "off",
        }
    }
}
