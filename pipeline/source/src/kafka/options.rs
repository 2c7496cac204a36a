//! How a Kafka log is reached and read: checked options, and what they mean to the client library.
//!
//! In: the configuration.  Out: settings of librdkafka, to the clients of this module.  Owns: nothing.
//! Absent on purpose: settings that would change what Muster promises (acknowledgements, isolation, offset reset).
//! Invariants: what `check` passed, the client library takes (`options_tests`); a password is in no `Debug` text.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use rdkafka::ClientConfig;

use crate::error::{Error, ErrorKind};
use crate::log::BatchLimits;

/// Whether TLS and SCRAM were built in.
pub const HAS_TLS: bool = cfg!(feature = "kafka-tls");

/// How a Kafka log is reached and read.
#[derive(Clone, Debug)]
pub struct KafkaOptions {
    /// `host:port`, several separated by commas.
    pub brokers: String,
    /// The topic of punches.
    pub topic: String,
    /// The consumer group: processes that share it share the partitions.
    pub group: String,
    /// This process's name within the group, unique in it. With it a restart within `session_timeout` moves no
    /// partition (static membership); without it every process is a new member.
    pub instance: Option<String>,
    /// How brokers name this client in their logs and quotas; unique per process.
    pub client_id: String,
    /// Encryption and identity.
    pub security: Security,
    /// How long the group waits for a silent process before others take its partitions over.
    pub session_timeout: Duration,
    /// How long the group waits for a process that lives but does not poll: the longest time that claiming and folding
    /// partitions, or one commit to a slow lake, may take.
    pub poll_interval_max: Duration,
    /// How long one request may take before it counts as unanswered.
    pub request_timeout: Duration,
    /// How long an append may take, retries included.
    pub append_timeout: Duration,
    /// Where the log clock comes from.
    pub clock: KafkaClock,
    /// How large the batches of one partition may grow.
    pub batch: BatchLimits,
    /// Bytes of batches in the making, all partitions together; may be passed by one record.
    pub buffered_bytes_max: usize,
    /// Bytes that the client library fetches ahead, all partitions together; may be passed by one fetch.
    pub prefetch_bytes_max: usize,
    /// A partition that has records to read and delivers none for so long is started again.
    pub stalled_after: Duration,
}

/// Where the log clock of decision 6 comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KafkaClock {
    /// The brokers' append times; what they say their time is caps the clock.
    Append {
        /// The topic that probes of the brokers' time are appended to, a compacted one that Muster owns: tombstones
        /// whose keys begin with [`PROBE_KEY_PREFIX`](super::PROBE_KEY_PREFIX).
        probe_topic: String,
        /// How far the clock stays behind: brokers' clocks differ by less, and a record is stamped at most so long
        /// before it can be read.
        margin: Duration,
    },
    /// The brokers' append times, and nothing is written: where no record comes, the clock follows this machine's wall.
    Unasked {
        /// How far the clock stays behind the wall: brokers' clocks and this machine's differ by less.
        margin: Duration,
    },
    /// The records themselves (`clock = "record"`): append times are not needed.
    Record,
}

/// The margin of [`KafkaClock::Append`] by default.
pub const CLOCK_MARGIN: Duration = Duration::from_secs(1);

/// Encryption and identity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Security {
    /// Neither.
    #[default]
    Plain,
    /// Encrypted; the brokers know us by our certificate, if we show one.
    Tls(Tls),
    /// A user name and a password, within TLS or in the open.
    Sasl(Sasl, Option<Tls>),
}

/// Certificates, as PEM files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Whom to trust; unset: the machine's own list.
    pub ca: Option<PathBuf>,
    /// Our certificate chain.
    pub cert: Option<PathBuf>,
    /// Our certificate's private key.
    pub key: Option<PathBuf>,
}

/// A user name and a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Sasl {
    /// How the password is proven.
    pub mechanism: Mechanism,
    /// The user name.
    pub user: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Sasl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sasl({} as {})", self.mechanism.name(), self.user)
    }
}

/// How a password is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// Sent as it is: only within TLS, or on the machine itself.
    Plain,
    /// RFC 5802 with SHA-256.
    ScramSha256,
    /// RFC 5802 with SHA-512.
    ScramSha512,
}

impl Mechanism {
    /// Its name, as Kafka spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }

    /// The mechanism that Kafka spells `name`.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Plain, Self::ScramSha256, Self::ScramSha512].into_iter().find(|found| found.name() == name)
    }
}

