//! The log that a live processor reads and writes: embedded or Kafka, opened as the configuration says.
//!
//! In: `[source]`.  Out: readers, writers and topics of one log.  Owns: the open log.
//! Absent on purpose: files: a replay has a log of its own for each.

use std::path::PathBuf;
use std::time::Duration;

use lake::LogIdentity;
use model::{NextOffset, Partition};
use serve::metrics::SourceTotals;
use source::embedded::Options;
use source::kafka::{
    CLOCK_MARGIN, KafkaClock, KafkaLog, KafkaOptions, Mechanism, Sasl, Security, Silence, Tls, TopicUse,
};
use source::{Append, BatchLimits, EmbeddedLog, Source};

use crate::config::{ClockKind, Config, SaslConfig, SourceConfig, SourceKind};
use crate::failure::Failure;
use crate::files;

/// Whether a processor tells anybody what it finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// It does.
    Speaks,
    /// It runs beside another system, and writes nothing but its own lake: no alert, no dead letter, no record of the log.
    Shadow,
}

/// Bytes read ahead of the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadAhead {
    /// The limit.
    pub bytes_max: u64,
    /// What was used of it.
    pub bytes: u64,
}

/// A log before it is opened.
#[derive(Clone, Debug)]
pub enum LogPlace {
    /// In a folder of this machine.
    Embedded(PathBuf, Options),
    /// A topic of Apache Kafka.
    Kafka(Box<KafkaOptions>),
}

impl LogPlace {
    /// What `[source]` names, for a processor of that `manner`.
    ///
    /// # Errors
    /// What does not fit in the configuration.
    pub fn of(config: &Config, manner: Manner) -> Result<Self, Box<Failure>> {
        let source = &config.source;
        Ok(match source.kind {
            SourceKind::Embedded => {
                let batch = batch_limits(config);
                let options = Options { partitions: source.partitions, batch, ..Options::default() };
                Self::Embedded(source.dir.clone(), options)
            }
            SourceKind::Kafka => Self::Kafka(Box::new(kafka_options(config, manner)?)),
        })
    }

    /// Opens it.
    ///
    /// # Errors
    /// What the log says.
    pub fn open(&self) -> Result<LiveLog, source::Error> {
        match self {
            Self::Embedded(dir, options) => {
                EmbeddedLog::open(dir, *options, crate::wall_clock()).map(LiveLog::Embedded)
            }
            Self::Kafka(options) => {
                KafkaLog::open((**options).clone(), crate::wall_clock()).map(LiveLog::Kafka)
            }
        }
    }
}

/// An open log. Clones share it.
#[derive(Clone)]
pub enum LiveLog {
    /// In a SQLite file of this machine.
    Embedded(EmbeddedLog),
    /// A topic of Apache Kafka.
    Kafka(KafkaLog),
}

impl LiveLog {
    /// Opens what `[source]` names, for a processor of that `manner`.
    ///
    /// # Errors
    /// What does not fit in the configuration; what the log says.
    pub fn open(config: &Config, manner: Manner) -> Result<Self, Box<Failure>> {
        LogPlace::of(config, manner)?.open().map_err(files::failure)
    }

    /// Makes the topics that a processor reads and writes, where it may; says which log the lake is to belong to.
    ///
    /// # Errors
    /// What the log says: a topic that is not as it has to be, above all.
    pub fn prepare(&self, config: &Config, manner: Manner) -> Result<LogIdentity, source::Error> {
        let identity = match self {
            Self::Embedded(log) if manner == Manner::Shadow => {
                log.create_topic(&config.source.topic, config.source.partitions)?
            }
            Self::Kafka(log) if manner == Manner::Shadow => log.identity().clone(),
            Self::Embedded(log) => {
                let made = log.create_topic(&config.source.topic, config.source.partitions)?;
                log.create_topic(&config.alerts.topic, made.partitions)?;
                if let Some(topic) = &config.results.topic {
                    log.create_topic(topic, made.partitions)?;
                }
                made
            }
            Self::Kafka(log) => {
                log.create_topic(&config.alerts.topic, TopicUse::LastSaid)?;
                log.create_dead_letter_topic()?;
                if let Some(topic) = &config.results.topic {
                    log.create_topic(topic, TopicUse::Versions)?;
                }
                log.identity().clone()
            }
        };
        Ok(LogIdentity {
            log_id: identity.log_id,
            topic: identity.topic.as_str().into(),
            partitions: identity.partitions,
        })
    }

