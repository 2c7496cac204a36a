//! Topics as the brokers describe them: what a log's topic must be like, and the ones that Muster makes.
//!
//! In: names, options.  Out: [`Topic`]s, or what is wrong with them.  Owns: nothing.
//! Absent on purpose: changing an existing topic: its owner does that, told by which command.
//! Invariants: a topic that exists is never altered; making one twice is harmless.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::executor::block_on;
use model::LogId;
use rdkafka::admin::{
    AdminClient, AdminOptions, NewPartitions, NewTopic, OwnedResourceSpecifier, ResourceSpecifier,
    TopicReplication,
};
use rdkafka::client::{Client, ClientContext};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::RDKafkaErrorCode;

use super::failures::{self, Quiet};
use super::native::{self, Described};
use super::options::KafkaOptions;
use crate::error::{Error, ErrorKind};
use crate::log::LogIdentity;

/// What a topic that Muster writes is for, which decides how it is made and checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicUse {
    /// Dead letters: kept as the broker keeps topics by default.
    DeadLetters,
    /// Every version of a shift's result, for other systems: kept as the broker keeps topics by default.
    Versions,
    /// What was last said by key (alerts): compacted, with as many partitions as punches.
    LastSaid,
}

/// How long every version said stays readable behind the next one: a reader that is less behind misses none.
const SAID_KEPT: Duration = Duration::from_secs(3_600);

impl TopicUse {
    const fn cleanup_policy(self) -> &'static str {
        match self {
            Self::DeadLetters | Self::Versions => "delete",
            Self::LastSaid => "compact",
        }
    }

    /// The least `min.compaction.lag.ms` of its topic; none where nothing is compacted.
    const fn compaction_lag_ms(self) -> Option<u128> {
        match self {
            Self::DeadLetters | Self::Versions => None,
            Self::LastSaid => Some(SAID_KEPT.as_millis()),
        }
    }
}

/// A topic as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name, id and partition count.
    pub identity: LogIdentity,
    /// How many replicas a partition has.
    pub replicas: usize,
    /// The most bytes of a batch that the brokers take, `max.message.bytes`; none where they would not say.
    pub record_bytes_max: Option<usize>,
}

/// Kafka's rule for topic names.
pub(crate) fn check_name(topic: &str) -> Result<(), Error> {
    crate::embedded::check_topic(topic)
}

/// The log id that a topic's id is: as Kafka's tools print it.
pub(crate) fn log_id(id: [u8; 16]) -> LogId {
    LogId::new(&URL_SAFE_NO_PAD.encode(id)).expect("base64 for URLs has neither slash nor space")
}

/// Asks the brokers for topics' identity and configuration.
pub(crate) struct Admin {
    client: AdminClient<Quiet>,
    request_timeout: Duration,
    brokers: String,
}

impl Admin {
    pub(crate) fn new(options: &KafkaOptions) -> Result<Self, Error> {
        let client = AdminClient::from_config_and_context(&options.client("admin"), Quiet::default())
            .map_err(|error| failures::failed("make an admin client", &error, ""))?;
        let brokers = options.brokers.clone();
        Ok(Self { client, request_timeout: options.request_timeout, brokers })
    }

    fn options(&self) -> AdminOptions {
        AdminOptions::new()
            .request_timeout(Some(self.request_timeout))
            .operation_timeout(Some(self.request_timeout))
    }

    /// The topic as it stands; none if there is no such topic.
    pub(crate) fn describe(&self, topic: &str) -> Result<Option<Described>, Error> {
        describe(self.client.inner(), topic, self.request_timeout)
            .map_err(|code| failures::coded(&format!("describe topic {topic} at {}", self.brokers), code, ""))
    }

    /// The values of `keys` in the topic's configuration; none for a key that the brokers do not know, or if they will
    /// not say.
    pub(crate) fn config<const N: usize>(
        &self,
        topic: &str,
        keys: [&str; N],
    ) -> Result<[Option<String>; N], Error> {
        let doing = format!("describe the configuration of topic {topic} at {}", self.brokers);
        let resource = ResourceSpecifier::Topic(topic);
        let asked = self.client.describe_configs([&resource], &self.options());
        let answer = block_on(asked).map_err(|error| failures::failed(&doing, &error, ""))?;
        let found = match answer.into_iter().next() {
            Some(Ok(found)) if matches!(&found.specifier, OwnedResourceSpecifier::Topic(name) if name == topic) => {
                found
            }
            Some(Err(
                RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::ClusterAuthorizationFailed,
            )) => {
                return Ok([const { None }; N]);
            }
            Some(Err(code)) => return Err(failures::coded(&doing, code, "")),
            _ => {
                return Err(Error::new(
                    ErrorKind::Client,
                    format!("{doing}: the answer is about something else"),
                ));
            }
        };
        Ok(keys.map(|key| found.get(key).and_then(|entry| entry.value.clone())))
    }

