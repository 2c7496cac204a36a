//! When the lake is put in order beside commits: fixes and scans that have grown too old, log snapshots, small files, bytes
//! that no table needs any more.
//!
//! ```text
//!   claim, every ten minutes, every hour of the log ─▶ old evidence leaves its table, before the next commit
//!   every fifty commits, the first among them ─▶ beside commits, one round at a time: log snapshots ▶ small files become one ▶ (hourly) sweep
//! ```
//!
//! In: commits as they are done, the log's clock, passing time, a run's end.  Out: rounds of `lake::Lake::retain_evidence`,
//! `maintain`, `compact`, `sweep`.  Owns: when the last round was, and the one under way.
//! Absent on purpose: any way to fail: nothing rests on a round, the next one does what this one could not.
//! Why so: a claim begins with a round of retention, so that a log that stood still for weeks deletes before it reads on. Then
//! every few minutes by the wall, for a log that lives; and every hour by the log, for a replay that passes months in minutes.
//! The rest delays no commit; the round that is under way when a run ends is waited for, since a runtime that goes away under it
//! takes the store's own threads by surprise. Of a group only the owner of the first partition compacts: two would do each other's work.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use lake::{Lake, LogIdentity, Which};
use model::EventTime;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// How many commits between two looks at the tables' logs and files. The first is behind the first commit: owners that are
/// killed again and again would leave logs to grow that each of them has to read.
const TIDY_EVERY_COMMITS: u64 = 50;

/// How long bytes that no table needs wait for their round, by the wall: it lists every folder.
const SWEEP_EVERY: Duration = Duration::from_secs(3_600);

/// How long old fixes and scans wait for their round, by the wall.
const RETAIN_EVERY: Duration = Duration::from_secs(600);

/// And by the log's clock.
const RETAIN_EVERY_LOG_MIN: i64 = 60;

/// How long a run that ends waits for the round under way: a store that does not answer must not keep it.
const FINISH_WITHIN: Duration = Duration::from_secs(30);

/// And how long it does so without a word.
const FINISH_SILENTLY: Duration = Duration::from_secs(2);

/// What was done when.
#[derive(Debug, Default)]
pub(super) struct Housekeeping {
    commits: u64,
    retained: Option<(Instant, EventTime)>,
    tidier: Arc<Tidier>,
    round: Option<JoinHandle<()>>,
}

/// The rounds beside commits.
#[derive(Debug, Default)]
struct Tidier {
    swept: Mutex<Option<Instant>>,
}

impl Housekeeping {
    /// After a claim; `clock` is the slowest of the claimed partitions.
    pub(super) fn claimed(&mut self, runtime: &Handle, lake: &Lake, log: &LogIdentity, clock: EventTime) {
        self.retain(runtime, lake, log, clock);
    }

    /// After a commit that moved the slowest clock to `clock`, of an owner who holds the first partition or not.
    pub(super) fn committed(
        &mut self,
        runtime: &Handle,
        lake: &Lake,
        log: &LogIdentity,
        clock: EventTime,
        holds_first: bool,
    ) {
        self.commits += 1;
        if self.is_due(clock) {
            self.retain(runtime, lake, log, clock);
        }
        let is_idle = self.round.as_ref().is_none_or(JoinHandle::is_finished);
        if looks_at_tables(self.commits) && is_idle {
            let (tidier, lake) = (Arc::clone(&self.tidier), lake.clone());
            self.round = Some(runtime.spawn(async move { tidier.round(&lake, holds_first).await }));
        }
    }

    /// Waits for the round under way, at the end of a run: not for ever.
    pub(super) fn finish(&mut self, runtime: &Handle) {
        let Some(mut round) = self.round.take() else { return };
        runtime.block_on(async {
            if tokio::time::timeout(FINISH_SILENTLY, &mut round).await.is_ok() {
                return;
            }
            tracing::info!("waiting for the lake's housekeeping to come to its end");
            if tokio::time::timeout(FINISH_WITHIN - FINISH_SILENTLY, &mut round).await.is_err() {
                tracing::warn!("the lake's housekeeping is given up, the next owner does it");
                round.abort();
                // Until nothing of it is left to run.
                let _ = round.await;
            }
        });
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

/// Whether a look at the tables is due behind commit number `commit` of an owner, counted from 1.
const fn looks_at_tables(commit: u64) -> bool {
    commit % TIDY_EVERY_COMMITS == 1
}

impl Tidier {
    async fn round(&self, lake: &Lake, compacts: bool) {
        if let Err(error) = lake.maintain().await {
            tracing::warn!(%error, "log snapshots of the lake could not be written, it is tried again later");
        }
        if !compacts {
            return;
        }
        match lake.compact(Which::Due).await {
            Ok(stats) if stats.files_written > 0 => tracing::debug!(?stats, "small files became one"),
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "small files could not become one, it is tried again later");
            }
        }
        if self.is_sweep_due() {
            match lake.sweep().await {
                Ok(0) => {}
                Ok(files) => tracing::info!(files, "files that no table needs any more are deleted"),
                Err(error) => {
                    tracing::warn!(%error, "files that no table needs any more could not be deleted, it is tried again later");
                }
            }
        }
    }

    /// Whether the last sweep was long ago; if so this one is the last.
    fn is_sweep_due(&self) -> bool {
        let mut swept = self.swept.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let is_due = swept.is_none_or(|at| at.elapsed() >= SWEEP_EVERY);
        if is_due {
            *swept = Some(Instant::now());
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_looks_at_the_tables_behind_its_first_commit_and_every_fiftieth_from_there() {
        let looks: Vec<u64> = (1..=120).filter(|commit| looks_at_tables(*commit)).collect();
        assert_eq!(looks, [1, 51, 101]);
    }

    #[test]
    fn the_round_under_way_is_waited_for() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build().unwrap();
        let (go, wait) = tokio::sync::oneshot::channel::<()>();
        let done = Arc::new(Mutex::new(false));
        let sets = Arc::clone(&done);
        let round = runtime.spawn(async move {
            wait.await.unwrap();
            *sets.lock().unwrap() = true;
        });
        let mut house = Housekeeping { round: Some(round), ..Housekeeping::default() };
        std::thread::scope(|scope| {
            scope.spawn(|| house.finish(runtime.handle()));
            go.send(()).unwrap();
        });
        assert!(*done.lock().unwrap() && house.round.is_none());
        house.finish(runtime.handle());
    }

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
