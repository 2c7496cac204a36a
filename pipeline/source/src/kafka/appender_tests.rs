//! The producer against a broker that librdkafka plays: outages, refusals, and a new producer after a fatal error.

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use super::*;
use crate::error::Action;

struct Play {
    cluster: MockCluster<'static, DefaultProducerContext>,
    producers: Producers,
}

impl Play {
    fn new() -> Self {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("punches", 2, 1).unwrap();
        let options = KafkaOptions {
            append_timeout: Duration::from_secs(2),
            request_timeout: Duration::from_secs(2),
            ..KafkaOptions::new(&cluster.bootstrap_servers(), "punches", "muster")
        };
        options.check().unwrap();
        let producers = Producers::new(&options).unwrap();
        // The played broker does not describe topics.
        lock(&producers.known).insert("punches".to_owned());
        Self { producers, cluster }
    }

    /// Appends `count` records to partition 0 and gives their offsets.
    fn append(&self, count: usize) -> Result<Vec<i64>, Error> {
        let record =
            NewRecord { value: Some(b"x"), partition: Some(Partition::new(0)), ..NewRecord::default() };
        let placed = self.producers.append("punches", &vec![record; count])?;
        Ok(placed.into_iter().map(|(_, offset)| offset.get()).collect())
    }
}

#[test]
fn a_broker_that_is_away_ends_the_append_in_time_and_the_next_one_lands() {
    let play = Play::new();
    assert_eq!(play.append(3).unwrap(), [0, 1, 2]);
    play.cluster.broker_down(1).unwrap();
    let begun = Instant::now();
    let error = play.append(3).unwrap_err();
    assert_eq!((error.kind(), error.action()), (ErrorKind::Unreachable, Action::Retry), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    assert!(error.to_string().contains("append 3 records to topic punches: 3 of them failed"), "{error}");
    play.cluster.broker_up(1).unwrap();
    let offsets = play.append(2).unwrap();
    assert!(offsets[0] >= 3 && offsets[1] == offsets[0] + 1, "{offsets:?}");
}

#[test]
fn what_a_broker_cannot_take_for_a_moment_is_tried_again_within_the_call() {
    let play = Play::new();
    let moments = [
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
    ];
    play.cluster.request_errors(RDKafkaApiKey::Produce, &moments);
    assert_eq!(play.append(5).unwrap(), [0, 1, 2, 3, 4]);
}

#[test]
fn what_a_broker_forbids_stops() {
    let play = Play::new();
    let forbidden = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED];
    play.cluster.request_errors(RDKafkaApiKey::Produce, &forbidden);
    let error = play.append(1).unwrap_err();
    assert_eq!((error.kind(), error.action()), (ErrorKind::Forbidden, Action::Stop), "{error}");
}

#[test]
fn a_producer_that_failed_for_good_is_made_anew() {
    let play = Play::new();
    play.append(1).unwrap();
    let before = play.producers.current();
    let fatal = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER; 3];
    play.cluster.request_errors(RDKafkaApiKey::Produce, &fatal);
    let failed = play.append(1);
    play.cluster.clear_request_errors(RDKafkaApiKey::Produce);
    let error = failed.unwrap_err();
    assert_eq!(error.action(), Action::Retry, "{error}");
    assert!(!Arc::ptr_eq(&before, &play.producers.current()));
    play.append(1).unwrap();
}

#[test]
fn a_probe_brings_the_brokers_time() {
    let play = Play::new();
    let times = Arc::new(BrokerTimes::default());
    times.plan(&[1, 1]);
    play.producers.probe("punches", &times);
    assert!(times.begin_round().is_empty(), "one round at a time");
    let begun = Instant::now();
    while times.begin_round().is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(10));
    }
    // librdkafka's played broker always answers so.
    assert_eq!(times.least(1), Some(model::EventTime::from_ms(1_234)));
}
