//! The embedded log's times: append times, what `CaughtUp` promises, waiting, turns.

use std::time::Duration;

use super::tests::{World, keyed, read_all, started};
use super::*;
use crate::log::{Append, NewRecord, Polled, Source, StartAt};
use crate::raw_batch::RawBatch;
use model::EventTime;

#[test]
fn append_times_never_go_back_and_can_be_found() {
    let world = World::new();
    let log = world.open_with(Options { partitions: 1, ..Options::default() });
    let mut appender = log.appender();
    for ms in [5_000, 7_000, 6_000, 9_000] {
        world.set_ms(ms);
        appender.append("punches", &[keyed("a", "v"), keyed("a", "v")]).unwrap();
    }
    let times: Vec<i64> = read_all(&log, "punches").iter().map(|read| read.append_ms).collect();
    assert_eq!(times, [5_000, 5_000, 7_000, 7_000, 7_000, 7_000, 9_000, 9_000]);
    let mut source = started(&log, "punches", &[]);
    let mut find = |at| source.locate(Partition::new(0), at).unwrap().get();
    for (ms, next) in [(0, 0), (5_000, 0), (5_001, 2), (7_000, 2), (7_001, 6), (9_000, 6), (9_001, 8)] {
        assert_eq!(find(StartAt::Time(EventTime::from_ms(ms))), next, "{ms}");
    }
    assert_eq!((find(StartAt::Earliest), find(StartAt::Latest)), (0, 8));
    log.compact("punches").unwrap();
    assert_eq!(find(StartAt::Time(EventTime::from_ms(5_001))), 7, "compacted offsets are passed over");
}

#[test]
fn what_caught_up_says_of_a_time_stays_true() {
    let world = World::new();
    let log = world.open_with(Options { partitions: 1, ..Options::default() });
    let (mut source, mut batch) = (started(&log, "punches", &[]), RawBatch::new());
    let mut caught_up = || match source.poll(Duration::ZERO, &mut batch).unwrap() {
        Polled::CaughtUp { partition, next, at } => Some((partition.number(), next.get(), at.ms())),
        Polled::Idle => None,
        other => panic!("unexpected {other:?}"),
    };
    world.set_ms(2_000);
    assert_eq!(caught_up(), Some((0, 0, 1_999)));
    assert_eq!(caught_up(), None);
    world.set_ms(2_050);
    assert_eq!(caught_up(), None, "said again after 100 ms only");
    world.set_ms(2_100);
    assert_eq!(caught_up(), Some((0, 0, 2_099)));

    // An append that is still on its way to the disk holds the time back, or timers would run past it.
    let stamp = log.shared.heads.begin_append(&log.shared.now);
    assert_eq!(stamp.ms, 2_100);
    world.set_ms(9_000);
    assert_eq!(caught_up(), None);
    drop(stamp);
    assert_eq!(caught_up(), Some((0, 0, 8_999)));

    // A clock that is set back cannot stamp a record into the time that was called complete.
    world.set_ms(3_000);
    assert_eq!(caught_up(), None);
    log.appender().append("punches", &[keyed("a", "v")]).unwrap();
    assert_eq!(read_all(&log, "punches")[0].append_ms, 9_000);
}

#[test]
fn a_waiting_poll_wakes_for_an_append() {
    let world = World::new();
    let log = world.open_with(Options { partitions: 1, ..Options::default() });
    let (mut source, mut batch) = (started(&log, "punches", &[]), RawBatch::new());
    assert!(matches!(source.poll(Duration::ZERO, &mut batch).unwrap(), Polled::CaughtUp { .. }));
    std::thread::scope(|scope| {
        let mut appender = log.appender();
        scope.spawn(move || appender.append("punches", &[keyed("a", "v")]).unwrap());
        assert_eq!(source.poll(Duration::from_secs(60), &mut batch).unwrap(), Polled::Batch);
    });
    assert_eq!(batch.records(), 1);
}

#[test]
fn a_quiet_partition_is_heard_beside_a_busy_one() {
    let world = World::new();
    let batch_limits = BatchLimits { records_max: 1, bytes_max: usize::MAX };
    let log = world.open_with(Options { partitions: 2, batch: batch_limits, ..Options::default() });
    let busy = NewRecord { partition: Some(Partition::new(0)), ..keyed("a", "v") };
    log.appender().append("punches", &[busy; 10]).unwrap();
    let (mut source, mut batch) = (started(&log, "punches", &[]), RawBatch::new());
    let polled: Vec<Polled> = (0..2).map(|_| source.poll(Duration::ZERO, &mut batch).unwrap()).collect();
    assert!(matches!(polled[..], [Polled::Batch, Polled::CaughtUp { .. }]), "{polled:?}");
}
