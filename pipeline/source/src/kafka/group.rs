//! What the group gives and takes: answers the client's rebalance calls, and keeps them for `poll` to tell.
//!
//! In: rebalance calls, on the polling thread.  Out: assigned, revoked and lost partitions.  Owns: what is fetched.
//! Absent on purpose: a start position (that is the lake's to say), and any wait.
//! Invariants: every call is answered before it returns; what is revoked is no longer fetched then.
//! Why so: librdkafka keeps two lists: what the group gave, and what the application fetches. Until a call is answered
//! it pauses every partition and drops what it has fetched ahead, retained partitions too. So an assignment is answered
//! at once with nothing, and the partitions are added to what is fetched once the lake has said from where
//! (`incremental_assign` with offsets, which is allowed at any time): no seek, no second position, no pause of others
//! while a claim is committed. A revocation takes away what had been added, and is answered with nothing if nothing had.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use model::Partition;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};

use super::failures::{self, Reasons};

/// What the group did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// These partitions are ours now.
    Assigned(Vec<Partition>),
    /// These go to another member, which gets them only after we have answered.
    Revoked(Vec<Partition>),
    /// These may have another owner already.
    Lost(Vec<Partition>),
}

/// The context of a client that fetches, in a group or alone.
#[derive(Debug, Default)]
pub(crate) struct Membership {
    pub(crate) reasons: Reasons,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    changes: VecDeque<Change>,
    fetched: BTreeSet<i32>,
}

impl Membership {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The oldest change that was not taken yet.
    pub(crate) fn take_change(&self) -> Option<Change> {
        self.state().changes.pop_front()
    }

    /// Adds partitions to what `client` fetches, each from its offset.
    pub(crate) fn fetch(
        &self,
        client: &BaseConsumer<Self>,
        topic: &str,
        from: &[(i32, i64)],
    ) -> KafkaResult<()> {
        let mut list = TopicPartitionList::with_capacity(from.len());
        for (partition, offset) in from {
            list.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
        }
        client.incremental_assign(&list)?;
        self.state().fetched.extend(from.iter().map(|(partition, _)| *partition));
        Ok(())
    }

    /// Takes partitions out of what `client` fetches; those that it does not fetch are passed over.
    pub(crate) fn unfetch(
        &self,
        client: &BaseConsumer<Self>,
        topic: &str,
        partitions: &[i32],
    ) -> KafkaResult<()> {
        let gone: Vec<i32> = {
            let mut state = self.state();
            partitions.iter().copied().filter(|partition| state.fetched.remove(partition)).collect()
        };
        client.incremental_unassign(&list(topic, &gone))
    }
}

/// The partitions as the client library lists them.
pub(crate) fn list(topic: &str, partitions: &[i32]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        list.add_partition(topic, *partition);
    }
    list
}

impl ClientContext for Membership {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        failures::log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.reasons.hear(&error, reason);
    }
}

impl ConsumerContext for Membership {
    fn rebalance(&self, client: &BaseConsumer<Self>, error: RDKafkaRespErr, given: &mut TopicPartitionList) {
        let elements = given.elements();
        let numbers: Vec<i32> = elements.iter().map(|element| element.partition()).collect();
        let partitions: Vec<Partition> =
            numbers.iter().filter_map(|number| u32::try_from(*number).ok()).map(Partition::new).collect();
        let topic = elements.first().map_or("", |element| element.topic());
        let (change, answered) = if error == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            (Change::Assigned(partitions), client.incremental_assign(&TopicPartitionList::new()))
        } else {
            // Asked before the answer, which clears it.
            let is_lost = client.assignment_lost();
            let answered = self.unfetch(client, topic, &numbers).or_else(|error| {
                // The client had taken them away by itself (a fatal error, or it is being closed).
                tracing::debug!(%error, "nothing to take away");
                client.incremental_unassign(&TopicPartitionList::new())
            });
            (if is_lost { Change::Lost(partitions) } else { Change::Revoked(partitions) }, answered)
        };
        tracing::info!(topic, ?change, "the group was rebalanced");
        if let Err(error) = answered {
            tracing::warn!(%error, ?change, "the client did not take the answer to a rebalance");
        }
        if !numbers.is_empty() {
            self.state().changes.push_back(change);
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        if let Err(error) = result {
            // The group's offsets are for lag tools; the frontier in the lake is what counts.
            tracing::debug!(%error, "the group did not take an offset");
        }
    }
}
