//! How far the fix is from the one site that `distance_m` speaks of.
//!
//! The scheduled site; else the nearest permitted one, however far; else the nearest one within 10 km (contract,
//! section 3). Nearest = least signed distance: of two fences that hold the fix, the one it is deeper in. Sites not in
//! force do not count; a person all of whose permitted sites are out of force is treated as one without any.

use model::{Due, DueBatch, EventTime, Permitted, SiteIndex};

use crate::evidence::{Evidence, UsableFix, World};
use crate::fence_index::Here;
use crate::outline::rounded;

/// A site further away is not worth telling of, in metres.
const NEAREST_MAX_M: f64 = 10_000.0;
/// Search radii in metres: most fixes have a site close by.
const STEPS_M: [f64; 4] = [250.0, 1_000.0, 3_000.0, NEAREST_MAX_M];

/// Signed metres, rounded to the centimetre; `None` without a usable fix, or with nothing to measure to.
pub(crate) fn distance_m(
    world: World<'_>,
    evidence: &Evidence,
    batch: &DueBatch,
    due: &Due,
    at: EventTime,
) -> Option<f64> {
    let fix = evidence.fix?;
    let scheduled = due.scheduled.filter(|site| world.in_force(*site, at));
    let metres = match scheduled {
        Some(site) => Some(to_site(world, evidence, &fix.here, site)),
        None => permitted(world, evidence, fix, batch, due, at),
    };
    let metres = metres.or_else(|| any(world, evidence, fix, at))?;
    Some(rounded(metres, 100.0))
}

fn to_site(world: World<'_>, evidence: &Evidence, here: &Here, site: SiteIndex) -> f64 {
    match evidence.near.binary_search_by_key(&site, |near| near.site) {
        Ok(at) => evidence.near[at].distance_m,
        Err(_) => world.fences.signed_metres(site, here),
    }
}

/// To the nearest permitted site; `None` if all sites are permitted, or none in force.
fn permitted(
    world: World<'_>,
    evidence: &Evidence,
    fix: UsableFix,
    batch: &DueBatch,
    due: &Due,
    at: EventTime,
) -> Option<f64> {
    let Permitted::Sites(range) = &due.permitted else { return None };
    let sites = &batch.sites[range.start as usize..range.end as usize];
    let mut best: Option<f64> = None;
    for site in sites.iter().filter(|site| world.in_force(**site, at)) {
        if best.is_none_or(|best| world.fences.metres_at_least(*site, &fix.here) < best) {
            let metres = to_site(world, evidence, &fix.here, *site);
            best = Some(best.map_or(metres, |best| best.min(metres)));
        }
    }
    best
}

/// To the nearest of all sites, if any is within 10 km.
fn any(world: World<'_>, evidence: &Evidence, fix: UsableFix, at: EventTime) -> Option<f64> {
    let least = |best: Option<f64>, metres: f64| Some(best.map_or(metres, |best: f64| best.min(metres)));
    let near = evidence.near.iter().map(|near| near.distance_m).fold(None, least);
    // What was searched already holds the nearest if that is within it.
    if let Some(metres) = near.filter(|metres| *metres <= fix.searched_m.min(NEAREST_MAX_M)) {
        return Some(metres);
    }
    STEPS_M.into_iter().find_map(|radius_m| {
        let mut best: Option<f64> = None;
        world.fences.within(&fix.here, radius_m, |site| {
            let bound = best.unwrap_or(radius_m);
            if world.in_force(site, at) && world.fences.metres_at_least(site, &fix.here) <= bound {
                best = least(best, world.fences.signed_metres(site, &fix.here));
            }
        });
        best.filter(|metres| *metres <= radius_m)
    })
}
