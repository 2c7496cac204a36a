//! Ids seen in one set: which stand twice, which row they became, which were refused.
//!
//! In: ids as written, with their places.  Out: shared text, indexes.  Owns: one entry per id.
//! Invariants: an id that was refused is known as such, so that what points at it is not called unknown too; nor is any
//! id of a set that could not be read whole.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::problem::{At, Report};

/// Longest id, in bytes.
const ID_BYTES_MAX: usize = 256;

/// What an id points at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// The row at this index of the sorted set.
    Row(u32),
    /// A row that was refused, or of a file that could not be read; that problem is told already.
    Refused,
    /// Nothing.
    Unknown,
}

/// The ids of one set.
#[derive(Default)]
pub(crate) struct Ids {
    seen: HashMap<Arc<str>, (At, Option<u32>)>,
    guesses: OnceCell<HashMap<String, Arc<str>>>,
    is_partial: bool,
}

impl Ids {
    /// Takes a row's id; `None`, with a problem told, if it is unfit or stands a second time.
    pub(crate) fn claim(&mut self, report: &mut Report, at: At, what: &str, id: &str) -> Option<Arc<str>> {
        if let Err(fault) = fit(id) {
            let remedy = "write an id without control characters or spaces at its ends";
            report.error("bad_id", at, &format!("{what} {}", id.escape_debug()), fault, remedy);
            return None;
        }
        if let Some((first, _)) = self.seen.get(id) {
            let what_is = format!("its id stands already in {}", report.place(*first));
            report.error("duplicate_id", at, &format!("{what} {id}"), what_is, "give every row its own id");
            return None;
        }
        let id: Arc<str> = id.into();
        self.seen.insert(id.clone(), (at, None));
        Some(id)
    }

    /// Says which row an id became.
    pub(crate) fn set_index(&mut self, id: &str, index: usize) {
        if let Some(entry) = self.seen.get_mut(id) {
            entry.1 = Some(index as u32);
        }
    }

    pub(crate) fn find(&self, id: &str) -> Lookup {
        match self.seen.get(id) {
            Some((_, Some(index))) => Lookup::Row(*index),
            Some((_, None)) => Lookup::Refused,
            None if self.is_partial => Lookup::Refused,
            None => Lookup::Unknown,
        }
    }

    /// Says that a file of the set could not be read: an id that was not seen may stand there.
    pub(crate) fn set_partial(&mut self, is_partial: bool) {
        self.is_partial = is_partial;
    }

    /// Whether a file of the set could not be read.
    pub(crate) const fn is_partial(&self) -> bool {
        self.is_partial
    }

    /// Where an id stands.
    pub(crate) fn place(&self, id: &str) -> Option<At> {
        self.seen.get(id).map(|(at, _)| *at)
    }

    /// How many ids were claimed, those of refused rows included.
    pub(crate) fn len(&self) -> usize {
        self.seen.len()
    }

    /// A remedy for an id that is unknown. Ids differ by a digit as a rule, so only a slip of case or marks is worth a
    /// guess; the guesses are made ready once, so that a file of unknown ids does not look through all ids for each.
    pub(crate) fn remedy(&self, set: &str, id: &str) -> String {
        if self.seen.is_empty() {
            return format!("no {set} are given: set [reference] {set}");
        }
        let guesses = self.guesses.get_or_init(|| {
            let mut ids: Vec<&Arc<str>> = self.seen.keys().collect();
            ids.sort_unstable_by(|a, b| b.cmp(a));
            ids.into_iter().map(|id| (folded(id), id.clone())).collect()
        });
        match guesses.get(&folded(id)) {
            Some(known) => format!("did you mean `{known}`?"),
            None => format!("add it to the {set}, or correct it here"),
        }
    }
}

/// Letters and digits alone, in lower case.
fn folded(id: &str) -> String {
    id.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn fit(id: &str) -> Result<(), String> {
    if id.is_empty() {
        Err("its id is empty".to_owned())
    } else if id.len() > ID_BYTES_MAX {
        Err(format!("its id is longer than {ID_BYTES_MAX} bytes"))
    } else if id.trim() != id || id.chars().any(char::is_control) {
        Err("its id has spaces at an end, or control characters".to_owned())
    } else {
        Ok(())
    }
}

/// Text that many rows repeat, kept once.
#[derive(Default)]
pub(crate) struct Strings(HashSet<Arc<str>>);

impl Strings {
    pub(crate) fn get(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.get(text) {
            return known.clone();
        }
        let new: Arc<str> = text.into();
        self.0.insert(new.clone());
        new
    }

    pub(crate) fn all(&mut self, texts: &[String]) -> Vec<Arc<str>> {
        texts.iter().map(|text| self.get(text)).collect()
    }
}

/// Why `org` is no org path, if it is none.
pub(crate) fn org_fault(org: &str) -> Option<&'static str> {
    if org.is_empty() {
        Some("is empty")
    } else if org.split('/').any(|segment| segment.is_empty() || segment.trim() != segment) {
        Some("has an empty segment, or spaces at a segment's end")
    } else if org.chars().any(char::is_control) {
        Some("has control characters")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_claimed_once() {
        let mut report = Report::default();
        let file = report.add_file("people.ndjson".into());
        let mut ids = Ids::default();
        assert!(ids.claim(&mut report, At::line(file, 1), "person", "e-1").is_some());
        assert_eq!(ids.find("e-1"), Lookup::Refused);
        ids.set_index("e-1", 7);
        assert_eq!((ids.find("e-1"), ids.find("e-2")), (Lookup::Row(7), Lookup::Unknown));
        for id in ["e-1", "", " e-3", "e\u{1f}4", &"x".repeat(257)] {
            assert!(ids.claim(&mut report, At::line(file, 2), "person", id).is_none(), "{id:?}");
        }
        let (problems, errors, _) = report.finish();
        assert_eq!(errors, 5);
        assert!(
            problems.iter().any(|p| p.to_string()
                == "people.ndjson:2: error: person e-1: its id stands already in people.ndjson:1; give every row its own id")
        );
        assert_eq!(ids.remedy("people", "E1"), "did you mean `e-1`?");
        assert_eq!(Ids::default().remedy("people", "E1"), "no people are given: set [reference] people");
    }

    #[test]
    fn org_paths_have_segments() {
        for (org, is_good) in [
            ("hk", true),
            ("hk/kln/mong-kok", true),
            ("香港/九龍", true),
            ("", false),
            ("/hk", false),
            ("hk/", false),
            ("hk//kln", false),
            ("hk/ kln", false),
        ] {
            assert_eq!(org_fault(org).is_none(), is_good, "{org}");
        }
    }
}
