//! An anomaly and the reference data become the body of an alert, and a body found in the topic becomes said state again.
//!
//! In: `model::Anomaly`, the shift and site it names.  Out: `schemas::AlertBody`.  Owns: nothing.
//! Absent on purpose: names, coordinates, access points, photos, leave types (contract, section 6).
//! Invariants: a body read back gives the finding and the digest it was made from, kept by `read_back`, tested by
//! `a_body_reads_back_to_what_was_said`.

use std::collections::BTreeMap;
use std::sync::Arc;

use frontier::said::Said;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use model::anomaly::Finding;
use model::position::{Cause, Generation, LogClock, LogMark, NextOffset, Partition};
use model::{Anomaly, AnomalyId, AnomalyKind, AnomalyState, EventTime, Shift, Site};
use schemas::lines::{AlertBody, CauseLine, SummaryText, local_text, utc_text};

use crate::summary::{Facts, summary};

/// What was last said about an anomaly: enough to know whether there is something new, and to say that it is over.
#[derive(Clone, Debug, PartialEq)]
pub struct SaidAnomaly {
    /// Whether it was said to hold.
    pub state: AnomalyState,
    /// What was said to be wrong.
    pub finding: Finding,
}

/// A hash of everything about an anomaly that is worth a new version: the evidence, the minutes, the state. FNV-1a, so
/// that it is the same on every machine and in every version of the standard library.
pub fn digest(state: AnomalyState, finding: &Finding) -> u64 {
    const SEPARATOR: u8 = 0x1f;
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut take = |bytes: &[u8]| {
        for byte in bytes.iter().chain([&SEPARATOR]) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    take(state.name().as_bytes());
    if state == AnomalyState::Firing {
        take(finding.kind.name().as_bytes());
        take(finding.site_id.as_deref().unwrap_or_default().as_bytes());
        take(finding.shift_id.as_deref().unwrap_or_default().as_bytes());
        take(&finding.minutes.unwrap_or(i64::MIN).to_be_bytes());
        for event_id in &finding.event_ids {
            take(event_id.text().as_bytes());
        }
    }
    hash
}

/// The body of `anomaly`, said by the owner of `generation`. `shift` and `site` are those the finding names, where the
/// snapshot has them.
pub fn body(
    anomaly: &Anomaly,
    generation: Generation,
    shift: Option<&Shift>,
    site: Option<&Site>,
) -> AlertBody {
    let finding = &anomaly.finding;
    let zone = site.map_or(TimeZone::UTC, |site| site.time_zone.clone());
    let zone_name = site.map_or("UTC", |site| &site.time_zone_name);
    let wall = |time: EventTime| local_text(time, &zone)[11..16].to_owned();
    let planned = shift.map(|shift| (wall(shift.start), wall(shift.end)));
    let business_date = finding.business_date.to_string();
    let [en, zh_hant, zh_hans] = summary(Facts {
        kind: finding.kind,
        state: anomaly.state,
        employee_id: finding.employee_id.as_deref(),
        device_id: finding.device_id.as_deref(),
        site_name: site.map(|site| &*site.name).or(finding.site_id.as_deref()),
        business_date: &business_date,
        planned: planned.as_ref().map(|(start, end)| (start.as_str(), end.as_str())),
        minutes: finding.minutes,
    });
    let text = |value: &Option<Arc<str>>| value.as_deref().map(str::to_owned);
    AlertBody {
        alert_id: finding.id.to_string(),
        version: anomaly.version,
        state: anomaly.state.name().into(),
        kind: finding.kind.name().into(),
        severity: finding.kind.severity().name().into(),
        audience: finding.kind.audience().name().into(),
        employee_id: text(&finding.employee_id),
        site_id: text(&finding.site_id),
        site_name: site.map(|site| site.name.to_string()),
        org: finding.org.to_string(),
        shift_id: text(&finding.shift_id),
        device_id: text(&finding.device_id),
        business_date,
        time_zone: zone_name.to_owned(),
        local_time: local_text(finding.first_at, &zone),
        planned_start: shift.map(|shift| utc_text(shift.start)),
        planned_end: shift.map(|shift| utc_text(shift.end)),
        minutes: finding.minutes,
        occurred_at: utc_text(finding.first_at),
        detected_at: utc_text(anomaly.detected_at),
        event_ids: finding.event_ids.iter().map(|id| id.to_string()).collect(),
        resolved_by: anomaly.resolved_by.map(str::to_owned),
        resolved_ref: text(&anomaly.resolved_ref),
        cause: CauseLine {
            log: anomaly.cause.log.to_string(),
            partition: anomaly.cause.partition.number(),
            offset: anomaly.cause.next.get(),
            clock: utc_text(anomaly.cause.clock.time()),
            generation: generation.0,
        },
        summary: SummaryText { en, zh_hant, zh_hans },
        links: BTreeMap::new(),
    }
}

/// What a body found in the topic says; `None` if it is none of ours.
pub fn read_back(body: &AlertBody) -> Option<(AnomalyId, Said<SaidAnomaly>)> {
    let time = |text: &str| text.parse::<Timestamp>().ok().map(EventTime::from);
    let shared = |text: &Option<String>| text.as_deref().map(Arc::from);
    let id = AnomalyId::parse(&body.alert_id)?;
    let state = AnomalyState::from_name(&body.state)?;
    let occurred_at = time(&body.occurred_at)?;
    let finding = Finding {
        id,
        kind: AnomalyKind::from_name(&body.kind)?,
        employee_id: shared(&body.employee_id),
        site_id: shared(&body.site_id),
        org: body.org.as_str().into(),
        business_date: body.business_date.parse().ok()?,
        shift_id: shared(&body.shift_id),
        device_id: shared(&body.device_id),
        event_ids: body.event_ids.iter().map(|id| id.as_str().into()).collect(),
        minutes: body.minutes,
        first_at: occurred_at,
        last_at: occurred_at,
    };
    let cause = Cause {
        log: LogMark::parse(&body.cause.log)?,
        partition: Partition::new(body.cause.partition),
        next: NextOffset::new(body.cause.offset)?,
        clock: LogClock::at(time(&body.cause.clock)?),
    };
    let digest = digest(state, &finding);
    Some((id, Said { version: body.version, digest, cause, value: SaidAnomaly { state, finding } }))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn anomaly() -> Anomaly {
        let at = EventTime::from(("2026-11-02T01:12:30Z").parse::<Timestamp>().unwrap());
        Anomaly {
            version: 2,
            state: AnomalyState::Firing,
            finding: Finding {
                id: AnomalyId([7; 16]),
                kind: AnomalyKind::Late,
                employee_id: Some("E1".into()),
                site_id: Some("s1".into()),
                org: "hk/kln".into(),
                business_date: "2026-11-02".parse().unwrap(),
                shift_id: Some("E1/2026-11-02".into()),
                device_id: None,
                event_ids: vec!["a".into(), "b".into()],
                minutes: Some(12),
                first_at: at,
                last_at: at,
            },
            detected_at: at.plus_s(1),
            resolved_by: None,
            resolved_ref: None,
            cause: Cause {
                log: model::LogId::new("log").unwrap().mark(),
                partition: Partition::new(3),
                next: NextOffset::new(41).unwrap(),
                clock: LogClock::at(at.plus_s(1)),
            },
        }
    }

    #[test]
    fn a_body_reads_back_to_what_was_said() {
        let anomaly = anomaly();
        let body = body(&anomaly, Generation(5), None, None);
        assert_eq!(body.summary.en, "Late 12 min, E1, s1, 2026-11-02");
        let (id, said) = read_back(&body).unwrap();
        assert_eq!(id, anomaly.finding.id);
        assert_eq!(said.value.finding, anomaly.finding);
        assert_eq!((said.version, said.cause), (2, anomaly.cause));
        assert_eq!(said.digest, digest(AnomalyState::Firing, &anomaly.finding));
    }

    #[test]
    fn new_evidence_is_something_new_and_the_time_of_detection_is_not() {
        let mut finding = anomaly().finding;
        let before = digest(AnomalyState::Firing, &finding);
        finding.first_at = finding.first_at.plus_s(9);
        assert_eq!(digest(AnomalyState::Firing, &finding), before);
        finding.minutes = Some(13);
        assert_ne!(digest(AnomalyState::Firing, &finding), before);
        assert_ne!(digest(AnomalyState::Resolved, &finding), before);
    }
}
