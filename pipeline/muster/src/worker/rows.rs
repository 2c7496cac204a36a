//! Rows of one partition waiting for the next commit.
//!
//! In: rows as judged.  Out: `Rows`, record batches by table.  Owns: one builder a table.

use std::collections::BTreeMap;
use std::fmt;

use arrow::array::RecordBatch;
use schemas::tables::{
    adjustments, anomalies, late, punch_evidence, punches, rejects, shift_results, vendor_records,
};

/// Builders of the tables a worker writes.
#[derive(Default)]
pub(super) struct RowBuilders {
    /// `punches`
    pub(super) punches: punches::Builder,
    /// `punch_evidence`
    pub(super) evidence: punch_evidence::Builder,
    /// `rejects`
    pub(super) rejects: rejects::Builder,
    /// `late`
    pub(super) late: late::Builder,
    /// `shift_results`
    pub(super) shift_results: shift_results::Builder,
    /// `adjustments`
    pub(super) adjustments: adjustments::Builder,
    /// `anomalies`
    pub(super) anomalies: anomalies::Builder,
    /// `vendor_records`
    pub(super) vendor_records: vendor_records::Builder,
}

/// Rows of all tables, taken at one cut.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// `punches`
    pub punches: Vec<RecordBatch>,
    /// `punch_evidence`
    pub evidence: Vec<RecordBatch>,
    /// `rejects`
    pub rejects: Vec<RecordBatch>,
    /// `late`
    pub late: Vec<RecordBatch>,
    /// `shift_results`
    pub shift_results: Vec<RecordBatch>,
    /// `adjustments`
    pub adjustments: Vec<RecordBatch>,
    /// `anomalies`
    pub anomalies: Vec<RecordBatch>,
    /// `vendor_records`
    pub vendor_records: Vec<RecordBatch>,
}

impl RowBuilders {
    /// Rows not taken yet.
    pub(super) fn len(&self) -> usize {
        self.punches.len()
            + self.evidence.len()
            + self.rejects.len()
            + self.late.len()
            + self.vendor_records.len()
    }

    /// Takes all rows.
    pub(super) fn take(&mut self) -> Rows {
        let some = |batch: RecordBatch| if batch.num_rows() == 0 { vec![] } else { vec![batch] };
        Rows {
            punches: some(self.punches.finish()),
            evidence: some(self.evidence.finish()),
            rejects: some(self.rejects.finish()),
            late: some(self.late.finish()),
            shift_results: some(self.shift_results.finish()),
            adjustments: some(self.adjustments.finish()),
            anomalies: some(self.anomalies.finish()),
            vendor_records: some(self.vendor_records.finish()),
        }
    }
}

impl Rows {
    /// Whether there is no row at all.
    pub fn is_empty(&self) -> bool {
        let Self { punches, evidence, rejects, late, shift_results, adjustments, anomalies, vendor_records } =
            self;
        [punches, evidence, rejects, late, shift_results, adjustments, anomalies, vendor_records]
            .into_iter()
            .all(Vec::is_empty)
    }

    /// Adds how many rows of each table there are to `counts`.
    pub(super) fn count(&self, counts: &mut BTreeMap<&'static str, u64>) {
        let Self { punches, evidence, rejects, late, shift_results, adjustments, anomalies, vendor_records } =
            self;
        for (table, batches) in [
            (punches::NAME, punches),
            (punch_evidence::NAME, evidence),
            (rejects::NAME, rejects),
            (late::NAME, late),
            (shift_results::NAME, shift_results),
            (adjustments::NAME, adjustments),
            (anomalies::NAME, anomalies),
            (vendor_records::NAME, vendor_records),
        ] {
            *counts.entry(table).or_default() +=
                batches.iter().map(|batch| batch.num_rows() as u64).sum::<u64>();
        }
    }

    /// Adds another partition's rows.
    pub fn extend(&mut self, other: Self) {
        self.punches.extend(other.punches);
        self.evidence.extend(other.evidence);
        self.rejects.extend(other.rejects);
        self.late.extend(other.late);
        self.shift_results.extend(other.shift_results);
        self.adjustments.extend(other.adjustments);
        self.anomalies.extend(other.anomalies);
        self.vendor_records.extend(other.vendor_records);
    }
}

impl fmt::Debug for RowBuilders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowBuilders").field("rows", &self.len()).finish_non_exhaustive()
    }
}
