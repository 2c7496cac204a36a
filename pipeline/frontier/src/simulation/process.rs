//! One simulated process: hears the group, reads, judges, tells, cuts, commits, as `muster::worker::control` does it, by the same
//! [`Holdings`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use model::{Generation, Partition};

use super::Mutant;
use super::jobs::{Claim, ClaimJob, ClaimStage, CommitJob, Part, Trying};
use super::records::Scenario;
use super::sinks::{Numbers, Saying, Sinks, Spoken};
use super::work::Work;
use crate::commit::{AttemptId, Event, Outcome, Put};
use crate::holdings::Holdings;

/// What the group tells a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Word {
    Assigned(Partition),
    Lost(Partition),
}

#[derive(Clone, Debug, Hash)]
enum Job {
    Claim(Box<ClaimJob>),
    Commit(Box<CommitJob>),
}

/// How an append to a topic goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Append {
    Done,
    /// It is there, and the answer is lost.
    Unheard,
    /// It is not there, and no answer comes.
    Vanished,
}

#[derive(Clone, Debug, Hash)]
pub(super) struct Process {
    number: u64,
    life: u64,
    attempts: u64,
    pub(super) is_up: bool,
    pub(super) words: VecDeque<Word>,
    holdings: Holdings,
    age: Duration,
    works: BTreeMap<Partition, Work>,
    claim: Option<Claim>,
    job: Option<Job>,
    /// Assigned, and claimed once the commit in flight has ended.
    wanted: BTreeSet<Partition>,
    /// Given up while a job was under way.
    released: BTreeSet<Partition>,
    speaking: Vec<(Partition, Saying, Generation)>,
    /// Whether the last append of alerts has no answer.
    is_unclear: bool,
    /// Per partition, how far inbox rows are in its worker's hands.
    handed_out: BTreeMap<Partition, i64>,
    /// Whether a cut must follow a claim: the inbox is looked at behind a commit.
    owes_cut: bool,
    mutant: Option<Mutant>,
}

impl Process {
    pub(super) fn new(number: u64, life: u64, mutant: Option<Mutant>) -> Self {
        Self {
            number,
            life,
            attempts: 0,
            is_up: true,
            words: VecDeque::new(),
            holdings: Holdings::new(1),
            age: Duration::ZERO,
            works: BTreeMap::new(),
            claim: None,
            job: None,
            wanted: BTreeSet::new(),
            released: BTreeSet::new(),
            speaking: Vec::new(),
            is_unclear: false,
            handed_out: BTreeMap::new(),
            owes_cut: false,
            mutant,
        }
    }

    /// Everything in memory is gone.
    pub(super) fn kill(&mut self) {
        *self = Self { is_up: false, ..Self::new(self.number, self.life + 1, self.mutant) };
    }

    /// Whether the control loop waits for the committer.
    fn is_blocked(&self) -> bool {
        !self.wanted.is_empty() || matches!(self.job, Some(Job::Claim(_)))
    }

    pub(super) fn may_hear(&self) -> bool {
        !self.words.is_empty() && !self.is_blocked()
    }

    pub(super) fn hear(&mut self) {
        match self.words.pop_front() {
            Some(Word::Assigned(partition)) => {
                self.wanted.insert(partition);
                self.claim_wanted();
            }
            Some(Word::Lost(partition)) => {
                self.holdings.give_up(partition);
                self.works.remove(&partition);
                self.released.insert(partition);
                self.release();
            }
            None => {}
        }
    }

    fn claim_wanted(&mut self) {
        if !self.wanted.is_empty() && self.holdings.may_claim() {
            let wanted = std::mem::take(&mut self.wanted);
            self.job = Some(Job::Claim(Box::new(ClaimJob::new(wanted, self.claim.clone()))));
        }
    }

