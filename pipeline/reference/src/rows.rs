//! Files of rows, NDJSON or CSV, to typed rows with their places.
//!
//! In: files, the row type of `schemas::rows`.  Out: each good row, in file order, to the caller.  Owns: nothing.
//! Absent on purpose: any meaning of a row; rows that do not read are told and left out.
//! Why so: a row that reads is read straight into its struct; only one that does not is read again as a bare object, so
//! that every missing key is told at once, which serde's first error would not.

use std::path::PathBuf;

use schemas::rows::{Field, ReferenceRow};
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::problem::{At, FileId, Report};
use crate::suggest::did_you_mean;
use crate::{cell, files};

/// Reads every row of a set. `required` names the keys without which a row is none; `fix` may amend an object that was
/// read as such (the slow road: CSV, and what does not read at once).
pub(crate) fn read<R: ReferenceRow>(
    report: &mut Report,
    files: &[(FileId, PathBuf)],
    required: &'static [&'static str],
    fix: fn(&mut Map<String, Value>),
    mut each: impl FnMut(&mut Report, At, R),
) {
    for (file, path) in files {
        let file = *file;
        let Some(text) = files::read_text(report, file, path) else { continue };
        let is_csv = files::ending(path).is_some_and(|ending| ending == "csv");
        let mut reader = Reader { file, required, fix };
        if is_csv {
            reader.csv(report, &text, &mut each);
        } else if text.trim_start().starts_with('[') {
            reader.array(report, &text, &mut each);
        } else {
            for (index, line) in text.lines().enumerate() {
                if !line.trim().is_empty() {
                    reader.json(report, At::line(file, index as u64 + 1), line, &mut each);
                }
            }
        }
    }
}

struct Reader {
    file: FileId,
    required: &'static [&'static str],
    fix: fn(&mut Map<String, Value>),
}

impl Reader {
    fn json<R: ReferenceRow>(
        &mut self,
        report: &mut Report,
        at: At,
        text: &str,
        each: &mut impl FnMut(&mut Report, At, R),
    ) {
        let errors = report.errors();
        if let Err(error) = tell_keys::<R>(report, at, "", text) {
            let column = error.column() as u64;
            let at = At { line: at.line + (error.line() as u64).saturating_sub(1), column, ..at };
            let remedy = "write one JSON object a line";
            report.syntax_error(
                "not_json",
                at,
                format!("not a JSON object: {}", without_place(&error)),
                remedy,
                text,
            );
            return;
        }
        if report.errors() > errors {
            return;
        }
        if let Ok(row) = serde_json::from_str::<R>(text) {
            each(report, at, row);
        } else if let Ok(object) = serde_json::from_str::<Map<String, Value>>(text) {
            self.object(report, at, object, each);
        }
    }

    /// One JSON array in the whole file, as some exports write it.
    fn array<R: ReferenceRow>(
        &mut self,
        report: &mut Report,
        text: &str,
        each: &mut impl FnMut(&mut Report, At, R),
    ) {
        let rows: Vec<&RawValue> = match serde_json::from_str(text) {
            Ok(rows) => rows,
            Err(error) => {
                let at = At { file: self.file, line: error.line() as u64, column: error.column() as u64 };
                let what = format!("not a JSON array of rows: {}", without_place(&error));
                report.syntax_error("not_json", at, what, "mend it, or write one JSON object a line", "");
                return;
            }
        };
        let mut lines = Lines::new(text);
        for row in rows {
            let line = lines.line_of(offset_in(text, row.get()));
            self.json(report, At::line(self.file, line), row.get(), each);
        }
    }

