//! Decides where a batch of punches was made: evidence against fences and radios, one verdict per punch.
//!
//! In: `model::Batch` from the decoders, `model::DueBatch` from `attendance`, one `model::Reference`.
//! Out: `model::Verdicts`, one row per punch in the batch's order.  Owns: [`SiteIndex`], immutable once built; a caller
//! keeps it in an `Arc` beside the `Reference` it was built from and swaps both at once.
//! Absent on purpose: clock and history (one punch and the snapshot are enough; what needs the person's other punches
//! is `attendance`'s), I/O, locks, and, once [`Scratch`] and `Verdicts` are warm, allocation.
//! Invariants: the index answers as a loop over all sites would (`tests/oracle.rs`); a verdict depends on its own punch
//! alone, not on its neighbours in the batch (`tests/metamorphic.rs`); a warm call allocates nothing
//! (`tests/allocation.rs`).
//! Why so: what a punch costs is the lines of memory it waits for, so a batch is taken in groups whose cells and fence rows
//! are asked for before any of them is needed (`nearby`), and what is reckoned from fixes alone is reckoned for several at
//! once (`fixes`). Fences are found by cells of one line each (`cell_table` has the drawing), compared with a point eight at a
//! time (`circles`), which is sure of most answers by itself (`cell_grid`); the others are measured by chords through the
//! earth (`distance`), outlines in a local frame (`edge_distance`); small rings lie flat (`ring`), large outlines under boxes (`runs`). Radio
//! addresses are looked up a batch at a time in lines of one cache line each (`radio_table` has the drawing): what a punch
//! with four access points costs is four waits for memory, and those overlap.
//!
//! A snapshot that differs from the one before in a few sites is not indexed anew: its index shares the base with the one
//! before and holds what changed beside it (`fences`, `radios`; [`SiteIndex::with_changes`]).
//!
//! Evidence becomes a verdict in three steps: `evidence` reads what one punch brings (which sites each kind names),
//! `fence_rule` says what one fence makes of a fix, `fusion` decides place, site and candidates from all kinds. Nearly all
//! punches need none of that weighing: `ordinary` decides them.

mod cell_grid;
mod cell_table;
mod cells;
mod circles;
mod distance;
mod edge_distance;
mod evidence;
mod fence_index;
mod fence_rule;
mod fences;
mod fixes;
mod fusion;
mod nearby;
mod nearest;
mod ordinary;
mod outline;
mod plain_sites;
mod processor;
mod questions;
mod radio_index;
mod radio_table;
mod radios;
mod reach;
mod ring;
mod runs;
mod site_index;

pub use radio_index::{Listed, RadioIndex, Sites};
pub use site_index::{Scratch, SiteIndex};
