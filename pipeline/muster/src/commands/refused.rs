//! What `muster check` says of corrections that were approved and that the policy does not let count.
//!
//! Which ones are refused rests on all of a month's corrections, whichever files they are in; where those stand is looked up
//! for them alone.

use std::collections::HashSet;
use std::sync::Arc;

use attendance::{Refusal, Roster};
use model::Reference;
use reference::{Problem, Severity};

use crate::config::Config;

/// A warning for each.
pub(super) fn problems(config: &Config, reference: &Arc<Reference>) -> Vec<Problem> {
    let refused = Roster::new(Arc::clone(reference)).refused_corrections();
    let ids: HashSet<&str> = refused.iter().map(|(correction_id, _)| &**correction_id).collect();
    let mut places = reference::places_of_corrections(&config.reference.corrections.0, &ids);
    drop(ids);
    let mut problem = |(correction_id, refusal): (Arc<str>, Refusal)| {
        let what = match refusal {
            Refusal::OverCap => "is approved, but its month has as many as `correction_count_max` allows",
            Refusal::TooLate => {
                "was approved more than `correction_days_back_max` days after the business date"
            }
            Refusal::KindRefused => "is approved, but its type is none of `correction_kinds`",
        };
        let place = places.remove(&*correction_id);
        let (file, line) = place.map_or_else(Default::default, |(file, line)| (file, Some(line)));
        Problem {
            severity: Severity::Warning,
            code: refusal.name(),
            file,
            line,
            column: None,
            subject: format!("correction {correction_id}"),
            what: format!("it {what}: it does not count"),
            remedy: "change the policy, or let the request be rejected".to_owned(),
            excerpt: None,
        }
    };
    refused.into_iter().map(&mut problem).collect()
}
