//! What a record of the alerts topic says to its reader: an alert, the end of one, a new owner, or nothing.
//!
//! In: records of the topic, in offset order within a partition.  Out: [`Seen`], to the outlet's fold and to the
//! deliverer, which so can never disagree about what counts.
//! Owns: the generation of each partition's owner as far as it was read.
//! Absent on purpose: memory of alerts (each reader keeps what it needs).
//! Invariants: behind an owner's marker nothing of a lower generation counts, tombstones included; what stands before
//! the marker counts; other `_…` keys are passed over, so that later versions of Muster may add some.
//! Why so: the topic is compacted, so a reader may rely on nothing but the latest record of each key and on offsets.
//! The latest marker of a partition stays. A record that a former owner wrote behind the marker of the present one
//! hides the valid one of its key once the topic is compacted: the next owner mends it (`topic_outlet`).

use std::collections::HashMap;

use model::position::Generation;
use model::{AnomalyId, Partition};
use schemas::lines::{ALERT_OWNER_PREFIX, AlertBody, AlertOwner};
use source::RawEntry;

/// The header of a tombstone that names its owner's generation; a body carries it itself.
pub(crate) const GENERATION_HEADER: &str = "muster.generation";

/// What one record says.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// A version of an alert that counts.
    Alert(Box<AlertBody>),
    /// The alert was resolved long ago and is forgotten.
    Forgotten(AnomalyId),
    /// The partition has a new owner.
    Owner(Generation),
    /// Said by a former owner behind the marker of a later one: it does not count.
    Stale(AnomalyId),
    /// A key that is not for readers of alerts.
    Other,
    /// No alert at all, and why.
    Foreign(String),
}

/// A reader's memory of who owns which partition.
#[derive(Clone, Debug, Default)]
pub struct AlertReader {
    owners: HashMap<Partition, Generation>,
}

impl AlertReader {
    /// Goes on where an earlier reader stood, who had read the marker of `owner`.
    pub fn resume(&mut self, partition: Partition, owner: Generation) {
        self.owners.insert(partition, owner);
    }

    /// The generation of the highest marker read in `partition`.
    pub fn owner(&self, partition: Partition) -> Option<Generation> {
        self.owners.get(&partition).copied()
    }

    /// Reads one record of `partition`.
    pub fn read(&mut self, partition: Partition, entry: &RawEntry<'_>) -> Seen {
        let Some(key) = entry.key.and_then(|key| std::str::from_utf8(key).ok()) else {
            return Seen::Foreign("its key is missing or no text".into());
        };
        if key.starts_with('_') {
            return self.read_marker(partition, key, entry.value);
        }
        let Some(id) = AnomalyId::parse(key) else {
            return Seen::Foreign(format!("its key `{key}` is no alert id"));
        };
        let owner = self.owner(partition).unwrap_or(Generation(i64::MIN));
        let Some(value) = entry.value else {
            let said_by = entry.headers.get(GENERATION_HEADER).and_then(generation_of);
            return match said_by {
                Some(said_by) if said_by < owner => Seen::Stale(id),
                _ => Seen::Forgotten(id),
            };
        };
        let body: AlertBody = match serde_json::from_slice(value) {
            Ok(body) => body,
            Err(error) => return Seen::Foreign(error.to_string()),
        };
        if body.alert_id != key {
            return Seen::Foreign(format!("key `{key}` carries alert `{}`", body.alert_id));
        }
        if Generation(body.cause.generation) < owner {
            return Seen::Stale(id);
        }
        Seen::Alert(Box::new(body))
    }

    fn read_marker(&mut self, partition: Partition, key: &str, value: Option<&[u8]>) -> Seen {
        let (Some(number), Some(value)) = (key.strip_prefix(ALERT_OWNER_PREFIX), value) else {
            return Seen::Other;
        };
        if number != partition.to_string() {
            return Seen::Foreign(format!("marker `{key}` stands in partition {partition}"));
        }
        match serde_json::from_slice::<AlertOwner>(value) {
            Ok(marker) => {
                let owner = self.owners.entry(partition).or_insert(Generation(marker.generation));
                *owner = (*owner).max(Generation(marker.generation));
                Seen::Owner(*owner)
            }
            Err(error) => Seen::Foreign(error.to_string()),
        }
    }
}

