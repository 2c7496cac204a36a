//! A person leaves the lake: nothing of the person is in any byte of it, everything of the others is as it was, whatever dies.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::util::display::array_value_to_string;
use frontier::Retries;
use jiff::civil::Date;
use model::reference::Org;
use model::{AnomalyId, Partition};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use schemas::tables::{
    self, SnapshotRef, alert_deliveries, anomalies, orgs, people_names, reviews, shift_results,
};

use super::golden::{anomaly, result};
use super::support::{START, World, commit_of, frontier, is_done, is_lost, log};
use crate::read::read_file;
use crate::{ErasedRows, Erasing, Erasure, ErrorKind, Lake, LakeOptions, LogKind, OutboxRows, SaidRows};

/// Two punches: one stored, with its evidence, one waiting in the inbox.
pub(super) const THEIRS: &str = "E0-48";
const OTHERS: &str = "E0-47";
const THEIR_ANOMALY: AnomalyId = AnomalyId([7; 16]);
const OTHER_ANOMALY: AnomalyId = AnomalyId([8; 16]);

pub(super) fn options() -> LakeOptions {
    LakeOptions { retries: Retries::at_once(2), checkpoint_every: 2, ..LakeOptions::default() }
}

fn said() -> SaidRows {
    let (mut results, mut said) = (shift_results::Builder::default(), anomalies::Builder::default());
    for (employee_id, id) in [(THEIRS, THEIR_ANOMALY), (OTHERS, OTHER_ANOMALY)] {
        let mut row = result(&format!("shift of {employee_id}"), 1, Date::constant(2026, 11, 2), 0);
        row.outcome.employee_id = employee_id.into();
        results.append(&shift_results::Row { result: &row, decided_at: START, sealed: false });
        let mut row = anomaly("s1");
        (row.finding.id, row.finding.employee_id, row.cause.partition) =
            (id, Some(employee_id.into()), Partition::new(0));
        said.append(&row);
    }
    SaidRows { shift_results: vec![results.finish()], anomalies: vec![said.finish()], ..SaidRows::default() }
}

fn review(id: AnomalyId, by: &str) -> RecordBatch {
    let mut rows = reviews::Builder::default();
    let note = format!("as {by} said");
    let (review, number, version) = ("dismissed", 1, 1);
    rows.append(&reviews::Row {
        reviewed_at: START,
        anomaly_id: id,
        version,
        number,
        review,
        by,
        note: Some(&note),
    });
    rows.finish()
}

fn deliveries() -> OutboxRows {
    let mut rows = alert_deliveries::Builder::default();
    for (attempt_id, id) in (1..).zip([THEIR_ANOMALY, OTHER_ANOMALY]) {
        rows.append(&alert_deliveries::Row {
            sent_at: START,
            destination: "ops",
            anomaly_id: &id.to_string(),
            version: 1,
            status: "sent",
            http_status: Some(200),
            attempt: 1,
            webhook_id: "msg_1",
            outbox: "a",
            attempt_id,
        });
    }
    OutboxRows { rows: rows.finish(), after: 0, until: 2 }
}

/// A lake with rows of every kind, of two people and fifty more, some of its entries behind a log snapshot.
pub(super) async fn filled() -> World {
    let world = World::with(options());
    let lake = &world.lake;
    lake.own(&log(), LogKind::Live).await.unwrap();
    let mut claim = world.claim(&[0, 1, 2, 3]).await;
    assert!(is_done(&lake.commit(&mut claim, commit_of(0, 0, 50)).await.unwrap()));
    assert!(is_done(&lake.commit_derived(&mut claim, said(), &[Partition::new(0)]).await.unwrap()));
    let snapshot = SnapshotRef { version: "v1", taken_at: START };
    let (mut names, mut described) = (people_names::Builder::default(), orgs::Builder::default());
    for employee_id in [THEIRS, OTHERS] {
        names.append(&people_names::Row { snapshot, employee_id, name: "somebody" });
    }
    let managers = vec![Arc::from(OTHERS), Arc::from(THEIRS)];
    described
        .append(&orgs::Row { snapshot, org: &Org { org: "hk".into(), names: [None, None, None], managers } });
    let tables = vec![(people_names::NAME, names.finish()), (orgs::NAME, described.finish())];
    lake.append_reference(tables, "v1").await.unwrap();
    lake.append_review(THEIR_ANOMALY, 1, review(THEIR_ANOMALY, "hr")).await.unwrap();
    lake.append_review(OTHER_ANOMALY, 1, review(OTHER_ANOMALY, THEIRS)).await.unwrap();
    lake.append_deliveries("a", deliveries()).await.unwrap();
    assert!(lake.maintain().await.unwrap().log_snapshots > 0);
    assert!(is_done(&lake.commit(&mut claim, commit_of(0, 50, 100)).await.unwrap()));
    lake.identities(&claim.identity_extent(), None).await.unwrap();
    world
}