    fn csv<R: ReferenceRow>(
        &mut self,
        report: &mut Report,
        text: &str,
        each: &mut impl FnMut(&mut Report, At, R),
    ) {
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
        let header: Vec<String> = match reader.headers() {
            Ok(header) => header.iter().map(|name| name.trim().to_owned()).collect(),
            Err(error) => {
                let at = At::line(self.file, 1);
                report.syntax_error(
                    "not_csv",
                    at,
                    format!("not CSV: {error}"),
                    "write a header line and rows",
                    "",
                );
                return;
            }
        };
        if !self.check_header::<R>(report, &header) {
            return;
        }
        let mut record = csv::StringRecord::new();
        loop {
            match reader.read_record(&mut record) {
                Ok(false) => return,
                Ok(true) => {}
                Err(error) => {
                    let line = error.position().map_or(0, csv::Position::line);
                    report.syntax_error(
                        "not_csv",
                        At::line(self.file, line),
                        format!("not CSV: {error}"),
                        "",
                        "",
                    );
                    continue;
                }
            }
            let at = At::line(self.file, record.position().map_or(0, csv::Position::line));
            if record.len() != header.len() {
                let what = format!("it has {} cells, the header has {}", record.len(), header.len());
                report.error("ragged_csv", at, "", what, "put text that holds a comma into double quotes");
                continue;
            }
            let mut object = Map::new();
            for (name, text) in header.iter().zip(&record) {
                cell::insert(&mut object, name, R::FIELDS, text);
            }
            self.object(report, at, object, each);
        }
    }

    fn check_header<R: ReferenceRow>(&self, report: &mut Report, header: &[String]) -> bool {
        let at = At::line(self.file, 1);
        if let [only] = header
            && let Some(separator) = [';', '\t', '|'].into_iter().find(|separator| only.contains(*separator))
        {
            let what = format!("its columns are separated by `{}`", separator.escape_debug());
            report.error("not_csv", at, "", what, "separate columns by commas");
            return false;
        }
        let mut is_good = true;
        for (index, name) in header.iter().enumerate() {
            if header[..index].contains(name) {
                report.error(
                    "duplicate_column",
                    at,
                    "",
                    format!("column `{name}` stands twice"),
                    "remove one",
                );
                is_good = false;
            }
            if !cell::is_known(R::FIELDS, name) {
                let remedy = did_you_mean(name, names(R::FIELDS), "remove it, or leave it: it does nothing");
                report.warning(
                    "unknown_column",
                    at,
                    "",
                    format!("unknown column `{name}` is ignored"),
                    remedy,
                );
            }
        }
        for name in self.required {
            if !header.iter().any(|column| column == name) {
                let near = crate::suggest::nearest(name, header.iter().map(String::as_str));
                let remedy = match near {
                    Some(column) => format!("rename column `{column}`"),
                    None => "add it".to_owned(),
                };
                report.error("missing_column", at, "", format!("column `{name}` is missing"), remedy);
                is_good = false;
            }
        }
        is_good
    }

    fn object<R: ReferenceRow>(
        &mut self,
        report: &mut Report,
        at: At,
        mut object: Map<String, Value>,
        each: &mut impl FnMut(&mut Report, At, R),
    ) {
        (self.fix)(&mut object);
        if let Some(row) = from_object(report, at, "", self.required, object) {
            each(report, at, row);
        }
    }
}

/// A row of a bare object; `None`, with every missing key or the first wrong type told.
pub(crate) fn from_object<R: ReferenceRow>(
    report: &mut Report,
    at: At,
    place: &str,
    required: &[&str],
    object: Map<String, Value>,
) -> Option<R> {
    let subject = [subject::<R>(&object), place.to_owned()].into_iter().filter(|part| !part.is_empty());
    let subject = subject.collect::<Vec<_>>().join(", ");
    let is_absent = |name: &&&str| object.get(**name).is_none_or(|value| value.is_null() || value == "");
    let missing: Vec<String> = required.iter().filter(is_absent).map(|name| format!("`{name}`")).collect();
    if let Some((last, others)) = missing.split_last() {
        let what = match others {
            [] => format!("{last} is missing"),
            _ => format!("{} and {last} are missing", others.join(", ")),
        };
        report.error("missing_field", at, &subject, what, "");
        return None;
    }
    match serde_path_to_error::deserialize(Value::Object(object)) {
        Ok(row) => Some(row),
        Err(error) => {
            let what = match error.path().to_string().as_str() {
                "." => error.inner().to_string(),
                path => format!("`{path}`: {}", error.inner()),
            };
            report.error("wrong_type", at, &subject, what, "");
            None
        }
    }
}

