//! Records in a schema registry's frame, from a real broker into the lake: the same rows as from JSON; an outage of the
//! registry stops no known id and loses no unknown one, over a restart, too.
//!
//! In: punches written by the reference implementations of Avro and Protobuf; a registry on the loopback.  Out: rows, rejects,
//! what `/readyz` and `/metrics` say.

// A test that cannot go on panics.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "test code outside of `#[test]` functions")]
#![allow(dead_code, reason = "of the shared modules not all is used")]

#[path = "../../schemas/tests/support/dice.rs"]
mod dice;
#[path = "../../schemas/tests/support/lines.rs"]
mod lines;

use std::path::Path;
use std::time::{Duration, Instant};

use apache_avro::Schema;
use dice::Dice;
use lines::AvroStyle;
use model::position::partition_of;
use schemas::PunchLine;
use schemas::punch::OccurredAt;
use source::kafka::{KafkaLog, KafkaOptions};
use source::{Append, NewRecord};
use tests::broker::shared_bootstrap;
use tests::lake_reader::LakeReader;
use tests::program::Program;
use tests::registry::{Mood, SchemaRegistry};
use tests::running::{Running, http};
use tests::topic::make_punches;

const PUNCH: &str = include_str!("../../schemas/avro/punch.avsc");
const PROTO: &str = include_str!("../../schemas/proto/punch.proto");
const PROTO_DIR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../schemas/proto");

/// How long any one thing may take.
const LIMIT: Duration = Duration::from_secs(90);

const PARTITIONS: u32 = 2;

/// Avro, Protobuf and JSON as records of schemas 1, 2 and 3.
struct Writers {
    avro: Schema,
    pool: prost_reflect::DescriptorPool,
}

impl Writers {
    fn new() -> Self {
        Self { avro: Schema::parse_str(PUNCH).unwrap(), pool: lines::proto_pool(PROTO_DIR) }
    }

    fn avro(&self, id: u32, line: &PunchLine) -> Vec<u8> {
        lines::framed(id, &lines::avro(&self.avro, line, AvroStyle::Octets, Vec::new()))
    }

    /// Each line another format, one of four; the last is JSON without a frame.
    fn any(&self, n: usize, line: &PunchLine) -> Vec<u8> {
        let json = || serde_json::to_vec(line).unwrap();
        match n % 4 {
            0 => self.avro(1, line),
            1 => lines::framed(2, &[&[0], &lines::protobuf(&self.pool, line)[..]].concat()),
            2 => lines::framed(3, &json()),
            _ => json(),
        }
    }
}

fn append(topic: &str, records: &[(String, Vec<u8>)]) {
    let mut options = KafkaOptions::new(&shared_bootstrap(), topic, "test");
    options.client_id = "test".into();
    let log = KafkaLog::open(options, muster::wall_clock()).unwrap();
    let records: Vec<NewRecord<'_>> = records
        .iter()
        .map(|(key, value)| NewRecord {
            key: Some(key.as_bytes()),
            value: Some(value),
            ..NewRecord::default()
        })
        .collect();
    log.appender().append(topic, &records).unwrap();
}

fn write_config(folder: &Path, name: &str, topic: &str, more: &str) {
    let bootstrap = shared_bootstrap();
    let text = format!(
        "[lake]\nurl = \"{name}\"\ncommit_every_ms = 100\n\n[limits]\nthreads = 1\n\n[alerts]\ntopic = \"{topic}.alerts\"\n\n\
         [source]\nkind = \"kafka\"\nbrokers = \"{bootstrap}\"\ntopic = \"{topic}\"\ngroup = \"{topic}\"\n\
         session_timeout = \"6 s\"\n{more}\n"
    );
    std::fs::write(folder.join(format!("{name}.toml")), text).unwrap();
}

