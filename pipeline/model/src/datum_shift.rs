//! Tells which sites have fixes that lie apart from them in a common way, and which missing datum tag would explain it.
//!
//! In: for each site of one feed where it is and where its people's fixes are in the middle, both as told, in WGS-84 or
//! untagged.  Out: [`Shift`]s, for `site_health` and `muster check`.
//! Absent on purpose: any use of it in a verdict. The tag decides what a coordinate means; here is only told that a tag is
//! probably missing, so that a feed without one is not silently called outside.
//! Why so: GCJ-02 moves points by another vector in each region: over a whole country no one direction is constant, but
//! the formula brings each site back to its people, so each site is asked by itself. One site drawn in the wrong place may
//! look like a datum by chance, three hardly do: a shift is told where enough sites share it. Medians, since some people
//! punch on the way.

use crate::datum::to_wgs84;
use crate::geometry::{Datum, LonLat};

/// Fewer fixes of a feed at a site have no middle that is worth asking.
pub const FIXES_MIN: u64 = 10;
/// Nearer than this, in metres, fixes are where a fence or bad reception puts them.
const SHIFT_MIN_M: f64 = 150.0;
/// An explanation leaves at most this share of the distance.
const LEFT_MAX: f64 = 0.25;
/// One or two sites in the wrong place are no common shift, unless they are half of all.
const SITES_MIN: usize = 3;
/// Of the sites that lie apart and are not explained yet, one in so many shares a shift: where many fences are wrong anyhow,
/// a few of them look like a datum by chance.
const APART_MAX: usize = 4;

/// Whose coordinates are told in a datum that their tag does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untagged {
    /// The fixes': devices report this datum without saying so.
    Fixes(Datum),
    /// The sites': they were drawn on a map of this datum (or the fixes are tagged with it and not told in it).
    Sites(Datum),
}

/// The fixes of some sites lie apart from them in a common way.
#[derive(Clone, Debug, PartialEq)]
pub struct Shift {
    /// Which tag would explain it; `None`: it is constant, and none does.
    pub untagged: Option<Untagged>,
    /// The sites that show it, as places among those that were asked about, ascending.
    pub sites: Vec<usize>,
    /// Median metres from site to fixes, to the east and to the north.
    pub east_m: f64,
    /// As `east_m`.
    pub north_m: f64,
    /// Median distance in metres.
    pub distance_m: f64,
    /// Median distance in metres that the explanation leaves; without one, how far sites lie from the common vector.
    pub left_m: f64,
}

impl Shift {
    /// What is untagged, and the datum it seems to be told in (`fixes gcj02`), or `constant`.
    pub const fn name(&self) -> &'static str {
        match self.untagged {
            Some(untagged) => untagged.name(),
            None => "constant",
        }
    }

    /// From site to fixes, in degrees from the north to the east, 0 to 360.
    pub fn bearing_deg(&self) -> f64 {
        self.east_m.atan2(self.north_m).to_degrees().rem_euclid(360.0)
    }
}

impl Untagged {
    /// Every explanation that is tried.
    pub const ALL: [Self; 4] = [
        Self::Fixes(Datum::Gcj02),
        Self::Fixes(Datum::Bd09),
        Self::Sites(Datum::Gcj02),
        Self::Sites(Datum::Bd09),
    ];

    /// What is untagged, and the datum it seems to be told in: `fixes gcj02`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fixes(Datum::Gcj02) => "fixes gcj02",
            Self::Fixes(Datum::Bd09) => "fixes bd09",
            Self::Sites(Datum::Gcj02) => "sites gcj02",
            Self::Sites(Datum::Bd09) => "sites bd09",
            Self::Fixes(Datum::Wgs84) | Self::Sites(Datum::Wgs84) => "none",
        }
    }

    /// The metres that stay between site and fixes if this is so.
    fn left_m(self, (site, fixes): (LonLat, LonLat)) -> f64 {
        let (site, fixes) = match self {
            Self::Fixes(datum) => (site, to_wgs84(fixes, datum)),
            Self::Sites(datum) => (to_wgs84(site, datum), fixes),
        };
        length(offset_m(site, fixes))
    }
}

