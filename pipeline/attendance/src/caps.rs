//! Corrections (補卡) that the policy does not let count: too many in a month, too long after the day, of a kind it does not take.
//!
//! In: a snapshot.  Out: the places of its refused corrections, and why.  Owns: nothing.
//! Absent on purpose: the order of arrival, and the clock: who comes first is who was approved first, so a later request never
//! takes the place of an earlier one.
//! Why so: decided once for a snapshot, so that what holds about a shift stays a function of the snapshot and the punches (I-4).

use std::collections::HashMap;

use foldhash::fast::FixedState;
use jiff::civil::Date;
use model::{Correction, Policy, Reference};

use crate::minutes::corrected;
use crate::roster::{Roster, ShiftIndex, local_date};

/// Why a correction that was approved does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The month has as many already as `correction_count_max` allows.
    OverCap,
    /// It was approved more than `correction_days_back_max` days after the business date.
    TooLate,
    /// Its type is none of `correction_kinds`.
    KindRefused,
}

impl Refusal {
    /// The reason that `shift_results` tells.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OverCap => "correction_over_cap",
            Self::TooLate => "correction_too_late",
            Self::KindRefused => "correction_kind_refused",
        }
    }
}

/// Refused corrections, by their place in the snapshot.
pub(crate) type Refused = HashMap<u32, Refusal, FixedState>;

/// Which corrections of the snapshot do not count although they are approved.
pub(crate) fn refused(roster: &Roster) -> Refused {
    let reference = roster.reference();
    let mut refused = Refused::default();
    if !reference.policies.iter().any(has_caps) {
        return refused;
    }
    let mut of_month: HashMap<(u32, i16, i8), i64, FixedState> = HashMap::default();
    for place in by_approval(reference) {
        let row = &reference.corrections[place as usize];
        let Some(shift) = corrected(roster, row) else { continue };
        let policy = roster.shift_policy(shift);
        let date = roster.shift_at(shift).business_date;
        let counted = of_month.entry((row.person.0, date.year(), date.month())).or_default();
        let refusal = if !policy.correction_kinds.has(row.correction_type) {
            Some(Refusal::KindRefused)
        } else if is_too_late(roster, shift, row, policy) {
            Some(Refusal::TooLate)
        } else if policy.correction_count_max >= 0 && *counted >= policy.correction_count_max {
            Some(Refusal::OverCap)
        } else {
            *counted += 1;
            None
        };
        refused.extend(refusal.map(|refusal| (place, refusal)));
    }
    refused
}

fn has_caps(policy: &Policy) -> bool {
    let default = Policy::default();
    policy.correction_count_max >= 0
        || policy.correction_days_back_max >= 0
        || policy.correction_kinds != default.correction_kinds
}

/// The places of approved corrections, those approved first before the others; then by id.
fn by_approval(reference: &Reference) -> Vec<u32> {
    let row = |place: &u32| &reference.corrections[*place as usize];
    let mut places: Vec<u32> = (0..reference.corrections.len() as u32).collect();
    places.retain(|place| row(place).is_approved());
    places.sort_by(|a, b| {
        let key = |row: &Correction| (row.effective_at, row.correction_id.clone());
        key(row(a)).cmp(&key(row(b)))
    });
    places
}

fn is_too_late(roster: &Roster, shift: ShiftIndex, row: &Correction, policy: &Policy) -> bool {
    let (Some(at), 0..) = (row.effective_at, policy.correction_days_back_max) else { return false };
    let zone = &roster.shift_site(shift).time_zone;
    days_between(roster.shift_at(shift).business_date, local_date(at, zone)) > policy.correction_days_back_max
}

fn days_between(from: Date, until: Date) -> i64 {
    from.until(until).map_or(0, |span| i64::from(span.get_days()))
}
