//! What cuts a file of any format into records: by lines, or by the documents in it.

use std::fs::{File, Metadata};
use std::io;

use super::documents::Documents;
use super::format::FileFormat;
use super::framing::{Framed, Framing, Place};

/// The one that cuts.
pub(crate) enum Cutter {
    Lines(Framing),
    Documents(Documents),
}

impl Cutter {
    /// Cuts `file`, which stands at its first byte, up to byte `end`.
    pub(crate) fn new(file: File, end: u64, format: FileFormat) -> Self {
        match format.lists() {
            [] => Self::Lines(Framing::new(file, end, format.is_csv())),
            lists => Self::Documents(Documents::new(file, end, lists)),
        }
    }

    pub(crate) const fn place(&self) -> Place {
        match self {
            Self::Lines(framing) => framing.place(),
            Self::Documents(documents) => documents.place(),
        }
    }

    /// The length in bytes that was hashed.
    pub(crate) const fn end(&self) -> u64 {
        match self {
            Self::Lines(framing) => framing.end(),
            Self::Documents(documents) => documents.end(),
        }
    }

    pub(crate) fn metadata(&self) -> io::Result<Metadata> {
        match self {
            Self::Lines(framing) => framing.metadata(),
            Self::Documents(documents) => documents.metadata(),
        }
    }

    /// Goes back or forth to a place where it stood before.
    pub(crate) fn seek(&mut self, place: Place) -> io::Result<()> {
        match self {
            Self::Lines(framing) => framing.seek(place),
            Self::Documents(documents) => documents.seek(place.line),
        }
    }

    /// Passes over what lies before the record numbered `line`; stops earlier at the file's end.
    pub(crate) fn skip_to(&mut self, line: u64) -> io::Result<()> {
        match self {
            Self::Lines(framing) => framing.skip_to_line(line),
            Self::Documents(documents) => documents.seek(line.max(documents.place().line)),
        }
    }

    /// The next record into `into`; `None` at the file's end.
    pub(crate) fn next_record(&mut self, into: &mut Vec<u8>) -> io::Result<Option<Framed>> {
        match self {
            Self::Lines(framing) => framing.next_record(into),
            Self::Documents(documents) => documents.next_record(into),
        }
    }
}
