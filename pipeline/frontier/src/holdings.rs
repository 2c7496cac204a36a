//! What one owner holds and may do with it: from the log's word that a partition is its own to the commit that finds it is not.
//!
//! ```text
//!   assigned ─▶ (no commit in flight) claim, fold ─▶ Reading ─▶ EndAsked ─▶ Ended        withdrawn: forgotten, at any stage
//!                      ▲                                │ a commit met another owner's claim
//!                      └── still ours after a while ────┴▶ Overtaken: neither read nor cut
//!
//!   cut asked of every worker ─▶ the last one's is in ─▶ commit ─▶ committed        one at a time
//! ```
//!
//! In: what the log, the workers and the committer said, and how long the run has lasted.  Out: what `muster` does next.
//! Owns: each held partition's stage and worker, and where the one cut or commit stands.
//! Absent on purpose: rows, queues, I/O, clocks: a run's age is handed in.
//! Invariants: I-36 what a commit carries was judged under the claim that holds now: a claim waits for the commit in flight,
//! and a cut counts for the generation it was judged under; kept by [`Holdings::own`] and [`Holdings::is_current`], tested by
//! `every_seed_keeps_every_promise`.
//! Why so: these rules stood between the lines of a loop that polls, where only a live log could try them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::{Generation, Partition};

/// Batches under way to one worker before its partitions are paused.
const QUEUE_BATCHES_MAX: usize = 4;

/// How long a partition that another owner has claimed must stay assigned to this process before it is claimed back: a
/// process that was stalled hears within this that the group has given its partitions away.
const OVERTAKEN_WAIT: Duration = Duration::from_secs(3);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Stage {
    Reading,
    EndAsked,
    Ended,
    /// Since the run was this old.
    Overtaken(Duration),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Holding {
    stage: Stage,
    /// Read to its end, as far as the run's own end asks for.
    is_caught_up: bool,
    worker: usize,
    generation: Generation,
}

/// What to tell the source about a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flow {
    /// Deliver nothing of it.
    Pause,
    /// Deliver again.
    Resume,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum CutStage {
    Idle,
    /// So many workers have not handed over yet.
    Asked(usize),
    InFlight,
}

/// The partitions one owner holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Holdings {
    held: BTreeMap<Partition, Holding>,
    /// Batches under way to each worker.
    under_way: Vec<usize>,
    paused: BTreeSet<Partition>,
    cut: CutStage,
}

impl Holdings {
    /// Nothing held, by an owner with so many workers.
    pub fn new(workers: usize) -> Self {
        Self {
            held: BTreeMap::new(),
            under_way: vec![0; workers],
            paused: BTreeSet::new(),
            cut: CutStage::Idle,
        }
    }

    /// Whether partitions may be claimed now: while a commit is in flight the claim would overtake it.
    pub const fn may_claim(&self) -> bool {
        !matches!(self.cut, CutStage::InFlight)
    }

    /// A partition was claimed under `generation` and folded: it is read from now on. Gives the worker that is to have it.
    ///
    /// Panics while a commit is in flight.
    pub fn own(&mut self, partition: Partition, generation: Generation) -> usize {
        assert!(self.may_claim(), "I-36: partition {partition} is claimed while a commit is in flight");
        let load = |worker: &usize| self.held.values().filter(|holding| holding.worker == *worker).count();
        let worker = (0..self.under_way.len()).min_by_key(load).unwrap_or(0);
        let holding = Holding { stage: Stage::Reading, is_caught_up: false, worker, generation };
        self.held.insert(partition, holding);
        worker
    }

    /// The log has given a partition to somebody else: what is not committed is theirs to read again.
    pub fn give_up(&mut self, partition: Partition) {
        self.held.remove(&partition);
        self.paused.remove(&partition);
    }

    /// The worker that has a held partition.
    pub fn worker(&self, partition: Partition) -> Option<usize> {
        self.held.get(&partition).map(|holding| holding.worker)
    }

    /// Every held partition.
    pub fn partitions(&self) -> impl Iterator<Item = Partition> {
        self.held.keys().copied()
    }

    /// Whether what the log says of a partition counts here.
    pub fn is_read(&self, partition: Partition) -> bool {
        self.held.get(&partition).is_some_and(|holding| !holding.is_overtaken())
    }

    /// A batch was read: the worker to hand it to, if it counts here.
    pub fn take_batch(&mut self, partition: Partition) -> Option<usize> {
        let holding = self.held.get_mut(&partition).filter(|holding| !holding.is_overtaken())?;
        holding.is_caught_up = false;
        self.under_way[holding.worker] += 1;
        Some(holding.worker)
    }

