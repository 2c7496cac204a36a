//! Lakes that cannot be written, belong to another log, or are worked on by another process: exit code 3, nothing touched.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use model::EventTime;
use source::embedded::Options;
use source::{Append, EmbeddedLog, NewRecord};

use super::shop::{CONFIG, Shop, check, lines, punch, summary};

const RUN: &str = "run --json --until 2026-11-05T00:00:00Z -c";

/// Long enough for any start, and shorter than the tries of a lake that may come back.
const AT_ONCE: Duration = Duration::from_secs(20);

/// A shop with one punch in a file and in its log.
fn shop() -> Shop {
    let shop = Shop::new();
    shop.put("p.ndjson", lines([punch("a").to_string()]));
    let now = EventTime::from("2026-11-02T04:00:00Z".parse::<jiff::Timestamp>().unwrap());
    let options = Options { partitions: 2, ..Options::default() };
    let log = EmbeddedLog::open(&shop.path("log"), options, Arc::new(move || now)).unwrap();
    log.create_topic("punches", 2).unwrap();
    let value = punch("b").to_string();
    let record = NewRecord { key: Some(b"p1"), value: Some(value.as_bytes()), ..NewRecord::default() };
    log.appender().append("punches", &[record]).unwrap();
    shop
}

/// Puts something in the way, expects both commands to stop at once with a remedy and to leave it alone, and a replay to do its work once it
/// has been moved away.
fn blocked(file: &str, lines: &[&str]) {
    let shop = shop();
    shop.put(file, "in the way");
    for line in lines {
        check(&shop.program(line).limit(AT_ONCE).run(), 3, &["lake", "move it"]);
        assert_eq!(fs::read(shop.path(file)).unwrap(), b"in the way", "{line} has overwritten {file}");
    }
    let away = shop.path("away");
    fs::rename(shop.path(file), away).unwrap();
    if file.contains("dead_letters") {
        fs::remove_dir(shop.path("lake/dead_letters.ndjson")).unwrap();
    }
    let ran = shop.muster(lines[0]);
    check(&ran, 0, &[]);
    assert_eq!(summary(&ran), [1, 0, 0], "{file}");
    assert_eq!(shop.count("lake", "punches"), 1, "{file}");
}

const REPLAY: &str = "replay -c muster.toml --json p.ndjson";

#[test]
fn a_plain_file_in_the_way_of_the_lake_stops_the_run() {
    let run = format!("{RUN} muster.toml");
    blocked("lake", &[&run, REPLAY]);
    blocked("lake", &[REPLAY]);
    blocked("lake/_muster", &[&run, REPLAY]);
    blocked("lake/sites", &[&run]);
}

#[test]
fn a_plain_file_in_the_way_of_a_table_stops_the_run() {
    blocked("lake/punches", &[REPLAY]);
}

#[test]
fn a_folder_in_the_way_of_the_dead_letters_stops_the_replay() {
    blocked("lake/dead_letters.ndjson/file", &[REPLAY]);
}

#[test]
fn a_lake_below_a_plain_file_or_at_an_unknown_store_is_told() {
    let shop = shop();
    shop.put("plain", "x");
    check(
        &shop.muster("replay -c muster.toml --lake plain/below p.ndjson"),
        3,
        &["plain/below", "a file stands where a folder"],
    );
    check(&shop.muster("replay -c muster.toml --lake gopher://x/y p.ndjson"), 2, &["gopher"]);
    assert_eq!(fs::read(shop.path("plain")).unwrap(), b"x");
}

