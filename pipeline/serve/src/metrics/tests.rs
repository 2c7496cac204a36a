//! What is counted is shown, under names that Prometheus and people can rely on.

use std::sync::atomic::AtomicI64;

use model::{LogClock, NextOffset};

use super::*;
use crate::exposition::Samples;

/// 2026-11-02T00:58:31Z.
const NOW_US: i64 = 1_793_581_111_000_000;

pub(crate) fn metrics() -> Metrics {
    Metrics::new(Build { version: "0.1.0", revision: "abc" }, Arc::new(|| EventTime::from_us(NOW_US)))
}

fn scrape(metrics: &Metrics) -> Samples {
    Samples::parse(&metrics.text()).unwrap()
}

fn value(metrics: &Metrics, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let samples = scrape(metrics);
    let fits = |sample: &&crate::Sample| labels.iter().all(|(name, value)| sample.label(name) == Some(value));
    samples.named(name).find(fits).map(|sample| sample.value)
}

/// A sample: its name, some of its labels, its value.
type Expected<'a> = (&'a str, &'a [(&'a str, &'a str)], f64);

#[test]
fn everything_counted_is_shown() {
    let metrics = metrics();
    metrics.count_records(10);
    metrics.count_accepted(7);
    metrics.count_rejected(RejectCode::NotJson, 2);
    metrics.count_rejected(RejectCode::Duplicate, 1);
    metrics.count_duplicates(1);
    metrics.count_late(3);
    metrics.count_misplaced(4);
    metrics.count_unknown_fields(5);
    metrics.count_dead_letters(2);
    metrics.count_rebalanced(Rebalance::Lost, 2);
    metrics.count_claims(6);
    metrics.count_claims_lost(1);
    metrics.count_commit(Commit::Conflict);
    metrics.set_waiting("lake", Duration::from_millis(62_900));
    metrics.count_lake_rows("punches", 7);
    metrics.count_reference_swap(Swap::Refused);
    metrics.count_alerts(AnomalyKind::NoShow, AnomalyState::Resolved, 3);
    metrics.count_rule_runs("shared_device", 4, 1);
    metrics.count_rule_sets(2, 1);
    metrics.add_destination("store page");
    metrics.count_delivery("store page", Delivery::Retried);
    metrics.set_source(SourceTotals { repeats: 8, stalls: 1, missing_offsets: 9, unanswered_looks: 2 });
    metrics.set_source(SourceTotals { repeats: 9, stalls: 1, missing_offsets: 9, unanswered_looks: 2 });
    metrics.set_deliverer(12, Some(EventTime::from_us(NOW_US - 90_000_000)), 5);
    let expected: &[Expected<'_>] = &[
        ("muster_records_total", &[], 10.0),
        ("muster_rule_runs_total", &[("rule", "shared_device"), ("outcome", "done")], 4.0),
        ("muster_rule_runs_total", &[("rule", "shared_device"), ("outcome", "failed")], 1.0),
        ("muster_rule_sets_total", &[("outcome", "accepted")], 2.0),
        ("muster_rule_sets_total", &[("outcome", "refused")], 1.0),
        ("muster_punches_accepted_total", &[], 7.0),
        ("muster_punches_rejected_total", &[("code", "not_json")], 2.0),
        ("muster_punches_rejected_total", &[("code", "time_impossible")], 0.0),
        ("muster_punches_duplicate_total", &[], 1.0),
        ("muster_punches_late_total", &[], 3.0),
        ("muster_records_misplaced_total", &[], 4.0),
        ("muster_unknown_fields_total", &[], 5.0),
        ("muster_dead_letters_total", &[], 2.0),
        ("muster_source_repeats_total", &[], 9.0),
        ("muster_source_stalls_total", &[], 1.0),
        ("muster_source_missing_offsets_total", &[], 9.0),
        ("muster_source_unanswered_looks_total", &[], 2.0),
        ("muster_rebalanced_partitions_total", &[("event", "lost")], 2.0),
        ("muster_claims_total", &[], 6.0),
        ("muster_claims_lost_total", &[], 1.0),
        ("muster_commits_total", &[("outcome", "conflict")], 1.0),
        ("muster_commits_total", &[("outcome", "ok")], 0.0),
        ("muster_lake_rows_total", &[("table", "punches")], 7.0),
        ("muster_reference_swaps_total", &[("outcome", "refused")], 1.0),
        ("muster_alerts_published_total", &[("kind", "no_show"), ("state", "resolved")], 3.0),
        ("muster_alerts_published_total", &[("kind", "no_show"), ("state", "firing")], 0.0),
        ("muster_deliveries_total", &[("destination", "store page"), ("outcome", "retried")], 1.0),
        ("muster_deliveries_total", &[("destination", "store page"), ("outcome", "failed")], 0.0),
        ("muster_deliverer_queue_messages", &[], 12.0),
        ("muster_deliverer_oldest_age_seconds", &[], 90.0),
        ("muster_deliverer_lag_records", &[], 5.0),
        ("muster_waiting_seconds", &[("outside", "lake")], 62.0),
        ("muster_build_info", &[("version", "0.1.0"), ("revision", "abc")], 1.0),
        ("process_start_time_seconds", &[], NOW_US as f64 / 1e6),
    ];
    for (name, labels, number) in expected {
        assert_eq!(value(&metrics, name, labels), Some(*number), "{name} {labels:?}");
    }
    assert_eq!(value(&metrics, "muster_punches_rejected_total", &[("code", "duplicate")]), None);
}

