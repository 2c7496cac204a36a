//! One process of a simulated group, without threads: the work of its partitions is the real one, and what it holds and may do is
//! said by `frontier::Holdings`, as to the control loop.
//!
//! In: the group's words, turns.  Out: effects, each between two calls of `between`.  Owns: what a kill takes with it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use attendance::Recall;
use frontier::Holdings;
use model::{EventTime, NextOffset, Partition};
use source::RawBatch;

use super::Mutant;
use super::group::{Shared, Word};
use super::outside::{Buried, Grave, between, count, mouth, note, read};
use super::store::{Claim, Store};
use crate::worker::burier::{Burier, BurierInbox, bury_all};
use crate::worker::letters::Letters;
use crate::worker::partition::{Cut, PartitionWork};
use crate::worker::patience::Patience;
use crate::worker::pipeline::Outlets;
use crate::worker::speaker::{Speaker, SpeakerInbox, speak, take_over};
use crate::worker::store::{Drained, Heard, Part};
use crate::worker::world::World;

/// Records of one batch at most.
const BATCH_RECORDS_MAX: usize = 6;

/// Minutes between two looks at a log where nothing comes.
const IDLE_MIN: i64 = 12 * 60;

/// What one process has in memory.
pub(super) struct Process {
    holdings: Holdings,
    age: Duration,
    claim: Option<Claim>,
    works: BTreeMap<Partition, PartitionWork>,
    /// How far each partition was read.
    read: BTreeMap<Partition, i64>,
    /// Where each partition's clock stands.
    clocks: BTreeMap<Partition, EventTime>,
    /// Partitions whose clocks have come to the end.
    at_end: BTreeSet<Partition>,
    /// How far inbox rows are in a worker's hands.
    handed_out: BTreeMap<Partition, NextOffset>,
    outlets: Outlets,
    inbox: SpeakerInbox,
    burials: BurierInbox,
    /// Letters that a mutant has not sent yet.
    kept: Option<Buried>,
    /// The commit on its way, while work goes on.
    in_flight: Option<Vec<Part>>,
    /// Partitions given up meanwhile: they are let go of behind it.
    released: BTreeSet<Partition>,
    /// A cut in the making: what of it is done.
    cutting: Option<Vec<Cut>>,
    /// Whether something has happened since the last cut.
    is_dirty: bool,
    /// The snapshot it works by.
    seen: usize,
    world: Arc<World>,
}

impl Process {
    pub(super) fn new(shared: &Shared) -> Self {
        let (alerts, inbox) = Speaker::new();
        let kept = shared.lacks(Mutant::CutsBeforeLetters).then(Buried::default);
        let grave = Grave::new(Arc::clone(&shared.buried), Arc::clone(&shared.log), kept.clone());
        let (burier, burials) = Burier::new();
        let letters = Mutex::new(Box::new(grave) as Box<dyn Letters>);
        let outlets = Outlets { alerts, letters, burier, forwarder: None, patience: Patience::short() };
        Self {
            holdings: Holdings::new(1),
            age: Duration::ZERO,
            claim: None,
            works: BTreeMap::new(),
            read: BTreeMap::new(),
            clocks: BTreeMap::new(),
            at_end: BTreeSet::new(),
            handed_out: BTreeMap::new(),
            outlets,
            inbox,
            burials,
            kept,
            in_flight: None,
            released: BTreeSet::new(),
            cutting: None,
            is_dirty: false,
            seen: shared.changes.now(),
            world: shared.changes.world(shared.changes.now()),
        }
    }

    /// Does one thing, if there is any to do.
    pub(super) fn turn(&mut self, shared: &Shared, word: Option<Word>) -> bool {
        self.work_by(shared, shared.changes.look(self.seen));
        match word {
            Some(Word::Assigned(partition)) => self.own(shared, &[partition].into()),
            Some(Word::Lost(partition)) => self.give_up(partition),
            None => return self.work(shared),
        }
        true
    }

    /// Works by this snapshot from now on.
    fn work_by(&mut self, shared: &Shared, snapshot: usize) {
        if self.seen < snapshot {
            note(|| format!("works by snapshot {snapshot}"));
            (self.seen, self.world) = (snapshot, shared.changes.world(snapshot));
            if !self.works.is_empty() {
                count("snapshots taken at work");
            }
        }
    }

