//! Where the features of a collection lie in its file and what each said, so that a changed file tells which of them changed.
//!
//! In: a file's text and its features; later the file again.  Out: the features that say something else now.
//! Owns: a hash, a length and a number of lines a feature: 16 bytes; not the text.
//! Absent on purpose: features that came, went or changed places: then the file is read whole.
//! Invariants: a feature passes for unchanged only if its bytes have the hash they had, and all between features is as it
//! must be between two values of a list; what stands before the first and behind the last is the same to the byte.
//! Why so: cutting 400 MB into a million features by reading them as JSON takes seconds, and hashing them a fraction of one;
//! a hash of 64 bits takes another text for the same once in 10¹⁹ changes.

use std::io::{self, ErrorKind, Read};

use serde_json::value::RawValue;
use twox_hash::XxHash64;

/// Longest text before the first or behind the last feature, in bytes.
const ENDS_BYTES_MAX: usize = 64 * 1024;
/// How much of a file is looked at together, in bytes.
const WINDOW_BYTES: usize = 1 << 20;
/// What a changed feature is looked for in first, in bytes.
const FEATURE_BYTES: usize = 16 * 1024;
const BOM: &[u8] = "\u{feff}".as_bytes();

/// A file cut into features.
#[derive(Debug)]
pub(crate) struct Cut {
    head: Box<[u8]>,
    features: Vec<Piece>,
    tail: Box<[u8]>,
}

#[derive(Clone, Copy, Debug)]
struct Piece {
    hash: u64,
    bytes: u32,
    /// Line ends in it.
    lines: u32,
}

/// A file held against what it was.
pub(crate) struct Compared {
    /// The file as it is now.
    pub(crate) cut: Cut,
    /// The line of each feature.
    pub(crate) lines: Vec<u64>,
    /// Which features changed, and how they read now.
    pub(crate) changed: Vec<(usize, String)>,
}

impl Cut {
    /// `features` are pieces of `text`, in order and borrowed from it; `None` without any, or beside too much else.
    pub(crate) fn of(text: &str, features: &[&RawValue]) -> Option<Self> {
        let offset = |part: &str| part.as_ptr() as usize - text.as_ptr() as usize;
        let (first, last) = (features.first()?.get(), features.last()?.get());
        let (head, tail) = (&text[..offset(first)], &text[offset(last) + last.len()..]);
        if head.len().max(tail.len()) > ENDS_BYTES_MAX {
            return None;
        }
        let pieces = features.iter().map(|feature| Piece::of(feature.get().as_bytes()));
        Some(Self {
            head: head.as_bytes().into(),
            features: pieces.collect::<Option<_>>()?,
            tail: tail.as_bytes().into(),
        })
    }

    /// What changed in the file; `None` if that is more than `changed_max` features, or anything but features.
    pub(crate) fn compare(&self, file: impl Read, changed_max: usize) -> io::Result<Option<Compared>> {
        let mut window = Window::new(file);
        if window.bytes(BOM.len())? == BOM {
            window.skip(BOM.len());
        }
        if !window.takes(&self.head)? {
            return Ok(None);
        }
        let (mut features, mut changed) = (self.features.clone(), Vec::new());
        let mut lines = Vec::with_capacity(features.len());
        let mut line = 1 + line_ends(&self.head);
        for (number, piece) in features.iter_mut().enumerate() {
            if number > 0 {
                let Some(between) = window.separator()? else { return Ok(None) };
                line += between;
            }
            lines.push(line);
            if !window.takes_piece(*piece)? {
                let Some(text) = window.value()?.filter(|_| changed.len() < changed_max) else {
                    return Ok(None);
                };
                let Some(now) = Piece::of(text.as_bytes()) else { return Ok(None) };
                *piece = now;
                changed.push((number, text));
            }
            line += u64::from(piece.lines);
        }
        let is_whole = window.takes(&self.tail)? && window.bytes(1)?.is_empty();
        let cut = || Self { head: self.head.clone(), features, tail: self.tail.clone() };
        Ok(is_whole.then(|| Compared { cut: cut(), lines, changed }))
    }
}

impl Piece {
    /// `None` for a text of 4 GiB or more.
    fn of(text: &[u8]) -> Option<Self> {
        let bytes = u32::try_from(text.len()).ok()?;
        Some(Self { hash: XxHash64::oneshot(0, text), bytes, lines: line_ends(text) as u32 })
    }
}

