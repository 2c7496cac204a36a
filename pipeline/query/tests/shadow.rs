//! Every figure of the shadow's statements against a recount by plain loops over rows made at random.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests")]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::date;
use query::{Format, Options, Session, ShadowStatement, run_once};
use serde_json::{Map, Value, json};

const SINCE: &str = "2026-11-02";
const SITES: [(&str, f64, f64, f64); 2] = [("A", 114.17, 22.30, 100.0), ("B", 114.1735, 22.30, 60.0)];
const BSSIDS: [&str; 4] =
    ["aa:00:00:00:00:01", "aa:00:00:00:00:02", "aa:00:00:00:00:03", "aa:00:00:00:00:04"];

type Row = Map<String, Value>;

/// Numbers from a seed (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % n) as usize
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64)].clone()
    }

    fn once_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// The rows as they go into the lake, by table.
#[derive(Default)]
struct World {
    rows: BTreeMap<&'static str, Vec<Row>>,
}

impl World {
    fn add(&mut self, table: &'static str, row: Value) {
        self.rows.entry(table).or_default().push(row.as_object().unwrap().clone());
    }

    fn of(&self, table: &str) -> &[Row] {
        self.rows.get(table).map_or(&[], Vec::as_slice)
    }

    fn made(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let mut world = Self::default();
        let taken = "2026-10-01T00:00:00Z";
        for (id, lon, lat, radius_m) in SITES {
            world.add(
                "sites",
                json!({"site_id": id, "org": "hk", "name": id, "time_zone": "UTC", "lon": lon, "lat": lat,
                "radius_m": radius_m, "tolerance_m": 5.0, "access_points": 1, "taken_at": taken}),
            );
        }
        world.add(
            "sites",
            json!({"site_id": "P", "org": "hk", "name": "P", "time_zone": "UTC", "taken_at": taken}),
        );
        // The twelfth is nobody anybody described.
        for n in 0..11 {
            let home = if n < 5 {
                "A"
            } else if n < 9 {
                "B"
            } else {
                "P"
            };
            world.add(
                "people",
                json!({"employee_id": format!("e{n}"), "org": "hk", "home_site": home, "taken_at": taken}),
            );
        }
        for n in 0..60 {
            let (day, status) = (day(&mut dice), dice.pick(&["present", "late", "absent", "cancelled"]));
            let first_in = (!dice.once_in(5)).then(|| format!("{day}T09:00:00Z"));
            world.add("shift_results", json!({"shift_id": format!("s{n}"), "version": 1, "final": true,
                "employee_id": format!("e{}", dice.below(8)), "site_id": dice.pick(&["A", "B", "P"]), "org": "hk",
                "business_date": day, "status": status, "first_in": first_in, "late_min": dice.pick(&[0, 0, 1, 5, 6, 12])}));
        }
        for n in 0..600 {
            world.punch(&mut dice, n);
        }
        for n in 0..60 {
            let employee: Value =
                if dice.once_in(4) { Value::Null } else { json!(format!("e{}", dice.below(12))) };
            let site: Value = if dice.once_in(2) { Value::Null } else { json!("A") };
            world.add("anomalies", json!({"anomaly_id": format!("a{}", n % 40), "version": 1 + n / 40,
                "state": dice.pick(&["firing", "resolved"]), "kind": dice.pick(&["late", "outside"]), "severity": "low",
                "audience": "manager_and_employee", "employee_id": employee, "site_id": site, "org": "hk",
                "business_date": day(&mut dice)}));
        }
        world
    }

