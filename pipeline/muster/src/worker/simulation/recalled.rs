//! Written cases that hardly any seed meets: an alert about days beyond memory, said by an owner who had drained the inbox when it had
//! read further than its successor has when it does; a record that was rejected, mended by one that the inbox holds.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use alerts::SaidAnomaly;
use attendance::Recall;
use frontier::PartitionFrontier;
use frontier::said::Said;
use lake::{KnownIds, SaidUntil};
use model::anomaly::Finding;
use model::position::{Cause, Generation, LogClock, partition_of};
use model::{Anomaly, AnomalyId, AnomalyKind, AnomalyState, EventTime, NextOffset, Offset};
use schemas::tables::{anomalies, late};
use serde_json::json;
use source::{RawBatch, RawHeaders};

use super::Telling;
use super::changes::first_world;
use super::group::{Shared, Sim};
use super::outside::Grave;
use super::world::{PARTITIONS, at, people};
use crate::worker::burier::Burier;
use crate::worker::letters::Letters;
use crate::worker::partition::{Cut, PartitionWork};
use crate::worker::patience::Patience;
use crate::worker::pipeline::Outlets;
use crate::worker::seals::Seals;
use crate::worker::speaker::Speaker;
use crate::worker::store::{Drained, Owned};

#[test]
fn who_was_told_of_days_beyond_memory_is_judged_from_the_lake_once_that_is_passed() {
    let sim = Sim::calm(0, Telling::Everything);
    let shared = sim.shared();
    let world = first_world();
    let person = people().remove(0);
    let (partition, next) = (partition_of(person.as_bytes(), PARTITIONS), NextOffset::new(5).unwrap());
    let cause = Cause { log: shared.settings.log, partition, next, clock: LogClock::at(at(21, 0)) };
    let finding = Finding {
        shift_id: Some(format!("{person}/0").into()),
        minutes: Some(5),
        ..finding(&person, AnomalyKind::Late)
    };
    let value = SaidAnomaly { state: AnomalyState::Firing, finding: finding.clone() };
    let alert = (finding.id, Said { version: 1, digest: 1, cause, value });
    let outlets = outlets(shared);
    let owned = owned(&person, at(20, 0), Vec::new());
    let mut work = PartitionWork::recover(&shared.settings, owned, vec![alert], &world);
    let is_recalled = |recall: &Recall| *recall.employee_id == *person && recall.read.contains(&at(0, 545));
    work.restate(&world, &outlets);
    work.caught_up(at(20, 600), &world, &outlets);
    assert!(!cut(&mut work).recalls.iter().any(is_recalled), "not passed yet");
    work.caught_up(at(21, 0), &world, &outlets);
    assert!(cut(&mut work).recalls.iter().any(is_recalled));
}

#[test]
fn who_was_told_of_days_beyond_memory_that_the_table_never_said_is_judged_from_the_lake() {
    let sim = Sim::calm(0, Telling::Everything);
    let shared = sim.shared();
    let world = first_world();
    let person = people().remove(0);
    let (partition, next) = (partition_of(person.as_bytes(), PARTITIONS), NextOffset::new(3).unwrap());
    let cause = Cause { log: shared.settings.log, partition, next, clock: LogClock::at(at(0, 546)) };
    let finding = finding(&person, AnomalyKind::Unscheduled);
    let value = SaidAnomaly { state: AnomalyState::Firing, finding: finding.clone() };
    let alert = (finding.id, Said { version: 1, digest: 1, cause, value });
    for (said_until, is_looked_at) in [(2, true), (3, false)] {
        let outlets = outlets(shared);
        let mut owned = owned(&person, at(20, 0), Vec::new());
        owned.said_until.next = NextOffset::new(said_until).unwrap();
        let mut work = PartitionWork::recover(&shared.settings, owned, vec![alert.clone()], &world);
        work.restate(&world, &outlets);
        work.caught_up(at(20, 600), &world, &outlets);
        let is_recalled =
            |recall: &Recall| *recall.employee_id == *person && recall.read.contains(&at(0, 545));
        assert_eq!(cut(&mut work).recalls.iter().any(is_recalled), is_looked_at, "{said_until}");
        work.caught_up(at(20, 660), &world, &outlets);
        assert!(!cut(&mut work).recalls.iter().any(is_recalled), "once");
    }
}

