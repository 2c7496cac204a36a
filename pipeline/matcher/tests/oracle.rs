//! The index against an obvious slow loop over all sites: geodesics, `geo`'s containment, sets of ids, no index.
//!
//! Punches for which some distance lies within two millimetres of a border of the rules are left out: there the last
//! digits of two methods may differ. They are counted, and few.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "test code outside of `#[test]` functions")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use geo::{Contains, Coord, LineString, Point, Polygon};
use geographiclib_rs::{Geodesic, InverseGeodesic};
use model::policy::FieldPhoto;
use model::{
    Batch, Due, DueBatch, EvidenceRule, EvidenceSet, Fence, FenceRule, LonLat, Origin, Permitted, Place,
    Platform, Policy, Punch, Reason, Reasons, Reference, Ring, Site, SiteIndex as SiteAt, Text,
};
use support::town::{CENTRES, Town};
use support::{Numbers, verdicts};

type Sites = BTreeSet<u32>;

/// Two millimetres: what two ways of measuring may differ in.
const BLUR_M: f64 = 0.002;

#[test]
fn the_index_answers_as_a_loop_over_all_sites_would() {
    let mut numbers = Numbers::new(20_261_122);
    let mut tally = Tally::default();
    for centre in CENTRES {
        let town = Town::random(&mut numbers, centre, 60, 250);
        compare(&town, &mut tally);
    }
    println!("{tally:?}");
    assert!(tally.blurred * 20 < tally.compared, "too many left out: {tally:?}");
    // A comparison that never meets a case says nothing about it.
    for place in Place::ALL {
        assert!(
            tally.seen.get(place.name()).is_some_and(|count| *count > 50),
            "{} in {tally:?}",
            place.name()
        );
    }
    let of_history = [Reason::ClockSuspect, Reason::Repunch, Reason::Unscheduled];
    for reason in Reason::ALL.iter().filter(|reason| !of_history.contains(reason)) {
        assert!(tally.seen.contains_key(reason.name()), "{} in {tally:?}", reason.name());
    }
}

#[test]
fn single_questions_are_answered_as_a_loop_over_all_sites_would() {
    let mut numbers = Numbers::new(20_261_123);
    let earth = Geodesic::wgs84();
    let (mut held, mut listed, mut asked) = (0, 0, 0);
    for centre in CENTRES {
        let Town { reference, batch, .. } = Town::random(&mut numbers, centre, 60, 250);
        let index = matcher::SiteIndex::build(&reference);
        for punch in &batch.punches {
            let at = punch.occurred_at;
            let in_force = || {
                reference.sites.iter().filter(|site| {
                    site.valid_from.is_none_or(|from| at >= from)
                        && site.valid_to.is_none_or(|until| at < until)
                })
            };
            for seen in batch.wifi(punch) {
                let lists = |site: &&std::sync::Arc<Site>| {
                    site.bssids.iter().any(|block| {
                        let apart = 48 - block.prefix_bits();
                        seen.bssid.bits() >> apart == block.first().bits() >> apart
                    })
                };
                let expected = in_force().any(|site| lists(&site)) && !seen.bssid.is_placeholder();
                assert_eq!(index.lists_access_point(&reference, seen.bssid, at), expected, "{seen:?}");
                listed += u32::from(expected);
            }
            for beacon in batch.beacons(punch) {
                let expected = in_force().any(|site| site.beacons.contains(&beacon.id));
                assert_eq!(index.lists_beacon(&reference, *beacon, at), expected, "{beacon:?}");
                listed += u32::from(expected);
            }
            let Some(fix) = &punch.fix else { continue };
            let point = model::datum::to_wgs84(fix.point, fix.datum);
            let metres: Vec<f64> = in_force().map(|site| signed(&earth, &site.fence, point)).collect();
            if metres.iter().any(|metres| metres.abs() < BLUR_M) {
                continue;
            }
            let expected = metres.iter().any(|metres| *metres < 0.0);
            assert_eq!(index.is_in_a_fence(&reference, point, at), expected, "{point:?}");
            (held, asked) = (held + u32::from(expected), asked + 1);
        }
    }
    println!("{held} of {asked} fixes in a fence, {listed} radios listed");
    assert!(held > 100 && asked - held > 100 && listed > 100);
}

