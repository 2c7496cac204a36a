//! Changes that must not change a verdict, and changes that may change it in one direction only.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "test code outside of `#[test]` functions")]

mod support;

use std::sync::Arc;

use model::{
    Batch, Due, DueBatch, EvidenceRule, Fence, FenceRule, NextOffset, Partition, Permitted, Place, Policy,
    Reference, Ring, Site, SiteIndex as SiteAt,
};
use support::town::{CENTRES, Town};
use support::{Numbers, told, verdicts};

fn lines(reference: &Reference, batch: &Batch, due: &DueBatch) -> Vec<String> {
    let verdicts = verdicts(reference, batch, due);
    verdicts.rows.iter().map(|verdict| told(reference, &verdicts, verdict)).collect()
}

/// The town's verdicts stay as they are when its sites are told as `change` tells them.
fn check_unchanged(what: &str, change: impl Fn(&mut Numbers, &Site) -> Site) {
    let mut numbers = Numbers::new(7);
    for centre in CENTRES {
        let town = Town::random(&mut numbers, centre, 40, 120);
        let sites = town.reference.sites.iter().map(|site| change(&mut numbers, site)).collect();
        let changed = lines(&town.with_sites(sites), &town.batch, &town.due);
        for (before, after) in lines(&town.reference, &town.batch, &town.due).iter().zip(&changed) {
            assert_eq!(before, after, "{what} around {centre:?}");
        }
    }
}

/// The site with each ring of its fence changed.
fn with_rings(site: &Site, mut change: impl FnMut(&Ring) -> Ring) -> Site {
    let fence = match &site.fence {
        Fence::Circle { .. } => site.fence.clone(),
        Fence::Polygons(parts) => {
            Fence::Polygons(parts.iter().map(|part| part.iter().map(&mut change).collect()).collect())
        }
    };
    Site { fence, ..site.clone() }
}

#[test]
fn a_turn_of_longitude_changes_nothing() {
    for turns in [-360.0, 360.0, 720.0] {
        check_unchanged("turned", |_, site| {
            with_rings(site, |ring| Ring(ring.0.iter().map(|(lon, lat)| (lon + turns, *lat)).collect()))
        });
    }
}

#[test]
fn rings_may_start_anywhere_and_run_either_way() {
    check_unchanged("rotated", |numbers, site| {
        with_rings(site, |ring| {
            let mut corners = ring.0.clone();
            let start = numbers.below(corners.len());
            corners.rotate_left(start);
            if numbers.one_in(2) {
                corners.reverse();
            }
            Ring(corners)
        })
    });
}

#[test]
fn the_order_of_parts_and_holes_changes_nothing() {
    check_unchanged("parts reversed", |_, site| {
        let Fence::Polygons(parts) = &site.fence else { return site.clone() };
        let mut parts = parts.clone();
        parts.reverse();
        parts.iter_mut().for_each(|part| part.reverse());
        Site { fence: Fence::Polygons(parts), ..site.clone() }
    });
}

#[test]
fn the_order_of_sites_changes_nothing() {
    let mut numbers = Numbers::new(11);
    for centre in CENTRES {
        let mut town = Town::random(&mut numbers, centre, 40, 120);
        let before = lines(&town.reference, &town.batch, &town.due);
        let last = town.reference.sites.len() as u32 - 1;
        let moved = |site: SiteAt| SiteAt(last - site.0);
        town.reference.sites.reverse();
        town.due.sites.iter_mut().for_each(|site| *site = moved(*site));
        town.due.rows.iter_mut().for_each(|row| row.scheduled = row.scheduled.map(moved));
        assert_eq!(before, lines(&town.reference, &town.batch, &town.due), "around {centre:?}");
    }
}

#[test]
fn a_verdict_does_not_depend_on_its_neighbours_in_the_batch() {
    let mut numbers = Numbers::new(13);
    for centre in CENTRES {
        let town = Town::random(&mut numbers, centre, 40, 120);
        let together = lines(&town.reference, &town.batch, &town.due);
        let index = matcher::SiteIndex::build(&town.reference);
        let (mut scratch, mut out) = (matcher::Scratch::default(), model::Verdicts::default());
        let mut backwards = Vec::new();
        for at in (0..town.batch.punches.len()).rev() {
            let mut alone = town.batch.clone();
            alone.punches = vec![town.batch.punches[at].clone()];
            let due = DueBatch { rows: vec![town.due.rows[at].clone()], sites: town.due.sites.clone() };
            index.match_batch(&town.reference, &alone, &due, &mut scratch, &mut out);
            backwards.push(told(&town.reference, &out, &out.rows[0]));
        }
        backwards.reverse();
        assert_eq!(together, backwards, "around {centre:?}");
    }
}

