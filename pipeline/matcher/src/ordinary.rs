//! Decides the ordinary punch at once: a usable fix, radios of one site or none, and nothing else that counts.
//!
//! In: one punch with its batch, where its person was due, the sites near its fix.  Out: what `fusion` would make of it, for
//! less; `None` where all evidence has to be weighed.  Absent on purpose: lists, but where several sites remain.
//! Invariants: the answer is that of `evidence` and `fusion` (`ordinary_punches_are_decided_as_all_others`).
//! Why so: nearly all punches are of this kind. What is left of the contract's rules for them: radios that one site lists name
//! that site, and its fence agrees, is silent, or contradicts; without radios the fences that hold the fix remain, else those
//! in reach, and the shift settles which of several.

use model::{Batch, Due, EvidenceRule, EvidenceSet, Place, Punch, Reason, Reasons, SiteIndex};

use crate::cell_grid::{Near, Seen};
use crate::evidence::{Heard, Scan, World, sole};
use crate::fixes::Good;
use crate::fusion::Fused;

/// What remains of an ordinary punch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decided {
    pub(crate) fused: Fused,
    /// The one site that remains.
    pub(crate) site: Option<SiteIndex>,
    /// Whether several remain: `sites` holds them.
    pub(crate) is_ambiguous: bool,
}

/// Decides a punch with a usable fix, `near` being the sites near it, if it is an ordinary one.
#[inline]
pub(crate) fn decide(
    world: World<'_>,
    (batch, heard): (&Batch, &Heard),
    (punch, due): (&Punch, &Due),
    (good, near): (&Good, &[Near]),
    sites: &mut Vec<SiteIndex>,
) -> Option<Decided> {
    let policy = world.reference.policy(due.policy);
    if !is_ordinary(world, (batch, heard), (punch, due), policy.evidence) {
        return None;
    }
    let mut reasons = good.reasons;
    if !punch.wifi.is_empty() {
        match sole(world, batch.wifi(punch), heard.wifi(punch), policy.wifi_age_max_ms) {
            Scan::Nobody => reasons.insert(Reason::BssidUnknown),
            Scan::Site(site, true) => {
                let told = near.iter().find(|told| told.site == site);
                return Some(by_radio(site, told.map_or(Place::Outside, Near::place), reasons));
            }
            Scan::Site(_, false) => reasons.insert(Reason::WifiStale),
            Scan::Mixed => return None,
        }
    }
    Some(by_fix(near, due.scheduled, reasons, sites))
}

/// Whether a fix and access points are all that counts.
#[inline]
fn is_ordinary(
    world: World<'_>,
    (batch, heard): (&Batch, &Heard),
    (punch, due): (&Punch, &Due),
    rule: EvidenceRule,
) -> bool {
    let claims_nothing = punch.site_claim.is_empty() && punch.wifi_ignored == 0 && due.field.is_none();
    claims_nothing
        && rule == EvidenceRule::Any
        && (punch.device_id.is_empty() || world.radios.terminal(batch.text(punch.device_id)).is_empty())
        && (punch.beacons.is_empty() || heard.beacons(punch).iter().all(|listed| listed.is_nobody()))
}

/// By fresh radios that all name one site, whose fence says `says`.
#[inline]
fn by_radio(site: SiteIndex, says: Place, mut reasons: Reasons) -> Decided {
    let evidence = match says {
        Place::Inside => EvidenceSet::WIFI.with(EvidenceSet::GPS),
        _ => EvidenceSet::WIFI,
    };
    if says == Place::Outside {
        reasons.insert(Reason::ContradictionWifiGps);
    }
    let fused = Fused { place: Place::Inside, evidence, reasons };
    Decided { fused, site: Some(site), is_ambiguous: false }
}

/// By the fix alone.
#[inline]
fn by_fix(
    near: &[Near],
    scheduled: Option<SiteIndex>,
    mut reasons: Reasons,
    sites: &mut Vec<SiteIndex>,
) -> Decided {
    // By what fences say: how many say so, the last that does, and whether the scheduled site's does. Whatever they say, the
    // same is done, as nobody could foresee it.
    let (mut count, mut last, mut has_scheduled) = ([0_u32; 4], [SiteIndex(0); 4], [false; 4]);
    for near in near {
        let says = near.seen as usize;
        count[says] += 1;
        last[says] = near.site;
        has_scheduled[says] |= scheduled == Some(near.site);
    }
    let (place, seen) = match (count[Seen::Inside as usize], count[Seen::Between as usize]) {
        (0, 0) => (Place::Outside, Seen::Inside),
        (0, _) => (Place::Uncertain, Seen::Between),
        _ => (Place::Inside, Seen::Inside),
    };
    let site = match count[seen as usize] {
        0 => None,
        1 => Some(last[seen as usize]),
        _ => scheduled.filter(|_| has_scheduled[seen as usize]),
    };
    let is_ambiguous = count[seen as usize] > 1 && site.is_none();
    if is_ambiguous {
        reasons.insert(Reason::AmbiguousSite);
        sites.clear();
        sites.extend(near.iter().filter(|near| near.seen == seen).map(|near| near.site));
    }
    Decided { fused: Fused { place, evidence: EvidenceSet::GPS, reasons }, site, is_ambiguous }
}
