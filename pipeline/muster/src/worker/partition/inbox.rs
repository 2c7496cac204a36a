//! Draining the inbox: punches older than memory, judged from the lake; punches whose identity memory does not reach; and
//! people whom it does not reach.
//!
//! In: inbox rows in offset order, every stored punch of their people, what was last said about them.
//! Out: rows for `punches`, with the reason `repunch` where their history shows one; rejects for repeats, with a letter for
//! a conflict; what holds now against what was said; the inbox's position moves.
//! Owns: nothing.
//! Absent on purpose: a second judgement of direction and shift: a row says what was known when its record arrived, and
//! what its history makes of it stands in `shift_results`.
//! Invariants: I-14 an inbox row becomes a row of `punches` or `rejects` in the same commit that moves the inbox's position
//! behind it, kept by `PartitionWork::drain` and `lake::Lake::commit`; I-12 that position passes a conflict only behind
//! its letter: its bytes are read from the log once more, the inbox does not keep them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, ListBuilder, RecordBatch, StringBuilder};
use arrow::compute::filter_record_batch;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use attendance::{Recall, content_hash, is_repunch};
use model::position::{Cause, LogClock};
use model::{EventTime, Offset, Reason, RejectCode, StoredPunch};
use schemas::tables::punches;

use super::{PartitionWork, rejects};
use crate::failure::Failure;
use crate::worker::pipeline::Outlets;
use crate::worker::said::{Among, Reach};
use crate::worker::store::Drained;
use crate::worker::world::World;

/// Punches this near to the memory floor are kept a while, so that draining the inbox sees them before the lake has them.
const NEAR_FLOOR_DAYS: i64 = 12;

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

    fn of_person(&self, employee_id: &str) -> &[StoredPunch] {
        self.0.get(employee_id).map_or(&[], Vec::as_slice)
    }

    fn add(&mut self, punch: StoredPunch) {
        self.0.entry(punch.employee_id.clone()).or_default().push(punch);
    }

    fn within(&self, recall: &Recall) -> Vec<StoredPunch> {
        let known = self.of_person(&recall.employee_id);
        known.iter().filter(|punch| recall.read.contains(&punch.occurred_at)).cloned().collect()
    }
}

impl PartitionWork {
    /// Keeps a punch a while if it lies so near to the memory floor that draining may need it.
    pub(super) fn keep_near_floor(&mut self, occurred_at: EventTime, stored: impl FnOnce() -> StoredPunch) {
        if occurred_at < self.state.floor().plus_min(NEAR_FLOOR_DAYS * 24 * 60) {
            match self.near_floor.back_mut() {
                Some(last) => last.push(stored()),
                None => self.near_floor.push_back(vec![stored()]),
            }
        }
    }

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
        self.compare_all();
        for anomaly in drained.anomalies {
            self.said.fold_anomaly(anomaly);
        }
        for result in &drained.shift_results {
            self.said.fold_result(result);
        }
        let near = self.near_floor.iter().flatten().cloned();
        let mut history = History::of(drained.history.into_iter().chain(near));
        let mut recalls = drained.recalls;
        let mut letters = Vec::new();
        for rows in &drained.rows {
            self.drain_rows(rows, &mut history, &mut recalls, &mut letters)?;
        }
        if !letters.is_empty() {
            self.bury_again(&letters, outlets)?;
        }
        for recall in &recalls {
            self.said.note_read(&recall.employee_id);
            if recall.span.is_empty() {
                self.has_new_requests = true;
                continue;
            }
            let recall = Recall { clock: self.state.judged_clock(), ..recall.clone() };
            let mut judged = self.state.recalled(&recall, &history.within(&recall));
            let cause = Cause { clock: LogClock::at(judged.clock), ..self.here() };
            self.said.take(&mut judged, cause);
        }
        if !recalls.is_empty() {
            let (roster, since, here) = (Arc::clone(self.state.roster()), self.restated_since(), self.here());
            let read: HashSet<Arc<str>> = recalls.into_iter().map(|recall| recall.employee_id).collect();
            self.said.take_back(&roster, since, here, Reach::People(&read), Among::Everything);
        }
        self.publish(world, outlets);
        Ok(())
    }

    fn drain_rows(
        &mut self,
        rows: &RecordBatch,
        history: &mut History,
        recalls: &mut Vec<Recall>,
        letters: &mut Vec<(Offset, RejectCode, String)>,
    ) -> Result<(), Box<Failure>> {
        let (mut kept, mut repunches) = (Vec::new(), Vec::new());
        for (_, mut punch) in punches::read(rows).map_err(unreadable)? {
            self.late_until = self.late_until.max(punch.offset.next());
            if let Some(first) = history.find(&punch) {
                let names = (&*punch.employee_id, &*punch.event_id);
                let is_same = content(first) == content(&punch);
                let reject = rejects::repeat(punch.offset, names, first.offset, is_same);
                self.append_reject(&reject, self.clock.time());
                if reject.code.has_letter() {
                    letters.push((reject.offset, reject.code, reject.message));
                }
                kept.push(false);
                repunches.push(false);
                continue;
            }
            let known = history.of_person(&punch.employee_id);
            let repeats = is_repunch(self.state.roster(), &punch, known);
            if repeats {
                punch.reasons.insert(Reason::Repunch);
            }
            kept.push(true);
            repunches.push(repeats);
            self.tally.accepted += 1;
            self.said.take_accepted(&punch.employee_id, punch.business_date, self.here());
            if self.state.is_late(punch.occurred_at) {
                let recall = self.state.recall(&punch.employee_id, punch.occurred_at);
                if !recalls.contains(&recall) {
                    recalls.push(recall);
                }
            } else {
                // New after all, and within memory: part of the state from here on, as it will be in recovery.
                self.keep_near_floor(punch.occurred_at, || punch.clone());
                self.with_steps(|state, sink| {
                    state.apply(&punch, sink);
                });
            }
            history.add(punch);
        }
        let rows = with_repunch(rows, &repunches).map_err(unreadable)?;
        let kept = filter_record_batch(&rows, &BooleanArray::from(kept)).map_err(unreadable)?;
        if kept.num_rows() > 0 {
            self.drained.push(kept);
        }
        Ok(())
    }
}

