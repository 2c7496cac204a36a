//! The interface of a place alerts are published to and read back from.

use frontier::said::Said;
use model::position::Generation;
use model::{AnomalyId, Partition};
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
    /// What was last said about each alert caused in `partition`.
    ///
    /// # Errors
    /// The outside said no, or the place holds something that is no alert.
    fn fold(&mut self, partition: Partition) -> Result<Vec<SaidAlert>, Error>;

    /// Marks that the owner of `partition` is now the one of `generation`.
    ///
    /// # Errors
    /// The outside said no.
    fn own(&mut self, partition: Partition, generation: Generation) -> Result<(), Error>;

    /// Publishes, in order, alerts caused in `partition`; durable against a crash of this process when it returns.
    ///
    /// # Errors
    /// The outside said no; then nothing of `bodies` counts as said.
    fn publish(&mut self, partition: Partition, bodies: &[AlertBody]) -> Result<(), Error>;
}
