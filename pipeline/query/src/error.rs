//! What goes wrong between a statement and its answer, said so that the person who typed it can mend it: what, where in
//! the statement, and the remedy.
//!
//! In: errors of the SQL engine, the lake and the output.  Out: [`Error`].  Owns: nothing.
//! Why so: the engine nests errors and speaks of its own insides; here the root cause is taken, stripped of its
//! wrapping, and joined with what only this crate knows (which tables there are, which columns come near).

use std::fmt;
use std::io;

use datafusion::common::{DataFusionError, SchemaError};

/// What kind of trouble it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The statement is wrong: its author can mend it.
    Statement,
    /// The statement would change something; the lake is only read here.
    Refused,
    /// A named limit was reached: memory, spill space, the size of an answer.
    Limit,
    /// The lake's files could not be read.
    Lake,
    /// The answer could not be written.
    Output,
    /// The query was cancelled.
    Cancelled,
    /// The engine contradicts itself.
    Internal,
}

/// What to do about an error (style, section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The same again may go well: the outside said no.
    Retry,
    /// The same again will fail again.
    Stop,
}

/// A place in a statement, both counted from 1; the column counts characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    place: Option<Place>,
    remedy: Option<String>,
    is_closed_pipe: bool,
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(place) = self.place {
            write!(f, ", at {place}")?;
        }
        if let Some(remedy) = &self.remedy {
            write!(f, ": {remedy}")?;
        }
        Ok(())
    }
}

