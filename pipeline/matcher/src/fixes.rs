//! The fixes of a group of punches, field by field, and what is reckoned from them alone.
//!
//! In: punches with where their people were due.  Out: for each usable fix its point as distances and cells need it, how
//! good it is, what the fence rule asks, and metres to the site where its person was scheduled.  Owns: the fields.
//! Absent on purpose: sites near a fix (`nearby`), validity in time.
//! Why so: sines, roots and quotients are half of what a fix costs when they are made one after the other. Over fields side by
//! side a compiler makes two at a time of them, to the same bits.

use model::datum::to_wgs84;
use model::{Due, Fix, LonLat, Policy, Punch, Reason, Reasons};

use crate::cell_grid::Span;
use crate::cells::Position;
use crate::distance::{Spot, metres_if_near};
use crate::evidence::World;
use crate::fence_index::Here;
use crate::fence_rule::{Accuracy, inside_m, reach_m};
use crate::outline::{micrometres, rounded};

/// Punches taken together: more lines than a core keeps on their way at once, few enough to stay in its first cache.
pub(crate) const GROUP: usize = 32;
/// What a fix without a stated accuracy is taken for, in metres (contract, section 3).
const ACCURACY_UNKNOWN_M: f64 = 100.0;

/// A group's fixes. What is not usable holds numbers that mean nothing.
#[derive(Debug)]
pub(crate) struct Fixes {
    /// A bit for each usable fix.
    usable: u32,
    points: [LonLat; GROUP],
    good: [Good; GROUP],
    axis_m: [f64; GROUP],
    plane_m: [f64; GROUP],
    x: [u32; GROUP],
    y: [u32; GROUP],
    lon_scale: [f32; GROUP],
    steps_per_m: [f32; GROUP],
    scheduled: Scheduled,
}

/// How good a usable fix is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Good {
    pub(crate) accuracy: Accuracy,
    /// All sites with signed distances up to `within_m` are among those near it.
    pub(crate) span: Span,
    /// What is odd about it.
    pub(crate) reasons: Reasons,
}

/// The circles of the sites where a group's people were scheduled, and how far they are.
#[derive(Debug)]
struct Scheduled {
    lon: [f64; GROUP],
    axis_m: [f64; GROUP],
    plane_m: [f64; GROUP],
    radius_m: [f64; GROUP],
    distance_m: [f64; GROUP],
}

/// What is odd about a fix, and how good it is if it is usable.
#[inline]
pub(crate) fn usable(fix: &Fix, policy: &Policy) -> (Reasons, Option<Accuracy>) {
    let mut reasons = Reasons::EMPTY;
    if fix.mocked {
        reasons.insert(Reason::Mocked);
    }
    let radius_m = match fix.accuracy_m {
        None | Some(0.0) => {
            reasons.insert(Reason::AccuracyMissing);
            ACCURACY_UNKNOWN_M
        }
        Some(radius_m) => radius_m,
    };
    if radius_m > 0.0 && radius_m <= policy.accuracy_max_m {
        return (reasons, Some(Accuracy { radius_m, platform: fix.platform }));
    }
    reasons.insert(Reason::AccuracyPoor);
    (reasons, None)
}

impl Default for Fixes {
    fn default() -> Self {
        let nowhere = LonLat::new(0.0, 0.0).expect("a point of the equator");
        let accuracy = Accuracy { radius_m: 0.0, platform: model::Platform::Unknown };
        let span = Span { inside_m: 0.0, within_m: 0.0 };
        let none = [0.0; GROUP];
        Self {
            usable: 0,
            points: [nowhere; GROUP],
            good: [Good { accuracy, span, reasons: Reasons::EMPTY }; GROUP],
            axis_m: none,
            plane_m: none,
            x: [0; GROUP],
            y: [0; GROUP],
            lon_scale: [0.0; GROUP],
            steps_per_m: [0.0; GROUP],
            scheduled: Scheduled { lon: none, axis_m: none, plane_m: none, radius_m: none, distance_m: none },
        }
    }
}

