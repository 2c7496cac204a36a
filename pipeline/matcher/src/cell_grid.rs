//! Finds the fences near a point: a hash of lon/lat cells, each with the circles that may matter to points in it.
//!
//! In: a point, how far to look.  Out: sites, and what their cell is already sure of; some of them more than once, some of
//! them a little too far.  Owns: the cells of each level.
//! Absent on purpose: outlines and exact distances (`fence_index` asks them of the few that nobody is sure of),
//! neighbouring cells on the common path, floating point in the scan (`circles`), allocation while searching.
//! Invariants: a fence stands in every cell that comes within `REACH_M` of it, so that one look-up per level answers any
//! search up to there (`every_fence_in_reach_comes_out`); what a cell is sure of is so (`a_cell_is_sure_of_the_truth`).
//!
//! ```text
//! point ─▶ position ─▶ cell key ─▶ one line, six fences (`cells`, `cell_table`)
//!
//! entry    [ site 4 | x 2 | y 2 | exact 1 bit, radius 15 bits ]        in steps of 7.5 cm (level 0) from the cell's corner
//!
//!          ◀─ inside, sure ─▶ ◀ unsure ▶ ◀─ between, sure ─▶ ◀ unsure ▶ ◀─ out of reach, not told ─▶
//!                              1.5 m wide                     1.5 m wide
//! ```
//!
//! An exact entry is a circle, and 16 bits tell it well enough to be sure of what the fence rule will say, but near its
//! two borders; other entries hold the fence, and what passes has to be measured.
//! Why so: a tree waits for one line of memory after the other, and a grid searched around the point for several; an entry
//! that reaches into all cells where it may matter costs ten bytes for each of them and one line to read. Accuracy explains
//! at most 100 m under the usual rules, so that one inflation does for all; wider searches walk over the cells of a window.

use model::{LonLat, SiteIndex};

use crate::cell_table::{CellTable, Home, INLINE};
use crate::cells::{Cells, Position};
use crate::circles::{ALL, EXACT, STEPS_OFF, Search, Told};
use crate::distance::{POLAR_LAT, reach_deg};
use crate::outline::LonLatBox;
use crate::reach::{EVERYWHERE, REACH_M};

/// The least radius of the earth's curvature in metres, rounded down: over a way of w metres degrees of longitude change
/// their width by less than w / this · tan φ.
const EARTH_M: f64 = 6.3e6;
/// What else may be wrong about a distance across a window, relatively.
const WINDOW_SLACK: f64 = 1e-4;
/// In wider windows circles are not looked at.
const WINDOW_MAX_M: f64 = 12_000.0;
/// Cells of a window that are on their way together.
const TOGETHER: usize = 64;

/// The fences of one snapshot, by cell.
#[derive(Debug)]
pub(crate) struct CellGrid {
    /// The levels in use, the finest first.
    levels: Vec<Level>,
}

/// What a fence rule asks of signed distances.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    /// Up to here, in metres, a fence is inside.
    pub(crate) inside_m: f64,
    /// Beyond, in metres, it is outside and not asked for.
    pub(crate) within_m: f64,
}

/// What a cell says of a fence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Its signed distance is less than [`Span::inside_m`], whatever it is.
    Inside,
    /// It is more, and less than [`Span::within_m`].
    Between,
    /// It has to be measured, and may turn out to be too far.
    Unsure,
    /// It was measured, and is more than [`Span::within_m`], or its site does not count.
    Outside,
}

/// A site near a point.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Near {
    pub(crate) site: SiteIndex,
    pub(crate) seen: Seen,
    /// Signed, for who measures it; no number before.
    pub(crate) distance_m: f64,
}

/// The cells of one level.
#[derive(Debug)]
pub(crate) struct Level {
    level: u32,
    cells: CellTable,
}

/// The cell of a point at one level.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cell {
    key: u32,
    home: Home,
}

impl CellGrid {
    pub(crate) fn new(levels: Vec<(u32, CellTable)>) -> Self {
        Self { levels: levels.into_iter().map(|(level, cells)| Level { level, cells }).collect() }
    }

    /// The levels in use, the finest first.
    #[inline]
    pub(crate) fn levels(&self) -> &[Level] {
        &self.levels
    }

    /// Every site at any distance, from all around: `visit` is told two numbers of metres between which the signed distance
    /// to the site's fence is.
    pub(crate) fn window(
        &self,
        point: LonLat,
        at: Position,
        radius_m: f64,
        visit: &mut impl FnMut(SiteIndex, f64, f64),
    ) {
        for level in &self.levels {
            level.window(point, at, radius_m, visit);
        }
    }
}

#[inline]
fn radius(circle: u16) -> f32 {
    f32::from((circle & !EXACT).cast_signed())
}

/// Puts the circles that are in reach for all one knows behind `near`. Whether any of them is unsure.
#[inline]
fn tell(told: Told, site: impl Fn(usize) -> SiteIndex, near: &mut Vec<Near>) -> bool {
    const SEEN: [Seen; 4] = [Seen::Inside, Seen::Between, Seen::Unsure, Seen::Unsure];
    let mut left = told.inside | told.between | told.unsure;
    while left != 0 {
        let at = left.trailing_zeros();
        left &= left - 1;
        let seen = SEEN[((told.between >> at & 1) + 2 * (told.unsure >> at & 1)) as usize];
        near.push(Near { site: site(at as usize), seen, distance_m: f64::NAN });
    }
    told.unsure != 0
}

