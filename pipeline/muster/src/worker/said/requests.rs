//! Requests that wait for a decision, and those that were decided, against what was said of them.
//!
//! In: the pending requests of a partition's people, the roster.  Out: versions of `approval_pending` and `approval_decided`.
//! Owns: nothing.
//! Absent on purpose: a note of what the roster said before: that a request was pending is what was said of it, which outlives
//! a restart.

use std::collections::HashSet;

use attendance::{RequestDecision, Roster};
use model::anomaly::Finding;
use model::position::Cause;
use model::reference::RequestStatus;
use model::{AnomalyId, AnomalyKind, AnomalyState};

use super::{Resolver, SaidBook};

/// How long a decision stays told: a day of the log's clock.
const DECIDED_MIN: i64 = 24 * 60;

impl SaidBook {
    /// Tells of requests that are `pending`, and of those that were and are no longer.
    pub(in crate::worker) fn level_requests(&mut self, pending: &[Finding], roster: &Roster, here: Cause) {
        let clock = here.clock.time();
        for finding in pending {
            self.index(finding);
            self.level(finding, AnomalyState::Firing, None, clock, here);
        }
        let waiting: HashSet<AnomalyId> = pending.iter().map(|finding| finding.id).collect();
        for finding in
            self.firing_of(AnomalyKind::ApprovalPending, |finding, _| !waiting.contains(&finding.id))
        {
            let RequestDecision { request_id, status, finding: decided } = roster.decided(&finding);
            let word = match status {
                // About a time before memory by now.
                Some(RequestStatus::Pending) => "superseded",
                Some(_) => "decision",
                None => "reference",
            };
            self.level(&finding, AnomalyState::Resolved, Some(Resolver { word, request_id }), clock, here);
            if let Some(decided) = decided {
                self.index(&decided);
                self.level(&decided, AnomalyState::Firing, None, clock, here);
            }
        }
        let is_old = |_: &Finding, said: Cause| said.clock.time().plus_min(DECIDED_MIN) <= clock;
        for finding in self.firing_of(AnomalyKind::ApprovalDecided, is_old) {
            self.level(&finding, AnomalyState::Resolved, Some("superseded".into()), clock, here);
        }
    }

    /// What was last said to fire of that kind and is chosen, in order.
    fn firing_of(&self, kind: AnomalyKind, is_chosen: impl Fn(&Finding, Cause) -> bool) -> Vec<Finding> {
        let said = self.table.iter().chain(self.outlet.iter()).map(|(_, said)| said);
        let of_kind = said.filter(|said| {
            said.value.finding.kind == kind
                && said.value.state == AnomalyState::Firing
                && is_chosen(&said.value.finding, said.cause)
        });
        let mut findings: Vec<Finding> = of_kind.map(|said| said.value.finding.clone()).collect();
        findings.sort_by_key(|finding| (finding.first_at, finding.id));
        findings.dedup_by_key(|finding| finding.id);
        findings
    }
}
