//! Question: how long after the broker took a punch can its alert be read from the topic of alerts, at 5,000 and at 50,000
//! punches a second, and how long does an alert wait while partitions change hands?
//!
//! Everybody punches once, one in fifty far from every store (`outside`); `clock = "append"`, eight partitions, a real
//! broker on the same machine, the producer and the reader of the alerts in this process. Each rate has a topic, a lake and
//! a `muster run` of its own. Then, at 5,000 a second: a second process joins, ends in good order (SIGTERM), a third joins
//! and is killed (SIGKILL; `session_timeout` = 6 s). The longest wait of any alert in each part is the pause of that change.
//!
//! Prints one line of JSON. `-- rates` and `-- pauses` do one half of it.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark's answer is what it prints")]

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};
use whole::child::{Running, Task, run_if_asked};
use whole::live::{Alerts, LiveChain, Told, percentiles, slow_seconds, wall_us};
use whole::topic::{PARTITIONS, Topic};
use whole::{Broker, is_tiny};

/// The program's own allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long a process may take to be ready: reading the reference data of all people is most of it.
const READY_WITHIN: Duration = Duration::from_secs(180);

/// An alert that takes longer is told with the second in which it was.
const SLOW: Duration = Duration::from_millis(25);

/// The first seconds of a new lake are told apart: its tables are made, and everybody's timers.
const FIRST_MS: u64 = 3_000;

/// How long the last alerts may take.
const SETTLE_WITHIN: Duration = Duration::from_secs(120);

fn main() -> ExitCode {
    if let Some(code) = run_if_asked() {
        return code;
    }
    let loads: &[(u32, f64)] = if is_tiny() {
        &[(400, 500.0)]
    } else {
        &[(150_000, 5_000.0), (300_000, 20_000.0), (600_000, 50_000.0)]
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = Broker::find();
    let most = loads.iter().map(|(count, _)| *count).max().unwrap_or(0);
    let chain = LiveChain::write(folder.path(), most);
    // Each told as it comes: the whole takes minutes.
    let told = |part: Value| {
        eprintln!("{part}");
        part
    };
    let rate = |(count, rate): &(u32, f64)| told(at_rate(&chain, folder.path(), &broker, *count, *rate));
    let halves: Vec<String> =
        std::env::args().filter(|word| ["rates", "pauses"].contains(&&**word)).collect();
    let is_wanted = |half: &str| halves.is_empty() || halves.iter().any(|wanted| wanted == half);
    let rates: Vec<Value> = loads.iter().filter(|_| is_wanted("rates")).map(rate).collect();
    let pauses = is_wanted("pauses").then(|| told(pauses(folder.path(), &broker)));
    println!("{}", json!({ "people": most, "rates": rates, "pauses": pauses }));
    ExitCode::SUCCESS
}

/// One rate, one process.
fn at_rate(chain: &LiveChain, folder: &Path, broker: &Broker, count: u32, rate: f64) -> Value {
    let topic = Topic::make(&broker.address, "rate");
    let config = chain.config(folder, &topic.name, &topic, &format!("lake-{}", topic.name));
    let processor = Running::start(Task::Run { config: &config, until: None });
    let alerts = Alerts::watch(&topic);
    alerts.await_owners(PARTITIONS as usize, READY_WITHIN);
    let before = processor.usage();
    let offered = chain.offer(&topic, count, rate, |_| {});
    let expected = chain.outside(count);
    let behind = expected - alerts.await_alerts(expected, Duration::ZERO);
    let came = alerts.await_alerts(expected, SETTLE_WITHIN);
    let used = processor.usage();
    processor.end();
    let told = alerts.finish(&topic, u64::from(count));
    let begun_ms = told.iter().map(|one| one.appended_ms).min().unwrap_or(0);
    let is_first = |one: &&Told| one.appended_ms < begun_ms + FIRST_MS;
    let first = told.iter().filter(is_first).copied();
    let rest = told.iter().filter(|one| !is_first(one)).copied();
    let cpu_s = used.zip(before).map_or(0.0, |(used, before)| used.cpu_s - before.cpu_s);
    json!({
        "asked_per_s": rate,
        "offered_per_s": offered.round(),
        "alerts_missing": expected - came,
        "alerts_behind_at_the_end_of_the_load": behind,
        "slow_seconds": slow_seconds(&told, SLOW),
        "latency_first_3_s": percentiles(first),
        "latency": percentiles(rest),
        "cpu_us_per_punch": (cpu_s / f64::from(count) * 1e8).round() / 100.0,
        "peak_rss_mib": used.map(|used| used.peak_rss_bytes >> 20),
    })
}

/// What partitions that change hands cost: the longest wait of an alert in each part of the load.
fn pauses(folder: &Path, broker: &Broker) -> Value {
    let (rate, part_s) = if is_tiny() { (100.0, 2) } else { (5_000.0, 15) };
    let seconds = |parts: u64| Duration::from_secs(parts * part_s);
    let count = (rate * seconds(5).as_secs_f64()) as u32;
    let folder = folder.join("group");
    std::fs::create_dir(&folder).expect("a folder");
    let chain = LiveChain::write(&folder, count);
    let topic = Topic::make(&broker.address, "group");
    let start = |name: &str| {
        let config = chain.config(&folder, name, &topic, "lake");
        Running::start(Task::Run { config: &config, until: None })
    };
    let first = start("first");
    let alerts = Alerts::watch(&topic);
    alerts.await_owners(PARTITIONS as usize, READY_WITHIN);
    // What happens at the beginning of each part.
    let changes = ["steady", "joins", "ends", "joins again", "killed"];
    let mut second: Option<Running> = None;
    let mut begun_ms = Vec::new();
    chain.offer(&topic, count, rate, |elapsed| {
        if begun_ms.len() == changes.len() || elapsed < seconds(begun_ms.len() as u64) {
            return;
        }
        begun_ms.push(wall_us() / 1_000);
        match changes[begun_ms.len() - 1] {
            "joins" | "joins again" => second = Some(start("second")),
            // Its end takes a while, and the load goes on.
            "ends" => drop(second.take().map(|process| std::thread::spawn(|| process.end()))),
            "killed" => drop(second.take().map(Running::kill)),
            _ => {}
        }
    });
    let expected = chain.outside(count);
    let came = alerts.await_alerts(expected, SETTLE_WITHIN);
    first.end();
    let told = alerts.finish(&topic, u64::from(count));
    let parts: serde_json::Map<String, Value> = changes
        .iter()
        .enumerate()
        .map(|(n, change)| {
            let until = begun_ms.get(n + 1).copied().unwrap_or(u64::MAX);
            let within = told.iter().filter(|one| (begun_ms[n]..until).contains(&one.appended_ms));
            ((*change).to_owned(), percentiles(within.copied()))
        })
        .collect();
    json!({ "punches_per_s": rate, "alerts_missing": expected - came, "parts": parts })
}
