//! P8: every statistic equals a brute-force recount. Random shift results and punches are counted twice: by the views, and
//! by the slow loops below, which share nothing with them but the meaning of the columns.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests")]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use query::{Format, Options, Session, run_once};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value, json};

const SITES: [(&str, &str, &str); 7] = [
    ("a", "hk/kln/mk", "Asia/Hong_Kong"),
    ("b", "hk/kln/mk", "Asia/Hong_Kong"),
    ("c", "hk/kln", "Asia/Hong_Kong"),
    ("d", "hk", "Asia/Kathmandu"),
    ("e", "hkx/kln", "Europe/London"),
    ("f", "uk/leeds", "America/New_York"),
    ("g", "", "UTC"),
];

/// 2026-10-20 and the days after it: the month changes, and London's and New York's clocks go back.
const DAYS: [&str; 16] = [
    "2026-10-20",
    "2026-10-21",
    "2026-10-23",
    "2026-10-24",
    "2026-10-25",
    "2026-10-26",
    "2026-10-30",
    "2026-10-31",
    "2026-11-01",
    "2026-11-02",
    "2026-11-03",
    "2026-11-04",
    "2026-11-05",
    "2026-11-06",
    "2026-11-29",
    "2026-11-30",
];

#[derive(Clone, Debug)]
struct Result {
    shift_id: String,
    version: i64,
    employee: String,
    site: usize,
    date: &'static str,
    day_kind: &'static str,
    status: &'static str,
    is_final: bool,
    due_min: i64,
    worked_s: Option<i64>,
    late_min: i64,
    early_min: i64,
    missing_in: bool,
    missing_out: bool,
    leave_min: i64,
    overtime_min: i64,
    corrections: Vec<String>,
    first_in_s: Option<i64>,
    night_s: Option<i64>,
    is_half_day: bool,
    late_as_absent: bool,
    statutory_holiday: Option<bool>,
    leave: Vec<usize>,
}

impl Result {
    fn reasons(&self) -> Vec<&'static str> {
        let each = [(self.late_as_absent, "late_as_absent"), (self.is_half_day, "half_day")];
        each.into_iter().filter_map(|(is_so, reason)| is_so.then_some(reason)).collect()
    }
}

/// (leave_id, type, whether Hong Kong's law gives it from 2026-10-25 on).
const LEAVE: [(&str, &str, bool); 4] =
    [("l0", "annual", true), ("l1", "sick", true), ("l2", "personal", false), ("l3", "marriage", false)];
const LAW_FROM: &str = "2026-10-25";

/// (kind, whether it is a finding of a device; `None`: of neither).
const KINDS: [(&str, Option<bool>); 4] =
    [("outside", Some(false)), ("wrong_store", Some(false)), ("clock_suspect", Some(true)), ("mocked", None)];

struct Found {
    id: usize,
    kind: usize,
    employee: String,
    site: usize,
    date: &'static str,
}

struct Punch {
    employee: String,
    shift_id: Option<String>,
    origin: &'static str,
    date: &'static str,
}

fn pick<T: Copy>(random: &mut ChaCha8Rng, from: &[T]) -> T {
    from[random.random_range(0..from.len())]
}

