//! Records framed for a schema registry: a zero byte, the schema's id, then Avro, Protobuf or JSON.
//!
//! ```text
//! 0 | id, 4 bytes, big-endian | Avro datum
//! 0 | id                      | message indexes (zigzag varints: how many, then each; a lone 0 means [0]) | Protobuf
//! 0 | id                      | JSON text
//! any other first byte        : JSON text without a frame, as `POST /v1/punches` appends it
//! ```
//!
//! In: the record's bytes; writers' schemas by id.  Out: a draft and its lists, a fault, or that the id is unknown.
//! Owns: the writers' schemas, each resolved once, and shared by the decoders of a process.
//! Absent on purpose: the registry. Who holds a decoder fetches a schema that [`Decoded::UnknownSchema`] asks for; ids
//! never change their meaning, so what is known stays known whatever becomes of the registry.
//! Why so: a record of another schema is no bad record: it waits, it is not rejected. A decoder asks the shared book, and
//! takes its lock, once an id.

mod avro;
mod avro_plain;
mod avro_schema;
mod avro_values;
mod protobuf;
mod protobuf_schema;
pub(super) mod values;

use std::sync::{Arc, PoisonError, RwLock};

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use model::{Batch, RejectCode};

use super::draft::{Draft, Fault};
pub use avro_schema::AvroSchemaError;
pub use protobuf_schema::ProtobufSchemaError;

/// A schema's id in its registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SchemaId(pub u32);

/// A schema under which records were written, resolved against the contract's fields.
#[derive(Clone, Debug)]
pub struct WriterSchema(Writer);

#[derive(Clone, Debug)]
enum Writer {
    Avro(avro_schema::Program),
    Protobuf { punch: Vec<u32> },
    Json,
    Refused { code: RejectCode, message: Box<str> },
}

impl WriterSchema {
    /// An Avro schema's JSON text. Fields are taken by name, in whatever order and types; only what is no schema, or
    /// whose datum is no record, is an error here: a field of another type is told record by record.
    pub fn avro(text: &str) -> Result<Self, AvroSchemaError> {
        Self::avro_with(text, &[])
    }

    /// As [`WriterSchema::avro`], with the schemas whose types it names: each behind those that it names itself.
    pub fn avro_with(text: &str, references: &[&str]) -> Result<Self, AvroSchemaError> {
        avro_schema::Program::compile(text, references).map(|program| Self(Writer::Avro(program)))
    }

    /// A Protobuf file whose message at `punch` (`[0]`: the first of the file; `[1, 0]`: the first within the second) has
    /// the fields of `proto/punch.proto`, by number.
    pub fn protobuf(punch: &[u32]) -> Self {
        Self(Writer::Protobuf { punch: punch.to_vec() })
    }

    /// The text of a Protobuf file, with those that it imports. Its message `Punch`, else its first one, must be that of
    /// `proto/punch.proto`, as far as it goes: names, numbers, types, and what the numbers of its enums mean.
    ///
    /// # Errors
    /// What is no Protobuf file, and the first field that would be misread.
    pub fn protobuf_file(text: &str, imports: &[&str]) -> Result<Self, ProtobufSchemaError> {
        protobuf_schema::punch_path(text, imports).map(|punch| Self(Writer::Protobuf { punch }))
    }

    /// A schema under which nothing is a punch: each of its records is rejected as `code`, saying `message`.
    pub fn refused(code: RejectCode, message: impl Into<Box<str>>) -> Self {
        Self(Writer::Refused { code, message: message.into() })
    }

    /// The first field that every punch needs and no record of this schema has. Only of Avro is that known: of
    /// [`WriterSchema::protobuf_file`] it is an error, and JSON Schemas are not looked into.
    pub fn missing_field(&self) -> Option<&'static str> {
        match &self.0 {
            Writer::Avro(program) => program.missing_field(),
            Writer::Protobuf { .. } | Writer::Json | Writer::Refused { .. } => None,
        }
    }

    /// A JSON Schema: the record is JSON as in a topic without registry.
    pub const fn json() -> Self {
        Self(Writer::Json)
    }
}

/// The schemas of a registry that a process has loaded. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct SchemaBook(Arc<RwLock<HashMap<u32, Arc<WriterSchema>>>>);

impl SchemaBook {
    /// Tells the schema of an id; for ever, as ids are never given again.
    pub fn add(&self, id: SchemaId, schema: WriterSchema) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(id.0, Arc::new(schema));
    }

    /// Whether the id's schema has been told.
    pub fn knows(&self, id: SchemaId) -> bool {
        self.get(id.0).is_some()
    }

    fn get(&self, id: u32) -> Option<Arc<WriterSchema>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }
}

/// The id in a record's frame, if it has one.
pub fn framed_id(value: &[u8]) -> Option<SchemaId> {
    match value {
        [0, a, b, c, d, ..] => Some(SchemaId(u32::from_be_bytes([*a, *b, *c, *d]))),
        _ => None,
    }
}

/// The schemas that one decoder has met so far, and where it learns others.
#[derive(Clone, Debug, Default)]
pub(super) struct Schemas {
    met: HashMap<u32, Arc<WriterSchema>>,
    book: SchemaBook,
}

impl Schemas {
    pub(super) fn of(book: SchemaBook) -> Self {
        Self { met: HashMap::new(), book }
    }

    pub(super) fn add(&mut self, id: SchemaId, schema: WriterSchema) {
        self.met.insert(id.0, Arc::new(schema));
    }

    #[inline]
    fn find(&mut self, id: SchemaId) -> Option<&WriterSchema> {
        match self.met.entry(id.0) {
            Entry::Occupied(met) => Some(met.into_mut()),
            Entry::Vacant(new) => self.book.get(id.0).map(|schema| &**new.insert(schema)),
        }
    }
}

/// What stands in a frame.
pub(super) enum Framed<'a> {
    /// Read into the draft, or found faulty.
    Read(Result<(), Fault>),
    /// JSON for the JSON readers.
    Json(&'a [u8]),
    /// Under a schema that is not known.
    Unknown(SchemaId),
}

/// Reads a framed record.
pub(super) fn read<'a>(
    value: &'a [u8],
    schemas: &mut Schemas,
    batch: &mut Batch,
    draft: &mut Draft,
) -> Framed<'a> {
    let Some(id) = framed_id(value) else {
        return match value {
            [0, ..] => Framed::Read(Err(format_fault("a frame that breaks off in its schema id"))),
            _ => Framed::Json(value),
        };
    };
    let Some(schema) = schemas.find(id) else { return Framed::Unknown(id) };
    let body = &value[FRAME_BYTES..];
    Framed::Read(match &schema.0 {
        Writer::Avro(program) => avro::read(body, program, batch, draft),
        Writer::Protobuf { punch } => protobuf::read(body, punch, batch, draft),
        Writer::Json => return Framed::Json(body),
        Writer::Refused { code, message } => Err(Fault::new(*code, message.to_string())),
    })
}

/// A zero byte and an id.
const FRAME_BYTES: usize = 5;

/// Bytes that are not what the frame says they are.
fn format_fault(message: &str) -> Fault {
    Fault::new(RejectCode::NotJson, format!("not the topic's format: {message}"))
}
