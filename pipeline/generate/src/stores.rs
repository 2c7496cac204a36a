//! Stores: where they stand, their outlines, and the radios and terminals in them.
//!
//! In: the spec and the areas.  Out: stores in id order, and a grid that finds those around a point.
//! Owns: nothing after building.
//! Invariants: an access point's address belongs to one store, kept by numbering them (`bssid_block`); parts of an
//! outline lie apart, kept by `two_parts`.

use hashbrown::HashMap;
use model::reference::Fence;
use model::{BeaconId, Bssid, BssidBlock, Datum, LonLat, Ring};

use crate::dice::{Dice, Seed, Subject};
use crate::earth;
use crate::exact::rounded;
use crate::region::{AREAS_PER_CITY, Area};
use crate::spec::Spec;

/// No point of an outline is farther than this from the store's middle, metres.
pub(crate) const EXTENT_MAX_M: f64 = 120.0;
/// Stores that are no sisters keep this distance where there is room, in metres.
const APART_M: f64 = 280.0;
/// Most access points of one store.
const ACCESS_POINTS_MAX: u32 = 6;

/// One store.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    /// Its id: `hk-0001`.
    pub(crate) site_id: String,
    /// What people call it.
    pub(crate) name: String,
    /// Its area's place.
    pub(crate) area: u32,
    /// Its middle.
    pub(crate) centre: LonLat,
    /// Its outline in WGS-84.
    pub(crate) fence: Fence,
    /// The datum in which the outline is told; only circles are told in another one.
    pub(crate) datum: Datum,
    /// Its own tolerance in metres.
    pub(crate) tolerance_m: Option<f64>,
    /// Its access points: 2 to 6 addresses or blocks.
    pub(crate) access_points: Vec<BssidBlock>,
    /// Its beacons.
    pub(crate) beacons: Vec<BeaconId>,
    /// Device ids of its time clocks.
    pub(crate) terminals: Vec<String>,
    /// The device id of its tablet.
    pub(crate) kiosk: Option<String>,
    /// Whether another shop of the chain is within 100 m.
    pub(crate) has_sister: bool,
}

/// All stores of the chain.
pub(crate) fn stores(spec: &Spec, seed: &Seed, areas: &[Area]) -> Vec<Store> {
    let mut stores: Vec<Store> = Vec::with_capacity(spec.stores as usize);
    let mut of_area: Vec<Vec<u32>> = vec![Vec::new(); areas.len()];
    let mut numbers = vec![0_u32; spec.stores.div_ceil(spec.stores_per_city) as usize];
    let per_area = f64::from(spec.stores) / areas.len() as f64;
    let spread_m = (170.0 * per_area.sqrt()).max(500.0);
    let mut waiting_for_sister = None;
    for index in 0..spec.stores {
        let mut dice = seed.dice(Subject::Store, index, 0, 0);
        let sister = waiting_for_sister.take();
        let area =
            sister.map_or(index as usize % areas.len(), |sister: u32| stores[sister as usize].area as usize);
        let centre = match sister {
            Some(sister) => {
                let (east, north) = dice.direction();
                let away_m = dice.between(40.0, 100.0);
                earth::moved(stores[sister as usize].centre, (east * away_m, north * away_m))
            }
            None => free_spot(&mut dice, areas[area].centre, spread_m, &of_area[area], &stores),
        };
        // Every pair of sisters is two stores, so half the share starts one.
        if sister.is_none() && dice.chance(spec.noise.sister_share / (2.0 - spec.noise.sister_share)) {
            waiting_for_sister = Some(index);
        }
        let number = &mut numbers[city_of(area)];
        *number += 1;
        let number = *number;
        let mut store =
            furnished(spec, &mut dice, index, (area, &areas[area]), number, earth::written(centre));
        if let Some(sister) = sister {
            store.has_sister = true;
            stores[sister as usize].has_sister = true;
        }
        of_area[area].push(index);
        stores.push(store);
    }
    stores
}

/// The city of an area.
const fn city_of(area: usize) -> usize {
    area / AREAS_PER_CITY
}

fn free_spot(dice: &mut Dice, middle: LonLat, spread_m: f64, taken: &[u32], stores: &[Store]) -> LonLat {
    let mut spot = middle;
    for _ in 0..20 {
        let (east, north) = dice.in_disc();
        spot = earth::moved(middle, (east * spread_m, north * spread_m));
        let free = |index: &u32| earth::metres(stores[*index as usize].centre, spot) >= APART_M;
        if taken.iter().all(free) {
            break;
        }
    }
    spot
}

fn furnished(
    spec: &Spec,
    dice: &mut Dice,
    index: u32,
    area: (usize, &Area),
    number: u32,
    centre: LonLat,
) -> Store {
    let noise = &spec.noise;
    let (area_index, area) = area;
    let fence = outline(dice, centre, noise.polygon_share);
    let is_circle = matches!(fence, Fence::Circle { .. });
    let datum = if is_circle && dice.chance(noise.site_gcj02_share) { Datum::Gcj02 } else { Datum::Wgs84 };
    let tolerance_m = dice.chance(noise.tolerance_share).then_some(20.0);
    let access_points = (0..2 + dice.below(u64::from(ACCESS_POINTS_MAX) - 1) as u32)
        .map(|place| bssid_block(index * 8 + place, dice.chance(noise.block_share), dice))
        .collect();
    let beacons = if dice.chance(noise.beacon_share) {
        (1..=1 + dice.below(2) as u16).map(|minor| beacon(index, minor)).collect()
    } else {
        Vec::new()
    };
    let site_id = format!("{}-{number:04}", area.city);
    let terminals = match dice.chance(noise.terminal_share) {
        true => (1..=1 + dice.below(2)).map(|n| format!("clock-{site_id}-{n}")).collect(),
        false => Vec::new(),
    };
    let kiosk = dice.chance(noise.kiosk_share).then(|| format!("tablet-{site_id}"));
    let name = format!("{} No. {number}", area.names[0]);
    let area = area_index as u32;
    let has_sister = false;
    Store {
        site_id,
        name,
        area,
        centre,
        fence,
        datum,
        tolerance_m,
        access_points,
        beacons,
        terminals,
        kiosk,
        has_sister,
    }
}