/// The sites of the real chain, when the data is at hand: five of its coordinates repeat.
#[test]
fn a_real_chain_answers_as_a_loop_over_all_sites_would() {
    let Some(data) = std::env::var_os("MUSTER_DATA") else { return };
    let path = std::path::Path::new(&data).join("stores/hk-convenience-stores.geojson");
    let text = std::fs::read_to_string(&path).unwrap();
    let points = text.split("\"coordinates\"").skip(1).map(|rest| {
        let pair = rest.split_once('[').unwrap().1.split_once(']').unwrap().0;
        let (lon, lat) = pair.split_once(',').unwrap();
        LonLat::new(lon.trim().parse().unwrap(), lat.trim().parse().unwrap()).unwrap()
    });
    let circle = |centre| Fence::Circle { centre, radius_m: 100.0 };
    let sites: Vec<_> = points
        .enumerate()
        .map(|(at, point)| support::site(&format!("hk-{:04}", at + 1), circle(point)))
        .collect();
    assert!(sites.len() > 500, "{} stores in {path:?}", sites.len());
    let mut numbers = Numbers::new(852);
    let centres: Vec<_> = (0..12).map(|_| numbers.below(sites.len())).collect();
    for at in centres {
        let Fence::Circle { centre, .. } = sites[at].fence else { unreachable!() };
        let mut town = Town::random(&mut numbers, (centre.lon(), centre.lat()), 40, 20);
        town.reference.sites = sites.clone().into();
        compare(&town, &mut Tally::default());
    }
}

/// What a comparison met.
#[derive(Debug, Default)]
struct Tally {
    compared: usize,
    /// Left out: too close to a border.
    blurred: usize,
    /// How often each place and each reason was told.
    seen: BTreeMap<&'static str, usize>,
}

/// Compares all punches of a town.
fn compare(town: &Town, tally: &mut Tally) {
    let (reference, batch) = (&town.reference, &town.batch);
    let fast = verdicts(reference, batch, &town.due);
    let earth = Geodesic::wgs84();
    for (at, (punch, due)) in batch.punches.iter().zip(&town.due.rows).enumerate() {
        let slow = Slow { reference, batch, due, punch, earth: &earth, blurred: false }.verdict(&town.due);
        let told = &fast.rows[at];
        let Some(slow) = slow else {
            tally.blurred += 1;
            continue;
        };
        tally.compared += 1;
        for name in told.reasons.iter().map(|reason| reason.name()).chain([told.place.name()]) {
            *tally.seen.entry(name).or_default() += 1;
        }
        let candidates: Vec<_> = fast.candidates(told).to_vec();
        let context = format!("around {:?}, punch {at}: {punch:?} {due:?}", town.centre);
        assert_eq!(told.place, slow.place, "{context}");
        let sites = if slow.sites.len() == 1 {
            (slow.sites.first().copied(), vec![])
        } else {
            (None, slow.by_id(reference))
        };
        assert_eq!((told.site.map(|site| site.0), candidates), sites, "{context}");
        assert_eq!(told.evidence, slow.evidence, "{context}");
        assert_eq!(told.reasons, slow.reasons, "{context}\n{told:?}\n{slow:?}");
        match (told.distance_m, slow.distance_m) {
            (None, None) => {}
            (Some(told), Some(slow)) => {
                assert!((told - slow).abs() < 0.005 + BLUR_M, "{told} {slow} {context}")
            }
            other => panic!("{other:?} {context}"),
        }
    }
}

/// What the loop says of one punch.
#[derive(Debug)]
struct Answer {
    place: Place,
    sites: Sites,
    evidence: EvidenceSet,
    distance_m: Option<f64>,
    reasons: Reasons,
}

impl Answer {
    fn by_id(&self, reference: &Reference) -> Vec<SiteAt> {
        let mut sites: Vec<_> = self.sites.iter().map(|site| SiteAt(*site)).collect();
        sites.sort_by_key(|site| &reference.site(*site).site_id);
        sites
    }
}

struct Slow<'a> {
    reference: &'a Reference,
    batch: &'a Batch,
    due: &'a Due,
    punch: &'a Punch,
    earth: &'a Geodesic,
    blurred: bool,
}

/// All that is known before kinds are weighed: sites by kind, and what each fence says (near ones only).
struct Known {
    named: [(EvidenceSet, Sites); 3],
    fences: Option<BTreeMap<u32, Place>>,
    field: Place,
}