fn with_registry(server: &SchemaRegistry) -> String {
    let url = server.url();
    format!(
        "format = \"registry\"\n[source.registry]\nurl = \"{url}\"\ngrace = \"0 s\"\ntimeout = \"1 s\"\n[serve]\naddress = \"127.0.0.1:0\"\n"
    )
}

fn rows(lake: &LakeReader, statement: &str) -> String {
    arrow::util::pretty::pretty_format_batches(&lake.sql(statement)).unwrap().to_string()
}

const SAME: &str = "SELECT event_id, employee_id, kind, direction, occurred_at, origin, trigger, device_id, place, site_id, \
    evidence, distance_m, reasons, shift_id, business_date FROM punches ORDER BY employee_id, event_id";

#[test]
fn every_format_of_a_registry_gives_the_rows_of_json() {
    let folder = tempfile::tempdir().unwrap();
    let server = SchemaRegistry::start();
    server.add(1, None, PUNCH, &[]);
    server.add(2, Some("PROTOBUF"), PROTO, &[]);
    server.add(3, Some("JSON"), "{}", &[]);
    let writers = Writers::new();
    let mut dice = Dice::seeded(11);
    let punches: Vec<PunchLine> = (0..200).map(|_| lines::line(&mut dice)).collect();
    let id = std::process::id();
    let [json, framed] = ["json", "framed"].map(|name| format!("registry-{name}-{id}"));
    for topic in [&json, &framed] {
        make_punches(&shared_bootstrap(), topic, PARTITIONS);
    }
    let key = |line: &PunchLine| line.employee_id.clone();
    let of_json = |line: &PunchLine| (key(line), serde_json::to_vec(line).unwrap());
    append(&json, &punches.iter().map(of_json).collect::<Vec<_>>());
    let records = punches.iter().enumerate().map(|(n, line)| (key(line), writers.any(n, line)));
    append(&framed, &records.collect::<Vec<_>>());
    write_config(folder.path(), "json", &json, "");
    write_config(folder.path(), "framed", &framed, &with_registry(&server));
    let checked = Program::new().args(["check", "-c", "framed.toml"]).in_folder(folder.path()).run();
    assert!(checked.stdout.contains("the schema registry answers"), "{}", checked.told());
    let seen = ["json", "framed"].map(|name| {
        let args = ["run", "-c", &format!("{name}.toml"), "--json", "--until", "2020-01-01T00:00:00Z"];
        let ran = Program::new().args(args).in_folder(folder.path()).limit(LIMIT).run();
        assert!(matches!(ran.code, Some(0 | 1)), "{}", ran.told());
        rows(&LakeReader::open(&folder.path().join(name)), SAME)
    });
    assert!(seen[0].lines().count() > 150, "{}", seen[0]);
    assert_eq!(seen[0], seen[1]);
    assert_eq!([1, 2, 3].map(|id| server.asked(&format!("/schemas/ids/{id}"))), [1, 1, 1]);
}

/// People of partition 0 and of partition 1.
fn people() -> [String; 2] {
    [0, 1].map(|partition| {
        let is_its = |id: &String| partition_of(id.as_bytes(), PARTITIONS).number() == partition;
        (0..).map(|n| format!("e-{n}")).find(is_its).unwrap()
    })
}

