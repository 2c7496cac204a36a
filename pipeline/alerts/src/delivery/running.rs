//! A deliverer on a thread of its own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::deliverer::Deliverer;
use super::error::DeliveryError;
use super::stats::DeliveryStats;

impl Deliverer {
    /// Delivers on a thread of its own.
    ///
    /// # Errors
    /// The system has no thread for it.
    pub fn spawn(self) -> std::io::Result<Running> {
        let stop = Arc::new(AtomicBool::new(false));
        let (stats, stopped) = (self.stats(), Arc::clone(&stop));
        let thread =
            std::thread::Builder::new().name("deliverer".into()).spawn(move || self.run(&stopped))?;
        Ok(Running { stats, stop, thread })
    }
}

/// A deliverer on its thread.
#[derive(Debug)]
pub struct Running {
    stats: Arc<Mutex<DeliveryStats>>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<(), DeliveryError>>,
}

impl Running {
    /// The counters as of its last step.
    pub fn stats(&self) -> DeliveryStats {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether it has ended, which it does by itself only in failure.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Ends it: it waits a few seconds for answers that are on their way.
    ///
    /// # Errors
    /// Why it ended before.
    ///
    /// # Panics
    /// If its thread did.
    pub fn stop(self) -> Result<(), DeliveryError> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        match self.thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}
