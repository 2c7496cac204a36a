//! P8: hours by week, continuous contracts and days of rest equal a recount that walks through every person's weeks as a clerk
//! would, day by day with the calendar at hand, and shares nothing with the views.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests")]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, Weekday, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use query::{Format, Options, Session, run_once};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value, json};

const FIRST: Date = date(2025, 12, 14);
const DAYS: i64 = 84;
/// The log's clock: the last week or two of the records are not over.
const CLOCK: &str = "2026-03-01T00:00:00Z";
/// (first day it holds, hours a week, hours in four weeks).
const LAW: [(Date, i64, Option<i64>); 2] = [(date(2000, 1, 1), 18, None), (date(2026, 1, 18), 17, Some(68))];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Answer {
    False,
    Unknown,
    True,
}
use Answer::{False, True, Unknown};

impl Answer {
    fn text(self) -> &'static str {
        match self {
            False => "false",
            Unknown => "unknown",
            True => "true",
        }
    }
}

struct Person {
    id: String,
    joined: Option<Date>,
    left: Option<Date>,
}

#[derive(Clone, Debug)]
struct Shift {
    person: usize,
    date: Date,
    came: Option<i64>,
    went: Option<i64>,
    planned: (i64, i64),
    /// Unpaid seconds between coming and going.
    unpaid_s: i64,
    leave_min: i64,
    is_final: bool,
    is_cancelled: bool,
}

impl Shift {
    fn worked_s(&self) -> Option<i64> {
        match (self.came, self.went) {
            (Some(came), Some(went)) => Some(went - came - self.unpaid_s),
            (None, None) => Some(0),
            _ => None,
        }
    }
}

fn zone() -> TimeZone {
    TimeZone::get("Asia/Hong_Kong").unwrap()
}

fn local(second: i64) -> jiff::Zoned {
    Timestamp::from_second(second).unwrap().to_zoned(zone())
}

fn week_of(mut day: Date) -> Date {
    while day.weekday() != Weekday::Sunday {
        day = day.yesterday().unwrap();
    }
    day
}

fn some_shift(random: &mut ChaCha8Rng, person: usize, day: i64, hours_max: i64) -> Shift {
    let date = FIRST.checked_add(day.days()).unwrap();
    let midnight = date.to_zoned(zone()).unwrap().timestamp().as_second();
    let start = midnight + 900 * random.random_range(0..100);
    // Whole and half hours, so that sums meet the law's hours exactly; now and then a second beside them.
    let worked = 1800 * random.random_range(1..=2 * hours_max)
        + if random.random_bool(0.1) { random.random_range(-1..=1) } else { 0 };
    let unpaid_s = if random.random_bool(0.3) { 1800 * random.random_range(1..=2) } else { 0 };
    let end = start + worked + unpaid_s;
    let mut shift = Shift {
        person,
        date,
        came: Some(start),
        went: Some(end),
        planned: (start, end),
        unpaid_s,
        leave_min: if random.random_bool(0.1) { 60 * random.random_range(1..9) } else { 0 },
        is_final: random.random_bool(0.97),
        is_cancelled: random.random_bool(0.03),
    };
    match random.random_range(0..60) {
        0 => shift.came = None,
        1 => shift.went = None,
        2 | 3 => (shift.came, shift.went) = (None, None),
        _ => {}
    }
    shift
}

/// One person's week as a clerk has it on paper.
#[derive(Clone, Default)]
struct Week {
    shifts: i64,
    worked_s: i64,
    over_start_s: i64,
    over_end_s: i64,
    leave_min: i64,
    unknown: i64,
}

struct World {
    people: Vec<Person>,
    shifts: Vec<Shift>,
}

impl World {
    fn new(random: &mut ChaCha8Rng) -> Self {
        let day = |random: &mut ChaCha8Rng| FIRST.checked_add(random.random_range(-90..50).days()).unwrap();
        let people: Vec<Person> = (0..12)
            .map(|n| Person {
                id: format!("e{n}"),
                joined: random.random_bool(0.8).then(|| day(random)),
                left: random.random_bool(0.1).then(|| day(random)),
            })
            .collect();
        let mut shifts = Vec::new();
        for person in 0..people.len() {
            // Every second one comes most days, for hours that make weeks near the law's.
            let (share, hours_max) = if person % 2 == 0 {
                (0.75, 6)
            } else {
                (random.random_range(0.1..0.7), random.random_range(3..13))
            };
            for day in 0..DAYS {
                if random.random_bool(share) {
                    shifts.push(some_shift(random, person, day, hours_max));
                }
            }
        }
        Self { people, shifts }
    }

