//! `muster dlq list`: a table of the dead letters, the oldest first, and how many there are by code.
//!
//! In: the index of letters.  Out: text on standard output.  Owns: nothing.
//! Invariants: what a record or a message holds cannot steer a terminal: control characters are shown escaped.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;

use console::{Term, measure_text_width, truncate_str};
use schemas::lines::utc_text;
use serde::Serialize;

use super::ListArguments;
use super::drops::Drop;
use super::letters::{Known, Letters};
use super::place::Place;
use super::show::{plain, text_of};
use crate::commands::Outcome;
use crate::failure::{Exit, Failure};

/// Columns of a message where no terminal says how many there are.
const MESSAGE_COLUMNS: usize = 80;

/// The least that a message gets on a narrow terminal.
const MESSAGE_COLUMNS_MIN: usize = 20;

/// Columns of a key.
const KEY_COLUMNS: usize = 40;

/// Runs the command.
pub(super) fn run(arguments: &ListArguments) -> Outcome {
    let letters = Letters::open(&arguments.home)?;
    let index = letters.index()?;
    let mut found: Vec<(&Place, &Known)> =
        index.letters.iter().filter(|(place, known)| arguments.filter.takes(place, known)).collect();
    let settled = found.iter().filter(|(_, known)| known.dropped.is_some()).count();
    if !arguments.settled {
        found.retain(|(_, known)| known.dropped.is_none());
    }
    found.sort_by_key(|(place, known)| (known.time, *place));
    let shown =
        &found[found.len().saturating_sub(arguments.limit.map_or(usize::MAX, |limit| limit as usize))..];
    let text = if arguments.json {
        lines(shown)?
    } else {
        let mut text = table(shown, columns());
        text.push_str(&counts(&found, shown.len(), index.letters.len(), &letters.name()));
        if settled > 0 && !arguments.settled {
            text.push_str(&format!("{settled} more settled by `muster dlq drop`: --settled shows them\n"));
        }
        text
    };
    let mut out = std::io::stdout().lock();
    crate::printed(out.write_all(text.as_bytes()).and_then(|()| out.flush()))?;
    Ok(Exit::Done)
}

fn columns() -> Option<usize> {
    let term = Term::stdout();
    term.is_term().then(|| usize::from(term.size().1))
}

/// The letters as a table; messages are cut to fit `columns`.
fn table(found: &[(&Place, &Known)], columns: Option<usize>) -> String {
    if found.is_empty() {
        return String::new();
    }
    let heads = ["place", "time", "code", "stage", "key", "replayed", "message"];
    let mut rows: Vec<[String; 7]> = vec![heads.map(str::to_owned)];
    rows.extend(found.iter().map(|(place, known)| row(place, known)));
    let mut widths = [0; 7];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(measure_text_width(cell));
        }
    }
    // A column that says nothing is left out.
    let says = |n: usize| rows[1..].iter().any(|row| !row[n].is_empty());
    let used: Vec<usize> = (0..7).filter(|n| says(*n)).collect();
    let before: usize = used.iter().filter(|n| **n < 6).map(|n| widths[*n] + 2).sum();
    let rest = columns.map_or(MESSAGE_COLUMNS, |all| all.saturating_sub(before).max(MESSAGE_COLUMNS_MIN));
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for n in &used {
            let cell = if *n == 6 { truncate_str(&row[6], rest, "…") } else { row[*n].as_str().into() };
            let padding = widths[*n].saturating_sub(measure_text_width(&cell)) + 2;
            let _ = write!(line, "{cell}{:padding$}", "");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn row(place: &Place, known: &Known) -> [String; 7] {
    let key = known.key.as_deref().map(|key| plain(&text_of(key))).unwrap_or_default();
    let message = match (&known.dropped, known.from.last()) {
        (Some(drop), _) => format!("{}: {}", drop.by, drop.note),
        (None, Some(from)) => format!("replayed from {from}: {}", known.message),
        (None, None) => known.message.clone(),
    };
    [
        plain(&place.to_string()),
        known.time.map(utc_text).unwrap_or_default(),
        plain(&known.code),
        plain(&known.stage),
        truncate_str(&key, KEY_COLUMNS, "…").into_owned(),
        match (&known.dropped, known.replayed.is_empty()) {
            (Some(_), _) => "dropped",
            (None, false) => "yes",
            (None, true) => "",
        }
        .to_owned(),
        plain(&message),
    ]
}

/// How many there are by code, and how many were replayed.
fn counts(found: &[(&Place, &Known)], shown: usize, all: usize, name: &str) -> String {
    if all == 0 {
        return format!("no dead letters in {name}\n");
    }
    if found.is_empty() {
        return format!("none of the {} in {name} is of that kind\n", letters(all));
    }
    let mut by_code: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, known) in found {
        *by_code.entry(&known.code).or_default() += 1;
    }
    let mut by_code: Vec<(&str, usize)> = by_code.into_iter().collect();
    by_code.sort_by_key(|(code, count)| (std::cmp::Reverse(*count), *code));
    let by_code: Vec<String> =
        by_code.iter().map(|(code, count)| format!("{} {count}", plain(code))).collect();
    let mut text = format!("{} in {name}: {}", letters(found.len()), by_code.join(", "));
    if found.len() < all {
        let _ = write!(text, " (of {all} in all)");
    }
    let replayed = found.iter().filter(|(_, known)| !known.replayed.is_empty()).count();
    if replayed > 0 {
        let _ = write!(text, "; {replayed} of them replayed");
    }
    if shown < found.len() {
        let _ = write!(text, "; shown are the latest {shown}");
    }
    text.push('\n');
    text
}

