//! Question: do the processes of one group share a topic evenly, and what does a record cost when they are one, two or four?
//!
//! A topic of eight partitions for each run, and N `muster run` processes in one group over one empty lake. Once each has its
//! partitions (so that reading reference data is behind them), a generated week is appended as fast as it goes (seed 7; about
//! 300,000 punches, `MUSTER_BENCH_PUNCHES` asks for others), and the processor time of each process is taken until the group has
//! told that the week is in the lake. In turns; then once more with the lake in a loopback S3 server, which counts requests. Broker,
//! producer and processes share one machine: judge by processor time a record; records a second are of what is left of the cores.
//!
//! Prints one line of JSON: of each run who had how many partitions, what each used, commits, and requests by method.

#![allow(clippy::print_stdout, reason = "a benchmark's answer is what it prints")]

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use s3_server::{ACCESS_KEY, BUCKET, S3Server, SECRET_KEY};
use serde_json::{Value, json};
use whole::child::{Running, Task, run_if_asked};
use whole::group::Group;
use whole::topic::{PARTITIONS, Topic};
use whole::{Broker, Chain, is_tiny};

/// The program's own allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Records at the end of a partition that may wait for later ones to decide whether their times are believed (`clock = "record"`).
const HELD_MAX: u64 = 17;

/// How often the group is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long any one thing may take.
const LIMIT: Duration = Duration::from_secs(600);

/// What the S3 server wants to see.
const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", SECRET_KEY)];

/// What all runs have in common.
struct Setting<'a> {
    broker: &'a Broker,
    chain: &'a Chain,
    folder: &'a Path,
}

fn main() -> ExitCode {
    if let Some(code) = run_if_asked() {
        return code;
    }
    let (punches, rounds, counts) =
        if is_tiny() { (2_000, 1, &[1, 2][..]) } else { (300_000, 3, &[1, 2, 4][..]) };
    let asked = std::env::var("MUSTER_BENCH_PUNCHES").ok();
    let punches = asked.map_or(punches, |text| text.parse().expect("MUSTER_BENCH_PUNCHES is a number"));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let chain = Chain::write(folder.path(), punches);
    let broker = Broker::find();
    let setting = Setting { broker: &broker, chain: &chain, folder: folder.path() };
    let mut runs = Vec::new();
    for round in 0..rounds {
        for processes in counts {
            runs.push(setting.run(&format!("folder-{round}-{processes}"), *processes, None));
        }
    }
    let server = S3Server::start();
    for processes in counts {
        runs.push(setting.run(&format!("s3-{processes}"), *processes, Some(&server)));
    }
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!("{}", json!({ "people": chain.people, "cores": cores, "runs": runs }));
    ExitCode::SUCCESS
}

impl Setting<'_> {
    /// One week through `processes` processes, into a folder or a server.
    fn run(&self, name: &str, processes: usize, server: Option<&S3Server>) -> Value {
        let topic = Topic::make(&self.broker.address, name);
        let config = self.configure(name, &topic, server);
        let task = Task::Run { config: &config, until: None };
        let mut running: Vec<Running> = (0..processes).map(|_| Running::start_with(task, &KEYS)).collect();
        let group = Group::of(&topic, &topic.name);
        let mut held = Vec::new();
        await_that("each has its partitions", &mut running, || {
            held = group.held();
            held.len() == processes && held.iter().sum::<usize>() == PARTITIONS as usize
        });
        let cpu = |of: &[Running]| -> Vec<f64> {
            of.iter().map(|one| one.usage().map_or(0.0, |used| used.cpu_s)).collect()
        };
        let (before, begun) = (cpu(&running), Instant::now());
        let (commits, asked) = (self.commits(name, server), requests(server));
        let appended = topic.fill(self.chain);
        let mut taken = 0;
        await_that("the week is in the lake", &mut running, || {
            taken = group.taken();
            taken + u64::from(PARTITIONS) * HELD_MAX >= appended
        });
        let wall_s = begun.elapsed().as_secs_f64();
        let used: Vec<f64> =
            cpu(&running).iter().zip(&before).map(|(after, before)| after - before).collect();
        let commits = self.commits(name, server) - commits;
        let asked: Vec<_> = requests(server)
            .iter()
            .zip(asked)
            .map(|((method, after), (_, before))| (*method, after - before))
            .collect();
        running.into_iter().for_each(Running::end);
        let (records, cpu_s) = (taken as f64, used.iter().sum::<f64>());
        eprintln!("scale: {name}: {taken} records in {wall_s:.1} s");
        json!({
            "lake": if server.is_some() { "s3" } else { "folder" },
            "processes": processes,
            "partitions": held,
            "records": taken,
            "records_per_s": (records / wall_s).round(),
            "cpu_us_per_record": round(cpu_s / records * 1e6),
            "cpu_s_of_each": used.iter().map(|used| round(*used)).collect::<Vec<_>>(),
            "commits": commits,
            "requests": asked.iter().map(|(method, count)| ((*method).to_owned(), json!(count))).collect::<serde_json::Map<_, _>>(),
        })
    }

    fn configure(&self, name: &str, topic: &Topic, server: Option<&S3Server>) -> std::path::PathBuf {
        let plain = std::fs::read_to_string(&self.chain.config).expect("the chain's configuration");
        let lake = match server {
            None => format!("url = \"{name}\""),
            Some(server) => format!(
                "url = \"s3://{BUCKET}/{name}\"\nbeside = \"{name}\"\ns3 = {{ endpoint = \"{}\" }}",
                server.endpoint()
            ),
        };
        let text = format!(
            "{plain}\n[lake]\n{lake}\n\n[alerts]\ntopic = \"{topic}-alerts\"\n\n[source]\nkind = \"kafka\"\n\
             brokers = \"{brokers}\"\ntopic = \"{topic}\"\ngroup = \"{topic}\"\nclock = \"record\"\n",
            topic = topic.name,
            brokers = topic.brokers,
        );
        let config = self.folder.join(format!("{name}.toml"));
        std::fs::write(&config, text).expect("the disk takes the configuration");
        config
    }

    /// Entries of the log of `punches`: claims, and commits.
    fn commits(&self, name: &str, server: Option<&S3Server>) -> usize {
        let log = "punches/_delta_log";
        match server {
            Some(server) => {
                server.keys(&format!("{name}/{log}/")).iter().filter(|key| key.ends_with(".json")).count()
            }
            None => std::fs::read_dir(self.folder.join(name).join(log)).map_or(0, |files| {
                files
                    .flatten()
                    .filter(|file| file.path().extension().is_some_and(|end| end == "json"))
                    .count()
            }),
        }
    }
}

/// How often a server was asked in each way.
fn requests(server: Option<&S3Server>) -> Vec<(&'static str, u64)> {
    let methods = ["PUT", "GET", "HEAD", "POST", "DELETE"];
    server.map_or(Vec::new(), |server| methods.map(|method| (method, server.asked(method))).to_vec())
}

/// Looks until it holds.
fn await_that(what: &str, running: &mut [Running], mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(running.iter_mut().all(|one| one.ended().is_none()), "{what}: a process ended by itself");
        assert!(begun.elapsed() < LIMIT, "{what}: not within {LIMIT:?}");
        std::thread::sleep(LOOK_EVERY);
    }
}

fn round(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}