fn outline(dice: &mut Dice, centre: LonLat, polygon_share: f64) -> Fence {
    if !dice.chance(polygon_share) {
        return Fence::Circle { centre, radius_m: rounded(dice.between(40.0, 120.0), 0) };
    }
    match dice.weighted(&[0.2, 0.33, 0.47]) {
        0 => two_parts(dice, centre),
        1 => {
            let shell = dice.between(60.0, 95.0);
            // The shell is nowhere nearer to the middle than half its size, and the hole reaches a quarter of it.
            let hole = ring(dice, centre, shell * 0.25);
            Fence::Polygons(vec![vec![ring(dice, centre, shell), hole]])
        }
        _ => {
            let size = dice.between(45.0, 95.0);
            Fence::Polygons(vec![vec![ring(dice, centre, size)]])
        }
    }
}

/// Two parts, 100 m from middle to middle and at most 40 m in reach each.
fn two_parts(dice: &mut Dice, centre: LonLat) -> Fence {
    let (east, north) = dice.direction();
    let parts = [-50.0, 50.0].map(|away_m| {
        let middle = earth::moved(centre, (east * away_m, north * away_m));
        let size = dice.between(28.0, 40.0);
        vec![ring(dice, middle, size)]
    });
    Fence::Polygons(parts.into())
}

/// A star-shaped outline of 5 to 9 corners, each between 0.7 and 1 of `size_m` from the middle; wound either way.
fn ring(dice: &mut Dice, middle: LonLat, size_m: f64) -> Ring {
    let corners = 5 + dice.below(5);
    let turn = dice.unit();
    let mut ring: Vec<(f64, f64)> = (0..corners)
        .map(|corner| {
            let (sin, cos) =
                crate::exact::sin_cos((corner as f64 + turn) / corners as f64 * std::f64::consts::TAU);
            let reach_m = size_m * dice.between(0.7, 1.0);
            let at = earth::written(earth::moved(middle, (cos * reach_m, sin * reach_m)));
            (at.lon(), at.lat())
        })
        .collect();
    if dice.chance(0.3) {
        ring.reverse();
    }
    Ring(ring)
}

/// First octets of makers of access points; the last one is only ever a neighbour's.
const MAKERS: [u64; 5] = [0xa4_5630, 0x00_1a1e, 0x88_1544, 0x70_3acb, 0x3c_846a];

/// The address, or block of sixteen, of access point `number` (below 2^20): no two numbers share a block.
fn bssid_block(number: u32, is_block: bool, dice: &mut Dice) -> BssidBlock {
    // An odd factor permutes the 20 bits, so that neighbours' addresses do not look alike.
    let scattered = u64::from(number.wrapping_mul(0x9_e375) & 0xf_ffff);
    let maker = MAKERS[number as usize % (MAKERS.len() - 1)];
    let first = maker << 24 | scattered << 4;
    let (bits, prefix) = if is_block { (first, 44) } else { (first | dice.below(16), 48) };
    let bssid = Bssid::from_bits(bits).expect("24 bits of maker and 24 of device are 48");
    BssidBlock::new(bssid, prefix).expect("a block's last four bits are zero")
}

/// The address of an access point that no site lists.
pub(crate) fn neighbour_bssid(dice: &mut Dice) -> Bssid {
    let maker = if dice.chance(0.2) { 0x02_4201 } else { MAKERS[MAKERS.len() - 1] };
    Bssid::from_bits(maker << 24 | (dice.bits() & 0xff_ffff))
        .expect("24 bits of maker and 24 of device are 48")
}

fn beacon(store: u32, minor: u16) -> BeaconId {
    const UUID: u128 = 0xfda5_0693_a4e2_4fb1_afcf_c6eb_0764_7800;
    BeaconId { uuid: UUID | u128::from(store >> 16), major: store as u16, minor }
}

/// Finds the stores around a point.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grid {
    /// The stores of each cell and their middles. Only ever asked for one cell, so that its order does not matter.
    cells: HashMap<(i32, i32), Vec<(u32, LonLat)>>,
}

/// Degrees of a cell's sides in longitude and latitude: each at least a kilometre below 60° of latitude.
const CELL_DEGREES: (f64, f64) = (0.018, 0.009_1);

impl Grid {
    /// The grid over all stores.
    pub(crate) fn new(stores: &[Store]) -> Self {
        let mut cells: HashMap<(i32, i32), Vec<(u32, LonLat)>> = HashMap::new();
        for (index, store) in stores.iter().enumerate() {
            cells.entry(cell(store.centre)).or_default().push((index as u32, store.centre));
        }
        Self { cells }
    }

    /// Every store whose middle is within a kilometre of `at`, and some more; each with its middle.
    pub(crate) fn around(&self, at: LonLat) -> impl Iterator<Item = (u32, LonLat)> + '_ {
        let (x, y) = cell(at);
        let cells = (x - 1..=x + 1).flat_map(move |x| (y - 1..=y + 1).map(move |y| (x, y)));
        cells.filter_map(|cell| self.cells.get(&cell)).flatten().copied()
    }
}

fn cell(at: LonLat) -> (i32, i32) {
    ((at.lon() / CELL_DEGREES.0).floor() as i32, (at.lat() / CELL_DEGREES.1).floor() as i32)
}