    fn punch(&mut self, dice: &mut Dice, n: usize) {
        let (event_id, day) = (format!("p{n}"), day(dice));
        let employee_id = format!("e{}", dice.below(12));
        let place = dice.pick(&["inside", "inside", "inside", "outside", "uncertain", "no_evidence"]);
        let placed_at = (place == "inside" && !dice.once_in(8)).then(|| dice.pick(&["A", "A", "B", "P"]));
        let mut reasons = Vec::new();
        for (reason, one_in) in
            [("not_permitted_site", 6), ("contradiction_wifi_gps", 3), ("clock_suspect", 12)]
        {
            if dice.once_in(one_in) {
                reasons.push(reason);
            }
        }
        let shift_id = dice.once_in(3).then(|| format!("s{}", dice.below(60)));
        let distance_m = dice.below(400) as f64 - 300.0;
        self.add("punches", json!({"event_id": event_id, "employee_id": employee_id, "kind": "in",
            "business_date": day, "occurred_at": format!("{day}T09:00:00Z"), "place": place, "site_id": placed_at,
            "reasons": reasons, "shift_id": shift_id, "distance_m": distance_m, "topic": "punches",
            "origin": dice.pick(&["phone", "phone", "phone", "field"])}));
        if dice.once_in(8) {
            return;
        }
        let (_, lon, lat, _) = dice.pick(&SITES);
        let reach = dice.pick(&[50, 200, 1500]);
        let beside = |dice: &mut Dice| (dice.below(2 * reach) as f64 - reach as f64) / 111_195.0;
        let (lon, lat) = (lon + beside(dice), lat + beside(dice));
        let has_fix = !dice.once_in(10);
        let heard: Vec<&str> = BSSIDS.into_iter().filter(|_| dice.once_in(2)).collect();
        self.add("punch_evidence", json!({"event_id": event_id, "employee_id": employee_id, "business_date": day,
            "occurred_at": format!("{day}T09:00:00Z"), "topic": "punches", "lon": has_fix.then_some(lon),
            "lat": has_fix.then_some(lat), "accuracy_m": dice.pick(&[json!(null), json!(0.0), json!(20.0), json!(20.0),
            json!(100.0), json!(101.0), json!(-1.0)]), "mocked": dice.once_in(12), "bssids": heard,
            "rssi_dbm": vec![-50; heard.len()]}));
    }
}

fn day(dice: &mut Dice) -> String {
    dice.pick(&["2026-10-31", "2026-11-01", "2026-11-02", "2026-11-03", "2026-11-05"]).to_owned()
}

fn text<'a>(row: &'a Row, column: &str) -> Option<&'a str> {
    row.get(column).and_then(Value::as_str)
}

fn number(row: &Row, column: &str) -> Option<f64> {
    row.get(column).and_then(Value::as_f64)
}

fn counts(row: &Row) -> bool {
    text(row, "business_date").unwrap() >= SINCE
}

fn has_reason(row: &Row, reason: &str) -> bool {
    row["reasons"].as_array().unwrap().iter().any(|found| found == reason)
}

fn metres(a: (f64, f64), b: (f64, f64)) -> f64 {
    let (dlon, dlat) = ((b.0 - a.0).to_radians(), (b.1 - a.1).to_radians());
    let h = (dlat / 2.0).sin().powi(2)
        + a.1.to_radians().cos() * b.1.to_radians().cos() * (dlon / 2.0).sin().powi(2);
    2.0 * 6_371_008.8 * h.sqrt().asin()
}

fn circle(site: &str) -> Option<((f64, f64), f64)> {
    SITES.iter().find(|(id, ..)| *id == site).map(|(_, lon, lat, radius_m)| ((*lon, *lat), *radius_m))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) }
}

/// The smallest value that `percent` of 100 do not exceed.
fn percentile(mut values: Vec<f64>, percent: usize) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let rank = (values.len() * percent).div_ceil(100);
    rank.checked_sub(1).map(|at| values[at])
}

/// One believed punch with what is known beside it.
struct Known<'a> {
    punch: &'a Row,
    due: Option<&'a str>,
    fix: Option<(f64, f64)>,
    bssids: Vec<&'a str>,
}

impl Known<'_> {
    fn text(&self, column: &str) -> Option<&str> {
        text(self.punch, column)
    }

    /// Signed metres from its fix to the fence of `site`; for a polygon as the verdict says.
    fn metres_to(&self, site: &str) -> Option<f64> {
        match circle(site) {
            Some((centre, radius_m)) => Some(metres(centre, self.fix?) - radius_m),
            None => number(self.punch, "distance_m"),
        }
    }
}

fn known(world: &World) -> Vec<Known<'_>> {
    let find = |table, column: &'static str, id: Option<&str>| {
        let id = id?;
        world.of(table).iter().find(move |row| text(row, column) == Some(id))
    };
    let punches = world.of("punches").iter().filter(|row| counts(row) && !has_reason(row, "clock_suspect"));
    punches
        .map(|punch| {
            let shift = find("shift_results", "shift_id", text(punch, "shift_id"));
            let person = find("people", "employee_id", text(punch, "employee_id"));
            let evidence = find("punch_evidence", "event_id", text(punch, "event_id"));
            let good = |row: &&Row| {
                let accuracy = number(row, "accuracy_m").unwrap_or(0.0);
                row["mocked"] == json!(false) && (0.0..=100.0).contains(&accuracy)
            };
            let fix = evidence.filter(good).and_then(|row| Some((number(row, "lon")?, number(row, "lat")?)));
            let bssids = evidence.map_or(vec![], |row| {
                row["bssids"].as_array().unwrap().iter().map(|bssid| bssid.as_str().unwrap()).collect()
            });
            let due = shift.and_then(|row| text(row, "site_id"));
            let due = due.or_else(|| person.and_then(|row| text(row, "home_site")));
            Known { punch, due, fix, bssids }
        })
        .collect()
}

