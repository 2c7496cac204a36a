//! Compares a point with eight circles of a cell at once, in whole numbers.
//!
//! In: a point and what a fence rule asks of distances, in steps of its cell; eight circles.  Out: which of them the point
//! is surely in, which it is surely between the borders of, and which nobody is sure of.
//! Absent on purpose: floating point (its lanes are twice as wide), a root, a branch for each circle.
//! Invariants: what is sure is so, to [`STEPS_OFF`] steps (`cell_grid::tests::a_cell_is_sure_of_the_truth`); with and without wide instructions the
//! answers are the same (`wide_and_narrow_instructions_agree`).
//!
//! Lengths are counted in pairs of steps, rounded down, so that a square of two sides fits into 31 bits. That rounds a
//! distance down by less than 2.8 steps, a radius by one, and what a rule asks by a half: with the 3 that positions and radii
//! were rounded by when they were put in, and 2 for degrees that change their width by the way, [`STEPS_OFF`] has some to spare.

#[cfg(target_arch = "x86_64")]
use crate::processor::look_wide;

/// Circles compared at once.
pub(crate) const LANES: usize = 8;
/// A bit for each of them.
pub(crate) const ALL: u32 = (1 << LANES) - 1;
/// One field of eight circles: x and y in steps from the cell's corner, or [`EXACT`] and a radius in steps.
pub(crate) type Lanes = [i16; LANES];

/// Set beside a radius where the circle is the fence itself and nothing else has to be known of the site.
pub(crate) const EXACT: u16 = 0x8000;
/// By so many steps a distance to an exact circle may be told wrong.
pub(crate) const STEPS_OFF: i32 = 10;
/// So many steps are more than any radius has.
const STEPS_MAX: f32 = (i16::MAX as i32 - 2 * STEPS_OFF) as f32;

/// A point, and what is asked of distances from it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Search {
    /// In steps from the cell's corner.
    pub(crate) x: i16,
    pub(crate) y: i16,
    /// Steps of longitude in those of latitude, times 2¹⁵.
    pub(crate) lon_scale: u16,
    /// Pairs of steps outside a circle. Below `inside` a point is surely inside, from `not_inside` on surely not; below
    /// `between` it is surely in reach, from `beyond` on surely not.
    pub(crate) inside: i16,
    pub(crate) not_inside: i16,
    pub(crate) between: i16,
    pub(crate) beyond: i16,
}

/// A bit for each of eight circles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// Surely inside.
    pub(crate) inside: u32,
    /// Surely in reach, and surely not inside.
    pub(crate) between: u32,
    /// In reach for all one knows.
    pub(crate) unsure: u32,
}

impl Told {
    pub(crate) const NOTHING: Self = Self { inside: 0, between: 0, unsure: 0 };
}

impl Search {
    /// From a point in steps from its cell's corner; `lon_scale` is below 2, and `inside` and `within` are the steps up to
    /// which a circle is inside, and in reach.
    #[inline]
    pub(crate) fn new((x, y): (i16, i16), lon_scale: f32, inside: f32, within: f32) -> Self {
        let (inside, within) = (whole(cut(inside)), whole(cut(within)));
        let pairs = |steps: i32| (steps >> 1) as i16;
        Self {
            x,
            y,
            lon_scale: whole(lon_scale * 32_768.0) as u16,
            inside: pairs(inside - STEPS_OFF),
            not_inside: pairs(inside + STEPS_OFF),
            between: pairs(within - STEPS_OFF),
            beyond: pairs(within + STEPS_OFF),
        }
    }

    /// What is known of those of eight circles that have their bit in `of`.
    #[inline]
    pub(crate) fn look(&self, lanes: [&Lanes; 3], of: u32) -> Told {
        #[cfg(target_arch = "x86_64")]
        return look_wide(self, lanes, of);
        #[cfg(not(target_arch = "x86_64"))]
        self.look_narrow(lanes, of)
    }

    /// The same, one circle after the other.
    #[cfg(any(test, not(target_arch = "x86_64")))]
    fn look_narrow(&self, [x, y, circle]: [&Lanes; 3], of: u32) -> Told {
        let mut told = Told::NOTHING;
        for at in (0..LANES).filter(|at| of >> at & 1 == 1) {
            let apart = |there: i16, here: i16| i32::from(there.wrapping_sub(here)).unsigned_abs();
            let east = (apart(x[at], self.x) * u32::from(self.lon_scale)) >> 16;
            let north = apart(y[at], self.y) >> 1;
            let away = (east * east + north * north).cast_signed();
            let circle = circle[at].cast_unsigned();
            let radius = i32::from((circle & !EXACT) >> 1);
            let is_within = |pairs: i16| (radius + i32::from(pairs)).max(0).pow(2) > away;
            let is_exact = circle & EXACT != 0;
            let is_inside = is_exact && is_within(self.inside);
            let is_between = is_exact && is_within(self.between) && !is_within(self.not_inside);
            told.inside |= u32::from(is_inside) << at;
            told.between |= u32::from(is_between) << at;
            told.unsure |= u32::from(is_within(self.beyond) && !is_inside && !is_between) << at;
        }
        told
    }
}