fn some_result(random: &mut ChaCha8Rng, shift_id: &str, version: i64, employee: &str) -> Result {
    let status =
        pick(random, &["present", "present", "late", "serious_late", "absent", "leave", "cancelled"]);
    let late = matches!(status, "late" | "serious_late") || (status == "absent" && random.random_bool(0.2));
    let some_min = |random: &mut ChaCha8Rng, chance: f64| {
        if random.random_bool(chance) { random.random_range(1..200) } else { 0 }
    };
    Result {
        shift_id: shift_id.to_owned(),
        version,
        employee: employee.to_owned(),
        site: random.random_range(0..SITES.len()),
        date: pick(random, &DAYS),
        day_kind: pick(random, &["workday", "workday", "rest", "holiday"]),
        status,
        is_final: random.random_bool(0.8),
        due_min: if status == "leave" { 0 } else { random.random_range(1..600) },
        worked_s: random.random_bool(0.8).then(|| random.random_range(0..40_000)),
        late_min: if late { random.random_range(1..300) } else { 0 },
        early_min: some_min(random, 0.2),
        missing_in: random.random_bool(0.2),
        missing_out: random.random_bool(0.2),
        leave_min: some_min(random, 0.2),
        overtime_min: some_min(random, 0.3),
        corrections: (0..random.random_range(0..3))
            .map(|_| format!("c{}", random.random_range(0..40)))
            .collect(),
        night_s: random.random_bool(0.3).then(|| random.random_range(0..20_000)),
        is_half_day: random.random_bool(0.2),
        late_as_absent: status == "absent" && random.random_bool(0.3),
        statutory_holiday: pick(random, &[None, Some(false), Some(true)]),
        leave: if status == "leave" || random.random_bool(0.1) {
            (0..random.random_range(1..3)).map(|_| random.random_range(0..LEAVE.len())).collect()
        } else {
            Vec::new()
        },
        first_in_s: random.random_bool(0.9).then(|| 1_792_450_000 + random.random_range(0..3_600_000)),
    }
}

/// A month's sums, kept as a clerk would keep them.
#[derive(Default)]
struct Sums {
    people: BTreeSet<String>,
    due_halves: i64,
    legal_halves: i64,
    planned_halves: i64,
    late_as_absent_halves: i64,
    statutory: i64,
    places: BTreeSet<usize>,
    devices: BTreeSet<usize>,
    attended_halves: i64,
    due_min: i64,
    worked_s: i64,
    late: i64,
    late_min: i64,
    serious: i64,
    early: i64,
    early_min: i64,
    missing_in: i64,
    missing_out: i64,
    leave_min: i64,
    overtime: BTreeMap<&'static str, i64>,
    night_s: i64,
    unresolved: i64,
    field: i64,
    corrections: BTreeSet<String>,
}

impl Sums {
    fn add_day(&mut self, shifts: &[&Result]) {
        let planned: Vec<_> = shifts.iter().filter(|shift| shift.status != "cancelled").collect();
        let due: Vec<_> =
            planned.iter().filter(|shift| shift.due_min > 0 || shift.status == "absent").collect();
        let attended = due.iter().filter(|shift| shift.status != "absent");
        let attended: usize = attended.map(|shift| if shift.is_half_day { 1 } else { 2 }).sum();
        let due_halves = if due.is_empty() {
            0
        } else if due.len() == planned.len() {
            2
        } else {
            1
        };
        self.due_halves += due_halves;
        let halves = |part: usize| match part {
            0 => 0,
            all if all == planned.len() => 2,
            _ => 1,
        };
        let gives = |shift: &Result, leave: usize| {
            LEAVE[leave].2 && SITES[shift.site].1.split('/').next() == Some("hk") && shift.date >= LAW_FROM
        };
        let is_due_by_law = |shift: &Result| {
            let is_personal = shift.leave.iter().any(|leave| !gives(shift, *leave));
            shift.due_min > 0 || shift.status == "absent" || is_personal
        };
        self.legal_halves += halves(planned.iter().filter(|shift| is_due_by_law(shift)).count());
        self.planned_halves += if planned.is_empty() { 0 } else { 2 };
        let labelled = planned.iter().filter(|shift| shift.late_as_absent).count();
        self.late_as_absent_halves += match labelled {
            0 => 0,
            all if all == due.len() => due_halves,
            _ => 1,
        };
        self.statutory +=
            i64::from(shifts.iter().any(|s| s.statutory_holiday == Some(true) && s.first_in_s.is_some()));
        self.attended_halves += if attended == 0 {
            0
        } else if attended == 2 * due.len() {
            due_halves
        } else {
            1
        };
        for shift in shifts {
            self.people.insert(shift.employee.clone());
            self.due_min += if shift.status == "cancelled" { 0 } else { shift.due_min };
            self.worked_s += shift.worked_s.unwrap_or(0);
            self.late += i64::from(shift.late_min > 0);
            self.late_min += shift.late_min;
            self.serious += i64::from(shift.status == "serious_late");
            self.early += i64::from(shift.early_min > 0);
            self.early_min += shift.early_min;
            self.missing_in += i64::from(shift.missing_in);
            self.missing_out += i64::from(shift.missing_out);
            self.leave_min += shift.leave_min;
            *self.overtime.entry(shift.day_kind).or_default() += shift.overtime_min;
            self.night_s += shift.night_s.unwrap_or(0);
            self.unresolved += i64::from(!shift.is_final);
            self.corrections.extend(shift.corrections.iter().cloned());
        }
    }

