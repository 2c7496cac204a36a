//! What the client library's errors mean to us: their kind, and what is logged of them.
//!
//! In: errors and log lines of librdkafka.  Out: [`Error`]s, `tracing` events.  Owns: the last reason heard.
//! Absent on purpose: retries.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::error::{Error, ErrorKind};

/// Takes what a client says beside its answers: log lines, and reasons that make an error's text useful.
#[derive(Debug, Default)]
pub(crate) struct Reasons {
    last: Mutex<Option<String>>,
    /// What was told of lately, and when.
    told: Mutex<Vec<(String, Instant)>>,
    /// The last refusal of who we are, whatever else was heard since.
    refusal: Mutex<Option<(RDKafkaErrorCode, String)>>,
}

/// How long the same reason is not told of again: clients that find no broker say so every second or so.
const SAME_REASON_FOR: Duration = Duration::from_secs(30);

/// Reasons that are remembered: one for each broker and what is wrong with it.
const REASONS_MAX: usize = 64;

impl Reasons {
    /// Notes why something failed; whether that is news.
    fn note(&self, reason: &str) -> bool {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
        // Behind that the client counts and measures, so that no two texts are the same.
        let reason = reason.split(" (after ").next().unwrap_or(reason);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|(_, at)| at.elapsed() < SAME_REASON_FOR);
        let is_news = !told.iter().any(|(known, _)| known == reason);
        if is_news && told.len() < REASONS_MAX {
            told.push((reason.to_owned(), Instant::now()));
        }
        is_news
    }

    /// The last reason, with a colon before it; nothing without one.
    pub(crate) fn suffix(&self) -> String {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default()
    }

    /// Why nobody answered: a refusal, if there was one, else `code` with the last reason.
    pub(crate) fn explain(&self, doing: &str, code: RDKafkaErrorCode) -> Error {
        let refusal = self.refusal.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match refusal.filter(|_| kind_of(code) == ErrorKind::Unreachable) {
            Some((code, reason)) => coded(doing, code, &format!(": {reason}")),
            None if self.suffix().is_empty() => {
                coded(doing, code, ": not a word was heard: see whether that listener wants TLS, or does not")
            }
            None => coded(doing, code, &self.suffix()),
        }
    }

    pub(crate) fn hear(&self, error: &KafkaError, reason: &str) {
        // What TLS refuses behind the handshake (a certificate that is asked for) comes as a connection that broke.
        let is_tls = reason.contains("SSL routines");
        let code = if is_tls { Some(RDKafkaErrorCode::SSL) } else { error.rdkafka_error_code() };
        if let Some(code) = code.filter(|code| kind_of(*code) == ErrorKind::Forbidden) {
            *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some((code, reason.to_owned()));
        }
        // That all brokers are down only counts what other reasons explain.
        let is_count = error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown);
        if !is_count && self.note(reason) {
            tracing::warn!(%error, reason, "kafka");
        } else {
            tracing::debug!(%error, reason, "kafka");
        }
    }
}

/// A client context that only logs.
#[derive(Debug, Default)]
pub(crate) struct Quiet {
    pub(crate) reasons: Reasons,
}

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.reasons.hear(&error, reason);
    }
}

impl ConsumerContext for Quiet {}

/// Hands a line of librdkafka's log on; its severities are syslog's, and generous.
pub(crate) fn log_line(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Debug => tracing::trace!(target: "librdkafka", facility, "{message}"),
        RDKafkaLogLevel::Info | RDKafkaLogLevel::Notice => {
            tracing::debug!(target: "librdkafka", facility, "{message}");
        }
        // Connections that break and come back are told of by `error`, once, with their reason.
        _ if matches!(facility, "FAIL" | "ERROR") => {
            tracing::debug!(target: "librdkafka", facility, "{message}")
        }
        _ => tracing::warn!(target: "librdkafka", facility, "{message}"),
    }
}

/// The kind of a broker's or the library's code.
pub(crate) fn kind_of(code: RDKafkaErrorCode) -> ErrorKind {
    use RDKafkaErrorCode as Code;
    match code {
        Code::UnknownTopicOrPartition | Code::UnknownTopic => ErrorKind::UnknownTopic,
        Code::UnknownPartition => ErrorKind::UnknownPartition,
        Code::InvalidTopic => ErrorKind::InvalidTopic,
        Code::MessageSizeTooLarge | Code::MessageBatchTooLarge => ErrorKind::TooLarge,
        Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::TransactionalIdAuthorizationFailed
        | Code::SaslAuthenticationFailed
        | Code::UnsupportedSASLMechanism
        | Code::IllegalSASLState
        | Code::SecurityDisabled
        | Code::PolicyViolation
        | Code::Authentication
        | Code::SSL => ErrorKind::Forbidden,
        Code::FencedInstanceId | Code::Fenced => ErrorKind::Fenced,
        Code::BrokerTransportFailure
        | Code::AllBrokersDown
        | Code::Resolve
        | Code::MessageTimedOut
        | Code::OperationTimedOut
        | Code::TimedOutQueue
        | Code::WaitingForCoordinator
        | Code::QueueFull
        | Code::Retry
        | Code::PurgeQueue
        | Code::PurgeInflight
        | Code::LeaderNotAvailable
        | Code::NotLeaderForPartition
        | Code::RequestTimedOut
        | Code::BrokerNotAvailable
        | Code::ReplicaNotAvailable
        | Code::NetworkException
        | Code::CoordinatorLoadInProgress
        | Code::CoordinatorNotAvailable
        | Code::NotCoordinator
        | Code::NotController
        | Code::NotEnoughReplicas
        | Code::NotEnoughReplicasAfterAppend
        | Code::KafkaStorageError
        | Code::OffsetNotAvailable
        | Code::FencedLeaderEpoch
        | Code::UnknownLeaderEpoch
        | Code::ThrottlingQuotaExceeded
        // The idempotent producer lost its thread; a new one takes it up again.
        | Code::OutOfOrderSequenceNumber
        | Code::DuplicateSequenceNumber
        | Code::UnknownProducerId
        | Code::InvalidProducerEpoch
        | Code::InvalidProducerIdMapping
        | Code::GaplessGuarantee
        | Code::Inconsistent
        | Code::Fatal => ErrorKind::Unreachable,
        _ => ErrorKind::Client,
    }
}

/// `doing` failed with `code`: what, where, and what to do.
pub(crate) fn coded(doing: &str, code: RDKafkaErrorCode, reason: &str) -> Error {
    let kind = kind_of(code);
    let remedy = match kind {
        ErrorKind::Unreachable => ": see that the brokers run and can be reached from here, then try again",
        ErrorKind::Forbidden => ": see the user, the certificates and the access lists of the brokers",
        ErrorKind::UnknownTopic => ": create the topic",
        ErrorKind::TooLarge => ": raise the topic's max.message.bytes, or send less",
        _ => "",
    };
    Error::new(kind, format!("{doing}: {code}{reason}{remedy}"))
}

/// `doing` failed with `error`.
pub(crate) fn failed(doing: &str, error: &KafkaError, reason: &str) -> Error {
    match error.rdkafka_error_code() {
        Some(code) => coded(doing, code, reason),
        None => Error::new(ErrorKind::Client, format!("{doing}: {error}{reason}")),
    }
}
