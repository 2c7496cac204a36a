//! Reads what one punch brings: the sites each kind of evidence names, the fences near its fix, and what is odd.
//!
//! In: one punch with its batch, where its person was due, the indexes.  Out: [`Evidence`], for `fusion`.
//! Owns: the lists of [`Evidence`], refilled for each punch.
//! Absent on purpose: any choice between kinds or between sites (`fusion`), and whether a site is permitted.
//! Invariants: every list is sorted by `SiteIndex` without repeats and holds only sites in force at `occurred_at`.
//!
//! How the contract's sentences are read here:
//! - **Terminal.** With a claim, the terminal names the claimed site if that site lists the device; else nothing
//!   (`terminal_unlisted`, or `unknown_site` where no site in force has the id). A claim not believed is not replaced by
//!   the site that does list the device: a clock carried elsewhere is in neither place for certain. Without a claim, a
//!   device listed by exactly one site names it.
//! - **Wi-Fi.** Fresh (age ≤ `wifi_age_max_ms`) listed access points vote; where the phone was connected to one of
//!   them, only those do. Listed ones all too old: `wifi_stale`. None listed at all: `bssid_unknown`, also where other
//!   evidence decides, since it says of the scan what whoever keeps the lists has to know.
//! - **Fix.** Missing or zero accuracy is taken as 100 m and then held against `accuracy_max_m` like any other.
//!   `mocked` and the accuracy's reasons are told of any fix that is looked at; after `location_declined` none is.
//! - **Field permission.** Its place is one more fence, a circle judged by the same rule, that belongs to no site.

use model::{
    AccessPoint, Batch, Due, EventTime, EvidenceSet, Place, Policy, Punch, Reason, Reasons, Reference,
    SiteIndex,
};

use crate::distance::{Spot, metres};
use crate::fence_index::{FenceIndex, Here};
use crate::fence_rule::judge;
use crate::nearby::{Measured, usable};
use crate::outline::micrometres;
use crate::radio_index::RadioIndex;

/// A site near a usable fix.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Near {
    pub(crate) site: SiteIndex,
    /// Signed metres from the fix to its fence.
    pub(crate) distance_m: f64,
    /// What its fence says; `Outside` too.
    pub(crate) place: Place,
}

/// A fix that may be judged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UsableFix {
    /// Where, in WGS-84.
    pub(crate) here: Here,
    /// All sites with signed distances up to this many metres are in [`Evidence::near`].
    pub(crate) searched_m: f64,
    /// What the place of a field permission says.
    pub(crate) field: Option<Place>,
}

/// What one punch brings.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    /// Sites that terminal, Wi-Fi and beacons name.
    terminal: Vec<SiteIndex>,
    wifi: Vec<SiteIndex>,
    beacon: Vec<SiteIndex>,
    /// Sites near the fix.
    pub(crate) near: Vec<Near>,
    /// The fix, if usable.
    pub(crate) fix: Option<UsableFix>,
    /// What is odd about any of it.
    pub(crate) reasons: Reasons,
    votes: Votes,
}

/// For each site, how many radios of one kind list it.
#[derive(Debug, Default)]
struct Votes {
    voters: u32,
    sites: Vec<(SiteIndex, u32)>,
}

/// The indexes and the snapshot they were built from.
#[derive(Clone, Copy)]
pub(crate) struct World<'a> {
    pub(crate) fences: &'a FenceIndex,
    pub(crate) radios: &'a RadioIndex,
    pub(crate) reference: &'a Reference,
}

impl World<'_> {
    /// Whether the site counts at that instant.
    pub(crate) fn in_force(&self, site: SiteIndex, at: EventTime) -> bool {
        if self.fences.is_plain(site) {
            return true;
        }
        let site = self.reference.site(site);
        site.valid_from.is_none_or(|from| from <= at) && site.valid_to.is_none_or(|until| at < until)
    }
}

impl Evidence {
    /// Refills it with what `punch` brings.
    pub(crate) fn read(
        &mut self,
        world: World<'_>,
        batch: &Batch,
        punch: &Punch,
        due: &Due,
        nearby: Option<(&Measured, &[(SiteIndex, f64)])>,
    ) {
        self.terminal.clear();
        self.wifi.clear();
        self.beacon.clear();
        self.near.clear();
        self.fix = None;
        self.reasons = Reasons::EMPTY;
        let policy = world.reference.policy(due.policy);
        self.read_terminal(world, batch, punch);
        self.read_wifi(world, batch.wifi(punch), policy, punch.occurred_at);
        self.read_beacons(world, batch, punch);
        if punch.wifi_ignored > 0 {
            self.reasons.insert(Reason::BssidIgnored);
        }
        match &punch.fix {
            Some(_) if due.location_declined => self.reasons.insert(Reason::LocationDeclined),
            Some(fix) => self.reasons = self.reasons.union(usable(fix, policy).0),
            None => {}
        }
        if let Some((fix, near)) = nearby {
            self.read_fix(world, fix, near, due, policy, punch.occurred_at);
        }
    }

    /// The kinds that name a site, and GPS where the fix is usable, whatever it says.
    pub(crate) fn present(&self) -> EvidenceSet {
        let radios = [EvidenceSet::TERMINAL, EvidenceSet::WIFI, EvidenceSet::BEACON];
        let named = radios.into_iter().filter(|kind| !self.named(*kind).is_empty());
        let gps = self.fix.map_or(EvidenceSet::EMPTY, |_| EvidenceSet::GPS);
        named.fold(gps, EvidenceSet::with)
    }

