//! Kills at named points of a commit, a claim and a compaction: the store holds the request that the point is
//! about, the process is killed while it waits for the answer, and the next one goes on. Judged by the ledger.

use s3_server::{Point, S3Server};

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
        server.hold(point);
        let mut running = Running::start_with(folder.path(), &format!("run-{n}"), &command, &KEYS);
        let begun = Instant::now();
        while !server.is_holding() {
            assert!(running.is_alive(), "{what}: it ended before it came there:\n{}", running.log());
            assert!(begun.elapsed() < LIMIT, "{what}: it never came there:\n{}", running.log());
            std::thread::sleep(Duration::from_millis(2));
        }
        drop(running);
        server.let_go(false);
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
