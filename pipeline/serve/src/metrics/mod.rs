//! Everything `/metrics` shows: counted by the worker's side in plain calls, written as Prometheus text when asked.
//!
//! In: counts once a batch, tallies a few times a second, positions and clocks, from `muster`.  Out: the text of one
//! scrape.  Owns: every counter, gauge and bucket of the process.
//! Absent on purpose: a global registry (a process may hold several, as tests do), labels that name people, and any
//! count per record: a batch is the unit.
//! Invariants: setting a handle of a partition or a level is one atomic store; every other call takes at most a read
//! lock for the length of a map look-up; a scrape blocks none of them.
//! Why so: `prometheus-client` with a registry handed on, not the `metrics` facade with its global recorder; names
//! follow Prometheus' conventions: base units (seconds, bytes), `_total` for what only grows.

mod buckets;
mod deliverer;
mod families;
mod partitions;
mod process;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hdrhistogram::Histogram;
use model::{AnomalyKind, AnomalyState, EventTime, Partition, RejectCode};
use prometheus_client::encoding::text;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;
use source::WallClock;

use deliverer::Oldest;
use families::{Families, label, labels};
use partitions::Partitions;
use process::Process;

pub use partitions::PartitionMetrics;

/// The content type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Which program counts.
#[derive(Clone, Copy, Debug)]
pub struct Build<'a> {
    /// Its version: `0.1.0`.
    pub version: &'a str,
    /// The commit it was built from, or an empty text.
    pub revision: &'a str,
}

/// The names of a label's values.
macro_rules! named {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident = $name:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $type { $($(#[$variant_doc])* $variant),+ }

        impl $type {
            /// Every value.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Its name as the value of a label.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }
    };
}

named! {
    /// How a commit to the lake ended.
    Commit {
        /// It stands.
        Done = "ok",
        /// It was tried once more on a newer version of the table.
        Retried = "retried",
        /// Another owner's commit came first: what it held is dropped, claimed and read again.
        Conflict = "conflict",
        /// It could not be done.
        Failed = "failed",
    }
}

named! {
    /// What a rebalance did to a partition.
    Rebalance {
        /// It came to this process.
        Assigned = "assigned",
        /// It was handed over in good order.
        Revoked = "revoked",
        /// It already had another owner.
        Lost = "lost",
    }
}

named! {
    /// What became of changed reference data.
    Swap {
        /// It is in force.
        Accepted = "accepted",
        /// The old one stays.
        Refused = "refused",
    }
}

named! {
    /// How one attempt to deliver a message ended.
    Delivery {
        /// The destination took it.
        Done = "delivered",
        /// It will be tried again.
        Retried = "retried",
        /// It will not be tried again.
        Failed = "failed",
    }
}

named! {
    /// What became of a record received by HTTP.
    IngestResult {
        /// It is durable in the log.
        Accepted = "accepted",
        /// It is no punch; the sender was told.
        Rejected = "rejected",
    }
}

/// What the log's client met with since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceTotals {
    /// Records that came again before the position, and were dropped.
    pub repeats: u64,
    /// Partitions that had records to read, delivered none, and were started again.
    pub stalls: u64,
    /// Offsets that the log no longer held when they were to be read: trimmed or compacted away.
    pub missing_offsets: u64,
    /// Looks at the log's ends that nobody answered: the log clock stands still meanwhile.
    pub unanswered_looks: u64,
}

/// What a schema registry's client has counted since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RegistryTotals {
    /// Schemas loaded, from the cache or from the registry.
    pub loaded: u64,
    /// Questions that the registry answered.
    pub answered: u64,
    /// Questions that it did not answer, or not as a registry does.
    pub failed: u64,
}

/// The metrics of one process. Clones share them.
#[derive(Clone)]
pub struct Metrics {
    inner: Arc<Inner>,
}

struct Inner {
    registry: Registry,
    families: Families,
    partitions: Partitions,
    deliverer_oldest: Oldest,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("families", &self.inner.families).finish_non_exhaustive()
    }
}

