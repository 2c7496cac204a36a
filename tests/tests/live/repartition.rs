//! A topic of punches that is given more partitions, on a real broker: by `muster repartition`, or by an operator before it.

use model::position::partition_of;
use source::Source as _;
use source::kafka::TopicUse;
use tests::crowd::{self, Final, Sent};

use super::*;

pub(super) fn configure(folder: &Path, bootstrap: &str, name: &str) {
    let more = format!("clock = \"record\"\ngroup = \"{name}\"\n\n[alerts]\ntopic = \"{name}-alerts\"\n");
    write_config(folder, name, bootstrap, name, &format!("lake-{name}"), &more);
}

/// Appends the records where a producer that knows `known` partitions puts them.
pub(super) fn send(bootstrap: &str, topic: &str, known: u32, records: &[Sent]) {
    let records: Vec<NewRecord<'_>> = records
        .iter()
        .map(|sent| NewRecord {
            key: Some(sent.employee_id.as_bytes()),
            value: Some(sent.value.as_bytes()),
            partition: Some(partition_of(sent.employee_id.as_bytes(), known)),
            ..NewRecord::default()
        })
        .collect();
    let log = open_log(bootstrap, topic);
    for records in records.chunks(500) {
        log.appender().append(topic, records).unwrap();
    }
}

pub(super) fn run_to(folder: &Path, name: &str, until: &str) {
    let args = ["run", "-c", &format!("{name}.toml"), "--json", "--until", until];
    let ran = Program::new().args(args).in_folder(folder).limit(LIMIT).run();
    assert_eq!(ran.code, Some(0), "{}", ran.told());
}

pub(super) fn finally(folder: &Path, bootstrap: &str, name: &str) -> Final {
    let log = open_log(bootstrap, name);
    let alerts = read_topic(&mut log.reader(&format!("{name}-alerts")).unwrap());
    crowd::finally(&LakeReader::open(&folder.join(format!("lake-{name}"))), &alerts)
}

fn repartition(folder: &Path, name: &str, more: &[&str]) -> Ran {
    let config = format!("{name}.toml");
    let args = [&["repartition", "-c", &config, "--json"], more].concat();
    Program::new().args(args).in_folder(folder).limit(LIMIT).run()
}

mod private_broker {
    use super::*;

    /// A processor is at work while the log is given more partitions: it is stopped with a named error, and what finally holds is
    /// what holds of a topic that had them from the start.
    #[test]
    fn a_topic_that_grows_under_a_processor_ends_as_one_that_was_born_so() {
        let broker = Broker::start(Settings::default());
        let bootstrap = broker.bootstrap();
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        write_world(folder, 1, now());
        crowd::write_reference(folder);
        let records = crowd::records(3);
        let (first, rest) = records.split_at(records.len() / 2);
        let (stale, fresh) = rest.split_at(records.len() / 5);
        make_punches(&bootstrap, "born", 5);
        configure(folder, &bootstrap, "born");
        send(&bootstrap, "born", 5, &records);
        run_to(folder, "born", &crowd::settled_at());

        make_punches(&bootstrap, "moved", 2);
        configure(folder, &bootstrap, "moved");
        send(&bootstrap, "moved", 2, first);
        let mut at_work = Running::start(folder, "at-work", &["run", "-c", "moved.toml", "--json"]);
        let begun = Instant::now();
        while open_log(&bootstrap, "moved").reader("moved-alerts").is_err() {
            assert!(at_work.is_alive() && begun.elapsed() < LIMIT, "{}", at_work.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        let ran = repartition(folder, "moved", &["--partitions", "5"]);
        assert_eq!(ran.code, Some(0), "{}", ran.told());
        let told: Value = serde_json::from_str(ran.last_line()).unwrap();
        assert_eq!((&told["from"], &told["to"]), (&json!(2), &json!(5)), "{told}");
        assert_eq!(at_work.await_end(LIMIT), Some(3), "{}", at_work.log());
        assert!(at_work.log().contains("muster repartition"), "{}", at_work.log());
        let again = repartition(folder, "moved", &["--partitions", "5"]);
        assert!(again.code == Some(0) && again.last_line().contains("\"is_new\":false"), "{}", again.told());
        let fewer = repartition(folder, "moved", &["--partitions", "3"]);
        assert_eq!(fewer.code, Some(2), "{}", fewer.told());

        send(&bootstrap, "moved", 2, stale);
        send(&bootstrap, "moved", 5, fresh);
        run_to(folder, "moved", &crowd::settled_at());
        let difference =
            finally(folder, &bootstrap, "born").difference(&finally(folder, &bootstrap, "moved"));
        assert_eq!(difference, None);
    }

    /// An operator has added partitions before: people whose punches are on a new one are not told absent by the clock of the
    /// old one, whose records go on behind the start.
    #[test]
    fn nobody_is_told_absent_who_has_come_on_a_new_partition() {
        let broker = Broker::start(Settings::default());
        let bootstrap = broker.bootstrap();
        let cluster = Cluster::at(&bootstrap);
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        make_punches(&bootstrap, PUNCHES, 1);
        let begun = Instant::now();
        let start = now() + jiff::SignedDuration::from_secs(25);
        write_world(folder, 9, start);
        let policy = std::fs::read_to_string(folder.join("policies.toml")).unwrap();
        let policy = policy.replace("no_show_after_min = 1", "no_show_after_min = 0");
        std::fs::write(folder.join("policies.toml"), policy).unwrap();
        write_config(folder, "m", &bootstrap, PUNCHES, "lake", "");
        let log = open_log(&bootstrap, PUNCHES);
        append(&log, PUNCHES, &[punch(&employee(0), "first", now())]);
        assert_eq!(run_until(folder, "m").code, Some(0));
        cluster.add_partitions(PUNCHES, 3);
        let log = open_log(&bootstrap, PUNCHES);
        let come: Vec<Value> = (0..8).map(|n| punch(&employee(n), &format!("in-{n}"), now())).collect();
        append(&log, PUNCHES, &come);
        while Timestamp::now() < start + jiff::SignedDuration::from_secs(1) {
            assert!(begun.elapsed() < LIMIT);
            std::thread::sleep(Duration::from_millis(100));
        }
        // Somebody whose producer still knows one partition, after the start.
        let late = punch(&employee(0), "again", now()).to_string();
        let somebody = employee(0);
        let record = NewRecord {
            key: Some(somebody.as_bytes()),
            value: Some(late.as_bytes()),
            partition: Some(model::Partition::new(0)),
            ..NewRecord::default()
        };
        log.appender().append(PUNCHES, &[record]).unwrap();
        let refused = run_until(folder, "m");
        assert_stopped(&refused, &["that of punches 3", "muster repartition"]);
        let moved = repartition(folder, "m", &[]);
        assert_eq!(moved.code, Some(0), "{}", moved.told());
        assert_eq!(log.create_topic("alerts", TopicUse::LastSaid).unwrap().identity.partitions, 3);
        assert!(!alerts(&log).contains_key("no_show"), "{:?}", alerts(&log));
        run_to(folder, "m", &(start + jiff::SignedDuration::from_secs(2)).to_string());
        let told = alerts(&log);
        let absent: Vec<&String> = told["no_show"].values().map(|(_, about)| about).collect();
        assert_eq!(absent, [&employee(8)], "{told:?}");
        assert_eq!(log.reader("alerts").unwrap().identity().partitions, 3);
    }
}
