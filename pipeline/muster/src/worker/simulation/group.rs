//! A simulated group: whose turn it is, who gets which partition, who is killed or stalled, and when faults end.
//!
//! In: dice.  Out: turns of processes, one inside another where one stalls.  Owns: the processes and what they have not heard yet.
//! Absent on purpose: a member's time-out: it stalls, and the group gives its partitions away meanwhile or does not.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;

use model::{EventTime, LogId, Partition};
use schemas::{Decoder, Format, ImportOptions};

use super::changes::Changes;
use super::dice::Dice;
use super::end::End;
use super::outside::{self, Buried, Log, TOPIC, Topic, note, set_between};
use super::process::{Process, wall};
use super::receivers::Courier;
use super::table::{STATE_DAYS, Tables};
use super::witness::Witness;
use super::world::{DAY_MIN, PARTITIONS, at, make_log};
use super::{Mutant, Telling};
use crate::worker::partition::{ClockMode, PartitionSettings};

/// Turns with faults of one seed, and at most so many without.
const TURNS: u64 = 150;
const REST_MAX: usize = 3_000;

/// One seed in so many also delivers what it tells: it waits for a disk.
const COURIER_EVERY: u64 = 30;

/// Turns of others while one stalls, at most.
const STALL_TURNS_MAX: usize = 12;

/// Once in so many turns a process does not hear what the group has told it.
const WORD_LATE: u64 = 3;

/// What the group tells a process.
#[derive(Clone, Copy, Debug)]
pub(super) enum Word {
    Assigned(Partition),
    Lost(Partition),
}

/// How often what goes wrong: once in so many effects, or answers. Each seed has its own, so that one is killed all the time and
/// another waits for ever on a store that hides its answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Odds {
    kill: u64,
    give: u64,
    turn: u64,
    stall: u64,
    arrive: u64,
    /// Of answers of the store, each of: written and hidden, vanished, delayed, not readable.
    pub(super) unclear: u64,
}

impl Odds {
    fn roll(dice: &mut Dice) -> Self {
        let mut one_of = |odds: [u64; 3]| odds[dice.below(3) as usize];
        Self {
            kill: one_of([100, 300, 2_000]),
            give: one_of([40, 80, 400]),
            turn: one_of([10, 25, 100]),
            stall: one_of([60, 150, 1_000]),
            arrive: one_of([10, 25, 200]),
            unclear: one_of([8, 30, 300]),
        }
    }
}

/// What every process sees.
pub(super) struct Shared {
    pub(super) log: Log,
    pub(super) end: EventTime,
    pub(super) buried: Buried,
    pub(super) topic: Topic,
    pub(super) tables: RefCell<Tables>,
    pub(super) dice: RefCell<Dice>,
    pub(super) settings: PartitionSettings,
    pub(super) changes: Changes,
    pub(super) odds: Odds,
    /// Whether nothing goes wrong any more.
    pub(super) is_calm: Cell<bool>,
    /// Whether anybody is told.
    pub(super) telling: Telling,
    pub(super) mutant: Option<Mutant>,
}

impl Shared {
    /// Whether this rule is left out.
    pub(super) fn lacks(&self, rule: Mutant) -> bool {
        self.mutant == Some(rule)
    }

    pub(super) fn once_in(&self, n: u64) -> bool {
        self.dice.borrow_mut().once_in(n)
    }

    pub(super) fn below(&self, bound: usize) -> usize {
        self.dice.borrow_mut().below(bound as u64) as usize
    }
}

/// A process and what it has not heard yet.
struct Member {
    process: RefCell<Process>,
    words: RefCell<VecDeque<Word>>,
}

/// A world.
pub(super) struct Sim {
    shared: Shared,
    members: Vec<Member>,
    group: RefCell<BTreeMap<Partition, Option<usize>>>,
    /// Of some worlds: it writes a file.
    courier: RefCell<Option<Courier>>,
}

/// Why a turn ended early.
struct Killed;

impl Sim {
    /// A seed's world with its faults.
    pub(super) fn new(seed: u64, telling: Telling, mutant: Option<Mutant>) -> Rc<Self> {
        Self::make((seed, 1 + seed % 3), false, telling, mutant)
    }

    /// A seed's world without any, its last snapshot in force from the beginning.
    pub(super) fn calm(seed: u64, telling: Telling) -> Rc<Self> {
        Self::make((seed, 1), true, telling, None)
    }

    fn make(
        (seed, processes): (u64, u64),
        is_calm: bool,
        telling: Telling,
        mutant: Option<Mutant>,
    ) -> Rc<Self> {
        let mut dice = Dice::new(seed);
        let log = make_log(&mut dice);
        let odds = Odds::roll(&mut dice);
        let last = log.iter().flatten().map(|record| record.at).max();
        let end = last.unwrap_or(at(0, 0)).plus_min(3 * DAY_MIN);
        let settings = PartitionSettings {
            topic: TOPIC.into(),
            partitions: PARTITIONS,
            clock: ClockMode::Append,
            state_days: STATE_DAYS,
            restate_days: STATE_DAYS,
            log: LogId::new("sim").unwrap().mark(),
            keeps_evidence: false,
            tells_results: false,
            clock_max: None,
            alert_age_max: None,
            import_zone: None,
            decoder: Arc::new(|| Decoder::new(Format::Json, ImportOptions::default())),
            wall: wall(end),
        };
        let buried = Buried::default();
        let witness = Witness::new(Arc::clone(&log), Arc::clone(&buried));
        let shared = Shared {
            log,
            end,
            buried,
            topic: Topic::default(),
            tables: RefCell::new(Tables::new(witness, mutant)),
            dice: RefCell::new(dice),
            settings,
            changes: if is_calm { Changes::foreseen(seed) } else { Changes::of(seed) },
            odds,
            is_calm: Cell::new(is_calm),
            telling,
            mutant,
        };
        let member = |_| Member { process: RefCell::new(Process::new(&shared)), words: RefCell::default() };
        let members = (0..processes).map(member).collect();
        let group = (0..PARTITIONS).map(|number| (Partition::new(number), None)).collect();
        let has_courier = !is_calm && telling == Telling::Everything && seed.is_multiple_of(COURIER_EVERY);
        let courier = has_courier.then(|| Courier::new(seed, &shared.topic, mutant));
        Rc::new(Self { shared, members, group: RefCell::new(group), courier: RefCell::new(courier) })
    }

