//! A folder whose files are on the disk before anybody is told that they are there.
//!
//! In: puts of whole objects.  Out: files that a power cut leaves as they are, or not there at all.  Owns: nothing.
//! Absent on purpose: objects in parts, which the lake never writes: they are refused; anything about reading, which is
//! `object_store`'s.
//! Invariants: a file appears under its name only with all of its bytes synced, and its name is synced before the put returns.
//! Why so: `LocalFileSystem` writes beside and links, which outlives a killed process and no power cut: a table's log entry can
//! come back empty, and then no reader opens the table. What it does is done here once more with the two syncs between.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};

/// A local file system that syncs what it is told to put.
#[derive(Debug)]
pub(crate) struct SyncedFileSystem(LocalFileSystem);

impl SyncedFileSystem {
    pub(crate) fn new() -> Self {
        Self(LocalFileSystem::new())
    }
}

impl fmt::Display for SyncedFileSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for SyncedFileSystem {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let is_new = match opts.mode {
            PutMode::Create => true,
            PutMode::Overwrite => false,
            PutMode::Update(_) => return self.0.put_opts(location, payload, opts).await,
        };
        let path = self.0.path_to_filesystem(location)?;
        let put = tokio::task::spawn_blocking(move || match put(&path, &payload, is_new) {
            Ok(()) => Ok(PutResult { e_tag: None, version: None }),
            Err(error) if is_new && error.kind() == ErrorKind::AlreadyExists => {
                Err(Error::AlreadyExists { path: path.display().to_string(), source: Box::new(error) })
            }
            Err(error) => Err(Error::Generic { store: "LocalFileSystem", source: Box::new(error) }),
        });
        put.await.map_err(|source| Error::JoinError { source })?
    }

    async fn put_multipart_opts(
        &self,
        _location: &Path,
        _opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Err(Error::NotImplemented { operation: "`put_multipart`".into(), implementer: self.to_string() })
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.0.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.0.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.0.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.0.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.0.rename_opts(from, to, options).await
    }
}

/// Writes `payload` beside `path` and gives it that name: `AlreadyExists` if it is to be new and is not.
fn put(path: &FilePath, payload: &PutPayload, is_new: bool) -> io::Result<()> {
    let folder = path.parent().ok_or(ErrorKind::InvalidInput)?;
    let (mut file, staged) = stage(path, folder)?;
    let written = payload
        .iter()
        .try_for_each(|part| file.write_all(part))
        .and_then(|()| file.sync_all())
        .and_then(|()| if is_new { fs::hard_link(&staged, path) } else { fs::rename(&staged, path) });
    if is_new || written.is_err() {
        // A name too many is swept up one day.
        fs::remove_file(&staged).ok();
    }
    written?;
    sync_folder(folder)
}

/// A new file beside `path`, in a folder that is made if there is none; named as `LocalFileSystem` names its own, so that its
/// listings leave it out.
fn stage(path: &FilePath, folder: &FilePath) -> io::Result<(File, PathBuf)> {
    for number in 1_u64.. {
        let mut staged = path.as_os_str().to_owned();
        staged.push(format!("#{number}"));
        let staged = PathBuf::from(staged);
        match OpenOptions::new().write(true).create_new(true).open(&staged) {
            Ok(file) => return Ok((file, staged)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) if error.kind() == ErrorKind::NotFound => make_folder(folder)?,
            Err(error) => return Err(error),
        }
    }
    Err(ErrorKind::StorageFull.into())
}

/// Makes the folder and those above it, each of which then knows its name for certain.
fn make_folder(folder: &FilePath) -> io::Result<()> {
    let Some(above) = folder.parent() else { return fs::create_dir_all(folder) };
    if !above.exists() {
        make_folder(above)?;
    }
    match fs::create_dir(folder) {
        Ok(()) => sync_folder(above),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// The names in a folder are on the disk. Windows keeps them with the files.
fn sync_folder(folder: &FilePath) -> io::Result<()> {
    if cfg!(windows) { Ok(()) } else { File::open(folder)?.sync_all() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::ObjectStoreExt as _;

    #[tokio::test]
    async fn it_does_what_the_plain_one_does() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| Path::from_absolute_path(folder.path().join(name)).unwrap();
        let store = SyncedFileSystem::new();
        let create = || PutOptions::from(PutMode::Create);
        store.put_opts(&at("a/b/one"), "first".into(), create()).await.unwrap();
        let again = store.put_opts(&at("a/b/one"), "second".into(), create()).await.unwrap_err();
        assert!(matches!(again, Error::AlreadyExists { .. }), "{again}");
        let read = async |name: &str| store.get(&at(name)).await.unwrap().bytes().await.unwrap();
        assert_eq!(read("a/b/one").await, "first");
        store.put(&at("a/b/one"), "third".into()).await.unwrap();
        assert_eq!(read("a/b/one").await, "third");
        let names: Vec<_> = fs::read_dir(folder.path().join("a/b")).unwrap().collect();
        assert_eq!(names.len(), 1, "nothing is left beside it: {names:?}");
        // A name that cannot be a folder's is told as the plain one tells it.
        let below = store.put(&at("a/b/one/two"), "x".into()).await.unwrap_err();
        assert!(matches!(below, Error::Generic { .. }), "{below}");
    }
}
