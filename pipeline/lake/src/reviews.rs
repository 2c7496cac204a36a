//! Reviewers' decisions, in the lake: each a row of `reviews`, numbered for its anomaly, put there once.
//!
//! Absent on purpose: claims: a decision is nobody's partition, and may be made beside owners at work.

use arrow::array::RecordBatch;
use model::{AnomalyId, LogId};
use schemas::tables::reviews;

use crate::error::{Error, ErrorKind, Result};
use crate::lake::Lake;

impl Lake {
    /// Appends the decision `number` about `anomaly`, one row of `reviews`, unless the lake has one of that number: somebody
    /// else decided meanwhile. Returns whether it did.
    ///
    /// # Errors
    /// What the store says.
    pub async fn append_review(&self, anomaly: AnomalyId, number: i64, row: RecordBatch) -> Result<bool> {
        let log = LogId::new(&format!("review:{anomaly}-{number}"));
        let log =
            log.ok_or_else(|| Error::new(ErrorKind::Schema, "append a review: its number is no number"))?;
        self.append_version(reviews::NAME, row, &log).await
    }
}