#[test]
fn a_live_logs_lake_takes_no_replay_and_no_other_log() {
    let shop = shop();
    shop.put("log2.toml", CONFIG.replace("\"log\"", "\"log2\""));
    shop.put("topic2.toml", CONFIG.replace("dir =", "topic = \"other\"\ndir ="));
    shop.put("four.toml", CONFIG.replace("partitions = 2", "partitions = 4"));
    check(&shop.muster(&format!("{RUN} muster.toml")), 0, &[]);
    let before = shop.count("lake", "punches");
    assert_eq!(before, 1);
    check(
        &shop.muster("replay -c muster.toml p.ndjson"),
        3,
        &["replay into lake", "it belongs to the live log", "a folder of their own"],
    );
    let other = ["open lake", "it belongs to log", "name that log, or another folder"];
    check(&shop.muster(&format!("{RUN} log2.toml")), 3, &other);
    check(&shop.muster(&format!("{RUN} topic2.toml")), 3, &other);
    check(&shop.muster(&format!("{RUN} four.toml")), 3, &["2 partitions, not 4", "keep the number"]);
    assert_eq!(shop.count("lake", "punches"), before);
    let ran = shop.muster(&format!("{RUN} muster.toml"));
    check(&ran, 0, &[]);
    assert_eq!(summary(&ran), [0, 0, 0], "its own log goes on as before");
}

#[test]
fn a_lake_of_replays_takes_no_live_log() {
    let shop = shop();
    check(&shop.muster("replay -c muster.toml p.ndjson"), 0, &[]);
    check(
        &shop.muster(&format!("{RUN} muster.toml")),
        3,
        &["it holds replayed files", "give the live log a folder of its own"],
    );
    assert_eq!(shop.count("lake", "punches"), 1);
    assert_eq!(summary(&shop.muster("replay -c muster.toml --json p.ndjson")), [0, 0, 0]);
}

#[test]
fn one_process_works_on_a_lake_or_a_log() {
    let shop = shop();
    check(&shop.muster("replay -c muster.toml p.ndjson"), 0, &[]);
    let lock = fs::File::options().write(true).open(shop.path("lake/_muster/lock")).unwrap();
    lock.lock().unwrap();
    check(
        &shop.muster("replay -c muster.toml p.ndjson"),
        3,
        &["lake", "works on it", "wait for it or stop it"],
    );
    assert_eq!(shop.count("lake", "punches"), 1, "reading needs no lock");
    drop(lock);
    check(&shop.muster("replay -c muster.toml p.ndjson"), 0, &[]);

    fs::remove_dir_all(shop.path("lake")).unwrap();
    let now = EventTime::from_us(0);
    let log = EmbeddedLog::open(&shop.path("log"), Options::default(), Arc::new(move || now)).unwrap();
    check(&shop.muster(&format!("{RUN} muster.toml")), 3, &["log"]);
    drop(log);
    check(&shop.muster(&format!("{RUN} muster.toml")), 0, &[]);
}

#[test]
fn a_lake_that_was_damaged_or_made_by_a_later_program_is_not_touched() {
    for (text, told) in [
        ("{\"format\": 4, \"live\": null}", "use a newer muster"),
        ("{\"for", "lake.json: it is damaged"),
        ("", "lake.json: it is damaged"),
    ] {
        let shop = shop();
        shop.put("lake/_muster/lake.json", text);
        check(&shop.muster("replay -c muster.toml p.ndjson"), 3, &[told]);
        assert_eq!(fs::read_to_string(shop.path("lake/_muster/lake.json")).unwrap(), text);
    }
}

#[test]
fn a_log_that_is_no_log_is_told() {
    let shop = Shop::new();
    shop.put("log", "a plain file");
    check(&shop.muster(&format!("{RUN} muster.toml")), 3, &["log", "help: "]);
    let shop = Shop::new();
    shop.put("log/log.sqlite", "certainly no database: certainly no database: certainly no database");
    check(&shop.muster(&format!("{RUN} muster.toml")), 3, &["log.sqlite"]);
}

#[test]
fn a_dead_letter_file_that_holds_something_else_is_not_overwritten() {
    let shop = shop();
    shop.put("lake/dead_letters.ndjson", "my notes\n");
    check(
        &shop.muster("replay -c muster.toml p.ndjson"),
        3,
        &["dead_letters.ndjson line 1: no dead letter", "move the file away"],
    );
    assert_eq!(fs::read_to_string(shop.path("lake/dead_letters.ndjson")).unwrap(), "my notes\n");
}
