//! What comes as a photo of a field punch: kept as reference and hash, held against the policy, never a picture, never told.

use serde_json::{Value, json};

use super::shop::{CONFIG, Shop, check};

const HASH: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
/// A picture of one dot, in the place of a reference.
const PICTURE: &str = "data:image/gif;base64,R0lGODlhAQABAAAAACw=";

/// An hour late and far from any shop, so that there is something to tell.
fn punch(event_id: &str, minute: u32, photo: &Value) -> Value {
    json!({"event_id": event_id, "employee_id": "p1", "kind": "in", "origin": "field", "photo": photo,
        "occurred_at": format!("2026-11-02T09:{minute:02}:00+08:00"),
        "location": {"lon": 114.5, "lat": 22.5, "accuracy_m": 5}})
}

fn punches() -> String {
    let photos = [
        ("whole", json!({"ref": "s3://photos/whole", "sha256": HASH.to_uppercase()})),
        ("none", Value::Null),
        ("no-hash", json!({"ref": "s3://photos/no-hash"})),
        ("short-hash", json!({"ref": "s3://photos/short-hash", "sha256": "9f86"})),
        ("picture", json!({"ref": PICTURE, "sha256": HASH})),
    ];
    let lines =
        (0..).step_by(5).zip(photos).map(|(minute, (event_id, photo))| punch(event_id, minute, &photo));
    let office = json!({"event_id": "office", "employee_id": "p2", "kind": "in", "origin": "phone",
        "occurred_at": "2026-11-02T09:00:00+08:00"});
    lines.chain([office]).map(|line| format!("{line}\n")).collect()
}

/// Event, photo reasons, reference and hash of each row.
fn rows(shop: &Shop, lake: &str) -> Vec<String> {
    let statement = "SELECT event_id, photo_ref, photo_sha256, array_to_string(reasons, ' ') AS reasons FROM punches \
                     ORDER BY occurred_at, event_id";
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let row = |row: Value| {
        let all = text(&row["reasons"]);
        let reasons: Vec<&str> = all.split(' ').filter(|reason| reason.starts_with("photo")).collect();
        format!(
            "{} {} {} {}",
            text(&row["event_id"]),
            reasons.join("+"),
            text(&row["photo_ref"]),
            text(&row["photo_sha256"])
        )
    };
    shop.sql(lake, statement).into_iter().map(row).collect()
}

#[test]
fn a_field_punch_without_a_photo_that_counts_says_so_and_no_alert_tells_of_one() {
    let shop = Shop::new();
    shop.put("p.ndjson", punches());
    check(&shop.muster("replay -c muster.toml p.ndjson"), 0, &[]);
    let malformed = "photo_malformed+photo_missing";
    let want = [
        "office  - -".to_owned(),
        format!("whole  s3://photos/whole {HASH}"),
        "none photo_missing - -".to_owned(),
        format!("no-hash {malformed} s3://photos/no-hash -"),
        format!("short-hash {malformed} s3://photos/short-hash -"),
        format!("picture {malformed} - {HASH}"),
    ];
    assert_eq!(rows(&shop, "lake"), want);

    let alerts = std::fs::read_to_string(shop.path("lake/alerts.ndjson")).unwrap();
    assert!(alerts.contains("\"kind\":\"outside\"") && alerts.contains("\"whole\""), "{alerts}");
    for told in ["photo", "s3://", "9f86", "base64"] {
        assert!(!alerts.contains(told), "{told} in {alerts}");
    }

    let matched = shop.muster("match -c muster.toml p.ndjson");
    check(&matched, 0, &[]);
    let told: Vec<Value> = matched.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let reasons = |event_id: &str| &told.iter().find(|line| line["event_id"] == event_id).unwrap()["reasons"];
    assert_eq!(*reasons("whole"), json!([]));
    assert_eq!(*reasons("none"), json!(["photo_missing"]));
    assert_eq!(*reasons("short-hash"), json!(["photo_malformed", "photo_missing"]));
    assert!(told.iter().filter(|line| line["event_id"] != "office").all(|line| line["place"] == "outside"));

    shop.put("policies.toml", "[[policy]]\nname = \"default\"\nfield_photo = \"optional\"\n");
    shop.put(
        "optional.toml",
        CONFIG.replace("[source]", "policies = \"policies.toml\"\n[source]").replace("\"lake\"", "\"other\""),
    );
    check(&shop.muster("replay -c optional.toml p.ndjson"), 0, &[]);
    assert!(rows(&shop, "other").iter().all(|row| !row.contains("photo_m")));
}

#[test]
fn a_csv_file_has_columns_for_a_photo() {
    let shop = Shop::new();
    let rows_of = [
        format!("a,p1,in,2026-11-02T09:00:00+08:00,field,s3://photos/a,{HASH}"),
        "b,p1,out,2026-11-02T17:00:00+08:00,field,,".to_owned(),
    ];
    let text = format!(
        "event_id,employee_id,kind,occurred_at,origin,photo_ref,photo_sha256\n{}\n",
        rows_of.join("\n")
    );
    shop.put("p.csv", text);
    check(&shop.muster("replay -c muster.toml p.csv"), 0, &[]);
    assert_eq!(rows(&shop, "lake"), [format!("a  s3://photos/a {HASH}"), "b photo_missing - -".to_owned()]);
}
