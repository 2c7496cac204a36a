//! One person leaves the lake: rows, bounds, log entries, and the bytes that held them.
//!
//! ```text
//!   look ▶ remove, beside owners ▶ lake.json: erasing ▶ claim all ▶ ┌ remove what came meanwhile ▶ purge ▶ look ┐ ▶ proof ▶ lake.json as before
//!                                  owners wait here    (by us)      └───────────── until nothing is found ──────┘
//!
//!   remove   one entry of a table: remove files, add the same without the person           fenced as compaction and retention are
//!   purge    a log snapshot; the person out of earlier entries; earlier snapshots and the files' bytes deleted (`history`)
//! ```
//!
//! In: a person's id.  Out: how many rows went from which table.  Owns: which files it has read and found without the person.
//! Absent on purpose: the log of records, the outbox, files beside the lake: the command does these (`muster erase`). Rows of
//! others stay as they are but for the person's id in them.
//! Invariants: I-39 of compaction, retention and erasure only one removes a file: an entry is put behind the version it was
//! planned on, and planned anew where anybody removed anything since (`Fence::Removals`). Tested by `tests::fence`.
//! Why so: no owner may fold, remember and say again what is being erased, so none is at work while the last of it goes: the
//! note in `lake.json` keeps owners from claiming, and a claim of everything takes from them what they had in hand. Most rows
//! go before that, so that processors stand still for seconds and not for the hours that a large lake takes to read. Log
//! entries are written anew in place and not deleted: a version that was taken stays taken, and whoever stalled before it
//! cannot put an entry of its own there.

mod history;
mod proof;
mod rows;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use arrow::array::RecordBatch;
use deltalake::kernel::{Add, Remove};
use frontier::Outcome;
use object_store::path::Path;
use schemas::tables::{self, alert_deliveries, anomalies, reviews};

use crate::encode::now_ms;
use crate::error::{Error, ErrorKind, Result};
use crate::fold::{only, texts};
use crate::lake::{Lake, schema_of};
use crate::log::TableLog;
use crate::read::read_file;
use crate::scan::{FileEntry, TableSnapshot};
use rows::Person;

pub use history::Purged;
pub use proof::Erasure;
pub use rows::{names, unnamed};

/// Files that one entry rewrites at most.
const FILES_PER_ENTRY_MAX: usize = 64;

/// How often a removal is planned anew because others remove, too.
const ROUNDS_MAX: u32 = 16;

/// What an entry says of why files went.
const PREDICATE: &str = "erased";

/// Rows by table.
pub type RowCounts = BTreeMap<&'static str, u64>;

/// What of a person was found, or removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErasedRows {
    /// Rows of the person.
    pub removed: RowCounts,
    /// Rows of others that named the person.
    pub unnamed: RowCounts,
    /// Files with such rows.
    pub files: u64,
}

impl ErasedRows {
    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.files == 0
    }

    fn add(&mut self, table: &'static str, removed: u64, unnamed: u64) {
        for (counts, rows) in [(&mut self.removed, removed), (&mut self.unnamed, unnamed)] {
            if rows > 0 {
                *counts.entry(table).or_default() += rows;
            }
        }
    }
}

/// Which tables a person's rows are removed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Erasing {
    /// All but those by which the person's alerts are found elsewhere: beside owners at work.
    Bulk,
    /// All.
    Everything,
}

/// Takes one person out of a lake.
#[derive(Debug)]
pub struct Eraser {
    lake: Lake,
    person: Person,
    /// Files without the person, by table.
    clean: BTreeMap<&'static str, HashSet<Path>>,
}

impl Lake {
    /// Takes the person of that id out; `alerts` are anomalies known to be about that person.
    pub fn eraser(&self, employee_id: &str, alerts: BTreeSet<String>) -> Eraser {
        let person = Person { id: employee_id.to_owned(), anomalies: alerts };
        Eraser { lake: self.clone(), person, clean: BTreeMap::new() }
    }
}

