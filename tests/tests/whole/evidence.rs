//! What is kept of a punch's fix and scan: listed radios always, others only where the punch's own fix lies in a fence.

use std::path::Path;

use arrow::array::AsArray;
use serde_json::{Value, json};
use tests::lake_reader::LakeReader;
use tests::program::Program;

const LISTED: &str = "aa:bb:cc:00:00:01";
const UNLISTED: &str = "aa:bb:cc:00:00:02";

/// A square with edges along 114.17 and 114.18, another one elsewhere, and one that no longer counts.
fn sites() -> String {
    let square = |id: &str, lon: f64, more: Value| {
        let ring = [[lon, 22.30], [lon + 0.01, 22.30], [lon + 0.01, 22.31], [lon, 22.31], [lon, 22.30]];
        let mut site = json!({"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]},
            "properties": {"site_id": id, "name": id, "org": "hk", "time_zone": "Asia/Hong_Kong"}});
        for (key, value) in more.as_object().unwrap() {
            site["properties"][key] = value.clone();
        }
        site
    };
    json!({"type": "FeatureCollection", "features": [
        square("here", 114.17, json!({"bssids": [LISTED]})),
        square("there", 114.50, json!({})),
        square("gone", 114.70, json!({"valid_to": "2026-01-01T00:00:00Z"})),
    ]})
    .to_string()
}

/// Punches with both access points, each with its fix.
fn punches(fixes: &[(&str, Value)]) -> String {
    let mut lines = String::new();
    for (person, location) in fixes {
        let mut punch = json!({"event_id": person, "employee_id": person, "kind": "in", "origin": "phone",
            "occurred_at": "2026-11-02T01:00:00Z",
            "wifi": [{"bssid": LISTED, "rssi": -50}, {"bssid": UNLISTED, "rssi": -60}]});
        if !location.is_null() {
            punch["location"] = location.clone();
        }
        if *person == "unlisted-only" {
            punch["wifi"] = json!([{"bssid": UNLISTED}]);
        }
        lines += &format!("{punch}\n");
    }
    lines
}

/// For each person, whether a fix and which access points were kept.
fn kept(folder: &Path) -> Vec<(String, String)> {
    let lake = LakeReader::open(&folder.join("lake"));
    let statement = "SELECT employee_id, concat(CASE WHEN lon IS NULL THEN '-' ELSE 'fix' END, ' ', \
                     array_to_string(bssids, ' ')) AS kept FROM punch_evidence ORDER BY employee_id";
    let mut rows = Vec::new();
    for batch in lake.sql(statement) {
        let text = |column: usize| {
            let texts =
                arrow::compute::cast(batch.column(column), &arrow::datatypes::DataType::Utf8).unwrap();
            texts.as_string::<i32>().iter().map(|text| text.unwrap().to_owned()).collect::<Vec<_>>()
        };
        rows.extend(text(0).into_iter().zip(text(1)));
    }
    rows
}

#[test]
fn unlisted_access_points_are_kept_only_of_a_fix_in_a_fence() {
    let folder = tempfile::tempdir().unwrap();
    let at = |lon: f64| json!({"lon": lon, "lat": 22.305, "accuracy_m": 10});
    let (both, listed) = (format!("{LISTED} {UNLISTED}"), LISTED.to_owned());
    let cases = [
        ("on-the-edge", at(114.18), format!("fix {both}")),
        // A centimetre.
        ("behind-the-edge", at(114.180_000_1), format!("fix {listed}")),
        ("at-another-site", at(114.505), format!("fix {both}")),
        ("at-a-closed-site", at(114.705), format!("fix {listed}")),
        (
            "simulated",
            json!({"lon": 114.175, "lat": 22.305, "accuracy_m": 10, "mocked": true}),
            format!("fix {listed}"),
        ),
        ("too-poor", json!({"lon": 114.175, "lat": 22.305, "accuracy_m": 600}), format!("fix {listed}")),
        // Wi-Fi alone places this one at the site.
        ("no-fix", Value::Null, format!("- {listed}")),
        ("unlisted-only", Value::Null, String::new()),
        ("declined", at(114.175), format!("- {listed}")),
    ];
    std::fs::write(folder.path().join("sites.geojson"), sites()).unwrap();
    let people: String = cases
        .iter()
        .map(|(person, ..)| {
            let consent = if *person == "declined" { "declined" } else { "given" };
            format!(
                "{}\n",
                json!({"employee_id": person, "org": "hk", "home_site": "here", "location_consent": consent})
            )
        })
        .collect();
    std::fs::write(folder.path().join("people.ndjson"), people).unwrap();
    let fixes: Vec<(&str, Value)> = cases.iter().map(|(person, fix, _)| (*person, fix.clone())).collect();
    std::fs::write(folder.path().join("p.ndjson"), punches(&fixes)).unwrap();
    let text = "[reference]\nsites = \"sites.geojson\"\npeople = \"people.ndjson\"\n[lake]\nurl = \"lake\"\n";
    std::fs::write(folder.path().join("muster.toml"), text).unwrap();
    let ran = Program::new().args(["replay", "-c", "muster.toml", "p.ndjson"]).in_folder(folder.path()).run();
    assert_eq!(ran.code, Some(0), "{}", ran.told());
    let mut expected: Vec<(String, String)> = cases
        .into_iter()
        .filter(|(_, _, kept)| !kept.is_empty())
        .map(|(person, _, kept)| (person.to_owned(), kept))
        .collect();
    expected.sort();
    assert_eq!(kept(folder.path()), expected);
}