    fn row(&self) -> Map<String, Value> {
        let days = |halves: i64| halves as f64 / 2.0;
        let rate = |part: f64, whole: f64| if whole == 0.0 { Value::Null } else { json!(part / whole) };
        let overtime = |kind| self.overtime.get(kind).copied().unwrap_or(0);
        let Value::Object(row) = json!({
            "due_days": days(self.due_halves),
            "attended_days": days(self.attended_halves),
            "attendance_rate": rate(days(self.attended_halves), days(self.due_halves)),
            "attendance_rate_by_time": rate(self.worked_s as f64, self.due_min as f64 * 60.0),
            "attendance_rate_legal": rate(days(self.attended_halves), days(self.legal_halves)),
            "attendance_rate_planned": rate(days(self.attended_halves), days(self.planned_halves)),
            "late_as_absent_days": days(self.late_as_absent_halves),
            "statutory_holidays_worked": self.statutory,
            "place_anomaly_count": self.places.len(),
            "device_anomaly_count": self.devices.len(),
            "absent_days": days(self.due_halves - self.attended_halves),
            "due_min": self.due_min,
            "worked_s": self.worked_s,
            "worked_min": self.worked_s / 60,
            "late_count": self.late,
            "late_min": self.late_min,
            "serious_late_count": self.serious,
            "early_count": self.early,
            "early_min": self.early_min,
            "missing_in": self.missing_in,
            "missing_out": self.missing_out,
            "leave_min": self.leave_min,
            "overtime_min": self.overtime.values().sum::<i64>(),
            "overtime_workday_min": overtime("workday"),
            "overtime_rest_min": overtime("rest"),
            "overtime_holiday_min": overtime("holiday"),
            "night_s": self.night_s,
            "unresolved_shifts": self.unresolved,
            "field_count": self.field,
            "make_up_count": self.corrections.len(),
        }) else {
            unreachable!("an object was written")
        };
        row
    }
}

/// One month of one scope, from the shifts that hold: person by person, day by day.
fn recount(holding: &[Result], belongs: impl Fn(&Result) -> bool, month: &str) -> Option<Sums> {
    let mut days: BTreeMap<(&str, &str), Vec<&Result>> = BTreeMap::new();
    for result in holding.iter().filter(|result| result.date.starts_with(month) && belongs(result)) {
        days.entry((&result.employee, result.date)).or_default().push(result);
    }
    let mut sums = Sums::default();
    days.values().for_each(|shifts| sums.add_day(shifts));
    (!days.is_empty()).then_some(sums)
}

struct World {
    results: Vec<Result>,
    holding: Vec<Result>,
    punches: Vec<Punch>,
    found: Vec<Found>,
}

