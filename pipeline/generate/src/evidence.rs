//! What a phone, tablet or time clock reports for one punch: radios in sight, a noisy fix, sometimes nothing.
//!
//! In: a planned record and its scene.  Out: [`Sample`]: the evidence and the place it is due.  Owns: nothing.
//! Invariants: a sample's place is certain, kept by drawing again until [`place::place`] answers and the scene holds.
//! Why so: a phone's accuracy radius holds the truth in 68 of 100 cases, so an error is a Rayleigh length whose scale
//! is 0.662 of the radius (0.707 on iOS); radii themselves are log-normal.

use model::reference::Fence;
use model::{AccessPoint, Bssid, BssidBlock, Datum, Fix, LonLat, Origin, Place, Platform, Policy, Trigger};

use crate::dice::Dice;
use crate::earth;
use crate::exact::rounded;
use crate::people::{Device, Person};
use crate::place::{self, Evidence, PlaceTruth};
use crate::stores::{Store, neighbour_bssid};
use crate::story::Scene;
use crate::world::World;

/// How often evidence is drawn again before the plainest evidence is taken instead.
const DRAWS_MAX: u32 = 60;

/// Evidence with the place it is due.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    /// By what road the punch comes.
    pub(crate) origin: Origin,
    /// How a phone came to punch.
    pub(crate) trigger: Option<Trigger>,
    /// What is reported.
    pub(crate) evidence: Evidence,
    /// Where that places the punch.
    pub(crate) truth: PlaceTruth,
}

/// Who punches where, and what is known about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting<'w> {
    /// The person.
    pub(crate) person: &'w Person,
    /// Whose phone it is.
    pub(crate) phone: u32,
    /// The store where the punch is made.
    pub(crate) store: u32,
    /// The store where the person is due at that time.
    pub(crate) scheduled: Option<u32>,
    /// The policy by which the place is judged.
    pub(crate) policy: &'w Policy,
}

/// Evidence for that scene whose place is certain.
pub(crate) fn sample(world: &World, dice: &mut Dice, setting: Setting<'_>, scene: Scene) -> Sample {
    for draw in 0..DRAWS_MAX {
        let (origin, evidence) = reported(world, dice, setting, scene, draw);
        let without_fix;
        let counted = if setting.person.declined {
            without_fix = Evidence { fix: None, ..evidence.clone() };
            &without_fix
        } else {
            &evidence
        };
        let truth = place::place(world, counted, setting.policy, setting.scheduled);
        if let Some(truth) = truth.filter(|truth| fits(scene, setting, truth)) {
            return finished(dice, origin, evidence, truth);
        }
    }
    plainest(world, dice, setting)
}

/// A phone in the store's network and without a fix: always certain.
pub(crate) fn plainest(world: &World, dice: &mut Dice, setting: Setting<'_>) -> Sample {
    let wifi = vec![own_access_point(dice, world.store(setting.store), true)];
    let evidence = Evidence { device_id: phone_id(setting.phone), wifi, ..Evidence::default() };
    let site = Some(setting.store);
    let truth = PlaceTruth { place: Place::Inside, site, candidates: Vec::new(), is_torn: false };
    finished(dice, Origin::Phone, evidence, truth)
}

fn finished(dice: &mut Dice, origin: Origin, evidence: Evidence, truth: PlaceTruth) -> Sample {
    let trigger = match (origin, evidence.wifi.is_empty()) {
        (Origin::Phone, false) if dice.chance(0.3) => Some(Trigger::Wifi),
        (Origin::Phone, _) if dice.chance(0.6) => Some(Trigger::Manual),
        _ => None,
    };
    Sample { origin, trigger, evidence, truth }
}

/// Whether the evidence shows what the scene is there for, and leaves no room for two readings of the contract.
fn fits(scene: Scene, setting: Setting<'_>, truth: &PlaceTruth) -> bool {
    let is_here = truth.place == Place::Inside && truth.site == Some(setting.store);
    match scene {
        Scene::Certain | Scene::Clock => is_here && !truth.is_torn,
        Scene::Away => truth.place == Place::Outside,
        Scene::Simulated => {
            truth.place != Place::Outside && !truth.is_torn && !may_be_elsewhere(setting, truth)
        }
        Scene::Torn => is_here && truth.is_torn,
        Scene::AtStore => !may_be_elsewhere(setting, truth),
    }
}

