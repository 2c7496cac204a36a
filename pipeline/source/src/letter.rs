//! A dead letter read back: from its topic, or from a replay's file.
//!
//! In: records of a dead-letter topic, lines of `dead_letters.ndjson`.  Out: [`Letter`]s.  Owns: nothing.
//! Absent on purpose: replaying: whoever does appends [`Letter::record`] to the topic it came from.
//! Invariants: what a letter was written from comes back byte for byte (`letter_tests`).

use std::path::Path;

use model::{EventTime, Offset, Partition};
use schemas::lines::{DeadLetterLine, header, utc_time};

use crate::error::{Error, ErrorKind};
use crate::kept_records::KeptRecords;
use crate::log::Header;
use crate::raw_batch::RawEntry;

/// A dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Where the record came from: the letter's identity.
    pub origin: LetterOrigin,
    /// The step that refused it: `decode`, `judge`, …
    pub stage: String,
    /// The stable code; one of a newer version is kept as it is.
    pub code: String,
    /// What exactly, for a person.
    pub message: String,
    /// The program that wrote the letter, and its version.
    pub app: String,
    /// The record's key.
    pub key: Option<Vec<u8>>,
    /// The record's own headers, in order; a name may repeat.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// The record's value.
    pub content: Content,
}

/// Where a record came from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LetterOrigin {
    /// The topic; `file:<id>` for a file.
    pub topic: String,
    /// The partition.
    pub partition: Partition,
    /// The offset; in a file the line, counted from 0.
    pub offset: Offset,
    /// When the log took the record; files do not know.
    pub timestamp: Option<EventTime>,
}

/// The value of a record that died.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Its bytes; none if it had no value.
    Bytes(Option<Vec<u8>>),
    /// It was too large for the letter.
    Kept(Kept),
}

/// A value that is kept in a file beside the lake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The file's name within its folder.
    pub file: String,
    /// Bytes of the value.
    pub size: u64,
    /// SHA-256 of the value, in hex.
    pub sha256: String,
}

/// A record to append again, with everything that it had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadRecord {
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// Its own headers, in order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl DeadRecord {
    /// The headers as [`NewRecord`](crate::NewRecord) takes them.
    pub fn headers(&self) -> Vec<Header<'_>> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect()
    }
}

impl Letter {
    /// The letter that `entry` of a dead-letter topic is.
    ///
    /// # Errors
    /// `DamagedLetter` if it is none: a header is missing or no text.
    pub fn read(entry: &RawEntry<'_>) -> Result<Self, Error> {
        let headers: Vec<Header<'_>> = entry.headers.iter().collect();
        // A record's own headers come first, and may be an older letter's: the letter's begin at the last `dlq.topic`.
        let first = headers.iter().rposition(|(name, _)| *name == header::TOPIC);
        let place = || format!("dead letter at offset {}", entry.offset.get());
        let (own, added) = headers.split_at(first.unwrap_or(headers.len()));
        let get = |wanted: &str| {
            let found = added.iter().find(|(name, _)| *name == wanted)?.1?;
            std::str::from_utf8(found).ok().map(str::to_owned)
        };
        let head = Head::of(&place, get)?;
        let content = match head.kept {
            Some(kept) => Content::Kept(kept),
            None => Content::Bytes(entry.value.map(<[u8]>::to_vec)),
        };
        let owned = |(name, value): &Header<'_>| ((*name).to_owned(), value.map(<[u8]>::to_vec));
        Ok(Self {
            origin: head.origin,
            stage: head.stage,
            code: head.code,
            message: head.message,
            app: head.app,
            key: entry.key.map(<[u8]>::to_vec),
            headers: own.iter().map(owned).collect(),
            content,
        })
    }

