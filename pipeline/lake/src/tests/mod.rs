//! The lake against a real local folder and a loopback S3 server: owners, kills, lost answers, folding, plain readers, cost.

mod compact;
mod deliveries;
mod erase;
mod faults;
mod fence;
mod flat;
mod folding;
mod following;
mod golden;
mod identity;
mod kills;
mod listing;
mod log_snapshots;
mod owners;
mod protocol;
mod reference;
mod repartition;
mod retention;
mod s3;
mod seals;
mod size;
mod support;
mod vendor_records;
