//! A generated chain as files: reference data, a configuration that names them, records, the ledger.
//!
//! In: a `generate::World`.  Out: files in a folder, records handed to a writer or a log.  Owns: nothing.
//! Absent on purpose: any part in what is generated.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use generate::{Part, Record, Truth, World};
use model::EventTime;
use schemas::lines::LedgerLine;
use source::{Append, NewRecord};

use crate::failure::Failure;

/// Records appended to a log at once.
const APPEND_RECORDS_MAX: usize = 1_000;

/// How fast records are handed out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// As fast as they are taken.
    Full,
    /// So many a second of wall time.
    Rate(f64),
    /// At their arrival times, so many times faster than life.
    Speed(f64),
}

/// How many records of which kind were handed out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// All records.
    pub records: u64,
    /// Punches.
    pub punches: u64,
    /// Punches again.
    pub duplicates: u64,
    /// Records that are to be rejected.
    pub rejects: u64,
    /// Records without a value: a file cannot hold them.
    pub left_out: u64,
}

impl Made {
    fn count(&mut self, record: &Record) {
        self.records += 1;
        match record.truth {
            Truth::Good(_) => self.punches += 1,
            Truth::Duplicate => self.duplicates += 1,
            Truth::Reject(_) => self.rejects += 1,
        }
    }
}

/// Writes the reference files and a `muster.toml` that names them, with `more` behind it.
///
/// # Errors
/// What the system says.
pub fn write_reference(world: &World, folder: &Path, more: &str) -> Result<(), Box<Failure>> {
    let write = || -> std::io::Result<()> {
        fs::create_dir_all(folder.join("reference"))?;
        let mut config = String::from("[reference]\n");
        for part in Part::ALL {
            let name = format!("reference/{}", part.file_name());
            let mut out = BufWriter::new(File::create(folder.join(&name))?);
            world.chain().write(part, &mut out)?;
            out.flush()?;
            config.push_str(&format!("{} = \"{name}\"\n", part.key()));
        }
        config.push_str(more);
        fs::write(folder.join("muster.toml"), config)
    };
    write().map_err(|error| unwritable(folder, &error))
}

/// The ledger being written: a line per punch as records go out, findings without a punch at the end.
pub struct LedgerFile(BufWriter<File>);

impl LedgerFile {
    /// Makes the file.
    ///
    /// # Errors
    /// What the system says.
    pub fn create(path: &Path) -> Result<Self, Box<Failure>> {
        File::create(path).map(|file| Self(BufWriter::new(file))).map_err(|error| unwritable(path, &error))
    }

    fn add(&mut self, line: &LedgerLine) -> Result<(), Box<Failure>> {
        serde_json::to_writer(&mut self.0, line).map_err(Failure::from_outside)?;
        self.0.write_all(b"\n").map_err(|error| Box::new(Failure::from_outside(error)))
    }

    fn take(&mut self, record: &Record) -> Result<(), Box<Failure>> {
        if let Truth::Good(line) = &record.truth { self.add(line) } else { Ok(()) }
    }

    /// Adds the findings without a punch and closes the file.
    ///
    /// # Errors
    /// What the system says.
    pub fn finish(mut self, world: &World) -> Result<(), Box<Failure>> {
        for line in world.ledger_without_punch() {
            self.add(&line)?;
        }
        self.0.flush().map_err(|error| Box::new(Failure::from_outside(error)))
    }
}

/// Writes the records as lines; those without a value are left out and counted.
///
/// # Errors
/// What the system says.
pub fn write_records(
    world: &World,
    out: &mut impl Write,
    ledger: &mut LedgerFile,
    pace: Pace,
) -> Result<Made, Box<Failure>> {
    let mut made = Made::default();
    let mut clock = Paced::new(pace);
    for record in world.punches() {
        clock.wait_for(record.arrival, made.records);
        match &record.value {
            Some(value) if !value.contains(&b'\n') => {
                let written = out.write_all(value).and_then(|()| out.write_all(b"\n"));
                written.map_err(Failure::from_outside)?;
                ledger.take(&record)?;
                made.count(&record);
            }
            _ => made.left_out += 1,
        }
    }
    out.flush().map_err(Failure::from_outside)?;
    Ok(made)
}

/// Appends the records to `topic` of a log until they end or `stopped` says so.
///
/// # Errors
/// What the log says.
pub fn append_records(
    world: &World,
    append: &mut dyn Append,
    topic: &str,
    ledger: &mut LedgerFile,
    pace: Pace,
    stopped: &dyn Fn() -> bool,
) -> Result<Made, Box<Failure>> {
    let mut made = Made::default();
    let mut clock = Paced::new(pace);
    let mut waiting: Vec<Record> = Vec::with_capacity(APPEND_RECORDS_MAX);
    for record in world.punches() {
        if waiting.len() == APPEND_RECORDS_MAX || clock.must_wait(record.arrival, made.records) {
            append_all(append, topic, &mut waiting)?;
            clock.wait_for(record.arrival, made.records);
        }
        if stopped() {
            return Ok(made);
        }
        ledger.take(&record)?;
        made.count(&record);
        waiting.push(record);
    }
    append_all(append, topic, &mut waiting)?;
    Ok(made)
}

fn append_all(append: &mut dyn Append, topic: &str, records: &mut Vec<Record>) -> Result<(), Box<Failure>> {
    if records.is_empty() {
        return Ok(());
    }
    let new: Vec<NewRecord<'_>> = records
        .iter()
        .map(|record| NewRecord {
            key: Some(record.key.as_bytes()),
            value: record.value.as_deref(),
            ..NewRecord::default()
        })
        .collect();
    append.append(topic, &new).map_err(crate::files::failure)?;
    records.clear();
    Ok(())
}

/// Keeps a pace.
struct Paced {
    pace: Pace,
    begun: Instant,
    first: Option<EventTime>,
}

impl Paced {
    fn new(pace: Pace) -> Self {
        Self { pace, begun: Instant::now(), first: None }
    }

    /// How long until record `number`, arriving at `arrival`, is due.
    fn due_in(&mut self, arrival: EventTime, number: u64) -> Duration {
        let after_s = match self.pace {
            Pace::Full => return Duration::ZERO,
            Pace::Rate(rate) => number as f64 / rate,
            Pace::Speed(speed) => {
                let first = *self.first.get_or_insert(arrival);
                arrival.us_since(first).max(0) as f64 / 1e6 / speed
            }
        };
        Duration::from_secs_f64(after_s).saturating_sub(self.begun.elapsed())
    }

    fn must_wait(&mut self, arrival: EventTime, number: u64) -> bool {
        self.due_in(arrival, number) > Duration::from_millis(2)
    }

    fn wait_for(&mut self, arrival: EventTime, number: u64) {
        let wait = self.due_in(arrival, number);
        if !wait.is_zero() {
            thread::sleep(wait);
        }
    }
}

fn unwritable(path: &Path, error: &std::io::Error) -> Box<Failure> {
    Box::new(Failure::outside(
        format!("write {}: {error}", path.display()),
        "name a folder that can be written",
    ))
}
