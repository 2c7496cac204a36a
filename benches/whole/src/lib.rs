//! What benchmarks of the whole pipeline share: a chain as files, the program in a process of its own, a look at the lake.
//!
//! In: how many punches.  Out: a [`Chain`] on disk or in a topic, [`Run`]s of the program with what they used, [`Tables`]
//! of a lake, a load with the alerts that come of it ([`live`]).
//! Owns: child processes, ended when their handle is dropped.
//! Absent on purpose: any part in judging or storing, and clocks other than the machine's: here wall time is the answer.
//! Invariants: a run is a process that did nothing else, so that its memory and processor time are its own.
//! Why so: the benchmark calls itself again as the program (`child`): one binary, the allocator of the real one, and a
//! process that can be killed in the middle like the real one.

pub mod batch_queue;
pub mod broker;
pub mod chain;
pub mod child;
pub mod group;
pub mod growth;
pub mod live;
pub mod tables;
pub mod topic;
pub mod usage;

pub use broker::Broker;
pub use chain::Chain;
pub use child::Run;
pub use growth::Growth;
pub use tables::Tables;
pub use usage::Usage;

/// Whether to run tiny: under `cargo test` (a benchmark is then called without `--bench`), by `--test`, or by
/// `MUSTER_BENCH_TINY=1`.
pub fn is_tiny() -> bool {
    let asked = std::env::var_os("MUSTER_BENCH_TINY").is_some_and(|value| value == "1");
    let has = |flag: &str| std::env::args().any(|argument| argument == flag);
    asked || has("--test") || !has("--bench")
}
