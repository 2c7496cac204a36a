//! Reads what one punch brings: the sites each kind of evidence names, the fences near its fix, and what is odd.
//!
//! In: one punch with its batch, where its person was due, the indexes.  Out: [`Evidence`], for `fusion`.
//! Owns: the lists of [`Evidence`], refilled for each punch.
//! Absent on purpose: any choice between kinds or between sites (`fusion`), and whether a site is permitted.
//! Invariants: every list has each site once and holds only sites in force at `occurred_at`.
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
    AccessPoint, Batch, Bssid, Due, EventTime, EvidenceSet, Place, Policy, Punch, Reason, Reasons, Reference,
    SiteIndex,
};

use crate::cell_grid::Near;
use crate::distance::{Spot, metres};
use crate::fence_rule::judge;
use crate::fences::Fences;
use crate::fixes::usable;
use crate::nearby::Measured;
use crate::outline::micrometres;
use crate::plain_sites::PlainSites;
use crate::radio_index::{Listed, Sites};
use crate::radios::Radios;

/// A site near a usable fix.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Says {
    pub(crate) site: SiteIndex,
    /// What its fence says; `Outside` too.
    pub(crate) place: Place,
}

/// Who lists what the punches of a batch heard: one row for each of its access points and beacons, looked up together.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    access_points: Vec<Listed>,
    beacons: Vec<Listed>,
}

impl Heard {
    /// Refills it for `batch`.
    pub(crate) fn read(&mut self, radios: &Radios, batch: &Batch) {
        radios.access_points(&batch.access_points, &mut self.access_points);
        radios.beacons(&batch.beacons, &mut self.beacons);
    }

    /// Who lists each of the punch's access points.
    #[inline]
    pub(crate) fn wifi(&self, punch: &Punch) -> &[Listed] {
        &self.access_points[punch.wifi.start as usize..punch.wifi.end as usize]
    }

    /// Who lists each of its beacons.
    #[inline]
    pub(crate) fn beacons(&self, punch: &Punch) -> &[Listed] {
        &self.beacons[punch.beacons.start as usize..punch.beacons.end as usize]
    }
}

/// What one punch brings.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    /// The kinds that name a site, and GPS where the fix is usable, whatever it says.
    pub(crate) present: EvidenceSet,
    /// Sites that terminal, Wi-Fi and beacons name; what a kind that is not present named before stays behind.
    terminal: Vec<SiteIndex>,
    wifi: Vec<SiteIndex>,
    beacon: Vec<SiteIndex>,
    /// Sites near the fix.
    pub(crate) near: Vec<Says>,
    /// What the place of a field permission says of a usable fix.
    pub(crate) field: Option<Place>,
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
    pub(crate) fences: &'a Fences,
    pub(crate) radios: &'a Radios,
    pub(crate) plain: &'a PlainSites,
    pub(crate) reference: &'a Reference,
}

impl World<'_> {
    /// Whether the site counts at that instant.
    #[inline]
    pub(crate) fn in_force(&self, site: SiteIndex, at: EventTime) -> bool {
        self.plain.contains(site) || {
            let site = self.reference.site(site);
            site.valid_from.is_none_or(|from| from <= at) && site.valid_to.is_none_or(|until| at < until)
        }
    }

    /// The site's own tolerance in metres.
    #[inline]
    pub(crate) fn tolerance_m(&self, site: SiteIndex) -> Option<f64> {
        if self.plain.contains(site) { None } else { self.reference.site(site).tolerance_m }
    }
}

impl<'a> World<'a> {
    /// The sites that list the access point, at least one of them in force, where any is; `listed` says who does at the
    /// longest prefix.
    fn in_force_of(&self, listed: Listed, bssid: Bssid, at: EventTime) -> Option<Sites<'a>> {
        let radios = self.radios;
        if listed.is_nobody() {
            return None;
        }
        let sites = radios.sites(listed);
        if sites.as_slice().iter().any(|site| self.in_force(*site, at)) {
            return Some(sites);
        }
        let listed = radios.access_point(bssid, |site| self.in_force(site, at));
        (!listed.is_nobody()).then(|| radios.sites(listed))
    }
}

