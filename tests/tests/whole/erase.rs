//! A person who has left is erased from an embedded log and its lake: not one byte tells of that person any more, everything of
//! the others is as it was, and the processor goes on.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::util::display::array_value_to_string;
use model::EventTime;
use serde_json::{Value, json};
use source::embedded::Options;
use source::{Append, EmbeddedLog, NewRecord};
use tests::lake_reader::LakeReader;
use tests::program::{Program, Ran};
use tests::traces::traces;

use super::seals::{append, rows, run};

const LEAVER: &str = "p-leaver";
const OTHERS: [&str; 2] = ["p-one", "p-two"];

const CONFIG: &str = "[reference]\nsites = \"sites.geojson\"\npeople = \"people.ndjson\"\nshifts = \"shifts.ndjson\"\n\n\
                      [source]\npartitions = 3\nclock = \"record\"\n\n[lake]\nurl = \"lake\"\ncommit_every_ms = 20\n\n\
                      [results]\ntopic = \"results\"\n";

fn erase(folder: &Path, more: &[&str]) -> Ran {
    let args = [&["erase", "-c", "muster.toml", "--employee", LEAVER], more].concat();
    Program::new().args(args).in_folder(folder).run()
}

/// A store, managed by the first of `people`, where each of them is due on two days.
fn write_reference(folder: &Path, people: &[&str]) {
    let sites = json!({"type": "FeatureCollection", "features": [{"type": "Feature",
        "geometry": {"type": "Point", "coordinates": [114.17, 22.3]},
        "properties": {"site_id": "s1", "name": "store", "org": "hk/a", "time_zone": "Asia/Hong_Kong",
            "radius_m": 100, "managers": [people[0]]}}]});
    std::fs::write(folder.join("sites.geojson"), sites.to_string()).unwrap();
    let (mut rows, mut shifts) = (String::new(), String::new());
    for id in people {
        rows += &format!(
            "{}\n",
            json!({"employee_id": id, "org": "hk/a", "home_site": "s1", "name": format!("Name of {id}")})
        );
        for day in ["2026-11-02", "2026-11-03"] {
            let shift = json!({"shift_id": format!("{day} {}", &id[2..5]), "employee_id": id, "site_id": "s1",
                "business_date": day, "start": "09:00", "end": "18:00"});
            shifts += &format!("{shift}\n");
        }
    }
    std::fs::write(folder.join("people.ndjson"), rows).unwrap();
    std::fs::write(folder.join("shifts.ndjson"), shifts).unwrap();
}

fn log(folder: &Path) -> EmbeddedLog {
    let options = Options { partitions: 3, ..Options::default() };
    EmbeddedLog::open(&folder.join("log"), options, Arc::new(|| EventTime::from_ms(0))).unwrap()
}

/// A day's punches of everybody; the leaver comes late and never goes. And a record of the leaver that nobody can read.
fn send(folder: &Path) {
    let all = [LEAVER, OTHERS[0], OTHERS[1]];
    let came: Vec<_> = all.iter().map(|id| (*id, "in", "2026-11-02T09:40:00+08:00", "phone")).collect();
    let went: Vec<_> = OTHERS.iter().map(|id| (*id, "out", "2026-11-02T18:00:00+08:00", "phone")).collect();
    append(folder, &[came, went].concat());
    let record =
        NewRecord { key: Some(LEAVER.as_bytes()), value: Some(b"p-leaver,in,soon"), ..NewRecord::default() };
    log(folder).appender().append("punches", &[record]).unwrap();
}

/// Every row of every table as text, sorted.
fn tables(folder: &Path) -> BTreeMap<&'static str, Vec<String>> {
    let lake = LakeReader::open(&folder.join("lake"));
    let table = |table: &schemas::tables::Table| {
        let mut rows = Vec::new();
        for batch in lake.sql(&format!("SELECT * FROM {}", table.name)) {
            let cell = |column: &ArrayRef, row| array_value_to_string(column, row).unwrap();
            let row =
                |row| batch.columns().iter().map(|column| cell(column, row)).collect::<Vec<_>>().join("|");
            rows.extend((0..batch.num_rows()).map(row));
        }
        rows.sort();
        (table.name, rows)
    };
    schemas::tables::ALL.iter().map(table).collect()
}

/// Topic, partition, offset and bytes of every record of the log.
fn records(folder: &Path) -> Vec<(String, u32, i64, Vec<u8>)> {
    let log = log(folder);
    let mut found = Vec::new();
    for topic in log.topics() {
        for record in super::read_topic(&mut log.source(&topic).unwrap()) {
            found.push((topic.clone(), record.partition, record.offset, record.value));
        }
    }
    found
}

fn run_with_rejects(folder: &Path) {
    let args = ["run", "-c", "muster.toml", "--json", "--until", "2026-11-10T00:00:00Z"];
    let ran = Program::new().args(args).in_folder(folder).run();
    assert_eq!(ran.code, Some(1), "{}", ran.told());
}

