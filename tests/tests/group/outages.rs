//! What is outside goes away for longer than anything waits: a store that says nothing, a disk without room, a broker that is
//! gone, a dead-letter topic that takes nothing. The processor keeps what it has, within its budgets and in its group, says what
//! it waits for, and goes on by itself. Judged by the ledger.
//!
//! `MUSTER_OUTAGE_S` is how long each outage lasts (default: a little longer than every time limit of the configuration).

use std::collections::BTreeSet;

use s3_server::{ACCESS_KEY, BUCKET, S3Server, SECRET_KEY};
use tests::cluster::Cluster;
use tests::running::{Running, http};

use super::*;

/// Records in all: a processor's half of what comes during an outage is more than it may have in hand.
const RECORDS: usize = 5_500;

/// How long any one thing may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// Bytes that a processor here may have read and not stored.
const BUFFERED_BYTES_MAX: f64 = (1 << 20) as f64;

/// And what it may have under way beyond them: five batches, none larger than this.
const UNDER_WAY_BYTES_MAX: f64 = 5.0 * 150.0 * 2_000.0;

/// How much its memory may grow while it waits: the allocator's leavings, a client's queues. It reads nothing meanwhile.
const GROWTH_BYTES_MAX: u64 = 24 << 20;

/// The session, the poll interval and the store's patience with one request.
const TIMEOUT_S: u64 = 6;

const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", SECRET_KEY)];

/// How long an outage lasts: the group has given a dead member's partitions away, and would have put a member out of it that
/// does not poll.
fn outage_s() -> f64 {
    let told = std::env::var("MUSTER_OUTAGE_S").ok();
    told.map_or(2.5 * TIMEOUT_S as f64, |told| told.parse().expect("MUSTER_OUTAGE_S is a number of seconds"))
}

/// Brokers with the punches of an office to come, and a folder for processors.
pub(crate) struct Scene<B = Broker> {
    pub(crate) broker: B,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) log: KafkaLog,
    pub(crate) office: Office,
    pub(crate) origins: Vec<(u32, i64)>,
}

impl Scene {
    fn start(lake: &str) -> Self {
        let broker = Broker::start(Settings::default());
        let bootstrap = broker.bootstrap();
        Self::on(broker, &bootstrap, lake)
    }
}

impl<B> Scene<B> {
    /// On what answers at `bootstrap`.
    pub(crate) fn on(broker: B, bootstrap: &str, lake: &str) -> Self {
        let office = Office::new(seed(), true).first(RECORDS).padded(700);
        let folder = tempfile::tempdir().unwrap();
        office.write_reference(folder.path());
        make_punches(bootstrap, "punches", PARTITIONS);
        let mut options = KafkaOptions::new(bootstrap, "punches", "test");
        options.client_id = "test".into();
        let log = KafkaLog::open(options, muster::wall_clock()).unwrap();
        let text = format!(
            "[reference]\nsites = \"sites.geojson\"\npeople = \"people.ndjson\"\nshifts = \"shifts.ndjson\"\n\n\
             [source]\nkind = \"kafka\"\nbrokers = \"{bootstrap}\"\nclock = \"record\"\nsession_timeout = \"{TIMEOUT_S} s\"\n\
             poll_interval_max = \"{TIMEOUT_S} s\"\n\n[lake]\n{lake}\ncommit_every_ms = 200\n\n\
             [limits]\nbatch_records_max = 150\nbuffered_bytes_max = {BUFFERED_BYTES_MAX}\nthreads = 1\n\n\
             [serve]\naddress = \"127.0.0.1:0\"\n"
        );
        std::fs::write(folder.path().join("m.toml"), text).unwrap();
        Self { broker, folder, log, office, origins: Vec::new() }
    }

    /// Appends what is left of this share of all records.
    pub(crate) fn append(&mut self, share: f64) {
        self.append_while(share, |_| ());
    }