impl Evidence {
    /// Refills it with what `punch` brings.
    pub(crate) fn read(
        &mut self,
        world: World<'_>,
        (batch, heard): (&Batch, &Heard),
        punch: &Punch,
        due: &Due,
        nearby: Option<(Measured, &[Near])>,
    ) {
        self.present = EvidenceSet::EMPTY;
        self.near.clear();
        self.field = None;
        self.reasons = Reasons::EMPTY;
        let policy = world.reference.policy(due.policy);
        if !(punch.device_id.is_empty() && punch.site_claim.is_empty()) {
            self.read_terminal(world, batch, punch);
        }
        if !punch.wifi.is_empty() {
            self.read_wifi(world, batch.wifi(punch), heard.wifi(punch), policy, punch.occurred_at);
        }
        if !punch.beacons.is_empty() {
            self.read_beacons(world, heard.beacons(punch), punch.occurred_at);
        }
        if punch.wifi_ignored > 0 {
            self.reasons.insert(Reason::BssidIgnored);
        }
        match &punch.fix {
            Some(_) if due.location_declined => self.reasons.insert(Reason::LocationDeclined),
            Some(fix) => self.reasons = self.reasons.union(usable(fix, policy).0),
            None => {}
        }
        if let Some((fix, near)) = nearby {
            self.read_fix(&fix, near, due, policy);
        }
    }

    /// The sites that terminal, Wi-Fi or beacons name; none for any other set.
    pub(crate) fn named(&self, kind: EvidenceSet) -> &[SiteIndex] {
        match kind {
            _ if !self.present.contains(kind) => &[],
            EvidenceSet::TERMINAL => &self.terminal,
            EvidenceSet::WIFI => &self.wifi,
            EvidenceSet::BEACON => &self.beacon,
            _ => &[],
        }
    }

    /// What the site's fence says of the fix; `Outside` for a site that is not near it.
    pub(crate) fn fence_says(&self, site: SiteIndex) -> Place {
        self.near.iter().find(|near| near.site == site).map_or(Place::Outside, |near| near.place)
    }

    fn read_terminal(&mut self, world: World<'_>, batch: &Batch, punch: &Punch) {
        let in_force = |site: &SiteIndex| world.in_force(*site, punch.occurred_at);
        let listed_by = match punch.device_id.is_empty() {
            true => &[],
            false => world.radios.terminal(batch.text(punch.device_id)),
        };
        let named = if punch.site_claim.is_empty() {
            let mut listed_by = listed_by.iter().copied().filter(in_force);
            listed_by.next().filter(|_| listed_by.next().is_none())
        } else {
            let claimed = world.radios.site(batch.text(punch.site_claim)).filter(in_force);
            let named = claimed.filter(|site| listed_by.contains(site));
            match (claimed, named) {
                (None, _) => self.reasons.insert(Reason::UnknownSite),
                (Some(_), None) => self.reasons.insert(Reason::TerminalUnlisted),
                (Some(_), Some(_)) => {}
            }
            named
        };
        if let Some(site) = named {
            self.terminal.clear();
            self.terminal.push(site);
            self.present = self.present.with(EvidenceSet::TERMINAL);
        }
    }

    fn read_wifi(
        &mut self,
        world: World<'_>,
        scan: &[AccessPoint],
        listed: &[Listed],
        policy: &Policy,
        at: EventTime,
    ) {
        let age_ms_max = policy.wifi_age_max_ms;
        let any_fresh = match sole(world, scan, listed, age_ms_max) {
            Scan::Nobody => None,
            Scan::Site(site, any_fresh) => {
                self.wifi.clear();
                self.wifi.push(site);
                Some(any_fresh)
            }
            Scan::Mixed => {
                let any_listed = self.vote(world, scan, listed, age_ms_max, at);
                let any_fresh = self.votes.voters > 0;
                if any_fresh {
                    self.reasons = self.reasons.union(self.votes.count(&mut self.wifi));
                }
                any_listed.then_some(any_fresh)
            }
        };
        match any_fresh {
            Some(true) => self.present = self.present.with(EvidenceSet::WIFI),
            Some(false) => self.reasons.insert(Reason::WifiStale),
            None => self.reasons.insert(Reason::BssidUnknown),
        }
    }

