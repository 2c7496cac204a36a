//! A world of processes, their group, a log and its sinks; and every step that may come next.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use model::Partition;

use super::Mutant;
use super::process::{Append, Asks, Process, Word};
use super::records::{Id, Scenario};
use super::sinks::{Commit, Numbers, Row, Saying, Sinks, Table};
use crate::commit::{AttemptId, Do, Event, Put};

/// How what a process asks for goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Fault {
    None,
    /// It is done, and the answer is lost.
    Unheard,
    /// It is not done, and no answer comes; or a read fails.
    Vanished,
    /// No answer comes, and the write arrives later or never.
    Delayed,
}

/// One thing that may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Step {
    /// The next thing that the lake, or the alerts topic's marker, is asked.
    Ask(usize, Fault),
    Bury(usize, Partition, Fault),
    Speak(usize, Fault),
    Hear(usize),
    Drain(usize, Partition),
    Read(usize, Partition),
    Cut(usize),
    /// Time passes for one who was overtaken.
    Tick(usize),
    Kill(usize),
    Restart(usize),
    /// The group gives a partition to a process.
    Give(Partition, usize),
    /// A delayed write arrives.
    Arrive(usize),
    /// Somebody who claims everything closes the books, one effect after the other.
    Seal,
}

/// How far the books are being closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Sealing {
    Claims(Table),
    Writes,
    Closes,
}

type Flights = BTreeMap<(Table, u64, AttemptId), Commit>;

#[derive(Clone, Debug, Hash)]
pub(super) struct World {
    pub(super) sinks: Sinks,
    pub(super) processes: Vec<Process>,
    /// Whose each partition is by the group's last word.
    group: BTreeMap<Partition, Option<usize>>,
    flights: Flights,
    sealing: Sealing,
    /// The generation under which the books are being closed, and entries written for that.
    seal: (i64, u128),
    scenario: Shared,
    /// Whether entries that are there are read at once: they never change, so nothing can come between that matters.
    pub(super) is_eager: bool,
}

/// The same in every state of a world.
#[derive(Clone, Debug)]
struct Shared(Arc<Scenario>);

impl Hash for Shared {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl World {
    pub(super) fn new(scenario: Arc<Scenario>, processes: u64, mutant: Option<Mutant>) -> Self {
        Self {
            sinks: Sinks::new(),
            processes: (0..processes).map(|number| Process::new(number, 0, mutant)).collect(),
            group: scenario.partitions().map(|partition| (partition, None)).collect(),
            flights: BTreeMap::new(),
            sealing: Sealing::Claims(Table::Punches),
            seal: (0, 0),
            scenario: Shared(scenario),
            is_eager: false,
        }
    }

    pub(super) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }

    /// What one process may do next, undisturbed; nothing once it is done.
    pub(super) fn progress(&self, at: usize) -> Vec<Step> {
        let process = &self.processes[at];
        let mut steps = Vec::new();
        if !process.is_up {
            return steps;
        }
        if process.asks().is_some() {
            steps.push(Step::Ask(at, Fault::None));
        }
        if let Some(partition) = process.to_bury() {
            steps.push(Step::Bury(at, partition, Fault::None));
        }
        if process.may_speak() {
            steps.push(Step::Speak(at, Fault::None));
        }
        if process.may_hear() {
            steps.push(Step::Hear(at));
        }
        steps.extend(process.drainable().into_iter().map(|partition| Step::Drain(at, partition)));
        steps.extend(
            process.readable(&self.scenario.0).into_iter().map(|partition| Step::Read(at, partition)),
        );
        if process.may_cut() {
            steps.push(Step::Cut(at));
        }
        if process.may_tick() {
            steps.push(Step::Tick(at));
        }
        steps
    }

    /// The ways in which a step may go wrong.
    pub(super) fn faults(&self, step: Step) -> Vec<Step> {
        match step {
            Step::Ask(at, _) => match self.processes[at].asks() {
                Some(Asks::Lake(trying)) if matches!(trying.next, Do::Put { .. }) => {
                    [Fault::Unheard, Fault::Vanished, Fault::Delayed]
                        .map(|fault| Step::Ask(at, fault))
                        .to_vec()
                }
                Some(Asks::Lake(_)) => vec![Step::Ask(at, Fault::Vanished)],
                Some(Asks::Marker) => {
                    [Fault::Unheard, Fault::Vanished].map(|fault| Step::Ask(at, fault)).to_vec()
                }
                Some(Asks::Look) | None => Vec::new(),
            },
            Step::Bury(at, partition, _) => {
                [Fault::Unheard, Fault::Vanished].map(|fault| Step::Bury(at, partition, fault)).to_vec()
            }
            Step::Speak(at, _) => {
                [Fault::Unheard, Fault::Vanished].map(|fault| Step::Speak(at, fault)).to_vec()
            }
            _ => Vec::new(),
        }
    }

