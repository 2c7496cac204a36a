//! Whole-pipeline tests, their simulated world and their oracles.

pub mod lake_reader;
pub mod office;
pub mod program;
pub mod recount;
