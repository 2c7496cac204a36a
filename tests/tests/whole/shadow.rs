//! A processor beside another system: nobody is told, what is planted is found, and what is accepted helps.

use std::path::Path;
use std::sync::Arc;

use model::EventTime;
use model::position::Partition;
use serde_json::{Value, json};
use source::embedded::Options;
use source::{Append, EmbeddedLog, NewRecord};
use tests::program::{Program, Ran};

const DAYS: usize = 6;
const PEOPLE: usize = 5;
const LAT: f64 = 22.30;
/// Metres of longitude and latitude there.
const LON_M: f64 = 1.0 / 102_880.0;
const LAT_M: f64 = 1.0 / 111_195.0;
/// Where each site really is, in longitude.
const SITES: [(&str, f64); 7] = [
    ("fine", 114.10),
    ("off", 114.12),
    ("wifi", 114.14),
    ("late", 114.16),
    ("moved", 114.18),
    ("hosts", 114.20),
    ("new", 114.22),
];
const LISTED: &str = "aa:00:00:00:00:01";
const MOVED: &str = "aa:00:00:00:00:02";
const UNLISTED: &str = "aa:00:00:00:00:03";
const OF_TWO: &str = "aa:00:00:00:00:04";

/// The fence of `off` is drawn 150 m west of it, `wifi` lists nothing, what `moved` lists stands at `hosts`.
fn sites() -> String {
    let site = |(id, lon): &(&str, f64)| {
        let drawn_at = if *id == "off" { lon - 150.0 * LON_M } else { *lon };
        let bssids = match *id {
            "fine" => vec![LISTED],
            "moved" => vec![MOVED],
            _ => vec![],
        };
        json!({"type": "Feature", "geometry": {"type": "Point", "coordinates": [drawn_at, LAT]},
            "properties": {"site_id": id, "name": id, "org": "hk", "time_zone": "Asia/Hong_Kong", "radius_m": 100.0,
            "bssids": bssids}})
    };
    let features: Vec<Value> = SITES.iter().map(site).collect();
    serde_json::to_string_pretty(&json!({"type": "FeatureCollection", "features": features})).unwrap()
}

/// Everybody, with the site.
fn people() -> impl Iterator<Item = (String, usize, &'static str, f64)> {
    SITES.into_iter().flat_map(|(site, lon)| {
        let count = if site == "new" { 2 } else { PEOPLE };
        (0..count).map(move |n| (format!("{site}-{n}"), n, site, lon))
    })
}

/// In at nine, at `late` eight minutes later, out at six.
fn punch(person: &str, n: usize, (site, lon): (&str, f64), day: usize, kind: &str) -> Value {
    let time = match (kind, site) {
        ("in", "late") => "09:08",
        ("in", _) => "08:58",
        _ => "18:01",
    };
    let beside = |stride: usize| ((n * 7 + day * 5 + kind.len()) * stride % 31) as f64 - 15.0;
    let mut punch = json!({"event_id": format!("{person}/{day}/{kind}"), "employee_id": person, "kind": kind,
        "origin": "phone", "occurred_at": format!("2026-11-0{}T{time}:00+08:00", 2 + day),
        "location": {"lon": lon + beside(11) * LON_M, "lat": LAT + beside(17) * LAT_M, "accuracy_m": 10}});
    let heard: &[&str] = match (site, n) {
        ("fine", _) => &[LISTED],
        ("wifi", 0 | 1) => &[UNLISTED, OF_TWO],
        ("wifi", _) => &[UNLISTED],
        ("hosts", _) => &[MOVED],
        _ => &[],
    };
    punch["wifi"] = heard.iter().map(|bssid| json!({"bssid": bssid, "rssi": -50})).collect();
    if site == "wifi" && kind == "out" {
        punch.as_object_mut().unwrap().remove("location");
    }
    punch
}

