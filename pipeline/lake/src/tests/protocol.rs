//! The tables stay what plain Delta readers know: protocol 1 and 2, no feature, statistics and partitions as written.

use deltalake::DeltaTableBuilder;
use serde_json::Value;

use super::support::{World, commit_of};

#[tokio::test]
async fn every_table_opens_as_reader_1_writer_2() {
    let world = World::new();
    let mut claim = world.claim(&[0]).await;
    world.lake.commit(&mut claim, commit_of(0, 0, 100)).await.unwrap();
    for table in schemas::tables::ALL {
        world.lake.table(table.name).unwrap().head_or_create().await.unwrap();
        let url = world.lake.root().join(&format!("{}/", table.name)).unwrap();
        let opened = DeltaTableBuilder::from_url(url).unwrap().load().await.unwrap();
        let snapshot = opened.snapshot().unwrap();
        let protocol = snapshot.protocol();
        assert_eq!((protocol.min_reader_version(), protocol.min_writer_version()), (1, 2), "{}", table.name);
        assert_eq!(snapshot.metadata().partition_columns().to_vec(), ["business_month"], "{}", table.name);
        let columns: Vec<String> = snapshot.schema().fields().map(|field| field.name().clone()).collect();
        let schema = (table.schema)();
        let expected: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        assert_eq!(columns, expected, "{}", table.name);
        let configuration = snapshot.metadata().configuration();
        assert!(
            !configuration.contains_key("delta.setTransactionRetentionDuration"),
            "numbers must never expire"
        );
    }
}

#[tokio::test]
async fn a_plain_reader_finds_files_by_month_with_statistics() {
    let world = World::new();
    let mut claim = world.claim(&[0]).await;
    // 41,760 minutes after the second of November December begins.
    world.lake.commit(&mut claim, commit_of(0, 41_700, 41_800)).await.unwrap();
    world.lake.commit(&mut claim, commit_of(0, 41_800, 41_900)).await.unwrap();
    let url = world.lake.root().join("punches/").unwrap();
    let opened = DeltaTableBuilder::from_url(url).unwrap().load().await.unwrap();
    let uris: Vec<String> = opened.get_file_uris().unwrap().collect();
    let of_month =
        |month: &str| uris.iter().filter(|uri| uri.contains(&format!("/business_month={month}/"))).count();
    assert_eq!((of_month("2026-12"), of_month("2026-11"), uris.len()), (2, 1, 3), "{uris:?}");
    for uri in uris {
        assert!(std::path::Path::new(&uri).is_file(), "{uri}");
    }
    for file in world.lake.snapshot("punches").await.unwrap().unwrap().files {
        let statistics: Value = serde_json::from_str(file.statistics.as_deref().unwrap()).unwrap();
        assert!(statistics["minValues"]["occurred_at"].is_string(), "{statistics}");
        assert_eq!(statistics["numRecords"].as_u64(), file.rows);
        assert!(
            statistics["maxValues"].get("event_id").is_none(),
            "texts other than ids stay out of the log"
        );
    }
}

#[tokio::test]
async fn an_entry_names_its_kind_and_its_numbers() {
    let world = World::new();
    let mut claim = world.claim(&[3]).await;
    world.lake.commit(&mut claim, commit_of(3, 0, 10)).await.unwrap();
    let text =
        std::fs::read_to_string(world.dir().join("punches/_delta_log/00000000000000000002.json")).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["commitInfo"]["isBlindAppend"], true);
    let mut numbers: Vec<_> = lines
        .iter()
        .filter_map(|line| line.get("txn"))
        .map(|txn| (txn["appId"].as_str().unwrap().to_owned(), txn["version"].as_i64().unwrap()))
        .collect();
    numbers.sort_unstable();
    let clock_ms = super::support::START.ms() + 10_000;
    assert_eq!(
        numbers,
        [
            ("muster/8f3a/3/clock".to_owned(), clock_ms),
            ("muster/8f3a/3/late".to_owned(), 0),
            ("muster/8f3a/3/offset".to_owned(), 10),
            ("muster/8f3a/3/since".to_owned(), 0)
        ]
    );
}
