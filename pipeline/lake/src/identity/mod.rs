//! Which identities (person, event) were ever stored: filters over all files of `punches`, so that a repeat is found however
//! old the first is and whatever time the repeat claims.
//!
//! ```text
//!   <lake>/_muster/identity/<name>.fuse     a filter over the identities of some data files, which it names (`fuse_file`)
//!
//!   known = filters of the files at a version ∪ undrained rows of the inbox ∪ what the owner accepted since (`Identities`)
//!     not known ─▶ a new punch, for certain          known ─▶ the owner asks the lake, which knows exactly
//! ```
//!
//! In: how far an owner's claim has seen.  Out: [`IdentityFilters`], from which each partition gets its [`KnownIds`].
//! Owns: the folder `identity`, which is a cache: filters that are missing or damaged are made again from the two id columns
//! of the data files, and filters of files that are gone are removed; deleting the folder is harmless at any time.
//! Absent on purpose: a floor below which files are covered and above which they are not: floors move by the log's clock and
//! past rows that no commit holds yet, files do not; a filter costs 4.5 bytes a punch, memory 200.
//! Invariants: I-22 an identity that is stored, waits in the inbox or was accepted since is never called new, kept by
//! [`Lake::identities`] and [`Identities::learn`], tested by `tests::identity::no_identity_is_ever_called_new_again`.
//! Why so: binary fuse filters of 32 bits (36 bits a key, one wrong answer in 4 thousand million) and not of 16: a wrong
//! answer costs reading a person's history from the lake, and at 1.5e-5 a fleet of a million people would pay that every few
//! minutes. Filters cannot be merged, so one of each size is kept, in steps of four, and two of a size are made anew as one
//! from their data files: a row is read again one or two times for every fourfold growth of the lake.

mod build;
mod fuse_file;
mod key;
mod known;
pub(crate) mod plan;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use frontier::{Frontiers, PartitionFrontier};
use futures::TryStreamExt as _;
use model::Partition;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _};
use schemas::tables::punches;
use xorf::BinaryFuse32;

pub use key::IdentityKey;
pub use known::{Identities, KnownIds};

use crate::claim::Claim;
use crate::error::{Action, Error, Result};
use crate::lake::Lake;
use crate::ownership::LogIdentity;
use fuse_file::{Head, Unreadable};
use plan::{Limits, Plan};

/// How a filter's file ends.
const ENDING: &str = ".fuse";

/// How far a claim has seen `punches`: what filters made for it must hold.
#[derive(Clone, Debug)]
pub struct IdentityExtent {
    log: LogIdentity,
    version: u64,
    pub(crate) frontiers: Frontiers,
}

impl Claim {
    /// How far this claim has seen `punches`, for [`Lake::identities`].
    pub fn identity_extent(&self) -> IdentityExtent {
        let version = self.seen_of(punches::NAME);
        IdentityExtent { log: self.log.clone(), version, frontiers: self.frontiers.clone() }
    }
}

/// One filter in memory, cut to the partitions held.
#[derive(Debug)]
pub(crate) struct Group {
    /// Its file; `None` while it has none.
    pub(crate) path: Option<Path>,
    keys: u64,
    /// The data files it covers, by their paths from the table's root.
    covers: Vec<String>,
    sections: BTreeMap<Partition, Arc<BinaryFuse32>>,
}

/// The filters of some partitions, up to one version of `punches`.
#[derive(Clone, Debug)]
pub struct IdentityFilters {
    extent: IdentityExtent,
    pub(crate) groups: Vec<Arc<Group>>,
}

impl IdentityFilters {
    /// What is known in `partition`; `None` if the extent did not hold it.
    pub fn of(&self, partition: Partition) -> Option<KnownIds> {
        let until = *self.extent.frontiers.get(&partition)?;
        let filters = self.groups.iter().filter_map(|group| group.sections.get(&partition).cloned());
        Some(KnownIds::new(self.extent.version, until, filters.collect()))
    }

    /// The partitions, and how far each had been committed at the filters' version.
    pub fn partitions(&self) -> impl Iterator<Item = (Partition, PartitionFrontier)> {
        self.extent.frontiers.iter().map(|(partition, frontier)| (*partition, *frontier))
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        let sections = self.groups.iter().flat_map(|group| group.sections.values());
        sections.map(|filter| size_of_val(&*filter.fingerprints)).sum()
    }
}

impl Lake {
    /// Filters over the identity of every punch stored up to `extent`, in its partitions, and of every row of the inbox that
    /// waits there. Filters on disk are used; what none covers is read from its data files, and written as a filter if it is
    /// much. Filters of `before` are not read again. Any process may call it at any time, beside owners at work.
    ///
    /// # Errors
    /// What the store says to reading. That a filter cannot be written or removed is logged: the next call tries again.
    pub async fn identities(
        &self,
        extent: &IdentityExtent,
        before: Option<&IdentityFilters>,
    ) -> Result<IdentityFilters> {
        self.identities_within(extent, before, Limits::default()).await
    }

