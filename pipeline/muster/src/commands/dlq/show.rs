//! `muster dlq show`: everything about one letter: where it came from, why it was refused, its headers and its bytes.
//!
//! In: a place.  Out: text on standard output; the letter as a line of JSON; or the record's bytes as they are.
//! Owns: nothing.
//! Invariants: but for `--bytes`, nothing in a record can steer a terminal.

use std::fmt::Write as _;
use std::io::Write as _;

use schemas::lines::{DeadLetterLine, header, utc_text};
use source::{Content, DeadRecord, ErrorKind, Letter};

use super::ShowArguments;
use super::letters::{Known, Letters};
use super::place::Place;
use crate::commands::Outcome;
use crate::failure::{Exit, Failure};
use crate::files;

/// Bytes of a line of the hex dump.
const HEX_LINE_BYTES: usize = 16;

/// What stands where text stops being JSON.
const HERE: &str = "⟪here⟫";

/// What to do where the bytes beside the lake are gone.
const RESTORE: &str =
    "restore that file: the letter has no other copy of its record, but the log may still hold it";

/// Runs the command.
pub(super) fn run(arguments: &ShowArguments) -> Outcome {
    let letters = Letters::open(&arguments.home)?;
    let index = letters.index()?;
    let place = index.one(&arguments.place, &letters.name())?;
    let mut found = None;
    letters.visit(&mut |letter| {
        if Place::of(&letter.origin) == *place {
            found = Some(letter);
        }
        Ok(())
    })?;
    let Some(letter) = found else {
        let what = format!("the letter of {place} is gone: its topic let go of it just now");
        return Err(Box::new(Failure::from_outside(what)));
    };
    let record = letter.record(&letters.kept()).map_err(|error| match error.kind() {
        ErrorKind::DamagedLetter => Box::new(Failure::outside(error.to_string(), RESTORE)),
        _ => files::failure(error),
    });
    let bytes = if arguments.bytes {
        record?.value.unwrap_or_default()
    } else if arguments.json {
        let mut line = serde_json::to_vec(&line(&letter, &record?)).map_err(Failure::from_outside)?;
        line.push(b'\n');
        line
    } else {
        let mut text = heading(place, &index.letters[place], &letter, &letters);
        // Without its bytes a letter still says what became of its record.
        match record {
            Ok(record) => text.push_str(&body(&record)),
            Err(lost) => {
                crate::printed(std::io::stdout().lock().write_all(text.as_bytes()))?;
                return Err(lost);
            }
        }
        text.into_bytes()
    };
    let mut out = std::io::stdout().lock();
    crate::printed(out.write_all(&bytes).and_then(|()| out.flush()))?;
    Ok(Exit::Done)
}

/// The letter as replays write theirs.
fn line(letter: &Letter, record: &DeadRecord) -> DeadLetterLine {
    let origin = &letter.origin;
    let mut line = DeadLetterLine::new(record.key.as_deref(), record.value.as_deref())
        .with_header(header::TOPIC, &*origin.topic)
        .with_header(header::PARTITION, origin.partition.to_string())
        .with_header(header::OFFSET, origin.offset.get().to_string())
        .with_header(header::TIMESTAMP, origin.timestamp.map(utc_text).unwrap_or_default())
        .with_header(header::STAGE, &*letter.stage)
        .with_header(header::CODE, &*letter.code)
        .with_header(header::MESSAGE, &*letter.message)
        .with_header(header::APP, &*letter.app);
    for (name, value) in &record.headers {
        line = line.with_record_header(name, value.as_deref());
    }
    line
}

/// Everything but the record itself.
fn heading(place: &Place, known: &Known, letter: &Letter, letters: &Letters) -> String {
    let mut text = format!("{}\n", plain(&place.to_string()));
    let mut say = |name: &str, value: &str| {
        let _ = writeln!(text, "  {name:<14}{value}");
    };
    if let Some(time) = known.time {
        say("appended", &utc_text(time));
    }
    say("code", &plain(&letter.code));
    say("stage", &plain(&letter.stage));
    say("message", &plain(&letter.message));
    say("written by", &plain(&letter.app));
    for from in &known.from {
        say("replayed from", &from.to_string());
    }
    for (to, at) in &known.replayed {
        let at = at.as_deref().map(|at| format!(", {at}")).unwrap_or_default();
        say("replayed to", &format!("{to}{}", plain(&at)));
    }
    if let Some(drop) = &known.dropped {
        say("dropped", &plain(&format!("{}, by {}: {}", drop.at, drop.by, drop.note)));
    }
    if let Content::Kept(kept) = &letter.content {
        let path = letters.kept().folder().join(&kept.file);
        say("kept in", &format!("{} ({} bytes, SHA-256 {})", path.display(), kept.size, plain(&kept.sha256)));
    }
    text
}

