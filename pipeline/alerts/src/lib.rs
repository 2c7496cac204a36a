//! Said state to differences to the alerts topic, and from there to people.
//!
//! In: versions of anomalies, from the worker.  Out: bodies on the topic `alerts` of a log, or lines of a file in a lake
//! filled by replays; on assignment, what was last said, folded from there; webhooks to destinations.
//! Owns: the outlet's position in its file; the deliverer's outbox.
//! Absent on purpose: the decision what is an anomaly (`attendance`) or new (`frontier`); names, but for the copy of a
//! message that goes to a destination which gets them.
//! Invariants: I-6 what was published is known after any crash: an outlet's `fold` reads back everything its `publish`
//! made durable, kept by `a_killed_publisher_leaves_whole_lines` and `the_topic_reads_back_what_was_said`.
//! Why so: the topic itself is the said state of alerts, so that no second store can disagree with it.

mod alert_reader;
mod compose;
mod delivery;
mod file_outlet;
mod outlet;
mod silent_outlet;
mod summary;
mod topic_outlet;

pub use alert_reader::{AlertReader, Seen};
pub use compose::{SaidAnomaly, body, digest, read_back};
pub use delivery::{
    Deliverer, DeliveryError, DeliveryLimits, DeliveryLog, DeliveryRow, DeliverySetup, DeliveryStats,
    Destination, DestinationConfig, DestinationProblem, DestinationState, DestinationStats, Done, HttpPost,
    Length, NameOf, OffDestination, OutboxErasure, Parcel, Post, Regions, Reply, Running, SecretText,
    TellsOf, ToldBefore, erase_from_outbox,
};
pub use file_outlet::FileOutlet;
pub use outlet::{Error, Outlet, SaidAlert};
pub use silent_outlet::SilentOutlet;
pub use summary::{Facts, summary};
pub use topic_outlet::{OpenSource, TopicOutlet};
