//! Our beliefs about the broker the other tests stand on: it keeps what it acknowledged, comes back at its address, and lets
//! in exactly who may enter.
//!
//! Absent on purpose: `source`. What is tested is the ground under it, with a bare client.

// A test that cannot go on panics, and says on standard output what it ran on.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::sync::Mutex;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaErrorCode;
use tests::broker::shared_bootstrap;

/// How long a step with a broker may take on a machine that is busy with other tests.
const LIMIT: Duration = Duration::from_secs(60);

fn client(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    config
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn make_topic(bootstrap: &str, topic: &str) {
    let admin: AdminClient<DefaultClientContext> = client(bootstrap).create().unwrap();
    let options = AdminOptions::new().operation_timeout(Some(LIMIT)).request_timeout(Some(LIMIT));
    let made =
        block_on(admin.create_topics(&[NewTopic::new(topic, 1, TopicReplication::Fixed(1))], &options));
    assert_eq!(made.unwrap(), [Ok(topic.to_owned())]);
}

/// Appends one value and says what became of it.
fn append(config: &ClientConfig, topic: &str, value: &str) -> Result<(), RDKafkaErrorCode> {
    let producer: BaseProducer<Delivery> = config.create_with_context(Delivery::default()).unwrap();
    producer.send(BaseRecord::<str, str>::to(topic).key("k").payload(value)).unwrap();
    producer.flush(LIMIT).unwrap();
    let delivered = *producer.context().0.lock().unwrap();
    delivered.expect("a flushed record has been delivered or not")
}

/// What became of the one record of a producer.
#[derive(Default)]
struct Delivery(Mutex<Option<Result<(), RDKafkaErrorCode>>>);

impl ClientContext for Delivery {}

impl ProducerContext for Delivery {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let result = result.as_ref().map(drop).map_err(|(error, _)| error.rdkafka_error_code().unwrap());
        *self.0.lock().unwrap() = Some(result);
    }
}

/// Reads `len` records of partition 0 from its beginning.
fn read(config: &ClientConfig, topic: &str, len: usize) -> Vec<String> {
    let consumer: BaseConsumer = config.clone().set("group.id", "reader").create().unwrap();
    let mut from = TopicPartitionList::new();
    from.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
    consumer.assign(&from).unwrap();
    let begun = Instant::now();
    let mut values = Vec::new();
    while values.len() < len {
        assert!(begun.elapsed() < LIMIT, "{} of {len} records in {LIMIT:?}", values.len());
        // Errors here tell of lost connections, which the client makes again by itself.
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
            values.push(String::from_utf8(message.payload().unwrap().to_vec()).unwrap());
        }
    }
    values
}

#[test]
fn the_shared_broker_gives_back_what_it_took() {
    let bootstrap = shared_bootstrap();
    let topic = format!("shared-{}", std::process::id());
    make_topic(&bootstrap, &topic);
    append(&client(&bootstrap), &topic, "one").unwrap();
    assert_eq!(read(&client(&bootstrap), &topic, 1), ["one"]);
    let admin: AdminClient<DefaultClientContext> = client(&bootstrap).create().unwrap();
    block_on(admin.delete_topics(&[&topic], &AdminOptions::new())).unwrap();
}

/// Tests that start brokers of their own. `tests/run` knows this module's name.
mod private_broker {
    use rdkafka::consumer::ConsumerContext;
    use rdkafka::error::KafkaError;
    use tests::broker::{Broker, Settings};

    use super::*;

    #[test]
    fn a_killed_broker_comes_back_with_its_records() {
        let mut broker = Broker::start(Settings::default());
        let bootstrap = broker.bootstrap();
        let config = client(&bootstrap);
        make_topic(&bootstrap, "kept");
        append(&config, "kept", "one").unwrap();

        broker.kill();
        assert!(!answers(&config), "a killed broker answers");
        broker.restart();
        assert_eq!(broker.bootstrap(), bootstrap);
        append(&config, "kept", "two").unwrap();
        assert_eq!(read(&config, "kept", 2), ["one", "two"]);

        broker.stop();
        assert!(!answers(&config), "a stopped broker answers");
        broker.restart();
        assert_eq!(read(&config, "kept", 2), ["one", "two"]);

        broker.pause();
        assert!(!answers(&config), "a halted broker answers");
        broker.resume();
        append(&config, "kept", "three").unwrap();
        assert_eq!(read(&config, "kept", 3), ["one", "two", "three"]);
    }

    #[test]
    fn settings_are_those_of_all_tests_but_where_a_test_says_otherwise() {
        let broker = Broker::start(Settings::default().with("message.max.bytes", "4096"));
        let admin: AdminClient<DefaultClientContext> = client(&broker.bootstrap()).create().unwrap();
        let described =
            block_on(admin.describe_configs([&ResourceSpecifier::Broker(1)], &AdminOptions::new())).unwrap();
        let resource = described.into_iter().next().unwrap().unwrap();
        let value = |key: &str| resource.get(key).unwrap().value.clone().unwrap();
        assert_eq!(value("message.max.bytes"), "4096");
        assert_eq!(value("group.min.session.timeout.ms"), "1000");
        assert_eq!(value("group.initial.rebalance.delay.ms"), "0");
        assert_eq!(value("log.retention.ms"), "-1");
        assert_eq!(value("auto.create.topics.enable"), "false");

        make_topic(&broker.bootstrap(), "small");
        let config = client(&broker.bootstrap());
        append(&config, "small", &"x".repeat(2000)).unwrap();
        assert_eq!(append(&config, "small", &"x".repeat(5000)), Err(RDKafkaErrorCode::MessageSizeTooLarge));
    }