impl Slow<'_> {
    fn policy(&self) -> &Policy {
        self.reference.policy(self.due.policy)
    }

    fn in_force(&self) -> impl Iterator<Item = (u32, &Site)> {
        let at = self.punch.occurred_at;
        let holds = move |site: &Site| {
            site.valid_from.is_none_or(|from| at >= from) && site.valid_to.is_none_or(|until| at < until)
        };
        self.reference
            .sites
            .iter()
            .enumerate()
            .map(|(at, site)| (at as u32, &**site))
            .filter(move |row| holds(row.1))
    }

    fn verdict(mut self, due: &DueBatch) -> Option<Answer> {
        let mut reasons = Reasons::EMPTY;
        let named = [
            (EvidenceSet::TERMINAL, self.terminal(&mut reasons)),
            (EvidenceSet::WIFI, self.wifi(&mut reasons)),
            (EvidenceSet::BEACON, self.beacons(&mut reasons)),
        ];
        let accuracy = self.accuracy(&mut reasons);
        let distances: Option<BTreeMap<u32, f64>> = accuracy.map(|_| {
            let point = self.punch.fix.unwrap().point;
            self.in_force().map(|(at, site)| (at, signed(self.earth, &site.fence, point))).collect()
        });
        let fences = distances.as_ref().map(|distances| {
            let judged = distances.iter().map(|(at, d)| {
                let tolerance = self.reference.sites[*at as usize].tolerance_m;
                (*at, self.judge(*d, tolerance.unwrap_or(self.policy().tolerance_m), accuracy.unwrap()))
            });
            judged.collect::<Vec<_>>()
        });
        let fences =
            fences.map(|rows| rows.into_iter().map(|(at, judged)| (at, self.sharp(judged))).collect());
        let field = match (self.due.field, accuracy) {
            (Some((centre, radius_m)), Some(accuracy)) => {
                let point = self.punch.fix.unwrap().point;
                let d = signed(self.earth, &Fence::Circle { centre, radius_m }, point);
                let judged = self.judge(d, self.policy().tolerance_m, accuracy);
                self.sharp(judged)
            }
            _ => Place::Outside,
        };
        let known = Known { named, fences, field };
        let (place, sites, evidence) = known.weigh(self.policy().evidence, self.due.scheduled, &mut reasons);
        if sites.len() > 1 {
            reasons.insert(Reason::AmbiguousSite);
        }
        if let (1, Some(site)) = (sites.len(), sites.first())
            && !due.permits(self.due, SiteAt(*site))
        {
            reasons.insert(Reason::NotPermittedSite);
        }
        if self.due.person.is_none() {
            reasons.insert(Reason::UnknownEmployee);
        }
        if self.punch.wifi_ignored > 0 {
            reasons.insert(Reason::BssidIgnored);
        }
        if self.punch.origin == Origin::Field && self.policy().field_photo == FieldPhoto::Required {
            let told = |part: Option<Text>| part.map(|text| self.batch.text(text));
            let parts = (told(self.punch.photo.reference), told(self.punch.photo.sha256));
            let is_whole = matches!(parts, (Some("s3://x"), Some("hash"))) || self.punch.photo.is_with_vendor;
            if !is_whole {
                reasons.insert(Reason::PhotoMissing);
            }
            if !is_whole && parts != (None, None) {
                reasons.insert(Reason::PhotoMalformed);
            }
        }
        let distance_m = distances.and_then(|distances| self.distance(due, &distances));
        (!self.blurred).then_some(Answer { place, sites, evidence, distance_m, reasons })
    }

    fn terminal(&self, reasons: &mut Reasons) -> Sites {
        let device = self.batch.text(self.punch.device_id);
        let claim = self.batch.text(self.punch.site_claim);
        let lists = |site: &Site| site.terminals.iter().any(|terminal| &**terminal == device);
        if claim.is_empty() {
            let listing: Sites = self.in_force().filter(|(_, site)| lists(site)).map(|(at, _)| at).collect();
            return if listing.len() == 1 { listing } else { Sites::new() };
        }
        match self.in_force().find(|(_, site)| &*site.site_id == claim) {
            Some((at, site)) if lists(site) => return Sites::from([at]),
            Some(_) => reasons.insert(Reason::TerminalUnlisted),
            None => reasons.insert(Reason::UnknownSite),
        }
        Sites::new()
    }

    fn wifi(&self, reasons: &mut Reasons) -> Sites {
        let scan = self.batch.wifi(self.punch);
        let listing = |bits: u64| {
            let mut by_prefix: BTreeMap<u8, Sites> = BTreeMap::new();
            for (at, site) in self.in_force() {
                for block in &site.bssids {
                    let below = 48 - block.prefix_bits();
                    if block.first().bits() >> below == bits >> below {
                        by_prefix.entry(block.prefix_bits()).or_default().insert(at);
                    }
                }
            }
            by_prefix.pop_last().map(|(_, sites)| sites)
        };
        let listed: Vec<_> =
            scan.iter().filter_map(|seen| Some((seen, listing(seen.bssid.bits())?))).collect();
        let mut votes: Vec<_> =
            listed.iter().filter(|(seen, _)| seen.age_ms <= self.policy().wifi_age_max_ms).collect();
        if votes.iter().any(|(seen, _)| seen.connected) {
            votes.retain(|(seen, _)| seen.connected);
        }
        if votes.is_empty() && !scan.is_empty() {
            reasons.insert(if listed.is_empty() { Reason::BssidUnknown } else { Reason::WifiStale });
        }
        union(votes.into_iter().map(|(_, sites)| sites.clone()).collect(), reasons)
    }

    fn beacons(&self, reasons: &mut Reasons) -> Sites {
        let listing = |id| -> Sites {
            self.in_force().filter(|(_, site)| site.beacons.contains(&id)).map(|(at, _)| at).collect()
        };
        let votes = self.batch.beacons(self.punch).iter().map(|seen| listing(seen.id));
        union(votes.filter(|sites| !sites.is_empty()).collect(), reasons)
    }

    /// The accuracy of a usable fix.
    fn accuracy(&self, reasons: &mut Reasons) -> Option<f64> {
        let fix = self.punch.fix.as_ref()?;
        if self.due.location_declined {
            reasons.insert(Reason::LocationDeclined);
            return None;
        }
        if fix.mocked {
            reasons.insert(Reason::Mocked);
        }
        let told = fix.accuracy_m.filter(|metres| *metres != 0.0);
        if told.is_none() {
            reasons.insert(Reason::AccuracyMissing);
        }
        let accuracy = told.unwrap_or(100.0);
        if accuracy < 0.0 || accuracy > self.policy().accuracy_max_m {
            reasons.insert(Reason::AccuracyPoor);
            return None;
        }
        Some(accuracy)
    }

    /// The place, and whether it would be another one a hair further or nearer.
    fn judge(&self, d: f64, t: f64, a: f64) -> (Place, bool) {
        let fix = self.punch.fix.as_ref().unwrap();
        let sigma = if fix.platform == Platform::Ios { 0.707 * a } else { 0.662 * a };
        let r = t + a.min(100.0);
        let place = |d: f64| match self.policy().fence_rule {
            FenceRule::Lenient if d <= 0.0 => Place::Inside,
            FenceRule::Lenient if d > r => Place::Outside,
            FenceRule::Centre => {
                if d <= t {
                    Place::Inside
                } else {
                    Place::Outside
                }
            }
            FenceRule::Strict if d <= -a => Place::Inside,
            FenceRule::Strict if d > r => Place::Outside,
            FenceRule::Probability if normal(-d / sigma) >= 0.95 => Place::Inside,
            FenceRule::Probability if normal(-d / sigma) <= 0.05 => Place::Outside,
            _ => Place::Uncertain,
        };
        (place(d), place(d - BLUR_M) != place(d + BLUR_M))
    }

    fn sharp(&mut self, (place, blurred): (Place, bool)) -> Place {
        self.blurred |= blurred;
        place
    }

    fn distance(&self, due: &DueBatch, distances: &BTreeMap<u32, f64>) -> Option<f64> {
        let of = |site: &SiteAt| distances.get(&site.0).copied();
        let least = |least: f64, metres: f64| least.min(metres);
        if let Some(metres) = self.due.scheduled.as_ref().and_then(of) {
            return Some(metres);
        }
        if let Permitted::Sites(range) = &self.due.permitted {
            let permitted = &due.sites[range.start as usize..range.end as usize];
            if let Some(metres) = permitted.iter().filter_map(of).reduce(least) {
                return Some(metres);
            }
        }
        distances.values().copied().reduce(least).filter(|metres| *metres <= 10_000.0)
    }
}