/// The whole of it, as the command does.
pub(super) async fn erase(lake: &Lake) -> crate::Result<ErasedRows> {
    const NAME: &str = "20261102-a";
    let known = lake.erasures().await?.remove(NAME).unwrap_or_default();
    let mut eraser = lake.eraser(THEIRS, known.alerts);
    let found = eraser.look().await?;
    let erasure = Erasure { alerts: eraser.alerts().clone(), ..Erasure::default() };
    lake.keep_erasure(NAME, &erasure).await?;
    eraser.remove(Erasing::Bulk).await?;
    let (lake, _claim) = lake.begin_erasure(NAME).await?;
    let mut eraser = eraser.with(&lake);
    loop {
        eraser.remove(Erasing::Everything).await?;
        eraser.purge().await?;
        if eraser.look().await?.is_empty() {
            break;
        }
    }
    lake.keep_erasure(NAME, &Erasure { alerts: Default::default(), ..erasure }).await?;
    lake.end_erasure().await?;
    Ok(found)
}

/// Every row of every table, cell by cell, sorted.
async fn rows(lake: &Lake) -> BTreeMap<&'static str, Vec<Vec<(String, String)>>> {
    let mut rows = BTreeMap::new();
    for table in tables::ALL {
        let Some(snapshot) = lake.snapshot(table.name).await.unwrap() else { continue };
        let store = lake.table(table.name).unwrap().store();
        let mut found = Vec::new();
        for file in &snapshot.files {
            for batch in read_file(table.name, store.as_ref(), file, &snapshot.schema).await.unwrap() {
                found.extend((0..batch.num_rows()).map(|row| cells(&batch, row)));
            }
        }
        found.sort();
        rows.insert(table.name, found);
    }
    rows
}

fn cells(batch: &RecordBatch, row: usize) -> Vec<(String, String)> {
    let cell = |(field, column): (&Arc<arrow::datatypes::Field>, &ArrayRef)| {
        (field.name().clone(), array_value_to_string(column, row).unwrap())
    };
    batch.schema().fields().iter().zip(batch.columns()).map(cell).collect()
}

/// What must be left of `rows`: other people's, with another word where they name the person.
fn left(
    mut rows: BTreeMap<&'static str, Vec<Vec<(String, String)>>>,
) -> BTreeMap<&'static str, Vec<Vec<(String, String)>>> {
    let is_theirs = |(column, cell): &(String, String)| {
        (column == "employee_id" && cell == THEIRS)
            || (column == "anomaly_id" && *cell == THEIR_ANOMALY.to_string())
    };
    for rows in rows.values_mut() {
        rows.retain(|row| !row.iter().any(is_theirs));
        rows.iter_mut().flatten().for_each(|(_, cell)| *cell = cell.replace(THEIRS, "erased"));
        rows.sort();
    }
    rows
}

/// The files below `dir` in which `id` stands: in their bytes, or, of Parquet files, in a text of any column.
pub(super) fn traces(dir: &Path, id: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(traces(&path, id));
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let mut has = bytes.windows(id.len()).any(|window| window == id.as_bytes());
        if path.extension().is_some_and(|ending| ending == "parquet") {
            let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(&path).unwrap());
            for batch in reader.unwrap().build().unwrap() {
                has |= batch.unwrap().columns().iter().any(|column| tells(column, id));
            }
        }
        found.extend(has.then(|| path.display().to_string()));
    }
    found
}

