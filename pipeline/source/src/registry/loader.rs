//! The thread that asks: each wanted id until something is known of it, one question at a time.
//!
//! In: wanted ids.  Out: schemas in the book, or that there is none.  Owns: when each is asked next.
//! Absent on purpose: giving up. A schema that cannot be had now is asked for again for as long as a record waits.

use std::fmt;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use model::{EventTime, RejectCode};
use schemas::decode::{SchemaId, WriterSchema};

use super::answer::{Answer, compile};
use super::{MISSING_FOR, MISSING_MAX, Shared, State};

/// How long the thread waits behind a first failure; twice as long behind each further one.
const BACKOFF_MIN: Duration = Duration::from_millis(200);

/// How long it waits at most.
const BACKOFF_MAX: Duration = Duration::from_secs(10);

/// How often it says in the log that it goes on waiting.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// An id that is asked for.
#[derive(Debug)]
pub(super) struct Wanted {
    /// When the first record was appended that named it.
    appended: EventTime,
    due: Instant,
    tries: u32,
    said: Option<Instant>,
    /// What was heard last.
    pub(super) why: String,
}

impl Wanted {
    pub(super) fn new(appended: EventTime) -> Self {
        let why = "it is being asked for".to_owned();
        Self { appended, due: Instant::now(), tries: 0, said: None, why }
    }
}

/// What came of one question.
pub(super) enum Outcome {
    /// The registry's answer.
    Found(Answer),
    /// It has no such schema.
    Missing,
    /// It has, but refers to others that cannot be had.
    Unusable(String),
    /// No answer, or none of a registry.
    Failed(String),
}

/// Asks until the registry's last client is gone.
pub(super) fn load_all(shared: &Shared) {
    while let Some(id) = next(shared) {
        load(shared, id);
    }
}

/// The id that is due, once one is; `None` at the end.
fn next(shared: &Shared) -> Option<SchemaId> {
    let mut state = shared.lock();
    loop {
        if state.is_over {
            return None;
        }
        let first = state.wanted.iter().min_by_key(|(_, wanted)| wanted.due);
        let Some((id, due)) = first.map(|(id, wanted)| (*id, wanted.due)) else {
            state = shared.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        let wait = due.saturating_duration_since(Instant::now());
        if wait.is_zero() {
            return Some(id);
        }
        let woken = shared.wake.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner);
        state = woken.0;
    }
}

fn load(shared: &Shared, id: SchemaId) {
    if let Some(answer) = shared.cache.get(id) {
        return know(shared, id, &answer);
    }
    let outcome = shared.runtime.block_on(async {
        tokio::select! {
            outcome = shared.client.fetch(id) => Some(outcome),
            () = shared.over.notified() => None,
        }
    });
    let Some(outcome) = outcome else { return };
    let mut state = shared.lock();
    match outcome {
        Outcome::Found(answer) => {
            state.answered += 1;
            drop(state);
            if let Err(error) = shared.cache.put(id, &answer) {
                tracing::warn!(schema = id.0, %error, "the schema could not be kept: a restart will ask for it again");
            }
            know(shared, id, &answer);
        }
        Outcome::Unusable(what) => {
            state.answered += 1;
            drop(state);
            refuse(shared, id, &what);
        }
        Outcome::Missing => {
            state.answered += 1;
            missing(shared, &mut state, id);
        }
        Outcome::Failed(why) => {
            state.failed += 1;
            let Some(wanted) = state.wanted.get_mut(&id) else { return };
            wanted.put_off(BACKOFF_MAX);
            if wanted.why != why || wanted.said.is_none_or(|said| said.elapsed() >= SAY_EVERY) {
                wanted.said = Some(Instant::now());
                tracing::warn!(schema = id.0, tries = wanted.tries, %why, "the schema registry does not answer: records of this schema wait");
            }
            wanted.why = why;
        }
    }
}

impl Wanted {
    /// Behind a random part of twice the last wait, so that processes do not ask in step.
    fn put_off(&mut self, max: Duration) {
        let wait = BACKOFF_MIN.saturating_mul(1 << self.tries.min(16)).min(max);
        self.tries = self.tries.saturating_add(1);
        self.due = Instant::now() + wait.mul_f64(0.5 + 0.5 * chance());
    }
}

/// A number in `0..1`: no secret depends on it.
fn chance() -> f64 {
    use std::hash::{BuildHasher, RandomState};
    (RandomState::new().hash_one(Instant::now()) >> 11) as f64 / (1_u64 << 53) as f64
}

/// The registry says that it has no such schema: believed once the record is old enough.
fn missing(shared: &Shared, state: &mut State, id: SchemaId) {
    let Some(wanted) = state.wanted.get_mut(&id) else { return };
    let age_us = (shared.wall)().us() - wanted.appended.us();
    if u128::try_from(age_us).unwrap_or(0) < shared.grace.as_micros() {
        wanted.why = "the registry has no such schema yet".to_owned();
        wanted.put_off(shared.grace.min(Duration::from_secs(1)));
        return;
    }
    tracing::warn!(schema = id.0, "the schema registry has no such schema: its records are dead letters");
    state.wanted.remove(&id);
    if state.missing.len() >= MISSING_MAX {
        state.missing.clear();
    }
    state.missing.insert(id, Instant::now() + MISSING_FOR);
}

/// Puts a schema into the book, compiled, or as one that no punch has.
fn know(shared: &Shared, id: SchemaId, answer: &Answer) {
    let schema = match compile(answer) {
        Ok(schema) => schema,
        Err(what) => return refuse(shared, id, &what),
    };
    settle(shared, id, schema);
    tracing::info!(schema = id.0, kind = answer.kind(), "schema loaded");
}

fn refuse(shared: &Shared, id: SchemaId, what: &dyn fmt::Display) {
    tracing::error!(schema = id.0, %what, "no punch can be read under this schema: its records are dead letters");
    let message = format!("schema {} is none of a punch: {what}", id.0);
    settle(shared, id, WriterSchema::refused(RejectCode::SchemaMismatch, message));
}

fn settle(shared: &Shared, id: SchemaId, schema: WriterSchema) {
    shared.book.add(id, schema);
    let mut state = shared.lock();
    state.wanted.remove(&id);
    state.missing.remove(&id);
    state.loaded += 1;
}
