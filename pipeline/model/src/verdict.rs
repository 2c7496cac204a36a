//! Where a punch was made: place, site, candidates, evidence, reasons; and where its person was due.

use std::ops::Range;

use crate::batch::named;
use crate::geometry::LonLat;
use crate::ids::{PersonIndex, PolicyIndex, SiteIndex};

/// Where the punch was made, seen from the sites.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// At least one fence holds the fix, or radio or terminal names the site.
    Inside,
    /// In no fence, and too far from every one for accuracy to explain it.
    Outside,
    /// The evidence cannot tell.
    Uncertain,
    /// There is no usable evidence.
    NoEvidence,
}

named! {
    Place { Inside = "inside", Outside = "outside", Uncertain = "uncertain", NoEvidence = "no_evidence" }
}

/// A subset of the four kinds of evidence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct EvidenceSet(u8);

impl EvidenceSet {
    /// No evidence.
    pub const EMPTY: Self = Self(0);
    /// A listed terminal's own claim.
    pub const TERMINAL: Self = Self(1);
    /// Listed, fresh access points.
    pub const WIFI: Self = Self(2);
    /// Listed beacons.
    pub const BEACON: Self = Self(4);
    /// A usable fix.
    pub const GPS: Self = Self(8);
    const NAMES: [(Self, &'static str); 4] =
        [(Self::TERMINAL, "terminal"), (Self::WIFI, "wifi"), (Self::BEACON, "beacon"), (Self::GPS, "gps")];

    /// Both sets' kinds.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether every kind of `other` is in this set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether no kind is in this set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The kinds that are in both sets.
    #[must_use]
    pub const fn common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// This set's kinds but the other's.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The one kind that is trusted most (terminal, Wi-Fi, beacon, GPS); no kind if the set is empty.
    #[must_use]
    pub const fn most_trusted(self) -> Self {
        Self(self.0 & self.0.wrapping_neg())
    }

    /// The kinds one by one, from the most to the least trusted.
    pub fn kinds(self) -> impl Iterator<Item = Self> {
        let mut left = self;
        std::iter::from_fn(move || {
            let kind = left.most_trusted();
            left = left.without(kind);
            (!kind.is_empty()).then_some(kind)
        })
    }

    /// The names, in the order terminal, wifi, beacon, gps.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter(move |(kind, _)| self.contains(*kind)).map(|(_, name)| name)
    }

    /// The kind of that name alone.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(_, n)| *n == name).map(|(kind, _)| kind)
    }
}

/// Why a verdict is as it is. In alphabetical order, so that a set prints sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The accuracy was missing or 0: taken as 100 m.
    AccuracyMissing,
    /// The accuracy was negative or beyond the policy's limit: no usable fix.
    AccuracyPoor,
    /// Several sites hold the evidence and nothing settles which.
    AmbiguousSite,
    /// Access points dropped: malformed, placeholder or multicast addresses.
    BssidIgnored,
    /// Only access points that no site lists.
    BssidUnknown,
    /// The device's clock contradicts its neighbours; never binds.
    ClockSuspect,
    /// Wi-Fi and GPS name different places; Wi-Fi decides.
    ContradictionWifiGps,
    /// Radios of one kind vote for several sites.
    ContradictionRadio,
    /// A kind of evidence the policy requires is absent.
    EvidenceMissing,
    /// The person declined location: the fix was dropped before any store.
    LocationDeclined,
    /// The phone says the fix was simulated.
    Mocked,
    /// The place is a site where the person may not punch.
    NotPermittedSite,
    /// A photo is needed, and what came as one is no reference with a SHA-256: it counts as missing.
    PhotoMalformed,
    /// The policy wants a photo of a field punch, and there is none that counts.
    PhotoMissing,
    /// The same kind again within the policy's debounce; never binds.
    Repunch,
    /// The terminal's claim was not believed: its device is not listed at that site.
    TerminalUnlisted,
    /// The person is not in the reference data.
    UnknownEmployee,
    /// The claimed site is not in the reference data.
    UnknownSite,
    /// The person has shifts, but none whose window holds this punch.
    Unscheduled,
    /// Only listed access points seen too long ago.
    WifiStale,
}

named! {
    Reason {
        AccuracyMissing = "accuracy_missing", AccuracyPoor = "accuracy_poor", AmbiguousSite = "ambiguous_site",
        BssidIgnored = "bssid_ignored", BssidUnknown = "bssid_unknown", ClockSuspect = "clock_suspect",
        ContradictionRadio = "contradiction_radio", ContradictionWifiGps = "contradiction_wifi_gps",
        EvidenceMissing = "evidence_missing", LocationDeclined = "location_declined", Mocked = "mocked",
        NotPermittedSite = "not_permitted_site", PhotoMalformed = "photo_malformed",
        PhotoMissing = "photo_missing", Repunch = "repunch", TerminalUnlisted = "terminal_unlisted",
        UnknownEmployee = "unknown_employee", UnknownSite = "unknown_site", Unscheduled = "unscheduled",
        WifiStale = "wifi_stale"
    }
}