/// The rows with the reason `repunch` where `marks` says so.
fn with_repunch(rows: &RecordBatch, marks: &[bool]) -> Result<RecordBatch, ArrowError> {
    if !marks.contains(&true) {
        return Ok(rows.clone());
    }
    let at = rows.schema_ref().index_of(REASONS)?;
    let not_texts = || ArrowError::SchemaError(format!("column `{REASONS}` holds no lists of text"));
    let column = rows.column(at).as_list_opt::<i32>().ok_or_else(not_texts)?;
    let DataType::List(item) = column.data_type() else { return Err(not_texts()) };
    let mut amended = ListBuilder::new(StringBuilder::new()).with_field(Arc::clone(item));
    for (row, is_repunch) in marks.iter().enumerate() {
        let texts = column.value(row);
        let texts = texts.as_string_opt::<i32>().ok_or_else(not_texts)?;
        let mut reasons: Vec<&str> = texts.iter().flatten().collect();
        let name = Reason::Repunch.name();
        if *is_repunch && !reasons.contains(&name) {
            reasons.push(name);
            reasons.sort_unstable();
        }
        amended.append_value(reasons.into_iter().map(Some));
    }
    let mut columns: Vec<ArrayRef> = rows.columns().to_vec();
    columns[at] = Arc::new(amended.finish());
    RecordBatch::try_new(rows.schema(), columns)
}

/// The column of `punches` that says why.
const REASONS: &str = "reasons";

/// Rows of the lake that this program cannot read.
fn unreadable(error: impl std::fmt::Display) -> Box<Failure> {
    Box::new(Failure::outside(
        format!("drain the inbox `late`: {error}"),
        "another program has changed the lake's tables: bring the lake back from a copy, or give the log a lake of its own",
    ))
}

fn content(punch: &StoredPunch) -> u64 {
    content_hash(punch.kind, punch.occurred_at, punch.origin, &punch.device_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repunch_joins_the_reasons_that_are_there_in_order() {
        let mut reasons = ListBuilder::new(StringBuilder::new());
        for row in [&["accuracy_poor", "unscheduled"][..], &[], &["repunch"], &["mocked"]] {
            reasons.append_value(row.iter().map(Some));
        }
        let column: ArrayRef = Arc::new(reasons.finish());
        let rows = RecordBatch::try_from_iter([(REASONS, column)]).unwrap();
        let told = |rows: &RecordBatch| -> Vec<String> {
            let lists = rows.column(0).as_list::<i32>();
            let text = |row| -> Vec<String> {
                lists.value(row).as_string::<i32>().iter().flatten().map(str::to_owned).collect()
            };
            (0..rows.num_rows()).map(|row| text(row).join(" ")).collect()
        };
        let amended = with_repunch(&rows, &[true, true, true, false]).unwrap();
        assert_eq!(told(&amended), ["accuracy_poor repunch unscheduled", "repunch", "repunch", "mocked"]);
        assert_eq!(amended.schema(), rows.schema());
        assert_eq!(with_repunch(&rows, &[false; 4]).unwrap(), rows);
    }
}
