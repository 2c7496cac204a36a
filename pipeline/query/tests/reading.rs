//! Sessions over files: what a scan reads, what a statement sees, which limits hold.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::Rows;
use query::files::{LakeFile, LakeTable, LakeTables};
use query::{Format, Kind, Layout, Options, Session, run_laid_out, run_once};

/// 30 punches of each of three months, ten to a file.
fn lake(folder: &std::path::Path) -> LakeTables {
    let mut rows = Rows::default();
    for month in ["2026-10", "2026-11", "2026-12"] {
        for number in 0..30 {
            rows.add(&format!(
                "punches event_id={month}-{number} employee_id=e{} business_date={month}-01 offset={number}",
                number % 7
            ));
        }
    }
    rows.store(folder, 10)
}

async fn session(lake: LakeTables) -> Session {
    Session::over(lake, Options { parallelism: Some(2), ..Options::default() }).await.unwrap()
}

async fn csv(session: &Session, statement: &str) -> String {
    let mut out = Vec::new();
    match run_once(session, statement, Format::Csv, &mut out).await {
        Ok(_) => String::from_utf8(out).unwrap(),
        Err(e) => format!("error: {e}"),
    }
}

async fn plan(session: &Session, statement: &str) -> String {
    csv(session, &format!("EXPLAIN FORMAT INDENT {statement}")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scan_reads_the_snapshots_files_and_no_others() {
    let scratch = tempfile::tempdir().unwrap();
    let mut lake = lake(scratch.path());
    let all = session(lake.clone()).await;
    assert_eq!(csv(&all, "SELECT count(event_id) FROM punches").await, "count(punches.event_id)\n90\n");
    // The files are still there; the snapshot no longer names the first four.
    let punches = LakeTable {
        version: 2,
        files: lake.tables[0].files[4..].to_vec(),
        ..LakeTable::clone(&lake.tables[0])
    };
    lake.tables = vec![Arc::new(punches)];
    let fewer = session(lake).await;
    let answer =
        csv(&fewer, "SELECT business_month, count(event_id) AS n FROM punches GROUP BY 1 ORDER BY 1").await;
    assert_eq!(answer, "business_month,n\n2026-11,20\n2026-12,30\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn months_and_statistics_spare_the_files() {
    let scratch = tempfile::tempdir().unwrap();
    let session = session(lake(scratch.path())).await;
    let one_month =
        plan(&session, "SELECT event_id FROM punches WHERE business_month = '2026-11' AND \"offset\" > 5")
            .await;
    assert_eq!(one_month.matches(".parquet").count(), 3, "{one_month}");
    assert!(one_month.contains("file_groups={2 groups"), "both cores read: {one_month}");
    assert!(!one_month.contains("2026-12"), "{one_month}");
    assert!(one_month.contains("projection=[event_id]"), "{one_month}");
    assert!(one_month.contains("offset_max"), "row groups are pruned by statistics: {one_month}");
    let several =
        plan(&session, "SELECT event_id FROM punches WHERE business_month IN ('2026-10', '2026-12')").await;
    assert_eq!(several.matches(".parquet").count(), 6, "{several}");
    let none = plan(&session, "SELECT event_id FROM punches WHERE business_month < '2026'").await;
    assert_eq!(none.matches(".parquet").count(), 0, "{none}");
    let counted = plan(&session, "SELECT count(*) FROM punches WHERE business_month >= '2026-11'").await;
    assert!(!counted.contains(".parquet"), "rows are counted from the log: {counted}");
    let answer = csv(&session, "SELECT count(*) AS n FROM punches WHERE business_month >= '2026-11'").await;
    assert_eq!(answer, "n\n60\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_without_a_row_count_or_with_fewer_columns_reads_all_the_same() {
    let scratch = tempfile::tempdir().unwrap();
    let mut lake = lake(scratch.path());
    let mut files = lake.tables[0].files.clone();
    for LakeFile { rows, .. } in &mut files {
        *rows = None;
    }
    let mut fields = lake.tables[0].schema.fields().to_vec();
    fields.push(Arc::new(arrow::datatypes::Field::new(
        "from_a_later_version",
        arrow::datatypes::DataType::Utf8,
        true,
    )));
    let schema = Arc::new(arrow::datatypes::Schema::new(fields));
    lake.tables = vec![Arc::new(LakeTable { name: "punches".into(), version: 3, schema, files })];
    let session = session(lake).await;
    assert_eq!(csv(&session, "SELECT count(*) AS n FROM punches").await, "n\n90\n");
    let newer = csv(&session, "SELECT DISTINCT from_a_later_version AS x FROM punches").await;
    assert_eq!(newer, "x\n\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_keeps_the_state_it_began_with() {
    let scratch = tempfile::tempdir().unwrap();
    let whole = lake(scratch.path());
    let session = session(whole.clone()).await;
    let mut rows = session.stream("SELECT event_id FROM punches").await.unwrap();
    let first = rows.next().await.unwrap().unwrap().num_rows();
    let part = LakeTable {
        version: 2,
        files: whole.tables[0].files[..1].to_vec(),
        ..LakeTable::clone(&whole.tables[0])
    };
    let part = LakeTables { tables: vec![Arc::new(part)], ..whole };
    assert!(session.replace(part.clone()).await.unwrap());
    assert!(!session.replace(part).await.unwrap(), "the same versions are the same state");
    let mut seen = first;
    while let Some(batch) = rows.next().await.unwrap() {
        seen += batch.num_rows();
    }
    assert_eq!(seen, 90);
    assert_eq!(csv(&session, "SELECT count(*) AS n FROM punches").await, "n\n10\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_relation_answers_over_an_empty_lake() {
    let session = session(common::lake_of(Vec::new())).await;
    let relations = session.relations();
    assert_eq!(relations.len(), schemas::tables::ALL.len() + 42);
    for relation in relations {
        let answer = session.sql(&format!("SELECT * FROM {}", relation.name)).await.unwrap();
        assert_eq!(answer.rows(), 0, "{}", relation.name);
        assert_eq!(answer.schema.fields().len(), relation.schema.fields().len(), "{}", relation.name);
    }
    let listed = session.sql("SHOW TABLES").await.unwrap();
    assert!(listed.rows() > schemas::tables::ALL.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_column_of_every_view_is_explained() {
    let session = session(common::lake_of(Vec::new())).await;
    for relation in session.relations() {
        if relation.kind == query::RelationKind::Table {
            continue;
        }
        let columns: Vec<&str> = relation.schema.fields().iter().map(|field| field.name().as_str()).collect();
        let explained: Vec<&str> = relation.meanings.iter().map(|(column, _)| column.as_str()).collect();
        assert_eq!(explained, columns, "header of {}", relation.name);
        assert!(relation.about.len() > 30, "{}", relation.name);
        assert!(relation.meanings.iter().all(|(_, meaning)| !meaning.is_empty()), "{}", relation.name);
    }
}

/// The contract, section 5.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attendance_days_has_the_columns_of_the_contract() {
    let session = session(common::lake_of(Vec::new())).await;
    let relation =
        session.relations().into_iter().find(|relation| relation.name == "attendance_days").unwrap();
    let columns: Vec<String> = relation.schema.fields().iter().map(|field| field.name().clone()).collect();
    let contract = "employee_id site_id org business_date day_kind due_min worked_s late_min late_count early_min \
                    early_count missing_in missing_out absent leave_min overtime_min";
    assert_eq!(columns.join(" "), contract);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_end_a_statement_with_a_remedy() {
    let scratch = tempfile::tempdir().unwrap();
    let lake = lake(scratch.path());
    let small = Options { answer_bytes_max: 1_000, ..Options::default() };
    let failed =
        Session::over(lake.clone(), small).await.unwrap().sql("SELECT * FROM punches").await.unwrap_err();
    assert_eq!((failed.kind(), failed.remedy().is_some()), (Kind::Limit, true), "{failed}");
    let short = Options { duration_max: Some(Duration::from_millis(30)), ..Options::default() };
    let short = Session::over(lake.clone(), short).await.unwrap();
    let failed =
        short.sql("SELECT count(*) FROM range(1, 10000000000) GROUP BY value % 7").await.unwrap_err();
    assert_eq!((failed.kind(), failed.remedy().is_some()), (Kind::Limit, true), "{failed}");
    let tight = Options { memory_bytes_max: 1 << 10, spill_bytes_max: 0, ..Options::default() };
    let tight = Session::over(lake, tight).await.unwrap();
    let failed = tight.sql("SELECT event_id, count(*) FROM punches GROUP BY 1").await.unwrap_err();
    assert_eq!((failed.kind(), failed.remedy().is_some()), (Kind::Limit, true), "{failed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vanished_file_is_the_lakes_fault() {
    let scratch = tempfile::tempdir().unwrap();
    let session = session(lake(scratch.path())).await;
    std::fs::remove_dir_all(scratch.path().join("punches")).unwrap();
    let failed = session.sql("SELECT event_id FROM punches").await.unwrap_err();
    assert_eq!(failed.kind(), Kind::Lake, "{failed}");
    assert_eq!(failed.action(), query::error::Action::Retry);
}

const SHOWN: &str = "SELECT * FROM (VALUES \
    (1, 'Mong Kok', 0.5, CAST('2026-11-02T01:00:00Z' AS TIMESTAMPTZ), DATE '2026-11-02', make_array('a', 'b'), true), \
    (20, '旺角\n\"x\", y', NULL, NULL, NULL, make_array(), NULL), \
    (300, '', -1.25, CAST('2026-11-02T09:00:00.5+08:00' AS TIMESTAMPTZ), DATE '2026-11-03', NULL, false)) \
    AS t(n, name, rate, at, day, list, flag) ORDER BY n";

async fn shown(format: Format, layout: Layout) -> Vec<u8> {
    let session = session(common::lake_of(Vec::new())).await;
    let mut out = Vec::new();
    let ran = run_laid_out(&session, SHOWN, format, layout, &mut out).await.unwrap();
    assert_eq!((ran.statements, ran.rows), (1, 3));
    out
}

/// Compares with the file `tests/shown/NAME`; `UPDATE_GOLDEN=1` writes it anew.
fn check_shown(name: &str, found: Vec<u8>) -> String {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shown").join(name);
    let found = String::from_utf8(found).unwrap();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, &found).unwrap();
    }
    assert_eq!(found, std::fs::read_to_string(&file).unwrap(), "{name}:\n{found}");
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_align_wide_characters_and_fold_at_the_screens_edge() {
    check_shown("whole.txt", shown(Format::Table, Layout::Whole).await);
    let folded = check_shown("folded.txt", shown(Format::Table, Layout::Fold(50)).await);
    assert!(folded.lines().all(|line| console::measure_text_width(line) <= 50));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn csv_quotes_what_needs_it_and_json_writes_every_key() {
    check_shown("rows.csv", shown(Format::Csv, Layout::Whole).await);
    check_shown("rows.ndjson", shown(Format::Json, Layout::Whole).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parquet_comes_out_whole() {
    let bytes = shown(Format::Parquet, Layout::Whole).await;
    let reader =
        parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(bytes::Bytes::from(bytes), 1024);
    let rows: usize = reader.unwrap().map(|batch| batch.unwrap().num_rows()).sum();
    assert_eq!(rows, 3);
}

/// The whole way: rows appended through `lake`, seen by a session, and seen again after the next commit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_follows_the_lakes_commits() {
    let scratch = tempfile::tempdir().unwrap();
    let place = scratch.path().join("a lake, 旺角 100%");
    let lake = lake::Lake::open(place.to_str().unwrap(), lake::LakeOptions::default()).await.unwrap();
    let session = Session::open(lake.clone(), Options::default()).await.unwrap();
    assert_eq!(csv(&session, "SELECT count(*) AS n FROM sites").await, "n\n0\n");
    let mut rows = Rows::default();
    for (version, month) in [("v1", "2026-10"), ("v2", "2026-11")] {
        rows.add(&format!("sites site_id=a time_zone=UTC name={version} taken_at={month}-01T00:00:00Z"));
    }
    for (at, version) in ["v1", "v2"].into_iter().enumerate() {
        let batch = rows.batch("sites", at);
        lake.append_reference(vec![("sites", batch)], version).await.unwrap();
        assert!(session.refresh().await.unwrap());
        assert!(!session.refresh().await.unwrap(), "nothing new");
        let newest =
            csv(&session, "SELECT s.name, n FROM latest_sites AS s, (SELECT count(*) AS n FROM sites)").await;
        assert_eq!(newest, format!("name,n\n{version},{}\n", at + 1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statistic_of_one_scope_is_not_paid_for_by_the_others() {
    let scratch = tempfile::tempdir().unwrap();
    let mut rows = Rows::default();
    rows.add("shift_results shift_id=s1 employee_id=e1 site_id=a org=hk/kln business_date=2026-11-02");
    rows.add("punches event_id=p1 employee_id=e1 business_date=2026-11-02");
    let session = session(rows.store(scratch.path(), 10)).await;
    for view in
        ["monthly_statistics", "monthly_statistics_by_site", "monthly_statistics_by_org", "attendance_days"]
    {
        let plan = plan(&session, &format!("SELECT * FROM {view}")).await;
        assert_eq!(plan.matches("SortExec: expr=[shift_id").count(), 1, "{view}: {plan}");
    }
}
