//! Decides place, site and candidates from all kinds of evidence of one punch (contract, section 3).
//!
//! In: [`Evidence`], the policy's rule, the scheduled site.  Out: [`Fused`], and the sites that remain.
//! Absent on purpose: permission (asked of the result by the caller; a site where the person may not punch is as good a
//! candidate as any), distance, and any preference for the nearer of two sites.
//!
//! How the contract's sentences are read here:
//! - **Trust.** Of the kinds that count, the strongest present decides: terminal, Wi-Fi, beacon, GPS. Terminal and
//!   radios say inside. GPS says inside where a fence (or the place of a field permission) holds the fix, else
//!   uncertain where one is in reach, else outside.
//! - **Several sites.** What remains is narrowed, each step only where something remains: by the other radios and the
//!   terminal in order of trust, by leaving out sites whose fence says outside, by the person's shift, and last by
//!   keeping the sites whose fence holds the fix. One left: the site. Several: candidates and `ambiguous_site`.
//!   All evidence may settle, also kinds that the policy does not ask for.
//! - **`evidence`** = the kind that decided, the kinds that narrowed, and of the kinds that count those which agree
//!   (name every remaining site; for GPS: its fence holds the fix).
//! - **Required kinds.** A set of the policy is satisfied when all its kinds are present. None: uncertain,
//!   `evidence_missing`, with the site that all evidence at hand would name. Else the kinds of the satisfied sets
//!   count. Kinds joined by `_and_` vouch for each other: a set whose kinds have no site in common (a fix outside the
//!   Wi-Fi's site) counts only if no other set is satisfied, and then the place is uncertain.
//! - **Contradiction.** `contradiction_wifi_gps` where both kinds may count and the fence of every site that Wi-Fi
//!   names says outside, whichever kind decides. Other kinds of a set that disagree leave what the policy asks for
//!   missing: `evidence_missing`.

use model::{EvidenceRule, EvidenceSet, Place, Reason, Reasons, SiteIndex};

use crate::evidence::Evidence;

/// All that names sites without a fix.
const RADIOS: EvidenceSet = EvidenceSet::TERMINAL.with(EvidenceSet::WIFI).with(EvidenceSet::BEACON);
const ALL: EvidenceSet = RADIOS.with(EvidenceSet::GPS);
const WIFI_AND_GPS: EvidenceSet = EvidenceSet::WIFI.with(EvidenceSet::GPS);

/// What the evidence amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fused {
    pub(crate) place: Place,
    /// The kinds that decided.
    pub(crate) evidence: EvidenceSet,
    pub(crate) reasons: Reasons,
}

/// Decides. `sites` is left with the sites that remain: one is the verdict's site, several are its candidates.
pub(crate) fn fuse(
    evidence: &Evidence,
    rule: EvidenceRule,
    scheduled: Option<SiteIndex>,
    sites: &mut Vec<SiteIndex>,
) -> Fused {
    let mut fusion = Fusion { evidence, scheduled, sites, used: EvidenceSet::EMPTY };
    let (place, mut reasons, may_count) = fusion.by_rule(rule);
    if fusion.sites.len() > 1 {
        reasons.insert(Reason::AmbiguousSite);
    }
    if may_count.contains(WIFI_AND_GPS) && fusion.wifi_contradicts_gps() {
        reasons.insert(Reason::ContradictionWifiGps);
    }
    Fused { place, evidence: fusion.used, reasons }
}

struct Fusion<'a> {
    evidence: &'a Evidence,
    scheduled: Option<SiteIndex>,
    sites: &'a mut Vec<SiteIndex>,
    used: EvidenceSet,
}