fn await_rows(folder: &Path, lake: &str, table: &str, count: i64) -> LakeReader {
    let begun = Instant::now();
    loop {
        let reader = LakeReader::open(&folder.join(lake));
        let found = reader.count(table);
        if found >= count {
            assert_eq!(found, count, "{table}");
            return reader;
        }
        assert!(begun.elapsed() < LIMIT, "{found} of {count} rows of {table}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn await_answer(url: &str, path: &str, words: &str) -> String {
    let begun = Instant::now();
    loop {
        let (_, text) = http(url, "GET", path, "");
        if text.contains(words) {
            return text;
        }
        assert!(begun.elapsed() < LIMIT, "{path} never says {words:?}: {text}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn an_outage_stops_unknown_ids_alone() {
    let folder = tempfile::tempdir().unwrap();
    let server = SchemaRegistry::start();
    server.add(1, None, PUNCH, &[]);
    server.add(8, None, &PUNCH.replace("\"kind\"", "\"direction\""), &[]);
    let writers = Writers::new();
    let topic = format!("registry-outage-{}", std::process::id());
    make_punches(&shared_bootstrap(), &topic, PARTITIONS);
    write_config(folder.path(), "lake", &topic, &with_registry(&server));
    let mut dice = Dice::seeded(12);
    let mut made = 0;
    let mut record = |schema: u32, person: &str| {
        made += 1;
        let now = OccurredAt::EpochMs(jiff::Timestamp::now().as_millisecond());
        let (employee_id, event_id) = (person.to_owned(), format!("p{made:02}"));
        let line = PunchLine { employee_id, event_id, occurred_at: now, ..lines::line(&mut dice) };
        (person.to_owned(), writers.avro(schema, &line))
    };
    let [ann, bob] = people();
    let mut running = Running::start(folder.path(), "one", &["run", "-c", "lake.toml"]);
    let url = running.await_said("serving ", LIMIT);
    append(&topic, &[record(1, &ann), record(1, &bob)]);
    await_rows(folder.path(), "lake", "punches", 2);
    await_answer(&url, "/readyz", "1 schemas loaded");

    server.set_mood(Mood::Down);
    append(&topic, &[record(1, &ann), record(7, &ann), record(1, &ann), record(1, &bob), record(1, &bob)]);
    // Of Ann's partition the record in front of the unknown one; of Bob's all.
    await_rows(folder.path(), "lake", "punches", 5);
    let told = await_answer(&url, "/readyz", "waits for schema 7");
    assert!(told.contains("partition 0 waits for schema 7 since 20") && told.contains("no answer"), "{told}");
    let metrics = await_answer(&url, "/metrics", "muster_partition_waiting_schema_id{");
    assert!(metrics.contains("muster_partition_waiting_schema_id{partition=\"0\"} 7"), "{metrics}");
    assert!(running.log().contains("the schema registry does not answer"), "{}", running.log());
    drop(running);

    // Killed and started again, still without a registry: the known id is known, the unknown one waits on.
    let mut running = Running::start(folder.path(), "two", &["run", "-c", "lake.toml"]);
    let url = running.await_said("serving ", LIMIT);
    append(&topic, &[record(1, &bob)]);
    let lake = await_rows(folder.path(), "lake", "punches", 6);
    await_answer(&url, "/readyz", "waits for schema 7");
    assert_eq!((lake.count("rejects"), server.asked("/schemas/ids/1")), (0, 1));

    server.add(7, None, PUNCH, &[]);
    server.set_mood(Mood::Well);
    await_rows(folder.path(), "lake", "punches", 8);
    await_answer(&url, "/readyz", "2 schemas loaded");

    // What the registry does not know, and what no punch has, is told apart, and the partition goes on.
    append(&topic, &[record(9, &ann), record(8, &ann), record(1, &ann)]);
    await_rows(folder.path(), "lake", "punches", 9);
    let lake = await_rows(folder.path(), "lake", "rejects", 2);
    let rejects = rows(&lake, "SELECT code, message FROM rejects ORDER BY code");
    assert!(rejects.contains("unknown_schema") && rejects.contains("has no schema 9"), "{rejects}");
    assert!(rejects.contains("schema 8 is none of a punch: it lacks the field `kind`"), "{rejects}");
    let order = rows(&lake, "SELECT event_id FROM punches WHERE partition = 0 ORDER BY \"offset\"");
    let at = |id: &str| order.find(id).unwrap();
    assert!(at("p03") < at("p04") && at("p04") < at("p05"), "{order}");
    running.terminate();
    assert!(matches!(running.await_end(LIMIT), Some(0 | 1)));
}
