//! Cuts documents of JSON into records: each element of the lists in them that hold records, each value that has no
//! such list.
//!
//! ```text
//!   {"errcode":0,"recordresult":[{…},{…}],"hasMore":false}      record 0, record 1
//!   {"userId":…} ⏎ {"userId":…}                                 record 2, record 3: a value a line, or one behind the other
//!   [{…},{"data":{"dataList":[{…}]}}]                           record 4, record 5: a list is looked into wherever it stands
//! ```
//!
//! In: a file's bytes up to the length that was hashed, and the names of the lists.  Out: records with their ordinal.
//! Owns: the open file, a bounded buffer, the brackets that are open.
//! Absent on purpose: decoding. What is no JSON is cut as well as it can be, and its decoder says so; nothing is
//! passed over in silence but what stands around the records of a well-formed document.
//! Invariants: memory stays below twice `LINE_BYTES_MAX` and a buffer, however large the document; for well-formed
//! documents the records are those that a general reader finds, kept by `documents_tests.rs`; the records depend on
//! the bytes alone, not on where reading began.
//! Why so: an answer of a month is one value of hundreds of megabytes on one line: it cannot be held, and its lines
//! say nothing. A scanner of brackets and quotes is enough to cut it, and leaves the bytes of each record as they are
//! for its dead letter.

use std::fs::{File, Metadata};
use std::io::{self, BufRead, BufReader, Seek};

use super::framing::{BYTE_ORDER_MARK, Framed, LINE_BYTES_MAX, Place};

/// Brackets that may be open at once; a record that opens more is read on, but no list is looked for within.
const DEPTH_MAX: usize = 256;
/// Bytes of the read buffer.
const BUFFER_BYTES: usize = 256 << 10;
/// Bytes of a key that are kept: more than any list's name has.
const KEY_BYTES_MAX: usize = 64;

pub(crate) struct Documents {
    reader: BufReader<File>,
    /// The length that was hashed: what is appended later is not part of this log.
    end: u64,
    lists: &'static [&'static str],
    place: Place,
    /// The line that the next byte is on, from 0.
    line: u64,
    scan: Scan,
}

