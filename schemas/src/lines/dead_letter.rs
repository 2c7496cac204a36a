//! Dead letters: what is no punch, with its bytes untouched and its origin beside it (contract, section 1, Rejects).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Names of the headers that a letter adds to the record's own. All values are UTF-8 text.
pub mod header {
    /// The topic the record came from.
    pub const TOPIC: &str = "dlq.topic";
    /// Its partition.
    pub const PARTITION: &str = "dlq.partition";
    /// Its offset.
    pub const OFFSET: &str = "dlq.offset";
    /// Its append time, RFC 3339 in UTC; empty where the log has none.
    pub const TIMESTAMP: &str = "dlq.timestamp";
    /// The step that refused it: `decode`, `judge`, …
    pub const STAGE: &str = "dlq.stage";
    /// The stable code: `not_json`.
    pub const CODE: &str = "dlq.code";
    /// What exactly, for a person.
    pub const MESSAGE: &str = "dlq.message";
    /// The program and its version: `muster 0.1.0`.
    pub const APP: &str = "dlq.app";
    /// Only on a letter whose record is too large for its topic: the file beside the lake that keeps the bytes; the
    /// letter's own value is null then.
    pub const KEPT: &str = "dlq.kept";
    /// With it: how many bytes the record's value has.
    pub const SIZE: &str = "dlq.size";
    /// With it: SHA-256 of the record's value, in hex.
    pub const SHA256: &str = "dlq.sha256";
    /// Those of every letter, in the contract's order.
    pub const ALL: [&str; 8] = [TOPIC, PARTITION, OFFSET, TIMESTAMP, STAGE, CODE, MESSAGE, APP];
    /// On a punch that was appended again to its own partition: where it had been found.
    pub const ORIGIN: &str = "muster.origin";
}

/// One header of a record; names may repeat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecordHeader {
    /// Its name.
    pub name: String,
    /// Its bytes in base64; `null` where it has none.
    pub value: Option<String>,
}

/// One letter in `<lake>/dead_letters.ndjson`: what the dead-letter topic carries, made printable without loss.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeadLetterLine {
    /// The added headers, `dlq.*` by name.
    pub headers: BTreeMap<String, String>,
    /// The record's key in base64; `null` where it has none.
    pub key: Option<String>,
    /// The record's bytes in base64; `null` where it has none.
    pub value: Option<String>,
    /// The record's own headers, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub record_headers: Vec<RecordHeader>,
}

impl DeadLetterLine {
    /// The letter for these bytes; headers are added by the caller.
    pub fn new(key: Option<&[u8]>, value: Option<&[u8]>) -> Self {
        Self { key: encode(key), value: encode(value), ..Self::default() }
    }

    /// Adds one of the headers named in [`header`].
    #[must_use]
    pub fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.insert(name.to_owned(), value.into());
        self
    }

    /// Adds one of the record's own headers.
    #[must_use]
    pub fn with_record_header(mut self, name: &str, value: Option<&[u8]>) -> Self {
        self.record_headers.push(RecordHeader { name: name.to_owned(), value: encode(value) });
        self
    }

    /// The record's key; `Some(None)` where it had none, `None` where the text is no base64.
    pub fn key_bytes(&self) -> Option<Option<Vec<u8>>> {
        decode(self.key.as_deref())
    }

    /// The record's bytes; `Some(None)` where it had none, `None` where the text is no base64.
    pub fn value_bytes(&self) -> Option<Option<Vec<u8>>> {
        decode(self.value.as_deref())
    }

    /// Where the record came from: topic, partition, offset. This is the letter's identity.
    pub fn origin(&self) -> Option<(&str, u32, i64)> {
        let get = |name| self.headers.get(name).map(String::as_str);
        Some((get(header::TOPIC)?, get(header::PARTITION)?.parse().ok()?, get(header::OFFSET)?.parse().ok()?))
    }
}

fn encode(bytes: Option<&[u8]>) -> Option<String> {
    bytes.map(|bytes| STANDARD.encode(bytes))
}

fn decode(text: Option<&str>) -> Option<Option<Vec<u8>>> {
    match text {
        None => Some(None),
        Some(text) => STANDARD.decode(text).ok().map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_loses_no_byte() {
        for value in [None, Some(&b""[..]), Some(b"{\"truncated\":"), Some(b"\xff\x00\n")] {
            let letter = DeadLetterLine::new(Some(b"E\xfe"), value)
                .with_header(header::TOPIC, "punches")
                .with_header(header::PARTITION, "3")
                .with_header(header::OFFSET, "41")
                .with_record_header("trace", None)
                .with_record_header("trace", Some(b"\x00\x01"));
            let text = serde_json::to_string(&letter).unwrap();
            assert!(!text.contains('\n'));
            let back: DeadLetterLine = serde_json::from_str(&text).unwrap();
            assert_eq!(back, letter);
            assert_eq!(back.value_bytes().unwrap().as_deref(), value);
            assert_eq!(back.key_bytes().unwrap().as_deref(), Some(&b"E\xfe"[..]));
            assert_eq!(back.origin(), Some(("punches", 3, 41)));
        }
    }
}
