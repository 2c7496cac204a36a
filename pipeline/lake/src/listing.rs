//! A table's log listed beside commits, without holes.
//!
//! In: a store's listings.  Out: the same, and of a log every entry that is there.  Owns: nothing.
//! Absent on purpose: log snapshots that a listing lacks: the hint names the last one, and without it older ones do.
//! Invariants: a listing of a log that holds entry n holds every entry before n that there is, down to the last log snapshot in it;
//! of more than [`ASKED_MAX`] that it lacks, the last ones.
//! Why so: a folder is read piece by piece while files come into it, so that a listing may hold a new entry and lack the one before
//! it. The kernel takes that for a torn log. The more entries there are, the longer a listing takes: two runs of ten thousand quick
//! commits met it, at entries 5922 and 5632. That n is there says that n - 1 was, so it is asked for by name.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use deltalake::logstore::commit_uri_from_version;
use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt as _, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};

/// The folder of a table's log.
const LOG: &str = "_delta_log";

/// So many entries at most are asked for by name, the last ones: more than come while a folder is listed.
const ASKED_MAX: usize = 1_000;

/// A store whose listings of a log have no holes.
#[derive(Debug)]
pub(crate) struct WholeLists(pub(crate) Arc<dyn ObjectStore>);

impl WholeLists {
    fn whole(
        &self,
        prefix: Option<&Path>,
        listed: BoxStream<'static, Result<ObjectMeta>>,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let Some(log) = prefix.filter(|prefix| prefix.filename() == Some(LOG)).cloned() else {
            return listed;
        };
        let store = self.0.clone();
        let whole = async move {
            let mut found: Vec<ObjectMeta> = listed.try_collect().await?;
            let mut filled = false;
            for version in absent(found.iter().filter_map(|found| found.location.filename())) {
                let name = commit_uri_from_version(Some(version));
                let Some(name) = name.filename() else { continue };
                match store.head(&log.clone().join(name)).await {
                    Ok(entry) => found.push(entry),
                    Err(Error::NotFound { .. }) => continue,
                    Err(error) => return Err(error),
                }
                filled = true;
            }
            if filled {
                found.sort_by(|one, other| one.location.cmp(&other.location));
            }
            Ok(stream::iter(found.into_iter().map(Ok)))
        };
        stream::once(whole).try_flatten().boxed()
    }
}

/// The versions of the last entries that are not among these files of a log, though later ones are.
fn absent<'a>(names: impl Iterator<Item = &'a str>) -> Vec<u64> {
    let (mut entries, mut snapshot) = (BTreeSet::new(), None);
    for name in names {
        let Some((version, kind)) = name.split_once('.') else { continue };
        let Ok(version) = version.parse::<u64>() else { continue };
        if kind == "json" {
            entries.insert(version);
        } else if kind.starts_with("checkpoint.") {
            snapshot = snapshot.max(Some(version));
        }
    }
    let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return Vec::new() };
    let first = snapshot.map_or(*first, |snapshot| snapshot + 1);
    (first..*last).rev().filter(|version| !entries.contains(version)).take(ASKED_MAX).collect()
}

impl fmt::Display for WholeLists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for WholeLists {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.0.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.0.put_multipart_opts(location, opts).await
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
        self.whole(prefix, self.0.list(prefix))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.whole(prefix, self.0.list_with_offset(prefix, offset))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_before_a_listed_one_are_missed_down_to_the_last_log_snapshot() {
        let name = |version: u64| format!("{version:020}.json");
        let of = |entries: &[u64], snapshots: &[u64]| {
            let snapshots = snapshots.iter().map(|version| format!("{version:020}.checkpoint.parquet"));
            let names: Vec<String> = entries.iter().map(|version| name(*version)).chain(snapshots).collect();
            absent(names.iter().map(String::as_str).chain(["_last_checkpoint"]))
        };
        assert_eq!(of(&[], &[]), [0; 0]);
        assert_eq!(of(&[3, 4, 5], &[]), [0; 0], "older ones were cleaned up");
        assert_eq!(of(&[3, 5, 8], &[]), [7, 6, 4]);
        assert_eq!(of(&[0, 5, 8], &[3, 5]), [7, 6], "what a log snapshot stands for nobody reads");
        assert_eq!(of(&[9], &[5]), [8, 7, 6]);
        let many = of(&[0, 5_000], &[]);
        assert_eq!((many.len(), many[0], many[ASKED_MAX - 1]), (ASKED_MAX, 4_999, 4_000));
    }
}
