//! `muster check`: everything wrong with the configuration and the reference data, with file, line and remedy; what the
//! lake's kept fixes say of both; which rule does not run; and whether the schema registry answers, where one is configured.

use std::path::PathBuf;

use clap::Args;
use reference::Severity;
use serde_json::json;

use super::Outcome;
use super::load;
use super::reach;
use super::refused;
use super::shifted;
use crate::failure::{Exit, Failure};
use crate::{registry, rules};

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
    let shifted = loaded.reference.as_ref().map(|reference| shifted::problems(&config, reference));
    let mut beside = shifted.unwrap_or_default();
    let beyond = loaded.reference.as_ref().and_then(|reference| reach::problem(&config, reference));
    beside.extend(loaded.reference.iter().flat_map(|reference| refused::problems(&config, reference)));
    let runtime = crate::runtime()?;
    let ruled = rules::problems(&config, runtime.handle());
    for problem in loaded.problems.iter().chain(&beside).chain(&beyond).chain(&ruled) {
        if arguments.json {
            let severity = if problem.severity == Severity::Error { "error" } else { "warning" };
            let line = json!({
                "severity": severity, "file": problem.file, "line": problem.line, "column": problem.column,
                "subject": problem.subject, "what": problem.what, "remedy": problem.remedy,
            });
            crate::say(&line.to_string())?;
        } else {
            crate::say(&problem.to_string())?;
        }
    }
    if !arguments.json {
        let counts = &loaded.counts;
        let of = |count: usize, one, many| crate::counted(count as u64, one, many);
        let reference::ZoneRules { version, directory } = reference::zone_rules();
        let from = directory.as_ref().map_or("brought along".into(), |directory| directory.to_string_lossy());
        crate::say(&format!("time zone rules: {version} ({from})"))?;
        crate::say(&format!(
            "{}, {}, {}, {} leave, {}: {}, {}",
            of(counts.sites, "site", "sites"),
            of(counts.people, "person", "people"),
            of(counts.shifts, "shift", "shifts"),
            counts.leave,
            of(counts.corrections, "correction", "corrections"),
            crate::counted(counts.errors + (ruled.len() + beyond.iter().len()) as u64, "error", "errors"),
            crate::counted(counts.warnings + beside.len() as u64, "warning", "warnings"),
        ))?;
    }
    if let Some(registry) = registry::open(&config, runtime.handle())? {
        registry.greet().map_err(|error| {
            Failure::outside(error.to_string(), "look at [source.registry], and whether the registry runs")
        })?;
        if !arguments.json {
            crate::say("the schema registry answers")?;
        }
    }
    let is_clean = loaded.problems.is_empty() && beside.is_empty() && beyond.is_none() && ruled.is_empty();
    Ok(if is_clean { Exit::Done } else { Exit::Findings })
}
