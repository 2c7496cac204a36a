//! The lake in an S3-compatible store that fails all the time: the same promises as in a folder, the same words at the door.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use lake::{LakeOptions, S3Keys, S3Options};
use model::position::partition_of;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use s3_server::{ACCESS_KEY, BUCKET, S3Server, SECRET_KEY};
use serde_json::Value;
use tests::lake_reader::LakeReader;
use tests::office::{Office, What};
use tests::oracles::{
    broken_origins, check_months, check_offsets, check_punches, check_versions, local_date, push_version,
};
use tests::program::{Program, Ran};
use tests::running::Running;

use super::{PARTITIONS, fill_log, seed};

/// Kills of the process.
const KILLS: usize = 6;

/// The share of requests that fail.
const SHARE: f64 = 0.02;

/// How long any one run may take.
pub(super) const LIMIT: Duration = Duration::from_secs(240);

/// The keys, by the variables that the configuration names.
pub(super) const KEYS: [(&str, &str); 2] =
    [("CHAIN_ACCESS_KEY", ACCESS_KEY), ("CHAIN_SECRET_KEY", SECRET_KEY)];

/// Large commits.
const LARGE: (u64, &str) = (300, "batch_records_max = 500");

fn place(prefix: &str) -> String {
    format!("s3://{BUCKET}/{prefix}")
}

/// `more` is of the source; a commit every so many milliseconds, and limits.
pub(super) fn write_config(
    folder: &Path,
    server: &S3Server,
    prefix: &str,
    more: &str,
    (commit_every_ms, limits): (u64, &str),
) {
    let text = format!(
        "[reference]\nsites = \"sites.geojson\"\npeople = \"people.ndjson\"\nshifts = \"shifts.ndjson\"\n{more}\n\
         [lake]\nurl = \"{}\"\ncommit_every_ms = {commit_every_ms}\n\n\
         [lake.s3]\nendpoint = \"{}\"\naccess_key_env = \"CHAIN_ACCESS_KEY\"\nsecret_key_env = \"CHAIN_SECRET_KEY\"\n\n\
         [limits]\n{limits}\n",
        place(prefix),
        server.endpoint()
    );
    std::fs::write(folder.join("muster.toml"), text).unwrap();
}

pub(super) fn reader(server: &S3Server, prefix: &str) -> LakeReader {
    let keys = S3Keys { access_key: ACCESS_KEY.to_owned(), secret_key: SECRET_KEY.to_owned() };
    let s3 = S3Options { endpoint: Some(server.endpoint()), keys: Some(keys), ..S3Options::default() };
    LakeReader::open_at(&place(prefix), LakeOptions { s3, ..LakeOptions::default() })
}

pub(super) fn muster(folder: &Path, args: &[&str]) -> Ran {
    Program::new().args(args).envs(KEYS).in_folder(folder).limit(LIMIT).run()
}

