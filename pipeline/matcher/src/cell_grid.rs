//! Finds the fences near a point: a hash of lon/lat cells, each with the circles that may matter to points in it.
//!
//! In: a box and, where it is small, a circle around each fence.  Out: `SiteIndex`es, some of them more than once, some of
//! them a little too far.  Owns: cells and entries.
//! Absent on purpose: outlines and exact distances (`fence_index` asks them of the few that come out), neighbouring cells
//! on the common path, floating point in the scan, allocation while searching.
//! Invariants: a fence stands in every cell that comes within [`REACH_M`] of it, so that one look-up per level answers any
//! search up to there (`every_fence_in_reach_comes_out`); positions are 2³² steps round the earth and wrap where longitudes
//! do, so that the antimeridian is a border of cells like any other.
//!
//! ```text
//! position   x = (lon + 180) · 2³²/360   y = (lat + 90) · 2³²/360          whole numbers, 9.3 mm at the equator
//! level      0: 2¹⁶ columns of 611 m at the equator, 1: 2.4 km, … 5: 626 km; a fence stands at one level, by its size
//! cell key   row y >> shift in the upper, column x >> shift in the lower 16 bits
//!
//! slots      [ key 4 | first 4 ]  eight to a cache line, open addressing, two thirds taken
//!                       │
//! entries    [ site 4 | x 2 | y 2 | last 1 bit, radius 15 bits | – 2 ] …  those of a cell side by side, by site
//! ```
//!
//! An entry's circle is told in steps of 7.5 cm (level 0) from the cell's corner; its radius is rounded up by whatever the
//! frame, the steps and the changing width of a degree may be wrong by, so the scan passes too much rather than too little.
//! Why so: a tree waits for one line of memory after the other, and a grid searched around the point for several; an entry
//! that reaches into all cells where it may matter costs 12 bytes for each of them and one line to read. Accuracy explains
//! at most 100 m under the usual rules, so that one inflation does for all; wider searches walk over the cells of a window.

use model::{LonLat, SiteIndex};

use crate::distance::{POLAR_LAT, Spot, reach_deg};
use crate::outline::LonLatBox;
use crate::prefetch::prefetch;

/// Searches up to here, in metres, look at one cell of each level: the 100 m that an accuracy explains, and some tolerance.
pub(crate) const REACH_M: f64 = 128.0;

/// Steps of a position per degree.
const STEPS: f64 = 4_294_967_296.0 / 360.0;
/// Steps across a cell of level 0 and from one level to the next, as powers of two.
const FINEST: u32 = 16;
const COARSER: u32 = 2;
/// The last level, whose cells are 5.6° wide: 64 columns, 33 rows.
const LEVELS: u32 = 6;
/// Above this many cells a fence moves up a level.
const CELLS_MAX: u64 = 16;
/// A cell is this many entry steps high.
const CELL_BITS: u32 = 13;
const CELL_STEPS: f64 = (1 << CELL_BITS) as f64;
const SCALE_BITS: u32 = 15;
/// Circles are told at these levels; above, an entry stands for all of its cell.
const CIRCLE_LEVELS: u32 = 4;
/// What a degree of latitude is taken for, in metres, and how wrong that may be.
const LAT_DEGREE_M: f64 = 111_134.0;
const LAT_DEGREE_SLACK: f64 = 1.006;
/// Searches are widened by this much more where they leave the cell, up to `WINDOW_MAX_M`.
const WINDOW_SLACK: f64 = 1.03;
const WINDOW_MAX_M: f64 = 12_000.0;
/// A radius that passes from any point in the cell.
const EVERYWHERE: u16 = 32_767;
/// Set in the radius of a cell's last entry.
const LAST: u16 = 0x8000;
/// Entries in 64 bytes.
const ENTRIES_A_LINE: usize = 64 / size_of::<Entry>();
/// Slots for each cell in use.
const SLOTS_A_CELL: f64 = 1.5;

/// The fences of one snapshot, by cell.
#[derive(Debug)]
pub(crate) struct CellGrid {
    /// The levels in use.
    levels: Vec<Level>,
}

/// What is put into a grid: a fence, or a part of it, with all points within its tolerance and [`REACH_M`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reach {
    pub(crate) site: SiteIndex,
    /// A box around all of it.
    pub(crate) around: LonLatBox,
    /// The radius in metres of a circle around the middle of the box that holds the fence and its tolerance.
    pub(crate) radius_m: f64,
}

#[derive(Debug)]
struct Level {
    shift: u32,
    /// Entry steps in a metre, rounded up by as much as a degree of latitude may be shorter than it is taken for.
    steps_per_m: f64,
    slots: Vec<Slot>,
    entries: Vec<Entry>,
}