    /// The topic of punches as it stands; `None` if an embedded log has none.
    pub fn identity(&self, config: &Config) -> Option<LogIdentity> {
        let found = match self {
            Self::Embedded(log) => log.identity(&config.source.topic)?,
            Self::Kafka(log) => log.identity().clone(),
        };
        let topic = found.topic.as_str().into();
        Some(LogIdentity { log_id: found.log_id, topic, partitions: found.partitions })
    }

    /// Gives the topics that are there `partitions` partitions: that of punches, and those in which a partition's owner speaks.
    /// Gives the log as it then is.
    ///
    /// # Errors
    /// What the log says.
    pub fn grow(self, config: &Config, partitions: u32) -> Result<Self, Box<Failure>> {
        let spoken = std::iter::once(&config.alerts.topic).chain(&config.results.topic);
        for topic in std::iter::once(&config.source.topic).chain(spoken) {
            match &self {
                Self::Embedded(log) if log.identity(topic).is_none() => {}
                Self::Embedded(log) => {
                    log.grow_topic(topic, partitions).map_err(files::failure)?;
                }
                Self::Kafka(log) => {
                    log.grow_topic(topic, partitions).map_err(files::failure)?;
                }
            }
        }
        match self {
            Self::Embedded(_) => Ok(self),
            Self::Kafka(_) => Self::open(config, Manner::Speaks),
        }
    }

    /// The reading end of the topic of punches: with Kafka, a member of the group.
    ///
    /// # Errors
    /// What the log says.
    pub fn source(&self, config: &Config) -> Result<Box<dyn Source>, source::Error> {
        match self {
            Self::Embedded(log) => log.source(&config.source.topic).map(|source| Box::new(source) as Box<_>),
            Self::Kafka(log) => log.source().map(|source| Box::new(source) as Box<_>),
        }
    }

    /// Reads any topic from any position, outside the group.
    ///
    /// # Errors
    /// What the log says.
    pub fn reader(&self, topic: &str) -> Result<Box<dyn Source>, source::Error> {
        match self {
            Self::Embedded(log) => log.source(topic).map(|source| Box::new(source) as Box<_>),
            Self::Kafka(log) => log.reader(topic).map(|reader| Box::new(reader) as Box<_>),
        }
    }

    /// Appends to any topic.
    pub fn appender(&self) -> Box<dyn Append> {
        match self {
            Self::Embedded(log) => Box::new(log.appender()),
            Self::Kafka(log) => Box::new(log.appender()),
        }
    }

    /// What was counted at the log's edge since it was opened; an embedded log has none.
    pub fn totals(&self) -> Option<SourceTotals> {
        let Self::Kafka(log) = self else { return None };
        let stats = log.stats();
        Some(SourceTotals {
            repeats: stats.repeats,
            stalls: stats.stalls,
            missing_offsets: stats.missing_offsets,
            unanswered_looks: stats.unanswered,
        })
    }

    /// Since when nobody answers for the log, and why; none while somebody does. An embedded log is never silent.
    pub fn silence(&self) -> Option<Silence> {
        let Self::Kafka(log) = self else { return None };
        log.silence()
    }

    /// What may be read ahead of the worker, in bytes, and the most that was since the last call; an embedded log reads
    /// nothing ahead.
    pub fn read_ahead(&self) -> Option<ReadAhead> {
        let Self::Kafka(log) = self else { return None };
        Some(ReadAhead {
            bytes_max: log.options().buffered_bytes_max as u64,
            bytes: log.take_buffered_peak(),
        })
    }

