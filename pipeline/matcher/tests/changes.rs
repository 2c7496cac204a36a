//! An index that took changes up, against one built anew from the same snapshot; alone, and while others match by it.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "test code outside of `#[test]` functions")]

mod support;

use std::collections::BTreeMap;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};

use matcher::{Scratch, SiteIndex};
use model::{Batch, DueBatch, Reference, Site, Verdicts};
use support::town::{CENTRES, Town, random_site};
use support::{Numbers, site};

const SITES: usize = 60;

/// The snapshot with some of its sites changed; who is shared and listed where changes with them.
fn changed(numbers: &mut Numbers, town: &Town, before: &Reference, step: usize) -> Reference {
    let spread = 60.0 * (SITES as f64).sqrt();
    let mut next = Reference { version: format!("step {step}").into(), ..before.clone() };
    for _ in 0..=numbers.below(4) {
        let (at, other) = (numbers.below(SITES), numbers.below(SITES));
        let (old, id) = (Arc::clone(&next.sites[at]), numbers.below(10_000));
        let new = random_site(numbers, town.centre, spread, id);
        let after = match numbers.below(6) {
            0 => Site { site_id: old.site_id.clone(), ..new },
            1 => Site { fence: new.fence, ..(*old).clone() },
            2 => {
                Site { bssids: new.bssids, beacons: new.beacons, terminals: new.terminals, ..(*old).clone() }
            }
            3 => Site {
                bssids: next.sites[other].bssids.iter().chain(&old.bssids).copied().collect(),
                terminals: next.sites[other].terminals.clone(),
                ..(*old).clone()
            },
            4 => Site { site_id: old.site_id.clone(), ..site("", old.fence.clone()) },
            _ => Site { tolerance_m: new.tolerance_m, valid_from: new.valid_from, ..(*old).clone() },
        };
        next.sites[at] = Arc::new(after);
    }
    next
}

fn matched(index: &SiteIndex, reference: &Reference, batch: &Batch, due: &DueBatch) -> Verdicts {
    let mut out = Verdicts::default();
    index.match_batch(reference, batch, due, &mut Scratch::default(), &mut out);
    out
}

#[track_caller]
fn assert_same(told: &Verdicts, expected: &Verdicts, context: &str) {
    for (at, (told, expected)) in told.rows.iter().zip(&expected.rows).enumerate() {
        assert_eq!(told, expected, "{context}, punch {at}");
    }
    assert_eq!(told.candidates, expected.candidates, "{context}");
    assert_eq!(told.rows.len(), expected.rows.len(), "{context}");
}

#[test]
fn an_index_with_changes_answers_as_one_built_anew() {
    let mut numbers = Numbers::new(20_261_123);
    let (mut moved, mut beside) = (0, 0);
    for centre in CENTRES.iter().cycle().take(3 * CENTRES.len()) {
        let town = Town::random(&mut numbers, *centre, SITES, 150);
        let mut reference = town.reference.clone();
        let mut index = SiteIndex::build(&reference);
        let mut before = matched(&index, &reference, &town.batch, &town.due);
        for step in 0..12 {
            let next = changed(&mut numbers, &town, &reference, step);
            index = index.with_changes(&reference, &next).expect("few sites changed");
            reference = next;
            let told = matched(&index, &reference, &town.batch, &town.due);
            let expected = matched(&SiteIndex::build(&reference), &reference, &town.batch, &town.due);
            assert_same(&told, &expected, &format!("around {centre:?}, step {step}"));
            moved += told.rows.iter().zip(&before.rows).filter(|(a, b)| a != b).count();
            before = told;
        }
        beside += index.changes();
    }
    println!(
        "{moved} verdicts differ from those of the snapshot before; {beside} changes were carried at the end"
    );
    assert!(moved > 500 && beside > 200, "changes change something: {moved}, {beside}");
}

#[test]
fn building_on_two_threads_answers_alike() {
    let mut numbers = Numbers::new(2);
    let town = Town::random(&mut numbers, CENTRES[0], SITES, 150);
    let one = matched(&SiteIndex::build(&town.reference), &town.reference, &town.batch, &town.due);
    let two = matched(&SiteIndex::build_on_two(&town.reference), &town.reference, &town.batch, &town.due);
    assert_same(&two, &one, "on two threads");
}

#[test]
fn other_sites_take_a_new_base() {
    let mut numbers = Numbers::new(3);
    let town = Town::random(&mut numbers, CENTRES[0], SITES, 1);
    let (before, index) = (&town.reference, SiteIndex::build(&town.reference));
    let with = |change: &dyn Fn(&mut Reference)| {
        let mut next = before.clone();
        change(&mut next);
        index.with_changes(before, &next).map(|index| index.changes())
    };
    assert_eq!(with(&|_| ()), Some(0), "nothing changed");
    assert_eq!(with(&|next| next.sites.truncate(SITES - 1)), None, "a site is gone");
    assert_eq!(with(&|next| next.sites.swap(0, 1)), None, "another order");
    let renamed = |next: &mut Reference| Arc::make_mut(&mut next.sites[7]).site_id = "new".into();
    assert_eq!(with(&renamed), None, "another site in its place");
    let moved = |next: &mut Reference| {
        let site = random_site(&mut Numbers::new(4), CENTRES[1], 100.0, 0);
        Arc::make_mut(&mut next.sites[7]).fence = site.fence;
    };
    assert_eq!(with(&moved), Some(1), "a moved fence");
}

/// Two threads match without a pause while the snapshot in force changes under them: each batch is judged as by an index
/// built from the one snapshot that it took, and every snapshot judges some.
#[test]
fn a_swap_under_load_never_mixes_snapshots() {
    let mut numbers = Numbers::new(5);
    let town = Town::random(&mut numbers, CENTRES[0], SITES, 200);
    let first = Arc::new(town.reference.clone());
    let built = SiteIndex::build(&first);
    let in_force = Mutex::new(Arc::new((Arc::clone(&first), built)));
    let (said, heard) = sync_channel(8);
    let mut snapshots = BTreeMap::from([(first.version.clone(), first)]);
    let take = || Arc::clone(&in_force.lock().unwrap());
    let (take, batch, due) = (&take, &town.batch, &town.due);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let said = said.clone();
            scope.spawn(move || {
                let (mut scratch, mut out) = (Scratch::default(), Verdicts::default());
                loop {
                    let world = take();
                    world.1.match_batch(&world.0, batch, due, &mut scratch, &mut out);
                    if said.send((world.0.version.clone(), out.clone())).is_err() {
                        return;
                    }
                }
            });
        }
        for step in 0..30 {
            let world = take();
            let next = Arc::new(changed(&mut numbers, &town, &world.0, step));
            let index = world.1.with_changes(&world.0, &next).expect("few sites changed");
            snapshots.insert(next.version.clone(), Arc::clone(&next));
            *in_force.lock().unwrap() = Arc::new((Arc::clone(&next), index));
            loop {
                let (version, told) = heard.recv().unwrap();
                let reference = &snapshots[&version];
                let expected = matched(&SiteIndex::build(reference), reference, batch, due);
                assert_same(&told, &expected, &version);
                if version == next.version {
                    break;
                }
            }
        }
        drop(heard);
    });
}
