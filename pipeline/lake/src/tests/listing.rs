//! Listings of a log that were made while entries came.

use super::support::{World, commit_of, is_done};

#[tokio::test]
async fn entries_that_a_listing_lacks_beside_later_ones_are_read() {
    let world = World::new();
    let mut claim = world.claim(&[0]).await;
    for round in 0..6 {
        assert!(is_done(
            &world.lake.commit(&mut claim, commit_of(0, round * 4, round * 4 + 4)).await.unwrap()
        ));
    }
    for version in [3, 5, 6] {
        world.unlist(&format!("punches/_delta_log/{version:020}.json"));
    }
    world.assert_exact(&[(0, 24)]).await;
    let claim = world.claim(&[0]).await;
    assert_eq!(claim.frontiers().values().map(|frontier| frontier.next().get()).collect::<Vec<_>>(), [24]);
}
