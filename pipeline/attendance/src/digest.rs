//! Hashes of what was judged: whether there is something new to say.
//!
//! In: an outcome, a finding.  Out: 64 bits, the same in every run and on every platform.
//! Why so: written to the lake as `inputs`, so it must not be a hasher that a library may change; fields are fed with
//! their lengths, so that no two different values feed the same bytes.

use std::ops::Deref;

use model::anomaly::Finding;
use model::shift_result::{Approved, ShiftOutcome};
use model::{EventId, EventTime};

/// FNV's prime for 64 bits, and its powers from 0 to 8.
const PRIME: u64 = 0x0000_0100_0000_01b3;
const PRIME_POWERS: [u64; 9] = {
    let mut powers = [1; 9];
    let mut at = 1;
    while at < powers.len() {
        powers[at] = PRIME.wrapping_mul(powers[at - 1]);
        at += 1;
    }
    powers
};

/// FNV-1a over 64 bits, with the finish of MurmurHash3 so that every bit of the result depends on all of the input.
pub(crate) struct Fnv(u64);

impl Fnv {
    pub(crate) const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(PRIME);
        }
    }

    pub(crate) fn number(&mut self, value: i64) {
        let bytes = value.to_le_bytes();
        // A zero byte only multiplies, and most numbers end in some: those are one multiplication.
        let used = 8 - value.leading_zeros() as usize / 8;
        self.bytes(&bytes[..used]);
        self.0 = self.0.wrapping_mul(PRIME_POWERS[8 - used]);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.number(text.len() as i64);
        self.bytes(text.as_bytes());
    }

    fn maybe_number(&mut self, value: Option<i64>) {
        self.number(i64::from(value.is_some()));
        self.number(value.unwrap_or(0));
    }

    fn maybe_time(&mut self, value: Option<EventTime>) {
        self.maybe_number(value.map(EventTime::us));
    }

    fn maybe_text<T: Deref<Target = str>>(&mut self, value: Option<T>) {
        self.number(i64::from(value.is_some()));
        self.text(value.as_deref().unwrap_or_default());
    }

    fn texts<T: Deref<Target = str>>(&mut self, values: impl ExactSizeIterator<Item = T>) {
        self.number(values.len() as i64);
        values.for_each(|value| self.text(&value));
    }

    fn date(&mut self, date: jiff::civil::Date) {
        self.number(i64::from(date.year()) << 16 | i64::from(date.month()) << 8 | i64::from(date.day()));
    }

    pub(crate) const fn finish(self) -> u64 {
        let mut hash = self.0;
        hash = (hash ^ hash >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash = (hash ^ hash >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        hash ^ hash >> 33
    }
}

/// The hash of an outcome: the column `inputs`.
pub fn digest(outcome: &ShiftOutcome) -> u64 {
    let mut hash = Fnv::new();
    hash.text(&outcome.shift_id);
    hash.text(&outcome.employee_id);
    hash.text(&outcome.site_id);
    hash.text(&outcome.org);
    hash.date(outcome.business_date);
    hash.number(i64::from(outcome.segment));
    hash.text(outcome.day_kind.name());
    hash.number(outcome.planned_start.us());
    hash.number(outcome.planned_end.us());
    hash.number(i64::from(outcome.is_final));
    hash.number(outcome.due_min);
    hash.maybe_time(outcome.first_in);
    hash.maybe_time(outcome.last_out);
    hash.maybe_text(outcome.in_event_id.as_ref().map(EventId::text));
    hash.maybe_text(outcome.out_event_id.as_ref().map(EventId::text));
    hash.maybe_text(outcome.in_site_id.as_deref());
    hash.maybe_text(outcome.out_site_id.as_deref());
    hash.text(outcome.status.name());
    hash.number(outcome.late_min);
    hash.number(outcome.early_min);
    hash.maybe_number(outcome.worked_s);
    hash.number(outcome.break_min);
    hash.number(i64::from(outcome.break_auto));
    hash.number(outcome.leave_min);
    hash.number(outcome.overtime_min);
    hash.number(i64::from(outcome.missing_in));
    hash.number(i64::from(outcome.missing_out));
    hash.texts(outcome.reasons.iter().copied());
    hash.texts(outcome.leave_ids.iter().map(|id| &**id));
    hash.texts(outcome.correction_ids.iter().map(|id| &**id));
    // Fields added since the first version are fed only where they tell more than the others do, so that what was said
    // before them is not said again. A lone leave has all of `leave_min`.
    if outcome.leave_minutes.len() > 1 {
        outcome.leave_minutes.iter().for_each(|minutes| hash.number(*minutes));
    }
    for Approved { request_id, approval } in &outcome.approvals {
        hash.text("approved");
        hash.text(request_id);
        hash.maybe_number(approval.level.map(i64::from));
        hash.maybe_text(approval.by.as_deref());
        hash.number(approval.at.us());
    }
    if outcome.statutory_holiday {
        hash.text("statutory_holiday");
    }
    if outcome.night_s != 0 {
        hash.text("night");
        hash.number(outcome.night_s);
    }
    hash.finish()
}

/// The hash of a finding.
pub fn digest_finding(finding: &Finding) -> u64 {
    let mut hash = Fnv::new();
    hash.bytes(&finding.id.0);
    hash.text(finding.kind.name());
    hash.maybe_text(finding.employee_id.as_deref());
    hash.maybe_text(finding.site_id.as_deref());
    hash.text(&finding.org);
    hash.date(finding.business_date);
    hash.maybe_text(finding.shift_id.as_deref());
    hash.texts(finding.event_ids.iter().map(EventId::text));
    hash.maybe_number(finding.minutes);
    hash.number(finding.first_at.us());
    hash.number(finding.last_at.us());
    hash.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_its_eight_bytes() {
        let shifted =
            (0..63).flat_map(|bit| [1_i64 << bit, (1 << bit) - 1, -(1 << bit), 0x5a00_i64 << (bit % 48)]);
        for value in shifted.chain([0, i64::MAX, i64::MIN, 1_793_577_600_000_000]) {
            let (mut short, mut whole) = (Fnv::new(), Fnv::new());
            short.number(value);
            whole.bytes(&value.to_le_bytes());
            assert_eq!(short.finish(), whole.finish(), "{value}");
        }
    }
}
