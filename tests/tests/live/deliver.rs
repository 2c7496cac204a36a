//! A live processor that tells people: what its metrics say, what the lake holds of it, a destination that goes off and on
//! again, and the terminal that looks at it.

use std::process::{Command, Stdio};

use rustix::termios::{LocalModes, tcgetattr};
use tests::broker::{Signal, signal};
use tests::lake_reader::deliveries;
use tests::program;
use tests::webhook::Webhook;

use super::*;

/// What the dashboard and the rules show and a run in good order must have moved: name, and a text among its labels.
const MOVED: [(&str, &str); 25] = [
    ("muster_records_total", ""),
    ("muster_dead_letters_total", ""),
    ("muster_punch_duration_seconds_count", ""),
    ("muster_commit_duration_seconds_count", ""),
    ("muster_alert_publish_duration_seconds_count", ""),
    ("muster_append_to_publish_seconds_count", ""),
    ("muster_append_to_publish_seconds_sum", ""),
    ("muster_lake_rows_total", "\"punches\""),
    ("muster_lake_rows_total", "\"punch_evidence\""),
    ("muster_lake_rows_total", "\"rejects\""),
    ("muster_lake_rows_total", "\"shift_results\""),
    ("muster_lake_rows_total", "\"anomalies\""),
    ("muster_lake_rows_total", "\"alert_deliveries\""),
    ("muster_lake_rows_total", "\"snapshots\""),
    ("muster_lake_rows_total", "\"sites\""),
    ("muster_lake_rows_total", "\"people\""),
    ("muster_lake_rows_total", "\"shifts\""),
    ("muster_budget_bytes", "\"source\""),
    ("muster_budget_bytes_limit", "\"source\""),
    ("muster_partition_buffered_records", ""),
    ("muster_partition_buffered_bytes", ""),
    ("muster_reference_swaps_total", "\"accepted\""),
    ("muster_reference_swaps_total", "\"refused\""),
    ("muster_deliverer_lag_records", ""),
    ("muster_deliveries_total", "\"delivered\""),
];

const PEOPLE: usize = 12;

/// One processor with a desk to tell, and what it works with.
struct Scene {
    _broker: Broker,
    folder: tempfile::TempDir,
    log: KafkaLog,
    webhook: Webhook,
    running: Running,
    url: String,
}

impl Scene {
    /// Everybody's shift began half an hour ago: whoever punches now is late.
    fn start() -> Self {
        let broker = Broker::start(Settings::default());
        let folder = tempfile::tempdir().unwrap();
        write_world(folder.path(), PEOPLE, now() - jiff::SignedDuration::from_mins(30));
        make_punches(&broker.bootstrap(), PUNCHES, 3);
        let log = open_log(&broker.bootstrap(), PUNCHES);
        let webhook = Webhook::start(1, false);
        let more = format!(
            "\n[serve]\naddress = \"127.0.0.1:0\"\n\n[rules]\n\n[alerts]\ndeliver = true\n\n[[alerts.destinations]]\n\
             name = \"desk\"\nurl = \"{}\"\nregion = \"hk\"\n\
             secrets = [\"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqr\"]\ngroup_wait = \"1 s\"\n\
             group_interval = \"1 s\"\nrate_per_minute = 600\nallow_private = [\"127.0.0.1\"]\n",
            webhook.url()
        );
        write_config(folder.path(), "m", &broker.bootstrap(), PUNCHES, "lake", &more);
        let mut running = Running::start(folder.path(), "run", &["run", "-c", "m.toml", "--json"]);
        let url = running.await_said("serving ", LIMIT);
        Self { _broker: broker, folder, log, webhook, running, url }
    }

    fn metrics(&self) -> String {
        let (status, metrics) = http(&self.url, "GET", "/metrics", "");
        assert_eq!(status, 200, "{metrics}");
        metrics
    }

    fn muster(&self, args: &[&str]) -> String {
        let ran = Program::new().args(args).in_folder(self.folder.path()).limit(LIMIT).run();
        assert_eq!(ran.code, Some(0), "{}", ran.told());
        ran.stdout
    }

