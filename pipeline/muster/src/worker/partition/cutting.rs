//! A cut in the making: what was judged since the last one, its shift results compared some at a time between batches.
//!
//! In: what the partition has gathered.  Out: a `Cut`.  Owns: nothing.
//! Invariants: a cut holds what was judged up to its frontier and nothing behind it: everything is taken at its beginning,
//! and no shift result is compared for the next one before this one's are, kept by `begin_cut`; what looks at all that was
//! said of shifts comes behind the comparison (`compare_all`). What is forgotten lies in this cut or in one before: what
//! was said since then is not in the lake, where somebody might look for it.
//! Why so: comparing and encoding what thousands of punches made keeps a worker for tens of milliseconds, and alerts wait.

use attendance::digest;
use frontier::PartitionFrontier;
use schemas::tables::shift_results;

use super::{CUTS_REMEMBERED, Cut, PartitionWork};
use crate::worker::rows::{RowBuilders, Rows};
use crate::worker::said::Due;

/// A cut whose shift results are not all among its rows yet.
pub(super) struct Cutting {
    /// All but the rows.
    cut: Cut,
    rows: RowBuilders,
    due: Due,
}

impl PartitionWork {
    /// Begins to hand over everything since the last cut.
    pub(in crate::worker) fn begin_cut(&mut self) {
        assert!(self.cutting.is_none(), "a cut is begun when the one before is over");
        for anomaly in self.said.take_rows() {
            self.rows.anomalies.append(&anomaly);
        }
        self.near_floor.push_back(Vec::new());
        if self.near_floor.len() > CUTS_REMEMBERED {
            self.near_floor.pop_front();
        }
        let frontier = PartitionFrontier::new(self.next, self.clock, self.late_until.min(self.next))
            .with_since(self.state.since());
        self.identities.cut(frontier);
        let cut = Cut {
            partition: self.partition,
            generation: self.generation,
            frontier,
            rows: Rows { punches: std::mem::take(&mut self.drained), ..Rows::default() },
            recalls: std::mem::take(&mut self.recalls),
            listens: std::mem::take(&mut self.listens),
            tally: std::mem::take(&mut self.tally),
            anomalies: std::mem::take(&mut self.anomalies),
            results: Vec::new(),
            has_ended: self.has_ended,
            ruled_until: self.ruled_until,
        };
        let due = self.said.take_due();
        self.said.forget_before(self.state.floor(), &due);
        self.cutting = Some(Cutting { cut, rows: std::mem::take(&mut self.rows), due });
    }

    /// Whether a cut was begun.
    pub(in crate::worker) fn is_cutting(&self) -> bool {
        self.cutting.is_some()
    }

    /// Compares the next `count` shift results of the cut that was begun; gives it once that was all.
    pub(in crate::worker) fn go_on_cutting(&mut self, count: usize) -> Option<Cut> {
        if self.cutting.as_ref()?.due.is_over() {
            let Cutting { mut cut, mut rows, .. } = self.cutting.take()?;
            let drained = std::mem::replace(&mut cut.rows, rows.take());
            cut.rows.extend(drained);
            return Some(cut);
        }
        self.compare(count);
        None
    }

    /// Compares every shift result of the cut that was begun.
    pub(super) fn compare_all(&mut self) {
        self.compare(usize::MAX);
    }

    fn compare(&mut self, count: usize) {
        let Self { said, cutting, settings, state, .. } = self;
        let Some(Cutting { cut, rows, due }) = cutting else { return };
        said.say_some(due, count, digest, state.roster(), |result, is_sealed| {
            let decided_at = result.cause.clock.time();
            let row = shift_results::Row { result: &result, decided_at, sealed: is_sealed };
            if is_sealed {
                rows.adjustments.append(&row);
            } else {
                rows.shift_results.append(&row);
            }
            if settings.tells_results {
                cut.results.push(result);
            }
        });
    }
}
