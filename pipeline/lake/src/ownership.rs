//! Whose log a lake belongs to, and which process of a machine works on it.
//!
//! In: a log's identity.  Out: leave, or a named error.  Owns: `_muster/lake.json` (written once, put if absent) and
//! `_muster/lock` in a folder (held while the process lives).
//! Invariants: I-7 a lake belongs to one live log, or to replays, and never changes hands: kept by [`check`].
//! Why so: a live log in a lake of replays (or the other way round) would fold other people's partitions: the partition of a
//! replayed file says nothing about a person. So neither is let into the other's lake.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::path::Path as FilePath;
use std::sync::Arc;

use frontier::{Mark, Retries, TxnId};
use model::{LogId, Partition};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode};
use serde::{Deserialize, Serialize};

use crate::error::{Action, Error, ErrorKind, Result};

/// The version of the lake's own files and conventions that this program writes into a lake.
const FORMAT: u32 = 1;

/// That of a lake whose log has another number of partitions than it began with: rows of a person lie under several.
const FORMAT_MOVED: u32 = 2;

/// That of a lake from which a person is being erased: no earlier program may claim.
const FORMAT_ERASING: u32 = 3;

/// Which log rows come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogIdentity {
    /// The log's id, for ever.
    pub log_id: LogId,
    /// The topic as its rows name it; for a replayed file the same text as its id.
    pub topic: Arc<str>,
    /// How many partitions it has.
    pub partitions: u32,
}

impl LogIdentity {
    /// The identity of a replayed file: a log of its own with one partition, its topic named as its id.
    pub fn file(log_id: LogId) -> Self {
        let topic = log_id.as_str().into();
        Self { log_id, topic, partitions: 1 }
    }

    pub(crate) fn is_file(&self) -> bool {
        is_file(&self.log_id)
    }
}

/// The log whose one number every owner of a replayed file writes beside its own, in every table.
const REPLAYS: &str = "replays";

fn is_file(log: &LogId) -> bool {
    log.as_str().starts_with("file:")
}

/// Whether an owner of `mine` makes way for an entry that writes numbers of `log`. Files are logs of their own, but what one
/// replay finds new another may just have written: of two replays at once the later one to claim goes on.
pub(crate) fn is_rival(log: &LogId, mine: &LogId) -> bool {
    log == mine || (is_file(mine) && log.as_str() == REPLAYS)
}

/// The number that replays share.
pub(crate) fn shared_by_replays() -> TxnId {
    let log = LogId::new(REPLAYS).expect("a log's id");
    TxnId { log, partition: Partition::new(0), mark: Mark::Said }
}

/// What kind of log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogKind {
    /// One that grows: Kafka's, or the embedded one. A lake has at most one.
    Live,
    /// A file that is replayed. A lake may have many.
    Replay,
    /// As [`Self::Live`], and nobody is told anything.
    Shadow,
    /// As [`Self::Replay`], and nobody is told anything.
    ShadowReplay,
}

/// The owner file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LakeFile {
    format: u32,
    /// The live log; null in a lake of replays.
    live: Option<LiveLog>,
    /// Whether nobody was told what the lake holds.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    shadow: bool,
    /// How many partitions the log is being given, while that is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    moving_to: Option<u32>,
    /// The erasure that is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    erasing: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct LiveLog {
    log_id: String,
    topic: String,
    partitions: u32,
    /// How many it had before, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    former: Vec<u32>,
}

impl LakeFile {
    fn of(log: &LogIdentity, kind: LogKind) -> Self {
        let live = matches!(kind, LogKind::Live | LogKind::Shadow).then(|| LiveLog {
            log_id: log.log_id.as_str().to_owned(),
            topic: log.topic.as_ref().to_owned(),
            partitions: log.partitions,
            former: Vec::new(),
        });
        let shadow = matches!(kind, LogKind::Shadow | LogKind::ShadowReplay);
        Self { format: FORMAT, live, shadow, moving_to: None, erasing: None }
    }

    pub(crate) fn is_live(&self) -> bool {
        self.live.is_some()
    }

    pub(crate) const fn is_shadow(&self) -> bool {
        self.shadow
    }

    pub(crate) const fn moving_to(&self) -> Option<u32> {
        self.moving_to
    }

    pub(crate) fn erasing(&self) -> Option<&str> {
        self.erasing.as_deref()
    }

