//! What the deliverer did, from its outbox to the lake's table `alert_deliveries`.
//!
//! ```text
//!   outbox ── rows behind the position ──▶ lake: rows and position, one entry ──▶ outbox: noted, may be forgotten
//!                                         kill here or here: the position is read back from the lake
//! ```
//!
//! In: attempts, by their number.  Out: their rows, in order, each once.  Owns: the position, as the lake last said it.
//! Absent on purpose: any hurry and any way to end the process: the outbox keeps what the lake did not take.
//! Invariants: an attempt is noted as stored only once the lake has said so; kept by [`Mover::step`].

use std::path::Path;
use std::time::Duration;

use alerts::{DeliveryLog, DeliveryRow};
use arrow::array::RecordBatch;
use lake::{Delivered, Lake, OutboxRows};
use schemas::tables::alert_deliveries::{Builder, NAME, Row};
use serve::Metrics;
use tokio::runtime::Handle;

use crate::failure::Failure;
use crate::stepper::Stepper;

/// Attempts moved by one commit.
const ATTEMPTS_MAX: u32 = 1_000;

/// Moves rows of one outbox.
pub struct Mover {
    log: DeliveryLog,
    lake: Lake,
    runtime: Handle,
    metrics: Metrics,
    /// The last attempt that the lake holds.
    position: i64,
}

impl Mover {
    /// Moves the rows of the outbox at `path`, which its deliverer has opened before and does not run on yet.
    ///
    /// # Errors
    /// What the outbox or the lake says.
    pub fn open(path: &Path, lake: Lake, runtime: Handle, metrics: Metrics) -> Result<Self, Box<Failure>> {
        let mut log = DeliveryLog::open(path).map_err(Failure::from_outside)?;
        let position = runtime.block_on(lake.delivered_until(log.outbox())).map_err(Failure::from_outside)?;
        log.stored(position).map_err(Failure::from_outside)?;
        Ok(Self { log, lake, runtime, metrics, position })
    }

    /// Moves everything there is; gives how many rows that were.
    ///
    /// # Errors
    /// What the outbox or the lake says: the next step goes on where this one stood.
    pub fn step(&mut self) -> Result<u64, Box<Failure>> {
        let mut moved = 0;
        while let Some(rows) = self.append()? {
            self.log.stored(self.position).map_err(Failure::from_outside)?;
            moved += rows;
        }
        Ok(moved)
    }

    /// Appends the next rows to the lake; how many, or none if there are none. They are not noted in the outbox yet.
    fn append(&mut self) -> Result<Option<u64>, Box<Failure>> {
        let rows = self.log.after(self.position, ATTEMPTS_MAX).map_err(Failure::from_outside)?;
        let Some(last) = rows.last() else { return Ok(None) };
        let until = last.attempt_id;
        let appending = OutboxRows { rows: table(self.log.outbox(), &rows), after: self.position, until };
        let appended = self.runtime.block_on(self.lake.append_deliveries(self.log.outbox(), appending));
        let count;
        (self.position, count) = match appended.map_err(Failure::from_outside)? {
            Delivered::Now => (until, rows.len() as u64),
            // An earlier call, whose answer was lost, had come through: what lies behind is moved next.
            Delivered::Stands(position) => (position, 0),
        };
        self.metrics.count_lake_rows(NAME, count);
        Ok(Some(count))
    }

    /// Moves what there is every so often, on a thread of its own.
    ///
    /// # Errors
    /// The system has no thread for it.
    pub fn spawn(mut self, every: Duration) -> std::io::Result<Stepper> {
        let waiting = "what was delivered waits in the outbox: the lake does not take it";
        Stepper::spawn("mover", waiting, every, move || self.step())
    }
}

impl std::fmt::Debug for Mover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mover")
            .field("log", &self.log)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

/// Rows of the outbox as rows of the table.
fn table(outbox: &str, rows: &[DeliveryRow]) -> RecordBatch {
    let mut builder = Builder::default();
    for row in rows {
        builder.append(&Row {
            sent_at: row.at,
            destination: &row.destination,
            anomaly_id: &row.alert_id,
            version: row.version,
            status: &row.status,
            http_status: row.http_status,
            attempt: row.attempt,
            webhook_id: &row.webhook_id,
            outbox,
            attempt_id: row.attempt_id,
        });
    }
    builder.finish()
}

#[cfg(test)]
#[path = "mover_tests.rs"]
mod tests;
