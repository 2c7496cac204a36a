//! Feeds and sites in GCJ-02 or BD-09 without the tag: replayed, then looked at by `muster check`.

use std::fmt::Write as _;
use std::path::Path;

use model::datum::from_wgs84;
use model::{Datum, LonLat};
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::program::{Program, Ran};

/// Four sites each in Hong Kong and in Beijing.
fn places() -> impl Iterator<Item = (String, LonLat)> {
    let cities = [("hk", 114.16, 22.32), ("bj", 116.40, 39.90)];
    cities.into_iter().flat_map(|(city, lon, lat)| {
        (0..4).map(move |n| {
            let by = 0.012 * f64::from(n);
            (format!("{city}-{n}"), LonLat::new(lon + by, lat - by / 2.0).unwrap())
        })
    })
}

/// What is told of sites and of fixes: the datum they are in, and the tag they carry.
#[derive(Clone, Copy)]
struct Told {
    datum: Datum,
    tag: Option<&'static str>,
}

const WGS84: Told = Told { datum: Datum::Wgs84, tag: None };

fn write_sites(folder: &Path, told: Told) {
    let site = |(id, at): (String, LonLat)| {
        let at = from_wgs84(at, told.datum);
        let mut site = json!({"type": "Feature", "geometry": {"type": "Point", "coordinates": [at.lon(), at.lat()]},
            "properties": {"site_id": id, "name": id, "org": "chain", "time_zone": "Asia/Shanghai", "radius_m": 100}});
        if let Some(tag) = told.tag {
            site["properties"]["datum"] = tag.into();
        }
        site
    };
    let sites: Vec<Value> = places().map(site).collect();
    let sites = json!({"type": "FeatureCollection", "features": sites});
    std::fs::write(folder.join("sites.geojson"), sites.to_string()).unwrap();
}

/// A chain whose people have punched ten times each, within some 15 m of where they are due.
fn replayed(sites: Told, fixes: Told, punches: u32) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    put(
        "muster.toml",
        "[reference]\nsites = \"sites.geojson\"\npeople = \"people.ndjson\"\n[lake]\nurl = \"lake\"\n",
    );
    write_sites(folder.path(), sites);
    let (mut people, mut lines) = (String::new(), String::new());
    for (id, at) in places() {
        let person = json!({"employee_id": format!("of-{id}"), "org": "chain", "home_site": id});
        writeln!(people, "{person}").unwrap();
        for n in 0..punches {
            let beside = |stride: u32| (f64::from(n * stride % 11) - 5.0) * 3.0 / 111_195.0;
            let told = LonLat::new(at.lon() + beside(3), at.lat() + beside(7)).unwrap();
            let told = from_wgs84(told, fixes.datum);
            let mut punch = json!({"event_id": format!("{id}-{n}"), "employee_id": format!("of-{id}"),
                "kind": if n % 2 == 0 { "in" } else { "out" }, "origin": "phone",
                "occurred_at": format!("2026-11-02T{:02}:00:00+08:00", 8 + n),
                "location": {"lon": told.lon(), "lat": told.lat(), "accuracy_m": 10}});
            if let Some(tag) = fixes.tag {
                punch["location"]["datum"] = tag.into();
            }
            writeln!(lines, "{punch}").unwrap();
        }
    }
    put("people.ndjson", &people);
    put("punches.ndjson", &lines);
    let ran = muster(&folder, &["replay", "-c", "muster.toml", "punches.ndjson"]);
    assert_eq!(ran.code, Some(0), "{}", ran.told());
    folder
}

fn muster(folder: &TempDir, arguments: &[&str]) -> Ran {
    Program::new().in_folder(folder.path()).args(arguments).run()
}

/// The warnings of `muster check`.
#[track_caller]
fn checked(folder: &TempDir) -> Vec<Value> {
    let ran = muster(folder, &["check", "-c", "muster.toml", "--json"]);
    let warnings: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(ran.code, Some(i32::from(!warnings.is_empty())), "{}", ran.told());
    warnings
}

#[test]
fn check_names_the_tag_that_a_feed_lacks() {
    for (datum, name) in [(Datum::Gcj02, "gcj02"), (Datum::Bd09, "bd09")] {
        let folder = replayed(WGS84, Told { datum, tag: None }, 10);
        let warnings = checked(&folder);
        let [warning] = &warnings[..] else { panic!("{warnings:?}") };
        assert_eq!(
            (&warning["severity"], &warning["subject"]),
            (&json!("warning"), &json!("feed files phone"))
        );
        assert_eq!(warning["file"], json!("lake"));
        let what = warning["what"].as_str().unwrap();
        assert!(what.starts_with("the fixes at 8 of 8 sites lie about ") && what.contains(name), "{what}");
        assert!(what.contains("(bj-0, bj-1, bj-2, bj-3, hk-0 and 3 more)"), "{what}");
        let remedy = warning["remedy"].as_str().unwrap();
        assert!(remedy.contains(&format!("`\"datum\": \"{name}\"` in `location`")), "{remedy}");
        // The lake says the same of each site.
        let statement = "SELECT DISTINCT shift_suspected FROM site_health";
        let ran = muster(&folder, &["sql", "--lake", "lake", "--format", "csv", statement]);
        assert_eq!(ran.stdout.trim(), format!("shift_suspected\nfixes {name}"), "{}", ran.told());
        let ran = muster(&folder, &["check", "-c", "muster.toml"]);
        let last = ran.last_line();
        assert!(last.ends_with("0 errors, 1 warning"), "{last}");
    }
    let tagged = replayed(WGS84, Told { datum: Datum::Gcj02, tag: Some("gcj02") }, 10);
    assert_eq!(checked(&tagged), [Value::Null; 0]);
}

#[test]
fn check_names_the_tag_that_sites_lack_until_they_have_it() {
    let folder = replayed(Told { datum: Datum::Gcj02, tag: None }, WGS84, 10);
    let warnings = checked(&folder);
    let [warning] = &warnings[..] else { panic!("{warnings:?}") };
    assert_eq!(warning["file"], json!("sites.geojson"));
    let remedy = warning["remedy"].as_str().unwrap();
    assert!(remedy.contains("write `\"datum\": \"gcj02\"` into the properties of these sites"), "{remedy}");
    write_sites(folder.path(), Told { datum: Datum::Gcj02, tag: Some("gcj02") });
    assert_eq!(checked(&folder), [Value::Null; 0]);
}

#[test]
fn check_claims_nothing_from_few_fixes_or_without_a_lake() {
    let few = replayed(WGS84, Told { datum: Datum::Gcj02, tag: None }, 9);
    assert_eq!(checked(&few), [Value::Null; 0]);
    std::fs::remove_dir_all(few.path().join("lake")).unwrap();
    assert_eq!(checked(&few), [Value::Null; 0]);
    assert!(!few.path().join("lake").exists(), "looking makes no lake");
    std::fs::write(few.path().join("lake"), "no folder").unwrap();
    let warnings = checked(&few);
    let what = warnings[0]["what"].as_str().unwrap();
    assert!(what.contains("could not be looked for"), "{what}");
}
