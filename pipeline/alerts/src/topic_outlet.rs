//! Alerts as records of a compacted topic: key = alert id, partition = that of the cause, CloudEvents headers.
//!
//! In: bodies; the present generation of an owner.  Out: records of the log.
//! Owns: the generation of each partition it was told of, which keys a former owner has written over, and where an
//! append ended without an answer.
//! Absent on purpose: a cache of what was said (the worker has it); a transaction (a reader tells a former owner's
//! records by their generation, which costs nothing where a transaction costs milliseconds).
//! Invariants: what `fold` gives back is what every other reader of the topic believes, kept by `AlertReader`.
//!
//! ```text
//! key       | value                | headers
//! <id>      | body (contract, 6)   | ce_specversion ce_id=<id>/<version> ce_source ce_type ce_time content-type
//! <id>      | none (a tombstone)   | muster.generation
//! _owner/3  | {"generation": 41}   |
//! ```

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use model::anomaly::Finding;
use model::position::{Generation, NextOffset, partition_of};
use model::{AnomalyId, AnomalyState, EventTime, Partition};
use schemas::lines::{ALERT_OWNER_PREFIX, AlertBody, AlertOwner};
use source::{Append, NewRecord, Polled, RawBatch, Source};

use crate::alert_reader::{AlertReader, GENERATION_HEADER, Seen};
use crate::compose::read_back;
use crate::outlet::{Error, Outlet, SaidAlert};

/// How one reads the alerts topic from its beginning: a fresh source each time.
pub type OpenSource = Box<dyn FnMut() -> Result<Box<dyn Source>, source::Error> + Send>;

/// How long one poll waits while reading back.
const POLL_MS: u64 = 100;
/// How long the log may say nothing at all while an outlet reads back, in seconds.
const SILENT_S_MAX: u64 = 60;
/// Tombstones of one append.
const TOMBSTONES_MAX: usize = 1_000;

/// The topic of alerts in a log.
pub struct TopicOutlet {
    topic: String,
    appender: Box<dyn Append>,
    open_source: OpenSource,
    generations: HashMap<Partition, Generation>,
    written_over: HashMap<Partition, WrittenOver>,
    /// Where the last append failed: some of it may lie in the topic all the same.
    unclear: BTreeSet<Partition>,
}

/// For each alert whose latest record a former owner wrote behind its successor's marker: the latest that counts.
type WrittenOver = HashMap<AnomalyId, Option<Box<AlertBody>>>;

/// What one partition of the topic says.
#[derive(Default)]
struct Folded {
    said: HashMap<AnomalyId, Box<AlertBody>>,
    written_over: WrittenOver,
}

impl TopicOutlet {
    /// The topic `topic`, written by `appender` and read back through what `open_source` opens.
    pub fn new(topic: &str, appender: Box<dyn Append>, open_source: OpenSource) -> Self {
        Self {
            topic: topic.to_owned(),
            appender,
            open_source,
            generations: HashMap::new(),
            written_over: HashMap::new(),
            unclear: BTreeSet::new(),
        }
    }

    fn fail(&self, source: source::Error) -> Error {
        Error::Log { topic: self.topic.clone(), source }
    }

    /// Reads `partitions` up to the topic's present end.
    fn read(&mut self, partitions: &[Partition]) -> Result<BTreeMap<Partition, Folded>, Error> {
        let mut folded: BTreeMap<Partition, Folded> =
            partitions.iter().map(|partition| (*partition, Folded::default())).collect();
        let mut open: BTreeSet<Partition> = folded.keys().copied().collect();
        if open.is_empty() {
            return Ok(folded);
        }
        let mut source = (self.open_source)().map_err(|error| self.fail(error))?;
        let (mut batch, mut reader) = (RawBatch::default(), AlertReader::default());
        let mut silent_polls = 0;
        while let Some(waited_for) = open.first().copied() {
            let polled =
                source.poll(Duration::from_millis(POLL_MS), &mut batch).map_err(|error| self.fail(error))?;
            silent_polls = if polled == Polled::Idle { silent_polls + 1 } else { 0 };
            match polled {
                Polled::Assigned(assigned) => {
                    let wanted = assigned.into_iter().filter(|partition| open.contains(partition));
                    let starts: Vec<_> = wanted.map(|partition| (partition, NextOffset::START)).collect();
                    source.start(&starts).map_err(|error| self.fail(error))?;
                }
                Polled::Batch => {
                    if let Some(folded) = folded.get_mut(&batch.partition()) {
                        self.fold_batch(&batch, &mut reader, folded)?;
                    }
                }
                Polled::CaughtUp { partition, .. } | Polled::Ended(partition) => {
                    open.remove(&partition);
                }
                Polled::Idle if silent_polls >= SILENT_S_MAX * 1_000 / POLL_MS => {
                    return Err(Error::Silent { topic: self.topic.clone(), partition: waited_for });
                }
                _ => {}
            }
        }
        Ok(folded)
    }

