//! How a lake's table `punches` grows, seen from outside while another process writes it.
//!
//! In: a lake's folder.  Out: rows committed so far.  Owns: which entries of the Delta log were read.
//! Why so: the log's entries are put into place whole, so that reading the next one needs no snapshot and takes
//! microseconds: the moment of a commit is seen to the millisecond.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Watches one lake.
#[derive(Clone, Debug)]
pub struct Growth {
    log: PathBuf,
    next_version: u64,
    rows: u64,
}

impl Growth {
    /// The lake in `folder`, which need not exist yet.
    pub fn of(folder: &Path) -> Self {
        Self { log: folder.join("punches/_delta_log"), next_version: 0, rows: 0 }
    }

    /// Rows added to `punches` by now.
    pub fn rows(&mut self) -> u64 {
        while let Ok(entry) = fs::read_to_string(self.log.join(format!("{:020}.json", self.next_version))) {
            self.rows += entry.lines().filter_map(rows_added).sum::<u64>();
            self.next_version += 1;
        }
        self.rows
    }
}

fn rows_added(action: &str) -> Option<u64> {
    let action: Value = serde_json::from_str(action).ok()?;
    let added = action.get("add").filter(|added| added["dataChange"] != Value::Bool(false))?;
    let statistics = added.get("stats")?.as_str()?;
    let statistics: Value = serde_json::from_str(statistics).ok()?;
    statistics.get("numRecords")?.as_u64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_added_rows_count() {
        for (action, rows) in [
            (r#"{"add":{"path":"x","stats":"{\"numRecords\":12}"}}"#, Some(12)),
            (r#"{"add":{"path":"x","dataChange":true,"stats":"{\"numRecords\":7}"}}"#, Some(7)),
            // The same rows in another file.
            (r#"{"add":{"path":"x","dataChange":false,"stats":"{\"numRecords\":19}"}}"#, None),
            (r#"{"txn":{"appId":"muster/x/0/offset","version":7}}"#, None),
            (r#"{"add":{"path":"x"}}"#, None),
            ("{", None),
        ] {
            assert_eq!(rows_added(action), rows, "{action}");
        }
    }
}