fn sites(world: &World) -> Vec<Value> {
    let known = known(world);
    let due_at = |site: &'static str| known.iter().filter(move |one| one.due == Some(site));
    let of_site = |site: &'static str| {
        let people = |rows: &[&Known<'_>]| {
            rows.iter().map(|one| one.text("employee_id").unwrap().to_owned()).collect::<BTreeSet<_>>().len()
        };
        let all: Vec<&Known<'_>> = due_at(site).collect();
        let placed = |place: &str, not_permitted: Option<bool>| {
            let fits = |one: &&&Known<'_>| {
                one.text("place") == Some(place)
                    && not_permitted
                        .is_none_or(|wanted| has_reason(one.punch, "not_permitted_site") == wanted)
            };
            all.iter().filter(fits).count()
        };
        let fixes: Vec<(&Known<'_>, f64)> = all
            .iter()
            .filter(|one| one.fix.is_some() && one.text("origin") != Some("field"))
            .filter(|one| {
                one.text("place") != Some("inside")
                    || one.text("site_id").is_none_or(|at| at == site)
                    || has_reason(one.punch, "contradiction_wifi_gps")
            })
            .filter(|one| site != "P" || one.text("shift_id").is_some())
            .map(|one| (*one, one.metres_to(site).unwrap()))
            .collect();
        let near: Vec<&(&Known<'_>, f64)> = fixes.iter().filter(|(_, metres)| *metres <= 1_000.0).collect();
        let distances = || near.iter().map(|(_, metres)| *metres).collect::<Vec<_>>();
        let middle = |axis: fn((f64, f64)) -> f64| {
            median(near.iter().map(|(one, _)| axis(one.fix.unwrap())).collect())
        };
        let drift =
            circle(site).map(|(centre, _)| metres(centre, (middle(|fix| fix.0), middle(|fix| fix.1))));
        let near_people = people(&near.iter().map(|(one, _)| *one).collect::<Vec<_>>());
        json!({"site_id": site, "org": "hk", "radius_m": circle(site).map(|(_, radius_m)| radius_m),
            "tolerance_m": circle(site).map(|_| 5.0), "lon": circle(site).map(|(centre, _)| centre.0),
            "lat": circle(site).map(|(centre, _)| centre.1), "access_points": u8::from(circle(site).is_some()),
            "punches": all.len(), "people": people(&all), "inside_permitted": placed("inside", Some(false)),
            "outside": placed("outside", None), "uncertain": placed("uncertain", None),
            "no_evidence": placed("no_evidence", None), "not_permitted": placed("inside", Some(true)),
            "fixes": near.len(), "fix_people": near_people, "far_fixes": fixes.len() - near.len(),
            "p50_m": percentile(distances(), 50), "p95_m": percentile(distances(), 95),
            "p98_m": percentile(distances(), 98), "drift_m": drift})
    };
    ["A", "B", "P"].into_iter().map(of_site).collect()
}

type Seen<'a> = BTreeMap<(&'a str, &'a str), Vec<(&'a Known<'a>, f64)>>;

