//! One reference snapshot with the indexes built from it: what a batch is judged by, swapped as a whole.
//!
//! In: a validated `Reference`.  Out: the same, with a roster and a site index.  Owns: the three, immutable; what two
//! snapshots have in common their worlds share.
//! Invariants: I-9 roster, index and reference are of one snapshot, kept by construction; a batch takes one `World`.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;

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
    /// Builds the indexes: roster, fences and radios, each on a thread.
    pub fn new(reference: Arc<Reference>) -> Self {
        thread::scope(|scope| {
            let roster = scope.spawn(|| Roster::new(Arc::clone(&reference)));
            let sites = SiteIndex::build_on_two(&reference);
            let roster = roster.join().unwrap_or_else(|panic| resume_unwind(panic));
            Self { roster: Arc::new(roster), sites, reference: Arc::clone(&reference) }
        })
    }

    /// The world of the snapshot that comes after this one; built anew is only what a few changed sites do not leave as it
    /// was.
    pub fn followed_by(&self, next: Arc<Reference>) -> Self {
        thread::scope(|scope| {
            let of_sites = self.roster.with_sites_of(&next);
            let build = || {
                let roster = Roster::new(Arc::clone(&next));
                roster.prepare_like(&self.roster);
                roster
            };
            let roster = of_sites.is_none().then(|| scope.spawn(build));
            let sites = self.sites.with_changes(&self.reference, &next);
            let sites = sites.unwrap_or_else(|| SiteIndex::build_on_two(&next));
            let built = roster.map(|roster| roster.join().unwrap_or_else(|panic| resume_unwind(panic)));
            let roster = of_sites.or(built).expect("a roster is built where none could be taken over");
            Self { roster: Arc::new(roster), sites, reference: Arc::clone(&next) }
        })
    }

    /// The same world over `base`, an index of the earlier snapshot `of`; `None` if too much changed since.
    pub fn rebased(&self, base: &SiteIndex, of: &Reference) -> Option<Self> {
        let sites = base.with_changes(of, &self.reference)?;
        Some(Self { sites, roster: Arc::clone(&self.roster), reference: Arc::clone(&self.reference) })
    }
}