    /// The position behind the last record of each partition of `topic`.
    ///
    /// # Errors
    /// What the log says.
    pub fn ends(&self, topic: &str) -> Result<Vec<(Partition, NextOffset)>, source::Error> {
        let ends: Vec<NextOffset> = match self {
            Self::Embedded(log) => log.extents(topic).iter().map(|extent| extent.next).collect(),
            Self::Kafka(log) => log.extents(topic)?.iter().map(|extent| extent.next).collect(),
        };
        Ok((0..).map(Partition::new).zip(ends).collect())
    }

    /// The most bytes that a record of the dead-letter topic may have; the topic is made where it is missing.
    ///
    /// # Errors
    /// What the log says.
    pub fn letter_bytes_max(&self) -> Result<usize, source::Error> {
        match self {
            Self::Embedded(_) => Ok(source::embedded::RECORD_BYTES_MAX),
            Self::Kafka(log) => {
                let topic = log.create_dead_letter_topic()?;
                Ok(topic.record_bytes_max.unwrap_or(source::RECORD_BYTES_MAX))
            }
        }
    }

    /// Whether this process is the only one that may write the lake: an embedded log is one process's.
    pub const fn is_alone(&self) -> bool {
        matches!(self, Self::Embedded(_))
    }
}

impl std::fmt::Debug for LiveLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_alone() { "LiveLog::Embedded" } else { "LiveLog::Kafka" })
    }
}

fn batch_limits(config: &Config) -> BatchLimits {
    BatchLimits { records_max: config.limits.batch_records_max, ..BatchLimits::default() }
}

fn kafka_options(config: &Config, manner: Manner) -> Result<KafkaOptions, Box<Failure>> {
    let SourceConfig { brokers, topic, group, instance, clock, session_timeout, poll_interval_max, .. } =
        &config.source;
    let defaults = KafkaOptions::new(brokers, topic, group);
    let clock = match clock {
        ClockKind::Append if manner == Manner::Shadow => KafkaClock::Unasked { margin: CLOCK_MARGIN },
        ClockKind::Append => {
            KafkaClock::Append { probe_topic: config.alerts.topic.clone(), margin: CLOCK_MARGIN }
        }
        ClockKind::Record => KafkaClock::Record,
    };
    let process = std::process::id();
    Ok(KafkaOptions {
        instance: instance.clone(),
        client_id: instance.clone().unwrap_or_else(|| format!("muster-{process}")),
        security: security(&config.source)?,
        session_timeout: Duration::try_from(session_timeout.0).unwrap_or(defaults.session_timeout),
        poll_interval_max: Duration::try_from(poll_interval_max.0).unwrap_or(defaults.poll_interval_max),
        clock,
        batch: batch_limits(config),
        ..defaults
    })
}

fn security(source: &SourceConfig) -> Result<Security, Box<Failure>> {
    let tls = source.tls.as_ref().map(|tls| Tls {
        ca: tls.ca.clone(),
        cert: tls.cert.clone(),
        key: tls.key.clone(),
    });
    Ok(match (&source.sasl, tls) {
        (Some(login), tls) => Security::Sasl(sasl(login)?, tls),
        (None, Some(tls)) => Security::Tls(tls),
        (None, None) => Security::Plain,
    })
}

fn sasl(login: &SaslConfig) -> Result<Sasl, Box<Failure>> {
    let Some(mechanism) = Mechanism::parse(&login.mechanism) else {
        let what = format!("[source.sasl] mechanism = \"{}\"", login.mechanism);
        return Err(Box::new(Failure::usage(what, "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512")));
    };
    let password = match (&login.password, &login.password_env) {
        (Some(password), _) => password.clone(),
        (None, Some(name)) => std::env::var(name).map_err(|_| {
            let what = format!("[source.sasl] password_env = \"{name}\": no such environment variable");
            Failure::usage(what, format!("set {name}, or give password"))
        })?,
        (None, None) => String::new(),
    };
    Ok(Sasl { mechanism, user: login.user.clone(), password })
}
