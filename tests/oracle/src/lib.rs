//! A second opinion on attendance: what the contract says of a person's shifts and punches, told plainly and slowly.
//!
//! In: reference data as people write them ([`World`]), punches as stored, a clock.  Out: [`Told`], what holds then.
//! Owns: nothing; every clock is asked for from the beginning.
//! Absent on purpose: any code of `attendance`, `matcher` or `reference` (held by `tests/tests/map.rs`), memory of an earlier
//! question, and every shortcut: seconds are painted on a line and counted, rules are read one by one.
//! Why so: two programs that share their arithmetic share its faults. This one is slow enough to be obvious, and the other
//! is held against it on months made at random and on real punches (`tests/`).

mod binding;
mod corrections;
mod due;
mod duty;
mod findings;
mod hours;
mod line;
mod policies;
mod rows;
mod wall;
mod work;
mod world;

pub use duty::{Duty, Plan};
pub use findings::Found;
pub use rows::{Told, When};
pub use world::{Break, Calendar, Correction, Leave, Person, Seconds, Shift, Site, Table, Time, World};