impl Eraser {
    /// The same, by the handle of whoever has begun the erasure.
    #[must_use]
    pub fn with(self, lake: &Lake) -> Self {
        Self { lake: lake.clone(), ..self }
    }

    /// The ids of all anomalies about the person, as far as they have been read: alerts have the same.
    pub const fn alerts(&self) -> &BTreeSet<String> {
        &self.person.anomalies
    }

    /// What the tables hold of the person now. Changes nothing.
    ///
    /// # Errors
    /// What the store says.
    pub async fn look(&mut self) -> Result<ErasedRows> {
        self.learn_alerts().await?;
        let mut found = ErasedRows::default();
        for name in tables_in_order() {
            let Some(snapshot) = self.lake.snapshot(name).await? else { continue };
            let table = self.lake.table(name)?;
            for file in &snapshot.files {
                if let Some((removed, unnamed)) = self.told_by(name, &table, file).await? {
                    found.add(name, removed, unnamed);
                    found.files += 1;
                }
            }
        }
        Ok(found)
    }

    /// Removes the person's rows, and the person's id from rows of others. Any process may do it at any time, beside owners at
    /// work; what these commit meanwhile is not seen. After a kill the next call goes on.
    ///
    /// # Errors
    /// What the store says; `Contended` where other processes remove without end. What was removed stays removed.
    pub async fn remove(&mut self, from: Erasing) -> Result<ErasedRows> {
        self.learn_alerts().await?;
        let mut removed = ErasedRows::default();
        for name in tables_in_order() {
            if from == Erasing::Everything || !finds_alerts(name) {
                self.remove_from(name, &mut removed).await?;
            }
        }
        Ok(removed)
    }

    async fn remove_from(&mut self, name: &'static str, removed: &mut ErasedRows) -> Result<()> {
        let table = self.lake.table(name)?;
        for _ in 0..ROUNDS_MAX {
            let Some(head) = table.head().await? else { return Ok(()) };
            let snapshot = self.lake.snapshot_at(&table, head).await?;
            if self.rewrite(name, &table, &snapshot, removed).await? {
                return Ok(());
            }
        }
        let what = format!("erase from table {name}: other processes remove, too, without end");
        Err(Error::new(ErrorKind::Contended, what))
    }

    /// One plan, carried out; `false` if somebody else removed something meanwhile, so that it no longer holds.
    async fn rewrite(
        &mut self,
        name: &'static str,
        table: &TableLog,
        snapshot: &TableSnapshot,
        erased: &mut ErasedRows,
    ) -> Result<bool> {
        let mut due = Vec::new();
        for file in &snapshot.files {
            if self.told_by(name, table, file).await?.is_some() {
                due.push(file);
            }
        }
        let mut seen = snapshot.version;
        for files in due.chunks(FILES_PER_ENTRY_MAX) {
            let (mut removed, mut added): (Vec<Remove>, Vec<Add>) = (Vec::new(), Vec::new());
            let mut counted = ErasedRows { files: files.len() as u64, ..ErasedRows::default() };
            for file in files {
                added.extend(self.rest_of(name, table, snapshot, file, &mut counted).await?);
                removed.push(file.removal(now_ms(), true));
            }
            let paths: Vec<Path> = added.iter().map(|add| Path::from(add.path.as_str())).collect();
            let entry = table.new_removal(removed, added, PREDICATE.to_owned())?;
            match table.append_removal(entry, seen, self.lake.options().retries).await? {
                Outcome::Done { version, .. } => seen = version,
                Outcome::Lost { .. } | Outcome::InDoubt => {
                    // No entry will ever name them.
                    self.lake.delete(table, paths).await?;
                    return Ok(false);
                }
            }
            self.clean.entry(name).or_default().extend(paths);
            erased.files += counted.files;
            counted.removed.into_iter().for_each(|(table, rows)| erased.add(table, rows, 0));
            counted.unnamed.into_iter().for_each(|(table, rows)| erased.add(table, 0, rows));
        }
        Ok(true)
    }

