//! What an owner knows of the identities in one partition.
//!
//! In: filters as the lake makes them; identities accepted or sent to the inbox; cuts.  Out: known, or certainly new.
//! Owns: the identities since the filters' version, some 30 bytes each.
//! Invariants: I-22 an identity leaves `since` only for filters that hold it: those made behind the commit of its cut, kept by
//! [`Identities::learn`].
//! Why so: an identity is remembered when its punch is accepted, before any commit, and until filters cover that commit,
//! whatever the memory floor does meanwhile: a replay passes months between two commits.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use frontier::PartitionFrontier;
use model::NextOffset;
use xorf::{BinaryFuse32, Filter as _};

use super::build::filter;
use super::key::IdentityKey;
use crate::error::Result;

/// Filters over the identities of one partition: everything stored or waiting in the inbox up to one version of `punches`.
#[derive(Clone, Debug)]
pub struct KnownIds {
    version: u64,
    until: PartitionFrontier,
    filters: Vec<Arc<BinaryFuse32>>,
}

impl KnownIds {
    pub(super) fn new(version: u64, until: PartitionFrontier, filters: Vec<Arc<BinaryFuse32>>) -> Self {
        Self { version, until, filters }
    }

    /// What somebody knows who keeps these identities in one filter of their own, made before any version of `punches`.
    ///
    /// # Errors
    /// `Corrupt`: no filter could be made.
    pub fn of(keys: &[IdentityKey]) -> Result<Self> {
        let filter = filter(keys.iter().map(|key| key.get()).collect())?;
        let filters = filter.map(|(filter, _)| filter.into()).into_iter().collect();
        Ok(Self::new(0, PartitionFrontier::START, filters))
    }

    /// Whether the identity may be known; `false` is certain.
    pub fn may_hold(&self, key: IdentityKey) -> bool {
        self.filters.iter().any(|filter| filter.contains(&key.get()))
    }

    /// How many filters are asked.
    pub fn filters(&self) -> usize {
        self.filters.len()
    }
}

/// A key is a hash already.
#[derive(Default)]
struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

/// Identities noted up to a cut.
struct Cut {
    next: NextOffset,
    late: NextOffset,
    keys: Vec<u64>,
}

/// Everything an owner knows of the identities in its partition.
pub struct Identities {
    known: KnownIds,
    since: HashSet<u64, BuildHasherDefault<KeyHasher>>,
    cuts: VecDeque<Cut>,
    open: Vec<u64>,
}

impl std::fmt::Debug for Identities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { known, since, cuts, .. } = self;
        f.debug_struct("Identities")
            .field("version", &known.version)
            .field("since", &since.len())
            .field("cuts", &cuts.len())
            .finish_non_exhaustive()
    }
}

impl Identities {
    /// Knows what the lake knows.
    pub fn new(known: KnownIds) -> Self {
        Self { known, since: HashSet::default(), cuts: VecDeque::new(), open: Vec::new() }
    }

    /// Whether the identity may be known; `false` is certain.
    pub fn may_hold(&self, key: IdentityKey) -> bool {
        self.since.contains(&key.get()) || self.known.may_hold(key)
    }

    /// Notes the identity of a punch that is accepted or sent to the inbox.
    pub fn note(&mut self, key: IdentityKey) {
        if self.since.insert(key.get()) {
            self.open.push(key.get());
        }
    }

    /// Everything noted until now is committed with a frontier of `until` or one behind it.
    pub fn cut(&mut self, until: PartitionFrontier) {
        if !self.open.is_empty() {
            let keys = std::mem::take(&mut self.open);
            self.cuts.push_back(Cut { next: until.next(), late: until.late(), keys });
        }
    }

    /// Takes newer filters, and forgets what they cover. Older ones than known are left.
    pub fn learn(&mut self, known: KnownIds) {
        if known.version < self.known.version {
            return;
        }
        let until = known.until;
        self.known = known;
        let is_covered = |cut: &Cut| cut.next <= until.next() && cut.late <= until.late();
        while let Some(cut) = self.cuts.pop_front_if(|cut| is_covered(cut)) {
            for key in cut.keys {
                self.since.remove(&key);
            }
        }
    }

    /// How many identities are kept beside the filters.
    pub fn since(&self) -> usize {
        self.since.len()
    }
}
