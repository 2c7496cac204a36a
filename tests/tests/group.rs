//! A group of processors on a real Kafka, tormented: kill -9, stalls beyond the session timeout, a broker that goes and
//! comes back, processes that join and leave. Afterwards every promise holds.
//!
//! In: the office year through a broker, a printed seed.  Out: P1–P6 and P8, checked by the oracles.

// A test that cannot go on panics, and says on standard output what it ran on.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use model::position::partition_of;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use source::Append;
use source::kafka::{KafkaLog, KafkaOptions};
use tests::broker::{Broker, Settings};
use tests::lake_reader::LakeReader;
use tests::office::{Office, What};
use tests::oracles::{
    broken_origins, check_months, check_offsets, check_punches, check_versions, local_date, push_version,
};
use tests::program;
use tests::topic::{make_punches, read_topic};
use tests::webhook::Webhook;

const PARTITIONS: u32 = 6;
const FAULTS: usize = 30;
const UNTIL: &str = "2021-02-01T00:00:00+08:00";
/// The group gives a silent process's partitions away after this.
const SESSION: Duration = Duration::from_secs(4);
/// Messages on their way to one destination at once.
const IN_FLIGHT_MAX: usize = 4;
/// However it ends, it ends within this.
const CALM_MAX: Duration = Duration::from_secs(180);

