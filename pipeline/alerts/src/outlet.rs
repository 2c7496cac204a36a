//! The interface of a place alerts are published to and read back from.

use std::collections::BTreeMap;

use frontier::said::Said;
use model::position::Generation;
use model::{AnomalyId, EventTime, Partition};
use schemas::lines::AlertBody;

use crate::compose::SaidAnomaly;

/// One alert as last said.
pub type SaidAlert = (AnomalyId, Said<SaidAnomaly>);

/// Why alerts could not be published or read back.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log said no.
    #[error("alerts topic {topic}: {source}")]
    Log {
        /// The topic.
        topic: String,
        /// What the log said.
        source: source::Error,
    },
    /// The log has not answered for a minute.
    #[error(
        "read back partition {partition} of alerts topic {topic}: nothing came for 60 s; \
         see whether the broker is up and has the topic"
    )]
    Silent {
        /// The topic.
        topic: String,
        /// The partition.
        partition: Partition,
    },
    /// Only the owner of a partition may end alerts there.
    #[error(
        "end old alerts in partition {partition} of alerts topic {topic}: it was not owned by `own` before"
    )]
    NotOwned {
        /// The topic.
        topic: String,
        /// The partition.
        partition: Partition,
    },
    /// The file said no.
    #[error("alerts file {path}: {source}")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line or record that is no alert.
    #[error("{place}: no alert: {what}; move it away: Muster cannot know what it has said")]
    Foreign {
        /// The file and line, or topic, partition and offset.
        place: String,
        /// What is wrong with it.
        what: String,
    },
}

/// A place alerts are published to.
pub trait Outlet: Send {
    /// What was last said about each alert caused in one of `partitions`, by partition; every one of them has an entry.
    /// An owner calls [`Outlet::own`] first: what a former owner says between the two would count for other readers and
    /// be missed here.
    ///
    /// # Errors
    /// The outside said no, or the place holds something that is no alert.
    fn fold(&mut self, partitions: &[Partition]) -> Result<BTreeMap<Partition, Vec<SaidAlert>>, Error>;

    /// Marks that the owner of each partition is now the one of that generation.
    ///
    /// # Errors
    /// The outside said no.
    fn own(&mut self, owners: &[(Partition, Generation)]) -> Result<(), Error>;

    /// Publishes, in order, alerts with the partition that each few were caused in; durable against a crash of this
    /// process when it returns.
    ///
    /// # Errors
    /// The outside said no. Some may have been published all the same: say nothing more before folding
    /// again. To say a version twice is harmless.
    fn publish(&mut self, alerts: &[(Partition, &[AlertBody])]) -> Result<(), Error>;

    /// Forgets alerts of `partition` that were resolved before `before` (35 days ago; contract, section 6) and returns
    /// how many those were. Of a log that was given more partitions, `regrouped` to so many, only those that are still this
    /// partition's: what was said again elsewhere has a life of its own there. It reads the whole partition: for a slow
    /// timer. A place that keeps everything does nothing.
    ///
    /// # Errors
    /// The outside said no, or the partition is not owned.
    fn tombstone(
        &mut self,
        partition: Partition,
        before: EventTime,
        regrouped: Option<u32>,
    ) -> Result<u64, Error> {
        let _ = (partition, before, regrouped);
        Ok(0)
    }
}
