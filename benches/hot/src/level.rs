//! What was last said about every key, as a hash: whether two ways of judging say the same in the end.
//!
//! In: judgements in the order in which they came about, rows as they are cut.  Out: a hash of the last outcome of every
//! shift, of every finding that holds, and of every byte of every row.  Owns: the last word on every key.
//! Why so: how often something is judged again without anything new to say is a matter of speed; what holds is not.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayData, RecordBatch};
use attendance::{Judged, digest, digest_finding};
use model::anomaly::Finding;

use crate::Fingerprint;

/// The last word on every key.
#[derive(Debug, Default)]
pub struct Level {
    outcomes: HashMap<Arc<str>, u64>,
    findings: HashMap<Arc<str>, Vec<Finding>>,
    changes: u64,
    rows: Fingerprint,
}

impl Level {
    /// Takes in a judgement.
    pub fn take(&mut self, judged: &Judged) {
        for outcome in &judged.outcomes {
            let inputs = digest(outcome);
            let before = self.outcomes.insert(outcome.shift_id.clone(), inputs);
            self.changes += u64::from(before != Some(inputs));
        }
        let known = self.findings.entry(judged.employee_id.clone()).or_default();
        let count = known.len();
        known.retain(|said| !judged.covers(said) || judged.findings.iter().any(|found| found.id == said.id));
        self.changes += (count - known.len()) as u64;
        for found in &judged.findings {
            match known.iter_mut().find(|said| said.id == found.id) {
                Some(said) if said == found => {}
                Some(said) => {
                    self.changes += 1;
                    said.clone_from(found);
                }
                None => {
                    self.changes += 1;
                    known.push(found.clone());
                }
            }
        }
    }

    /// Takes in rows.
    pub fn cut(&mut self, rows: &RecordBatch) {
        for column in rows.columns() {
            add(&column.to_data(), &mut self.rows);
        }
    }

    /// How many things were said anew, and a hash of what was said last, row by row and key by key.
    pub fn fingerprint(&self) -> (u64, Fingerprint) {
        let outcomes = self.outcomes.values().fold(0_u64, |sum, digest| sum.wrapping_add(*digest));
        let findings = self.findings.values().flatten();
        let findings = findings.fold(0_u64, |sum, found| sum.wrapping_add(digest_finding(found)));
        let mut print = self.rows;
        print.add(&(self.outcomes.len(), outcomes, findings, self.changes));
        (self.changes, print)
    }
}

fn add(column: &ArrayData, into: &mut Fingerprint) {
    into.add(&(column.data_type(), column.len()));
    for buffer in column.buffers() {
        into.add(&buffer.as_slice());
    }
    into.add(&column.nulls().map(|nulls| nulls.iter().collect::<Vec<bool>>()));
    column.child_data().iter().for_each(|child| add(child, into));
}
