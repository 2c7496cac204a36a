//! What is wrong with the reference data: one value per finding, kept few per kind so that a bad file stays readable.
//!
//! In: findings of every reader of this crate.  Out: [`Problem`]s in file and line order.  Owns: the findings so far.
//! Absent on purpose: `Err` (bad input is a value: the readers go on behind it), terminals and colours.
//! Invariants: at most [`PROBLEMS_PER_KIND_MAX`] findings of one kind, severity and file are kept, all are counted, and the last
//! kept one is followed by "and N more".
//! Why so: a store list without ids has one fault, not 859.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// How many findings of one kind are kept for one file.
const PROBLEMS_PER_KIND_MAX: u64 = 5;

/// Longest piece of a source line that is quoted, in characters.
const EXCERPT_CHARS_MAX: usize = 120;

/// Whether a problem stands in the way of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// No snapshot is made.
    Error,
    /// The snapshot is made; a person should look.
    Warning,
}

impl Severity {
    /// Its name as printed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One thing that is wrong, where, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Whether it stands in the way.
    pub severity: Severity,
    /// Its kind: a stable word, the same for all problems of one sort.
    pub code: &'static str,
    /// The file, as named by the configuration or found in a folder.
    pub file: PathBuf,
    /// The line, counted from 1.
    pub line: Option<u64>,
    /// The column in characters, counted from 1.
    pub column: Option<u64>,
    /// The row and the place in it: `site hk-0007, feature 6, ring 0, vertex 12`; may be empty for a whole file.
    pub subject: String,
    /// What is wrong.
    pub what: String,
    /// How to mend it; empty where the statement says it already.
    pub remedy: String,
    /// The piece of the source it is about, where quoting helps.
    pub excerpt: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
            if let Some(column) = self.column {
                write!(f, "{column}:")?;
            }
        }
        write!(f, " {}: ", self.severity.name())?;
        if !self.subject.is_empty() {
            write!(f, "{}: ", self.subject)?;
        }
        f.write_str(&self.what)?;
        if !self.remedy.is_empty() {
            write!(f, "; {}", self.remedy)?;
        }
        match &self.excerpt {
            Some(excerpt) => write!(f, " | {excerpt}"),
            None => Ok(()),
        }
    }
}

/// A file's place in [`Report::files`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FileId(u32);

/// Where something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct At {
    pub(crate) file: FileId,
    /// Counted from 1; 0 = the whole file.
    pub(crate) line: u64,
    /// Counted from 1; 0 = the whole line.
    pub(crate) column: u64,
}

impl At {
    pub(crate) const fn file(file: FileId) -> Self {
        Self { file, line: 0, column: 0 }
    }

    pub(crate) const fn line(file: FileId, line: u64) -> Self {
        Self { file, line, column: 0 }
    }
}

#[derive(Clone)]
struct UnknownField {
    first: At,
    rows: u64,
    nearest: Option<String>,
}

/// Findings: of one set, or of a whole load.
#[derive(Clone, Default)]
pub(crate) struct Report {
    files: Arc<Vec<PathBuf>>,
    found: Vec<(At, Problem)>,
    by_kind: HashMap<(&'static str, Severity, FileId), u64>,
    unknown: BTreeMap<(FileId, String), UnknownField>,
    errors: u64,
    warnings: u64,
    files_lost: u64,
}

/// Problems that leave out a whole file.
const FILE_LOST: [&str; 6] = ["unreadable", "not_utf8", "empty_folder", "not_geojson", "not_csv", "not_toml"];

impl Report {
    /// Makes a file known and gives it its id.
    pub(crate) fn add_file(&mut self, path: PathBuf) -> FileId {
        Arc::make_mut(&mut self.files).push(path);
        FileId(self.files.len() as u32 - 1)
    }

    /// A report without findings over the files known so far.
    pub(crate) fn over_same_files(&self) -> Self {
        Self { files: Arc::clone(&self.files), ..Self::default() }
    }

