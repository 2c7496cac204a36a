//! Puts fences into the cells they may matter in.
//!
//! In: a box around each fence, widened by its tolerance and [`REACH_M`], and a circle around or for it.
//! Out: entries by cell, for `cell_grid`.  Owns: the entries while they are collected.
//! Invariants: a fence stands in every cell that comes within [`REACH_M`] of it; its circle holds it, whatever the frame, the
//! steps and the changing width of a degree may be wrong by; where it is said to be exact, it is, to
//! `circles::STEPS_OFF` steps.

use model::{LonLat, SiteIndex};

use crate::cell_grid::CellGrid;
use crate::cell_table::{CellTable, Entry};
use crate::cells::{CELL_STEPS, Cells, LEVELS, Position, degrees, key, steps_from};
use crate::circles::EXACT;
use crate::distance::{POLAR_LAT, Spot};
use crate::outline::LonLatBox;

/// Searches up to here, in metres, look at one cell of each level: the 100 m that an accuracy explains, and some tolerance.
pub(crate) const REACH_M: f64 = 128.0;
/// A circle that holds for any point of the cell.
pub(crate) const EVERYWHERE: u16 = 32_767;
/// Above this many cells a fence moves up a level.
const CELLS_MAX: u64 = 16;
/// Circles are told at these levels; above, an entry stands for all of its cell.
const CIRCLE_LEVELS: u32 = 4;
/// Circles up to here, in degrees and metres, may be exact ones: beyond, degrees change their width too fast.
const EXACT_LAT_MAX: f64 = 70.0;
const EXACT_RADIUS_MAX_M: f64 = 450.0;
/// A middle this many steps away from a cell's corner, and squares of differences between points still fit.
const STEPS_MAX: f64 = 24_000.0;
/// What a degree of latitude is taken for, in metres, and how wrong that may be.
const LAT_DEGREE_M: f64 = 111_134.0;
const LAT_DEGREE_SLACK: f64 = 1.006;

/// What is put into a grid: a fence, or a part of it, with all points within its tolerance and [`REACH_M`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reach {
    pub(crate) site: SiteIndex,
    /// A box around all of it.
    pub(crate) around: LonLatBox,
    /// The radius in metres of a circle around the middle of the box that holds the fence and its tolerance.
    pub(crate) radius_m: f64,
    /// The fence itself where it is a circle and whatever else is known of its site makes no difference.
    pub(crate) exact: Option<(LonLat, f64)>,
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
        let levels = (0..LEVELS).zip(self.rows).filter(|(_, rows)| !rows.is_empty());
        let built = levels.map(|(level, mut rows)| {
            rows.sort_unstable_by_key(|(key, entry)| (*key, entry.site));
            (level, CellTable::build(&rows))
        });
        CellGrid::new(built.collect())
    }
}

/// The finest level at which a box takes few cells, and its middle lies about a cell or less from each.
fn level_of(around: &LonLatBox) -> u32 {
    let height = around.north - around.south;
    let width = (around.east - around.west) * lat_nearest_the_equator(around).to_radians().cos();
    let fits = |level: &u32| {
        height.max(width) <= 2.2 * degrees(*level) && Cells::of(around, *level).count() <= CELLS_MAX
    };
    (0..LEVELS).find(fits).unwrap_or(LEVELS - 1)
}

fn lat_nearest_the_equator(around: &LonLatBox) -> f64 {
    if around.south * around.north <= 0.0 { 0.0 } else { around.south.abs().min(around.north.abs()) }
}

/// Metres in a step.
fn step_m(level: u32) -> f64 {
    degrees(level) / CELL_STEPS * LAT_DEGREE_M
}

/// Puts a fence's entry into all cells that it reaches into.
fn put(reach: &Reach, level: u32, rows: &mut Vec<(u32, Entry)>) {
    let circle = (level < CIRCLE_LEVELS).then(|| Circle::of(reach, level)).flatten();
    for (row, column) in Cells::of(&reach.around, level).each() {
        let entry = match &circle {
            None => Entry { site: reach.site, x: 0, y: 0, circle: EVERYWHERE },
            Some(circle) => match circle.seen_from(row, column) {
                Some((x, y, circle)) => Entry { site: reach.site, x, y, circle },
                None => continue,
            },
        };
        rows.push((key(row as u32, column as u32, level), entry));
    }
}

/// A circle around a fence as the cells of one level see it.
struct Circle {
    level: u32,
    middle: (f64, f64),
    lon_scale: f64,
    /// In steps, with all that may be wrong.
    radius: f64,
    /// The middle and the radius in steps of a circle that is the fence.
    exact: Option<((f64, f64), u16)>,
}

impl Circle {
    fn of(reach: &Reach, level: u32) -> Option<Self> {
        let LonLatBox { west, south, east, north } = reach.around;
        let lat_max = south.abs().max(north.abs());
        if lat_max > POLAR_LAT {
            return None;
        }
        let middle = (f64::midpoint(west, east), f64::midpoint(south, north));
        // A point of the cell and the middle are at most 3.2 cells apart either way, and the width of a degree is taken
        // for what it is at the one of them, not for what it is between; twice the sine is for the curve of it.
        let frame = CELL_STEPS * 8.0 * degrees(level).to_radians() * lat_max.to_radians().tan().max(0.1);
        let radius = reach.radius_m * LAT_DEGREE_SLACK / step_m(level) + frame + 3.0;
        let may_be_exact = level == 0 && lat_max <= EXACT_LAT_MAX;
        let exact = reach.exact.filter(|(_, radius_m)| may_be_exact && *radius_m <= EXACT_RADIUS_MAX_M);
        let exact = exact.map(|(centre, radius_m)| {
            let at = Position::new(centre, &Spot::new(centre));
            // The box of a circle may be told on another turn.
            let lon = middle.0 + (centre.lon() - middle.0 + 180.0).rem_euclid(360.0) - 180.0;
            ((lon, centre.lat()), (radius_m * f64::from(at.steps_per_m(level))).round() as u16 | EXACT)
        });
        let lon_scale =
            Spot::new(LonLat::new(0.0, middle.1)?).axis_m * std::f64::consts::PI / 180.0 / LAT_DEGREE_M;
        Some(Self { level, middle, lon_scale, radius, exact })
    }

    /// Its entry in a cell (x, y, circle), if it reaches there.
    fn seen_from(&self, row: u64, column: u64) -> Option<(i16, i16, u16)> {
        let (x, y) = steps_from(self.middle, row, column, self.level);
        let away = ((x - x.clamp(0.0, CELL_STEPS)) * self.lon_scale, y - y.clamp(0.0, CELL_STEPS));
        let reach = self.radius + REACH_M * LAT_DEGREE_SLACK / step_m(self.level) + 3.0;
        let reaches = away.0 * away.0 + away.1 * away.1 <= reach * reach;
        let ((x, y), radius) = match self.exact {
            None => ((x, y), self.radius.ceil().min(f64::from(EVERYWHERE)) as u16),
            Some((centre, radius)) => (steps_from(centre, row, column, self.level), radius),
        };
        let fits = x.abs() <= STEPS_MAX && y.abs() <= STEPS_MAX;
        let told = if fits { (x.round() as i16, y.round() as i16, radius) } else { (0, 0, EVERYWHERE) };
        reaches.then_some(told)
    }
}
