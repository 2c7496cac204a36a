//! A request's body to records: which bytes are a record of its own, and whether each is a punch.
//!
//! In: the body, what its content type says.  Out: a `Record` each, in order, or why the whole is none.  Owns: nothing.
//! Absent on purpose: any change to a record of JSON: its bytes go into the log as they were sent, so that what the pipeline
//! later says of them is said of what the sender sent. A row of Arrow becomes a record of JSON here.
//! Invariants: a record is accepted here exactly if the pipeline's decoder takes it: it is the same decoder.
//! Why so: a record that is no punch is answered with its code instead of being appended and becoming a dead letter.
//! Its sender is still there, knows the person and can mend it; a dead letter is found later by somebody who cannot.

use bytes::Bytes;
use model::{Batch, NextOffset, Offset, Partition, RejectCode};
use schemas::decode::{PunchColumns, read_arrow};
use schemas::{Decoder, Format, ImportOptions, RawRecord};
use serde::de::{DeserializeSeed, Deserializer, Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Records of one request. It bounds the answer as the body's limit bounds the question.
pub(crate) const RECORDS_MAX: usize = 10_000;

/// Editors put it before JSON; the decoder looks behind it, too.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What the sender says the body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One JSON value, or not said: an array's elements, a lone value, or else lines.
    Json,
    /// A JSON value a line.
    Lines,
    /// Arrow IPC, a row each.
    Arrow,
}

impl Shape {
    /// What a `Content-Type` says, `None` if it is neither a kind of JSON nor Arrow's.
    pub(crate) fn of(content_type: Option<&str>) -> Option<Self> {
        let Some(content_type) = content_type else { return Some(Self::Json) };
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "" | "application/json" => Some(Self::Json),
            "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/x-jsonlines" => Some(Self::Lines),
            "application/vnd.apache.arrow.stream" | "application/vnd.apache.arrow.file" => Some(Self::Arrow),
            _ => None,
        }
    }
}

/// One record of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Its id, where it could be read.
    pub(crate) event_id: Option<String>,
    pub(crate) taken: Taken,
}

/// Whether a record is a punch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is: the key that decides its partition, and its bytes as sent.
    Punch {
        /// The `employee_id`.
        key: String,
        /// The record.
        value: Bytes,
    },
    /// It is not.
    Reject {
        /// Why.
        code: RejectCode,
        /// What exactly.
        message: String,
    },
}

/// Why a body holds no records at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// There is nothing in it, or nothing that is JSON.
    NotJson(String),
    /// It holds more than [`RECORDS_MAX`].
    TooMany,
    /// It is said to be Arrow IPC, and is not, or its columns are none of punches.
    NotArrow(String),
}

/// The records of `body`, in its order.
///
/// # Errors
/// A body without a record, one that is no JSON anywhere, one with too many records.
pub(crate) fn read(body: &Bytes, shape: Shape, record_bytes_max: usize) -> Result<Vec<Record>, Fault> {
    let pieces = match shape {
        Shape::Arrow => rows(body)?,
        Shape::Json | Shape::Lines => pieces(body, shape)?,
    };
    let options = ImportOptions { record_bytes_max, ..ImportOptions::default() };
    let mut decoder = Decoder::new(Format::Json, options);
    let mut batch = Batch::new(Partition::new(0), NextOffset::START);
    let records: Vec<Record> =
        pieces.into_iter().map(|piece| decode(&mut decoder, &mut batch, piece)).collect();
    let is_json = |record: &Record| {
        let not_json = [RejectCode::NotJson, RejectCode::NotUtf8];
        !matches!(&record.taken, Taken::Reject { code, .. } if not_json.contains(code))
    };
    match records.first() {
        // An empty array: nothing was sent, and that is said in JSON.
        None => Ok(records),
        Some(first) if !records.iter().any(is_json) => Err(Fault::NotJson(match &first.taken {
            Taken::Reject { message, .. } => format!("no line of it is JSON; of the first: {message}"),
            Taken::Punch { .. } => unreachable!("a punch is JSON"),
        })),
        Some(_) => Ok(records),
    }
}

fn pieces(body: &Bytes, shape: Shape) -> Result<Vec<Bytes>, Fault> {
    let text = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    match (text.trim_ascii_start().first(), shape) {
        (None, _) => Err(Fault::NotJson("it is empty".into())),
        (Some(b'['), Shape::Json) => elements(body, text),
        (Some(_), Shape::Json) => match serde_json::from_slice::<&RawValue>(text) {
            Ok(one) => Ok(vec![body.slice_ref(one.get().as_bytes())]),
            Err(_) => lines(body),
        },
        (Some(_), _) => lines(body),
    }
}

/// Each row as a record of JSON: the log holds records, and whatever reads it reads JSON.
fn rows(body: &Bytes) -> Result<Vec<Bytes>, Fault> {
    let batches = read_arrow(body.to_vec()).map_err(|error| Fault::NotArrow(error.to_string()))?;
    let count = batches.iter().map(PunchColumns::rows).fold(0, usize::saturating_add);
    if count > RECORDS_MAX {
        return Err(Fault::TooMany);
    }
    let rows = batches.iter().flat_map(|columns| (0..columns.rows()).map(move |row| columns.line(row)));
    Ok(rows.map(|line| serde_json::to_vec(&line).expect("a line is text under names").into()).collect())
}

fn lines(body: &Bytes) -> Result<Vec<Bytes>, Fault> {
    let mut lines = Vec::new();
    for line in body.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        if lines.len() == RECORDS_MAX {
            return Err(Fault::TooMany);
        }
        lines.push(body.slice_ref(line));
    }
    Ok(lines)
}

fn elements(body: &Bytes, text: &[u8]) -> Result<Vec<Bytes>, Fault> {
    let mut found: Vec<&RawValue> = Vec::new();
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let read = Elements(&mut found).deserialize(&mut deserializer).and_then(|()| deserializer.end());
    match read {
        _ if found.len() > RECORDS_MAX => Err(Fault::TooMany),
        Err(error) => Err(Fault::NotJson(format!("the array breaks off: {error}"))),
        Ok(()) => Ok(found.into_iter().map(|element| body.slice_ref(element.get().as_bytes())).collect()),
    }
}

/// Reads an array's elements as they stand, and stops behind the first that is too many.
struct Elements<'a, 'de>(&'a mut Vec<&'de RawValue>);

impl<'de> DeserializeSeed<'de> for Elements<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Elements<'_, 'de> {
    type Value = ();

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("an array of punches")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while let Some(element) = elements.next_element()? {
            self.0.push(element);
            if self.0.len() > RECORDS_MAX {
                return Err(A::Error::custom("too many records"));
            }
        }
        Ok(())
    }
}

fn decode(decoder: &mut Decoder, batch: &mut Batch, value: Bytes) -> Record {
    batch.clear(Partition::new(0), NextOffset::START);
    let offset = Offset::new(0).expect("0 is an offset");
    decoder.decode(RawRecord { offset, append_time: None, value: Some(&value) }, batch);
    match (batch.punches.first(), batch.rejects.pop()) {
        (Some(punch), _) => {
            let key = batch.text(punch.employee_id).to_owned();
            let event_id = Some(batch.text(punch.event_id).to_owned());
            Record { event_id, taken: Taken::Punch { key, value } }
        }
        (None, Some(reject)) => Record {
            event_id: reject.event_id,
            taken: Taken::Reject { code: reject.code, message: reject.message },
        },
        (None, None) => unreachable!("a record becomes exactly one punch or one reject"),
    }
}

#[cfg(test)]
#[path = "records_tests.rs"]
mod tests;