impl Fusion<'_> {
    /// The place, its reasons, and the kinds that may count under the rule.
    fn by_rule(&mut self, rule: EvidenceRule) -> (Place, Reasons, EvidenceSet) {
        let sets = match rule {
            EvidenceRule::Sets(sets) if sets.iter().any(|set| !set.is_empty()) => sets,
            EvidenceRule::Sets(_) | EvidenceRule::Any => return (self.decide(ALL), Reasons::EMPTY, ALL),
        };
        let present = self.evidence.present;
        let asked = sets.into_iter().filter(|set| !set.is_empty());
        let satisfied = || asked.clone().filter(move |set| present.contains(*set));
        let together =
            |sets: &mut dyn Iterator<Item = EvidenceSet>| sets.fold(EvidenceSet::EMPTY, EvidenceSet::with);
        let may_count = together(&mut asked.clone());
        let missing = Reasons::EMPTY.with(Reason::EvidenceMissing);
        if satisfied().next().is_none() {
            self.decide(ALL);
            return (Place::Uncertain, missing, may_count);
        }
        let agreeing = together(&mut satisfied().filter(|set| self.agrees(*set)));
        if !agreeing.is_empty() {
            return (self.decide(agreeing), Reasons::EMPTY, may_count);
        }
        self.decide(together(&mut satisfied()));
        let told = may_count.contains(WIFI_AND_GPS) && self.wifi_contradicts_gps();
        (Place::Uncertain, if told { Reasons::EMPTY } else { missing }, may_count)
    }

    /// Whether some site is named by, or near, all kinds of a satisfied set. One kind agrees with itself.
    fn agrees(&self, set: EvidenceSet) -> bool {
        let first = set.most_trusted();
        if set == first {
            return true;
        }
        let named_by_all = |site: &SiteIndex| {
            let near = !set.contains(EvidenceSet::GPS) || self.evidence.fence_says(*site) != Place::Outside;
            near && set.common(RADIOS).kinds().all(|kind| self.evidence.named(kind).contains(site))
        };
        self.evidence.named(first).iter().any(named_by_all)
    }

    /// Fills `sites` and `used` from the kinds that count.
    fn decide(&mut self, kinds: EvidenceSet) -> Place {
        self.sites.clear();
        self.used = kinds.common(self.evidence.present).most_trusted();
        let place = match self.used {
            EvidenceSet::EMPTY => Place::NoEvidence,
            EvidenceSet::GPS => self.place_of_fix(),
            radio => {
                self.sites.extend_from_slice(self.evidence.named(radio));
                Place::Inside
            }
        };
        if self.sites.len() > 1 {
            self.narrow();
        }
        self.add_agreeing(kinds);
        place
    }

    /// Fills `sites` with those whose fence holds the fix, else with those in reach.
    fn place_of_fix(&mut self) -> Place {
        for place in [Place::Inside, Place::Uncertain] {
            for near in &self.evidence.near {
                if near.place == place {
                    self.sites.push(near.site);
                }
            }
            if !self.sites.is_empty() || self.evidence.field == Some(place) {
                return place;
            }
        }
        Place::Outside
    }

    fn narrow(&mut self) {
        let evidence = self.evidence;
        for kind in evidence.present.common(RADIOS).kinds() {
            self.narrow_by(kind, |site| evidence.named(kind).contains(&site));
        }
        if self.has_fix() {
            self.narrow_by(EvidenceSet::GPS, |site| evidence.fence_says(site) != Place::Outside);
        }
        let scheduled = self.scheduled;
        self.narrow_by(EvidenceSet::EMPTY, |site| scheduled == Some(site));
        if self.has_fix() {
            self.narrow_by(EvidenceSet::GPS, |site| evidence.fence_says(site) == Place::Inside);
        }
    }

    /// Keeps the sites that `keep` keeps, if that leaves fewer, but some.
    fn narrow_by(&mut self, kind: EvidenceSet, keep: impl Fn(SiteIndex) -> bool) {
        let kept = self.sites.iter().filter(|site| keep(**site)).count();
        if kept > 0 && kept < self.sites.len() {
            self.sites.retain(|site| keep(*site));
            self.used = self.used.with(kind);
        }
    }

    /// Adds the kinds that name every remaining site; for GPS: whose fences hold the fix.
    fn add_agreeing(&mut self, kinds: EvidenceSet) {
        if self.sites.is_empty() {
            return;
        }
        for kind in kinds.common(self.evidence.present).without(self.used).kinds() {
            let agrees = |site: &SiteIndex| match kind {
                EvidenceSet::GPS => self.evidence.fence_says(*site) == Place::Inside,
                radio => self.evidence.named(radio).contains(site),
            };
            if self.sites.iter().all(agrees) {
                self.used = self.used.with(kind);
            }
        }
    }

    fn has_fix(&self) -> bool {
        self.evidence.present.contains(EvidenceSet::GPS)
    }

    fn wifi_contradicts_gps(&self) -> bool {
        let says_outside = |site: &SiteIndex| self.evidence.fence_says(*site) == Place::Outside;
        self.evidence.present.contains(WIFI_AND_GPS)
            && self.evidence.named(EvidenceSet::WIFI).iter().all(says_outside)
    }
}
