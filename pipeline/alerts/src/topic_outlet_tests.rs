//! Semantics of the alerts topic, on the embedded log: markers, generations, compaction, tombstones.

use std::sync::{Arc, Mutex};

use model::Anomaly;
use source::{EmbeddedLog, LogIdentity, StartAt, embedded};

use super::*;
use crate::compose::tests::anomaly;

const TOPIC: &str = "alerts";

struct World {
    _folder: tempfile::TempDir,
    log: EmbeddedLog,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = embedded::Options { partitions: 4, ..embedded::Options::default() };
        let now = || EventTime::from_ms(1_793_600_000_000);
        let log = EmbeddedLog::open(folder.path(), options, Arc::new(now)).unwrap();
        log.create_topic(TOPIC, 4).unwrap();
        Self { _folder: folder, log }
    }

    fn outlet(&self) -> TopicOutlet {
        let log = self.log.clone();
        let open = move || log.source(TOPIC).map(|source| Box::new(source) as Box<dyn Source>);
        TopicOutlet::new(TOPIC, Box::new(self.log.appender()), Box::new(open))
    }

    /// What is said of each alert of partition 3: its number, version and state, sorted.
    fn said(&self) -> Vec<(u8, i64, AnomalyState)> {
        let mut said: Vec<_> = self
            .outlet()
            .fold(&[HERE])
            .unwrap()
            .remove(&HERE)
            .unwrap()
            .into_iter()
            .map(|(id, said)| (id.0[0], said.version, said.value.state))
            .collect();
        said.sort_by_key(|(number, ..)| *number);
        said
    }
}

fn alert(number: u8, version: i64, state: AnomalyState, generation: i64) -> AlertBody {
    let mut finding = anomaly().finding;
    finding.id = AnomalyId([number; 16]);
    let anomaly = Anomaly { version, state, finding, ..anomaly() };
    crate::compose::body(&anomaly, Generation(generation), None, None)
}

const FIRING: AnomalyState = AnomalyState::Firing;
const RESOLVED: AnomalyState = AnomalyState::Resolved;
const HERE: Partition = Partition::new(3);

#[test]
fn the_topic_reads_back_what_was_said() {
    let world = World::new();
    let mut outlet = world.outlet();
    outlet.own(&[(HERE, Generation(5))]).unwrap();
    let bodies = [alert(1, 1, FIRING, 5), alert(2, 1, FIRING, 5), alert(1, 2, RESOLVED, 5)];
    outlet.publish(&[(HERE, &bodies)]).unwrap();
    outlet.publish(&[(HERE, &[])]).unwrap();
    outlet.publish(&[(Partition::new(0), &[alert(3, 1, FIRING, 5)])]).unwrap();
    assert_eq!(world.said(), [(1, 2, RESOLVED), (2, 1, FIRING)]);
    let before = world.said();
    world.log.compact(TOPIC).unwrap();
    assert_eq!(world.said(), before);
}

#[test]
fn a_record_carries_the_headers_of_a_cloud_event() {
    let world = World::new();
    world.outlet().publish(&[(HERE, &[alert(1, 2, FIRING, 5)])]).unwrap();
    let (mut source, mut batch) = (world.log.source(TOPIC).unwrap(), RawBatch::new());
    source.poll(Duration::ZERO, &mut batch).unwrap();
    source.start(&[(HERE, NextOffset::START)]).unwrap();
    assert_eq!(source.poll(Duration::ZERO, &mut batch).unwrap(), Polled::Batch);
    let entry = batch.get(0).unwrap();
    let id = AnomalyId([1; 16]).to_string();
    assert_eq!(entry.key, Some(id.as_bytes()));
    let text = |name| std::str::from_utf8(entry.headers.get(name).unwrap()).unwrap().to_owned();
    assert_eq!(text("ce_specversion"), "1.0");
    assert_eq!(text("ce_id"), format!("{id}/2"));
    assert_eq!(text("ce_source"), "muster");
    assert_eq!(text("ce_type"), "muster.alert");
    assert_eq!(text("ce_time"), "2026-11-02T01:12:31Z");
    assert_eq!(text("content-type"), "application/json");
}

