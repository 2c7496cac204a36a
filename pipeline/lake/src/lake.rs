//! A lake: its place, its store, its tables' logs.
//!
//! In: a folder or URL, and how to reach it.  Out: a handle to claim, commit, fold and scan with.  Owns: nothing that a second handle would miss.
//! Absent on purpose: a cache of snapshots: claims carry what they have seen, everything else asks the store.

use std::fs;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use frontier::Retries;
use model::{LogId, Partition};
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use schemas::tables;
use url::Url;

use crate::claim::Claim;
use crate::error::{Error, ErrorKind, Result};
use crate::grouping::Grouping;
use crate::log::TableLog;
use crate::ownership::{self, LakeFile, LogIdentity, LogKind, Mover};
use crate::s3::{self, S3Options};
use crate::synced::SyncedFileSystem;

/// How a lake writes.
#[derive(Clone, Debug)]
pub struct LakeOptions {
    /// A file is closed and another begun once it holds about this many bytes.
    pub target_file_bytes: u64,
    /// The bound on attempts after an unclear answer of the store.
    pub retries: Retries,
    /// [`Lake::maintain`] writes a log snapshot (Delta's checkpoint) once a table has this many entries more than at the last.
    pub checkpoint_every: u64,
    /// [`Lake::maintain`] deletes log entries older than this that a log snapshot covers. An owner stalled for longer finds that
    /// the log has been cleaned past it, and claims anew. Files that no entry ever named are deleted after as long.
    pub log_retention_hours: u64,
    /// Days that a fix and a scan stay in `punch_evidence`; 0 or less keeps none. See [`Lake::retain_evidence`].
    pub location_days: i64,
    /// How long the bytes of a removed evidence file stay, for readers that began before.
    pub reader_grace_min: u32,
    /// How long the bytes of other files stay that [`Lake::compact`] has made one of, for readers that began before.
    pub compacted_grace_min: u32,
    /// Whether each file of a lake in a folder is on the disk before it counts, so that a power cut takes nothing back.
    pub sync: bool,
    /// How a lake in an S3-compatible store is reached; of no matter for a folder.
    pub s3: S3Options,
}

impl Default for LakeOptions {
    fn default() -> Self {
        Self {
            target_file_bytes: 128 << 20,
            retries: Retries::default(),
            checkpoint_every: 100,
            log_retention_hours: 24,
            location_days: 7,
            reader_grace_min: 15,
            compacted_grace_min: 24 * 60,
            sync: false,
            s3: S3Options::default(),
        }
    }
}

/// A handle to one lake.
#[derive(Clone, Debug)]
pub struct Lake {
    store: Arc<dyn ObjectStore>,
    /// Ends with a slash.
    root: Url,
    prefix: Path,
    dir: Option<PathBuf>,
    options: Arc<LakeOptions>,
    mover: Mover,
    purpose: Purpose,
}

/// What a lake was opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Opening a table changes nothing.
    Reading,
    /// A table's log that does not open is mended, where it can be ([`TableLog::mend`]).
    Writing,
}

impl Lake {
    /// Opens the lake at `place` (a path, a `file://` URL or `s3://BUCKET/PREFIX`) for writing. A folder is made if there is
    /// none, a bucket is not. A store is tried first: one that does not keep the first of two objects put under one name is
    /// refused.
    pub async fn open(place: &str, options: LakeOptions) -> Result<Self> {
        if is_s3(place) {
            let lake = Self::in_s3(place, options)?;
            s3::probe(lake.store.as_ref(), &lake.root, &lake.prefix, lake.options.retries).await?;
            ownership::read(lake.store.as_ref(), &lake.prefix).await?;
            return Ok(lake);
        }
        let dir = local_dir(place)?;
        let muster = dir.join("_muster");
        let unwritable = |e| Error::store(format!("open lake {}", dir.display()), e);
        fs::create_dir_all(&muster).map_err(unwritable)?;
        // A folder that exists may still refuse files: say so now, not at the first commit.
        let probe = muster.join(format!("probe-{}", std::process::id()));
        fs::write(&probe, b"").and_then(|()| fs::remove_file(&probe)).map_err(unwritable)?;
        Ok(Self { purpose: Purpose::Writing, ..Self::open_existing(place, options).await? })
    }

