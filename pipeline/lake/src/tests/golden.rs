//! Lakes that former versions of this program wrote are read, grow the columns they lack, and take new rows.
//!
//! Each folder of `golden/` is a lake as [`write_lake`] of its time wrote it; nothing in it is ever changed. To keep one more,
//! before a column is added: `MUSTER_KEEP_LAKE=golden/2 cargo test -p lake the_lake_of_this_version_reads_back`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use deltalake::DeltaTableBuilder;
use jiff::civil::Date;
use model::anomaly::Finding;
use model::reference::DayKind;
use model::shift_result::ShiftOutcome;
use model::{
    Anomaly, AnomalyId, AnomalyKind, AnomalyState, Cause, LogClock, Partition, ShiftResult, ShiftStatus,
};
use schemas::tables::{anomalies, shift_results};
use serde_json::Value;
use url::Url;

use super::support::{Fault, START, World, commit_of, is_done, log, next};
use crate::{Lake, LakeOptions, SaidRows};

/// The first half of a shift with leave over its end.
pub(super) fn result(shift: &str, version: i64, business_date: Date, cause_partition: u32) -> ShiftResult {
    let text = |text: &str| -> Arc<str> { text.into() };
    ShiftResult {
        version,
        outcome: ShiftOutcome {
            shift_id: text(shift),
            employee_id: text("E1"),
            site_id: text("hk-0001"),
            org: text("hk"),
            business_date,
            segment: 0,
            day_kind: DayKind::Workday,
            statutory_holiday: false,
            planned_start: START,
            planned_end: START.plus_min(480),
            is_final: false,
            due_min: 240,
            first_in: Some(START),
            last_out: None,
            in_event_id: Some("ev".into()),
            out_event_id: None,
            in_site_id: Some(text("hk-0001")),
            out_site_id: None,
            status: ShiftStatus::Present,
            late_min: 0,
            early_min: 0,
            worked_s: None,
            break_min: 0,
            break_auto: false,
            leave_min: 240,
            overtime_min: 0,
            night_s: 0,
            missing_in: false,
            missing_out: true,
            reasons: Vec::new(),
            leave_ids: vec![text("l1")],
            leave_minutes: vec![240],
            correction_ids: Vec::new(),
            approvals: Vec::new(),
        },
        inputs: 7,
        cause: cause(version, cause_partition),
    }
}

fn cause(version: i64, partition: u32) -> Cause {
    let clock = LogClock::at(START.plus_min(version));
    Cause { log: log().log_id.mark(), partition: Partition::new(partition), next: next(version), clock }
}

pub(super) fn anomaly(shift: &str) -> Anomaly {
    let finding = Finding {
        id: AnomalyId([7; 16]),
        kind: AnomalyKind::MissingOut,
        employee_id: Some("E1".into()),
        site_id: Some("hk-0001".into()),
        org: "hk".into(),
        business_date: Date::constant(2026, 11, 2),
        shift_id: Some(shift.into()),
        device_id: None,
        event_ids: vec!["ev".into()],
        minutes: None,
        first_at: START,
        last_at: START,
    };
    let (state, cause) = (AnomalyState::Firing, cause(1, 0));
    Anomaly { version: 1, state, finding, detected_at: START, resolved_by: None, resolved_ref: None, cause }
}

/// A lake of ten records, with a shift result and an anomaly.
async fn write_lake(dir: &Path) {
    let lake = lake_in(dir);
    let mut claim = lake.claim(&log(), &[Partition::new(0)]).await.unwrap();
    assert!(is_done(&lake.commit(&mut claim, commit_of(0, 0, 10)).await.unwrap()));
    let mut results = shift_results::Builder::default();
    let result = result("s1", 1, Date::constant(2026, 11, 2), 0);
    results.append(&shift_results::Row { result: &result, decided_at: START, sealed: false });
    let mut rows = anomalies::Builder::default();
    rows.append(&anomaly("s1"));
    let said = lake
        .commit_derived(
            &mut claim,
            SaidRows {
                shift_results: vec![results.finish()],
                anomalies: vec![rows.finish()],
                ..SaidRows::default()
            },
            &[],
        )
        .await;
    assert!(is_done(&said.unwrap()));
}

fn lake_in(dir: &Path) -> Lake {
    let root = Url::from_directory_path(dir.canonicalize().unwrap()).unwrap();
    let store = Arc::new(object_store::local::LocalFileSystem::new());
    Lake::with_store(store, root, LakeOptions::default()).unwrap()
}

#[tokio::test]
async fn the_lake_of_this_version_reads_back() {
    let temporary = tempfile::tempdir().unwrap();
    let kept = std::env::var_os("MUSTER_KEEP_LAKE");
    let dir = kept.map_or_else(|| temporary.path().to_owned(), PathBuf::from);
    fs::create_dir_all(&dir).unwrap();
    write_lake(&dir).await;
    let lake = lake_in(&dir);
    assert_eq!(lake.results_of(&["E1"]).await.unwrap(), [result("s1", 1, Date::constant(2026, 11, 2), 0)]);
    assert_eq!(lake.anomalies_of(&["E1"]).await.unwrap(), [anomaly("s1")]);
    assert_eq!(lake.punches_of(&["E0-1"]).await.unwrap().len(), 1);
}