    /// The topic of punches, checked: there, with append times if `needs_append_time`, and not compacted.
    pub(crate) fn log(
        &self,
        topic: &str,
        described: Option<Described>,
        needs_append_time: bool,
    ) -> Result<Topic, Error> {
        let brokers = &self.brokers;
        let described = described.ok_or_else(|| {
            Error::new(
                ErrorKind::UnknownTopic,
                format!(
                    "no topic {topic} at {brokers}: create it: kafka-topics.sh --bootstrap-server {brokers} --create \
                     --topic {topic} --partitions 8 --config message.timestamp.type=LogAppendTime"
                ),
            )
        })?;
        let keys = ["message.timestamp.type", "cleanup.policy", "max.message.bytes"];
        let [time, cleanup, bytes] = self.config(topic, keys)?;
        if needs_append_time {
            self.check_append_time(topic, time.as_deref())?;
        }
        if cleanup.as_deref().is_some_and(|policy| policy.contains("compact")) {
            return Err(self.misfit(
                topic,
                "cleanup.policy",
                cleanup.as_deref(),
                "delete",
                "older punches of a person would be deleted",
            ));
        }
        Ok(topic_of(topic, &described, bytes.as_deref()))
    }

    /// Makes the topic if it is absent, and checks it if it is there.
    pub(crate) fn create(&self, topic: &str, of: TopicUse, punches: &Topic) -> Result<Topic, Error> {
        check_name(topic)?;
        let partitions = punches.identity.partitions;
        let described = match self.describe(topic)? {
            Some(found) => found,
            None => {
                self.make(topic, of, punches)?;
                self.await_leaders(topic)?
            }
        };
        if of == TopicUse::LastSaid && described.leaders.len() != partitions as usize {
            return Err(Error::new(
                ErrorKind::PartitionCount,
                format!(
                    "topic {topic} has {} partitions, that of punches {partitions}: what a partition caused is said in \
                     the partition of the same number: run `muster repartition` if that of punches was given more, or name \
                     another topic, which Muster then makes itself",
                    described.leaders.len()
                ),
            ));
        }
        let keys = ["message.timestamp.type", "cleanup.policy", "max.message.bytes", "min.compaction.lag.ms"];
        let [time, cleanup, bytes, lag] = self.config(topic, keys)?;
        let wanted = of.cleanup_policy();
        if cleanup.as_deref().is_some_and(|policy| policy != wanted) {
            let why = match of {
                TopicUse::DeadLetters => "letters of one key would replace each other",
                TopicUse::Versions => "versions of one person would replace each other",
                TopicUse::LastSaid => "what was said would be forgotten, or never tidied up",
            };
            return Err(self.misfit(topic, "cleanup.policy", cleanup.as_deref(), wanted, why));
        }
        if of == TopicUse::LastSaid {
            self.check_append_time(topic, time.as_deref())?;
        }
        if let Some(least) = of.compaction_lag_ms() {
            self.check_compaction_lag(topic, lag.as_deref(), least)?;
        }
        Ok(topic_of(topic, &described, bytes.as_deref()))
    }

    fn make(&self, topic: &str, of: TopicUse, punches: &Topic) -> Result<(), Error> {
        let replicas = i32::try_from(punches.replicas).unwrap_or(1);
        let partitions = i32::try_from(punches.identity.partitions).unwrap_or(1);
        let lag = of.compaction_lag_ms().map(|least| least.to_string());
        let mut wanted = NewTopic::new(topic, partitions, TopicReplication::Fixed(replicas))
            .set("cleanup.policy", of.cleanup_policy())
            .set("message.timestamp.type", "LogAppendTime");
        if let Some(lag) = &lag {
            wanted = wanted.set("min.compaction.lag.ms", lag);
        }
        let doing = format!("create topic {topic} at {}", self.brokers);
        let made = block_on(self.client.create_topics([&wanted], &self.options()))
            .map_err(|error| failures::failed(&doing, &error, ""))?;
        match made.into_iter().next() {
            Some(Ok(_)) => {
                tracing::info!(topic, partitions, replicas, cleanup = of.cleanup_policy(), "topic created");
                Ok(())
            }
            // Another process was faster.
            Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(()),
            Some(Err((_, code))) => Err(failures::coded(&doing, code, "")),
            None => Err(Error::new(ErrorKind::Client, format!("{doing}: no answer about it"))),
        }
    }

