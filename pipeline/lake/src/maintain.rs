//! Housekeeping off the way of commits: log snapshots (Delta's checkpoints) and the log entries they make superfluous.
//!
//! In: nothing.  Out: [`MaintainStats`].  Owns: nothing.
//! Absent on purpose: what touches files of rows: `retention`, `compact`, `sweep`.
//! Why so: delta-rs writes a log snapshot inside the hundredth commit and lists the log for old entries in every one; here
//! neither delays a commit, and an error of either fails no commit that has succeeded (`research/streams.md`, 5.3 and 5.5).

use deltalake::checkpoints::{cleanup_expired_logs_for, create_checkpoint};
use schemas::tables;

use crate::encode::now_ms;
use crate::error::{Error, Result};
use crate::lake::Lake;
use crate::log::TableLog;

const HOUR_MS: i64 = 3_600_000;

/// What a round of housekeeping did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MaintainStats {
    /// Log snapshots written.
    pub log_snapshots: u64,
    /// Log entries deleted.
    pub entries_deleted: u64,
}

impl Lake {
    /// One round of housekeeping over all tables: cheap when there is little to do. Any process may run it, at any time, beside
    /// owners at work.
    pub async fn maintain(&self) -> Result<MaintainStats> {
        let mut stats = MaintainStats::default();
        for table in tables::ALL {
            self.maintain_table(&self.table(table.name)?, &mut stats).await?;
        }
        Ok(stats)
    }

    async fn maintain_table(&self, table: &TableLog, stats: &mut MaintainStats) -> Result<()> {
        let Some(head) = table.head().await? else { return Ok(()) };
        // The hint may be behind, never ahead: a snapshot too many does no harm.
        let last = table.hinted().await?.unwrap_or(0);
        if head.saturating_sub(last) < self.options().checkpoint_every {
            return Ok(());
        }
        let what = || format!("write a log snapshot of table {} version {head}", table.name());
        let loaded = table.load(head).await.map_err(|e| Error::store(what(), e))?;
        create_checkpoint(&loaded, None).await.map_err(|e| Error::store(what(), e))?;
        stats.log_snapshots += 1;
        let keep_ms =
            i64::try_from(self.options().log_retention_hours).unwrap_or(i64::MAX).saturating_mul(HOUR_MS);
        let deleted =
            cleanup_expired_logs_for(head, table.delta().as_ref(), now_ms().saturating_sub(keep_ms), None)
                .await;
        stats.entries_deleted += deleted.map_err(|e| Error::store(what(), e))? as u64;
        Ok(())
    }
}
