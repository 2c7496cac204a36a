//! Whole-pipeline tests and their oracles: the built program as a process, a lake read back, a year of punches, a recount.
//!
//! Absent on purpose: code of the rooms under test in any oracle.

// A test that cannot go on panics, and says on standard output what it ran on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

pub mod broker;
pub mod cluster;
pub mod crowd;
pub mod lake_reader;
pub mod office;
pub mod oracles;
pub mod program;
pub mod recount;
pub mod registry;
pub mod running;
pub mod topic;
pub mod traces;
pub mod webhook;