impl World {
    fn new(random: &mut ChaCha8Rng) -> Self {
        let mut results = Vec::new();
        let mut holding = Vec::new();
        for number in 0..random.random_range(150..400) {
            let employee = format!("e{}", random.random_range(0..15));
            let versions = pick(random, &[1, 1, 1, 2, 3, 11]);
            let shift_id = format!("s{number}");
            for version in 1..=versions {
                results.push(some_result(random, &shift_id, version, &employee));
            }
            holding.extend(results.last().cloned());
        }
        let punches = (0..random.random_range(0..200)).map(|_| {
            let shift: &Result = &holding[random.random_range(0..holding.len())];
            Punch {
                employee: shift.employee.clone(),
                shift_id: random.random_bool(0.7).then(|| shift.shift_id.clone()),
                origin: pick(random, &["field", "field", "phone"]),
                date: shift.date,
            }
        });
        let punches = punches.collect();
        let found = (0..random.random_range(0..120)).map(|_| Found {
            id: random.random_range(0..60),
            kind: 0,
            employee: format!("e{}", random.random_range(0..15)),
            site: random.random_range(0..SITES.len()),
            date: pick(random, &DAYS),
        });
        // Rows of one finding are about the same, however many there are.
        let mut known: BTreeMap<usize, (String, usize, &str)> = BTreeMap::new();
        let found = found
            .map(|row| {
                let first = known.entry(row.id).or_insert((row.employee.clone(), row.site, row.date));
                let (employee, site, date) = first.clone();
                Found { kind: row.id % KINDS.len(), employee, site, date, ..row }
            })
            .collect();
        // Versions of one shift need not lie together.
        for at in (1..results.len()).rev() {
            results.swap(at, random.random_range(0..=at));
        }
        Self { results, holding, punches, found }
    }

    fn tables(&self) -> common::Rows {
        let mut rows = common::Rows::default();
        for result in &self.results {
            let (site, org, _) = SITES[result.site];
            rows.push("shift_results", object(json!({
                "shift_id": result.shift_id, "version": result.version, "employee_id": result.employee, "site_id": site,
                "org": org, "business_date": result.date, "day_kind": result.day_kind, "status": result.status,
                "final": result.is_final, "due_min": result.due_min, "worked_s": result.worked_s,
                "late_min": result.late_min, "early_min": result.early_min, "missing_in": result.missing_in,
                "missing_out": result.missing_out, "leave_min": result.leave_min, "overtime_min": result.overtime_min,
                "correction_ids": result.corrections, "statutory_holiday": result.statutory_holiday,
                "night_s": result.night_s,
                "reasons": result.reasons(),
                "leave_ids": result.leave.iter().map(|leave| LEAVE[*leave].0).collect::<Vec<_>>(),
                "first_in": result.first_in_s.map(|s| jiff::Timestamp::from_second(s).unwrap().to_string()),
            })));
        }
        for (number, punch) in self.punches.iter().enumerate() {
            rows.push("punches", object(json!({
                "event_id": format!("p{number}"), "employee_id": punch.employee, "shift_id": punch.shift_id,
                "origin": punch.origin, "business_date": punch.date, "place": "outside",
            })));
        }
        for (number, found) in self.found.iter().enumerate() {
            rows.push(
                "anomalies",
                object(json!({
                    "anomaly_id": format!("a{}", found.id), "version": number, "kind": KINDS[found.kind].0,
                    "employee_id": found.employee, "site_id": SITES[found.site].0, "org": SITES[found.site].1,
                    "business_date": found.date,
                })),
            );
        }
        for (leave_id, leave_type, is_legal) in LEAVE {
            let row = json!({"leave_id": leave_id, "type": leave_type, "taken_at": "2026-10-01T00:00:00Z"});
            rows.push("leave", object(row));
            if is_legal {
                rows.push("law_values", object(json!({
                    "applies_to": "hk", "key": format!("legal_leave.{leave_type}"), "value": 1, "valid_from": LAW_FROM,
                    "source": "s", "taken_at": "2026-10-01T00:00:00Z",
                })));
            }
        }
        for (site, org, zone) in SITES {
            let row =
                json!({"site_id": site, "org": org, "time_zone": zone, "taken_at": "2026-10-01T00:00:00Z"});
            rows.push("sites", object(row));
        }
        rows
    }