/// What no radius makes up for is cut off.
#[inline]
fn cut(steps: f32) -> f32 {
    let steps = if steps > -STEPS_MAX { steps } else { -STEPS_MAX };
    if steps < STEPS_MAX { steps } else { STEPS_MAX }
}

/// Rounded to a whole number, below 2²².
#[inline]
fn whole(number: f32) -> i32 {
    // The bits of a number from 2²³ to 2²⁴ tell its whole part.
    const WHOLE: f32 = 12_582_912.0;
    (number + WHOLE).to_bits().wrapping_sub(WHOLE.to_bits()).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that look random, the same in every run.
    struct Numbers(u64);

    impl Numbers {
        fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            self.0 >> 33
        }

        fn between(&mut self, from: i64, until: i64) -> i64 {
            from + (self.next() % (until - from) as u64) as i64
        }

        fn lanes(&mut self, from: i64, until: i64) -> Lanes {
            [(); LANES].map(|()| self.between(from, until) as i16)
        }
    }

    #[test]
    fn wide_and_narrow_instructions_agree() {
        let mut numbers = Numbers(7);
        let mut told = [0; 3];
        for at in 0..200_000 {
            let here = (numbers.between(0, 8_192) as i16, numbers.between(0, 8_192) as i16);
            let lon_scale = numbers.between(0, 1_007) as f32 / 1_000.0;
            let within = numbers.between(0, 1_720) as f32;
            let inside = numbers.between(-9_000, within as i64 + 1) as f32;
            let search = Search::new(here, lon_scale, inside, within);
            // Those of a cell, and any bits at all, as what lies behind a line's entries.
            let lanes = match at % 2 {
                0 => {
                    [numbers.lanes(-2_000, 10_000), numbers.lanes(-2_000, 10_000), numbers.lanes(-32_768, 0)]
                }
                _ => [(); 3].map(|()| numbers.lanes(-32_768, 32_768)),
            };
            let of = if at % 3 == 0 { ALL } else { numbers.between(0, 256) as u32 };
            let [x, y, circle] = &lanes;
            let narrow = search.look_narrow([x, y, circle], of);
            assert_eq!(search.look([x, y, circle], of), narrow, "{search:?} {lanes:?} {of:b}");
            told[0] += narrow.inside.count_ones();
            told[1] += narrow.between.count_ones();
            told[2] += narrow.unsure.count_ones();
        }
        assert!(told.iter().all(|count| *count > 1_000), "{told:?}");
    }

    /// Against roots of whole numbers: told within [`STEPS_OFF`] of the borders only.
    #[test]
    fn what_is_told_is_so_but_near_the_borders() {
        let mut numbers = Numbers(11);
        for _ in 0..200_000 {
            let here = (numbers.between(0, 8_192), numbers.between(0, 8_192));
            let (x, y) = (numbers.between(-6_000, 14_000), numbers.between(-6_000, 14_000));
            let (radius, lon_scale) =
                (numbers.between(1, 8_000), numbers.between(300, 1_007) as f32 / 1_000.0);
            let within = numbers.between(0, 1_720) as f32;
            let inside = numbers.between(-3_000, within as i64 + 1) as f32;
            let search = Search::new((here.0 as i16, here.1 as i16), lon_scale, inside, within);
            let circle = (radius as u16 | EXACT).cast_signed();
            let told = search.look([&[x as i16; 8], &[y as i16; 8], &[circle; 8]], 1);
            let east = (x - here.0) as f64 * f64::from(lon_scale);
            let away = east.hypot((y - here.1) as f64) - radius as f64;
            let (inside, within, off) = (f64::from(inside), f64::from(within), f64::from(STEPS_OFF));
            let context = format!("{away} {inside} {within} {search:?}");
            assert!(told.inside == 0 || away < inside - 4.0, "{context}");
            assert!(told.between == 0 || (away > inside + 4.0 && away < within - 4.0), "{context}");
            assert!(told != Told::NOTHING || away > within + 4.0, "{context}");
            let is_near = (away - inside).abs() < 2.0 * off || (away - within).abs() < 2.0 * off;
            assert!(told.unsure == 0 || is_near, "{context}");
        }
    }
}