    /// Opens the lake at `place` for reading; writes nothing.
    pub async fn open_existing(place: &str, options: LakeOptions) -> Result<Self> {
        if is_s3(place) {
            let lake = Self { purpose: Purpose::Reading, ..Self::in_s3(place, options)? };
            if !s3::is_there(lake.store.as_ref(), &lake.root, &lake.prefix).await? {
                return Err(Error::new(ErrorKind::NoLake, format!("open lake {place}: nothing is there")));
            }
            ownership::read(lake.store.as_ref(), &lake.prefix).await?;
            return Ok(lake);
        }
        let dir = local_dir(place)?;
        let dir = fs::canonicalize(&dir).map_err(|e| {
            let what = format!("open lake {}: {e}", dir.display());
            Error::new(ErrorKind::NoLake, what)
        })?;
        let root = Url::from_directory_path(&dir).map_err(|()| {
            Error::new(ErrorKind::NoLake, format!("open lake {}: not a folder", dir.display()))
        })?;
        let store: Arc<dyn ObjectStore> =
            if options.sync { Arc::new(SyncedFileSystem::new()) } else { Arc::new(LocalFileSystem::new()) };
        let mut lake = Self::with_store(store, root, options)?;
        (lake.dir, lake.purpose) = (Some(dir), Purpose::Reading);
        // Read for its format alone: a later one is refused before anything else is tried.
        ownership::read(lake.store.as_ref(), &lake.prefix).await?;
        Ok(lake)
    }

    fn in_s3(place: &str, options: LakeOptions) -> Result<Self> {
        let (store, root) = s3::open(place, &options.s3, s3::client_retries())?;
        Self::with_store(store, root, options)
    }

    /// The lake at `root` in `store`, whose own root is the root of the URL's host: for stores that wrap another, in tests and
    /// simulations.
    pub fn with_store(store: Arc<dyn ObjectStore>, mut root: Url, options: LakeOptions) -> Result<Self> {
        if !root.path().ends_with('/') {
            root.set_path(&format!("{}/", root.path()));
        }
        let prefix =
            Path::from_url_path(root.path()).map_err(|e| Error::store(format!("open lake {root}"), e))?;
        let (options, mover, purpose) = (Arc::new(options), Mover::Others, Purpose::Writing);
        Ok(Self { store, root, prefix, dir: None, options, mover, purpose })
    }

    /// Makes the lake that of `log`, or finds that it is already; see [`ErrorKind::OtherLog`] and
    /// [`ErrorKind::PartitionsChanged`]. A lake that holds replayed files takes no live log, and the other way round.
    pub async fn own(&self, log: &LogIdentity, kind: LogKind) -> Result<()> {
        let trying = (self.mover, self.options.retries);
        ownership::own(self.store.as_ref(), &self.prefix, log, kind, trying).await
    }

    /// The owner file, if the lake belongs to anybody.
    pub(crate) async fn owner(&self) -> Result<Option<LakeFile>> {
        ownership::read(self.store.as_ref(), &self.prefix).await
    }

    /// Puts `file` in the place of the owner file.
    pub(crate) async fn replace_owner(&self, file: &LakeFile) -> Result<()> {
        ownership::replace(self.store.as_ref(), &self.prefix, file, self.options.retries).await
    }

    /// Refuses to begin what somebody else's work on the whole lake stands in the way of.
    pub(crate) fn check_still(&self, file: &LakeFile) -> Result<()> {
        file.check_still(&self.prefix)
    }

    /// A handle that may go on while the partitions of the lake's log are moved: its holder moves them.
    pub(crate) fn as_mover(&self) -> Self {
        Self { mover: Mover::Us, ..self.clone() }
    }

    /// Which erasure is under way, if any.
    ///
    /// # Errors
    /// What the store says.
    pub async fn erasing(&self) -> Result<Option<String>> {
        Ok(self.owner().await?.and_then(|file| file.erasing().map(str::to_owned)))
    }

    /// Notes that `erasure` is under way, and takes everything from whoever owns partitions: until [`Self::end_erasure`] nobody else
    /// claims any. Gives the handle with which its holder goes on, and the claim.
    ///
    /// # Errors
    /// What the store says; `Erasing` if another is under way; `PartitionsChanged` if partitions are being moved; `Contended`.
    pub async fn begin_erasure(&self, erasure: &str) -> Result<(Self, Claim)> {
        let Some(file) = self.owner().await? else {
            let what = format!("erase from lake {}: it is nobody's yet", self.root());
            return Err(Error::new(ErrorKind::NoLake, what));
        };
        match file.erasing() {
            Some(under_way) if under_way != erasure => {
                let what = format!(
                    "erase from lake {}: another person's erasure is under way ({under_way}): end that first",
                    self.root()
                );
                return Err(Error::new(ErrorKind::Erasing, what));
            }
            Some(_) => {}
            None => {
                self.check_still(&file)?;
                self.replace_owner(&file.clone().with_erasing(erasure)).await?;
            }
        }
        let lake = Self { mover: Mover::Eraser, ..self.clone() };
        let log = match file.live_log()? {
            Some(log) => log,
            // Of two replays, or of a replay and an erasure, the later one goes on; which file it names is of no matter.
            None => LogIdentity::file(LogId::new("file:erase").expect("a log's id")),
        };
        let all: Vec<Partition> = (0..log.partitions).map(Partition::new).collect();
        let claim = lake.claim(&log, &all).await?;
        Ok((lake, claim))
    }