    fn work(&mut self, shared: &Shared) -> bool {
        self.age += Duration::from_secs(1);
        let due: BTreeSet<Partition> = self.holdings.due_back(self.age).into_iter().collect();
        if !due.is_empty() && !shared.lacks(Mutant::NeverClaimsBack) {
            self.own(shared, &due);
            return true;
        }
        let is_open =
            |partition: &Partition| self.holdings.is_read(*partition) && !self.at_end.contains(partition);
        let open: Vec<Partition> = self.works.keys().copied().filter(is_open).collect();
        if self.in_flight.is_some() {
            if open.is_empty() || shared.once_in(2) {
                self.commit(shared);
                return true;
            }
        } else if self.cutting.is_some() {
            if open.is_empty() || shared.once_in(2) {
                self.go_on_cutting();
                return true;
            }
        } else if open.is_empty() || self.is_dirty && shared.once_in(4) {
            let waits = self.holdings.partitions().any(|partition| !self.holdings.is_read(partition));
            let is_due = self.is_dirty;
            if is_due {
                self.begin_cut();
            }
            return is_due || waits;
        }
        self.poll(shared, open[shared.below(open.len())]);
        true
    }

    /// Claims, folds and starts.
    fn own(&mut self, shared: &Shared, asked: &BTreeSet<Partition>) {
        self.commit(shared);
        let (claim, owned) = Store(shared).own(asked, self.claim.as_ref());
        self.claim = Some(claim);
        let owners: Vec<_> = owned.iter().map(|owned| (owned.partition, owned.generation)).collect();
        let mut said =
            take_over(&mut *mouth(shared, shared.mutant), &owners, &self.outlets.patience).unwrap();
        for owned in owned {
            let (partition, generation) = (owned.partition, owned.generation);
            let (next, clock) = (owned.frontier.next().get(), owned.frontier.clock().time());
            note(|| format!("owns {partition} from {next} by {}, {:?}", generation.0, owned.said_until));
            let said = said.remove(&partition).unwrap_or_default();
            self.work_by(shared, shared.changes.by(clock, self.seen));
            let mut work = PartitionWork::recover(&shared.settings, owned, said, &self.world);
            self.holdings.own(partition, generation);
            self.handed_out.remove(&partition);
            self.read.insert(partition, next);
            self.at_end.remove(&partition);
            self.clocks.insert(partition, clock);
            work.restate(&self.world, &self.outlets);
            self.works.insert(partition, work);
            self.speak(shared);
        }
        self.is_dirty = true;
    }

    fn give_up(&mut self, partition: Partition) {
        note(|| format!("gives up {partition}"));
        self.holdings.give_up(partition);
        self.works.remove(&partition);
        self.handed_out.remove(&partition);
        self.released.insert(partition);
        if self.in_flight.is_none() {
            self.release();
        }
    }

    fn release(&mut self) {
        let released = std::mem::take(&mut self.released);
        if let Some(claim) = &mut self.claim {
            claim.lose(&released);
        }
    }

    fn poll(&mut self, shared: &Shared, partition: Partition) {
        let from = self.read[&partition];
        let end = shared.log[partition.number() as usize].len() as i64;
        let worker = self.holdings.take_batch(partition).expect("it is read");
        let clock = self.clocks.get(&partition).copied().unwrap_or(shared.end);
        if from == end {
            // An idle log's clock moves on bit by bit.
            let last = shared.log[partition.number() as usize].last().map_or(shared.end, |record| record.at);
            let clock = last.max(clock).plus_min(IDLE_MIN).min(shared.end);
            note(|| format!("reads {partition} to its end at {}", clock.timestamp()));
            self.work_by(shared, shared.changes.by(clock, self.seen));
            let work = self.works.get_mut(&partition).expect("a partition at work");
            work.caught_up(clock, &self.world, &self.outlets);
            self.clocks.insert(partition, clock);
            if clock == shared.end {
                self.at_end.insert(partition);
            }
        } else {
            let most = 1 + shared.below(BATCH_RECORDS_MAX);
            let mut batch = RawBatch::new();
            let last = read(&shared.log, partition, from, most, &mut batch);
            note(|| format!("reads {partition} {from}..{}", batch.next().get()));
            self.work_by(shared, shared.changes.by(last, self.seen));
            self.read.insert(partition, batch.next().get());
            let work = self.works.get_mut(&partition).expect("a partition at work");
            work.take(&mut batch, &self.world, &self.outlets).unwrap();
        }
        self.holdings.spent(worker, &[]);
        self.speak(shared);
        self.is_dirty = true;
    }