    /// Waits until `holds`.
    fn await_that(&mut self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let begun = Instant::now();
        while !holds(self) {
            assert!(self.running.is_alive(), "{}", self.running.log());
            assert!(begun.elapsed() < LIMIT, "{what}: not within {LIMIT:?}\n{}", self.running.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// One person comes, late.
    fn come_late(&self, n: usize) {
        append(&self.log, PUNCHES, &[punch(&employee(n), &format!("late-{n}"), now())]);
    }

    /// Of whom the desk has heard that they are late.
    fn heard_of(&self) -> BTreeSet<String> {
        let alerts = |body: &Value| body["alerts"].as_array().unwrap().clone();
        let told = self.webhook.accepted().into_iter().flat_map(|message| alerts(&message.body));
        let late = told.filter(|alert| alert["kind"] == "late");
        late.filter_map(|alert| alert["employee_id"].as_str().map(str::to_owned)).collect()
    }

    /// Each metric is seen above 0, while punches come and what has to happen for it happens.
    fn see_every_metric_move(&mut self) {
        let outbox = rusqlite::Connection::open(self.folder.path().join("deliveries.sqlite")).unwrap();
        let sites = std::fs::read_to_string(self.folder.path().join("sites.geojson")).unwrap();
        let write = |text: &str| std::fs::write(self.folder.path().join("sites.geojson"), text).unwrap();
        append(&self.log, PUNCHES, &[json!({"employee_id": "e-00", "kind": "sideways"})]);
        let mut unseen: BTreeSet<(&str, &str)> = MOVED.into();
        let (begun, mut round, mut is_held) = (Instant::now(), 0, false);
        while !unseen.is_empty() {
            let many = (0..120).map(|n| punch(&employee(n % PEOPLE / 2), &format!("m-{round}-{n}"), now()));
            // Read ahead, and read and not committed: that is seen only while much comes.
            if unseen.iter().any(|(name, _)| name.contains("bytes") || name.contains("buffered")) {
                append(&self.log, PUNCHES, &many.collect::<Vec<_>>());
            }
            let metrics = self.metrics();
            let is_above_0 = |(name, label): &(&str, &str)| {
                let mut values = metrics
                    .lines()
                    .filter_map(|line| line.rsplit_once(' '))
                    .filter(|(of, _)| of.split('{').next() == Some(name) && of.contains(label));
                values.any(|(_, value)| value.parse::<f64>().is_ok_and(|value| value > 0.0))
            };
            unseen.retain(|metric| !is_above_0(metric));
            // Where nothing can be stored, alerts stay on their topic; and what is told before is in the lake by then.
            let is_due = unseen.contains(&("muster_deliverer_lag_records", ""))
                && !unseen.contains(&("muster_lake_rows_total", "\"alert_deliveries\""));
            if is_due != is_held {
                outbox.execute_batch(if is_due { "BEGIN IMMEDIATE" } else { "ROLLBACK" }).unwrap();
                is_held = is_due;
                self.come_late(PEOPLE / 2);
            }
            match round {
                0 => write(&sites.replace("\"store\"", "\"Mong Kok\"")),
                _ if !unseen.contains(&("muster_reference_swaps_total", "\"accepted\"")) => {
                    write("[no sites")
                }
                _ => {}
            }
            round += 1;
            assert!(begun.elapsed() < LIMIT, "{unseen:?} stay at 0:\n{metrics}\n{}", self.running.log());
            std::thread::sleep(Duration::from_millis(30));
        }
        println!("every metric has moved within {:.1} s", begun.elapsed().as_secs_f64());
        let lag = |scene: &Self| scene.metrics().lines().any(|line| line == "muster_deliverer_lag_records 0");
        self.await_that("the deliverer reads on", lag);
    }

    /// 410 switches a destination off; an operator switches it on again while the processor runs.
    fn switch_off_and_on(&mut self) {
        assert_eq!(self.muster(&["destinations", "list", "-c", "m.toml"]), "desk  on\n");
        self.webhook.answer_all(Some(410));
        self.come_late(PEOPLE - 1);
        let off = |scene: &Self| {
            scene.muster(&["destinations", "list", "-c", "m.toml"]).contains("desk  off since ")
                && http(&scene.url, "GET", "/readyz", "").0 == 503
        };
        self.await_that("the desk is switched off", off);
        self.webhook.answer_all(None);
        let said = self.muster(&["destinations", "enable", "desk", "-c", "m.toml"]);
        assert!(said.contains("switched on"), "{said}");
        self.await_that("the desk hears what it refused", |scene| {
            scene.heard_of().contains(&employee(PEOPLE - 1))
        });
        assert_eq!(self.muster(&["destinations", "list", "-c", "m.toml"]), "desk  on\n");
        let said = self.muster(&["destinations", "enable", "desk", "-c", "m.toml"]);
        assert!(said.contains("on already"), "{said}");
        let ran = Program::new()
            .args(["destinations", "enable", "nobody", "-c", "m.toml"])
            .in_folder(self.folder.path())
            .limit(LIMIT)
            .run();
        assert_eq!(ran.code, Some(2), "{}", ran.told());
        assert!(ran.said().contains("it has: desk"), "{}", ran.told());
    }

    /// `muster top` takes the terminal, and gives it back as it was when it is told to end.
    fn look_from_a_terminal(&self) {
        let master =
            rustix::pty::openpt(rustix::pty::OpenptFlags::RDWR | rustix::pty::OpenptFlags::NOCTTY).unwrap();
        rustix::pty::grantpt(&master).unwrap();
        rustix::pty::unlockpt(&master).unwrap();
        let name = rustix::pty::ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let terminal = std::fs::File::options().read(true).write(true).open(name).unwrap();
        let is_raw =
            || !tcgetattr(&terminal).unwrap().local_modes.contains(LocalModes::ICANON | LocalModes::ECHO);
        assert!(!is_raw());
        // What it draws is read, or it would wait.
        let mut screen = std::fs::File::from(master);
        let reader = std::thread::spawn(move || {
            let mut drawn = Vec::new();
            // The end of a terminal is an error.
            let _ = std::io::Read::read_to_end(&mut screen, &mut drawn);
            String::from_utf8_lossy(&drawn).into_owned()
        });
        let end = || Stdio::from(terminal.try_clone().unwrap());
        let mut command = Command::new(program::path());
        command.args(["top", &self.url]).stdin(end()).stdout(end()).stderr(end()).env("TERM", "xterm");
        let mut top = command.spawn().unwrap();
        drop(command);
        let begun = Instant::now();
        while !is_raw() {
            assert!(top.try_wait().unwrap().is_none() && begun.elapsed() < LIMIT, "it never read a key");
            std::thread::sleep(Duration::from_millis(20));
        }
        signal(top.id(), Signal::Terminate);
        assert!(top.wait().unwrap().success());
        assert!(!is_raw(), "the terminal stays raw");
        drop(terminal);
        let drawn = reader.join().unwrap();
        assert!(drawn.contains("\x1b[?1049h") && drawn.ends_with("\x1b[?1049l"), "{drawn:?}");
    }
}

/// Whatever the dashboard and the rules ask for is there.
fn check_dashboard(metrics: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docker");
    let shown: BTreeSet<&str> = metrics.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    for file in ["grafana/dashboards/muster.json", "prometheus/alerts.yml"] {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let asked: BTreeSet<&str> = words.filter(|word| word.starts_with("muster_")).collect();
        assert!(asked.len() > 5, "{file}: {asked:?}");
        let missing: Vec<_> = asked.difference(&shown).collect();
        assert!(missing.is_empty(), "{file} asks for {missing:?}");
    }
}

mod private_broker {
    use super::*;

    #[test]
    fn what_is_told_is_counted_kept_and_can_be_switched_on_again() {
        let mut scene = Scene::start();
        scene.see_every_metric_move();
        check_dashboard(&scene.metrics());
        scene.switch_off_and_on();
        scene.look_from_a_terminal();
        scene.running.terminate();
        let code = scene.running.await_end(LIMIT);
        // Rejects were among what it read.
        assert_eq!(code, Some(1), "{}", scene.running.log());

        let lake = LakeReader::open(&scene.folder.path().join("lake"));
        let mut told: Vec<(String, String, i64)> = Vec::new();
        for message in scene.webhook.accepted() {
            for alert in message.body["alerts"].as_array().unwrap() {
                let id = alert["alert_id"].as_str().unwrap().to_owned();
                told.push((message.webhook_id.clone(), id, alert["version"].as_i64().unwrap()));
            }
        }
        let mut sent = deliveries(&lake, "status = 'sent' AND http_status = 200 AND destination = 'desk'");
        told.sort();
        sent.sort();
        assert!(told.len() > 2, "{told:?}");
        assert_eq!(sent, told, "what the desk took, each once");
        assert!(!deliveries(&lake, "status = 'gone' AND http_status = 410").is_empty());
        let anomalies = "(SELECT 1 FROM alert_deliveries d LEFT ANTI JOIN anomalies a \
                         ON d.anomaly_id = a.anomaly_id AND d.version = a.version)";
        assert_eq!(lake.count(anomalies), 0, "told, and no anomaly");
    }
}
