//! A month told and reckoned by hand (`golden/month.md`), played through the whole pipeline and held against its tables.
//!
//! In: the document: files, statements, tables, and the commands that play each part of it.  Out: the lake's answers, cell by
//! cell.  Owns: nothing.
//! Absent on purpose: any figure: they stand in the document, for whoever wants to reckon them again.

#![allow(clippy::unwrap_used, reason = "a test's helper fails as its test does")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

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
    statements: BTreeMap<String, String>,
    parts: Vec<Part>,
}

/// What is told up to some commands.
#[derive(Clone, Default)]
struct Part {
    /// Its blocks of each file, joined, those of earlier parts among them.
    files: BTreeMap<String, Vec<String>>,
    /// What must hold once the commands have run.
    tables: Vec<Table>,
    commands: Vec<String>,
}

/// A table that answers a statement.
#[derive(Clone)]
struct Table {
    statement: String,
    /// Whom it is about; empty for everybody.
    whom: String,
    rows: Vec<Vec<String>>,
}

impl Document {
    fn read(text: &str) -> Self {
        let mut document = Self::default();
        let mut part = Part::default();
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            if let Some(info) = line.strip_prefix("```") {
                let (_, name) = info.split_once(' ').unwrap();
                let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
                match name.split_once('=').unwrap() {
                    ("file", name) => part.add(name, &block),
                    ("do", _) => {
                        part.commands = block.into_iter().map(str::to_owned).collect();
                        document.parts.push(part.clone());
                        part = Part { files: part.files, ..Part::default() };
                    }
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
                part.tables.push(Table { statement, whom, rows });
            }
        }
        assert!(part.tables.is_empty(), "tables behind the last commands are held against nothing");
        document
    }
}

impl Part {
    /// A file told in pieces, each piece of a CSV with its header; columns may be added at the end. A row of reference data
    /// told again, by its id, takes the earlier one's place.
    fn add(&mut self, name: &str, block: &[&str]) {
        let lines = self.files.entry(name.to_owned()).or_default();
        let is_csv = name.ends_with(".csv");
        if is_csv && !lines.is_empty() {
            let (known, told) = (lines[0].clone(), block[0]);
            assert!(told.starts_with(&known) || known.starts_with(told), "{name}: {told} beside {known}");
            if told.len() > known.len() {
                lines[0] = told.to_owned();
            }
        }
        let has_ids = name != "punches.csv" && (is_csv || name.ends_with(".ndjson"));
        let id = |row: &str| row.split(',').next().unwrap().to_owned();
        for row in &block[usize::from(is_csv && !lines.is_empty())..] {
            let earlier = lines.iter().position(|line| has_ids && id(line) == id(row));
            match earlier {
                Some(at) => lines[at] = (*row).to_owned(),
                None => lines.push((*row).to_owned()),
            }
        }
    }

    /// Writes its files, records in the order in which they arrive.
    fn put(&self, folder: &Path) {
        std::fs::write(folder.join("muster.toml"), CONFIG).unwrap();
        for (name, lines) in &self.files {
            let mut lines = lines.clone();
            if name.ends_with(".csv") {
                let commas = |row: &String| row.matches(',').count();
                let columns = commas(&lines[0]);
                lines.iter_mut().for_each(|row| row.push_str(&",".repeat(columns - commas(row))));
            }
            if name == "punches.csv" {
                by_arrival(&mut lines);
            }
            std::fs::write(folder.join(name), lines.join("\n") + "\n").unwrap();
        }
    }
}

fn cells(row: &str) -> Vec<String> {
    row.trim().trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
}

/// Sorts records, behind their header, by the time in `arrives`, or by their own where that is empty.
fn by_arrival(lines: &mut [String]) {
    let (header, rows) = lines.split_first_mut().unwrap();
    let columns: Vec<&str> = header.split(',').collect();
    let column = |name: &str| columns.iter().position(|column| *column == name).unwrap();
    let (occurred_at, arrives) = (column("occurred_at"), column("arrives"));
    rows.sort_by_key(|row| {
        let cells: Vec<&str> = row.split(',').collect();
        let at = [cells[arrives], cells[occurred_at]].into_iter().find(|at| !at.is_empty()).unwrap();
        at.parse::<Timestamp>().unwrap()
    });
}

/// How long the lake may take for all tables of a part.
const LIMIT: Duration = Duration::from_secs(300);

/// Between the answers of two statements.
const BETWEEN: &str = "-----";

/// What the lake answers to each of these, a row a line, without headers.
fn answers(folder: &Path, statements: &[String]) -> Vec<Vec<Vec<String>>> {
    let all = statements.join(&format!(";\nSELECT '{BETWEEN}';\n"));
    let sql = ["sql", "--format", "csv", "--lake", "lake", &all];
    let ran = Program::new().in_folder(folder).args(sql).limit(LIMIT).run();
    assert_eq!(ran.code, Some(0), "{}", ran.told());
    let number = |cell: &str| cell.strip_suffix(".0").unwrap_or(cell).to_owned();
    let lines: Vec<&str> = ran.stdout.lines().collect();
    let mut found = Vec::new();
    let mut of_statements = lines.split(|line| *line == BETWEEN).peekable();
    while let Some(lines) = of_statements.next() {
        // The last line before such a row is its header.
        let end = lines.len() - usize::from(of_statements.peek().is_some());
        found.push(lines[1..end].iter().map(|line| line.split(',').map(number).collect()).collect());
    }
    found
}

/// The part's tables, as the document has them and as the lake has them, where these differ.
fn differences(folder: &Path, part: &Part, statements: &BTreeMap<String, String>) -> Vec<String> {
    let statement = |table: &Table| statements[&table.statement].replace('?', &table.whom);
    let found = answers(folder, &part.tables.iter().map(statement).collect::<Vec<_>>());
    assert_eq!(found.len(), part.tables.len());
    let drawn =
        |rows: &[Vec<String>]| rows.iter().map(|row| row.join(" | ")).collect::<Vec<_>>().join("\n    ");
    let differ = part.tables.iter().zip(&found).filter(|(table, found)| **found != table.rows);
    differ
        .map(|(Table { statement, whom, rows }, found)| {
            let (rows, found) = (drawn(rows), drawn(found));
            format!("{statement} {whom}\n  by hand:\n    {rows}\n  by the lake:\n    {found}")
        })
        .collect()
}

#[test]
fn the_lake_says_what_was_reckoned_by_hand() {
    let document = Document::read(DOCUMENT);
    let folder = TempDir::new().unwrap();
    assert!(document.parts.len() == 3 && document.parts.iter().all(|part| !part.tables.is_empty()));
    let mut wrong = Vec::new();
    for part in &document.parts {
        part.put(folder.path());
        for command in &part.commands {
            let args = command.strip_prefix("muster ").unwrap().split_whitespace();
            let ran = Program::new().in_folder(folder.path()).args(args).run();
            assert_eq!(ran.code, Some(0), "{command}: {}", ran.told());
        }
        wrong.extend(differences(folder.path(), part, &document.statements));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
