//! Where dead letters are, how all of them are read, and what is known of each without its bytes.
//!
//! In: the configuration, or a lake.  Out: letters one by one; an index of them by origin.  Owns: the open log.
//! Absent on purpose: letters in memory: they are read once for the index and once more for their bytes, because a
//! topic may hold more bytes than a machine.
//! Invariants: an origin is in the index once; of two letters about one origin the later one holds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use model::{EventTime, NextOffset};
use schemas::lines::header;
use serde::Deserialize;
use source::dead_letter::topic_of;
use source::{Content, ErrorKind, KeptRecords, Letter, Polled, RawBatch, Source};

use super::Where;
use super::drops::{Drop, Drops};
use super::marks::Marks;
use super::place::{self, Place};
use crate::commands::load;
use crate::config::{Config, SourceKind};
use crate::failure::Failure;
use crate::files;
use crate::lake_place::LakePlace;
use crate::live_log::{LiveLog, Manner};

/// How long one poll waits.
const POLL_WAIT: Duration = Duration::from_millis(100);

/// How many polls may find nothing before the log is held to be silent: half a minute.
const IDLE_POLLS_MAX: u32 = 300;

/// The letters of one log or lake.
pub(super) struct Letters {
    /// The configuration, or its defaults.
    pub(super) config: Config,
    /// Where they are.
    pub(super) home: Home,
    /// The lake.
    pub(super) place: LakePlace,
    /// The folder beside it, or the lake's own; none if there is no lake.
    beside: Option<PathBuf>,
}

/// Where letters are.
pub(super) enum Home {
    /// In the dead-letter topic of this log.
    Log(LiveLog),
    /// In this file of a lake of replays.
    File(PathBuf),
}

/// What reading all letters came upon beside them.
#[derive(Default)]
pub(super) struct Damaged {
    /// How many records are no letters.
    pub(super) count: u64,
    first: String,
}

impl Letters {
    /// Opens the log or the file.
    pub(super) fn open(home: &Where) -> Result<Self, Box<Failure>> {
        let config = load::config(home.config.as_deref())?;
        let place = LakePlace::of(&config, home.lake.as_deref())?;
        let beside = beside(&place)?;
        let file = beside.as_deref().map(files::letters_file).filter(|file| file.is_file());
        let home = match (file, &home.lake) {
            // Only replays make this file, and a lake is theirs or a live log's, never both's.
            (Some(file), _) => Home::File(file),
            (None, None) => Home::Log(open_log(&config)?),
            (None, Some(place)) => {
                return Err(Box::new(Failure::usage(
                    format!("{place}: no dead letters of replays there (dead_letters.ndjson)"),
                    "name a lake that replays filled; a live log's letters are in its topic: name its \
                     configuration with -c",
                )));
            }
        };
        Ok(Self { config, home, place, beside })
    }

    /// What the letters lie in, for a person.
    pub(super) fn name(&self) -> String {
        match &self.home {
            Home::Log(_) => format!("topic {}", topic_of(&self.config.source.topic)),
            Home::File(path) => path.display().to_string(),
        }
    }

    /// What was replayed.
    pub(super) fn marks(&self) -> Option<Marks> {
        self.beside.as_deref().map(Marks::of)
    }

    /// What was settled without a replay.
    pub(super) fn drops(&self) -> Option<Drops> {
        self.beside.as_deref().map(Drops::of)
    }

    /// Where the bytes of letters are that could not carry them.
    pub(super) fn kept(&self) -> KeptRecords {
        let beside = self.beside.clone().unwrap_or_else(|| PathBuf::from(&self.place.url));
        KeptRecords::new(&files::kept_records_dir(&beside), source::RECORD_BYTES_MAX)
    }

    /// Gives every letter to `take`, repeats of one origin included, in the order in which they stand.
    pub(super) fn visit(
        &self,
        take: &mut dyn FnMut(Letter) -> Result<(), Box<Failure>>,
    ) -> Result<Damaged, Box<Failure>> {
        let topic = topic_of(&self.config.source.topic);
        match &self.home {
            Home::File(path) => {
                let mut damaged = Damaged::default();
                for letter in Letter::read_file(path).map_err(files::failure)? {
                    match letter {
                        Ok(letter) => take(letter)?,
                        Err(error) => damaged.note(&error),
                    }
                }
                Ok(damaged)
            }
            // To open a topic of the embedded log for reading makes it.
            Home::Log(LiveLog::Embedded(log)) if log.identity(&topic).is_none() => Ok(Damaged::default()),
            Home::Log(log) => match log.reader(&topic) {
                Ok(mut source) => visit_topic(&mut *source, take),
                // `muster run` has not made it yet.
                Err(error) if error.kind() == ErrorKind::UnknownTopic => Ok(Damaged::default()),
                Err(error) => Err(files::failure(error)),
            },
        }
    }

