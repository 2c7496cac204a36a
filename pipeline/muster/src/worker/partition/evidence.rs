//! The fix and the scan of a punch, for `punch_evidence`.
//!
//! In: a decoded punch with its verdict and its row, the snapshot that judged it.  Out: a row of evidence, where there is any.
//! Absent on purpose: radios that no site lists, of people whose own fix is in no fence: they tell where somebody was. Nor
//! does a simulated fix, or one too poor to be used, justify keeping them.

use model::{Batch, Fix, Punch, Reason, Verdict};
use schemas::tables::{punch_evidence, punches};

use crate::worker::rows::RowBuilders;
use crate::worker::world::World;

/// Adds the evidence of `punch`, without its fix where the person declined to be located: the radios that a site lists, and
/// the others only where the fix lies in a fence.
pub(super) fn append_evidence(
    rows: &mut RowBuilders,
    world: &World,
    (batch, punch): (&Batch, &Punch),
    verdict: &Verdict,
    row: &punches::Row<'_>,
) {
    let fix = punch.fix.filter(|_| !verdict.reasons.contains(Reason::LocationDeclined));
    let (wifi, beacons) = (batch.wifi(punch), batch.beacons(punch));
    if fix.is_none() && wifi.is_empty() && beacons.is_empty() {
        return;
    }
    let evidence = punch_evidence::Row {
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
        access_points: wifi,
        beacons,
        topic: row.topic,
        partition: row.partition,
        offset: punch.offset,
    };
    let has_radios = !wifi.is_empty() || !beacons.is_empty();
    if !has_radios || fix.is_some_and(|fix| is_in_a_fence(world, punch, &fix, verdict)) {
        return rows.evidence.append(&evidence);
    }
    let (reference, at) = (&world.reference, punch.occurred_at);
    let is_listed = |point: &&model::AccessPoint| world.sites.lists_access_point(reference, point.bssid, at);
    let is_known = |beacon: &&model::Beacon| world.sites.lists_beacon(reference, **beacon, at);
    let access_points: Vec<_> = wifi.iter().filter(is_listed).copied().collect();
    let beacons: Vec<_> = beacons.iter().filter(is_known).copied().collect();
    if fix.is_some() || !access_points.is_empty() || !beacons.is_empty() {
        rows.evidence.append(&punch_evidence::Row {
            access_points: &access_points,
            beacons: &beacons,
            ..evidence
        });
    }
}

fn is_in_a_fence(world: &World, punch: &Punch, fix: &Fix, verdict: &Verdict) -> bool {
    if fix.mocked || verdict.reasons.contains(Reason::AccuracyPoor) {
        return false;
    }
    // The verdict tells the distance to one fence, to the centimetre.
    verdict.distance_m.is_some_and(|metres| metres < 0.0) || {
        let point = model::datum::to_wgs84(fix.point, fix.datum);
        world.sites.is_in_a_fence(&world.reference, point, punch.occurred_at)
    }
}
