//! What follows from a site's figures: the radius that would fit, whether an access point belongs into its list, the flex
//! window that would cut late comings.
//!
//! In: figures of one site.  Out: advice.  Owns: nothing.
//! Absent on purpose: the lake, the files of sites, any change.
//! Why so: advice rests on enough fixes of enough people or is not given; a fence drawn after a few people's habits would let
//! only them in.

use super::figures::{AccessPointRow, LatenessRow, SiteRow};

/// Radii are told in steps of so many metres.
const RADIUS_STEP_M: f64 = 10.0;
/// Beyond this a circle is no store any more: the fence stands in the wrong place.
const RADIUS_M_MAX: f64 = 500.0;
/// Below this a phone's own error is as large as the fence.
const RADIUS_M_MIN: f64 = 50.0;
/// Fewest fixes that say anything, and whose.
const FIXES_MIN: u64 = 20;
const PEOPLE_MIN: u64 = 3;
/// Fewest fixes for a circle smaller than it is: who is let in today stays in.
const FIXES_TO_NARROW: u64 = 200;
/// Least share of an access point's sightings that are a site's for it to be the site's.
const SHARE_MIN: f64 = 0.9;
/// How far the fixes of those who see an access point may lie from their middle: it is heard for 100 m, and fixes are as good.
const SPREAD_M_MAX: f64 = 200.0;
/// Fewest late comings that a window is reckoned from, and the widest one.
const LATE_MIN: u64 = 10;
const FLEX_MIN_MAX: u64 = 120;

/// Which radius would fit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Radius {
    /// Too few fixes, or of too few people.
    NotEnough,
    /// It is no circle: 98 of 100 fixes lie up to so many metres from its outline.
    Polygon(f64),
    /// Today's holds what it should.
    Fits,
    /// This one, in metres.
    Change(f64),
    /// None up to the largest: 98 of 100 fixes lie up to so many metres from the centre.
    None(f64),
}

/// The radius that holds 98 of 100 fixes and the site's own tolerance, rounded up.
pub(super) fn radius(row: &SiteRow) -> Radius {
    let Some(p98_m) = row.p98_m.filter(|_| row.fixes >= FIXES_MIN && row.fix_people >= PEOPLE_MIN) else {
        return Radius::NotEnough;
    };
    let Some(today_m) = row.radius_m else { return Radius::Polygon(p98_m) };
    let reach_m = today_m + p98_m;
    let steps = ((reach_m + row.tolerance_m.unwrap_or(0.0)) / RADIUS_STEP_M).ceil();
    let fitting_m = (steps * RADIUS_STEP_M).max(RADIUS_M_MIN);
    if p98_m > 0.0 {
        return if fitting_m > RADIUS_M_MAX { Radius::None(reach_m) } else { Radius::Change(fitting_m) };
    }
    match fitting_m < today_m && row.fixes >= FIXES_TO_NARROW {
        true => Radius::Change(fitting_m),
        false => Radius::Fits,
    }
}

/// Whether an access point that nobody lists belongs into the site's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listing {
    /// It does.
    List,
    /// It is seen at other sites, too.
    Elsewhere,
    /// It does not stay where it is: somebody carries it.
    Moves,
}

impl Listing {
    /// As people read it.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::List => "list it",
            Self::Elsewhere => "seen at other sites, too",
            Self::Moves => "it moves about",
        }
    }
}

pub(super) fn listing(row: &AccessPointRow) -> Listing {
    if row.share < SHARE_MIN {
        Listing::Elsewhere
    } else if row.spread_m > SPREAD_M_MAX {
        Listing::Moves
    } else {
        Listing::List
    }
}

/// The smallest flex window, in steps of five minutes, that leaves at most half of the late comings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flex {
    /// `flex_min`.
    pub(super) flex_min: u64,
    /// How many comings would still be late.
    pub(super) late_then: u64,
}

/// `None` where too few come late, or too late for any window.
pub(super) fn flex(lateness: &[LatenessRow]) -> Option<Flex> {
    let later_than =
        |min: u64| lateness.iter().filter(|row| row.until_min > min).map(|row| row.comings).sum();
    let late: u64 = later_than(0);
    let windows = (1..).map(|steps| steps * 5).take_while(|min| *min <= FLEX_MIN_MAX);
    let mut windows = windows.map(|flex_min| Flex { flex_min, late_then: later_than(flex_min) });
    windows.find(|flex| flex.late_then * 2 <= late).filter(|_| late >= LATE_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(radius_m: f64, p98_m: f64, fixes: u64) -> SiteRow {
        SiteRow { radius_m: Some(radius_m), p98_m: Some(p98_m), fixes, fix_people: 3, ..SiteRow::default() }
    }

    #[test]
    fn a_radius_holds_98_of_100_and_is_rounded_up() {
        for (today_m, p98_m, fixes, expected) in [
            (100.0, 71.2, 20, Radius::Change(180.0)),
            (100.0, 80.0, 20, Radius::Change(180.0)),
            (100.0, 71.2, 19, Radius::NotEnough),
            (100.0, 0.0, 20, Radius::Fits),
            (95.0, -1.0, 20, Radius::Fits),
            (100.0, -60.0, 199, Radius::Fits),
            (100.0, -45.0, 200, Radius::Change(60.0)),
            (100.0, -90.0, 200, Radius::Change(50.0)),
            (30.0, -20.0, 200, Radius::Fits),
            (100.0, 400.0, 20, Radius::Change(500.0)),
            (100.0, 400.1, 20, Radius::None(500.1)),
        ] {
            assert_eq!(radius(&row(today_m, p98_m, fixes)), expected, "{today_m} {p98_m} {fixes}");
        }
        let tolerant = SiteRow { tolerance_m: Some(25.0), ..row(100.0, 71.2, 20) };
        assert_eq!(radius(&tolerant), Radius::Change(200.0));
        let of_two = SiteRow { fix_people: 2, ..row(100.0, 71.2, 20) };
        assert_eq!(radius(&of_two), Radius::NotEnough);
        let polygon = SiteRow { radius_m: None, ..row(100.0, 71.2, 20) };
        assert_eq!(radius(&polygon), Radius::Polygon(71.2));
    }

    #[test]
    fn a_window_halves_late_comings() {
        let steps = |of: &[(u64, u64)]| -> Vec<LatenessRow> {
            of.iter()
                .map(|(until_min, comings)| {
                    let row = serde_json::json!({"until_min": until_min, "comings": comings});
                    serde_json::from_value(row).unwrap()
                })
                .collect()
        };
        for (of, expected) in [
            (vec![(0, 90), (5, 4), (10, 30), (15, 6)], Some(Flex { flex_min: 10, late_then: 6 })),
            (vec![(5, 5), (10, 5)], Some(Flex { flex_min: 5, late_then: 5 })),
            (vec![(5, 5), (10, 4)], None),
            (vec![(0, 50), (125, 20)], None),
            (vec![], None),
        ] {
            assert_eq!(flex(&steps(&of)), expected, "{of:?}");
        }
    }

    #[test]
    fn what_is_carried_about_is_not_listed() {
        let seen = |share: f64, spread_m: f64| {
            let row = serde_json::json!({"bssid": "aa:00:00:00:00:01", "people": 3, "punches": 9, "days": 2,
                "share": share, "fence_m": -20.0, "spread_m": spread_m});
            listing(&serde_json::from_value(row).unwrap())
        };
        assert_eq!(seen(0.9, 200.0), Listing::List);
        assert_eq!(seen(0.89, 10.0), Listing::Elsewhere);
        assert_eq!(seen(1.0, 200.1), Listing::Moves);
    }
}