    fn release(&mut self) {
        if self.job.is_none() {
            let released = std::mem::take(&mut self.released);
            if let Some(claim) = &mut self.claim {
                claim.lose(&released);
            }
            self.handed_out.retain(|partition, _| !released.contains(partition));
        }
    }

    /// The partitions that may be read now.
    pub(super) fn readable(&self, scenario: &Scenario) -> Vec<Partition> {
        let may_read = |work: &&Work| {
            let waits = !work.letters.is_empty() || !work.drained.is_empty();
            !waits && work.is_behind(scenario) && self.holdings.is_read(work.partition)
        };
        let works = self.works.values().filter(|_| !self.is_blocked()).filter(may_read);
        works.map(|work| work.partition).collect()
    }

    /// Reads one record of a partition, as a batch of its own.
    pub(super) fn read(&mut self, scenario: &Scenario, partition: Partition) {
        let worker = self.holdings.take_batch(partition).expect("it is read");
        self.work(partition).read(scenario);
        self.holdings.spent(worker, &[]);
        self.tell(partition);
    }

    /// The partitions whose workers have inbox rows to judge.
    pub(super) fn drainable(&self) -> Vec<Partition> {
        let works = self.works.values().filter(|work| !work.drained.is_empty() && work.letters.is_empty());
        works.map(|work| work.partition).collect()
    }

    pub(super) fn drain(&mut self, scenario: &Scenario, partition: Partition) {
        self.work(partition).drain(scenario);
        self.tell(partition);
    }

    fn work(&mut self, partition: Partition) -> &mut Work {
        self.works.get_mut(&partition).expect("a partition at work")
    }

    /// Hands what is new to the speaker.
    fn tell(&mut self, partition: Partition) {
        let work = self.works.get_mut(&partition).expect("a partition at work");
        let generation = work.generation;
        let fresh = work.fresh.drain(..).map(|saying| (partition, saying, generation));
        self.speaking.extend(fresh);
    }

    /// The partition whose letters are to be made durable.
    pub(super) fn to_bury(&self) -> Option<Partition> {
        self.works.values().find(|work| !work.letters.is_empty()).map(|work| work.partition)
    }

    pub(super) fn bury(&mut self, sinks: &mut Sinks, partition: Partition, append: Append) {
        let work = self.work(partition);
        if append != Append::Vanished {
            sinks.letters.extend(work.letters.iter().map(|offset| (partition, *offset)));
        }
        if append == Append::Done {
            work.letters.clear();
        }
    }

    pub(super) fn may_speak(&self) -> bool {
        !self.speaking.is_empty()
    }

    /// One append of all alerts that wait; one whose answer was lost is looked for before it is tried again.
    pub(super) fn speak(&mut self, sinks: &mut Sinks, append: Append) {
        if self.is_unclear {
            let is_there = |(partition, saying, generation): &(Partition, Saying, Generation)| {
                sinks.believed(*partition).iter().any(|(known, by)| {
                    known.key == saying.key && known.version >= saying.version && by >= generation
                })
            };
            self.speaking.retain(|alert| !is_there(alert));
        }
        if append != Append::Vanished {
            for (partition, saying, generation) in &self.speaking {
                sinks.speak(*partition, Spoken::Alert(*saying, *generation));
            }
        }
        self.is_unclear = append != Append::Done;
        if append == Append::Done {
            self.speaking.clear();
        }
    }

    /// Whether a cut would have anything to commit, and may be made.
    pub(super) fn may_cut(&self) -> bool {
        let Some(claim) = &self.claim else { return false };
        let buried = self.mutant == Some(Mutant::CutsBeforeLetters) || self.to_bury().is_none();
        let told = self.mutant == Some(Mutant::CutsBeforeAlerts) || self.speaking.is_empty();
        let has_moved = |work: &Work| {
            let place = (work.next, work.clock, work.late.min(work.next));
            let base = claim.frontiers.get(&work.partition);
            base.is_none_or(|base| (base.next, base.clock, base.late) != place) || !work.rows.is_empty()
        };
        let is_wanted = self.owes_cut || self.works.values().any(has_moved);
        !self.is_blocked() && !self.holdings.is_settling() && buried && told && is_wanted
    }