    /// As [`Scene::append`], while something is done to the brokers.
    pub(crate) fn append_while(&mut self, share: f64, act: impl FnOnce(&mut B)) {
        let until = (self.office.records.len() as f64 * share) as usize;
        let (records, log) = (&self.office.records[self.origins.len()..until], &self.log);
        let broker = &mut self.broker;
        let landed = std::thread::scope(|scope| {
            let produced = |records: &[tests::office::Record]| produce(&mut log.appender(), records);
            let appending = scope.spawn(move || records.chunks(500).flat_map(produced).collect::<Vec<_>>());
            act(broker);
            appending.join().unwrap()
        });
        self.origins.extend(landed);
    }

    /// Distinct punches among the records appended.
    pub(crate) fn punches(&self) -> f64 {
        let sent = &self.office.records[..self.origins.len()];
        sent.iter().filter(|record| record.what == What::Punch).count() as f64
    }

    pub(crate) fn check(&self, lake: &LakeReader) {
        check_ledger(lake, &topics_of(&self.log), &self.office, &self.origins);
    }
}

pub(crate) const RUN: [&str; 4] = ["run", "-c", "m.toml", "--json"];

/// A processor and its HTTP face.
pub(crate) struct Processor {
    pub(crate) running: Running,
    url: String,
}

impl Processor {
    pub(crate) fn of(mut running: Running) -> Self {
        let url = running.await_said("serving ", LIMIT);
        Self { running, url }
    }

    /// The sum of a metric's samples whose labels hold `label`.
    pub(crate) fn metric(&self, name: &str, label: &str) -> f64 {
        let (_, metrics) = http(&self.url, "GET", "/metrics", "");
        let samples = metrics.lines().filter_map(|line| line.rsplit_once(' '));
        let wanted = samples.filter(|(of, _)| of.split('{').next() == Some(name) && of.contains(label));
        wanted.map(|(_, value)| value.parse::<f64>().unwrap()).sum()
    }

    pub(crate) fn waits_s(&self, outside: &str) -> f64 {
        self.metric("muster_waiting_seconds", outside)
    }

    /// Rows of punches that it has put into the lake.
    pub(crate) fn stored(&self) -> f64 {
        self.metric("muster_lake_rows_total", "\"punches\"")
    }

    pub(crate) fn unready(&self) -> Option<String> {
        let (status, text) = http(&self.url, "GET", "/readyz", "");
        (status != 200).then_some(text)
    }

