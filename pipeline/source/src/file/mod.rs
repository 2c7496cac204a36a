//! A file as a log of its own: topic `file:<id>`, one partition, the offset is the line number; in documents of JSON,
//! whose lines say nothing, and in Arrow files the number of the record.
//!
//! In: a file of punches.  Out: its records in order.  Owns: the open file.
//! Absent on purpose: append times (a file has none), following a file that grows, compressed files.
//! Invariants: the id is a hash of the bytes that are read, so the same file under another name is the same log; a line
//! that is no record (blank, header, inside a quoted field) is no gap either, because nothing is missing; a file that
//! changed while it was read stops the replay, because its id no longer names what was read.

mod cutter;
mod documents;
mod format;
mod framing;
mod rows;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use model::{LogId, NextOffset, Offset, Partition};
use sha2::{Digest, Sha256};

use crate::error::{Error, ErrorKind};
use crate::log::{BatchLimits, LogIdentity, Polled, Source, StartAt};
use crate::raw_batch::{RawBatch, RawHeaders};

use cutter::Cutter;
use format::START_BYTES;
use framing::Place;

pub use format::FileFormat;
pub use framing::{LINE_BYTES_MAX, RECORD_LINES_MAX};

/// The header that tells the whole length of a record of which only the first [`LINE_BYTES_MAX`] bytes are kept.
pub const VALUE_BYTES_HEADER: &str = "muster.value_bytes";

/// The header that tells on which line of the file, counted from 1, a record of a document begins.
pub const LINE_HEADER: &str = "muster.line";

/// The only partition of a file.
const PARTITION: Partition = Partition::new(0);

/// A file, read as a log.
pub struct FileSource {
    path: PathBuf,
    identity: LogIdentity,
    format: FileFormat,
    header: Option<Vec<u8>>,
    limits: BatchLimits,
    framing: Cutter,
    modified: Option<SystemTime>,
    /// Where the first record begins: behind the header, if there is one.
    first: Place,
    state: State,
    is_paused: bool,
    record: Vec<u8>,
    headers: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Unannounced,
    Assigned,
    Started,
    Ended,
}

impl FileSource {
    /// Opens the file at `path`, hashes it, and reads its header if it has one. Without a `format` the file tells it
    /// ([`FileFormat::detect`]).
    ///
    /// # Errors
    /// `Io` if it cannot be read; `FileChanged` if it shrinks meanwhile.
    pub fn open(path: &Path, format: Option<FileFormat>, limits: BatchLimits) -> Result<Self, Error> {
        let failed = |error| Error::io(&format!("read file {}", path.display()), error);
        let mut file = File::open(path).map_err(failed)?;
        let modified = file.metadata().and_then(|found| found.modified()).ok();
        let hashed = hash(&mut file).map_err(failed)?;
        let format = format.unwrap_or_else(|| FileFormat::detect(path, &hashed.start));
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let mut framing = Cutter::new(file, hashed.bytes, format).map_err(failed)?;
        let mut record = Vec::new();
        let has_header = format.is_csv() && framing.next_record(&mut record).map_err(failed)?.is_some();
        let header = has_header.then(|| std::mem::take(&mut record));
        let topic = format!("file:{}", hashed.id);
        let log_id = LogId::new(&topic).expect("`file:` and hex digits make a log id");
        Ok(Self {
            path: path.to_owned(),
            identity: LogIdentity { topic, log_id, partitions: 1 },
            format,
            header,
            limits,
            modified,
            first: framing.place(),
            framing,
            state: State::Unannounced,
            is_paused: false,
            record,
            headers: Vec::new(),
        })
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How the file is cut into records.
    pub const fn format(&self) -> FileFormat {
        self.format
    }

    /// The record that names the columns, as it stands in the file: of a CSV file that is not empty.
    pub fn header(&self) -> Option<&[u8]> {
        self.header.as_deref()
    }

    /// The file's length in bytes, and how many of them have been read: for progress bars.
    pub fn progress(&self) -> (u64, u64) {
        (self.framing.end(), self.framing.place().byte)
    }

    fn failed(&self) -> impl Fn(std::io::Error) -> Error + use<> {
        let doing = format!("read file {}", self.path.display());
        move |error| Error::io(&doing, error)
    }

    fn fill(&mut self, into: &mut RawBatch) -> std::io::Result<()> {
        into.begin(PARTITION, position(self.framing.place().line));
        if let Cutter::Rows(rows) = &mut self.framing {
            return rows.fill(into, self.limits);
        }
        while into.records() < self.limits.records_max.max(1) && into.bytes() < self.limits.bytes_max.max(1) {
            let Some(framed) = self.framing.next_record(&mut self.record)? else { break };
            self.headers.clear();
            if framed.omitted > 0 {
                let bytes = (self.record.len() as u64 + framed.omitted).to_string();
                RawHeaders::encode(&[(VALUE_BYTES_HEADER, Some(bytes.as_bytes()))], &mut self.headers);
            }
            if let Some(line) = framed.text_line {
                let line = (line + 1).to_string();
                RawHeaders::encode(&[(LINE_HEADER, Some(line.as_bytes()))], &mut self.headers);
            }
            let headers = RawHeaders::from_encoded(&self.headers).expect("what encode wrote reads back");
            into.push(offset(framed.line), None, None, Some(&self.record), headers);
        }
        into.pass_to(position(self.framing.place().line));
        Ok(())
    }

    /// Stands at `line`, or at the file's end if it has fewer lines.
    fn go_to(&mut self, line: u64) -> std::io::Result<()> {
        if line < self.framing.place().line {
            self.framing.seek(self.first)?;
        }
        self.framing.skip_to(line)
    }

    fn check_unchanged(&self) -> Result<(), Error> {
        let now = self.framing.metadata().map_err(self.failed())?;
        if now.len() == self.framing.end() && now.modified().ok() == self.modified {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::FileChanged,
            format!(
                "read file {}: it changed while it was read: replay it again when it is complete",
                self.path.display()
            ),
        ))
    }
}