impl KafkaOptions {
    /// The options with every default: plain, dynamic membership, clock from the records.
    pub fn new(brokers: &str, topic: &str, group: &str) -> Self {
        Self {
            brokers: brokers.to_owned(),
            topic: topic.to_owned(),
            group: group.to_owned(),
            instance: None,
            client_id: "muster".to_owned(),
            security: Security::Plain,
            session_timeout: Duration::from_secs(45),
            poll_interval_max: Duration::from_secs(600),
            request_timeout: Duration::from_secs(10),
            append_timeout: Duration::from_secs(30),
            clock: KafkaClock::Record,
            batch: BatchLimits::default(),
            buffered_bytes_max: 32 << 20,
            prefetch_bytes_max: 64 << 20,
            stalled_after: Duration::from_secs(60),
        }
    }

    /// Whether everything fits together. [`super::KafkaLog::open`] asks too.
    ///
    /// # Errors
    /// `InvalidOptions` or `InvalidTopic`, naming what does not fit.
    pub fn check(&self) -> Result<(), Error> {
        for broker in self.brokers.split(',') {
            let port = broker.trim().rsplit_once(':').filter(|(host, _)| !host.is_empty());
            if port.is_none_or(|(_, port)| port.parse::<u16>().is_err()) {
                return refuse(format!(
                    "brokers {:?}: {broker:?} is no `host:port`; several are separated by commas",
                    self.brokers
                ));
            }
        }
        super::topics::check_name(&self.topic)?;
        if let KafkaClock::Append { probe_topic, margin } = &self.clock {
            super::topics::check_name(probe_topic)?;
            if *probe_topic == self.topic {
                return refuse(format!(
                    "probe topic {probe_topic}: it is the topic of punches: name the topic of alerts"
                ));
            }
            if *margin > Duration::from_secs(3_600) {
                return refuse(format!("clock margin {margin:?}: at most an hour"));
            }
        }
        for (what, name) in [("group", Some(&self.group)), ("instance", self.instance.as_ref())] {
            if name.is_some_and(|name| name.is_empty() || name.len() > 249 || name.contains('\0')) {
                return refuse(format!("{what} {name:?}: 1 to 249 bytes"));
            }
        }
        if self.client_id.is_empty() {
            return refuse("client id: it is empty; leave it unset for `muster`".to_owned());
        }
        self.check_limits()?;
        self.security.check()
    }

    fn check_limits(&self) -> Result<(), Error> {
        let second = Duration::from_secs(1);
        let spans = [
            ("session timeout", self.session_timeout, second, 3_600 * second),
            ("poll interval", self.poll_interval_max, self.session_timeout, 86_400 * second),
            ("request timeout", self.request_timeout, second / 10, 300 * second),
            ("append timeout", self.append_timeout, second / 10, 3_600 * second),
            ("stalled after", self.stalled_after, second, 86_400 * second),
        ];
        for (what, value, from, until) in spans {
            if value < from || value > until {
                return refuse(format!("{what} {value:?}: between {from:?} and {until:?}"));
            }
        }
        let sizes = [
            ("records of a batch", self.batch.records_max, 1),
            ("bytes of a batch", self.batch.bytes_max, 1),
            ("buffered bytes", self.buffered_bytes_max, self.batch.bytes_max),
            ("prefetched bytes", self.prefetch_bytes_max, 1 << 20),
        ];
        for (what, value, least) in sizes {
            if value < least || value > 2 << 30 {
                return refuse(format!("{what} {value}: between {least} and {}", 2_u64 << 30));
            }
        }
        Ok(())
    }

    /// What every client is told.
    pub(super) fn client(&self, role: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        let brokers: Vec<&str> = self.brokers.split(',').map(str::trim).collect();
        config.set("bootstrap.servers", brokers.join(","));
        config.set("client.id", format!("{}-{role}", self.client_id));
        config.set("client.software.name", "muster");
        config.set("client.software.version", env!("CARGO_PKG_VERSION"));
        config.set("enable.metrics.push", "false");
        config.set("log.connection.close", "false");
        config.set("socket.timeout.ms", millis(self.request_timeout));
        config.set(
            "socket.connection.setup.timeout.ms",
            millis(self.request_timeout.max(Duration::from_secs(1))),
        );
        config.set("socket.nagle.disable", "true");
        config.set("reconnect.backoff.ms", "50");
        config.set("reconnect.backoff.max.ms", "2000");
        // Connections made when they are first needed are asked for without any backoff while a broker is down: a core
        // was spent on it for as long as that lasted.
        config.set("enable.sparse.connections", "false");
        self.security.apply(&mut config);
        config
    }

