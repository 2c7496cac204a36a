//! Which letters were replayed: `<lake>/_muster/replayed.ndjson`, a line for each record appended again.
//!
//! In: origins and where their records landed.  Out: the same, read back.  Owns: nothing but an open file while it writes.
//! Absent on purpose: a record in the dead-letter topic: whoever reads that would take it for a letter. Locks: lines
//! are appended by one write, so two commands at a time leave whole lines.
//! Invariants: a line is written behind the append that it tells of, so a letter that is marked was replayed. The other
//! way round does not hold (a kill in between, a lost file): then it is replayed once more, and its repeat is found by
//! its identity.
//!
//! ```text
//! {"origin":"punches/0/41","at":"2026-11-22T08:58:31Z","to":"punches/0/99"}
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::place::{self, Place};
use crate::failure::Failure;

#[derive(Serialize, Deserialize)]
struct Line {
    origin: String,
    at: String,
    to: String,
}

/// The file.
pub(super) struct Marks {
    path: PathBuf,
}

impl Marks {
    /// That of the lake in `lake`.
    pub(super) fn of(lake: &Path) -> Self {
        Self { path: lake.join("_muster").join("replayed.ndjson") }
    }

    /// Origin → where its record landed → when it was appended there. Lines that are none are passed over.
    pub(super) fn read(&self) -> Result<BTreeMap<Place, BTreeMap<Place, String>>, Box<Failure>> {
        let text = match std::fs::read(&self.path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(failed(&self.path, "read", &error)),
        };
        let mut marks: BTreeMap<Place, BTreeMap<Place, String>> = BTreeMap::new();
        for line in text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok()) {
            if let (Ok(origin), Ok(to)) = (place::parse(&line.origin), place::parse(&line.to)) {
                marks.entry(origin).or_default().insert(to, line.at);
            }
        }
        Ok(marks)
    }

    /// How many files records were written to, in order to be replayed.
    pub(super) fn files(marks: &BTreeMap<Place, BTreeMap<Place, String>>) -> usize {
        let topics: BTreeSet<&str> =
            marks.values().flat_map(BTreeMap::keys).map(|to| to.topic.as_str()).collect();
        topics.len()
    }

    /// Adds lines, durable when this returns.
    pub(super) fn add(&self, at: &str, landed: &[(Place, Place)]) -> Result<(), Box<Failure>> {
        let line = |(origin, to): &(Place, Place)| Line {
            origin: origin.to_string(),
            at: at.to_owned(),
            to: to.to_string(),
        };
        let lines: Vec<Line> = landed.iter().map(line).collect();
        append_lines(&self.path, &lines).map_err(|error| failed(&self.path, "write", &error))
    }
}

/// Adds lines to the file, durable when this returns.
pub(super) fn append_lines<T: Serialize>(path: &Path, rows: &[T]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = File::options().read(true).append(true).create(true).open(path)?;
    let mut lines = Vec::new();
    // A line that a full disk tore off must not swallow the next one.
    if file.seek(SeekFrom::End(0))? > 0 {
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            lines.push(b'\n');
        }
    }
    for row in rows {
        serde_json::to_writer(&mut lines, row)?;
        lines.push(b'\n');
    }
    file.write_all(&lines)?;
    file.sync_data()
}

/// The failure of a file of notes.
pub(super) fn failed(path: &Path, doing: &str, error: &std::io::Error) -> Box<Failure> {
    let what = format!("{doing} {}: {error}", path.display());
    Box::new(Failure::outside(what, "check the disk, its owner and permissions; doing it again is harmless"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_replayed_is_read_back_and_a_torn_line_costs_itself_alone() {
        let folder = tempfile::tempdir().unwrap();
        let marks = Marks::of(folder.path());
        assert!(marks.read().unwrap().is_empty());
        let at = |text: &str| place::parse(text).unwrap();
        marks
            .add("2026-11-22T08:00:00Z", &[(at("p/0/1"), at("p/0/9")), (at("p/0/2"), at("p/0/10"))])
            .unwrap();
        let mut torn = std::fs::read(&marks.path).unwrap();
        torn.extend_from_slice(b"{\"origin\":\"p/0/3\",\"at");
        std::fs::write(&marks.path, torn).unwrap();
        marks.add("2026-11-22T09:00:00Z", &[(at("p/0/1"), at("file:ab/0/11"))]).unwrap();
        let found = marks.read().unwrap();
        assert_eq!(found.len(), 2);
        let twice: Vec<String> = found[&at("p/0/1")].keys().map(ToString::to_string).collect();
        assert_eq!(twice, ["file:ab/0/11", "p/0/9"]);
        assert_eq!(Marks::files(&found), 2);
    }
}
