//! Sees which fences are near the fixes of a group of punches, a step at a time for all of the group.
//!
//! In: punches with where their people were due.  Out: for each punch the sites near its fix: what their cell is sure of,
//! and signed metres to the others.  Owns: the lists, refilled for each group.
//! Absent on purpose: what a distance means (`evidence`), validity in time, allocation once the lists are warm.
//! Invariants: a punch's list is sorted by site and without repeats, and depends on that punch alone
//! (`tests/metamorphic.rs`).
//! Why so: cell, what it has no room for, and fence rows lie in lines of memory that each tell where the next one is. One
//! punch by itself waits for all of them; taken in steps, a group has most of its lines on their way at the same time.

use std::ops::Range;

use model::datum::to_wgs84;
use model::{Due, DueBatch, EventTime, Fix, Permitted, Place, Policy, Punch, Reason, Reasons, SiteIndex};

use crate::cell_grid::{Cell, Seen, Span};
use crate::evidence::World;
use crate::fence_index::Here;
use crate::fence_rule::{Accuracy, inside_m, judge, reach_m};

/// Punches taken together: more lines than a core keeps on their way at once, few enough to stay in its first cache.
pub(crate) const GROUP: usize = 32;
/// What a fix without a stated accuracy is taken for, in metres (contract, section 3).
const ACCURACY_UNKNOWN_M: f64 = 100.0;
/// Of so many permitted sites the rows are asked for ahead of time.
const PERMITTED_AHEAD: usize = 4;

/// The fixes of a group of punches, and what is near them.
#[derive(Debug, Default)]
pub(crate) struct Nearby {
    rows: Vec<Option<Measured>>,
    near: Vec<Told>,
}

/// A usable fix.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) here: Here,
    pub(crate) accuracy: Accuracy,
    /// All sites with signed distances up to `within_m` are among those near it.
    pub(crate) span: Span,
    /// What is odd about it.
    pub(crate) reasons: Reasons,
    cell: Cell,
    /// Whether the nearest of all sites may be asked for.
    is_lost: bool,
    /// Its places in `near`.
    places: Range<u32>,
}

/// A site near a fix.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    pub(crate) site: SiteIndex,
    pub(crate) seen: Seen,
    /// Signed, where its cell is unsure; no number elsewhere.
    pub(crate) distance_m: f64,
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

impl Told {
    /// What its fence says; `None` for a site not in force.
    #[inline]
    pub(crate) fn place(
        &self,
        world: World<'_>,
        fix: &Measured,
        policy: &Policy,
        at: EventTime,
    ) -> Option<Place> {
        match self.seen {
            Seen::Inside => Some(Place::Inside),
            Seen::Between => Some(Place::Uncertain),
            Seen::Unsure => world.in_force(self.site, at).then(|| {
                let tolerance_m = world.tolerance_m(self.site).unwrap_or(policy.tolerance_m);
                judge(policy.fence_rule, self.distance_m, tolerance_m, fix.accuracy)
            }),
        }
    }

    /// Signed metres from the fix to its fence.
    #[inline]
    pub(crate) fn metres(&self, world: World<'_>, fix: &Measured) -> f64 {
        match self.seen {
            Seen::Unsure => self.distance_m,
            Seen::Inside | Seen::Between => world.fences.signed_metres(self.site, &fix.here),
        }
    }
}

impl Nearby {
    /// Refills it with a group of at most [`GROUP`] punches, `rows` being where their people were due.
    pub(crate) fn read(&mut self, world: World<'_>, punches: &[Punch], due: &DueBatch, rows: &[Due]) {
        let fences = world.fences;
        self.rows.clear();
        for (punch, row) in punches.iter().zip(rows) {
            let measured = measured(world, punch, row);
            if measured.is_some() {
                fetch_due(world, due, row);
            }
            self.rows.push(measured);
        }
        for measured in self.rows.iter_mut().flatten() {
            measured.cell = fences.fetch_line(&measured.here);
        }
        for measured in self.rows.iter().flatten() {
            fences.fetch_more(&measured.here, measured.cell);
        }
        self.near.clear();
        for measured in self.rows.iter_mut().flatten() {
            let from = self.near.len();
            let near = &mut self.near;
            fences.near(&measured.here, measured.cell, measured.span, &mut |site, seen| {
                if seen == Seen::Unsure || measured.is_lost {
                    fences.fetch_row(site);
                }
                near.push(Told { site, seen, distance_m: f64::NAN });
            });
            sort(&mut self.near, from);
            measured.places = from as u32..self.near.len() as u32;
        }
        if fences.has_outlines() {
            self.near
                .iter()
                .filter(|told| told.seen == Seen::Unsure)
                .for_each(|told| fences.fetch_outline(told.site));
            rows.iter().filter_map(|row| row.scheduled).for_each(|site| fences.fetch_outline(site));
        }
        for measured in self.rows.iter().flatten() {
            for told in &mut self.near[measured.places.start as usize..measured.places.end as usize] {
                if told.seen == Seen::Unsure {
                    told.distance_m = fences.signed_metres(told.site, &measured.here);
                }
            }
        }
    }

    /// The fix of the group's punch at that place, if it is usable, and the sites near it.
    #[inline]
    pub(crate) fn of(&self, place: usize) -> Option<(&Measured, &[Told])> {
        let measured = self.rows[place].as_ref()?;
        Some((measured, &self.near[measured.places.start as usize..measured.places.end as usize]))
    }
}

/// Sorts what lies behind `from` by site and leaves out repeats. A cell is sure of no site that comes twice.
#[inline]
fn sort(near: &mut Vec<Told>, from: usize) {
    if near[from..].is_sorted_by(|a, b| a.site < b.site) {
        return;
    }
    near[from..].sort_unstable_by_key(|told| told.site);
    let mut kept = from;
    for at in from..near.len() {
        if at == from || near[at].site != near[kept - 1].site {
            near[kept] = near[at];
            kept += 1;
        }
    }
    near.truncate(kept);
}

/// The punch's fix if it is usable; what tells where its cell is is asked for.
#[inline]
fn measured(world: World<'_>, punch: &Punch, due: &Due) -> Option<Measured> {
    let fix = punch.fix.as_ref().filter(|_| !due.location_declined)?;
    let policy = world.reference.policy(due.policy);
    let (reasons, accuracy) = usable(fix, policy);
    let accuracy = accuracy?;
    let here = Here::new(to_wgs84(fix.point, fix.datum));
    world.fences.fetch_pilot(&here);
    let (rule, tolerance_m) = (policy.fence_rule, policy.tolerance_m);
    let span = Span {
        inside_m: inside_m(rule, tolerance_m, accuracy),
        within_m: reach_m(rule, tolerance_m, accuracy),
    };
    let is_lost = due.scheduled.is_none() && due.permitted == Permitted::All;
    Some(Measured { here, accuracy, span, reasons, cell: Cell::default(), is_lost, places: 0..0 })
}

/// Asks for the rows to which distances will be told (`nearest`).
#[inline]
fn fetch_due(world: World<'_>, batch: &DueBatch, due: &Due) {
    if let Some(site) = due.scheduled {
        world.plain.fetch(site);
        world.fences.fetch_row(site);
    } else if let Permitted::Sites(range) = &due.permitted {
        let sites = &batch.sites[range.start as usize..range.end as usize];
        sites.iter().take(PERMITTED_AHEAD).for_each(|site| world.fences.fetch_row(*site));
    }
}
