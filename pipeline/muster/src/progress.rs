//! Progress of a run over a file: a bar on a terminal, plain lines in a pipe.
//!
//! In: what was counted so far.  Out: text on standard error.  Owns: the bar, or when the last line was written.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::picture::grouped;
use crate::worker::Tally;

/// Between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// A run's progress.
#[derive(Debug)]
pub struct Progress {
    name: String,
    bar: Option<ProgressBar>,
    begun: Instant,
    told: Instant,
}

impl Progress {
    /// The progress of a run over `name`.
    pub fn new(name: &str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner().with_prefix(name.to_owned());
            let style = ProgressStyle::with_template("{spinner} {prefix}  {msg}  {elapsed}");
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
        });
        Self { name: name.to_owned(), bar, begun: Instant::now(), told: Instant::now() }
    }

    /// Shows how far the run is.
    pub fn show(&mut self, tally: &Tally, committed: u64) {
        let text =
            || format!("{} records read, {} rows in the lake", grouped(tally.records), grouped(committed));
        match &self.bar {
            Some(bar) => {
                bar.set_message(text());
                bar.tick();
            }
            None if self.told.elapsed() >= LINE_EVERY => {
                self.told = Instant::now();
                crate::tell(format_args!("{}: {}", self.name, text()));
            }
            None => {}
        }
    }

    /// Says how it ended.
    pub fn finish(&self, tally: &Tally) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let seconds = self.begun.elapsed().as_secs_f64();
        let rate = (tally.records as f64 / seconds.max(1e-9)).round() as u64;
        let (name, rate) = (&self.name, grouped(rate));
        let records =
            format!("{} record{}", grouped(tally.records), if tally.records == 1 { "" } else { "s" });
        crate::tell(format_args!("{name}: {records} in {seconds:.1} s ({rate} a second)"));
    }
}
