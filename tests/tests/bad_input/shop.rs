//! A chain of two shops and two people in a folder of its own, the good ground on which one thing at a time is broken.
//!
//! In: files to put there, commands to run there.  Out: what the program said.  Owns: the folder.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::program::{Program, Ran};

/// `muster.toml`: commits come fast, so that a run that ends does not wait for its next one.
pub(crate) const CONFIG: &str = r#"[reference]
sites = "sites.geojson"
people = "people.ndjson"
shifts = "shifts.ndjson"
[source]
dir = "log"
partitions = 2
clock = "record"
[lake]
url = "lake"
commit_every_ms = 20
"#;

/// Both shops, one feature a line, so that features have lines to be named by.
pub(crate) const SITES: &str = r#"{"type":"FeatureCollection","features":[
{"type":"Feature","geometry":{"type":"Point","coordinates":[114.17,22.30]},"properties":{"site_id":"hk-1","name":"One","org":"hk","time_zone":"Asia/Hong_Kong","radius_m":100}},
{"type":"Feature","geometry":{"type":"Point","coordinates":[114.18,22.31]},"properties":{"site_id":"hk-2","name":"Two","org":"hk","time_zone":"Asia/Hong_Kong","radius_m":100}}
]}
"#;

/// Both people.
pub(crate) const PEOPLE: &str = r#"{"employee_id":"p1","org":"hk","home_site":"hk-1"}
{"employee_id":"p2","org":"hk","home_site":"hk-2"}
"#;

/// One day of one of them.
pub(crate) const SHIFTS: &str = r#"{"shift_id":"s1","employee_id":"p1","site_id":"hk-1","business_date":"2026-11-02","start":"08:00","end":"17:00"}
"#;

/// The folder.
pub(crate) struct Shop {
    folder: TempDir,
}

impl Shop {
    /// With nothing wrong in it.
    pub(crate) fn new() -> Self {
        let shop = Self { folder: tempfile::tempdir().unwrap() };
        shop.put("muster.toml", CONFIG);
        shop.put("sites.geojson", SITES);
        shop.put("people.ndjson", PEOPLE);
        shop.put("shifts.ndjson", SHIFTS);
        shop
    }

    /// Where something in it is.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file there.
    pub(crate) fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// The program in this folder, with the words of `line` as its arguments.
    pub(crate) fn program(&self, line: &str) -> Program {
        Program::new().in_folder(self.folder.path()).args(line.split_whitespace())
    }

    /// Runs it.
    pub(crate) fn muster(&self, line: &str) -> Ran {
        self.program(line).run()
    }

    /// The rows that a statement yields from the lake in `lake`, as JSON objects.
    pub(crate) fn sql(&self, lake: &str, statement: &str) -> Vec<Value> {
        let ran = self.program("sql --format json").arg("--lake").arg(lake).arg(statement).run();
        check(&ran, 0, &[]);
        let values: Vec<Value> = serde_json::Deserializer::from_str(&ran.stdout)
            .into_iter()
            .collect::<Result<_, _>>()
            .unwrap_or_else(|error| panic!("{error}: {}", ran.told()));
        match values.as_slice() {
            [Value::Array(rows)] => rows.clone(),
            _ => values,
        }
    }

    /// The one number that a statement yields.
    pub(crate) fn count(&self, lake: &str, what: &str) -> u64 {
        let rows = self.sql(lake, &format!("SELECT count(*) AS n FROM {what}"));
        rows[0]["n"].as_u64().unwrap()
    }
}

/// Expects the exit code, every one of `words` in what it said, and no panic.
#[track_caller]
pub(crate) fn check(ran: &Ran, code: i32, words: &[&str]) {
    assert_eq!(ran.code, Some(code), "{}", ran.told());
    let said = ran.said();
    for word in words {
        assert!(said.contains(word), "it does not say `{word}`: {}", ran.told());
    }
    assert!(!ran.stderr.contains("panicked"), "{}", ran.told());
}

/// The summary line of `replay --json` and `run --json`: accepted, rejected, duplicates.
#[track_caller]
pub(crate) fn summary(ran: &Ran) -> [u64; 3] {
    let found: Value = serde_json::from_str(ran.last_line()).unwrap_or_else(|_| panic!("{}", ran.told()));
    let counts = ["accepted", "rejected", "duplicates"].map(|key| found[key].as_u64().unwrap());
    assert_eq!(found["punches"].as_u64().unwrap(), counts.iter().sum::<u64>(), "{}", ran.told());
    counts
}

/// A good punch of `p1` at `hk-1`.
pub(crate) fn punch(event_id: &str) -> Value {
    json!({
        "event_id": event_id, "employee_id": "p1", "kind": "in", "occurred_at": "2026-11-02T08:00:00+08:00",
        "origin": "phone", "location": {"lon": 114.17, "lat": 22.30, "accuracy_m": 10},
    })
}

/// A good punch with one field set to something else; `null` takes it away.
pub(crate) fn punch_with(event_id: &str, field: &str, value: Value) -> Value {
    let mut punch = punch(event_id);
    match value {
        Value::Null => drop(punch.as_object_mut().unwrap().remove(field)),
        value => punch[field] = value,
    }
    punch
}

/// Lines of a file.
pub(crate) fn lines(records: impl IntoIterator<Item: AsRef<[u8]>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for record in records {
        bytes.extend_from_slice(record.as_ref());
        bytes.push(b'\n');
    }
    bytes
}

/// The lines of a text file.
pub(crate) fn read_lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}
