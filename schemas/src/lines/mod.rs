//! What Muster itself writes as JSON: verdicts, alerts and the messages that carry them, dead letters, the summary of a run, the generator's ledger.
//!
//! In: values of `model`.  Out: structs whose fields stand in the contract's order; times as RFC 3339 text.
//! Owns: nothing.  Absent on purpose: wording of alerts (`alerts`), names of people (added at delivery).

mod alert;
mod dead_letter;
mod digest;
mod summary;
mod verdict;

pub use alert::{ALERT_OWNER_PREFIX, AlertBody, AlertOwner, CauseLine, SummaryText};
pub use dead_letter::{DeadLetterLine, RecordHeader, header};
pub use digest::{ALERT_DIGEST_TYPE, AlertDigest, KindCount};
pub use summary::{LedgerLine, Summary};
pub use verdict::VerdictLine;

use jiff::tz::TimeZone;
use model::EventTime;

/// The instant in UTC as RFC 3339: `2026-11-22T00:58:31Z`, with a fraction only where there is one.
pub fn utc_text(time: EventTime) -> String {
    time.timestamp().to_string()
}

/// The instant that [`utc_text`] wrote as `text`; any RFC 3339 is read.
pub fn utc_time(text: &str) -> Option<EventTime> {
    text.parse::<jiff::Timestamp>().ok().map(|time| EventTime::from_us(time.as_microsecond()))
}

/// The instant on the wall clock of `zone` as RFC 3339 with its offset: `2026-11-22T08:58:31+08:00`.
pub fn local_text(time: EventTime, zone: &TimeZone) -> String {
    let mut text = String::with_capacity(32);
    crate::tables::local_time::write(time, zone, &mut text);
    text
}
