//! The front door: an index over one snapshot's sites, and the loop that gives each punch of a batch its verdict.
//!
//! In: `Batch`, `DueBatch`, the `Reference` the index was built from.  Out: `Verdicts`, one row per punch, in order.
//! Owns: [`SiteIndex`], immutable, its base shared between snapshots that differ little; [`Scratch`], the caller's, reused from batch to batch.
//! Absent on purpose: locks, clocks, allocation once warm, anything carried from one punch to the next.
//! Invariants: index and reference are of one snapshot and there is one `Due` per punch, both asserted at the batch's
//! border; candidates are sorted by `site_id`, kept by `ranks`.

use std::sync::Arc;

use model::{
    Batch, Due, DueBatch, EvidenceRule, Place, Punch, Reason, Reference, Site, SiteIndex as SiteAt, Verdict,
    Verdicts,
};

use crate::evidence::{Evidence, Heard, World};
use crate::fences::Fences;
use crate::fusion::{Fused, fuse, fuse_fix};
use crate::nearby::{GROUP, Nearby, Told};
use crate::nearest::distance_m;
use crate::plain_sites::{PlainSites, is_plain};
use crate::radios::Radios;

/// An immutable index over the sites of one snapshot. Keep it beside that `Reference` and swap both at once.
#[derive(Debug)]
pub struct SiteIndex {
    version: Arc<str>,
    fences: Fences,
    radios: Radios,
    plain: PlainSites,
    /// The place of each site in the order of `site_id`.
    ranks: Arc<[u32]>,
}

/// Beyond so many changed fences and listings, or beyond one in [`CHANGES_ONE_IN`] sites if that is more, a new base is
/// worth building: each further change takes all earlier ones up again.
const CHANGES_MAX: usize = 4_096;
const CHANGES_ONE_IN: usize = 64;

/// Working memory of [`SiteIndex::match_batch`]: make one per thread and hand it in again.
#[derive(Debug, Default)]
pub struct Scratch {
    heard: Heard,
    nearby: Nearby,
    evidence: Evidence,
    sites: Vec<SiteAt>,
}

impl SiteIndex {
    /// Indexes the sites of `reference` on one thread.
    ///
    /// # Panics
    /// If there are 2³¹ sites or more, or 2³² access points or more.
    pub fn build(reference: &Reference) -> Self {
        let plain = PlainSites::build(reference);
        let fences = Fences::build(reference, &plain);
        Self::join(reference, plain, fences, Radios::build(reference))
    }

