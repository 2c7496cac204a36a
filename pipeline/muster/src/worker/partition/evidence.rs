//! The fix and the scan of a punch, for `punch_evidence`.
//!
//! In: a decoded punch and its row.  Out: a row of evidence, where there is any.
//! Absent on purpose: access points of people who are at no site: they tell where somebody was.

use model::{Batch, Punch};
use schemas::tables::{punch_evidence, punches};

use crate::worker::rows::RowBuilders;

/// Adds the evidence of `punch`, without its fix where the person declined to be located.
pub(super) fn append_evidence(
    rows: &mut RowBuilders,
    batch: &Batch,
    punch: &Punch,
    row: &punches::Row<'_>,
    is_declined: bool,
) {
    let fix = punch.fix.filter(|_| !is_declined);
    let (wifi, beacons) = (batch.wifi(punch), batch.beacons(punch));
    if fix.is_none() && wifi.is_empty() && beacons.is_empty() {
        return;
    }
    // Access points tell where somebody was: only a place at a site justifies keeping them.
    let is_at_a_site = row.place == model::Place::Inside;
    rows.evidence.append(&punch_evidence::Row {
        occurred_at: punch.occurred_at,
        employee_id: row.employee_id,
        business_date: row.business_date,
        event_id: row.event_id,
        fix: fix.map(|fix| punch_evidence::EvidenceFix {
            point: model::datum::to_wgs84(fix.point, fix.datum),
            accuracy_m: fix.accuracy_m,
            mocked: fix.mocked,
            platform: fix.platform,
        }),
        access_points: if is_at_a_site { wifi } else { &[] },
        beacons: if is_at_a_site { beacons } else { &[] },
        topic: row.topic,
        partition: row.partition,
        offset: punch.offset,
    });
}