    /// What the group may decide: to whom each partition may go.
    pub(super) fn gifts(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        for (partition, owner) in &self.group {
            let others =
                (0..self.processes.len()).filter(|at| Some(*at) != *owner && self.processes[*at].is_up);
            steps.extend(others.map(|at| Step::Give(*partition, at)));
        }
        steps
    }

    pub(super) fn orphans(&self) -> Vec<Partition> {
        self.group.iter().filter(|(_, owner)| owner.is_none()).map(|(partition, _)| *partition).collect()
    }

    pub(super) fn flying(&self) -> usize {
        self.flights.len()
    }

    pub(super) fn take(&mut self, step: Step) {
        let scenario = Arc::clone(&self.scenario.0);
        match step {
            Step::Ask(at, fault) => self.ask(at, fault),
            Step::Bury(at, partition, fault) => {
                self.processes[at].bury(&mut self.sinks, partition, append(fault))
            }
            Step::Speak(at, fault) => self.processes[at].speak(&mut self.sinks, append(fault)),
            Step::Hear(at) => self.processes[at].hear(),
            Step::Drain(at, partition) => self.processes[at].drain(&scenario, partition),
            Step::Read(at, partition) => self.processes[at].read(&scenario, partition),
            Step::Cut(at) => self.processes[at].cut(),
            Step::Tick(at) => self.processes[at].tick(),
            Step::Kill(at) => {
                self.processes[at].kill();
                self.group.values_mut().filter(|owner| **owner == Some(at)).for_each(|owner| *owner = None);
            }
            Step::Restart(at) => self.processes[at].is_up = true,
            Step::Give(partition, at) => {
                if let Some(former) = self.group.insert(partition, Some(at)).flatten() {
                    self.processes[former].words.push_back(Word::Lost(partition));
                }
                self.processes[at].words.push_back(Word::Assigned(partition));
            }
            Step::Arrive(nth) => {
                let key = self.flights.keys().nth(nth).copied();
                if let Some((key, commit)) = key.and_then(|key| self.flights.remove_entry(&key)) {
                    self.sinks.put(&scenario, key.0, key.1, &commit);
                }
            }
            Step::Seal => self.seal(),
        }
        if let Step::Ask(at, _) | Step::Hear(at) | Step::Cut(at) | Step::Tick(at) = step {
            self.processes[at].prepare(&self.sinks);
            while self.is_eager && self.reads_what_is_there(at) {
                self.ask(at, Fault::None);
                self.processes[at].prepare(&self.sinks);
            }
        }
    }

    fn reads_what_is_there(&self, at: usize) -> bool {
        let Some(Asks::Lake(trying)) = self.processes[at].asks() else { return false };
        matches!(trying.next, Do::Read { version, .. } if version <= self.sinks.head(trying.table))
    }

    fn ask(&mut self, at: usize, fault: Fault) {
        let scenario = Arc::clone(&self.scenario.0);
        let Self { sinks, processes, flights, .. } = self;
        let process = &mut processes[at];
        let event = match process.asks() {
            Some(Asks::Look) => return process.look(&scenario, sinks),
            Some(Asks::Marker) => return process.mark(&scenario, sinks, append(fault)),
            Some(Asks::Lake(trying)) => match trying.next {
                Do::Put { version } => Event::Put(match fault {
                    Fault::None if sinks.put(&scenario, trying.table, version, &trying.commit) => {
                        Put::Applied
                    }
                    Fault::None => Put::Taken,
                    Fault::Unheard => {
                        sinks.put(&scenario, trying.table, version, &trying.commit);
                        Put::Unclear
                    }
                    Fault::Vanished => Put::Unclear,
                    Fault::Delayed => {
                        let key = (trying.table, version, trying.commit.attempt);
                        flights.insert(key, trying.commit.clone());
                        Put::Unclear
                    }
                }),
                Do::Read { version, .. } if fault == Fault::None => {
                    Event::Read(sinks.entry(trying.table, version))
                }
                Do::Read { .. } => Event::ReadFailed,
                Do::End(_) => panic!("an attempt that has ended asks for nothing"),
            },
            None => panic!("process {at} asks for nothing"),
        };
        process.answer(sinks, event);
    }

    /// Whether the books may still be closed.
    pub(super) fn may_seal(&self) -> bool {
        self.sinks.sealed_at.is_none()
    }