    /// What a client that reads records is told.
    pub(super) fn consumer(&self, role: &str) -> ClientConfig {
        let mut config = self.client(role);
        config.set("group.id", &self.group);
        config.set("group.protocol", "classic");
        config.set("enable.auto.commit", "false");
        config.set("enable.auto.offset.store", "false");
        config.set("auto.offset.reset", "error");
        config.set("allow.auto.create.topics", "false");
        config.set("check.crcs", "true");
        config.set("isolation.level", "read_committed");
        config.set("fetch.wait.max.ms", "100");
        config.set("fetch.queue.backoff.ms", "10");
        config.set("fetch.error.backoff.ms", "100");
        config.set("queued.min.messages", "1000000");
        config.set("queued.max.messages.kbytes", (self.prefetch_bytes_max >> 10).to_string());
        config
    }

    /// What the reading member of the group is told.
    pub(super) fn member(&self) -> ClientConfig {
        let mut config = self.consumer("source");
        config.set("partition.assignment.strategy", "cooperative-sticky");
        config.set("session.timeout.ms", millis(self.session_timeout));
        config.set("heartbeat.interval.ms", millis((self.session_timeout / 10).min(Duration::from_secs(3))));
        config.set("max.poll.interval.ms", millis(self.poll_interval_max));
        if let Some(instance) = &self.instance {
            config.set("group.instance.id", instance);
        }
        config
    }

    /// What the asker of end offsets is told: it sees records that a transaction still holds back.
    pub(super) fn asker(&self) -> ClientConfig {
        let mut config = self.client("asker");
        config.set("isolation.level", "read_uncommitted");
        config.set("allow.auto.create.topics", "false");
        config
    }

    /// What the appending client is told.
    pub(super) fn producer(&self) -> ClientConfig {
        let mut config = self.client("appender");
        config.set("acks", "all");
        config.set("enable.idempotence", "true");
        config.set("partitioner", "murmur2_random");
        config.set("linger.ms", "1");
        config.set("compression.type", "lz4");
        // The broker knows the topic's own limit; this one only has to be above it.
        config.set("message.max.bytes", "104857600");
        config.set("batch.size", "524288");
        config.set("message.timeout.ms", millis(self.append_timeout));
        config.set("request.timeout.ms", millis(self.request_timeout.min(self.append_timeout)));
        config.set("retry.backoff.max.ms", "500");
        config
    }
}

impl Security {
    fn tls(&self) -> Option<&Tls> {
        match self {
            Self::Plain => None,
            Self::Tls(tls) => Some(tls),
            Self::Sasl(_, tls) => tls.as_ref(),
        }
    }

    fn check(&self) -> Result<(), Error> {
        let needs = match self {
            Self::Sasl(sasl, None) if sasl.mechanism != Mechanism::Plain => Some(sasl.mechanism.name()),
            _ => self.tls().map(|_| "TLS"),
        };
        if let Some(needs) = needs.filter(|_| !HAS_TLS) {
            return refuse(format!(
                "{needs} to Kafka: this program was built without it: build it with `--features kafka-tls`"
            ));
        }
        if let Self::Sasl(sasl, _) = self
            && (sasl.user.is_empty() || sasl.password.is_empty())
        {
            return refuse(format!("{}: the user or the password is empty", sasl.mechanism.name()));
        }
        let Some(tls) = self.tls() else { return Ok(()) };
        if tls.cert.is_some() != tls.key.is_some() {
            return refuse("TLS: a certificate and its key go together: give both or neither".to_owned());
        }
        for (what, path) in [("ca", &tls.ca), ("cert", &tls.cert), ("key", &tls.key)] {
            if let Some(path) = path {
                let doing = format!("read the TLS {what} {}", path.display());
                std::fs::metadata(path)
                    .map_err(|error| Error::caused(ErrorKind::InvalidOptions, &doing, error))?;
            }
        }
        Ok(())
    }

    fn apply(&self, config: &mut ClientConfig) {
        let protocol = match self {
            Self::Plain => "plaintext",
            Self::Tls(_) => "ssl",
            Self::Sasl(_, None) => "sasl_plaintext",
            Self::Sasl(_, Some(_)) => "sasl_ssl",
        };
        config.set("security.protocol", protocol);
        if let Self::Sasl(sasl, _) = self {
            config.set("sasl.mechanism", sasl.mechanism.name());
            config.set("sasl.username", &sasl.user);
            config.set("sasl.password", &sasl.password);
        }
        let Some(tls) = self.tls() else { return };
        let files = [
            ("ssl.ca.location", &tls.ca),
            ("ssl.certificate.location", &tls.cert),
            ("ssl.key.location", &tls.key),
        ];
        for (key, path) in files {
            if let Some(path) = path {
                config.set(key, path.to_string_lossy());
            }
        }
    }
}

fn refuse(text: String) -> Result<(), Error> {
    Err(Error::new(ErrorKind::InvalidOptions, format!("kafka: {text}")))
}

fn millis(span: Duration) -> String {
    span.as_millis().to_string()
}

#[cfg(test)]
#[path = "options_tests.rs"]
mod tests;
