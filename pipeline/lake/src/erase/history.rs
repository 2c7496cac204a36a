//! What a table still tells of a person once its rows do not: bounds in its log, and bytes that no version needs any more.
//!
//! In: tables whose rows are without the person.  Out: [`Purged`].  Owns: nothing.
//! Absent on purpose: any grace for readers: a statement that began before finds its file gone, and says so.
//! Invariants: a file that the table has is never deleted, nor one that does not tell of the person. What a process that stalls
//! uploads afterwards no entry will name, and `sweep` deletes it.

use std::collections::HashSet;

use bytes::Bytes;
use deltalake::checkpoints::create_checkpoint;
use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{ObjectStore as _, ObjectStoreExt as _};
use serde_json::Value;

use super::rows;
use super::{Eraser, ROUNDS_MAX, tables_in_order};
use crate::encode::now_ms;
use crate::error::{Error, ErrorKind, Result};
use crate::lake::schema_of;
use crate::log::TableLog;
use crate::scan::FileEntry;
use crate::sweep::list_files;

/// Bounds that may name a person.
const NAMING_BOUNDS: [&str; 2] = ["employee_id", "shift_id"];

/// What was purged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// Log entries written anew.
    pub entries: u64,
    /// Earlier log snapshots deleted.
    pub log_snapshots: u64,
    /// Files of rows whose bytes were deleted.
    pub files: u64,
}

impl Eraser {
    /// Takes the person out of every table's log, and deletes the bytes of files that the tables no longer have and that tell of
    /// the person. Behind [`Self::remove`]. Readers of earlier versions get an error that says so.
    ///
    /// # Errors
    /// What the store says. After it the next call goes on.
    pub async fn purge(&mut self) -> Result<Purged> {
        let mut purged = Purged::default();
        for name in tables_in_order() {
            if rows::telling(name, &schema_of(name)?).is_none() {
                continue;
            }
            let table = self.lake.table(name)?;
            if table.head().await?.is_none() {
                continue;
            }
            let snapshot_at = self.write_log_snapshot(&table).await?;
            self.purge_log(&table, snapshot_at, &mut purged).await?;
            purged.files += self.delete_bytes(name, &table).await?;
        }
        Ok(purged)
    }

    /// Writes a log snapshot of the table as it is, to which its hint leads; the version.
    async fn write_log_snapshot(&self, table: &TableLog) -> Result<u64> {
        let name = table.name();
        for _ in 0..ROUNDS_MAX {
            let Some(head) = table.head().await? else { break };
            let what = || format!("write a log snapshot of table {name} version {head}");
            let loaded = table.load(head).await.map_err(|e| Error::store(what(), e))?;
            create_checkpoint(&loaded, None).await.map_err(|e| Error::store(what(), e))?;
            if table.hinted().await?.is_some_and(|hinted| hinted >= head) {
                return Ok(head);
            }
            // One that was there, of a process that was killed before it wrote the hint: another one, behind an entry more.
            let entry = table.new_compaction(Vec::new(), Vec::new(), 0)?;
            table.append_removal(entry, head, self.lake.options().retries).await?;
        }
        let what = format!("write a log snapshot of table {name}: others commit without end");
        Err(Error::new(ErrorKind::Contended, what))
    }

    /// Takes the person out of the bounds in log entries, and deletes log snapshots before that of version `kept`.
    async fn purge_log(&self, table: &TableLog, kept: u64, purged: &mut Purged) -> Result<()> {
        let store = table.store();
        let folder = Path::from("_delta_log");
        let what = |e| Error::store(format!("read the log of table {}", table.name()), e);
        let listed: Vec<Path> =
            store.list(Some(&folder)).map_ok(|found| found.location).try_collect().await.map_err(what)?;
        for path in listed {
            let Some((version, rest)) = path.filename().and_then(|name| name.split_once('.')) else {
                continue;
            };
            let Ok(version) = version.parse::<u64>() else { continue };
            if rest != "json" {
                if version < kept {
                    purged.log_snapshots += self.lake.delete(table, vec![path]).await?;
                }
                continue;
            }
            let bytes = match store.get(&path).await {
                Ok(found) => found.bytes().await.map_err(what)?,
                // Cleaned up meanwhile.
                Err(object_store::Error::NotFound { .. }) => continue,
                Err(error) => return Err(what(error)),
            };
            let Some(bytes) = without_bounds(&bytes, &self.person.id) else { continue };
            let failed = |e| Error::store(format!("write {path} of table {} anew", table.name()), e);
            store.put(&path, bytes.into()).await.map_err(failed)?;
            purged.entries += 1;
        }
        Ok(())
    }