/// All sites voted for; several radios without a common site contradict each other.
fn union(votes: Vec<Sites>, reasons: &mut Reasons) -> Sites {
    let all: Sites = votes.iter().flatten().copied().collect();
    if !votes.is_empty() && !all.iter().any(|site| votes.iter().all(|sites| sites.contains(site))) {
        reasons.insert(Reason::ContradictionRadio);
    }
    all
}

impl Known {
    fn is_present(&self, kind: EvidenceSet) -> bool {
        match self.named.iter().find(|(named, _)| *named == kind) {
            Some((_, sites)) => !sites.is_empty(),
            None => self.fences.is_some(),
        }
    }

    fn fence(&self, site: u32) -> Place {
        self.fences.as_ref().map_or(Place::Outside, |fences| fences[&site])
    }

    /// The sites a kind does not rule out.
    fn possible(&self, kind: EvidenceSet) -> Sites {
        match self.named.iter().find(|(named, _)| *named == kind) {
            Some((_, sites)) => sites.clone(),
            None => self
                .fences
                .iter()
                .flatten()
                .filter(|row| *row.1 != Place::Outside)
                .map(|row| *row.0)
                .collect(),
        }
    }

    fn weigh(
        &self,
        rule: EvidenceRule,
        scheduled: Option<SiteAt>,
        reasons: &mut Reasons,
    ) -> (Place, Sites, EvidenceSet) {
        let kinds = [EvidenceSet::TERMINAL, EvidenceSet::WIFI, EvidenceSet::BEACON, EvidenceSet::GPS];
        let split =
            |set: EvidenceSet| kinds.into_iter().filter(move |kind| set.contains(*kind)).collect::<Vec<_>>();
        let sets: Vec<Vec<EvidenceSet>> = match rule {
            EvidenceRule::Any => vec![],
            EvidenceRule::Sets(sets) => sets.into_iter().map(split).filter(|set| !set.is_empty()).collect(),
        };
        let asked: Vec<_> = if sets.is_empty() { kinds.to_vec() } else { sets.concat() };
        let wifi = self.possible(EvidenceSet::WIFI);
        let against = asked.contains(&EvidenceSet::WIFI)
            && asked.contains(&EvidenceSet::GPS)
            && self.fences.is_some()
            && !wifi.is_empty()
            && wifi.iter().all(|site| self.fence(*site) == Place::Outside);
        if against {
            reasons.insert(Reason::ContradictionWifiGps);
        }
        if sets.is_empty() {
            return self.decide(&kinds, scheduled);
        }
        let satisfied: Vec<_> =
            sets.iter().filter(|set| set.iter().all(|kind| self.is_present(*kind))).collect();
        if satisfied.is_empty() {
            reasons.insert(Reason::EvidenceMissing);
            let (_, sites, evidence) = self.decide(&kinds, scheduled);
            return (Place::Uncertain, sites, evidence);
        }
        let agrees = |set: &&&Vec<EvidenceSet>| {
            let common = set.iter().map(|kind| self.possible(*kind)).reduce(|a, b| &a & &b).unwrap();
            set.len() == 1 || !common.is_empty()
        };
        let agreeing: Vec<_> = satisfied.iter().filter(agrees).copied().flatten().copied().collect();
        if !agreeing.is_empty() {
            return self.decide(&agreeing, scheduled);
        }
        if !against {
            reasons.insert(Reason::EvidenceMissing);
        }
        let all: Vec<_> = satisfied.into_iter().flatten().copied().collect();
        let (_, sites, evidence) = self.decide(&all, scheduled);
        (Place::Uncertain, sites, evidence)
    }

