//! What is no punch: its row of `rejects`, and its dead letter.
//!
//! In: rejects of decoding and judging, gaps of the log.  Out: rows, letters.  Owns: nothing.
//! Absent on purpose: a letter for a repeat: the first record of that identity is in the lake.
//! Invariants: I-12 through `PartitionWork::bury`, behind which a cut waits, and `bury_again`, which returns only behind
//! durable letters.

use std::sync::Arc;

use attendance::anomaly_id;
use jiff::tz::TimeZone;
use model::anomaly::Finding;
use model::position::partition_of;
use model::{AnomalyKind, EventId, EventTime, Offset, Partition, Reject, RejectCode};
use schemas::decode::SchemaId;
use schemas::tables::rejects;
use source::{DeadLetter, RawBatch, RawEntry, RawHeaders};

use super::{PartitionSettings, PartitionWork};
use crate::failure::Failure;
use crate::files;
use crate::worker::burier::Burial;
use crate::worker::pipeline::Outlets;
use crate::worker::world::World;

impl PartitionWork {
    /// Notes the offsets that the log no longer holds.
    pub(super) fn take_gaps(&mut self, raw: &RawBatch) {
        for gap in raw.gaps() {
            self.after_gap = true;
            let missing = gap.until.get() - gap.from.get();
            let reject = Reject {
                offset: gap.from,
                until: gap.until,
                code: RejectCode::Gap,
                message: format!("the log no longer holds these {missing} offsets"),
                employee_id: None,
                event_id: None,
            };
            self.append_reject(&reject, self.clock.time());
        }
    }

    /// Counts a reject and adds its row.
    pub(super) fn append_reject(&mut self, reject: &Reject, rejected_at: EventTime) {
        *self.tally.rejects.entry(reject.code).or_default() += 1;
        match reject.code {
            RejectCode::Duplicate => self.tally.duplicates += 1,
            RejectCode::Misplaced => self.tally.misplaced += 1,
            RejectCode::Gap => {}
            _ => self.tally.rejected += 1,
        }
        self.rows.rejects.append(&rejects::Row {
            topic: &self.settings.topic,
            partition: self.partition,
            reject,
            rejected_at,
        });
    }

    /// Tells a person who is known that their record could not be taken; the day is that of its append where they are at home.
    /// Imports tell nobody: what happened is over, and without append times nobody can say on which day.
    pub(super) fn tell_rejected(&mut self, reject: &Reject, at: EventTime, world: &World) {
        if let Some(finding) = finding(reject, at, (&self.settings, self.partition), world) {
            self.said.take_rejected(finding, self.here());
        }
    }

    /// Has the letters of a batch buried: (record, code, message); they are durable before the next cut.
    pub(super) fn bury(
        &mut self,
        raw: &RawBatch,
        letters: Vec<(usize, RejectCode, String)>,
        outlets: &Outlets,
    ) -> Result<(), Box<Failure>> {
        if letters.is_empty() {
            return Ok(());
        }
        let mut burial = Burial {
            topic: Arc::clone(&self.settings.topic),
            records: RawBatch::new(),
            reasons: Vec::with_capacity(letters.len()),
        };
        burial.records.begin(raw.partition(), raw.from());
        for (n, code, message) in letters {
            if let Some(entry) = raw.get(n) {
                let (offset, at) = (entry.offset, entry.append_time);
                burial.records.push(offset, at, entry.key, entry.bytes().as_deref(), entry.headers);
                burial.reasons.push((code, message));
            }
        }
        self.tally.letters += burial.reasons.len() as u64;
        outlets.burier.bury(burial)
    }

    /// Makes letters durable whose records have left the worker's hands: (offset, code, message). Their bytes are read from
    /// the log once more; a record that the log does not give has a letter without bytes, which says so.
    pub(super) fn bury_again(
        &mut self,
        rejects: &[(Offset, RejectCode, String)],
        outlets: &Outlets,
    ) -> Result<(), Box<Failure>> {
        let mut place = outlets.letters.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for rejects in rejects.chunks(LETTERS_AT_ONCE) {
            let mut found = Vec::with_capacity(rejects.len());
            for (offset, _, message) in rejects {
                let record = outlets.patience.persevere(|| place.log().read(self.partition, *offset));
                let record = record.map_err(files::failure)?;
                let message = match record {
                    Some(_) => message.clone(),
                    None => format!("{message}; the log does not give the record's bytes any more"),
                };
                found.push((record, message));
            }
            let letters = rejects.iter().zip(&found).map(|((offset, code, _), (record, message))| {
                let gone = RawEntry {
                    offset: *offset,
                    append_time: None,
                    key: None,
                    value: None,
                    row: None,
                    headers: RawHeaders::default(),
                };
                let entry = record.as_ref().and_then(|batch| batch.get(0)).unwrap_or(gone);
                let stage = stage(*code);
                DeadLetter::new(&self.settings.topic, self.partition, &entry, stage, *code, message)
            });
            let letters: Vec<DeadLetter<'_>> = letters.collect();
            outlets.patience.persevere(|| place.bury(&letters)).map_err(files::failure)?;
            self.tally.letters += letters.len() as u64;
        }
        place.log().close();
        Ok(())
    }

