//! Places as an operator tries them before trusting them: `muster match` over scans walked through a real mall, and
//! `muster check` on feeds and sites that are told in another datum than they say.
//!
//! In: files in a folder of each test's own; the mall's scans from `$MUSTER_DATA`.  Out: exit codes, verdict lines, warnings.
//! Absent on purpose: the rules themselves (`matcher` and `model` have their tables); here it counts that they come out of
//! the program.

// A test that cannot go on panics, and says on standard output what it ran on.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "places/datum.rs"]
mod datum;
#[path = "../../pipeline/matcher/tests/support/mall.rs"]
mod mall;
#[path = "places/walk.rs"]
mod walk;
