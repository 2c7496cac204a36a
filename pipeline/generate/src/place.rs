//! Where the evidence of one punch places it, by the plainest reading of the contract's section 3.
//!
//! In: evidence, the policy, the scheduled store.  Out: place, site, candidates, or that the evidence is too close to
//! a border to be certain of.  Owns: nothing.
//! Absent on purpose: an evidence policy other than `any`, field permissions and access points of several stores in
//! one scan: none is generated.
//! Invariants: what is said here stays true under any error of distance below half a metre, kept by [`MARGIN_M`].

use model::policy::FenceRule;
use model::{AccessPoint, BeaconId, Fix, LonLat, Place, Platform, Policy};

use crate::earth::{self, Rough};
use crate::stores::EXTENT_MAX_M;
use crate::world::World;

/// A fix nearer than this to where a decision turns is never used, metres.
pub(crate) const MARGIN_M: f64 = 0.5;
/// No tolerance is larger, metres.
const TOLERANCE_MAX_M: f64 = 50.0;
/// Φ(x) = 0.95.
const NINETEEN_OF_TWENTY: f64 = 1.644_853_626_951_472_2;

/// What a device reports.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Evidence {
    /// The time clock or tablet, or the phone.
    pub(crate) device_id: String,
    /// The store at which a time clock says it is.
    pub(crate) claim: Option<u32>,
    /// The fix as told, and its point in WGS-84.
    pub(crate) fix: Option<(Fix, LonLat)>,
    /// The scan; placeholders in it are told but count for nothing.
    pub(crate) wifi: Vec<AccessPoint>,
    /// The beacons.
    pub(crate) beacons: Vec<BeaconId>,
}

/// Where a punch was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlaceTruth {
    /// Seen from the sites.
    pub(crate) place: Place,
    /// The store, where one is told.
    pub(crate) site: Option<u32>,
    /// The stores the evidence cannot tell apart.
    pub(crate) candidates: Vec<u32>,
    /// Whether Wi-Fi and the fix name different places.
    pub(crate) is_torn: bool,
}

/// How one fence sees a fix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Inside,
    Unsure,
    Outside,
}

/// Where the punch was made; `None` if the evidence is too close to a border, or leaves room for two readings.
pub(crate) fn place(
    world: &World,
    evidence: &Evidence,
    policy: &Policy,
    scheduled: Option<u32>,
) -> Option<PlaceTruth> {
    let fix = match evidence.fix.filter(|(fix, _)| is_usable(fix, policy)) {
        Some((fix, at)) => Some(around(world, &fix, at, policy)?),
        None => None,
    };
    let seen_by = |store: u32| {
        let sees = fix
            .as_ref()
            .map(|all| all.iter().find(|(near, _)| *near == store).map_or(Seen::Outside, |(_, s)| *s));
        sees.unwrap_or(Seen::Unsure)
    };
    let told = |place, sites: Vec<u32>, is_torn| {
        let (site, candidates) = match sites.as_slice() {
            [one] => (Some(*one), Vec::new()),
            _ => match scheduled.filter(|store| sites.contains(store)) {
                Some(store) => (Some(store), Vec::new()),
                None => (None, sites),
            },
        };
        Some(PlaceTruth { place, site, candidates, is_torn })
    };
    if let Some(store) =
        evidence.claim.filter(|store| world.store(*store).terminals.contains(&evidence.device_id))
    {
        return told(Place::Inside, vec![store], false);
    }
    let by_wifi = stores_by_wifi(world, evidence, policy);
    if let [store] = by_wifi.as_slice() {
        let others_hold_it = fix.iter().flatten().any(|(near, seen)| near != store && *seen == Seen::Inside);
        return match seen_by(*store) {
            Seen::Outside => told(Place::Inside, vec![*store], true),
            // Another store's fence holds the fix and this one's may: whether that contradicts can be read both ways.
            Seen::Unsure if others_hold_it => None,
            _ => told(Place::Inside, vec![*store], false),
        };
    }
    if !by_wifi.is_empty() {
        return None;
    }
    let mut by_beacon: Vec<u32> =
        evidence.beacons.iter().filter_map(|beacon| world.store_of_beacon(*beacon)).collect();
    by_beacon.sort_unstable();
    by_beacon.dedup();
    if !by_beacon.is_empty() {
        return told(Place::Inside, by_beacon, false);
    }
    let Some(near) = fix else { return told(Place::NoEvidence, Vec::new(), false) };
    let those =
        |wanted| near.iter().filter(|(_, seen)| *seen == wanted).map(|(store, _)| *store).collect::<Vec<_>>();
    let (inside, unsure) = (those(Seen::Inside), those(Seen::Unsure));
    match (inside.is_empty(), unsure.is_empty()) {
        (false, _) => told(Place::Inside, inside, false),
        (true, false) => told(Place::Uncertain, unsure, false),
        (true, true) => told(Place::Outside, Vec::new(), false),
    }
}