    /// The sites that terminal, Wi-Fi or beacons name; none for any other set.
    pub(crate) fn named(&self, kind: EvidenceSet) -> &[SiteIndex] {
        match kind {
            EvidenceSet::TERMINAL => &self.terminal,
            EvidenceSet::WIFI => &self.wifi,
            EvidenceSet::BEACON => &self.beacon,
            _ => &[],
        }
    }

    /// What the site's fence says of the fix; `Outside` for a site that is not near it.
    pub(crate) fn fence_says(&self, site: SiteIndex) -> Place {
        match self.near.binary_search_by_key(&site, |near| near.site) {
            Ok(at) => self.near[at].place,
            Err(_) => Place::Outside,
        }
    }

    fn read_terminal(&mut self, world: World<'_>, batch: &Batch, punch: &Punch) {
        let in_force = |site: &SiteIndex| world.in_force(*site, punch.occurred_at);
        let listed_by = world.radios.terminal(batch.text(punch.device_id));
        if punch.site_claim.is_empty() {
            let mut listed_by = listed_by.iter().copied().filter(in_force);
            if let (Some(site), None) = (listed_by.next(), listed_by.next()) {
                self.terminal.push(site);
            }
            return;
        }
        match world.radios.site(batch.text(punch.site_claim)).filter(in_force) {
            Some(site) if listed_by.contains(&site) => self.terminal.push(site),
            Some(_) => self.reasons.insert(Reason::TerminalUnlisted),
            None => self.reasons.insert(Reason::UnknownSite),
        }
    }

    fn read_wifi(&mut self, world: World<'_>, scan: &[AccessPoint], policy: &Policy, at: EventTime) {
        let in_force = |site: SiteIndex| world.in_force(site, at);
        let listed_by = |seen: &AccessPoint| world.radios.access_point(seen.bssid, in_force);
        let is_fresh = |seen: &AccessPoint| seen.age_ms <= policy.wifi_age_max_ms;
        let votes = |seen: &AccessPoint| is_fresh(seen) && !listed_by(seen).is_empty();
        let was_connected = scan.iter().any(|seen| seen.connected && votes(seen));
        let mut any_listed = false;
        self.votes.clear();
        for seen in scan {
            let sites = listed_by(seen);
            any_listed |= !sites.is_empty();
            if is_fresh(seen) && seen.connected >= was_connected {
                self.votes.add(sites.iter().copied().filter(|site| in_force(*site)));
            }
        }
        self.reasons = self.reasons.union(self.votes.count(&mut self.wifi));
        if self.wifi.is_empty() && !scan.is_empty() {
            self.reasons.insert(if any_listed { Reason::WifiStale } else { Reason::BssidUnknown });
        }
    }

    fn read_beacons(&mut self, world: World<'_>, batch: &Batch, punch: &Punch) {
        self.votes.clear();
        for seen in batch.beacons(punch) {
            let sites = world.radios.beacon(seen.id).iter().copied();
            self.votes.add(sites.filter(|site| world.in_force(*site, punch.occurred_at)));
        }
        self.reasons = self.reasons.union(self.votes.count(&mut self.beacon));
    }

    fn read_fix(
        &mut self,
        world: World<'_>,
        fix: &Measured,
        near: &[(SiteIndex, f64)],
        due: &Due,
        policy: &Policy,
        at: EventTime,
    ) {
        let place = |distance_m, tolerance_m| judge(policy.fence_rule, distance_m, tolerance_m, fix.accuracy);
        let field = due.field.map(|(centre, radius_m)| {
            let distance_m = metres(&fix.here.spot, &Spot::new(centre)) - radius_m;
            place(micrometres(distance_m), policy.tolerance_m)
        });
        self.fix = Some(UsableFix { here: fix.here, searched_m: fix.searched_m, field });
        for (site, distance_m) in near.iter().copied() {
            if world.in_force(site, at) {
                let is_plain = world.fences.is_plain(site);
                let own_m = if is_plain { None } else { world.reference.site(site).tolerance_m };
                let place = place(distance_m, own_m.unwrap_or(policy.tolerance_m));
                self.near.push(Near { site, distance_m, place });
            }
        }
    }
}

impl Votes {
    fn clear(&mut self) {
        self.voters = 0;
        self.sites.clear();
    }

    /// One radio's vote for each of the sites that list it; none if no site does.
    fn add(&mut self, sites: impl Iterator<Item = SiteIndex>) {
        let mut any = false;
        for site in sites {
            any = true;
            match self.sites.iter_mut().find(|(voted, _)| *voted == site) {
                Some((_, count)) => *count += 1,
                None => self.sites.push((site, 1)),
            }
        }
        self.voters += u32::from(any);
    }

    /// Puts the sites voted for into `named`, sorted, and says whether no one site explains all radios.
    fn count(&mut self, named: &mut Vec<SiteIndex>) -> Reasons {
        self.sites.sort_unstable();
        named.extend(self.sites.iter().map(|(site, _)| *site));
        let explained = self.voters == 0 || self.sites.iter().any(|(_, count)| *count == self.voters);
        if explained { Reasons::EMPTY } else { Reasons::EMPTY.with(Reason::ContradictionRadio) }
    }
}
