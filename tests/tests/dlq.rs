//! Dead letters by the command line: listed, shown, replayed after a fix, each added once; on the embedded log, on Kafka,
//! and in a lake of replays.
//!
//! In: records too large for `[limits] record_bytes_max`, broken ones; then the limit raised.  Out: what a shell sees, and
//! what the lake holds.

// A test that cannot go on panics.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{AsArray, RecordBatch};
use model::EventTime;
use model::position::partition_of;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use source::embedded::Options;
use source::{Append, EmbeddedLog, NewRecord};
use tempfile::TempDir;
use tests::lake_reader::LakeReader;
use tests::program::{Program, Ran};
use tests::topic::read_topic;

const PARTITIONS: u32 = 2;

/// What `[limits] record_bytes_max` is before the fix, and after it.
const LIMITS: [usize; 2] = [1_024, 65_536];

/// A folder with a chain in it.
struct Shop {
    folder: TempDir,
    source: String,
}

impl Shop {
    /// On the log that `source`, lines of `[source]`, tells of.
    fn new(source: &str) -> Self {
        let shop = Self { folder: tempfile::tempdir().unwrap(), source: source.to_owned() };
        shop.limit(LIMITS[0]);
        shop
    }

    fn embedded() -> Self {
        Self::new("dir = \"log\"\npartitions = 2\n")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn limit(&self, record_bytes_max: usize) {
        let text = format!(
            "[source]\nclock = \"record\"\n{}\n[lake]\nurl = \"lake\"\ncommit_every_ms = 20\n\n\
             [limits]\nrecord_bytes_max = {record_bytes_max}\n",
            self.source
        );
        std::fs::write(self.path("muster.toml"), text).unwrap();
    }

    fn program(&self, line: &str) -> Program {
        Program::new().in_folder(self.folder.path()).args(line.split_whitespace())
    }

    fn muster(&self, line: &str) -> Ran {
        self.program(line).run()
    }

    /// Runs it, expects the exit code and every one of `words` in what it said, and gives its standard output.
    #[track_caller]
    fn expect(&self, line: &str, code: i32, words: &[&str]) -> String {
        let ran = self.muster(line);
        assert_eq!(ran.code, Some(code), "{line}: {}", ran.told());
        let said = format!("{}\n{}", ran.stdout, ran.said());
        for word in words {
            assert!(said.contains(word), "{line} does not say `{word}`: {}", ran.told());
        }
        assert!(!ran.stderr.contains("panicked"), "{}", ran.told());
        ran.stdout
    }

    /// Takes the log to its end.
    fn run(&self) -> Value {
        let ran = self.muster("run -c muster.toml --until 2026-11-03T00:00:00+08:00 --json");
        assert!(matches!(ran.code, Some(0 | 1)), "{}", ran.told());
        serde_json::from_str(ran.last_line()).unwrap()
    }

    /// `dlq list --json`, one value a letter.
    fn list(&self, more: &str) -> Vec<Value> {
        let text = self.expect(&format!("dlq list -c muster.toml --json {more}"), 0, &[]);
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// `dlq replay --json`: letters, replayed, punches, replayed before, left out.
    fn replay(&self, code: i32, more: &str) -> [Value; 5] {
        let text = self.expect(&format!("dlq replay -c muster.toml --json {more}"), code, &[]);
        let counts: Value = serde_json::from_str(text.trim()).unwrap();
        ["letters", "replayed", "punches", "replayed_before", "left_out"].map(|key| counts[key].clone())
    }

    /// The `event_id` of every row of `punches`, sorted.
    fn punches(&self) -> Vec<String> {
        let lake = LakeReader::open(&self.path("lake"));
        column(&lake.sql("SELECT event_id FROM punches ORDER BY event_id"))
    }

    /// How many rows of `rejects` have each code: `duplicate 1`.
    fn rejects(&self) -> Vec<String> {
        let lake = LakeReader::open(&self.path("lake"));
        let statement = "SELECT concat(code, ' ', count(*)) AS n FROM rejects GROUP BY code ORDER BY n";
        column(&lake.sql(statement))
    }

    fn log(&self) -> EmbeddedLog {
        let wall = Arc::new(|| EventTime::from(jiff::Timestamp::now()));
        let options = Options { partitions: PARTITIONS, ..Options::default() };
        EmbeddedLog::open(&self.path("log"), options, wall).unwrap()
    }
}

fn column(batches: &[RecordBatch]) -> Vec<String> {
    let cast = |batch: &RecordBatch| {
        arrow::compute::cast(batch.column(0), &arrow::datatypes::DataType::Utf8).unwrap()
    };
    let texts = batches.iter().map(cast).collect::<Vec<_>>();
    texts
        .iter()
        .flat_map(|texts| texts.as_string::<i32>().iter().map(|text| text.unwrap().to_owned()))
        .collect()
}

/// A punch of `bytes` bytes or a few more: its note is noise that no compression shortens by much.
fn punch(employee_id: &str, event_id: &str, bytes: usize) -> String {
    let mut rng = StdRng::seed_from_u64(bytes as u64);
    let note: String = (0..bytes).map(|_| char::from(rng.random_range(b'#'..b'['))).collect();
    let punch = json!({
        "event_id": event_id, "employee_id": employee_id, "kind": "in", "origin": "phone",
        "occurred_at": "2026-11-02T08:00:00+08:00", "note": note,
    });
    punch.to_string()
}

/// Key, value and the value of a header of its own.
type Record = (Option<&'static str>, Option<Vec<u8>>, Option<&'static str>);

/// One good punch; three that are too large, one of them under a wrong key; three that are none at all.
fn records(large: usize) -> Vec<Record> {
    let text = |text: String| Some(text.into_bytes());
    vec![
        (Some("p1"), text(punch("p1", "good", 1)), None),
        (Some("p1"), text(punch("p1", "large-1", large)), Some("traced")),
        (Some("p2"), text(punch("p2", "large-2", large)), None),
        (Some("elsewhere"), text(punch("p2", "large-3", large)), None),
        (Some("p1"), text("{\"event_id\": \"torn\", oops".to_owned()), None),
        (Some("p2"), Some(b"{\xff\xfe}".to_vec()), None),
        (Some("p2"), None, None),
    ]
}

/// Appends the records; where each one landed.
fn append(appender: &mut dyn Append, records: &[Record]) -> Vec<String> {
    let headers: Vec<Vec<source::Header<'_>>> = records
        .iter()
        .map(|(_, _, header)| header.iter().map(|value| ("trace", Some(value.as_bytes()))).collect())
        .collect();
    let new: Vec<NewRecord<'_>> = records
        .iter()
        .zip(&headers)
        .map(|((key, value, _), headers)| NewRecord {
            key: key.map(str::as_bytes),
            value: value.as_deref(),
            headers,
            partition: None,
        })
        .collect();
    let landed = appender.append("punches", &new).unwrap();
    landed.iter().map(|(partition, offset)| format!("punches/{partition}/{}", offset.get())).collect()
}

fn origins(letters: &[Value]) -> Vec<&str> {
    let mut origins: Vec<&str> = letters.iter().map(|letter| letter["origin"].as_str().unwrap()).collect();
    origins.sort_unstable();
    origins
}

fn sorted(places: &[String]) -> Vec<&str> {
    let mut places: Vec<&str> = places.iter().map(String::as_str).collect();
    places.sort_unstable();
    places
}

#[test]
fn a_fix_and_a_replay_add_each_punch_once() {
    let shop = Shop::embedded();
    let places = append(&mut shop.log().appender(), &records(2_000));
    let ran = shop.run();
    assert_eq!((&ran["accepted"], &ran["rejected"]), (&json!(1), &json!(6)), "{ran}");

    let letters = shop.list("");
    assert_eq!(origins(&letters), sorted(&places[1..]));
    let large = shop.list("--code too_large");
    assert_eq!(origins(&large), sorted(&places[1..4]));
    assert_eq!(origins(&shop.list("--employee p2")), sorted(&[&places[2..4], &places[5..]].concat()));
    assert_eq!(shop.list("--since 2126-01-01T00:00:00Z").len(), 0);
    assert_eq!(shop.list("--since 2026-01-01T00:00:00Z --limit 2").len(), 2);
    let words =
        ["6 dead letters in topic punches.dlq", "too_large 3", "null_value 1", &places[1], "p1", "decode"];
    let table = shop.expect("dlq list -c muster.toml", 0, &words);
    assert_eq!(table.lines().count(), 8, "a head, six letters, their counts: {table}");

    // Without the fix a replay adds nothing, and what comes back tells where it came from.
    let large_1 = &places[1];
    let dry = ["2 dead letters: 2 would be appended again", "0 can be read as punches now, 2 cannot"];
    shop.expect(&format!("dlq replay -c muster.toml {large_1} {} --dry-run", places[2]), 0, &dry);
    assert_eq!(shop.run()["punches"], 0, "a dry run appends nothing");
    assert_eq!(shop.replay(0, large_1), [json!(1), json!(1), json!(0), json!(0), json!(0)]);
    assert_eq!(shop.run()["rejected"], 1);
    let letters = shop.list("");
    assert_eq!(letters.len(), 7);
    let old = letters.iter().find(|letter| letter["origin"] == large_1.as_str()).unwrap();
    let back = letters.iter().find(|letter| letter["replayed_from"] == json!([large_1])).unwrap();
    assert_eq!(old["replayed_to"][0]["place"], back["origin"]);
    assert!(old["replayed_to"][0]["at"].is_string());
    let back = back["origin"].as_str().unwrap();
    let said = ["traced", "muster.origin", &format!("replayed from {large_1}"), "\"event_id\": \"large-1\""];
    shop.expect(&format!("dlq show -c muster.toml {back}"), 0, &said);

    // With the fix: the one that came back, and those not replayed yet. The wrong key leads nowhere any more.
    shop.limit(LIMITS[1]);
    assert_eq!(shop.replay(0, "--code too_large"), [json!(4), json!(3), json!(3), json!(1), json!(0)]);
    let again = shop.list("--code too_large");
    let to = |place: &str| {
        let letter = again.iter().find(|letter| letter["origin"] == place).unwrap();
        letter["replayed_to"][0]["place"].as_str().unwrap().to_owned()
    };
    let own = format!("punches/{}/", partition_of(b"p2", PARTITIONS));
    assert!(!places[3].starts_with(&own), "the wrong key leads to the other partition");
    assert!(to(&places[2]).starts_with(&own) && to(&places[3]).starts_with(&own));
    let ran = shop.run();
    assert_eq!(
        (&ran["accepted"], &ran["rejected"], &ran["duplicates"]),
        (&json!(3), &json!(0), &json!(0)),
        "{ran}"
    );
    let whole = ["good", "large-1", "large-2", "large-3"];
    assert_eq!(shop.punches(), whole);

    // Again, and again: nothing is left to do; and if it is done nevertheless, its repeats are found.
    assert_eq!(shop.replay(0, "--code too_large"), [json!(4), json!(0), json!(0), json!(4), json!(0)]);
    assert_eq!(
        shop.replay(0, "--code too_large --again"),
        [json!(4), json!(4), json!(4), json!(0), json!(0)]
    );
    let ran = shop.run();
    assert_eq!((&ran["accepted"], &ran["duplicates"]), (&json!(0), &json!(4)), "{ran}");
    assert_eq!(shop.punches(), whole);
    assert_eq!(shop.rejects(), ["duplicate 4", "not_json 1", "not_utf8 1", "null_value 1", "too_large 4"]);

    // A lost note of what was replayed costs repeats, and nothing else.
    std::fs::remove_file(shop.path("lake/_muster/replayed.ndjson")).unwrap();
    let [letters, replayed, punches, before, _] = shop.replay(0, "--all");
    assert_eq!([letters, replayed, punches, before], [json!(7), json!(6), json!(3), json!(1)]);
    assert_eq!(shop.run()["accepted"], 0);
    assert_eq!(shop.punches(), whole);
}

#[test]
fn every_byte_of_a_letter_is_shown() {
    let shop = Shop::embedded();
    let places = append(&mut shop.log().appender(), &records(2_000));
    shop.run();
    let short = |place: &str| place.strip_prefix("punches/").unwrap().to_owned();
    shop.expect(
        &format!("dlq show -c muster.toml {}", short(&places[4])),
        0,
        &[&places[4], "not_json", "{\"event_id\": \"torn\", ⟪here⟫oops", "muster 0"],
    );
    shop.expect(&format!("dlq show -c muster.toml {}", places[5]), 0, &["not_utf8", "7b ff fe 7d", "|{..}|"]);
    shop.expect(&format!("dlq show -c muster.toml {}", places[6]), 0, &["null_value", "no value"]);
    let bytes = shop.expect(&format!("dlq show -c muster.toml {} --bytes", places[1]), 0, &[]);
    assert_eq!(bytes.as_bytes(), records(2_000)[1].1.as_deref().unwrap());
    let line = shop.expect(&format!("dlq show -c muster.toml {} --json", places[1]), 0, &[]);
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["headers"]["dlq.code"], "too_large");
    assert_eq!(line["record_headers"][0]["name"], "trace");
}

#[test]
fn a_letter_that_stands_twice_is_one_and_a_stranger_is_none() {
    let shop = Shop::embedded();
    let places = append(&mut shop.log().appender(), &records(2_000)[..3]);
    shop.run();
    let log = shop.log();
    let letters = read_topic(&mut log.source("punches.dlq").unwrap());
    let mut appender = log.appender();
    for letter in &letters {
        // As a processor does that was killed behind its letter and before its commit.
        let mut headers: Vec<source::Header<'_>> =
            letter.headers.iter().map(|(name, value)| (name.as_str(), Some(value.as_bytes()))).collect();
        // The record's own come first, and a letter's begin with its topic.
        headers.sort_by_key(|(name, _)| (name.starts_with("dlq."), *name != "dlq.topic"));
        let copy = NewRecord {
            key: Some(letter.key.as_bytes()),
            value: Some(&letter.value),
            headers: &headers,
            partition: None,
        };
        appender.append("punches.dlq", &[copy]).unwrap();
    }
    let stranger = NewRecord { key: Some(b"p1"), value: Some(b"hello"), ..NewRecord::default() };
    appender.append("punches.dlq", &[stranger]).unwrap();
    drop((appender, log));

    assert_eq!(origins(&shop.list("")), sorted(&places[1..]));
    let words = ["2 dead letters in topic punches.dlq: too_large 2", "1 record is no dead letter", "dlq."];
    shop.expect("dlq list -c muster.toml", 0, &words);
    shop.limit(LIMITS[1]);
    assert_eq!(shop.replay(0, "--all"), [json!(2), json!(2), json!(2), json!(0), json!(0)]);
    let ran = shop.run();
    assert_eq!((&ran["accepted"], &ran["duplicates"]), (&json!(2), &json!(0)), "{ran}");
}

/// The embedded log takes records of 8 MiB, with key and headers.
#[test]
fn what_the_topic_does_not_take_again_is_left_out_alone() {
    const TAKEN: usize = 8 << 20;
    let shop = Shop::embedded();
    let sized = |event_id: &str, bytes: usize| {
        let rest = punch("p1", event_id, 0).len();
        (Some("p1"), Some(punch("p1", event_id, bytes - rest).into_bytes()), None)
    };
    // Both are too large for a letter; the second one also for a record that says where it came from.
    let records = [sized("fits", TAKEN - 100), sized("full", TAKEN - 2), sized("large", 3_000)];
    let places = append(&mut shop.log().appender(), &records);
    shop.run();
    assert_eq!(shop.list("").iter().filter(|letter| letter["is_kept"] == true).count(), 2);
    shop.limit(TAKEN);
    let text = shop.expect("dlq replay -c muster.toml --all", 1, &[&places[1], "left out", "8388608"]);
    assert!(
        text.starts_with("3 dead letters: 2 appended again to topic punches; 2 can be read as punches now"),
        "{text}"
    );
    shop.run();
    assert_eq!(shop.punches(), ["fits", "large"]);
}

#[test]
fn wrong_use_is_told() {
    let shop = Shop::embedded();
    let config = "-c muster.toml";
    shop.expect("dlq", 2, &["Usage"]);
    shop.expect("dlq list", 2, &["--config <FILE>", "--lake <PLACE>"]);
    shop.expect("dlq list -c nosuch.toml", 2, &["nosuch.toml"]);
    shop.expect("dlq list --lake nosuch", 2, &["nosuch: no dead letters of replays there", "help: "]);
    shop.expect(&format!("dlq list {config}"), 2, &["no log in", "help: "]);
    assert!(!shop.path("log").exists() && !shop.path("lake").exists(), "a list made something");

    // A log without a letter.
    append(&mut shop.log().appender(), &records(2_000)[..1]);
    shop.run();
    assert_eq!(shop.list("").len(), 0);
    shop.expect(&format!("dlq list {config}"), 0, &["no dead letters in topic punches.dlq"]);
    shop.expect(&format!("dlq replay {config} --all"), 0, &["no dead letters of that kind"]);
    assert!(shop.log().identity("punches.dlq").is_none(), "a list made the topic");

    append(&mut shop.log().appender(), &records(2_000)[1..2]);
    shop.run();
    for place in ["41", "punches", "punches/0", "punches/x/1", "punches/0/-1", "/0/1", "a/b/0/1"] {
        shop.expect(&format!("dlq show {config} {place}"), 2, &["PARTITION/OFFSET", "invalid value"]);
    }
    for place in ["0/977", "1/977", "other/0/1"] {
        let told = [format!("no dead letter of {place}"), "`muster dlq list` names".to_owned()];
        let told: Vec<&str> = told.iter().map(String::as_str).collect();
        shop.expect(&format!("dlq show {config} {place}"), 2, &told);
        shop.expect(&format!("dlq replay {config} {place}"), 2, &told);
    }
    let letter = shop.list("")[0]["origin"].as_str().unwrap().to_owned();
    shop.expect(&format!("dlq replay {config} {letter} 0/977"), 2, &["no dead letter of 0/977"]);
    assert_eq!(shop.list("")[0]["replayed_to"], json!([]), "nothing is appended unless all are found");
    shop.expect(&format!("dlq replay {config}"), 2, &["which letters", "--all"]);
    shop.expect(&format!("dlq replay {config} {letter} --all"), 2, &["cannot be used with"]);
    shop.expect(
        &format!("dlq replay {config} --all --out x.ndjson"),
        2,
        &["--out is for the letters of replayed files"],
    );
    shop.expect(&format!("dlq list {config} --since yesterday"), 2, &["--since"]);
    shop.expect(&format!("dlq list {config} --code to_large"), 0, &["none of the 1 dead letter"]);

    // The embedded log is one process's.
    let open = shop.log();
    let holder = format!("process {}", std::process::id());
    for action in ["list", "replay --all"] {
        let line = format!("dlq {action} {config}");
        shop.expect(&line, 3, &[&holder, "stop the other, most likely `muster run`"]);
    }
    drop(open);
    shop.expect(&format!("dlq replay {config} --all"), 0, &["1 appended again", "`muster run` takes them"]);
}

#[test]
fn letters_of_replayed_files_go_into_a_new_one() {
    let shop = Shop::embedded();
    let good = [
        punch("p1", "good", 1),
        punch("p1", "large-1", 2_000),
        "{oops".into(),
        punch("p2", "large-2", 2_000),
    ];
    std::fs::write(shop.path("p.ndjson"), good.join("\n")).unwrap();
    let replay = |file: &str| shop.expect(&format!("replay -c muster.toml {file} --json"), 1, &[]);
    replay("p.ndjson");
    let letters = shop.list("");
    assert_eq!(letters.len(), 3);
    let topic = letters[0]["topic"].as_str().unwrap().to_owned();
    assert!(topic.starts_with("file:"), "{topic}");
    let in_lake = ["3 dead letters in", "dead_letters.ndjson", "not_json 1", &format!("{topic}/0/2")];
    shop.expect("dlq list --lake lake", 0, &in_lake);
    shop.expect("dlq show --lake lake 0/2", 0, &["no JSON", "{⟪here⟫oops"]);
    shop.expect("dlq replay -c muster.toml --all", 2, &["--out FILE"]);
    shop.expect("dlq replay -c muster.toml --all --dry-run", 0, &["3 would be written to a file"]);

    // Before the fix: they come back, from the new file, and say from where.
    let none = Value::Null;
    let first = shop.replay(0, "--code too_large --out again.ndjson");
    assert_eq!(first, [json!(2), json!(2), none.clone(), json!(0), json!(0)]);
    shop.expect("dlq replay -c muster.toml 0/2 --out again.ndjson", 2, &["again.ndjson"]);
    replay("again.ndjson");
    let letters = shop.list("--code too_large");
    assert_eq!(letters.len(), 4);
    let back =
        letters.iter().find(|letter| letter["replayed_from"] == json!([format!("{topic}/0/3")])).unwrap();
    let old = letters.iter().find(|letter| letter["origin"] == format!("{topic}/0/3")).unwrap();
    assert_eq!(old["replayed_to"][0]["place"], back["origin"]);
    shop.expect("dlq show -c muster.toml 0/1", 2, &["0/1 may be file:", "name the topic"]);

    // With the fix, the same bytes in a file that is another one.
    shop.limit(LIMITS[1]);
    let second = shop.replay(0, "--code too_large --out fixed.ndjson");
    assert_eq!(second, [json!(4), json!(2), none, json!(2), json!(0)]);
    let ran = shop.expect("replay -c muster.toml fixed.ndjson --json", 0, &[]);
    let ran: Value = serde_json::from_str(ran.lines().last().unwrap()).unwrap();
    assert_eq!((&ran["accepted"], &ran["rejected"]), (&json!(2), &json!(0)), "{ran}");
    assert_eq!(shop.punches(), ["good", "large-1", "large-2"]);
    // What no line can hold is left out, and a file for nothing is not left behind.
    assert_eq!(shop.replay(0, "--code too_large --out more.ndjson")[1], json!(0));
    assert!(!shop.path("more.ndjson").exists());
}

/// Tests that need a broker with topics of their own names.
mod private_broker {
    use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
    use rdkafka::client::DefaultClientContext;
    use rdkafka::config::ClientConfig;
    use source::kafka::{KafkaLog, KafkaOptions};
    use tests::broker::{Broker, Settings};
    use tests::topic::make_punches;