impl Error {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), place: None, remedy: None, is_closed_pipe: false }
    }

    pub(crate) fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    pub(crate) fn with_place(mut self, place: Option<Place>) -> Self {
        self.place = place.or(self.place);
        self
    }

    /// A failed write of an answer.
    pub(crate) fn output(cause: impl std::error::Error + 'static) -> Self {
        let chain = std::iter::successors(Some(&cause as &(dyn std::error::Error + 'static)), |e| e.source());
        let is_closed = |e: &io::Error| e.kind() == io::ErrorKind::BrokenPipe;
        let is_closed_pipe = chain.filter_map(|e| e.downcast_ref()).any(is_closed);
        Self { is_closed_pipe, ..Self::new(Kind::Output, format!("write the answer: {cause}")) }
    }

    /// Whether the answer could not be written because its reader has gone, as `head` does: it has seen enough.
    pub fn is_closed_pipe(&self) -> bool {
        self.is_closed_pipe
    }

    /// What kind of trouble it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether trying again may help.
    pub fn action(&self) -> Action {
        match self.kind {
            Kind::Lake | Kind::Output => Action::Retry,
            Kind::Statement | Kind::Refused | Kind::Limit | Kind::Cancelled | Kind::Internal => Action::Stop,
        }
    }

    /// What went wrong, without place and remedy.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Where in the statement, if it can be told.
    pub fn place(&self) -> Option<Place> {
        self.place
    }

    /// How to mend it, if it can be told.
    pub fn remedy(&self) -> Option<&str> {
        self.remedy.as_deref()
    }

    /// The error over several lines for a person: the message, the line of `statement` it points at with a caret below
    /// the place, and the remedy.
    pub fn explain(&self, statement: &str) -> String {
        let mut text = format!("error: {}\n", self.message);
        if let Some(place) = self.place
            && let Some(line) = statement.lines().nth(place.line - 1)
        {
            let before: String = line.chars().take(place.column - 1).collect();
            let indent = console::measure_text_width(&before);
            text += &format!("{:>4} | {line}\n     | {:indent$}^\n", place.line, "");
        }
        if let Some(remedy) = &self.remedy {
            text += &format!("help: {remedy}\n");
        }
        text
    }

    /// A name that no table or view has.
    pub(crate) fn no_relation(name: &str, known: &[&str]) -> Self {
        Self::new(Kind::Statement, format!("there is no table or view {name}")).with_remedy(near_or_list(
            name,
            known,
            "tables and views",
        ))
    }

    /// The engine's error about `statement`, in our words.
    pub(crate) fn of_engine(error: &DataFusionError, statement: &str, names: &Names) -> Self {
        let root = error.find_root();
        let spanned = error.diagnostic().and_then(|diagnostic| diagnostic.span);
        let place =
            spanned.map(|span| Place { line: span.start.line as usize, column: span.start.column as usize });
        let message = plain_message(root);
        let of_kind = |kind| Self::new(kind, message.clone()).with_place(place);
        match root {
            DataFusionError::SQL(..) => {
                let (message, place) = parser_place(&message);
                Self::new(Kind::Statement, message).with_place(place)
            }
            DataFusionError::SchemaError(schema, _) => match &**schema {
                SchemaError::FieldNotFound { field, valid_fields } => {
                    let names: Vec<&str> = valid_fields.iter().map(|column| column.name.as_str()).collect();
                    Self::new(Kind::Statement, format!("there is no column {}", field.name))
                        .with_place(place.or_else(|| find_word(statement, &field.name)))
                        .with_remedy(near_or_list(&field.name, &names, "columns here"))
                }
                SchemaError::AmbiguousReference { field } => {
                    Self::new(Kind::Statement, format!("column {} is in more than one table here", field.name))
                        .with_place(place.or_else(|| find_word(statement, &field.name)))
                        .with_remedy("write the table before it, as in table.column")
                }
                _ => of_kind(Kind::Statement),
            },
            DataFusionError::ResourcesExhausted(_) => of_kind(Kind::Limit).with_remedy(
                "ask for fewer rows or columns (a month, a site), or raise the memory or spill limit of the session",
            ),
            DataFusionError::Plan(_) | DataFusionError::Configuration(_) | DataFusionError::NotImplemented(_) => {
                plan_error(&message, statement, names).with_place(place)
            }
            DataFusionError::ObjectStore(_) | DataFusionError::IoError(_) | DataFusionError::ParquetError(_) => {
                of_kind(Kind::Lake).with_remedy(
                    "a file of the snapshot is gone or damaged: refresh the session, then check the lake's folder",
                )
            }
            DataFusionError::Internal(_) | DataFusionError::ExecutionJoin(_) => of_kind(Kind::Internal),
            _ => of_kind(Kind::Statement),
        }
    }
}

/// What a statement may call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    pub(crate) relations: Vec<String>,
    pub(crate) functions: Vec<String>,
}

/// Errors that the planner gives as text alone.
fn plan_error(message: &str, statement: &str, names: &Names) -> Error {
    if let Some(change) = ["DDL not supported: ", "DML not supported: ", "statement not supported: "]
        .into_iter()
        .find_map(|prefix| message.strip_prefix(prefix))
    {
        return Error::new(
            Kind::Refused,
            format!("{} is refused, the lake is only read here", spaced(change)),
        )
        .with_remedy("use SELECT, WITH, VALUES, EXPLAIN, SHOW or DESCRIBE");
    }
    let missing = message.strip_prefix("table '").and_then(|rest| rest.strip_suffix("' not found"));
    if let Some(name) = missing {
        let bare = name.rsplit('.').next().unwrap_or(name);
        let relations: Vec<&str> = names.relations.iter().map(String::as_str).collect();
        return Error::no_relation(bare, &relations).with_place(find_word(statement, bare));
    }
    let unknown = message.strip_prefix("invalid function '").and_then(|rest| rest.split('\'').next());
    if let Some(name) = unknown {
        let functions: Vec<&str> = names.functions.iter().map(String::as_str).collect();
        return Error::new(Kind::Statement, format!("there is no function {name}"))
            .with_place(find_word(statement, name))
            .with_remedy(near_or_list(name, &functions, "functions"));
    }
    Error::new(Kind::Statement, message)
}

/// The root's own words: no wrapping, no back trace, no request to report a bug elsewhere.
fn plain_message(root: &DataFusionError) -> String {
    let text = match root {
        DataFusionError::SQL(parser, _) => parser.to_string(),
        other => other.message().into_owned(),
    };
    let text = text.split(DataFusionError::BACK_TRACE_SEP).next().unwrap_or_default();
    let text = text.strip_prefix("sql parser error: ").unwrap_or(text);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    // "Divide by zero" reads on in a sentence; "SQL" and "CSV" keep their capitals.
    let mut letters = text.chars();
    let text = match (letters.next(), letters.next()) {
        (Some(first), Some(second)) if first.is_uppercase() && second.is_lowercase() => {
            first.to_lowercase().chain(text.chars().skip(1)).collect()
        }
        _ => text,
    };
    text.trim_end_matches('.').to_owned()
}

/// `CreateExternalTable` as `CREATE EXTERNAL TABLE`.
fn spaced(name: &str) -> String {
    let mut words = String::new();
    let mut before = ' ';
    for letter in name.chars() {
        if letter.is_uppercase() && before.is_lowercase() {
            words.push(' ');
        }
        words.extend(letter.to_uppercase());
        before = letter;
    }
    words
}

/// Splits the parser's `… at Line: 1, Column: 8` into the message and the place.
fn parser_place(message: &str) -> (String, Option<Place>) {
    let split = || {
        let (text, place) = message.rsplit_once(" at Line: ")?;
        let (line, column) = place.split_once(", Column: ")?;
        Some((text.to_owned(), Some(Place { line: line.parse().ok()?, column: column.trim().parse().ok()? })))
    };
    split().unwrap_or_else(|| (message.to_owned(), None))
}

/// The first place in `statement` where `word` stands alone.
fn find_word(statement: &str, word: &str) -> Option<Place> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    for (number, line) in statement.lines().enumerate() {
        let lower = line.to_ascii_lowercase();
        let word = word.to_ascii_lowercase();
        for (at, _) in lower.match_indices(&word) {
            let alone = !lower[..at].ends_with(is_part) && !lower[at + word.len()..].starts_with(is_part);
            if alone {
                return Some(Place { line: number + 1, column: lower[..at].chars().count() + 1 });
            }
        }
    }
    None
}

