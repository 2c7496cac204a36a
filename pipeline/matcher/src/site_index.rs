//! The front door: an index over one snapshot's sites, and the loop that gives each punch of a batch its verdict.
//!
//! In: `Batch`, `DueBatch`, the `Reference` the index was built from.  Out: `Verdicts`, one row per punch, in order.
//! Owns: [`SiteIndex`], immutable; [`Scratch`], the caller's, reused from batch to batch.
//! Absent on purpose: locks, clocks, allocation once warm, anything carried from one punch to the next.
//! Invariants: index and reference are of one snapshot and there is one `Due` per punch, both asserted at the batch's
//! border; candidates are sorted by `site_id`, kept by `ranks`.

use model::{
    Batch, Due, DueBatch, EvidenceRule, Place, Punch, Reason, Reference, SiteIndex as SiteAt, Verdict,
    Verdicts,
};

use crate::evidence::{Evidence, Heard, World};
use crate::fence_index::FenceIndex;
use crate::fusion::{Fused, fuse, fuse_fix};
use crate::nearby::{GROUP, Nearby, Told};
use crate::nearest::distance_m;
use crate::plain_sites::PlainSites;
use crate::radio_index::RadioIndex;

/// An immutable index over the sites of one snapshot. Keep it beside that `Reference` and swap both at once.
#[derive(Debug)]
pub struct SiteIndex {
    version: std::sync::Arc<str>,
    fences: FenceIndex,
    radios: RadioIndex,
    plain: PlainSites,
    /// The place of each site in the order of `site_id`.
    ranks: Vec<u32>,
}

/// Working memory of [`SiteIndex::match_batch`]: make one per thread and hand it in again.
#[derive(Debug, Default)]
pub struct Scratch {
    heard: Heard,
    nearby: Nearby,
    evidence: Evidence,
    sites: Vec<SiteAt>,
}

impl SiteIndex {
    /// Indexes the sites of `reference`.
    ///
    /// # Panics
    /// If there are 2³² sites or more.
    pub fn build(reference: &Reference) -> Self {
        let sites = &reference.sites;
        let count = u32::try_from(sites.len()).expect("a snapshot holds fewer than 2^32 sites");
        let mut order: Vec<u32> = (0..count).collect();
        order.sort_by(|a, b| sites[*a as usize].site_id.cmp(&sites[*b as usize].site_id));
        let mut ranks = vec![0; sites.len()];
        for (rank, site) in order.into_iter().enumerate() {
            ranks[site as usize] = rank as u32;
        }
        let plain = PlainSites::build(reference);
        Self {
            version: reference.version.clone(),
            fences: FenceIndex::build(reference, &plain),
            radios: RadioIndex::build(reference),
            plain,
            ranks,
        }
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

/// Whether a punch brings nothing but its fix, and nothing else is asked for: most of those made where no radio is listed.
#[inline]
fn is_alone(punch: &Punch, due: &Due, rule: EvidenceRule) -> bool {
    let is_silent = punch.wifi.is_empty() && punch.beacons.is_empty() && punch.wifi_ignored == 0;
    let claims_nothing = punch.device_id.is_empty() && punch.site_claim.is_empty();
    is_silent && claims_nothing && due.field.is_none() && rule == EvidenceRule::Any
}
