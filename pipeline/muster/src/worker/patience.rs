//! Waiting for an outside that does not answer: the lake's store, the log, a disk that is full.
//!
//! ```text
//!   an attempt at an edge ─ refused for now ─▶ said (log, `/readyz`, `/metrics`) ─ a pause, ever longer ─▶ the same attempt again
//! ```
//!
//! In: attempts at edges; the word to stop.  Out: their success, or their last error; what is waited for, and since when.
//! Owns: what is waited for now.
//! Absent on purpose: any error that no waiting mends: a refusal is told at once. A bound for a processor that is to run for
//! ever: it keeps what it has in hand, its budgets are full, it reads nothing more, and goes on by itself.
//! Why so: an outage ends when somebody ends it. A processor that gave up would be started again by its supervisor, to fold
//! days of punches and then to stand before the same closed door.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use source::ErrorKind;

/// How long a run that has an end waits for the log (exit code 3; the next one resumes).
const LOG_WITHIN: Duration = Duration::from_secs(180);

/// And for the lake, beyond the time that the lake's own attempts take.
const LAKE_WITHIN: Duration = Duration::from_secs(30);

/// How long a processor that was told to stop goes on trying.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// Between two attempts, first and longest.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// How often a pause looks whether it was told to stop.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What may be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outside {
    /// The lake's store, or its disk.
    Lake,
    /// The log, or its disk.
    Log,
}

impl Outside {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::Lake, Self::Log];

    /// Its name in logs, checks and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lake => "lake",
            Self::Log => "log",
        }
    }
}

/// Why an attempt failed that may pass by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Nobody answers.
    Silence(Outside),
    /// There is no room left to write.
    Full(Outside),
}

impl Trouble {
    const fn outside(self) -> Outside {
        match self {
            Self::Silence(outside) | Self::Full(outside) => outside,
        }
    }
}

/// An error that may be of the kind that passes.
pub(crate) trait MayPass: fmt::Display {
    /// What has to pass, if waiting can help.
    fn trouble(&self) -> Option<Trouble>;
}

impl MayPass for source::Error {
    fn trouble(&self) -> Option<Trouble> {
        match self.kind() {
            ErrorKind::Unreachable => Some(Trouble::Silence(Outside::Log)),
            ErrorKind::DiskFull | ErrorKind::Busy => Some(Trouble::Full(Outside::Log)),
            _ => None,
        }
    }
}

impl MayPass for alerts::Error {
    fn trouble(&self) -> Option<Trouble> {
        match self {
            Self::Log { source, .. } => source.trouble(),
            Self::Silent { .. } => Some(Trouble::Silence(Outside::Log)),
            _ => None,
        }
    }
}

impl MayPass for lake::Error {
    fn trouble(&self) -> Option<Trouble> {
        match (self.kind(), self.action()) {
            (lake::ErrorKind::DiskFull, _) => Some(Trouble::Full(Outside::Lake)),
            (_, lake::Action::Retry) => Some(Trouble::Silence(Outside::Lake)),
            (_, lake::Action::Stop) => None,
        }
    }
}

/// What is waited for now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// For whom.
    pub outside: Outside,
    /// Since when.
    pub since: Instant,
    /// What the last attempt was told.
    pub why: String,
}

/// How long a run waits for what does not answer, and what it waits for now. Clones share it.
#[derive(Clone, Debug)]
pub struct Patience(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Set when the run is to end; none for a run that ends by itself.
    stop: Option<Arc<AtomicBool>>,
    told_to_stop: Mutex<Option<Instant>>,
    /// By number, since several threads may wait.
    waits: Mutex<Vec<(u64, Wait)>>,
}

impl Patience {
    /// As long as it takes, until a moment after `stop`.
    pub fn until(stop: &Arc<AtomicBool>) -> Self {
        Self::new(Some(Arc::clone(stop)))
    }

    /// Some minutes at most, and not at all for a full disk: for a run that somebody waits for.
    pub fn short() -> Self {
        Self::new(None)
    }

    fn new(stop: Option<Arc<AtomicBool>>) -> Self {
        Self(Arc::new(Shared { stop, told_to_stop: Mutex::default(), waits: Mutex::default() }))
    }

    /// Every wait for this, in the order in which they began.
    pub fn waits(&self, outside: Outside) -> Vec<Wait> {
        let waits = lock(&self.0.waits);
        waits.iter().map(|(_, wait)| wait).filter(|wait| wait.outside == outside).cloned().collect()
    }