    /// Says again, where `owner` of what an alert is about is another partition than the one that has it, what was last said
    /// of it, by the owner of `generation`; what lies there already in that version or a later one is left. The former record
    /// stays: of an alert the highest version holds, whichever partition it is in. Gives how many were moved.
    ///
    /// # Errors
    /// As the log says.
    pub fn regroup(
        &mut self,
        partitions: &[Partition],
        generation: Generation,
        owner: impl Fn(&Finding) -> Partition,
    ) -> Result<u64, Error> {
        let found = self.read(partitions)?;
        // Of one that was moved before there are records in several partitions: the highest version goes on.
        let mut latest: HashMap<AnomalyId, (Partition, &AlertBody)> = HashMap::new();
        for (partition, folded) in &found {
            for (id, body) in &folded.said {
                let known = latest.entry(*id).or_insert((*partition, body.as_ref()));
                if known.1.version < body.version {
                    *known = (*partition, body.as_ref());
                }
            }
        }
        let mut moved: BTreeMap<Partition, Vec<AlertBody>> = BTreeMap::new();
        for (id, (from, body)) in latest {
            let Some((_, said)) = read_back(body) else { continue };
            let to = owner(&said.value.finding);
            let known = found.get(&to).and_then(|folded| folded.said.get(&id));
            if to == from || known.is_some_and(|known| known.version >= body.version) {
                continue;
            }
            let mut body = body.clone();
            body.cause.generation = generation.0;
            moved.entry(to).or_default().push(body);
        }
        let bodies: Vec<_> = moved.iter().map(|(to, bodies)| (*to, bodies.as_slice())).collect();
        self.publish(&bodies)?;
        Ok(moved.values().map(|bodies| bodies.len() as u64).sum())
    }

    /// Ends every alert that `is_theirs`, by the owner of `generation`: a tombstone each, behind that owner's marker, so that a
    /// former owner says nothing more. Gives their ids.
    ///
    /// # Errors
    /// As the log says.
    pub fn erase(
        &mut self,
        partitions: &[Partition],
        generation: Generation,
        is_theirs: impl Fn(&AlertBody) -> bool,
    ) -> Result<BTreeSet<String>, Error> {
        let owners: Vec<_> = partitions.iter().map(|partition| (*partition, generation)).collect();
        self.own(&owners)?;
        let mut erased = BTreeSet::new();
        for (partition, folded) in self.read(partitions)? {
            let written_over = folded.written_over.values().flatten();
            let theirs = folded.said.values().chain(written_over).filter(|body| is_theirs(body));
            let ids: BTreeSet<AnomalyId> =
                theirs.filter_map(|body| AnomalyId::parse(&body.alert_id)).collect();
            self.append_tombstones(partition, generation, &Vec::from_iter(ids.iter().copied()))?;
            erased.extend(ids.iter().map(AnomalyId::to_string));
        }
        Ok(erased)
    }

