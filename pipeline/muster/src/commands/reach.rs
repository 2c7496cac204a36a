//! Whether memory reaches as far back as the rules of the policies look.
//!
//! Why so: a rule that counts days in a row over fewer days than it needs finds nothing, and says nothing of it.

use model::Reference;
use reference::{Problem, Severity};

use crate::config::Config;
use crate::failure::Failure;

/// The policy that looks farthest back, if that is beyond `[lake] state_days`.
pub(super) fn problem(config: &Config, reference: &Reference) -> Option<Problem> {
    let farthest = reference.policies.iter().filter_map(attendance::reach).max_by_key(|(_, days)| *days);
    let (key, days) = farthest.filter(|(_, days)| *days > config.lake.state_days)?;
    let kept = config.lake.state_days;
    Some(Problem {
        severity: Severity::Error,
        code: "beyond_memory",
        file: config.reference.policies.0.first().cloned().unwrap_or_default(),
        line: None,
        column: None,
        subject: "policy".to_owned(),
        what: format!("`{key}` needs the punches of {days} days, and `state_days` of [lake] keeps {kept}"),
        remedy: format!("set `state_days` to {days} or more, or lower `{key}`"),
        excerpt: None,
    })
}

/// Ends a command that would judge by such a policy.
pub(super) fn require(config: &Config, reference: &Reference) -> Result<(), Box<Failure>> {
    match problem(config, reference) {
        Some(problem) => Err(Box::new(Failure::usage(problem.what, problem.remedy))),
        None => Ok(()),
    }
}
