//! Which records of other attendance systems are in `vendor_records`, so that a file that overlaps an earlier one
//! adds none twice.

use std::collections::HashSet;

use arrow::array::{BooleanArray, RecordBatch};
use schemas::tables::vendor_records::{ID_COLUMNS, NAME, read_ids};

use crate::claim::Claim;
use crate::error::Result;
use crate::fold::only;
use crate::lake::{Lake, schema_of};

impl Lake {
    /// The ids of the records stored, 16 bytes each, but those of this claim's log beyond its frontier: an owner who
    /// died before it committed their punches left these, and they will be read again.
    pub async fn vendor_record_ids(&self, claim: &Claim) -> Result<HashSet<u128>> {
        let table = self.table(NAME)?;
        let mut ids = HashSet::new();
        let Some(snapshot) = self.snapshot(NAME).await? else { return Ok(ids) };
        let all = |batch: &RecordBatch| Ok(BooleanArray::from(vec![true; batch.num_rows()]));
        let wanted = only(&schema_of(NAME)?, ID_COLUMNS);
        self.visit(&table, &snapshot, &wanted, (|_| true, None), all, |batch| {
            ids.extend(read_ids(batch, |topic, partition, offset| {
                let frontier = claim.frontiers.get(&partition).filter(|_| topic == &*claim.log.topic);
                frontier.is_none_or(|frontier| frontier.next().has_passed(offset))
            })?);
            Ok(())
        })
        .await?;
        Ok(ids)
    }
}