    /// The same, of a lake from which somebody is being erased.
    pub(crate) fn with_erasing(self, erasure: &str) -> Self {
        Self { format: FORMAT_ERASING, erasing: Some(erasure.to_owned()), ..self }
    }

    /// The same, of a lake from which nobody is.
    pub(crate) fn without_erasing(self) -> Self {
        let format = if self.former().is_empty() { FORMAT } else { FORMAT_MOVED };
        Self { format, erasing: None, ..self }
    }

    /// How many partitions the live log had before.
    pub(crate) fn former(&self) -> &[u32] {
        self.live.as_ref().map_or(&[], |live| &live.former)
    }

    /// The same, of a log that is being given `to` partitions.
    pub(crate) fn moving(self, to: u32) -> Self {
        Self { format: FORMAT_MOVED, moving_to: Some(to), ..self }
    }

    /// The same, of a log that has them.
    pub(crate) fn moved(mut self) -> Self {
        if let (Some(live), Some(to)) = (&mut self.live, self.moving_to.take()) {
            live.former.push(std::mem::replace(&mut live.partitions, to));
        }
        self
    }

    /// Refuses everybody but a mover while the log's partitions are being moved, and everybody but an eraser while a person is
    /// being erased.
    pub(crate) fn check_still(&self, prefix: &Path) -> Result<()> {
        if self.erasing.is_some() {
            let what = format!(
                "open lake /{prefix}: a person is being erased from it: wait until `muster erase` is done; if it was stopped, \
                 run it again, which goes on where it ended"
            );
            return Err(Error::new(ErrorKind::Erasing, what));
        }
        let (Some(to), Some(live)) = (self.moving_to, &self.live) else { return Ok(()) };
        let what = format!(
            "open lake /{prefix}: log `{}` is being moved from {} to {to} partitions: run `muster repartition` again, which \
             goes on where it ended",
            live.log_id, live.partitions
        );
        Err(Error::new(ErrorKind::PartitionsChanged, what))
    }

    /// Refuses an eraser once another has come to the end: owners are at work.
    pub(crate) fn check_erasing(&self, prefix: &Path) -> Result<()> {
        if self.erasing.is_some() {
            return Ok(());
        }
        let what = format!(
            "erase from lake /{prefix}: another `muster erase` has come to its end: run it again to see what is left"
        );
        Err(Error::new(ErrorKind::Erasing, what))
    }

    /// Refuses a mover once another has come to the end: owners who fold by key are at work.
    pub(crate) fn check_moving(&self, prefix: &Path) -> Result<()> {
        if self.moving_to.is_some() {
            return Ok(());
        }
        let what = format!(
            "move lake /{prefix}: another `muster repartition` has come to its end: there is nothing left"
        );
        Err(Error::new(ErrorKind::PartitionsChanged, what))
    }

    /// Refuses an owner who knows another number of partitions.
    pub(crate) fn check_partitions(&self, partitions: u32, prefix: &Path) -> Result<()> {
        let Some(live) = self.live.as_ref().filter(|live| live.partitions != partitions) else {
            return Ok(());
        };
        let what = format!(
            "open lake /{prefix}: log `{}` has {partitions} partitions, the lake was written with {}: people's keys have moved \
             between partitions: run `muster repartition`",
            live.log_id, live.partitions
        );
        Err(Error::new(ErrorKind::PartitionsChanged, what))
    }

    pub(crate) fn live_log(&self) -> Result<Option<LogIdentity>> {
        let Some(LiveLog { log_id, topic, partitions, .. }) = &self.live else { return Ok(None) };
        let log_id = LogId::new(log_id)
            .ok_or_else(|| Error::corrupt(format!("read lake.json: `{log_id}` is no id of a log")))?;
        Ok(Some(LogIdentity { log_id, topic: topic.as_str().into(), partitions: *partitions }))
    }
}

/// Where the owner file is.
pub(crate) fn path(prefix: &Path) -> Path {
    prefix.clone().join("_muster").join("lake.json")
}

