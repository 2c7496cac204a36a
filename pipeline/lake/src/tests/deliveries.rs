//! Each attempt's rows are in the lake once, in order, whatever the store answers.

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use model::EventTime;
use proptest::prelude::*;
use schemas::tables::alert_deliveries::{Builder, NAME, Row};

use super::support::{Fault, START, World};
use crate::read::read_file;
use crate::{Action, Delivered, ErrorKind, OutboxRows};

/// One row an attempt.
fn rows(outbox: &str, after: i64, until: i64) -> OutboxRows {
    let mut builder = Builder::default();
    for attempt_id in after + 1..=until {
        builder.append(&Row {
            sent_at: EventTime::from_us(START.us()),
            destination: "ops",
            anomaly_id: "00ff",
            version: 1,
            status: "sent",
            http_status: Some(200),
            attempt: 1,
            webhook_id: "msg_1",
            outbox,
            attempt_id,
        });
    }
    OutboxRows { rows: builder.finish(), after, until }
}

/// The attempts of `outbox` that the lake holds, sorted.
async fn held(world: &World, outbox: &str) -> Vec<i64> {
    let Some(snapshot) = world.lake.snapshot(NAME).await.unwrap() else { return Vec::new() };
    let mut attempts = Vec::new();
    let mut take = |batch: &RecordBatch| {
        let outboxes = batch.column_by_name("outbox").unwrap();
        let outboxes = arrow::compute::cast(outboxes, &arrow::datatypes::DataType::Utf8).unwrap();
        let ids = batch.column_by_name("attempt_id").unwrap().as_primitive::<Int64Type>();
        let own = outboxes.as_string::<i32>().iter().zip(ids.values());
        attempts.extend(own.filter(|(own, _)| *own == Some(outbox)).map(|(_, id)| *id));
    };
    for file in &snapshot.files {
        let store = world.lake.table(NAME).unwrap().store();
        for batch in read_file(NAME, store.as_ref(), file, &snapshot.schema).await.unwrap() {
            take(&batch);
        }
    }
    attempts.sort_unstable();
    attempts
}

#[tokio::test]
async fn rows_go_in_behind_those_that_are_there_and_nowhere_else() {
    let world = World::new();
    assert_eq!(world.lake.delivered_until("a").await.unwrap(), 0);
    let stands = Delivered::Stands;
    for (outbox, after, until, appended, then) in [
        ("a", 0, 3, Delivered::Now, 3),
        // The same again, as after a kill that came before it was noted; rows that leave a gap; rows that overlap.
        ("a", 0, 3, stands(3), 3),
        ("a", 5, 8, stands(3), 3),
        ("a", 2, 5, stands(3), 3),
        ("b", 0, 1, Delivered::Now, 1),
        ("a", 3, 9, Delivered::Now, 9),
    ] {
        let found = world.lake.append_deliveries(outbox, rows(outbox, after, until)).await.unwrap();
        assert_eq!(found, appended, "{outbox} {after}..={until}");
        assert_eq!(world.lake.delivered_until(outbox).await.unwrap(), then);
    }
    assert_eq!(held(&world, "a").await, (1..=9).collect::<Vec<_>>());
    assert_eq!(held(&world, "b").await, [1]);
}

#[tokio::test]
async fn a_second_writer_of_one_outbox_and_writers_of_others_double_nothing() {
    let world = World::new();
    let writers =
        ["a", "a", "a", "b", "c"].map(|outbox| world.lake.append_deliveries(outbox, rows(outbox, 0, 4)));
    let found = futures::future::try_join_all(writers).await.unwrap();
    assert_eq!(found.iter().filter(|found| **found == Delivered::Now).count(), 3, "{found:?}");
    assert_eq!(found.iter().filter(|found| **found == Delivered::Stands(4)).count(), 2, "{found:?}");
    for outbox in ["a", "b", "c"] {
        assert_eq!(held(&world, outbox).await, [1, 2, 3, 4], "{outbox}");
    }
}

#[tokio::test]
async fn an_id_that_is_none_is_refused() {
    let world = World::new();
    for outbox in ["", "a/b", "a b"] {
        let error = world.lake.append_deliveries(outbox, rows(outbox, 0, 1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Schema, "{outbox}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn whatever_the_store_answers_each_attempt_is_there_once(
        faults in prop::collection::vec(prop::sample::select(vec![None, Some(Fault::Before), Some(Fault::After), Some(Fault::Full)]), 1..24),
        forgets in prop::collection::vec(any::<bool>(), 24),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::new();
            world.lake.append_deliveries("b", rows("b", 0, 1)).await.unwrap();
            let mut until = 0;
            for (step, fault) in faults.into_iter().enumerate() {
                world.fail(NAME, fault);
                let more = rows("a", until, until + 1 + step as i64 % 3);
                let behind = more.until;
                match world.lake.append_deliveries("a", more).await {
                    Ok(Delivered::Now) => until = behind,
                    Ok(Delivered::Stands(stands)) => until = stands,
                    Err(error) => {
                        prop_assert_eq!(error.action(), Action::Retry, "{}", error);
                        // Killed there, its successor asks; alive, it tries the same again.
                        if forgets[step] {
                            until = world.lake.delivered_until("a").await.unwrap();
                        }
                    }
                }
            }
            // What is left of the faults passes, too.
            let mut end = None;
            for _ in 0..32 {
                until = world.lake.delivered_until("a").await.unwrap();
                if let Ok(found) = world.lake.append_deliveries("a", rows("a", until, until + 1)).await {
                    prop_assert_eq!(found, Delivered::Now);
                    end = Some(until + 1);
                    break;
                }
            }
            let end = end.expect("the store answers at last");
            prop_assert_eq!(held(&world, "a").await, (1..=end).collect::<Vec<_>>());
            prop_assert_eq!(held(&world, "b").await, [1]);
            Ok(())
        })?;
    }
}
