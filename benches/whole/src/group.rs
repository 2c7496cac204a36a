//! A consumer group as its brokers see it: how many partitions each member has, and how far the group says it is.
//!
//! In: a group's name.  Out: counts.  Owns: a client that joins no group.
//! Why so: asked of the brokers, since a processor told to say it would measure itself while it is measured.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::topic::{PARTITIONS, Topic};

/// How long the brokers may take for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A group that reads a benchmark's topic.
pub struct Group {
    client: BaseConsumer,
    topic: String,
    name: String,
}

impl Group {
    /// The group `name` on `topic`.
    ///
    /// # Panics
    /// If the client library refuses its settings.
    pub fn of(topic: &Topic, name: &str) -> Self {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &topic.brokers).set("group.id", name);
        let client = config.create().expect("a consumer");
        Self { client, topic: topic.name.clone(), name: name.to_owned() }
    }

    /// How many partitions each member has, least first; nothing while the group is on its way to another assignment.
    ///
    /// # Panics
    /// If the broker does not answer.
    pub fn held(&self) -> Vec<usize> {
        let Ok(groups) = self.client.fetch_group_list(Some(&self.name), PATIENCE) else { return Vec::new() };
        let members = groups
            .groups()
            .iter()
            .filter(|group| group.state() == "Stable")
            .flat_map(|group| group.members());
        let mut held: Vec<usize> =
            members.map(|member| partitions(member.assignment().unwrap_or(&[]))).collect();
        held.sort_unstable();
        held
    }

    /// The sum of the offsets that the group has told as taken.
    ///
    /// # Panics
    /// If the broker does not answer.
    pub fn taken(&self) -> u64 {
        let mut wanted = TopicPartitionList::new();
        (0..PARTITIONS).for_each(|partition| {
            wanted.add_partition(&self.topic, partition as i32);
        });
        let told = self.client.committed_offsets(wanted, PATIENCE).expect("the group's offsets");
        let offsets = told.elements().into_iter().filter_map(|element| match element.offset() {
            Offset::Offset(offset) => u64::try_from(offset).ok(),
            _ => None,
        });
        offsets.sum()
    }
}

impl std::fmt::Debug for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Group").field("name", &self.name).finish_non_exhaustive()
    }
}

/// How many partitions an assignment of Kafka's consumer protocol names: version, then topics, each with its partitions.
fn partitions(assignment: &[u8]) -> usize {
    let count = || -> Option<usize> {
        let mut rest = assignment.get(2..)?;
        let mut found = 0;
        for _ in 0..number(&mut rest)? {
            let (name, behind) = rest.split_first_chunk::<2>()?;
            rest = behind.get(usize::from(u16::from_be_bytes(*name))..)?;
            let partitions = number(&mut rest)?;
            rest = rest.get(4 * partitions..)?;
            found += partitions;
        }
        Some(found)
    };
    count().unwrap_or(0)
}

fn number(rest: &mut &[u8]) -> Option<usize> {
    let (bytes, behind) = rest.split_first_chunk::<4>()?;
    *rest = behind;
    usize::try_from(u32::from_be_bytes(*bytes)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_of_an_assignment_are_counted() {
        let mut bytes = vec![0, 3, 0, 0, 0, 2, 0, 1, b'a', 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 5];
        bytes.extend([0, 2, b'b', b'c', 0, 0, 0, 1, 0, 0, 0, 7, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(partitions(&bytes), 3);
        assert_eq!((partitions(&bytes[..8]), partitions(&[])), (0, 0));
    }
}
