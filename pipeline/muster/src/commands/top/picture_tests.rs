//! Two scrapes and their picture, as it is.

use super::*;

const BEFORE: &str = "\
muster_build_info{version=\"0.1.0\",revision=\"abc\"} 1
process_start_time_seconds 1000
process_resident_memory_bytes 536870912
process_cpu_seconds_total 10
muster_ready 1
muster_records_total 1000000
muster_punches_accepted_total 990000
muster_punches_rejected_total{code=\"not_json\"} 5
muster_punches_rejected_total{code=\"too_large\"} 0
muster_punches_duplicate_total 9995
muster_punches_late_total 0
muster_records_misplaced_total 2
muster_lake_rows_total{table=\"punches\"} 980000
muster_commits_total{outcome=\"ok\"} 100
muster_commits_total{outcome=\"conflict\"} 0
muster_claims_lost_total 0
muster_punch_duration_seconds_bucket{le=\"0.0000005\"} 0
muster_punch_duration_seconds_bucket{le=\"0.0000007\"} 800000
muster_punch_duration_seconds_bucket{le=\"0.000005\"} 1000000
muster_punch_duration_seconds_bucket{le=\"+Inf\"} 1000000
muster_punch_duration_seconds_sum 0.64
muster_commit_duration_seconds_bucket{le=\"0.1\"} 90
muster_commit_duration_seconds_bucket{le=\"+Inf\"} 100
muster_commit_duration_seconds_sum 9
muster_alerts_published_total{kind=\"no_show\",state=\"firing\"} 10
muster_alerts_published_total{kind=\"no_show\",state=\"resolved\"} 4
muster_alerts_published_total{kind=\"late\",state=\"firing\"} 3
muster_ingest_records_total{result=\"accepted\"} 100
muster_http_requests_total{path=\"/v1/punches\",status=\"200\"} 10
muster_http_requests_total{path=\"/v1/punches\",status=\"429\"} 1
";

const AFTER: &str = "\
muster_build_info{version=\"0.1.0\",revision=\"abc\"} 1
process_start_time_seconds 1000
process_resident_memory_bytes 536870912
process_cpu_seconds_total 12.64
muster_ready 1
muster_records_total 1010250
muster_punches_accepted_total 1000200
muster_punches_rejected_total{code=\"not_json\"} 7
muster_punches_rejected_total{code=\"too_large\"} 1
muster_punches_duplicate_total 10042
muster_punches_late_total 0
muster_records_misplaced_total 2
muster_lake_rows_total{table=\"punches\"} 990240
muster_commits_total{outcome=\"ok\"} 101
muster_commits_total{outcome=\"conflict\"} 0
muster_claims_lost_total 0
muster_punch_duration_seconds_bucket{le=\"0.0000005\"} 0
muster_punch_duration_seconds_bucket{le=\"0.0000007\"} 808000
muster_punch_duration_seconds_bucket{le=\"0.000005\"} 1010000
muster_punch_duration_seconds_bucket{le=\"+Inf\"} 1010000
muster_punch_duration_seconds_sum 0.6464
muster_commit_duration_seconds_bucket{le=\"0.1\"} 90
muster_commit_duration_seconds_bucket{le=\"+Inf\"} 100
muster_commit_duration_seconds_sum 9
muster_partition_paused{partition=\"0\"} 0
muster_partition_paused{partition=\"2\"} 0
muster_partition_paused{partition=\"10\"} 1
muster_position_offset{partition=\"0\"} 1234567
muster_position_offset{partition=\"10\"} 1200000
muster_lag_records{partition=\"0\"} 120
muster_lag_records{partition=\"10\"} 1200
muster_frontier_age_seconds{partition=\"0\"} 0.84
muster_frontier_age_seconds{partition=\"10\"} 31.2
muster_log_clock_lag_seconds{partition=\"0\"} 2.1
muster_log_clock_lag_seconds{partition=\"10\"} 300
muster_queue_items{queue=\"buffered_rows\"} 100000
muster_queue_items_limit{queue=\"buffered_rows\"} 200000
muster_budget_bytes{budget=\"source\"} 12582912
muster_budget_bytes_limit{budget=\"source\"} 67108864
muster_alerts_published_total{kind=\"no_show\",state=\"firing\"} 12
muster_alerts_published_total{kind=\"no_show\",state=\"resolved\"} 5
muster_alerts_published_total{kind=\"late\",state=\"firing\"} 3
muster_alerts_published_total{kind=\"absent\",state=\"firing\"} 0
muster_deliverer_queue_messages 4
muster_deliverer_oldest_age_seconds 42
muster_deliverer_lag_records 0
muster_deliveries_total{destination=\"store page\",outcome=\"delivered\"} 20
muster_deliveries_total{destination=\"store page\",outcome=\"retried\"} 3
muster_deliveries_total{destination=\"store page\",outcome=\"failed\"} 0
muster_ingest_records_total{result=\"accepted\"} 124
muster_http_requests_total{path=\"/v1/punches\",status=\"200\"} 14
muster_http_requests_total{path=\"/v1/punches\",status=\"429\"} 1
muster_http_requests_total{path=\"/metrics\",status=\"200\"} 900
";

const PICTURE: &str = "\
muster 0.1.0   http://127.0.0.1:9464   up 3 h 12 min   ready   512 MiB resident   cpu 132 %

punches            5 100 accepted/s   1.5 rejected/s   23.5 repeated/s   0 late/s
records            1 010 250 read (5 125/s)   1 000 200 accepted   8 rejected   10 042 repeated   2 misplaced
lake               5 120 rows/s   0.5 commits/s   0 conflicts   0 claims lost

latency                  p50       p99     p99.9      mean
bytes to row          625 ns    4.8 µs    5.0 µs    640 ns
commit                 56 ms    100 ms    100 ms     90 ms   earlier

partition        position   lag                     frontier age            clock behind
       10       1 200 000   ██████████ 1 200        █████░░░░░ 31 s         ██████████ 5 min    paused
        0       1 234 567   █░░░░░░░░░ 120          █░░░░░░░░░ 0.8 s        █░░░░░░░░░ 2.1 s
        2               –   –                       –                       –

limits
buffered_rows      ██████████░░░░░░░░░░ 100 000 of 200 000
source             ████░░░░░░░░░░░░░░░░ 12 MiB of 64 MiB

alerts             no_show 17 +3   late 3
deliverer          4 in the outbox, the oldest for 42 s   0 alerts behind   3 retried   0 failed
http               12.0 records/s   2.0 requests/s   1 × 429   0 × 503
";

fn drawn(before: &str, after: &str, trouble: Option<&str>, width: usize, height: usize) -> Vec<String> {
    console::set_colors_enabled(false);
    let (before, after) = (Samples::parse(before).unwrap(), Samples::parse(after).unwrap());
    let view = View {
        url: "http://127.0.0.1:9464",
        before: &before,
        after: &after,
        between_s: 2.0,
        now_s: 1000.0 + 3.0 * 3_600.0 + 12.0 * 60.0,
        trouble,
    };
    lines(&view, width, height)
}

#[test]
fn the_picture_is_as_written() {
    let drawn = drawn(BEFORE, AFTER, None, 120, usize::MAX).join("\n");
    assert_eq!(drawn, PICTURE.trim_end(), "\n{drawn}\n");
}

#[test]
fn the_picture_fits_its_terminal() {
    for (width, height) in [(200, 60), (80, 24), (40, 12), (20, 5), (1, 1), (0, 0)] {
        let lines = drawn(BEFORE, AFTER, Some("connect: refused"), width, height);
        assert!(lines.len() <= height, "{width}×{height}: {lines:#?}");
        let widest = lines.iter().map(|line| measure_text_width(line)).max().unwrap_or(0);
        assert!(widest <= width.max(1), "{width}×{height}: {lines:#?}");
    }
}

#[test]
fn many_partitions_show_the_worst() {
    let mut after = AFTER.to_owned();
    for partition in 20..120 {
        after.push_str(&format!("muster_partition_paused{{partition=\"{partition}\"}} 0\n"));
        after.push_str(&format!("muster_lag_records{{partition=\"{partition}\"}} {partition}\n"));
    }
    let lines = drawn(BEFORE, &after, None, 120, 36);
    let text = lines.join("\n");
    assert!(lines.len() <= 36 && text.contains("more, with less lag"), "{text}");
    let rows: Vec<&str> = lines
        .iter()
        .skip_while(|line| !line.trim_start().starts_with("partition"))
        .skip(1)
        .map(|line| line.split_whitespace().next().unwrap_or(""))
        .collect();
    assert_eq!(rows[..4], ["10", "0", "119", "118"], "{text}");
    assert!(text.contains("http "), "what is below partitions keeps its place: {text}");
}

#[test]
fn a_restart_is_no_negative_rate() {
    let text = drawn(AFTER, BEFORE, None, 120, usize::MAX).join("\n");
    assert!(!text.contains('-'), "{text}");
    assert!(text.contains("no partition is owned"), "{text}");
}

#[test]
fn nothing_known_is_drawn_as_nothing_known() {
    let text = drawn("", "", Some("the processor is gone"), 120, usize::MAX).join("\n");
    for part in
        ["muster ?", "not ready", "up –", "the processor is gone", "no partition is owned", "none published"]
    {
        assert!(text.contains(part), "{part} in\n{text}");
    }
}

#[test]
fn what_is_long_goes_on_below() {
    let pieces = ["no_show 17 +3".to_owned(), "late 3".to_owned(), "contradiction 10".to_owned()];
    let lines = wrapped("alerts", &pieces, 45);
    assert_eq!(lines, ["alerts             no_show 17 +3   late 3", "                   contradiction 10"]);
    assert_eq!(wrapped("alerts", &pieces, 0).len(), 3);
}

#[test]
fn numbers_have_units_that_fit() {
    let told = [640e-9, 2.1e-6, 18e-6, 999.7e-6, 0.08, 1.5, 42.0].map(seconds);
    assert_eq!(told, ["640 ns", "2.1 µs", "18 µs", "1.0 ms", "80 ms", "1.5 s", "42 s"]);
    let told = [0.84, 9.96, 42.0, 119.4, 120.0, 11_520.0, 3_600_000.0, -3.0].map(span);
    assert_eq!(told, ["0.8 s", "10 s", "42 s", "119 s", "2 min", "3 h 12 min", "41 days", "-3.0 s"]);
    assert_eq!([0.0, 512.0, 2_048.0, 5e8, 8e9].map(bytes), ["0 B", "512 B", "2.0 KiB", "477 MiB", "7.5 GiB"]);
    assert_eq!([0.0, 0.5, 99.9, 5_120.0].map(rate), ["0", "0.5", "99.9", "5 120"]);
    assert_eq!(
        [0.0, 0.001, 0.5, 2.0, f64::NAN].map(|share| bar(share, 4)),
        ["░░░░", "█░░░", "██░░", "████", "░░░░"]
    );
}