    fn fold_batch(
        &self,
        batch: &RawBatch,
        reader: &mut AlertReader,
        folded: &mut Folded,
    ) -> Result<(), Error> {
        for entry in batch.iter() {
            match reader.read(batch.partition(), &entry) {
                Seen::Alert(body) => {
                    let id = AnomalyId::parse(&body.alert_id).expect("a reader gives alerts with an id");
                    folded.written_over.remove(&id);
                    folded.said.insert(id, body);
                }
                Seen::Forgotten(id) => {
                    folded.written_over.remove(&id);
                    folded.said.remove(&id);
                }
                Seen::Stale(id) => {
                    folded.written_over.insert(id, folded.said.get(&id).cloned());
                }
                Seen::Owner(_) | Seen::Other => {}
                Seen::Foreign(what) => {
                    let (partition, offset) = (batch.partition(), entry.offset.get());
                    let place = format!("topic {}, partition {partition}, offset {offset}", self.topic);
                    return Err(Error::Foreign { place, what });
                }
            }
        }
        Ok(())
    }

    /// Says again, as the present owner, what a former owner has written over: compaction would leave its record only.
    fn mend(&mut self, partition: Partition) -> Result<(), Error> {
        let Some(generation) = self.generations.get(&partition).copied() else { return Ok(()) };
        let Some(written_over) = self.written_over.remove(&partition) else { return Ok(()) };
        let (mut bodies, mut gone) = (Vec::new(), Vec::new());
        for (id, latest) in &written_over {
            match latest {
                Some(body) => {
                    let mut body = body.as_ref().clone();
                    body.cause.generation = generation.0;
                    bodies.push(body);
                }
                None => gone.push(*id),
            }
        }
        self.publish(&[(partition, &bodies)])
            .and_then(|()| self.append_tombstones(partition, generation, &gone))
            .inspect_err(|_| {
                self.written_over.insert(partition, written_over);
            })
    }

    /// Of `alerts` those that do not lie in the topic already: an append that failed may have landed in part, and is
    /// looked for before it is tried again.
    fn not_yet_said<'a>(
        &mut self,
        alerts: &[(Partition, &'a [AlertBody])],
    ) -> Result<Vec<(Partition, &'a AlertBody)>, Error> {
        let each = alerts.iter().flat_map(|(partition, bodies)| bodies.iter().map(|body| (*partition, body)));
        let asked: BTreeSet<Partition> = alerts.iter().map(|(partition, _)| *partition).collect();
        let unclear: Vec<Partition> = self.unclear.intersection(&asked).copied().collect();
        let found = self.read(&unclear)?;
        let is_there = |(partition, body): &(Partition, &AlertBody)| {
            let said = found.get(partition).zip(AnomalyId::parse(&body.alert_id));
            said.and_then(|(folded, id)| folded.said.get(&id)).is_some_and(|said| {
                said.version >= body.version && said.cause.generation >= body.cause.generation
            })
        };
        Ok(each.filter(|alert| !is_there(alert)).collect())
    }

    fn append_tombstones(
        &mut self,
        partition: Partition,
        generation: Generation,
        ids: &[AnomalyId],
    ) -> Result<(), Error> {
        let generation = generation.0.to_string();
        let headers = [(GENERATION_HEADER, Some(generation.as_bytes()))];
        for ids in ids.chunks(TOMBSTONES_MAX) {
            let keys: Vec<String> = ids.iter().map(AnomalyId::to_string).collect();
            let record = |key| NewRecord {
                key: Some(str::as_bytes(key)),
                value: None,
                headers: &headers,
                partition: Some(partition),
            };
            let records: Vec<NewRecord<'_>> = keys.iter().map(|key| record(key)).collect();
            self.appender.append(&self.topic, &records).map_err(|error| self.fail(error))?;
        }
        Ok(())
    }
}

impl Outlet for TopicOutlet {
    fn fold(&mut self, partitions: &[Partition]) -> Result<BTreeMap<Partition, Vec<SaidAlert>>, Error> {
        let mut said = BTreeMap::new();
        for (partition, folded) in self.read(partitions)? {
            self.written_over.insert(partition, folded.written_over);
            self.mend(partition)?;
            let mut here = Vec::with_capacity(folded.said.len());
            for body in folded.said.values() {
                here.push(read_back(body).ok_or_else(|| Error::Foreign {
                    place: format!("topic {}, partition {partition}, key {}", self.topic, body.alert_id),
                    what: "an unknown kind, state or time".into(),
                })?);
            }
            said.insert(partition, here);
        }
        Ok(said)
    }