    /// Lets the fresh listed access points vote, where the phone was connected to one of them, only those. Whether any is
    /// listed, fresh or not.
    fn vote(
        &mut self,
        world: World<'_>,
        scan: &[AccessPoint],
        listed: &[Listed],
        age_ms_max: u32,
        at: EventTime,
    ) -> bool {
        let mut any_listed = false;
        let mut was_connected = false;
        self.votes.clear();
        for (seen, listed) in scan.iter().zip(listed) {
            let Some(sites) = world.in_force_of(*listed, seen.bssid, at) else { continue };
            any_listed = true;
            if seen.age_ms > age_ms_max || was_connected && !seen.connected {
                continue;
            }
            if seen.connected && !was_connected {
                was_connected = true;
                self.votes.clear();
            }
            self.votes.add(sites.as_slice().iter().copied().filter(|site| world.in_force(*site, at)));
        }
        any_listed
    }

    fn read_beacons(&mut self, world: World<'_>, listed: &[Listed], at: EventTime) {
        self.votes.clear();
        for listed in listed {
            let sites = world.radios.sites(*listed);
            self.votes.add(sites.as_slice().iter().copied().filter(|site| world.in_force(*site, at)));
        }
        if self.votes.voters > 0 {
            self.reasons = self.reasons.union(self.votes.count(&mut self.beacon));
            self.present = self.present.with(EvidenceSet::BEACON);
        }
    }

    fn read_fix(&mut self, fix: &Measured, near: &[Near], due: &Due, policy: &Policy) {
        self.field = due.field.map(|(centre, radius_m)| {
            let distance_m = micrometres(metres(&fix.here.spot, &Spot::new(centre)) - radius_m);
            judge(policy.fence_rule, distance_m, policy.tolerance_m, fix.good.accuracy)
        });
        self.present = self.present.with(EvidenceSet::GPS);
        self.near.extend(near.iter().map(|near| Says { site: near.site, place: near.place() }));
    }
}

/// What the listed access points of a scan have in common.
pub(crate) enum Scan {
    /// Nobody lists any.
    Nobody,
    /// One site lists them all, and nobody else any; whether any of them is fresh. Dates do not matter to the site.
    Site(SiteIndex, bool),
    /// Something else: they have to vote.
    Mixed,
}

/// Most scans hear one store: then there is nothing to vote about, whatever the phone was connected to.
#[inline]
pub(crate) fn sole(world: World<'_>, scan: &[AccessPoint], listed: &[Listed], age_ms_max: u32) -> Scan {
    let mut sole = Listed::NOBODY;
    let mut any_fresh = false;
    for (seen, listed) in scan.iter().zip(listed) {
        if listed.is_nobody() {
            continue;
        }
        if sole.is_nobody() {
            sole = *listed;
        } else if sole != *listed {
            return Scan::Mixed;
        }
        any_fresh |= seen.age_ms <= age_ms_max;
    }
    match world.radios.sites(sole) {
        Sites::One([site]) if world.plain.contains(site) => Scan::Site(site, any_fresh),
        Sites::Several([]) => Scan::Nobody,
        _ => Scan::Mixed,
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
        named.clear();
        if let [(site, _)] = self.sites.as_slice() {
            named.push(*site);
            return Reasons::EMPTY;
        }
        self.sites.sort_unstable();
        named.extend(self.sites.iter().map(|(site, _)| *site));
        let is_explained = self.sites.iter().any(|(_, count)| *count == self.voters);
        if is_explained { Reasons::EMPTY } else { Reasons::EMPTY.with(Reason::ContradictionRadio) }
    }
}