/// The owner file of the lake at `prefix`, if it has one.
pub(crate) async fn read(store: &dyn ObjectStore, prefix: &Path) -> Result<Option<LakeFile>> {
    let path = path(prefix);
    let bytes = match store.get(&path).await {
        Ok(found) => found.bytes().await.map_err(|e| Error::store(format!("read /{path}"), e))?,
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(Error::store(format!("read /{path}"), error)),
    };
    let file: LakeFile = serde_json::from_slice(&bytes).map_err(|e| {
        let what = format!("read /{path}: it is damaged: bring it back from a copy, or name another folder");
        Error::store(what, e)
    })?;
    if (FORMAT..=FORMAT_ERASING).contains(&file.format) {
        return Ok(Some(file));
    }
    let what = format!(
        "open lake: /{path} is of format {}, this program knows {FORMAT_ERASING}: use a newer muster",
        file.format
    );
    Err(Error::new(ErrorKind::Format, what))
}

/// Makes the lake `log`'s, or finds that it is already.
pub(crate) async fn own(
    store: &dyn ObjectStore,
    prefix: &Path,
    log: &LogIdentity,
    kind: LogKind,
    (mover, mut retries): (Mover, Retries),
) -> Result<()> {
    let wanted = LakeFile::of(log, kind);
    let bytes = serde_json::to_vec_pretty(&wanted).map_err(|e| Error::store("write lake.json", e))?;
    let path = path(prefix);
    loop {
        // What is there decides, whoever wrote it: another process, or this one by a put whose answer was lost.
        if let Some(found) = read(store, prefix).await? {
            if mover == Mover::Others {
                found.check_still(prefix)?;
            }
            return check(&found, &wanted, prefix);
        }
        let Err(error) = store.put_opts(&path, bytes.clone().into(), PutMode::Create.into()).await else {
            return Ok(());
        };
        let error = Error::store(format!("write /{path}"), error);
        match retries.next_wait().filter(|_| error.action() == Action::Retry) {
            Some(wait) => tokio::time::sleep(wait).await,
            None => return Err(error),
        }
    }
}

/// Who moves the partitions of a lake's log, or erases a person, where somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mover {
    /// The holder of this handle moves.
    Us,
    /// The holder of this handle erases.
    Eraser,
    /// Somebody else.
    Others,
}

/// Puts `file` in the place of the owner file.
pub(crate) async fn replace(
    store: &dyn ObjectStore,
    prefix: &Path,
    file: &LakeFile,
    mut retries: Retries,
) -> Result<()> {
    let bytes = serde_json::to_vec_pretty(file).map_err(|e| Error::store("write lake.json", e))?;
    let path = path(prefix);
    loop {
        let Err(error) = store.put(&path, bytes.clone().into()).await else { return Ok(()) };
        let error = Error::store(format!("write /{path}"), error);
        match retries.next_wait().filter(|_| error.action() == Action::Retry) {
            Some(wait) => tokio::time::sleep(wait).await,
            None => return Err(error),
        }
    }
}

fn check(found: &LakeFile, wanted: &LakeFile, prefix: &Path) -> Result<()> {
    let other = |what: String| Err(Error::new(ErrorKind::OtherLog, what));
    if found.shadow != wanted.shadow {
        return other(match found.shadow {
            true => format!(
                "open lake /{prefix}: it is a shadow's, and nobody was told what it holds: name a folder of its own"
            ),
            false => format!(
                "shadow into lake /{prefix}: people were told what it holds: give the shadow a folder of its own"
            ),
        });
    }
    match (&found.live, &wanted.live) {
        (None, None) => Ok(()),
        (Some(found), None) => other(format!(
            "replay into lake /{prefix}: it belongs to the live log `{}` (topic {}): give replays a folder of their own",
            found.log_id, found.topic
        )),
        (None, Some(wanted)) => other(format!(
            "open lake /{prefix} for log `{}`: it holds replayed files: give the live log a folder of its own",
            wanted.log_id
        )),
        (Some(found), Some(wanted)) if found.log_id != wanted.log_id => other(format!(
            "open lake /{prefix} for log `{}` (topic {}): it belongs to log `{}` (topic {}): name that log, or another folder",
            wanted.log_id, wanted.topic, found.log_id, found.topic
        )),
        (Some(_), Some(wanted)) => found.check_partitions(wanted.partitions, prefix),
    }
}

/// The lock of a folder, held until dropped.
#[derive(Debug)]
pub struct LocalLock {
    _file: File,
}

impl LocalLock {
    /// Locks `dir`, the folder of a local lake or what lies beside a remote one, for this process; makes it if there is none.
    /// Other machines know nothing of it: there claims keep owners apart.
    ///
    /// # Errors
    /// `Locked` if another process has it; what the system says.
    pub fn take(dir: &FilePath) -> Result<Self> {
        lock(dir)
    }
}

