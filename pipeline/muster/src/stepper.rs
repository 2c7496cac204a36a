//! A thread that takes a step every so often, and one last step when it is told to end.
//!
//! In: a step.  Out: its failures, told once until a step succeeds again.  Owns: the thread.
//! Absent on purpose: any hurry and any way to end the process: what a step leaves undone, the next one does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::failure::Failure;

/// The running thread.
#[derive(Debug)]
pub struct Stepper {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Stepper {
    /// Steps on a thread called `name`; `waiting` is what the log says of a step that fails.
    ///
    /// # Errors
    /// The system has no thread for it.
    pub fn spawn(
        name: &str,
        waiting: &'static str,
        every: Duration,
        mut step: impl FnMut() -> Result<u64, Box<Failure>> + Send + 'static,
    ) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let run = move || {
            let mut is_failing = false;
            loop {
                let is_last = stopped.load(Ordering::Relaxed);
                let failure = step().err();
                if let Some(failure) = failure.as_ref().filter(|_| !is_failing) {
                    tracing::warn!(%failure, "{waiting}");
                }
                is_failing = failure.is_some();
                if is_last {
                    return;
                }
                std::thread::park_timeout(every);
            }
        };
        let thread = std::thread::Builder::new().name(name.into()).spawn(run)?;
        Ok(Self { stop, thread })
    }

    /// Ends it behind one last step.
    ///
    /// # Panics
    /// If its thread did.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        if let Err(panic) = self.thread.join() {
            std::panic::resume_unwind(panic);
        }
    }
}