/// Where the scanner stands within a document.
#[derive(Default)]
struct Scan {
    /// The brackets that are open, outermost first.
    open: Vec<Bracket>,
    /// Brackets that are open beyond [`DEPTH_MAX`].
    deeper: usize,
    /// How many of `open` surround the records that are being cut: up to the innermost list that is open.
    around: usize,
    /// What the value at hand is.
    item: Item,
    text: Text,
    /// The last text, as far as a key is compared.
    key: Vec<u8>,
    /// The last byte that was neither white space nor within a text.
    last: u8,
    /// Nothing but white space stands between the last line's end and the next byte.
    is_behind_line: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Bracket {
    Object,
    Array,
    /// An array whose elements are records.
    List,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Item {
    /// Between two values.
    #[default]
    None,
    /// An object or array, kept until it is known to be a record.
    Value,
    /// Anything else where a record is due.
    Bare,
    /// An object that held a list: what is left of it is no record.
    Envelope,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Text {
    #[default]
    Outside,
    Inside,
    /// Behind a backslash.
    Escaped,
}

/// What a byte means for the record at hand.
enum Step {
    /// It belongs to the record, if there is one.
    Keep,
    /// It opens a list: what was kept was no record.
    Drop,
    /// It is the record's last.
    Last,
    /// The record ended before it; it is to be looked at again.
    Ended,
}

impl Documents {
    /// Reads `file`, which stands at its first byte, up to byte `end`; elements of arrays with these names are records.
    pub(crate) fn new(file: File, end: u64, lists: &'static [&'static str]) -> Self {
        let reader = BufReader::with_capacity(BUFFER_BYTES, file);
        Self { reader, end, lists, place: Place::START, line: 0, scan: Scan::default() }
    }

    /// The number of the next record, and the bytes before what has not been read.
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

    /// Stands before the record numbered `record`, or at the file's end if it has fewer.
    pub(crate) fn seek(&mut self, record: u64) -> io::Result<()> {
        if record < self.place.line {
            self.reader.rewind()?;
            (self.place, self.line, self.scan) = (Place::START, 0, Scan::default());
        }
        let mut passed = Vec::new();
        while self.place.line < record && self.next_record(&mut passed)?.is_some() {}
        Ok(())
    }

    /// The next record into `into`; `None` at the file's end. A file that ends within a list has one more record, of
    /// what there was of it and perhaps of no byte.
    pub(crate) fn next_record(&mut self, into: &mut Vec<u8>) -> io::Result<Option<Framed>> {
        into.clear();
        let mut cut = Cut { into, omitted: 0, text_line: self.line };
        loop {
            let left = usize::try_from(self.end - self.place.byte).unwrap_or(usize::MAX);
            let bytes = self.reader.fill_buf()?;
            let mut bytes = &bytes[..bytes.len().min(left)];
            if bytes.is_empty() {
                let is_open = !self.scan.open.is_empty() || self.scan.item != Item::None;
                self.scan = Scan::default();
                return Ok(is_open.then(|| cut.framed(&mut self.place)));
            }
            let mut passed = 0;
            if self.place.byte == 0 && bytes.starts_with(BYTE_ORDER_MARK) {
                passed = BYTE_ORDER_MARK.len();
                bytes = &bytes[passed..];
            }
            let (read, is_record) = cut.take(bytes, &mut self.scan, self.lists, &mut self.line);
            passed += read;
            self.reader.consume(passed);
            self.place.byte += passed as u64;
            if is_record {
                return Ok(Some(cut.framed(&mut self.place)));
            }
        }
    }
}

/// The record that is being cut.
struct Cut<'a> {
    into: &'a mut Vec<u8>,
    omitted: u64,
    text_line: u64,
}

impl Cut<'_> {
    /// Takes bytes up to the end of the record: how many, and whether it ended.
    fn take(&mut self, bytes: &[u8], scan: &mut Scan, lists: &[&str], line: &mut u64) -> (usize, bool) {
        for (at, byte) in bytes.iter().enumerate() {
            let was = scan.item;
            let step = scan.take(*byte, lists);
            if matches!(step, Step::Ended) {
                return (at, true);
            }
            if was == Item::None && scan.item != Item::None {
                self.text_line = *line;
            }
            *line += u64::from(*byte == b'\n');
            let is_kept = |item| matches!(item, Item::Value | Item::Bare);
            if matches!(step, Step::Drop) {
                self.into.clear();
                self.omitted = 0;
            } else if is_kept(was) || is_kept(scan.item) {
                if self.into.len() < LINE_BYTES_MAX {
                    self.into.push(*byte);
                } else {
                    self.omitted += 1;
                }
            }
            if matches!(step, Step::Last) {
                return (at + 1, true);
            }
        }
        (bytes.len(), false)
    }

    fn framed(&mut self, place: &mut Place) -> Framed {
        let len = self.into.trim_ascii_end().len();
        self.into.truncate(len);
        let line = place.line;
        place.line += 1;
        Framed { line, omitted: self.omitted, text_line: Some(self.text_line) }
    }
}

impl Scan {
    fn take(&mut self, byte: u8, lists: &[&str]) -> Step {
        if self.text != Text::Outside {
            self.take_text(byte);
            return Step::Keep;
        }
        let begins_line = self.is_behind_line;
        self.is_behind_line = byte == b'\n' || (begins_line && byte.is_ascii_whitespace());
        match (self.item, byte) {
            (Item::Bare, _) => self.take_bare(byte),
            (_, b' ' | b'\t' | b'\r' | b'\n') => Step::Keep,
            (Item::None, _) => self.begin(byte),
            (_, b'{') if begins_line && self.is_torn() => self.tear(byte),
            _ => self.take_inside(byte, lists),
        }
    }

    /// Between two values: the next one begins, or the list ends.
    fn begin(&mut self, byte: u8) -> Step {
        match byte {
            b',' if self.around > 0 => {}
            b']' if self.around > 0 => self.close_list(),
            b'[' if self.open.is_empty() => {
                self.open.push(Bracket::List);
                self.around = 1;
            }
            b'{' | b'[' => {
                self.item = Item::Value;
                self.open_bracket(if byte == b'{' { Bracket::Object } else { Bracket::Array });
            }
            _ => {
                self.item = Item::Bare;
                if byte == b'"' {
                    self.text = Text::Inside;
                }
            }
        }
        self.last = byte;
        Step::Keep
    }