    /// What its processes see.
    pub(super) const fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Runs until all is at rest; gives the end and the history.
    pub(super) fn run(self: Rc<Self>) -> (End, Vec<String>) {
        outside::begin_history();
        note(|| format!("{} processes, {:?}", self.members.len(), self.shared.odds));
        if !self.shared.is_calm.get() {
            let hook = Rc::downgrade(&self);
            set_between(Some(Rc::new(move || {
                if let Some(sim) = hook.upgrade() {
                    sim.between();
                }
            })));
            for _ in 0..TURNS {
                self.give_orphans();
                self.turn(self.shared.below(self.members.len()));
                self.courier.borrow_mut().iter_mut().for_each(Courier::turn);
            }
        }
        self.rest();
        self.courier.borrow_mut().iter_mut().for_each(Courier::rest);
        set_between(None);
        let end = End::of(&self.shared);
        note(|| format!("{end:?}"));
        (end, outside::take_history())
    }

    /// Between two effects of some process: a kill, another's turn, a write that was delayed, a word of the group.
    fn between(&self) {
        if self.shared.is_calm.get() {
            return;
        }
        let Odds { kill, give, turn, stall, arrive, .. } = self.shared.odds;
        if self.shared.once_in(kill) {
            resume_unwind(Box::new(Killed));
        }
        if self.shared.once_in(give) {
            let partition = Partition::new(self.shared.below(PARTITIONS as usize) as u32);
            self.give(partition, self.shared.below(self.members.len()));
        }
        if self.shared.once_in(arrive) {
            self.shared.tables.borrow_mut().arrive(&mut self.shared.dice.borrow_mut());
        }
        if self.shared.once_in(turn) {
            self.turn(self.shared.below(self.members.len()));
        }
        if self.shared.once_in(stall) {
            self.stall();
        }
    }

    /// Whoever has the turn stands still while others go on, and mostly lose it what it holds.
    fn stall(&self) {
        let (turns, other) = (1 + self.shared.below(STALL_TURNS_MAX), self.shared.below(self.members.len()));
        note(|| format!("stalls for {turns} turns"));
        if !self.shared.once_in(4) {
            (0..PARTITIONS).for_each(|number| self.give(Partition::new(number), other));
        }
        for _ in 0..turns {
            self.turn(self.shared.below(self.members.len()));
        }
        note(|| "goes on".to_owned());
    }

    /// The group gives a partition to a process.
    fn give(&self, partition: Partition, at: usize) {
        let former = self.group.borrow_mut().insert(partition, Some(at)).flatten();
        if former == Some(at) {
            return;
        }
        note(|| format!("partition {partition} goes from {former:?} to {at}"));
        if let Some(former) = former {
            self.members[former].words.borrow_mut().push_back(Word::Lost(partition));
        }
        self.members[at].words.borrow_mut().push_back(Word::Assigned(partition));
    }

    /// One process does one thing, unless it is in the middle of another. Whether there was any.
    fn turn(&self, at: usize) -> bool {
        let member = &self.members[at];
        let Ok(mut process) = member.process.try_borrow_mut() else { return false };
        // Some words take their time.
        let is_heard = self.shared.is_calm.get() || !self.shared.once_in(WORD_LATE);
        let word = if is_heard { member.words.borrow_mut().pop_front() } else { None };
        let before = outside::is_turn_of(Some(at));
        let turned = catch_unwind(AssertUnwindSafe(|| process.turn(&self.shared, word)));
        let has_done = match turned {
            Ok(has_done) => has_done,
            Err(panic) if is_kill(&*panic) => {
                note(|| "is killed".to_owned());
                *process = Process::new(&self.shared);
                member.words.borrow_mut().clear();
                let mut group = self.group.borrow_mut();
                group.values_mut().filter(|owner| **owner == Some(at)).for_each(|owner| *owner = None);
                true
            }
            Err(panic) => resume_unwind(panic),
        };
        outside::is_turn_of(before);
        has_done
    }

    fn give_orphans(&self) {
        let group = self.group.borrow().clone();
        for (partition, _) in group.into_iter().filter(|(_, owner)| owner.is_none()) {
            self.give(partition, self.shared.below(self.members.len()));
        }
    }

    /// Faults have ended: everything comes to rest.
    fn rest(&self) {
        self.shared.is_calm.set(true);
        note(|| "faults have ended".to_owned());
        self.give_orphans();
        for _ in 0..REST_MAX {
            let worked: Vec<bool> = (0..self.members.len()).map(|at| self.turn(at)).collect();
            if !worked.contains(&true) {
                return;
            }
        }
        panic!("P6: it does not come to rest");
    }
}

fn is_kill(panic: &(dyn Any + Send)) -> bool {
    panic.is::<Killed>()
}
