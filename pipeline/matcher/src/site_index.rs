//! The front door: an index over one snapshot's sites, and the loop that gives each punch of a batch its verdict.
//!
//! In: `Batch`, `DueBatch`, the `Reference` the index was built from.  Out: `Verdicts`, one row per punch, in order.
//! Owns: [`SiteIndex`], immutable, its base shared between snapshots that differ little; [`Scratch`], the caller's, reused from batch to batch.
//! Absent on purpose: locks, clocks, allocation once warm, anything carried from one punch to the next.
//! Invariants: index and reference are of one snapshot and there is one `Due` per punch, both asserted at the batch's
//! border; candidates are sorted by `site_id`, kept by `ranks`.

use std::sync::Arc;

use model::policy::FieldPhoto;
use model::{
    Batch, Due, DueBatch, Origin, PhotoState, Place, Punch, Reason, Reference, Site, SiteIndex as SiteAt,
    Verdict, Verdicts,
};

use crate::evidence::{Evidence, Heard, World};
use crate::fences::Fences;
use crate::fixes::GROUP;
use crate::fusion::{Fused, fuse};
use crate::nearby::Nearby;
use crate::nearest::distance_m;
use crate::ordinary::{Decided, decide};
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

/// Steps that a group of punches takes (`nearby`).
const STEPS: usize = 4;

/// Working memory of [`SiteIndex::match_batch`]: make one per thread and hand it in again.
#[derive(Debug, Default)]
pub struct Scratch {
    heard: Heard,
    /// As many groups as there are steps.
    groups: [Nearby; STEPS],
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
        let world = self.world(reference);
        let Scratch { heard, groups: [newest, second, third, oldest], evidence, sites } = scratch;
        let (mut newest, mut second, mut third, mut oldest) = (newest, second, third, oldest);
        heard.read(&self.radios, batch);
        let group = |n: usize| {
            let place = |n: usize| (n * GROUP).min(batch.punches.len());
            (&batch.punches[place(n)..place(n + 1)], &due.rows[place(n)..place(n + 1)])
        };
        for n in 0..batch.punches.len().div_ceil(GROUP) + STEPS - 1 {
            // The group that is so many steps ahead of the first one; none before the first and behind the last.
            let ahead = |steps: usize| n.checked_sub(steps).map(group).unwrap_or_default();
            let [begun, lined, asked, (punches, rows)] = [0, 1, 2, 3].map(ahead);
            newest.begin(world, begun);
            for at in 0..punches.len().max(asked.1.len()).max(lined.1.len()) {
                if at < lined.1.len() {
                    second.ask_for_lines(world, at);
                }
                if at < asked.1.len() {
                    third.ask_for_more(world, (due, asked.1), at);
                }
                if at < rows.len() {
                    oldest.look(world, rows, at);
                }
            }
            oldest.measure(world, punches, rows);
            for (at, (punch, row)) in punches.iter().zip(rows).enumerate() {
                let told = oldest.told(at);
                let decided = told.and_then(|told| decide(world, (batch, heard), (punch, row), told, sites));
                let decided = decided.unwrap_or_else(|| {
                    evidence.read(world, (batch, heard), punch, row, oldest.of(at));
                    weighed(world, evidence, row, sites)
                });
                let distance_m = told.and_then(|_| distance_of(world, oldest, at, due, (punch, row)));
                let verdict = self.verdict(decided, distance_m, (due, row), sites, out);
                let verdict = with_photo(verdict, reference, (punch, row));
                out.rows.push(verdict);
            }
            (newest, second, third, oldest) = (oldest, newest, second, third);
        }
    }

    pub(crate) const fn world<'a>(&'a self, reference: &'a Reference) -> World<'a> {
        World { fences: &self.fences, radios: &self.radios, plain: &self.plain, reference }
    }

    /// `sites` are those that remain where several do.
    #[inline]
    fn verdict(
        &self,
        decided: Decided,
        distance_m: Option<f64>,
        (batch, due): (&DueBatch, &Due),
        sites: &mut [SiteAt],
        out: &mut Verdicts,
    ) -> Verdict {
        let Decided { fused: Fused { place, evidence, mut reasons }, site, is_ambiguous } = decided;
        if due.person.is_none() {
            reasons.insert(Reason::UnknownEmployee);
        }
        let from = out.candidates.len() as u32;
        if is_ambiguous {
            sites.sort_unstable_by_key(|site| self.ranks[site.0 as usize]);
            out.candidates.extend_from_slice(sites);
        }
        if site.is_some_and(|site| !batch.permits(due, site)) {
            reasons.insert(Reason::NotPermittedSite);
        }
        debug_assert!(site.is_none() || matches!(place, Place::Inside | Place::Uncertain));
        let candidates = from..out.candidates.len() as u32;
        Verdict { place, site, candidates, evidence, distance_m, reasons }
    }
}

/// The verdict with what a field punch lacks of the photo that its policy wants; its place is what it is.
#[inline]
fn with_photo(mut verdict: Verdict, reference: &Reference, (punch, due): (&Punch, &Due)) -> Verdict {
    if punch.origin == Origin::Field && reference.policy(due.policy).field_photo == FieldPhoto::Required {
        let state = punch.photo.state();
        if state != PhotoState::Whole {
            verdict.reasons.insert(Reason::PhotoMissing);
        }
        if state == PhotoState::Malformed {
            verdict.reasons.insert(Reason::PhotoMalformed);
        }
    }
    verdict
}

/// What all evidence of one punch amounts to.
#[inline(never)]
fn weighed(world: World<'_>, evidence: &Evidence, due: &Due, sites: &mut Vec<SiteAt>) -> Decided {
    let rule = world.reference.policy(due.policy).evidence;
    let fused = fuse(evidence, rule, due.scheduled, sites);
    let site = if let [site] = sites[..] { Some(site) } else { None };
    let fused = Fused { reasons: fused.reasons.union(evidence.reasons), ..fused };
    Decided { fused, site, is_ambiguous: sites.len() > 1 }
}

/// Signed metres from the punch's fix to the one site that they are told to.
#[inline]
fn distance_of(
    world: World<'_>,
    group: &Nearby,
    at: usize,
    batch: &DueBatch,
    (punch, due): (&Punch, &Due),
) -> Option<f64> {
    match due.scheduled.and_then(|site| Some((site, group.scheduled_m(at)?))) {
        Some((site, metres)) if world.in_force(site, punch.occurred_at) => Some(metres),
        _ => distance_m(world, group.of(at)?, batch, due, punch.occurred_at),
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
