//! Two scrapes of a processor's metrics as lines of text: rates, latencies, partitions, budgets, alerts.
//!
//! In: `View`.  Out: lines of at most so many columns, at most so many of them.  Owns: nothing.
//! Absent on purpose: the terminal, clocks, and a number for what has no sample: that is a dash.
//! Invariants: a counter that went back (the processor restarted) counts from nothing, it is never a negative rate.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use console::{measure_text_width, style, truncate_str};
use serve::{Sample, Samples};

use crate::picture::grouped;

/// An age or lag at which a bar is full, and from which it is red.
const AGE_FULL_S: f64 = 60.0;
/// From which an age or lag is yellow: a healthy commit comes every few seconds.
const AGE_WARN_S: f64 = 15.0;
/// A bar of lag is full at the most of any partition, but not below so many records: a few are always on their way.
const LAG_FULL_MIN: f64 = 1_000.0;
/// Columns of a bar.
const BAR_COLUMNS: usize = 10;
/// Columns of a row's name.
const NAME_COLUMNS: usize = 18;

/// What there is to draw.
pub(super) struct View<'a> {
    /// The processor.
    pub(super) url: &'a str,
    /// The earlier scrape.
    pub(super) before: &'a Samples,
    /// The later scrape.
    pub(super) after: &'a Samples,
    /// Seconds between them.
    pub(super) between_s: f64,
    /// The wall clock as Unix time in seconds, for how long the processor has run.
    pub(super) now_s: f64,
    /// Why the later scrape is an old one.
    pub(super) trouble: Option<&'a str>,
}

/// The picture.
pub(super) fn lines(view: &View<'_>, width: usize, height: usize) -> Vec<String> {
    let mut lines = view.head();
    lines.push(String::new());
    lines.extend(view.flow());
    lines.push(String::new());
    lines.extend(view.latencies());
    lines.push(String::new());
    let mut below = view.levels();
    below.extend(view.alerts(width));
    below.extend(view.edges());
    // Partitions take what the rest leaves, the worst of them first.
    let left = height.saturating_sub(lines.len() + below.len() + 1);
    lines.extend(view.partitions(left.max(3)));
    lines.push(String::new());
    lines.extend(below);
    lines.truncate(height);
    lines.into_iter().map(|line| truncate_str(line.trim_end(), width, "…").into_owned()).collect()
}