    /// Tries until it succeeds, fails for good, or is given up.
    pub(crate) fn persevere<T, E: MayPass>(&self, mut act: impl FnMut() -> Result<T, E>) -> Result<T, E> {
        let mut waiting: Option<Waiting<'_>> = None;
        let mut pause = PAUSE_FIRST;
        loop {
            let error = match act() {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let Some(trouble) = error.trouble() else { return Err(error) };
            let waiting = waiting.get_or_insert_with(|| self.begin(trouble.outside()));
            let waited = waiting.say(&error);
            if self.is_over(trouble, waited) {
                return Err(error);
            }
            let (outside, waited_s) = (trouble.outside().name(), waited.as_secs());
            tracing::warn!(outside, waited_s, %error, "what is outside does not answer: trying again");
            self.pause(pause);
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Somebody waits from now on, until what is given back is dropped.
    fn begin(&self, outside: Outside) -> Waiting<'_> {
        let mut waits = lock(&self.0.waits);
        let number = waits.last().map_or(0, |(number, _)| number + 1);
        waits.push((number, Wait { outside, since: Instant::now(), why: String::new() }));
        Waiting { patience: self, number, outside, since: Instant::now() }
    }

    fn is_over(&self, trouble: Trouble, waited: Duration) -> bool {
        if self.0.stop.is_some() {
            return self.stopped_for().is_some_and(|stopped| stopped >= STOP_WITHIN);
        }
        match trouble {
            Trouble::Silence(Outside::Log) => waited >= LOG_WITHIN,
            Trouble::Silence(Outside::Lake) => waited >= LAKE_WITHIN,
            Trouble::Full(_) => true,
        }
    }

    /// For how long this has known that it was told to stop.
    fn stopped_for(&self) -> Option<Duration> {
        let is_told = self.0.stop.as_ref().is_some_and(|stop| stop.load(Ordering::Relaxed));
        is_told.then(|| lock(&self.0.told_to_stop).get_or_insert_with(Instant::now).elapsed())
    }

    /// Pauses, shorter if meanwhile it is told to stop.
    fn pause(&self, pause: Duration) {
        let begun = Instant::now();
        loop {
            let limit = if self.stopped_for().is_some() { pause.min(PAUSE_FIRST) } else { pause };
            let left = limit.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return;
            }
            thread::sleep(left.min(LOOK_EVERY));
        }
    }
}

/// Somebody waits, until this is dropped.
struct Waiting<'a> {
    patience: &'a Patience,
    number: u64,
    outside: Outside,
    since: Instant,
}

impl Waiting<'_> {
    /// Another attempt failed; for how long it has been waited.
    fn say(&self, error: &impl fmt::Display) -> Duration {
        let mut waits = lock(&self.patience.0.waits);
        if let Some((_, wait)) = waits.iter_mut().find(|(number, _)| *number == self.number) {
            wait.why = error.to_string();
        }
        self.since.elapsed()
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        lock(&self.patience.0.waits).retain(|(number, _)| *number != self.number);
        let (outside, waited_s) = (self.outside.name(), self.since.elapsed().as_secs());
        tracing::warn!(outside, waited_s, "the wait is over");
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change under these locks is whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Said(Option<Trouble>);

    impl fmt::Display for Said {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("no answer")
        }
    }

    impl MayPass for Said {
        fn trouble(&self) -> Option<Trouble> {
            self.0
        }
    }

    const SILENCE: Said = Said(Some(Trouble::Silence(Outside::Lake)));
    const FULL: Said = Said(Some(Trouble::Full(Outside::Lake)));

    #[test]
    fn silence_is_waited_out_and_anything_else_is_told_at_once() {
        let patience = Patience::short();
        let mut tries = 0;
        let answer = patience.persevere(|| {
            tries += 1;
            if tries > 1 {
                assert_eq!(patience.waits(Outside::Lake)[0].why, "no answer");
                assert_eq!(patience.waits(Outside::Log), []);
            }
            if tries < 3 { Err(SILENCE) } else { Ok(tries) }
        });
        assert_eq!(answer, Ok(3));
        assert_eq!(patience.waits(Outside::Lake), []);
        for refusal in [Said(None), FULL] {
            assert_eq!(patience.persevere(|| Err::<(), _>(refusal)), Err(refusal));
        }
        assert_eq!(patience.waits(Outside::Lake), []);
    }

    #[test]
    fn a_processor_waits_for_room_too_and_gives_up_only_when_it_is_stopped() {
        let stop = Arc::new(AtomicBool::new(false));
        let patience = Patience::until(&stop);
        let mut tries = 0;
        let answer = patience.persevere(|| {
            tries += 1;
            if tries < 3 { Err(FULL) } else { Ok(()) }
        });
        assert_eq!((answer, tries), (Ok(()), 3));
        assert!(!patience.is_over(SILENCE.0.unwrap(), 100 * LOG_WITHIN), "an hour, a day");
        stop.store(true, Ordering::Relaxed);
        assert!(!patience.is_over(SILENCE.0.unwrap(), Duration::ZERO), "a moment more");
        *lock(&patience.0.told_to_stop) = Instant::now().checked_sub(STOP_WITHIN);
        assert_eq!(patience.persevere(|| Err::<(), _>(SILENCE)), Err(SILENCE));
    }
}