/// What the sites of one feed show, the shift that most of them share first; each pair is where a site is and where its
/// fixes are in the middle. Nothing where fixes are near their sites, or lie apart in no common way.
pub fn shifts(pairs: &[(LonLat, LonLat)]) -> Vec<Shift> {
    let offsets: Vec<(f64, f64)> = pairs.iter().map(|(site, fixes)| offset_m(*site, *fixes)).collect();
    let mut apart: Vec<usize> = (0..pairs.len()).filter(|at| length(offsets[*at]) >= SHIFT_MIN_M).collect();
    let is_enough = |sites: usize, apart: usize| {
        (sites >= SITES_MIN || 2 * sites >= pairs.len()) && APART_MAX * sites >= apart
    };
    let mut told = Vec::new();
    while let Some((untagged, sites)) = most_shared(pairs, &offsets, &apart) {
        if !is_enough(sites.len(), apart.len()) {
            break;
        }
        apart.retain(|at| !sites.contains(at));
        let left_m = median(sites.iter().map(|at| untagged.left_m(pairs[*at])));
        told.push(told_of(Some(untagged), sites, &offsets, left_m));
    }
    told.extend(constant(&offsets, &apart));
    told
}

/// The explanation that holds for most of these sites, and for which. An explanation that was taken finds none again.
fn most_shared(
    pairs: &[(LonLat, LonLat)],
    offsets: &[(f64, f64)],
    among: &[usize],
) -> Option<(Untagged, Vec<usize>)> {
    let explained = |untagged: Untagged| {
        let holds = |at: &usize| untagged.left_m(pairs[*at]) <= LEFT_MAX * length(offsets[*at]);
        let sites: Vec<usize> = among.iter().copied().filter(holds).collect();
        let left_m = median(sites.iter().map(|at| untagged.left_m(pairs[*at])));
        (untagged, sites, left_m)
    };
    let found = Untagged::ALL.into_iter().map(explained).filter(|(_, sites, _)| !sites.is_empty());
    // Of two that explain as many sites, the one that explains them better.
    let best = found.min_by(|a, b| b.1.len().cmp(&a.1.len()).then(a.2.total_cmp(&b.2)));
    best.map(|(untagged, sites, _)| (untagged, sites))
}

/// A direction that at least half of all sites share, and that no tag explains.
fn constant(offsets: &[(f64, f64)], apart: &[usize]) -> Option<Shift> {
    let of = |value: fn(&(f64, f64)) -> f64| median(apart.iter().map(|at| value(&offsets[*at])));
    let (east_m, north_m) = (of(|offset| offset.0), of(|offset| offset.1));
    let beside_m = |at: &usize| length((offsets[*at].0 - east_m, offsets[*at].1 - north_m));
    let holds = |at: &usize| beside_m(at) <= LEFT_MAX * length((east_m, north_m));
    let sites: Vec<usize> = apart.iter().copied().filter(holds).collect();
    let is_common = sites.len() >= SITES_MIN && 2 * sites.len() >= offsets.len();
    let left_m = median(sites.iter().map(beside_m));
    is_common.then(|| told_of(None, sites, offsets, left_m))
}

fn told_of(untagged: Option<Untagged>, sites: Vec<usize>, offsets: &[(f64, f64)], left_m: f64) -> Shift {
    let of = |value: fn((f64, f64)) -> f64| median(sites.iter().map(|at| value(offsets[*at])));
    let (east_m, north_m, distance_m) = (of(|offset| offset.0), of(|offset| offset.1), of(length));
    Shift { untagged, sites, east_m, north_m, distance_m, left_m }
}