    /// Within something that is neither object nor array: up to the end of its line, or what ends it within a list.
    fn take_bare(&mut self, byte: u8) -> Step {
        if byte == b'\n' || (self.around > 0 && matches!(byte, b',' | b']')) {
            self.item = Item::None;
            return Step::Ended;
        }
        if byte == b'"' {
            self.text = Text::Inside;
        }
        Step::Keep
    }

    fn take_inside(&mut self, byte: u8, lists: &[&str]) -> Step {
        let is_list = std::mem::replace(&mut self.last, byte) == b':'
            && lists.iter().any(|list| list.as_bytes() == self.key.as_slice());
        match byte {
            b'"' => {
                self.text = Text::Inside;
                self.key.clear();
            }
            b'[' if is_list && self.deeper == 0 && self.open.len() < DEPTH_MAX => {
                self.open.push(Bracket::List);
                self.around = self.open.len();
                self.item = Item::None;
                return Step::Drop;
            }
            // A list that is null holds no record, and what it stands in is none.
            b'n' if is_list => {
                self.item = Item::Envelope;
                return Step::Drop;
            }
            b'{' => self.open_bracket(Bracket::Object),
            b'[' => self.open_bracket(Bracket::Array),
            b'}' => return self.close(Bracket::Object),
            b']' => return self.close(Bracket::Array),
            _ => {}
        }
        Step::Keep
    }

    fn take_text(&mut self, byte: u8) {
        match (self.text, byte) {
            // No text of JSON holds a line's end: its closing quote is missing. What follows is read on without it.
            (_, b'\n') => (self.text, self.is_behind_line) = (Text::Outside, true),
            (Text::Escaped, _) => self.text = Text::Inside,
            (_, b'\\') => self.text = Text::Escaped,
            (_, b'"') => {
                self.text = Text::Outside;
                return;
            }
            _ => {}
        }
        if self.key.len() < KEY_BYTES_MAX {
            self.key.push(byte);
        }
    }

    /// Whether an object that begins here can be no part of the value at hand: its line was torn off.
    fn is_torn(&self) -> bool {
        match self.open.last() {
            _ if self.deeper > 0 => false,
            Some(Bracket::Object) => self.last != b':',
            _ => !matches!(self.last, b'[' | b','),
        }
    }

    /// Ends the value at hand before the object that begins here.
    fn tear(&mut self, byte: u8) -> Step {
        let was = std::mem::take(&mut self.item);
        self.open.truncate(self.around);
        if was == Item::Envelope { self.begin(byte) } else { Step::Ended }
    }

    fn open_bracket(&mut self, bracket: Bracket) {
        if self.deeper > 0 || self.open.len() == DEPTH_MAX {
            self.deeper += 1;
        } else {
            self.open.push(bracket);
        }
    }

    /// Closes the nearest bracket of its kind within the value at hand, and with it what stands open above; without
    /// one, nothing: the value is broken then, and its decoder will say so.
    fn close(&mut self, bracket: Bracket) -> Step {
        if self.deeper > 0 {
            self.deeper -= 1;
            return Step::Keep;
        }
        let within = &self.open[self.around..];
        let Some(at) = within.iter().rposition(|open| *open == bracket) else { return Step::Keep };
        self.open.truncate(self.around + at);
        if at > 0 {
            return Step::Keep;
        }
        let was = std::mem::take(&mut self.item);
        if was == Item::Value { Step::Last } else { Step::Keep }
    }

    /// Leaves the innermost list: what it stood in is no record.
    fn close_list(&mut self) {
        self.open.pop();
        self.around = self.open.iter().rposition(|open| *open == Bracket::List).map_or(0, |at| at + 1);
        self.item = if self.open.len() > self.around { Item::Envelope } else { Item::None };
    }
}

#[cfg(test)]
#[path = "documents_tests.rs"]
mod tests;
