//! Records of other attendance systems: once each, whoever dies when, and known to whoever comes after.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::RecordBatch;
use model::{Offset, Partition, Vendor, VendorRecord};
use schemas::tables::vendor_records::{Builder, NAME, Row};

use super::support::*;
use crate::{Claim, Commit};

/// What was said at these offsets; the id is the offset.
fn said_rows(offsets: &[i64]) -> RecordBatch {
    let mut builder = Builder::default();
    for offset in offsets {
        let said = VendorRecord {
            id: *offset as u128,
            raw: "{}".to_owned(),
            ..VendorRecord::about(Vendor::DingTalk, Offset::new(*offset).unwrap(), "E1")
        };
        let partition = Partition::new(0);
        builder.append(&Row { topic: "punches", partition, said: &said, imported_at: START });
    }
    builder.finish()
}

fn commit(from: i64, until: i64, said: &[i64]) -> Commit {
    Commit { vendor_records: vec![said_rows(said)], ..commit_of(0, from, until) }
}

async fn known(world: &World, claim: &Claim) -> BTreeSet<u128> {
    world.lake.vendor_record_ids(claim).await.unwrap().into_iter().collect()
}

#[tokio::test]
async fn records_of_an_unfinished_commit_are_read_again_and_kept_once() {
    let world = World::new();
    let mut claim = world.claim(&[0]).await;
    assert_eq!(known(&world, &claim).await, BTreeSet::new());
    world.lake.commit(&mut claim, commit(0, 20, &[1, 6, 19])).await.unwrap();
    assert_eq!(known(&world, &claim).await, BTreeSet::from([1, 6, 19]));

    let unfinished = commit(20, 40, &[20, 22]);
    let moved: BTreeMap<_, _> = unfinished.frontiers.iter().copied().collect();
    world.lake.commit_side(&mut claim, NAME, unfinished.vendor_records, &moved).await.unwrap();
    drop(claim);

    let mut claim = world.claim(&[0]).await;
    assert_eq!(
        known(&world, &claim).await,
        BTreeSet::from([1, 6, 19]),
        "what is read again is not known yet"
    );
    world.lake.commit(&mut claim, commit(20, 50, &[20, 22, 41])).await.unwrap();
    assert_eq!(world.rows(NAME).await, [(0, 1), (0, 6), (0, 19), (0, 20), (0, 22), (0, 41)]);
    assert_eq!(known(&world, &claim).await.len(), 6);
}
