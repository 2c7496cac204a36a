//! The lake against a real local folder: owners, kills, lost answers, folding, plain readers, cost.

mod deliveries;
mod faults;
mod flat;
mod folding;
mod identity;
mod kills;
mod owners;
mod protocol;
mod reference;
mod retention;
mod size;
mod support;
mod vendor_records;