    use super::*;

    /// What the dead-letter topic takes: a large punch's letter is more.
    const LETTER_BYTES_MAX: usize = 2_000;

    fn make_dead_letters(bootstrap: &str) {
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", bootstrap).create().unwrap();
        let bytes = LETTER_BYTES_MAX.to_string();
        let new =
            NewTopic::new("punches.dlq", 2, TopicReplication::Fixed(1)).set("max.message.bytes", &bytes);
        let options = AdminOptions::new().request_timeout(Some(Duration::from_secs(60)));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(admin.create_topics(&[new], &options)).unwrap()[0].as_ref().unwrap();
    }

    fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            assert!(begun.elapsed() < Duration::from_secs(60), "{what}: not within a minute");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Asks it to end, and waits.
    fn end(mut child: std::process::Child) {
        let id = child.id().to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let status = child.wait().unwrap();
        assert!(matches!(status.code(), Some(0 | 1)), "{status}");
    }

    fn files(folder: &Path) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        files
    }

    #[test]
    fn records_too_large_for_a_letter_are_kept_and_replayed_beside_a_running_processor() {
        let broker = Broker::start(Settings::default());
        let bootstrap = broker.bootstrap();
        make_punches(&bootstrap, "punches", PARTITIONS);
        make_dead_letters(&bootstrap);
        let shop = Shop::new(&format!("kind = \"kafka\"\nbrokers = \"{bootstrap}\"\n"));
        let mut options = KafkaOptions::new(&bootstrap, "punches", "test");
        options.client_id = "test".into();
        let log = KafkaLog::open(options, muster::wall_clock()).unwrap();
        let places = append(&mut log.appender(), &records(3_000));
        let ran = shop.run();
        assert_eq!((&ran["accepted"], &ran["rejected"]), (&json!(1), &json!(6)), "{ran}");

        // The large ones stand beside the lake, their letters without them.
        let kept = files(&shop.path("lake/_muster/dead_letters"));
        assert_eq!(kept.len(), 3, "{kept:?}");
        let mut reader = log.reader("punches.dlq").unwrap();
        let letters = read_topic(&mut reader);
        assert_eq!(letters.len(), 6);
        let pointing = letters.iter().filter(|letter| letter.headers.contains_key("dlq.kept"));
        assert!(pointing.clone().all(|letter| letter.value.is_empty()));
        assert_eq!(pointing.count(), 3);
        let listed = shop.list("");
        assert_eq!(origins(&listed), sorted(&places[1..]));
        assert_eq!(listed.iter().filter(|letter| letter["is_kept"] == true).count(), 3);
        let said = ["kept in", "SHA-256", "traced", "\"event_id\": \"large-1\""];
        shop.expect(&format!("dlq show -c muster.toml {}", places[1]), 0, &said);
        let bytes = shop.expect(&format!("dlq show -c muster.toml {} --bytes", places[1]), 0, &[]);
        assert_eq!(bytes.as_bytes(), records(3_000)[1].1.as_deref().unwrap());

        // One of them is lost for a while: it is left out, and the others are not held up by it.
        let [away, back] = [shop.path("away"), kept[0].clone()];
        std::fs::rename(&back, &away).unwrap();
        let lost = back.file_name().unwrap().to_str().unwrap().to_owned();
        let place = listed.iter().find(|letter| letter["origin"] == lost.replace('.', "/")).unwrap();
        let place = place["origin"].as_str().unwrap().to_owned();
        shop.expect(
            &format!("dlq show -c muster.toml {place}"),
            3,
            &["too_large", "read kept record", &lost],
        );

        // A processor runs with the fix, and takes what is replayed as it comes.
        shop.limit(LIMITS[1]);
        let running = shop.program("run -c muster.toml").spawn();
        let text = shop.expect(
            "dlq replay -c muster.toml --code too_large",
            1,
            &[&place, "left out", "2 appended again"],
        );
        assert!(text.contains("a running processor takes them"), "{text}");
        wait_for("two large punches in the lake", || shop.punches().len() == 3);
        std::fs::rename(&away, &back).unwrap();
        assert_eq!(shop.replay(0, "--all"), [json!(6), json!(4), json!(1), json!(2), json!(0)]);
        wait_for("the third one", || shop.punches().len() == 4);
        // The three that are no punch came back, each naming its origin.
        wait_for("three letters that came back", || shop.list("").len() == 9);
        end(running);
        assert_eq!(shop.punches(), ["good", "large-1", "large-2", "large-3"]);
        let letters = shop.list("");
        let from = |letter: &Value| letter["replayed_from"][0].as_str().map(str::to_owned);
        let mut came_back: Vec<String> = letters.iter().filter_map(from).collect();
        came_back.sort_unstable();
        assert_eq!(came_back, sorted(&places[4..]));
        shop.run();
        assert_eq!(
            shop.rejects(),
            ["not_json 2", "not_utf8 2", "null_value 2", "too_large 3"],
            "no repeats, no misplaced"
        );
    }

