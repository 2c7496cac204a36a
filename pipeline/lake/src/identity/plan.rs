//! Which filters to keep, which to make, which to make anew as one.
//!
//! In: the data files of `punches` at a version, the filters found.  Out: [`Plan`].  Owns: nothing; no I/O.
//! Invariants: every data file is in a filter kept, in one to be built, or loose, kept by [`Plan::of`].
//! Why so: sizes in steps of four and one filter of a step: few filters to ask for every punch (each costs some 60 ns where it
//! does not fit into a processor's own cache), while a row is read again at most three times a step, beside the hot path.

use std::collections::BTreeMap;
use std::sync::Arc;

use object_store::path::Path;

use super::Group;
use crate::scan::FileEntry;

/// What bounds filters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Fewer rows than this, in fewer files than `loose_files`, get no filter on disk: reading them again is cheap.
    pub(crate) loose_rows: u64,
    /// See `loose_rows`.
    pub(crate) loose_files: usize,
    /// Rows of one filter at most (if one file has not more). While it is made each takes 8 bytes, and those of its largest
    /// section 30.
    pub(crate) group_rows_max: u64,
    /// So many filters of one step become one.
    pub(crate) merge_at: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { loose_rows: 16_384, loose_files: 256, group_rows_max: 32 << 20, merge_at: 2 }
    }
}

/// A file without a row count is taken for one of rows of this size.
const ROW_BYTES: u64 = 32;

/// What to do.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Filters to use as they are.
    pub(super) kept: Vec<Arc<Group>>,
    /// Data files that are to have a filter together.
    pub(super) build: Vec<Vec<FileEntry>>,
    /// Data files that need none on disk.
    pub(super) loose: Vec<FileEntry>,
    /// Filters that are of no use once those of `build` are there.
    pub(super) obsolete: Vec<Path>,
}

/// Data files with one filter, there or to be made.
struct Set {
    files: Vec<FileEntry>,
    rows: u64,
    groups: Vec<Arc<Group>>,
    is_stored: bool,
}

impl Plan {
    /// What to do about `files`, given the filters `found`.
    pub(super) fn of(files: &[FileEntry], mut found: Vec<Arc<Group>>, limits: Limits) -> Self {
        let mut open: BTreeMap<&str, &FileEntry> =
            files.iter().map(|file| (file.path.as_ref(), file)).collect();
        let mut plan = Self::default();
        // The same order for every process: of two that cover the same, all remove the same one.
        found.sort_by(|a, b| b.keys.cmp(&a.keys).then_with(|| a.path.cmp(&b.path)));
        let mut sets = Vec::new();
        for group in found {
            let files: Vec<FileEntry> =
                group.covers.iter().filter_map(|path| open.remove(path.as_str())).cloned().collect();
            if files.is_empty() {
                plan.obsolete.extend(group.path.clone());
            } else {
                sets.push(Set { files, rows: group.keys, groups: vec![group], is_stored: true });
            }
        }
        let rest: Vec<FileEntry> = open.into_values().cloned().collect();
        let rows: u64 = rest.iter().map(rows_of).sum();
        if rows < limits.loose_rows && rest.len() < limits.loose_files {
            plan.loose = rest;
        } else {
            sets.extend(chunks(rest, limits));
        }
        while merge(&mut sets, limits) {}
        for set in sets {
            if set.is_stored {
                plan.kept.extend(set.groups);
            } else {
                plan.obsolete.extend(set.groups.iter().filter_map(|group| group.path.clone()));
                plan.build.push(set.files);
            }
        }
        plan
    }
}

fn chunks(files: Vec<FileEntry>, limits: Limits) -> Vec<Set> {
    let mut sets: Vec<Set> = Vec::new();
    for file in files {
        let rows = rows_of(&file);
        match sets.last_mut().filter(|set| set.rows + rows <= limits.group_rows_max) {
            Some(set) => {
                set.rows += rows;
                set.files.push(file);
            }
            None => sets.push(Set { files: vec![file], rows, groups: Vec::new(), is_stored: false }),
        }
    }
    sets
}