/// Whether the fix counts at all: negative accuracy is no position, and a very large one no use.
fn is_usable(fix: &Fix, policy: &Policy) -> bool {
    fix.accuracy_m.is_none_or(|accuracy_m| (0.0..=policy.accuracy_max_m).contains(&accuracy_m))
}

/// How every store around sees the fix, by id; `None` if it lies too close to where one's answer turns.
fn around(world: &World, fix: &Fix, at: LonLat, policy: &Policy) -> Option<Vec<(u32, Seen)>> {
    let mut all = Vec::new();
    // A store whose middle is farther away than this sees the fix outside, whatever its outline and tolerance are.
    let (_, outside_from) = borders(policy.fence_rule, TOLERANCE_MAX_M, fix);
    let (rough, reach_m) = (Rough::around(at), outside_from + EXTENT_MAX_M + 10.0);
    for (index, centre) in world.grid.around(at) {
        if rough.is_beyond(centre, reach_m) {
            continue;
        }
        let store = world.store(index);
        let d = earth::signed_metres(at, &store.fence);
        let tolerance_m = store.tolerance_m.unwrap_or(policy.tolerance_m);
        let (inside_until, outside_from) = borders(policy.fence_rule, tolerance_m, fix);
        if (d - inside_until).abs() < MARGIN_M || (d - outside_from).abs() < MARGIN_M {
            return None;
        }
        let seen = match d {
            _ if d <= inside_until => Seen::Inside,
            _ if d > outside_from => Seen::Outside,
            _ => Seen::Unsure,
        };
        all.push((index, seen));
    }
    all.sort_unstable_by_key(|(index, _)| *index);
    Some(all)
}

/// The signed distances up to which a fix is inside, and beyond which it is outside.
fn borders(rule: FenceRule, tolerance_m: f64, fix: &Fix) -> (f64, f64) {
    let accuracy_m = fix.accuracy_m.filter(|accuracy_m| *accuracy_m > 0.0).unwrap_or(100.0);
    let reach_m = tolerance_m + accuracy_m.min(100.0);
    let sigma_m = accuracy_m * if fix.platform == Platform::Ios { 0.707 } else { 0.662 };
    match rule {
        FenceRule::Lenient => (0.0, reach_m),
        FenceRule::Centre => (tolerance_m, tolerance_m),
        FenceRule::Strict => (-accuracy_m, reach_m),
        FenceRule::Probability => (-NINETEEN_OF_TWENTY * sigma_m, NINETEEN_OF_TWENTY * sigma_m),
    }
}

/// The stores that list an access point of the scan: the connected one's if it is listed, else those of all fresh ones.
fn stores_by_wifi(world: &World, evidence: &Evidence, policy: &Policy) -> Vec<u32> {
    let listed = |connected_only: bool| {
        let mut stores: Vec<u32> = evidence
            .wifi
            .iter()
            .filter(|seen| seen.age_ms <= policy.wifi_age_max_ms && (seen.connected || !connected_only))
            .filter_map(|seen| world.store_of_bssid(seen.bssid))
            .collect();
        stores.sort_unstable();
        stores.dedup();
        stores
    };
    let connected = listed(true);
    if connected.is_empty() { listed(false) } else { connected }
}

