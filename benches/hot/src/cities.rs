//! A world of up to a million fences in skewed cities, and the punches of the people who work there.
//!
//! In: how many fences, which of them are polygons.  Out: [`Cities`]: a snapshot, and punches as batches with where their
//! people were due.  Owns: both.
//!
//! Fences: 5,000 cities at 1M fences, the largest of which has 11,000; a city of n fences spreads as a Gaussian of
//! 12 km · (n / 10,800)^0.4, so that large ones are denser; every tenth fence stands in a mall or a downtown block with 24
//! others within about 100 m. Radii 50 to 200 m; polygons have 4 to 12 corners. Sites come in random order.
//! Punches: 70 % at a store, 30 % anywhere in its city; 8 % with an accuracy of 80 to 400 m, else 4 to 40 m. Of the
//! people, 90 % are scheduled at their store, 9 % are not but have one to three permitted sites, 1 % are strangers.
//! Absent on purpose: beacons, datums, sites with dates (other benchmarks have them).

use std::f64::consts::{PI, TAU};
use std::sync::Arc;

use jiff::tz::TimeZone;
use model::{
    AccessPoint, Batch, Bssid, BssidBlock, Datum, Due, DueBatch, EventTime, Fence, Fix, Kind, LonLat,
    NextOffset, Offset, Origin, Partition, Permitted, PersonIndex, Platform, Policy, PolicyIndex, Punch,
    Reference, Ring, Site, SiteIndex,
};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use crate::addresses::{MAKERS, address, maker};

/// Metres per degree of latitude, about.
const DEGREE_M: f64 = 111_195.0;
/// Fences of a mall.
const MALL: usize = 25;

/// A point in metres east and north of a city's centre.
type Offset2 = (f64, f64);

/// A snapshot of sites in cities, and what is needed to punch there.
#[derive(Debug)]
pub struct Cities {
    /// The snapshot.
    pub reference: Arc<Reference>,
    /// The city of each site.
    city_of: Vec<u32>,
    cities: Vec<City>,
    /// The sites of each city.
    sites_of: Vec<Vec<u32>>,
    random: StdRng,
}

#[derive(Clone, Copy, Debug)]
struct City {
    centre: (f64, f64),
    sigma_m: f64,
}

impl Cities {
    /// `fences` of them, of which one in `polygon_in` is a polygon (0: none).
    pub fn make(fences: usize, polygon_in: usize) -> Self {
        let mut random = StdRng::seed_from_u64(20_261_123);
        let count = (fences / 200).max(1);
        let weight = |rank: usize| (rank as f64 + 10.0).powf(-0.9);
        let total: f64 = (0..count).map(weight).sum();
        let mut cities = Vec::with_capacity(count);
        let mut placed: Vec<(u32, (f64, f64))> = Vec::with_capacity(fences);
        for rank in 0..count {
            let size = ((weight(rank) / total * fences as f64).ceil() as usize).min(fences - placed.len());
            let city = City::random(&mut random, size);
            let mut left = size;
            while left > 0 {
                let at = city.anywhere(&mut random);
                let cluster = if random.random_range(0..MALL * 9) == 0 { MALL.min(left) } else { 1 };
                let near = |random: &mut StdRng| match cluster {
                    1 => (0.0, 0.0),
                    _ => gauss(random, 100.0),
                };
                placed.extend((0..cluster).map(|_| {
                    let (east, north) = near(&mut random);
                    (rank as u32, city.moved((at.0 + east, at.1 + north)))
                }));
                left -= cluster;
            }
            cities.push(city);
        }
        placed.shuffle(&mut random);
        let mut sites_of = vec![Vec::new(); count];
        let names: [Arc<str>; 3] = ["store".into(), "hk".into(), "UTC".into()];
        let mut sites = Vec::with_capacity(placed.len());
        for (place, (city, centre)) in placed.iter().enumerate() {
            sites_of[*city as usize].push(place as u32);
            let is_polygon = polygon_in > 0 && place % polygon_in == 0;
            sites.push(site(place, &names, fence(&mut random, *centre, is_polygon)));
        }
        let policies = vec![Policy::default()];
        let reference =
            Reference { version: "cities".into(), sites: sites.into(), policies, ..Reference::default() };
        let city_of = placed.into_iter().map(|(city, _)| city).collect();
        Self { reference: Arc::new(reference), city_of, cities, sites_of, random }
    }

