//! A punch as the lake keeps it, less what only analysts read: the one form from which attendance state is folded.

use std::sync::Arc;

use jiff::civil::Date;

use crate::batch::{Kind, Origin};
use crate::position::Offset;
use crate::time::EventTime;
use crate::verdict::{Place, Reasons};

/// One row of `punches`, as attendance sees it, live as in recovery.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredPunch {
    /// The person's pseudonym.
    pub employee_id: Arc<str>,
    /// With `employee_id` the identity, for ever.
    pub event_id: Arc<str>,
    /// What the person said the punch is.
    pub kind: Kind,
    /// When it happened by the device's clock.
    pub occurred_at: EventTime,
    /// When the log took it.
    pub received_at: EventTime,
    /// By what road it came.
    pub origin: Origin,
    /// The device, or empty.
    pub device_id: Arc<str>,
    /// Where it was made.
    pub place: Place,
    /// The site, where one is told.
    pub site_id: Option<Arc<str>>,
    /// Why; `ClockSuspect` and `Repunch` keep it from binding.
    pub reasons: Reasons,
    /// The day it counts for in its site's zone, as stored.
    pub business_date: Date,
    /// Its record's offset in its partition.
    pub offset: Offset,
}

/// The same, borrowed: what a worker folds without owning a text of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StoredRef<'a> {
    /// The person's pseudonym.
    pub employee_id: &'a str,
    /// With `employee_id` the identity, for ever.
    pub event_id: &'a str,
    /// What the person said the punch is.
    pub kind: Kind,
    /// When it happened by the device's clock.
    pub occurred_at: EventTime,
    /// When the log took it.
    pub received_at: EventTime,
    /// By what road it came.
    pub origin: Origin,
    /// The device, or empty.
    pub device_id: &'a str,
    /// Where it was made.
    pub place: Place,
    /// The site, where one is told.
    pub site_id: Option<&'a str>,
    /// Why; `ClockSuspect` and `Repunch` keep it from binding.
    pub reasons: Reasons,
    /// The day it counts for in its site's zone, as stored.
    pub business_date: Date,
    /// Its record's offset in its partition.
    pub offset: Offset,
}

impl<'a> From<&'a StoredPunch> for StoredRef<'a> {
    fn from(punch: &'a StoredPunch) -> Self {
        Self {
            employee_id: &punch.employee_id,
            event_id: &punch.event_id,
            kind: punch.kind,
            occurred_at: punch.occurred_at,
            received_at: punch.received_at,
            origin: punch.origin,
            device_id: &punch.device_id,
            place: punch.place,
            site_id: punch.site_id.as_deref(),
            reasons: punch.reasons,
            business_date: punch.business_date,
            offset: punch.offset,
        }
    }
}

impl From<StoredRef<'_>> for StoredPunch {
    fn from(punch: StoredRef<'_>) -> Self {
        Self {
            employee_id: punch.employee_id.into(),
            event_id: punch.event_id.into(),
            kind: punch.kind,
            occurred_at: punch.occurred_at,
            received_at: punch.received_at,
            origin: punch.origin,
            device_id: punch.device_id.into(),
            place: punch.place,
            site_id: punch.site_id.map(Arc::from),
            reasons: punch.reasons,
            business_date: punch.business_date,
            offset: punch.offset,
        }
    }
}
