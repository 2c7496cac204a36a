//! The worker: decode → expect → match → judge → append, for the partitions one thread owns, and the pipeline around it.
//!
//! ```text
//!              ┌────────────── control: polls the source, cuts, hands out ───────────────┐
//!  source ───▶ │ Assigned → claim, fold → start     Batch → its worker     time → cut    │
//!              └──┬──────────────────────────────────────────────────────────────▲───────┘
//!     batches (≤ QUEUE_BATCHES_MAX a worker) ▼                                    │ cuts
//!           worker threads: PartitionWork { believe, Book, SaidBook, rows } ──────┘
//!                 │ alerts, dead letters: durable before a cut counts    
//!                 ▼                                    committer: one commit in flight, cut by cut
//! ```
//!
//! In: a `Source`, a lake, a `World`.  Out: rows, alerts, dead letters, a `Tally`.  Owns: threads and queues for one run.
//! Absent on purpose: async on the hot path (tokio serves the lake's edge only) and locks around state (a partition is
//! owned by one thread).
//! Invariants: I-2, I-5, I-9, I-12 (see ARCHITECTURE.md); beyond `Settings::buffered_rows_max` control pauses every
//! partition, and goes on polling.
//! Why so: a thread per group of partitions keeps state without locks; one committer keeps the order of commits.

mod backlog;
mod burier;
mod control;
mod housekeeping;
mod identities;
mod letters;
mod misplaced;
mod partition;
mod patience;
mod pipeline;
mod rows;
mod ruling;
mod said;
mod seals;
mod settling;
#[cfg(test)]
mod simulation;
mod snapshots;
mod speaker;
mod store;
mod tally;
mod threads;
mod world;

pub use backlog::Buffered;
pub use letters::{FileLetters, Letters, LogReader, TopicLetters};
pub use misplaced::Forwarder;
pub use partition::{ClockMode, PartitionSettings};
pub use patience::{Outside, Patience, Wait};
pub use pipeline::{End, Events, Observer, Pipeline, Progress, Rivals, RuleCounts, Settings, Status};
pub use rows::Rows;
pub use ruling::Rules;
pub use snapshots::{Snapshot, Unwritten};
pub use store::Store;
pub use tally::Tally;
pub use world::World;
