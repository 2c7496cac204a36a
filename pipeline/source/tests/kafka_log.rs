//! Opening a log: what a topic must be like, the topics Muster makes, and a topic that changes underneath.
#![allow(clippy::unwrap_used, reason = "test code outside of `#[test]` functions")]

mod kafka_support;

use std::time::{Duration, Instant};

use kafka_support::*;
use source::kafka::TopicUse;
use source::{Append, ErrorKind, KafkaClock, KafkaLog, KafkaOptions, NewRecord, RawBatch, Source};

fn refused(options: KafkaOptions) -> (ErrorKind, String) {
    let error = KafkaLog::open(options, wall()).err().expect("it should not open");
    (error.kind(), error.to_string())
}

fn append_clock(topic: &str) -> KafkaOptions {
    let clock = KafkaClock::Append { probe_topic: fresh("alerts"), margin: source::kafka::CLOCK_MARGIN };
    KafkaOptions { clock, ..options(topic) }
}

#[test]
fn a_log_is_its_topics_id() {
    let topic = fresh("punches");
    create(&topic, 3, &[("max.message.bytes", "54321")]);
    let log = KafkaLog::open(options(&topic), wall()).unwrap();
    let identity = log.identity();
    assert_eq!((identity.topic.as_str(), identity.partitions), (topic.as_str(), 3));
    // Kafka prints 16 bytes in base64 for URLs, without padding.
    assert_eq!(identity.log_id.as_str().len(), 22, "{}", identity.log_id);
    assert_eq!(log.topic().record_bytes_max, Some(54_321));
    assert_eq!(log.topic().replicas, 1);
    assert_eq!(KafkaLog::open(options(&topic), wall()).unwrap().identity(), identity);
    delete(&topic);
    create(&topic, 3, &[]);
    assert_ne!(KafkaLog::open(options(&topic), wall()).unwrap().identity().log_id, identity.log_id);
}

#[test]
fn what_cannot_be_a_log_is_refused_with_the_command_that_mends_it() {
    let topic = fresh("absent");
    let (kind, text) = refused(options(&topic));
    assert_eq!(kind, ErrorKind::UnknownTopic);
    assert!(text.contains("kafka-topics.sh") && text.contains(&topic), "{text}");
    assert_eq!(refused(options(&topic)).0, ErrorKind::UnknownTopic, "asking does not create it");

    let topic = fresh("create-time");
    create(&topic, 1, &[("message.timestamp.type", "CreateTime")]);
    let (kind, text) = refused(append_clock(&topic));
    assert_eq!(kind, ErrorKind::TopicConfig);
    assert!(
        text.contains("kafka-configs.sh") && text.contains("message.timestamp.type=LogAppendTime"),
        "{text}"
    );
    KafkaLog::open(options(&topic), wall()).expect("the clock of the records needs no append times");

    let topic = fresh("compacted");
    create(&topic, 1, &[("cleanup.policy", "compact")]);
    let (kind, text) = refused(options(&topic));
    assert_eq!(kind, ErrorKind::TopicConfig);
    assert!(text.contains("cleanup.policy=delete"), "{text}");

    let begun = Instant::now();
    let nobody = KafkaOptions {
        brokers: "127.0.0.1:9".to_owned(),
        request_timeout: Duration::from_secs(1),
        ..options(&topic)
    };
    let (kind, text) = refused(nobody);
    assert_eq!(kind, ErrorKind::Unreachable, "{text}");
    assert!(text.contains("127.0.0.1:9"), "{text}");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn topics_that_muster_writes_are_made_once_and_checked_after() {
    let log = log(4);
    let name = fresh("alerts");
    let made = log.create_topic(&name, TopicUse::LastSaid).unwrap();
    assert_eq!(
        (made.identity.topic.as_str(), made.identity.partitions, made.replicas),
        (name.as_str(), 4, 1)
    );
    assert_eq!(log.create_topic(&name, TopicUse::LastSaid).unwrap(), made);
    // Several processes may start at once.
    let name = fresh("alerts");
    let made: Vec<_> = std::thread::scope(|scope| {
        let create = || log.create_topic(&name, TopicUse::LastSaid).unwrap();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(create)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(made.iter().all(|topic| topic.identity == made[0].identity));

    let letters = log.create_dead_letter_topic().unwrap();
    assert_eq!(letters.identity.topic, format!("{}.dlq", log.identity().topic));
    assert_eq!(letters.record_bytes_max, Some(1_048_588));

    let wrong = fresh("wrong");
    create(&wrong, 3, &[("cleanup.policy", "compact")]);
    assert_eq!(log.create_topic(&wrong, TopicUse::LastSaid).unwrap_err().kind(), ErrorKind::PartitionCount);
    let error = log.create_topic(&wrong, TopicUse::DeadLetters).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TopicConfig);
    let wrong = fresh("wrong");
    create(&wrong, 4, &[]);
    let error = log.create_topic(&wrong, TopicUse::LastSaid).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TopicConfig);
    assert!(error.to_string().contains("cleanup.policy=compact"), "{error}");
    // A reader that is an hour behind still sees every version: by what is made here, and by what was there before.
    for (lag_ms, is_enough) in [("0", false), ("3599999", false), ("3600000", true), ("86400000", true)] {
        let name = fresh("lag");
        let settings = [
            ("cleanup.policy", "compact"),
            ("message.timestamp.type", "LogAppendTime"),
            ("min.compaction.lag.ms", lag_ms),
        ];
        create(&name, 4, &settings);
        match log.create_topic(&name, TopicUse::LastSaid) {
            Ok(_) => assert!(is_enough, "{lag_ms} ms was taken"),
            Err(error) => {
                assert!(!is_enough, "{lag_ms} ms: {error}");
                assert_eq!(error.kind(), ErrorKind::TopicConfig);
                assert!(error.to_string().contains("min.compaction.lag.ms=3600000"), "{error}");
            }
        }
    }
    let error = log.create_topic("no such name", TopicUse::DeadLetters).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidTopic);
}