#[test]
fn durations_are_histograms_in_seconds() {
    let metrics = metrics();
    let mut tally = Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 3).unwrap();
    tally.record_n(640, 99).unwrap();
    tally.record_n(40_000, 1).unwrap();
    metrics.punch_durations(&tally);
    metrics.commit_duration(Duration::from_millis(80));
    let of_ns = |ns: u64| {
        let mut tally = Histogram::<u64>::new(2).unwrap();
        tally.record(ns).unwrap();
        tally
    };
    metrics.publish_durations(&of_ns(700_000));
    metrics.append_to_publish(&of_ns(18_000_000));
    let samples = scrape(&metrics);
    let punches = samples.distribution("muster_punch_duration_seconds");
    assert_eq!(punches.count(), 100.0);
    let median = punches.quantile(0.5).unwrap();
    assert!((5e-7..=7e-7).contains(&median), "{median}");
    for (name, from, until) in [
        ("muster_commit_duration_seconds", 0.05, 0.1),
        ("muster_alert_publish_duration_seconds", 0.0005, 0.001),
        ("muster_append_to_publish_seconds", 0.015, 0.02),
    ] {
        let median = samples.distribution(name).quantile(0.5).unwrap();
        assert!((from..=until).contains(&median), "{name} {median}");
    }
}

