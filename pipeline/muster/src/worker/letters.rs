//! Where dead letters go: the dead-letter topic of a log, or a file in a lake filled by replays.
//!
//! In: letters of one batch.  Out: durable letters.  Owns: nothing but the open end.
//! Invariants: I-12 the frontier passes a record only behind its letter: a batch's letters are buried before its rows can
//! be cut, kept by `PartitionWork::take`.

use source::dead_letter::append_letters;
use source::{Append, DeadLetter, DeadLetterFile};

/// A place for dead letters.
pub trait Letters: Send {
    /// Makes the letters durable.
    ///
    /// # Errors
    /// As the log or file says; some letters may have been written: their identity is their origin.
    fn bury(&mut self, letters: &[DeadLetter<'_>]) -> Result<(), source::Error>;
}

/// The dead-letter topics of a log.
pub struct TopicLetters(pub Box<dyn Append>);

impl Letters for TopicLetters {
    fn bury(&mut self, letters: &[DeadLetter<'_>]) -> Result<(), source::Error> {
        append_letters(&mut *self.0, letters)
    }
}

impl Letters for DeadLetterFile {
    fn bury(&mut self, letters: &[DeadLetter<'_>]) -> Result<(), source::Error> {
        self.append(letters).map(|_| ())
    }
}