/// `shift s-12`: the set's noun and the first key, which is the id of every row type.
pub(crate) fn subject<R: ReferenceRow>(object: &Map<String, Value>) -> String {
    match R::FIELDS.first().and_then(|field| object.get(field.name)) {
        Some(Value::String(id)) => format!("{} {}", noun(R::SET), id.escape_debug()),
        _ => String::new(),
    }
}

/// What one row of a set is called.
fn noun(set: &str) -> &str {
    match set {
        "people" => "person",
        "leave" => "leave",
        plural => plural.trim_end_matches('s'),
    }
}

fn names(fields: &[Field]) -> Vec<&'static str> {
    fields.iter().map(|field| field.name).collect()
}

/// Tells every key that the row type does not know (a warning) or that stands twice (an error); `Err` if the text is no
/// JSON object.
pub(crate) fn tell_keys<R: ReferenceRow>(
    report: &mut Report,
    at: At,
    place: &str,
    text: &str,
) -> serde_json::Result<()> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let mut told = |key: OddKey<'_>| match key {
        OddKey::Unknown(name) => report.unknown_field(at, name, &names(R::FIELDS)),
        OddKey::Repeated(name) => {
            report.error("duplicate_key", at, place, format!("key `{name}` stands twice"), "remove one");
        }
    };
    Keys { fields: R::FIELDS, seen: 0, told: &mut told }.deserialize(&mut reader)?;
    reader.end()
}

/// A key that deserves a word.
enum OddKey<'k> {
    Unknown(&'k str),
    Repeated(&'k str),
}

/// The keys of one object, looked at without keeping them.
struct Keys<'a> {
    fields: &'static [Field],
    /// A bit for each known key seen.
    seen: u64,
    told: &'a mut dyn FnMut(OddKey<'_>),
}

impl<'de> DeserializeSeed<'de> for Keys<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Keys<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while map.next_key_seed(Key(&mut self))?.is_some() {
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

struct Key<'k, 'a>(&'k mut Keys<'a>);

impl<'de> DeserializeSeed<'de> for Key<'_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<(), E> {
        match self.0.fields.iter().position(|field| field.name == name) {
            None => (self.0.told)(OddKey::Unknown(name)),
            Some(index) if self.0.seen & 1 << index != 0 => (self.0.told)(OddKey::Repeated(name)),
            Some(index) => self.0.seen |= 1 << index,
        }
        Ok(())
    }
}

/// serde's sentence without its "at line 1 column 7", which a problem says in its own way.
pub(crate) fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// Where `part`, a piece of `whole` borrowed from it, begins, in bytes.
pub(crate) fn offset_in(whole: &str, part: &str) -> usize {
    (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize)
}

/// Line numbers of ascending byte offsets.
pub(crate) struct Lines<'a> {
    text: &'a [u8],
    offset: usize,
    line: u64,
}