/// Everybody's punches, of one more who has no shift, and a record that is none.
fn punches() -> Vec<Value> {
    let mut punches = Vec::new();
    for day in 0..DAYS {
        for kind in ["in", "out"] {
            punches.extend(people().map(|(person, n, site, lon)| punch(&person, n, (site, lon), day, kind)));
            punches.push(punch("extra", 3, SITES[0], day, kind));
        }
    }
    punches.push(json!({"event_id": "none", "employee_id": "fine-0"}));
    punches
}

fn write_chain(folder: &Path, more: &str) {
    let write = |name: &str, text: String| std::fs::write(folder.join(name), text).unwrap();
    write("sites.geojson", sites());
    let described = people().map(|(person, _, site, _)| (person, site)).chain([("extra".to_owned(), "fine")]);
    let described = described.map(|(person, site)| {
        format!("{}\n", json!({"employee_id": person, "org": "hk", "home_site": site}))
    });
    write("people.ndjson", described.collect());
    let shifts = (0..DAYS).flat_map(|day| {
        people().map(move |(person, _, site, _)| {
            let shift = json!({"shift_id": format!("{person}/{day}"), "employee_id": person, "site_id": site,
                "business_date": format!("2026-11-0{}", 2 + day), "start": "09:00", "end": "18:00"});
            format!("{shift}\n")
        })
    });
    write("shifts.ndjson", shifts.collect());
    let lines = punches().iter().map(|punch| format!("{punch}\n")).collect();
    write("punches.ndjson", lines);
    write("muster.toml", config("sites.geojson", "lake", more));
}

fn config(sites: &str, lake: &str, more: &str) -> String {
    format!(
        "[reference]\nsites = \"{sites}\"\npeople = \"people.ndjson\"\nshifts = \"shifts.ndjson\"\n\n[lake]\nurl = \"{lake}\"\n\n\
         [privacy]\nlocation_days = 10\n{more}"
    )
}

fn muster(folder: &Path, args: &[&str]) -> Ran {
    Program::new().args(args).in_folder(folder).run()
}

fn done(folder: &Path, args: &[&str], code: i32) -> Ran {
    let ran = muster(folder, args);
    assert_eq!(ran.code, Some(code), "{args:?}: {}", ran.told());
    ran
}

/// The report of one site.
fn of<'a>(report: &'a Value, site: &str) -> &'a Value {
    report["sites"].as_array().unwrap().iter().find(|of| of["site_id"] == site).unwrap()
}

fn report(folder: &Path, config: &str) -> Value {
    let ran = done(folder, &["shadow", "report", "-c", config, "--json"], 0);
    serde_json::from_str(ran.last_line()).unwrap()
}

/// What was planted, and nothing else.
fn check_report(report: &Value) {
    for (site, lon) in SITES {
        let found = of(report, site);
        let fence = &found["fence"];
        let advice = match site {
            "off" => "change",
            "new" => "not_enough",
            _ => "fits",
        };
        assert_eq!(fence["radius_advice"], advice, "{site} at {lon}: {fence}");
        let success = match site {
            "off" | "hosts" => 0.0,
            "wifi" => 0.5,
            _ => 1.0,
        };
        assert_eq!(fence["success_rate"], success, "{site}: {fence}");
        let unlisted: Vec<&Value> = found["unlisted_access_points"].as_array().unwrap().iter().collect();
        let misjudged: Vec<&Value> = found["misjudged_access_points"].as_array().unwrap().iter().collect();
        assert_eq!(unlisted.len(), usize::from(site == "wifi"), "{site}: {unlisted:?}");
        assert_eq!(misjudged.len(), usize::from(site == "moved"), "{site}: {misjudged:?}");
        let without: Vec<&Value> = found["people_without_shift"].as_array().unwrap().iter().collect();
        assert_eq!(without.len(), usize::from(site == "fine"), "{site}: {without:?}");
        assert_eq!(found["lateness"]["flex_min"].is_null(), site != "late", "{site}: {}", found["lateness"]);
    }
    // Two people's fixes say where two people are.
    assert_eq!(
        (&of(report, "new")["fence"]["fix_people"], &of(report, "new")["fence"]["median_m"]),
        (&json!(2), &Value::Null)
    );
    assert_eq!(of(report, "off")["fence"]["fitting_radius_m"], 170.0);
    let drift_m = of(report, "off")["fence"]["drift_m"].as_f64().unwrap();
    assert!((140.0..160.0).contains(&drift_m), "{drift_m}");
    let seen = &of(report, "wifi")["unlisted_access_points"][0];
    assert_eq!(
        (&seen["bssid"], &seen["people"], &seen["list"]),
        (&json!(UNLISTED), &json!(PEOPLE), &json!(true))
    );
    let misjudged = &of(report, "moved")["misjudged_access_points"][0];
    assert_eq!((&misjudged["bssid"], &misjudged["fix_site_id"]), (&json!(MOVED), &json!("hosts")));
    assert_eq!(of(report, "fine")["people_without_shift"][0]["employee_id"], "extra");
    let late = &of(report, "late")["lateness"];
    assert_eq!(
        (&late["late"], &late["flex_min"], &late["late_then"]),
        (&json!(PEOPLE * DAYS), &json!(10), &json!(0))
    );
    let alerts = of(report, "late")["alerts"].as_array().unwrap();
    let said = json!({"kind": "late", "audience": "manager,employee", "alerts": PEOPLE * DAYS});
    assert!(alerts.contains(&said), "{alerts:?}");
}