#[test]
fn a_punch_out_of_the_inbox_ends_what_was_told_of_a_record_of_that_day() {
    let sim = Sim::calm(0, Telling::Everything);
    let shared = sim.shared();
    let world = first_world();
    let person = people().remove(0);
    let partition = partition_of(person.as_bytes(), PARTITIONS);
    let next = NextOffset::new(4).unwrap();
    let rejected = Anomaly {
        version: 1,
        state: AnomalyState::Firing,
        finding: finding(&person, AnomalyKind::PunchRejected),
        detected_at: at(0, 545),
        resolved_by: None,
        resolved_ref: None,
        cause: Cause { log: shared.settings.log, partition, next, clock: LogClock::at(at(0, 545)) },
    };
    let outlets = outlets(shared);
    let owned = owned(&person, at(20, 0), vec![rejected]);
    let mut work = PartitionWork::recover(&shared.settings, owned, Vec::new(), &world);
    let value = json!({"event_id": "late", "employee_id": person, "kind": "in", "origin": "phone",
        "occurred_at": at(0, 540).ms(), "location": {"lon": 114.17, "lat": 22.3, "accuracy_m": 10}});
    let mut batch = RawBatch::new();
    batch.begin(partition, NextOffset::new(5).unwrap());
    let (offset, value) = (Offset::new(5).unwrap(), value.to_string());
    let headers = RawHeaders::default();
    batch.push(offset, Some(at(20, 1)), Some(person.as_bytes()), Some(value.as_bytes()), headers);
    work.take(&mut batch, &world, &outlets).unwrap();
    let waiting = cut(&mut work).rows;
    assert!(waiting.anomalies.is_empty(), "it waits to be judged");
    let rows = waiting.late.iter().map(|rows| late::to_punches(rows).unwrap()).collect();
    let drained = Drained {
        partition,
        rows,
        recalls: Vec::new(),
        history: Vec::new(),
        shift_results: Vec::new(),
        anomalies: Vec::new(),
    };
    work.drain(drained, &world, &outlets).unwrap();
    let said = cut(&mut work).rows.anomalies;
    let said: Vec<Anomaly> = said.iter().flat_map(|rows| anomalies::read(rows).unwrap()).collect();
    let is_over = |said: &Anomaly| {
        said.finding.kind == AnomalyKind::PunchRejected && said.state == AnomalyState::Resolved
    };
    assert!(said.iter().any(is_over), "{said:?}");
}

fn finding(person: &str, kind: AnomalyKind) -> Finding {
    Finding {
        id: AnomalyId([7; 16]),
        kind,
        employee_id: Some(person.into()),
        site_id: None,
        org: "hk/a".into(),
        business_date: "2026-11-02".parse().unwrap(),
        shift_id: None,
        device_id: None,
        event_ids: Vec::new(),
        minutes: None,
        first_at: at(0, 545),
        last_at: at(0, 545),
    }
}

/// That person's partition, whose clock stands there, with all said of it but these anomalies.
fn owned(person: &str, clock: EventTime, anomalies: Vec<Anomaly>) -> Owned {
    let (next, clock) = (NextOffset::new(5).unwrap(), LogClock::at(clock));
    Owned {
        partition: partition_of(person.as_bytes(), PARTITIONS),
        frontier: PartitionFrontier::new(next, clock, next),
        said_until: SaidUntil { next, clock_ms: clock.time().ms(), late: next },
        generation: Generation(1),
        unsaid: Vec::new(),
        rejected: Vec::new(),
        punches: Vec::new(),
        other_logs: Vec::new(),
        shift_results: Vec::new(),
        anomalies,
        since: Some(at(0, 0)),
        known: KnownIds::of(&[]).unwrap(),
        vendor_records: HashSet::new(),
        seals: Seals::default(),
        moved: Vec::new(),
        has_moved: false,
        ruled_until: None,
    }
}

fn outlets(shared: &Shared) -> Outlets {
    let (alerts, _inbox) = Speaker::new();
    let grave = Grave::new(Arc::clone(&shared.buried), Arc::clone(&shared.log), None);
    let (burier, _burials) = Burier::new();
    let letters = Mutex::new(Box::new(grave) as Box<dyn Letters>);
    Outlets { alerts, letters, burier, forwarder: None, patience: Patience::short() }
}

/// A whole cut, its shift results compared two at a time.
fn cut(work: &mut PartitionWork) -> Cut {
    work.begin_cut();
    loop {
        if let Some(cut) = work.go_on_cutting(2) {
            return cut;
        }
    }
}