    fn decide(&self, kinds: &[EvidenceSet], scheduled: Option<SiteAt>) -> (Place, Sites, EvidenceSet) {
        let with = |place: Place| -> Sites {
            self.fences.iter().flatten().filter(|row| *row.1 == place).map(|row| *row.0).collect()
        };
        let strongest = self.named.iter().find(|(kind, sites)| kinds.contains(kind) && !sites.is_empty());
        let (place, mut sites, mut used) = match strongest {
            Some((kind, sites)) => (Place::Inside, sites.clone(), *kind),
            None if kinds.contains(&EvidenceSet::GPS) && self.fences.is_some() => {
                let (holds, reach) = (with(Place::Inside), with(Place::Uncertain));
                let (place, sites) = match self.field {
                    _ if !holds.is_empty() => (Place::Inside, holds),
                    Place::Inside => (Place::Inside, Sites::new()),
                    _ if !reach.is_empty() => (Place::Uncertain, reach),
                    field => (field, Sites::new()),
                };
                (place, sites, EvidenceSet::GPS)
            }
            None => return (Place::NoEvidence, Sites::new(), EvidenceSet::EMPTY),
        };
        let mut narrow = |kind: EvidenceSet, to: Sites| {
            let left = &sites & &to;
            if !left.is_empty() && left != sites {
                sites = left;
                used = used.with(kind);
            }
        };
        for (kind, named) in &self.named {
            narrow(*kind, named.clone());
        }
        narrow(EvidenceSet::GPS, self.possible(EvidenceSet::GPS));
        narrow(EvidenceSet::EMPTY, scheduled.into_iter().map(|site| site.0).collect());
        narrow(EvidenceSet::GPS, with(Place::Inside));
        let agreeing = self.named.iter().cloned().chain([(EvidenceSet::GPS, with(Place::Inside))]);
        for (kind, named) in agreeing {
            if kinds.contains(&kind) && !sites.is_empty() && sites.is_subset(&named) {
                used = used.with(kind);
            }
        }
        (place, sites, used)
    }
}

