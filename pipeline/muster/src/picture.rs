//! A live picture of a running pipeline on a terminal: rates, latencies, alerts as they come, stores by attendance.
//!
//! In: `Scene`, a few times a second.  Out: lines on the terminal, in place of the ones drawn before.
//! Owns: how many lines it drew last.
//! Absent on purpose: input, colours without a terminal, anything the scene does not say.

use std::collections::VecDeque;

use console::{Term, measure_text_width, style, truncate_str};

/// How many of the latest alerts are kept to be shown.
const ALERTS_KEPT_MAX: usize = 64;

/// One store's line.
#[derive(Clone, Debug, PartialEq)]
pub struct StoreLine {
    /// Its name.
    pub name: String,
    /// Shifts that have begun by the log's clock.
    pub due: usize,
    /// Of those, shifts with a punch.
    pub here: usize,
}

/// What there is to show.
#[derive(Clone, Debug, Default)]
pub struct Scene {
    /// First line: what runs.
    pub title: String,
    /// The log's clock on the wall of the place: `Mon 2026-11-02 08:58:31`.
    pub clock: String,
    /// Punches judged so far.
    pub punches: u64,
    /// Punches of the whole run, where known.
    pub punches_total: Option<u64>,
    /// Punches a second over the last interval.
    pub punches_per_s: f64,
    /// Hot path per punch in ns: p50, p99, p99.9.
    pub latency_ns: [u64; 3],
    /// Rows in the lake so far.
    pub committed: u64,
    /// Alerts now firing.
    pub firing: usize,
    /// The latest alerts, newest first: (time of day, severity, sentence).
    pub alerts: VecDeque<(String, model::Severity, String)>,
    /// Stores with the lowest attendance first.
    pub stores: Vec<StoreLine>,
}

impl Scene {
    /// Puts an alert on top of the list.
    pub fn push_alert(&mut self, time: String, severity: model::Severity, sentence: String) {
        self.alerts.push_front((time, severity, sentence));
        self.alerts.truncate(ALERTS_KEPT_MAX);
    }

    /// The picture as lines of at most `width` columns, at most `height` of them.
    pub fn lines(&self, width: usize, height: usize) -> Vec<String> {
        let mut lines = vec![
            style(&self.title).bold().to_string(),
            format!(
                "log clock {}   firing {}   rows in the lake {}",
                self.clock, self.firing, self.committed
            ),
            self.progress(width),
            format!(
                "hot path per punch   p50 {}   p99 {}   p99.9 {}",
                nanoseconds(self.latency_ns[0]),
                nanoseconds(self.latency_ns[1]),
                nanoseconds(self.latency_ns[2])
            ),
        ];
        let left = height.saturating_sub(lines.len() + 2);
        let store_lines = self.stores.len().min(left / 2);
        lines.push(style("stores by attendance, lowest first").dim().to_string());
        lines.extend(self.stores.iter().take(store_lines).map(|store| store_line(store, width)));
        lines.push(style("alerts as they come").dim().to_string());
        let alert_lines = left.saturating_sub(store_lines);
        lines.extend(self.alerts.iter().take(alert_lines).map(|(time, severity, text)| {
            let mark = match severity {
                model::Severity::High => style("●").red(),
                model::Severity::Medium => style("●").yellow(),
                _ => style("○").dim(),
            };
            format!("{} {mark} {text}", style(time).dim())
        }));
        lines.truncate(height);
        lines.into_iter().map(|line| truncate_str(&line, width, "…").into_owned()).collect()
    }

    fn progress(&self, width: usize) -> String {
        let rate = format!("{} punches/s", grouped(self.punches_per_s.round() as u64));
        let Some(total) = self.punches_total.filter(|total| *total > 0) else {
            return format!("{} punches   {rate}", grouped(self.punches));
        };
        let text = format!("{} of {} punches   {rate}", grouped(self.punches), grouped(total));
        let room = width.saturating_sub(measure_text_width(&text) + 3).min(40);
        format!("{} {text}", bar(self.punches as f64 / total as f64, room))
    }
}

/// Draws scenes over one another.
pub struct Picture {
    term: Term,
    drawn: usize,
}

impl Picture {
    /// A picture on standard error, or `None` where that is no terminal.
    pub fn on_terminal() -> Option<Self> {
        let term = Term::stderr();
        term.is_term().then_some(Self { term, drawn: 0 })
    }

    /// Draws `scene` in place of the one before.
    ///
    /// # Errors
    /// What the terminal says.
    pub fn draw(&mut self, scene: &Scene) -> std::io::Result<()> {
        let (height, width) = self.term.size();
        let lines = scene.lines(usize::from(width), usize::from(height).saturating_sub(1));
        self.term.clear_last_lines(self.drawn)?;
        self.drawn = lines.len();
        self.term.write_str(&format!("{}\n", lines.join("\n")))
    }
}

fn store_line(store: &StoreLine, width: usize) -> String {
    let share = if store.due == 0 { 1.0 } else { store.here as f64 / store.due as f64 };
    let name = truncate_str(&store.name, 28, "…").into_owned();
    let pad = 28_usize.saturating_sub(measure_text_width(&name));
    format!(
        "{name}{} {} {}/{}",
        " ".repeat(pad),
        bar(share, width.saturating_sub(46).min(40)),
        store.here,
        store.due
    )
}

fn bar(share: f64, width: usize) -> String {
    let full = (share.clamp(0.0, 1.0) * width as f64).round() as usize;
    format!("{}{}", "█".repeat(full), "░".repeat(width - full))
}

fn nanoseconds(ns: u64) -> String {
    match ns {
        0..10_000 => format!("{ns} ns"),
        10_000..10_000_000 => format!("{} µs", ns / 1_000),
        _ => format!("{} ms", ns / 1_000_000),
    }
}

/// A number with thin groups of three, as `12 345`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scene() -> Scene {
        let mut scene = Scene {
            title: "demo: 2 stores".into(),
            clock: "Mon 2026-11-02 08:58:31".into(),
            punches: 1_200,
            punches_total: Some(4_800),
            punches_per_s: 5_123.4,
            latency_ns: [640, 2_100, 18_000],
            stores: vec![
                StoreLine { name: "Mong Kok 2".into(), due: 4, here: 1 },
                StoreLine { name: "旺角".into(), due: 0, here: 0 },
            ],
            ..Scene::default()
        };
        scene.push_alert("08:58".into(), model::Severity::High, "Not here yet, E17".into());
        scene
    }

    #[test]
    fn the_picture_fits_its_terminal() {
        for (width, height) in [(80, 24), (40, 10), (20, 5), (1, 1)] {
            let lines = scene().lines(width, height);
            assert!(lines.len() <= height);
            assert!(
                lines.iter().all(|line| measure_text_width(line) <= width),
                "{width}×{height}: {lines:#?}"
            );
        }
    }

    #[test]
    fn the_picture_says_what_the_scene_says() {
        console::set_colors_enabled(false);
        let text = scene().lines(100, 30).join("\n");
        for part in
            ["1 200 of 4 800", "5 123 punches/s", "p50 640 ns", "p99.9 18 µs", "1/4", "● Not here yet, E17"]
        {
            assert!(text.contains(part), "{part} in\n{text}");
        }
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(["7", "1 000", "12 345 678"], [7, 1_000, 12_345_678].map(grouped)[..]);
    }
}