#[derive(Clone, Copy, Debug, Default)]
#[repr(align(8))]
struct Slot {
    key: u32,
    /// The place behind the cell's first entry; 0: the slot is free.
    behind_first: u32,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    site: SiteIndex,
    x: i16,
    y: i16,
    radius: u16,
}

/// A point as the cells see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Position {
    x: u32,
    y: u32,
    /// How long a degree of longitude is there, in parts of 2¹⁵ of a degree of latitude.
    lon_scale: i32,
}

/// Collects what goes into a grid.
#[derive(Debug, Default)]
pub(crate) struct CellGridBuilder {
    rows: [Vec<(u32, Entry)>; LEVELS as usize],
}

impl CellGridBuilder {
    /// Puts it into all cells that it reaches into.
    pub(crate) fn put(&mut self, reach: &Reach) {
        let level = level_of(&reach.around);
        put(reach, level, &mut self.rows[level as usize]);
    }

    pub(crate) fn build(self) -> CellGrid {
        let rows = (0..LEVELS).zip(self.rows).filter(|(_, rows)| !rows.is_empty());
        CellGrid { levels: rows.map(|(level, rows)| Level::build(shift_of(level), rows)).collect() }
    }
}

impl CellGrid {
    /// Calls `visit` for every site whose reach was put in with at least `radius_m` of it ending at the point; possibly
    /// twice, possibly for others nearby.
    #[inline]
    pub(crate) fn within(
        &self,
        point: LonLat,
        at: Position,
        radius_m: f64,
        mut visit: impl FnMut(SiteIndex),
    ) {
        for level in &self.levels {
            if radius_m <= REACH_M {
                level.scan(at, radius_m, &mut visit);
            } else {
                level.window(point, at, radius_m, &mut visit);
            }
        }
    }

    /// Asks for the slot of the cell of a point.
    #[inline]
    pub(crate) fn fetch_slot(&self, at: Position) {
        for level in &self.levels {
            prefetch(&level.slots, level.home(at.key(level.shift)));
        }
    }

    /// Asks for the first and the last entries of the cell of a point.
    #[inline]
    pub(crate) fn fetch_entries(&self, at: Position) {
        for level in &self.levels {
            let slot = level.slot(at.key(level.shift));
            if slot.behind_first > 0 {
                let first = slot.behind_first as usize - 1;
                prefetch(&level.entries, first);
                prefetch(&level.entries, first + ENTRIES_A_LINE);
            }
        }
    }
}

impl Level {
    fn build(shift: u32, mut rows: Vec<(u32, Entry)>) -> Self {
        rows.sort_unstable_by_key(|(key, entry)| (*key, entry.site));
        let cells = rows.chunk_by(|a, b| a.0 == b.0).count();
        let room = (cells as f64 * SLOTS_A_CELL).ceil() as usize + 1;
        let steps_per_m = LAT_DEGREE_SLACK / step_m(shift);
        let slots = vec![Slot::default(); room];
        let mut level = Self { shift, steps_per_m, slots, entries: Vec::new() };
        level.entries.reserve_exact(rows.len());
        for cell in rows.chunk_by(|a, b| a.0 == b.0) {
            let key = cell[0].0;
            let mut at = level.home(key);
            while level.slots[at].behind_first > 0 {
                at = level.behind(at);
            }
            level.slots[at] = Slot { key, behind_first: level.entries.len() as u32 + 1 };
            level.entries.extend(cell.iter().map(|(_, entry)| *entry));
            let last = level.entries.len() - 1;
            level.entries[last].radius |= LAST;
        }
        level
    }

    /// Where the search for a cell begins.
    #[inline]
    fn home(&self, key: u32) -> usize {
        let mixed = u64::from(key).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        ((mixed * self.slots.len() as u64) >> 32) as usize
    }

    #[inline]
    fn behind(&self, at: usize) -> usize {
        if at + 1 < self.slots.len() { at + 1 } else { 0 }
    }

    /// The cell's slot, or a free one.
    #[inline]
    fn slot(&self, key: u32) -> Slot {
        let mut at = self.home(key);
        loop {
            let slot = self.slots[at];
            if slot.key == key || slot.behind_first == 0 {
                return slot;
            }
            at = self.behind(at);
        }
    }

    /// The entries of a cell, the last of them marked, and those of others behind it.
    #[inline]
    fn from(&self, slot: Slot) -> &[Entry] {
        let from = if slot.behind_first == 0 { self.entries.len() } else { slot.behind_first as usize - 1 };
        &self.entries[from..]
    }