/// Metres east and north from one point to another; good to a percent within some kilometres.
fn offset_m(from: LonLat, to: LonLat) -> (f64, f64) {
    let per_degree_m = 111_195.0;
    let dlon = to.lon() - from.lon();
    let dlon = dlon - 360.0 * (dlon / 360.0).round();
    let east_m = dlon * per_degree_m * f64::midpoint(from.lat(), to.lat()).to_radians().cos();
    (east_m, (to.lat() - from.lat()) * per_degree_m)
}

fn length(offset: (f64, f64)) -> f64 {
    offset.0.hypot(offset.1)
}

/// The middle value, the lower of two; no number where there are none.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datum::from_wgs84;

    /// SplitMix64 from a fixed seed, in [−1, 1).
    struct Numbers(u64);

    impl Numbers {
        fn next(&mut self) -> f64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ z >> 31) >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
        }
    }

    fn point(lon: f64, lat: f64) -> LonLat {
        LonLat::new(lon, lat).unwrap()
    }

    const HONG_KONG: (f64, f64) = (114.16, 22.32);

    /// Sites around a place within `spread` degrees, one in eight of them drawn 300 m beside where it is; the middle of
    /// each site's fixes is within 20 m of it. `site` and `fixes` tell how each is written down.
    fn chain(
        place: (f64, f64),
        spread: f64,
        site: impl Fn(LonLat) -> LonLat,
        fixes: impl Fn(LonLat) -> LonLat,
    ) -> Vec<(LonLat, LonLat)> {
        let mut numbers = Numbers(852);
        (0..40)
            .map(|at| {
                let truth = point(place.0 + spread * numbers.next(), place.1 + spread * numbers.next());
                let metre = 1.0 / 111_195.0;
                let seen = point(
                    truth.lon() + 20.0 * metre * numbers.next(),
                    truth.lat() + 20.0 * metre * numbers.next(),
                );
                let beside = if at % 8 == 0 { 300.0 * metre } else { 0.0 };
                (site(point(truth.lon(), truth.lat() + beside)), fixes(seen))
            })
            .collect()
    }

    fn as_told(point: LonLat) -> LonLat {
        point
    }

    fn told_in(datum: Datum) -> impl Fn(LonLat) -> LonLat {
        move |point| from_wgs84(point, datum)
    }

    /// The one shift that they show.
    fn one(pairs: &[(LonLat, LonLat)]) -> Shift {
        let mut told = shifts(pairs);
        assert_eq!(told.len(), 1, "{told:?}");
        told.remove(0)
    }

    #[test]
    fn a_feed_without_a_tag_is_told_with_its_datum() {
        for datum in [Datum::Gcj02, Datum::Bd09] {
            for (place, spread) in [(HONG_KONG, 0.1), ((116.4, 39.9), 0.3), ((110.0, 32.0), 9.0)] {
                let fixes = one(&chain(place, spread, as_told, told_in(datum)));
                assert_eq!(fixes.untagged, Some(Untagged::Fixes(datum)), "{fixes:?}");
                let sites = one(&chain(place, spread, told_in(datum), as_told));
                assert_eq!(sites.untagged, Some(Untagged::Sites(datum)), "{sites:?}");
                assert!(fixes.left_m < 30.0 && fixes.distance_m > 300.0, "{fixes:?}");
                // One in eight sites is drawn beside where it is: the rest show the shift.
                assert!((35..=40).contains(&fixes.sites.len()), "{fixes:?}");
            }
        }
        // In Hong Kong mainland maps move points to the south-east, by about 600 m.
        let here = one(&chain(HONG_KONG, 0.1, as_told, told_in(Datum::Gcj02)));
        assert!(here.east_m > 300.0 && here.north_m < -200.0, "{here:?}");
        assert!((500.0..700.0).contains(&here.distance_m), "{here:?}");
        assert!((100.0..140.0).contains(&here.bearing_deg()), "{here:?}");
        assert_eq!(here.name(), "fixes gcj02");
    }

    #[test]
    fn a_part_of_a_chain_is_told_beside_the_rest() {
        let hong_kong = chain(HONG_KONG, 0.1, as_told, as_told);
        let beijing = chain((116.4, 39.9), 0.3, as_told, told_in(Datum::Bd09));
        let singapore = chain((103.8, 0.5), 0.1, as_told, told_in(Datum::Gcj02));
        let drawn: Vec<_> =
            chain(HONG_KONG, 0.1, told_in(Datum::Gcj02), as_told).into_iter().take(6).collect();
        let told = shifts(&[hong_kong, beijing, singapore, drawn].concat());
        let names: Vec<_> = told.iter().map(Shift::name).collect();
        assert_eq!(names, ["fixes bd09", "sites gcj02"], "{told:?}");
        assert!(told[0].sites.iter().all(|at| (40..80).contains(at)), "{told:?}");
        assert!(
            told[1].sites.iter().all(|at| (120..126).contains(at)) && told[1].sites.len() >= 5,
            "{told:?}"
        );
    }

    #[test]
    fn few_sites_are_a_shift_only_where_there_are_few() {
        let there = |at: i32| point(114.10 + 0.01 * f64::from(at), 22.3);
        let shifted = |at| (there(at), from_wgs84(there(at), Datum::Gcj02));
        let good = |at| (there(at), there(at));
        assert_eq!(one(&[shifted(0)]).untagged, Some(Untagged::Fixes(Datum::Gcj02)));
        let with =
            |count: i32| [(0..count).map(shifted).collect::<Vec<_>>(), (9..19).map(good).collect()].concat();
        assert_eq!(shifts(&with(2)), [], "two of twelve may be drawn wrongly");
        assert_eq!(one(&with(3)).sites, [0, 1, 2]);
        assert_eq!(shifts(&[(there(0), point(114.165, 22.305))]), [], "a fence in the wrong place");
    }

    #[test]
    fn where_many_fences_are_wrong_a_few_are_no_datum() {
        let mut numbers = Numbers(11);
        let wrong = |numbers: &mut Numbers| {
            let there = point(114.16 + 0.1 * numbers.next(), 22.32 + 0.1 * numbers.next());
            (there, point(there.lon() + 0.01 * numbers.next(), there.lat() + 0.01 * numbers.next()))
        };
        let all: Vec<_> = (0..400).map(|_| wrong(&mut numbers)).collect();
        assert_eq!(shifts(&all), []);
    }

    #[test]
    fn a_constant_direction_that_no_tag_explains_is_told_without_one() {
        let moved = |there: LonLat| point(there.lon() - 0.0025, there.lat() - 0.0016);
        let told = one(&chain(HONG_KONG, 0.1, as_told, moved));
        assert_eq!((told.untagged, told.name()), (None, "constant"), "{told:?}");
        assert!(told.east_m < -200.0 && told.north_m < -150.0 && told.left_m < 30.0, "{told:?}");
        assert!((230.0..245.0).contains(&told.bearing_deg()), "{told:?}");
    }

    #[test]
    fn what_is_tagged_or_scattered_is_not_told() {
        assert_eq!(shifts(&[]), []);
        assert_eq!(shifts(&chain(HONG_KONG, 0.1, as_told, as_told)), []);
        assert_eq!(shifts(&chain((-73.9, 40.7), 0.1, told_in(Datum::Gcj02), as_told)), [], "no shift there");
        let mut numbers = Numbers(7);
        let scattered = chain(HONG_KONG, 0.1, as_told, as_told);
        let scattered: Vec<_> = scattered
            .into_iter()
            .map(|(site, seen)| {
                (site, point(seen.lon() + 0.01 * numbers.next(), seen.lat() + 0.01 * numbers.next()))
            })
            .collect();
        assert_eq!(shifts(&scattered), [], "people who punch on the way");
    }

    #[test]
    fn names_differ() {
        let names: std::collections::BTreeSet<_> =
            Untagged::ALL.iter().map(|untagged| untagged.name()).collect();
        assert_eq!(names.len(), Untagged::ALL.len());
    }
}
