//! The whole pipeline as a process that is killed again and again: nothing is lost, nothing is doubled, every statistic
//! equals a recount.
//!
//! In: the office year (real where `$MUSTER_DATA` has it), a seed.  Out: promises P1–P4 and P8 of the design, checked by
//! oracles that share no code with the rooms they judge.

// A test that cannot go on panics, and says on standard output what it ran on.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "whole/broker_clocks.rs"]
mod broker_clocks;
#[path = "whole/erase.rs"]
mod erase;
#[path = "whole/evidence.rs"]
mod evidence;
#[path = "whole/inbox.rs"]
mod inbox;
#[path = "whole/kill_points.rs"]
mod kill_points;
#[path = "whole/misplaced.rs"]
mod misplaced;
#[path = "whole/repartition.rs"]
mod repartition;
#[path = "whole/requests.rs"]
mod requests;
#[path = "whole/reset_clock.rs"]
mod reset_clock;
#[path = "whole/retention.rs"]
mod retention;
#[path = "whole/seals.rs"]
mod seals;
#[path = "whole/shadow.rs"]
mod shadow;
#[path = "whole/snapshots.rs"]
mod snapshots;
#[path = "whole/store.rs"]
mod store;
#[path = "whole/swaps.rs"]
mod swaps;
#[path = "whole/upgrade.rs"]
mod upgrade;
#[path = "whole/zones.rs"]
mod zones;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use model::EventTime;
use model::position::partition_of;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use source::embedded::Options;
use source::{Append, EmbeddedLog, Source};
use tests::lake_reader::LakeReader;
use tests::office::{Office, What};
use tests::oracles::{
    broken_origins, check_ledger, check_months, check_offsets, check_punches, check_versions, local_date,
    push_version,
};
use tests::program::Program;
use tests::topic::read_topic;

const PARTITIONS: u32 = 3;
const KILLS: usize = 20;
/// Of these, kills between the commit of one table and that of the next.
const KILLS_BETWEEN: usize = 5;

const LIMITS: &str = "\n[lake]\nurl = \"lake\"\ncommit_every_ms = 60\n\n[limits]\nbatch_records_max = 100\n";