    /// Visits what comes within `radius_m` ≤ [`REACH_M`] of a point in its own cell.
    #[inline]
    fn scan(&self, at: Position, radius_m: f64, visit: &mut impl FnMut(SiteIndex)) {
        let slot = self.slot(at.key(self.shift));
        let inside = |position: u32| (position << (32 - self.shift) >> (32 - CELL_BITS)) as i32;
        let (x, y) = ((inside(at.x) * at.lon_scale) >> SCALE_BITS, inside(at.y));
        let reach = (radius_m * self.steps_per_m) as i32 + 2;
        for entry in self.from(slot) {
            let (dx, dy) = (i32::from(entry.x) - x, i32::from(entry.y) - y);
            let limit = i32::from(entry.radius & !LAST) + reach;
            if dx * dx + dy * dy <= limit * limit {
                visit(entry.site);
            }
            if entry.radius & LAST != 0 {
                break;
            }
        }
    }

    /// Visits what comes within `radius_m` of a point, cell by cell.
    fn window(&self, point: LonLat, at: Position, radius_m: f64, visit: &mut impl FnMut(SiteIndex)) {
        let (half_lat, half_lon) = reach_deg(point.lat(), radius_m - REACH_M);
        let (lon, lat) = (point.lon(), point.lat());
        let around = LonLatBox {
            west: lon - half_lon + 360.0,
            south: lat - half_lat,
            east: lon + half_lon + 360.0,
            north: lat + half_lat,
        };
        let cells = Cells::of(&around, self.shift);
        if cells.count() > self.slots.len() as u64 {
            return self.entries.iter().for_each(|entry| visit(entry.site));
        }
        let limit = radius_m * WINDOW_SLACK * self.steps_per_m + 2.0;
        let per_step = CELL_STEPS / (1_u64 << self.shift) as f64;
        let lon_scale = f64::from(at.lon_scale) / f64::from(1 << SCALE_BITS);
        for row in cells.rows.0..=cells.rows.1 {
            for column in cells.columns.0..=cells.columns.1 {
                // From the cell's corner to the point, by the shorter way round.
                let x = at.x.wrapping_sub((column << self.shift) as u32).cast_signed();
                let x = f64::from(x) * per_step * lon_scale;
                let y = (f64::from(at.y) - (row << self.shift) as f64) * per_step;
                for entry in self.from(self.slot(key(row as u32, column as u32, self.shift))) {
                    let (dx, dy) = (f64::from(entry.x) - x, f64::from(entry.y) - y);
                    let radius = entry.radius & !LAST;
                    let limit = f64::from(radius) + limit;
                    let all = radius == EVERYWHERE || radius_m > WINDOW_MAX_M;
                    if all || dx * dx + dy * dy <= limit * limit {
                        visit(entry.site);
                    }
                    if entry.radius & LAST != 0 {
                        break;
                    }
                }
            }
        }
    }
}

impl Position {
    #[inline]
    pub(crate) fn new(point: LonLat, spot: &Spot) -> Self {
        let lon_scale = (lon_scale(spot) * f64::from(1 << SCALE_BITS)) as i32;
        Self { x: x_of(point.lon()) as u32, y: y_of(point.lat()) as u32, lon_scale }
    }

    #[inline]
    fn key(self, shift: u32) -> u32 {
        key(self.y >> shift, self.x >> shift, shift)
    }
}

/// The key of a cell. Columns wrap.
#[inline]
fn key(row: u32, column: u32, shift: u32) -> u32 {
    row << 16 | column & (u32::MAX >> shift)
}

/// Longitudes from −180 on; those beyond 180 go on.
#[inline]
fn x_of(lon: f64) -> u64 {
    whole((lon + 180.0) * STEPS)
}

/// Latitudes; what is beyond a pole is at the pole.
#[inline]
fn y_of(lat: f64) -> u64 {
    whole((lat.clamp(-90.0, 90.0) + 90.0) * STEPS)
}

/// A number from 0 until 2⁵¹, rounded to a whole one: what lies before another stays before it or meets it.
#[inline]
fn whole(number: f64) -> u64 {
    const WHOLE: f64 = (1_u64 << 52) as f64;
    (number + WHOLE).to_bits() & ((1 << 52) - 1)
}

/// How long a degree of longitude is, in degrees of latitude.
#[inline]
fn lon_scale(spot: &Spot) -> f64 {
    const DEGREES: f64 = std::f64::consts::PI / 180.0 / LAT_DEGREE_M;
    spot.axis_m * DEGREES
}

/// The cells that a box touches; columns are not wrapped, and none comes twice.
struct Cells {
    rows: (u64, u64),
    columns: (u64, u64),
}