impl Source for FileSource {
    fn identity(&self) -> &LogIdentity {
        &self.identity
    }

    fn start(&mut self, positions: &[(Partition, NextOffset)]) -> Result<(), Error> {
        for (partition, next) in positions {
            let unit = self.format.unit();
            let doing = format!("start file {} at {unit} {}", self.path.display(), next.get());
            if *partition != PARTITION || self.state == State::Unannounced {
                let text = format!("{doing}: partition {partition} is not assigned");
                return Err(Error::new(ErrorKind::NotAssigned, text));
            }
            let line = next.get() as u64;
            self.go_to(line).map_err(|error| Error::io(&doing, error))?;
            let lines = self.framing.place().line;
            if lines < line {
                let text = format!("{doing}: it has {lines} {unit}s");
                return Err(Error::new(ErrorKind::BeyondEnd, text));
            }
            self.state = State::Started;
        }
        Ok(())
    }

    fn locate(&mut self, partition: Partition, at: StartAt) -> Result<NextOffset, Error> {
        if partition != PARTITION {
            let text = format!("file {} has no partition {partition}", self.path.display());
            return Err(Error::new(ErrorKind::UnknownPartition, text));
        }
        match at {
            // Without append times every line may be as late as asked for.
            StartAt::Earliest | StartAt::Time(_) => Ok(NextOffset::START),
            StartAt::Latest => {
                let place = self.framing.place();
                let mut count = || {
                    self.framing.skip_to(u64::MAX)?;
                    let lines = self.framing.place().line;
                    self.framing.seek(place)?;
                    Ok(position(lines))
                };
                count().map_err(|error| Error::io(&format!("read file {}", self.path.display()), error))
            }
        }
    }

    fn poll(&mut self, wait: Duration, into: &mut RawBatch) -> Result<Polled, Error> {
        into.begin(PARTITION, NextOffset::START);
        match self.state {
            State::Unannounced => {
                self.state = State::Assigned;
                return Ok(Polled::Assigned(vec![PARTITION]));
            }
            State::Started if !self.is_paused => {}
            State::Started | State::Assigned | State::Ended => {
                std::thread::sleep(wait);
                return Ok(Polled::Idle);
            }
        }
        let place = self.framing.place();
        if let Err(error) = self.fill(into) {
            into.begin(PARTITION, position(place.line));
            return Err(self.failed()(error));
        }
        if into.records() > 0 {
            return Ok(Polled::Batch);
        }
        self.check_unchanged()?;
        self.state = State::Ended;
        Ok(Polled::Ended(PARTITION))
    }

    fn pause(&mut self, partition: Partition) {
        self.is_paused |= partition == PARTITION;
    }

    fn resume(&mut self, partition: Partition) {
        self.is_paused &= partition != PARTITION;
    }

    fn commit_hint(&mut self, _positions: &[(Partition, NextOffset)]) {
        // Nobody but the replay itself asks how far a file has been read.
    }
}

fn position(line: u64) -> NextOffset {
    NextOffset::new(line as i64).expect("a file has fewer than 2^63 lines")
}

fn offset(line: u64) -> Offset {
    Offset::new(line as i64).expect("a file has fewer than 2^63 lines")
}

struct Hashed {
    /// The first 16 hex digits of the SHA-256 of all bytes.
    id: String,
    bytes: u64,
    /// The first bytes, to know the format by.
    start: Vec<u8>,
}

fn hash(file: &mut File) -> std::io::Result<Hashed> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let (mut bytes, mut start) = (0, Vec::new());
    loop {
        let read = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if start.len() < START_BYTES {
            start.extend_from_slice(&buffer[..read.min(START_BYTES - start.len())]);
        }
        hasher.update(&buffer[..read]);
        bytes += read as u64;
    }
    let id = hasher.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    Ok(Hashed { id, bytes, start })
}