/// How many names a remedy lists at most.
const LISTED_NAMES_MAX: usize = 40;

fn near_or_list(name: &str, known: &[&str], what: &str) -> String {
    let nearest = known.iter().map(|other| (edit_distance(name, other), *other)).min();
    let longer = known
        .iter()
        .filter(|other| name.len() > 2 && other.starts_with(name))
        .min_by_key(|other| other.len());
    let near = nearest.filter(|(distance, _)| *distance <= name.chars().count().max(3) / 3);
    if let Some(other) = near.map(|(_, other)| other).or(longer.copied()) {
        return format!("did you mean {other}?");
    }
    let mut names = known.to_vec();
    names.sort_unstable();
    names.dedup();
    let left_out = names.len().saturating_sub(LISTED_NAMES_MAX);
    names.truncate(LISTED_NAMES_MAX);
    let more = if left_out > 0 { format!(" and {left_out} more") } else { String::new() };
    format!("{what}: {}{more}", names.join(", "))
}

/// How many letters must be put in, taken out, changed or swapped with a neighbour to make `a` of `b`, case aside.
fn edit_distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.to_lowercase().chars().collect();
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let swap = match i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    true => rows[i - 2][j - 2] + 1,
                    false => usize::MAX,
                };
                change.min(swap).min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1)
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_letters_and_swaps() {
        for (a, b, distance) in [
            ("", "", 0),
            ("a", "", 1),
            ("late_min", "late_mins", 1),
            ("lmate", "lamte", 1),
            ("site", "SITE", 0),
        ] {
            assert_eq!(edit_distance(a, b), distance, "{a} {b}");
        }
    }

    #[test]
    fn words_are_found_where_they_stand_alone() {
        let at = |line, column| Some(Place { line, column });
        assert_eq!(find_word("select late_min, late\nfrom x", "late"), at(1, 18));
        assert_eq!(find_word("select 'é', 1\nfrom X", "x"), at(2, 6));
        assert_eq!(find_word("select xx", "x"), None);
    }

    #[test]
    fn the_caret_stands_below_wide_characters_too() {
        let error = Error::new(Kind::Statement, "bad").with_place(Some(Place { line: 1, column: 5 }));
        assert_eq!(error.explain("'店' x"), "error: bad\n   1 | '店' x\n     |      ^\n");
    }
}
