//! Where records of dead letters go again: to their topic, or into a new file for `muster replay`.
//!
//! In: records with their origins.  Out: durable records, and where each one landed.  Owns: the appender, or the file.
//! Invariants: an existing file is never written to; no two files of one lake have the same bytes.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use model::{Offset, Partition};
use schemas::lines::header;
use source::{Append, BatchLimits, DeadRecord, FileFormat, FileSource, Header, NewRecord, Source};

use super::place::Place;
use crate::failure::Failure;
use crate::files;

/// A record on its way.
pub(super) struct Ready {
    /// Where it came from.
    pub(super) origin: Place,
    /// Where to; else its key decides.
    pub(super) partition: Option<Partition>,
    /// Whether it is a punch by now.
    pub(super) is_punch: bool,
    /// Itself.
    pub(super) record: DeadRecord,
}

/// Where records go.
pub(super) enum Outlet<'a> {
    /// Nowhere: a dry run's.
    Nowhere,
    /// To the topic they came from.
    Topic(Topic),
    /// Into a file, one a line.
    File(NewFile<'a>),
}

/// Where each record of a portion landed, or why it could not.
type Landed = Vec<Result<Place, String>>;

impl Outlet<'_> {
    /// Makes a portion durable; of a file, once it is closed.
    pub(super) fn put(&mut self, ready: &[Ready]) -> Result<Landed, Box<Failure>> {
        match self {
            Self::Nowhere => Ok(ready.iter().map(|ready| Ok(ready.origin.clone())).collect()),
            Self::Topic(topic) => topic.put(ready),
            Self::File(file) => file.put(ready),
        }
    }
}

/// The topic that the records came from.
pub(super) struct Topic {
    /// Writes to it.
    pub(super) appender: Box<dyn Append>,
    /// Its name.
    pub(super) topic: String,
}

impl Topic {
    fn put(&mut self, ready: &[Ready]) -> Result<Landed, Box<Failure>> {
        match self.append(ready) {
            Ok(landed) => return Ok(landed.into_iter().map(Ok).collect()),
            Err(error) if error.kind() == source::ErrorKind::TooLarge => {}
            Err(error) => return Err(files::failure(error)),
        }
        // With the header that names its origin some record is more than the topic takes: one by one.
        let mut landed = Vec::with_capacity(ready.len());
        for one in ready.chunks(1) {
            landed.push(match self.append(one) {
                Ok(mut places) => {
                    places.pop().ok_or_else(|| "the log did not say where it landed".to_owned())
                }
                Err(error) if error.kind() == source::ErrorKind::TooLarge => {
                    Err(format!("{error}: raise max.message.bytes of topic {}", self.topic))
                }
                Err(error) => return Err(files::failure(error)),
            });
        }
        Ok(landed)
    }

    fn append(&mut self, ready: &[Ready]) -> Result<Vec<Place>, source::Error> {
        let origins: Vec<String> = ready.iter().map(|ready| ready.origin.to_string()).collect();
        let headers: Vec<Vec<Header<'_>>> = ready
            .iter()
            .zip(&origins)
            .map(|(ready, origin)| {
                let mut headers = ready.record.headers();
                headers.push((header::ORIGIN, Some(origin.as_bytes())));
                headers
            })
            .collect();
        let records: Vec<NewRecord<'_>> = ready
            .iter()
            .zip(&headers)
            .map(|(ready, headers)| NewRecord {
                key: ready.record.key.as_deref(),
                value: ready.record.value.as_deref(),
                headers,
                partition: ready.partition,
            })
            .collect();
        let landed = self.appender.append(&self.topic, &records)?;
        let place = |(partition, offset): (Partition, Offset)| Place {
            topic: self.topic.clone(),
            partition: partition.number(),
            offset: offset.get(),
        };
        Ok(landed.into_iter().map(place).collect())
    }
}

/// A file for `muster replay`.
pub(super) struct NewFile<'a> {
    path: &'a Path,
    file: File,
    lines: i64,
}

impl<'a> NewFile<'a> {
    /// Makes the file. A file is known by the hash of its bytes, and one that was read adds nothing when it is read
    /// again: so it begins with an empty line for each file that was written before it.
    pub(super) fn create(path: &'a Path, files_before: usize) -> Result<Self, Box<Failure>> {
        let failed = |error: std::io::Error| {
            let what = format!("make {}: {error}", path.display());
            Box::new(Failure::usage(what, "name a new file in a folder that takes it"))
        };
        let mut file = File::options().write(true).create_new(true).open(path).map_err(failed)?;
        file.write_all("\n".repeat(files_before).as_bytes()).map_err(failed)?;
        Ok(Self { path, file, lines: files_before as i64 })
    }

    fn put(&mut self, ready: &[Ready]) -> Result<Landed, Box<Failure>> {
        let (mut bytes, mut landed) = (Vec::new(), Vec::with_capacity(ready.len()));
        for ready in ready {
            landed.push(match ready.record.value.as_deref() {
                None => Err("it has no value, and a line of a file has one".to_owned()),
                Some(value) if value.contains(&b'\n') || value.trim_ascii().is_empty() => {
                    Err("its bytes are no single line of a file".to_owned())
                }
                Some(value) => {
                    bytes.extend_from_slice(value);
                    bytes.push(b'\n');
                    self.lines += 1;
                    Ok(Place { topic: String::new(), partition: 0, offset: self.lines - 1 })
                }
            });
        }
        self.file.write_all(&bytes).map_err(|error| self.failed(&error))?;
        Ok(landed)
    }

    /// Makes the file durable and says which topic it is to whoever reads it; a file without records goes away again.
    pub(super) fn close(self, records: usize) -> Result<Option<String>, Box<Failure>> {
        if records == 0 {
            std::fs::remove_file(self.path).map_err(|error| self.failed(&error))?;
            return Ok(None);
        }
        self.file.sync_all().map_err(|error| self.failed(&error))?;
        let source = FileSource::open(self.path, Some(FileFormat::Ndjson), BatchLimits::default());
        Ok(Some(source.map_err(files::failure)?.identity().topic.clone()))
    }

    fn failed(&self, error: &std::io::Error) -> Box<Failure> {
        let what = format!("write {}: {error}", self.path.display());
        Box::new(Failure::outside(what, "free some space, remove the file, and run the same command again"))
    }
}
