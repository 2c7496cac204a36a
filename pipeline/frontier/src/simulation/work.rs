//! One partition's work in a simulated process: records become rows, letters and sayings, as `muster::worker::partition` does it.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

use model::position::LogMark;
use model::{Cause, EventTime, Generation, LogClock, NextOffset, Partition};

use super::Mutant;
use super::records::{Id, RECORD_EVERY, Record, Scenario};
use super::sinks::{Numbers, Row, Saying};
use crate::said::{Decision, Said, SaidState};

/// Said state that can be told from another.
#[derive(Clone, Debug, Default)]
pub(super) struct Book(SaidState<Id, bool>);

impl Hash for Book {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let cause = |cause: &Cause| (cause.next.get(), cause.clock.time().us());
        let said: BTreeMap<Id, _> =
            self.0.iter().map(|(id, said)| (*id, (said.version, said.value, cause(&said.cause)))).collect();
        said.hash(state);
        self.0.ahead().hash(state);
    }
}

impl Book {
    pub(super) fn fold(&mut self, partition: Partition, saying: &Saying) {
        let cause = cause(partition, saying.cause);
        let (version, digest, value) = (saying.version, u64::from(saying.is_firing), saying.is_firing);
        self.0.fold(saying.key, Said { version, digest, cause, value });
    }
}

fn cause(partition: Partition, (next, clock): (i64, i64)) -> Cause {
    Cause {
        log: LogMark::parse("0000000000000001").unwrap(),
        partition,
        next: NextOffset::new(next).unwrap(),
        clock: LogClock::at(EventTime::from_us(clock)),
    }
}

/// Rows since the last cut.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Rows {
    pub(super) side: Vec<Row>,
    pub(super) punches: Vec<Row>,
    pub(super) said: Vec<Saying>,
}

impl Rows {
    pub(super) const fn is_empty(&self) -> bool {
        self.side.is_empty() && self.punches.is_empty() && self.said.is_empty()
    }
}

#[derive(Clone, Debug, Hash)]
pub(super) struct Work {
    pub(super) partition: Partition,
    pub(super) generation: Generation,
    pub(super) next: i64,
    pub(super) clock: i64,
    pub(super) late: i64,
    /// Identities of rows of `punches`, by the offset that has each.
    pub(super) punched: BTreeMap<Id, i64>,
    /// Identities that wait in the inbox.
    pub(super) waiting: BTreeSet<Id>,
    pub(super) table: Book,
    pub(super) outlet: Book,
    pub(super) rows: Rows,
    /// Offsets whose letters are not durable.
    pub(super) letters: Vec<i64>,
    /// Inbox rows handed over to be judged.
    pub(super) drained: Vec<(i64, Id)>,
    /// Alerts not handed to the speaker yet.
    pub(super) fresh: Vec<Saying>,
    pub(super) knows_seal: bool,
    pub(super) mutant: Option<Mutant>,
}

impl Work {
    /// A partition claimed at `frontier`, before anything is folded.
    pub(super) fn new(
        partition: Partition,
        generation: Generation,
        frontier: Numbers,
        knows_seal: bool,
        mutant: Option<Mutant>,
    ) -> Self {
        Self {
            partition,
            generation,
            next: frontier.next,
            clock: frontier.clock,
            late: frontier.late,
            punched: BTreeMap::new(),
            waiting: BTreeSet::new(),
            table: Book::default(),
            outlet: Book::default(),
            rows: Rows::default(),
            letters: Vec::new(),
            drained: Vec::new(),
            fresh: Vec::new(),
            knows_seal,
            mutant,
        }
    }

    /// Ends folding: what a former owner judged behind `said_until` and may not have said is judged again; `drained` are identities
    /// of inbox rows drained since.
    pub(super) fn start(&mut self, scenario: &Scenario, said_until: Numbers, drained: &BTreeSet<Id>) {
        let here = self.here();
        for book in [&mut self.table, &mut self.outlet] {
            book.0.start_at(here);
        }
        if self.mutant == Some(Mutant::TakesAllForSaid) {
            return;
        }
        let due =
            scenario.due_within(self.partition, said_until.clock, self.clock).into_iter().map(|(_, id)| id);
        let new = self.punched.iter().filter(|(_, offset)| **offset >= said_until.next).map(|(id, _)| *id);
        let unsaid: BTreeSet<Id> = due.chain(new).chain(drained.iter().copied()).collect();
        for id in unsaid {
            self.judge(scenario, id, self.clock);
        }
    }

