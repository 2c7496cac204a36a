//! Asks where partitions begin and end, for all of them at once, records of open transactions included.
//!
//! In: a topic's partitions.  Out: offsets.  Owns: a client that reads nothing.
//! Absent on purpose: the reading client: its view ends before the first open transaction, and its queue is the
//! worker's.
//! Why so: one request a broker, whatever the number of partitions; `rd_kafka_query_watermark_offsets` asks twice a
//! partition. The lookup by time takes Kafka's special times -1 (end) and -2 (beginning) as the protocol does.

use std::time::Duration;

use model::{EventTime, Partition};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use super::failures::{self, Quiet};
use super::native::Described;
use super::options::KafkaOptions;
use super::topics;
use crate::error::{Error, ErrorKind};

/// How many of the client's log lines and errors are served at a time.
const SERVED_AT_ONCE: usize = 64;

/// How long it is looked for a broker that says which ones there are.
const REFRESH_TIMEOUT: Duration = Duration::from_secs(1);

/// What to ask of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The first offset the log still holds.
    Begin,
    /// The offset behind the last record.
    End,
    /// The first record appended at or after this instant; none behind the last one.
    Since(EventTime),
}

pub(crate) struct Asker {
    client: BaseConsumer<Quiet>,
    timeout: Duration,
}

impl Asker {
    pub(crate) fn new(options: &KafkaOptions) -> Result<Self, Error> {
        let client = BaseConsumer::from_config_and_context(&options.asker(), Quiet::default())
            .map_err(|error| failures::failed("make a client that asks for offsets", &error, ""))?;
        Ok(Self { client, timeout: options.request_timeout })
    }

    /// Takes in what the client says beside its answers.
    pub(crate) fn serve(&self) {
        // One poll serves one of them, and does not say whether there was one.
        for _ in 0..SERVED_AT_ONCE {
            let _ = self.client.poll(Duration::ZERO);
        }
    }

    /// Describes `topic` as the first thing that is asked of the brokers.
    ///
    /// # Errors
    /// `Unreachable`, or `Forbidden` if brokers were reached and refused us, with the reason.
    pub(crate) fn reach(&self, topic: &str, brokers: &str) -> Result<Option<Described>, Error> {
        self.describe(topic).map_err(|code| {
            self.serve();
            self.client.context().reasons.explain(&format!("describe topic {topic} at {brokers}"), code)
        })
    }

    pub(crate) fn describe(&self, topic: &str) -> Result<Option<Described>, RDKafkaErrorCode> {
        let described = topics::describe(self.client.client(), topic, self.timeout);
        if described == Err(RDKafkaErrorCode::OperationTimedOut) {
            // It waits for the broker that it last heard named the controller, which may have died, and by itself asks for
            // another one only after minutes. The next attempt is to know one that lives.
            let _ = self.client.fetch_metadata(Some(topic), self.timeout.min(REFRESH_TIMEOUT));
        }
        described
    }

    /// The place in each partition, in the order asked for; none for a time behind the last record.
    pub(crate) fn ask(
        &self,
        topic: &str,
        partitions: &[Partition],
        place: Place,
    ) -> Result<Vec<(Partition, Option<i64>)>, Error> {
        let doing = || format!("ask for offsets of topic {topic}");
        let failed = |error: &_| failures::failed(&doing(), error, &self.client.context().reasons.suffix());
        self.serve();
        let offset = match place {
            Place::Begin => Offset::Beginning,
            Place::End => Offset::End,
            // The lookup counts from 0; what is earlier is the beginning.
            Place::Since(at) if at.ms() < 0 => Offset::Beginning,
            Place::Since(at) => Offset::Offset(at.ms()),
        };
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let mut wanted = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            let number = number(*partition)?;
            wanted.add_partition_offset(topic, number, offset).map_err(|error| failed(&error))?;
        }
        let found = self.client.offsets_for_times(wanted, self.timeout).map_err(|error| failed(&error))?;
        let mut answer = Vec::with_capacity(partitions.len());
        for partition in partitions {
            let Some(element) = found.find_partition(topic, number(*partition)?) else {
                return Err(Error::new(
                    ErrorKind::Client,
                    format!("{}: no answer about {partition}", doing()),
                ));
            };
            element.error().map_err(|error| failed(&error))?;
            answer.push(match element.offset() {
                Offset::Offset(offset) => (*partition, Some(offset)),
                Offset::End if matches!(place, Place::Since(_)) => (*partition, None),
                other => {
                    return Err(Error::new(
                        ErrorKind::Unreachable,
                        format!("{}: partition {partition} answered {other:?}: try again", doing()),
                    ));
                }
            });
        }
        Ok(answer)
    }
}

/// A partition's number as the client library counts.
pub(crate) fn number(partition: Partition) -> Result<i32, Error> {
    i32::try_from(partition.number()).map_err(|_| {
        Error::new(
            ErrorKind::UnknownPartition,
            format!("partition {partition}: Kafka counts below 2147483648"),
        )
    })
}
