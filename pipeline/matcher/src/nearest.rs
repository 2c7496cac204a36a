//! How far the fix is from the one site that `distance_m` speaks of.
//!
//! The scheduled site; else the nearest permitted one, however far; else the nearest one within 10 km (contract,
//! section 3). Nearest = least signed distance: of two fences that hold the fix, the one it is deeper in. Sites not in
//! force do not count; a person all of whose permitted sites are out of force is treated as one without any.

use model::{Due, DueBatch, EventTime, Permitted};

use crate::cell_grid::Near;
use crate::evidence::World;
use crate::fence_index::Here;
use crate::nearby::Measured;
use crate::outline::rounded;

/// A site further away is not worth telling of, in metres.
const NEAREST_MAX_M: f64 = 10_000.0;
/// Search radii in metres: most fixes have a site close by.
const STEPS_M: [f64; 4] = [400.0, 1_600.0, 5_000.0, NEAREST_MAX_M];

/// Signed metres, rounded to the centimetre; `None` with nothing to measure to. `near` are the sites near the fix.
pub(crate) fn distance_m(
    world: World<'_>,
    (fix, near): (Measured, &[Near]),
    batch: &DueBatch,
    due: &Due,
    at: EventTime,
) -> Option<f64> {
    let metres = match due.scheduled.filter(|site| world.in_force(*site, at)) {
        Some(site) => world.fences.signed_metres(site, &fix.here),
        None => permitted(world, &fix.here, batch, due, at).or_else(|| any(world, &fix, near, at))?,
    };
    Some(rounded(metres, 100.0))
}

/// To the nearest permitted site; `None` if all sites are permitted, or none in force.
fn permitted(world: World<'_>, here: &Here, batch: &DueBatch, due: &Due, at: EventTime) -> Option<f64> {
    let Permitted::Sites(range) = &due.permitted else { return None };
    let sites = &batch.sites[range.start as usize..range.end as usize];
    let mut best: Option<f64> = None;
    for site in sites.iter().filter(|site| world.in_force(**site, at)) {
        if best.is_none_or(|best| world.fences.metres_at_least(*site, here) < best) {
            let metres = world.fences.signed_metres(*site, here);
            best = Some(best.map_or(metres, |best| best.min(metres)));
        }
    }
    best
}

/// To the nearest of all sites, if any is within 10 km.
fn any(world: World<'_>, fix: &Measured, near: &[Near], at: EventTime) -> Option<f64> {
    let near =
        near.iter().filter(|told| world.in_force(told.site, at)).map(|told| told.metres(world, &fix.here));
    // What was searched already holds the nearest if that is within it.
    let within_m = fix.good.span.within_m.min(NEAREST_MAX_M);
    if let Some(metres) = near.reduce(f64::min).filter(|metres| *metres <= within_m) {
        return Some(metres);
    }
    let mut radius_m = STEPS_M[0];
    loop {
        let found = nearest_of_window(world, &fix.here, radius_m, at);
        if let Some(metres) = found.filter(|metres| *metres <= radius_m) {
            return Some(metres);
        }
        // A site that is further than all was looked through bounds what has to be.
        let step_m = STEPS_M.into_iter().find(|step_m| *step_m > radius_m)?;
        radius_m = found.map_or(step_m, |metres| metres.min(step_m));
    }
}

/// The least distance to a site within `radius_m`; to some site where none is.
fn nearest_of_window(world: World<'_>, here: &Here, radius_m: f64, at: EventTime) -> Option<f64> {
    let mut bound_m = f64::INFINITY;
    world.fences.window(here, radius_m, &mut |site, _, high_m| {
        if high_m < bound_m && world.in_force(site, at) {
            bound_m = high_m;
        }
    });
    let mut best: Option<f64> = None;
    world.fences.window(here, radius_m, &mut |site, low_m, _| {
        let is_near = low_m <= bound_m && world.fences.metres_at_least(site, here) <= bound_m;
        if is_near && world.in_force(site, at) {
            let metres = world.fences.signed_metres(site, here);
            best = Some(best.map_or(metres, |best| best.min(metres)));
            bound_m = bound_m.min(metres);
        }
    });
    best
}