    /// The next `punches` of them as a batch, with where their people were due. What was there before is dropped.
    ///
    /// # Panics
    /// Never: all coordinates are in range.
    pub fn fill(&mut self, punches: usize, batch: &mut Batch, due: &mut DueBatch) {
        batch.clear(Partition::new(0), NextOffset::START);
        due.clear();
        for place in 0..punches {
            let store = self.random.random_range(0..self.city_of.len());
            let point = self.punch_point(store);
            let accuracy_m = match self.random.random_range(0..100) {
                0..8 => self.random.random_range(80.0..400.0),
                _ => self.random.random_range(4.0..40.0),
            };
            let texts = [batch.push_text("e-0000001"), batch.push_text("")];
            batch.punches.push(punch(place, point, accuracy_m, texts));
            due.rows.push(self.due(store, &mut due.sites));
        }
    }

    /// Lets every site list `each` access points, the same ones whenever that many are asked for.
    pub fn list_access_points(&mut self, each: u64) {
        let reference = Arc::make_mut(&mut self.reference);
        for (site, number) in reference.sites.iter_mut().zip(0_u64..) {
            let addresses = (0..each).map(|at| address(number * each + at));
            Arc::make_mut(site).bssids = addresses.filter_map(|first| BssidBlock::new(first, 48)).collect();
        }
    }

    /// Lets every punch of a batch by [`Self::fill`] hear four access points: at its person's store three of those that it
    /// lists and one that nobody does, elsewhere four that nobody does.
    pub fn hear(&mut self, batch: &mut Batch, due: &DueBatch) {
        for (punch, row) in batch.punches.iter_mut().zip(&due.rows) {
            let store = row.scheduled.or(match &row.permitted {
                Permitted::Sites(range) => Some(due.sites[range.start as usize]),
                Permitted::All => None,
            });
            let store = store.filter(|store| self.is_at(*store, punch));
            let from = batch.access_points.len() as u32;
            for place in 0..4 {
                let listed = store.map_or(&[][..], |store| &self.reference.site(store).bssids[..]);
                let bssid = match listed.get(self.random.random_range(0..listed.len().max(1))) {
                    Some(block) if place > 0 => Some(block.first()),
                    _ => {
                        let device = self.random.random_range(0..1 << 24);
                        Bssid::from_bits(maker(self.random.random_range(0..MAKERS)) << 24 | device)
                    }
                };
                let heard = |bssid| AccessPoint { bssid, rssi_dbm: None, connected: false, age_ms: 0 };
                batch.access_points.extend(bssid.map(heard));
            }
            punch.wifi = from..batch.access_points.len() as u32;
        }
    }

    /// Whether the punch is about where the site is.
    fn is_at(&self, site: SiteIndex, punch: &Punch) -> bool {
        let Fence::Circle { centre, radius_m } = &self.reference.site(site).fence else { return true };
        punch.fix.is_some_and(|fix| {
            let north = (fix.point.lat() - centre.lat()) * DEGREE_M;
            let east = (fix.point.lon() - centre.lon()) * DEGREE_M * centre.lat().to_radians().cos();
            north.hypot(east) <= *radius_m
        })
    }

    fn punch_point(&mut self, store: usize) -> LonLat {
        let city = self.cities[self.city_of[store] as usize];
        if self.random.random_range(0..10) < 3 {
            let there = city.anywhere(&mut self.random);
            return lon_lat(city.moved(there));
        }
        let (centre, radius_m) = match &self.reference.sites[store].fence {
            Fence::Circle { centre, radius_m } => ((centre.lon(), centre.lat()), *radius_m),
            Fence::Polygons(parts) => {
                let corners = &parts[0][0].0;
                let mean = |value: fn(&(f64, f64)) -> f64| {
                    corners.iter().map(value).sum::<f64>() / corners.len() as f64
                };
                ((mean(|corner| corner.0), mean(|corner| corner.1)), 100.0)
            }
        };
        let there = gauss(&mut self.random, 0.3 * radius_m);
        lon_lat(moved(centre, there))
    }

