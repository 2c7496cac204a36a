//! The gate over a scripted source and a registry on the loopback: order, holding, letting go, and what a registry may say.

#![allow(clippy::unwrap_used, reason = "test code")]

#[allow(unreachable_pub, dead_code, reason = "it is public where it is at home")]
#[path = "../../../../tests/src/registry.rs"]
mod fake;

use std::time::Instant;

use model::{EventTime, LogId, Offset};
use tokio::runtime::Runtime;

use super::super::{Login, Registry, RegistryOptions};
use super::*;
use crate::raw_batch::RawHeaders;
use fake::{Mood, SchemaRegistry};

const PUNCH: &str = include_str!("../../../../schemas/avro/punch.avsc");
const LIMIT: Duration = Duration::from_secs(20);
const NOW: EventTime = EventTime::from_us(1_000_000_000_000);

/// Delivers what it was given, partition by partition, unless paused; says what happened to it.
struct Scripted {
    identity: LogIdentity,
    batches: VecDeque<RawBatch>,
    said: VecDeque<Polled>,
    paused: BTreeSet<Partition>,
}

impl Source for Scripted {
    fn identity(&self) -> &LogIdentity {
        &self.identity
    }

    fn start(&mut self, _: &[(Partition, NextOffset)]) -> Result<(), Error> {
        Ok(())
    }

    fn locate(&mut self, _: Partition, _: StartAt) -> Result<NextOffset, Error> {
        Ok(NextOffset::START)
    }

    fn poll(&mut self, wait: Duration, into: &mut RawBatch) -> Result<Polled, Error> {
        let at = self.batches.iter().position(|batch| !self.paused.contains(&batch.partition()));
        if let Some(batch) = at.and_then(|at| self.batches.remove(at)) {
            *into = batch;
            return Ok(Polled::Batch);
        }
        if let Some(said) = self.said.pop_front() {
            return Ok(said);
        }
        std::thread::sleep(wait);
        Ok(Polled::Idle)
    }

    fn pause(&mut self, partition: Partition) {
        self.paused.insert(partition);
    }

    fn resume(&mut self, partition: Partition) {
        self.paused.remove(&partition);
    }

    fn commit_hint(&mut self, _: &[(Partition, NextOffset)]) {}
}

fn batch(partition: u32, from: i64, ids: &[Option<u32>], appended: EventTime) -> RawBatch {
    let mut batch = RawBatch::new();
    batch.begin(Partition::new(partition), NextOffset::new(from).unwrap());
    for (offset, id) in (from..).zip(ids) {
        let value = match id {
            Some(id) => [&[0][..], &id.to_be_bytes(), b"x"].concat(),
            None => b"{}".to_vec(),
        };
        let offset = Offset::new(offset).unwrap();
        batch.push(offset, Some(appended), None, Some(&value), RawHeaders::default());
    }
    batch
}

struct World {
    server: SchemaRegistry,
    registry: Registry,
    _runtime: Runtime,
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let server = SchemaRegistry::start();
        let folder = tempfile::tempdir().unwrap();
        let (runtime, registry) = open(&server, &folder, Login::None);
        Self { server, registry, _runtime: runtime, folder }
    }

    fn gate(&self, batches: Vec<RawBatch>, said: Vec<Polled>) -> SchemaGate {
        let identity =
            LogIdentity { topic: "punches".into(), log_id: LogId::new("log").unwrap(), partitions: 2 };
        let paused = BTreeSet::new();
        self.registry.gate(Box::new(Scripted {
            identity,
            batches: batches.into(),
            said: said.into(),
            paused,
        }))
    }
}

fn open(server: &SchemaRegistry, folder: &tempfile::TempDir, login: Login) -> (Runtime, Registry) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let options = RegistryOptions {
        url: server.url(),
        login,
        ca: None,
        timeout: Duration::from_millis(300),
        grace: Duration::from_secs(10),
        cache: folder.path().to_owned(),
    };
    let registry = Registry::open(options, Arc::new(|| NOW), runtime.handle().clone()).unwrap();
    (runtime, registry)
}

/// Polls until `count` records have come, or for ever idle until `until`; gives (partition, offsets) and what was said.
fn drain(
    gate: &mut SchemaGate,
    mut is_enough: impl FnMut(&[(u32, i64)]) -> bool,
) -> (Vec<(u32, i64)>, Vec<Polled>) {
    let (mut records, mut said) = (Vec::new(), Vec::new());
    let begun = Instant::now();
    let mut into = RawBatch::new();
    while !is_enough(&records) {
        assert!(begun.elapsed() < LIMIT, "only {records:?} came");
        match gate.poll(Duration::from_millis(2), &mut into).unwrap() {
            Polled::Batch => {
                let partition = into.partition().number();
                records.extend(into.iter().map(|entry| (partition, entry.offset.get())));
            }
            Polled::Idle => {}
            other => said.push(other),
        }
    }
    (records, said)
}

/// Enough after one poll.
fn once() -> impl FnMut(&[(u32, i64)]) -> bool {
    let mut is_over = false;
    move |_| std::mem::replace(&mut is_over, true)
}

/// Polls until the registry was asked `count` times in vain.
fn await_failures(world: &World, gate: &mut SchemaGate, count: u64) -> Vec<(u32, i64)> {
    drain(gate, |_| world.registry.status().failed >= count).0
}

const OLD: EventTime = EventTime::from_us(0);

