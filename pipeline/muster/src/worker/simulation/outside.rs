//! What outlives a simulated process: a log, letters, the alerts topic; the faults between any two effects, and the history.
//!
//! In: what processes do.  Out: what they read back.  Owns: the history of this thread's run.
//! Invariants: every effect stands between two calls of [`between`].

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alerts::{Outlet, SaidAlert, SilentOutlet, read_back};
use model::position::Generation;
use model::{EventTime, LogId, NextOffset, Offset, Partition};
use schemas::lines::{ALERT_OWNER_PREFIX, AlertBody, AlertOwner};
use serde::Serialize;
use source::{DeadLetter, LogIdentity, Polled, RawBatch, RawHeaders, Source, StartAt};

use super::group::Shared;
use super::{Mutant, Telling};
use crate::worker::letters::{Letters, LogReader};

/// The one topic.
pub(super) const TOPIC: &str = "punches";

thread_local! {
    static BETWEEN: RefCell<Option<Rc<dyn Fn()>>> = const { RefCell::new(None) };
    static HISTORY: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static TURN: Cell<Option<usize>> = const { Cell::new(None) };
    static IS_TOLD: Cell<bool> = const { Cell::new(false) };
    static COUNTS: RefCell<BTreeMap<&'static str, u64>> = const { RefCell::new(BTreeMap::new()) };
}

/// From now on each line of history is printed as it is written.
pub(super) fn tell_history() {
    IS_TOLD.set(true);
}

/// Whose turn it is; gives whose it was.
pub(super) fn is_turn_of(at: Option<usize>) -> Option<usize> {
    TURN.replace(at)
}

/// Writes a line of history.
pub(super) fn note(line: impl FnOnce() -> String) {
    let who = TURN.get().map_or_else(|| "group".to_owned(), |at| format!("process {at}"));
    let line = format!("{who}: {}", line());
    if IS_TOLD.get() {
        println!("{line}");
    }
    HISTORY.with_borrow_mut(|history| history.push(line));
}

/// Counts something of which a test wants to know that it happens.
pub(super) fn count(what: &'static str) {
    COUNTS.with_borrow_mut(|counts| *counts.entry(what).or_default() += 1);
}

/// What was counted on this thread since this was last asked.
pub(super) fn take_counts() -> BTreeMap<&'static str, u64> {
    COUNTS.take()
}

/// Forgets the history of a run before, which may have ended anyhow.
pub(super) fn begin_history() {
    TURN.set(None);
    HISTORY.take();
}

/// The history since it was begun.
pub(super) fn take_history() -> Vec<String> {
    HISTORY.take()
}

/// What happens on this thread between any two effects: a kill, somebody else's turn, nothing.
pub(super) fn set_between(between: Option<Rc<dyn Fn()>>) {
    BETWEEN.set(between);
}

/// Stands before and behind every effect.
pub(super) fn between() {
    if let Some(act) = BETWEEN.with_borrow(Clone::clone) {
        act();
    }
}

/// One record of the log.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) key: String,
    pub(super) value: String,
    pub(super) at: EventTime,
}

/// The log, by partition.
pub(super) type Log = Arc<Vec<Vec<Record>>>;

/// Fills `into` with up to `most` records from `from` on; gives when the last of them was appended.
pub(super) fn read(
    log: &Log,
    partition: Partition,
    from: i64,
    most: usize,
    into: &mut RawBatch,
) -> EventTime {
    let position = |offset| NextOffset::new(offset).unwrap();
    into.begin(partition, position(from));
    let records = log[partition.number() as usize].iter().skip(from as usize).take(most);
    let mut last = EventTime::from_us(0);
    for (offset, record) in (from..).zip(records) {
        let (key, value) = (Some(record.key.as_bytes()), Some(record.value.as_bytes()));
        into.push(Offset::new(offset).unwrap(), Some(record.at), key, value, RawHeaders::default());
        last = record.at.max(last);
    }
    last
}