    #[test]
    fn a_topic_without_letters_has_none() {
        let broker = Broker::start(Settings::default());
        make_punches(&broker.bootstrap(), "punches", 1);
        let shop = Shop::new(&format!("kind = \"kafka\"\nbrokers = \"{}\"\n", broker.bootstrap()));
        // Nobody has made it yet.
        assert_eq!(shop.list("").len(), 0);
        shop.expect("dlq replay -c muster.toml --all", 2, &["no lake in"]);
        shop.run();
        shop.expect("dlq list -c muster.toml", 0, &["no dead letters in topic punches.dlq"]);
        shop.expect("dlq show -c muster.toml 0/0", 2, &["no dead letter of 0/0"]);
        drop(broker);
        shop.expect("dlq list -c muster.toml", 3, &[]);
    }
}

/// Makes every append to the dead-letter topic fail, or lets it be again.
fn break_letters(shop: &Shop, is_broken: bool) {
    let file = rusqlite::Connection::open(shop.path("log/log.sqlite")).unwrap();
    let topic: i64 =
        file.query_row("SELECT id FROM topics WHERE name = 'punches.dlq'", [], |row| row.get(0)).unwrap();
    let mut partitions = file.prepare("SELECT partition FROM partitions WHERE topic = ?1").unwrap();
    let partitions: Vec<i64> =
        partitions.query_map([topic], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    for partition in partitions {
        let (name, table) = (format!("broken_{partition}"), format!("log_{topic}_{partition}"));
        let sql = if is_broken {
            format!(
                "CREATE TRIGGER {name} BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'the topic is down'); END"
            )
        } else {
            format!("DROP TRIGGER {name}")
        };
        file.execute_batch(&sql).unwrap();
    }
}

#[test]
fn a_dead_letter_topic_that_is_down_stops_progress_and_loses_no_letter() {
    let shop = Shop::embedded();
    let good = |event_id: &'static str| -> Record {
        (Some("p1"), Some(punch("p1", event_id, 1).into_bytes()), None)
    };
    // The topic is made with its first letter.
    let before = append(&mut shop.log().appender(), &[good("first"), (Some("p1"), None, None)]);
    assert_eq!(shop.run()["accepted"], 1);
    break_letters(&shop, true);
    let broken: Record = (Some("p1"), Some(b"{oops".to_vec()), None);
    let places = append(&mut shop.log().appender(), &[good("second"), broken, good("third")]);
    for _ in 0..2 {
        let ran = shop.muster("run -c muster.toml --until 2026-11-03T00:00:00+08:00");
        assert_eq!(ran.code, Some(3), "{}", ran.told());
        assert!(ran.said().contains("dlq"), "it names the topic: {}", ran.told());
        // The frontier never passes the record whose letter is not written, so that nothing behind it is taken either.
        assert!(!shop.punches().contains(&"third".to_owned()));
    }
    assert_eq!(shop.list("").len(), 1);
    break_letters(&shop, false);
    let ran = shop.run();
    assert_eq!(ran["rejected"], 1, "{ran}");
    assert_eq!(shop.punches(), ["first", "second", "third"]);
    assert_eq!(origins(&shop.list("")), [before[1].as_str(), &places[1]], "once, where it was");
    assert_eq!(shop.rejects(), ["not_json 1", "null_value 1"]);
}

