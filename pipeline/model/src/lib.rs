//! Values and units that every room speaks: ids, positions, times, punches, sites, people, shifts, verdicts, findings.
//!
//! In: numbers and text already decoded.  Out: checked values.  Owns: nothing.
//! Absent on purpose: clocks, I/O, Arrow, `Serialize` (edges convert to the structs in `schemas`), and any rule that
//! needs more than the value itself.
//! Invariants: a value that exists is in its range, kept by the checked constructors (`tests` in each module).
//! Why so: a number with a unit or an origin is a newtype, so that a next offset cannot be taken for a last offset.

pub mod anomaly;
pub mod batch;
pub mod datum;
pub mod datum_shift;
pub mod event_id;
pub mod geometry;
pub mod ids;
pub mod policy;
pub mod policy_book;
pub mod position;
pub mod reference;
pub mod rows;
pub mod shift_result;
pub mod stored_punch;
pub mod time;
pub mod vendor_record;
pub mod verdict;

pub use anomaly::{Anomaly, AnomalyId, AnomalyKind, AnomalyState, Audience, Severity};
pub use batch::{
    AccessPoint, Batch, Beacon, Fix, Kind, Origin, Photo, PhotoState, Platform, Punch, Reject, RejectCode,
    Text, Trigger,
};
pub use event_id::{EventId, EventText};
pub use geometry::{Datum, LonLat, Meters, Ring};
pub use ids::{BeaconId, Bssid, BssidBlock, PersonIndex, PolicyIndex, SiteIndex};
pub use policy::{EvidenceRule, FenceRule, Policy};
pub use position::{Cause, Generation, LogClock, LogId, LogMark, NextOffset, Offset, Partition};
pub use reference::{Correction, Fence, Leave, Person, Reference, Shift, Site};
pub use rows::Rows;
pub use shift_result::{SaidShift, ShiftResult, ShiftStatus};
pub use stored_punch::{StoredPunch, StoredRef};
pub use time::EventTime;
pub use vendor_record::{NoPunch, Vendor, VendorRecord};
pub use verdict::{Due, DueBatch, EvidenceSet, Permitted, Place, Reason, Reasons, Verdict, Verdicts};
