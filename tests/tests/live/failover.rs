//! A deliverer on another machine, with an outbox of its own, takes over from one that died, and that one comes back.

use std::collections::BTreeMap;

use tests::lake_reader::deliveries;
use tests::webhook::Webhook;

use super::*;

/// Two machines on one log and one lake, each of which may speak to the desk.
struct Machines {
    _broker: Broker,
    folder: tempfile::TempDir,
    log: KafkaLog,
    webhook: Webhook,
}

impl Machines {
    fn new(people: usize) -> Self {
        let broker = Broker::start(Settings::default());
        let folder = tempfile::tempdir().unwrap();
        write_world(folder.path(), people, now() - jiff::SignedDuration::from_mins(30));
        make_punches(&broker.bootstrap(), PUNCHES, 3);
        let log = open_log(&broker.bootstrap(), PUNCHES);
        let webhook = Webhook::start(1, false);
        for name in ["one", "other"] {
            let more = format!(
                "\n[alerts]\ndeliver = true\noutbox = \"{name}.sqlite\"\n\n\
                 [[alerts.destinations]]\nname = \"desk\"\nurl = \"{}\"\nregion = \"hk\"\n\
                 secrets = [\"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqr\"]\ngroup_wait = \"1 s\"\n\
                 group_interval = \"1 s\"\nrate_per_minute = 600\nallow_private = [\"127.0.0.1\"]\n",
                webhook.url()
            );
            write_config(folder.path(), name, &broker.bootstrap(), PUNCHES, "lake", &more);
        }
        Self { _broker: broker, folder, log, webhook }
    }

    fn start(&self, name: &str) -> Running {
        Running::start(self.folder.path(), name, &["run", "-c", &format!("{name}.toml"), "--json"])
    }

    /// How often the desk took each version of each alert.
    fn taken(&self) -> BTreeMap<(String, i64), usize> {
        let mut taken = BTreeMap::new();
        for message in self.webhook.accepted() {
            for alert in message.body["alerts"].as_array().unwrap() {
                let id = alert["alert_id"].as_str().unwrap().to_owned();
                *taken.entry((id, alert["version"].as_i64().unwrap())).or_default() += 1;
            }
        }
        taken
    }

    /// These people come late, and the desk hears of each.
    fn come_late(&self, running: &mut Running, people: std::ops::Range<usize>) {
        let late: Vec<Value> =
            people.clone().map(|n| punch(&employee(n), &format!("late-{n}"), now())).collect();
        append(&self.log, PUNCHES, &late);
        self.await_that(running, "the desk hears of them", |it| {
            let told = it.webhook.accepted();
            let told = told.iter().flat_map(|message| message.body["alerts"].as_array().unwrap());
            let late: BTreeSet<&str> = told
                .filter(|alert| alert["kind"] == "late")
                .filter_map(|alert| alert["employee_id"].as_str())
                .collect();
            people.clone().all(|n| late.contains(employee(n).as_str()))
        });
    }

    /// The lake knows of everything that the desk took.
    fn await_moved(&self, running: &mut Running) {
        self.await_that(running, "what was told is in the lake", |it| {
            let lake = LakeReader::open(&it.folder.path().join("lake"));
            let sent: BTreeSet<(String, i64)> = deliveries(&lake, "status = 'sent'")
                .into_iter()
                .map(|(_, id, version)| (id, version))
                .collect();
            it.taken().keys().all(|version| sent.contains(version))
        });
    }

    fn await_that(&self, running: &mut Running, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let begun = Instant::now();
        while !holds(self) {
            assert!(running.is_alive() && begun.elapsed() < LIMIT, "{what}: not yet\n{}", running.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

mod private_broker {
    use super::*;

    /// P4 over two outboxes: what the lake knows as told is told by nobody again.
    #[test]
    fn a_deliverer_on_another_machine_begins_behind_what_was_told() {
        let machines = Machines::new(7);
        let mut one = machines.start("one");
        machines.come_late(&mut one, 0..4);
        machines.await_moved(&mut one);
        drop(one);

        let mut other = machines.start("other");
        machines.come_late(&mut other, 4..6);
        other.terminate();
        assert_eq!(other.await_end(LIMIT), Some(0), "{}", other.log());

        let mut one = machines.start("one");
        machines.come_late(&mut one, 6..7);
        one.terminate();
        assert_eq!(one.await_end(LIMIT), Some(0), "{}", one.log());
        let taken = machines.taken();
        assert!(taken.len() >= 7 && taken.values().all(|times| *times == 1), "{taken:?}");
    }
}
