//! Question: does a queue a partition, or the client's batch call on such queues, take records faster or at less processor time
//! than polling the client's one queue record by record, as `source` does?
//!
//! One topic of eight partitions, a generated week (seed 7; `MUSTER_BENCH_PUNCHES` asks for another size). In turns, each time in
//! another order, on one thread: `poll` (`BaseConsumer::poll` of everything), `split` (a `PartitionQueue` a partition, round
//! robin), `batch` (`rd_kafka_consume_batch_queue` on the same queues, 1,000 records a call). Each sees every value and keeps
//! nothing. The broker runs on the same machine.
//!
//! Prints one line of JSON: of each way the rounds, and its medians beside those of `poll`.

#![allow(clippy::print_stdout, reason = "a benchmark's answer is what it prints")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use whole::batch_queue::BatchQueue;
use whole::topic::{Drained, PARTITIONS, Topic};
use whole::{Broker, Chain, Usage, is_tiny};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Records of one batch call, and of one partition's turn.
const TURN_RECORDS: usize = 1_000;

/// How long a round of empty queues waits.
const IDLE: Duration = Duration::from_millis(1);

/// How long nothing may come.
const PATIENCE: Duration = Duration::from_secs(120);

/// A way to take a topic's records.
type Way = fn(&Topic, u64) -> Drained;

const WAYS: [(&str, Way); 3] =
    [("poll", |topic, records| topic.drain(records, |_| {})), ("split", drain_split), ("batch", drain_batch)];

fn main() {
    let (punches, rounds) = if is_tiny() { (2_000, 1) } else { (1_000_000, 6) };
    let asked = std::env::var("MUSTER_BENCH_PUNCHES").ok();
    let punches = asked.map_or(punches, |text| text.parse().expect("MUSTER_BENCH_PUNCHES is a number"));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let chain = Chain::write(folder.path(), punches);
    let broker = Broker::find();
    let topic = Topic::make(&broker.address, "queues");
    let records = topic.fill(&chain);
    // Whoever reads first warms the broker's page cache.
    let bytes = topic.drain(records, |_| {}).bytes;
    let mut found: Vec<Vec<Drained>> = vec![Vec::new(); WAYS.len()];
    for round in 0..rounds {
        for step in 0..WAYS.len() {
            let at = (round + step) % WAYS.len();
            let drained = WAYS[at].1(&topic, records);
            assert_eq!(drained.bytes, bytes, "{} reads the same topic", WAYS[at].0);
            found[at].push(drained);
        }
    }
    let of_poll = [speed, cost].map(|figure| median(&found[0], figure));
    let ways: Vec<Value> =
        WAYS.iter().zip(&found).map(|((name, _), rounds)| told(name, rounds, of_poll)).collect();
    println!(
        "{}",
        json!({
            "records": records,
            "bytes_per_record": round(bytes as f64 / records as f64),
            "cores": std::thread::available_parallelism().map_or(0, usize::from),
            "ways": ways,
        })
    );
}

fn told(name: &str, rounds: &[Drained], [speed_of_poll, cost_of_poll]: [f64; 2]) -> Value {
    let each =
        |figure: fn(&Drained) -> f64| rounds.iter().map(|drained| round(figure(drained))).collect::<Vec<_>>();
    json!({
        "way": name,
        "records_per_s": each(speed),
        "cpu_us_per_record": each(cost),
        "speed_to_poll": round(median(rounds, speed) / speed_of_poll),
        "cpu_to_poll": round(median(rounds, cost) / cost_of_poll),
    })
}

/// Records a second.
fn speed(drained: &Drained) -> f64 {
    drained.records as f64 / drained.wall.as_secs_f64()
}

/// Microseconds of processor time a record.
fn cost(drained: &Drained) -> f64 {
    drained.cpu_s / drained.records as f64 * 1e6
}

fn median(rounds: &[Drained], figure: fn(&Drained) -> f64) -> f64 {
    let mut values: Vec<f64> = rounds.iter().map(figure).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Counts what is seen; time and processor time run from the first record on.
struct Count {
    records: u64,
    bytes: u64,
    begun: Instant,
    cpu_s: f64,
    seen_at: Instant,
}

impl Count {
    fn new() -> Self {
        Self { records: 0, bytes: 0, begun: Instant::now(), cpu_s: cpu_s(), seen_at: Instant::now() }
    }

    fn see(&mut self, bytes: usize) {
        if self.records == 0 {
            (self.begun, self.cpu_s) = (Instant::now(), cpu_s());
        }
        self.records += 1;
        self.bytes += bytes as u64;
    }

    /// Goes on until all are seen: `round` sees what waits in all queues, then the client's own is polled, which has to be
    /// done anyway, and holds what came before its partition's queue was split off.
    fn until(
        mut self,
        records: u64,
        client: &rdkafka::consumer::BaseConsumer,
        mut round: impl FnMut(&mut Self),
    ) -> Drained {
        while self.records < records {
            let before = self.records;
            round(&mut self);
            let wait = if self.records == before { IDLE } else { Duration::ZERO };
            if let Some(found) = client.poll(wait) {
                self.see(found.expect("a record").payload_len());
            }
            if self.records > before {
                self.seen_at = Instant::now();
            }
            assert!(self.seen_at.elapsed() < PATIENCE, "nothing came for {PATIENCE:?}");
        }
        Drained { wall: self.begun.elapsed(), cpu_s: cpu_s() - self.cpu_s, records, bytes: self.bytes }
    }
}

fn drain_split(topic: &Topic, records: u64) -> Drained {
    let client = Arc::new(topic.reader(&topic.name));
    let queues: Vec<_> = (0..PARTITIONS)
        .map(|partition| client.split_partition_queue(&topic.name, partition as i32).expect("a queue"))
        .collect();
    Count::new().until(records, &client, |count| {
        for queue in &queues {
            for _ in 0..TURN_RECORDS {
                let Some(found) = queue.poll(Duration::ZERO) else { break };
                count.see(found.expect("a record").payload_len());
            }
        }
    })
}

fn drain_batch(topic: &Topic, records: u64) -> Drained {
    let client = Arc::new(topic.reader(&topic.name));
    let mut queues: Vec<_> = (0..PARTITIONS)
        .map(|partition| BatchQueue::split(&client, &topic.name, partition as i32, TURN_RECORDS))
        .collect();
    Count::new().until(records, &client, |count| {
        for queue in &mut queues {
            queue.take(|bytes| count.see(bytes.len()));
        }
    })
}

fn cpu_s() -> f64 {
    Usage::own().map_or(0.0, |usage| usage.cpu_s)
}

fn round(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}
