//! Corrections (補卡): which of them counts at which end of which shift, and which a policy refuses.
//!
//! In: a plan, a clock.  Out: the corrections of a shift's two ends; reasons for those that do not count.

use model::EventTime;
use model::reference::{Approval, CorrectionKind, RequestStatus};

use crate::duty::Plan;
use crate::wall;
use crate::world::{Correction, Seconds};

/// When a request takes effect: with its last approval, at once without one.
pub(crate) fn effective_at(approvals: &[Approval]) -> Option<EventTime> {
    approvals.iter().map(|approval| approval.at).max()
}

pub(crate) fn is_in_force(status: RequestStatus, approvals: &[Approval], clock: EventTime) -> bool {
    status == RequestStatus::Approved && effective_at(approvals).is_none_or(|at| at <= clock)
}

/// What corrections do to one shift.
pub(crate) struct Corrected<'w> {
    pub(crate) came: Option<&'w Correction>,
    pub(crate) left: Option<&'w Correction>,
    /// Why others do not count, sorted.
    pub(crate) refusals: Vec<&'static str>,
}

/// The corrections in force for the shift at `place`. Of several of one end the one approved last counts, then the larger
/// id. Before the window opens nothing is said of a shift.
pub(crate) fn corrected<'w>(plan: &Plan<'w>, place: usize, clock: EventTime) -> Corrected<'w> {
    let meant =
        plan.corrections.iter().copied().filter(|row| {
            is_in_force(row.status, &row.approvals, clock) && shift_of(plan, row) == Some(place)
        });
    let mut told = Corrected { came: None, left: None, refusals: Vec::new() };
    for row in meant {
        if let Some((_, refusal)) = plan.refused.iter().find(|(id, _)| *id == row.id) {
            told.refusals.push(*refusal);
            continue;
        }
        let end = if row.kind == CorrectionKind::In { &mut told.came } else { &mut told.left };
        let rank = |row: &Correction| (effective_at(&row.approvals), row.id.clone());
        if end.is_none_or(|other| rank(other) < rank(row)) {
            *end = Some(row);
        }
    }
    told.refusals.sort_unstable();
    told.refusals.dedup();
    if plan.duties[place].opens * 1_000_000 > clock.us() {
        (told.came, told.left) = (None, None);
    }
    told
}

/// The shift that a correction is meant for: the one it names, else the one whose window holds its instant; of several the
/// one whose end it would mend is planned nearest.
fn shift_of(plan: &Plan<'_>, row: &Correction) -> Option<usize> {
    let mut duties = plan.duties.iter().enumerate();
    if let Some(named) = &row.shift {
        return duties.find(|(_, duty)| duty.shift.id == *named).map(|(place, _)| place);
    }
    let holding = duties.filter(|(_, duty)| duty.is_planned() && duty.holds(row.at));
    let distance = |planned: Seconds| (planned - row.at).abs();
    let nearest = holding.min_by_key(|(_, duty)| match row.kind {
        CorrectionKind::In => distance(duty.start),
        CorrectionKind::Out => distance(duty.end),
    });
    nearest.map(|(place, _)| place)
}

/// Why each of the approved corrections does not count, if it does not: not of a kind that counts, approved too many days
/// after the business date, or one too many in the business month, where those approved first come first.
pub(crate) fn refusals(plan: &Plan<'_>) -> Vec<(String, &'static str)> {
    let approved = plan.corrections.iter().filter(|row| row.status == RequestStatus::Approved);
    let mut by_approval: Vec<&&Correction> = approved.collect();
    by_approval.sort_by_key(|row| (effective_at(&row.approvals), &row.id));
    let (mut counted, mut refused) = (Vec::new(), Vec::new());
    for row in by_approval {
        let Some(place) = shift_of(plan, row) else { continue };
        let duty = &plan.duties[place];
        let month = duty.shift.date.first_of_month();
        let days_back = effective_at(&row.approvals).map(|at| {
            wall::days_between(duty.shift.date, wall::date(&duty.site.zone, at.us().div_euclid(1_000_000)))
        });
        let (count_max, days_max) = (duty.policy.correction_count_max, duty.policy.correction_days_back_max);
        let of_month = counted.iter().filter(|one| **one == month).count() as i64;
        if !duty.policy.correction_kinds.has(row.mends) {
            refused.push((row.id.clone(), "correction_kind_refused"));
        } else if days_max >= 0 && days_back.is_some_and(|days| days > days_max) {
            refused.push((row.id.clone(), "correction_too_late"));
        } else if count_max >= 0 && of_month >= count_max {
            refused.push((row.id.clone(), "correction_over_cap"));
        } else {
            counted.push(month);
        }
    }
    refused
}
