//! Measures from the fixes of a group of punches to the fences around them, a step at a time for all of the group.
//!
//! In: punches with where their people were due.  Out: for each punch the sites near its fix, with signed metres.
//! Owns: the lists, refilled for each group.
//! Absent on purpose: what a distance means (`evidence`), validity in time, allocation once the lists are warm.
//! Invariants: a punch's list is sorted by site and without repeats, and depends on that punch alone
//! (`tests/metamorphic.rs`).
//! Why so: cell, entries and fence rows lie in three lines of memory that each tell where the next one is. One punch by
//! itself waits for all of them; taken in steps, a group has most of its lines on their way at the same time.

use std::ops::Range;

use model::datum::to_wgs84;
use model::{Due, DueBatch, Fix, Permitted, Policy, Punch, Reason, Reasons, SiteIndex};

use crate::evidence::World;
use crate::fence_index::Here;
use crate::fence_rule::{Accuracy, reach_m};

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
    found: Vec<SiteIndex>,
    near: Vec<(SiteIndex, f64)>,
}

/// A usable fix.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) here: Here,
    pub(crate) accuracy: Accuracy,
    /// All sites with signed distances up to this many metres are among those near it.
    pub(crate) searched_m: f64,
    /// Its places in `found`, later in `near`.
    places: Range<u32>,
}

/// What is odd about a fix, and how good it is if it is usable.
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

impl Nearby {
    /// Refills it with a group of at most [`GROUP`] punches, `rows` being where their people were due.
    pub(crate) fn read(&mut self, world: World<'_>, punches: &[Punch], due: &DueBatch, rows: &[Due]) {
        let fences = world.fences;
        self.rows.clear();
        for (punch, row) in punches.iter().zip(rows) {
            self.rows.push(measured(world, punch, row));
            if let Some(Some(measured)) = self.rows.last() {
                fences.fetch_slot(&measured.here);
                fetch_due(world, due, row);
            }
        }
        for measured in self.rows.iter().flatten() {
            fences.fetch_entries(&measured.here);
        }
        self.found.clear();
        for measured in self.rows.iter_mut().flatten() {
            let from = self.found.len();
            fences.within(&measured.here, measured.searched_m, |site| {
                fences.fetch_row(site);
                self.found.push(site);
            });
            measured.places = from as u32..self.found.len() as u32;
        }
        if fences.has_outlines() {
            self.found.iter().for_each(|site| fences.fetch_outline(*site));
            rows.iter().filter_map(|row| row.scheduled).for_each(|site| fences.fetch_outline(site));
        }
        self.near.clear();
        for measured in self.rows.iter_mut().flatten() {
            let found = &mut self.found[measured.places.start as usize..measured.places.end as usize];
            if !found.is_sorted() {
                found.sort_unstable();
            }
            let from = self.near.len();
            let mut before = None;
            for site in found.iter().copied() {
                if before.replace(site) != Some(site) {
                    self.near.push((site, fences.signed_metres(site, &measured.here)));
                }
            }
            measured.places = from as u32..self.near.len() as u32;
        }
    }

    /// The fix of the group's punch at that place, if it is usable, and the sites near it with signed metres.
    pub(crate) fn of(&self, place: usize) -> Option<(&Measured, &[(SiteIndex, f64)])> {
        let measured = self.rows[place].as_ref()?;
        Some((measured, &self.near[measured.places.start as usize..measured.places.end as usize]))
    }
}

fn measured(world: World<'_>, punch: &Punch, due: &Due) -> Option<Measured> {
    let fix = punch.fix.as_ref().filter(|_| !due.location_declined)?;
    let policy = world.reference.policy(due.policy);
    let accuracy = usable(fix, policy).1?;
    let searched_m = reach_m(policy.fence_rule, policy.tolerance_m, accuracy);
    Some(Measured { here: Here::new(to_wgs84(fix.point, fix.datum)), accuracy, searched_m, places: 0..0 })
}

/// Asks for the rows to which distances will be told (`nearest`).
fn fetch_due(world: World<'_>, batch: &DueBatch, due: &Due) {
    if let Some(site) = due.scheduled {
        world.fences.fetch_row(site);
    } else if let Permitted::Sites(range) = &due.permitted {
        let sites = &batch.sites[range.start as usize..range.end as usize];
        sites.iter().take(PERMITTED_AHEAD).for_each(|site| world.fences.fetch_row(*site));
    }
}
