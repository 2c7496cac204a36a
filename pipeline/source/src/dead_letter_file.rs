//! The dead letters of replays: `<lake>/dead_letters.ndjson`, a letter a line, each origin once.
//!
//! In: letters of a batch.  Out: lines, durable when `append` returns.  Owns: the open file, the origins it holds.
//! Absent on purpose: rotation: a replay's file is as long as its input is bad.
//! Invariants: the file ends with a whole line after `open` and after every `append`, failed ones included; no origin is
//! in it twice, so a replay that was killed and starts again adds nothing twice.
//! Why so: origins are kept as ranges, because bad records come in runs (an all-bad file is one range).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use schemas::lines::DeadLetterLine;

use crate::dead_letter::DeadLetter;
use crate::error::{Error, ErrorKind};
use crate::folder;

/// Room for what a line holds beside its value.
const LINE_ROOM: usize = 1_024;

/// Dead letters in a file.
pub struct DeadLetterFile {
    path: PathBuf,
    file: File,
    bytes: u64,
    origins: Origins,
}

impl DeadLetterFile {
    /// Opens the file at `path`, makes it and its folder if absent, cuts a torn last line off, and reads which origins it holds.
    ///
    /// # Errors
    /// `ForeignDeadLetter` if a whole line is no dead letter; `DiskFull`, `Io`.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let failed = |error| Error::io(&format!("open dead letters {}", path.display()), error);
        let is_new = !path.exists();
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let mut file =
            File::options().read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
        if is_new {
            folder::sync_parent(path)?;
        }
        let (bytes, origins) = load(&mut file, path)?;
        if file.metadata().map_err(failed)?.len() > bytes {
            tracing::warn!(path = %path.display(), bytes, "a torn last line of the dead letters was cut off");
            file.set_len(bytes).map_err(failed)?;
            file.sync_data().map_err(failed)?;
        }
        file.seek(SeekFrom::Start(bytes)).map_err(failed)?;
        Ok(Self { path: path.to_owned(), file, bytes, origins })
    }

    /// How many letters the file holds.
    pub fn letters(&self) -> u64 {
        self.origins.count
    }

    /// Adds the letters whose origin the file does not hold yet and returns how many those were. They are durable when
    /// this returns.
    ///
    /// # Errors
    /// `Retry` if the disk is full, `Stop` else; the file holds none of them then.
    pub fn append(&mut self, letters: &[DeadLetter<'_>]) -> Result<usize, Error> {
        let failed = |error| Error::io(&format!("append dead letters to {}", self.path.display()), error);
        // Base64 takes four bytes for three; a line that outgrows its room is only slower.
        let room =
            |letter: &DeadLetter<'_>| letter.value.as_deref().map_or(0, <[u8]>::len) / 3 * 4 + LINE_ROOM;
        let mut lines = Vec::with_capacity(letters.iter().map(room).sum());
        let mut fresh = BTreeSet::new();
        for letter in letters {
            let origin = letter.origin;
            let origin = (origin.topic, origin.partition.number(), origin.offset.get());
            if self.origins.holds(origin) || !fresh.insert(origin) {
                continue;
            }
            serde_json::to_writer(&mut lines, &letter.line()).map_err(|error| failed(error.into()))?;
            lines.push(b'\n');
        }
        if fresh.is_empty() {
            return Ok(0);
        }
        if let Err(error) = self.file.write_all(&lines).and_then(|()| self.file.sync_data()) {
            // What was written in part must not stay; if this fails too, the next `open` cuts it off.
            let _ = self.file.set_len(self.bytes).and_then(|()| self.file.seek(SeekFrom::Start(self.bytes)));
            return Err(failed(error));
        }
        self.bytes += lines.len() as u64;
        for (topic, partition, offset) in &fresh {
            self.origins.add(topic, *partition, *offset);
        }
        Ok(fresh.len())
    }
}

/// Reads the letters; returns the length of all whole lines and their origins.
fn load(file: &mut File, path: &Path) -> Result<(u64, Origins), Error> {
    let failed = |error| Error::io(&format!("read dead letters {}", path.display()), error);
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    let mut reader = BufReader::new(&mut *file);
    let (mut bytes, mut origins, mut line) = (0, Origins::default(), Vec::new());
    for number in 1_u64.. {
        line.clear();
        reader.read_until(b'\n', &mut line).map_err(failed)?;
        if line.last() != Some(&b'\n') {
            break;
        }
        let letter: Option<DeadLetterLine> = serde_json::from_slice(&line).ok();
        let Some((topic, partition, offset)) = letter.as_ref().and_then(DeadLetterLine::origin) else {
            return Err(Error::new(
                ErrorKind::ForeignDeadLetter,
                format!(
                    "{} line {number}: no dead letter: move the file away, or mend the line",
                    path.display()
                ),
            ));
        };
        origins.add(topic, partition, offset);
        bytes += line.len() as u64;
    }
    Ok((bytes, origins))
}

/// Which (topic, partition, offset) there are, as ranges.
#[derive(Default)]
struct Origins {
    /// By topic and partition: first offset → offset behind the last.
    ranges: HashMap<String, HashMap<u32, BTreeMap<i64, i64>>>,
    count: u64,
}

impl Origins {
    fn holds(&self, (topic, partition, offset): (&str, u32, i64)) -> bool {
        let ranges = self.ranges.get(topic).and_then(|found| found.get(&partition));
        ranges
            .and_then(|ranges| ranges.range(..=offset).next_back())
            .is_some_and(|(_, until)| offset < *until)
    }

    fn add(&mut self, topic: &str, partition: u32, offset: i64) {
        if !self.ranges.contains_key(topic) {
            self.ranges.insert(topic.to_owned(), HashMap::new());
        }
        let Some(topic) = self.ranges.get_mut(topic) else { return };
        let ranges = topic.entry(partition).or_default();
        let (mut from, mut until) = (offset, offset.saturating_add(1));
        if let Some((first, end)) = ranges.range(..=offset).next_back().map(|(first, end)| (*first, *end)) {
            if offset < end {
                return;
            }
            if end == offset {
                from = first;
            }
        }
        if let Some(end) = ranges.remove(&until) {
            until = end;
        }
        ranges.insert(from, until);
        self.count += 1;
    }
}

#[cfg(test)]
#[path = "dead_letter_file_tests.rs"]
mod tests;
