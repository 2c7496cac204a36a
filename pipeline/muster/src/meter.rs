//! What a run tells its watcher, as metrics and health of the HTTP face.
//!
//! In: the run's `Status` at every cut and commit.  Out: counters, gauges, readiness.  Owns: what was counted before, since
//! the run tells totals and a counter takes differences.
//! Absent on purpose: anything on the hot path: it is called a few times a second.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hdrhistogram::Histogram;
use model::{Anomaly, Partition, ShiftResult};
use serve::metrics::{Commit, Level, PartitionMetrics, Rebalance};
use serve::{Health, Metrics};

use crate::config::LimitsConfig;
use crate::worker::{Events, Observer, Status, Tally};

/// What `/readyz` asks for.
pub const CHECKS: [&str; 3] = ["owning", "lake", "log"];

/// An observer that counts, and hands everything on to another one.
pub struct Meter<'a> {
    inner: &'a mut dyn Observer,
    metrics: Metrics,
    health: Health,
    partitions: BTreeMap<Partition, PartitionMetrics>,
    buffered: Level,
    uncommitted: Level,
    counted: Tally,
    events: Events,
}

impl<'a> Meter<'a> {
    /// Counts into `metrics`, and tells `inner` what it is told, of a run under `limits`.
    pub fn new(metrics: Metrics, health: Health, limits: &LimitsConfig, inner: &'a mut dyn Observer) -> Self {
        let buffered = metrics.queue("buffered_rows", limits.buffered_rows_max as u64);
        let uncommitted = metrics.budget("uncommitted", limits.buffered_bytes_max);
        Self {
            inner,
            metrics,
            health,
            partitions: BTreeMap::new(),
            buffered,
            uncommitted,
            counted: Tally::default(),
            events: Events::default(),
        }
    }

    fn count(&mut self, tally: &Tally) {
        let (metrics, before) = (&self.metrics, &self.counted);
        metrics.count_records(tally.records - before.records);
        metrics.count_accepted(tally.accepted - before.accepted);
        metrics.count_duplicates(tally.duplicates - before.duplicates);
        metrics.count_late(tally.late - before.late);
        metrics.count_misplaced(tally.misplaced - before.misplaced);
        metrics.count_unknown_fields(tally.unknown_fields - before.unknown_fields);
        metrics.count_dead_letters(tally.letters - before.letters);
        for (code, count) in &tally.rejects {
            metrics.count_rejected(*code, count - before.rejects.get(code).copied().unwrap_or(0));
        }
        let since = |now: &Histogram<u64>, before: &Histogram<u64>| {
            let mut fresh = now.clone();
            fresh.subtract(before).is_ok().then_some(fresh)
        };
        if let Some(fresh) = since(&tally.latency_ns, &before.latency_ns) {
            metrics.punch_durations(&fresh);
        }
        if let Some(fresh) = since(&tally.publish_ns, &before.publish_ns) {
            metrics.publish_durations(&fresh);
        }
        if let Some(fresh) = since(&tally.found_to_published_ns, &before.found_to_published_ns) {
            metrics.append_to_publish(&fresh);
        }
        self.counted = tally.clone();
    }

    fn count_events(&mut self, events: &Events) {
        let (metrics, before) = (&self.metrics, &self.events);
        metrics.count_claims(events.claims - before.claims);
        metrics.count_rebalanced(Rebalance::Assigned, events.claims - before.claims);
        metrics.count_rebalanced(Rebalance::Revoked, events.revoked - before.revoked);
        metrics.count_claims_lost(events.overtaken - before.overtaken);
        for _ in before.overtaken..events.overtaken {
            metrics.count_commit(Commit::Conflict);
        }
        for _ in before.commits..events.commits {
            metrics.count_commit(Commit::Done);
        }
        if events.commits > before.commits {
            metrics.commit_duration(Duration::from_millis(events.last_commit_ms));
            for (table, rows) in &events.lake_rows {
                metrics.count_lake_rows(table, rows - before.lake_rows.get(table).copied().unwrap_or(0));
            }
            self.health.pass("lake", format!("{} commits", events.commits));
        }
        for (rule, now) in &events.rules {
            let known = before.rules.get(rule).copied().unwrap_or_default();
            metrics.count_rule_runs(rule, now.done - known.done, now.failed - known.failed);
        }
        let (now, known) = (events.rule_sets, before.rule_sets);
        metrics.count_rule_sets(now.done - known.done, now.failed - known.failed);
        self.events = events.clone();
    }
}

impl Observer for Meter<'_> {
    fn watch(&mut self, status: &Status<'_>) {
        self.count(status.tally);
        self.count_events(status.events);
        self.buffered.set(status.buffered_rows as u64);
        self.uncommitted.set(status.partitions.values().map(|progress| progress.buffered.bytes).sum());
        let held: BTreeSet<Partition> = status.partitions.keys().copied().collect();
        self.partitions.retain(|partition, _| {
            let is_held = held.contains(partition);
            if !is_held {
                self.metrics.release(*partition);
            }
            is_held
        });
        for (partition, progress) in status.partitions {
            let of = self.partitions.entry(*partition).or_insert_with(|| self.metrics.partition(*partition));
            of.set_position(progress.judged);
            of.set_clock(progress.clock);
            of.set_buffered(progress.buffered.records, progress.buffered.bytes);
            of.committed(progress.committed, progress.committed_clock);
            if let Some(end) = progress.end {
                of.set_end(end.max(progress.judged));
            }
            if progress.is_paused { of.paused() } else { of.resumed() }
        }
        match held.len() {
            0 => self.health.fail(
                "owning",
                "no partition is assigned to this process; others of the group may hold them",
            ),
            n => self.health.pass("owning", format!("{n} partitions")),
        }
        self.inner.watch(status);
    }

    fn said(&mut self, anomalies: &[Anomaly], results: &[ShiftResult]) {
        for anomaly in anomalies {
            self.metrics.count_alerts(anomaly.finding.kind, anomaly.state, 1);
        }
        self.inner.said(anomalies, results);
    }

    fn wants_results(&self) -> bool {
        self.inner.wants_results()
    }
}

impl std::fmt::Debug for Meter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meter").field("counted", &self.counted.records).finish_non_exhaustive()
    }
}