    fn due(&mut self, store: usize, sites: &mut Vec<SiteIndex>) -> Due {
        let from = sites.len() as u32;
        let luck = self.random.random_range(0..100);
        let is_stranger = luck == 0;
        if !is_stranger {
            sites.push(SiteIndex(store as u32));
            let near = &self.sites_of[self.city_of[store] as usize];
            for _ in 0..self.random.random_range(0..3) {
                sites.push(SiteIndex(near[self.random.random_range(0..near.len())]));
            }
        }
        Due {
            person: (!is_stranger).then_some(PersonIndex(0)),
            scheduled: (luck >= 10).then_some(SiteIndex(store as u32)),
            permitted: if is_stranger { Permitted::All } else { Permitted::Sites(from..sites.len() as u32) },
            policy: PolicyIndex(0),
            location_declined: false,
            field: None,
        }
    }
}

impl City {
    fn random(random: &mut StdRng, size: usize) -> Self {
        let lat = random.random_range(-40.0..60.0);
        let centre = (random.random_range(-180.0..180.0), lat);
        Self { centre, sigma_m: 12_000.0 * (size as f64 / 10_800.0).powf(0.4) }
    }

    fn anywhere(&self, random: &mut StdRng) -> Offset2 {
        gauss(random, self.sigma_m)
    }

    fn moved(&self, by: Offset2) -> (f64, f64) {
        moved(self.centre, by)
    }
}

fn moved(from: (f64, f64), by: Offset2) -> (f64, f64) {
    let lat = from.1 + by.1 / DEGREE_M;
    (from.0 + by.0 / (DEGREE_M * from.1.to_radians().cos()), lat)
}

fn lon_lat(point: (f64, f64)) -> LonLat {
    let lon = (point.0 + 180.0).rem_euclid(360.0) - 180.0;
    LonLat::new(lon, point.1).expect("cities lie between 41 degrees south and 61 north")
}

/// Two independent normal numbers of that deviation (Box–Muller).
fn gauss(random: &mut StdRng, sigma: f64) -> Offset2 {
    let length = sigma * (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
    let angle = random.random_range(-PI..PI);
    (length * angle.cos(), length * angle.sin())
}

fn fence(random: &mut StdRng, centre: (f64, f64), is_polygon: bool) -> Fence {
    let radius_m = random.random_range(50.0..200.0);
    if !is_polygon {
        return Fence::Circle { centre: lon_lat(centre), radius_m };
    }
    let corners = random.random_range(4..=12);
    let corner = |random: &mut StdRng, at: usize| {
        let angle = TAU * (at as f64 + 0.8 * random.random::<f64>()) / corners as f64;
        let length = radius_m * random.random_range(0.6..1.0);
        moved(centre, (length * angle.cos(), length * angle.sin()))
    };
    Fence::Polygons(vec![vec![Ring((0..corners).map(|at| corner(random, at)).collect())]])
}

fn site(place: usize, names: &[Arc<str>; 3], fence: Fence) -> Site {
    Site {
        site_id: format!("s{place:07}").into(),
        name: Arc::clone(&names[0]),
        org: Arc::clone(&names[1]),
        time_zone: TimeZone::UTC,
        time_zone_name: Arc::clone(&names[2]),
        fence,
        tolerance_m: None,
        policy: None,
        bssids: Vec::new(),
        beacons: Vec::new(),
        terminals: Vec::new(),
        managers: Vec::new(),
        valid_from: None,
        valid_to: None,
    }
}

fn punch(place: usize, point: LonLat, accuracy_m: f64, [id, empty]: [model::Text; 2]) -> Punch {
    let at = EventTime::from_us(0);
    Punch {
        offset: Offset::new(place as i64).expect("a place is not negative"),
        received_at: at,
        event_id: id,
        employee_id: id,
        kind: Kind::Auto,
        occurred_at: at,
        origin: Origin::Phone,
        trigger: None,
        device_id: empty,
        site_claim: empty,
        time_zone: empty,
        fix: Some(Fix {
            point,
            datum: Datum::Wgs84,
            accuracy_m: Some(accuracy_m),
            mocked: false,
            platform: Platform::Android,
        }),
        wifi: 0..0,
        wifi_ignored: 0,
        beacons: 0..0,
        photo: model::Photo::default(),
    }
}