/// Φ by Simpson's rule.
fn normal(x: f64) -> f64 {
    if x.abs() > 8.0 {
        return if x > 0.0 { 1.0 } else { 0.0 };
    }
    let density = |u: f64| (-0.5 * u * u).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let h = x / 64.0;
    let area = |i: i32| {
        let u = f64::from(i) * h;
        (density(u) + 4.0 * density(u + 0.5 * h) + density(u + h)) * h / 6.0
    };
    0.5 + (0..64).map(area).sum::<f64>()
}

/// Signed metres by geodesics; polygons are small, so their corners are brought to the point's side of the earth.
fn signed(earth: &Geodesic, fence: &Fence, point: LonLat) -> f64 {
    let metres = |lon: f64, lat: f64| -> f64 { earth.inverse(point.lat(), point.lon(), lat, lon) };
    let parts = match fence {
        Fence::Circle { centre, radius_m } => return metres(centre.lon(), centre.lat()) - radius_m,
        Fence::Polygons(parts) => parts,
    };
    let here = |ring: &Ring| -> Vec<(f64, f64)> {
        let side = |lon: f64| point.lon() + (lon - point.lon() + 180.0).rem_euclid(360.0) - 180.0;
        ring.0.iter().map(|(lon, lat)| (side(*lon), *lat)).collect()
    };
    // A degree of longitude over one of latitude.
    let (sin, cos) = point.lat().to_radians().sin_cos();
    let cos = cos * (1.0 - 0.006_694_38 * sin * sin) / (1.0 - 0.006_694_38);
    let (mut inside, mut least) = (false, f64::INFINITY);
    for part in parts {
        let rings: Vec<_> = part.iter().map(here).collect();
        let line =
            |ring: &Vec<(f64, f64)>| LineString(ring.iter().map(|(x, y)| Coord { x: *x, y: *y }).collect());
        let shape = Polygon::new(line(&rings[0]), rings[1..].iter().map(line).collect());
        inside |= shape.contains(&Point::new(point.lon(), point.lat()));
        for ring in &rings {
            for (at, a) in ring.iter().enumerate() {
                let b = ring[(at + 1) % ring.len()];
                // The foot of the perpendicular on a plane is near enough to the nearest point to measure to.
                let (ax, ay) = ((a.0 - point.lon()) * cos, a.1 - point.lat());
                let (dx, dy) = ((b.0 - a.0) * cos, b.1 - a.1);
                let t = (-(ax * dx + ay * dy) / (dx * dx + dy * dy)).clamp(0.0, 1.0);
                let foot = metres(a.0 + t * (b.0 - a.0), a.1 + t * (b.1 - a.1));
                least = least.min(foot);
            }
        }
    }
    if inside { -least } else { least }
}
