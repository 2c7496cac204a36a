//! Each version of the reference data is in the lake once.

use arrow::array::RecordBatch;
use model::EventTime;
use schemas::tables::{SnapshotRef, people_names};

use super::support::{Fault, START, World};
use crate::ErrorKind;

fn names(version: &str, people: i64) -> RecordBatch {
    let mut builder = people_names::Builder::default();
    for person in 0..people {
        let employee_id = format!("E{person}");
        let snapshot = SnapshotRef { version, taken_at: EventTime::from_us(START.us()) };
        builder.append(&people_names::Row { snapshot, employee_id: &employee_id, name: "陳大文" });
    }
    builder.finish()
}

async fn rows(world: &World) -> u64 {
    let snapshot = world.lake.snapshot("people_names").await.unwrap().unwrap();
    snapshot.files.iter().map(|file| file.rows.unwrap()).sum()
}

#[tokio::test]
async fn a_version_is_appended_once() {
    let world = World::new();
    for (version, is_new, total) in [("v1", true, 3), ("v1", false, 3), ("v2", true, 6), ("v1", false, 6)] {
        let tables = vec![("people_names", names(version, 3))];
        let appended = world.lake.append_reference(tables, version).await.unwrap();
        let expected = if is_new { vec![("people_names", 3)] } else { vec![] };
        assert_eq!(appended, expected, "{version}");
        assert_eq!(rows(&world).await, total, "{version}");
    }
}

#[tokio::test]
async fn a_lost_answer_or_a_rival_doubles_nothing() {
    let world = World::new();
    world.lake.append_reference(vec![("people_names", names("v0", 1))], "v0").await.unwrap();
    world.fail("people_names", [Fault::After]);
    let appended = world.lake.append_reference(vec![("people_names", names("v1", 3))], "v1").await.unwrap();
    assert_eq!(appended, [("people_names", 3)]);
    assert_eq!(rows(&world).await, 4);
    let rivals = (0..3).map(|_| world.lake.append_reference(vec![("people_names", names("v2", 3))], "v2"));
    let is_new = futures::future::try_join_all(rivals).await.unwrap();
    assert_eq!(is_new.into_iter().filter(|appended| !appended.is_empty()).count(), 1);
    assert_eq!(rows(&world).await, 7);
}

#[tokio::test]
async fn names_of_people_stay_out_of_the_log() {
    let world = World::new();
    world.lake.append_reference(vec![("people_names", names("v1", 3))], "v1").await.unwrap();
    let log = world.dir().join("people_names/_delta_log");
    for entry in std::fs::read_dir(log).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!text.contains("陳大文"), "{text}");
    }
}

#[tokio::test]
async fn a_version_that_is_none_is_refused() {
    let world = World::new();
    for version in ["", "a/b", "a b"] {
        let error = world.lake.append_reference(Vec::new(), version).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Schema, "{version}");
    }
}
