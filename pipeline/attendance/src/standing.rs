//! A stored punch as judging sees it, in the order of time, and whether it may bind at all.
//!
//! In: one person's punches.  Out: the same sorted by instant, each with its [`Standing`].
//! Why so: what was stored with a punch depends on the order of arrival, the set of punches does not; so a repeat is told
//! from the set, and a stored `repunch` can only agree: a punch that another one precedes within the debounce on arrival
//! is preceded by it for ever.

use std::sync::Arc;

use jiff::civil::Date;
use model::{EventId, EventTime, Kind, Origin, PersonIndex, Place, Reason, Reasons, StoredPunch};

use crate::roster::Roster;

/// A punch as judging sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'a> {
    /// Its id within the person's punches.
    pub(crate) event: &'a EventId,
    pub(crate) kind: Kind,
    pub(crate) occurred_at: EventTime,
    pub(crate) origin: Origin,
    pub(crate) place: Place,
    pub(crate) site_id: Option<&'a Arc<str>>,
    pub(crate) reasons: Reasons,
    pub(crate) business_date: Date,
    pub(crate) offset: i64,
}

impl<'a> Seen<'a> {
    /// The punch as it is stored; `event` is its id.
    pub(crate) fn of(punch: &'a StoredPunch, event: &'a EventId) -> Self {
        Self {
            event,
            kind: punch.kind,
            occurred_at: punch.occurred_at,
            origin: punch.origin,
            place: punch.place,
            site_id: punch.site_id.as_ref(),
            reasons: punch.reasons,
            business_date: punch.business_date,
            offset: punch.offset.get(),
        }
    }

    /// Whether its time is believed and it is no hand-made correction.
    pub(crate) fn counts(&self) -> bool {
        self.origin != Origin::Correction && !self.reasons.contains(Reason::ClockSuspect)
    }
}

/// Whether a punch may bind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It may.
    Binds,
    /// It repeats an earlier one within the debounce: it goes with that one's shift and holds nothing.
    Repunch,
    /// Its clock is suspect, or it is a correction made by hand.
    Never,
}

/// Sorts by instant, then by id: an order that does not depend on arrival.
pub(crate) fn sort(seen: &mut [Seen<'_>]) {
    seen.sort_unstable_by(|a, b| (a.occurred_at, a.event, a.offset).cmp(&(b.occurred_at, b.event, b.offset)));
}

/// The standing of the punch at `at` among the sorted `seen`. `may_share` tells whether an earlier punch could bind
/// where this one does: one just before a window opens must not take the punch just behind it away.
///
/// A repeat is a punch with an earlier one of the same kind (or of any kind, for an `auto` one) within `debounce_s`,
/// inclusive; what the earlier one itself repeats does not matter. The policy is that of the punch's instant.
pub(crate) fn standing(
    roster: &Roster,
    person: Option<PersonIndex>,
    seen: &[Seen<'_>],
    at: usize,
    may_share: impl Fn(usize) -> bool,
) -> Standing {
    let punch = &seen[at];
    if !punch.counts() {
        return Standing::Never;
    }
    if punch.reasons.contains(Reason::Repunch) {
        return Standing::Repunch;
    }
    // Most punches have no neighbour within any debounce: ask for the policy only when there is one.
    let mut debounce_us = None;
    for (place, earlier) in seen[..at].iter().enumerate().rev() {
        let apart_us = punch.occurred_at.us_since(earlier.occurred_at);
        if apart_us > roster.debounce_us_max() {
            break;
        }
        let limit_us = *debounce_us.get_or_insert_with(|| debounce(roster, person, punch.occurred_at));
        if limit_us == 0 || apart_us > limit_us {
            break;
        }
        if earlier.counts() && repeats(punch.kind, earlier.kind) && may_share(place) {
            return Standing::Repunch;
        }
    }
    Standing::Binds
}

/// Whether a punch of kind `later` can be a repeat of one of kind `earlier`.
pub(crate) fn repeats(later: Kind, earlier: Kind) -> bool {
    later == earlier || later == Kind::Auto
}

fn debounce(roster: &Roster, person: Option<PersonIndex>, at: EventTime) -> i64 {
    let scheduled = person.and_then(|person| roster.scheduled(person, at));
    let policy = roster.policy_for(person, scheduled, at);
    roster.reference().policy(policy).debounce_s.saturating_mul(1_000_000)
}
