//! Three brokers, of which one dies: the leader of a partition of punches in mid-stream, and the only one that has the dead
//! letters. Judged by the ledger.

use tests::broker::Brokers;
use tests::cluster::Cluster;
use tests::running::Running;

use super::outages::{Processor, RUN, Scene, beyond_poison};
use super::*;

/// Tests that need brokers of their own to kill.
mod private_broker {
    use super::*;

    /// P1, P2 and P6 over the leader's death; P3 while nobody takes a letter: what lies behind the poison waits with it.
    #[test]
    fn a_leader_that_dies_in_mid_stream_and_letters_that_nobody_takes_for_a_while_cost_nothing() {
        let brokers = Brokers::start(3);
        let bootstrap = brokers.bootstrap();
        let mut scene = Scene::on(brokers, &bootstrap, "url = \"lake\"");
        let cluster = Cluster::at(&bootstrap);
        let leader = cluster.leader("punches", 0);
        let with_letters = scene.broker.other_than(&[leader]);
        cluster.make_topic_on("punches.dlq", 2, with_letters);
        let mut it = Processor::of(Running::start(scene.folder.path(), "m", &RUN));
        scene.append(0.2);
        it.await_stored(scene.punches());

        let stored = it.stored();
        scene.append_while(0.4, |brokers| {
            it.await_that("some more are stored", |it| it.stored() > stored);
            brokers.node(leader).kill();
        });
        // Nobody leads its partitions yet.
        scene.append(0.6);
        it.await_stored(scene.punches());
        assert_ne!(cluster.leader("punches", 0), leader);
        scene.broker.node(leader).restart();

        let since = scene.origins.len();
        scene.broker.node(with_letters).kill();
        scene.append(1.0);
        it.await_that("it waits for the letters", |it| {
            it.unready().is_some_and(|why| why.contains("not ready: log: ") && why.contains("punches.dlq"))
        });
        let beyond = beyond_poison(&scene, since);
        assert!(beyond.is_empty(), "stored behind a letter that nobody has: {beyond:?}");
        scene.broker.node(with_letters).restart();
        it.await_stored(scene.punches());
        it.await_that("everything is read", |it| it.metric("muster_lag_records", "") == 0.0);
        it.end();
        scene.check(&LakeReader::open(&scene.folder.path().join("lake")));
    }
}