impl Cells {
    /// `around` begins at −180 or further east.
    fn of(around: &LonLatBox, shift: u32) -> Self {
        let rows = (y_of(around.south) >> shift, y_of(around.north) >> shift);
        let (west, east) = (x_of(around.west) >> shift, x_of(around.east) >> shift);
        let all = 1 << (32 - shift);
        Self { rows, columns: (west, east.min(west + all - 1)) }
    }

    fn count(&self) -> u64 {
        (self.rows.1 - self.rows.0 + 1) * (self.columns.1 - self.columns.0 + 1)
    }
}

/// The finest level at which a box takes few cells, and its middle lies about a cell or less from each.
fn level_of(around: &LonLatBox) -> u32 {
    let height = around.north - around.south;
    let width = (around.east - around.west) * lat_nearest_the_equator(around).to_radians().cos();
    let fits = |level: &u32| {
        let shift = shift_of(*level);
        height.max(width) <= 2.2 * degrees(shift) && Cells::of(around, shift).count() <= CELLS_MAX
    };
    (0..LEVELS).find(fits).unwrap_or(LEVELS - 1)
}

fn lat_nearest_the_equator(around: &LonLatBox) -> f64 {
    if around.south * around.north <= 0.0 { 0.0 } else { around.south.abs().min(around.north.abs()) }
}

fn shift_of(level: u32) -> u32 {
    FINEST + COARSER * level
}

/// Degrees across a cell.
fn degrees(shift: u32) -> f64 {
    (1_u64 << shift) as f64 / STEPS
}

/// Metres in an entry step.
fn step_m(shift: u32) -> f64 {
    degrees(shift) / CELL_STEPS * LAT_DEGREE_M
}

/// Puts a fence's entry into all cells that it reaches into.
fn put(reach: &Reach, level: u32, rows: &mut Vec<(u32, Entry)>) {
    let shift = shift_of(level);
    let cells = Cells::of(&reach.around, shift);
    let circle = (level < CIRCLE_LEVELS).then(|| Circle::of(reach, shift)).flatten();
    for row in cells.rows.0..=cells.rows.1 {
        for column in cells.columns.0..=cells.columns.1 {
            let entry = match circle {
                None => Entry { site: reach.site, x: 0, y: 0, radius: EVERYWHERE },
                Some(circle) => match circle.seen_from(row, column) {
                    Some(entry) => Entry { site: reach.site, ..entry },
                    None => continue,
                },
            };
            rows.push((key(row as u32, column as u32, shift), entry));
        }
    }
}

/// A circle around a fence as the cells of one level see it.
#[derive(Clone, Copy)]
struct Circle {
    shift: u32,
    /// The centre, in positions.
    x: f64,
    y: f64,
    lon_scale: f64,
    /// In entry steps.
    radius: f64,
}

impl Circle {
    fn of(reach: &Reach, shift: u32) -> Option<Self> {
        let LonLatBox { west, south, east, north } = reach.around;
        let lat_max = south.abs().max(north.abs());
        if lat_max > POLAR_LAT {
            return None;
        }
        let (lon, lat) = (f64::midpoint(west, east), f64::midpoint(south, north));
        let spot = Spot::new(LonLat::new(0.0, lat)?);
        // A point of the cell and the centre are at most 2.2 cells apart, so the width of a degree at either differs by
        // the half of that from the one between them, for up to 3.2 cells across; twice the sine is for the curve of it.
        let frame = CELL_STEPS * 4.0 * degrees(shift).to_radians() * lat_max.to_radians().tan().max(0.1);
        let radius = reach.radius_m * LAT_DEGREE_SLACK / step_m(shift) + frame + 3.0;
        let lon_scale = lon_scale(&spot);
        Some(Self { shift, x: (lon + 180.0) * STEPS, y: (lat + 90.0) * STEPS, lon_scale, radius })
    }

    /// Its entry in a cell, if it reaches there.
    fn seen_from(&self, row: u64, column: u64) -> Option<Entry> {
        let steps = |centre: f64, corner: u64| {
            (centre - (corner << self.shift) as f64) * CELL_STEPS / (1_u64 << self.shift) as f64
        };
        let (x, y) = (steps(self.x, column) * self.lon_scale, steps(self.y, row));
        let away = (x - x.clamp(0.0, CELL_STEPS * self.lon_scale), y - y.clamp(0.0, CELL_STEPS));
        let reach = self.radius + REACH_M * LAT_DEGREE_SLACK / step_m(self.shift) + 3.0;
        let reaches = away.0 * away.0 + away.1 * away.1 <= reach * reach;
        let radius = self.radius.ceil() as u16;
        reaches.then_some(Entry { site: SiteIndex(0), x: x.round() as i16, y: y.round() as i16, radius })
    }
}

#[cfg(test)]
#[path = "cell_grid_tests.rs"]
mod tests;
