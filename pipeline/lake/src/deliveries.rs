//! What deliverers did, in the lake: rows of `alert_deliveries`, moved from an outbox in order, each once.
//!
//! In: the rows of an outbox behind what the lake holds of it.  Out: how far the lake holds it.  Owns: nothing.
//! Absent on purpose: claims: an outbox has one deliverer at a time (its lock), and its rows are numbered.
//! Invariants: rows and the number of their last attempt are one entry of the table's log, and an entry is put only behind
//! one that was seen to hold all before it: a kill at any moment, a lost answer or a second writer repeats and skips nothing;
//! kept by [`Lake::append_deliveries`].

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::RecordBatch;
use frontier::{Mark, Outcome, TxnId};
use model::{LogId, Partition};
use schemas::tables::alert_deliveries;

use crate::error::{Error, ErrorKind, Result};
use crate::lake::Lake;

/// How often an append begins anew when other outboxes append meanwhile.
const ROUNDS_MAX: u32 = 16;

/// An outbox is a small log of its own, with one partition.
const PARTITION: Partition = Partition::new(0);

/// Rows of one outbox.
#[derive(Clone, Debug)]
pub struct OutboxRows {
    /// Rows of `alert_deliveries`: all of the attempts behind `after` up to `until`.
    pub rows: RecordBatch,
    /// The last attempt before them.
    pub after: i64,
    /// The last attempt among them.
    pub until: i64,
}

/// What became of rows to append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivered {
    /// They were appended.
    Now,
    /// They were not: the last attempt that the lake holds is this one. That may be their own last one, if an earlier
    /// call appended them.
    Stands(i64),
}

impl Lake {
    /// The last attempt of `outbox` whose rows the lake holds; 0 if it holds none.
    ///
    /// # Errors
    /// What the store says; an id that is none.
    pub async fn delivered_until(&self, outbox: &str) -> Result<i64> {
        let table = self.table(alert_deliveries::NAME)?;
        let key = number_of(outbox)?.to_string();
        let Some(head) = table.head().await? else { return Ok(0) };
        Ok(table.numbers(head, std::slice::from_ref(&key)).await?.get(&key).copied().unwrap_or(0))
    }

    /// Appends `rows` if the lake holds all before them and none of them.
    ///
    /// # Errors
    /// What the store says. After one whose action is `Retry` nobody knows whether the rows are there: the same call, or
    /// [`Self::delivered_until`], says.
    ///
    /// # Panics
    /// If the rows do not lie behind `after`.
    pub async fn append_deliveries(&self, outbox: &str, rows: OutboxRows) -> Result<Delivered> {
        let OutboxRows { rows, after, until } = rows;
        assert!(until > after && rows.num_rows() > 0, "attempts {after} to {until} are no rows to append");
        let table = self.table(alert_deliveries::NAME)?;
        let id = number_of(outbox)?;
        let (key, held) = (id.to_string(), BTreeSet::from([PARTITION]));
        let mut files = None;
        for _ in 0..ROUNDS_MAX {
            let head = table.head_or_create().await?;
            let stands =
                table.numbers(head, std::slice::from_ref(&key)).await?.get(&key).copied().unwrap_or(0);
            if stands != after {
                return Ok(Delivered::Stands(stands));
            }
            let adds = match files.take() {
                Some(adds) => adds,
                None => self.write_files(table.name(), std::slice::from_ref(&rows)).await?,
            };
            let entry = table.new_entry(Vec::clone(&adds), &BTreeMap::from([(id.clone(), until)]))?;
            match table.append(&id.log, entry, &held, head, self.options().retries).await {
                Ok(Outcome::Done { .. }) => return Ok(Delivered::Now),
                Ok(Outcome::Lost { .. } | Outcome::InDoubt) => files = Some(adds),
                Err((_, error)) => return Err(error),
            }
        }
        let what = format!("append to table {}: others append without end", table.name());
        Err(Error::new(ErrorKind::Contended, what))
    }
}

/// Under which name the table's log keeps how far it holds `outbox`.
fn number_of(outbox: &str) -> Result<TxnId> {
    let log = LogId::new(&format!("outbox:{outbox}")).filter(|_| !outbox.is_empty()).ok_or_else(|| {
        Error::new(ErrorKind::Schema, format!("append deliveries: `{outbox}` is no id of an outbox"))
    })?;
    Ok(TxnId { log, partition: PARTITION, mark: Mark::Attempt })
}
