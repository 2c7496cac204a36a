//! What each stage may cost in instructions: the committed figures, and whether a count keeps to them.
//!
//! In: the text of `benches/instructions.toml`, counts.  Out: a ruling for each stage, the text with new figures.
//! Owns: the figures of every kind of machine that were ever accepted.
//! Invariants: a stage without a figure, or a figure without a stage, is never passed over (`what_is_not_compared_is_told`).
//! Why so: instructions do not depend on what else a machine does, but on its processor: libraries choose their code by
//! what it can do. So each kind of machine has figures of its own, and one that has none is told so.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Deserialize;

/// What a file of figures opens with.
const HEAD: &str = "\
# Instructions a record that each hot stage takes, counted by callgrind over fixed seeds, for each kind of machine.
# `tests/instructions` counts again and fails where a stage takes more than its figure and the margin allow;
# `tests/instructions --accept` writes what it counts. Say in the commit why a figure has grown.
";

/// Figures of every kind of machine.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figures {
    /// How much more than its figure a stage may take before it counts as slower, in percent: what other compilers and
    /// libraries of the same version families change by themselves.
    pub margin_percent: f64,
    /// By [`machine`].
    #[serde(default)]
    machines: BTreeMap<String, Machine>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Machine {
    /// The compiler they were counted with.
    rustc: String,
    /// Instructions a record, by stage.
    stages: BTreeMap<String, u64>,
}

/// How a stage stands to its figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ruling {
    /// Within the margin on either side.
    Kept,
    /// Fewer than the margin explains: the figure no longer guards it.
    Faster,
    /// More than the margin allows.
    Slower,
    /// Counted, and there is no figure.
    NoFigure,
    /// There is a figure, and nothing was counted.
    NotCounted,
}

/// One stage beside its figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    /// The stage.
    pub stage: String,
    /// Instructions a record as counted.
    pub counted: Option<u64>,
    /// The figure.
    pub figure: Option<u64>,
    /// What follows.
    pub ruling: Ruling,
}

impl Compared {
    /// How much more than the figure was counted, in percent; 0 where either is missing.
    pub fn more_percent(&self) -> f64 {
        match (self.counted, self.figure) {
            (Some(counted), Some(figure)) => 100.0 * (counted as f64 / figure.max(1) as f64 - 1.0),
            _ => 0.0,
        }
    }
}

impl Figures {
    /// Reads the file's text.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse(text: &str) -> Result<Self, String> {
        let figures: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        match figures.margin_percent {
            0.0..=100.0 => Ok(figures),
            other => Err(format!("margin_percent is {other}: it must be between 0 and 100")),
        }
    }

    /// The file's text.
    pub fn text(&self) -> String {
        let mut text = format!("{HEAD}margin_percent = {:?}\n", self.margin_percent);
        for (name, machine) in &self.machines {
            let stages: String =
                machine.stages.iter().map(|(stage, figure)| format!("{stage} = {figure}\n")).collect();
            // Writing to a text cannot fail.
            let _ = write!(text, "\n[machines.{name}]\nrustc = {:?}\n\n", machine.rustc);
            let _ = write!(text, "[machines.{name}.stages]\n{stages}");
        }
        text
    }

    /// The compiler that the machine's figures were counted with; `None`: there are no figures of such a machine.
    pub fn rustc(&self, machine: &str) -> Option<&str> {
        self.machines.get(machine).map(|machine| machine.rustc.as_str())
    }

    /// Every stage that was counted, or has a figure, beside the other.
    pub fn compare(&self, machine: &str, counts: &BTreeMap<String, u64>) -> Vec<Compared> {
        let none = BTreeMap::new();
        let figures = self.machines.get(machine).map_or(&none, |machine| &machine.stages);
        let stages: BTreeSet<&String> = counts.keys().chain(figures.keys()).collect();
        let compared = |stage: &String| {
            let (counted, figure) = (counts.get(stage).copied(), figures.get(stage).copied());
            let ruling = match (counted, figure) {
                (Some(counted), Some(figure)) => self.rule(counted as f64, figure as f64),
                (Some(_), None) => Ruling::NoFigure,
                _ => Ruling::NotCounted,
            };
            Compared { stage: stage.clone(), counted, figure, ruling }
        };
        stages.into_iter().map(compared).collect()
    }

    fn rule(&self, counted: f64, figure: f64) -> Ruling {
        let margin = self.margin_percent / 100.0;
        if counted > figure * (1.0 + margin) {
            Ruling::Slower
        } else if counted < figure * (1.0 - margin) {
            Ruling::Faster
        } else {
            Ruling::Kept
        }
    }

    /// Takes the counts for the machine's figures, in place of all that it had.
    pub fn accept(&mut self, machine: &str, rustc: &str, counts: BTreeMap<String, u64>) {
        self.machines.insert(machine.to_owned(), Machine { rustc: rustc.to_owned(), stages: counts });
    }
}

