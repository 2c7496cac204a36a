//! A punch while its record is being read: what has been found so far, and the first fault.

use std::ops::Range;

use model::{Batch, EventTime, Fix, Kind, Origin, Photo, Punch, RejectCode, Text, Trigger};

use super::RawRecord;

/// Why a record is no punch.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) code: RejectCode,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn new(code: RejectCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// A required field that is absent, null or empty.
    pub(super) fn missing(field: &str) -> Self {
        Self::new(RejectCode::MissingField, format!("`{field}` is missing or empty"))
    }
}

/// A punch while its record is being read. Texts and ranges point into the batch.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) event_id: Text,
    pub(super) employee_id: Text,
    pub(super) kind: Option<Kind>,
    pub(super) occurred_at: Option<EventTime>,
    pub(super) origin: Option<Origin>,
    pub(super) trigger: Option<Trigger>,
    pub(super) device_id: Text,
    pub(super) site_claim: Text,
    pub(super) time_zone: Text,
    pub(super) fix: Option<Fix>,
    pub(super) wifi: Range<u32>,
    pub(super) wifi_ignored: u16,
    pub(super) beacons: Range<u32>,
    pub(super) photo: Photo,
}

impl Draft {
    /// An empty draft whose lists begin where the batch's end.
    pub(super) fn new(batch: &Batch) -> Self {
        let (wifi, beacons) = (batch.access_points.len() as u32, batch.beacons.len() as u32);
        Self {
            event_id: Text::default(),
            employee_id: Text::default(),
            kind: None,
            occurred_at: None,
            origin: None,
            trigger: None,
            device_id: Text::default(),
            site_claim: Text::default(),
            time_zone: Text::default(),
            fix: None,
            wifi: wifi..wifi,
            wifi_ignored: 0,
            beacons: beacons..beacons,
            photo: Photo::default(),
        }
    }

    /// Pushes the punch if every required field is there.
    pub(super) fn push(&self, record: RawRecord<'_>, batch: &mut Batch) -> Result<(), Fault> {
        for (field, text) in [("event_id", self.event_id), ("employee_id", self.employee_id)] {
            if text.is_empty() {
                return Err(Fault::missing(field));
            }
        }
        let kind = self.kind.ok_or_else(|| Fault::missing("kind"))?;
        let occurred_at = self.occurred_at.ok_or_else(|| Fault::missing("occurred_at"))?;
        let origin = self.origin.ok_or_else(|| Fault::missing("origin"))?;
        batch.punches.push(Punch {
            offset: record.offset,
            received_at: record.append_time.unwrap_or(occurred_at),
            event_id: self.event_id,
            employee_id: self.employee_id,
            kind,
            occurred_at,
            origin,
            trigger: self.trigger,
            device_id: self.device_id,
            site_claim: self.site_claim,
            time_zone: self.time_zone,
            fix: self.fix,
            wifi: self.wifi.clone(),
            wifi_ignored: self.wifi_ignored,
            beacons: self.beacons.clone(),
            photo: self.photo,
        });
        Ok(())
    }
}
