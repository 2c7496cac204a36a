//! Records framed for a schema registry: a zero byte, the schema's id, then Avro, Protobuf or JSON.
//!
//! ```text
//! 0 | id, 4 bytes, big-endian | Avro datum
//! 0 | id                      | message indexes (zigzag varints: how many, then each; a lone 0 means [0]) | Protobuf
//! 0 | id                      | JSON text
//! ```
//!
//! In: the record's bytes; writers' schemas by id.  Out: a draft and its lists, a fault, or that the id is unknown.
//! Owns: the writers' schemas, each resolved once.
//! Absent on purpose: the registry. Who holds a decoder fetches a schema that [`Decoded::UnknownSchema`] asks for; ids
//! never change their meaning, so what is known stays known whatever becomes of the registry.
//! Why so: a record of another schema is no bad record: it waits, it is not rejected.

mod avro;
mod avro_schema;
mod protobuf;
mod values;

use hashbrown::HashMap;
use model::{Batch, RejectCode};

use super::draft::{Draft, Fault};
pub use avro_schema::AvroSchemaError;

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
}

impl WriterSchema {
    /// An Avro schema's JSON text. Fields are taken by name, in whatever order and types; only what is no schema, or
    /// whose datum is no record, is an error here: a field of another type is told record by record.
    pub fn avro(text: &str) -> Result<Self, AvroSchemaError> {
        avro_schema::Program::compile(text).map(|program| Self(Writer::Avro(program)))
    }

    /// A Protobuf file whose message at `punch` (`[0]`: the first of the file; `[1, 0]`: the first within the second) has
    /// the fields of `proto/punch.proto`, by number.
    pub fn protobuf(punch: &[u32]) -> Self {
        Self(Writer::Protobuf { punch: punch.to_vec() })
    }

    /// A JSON Schema: the record is JSON as in a topic without registry.
    pub const fn json() -> Self {
        Self(Writer::Json)
    }
}

/// The schemas known so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Schemas(HashMap<u32, WriterSchema>);

impl Schemas {
    pub(super) fn add(&mut self, id: SchemaId, schema: WriterSchema) {
        self.0.insert(id.0, schema);
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
    schemas: &Schemas,
    batch: &mut Batch,
    draft: &mut Draft,
) -> Framed<'a> {
    let [0, a, b, c, d, body @ ..] = value else {
        return Framed::Read(Err(format_fault("no zero byte and schema id in front")));
    };
    let id = SchemaId(u32::from_be_bytes([*a, *b, *c, *d]));
    let Some(schema) = schemas.0.get(&id.0) else { return Framed::Unknown(id) };
    Framed::Read(match &schema.0 {
        Writer::Avro(program) => avro::read(body, program, batch, draft),
        Writer::Protobuf { punch } => protobuf::read(body, punch, batch, draft),
        Writer::Json => return Framed::Json(body),
    })
}

/// Bytes that are not what the frame says they are.
fn format_fault(message: &str) -> Fault {
    Fault::new(RejectCode::NotJson, format!("not the topic's format: {message}"))
}
