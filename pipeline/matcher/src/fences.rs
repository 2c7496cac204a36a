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

use crate::cell_grid::{Cell, Level, Near, Span};
use crate::cells::Position;
use crate::distance::Spot;
use crate::fence_index::{FenceIndex, Here};
use crate::plain_sites::PlainSites;

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
    pub(crate) fn build(reference: &Reference, plain: &PlainSites) -> Self {
        Self { base: Arc::new(FenceIndex::build(reference, plain)), changed: None }
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
            let few = Reference { sites: rows, ..Reference::default() };
            Changed { bits, index: FenceIndex::build(&few, &PlainSites::build(&few)), sites }
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

    /// See [`FenceIndex::circle`].
    #[inline]
    pub(crate) fn circle(&self, site: SiteIndex) -> (Spot, f64) {
        let (index, site) = self.find(site);
        index.circle(site)
    }

    /// See [`FenceIndex::levels`]; those of the base. What changed is little and stays in the caches: nothing of it is
    /// asked for ahead.
    #[inline]
    pub(crate) fn levels(&self) -> &[Level] {
        self.base.levels()
    }

    /// See [`FenceIndex::near`].
    #[inline]
    pub(crate) fn near(
        &self,
        at: Position,
        cell: impl Fn(usize, &Level) -> Cell,
        span: Span,
        near: &mut Vec<Near>,
    ) -> bool {
        let from = near.len();
        let is_unsure = self.base.near(at, cell, span, near);
        match &self.changed {
            Some(changed) => changed.near(at, span, near, from) | is_unsure,
            None => is_unsure,
        }
    }

    /// See [`FenceIndex::window`].
    pub(crate) fn window(&self, here: &Here, radius_m: f64, visit: &mut impl FnMut(SiteIndex, f64, f64)) {
        let Some(changed) = &self.changed else { return self.base.window(here, radius_m, visit) };
        self.base.window(here, radius_m, &mut |site, low_m, high_m| {
            if !changed.holds(site) {
                visit(site, low_m, high_m);
            }
        });
        let visit =
            &mut |site: SiteIndex, low_m, high_m| visit(changed.sites[site.0 as usize], low_m, high_m);
        changed.index.window(here, radius_m, visit);
    }

    /// See [`FenceIndex::fetch_row`].
    #[inline]
    pub(crate) fn fetch_row(&self, site: SiteIndex) {
        self.base.fetch_row(site);
    }

    /// See [`FenceIndex::may_repeat`].
    #[inline]
    pub(crate) fn may_repeat(&self) -> bool {
        self.base.may_repeat() || self.changed.as_ref().is_some_and(|changed| changed.index.may_repeat())
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
    /// Puts what is near as the fences are now in place of what the base has behind `from`.
    #[cold]
    fn near(&self, at: Position, span: Span, near: &mut Vec<Near>, from: usize) -> bool {
        let mut kept = from;
        for place in from..near.len() {
            if !self.holds(near[place].site) {
                near[kept] = near[place];
                kept += 1;
            }
        }
        near.truncate(kept);
        let cell = |_, level: &Level| level.cell_at_once(at);
        let is_unsure = self.index.near(at, cell, span, near);
        near[kept..].iter_mut().for_each(|near| near.site = self.sites[near.site.0 as usize]);
        is_unsure
    }

    #[inline]
    fn holds(&self, site: SiteIndex) -> bool {
        self.bits[site.0 as usize / 64] >> (site.0 % 64) & 1 == 1
    }

    /// The place of a site that it holds.
    fn place(&self, site: SiteIndex) -> SiteIndex {
        SiteIndex(self.sites.partition_point(|other| *other < site) as u32)
    }
}
