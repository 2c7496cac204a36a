//! Dead letters: what is no punch, with its bytes and headers untouched and its origin beside them (contract, section 1).

use std::borrow::Cow;

use model::{EventTime, Offset, Partition, RejectCode};
use schemas::lines::{DeadLetterLine, header, utc_text};

use crate::error::{Error, ErrorKind};
use crate::kept_records::{self, KeptRecords};
use crate::letter::Kept;
use crate::log::{Append, Header, NewRecord};
use crate::raw_batch::{RawEntry, RawHeaders};

/// Bytes of a message that a letter carries.
pub const MESSAGE_BYTES_MAX: usize = 1_024;

/// The topic that the dead letters of `topic` go to: `<topic>.dlq`.
pub fn topic_of(topic: &str) -> String {
    format!("{topic}.dlq")
}

/// Where a record came from: the identity of its letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordOrigin<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition.
    pub partition: Partition,
    /// The offset.
    pub offset: Offset,
    /// When the log took the record; files do not know.
    pub timestamp: Option<EventTime>,
}

/// A record that could not be taken, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter<'a> {
    /// Where it came from.
    pub origin: RecordOrigin<'a>,
    /// The step that refused it: `decode`, `judge`, …
    pub stage: &'a str,
    /// The stable code.
    pub code: RejectCode,
    /// What exactly, for a person; [`MESSAGE_BYTES_MAX`] bytes of it are kept.
    pub message: &'a str,
    /// Its key, untouched.
    pub key: Option<&'a [u8]>,
    /// Its bytes, untouched; of a row of columns, the record of JSON that says the same.
    pub value: Option<Cow<'a, [u8]>>,
    /// Its own headers.
    pub headers: RawHeaders<'a>,
}

impl<'a> DeadLetter<'a> {
    /// The letter for `entry` of `topic`'s `partition`.
    pub fn new(
        topic: &'a str,
        partition: Partition,
        entry: &RawEntry<'a>,
        stage: &'a str,
        code: RejectCode,
        message: &'a str,
    ) -> Self {
        Self {
            origin: RecordOrigin { topic, partition, offset: entry.offset, timestamp: entry.append_time },
            stage,
            code,
            message,
            key: entry.key,
            value: entry.bytes(),
            headers: entry.headers,
        }
    }

    /// The topic the letter goes to: `<topic>.dlq`.
    pub fn topic(&self) -> String {
        topic_of(self.origin.topic)
    }

    /// What the letter adds to the record's own headers, in the contract's order.
    pub fn added_headers(&self) -> [(&'static str, String); 8] {
        let message = &self.message[..self.message.floor_char_boundary(MESSAGE_BYTES_MAX)];
        [
            (header::TOPIC, self.origin.topic.to_owned()),
            (header::PARTITION, self.origin.partition.to_string()),
            (header::OFFSET, self.origin.offset.get().to_string()),
            (header::TIMESTAMP, self.origin.timestamp.map(utc_text).unwrap_or_default()),
            (header::STAGE, self.stage.to_owned()),
            (header::CODE, self.code.name().to_owned()),
            (header::MESSAGE, message.to_owned()),
            (header::APP, concat!("muster ", env!("CARGO_PKG_VERSION")).to_owned()),
        ]
    }

    /// The letter as a line of `<lake>/dead_letters.ndjson`.
    pub fn line(&self) -> DeadLetterLine {
        let mut line = DeadLetterLine::new(self.key, self.value.as_deref());
        for (name, value) in self.added_headers() {
            line = line.with_header(name, value);
        }
        for (name, value) in self.headers.iter() {
            line = line.with_record_header(name, value);
        }
        line
    }
}

/// Appends the letters to their dead-letter topics; they are durable when this returns. A record's own headers come
/// first; a letter that died again carries its older `dlq.*` headers as its own, and the last of a name holds.
///
/// # Errors
/// As [`Append::append`]; after an error some letters may have been appended: a letter may appear twice.
pub fn append_letters(append: &mut dyn Append, letters: &[DeadLetter<'_>]) -> Result<(), Error> {
    let whole: Vec<Posted<'_>> = letters.iter().map(|letter| Posted::whole(letter.clone())).collect();
    post(append, &whole)
}

/// As [`append_letters`], but a letter that is too large for its topic is kept: its record's bytes as a file, durable
/// before the letter that names it in `dlq.kept`, `dlq.size` and `dlq.sha256` and has no value itself.
///
/// # Errors
/// As [`append_letters`], and `DiskFull` or `Io` where a record cannot be kept.
pub fn append_or_keep(
    append: &mut dyn Append,
    letters: &[DeadLetter<'_>],
    kept: &KeptRecords,
) -> Result<(), Error> {
    let keep = |letter: &DeadLetter<'_>| kept.is_too_large(kept_records::bytes_of(letter));
    if !letters.iter().any(keep) {
        match append_letters(append, letters) {
            Err(error) if error.kind() == ErrorKind::TooLarge => {}
            done => return done,
        }
    }
    // Some letter is too large, or the topic takes less than was thought: one by one.
    for letter in letters {
        if !keep(letter) {
            match post(append, &[Posted::whole(letter.clone())]) {
                Err(error) if error.kind() == ErrorKind::TooLarge => {}
                done => {
                    done?;
                    continue;
                }
            }
        }
        post(append, &[Posted::kept(letter.clone(), &kept.keep(letter)?)])?;
    }
    Ok(())
}

/// A letter as it is appended.
struct Posted<'a> {
    letter: DeadLetter<'a>,
    added: Vec<(&'static str, String)>,
}

impl<'a> Posted<'a> {
    fn whole(letter: DeadLetter<'a>) -> Self {
        Self { added: letter.added_headers().into(), letter }
    }

    fn kept(letter: DeadLetter<'a>, kept: &Kept) -> Self {
        let mut posted = Self::whole(letter);
        posted.letter.value = None;
        if kept.is_whole_letter() {
            posted.letter.key = None;
            posted.letter.headers = RawHeaders::default();
        }
        posted.added.extend([
            (header::KEPT, kept.file.clone()),
            (header::SIZE, kept.size.to_string()),
            (header::SHA256, kept.sha256.clone()),
        ]);
        posted
    }
}

fn post(append: &mut dyn Append, letters: &[Posted<'_>]) -> Result<(), Error> {
    for letters in letters.chunk_by(|one, other| one.letter.origin.topic == other.letter.origin.topic) {
        let headers: Vec<Vec<Header<'_>>> = letters
            .iter()
            .map(|Posted { letter, added }| {
                let added = added.iter().map(|(name, value)| (*name, Some(value.as_bytes())));
                letter.headers.iter().chain(added).collect()
            })
            .collect();
        let records: Vec<NewRecord<'_>> = letters
            .iter()
            .zip(&headers)
            .map(|(Posted { letter, .. }, headers)| NewRecord {
                key: letter.key,
                value: letter.value.as_deref(),
                headers,
                partition: None,
            })
            .collect();
        append.append(&letters[0].letter.topic(), &records)?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "dead_letter_tests.rs"]
mod tests;
