//! Finds the fences near a point: a hash of lon/lat cells, each with the circles that may matter to points in it.
//!
//! In: a point, how far to look.  Out: sites, and what their cell is already sure of; some of them more than once, some of
//! them a little too far.  Owns: the cells of each level.
//! Absent on purpose: outlines and exact distances (`fence_index` asks them of the few that nobody is sure of),
//! neighbouring cells on the common path, floating point in the scan, allocation while searching.
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

use crate::cell_table::{CellTable, Entry, Home, INLINE, Lanes, Line};
use crate::cells::{Cells, Position};
use crate::distance::{POLAR_LAT, reach_deg};
use crate::outline::LonLatBox;
use crate::reach::{EVERYWHERE, EXACT, REACH_M};

/// By so many steps a distance to an exact circle may be told wrong: 3 for rounding positions and radius, 2 for degrees that
/// change their width by the way, and some to spare.
const STEPS_OFF: f32 = 10.0;
/// The least radius of the earth's curvature in metres, rounded down: over a way of w metres degrees of longitude change
/// their width by less than w / this · tan φ.
const EARTH_M: f64 = 6.3e6;
/// What else may be wrong about a distance across a window, relatively.
const WINDOW_SLACK: f64 = 1e-4;
/// In wider windows circles are not looked at.
const WINDOW_MAX_M: f64 = 12_000.0;
/// Lanes of a line.
const LANES: usize = size_of::<Lanes>() / size_of::<i16>();
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
}

#[derive(Debug)]
struct Level {
    level: u32,
    cells: CellTable,
}

/// A search in the cell of a point, in steps.
struct Scan {
    x: f32,
    y: f32,
    lon_scale: f32,
    inside: f32,
    within: f32,
}

/// The cell of a point at the finest level.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cell {
    home: Home,
    key: u32,
}

impl CellGrid {
    pub(crate) fn new(levels: Vec<(u32, CellTable)>) -> Self {
        Self { levels: levels.into_iter().map(|(level, cells)| Level { level, cells }).collect() }
    }

    /// Asks for what tells where the cell of a point is.
    #[inline]
    pub(crate) fn fetch_pilot(&self, at: Position) {
        if let Some(finest) = self.levels.first() {
            finest.cells.fetch_pilot(at.key(finest.level));
        }
    }

    /// Asks for the lines of the cells of a point; tells which the finest is.
    #[inline]
    pub(crate) fn fetch_line(&self, at: Position) -> Cell {
        let [finest, others @ ..] = self.levels.as_slice() else { return Cell::default() };
        let cell = finest.cell(at);
        finest.cells.fetch_line(cell.home);
        for level in others {
            level.cells.fetch_line(level.cell(at).home);
        }
        cell
    }

    /// Asks for what is behind those lines.
    #[inline]
    pub(crate) fn fetch_more(&self, at: Position, cell: Cell) {
        let [finest, others @ ..] = self.levels.as_slice() else { return };
        finest.cells.fetch_more(cell.home, cell.key);
        for level in others {
            let cell = level.cell(at);
            level.cells.fetch_more(cell.home, cell.key);
        }
    }

    /// Calls `visit` for every site whose reach was put in with at least `span.within_m` ≤ [`REACH_M`] of it ending at the
    /// point; possibly twice, possibly for others nearby. `cell` is what [`Self::fetch_line`] told.
    #[inline]
    pub(crate) fn near(&self, at: Position, cell: Cell, span: Span, visit: &mut impl FnMut(SiteIndex, Seen)) {
        debug_assert!(span.within_m <= REACH_M);
        let [finest, others @ ..] = self.levels.as_slice() else { return };
        finest.scan(at, cell, span, visit);
        for level in others {
            level.scan(at, level.cell(at), span, visit);
        }
    }

    /// The same at any distance, from all around: `visit` is told two numbers of metres between which the signed distance
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

impl Scan {
    #[inline]
    fn new(at: Position, level: u32, span: Span) -> Self {
        let (x, y) = at.in_cell(level);
        let steps_per_m = at.steps_per_m(level);
        let (inside, within) = (span.inside_m as f32 * steps_per_m, span.within_m as f32 * steps_per_m);
        Self { x, y, lon_scale: at.lon_scale, inside, within }
    }

    #[inline]
    fn line(&self, line: &Line, more: &[Entry], visit: &mut impl FnMut(SiteIndex, Seen)) {
        let [x, y, circle] = line.lanes();
        // Loops over eight lanes and nothing else: a compiler makes a few wide instructions of each.
        let mut squares = [0.0; LANES];
        for (square, (x, y)) in squares.iter_mut().zip(x.iter().zip(y)) {
            *square = self.square(*x, *y);
        }
        let mut reaching = [0; LANES];
        for (bit, (circle, square)) in reaching.iter_mut().zip(circle.iter().zip(&squares)) {
            *bit = i32::from(self.reaches(circle.cast_unsigned(), *square));
        }
        let mut near = (0..LANES).fold(0_u32, |near, at| near | (reaching[at] as u32) << at);
        // What lies behind the entries is none, nor is the last one where it tells of more.
        near &= if more.is_empty() { (1 << INLINE) - 1 } else { (1 << (INLINE - 1)) - 1 };
        while near != 0 {
            let at = near.trailing_zeros() as usize % INLINE;
            near &= near - 1;
            visit(line.site(at), self.seen(circle[at].cast_unsigned(), squares[at]));
        }
        for entry in more {
            let square = self.square(entry.x, entry.y);
            if self.reaches(entry.circle, square) {
                visit(entry.site, self.seen(entry.circle, square));
            }
        }
    }

    /// The square of the steps from the point.
    #[inline]
    fn square(&self, x: i16, y: i16) -> f32 {
        let (east, north) = ((f32::from(x) - self.x) * self.lon_scale, f32::from(y) - self.y);
        east * east + north * north
    }

    #[inline]
    fn reaches(&self, circle: u16, square: f32) -> bool {
        let limit = radius(circle) + self.within + STEPS_OFF;
        square <= limit * limit
    }

    #[inline]
    fn seen(&self, circle: u16, square: f32) -> Seen {
        if circle & EXACT == 0 {
            return Seen::Unsure;
        }
        let (inside, within) = (radius(circle) + self.inside, radius(circle) + self.within);
        let is_within = |steps: f32| steps >= 0.0 && square <= steps * steps;
        if is_within(inside - STEPS_OFF) {
            Seen::Inside
        } else if !is_within(inside + STEPS_OFF) && is_within(within - STEPS_OFF) {
            Seen::Between
        } else {
            Seen::Unsure
        }
    }
}

#[inline]
fn radius(circle: u16) -> f32 {
    f32::from((circle & !EXACT).cast_signed())
}

impl Level {
    #[inline]
    fn cell(&self, at: Position) -> Cell {
        let key = at.key(self.level);
        Cell { home: self.cells.home(key), key }
    }

    #[inline]
    fn scan(&self, at: Position, cell: Cell, span: Span, visit: &mut impl FnMut(SiteIndex, Seen)) {
        if let Some(line) = self.cells.line(cell.home, cell.key) {
            Scan::new(at, self.level, span).line(line, self.cells.more(line), visit);
        }
    }

    /// Visits what comes within `radius_m` of a point, cell by cell.
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
