//! The lake against a real local folder and a loopback S3 server: owners, kills, lost answers, folding, plain readers, cost.

mod compact;
mod deliveries;
mod faults;
mod flat;
mod folding;
mod following;
mod golden;
mod identity;
mod kills;
mod owners;
mod protocol;
mod reference;
mod retention;
mod s3;
mod seals;
mod size;
mod support;
mod vendor_records;