/// Reads a log from where it is told, one record a batch: for letters whose records have left a worker's hands.
struct Again {
    identity: LogIdentity,
    log: Log,
    positions: BTreeMap<Partition, i64>,
    paused: BTreeSet<Partition>,
    is_assigned: bool,
}

impl Source for Again {
    fn identity(&self) -> &LogIdentity {
        &self.identity
    }

    fn start(&mut self, positions: &[(Partition, NextOffset)]) -> Result<(), source::Error> {
        self.positions.extend(positions.iter().map(|(partition, next)| (*partition, next.get())));
        Ok(())
    }

    fn locate(&mut self, _: Partition, _: StartAt) -> Result<NextOffset, source::Error> {
        Ok(NextOffset::START)
    }

    fn poll(&mut self, _: Duration, into: &mut RawBatch) -> Result<Polled, source::Error> {
        if !std::mem::replace(&mut self.is_assigned, true) {
            return Ok(Polled::Assigned((0..self.identity.partitions).map(Partition::new).collect()));
        }
        let mut open = self.positions.iter_mut().filter(|(partition, _)| !self.paused.contains(partition));
        let Some((partition, position)) = open.next() else { return Ok(Polled::Idle) };
        read(&self.log, *partition, *position, 1, into);
        *position += 1;
        Ok(Polled::Batch)
    }

    fn pause(&mut self, partition: Partition) {
        self.paused.insert(partition);
    }

    fn resume(&mut self, partition: Partition) {
        self.paused.remove(&partition);
    }

    fn commit_hint(&mut self, _: &[(Partition, NextOffset)]) {}
}

/// Letters as their topic holds them: origin, code, bytes.
pub(super) type Buried = Arc<Mutex<BTreeMap<(u32, i64), (String, String)>>>;

/// Where letters go.
pub(super) struct Grave {
    buried: Buried,
    again: LogReader,
    /// Where a mutant keeps letters until they are asked for.
    kept: Option<Buried>,
}

impl Grave {
    pub(super) fn new(buried: Buried, log: Log, kept: Option<Buried>) -> Self {
        let open = move || {
            let partitions = log.len() as u32;
            let log_id = LogId::new("sim").unwrap();
            let identity = LogIdentity { topic: TOPIC.to_owned(), log_id, partitions };
            let again = Again {
                identity,
                log: Arc::clone(&log),
                positions: BTreeMap::new(),
                paused: BTreeSet::new(),
                is_assigned: false,
            };
            Ok(Box::new(again) as Box<dyn Source>)
        };
        Self { buried, again: LogReader::new(Box::new(open)), kept }
    }
}

impl Letters for Grave {
    fn bury(&mut self, letters: &[DeadLetter<'_>]) -> Result<(), source::Error> {
        for letter in letters {
            between();
            let origin = (letter.origin.partition.number(), letter.origin.offset.get());
            note(|| format!("letter {origin:?} {}", letter.code.name()));
            let bytes = String::from_utf8_lossy(letter.value.as_deref().unwrap_or_default()).into_owned();
            let letter = (letter.code.name().to_owned(), bytes);
            let place = self.kept.as_ref().unwrap_or(&self.buried);
            let before = place.lock().unwrap().insert(origin, letter.clone());
            assert!(before.is_none_or(|before| before == letter), "P3: two letters of {origin:?} differ");
        }
        between();
        Ok(())
    }

    fn log(&mut self) -> &mut LogReader {
        &mut self.again
    }
}

/// What a reader of the alerts topic believes: a former owner's records behind a later one's marker are none.
#[derive(Debug, Default)]
pub(super) struct Told {
    owners: BTreeMap<Partition, i64>,
    last: BTreeMap<(Partition, String), AlertBody>,
    /// Every record: key and value.
    records: BTreeMap<Partition, Vec<(String, Vec<u8>)>>,
}

impl Told {
    /// What was last told of each alert.
    pub(super) fn last(&self) -> impl Iterator<Item = &AlertBody> {
        self.last.values()
    }

