//! Whole-pipeline tests, their simulated world and their oracles.

pub mod program;
