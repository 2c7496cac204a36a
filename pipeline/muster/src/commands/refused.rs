//! What `muster check` says of corrections that were approved and that the policy does not let count.
//!
//! Absent on purpose: the line. Which ones are refused rests on all of a month's corrections, whichever files they are in.

use std::sync::Arc;

use attendance::{Refusal, Roster};
use model::Reference;
use reference::{Problem, Severity};

use crate::config::Config;

/// A warning for each.
pub(super) fn problems(config: &Config, reference: &Arc<Reference>) -> Vec<Problem> {
    let roster = Roster::new(Arc::clone(reference));
    let problem = |(correction_id, refusal): (Arc<str>, Refusal)| {
        let what = match refusal {
            Refusal::OverCap => "is approved, but its month has as many as `correction_count_max` allows",
            Refusal::TooLate => {
                "was approved more than `correction_days_back_max` days after the business date"
            }
            Refusal::KindRefused => "is approved, but its type is none of `correction_kinds`",
        };
        Problem {
            severity: Severity::Warning,
            code: refusal.name(),
            file: config.reference.corrections.0.first().cloned().unwrap_or_default(),
            line: None,
            column: None,
            subject: format!("correction {correction_id}"),
            what: format!("it {what}: it does not count"),
            remedy: "change the policy, or let the request be rejected".to_owned(),
            excerpt: None,
        }
    };
    roster.refused_corrections().into_iter().map(problem).collect()
}