    /// A worker is done with a batch; records of it were appended to the partitions `forwarded`, durably: their ends moved.
    pub fn spent(&mut self, worker: usize, forwarded: &[Partition]) {
        self.under_way[worker] -= 1;
        for partition in forwarded {
            if let Some(holding) = self.held.get_mut(partition) {
                holding.is_caught_up = false;
            }
        }
    }

    /// A partition was read as far as the run's end asks for.
    pub fn caught_up(&mut self, partition: Partition) {
        if let Some(holding) = self.held.get_mut(&partition) {
            holding.is_caught_up = true;
        }
    }

    /// The partitions to be told that their input has ended, once each: all of them were read to their ends, and no worker
    /// has anything under way that could still bring a record to another partition.
    pub fn due_to_end(&mut self) -> Vec<Partition> {
        if self.under_way.iter().any(|batches| *batches > 0)
            || self.held.values().any(|holding| !holding.is_caught_up)
        {
            return Vec::new();
        }
        let reading = self.held.iter_mut().filter(|(_, holding)| holding.stage == Stage::Reading);
        reading
            .map(|(partition, holding)| {
                holding.stage = Stage::EndAsked;
                *partition
            })
            .collect()
    }

    /// A partition has come to its end, by a cut that [counts](Self::is_current).
    pub fn ended(&mut self, partition: Partition) {
        if let Some(holding) = self.held.get_mut(&partition) {
            holding.stage = Stage::Ended;
        }
    }

    /// Whether everything held has come to its end.
    pub fn have_ended(&self) -> bool {
        !self.held.is_empty() && self.held.values().all(|holding| holding.stage == Stage::Ended)
    }

    /// Whether any partition may still bring records.
    pub fn reads_on(&self) -> bool {
        self.held.is_empty() || self.held.values().any(|holding| holding.stage == Stage::Reading)
    }

    /// Whether a cut of every worker is to be asked for now, if one is wanted: not while one is under way.
    pub fn ask_for_cut(&mut self) -> bool {
        let is_idle = self.cut == CutStage::Idle;
        if is_idle {
            self.cut = CutStage::Asked(self.under_way.len());
        }
        is_idle
    }

    /// A worker has handed over its cut; whether it was the last one: then either [`Self::commit`] follows, or nothing is worth
    /// a commit.
    pub fn cut_told(&mut self) -> bool {
        match self.cut {
            CutStage::Asked(left) if left > 1 => {
                self.cut = CutStage::Asked(left - 1);
                false
            }
            CutStage::Asked(_) => {
                self.cut = CutStage::Idle;
                true
            }
            CutStage::Idle | CutStage::InFlight => panic!("I-36: a cut that nobody asked for"),
        }
    }

    /// Whether what was judged of a partition under `generation` is the work that holds it now, not one that was given up.
    pub fn is_current(&self, partition: Partition, generation: Generation) -> bool {
        let holding = self.held.get(&partition);
        holding.is_some_and(|holding| holding.generation == generation && !holding.is_overtaken())
    }

    /// A commit is on its way.
    ///
    /// Panics if one was before.
    pub fn commit(&mut self) {
        assert!(self.cut == CutStage::Idle, "I-36: one commit at a time");
        self.cut = CutStage::InFlight;
    }

    /// The commit has ended, when the run was so old, and met other owners' claims of the partitions `lost`; gives those still
    /// held here: what was judged of them does not count.
    pub fn committed(&mut self, lost: &[Partition], age: Duration) -> Vec<Partition> {
        self.cut = CutStage::Idle;
        let mut overtaken = Vec::new();
        for partition in lost {
            if let Some(holding) = self.held.get_mut(partition) {
                holding.stage = Stage::Overtaken(age);
                overtaken.push(*partition);
            }
        }
        overtaken
    }

    /// Whether a cut or a commit is under way.
    pub fn is_settling(&self) -> bool {
        self.cut != CutStage::Idle
    }

    /// The partitions to be claimed back, for a run of this age: the log had time to say that they are no longer ours.
    pub fn due_back(&self, age: Duration) -> Vec<Partition> {
        let is_due = |holding: &Holding| match holding.stage {
            Stage::Overtaken(since) => age.saturating_sub(since) >= OVERTAKEN_WAIT,
            Stage::Reading | Stage::EndAsked | Stage::Ended => false,
        };
        self.held.iter().filter(|(_, holding)| is_due(holding)).map(|(partition, _)| *partition).collect()
    }