/// Starts the command again and again, kills it at seeded random times, and at last lets it end.
fn run_with_kills(folder: &Path, command: &[&str], seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    for kill in 0..KILLS {
        let mut running = Running::start_with(folder, &format!("run-{kill}"), command, &KEYS);
        let wait = Duration::from_millis(rng.random_range(300..4_000));
        let begun = Instant::now();
        while begun.elapsed() < wait && running.is_alive() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    let ran = muster(folder, command);
    assert!(matches!(ran.code, Some(0 | 1)), "{}", ran.told());
}

#[test]
fn a_year_into_a_failing_store_survives_being_killed() {
    let seed = seed();
    let office = Office::new(seed ^ 2, true);
    let folder = tempfile::tempdir().unwrap();
    let server = S3Server::start();
    office.write_reference(folder.path());
    let source = "\n[source]\ndir = \"log\"\nclock = \"record\"\npartitions = 3\n";
    write_config(folder.path(), &server, "year", source, LARGE);
    let origins = fill_log(&folder.path().join("log"), &office);
    server.storm(seed, SHARE);
    let command = ["run", "-c", "muster.toml", "--until", "2021-02-01T00:00:00+08:00", "--json"];
    run_with_kills(folder.path(), &command, seed);
    println!(
        "{} answers of 503, {} of 500, {} lost",
        server.answered(503),
        server.answered(500),
        server.answered(0)
    );
    server.calm();

    let lake = reader(&server, "year");
    check_punches(&lake, &office);
    check_offsets(&lake, &origins);
    check_versions(&lake.versions("anomalies", "anomaly_id"), "anomalies");
    check_versions(&lake.versions("shift_results", "shift_id"), "shift_results");
    check_months(&lake, &office, |employee_id| {
        let own = partition_of(employee_id.as_bytes(), PARTITIONS);
        let mine =
            office.records.iter().filter(|record| partition_of(record.key.as_bytes(), PARTITIONS) == own);
        mine.filter(|record| record.what == What::Punch).map(local_date).next().unwrap()
    });
    let ran = muster(
        folder.path(),
        &["sql", "-c", "muster.toml", "--format", "json", "SELECT count(*) AS n FROM punches"],
    );
    let answer: Value =
        serde_json::from_str(ran.stdout.trim()).unwrap_or_else(|e| panic!("{e}: {}", ran.told()));
    assert_eq!(answer["n"], office.punches.len(), "{}", ran.told());
    assert!(!folder.path().join("lake").exists(), "no lake in a folder was made");
}

#[test]
fn a_year_from_a_file_into_a_failing_store_adds_nothing_twice() {
    let seed = seed();
    let office = Office::new(seed ^ 3, false);
    let folder = tempfile::tempdir().unwrap();
    let server = S3Server::start();
    office.write_reference(folder.path());
    write_config(folder.path(), &server, "files/year", "", LARGE);
    std::fs::write(folder.path().join("punches.ndjson"), office.ndjson()).unwrap();
    server.storm(seed, SHARE);
    run_with_kills(folder.path(), &["replay", "-c", "muster.toml", "punches.ndjson", "--json"], seed);

    // Whoever checks reads every table, once, and without the patience of an owner.
    server.calm();
    let lake = reader(&server, "files/year");
    check_punches(&lake, &office);
    let origins: Vec<(u32, i64)> = (0..office.records.len()).map(|line| (0, line as i64)).collect();
    check_offsets(&lake, &origins);
    // What is no table lies in a folder of the lake's own beside the configuration.
    let beside = folder.path().join("beside").join(BUCKET).join("files/year");
    let read = |name: &str| std::fs::read_to_string(beside.join(name)).unwrap();
    assert_eq!(read("dead_letters.ndjson").lines().count(), broken_origins(&office, &origins).len());
    let mut versions = BTreeMap::new();
    for line in read("alerts.ndjson").lines() {
        push_version(&mut versions, &serde_json::from_str(line).unwrap());
    }
    check_versions(&versions, "alerts.ndjson");
    check_versions(&lake.versions("anomalies", "anomaly_id"), "anomalies");
    let first = office.records.iter().find(|record| record.what == What::Punch).map(local_date).unwrap();
    check_months(&lake, &office, |_| first);
    let ran = muster(folder.path(), &["dlq", "list", "-c", "muster.toml", "--json"]);
    assert_eq!((ran.code, ran.stdout.lines().count()), (Some(0), 30), "{}", ran.told());

    let before = (lake.count("punches"), lake.count("shift_results"), read("alerts.ndjson").len());
    server.storm(seed ^ 7, SHARE);
    let ran = muster(folder.path(), &["replay", "-c", "muster.toml", "punches.ndjson", "--json"]);
    let summary: Value =
        serde_json::from_str(ran.last_line()).unwrap_or_else(|e| panic!("{e}: {}", ran.told()));
    assert_eq!(
        (&summary["accepted"], &summary["lake"]),
        (&0.into(), &place("files/year").into()),
        "{summary}"
    );
    server.calm();
    let lake = reader(&server, "files/year");
    assert_eq!((lake.count("punches"), lake.count("shift_results"), read("alerts.ndjson").len()), before);
}

/// Two machines, each with a file that overlaps the other's: no lock holds both, so the lake itself does.
#[test]
fn of_two_replays_on_two_machines_one_gives_way() {
    let office = Office::new(seed() ^ 4, false);
    let server = S3Server::start();
    let machines = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let bytes = office.ndjson();
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    for (machine, lines) in machines.iter().zip([&lines[..], &lines[lines.len() / 3..]]) {
        office.write_reference(machine.path());
        write_config(machine.path(), &server, "both", "", LARGE);
        std::fs::write(machine.path().join("punches.ndjson"), lines.concat()).unwrap();
    }
    let command = ["replay", "-c", "muster.toml", "punches.ndjson", "--json"];
    let mut first = Running::start_with(machines[0].path(), "replay", &command, &KEYS);
    let begun = Instant::now();
    while server.keys("both/punches/business_month").len() < 2 {
        assert!(begun.elapsed() < LIMIT && first.is_alive(), "{}", first.log());
        std::thread::sleep(Duration::from_millis(2));
    }
    let second = muster(machines[1].path(), &command);
    assert!(matches!(second.code, Some(0 | 1)), "{}", second.told());
    assert_eq!(first.await_end(LIMIT), Some(3), "{}", first.log());
    assert!(
        first.log().contains("another replay or move has begun to write to this lake"),
        "{}",
        first.log()
    );
    let again = muster(machines[0].path(), &command);
    assert!(matches!(again.code, Some(0 | 1)), "{}", again.told());
    check_punches(&reader(&server, "both"), &office);
}

#[test]
fn what_is_wrong_with_a_store_is_said_at_the_door() {
    let server = S3Server::start();
    let folder = tempfile::tempdir().unwrap();
    let told = |text: &str, keys: &[(&str, &str)], code: i32, words: &[&str]| {
        std::fs::write(folder.path().join("muster.toml"), text).unwrap();
        std::fs::write(folder.path().join("p.ndjson"), "").unwrap();
        let args = ["replay", "-c", "muster.toml", "p.ndjson"];
        let ran = Program::new().args(args).envs(keys.iter().copied()).in_folder(folder.path()).run();
        assert_eq!(ran.code, Some(code), "{}", ran.told());
        for word in words {
            assert!(ran.said().contains(word), "no {word:?} in: {}", ran.said());
        }
    };
    let here =
        format!("[lake]\nurl = \"s3://{BUCKET}/x\"\n[lake.s3]\nendpoint = \"{}\"\n", server.endpoint());
    let named =
        format!("{here}access_key_env = \"CHAIN_ACCESS_KEY\"\nsecret_key_env = \"CHAIN_SECRET_KEY\"\n");
    let aws = [("AWS_ACCESS_KEY_ID", ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", SECRET_KEY)];
    told(&here, &aws, 0, &[]);
    told(&named, &KEYS, 0, &[]);
    told(&named, &aws, 2, &["access_key_env = \"CHAIN_ACCESS_KEY\": the environment has no such variable"]);
    told(
        &here,
        &[("AWS_ACCESS_KEY_ID", "stranger"), ("AWS_SECRET_ACCESS_KEY", "x")],
        3,
        &["check the access key"],
    );
    told(&here.replace(BUCKET, "nowhere"), &aws, 2, &["there is no bucket `nowhere`: make it first"]);
    told(
        "[lake]\nurl = \"s3://b/x\"\n[lake.s3]\nendpoint = \"http://minio:9000\"",
        &aws,
        2,
        &["allow_http = true"],
    );
    told("[lake]\nurl = \"s3://b/x\"\n[lake.s3]\nendpont = \"x\"", &aws, 2, &["endpont"]);
    told("[lake]\nurl = \"here\"\n[lake.s3]\nregion = \"x\"", &aws, 2, &["the lake is a folder"]);
    told("[lake]\nurl = \"s3://b/a b\"", &aws, 2, &["letters, digits and -_.=/"]);
    told("[lake]\nurl = \"gs://b/a\"", &aws, 2, &["name a folder or an s3:// URL"]);
    server.ignore_conditions();
    told(&here.replace("/x", "/y"), &aws, 3, &["takes no notice of `If-None-Match: *`"]);
    let ran = Program::new()
        .args(["sql", "--lake", &place("none"), "SELECT 1"])
        .envs(aws)
        .envs([("AWS_ENDPOINT_URL", server.endpoint().as_str())])
        .in_folder(folder.path())
        .run();
    assert_eq!(ran.code, Some(2), "{}", ran.told());
    assert!(ran.said().contains("nothing is there"), "{}", ran.said());
}