/// Polls until the source fails.
fn failure(source: &mut dyn Source) -> source::Error {
    let mut batch = RawBatch::new();
    let begun = Instant::now();
    loop {
        match source.poll(Duration::from_millis(50), &mut batch) {
            Ok(source::Polled::Assigned(partitions)) => {
                let starts: Vec<_> = partitions.iter().map(|p| (*p, next(0))).collect();
                source.start(&starts).unwrap();
            }
            Ok(_) => assert!(begun.elapsed() < PATIENCE),
            Err(error) => return error,
        }
    }
}

#[test]
fn a_topic_made_anew_is_another_log() {
    let log = log(1);
    fill(&log, 0, 0, 10);
    let mut source = log.source().unwrap();
    let mut seen = Seen::default();
    seen.until(&mut source, |seen| seen.count() == 10 && !seen.caught_up.is_empty());
    let topic = log.identity().topic.clone();
    delete(&topic);
    create(&topic, 1, &[]);
    let error = failure(&mut source);
    assert_eq!(error.kind(), ErrorKind::TopicChanged, "{error}");
    drop(source);
    // Whoever comes with the old identity is told at its first assignment.
    let error = failure(&mut log.source().unwrap());
    assert_eq!(error.kind(), ErrorKind::TopicChanged, "{error}");
    assert!(error.to_string().contains("deleted and created again"), "{error}");
}

#[test]
fn a_topic_with_another_partition_count_stops_the_next_assignment() {
    let log = log(2);
    fill(&log, 0, 0, 1);
    add_partitions(&log.identity().topic, 3);
    let error = failure(&mut log.source().unwrap());
    assert_eq!(error.kind(), ErrorKind::TopicChanged, "{error}");
    assert!(error.to_string().contains("it has 3 partitions, it had 2"), "{error}");
    assert!(error.to_string().contains("run `muster repartition`"), "{error}");
}

#[test]
fn a_deleted_topic_is_told_of() {
    let log = log(1);
    let mut source = log.source().unwrap();
    let mut seen = Seen::default();
    seen.until(&mut source, |seen| !seen.caught_up.is_empty());
    delete(&log.identity().topic);
    let error = failure(&mut source);
    assert_eq!(error.kind(), ErrorKind::TopicChanged, "{error}");
    let error = log.appender().append(&log.identity().topic, &[NewRecord::default()]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownTopic, "{error}");
}
