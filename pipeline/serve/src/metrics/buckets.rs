//! A histogram of fixed buckets that takes a whole tally at once.
//!
//! In: durations, one by one or as an `hdrhistogram` of nanoseconds.  Out: one Prometheus histogram in seconds.
//! Owns: a counter per bucket, all atomic.
//! Absent on purpose: locks: `prometheus-client`'s own histogram takes one for every value, and a tally holds
//! thousands.
//! Why so: fixed buckets can be added up over processes and scrapes, which the quantiles of an `hdrhistogram` cannot;
//! the tallies keep three digits, so that what a bucket's border decides is right to one part in a thousand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;
use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::{MetricType, TypedMetric};

/// A histogram of durations. Clones share their counts.
#[derive(Clone, Debug)]
pub(crate) struct Buckets(Arc<Cells>);

#[derive(Debug)]
struct Cells {
    /// Upper borders in nanoseconds, inclusive, rising; one more count lies above the last.
    borders_ns: Vec<u64>,
    counts: Vec<AtomicU64>,
    sum_ns: AtomicU64,
}

impl Buckets {
    /// Without values; `borders_s` are the buckets' upper borders in seconds, inclusive, rising.
    pub(crate) fn new(borders_s: &[f64]) -> Self {
        let borders_ns: Vec<u64> = borders_s.iter().map(|border| (border * 1e9).round() as u64).collect();
        assert!(borders_ns.is_sorted_by(|a, b| a < b), "the borders of a histogram rise");
        let counts = (0..=borders_ns.len()).map(|_| AtomicU64::new(0)).collect();
        Self(Arc::new(Cells { borders_ns, counts, sum_ns: AtomicU64::new(0) }))
    }

    /// Adds one value.
    pub(crate) fn observe(&self, took: Duration) {
        self.add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), 1);
    }

    /// Adds every value of a tally of nanoseconds.
    pub(crate) fn merge(&self, tally: &Histogram<u64>) {
        for step in tally.iter_recorded() {
            self.add(step.value_iterated_to(), step.count_since_last_iteration());
        }
    }

    fn add(&self, value_ns: u64, count: u64) {
        let bucket = self.0.borders_ns.partition_point(|border| *border < value_ns);
        self.0.counts[bucket].fetch_add(count, Ordering::Relaxed);
        self.0.sum_ns.fetch_add(value_ns.saturating_mul(count), Ordering::Relaxed);
    }
}

impl TypedMetric for Buckets {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for Buckets {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        let cells = &self.0;
        let borders = cells.borders_ns.iter().map(|ns| *ns as f64 / 1e9).chain([f64::INFINITY]);
        let counts = cells.counts.iter().map(|count| count.load(Ordering::Relaxed));
        // The count is the sum of what was just read, not a counter of its own: both then always agree.
        let buckets: Vec<(f64, u64)> = borders.zip(counts).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum = cells.sum_ns.load(Ordering::Relaxed) as f64 / 1e9;
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    fn text(buckets: &Buckets) -> String {
        let mut registry = Registry::default();
        registry.register("d", "d", buckets.clone());
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        text
    }

    #[test]
    fn a_value_on_a_border_belongs_below_it() {
        let buckets = Buckets::new(&[0.001, 0.01]);
        for us in [999, 1_000, 1_001, 10_000, 10_001] {
            buckets.observe(Duration::from_micros(us));
        }
        let text = text(&buckets);
        for line in [
            "d_bucket{le=\"0.001\"} 2",
            "d_bucket{le=\"0.01\"} 4",
            "d_bucket{le=\"+Inf\"} 5",
            "d_count 5",
            "d_sum 0.023001",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
    }

    #[test]
    fn a_tally_is_added_whole() {
        let mut tally = Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 3).unwrap();
        tally.record_n(640, 1_000).unwrap();
        tally.record_n(2_000_000, 3).unwrap();
        let buckets = Buckets::new(&[1e-6, 1e-3]);
        buckets.merge(&tally);
        buckets.merge(&tally);
        let text = text(&buckets);
        assert!(
            text.contains("d_bucket{le=\"0.000001\"} 2000") || text.contains("d_bucket{le=\"1e-6\"} 2000")
        );
        assert!(text.contains("d_bucket{le=\"+Inf\"} 2006"), "{text}");
    }
}