/// Every lake that was kept, copied to where it may be written, and its folder.
fn kept_lakes() -> Vec<(World, String)> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let mut lakes = Vec::new();
    for folder in fs::read_dir(golden).unwrap() {
        let (folder, world) = (folder.unwrap(), World::new());
        copy(&folder.path(), &world.dir());
        lakes.push((world, folder.file_name().into_string().unwrap()));
    }
    assert!(!lakes.is_empty());
    lakes
}

pub(super) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// The `metaData` of every entry of the table that has one, in order.
fn metadata_of(world: &World, table: &str) -> Vec<Value> {
    let log = fs::read_dir(world.dir().join(table).join("_delta_log")).unwrap();
    let mut entries: Vec<PathBuf> = log.map(|entry| entry.unwrap().path()).collect();
    entries.retain(|path| path.extension().is_some_and(|end| end == "json"));
    entries.sort();
    let texts = entries.iter().map(|path| fs::read_to_string(path).unwrap());
    let lines = texts.flat_map(|text| {
        text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>()
    });
    lines.filter_map(|mut line| line.get_mut("metaData").map(Value::take)).collect()
}

fn columns_in(metadata: &Value) -> Vec<Value> {
    let schema: Value = serde_json::from_str(metadata["schemaString"].as_str().unwrap()).unwrap();
    schema["fields"].as_array().unwrap().clone()
}

const OWNED: [&str; 6] = ["punches", "punch_evidence", "rejects", "late", "shift_results", "anomalies"];

#[tokio::test]
async fn a_lake_of_every_version_is_read_and_grows() {
    let day = Date::constant(2026, 11, 2);
    for (world, folder) in kept_lakes() {
        eprintln!("lake {folder}");
        let made_as: Vec<Value> = OWNED.iter().map(|table| metadata_of(&world, table).remove(0)).collect();
        let mut expected = result("s1", 1, day, 0);
        if !made_as[4]["schemaString"].as_str().unwrap().contains("leave_minutes") {
            expected.outcome.leave_minutes = Vec::new();
        }
        assert_eq!(world.lake.results_of(&["E1"]).await.unwrap(), std::slice::from_ref(&expected));

        let mut claim = world.claim(&[0]).await;
        let fold = world.lake.fold(&claim, START).await.unwrap();
        assert_eq!((fold.shift_results, fold.anomalies), (vec![(&expected).into()], vec![anomaly("s1")]));
        let mut results = shift_results::Builder::default();
        let second = result("s1", 2, day, 0);
        results.append(&shift_results::Row { result: &second, decided_at: START, sealed: false });
        assert!(is_done(&world.lake.commit(&mut claim, commit_of(0, 10, 20)).await.unwrap()));
        let said = world
            .lake
            .commit_derived(
                &mut claim,
                SaidRows { shift_results: vec![results.finish()], ..SaidRows::default() },
                &[],
            )
            .await;
        assert!(is_done(&said.unwrap()));
        assert_eq!(world.lake.results_of(&["E1"]).await.unwrap(), [second]);
        world.assert_exact(&[(0, 20)]).await;
        world.claim(&[0]).await;

        for (table, made_as) in OWNED.iter().zip(made_as) {
            let url = world.lake.root().join(&format!("{table}/")).unwrap();
            let opened = DeltaTableBuilder::from_url(url).unwrap().load().await.unwrap();
            let snapshot = opened.snapshot().unwrap();
            let protocol = snapshot.protocol();
            assert_eq!((protocol.min_reader_version(), protocol.min_writer_version()), (1, 2), "{table}");
            for field in crate::lake::schema_of(table).unwrap().fields() {
                assert!(snapshot.schema().field(field.name()).is_some(), "{table}: {}", field.name());
            }
            let now = metadata_of(&world, table);
            assert!(now.len() <= 2, "{table}: grown once, by whoever comes first");
            let mut last = now.last().unwrap().clone();
            let (columns, before) = (columns_in(&last), columns_in(&made_as));
            assert_eq!(columns[..before.len()], before, "{table}: what was there stays as it was");
            assert!(columns[before.len()..].iter().all(|column| column["nullable"] == true), "{table}");
            last["schemaString"] = made_as["schemaString"].clone();
            for key in ["id", "name", "configuration", "createdTime", "partitionColumns", "format"] {
                assert_eq!(last[key], made_as[key], "{table}: {key}");
            }
        }
    }
}

#[tokio::test]
async fn columns_whose_adding_was_never_told_are_added_once() {
    for fault in [Fault::Before, Fault::After] {
        for (world, folder) in kept_lakes() {
            if metadata_of(&world, "shift_results")[0]["schemaString"]
                .as_str()
                .unwrap()
                .contains("leave_minutes")
            {
                continue;
            }
            world.fail("shift_results", [fault]);
            let claim = world.claim(&[0]).await;
            assert_eq!(metadata_of(&world, "shift_results").len(), 2, "lake {folder}");
            assert_eq!(world.lake.fold(&claim, START).await.unwrap().shift_results.len(), 1);
        }
    }
}

/// An owner at work steps over columns that another program adds, and its rows stand.
#[tokio::test]
async fn an_owner_at_work_is_not_disturbed() {
    let world = World::new();
    let mut claim = world.claim(&[0]).await;
    let entry = world.dir().join("punches/_delta_log/00000000000000000002.json");
    let metadata = metadata_of(&world, "punches").remove(0);
    fs::write(entry, serde_json::json!({ "metaData": metadata }).to_string()).unwrap();
    assert!(is_done(&world.lake.commit(&mut claim, commit_of(0, 0, 10)).await.unwrap()));
    world.assert_exact(&[(0, 10)]).await;
}
