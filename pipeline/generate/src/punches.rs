//! All records in arrival order, made one by one.
//!
//! In: a [`World`].  Out: an iterator of [`Record`].
//! Owns: a sorted list of what is still to arrive of the days under way, 24 bytes a record.
//! Invariants: arrivals never go back, kept by planning a day before its first record can arrive: no punch of a
//! business date comes before its midnight (`roster::TEMPLATES`, `tests::arrivals_never_go_back`).

use model::EventTime;

use crate::plan::plan;
use crate::record::{Record, record};
use crate::world::World;

/// One record still to arrive; the order of the fields is the order of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Pending {
    arrival: EventTime,
    person: u32,
    day: u16,
    ordinal: u8,
}

/// Iterator over all records in arrival order.
#[derive(Clone, Debug)]
pub struct Punches<'w> {
    world: &'w World,
    /// The first day that is not planned yet.
    next_day: u16,
    /// What is still to arrive of the planned days, the first one last.
    pending: Vec<Pending>,
}

impl<'w> Punches<'w> {
    pub(crate) const fn new(world: &'w World) -> Self {
        Self { world, next_day: 0, pending: Vec::new() }
    }

    /// Plans the next day and puts its records in their places.
    fn plan_next_day(&mut self) {
        let day = self.next_day;
        for person in 0..self.world.spec.employees {
            let records = plan(self.world, person, day).records;
            self.pending.extend(records.iter().map(|record| Pending {
                arrival: record.arrival,
                person,
                day,
                ordinal: record.ordinal,
            }));
        }
        self.pending.sort_unstable_by(|a, b| b.cmp(a));
        self.next_day += 1;
    }

    /// Whether a record of a day not yet planned may come before the first pending one.
    fn must_plan(&self) -> bool {
        let roster = &self.world.roster;
        let is_left = self.next_day < roster.days();
        is_left && self.pending.last().is_none_or(|first| first.arrival >= roster.midnight(self.next_day))
    }
}

impl Iterator for Punches<'_> {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        while self.must_plan() {
            self.plan_next_day();
        }
        let Pending { person, day, ordinal, .. } = self.pending.pop()?;
        Some(record(self.world, person, day, ordinal))
    }
}