    /// Field punches in `month` that are bound to a shift for which `belongs` holds.
    fn field_bound(&self, belongs: impl Fn(&Result) -> bool, month: &str) -> i64 {
        let holds = |id: &String| {
            self.holding
                .iter()
                .any(|result| result.shift_id == *id && result.date.starts_with(month) && belongs(result))
        };
        let is_field = |punch: &&Punch| punch.origin == "field" && punch.shift_id.as_ref().is_some_and(holds);
        self.punches.iter().filter(is_field).count() as i64
    }

    /// Adds the findings of `month` for which `belongs` holds.
    fn add_found(&self, sums: &mut Sums, belongs: impl Fn(&Found) -> bool, month: &str) {
        for found in self.found.iter().filter(|found| found.date.starts_with(month) && belongs(found)) {
            match KINDS[found.kind].1 {
                Some(true) => drop(sums.devices.insert(found.id)),
                Some(false) => drop(sums.places.insert(found.id)),
                None => {}
            }
        }
    }

    fn expected(&self) -> BTreeMap<&'static str, Vec<Map<String, Value>>> {
        let mut expected: BTreeMap<_, Vec<_>> = BTreeMap::new();
        let people: BTreeSet<&String> = self.holding.iter().map(|result| &result.employee).collect();
        for month in ["2026-10", "2026-11"] {
            for &employee in &people {
                let belongs = |result: &Result| result.employee == *employee;
                let Some(mut sums) = recount(&self.holding, belongs, month) else { continue };
                let is_unbound = |punch: &&Punch| {
                    let mine = punch.employee == *employee && punch.date.starts_with(month);
                    mine && punch.origin == "field" && punch.shift_id.is_none()
                };
                let unbound = self.punches.iter().filter(is_unbound).count() as i64;
                self.add_found(&mut sums, |found| found.employee == *employee, month);
                sums.field = unbound + self.field_bound(belongs, month);
                let key = json!({"employee_id": employee, "month": month});
                expected.entry("monthly_statistics").or_default().push(joined(key, sums.row()));
            }
            for (at, (site, org, _)) in SITES.iter().enumerate() {
                let belongs = |result: &Result| result.site == at;
                let Some(mut sums) = recount(&self.holding, belongs, month) else { continue };
                self.add_found(&mut sums, |found| found.site == at, month);
                sums.field = self.field_bound(belongs, month);
                let key = json!({"site_id": site, "month": month, "org": org, "people": sums.people.len()});
                expected.entry("monthly_statistics_by_site").or_default().push(joined(key, sums.row()));
            }
            for org in ["hk", "hk/kln", "hk/kln/mk", "hkx", "hkx/kln", "uk", "uk/leeds"] {
                let is_below = |site: usize| {
                    let own = SITES[site].1;
                    own == org || own.starts_with(&format!("{org}/"))
                };
                let belongs = |result: &Result| is_below(result.site);
                let Some(mut sums) = recount(&self.holding, belongs, month) else { continue };
                self.add_found(&mut sums, |found| is_below(found.site), month);
                sums.field = self.field_bound(belongs, month);
                let depth = org.split('/').count();
                let key = json!({"org": org, "depth": depth, "month": month, "people": sums.people.len()});
                expected.entry("monthly_statistics_by_org").or_default().push(joined(key, sums.row()));
            }
        }
        expected.insert("attendance_days", self.expected_days());
        expected.insert("lateness_hotspots", self.expected_hotspots());
        expected
    }

    fn expected_days(&self) -> Vec<Map<String, Value>> {
        let mut days: BTreeMap<(&str, usize, &str), Vec<&Result>> = BTreeMap::new();
        for result in &self.holding {
            days.entry((&result.employee, result.site, result.date)).or_default().push(result);
        }
        let row = |((employee, site, date), shifts): (&(&str, usize, &str), &Vec<&Result>)| {
            let mut sums = Sums::default();
            sums.add_day(shifts);
            let of_month = sums.row();
            let kinds: BTreeSet<_> = shifts.iter().map(|shift| shift.day_kind).collect();
            let kind = ["holiday", "rest", "workday"].into_iter().find(|kind| kinds.contains(kind));
            let known = shifts.iter().any(|shift| shift.worked_s.is_some());
            let mut row = object(json!({
                "employee_id": employee, "site_id": SITES[*site].0, "org": SITES[*site].1, "business_date": date,
                "day_kind": kind, "worked_s": known.then_some(sums.worked_s), "absent": of_month["absent_days"],
            }));
            for column in
                ["due_min", "late_min", "late_count", "early_min", "early_count", "missing_in", "missing_out"]
            {
                row.insert(column.to_owned(), of_month[column].clone());
            }
            row.insert("leave_min".to_owned(), of_month["leave_min"].clone());
            row.insert("overtime_min".to_owned(), of_month["overtime_min"].clone());
            row
        };
        days.iter().map(row).collect()
    }

    fn expected_hotspots(&self) -> Vec<Map<String, Value>> {
        let mut buckets: BTreeMap<(usize, &str, String), (i64, i64, i64)> = BTreeMap::new();
        for result in self.holding.iter().filter(|result| result.status != "cancelled") {
            let Some(first_in) = result.first_in_s else { continue };
            let at = jiff::Timestamp::from_second(first_in).unwrap().in_tz(SITES[result.site].2).unwrap();
            let bucket = format!("{:02}:{:02}", at.hour(), at.minute() / 15 * 15);
            let (arrivals, late, late_min) =
                buckets.entry((result.site, &result.date[..7], bucket)).or_default();
            *arrivals += 1;
            *late += i64::from(result.late_min > 0);
            *late_min += result.late_min;
        }
        let row = |((site, month, bucket), (arrivals, late, late_min)): (_, (i64, i64, i64))| {
            let (site, org, _): (&str, &str, &str) = SITES[site];
            let month: &str = month;
            let bucket: String = bucket;
            object(json!({
                "site_id": site, "org": org, "month": month, "bucket": bucket, "arrivals": arrivals, "late_count": late,
                "late_rate": late as f64 / arrivals as f64, "late_min": late_min,
            }))
        };
        buckets.into_iter().map(row).collect()
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        other => panic!("{other} is no object"),
    }
}

