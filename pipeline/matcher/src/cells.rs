//! Positions in whole numbers, the cells they fall into, and how long a step in a cell is.
//!
//! In: longitudes and latitudes.  Out: positions, keys of cells, the cells of a box.  Owns: nothing.
//! Invariants: what lies before another stays before it or meets it; longitudes wrap where the earth does.
//!
//! ```text
//! position   x = (lon + 180) · 2³²/360   y = (lat + 90) · 2³²/360          whole numbers, 9.3 mm at the equator
//! level      0: 2¹⁶ columns of 611 m at the equator, 1: 2.4 km, … 5: 626 km; a fence stands at one level, by its size
//! cell key   row y >> shift in the upper, column x >> shift in the lower 16 bits
//! step       a cell is 2¹³ of them high and wide: 7.5 cm northward at level 0
//! ```

use model::LonLat;

use crate::distance::{ECCENTRICITY_2, SEMI_MAJOR_M, Spot};
use crate::outline::LonLatBox;

/// Positions per degree.
pub(crate) const PER_DEGREE: f64 = 4_294_967_296.0 / 360.0;
/// Positions across a cell of level 0 and from one level to the next, as powers of two.
const FINEST: u32 = 16;
const COARSER: u32 = 2;
/// The last level's cells are 5.6° wide: 64 columns, 33 rows.
pub(crate) const LEVELS: u32 = 6;
/// A cell is this many steps high.
const CELL_BITS: u32 = 13;
pub(crate) const CELL_STEPS: f64 = (1 << CELL_BITS) as f64;

/// A point as the cells see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Position {
    pub(crate) x: u32,
    pub(crate) y: u32,
    /// How long a degree of longitude is there, in degrees of latitude.
    pub(crate) lon_scale: f32,
    /// Steps of level 0 in a metre.
    pub(crate) steps_per_m: f32,
}

impl Position {
    /// Of a point that lies so far from the earth's axis and from the equator's plane.
    #[inline]
    pub(crate) fn new(point: LonLat, spot: &Spot) -> Self {
        // The meridian's radius is a(1 − e²)(1 + z)^{3/2}: here the series of its inverse, to 10⁻⁸.
        const Z: f64 =
            ECCENTRICITY_2 / ((1.0 - ECCENTRICITY_2) * (1.0 - ECCENTRICITY_2) * SEMI_MAJOR_M * SEMI_MAJOR_M);
        const EQUATOR: f64 = 1.0 / (SEMI_MAJOR_M * (1.0 - ECCENTRICITY_2));
        const STEPS: f64 =
            PER_DEGREE * CELL_STEPS / (1_u64 << FINEST) as f64 / (std::f64::consts::PI / 180.0);
        let z = Z * (spot.plane_m * spot.plane_m);
        let per_meridian_m = EQUATOR * (1.0 - z * (1.5 - z * (1.875 - z * 2.1875)));
        let (lon_scale, steps_per_m) =
            ((spot.axis_m * per_meridian_m) as f32, (per_meridian_m * STEPS) as f32);
        Self { x: x_of(point.lon()) as u32, y: y_of(point.lat()) as u32, lon_scale, steps_per_m }
    }

    /// The key of its cell at a level.
    #[inline]
    pub(crate) fn key(self, level: u32) -> u32 {
        let shift = shift_of(level);
        key(self.y >> shift, self.x >> shift, level)
    }

    /// Steps from the corner of its cell at a level.
    #[inline]
    pub(crate) fn in_cell(self, level: u32) -> (i16, i16) {
        let inside = |position: u32| (position << (32 - shift_of(level)) >> (32 - CELL_BITS)) as i16;
        (inside(self.x), inside(self.y))
    }

    /// Steps from the corner of any cell at a level, eastward by the shorter way round.
    pub(crate) fn steps_from_corner_of(self, row: u64, column: u64, level: u32) -> (f64, f64) {
        let shift = shift_of(level);
        let east = self.x.wrapping_sub((column << shift) as u32).cast_signed();
        let north = f64::from(self.y) - (row << shift) as f64;
        (f64::from(east) * per_position(level), north * per_position(level))
    }

    /// Steps of a level in a metre.
    #[inline]
    pub(crate) fn steps_per_m(self, level: u32) -> f32 {
        // A power of two: 2 to the minus the bits that the level is coarser by.
        self.steps_per_m * f32::from_bits((127 - COARSER * level) << 23)
    }
}

/// Steps of a level from the corner of a cell to a point, as longitudes and latitudes go.
pub(crate) fn steps_from((lon, lat): (f64, f64), row: u64, column: u64, level: u32) -> (f64, f64) {
    let shift = shift_of(level);
    let steps = |position: f64, corner: u64| (position - (corner << shift) as f64) * per_position(level);
    (steps((lon + 180.0) * PER_DEGREE, column), steps((lat + 90.0) * PER_DEGREE, row))
}

/// The key of a cell. Columns wrap.
#[inline]
pub(crate) fn key(row: u32, column: u32, level: u32) -> u32 {
    row << 16 | column & (u32::MAX >> shift_of(level))
}

/// Degrees across a cell.
pub(crate) fn degrees(level: u32) -> f64 {
    (1_u64 << shift_of(level)) as f64 / PER_DEGREE
}

#[inline]
fn shift_of(level: u32) -> u32 {
    FINEST + COARSER * level
}

fn per_position(level: u32) -> f64 {
    CELL_STEPS / (1_u64 << shift_of(level)) as f64
}

/// Longitudes from −180 on; those beyond 180 go on.
#[inline]
fn x_of(lon: f64) -> u64 {
    whole((lon + 180.0) * PER_DEGREE)
}

/// Latitudes; what is beyond a pole is at the pole.
#[inline]
fn y_of(lat: f64) -> u64 {
    whole((lat.clamp(-90.0, 90.0) + 90.0) * PER_DEGREE)
}

/// A number from 0 until 2⁵¹, rounded to a whole one: what lies before another stays before it or meets it.
#[inline]
fn whole(number: f64) -> u64 {
    const WHOLE: f64 = (1_u64 << 52) as f64;
    (number + WHOLE).to_bits() & ((1 << 52) - 1)
}

/// The cells that a box touches; columns are not wrapped, and none comes twice.
pub(crate) struct Cells {
    rows: (u64, u64),
    columns: (u64, u64),
}

impl Cells {
    /// `around` begins at −180 or further east.
    pub(crate) fn of(around: &LonLatBox, level: u32) -> Self {
        let shift = shift_of(level);
        let rows = (y_of(around.south) >> shift, y_of(around.north) >> shift);
        let (west, east) = (x_of(around.west) >> shift, x_of(around.east) >> shift);
        let all = 1 << (32 - shift);
        Self { rows, columns: (west, east.min(west + all - 1)) }
    }

    pub(crate) fn count(&self) -> u64 {
        (self.rows.1 - self.rows.0 + 1) * (self.columns.1 - self.columns.0 + 1)
    }

    /// Row and column of each.
    pub(crate) fn each(&self) -> impl Iterator<Item = (u64, u64)> + use<> {
        let columns = self.columns.0..=self.columns.1;
        (self.rows.0..=self.rows.1).flat_map(move |row| columns.clone().map(move |column| (row, column)))
    }
}