    /// Ends what [`Self::begin_erasure`] began.
    ///
    /// # Errors
    /// What the store says.
    pub async fn end_erasure(&self) -> Result<()> {
        match self.owner().await? {
            Some(file) if file.erasing().is_some() => self.replace_owner(&file.without_erasing()).await,
            _ => Ok(()),
        }
    }

    /// How the rows of an owner of `log` are grouped. [`ErrorKind::PartitionsChanged`] if that owner knows another number of
    /// partitions than holds, or somebody else is about to change it.
    pub(crate) async fn grouping_for(&self, log: &LogIdentity) -> Result<Grouping> {
        let none = || Grouping::new(log.partitions, Vec::new());
        let Some(file) = self.owner().await? else { return Ok(none()) };
        match self.mover {
            Mover::Us => file.check_moving(&self.prefix)?,
            Mover::Eraser => file.check_erasing(&self.prefix)?,
            Mover::Others => file.check_still(&self.prefix)?,
        }
        if !file.is_live() {
            return Ok(none());
        }
        if self.mover != Mover::Us {
            file.check_partitions(log.partitions, &self.prefix)?;
        }
        Ok(Grouping::new(log.partitions, file.former().to_vec()))
    }

    /// Whether the lake belongs to a live log; `None` if it belongs to nobody yet.
    pub async fn is_live(&self) -> Result<Option<bool>> {
        Ok(self.owner().await?.map(|file| file.is_live()))
    }

    /// The live log that the lake belongs to, if it belongs to one.
    pub async fn live_log(&self) -> Result<Option<LogIdentity>> {
        match self.owner().await? {
            Some(file) => file.live_log(),
            None => Ok(None),
        }
    }

    /// The folder, if it is a local one.
    pub fn dir(&self) -> Option<&FilePath> {
        self.dir.as_deref()
    }

    /// Where the lake is; ends with a slash.
    pub const fn root(&self) -> &Url {
        &self.root
    }

    /// The store, whose root is the root of the URL's host.
    pub const fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    pub(crate) fn options(&self) -> &LakeOptions {
        &self.options
    }

    /// The log of the table `name`.
    pub(crate) fn table(&self, name: &str) -> Result<TableLog> {
        TableLog::new(self.store.clone(), &self.root, name, &self.options, self.purpose)
    }
}

/// The schema of the table `name`.
pub(crate) fn schema_of(name: &str) -> Result<SchemaRef> {
    let found = tables::ALL.iter().find(|table| table.name == name);
    let table =
        found.ok_or_else(|| Error::new(ErrorKind::Schema, format!("the lake has no table `{name}`")))?;
    Ok((table.schema)())
}

fn is_s3(place: &str) -> bool {
    place.starts_with("s3://")
}

fn local_dir(place: &str) -> Result<PathBuf> {
    match place.split_once("://") {
        None => Ok(PathBuf::from(place)),
        Some(("file", _)) => Url::parse(place)
            .ok()
            .and_then(|url| url.to_file_path().ok())
            .ok_or_else(|| Error::new(ErrorKind::NoLake, format!("open lake {place}: not a local path"))),
        Some((scheme, _)) => Err(Error::new(
            ErrorKind::NotBuiltYet,
            format!(
                "open lake {place}: lakes on {scheme}:// are not built yet: name a folder or an s3:// URL"
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn places_that_are_no_lake_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, b"x").unwrap();
        let absent = dir.path().join("absent");
        for (place, kind) in [
            ("s3://bucket/a lake".to_owned(), ErrorKind::Settings),
            ("s3:///lake".to_owned(), ErrorKind::Settings),
            ("abfss://c@a/lake".to_owned(), ErrorKind::NotBuiltYet),
            (absent.display().to_string(), ErrorKind::NoLake),
        ] {
            let error = Lake::open_existing(&place, LakeOptions::default()).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{place}: {error}");
        }
        // Below a plain file no folder can be made.
        assert!(Lake::open(&file.join("lake").display().to_string(), LakeOptions::default()).await.is_err());
    }

    #[tokio::test]
    async fn a_folder_is_made_and_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("a/b c");
        let lake = Lake::open(place.to_str().unwrap(), LakeOptions::default()).await.unwrap();
        assert!(place.join("_muster").is_dir());
        let url = Url::from_directory_path(&place).unwrap();
        let again = Lake::open(url.as_str(), LakeOptions::default()).await.unwrap();
        assert_eq!(lake.root(), again.root());
        assert_eq!(lake.is_live().await.unwrap(), None);
    }
}
