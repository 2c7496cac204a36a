//! Question: how many punches a second go from a real broker into the lake, and at how much processor time, beside a bare
//! client that only takes each message of the same topic?
//!
//! A generated week of a chain (seed 7, as in `replay`; `MUSTER_BENCH_PUNCHES` asks for another size) in eight partitions.
//! In turns, three times: a bare `BaseConsumer`; `KafkaSource` into batches; `muster run` in a process of its own, with an
//! empty lake and a group of its own, until the week's last window has settled. The broker runs on the same machine
//! (`MUSTER_TEST_KAFKA` names another one).
//!
//! Prints one line of JSON: a list of rounds, and the medians' ratios.

#![allow(clippy::print_stdout, reason = "a benchmark's answer is what it prints")]

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use model::position::NextOffset;
use serde_json::{Value, json};
use source::{KafkaLog, KafkaOptions, Polled, RawBatch, Source};
use whole::child::{Task, run_if_asked};
use whole::topic::{Drained, Topic};
use whole::{Broker, Chain, Run, Usage, is_tiny};

/// The program's own allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if let Some(code) = run_if_asked() {
        return code;
    }
    let (punches, rounds) = if is_tiny() { (2_000, 1) } else { (1_000_000, 3) };
    let asked = std::env::var("MUSTER_BENCH_PUNCHES").ok();
    let punches = asked.map_or(punches, |text| text.parse().expect("MUSTER_BENCH_PUNCHES is a number"));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let chain = Chain::write(folder.path(), punches);
    let load_s = chain.load_reference().as_secs_f64();
    let broker = Broker::find();
    let topic = Topic::make(&broker.address, "week");
    let records = topic.fill(&chain);
    eprintln!("kafka: {records} records of {} people in {} stores", chain.people, chain.stores);
    // Whoever reads first warms the broker's page cache.
    topic.drain(records, |_| {});
    let measured: Vec<Value> = (0..rounds)
        .map(|round| {
            let bare = topic.drain(records, |_| {});
            let batches = drain_batches(&topic, round, records);
            assert_eq!(bare.bytes, batches.bytes, "both read the same topic");
            let whole = whole(&topic, &chain, folder.path(), round, load_s);
            json!({ "bare": told(&bare), "batches": told(&batches), "whole": whole })
        })
        .collect();
    let median = |who: &str, key: &str| {
        let mut values: Vec<f64> = measured.iter().filter_map(|round| round[who][key].as_f64()).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let ratio = |who: &str, key: &str| round(median(who, key) / median("bare", key));
    let figures = json!({
        "records": records,
        "bytes_per_record": round(topic_bytes(&measured) / records as f64),
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "reference_load_s": round(load_s),
        "rounds": measured,
        "batches_to_bare": ratio("batches", "records_per_s"),
        "whole_to_bare": ratio("whole", "records_per_s"),
        "whole_without_load_to_bare":
            round(median("whole", "records_per_s_without_load") / median("bare", "records_per_s")),
        "cpu_us_per_record_beyond_bare": round(median("whole", "cpu_us_per_record") - median("bare", "cpu_us_per_record")),
    });
    println!("{figures}");
    ExitCode::SUCCESS
}

/// Reads the topic as the pipeline does, and does nothing with it.
fn drain_batches(topic: &Topic, round: usize, records: u64) -> Drained {
    let options = KafkaOptions::new(&topic.brokers, &topic.name, &format!("batches-{round}"));
    let log = KafkaLog::open(options, muster::wall_clock()).expect("the log");
    let mut source = log.source().expect("a place in the group");
    let mut batch = RawBatch::new();
    let (mut count, mut bytes) = (0, 0);
    let (mut begun, mut cpu) = (Instant::now(), cpu_s());
    while count < records {
        match source.poll(Duration::from_millis(100), &mut batch).expect("the log can be read") {
            Polled::Assigned(partitions) => {
                let starts: Vec<_> =
                    partitions.into_iter().map(|partition| (partition, NextOffset::START)).collect();
                source.start(&starts).expect("a start");
            }
            Polled::Batch => {
                if count == 0 {
                    (begun, cpu) = (Instant::now(), cpu_s());
                }
                count += batch.records() as u64;
                bytes += batch.iter().map(|entry| entry.value.map_or(0, <[u8]>::len) as u64).sum::<u64>();
            }
            _ => {}
        }
    }
    Drained { wall: begun.elapsed(), cpu_s: cpu_s() - cpu, records, bytes }
}

/// The whole pipeline, from the start of its process to its end.
fn whole(topic: &Topic, chain: &Chain, folder: &Path, round_number: usize, load_s: f64) -> Value {
    let plain = std::fs::read_to_string(&chain.config).expect("the chain's configuration");
    let config = folder.join(format!("round-{round_number}.toml"));
    let text = format!(
        "{plain}\n[lake]\nurl = \"lake-{round_number}\"\n\n[alerts]\ntopic = \"{name}-alerts-{round_number}\"\n\n\
         [source]\nkind = \"kafka\"\nbrokers = \"{}\"\ntopic = \"{name}\"\ngroup = \"whole-{round_number}\"\nclock = \"record\"\n",
        topic.brokers,
        name = topic.name,
    );
    std::fs::write(&config, text).expect("the disk takes the configuration");
    let until = jiff::Timestamp::from_microsecond(chain.world.settled_at().us()).expect("a time").to_string();
    let run = Run::whole(Task::Run { config: &config, until: Some(&until) });
    let records = run.number("punches");
    let (wall_s, cpu_s) = (run.wall.as_secs_f64(), run.number("cpu_s"));
    json!({
        "records": records,
        "accepted": run.number("accepted"),
        "wall_s": round(wall_s),
        "records_per_s": (records / wall_s).round(),
        "records_per_s_without_load": (records / (wall_s - load_s).max(1e-3)).round(),
        "cpu_us_per_record": round(cpu_s / records * 1e6),
        "peak_rss_mib": (run.number("peak_rss_bytes") / f64::from(1 << 20)).round(),
    })
}

fn told(drained: &Drained) -> Value {
    let records = drained.records as f64;
    json!({
        "bytes": drained.bytes,
        "records_per_s": (records / drained.wall.as_secs_f64()).round(),
        "cpu_us_per_record": round(drained.cpu_s / records * 1e6),
    })
}

fn topic_bytes(rounds: &[Value]) -> f64 {
    rounds.first().and_then(|round| round["bare"]["bytes"].as_f64()).unwrap_or(0.0)
}

fn cpu_s() -> f64 {
    Usage::own().map_or(0.0, |usage| usage.cpu_s)
}

fn round(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}
