//! The registry: every metric's name, meaning and buckets, and the handles that are counted with.
//!
//! In: nothing.  Out: `Families`, to `Metrics`.  Owns: the registry.
//! Absent on purpose: labels of unbounded range (a person, a shift, a device): a label is a code, a table, a partition
//! or a name from the configuration.
//! Invariants: names end in their base unit, counters are written with `_total`; a counter whose labels are known
//! beforehand stands at 0 from the start, so that its first increase is seen as one.

use std::borrow::Cow;

use model::{AnomalyKind, AnomalyState, RejectCode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Metric, Registry};

use super::buckets::Buckets;
use super::{Commit, Delivery, IngestResult, Rebalance, Swap};

/// A set of one label or of two.
pub(super) type Labels<const N: usize> = [(&'static str, Cow<'static, str>); N];
type Counters<const N: usize> = Family<Labels<N>, Counter>;
type Gauges<const N: usize> = Family<Labels<N>, Gauge>;
type Histograms<const N: usize> = Family<Labels<N>, Buckets, fn() -> Buckets>;

/// Bytes to row, per punch: the budget is 700 ns in the mean and 5 µs at p99.9.
const PUNCH_BORDERS_S: [f64; 17] =
    [1e-7, 2e-7, 3e-7, 5e-7, 7e-7, 1e-6, 1.5e-6, 2e-6, 3e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 1e-3, 1e-2, 1e-1];
