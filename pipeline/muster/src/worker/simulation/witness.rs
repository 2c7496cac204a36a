//! Looks at each entry of a table as it lands, whatever fails meanwhile: what is in the lake is never a lie.
//!
//! In: entries, the log, the letters.  Out: a panic that names the promise.  Owns: what has landed so far, by what must be unique.
//! Absent on purpose: what an owner has in memory: only what others can see counts.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{AsArray, RecordBatch};
use frontier::PartitionFrontier;
use model::Partition;
use schemas::tables::{anomalies, punches, shift_results};

use super::outside::{Buried, Log};
use super::table::{Commit, Table, origins};

type Origins = BTreeSet<(Partition, i64)>;

/// What has landed.
pub(super) struct Witness {
    log: Log,
    buried: Buried,
    punches: Origins,
    rejects: Origins,
    late: Origins,
    frontiers: BTreeMap<Partition, PartitionFrontier>,
    /// Of each key of said state the last version.
    versions: BTreeMap<String, i64>,
}

impl Witness {
    /// Of nothing yet.
    pub(super) fn new(log: Log, buried: Buried) -> Self {
        Self {
            log,
            buried,
            punches: Origins::new(),
            rejects: Origins::new(),
            late: Origins::new(),
            frontiers: BTreeMap::new(),
            versions: BTreeMap::new(),
        }
    }

    /// An entry is in the log of `table`.
    pub(super) fn landed(&mut self, table: Table, commit: &Commit) {
        match table {
            Table::Punches => self.punches_landed(commit),
            Table::Rejects => {
                for batch in &commit.rows {
                    self.check_letters(batch);
                    add_once(&mut self.rejects, origins(table, batch), "rejects");
                }
            }
            Table::Late => {
                for batch in &commit.rows {
                    add_once(&mut self.late, origins(table, batch), "late");
                }
            }
            Table::Results => {
                for result in commit.rows.iter().flat_map(|batch| shift_results::read(batch).unwrap()) {
                    let key = format!("{}/{}", result.outcome.shift_id, result.outcome.employee_id);
                    self.check_version(key, result.version);
                }
            }
            Table::Anomalies => {
                for anomaly in commit.rows.iter().flat_map(|batch| anomalies::read(batch).unwrap()) {
                    self.check_version(anomaly.finding.id.to_string(), anomaly.version);
                }
            }
        }
    }

    fn punches_landed(&mut self, commit: &Commit) {
        for (partition, punch) in commit.rows.iter().flat_map(|batch| punches::read(batch).unwrap()) {
            add_once(&mut self.punches, [(partition, punch.offset.get())], "punches");
        }
        for (partition, numbers) in &commit.numbers {
            let until = numbers.until.expect("a frontier");
            let before = self.frontiers.insert(*partition, until).unwrap_or(PartitionFrontier::START);
            until.assert_follows(before, *partition);
            for offset in before.next().get()..until.next().get() {
                let origin = (*partition, offset);
                let places = [&self.punches, &self.rejects, &self.late];
                assert!(places.iter().any(|place| place.contains(&origin)), "P2: {origin:?} is nowhere");
                let record = &self.log[partition.number() as usize][offset as usize];
                let is_broken = serde_json::from_str::<serde_json::Value>(&record.value).is_err();
                assert!(!is_broken || self.has_letter(origin), "P3: {origin:?} has no letter");
            }
            for offset in before.late().get()..until.late().get() {
                let origin = (*partition, offset);
                let is_drained = self.punches.contains(&origin) || self.rejects.contains(&origin);
                assert!(is_drained || !self.late.contains(&origin), "P2: {origin:?} has left the inbox");
            }
        }
    }

    fn has_letter(&self, (partition, offset): (Partition, i64)) -> bool {
        self.buried.lock().unwrap().contains_key(&(partition.number(), offset))
    }

    fn check_letters(&self, rejects: &RecordBatch) {
        let codes = rejects.column_by_name("code").unwrap();
        let codes = arrow::compute::cast(codes, &arrow::datatypes::DataType::Utf8).unwrap();
        for (origin, code) in origins(Table::Rejects, rejects).into_iter().zip(codes.as_string::<i32>()) {
            let needs_none = code == Some("duplicate");
            assert!(needs_none || self.has_letter(origin), "P3: {origin:?} is rejected without a letter");
        }
    }

    fn check_version(&mut self, key: String, version: i64) {
        let last = self.versions.insert(key.clone(), version).unwrap_or(0);
        assert_eq!(version, last + 1, "I-5: the version of {key} in the lake");
    }
}

fn add_once(place: &mut Origins, origins: impl IntoIterator<Item = (Partition, i64)>, table: &str) {
    for origin in origins {
        assert!(place.insert(origin), "P1: {origin:?} is in {table} twice");
    }
}