impl View<'_> {
    fn now(&self, name: &str) -> f64 {
        self.after.sum(name).unwrap_or(0.0)
    }

    /// How much a counter grew, a second.
    fn rate(&self, name: &str) -> f64 {
        grown(self.before.sum(name), self.after.sum(name)) / self.between_s.max(1e-3)
    }

    fn head(&self) -> Vec<String> {
        let label =
            |name: &str| self.after.named("muster_build_info").next().and_then(|info| info.label(name));
        let up_s = self.after.sum("process_start_time_seconds").map(|started| self.now_s - started);
        let ready = match self.after.sum("muster_ready") {
            Some(ready) if ready > 0.0 => style("ready").green(),
            _ => style("not ready").red().bold(),
        };
        let title = format!("muster {}", label("version").unwrap_or("?"));
        let mut lines = vec![format!(
            "{}   {}   up {}   {ready}   {} resident   cpu {} %",
            style(title).bold(),
            self.url,
            up_s.map_or_else(dash, span),
            self.after.sum("process_resident_memory_bytes").map_or_else(dash, bytes),
            (self.rate("process_cpu_seconds_total") * 100.0).round(),
        )];
        if let Some(trouble) = self.trouble {
            lines.push(style(format!("no answer, this is the last one: {trouble}")).red().to_string());
        }
        lines
    }

    fn flow(&self) -> Vec<String> {
        let total = |name: &str| grouped(self.now(name) as u64);
        let warn = |name: &str| {
            let text = total(name);
            if self.now(name) > 0.0 { style(text).yellow().to_string() } else { text }
        };
        vec![
            format!(
                "{} {} accepted/s   {} rejected/s   {} repeated/s   {} late/s",
                name("punches"),
                rate(self.rate("muster_punches_accepted_total")),
                rate(self.rate("muster_punches_rejected_total")),
                rate(self.rate("muster_punches_duplicate_total")),
                rate(self.rate("muster_punches_late_total")),
            ),
            format!(
                "{} {} read ({}/s)   {} accepted   {} rejected   {} repeated   {} misplaced",
                name("records"),
                total("muster_records_total"),
                rate(self.rate("muster_records_total")),
                total("muster_punches_accepted_total"),
                total("muster_punches_rejected_total"),
                total("muster_punches_duplicate_total"),
                warn("muster_records_misplaced_total"),
            ),
            format!(
                "{} {} rows/s   {} commits/s   {} conflicts   {} claims lost",
                name("lake"),
                rate(self.rate("muster_lake_rows_total")),
                rate(self.rate("muster_commits_total")),
                self.outcome("muster_commits_total", "conflict"),
                warn("muster_claims_lost_total"),
            ),
        ]
    }

    fn outcome(&self, family: &str, outcome: &str) -> String {
        let count = self.after.by(family, "outcome").get(outcome).copied().unwrap_or(0.0);
        let text = grouped(count as u64);
        if count > 0.0 { style(text).yellow().to_string() } else { text }
    }

    fn latencies(&self) -> Vec<String> {
        let mut lines = vec![heading(&format!(
            "{}{:>10}{:>10}{:>10}{:>10}",
            name("latency"),
            "p50",
            "p99",
            "p99.9",
            "mean"
        ))];
        for (title, family) in [
            ("bytes to row", "muster_punch_duration_seconds"),
            ("commit", "muster_commit_duration_seconds"),
            ("alert publish", "muster_alert_publish_duration_seconds"),
            ("append to alert", "muster_append_to_publish_seconds"),
            ("http append", "muster_ingest_append_duration_seconds"),
        ] {
            let now = self.after.distribution(family);
            let recent = now.since(&self.before.distribution(family));
            // Where nothing came in between, what came before is still worth showing.
            let (shown, is_recent) = if recent.count() > 0.0 { (recent, true) } else { (now, false) };
            if shown.count() <= 0.0 {
                continue;
            }
            let mut line = name(title);
            for value in [shown.quantile(0.5), shown.quantile(0.99), shown.quantile(0.999), shown.mean()] {
                line.push_str(&format!("{:>10}", value.map_or_else(dash, seconds)));
            }
            lines.push(if is_recent { line } else { style(format!("{line}   earlier")).dim().to_string() });
        }
        if lines.len() == 1 { Vec::new() } else { lines }
    }

    /// The worst partitions first, in at most `height` lines.
    fn partitions(&self, height: usize) -> Vec<String> {
        let of = |family: &str| self.after.by(family, "partition");
        let (position, lag) = (of("muster_position_offset"), of("muster_lag_records"));
        let (age, behind) = (of("muster_frontier_age_seconds"), of("muster_log_clock_lag_seconds"));
        let paused = of("muster_partition_paused");
        let mut partitions: Vec<&String> = paused.keys().collect();
        if partitions.is_empty() {
            return vec![style("no partition is owned").yellow().to_string()];
        }
        let value = |map: &BTreeMap<String, f64>, key: &String| map.get(key).copied();
        // Ages count in steps, or every picture would have another order.
        let steps = |key: &String| (value(&age, key).unwrap_or(0.0) / AGE_WARN_S) as u64;
        partitions.sort_by_key(|key| {
            let lag = value(&lag, key).unwrap_or(0.0) as u64;
            (Reverse(lag), Reverse(steps(key)), key.parse::<u64>().unwrap_or(u64::MAX))
        });
        let lag_most = lag.values().copied().fold(LAG_FULL_MIN, f64::max);
        let heading_text = format!(
            "{:>9}{:>16}   {:<24}{:<24}{:<20}",
            "partition", "position", "lag", "frontier age", "clock behind"
        );
        let mut lines = vec![heading(&heading_text)];
        let shown =
            if partitions.len() < height { partitions.len() } else { height.saturating_sub(2).max(1) };
        for key in &partitions[..shown] {
            let lag = value(&lag, key);
            lines.push(format!(
                "{key:>9}{:>16}   {}{}{}{}",
                value(&position, key).map_or_else(dash, |offset| grouped(offset as u64)),
                cell(lag.map(|lag| lag / lag_most), lag.map(|lag| grouped(lag as u64)), 24),
                age_cell(value(&age, key), 24),
                age_cell(value(&behind, key), 20),
                if value(&paused, key).is_some_and(|paused| paused > 0.0) { "paused" } else { "" },
            ));
        }
        if shown < partitions.len() {
            let more = partitions.len() - shown;
            lines.push(style(format!("{:>9} more, with less lag", format!("+{more}"))).dim().to_string());
        }
        lines
    }

    fn levels(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (family, label, is_bytes) in
            [("muster_queue_items", "queue", false), ("muster_budget_bytes", "budget", true)]
        {
            let limits = self.after.by(&format!("{family}_limit"), label);
            for (key, used) in self.after.by(family, label) {
                let Some(limit) = limits.get(&key).copied().filter(|limit| *limit > 0.0) else { continue };
                let text = |value: f64| if is_bytes { bytes(value) } else { grouped(value as u64) };
                let share = used / limit;
                let bar = coloured(bar(share, BAR_COLUMNS * 2), share, 0.7, 0.95);
                lines.push(format!("{} {bar} {} of {}", name(&key), text(used), text(limit)));
            }
        }
        if !lines.is_empty() {
            lines.insert(0, heading("limits"));
            lines.push(String::new());
        }
        lines
    }

    fn alerts(&self, width: usize) -> Vec<String> {
        let before = self.before.by("muster_alerts_published_total", "kind");
        let mut kinds: Vec<(String, f64)> = self
            .after
            .by("muster_alerts_published_total", "kind")
            .into_iter()
            .filter(|(_, n)| *n > 0.0)
            .collect();
        kinds.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let per_kind = |(kind, count): &(String, f64)| {
            let grew = grown(before.get(kind).copied().or(Some(0.0)), Some(*count));
            let more =
                if grew > 0.0 { style(format!(" +{grew}")).yellow().to_string() } else { String::new() };
            format!("{kind} {}{more}", grouped(*count as u64))
        };
        let told: Vec<String> = kinds.iter().map(per_kind).collect();
        let told = if told.is_empty() { vec!["none published".to_owned()] } else { told };
        wrapped("alerts", &told, width)
    }

    fn edges(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let destinations = self.after.by("muster_deliveries_total", "destination");
        let outbox = self.now("muster_deliverer_queue_messages");
        if !destinations.is_empty() || outbox > 0.0 {
            lines.push(format!(
                "{} {} in the outbox, the oldest for {}   {} alerts behind   {} retried   {} failed",
                name("deliverer"),
                grouped(outbox as u64),
                span(self.now("muster_deliverer_oldest_age_seconds")),
                grouped(self.now("muster_deliverer_lag_records") as u64),
                self.outcome("muster_deliveries_total", "retried"),
                self.outcome("muster_deliveries_total", "failed"),
            ));
        }
        let refused = |code: &str| grouped(posts(self.after, Some(code)) as u64);
        let requests = grown(Some(posts(self.before, None)), Some(posts(self.after, None)));
        lines.push(format!(
            "{} {} records/s   {} requests/s   {} × 429   {} × 503",
            name("http"),
            rate(self.rate("muster_ingest_records_total")),
            rate(requests / self.between_s.max(1e-3)),
            refused("429"),
            refused("503"),
        ));
        lines
    }
}