fn assert_refused(ran: &Ran, code: i32, words: &str) {
    assert_eq!(ran.code, Some(code), "{}", ran.told());
    assert!(ran.said().contains(words), "no {words:?} in {}", ran.told());
}

#[test]
fn a_person_who_has_left_leaves_no_byte() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("muster.toml"), CONFIG).unwrap();
    write_reference(folder, &[LEAVER, OTHERS[0], OTHERS[1]]);
    send(folder);
    run_with_rejects(folder);

    // While the reference data names the person, while records are unread, while a processor is at work, without --yes.
    let yes = ["--by", "hr", "--yes"];
    assert_refused(&erase(folder, &yes), 2, "still names the person: people, the managers of site s1");
    write_reference(folder, &OTHERS);
    append(folder, &[(LEAVER, "out", "2026-11-02T18:00:00+08:00", "phone")]);
    assert_refused(&erase(folder, &yes), 3, "1 record of the person is not yet read");
    run(folder);
    let held = log(folder);
    assert_refused(&erase(folder, &yes), 3, "one process's at a time");
    drop(held);
    assert_refused(&erase(folder, &["--yes"]), 2, "--by does not say who asked");
    assert_refused(&erase(folder, &[]), 2, "add --yes");
    let (before, told) = (tables(folder), erase(folder, &["--dry-run", "--json"]));
    assert_eq!(tables(folder), before);
    let told: Value = serde_json::from_str(told.last_line()).unwrap();
    assert_eq!((&told["erased"], &told["rows"]["punches"]), (&json!(false), &json!(2)), "{told}");
    for table in ["shift_results", "anomalies", "people", "people_names", "shifts", "punch_evidence"] {
        assert!(told["rows"][table].as_u64() > Some(0), "{table}: {told}");
    }
    for topic in ["topic punches", "topic punches.dlq", "topic alerts", "topic results"] {
        assert!(told["elsewhere"][topic].as_u64() > Some(0), "{topic}: {told}");
    }
    assert_eq!(told["rows_unnamed"], json!({"sites": 1}), "{told}");

    let records_before = records(folder);
    assert!(
        traces(&folder.join("lake"), LEAVER).len() > 10 && !traces(&folder.join("log"), LEAVER).is_empty()
    );
    let ran = erase(folder, &["--by", "hr", "--yes", "--json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.told());
    let done: Value = serde_json::from_str(ran.last_line()).unwrap();
    assert_eq!((&done["erased"], &done["rows"]), (&json!(true), &told["rows"]), "{done}");
    assert_eq!(done["elsewhere"], told["elsewhere"], "{done}");

    assert_eq!(traces(&folder.join("lake"), LEAVER), [""; 0]);
    assert_eq!(traces(&folder.join("log"), LEAVER), [""; 0]);
    let mut expected = before;
    for (table, rows) in &mut expected {
        if *table == "sites" {
            rows.iter_mut().for_each(|row| *row = row.replace(LEAVER, "erased"));
        }
        rows.retain(|row| !row.contains(LEAVER));
        rows.sort();
    }
    assert_eq!(tables(folder), expected);
    let kept: Vec<_> = records(folder);
    let is_others =
        |record: &&(String, u32, i64, Vec<u8>)| !String::from_utf8_lossy(&record.3).contains(LEAVER);
    assert_eq!(kept, records_before.iter().filter(is_others).cloned().collect::<Vec<_>>());

    // The proof says what, when and who asked, and not who it was.
    let proof = std::fs::read_to_string(folder.join("lake").join(done["proof"].as_str().unwrap())).unwrap();
    let proof: Value = serde_json::from_str(&proof).unwrap();
    assert_eq!((&proof["asked_by"], &proof["rows"]), (&json!("hr"), &done["rows"]));
    assert!(proof["person"].as_str().unwrap().starts_with("hmac-sha256:") && proof["erased_at"].is_string());
    assert!(
        proof["key"].as_str().unwrap().contains("erasure.key") && proof.get("alerts").is_none(),
        "{proof}"
    );

    let again = erase(folder, &yes);
    assert!(
        again.code == Some(0) && again.stdout.contains("nothing of the person is held"),
        "{}",
        again.told()
    );
    // The processor goes on; a late record of the person is one of somebody unknown, and is erased like any other.
    append(folder, &[(OTHERS[0], "in", "2026-11-03T09:00:00+08:00", "phone")]);
    append(folder, &[(LEAVER, "in", "2026-11-02T09:40:00+08:00", "phone")]);
    run(folder);
    let late = format!("SELECT array_to_string(reasons, ' ') FROM punches WHERE employee_id = '{LEAVER}'");
    let late = rows(folder, &late);
    assert!(late.len() == 1 && late[0].contains("unknown_employee"), "{late:?}");
    let other = rows(folder, &format!("SELECT count(*) FROM punches WHERE employee_id = '{}'", OTHERS[0]));
    assert_eq!(other, ["3"]);
    assert_eq!(erase(folder, &yes).code, Some(0));
    assert_eq!(traces(&folder.join("lake"), LEAVER), [""; 0]);
    assert_eq!(traces(&folder.join("log"), LEAVER), [""; 0]);
}