    pub(super) fn cut(&mut self) {
        assert!(self.holdings.ask_for_cut() && self.holdings.cut_told());
        self.owes_cut = false;
        let bases = self.claim.as_ref().map(|claim| claim.frontiers.clone()).unwrap_or_default();
        let mut parts = BTreeMap::new();
        for work in self.works.values_mut() {
            let rows = std::mem::take(&mut work.rows);
            let (next, clock, late) = (work.next, work.clock, work.late.min(work.next));
            if self.holdings.is_current(work.partition, work.generation) {
                let frontier = Numbers { generation: 0, next, clock, late };
                let base = bases.get(&work.partition).copied().unwrap_or_default();
                parts.insert(work.partition, Part { base, frontier, rows });
            }
        }
        self.holdings.commit();
        self.job = Some(Job::Commit(Box::new(CommitJob::new(parts, self.mutant))));
    }

    /// Whether a partition was overtaken, and how long ago does matter.
    pub(super) fn may_tick(&self) -> bool {
        !self.is_blocked() && self.works_lost().next().is_some()
    }

    fn works_lost(&self) -> impl Iterator<Item = Partition> {
        self.holdings.partitions().filter(|partition| !self.holdings.is_read(*partition))
    }

    /// Time passes: what was overtaken is claimed back.
    pub(super) fn tick(&mut self) {
        self.age += Duration::from_secs(3);
        self.wanted.extend(self.holdings.due_back(self.age));
        self.claim_wanted();
    }

    /// Goes on as far as no answer is needed.
    pub(super) fn prepare(&mut self, sinks: &Sinks) {
        let Self { number, life, attempts, job, claim, mutant, .. } = self;
        let attempt = || {
            *attempts += 1;
            AttemptId(u128::from(*number) << 64 | u128::from(*life) << 32 | u128::from(*attempts))
        };
        match (job, claim) {
            (Some(Job::Claim(job)), _) => job.prepare(sinks, attempt),
            (Some(Job::Commit(job)), Some(claim)) => job.prepare(claim, sinks, *mutant, attempt),
            _ => {}
        }
    }