/// Requests with punches, all or those answered so. What looks at the processor is not among them.
fn posts(samples: &Samples, status: Option<&str>) -> f64 {
    let is_post = |sample: &&Sample| sample.label("path") == Some("/v1/punches");
    let fits = |sample: &&Sample| status.is_none_or(|status| sample.label("status") == Some(status));
    samples.named("muster_http_requests_total").filter(is_post).filter(fits).map(|sample| sample.value).sum()
}

/// How much a counter grew; all of it, where it went back.
fn grown(before: Option<f64>, after: Option<f64>) -> f64 {
    let (before, after) = (before.unwrap_or(0.0), after.unwrap_or(0.0));
    if after >= before { after - before } else { after }
}

/// `pieces` behind a name, on as many lines as they need.
fn wrapped(title: &str, pieces: &[String], width: usize) -> Vec<String> {
    let mut lines = vec![name(title)];
    for piece in pieces {
        let last = lines.last().map_or(0, |line| measure_text_width(line));
        if last > NAME_COLUMNS && last + measure_text_width(piece) + 3 > width {
            lines.push(name(""));
        }
        let Some(line) = lines.last_mut() else { continue };
        line.push_str(if measure_text_width(line) > NAME_COLUMNS { "   " } else { " " });
        line.push_str(piece);
    }
    lines
}

