//! Why a command ends without having done its work, what to do about it, and the exit code that says which kind it is.
//!
//! In: errors of the rooms.  Out: a report for a person, an exit code for a script.  Owns: nothing.
//! Absent on purpose: retries (an edge retries before it fails) and anything about rejected records: those are values.

use std::fmt;
use std::io::IsTerminal;
use std::ops::Range;
use std::path::Path;

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};

use crate::config::ConfigProblem;

/// The exit codes (contract, section 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything asked for was done.
    Done,
    /// Done, with rejects, findings of `check`, or mismatches against the demo's ledger.
    Findings,
    /// Wrong use or configuration.
    Usage,
    /// An outside system failed, or would have to be harmed.
    Outside,
}

impl Exit {
    /// The number a shell sees.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Findings => 1,
            Self::Usage => 2,
            Self::Outside => 3,
        }
    }
}

/// A failed command.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Which kind.
    pub exit: Exit,
    what: String,
    remedy: Option<String>,
    source: Option<NamedSource<String>>,
    labels: Vec<LabeledSpan>,
}

impl Failure {
    /// Wrong use or configuration: `what`, and how to mend it.
    pub fn usage(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what.into(), Some(remedy.into()))
    }

    /// Wrong use, and its own text says all there is to say.
    pub fn wrong_use(text: impl Into<String>) -> Self {
        Self::new(Exit::Usage, text.into(), None)
    }

    /// Something outside failed: `what`, and how to mend it.
    pub fn outside(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(Exit::Outside, what.into(), Some(remedy.into()))
    }

    /// Something outside failed, and its own text says all there is to say.
    pub fn from_outside(error: impl fmt::Display) -> Self {
        Self::new(Exit::Outside, error.to_string(), None)
    }

    /// A configuration file with mistakes in it.
    pub fn config(file: &Path, text: String, problems: Vec<ConfigProblem>) -> Self {
        let what = match problems.len() {
            1 => format!("{}: a mistake in the configuration", file.display()),
            n => format!("{}: {n} mistakes in the configuration", file.display()),
        };
        let label = |p: &&ConfigProblem| LabeledSpan::new_with_span(Some(shortened(p)), p.span.clone());
        let told = &problems[..problems.len().min(PROBLEMS_TOLD_MAX)];
        let (shown, listed): (Vec<_>, Vec<_>) = told.iter().partition(|p| fits(&text, &p.span));
        let labels = shown.iter().map(label).collect();
        let mut listed: Vec<String> = listed.into_iter().map(shortened).collect();
        if problems.len() > told.len() {
            listed.push(format!("and {} more", problems.len() - told.len()));
        }
        let remedy = (!listed.is_empty()).then(|| listed.join("\n"));
        let source = Some(NamedSource::new(file.display().to_string(), text));
        Self { source, labels, ..Self::new(Exit::Usage, what, remedy) }
    }

    fn new(exit: Exit, what: String, remedy: Option<String>) -> Self {
        Self { exit, what, remedy, source: None, labels: Vec::new() }
    }
}

/// Mistakes of one configuration that are told one by one.
const PROBLEMS_TOLD_MAX: usize = 20;

/// Longest line of a configuration that is shown with marks below it: the printer pads to a mark's column, and its
/// widths end at 65,535.
const LINE_SHOWN_BYTES_MAX: usize = 1_000;

/// Longest text of one mistake, which quotes what it is about.
const PROBLEM_CHARS_MAX: usize = 500;

/// Whether the line or lines of `span` are short enough to be shown.
fn fits(text: &str, span: &Range<usize>) -> bool {
    let (before, rest) = text.as_bytes().split_at(span.start.min(text.len()));
    let begun = before.iter().rev().take_while(|byte| **byte != b'\n').count();
    let end = (span.end.max(span.start) - span.start).min(rest.len());
    let behind = rest[end..].iter().take_while(|byte| **byte != b'\n').count();
    begun + end + behind <= LINE_SHOWN_BYTES_MAX
}

fn shortened(problem: &ConfigProblem) -> String {
    let text = problem.to_string();
    match text.char_indices().nth(PROBLEM_CHARS_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

/// Lays reports out: lines as long as they are where no terminal breaks them, so that a script finds whole sentences.
pub fn lay_out() {
    if !std::io::stderr().is_terminal() {
        let plain = || miette::MietteHandlerOpts::new().wrap_lines(false).build();
        // Only a second call fails, and the first has said the same.
        let _ = miette::set_hook(Box::new(move |_| Box::new(plain())));
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Failure {}

impl Diagnostic for Failure {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.remedy.as_ref().map(|remedy| Box::new(remedy) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        (!self.labels.is_empty()).then(|| Box::new(self.labels.iter().cloned()) as Box<_>)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn printed(text: &str) -> String {
        let folder = Path::new("");
        let problems = Config::parse(text, folder).map(|_| ()).unwrap_err();
        let failure = Failure::config(Path::new("muster.toml"), text.to_owned(), problems);
        let mut out = String::new();
        miette::GraphicalReportHandler::new().render_report(&mut out, &failure).unwrap();
        out
    }

    #[test]
    fn mistakes_on_lines_of_any_length_are_told() {
        for length in [10, 900, 70_000, 1 << 20] {
            let padded = format!("x = {{ y = '{}' }}\nstate_day = 3", " ".repeat(length));
            for text in [
                format!("[lake]\n{}state_day = 3\n", " ".repeat(length)),
                format!("[lake]\nurl = '{}' = 7\n", "y".repeat(length)),
                format!("[lake]\n{} = 7\n", "y".repeat(length)),
                padded,
            ] {
                assert!(!printed(&text).is_empty());
            }
            let far = format!("import = {{ {}sta = 3 }}\n", " ".repeat(length));
            assert!(printed(&far).contains("did you mean `state`?"), "{length}");
        }
    }

    #[test]
    fn few_of_many_mistakes_are_told() {
        let many: String = (0..100).map(|n| format!("key{n} = 1\n")).collect();
        let told = printed(&format!("[lake]\n{many}"));
        assert_eq!(told.matches("unknown key").count(), PROBLEMS_TOLD_MAX);
        assert!(told.contains("100 mistakes") && told.contains("and 80 more"), "{told}");
    }
}
