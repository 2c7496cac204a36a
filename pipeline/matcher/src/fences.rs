//! The fences of a snapshot as those of an earlier one, and the few that changed since.
//!
//! In: a base over all sites, the sites whose fences changed.  Out: what `FenceIndex` answers, for the fences as they are now.
//! Owns: a share in the base, a small index over the changed fences, a bit for each site that is looked up there.
//! Absent on purpose: new and lost sites (places in the snapshot would move: that takes a new base).
//! Invariants: every question is answered as an index built from the new snapshot would (`tests/changes.rs`).
//! Why so: building a base of a million fences takes the better part of a second, and a moved fence concerns one of them. An
//! empty overlay costs a branch that always goes one way.

use std::sync::Arc;

use model::{Reference, SiteIndex};

use crate::fence_index::{FenceIndex, Here};

/// The fences of one snapshot.
#[derive(Debug)]
pub(crate) struct Fences {
    base: Arc<FenceIndex>,
    changed: Option<Changed>,
}

/// Fences that are no longer as the base has them.
#[derive(Debug)]
struct Changed {
    /// A bit for each site of the snapshot.
    bits: Vec<u64>,
    /// The sites, sorted: the n-th is site n of `index`.
    sites: Vec<SiteIndex>,
    index: FenceIndex,
}

impl Fences {
    pub(crate) fn build(reference: &Reference) -> Self {
        Self { base: Arc::new(FenceIndex::build(reference)), changed: None }
    }

    /// The fences of `next`, which differ from these in those of `sites` alone.
    pub(crate) fn with_changes(&self, next: &Reference, sites: impl Iterator<Item = SiteIndex>) -> Self {
        let mut sites: Vec<SiteIndex> = sites.chain(self.changed().iter().copied()).collect();
        sites.sort_unstable();
        sites.dedup();
        let changed = (!sites.is_empty()).then(|| {
            let mut bits = vec![0; next.sites.len().div_ceil(64)];
            sites.iter().for_each(|site| bits[site.0 as usize / 64] |= 1 << (site.0 % 64));
            let rows = sites.iter().map(|site| Arc::clone(&next.sites[site.0 as usize])).collect();
            Changed {
                bits,
                index: FenceIndex::build(&Reference { sites: rows, ..Reference::default() }),
                sites,
            }
        });
        Self { base: Arc::clone(&self.base), changed }
    }

    /// The sites whose fences are not in the base, sorted.
    pub(crate) fn changed(&self) -> &[SiteIndex] {
        self.changed.as_ref().map_or(&[], |changed| &changed.sites)
    }

    /// See [`FenceIndex::signed_metres`].
    #[inline]
    pub(crate) fn signed_metres(&self, site: SiteIndex, here: &Here) -> f64 {
        let (index, site) = self.find(site);
        index.signed_metres(site, here)
    }

    /// See [`FenceIndex::metres_at_least`].
    #[inline]
    pub(crate) fn metres_at_least(&self, site: SiteIndex, here: &Here) -> f64 {
        let (index, site) = self.find(site);
        index.metres_at_least(site, here)
    }

    /// See [`FenceIndex::within`].
    #[inline]
    pub(crate) fn within(&self, here: &Here, radius_m: f64, mut visit: impl FnMut(SiteIndex)) {
        let Some(changed) = &self.changed else { return self.base.within(here, radius_m, visit) };
        self.base.within(here, radius_m, |site| {
            if !changed.holds(site) {
                visit(site);
            }
        });
        changed.index.within(here, radius_m, |site| visit(changed.sites[site.0 as usize]));
    }

    /// See [`FenceIndex::fetch_slot`]. What changed is little and stays in the caches: nothing of it is asked for ahead.
    #[inline]
    pub(crate) fn fetch_slot(&self, here: &Here) {
        self.base.fetch_slot(here);
    }

    /// See [`FenceIndex::fetch_entries`].
    #[inline]
    pub(crate) fn fetch_entries(&self, here: &Here) {
        self.base.fetch_entries(here);
    }

    /// See [`FenceIndex::fetch_row`].
    #[inline]
    pub(crate) fn fetch_row(&self, site: SiteIndex) {
        self.base.fetch_row(site);
    }

    /// See [`FenceIndex::has_outlines`].
    #[inline]
    pub(crate) fn has_outlines(&self) -> bool {
        self.base.has_outlines()
    }

    /// See [`FenceIndex::fetch_outline`].
    #[inline]
    pub(crate) fn fetch_outline(&self, site: SiteIndex) {
        self.base.fetch_outline(site);
    }

    /// The index that knows the site's fence, and the site's place in it.
    #[inline]
    fn find(&self, site: SiteIndex) -> (&FenceIndex, SiteIndex) {
        match &self.changed {
            Some(changed) if changed.holds(site) => (&changed.index, changed.place(site)),
            _ => (&self.base, site),
        }
    }
}

impl Changed {
    #[inline]
    fn holds(&self, site: SiteIndex) -> bool {
        self.bits[site.0 as usize / 64] >> (site.0 % 64) & 1 == 1
    }

    /// The place of a site that it holds.
    fn place(&self, site: SiteIndex) -> SiteIndex {
        SiteIndex(self.sites.partition_point(|other| *other < site) as u32)
    }
}
