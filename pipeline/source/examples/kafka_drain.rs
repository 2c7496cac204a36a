//! How fast is a Kafka topic read into batches, beside a bare client that only takes each message from the queue?
//!
//!     cargo run --release -p source --example kafka_drain -- 127.0.0.1:9092 [RECORDS] [ROUNDS]
//!
//! In: a broker.  Out: records a second and CPU a record of both, taken in turns on the same topic, and the bytes that each
//! saw, which must agree.  Owns: a topic that it makes and deletes.
#![allow(clippy::print_stdout, reason = "its output is its purpose")]

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures::executor::block_on;
use model::position::partition_of;
use model::{EventTime, NextOffset, Partition};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use source::{Append, KafkaLog, KafkaOptions, NewRecord, Polled, RawBatch, Source};

const PARTITIONS: u32 = 8;

/// What a round took.
struct Taken {
    wall: Duration,
    cpu: Duration,
    bytes: usize,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let brokers = arguments.next().ok_or("say which broker: 127.0.0.1:9092")?;
    let records: usize = arguments.next().map_or(Ok(2_000_000), |text| text.parse())?;
    let rounds: usize = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let topic = format!("drain-{}", SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos());
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &brokers).create()?;
    let wanted = NewTopic::new(&topic, PARTITIONS as i32, TopicReplication::Fixed(1))
        .set("message.timestamp.type", "LogAppendTime");
    let patient = AdminOptions::new().operation_timeout(Some(Duration::from_secs(20)));
    block_on(admin.create_topics([&wanted], &patient))?;
    let done = compare(&brokers, &topic, records, rounds);
    block_on(admin.delete_topics(&[&topic], &patient))?;
    done
}

fn compare(
    brokers: &str,
    topic: &str,
    records: usize,
    rounds: usize,
) -> Result<(), Box<dyn std::error::Error>> {
    let wall = || {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        EventTime::from_ms(since.as_millis() as i64)
    };
    let open = |group: &str| KafkaLog::open(KafkaOptions::new(brokers, topic, group), Arc::new(wall));
    fill(&open("fill")?, topic, records)?;
    println!("{records} records of punches in {PARTITIONS} partitions; {rounds} rounds of each in turn");
    // The first of each warms the broker's page cache and is not counted.
    for round in 0..=rounds {
        let bare = drain_bare(brokers, topic, records)?;
        let ours = drain_batches(&open(&format!("round-{round}"))?, records)?;
        for (name, taken) in [("bare", &bare), ("batches", &ours)] {
            let rate = records as f64 / taken.wall.as_secs_f64();
            let cpu_ns = taken.cpu.as_nanos() as f64 / records as f64;
            let name = if round == 0 { "(warm)" } else { name };
            println!("{name:8} {rate:9.0} records/s {cpu_ns:6.0} ns CPU/record  {} bytes", taken.bytes);
        }
    }
    Ok(())
}

/// Appends punches of the usual size.
fn fill(log: &KafkaLog, topic: &str, records: usize) -> Result<(), source::Error> {
    let mut appender = log.appender();
    let mut made = 0;
    while made < records {
        let count = (records - made).min(20_000);
        let punches: Vec<(String, String)> = (made..made + count).map(punch).collect();
        let batch: Vec<NewRecord<'_>> = punches
            .iter()
            .map(|(key, value)| NewRecord {
                key: Some(key.as_bytes()),
                value: Some(value.as_bytes()),
                partition: Some(partition_of(key.as_bytes(), PARTITIONS)),
                ..NewRecord::default()
            })
            .collect();
        appender.append(topic, &batch)?;
        made += count;
    }
    Ok(())
}

fn punch(n: usize) -> (String, String) {
    let key = format!("E{:07}", n % 250_000);
    let value = format!(
        "{{\"event_id\":\"{n:016x}\",\"employee_id\":\"{key}\",\"kind\":\"in\",\"occurred_at\":{},\"origin\":\"phone\",\
         \"location\":{{\"lon\":114.17{},\"lat\":22.31{},\"accuracy_m\":12}},\"wifi\":[{{\"bssid\":\"aa:bb:cc:{:02x}:{:02x}:01\",\
         \"rssi\":-61}}]}}",
        1_763_800_000_000_u64 + n as u64,
        n % 1_000,
        n % 997,
        n % 256,
        n % 251,
    );
    (key, value)
}

fn drain_bare(brokers: &str, topic: &str, records: usize) -> Result<Taken, Box<dyn std::error::Error>> {
    let client: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "bare")
        .set("enable.auto.commit", "false")
        .set("fetch.queue.backoff.ms", "10")
        .set("queued.min.messages", "1000000")
        .set("check.crcs", "true")
        .create()?;
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset(topic, partition as i32, Offset::Beginning)?;
    }
    client.assign(&list)?;
    let mut count = 0;
    let mut bytes = 0;
    let (mut begun, mut cpu) = (Instant::now(), cpu_time());
    while count < records {
        if let Some(message) = client.poll(Duration::from_millis(100)) {
            if count == 0 {
                (begun, cpu) = (Instant::now(), cpu_time());
            }
            bytes += message?.payload_len();
            count += 1;
        }
    }
    Ok(Taken { wall: begun.elapsed(), cpu: cpu_time() - cpu, bytes })
}

fn drain_batches(log: &KafkaLog, records: usize) -> Result<Taken, Box<dyn std::error::Error>> {
    let mut source = log.source()?;
    let mut batch = RawBatch::new();
    let mut count = 0;
    let mut bytes = 0;
    let (mut begun, mut cpu) = (Instant::now(), cpu_time());
    while count < records {
        match source.poll(Duration::from_millis(100), &mut batch)? {
            Polled::Assigned(partitions) => {
                let starts: Vec<(Partition, NextOffset)> =
                    partitions.into_iter().map(|partition| (partition, NextOffset::START)).collect();
                source.start(&starts)?;
            }
            Polled::Batch => {
                if count == 0 {
                    (begun, cpu) = (Instant::now(), cpu_time());
                }
                count += batch.records();
                bytes += batch.iter().map(|entry| entry.value.map_or(0, <[u8]>::len)).sum::<usize>();
            }
            _ => {}
        }
    }
    Ok(Taken { wall: begun.elapsed(), cpu: cpu_time() - cpu, bytes })
}

/// CPU time of all threads of this process so far.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name in parentheses: fields 14 and 15, in ticks of 10 ms.
    let behind = stat.rsplit_once(')').map_or("", |(_, behind)| behind);
    let ticks: u64 =
        behind.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}
