//! Decides what an owner of partitions does after a claim, a commit or an unclear answer.
//!
//! ```text
//!   claim ──▶ fold ──▶ judge ──▶ commit ──▶ Done ───────────────▶ judge on
//!     ▲                            │
//!     │                            ├─▶ unclear ─▶ read back ─▶ ours ......▶ Done
//!     │                            │                       ├─▶ the base .▶ put again at the same version
//!     │                            │                       └─▶ another's ▶ lost
//!     └──── still assigned ◀─ drop buffers and state ◀─────────────┘
//! ```
//!
//! In: what the log of commits answered, from `lake`.  Out: the next thing to do, to `lake` and `muster`.
//! Owns: nothing outside the values it hands out.
//! Absent on purpose: I/O, clocks and sleeping (a wait is a value), so that every interleaving of two owners can be tried.
//! Invariants: I-2 one commit carries a partition's rows and its frontier, and position and clock never go back, kept by
//! [`PartitionFrontier::assert_follows`]; I-3 no record is committed twice or skipped, whatever two owners, lost answers and
//! delayed writes do, kept by `worlds`.
//! Why so: a commit is put, if absent, at the version behind the one its owner has seen. That is one compare-and-swap with
//! no listing; Delta's own retry loop lists the log on every commit, reloads all files, and cannot tell its own commit,
//! whose answer was lost, from another's (`research/streams.md`, 5.2–5.5).

mod commit;
mod holdings;
mod position;
mod retries;
pub mod said;
mod txn_id;

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod worlds;

pub use commit::{Attempt, AttemptId, Do, Entry, Event, Outcome, Put};
pub use holdings::{Flow, Holdings};
pub use position::{Frontiers, PartitionFrontier};
pub use retries::Retries;
pub use txn_id::{Mark, TxnId};
