//! What the benchmarks of the hot path share: a generated chain, its records, and the stages wired as a worker wires them.
//!
//! In: a scale.  Out: [`Chain`] (snapshot, indexes, records), [`Locator`] and [`Judge`] to push records through.
//! Owns: the stages' buffers, reused from batch to batch as a worker reuses them.
//! Absent on purpose: measuring (each benchmark answers its own question), threads, files beyond the temporary ones by
//! which the reference data is loaded, and any input that is not a function of the seed.
//! Invariants: the same scale gives the same records and the same answers, shown by the fingerprint each benchmark prints.
//! Why so: the stages are called as `muster::worker` calls them, without its queues, commits and outlets: what is
//! measured here is the price of a decision. What a whole run costs is `benches/whole`.

mod addresses;
mod chain;
mod cities;
mod counting;
mod figures;
mod fingerprint;
mod judge;
mod level;
mod locator;
mod phone_records;

pub use addresses::{MAKERS, address, maker};
pub use chain::{BATCH_RECORDS, Chain, Scale};
pub use cities::Cities;
pub use counting::Counting;
pub use figures::{Compared, Figures, Ruling, machine};
pub use fingerprint::Fingerprint;
pub use judge::Judge;
pub use level::Level;
pub use locator::Locator;
pub use phone_records::phone_records;

/// Whether to run tiny: under `cargo test` (a benchmark is then called without `--bench`), by `--test`, or by
/// `MUSTER_BENCH_TINY=1`.
pub fn is_tiny() -> bool {
    let asked = std::env::var_os("MUSTER_BENCH_TINY").is_some_and(|value| value == "1");
    let has = |flag: &str| std::env::args().any(|argument| argument == flag);
    asked || has("--test") || !has("--bench")
}
