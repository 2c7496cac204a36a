//! Waiting for a log that does not answer, within a bound.
//!
//! In: an attempt at the log's edge.  Out: its success, or its last error.  Owns: nothing.
//! Absent on purpose: any other error than silence: a full disk or a refusal is told at once.
//! Why so: brokers restart; what a process has in hand by then is cheaper to keep than to fold again.

use std::thread;
use std::time::{Duration, Instant};

use source::ErrorKind;

/// How long the log may be silent before the run ends (exit code 3; the next one resumes). Shorter than the time after
/// which the group gives away the partitions of a process that does not poll.
const PATIENCE: Duration = Duration::from_secs(180);

/// Between two attempts, first and longest.
const WAIT_FIRST: Duration = Duration::from_millis(100);
const WAIT_MAX: Duration = Duration::from_secs(3);

/// An error that may say that the log was silent.
pub(super) trait MaySilent: std::fmt::Display {
    /// Whether it does.
    fn is_silence(&self) -> bool;
}

impl MaySilent for source::Error {
    fn is_silence(&self) -> bool {
        self.kind() == ErrorKind::Unreachable
    }
}

impl MaySilent for alerts::Error {
    fn is_silence(&self) -> bool {
        match self {
            Self::Log { source, .. } => source.is_silence(),
            Self::Silent { .. } => true,
            _ => false,
        }
    }
}

/// Tries until the log answers, or its silence has lasted too long.
pub(super) fn await_log<T, E: MaySilent>(mut act: impl FnMut() -> Result<T, E>) -> Result<T, E> {
    let begun = Instant::now();
    let mut wait = WAIT_FIRST;
    loop {
        match act() {
            Err(error) if error.is_silence() && begun.elapsed() < PATIENCE => {
                tracing::warn!(%error, "the log does not answer: trying again");
                thread::sleep(wait);
                wait = (wait * 2).min(WAIT_MAX);
            }
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Silence(bool);

    impl std::fmt::Display for Silence {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("no answer")
        }
    }

    impl MaySilent for Silence {
        fn is_silence(&self) -> bool {
            self.0
        }
    }

    #[test]
    fn silence_is_waited_out_and_anything_else_is_told_at_once() {
        let mut tries = 0;
        let answer = await_log(|| {
            tries += 1;
            if tries < 3 { Err(Silence(true)) } else { Ok(tries) }
        });
        assert_eq!(answer.unwrap(), 3);
        let refused: Result<(), Silence> = await_log(|| Err(Silence(false)));
        assert!(!refused.unwrap_err().0);
    }
}