#[test]
fn what_is_planted_is_found_and_what_is_accepted_helps() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_chain(folder, "");
    done(folder, &["shadow", "run", "-c", "muster.toml", "--replay", "punches.ndjson"], 1);
    for name in ["lake", "lake-shadow/alerts.ndjson"] {
        assert!(!folder.join(name).exists(), "{name}");
    }
    let letters = std::fs::read_to_string(folder.join("lake-shadow/dead_letters.ndjson")).unwrap();
    assert_eq!(letters.lines().count(), 1, "{letters}");
    let before = report(folder, "muster.toml");
    check_report(&before);
    let text = done(folder, &["shadow", "report", "-c", "muster.toml"], 0).stdout;
    assert!(!text.contains("114.") && !text.contains("22.3") && !text.contains(OF_TWO), "{text}");
    assert!(!before.to_string().contains("114.") && !before.to_string().contains(OF_TWO));
    let blind = done(folder, &["shadow", "report", "--lake", "lake-shadow", "--json"], 0);
    assert!(
        of(&serde_json::from_str(blind.last_line()).unwrap(), "wifi")["unlisted_access_points"].is_null()
    );

    // What speaks and what does not never share a lake.
    done(folder, &["replay", "-c", "muster.toml", "--lake", "lake-shadow", "punches.ndjson"], 3);
    done(folder, &["run", "-c", "muster.toml", "--until", "2026-11-01T00:00:00Z"], 0);
    done(folder, &["shadow", "run", "-c", "muster.toml", "--lake", "lake", "--replay", "punches.ndjson"], 3);

    let accept = ["shadow", "accept", "-c", "muster.toml", "--out", "new.geojson"];
    let accepted = done(folder, &accept, 0).stdout;
    assert!(accepted.contains("off: radius_m 100 becomes 170"), "{accepted}");
    let new = std::fs::read_to_string(folder.join("new.geojson")).unwrap();
    // A radius, and a list that was empty.
    let mut expected = sites();
    let off = expected.find("\"site_id\": \"off\"").unwrap();
    let radius = expected[..off].rfind("100.0").unwrap();
    expected.replace_range(radius..radius + 5, "170");
    let wifi = expected.find("\"site_id\": \"wifi\"").unwrap();
    let list = expected[..wifi].rfind("[]").unwrap();
    expected.replace_range(list..list + 2, &format!("[\"{UNLISTED}\"]"));
    assert_eq!(new, expected);
    // A file that is there stays, unless it is forced; accepted again, nothing more changes.
    done(folder, &accept, 2);
    done(folder, &[&accept[..], &["--force"]].concat(), 0);
    assert_eq!(std::fs::read_to_string(folder.join("new.geojson")).unwrap(), new);

    std::fs::write(folder.join("new.toml"), config("new.geojson", "second", "")).unwrap();
    done(folder, &["check", "-c", "new.toml"], 0);
    // What the shadow saw is not what the new file says: its radius is not changed blindly.
    let again = ["shadow", "accept", "-c", "new.toml", "--lake", "lake-shadow", "--out", "again.geojson"];
    let again = done(folder, &again, 0).stdout;
    assert!(again.contains("off: left as it is") && again.contains("0 sites change"), "{again}");
    assert_eq!(std::fs::read_to_string(folder.join("again.geojson")).unwrap(), new);

    done(folder, &["shadow", "run", "-c", "new.toml", "--replay", "punches.ndjson"], 1);
    let after = report(folder, "new.toml");
    for site in ["off", "wifi"] {
        let fence = &of(&after, site)["fence"];
        assert!(fence["success_rate"].as_f64().unwrap() > 0.9, "{site}: {fence}");
        assert_eq!(of(&after, site)["unlisted_access_points"], json!([]), "{site}");
    }
}

