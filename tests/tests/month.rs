//! A month told and reckoned by hand (`golden/month.md`), played through the whole pipeline and held against its tables.
//!
//! In: the document: files, statements, tables.  Out: the lake's answers, cell by cell.  Owns: nothing.
//! Absent on purpose: any figure: they stand in the document, for whoever wants to reckon them again.

#![allow(clippy::unwrap_used, reason = "a test's helper fails as its test does")]

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use tempfile::TempDir;
use tests::program::Program;

const DOCUMENT: &str = include_str!("../golden/month.md");

const CONFIG: &str = r#"[reference]
sites = "sites.geojson"
people = "people.csv"
shifts = "shifts.csv"
leave = "leave.ndjson"
corrections = "corrections.ndjson"
policies = "policies.toml"
calendars = "calendars.toml"
[source]
clock = "record"
[lake]
url = "lake"
commit_every_ms = 20
"#;

/// What the document is made of.
#[derive(Default)]
struct Document {
    /// Its blocks of each file, joined.
    files: BTreeMap<String, String>,
    statements: BTreeMap<String, String>,
    tables: Vec<Table>,
}

/// A table that answers a statement.
struct Table {
    statement: String,
    /// Whom it is about; empty for everybody.
    whom: String,
    rows: Vec<Vec<String>>,
}

impl Document {
    fn read(text: &str) -> Self {
        let mut document = Self::default();
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            if let Some(info) = line.strip_prefix("```") {
                let (_, name) = info.split_once(' ').unwrap();
                let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
                match name.split_once('=').unwrap() {
                    ("file", name) => document.add(name, &block),
                    (_, name) => drop(document.statements.insert(name.to_owned(), block.join("\n"))),
                }
            } else if line.starts_with("| ") {
                let head = cells(line);
                let (statement, whom) = head[0].split_once(' ').unwrap_or((&head[0], ""));
                let (statement, whom) = (statement.to_owned(), whom.to_owned());
                let mut rows = Vec::new();
                while let Some(row) = lines.next_if(|line| line.starts_with('|')) {
                    rows.push(cells(row));
                }
                // The row of dashes says how columns are drawn.
                rows.remove(0);
                document.tables.push(Table { statement, whom, rows });
            }
        }
        document
    }

    /// A file told in pieces: of pieces with a header, the first one's counts for all.
    fn add(&mut self, name: &str, block: &[&str]) {
        let text = self.files.entry(name.to_owned()).or_default();
        let rows = match text.lines().next() {
            Some(header) if name.ends_with(".csv") => {
                assert_eq!(block[0], header, "pieces of {name} have the same columns");
                &block[1..]
            }
            _ => block,
        };
        rows.iter().for_each(|row| *text += &format!("{row}\n"));
    }

    /// Writes its files, records in the order in which they arrive.
    fn put(&self, folder: &Path) {
        std::fs::write(folder.join("muster.toml"), CONFIG).unwrap();
        for (name, text) in &self.files {
            let text = if name == "punches.csv" { &by_arrival(text) } else { text };
            std::fs::write(folder.join(name), text).unwrap();
        }
    }
}

fn cells(row: &str) -> Vec<String> {
    row.trim().trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
}

/// The records by the time in `arrives`, or by their own where that is empty.
fn by_arrival(text: &str) -> String {
    let (header, rows) = text.split_once('\n').unwrap();
    let columns: Vec<&str> = header.split(',').collect();
    let column = |name: &str| columns.iter().position(|column| *column == name).unwrap();
    let (occurred_at, arrives) = (column("occurred_at"), column("arrives"));
    let mut rows: Vec<&str> = rows.lines().collect();
    rows.sort_by_key(|row| {
        let cells: Vec<&str> = row.split(',').collect();
        let at = [cells[arrives], cells[occurred_at]].into_iter().find(|at| !at.is_empty()).unwrap();
        at.parse::<Timestamp>().unwrap()
    });
    format!("{header}\n{}\n", rows.join("\n"))
}

/// What the lake answers, a row a line, without its header.
fn answer(folder: &Path, statement: &str) -> Vec<Vec<String>> {
    let ran =
        Program::new().in_folder(folder).args(["sql", "--format", "csv", "--lake", "lake", statement]).run();
    assert_eq!(ran.code, Some(0), "{}", ran.told());
    ran.stdout.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

#[test]
fn the_lake_says_what_was_reckoned_by_hand() {
    let document = Document::read(DOCUMENT);
    let folder = TempDir::new().unwrap();
    document.put(folder.path());
    let ran = Program::new()
        .in_folder(folder.path())
        .args(["replay", "-c", "muster.toml", "punches.csv", "--json"])
        .run();
    assert_eq!(ran.code, Some(0), "{}", ran.told());
    assert!(document.tables.len() > 18);
    let mut wrong = Vec::new();
    for table in &document.tables {
        let statement = document.statements[&table.statement].replace('?', &table.whom);
        let found = answer(folder.path(), &statement);
        let number = |cell: &String| cell.strip_suffix(".0").unwrap_or(cell).to_owned();
        let found: Vec<Vec<String>> = found.iter().map(|row| row.iter().map(number).collect()).collect();
        if found != table.rows {
            let drawn = |rows: &[Vec<String>]| {
                rows.iter().map(|row| row.join(" | ")).collect::<Vec<_>>().join("\n    ")
            };
            wrong.push(format!(
                "{} {}\n  by hand:\n    {}\n  by the lake:\n    {}",
                table.statement,
                table.whom,
                drawn(&table.rows),
                drawn(&found)
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
