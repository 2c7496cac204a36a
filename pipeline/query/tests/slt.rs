//! SQL answers as text: each file under `tests/slt/` is a small lake and what is asked of it, with the answers in place.
//! `UPDATE_GOLDEN=1 cargo test -p query --test slt` writes the answers anew.
//!
//! A file is made of blocks with an empty line between: `lake` and rows, each `table column=value …`; or `query`, a
//! statement, `----`, and the answer as CSV, or `error: …`; or `rule NAME at INSTANT`, `----`, and a line for each thing that
//! this shipped rule finds then. Lines that begin with `#` are comments.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests")]

mod common;

use std::path::{Path, PathBuf};
use std::{env, fs};

use model::EventTime;
use query::rules::SHIPPED;
use query::{Format, Options, Rule, RuledRow, Session, run_once};

/// Files are cut small, so that every scan reads several.
const ROWS_PER_FILE: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_as_written() {
    let mut files: Vec<PathBuf> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| is_slt(path))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no files in {}", folder().display());
    let mut wrong = Vec::new();
    for file in files {
        let written = fs::read_to_string(&file).unwrap();
        let found = answered(&written).await;
        if env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&file, found).unwrap();
        } else if found != written {
            wrong.push(format!("{}:\n{}", file.display(), difference(&written, &found)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slt")
}

fn is_slt(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "slt")
}

/// The file's text with every answer as it is now.
async fn answered(written: &str) -> String {
    let scratch = tempfile::tempdir().unwrap();
    let mut rows = common::Rows::default();
    let blocks: Vec<&str> = written.trim_end().split("\n\n").collect();
    for block in blocks.iter().filter(|block| kind(block) == Some("lake")) {
        block
            .lines()
            .skip_while(|line| *line != "lake")
            .skip(1)
            .filter(|line| is_said(line))
            .for_each(|line| rows.add(line));
    }
    let session = Session::over(rows.store(scratch.path(), ROWS_PER_FILE), Options::default()).await.unwrap();
    let mut found = Vec::new();
    for block in blocks {
        found.push(match kind(block) {
            Some("query") => {
                let head = block.split("\n----").next().unwrap().trim_end();
                let statement: Vec<&str> = head.lines().skip_while(|line| *line != "query").skip(1).collect();
                format!("{head}\n----\n{}", answer(&session, &statement.join("\n")).await)
            }
            Some(rule) if rule.starts_with("rule ") => {
                let head = block.split("\n----").next().unwrap().trim_end();
                format!("{head}\n----\n{}", found_by(&session, rule).await).trim_end().to_owned()
            }
            Some("lake") | None => block.to_owned(),
            Some(other) => panic!("a block is lake, query or a rule, not {other}"),
        });
    }
    found.join("\n\n") + "\n"
}

/// What the shipped rule of `rule NAME at INSTANT` finds.
async fn found_by(session: &Session, rule: &str) -> String {
    let words: Vec<&str> = rule.split_whitespace().collect();
    let (name, text) = SHIPPED.iter().find(|(name, _)| *name == words[1]).unwrap();
    let now = EventTime::from(words[3].parse::<jiff::Timestamp>().unwrap());
    let rows = session.rule(&Rule::parse(name, text).unwrap(), now).await.unwrap();
    let line = |row: &RuledRow| {
        let shown: Vec<String> = row.event_ids.iter().map(ToString::to_string).collect();
        let at = |time: EventTime| time.timestamp().to_string();
        format!(
            "{} on {} from {} until {} minutes={} site={} org={} by {}",
            row.subject,
            row.business_date,
            at(row.first_at),
            at(row.last_at),
            row.minutes.map_or_else(|| "-".to_owned(), |minutes| minutes.to_string()),
            row.site_id.as_deref().unwrap_or("-"),
            row.org,
            if shown.is_empty() { "-".to_owned() } else { shown.join(" ") },
        )
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn is_said(line: &str) -> bool {
    !line.starts_with('#') && !line.trim().is_empty()
}

fn kind(block: &str) -> Option<&str> {
    block.lines().find(|line| is_said(line))
}

async fn answer(session: &Session, statement: &str) -> String {
    let mut out = Vec::new();
    match run_once(session, statement, Format::Csv, &mut out).await {
        Ok(_) => String::from_utf8(out).unwrap().trim_end().to_owned(),
        Err(e) => format!("error: {e}"),
    }
}

fn difference(written: &str, found: &str) -> String {
    let (mut written, mut found) = (written.lines(), found.lines());
    let mut number = 0;
    loop {
        number += 1;
        match (written.next(), found.next()) {
            (Some(a), Some(b)) if a == b => {}
            (None, None) => return String::new(),
            (a, b) => {
                let more: Vec<&str> = found.take(20).collect();
                return format!(
                    "  line {number}\n  written: {}\n  found:   {}\n{}",
                    a.unwrap_or("the end"),
                    b.unwrap_or("the end"),
                    more.join("\n")
                );
            }
        }
    }
}