/// Whether the place is uncertain but names the person's other store: nothing says whether that is the wrong store.
fn may_be_elsewhere(setting: Setting<'_>, truth: &PlaceTruth) -> bool {
    let other = truth.site.filter(|site| Some(*site) != setting.scheduled);
    let is_permitted = |site| site == setting.person.home || Some(site) == setting.person.other;
    truth.place == Place::Uncertain && other.is_some_and(is_permitted)
}

fn phone_id(index: u32) -> String {
    format!("phone-{index:07}")
}

fn reported(
    world: &World,
    dice: &mut Dice,
    setting: Setting<'_>,
    scene: Scene,
    draw: u32,
) -> (Origin, Evidence) {
    let store = world.store(setting.store);
    let is_home = setting.store == setting.person.home;
    let by_terminal = matches!(setting.person.device, Device::Terminal | Device::TerminalAuto);
    match (scene, setting.person.device) {
        (Scene::AtStore | Scene::Certain | Scene::Clock, _) if by_terminal && is_home => {
            let place =
                if scene == Scene::Clock { 0 } else { dice.below(store.terminals.len() as u64) as usize };
            let is_unlisted = scene == Scene::AtStore && dice.chance(world.spec.shares.terminal_unlisted);
            let device_id = match store.terminals.get(place) {
                Some(terminal) if !is_unlisted => terminal.clone(),
                _ => format!("clock-{}-new", store.site_id),
            };
            (Origin::Terminal, Evidence { device_id, claim: Some(setting.store), ..Evidence::default() })
        }
        (Scene::AtStore | Scene::Certain, Device::Kiosk) if is_home => {
            let wifi = vec![own_access_point(dice, store, true)];
            let device_id = store.kiosk.clone().unwrap_or_else(|| format!("tablet-{}", store.site_id));
            (Origin::Kiosk, Evidence { device_id, wifi, ..Evidence::default() })
        }
        _ => (Origin::Phone, by_phone(world, dice, setting, scene, draw)),
    }
}

fn by_phone(world: &World, dice: &mut Dice, setting: Setting<'_>, scene: Scene, draw: u32) -> Evidence {
    let store = world.store(setting.store);
    let noise = &world.spec.noise;
    let (has_fix, has_wifi) = match scene {
        Scene::AtStore => (dice.chance(noise.fix_share), dice.chance(noise.wifi_share)),
        // Whoever declined location sends a fix all the same at times; it must not count.
        Scene::Certain | Scene::Clock => (dice.chance(noise.fix_share), true),
        Scene::Away | Scene::Simulated => (true, false),
        Scene::Torn => (true, true),
    };
    let at = match scene {
        Scene::Away | Scene::Torn => {
            let (east, north) = dice.direction();
            let away_m = dice.between(400.0, 3_000.0 + 500.0 * f64::from(draw));
            earth::moved(store.centre, (east * away_m, north * away_m))
        }
        _ => spot_in(dice, store),
    };
    let wifi = scan(world, dice, setting, has_wifi, scene);
    let sees_beacon = !matches!(scene, Scene::Away | Scene::Torn | Scene::Simulated);
    let beacons = store.beacons.iter().copied().filter(|_| sees_beacon && dice.chance(0.6)).collect();
    let fix = has_fix.then(|| fix(world, dice, setting.person, at, scene == Scene::Simulated));
    Evidence { device_id: phone_id(setting.phone), claim: None, fix, wifi, beacons }
}

/// Where somebody stands in the store, at least two metres from its edge.
fn spot_in(dice: &mut Dice, store: &Store) -> LonLat {
    let reach_m = match &store.fence {
        Fence::Circle { radius_m, .. } => radius_m - 2.0,
        Fence::Polygons(_) => 95.0,
    };
    for _ in 0..DRAWS_MAX {
        let (east, north) = dice.in_disc();
        let spot = earth::moved(store.centre, (east * reach_m, north * reach_m));
        if earth::signed_metres(spot, &store.fence) <= -2.0 {
            return spot;
        }
    }
    store.centre
}