impl Metrics {
    /// Nothing counted yet. `now` is asked at every scrape and every commit, for ages and lags.
    pub fn new(build: Build<'_>, now: WallClock) -> Self {
        let mut registry = Registry::default();
        let families = Families::register(&mut registry);
        let info = Family::<Vec<(&'static str, String)>, Gauge>::default();
        let parts = [("version", build.version), ("revision", build.revision)];
        info.get_or_create(&parts.map(|(name, value)| (name, value.to_owned())).to_vec()).set(1);
        registry.register("muster_build_info", "Which program runs; always 1", info);
        let started = ConstGauge::new(now().us() as f64 / 1e6);
        registry.register("process_start_time_seconds", "When the process started, as Unix time", started);
        let partitions = Partitions::new(Arc::clone(&now));
        registry.register_collector(Box::new(partitions.clone()));
        let deliverer_oldest = Oldest::new(Arc::clone(&now));
        registry.register_collector(Box::new(deliverer_oldest.clone()));
        registry.register_collector(Box::new(Process));
        Self { inner: Arc::new(Inner { registry, families, partitions, deliverer_oldest }) }
    }

    /// One scrape in the OpenMetrics text format, [`CONTENT_TYPE`].
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(32 << 10);
        text::encode(&mut text, &self.inner.registry)
            .expect("a String takes everything that is written to it");
        text
    }

    fn families(&self) -> &Families {
        &self.inner.families
    }
}

/// Records and punches: call once a batch, with the batch's counts.
impl Metrics {
    /// `count` records were read from the log.
    pub fn count_records(&self, count: u64) {
        self.families().punches.records.inc_by(count);
    }

    /// `count` rows were added to `punches`.
    pub fn count_accepted(&self, count: u64) {
        self.families().punches.accepted.inc_by(count);
    }

    /// `count` records could not be taken, for the reason `code`. What has a counter of its own (plain repeats, misplaced
    /// records) is left out, so that a tally of all rows of `rejects` may be handed in as it is.
    pub fn count_rejected(&self, code: RejectCode, count: u64) {
        if families::has_own_counter(code) {
            return;
        }
        self.families().punches.rejected.get_or_create(&label("code", code.name())).inc_by(count);
    }

    /// `count` records repeat a punch already taken.
    pub fn count_duplicates(&self, count: u64) {
        self.families().punches.duplicates.inc_by(count);
    }

    /// `count` punches are older than memory and went into the inbox.
    pub fn count_late(&self, count: u64) {
        self.families().punches.late.inc_by(count);
    }

    /// `count` records lay on another partition than their key's and were appended again to their own.
    pub fn count_misplaced(&self, count: u64) {
        self.families().punches.misplaced.inc_by(count);
    }

    /// `count` fields were named that no version of the contract knows.
    pub fn count_unknown_fields(&self, count: u64) {
        self.families().punches.unknown_fields.inc_by(count);
    }

    /// `count` records were put into the dead letters.
    pub fn count_dead_letters(&self, count: u64) {
        self.families().punches.dead_letters.inc_by(count);
    }

    /// What the log's client met with: totals since it was opened, which never go back.
    pub fn set_source(&self, totals: SourceTotals) {
        let source = &self.families().source;
        for (counter, total) in [
            (&source.repeats, totals.repeats),
            (&source.stalls, totals.stalls),
            (&source.missing_offsets, totals.missing_offsets),
            (&source.unanswered_looks, totals.unanswered_looks),
        ] {
            counter.inner().fetch_max(total, Ordering::Relaxed);
        }
    }

    /// What the registry's client counted, totals which never go back; and the partitions that wait for a schema now: its
    /// id, and since when.
    pub fn set_registry(&self, totals: RegistryTotals, waiting: &[(Partition, u32, EventTime)]) {
        let source = &self.families().source;
        for (counter, total) in [
            (&source.schemas, totals.loaded),
            (&source.registry_answered, totals.answered),
            (&source.registry_failed, totals.failed),
        ] {
            counter.inner().fetch_max(total, Ordering::Relaxed);
        }
        source.waiting_schema.clear();
        source.waiting_since.clear();
        for (partition, id, since) in waiting {
            let of = || label("partition", partition.to_string());
            source.waiting_schema.get_or_create(&of()).set(i64::from(*id));
            source.waiting_since.get_or_create(&of()).set(since.us().div_euclid(1_000_000));
        }
    }

