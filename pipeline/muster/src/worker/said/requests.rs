//! Requests that wait for a decision, and those that were decided, against what was said of them.
//!
//! In: the pending requests of a partition's people, the roster.  Out: versions of `approval_pending` and `approval_decided`.
//! Owns: nothing.
//! Absent on purpose: a note of what the roster said before: that a request was pending is what was said of it, which outlives
//! a restart.
//! Invariants: I-5 table and outlet end by saying the same of a request, whichever of them a crash left behind; the table says
//! nothing of one older than memory before its person was read from the lake, which holds the versions.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use alerts::SaidAnomaly;
use attendance::{RequestDecision, Roster};
use frontier::said::Said;
use model::anomaly::Finding;
use model::position::Cause;
use model::reference::RequestStatus;
use model::{AnomalyId, AnomalyKind, AnomalyState, EventTime};

use super::{Among, Passed, Resolver, SaidBook};

/// How long a decision stays told: a day of the log's clock.
const DECIDED_MIN: i64 = 24 * 60;

/// What is told of requests.
const REQUESTS: [AnomalyKind; 2] = [AnomalyKind::ApprovalPending, AnomalyKind::ApprovalDecided];

impl SaidBook {
    /// Tells of requests that are `pending`, and of those that were and are no longer. Nothing is said of those older than `floor`
    /// of which the lake may know more than memory: gives their people, to be read.
    pub(in crate::worker) fn level_requests(
        &mut self,
        pending: &[Finding],
        roster: &Roster,
        floor: EventTime,
        here: Cause,
    ) -> BTreeSet<Arc<str>> {
        let clock = here.clock.time();
        for finding in pending {
            self.index(finding);
            self.level(finding, AnomalyState::Firing, None, clock, here);
        }
        let mut unread = BTreeSet::new();
        let waiting: HashSet<AnomalyId> = pending.iter().map(|finding| finding.id).collect();
        for finding in self.firing_of(AnomalyKind::ApprovalPending, |finding| !waiting.contains(&finding.id))
        {
            if self.is_unread(&finding, floor, &mut unread) {
                continue;
            }
            let RequestDecision { request_id, status, finding: decided } = roster.decided(&finding);
            let word = match status {
                // About a time before memory by now.
                Some(RequestStatus::Pending) => "superseded",
                Some(_) => "decision",
                None => "reference",
            };
            let decided = decided.filter(|decided| !self.is_unread(decided, floor, &mut unread));
            self.level(&finding, AnomalyState::Resolved, Some(Resolver { word, request_id }), clock, here);
            if let Some(decided) = decided {
                self.index(&decided);
                self.level(&decided, AnomalyState::Firing, None, clock, here);
            }
        }
        let is_over = |said: &Said<SaidAnomaly>| {
            let is_old = said.cause.clock.time().plus_min(DECIDED_MIN) <= clock;
            is_old || said.value.state == AnomalyState::Resolved
        };
        for (_, said) in self.outlet.iter() {
            // Whoever was killed may have told that it is over, and not have said it in the table.
            let may_be_unsaid = self.said_until.is_some_and(|until| said.cause.clock.time() >= until);
            if REQUESTS.contains(&said.value.finding.kind)
                && said.value.state == AnomalyState::Resolved
                && may_be_unsaid
            {
                self.is_unread(&said.value.finding, floor, &mut unread);
            }
        }
        // Or have told it, and not have said it in the table.
        for finding in self.firing_of(AnomalyKind::ApprovalDecided, |_| true) {
            if self.is_unread(&finding, floor, &mut unread) {
                continue;
            }
            let said = self.outlet.get(&finding.id).or_else(|| self.table.get(&finding.id));
            let (state, by) = match said.is_some_and(is_over) {
                true => (AnomalyState::Resolved, Some("superseded".into())),
                false => (AnomalyState::Firing, None),
            };
            self.level(&finding, state, by, clock, here);
        }
        unread
    }

    /// Whether the lake may know more of a finding than memory does; then its person is noted.
    fn is_unread(&self, finding: &Finding, floor: EventTime, unread: &mut BTreeSet<Arc<str>>) -> bool {
        let Some(person) = &finding.employee_id else { return false };
        let is_known = self.table.get(&finding.id).is_some() || self.read.contains(person);
        if is_known || finding.last_at >= floor {
            return false;
        }
        unread.insert(person.clone());
        true
    }

    /// Takes in that everything said of this person was read from the lake.
    pub(in crate::worker) fn note_read(&mut self, employee_id: &Arc<str>) {
        self.read.insert(employee_id.clone());
    }

    /// Whether some of that is about requests, which no judgement of a person looks at again.
    pub(in crate::worker) fn has_requests(&self, passed: &Passed) -> bool {
        self.findings(Among::Passed(passed)).any(|said| REQUESTS.contains(&said.value.finding.kind))
    }

    /// What was last said to fire of that kind and is chosen, in order.
    fn firing_of(&self, kind: AnomalyKind, is_chosen: impl Fn(&Finding) -> bool) -> Vec<Finding> {
        let said = self.table.iter().chain(self.outlet.iter()).map(|(_, said)| said);
        let of_kind = said.filter(|said| {
            said.value.finding.kind == kind
                && said.value.state == AnomalyState::Firing
                && is_chosen(&said.value.finding)
        });
        let mut findings: Vec<Finding> = of_kind.map(|said| said.value.finding.clone()).collect();
        findings.sort_by_key(|finding| (finding.first_at, finding.id));
        findings.dedup_by_key(|finding| finding.id);
        findings
    }
}

