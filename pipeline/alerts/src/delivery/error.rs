//! What can go wrong with delivery on our own side. That a receiver says no is no error: it is an outcome, and stored.

use std::path::Path;

use source::Action;

/// A failure of the deliverer: what, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// Another process, or this one, has the outbox open.
    #[error(
        "open outbox {path}: {holder} has it open: alerts are delivered by one process; end that one first"
    )]
    Locked {
        /// The outbox.
        path: String,
        /// Who holds it.
        holder: String,
    },
    /// The file is of another program or version.
    #[error(
        "open outbox {path}: {what}; move it away to begin a new one (what it holds is then not delivered)"
    )]
    Foreign {
        /// The outbox.
        path: String,
        /// What is wrong with it.
        what: String,
    },
    /// The outbox follows another alerts topic.
    #[error(
        "open outbox {path}: it follows alerts topic {own}, not {found}: the log was made anew, or the configuration \
         names another; bring the old one back, or move the outbox away to begin a new one"
    )]
    OtherTopic {
        /// The outbox.
        path: String,
        /// The topic it follows, and its log's id.
        own: String,
        /// The topic that was opened, and its log's id.
        found: String,
    },
    /// The file system said no.
    #[error("{doing}: {source}")]
    File {
        /// What was being done.
        doing: String,
        /// What it said.
        source: std::io::Error,
    },
    /// SQLite said no.
    #[error("outbox: {doing}: {source}")]
    Sqlite {
        /// What was being done.
        doing: &'static str,
        /// What it said.
        source: rusqlite::Error,
    },
    /// The log said no.
    #[error("read alerts topic {topic}: {source}")]
    Log {
        /// The topic.
        topic: String,
        /// What the log said.
        source: source::Error,
    },
    /// No connection can be made to a destination, whatever its state: no root certificates, above all.
    #[error("destination {destination}: {what}; install the system's root certificates (ca-certificates)")]
    Client {
        /// The destination.
        destination: String,
        /// What is wrong.
        what: String,
    },
}

impl DeliveryError {
    /// Whether the same step may succeed later. Nothing was stored then, and nothing is lost.
    pub fn action(&self) -> Action {
        use rusqlite::ErrorCode;
        match self {
            Self::Log { source, .. } => source.action(),
            Self::Sqlite { source: rusqlite::Error::SqliteFailure(failure, _), .. }
                if matches!(
                    failure.code,
                    ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked
                ) =>
            {
                Action::Retry
            }
            _ => Action::Stop,
        }
    }

    pub(super) fn file(doing: &str, path: &Path, source: std::io::Error) -> Self {
        Self::File { doing: format!("{doing} {}", path.display()), source }
    }

    pub(super) const fn sqlite(doing: &'static str) -> impl Fn(rusqlite::Error) -> Self {
        move |source| Self::Sqlite { doing, source }
    }
}