    /// What is known of each letter, by origin.
    pub(super) fn index(&self) -> Result<Index, Box<Failure>> {
        let mut letters = BTreeMap::new();
        let damaged = self.visit(&mut |letter| {
            letters.insert(Place::of(&letter.origin), Known::of(&letter));
            Ok(())
        })?;
        damaged.tell(&self.name());
        let marks = self.marks().map(|marks| marks.read()).transpose()?.unwrap_or_default();
        let files = Marks::files(&marks);
        let mut came_back: Vec<(Place, Place)> = Vec::new();
        for (place, known) in &letters {
            // Its own headers name each place it was replayed from; the last one that is a letter is the nearest.
            let nearest = known.from.iter().rev().find(|from| letters.contains_key(*from));
            came_back.extend(nearest.map(|from| (from.clone(), place.clone())));
        }
        for (place, drop) in self.drops().map(|drops| drops.read()).transpose()?.unwrap_or_default() {
            if let Some(known) = letters.get_mut(&place) {
                known.dropped = Some(drop);
            }
        }
        let mut index = Index { letters, files };
        for (origin, landed) in marks {
            for (to, at) in landed {
                // A file has no headers: only its marks say where its records came from.
                if let Some(back) = index.letters.get_mut(&to).filter(|back| back.from.is_empty()) {
                    back.from.push(origin.clone());
                }
                index.note(&origin, to, Some(at));
            }
        }
        came_back.into_iter().for_each(|(from, to)| index.note(&from, to, None));
        Ok(index)
    }
}

impl Damaged {
    fn note(&mut self, error: &source::Error) {
        if self.count == 0 {
            self.first = error.to_string();
        }
        self.count += 1;
    }

    /// Says so on standard error.
    fn tell(&self, name: &str) {
        if self.count > 0 {
            let count = crate::counted(self.count, "record is no dead letter", "records are no dead letters");
            crate::tell(format_args!("{name}: {count} and left out; the first: {}", self.first));
        }
    }
}

/// All letters by origin.
pub(super) struct Index {
    /// By origin.
    pub(super) letters: BTreeMap<Place, Known>,
    /// How many files were written for `muster replay` before.
    pub(super) files: usize,
}

impl Index {
    fn note(&mut self, origin: &Place, to: Place, at: Option<String>) {
        if let Some(known) = self.letters.get_mut(origin) {
            let noted = known.replayed.entry(to).or_default();
            *noted = noted.take().or(at);
        }
    }

    /// The one letter that `place` means.
    ///
    /// # Errors
    /// There is none; or there are several, of files.
    pub(super) fn one(&self, place: &Place, name: &str) -> Result<&Place, Box<Failure>> {
        let mut found = self.letters.keys().filter(|known| place.means(known));
        match (found.next(), found.next()) {
            (Some(one), None) => Ok(one),
            (None, _) => Err(Box::new(Failure::usage(
                format!("no dead letter of {place} in {name}"),
                "`muster dlq list` names those that are there",
            ))),
            (Some(one), Some(other)) => Err(Box::new(Failure::usage(
                format!("{place} may be {one} or {other}"),
                "name the topic, too",
            ))),
        }
    }
}

/// What is known of a letter without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// When the log took the record.
    pub(super) time: Option<EventTime>,
    /// The step that refused it.
    pub(super) stage: String,
    /// The code.
    pub(super) code: String,
    /// What exactly.
    pub(super) message: String,
    /// The record's key.
    pub(super) key: Option<Vec<u8>>,
    /// Whom the record names, where that can be read.
    pub(super) employee_id: Option<String>,
    /// Bytes of the record's value; none if it has no value.
    pub(super) bytes: Option<u64>,
    /// Whether they are in a file beside the lake.
    pub(super) is_kept: bool,
    /// The places it was replayed from, the first one first.
    pub(super) from: Vec<Place>,
    /// Where it was replayed to, and when if that is known.
    pub(super) replayed: BTreeMap<Place, Option<String>>,
    /// Who settled it without a replay, when and why.
    pub(super) dropped: Option<Drop>,
}

