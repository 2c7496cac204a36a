//! P8: overtime of days without a shift equals a recount that goes through each day second by second and shares nothing with the
//! views.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests")]

mod common;

use std::collections::BTreeMap;

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use query::{Format, Options, Session, run_once};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value, json};

const FIRST: Date = date(2026, 10, 26);
const DAYS: i64 = 21;
const PEOPLE: usize = 40;
const BASES: [&str; 4] = ["off", "punched", "approved", "both"];

struct Permission {
    from: i64,
    until: i64,
    compensation: Option<&'static str>,
}

#[derive(Default)]
struct Day {
    punches: Vec<(&'static str, i64)>,
    permissions: Vec<Permission>,
    is_planned: bool,
}

struct Rule {
    basis: &'static str,
    fewest: i64,
    most: i64,
}

fn second(day: Date, after: i64) -> i64 {
    let zone = TimeZone::get("Asia/Hong_Kong").unwrap();
    day.to_zoned(zone).unwrap().timestamp().as_second() + after
}

fn text(second: i64) -> String {
    Timestamp::from_second(second).unwrap().to_string()
}

fn some_day(random: &mut ChaCha8Rng, day: Date) -> Day {
    let mut of = Day { is_planned: random.random_bool(0.15), ..Day::default() };
    for _ in 0..random.random_range(0..5) {
        let kind = ["in", "out", "auto", "break_out"][random.random_range(0..4)];
        of.punches.push((kind, second(day, random.random_range(0..86_400))));
    }
    for _ in 0..random.random_range(0..4) {
        let begins = random.random_range(0..86_400);
        let lasts = random.random_range(1..14_400);
        let compensation = [None, Some("pay"), Some("time_off")][random.random_range(0..3)];
        let from = second(day, begins);
        of.permissions.push(Permission { from, until: from + lasts, compensation });
    }
    of.permissions.sort_by_key(|permission| permission.from);
    of
}

/// What a clerk with a stopwatch writes down: punched, approved, both, counted, paid, given back, untold.
fn recount(day: &Day, rule: &Rule) -> Option<[i64; 7]> {
    let of = |ends: [&'static str; 2]| -> Vec<i64> {
        day.punches.iter().filter(|(kind, _)| ends.contains(kind)).map(|(_, at)| *at).collect()
    };
    let (ins, outs) = (of(["in", "auto"]), of(["out", "auto"]));
    let there = ins.into_iter().min().zip(outs.into_iter().max()).filter(|(from, until)| from < until);
    if day.is_planned || there.is_none() && day.permissions.is_empty() {
        return None;
    }
    let (from, until) = there.unwrap_or((0, 0));
    let [mut approved, mut both] = [[0; 3]; 2];
    let first = day.permissions.iter().map(|permission| permission.from).min().unwrap_or(0);
    let last = day.permissions.iter().map(|permission| permission.until).max().unwrap_or(0);
    for now in first..last {
        let mut holding =
            day.permissions.iter().filter(|permission| permission.from <= now && now < permission.until);
        if let Some(permission) = holding.next() {
            let how = match permission.compensation {
                Some("pay") => 0,
                Some(_) => 1,
                None => 2,
            };
            approved[how] += 1;
            both[how] += i64::from(from <= now && now < until);
        }
    }
    let minutes = |seconds: [i64; 3]| seconds.iter().sum::<i64>() / 60;
    let punched = (until - from) / 60;
    let told = match rule.basis {
        "punched" => punched,
        "approved" => minutes(approved),
        "both" => minutes(both),
        _ => 0,
    };
    let mut counted = if told < rule.fewest { 0 } else { told };
    if rule.most > 0 {
        counted = counted.min(rule.most);
    }
    let shares = if rule.basis == "approved" { approved } else { both };
    let paid = (shares[0] / 60).min(counted);
    let given_back = (shares[1] / 60).min(counted - paid);
    Some([punched, minutes(approved), minutes(both), counted, paid, given_back, counted - paid - given_back])
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overtime_without_a_shift_equals_a_recount() {
    let seed = std::env::var("MUSTER_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_109);
    println!("MUSTER_SEED={seed}");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut rows = common::Rows::default();
    let taken_at = "2026-10-01T00:00:00Z";
    rows.push(
        "sites",
        object(json!({"site_id": "a", "org": "hk/a", "time_zone": "Asia/Hong_Kong", "taken_at": taken_at})),
    );
    let mut expected: BTreeMap<String, [i64; 7]> = BTreeMap::new();
    let mut number = 0;
    for person in 0..PEOPLE {
        let id = format!("e{person}");
        let basis = BASES[person % BASES.len()];
        let rule =
            Rule { basis, fewest: random.random_range(0..60), most: [0, 120][random.random_range(0..2)] };
        // No window: whose day is planned has no permission that reaches it here, as its shift is at its end.
        let told = format!("2020-01-01:{basis}:{}:{}:0:0", rule.fewest, rule.most);
        rows.push(
            "people",
            object(json!({"employee_id": id, "org": "hk", "home_site": "a", "overtime_rules": [told],
            "taken_at": taken_at})),
        );
        for at in 0..DAYS {
            let date = FIRST.checked_add(at.days()).unwrap();
            let day = some_day(&mut random, date);
            if day.is_planned {
                number += 1;
                // A shift of an instant that no permission touches.
                rows.push("shift_results", object(json!({"shift_id": format!("s{number}"), "employee_id": id, "version": 1,
                    "final": true, "status": "present", "day_kind": "workday", "business_date": date.to_string(),
                    "planned_start": "2026-01-01T00:00:00Z", "planned_end": "2026-01-01T00:00:01Z"})));
            }
            for (kind, at) in &day.punches {
                number += 1;
                rows.push(
                    "punches",
                    object(json!({"event_id": format!("p{number}"), "employee_id": id, "kind": kind,
                    "origin": "phone", "occurred_at": text(*at), "received_at": "2026-12-01T00:00:00Z",
                    "business_date": date.to_string()})),
                );
            }
            for permission in &day.permissions {
                number += 1;
                // Of those that begin together the first id is asked first.
                rows.push(
                    "leave",
                    object(
                        json!({"leave_id": format!("l{number:06}"), "employee_id": id, "type": "overtime",
                    "status": "approved", "from": text(permission.from), "to": text(permission.until),
                    "compensation": permission.compensation, "taken_at": taken_at}),
                    ),
                );
            }
            if let Some(figures) = recount(&day, &rule) {
                expected.insert(format!("{id},{date}"), figures);
            }
        }
    }
    let scratch = tempfile::tempdir().unwrap();
    let session = Session::over(rows.store(scratch.path(), 500), Options::default()).await.unwrap();
    let statement = "SELECT employee_id, business_date, punched_min, approved_min, both_min, overtime_min, pay_min, \
                     time_off_min, untold_min FROM unrostered_overtime";
    let mut out = Vec::new();
    run_once(&session, statement, Format::Csv, &mut out).await.unwrap();
    let mut found = BTreeMap::new();
    for line in String::from_utf8(out).unwrap().lines().skip(1) {
        let mut cells = line.splitn(3, ',');
        let key = format!("{},{}", cells.next().unwrap(), cells.next().unwrap());
        let figures: Vec<i64> = cells.next().unwrap().split(',').map(|cell| cell.parse().unwrap()).collect();
        found.insert(key, <[i64; 7]>::try_from(figures).unwrap());
    }
    assert!(
        expected.len() > 400
            && expected.values().any(|figures| figures[4] > 0 && figures[5] > 0 && figures[6] > 0)
    );
    for (key, figures) in &expected {
        assert_eq!(found.get(key), Some(figures), "{key}");
    }
    assert_eq!(found.len(), expected.len());
}
