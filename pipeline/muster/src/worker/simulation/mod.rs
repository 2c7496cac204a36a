//! The whole pipeline on one thread: real work (decode → expect → match → judge → said state → cut → recovery) of several processes,
//! over a log, letters, alerts and tables with compare-and-swap that lose, delay and hide answers; a process is killed, stalled or
//! overtaken between any two effects. Tests only.
//!
//! In: a seed.  Out: the promises P1–P6. Safety: whatever fails, no entry of a table and no alert may break them, which is looked at
//! as each one lands (`witness`). Liveness: once faults end, all is read, and what there is (`end`) is what the log alone demands
//! and what an undisturbed run of one process comes to. In some worlds the real deliverer sends what is told (`receivers`), in others
//! nobody is told anything, and the tables end the same.
//! Owns: nothing outside a run.
//! Absent on purpose: threads, clocks, files (but the deliverer's): a seed gives the same history on every machine. The control
//! loop's own waiting; its decisions are `frontier::Holdings`', which is asked here as there. Delta: tables as `store` has them
//! claim, fold and commit in the order of `lake`, which its own tests kill between any two entries. Records on another partition
//! than their person's, rules, seals, and changes of reference data.
//!
//! `MUSTER_SIM_SEED=n` runs one seed and tells its history.

// Test code: what does not hold panics; what is told is for a person who looks for the reason.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod changes;
mod dice;
mod end;
mod group;
mod outside;
mod process;
mod recalled;
mod receivers;
mod store;
mod table;
mod witness;
mod world;

use std::collections::BTreeMap;
use std::panic::catch_unwind;

use self::end::End;
use self::group::Sim;

const SEEDS: u64 = 300;

/// Seeds beyond these that broke a promise once. Absent: 2451, which still breaks P4. It tells of a day that memory knows in part
/// behind a crash, and the table never says so.
const BROKEN_ONCE: [u64; 6] = [795, 1253, 1284, 1669, 1935, 2330];

/// Of worlds where nobody is told.
const SILENT_SEEDS: u64 = 100;

/// What [`SEEDS`] seeds together do at least so often, and fewer in proportion.
const HAPPENS: [(&str, u64); 3] =
    [("snapshots taken at work", 400), ("shifts taken back", 15), ("approval_decided", 50)];

/// One rule left out, of the outside or of how a process goes about it, to show that a world can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mutant {
    /// An unclear answer counts as a written entry.
    TakesUnclearForDone,
    /// An unclear answer counts as none: the entry is written again, behind whatever there is.
    WritesAgainUnread,
    /// A commit goes behind whatever there is, not behind what its owner has seen.
    CommitsWithoutPin,
    CommitsRejectsLast,
    /// Rows of a commit that was cut off by a kill are not looked for.
    WritesRejectsAgain,
    CutsBeforeLetters,
    /// What a former owner judged and may not have said is not judged again.
    TakesAllForSaid,
    /// What was told is not read back.
    ForgetsWhatWasTold,
    ReadsBackBeforeItsMarker,
    /// A claim folds held partitions only if they are asked for, whoever has claimed them meanwhile.
    KeepsWhatOthersClaimed,
    /// Inbox rows that a killed owner left beyond the frontier are drained before their records are read.
    DrainsWhatIsNotRead,
    /// What was overtaken is left alone though it is still assigned.
    NeverClaimsBack,
    /// A put replaces what is there.
    PutsOverWhatIsThere,
    /// The deliverer begins anew after a kill.
    LosesItsOutbox,
    /// What a former owner rejected and had not said is not said: none is told, in a world where nobody is.
    LeavesRejectsUnsaid,
}

/// Whether anybody is told of anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Telling {
    Everything,
    /// As beside another system: what holds is in the tables alone.
    Nothing,
}

impl Telling {
    /// Of a world that is to miss this rule.
    fn missing(mutant: Mutant) -> Self {
        if mutant == Mutant::LeavesRejectsUnsaid { Self::Nothing } else { Self::Everything }
    }
}

