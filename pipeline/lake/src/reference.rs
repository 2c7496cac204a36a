//! Reference data in the lake: each snapshot's rows once.
//!
//! In: batches of `sites`, `people`, … and `snapshots` of one version.  Out: whether they are new.  Owns: nothing.
//! Invariants: a version's rows of a table are there once, whoever writes them and however often: each version is a small log of
//! its own with one record, and the entry that adds the rows keeps `muster/reference:<version>/0/said`, as an owner's would;
//! kept by [`Lake::append_reference`].

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::RecordBatch;
use frontier::{Mark, Outcome, TxnId};
use model::{LogId, Partition};
use schemas::tables::snapshots;

use crate::error::{Error, ErrorKind, Result};
use crate::lake::Lake;

/// How often an append begins anew when others append meanwhile.
const ROUNDS_MAX: u32 = 16;

impl Lake {
    /// Appends the rows of reference data of one version, but for tables that hold that version already. The table `snapshots`
    /// comes last: where it holds a version, all the others do. Gives how many rows of which table were new.
    pub async fn append_reference(
        &self,
        tables: Vec<(&'static str, RecordBatch)>,
        version: &str,
    ) -> Result<Vec<(&'static str, u64)>> {
        let log =
            LogId::new(&format!("reference:{version}")).filter(|_| !version.is_empty()).ok_or_else(|| {
                Error::new(ErrorKind::Schema, format!("append reference data: `{version}` is no version"))
            })?;
        let (last, others): (Vec<_>, Vec<_>) =
            tables.into_iter().partition(|(name, _)| *name == snapshots::NAME);
        let mut appended = Vec::new();
        for (name, batch) in others.into_iter().chain(last) {
            let rows = batch.num_rows() as u64;
            if self.append_version(name, batch, &log).await? {
                appended.push((name, rows));
            }
        }
        Ok(appended)
    }

    pub(crate) async fn append_version(&self, name: &str, batch: RecordBatch, log: &LogId) -> Result<bool> {
        let table = self.table(name)?;
        let held = BTreeSet::from([Partition::new(0)]);
        let id = TxnId { log: log.clone(), partition: Partition::new(0), mark: Mark::Said };
        let key = id.to_string();
        let mut files = None;
        for _ in 0..ROUNDS_MAX {
            let head = table.head_or_create().await?;
            if table.numbers(head, std::slice::from_ref(&key)).await?.contains_key(&key) {
                return Ok(false);
            }
            let adds = match files.take() {
                Some(adds) => adds,
                None => self.write_files(name, std::slice::from_ref(&batch)).await?,
            };
            let entry = table.new_entry(Vec::clone(&adds), &BTreeMap::from([(id.clone(), 1)]))?;
            match table.append(log, entry, &held, head, self.options().retries).await {
                Ok(Outcome::Done { .. }) => return Ok(true),
                Ok(Outcome::Lost { .. } | Outcome::InDoubt) => files = Some(adds),
                Err((_, error)) => return Err(error),
            }
        }
        let what = format!("append reference data to table {name}: others append without end");
        Err(Error::new(ErrorKind::Contended, what))
    }
}
