//! Decides where a person was due, which shift a punch belongs to, and what is wrong with it.
//!
//! In: one reference snapshot, batches of punches, punches as stored, and an explicit log clock.
//! Out: dues for the matcher, the history half of a `punches` row, shift outcomes and findings, all as plain values.
//! Owns: the recent punches of one partition's people and the instants at which something can change ([`PartitionState`]).
//! Absent on purpose: I/O, wall time, randomness, what was said before (the caller compares), and any order that depends
//! on a hash map, so that the same log and reference give the same results in every run.
//! Invariants: I-4 what holds about a shift is a function of the person's *set* of punches, the snapshot and the clock,
//! whatever the order of arrival (`tests/order.rs`); I-13 state changes only from rows as stored, so that recovery and
//! life give the same (`tests/restart.rs`); I-8 a punch never binds by calendar date, only by an acceptance window.
//! Why so: payroll argues about single cases; a pure function of few values can be asked again about any of them.

mod arrival;
mod believe;
mod binding;
mod book;
mod caps;
mod departure;
mod digest;
mod due;
mod expect;
mod findings;
mod hours;
mod judge;
mod late;
mod lists;
mod lone;
mod minutes;
mod neighbours;
mod partition;
mod requests;
mod roster;
mod silence;
mod spans;
mod standing;
mod timers;

pub use arrival::{Arrival, Clocking, Facts};
pub use believe::{Belief, Believer, Decided, LOOK_AHEAD_RECORDS};
pub use book::{Known, content_hash};
pub use caps::Refusal;
pub use departure::{Departure, Plan, REASSIGNED, RESCHEDULED};
pub use digest::{digest, digest_finding};
pub use expect::{append_clocks, expect};
pub use findings::anomaly_id;
pub use judge::{Holds, Judged, Moment, Scope, judge};
pub use late::is_repunch;
pub use neighbours::reach;
pub use partition::{AHEAD, Applied, ClockSource, PartitionState, Recall, Settings, Step, TIMERS_AT_ONCE};
pub use requests::RequestDecision;
pub use roster::{Roster, ShiftIndex, Window};
pub use silence::{Listen, SilenceNote};
pub use timers::{Begin, Instant, Timer, Timers, next_instants};
