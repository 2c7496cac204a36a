//! The dashboard and the rules beside it ask only for metrics that exist.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::{EventTime, LogClock, NextOffset, Partition, RejectCode};
use serde_json::Value;

use crate::exposition::Samples;
use crate::metrics::tests::metrics;

fn docker(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docker").join(file)
}

fn read(file: &str) -> String {
    let path = docker(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every sample's name and every label's, with one of each kind of metric set.
fn shown() -> (BTreeSet<String>, BTreeSet<String>) {
    let metrics = metrics();
    let partition = metrics.partition(Partition::new(0));
    let clock = LogClock::at(EventTime::from_ms(1_793_581_111_000));
    partition.set_position(NextOffset::START);
    partition.set_end(NextOffset::START);
    partition.set_clock(clock);
    partition.committed(NextOffset::START, clock);
    metrics.queue("buffered_rows", 1).set(1);
    metrics.budget("source", 1).set(1);
    metrics.set_waiting("lake", Duration::ZERO);
    metrics.add_destination("store-page");
    metrics.count_rule_runs("shared_device", 1, 0);
    metrics.count_ingest_rejected(RejectCode::NotJson);
    metrics.request_begun();
    metrics.request_ended("/metrics", 200, Duration::from_millis(1));
    let samples = Samples::parse(&metrics.text()).unwrap();
    let labels = samples.iter().flat_map(|sample| sample.labels.iter().map(|(label, _)| label.clone()));
    let names = samples.iter().map(|sample| sample.name.clone()).collect();
    (names, labels.collect())
}

/// The words of `text` that are names of our metrics.
fn asked(text: &str) -> BTreeSet<&str> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    text.split(|c: char| !is_word(c))
        .filter(|word| word.starts_with("muster_") || word.starts_with("process_"))
        .collect()
}

/// Every text under a key named `key`, however deep.
fn texts<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name == key => found.push(text),
                    _ => texts(value, key, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| texts(value, key, found)),
        _ => {}
    }
}

fn dashboard() -> Value {
    serde_json::from_str(&read("grafana/dashboards/muster.json")).unwrap()
}

#[test]
fn the_dashboard_asks_only_for_metrics_that_exist() {
    let dashboard = dashboard();
    let (names, _) = shown();
    let mut queries = Vec::new();
    texts(&dashboard, "expr", &mut queries);
    texts(&dashboard, "query", &mut queries);
    let asked: BTreeSet<&str> = queries.iter().flat_map(|query| asked(query)).collect();
    let unknown: Vec<&&str> = asked.iter().filter(|name| !names.contains(**name)).collect();
    assert!(unknown.is_empty(), "{unknown:?} are not among {names:#?}");
    assert!(asked.len() > 40, "the dashboard shows most of what is counted, not {} metrics", asked.len());
    for query in &queries {
        assert!(
            !query.contains('{') || query.contains("instance=~\"$instance\""),
            "{query} ignores the processor chosen"
        );
    }
}

#[test]
fn the_dashboard_groups_only_by_labels_that_exist() {
    let dashboard = dashboard();
    let (_, mut labels) = shown();
    // Prometheus adds it to every sample of a target.
    labels.insert("instance".into());
    let mut queries = Vec::new();
    texts(&dashboard, "expr", &mut queries);
    let mut grouped = 0;
    for query in queries {
        for by in query.split(" by (").skip(1) {
            let (list, _) = by.split_once(')').unwrap();
            for label in list.split(',').map(str::trim) {
                assert!(labels.contains(label), "{label} in {query}");
                grouped += 1;
            }
        }
    }
    assert!(grouped > 10, "{grouped}");
}

#[test]
fn panels_lie_beside_each_other() {
    let dashboard = dashboard();
    let mut taken = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title} has another panel's id");
        let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24, "{title} is wider than the dashboard");
        for y in at("y")..at("y") + at("h") {
            for x in at("x")..at("x") + at("w") {
                assert!(taken.insert((x, y)), "{title} covers another panel");
            }
        }
        let is_row = panel["type"] == "row";
        assert!(is_row || !panel["targets"].as_array().unwrap().is_empty(), "{title} shows nothing");
    }
}

#[test]
fn the_rules_ask_only_for_metrics_that_exist() {
    let rules = read("prometheus/alerts.yml");
    let (names, _) = shown();
    let mut count = 0;
    for line in rules.lines().filter_map(|line| line.trim().strip_prefix("expr: ")) {
        count += 1;
        for name in asked(line) {
            assert!(names.contains(name), "{name} in {line}");
        }
    }
    assert_eq!(count, rules.matches("- alert: ").count());
}

#[test]
fn what_is_scraped_is_where_the_processor_listens() {
    let target = crate::DEFAULT_ADDRESS;
    assert!(read("prometheus/prometheus.yml").contains(&format!("targets: [{target}]")));
    assert!(read("muster.toml").contains(&format!("address = \"{target}\"")));
}