#[cfg(test)]
mod tests {
    use model::reference::Fence;
    use model::{Bssid, Datum};

    use super::*;
    use crate::{Spec, chain};

    fn world(stores: u32) -> World {
        chain(&Spec { stores, employees: stores, ..Spec::demo() }).unwrap()
    }

    /// A round store with nothing else within 600 m, and its radius.
    fn lonely(world: &World) -> (u32, f64) {
        let is_lonely = |index: u32| {
            let here = world.store(index).centre;
            let near = world.stores().iter().filter(|store| earth::metres(store.centre, here) < 600.0);
            near.count() == 1 && world.store(index).tolerance_m.is_none()
        };
        (0..24)
            .find_map(|index| match world.store(index).fence {
                Fence::Circle { radius_m, .. } if is_lonely(index) => Some((index, radius_m)),
                _ => None,
            })
            .unwrap()
    }

    /// A fix `d` metres outside the store's circle.
    fn fix(world: &World, store: u32, d: f64, accuracy_m: Option<f64>, platform: Platform) -> (Fix, LonLat) {
        let Fence::Circle { centre, radius_m } = world.store(store).fence else { panic!("a circle") };
        let point = earth::moved(centre, (radius_m + d, 0.0));
        (Fix { point, datum: Datum::Wgs84, accuracy_m, mocked: false, platform }, point)
    }

    #[test]
    fn each_fence_rule_turns_where_the_contract_says() {
        use FenceRule::{Centre, Lenient, Probability, Strict};
        use Platform::{Android, Ios};
        let world = world(24);
        let (store, _) = lonely(&world);
        for (rule, tolerance_m, accuracy_m, platform, d, told) in [
            (Lenient, 0.0, Some(20.0), Android, -1.0, "inside"),
            (Lenient, 0.0, Some(20.0), Android, 19.0, "uncertain"),
            (Lenient, 0.0, Some(20.0), Android, 21.0, "outside"),
            (Lenient, 30.0, Some(20.0), Android, 49.0, "uncertain"),
            (Lenient, 0.0, Some(300.0), Android, 99.0, "uncertain"),
            (Lenient, 0.0, Some(300.0), Android, 101.0, "outside"),
            (Lenient, 0.0, None, Android, 99.0, "uncertain"),
            (Lenient, 0.0, Some(0.0), Android, 99.0, "uncertain"),
            (Lenient, 0.0, Some(-1.0), Android, 400.0, "no_evidence"),
            (Lenient, 0.0, Some(501.0), Android, -1.0, "no_evidence"),
            (Lenient, 0.0, Some(20.0), Android, 0.2, "close"),
            (Centre, 10.0, Some(20.0), Android, 9.0, "inside"),
            (Centre, 10.0, Some(20.0), Android, 11.0, "outside"),
            (Strict, 0.0, Some(20.0), Android, -21.0, "inside"),
            (Strict, 0.0, Some(20.0), Android, -19.0, "uncertain"),
            (Strict, 0.0, Some(20.0), Android, 21.0, "outside"),
            // 1.645 × 0.662 × 20 = 21.78, 1.645 × 0.707 × 20 = 23.26
            (Probability, 0.0, Some(20.0), Android, -22.5, "inside"),
            (Probability, 0.0, Some(20.0), Android, -21.0, "uncertain"),
            (Probability, 0.0, Some(20.0), Android, 22.5, "outside"),
            (Probability, 0.0, Some(20.0), Ios, -22.5, "uncertain"),
            (Probability, 0.0, Some(20.0), Ios, 24.0, "outside"),
        ] {
            let policy = Policy { fence_rule: rule, tolerance_m, ..Policy::default() };
            let fix = fix(&world, store, d, accuracy_m, platform);
            let evidence = Evidence { fix: Some(fix), ..Evidence::default() };
            let truth = place(&world, &evidence, &policy, None);
            let name = truth.as_ref().map_or("close", |truth| truth.place.name());
            assert_eq!(name, told, "{rule:?} t {tolerance_m} a {accuracy_m:?} {platform:?} d {d}");
            let names_site = matches!(told, "inside" | "uncertain");
            assert_eq!(truth.and_then(|truth| truth.site), names_site.then_some(store));
        }
    }

