//! Sees which fences are near the fixes of a group of punches, a step at a time for all of the group.
//!
//! In: punches with where their people were due.  Out: for each punch the sites near its fix: what their cell is sure of,
//! and signed metres to the others.  Owns: the group's fixes, cells and lists, refilled for each group.
//! Absent on purpose: what a distance means (`evidence`), validity in time, allocation once the lists are warm.
//! Invariants: a punch's list has each site once and depends on that punch alone (`tests/metamorphic.rs`).
//! Why so: the pilot that tells where a cell is, the cell, what it has no room for, and fence rows lie in lines of memory that
//! each tell where the next one is. One punch by itself waits for all of them. So four groups are under way, each a step
//! behind the other, and what the steps ask for is asked for a punch at a time: a core keeps some twenty lines on their way
//! and stands still at the next.
//!
//! ```text
//! group n        begin: pilots ─▶ ask_for_lines ─▶ ask_for_more, rows ─▶ look, measure ─▶ verdicts
//! group n + 1                     begin ─────────▶ ask_for_lines ──────▶ ask_for_more … ─▶
//! ```

use model::{Due, DueBatch, EventTime, Permitted, Place, Policy, Punch};

use crate::cell_grid::{Cell, Near, Seen};
use crate::evidence::World;
use crate::fence_index::Here;
use crate::fence_rule::judge;
use crate::fixes::{Fixes, GROUP, Good};
use crate::reach::REACH_M;

/// Of so many permitted sites the rows are asked for ahead of time.
const PERMITTED_AHEAD: usize = 4;

/// The fixes of a group of punches, and what is near them.
#[derive(Debug, Default)]
pub(crate) struct Nearby {
    fixes: Fixes,
    /// For each level of cells those that the fixes lie in.
    cells: Vec<[Cell; GROUP]>,
    near: Vec<Near>,
    /// From where until where each fix has its sites in `near`.
    places: [(u32, u32); GROUP],
    /// Which of `near` have to be measured, and from which fix.
    unsure: Vec<(u32, u32)>,
}

/// A usable fix.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    pub(crate) here: Here,
    pub(crate) good: Good,
}

impl Near {
    /// What its fence says.
    #[inline]
    pub(crate) fn place(&self) -> Place {
        match self.seen {
            Seen::Inside => Place::Inside,
            Seen::Between => Place::Uncertain,
            Seen::Unsure | Seen::Outside => Place::Outside,
        }
    }

    /// Signed metres from the fix to its fence.
    #[inline]
    pub(crate) fn metres(&self, world: World<'_>, here: &Here) -> f64 {
        if self.distance_m.is_nan() { world.fences.signed_metres(self.site, here) } else { self.distance_m }
    }
}

impl Nearby {
    /// Refills it with a group of at most [`GROUP`] punches, `rows` being where their people were due, and asks for what tells
    /// where the cells are.
    pub(crate) fn begin(&mut self, world: World<'_>, (punches, rows): (&[Punch], &[Due])) {
        self.fixes.read(world, punches, rows);
        self.near.clear();
        let levels = world.fences.levels();
        self.cells.resize(levels.len(), [Cell::default(); GROUP]);
        for (level, cells) in levels.iter().zip(&mut self.cells) {
            self.fixes.places().for_each(|at| cells[at] = level.cell(self.fixes.position(at)));
        }
    }

    /// Asks for the lines of the cells that a fix lies in.
    #[inline]
    pub(crate) fn ask_for_lines(&mut self, world: World<'_>, at: usize) {
        if self.fixes.is_usable(at) {
            for (level, cells) in world.fences.levels().iter().zip(&mut self.cells) {
                level.fetch_line(&mut cells[at]);
            }
        }
    }

    /// Asks for what those lines have no room for, and for the rows of sites that a distance will be told to (`nearest`).
    #[inline]
    pub(crate) fn ask_for_more(&self, world: World<'_>, (due, rows): (&DueBatch, &[Due]), at: usize) {
        if self.fixes.is_usable(at) {
            for (level, cells) in world.fences.levels().iter().zip(&self.cells) {
                level.fetch_more(cells[at]);
            }
            fetch_due(world, due, &rows[at]);
        }
    }

