//! Snapshots in force whose rows the lake does not hold yet.
//!
//! In: snapshots as they are swapped in.  Out: their rows, in the lake before any row that was judged by them.  Owns: those
//! that wait.
//! Invariants: I-27 no row is committed before the rows of the snapshot that judged it: a snapshot is put here before it is
//! in force, and every commit writes first what waits here.
//! Why so: the rows of a chain of a million sites take seconds to write; a moved fence counts at once, and only commits wait.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lake::Lake;
use model::{EventTime, Reference, Rows};
use tokio::runtime::Handle;

use crate::reference_rows;

/// Snapshots that wait to be written, the oldest first.
#[derive(Default)]
pub struct Unwritten {
    waiting: Mutex<VecDeque<Snapshot>>,
    /// Held by whoever writes.
    writing: Mutex<()>,
}

/// A snapshot as it came into force.
#[derive(Clone)]
pub struct Snapshot {
    /// What it says.
    pub reference: Arc<Reference>,
    /// People's names, kept apart from it.
    pub names: Rows<(Arc<str>, String)>,
    /// When it was taken.
    pub taken_at: EventTime,
}

impl Unwritten {
    /// Takes a snapshot that is about to come into force.
    pub fn push(&self, snapshot: Snapshot) {
        locked(&self.waiting).push_back(snapshot);
    }

    /// Writes what waits, and waits for whoever does. Gives how many rows of which table were new.
    ///
    /// # Errors
    /// What the lake says; the snapshot goes on waiting.
    pub fn write(&self, runtime: &Handle, lake: &Lake) -> lake::Result<Vec<(&'static str, u64)>> {
        let _writing = locked(&self.writing);
        let mut written = Vec::new();
        loop {
            let Some(Snapshot { reference, names, taken_at }) = locked(&self.waiting).front().cloned() else {
                return Ok(written);
            };
            let tables = reference_rows::tables(&reference, &names, taken_at);
            written.extend(runtime.block_on(lake.append_reference(tables, &reference.version))?);
            locked(&self.waiting).pop_front();
        }
    }
}

/// A panic of another holder leaves nothing half done here.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