    /// Deletes files in the table's folders that it does not have and that tell of the person, or cannot be read.
    async fn delete_bytes(&mut self, name: &'static str, table: &TableLog) -> Result<u64> {
        // Listed first: what is named after this look is no file of before.
        let found = list_files(table).await?;
        let Some(head) = table.head().await? else { return Ok(0) };
        let snapshot = self.lake.snapshot_at(table, head).await?;
        let live: HashSet<&Path> = snapshot.files.iter().map(|file| &file.path).collect();
        let mut due = Vec::new();
        for (path, written_ms) in found.into_iter().filter(|(path, _)| !live.contains(path)) {
            let file = FileEntry {
                path,
                size_bytes: 0,
                written_ms,
                rows: None,
                business_month: None,
                statistics: None,
            };
            match self.told_by(name, table, &file).await {
                Ok(None) => {}
                Ok(Some(_)) => due.push(file.path),
                // A writer was killed within it.
                Err(error) if matches!(error.kind(), ErrorKind::Schema | ErrorKind::Corrupt) => {
                    due.push(file.path)
                }
                Err(error) if error.kind() == ErrorKind::Gone => {}
                Err(error) => return Err(error),
            }
        }
        let staged = self.lake.sweep_staged(table, now_ms()).await?;
        Ok(self.lake.delete(table, due).await? + staged)
    }
}

/// The entry without bounds that name `id`; `None` if none does.
fn without_bounds(entry: &Bytes, id: &str) -> Option<Bytes> {
    let text = std::str::from_utf8(entry).ok()?;
    let mut is_changed = false;
    let line = |line: &str| {
        let mut action: Value = serde_json::from_str(line).ok()?;
        let mut bounds: Value = serde_json::from_str(action["add"]["stats"].as_str()?).ok()?;
        let mut has_named = false;
        for side in ["minValues", "maxValues"] {
            let Some(values) = bounds[side].as_object_mut() else { continue };
            let before = values.len();
            values.retain(|column, value| {
                !NAMING_BOUNDS.contains(&column.as_str())
                    || !value.as_str().is_some_and(|value| value.contains(id))
            });
            has_named |= values.len() < before;
        }
        action["add"]["stats"] = bounds.to_string().into();
        has_named.then(|| action.to_string())
    };
    let lines: Vec<String> = text
        .lines()
        .map(|known| match line(known) {
            Some(changed) => {
                is_changed = true;
                changed
            }
            None => known.to_owned(),
        })
        .collect();
    is_changed.then(|| lines.join("\n").into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn bounds_that_name_the_person_go_and_nothing_else() {
        let add = |low: &str, shift: &str| {
            let bounds = json!({"numRecords": 2, "minValues": {"employee_id": low, "offset": 3, "shift_id": shift},
                "maxValues": {"employee_id": "E9", "shift_id": "E9/1"}, "nullCount": {"employee_id": 0}});
            json!({"add": {"path": "a", "stats": bounds.to_string()}}).to_string()
        };
        let others = json!({"commitInfo": {"musterAttempt": "00ff"}}).to_string();
        let entry: Bytes = [others.clone(), add("E1", "E1/1"), add("E2", "E2/1")].join("\n").into();
        assert_eq!(without_bounds(&entry, "E7"), None);
        let changed = without_bounds(&entry, "E1").unwrap();
        let lines: Vec<&str> = std::str::from_utf8(&changed).unwrap().lines().collect();
        assert_eq!((lines[0], lines[2]), (others.as_str(), add("E2", "E2/1").as_str()));
        let action: Value = serde_json::from_str(lines[1]).unwrap();
        let bounds: Value = serde_json::from_str(action["add"]["stats"].as_str().unwrap()).unwrap();
        assert_eq!(bounds["minValues"], json!({"offset": 3}));
        assert_eq!(bounds["maxValues"], json!({"employee_id": "E9", "shift_id": "E9/1"}));
        assert_eq!((&action["add"]["path"], &bounds["numRecords"]), (&json!("a"), &json!(2)));
        assert_eq!(without_bounds(&Bytes::from_static(b"no json\n"), "E1"), None);
    }
}