/// A set of reasons.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Reasons(u32);

impl Reasons {
    /// No reason.
    pub const EMPTY: Self = Self(0);

    /// Adds `reason`.
    pub const fn insert(&mut self, reason: Reason) {
        self.0 |= 1 << reason as u32;
    }

    /// The set with `reason` added.
    #[must_use]
    pub const fn with(mut self, reason: Reason) -> Self {
        self.insert(reason);
        self
    }

    /// Both sets' reasons.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether `reason` is in the set.
    pub const fn contains(self, reason: Reason) -> bool {
        self.0 & 1 << reason as u32 != 0
    }

    /// The set as bits, one a reason: lower ones than [`Reason::ALL`] has reasons.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The set of those [`Self::bits`]; a bit that stands for no reason is left out.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits & ((1 << Reason::ALL.len()) - 1))
    }

    /// The reasons, sorted by name.
    pub fn iter(self) -> impl Iterator<Item = Reason> {
        Reason::ALL.iter().copied().filter(move |reason| self.contains(*reason))
    }
}

/// At which sites a person may punch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permitted {
    /// At all: none is given for this person.
    All,
    /// At those, in [`DueBatch::sites`].
    Sites(Range<u32>),
}

/// Where the person of one punch was due, and under which policy the place is judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Due {
    /// The person, or `None` if unknown.
    pub person: Option<PersonIndex>,
    /// The site of the shift whose window holds the punch (the nearest start where several do).
    pub scheduled: Option<SiteIndex>,
    /// Home, allowed and own shifts' sites.
    pub permitted: Permitted,
    /// The policy in force.
    pub policy: PolicyIndex,
    /// Whether the person declined location: the fix is not looked at.
    pub location_declined: bool,
    /// The place of a field permission in force, with its radius in metres.
    pub field: Option<(LonLat, f64)>,
}

/// One [`Due`] per punch of a batch, in its order.
#[derive(Clone, Debug, Default)]
pub struct DueBatch {
    /// The rows.
    pub rows: Vec<Due>,
    /// The permitted sites of all rows.
    pub sites: Vec<SiteIndex>,
}

impl DueBatch {
    /// Empties it for reuse.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.sites.clear();
    }

    /// Whether the person of `due` may punch at `site`.
    #[inline]
    pub fn permits(&self, due: &Due, site: SiteIndex) -> bool {
        match &due.permitted {
            Permitted::All => true,
            Permitted::Sites(range) => self.sites[range.start as usize..range.end as usize].contains(&site),
        }
    }
}

/// Where one punch was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Seen from the sites.
    pub place: Place,
    /// The site, where one is told.
    pub site: Option<SiteIndex>,
    /// The sites the evidence cannot tell apart, sorted by `site_id`, in [`Verdicts::candidates`].
    pub candidates: Range<u32>,
    /// The evidence that decided.
    pub evidence: EvidenceSet,
    /// Signed metres from the fix to the fence's edge, negative inside, rounded to 0.01.
    pub distance_m: Option<f64>,
    /// Why.
    pub reasons: Reasons,
}

/// One [`Verdict`] per punch of a batch, in its order.
#[derive(Clone, Debug, Default)]
pub struct Verdicts {
    /// The rows.
    pub rows: Vec<Verdict>,
    /// The candidates of all rows.
    pub candidates: Vec<SiteIndex>,
}

impl Verdicts {
    /// Empties it for reuse.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.candidates.clear();
    }

    /// The candidates of `verdict`.
    pub fn candidates(&self, verdict: &Verdict) -> &[SiteIndex] {
        &self.candidates[verdict.candidates.start as usize..verdict.candidates.end as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_come_in_the_order_of_trust() {
        let all = [EvidenceSet::TERMINAL, EvidenceSet::WIFI, EvidenceSet::BEACON, EvidenceSet::GPS];
        let set = all.into_iter().fold(EvidenceSet::EMPTY, EvidenceSet::with);
        assert_eq!(set.kinds().collect::<Vec<_>>(), all);
        let radios = set.without(EvidenceSet::TERMINAL.with(EvidenceSet::GPS));
        assert_eq!(radios.kinds().collect::<Vec<_>>(), all[1..3]);
        assert_eq!(radios.common(EvidenceSet::BEACON.with(EvidenceSet::GPS)), EvidenceSet::BEACON);
        assert_eq!(EvidenceSet::EMPTY.most_trusted(), EvidenceSet::EMPTY);
        assert_eq!(EvidenceSet::EMPTY.kinds().count(), 0);
    }

    #[test]
    fn reasons_come_out_sorted_by_name() {
        let all = Reason::ALL.iter().fold(Reasons::EMPTY, |set, reason| set.with(*reason));
        let names: Vec<_> = all.iter().map(Reason::name).collect();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        assert_eq!(names, sorted);
        assert_eq!(names.len(), Reason::ALL.len());
    }
}
