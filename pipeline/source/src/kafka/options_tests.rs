//! Options: what is refused, and that the client library takes what passed.

use rdkafka::config::ClientConfig;

use super::*;

fn good() -> KafkaOptions {
    KafkaOptions::new("kafka-1:9092, kafka-2:9092", "punches", "muster")
}

fn text(options: &KafkaOptions) -> String {
    options.check().unwrap_err().to_string()
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    good().check().unwrap();
    let with = |change: fn(&mut KafkaOptions)| {
        let mut options = good();
        change(&mut options);
        text(&options)
    };
    for (said, wanted) in [
        (with(|o| o.brokers = String::new()), "is no `host:port`"),
        (with(|o| o.brokers = "kafka".to_owned()), "\"kafka\" is no `host:port`"),
        (with(|o| o.brokers = "a:1,:9092".to_owned()), "\":9092\" is no `host:port`"),
        (with(|o| o.topic = "no such".to_owned()), "topic \"no such\""),
        (with(|o| o.group = String::new()), "group Some(\"\"): 1 to 249 bytes"),
        (with(|o| o.instance = Some(String::new())), "instance Some(\"\"): 1 to 249 bytes"),
        (with(|o| o.client_id = String::new()), "client id"),
        (with(|o| o.session_timeout = Duration::from_millis(10)), "session timeout 10ms"),
        (with(|o| o.poll_interval_max = Duration::from_secs(1)), "poll interval 1s: between 45s"),
        (with(|o| o.buffered_bytes_max = 5), "buffered bytes 5"),
        (with(|o| o.batch.records_max = 0), "records of a batch 0"),
        (
            with(|o| o.clock = KafkaClock::Append { probe_topic: "punches".into(), margin: CLOCK_MARGIN }),
            "it is the topic of punches",
        ),
        (
            with(|o| o.security = Security::Sasl(sasl(Mechanism::Plain, ""), None)),
            "PLAIN: the user or the password is empty",
        ),
    ] {
        assert!(said.contains(wanted), "{said}");
    }
}

fn sasl(mechanism: Mechanism, password: &str) -> Sasl {
    Sasl { mechanism, user: "muster".to_owned(), password: password.to_owned() }
}

#[test]
fn tls_and_scram_need_the_feature_and_say_so() {
    let wanted = [
        Security::Tls(Tls::default()),
        Security::Sasl(sasl(Mechanism::ScramSha512, "secret"), None),
        Security::Sasl(sasl(Mechanism::Plain, "secret"), Some(Tls::default())),
    ];
    for security in wanted {
        let options = KafkaOptions { security, ..good() };
        if HAS_TLS {
            options.check().unwrap();
            assert_taken(&options);
        } else {
            assert!(text(&options).contains("--features kafka-tls"), "{}", text(&options));
        }
    }
    let plain = KafkaOptions { security: Security::Sasl(sasl(Mechanism::Plain, "secret"), None), ..good() };
    plain.check().unwrap();
    assert_taken(&plain);
}

#[test]
fn certificates_are_looked_for_before_anything_is_connected() {
    if !HAS_TLS {
        return;
    }
    let tls = |cert: Option<&str>, key: Option<&str>| Tls {
        ca: None,
        cert: cert.map(PathBuf::from),
        key: key.map(PathBuf::from),
    };
    let half = KafkaOptions { security: Security::Tls(tls(Some("/absent.pem"), None)), ..good() };
    assert!(text(&half).contains("go together"));
    let absent =
        KafkaOptions { security: Security::Tls(tls(Some("/absent.pem"), Some("/absent.key"))), ..good() };
    assert!(text(&absent).contains("read the TLS cert /absent.pem"), "{}", text(&absent));
}

#[test]
fn the_client_library_takes_what_passed() {
    assert_taken(&good());
    let named = KafkaOptions { instance: Some("till-1".to_owned()), ..good() };
    assert_taken(&named);
    assert_eq!(named.member().get("group.instance.id"), Some("till-1"));
    let member = good().member();
    for (key, value) in [
        ("bootstrap.servers", "kafka-1:9092,kafka-2:9092"),
        ("group.protocol", "classic"),
        ("partition.assignment.strategy", "cooperative-sticky"),
        ("enable.auto.commit", "false"),
        ("auto.offset.reset", "error"),
        ("check.crcs", "true"),
        ("isolation.level", "read_committed"),
        ("heartbeat.interval.ms", "3000"),
    ] {
        assert_eq!(member.get(key), Some(value), "{key}");
    }
    assert_eq!(member.get("group.instance.id"), None);
}

fn assert_taken(options: &KafkaOptions) {
    let configs: [ClientConfig; 4] =
        [options.member(), options.consumer("reader"), options.asker(), options.producer()];
    for config in configs {
        config.create_native_config().unwrap();
    }
}

#[test]
fn a_password_is_in_no_debug_text() {
    let options = KafkaOptions { security: Security::Sasl(sasl(Mechanism::Plain, "s3cret"), None), ..good() };
    let text = format!("{options:?}");
    assert!(!text.contains("s3cret") && text.contains("PLAIN as muster"), "{text}");
    for mechanism in [Mechanism::Plain, Mechanism::ScramSha256, Mechanism::ScramSha512] {
        assert_eq!(Mechanism::parse(mechanism.name()), Some(mechanism));
    }
    assert_eq!(Mechanism::parse("GSSAPI"), None);
}