/// The value of a tombstone's header.
fn generation_of(value: &[u8]) -> Option<Generation> {
    std::str::from_utf8(value).ok()?.parse().ok().map(Generation)
}

#[cfg(test)]
mod tests {
    use model::Offset;
    use source::RawHeaders;

    use super::*;
    use crate::compose::tests::anomaly;

    const KEY: &str = "07070707070707070707070707070707";

    fn entry<'a>(key: &'a str, value: Option<&'a [u8]>, headers: RawHeaders<'a>) -> RawEntry<'a> {
        RawEntry {
            offset: Offset::new(0).unwrap(),
            append_time: None,
            key: Some(key.as_bytes()),
            value,
            row: None,
            headers,
        }
    }

    fn read(reader: &mut AlertReader, key: &str, value: Option<&str>) -> Seen {
        reader.read(Partition::new(3), &entry(key, value.map(str::as_bytes), RawHeaders::default()))
    }

    fn body(generation: i64) -> String {
        serde_json::to_string(&crate::compose::body(&anomaly(), Generation(generation), None, None)).unwrap()
    }

    #[test]
    fn behind_a_marker_only_its_generation_and_later_ones_count() {
        let mut reader = AlertReader::default();
        assert!(matches!(read(&mut reader, KEY, Some(&body(1))), Seen::Alert(_)));
        let marker = |generation: i64| format!("{{\"generation\":{generation}}}");
        assert_eq!(read(&mut reader, "_owner/3", Some(&marker(5))), Seen::Owner(Generation(5)));
        assert_eq!(read(&mut reader, KEY, Some(&body(4))), Seen::Stale(AnomalyId([7; 16])));
        assert!(matches!(read(&mut reader, KEY, Some(&body(5))), Seen::Alert(_)));
        assert!(matches!(read(&mut reader, KEY, Some(&body(6))), Seen::Alert(_)));
        // A former owner's marker that arrives late lowers nothing.
        assert_eq!(read(&mut reader, "_owner/3", Some(&marker(4))), Seen::Owner(Generation(5)));
        assert_eq!(read(&mut reader, KEY, Some(&body(4))), Seen::Stale(AnomalyId([7; 16])));
        // Partitions have owners of their own.
        let four = body(4);
        let other = entry(KEY, Some(four.as_bytes()), RawHeaders::default());
        assert!(matches!(reader.read(Partition::new(2), &other), Seen::Alert(_)));
    }

    #[test]
    fn a_tombstone_counts_unless_a_former_owner_wrote_it() {
        let mut reader = AlertReader::default();
        reader.resume(Partition::new(3), Generation(5));
        assert_eq!(read(&mut reader, KEY, None), Seen::Forgotten(AnomalyId([7; 16])));
        for (generation, expected) in [("4", true), ("5", false)] {
            let mut encoded = Vec::new();
            RawHeaders::encode(&[(GENERATION_HEADER, Some(generation.as_bytes()))], &mut encoded);
            let headers = RawHeaders::from_encoded(&encoded).unwrap();
            let seen = reader.read(Partition::new(3), &entry(KEY, None, headers));
            assert_eq!(seen == Seen::Stale(AnomalyId([7; 16])), expected, "{seen:?}");
        }
    }

    #[test]
    fn other_underscored_keys_are_passed_over_and_nonsense_is_named() {
        let mut reader = AlertReader::default();
        assert_eq!(read(&mut reader, "_deliverer/0", Some("{}")), Seen::Other);
        assert_eq!(read(&mut reader, "_owner/3", None), Seen::Other);
        for (key, value, what) in [
            ("_owner/2", "{\"generation\":1}", "partition 3"),
            ("_owner/3", "{}", "generation"),
            ("hello", "{}", "no alert id"),
            (KEY, "{", "EOF"),
            ("08080808080808080808080808080808", body(1).as_str(), "carries alert"),
        ] {
            let seen = read(&mut reader, key, Some(value));
            assert!(matches!(&seen, Seen::Foreign(text) if text.contains(what)), "{key}: {seen:?}");
        }
    }
}