#[test]
fn a_former_owner_is_not_heard_and_what_it_wrote_over_is_said_again() {
    let world = World::new();
    let mut former = world.outlet();
    former.own(&[(HERE, Generation(5))]).unwrap();
    former.publish(&[(HERE, &[alert(1, 1, FIRING, 5), alert(2, 1, FIRING, 5)])]).unwrap();
    let mut owner = world.outlet();
    owner.own(&[(HERE, Generation(6))]).unwrap();
    // It wakes up and goes on, and it forgets something.
    former.publish(&[(HERE, &[alert(1, 2, RESOLVED, 5), alert(3, 1, FIRING, 5)])]).unwrap();
    former.tombstone(HERE, anomaly().detected_at.plus_s(1), None).unwrap();
    assert_eq!(world.said(), [(1, 1, FIRING), (2, 1, FIRING)]);
    owner.publish(&[(HERE, &[alert(2, 2, RESOLVED, 6)])]).unwrap();

    let mut next = world.outlet();
    next.own(&[(HERE, Generation(7))]).unwrap();
    assert_eq!(next.fold(&[HERE]).unwrap()[&HERE].len(), 2);
    let expected = [(1, 1, FIRING), (2, 2, RESOLVED)];
    assert_eq!(world.said(), expected);
    // Compaction keeps the latest record of each key only: markers 5 and 6 go, and with them why 1/2 did not count.
    world.log.compact(TOPIC).unwrap();
    assert_eq!(world.said(), expected);
    assert_eq!(next.fold(&[HERE]).unwrap()[&HERE].len(), 2);
}

#[test]
fn folding_before_owning_mends_as_well() {
    let world = World::new();
    let mut former = world.outlet();
    former.own(&[(HERE, Generation(5))]).unwrap();
    former.publish(&[(HERE, &[alert(1, 1, FIRING, 5)])]).unwrap();
    world.outlet().own(&[(HERE, Generation(6))]).unwrap();
    former.publish(&[(HERE, &[alert(1, 2, RESOLVED, 5)])]).unwrap();
    let mut next = world.outlet();
    next.fold(&[HERE]).unwrap();
    next.own(&[(HERE, Generation(7))]).unwrap();
    world.log.compact(TOPIC).unwrap();
    assert_eq!(world.said(), [(1, 1, FIRING)]);
}

#[test]
fn what_moves_goes_on_with_its_highest_version_and_once() {
    let world = World::new();
    let mut outlet = world.outlet();
    let all: Vec<Partition> = (0..4).map(Partition::new).collect();
    let (before, between) = (all[0], all[1]);
    outlet.publish(&[(before, &[alert(1, 1, FIRING, 5), alert(2, 1, FIRING, 5)])]).unwrap();
    assert_eq!(outlet.regroup(&all, Generation(6), |_| between).unwrap(), 2);
    outlet.publish(&[(between, &[alert(1, 2, RESOLVED, 6)])]).unwrap();
    assert_eq!(outlet.regroup(&all, Generation(7), |_| HERE).unwrap(), 2);
    assert_eq!(world.said(), [(1, 2, RESOLVED), (2, 1, FIRING)]);
    assert_eq!(outlet.regroup(&all, Generation(8), |_| HERE).unwrap(), 0, "all of it is there");
    assert_eq!(world.said(), [(1, 2, RESOLVED), (2, 1, FIRING)]);
}

#[test]
fn what_was_resolved_long_ago_is_forgotten() {
    let world = World::new();
    let mut outlet = world.outlet();
    let error = outlet.tombstone(HERE, EventTime::from_us(0), None).unwrap_err().to_string();
    assert!(error.contains("not owned"), "{error}");
    outlet.own(&[(HERE, Generation(5))]).unwrap();
    outlet
        .publish(&[(HERE, &[alert(1, 1, FIRING, 5), alert(2, 1, FIRING, 5), alert(2, 2, RESOLVED, 5)])])
        .unwrap();
    let resolved_at = anomaly().detected_at;
    assert_eq!(outlet.tombstone(HERE, resolved_at, None).unwrap(), 0);
    assert_eq!(outlet.tombstone(HERE, resolved_at.plus_s(1), None).unwrap(), 1);
    assert_eq!(world.said(), [(1, 1, FIRING)]);
    assert_eq!(outlet.tombstone(HERE, resolved_at.plus_s(1), None).unwrap(), 0);
    world.log.compact(TOPIC).unwrap();
    assert_eq!(world.said(), [(1, 1, FIRING)]);
    // It fires again: a life of its own.
    outlet.publish(&[(HERE, &[alert(2, 3, FIRING, 5)])]).unwrap();
    assert_eq!(world.said(), [(1, 1, FIRING), (2, 3, FIRING)]);
}

