//! Where dead letters go: the dead-letter topic of a log, or a file in a lake filled by replays; and where a letter's bytes
//! come from when its record has long left the worker's hands.
//!
//! In: letters of one batch; places in the log.  Out: durable letters; records read once more.
//! Owns: nothing but the open end, and a second source on the same log for as long as it is being read.
//! Invariants: I-12 the frontier passes a record only behind its letter: a batch's letters are buried before a cut
//! of its rows counts, kept by `burier`, and a drained row's before the inbox's position can be, kept by
//! `PartitionWork::drain`.
//! Why so: a conflict found while the inbox is drained needs bytes that the inbox does not keep; the log has them at that
//! offset, and it happens so seldom that a source of its own, opened when needed, beats keeping every value.

use std::fmt;
use std::time::Duration;

use alerts::OpenSource;
use model::{NextOffset, Offset, Partition};
use source::dead_letter::append_or_keep;
use source::{Append, DeadLetter, DeadLetterFile, KeptRecords, Polled, RawBatch, Source};

/// A place for dead letters, and the log that their records came from.
pub trait Letters: Send {
    /// Makes the letters durable.
    ///
    /// # Errors
    /// As the log or file says; some letters may have been written: their identity is their origin.
    fn bury(&mut self, letters: &[DeadLetter<'_>]) -> Result<(), source::Error>;

    /// The log, to read records of it once more.
    fn log(&mut self) -> &mut LogReader;
}

/// The dead-letter topics of a log.
pub struct TopicLetters {
    /// Writes the letters.
    pub appender: Box<dyn Append>,
    /// Keeps records that are too large for a letter beside the lake.
    pub kept: KeptRecords,
    /// The log of the records.
    pub log: LogReader,
}

impl Letters for TopicLetters {
    fn bury(&mut self, letters: &[DeadLetter<'_>]) -> Result<(), source::Error> {
        append_or_keep(&mut *self.appender, letters, &self.kept)
    }

    fn log(&mut self) -> &mut LogReader {
        &mut self.log
    }
}

/// The file of dead letters in a lake of replays.
pub struct FileLetters {
    /// The letters.
    pub file: DeadLetterFile,
    /// The replayed file.
    pub log: LogReader,
}

impl Letters for FileLetters {
    fn bury(&mut self, letters: &[DeadLetter<'_>]) -> Result<(), source::Error> {
        self.file.append(letters).map(|_| ())
    }

    fn log(&mut self) -> &mut LogReader {
        &mut self.log
    }
}

/// How long one poll waits.
const POLL_WAIT: Duration = Duration::from_millis(100);

/// How many polls may find nothing before the log is held to have nothing there: half a minute. A source whose outside is
/// away says so itself.
const IDLE_POLLS_MAX: u32 = 300;

/// Reads single records of a log once more, beside the source that the pipeline reads.
pub struct LogReader {
    open: OpenSource,
    reading: Option<Reading>,
}

struct Reading {
    source: Box<dyn Source>,
    batch: RawBatch,
    is_assigned: bool,
    /// The partition being read; the others are paused.
    partition: Option<Partition>,
}

impl LogReader {
    /// Reads what `open` opens: a source of the same log, each time a fresh one that assigns its partitions at once.
    pub fn new(open: OpenSource) -> Self {
        Self { open, reading: None }
    }

    /// A batch of the one record at `offset`, or `None` if the log does not give it: it no longer holds it, or stays silent.
    /// Offsets that rise are read on from where the last one was found.
    ///
    /// # Errors
    /// As the log says.
    pub fn read(&mut self, partition: Partition, offset: Offset) -> Result<Option<RawBatch>, source::Error> {
        let mut reading = match self.reading.take() {
            Some(reading) => reading,
            None => {
                let source = (self.open)()?;
                Reading { source, batch: RawBatch::new(), is_assigned: false, partition: None }
            }
        };
        let is_found = reading.go_to(partition, offset)?;
        let one = is_found.then(|| reading.only(offset));
        self.reading = Some(reading);
        Ok(one)
    }

    /// Closes the source: what comes next opens it again.
    pub fn close(&mut self) {
        self.reading = None;
    }
}

impl Reading {
    /// Fills the batch with records of `partition`, that at `offset` among them; `false` if the log does not hold it.
    fn go_to(&mut self, partition: Partition, offset: Offset) -> Result<bool, source::Error> {
        if self.partition == Some(partition) && self.holds(offset) {
            return Ok(true);
        }
        let from = NextOffset::new(offset.get()).unwrap_or(NextOffset::START);
        if self.is_assigned {
            self.start(partition, from)?;
        }
        let mut idle = 0;
        while idle < IDLE_POLLS_MAX {
            match self.source.poll(POLL_WAIT, &mut self.batch)? {
                Polled::Assigned(_) => {
                    self.is_assigned = true;
                    self.start(partition, from)?;
                }
                Polled::Batch
                    if self.batch.partition() == partition
                        && (self.holds(offset) || self.batch.next() > from) =>
                {
                    return Ok(self.holds(offset));
                }
                Polled::CaughtUp { partition: end, .. } | Polled::Ended(end) if end == partition => {
                    return Ok(false);
                }
                Polled::Idle => idle += 1,
                _ => {}
            }
        }
        Ok(false)
    }

    fn start(&mut self, partition: Partition, from: NextOffset) -> Result<(), source::Error> {
        if let Some(before) = self.partition.replace(partition).filter(|before| *before != partition) {
            self.source.pause(before);
            self.source.resume(partition);
        }
        self.source.start(&[(partition, from)])
    }

    fn only(&self, offset: Offset) -> RawBatch {
        let mut one = RawBatch::new();
        one.begin(self.batch.partition(), NextOffset::new(offset.get()).unwrap_or(NextOffset::START));
        for entry in self.batch.iter().filter(|entry| entry.offset == offset) {
            one.push(entry.offset, entry.append_time, entry.key, entry.bytes().as_deref(), entry.headers);
        }
        one
    }

    fn holds(&self, offset: Offset) -> bool {
        self.batch.iter().any(|entry| entry.offset == offset)
    }
}

impl fmt::Debug for LogReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogReader").field("is_open", &self.reading.is_some()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use model::EventTime;
    use source::embedded::Options;
    use source::{BatchLimits, EmbeddedLog, FileSource, NewRecord};

    use super::*;

    fn value_at(reader: &mut LogReader, partition: u32, offset: i64) -> Option<String> {
        let offset = Offset::new(offset).unwrap();
        let batch = reader.read(Partition::new(partition), offset).unwrap()?;
        assert_eq!(batch.records(), 1);
        let entry = batch.get(0).unwrap();
        Some(String::from_utf8(entry.value.unwrap().to_vec()).unwrap())
    }

    #[test]
    fn records_of_the_embedded_log_are_read_once_more() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            partitions: 2,
            batch: BatchLimits { records_max: 4, ..BatchLimits::default() },
            ..Options::default()
        };
        let log = EmbeddedLog::open(folder.path(), options, Arc::new(|| EventTime::from_ms(1))).unwrap();
        log.create_topic("punches", 2).unwrap();
        let values: Vec<String> = (0..20).map(|n| format!("value {n}")).collect();
        for partition in [0, 1] {
            let records: Vec<NewRecord<'_>> = values
                .iter()
                .map(|value| NewRecord {
                    value: Some(value.as_bytes()),
                    partition: Some(Partition::new(partition)),
                    ..NewRecord::default()
                })
                .collect();
            log.appender().append("punches", &records).unwrap();
        }
        let opened = Arc::new(AtomicUsize::new(0));
        let (counted, from) = (Arc::clone(&opened), log.clone());
        let mut reader = LogReader::new(Box::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            from.source("punches").map(|source| Box::new(source) as Box<dyn Source>)
        }));
        for (partition, offset) in [(0, 3), (0, 4), (0, 17), (1, 17), (0, 2), (1, 0)] {
            let found = value_at(&mut reader, partition, offset);
            assert_eq!(found, Some(format!("value {offset}")), "{partition}/{offset}");
        }
        assert_eq!(opened.load(Ordering::Relaxed), 1);
        reader.close();
        assert_eq!(value_at(&mut reader, 1, 19), Some("value 19".to_owned()));
        log.trim("punches", Partition::new(0), NextOffset::new(8).unwrap()).unwrap();
        assert_eq!(value_at(&mut reader, 0, 7), None, "the log no longer holds it");
        assert_eq!(value_at(&mut reader, 0, 8), Some("value 8".to_owned()));
    }

    #[test]
    fn lines_of_a_file_are_read_once_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.ndjson");
        std::fs::write(&path, "{\"n\":0}\n{\"n\":1}\n{\"n\":2}\n").unwrap();
        let mut reader = LogReader::new(Box::new(move || {
            let source =
                FileSource::open(&path, None, BatchLimits { records_max: 1, ..BatchLimits::default() })?;
            Ok(Box::new(source) as Box<dyn Source>)
        }));
        for line in [1, 2, 0] {
            assert_eq!(value_at(&mut reader, 0, line), Some(format!("{{\"n\":{line}}}")));
        }
    }
}