#[cfg(test)]
mod tests {
    use alerts::digest;
    use model::position::{LogClock, LogId, NextOffset, Partition};
    use model::{Anomaly, EventId, Reference};

    use super::*;

    fn at(minute: i64) -> EventTime {
        EventTime::from_ms(minute * 60_000)
    }

    fn cause(minute: i64) -> Cause {
        Cause {
            log: LogId::new("log").unwrap().mark(),
            partition: Partition::new(0),
            next: NextOffset::new(minute).unwrap(),
            clock: LogClock::at(at(minute)),
        }
    }

    fn finding(kind: AnomalyKind, about: i64) -> Finding {
        Finding {
            id: AnomalyId([kind as u8; 16]),
            kind,
            employee_id: Some("E1".into()),
            site_id: None,
            org: "hk".into(),
            business_date: "2026-11-02".parse().unwrap(),
            shift_id: None,
            device_id: None,
            event_ids: vec![EventId::new("leave/l1")],
            minutes: None,
            first_at: at(about),
            last_at: at(about),
        }
    }

    fn told(state: AnomalyState, finding: &Finding, version: i64, minute: i64) -> Said<SaidAnomaly> {
        let value = SaidAnomaly { state, finding: finding.clone() };
        Said { version, digest: digest(state, finding), cause: cause(minute), value }
    }

    /// Without any request in the roster; what the table and the outlet are told, and who is to be read.
    fn level(book: &mut SaidBook, floor: i64, now: i64) -> (Vec<String>, Vec<String>, usize) {
        let roster = Roster::new(Arc::new(Reference::default()));
        let unread = book.level_requests(&[], &roster, at(floor), cause(now));
        let text = |new: Vec<Anomaly>| {
            new.iter()
                .map(|new| format!("{} {} {}", new.finding.kind.name(), new.version, new.state.name()))
                .collect()
        };
        (text(book.take_rows()), text(book.take_fresh()), unread.len())
    }

    #[test]
    fn what_only_the_outlet_was_told_of_a_decision_the_table_says_too() {
        let decided = finding(AnomalyKind::ApprovalDecided, 90);
        let mut book = SaidBook::default();
        book.fold_alert((decided.id, told(AnomalyState::Firing, &decided, 1, 100)));
        book.start_at(cause(95));
        assert_eq!(level(&mut book, 0, 96), (vec!["approval_decided 1 firing".into()], vec![], 0));
        assert_eq!(level(&mut book, 0, 99), (vec![], vec![], 0));
        let over = vec!["approval_decided 2 resolved".to_owned()];
        assert_eq!(level(&mut book, 0, 100 + DECIDED_MIN), (over.clone(), over, 0));
    }

    #[test]
    fn what_the_outlet_was_told_to_be_over_the_table_does_not_bring_back() {
        let decided = finding(AnomalyKind::ApprovalDecided, 90);
        let mut book = SaidBook::default();
        book.fold_alert((decided.id, told(AnomalyState::Resolved, &decided, 2, 100)));
        let Said { version, cause: said_at, .. } = told(AnomalyState::Firing, &decided, 1, 99);
        book.fold_anomaly(Anomaly {
            version,
            state: AnomalyState::Firing,
            finding: decided,
            detected_at: at(99),
            resolved_by: None,
            resolved_ref: None,
            cause: said_at,
        });
        book.start_at(cause(101));
        assert_eq!(level(&mut book, 0, 101), (vec!["approval_decided 2 resolved".into()], vec![], 0));
    }

    #[test]
    fn of_a_request_older_than_memory_nothing_is_said_before_the_lake_was_read() {
        let pending = finding(AnomalyKind::ApprovalPending, 90);
        let mut book = SaidBook::default();
        book.fold_alert((pending.id, told(AnomalyState::Firing, &pending, 1, 100)));
        book.start_at(cause(200));
        assert_eq!(level(&mut book, 150, 200), (vec![], vec![], 1));
        book.fold_anomaly(Anomaly {
            version: 1,
            state: AnomalyState::Firing,
            finding: pending,
            detected_at: at(100),
            resolved_by: None,
            resolved_ref: None,
            cause: cause(100),
        });
        book.note_read(&"E1".into());
        let over = vec!["approval_pending 2 resolved".to_owned()];
        assert_eq!(level(&mut book, 150, 201), (over.clone(), over, 0));
    }

    #[test]
    fn that_a_request_older_than_memory_is_over_the_table_says_behind_a_crash() {
        let pending = finding(AnomalyKind::ApprovalPending, 90);
        for (said_until, unread) in [(200, 1), (201, 0)] {
            let mut book = SaidBook::default();
            book.fold_alert((pending.id, told(AnomalyState::Resolved, &pending, 2, 200)));
            book.start_at(cause(200));
            book.settle_rejected(cause(said_until));
            assert_eq!(level(&mut book, 150, 201), (vec![], vec![], unread));
        }
    }

    #[test]
    fn a_request_told_of_from_further_on_is_looked_at_once_that_is_passed() {
        let pending = finding(AnomalyKind::ApprovalPending, 90);
        let mut book = SaidBook::default();
        book.fold_alert((pending.id, told(AnomalyState::Firing, &pending, 1, 100)));
        book.start_at(cause(95));
        assert_eq!(level(&mut book, 0, 96), (vec![], vec![], 0), "it is left alone");
        let passed = book.take_passed(cause(100));
        assert!(book.has_requests(&passed));
        assert_eq!(level(&mut book, 0, 100), (vec![], vec!["approval_pending 2 resolved".into()], 0));
    }
}
