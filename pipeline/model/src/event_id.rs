//! A punch's id within its person's punches: short to keep, free to copy.
//!
//! In: the text that a producer gave.  Out: the same text.  Owns: 24 bytes; a shared text only where the id is neither
//! a UUID nor 32 hex digits and longer than 22 bytes.
//! Invariants: a text has one form, so equal ids are equal bytes; order is the text's, kept by the `tests`.
//! Why so: state holds millions of ids and every judgement copies some. Producers are asked for UUIDs, importers make
//! hex: both are 16 bytes once decoded, where a shared text costs an allocation of 52 and a counter to touch at each copy.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// With the `employee_id` the identity of a punch, for ever.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EventId(Form);

/// The longest text kept as it is.
const SHORT_BYTES: usize = 22;
const UUID_BYTES: usize = 36;
const HEX_BYTES: usize = 32;
/// Before which of its 16 bytes a UUID's text has a hyphen.
const HYPHENS: [usize; 4] = [4, 6, 8, 10];

#[derive(Clone, PartialEq, Eq, Hash)]
enum Form {
    /// `0f8fad5b-d9cb-469f-a165-70867728950e`, in lower case.
    Uuid([u8; 16]),
    /// 32 hex digits, in lower case.
    Hex([u8; 16]),
    /// UTF-8, the rest zero.
    Short { len: u8, bytes: [u8; SHORT_BYTES] },
    /// Anything else.
    Shared(Arc<str>),
}

const _: () = assert!(size_of::<EventId>() == 24 && size_of::<Option<EventId>>() == 24);

impl EventId {
    /// The id of that text, whatever it is. Allocates only for a text that is neither a UUID nor 32 hex digits (both in
    /// lower case) and longer than 22 bytes.
    pub fn new(text: &str) -> Self {
        let bytes = text.as_bytes();
        let form = match bytes.len() {
            UUID_BYTES => uuid(bytes).map(Form::Uuid),
            HEX_BYTES => hex(bytes).map(Form::Hex),
            len @ ..=SHORT_BYTES => {
                let mut short = [0; SHORT_BYTES];
                short[..len].copy_from_slice(bytes);
                Some(Form::Short { len: len as u8, bytes: short })
            }
            _ => None,
        };
        Self(form.unwrap_or_else(|| Form::Shared(text.into())))
    }

    /// Its text, on the stack.
    pub fn text(&self) -> EventText<'_> {
        let (mut buffer, mut len) = ([0; UUID_BYTES], 0);
        let bytes = match &self.0 {
            Form::Short { len, bytes } => return EventText::Whole(utf8(&bytes[..usize::from(*len)])),
            Form::Shared(text) => return EventText::Whole(text),
            Form::Uuid(bytes) | Form::Hex(bytes) => bytes,
        };
        let has_hyphens = matches!(self.0, Form::Uuid(_));
        for (at, byte) in bytes.iter().enumerate() {
            if has_hyphens && HYPHENS.contains(&at) {
                buffer[len] = b'-';
                len += 1;
            }
            buffer[len] = DIGITS[usize::from(byte >> 4)];
            buffer[len + 1] = DIGITS[usize::from(byte & 0xf)];
            len += 2;
        }
        EventText::Written(buffer, len)
    }
}

const DIGITS: [u8; 16] = *b"0123456789abcdef";

/// What each byte is worth as a hex digit in lower case; 0xff where it is none.
const VALUES: [u8; 256] = {
    let mut values = [0xff; 256];
    let mut digit = 0;
    while digit < 16 {
        values[DIGITS[digit] as usize] = digit as u8;
        digit += 1;
    }
    values
};

fn uuid(text: &[u8]) -> Option<[u8; 16]> {
    let mut bare = [0; HEX_BYTES];
    let mut from = 0;
    for (n, until) in [8, 13, 18, 23, 36].into_iter().enumerate() {
        if until < UUID_BYTES && text[until] != b'-' {
            return None;
        }
        bare[from - n..until - n].copy_from_slice(&text[from..until]);
        from = until + 1;
    }
    hex(&bare)
}

fn hex(digits: &[u8]) -> Option<[u8; 16]> {
    let (mut bytes, mut worst) = ([0; 16], 0);
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let (high, low) = (VALUES[usize::from(pair[0])], VALUES[usize::from(pair[1])]);
        worst |= high | low;
        *byte = high << 4 | low & 0xf;
    }
    (worst < 16).then_some(bytes)
}

fn utf8(bytes: &[u8]) -> &str {
    // The bytes came from a text and were cut nowhere.
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// The text of an [`EventId`], borrowed or written on the stack.
#[derive(Clone, Copy)]
pub enum EventText<'a> {
    /// As it is kept.
    Whole(&'a str),
    /// Written out, with its length.
    Written([u8; UUID_BYTES], usize),
}

impl Deref for EventText<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Whole(text) => text,
            Self::Written(buffer, len) => utf8(&buffer[..*len]),
        }
    }
}

impl fmt::Debug for EventText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl Default for EventId {
    fn default() -> Self {
        Self(Form::Short { len: 0, bytes: [0; SHORT_BYTES] })
    }
}

impl From<&str> for EventId {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<Arc<str>> for EventId {
    fn from(text: Arc<str>) -> Self {
        Self::new(&text)
    }
}

impl Ord for EventId {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.0, &other.0) {
            // Digits sort as the bytes they stand for, and hyphens stand at the same places.
            (Form::Uuid(a), Form::Uuid(b)) | (Form::Hex(a), Form::Hex(b)) => a.cmp(b),
            _ => self.text().cmp(&*other.text()),
        }
    }
}

impl PartialOrd for EventId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.text(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: [&str; 16] = [
        "",
        "e1",
        "e10",
        "exactly-22-bytes-long-",
        "twenty-three-bytes-long",
        "打卡-2026-11-22",
        "0f8fad5b-d9cb-469f-a165-70867728950e",
        "0f8fad5b-d9cb-469f-a165-70867728950f",
        "0F8FAD5B-D9CB-469F-A165-70867728950E",
        "0f8fad5b_d9cb-469f-a165-70867728950e",
        "0f8fad5b-d9cb-469f-a165-7086772895-e",
        "0f8fad5bd9cb469fa16570867728950e",
        "0f8fad5bd9cb469fa16570867728950g",
        "0f8fad5bd9cb469fa16570867728950é",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "an id that is longer than anything that is kept in place",
    ];

    #[test]
    fn an_id_is_its_text() {
        for text in TEXTS {
            let id = EventId::new(text);
            assert_eq!(&*id.text(), text);
            assert_eq!(id.to_string(), text);
            assert_eq!(format!("{id:?}"), format!("{text:?}"));
        }
    }

    #[test]
    fn ids_are_equal_and_ordered_as_their_texts() {
        for a in TEXTS {
            for b in TEXTS {
                let (one, two) = (EventId::new(a), EventId::new(b));
                assert_eq!(one.cmp(&two), a.cmp(b), "{a} {b}");
                assert_eq!(one == two, a == b, "{a} {b}");
            }
        }
    }

    #[test]
    fn what_producers_are_asked_for_is_kept_in_place() {
        let is_shared = |text: &&str| matches!(EventId::new(text).0, Form::Shared(_));
        let shared: Vec<&str> = TEXTS.into_iter().filter(is_shared).collect();
        assert_eq!(shared, [TEXTS[4], TEXTS[8], TEXTS[9], TEXTS[10], TEXTS[12], TEXTS[13], TEXTS[15]]);
    }
}