/// `1 dead letter`, `2 dead letters`.
pub(super) fn letters(count: usize) -> String {
    crate::counted(count as u64, "dead letter", "dead letters")
}

#[derive(Serialize)]
struct Line<'a> {
    origin: String,
    topic: &'a str,
    partition: u32,
    offset: i64,
    timestamp: Option<String>,
    code: &'a str,
    stage: &'a str,
    message: &'a str,
    /// As text; what is none is shown in hex.
    key: Option<String>,
    employee_id: Option<&'a str>,
    bytes: Option<u64>,
    is_kept: bool,
    replayed_from: Vec<String>,
    replayed_to: Vec<To<'a>>,
    dropped: Option<&'a Drop>,
}

#[derive(Serialize)]
struct To<'a> {
    place: String,
    at: Option<&'a str>,
}

fn lines(found: &[(&Place, &Known)]) -> Result<String, Box<Failure>> {
    let mut text = String::new();
    for (place, known) in found {
        let to = |(place, at): (&Place, &'_ Option<String>)| (place.to_string(), at.clone());
        let replayed: Vec<(String, Option<String>)> = known.replayed.iter().map(to).collect();
        let line = Line {
            origin: place.to_string(),
            topic: &place.topic,
            partition: place.partition,
            offset: place.offset,
            timestamp: known.time.map(utc_text),
            code: &known.code,
            stage: &known.stage,
            message: &known.message,
            key: known.key.as_deref().map(text_of),
            employee_id: known.employee_id.as_deref(),
            bytes: known.bytes,
            is_kept: known.is_kept,
            replayed_from: known.from.iter().map(ToString::to_string).collect(),
            replayed_to: replayed
                .iter()
                .map(|(place, at)| To { place: place.clone(), at: at.as_deref() })
                .collect(),
            dropped: known.dropped.as_ref(),
        };
        text.push_str(&serde_json::to_string(&line).map_err(Failure::from_outside)?);
        text.push('\n');
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::super::place;
    use super::*;

    fn known(code: &str, message: &str) -> Known {
        Known {
            time: None,
            stage: "decode".into(),
            code: code.into(),
            message: message.into(),
            key: Some(b"E\x1b[31m1".to_vec()),
            employee_id: None,
            bytes: Some(1),
            is_kept: false,
            from: Vec::new(),
            replayed: BTreeMap::new(),
            dropped: None,
        }
    }

    #[test]
    fn the_table_fits_its_terminal_and_steers_none() {
        let place = place::parse("punches/0/41").unwrap();
        let mut one =
            known("not_json", "byte 7:\n\x1b[2J expected `,` where something else stood, for a long time");
        one.replayed.insert(place::parse("punches/0/99").unwrap(), None);
        let text = table(&[(&place, &one)], Some(80));
        assert!(!text.contains('\x1b') && text.contains("E\\u{1b}[31m1") && text.contains("…"), "{text}");
        assert_eq!(text.lines().count(), 2);
        assert!(!text.contains("time"), "no letter has one: {text}");
        assert!(text.lines().all(|line| measure_text_width(line) <= 80), "{text}");
        let whole = table(&[(&place, &one)], None);
        assert!(
            whole.starts_with("place         code      stage   key           replayed  message\n"),
            "{whole}"
        );
    }

    #[test]
    fn counts_are_by_code_the_most_frequent_first() {
        let place = place::parse("punches/0/41").unwrap();
        let (large, broken) = (known("too_large", ""), known("not_json", ""));
        let found = [(&place, &broken), (&place, &large), (&place, &large)];
        assert_eq!(
            counts(&found, 2, 9, "topic p.dlq"),
            "3 dead letters in topic p.dlq: too_large 2, not_json 1 (of 9 in all); shown are the latest 2\n"
        );
        assert_eq!(counts(&[], 0, 0, "topic p.dlq"), "no dead letters in topic p.dlq\n");
        assert_eq!(counts(&[], 0, 1, "x"), "none of the 1 dead letter in x is of that kind\n");
    }
}
