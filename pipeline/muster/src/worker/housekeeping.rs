//! When the lake is put in order beside commits: log snapshots now and then, and the fixes and scans that have grown too old.
//!
//! In: commits as they are done, the log's clock, passing time.  Out: rounds of `lake::Lake::maintain` and
//! `retain_evidence`.  Owns: when the last round was.
//! Absent on purpose: any way to fail: nothing rests on a round, the next one does what this one could not.
//! Why so: a claim begins with a round, so that a log that stood still for weeks deletes before it reads on. Then every few
//! minutes by the wall, for a log that lives; and every hour by the log, for a replay that passes months in minutes.

use std::time::{Duration, Instant};

use lake::{Lake, LogIdentity};
use model::EventTime;
use tokio::runtime::Handle;

/// How many commits between two looks at the tables' logs.
const MAINTAIN_EVERY_COMMITS: u64 = 50;

/// How long old fixes and scans wait for their round, by the wall.
const RETAIN_EVERY: Duration = Duration::from_secs(600);

/// And by the log's clock.
const RETAIN_EVERY_LOG_MIN: i64 = 60;

/// What was done when.
#[derive(Debug, Default)]
pub(super) struct Housekeeping {
    commits: u64,
    retained: Option<(Instant, EventTime)>,
}

impl Housekeeping {
    /// After a claim; `clock` is the slowest of the claimed partitions.
    pub(super) fn claimed(&mut self, runtime: &Handle, lake: &Lake, log: &LogIdentity, clock: EventTime) {
        self.retain(runtime, lake, log, clock);
    }

    /// After a commit that moved the slowest clock to `clock`.
    pub(super) fn committed(&mut self, runtime: &Handle, lake: &Lake, log: &LogIdentity, clock: EventTime) {
        self.commits += 1;
        if self.is_due(clock) {
            self.retain(runtime, lake, log, clock);
        }
        if self.commits.is_multiple_of(MAINTAIN_EVERY_COMMITS)
            && let Err(error) = runtime.block_on(lake.maintain())
        {
            tracing::warn!(%error, "housekeeping of the lake failed, it is tried again later");
        }
    }

    fn is_due(&self, clock: EventTime) -> bool {
        self.retained.is_none_or(|(at, stood)| {
            at.elapsed() >= RETAIN_EVERY || clock >= stood.plus_min(RETAIN_EVERY_LOG_MIN)
        })
    }

    fn retain(&mut self, runtime: &Handle, lake: &Lake, log: &LogIdentity, clock: EventTime) {
        self.retained = Some((Instant::now(), clock));
        match runtime.block_on(lake.retain_evidence(log)) {
            Ok(stats) if stats.files_removed + stats.files_rewritten + stats.files_deleted > 0 => {
                tracing::info!(?stats, "fixes and scans past their days are removed");
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "fixes and scans past their days could not be removed, it is tried again later");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_is_due_by_the_wall_or_by_the_log() {
        let at = EventTime::from_ms(1_793_577_600_000);
        let mut house = Housekeeping::default();
        assert!(house.is_due(at), "the first commit");
        house.retained = Some((Instant::now(), at));
        assert!(!house.is_due(at.plus_min(RETAIN_EVERY_LOG_MIN - 1)));
        assert!(house.is_due(at.plus_min(RETAIN_EVERY_LOG_MIN)));
        let before = Instant::now().checked_sub(RETAIN_EVERY);
        house.retained = before.map(|before| (before, at));
        assert!(house.is_due(at));
    }
}
