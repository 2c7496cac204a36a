//! What can go wrong with a lake, and whether to try again.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use arrow::error::ArrowError;
use deltalake::DeltaTableError;
use object_store::Error as StoreError;
use parquet::errors::ParquetError;

/// What this crate's functions return.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The kind of storage is not built yet.
    NotBuiltYet,
    /// The place, or how to reach it, cannot be as it is told.
    Settings,
    /// There is no lake at that place.
    NoLake,
    /// The store overwrites what it is told to put only if absent.
    NotConditional,
    /// The lake's files are of a later version than this program's.
    Format,
    /// Another process works on this local lake.
    Locked,
    /// The lake belongs to another log.
    OtherLog,
    /// The log has another number of partitions than when the lake was begun.
    PartitionsChanged,
    /// The disk is full.
    DiskFull,
    /// The place may not be written.
    Unwritable,
    /// The store takes no requests of ours: it does not know the key, or the key may not do this.
    Denied,
    /// A file stands where a folder must be, or a folder where a file must be.
    InTheWay,
    /// The store does not answer, or answers with an error of its own.
    Unreachable,
    /// Other owners claim the same partitions again and again.
    Contended,
    /// What an earlier version had is gone: its rows were erased, or moved to other files long ago.
    Gone,
    /// A person is being erased: nobody else works on the lake meanwhile.
    Erasing,
    /// Rows do not fit their table.
    Schema,
    /// The lake contradicts itself.
    Corrupt,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Try the same again later.
    Retry,
    /// Stop: trying again cannot help.
    Stop,
}

/// An error of the lake: what failed and where, and why.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    what: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), source: None }
    }

    /// An error of the store or the disk, classified by its root cause.
    pub(crate) fn store(what: impl Into<String>, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let source = source.into();
        let kind = classify(source.as_ref());
        Self { kind, what: what.into(), source: Some(source) }
    }

    /// An error of the store of a kind that is known.
    pub(crate) fn caused(
        kind: ErrorKind,
        what: impl Into<String>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self { kind, what: what.into(), source: Some(source.into()) }
    }

    pub(crate) fn schema(
        what: impl Into<String>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self { kind: ErrorKind::Schema, what: what.into(), source: Some(source.into()) }
    }

    pub(crate) fn corrupt(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupt, what)
    }

    /// What went wrong.
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What to do about it.
    pub const fn action(&self) -> Action {
        match self.kind {
            ErrorKind::DiskFull | ErrorKind::Unreachable | ErrorKind::Contended | ErrorKind::Erasing => {
                Action::Retry
            }
            ErrorKind::NotBuiltYet
            | ErrorKind::Settings
            | ErrorKind::NoLake
            | ErrorKind::NotConditional
            | ErrorKind::Format
            | ErrorKind::Locked
            | ErrorKind::OtherLog
            | ErrorKind::PartitionsChanged
            | ErrorKind::Unwritable
            | ErrorKind::Denied
            | ErrorKind::InTheWay
            | ErrorKind::Gone
            | ErrorKind::Schema
            | ErrorKind::Corrupt => Action::Stop,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        match self.kind {
            ErrorKind::DiskFull => {
                f.write_str(": the disk is full: free some space and run the same command again: nothing is lost or doubled")?
            }
            ErrorKind::Unwritable => {
                f.write_str(": the place may not be written: check its owner and permissions")?
            }
            ErrorKind::Denied => {
                f.write_str(": the store refuses: check the access key, its secret and what its policy allows")?
            }
            ErrorKind::InTheWay => f.write_str(
                ": a file stands where a folder is needed, or the other way round: move it, or name another place",
            )?,
            ErrorKind::Gone => f.write_str(
                ": its rows were erased, or lie in another file since: begin anew with the lake as it is now",
            )?,
            _ => {}
        }
        match &self.source {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// The kind that the root cause of a store's error says. A contradiction in the log's own text is `Corrupt`; whatever
/// nobody knows may pass by itself.
fn classify(error: &(dyn StdError + 'static)) -> ErrorKind {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            match io.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                    return ErrorKind::DiskFull;
                }
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                    return ErrorKind::Unwritable;
                }
                io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory | io::ErrorKind::AlreadyExists => {
                    return ErrorKind::InTheWay;
                }
                _ => {}
            }
        }
        // Somebody else was first with a file: the next look decides.
        if matches!(error.downcast_ref(), Some(StoreError::AlreadyExists { .. })) {
            return ErrorKind::Unreachable;
        }
        if let Some(StoreError::PermissionDenied { .. } | StoreError::Unauthenticated { .. }) =
            error.downcast_ref()
        {
            return if is_of_the_system(error) { ErrorKind::Unwritable } else { ErrorKind::Denied };
        }
        let is_contradiction = matches!(
            error.downcast_ref(),
            Some(
                DeltaTableError::InvalidJsonLog { .. }
                    | DeltaTableError::InvalidStatsJson { .. }
                    | DeltaTableError::SchemaMismatch { .. }
                    | DeltaTableError::NoSchema
            )
        ) || matches!(error.downcast_ref(), Some(ParquetError::EOF(_)))
            || error.is::<serde_json::Error>()
            || matches!(error.downcast_ref(), Some(ArrowError::SchemaError(_) | ArrowError::ParseError(_)));
        if is_contradiction {
            return ErrorKind::Corrupt;
        }
        next = error.source();
    }
    ErrorKind::Unreachable
}

/// Whether the system said so, and not a store elsewhere.
fn is_of_the_system(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<io::Error>() {
            return true;
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn io(kind: io::ErrorKind) -> StoreError {
        StoreError::Generic { store: "LocalFileSystem", source: Box::new(io::Error::from(kind)) }
    }

    #[test]
    fn the_root_cause_decides() {
        for (source, kind, action) in [
            (io(io::ErrorKind::StorageFull), ErrorKind::DiskFull, Action::Retry),
            (io(io::ErrorKind::PermissionDenied), ErrorKind::Unwritable, Action::Stop),
            (io(io::ErrorKind::ReadOnlyFilesystem), ErrorKind::Unwritable, Action::Stop),
            (io(io::ErrorKind::NotADirectory), ErrorKind::InTheWay, Action::Stop),
            (io(io::ErrorKind::IsADirectory), ErrorKind::InTheWay, Action::Stop),
            (io(io::ErrorKind::AlreadyExists), ErrorKind::InTheWay, Action::Stop),
            (io(io::ErrorKind::ConnectionReset), ErrorKind::Unreachable, Action::Retry),
        ] {
            let nested = DeltaTableError::ObjectStore { source };
            let error = Error::store("commit lake table punches version 41", nested);
            assert_eq!((error.kind(), error.action()), (kind, action), "{error}");
            assert!(error.to_string().starts_with("commit lake table punches version 41"), "{error}");
        }
    }

    #[test]
    fn a_full_disk_says_how_to_mend_it() {
        let error = Error::store("write file x", io(io::ErrorKind::StorageFull));
        assert!(error.to_string().contains("free some space and run the same command again"), "{error}");
    }
}