#[test]
fn a_partition_is_shown_while_it_is_owned() {
    let now = Arc::new(AtomicI64::new(NOW_US));
    let clock: WallClock = Arc::new({
        let now = Arc::clone(&now);
        move || EventTime::from_us(now.load(Ordering::Relaxed))
    });
    let metrics = Metrics::new(Build { version: "0", revision: "" }, clock);
    let partition = metrics.partition(Partition::new(3));
    assert_eq!(value(&metrics, "muster_assigned_partitions", &[]), Some(1.0));
    assert_eq!(value(&metrics, "muster_lag_records", &[]), None, "the end is not known yet");
    let next = |offset| NextOffset::new(offset).unwrap();
    partition.set_position(next(100));
    partition.set_end(next(130));
    partition.set_clock(LogClock::at(EventTime::from_us(NOW_US - 2_000_000)));
    partition.committed(next(90), LogClock::at(EventTime::from_us(NOW_US - 5_000_000)));
    partition.set_buffered(10, 4_096);
    partition.paused();
    now.store(NOW_US + 7_000_000, Ordering::Relaxed);
    // Told again: the age goes on growing.
    partition.committed(next(90), LogClock::at(EventTime::from_us(NOW_US - 5_000_000)));
    for (name, number) in [
        ("muster_position_offset", 100.0),
        ("muster_end_offset", 130.0),
        ("muster_lag_records", 30.0),
        ("muster_frontier_offset", 90.0),
        ("muster_frontier_age_seconds", 7.0),
        ("muster_frontier_clock_lag_seconds", 12.0),
        ("muster_log_clock_lag_seconds", 9.0),
        ("muster_log_clock_timestamp_seconds", NOW_US as f64 / 1e6 - 2.0),
        ("muster_partition_buffered_records", 10.0),
        ("muster_partition_buffered_bytes", 4_096.0),
        ("muster_partition_paused", 1.0),
    ] {
        assert_eq!(value(&metrics, name, &[("partition", "3")]), Some(number), "{name}");
    }
    assert_eq!(value(&metrics, "muster_paused_partitions", &[]), Some(1.0));
    partition.committed(next(90), LogClock::at(EventTime::from_us(NOW_US)));
    assert_eq!(
        value(&metrics, "muster_frontier_age_seconds", &[]),
        Some(0.0),
        "the clock alone was committed"
    );
    partition.resumed();
    assert_eq!(value(&metrics, "muster_paused_partitions", &[]), Some(0.0));
    metrics.release(Partition::new(3));
    assert_eq!(value(&metrics, "muster_assigned_partitions", &[]), Some(0.0));
    assert_eq!(value(&metrics, "muster_position_offset", &[]), None);
}

#[test]
fn a_clock_that_is_not_set_is_not_shown() {
    let metrics = metrics();
    let partition = metrics.partition(Partition::new(0));
    partition.set_clock(LogClock::UNSET);
    assert_eq!(value(&metrics, "muster_log_clock_lag_seconds", &[]), None);
}

#[test]
fn levels_stand_beside_their_limits() {
    let metrics = metrics();
    let rows = metrics.queue("buffered_rows", 200_000);
    let bytes = metrics.budget("source", 64 << 20);
    rows.set(150);
    rows.add(7);
    rows.sub(2);
    bytes.set(1 << 20);
    for (name, label, number) in [
        ("muster_queue_items", ("queue", "buffered_rows"), 155.0),
        ("muster_queue_items_limit", ("queue", "buffered_rows"), 200_000.0),
        ("muster_budget_bytes", ("budget", "source"), 1_048_576.0),
        ("muster_budget_bytes_limit", ("budget", "source"), 67_108_864.0),
    ] {
        assert_eq!(value(&metrics, name, &[label]), Some(number), "{name}");
    }
}

#[test]
fn names_follow_the_conventions() {
    let metrics = metrics();
    let text = metrics.text();
    assert!(text.ends_with("# EOF\n"));
    let mut types = std::collections::BTreeMap::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(types.insert(name.to_owned(), kind.to_owned()), None, "{name} twice");
            assert!(name.starts_with("muster_") || name.starts_with("process_"), "{name}");
            assert!(!name.ends_with("_total"), "{name}: the format adds it");
            if kind == "histogram" {
                assert!(name.ends_with("_seconds"), "{name} names its unit");
            }
        }
        if let Some(rest) = line.strip_prefix("# HELP ") {
            assert!(rest.ends_with('.') && !rest.ends_with(".."), "{rest}");
        }
    }
    for sample in scrape(&metrics).iter() {
        let family = ["_total", "_bucket", "_sum", "_count"]
            .iter()
            .find_map(|suffix| sample.name.strip_suffix(suffix).filter(|name| types.contains_key(*name)));
        let name = family.unwrap_or(&sample.name);
        let kind = types.get(name).unwrap_or_else(|| panic!("{} has no type", sample.name));
        assert_eq!(kind == "counter", sample.name.ends_with("_total"), "{}", sample.name);
        for (label, _) in &sample.labels {
            assert!(!label.ends_with("_id"), "{label} would name a person, a device or a shift");
        }
    }
}