    pub(crate) async fn identities_within(
        &self,
        extent: &IdentityExtent,
        before: Option<&IdentityFilters>,
        limits: Limits,
    ) -> Result<IdentityFilters> {
        let table = self.table(punches::NAME)?;
        let snapshot = self.snapshot_at(&table, extent.version).await?;
        let (found, mut obsolete) = self.stored_groups(extent, before).await?;
        let plan = Plan::of(&snapshot.files, found, limits);
        obsolete.extend(plan.obsolete);
        let mut groups = plan.kept;
        for files in plan.build {
            groups.push(Arc::new(self.build_group(&table, extent, &files).await?));
        }
        let loose = self.loose_group(&table, extent, &plan.loose).await?;
        groups.push(Arc::new(loose));
        // One that was damaged may have been made again under the same name.
        obsolete.retain(|path| groups.iter().all(|group| group.path.as_ref() != Some(path)));
        self.remove(obsolete).await;
        Ok(IdentityFilters { extent: extent.clone(), groups })
    }

    fn identity_folder(&self) -> Result<Path> {
        let root = Path::from_url_path(self.root().path());
        let root = root.map_err(|e| Error::store(format!("open lake {}", self.root()), e))?;
        Ok(root.join("_muster").join("identity"))
    }

    /// The filters on disk that this program can read, and those that are of no use.
    async fn stored_groups(
        &self,
        extent: &IdentityExtent,
        before: Option<&IdentityFilters>,
    ) -> Result<(Vec<Arc<Group>>, Vec<Path>)> {
        let folder = self.identity_folder()?;
        let listed = self.store().list(Some(&folder)).try_collect::<Vec<ObjectMeta>>().await;
        let listed = match listed.map_err(|e| Error::store(format!("list the filters in /{folder}"), e)) {
            Ok(listed) => listed,
            Err(error) if error.action() == Action::Retry => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "no filters of identities can be kept: they are made in memory");
                Vec::new()
            }
        };
        let known = before.filter(|before| before.reaches(extent)).map_or_else(HashMap::new, by_path);
        let (mut groups, mut useless) = (Vec::new(), Vec::new());
        for file in listed.into_iter().filter(|file| file.location.as_ref().ends_with(ENDING)) {
            if let Some(group) = known.get(&file.location) {
                groups.push(Arc::clone(group));
                continue;
            }
            match read_group(self.store().as_ref(), &file, extent).await? {
                Ok(group) => groups.push(Arc::new(group)),
                Err(Unreadable::Gone | Unreadable::Later) => {}
                Err(Unreadable::Useless(why)) => {
                    tracing::warn!(file = %file.location, why, "a filter of identities is of no use: it is made again");
                    useless.push(file.location);
                }
            }
        }
        Ok((groups, useless))
    }

    /// Removes filters that others replace. One that stays is found again.
    async fn remove(&self, paths: Vec<Path>) {
        for path in paths {
            match self.store().delete(&path).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => tracing::warn!(file = %path, %error, "a filter that is replaced stays for now"),
            }
        }
    }
}

impl IdentityFilters {
    /// Whether the groups hold all sections that `extent` needs of them.
    fn reaches(&self, extent: &IdentityExtent) -> bool {
        self.extent.log.partitions == extent.log.partitions
            && extent.frontiers.keys().all(|partition| self.extent.frontiers.contains_key(partition))
    }
}

fn by_path(filters: &IdentityFilters) -> HashMap<Path, Arc<Group>> {
    let groups = filters.groups.iter();
    groups.filter_map(|group| Some((group.path.clone()?, Arc::clone(group)))).collect()
}

/// Reads a filter's head and the sections of the partitions held.
async fn read_group(
    store: &dyn ObjectStore,
    file: &ObjectMeta,
    extent: &IdentityExtent,
) -> Result<std::result::Result<Group, Unreadable>> {
    let path = &file.location;
    let what = |e| Error::store(format!("read filter /{path}"), e);
    if file.size < fuse_file::FIXED_BYTES {
        return Ok(Err(Unreadable::Useless("it is cut off")));
    }
    let first = match store.get_range(path, 0..fuse_file::FIXED_BYTES).await {
        Ok(first) => first,
        Err(object_store::Error::NotFound { .. }) => return Ok(Err(Unreadable::Gone)),
        Err(error) => return Err(what(error)),
    };
    let head_bytes = match fuse_file::head_bytes(&first, file.size) {
        Ok(bytes) => bytes,
        Err(unreadable) => return Ok(Err(unreadable)),
    };
    let head = match Head::parse(&store.get_range(path, 0..head_bytes).await.map_err(what)?, file.size) {
        Ok(head) => head,
        Err(unreadable) => return Ok(Err(unreadable)),
    };
    if head.partitions != extent.log.partitions {
        return Ok(Err(Unreadable::Useless("it was made for another number of partitions")));
    }
    let is_held = |partition: &Partition| extent.frontiers.contains_key(partition);
    let held: Vec<_> = head.sections.iter().filter(|section| is_held(&section.partition)).collect();
    let ranges: Vec<_> = held.iter().map(|section| section.range()).collect();
    let mut sections = BTreeMap::new();
    for (section, bytes) in held.iter().zip(store.get_ranges(path, &ranges).await.map_err(what)?) {
        match section.parse_filter(&bytes) {
            Ok(filter) => sections.insert(section.partition, Arc::new(filter)),
            Err(unreadable) => return Ok(Err(unreadable)),
        };
    }
    Ok(Ok(Group { path: Some(path.clone()), keys: head.keys, covers: head.covers, sections }))
}

/// The partitions of an extent.
fn held(extent: &IdentityExtent) -> BTreeSet<Partition> {
    extent.frontiers.keys().copied().collect()
}