    fn here(&self) -> Cause {
        cause(self.partition, (self.next, self.clock))
    }

    /// Whether there is anything more to read.
    pub(super) fn is_behind(&self, scenario: &Scenario) -> bool {
        self.next < scenario.len(self.partition) || self.clock < scenario.end_clock(self.partition)
    }

    /// Reads the next record, or finds the log's end.
    pub(super) fn read(&mut self, scenario: &Scenario) {
        let Some(record) = scenario.logs[&self.partition].get(self.next as usize) else {
            self.advance(scenario, scenario.end_clock(self.partition));
            self.look_again(scenario);
            return;
        };
        let offset = self.next;
        self.next += 1;
        self.advance(scenario, self.next * RECORD_EVERY);
        match *record {
            Record::Broken => self.reject(offset, true),
            Record::Punch { id, is_other, .. } if self.punched.contains_key(&id) => {
                self.reject(offset, is_other)
            }
            Record::Punch { id, is_late, .. } if is_late || self.waiting.contains(&id) => {
                self.rows.side.push(Row::Late { offset, id });
                self.waiting.insert(id);
            }
            Record::Punch { id, .. } => self.accept(scenario, offset, id),
        }
        self.look_again(scenario);
    }

    /// Judges inbox rows: each becomes a punch or a reject, and the inbox's position passes it.
    pub(super) fn drain(&mut self, scenario: &Scenario) {
        for (offset, id) in std::mem::take(&mut self.drained) {
            self.late = self.late.max(offset + 1);
            if self.punched.contains_key(&id) {
                self.reject(offset, scenario.has_letter(self.partition, offset));
            } else {
                self.accept(scenario, offset, id);
            }
        }
    }

    fn reject(&mut self, offset: i64, has_letter: bool) {
        self.rows.side.push(Row::Reject { offset });
        if has_letter {
            self.letters.push(offset);
        }
    }

    fn accept(&mut self, scenario: &Scenario, offset: i64, id: Id) {
        self.rows.punches.push(Row::Punch { offset, id });
        self.punched.insert(id, offset);
        self.judge(scenario, id, self.clock);
    }

    fn advance(&mut self, scenario: &Scenario, clock: i64) {
        for (due, id) in scenario.due_within(self.partition, self.clock, clock) {
            self.judge(scenario, id, due);
        }
        self.clock = self.clock.max(clock);
    }

    fn look_again(&mut self, scenario: &Scenario) {
        let here = self.here();
        let passed: BTreeSet<Id> = [&mut self.table, &mut self.outlet]
            .into_iter()
            .flat_map(|book| book.0.take_passed(here))
            .collect();
        for id in passed {
            self.judge(scenario, id, self.clock);
        }
    }

    /// What holds about a key at `clock`, against what was said of it.
    fn judge(&mut self, scenario: &Scenario, id: Id, clock: i64) {
        let is_firing = !self.punched.contains_key(&id) && scenario.due(self.partition, id) <= clock;
        let place = (self.next, clock);
        for (book, into) in [(&mut self.table, &mut self.rows.said), (&mut self.outlet, &mut self.fresh)] {
            let Some(known) = book.0.get(&id).map(|said| said.version).or(is_firing.then_some(0)) else {
                continue;
            };
            let decision = match self.mutant {
                // As if whatever was said had been said from here.
                Some(Mutant::IgnoresCauses)
                    if book.0.get(&id).is_some_and(|said| said.value != is_firing) =>
                {
                    Decision::Say { version: known + 1 }
                }
                _ => book.0.decide(&id, u64::from(is_firing), cause(self.partition, place)),
            };
            let Decision::Say { version } = decision else { continue };
            let saying = Saying { key: id, version, is_firing, cause: place, knows_seal: self.knows_seal };
            let (digest, cause) = (u64::from(is_firing), cause(self.partition, place));
            book.0.say(id, Said { version, digest, cause, value: is_firing });
            into.push(saying);
        }
    }
}
