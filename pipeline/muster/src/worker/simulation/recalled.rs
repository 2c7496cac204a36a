//! One written case that hardly any seed meets: an alert about days beyond memory, said by an owner who had drained the inbox when
//! it had read further than its successor has when it does.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use alerts::SaidAnomaly;
use attendance::Recall;
use frontier::PartitionFrontier;
use frontier::said::Said;
use lake::{KnownIds, SaidUntil};
use model::anomaly::Finding;
use model::position::{Cause, Generation, LogClock, partition_of};
use model::{AnomalyId, AnomalyKind, AnomalyState, NextOffset};

use super::Telling;
use super::group::Sim;
use super::outside::Grave;
use super::world::{PARTITIONS, WORLD, at, people};
use crate::worker::burier::Burier;
use crate::worker::letters::Letters;
use crate::worker::partition::{Cut, PartitionWork};
use crate::worker::patience::Patience;
use crate::worker::pipeline::Outlets;
use crate::worker::seals::Seals;
use crate::worker::speaker::Speaker;
use crate::worker::store::Owned;

#[test]
fn who_was_told_of_days_beyond_memory_is_judged_from_the_lake_once_that_is_passed() {
    let sim = Sim::calm(0, Telling::Everything);
    let shared = sim.shared();
    let person = people().remove(0);
    let partition = partition_of(person.as_bytes(), PARTITIONS);
    let next = NextOffset::new(5).unwrap();
    let cause = Cause { log: shared.settings.log, partition, next, clock: LogClock::at(at(21, 0)) };
    let finding = Finding {
        id: AnomalyId([7; 16]),
        kind: AnomalyKind::Late,
        employee_id: Some(person.as_str().into()),
        site_id: None,
        org: "hk/a".into(),
        business_date: "2026-11-02".parse().unwrap(),
        shift_id: Some(format!("{person}/0").into()),
        device_id: None,
        event_ids: Vec::new(),
        minutes: Some(5),
        first_at: at(0, 545),
        last_at: at(0, 545),
    };
    let value = SaidAnomaly { state: AnomalyState::Firing, finding: finding.clone() };
    let alert = (finding.id, Said { version: 1, digest: 1, cause, value });
    let clock = LogClock::at(at(20, 0));
    let owned = Owned {
        partition,
        frontier: PartitionFrontier::new(next, clock, next),
        said_until: SaidUntil { next, clock_ms: clock.time().ms(), late: next },
        generation: Generation(1),
        unsaid: Vec::new(),
        rejected: Vec::new(),
        punches: Vec::new(),
        other_logs: Vec::new(),
        shift_results: Vec::new(),
        anomalies: Vec::new(),
        since: Some(at(0, 0)),
        known: KnownIds::of(&[]).unwrap(),
        vendor_records: HashSet::new(),
        seals: Seals::default(),
        moved: Vec::new(),
        has_moved: false,
        ruled_until: None,
    };
    let (alerts, _inbox) = Speaker::new();
    let grave = Grave::new(Arc::clone(&shared.buried), Arc::clone(&shared.log), None);
    let (burier, _burials) = Burier::new();
    let letters = Mutex::new(Box::new(grave) as Box<dyn Letters>);
    let outlets = Outlets { alerts, letters, burier, forwarder: None, patience: Patience::short() };
    let mut work = PartitionWork::recover(&shared.settings, owned, vec![alert], &WORLD);
    let is_recalled = |recall: &Recall| *recall.employee_id == *person && recall.read.contains(&at(0, 545));
    work.restate(&WORLD, &outlets);
    work.caught_up(at(20, 600), &WORLD, &outlets);
    assert!(!cut(&mut work).recalls.iter().any(is_recalled), "not passed yet");
    work.caught_up(at(21, 0), &WORLD, &outlets);
    assert!(cut(&mut work).recalls.iter().any(is_recalled));
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