fn joined(key: Value, mut row: Map<String, Value>) -> Map<String, Value> {
    row.extend(object(key));
    row
}

/// Numbers as they compare: 1 and 1.0 are one, and a quotient is good to its twelfth digit.
fn comparable(row: &Map<String, Value>) -> BTreeMap<String, String> {
    let text = |value: &Value| match value.as_f64() {
        Some(number) => format!("{number:.12}"),
        None => value.to_string(),
    };
    row.iter().map(|(column, value)| (column.clone(), text(value))).collect()
}

async fn hold_against_recount(seed: u64) {
    println!("seed {seed}");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let world = World::new(&mut random);
    let scratch = tempfile::tempdir().unwrap();
    let lake = world.tables().store(scratch.path(), random.random_range(20..200));
    let session = Session::over(lake, Options { parallelism: Some(3), ..Options::default() }).await.unwrap();
    for (view, rows) in world.expected() {
        let mut out = Vec::new();
        run_once(&session, &format!("SELECT * FROM {view}"), Format::Json, &mut out).await.unwrap();
        let lines = std::str::from_utf8(&out).unwrap().lines();
        let found: BTreeSet<_> = lines.map(|line| comparable(&serde_json::from_str(line).unwrap())).collect();
        let expected: BTreeSet<_> = rows.iter().map(comparable).collect();
        assert_eq!(expected.len(), rows.len(), "{view}: keys are distinct");
        for (expected, found) in expected.iter().zip(&found) {
            assert_eq!(expected, found, "seed {seed}, {view}");
        }
        assert_eq!(expected.len(), found.len(), "seed {seed}, {view}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_statistic_equals_a_recount() {
    for seed in 0..3 {
        hold_against_recount(seed).await;
    }
}