#[test]
fn other_keys_are_passed_over_and_a_foreign_record_is_named() {
    let world = World::new();
    let mut appender = world.log.appender();
    let record = |key: &'static str, value: &'static str| NewRecord {
        key: Some(key.as_bytes()),
        value: Some(value.as_bytes()),
        headers: &[],
        partition: Some(HERE),
    };
    appender.append(TOPIC, &[record("_deliverer/3", "x"), record("_owner/3", "{\"generation\":2}")]).unwrap();
    assert_eq!(world.said(), []);
    appender.append(TOPIC, &[record("hello", "world")]).unwrap();
    let error = world.outlet().fold(&[HERE]).unwrap_err().to_string();
    assert!(error.contains("topic alerts, partition 3, offset 2: no alert"), "{error}");
}

/// A source that says nothing.
struct Mute(LogIdentity);

impl Source for Mute {
    fn identity(&self) -> &LogIdentity {
        &self.0
    }
    fn start(&mut self, _: &[(Partition, NextOffset)]) -> Result<(), source::Error> {
        Ok(())
    }
    fn locate(&mut self, _: Partition, _: StartAt) -> Result<NextOffset, source::Error> {
        Ok(NextOffset::START)
    }
    fn poll(&mut self, _: Duration, _: &mut RawBatch) -> Result<Polled, source::Error> {
        Ok(Polled::Idle)
    }
    fn pause(&mut self, _: Partition) {}
    fn resume(&mut self, _: Partition) {}
    fn commit_hint(&mut self, _: &[(Partition, NextOffset)]) {}
}

#[test]
fn a_log_that_never_answers_is_an_error() {
    let world = World::new();
    let identity = world.log.identity(TOPIC).unwrap();
    let open = move || Ok(Box::new(Mute(identity.clone())) as Box<dyn Source>);
    let mut outlet = TopicOutlet::new(TOPIC, Box::new(world.log.appender()), Box::new(open));
    let error = outlet.fold(&[HERE]).unwrap_err().to_string();
    assert!(error.contains("nothing came for 60 s"), "{error}");
}

/// Appends the first so many records of each append and then fails, as long as it is told to.
struct Torn {
    appender: Box<dyn Append>,
    lands: Arc<Mutex<Option<usize>>>,
}

impl Append for Torn {
    fn append(
        &mut self,
        topic: &str,
        records: &[NewRecord<'_>],
    ) -> Result<Vec<(Partition, model::position::Offset)>, source::Error> {
        match *self.lands.lock().unwrap() {
            None => self.appender.append(topic, records),
            Some(lands) => {
                self.appender.append(topic, &records[..lands.min(records.len())])?;
                let nowhere =
                    NewRecord { key: None, value: None, headers: &[], partition: Some(Partition::new(99)) };
                self.appender.append(topic, &[nowhere])
            }
        }
    }
}

#[test]
fn what_landed_of_an_append_that_failed_is_not_said_again() {
    let world = World::new();
    let lands = Arc::new(Mutex::new(Some(2)));
    let log = world.log.clone();
    let open = move || log.source(TOPIC).map(|source| Box::new(source) as Box<dyn Source>);
    let torn = Torn { appender: Box::new(world.log.appender()), lands: Arc::clone(&lands) };
    let mut outlet = TopicOutlet::new(TOPIC, Box::new(torn), Box::new(open));
    let bodies = [alert(1, 1, FIRING, 5), alert(2, 1, FIRING, 5), alert(1, 2, RESOLVED, 5)];
    outlet.publish(&[(HERE, &bodies)]).unwrap_err();
    // A second failure, of which nothing lands, forgets nothing of the first.
    *lands.lock().unwrap() = Some(0);
    outlet.publish(&[(HERE, &bodies)]).unwrap_err();
    *lands.lock().unwrap() = None;
    outlet.publish(&[(HERE, &bodies)]).unwrap();
    outlet.publish(&[(HERE, &[alert(2, 2, RESOLVED, 5)])]).unwrap();

    let mut found = Vec::new();
    let (mut source, mut batch) = (world.log.source(TOPIC).unwrap(), RawBatch::new());
    source.poll(Duration::ZERO, &mut batch).unwrap();
    source.start(&[(HERE, NextOffset::START)]).unwrap();
    while found.len() < 4 {
        if source.poll(Duration::from_millis(POLL_MS), &mut batch).unwrap() == Polled::Batch {
            found.extend(batch.iter().map(|entry| {
                let body: AlertBody = serde_json::from_slice(entry.value.unwrap()).unwrap();
                (body.alert_id[..2].to_owned(), body.version)
            }));
        }
    }
    let found: Vec<(&str, i64)> = found.iter().map(|(id, version)| (&id[..], *version)).collect();
    assert_eq!(found, [("01", 1), ("02", 1), ("01", 2), ("02", 2)]);
}