fn line_ends(text: &[u8]) -> u64 {
    text.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// A file looked at from one place on.
struct Window<R> {
    input: R,
    buffer: Vec<u8>,
    from: usize,
    until: usize,
}

impl<R: Read> Window<R> {
    fn new(input: R) -> Self {
        Self { input, buffer: vec![0; WINDOW_BYTES], from: 0, until: 0 }
    }

    /// The next `wanted` bytes, or as many as there are.
    fn bytes(&mut self, wanted: usize) -> io::Result<&[u8]> {
        while self.until - self.from < wanted {
            if self.buffer.len() - self.from < wanted {
                self.buffer.copy_within(self.from..self.until, 0);
                (self.from, self.until) = (0, self.until - self.from);
                if self.buffer.len() < wanted {
                    self.buffer.resize(wanted, 0);
                }
            }
            match self.input.read(&mut self.buffer[self.until..]) {
                Ok(0) => break,
                Ok(count) => self.until += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(&self.buffer[self.from..self.until.min(self.from + wanted)])
    }

    fn skip(&mut self, count: usize) {
        self.from += count;
    }

    /// Goes behind `text` if that comes next.
    fn takes(&mut self, text: &[u8]) -> io::Result<bool> {
        let is_next = self.bytes(text.len())? == text;
        self.skip(if is_next { text.len() } else { 0 });
        Ok(is_next)
    }

    /// Goes behind a feature if it comes next.
    fn takes_piece(&mut self, piece: Piece) -> io::Result<bool> {
        let count = piece.bytes as usize;
        let next = self.bytes(count)?;
        let is_next = next.len() == count && XxHash64::oneshot(0, next) == piece.hash;
        self.skip(if is_next { count } else { 0 });
        Ok(is_next)
    }

    /// Goes behind a comma and the white space around it, and counts the line ends; `None` if something else comes.
    fn separator(&mut self) -> io::Result<Option<u64>> {
        let (mut line_ends, mut commas) = (0, 0);
        loop {
            match self.bytes(1)?.first() {
                Some(b'\n') => line_ends += 1,
                Some(b' ' | b'\t' | b'\r') => {}
                Some(b',') => commas += 1,
                _ => return Ok((commas == 1).then_some(line_ends)),
            }
            self.skip(1);
        }
    }

    /// Goes behind the JSON value that comes next and gives its text; `None` if none does.
    fn value(&mut self) -> io::Result<Option<String>> {
        let mut wanted = FEATURE_BYTES;
        loop {
            let bytes = self.bytes(wanted)?;
            let is_all = bytes.len() < wanted;
            let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<&RawValue>();
            let next = values.next().map(|value| value.map(|value| value.get().to_owned()));
            let behind = values.byte_offset();
            match next {
                Some(Ok(text)) => {
                    self.skip(behind);
                    return Ok(Some(text));
                }
                Some(Err(error)) if error.is_eof() && !is_all => wanted *= 4,
                _ => return Ok(None),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "{\"features\":[\n {\"a\":1},\n {\"b\":\n2} , {\"c\":3}\n], \"x\": 1}";

    fn cut(text: &str) -> Cut {
        #[derive(serde::Deserialize)]
        struct Collection<'a> {
            #[serde(borrow)]
            features: Vec<&'a RawValue>,
        }
        let collection: Collection<'_> = serde_json::from_str(text).unwrap();
        Cut::of(text, &collection.features).unwrap()
    }

    /// The changed features with their lines, or nothing.
    fn check(after: &str, expected: Option<&[(usize, u64, &str)]>) {
        let compared = cut(BEFORE).compare(after.as_bytes(), 2).unwrap();
        let told = compared.as_ref().map(|compared| {
            let of = |(number, text): &(usize, String)| (*number, compared.lines[*number], text.clone());
            compared.changed.iter().map(of).collect::<Vec<_>>()
        });
        let expected: Option<Vec<_>> = expected.map(|expected| {
            expected.iter().map(|(number, line, text)| (*number, *line, (*text).to_owned())).collect()
        });
        assert_eq!(told, expected, "{after}");
        if let Some(compared) = compared {
            let again = compared.cut.compare(after.as_bytes(), 0).unwrap();
            assert!(again.is_some_and(|again| again.changed.is_empty()), "{after}");
        }
    }

    #[test]
    fn what_changed_is_told_with_its_line() {
        check(BEFORE, Some(&[]));
        check(&format!("\u{feff}{BEFORE}"), Some(&[]));
        check(&BEFORE.replace("\"a\":1", "\"a\":\n\n\"x{\""), Some(&[(0, 2, "{\"a\":\n\n\"x{\"}")]));
        check(&BEFORE.replace("\n2} ,", "22}\n,\n"), Some(&[(1, 3, "{\"b\":22}")]));
        check(&BEFORE.replace("3}", "4}"), Some(&[(2, 4, "{\"c\":4}")]));
        let long = format!("{{\"c\":\"{}\"}}", "å".repeat(3 * FEATURE_BYTES));
        check(&BEFORE.replace("{\"c\":3}", &long), Some(&[(2, 4, &long)]));
    }

    #[test]
    fn what_is_no_change_of_features_is_read_whole() {
        for after in [
            "",
            &BEFORE[..BEFORE.len() - 1],
            &BEFORE[..30],
            &format!("{BEFORE} "),
            &BEFORE.replace("\"x\": 1", "\"x\": 2"),
            &BEFORE.replace("features", "Features"),
            &BEFORE.replace(" , ", " "),
            &BEFORE.replace(" , ", ",,"),
            &BEFORE.replace("{\"c\":3}", "{\"c\":3"),
            &BEFORE.replace(" {\"a\":1},\n", ""),
            &BEFORE.replace("{\"c\":3}", "{\"c\":3},{\"d\":4}"),
            &BEFORE.replace("1}", "9}").replace("2}", "9}").replace("3}", "9}").replace(": 9}", ": 1}"),
        ] {
            check(after, None);
        }
    }
}
