//! What a simulated world is about: a few people, and a log of their punches.
//!
//! In: dice.  Out: a log, another for each seed.  Owns: nothing.

use std::sync::Arc;

use model::EventTime;
use model::position::partition_of;
use serde_json::json;

use super::dice::Dice;
use super::outside::{Log, Record};

/// Partitions of the log.
pub(super) const PARTITIONS: u32 = 2;

const PEOPLE_EACH: usize = 2;
/// Days with shifts.
pub(super) const DAYS: i64 = 5;
/// 2026-11-02T00:00:00Z, a Monday.
const BEGIN_MS: i64 = 1_793_577_600_000;
/// Minutes of a day.
pub(super) const DAY_MIN: i64 = 24 * 60;

/// An instant of the simulated days.
pub(super) fn at(day: i64, minute: i64) -> EventTime {
    EventTime::from_ms(BEGIN_MS).plus_min(day * DAY_MIN + minute)
}

/// Everybody, by partition.
pub(super) fn people() -> Vec<String> {
    let on = |partition| {
        let names = (0..).map(|n| format!("p{n}"));
        let own = names.filter(move |name| partition_of(name.as_bytes(), PARTITIONS).number() == partition);
        own.take(PEOPLE_EACH)
    };
    (0..PARTITIONS).flat_map(on).collect()
}

/// Punches with the faults of life: forgotten, late by days, sent again, sent again otherwise; and what is no punch.
pub(super) fn make_log(dice: &mut Dice) -> Log {
    let mut log: Vec<Vec<Record>> = vec![Vec::new(); PARTITIONS as usize];
    let mut broken = 0;
    for person in people() {
        let partition = partition_of(person.as_bytes(), PARTITIONS).number() as usize;
        for day in 0..DAYS {
            for (kind, minute) in [("in", 8 * 60 + 50), ("out", 17 * 60 + 50)] {
                if dice.once_in(6) {
                    continue;
                }
                let occurred = at(day, minute + dice.below(40) as i64);
                let value = |kind: &str| {
                    json!({"event_id": format!("{kind}-{day}-{minute}"), "employee_id": person, "kind": kind,
                        "origin": "phone", "occurred_at": occurred.ms(),
                        "location": {"lon": 114.17, "lat": 22.3, "accuracy_m": 10}})
                };
                let delay = if dice.once_in(6) { 1 + dice.below(6 * DAY_MIN as u64) as i64 } else { 1 };
                let mut add = |value: String, delay: i64| {
                    log[partition].push(Record { key: person.clone(), value, at: occurred.plus_min(delay) });
                };
                add(value(kind).to_string(), delay);
                if dice.once_in(6) {
                    let mut again = value(kind);
                    if dice.once_in(2) {
                        again["kind"] = json!(if kind == "in" { "out" } else { "in" });
                    }
                    add(again.to_string(), delay + 1 + dice.below(5 * DAY_MIN as u64) as i64);
                }
                if dice.once_in(10) {
                    broken += 1;
                    add(format!("{{\"broken\": {broken}"), delay);
                }
            }
        }
    }
    for records in &mut log {
        records.sort_by_key(|record| record.at);
    }
    Arc::new(log)
}