/// Each with a seed that misses it, for as long as neither worlds nor odds change.
const MUTANTS: [(Mutant, u64); 15] = [
    (Mutant::TakesUnclearForDone, 7),
    (Mutant::WritesAgainUnread, 1),
    (Mutant::CommitsWithoutPin, 5),
    (Mutant::CommitsRejectsLast, 0),
    (Mutant::WritesRejectsAgain, 5),
    (Mutant::CutsBeforeLetters, 0),
    (Mutant::TakesAllForSaid, 10),
    (Mutant::ForgetsWhatWasTold, 1),
    (Mutant::ReadsBackBeforeItsMarker, 679),
    (Mutant::KeepsWhatOthersClaimed, 1),
    (Mutant::DrainsWhatIsNotRead, 96),
    (Mutant::NeverClaimsBack, 17),
    (Mutant::PutsOverWhatIsThere, 2),
    (Mutant::LosesItsOutbox, 0),
    (Mutant::LeavesRejectsUnsaid, 29),
];

/// Runs a seed with its faults, then without any until all is at rest. Gives the end, and the history.
fn run(seed: u64, telling: Telling, mutant: Option<Mutant>) -> (End, Vec<String>) {
    Sim::new(seed, telling, mutant).run()
}

/// Whether a seed ends as it does `calmly`, without faults by one process, and breaks no promise on the way.
fn holds(seed: u64, telling: Telling, mutant: Option<Mutant>, calmly: &End) -> bool {
    let tried = catch_unwind(|| {
        let (end, _) = run(seed, telling, mutant);
        assert_eq!(end, *calmly, "seed {seed} ends otherwise than without faults");
    });
    outside::set_between(None);
    tried.is_ok()
}

#[test]
fn the_whole_pipeline_keeps_every_promise_whatever_fails() {
    every_seed_holds(SEEDS, Telling::Everything);
}

#[test]
fn what_nobody_is_told_is_in_the_tables_all_the_same_whatever_fails() {
    every_seed_holds(SILENT_SEEDS, Telling::Nothing);
}

fn every_seed_holds(seeds: u64, telling: Telling) {
    let one = std::env::var("MUSTER_SIM_SEED").ok().and_then(|seed| seed.parse::<u64>().ok());
    let chosen: Vec<u64> = one.map_or_else(|| (0..seeds).chain(BROKEN_ONCE).collect(), |seed| vec![seed]);
    let mut failed = Vec::new();
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in chosen {
        let (calmly, _) = Sim::calm(seed, telling).run();
        calmly.check_against_log(seed);
        outside::take_counts();
        if one.is_some() {
            outside::tell_history();
        }
        if !holds(seed, telling, None, &calmly) {
            println!("MUSTER_SIM_SEED={seed}");
            failed.push(seed);
        }
        outside::take_counts()
            .into_iter()
            .for_each(|(what, count)| *counts.entry(what).or_default() += count);
    }
    println!("{counts:?}");
    assert!(failed.is_empty(), "seeds {failed:?} break a promise");
    for (what, least) in HAPPENS.iter().filter(|_| one.is_none()) {
        let least = least * seeds / SEEDS;
        assert!(counts.get(what) >= Some(&least), "{what}: fewer than {least} in all worlds together");
    }
}

#[test]
fn a_seed_has_one_history() {
    for seed in [0, 1, 2, 3, 5, 8, 13, 21] {
        let run = || run(seed, Telling::Everything, None);
        let ((end, history), (end_again, again)) = (run(), run());
        let differs = history.iter().zip(&again).position(|(line, again)| line != again);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!((history.len(), end), (again.len(), end_again), "seed {seed}");
        assert!(history.len() > 100, "seed {seed}: hardly anything happens");
    }
}

#[test]
fn every_rule_that_is_left_out_is_missed_by_some_seed_of_the_whole_pipeline() {
    for (mutant, first) in MUTANTS {
        let telling = Telling::missing(mutant);
        let misses = |seed: &u64| !holds(*seed, telling, Some(mutant), &Sim::calm(*seed, telling).run().0);
        let found = std::iter::once(first).chain(0..SEEDS).find(misses);
        println!("{mutant:?}: seed {found:?}");
        assert!(found.is_some(), "no seed misses the rule: {mutant:?}");
    }
}