    /// Buries and publishes what workers have handed over.
    fn speak(&self, shared: &Shared) {
        let patience = &self.outlets.patience;
        drop(self.outlets.burier.end_when_dropped());
        bury_all(&self.outlets.letters, &self.burials, patience);
        drop(self.outlets.alerts.end_when_dropped());
        speak(mouth(shared, None), &self.inbox, &shared.settings.wall, patience);
    }

    /// Begins to take what workers have done so far.
    fn begin_cut(&mut self) {
        self.is_dirty = false;
        assert!(self.holdings.ask_for_cut());
        self.works.values_mut().for_each(PartitionWork::begin_cut);
        self.cutting = Some(Vec::new());
    }

    /// Compares one more shift result of each partition. The cut that is done is committed while work goes on.
    fn go_on_cutting(&mut self) {
        let Some(mut done) = self.cutting.take() else { return };
        let cutting = self.works.values_mut().filter(|work| work.is_cutting());
        let went_on: Vec<Option<Cut>> = cutting.map(|work| work.go_on_cutting(1)).collect();
        let is_over = went_on.iter().all(Option::is_some);
        done.extend(went_on.into_iter().flatten());
        if !is_over {
            self.cutting = Some(done);
            return;
        }
        assert!(self.holdings.cut_told());
        let current = done.into_iter().filter(|cut| self.holdings.is_current(cut.partition, cut.generation));
        let part = |cut: Cut| {
            let Cut { partition, frontier, rows, recalls, listens, ruled_until, .. } = cut;
            Part { partition, rows, frontier, recalls, listens, ruled_until }
        };
        self.in_flight = Some(current.map(part).collect());
        self.holdings.commit();
    }

    /// Commits what was cut, if anything was, and hands workers what is to be judged behind it.
    fn commit(&mut self, shared: &Shared) {
        let Some(parts) = self.in_flight.take() else { return };
        let mut claim = self.claim.take().expect("what was cut was claimed");
        let store = Store(shared);
        let (lost, mut parts) = store.commit(&mut claim, parts);
        between();
        let lost: Vec<Partition> = lost.into_iter().collect();
        for partition in self.holdings.committed(&lost, self.age) {
            note(|| format!("{partition} is another's"));
            self.works.remove(&partition);
        }
        if let Some(kept) = &self.kept {
            shared.buried.lock().unwrap().append(&mut kept.lock().unwrap());
        }
        let heard: Vec<Heard> = parts.iter_mut().flat_map(|part| store.listen(part)).collect();
        let mut drained: Vec<Drained> = Vec::new();
        for partition in claim.frontiers.keys().copied() {
            let part = parts.iter_mut().find(|part| part.partition == partition);
            let recalls: Vec<Recall> = part.map(|part| std::mem::take(&mut part.recalls)).unwrap_or_default();
            let in_hand = self.handed_out.get(&partition).copied();
            if let Some((rows, until)) = store.drain(&claim, recalls, (partition, in_hand)) {
                if until > claim.frontiers[&partition].late() {
                    self.handed_out.insert(partition, until);
                }
                drained.push(rows);
            }
        }
        self.claim = Some(claim);
        self.release();
        self.hand_over(shared, drained, &heard);
    }

    /// Gives workers what was read for them behind a commit.
    fn hand_over(&mut self, shared: &Shared, drained: Vec<Drained>, heard: &[Heard]) {
        for drained in drained {
            if let Some(work) = self.works.get_mut(&drained.partition) {
                let rows: usize = drained.rows.iter().map(arrow::array::RecordBatch::num_rows).sum();
                let (partition, recalls) = (drained.partition, drained.recalls.len());
                note(|| format!("drains {rows} rows of {partition}, judges {recalls} people from the lake"));
                work.drain(drained, &self.world, &self.outlets).unwrap();
                self.is_dirty = true;
            }
        }
        for heard in heard {
            if let Some(work) = self.works.get_mut(&heard.partition) {
                work.heard(heard, &self.world, &self.outlets);
                self.is_dirty = true;
            }
        }
        self.speak(shared);
    }
}

/// The wall of a simulated world stands still.
pub(super) fn wall(at: EventTime) -> source::WallClock {
    Arc::new(move || at)
}
