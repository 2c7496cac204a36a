//! Tells in one bit whether a site counts at all times and has no tolerance of its own.
//!
//! In: the sites of one snapshot.  Out: a bit a site.  Owns: the bits.
//! Why so: nearly all sites are plain, and a bit a site stays in the caches where rows of hundreds of bytes do not: only for
//! the others is the row itself read.

use model::{Reference, Site, SiteIndex};

use crate::processor::prefetch;

/// Which sites of one snapshot are plain.
#[derive(Clone, Debug)]
pub(crate) struct PlainSites(Vec<u64>);

impl PlainSites {
    pub(crate) fn build(reference: &Reference) -> Self {
        let words = reference.sites.chunks(64).map(|sites| {
            sites.iter().enumerate().fold(0, |word, (bit, site)| word | u64::from(is_plain(site)) << bit)
        });
        Self(words.collect())
    }

    /// Those of `next`, which differs from this snapshot in `sites` alone.
    pub(crate) fn with_changes(&self, next: &Reference, sites: impl Iterator<Item = SiteIndex>) -> Self {
        let mut words = self.0.clone();
        for site in sites {
            let (word, bit) = (&mut words[(site.0 / 64) as usize], site.0 % 64);
            *word = *word & !(1 << bit) | u64::from(is_plain(next.site(site))) << bit;
        }
        Self(words)
    }

    /// Asks for the site's bit.
    #[inline]
    pub(crate) fn fetch(&self, site: SiteIndex) {
        prefetch(&self.0, (site.0 / 64) as usize);
    }

    #[inline]
    pub(crate) fn contains(&self, site: SiteIndex) -> bool {
        self.0[(site.0 / 64) as usize] >> (site.0 % 64) & 1 == 1
    }
}

pub(crate) fn is_plain(site: &Site) -> bool {
    site.valid_from.is_none() && site.valid_to.is_none() && site.tolerance_m.is_none()
}