fn heading(text: &str) -> String {
    style(text).dim().to_string()
}

fn name(text: &str) -> String {
    pad(truncate_str(text, NAME_COLUMNS - 1, "…").into_owned(), NAME_COLUMNS)
}

/// `text` filled with blanks to `columns`, whatever colours it holds.
fn pad(text: String, columns: usize) -> String {
    let blanks = columns.saturating_sub(measure_text_width(&text));
    text + &" ".repeat(blanks)
}

fn cell(share: Option<f64>, text: Option<String>, columns: usize) -> String {
    match (share, text) {
        (Some(share), Some(text)) => pad(format!("{} {text}", bar(share, BAR_COLUMNS)), columns),
        _ => pad(dash(), columns),
    }
}

fn age_cell(age_s: Option<f64>, columns: usize) -> String {
    let Some(age_s) = age_s else { return pad(dash(), columns) };
    let share = age_s / AGE_FULL_S;
    let bar = coloured(bar(share, BAR_COLUMNS), share, AGE_WARN_S / AGE_FULL_S, 1.0);
    pad(format!("{bar} {}", span(age_s)), columns)
}

fn bar(share: f64, width: usize) -> String {
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    let mut full = (share * width as f64).round() as usize;
    // Something is never drawn as nothing.
    if share > 0.0 {
        full = full.max(1);
    }
    format!("{}{}", "█".repeat(full), "░".repeat(width - full))
}

fn coloured(text: String, share: f64, warn: f64, alarm: f64) -> String {
    match share {
        share if share >= alarm => style(text).red().to_string(),
        share if share >= warn => style(text).yellow().to_string(),
        _ => text,
    }
}

fn dash() -> String {
    "–".to_owned()
}

/// A rate in at most three digits and a unit that fits.
fn rate(per_s: f64) -> String {
    if per_s >= 100.0 || per_s == 0.0 { grouped(per_s.round() as u64) } else { format!("{per_s:.1}") }
}

/// A short time: `640 ns`, `2.1 µs`, `80 ms`, `1.5 s`.
fn seconds(seconds: f64) -> String {
    // A unit ends where its number would be rounded to 1000.
    let (value, unit) = match seconds {
        s if s < 999.5e-9 => (s * 1e9, "ns"),
        s if s < 999.5e-6 => (s * 1e6, "µs"),
        s if s < 0.999_5 => (s * 1e3, "ms"),
        s => (s, "s"),
    };
    if value < 10.0 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

/// A long time: `0.8 s`, `42 s`, `3 min`, `3 h 12 min`, `41 days`.
fn span(seconds: f64) -> String {
    let whole = seconds.abs().round() as u64;
    let sign = if seconds <= -0.05 { "-" } else { "" };
    match whole {
        _ if seconds.abs() < 9.95 => format!("{sign}{:.1} s", seconds.abs()),
        0..120 => format!("{sign}{whole} s"),
        120..7_200 => format!("{sign}{} min", whole / 60),
        7_200..172_800 => format!("{sign}{} h {} min", whole / 3_600, whole / 60 % 60),
        _ => format!("{sign}{} days", whole / 86_400),
    }
}

fn bytes(count: f64) -> String {
    let mut value = count;
    for unit in ["B", "KiB", "MiB"] {
        if value < 1_024.0 {
            return if value < 10.0 && unit != "B" {
                format!("{value:.1} {unit}")
            } else {
                format!("{value:.0} {unit}")
            };
        }
        value /= 1_024.0;
    }
    format!("{value:.1} GiB")
}

#[cfg(test)]
#[path = "picture_tests.rs"]
mod tests;