#[test]
fn a_shadow_says_nothing_to_anybody() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_chain(folder, "\n[source]\ndir = \"log\"\nclock = \"record\"\n\n[results]\ntopic = \"results\"\n");
    let open = || {
        let options = Options { partitions: 4, ..Options::default() };
        EmbeddedLog::open(&folder.join("log"), options, Arc::new(|| EventTime::from_ms(0))).unwrap()
    };
    let ends = |log: &EmbeddedLog| -> Vec<i64> {
        log.extents("punches").iter().map(|extent| extent.next.get()).collect()
    };
    let before = {
        let log = open();
        log.create_topic("punches", 4).unwrap();
        // Anywhere: most of them lie on another partition than their person's.
        for (n, punch) in punches().iter().enumerate() {
            let (value, key) = (punch.to_string(), punch["employee_id"].as_str().unwrap());
            let partition = (n % 3 == 0).then(|| Partition::new(n as u32 % 4));
            let record = NewRecord {
                key: Some(key.as_bytes()),
                value: Some(value.as_bytes()),
                partition,
                ..NewRecord::default()
            };
            log.appender().append("punches", &[record]).unwrap();
        }
        ends(&log)
    };
    // Twice: the second one finds everything done.
    let mut anomalies = None;
    for _ in 0..2 {
        let run = ["shadow", "run", "-c", "muster.toml", "--until", "2026-11-10T00:00:00Z"];
        let ran = muster(folder, &run);
        assert!(ran.code.is_some_and(|code| code < 2), "{}", ran.told());
        let line = ["sql", "--lake", "lake-shadow", "--format", "csv"];
        let told = "SELECT count(*) AS anomalies, count(DISTINCT concat(anomaly_id, version)) AS versions FROM anomalies";
        let found = done(folder, &[&line[..], &[told]].concat(), 0).stdout;
        assert!(!found.contains("\n0,"), "{found}");
        assert_eq!(*anomalies.get_or_insert_with(|| found.clone()), found);
        let letters = std::fs::read_to_string(folder.join("lake-shadow/dead_letters.ndjson")).unwrap();
        assert_eq!(letters.lines().count(), 1, "{letters}");
        let log = open();
        assert_eq!((log.topics(), ends(&log)), (vec!["punches".to_owned()], before.clone()));
    }
    for name in ["lake", "results.json", "deliveries.sqlite", "lake-shadow/alerts.ndjson"] {
        assert!(!folder.join(name).exists(), "{name}");
    }
    // The processor that speaks has a lake of its own.
    std::fs::write(
        folder.join("wrong.toml"),
        config("sites.geojson", "lake-shadow", "\n[source]\ndir = \"log\"\nclock = \"record\"\n"),
    )
    .unwrap();
    let refused = done(folder, &["run", "-c", "wrong.toml", "--until", "2026-11-10T00:00:00Z"], 3);
    assert!(refused.said().contains("it is a shadow's"), "{}", refused.told());
}