fn seed() -> u64 {
    let seed = std::env::var("MUSTER_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_201_231);
    println!("MUSTER_SEED={seed}");
    seed
}

fn config(folder: &Path, more: &str) {
    let reference =
        "[reference]\nsites = \"sites.geojson\"\npeople = \"people.ndjson\"\nshifts = \"shifts.ndjson\"\n";
    std::fs::write(folder.join("muster.toml"), format!("{reference}{more}{LIMITS}")).unwrap();
}

#[test]
fn a_year_on_the_embedded_log_survives_being_killed() {
    let seed = seed();
    let office = Office::new(seed, true);
    let folder = tempfile::tempdir().unwrap();
    office.write_reference(folder.path());
    let live =
        "\n[source]\ndir = \"log\"\nclock = \"record\"\npartitions = 3\n\n[results]\ntopic = \"results\"\n";
    config(folder.path(), live);
    let origins = fill_log(&folder.path().join("log"), &office);
    let command = ["run", "-c", "muster.toml", "--until", "2021-02-01T00:00:00+08:00", "--json"];
    let between = run_with_kills(folder.path(), &command, seed);
    println!("{between} kills between two table commits");
    assert!(between >= KILLS_BETWEEN, "only {between} kills fell between two table commits");

    let lake = LakeReader::open(&folder.path().join("lake"));
    let log = open_log(&folder.path().join("log"));
    check_ledger(&lake, &topics_of(&log), &office, &origins);
    check_published(&mut log.source("results").unwrap(), lake.versions("shift_results", "shift_id"));
    check_months(&lake, &office, |employee_id| {
        let own = partition_of(employee_id.as_bytes(), PARTITIONS);
        let mine =
            office.records.iter().filter(|record| partition_of(record.key.as_bytes(), PARTITIONS) == own);
        mine.filter(|record| record.what == What::Punch).map(local_date).next().unwrap()
    });
}

#[test]
fn a_year_from_a_file_survives_being_killed_and_adds_nothing_twice() {
    let seed = seed();
    let office = Office::new(seed ^ 1, false);
    let folder = tempfile::tempdir().unwrap();
    office.write_reference(folder.path());
    config(folder.path(), "");
    std::fs::write(folder.path().join("punches.ndjson"), office.ndjson()).unwrap();
    let command = ["replay", "-c", "muster.toml", "punches.ndjson", "--json"];
    let between = run_with_kills(folder.path(), &command, seed);
    println!("{between} kills between two table commits");

    let lake = LakeReader::open(&folder.path().join("lake"));
    check_punches(&lake, &office);
    let origins: Vec<(u32, i64)> = (0..office.records.len()).map(|line| (0, line as i64)).collect();
    check_offsets(&lake, &origins);
    let letters = std::fs::read_to_string(folder.path().join("lake/dead_letters.ndjson")).unwrap();
    let mut found = BTreeSet::new();
    for line in letters.lines() {
        let letter: serde_json::Value = serde_json::from_str(line).unwrap();
        let header = |name: &str| letter["headers"][name].as_str().unwrap().parse::<i64>().unwrap();
        assert!(
            found.insert((header("dlq.partition") as u32, header("dlq.offset"))),
            "a letter twice in the file"
        );
    }
    assert_eq!(found, broken_origins(&office, &origins));
    let alerts = std::fs::read_to_string(folder.path().join("lake/alerts.ndjson")).unwrap();
    let mut versions = BTreeMap::new();
    for line in alerts.lines() {
        push_version(&mut versions, &serde_json::from_str(line).unwrap());
    }
    check_versions(&versions, "alerts.ndjson");
    check_versions(&lake.versions("anomalies", "anomaly_id"), "anomalies");
    check_versions(&lake.versions("shift_results", "shift_id"), "shift_results");
    let first = office.records.iter().find(|record| record.what == What::Punch).map(local_date).unwrap();
    check_months(&lake, &office, |_| first);

    // Again, and the second half of it as a file of its own: nothing is added.
    let before = (lake.count("punches"), lake.count("shift_results"), lake.count("anomalies"), alerts.len());
    let bytes = office.ndjson();
    let middle =
        bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(office.records.len() / 2).unwrap().0;
    std::fs::write(folder.path().join("half.ndjson"), &bytes[middle + 1..]).unwrap();
    for file in ["punches.ndjson", "half.ndjson"] {
        let ran = Program::new()
            .args(["replay", "-c", "muster.toml", file, "--json"])
            .in_folder(folder.path())
            .run();
        assert!(matches!(ran.code, Some(0 | 1)), "{}", ran.stderr);
        let summary: serde_json::Value = serde_json::from_str(ran.stdout.lines().last().unwrap()).unwrap();
        assert_eq!(summary["accepted"], 0, "{file}: {summary}");
    }
    let lake = LakeReader::open(&folder.path().join("lake"));
    let alerts = std::fs::read_to_string(folder.path().join("lake/alerts.ndjson")).unwrap();
    let after = (lake.count("punches"), lake.count("shift_results"), lake.count("anomalies"), alerts.len());
    assert_eq!(after, before, "punches, shift results, anomalies, bytes of alerts");
}

#[test]
fn the_other_exports_replay_whole() {
    let Some(data) = std::env::var_os("MUSTER_DATA").map(std::path::PathBuf::from) else {
        println!("MUSTER_DATA is not set: the college's and the terminal's exports were not replayed");
        return;
    };
    for (file, distinct) in [("attlog-college.dat", 5_567_u64), ("terminal-cn.csv", 3_391)] {
        let folder = tempfile::tempdir().unwrap();
        let zone =
            "[import]\ntime_zone = \"Asia/Hong_Kong\"\nstate = \"ignored\"\n\n[lake]\nurl = \"lake\"\n";
        std::fs::write(folder.path().join("muster.toml"), zone).unwrap();
        let path = data.join("punches").join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let records = lines.iter().filter(|line| !line.starts_with("登记号码")).count() as u64;
        assert_eq!(records, distinct, "the file is another one");
        let ran = Program::new()
            .args(["replay", "-c", "muster.toml", path.to_str().unwrap(), "--json"])
            .in_folder(folder.path())
            .run();
        assert!(matches!(ran.code, Some(0 | 1)), "{}", ran.stderr);
        let summary: serde_json::Value = serde_json::from_str(ran.stdout.lines().last().unwrap()).unwrap();
        println!("{file}: {summary}");
        assert_eq!(summary["punches"], records);
        assert_eq!(summary["rejected"], 0, "{}", ran.stderr);
        let repeats = records
            - lines.iter().filter(|l| !l.starts_with("登记号码")).collect::<BTreeSet<_>>().len() as u64;
        assert_eq!(summary["duplicates"], repeats);
        assert_eq!(LakeReader::open(&folder.path().join("lake")).count("punches") as u64, records - repeats);
    }
}

/// Last year's export of a time clock, read after this year's: its records are behind what the same device has told
/// since, but not behind anything in their own file.
#[test]
fn an_older_file_read_later_is_no_lying_clock() {
    let folder = tempfile::tempdir().unwrap();
    config_of_imports(folder.path());
    for (file, month) in [("new.dat", "2026-11"), ("old.dat", "2026-01")] {
        let line = |day: u32| {
            format!("7\t{month}-{day:02} 08:59:00\t1\t0\t1\t0\n7\t{month}-{day:02} 18:01:00\t1\t1\t1\t0\n")
        };
        std::fs::write(folder.path().join(file), (2..20).map(line).collect::<String>()).unwrap();
        let ran = Program::new()
            .args(["replay", "-c", "muster.toml", file, "--json"])
            .in_folder(folder.path())
            .run();
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    }
    let lake = LakeReader::open(&folder.path().join("lake"));
    let suspect = lake.sql("SELECT event_id FROM punches WHERE array_has(reasons, 'clock_suspect')");
    assert_eq!(suspect.iter().map(RecordBatch::num_rows).sum::<usize>(), 0);
    assert_eq!(lake.count("punches"), 72);
}

fn config_of_imports(folder: &Path) {
    let text = "[import]\ntime_zone = \"Asia/Hong_Kong\"\n\n[lake]\nurl = \"lake\"\n";
    std::fs::write(folder.join("muster.toml"), text).unwrap();
}

/// The embedded log of a processor that has ended.
fn open_log(dir: &Path) -> EmbeddedLog {
    EmbeddedLog::open(dir, Options::default(), Arc::new(|| EventTime::from_ms(0))).unwrap()
}

/// Opens topics of the log from their beginnings.
fn topics_of(log: &EmbeddedLog) -> impl Fn(&str) -> Box<dyn Source> {
    |topic| Box::new(log.source(topic).unwrap())
}

/// Appends the records to a new log; where each one landed.
fn fill_log(dir: &Path, office: &Office) -> Vec<(u32, i64)> {
    let options = Options { partitions: PARTITIONS, ..Options::default() };
    let wall = Arc::new(|| EventTime::from(jiff::Timestamp::now()));
    let log = EmbeddedLog::open(dir, options, wall).unwrap();
    let mut appender = log.appender();
    let mut origins = Vec::new();
    for records in office.records.chunks(1_000) {
        let new: Vec<_> = records.iter().map(tests::office::Record::to_append).collect();
        let landed = appender.append("punches", &new).unwrap();
        origins.extend(landed.into_iter().map(|(partition, offset)| (partition.number(), offset.get())));
    }
    origins
}

/// Every version of every result is published, under its person's id; what is published again after a kill comes in order, too.
fn check_published(topic: &mut dyn Source, mut stored: BTreeMap<String, Vec<i64>>) {
    stored.values_mut().for_each(|versions| versions.sort_unstable());
    let mut published: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for record in read_topic(topic) {
        let body: serde_json::Value = serde_json::from_slice(&record.value).unwrap();
        let text = |name: &str| body[name].as_str().unwrap();
        let version = body["version"].as_i64().unwrap();
        assert_eq!(record.key, text("employee_id"));
        assert_eq!(record.headers["id"], format!("{}/{}/{version}", text("shift_id"), text("employee_id")));
        let versions = published.entry(text("shift_id").to_owned()).or_default();
        let known = versions.last().copied().unwrap_or_default();
        assert!(version <= known + 1, "version {version} of {} behind {known}", text("shift_id"));
        if version == known + 1 {
            versions.push(version);
        }
    }
    assert_eq!(published, stored, "the results topic");
}

/// Starts the command again and again, kills it at seeded random times, at least [`KILLS_BETWEEN`] times between two
/// table commits, and at last lets it end. How many kills fell between two commits.
fn run_with_kills(folder: &Path, command: &[&str], seed: u64) -> usize {
    let mut rng = StdRng::seed_from_u64(seed);
    let lake = folder.join("lake");
    let (mut kills, mut between, mut ended) = (0, 0, 0);
    while kills < KILLS || between < KILLS_BETWEEN {
        assert!(
            kills + ended < 20 * KILLS,
            "{kills} kills, {between} between two commits, {ended} runs came to their end"
        );
        let mut child = Program::new().args(command).in_folder(folder).spawn();
        let aims_between = rng.random_bool(0.5);
        let wait = Duration::from_millis(rng.random_range(150..1_600));
        let begun = Instant::now();
        let base = head(&lake, "punches");
        let ended_early = loop {
            if let Some(status) = child.try_wait().unwrap() {
                assert!(matches!(status.code(), Some(0 | 1)), "the run failed: {status}");
                break true;
            }
            // Aiming between: as soon as the punches are in, before what is said about them.
            let aimed = aims_between && head(&lake, "punches") > base + 1 && is_between(&lake);
            if aimed
                || (!aims_between && begun.elapsed() >= wait)
                || begun.elapsed() > Duration::from_secs(20)
            {
                break false;
            }
            std::thread::yield_now();
        };
        if ended_early {
            // Everything was taken: what is left to kill is the run that finds nothing more to do.
            ended += 1;
            if between >= KILLS_BETWEEN || ended > 3 * KILLS {
                kills += 1;
            }
            continue;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        between += usize::from(is_between(&lake));
    }
    let ran = Program::new().args(command).in_folder(folder).run();
    assert!(matches!(ran.code, Some(0 | 1)), "{}", ran.stderr);
    between
}

/// Whether the last commit of punches has none of said state behind it, though it moved.
fn is_between(lake: &Path) -> bool {
    let time = |table: &str| newest(lake, table).map(|(_, time)| time);
    match (time("punches"), time("shift_results"), time("anomalies")) {
        (Some(punches), Some(results), Some(anomalies)) => punches > results && punches > anomalies,
        _ => false,
    }
}

fn newest(lake: &Path, table: &str) -> Option<(u64, std::time::SystemTime)> {
    let entries = std::fs::read_dir(lake.join(table).join("_delta_log")).ok()?;
    let version = |entry: std::fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        let version = name.strip_suffix(".json")?.parse().ok()?;
        Some((version, entry.metadata().ok()?.modified().ok()?))
    };
    entries.flatten().filter_map(version).max()
}

fn head(lake: &Path, table: &str) -> u64 {
    newest(lake, table).map_or(0, |(version, _)| version)
}
