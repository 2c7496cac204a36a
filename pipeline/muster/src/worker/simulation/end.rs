//! What there is in the end, and must be the same however it came about.
//!
//! In: everything that outlives processes.  Out: a value to compare; panics where it contradicts itself or the log.
//! Owns: nothing.

use std::collections::{BTreeMap, BTreeSet};

use attendance::REASSIGNED;
use model::{AnomalyKind, AnomalyState, EventId, Partition, ShiftResult};

use super::Telling;
use super::dice::Dice;
use super::group::Shared;
use super::outside::count;
use super::store::{latest_anomalies, latest_results};
use super::table::Table;
use super::world::make_log;

/// What there is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct End {
    punches: BTreeSet<(Partition, i64)>,
    rejects: BTreeSet<(Partition, i64)>,
    letters: BTreeMap<(u32, i64), (String, String)>,
    /// Of each shift and person what it came to, unless it went to somebody else.
    results: BTreeMap<(String, String), u64>,
    firing: BTreeSet<String>,
    /// Of each person and day what was said of records that could not be taken.
    rejected: BTreeMap<String, (AnomalyState, Vec<EventId>)>,
}

impl End {
    /// Looks at what there is: nothing lags, each record is in one place, and table and alerts say the same.
    pub(super) fn of(shared: &Shared) -> Self {
        let tables = shared.tables.borrow();
        for (number, records) in (0..).zip(shared.log.iter()) {
            let frontier = tables.frontier(Partition::new(number));
            assert_eq!(frontier.next().get(), records.len() as i64, "P6: partition {number} is not read");
            assert_eq!(frontier.clock().time(), shared.end, "P6: partition {number} lags");
            assert_eq!(
                tables.inbox(Partition::new(number), frontier.late(), frontier.next()),
                None,
                "P6: the inbox of partition {number} is not drained"
            );
        }
        assert_eq!(shared.changes.now(), shared.changes.last(), "every snapshot is put by the end");
        let stored = tables.punches().into_iter().map(|(partition, punch)| (partition, punch.offset.get()));
        let punches: BTreeSet<(Partition, i64)> = stored.collect();
        let rejects: BTreeSet<(Partition, i64)> = tables.origins(Table::Rejects).into_iter().collect();
        for (number, records) in (0..).zip(shared.log.iter()) {
            for offset in 0..records.len() as i64 {
                let origin = (Partition::new(number), offset);
                let places = u32::from(punches.contains(&origin)) + u32::from(rejects.contains(&origin));
                assert_eq!(places, 1, "P2: {origin:?} is in {places} tables");
            }
        }
        let last = latest_anomalies(&tables);
        let firing = last.iter().filter(|said| said.state == AnomalyState::Firing);
        let mut firing: BTreeSet<String> = firing.map(|said| said.finding.id.to_string()).collect();
        let rejected = last.iter().filter(|said| said.finding.kind == AnomalyKind::PunchRejected);
        let rejected = rejected
            .map(|said| (said.finding.id.to_string(), (said.state, said.finding.event_ids.clone())))
            .collect();
        let told = shared.topic.lock().unwrap();
        for body in told.last() {
            let is_told = body.state == AnomalyState::Firing.name();
            assert_eq!(
                is_told,
                firing.contains(&body.alert_id),
                "P4: what was last told is no finding: {body:?}"
            );
        }
        for id in firing.iter().filter(|_| shared.telling == Telling::Everything) {
            assert!(told.last().any(|body| body.alert_id == *id), "P4: the finding {id} was never told");
        }
        let results = latest_results(&tables);
        let is_reassigned = |result: &ShiftResult| result.outcome.reasons.contains(&REASSIGNED);
        let (gone, results): (Vec<_>, Vec<_>) = results.into_iter().partition(is_reassigned);
        gone.iter().for_each(|_| count("shifts taken back"));
        let results = results.into_iter().map(|ShiftResult { outcome, inputs, .. }| {
            ((outcome.shift_id.to_string(), outcome.employee_id.to_string()), inputs)
        });
        let letters = shared.buried.lock().unwrap().clone();
        // How long it is told that a request waits, and that it was decided, depends on when somebody looked at the snapshot.
        for said in &last {
            if matches!(said.finding.kind, AnomalyKind::ApprovalPending | AnomalyKind::ApprovalDecided) {
                firing.remove(&said.finding.id.to_string());
                count(said.finding.kind.name());
            }
        }
        Self { punches, rejects, letters, results: results.collect(), firing, rejected }
    }

    /// By the log alone: the lowest offset of each identity is a punch, everything else a reject; what is no punch has a letter
    /// with its bytes, and so has a repeat that says something else.
    pub(super) fn check_against_log(&self, seed: u64) {
        let log = make_log(&mut Dice::new(seed));
        let mut first: BTreeMap<String, &str> = BTreeMap::new();
        for (number, records) in (0..).zip(log.iter()) {
            for (offset, record) in (0..).zip(records) {
                let value: serde_json::Value = serde_json::from_str(&record.value).unwrap_or_default();
                let key = format!("{} {}", value["employee_id"], value["event_id"]);
                let known = if value.is_object() { first.get(&key).copied() } else { None };
                let is_punch = value.is_object() && known.is_none();
                if is_punch {
                    first.insert(key, &record.value);
                }
                let origin = (Partition::new(number), offset);
                assert_eq!(self.punches.contains(&origin), is_punch, "P1: {origin:?}: {}", record.value);
                let needs_letter = !is_punch && known != Some(&record.value);
                let letter = self.letters.get(&(number, offset)).map(|(_, bytes)| bytes);
                assert_eq!(letter, needs_letter.then_some(&record.value), "P3: seed {seed}, {origin:?}");
            }
        }
    }
}