    /// Makes misplaced records durable on their own partitions.
    pub(super) fn forward(&mut self, raw: &RawBatch, outlets: &Outlets) -> Result<(), Box<Failure>> {
        let buffers = &mut self.buffers;
        if buffers.misplaced.is_empty() {
            return Ok(());
        }
        let found: Vec<_> = buffers.misplaced_at.drain(..).zip(buffers.misplaced.drain(..)).collect();
        // Who may not write the log leaves them where they are: they are rows of `rejects` alone.
        let Some(forwarder) = &outlets.forwarder else { return Ok(()) };
        let mut forwarder = forwarder.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        outlets.patience.persevere(|| forwarder.forward(raw, &found)).map_err(files::failure)?;
        self.buffers.forwarded.extend(found.into_iter().map(|(_, to)| to));
        Ok(())
    }

    /// The partitions that records were appended to again since the last call.
    pub(in crate::worker) fn take_forwarded(&mut self) -> Vec<Partition> {
        std::mem::take(&mut self.buffers.forwarded)
    }
}

/// What a person is told of a record that a partition rejected, if it is one that anybody is told of: the person is known, and it
/// is their own doing.
pub(super) fn finding(
    reject: &Reject,
    at: EventTime,
    (settings, partition): (&PartitionSettings, Partition),
    world: &World,
) -> Option<Finding> {
    let is_theirs = !matches!(
        reject.code,
        RejectCode::Duplicate | RejectCode::Misplaced | RejectCode::Gap | RejectCode::Internal
    );
    let employee_id = reject.employee_id.as_deref().filter(|_| is_theirs)?;
    let person = world.reference.person(world.roster.person(employee_id)?);
    if partition_of(employee_id.as_bytes(), settings.partitions) != partition {
        return None;
    }
    let home = person.home_site.map(|site| world.reference.site(site));
    let zone = home.map(|site| &site.time_zone).or(settings.import_zone.as_ref());
    let business_date = zone.unwrap_or(&TimeZone::UTC).to_datetime(at.timestamp()).date();
    Some(Finding {
        id: anomaly_id(AnomalyKind::PunchRejected, employee_id, &business_date.to_string()),
        kind: AnomalyKind::PunchRejected,
        employee_id: Some(person.employee_id.clone()),
        site_id: home.map(|site| site.site_id.clone()),
        org: home.map_or(&person.org, |site| &site.org).clone(),
        business_date,
        shift_id: None,
        device_id: None,
        event_ids: reject.event_id.iter().map(|id| EventId::new(id)).collect(),
        minutes: None,
        first_at: at,
        last_at: at,
    })
}

/// Letters of records read once more that are written together.
const LETTERS_AT_ONCE: usize = 64;

/// A punch that belongs to the partition `own`.
pub(super) fn misplaced(offset: Offset, names: (&str, &str), own: Partition) -> Reject {
    Reject {
        offset,
        until: offset.next(),
        code: RejectCode::Misplaced,
        message: format!("its person's records belong to partition {own}"),
        employee_id: Some(names.0.to_owned()),
        event_id: Some(names.1.to_owned()),
    }
}

/// A reject for a fault of our own.
pub(super) fn internal(offset: Offset, message: &str) -> Reject {
    Reject {
        offset,
        until: offset.next(),
        code: RejectCode::Internal,
        message: message.to_owned(),
        employee_id: None,
        event_id: None,
    }
}

/// A reject for a record whose schema its registry does not know.
pub(super) fn unknown_schema(offset: Offset, id: SchemaId) -> Reject {
    Reject {
        code: RejectCode::UnknownSchema,
        ..internal(offset, &format!("the schema registry has no schema {}", id.0))
    }
}

/// A repeat of the punch at `first`, by the (person, event) it names.
pub(super) fn repeat(offset: Offset, names: (&str, &str), first: Offset, is_same: bool) -> Reject {
    let (code, what) = match is_same {
        true => (RejectCode::Duplicate, "a repeat of"),
        false => (RejectCode::DuplicateConflict, "other content under the identity of"),
    };
    Reject {
        offset,
        until: offset.next(),
        code,
        message: format!("{what} offset {}", first.get()),
        employee_id: Some(names.0.to_owned()),
        event_id: Some(names.1.to_owned()),
    }
}

pub(in crate::worker) fn stage(code: RejectCode) -> &'static str {
    if matches!(code, RejectCode::DuplicateConflict | RejectCode::Internal) { "judge" } else { "decode" }
}
