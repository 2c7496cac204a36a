//! The processes of a group, and what is done to them.
//!
//! In: a folder with a configuration each, a broker, a receiver.  Out: faults, with what they are called.
//! Owns: the processes; they are killed when dropped.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rand::Rng;
use rand::rngs::StdRng;
use tests::broker::Broker;
use tests::program;
use tests::webhook::Webhook;

use super::SESSION;

/// One `muster run` of the group.
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    pub(crate) child: Option<Child>,
}

impl Member {
    pub(crate) fn start(&mut self, more: &[&str]) {
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

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success(), "kill {name} {id}");
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Asks it to end, and waits.
    pub(crate) fn end(&mut self) {
        self.signal("-TERM");
        self.wait(Duration::from_secs(60));
    }

    pub(crate) fn wait(&mut self, limit: Duration) {
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
    pub(crate) fn expect_alive(&mut self) {
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

pub(crate) fn config(broker: &str, instance: Option<&str>, webhook: Option<&str>) -> String {
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

/// What may be tormented.
pub(crate) struct World<'a> {
    pub(crate) broker: &'a mut Broker,
    pub(crate) members: &'a mut [Member],
    pub(crate) webhook: &'a Webhook,
}

impl World<'_> {
    /// One fault, and what it is called.
    pub(crate) fn torment(&mut self, rng: &mut StdRng) -> &'static str {
        let alive: Vec<usize> =
            (0..self.members.len()).filter(|n| self.members[*n].child.is_some()).collect();
        let one = alive[rng.random_range(0..alive.len())];
        match rng.random_range(0..13) {
            0..=3 => {
                self.members[one].kill();
                std::thread::sleep(Duration::from_millis(rng.random_range(0..1_500)));
                self.members[one].start(&[]);
                "kill -9"
            }
            4..=5 => {
                self.members[one].signal("-STOP");
                std::thread::sleep(SESSION + Duration::from_millis(rng.random_range(500..2_500)));
                self.members[one].signal("-CONT");
                "stall beyond the session timeout"
            }
            6 => {
                self.broker.kill();
                std::thread::sleep(Duration::from_millis(rng.random_range(0..2_000)));
                self.broker.restart();
                "broker killed and restarted"
            }
            7 => {
                self.broker.pause();
                std::thread::sleep(Duration::from_millis(rng.random_range(1_000..5_000)));
                self.broker.resume();
                "broker halted"
            }
            8 => {
                self.webhook.answer_all(Some(503));
                std::thread::sleep(Duration::from_millis(rng.random_range(500..3_000)));
                self.webhook.answer_all(None);
                "receiver of alerts down"
            }
            9 => {
                alive.iter().for_each(|n| self.members[*n].kill());
                std::thread::sleep(Duration::from_millis(rng.random_range(0..1_000)));
                alive.iter().for_each(|n| self.members[*n].start(&[]));
                "kill -9 of all"
            }
            10..=11 if alive.len() > 2 => {
                self.members[one].end();
                "process removed"
            }
            _ => match self.members.iter_mut().find(|member| member.child.is_none()) {
                Some(absent) => {
                    absent.start(&[]);
                    "process added"
                }
                None => {
                    self.members[one].kill();
                    self.members[one].start(&[]);
                    "kill -9, started at once"
                }
            },
        }
    }
}