    pub(crate) fn await_that(&mut self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let begun = Instant::now();
        let limit = LIMIT + Duration::from_secs_f64(outage_s());
        while !holds(self) {
            assert!(self.running.is_alive(), "{what}: it ended\n{}", self.running.log());
            assert!(
                begun.elapsed() < limit,
                "{what}: not within {limit:?}\n{}\n{:?}",
                self.running.log(),
                self.unready()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// It is ready again, and everything appended is in the lake.
    pub(crate) fn await_stored(&mut self, punches: f64) {
        self.await_that("everything is stored", |it| it.stored() >= punches && it.unready().is_none());
    }

    pub(crate) fn end(mut self) -> String {
        self.running.terminate();
        let code = self.running.await_end(LIMIT);
        assert!(matches!(code, Some(0 | 1)), "{code:?}\n{}", self.running.log());
        self.running.log()
    }
}

/// Rows of `punches` behind the first broken record of their partition, of those appended behind the first `since`.
pub(crate) fn beyond_poison<B>(scene: &Scene<B>, since: usize) -> Vec<(u32, i64)> {
    let behind: BTreeSet<_> = scene.origins[since..].iter().collect();
    let mut broken = tests::oracles::broken_origins(&scene.office, &scene.origins);
    broken.retain(|origin| behind.contains(origin));
    assert!(!broken.is_empty(), "none of them is broken");
    let lake = LakeReader::open(&scene.folder.path().join("lake"));
    let of_partition = |partition: u32| {
        let first = broken.iter().find(|(of, _)| *of == partition).map_or(i64::MAX, |(_, offset)| *offset);
        let what = format!("punches WHERE partition = {partition} AND \"offset\" > {first}");
        (partition, lake.count(&what))
    };
    (0..PARTITIONS).map(of_partition).filter(|(_, rows)| *rows > 0).collect()
}

/// Tests that need a broker of their own to take away.
mod private_broker {
    use super::*;

    /// The store takes connections and answers nothing. While it does, the other member of the group dies, and its partitions
    /// come to the one that is left, which cannot claim them.
    #[test]
    fn a_store_that_says_nothing_costs_no_membership_no_memory_and_no_punch() {
        let server = S3Server::start();
        let place = format!("s3://{BUCKET}/chains/hk");
        let lake =
            format!("url = \"{place}\"\ns3 = {{ endpoint = \"{}\", timeout = \"1 s\" }}", server.endpoint());
        let mut scene = Scene::start(&lake);
        let folder = scene.folder.path().to_owned();
        let start = |name: &str| Processor::of(Running::start_with(&folder, name, &RUN, &KEYS));
        let (mut one, mut other) = (start("one"), start("other"));
        let held = |it: &Processor| it.metric("muster_assigned_partitions", "");
        one.await_that("both have partitions", |one| held(one) == 3.0 && held(&other) == 3.0);
        scene.append(0.3);
        let punches = scene.punches();
        one.await_that("the first are stored", |one| one.stored() + other.stored() >= punches);
        let revoked = one.metric("muster_rebalanced_partitions_total", "revoked");

        server.go_silent();
        scene.append(1.0);
        one.await_that("its budget is used up", |it| {
            let bytes = it.metric("muster_budget_bytes", "uncommitted");
            assert!(bytes < BUFFERED_BYTES_MAX + UNDER_WAY_BYTES_MAX, "{bytes}");
            bytes >= BUFFERED_BYTES_MAX && it.metric("muster_paused_partitions", "") == held(it)
        });
        let resident = one.running.resident_bytes();
        other.await_that("the other waits, too", |it| it.waits_s("lake") > 0.0);
        drop(other);
        one.await_that("the outage lasts", |it| it.waits_s("lake") >= outage_s());
        let unready = one.unready().expect("it is not ready");
        assert!(unready.contains("not ready: lake: waiting for it for "), "{unready}");
        assert!(http(&one.url, "GET", "/livez", "").0 == 200, "nobody shall restart it");
        let grown = one.running.resident_bytes().saturating_sub(resident);
        println!("resident {} MiB, grown by {} KiB while it waited", resident >> 20, grown >> 10);
        assert!(grown <= GROWTH_BYTES_MAX, "{grown} bytes more");
        let cluster = Cluster::at(&scene.broker.bootstrap());
        assert_eq!(cluster.members("muster"), 1, "it is in its group, and the dead one is not");

        server.calm();
        let (back, records) = (Instant::now(), scene.origins.len() as f64);
        one.await_that("it takes up what the other had", |it| held(it) == f64::from(PARTITIONS));
        one.await_that("nothing waits", |it| {
            it.unready().is_none()
                && it.metric("muster_lag_records", "") == 0.0
                && it.metric("muster_frontier_offset", "") == records
        });
        println!("caught up {:.1} s after the store came back", back.elapsed().as_secs_f64());
        assert_eq!(one.waits_s(""), 0.0);
        assert_eq!(
            one.metric("muster_rebalanced_partitions_total", "revoked"),
            revoked,
            "it was never put out"
        );
        let log = one.end();
        assert!(log.contains("trying again") && log.contains("the wait is over"), "{log}");
        assert!(!log.contains("joining anew") && !log.contains("MAXPOLL"), "{log}");
        let keys = lake::S3Keys { access_key: ACCESS_KEY.to_owned(), secret_key: SECRET_KEY.to_owned() };
        let s3 = lake::S3Options {
            endpoint: Some(server.endpoint()),
            keys: Some(keys),
            ..lake::S3Options::default()
        };
        let options = lake::LakeOptions { s3, ..lake::LakeOptions::default() };
        scene.check(&LakeReader::open_at(&place, options));
    }

    #[test]
    fn a_full_disk_and_then_a_broker_that_is_gone_are_waited_out() {
        let mut scene = Scene::start("url = \"lake\"");
        let running = Running::start_on_a_disk_that_fills(scene.folder.path(), "m", &RUN);
        let mut it = Processor::of(running);
        scene.append(0.2);
        it.await_stored(scene.punches());

        // Less than any commit of a thousand punches writes, more than what it says of it.
        it.running.fill_disk(Some(20 << 10));
        scene.append(0.6);
        it.await_that("the disk is full", |it| it.waits_s("lake") >= 1.0);
        let unready = it.unready().expect("it is not ready");
        assert!(unready.contains("not ready: lake: ") && unready.contains("the disk is full"), "{unready}");
        let (stored, resident) = (it.stored(), it.running.resident_bytes());
        it.await_that("it stays full", |it| it.waits_s("lake") >= outage_s() / 2.0);
        assert_eq!(it.stored(), stored);
        let grown = it.running.resident_bytes().saturating_sub(resident);
        assert!(grown <= GROWTH_BYTES_MAX, "{grown} bytes more");
        // Whoever reads meanwhile finds the lake whole.
        assert!(LakeReader::open(&scene.folder.path().join("lake")).count("punches") as f64 >= stored);
        it.running.fill_disk(None);
        it.await_stored(scene.punches());

        scene.broker.kill();
        it.await_that("the broker is missed", |it| it.waits_s("log") >= outage_s() / 2.0);
        let unready = it.unready().expect("it is not ready");
        assert!(unready.contains("not ready: log: waiting for it for "), "{unready}");
        scene.broker.restart();
        scene.append(0.8);
        it.await_stored(scene.punches());
        it.await_that("everything is read", |it| it.metric("muster_lag_records", "") == 0.0);
        it.end();

        // Started meanwhile, it waits as well; with a lake that was never filled from this log it tells at once.
        scene.broker.kill();
        let folder = scene.folder.path();
        let mut again = Running::start(folder, "again", &RUN);
        again.await_said("what is outside does not answer: trying again", LIMIT);
        let config = std::fs::read_to_string(folder.join("m.toml")).unwrap();
        std::fs::write(folder.join("new.toml"), config.replace("url = \"lake\"", "url = \"new\"")).unwrap();
        let mut new = Running::start(folder, "new", &["run", "-c", "new.toml", "--json"]);
        assert_eq!(new.await_end(LIMIT), Some(3), "{}", new.log());
        assert!(new.log().contains("see that the brokers run"), "{}", new.log());
        scene.broker.restart();
        let mut again = Processor::of(again);
        scene.append(1.0);
        again.await_that("everything is read", |it| {
            it.metric("muster_end_offset", "") == scene.origins.len() as f64
                && it.metric("muster_frontier_offset", "") == scene.origins.len() as f64
        });
        again.end();
        scene.check(&LakeReader::open(&scene.folder.path().join("lake")));
    }

    /// No topic, and nobody makes one: it stops before the first record whose letter it cannot write, and says so. The next start
    /// makes the topic, and no letter is lost.
    #[test]
    fn a_dead_letter_topic_that_is_gone_holds_the_frontier_before_the_poison() {
        let mut scene = Scene::start("url = \"lake\"");
        let mut it = Processor::of(Running::start(scene.folder.path(), "m", &RUN));
        it.await_that("it is ready", |it| it.unready().is_none());
        Cluster::at(&scene.broker.bootstrap()).delete_topic("punches.dlq");
        scene.append(1.0);
        assert_eq!(it.running.await_end(LIMIT), Some(3), "{}", it.running.log());
        assert!(it.running.log().contains("punches.dlq"), "{}", it.running.log());
        let beyond = beyond_poison(&scene, 0);
        assert!(beyond.is_empty(), "stored behind a letter that nobody has: {beyond:?}");

        let mut next = Processor::of(Running::start(scene.folder.path(), "next", &RUN));
        next.await_that("everything is read", |it| {
            it.metric("muster_end_offset", "") == scene.origins.len() as f64
                && it.metric("muster_frontier_offset", "") == scene.origins.len() as f64
        });
        next.end();
        scene.check(&LakeReader::open(&scene.folder.path().join("lake")));
    }
}
