//! The contract: what producers, analysts and scripts rely on, as wire structs, decoders, Arrow tables and JSON Schema.
//!
//! In: bytes of records and files.  Out: values of `model`, Arrow record batches, lines of JSON.  Owns: nothing but
//! reusable buffers.
//! Absent on purpose: I/O (edges hand bytes in and take bytes out), clocks, and any judgement: a decoder says whether
//! something is a punch, never whether it is a good one.
//! Invariants: a record becomes exactly one punch or one reject, kept by `decode::Decoder::decode` and its property
//! tests; every table's builder and schema agree, kept by `RecordBatch::try_new` and the tests of `tables`.
//! Why so: one crate holds every byte and column that others rely on, so that a change to the contract is a change
//! here, with a golden file that shows it.

pub mod decode;
pub mod json_schema;
pub mod lines;
pub mod punch;
pub mod rows;
pub mod tables;

mod civil;

pub use decode::{Decoded, Decoder, Format, ImportOptions, RawRecord};
pub use punch::PunchLine;