/// A rule that asks for no kind of evidence is that of any kind, but nothing is ordinary under it: all evidence is weighed.
#[test]
fn ordinary_punches_are_decided_as_all_others() {
    let mut numbers = Numbers::new(29);
    for centre in CENTRES {
        let mut town = Town::random(&mut numbers, centre, 60, 400);
        for (at, row) in town.due.rows.iter_mut().enumerate() {
            if at % 2 == 0 {
                *row = Due { field: None, ..row.clone() };
            }
        }
        for (at, punch) in town.batch.punches.iter_mut().enumerate() {
            if at % 3 != 0 {
                (punch.site_claim, punch.wifi_ignored) = (model::Text::default(), 0);
            }
            if at % 3 == 1 {
                (punch.wifi, punch.beacons) = (0..0, 0..0);
            }
        }
        let ruled = |evidence: EvidenceRule| {
            let policies = town.reference.policies.iter();
            let policies = policies.map(|policy| Policy { evidence, ..policy.clone() }).collect();
            Reference { policies, ..town.reference.clone() }
        };
        let ordinary = lines(&ruled(EvidenceRule::Any), &town.batch, &town.due);
        let weighed =
            lines(&ruled(EvidenceRule::Sets([model::EvidenceSet::EMPTY; 4])), &town.batch, &town.due);
        for (ordinary, weighed) in ordinary.iter().zip(&weighed) {
            assert_eq!(ordinary, weighed, "around {centre:?}");
        }
    }
}

#[test]
fn an_empty_batch_and_a_world_without_sites_are_no_trouble() {
    let empty = support::reference(Vec::new(), vec![Policy::default()]);
    let batch = Batch::new(Partition::new(0), NextOffset::START);
    assert!(verdicts(&empty, &batch, &DueBatch::default()).rows.is_empty());
    let mut town = Town::random(&mut Numbers::new(17), CENTRES[0], 5, 50);
    for row in &mut town.due.rows {
        *row = Due { scheduled: None, permitted: Permitted::All, ..row.clone() };
    }
    let bare = town.with_sites(Vec::new());
    for verdict in &verdicts(&bare, &town.batch, &town.due).rows {
        assert_eq!(verdict.site, None);
        assert_eq!(verdict.distance_m, None);
    }
}

/// More tolerance never turns inside to outside, under any rule; what is inside strictly is inside leniently; what the
/// centre does not exclude, leniency with the same tolerance does not. Held over whole verdicts by GPS alone.
#[test]
fn policies_are_ordered() {
    let mut numbers = Numbers::new(19);
    for centre in [CENTRES[0], CENTRES[2], CENTRES[4]] {
        let mut town = Town::random(&mut numbers, centre, 40, 100);
        town.reference.sites.iter_mut().for_each(|site| Arc::make_mut(site).tolerance_m = None);
        town.due.rows.iter_mut().for_each(|row| row.policy = model::PolicyIndex(0));
        let places = |rule: FenceRule, tolerance_m: f64| -> Vec<Place> {
            let evidence = EvidenceRule::Sets([model::EvidenceSet::GPS; 4]);
            let policy = Policy { fence_rule: rule, tolerance_m, evidence, ..Policy::default() };
            let reference = Reference { policies: vec![policy], ..town.reference.clone() };
            verdicts(&reference, &town.batch, &town.due).rows.iter().map(|verdict| verdict.place).collect()
        };
        let tolerances = [0.0, 10.0, 60.0, 200.0];
        for rule in FenceRule::ALL {
            for pair in tolerances.windows(2) {
                for (less, more) in places(*rule, pair[0]).into_iter().zip(places(*rule, pair[1])) {
                    let worse = (less == Place::Inside && more != Place::Inside)
                        || (less == Place::Uncertain && more == Place::Outside);
                    assert!(!worse, "{rule:?} {pair:?}: {less:?} became {more:?}");
                }
            }
        }
        for t in tolerances {
            let lenient = places(FenceRule::Lenient, t);
            for (strict, lenient) in places(FenceRule::Strict, t).into_iter().zip(&lenient) {
                assert!(strict != Place::Inside || *lenient == Place::Inside);
            }
            for (centre, lenient) in places(FenceRule::Centre, t).into_iter().zip(&lenient) {
                assert!(centre == Place::Outside || *lenient != Place::Outside);
            }
        }
    }
}