/// The record: key, headers, bytes.
fn body(record: &DeadRecord) -> String {
    let mut text = String::new();
    let or_none =
        |bytes: Option<&[u8]>| bytes.map_or_else(|| "none".to_owned(), |bytes| plain(&text_of(bytes)));
    let _ = writeln!(text, "  {:<14}{}", "key", or_none(record.key.as_deref()));
    for (name, value) in &record.headers {
        let _ = writeln!(text, "  {:<14}{} = {}", "header", plain(name), or_none(value.as_deref()));
    }
    match record.value.as_deref() {
        None => text.push_str("\nno value\n"),
        Some(value) => {
            let _ = writeln!(text, "\n{}:", crate::counted(value.len() as u64, "byte", "bytes"));
            text.push_str(&shown(value));
        }
    }
    text
}

/// The value: indented JSON, text with a mark where it stops being JSON, or a hex dump.
fn shown(value: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(value) else { return hex_dump(value) };
    let mut out = match serde_json::from_str::<serde_json::Value>(text) {
        // Sorted or rounded it would be another record: it is only indented.
        Ok(_) => indented(text),
        Err(error) => {
            let at = place_of(text, error.line(), error.column());
            format!(
                "no JSON, {HERE} marks where: {error}\n{}{HERE}{}",
                in_lines(&text[..at]),
                in_lines(&text[at..])
            )
        }
    };
    out.push('\n');
    out
}

/// The byte that a JSON error speaks of.
fn place_of(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    text.floor_char_boundary((before + column.saturating_sub(1)).min(text.len()))
}

/// JSON text with line breaks and indents between its tokens, and nothing else changed.
fn indented(text: &str) -> String {
    let (mut out, mut depth, mut in_text, mut is_escaped) = (String::new(), 0_usize, false, false);
    let mut chars = text.chars().peekable();
    let line = |out: &mut String, depth: usize| {
        let _ = write!(out, "\n{:1$}", "", depth * 2);
    };
    while let Some(c) = chars.next() {
        if in_text {
            push_plain(&mut out, c);
            in_text = is_escaped || c != '"';
            is_escaped = !is_escaped && c == '\\';
            continue;
        }
        match c {
            '"' => {
                in_text = true;
                out.push(c);
            }
            '{' | '[' => {
                out.push(c);
                while chars.next_if(char::is_ascii_whitespace).is_some() {}
                if let Some(end) = chars.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(end);
                } else {
                    depth += 1;
                    line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            _ if c.is_ascii_whitespace() => {}
            _ => push_plain(&mut out, c),
        }
    }
    out
}

/// `00000010  7b 22 …  |{"…|`
fn hex_dump(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (n, line) in bytes.chunks(HEX_LINE_BYTES).enumerate() {
        let hex: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        let seen: String = line
            .iter()
            .map(|byte| if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '.' })
            .collect();
        let width = HEX_LINE_BYTES * 3 - 1;
        let _ = writeln!(text, "{:08x}  {:<width$}  |{seen}|", n * HEX_LINE_BYTES, hex.join(" "));
    }
    text
}

/// Bytes as text where they are, else in hex.
pub(super) fn text_of(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().fold("0x".to_owned(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        }),
    }
}

/// As [`plain`], but line by line.
fn in_lines(text: &str) -> String {
    text.split('\n').map(plain).collect::<Vec<_>>().join("\n")
}

/// Text on one line and without characters that could steer a terminal: those are shown escaped.
pub(super) fn plain(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        push_plain(&mut out, c);
        out
    })
}

fn push_plain(out: &mut String, c: char) {
    // Marks of writing direction and the like show one text as another.
    let steers = c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    if steers {
        out.extend(c.escape_default());
    } else {
        out.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_indented_and_nothing_else() {
        let text = r#"{"b":1.50,"a":"x,{\"}\\","l":[ ],"n":[1,{"k":null}] }"#;
        let told = "{\n  \"b\": 1.50,\n  \"a\": \"x,{\\\"}\\\\\",\n  \"l\": [],\n  \"n\": [\n    1,\n    {\n      \"k\": null\n    }\n  ]\n}\n";
        assert_eq!(shown(text.as_bytes()), told);
    }

    #[test]
    fn where_text_stops_being_json_is_marked() {
        let told = shown("{\"a\": \"門\", oops}".as_bytes());
        assert!(told.contains("{\"a\": \"門\", ⟪here⟫oops}"), "{told}");
        assert!(shown(b"{\"a\":").contains("EOF"), "{}", shown(b"{\"a\":"));
        assert!(shown(b"").starts_with("no JSON"));
        let steering = shown(b"{\x1b[2J");
        assert!(!steering.contains('\x1b') && steering.contains("\\u{1b}[2J"), "{steering}");
    }

    #[test]
    fn what_is_no_text_is_dumped() {
        let told = shown(b"{\xff\xfe0} and some more of it");
        assert!(
            told.starts_with(
                "00000000  7b ff fe 30 7d 20 61 6e 64 20 73 6f 6d 65 20 6d  |{..0} and some m|\n"
            ),
            "{told}"
        );
        assert_eq!(told.lines().count(), 2);
        assert_eq!(text_of(b"E\xfe"), "0x45fe");
    }
}
