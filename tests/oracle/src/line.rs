//! A line of seconds on which spans are painted, and which is then counted.
//!
//! In: spans.  Out: numbers of seconds.
//! Why so: what overlaps what, and what counts once, needs no thought when every second is looked at.

use std::ops::Range;

use crate::world::Seconds;

/// Between coming and leaving.
pub(crate) const AT_WORK: u8 = 1;
/// Away on a punched break.
pub(crate) const AWAY: u8 = 1 << 1;
/// Planned unpaid break that stands.
pub(crate) const BREAK: u8 = 1 << 2;
/// Planned paid break.
pub(crate) const PAID: u8 = 1 << 3;
/// Leave.
pub(crate) const LEAVE: u8 = 1 << 4;
/// Approved overtime.
pub(crate) const APPROVED: u8 = 1 << 5;
/// Between the planned start and end.
pub(crate) const PLANNED: u8 = 1 << 6;
/// Night on the wall clock.
pub(crate) const NIGHT: u8 = 1 << 7;

/// A stretch of seconds, each with its marks.
pub(crate) struct Line {
    from: Seconds,
    marks: Vec<u8>,
}

/// No shift's affairs stretch so far: one that does is a fault of the test.
const LONGEST_S: Seconds = 60 * 86_400;

impl Line {
    pub(crate) fn new(from: Seconds, until: Seconds) -> Self {
        assert!(until - from <= LONGEST_S, "{} days in one line", (until - from) / 86_400);
        Self { from, marks: vec![0; (until - from).max(0) as usize] }
    }

    /// The places of the part of `span` that lies on the line.
    fn places(&self, span: Range<Seconds>) -> Range<usize> {
        let place = |at: Seconds| (at - self.from).clamp(0, self.marks.len() as Seconds) as usize;
        let (from, until) = (place(span.start), place(span.end));
        from..until.max(from)
    }

    pub(crate) fn paint(&mut self, span: Range<Seconds>, mark: u8) {
        let places = self.places(span);
        self.marks[places].iter_mut().for_each(|marks| *marks |= mark);
    }

    /// How many seconds have marks of which `is_so` says yes.
    pub(crate) fn count(&self, is_so: impl Fn(u8) -> bool) -> Seconds {
        self.marks.iter().filter(|marks| is_so(**marks)).count() as Seconds
    }

    /// The second behind the last.
    pub(crate) fn until(&self) -> Seconds {
        self.from + self.marks.len() as Seconds
    }

    /// The marks of one second; none beyond the line.
    pub(crate) fn at(&self, at: Seconds) -> u8 {
        let place = usize::try_from(at - self.from).ok();
        place.and_then(|place| self.marks.get(place)).copied().unwrap_or(0)
    }
}
