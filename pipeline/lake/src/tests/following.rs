//! Rows passed on entry by entry: each once, in order, and never a step over what is gone.

use schemas::tables::rejects::NAME;

use super::support::*;

#[tokio::test]
async fn what_each_entry_added_is_told_once_and_in_order() {
    let world = World::new();
    assert!(world.lake.appended(NAME, None).await.unwrap().is_none(), "no table yet");
    let mut claim = world.claim(&[0]).await;
    let mut rows = Vec::new();
    let mut passed = None;
    for n in 0..4 {
        world.lake.commit(&mut claim, commit_of(0, n * 10, n * 10 + 10)).await.unwrap();
        while let Some(appended) = world.lake.appended(NAME, passed).await.unwrap() {
            assert_eq!(appended.version, passed.map_or(0, |passed| passed + 1));
            passed = Some(appended.version);
            rows.push(appended.rows.iter().map(arrow::array::RecordBatch::num_rows).sum::<usize>());
        }
    }
    let all = world.rows(NAME).await.len();
    assert_eq!(rows.iter().sum::<usize>(), all);
    assert!(all > 0 && rows.iter().filter(|rows| **rows > 0).count() > 1, "{rows:?}");
    assert!(world.lake.appended(NAME, Some(passed.unwrap() + 5)).await.unwrap().is_none(), "beyond the end");
}