#[test]
fn a_partition_waits_at_the_record_and_others_go_on() {
    let world = World::new();
    world.server.add(1, None, PUNCH, &[]);
    let caught_up =
        Polled::CaughtUp { partition: Partition::new(0), next: NextOffset::new(4).unwrap(), at: NOW };
    let batches =
        vec![batch(0, 0, &[Some(1), None, Some(7), Some(1)], OLD), batch(1, 0, &[Some(1), Some(1)], OLD)];
    let mut gate = world.gate(batches, vec![caught_up.clone()]);
    // Schema 1 is loaded first, so that what follows is about 7 alone.
    assert!(world.registry.await_schema(SchemaId(1), LIMIT));
    world.server.set_mood(Mood::Down);
    let before = await_failures(&world, &mut gate, 2);
    assert_eq!(before, [(0, 0), (0, 1), (1, 0), (1, 1)]);
    let waits = world.registry.status().waits;
    assert_eq!((waits.len(), waits[0].partition, waits[0].id), (1, Partition::new(0), SchemaId(7)));
    assert!(waits[0].why.contains("no answer"), "{}", waits[0].why);
    world.server.add(7, None, PUNCH, &[]);
    world.server.set_mood(Mood::Well);
    let (mut records, mut said) = drain(&mut gate, |records| records.len() == 2);
    while said.is_empty() {
        let (more, heard) = drain(&mut gate, once());
        records.extend(more);
        said.extend(heard);
    }
    assert_eq!(
        (records, said),
        (vec![(0, 2), (0, 3)], vec![caught_up]),
        "its end is said behind what was held"
    );
    assert_eq!(world.registry.status().waits, []);
    assert_eq!(world.server.asked("/schemas/ids/1"), 1, "asked once for all partitions");
}

#[test]
fn only_a_registrys_own_word_makes_a_schema_unknown() {
    let world = World::new();
    let moods = [
        Mood::Page(404),
        Mood::Page(500),
        Mood::Page(401),
        Mood::Page(200),
        Mood::Slow(Duration::from_millis(900)),
        Mood::Down,
    ];
    let mut gate = world.gate(vec![batch(0, 0, &[Some(9)], OLD)], vec![]);
    for (n, mood) in (1..).zip(moods) {
        world.server.set_mood(mood);
        assert_eq!(await_failures(&world, &mut gate, n), [], "{mood:?}");
    }
    world.server.set_mood(Mood::Well);
    assert_eq!(
        drain(&mut gate, |records| records.len() == 1).0,
        [(0, 0)],
        "now the registry says there is none"
    );
    assert!(!world.registry.book().knows(SchemaId(9)));
}

#[test]
fn a_young_record_waits_for_a_schema_that_is_not_there_yet() {
    let world = World::new();
    let mut gate = world.gate(vec![batch(0, 0, &[Some(9)], NOW)], vec![]);
    assert_eq!(drain(&mut gate, |_| world.registry.status().answered >= 2).0, []);
    assert!(world.registry.status().waits[0].why.contains("no such schema yet"));
    world.server.add(9, None, PUNCH, &[]);
    assert_eq!(drain(&mut gate, |records| records.len() == 1).0, [(0, 0)]);
    assert!(world.registry.book().knows(SchemaId(9)));
}

#[test]
fn known_ids_are_known_after_a_restart_in_an_outage() {
    let world = World::new();
    world.server.add(3, None, PUNCH, &[]);
    assert!(world.registry.await_schema(SchemaId(3), LIMIT));
    world.server.set_mood(Mood::Down);
    let (_runtime, again) = open(&world.server, &world.folder, Login::None);
    assert!(again.await_schema(SchemaId(3), LIMIT));
    assert!(!again.await_schema(SchemaId(4), Duration::from_millis(50)));
}

#[test]
fn a_revoked_partition_leaves_nothing_behind() {
    let world = World::new();
    world.server.set_mood(Mood::Down);
    let partition = Partition::new(0);
    let mut gate =
        world.gate(vec![batch(0, 5, &[None, Some(2)], OLD)], vec![Polled::Revoked(vec![partition])]);
    let mut heard = Vec::new();
    while heard.is_empty() {
        let (_, said) = drain(&mut gate, once());
        heard.extend(said);
    }
    assert_eq!(heard, [Polled::Revoked(vec![partition])]);
    assert_eq!((world.registry.status().waits, gate.held.len()), (vec![], 0));
}

#[test]
fn references_are_followed_and_logins_told() {
    let world = World::new();
    let fields = r#"{"type":"record","name":"P","fields":[{"name":"event_id","type":"string"},
        {"name":"employee_id","type":"string"},{"name":"occurred_at","type":"long"},
        {"name":"origin","type":"string"},{"name":"kind","type":"x.Kind"}]}"#;
    world.server.add(1, Some("AVRO"), fields, &[("kind value", 4)]);
    let kind = r#"{"type":"enum","name":"x.Kind","symbols":["in","out"]}"#;
    world.server.add_version(("kind%20value", 4), kind, &[("kind value", 4)]);
    let login = Login::User { user: "ada".into(), password: "secret".into() };
    let (_runtime, registry) = open(&world.server, &world.folder, login);
    registry.greet().unwrap();
    assert_eq!(world.server.login().unwrap(), "Basic YWRhOnNlY3JldA==");
    assert!(registry.await_schema(SchemaId(1), LIMIT));
    assert!(!format!("{registry:?}").contains("secret"));
    let (_runtime, registry) = open(&world.server, &world.folder, Login::Token("t0".into()));
    registry.greet().unwrap();
    assert_eq!(world.server.login().unwrap(), "Bearer t0");
    world.server.set_mood(Mood::Page(403));
    assert!(registry.greet().unwrap_err().to_string().contains("look at the user or token"));
}
