//! Why a command ends without having done its work, what to do about it, and the exit code that says which kind it is.
//!
//! In: errors of the rooms.  Out: a report for a person, an exit code for a script.  Owns: nothing.
//! Absent on purpose: retries (an edge retries before it fails) and anything about rejected records: those are values.

use std::fmt;
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
#[derive(Debug)]
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
        let label = |p: &ConfigProblem| LabeledSpan::new_with_span(Some(p.to_string()), p.span.clone());
        let labels = problems.iter().map(label).collect();
        let source = Some(NamedSource::new(file.display().to_string(), text));
        Self { source, labels, ..Self::new(Exit::Usage, what, None) }
    }

    fn new(exit: Exit, what: String, remedy: Option<String>) -> Self {
        Self { exit, what, remedy, source: None, labels: Vec::new() }
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
