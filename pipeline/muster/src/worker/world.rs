//! One reference snapshot with the indexes built from it: what a batch is judged by, swapped as a whole.
//!
//! In: a validated `Reference`.  Out: the same, with a roster and a site index.  Owns: the three, immutable.
//! Invariants: I-9 roster, index and reference are of one snapshot, kept by construction; a batch takes one `World`.

use std::sync::Arc;

use attendance::Roster;
use matcher::SiteIndex;
use model::Reference;

/// A snapshot and its indexes.
pub struct World {
    /// The snapshot.
    pub reference: Arc<Reference>,
    /// Who is due where.
    pub roster: Arc<Roster>,
    /// Which site is where.
    pub sites: SiteIndex,
}

impl World {
    /// Builds the indexes.
    pub fn new(reference: Arc<Reference>) -> Self {
        let sites = SiteIndex::build(&reference);
        Self { roster: Arc::new(Roster::new(Arc::clone(&reference))), sites, reference }
    }
}
