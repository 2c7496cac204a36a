//! Cuts a file into records: a line each, or a CSV record that may span lines.
//!
//! In: a file's bytes up to the length that was hashed.  Out: records with the number of their first line.  Owns: the
//! open file, a bounded buffer, the place it has reached.
//! Absent on purpose: decoding, and any trust in the bytes: lines have no length limit of their own, quotes may never
//! close, NUL and other encodings pass through.
//! Invariants: memory stays below twice `LINE_BYTES_MAX` and a buffer; the records of a file depend on its bytes
//! alone, not on where reading began, as long as it began at a record; an unclosed quote costs one record, not the
//! rest of the file.
//! Why so: `csv-core` decides the same way where fields are quoted, but it cannot say on which line a record began nor
//! give up on a quote; an oracle test holds this module against it.

use std::fs::{File, Metadata};
use std::io::{self, BufRead, BufReader, Read};

/// Bytes of a record that are kept; the rest is passed over. It lies far above what a decoder takes, so that a decoder
/// rejects the record as too large and the dead letter still holds all that is kept.
pub const LINE_BYTES_MAX: usize = 8 << 20;
/// Lines that one CSV record may span; a quote that is still open then was never meant to be one.
pub const RECORD_LINES_MAX: u64 = 100;
/// Bytes of the read buffer.
const BUFFER_BYTES: usize = 256 << 10;

pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Where a reader stands: at the beginning of a line, or behind a record of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The number of the line or of the document's record that begins here, from 0.
    pub(crate) line: u64,
    /// Bytes before it.
    pub(crate) byte: u64,
}

impl Place {
    pub(crate) const START: Self = Self { line: 0, byte: 0 };
}

/// What the buffer of [`Framing::next_record`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Framed {
    /// The record's number: its first line's, or its place among the records of a document.
    pub(crate) line: u64,
    /// Bytes of it that the buffer does not hold, because it was too long.
    pub(crate) omitted: u64,
    /// The line it begins on, from 0, where that is not `line`.
    pub(crate) text_line: Option<u64>,
}

pub(crate) struct Framing {
    reader: BufReader<File>,
    /// The length that was hashed: what is appended later is not part of this log.
    end: u64,
    is_csv: bool,
    place: Place,
}

impl Framing {
    /// Reads `file`, which stands at its first byte, up to byte `end`.
    pub(crate) fn new(file: File, end: u64, is_csv: bool) -> Self {
        let reader = BufReader::with_capacity(BUFFER_BYTES, file);
        Self { reader, end, is_csv, place: Place::START }
    }

    pub(crate) const fn place(&self) -> Place {
        self.place
    }

    /// The length in bytes that was hashed.
    pub(crate) const fn end(&self) -> u64 {
        self.end
    }

    pub(crate) fn metadata(&self) -> io::Result<Metadata> {
        self.reader.get_ref().metadata()
    }

    pub(crate) fn seek(&mut self, place: Place) -> io::Result<()> {
        if place != self.place {
            // A relative seek keeps the buffer where it can.
            let by = place.byte as i64 - self.place.byte as i64;
            self.reader.seek_relative(by)?;
            self.place = place;
        }
        Ok(())
    }

    /// Passes over lines until the one numbered `line`; stops earlier at the file's end.
    pub(crate) fn skip_to_line(&mut self, line: u64) -> io::Result<()> {
        while self.place.line < line && self.skip_line()? {}
        Ok(())
    }

    /// The next record into `into`, without its end of line; `None` at the file's end. Blank lines are no records.
    pub(crate) fn next_record(&mut self, into: &mut Vec<u8>) -> io::Result<Option<Framed>> {
        loop {
            into.clear();
            let first = self.place;
            let Some(bytes) = self.read_line(into)? else { return Ok(None) };
            let omitted = bytes - into.len() as u64;
            if first.byte == 0 && into.starts_with(BYTE_ORDER_MARK) {
                into.drain(..BYTE_ORDER_MARK.len());
            }
            if omitted == 0 && into.trim_ascii().is_empty() {
                continue;
            }
            if omitted == 0 && self.is_csv {
                self.finish_csv_record(into)?;
            }
            trim_end_of_line(into);
            return Ok(Some(Framed { line: first.line, omitted, text_line: None }));
        }
    }

    /// Reads on while a quoted field is open. If it does not close within the limits, the record is its first line.
    fn finish_csv_record(&mut self, into: &mut Vec<u8>) -> io::Result<()> {
        let (first_len, behind_first) = (into.len(), self.place);
        let mut quotes = Quotes::FieldStart.after(into);
        let mut lines = 1;
        while quotes == Quotes::Inside {
            let read = into.len();
            let is_over =
                lines >= RECORD_LINES_MAX || self.read_line(into)?.is_none() || into.len() > LINE_BYTES_MAX;
            if is_over {
                into.truncate(first_len);
                return self.seek(behind_first);
            }
            quotes = quotes.after(&into[read..]);
            lines += 1;
        }
        Ok(())
    }

    /// Appends the next line, its end of line included, to `into`, at most [`LINE_BYTES_MAX`] bytes of it. Returns its
    /// whole length, or `None` at the file's end.
    fn read_line(&mut self, into: &mut Vec<u8>) -> io::Result<Option<u64>> {
        let left = self.end - self.place.byte;
        let mut bytes =
            (&mut self.reader).take(left.min(LINE_BYTES_MAX as u64)).read_until(b'\n', into)? as u64;
        if bytes == 0 {
            return Ok(None);
        }
        if !into.ends_with(b"\n") {
            bytes += (&mut self.reader).take(left - bytes).skip_until(b'\n')? as u64;
        }
        self.place = Place { line: self.place.line + 1, byte: self.place.byte + bytes };
        Ok(Some(bytes))
    }

    fn skip_line(&mut self) -> io::Result<bool> {
        let left = self.end - self.place.byte;
        let bytes = (&mut self.reader).take(left).skip_until(b'\n')? as u64;
        if bytes > 0 {
            self.place = Place { line: self.place.line + 1, byte: self.place.byte + bytes };
        }
        Ok(bytes > 0)
    }
}

fn trim_end_of_line(record: &mut Vec<u8>) {
    if record.last() == Some(&b'\n') {
        record.pop();
    }
    if record.last() == Some(&b'\r') {
        record.pop();
    }
}

/// Where in a CSV record a reader stands, as far as quotes go. A quote opens a field only at its beginning; doubled, it
/// is a quote; what follows a closed field is taken as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quotes {
    FieldStart,
    Plain,
    Inside,
    /// Behind a quote inside: closed, unless another one follows.
    Closed,
}

impl Quotes {
    fn after(self, bytes: &[u8]) -> Self {
        bytes.iter().fold(self, |state, byte| match (state, byte) {
            (Self::Inside, b'"') => Self::Closed,
            (Self::Inside, _) => Self::Inside,
            (Self::FieldStart | Self::Closed, b'"') => Self::Inside,
            (_, b',' | b'\n' | b'\r') => Self::FieldStart,
            _ => Self::Plain,
        })
    }
}

#[cfg(test)]
#[path = "framing_tests.rs"]
mod tests;
