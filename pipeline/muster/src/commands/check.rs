//! `muster check`: everything wrong with the configuration and the reference data, with file, line and remedy.

use std::path::PathBuf;

use clap::Args;
use reference::Severity;
use serde_json::json;

use super::Outcome;
use super::load;
use crate::failure::Exit;

/// Arguments of `muster check`.
#[derive(Args)]
pub struct CheckArguments {
    /// The configuration.
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    config: PathBuf,
    /// One JSON object a finding, for machines.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) fn run(arguments: &CheckArguments) -> Outcome {
    let config = load::config(Some(&arguments.config))?;
    let loaded = reference::load(&load::sources(&config.reference));
    let mut errors = 0;
    for problem in &loaded.problems {
        errors += usize::from(problem.severity == Severity::Error);
        if arguments.json {
            let severity = if problem.severity == Severity::Error { "error" } else { "warning" };
            let line = json!({
                "severity": severity, "file": problem.file, "line": problem.line, "column": problem.column,
                "subject": problem.subject, "what": problem.what, "remedy": problem.remedy,
            });
            crate::say(&line.to_string());
        } else {
            crate::say(&problem.to_string());
        }
    }
    if !arguments.json {
        let warnings = loaded.problems.len() - errors;
        let counts = &loaded.counts;
        crate::say(&format!(
            "{} sites, {} people, {} shifts, {} leave, {} corrections: {errors} errors, {warnings} warnings",
            counts.sites, counts.people, counts.shifts, counts.leave, counts.corrections
        ));
    }
    Ok(if loaded.problems.is_empty() { Exit::Done } else { Exit::Findings })
}
