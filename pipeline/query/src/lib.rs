//! SQL over the lake: tables as Delta snapshots list them, the contract's views, answers as text and files, the REPL.
//!
//! In: a lake ([`Session::open`]), SQL text.  Out: record batches, tables, CSV, NDJSON, Parquet.  Owns: a session's
//! current state of the lake; nothing on disk but the REPL's history.
//! Absent on purpose: writing (statements that would are refused on their plan), authentication and row-level rules
//! (a session is one principal's; faces that serve others open one each), deltalake's table provider (`scan` says why).
//! Invariants: I-15 to I-20, each stated in the module that keeps it.
//! Why so: the views are the one place where "absent", "late" and "attendance rate" are defined for everybody who reads
//! the lake, so they are SQL files a payroll clerk can follow, held by tests against a recount that shares nothing with
//! them.

pub mod error;
pub mod files;
pub mod format;
pub mod repl;
pub mod rules;
mod run;
pub mod session;
pub mod shadow;
mod shift_suspected;
pub mod statements;

mod catalog;
mod from_lake;

mod ground;
mod scan;
mod views;
mod wall_time;

pub use catalog::{Relation, RelationKind};
pub use error::{Error, Kind};
pub use format::{Format, Layout};
pub use repl::{ReplOptions, repl};
pub use rules::{Rule, RuledRow, Subject};
pub use run::{Ran, run_laid_out, run_once};
pub use session::{Answer, Options, Rows, Session};
pub use shadow::ShadowStatement;