/// Usable fixes of punches placed at a site, by site and access point.
fn seen<'a>(known: &'a [Known<'a>]) -> Seen<'a> {
    let mut seen = Seen::new();
    for one in known {
        let Some(site) = text(one.punch, "site_id").filter(|_| one.fix.is_some()) else { continue };
        for bssid in &one.bssids {
            seen.entry((site, bssid)).or_default().push((one, one.metres_to(site).unwrap()));
        }
    }
    seen
}

fn middle(rows: &[(&Known<'_>, f64)]) -> (f64, f64) {
    let axis =
        |axis: fn((f64, f64)) -> f64| median(rows.iter().map(|(one, _)| axis(one.fix.unwrap())).collect());
    (axis(|fix| fix.0), axis(|fix| fix.1))
}

fn distinct(rows: &[(&Known<'_>, f64)], column: &str) -> usize {
    rows.iter().map(|(one, _)| one.text(column).unwrap()).collect::<BTreeSet<_>>().len()
}

fn access_points(world: &World) -> Vec<Value> {
    let known = known(world);
    let mut seen = seen(&known);
    seen.values_mut().for_each(|rows| rows.retain(|(_, metres)| *metres <= 0.0));
    let anywhere = |wanted: &str| -> usize {
        seen.iter().filter(|((_, bssid), _)| *bssid == wanted).map(|(_, rows)| rows.len()).sum()
    };
    let told = seen.iter().filter(|(_, rows)| distinct(rows, "employee_id") >= 3);
    told.map(|((site, bssid), rows)| {
        let centre = middle(rows);
        let around = rows.iter().map(|(one, _)| metres(centre, one.fix.unwrap())).collect();
        json!({"site_id": site, "bssid": bssid, "people": distinct(rows, "employee_id"), "punches": rows.len(),
            "days": distinct(rows, "business_date"), "share": rows.len() as f64 / anywhere(bssid) as f64,
            "fence_m": median(rows.iter().map(|(_, metres)| *metres).collect()),
            "spread_m": percentile(around, 95)})
    })
    .collect()
}

fn misjudged(world: &World) -> Vec<Value> {
    let known = known(world);
    let mut seen = seen(&known);
    seen.values_mut()
        .for_each(|rows| rows.retain(|(one, _)| has_reason(one.punch, "contradiction_wifi_gps")));
    let told = seen.iter().filter(|(_, rows)| distinct(rows, "employee_id") >= 3);
    told.filter_map(|((site, bssid), rows)| {
        let (centre, fence_m) = (middle(rows), median(rows.iter().map(|(_, metres)| *metres).collect()));
        let others = SITES.iter().filter(|(id, ..)| id != site);
        let mut held: Vec<(f64, &str)> = others
            .map(|(id, lon, lat, radius_m)| (metres((*lon, *lat), centre), *radius_m, *id))
            .filter(|(distance, radius_m, _)| distance <= radius_m)
            .map(|(distance, _, id)| (distance, id))
            .collect();
        held.sort_by(|a, b| a.0.total_cmp(&b.0));
        let fix_site = held.first().map(|(_, id)| *id);
        (fix_site.is_some() || fence_m > 500.0).then(|| {
            json!({"site_id": site, "bssid": bssid, "people": distinct(rows, "employee_id"), "punches": rows.len(),
                "fence_m": fence_m, "fix_site_id": fix_site})
        })
    })
    .collect()
}

fn unrostered(world: &World) -> Vec<Value> {
    let known = known(world);
    let has_shift = |employee: &str| {
        let planned = |row: &&Row| counts(row) && text(row, "status") != Some("cancelled");
        world.of("shift_results").iter().filter(planned).any(|row| text(row, "employee_id") == Some(employee))
    };
    let employees: BTreeSet<&str> = known.iter().map(|one| one.text("employee_id").unwrap()).collect();
    let without = employees.into_iter().filter(|employee| !has_shift(employee));
    without
        .map(|employee| {
            let of: Vec<&Known<'_>> =
                known.iter().filter(|one| one.text("employee_id") == Some(employee)).collect();
            let person = world.of("people").iter().find(|row| text(row, "employee_id") == Some(employee));
            let home = person.and_then(|row| text(row, "home_site"));
            let site = home.or_else(|| of.iter().filter_map(|one| one.text("site_id")).max());
            let days: BTreeSet<_> = of.iter().map(|one| one.text("business_date")).collect();
            json!({"site_id": site, "employee_id": employee, "known": person.is_some(), "punches": of.len(),
                "days": days.len()})
        })
        .collect()
}

fn lateness(world: &World) -> Vec<Value> {
    let mut steps: BTreeMap<(String, i64), u64> = BTreeMap::new();
    for row in
        world.of("shift_results").iter().filter(|row| counts(row) && text(row, "status") != Some("cancelled"))
    {
        if text(row, "first_in").is_some() {
            let late = row["late_min"].as_i64().unwrap();
            let step = (0..).map(|n| n * 5).find(|until| late <= *until).unwrap();
            *steps.entry((text(row, "site_id").unwrap().to_owned(), step)).or_default() += 1;
        }
    }
    steps
        .into_iter()
        .map(|((site, step), comings)| json!({"site_id": site, "until_min": step, "comings": comings}))
        .collect()
}

fn alerts(world: &World) -> Vec<Value> {
    let mut fired: BTreeMap<(Option<&str>, &str), BTreeSet<&str>> = BTreeMap::new();
    for row in world.of("anomalies").iter().filter(|row| counts(row) && row["state"] == "firing") {
        let person = |id: &str| world.of("people").iter().find(|row| text(row, "employee_id") == Some(id));
        let home = text(row, "employee_id").and_then(person).and_then(|row| text(row, "home_site"));
        let site = text(row, "site_id").or(home);
        fired.entry((site, text(row, "kind").unwrap())).or_default().insert(text(row, "anomaly_id").unwrap());
    }
    fired
        .into_iter()
        .map(|((site, kind), ids)| {
            json!({"site_id": site, "kind": kind, "audience": "manager_and_employee", "alerts": ids.len()})
        })
        .collect()
}

/// As one text each, numbers to the millimetre, keys without a value left out.
fn texts(rows: Vec<Value>) -> Vec<String> {
    let value = |(key, value): (&String, &Value)| match value {
        Value::Null => None,
        Value::Number(number) => Some(format!("{key}={:.3}", number.as_f64().unwrap() + 0.0)),
        other => Some(format!("{key}={other}")),
    };
    let mut texts: Vec<String> = rows
        .iter()
        .map(|row| row.as_object().unwrap().iter().filter_map(value).collect::<Vec<_>>().join(" "))
        .collect();
    texts.sort();
    texts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_figure_of_a_shadow_equals_a_recount() {
    type Recount = fn(&World) -> Vec<Value>;
    let recounts: [(ShadowStatement, Recount); 6] = [
        (ShadowStatement::Sites, sites),
        (ShadowStatement::AccessPoints, access_points),
        (ShadowStatement::Misjudged, misjudged),
        (ShadowStatement::Unrostered, unrostered),
        (ShadowStatement::Lateness, lateness),
        (ShadowStatement::Alerts, alerts),
    ];
    for seed in [1, 2, 3] {
        println!("seed {seed}");
        let world = World::made(seed);
        let mut rows = common::Rows::default();
        for (table, of) in &world.rows {
            of.iter().for_each(|row| rows.push(table, row.clone()));
        }
        let folder = tempfile::tempdir().unwrap();
        let session = Session::over(rows.store(folder.path(), 100), Options::default()).await.unwrap();
        for (statement, recount) in recounts {
            let mut out = Vec::new();
            run_once(&session, &statement.since(date(2026, 11, 2)), Format::Json, &mut out).await.unwrap();
            let found: Vec<Value> = String::from_utf8(out)
                .unwrap()
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect();
            let expected = texts(recount(&world));
            assert!(!expected.is_empty(), "{statement:?} has nothing to recount");
            assert_eq!(texts(found), expected, "{statement:?}, seed {seed}");
        }
    }
}

#[tokio::test]
async fn what_two_people_saw_is_not_told() {
    let mut rows = common::Rows::default();
    rows.add(
        "default sites taken_at=2026-10-01T00:00:00Z org=hk time_zone=UTC lon=114.17 lat=22.30 radius_m=100",
    );
    rows.add("sites site_id=A name=A");
    for (n, person) in ["a", "b", "a", "b", "c", "c"].into_iter().enumerate() {
        // The third of them saw one access point only.
        let seen = if person == "c" { BSSIDS[0].to_owned() } else { BSSIDS[..2].join(";") };
        let rssi = if person == "c" { "-50" } else { "-50;-50" };
        let ids = format!("employee_id={person} event_id=p{n} business_date=2026-11-03");
        rows.add(&format!("punches {ids} place=inside site_id=A origin=phone"));
        rows.add(&format!(
            "punch_evidence {ids} lon=114.17 lat=22.30 accuracy_m=20 bssids={seen} rssi_dbm={rssi}"
        ));
    }
    let folder = tempfile::tempdir().unwrap();
    let session = Session::over(rows.store(folder.path(), 100), Options::default()).await.unwrap();
    let mut out = Vec::new();
    let statement = ShadowStatement::AccessPoints.since(date(2026, 11, 2));
    run_once(&session, &statement, Format::Csv, &mut out).await.unwrap();
    let found = String::from_utf8(out).unwrap();
    assert!(found.contains(BSSIDS[0]) && !found.contains(BSSIDS[1]), "{found}");
}
