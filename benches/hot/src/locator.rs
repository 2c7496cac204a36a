//! The pure stages as a worker runs them: decode, expect, match, with buffers that live from batch to batch.
//!
//! In: raw records.  Out: a `Batch` and its `Verdicts`.  Owns: all buffers between, and where the log's clock stands.

use attendance::{Roster, append_clocks, expect};
use matcher::{Scratch, SiteIndex};
use model::{Batch, DueBatch, EventTime, NextOffset, Partition, Reference, Verdicts};
use schemas::{Decoder, Format, ImportOptions, RawRecord};

/// The stages and their buffers.
#[derive(Debug)]
pub struct Locator {
    /// What was decoded last.
    pub batch: Batch,
    /// Where its people were due.
    pub due: DueBatch,
    /// Where its punches were made.
    pub verdicts: Verdicts,
    /// Where the log's clock stood at each punch.
    pub clocks: Vec<EventTime>,
    decoder: Decoder,
    clock: EventTime,
    scratch: Scratch,
}

impl Default for Locator {
    fn default() -> Self {
        Self {
            batch: Batch::new(Partition::new(0), NextOffset::START),
            due: DueBatch::default(),
            verdicts: Verdicts::default(),
            clocks: Vec::new(),
            decoder: Decoder::new(Format::Json, ImportOptions::default()),
            clock: EventTime::from_us(0),
            scratch: Scratch::default(),
        }
    }
}

impl Locator {
    /// The stages, the log's clock standing at `clock`.
    pub fn at(clock: EventTime) -> Self {
        Self { clock, ..Self::default() }
    }

    /// Where the log's clock stands.
    pub const fn clock(&self) -> EventTime {
        self.clock
    }

    /// Decodes a batch of records in place of the one before.
    pub fn decode(&mut self, records: &[RawRecord<'_>]) {
        self.batch.clear(Partition::new(0), NextOffset::START);
        for record in records {
            self.decoder.decode(*record, &mut self.batch);
        }
    }

    /// Says where the decoded punches' people were due.
    pub fn expect(&mut self, roster: &Roster) {
        append_clocks(&self.batch, &mut self.clock, &mut self.clocks);
        expect(roster, &self.batch, &self.clocks, &mut self.due);
    }

    /// Says where the punches were made.
    pub fn locate(&mut self, sites: &SiteIndex, reference: &Reference) {
        sites.match_batch(reference, &self.batch, &self.due, &mut self.scratch, &mut self.verdicts);
    }

    /// Decode, expect, match.
    pub fn run(&mut self, records: &[RawRecord<'_>], roster: &Roster, sites: &SiteIndex) {
        self.decode(records);
        self.expect(roster);
        self.locate(sites, roster.reference());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Chain, Scale};

    #[test]
    fn every_record_is_located_or_rejected_however_it_is_batched() {
        let chain = Chain::make(Scale::TINY);
        let (roster, sites) = (chain.roster(), chain.sites());
        let records: Vec<RawRecord<'_>> = chain.records().collect();
        let verdicts = |size: usize| {
            let mut locator = Locator::default();
            let mut all = Vec::new();
            for batch in records.chunks(size) {
                locator.run(batch, &roster, &sites);
                assert_eq!(locator.batch.records(), batch.len());
                let places = locator.verdicts.rows.iter().map(|verdict| (verdict.place, verdict.site));
                all.extend(places);
            }
            all
        };
        let one_by_one = verdicts(1);
        assert!(one_by_one.iter().any(|(_, site)| site.is_some()), "somebody is at a site");
        assert_eq!(one_by_one, verdicts(64));
    }
}
