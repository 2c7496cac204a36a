//! `muster dlq replay`: records of dead letters appended again to the topic they came from, or, where their log was a
//! file, written into a new file for `muster replay`.
//!
//! In: places, or a filter.  Out: records with their own key, bytes and headers and, as `muster.origin`, the place they
//! had; marks; counts.  Owns: nothing.
//! Absent on purpose: a question before it begins (`--dry-run` answers it), and any look whether a punch is in the lake
//! already: the pipeline finds repeats by their identity, so replaying twice adds nothing twice.
//! Invariants: nothing is appended before every letter that was named is found; a letter is marked only behind its
//! append (`marks`).
//! Why so: a record that is a punch by now goes to the partition of its `employee_id`, where that person's worker is; its
//! key may be what was wrong with it.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use model::position::partition_of;
use model::{Batch, NextOffset, Offset, Partition};
use schemas::decode::SchemaId;
use schemas::lines::utc_text;
use schemas::{Decoded, Decoder, RawRecord};
use serde::Serialize;
use source::{KeptRecords, Letter, Registry};
use tokio::runtime::Runtime;

use super::ReplayArguments;
use super::drops::meant;
use super::letters::{Home, Index, Letters};
use super::list::letters as letters_counted;
use super::marks::Marks;
use super::outlet::{NewFile, Outlet, Ready, Topic};
use super::place::Place;
use crate::commands::Outcome;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::live_log::LiveLog;
use crate::registry;

/// Records of one append.
const RECORDS_MAX: usize = 500;

/// Bytes of values of one append; it may pass this by one record.
const BYTES_MAX: usize = 1 << 20;

/// Letters left out that are told one by one.
const TOLD_MAX: u64 = 20;

/// What came of it; `--json` prints it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct Counts {
    /// Letters that were meant.
    letters: u64,
    /// Appended again, or written to the file; of a dry run: that would be.
    replayed: u64,
    /// Of these, punches by the configuration as it is now; null for files, whose format nobody knows any more.
    punches: Option<u64>,
    /// Left out because they were settled by `muster dlq drop`; not among `letters`.
    dropped: u64,
    /// Left out because they were replayed before.
    replayed_before: u64,
    /// Left out because they cannot be: their bytes are gone, or too many for the topic, or no line of a file.
    left_out: u64,
}

/// Runs the command.
pub(super) fn run(arguments: &ReplayArguments) -> Outcome {
    if arguments.places.is_empty() && arguments.filter.is_empty() && !arguments.all {
        return Err(Box::new(Failure::usage(
            "which letters are to be replayed?",
            "name places (`muster dlq list` has them), or give a filter such as --code, or --all",
        )));
    }
    let letters = Letters::open(&arguments.home)?;
    check_outlet(arguments, &letters.home)?;
    let index = letters.index()?;
    let mut counts = Counts::default();
    let mut wanted = select(arguments, &index, &letters.name(), &mut counts)?;
    let marks = letters.marks().ok_or_else(|| {
        Failure::usage(
            format!("no lake in {}: what is replayed is noted there", letters.config.lake.url),
            "run this where the lake is, with its configuration",
        )
    })?;
    let outlet = match (&letters.home, &arguments.out) {
        _ if arguments.dry_run => Outlet::Nowhere,
        (_, Some(path)) => Outlet::File(NewFile::create(path, index.files)?),
        (Home::Log(log), None) => {
            Outlet::Topic(Topic { appender: log.appender(), topic: letters.config.source.topic.clone() })
        }
        (Home::File(_), None) => Outlet::Nowhere,
    };
    let mut replay = Replay::new(&letters, marks, outlet, counts)?;
    letters.visit(&mut |letter| {
        if wanted.remove(&Place::of(&letter.origin)) { replay.take(&letter) } else { Ok(()) }
    })?;
    let counts = replay.finish()?;
    tell(&counts, arguments, &letters)?;
    Ok(if counts.left_out == 0 { Exit::Done } else { Exit::Findings })
}

/// Records of a topic go back to it, those of a file into a new one.
fn check_outlet(arguments: &ReplayArguments, home: &Home) -> Result<(), Box<Failure>> {
    match (home, &arguments.out) {
        (Home::Log(_), Some(_)) => Err(Box::new(Failure::usage(
            "--out is for the letters of replayed files",
            "leave it out: these records go back to their topic; `muster dlq show --bytes` prints one",
        ))),
        (Home::File(_), None) if !arguments.dry_run => Err(Box::new(Failure::usage(
            "these letters are of replayed files, and a file that was read is not appended to",
            "write the records into a new file with --out FILE, then `muster replay` that",
        ))),
        _ => Ok(()),
    }
}