    #[test]
    fn listeners_let_in_exactly_who_may_enter() {
        let settings = Settings::default()
            .with_client_certificates()
            .with_user("alice", "right")
            .with_user("bob", "other");
        let broker = Broker::start(settings);
        let stranger = Broker::start(Settings::default().with_tls());
        make_topic(&broker.bootstrap(), "secured");

        let cases = [
            ("ssl, our authority, our certificate", LET_IN),
            // The words are the alert's, and Java has sent one and the other from one update to the next.
            ("ssl, our authority", "alert certificate required|alert bad certificate"),
            ("ssl, our authority, a stranger's certificate", "alert certificate unknown"),
            ("ssl, a stranger's authority, our certificate", "certificate verify failed"),
            ("sasl_plaintext, PLAIN alice right", LET_IN),
            ("sasl_plaintext, PLAIN alice other", "Authentication failed"),
            ("sasl_plaintext, PLAIN carol right", "Authentication failed"),
            ("sasl_plaintext, SCRAM-SHA-512 bob other", LET_IN),
            ("sasl_plaintext, SCRAM-SHA-512 bob right", "Authentication failed"),
            ("sasl_ssl, our authority, PLAIN bob other", LET_IN),
            ("sasl_ssl, our authority, SCRAM-SHA-512 alice right", LET_IN),
            ("sasl_ssl, our authority, SCRAM-SHA-512 alice wrong", "Authentication failed"),
            ("sasl_ssl, a stranger's authority, PLAIN alice right", "certificate verify failed"),
        ];
        for (case, expected) in cases {
            let config = secured(case, &broker, &stranger);
            let answer = enters(&config);
            assert!(expected.split('|').any(|words| answer.contains(words)), "{case}: {answer}");
            if expected == LET_IN {
                append(&config, "secured", case).unwrap();
            }
        }
        let appended = cases.iter().filter(|(_, expected)| *expected == LET_IN).map(|(case, _)| *case);
        let appended: Vec<&str> = appended.collect();
        for case in &appended {
            assert_eq!(
                read(&secured(case, &broker, &stranger), "secured", appended.len()),
                appended,
                "{case}"
            );
        }
    }

    /// What a client that calls as `case` says is configured with.
    fn secured(case: &str, broker: &Broker, stranger: &Broker) -> ClientConfig {
        let mut words = case.split(", ");
        let protocol = words.next().unwrap();
        let mut config = client(&match protocol {
            "ssl" => broker.ssl_bootstrap(),
            "sasl_plaintext" => broker.sasl_bootstrap(),
            _ => broker.sasl_ssl_bootstrap(),
        });
        config.set("security.protocol", protocol);
        for word in words {
            match word {
                "our authority" => config.set("ssl.ca.location", broker.ca_path().to_str().unwrap()),
                "a stranger's authority" => config.set("ssl.ca.pem", stranger.ca_pem()),
                "our certificate" => with_certificate(&mut config, broker.client_pem()),
                "a stranger's certificate" => with_certificate(&mut config, stranger.client_pem()),
                user => {
                    let [mechanism, name, password] = user.split(' ').collect::<Vec<_>>().try_into().unwrap();
                    config
                        .set("sasl.mechanism", mechanism)
                        .set("sasl.username", name)
                        .set("sasl.password", password)
                }
            };
        }
        config
    }

    fn with_certificate<'a>(
        config: &'a mut ClientConfig,
        (certificate, key): (&str, &str),
    ) -> &'a mut ClientConfig {
        config.set("ssl.certificate.pem", certificate).set("ssl.key.pem", key)
    }

    /// What a client hears at the door: [`LET_IN`], or why not.
    fn enters(config: &ClientConfig) -> String {
        let consumer: BaseConsumer<Told> = config.create_with_context(Told::default()).unwrap();
        let begun = Instant::now();
        loop {
            if consumer.fetch_metadata(None, Duration::from_millis(500)).is_ok() {
                return LET_IN.to_owned();
            }
            // What went wrong with a connection is told to the context, by the way.
            let _ = consumer.poll(Duration::from_millis(50));
            if let Some(why) = consumer.context().0.lock().unwrap().take() {
                return why;
            }
            assert!(begun.elapsed() < LIMIT, "neither let in nor refused in {LIMIT:?}");
        }
    }

    const LET_IN: &str = "let in";

    /// What a client was last told of its connection.
    #[derive(Default)]
    struct Told(Mutex<Option<String>>);

    impl ClientContext for Told {
        fn error(&self, error: KafkaError, reason: &str) {
            // It follows from the others, and says nothing of its own.
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
                *self.0.lock().unwrap() = Some(reason.to_owned());
            }
        }
    }

    impl ConsumerContext for Told {}

    /// Whether a broker answers within a second or two.
    fn answers(config: &ClientConfig) -> bool {
        let consumer: BaseConsumer = config.create().unwrap();
        consumer.fetch_metadata(None, Duration::from_secs(2)).is_ok()
    }
}
