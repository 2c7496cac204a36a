//! A generated week of a chain as files, as `muster generate` writes them.
//!
//! In: about how many punches.  Out: [`Chain`]: reference files, records, two configurations.  Owns: nothing.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use generate::{Part, Spec, World};
use muster::chain_files::write_reference;
use reference::Sources;

/// Punches of one person in the week: six shifts, in and out.
const PUNCHES_PER_PERSON: u32 = 12;
/// People of one store.
const PEOPLE_PER_STORE: u32 = 10;

/// The files of a chain.
#[derive(Clone, Debug)]
pub struct Chain {
    /// How many stores.
    pub stores: u32,
    /// How many people.
    pub people: u32,
    /// How many records `punches` holds, bad ones and repeats included.
    pub records: u64,
    /// The records, one a line.
    pub punches: PathBuf,
    /// The configuration with everything as it comes.
    pub config: PathBuf,
    /// The same, but committing every 100 ms and every few thousand rows: there is soon something to find after a kill.
    pub config_often: PathBuf,
    /// What the files were made from.
    pub world: World,
    folder: PathBuf,
}

impl Chain {
    /// Writes a chain of about `punches` punches into `folder`.
    ///
    /// # Panics
    /// If the folder cannot be written.
    pub fn write(folder: &Path, punches: u32) -> Self {
        let people = (punches / PUNCHES_PER_PERSON).max(PEOPLE_PER_STORE);
        let stores = (people / PEOPLE_PER_STORE).clamp(1, 10_000);
        let spec = Spec { seed: 7, stores, employees: people, days: 7, ..Spec::demo() };
        let world = generate::chain(&spec).expect("the size is within the generator's limits");
        write_reference(&world, folder, "").unwrap_or_else(|error| panic!("{error}"));
        let path = folder.join("punches.ndjson");
        let mut out = BufWriter::new(File::create(&path).expect("a file in the folder"));
        let mut records = 0;
        for value in world.punches().filter_map(|record| record.value) {
            // A file cannot hold a record with a line break in it.
            if !value.contains(&b'\n') {
                out.write_all(&value)
                    .and_then(|()| out.write_all(b"\n"))
                    .expect("the disk takes the records");
                records += 1;
            }
        }
        out.flush().expect("the disk takes the records");
        let config = folder.join("muster.toml");
        let config_often = folder.join("often.toml");
        let plain = fs::read_to_string(&config).expect("the configuration just written");
        let batch = (records / 50).clamp(20, 4_096);
        let often = format!(
            "{plain}\n[lake]\ncommit_every_ms = 100\n\n[limits]\nbatch_records_max = {batch}\nbuffered_rows_max = {}\n",
            batch * 4
        );
        fs::write(&config_often, often).expect("the disk takes the configuration");
        Self {
            stores,
            people,
            records,
            punches: path,
            config,
            config_often,
            world,
            folder: folder.to_owned(),
        }
    }

    /// How long it takes to read and check the reference data alone.
    ///
    /// # Panics
    /// If it is refused.
    pub fn load_reference(&self) -> Duration {
        let path = |part: Part| vec![self.folder.join("reference").join(part.file_name())];
        let sources = Sources {
            sites: path(Part::Sites),
            orgs: path(Part::Orgs),
            people: path(Part::People),
            shifts: path(Part::Shifts),
            leave: path(Part::Leave),
            corrections: path(Part::Corrections),
            policies: path(Part::Policies),
            calendars: path(Part::Calendars),
            law: Vec::new(),
        };
        let begun = Instant::now();
        let loaded = reference::load(&sources);
        let took = begun.elapsed();
        assert!(loaded.reference.is_some(), "the generator's reference data is refused");
        took
    }
}