/// The kind of machine this is, as far as the count of instructions depends on it.
pub fn machine() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        return "x86_64-avx2";
    }
    std::env::consts::ARCH
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(of: &[(&str, u64)]) -> BTreeMap<String, u64> {
        of.iter().map(|(stage, count)| ((*stage).to_owned(), *count)).collect()
    }

    fn figures() -> Figures {
        let mut figures = Figures { margin_percent: 5.0, machines: BTreeMap::new() };
        figures.accept("here", "1.95.0", counts(&[("decode", 1_000), ("match", 400)]));
        figures
    }

    fn rulings(of: &[(&str, u64)]) -> Vec<(String, Ruling)> {
        let compared = figures().compare("here", &counts(of));
        compared.into_iter().map(|compared| (compared.stage, compared.ruling)).collect()
    }

    #[test]
    fn a_stage_is_slower_beyond_the_margin_only() {
        use Ruling::{Faster, Kept, Slower};
        for (count, ruling) in
            [(1_000, Kept), (1_050, Kept), (1_051, Slower), (950, Kept), (949, Faster), (9_000, Slower)]
        {
            let found = rulings(&[("decode", count), ("match", 400)]);
            assert_eq!(found, [("decode".to_owned(), ruling), ("match".to_owned(), Kept)], "{count}");
        }
        let slower = &figures().compare("here", &counts(&[("decode", 1_100)]))[0];
        assert!((slower.more_percent() - 10.0).abs() < 1e-9, "{slower:?}");
    }

    #[test]
    fn what_is_not_compared_is_told() {
        let found = rulings(&[("decode", 1_000), ("judge", 1)]);
        let expected = [
            ("decode".to_owned(), Ruling::Kept),
            ("judge".to_owned(), Ruling::NoFigure),
            ("match".to_owned(), Ruling::NotCounted),
        ];
        assert_eq!(found, expected);
        let elsewhere = figures().compare("elsewhere", &counts(&[("decode", 1_000)]));
        assert_eq!(elsewhere[0].ruling, Ruling::NoFigure);
        assert_eq!((figures().rustc("here"), figures().rustc("elsewhere")), (Some("1.95.0"), None));
    }

    #[test]
    fn what_is_written_reads_back_and_keeps_other_machines() {
        let mut figures = figures();
        figures.accept("x86_64-avx2", "1.96.0", counts(&[("decode", 900)]));
        let again = Figures::parse(&figures.text()).unwrap();
        assert_eq!(again, figures);
        assert_eq!(again.rustc("here"), Some("1.95.0"));
        assert_eq!(again.text(), figures.text());
    }

    #[test]
    fn the_committed_figures_can_be_read() {
        let figures = Figures::parse(include_str!("../../instructions.toml")).unwrap();
        assert_eq!(figures.text(), include_str!("../../instructions.toml"), "as `--accept` writes it");
        assert!(Figures::parse("margin_percent = -1.0").is_err());
        assert!(Figures::parse("margin = 1").is_err());
    }
}