    /// All records of a partition.
    pub(super) fn records(&self, partition: Partition) -> &[(String, Vec<u8>)] {
        self.records.get(&partition).map_or(&[], Vec::as_slice)
    }

    fn append(&mut self, partition: Partition, key: String, value: &impl Serialize) {
        let value = serde_json::to_vec(value).unwrap();
        self.records.entry(partition).or_default().push((key, value));
    }

    fn own(&mut self, partition: Partition, generation: i64) {
        self.append(partition, format!("{ALERT_OWNER_PREFIX}{partition}"), &AlertOwner { generation });
        let owner = self.owners.entry(partition).or_default();
        *owner = generation.max(*owner);
    }

    fn say(&mut self, partition: Partition, body: &AlertBody) {
        self.append(partition, body.alert_id.clone(), body);
        if body.cause.generation < self.owners.get(&partition).copied().unwrap_or(0) {
            return;
        }
        let last = self.last.insert((partition, body.alert_id.clone()), body.clone());
        let expected = last.map_or(1, |last| last.version + 1);
        assert_eq!(body.version, expected, "P4: the version told of {}", body.alert_id);
    }
}

/// The alerts topic.
pub(super) type Topic = Arc<Mutex<Told>>;

/// What tells of anomalies, or does not.
pub(super) fn mouth(shared: &Shared, mutant: Option<Mutant>) -> Box<dyn Outlet> {
    match shared.telling {
        Telling::Everything => {
            Box::new(Mouth { topic: Arc::clone(&shared.topic), mutant, read_before: None })
        }
        Telling::Nothing => Box::new(SilentOutlet),
    }
}

/// Writes the topic, and reads it back.
struct Mouth {
    topic: Topic,
    mutant: Option<Mutant>,
    /// What a mutant read back before its marker.
    read_before: Option<BTreeMap<Partition, Vec<SaidAlert>>>,
}

impl Mouth {
    fn read(&self, partitions: &[Partition]) -> BTreeMap<Partition, Vec<SaidAlert>> {
        let told = self.topic.lock().unwrap();
        let of = |partition: &Partition| {
            let own = told.last.iter().filter(|((of, _), _)| of == partition);
            (*partition, own.map(|(_, body)| read_back(body).expect("an alert of ours")).collect())
        };
        partitions.iter().map(of).collect()
    }
}

impl Outlet for Mouth {
    fn fold(
        &mut self,
        partitions: &[Partition],
    ) -> Result<BTreeMap<Partition, Vec<SaidAlert>>, alerts::Error> {
        between();
        if self.mutant == Some(Mutant::ForgetsWhatWasTold) {
            return Ok(BTreeMap::new());
        }
        Ok(self.read_before.take().unwrap_or_else(|| self.read(partitions)))
    }

    fn own(&mut self, owners: &[(Partition, Generation)]) -> Result<(), alerts::Error> {
        if self.mutant == Some(Mutant::ReadsBackBeforeItsMarker) {
            let partitions: Vec<Partition> = owners.iter().map(|(partition, _)| *partition).collect();
            self.read_before = Some(self.read(&partitions));
        }
        for (partition, generation) in owners {
            between();
            note(|| format!("marks alerts of partition {partition} as {generation:?}"));
            self.topic.lock().unwrap().own(*partition, generation.0);
        }
        between();
        Ok(())
    }

    fn publish(&mut self, alerts: &[(Partition, &[AlertBody])]) -> Result<(), alerts::Error> {
        for (partition, bodies) in alerts {
            for body in *bodies {
                between();
                note(|| {
                    let AlertBody { alert_id, kind, version, state, cause, .. } = body;
                    let (id, next, by) = (&alert_id[..6], cause.offset, cause.generation);
                    format!("alert {id} {kind} {version} {state} at {partition}/{next} by {by}")
                });
                self.topic.lock().unwrap().say(*partition, body);
            }
        }
        between();
        Ok(())
    }
}
