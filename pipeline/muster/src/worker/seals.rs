//! Which months are closed, as an owner of partitions asks it.
//!
//! In: the seals in force when partitions were claimed.  Out: under which of them a shift falls.  Owns: these seals.
//! Absent on purpose: seals made since: making one takes the partitions away from their owner, who claims them again.

use jiff::civil::Date;
use model::reference::org_covers;
use schemas::tables::seals::Seal;

/// The seals in force.
#[derive(Clone, Debug, Default)]
pub(super) struct Seals(Vec<Seal>);

/// One of the seals in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SealIndex(usize);

impl Seals {
    pub(super) fn new(seals: Vec<Seal>) -> Self {
        Self(seals)
    }

    /// Whether no month is closed.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The seal under which a shift of that day and org falls. Seals of one month do not overlap.
    pub(super) fn of(&self, day: Date, org: &str) -> Option<SealIndex> {
        let is_over = |seal: &Seal| {
            (seal.month.year(), seal.month.month()) == (day.year(), day.month()) && org_covers(&seal.org, org)
        };
        self.0.iter().position(is_over).map(SealIndex)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::EventTime;

    #[test]
    fn a_seal_holds_for_its_month_and_the_orgs_below_it() {
        let at = EventTime::from_us(0);
        let seal = |month: &str, org: &str| Seal {
            month: month.parse().unwrap(),
            org: org.into(),
            sealed_at: at,
            sealed_on: at,
            sealed_by: None,
            unresolved: 0,
        };
        let seals = Seals::new(vec![seal("2026-10-01", "hk"), seal("2026-09-01", "")]);
        for (day, org, expected) in [
            ("2026-10-01", "hk", Some(0)),
            ("2026-10-31", "hk/kln", Some(0)),
            ("2026-10-31", "hkx", None),
            ("2026-11-01", "hk", None),
            ("2025-10-31", "hk", None),
            ("2026-09-30", "cn", Some(1)),
            ("2026-09-30", "", Some(1)),
        ] {
            assert_eq!(seals.of(day.parse().unwrap(), org), expected.map(SealIndex), "{day} {org}");
        }
    }
}
