//! What Tab offers: relations behind FROM and JOIN, columns of the relations a statement names, functions, keywords,
//! the REPL's own commands.

use rustyline::completion::{Completer, Pair};
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Helper, Highlighter, Hinter};

use crate::format::Format;
use crate::session::Session;
use crate::statements;

const KEYWORDS: &[&str] = &[
    "ALL",
    "AND",
    "AS",
    "ASC",
    "BETWEEN",
    "BY",
    "CASE",
    "CAST",
    "CROSS JOIN",
    "DATE",
    "DESC",
    "DESCRIBE",
    "DISTINCT",
    "ELSE",
    "END",
    "EXCEPT",
    "EXISTS",
    "EXPLAIN",
    "EXPLAIN ANALYZE",
    "FALSE",
    "FILTER",
    "FROM",
    "FULL JOIN",
    "GROUP BY",
    "HAVING",
    "ILIKE",
    "IN",
    "INTERSECT",
    "INTERVAL",
    "IS NOT NULL",
    "IS NULL",
    "JOIN",
    "LEFT JOIN",
    "LIKE",
    "LIMIT",
    "NOT",
    "NULL",
    "NULLS LAST",
    "OFFSET",
    "ON",
    "OR",
    "ORDER BY",
    "OVER",
    "PARTITION BY",
    "RIGHT JOIN",
    "SELECT",
    "SHOW",
    "SHOW TABLES",
    "THEN",
    "TIMESTAMP",
    "TRUE",
    "UNION ALL",
    "UNNEST",
    "USING",
    "VALUES",
    "WHEN",
    "WHERE",
    "WITH",
];

const COMMANDS: &[&str] = &["\\?", "\\d", "\\format", "\\o", "\\q", "\\timing", "\\x"];

/// Words that a relation follows.
const BEFORE_RELATION: &[&str] = &["from", "join", "describe", "\\d"];

/// The names a statement may use.
#[derive(Clone, Debug, Default)]
pub(super) struct Vocabulary {
    relations: Vec<(String, Vec<String>)>,
    functions: Vec<String>,
}

impl Vocabulary {
    pub(super) fn of(session: &Session) -> Self {
        let columns = |relation: &crate::Relation| {
            let columns = relation.schema.fields().iter().map(|field| field.name().clone()).collect();
            (relation.name.clone(), columns)
        };
        let catalog = session.catalog();
        let relations = catalog.relations().iter().map(columns).collect();
        Self { relations, functions: catalog.names().functions.clone() }
    }

    /// Where the word before `at` begins, and what it may become.
    pub(super) fn complete(&self, line: &str, at: usize) -> (usize, Vec<String>) {
        let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '\\' | '?');
        let before = &line[..at];
        let start = before
            .rfind(|c| !is_word(c))
            .map_or(0, |i| i + before[i..].chars().next().map_or(1, char::len_utf8));
        let typed = &before[start..];
        let previous = before[..start].split_whitespace().next_back().unwrap_or_default().to_lowercase();
        let mut offers = self.offers(line, typed, &previous);
        offers.retain(|offer| offer.len() > typed.len() || !offer.eq_ignore_ascii_case(typed));
        offers.sort();
        offers.dedup();
        (start, offers)
    }

    fn offers(&self, line: &str, typed: &str, previous: &str) -> Vec<String> {
        let lower = typed.to_lowercase();
        let starts = |name: &&str| name.to_lowercase().starts_with(&lower);
        let owned = |names: &mut dyn Iterator<Item = &str>| {
            names.filter(starts).map(str::to_owned).collect::<Vec<_>>()
        };
        let relations = || owned(&mut self.relations.iter().map(|(name, _)| name.as_str()));
        if typed.starts_with('\\') {
            return owned(&mut COMMANDS.iter().copied());
        }
        if previous == "\\format" {
            return owned(&mut Format::ALL.iter().map(|format| format.name()));
        }
        if BEFORE_RELATION.contains(&previous) {
            return relations();
        }
        let words: Vec<String> =
            line.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_lowercase).collect();
        let named = self.relations.iter().filter(|(name, _)| words.contains(name));
        let mut offers = owned(&mut named.flat_map(|(_, columns)| columns.iter().map(String::as_str)));
        if typed.is_empty() {
            return offers;
        }
        offers.extend(relations());
        offers
            .extend(owned(&mut self.functions.iter().map(String::as_str)).into_iter().map(|name| name + "("));
        let keep_lower = typed.chars().all(|c| !c.is_uppercase());
        let cased = |word: String| if keep_lower { word.to_lowercase() } else { word };
        offers.extend(owned(&mut KEYWORDS.iter().copied()).into_iter().map(cased));
        offers
    }
}

/// Rustyline's view of the vocabulary.
#[derive(Helper, Highlighter, Hinter)]
pub(super) struct Typist {
    pub(super) vocabulary: Vocabulary,
}

impl Completer for Typist {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        at: usize,
        _context: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let (start, offers) = self.vocabulary.complete(line, at);
        let pair = |offer: String| Pair { display: offer.clone(), replacement: offer };
        Ok((start, offers.into_iter().map(pair).collect()))
    }
}

impl Validator for Typist {
    /// Return ends a command or a finished statement; otherwise it begins a new line.
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let input = context.input().trim_start();
        let is_done = input.starts_with('\\') || {
            let statements = statements::split(input);
            statements.rest.is_empty() && !statements.is_open
        };
        Ok(if is_done { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, start: usize, expected: &[&str]) {
        let vocabulary = Vocabulary {
            relations: vec![
                ("punches".into(), vec!["event_id".into(), "employee_id".into()]),
                ("people".into(), vec!["home_site".into()]),
            ],
            functions: vec!["round".into()],
        };
        let (at, offers) = vocabulary.complete(line, line.len());
        assert_eq!(
            (at, offers.iter().map(String::as_str).collect::<Vec<_>>()),
            (start, expected.to_vec()),
            "{line}"
        );
    }

    #[test]
    fn offers_fit_the_place() {
        check("sel", 0, &["select"]);
        check("SEL", 0, &["SELECT"]);
        check("select * from p", 14, &["people", "punches"]);
        check("select * from ", 14, &["people", "punches"]);
        check("select * from punches where em", 28, &["employee_id"]);
        check("select * from punches where ev", 28, &["event_id"]);
        check("select * from punches as p where p.", 35, &["employee_id", "event_id"]);
        check("select rou", 7, &["round("]);
        check("\\f", 0, &["\\format"]);
        check("\\format j", 8, &["json"]);
        check("\\d pu", 3, &["punches"]);
        check("select '店' from pe", 18, &["people"]);
    }
}