    /// One effect of closing the books: a claim of every partition in every table, the seal, an entry behind the claim's own.
    fn seal(&mut self) {
        let scenario = Arc::clone(&self.scenario.0);
        let partitions: Vec<Partition> = scenario.partitions().collect();
        let (table, is_claim) = match self.sealing {
            Sealing::Claims(table) => (table, true),
            Sealing::Writes => {
                (self.sinks.is_seal_written, self.sealing) = (true, Sealing::Closes);
                return;
            }
            Sealing::Closes => (Table::Said, false),
        };
        let head = self.sinks.head(table);
        let last = |partition: &Partition| self.sinks.numbers(table, head, *partition, |_| true);
        if table != Table::Punches
            && partitions.iter().any(|partition| last(partition).generation > self.seal.0)
        {
            self.sealing = Sealing::Claims(Table::Punches);
            return;
        }
        let numbers = partitions.iter().map(|partition| match table {
            Table::Punches => (*partition, last(partition)),
            _ if is_claim => (*partition, Numbers { generation: self.seal.0, ..Numbers::default() }),
            _ => {
                let known = self.sinks.numbers(table, head, *partition, |commit| !commit.is_claim);
                (*partition, Numbers { generation: self.seal.0, ..known })
            }
        });
        let numbers = numbers.collect();
        self.seal.1 += 1;
        let attempt = AttemptId(u128::MAX - self.seal.1);
        let commit = Commit { attempt, numbers, rows: Vec::new(), is_claim };
        assert!(self.sinks.put(&scenario, table, head + 1, &commit), "nobody comes between");
        self.sealing = match (self.sealing, table) {
            (Sealing::Closes, _) => {
                self.sinks.sealed_at = Some(head + 1);
                Sealing::Closes
            }
            (_, Table::Punches) => {
                self.seal.0 = head as i64 + 1;
                Sealing::Claims(Table::Side)
            }
            (_, Table::Side) => Sealing::Claims(Table::Said),
            (_, Table::Said) => Sealing::Writes,
        };
    }

    /// Faults have ended, and every process has come to rest: whether everything is as it must be in the end.
    pub(super) fn assert_settled(&self) {
        let (scenario, sinks) = (&self.scenario.0, &self.sinks);
        for partition in scenario.partitions() {
            let frontier = sinks.numbers(Table::Punches, sinks.head(Table::Punches), partition, |_| true);
            let place = (frontier.next, frontier.clock);
            let end = (scenario.len(partition), scenario.end_clock(partition));
            assert_eq!(place, end, "P6: partition {partition} is not read to its end");
            let waiting = sinks.inbox(partition, frontier.late);
            assert!(waiting.is_empty(), "P6: {waiting:?} of partition {partition} wait in the inbox");
            let mut punches = Vec::new();
            for row in sinks.rows(Table::Punches, sinks.head(Table::Punches), partition) {
                let Row::Punch { offset, id } = row else { panic!("{row:?} among punches") };
                punches.push((*offset, *id));
            }
            punches.sort_unstable();
            let offsets: Vec<i64> = punches.iter().map(|(offset, _)| *offset).collect();
            let accepted: Vec<i64> = scenario.accepted(partition).iter().copied().collect();
            assert_eq!(offsets, accepted, "P1: the punches of partition {partition}");
            let letters =
                (0..scenario.len(partition)).filter(|offset| scenario.has_letter(partition, *offset));
            for offset in letters {
                assert!(
                    sinks.letters.contains(&(partition, offset)),
                    "P3: no letter of {partition}/{offset}"
                );
            }
            let believed = sinks.believed(partition);
            for id in scenario.due_until(partition, i64::MAX) {
                let is_missing = !punches.iter().any(|(_, known)| *known == id);
                let holds = is_missing && scenario.due(partition, id) <= end.1;
                let last =
                    believed.iter().rev().find(|(saying, _)| saying.key == id).map(|(saying, _)| *saying);
                check_last(holds, sinks.last_said(partition, id), partition, id);
                check_last(holds, last, partition, id);
            }
        }
    }
}

fn check_last(holds: bool, said: Option<Saying>, partition: Partition, id: Id) {
    let is_right = said.map_or(!holds, |said| said.is_firing == holds);
    assert!(
        is_right,
        "P4: of key {id} of partition {partition} the last that was said is {said:?}, what holds is {holds}"
    );
}

const fn append(fault: Fault) -> Append {
    match fault {
        Fault::None => Append::Done,
        Fault::Unheard => Append::Unheard,
        Fault::Vanished | Fault::Delayed => Append::Vanished,
    }
}