/// A commit of the lake: from a small one on a local disk to one that a store holds up.
const COMMIT_BORDERS_S: [f64; 13] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
/// One durable write to a log.
const APPEND_BORDERS_S: [f64; 15] =
    [1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
/// A punch's append to its alert's: the budget is 25 ms at p99.
const ALERT_BORDERS_S: [f64; 18] = [
    1e-3, 2.5e-3, 5e-3, 7.5e-3, 0.01, 0.015, 0.02, 0.025, 0.035, 0.05, 0.075, 0.1, 0.25, 1.0, 5.0, 30.0,
    300.0, 3_600.0,
];
/// A request, its durable append included.
const REQUEST_BORDERS_S: [f64; 12] = [5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

/// The handles of every metric but those of partitions and of the process.
#[derive(Debug)]
pub(super) struct Families {
    pub(super) punches: Punches,
    pub(super) source: Source,
    pub(super) lake: Lake,
    pub(super) alerts: Alerts,
    pub(super) levels: Levels,
    pub(super) http: Http,
}

/// Records and what became of them.
#[derive(Debug)]
pub(super) struct Punches {
    pub(super) records: Counter,
    pub(super) accepted: Counter,
    pub(super) rejected: Counters<1>,
    pub(super) duplicates: Counter,
    pub(super) late: Counter,
    pub(super) misplaced: Counter,
    pub(super) unknown_fields: Counter,
    pub(super) dead_letters: Counter,
    pub(super) duration: Buckets,
}

/// What the log's client met with.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) repeats: Counter,
    pub(super) stalls: Counter,
    pub(super) missing_offsets: Counter,
    pub(super) unanswered_looks: Counter,
    pub(super) schemas: Counter,
    pub(super) registry_answered: Counter,
    pub(super) registry_failed: Counter,
    pub(super) waiting_schema: Gauges<1>,
    pub(super) waiting_since: Gauges<1>,
}

/// Commits, ownership, reference data.
#[derive(Debug)]
pub(super) struct Lake {
    pub(super) commits: Counters<1>,
    pub(super) commit_duration: Buckets,
    pub(super) rows: Counters<1>,
    pub(super) claims: Counter,
    pub(super) claims_lost: Counter,
    pub(super) rebalances: Counters<1>,
    pub(super) reference_swaps: Counters<1>,
    pub(super) reference_swap_duration: Buckets,
}

/// Alerts and their delivery.
#[derive(Debug)]
pub(super) struct Alerts {
    pub(super) published: Counters<2>,
    pub(super) publish_duration: Buckets,
    pub(super) latency: Buckets,
    pub(super) deliveries: Counters<2>,
    pub(super) outbox: Gauge,
    pub(super) lag: Gauge,
    pub(super) rule_runs: Counters<2>,
    pub(super) rule_sets: Counters<1>,
}

/// Limits and what is used of them.
#[derive(Debug)]
pub(super) struct Levels {
    pub(super) queue: Gauges<1>,
    pub(super) queue_limit: Gauges<1>,
    pub(super) budget: Gauges<1>,
    pub(super) budget_limit: Gauges<1>,
    pub(super) waiting: Gauges<1>,
}

/// The HTTP face itself.
#[derive(Debug)]
pub(super) struct Http {
    pub(super) ready: Gauge,
    pub(super) requests: Counters<2>,
    pub(super) in_flight: Gauge,
    pub(super) duration: Histograms<1>,
    pub(super) records: Counters<1>,
    pub(super) rejected: Counters<1>,
    pub(super) append_duration: Buckets,
}

impl Punches {
    fn register(add: &mut Add<'_>) -> Self {
        Self {
            records: add.plain("muster_records", "Records read from the log"),
            accepted: add.plain("muster_punches_accepted", "Rows added to the table punches"),
            rejected: add.plain("muster_punches_rejected", "Records that could not be taken, by code"),
            duplicates: add.plain("muster_punches_duplicate", "Repeats of a punch already taken"),
            late: add.plain("muster_punches_late", "Punches older than memory, put into the inbox"),
            misplaced: add
                .plain("muster_records_misplaced", "Records found on another partition than their key's"),
            unknown_fields: add
                .plain("muster_unknown_fields", "Fields of punches that no version of the contract names"),
            dead_letters: add.plain("muster_dead_letters", "Records put into the dead letters"),
            duration: add.buckets(
                "muster_punch_duration_seconds",
                "From a punch's bytes to its row, each punch with its batch's mean",
                &PUNCH_BORDERS_S,
            ),
        }
    }
}

impl Source {
    fn register(add: &mut Add<'_>) -> Self {
        Self {
            repeats: add.plain("muster_source_repeats", "Records that came again before the position"),
            stalls: add
                .plain("muster_source_stalls", "Partitions that delivered nothing and were started again"),
            missing_offsets: add.plain(
                "muster_source_missing_offsets",
                "Offsets that the log no longer held when they were to be read",
            ),
            unanswered_looks: add
                .plain("muster_source_unanswered_looks", "Looks at the log's ends that nobody answered"),
            schemas: add
                .plain("muster_registry_schemas_loaded", "Schemas loaded from the cache or the registry"),
            registry_answered: add
                .plain("muster_registry_answers", "Questions that the schema registry answered"),
            registry_failed: add
                .plain("muster_registry_failures", "Questions that the schema registry did not answer"),
            waiting_schema: add.plain(
                "muster_partition_waiting_schema_id",
                "The schema that a partition waits for; no sample where it waits for none",
            ),
            waiting_since: add.plain(
                "muster_partition_waiting_since_seconds",
                "Since when a partition waits for a schema, as Unix time; no sample where it waits for none",
            ),
        }
    }
}

impl Lake {
    fn register(add: &mut Add<'_>) -> Self {
        Self {
            commits: add.plain("muster_commits", "Commits of rows and frontier to the lake, by outcome"),
            commit_duration: add.buckets(
                "muster_commit_duration_seconds",
                "One commit of rows and frontier to the lake, retries included",
                &COMMIT_BORDERS_S,
            ),
            rows: add.plain("muster_lake_rows", "Rows committed to the lake, by table"),
            claims: add.plain("muster_claims", "Partitions claimed in the lake"),
            claims_lost: add.plain("muster_claims_lost", "Claims lost to another owner"),
            rebalances: add
                .plain("muster_rebalanced_partitions", "Partitions assigned, revoked or lost by a rebalance"),
            reference_swaps: add
                .plain("muster_reference_swaps", "Changed reference data, by whether it was taken"),
            reference_swap_duration: add.buckets(
                "muster_reference_swap_duration_seconds",
                "Changed reference data, from seeing the change until punches are judged by it",
                &COMMIT_BORDERS_S,
            ),
        }
    }
}

impl Alerts {
    fn register(add: &mut Add<'_>) -> Self {
        Self {
            published: add
                .plain("muster_alerts_published", "Versions of alerts published, by kind and state"),
            publish_duration: add.buckets(
                "muster_alert_publish_duration_seconds",
                "One durable write of alerts to their topic",
                &APPEND_BORDERS_S,
            ),
            latency: add.buckets(
                "muster_append_to_publish_seconds",
                "From a punch's append to the log to its alert's",
                &ALERT_BORDERS_S,
            ),
            deliveries: add.plain("muster_deliveries", "Attempts to deliver, by destination and outcome"),
            outbox: add.plain("muster_deliverer_queue_messages", "Messages in the outbox"),
            lag: add
                .plain("muster_deliverer_lag_records", "Alerts published and not yet taken into the outbox"),
            rule_runs: add.plain("muster_rule_runs", "Rules in SQL asked at an instant, by rule and outcome"),
            rule_sets: add.plain("muster_rule_sets", "Changes of the files of rules, by outcome"),
        }
    }
}

impl Levels {
    fn register(add: &mut Add<'_>) -> Self {
        Self {
            queue: add.plain("muster_queue_items", "What waits in a queue"),
            queue_limit: add.plain("muster_queue_items_limit", "What a queue may hold"),
            budget: add.plain("muster_budget_bytes", "Memory taken from a budget"),
            budget_limit: add.plain("muster_budget_bytes_limit", "Memory a budget allows"),
            waiting: add.plain(
                "muster_waiting_seconds",
                "For how long something outside is waited for that does not answer or has no room, by what it is",
            ),
        }
    }
}

impl Http {
    fn register(add: &mut Add<'_>) -> Self {
        let buckets: fn() -> Buckets = || Buckets::new(&REQUEST_BORDERS_S);
        let duration = Family::new_with_constructor(buckets);
        let shared = Family::clone(&duration);
        add.0.register("muster_http_request_duration_seconds", "Answering one request, by path", shared);
        Self {
            ready: add.plain("muster_ready", "1 if every check of /readyz passes, else 0"),
            requests: add.plain("muster_http_requests", "Requests answered, by path and status"),
            in_flight: add.plain("muster_http_requests_in_flight", "Requests being answered"),
            duration,
            records: add.plain("muster_ingest_records", "Records received by HTTP, by result"),
            rejected: add.plain("muster_ingest_rejected", "Records refused by HTTP, by code"),
            append_duration: add.buckets(
                "muster_ingest_append_duration_seconds",
                "One durable append of records received by HTTP",
                &APPEND_BORDERS_S,
            ),
        }
    }
}

impl Families {
    /// Every metric, registered in `registry`.
    pub(super) fn register(registry: &mut Registry) -> Self {
        let mut add = Add(registry);
        let families = Self {
            punches: Punches::register(&mut add),
            source: Source::register(&mut add),
            lake: Lake::register(&mut add),
            alerts: Alerts::register(&mut add),
            levels: Levels::register(&mut add),
            http: Http::register(&mut add),
        };
        families.start_at_zero();
        families
    }

    fn start_at_zero(&self) {
        for code in RejectCode::ALL.iter().filter(|code| !has_own_counter(**code)) {
            let _ = self.punches.rejected.get_or_create(&label("code", code.name()));
        }
        for kind in AnomalyKind::ALL {
            for state in AnomalyState::ALL {
                let _ =
                    self.alerts.published.get_or_create(&labels("kind", kind.name(), "state", state.name()));
            }
        }
        for table in schemas::tables::ALL {
            let _ = self.lake.rows.get_or_create(&label("table", table.name));
        }
        for outcome in Commit::ALL {
            let _ = self.lake.commits.get_or_create(&label("outcome", outcome.name()));
        }
        for event in Rebalance::ALL {
            let _ = self.lake.rebalances.get_or_create(&label("event", event.name()));
        }
        for outcome in Swap::ALL {
            let _ = self.lake.reference_swaps.get_or_create(&label("outcome", outcome.name()));
        }
        for result in IngestResult::ALL {
            let _ = self.http.records.get_or_create(&label("result", result.name()));
        }
    }

    /// Every outcome of `destination` at 0.
    pub(super) fn start_destination(&self, destination: &str) {
        for outcome in Delivery::ALL {
            let name = destination.to_owned();
            let _ =
                self.alerts.deliveries.get_or_create(&labels("destination", name, "outcome", outcome.name()));
        }
    }
}

/// Whether rejects of this code are counted under a name of their own: they are no loss.
pub(super) const fn has_own_counter(code: RejectCode) -> bool {
    matches!(code, RejectCode::Duplicate | RejectCode::Misplaced)
}

/// One label.
pub(super) fn label(name: &'static str, value: impl Into<Cow<'static, str>>) -> Labels<1> {
    [(name, value.into())]
}

/// Two labels.
pub(super) fn labels(
    one: &'static str,
    value: impl Into<Cow<'static, str>>,
    other: &'static str,
    other_value: impl Into<Cow<'static, str>>,
) -> Labels<2> {
    [(one, value.into()), (other, other_value.into())]
}

struct Add<'a>(&'a mut Registry);

impl Add<'_> {
    fn plain<M: Metric + Clone + Default>(&mut self, name: &str, help: &str) -> M {
        let metric = M::default();
        self.0.register(name, help, metric.clone());
        metric
    }

    fn buckets(&mut self, name: &str, help: &str, borders_s: &[f64]) -> Buckets {
        let buckets = Buckets::new(borders_s);
        self.0.register(name, help, buckets.clone());
        buckets
    }
}
