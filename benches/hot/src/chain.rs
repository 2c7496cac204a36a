//! The chain every benchmark of this package works on: 10,000 stores, one day, everything that can go wrong in it.
//!
//! In: a [`Scale`].  Out: [`Chain`]: the snapshot with its indexes, and all records in arrival order.  Owns: the records.
//! Why so: the reference data goes through files and `reference::load`, so that the indexes are built from what a
//! processor would build them from.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;

use attendance::Roster;
use generate::{Part, Spec, World};
use matcher::SiteIndex;
use model::{EventTime, Offset, Reference};
use reference::Sources;
use schemas::RawRecord;

/// Records of one batch: what a worker takes at once under a full load, rounded.
pub const BATCH_RECORDS: usize = 1_000;

/// How large a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// Stores, each a fence with its access points.
    pub stores: u32,
    /// People; each punches about twice.
    pub employees: u32,
    /// Days of seven on which a person works.
    pub days_per_week: u8,
}

impl Scale {
    /// What the figures of the hot path are stated for: 10,000 stores, 50,000 people.
    pub const FULL: Self = Self { stores: 10_000, employees: 50_000, days_per_week: 6 };
    /// What the figures of memory are stated for: 10,000 stores, 100,000 people, all of them at work that day.
    pub const ON_DUTY: Self = Self { stores: 10_000, employees: 100_000, days_per_week: 7 };
    /// What runs unoptimised in a second.
    pub const TINY: Self = Self { stores: 40, employees: 200, days_per_week: 7 };

    /// `full`, or tiny where [`crate::is_tiny`] says so.
    pub fn or_tiny(full: Self) -> Self {
        if crate::is_tiny() { Self::TINY } else { full }
    }

    fn spec(self) -> Spec {
        Spec {
            stores: self.stores,
            employees: self.employees,
            days_per_week: self.days_per_week,
            seed: 7,
            ..Spec::demo()
        }
    }
}

/// A snapshot, and the records of its people's day.
#[derive(Debug)]
pub struct Chain {
    /// The snapshot.
    pub reference: Arc<Reference>,
    records: Vec<(EventTime, Option<Vec<u8>>)>,
}

impl Chain {
    /// Generates it.
    ///
    /// # Panics
    /// If the temporary folder cannot be written, or the generator's reference data is refused.
    pub fn make(scale: Scale) -> Self {
        let world = generate::chain(&scale.spec()).expect("the scales of this file can be generated");
        let records = world.punches().map(|record| (record.arrival, record.value)).collect();
        Self { reference: load(&world), records }
    }

    /// How many records there are, bad ones included.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The records in arrival order, as a log of one partition gives them.
    pub fn records(&self) -> impl ExactSizeIterator<Item = RawRecord<'_>> {
        self.records.iter().enumerate().map(|(place, (arrival, value))| RawRecord {
            offset: Offset::new(place as i64).expect("a place is not negative"),
            append_time: Some(*arrival),
            value: value.as_deref(),
        })
    }

    /// The records as batches of [`BATCH_RECORDS`].
    pub fn batches(&self) -> Vec<Vec<RawRecord<'_>>> {
        let records: Vec<RawRecord<'_>> = self.records().collect();
        records.chunks(BATCH_RECORDS).map(<[_]>::to_vec).collect()
    }

    /// When the first record arrives.
    pub fn begins(&self) -> EventTime {
        self.records.first().map_or(EventTime::from_us(0), |(arrival, _)| *arrival)
    }

    /// Mean size of a record in bytes.
    pub fn bytes_per_record(&self) -> f64 {
        let bytes: usize = self.records.iter().filter_map(|(_, value)| value.as_ref()).map(Vec::len).sum();
        bytes as f64 / self.records.len().max(1) as f64
    }

    /// The tables of who is due where.
    pub fn roster(&self) -> Arc<Roster> {
        Arc::new(Roster::new(Arc::clone(&self.reference)))
    }

    /// The index of fences and radios.
    pub fn sites(&self) -> SiteIndex {
        SiteIndex::build(&self.reference)
    }
}

fn load(world: &World) -> Arc<Reference> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |part: Part| -> Vec<PathBuf> {
        let path = folder.path().join(part.file_name());
        let mut out = BufWriter::new(File::create(&path).expect("a file in the temporary folder"));
        world.chain().write(part, &mut out).and_then(|()| out.flush()).expect("the disk takes the file");
        vec![path]
    };
    let loaded = reference::load(&Sources {
        sites: path(Part::Sites),
        orgs: path(Part::Orgs),
        people: path(Part::People),
        shifts: path(Part::Shifts),
        leave: path(Part::Leave),
        corrections: path(Part::Corrections),
        policies: path(Part::Policies),
        calendars: path(Part::Calendars),
        law: Vec::new(),
    });
    let first = loaded.problems.first().map(ToString::to_string).unwrap_or_default();
    loaded.reference.unwrap_or_else(|| panic!("the generator's reference data is refused: {first}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_records_are_the_seeds_and_arrive_in_order() {
        let [a, b] = [(); 2].map(|()| Chain::make(Scale::TINY));
        assert_eq!(a.records, b.records);
        assert_eq!(a.reference.version, b.reference.version);
        assert_eq!(a.reference.sites.len(), Scale::TINY.stores as usize);
        assert!(a.len() > Scale::TINY.employees as usize, "about two a person: {}", a.len());
        assert!(a.records().is_sorted_by_key(|record| record.append_time));
        assert_eq!(a.batches().iter().map(Vec::len).sum::<usize>(), a.len());
    }
}
