//! Requests that wait for a decision, and what was decided.
//!
//! In: a snapshot.  Out: findings `approval_pending` and `approval_decided`; each names its request in place of a punch, as
//! `leave/ID` or `correction/ID`, and one that is decided with the word for it behind.
//! Absent on purpose: what was said before, and when: a request is told decided only where it was told pending, which the
//! caller knows; so a first start on old data tells nobody of old decisions.

use std::fmt::Display;
use std::sync::Arc;

use jiff::tz::TimeZone;
use model::anomaly::Finding;
use model::reference::RequestStatus;
use model::{AnomalyKind, EventId, EventTime, PersonIndex};

use crate::findings::identity;
use crate::partition::PartitionState;
use crate::roster::{Roster, local_date};

const LEAVE: &str = "leave/";
const CORRECTION: &str = "correction/";

/// What became of a request that was pending.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RequestDecision {
    /// Its id; `None` if it is no longer listed.
    pub request_id: Option<Arc<str>>,
    /// Where it stands.
    pub status: Option<RequestStatus>,
    /// What its person is told; nothing of one that waits still, or that the person took back.
    pub finding: Option<Finding>,
}

impl PartitionState {
    /// The requests of this partition's people that wait for a decision, and are about no time before memory.
    pub fn pending_requests(&self) -> Vec<Finding> {
        let roster = self.roster();
        let reference = roster.reference();
        let leave = reference.leave.iter().filter(|row| row.status == RequestStatus::Pending);
        let leave = leave.map(|row| (row.person, LEAVE, &row.leave_id, row.from));
        let corrections = reference.corrections.iter().filter(|row| row.status == RequestStatus::Pending);
        let corrections =
            corrections.map(|row| (row.person, CORRECTION, &row.correction_id, row.occurred_at));
        let own = |person: PersonIndex| self.settings().owns(roster, person);
        leave
            .chain(corrections)
            .filter(|(person, _, _, at)| *at >= self.floor() && own(*person))
            .map(|(person, kind, id, at)| roster.pending(person, &format!("{kind}{id}"), at))
            .collect()
    }
}

impl Roster {
    fn pending(&self, person: PersonIndex, request: &str, at: EventTime) -> Finding {
        let (_, home) = self.home(Some(person));
        let row = self.reference().person(person);
        let zone = home.map_or(TimeZone::UTC, |site| site.time_zone.clone());
        Finding {
            id: identity(AnomalyKind::ApprovalPending, &row.employee_id, &request as &dyn Display),
            kind: AnomalyKind::ApprovalPending,
            employee_id: Some(row.employee_id.clone()),
            site_id: home.map(|site| site.site_id.clone()),
            org: home.map_or(&row.org, |site| &site.org).clone(),
            business_date: local_date(at, &zone),
            shift_id: None,
            device_id: None,
            event_ids: vec![EventId::new(request)],
            minutes: None,
            first_at: at,
            last_at: at,
        }
    }

    /// What became of the request that `pending` tells of.
    pub fn decided(&self, pending: &Finding) -> RequestDecision {
        let person = pending.employee_id.as_deref().and_then(|id| self.person(id));
        let Some((person, request)) = person.zip(pending.event_ids.first().map(EventId::to_string)) else {
            return RequestDecision::default();
        };
        let found = if let Some(id) = request.strip_prefix(LEAVE) {
            let row = self.leave_of(person).iter().find(|row| *row.leave_id == *id);
            row.map(|row| (&row.leave_id, row.status))
        } else {
            let id = request.strip_prefix(CORRECTION).unwrap_or_default();
            let row = self.corrections_of(person).iter().find(|row| *row.correction_id == *id);
            row.map(|row| (&row.correction_id, row.status))
        };
        let Some((id, status)) = found else { return RequestDecision::default() };
        let is_told =
            matches!(status, RequestStatus::Approved | RequestStatus::Rejected | RequestStatus::Revoked);
        let kind = AnomalyKind::ApprovalDecided;
        let finding = is_told.then(|| Finding {
            id: identity(kind, pending.employee_id.as_deref().unwrap_or_default(), &request),
            kind,
            event_ids: vec![EventId::new(&format!("{request} {}", status.name()))],
            ..pending.clone()
        });
        RequestDecision { request_id: Some(id.clone()), status: Some(status), finding }
    }
}
