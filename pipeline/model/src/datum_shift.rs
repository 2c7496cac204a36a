//! Tells whether fixes lie apart from their sites as a whole, and which missing datum tag would explain it.
//!
//! In: for each site where it is and where its people's fixes are in the middle, both as told, in WGS-84 or untagged.
//! Out: a [`Shift`], for `site_health` and `muster check`, or nothing.
//! Absent on purpose: any use of it in a verdict. The tag decides what a coordinate means; here is only told that a tag is
//! probably missing, so that a feed without one is not silently called outside.
//! Why so: medians, so that a site drawn in the wrong place, or one whose people punch on the way, does not hide what the
//! others show. GCJ-02 moves points by another vector in each region: over a whole country no one direction is constant,
//! but the formula brings every site back to its people.

use crate::datum::to_wgs84;
use crate::geometry::{Datum, LonLat};

/// Nearer than this, in metres, fixes are where a fence or bad reception puts them.
const SHIFT_MIN_M: f64 = 150.0;
/// An explanation leaves at most this share of the distance.
const LEFT_MAX: f64 = 0.25;
/// One or two sites in the wrong place are no direction.
const SITES_MIN: usize = 3;

/// Whose coordinates are told in a datum that their tag does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untagged {
    /// The fixes': devices report this datum without saying so (or sites are tagged with it that are not told in it).
    Fixes(Datum),
    /// The sites': they were drawn on a map of this datum.
    Sites(Datum),
}

/// Fixes lie apart from their sites.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shift {
    /// Which tag would explain it; `None`: it is constant, and none does.
    pub untagged: Option<Untagged>,
    /// Median metres from site to fixes, to the east and to the north.
    pub east_m: f64,
    /// As `east_m`.
    pub north_m: f64,
    /// Median distance in metres.
    pub distance_m: f64,
    /// Median distance in metres that the explanation leaves; without one, how far sites lie from the common vector.
    pub left_m: f64,
    /// How many sites were looked at.
    pub sites: usize,
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

/// What the sites' fixes show together; each pair is where a site is and where its fixes are in the middle. `None` where
/// most fixes are near their sites, or lie apart in no common way.
pub fn shift(pairs: &[(LonLat, LonLat)]) -> Option<Shift> {
    let offsets: Vec<_> = pairs.iter().map(|(site, fixes)| offset_m(*site, *fixes)).collect();
    let distance_m = median(offsets.iter().copied().map(length))?;
    if distance_m < SHIFT_MIN_M {
        return None;
    }
    let east_m = median(offsets.iter().map(|offset| offset.0))?;
    let north_m = median(offsets.iter().map(|offset| offset.1))?;
    let left_by = |untagged: Untagged| median(pairs.iter().map(|pair| untagged.left_m(*pair)));
    let tried = Untagged::ALL.into_iter().filter_map(|untagged| Some((untagged, left_by(untagged)?)));
    let (untagged, left_m) = tried.min_by(|a, b| a.1.total_cmp(&b.1))?;
    let told = |untagged, left_m| Shift { untagged, east_m, north_m, distance_m, left_m, sites: pairs.len() };
    if left_m <= LEFT_MAX * distance_m {
        return Some(told(Some(untagged), left_m));
    }
    let spread_m = median(offsets.iter().map(|offset| length((offset.0 - east_m, offset.1 - north_m))))?;
    let is_constant = pairs.len() >= SITES_MIN && spread_m <= LEFT_MAX * distance_m;
    is_constant.then(|| told(None, spread_m))
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

/// The middle value, the lower of two.
fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len().checked_sub(1)? / 2).copied()
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

    #[test]
    fn a_feed_without_a_tag_is_told_with_its_datum() {
        for datum in [Datum::Gcj02, Datum::Bd09] {
            for (place, spread) in [(HONG_KONG, 0.1), ((116.4, 39.9), 0.3), ((110.0, 32.0), 9.0)] {
                let fixes = shift(&chain(place, spread, as_told, told_in(datum))).unwrap();
                assert_eq!(fixes.untagged, Some(Untagged::Fixes(datum)), "{fixes:?}");
                let sites = shift(&chain(place, spread, told_in(datum), as_told)).unwrap();
                assert_eq!(sites.untagged, Some(Untagged::Sites(datum)), "{sites:?}");
                assert!(fixes.left_m < 30.0 && fixes.distance_m > 300.0 && fixes.sites == 40, "{fixes:?}");
            }
        }
        // In Hong Kong mainland maps move points to the south-east, by about 600 m.
        let here = shift(&chain(HONG_KONG, 0.1, as_told, told_in(Datum::Gcj02))).unwrap();
        assert!(here.east_m > 300.0 && here.north_m < -200.0, "{here:?}");
        assert!((500.0..700.0).contains(&here.distance_m), "{here:?}");
    }

    #[test]
    fn one_site_is_enough_where_a_tag_explains_it() {
        let there = point(114.17, 22.3);
        let one = shift(&[(there, from_wgs84(there, Datum::Gcj02))]).unwrap();
        assert_eq!(one.untagged, Some(Untagged::Fixes(Datum::Gcj02)));
        assert_eq!(shift(&[(there, point(114.165, 22.305))]), None, "a fence in the wrong place");
    }

    #[test]
    fn a_constant_direction_that_no_tag_explains_is_told_without_one() {
        let moved = |there: LonLat| point(there.lon() - 0.0025, there.lat() - 0.0016);
        let told = shift(&chain(HONG_KONG, 0.1, as_told, moved)).unwrap();
        assert_eq!(told.untagged, None, "{told:?}");
        assert!(told.east_m < -200.0 && told.north_m < -150.0 && told.left_m < 30.0, "{told:?}");
    }

    #[test]
    fn what_is_tagged_or_scattered_is_not_told() {
        assert_eq!(shift(&[]), None);
        assert_eq!(shift(&chain(HONG_KONG, 0.1, as_told, as_told)), None);
        assert_eq!(shift(&chain((-73.9, 40.7), 0.1, told_in(Datum::Gcj02), as_told)), None, "no shift there");
        let mut numbers = Numbers(7);
        let scattered = chain(HONG_KONG, 0.1, as_told, as_told);
        let scattered: Vec<_> = scattered
            .into_iter()
            .map(|(site, seen)| {
                (site, point(seen.lon() + 0.01 * numbers.next(), seen.lat() + 0.01 * numbers.next()))
            })
            .collect();
        assert_eq!(shift(&scattered), None, "people who punch on the way");
    }

    #[test]
    fn names_differ() {
        let names: std::collections::BTreeSet<_> =
            Untagged::ALL.iter().map(|untagged| untagged.name()).collect();
        assert_eq!(names.len(), Untagged::ALL.len());
    }
}
