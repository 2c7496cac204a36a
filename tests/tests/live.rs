//! `muster run` on a real Kafka as an operator sees it: a silent ingest, encryption and passwords, punches by HTTP, and
//! the stops that have a name.
//!
//! In: a broker of each test's own, configurations, small worlds.  Out: exit codes, texts, alerts, rows.
//! Absent on purpose: faults (`group.rs` has them), and any look into a room: what is tested is what comes out.

// A test that cannot go on panics, and says on standard output what it ran on.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "live/deliver.rs"]
mod deliver;
#[path = "live/erase.rs"]
mod erase;
#[path = "live/failover.rs"]
mod failover;
#[path = "live/repartition.rs"]
mod repartition;
#[path = "live/shadow.rs"]
mod shadow;
#[path = "live/upgrade.rs"]
mod upgrade;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};
use source::kafka::{KafkaLog, KafkaOptions};
use source::{Append, NewRecord};
use tests::broker::{Broker, Settings};
use tests::cluster::Cluster;
use tests::lake_reader::LakeReader;
use tests::program::{Program, Ran};
use tests::running::{Running, http};
use tests::topic::{make_punches, read_topic};

const PUNCHES: &str = "punches";

/// How long any one thing may take.
const LIMIT: Duration = Duration::from_secs(90);

/// A configuration of `muster run` on `topic` with the lake `lake`; `more` goes into `[source]`, then come sections.
fn write_config(folder: &Path, name: &str, brokers: &str, topic: &str, lake: &str, more: &str) {
    let text = format!(
        "[reference]\nsites = \"sites.geojson\"\npeople = \"people.ndjson\"\nshifts = \"shifts.ndjson\"\n\
         policies = \"policies.toml\"\n\n[lake]\nurl = \"{lake}\"\ncommit_every_ms = 200\n\n[limits]\nthreads = 1\n\n\
         [source]\nkind = \"kafka\"\nbrokers = \"{brokers}\"\ntopic = \"{topic}\"\nsession_timeout = \"6 s\"\n{more}\n"
    );
    std::fs::write(folder.join(format!("{name}.toml")), text).unwrap();
}

/// One store, `people` people whose shift there starts at `start`, no-shows told a minute later.
fn write_world(folder: &Path, people: usize, start: Timestamp) {
    let site = json!({"type": "FeatureCollection", "features": [{"type": "Feature",
        "geometry": {"type": "Point", "coordinates": [114.17, 22.3]},
        "properties": {"site_id": "s1", "name": "store", "org": "hk/a", "time_zone": "UTC", "radius_m": 100}}]});
    std::fs::write(folder.join("sites.geojson"), site.to_string()).unwrap();
    std::fs::write(
        folder.join("policies.toml"),
        "[[policy]]\nname = \"default\"\napplies_to = \"\"\nvalid_from = 2020-01-01\nno_show_after_min = 1\n\
         reminder_before_min = 0\n",
    )
    .unwrap();
    let (mut rows, mut shifts) = (String::new(), String::new());
    for n in 0..people {
        let person = json!({"employee_id": employee(n), "org": "hk/a", "home_site": "s1"});
        let end = start + jiff::SignedDuration::from_hours(8);
        let date = start.to_zoned(jiff::tz::TimeZone::UTC).date().to_string();
        let shift = json!({"shift_id": format!("shift-{n}"), "employee_id": employee(n), "site_id": "s1",
            "business_date": date, "start": start.to_string(), "end": end.to_string()});
        writeln!(rows, "{person}").unwrap();
        writeln!(shifts, "{shift}").unwrap();
    }
    std::fs::write(folder.join("people.ndjson"), rows).unwrap();
    std::fs::write(folder.join("shifts.ndjson"), shifts).unwrap();
}

fn employee(n: usize) -> String {
    format!("e-{n:02}")
}

fn punch(employee_id: &str, event_id: &str, at: Timestamp) -> Value {
    json!({"event_id": event_id, "employee_id": employee_id, "kind": "in", "origin": "phone",
        "occurred_at": at.to_string(), "location": {"lon": 114.17, "lat": 22.3, "accuracy_m": 10}})
}