    /// How long punches took from their bytes to their row, in nanoseconds: what was tallied since the last call.
    pub fn punch_durations(&self, tally_ns: &Histogram<u64>) {
        self.families().punches.duration.merge(tally_ns);
    }
}

/// Ownership, commits, reference data.
impl Metrics {
    /// The gauges of an owned partition, from its assignment on: keep the handle, setting it is one atomic store.
    pub fn partition(&self, partition: Partition) -> PartitionMetrics {
        self.inner.partitions.own(partition)
    }

    /// The partition is no longer owned: its gauges disappear, whatever handles are left.
    pub fn release(&self, partition: Partition) {
        self.inner.partitions.release(partition);
    }

    /// A rebalance did `event` to `partitions` partitions.
    pub fn count_rebalanced(&self, event: Rebalance, partitions: u64) {
        self.families().lake.rebalances.get_or_create(&label("event", event.name())).inc_by(partitions);
    }

    /// `partitions` partitions were claimed in the lake.
    pub fn count_claims(&self, partitions: u64) {
        self.families().lake.claims.inc_by(partitions);
    }

    /// `partitions` claims were lost to another owner.
    pub fn count_claims_lost(&self, partitions: u64) {
        self.families().lake.claims_lost.inc_by(partitions);
    }

    /// A commit to the lake ended as `outcome`; call with `Retried` for each further try as well.
    pub fn count_commit(&self, outcome: Commit) {
        self.families().lake.commits.get_or_create(&label("outcome", outcome.name())).inc();
    }

    /// A commit took so long, its retries included.
    pub fn commit_duration(&self, took: Duration) {
        self.families().lake.commit_duration.observe(took);
    }

    /// `rows` rows were committed to `table`.
    pub fn count_lake_rows(&self, table: &'static str, rows: u64) {
        self.families().lake.rows.get_or_create(&label("table", table)).inc_by(rows);
    }

    /// Changed reference data was taken or refused.
    pub fn count_reference_swap(&self, outcome: Swap) {
        self.families().lake.reference_swaps.get_or_create(&label("outcome", outcome.name())).inc();
    }

    /// Changed reference data came into force so long after the change was seen.
    pub fn reference_swap_duration(&self, took: Duration) {
        self.families().lake.reference_swap_duration.observe(took);
    }
}

/// Alerts and their delivery.
impl Metrics {
    /// `count` versions of alerts of `kind` were published, durable on their topic.
    pub fn count_alerts(&self, kind: AnomalyKind, state: AnomalyState, count: u64) {
        let labels = labels("kind", kind.name(), "state", state.name());
        self.families().alerts.published.get_or_create(&labels).inc_by(count);
    }

    /// How long durable writes of alerts took, in nanoseconds: what was tallied since the last call.
    pub fn publish_durations(&self, tally_ns: &Histogram<u64>) {
        self.families().alerts.publish_duration.merge(tally_ns);
    }

    /// From the append of the record that caused an alert (or the log clock's instant at which its timer fired) to the
    /// alert's own durable append, by the wall clock of this machine against the log's append time, in nanoseconds: what
    /// was tallied since the last call.
    pub fn append_to_publish(&self, tally_ns: &Histogram<u64>) {
        self.families().alerts.latency.merge(tally_ns);
    }

    /// A destination the deliverer has: its outcomes stand at 0 from now on.
    pub fn add_destination(&self, destination: &str) {
        self.families().start_destination(destination);
    }

    /// A rule answered, and failed, so many times more.
    pub fn count_rule_runs(&self, rule: &str, done: u64, failed: u64) {
        for (outcome, count) in [("done", done), ("failed", failed)] {
            let labels = labels("rule", rule.to_owned(), "outcome", outcome);
            self.families().alerts.rule_runs.get_or_create(&labels).inc_by(count);
        }
    }

