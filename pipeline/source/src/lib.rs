//! The log: one interface to read and append, the embedded log and files behind it, and dead letters.
//!
//! In: records to append; positions to read from, out of the lake's frontier.  Out: [`RawBatch`]es of undecoded records,
//! and facts about partitions ([`Polled`]), to the worker.  Owns: the embedded log's file and its lock, open files,
//! connections to Kafka, schemas of a registry.
//! Absent on purpose: decoding (`schemas`), any judgement, group offsets as truth (the frontier in the lake is that),
//! and the wall clock (`muster` hands a [`WallClock`] in).
//! Invariants: an append is durable when it returns, and in the embedded log whole or absent (`embedded::tests`,
//! `tests/kill.rs`; for Kafka see [`KafkaAppender`]); what a reader should have got and does not it is told of as a gap;
//! what [`Polled::CaughtUp`] says of a time stays true (`embedded::clock_tests`, `tests/kafka_clock.rs`).
//! Why so: a Kafka consumer hands out assignments, batches of one partition, gaps and ends of partitions, so the
//! interface speaks of these although the embedded log and files know simpler ones: Kafka joins without changing it.

pub mod dead_letter;
pub mod dead_letter_file;
pub mod embedded;
mod error;
pub mod file;
mod folder;
pub mod kafka;
mod kept_records;
mod letter;
mod log;
mod raw_batch;
pub mod registry;

pub use dead_letter::{DeadLetter, RecordOrigin};
pub use dead_letter_file::DeadLetterFile;
pub use embedded::{EmbeddedAppender, EmbeddedLog, EmbeddedSource};
pub use error::{Action, Error, ErrorKind};
pub use file::{FileFormat, FileSource};
pub use kafka::{KafkaAppender, KafkaClock, KafkaLog, KafkaOptions, KafkaReader, KafkaSource};
pub use kept_records::{KeptRecords, RECORD_BYTES_MAX};
pub use letter::{Content, DeadRecord, Kept, Letter, LetterOrigin};
pub use log::{Append, BatchLimits, Header, LogIdentity, NewRecord, Polled, Source, StartAt, WallClock};
pub use raw_batch::{Gap, RawBatch, RawEntry, RawHeaders};
pub use registry::{Registry, RegistryOptions, RegistryStatus, SchemaGate, SchemaWait};
