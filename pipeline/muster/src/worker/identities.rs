//! When the filters over identities follow the lake: at every claim, and beside commits once these have brought enough.
//!
//! In: claims, commits as they are done.  Out: what is known in each partition.  Owns: the filters as they were last made,
//! and the making of the next.
//! Absent on purpose: any way to fail beside commits: what filters do not hold yet, workers remember.
//! Why so: making filters reads what was committed since the last, and now and then much of the lake: no commit waits for it.

use lake::{Claim, IdentityFilters, KnownIds, Lake, Result};
use model::Partition;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// New filters are made once so many rows have been committed: workers remember their identities until then.
const ROWS_MAX: u64 = 65_536;

/// Or once so many commits have been made, each of which is a file to read at least.
const COMMITS_MAX: u64 = 256;

/// The filters of the partitions claimed.
#[derive(Debug, Default)]
pub(super) struct Filters {
    made: Option<IdentityFilters>,
    rows: u64,
    commits: u64,
    next: Option<JoinHandle<Result<IdentityFilters>>>,
}

impl Filters {
    /// Makes those of a claim, before anything of it is read.
    ///
    /// # Errors
    /// What the lake says.
    pub(super) fn claimed(&mut self, runtime: &Handle, lake: &Lake, claim: &Claim) -> Result<()> {
        // What is being made is of an earlier claim: its partitions and their rows may be others.
        if let Some(next) = self.next.take() {
            next.abort();
        }
        self.made = Some(runtime.block_on(lake.identities(&claim.identity_extent(), self.made.as_ref()))?);
        (self.rows, self.commits) = (0, 0);
        Ok(())
    }

    /// What is known in a partition claimed.
    pub(super) fn of(&self, partition: Partition) -> Option<KnownIds> {
        self.made.as_ref()?.of(partition)
    }

    /// After a commit of `rows` rows: what is known in each partition, if new filters have been made meanwhile.
    pub(super) fn committed(
        &mut self,
        runtime: &Handle,
        lake: &Lake,
        claim: &Claim,
        rows: u64,
    ) -> Vec<(Partition, KnownIds)> {
        self.rows += rows;
        self.commits += 1;
        if let Some(next) = self.next.take_if(|next| next.is_finished()) {
            return self.take(runtime.block_on(next));
        }
        if self.next.is_none() && (self.rows >= ROWS_MAX || self.commits >= COMMITS_MAX) {
            let (lake, extent, before) = (lake.clone(), claim.identity_extent(), self.made.clone());
            self.next = Some(runtime.spawn(async move { lake.identities(&extent, before.as_ref()).await }));
            (self.rows, self.commits) = (0, 0);
        }
        Vec::new()
    }

    fn take(
        &mut self,
        made: std::result::Result<Result<IdentityFilters>, tokio::task::JoinError>,
    ) -> Vec<(Partition, KnownIds)> {
        match made {
            Ok(Ok(made)) => {
                let known =
                    made.partitions().filter_map(|(partition, _)| Some((partition, made.of(partition)?)));
                let known = known.collect();
                self.made = Some(made);
                known
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "filters over identities could not be made, it is tried again later");
                Vec::new()
            }
            Err(error) => {
                tracing::warn!(%error, "filters over identities could not be made, it is tried again later");
                Vec::new()
            }
        }
    }
}