/// Now, to the second.
fn now() -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second()).unwrap()
}

fn open_log(bootstrap: &str, topic: &str) -> KafkaLog {
    let mut options = KafkaOptions::new(bootstrap, topic, "test");
    options.client_id = "test".into();
    KafkaLog::open(options, muster::wall_clock()).unwrap()
}

fn append(log: &KafkaLog, topic: &str, punches: &[Value]) {
    let bytes: Vec<(String, String)> = punches
        .iter()
        .map(|punch| (punch["employee_id"].as_str().unwrap().to_owned(), punch.to_string()))
        .collect();
    let records: Vec<NewRecord<'_>> = bytes
        .iter()
        .map(|(key, value)| NewRecord {
            key: Some(key.as_bytes()),
            value: Some(value.as_bytes()),
            ..NewRecord::default()
        })
        .collect();
    log.appender().append(topic, &records).unwrap();
}

/// `punches` of as many people, a minute ago, under ids that begin with `name`.
fn few(name: &str, punches: usize) -> Vec<Value> {
    let at = now() - jiff::SignedDuration::from_mins(1);
    (0..punches).map(|n| punch(&employee(n), &format!("{name}-{n}"), at)).collect()
}

fn run_until(folder: &Path, config: &str) -> Ran {
    let args = ["run", "-c", &format!("{config}.toml"), "--json", "--until", "2020-01-01T00:00:00Z"];
    Program::new().args(args).in_folder(folder).limit(LIMIT).run()
}

/// It ended with exit code 3, and said all of `words`.
fn assert_stopped(ran: &Ran, words: &[&str]) {
    assert_eq!(ran.code, Some(3), "{}", ran.told());
    let said = ran.said();
    for word in words {
        assert!(said.contains(word), "no {word:?} in: {said}");
    }
}

/// Every alert said so far: kind, then id, then the states of its versions in order, and whom it is about.
type Alerts = BTreeMap<String, BTreeMap<String, (Vec<String>, String)>>;

fn alerts(log: &KafkaLog) -> Alerts {
    let mut found = Alerts::new();
    for record in read_topic(&mut log.reader("alerts").unwrap()) {
        if record.key.starts_with('_') {
            continue;
        }
        let body: Value = serde_json::from_slice(&record.value).unwrap();
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let of_kind = found.entry(text("kind")).or_default();
        let (states, about) = of_kind.entry(record.key).or_default();
        states.push(text("state"));
        *about = text("employee_id");
    }
    found
}

/// Tests that start brokers of their own. `tests/run` knows this module's name.
mod private_broker {
    use super::*;