    fn tables(&self) -> common::Rows {
        let mut rows = common::Rows::default();
        let instant = |second: Option<i64>| second.map(|s| Timestamp::from_second(s).unwrap().to_string());
        for (number, shift) in self.shifts.iter().enumerate() {
            let row = json!({
                "shift_id": format!("s{number}"), "version": 1, "employee_id": self.people[shift.person].id,
                "site_id": "a", "org": "hk", "business_date": shift.date.to_string(), "day_kind": "workday",
                "status": if shift.is_cancelled { "cancelled" } else { "present" }, "final": shift.is_final,
                "first_in": instant(shift.came), "last_out": instant(shift.went),
                "planned_start": instant(Some(shift.planned.0)), "planned_end": instant(Some(shift.planned.1)),
                "worked_s": shift.worked_s(), "leave_min": shift.leave_min, "decided_at": CLOCK,
            });
            rows.push("shift_results", object(row));
        }
        for person in &self.people {
            let row = json!({"employee_id": person.id, "org": "hk/kln", "taken_at": "2025-12-01T00:00:00Z",
                "joined": person.joined.map(|day| day.to_string()), "left": person.left.map(|day| day.to_string())});
            rows.push("people", object(row));
        }
        let site = json!({"site_id": "a", "org": "hk", "time_zone": "Asia/Hong_Kong", "taken_at": "2025-12-01T00:00:00Z"});
        rows.push("sites", object(site));
        let mut law = |key: &str, value: i64, from: Date| {
            let row = json!({"applies_to": "hk", "key": key, "value": value, "valid_from": from.to_string(), "source": "s",
                "status": "official", "taken_at": "2025-12-01T00:00:00Z"});
            rows.push("law_values", object(row));
        };
        for (from, week, four) in LAW {
            law("continuous_week_hours", week, from);
            four.into_iter().for_each(|hours| law("continuous_four_week_hours", hours, from));
        }
        law("continuous_counts_leave", 1, LAW[0].0);
        law("rest_day_every_days", 7, LAW[0].0);
        rows
    }

    fn weeks_of(&self, person: usize) -> BTreeMap<Date, Week> {
        let own: Vec<&Shift> = self.shifts.iter().filter(|shift| shift.person == person).collect();
        let newest = self.shifts.iter().map(|shift| shift.date).max().unwrap();
        let last = self.people[person].left.map_or(newest, |left| left.min(newest));
        let first = own.iter().map(|shift| shift.date).min().unwrap();
        let mut weeks = BTreeMap::new();
        let mut week = week_of(first);
        while week <= last.max(first) {
            weeks.insert(week, Week::default());
            week = week.checked_add(7.days()).unwrap();
        }
        for shift in own.iter().filter(|shift| !shift.is_cancelled) {
            let (from, until) = match (shift.came, shift.went) {
                (Some(came), Some(went)) => (came, went),
                _ => shift.planned,
            };
            let (begins, ends) = (week_of(local(from).date()), week_of(local(until - 1).date()));
            let worked = shift.worked_s();
            let is_unknown = worked.is_none() || !shift.is_final;
            let worked = worked.unwrap_or(0);
            let mut add = |week: Date, part: &dyn Fn(&mut Week)| {
                if let Some(week) = weeks.get_mut(&week) {
                    part(week);
                    week.unknown += i64::from(is_unknown);
                }
            };
            if begins == ends {
                add(begins, &|week| week.worked_s += worked);
            } else {
                let midnight = ends.to_zoned(zone()).unwrap().timestamp().as_second();
                let is_known = shift.came.is_some() && shift.went.is_some();
                let (most, least) = if is_known {
                    (worked.min(midnight - from), 0.max(midnight - from - shift.unpaid_s))
                } else {
                    (0, 0)
                };
                add(begins, &|week| {
                    week.worked_s += most;
                    week.over_end_s += most - least;
                });
                add(ends, &|week| {
                    week.worked_s += worked - most;
                    week.over_start_s += most - least;
                });
            }
            if let Some(week) = weeks.get_mut(&begins) {
                week.shifts += 1;
                week.leave_min += shift.leave_min;
            }
        }
        weeks
    }

