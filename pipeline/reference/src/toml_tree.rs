//! TOML files as trees of values that know where they stand.
//!
//! In: text.  Out: the tables of one name, keys and values with line and column.  Owns: nothing.
//! Why so: serde stops at the first key it does not know and forgets where values stood; these files are written by
//! hand, and every slip in one is told at once.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::problem::{At, FileId, Report};
use crate::suggest::did_you_mean;

/// One file's text, for turning byte ranges into lines and columns.
#[derive(Clone, Copy)]
pub(crate) struct Source<'t> {
    pub(crate) file: FileId,
    pub(crate) text: &'t str,
}

impl<'t> Source<'t> {
    pub(crate) fn at(self, span: &Range<usize>) -> At {
        let before = &self.text[..self.text.floor_char_boundary(span.start)];
        let line = before.bytes().filter(|byte| *byte == b'\n').count() as u64 + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() as u64 + 1;
        At { file: self.file, line, column }
    }

    /// The tables `[[name]]` of the file; what else stands at its top is told, and so is every fault of syntax.
    pub(crate) fn tables(self, report: &mut Report, name: &str) -> Vec<Spanned<DeTable<'t>>> {
        let (root, errors) = DeTable::parse_recoverable(self.text);
        let is_faulty = !errors.is_empty();
        for error in errors {
            let at = error.span().map_or(At::file(self.file), |span| self.at(&span));
            let line = self.text.lines().nth(at.line.saturating_sub(1) as usize).unwrap_or_default();
            report.syntax_error("not_toml", at, format!("not TOML: {}", error.message()), "", line.trim());
        }
        if is_faulty {
            return Vec::new();
        }
        let mut tables = Vec::new();
        for (key, value) in root.into_inner() {
            if key.get_ref() != name {
                self.unknown_key(report, &key, "", &[name]);
                continue;
            }
            let span = value.span();
            match value.into_inner() {
                DeValue::Array(values) => {
                    for value in values {
                        let span = value.span();
                        match value.into_inner() {
                            DeValue::Table(table) => tables.push(Spanned::new(span, table)),
                            _ => self.not_tables(report, &span, name),
                        }
                    }
                }
                _ => self.not_tables(report, &span, name),
            }
        }
        tables
    }

    fn not_tables(self, report: &mut Report, span: &Range<usize>, name: &str) {
        let what = format!("`{name}` is no list of tables");
        report.error("not_toml", self.at(span), "", what, format!("head each table with [[{name}]]"));
    }

    pub(crate) fn unknown_key(
        self,
        report: &mut Report,
        key: &Spanned<std::borrow::Cow<'_, str>>,
        subject: &str,
        known: &[&str],
    ) {
        let otherwise = format!("known keys are {}", known.join(", "));
        let remedy = did_you_mean(key.get_ref(), known.iter().copied(), &otherwise);
        let what = format!("unknown key `{}`", key.get_ref());
        report.error("unknown_key", self.at(&key.span()), subject, what, remedy);
    }

    /// Text under a key, or a problem.
    pub(crate) fn text<'v>(
        self,
        report: &mut Report,
        subject: &str,
        key: &str,
        value: &'v Spanned<DeValue<'_>>,
    ) -> Option<&'v str> {
        let text = value.get_ref().as_str();
        if text.is_none() {
            let what = format!("`{key}` is no text");
            report.error("wrong_type", self.at(&value.span()), subject, what, "write it in quotes");
        }
        text
    }

    /// `true` or `false` under a key, or a problem.
    pub(crate) fn flag(
        self,
        report: &mut Report,
        subject: &str,
        key: &str,
        value: &Spanned<DeValue<'_>>,
    ) -> Option<bool> {
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            let what = format!("`{key}` is neither true nor false");
            report.error(
                "wrong_type",
                self.at(&value.span()),
                subject,
                what,
                "write true or false, without quotes",
            );
        }
        flag
    }

    /// A date under a key, written as a TOML date or as text.
    pub(crate) fn date(
        self,
        report: &mut Report,
        subject: &str,
        key: &str,
        value: &Spanned<DeValue<'_>>,
    ) -> Option<jiff::civil::Date> {
        let text = match value.get_ref() {
            DeValue::Datetime(date) => date.to_string(),
            other => other.as_str().unwrap_or_default().to_owned(),
        };
        match crate::wall_time::date(&text) {
            Ok(date) => Some(date),
            Err(fault) => {
                let what = format!("`{key}` `{text}` {fault}");
                report.error(
                    "bad_time",
                    self.at(&value.span()),
                    subject,
                    what,
                    "write a date such as 2026-01-01",
                );
                None
            }
        }
    }
}
