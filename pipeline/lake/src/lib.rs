//! Rows to Parquet files and Delta commits, claims, fold-back: the one place where progress is durable.
//!
//! ```text
//!   <lake>/_muster/lake.json         whose log this lake belongs to, how many partitions it has, has had, and is being given
//!   <lake>/_muster/conditional_put   of a lake in a store: what every start tries to put again, and must not be able to
//!   <lake>/_muster/identity/….fuse   which identities are stored: a cache, made again from the files
//!   <lake>/_muster/erasures/….json   what was erased, when, for whom: the proof, without the person's id
//!   <lake>/punches/_delta_log/…      rows and, per partition, muster/<log>/<partition>/offset|clock|late|since
//!   <lake>/<other>/_delta_log/…      rows and, per partition, muster/<log>/<partition>/said (/until; of said state /offset|clock|late; of anomalies /ruled)
//!   <lake>/<any>/_delta_log/…        of replays also muster/replays/0/said: the number that all of them share
//!   <lake>/reviews/…               rows and, per decision, muster/review:<anomaly>-<number>/0/said
//!   <lake>/alert_deliveries/…        rows and, per outbox, muster/outbox:<id>/0/attempt
//!   <lake>/<table>/business_month=2026-11/part-….parquet
//!
//!   the lake's folder, or the folder beside a lake in a store (one machine's own):
//!   _muster/lock             one process at a time, where the log is one process's or a file
//!   _muster/dead_letters/…   records too large for their dead letter (written by `source`)
//!   _muster/replayed.ndjson  which letters were replayed (written by `muster dlq`)
//!
//!   claim:   punches (the same numbers again: its version is the generation) ▶ said = generation in the other tables
//!   commit:  files ▶ punch_evidence ▶ rejects ▶ late ▶ punches with its numbers      derived:  shift_results ▶ anomalies
//! ```
//!
//! In: record batches built by `schemas`, frontiers.  Out: Delta tables (reader 1 / writer 2), and what an owner folds back.
//! Owns: the folder or prefix; in memory only what a [`Claim`] holds: versions seen, and the side rows it knows to be there.
//! Absent on purpose: judging, clocks that rules see (file times are Delta's bookkeeping), and DataFusion.
//! Invariants: I-2 rows of `punches` and the frontier land in one commit, kept by [`Lake::commit`]; I-3 nothing is committed
//! twice or by a former owner, kept by `frontier`'s machine and `log::TableLog::append`; I-10 the tables stay readable by plain
//! Delta readers, kept by `tests::protocol`.
//! Why so: an entry is put, if absent, at the version behind the one its owner has seen (`frontier`), not by delta-rs's commit
//! loop: that one lists the whole log and reloads every file on each commit, and takes its own commit, whose answer was lost,
//! for another's. delta-rs still reads logs and writes their checkpoints.
//! A lake in a folder outlives a power cut where [`LakeOptions::sync`] is set: each file is on the disk before it has its name
//! (`synced`). Without, files are written beside and linked or renamed into place all the same, so that kill -9 at any moment is safe.

mod claim;
mod columns;
mod commit;
mod compact;
mod deliveries;
mod encode;
mod erase;
mod error;
mod fold;
mod follow;
mod grouping;
mod identity;
mod lake;
mod listing;
mod log;
mod maintain;
mod mend;
mod ownership;
mod read;
mod reference;
mod repartition;
mod retention;
mod reviews;
mod s3;
mod scan;
mod seals;
mod statistics;
mod sweep;
mod synced;
#[cfg(test)]
mod tests;
mod vendor_records;

pub use claim::{Claim, SaidUntil};
pub use commit::{Commit, CommitOutcome, SaidRows};
pub use compact::{CompactStats, Which};
pub use deliveries::{Delivered, OutboxRows};
pub use erase::{ErasedRows, Eraser, Erasing, Erasure, Purged, RowCounts, names, unnamed};
pub use error::{Action, Error, ErrorKind, Result};
pub use fold::Fold;
pub use follow::Appended;
pub use grouping::Grouping;
pub use identity::{Identities, IdentityExtent, IdentityFilters, IdentityKey, KnownIds};
pub use lake::{Lake, LakeOptions};
pub use maintain::MaintainStats;
pub use ownership::{LocalLock, LogIdentity, LogKind};
pub use repartition::PartitionMove;
pub use retention::RetentionStats;
pub use s3::{Addressing, PlaceProblem, S3Keys, S3Options};
pub use scan::{FileEntry, TableSnapshot};
pub use seals::{Sealing, TakenFile};