    #[test]
    fn the_strongest_kind_of_evidence_decides() {
        let world = world(24);
        let (store, _) = lonely(&world);
        let own = |age_ms, connected| AccessPoint {
            bssid: world.store(store).access_points[0].first(),
            rssi_dbm: None,
            connected,
            age_ms,
        };
        let foreign = AccessPoint { bssid: Bssid::parse(b"3c:84:6a:00:00:01").unwrap(), ..own(0, true) };
        let far = Some(fix(&world, store, 400.0, Some(10.0), Platform::Android));
        let here = Some(fix(&world, store, -5.0, Some(10.0), Platform::Android));
        for (wifi, fix, told) in [
            (vec![own(0, true)], None, "inside"),
            (vec![own(10_000, false)], None, "inside"),
            (vec![own(10_001, false)], None, "no_evidence"),
            (vec![own(10_001, false)], far, "outside"),
            (vec![foreign], None, "no_evidence"),
            (vec![foreign], here, "inside"),
            (vec![own(0, true)], here, "inside"),
            (vec![own(0, true)], far, "inside torn"),
            (vec![foreign, own(0, false)], far, "inside torn"),
        ] {
            let shown = format!("{wifi:?} {fix:?}");
            let evidence = Evidence { wifi, fix, ..Evidence::default() };
            let truth = place(&world, &evidence, &Policy::default(), None).unwrap();
            let torn = if truth.is_torn { " torn" } else { "" };
            assert_eq!(format!("{}{torn}", truth.place.name()), told, "{shown}");
        }
        let claim = |device_id: &str, store| {
            let evidence =
                Evidence { device_id: device_id.to_owned(), claim: Some(store), ..Evidence::default() };
            place(&world, &evidence, &Policy::default(), None).unwrap().place
        };
        let with_clock = (0..24).find(|index| !world.store(*index).terminals.is_empty()).unwrap();
        assert_eq!(claim(&world.store(with_clock).terminals[0], with_clock), Place::Inside);
        assert_eq!(claim("clock-somewhere-else", with_clock), Place::NoEvidence);
    }

    #[test]
    fn the_shift_settles_between_sisters_and_nothing_else_does() {
        let world = world(240);
        let sisters = (1..240_u32).filter(|index| world.store(*index).has_sister);
        let radius = |index| match world.store(index).fence {
            Fence::Circle { radius_m, .. } => radius_m,
            Fence::Polygons(_) => 0.0,
        };
        let (a, b) = sisters
            .map(|index| (index - 1, index))
            .find(|(a, b)| {
                let apart_m = earth::metres(world.store(*a).centre, world.store(*b).centre);
                apart_m < 101.0 && radius(*a) > apart_m / 2.0 + 2.0 && radius(*b) > apart_m / 2.0 + 2.0
            })
            .unwrap();
        let [here, there] = [a, b].map(|index| world.store(index).centre);
        let between = earth::point((here.lon() + there.lon()) / 2.0, (here.lat() + there.lat()) / 2.0);
        let fix = Fix {
            point: between,
            datum: Datum::Wgs84,
            accuracy_m: Some(5.0),
            mocked: false,
            platform: Platform::Ios,
        };
        let evidence = Evidence { fix: Some((fix, between)), ..Evidence::default() };
        let told = |scheduled| place(&world, &evidence, &Policy::default(), scheduled).unwrap();
        assert_eq!((told(None).site, told(None).candidates), (None, vec![a, b]));
        assert_eq!((told(Some(b)).site, told(Some(b)).candidates), (Some(b), vec![]));
        assert_eq!(told(Some(77)).site, None, "another store's shift settles nothing");
    }
}