    fn expected(&self) -> BTreeMap<&'static str, Vec<Map<String, Value>>> {
        let mut expected: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (at, person) in self.people.iter().enumerate() {
            let weeks = self.weeks_of(at);
            for row in self.contracts_of(person, &weeks) {
                expected.entry("continuous_contract").or_default().push(row);
            }
            for row in self.rests_of(at, &weeks) {
                expected.entry("rest_days").or_default().push(row);
            }
            let starts: Vec<Date> = weeks.keys().copied().collect();
            for (nth, start) in starts.iter().enumerate() {
                let (week, four) = (&weeks[start], &starts[nth.saturating_sub(3)..=nth]);
                let key = json!({"employee_id": person.id, "org": "hk/kln", "week_start": start.to_string()});
                let row = json!({
                    "week_end": start.checked_add(6.days()).unwrap().to_string(), "ended": is_over(*start),
                    "shifts": week.shifts, "worked_s": week.worked_s, "over_start_s": week.over_start_s,
                    "over_end_s": week.over_end_s, "leave_min": week.leave_min, "unknown_shifts": week.unknown,
                });
                expected.entry("weekly_hours").or_default().push(joined(key.clone(), row));
                let sum = |of: fn(&Week) -> i64| four.iter().map(|start| of(&weeks[start])).sum::<i64>();
                let row = json!({
                    "from_week": start.checked_sub(21.days()).unwrap().to_string(), "weeks": four.len(),
                    "ended": is_over(*start), "worked_s": sum(|week| week.worked_s),
                    "over_start_s": weeks[&four[0]].over_start_s, "over_end_s": week.over_end_s,
                    "leave_min": sum(|week| week.leave_min), "unknown_shifts": sum(|week| week.unknown),
                });
                expected.entry("four_week_hours").or_default().push(joined(key, row));
            }
        }
        expected
    }

    fn contracts_of(&self, person: &Person, weeks: &BTreeMap<Date, Week>) -> Vec<Map<String, Value>> {
        let starts: Vec<Date> = weeks.keys().copied().collect();
        let counted = |start: &Date| weeks[start].worked_s + 60 * weeks[start].leave_min;
        let is_open = |start: &Date| weeks[start].unknown > 0 || !is_over(*start);
        let reaches = |least: i64, most: i64, hours: i64| {
            let asked = hours * 3_600;
            if least >= asked {
                True
            } else if most < asked {
                False
            } else {
                Unknown
            }
        };
        let employed = |start: Date| match person.joined {
            None => Unknown,
            Some(joined) if joined <= start.checked_sub(21.days()).unwrap() => True,
            Some(_) => False,
        };
        let (mut rows, mut met) = (Vec::new(), Vec::new());
        for (nth, start) in starts.iter().enumerate() {
            let (_, week_hours, four_hours) = LAW.into_iter().rfind(|(from, ..)| from <= start).unwrap();
            let four = &starts[nth.saturating_sub(3)..=nth];
            let week = &weeks[start];
            let own = counted(start);
            let week_met = match is_open(start) {
                true => Unknown,
                false => reaches(own - week.over_end_s, own + week.over_start_s, week_hours),
            };
            let sum: i64 = four.iter().map(counted).sum();
            let four_met = four_hours.map(|hours| {
                let most = sum + weeks[&four[0]].over_start_s;
                let reached = match four.iter().any(is_open) {
                    true => Unknown,
                    // Hours before the records can only add.
                    false if four.len() < 4 => reaches(sum - week.over_end_s, i64::MAX, hours),
                    false => reaches(sum - week.over_end_s, most, hours),
                };
                reached.min(employed(*start))
            });
            met.push(week_met.max(four_met.unwrap_or(False)));
            let mut all = met[nth.saturating_sub(3)..].iter().copied().min().unwrap().min(employed(*start));
            if four.len() < 4 {
                all = all.min(Unknown);
            }
            rows.push(object(json!({
                "employee_id": person.id, "org": "hk/kln", "week_start": start.to_string(), "counted_s": own,
                "week_hours": week_hours, "week_met": week_met.text(), "four_weeks_counted_s": sum,
                "four_weeks_hours": four_hours, "four_weeks_met": four_met.map(Answer::text),
                "employed": employed(*start).text(), "continuous_contract": all.text(),
            })));
        }
        rows
    }

    fn rests_of(&self, person: usize, weeks: &BTreeMap<Date, Week>) -> Vec<Map<String, Value>> {
        let own = || self.shifts.iter().filter(|shift| shift.person == person);
        let first = own().map(|shift| shift.date).min().unwrap();
        let planned = || own().filter(|shift| !shift.is_cancelled);
        let is_worked = |shift: &&Shift| shift.came.is_some() || shift.went.is_some();
        let sure: BTreeSet<Date> = planned().filter(is_worked).map(|shift| shift.date).collect();
        let open = planned().filter(|shift| !shift.is_final).map(|shift| shift.date);
        let all: BTreeSet<Date> = open.chain(sure.iter().copied()).collect();
        // How many days in a row up to a day, and the first of them.
        let run = |days: &BTreeSet<Date>, until: Date| {
            let (mut count, mut day) = (0_i64, until);
            while days.contains(&day) {
                count += 1;
                day = day.yesterday().unwrap();
            }
            (count, day.tomorrow().unwrap())
        };
        let joined = self.people[person].joined;
        let row = |start: &Date| {
            let days: Vec<Date> = (0..7).map(|n| start.checked_add(n.days()).unwrap()).collect();
            let met: Vec<Date> = days.into_iter().filter(|day| all.contains(day)).collect();
            let longest = met.iter().map(|day| run(&sure, *day).0).max().unwrap_or(0);
            let most = met.iter().map(|day| run(&all, *day).0).max().unwrap_or(0);
            let first_most = met.iter().find(|day| run(&all, **day).0 == most).map(|day| run(&all, *day).1);
            let is_cut = met.iter().any(|day| run(&all, *day).1 == first)
                && joined.is_none_or(|joined| joined < first);
            let rest_day = if longest >= 7 {
                False
            } else if !is_over(*start) || most >= 7 || is_cut {
                Unknown
            } else {
                True
            };
            object(json!({
                "employee_id": self.people[person].id, "org": "hk/kln", "week_start": start.to_string(),
                "days_worked": met.iter().filter(|day| sure.contains(day)).count(),
                "days_unknown": met.iter().filter(|day| !sure.contains(day)).count(), "max_run": longest,
                "run_from": first_most.map(|day| day.to_string()), "every_days": 7, "rest_day": rest_day.text(),
            }))
        };
        weeks.keys().map(row).collect()
    }
}

