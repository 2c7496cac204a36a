//! What can go wrong at the log's edge, and whether trying again can help.

use std::sync::Arc;

/// What the caller should do about an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The outside said no: the same call may succeed later, once the outside has changed. The embedded log and files
    /// have written nothing then; of an append to Kafka some records may have landed (see `KafkaAppender`).
    Retry,
    /// The same call cannot succeed: stop, tell the operator, and start again from the frontier.
    Stop,
}

/// The kind of an [`Error`], for metrics and tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Another process, or this one, holds the embedded log.
    Locked,
    /// The disk is full.
    DiskFull,
    /// The store is busy for longer than the wait limit.
    Busy,
    /// Reading or writing failed for another reason.
    Io,
    /// What is stored contradicts itself.
    Damaged,
    /// The file was made by another program, or by another version of this one.
    ForeignFormat,
    /// A topic's name is empty, too long, or holds other characters than letters, digits, `.`, `_` and `-`.
    InvalidTopic,
    /// No such topic.
    UnknownTopic,
    /// The topic has another number of partitions than asked for.
    PartitionCount,
    /// The topic has no partition of that number.
    UnknownPartition,
    /// The partition is not assigned to this source.
    NotAssigned,
    /// A position lies beyond the log's end: the lake knows records that this log does not hold.
    BeyondEnd,
    /// A record is larger than the log takes.
    TooLarge,
    /// A file changed while it was being read.
    FileChanged,
    /// The dead-letter file holds something that is no dead letter.
    ForeignDeadLetter,
    /// A fault of our own while a record was being appended.
    Internal,
    /// The options contradict themselves, or need a feature that was not built in.
    InvalidOptions,
    /// No broker answers in time, or none can take the request now.
    Unreachable,
    /// The brokers refuse who we are, or what we ask for.
    Forbidden,
    /// The topic's own configuration does not fit.
    TopicConfig,
    /// The topic is another one than it was: it was deleted and made anew, or its partition count changed.
    TopicChanged,
    /// Another process took this one's place in the group.
    Fenced,
    /// The client library says that it cannot go on.
    Client,
    /// A dead letter cannot be read back, or the bytes it points at are gone or changed.
    DamagedLetter,
}

impl ErrorKind {
    /// Its name in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Locked => "locked",
            Self::DiskFull => "disk_full",
            Self::Busy => "busy",
            Self::Io => "io",
            Self::Damaged => "damaged",
            Self::ForeignFormat => "foreign_format",
            Self::InvalidTopic => "invalid_topic",
            Self::UnknownTopic => "unknown_topic",
            Self::PartitionCount => "partition_count",
            Self::UnknownPartition => "unknown_partition",
            Self::NotAssigned => "not_assigned",
            Self::BeyondEnd => "beyond_end",
            Self::TooLarge => "too_large",
            Self::FileChanged => "file_changed",
            Self::ForeignDeadLetter => "foreign_dead_letter",
            Self::Internal => "internal",
            Self::InvalidOptions => "invalid_options",
            Self::Unreachable => "unreachable",
            Self::Forbidden => "forbidden",
            Self::TopicConfig => "topic_config",
            Self::TopicChanged => "topic_changed",
            Self::Fenced => "fenced",
            Self::Client => "client",
            Self::DamagedLetter => "damaged_letter",
        }
    }

    /// What to do about an error of this kind.
    ///
    /// A failed read or write is `Stop`: after a failed `fsync` the kernel may have dropped the pages, so that a second
    /// try can report success over lost data. Only a full disk and a busy store are known to have written nothing.
    pub const fn action(self) -> Action {
        match self {
            Self::DiskFull | Self::Busy | Self::Unreachable => Action::Retry,
            _ => Action::Stop,
        }
    }
}

/// What to do about a full disk.
const FREE_SPACE: &str = "free some space and run the same command again: nothing is lost or doubled";

/// A failure at the log's edge: what, where, and what to do. Cheap to clone, because a group commit hands one failure
/// to every caller whose records were in it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{text}")]
pub struct Error {
    kind: ErrorKind,
    text: Arc<str>,
    #[source]
    cause: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// What kind of failure this is.
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What the caller should do.
    pub const fn action(&self) -> Action {
        self.kind.action()
    }

    pub(crate) fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into().into(), cause: None }
    }

    /// `doing` failed in SQLite: `append 7 records to topic punches`.
    pub(crate) fn sqlite(doing: &str, cause: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        let kind = match &cause {
            rusqlite::Error::SqliteFailure(failure, _) => match failure.code {
                ErrorCode::DiskFull => ErrorKind::DiskFull,
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => ErrorKind::Busy,
                ErrorCode::DatabaseCorrupt | ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch => {
                    ErrorKind::Damaged
                }
                ErrorCode::NotADatabase => ErrorKind::ForeignFormat,
                ErrorCode::TooBig => ErrorKind::TooLarge,
                _ => ErrorKind::Io,
            },
            rusqlite::Error::InvalidColumnType(..) | rusqlite::Error::QueryReturnedNoRows => {
                ErrorKind::Damaged
            }
            _ => ErrorKind::Io,
        };
        Self::caused(kind, doing, cause)
    }

    /// `doing` failed in the file system: `open file /data/punches.csv`.
    pub(crate) fn io(doing: &str, cause: std::io::Error) -> Self {
        let kind = match cause.kind() {
            std::io::ErrorKind::StorageFull
            | std::io::ErrorKind::QuotaExceeded
            | std::io::ErrorKind::FileTooLarge => ErrorKind::DiskFull,
            _ => ErrorKind::Io,
        };
        Self::caused(kind, doing, cause)
    }

    pub(crate) fn caused(
        kind: ErrorKind,
        doing: &str,
        cause: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        let text = match kind {
            ErrorKind::DiskFull => format!("{doing}: the disk is full, nothing was written: {FREE_SPACE}"),
            _ => format!("{doing}: {cause}"),
        };
        Self { kind, text: text.into(), cause: Some(Arc::new(cause)) }
    }
}
