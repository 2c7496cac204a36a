//! The whole protocol in small: processes in a group, a log, tables with compare-and-swap, letters, alerts; every state of small
//! worlds, and ten thousand seeds of larger ones. Tests only.
//!
//! In: a seed, or a written world.  Out: the promises P1–P6 held at every step, and, once faults end, that all is as it must be.
//! Owns: nothing.
//! Absent on purpose: time, threads, files: a world is a value, so that a seed gives the same history on every machine.
//! Why so: the machines ([`Attempt`](crate::Attempt), [`Holdings`](crate::Holdings), [`SaidState`](crate::said::SaidState)) are the
//! ones that the program runs. What lies between them in `lake` and `muster` (the order of tables, claiming, folding, letters,
//! alerts) is written here a second time, as small as can be; the program itself is run over the same faults in `muster`.
//!
//! `MUSTER_SIM_SEED=n cargo test -p frontier one_seed -- --nocapture` tells the history of one seed.

// What is told is for a person who looks for the reason.
#![allow(clippy::print_stdout)]

mod dice;
mod jobs;
mod process;
mod records;
mod sinks;
mod work;
mod world;

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use model::Partition;

use dice::Dice;
use records::Scenario;
use world::{Step, World};

/// One rule left out of the processes, to show that a world can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Mutant {
    /// An unclear answer counts as a written entry.
    TakesUnclearForDone,
    /// An unclear answer counts as none: the rows are written again, behind whatever there is.
    WritesAgainUnread,
    /// A commit goes behind whatever there is, not behind what its owner has seen.
    CommitsWithoutPin,
    CommitsRejectsLast,
    CommitsSaidStateFirst,
    /// Rows of a commit that was cut off by a kill are not looked for.
    WritesRejectsAgain,
    CutsBeforeLetters,
    CutsBeforeAlerts,
    /// What was said from further on is said again before it is passed.
    IgnoresCauses,
    /// What a former owner judged and may not have said is not judged again.
    TakesAllForSaid,
    ReadsBackBeforeItsMarker,
    /// After another owner's claim it goes on with what it had in hand.
    KeepsWhatItLost,
    /// A claim folds held partitions only where their frontier has moved, whoever has claimed them meanwhile.
    KeepsWhatStoodStill,
    /// Inbox rows that a killed owner left beyond the frontier are drained before their records are read.
    DrainsWhatIsNotRead,
}

const MUTANTS: [Mutant; 14] = [
    Mutant::TakesUnclearForDone,
    Mutant::WritesAgainUnread,
    Mutant::CommitsWithoutPin,
    Mutant::CommitsRejectsLast,
    Mutant::CommitsSaidStateFirst,
    Mutant::WritesRejectsAgain,
    Mutant::CutsBeforeLetters,
    Mutant::CutsBeforeAlerts,
    Mutant::IgnoresCauses,
    Mutant::TakesAllForSaid,
    Mutant::ReadsBackBeforeItsMarker,
    Mutant::KeepsWhatItLost,
    Mutant::KeepsWhatStoodStill,
    Mutant::DrainsWhatIsNotRead,
];

const SEEDS: u64 = 10_000;

/// Steps with faults of one seed.
const STEPS: u64 = 160;

/// No world takes longer to come to rest.
const REST_MAX: usize = 4_000;

/// Random steps, then rest. Gives a hash of everything that happened.
fn run(seed: u64, mutant: Option<Mutant>, mut tell: impl FnMut(Step, &World)) -> u64 {
    let mut dice = Dice::new(seed);
    let scenario = Arc::new(Scenario::random(&mut dice));
    let processes = 1 + dice.below(3);
    let mut world = World::new(scenario, processes, mutant);
    let mut history = DefaultHasher::new();
    let mut take = |world: &mut World, step: Step| {
        step.hash(&mut history);
        world.take(step);
        tell(step, world);
    };
    let mut stalled = vec![0; processes as usize];
    for now in 0..STEPS {
        for until in &mut stalled {
            if dice.once_in(60) {
                *until = now + dice.below(50);
            }
        }
        let step = next_step(&world, &mut dice, |at| stalled[at] > now);
        if let Some(step) = step {
            take(&mut world, step);
        }
    }
    rest(&mut world, &mut take);
    world.fingerprint().hash(&mut history);
    history.finish()
}