/// The letters that are meant, without those that were replayed before.
fn select(
    arguments: &ReplayArguments,
    index: &Index,
    name: &str,
    counts: &mut Counts,
) -> Result<BTreeSet<Place>, Box<Failure>> {
    let mut wanted = meant(&arguments.places, &arguments.filter, index, name)?;
    if arguments.places.is_empty() {
        // What somebody settled is replayed only by its name.
        let all = wanted.len();
        wanted.retain(|place| index.letters[place].dropped.is_none());
        counts.dropped = (all - wanted.len()) as u64;
    }
    counts.letters = wanted.len() as u64;
    if arguments.places.is_empty() && !arguments.again {
        wanted.retain(|place| index.letters[place].replayed.is_empty());
        counts.replayed_before = counts.letters - wanted.len() as u64;
    }
    Ok(wanted)
}

/// The work: letters in, records out in portions, counted and marked.
struct Replay<'a> {
    counts: Counts,
    marks: Marks,
    kept: KeptRecords,
    outlet: Outlet<'a>,
    reader: Option<Reader>,
    topic: String,
    partitions: u32,
    ready: Vec<Ready>,
    bytes: usize,
    /// What is in a file that is not closed yet, and so has no name as a topic.
    unmarked: Vec<(Place, Place)>,
}

impl<'a> Replay<'a> {
    fn new(
        letters: &Letters,
        marks: Marks,
        outlet: Outlet<'a>,
        mut counts: Counts,
    ) -> Result<Self, Box<Failure>> {
        let topic = letters.config.source.topic.clone();
        let (reader, partitions) = match &letters.home {
            Home::File(_) => (None, 1),
            Home::Log(log) => (Some(Reader::new(&letters.config)?), partitions(log, &topic)),
        };
        counts.punches = reader.is_some().then_some(0);
        let (kept, ready, unmarked) = (letters.kept(), Vec::new(), Vec::new());
        Ok(Self { counts, marks, kept, outlet, reader, topic, partitions, ready, bytes: 0, unmarked })
    }