    /// The file that takes the place of `file`, if any row of it stays.
    async fn rest_of(
        &self,
        name: &'static str,
        table: &TableLog,
        snapshot: &TableSnapshot,
        file: &FileEntry,
        counted: &mut ErasedRows,
    ) -> Result<Option<Add>> {
        let batches = read_file(name, table.store().as_ref(), file, &snapshot.schema).await?;
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        if file.rows.is_some_and(|told| told != rows as u64) {
            let told = file.rows.unwrap_or_default();
            let what = format!(
                "erase from table {name}: {} holds {rows} rows, and the table's log says {told}",
                file.path
            );
            return Err(Error::corrupt(what));
        }
        let mut kept = Vec::new();
        for batch in &batches {
            let rest = self.person.leave(name, batch)?;
            counted.add(name, rest.removed, rest.unnamed);
            kept.push(rest.rows);
        }
        let rest = self.lake.rewrite_file(name, &kept).await?;
        // The rows are as old as before, and were passed on before.
        Ok(rest.map(|add| Add { modification_time: file.written_ms, data_change: false, ..add }))
    }

    /// How many rows of a file of the table are the person's, and how many of others name the person; `None` if none.
    async fn told_by(
        &mut self,
        name: &'static str,
        table: &TableLog,
        file: &FileEntry,
    ) -> Result<Option<(u64, u64)>> {
        let schema = schema_of(name)?;
        let Some(telling) = rows::telling(name, &schema) else { return Ok(None) };
        if self.clean.get(name).is_some_and(|clean| clean.contains(&file.path)) {
            return Ok(None);
        }
        let id = self.person.id.as_str();
        let may_hold = rows::is_of_anomalies(name)
            || rows::may_name(&schema)
            || file.bounds().may_hold_text("employee_id", std::iter::once(id));
        let (mut removed, mut unnamed) = (0, 0);
        if may_hold {
            for batch in read_file(name, table.store().as_ref(), file, &telling).await? {
                let rest = self.person.leave(name, &batch)?;
                removed += rest.removed;
                unnamed += rest.unnamed;
            }
        }
        if removed + unnamed > 0 {
            return Ok(Some((removed, unnamed)));
        }
        // Of which alerts a file tells is known once all of them are.
        if !rows::is_of_anomalies(name) {
            self.clean.entry(name).or_default().insert(file.path.clone());
        }
        Ok(None)
    }

    /// Reads which anomalies are about the person, beside those known.
    async fn learn_alerts(&mut self) -> Result<()> {
        let name = anomalies::NAME;
        let Some(snapshot) = self.lake.snapshot(name).await? else { return Ok(()) };
        let table = self.lake.table(name)?;
        let wanted = only(&snapshot.schema, &["employee_id", "anomaly_id"]);
        let id = self.person.id.clone();
        for file in &snapshot.files {
            let is_clean = self.clean.get(name).is_some_and(|clean| clean.contains(&file.path));
            if is_clean || !file.bounds().may_hold_text("employee_id", std::iter::once(id.as_str())) {
                continue;
            }
            for batch in read_file(name, table.store().as_ref(), file, &wanted).await? {
                let people = texts(&batch, "employee_id")?;
                let alerts = texts(&batch, "anomaly_id")?;
                let theirs =
                    people.iter().zip(alerts.iter()).filter(|(person, _)| *person == Some(id.as_str()));
                self.person.anomalies.extend(theirs.filter_map(|(_, alert)| alert).map(str::to_owned));
            }
        }
        Ok(())
    }
}

/// The tables by which the person's alerts are found, and those whose rows are found by these.
fn finds_alerts(name: &str) -> bool {
    [reviews::NAME, alert_deliveries::NAME, anomalies::NAME].contains(&name)
}

/// Every table; what is about anomalies before these.
fn tables_in_order() -> impl Iterator<Item = &'static str> {
    let last = |name: &&str| *name == anomalies::NAME;
    let all = || tables::ALL.iter().map(|table| table.name);
    all().filter(move |name| !last(name)).chain(all().filter(move |name| last(name)))
}