/// A fix of somebody who stands at `at`, and its point in WGS-84.
fn fix(world: &World, dice: &mut Dice, person: &Person, at: LonLat, mocked: bool) -> (Fix, LonLat) {
    let noise = &world.spec.noise;
    let radius_m =
        rounded(dice.log_normal(noise.accuracy_median_m, noise.accuracy_spread).clamp(3.0, 300.0), 1);
    let (platform, scale) = if person.is_ios { (Platform::Ios, 0.707) } else { (Platform::Android, 0.662) };
    let (east, north) = dice.normal_pair();
    let measured = earth::written(earth::moved(at, (east * scale * radius_m, north * scale * radius_m)));
    let how_told = dice.unit();
    let accuracy_m = match how_told {
        _ if how_told < noise.accuracy_missing_share => None,
        _ if how_told < noise.accuracy_missing_share + noise.accuracy_poor_share && !mocked => {
            Some(if dice.chance(0.5) { -1.0 } else { rounded(dice.between(800.0, 3_000.0), 0) })
        }
        _ => Some(radius_m),
    };
    let (datum, point) = match person.tells_gcj02 {
        true => (Datum::Gcj02, earth::written(earth::gcj02(measured))),
        false => (Datum::Wgs84, measured),
    };
    (Fix { point, datum, accuracy_m, mocked, platform }, measured)
}

/// The access points a phone sees. iOS tells only the one it is connected to, without strength or age.
fn scan(
    world: &World,
    dice: &mut Dice,
    setting: Setting<'_>,
    has_wifi: bool,
    scene: Scene,
) -> Vec<AccessPoint> {
    let store = world.store(setting.store);
    if setting.person.is_ios {
        return match has_wifi {
            true => vec![own_access_point(dice, store, true)],
            false if dice.chance(0.1) => vec![access_point(neighbour_bssid(dice), None, true, 0)],
            false => Vec::new(),
        };
    }
    let mut seen = Vec::new();
    if has_wifi {
        let must_count = scene != Scene::AtStore;
        if must_count || dice.chance(0.5) {
            seen.push(own_access_point(dice, store, true));
        }
        let is_stale = dice.chance(world.spec.noise.stale_share);
        for block in &store.access_points {
            if dice.chance(0.7) {
                let bssid = address_in(dice, *block);
                let age_ms = if is_stale && dice.chance(0.7) {
                    dice.within(12_000..300_000)
                } else {
                    dice.within(50..8_500)
                };
                let rssi = Some(dice.within(-85..-40) as i16);
                seen.push(access_point(bssid, rssi, false, age_ms as u32));
            }
        }
    }
    if has_wifi || dice.chance(0.3) {
        for _ in 0..dice.below(4) {
            let (bssid, rssi) = (neighbour_bssid(dice), Some(dice.within(-92..-60) as i16));
            seen.push(access_point(bssid, rssi, false, dice.within(50..8_500) as u32));
        }
    }
    if dice.chance(0.03) {
        let hidden = Bssid::from_bits(0x0200_0000_0000).expect("the placeholder has 48 bits");
        seen.push(access_point(hidden, Some(-50), false, 0));
    }
    seen
}

/// One of the store's own, fresh.
fn own_access_point(dice: &mut Dice, store: &Store, connected: bool) -> AccessPoint {
    let block = store.access_points[dice.below(store.access_points.len() as u64) as usize];
    let bssid = address_in(dice, block);
    access_point(bssid, None, connected, 0)
}

fn address_in(dice: &mut Dice, block: BssidBlock) -> Bssid {
    let size = 1_u64 << (48 - block.prefix_bits());
    Bssid::from_bits(block.first().bits() | dice.below(size)).expect("an address of a block has 48 bits")
}

const fn access_point(bssid: Bssid, rssi_dbm: Option<i16>, connected: bool, age_ms: u32) -> AccessPoint {
    AccessPoint { bssid, rssi_dbm, connected, age_ms }
}