    /// Gives a topic that is there `to` partitions, if it has fewer; says how many it then has.
    pub(crate) fn grow(&self, topic: &str, to: u32) -> Result<Option<u32>, Error> {
        let doing = format!("add partitions to topic {topic} at {}", self.brokers);
        let Some(found) = self.describe(topic)? else { return Ok(None) };
        let from = found.leaders.len() as u32;
        if from >= to {
            return Ok(Some(from));
        }
        let wanted = NewPartitions::new(topic, to as usize);
        let grown = block_on(self.client.create_partitions(&[wanted], &self.options()))
            .map_err(|error| failures::failed(&doing, &error, ""))?;
        if let Some(Err((_, code))) = grown.into_iter().next() {
            return Err(failures::coded(&doing, code, ""));
        }
        tracing::info!(topic, from, to, "partitions added");
        let begun = std::time::Instant::now();
        while self.await_leaders(topic)?.leaders.len() < to as usize {
            if begun.elapsed() > self.request_timeout {
                let what = format!("{doing}: after {:?} they are not there", self.request_timeout);
                return Err(Error::new(ErrorKind::Unreachable, what));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(Some(to))
    }

    /// A topic just made is known to all brokers, and led, only a moment later.
    fn await_leaders(&self, topic: &str) -> Result<Described, Error> {
        let begun = std::time::Instant::now();
        loop {
            if let Some(found) = self.describe(topic)?
                && found.leaders.iter().all(|leader| *leader >= 0)
            {
                return Ok(found);
            }
            if begun.elapsed() > self.request_timeout {
                return Err(Error::new(
                    ErrorKind::Unreachable,
                    format!(
                        "topic {topic} was created, but after {:?} some partition has no leader: see the brokers' logs",
                        self.request_timeout
                    ),
                ));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn check_append_time(&self, topic: &str, found: Option<&str>) -> Result<(), Error> {
        match found {
            None | Some("LogAppendTime") => Ok(()),
            found => Err(self.misfit(
                topic,
                "message.timestamp.type",
                found,
                "LogAppendTime",
                "the log's clock would be the producers'",
            )),
        }
    }

    fn check_compaction_lag(&self, topic: &str, found: Option<&str>, least: u128) -> Result<(), Error> {
        match found {
            None => Ok(()),
            Some(lag) if lag.parse::<u128>().is_ok_and(|lag| lag >= least) => Ok(()),
            found => Err(self.misfit(
                topic,
                "min.compaction.lag.ms",
                found,
                &least.to_string(),
                "a reader that is an hour behind would miss versions",
            )),
        }
    }

    fn misfit(&self, topic: &str, key: &str, found: Option<&str>, wanted: &str, why: &str) -> Error {
        let found = found.unwrap_or("unset");
        Error::new(
            ErrorKind::TopicConfig,
            format!(
                "topic {topic}: {key} is {found}: {why}: set it: kafka-configs.sh --bootstrap-server {} --alter \
                 --entity-type topics --entity-name {topic} --add-config {key}={wanted}",
                self.brokers
            ),
        )
    }
}

/// The topic as it stands; none if there is no such topic.
pub(crate) fn describe<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    timeout: Duration,
) -> Result<Option<Described>, RDKafkaErrorCode> {
    match native::describe_topic(client, topic, timeout) {
        Ok(found) => Ok(Some(found)),
        Err(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => Ok(None),
        Err(code) => Err(code),
    }
}

pub(crate) fn topic_of(name: &str, described: &Described, record_bytes_max: Option<&str>) -> Topic {
    Topic {
        identity: LogIdentity {
            topic: name.to_owned(),
            log_id: log_id(described.id),
            partitions: described.leaders.len() as u32,
        },
        replicas: described.replicas,
        record_bytes_max: record_bytes_max.and_then(|text| text.parse().ok()),
    }
}

/// Whether the brokers still describe the log that `identity` is.
pub(crate) fn check_same(identity: &LogIdentity, described: Option<&Described>) -> Result<(), Error> {
    let topic = &identity.topic;
    let changed = |what: String| Err(Error::new(ErrorKind::TopicChanged, format!("topic {topic}: {what}")));
    let Some(described) = described else {
        return changed(
            "it was deleted while it was being read: restore it, or give the new one a lake of its own"
                .to_owned(),
        );
    };
    let id = log_id(described.id);
    if id != identity.log_id {
        return changed(format!(
            "its id is {id}, it was {}: it was deleted and created again: its offsets count other records: give the new \
             one a lake of its own",
            identity.log_id
        ));
    }
    if described.leaders.len() != identity.partitions as usize {
        return changed(format!(
            "it has {} partitions, it had {}: keys have moved: run `muster repartition`",
            described.leaders.len(),
            identity.partitions
        ));
    }
    Ok(())
}

#[cfg(test)]
#[path = "topics_tests.rs"]
mod tests;