/// What of a punch is of interest here; a record that is none may still have it.
#[derive(Deserialize)]
struct Person {
    employee_id: String,
}

impl Known {
    fn of(letter: &Letter) -> Self {
        let (bytes, is_kept, person) = match &letter.content {
            Content::Bytes(value) => {
                let person = value.as_deref().and_then(|value| serde_json::from_slice::<Person>(value).ok());
                (value.as_ref().map(|value| value.len() as u64), false, person)
            }
            Content::Kept(kept) => (Some(kept.size), true, None),
        };
        Self {
            time: letter.origin.timestamp,
            stage: letter.stage.clone(),
            code: letter.code.clone(),
            message: letter.message.clone(),
            key: letter.key.clone(),
            employee_id: person.map(|person| person.employee_id),
            bytes,
            is_kept,
            from: origins(letter),
            replayed: BTreeMap::new(),
            dropped: None,
        }
    }

    /// Whether the record is about this person, as far as can be seen.
    pub(super) fn is_of(&self, employee_id: &str) -> bool {
        self.key.as_deref() == Some(employee_id.as_bytes())
            || self.employee_id.as_deref() == Some(employee_id)
    }
}

/// The places that the record was appended again from, as its headers say.
fn origins(letter: &Letter) -> Vec<Place> {
    let named = letter.headers.iter().filter(|(name, _)| name == header::ORIGIN);
    let text = named.filter_map(|(_, value)| std::str::from_utf8(value.as_deref()?).ok());
    text.filter_map(|text| place::parse(text).ok()).collect()
}

/// The folder beside the lake; none if there is no lake. A remote lake itself is not asked: its letters are not there.
fn beside(place: &LakePlace) -> Result<Option<PathBuf>, Box<Failure>> {
    if let Some(beside) = place.remote_beside() {
        return Ok(Some(beside));
    }
    let runtime = crate::runtime()?;
    match runtime.block_on(place.open_existing()) {
        Ok(lake) => Ok(Some(place.beside(&lake))),
        Err(error) if error.kind() == lake::ErrorKind::NoLake => Ok(None),
        Err(error) => Err(Box::new(Failure::from_outside(error))),
    }
}

fn open_log(config: &Config) -> Result<LiveLog, Box<Failure>> {
    if config.source.kind == SourceKind::Embedded && !config.source.dir.join("log.sqlite").is_file() {
        return Err(Box::new(Failure::usage(
            format!(
                "no log in {}, and no dead letters of replays in {}",
                config.source.dir.display(),
                config.lake.url
            ),
            "name the configuration of a log that was read, or with --lake a lake that replays filled",
        )));
    }
    LiveLog::open(config, Manner::Speaks)
}

/// Reads a topic from its beginning to its present end.
fn visit_topic(
    source: &mut dyn Source,
    take: &mut dyn FnMut(Letter) -> Result<(), Box<Failure>>,
) -> Result<Damaged, Box<Failure>> {
    let (mut batch, mut damaged) = (RawBatch::new(), Damaged::default());
    let mut open = None;
    let mut idle = 0;
    while open.as_ref().is_none_or(|open: &BTreeSet<_>| !open.is_empty()) {
        match source.poll(POLL_WAIT, &mut batch).map_err(files::failure)? {
            Polled::Assigned(partitions) => {
                let starts: Vec<_> = partitions.iter().map(|p| (*p, NextOffset::START)).collect();
                source.start(&starts).map_err(files::failure)?;
                open = Some(partitions.into_iter().collect());
            }
            Polled::Batch => {
                idle = 0;
                for entry in batch.iter() {
                    match Letter::read(&entry) {
                        Ok(letter) => take(letter)?,
                        Err(error) => damaged.note(&error),
                    }
                }
            }
            Polled::CaughtUp { partition, .. } => {
                source.pause(partition);
                if let Some(open) = &mut open {
                    open.remove(&partition);
                }
            }
            Polled::Idle if idle < IDLE_POLLS_MAX => idle += 1,
            Polled::Idle => {
                let what = format!("read topic {}: it was silent before its end", source.identity().topic);
                return Err(Box::new(Failure::outside(
                    what,
                    "see whether the brokers are well, and try again",
                )));
            }
            _ => {}
        }
    }
    Ok(damaged)
}