fn next_step(world: &World, dice: &mut Dice, is_stalled: impl Fn(usize) -> bool) -> Option<Step> {
    let pick = |dice: &mut Dice, steps: &[Step]| {
        (!steps.is_empty()).then(|| steps[dice.below(steps.len() as u64) as usize])
    };
    let at = dice.below(world.processes.len() as u64) as usize;
    if !world.processes[at].is_up {
        return dice.once_in(4).then_some(Step::Restart(at));
    }
    match dice.below(80) {
        0 => return Some(Step::Kill(at)),
        1..=4 if world.may_seal() => return Some(Step::Seal),
        5 if world.flying() > 0 => return Some(Step::Arrive(dice.below(world.flying() as u64) as usize)),
        6..=7 => return pick(dice, &world.gifts()),
        _ => {}
    }
    if let Some(partition) = world.orphans().first()
        && dice.once_in(3)
    {
        return Some(Step::Give(*partition, at));
    }
    if is_stalled(at) {
        return None;
    }
    let step = pick(dice, &world.progress(at))?;
    let faults = world.faults(step);
    if dice.once_in(10) && !faults.is_empty() { pick(dice, &faults) } else { Some(step) }
}

/// Faults have ended: everybody is up, every partition is somebody's, and each does what it can until nothing is left to do.
fn rest(world: &mut World, take: &mut impl FnMut(&mut World, Step)) {
    for at in 0..world.processes.len() {
        if !world.processes[at].is_up {
            take(world, Step::Restart(at));
        }
    }
    while world.flying() > 0 {
        take(world, Step::Arrive(0));
    }
    for partition in world.orphans() {
        take(world, Step::Give(partition, 0));
    }
    for _ in 0..REST_MAX {
        let mut is_done = true;
        for at in 0..world.processes.len() {
            if let Some(step) = world.progress(at).first() {
                take(world, *step);
                is_done = false;
            }
        }
        if is_done {
            return world.assert_settled();
        }
    }
    panic!("P6: the world does not come to rest: {world:?}");
}