    /// [`Self::build`] on two threads, one for the fences and one for the radios.
    ///
    /// # Panics
    /// As [`Self::build`].
    pub fn build_on_two(reference: &Reference) -> Self {
        let plain = PlainSites::build(reference);
        let (fences, radios) = std::thread::scope(|scope| {
            let fences = scope.spawn(|| Fences::build(reference, &plain));
            let radios = Radios::build(reference);
            (fences.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), radios)
        });
        Self::join(reference, plain, fences, radios)
    }

    fn join(reference: &Reference, plain: PlainSites, fences: Fences, radios: Radios) -> Self {
        let (version, ranks) = (reference.version.clone(), ranks(&reference.sites));
        Self { version, fences, radios, plain, ranks }
    }

    /// The index of `next`, where that differs from `previous`, the snapshot of this index, in few sites: it answers as one
    /// built from `next` would, and is made in the time that the changed sites take and a look at each site's address.
    /// `None` where it has to be built: other sites or another order of them, or more changes than are worth carrying.
    ///
    /// A site is taken for unchanged if both snapshots share it.
    ///
    /// # Panics
    /// If `previous` is not the snapshot of this index.
    pub fn with_changes(&self, previous: &Reference, next: &Reference) -> Option<Self> {
        assert_eq!(self.version, previous.version, "the site index was built from another snapshot");
        let pairs = || previous.sites.iter().zip(&next.sites);
        if previous.sites.len() != next.sites.len() {
            return None;
        }
        let is_changed = |(_, (before, after)): &(u32, (&Arc<_>, &Arc<_>))| !Arc::ptr_eq(before, after);
        let changed: Vec<SiteAt> = match previous.sites.is_shared_with(&next.sites) {
            true => Vec::new(),
            false => (0..).zip(pairs()).filter(is_changed).map(|(at, _)| SiteAt(at)).collect(),
        };
        let site = |at: &SiteAt| (previous.site(*at), next.site(*at));
        let is_same_site = |at: &SiteAt| site(at).0.site_id == site(at).1.site_id;
        if changed.len() > changes_max(next.sites.len()) || !changed.iter().all(is_same_site) {
            return None;
        }
        let changed = || changed.iter().copied();
        let has_other_fence = |at: &SiteAt| {
            let (before, after) = site(at);
            // A cell is sure of plain sites only, whenever it asks.
            before.fence != after.fence
                || before.tolerance_m != after.tolerance_m
                || is_plain(before) != is_plain(after)
        };
        Some(Self {
            version: next.version.clone(),
            fences: self.fences.with_changes(next, changed().filter(has_other_fence)),
            radios: self.radios.with_changes(previous, next, changed()),
            plain: self.plain.with_changes(next, changed()),
            ranks: Arc::clone(&self.ranks),
        })
    }

    /// How many fences and listings are looked up beside the base: those that changed since it was built.
    pub fn changes(&self) -> usize {
        self.fences.changed().len() + self.radios.changed()
    }

    /// Whether so much changed since the base was built that the snapshot should be indexed anew.
    pub fn is_worth_rebuilding(&self) -> bool {
        self.changes() > changes_max(self.ranks.len())
    }

    /// Puts one verdict per punch of `batch` into `out`, in the batch's order; what `out` held before is dropped.
    /// `reference` is the snapshot this index was built from, `due` has one row per punch.
    ///
    /// # Panics
    /// If `reference` is of another snapshot, or `due` has another number of rows than `batch` has punches.
    pub fn match_batch(
        &self,
        reference: &Reference,
        batch: &Batch,
        due: &DueBatch,
        scratch: &mut Scratch,
        out: &mut Verdicts,
    ) {
        assert_eq!(self.version, reference.version, "the site index was built from another snapshot");
        assert_eq!(self.ranks.len(), reference.sites.len(), "the site index was built from another snapshot");
        assert_eq!(batch.punches.len(), due.rows.len(), "one due row per punch");
        out.clear();
        let world = World { fences: &self.fences, radios: &self.radios, plain: &self.plain, reference };
        scratch.heard.read(&self.radios, batch);
        for (punches, rows) in batch.punches.chunks(GROUP).zip(due.rows.chunks(GROUP)) {
            scratch.nearby.read(world, punches, due, rows);
            for (place, (punch, row)) in punches.iter().zip(rows).enumerate() {
                let nearby = scratch.nearby.of(place);
                let rule = reference.policy(row.policy).evidence;
                let fused = match nearby {
                    Some((fix, near)) if is_alone(punch, row, rule) => {
                        let policy = reference.policy(row.policy);
                        let says =
                            |told: &Told| (told.site, told.place(world, fix, policy, punch.occurred_at));
                        let fused = fuse_fix(near.iter().map(says), row.scheduled, &mut scratch.sites);
                        Fused { reasons: fused.reasons.union(fix.reasons), ..fused }
                    }
                    _ => {
                        scratch.evidence.read(world, (batch, &scratch.heard), punch, row, nearby);
                        let fused = fuse(&scratch.evidence, rule, row.scheduled, &mut scratch.sites);
                        Fused { reasons: fused.reasons.union(scratch.evidence.reasons), ..fused }
                    }
                };
                let distance_m =
                    nearby.and_then(|nearby| distance_m(world, nearby, due, row, punch.occurred_at));
                let verdict = self.verdict(fused, distance_m, due, row, &mut scratch.sites, out);
                out.rows.push(verdict);
            }
        }
    }

    /// `sites` are those that remain.
    #[inline]
    fn verdict(
        &self,
        fused: Fused,
        distance_m: Option<f64>,
        batch: &DueBatch,
        due: &Due,
        sites: &mut [SiteAt],
        out: &mut Verdicts,
    ) -> Verdict {
        let mut reasons = fused.reasons;
        if due.person.is_none() {
            reasons.insert(Reason::UnknownEmployee);
        }
        let from = out.candidates.len() as u32;
        let site = match sites {
            [] => None,
            [site] => Some(*site),
            several => {
                several.sort_unstable_by_key(|site| self.ranks[site.0 as usize]);
                out.candidates.extend_from_slice(several);
                None
            }
        };
        if site.is_some_and(|site| !batch.permits(due, site)) {
            reasons.insert(Reason::NotPermittedSite);
        }
        debug_assert!(site.is_none() || matches!(fused.place, Place::Inside | Place::Uncertain));
        let candidates = from..out.candidates.len() as u32;
        Verdict { place: fused.place, site, candidates, evidence: fused.evidence, distance_m, reasons }
    }
}

/// How many changes an index carries beside its base.
fn changes_max(sites: usize) -> usize {
    CHANGES_MAX.max(sites / CHANGES_ONE_IN)
}

/// The place of each site in the order of `site_id`.
fn ranks(sites: &[Arc<Site>]) -> Arc<[u32]> {
    let count = u32::try_from(sites.len()).expect("a snapshot holds fewer than 2^32 sites");
    let mut order: Vec<u32> = (0..count).collect();
    order.sort_by(|a, b| sites[*a as usize].site_id.cmp(&sites[*b as usize].site_id));
    let mut ranks = vec![0; sites.len()];
    for (rank, site) in order.into_iter().enumerate() {
        ranks[site as usize] = rank as u32;
    }
    ranks.into()
}

/// Whether a punch brings nothing but its fix, and nothing else is asked for: most of those made where no radio is listed.
#[inline]
fn is_alone(punch: &Punch, due: &Due, rule: EvidenceRule) -> bool {
    let is_silent = punch.wifi.is_empty() && punch.beacons.is_empty() && punch.wifi_ignored == 0;
    let claims_nothing = punch.device_id.is_empty() && punch.site_claim.is_empty();
    is_silent && claims_nothing && due.field.is_none() && rule == EvidenceRule::Any
}