fn seed() -> u64 {
    let seed = std::env::var("MUSTER_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_122);
    println!("MUSTER_SEED={seed}");
    seed
}

/// One `muster run` of the group.
struct Member {
    name: String,
    folder: PathBuf,
    child: Option<Child>,
}

impl Member {
    fn start(&mut self, more: &[&str]) {
        let log = std::fs::File::options().create(true).append(true).open(self.log()).unwrap();
        let config = format!("{}.toml", self.name);
        let mut command = Command::new(program::path());
        command.args(["run", "-c", &config, "--json"]).args(more).current_dir(&self.folder);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).env("NO_COLOR", "1");
        self.child = Some(command.spawn().unwrap());
    }

    fn log(&self) -> PathBuf {
        self.folder.join(format!("{}.log", self.name))
    }

    fn signal(&self, name: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success(), "kill {name} {id}");
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Asks it to end, and waits.
    fn end(&mut self) {
        self.signal("-TERM");
        self.wait(Duration::from_secs(60));
    }

    fn wait(&mut self, limit: Duration) {
        let begun = Instant::now();
        let Some(child) = &mut self.child else { return };
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            assert!(
                begun.elapsed() < limit,
                "{} did not end within {limit:?}:\n{}",
                self.name,
                tail(&self.log())
            );
            std::thread::sleep(Duration::from_millis(20));
        };
        // Asked to end before it had begun, it is ended by the signal itself.
        let is_ended = matches!(status.code(), Some(0 | 1)) || status.signal() == Some(15);
        assert!(is_ended, "{}: {status}\n{}", self.name, tail(&self.log()));
        self.child = None;
    }

    /// It must not have ended by itself.
    fn expect_alive(&mut self) {
        if let Some(child) = &mut self.child
            && let Some(status) = child.try_wait().unwrap()
        {
            panic!("{} ended by itself: {status}\n{}", self.name, tail(&self.log()));
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Nothing is left behind, whatever failed.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

fn config(broker: &str, instance: Option<&str>, webhook: Option<&str>) -> String {
    let instance = instance.map(|name| format!("instance = \"{name}\"\n")).unwrap_or_default();
    let deliver = webhook.map_or_else(String::new, |url| {
        format!(
            "[alerts]\ndeliver = true\n\n[[alerts.destinations]]\nname = \"desk\"\nurl = \"{url}\"\nregion = \"hk\"\nsecrets = [\"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqr\"]\n\
             group_wait = \"1 s\"\ngroup_interval = \"2 s\"\nrate_per_minute = 600\ntimeout = \"2 s\"\n\
             allow_private = [\"127.0.0.1\"]\n"
        )
    });
    format!(
        "[reference]\nsites = \"sites.geojson\"\npeople = \"people.ndjson\"\nshifts = \"shifts.ndjson\"\n\n\
         [source]\nkind = \"kafka\"\nbrokers = \"{broker}\"\ngroup = \"muster\"\nclock = \"record\"\n{instance}\
         session_timeout = \"{} s\"\n\n[lake]\nurl = \"lake\"\ncommit_every_ms = 100\n\n\
         [limits]\nbatch_records_max = 100\nthreads = 1\n\n{deliver}",
        SESSION.as_secs()
    )
}

/// One fault, and what it took.
fn torment(rng: &mut StdRng, broker: &mut Broker, members: &mut [Member]) -> &'static str {
    let alive: Vec<usize> = (0..members.len()).filter(|n| members[*n].child.is_some()).collect();
    let one = alive[rng.random_range(0..alive.len())];
    match rng.random_range(0..10) {
        0..=3 => {
            members[one].kill();
            std::thread::sleep(Duration::from_millis(rng.random_range(0..1_500)));
            members[one].start(&[]);
            "kill -9"
        }
        4..=5 => {
            members[one].signal("-STOP");
            std::thread::sleep(SESSION + Duration::from_millis(rng.random_range(500..2_500)));
            members[one].signal("-CONT");
            "stall beyond the session timeout"
        }
        6 => {
            broker.kill();
            std::thread::sleep(Duration::from_millis(rng.random_range(0..2_000)));
            broker.restart();
            "broker restart"
        }
        7..=8 if alive.len() > 2 => {
            members[one].end();
            "process removed"
        }
        _ => match members.iter_mut().find(|member| member.child.is_none()) {
            Some(absent) => {
                absent.start(&[]);
                "process added"
            }
            None => {
                members[one].kill();
                members[one].start(&[]);
                "kill -9, started at once"
            }
        },
    }
}

/// Tests that need a broker of their own to torment.
mod private_broker {
    use super::*;

    #[test]
    fn a_tormented_group_keeps_every_promise() {
        let seed = seed();
        let mut rng = StdRng::seed_from_u64(seed);
        let office = Office::new(seed, true);
        let folder = tempfile::tempdir().unwrap();
        office.write_reference(folder.path());
        let mut broker = Broker::start(Settings::default());
        let mut options = KafkaOptions::new(&broker.bootstrap(), "punches", "test");
        options.client_id = "test".into();
        make_punches(&broker.bootstrap(), "punches", PARTITIONS);
        let log = KafkaLog::open(options, muster::wall_clock()).unwrap();
        let mut appender = log.appender();
        let webhook = Webhook::start(seed, true);

        let mut members: Vec<Member> = ["a", "b", "c", "d"]
            .into_iter()
            .map(|name| Member { name: name.into(), folder: folder.path().to_owned(), child: None })
            .collect();
        for (n, member) in members.iter().enumerate() {
            // Two keep their names in the group, two are new at every start; one speaks to people.
            let instance = (n < 2).then_some(member.name.as_str());
            let url = webhook.url();
            let text = config(&broker.bootstrap(), instance, (n == 0).then_some(url.as_str()));
            std::fs::write(folder.path().join(format!("{}.toml", member.name)), text).unwrap();
        }
        members[..3].iter_mut().for_each(|member| member.start(&[]));

        let mut origins = Vec::new();
        let mut faults: BTreeMap<&str, usize> = BTreeMap::new();
        let parts = office.records.chunks(office.records.len().div_ceil(FAULTS + 1));
        for (n, records) in parts.enumerate() {
            origins.extend(produce(&mut appender, records));
            if n < FAULTS {
                std::thread::sleep(Duration::from_millis(rng.random_range(200..2_500)));
                let begun = Instant::now();
                let fault = torment(&mut rng, &mut broker, &mut members);
                println!("fault {n}: {fault}, {:.1} s", begun.elapsed().as_secs_f64());
                *faults.entry(fault).or_default() += 1;
                members.iter_mut().for_each(Member::expect_alive);
            }
        }
        println!("{faults:?}");
        assert_eq!(faults.values().sum::<usize>(), FAULTS);

        // P6: with the last fault over, whoever is left leaves in good order, and two take the log to its end.
        members.iter_mut().filter(|member| member.child.is_some()).for_each(Member::end);
        let begun = Instant::now();
        members[..2].iter_mut().for_each(|member| member.start(&["--until", UNTIL]));
        members[..2].iter_mut().for_each(|member| member.wait(CALM_MAX));
        println!("taken to the end in {:.1} s", begun.elapsed().as_secs_f64());

        let lake = LakeReader::open(&folder.path().join("lake"));
        check_punches(&lake, &office);
        check_offsets(&lake, &origins);
        check_letters(&log, &office, &origins);
        let fired = check_alerts(&log);
        check_versions(&lake.versions("anomalies", "anomaly_id"), "anomalies");
        check_versions(&lake.versions("shift_results", "shift_id"), "shift_results");
        check_months(&lake, &office, |employee_id| {
            let own = partition_of(employee_id.as_bytes(), PARTITIONS);
            let mine =
                office.records.iter().filter(|record| partition_of(record.key.as_bytes(), PARTITIONS) == own);
            mine.filter(|record| record.what == What::Punch).map(local_date).next().unwrap()
        });
        let sent = check_webhook(&webhook, &fired);
        check_deliveries(&lake, &sent);
    }
}

/// Appends the records; where each one landed.
fn produce(appender: &mut dyn Append, records: &[tests::office::Record]) -> Vec<(u32, i64)> {
    let new: Vec<_> = records.iter().map(tests::office::Record::to_append).collect();
    let landed = appender.append("punches", &new).unwrap();
    landed.into_iter().map(|(partition, offset)| (partition.number(), offset.get())).collect()
}

/// P3: every broken record by origin among the dead letters, and nothing else.
fn check_letters(log: &KafkaLog, office: &Office, origins: &[(u32, i64)]) {
    let mut letters = BTreeSet::new();
    let mut reader = log.reader("punches.dlq").unwrap();
    for record in read_topic(&mut reader) {
        let number = |name: &str| record.headers[name].parse::<i64>().unwrap();
        letters.insert((number("dlq.partition") as u32, number("dlq.offset")));
    }
    assert_eq!(
        letters,
        broken_origins(office, origins),
        "every broken record, by origin, among the dead letters"
    );
}

/// P4: behind the owners' markers every (id, version) once and without gap. Gives the alerts by id with their versions.
fn check_alerts(log: &KafkaLog) -> BTreeMap<String, Vec<i64>> {
    let (mut versions, mut owners) = (BTreeMap::new(), BTreeMap::<u32, i64>::new());
    let mut seen: BTreeMap<(String, String), String> = BTreeMap::new();
    let mut stale = 0;
    let mut reader = log.reader("alerts").unwrap();
    for record in read_topic(&mut reader) {
        let Ok(body) = serde_json::from_slice::<serde_json::Value>(&record.value) else { continue };
        let owner = owners.entry(record.partition).or_insert(i64::MIN);
        if record.key.starts_with("_owner/") {
            *owner = (*owner).max(body["generation"].as_i64().unwrap());
        } else if record.key.starts_with('_') {
            continue;
        } else if body["cause"]["generation"].as_i64().unwrap() < *owner {
            stale += 1;
        } else {
            push_version(&mut versions, &body);
            // A version that is there twice is told with where, and what made it.
            let place = format!("partition {}, offset {}: {body}", record.partition, record.offset);
            let version = (body["alert_id"].to_string(), body["version"].to_string());
            if let Some(before) = seen.insert(version, place.clone()) {
                println!("twice:\n{before}\n{place}");
            }
        }
    }
    println!("{} alerts, {stale} records of former owners that do not count", versions.len());
    check_versions(&versions, "alerts topic");
    versions
}

/// P4 at a destination: no version twice but under the same id, and none that was never said.
/// Gives every message that was accepted, with the versions in it.
fn check_webhook(webhook: &Webhook, fired: &BTreeMap<String, Vec<i64>>) -> Sent {
    let accepted = webhook.accepted();
    let mut sent: BTreeMap<(String, i64), BTreeSet<String>> = BTreeMap::new();
    for message in &accepted {
        for alert in message.body["alerts"].as_array().unwrap() {
            let id = alert["alert_id"].as_str().unwrap().to_owned();
            let version = alert["version"].as_i64().unwrap();
            assert!(
                fired.get(&id).is_some_and(|said| said.contains(&version)),
                "{id}/{version} was never said"
            );
            sent.entry((id, version)).or_default().insert(message.webhook_id.clone());
        }
    }
    let statuses = [200, 401, 429, 500, 0].map(|status| (status, webhook.answered(status)));
    println!(
        "webhook: {} messages with {} versions accepted, answers {statuses:?}",
        accepted.len(),
        sent.len()
    );
    assert!(!sent.is_empty(), "nothing was delivered");
    for (alert, ids) in &sent {
        assert_eq!(ids.len(), 1, "{alert:?} went out under several ids");
    }
    sent.into_iter().map(|((id, version), ids)| (ids.into_iter().next().unwrap(), id, version)).collect()
}

/// Message, alert, version.
type Sent = BTreeSet<(String, String, i64)>;

/// Every attempt is in the lake once; what its receiver answered with 200 was sent, but for answers that came too late or
/// whose process was killed before it could note them: those messages were sent again.
fn check_deliveries(lake: &LakeReader, accepted: &Sent) {
    let rows = lake.count("alert_deliveries");
    let distinct = "(SELECT DISTINCT outbox, attempt_id, anomaly_id, version FROM alert_deliveries)";
    assert_eq!(lake.count(distinct), rows, "a row of alert_deliveries is there twice");
    let sent = tests::lake_reader::deliveries(lake, "status = 'sent'");
    println!("alert_deliveries: {rows} rows, {} of them sent", sent.len());
    assert!(sent.len() > 10, "{} rows were sent", sent.len());
    let once: Sent = sent.iter().cloned().collect();
    assert_eq!(once.len(), sent.len(), "a version was told twice");
    let messages =
        |sent: &Sent| sent.iter().map(|(message, ..)| message.clone()).collect::<BTreeSet<String>>();
    let (noted, taken) = (messages(&once), messages(accepted));
    assert!(noted.is_subset(&taken), "{:?} were sent, and never accepted", noted.difference(&taken));
    // A body lists as many alerts as fit; the lake has all that its message is about.
    let is_noted = |(message, ..): &&(String, String, i64)| noted.contains(message);
    let unlisted: Vec<_> =
        accepted.iter().filter(is_noted).filter(|version| !once.contains(*version)).collect();
    assert!(unlisted.is_empty(), "{unlisted:?} were accepted, and are not in the lake");
    let tried: Sent = tests::lake_reader::deliveries(lake, "true").into_iter().collect();
    let untold: BTreeSet<&String> = accepted.difference(&tried).map(|(message, ..)| message).collect();
    // At most what was on its way when its process was killed the last time.
    assert!(untold.len() <= IN_FLIGHT_MAX, "{untold:?} were accepted and are not in the lake");
}