#[test]
fn every_seed_keeps_every_promise() {
    for seed in 0..SEEDS {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(seed, None, |_, _| {}))) {
            println!("MUSTER_SIM_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

/// Tells the history of the seed in `MUSTER_SIM_SEED`; the same each time.
#[test]
fn one_seed_is_one_history() {
    let seed = std::env::var("MUSTER_SIM_SEED").ok().and_then(|seed| seed.parse().ok());
    if let Some(seed) = seed {
        let mutant = std::env::var("MUSTER_SIM_MUTANT").ok();
        let mutant = MUTANTS.into_iter().find(|known| Some(format!("{known:?}")) == mutant);
        run(seed, mutant, |step, world| println!("{step:?} -> {:016x}", world.fingerprint()));
    }
    for seed in 0..100 {
        let (mut once, mut again) = (Vec::new(), Vec::new());
        let ends = [
            run(seed, None, |step, world| once.push((step, world.fingerprint()))),
            run(seed, None, |step, world| again.push((step, world.fingerprint()))),
        ];
        assert_eq!(ends[0], ends[1], "seed {seed}");
        assert!(once == again, "seed {seed} has two histories");
    }
}

#[test]
fn every_rule_that_is_left_out_is_missed_by_some_seed() {
    for mutant in MUTANTS {
        let fails =
            |seed: &u64| catch_unwind(AssertUnwindSafe(|| run(*seed, Some(mutant), |_, _| {}))).is_err();
        let seed = (0..SEEDS).find(fails);
        println!("{mutant:?}: seed {seed:?}");
        assert!(seed.is_some(), "{mutant:?} is found by no seed");
    }
}

/// What may go wrong in a small world, each so often.
#[derive(Clone, Copy, Hash)]
struct Budget {
    faults: u8,
    kills: u8,
    gifts: u8,
    seals: u8,
    /// Claims of what was overtaken: without a bound two processes would claim from each other for ever.
    ticks: u8,
}

const NOTHING: Budget = Budget { faults: 0, kills: 0, gifts: 0, seals: 0, ticks: 0 };

/// The first process claims the first partition. Visits every state reachable from there within a budget, and from each lets the first process, alone and undisturbed, come to rest.
fn explore(logs: &[&str], due: &[i64], processes: u64, budget: Budget) -> usize {
    let mut world = World::new(Arc::new(Scenario::written(logs, due)), processes, None);
    world.is_eager = true;
    world.take(Step::Give(Partition::new(0), 0));
    while let Some(step @ (Step::Hear(_) | Step::Ask(..))) = world.progress(0).first().copied() {
        world.take(step);
    }
    let mut known: HashSet<u64> = HashSet::new();
    let mut restful: HashSet<u64> = HashSet::new();
    let mut open = vec![(world, budget)];
    while let Some((world, budget)) = open.pop() {
        assert_restful(world.clone(), &mut restful);
        for (step, budget) in successors(&world, budget) {
            let mut next = world.clone();
            next.take(step);
            let mut hasher = DefaultHasher::new();
            (next.fingerprint(), budget).hash(&mut hasher);
            if known.insert(hasher.finish()) {
                open.push((next, budget));
            }
        }
    }
    known.len()
}

fn successors(world: &World, budget: Budget) -> Vec<(Step, Budget)> {
    let mut steps = Vec::new();
    for at in 0..world.processes.len() {
        if !world.processes[at].is_up {
            steps.push((Step::Restart(at), budget));
            continue;
        }
        for step in world.progress(at) {
            let Some(ticks) = budget.ticks.checked_sub(u8::from(matches!(step, Step::Tick(_)))) else {
                continue;
            };
            let budget = Budget { ticks, ..budget };
            steps.push((step, budget));
            if let Some(faults) = budget.faults.checked_sub(1) {
                steps.extend(world.faults(step).into_iter().map(|step| (step, Budget { faults, ..budget })));
            }
        }
        if let Some(kills) = budget.kills.checked_sub(1) {
            steps.push((Step::Kill(at), Budget { kills, ..budget }));
        }
    }
    if let Some(gifts) = budget.gifts.checked_sub(1) {
        steps.extend(world.gifts().into_iter().map(|step| (step, Budget { gifts, ..budget })));
    }
    if let Some(seals) = budget.seals.checked_sub(1)
        && world.may_seal()
    {
        steps.push((Step::Seal, Budget { seals, ..budget }));
    }
    steps.extend((0..world.flying()).map(|nth| (Step::Arrive(nth), budget)));
    steps
}

/// The first process alone brings the world to rest. States on the way to rest are `known` to come there.
fn assert_restful(mut world: World, known: &mut HashSet<u64>) {
    for at in 1..world.processes.len() {
        world.take(Step::Kill(at));
    }
    if !world.processes[0].is_up {
        world.take(Step::Restart(0));
    }
    for partition in world.orphans() {
        world.take(Step::Give(partition, 0));
    }
    for _ in 0..REST_MAX {
        if !known.insert(world.fingerprint()) {
            return;
        }
        match world.progress(0).first() {
            Some(step) => world.take(*step),
            None => return world.assert_settled(),
        }
    }
    panic!("P6: the first process does not come to rest from {world:?}");
}

#[test]
fn one_process_that_is_killed_anywhere() {
    check(&["x p0 l1 p1"], &[5, 15], 1, Budget { kills: 1, gifts: 1, ..NOTHING });
}

#[test]
fn one_process_and_two_faults() {
    check(&["x l0"], &[5], 1, Budget { faults: 2, ..NOTHING });
}

#[test]
fn two_processes_one_partition() {
    check(&[""], &[5], 2, Budget { gifts: 1, ..NOTHING });
}

#[test]
fn two_processes_one_partition_and_a_fault() {
    check(&[""], &[], 2, Budget { faults: 1, gifts: 1, ..NOTHING });
}

#[test]
fn the_books_are_closed_while_another_partition_is_claimed() {
    check(&["", ""], &[5], 1, Budget { gifts: 1, seals: 5, ..NOTHING });
}

fn check(logs: &[&str], due: &[i64], processes: u64, budget: Budget) {
    let states = explore(logs, due, processes, budget);
    println!("{states} states");
    assert!(states > 100, "the world is smaller than meant: {states}");
}