impl<'a> Lines<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Self { text: text.as_bytes(), offset: 0, line: 1 }
    }

    /// The line, counted from 1, of `offset`, which must not be before the last one asked.
    pub(crate) fn line_of(&mut self, offset: usize) -> u64 {
        let until = offset.clamp(self.offset, self.text.len());
        self.line += self.text[self.offset..until].iter().filter(|byte| **byte == b'\n').count() as u64;
        self.offset = until;
        self.line
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use schemas::rows::{PersonRow, ShiftRow};

    use super::*;

    fn check<R: ReferenceRow>(name: &str, text: &str, id: impl Fn(&R) -> String, expected: &[&str]) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        let mut report = Report::default();
        let files = [(report.add_file(path.clone()), path)];
        let mut got = Vec::new();
        read::<R>(
            &mut report,
            &files,
            &["org"],
            |_| (),
            |_, at, row| got.push(format!("{} {}", at.line, id(&row))),
        );
        let (problems, ..) = report.finish();
        got.extend(problems.iter().map(|problem| {
            let line = problem.to_string();
            line.split_once(name).unwrap().1.to_owned()
        }));
        assert_eq!(got, expected, "{text}");
    }

    fn check_people(name: &str, text: &str, expected: &[&str]) {
        let id = |row: &PersonRow| format!("{} {} {:?}", row.employee_id, row.org, row.groups);
        check::<PersonRow>(name, text, id, expected);
    }

    #[test]
    fn ndjson_goes_on_behind_what_does_not_read() {
        check_people(
            "p.ndjson",
            "{\"employee_id\":\"a\",\"org\":\"hk\"}\r\n\n{\"employee_id\":\"b\"}\n{\"employee_id\":\n[1]\n{\"employee_id\":5,\"org\":\"hk\"}\n{\"employee_id\":\"c\",\"org\":\"hk\",\"grups\":[\"x\"]}\n{\"org\":\"a\",\"org\":\"b\"}",
            &[
                "1 a hk []",
                "7 c hk []",
                ":3: error: person b: `org` is missing",
                ":4:15: error: not a JSON object: EOF while parsing a value; write one JSON object a line | {\"employee_id\":",
                ":5: error: not a JSON object: invalid type: sequence, expected a JSON object; write one JSON object a line | [1]",
                ":6: error: `employee_id`: invalid type: integer `5`, expected a string",
                ":7: warning: unknown field `grups` in 1 row is ignored; did you mean `groups`?",
                ":8: error: key `org` stands twice; remove one",
            ],
        );
    }

    #[test]
    fn an_array_is_read_with_its_lines() {
        check_people(
            "p.json",
            "[\n {\"employee_id\":\"a\",\"org\":\"hk\"},\n\n {\"employee_id\":\"b\",\"org\":\"tw\"}]",
            &["2 a hk []", "4 b tw []"],
        );
    }

    #[test]
    fn csv_reads_lists_and_says_what_is_wrong_with_its_header() {
        check_people(
            "p.csv",
            "employee_id,org,groups,shoe\na,hk,x;y,41\nb,hk\n\"c\nd\",tw,,\n,hk,,\n",
            &[
                "2 a hk [\"x\", \"y\"]",
                "4 c\nd tw []",
                ":1: warning: unknown column `shoe` is ignored; remove it, or leave it: it does nothing",
                ":3: error: it has 2 cells, the header has 4; put text that holds a comma into double quotes",
                ":6: error: missing field `employee_id`",
            ],
        );
        check_people(
            "p.csv",
            "employee_id;org\n1;2\n",
            &[":1: error: its columns are separated by `;`; separate columns by commas"],
        );
        check_people(
            "p.csv",
            "employee_id,orgs,employee_id\n",
            &[
                ":1: error: column `employee_id` stands twice; remove one",
                ":1: error: column `org` is missing; rename column `orgs`",
                ":1: warning: unknown column `orgs` is ignored; did you mean `org`?",
            ],
        );
    }

    #[test]
    fn breaks_of_a_csv_cell_are_those_of_ndjson() {
        let id = |row: &ShiftRow| {
            let breaks =
                row.breaks.iter().map(|b| format!("{}-{} {}", b.start, b.end, b.paid.unwrap_or(false)));
            breaks.collect::<Vec<_>>().join(" ")
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.csv");
        fs::write(
            &path,
            "shift_id,employee_id,site_id,business_date,start,end,breaks,segment\ns,e,x,2026-11-02,09:00,18:00,12:00-13:00;15:00-15:10 paid,1\ns,e,x,2026-11-02,09:00,18:00,noon,1\n",
        )
        .unwrap();
        let mut report = Report::default();
        let mut got = Vec::new();
        let files = [(report.add_file(path.clone()), path)];
        read::<ShiftRow>(&mut report, &files, &["start"], |_| (), |_, _, row| got.push(id(&row)));
        assert_eq!(got, ["12:00-13:00 false 15:00-15:10 true"]);
        let (problems, ..) = report.finish();
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].what, "`breaks[0]`: invalid type: string \"noon\", expected struct BreakRow");
    }
}