    /// Takes up the findings of another report over the same files.
    pub(crate) fn absorb(&mut self, other: &Self) {
        self.found.extend(other.found.iter().cloned());
        for (kind, count) in &other.by_kind {
            *self.by_kind.entry(*kind).or_insert(0) += count;
        }
        for (key, field) in &other.unknown {
            match self.unknown.get_mut(key) {
                Some(known) => known.rows += field.rows,
                None => drop(self.unknown.insert(key.clone(), field.clone())),
            }
        }
        self.errors += other.errors;
        self.warnings += other.warnings;
        self.files_lost += other.files_lost;
    }

    /// `people.ndjson:12`, for a problem that names a second place.
    pub(crate) fn place(&self, at: At) -> String {
        let file = self.files[at.file.0 as usize].display();
        if at.line == 0 { file.to_string() } else { format!("{file}:{}", at.line) }
    }

    pub(crate) const fn errors(&self) -> u64 {
        self.errors
    }

    /// How often a file could not be read.
    pub(crate) const fn files_lost(&self) -> u64 {
        self.files_lost
    }

    pub(crate) fn error(
        &mut self,
        code: &'static str,
        at: At,
        subject: &str,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add(Severity::Error, code, at, subject, what.into(), remedy.into(), None);
    }

    pub(crate) fn warning(
        &mut self,
        code: &'static str,
        at: At,
        subject: &str,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add(Severity::Warning, code, at, subject, what.into(), remedy.into(), None);
    }

    /// An error that quotes the source.
    pub(crate) fn syntax_error(
        &mut self,
        code: &'static str,
        at: At,
        what: String,
        remedy: &str,
        source: &str,
    ) {
        let mut excerpt: String =
            source.chars().filter(|c| !c.is_control()).take(EXCERPT_CHARS_MAX + 1).collect();
        if excerpt.chars().count() > EXCERPT_CHARS_MAX {
            excerpt.pop();
            excerpt.push('…');
        }
        let excerpt = (!excerpt.is_empty()).then_some(excerpt);
        self.add(Severity::Error, code, at, "", what, remedy.to_owned(), excerpt);
    }

    /// Counts a field that no row of its kind knows; one warning per file and name comes of it.
    pub(crate) fn unknown_field(&mut self, at: At, name: &str, known: &[&str]) {
        let key = (at.file, name.to_owned());
        let field = self.unknown.entry(key).or_insert_with(|| UnknownField {
            first: at,
            rows: 0,
            nearest: crate::suggest::nearest(name, known.iter().copied()).map(str::to_owned),
        });
        field.rows += 1;
    }

    #[expect(clippy::too_many_arguments, reason = "one private road for everything a problem has")]
    fn add(
        &mut self,
        severity: Severity,
        code: &'static str,
        at: At,
        subject: &str,
        what: String,
        remedy: String,
        excerpt: Option<String>,
    ) {
        match severity {
            Severity::Error => self.errors += 1,
            Severity::Warning => self.warnings += 1,
        }
        self.files_lost += u64::from(FILE_LOST.contains(&code));
        let count = self.by_kind.entry((code, severity, at.file)).or_insert(0);
        *count += 1;
        if *count > PROBLEMS_PER_KIND_MAX {
            return;
        }
        let file = self.files[at.file.0 as usize].clone();
        let line = (at.line > 0).then_some(at.line);
        let column = (at.column > 0).then_some(at.column);
        let problem = Problem {
            severity,
            code,
            file,
            line,
            column,
            subject: subject.to_owned(),
            what,
            remedy,
            excerpt,
        };
        self.found.push((at, problem));
    }

