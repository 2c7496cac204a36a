//! A worker's question whether what it handed to another thread is durable.
//!
//! In: that thread's answer.  Out: the answer, once there is one.  Owns: nothing.
//! Why so: a worker has punches to judge meanwhile; but one that went on for ever would gather what nobody takes.

use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::time::{Duration, Instant};

use crate::failure::Failure;

/// How long a worker goes on while a cut of its waits.
const AHEAD_AT_MOST: Duration = Duration::from_millis(250);

/// What the asked thread says.
pub(super) type Answer<T> = Result<T, Box<Failure>>;

/// What was handed over until this was asked for becomes durable.
pub(super) struct Settling<T> {
    answered: Receiver<Answer<T>>,
    asked: Instant,
    /// Why nobody answers, should the thread be gone.
    gone: fn() -> Box<Failure>,
}

impl<T> Settling<T> {
    /// A question, and where its answer goes.
    pub(super) fn ask(gone: fn() -> Box<Failure>) -> (Self, Sender<Answer<T>>) {
        let (answer, answered) = channel();
        (Self { answered, asked: Instant::now(), gone }, answer)
    }

    /// The answer; none while something is not durable yet. Waits for it once the worker is as far ahead as it may be.
    ///
    /// # Errors
    /// What the outside said.
    pub(super) fn settled(&self) -> Answer<Option<T>> {
        if self.asked.elapsed() >= AHEAD_AT_MOST {
            return self.wait().map(Some);
        }
        match self.answered.try_recv() {
            Ok(told) => told.map(Some),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err((self.gone)()),
        }
    }

    /// Waits for the answer.
    ///
    /// # Errors
    /// What the outside said.
    pub(super) fn wait(&self) -> Answer<T> {
        self.answered.recv().unwrap_or_else(|_| Err((self.gone)()))
    }
}