    /// What the lake or the alerts topic is asked next.
    pub(super) fn asks(&self) -> Option<Asks<'_>> {
        let (trying, is_marker) = match self.job.as_ref()? {
            Job::Claim(job) => (job.trying.as_ref(), job.stage == ClaimStage::Mark),
            Job::Commit(job) => (job.trying.as_ref(), false),
        };
        Some(match trying {
            Some(trying) => Asks::Lake(trying),
            None if is_marker => Asks::Marker,
            None => Asks::Look,
        })
    }

    /// The lake's answer to the entry being appended.
    pub(super) fn answer(&mut self, sinks: &mut Sinks, event: Event) {
        let mutant = self.mutant;
        let trying = match self.job.as_mut() {
            Some(Job::Claim(job)) => &mut job.trying,
            Some(Job::Commit(job)) => &mut job.trying,
            None => panic!("nothing was asked"),
        };
        let asked = trying.as_mut().expect("something was asked");
        let (id, table) = (asked.commit.attempt, asked.table);
        let is_unclear = event == Event::Put(Put::Unclear);
        if is_unclear
            && mutant == Some(Mutant::WritesAgainUnread)
            && let Some(seen) = self.claim.as_mut().and_then(|claim| claim.seen.get_mut(&table))
        {
            *seen = sinks.head(table);
            *trying = None;
            return;
        }
        let event = if is_unclear && mutant == Some(Mutant::TakesUnclearForDone) {
            Event::Put(Put::Applied)
        } else {
            event
        };
        let Some(outcome) = asked.on(event) else { return };
        match &outcome {
            Outcome::Done { version, .. } => {
                let there = sinks.at(table, *version).map(|commit| commit.attempt);
                assert_eq!(there, Some(id), "I-3: told done, and it is not there");
            }
            _ => drop(sinks.told_lost.insert(id)),
        }
        match (self.job.as_mut(), self.claim.as_mut()) {
            (Some(Job::Claim(job)), _) => job.ended(sinks, &outcome),
            (Some(Job::Commit(job)), Some(claim)) => job.ended(claim, &outcome),
            _ => unreachable!("something was asked"),
        }
    }

    /// Marks itself as the one that speaks.
    pub(super) fn mark(&mut self, scenario: &Scenario, sinks: &mut Sinks, append: Append) {
        let Some(Job::Claim(job)) = self.job.as_mut() else { return };
        if append != Append::Vanished {
            job.mark(sinks);
        }
        if append == Append::Done {
            job.stage = ClaimStage::ReadBack;
            if self.mutant == Some(Mutant::ReadsBackBeforeItsMarker) {
                self.own(scenario, sinks);
            }
        }
    }

    /// Reads what the job needs, or ends it.
    pub(super) fn look(&mut self, scenario: &Scenario, sinks: &Sinks) {
        match self.job.as_mut() {
            Some(Job::Claim(job)) if job.stage == ClaimStage::Fold => job.fold(sinks, self.mutant),
            Some(Job::Claim(job)) => {
                job.read_back(sinks);
                if self.mutant == Some(Mutant::ReadsBackBeforeItsMarker) {
                    job.stage = ClaimStage::Mark;
                } else {
                    self.own(scenario, sinks);
                }
            }
            Some(Job::Commit(_)) => self.committed(sinks),
            None => {}
        }
    }

    fn own(&mut self, scenario: &Scenario, sinks: &Sinks) {
        let Some(Job::Claim(job)) = self.job.take() else { return };
        let (claim, works) = job.start(scenario, sinks);
        (self.claim, self.owes_cut) = (Some(claim), true);
        for work in works {
            let partition = work.partition;
            self.holdings.own(partition, work.generation);
            self.handed_out.remove(&partition);
            match self.works.get_mut(&partition) {
                Some(former) if self.mutant == Some(Mutant::KeepsWhatItLost) => {
                    former.generation = work.generation
                }
                _ => drop(self.works.insert(partition, work)),
            }
            self.tell(partition);
        }
        self.release();
    }

    fn committed(&mut self, sinks: &Sinks) {
        let Some(Job::Commit(job)) = self.job.take() else { return };
        let lost: Vec<Partition> = job.lost.iter().copied().collect();
        for partition in self.holdings.committed(&lost, self.age) {
            if self.mutant != Some(Mutant::KeepsWhatItLost) {
                self.works.remove(&partition);
            }
        }
        self.release();
        self.hand_out(sinks);
        self.claim_wanted();
    }

    /// Inbox rows that the frontier has passed, and that nobody has in hand.
    fn hand_out(&mut self, sinks: &Sinks) {
        let Some(claim) = &self.claim else { return };
        for (partition, frontier) in &claim.frontiers {
            if self.handed_out.get(partition).is_some_and(|until| frontier.late < *until) {
                continue;
            }
            let mut rows = sinks.inbox(*partition, frontier.late);
            if self.mutant != Some(Mutant::DrainsWhatIsNotRead) {
                rows.retain(|(offset, _)| *offset < frontier.next);
            }
            let Some((last, _)) = rows.last() else { continue };
            self.handed_out.insert(*partition, last + 1);
            if let Some(work) = self.works.get_mut(partition) {
                work.drained = rows;
            }
        }
    }
}

/// What a process waits for.
pub(super) enum Asks<'a> {
    /// The next step of appending an entry.
    Lake(&'a Trying),
    /// A read, of one moment; or nothing more.
    Look,
    /// A marker in the alerts topic.
    Marker,
}