    /// Overload pauses the source: partitions whose worker has enough to do, those overtaken, and all of them while the lake has
    /// to take what waits. Gives what has changed.
    pub fn hold_back(&mut self, is_full: bool) -> Vec<(Partition, Flow)> {
        let mut changed = Vec::new();
        for (partition, holding) in &self.held {
            let is_busy = self.under_way[holding.worker] >= QUEUE_BATCHES_MAX;
            if is_full || is_busy || holding.is_overtaken() {
                if self.paused.insert(*partition) {
                    changed.push((*partition, Flow::Pause));
                }
            } else if self.paused.remove(partition) {
                changed.push((*partition, Flow::Resume));
            }
        }
        changed
    }

    /// How many partitions are paused.
    pub fn paused(&self) -> usize {
        self.paused.len()
    }

    /// Whether a partition is paused.
    pub fn is_paused(&self, partition: Partition) -> bool {
        self.paused.contains(&partition)
    }

    /// How many partitions are held.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}

impl Holding {
    const fn is_overtaken(&self) -> bool {
        matches!(self.stage, Stage::Overtaken(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Partition = Partition::new(0);
    const B: Partition = Partition::new(1);

    fn two() -> Holdings {
        let mut holdings = Holdings::new(2);
        assert_eq!((holdings.own(A, Generation(3)), holdings.own(B, Generation(3))), (0, 1));
        holdings
    }

    #[test]
    fn one_commit_at_a_time_behind_every_workers_cut() {
        let mut holdings = two();
        assert!(holdings.ask_for_cut());
        assert!(!holdings.ask_for_cut(), "one is under way");
        assert!(!holdings.cut_told());
        assert!(holdings.cut_told());
        holdings.commit();
        assert!(!holdings.ask_for_cut() && !holdings.may_claim() && holdings.is_settling());
        assert_eq!(holdings.committed(&[], Duration::ZERO), []);
        assert!(holdings.ask_for_cut() && holdings.may_claim());
    }

    #[test]
    #[should_panic(expected = "I-36: partition 1 is claimed while a commit is in flight")]
    fn a_claim_waits_for_the_commit_in_flight() {
        let mut holdings = two();
        holdings.commit();
        holdings.own(B, Generation(4));
    }

    #[test]
    fn what_was_overtaken_is_neither_read_nor_cut_and_claimed_back_after_a_while() {
        let mut holdings = two();
        holdings.commit();
        let lost = [B, Partition::new(7)];
        assert_eq!(holdings.committed(&lost, Duration::from_secs(5)), [B]);
        assert!(!holdings.is_read(B) && !holdings.is_current(B, Generation(3)) && holdings.is_read(A));
        assert_eq!(holdings.take_batch(B), None);
        assert_eq!(holdings.hold_back(false), [(B, Flow::Pause)]);
        assert_eq!(holdings.due_back(Duration::from_secs(7)), []);
        assert_eq!(holdings.due_back(Duration::from_secs(8)), [B]);
        holdings.own(B, Generation(9));
        assert!(!holdings.is_current(B, Generation(3)), "a cut of the former work");
        assert!(holdings.is_current(B, Generation(9)));
        assert_eq!(holdings.hold_back(false), [(B, Flow::Resume)]);
    }

    #[test]
    fn a_busy_worker_and_a_full_buffer_hold_back() {
        let mut holdings = two();
        for _ in 0..QUEUE_BATCHES_MAX {
            assert_eq!(holdings.take_batch(A), Some(0));
        }
        assert_eq!(holdings.hold_back(false), [(A, Flow::Pause)]);
        assert_eq!(holdings.hold_back(true), [(B, Flow::Pause)]);
        assert_eq!(holdings.paused(), 2);
        holdings.give_up(B);
        holdings.spent(0, &[]);
        assert_eq!(holdings.hold_back(false), [(A, Flow::Resume)]);
    }

    #[test]
    fn the_end_is_asked_for_once_nothing_can_bring_another_record() {
        let mut holdings = two();
        assert_eq!(holdings.take_batch(A), Some(0));
        holdings.caught_up(A);
        holdings.caught_up(B);
        assert_eq!(holdings.due_to_end(), [], "a batch is under way");
        holdings.spent(0, &[B]);
        assert_eq!(holdings.due_to_end(), [], "it had a record of the other partition");
        holdings.caught_up(B);
        assert_eq!(holdings.due_to_end(), [A, B]);
        assert_eq!(holdings.due_to_end(), [], "once");
        assert!(!holdings.reads_on() && !holdings.have_ended());
        holdings.ended(A);
        holdings.ended(B);
        assert!(holdings.have_ended());
    }
}
