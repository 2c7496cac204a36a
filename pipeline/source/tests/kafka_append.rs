//! Appending: order, places, partitions by key, and what is refused.
#![allow(clippy::unwrap_used, reason = "test code outside of `#[test]` functions")]

mod kafka_support;

use kafka_support::*;
use model::Partition;
use model::position::partition_of;
use source::{Action, Append, ErrorKind, NewRecord};

#[test]
fn records_land_in_order_where_append_says_also_from_many_threads() {
    let log = log(4);
    let topic = log.identity().topic.clone();
    let mut placed: Vec<(u32, i64, String)> = std::thread::scope(|scope| {
        let run = |thread: usize| {
            let (log, topic) = (log.clone(), &topic);
            move || {
                let mut appender = log.appender();
                let mut mine = Vec::new();
                for round in 0..20 {
                    let keys: Vec<String> = (0..50).map(|n| format!("E{}", (thread * 7 + n) % 40)).collect();
                    let values: Vec<String> = (0..50).map(|n| format!("{thread}/{round}/{n}")).collect();
                    let records: Vec<NewRecord<'_>> = keys
                        .iter()
                        .zip(&values)
                        .map(|(key, value)| NewRecord {
                            key: Some(key.as_bytes()),
                            value: Some(value.as_bytes()),
                            ..NewRecord::default()
                        })
                        .collect();
                    let places = appender.append(topic, &records).unwrap();
                    assert_eq!(places.len(), 50);
                    for (((partition, offset), key), value) in places.into_iter().zip(&keys).zip(values) {
                        assert_eq!(partition, partition_of(key.as_bytes(), 4), "{key}");
                        mine.push((partition.number(), offset.get(), value));
                    }
                }
                mine
            }
        };
        let threads: Vec<_> = (0..4).map(|thread| scope.spawn(run(thread))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    // Within a thread and partition the order given is the order of the offsets.
    for thread in 0..4 {
        for partition in 0..4 {
            let own = format!("{thread}/");
            let offsets: Vec<i64> = placed
                .iter()
                .filter(|(at, _, value)| *at == partition && value.starts_with(&own))
                .map(|(_, offset, _)| *offset)
                .collect();
            assert!(offsets.is_sorted(), "thread {thread} partition {partition}");
        }
    }
    let mut reader = log.reader(&topic).unwrap();
    let mut seen = Seen::default();
    seen.until(&mut reader, |seen| seen.count() == 4_000 && seen.caught_up.len() == 4);
    placed.sort_unstable();
    let read: Vec<(u32, i64, String)> = seen
        .values
        .into_iter()
        .flat_map(|(partition, values)| values.into_iter().map(move |(at, value)| (partition, at, value)))
        .collect();
    assert_eq!(read, placed);
}

#[test]
fn what_does_not_fit_is_refused_and_the_appender_goes_on() {
    let log = log(1);
    let topic = &log.identity().topic;
    let mut appender = log.appender();
    let large = vec![b'x'; 2 << 20];
    // Random enough that compression does not bring it below the limit.
    let large: Vec<u8> = large
        .iter()
        .scan(1_u32, |seed, byte| {
            *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            Some(byte ^ (*seed >> 24) as u8)
        })
        .collect();
    let small = NewRecord { value: Some(b"small"), ..NewRecord::default() };
    let error =
        appender.append(topic, &[NewRecord { value: Some(&large), ..NewRecord::default() }]).unwrap_err();
    assert_eq!((error.kind(), error.action()), (ErrorKind::TooLarge, Action::Stop), "{error}");
    assert!(error.to_string().contains("max.message.bytes"), "{error}");
    assert_eq!(appender.append(topic, &[small]).unwrap().len(), 1);
    let elsewhere = NewRecord { partition: Some(Partition::new(7)), ..small };
    let error = appender.append(topic, &[elsewhere]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownPartition, "{error}");
    let error = appender.append("no-such-topic", &[small]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownTopic, "{error}");
    assert_eq!(appender.append("no such name", &[small]).unwrap_err().kind(), ErrorKind::InvalidTopic);
    assert_eq!(appender.append(topic, &[]).unwrap(), []);
    assert_eq!(appender.append(topic, &[small, small]).unwrap().len(), 2);
}
