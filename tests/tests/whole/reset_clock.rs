//! A time clock that is reset to 2000-01-01 at noon of a live day: its punches are kept and flagged, bind nothing and move no
//! clock; the inbox takes each once, over restarts; and `device_health` names the device.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use model::EventTime;
use serde_json::{Value, json};
use source::embedded::Options;
use source::{Append, EmbeddedLog, NewRecord};
use tests::program::Program;

use super::seals::rows;

const PARTITIONS: u32 = 3;

/// The first moment of the day `days` before today, in Hong Kong.
fn day(before: i64) -> Timestamp {
    let today = Timestamp::now().to_zoned(TimeZone::get("Asia/Hong_Kong").unwrap()).date();
    let day = today.checked_sub(before.days()).unwrap();
    day.to_zoned(TimeZone::get("Asia/Hong_Kong").unwrap()).unwrap().timestamp()
}

/// When it is `hours:minutes` of the day that begins at `day`.
fn at(day: Timestamp, hours: i64, minutes: i64) -> Timestamp {
    day.checked_add((hours * 60 + minutes).minutes()).unwrap()
}

/// Who punches how, when the log takes it, and what the clock shows then.
type Sent<'a> = (&'a str, &'a str, Timestamp, Timestamp);

fn append(folder: &Path, sent: &[Sent<'_>]) {
    let now = Arc::new(AtomicI64::new(0));
    let clock = Arc::clone(&now);
    let options = Options { partitions: PARTITIONS, ..Options::default() };
    let read = Arc::new(move || EventTime::from_ms(clock.load(Ordering::Relaxed)));
    let log = EmbeddedLog::open(&folder.join("log"), options, read).unwrap();
    log.create_topic("punches", PARTITIONS).unwrap();
    for (employee_id, kind, received, shown) in sent {
        now.store(received.as_millisecond(), Ordering::Relaxed);
        let value = json!({"event_id": format!("{kind}-{shown}"), "employee_id": employee_id, "kind": kind,
            "origin": "terminal", "device_id": "t1", "site_id": "s1", "occurred_at": shown.to_string()});
        let value = value.to_string();
        let (key, value) = (Some(employee_id.as_bytes()), Some(value.as_bytes()));
        log.appender().append("punches", &[NewRecord { key, value, ..NewRecord::default() }]).unwrap();
    }
}

fn write_world(folder: &Path, days: [Timestamp; 2]) {
    let site = json!({"type": "FeatureCollection", "features": [{"type": "Feature",
        "geometry": {"type": "Point", "coordinates": [114.17, 22.3]}, "properties": {"site_id": "s1", "name": "store",
        "org": "hk/a", "time_zone": "Asia/Hong_Kong", "radius_m": 100, "terminals": ["t1"]}}]});
    std::fs::write(folder.join("sites.geojson"), site.to_string()).unwrap();
    let people = ["p1", "p2", "p3"]
        .map(|id| format!("{}\n", json!({"employee_id": id, "org": "hk/a", "home_site": "s1"})));
    std::fs::write(folder.join("people.ndjson"), people.concat()).unwrap();
    let shift = |(id, employee_id, day): (&str, &str, Timestamp)| {
        let date = day.to_zoned(TimeZone::get("Asia/Hong_Kong").unwrap()).date();
        let row = json!({"shift_id": id, "employee_id": employee_id, "site_id": "s1", "business_date": date.to_string(),
            "start": "08:00", "end": "17:00"});
        format!("{row}\n")
    };
    let shifts = [("a1", "p1", days[0]), ("a2", "p1", days[1]), ("b1", "p2", days[0])].map(shift);
    std::fs::write(folder.join("shifts.ndjson"), shifts.concat()).unwrap();
    super::config(folder, "\n[source]\ndir = \"log\"\npartitions = 3\n");
}

/// Runs until everything there is was taken; gives the summary.
fn run(folder: &Path) -> Value {
    let until = day(1).to_string();
    let ran = Program::new()
        .args(["run", "-c", "muster.toml", "--json", "--until", &until])
        .in_folder(folder)
        .run();
    assert!(matches!(ran.code, Some(0 | 1)), "{}", ran.told());
    serde_json::from_str(ran.last_line()).unwrap()
}

#[test]
fn a_clock_that_is_reset_at_noon_loses_no_punch_and_decides_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (first, second) = (day(6), day(5));
    write_world(folder, [first, second]);
    let reset: Timestamp = "2000-01-01T00:00:00+08:00".parse().unwrap();
    // At noon its clock begins anew.
    let shown = |hours: i64, minutes: i64| at(reset, hours - 12, minutes);
    let out = ("p1", "out", at(first, 17, 5), shown(17, 5));
    append(
        folder,
        &[
            ("p1", "in", at(first, 7, 55), at(first, 7, 55)),
            ("p2", "in", at(first, 7, 56), at(first, 7, 56)),
            // A device is known by what its own partition's people punched on it.
            ("p3", "in", at(first, 7, 58), at(first, 7, 58)),
            ("p3", "in", at(first, 13, 0), shown(13, 0)),
            out,
            ("p2", "out", at(first, 17, 6), shown(17, 6)),
            // Set right over night.
            ("p1", "in", at(second, 7, 57), at(second, 7, 57)),
            ("p1", "out", at(second, 17, 3), at(second, 17, 3)),
        ],
    );
    let summary = run(folder);
    assert_eq!((&summary["accepted"], &summary["rejected"]), (&json!(8), &json!(0)), "{summary}");
    let punches = || {
        rows(
            folder,
            "SELECT employee_id, kind, substr(local_time, 1, 16), array_has(reasons, 'clock_suspect'), shift_id, place, \
             received_at > TIMESTAMP '2020-01-01' FROM punches ORDER BY received_at",
        )
    };
    let kept = punches();
    assert_eq!(kept.len(), 8);
    let suspect: Vec<&String> = kept.iter().filter(|row| row.contains("2000-01-01T")).collect();
    let flagged = |row: &str| format!("{row},true,,inside,true");
    let expected =
        ["p3,in,2000-01-01T01:00", "p1,out,2000-01-01T05:05", "p2,out,2000-01-01T05:06"].map(flagged);
    assert_eq!(suspect, expected.iter().collect::<Vec<_>>(), "kept as shown, flagged, bound to nothing");
    assert_eq!(
        kept.iter().filter(|row| row.contains(",false,") && !row.contains(",,")).count(),
        4,
        "{kept:?}"
    );

    let results = || {
        rows(
            folder,
            "SELECT shift_id, status, missing_in, missing_out, final, version FROM latest_shift_results ORDER BY shift_id",
        )
    };
    let judged = results();
    let ends: Vec<&str> = judged.iter().map(|row| row.rsplit_once(',').unwrap().0).collect();
    assert_eq!(
        ends,
        ["a1,present,false,true,true", "a2,present,false,false,true", "b1,present,false,true,true"]
    );
    let early = "SELECT count(*) FROM shift_results WHERE decided_at < TIMESTAMP '2020-01-01'";
    assert_eq!(rows(folder, early), ["0"], "the log's clock never stood where the device's did");
    assert_eq!(
        rows(folder, "SELECT verdict, suspect FROM device_health WHERE device_id = 't1' AND suspect > 0"),
        ["reset,3"]
    );
    let told = "SELECT employee_id FROM latest_anomalies WHERE kind = 'clock_suspect' ORDER BY employee_id";
    assert_eq!(rows(folder, told), ["p1", "p2", "p3"]);
    let inbox = || rows(folder, "SELECT \"partition\", \"offset\", code FROM late ORDER BY 1, 2");
    let drained = inbox();
    assert_eq!(drained.len(), 3, "{drained:?}");
    let origins = "SELECT count(*), count(DISTINCT concat(\"partition\", '/', \"offset\")) FROM punches";
    assert_eq!(rows(folder, origins), ["8,8"]);

    assert_eq!(run(folder)["accepted"], json!(0));
    assert_eq!(
        (punches(), results(), inbox()),
        (kept.clone(), judged.clone(), drained),
        "a restart does nothing again"
    );

    // The device sends one of them once more, and a new one: the first is a repeat, found in the inbox; the second is kept.
    append(folder, &[out, ("p3", "out", at(second, 17, 30), shown(18, 0))]);
    let summary = run(folder);
    assert_eq!((&summary["accepted"], &summary["duplicates"]), (&json!(1), &json!(1)), "{summary}");
    let more = punches();
    assert_eq!((more.len(), rows(folder, origins)), (9, vec!["9,9".to_owned()]));
    assert_eq!(run(folder)["accepted"], json!(0));
    assert_eq!((punches(), results()), (more, judged));
}