impl Level {
    /// The cell of a point; what tells where it is is asked for.
    #[inline]
    pub(crate) fn cell(&self, at: Position) -> Cell {
        let key = at.key(self.level);
        Cell { key, home: self.cells.fetch_pilot(key) }
    }

    /// Finds where the cell is, and asks for its line.
    #[inline]
    pub(crate) fn fetch_line(&self, cell: &mut Cell) {
        cell.home = self.cells.found(cell.key, cell.home);
        self.cells.fetch_line(cell.home);
    }

    /// The cell of a point, without asking for anything.
    #[inline]
    pub(crate) fn cell_at_once(&self, at: Position) -> Cell {
        let key = at.key(self.level);
        Cell { key, home: self.cells.home(key) }
    }

    /// Asks for what that line has no room for.
    #[inline]
    pub(crate) fn fetch_more(&self, cell: Cell) {
        self.cells.fetch_more(cell.home, cell.key);
    }

    /// Puts every site behind `near` whose reach was put in at this level with at least `span.within_m` ≤ [`REACH_M`] of it
    /// ending at the point; possibly twice, possibly others nearby. `cell` is the point's, its line asked for. Whether the
    /// cell is unsure of any.
    #[inline]
    pub(crate) fn near(&self, at: Position, cell: Cell, span: Span, near: &mut Vec<Near>) -> bool {
        debug_assert!(span.within_m <= REACH_M);
        let Some(line) = self.cells.line(cell.home, cell.key) else { return false };
        let steps_per_m = at.steps_per_m(self.level);
        let (inside, within) = (span.inside_m as f32 * steps_per_m, span.within_m as f32 * steps_per_m);
        let search = Search::new(at.in_cell(self.level), at.lon_scale, inside, within);
        let more = self.cells.more(line);
        // What lies behind the entries is none, nor is the last one where it tells of more.
        let held = if more.is_empty() { (1 << INLINE) - 1 } else { (1 << (INLINE - 1)) - 1 };
        let mut is_unsure = tell(search.look(line.lanes(), held), |at| line.site(at), near);
        for block in more {
            is_unsure |= tell(search.look(block.lanes(), ALL), |at| block.site(at), near);
        }
        is_unsure
    }

    /// Visits what comes within `radius_m` of a point, cell by cell.
    #[inline(never)]
    fn window(
        &self,
        point: LonLat,
        at: Position,
        radius_m: f64,
        visit: &mut impl FnMut(SiteIndex, f64, f64),
    ) {
        let (half_lat, half_lon) = reach_deg(point.lat(), (radius_m - REACH_M).max(0.0));
        let (lon, lat) = (point.lon(), point.lat());
        let around = LonLatBox {
            west: lon - half_lon + 360.0,
            south: lat - half_lat,
            east: lon + half_lon + 360.0,
            north: lat + half_lat,
        };
        let cells = Cells::of(&around, self.level);
        if cells.count() > self.cells.len() as u64 {
            let all = self.cells.entries();
            return all.for_each(|entry| visit(entry.site, f64::NEG_INFINITY, f64::INFINITY));
        }
        let lat_max = (lat.abs() + half_lat).min(POLAR_LAT).to_radians();
        let slack = 1.0 + WINDOW_SLACK + radius_m / EARTH_M * lat_max.tan();
        let (lon_scale, off) = (f64::from(at.lon_scale), f64::from(STEPS_OFF));
        let per_step = f64::from(at.steps_per_m(self.level)).recip();
        let mut each = cells.each();
        let mut asked = [(0, 0, 0, Home::default()); TOGETHER];
        loop {
            let mut count = 0;
            for (asked, (row, column)) in asked.iter_mut().zip(&mut each) {
                let key = self.key(row, column);
                *asked = (row, column, key, self.cells.home(key));
                self.cells.fetch_line(asked.3);
                count += 1;
            }
            asked[..count].iter().for_each(|(.., key, home)| self.cells.fetch_more(*home, *key));
            for (row, column, key, home) in &asked[..count] {
                let Some(line) = self.cells.line(*home, *key) else { continue };
                let (x, y) = at.steps_from_corner_of(*row, *column, self.level);
                for entry in self.cells.entries_of(line) {
                    let (east, north) = ((f64::from(entry.x) - x) * lon_scale, f64::from(entry.y) - y);
                    let away = (east * east + north * north).sqrt();
                    let radius = f64::from(radius(entry.circle));
                    let is_told = entry.circle != EVERYWHERE && radius_m <= WINDOW_MAX_M;
                    let low_m = (away / slack - radius - off) * per_step;
                    let high_m = (away * slack - radius + off) * per_step;
                    match is_told {
                        true if low_m > radius_m => {}
                        true if entry.circle & EXACT != 0 => visit(entry.site, low_m, high_m),
                        true => visit(entry.site, low_m, f64::INFINITY),
                        false => visit(entry.site, f64::NEG_INFINITY, f64::INFINITY),
                    }
                }
            }
            if count < TOGETHER {
                return;
            }
        }
    }

    fn key(&self, row: u64, column: u64) -> u32 {
        crate::cells::key(row as u32, column as u32, self.level)
    }
}

#[cfg(test)]
#[path = "cell_grid_tests.rs"]
mod tests;