impl Fixes {
    /// Refills it with those of at most [`GROUP`] punches, `rows` being where their people were due.
    pub(crate) fn read(&mut self, world: World<'_>, punches: &[Punch], rows: &[Due]) {
        self.usable = 0;
        for (at, (punch, row)) in punches.iter().zip(rows).enumerate().take(GROUP) {
            let Some(fix) = punch.fix.as_ref().filter(|_| !row.location_declined) else { continue };
            let policy = world.reference.policy(row.policy);
            let (reasons, accuracy) = usable(fix, policy);
            let Some(accuracy) = accuracy else { continue };
            let (rule, tolerance_m) = (policy.fence_rule, policy.tolerance_m);
            let span = Span {
                inside_m: inside_m(rule, tolerance_m, accuracy),
                within_m: reach_m(rule, tolerance_m, accuracy),
            };
            self.points[at] = to_wgs84(fix.point, fix.datum);
            self.good[at] = Good { accuracy, span, reasons };
            self.usable |= 1 << at;
        }
        let count = punches.len().min(GROUP);
        for at in 0..count {
            let spot = Spot::new(self.points[at]);
            (self.axis_m[at], self.plane_m[at]) = (spot.axis_m, spot.plane_m);
        }
        for at in 0..count {
            let position = Position::new(self.points[at], &self.spot(at));
            (self.x[at], self.y[at]) = (position.x, position.y);
            (self.lon_scale[at], self.steps_per_m[at]) = (position.lon_scale, position.steps_per_m);
        }
    }

    /// Measures to the sites where people were scheduled.
    pub(crate) fn measure_scheduled(&mut self, world: World<'_>, rows: &[Due]) {
        let to = &mut self.scheduled;
        for (at, row) in rows.iter().enumerate().take(GROUP) {
            let (centre, radius_m) = match row.scheduled {
                Some(site) => world.fences.circle(site),
                None => (Spot::NOWHERE, -1.0),
            };
            (to.lon[at], to.axis_m[at], to.plane_m[at]) = (centre.lon, centre.axis_m, centre.plane_m);
            to.radius_m[at] = radius_m;
        }
        for at in 0..rows.len().min(GROUP) {
            let here =
                Spot { lon: self.points[at].lon(), axis_m: self.axis_m[at], plane_m: self.plane_m[at] };
            let there = Spot { lon: to.lon[at], axis_m: to.axis_m[at], plane_m: to.plane_m[at] };
            let metres = rounded(micrometres(metres_if_near(&here, &there) - to.radius_m[at]), 100.0);
            to.distance_m[at] = if to.radius_m[at] >= 0.0 { metres } else { f64::NAN };
        }
    }

    /// Whether a punch has a usable fix.
    #[inline]
    pub(crate) fn is_usable(&self, at: usize) -> bool {
        self.usable >> at & 1 == 1
    }

    /// The places of the usable fixes.
    #[inline]
    pub(crate) fn places(&self) -> impl Iterator<Item = usize> + use<> {
        let mut left = self.usable;
        std::iter::from_fn(move || {
            let at = left.trailing_zeros() as usize;
            left &= left.wrapping_sub(1);
            (at < GROUP).then_some(at)
        })
    }

    #[inline]
    pub(crate) fn good(&self, at: usize) -> &Good {
        &self.good[at]
    }

    #[inline]
    fn spot(&self, at: usize) -> Spot {
        Spot { lon: self.points[at].lon(), axis_m: self.axis_m[at], plane_m: self.plane_m[at] }
    }

    #[inline]
    pub(crate) fn position(&self, at: usize) -> Position {
        Position {
            x: self.x[at],
            y: self.y[at],
            lon_scale: self.lon_scale[at],
            steps_per_m: self.steps_per_m[at],
        }
    }

    /// A fix as the indexes see it.
    #[inline]
    pub(crate) fn here(&self, at: usize) -> Here {
        Here { point: self.points[at], spot: self.spot(at), position: self.position(at) }
    }

    /// Signed metres to the site where the person was scheduled, rounded to the centimetre; `None` where more is needed to
    /// tell than a circle nearby.
    #[inline]
    pub(crate) fn scheduled_m(&self, at: usize) -> Option<f64> {
        let metres = self.scheduled.distance_m[at];
        (!metres.is_nan()).then_some(metres)
    }
}