    /// Tells what is near a fix; places come in order.
    #[inline]
    pub(crate) fn look(&mut self, world: World<'_>, rows: &[Due], at: usize) {
        if !self.fixes.is_usable(at) {
            return;
        }
        let (from, span) = (self.near.len(), self.fixes.good(at).span);
        let (near, cells) = (&mut self.near, &self.cells);
        let is_far = span.within_m > REACH_M;
        let is_unsure = if is_far {
            further(world, &self.fixes.here(at), span.within_m, near)
        } else {
            world.fences.near(self.fixes.position(at), |n, _| cells[n][at], span, near)
        };
        if is_far || world.fences.may_repeat() {
            leave_out_repeats(near, from);
        }
        // Whether the nearest of all sites may be asked for.
        let is_lost = rows[at].scheduled.is_none() && rows[at].permitted == Permitted::All;
        if is_unsure | is_lost {
            self.ask_for_rows(world, from, at, is_lost);
        }
        self.places[at] = (from as u32, self.near.len() as u32);
    }

    /// Measures to the sites whose cell is unsure, and to those where people were scheduled.
    pub(crate) fn measure(&mut self, world: World<'_>, punches: &[Punch], rows: &[Due]) {
        let fences = world.fences;
        self.fixes.measure_scheduled(world, rows);
        if fences.has_outlines() {
            self.unsure.iter().for_each(|(told, _)| fences.fetch_outline(self.near[*told as usize].site));
            rows.iter().filter_map(|row| row.scheduled).for_each(|site| fences.fetch_outline(site));
        }
        for (told, at) in self.unsure.drain(..) {
            let (near, at) = (&mut self.near[told as usize], at as usize);
            near.distance_m = fences.signed_metres(near.site, &self.fixes.here(at));
            let policy = world.reference.policy(rows[at].policy);
            near.seen = seen(world, near, self.fixes.good(at), policy, punches[at].occurred_at);
        }
    }

    /// The fix of the group's punch at that place, if it is usable, and the sites near it.
    #[inline]
    pub(crate) fn of(&self, at: usize) -> Option<(Measured, &[Near])> {
        let (good, near) = self.told(at)?;
        Some((Measured { here: self.fixes.here(at), good: *good }, near))
    }

    /// How good that fix is, and the sites near it.
    #[inline]
    pub(crate) fn told(&self, at: usize) -> Option<(&Good, &[Near])> {
        let (from, until) = self.places[at];
        self.fixes.is_usable(at).then(|| (self.fixes.good(at), &self.near[from as usize..until as usize]))
    }

    /// See [`Fixes::scheduled_m`].
    #[inline]
    pub(crate) fn scheduled_m(&self, at: usize) -> Option<f64> {
        self.fixes.scheduled_m(at)
    }

    /// Asks for the rows of the sites behind `from` that have to be measured, for the fix at `at`, or of all of them.
    fn ask_for_rows(&mut self, world: World<'_>, from: usize, at: usize, of_all: bool) {
        for (told, near) in self.near.iter().enumerate().skip(from) {
            let is_unsure = near.seen == Seen::Unsure;
            if is_unsure {
                self.unsure.push((told as u32, at as u32));
            }
            if is_unsure || of_all {
                world.fences.fetch_row(near.site);
            }
        }
    }
}

/// Puts all sites behind `near` that come within so many metres, further than a cell tells.
#[cold]
fn further(world: World<'_>, here: &Here, within_m: f64, near: &mut Vec<Near>) -> bool {
    let unsure = |site| Near { site, seen: Seen::Unsure, distance_m: f64::NAN };
    world.fences.window(here, within_m, &mut |site, _, _| near.push(unsure(site)));
    true
}

/// What a fence says that was measured.
fn seen(world: World<'_>, near: &Near, good: &Good, policy: &Policy, at: EventTime) -> Seen {
    let tolerance_m = world.tolerance_m(near.site).unwrap_or(policy.tolerance_m);
    match judge(policy.fence_rule, near.distance_m, tolerance_m, good.accuracy) {
        Place::Inside if world.in_force(near.site, at) => Seen::Inside,
        Place::Uncertain if world.in_force(near.site, at) => Seen::Between,
        _ => Seen::Outside,
    }
}

/// Leaves each site once of those behind `from`. A cell is sure of no site that comes twice.
fn leave_out_repeats(near: &mut Vec<Near>, from: usize) {
    near[from..].sort_unstable_by_key(|near| near.site);
    let mut kept = from;
    for at in from..near.len() {
        if at == from || near[at].site != near[kept - 1].site {
            near[kept] = near[at];
            kept += 1;
        }
    }
    near.truncate(kept);
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