#[test]
fn letters_are_found_by_what_is_known_of_them_and_settled_with_a_reason() {
    let shop = Shop::embedded();
    let places = append(&mut shop.log().appender(), &records(2_000));
    shop.run();
    let of = |filter: &str| shop.list(filter).len();
    assert_eq!((of("--stage decode"), of("--stage other"), of("--stage decode --stage other")), (6, 0, 6));
    assert_eq!((of("--topic punches"), of("--topic others")), (6, 0));
    assert_eq!(of("--partition 0") + of("--partition 1"), 6);
    let (partition, offset) = places[1].strip_prefix("punches/").unwrap().split_once('/').unwrap();
    let offset: i64 = offset.parse().unwrap();
    let one = format!("--partition {partition} --offsets {offset}..{}", offset + 1);
    assert_eq!(origins(&shop.list(&one)), [places[1].as_str()]);
    assert_eq!(of(&format!("--offsets {}..", i64::MAX - 1)), 0);
    assert_eq!((of("--key elsewhere"), of("--key nobody")), (1, 0));
    assert_eq!((of("--until 2126-01-01T00:00:00Z"), of("--until 2026-01-01T00:00:00Z")), (6, 0));
    shop.expect("dlq list -c muster.toml --offsets 7", 2, &["FROM..UNTIL"]);

    let drop = |code: i32, more: &str, words: &[&str]| {
        let line = format!("dlq drop -c muster.toml --by ops {more}");
        let program = shop.program(&line).arg("--note").arg("probes of the gateway");
        let ran = program.run();
        assert_eq!(ran.code, Some(code), "{}", ran.told());
        words.iter().for_each(|word| assert!(ran.told().contains(word), "no `{word}`: {}", ran.told()));
    };
    drop(2, "", &["which letters"]);
    drop(0, "--code not_json --code not_utf8 --dry-run", &["2 dead letters: 2 would be settled"]);
    assert_eq!(of(""), 6);
    drop(0, "--code not_json --code not_utf8", &["2 settled; nothing was deleted"]);
    drop(0, "--code not_json --code null_value", &["1 settled", "1 were settled or replayed before"]);
    assert_eq!((of(""), of("--settled")), (3, 6));
    let settled = shop.list("--settled --code not_json");
    assert_eq!(settled[0]["dropped"]["by"], "ops");
    assert_eq!(settled[0]["dropped"]["note"], "probes of the gateway");
    assert!(settled[0]["dropped"]["at"].is_string());
    shop.expect("dlq list -c muster.toml", 0, &["3 more settled by `muster dlq drop`"]);
    let torn = &places[4];
    shop.expect(&format!("dlq show -c muster.toml {torn}"), 0, &["by ops: probes of the gateway", "torn"]);
    let bytes = shop.expect(&format!("dlq show -c muster.toml --bytes {torn}"), 0, &[]);
    assert_eq!(bytes, "{\"event_id\": \"torn\", oops", "its bytes stay");

    // A replay of all passes them over; one that is named is meant.
    assert_eq!(shop.replay(0, "--all --dry-run")[..2], [json!(3), json!(3)]);
    assert_eq!(shop.replay(0, torn)[..2], [json!(1), json!(1)]);
    drop(0, torn, &["0 settled", "1 were settled or replayed before"]);
}
