//! Which letters are settled without a replay: `<lake>/_muster/dropped.ndjson`, a line for each, with who, when and why.
//!
//! In: origins, who settles them and why.  Out: the same, read back.  Owns: nothing but an open file while it writes.
//! Absent on purpose: taking anything away: the letter stays in its topic, its record in the log and in `rejects`, for as long
//! as those keep them; and taking a line back: the file says what was decided, and a replay by place goes past it.
//!
//! ```text
//! {"origin":"punches/0/41","at":"2026-11-22T08:58:31Z","by":"ops","note":"a probe of the gateway"}
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use schemas::lines::utc_text;
use serde::{Deserialize, Serialize};

use super::letters::{Index, Letters};
use super::list::letters as letters_counted;
use super::marks::{append_lines, failed};
use super::place::{self, Place};
use super::{DropArguments, Filter};
use crate::commands::Outcome;
use crate::failure::{Exit, Failure};

/// Why a letter is settled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Drop {
    /// When, RFC 3339.
    pub(super) at: String,
    /// Who decided.
    pub(super) by: String,
    /// Why.
    pub(super) note: String,
}

#[derive(Serialize, Deserialize)]
struct Line {
    origin: String,
    at: String,
    by: String,
    note: String,
}

/// The file.
pub(super) struct Drops {
    path: PathBuf,
}

impl Drops {
    /// That of the lake in `lake`.
    pub(super) fn of(lake: &Path) -> Self {
        Self { path: lake.join("_muster").join("dropped.ndjson") }
    }

    /// Origin → why it is settled; of several lines the first. Lines that are none are passed over.
    pub(super) fn read(&self) -> Result<BTreeMap<Place, Drop>, Box<Failure>> {
        let text = match std::fs::read(&self.path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(failed(&self.path, "read", &error)),
        };
        let mut drops = BTreeMap::new();
        for Line { origin, at, by, note } in text.lines().filter_map(|line| serde_json::from_str(line).ok()) {
            if let Ok(origin) = place::parse(&origin) {
                drops.entry(origin).or_insert(Drop { at, by, note });
            }
        }
        Ok(drops)
    }

    fn add(&self, origins: &BTreeSet<Place>, drop: &Drop) -> Result<(), Box<Failure>> {
        let line = |origin: &Place| Line {
            origin: origin.to_string(),
            at: drop.at.clone(),
            by: drop.by.clone(),
            note: drop.note.clone(),
        };
        let lines: Vec<Line> = origins.iter().map(line).collect();
        append_lines(&self.path, &lines).map_err(|error| failed(&self.path, "write", &error))
    }
}

/// What came of it; `--json` prints it.
#[derive(Debug, Default, Serialize)]
struct Counts {
    /// Letters that were meant.
    letters: u64,
    /// Settled now; of a dry run: that would be.
    dropped: u64,
    /// Left out because they were settled before, or replayed.
    settled_before: u64,
}

/// Runs the command.
pub(super) fn run(arguments: &DropArguments) -> Outcome {
    if arguments.places.is_empty() && arguments.filter.is_empty() && !arguments.all {
        return Err(Box::new(Failure::usage(
            "which letters are settled?",
            "name places (`muster dlq list` has them), or give a filter such as --code, or --all",
        )));
    }
    for (name, text) in [("--by", &arguments.by), ("--note", &arguments.note)] {
        if text.trim().is_empty() {
            return Err(Box::new(Failure::usage(
                format!("{name} is empty"),
                "say who settles them, and why",
            )));
        }
    }
    let letters = Letters::open(&arguments.home)?;
    let index = letters.index()?;
    let drops = letters.drops().ok_or_else(|| {
        Failure::usage(
            format!("no lake in {}: what is settled is noted there", letters.config.lake.url),
            "run this where the lake is, with its configuration",
        )
    })?;
    let mut meant = meant(&arguments.places, &arguments.filter, &index, &letters.name())?;
    let mut counts = Counts { letters: meant.len() as u64, ..Counts::default() };
    meant.retain(|place| {
        let known = &index.letters[place];
        known.dropped.is_none() && known.replayed.is_empty()
    });
    counts.dropped = meant.len() as u64;
    counts.settled_before = counts.letters - counts.dropped;
    if !arguments.dry_run && !meant.is_empty() {
        let at = utc_text((crate::wall_clock())());
        let (by, note) = (arguments.by.trim().to_owned(), arguments.note.trim().to_owned());
        drops.add(&meant, &Drop { at, by, note })?;
    }
    if arguments.json {
        crate::say(&serde_json::to_string(&counts).map_err(Failure::from_outside)?)?;
    } else {
        let done = if arguments.dry_run { "would be settled" } else { "settled; nothing was deleted" };
        let mut told = format!("{}: {} {done}", letters_counted(counts.letters as usize), counts.dropped);
        if counts.settled_before > 0 {
            told.push_str(&format!("; {} were settled or replayed before", counts.settled_before));
        }
        crate::say(&told)?;
    }
    Ok(Exit::Done)
}

/// The letters that are named, or those that the filter takes.
pub(super) fn meant(
    places: &[Place],
    filter: &Filter,
    index: &Index,
    name: &str,
) -> Result<BTreeSet<Place>, Box<Failure>> {
    if places.is_empty() {
        let taken = index.letters.iter().filter(|(place, known)| filter.takes(place, known));
        return Ok(taken.map(|(place, _)| place.clone()).collect());
    }
    places.iter().map(|place| Ok(index.one(place, name)?.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_settled_is_read_back_and_the_first_decision_holds() {
        let folder = tempfile::tempdir().unwrap();
        let drops = Drops::of(folder.path());
        assert!(drops.read().unwrap().is_empty());
        let at = |text: &str| place::parse(text).unwrap();
        let drop =
            |note: &str| Drop { at: "2026-11-22T08:00:00Z".into(), by: "ops".into(), note: note.into() };
        drops.add(&[at("p/0/1"), at("p/0/2")].into(), &drop("a probe")).unwrap();
        drops.add(&[at("p/0/2"), at("p/0/3")].into(), &drop("again")).unwrap();
        let found = drops.read().unwrap();
        let notes: Vec<&str> = found.values().map(|drop| drop.note.as_str()).collect();
        assert_eq!(notes, ["a probe", "a probe", "again"]);
    }
}