    /// The letter that a line of `dead_letters.ndjson` is.
    ///
    /// # Errors
    /// `DamagedLetter` if a header is missing, or bytes are no base64.
    pub fn from_line(line: &DeadLetterLine) -> Result<Self, Error> {
        let place = || format!("dead letter of {:?}", line.origin());
        let damaged = || Error::new(ErrorKind::DamagedLetter, format!("{}: bytes are no base64", place()));
        let key = line.key_bytes().ok_or_else(damaged)?;
        let value = line.value_bytes().ok_or_else(damaged)?;
        let mut headers = Vec::with_capacity(line.record_headers.len());
        for header in &line.record_headers {
            let value = DeadLetterLine { value: header.value.clone(), ..DeadLetterLine::default() };
            headers.push((header.name.clone(), value.value_bytes().ok_or_else(damaged)?));
        }
        let get = |wanted: &str| line.headers.get(wanted).cloned();
        let head = Head::of(&place, get)?;
        Ok(Self {
            origin: head.origin,
            stage: head.stage,
            code: head.code,
            message: head.message,
            app: head.app,
            key,
            headers,
            content: Content::Bytes(value),
        })
    }

    /// The letters of the file at `path`, in order; a line that is none is an error in its place. A torn last line is
    /// left out.
    ///
    /// # Errors
    /// `Io` if the file cannot be read.
    pub fn read_file(path: &Path) -> Result<Vec<Result<Self, Error>>, Error> {
        let failed = |error| Error::io(&format!("read dead letters {}", path.display()), error);
        let bytes = std::fs::read(path).map_err(failed)?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at);
        let lines = bytes[..whole].split(|byte| *byte == b'\n').enumerate();
        Ok(lines
            .filter(|(_, line)| !line.is_empty())
            .map(|(number, line)| {
                let line: DeadLetterLine = serde_json::from_slice(line).map_err(|error| {
                    let doing = format!("{} line {}: no dead letter", path.display(), number + 1);
                    Error::caused(ErrorKind::DamagedLetter, &doing, error)
                })?;
                Self::from_line(&line)
            })
            .collect())
    }

    /// The record as it was, to be appended again; `kept` finds bytes that were too large for the letter.
    ///
    /// # Errors
    /// `DamagedLetter` if those bytes are gone or changed.
    pub fn record(&self, kept: &KeptRecords) -> Result<DeadRecord, Error> {
        let own = |value| DeadRecord { key: self.key.clone(), value, headers: self.headers.clone() };
        match &self.content {
            Content::Bytes(value) => Ok(own(value.clone())),
            Content::Kept(at) => {
                let (value, line) = kept.read_parts(at)?;
                let Some(line) = line else { return Ok(own(Some(value))) };
                Self::from_line(&line)?.record(kept)
            }
        }
    }
}

/// What the headers that the letter added say.
struct Head {
    origin: LetterOrigin,
    stage: String,
    code: String,
    message: String,
    app: String,
    kept: Option<Kept>,
}

impl Head {
    fn of(place: &dyn Fn() -> String, get: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let damaged = |what: String| Error::new(ErrorKind::DamagedLetter, format!("{}: {what}", place()));
        let need = |name: &str| {
            let missing = || damaged(format!("header {name} is missing or no text: it is no dead letter"));
            get(name).ok_or_else(missing)
        };
        let number = |name: &str| -> Result<u64, Error> {
            let text = need(name)?;
            text.parse().map_err(|_| damaged(format!("header {name} is {text:?}, no number")))
        };
        let kept = match get(header::KEPT) {
            Some(file) => Some(Kept { file, size: number(header::SIZE)?, sha256: need(header::SHA256)? }),
            None => None,
        };
        let beyond = || damaged("its origin is none".to_owned());
        let partition = u32::try_from(number(header::PARTITION)?).map_err(|_| beyond())?;
        let offset = i64::try_from(number(header::OFFSET)?).ok().and_then(Offset::new).ok_or_else(beyond)?;
        Ok(Self {
            origin: LetterOrigin {
                topic: need(header::TOPIC)?,
                partition: Partition::new(partition),
                offset,
                timestamp: get(header::TIMESTAMP).and_then(|text| utc_time(&text)),
            },
            stage: need(header::STAGE)?,
            code: need(header::CODE)?,
            message: need(header::MESSAGE)?,
            app: need(header::APP)?,
            kept,
        })
    }
}

#[cfg(test)]
#[path = "letter_tests.rs"]
mod tests;
