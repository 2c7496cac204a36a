//! How long the oldest message of the outbox has waited, computed when it is asked for.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use model::EventTime;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use source::WallClock;

/// Nothing waits.
const NONE: i64 = i64::MIN;

/// Since when the oldest message waits. Clones share it.
#[derive(Clone)]
pub(super) struct Oldest {
    since_us: Arc<AtomicI64>,
    now: WallClock,
}

impl fmt::Debug for Oldest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oldest").field("since_us", &self.since_us).finish_non_exhaustive()
    }
}

impl Oldest {
    pub(super) fn new(now: WallClock) -> Self {
        Self { since_us: Arc::new(AtomicI64::new(NONE)), now }
    }

    pub(super) fn set(&self, since: Option<EventTime>) {
        self.since_us.store(since.map_or(NONE, EventTime::us), Ordering::Relaxed);
    }
}

impl Collector for Oldest {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let age = match self.since_us.load(Ordering::Relaxed) {
            NONE => 0.0,
            since_us => ((self.now)().us().saturating_sub(since_us) as f64 / 1e6).max(0.0),
        };
        let (name, help) =
            ("muster_deliverer_oldest_age_seconds", "How long the oldest message in the outbox has waited.");
        encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&age)
    }
}
