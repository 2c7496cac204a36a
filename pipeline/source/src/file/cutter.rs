//! What cuts a file of any format into records: by lines, by the documents in it, or by rows.

use std::fs::{File, Metadata};
use std::io;

use super::documents::Documents;
use super::format::FileFormat;
use super::framing::{Framed, Framing, Place};
use super::rows::Rows;

/// The one that cuts.
pub(crate) enum Cutter {
    Lines(Framing),
    Documents(Documents),
    Rows(Rows),
}

impl Cutter {
    /// Cuts `file`, which stands at its first byte, up to byte `end`.
    pub(crate) fn new(file: File, end: u64, format: FileFormat) -> io::Result<Self> {
        Ok(match format.lists() {
            [] if format == FileFormat::Arrow => Self::Rows(Rows::new(file, end)?),
            [] => Self::Lines(Framing::new(file, end, format.is_csv())),
            lists => Self::Documents(Documents::new(file, end, lists)),
        })
    }

    pub(crate) fn place(&self) -> Place {
        match self {
            Self::Lines(framing) => framing.place(),
            Self::Documents(documents) => documents.place(),
            Self::Rows(rows) => rows.place(),
        }
    }

    /// The length in bytes that was hashed.
    pub(crate) const fn end(&self) -> u64 {
        match self {
            Self::Lines(framing) => framing.end(),
            Self::Documents(documents) => documents.end(),
            Self::Rows(rows) => rows.end(),
        }
    }

    pub(crate) fn metadata(&self) -> io::Result<Metadata> {
        match self {
            Self::Lines(framing) => framing.metadata(),
            Self::Documents(documents) => documents.metadata(),
            Self::Rows(rows) => rows.metadata(),
        }
    }

    /// Goes back or forth to a place where it stood before.
    pub(crate) fn seek(&mut self, place: Place) -> io::Result<()> {
        match self {
            Self::Lines(framing) => framing.seek(place),
            Self::Documents(documents) => documents.seek(place.line),
            Self::Rows(rows) => rows.seek(place.line),
        }
    }

    /// Passes over what lies before the record numbered `line`; stops earlier at the file's end.
    pub(crate) fn skip_to(&mut self, line: u64) -> io::Result<()> {
        match self {
            Self::Lines(framing) => framing.skip_to_line(line),
            Self::Documents(documents) => documents.seek(line.max(documents.place().line)),
            Self::Rows(rows) => rows.seek(line.max(rows.place().line)),
        }
    }

    /// The next record's bytes into `into`; `None` at the file's end. Rows have none: see [`Rows::fill`].
    pub(crate) fn next_record(&mut self, into: &mut Vec<u8>) -> io::Result<Option<Framed>> {
        match self {
            Self::Lines(framing) => framing.next_record(into),
            Self::Documents(documents) => documents.next_record(into),
            Self::Rows(_) => Ok(None),
        }
    }
}
