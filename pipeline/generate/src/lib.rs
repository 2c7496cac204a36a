//! A chain of any size, its punches in arrival order, and a ledger of what is true of them by slow rules of its own.
//!
//! In: a [`Spec`]: a seed, a size, shares.  Out: reference data ([`Chain`]), [`Record`]s as producers write them, good
//! and bad, and the ledger: a line per punch ([`Truth`]) and per finding without a punch
//! ([`World::ledger_without_punch`]).
//! Owns: the stores and people of one [`World`]; a punch exists only while it is handed out.
//! Absent on purpose: `matcher` and `attendance` (the ledger must be another opinion), files, clocks, threads, and
//! the platform's mathematics (`exact`), so that a seed gives the same bytes everywhere.
//! Invariants: everything is a function of the spec; a ledger line is certain, for no fix is sampled within half a
//! metre of a border and no instant within two seconds of one, and no answer hangs on how people are spread over
//! partitions. Kept by `tests`.
//! Why so: every decision draws from a stream of its own (seed, person, day, record), so that any record can be made
//! again alone: a million people are generated in arrival order without their punches in memory.
//!
//! The ledger names what *fires* under `clock = "record"` (the log's clock is the latest believable `occurred_at`),
//! whether or not it resolves later. Its `shift_id` is the shift a punch goes with; a punch by an impossible clock or in
//! no window has none. A partition whose only people never punch has no clock, and so concludes nothing about them:
//! only chains of a few people are that small. A rejected record has no line, and so no `punch_rejected` either.

mod chain;
mod dice;
mod earth;
mod evidence;
mod exact;
mod people;
mod place;
mod plan;
mod punches;
mod reckon;
mod record;
mod region;
mod roster;
mod spec;
mod stores;
mod story;
mod world;

#[cfg(test)]
mod tests;

pub use chain::{Chain, Part};
pub use punches::Punches;
pub use record::{Record, Truth};
pub use spec::{
    CLOCKS_AHEAD_MAX, DAYS_MAX, EMPLOYEES_MAX, LATENCY_MAX_S, Noise, STORES_MAX, Shares, Spec, SpecError,
};
pub use world::{World, chain};
