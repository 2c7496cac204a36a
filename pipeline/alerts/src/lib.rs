//! Said state to differences to the alerts topic.
//!
//! In: versions of anomalies, from the worker.  Out: bodies on the topic `alerts` of a log, or lines of a file in a lake
//! filled by replays; and, on assignment, what was last said, folded from there.
//! Owns: the outlet's position in its file.
//! Absent on purpose: delivery to people, names, and the decision what is an anomaly (`attendance`) or new (`frontier`).
//! Invariants: I-6 what was published is known after any crash: an outlet's `fold` reads back everything its `publish`
//! made durable, kept by `a_killed_publisher_leaves_whole_lines` and `the_topic_reads_back_what_was_said`.
//! Why so: the topic itself is the said state of alerts, so that no second store can disagree with it.

mod compose;
mod file_outlet;
mod outlet;
mod summary;
mod topic_outlet;

pub use compose::{SaidAnomaly, body, digest, read_back};
pub use file_outlet::FileOutlet;
pub use outlet::{Error, Outlet, SaidAlert};
pub use summary::{Facts, summary};
pub use topic_outlet::{OpenSource, TopicOutlet};