    /// Changed rules came into force, and were refused, so many times more.
    pub fn count_rule_sets(&self, accepted: u64, refused: u64) {
        for (outcome, count) in [(Swap::Accepted, accepted), (Swap::Refused, refused)] {
            self.families().alerts.rule_sets.get_or_create(&label("outcome", outcome.name())).inc_by(count);
        }
    }

    /// One attempt to deliver to `destination` ended.
    pub fn count_delivery(&self, destination: &str, outcome: Delivery) {
        let labels = labels("destination", destination.to_owned(), "outcome", outcome.name());
        self.families().alerts.deliveries.get_or_create(&labels).inc();
    }

    /// What the deliverer has before it: messages in its outbox, and since when the oldest waits; alerts on the topic
    /// that it has not taken yet.
    pub fn set_deliverer(&self, outbox: u64, oldest: Option<EventTime>, lag_records: u64) {
        let families = self.families();
        families.alerts.outbox.set(bounded(outbox));
        self.inner.deliverer_oldest.set(oldest);
        families.alerts.lag.set(bounded(lag_records));
    }
}

/// Limits and what is used of them.
impl Metrics {
    /// For how long `outside` (`lake`, `log`) has been waited for; nothing where it answers.
    pub fn set_waiting(&self, outside: &'static str, waited: Duration) {
        let waiting = self.families().levels.waiting.get_or_create_owned(&label("outside", outside));
        waiting.set(bounded(waited.as_secs()));
    }

    /// A queue that holds at most `limit` items: `worker_batches`, `buffered_rows`, `http_requests`, …
    pub fn queue(&self, name: &'static str, limit: u64) -> Level {
        let families = self.families();
        families.levels.queue_limit.get_or_create(&label("queue", name)).set(bounded(limit));
        Level(families.levels.queue.get_or_create_owned(&label("queue", name)))
    }

    /// A budget of at most `limit` bytes of memory: `source`, `buffered`, …
    pub fn budget(&self, name: &'static str, limit: u64) -> Level {
        let families = self.families();
        families.levels.budget_limit.get_or_create(&label("budget", name)).set(bounded(limit));
        Level(families.levels.budget.get_or_create_owned(&label("budget", name)))
    }
}

/// What is used of a limit, in its own unit: a handle of one atomic.
#[derive(Clone, Debug)]
pub struct Level(Gauge);

impl Level {
    /// So much is used now.
    pub fn set(&self, used: u64) {
        self.0.set(bounded(used));
    }

    /// So much more is used than before.
    pub fn add(&self, more: u64) {
        self.0.inc_by(bounded(more));
    }

    /// So much less is used than before.
    pub fn sub(&self, less: u64) {
        self.0.dec_by(bounded(less));
    }
}

fn bounded(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The HTTP face itself.
impl Metrics {
    pub(crate) fn set_ready(&self, is_ready: bool) {
        self.families().http.ready.set(i64::from(is_ready));
    }

    pub(crate) fn request_begun(&self) {
        self.families().http.in_flight.inc();
    }

    pub(crate) fn request_ended(&self, path: &'static str, status: u16, took: Duration) {
        let families = self.families();
        families.http.in_flight.dec();
        families.http.requests.get_or_create(&labels("path", path, "status", status.to_string())).inc();
        families.http.duration.get_or_create(&label("path", path)).observe(took);
    }

    pub(crate) fn count_ingested(&self, result: IngestResult, count: u64) {
        self.families().http.records.get_or_create(&label("result", result.name())).inc_by(count);
    }

    pub(crate) fn count_ingest_rejected(&self, code: RejectCode) {
        self.count_ingested(IngestResult::Rejected, 1);
        self.families().http.rejected.get_or_create(&label("code", code.name())).inc();
    }

    pub(crate) fn ingest_append_duration(&self, took: Duration) {
        self.families().http.append_duration.observe(took);
    }
}

#[cfg(test)]
pub(crate) mod tests;