fn lock(dir: &FilePath) -> Result<LocalLock> {
    let path = dir.join("_muster").join("lock");
    let folder = std::fs::create_dir_all(dir.join("_muster"));
    let open = folder.and_then(|()| OpenOptions::new().create(true).truncate(false).write(true).open(&path));
    let mut file = open.map_err(|e| Error::store(format!("lock {}", path.display()), e))?;
    match file.try_lock() {
        Ok(()) => {
            // Who holds it, for a person who looks; nothing reads it.
            let _ = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
            Ok(LocalLock { _file: file })
        }
        Err(TryLockError::WouldBlock) => {
            let holder = std::fs::read_to_string(&path).unwrap_or_default();
            let what =
                format!("lock lake {}: process {holder} works on it: wait for it or stop it", dir.display());
            Err(Error::new(ErrorKind::Locked, what))
        }
        Err(TryLockError::Error(error)) => Err(Error::store(format!("lock {}", path.display()), error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::memory::InMemory;

    fn log(id: &str, partitions: u32) -> LogIdentity {
        LogIdentity { log_id: LogId::new(id).unwrap(), topic: "punches".into(), partitions }
    }

    #[tokio::test]
    async fn a_lake_never_changes_hands() {
        use LogKind::{Live, Replay, Shadow, ShadowReplay};
        for (first, second, expected) in [
            ((log("a", 4), Live), (log("a", 4), Live), None),
            ((log("a", 4), Live), (log("b", 4), Live), Some(ErrorKind::OtherLog)),
            ((log("a", 4), Live), (log("a", 8), Live), Some(ErrorKind::PartitionsChanged)),
            ((log("a", 4), Live), (log("file:1", 1), Replay), Some(ErrorKind::OtherLog)),
            ((log("file:1", 1), Replay), (log("a", 4), Live), Some(ErrorKind::OtherLog)),
            ((log("file:1", 1), Replay), (log("file:2", 1), Replay), None),
            ((log("a", 4), Shadow), (log("a", 4), Shadow), None),
            ((log("a", 4), Shadow), (log("a", 4), Live), Some(ErrorKind::OtherLog)),
            ((log("a", 4), Live), (log("a", 4), Shadow), Some(ErrorKind::OtherLog)),
            ((log("a", 4), Shadow), (log("file:1", 1), ShadowReplay), Some(ErrorKind::OtherLog)),
            ((log("file:1", 1), ShadowReplay), (log("file:2", 1), ShadowReplay), None),
            ((log("file:1", 1), ShadowReplay), (log("file:1", 1), Replay), Some(ErrorKind::OtherLog)),
            ((log("file:1", 1), Replay), (log("file:1", 1), ShadowReplay), Some(ErrorKind::OtherLog)),
        ] {
            let (store, prefix) = (InMemory::new(), Path::from("lake"));
            own(&store, &prefix, &first.0, first.1, (Mover::Others, Retries::at_once(0))).await.unwrap();
            let found = own(&store, &prefix, &second.0, second.1, (Mover::Others, Retries::at_once(0)))
                .await
                .map_err(|error| error.kind());
            assert_eq!(found.err(), expected, "{first:?} {second:?}");
        }
    }

    #[tokio::test]
    async fn a_changed_partition_count_names_the_remedy() {
        let (store, prefix) = (InMemory::new(), Path::from("lake"));
        own(&store, &prefix, &log("a", 4), LogKind::Live, (Mover::Others, Retries::at_once(0)))
            .await
            .unwrap();
        let error = own(&store, &prefix, &log("a", 8), LogKind::Live, (Mover::Others, Retries::at_once(0)))
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains("written with 4")
                && error.to_string().contains("run `muster repartition`"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_later_format_is_refused() {
        let (store, prefix) = (InMemory::new(), Path::from("lake"));
        store.put(&path(&prefix), r#"{"format": 4, "live": null}"#.into()).await.unwrap();
        assert_eq!(read(&store, &prefix).await.unwrap_err().kind(), ErrorKind::Format);
    }

    #[test]
    fn one_process_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let held = lock(dir.path()).unwrap();
        let error = lock(dir.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Locked);
        assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
        drop(held);
        lock(dir.path()).unwrap();
    }
}
