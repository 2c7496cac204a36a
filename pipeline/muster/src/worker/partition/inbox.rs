//! Draining the inbox: punches older than memory, judged from the lake, and people whom memory does not reach.
//!
//! In: inbox rows in offset order, every stored punch of their people, what was last said about them.
//! Out: rows for `punches`, rejects for repeats, what holds now against what was said; the inbox's position moves.
//! Owns: nothing.
//! Absent on purpose: dead letters for conflicts found here: the record's bytes are in the log at the offset its reject
//! names, and in no hand any more.
//! Invariants: I-14 an inbox row becomes a row of `punches` or `rejects` in the same commit that moves the inbox's position
//! behind it, kept by `PartitionWork::drain` and `lake::Lake::commit`.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use attendance::{Recall, content_hash};
use model::position::{Cause, LogClock};
use model::{Reject, RejectCode, StoredPunch};
use schemas::tables::punches;

use super::PartitionWork;
use crate::failure::Failure;
use crate::worker::pipeline::Outlets;
use crate::worker::store::Drained;
use crate::worker::world::World;

/// Every known punch of some people, by person.
struct History(HashMap<Arc<str>, Vec<StoredPunch>>);

impl History {
    fn of(punches: impl IntoIterator<Item = StoredPunch>) -> Self {
        let mut history = Self(HashMap::new());
        for punch in punches {
            if history.find(&punch).is_none() {
                history.add(punch);
            }
        }
        history
    }

    fn find(&self, punch: &StoredPunch) -> Option<&StoredPunch> {
        self.0.get(&punch.employee_id)?.iter().find(|known| known.event_id == punch.event_id)
    }

    fn add(&mut self, punch: StoredPunch) {
        self.0.entry(punch.employee_id.clone()).or_default().push(punch);
    }

    fn within(&self, recall: &Recall) -> Vec<StoredPunch> {
        let known = self.0.get(&recall.employee_id).map_or(&[][..], Vec::as_slice);
        known.iter().filter(|punch| recall.read.contains(&punch.occurred_at)).cloned().collect()
    }
}

impl PartitionWork {
    /// Drains inbox rows and judges people from the lake.
    ///
    /// # Errors
    /// What an outlet says, or rows that cannot be read.
    pub(in crate::worker) fn drain(
        &mut self,
        drained: Drained,
        world: &World,
        outlets: &Outlets,
    ) -> Result<(), Box<Failure>> {
        for anomaly in drained.anomalies {
            self.said.fold_anomaly(anomaly);
        }
        for result in &drained.shift_results {
            self.said.fold_result(result);
        }
        let near = self.near_floor.iter().flatten().cloned();
        let mut history = History::of(drained.history.into_iter().chain(near));
        let mut recalls = drained.recalls;
        for rows in &drained.rows {
            self.drain_rows(rows, &mut history, &mut recalls)?;
        }
        for recall in recalls {
            let recall = Recall { clock: self.state.judged_clock(), ..recall };
            let judged = self.state.recalled(&recall, &history.within(&recall));
            let cause = Cause { clock: LogClock::at(judged.clock), ..self.here() };
            self.said.take(&judged, cause);
        }
        self.publish(world, outlets)
    }

    fn drain_rows(
        &mut self,
        rows: &RecordBatch,
        history: &mut History,
        recalls: &mut Vec<Recall>,
    ) -> Result<(), Box<Failure>> {
        let mut kept = Vec::with_capacity(rows.num_rows());
        for (_, punch) in punches::read(rows).map_err(Failure::from_outside)? {
            self.late_until = self.late_until.max(punch.offset.next());
            let first = history.find(&punch).map(|first| (first.offset, content(first) == content(&punch)));
            kept.push(first.is_none());
            match first {
                Some((offset, is_same)) => {
                    let reject = repeat(&punch, offset.get(), is_same);
                    self.append_reject(&reject, self.clock.time());
                }
                None => {
                    let recall = self.state.recall(&punch.employee_id, punch.occurred_at);
                    if !recalls.contains(&recall) {
                        recalls.push(recall);
                    }
                    self.tally.accepted += 1;
                    history.add(punch);
                }
            }
        }
        let kept = filter_record_batch(rows, &BooleanArray::from(kept)).map_err(Failure::from_outside)?;
        if kept.num_rows() > 0 {
            self.drained.push(kept);
        }
        Ok(())
    }
}

fn content(punch: &StoredPunch) -> u64 {
    content_hash(punch.kind, punch.occurred_at, punch.origin, &punch.device_id)
}

fn repeat(punch: &StoredPunch, first: i64, is_same: bool) -> Reject {
    let (code, what) = match is_same {
        true => (RejectCode::Duplicate, "a repeat of"),
        false => (RejectCode::DuplicateConflict, "other content under the identity of"),
    };
    Reject {
        offset: punch.offset,
        until: punch.offset.next(),
        code,
        message: format!("{what} offset {first}, found when the inbox was drained"),
        employee_id: Some(punch.employee_id.to_string()),
        event_id: Some(punch.event_id.to_string()),
    }
}
