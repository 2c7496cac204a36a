//! Boxes over runs of neighbouring edges, and boxes over those: what lies far off is passed over by the run.
//!
//! In: a box for each edge, in the outline's order.  Out: the ranges of edges that may matter.  Owns: the boxes.
//! Absent on purpose: sorting (neighbours along an outline are neighbours in space), geometry of the edges themselves.
//! Invariants: every edge that may be the nearest is visited, whatever the boxes (`runs_change_no_answer`).
//! Why so: 16 to a box adds 1/16 to the memory of an outline and takes a point at a polygon of 10,000 corners past
//! some forty boxes and a few runs. What neighbours along a path have beyond a box: one that lies wholly to the east of
//! a point is crossed by its ray to the east an odd number of times just if the path's ends lie on different sides.

use std::ops::Range;

use crate::outline::LonLatBox;

/// Edges of a run, and boxes under a box.
pub(crate) const RUN: usize = 16;

/// Boxes over runs.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    /// Boxes over [`RUN`] edges each, boxes over [`RUN`] of those each, …; none for a single run.
    levels: Vec<Vec<LonLatBox>>,
    edges: usize,
}

impl Runs {
    pub(crate) fn over(boxes: &[LonLatBox]) -> Self {
        let mut levels: Vec<Vec<LonLatBox>> = Vec::new();
        let join = |boxes: &[LonLatBox]| boxes.chunks(RUN).map(joined).collect::<Vec<_>>();
        if boxes.len() > RUN {
            levels.push(join(boxes));
            while let Some(below) = levels.last().filter(|below| below.len() > RUN) {
                levels.push(join(below));
            }
        }
        Self { levels, edges: boxes.len() }
    }

    /// Calls `visit` for the runs whose box `enter` enters, in order.
    pub(crate) fn enter(
        &self,
        enter: &mut impl FnMut(&LonLatBox, Range<usize>) -> bool,
        visit: &mut impl FnMut(Range<usize>),
    ) {
        match self.levels.len().checked_sub(1) {
            None => visit(0..self.edges),
            Some(top) => self.enter_level(top, 0..self.levels[top].len(), enter, visit),
        }
    }

    fn enter_level(
        &self,
        level: usize,
        boxes: Range<usize>,
        enter: &mut impl FnMut(&LonLatBox, Range<usize>) -> bool,
        visit: &mut impl FnMut(Range<usize>),
    ) {
        for place in boxes {
            if enter(&self.levels[level][place], self.edges_of(level, place)) {
                match level {
                    0 => visit(self.edges_of(0, place)),
                    _ => self.enter_level(level - 1, self.below(level, place), enter, visit),
                }
            }
        }
    }

    /// Lets `visit` lower `best`, nearest runs first, as long as `bound`, which no edge in a box is nearer than, is below.
    pub(crate) fn nearest(
        &self,
        best: &mut f64,
        bound: &impl Fn(&LonLatBox) -> f64,
        visit: &mut impl FnMut(Range<usize>, &mut f64),
    ) {
        match self.levels.len().checked_sub(1) {
            None => visit(0..self.edges, best),
            Some(top) => self.nearest_of(top, 0..self.levels[top].len(), best, bound, visit),
        }
    }

    fn nearest_of(
        &self,
        level: usize,
        boxes: Range<usize>,
        best: &mut f64,
        bound: &impl Fn(&LonLatBox) -> f64,
        visit: &mut impl FnMut(Range<usize>, &mut f64),
    ) {
        let mut bounds = [f64::INFINITY; RUN];
        for (bounded, place) in bounds.iter_mut().zip(boxes.clone()) {
            *bounded = bound(&self.levels[level][place]);
        }
        for _ in boxes.clone() {
            let least = bounds.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1));
            let Some((at, _)) = least.filter(|(_, bound)| **bound <= *best && bound.is_finite()) else {
                return;
            };
            bounds[at] = f64::INFINITY;
            let place = boxes.start + at;
            match level {
                0 => visit(self.edges_of(0, place), best),
                _ => self.nearest_of(level - 1, self.below(level, place), best, bound, visit),
            }
        }
    }

    fn below(&self, level: usize, place: usize) -> Range<usize> {
        place * RUN..((place + 1) * RUN).min(self.levels[level - 1].len())
    }

    /// The edges under a box.
    fn edges_of(&self, level: usize, place: usize) -> Range<usize> {
        let each = RUN.pow(level as u32 + 1);
        place * each..((place + 1) * each).min(self.edges)
    }
}

fn joined(boxes: &[LonLatBox]) -> LonLatBox {
    let join = |a: LonLatBox, b: &LonLatBox| LonLatBox {
        west: a.west.min(b.west),
        south: a.south.min(b.south),
        east: a.east.max(b.east),
        north: a.north.max(b.north),
    };
    boxes[1..].iter().fold(boxes[0], join)
}

#[cfg(test)]
impl Runs {
    /// No boxes at all: every edge is visited.
    pub(crate) fn default_over(edges: usize) -> Self {
        Self { levels: Vec::new(), edges }
    }
}