    #[test]
    fn a_silent_ingest_makes_one_alert_and_no_false_no_show() {
        let broker = Broker::start(Settings::default());
        let folder = tempfile::tempdir().unwrap();
        make_punches(&broker.bootstrap(), PUNCHES, 6);
        let log = open_log(&broker.bootstrap(), PUNCHES);
        let start = now() + jiff::SignedDuration::from_secs(8);
        write_world(folder.path(), 30, start);
        write_config(folder.path(), "m", &broker.bootstrap(), PUNCHES, "lake", "");
        // Two processes share the six partitions: neither hears all thirty.
        let mut members =
            ["a", "b"].map(|name| Running::start(folder.path(), name, &["run", "-c", "m.toml", "--json"]));
        members.iter_mut().for_each(|member| member.await_owner(&log));

        // Nobody's punch arrives across the start. A minute later no-shows would be due.
        let silent = |alerts: &Alerts| alerts.get("ingest_silent").is_some_and(|found| !found.is_empty());
        await_alerts(&log, &mut members, silent, |alerts| {
            assert!(!alerts.contains_key("no_show"), "{alerts:?}");
        });
        let fired = Timestamp::now();
        println!("silence told {:.1} s after the start", fired.duration_since(start).as_secs_f64());
        assert!(fired.duration_since(start).as_secs() >= 60);
        // It stays silent a while: held, asked again, still held; nothing more is said.
        let held_until = Instant::now() + Duration::from_secs(5);
        await_alerts(
            &log,
            &mut members,
            |_| Instant::now() > held_until,
            |alerts| {
                assert_eq!(alerts.keys().collect::<Vec<_>>(), ["ingest_silent"], "{alerts:?}");
                let states: Vec<_> =
                    alerts["ingest_silent"].values().map(|(states, _)| states.len()).collect();
                assert_eq!(states, [1], "{alerts:?}");
            },
        );

        // The ingest comes back with what was punched meanwhile: all but four.
        let back = Instant::now();
        let came = (0..26).map(|n| {
            let at = start - jiff::SignedDuration::from_secs(n as i64 % 7);
            punch(&employee(n), &format!("in-{n}"), at)
        });
        append(&log, PUNCHES, &came.collect::<Vec<_>>());
        let absent: BTreeSet<String> = (26..30).map(employee).collect();
        let of = |alerts: &Alerts| -> BTreeSet<String> {
            let found = alerts.get("no_show").into_iter().flatten();
            found.map(|(_, (_, about))| about.clone()).collect()
        };
        let is_over = |alerts: &Alerts| {
            let is_resolved = |(states, _): &(Vec<String>, String)| states.last().unwrap() == "resolved";
            of(alerts) == absent && alerts["ingest_silent"].values().all(is_resolved)
        };
        await_alerts(&log, &mut members, is_over, |alerts| {
            assert!(of(alerts).is_subset(&absent), "{alerts:?}");
        });
        println!("the true no-shows {:.1} s after the ingest came back", back.elapsed().as_secs_f64());

        members.iter().for_each(Running::terminate);
        members
            .iter_mut()
            .for_each(|member| assert_eq!(member.await_end(LIMIT), Some(0), "{}", member.log()));
        let last = alerts(&log);
        assert!(is_over(&last), "{last:?}");
        assert_eq!(last["ingest_silent"].len(), 1, "one alert for the org: {last:?}");
        assert_eq!(last["ingest_silent"].values().next().unwrap().0, ["firing", "resolved"]);
        assert!(last["no_show"].values().all(|(states, _)| *states == ["firing"]), "{last:?}");
        let lake = LakeReader::open(&folder.path().join("lake"));
        assert_eq!(lake.count("punches"), 26);
        assert_eq!(lake.count("anomalies WHERE kind = 'no_show'"), 4);
        assert_eq!(lake.count("anomalies WHERE kind = 'ingest_silent'"), 2, "two versions");
    }