    fn own(&mut self, owners: &[(Partition, Generation)]) -> Result<(), Error> {
        let marker = |(partition, generation): &(Partition, Generation)| {
            let value = serde_json::to_vec(&AlertOwner { generation: generation.0 });
            (format!("{ALERT_OWNER_PREFIX}{partition}"), value.expect("a number is JSON"))
        };
        let markers: Vec<(String, Vec<u8>)> = owners.iter().map(marker).collect();
        let records: Vec<NewRecord<'_>> = owners
            .iter()
            .zip(&markers)
            .map(|((partition, _), (key, value))| NewRecord {
                key: Some(key.as_bytes()),
                value: Some(value),
                headers: &[],
                partition: Some(*partition),
            })
            .collect();
        self.appender.append(&self.topic, &records).map_err(|error| self.fail(error))?;
        self.generations.extend(owners.iter().copied());
        owners.iter().try_for_each(|(partition, _)| self.mend(*partition))
    }

    fn publish(&mut self, alerts: &[(Partition, &[AlertBody])]) -> Result<(), Error> {
        let bodies = self.not_yet_said(alerts)?;
        let value = |body| serde_json::to_vec(body).expect("a body is text, numbers and lists of text");
        let values: Vec<Vec<u8>> = bodies.iter().map(|(_, body)| value(body)).collect();
        let ids: Vec<String> =
            bodies.iter().map(|(_, body)| format!("{}/{}", body.alert_id, body.version)).collect();
        let headers: Vec<_> = bodies
            .iter()
            .zip(&ids)
            .map(|((_, body), id)| {
                [
                    ("ce_specversion", Some("1.0".as_bytes())),
                    ("ce_id", Some(id.as_bytes())),
                    ("ce_source", Some("muster".as_bytes())),
                    ("ce_type", Some("muster.alert".as_bytes())),
                    ("ce_time", Some(body.detected_at.as_bytes())),
                    ("content-type", Some("application/json".as_bytes())),
                ]
            })
            .collect();
        let records: Vec<NewRecord<'_>> = bodies
            .iter()
            .zip(values.iter().zip(&headers))
            .map(|((partition, body), (value, headers))| NewRecord {
                key: Some(body.alert_id.as_bytes()),
                value: Some(value),
                headers,
                partition: Some(*partition),
            })
            .collect();
        let partitions = || alerts.iter().map(|(partition, _)| *partition);
        if !records.is_empty()
            && let Err(error) = self.appender.append(&self.topic, &records)
        {
            self.unclear.extend(partitions());
            return Err(self.fail(error));
        }
        for partition in partitions() {
            self.unclear.remove(&partition);
        }
        Ok(())
    }

    fn tombstone(
        &mut self,
        partition: Partition,
        before: EventTime,
        regrouped: Option<u32>,
    ) -> Result<u64, Error> {
        let Some(generation) = self.generations.get(&partition).copied() else {
            return Err(Error::NotOwned { topic: self.topic.clone(), partition });
        };
        let is_over = |body: &AlertBody| {
            let said_at = body.detected_at.parse().ok().map(|at: jiff::Timestamp| EventTime::from(at));
            body.state == AnomalyState::Resolved.name() && said_at.is_some_and(|at| at < before)
        };
        let is_ours = |body: &AlertBody| {
            let owner = |partitions| {
                read_back(body)
                    .map(|(_, said)| partition_of(said.value.finding.subject().as_bytes(), partitions))
            };
            regrouped.is_none_or(|partitions| owner(partitions) == Some(partition))
        };
        let folded = self.read(&[partition])?.remove(&partition).unwrap_or_default();
        let over: Vec<AnomalyId> = folded
            .said
            .iter()
            .filter(|(_, body)| is_over(body) && is_ours(body))
            .map(|(id, _)| *id)
            .collect();
        self.append_tombstones(partition, generation, &over)?;
        Ok(over.len() as u64)
    }
}

#[cfg(test)]
#[path = "topic_outlet_tests.rs"]
mod tests;
