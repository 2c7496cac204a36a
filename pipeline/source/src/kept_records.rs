//! Records too large for the dead-letter topic: kept as files beside the lake, named by their origin.
//!
//! In: a record's bytes.  Out: a durable file, and what the letter says of it.  Owns: a folder.
//! Absent on purpose: tidying up: a letter may point at a file for as long as the topic keeps letters.
//! Invariants: a file under its final name is whole and synced; the same origin writes the same file again.
//! Why so: the frontier may pass a record only behind its letter, so a record that no letter can carry would stop its
//! partition for ever.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use schemas::lines::DeadLetterLine;
use sha2::{Digest, Sha256};

use crate::dead_letter::{DeadLetter, RecordOrigin};
use crate::error::{Error, ErrorKind};
use crate::folder;
use crate::letter::Kept;

/// The most bytes of a record that a broker takes by default, its frame included (`max.message.bytes`).
pub const RECORD_BYTES_MAX: usize = 1_048_588;

/// What a record costs beside its key, value and headers: the frame of a batch of one, and lengths.
const FRAME_BYTES: usize = 96;

/// What a header costs beside its name and value.
const HEADER_BYTES: usize = 10;

/// The ending of a file that keeps a whole letter, because its key or headers are too large as well.
const WHOLE: &str = ".letter.ndjson";

/// Keeps records that are too large for the dead-letter topic.
#[derive(Clone, Debug)]
pub struct KeptRecords {
    folder: PathBuf,
    record_bytes_max: usize,
}

impl KeptRecords {
    /// Keeps in `folder`, which is made when it is needed, what is above `record_bytes_max`: the dead-letter topic's
    /// `max.message.bytes` ([`RECORD_BYTES_MAX`] where nobody knows).
    pub fn new(folder: &Path, record_bytes_max: usize) -> Self {
        Self { folder: folder.to_owned(), record_bytes_max }
    }

    /// Where the files are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether a letter with these bytes is too large to be appended.
    pub(crate) fn is_too_large(&self, bytes: usize) -> bool {
        bytes > self.record_bytes_max
    }

    /// Keeps the letter's record; a letter in its place says where.
    ///
    /// # Errors
    /// `Retry` if the disk is full, `Stop` else.
    pub(crate) fn keep(&self, letter: &DeadLetter<'_>) -> Result<Kept, Error> {
        let value = letter.value.as_deref().unwrap_or_default();
        let mut rest = letter.clone();
        rest.value = None;
        let name = file_name(&letter.origin);
        let kept = |file| Kept { file, size: value.len() as u64, sha256: hash(value) };
        if self.is_too_large(bytes_of(&rest)) {
            let kept = kept(format!("{name}{WHOLE}"));
            let doing = || format!("keep dead letter {name}");
            let mut line = serde_json::to_vec(&letter.line()).map_err(|e| Error::io(&doing(), e.into()))?;
            line.push(b'\n');
            self.write(&kept.file, &line)?;
            return Ok(kept);
        }
        let kept = kept(name);
        self.write(&kept.file, value)?;
        Ok(kept)
    }

    /// The record's value that `kept` speaks of.
    ///
    /// # Errors
    /// `DamagedLetter` if the file is gone, or holds other bytes.
    pub fn read(&self, kept: &Kept) -> Result<Vec<u8>, Error> {
        Ok(self.read_parts(kept)?.0)
    }

    /// The value, and the whole letter's line if that was kept.
    pub(crate) fn read_parts(&self, kept: &Kept) -> Result<(Vec<u8>, Option<DeadLetterLine>), Error> {
        let path = self.folder.join(&kept.file);
        let damaged = |what: String| Error::new(ErrorKind::DamagedLetter, what);
        if kept.file.contains('/') || kept.file.starts_with('.') {
            return Err(damaged(format!("kept record {:?}: no name of a kept record", kept.file)));
        }
        let bytes = std::fs::read(&path).map_err(|error| {
            Error::caused(ErrorKind::DamagedLetter, &format!("read kept record {}", path.display()), error)
        })?;
        let line: Option<DeadLetterLine> =
            if kept.is_whole_letter() { serde_json::from_slice(&bytes).ok() } else { None };
        let value = match &line {
            Some(line) => line.value_bytes().flatten().unwrap_or_default(),
            None => bytes,
        };
        if value.len() as u64 != kept.size || hash(&value) != kept.sha256 {
            return Err(damaged(format!(
                "kept record {}: it is not the one that was kept: it has {} bytes, then {}, or another hash: restore it",
                path.display(),
                value.len(),
                kept.size
            )));
        }
        Ok((value, line))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let path = self.folder.join(name);
        let failed = |error| Error::io(&format!("keep record {}", path.display()), error);
        std::fs::create_dir_all(&self.folder).map_err(failed)?;
        folder::sync_parent(&self.folder)?;
        let unfinished = self.folder.join(format!(".{name}.{}", std::process::id()));
        let write = || {
            let mut file = File::create(&unfinished)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            std::fs::rename(&unfinished, &path)
        };
        write().map_err(|error| {
            let _ = std::fs::remove_file(&unfinished);
            failed(error)
        })?;
        folder::sync(&self.folder)
    }
}

impl Kept {
    /// Whether the file keeps the letter whole, key and headers too, and not only the value.
    pub(crate) fn is_whole_letter(&self) -> bool {
        self.file.ends_with(WHOLE)
    }
}

/// What the letter costs as a record of its topic, uncompressed.
pub(crate) fn bytes_of(letter: &DeadLetter<'_>) -> usize {
    let own: usize = letter
        .headers
        .iter()
        .map(|(name, value)| name.len() + value.map_or(0, <[u8]>::len) + HEADER_BYTES)
        .sum();
    let added: usize =
        letter.added_headers().iter().map(|(name, value)| name.len() + value.len() + HEADER_BYTES).sum();
    letter.key.map_or(0, <[u8]>::len)
        + letter.value.as_deref().map_or(0, <[u8]>::len)
        + own
        + added
        + FRAME_BYTES
}

/// A file's name that only this origin has.
fn file_name(origin: &RecordOrigin<'_>) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':');
    let topic: String = origin.topic.chars().map(|c| if fits(c) { c } else { '_' }).collect();
    format!("{}.{}.{}", topic.trim_start_matches('.'), origin.partition, origin.offset.get())
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
