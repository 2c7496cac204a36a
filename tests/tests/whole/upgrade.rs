//! A former version of the program and this one take turns on one lake and one log, each killed in the middle: an upgrade, a
//! rollback, an upgrade. Run by `tests/upgrade`, which builds the former version.

use std::path::PathBuf;

use tests::crowd;

use super::*;

const RUN: [&str; 6] = ["run", "-c", "muster.toml", "--until", "2021-02-01T00:00:00+08:00", "--json"];

/// Where the former version is; `None`, said, where nobody has built one.
fn former() -> Option<PathBuf> {
    let path = std::env::var_os("MUSTER_TEST_FORMER").map(PathBuf::from);
    if path.is_none() {
        println!("MUSTER_TEST_FORMER is not set: no former version was tried; tests/upgrade builds one");
    }
    path
}

#[test]
fn a_year_survives_upgrades_and_rollbacks() {
    let Some(former) = former() else { return };
    let seed = seed();
    let office = Office::new(seed ^ 2, true);
    let folder = tempfile::tempdir().unwrap();
    office.write_reference(folder.path());
    config(folder.path(), "\n[source]\ndir = \"log\"\nclock = \"record\"\npartitions = 3\n");
    let (lake, log) = (folder.path().join("lake"), folder.path().join("log"));
    let mut origins = Vec::new();
    let quarter = office.records.len().div_ceil(4);
    for (n, records) in office.records.chunks(quarter).enumerate() {
        let part = Office { records: records.to_vec(), ..office.clone() };
        origins.extend(fill_log(&log, &part));
        // Old, new, old, new; each killed behind a commit of punches, but the last.
        let program = if n % 2 == 0 { Program::new().built_at(&former) } else { Program::new() };
        let base = head(&lake, "punches");
        let mut child = program.args(RUN).in_folder(folder.path()).spawn();
        let begun = Instant::now();
        while head(&lake, "punches") < base + 3 {
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none(), "the run of part {n} ended by itself: {ended:?}");
            assert!(begun.elapsed() < Duration::from_secs(90), "part {n} commits nothing");
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    for program in [Program::new().built_at(&former), Program::new()] {
        let ran = program.args(RUN).in_folder(folder.path()).run();
        assert!(matches!(ran.code, Some(0 | 1)), "{}", ran.told());
    }
    let log = EmbeddedLog::open(&log, Options::default(), Arc::new(|| EventTime::from_ms(0))).unwrap();
    let lake = LakeReader::open(&lake);
    check_punches(&lake, &office);
    check_offsets(&lake, &origins);
    let mut versions = BTreeMap::new();
    for record in read_topic(&mut log.source("alerts").unwrap()) {
        if !record.key.starts_with("_owner/") {
            push_version(&mut versions, &serde_json::from_slice(&record.value).unwrap());
        }
    }
    check_versions(&versions, "alerts topic");
    check_versions(&lake.versions("anomalies", "anomaly_id"), "anomalies");
    check_versions(&lake.versions("shift_results", "shift_id"), "shift_results");
    check_months(&lake, &office, |employee_id| {
        let own = partition_of(employee_id.as_bytes(), PARTITIONS);
        let mine =
            office.records.iter().filter(|record| partition_of(record.key.as_bytes(), PARTITIONS) == own);
        mine.filter(|record| record.what == What::Punch).map(local_date).next().unwrap()
    });
}

/// Rows of a person lie under several partitions there, which a former version does not know: it refuses at the door.
#[test]
fn upgrades_that_moved_partitions_are_not_rolled_back() {
    let Some(former) = former() else { return };
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    crowd::write_reference(folder);
    let records = crowd::records(7);
    let (first, rest) = records.split_at(records.len() / 2);
    repartition::configure(folder, 2);
    repartition::append(folder, 2, 2, first);
    repartition::run(folder, "2026-11-01T00:00:00Z");
    let moved = repartition::muster(folder, &["repartition", "-c", "muster.toml", "--partitions", "5"]);
    assert_eq!(moved.code, Some(0), "{}", moved.told());
    repartition::configure(folder, 5);
    repartition::append(folder, 5, 5, rest);
    let lake = folder.join("lake");
    let heads = || repartition::TABLES.map(|table| head(&lake, table));
    let before = heads();
    let run = ["run", "-c", "muster.toml", "--json", "--until", "2026-11-01T00:00:00Z"];
    for args in [&run[..], &["sql", "-c", "muster.toml", "SELECT count(*) FROM punches"]] {
        let ran = Program::new().built_at(&former).args(args).in_folder(folder).run();
        assert!(matches!(ran.code, Some(2 | 3)), "{}", ran.told());
        assert!(
            ran.said().contains("is of format 2, this program knows 1: use a newer muster"),
            "{}",
            ran.told()
        );
    }
    assert_eq!(heads(), before, "it touched nothing");
    repartition::run(folder, &crowd::settled_at());
    let counted = LakeReader::open(&lake).count("(SELECT DISTINCT employee_id, event_id FROM punches)");
    let sent: BTreeSet<&str> = records.iter().map(|sent| sent.value.as_str()).collect();
    assert_eq!(counted, sent.len() as i64);
}
