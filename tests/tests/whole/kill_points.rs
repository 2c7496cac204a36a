//! Kills at named points of a commit, a claim and a compaction: the store holds the request that the point is
//! about, the process is killed while it waits for the answer, and the next one goes on. Judged by the ledger.

use s3_server::{Point, S3Server};
use serde_json::json;
use source::NewRecord;

use super::store::{KEYS, LIMIT, muster, reader, write_config};
use super::*;
use tests::running::Running;

/// Records: enough for fifty commits before the last point, and for some behind it.
const RECORDS: usize = 1_500;

/// Small commits: the rounds beside them come every fifty.
const LIMITS: &str = "batch_records_max = 5\nbuffered_rows_max = 5\nthreads = 1\n";

const fn put(key: &'static str, body: &'static str, is_applied: bool) -> Point {
    Point { method: "PUT", key, body, is_applied }
}

/// What a row in a table's log says of a file that was added.
const ADD: &str = "\"add\":";

/// Where the process dies, in this order.
const POINTS: [(&str, Point); 8] = [
    ("records read, nothing of them stored", put("/punches/business_month=", "", false)),
    ("files stored, no entry names them", put("/punch_evidence/_delta_log/", ADD, false)),
    ("side tables committed, punches not", put("/punches/_delta_log/", ADD, false)),
    ("punches committed, the answer lost", put("/punches/_delta_log/", ADD, true)),
    ("results said, anomalies not", put("/anomalies/_delta_log/", ADD, false)),
    ("all committed, the log not told", put("/anomalies/_delta_log/", ADD, true)),
    ("half of the tables claimed", put("/anomalies/_delta_log/", "", false)),
    ("small files merged, no entry names the large one", put("/_delta_log/", "OPTIMIZE", false)),
];

#[test]
fn a_kill_at_any_named_point_loses_and_doubles_nothing() {
    let seed = seed();
    let office = Office::new(seed ^ 5, true).first(RECORDS);
    let folder = tempfile::tempdir().unwrap();
    let server = S3Server::start();
    office.write_reference(folder.path());
    let source = "\n[source]\ndir = \"log\"\nclock = \"record\"\npartitions = 3\n";
    write_config(folder.path(), &server, "points", source, (20, LIMITS));
    let origins = fill_log(&folder.path().join("log"), &office);
    let command = ["run", "-c", "muster.toml", "--until", "2021-02-01T00:00:00+08:00", "--json"];
    for (n, (what, point)) in POINTS.into_iter().enumerate() {
        let begun = Instant::now();
        kill_at(point, what, &server, || {
            Running::start_with(folder.path(), &format!("run-{n}"), &command, &KEYS)
        });
        println!(
            "{what}: killed after {:.1} s, {} entries of punches",
            begun.elapsed().as_secs_f64(),
            server.keys("points/punches/_delta_log/").len()
        );
    }
    write_config(folder.path(), &server, "points", source, (300, "batch_records_max = 500"));
    let ran = muster(folder.path(), &command);
    assert!(matches!(ran.code, Some(0 | 1)), "{}", ran.told());
    let log = open_log(&folder.path().join("log"));
    check_ledger(&reader(&server, "points"), &topics_of(&log), &office, &origins);
}

/// Starts a process that dies at the point.
fn kill_at(point: Point, what: &str, server: &S3Server, start: impl FnOnce() -> Running) {
    server.hold(point);
    let mut running = start();
    let begun = Instant::now();
    while !server.is_holding() {
        assert!(running.is_alive(), "{what}: it ended before it came there:\n{}", running.log());
        assert!(begun.elapsed() < LIMIT, "{what}: it never came there:\n{}", running.log());
        std::thread::sleep(Duration::from_millis(2));
    }
    drop(running);
    server.let_go(false);
}

/// What could not be taken was too old to tell anybody, so that nothing but its row of `rejects` knows of it.
#[test]
fn a_kill_before_the_anomalies_of_records_that_nobody_was_told_of_leaves_none_out() {
    let folder = tempfile::tempdir().unwrap();
    let server = S3Server::start();
    let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
    let site = json!({"type": "FeatureCollection", "features": [{"type": "Feature",
        "geometry": {"type": "Point", "coordinates": [114.17, 22.3]}, "properties": {"site_id": "s1", "name": "store",
        "org": "hk/a", "time_zone": "Asia/Hong_Kong", "radius_m": 100}}]});
    write("sites.geojson", site.to_string());
    let person = |id| format!("{}\n", json!({"employee_id": id, "org": "hk/a", "home_site": "s1"}));
    write("people.ndjson", ["p1", "p2"].map(person).concat());
    write("shifts.ndjson", String::new());
    write_config(folder.path(), &server, "untold", "\n[source]\ndir = \"log\"\npartitions = 1\n", (20, ""));
    {
        let received = EventTime::from("2021-01-04T12:00:00+08:00".parse::<jiff::Timestamp>().unwrap());
        let options = Options { partitions: 1, ..Options::default() };
        let log = EmbeddedLog::open(&folder.path().join("log"), options, Arc::new(move || received)).unwrap();
        let at = json!(114.17);
        let records = [("p1", "a", json!("east")), ("p1", "b", at), ("p2", "c", json!("west"))];
        for (employee_id, event_id, lon) in records {
            let value = json!({"event_id": event_id, "employee_id": employee_id, "kind": "auto", "origin": "phone",
                "occurred_at": "2021-01-04T11:55:00+08:00", "location": {"lon": lon, "lat": 22.3, "accuracy_m": 10}});
            let value = value.to_string();
            let (key, value) = (Some(employee_id.as_bytes()), Some(value.as_bytes()));
            log.appender().append("punches", &[NewRecord { key, value, ..NewRecord::default() }]).unwrap();
        }
    }
    let command = ["run", "-c", "muster.toml", "--until", "2021-01-05T00:00:00+08:00", "--json"];
    kill_at(put("/anomalies/_delta_log/", ADD, false), "anomalies not said", &server, || {
        Running::start_with(folder.path(), "killed", &command, &KEYS)
    });
    for _ in 0..2 {
        let ran = muster(folder.path(), &command);
        assert!(matches!(ran.code, Some(0 | 1)), "{}", ran.told());
        let select = "SELECT employee_id, version, state, array_to_string(event_ids, ' '), business_date FROM anomalies \
             WHERE kind = 'punch_rejected' ORDER BY employee_id, version";
        let found = muster(folder.path(), &["sql", "-c", "muster.toml", "--format", "csv", select]);
        assert_eq!(
            found.stdout.lines().skip(1).collect::<Vec<_>>(),
            ["p1,1,firing,a,2021-01-04", "p1,2,resolved,a,2021-01-04", "p2,1,firing,c,2021-01-04"],
            "{}",
            found.told()
        );
    }
    let log = open_log(&folder.path().join("log"));
    let told = read_topic(&mut *topics_of(&log)("alerts")).into_iter().map(|record| record.key);
    assert!(
        told.clone().count() > 0 && told.clone().all(|key| key.starts_with("_owner/")),
        "{:?}",
        told.collect::<Vec<_>>()
    );
}