/// Makes one of the smallest sets of a step that has too many; `false` if none has.
fn merge(sets: &mut Vec<Set>, limits: Limits) -> bool {
    let step = |set: &Set| (set.rows / limits.loose_rows.max(1)).max(1).ilog(4);
    sets.sort_by_key(|set| set.rows);
    let steps: Vec<u32> = sets.iter().map(step).collect();
    for first in 0..sets.len() {
        let until = first + limits.merge_at.max(2);
        let is_full = until <= sets.len() && steps[first] == steps[until - 1];
        if !is_full || sets[first..until].iter().map(|set| set.rows).sum::<u64>() > limits.group_rows_max {
            continue;
        }
        let mut merged = Set { files: Vec::new(), rows: 0, groups: Vec::new(), is_stored: false };
        for set in sets.drain(first..until) {
            merged.files.extend(set.files);
            merged.rows += set.rows;
            merged.groups.extend(set.groups);
        }
        sets.push(merged);
        return true;
    }
    false
}

/// How many rows a data file has, about.
pub(super) fn rows_of(file: &FileEntry) -> u64 {
    file.rows.unwrap_or(file.size_bytes / ROW_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { loose_rows: 100, loose_files: 10, group_rows_max: 10_000, merge_at: 4 };

    fn file(name: &str, rows: u64) -> FileEntry {
        FileEntry {
            path: Path::from(name),
            size_bytes: rows * ROW_BYTES,
            written_ms: 0,
            rows: Some(rows),
            business_month: None,
            statistics: None,
        }
    }

    fn group(name: &str, keys: u64, covers: &[&str]) -> Arc<Group> {
        let covers = covers.iter().map(|path| (*path).to_owned()).collect();
        Arc::new(Group { path: Some(Path::from(name)), keys, covers, sections: BTreeMap::new() })
    }

    /// Which filters are kept, which files get one, which files stay loose, which filters go.
    fn check(files: &[FileEntry], found: Vec<Arc<Group>>, expected: [&str; 4]) {
        let plan = Plan::of(files, found, LIMITS);
        let names = |files: &[FileEntry]| {
            let mut names: Vec<String> = files.iter().map(|file| file.path.to_string()).collect();
            names.sort();
            names.join(" ")
        };
        let kept: Vec<String> = plan.kept.iter().filter_map(|g| Some(g.path.clone()?.to_string())).collect();
        let mut built: Vec<String> = plan.build.iter().map(|files| names(files)).collect();
        built.sort();
        let mut obsolete: Vec<String> = plan.obsolete.iter().map(ToString::to_string).collect();
        obsolete.sort();
        let actual = [kept.join(" "), built.join(", "), names(&plan.loose), obsolete.join(" ")];
        assert_eq!(actual, expected.map(str::to_owned));
    }

    #[test]
    fn little_stays_loose_and_much_gets_a_filter() {
        check(&[file("a", 60), file("b", 39)], vec![], ["", "", "a b", ""]);
        check(&[file("a", 60), file("b", 40)], vec![], ["", "a b", "", ""]);
        let tiny: Vec<FileEntry> = (0..10).map(|n| file(&format!("f{n}"), 1)).collect();
        check(&tiny, vec![], ["", "f0 f1 f2 f3 f4 f5 f6 f7 f8 f9", "", ""]);
        check(&[file("a", 6_000), file("b", 6_000), file("c", 10)], vec![], ["", "a, b c", "", ""]);
    }

    #[test]
    fn what_a_filter_covers_is_not_read_again() {
        let files = [file("a", 500), file("b", 500), file("c", 50)];
        check(&files, vec![group("g", 1_000, &["a", "b", "gone"])], ["g", "", "c", ""]);
        // Half of the same, and nothing that is there any more.
        let found = vec![group("g", 1_000, &["a", "b"]), group("h", 500, &["b"]), group("i", 9, &["gone"])];
        check(&files, found, ["g", "", "c", "h i"]);
    }

    #[test]
    fn four_of_a_step_become_one() {
        let names = ["a", "b", "c", "d"];
        let files: Vec<FileEntry> = names.iter().map(|name| file(name, 150)).collect();
        let groups = |names: &[&str]| -> Vec<Arc<Group>> {
            names.iter().map(|name| group(&format!("g{name}"), 150, &[name])).collect()
        };
        check(&files[..3], groups(&names[..3]), ["ga gb gc", "", "", ""]);
        check(&files, groups(&names[..3]), ["", "a b c d", "", "ga gb gc"]);
        // Filters as large as they may be are left alone.
        let files: Vec<FileEntry> = names.iter().map(|name| file(name, 9_000)).collect();
        let found: Vec<Arc<Group>> =
            names.iter().map(|name| group(&format!("g{name}"), 9_000, &[name])).collect();
        check(&files, found, ["ga gb gc gd", "", "", ""]);
    }
}
