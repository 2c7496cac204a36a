//! A record batch cut by its partition column.

use arrow::array::{Array, BooleanArray, RecordBatch, StringArray};
use arrow::compute::filter_record_batch;

use super::MONTH_COLUMN;
use super::read::{ReadError, Rows};

/// The batch cut by month, in the order in which the months first appear; rows keep their order. The month stays in
/// the rows as their last column.
pub fn split_by_month(batch: &RecordBatch) -> Result<Vec<(String, RecordBatch)>, ReadError> {
    let months = Rows::new("any table", batch).array::<StringArray>(MONTH_COLUMN)?;
    let mut seen: Vec<&str> = Vec::new();
    for row in 0..months.len() {
        let month = months.value(row);
        // Batches hold one month, or two at a border: the last one seen is nearly always the one.
        if seen.last() != Some(&month) && !seen.contains(&month) {
            seen.push(month);
        }
    }
    if let [only] = seen[..] {
        return Ok(vec![(only.to_owned(), batch.clone())]);
    }
    let part = |month: &str| {
        let mask: BooleanArray = months.iter().map(|value| Some(value == Some(month))).collect();
        filter_record_batch(batch, &mask).map(|part| (month.to_owned(), part))
    };
    seen.into_iter().map(part).collect::<Result<_, _>>().map_err(ReadError::from)
}