fn is_over(start: Date) -> bool {
    let clock: Timestamp = CLOCK.parse().unwrap();
    clock.to_zoned(TimeZone::UTC).date() > start.checked_add(7.days()).unwrap()
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        other => panic!("{other} is no object"),
    }
}

fn joined(key: Value, row: Value) -> Map<String, Value> {
    let mut whole = object(key);
    whole.extend(object(row));
    whole
}

/// Values as they compare: 1 and 1.0 are one, and a null is as good as no key.
fn comparable(row: &Map<String, Value>) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_f64().map_or_else(|| value.to_string(), |number| number.to_string());
    row.iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.clone(), text(value))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_week_equals_a_recount() {
    let mut seen = BTreeMap::new();
    for seed in 0..4 {
        println!("seed {seed}");
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let world = World::new(&mut random);
        let scratch = tempfile::tempdir().unwrap();
        let lake = world.tables().store(scratch.path(), random.random_range(20..200));
        let session =
            Session::over(lake, Options { parallelism: Some(3), ..Options::default() }).await.unwrap();
        for (view, rows) in world.expected() {
            let mut out = Vec::new();
            run_once(&session, &format!("SELECT * FROM {view}"), Format::Json, &mut out).await.unwrap();
            let lines = std::str::from_utf8(&out).unwrap().lines();
            let found: BTreeSet<_> =
                lines.map(|line| comparable(&serde_json::from_str(line).unwrap())).collect();
            let expected: BTreeSet<_> = rows.iter().map(comparable).collect();
            assert_eq!(expected.len(), rows.len(), "{view}: keys are distinct");
            let lacking: Vec<_> = expected.difference(&found).take(3).collect();
            let beyond: Vec<_> = found.difference(&expected).take(3).collect();
            assert!(
                lacking.is_empty() && beyond.is_empty(),
                "seed {seed}, {view}: lacking {lacking:#?}, beyond {beyond:#?}"
            );
            for row in &rows {
                for column in ["continuous_contract", "week_met", "four_weeks_met", "rest_day"] {
                    row.get(column)
                        .into_iter()
                        .for_each(|v| *seen.entry((column, v.to_string())).or_insert(0) += 1);
                }
            }
        }
    }
    println!("{seen:?}");
    for (column, answers) in
        [("continuous_contract", 3), ("week_met", 3), ("four_weeks_met", 4), ("rest_day", 3)]
    {
        let kinds = seen.iter().filter(|((name, _), count)| *name == column && **count >= 5).count();
        assert_eq!(kinds, answers, "{column}: every answer is given: {seen:?}");
    }
}