    /// Looks at the alerts until they are as wanted, holding each look against `check`.
    fn await_alerts(
        log: &KafkaLog,
        members: &mut [Running],
        wanted: impl Fn(&Alerts) -> bool,
        check: impl Fn(&Alerts),
    ) {
        let begun = Instant::now();
        loop {
            let found = alerts(log);
            check(&found);
            if wanted(&found) {
                return;
            }
            for member in members.iter_mut() {
                assert!(member.is_alive(), "{}", member.log());
            }
            let logs = || members.iter().map(Running::log).collect::<Vec<_>>().join("\n");
            assert!(begun.elapsed() < LIMIT, "not within {LIMIT:?}: {found:?}\n{}", logs());
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    trait AwaitOwner {
        fn await_owner(&mut self, log: &KafkaLog);
    }

    impl AwaitOwner for Running {
        /// Waits until the topic of alerts is there: a process that came so far has all it needs.
        fn await_owner(&mut self, log: &KafkaLog) {
            let begun = Instant::now();
            while log.reader("alerts").is_err() {
                assert!(self.is_alive() && begun.elapsed() < LIMIT, "{}", self.log());
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }

    #[test]
    fn encrypted_and_by_password_punches_go_through() {
        let settings = Settings::default().with_client_certificates().with_user("alice", "a-secret-word");
        let broker = Broker::start(settings);
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        write_world(folder, 3, now());
        std::fs::copy(broker.ca_path(), folder.join("ca.pem")).unwrap();
        let (certificate, key) = broker.client_pem();
        std::fs::write(folder.join("client.pem"), certificate).unwrap();
        std::fs::write(folder.join("client.key"), key).unwrap();

        let ca = "clock = \"record\"\n[source.tls]\nca = \"ca.pem\"\n";
        let sasl = |mechanism: &str, variable: &str| {
            format!(
                "{ca}[source.sasl]\nmechanism = \"{mechanism}\"\nuser = \"alice\"\npassword_env = \"{variable}\"\n"
            )
        };
        let start_until = |name: &str, password: &str| {
            let config = format!("{name}.toml");
            let args = ["run", "-c", &config, "--json", "--until", "2020-01-01T00:00:00Z"];
            Running::start_with(folder, name, &args, &[("KAFKA_PASSWORD", password)])
        };
        let cases = [
            ("scram", broker.sasl_ssl_bootstrap(), sasl("SCRAM-SHA-512", "KAFKA_PASSWORD")),
            ("plain", broker.sasl_ssl_bootstrap(), sasl("PLAIN", "KAFKA_PASSWORD")),
            ("mutual", broker.ssl_bootstrap(), format!("{ca}cert = \"client.pem\"\nkey = \"client.key\"\n")),
        ];
        for (name, bootstrap, more) in &cases {
            make_punches(&broker.bootstrap(), name, 2);
            append(&open_log(&broker.bootstrap(), name), name, &few(name, 3));
            write_config(folder, name, bootstrap, name, &format!("lake-{name}"), more);
            let mut running = start_until(name, "a-secret-word");
            assert_eq!(running.await_end(LIMIT), Some(0), "{name}: {}", running.log());
            let log = running.log();
            let summary: Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
            assert_eq!(summary["accepted"], 3, "{name}: {log}");
        }

        // A wrong password, no certificate where one is asked for, no TLS at all: each ends at once and says which it is.
        let mut running = start_until("scram", "guessed-word");
        assert_eq!(running.await_end(LIMIT), Some(3), "{}", running.log());
        let log = running.log();
        for word in ["Authentication failed", "see the user, the certificates and the access lists"] {
            assert!(log.contains(word), "no {word:?} in {log}");
        }
        assert!(!log.contains("guessed-word"), "{log}");
        write_config(folder, "bare", &broker.ssl_bootstrap(), "mutual", "lake-mutual", ca);
        assert_stopped(&run_until(folder, "bare"), &["SSL alert number", "see the user, the certificates"]);
        write_config(
            folder,
            "open",
            &broker.ssl_bootstrap(),
            "mutual",
            "lake-mutual",
            "clock = \"record\"\n",
        );
        assert_stopped(&run_until(folder, "open"), &["TLS"]);
        // A password that is not there is a mistake of the configuration.
        write_config(
            folder,
            "unset",
            &broker.sasl_ssl_bootstrap(),
            "scram",
            "lake-scram",
            &sasl("PLAIN", "NO_SUCH"),
        );
        let ran = run_until(folder, "unset");
        assert_eq!(ran.code, Some(2), "{}", ran.told());
        assert!(ran.said().contains("set NO_SUCH"), "{}", ran.told());
    }

    #[test]
    fn punches_by_http_are_in_the_lake_after_a_graceful_stop() {
        let broker = Broker::start(Settings::default());
        let folder = tempfile::tempdir().unwrap();
        write_world(folder.path(), 3, now());
        make_punches(&broker.bootstrap(), PUNCHES, 3);
        let serve = "\n[serve]\naddress = \"127.0.0.1:0\"\n";
        write_config(folder.path(), "m", &broker.bootstrap(), PUNCHES, "lake", serve);
        let mut first = Running::start(folder.path(), "first", &["run", "-c", "m.toml", "--json"]);
        let url = first.await_said("serving ", LIMIT);

        let at = now();
        let mut broken = punch("e-01", "broken", at);
        broken["kind"] = json!("sideways");
        let body =
            json!([punch("e-00", "one", at), broken, punch("e-01", "two", at), punch("e-00", "one", at)]);
        let (status, answer) = http(&url, "POST", "/v1/punches", &body.to_string());
        assert_eq!(status, 200, "{answer}");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let results: Vec<&str> =
            answer.as_array().unwrap().iter().map(|one| one["result"].as_str().unwrap()).collect();
        assert_eq!(results, ["accepted", "rejected", "accepted", "accepted"], "{answer}");
        assert!(answer[1]["code"].is_string(), "{answer}");
        assert_eq!(http(&url, "POST", "/v1/punches", "[{").0 / 100, 4);

        let has = |metrics: &str, line: &str| metrics.lines().any(|found| found == line);
        let begun = Instant::now();
        let metrics = loop {
            let (status, metrics) = http(&url, "GET", "/metrics", "");
            assert_eq!(status, 200, "{metrics}");
            let is_there = has(&metrics, "muster_punches_accepted_total 2")
                && has(&metrics, "muster_punches_duplicate_total 1")
                && http(&url, "GET", "/readyz", "").0 == 200;
            if is_there {
                break metrics;
            }
            assert!(begun.elapsed() < LIMIT, "{metrics}\n{}", first.log());
            std::thread::sleep(Duration::from_millis(50));
        };
        assert!(has(&metrics, "muster_ingest_records_total{result=\"accepted\"} 3"), "{metrics}");
        assert!(has(&metrics, "muster_ingest_records_total{result=\"rejected\"} 1"), "{metrics}");
        assert_eq!(http(&url, "GET", "/livez", "").0, 200);
        let top = Program::new().args(["top", &url, "--once"]).limit(LIMIT).run();
        assert_eq!(top.code, Some(0), "{}", top.told());
        assert!(top.stdout.contains("muster") && top.stdout.lines().count() > 5, "{}", top.told());

        // A last punch, and the word to stop right behind it: drained, committed, out of the group.
        let body = punch("e-02", "three", at).to_string();
        assert_eq!(http(&url, "POST", "/v1/punches", &body).0, 200);
        first.terminate();
        assert_eq!(first.await_end(LIMIT), Some(0), "{}", first.log());
        assert_eq!(Cluster::at(&broker.bootstrap()).members("muster"), 0, "it has left the group");
        let stopped: Value = serde_json::from_str(first.log().lines().last().unwrap()).unwrap();

        // A second process has the partitions at once, and adds nothing twice.
        let begun = Instant::now();
        let mut second = Running::start(folder.path(), "second", &["run", "-c", "m.toml", "--json"]);
        let url = second.await_said("serving ", LIMIT);
        while http(&url, "GET", "/readyz", "").0 != 200 {
            assert!(begun.elapsed() < LIMIT, "{}", second.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        println!("the second was ready {:.1} s after its start", begun.elapsed().as_secs_f64());
        second.terminate();
        assert_eq!(second.await_end(LIMIT), Some(0), "{}", second.log());
        let resumed: Value = serde_json::from_str(second.log().lines().last().unwrap()).unwrap();
        let sum = |name: &str| stopped[name].as_i64().unwrap() + resumed[name].as_i64().unwrap();
        assert_eq!((sum("accepted"), sum("duplicates"), sum("rejected")), (3, 1, 0), "{stopped} {resumed}");
        let lake = LakeReader::open(&folder.path().join("lake"));
        assert_eq!(lake.count("punches"), 3);
        assert_eq!(lake.count("rejects"), 1);
    }

    #[test]
    fn a_log_that_does_not_fit_is_refused_by_name() {
        let mut broker = Broker::start(Settings::default());
        let bootstrap = broker.bootstrap();
        let cluster = Cluster::at(&bootstrap);
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        write_world(folder, 9, now());
        let config = |name: &str, topic: &str, lake: &str, clock: &str| {
            // A topic of alerts each: as many partitions as its punches.
            let more = format!("clock = \"{clock}\"\n[alerts]\ntopic = \"{name}-alerts\"\n");
            write_config(folder, name, &bootstrap, topic, lake, &more);
        };

        // Producers' own times are no clock.
        cluster.make_topic("theirs", 1, "CreateTime");
        config("theirs", "theirs", "lake-theirs", "append");
        assert_stopped(
            &run_until(folder, "theirs"),
            &["CreateTime", "--add-config message.timestamp.type=LogAppendTime"],
        );
        config("absent", "absent", "lake-absent", "append");
        assert_stopped(&run_until(folder, "absent"), &["no topic absent", "kafka-topics.sh", "--create"]);

        // A lake of another topic, of the same topic made anew, and of fewer partitions.
        for topic in ["one", "two"] {
            cluster.make_topic(topic, 1, "LogAppendTime");
        }
        append(&open_log(&bootstrap, "one"), "one", &few("a", 3));
        config("one", "one", "lake-one", "record");
        assert_eq!(run_until(folder, "one").code, Some(0));
        config("two", "two", "lake-one", "record");
        assert_stopped(&run_until(folder, "two"), &["it belongs to log", "(topic one)", "another folder"]);
        cluster.add_partitions("one", 3);
        config("more", "one", "lake-one", "record");
        assert_stopped(
            &run_until(folder, "more"),
            &["has 3 partitions", "written with 1", "muster repartition"],
        );
        cluster.delete_topic("one");
        cluster.make_topic("one", 1, "LogAppendTime");
        assert_stopped(&run_until(folder, "one"), &["it belongs to log", "another folder"]);

        // Retention took records while nobody read: a gap, and on.
        append(&open_log(&bootstrap, "two"), "two", &few("b", 3));
        config("gap", "two", "lake-gap", "record");
        assert_eq!(run_until(folder, "gap").code, Some(0));
        append(&open_log(&bootstrap, "two"), "two", &few("c", 9));
        cluster.delete_records("two", 0, 7);
        let ran = run_until(folder, "gap");
        assert!(matches!(ran.code, Some(0 | 1)), "{}", ran.told());
        let lake = LakeReader::open(&folder.join("lake-gap"));
        assert_eq!(lake.count("punches"), 3 + 5);
        assert_eq!(lake.count("rejects WHERE code = 'gap' AND \"offset\" = 3"), 1);
        drop(lake);

        // The brokers lost records that the lake has: nothing is read from such a log.
        broker.stop();
        let partition = broker.data_path().join("two-0");
        for entry in std::fs::read_dir(&partition).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().is_some_and(|name| name != "partition.metadata") {
                std::fs::remove_file(path).unwrap();
            }
        }
        broker.restart();
        assert_stopped(&run_until(folder, "gap"), &["the log ends at", "bring the old log back"]);
    }

    #[test]
    fn a_log_that_changes_while_it_is_read_stops_the_processor() {
        let broker = Broker::start(Settings::default());
        let bootstrap = broker.bootstrap();
        let cluster = Cluster::at(&bootstrap);
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        write_world(folder, 9, now());
        let begin = |name: &str| {
            make_punches(&bootstrap, name, 1);
            append(&open_log(&bootstrap, name), name, &few(name, 3));
            let more = format!(
                "group = \"{name}\"\n[alerts]\ntopic = \"{name}-alerts\"\n[serve]\naddress = \"127.0.0.1:0\"\n"
            );
            write_config(folder, name, &bootstrap, name, &format!("lake-{name}"), &more);
            let mut running = Running::start(folder, name, &["run", "-c", &format!("{name}.toml"), "--json"]);
            let url = running.await_said("serving ", LIMIT);
            let begun = Instant::now();
            while !http(&url, "GET", "/metrics", "").1.contains("muster_punches_accepted_total 3") {
                assert!(begun.elapsed() < LIMIT, "{}", running.log());
                std::thread::sleep(Duration::from_millis(50));
            }
            running
        };
        let (mut anew, mut wider) = (begin("anew"), begin("wider"));
        cluster.add_partitions("wider", 2);
        cluster.delete_topic("anew");
        cluster.make_topic("anew", 1, "LogAppendTime");
        let begun = Instant::now();
        for (running, words) in [
            (&mut anew, ["deleted", "a lake of its own"]),
            (&mut wider, ["it has 2 partitions, it had 1", "muster repartition"]),
        ] {
            assert_eq!(running.await_end(LIMIT), Some(3), "{}", running.log());
            println!("stopped after {:.1} s", begun.elapsed().as_secs_f64());
            let log = running.log();
            words.iter().for_each(|word| assert!(log.contains(word), "no {word:?} in {log}"));
        }
    }
}