fn tells(column: &ArrayRef, id: &str) -> bool {
    match column.data_type() {
        DataType::Struct(_) => column.as_struct().columns().iter().any(|column| tells(column, id)),
        DataType::List(_) => tells(column.as_list::<i32>().values(), id),
        DataType::Map(..) => column.as_map().entries().columns().iter().any(|column| tells(column, id)),
        _ => match cast(column, &DataType::Utf8) {
            Ok(texts) => texts.as_string::<i32>().iter().flatten().any(|text| text.contains(id)),
            Err(_) => false,
        },
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_a_person_is_left_and_the_others_are_as_they_were() {
    let world = filled().await;
    let lake = &world.lake;
    let before = rows(lake).await;
    let pinned = lake.snapshot("punches").await.unwrap().unwrap();
    let frontiers = lake.frontiers(&log()).await.unwrap();
    let mut owner = world.claim(&[0, 1, 2, 3]).await;
    assert!(traces(&world.dir(), THEIRS).len() > 12, "{:?}", traces(&world.dir(), THEIRS));

    let found = erase(lake).await.unwrap();
    let expected = [
        ("punches", 1),
        ("punch_evidence", 1),
        ("late", 1),
        ("shift_results", 1),
        ("anomalies", 1),
        ("reviews", 1),
        ("alert_deliveries", 1),
        ("people_names", 1),
    ];
    assert_eq!(found.removed, expected.into());
    assert_eq!(found.unnamed, [("orgs", 1), ("reviews", 1)].into());
    assert_eq!(traces(&world.dir(), THEIRS), [""; 0]);
    assert_eq!(rows(lake).await, left(before));

    // Who read before is told, who owned has lost, and the next owner goes on where they were.
    let store = lake.table("punches").unwrap().store();
    let mut gone = 0;
    for file in &pinned.files {
        match read_file("punches", store.as_ref(), file, &pinned.schema).await {
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Gone, "{error}");
                assert!(error.to_string().contains("its rows were erased"), "{error}");
                gone += 1;
            }
        }
    }
    assert_eq!(gone, 1);
    assert!(is_lost(&lake.commit(&mut owner, commit_of(0, 100, 110)).await.unwrap(), &[0, 1, 2, 3]));
    let mut next = world.claim(&[0, 1, 2, 3]).await;
    assert_eq!(*next.frontiers(), frontiers);
    assert!(is_done(&lake.commit(&mut next, commit_of(0, 100, 110)).await.unwrap()));
    assert_eq!(next.frontiers()[&Partition::new(0)], frontier(110));

    // Once more finds nothing.
    assert!(erase(lake).await.unwrap().is_empty());
    assert_eq!(traces(&world.dir(), THEIRS), [""; 0]);
}

/// How many of the points at which it can be killed are tried; all with `MUSTER_EVERY_KILL=1`.
const KILLS: usize = 16;

/// Killed before an object that it puts or deletes: the same again goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_that_dies_anywhere_is_finished_by_the_next() {
    let world = filled().await;
    let expected = left(rows(&world.lake).await);
    let whole = world.copied();
    let (lake, store) = whole.apart(options());
    erase(&lake).await.unwrap();
    let effects = store.effects();
    assert!(effects > 40, "{effects}");
    let step = if std::env::var_os("MUSTER_EVERY_KILL").is_some() { 1 } else { effects.div_ceil(KILLS) };
    for at in (0..effects).step_by(step) {
        let world = world.copied();
        let (lake, store) = world.apart(options());
        store.die_at(at);
        erase(&lake).await.unwrap_err();
        erase(&world.lake).await.unwrap_or_else(|error| panic!("behind effect {at}: {error}"));
        assert_eq!(traces(&world.dir(), THEIRS), [""; 0], "behind effect {at}");
        assert_eq!(rows(&world.lake).await, expected, "behind effect {at}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_owns_anything_while_somebody_is_erased() {
    let world = filled().await;
    let lake = &world.lake;
    let mut owner = world.claim(&[0]).await;
    let (eraser, _claim) = lake.begin_erasure("one").await.unwrap();
    assert_eq!(lake.erasing().await.unwrap().as_deref(), Some("one"));
    let refused = [
        lake.claim(&log(), &[Partition::new(0)]).await.map(drop),
        lake.own(&log(), LogKind::Live).await,
        lake.begin_erasure("another").await.map(drop),
        lake.begin_repartition(8).await.map(drop),
    ];
    for refused in refused {
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Erasing, "{error}");
    }
    assert!(is_lost(&lake.commit(&mut owner, commit_of(0, 100, 110)).await.unwrap(), &[0]));
    // Killed here, the same goes on.
    lake.begin_erasure("one").await.unwrap();
    eraser.end_erasure().await.unwrap();
    assert!(is_done(&lake.commit(&mut world.claim(&[0]).await, commit_of(0, 100, 110)).await.unwrap()));
    let error = eraser.claim(&log(), &[Partition::new(0)]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Erasing, "{error}");
}