    /// Everything found, in file and line order, "and N more" behind the last kept one of its kind.
    pub(crate) fn finish(mut self) -> (Vec<Problem>, u64, u64) {
        self.tell_unknown_fields();
        let mut last: HashMap<(&'static str, Severity, FileId), usize> = HashMap::new();
        self.found.sort_by(|(a, p), (b, q)| (a, p.code).cmp(&(b, q.code)));
        for (i, (at, problem)) in self.found.iter().enumerate() {
            last.insert((problem.code, problem.severity, at.file), i);
        }
        let mut problems = Vec::with_capacity(self.found.len());
        for (i, (at, problem)) in self.found.into_iter().enumerate() {
            let key = (problem.code, problem.severity, at.file);
            let more = self.by_kind[&key].saturating_sub(PROBLEMS_PER_KIND_MAX);
            let summary = (last[&key] == i && more > 0).then(|| Problem {
                severity: problem.severity,
                code: problem.code,
                file: problem.file.clone(),
                line: None,
                column: None,
                subject: String::new(),
                what: format!("and {more} more like the {PROBLEMS_PER_KIND_MAX} above ({})", problem.code),
                remedy: String::new(),
                excerpt: None,
            });
            problems.push(problem);
            problems.extend(summary);
        }
        (problems, self.errors, self.warnings)
    }

    fn tell_unknown_fields(&mut self) {
        for ((_, name), field) in std::mem::take(&mut self.unknown) {
            let rows = if field.rows == 1 { "1 row".to_owned() } else { format!("{} rows", field.rows) };
            let remedy = match field.nearest {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => "remove it, or leave it: it does nothing".to_owned(),
            };
            let what = format!("unknown field `{name}` in {rows} is ignored");
            self.warning("unknown_field", field.first, "", what, remedy);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_kept_few_and_counted_whole() {
        let mut report = Report::default();
        let file = report.add_file("b.ndjson".into());
        for line in (1..=8).rev() {
            report.error("missing", At::line(file, line), "person", "no `org`", "");
        }
        report.warning("other", At { file, line: 6, column: 2 }, "", "odd", "look");
        assert_eq!(report.errors(), 8);
        let (problems, errors, warnings) = report.finish();
        let lines: Vec<String> = problems.iter().map(Problem::to_string).collect();
        assert_eq!((errors, warnings), (8, 1));
        assert_eq!(
            lines,
            [
                "b.ndjson:4: error: person: no `org`",
                "b.ndjson:5: error: person: no `org`",
                "b.ndjson:6: error: person: no `org`",
                "b.ndjson:6:2: warning: odd; look",
                "b.ndjson:7: error: person: no `org`",
                "b.ndjson:8: error: person: no `org`",
                "b.ndjson: error: and 3 more like the 5 above (missing)",
            ]
        );
    }

    #[test]
    fn unknown_fields_are_told_once_with_the_nearest_name() {
        let mut report = Report::default();
        let file = report.add_file("people.csv".into());
        for line in 2..9 {
            report.unknown_field(At::line(file, line), "employe_id", &["employee_id", "org"]);
        }
        report.unknown_field(At::line(file, 3), "shoe", &["employee_id", "org"]);
        let (problems, ..) = report.finish();
        let lines: Vec<String> = problems.iter().map(Problem::to_string).collect();
        assert_eq!(
            lines,
            [
                "people.csv:2: warning: unknown field `employe_id` in 7 rows is ignored; did you mean `employee_id`?",
                "people.csv:3: warning: unknown field `shoe` in 1 row is ignored; remove it, or leave it: it does nothing",
            ]
        );
    }

    #[test]
    fn a_quoted_line_is_short_and_printable() {
        let mut report = Report::default();
        let file = report.add_file("a".into());
        report.syntax_error("not_json", At::line(file, 1), "no JSON".into(), "mend it", &"x\t".repeat(500));
        let (problems, ..) = report.finish();
        let excerpt = problems[0].excerpt.as_deref().unwrap();
        assert!(excerpt.ends_with('…') && excerpt.chars().count() == EXCERPT_CHARS_MAX + 1, "{excerpt}");
    }
}
