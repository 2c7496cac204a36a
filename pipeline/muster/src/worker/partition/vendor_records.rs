//! What other attendance systems say, for `vendor_records`: beside the punch of a record, or alone.
//!
//! In: what the decoder found in a record.  Out: rows, each record's once; a reject for a record that says again what is kept.
//! Owns: nothing; `PartitionWork` knows which records are kept.

use model::{Offset, Reject, RejectCode, VendorRecord};
use schemas::tables::vendor_records::Row;

use super::PartitionWork;

/// What `said`, ordered by offset, says in the record at `offset`; `at` is where the search begins, and moves behind it.
pub(super) fn of_record<'a>(said: &'a [VendorRecord], offset: Offset, at: &mut usize) -> &'a [VendorRecord] {
    let rest = said.get(*at..).unwrap_or_default();
    let count = rest.iter().take_while(|said| said.offset == offset).count();
    *at += count;
    &rest[..count]
}

impl PartitionWork {
    /// Keeps what is new of it; false if nothing is.
    pub(super) fn keep_said(&mut self, said: &[VendorRecord]) -> bool {
        let mut is_new = false;
        for said in said {
            if self.vendor_records.insert(said.id) {
                is_new = true;
                self.rows.vendor_records.append(&Row {
                    topic: &self.settings.topic,
                    partition: self.partition,
                    said,
                    imported_at: (self.settings.wall)(),
                });
            }
        }
        is_new
    }

    /// Takes a record that holds no punch; a reject if an earlier record said the same.
    pub(super) fn take_said_alone(&mut self, said: &[VendorRecord]) -> Option<Reject> {
        if self.keep_said(said) {
            self.tally.no_punch += 1;
            return None;
        }
        let first = said.first()?;
        Some(Reject {
            offset: first.offset,
            until: first.offset.next(),
            code: RejectCode::Duplicate,
            message: "a repeat of a vendor's record that is kept, without a punch".to_owned(),
            employee_id: Some(first.employee_id.clone()),
            event_id: first.event_id.clone(),
        })
    }
}