    fn take(&mut self, letter: &Letter) -> Result<(), Box<Failure>> {
        let origin = Place::of(&letter.origin);
        if self.reader.is_some() && origin.topic != self.topic {
            self.leave_out(&origin, &format!("it came from another topic than {}", self.topic));
            return Ok(());
        }
        let record = match letter.record(&self.kept) {
            Ok(record) => record,
            Err(error) => {
                self.leave_out(&origin, &error.to_string());
                return Ok(());
            }
        };
        let employee_id = self.reader.as_mut().and_then(|reader| reader.employee_id(record.value.as_deref()));
        let partition = match &employee_id {
            Some(employee_id) => Some(partition_of(employee_id.as_bytes(), self.partitions)),
            None if record.key.is_some() => None,
            // Neither says where: it stays where it was.
            None => Some(Partition::new(origin.partition % self.partitions)),
        };
        self.bytes += record.value.as_ref().map_or(0, Vec::len);
        self.ready.push(Ready { origin, partition, is_punch: employee_id.is_some(), record });
        if self.ready.len() >= RECORDS_MAX || self.bytes >= BYTES_MAX { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Box<Failure>> {
        let ready = std::mem::take(&mut self.ready);
        self.bytes = 0;
        if ready.is_empty() {
            return Ok(());
        }
        let mut landed = Vec::with_capacity(ready.len());
        for (ready, place) in ready.iter().zip(self.outlet.put(&ready)?) {
            match place {
                Ok(place) => {
                    landed.push((ready.origin.clone(), place));
                    self.counts.punches.iter_mut().for_each(|punches| *punches += u64::from(ready.is_punch));
                }
                Err(why) => self.leave_out(&ready.origin, &why),
            }
        }
        self.counts.replayed += landed.len() as u64;
        match &self.outlet {
            Outlet::Nowhere => {}
            Outlet::Topic(_) => self.marks.add(&now(), &landed)?,
            Outlet::File(_) => self.unmarked.append(&mut landed),
        }
        Ok(())
    }

    fn leave_out(&mut self, origin: &Place, why: &str) {
        self.counts.left_out += 1;
        match self.counts.left_out {
            1..=TOLD_MAX => crate::tell(format_args!("{origin}: left out: {why}")),
            n if n == TOLD_MAX + 1 => crate::tell("and more"),
            _ => {}
        }
    }

    fn finish(mut self) -> Result<Counts, Box<Failure>> {
        self.flush()?;
        if let Outlet::File(file) = self.outlet
            && let Some(topic) = file.close(self.unmarked.len())?
        {
            self.unmarked.iter_mut().for_each(|(_, to)| to.topic.clone_from(&topic));
            self.marks.add(&now(), &self.unmarked)?;
        }
        Ok(self.counts)
    }
}

fn now() -> String {
    utc_text((crate::wall_clock())())
}

/// How many partitions the topic of punches has.
fn partitions(log: &LiveLog, topic: &str) -> u32 {
    match log {
        LiveLog::Embedded(log) => log.identity(topic).map_or(1, |found| found.partitions),
        LiveLog::Kafka(log) => log.identity().partitions,
    }
}

/// Tells whether a record is a punch by now.
struct Reader {
    decoders: Arc<dyn Fn() -> Decoder + Send + Sync>,
    decoder: Decoder,
    batch: Batch,
    /// The schema registry, with the runtime that it asks on.
    registry: Option<(Registry, Runtime)>,
}

/// How long a letter's schema is asked for; without it the letter counts as no punch.
const SCHEMA_WAIT: Duration = Duration::from_secs(10);

impl Reader {
    fn new(config: &Config) -> Result<Self, Box<Failure>> {
        let runtime = crate::runtime()?;
        let opened = registry::open(config, runtime.handle())?;
        let decoders = registry::decoders(opened.as_ref(), files::import_options(config)?);
        let registry = opened.map(|opened| (opened, runtime));
        let batch = Batch::new(Partition::new(0), NextOffset::START);
        Ok(Self { decoder: decoders(), decoders, batch, registry })
    }

    fn awaits(&self, id: SchemaId) -> bool {
        self.registry.as_ref().is_some_and(|(registry, _)| registry.await_schema(id, SCHEMA_WAIT))
    }

    /// Whose punch the record is, if it is one.
    fn employee_id(&mut self, value: Option<&[u8]>) -> Option<String> {
        self.batch.clear(Partition::new(0), NextOffset::START);
        let record = RawRecord { offset: Offset::new(0)?, append_time: None, value };
        // A record that breaks the decoder died of that (`internal`): it may do so again.
        let decode = |reader: &mut Self| reader.decoder.decode(record, &mut reader.batch);
        let read = catch_unwind(AssertUnwindSafe(|| match decode(self) {
            Decoded::UnknownSchema(id) if self.awaits(id) => decode(self),
            decoded => decoded,
        }));
        if read.is_err() {
            self.decoder = (self.decoders)();
            return None;
        }
        self.batch.punches.first().map(|punch| self.batch.text(punch.employee_id).to_owned())
    }
}

/// Prints the counts: one JSON object, or a few lines for a person.
fn tell(counts: &Counts, arguments: &ReplayArguments, letters: &Letters) -> Result<(), Box<Failure>> {
    if arguments.json {
        return crate::say(&serde_json::to_string(counts).map_err(Failure::from_outside)?);
    }
    if counts.dropped > 0 {
        crate::say(&format!(
            "{} left out: settled by `muster dlq drop`",
            letters_counted(counts.dropped as usize)
        ))?;
    }
    if counts.letters == 0 {
        return crate::say(&format!("no dead letters of that kind in {}", letters.name()));
    }
    let name = match &arguments.out {
        Some(path) => path.display().to_string(),
        None => format!("topic {}", letters.config.source.topic),
    };
    let done = match (arguments.dry_run, &letters.home) {
        (true, Home::File(_)) => "would be written to a file".to_owned(),
        (true, Home::Log(_)) => format!("would be appended again to {name}"),
        (false, Home::File(_)) => format!("written to {name}"),
        (false, Home::Log(_)) => format!("appended again to {name}"),
    };
    let mut told = format!("{}: {} {done}", letters_counted(counts.letters as usize), counts.replayed);
    if let Some(punches) = counts.punches.filter(|_| counts.replayed > 0) {
        let others = counts.replayed - punches;
        told.push_str(&format!("; {punches} can be read as punches now"));
        if others > 0 {
            told.push_str(&format!(", {others} cannot and will come back as new letters"));
        }
    }
    if counts.left_out > 0 {
        told.push_str(&format!("; {} left out", counts.left_out));
    }
    crate::say(&told)?;
    if counts.replayed_before > 0 {
        let before = counts.replayed_before;
        crate::say(&format!("{before} not replayed: they were before; --again replays them once more"))?;
    }
    if counts.replayed == 0 || arguments.dry_run {
        return Ok(());
    }
    crate::say("replaying twice adds nothing twice: a punch that is there already is found by its identity")?;
    match (&letters.home, &arguments.out) {
        (Home::Log(log), _) if log.is_alone() => {
            crate::say("`muster run` takes them when it is started again")
        }
        (Home::Log(_), _) => crate::say("a running processor takes them as they come"),
        (Home::File(_), _) => {
            let lake = &letters.place.url;
            crate::say(&format!("next: muster replay --lake {lake} {name}, with your configuration"))
        }
    }
}
