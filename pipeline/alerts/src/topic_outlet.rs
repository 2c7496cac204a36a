//! Alerts as records of a compacted topic: key = alert id, partition = that of the cause, CloudEvents headers.
//!
//! In: bodies.  Out: records of the log.  Owns: the generation of each partition it was told of.
//! Absent on purpose: a cache of what was said (the worker has it).
//! Invariants: records of a lower generation behind an owner's marker do not count when reading back.

use std::time::Duration;

use model::Partition;
use model::position::{Generation, NextOffset};
use schemas::lines::{ALERT_OWNER_PREFIX, AlertBody, AlertOwner};
use source::{Append, NewRecord, Polled, RawBatch, Source};

use crate::compose::read_back;
use crate::outlet::{Error, Outlet, SaidAlert};

/// How one reads the alerts topic from its beginning: a fresh source each time.
pub type OpenSource = Box<dyn FnMut() -> Result<Box<dyn Source>, source::Error> + Send>;

/// The topic of alerts in a log.
pub struct TopicOutlet {
    topic: String,
    appender: Box<dyn Append>,
    open_source: OpenSource,
}

impl TopicOutlet {
    /// The topic `topic`, written by `appender` and read back through what `open_source` opens.
    pub fn new(topic: &str, appender: Box<dyn Append>, open_source: OpenSource) -> Self {
        Self { topic: topic.to_owned(), appender, open_source }
    }

    fn fail(&self, source: source::Error) -> Error {
        Error::Log { topic: self.topic.clone(), source }
    }

    /// Hands every record of `partition` up to the topic's present end to `take`.
    fn read(
        &mut self,
        partition: Partition,
        mut take: impl FnMut(i64, &[u8], Option<&[u8]>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut reader = (self.open_source)().map_err(|error| self.fail(error))?;
        let mut batch = RawBatch::default();
        loop {
            match reader.poll(Duration::from_millis(100), &mut batch).map_err(|error| self.fail(error))? {
                Polled::Assigned(partitions) => {
                    let here: Vec<_> = partitions
                        .into_iter()
                        .filter(|p| *p == partition)
                        .map(|p| (p, NextOffset::START))
                        .collect();
                    if here.is_empty() {
                        return Ok(());
                    }
                    reader.start(&here).map_err(|error| self.fail(error))?;
                }
                Polled::Batch => {
                    for entry in batch.iter() {
                        take(entry.offset.get(), entry.key.unwrap_or_default(), entry.value)?;
                    }
                }
                Polled::CaughtUp { partition: end, .. } | Polled::Ended(end) if end == partition => {
                    return Ok(());
                }
                _ => {}
            }
        }
    }
}

impl Outlet for TopicOutlet {
    fn fold(&mut self, partition: Partition) -> Result<Vec<SaidAlert>, Error> {
        let topic = self.topic.clone();
        let mut said = Vec::new();
        let mut owner = i64::MIN;
        self.read(partition, |offset, key, value| {
            let Some(value) = value else { return Ok(()) };
            let place = || format!("topic {topic}, partition {partition}, offset {offset}");
            let foreign = |what: String| Error::Foreign { place: place(), what };
            if key.starts_with(ALERT_OWNER_PREFIX.as_bytes()) {
                let marker: AlertOwner = serde_json::from_slice(value).map_err(|e| foreign(e.to_string()))?;
                owner = owner.max(marker.generation);
                return Ok(());
            }
            let body: AlertBody = serde_json::from_slice(value).map_err(|e| foreign(e.to_string()))?;
            let alert = read_back(&body).ok_or_else(|| foreign("an unknown kind, state or id".into()))?;
            if body.cause.generation >= owner {
                said.push(alert);
            }
            Ok(())
        })?;
        Ok(said)
    }

    fn own(&mut self, partition: Partition, generation: Generation) -> Result<(), Error> {
        let key = format!("{ALERT_OWNER_PREFIX}{partition}");
        let value = format!("{{\"generation\":{}}}", generation.0);
        let record = NewRecord {
            key: Some(key.as_bytes()),
            value: Some(value.as_bytes()),
            headers: &[],
            partition: Some(partition),
        };
        self.appender.append(&self.topic, &[record]).map_err(|error| self.fail(error))?;
        Ok(())
    }

    fn publish(&mut self, partition: Partition, bodies: &[AlertBody]) -> Result<(), Error> {
        let values: Vec<Vec<u8>> =
            bodies.iter().map(|body| serde_json::to_vec(body).unwrap_or_default()).collect();
        let ids: Vec<String> =
            bodies.iter().map(|body| format!("{}/{}", body.alert_id, body.version)).collect();
        let headers: Vec<_> = bodies
            .iter()
            .zip(&ids)
            .map(|(body, id)| {
                [
                    ("ce_specversion", Some("1.0".as_bytes())),
                    ("ce_id", Some(id.as_bytes())),
                    ("ce_source", Some("muster".as_bytes())),
                    ("ce_type", Some("muster.alert".as_bytes())),
                    ("ce_time", Some(body.detected_at.as_bytes())),
                    ("content-type", Some("application/json".as_bytes())),
                ]
            })
            .collect();
        let records: Vec<NewRecord<'_>> = bodies
            .iter()
            .zip(values.iter().zip(&headers))
            .map(|(body, (value, headers))| NewRecord {
                key: Some(body.alert_id.as_bytes()),
                value: Some(value),
                headers,
                partition: Some(partition),
            })
            .collect();
        self.appender.append(&self.topic, &records).map_err(|error| self.fail(error))?;
        Ok(())
    }
}
