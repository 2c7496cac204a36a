//! The muster program as a library: configuration, the worker and its pipeline, the commands.
//!
//! In: arguments and files.  Out: text on standard output, exit codes.  Owns: the wiring of all rooms, and wall time.
//! Absent on purpose: decisions about punches (the middle rooms make them).
//! Why so: a library, so that tests drive the same worker with outlets and clocks of their own.

pub mod allocator;
pub mod chain_files;
pub mod commands;
pub mod config;
pub mod drained;
pub mod edges;
pub mod failure;
pub mod files;
pub mod lake_place;
pub mod live_log;
pub mod meter;
pub mod mover;
pub mod picture;
pub mod progress;
pub mod publisher;
pub mod reference_rows;
pub mod registry;
pub mod reloader;
pub mod rules;
pub mod stepper;
pub mod told_elsewhere;
pub mod truth;
pub mod wiring;
pub mod worker;

use std::io::Write;
use std::sync::Arc;

use model::EventTime;
use source::WallClock;

use crate::failure::Failure;

/// The wall clock of this machine: the one place where it is read.
pub fn wall_clock() -> WallClock {
    Arc::new(|| EventTime::from(jiff::Timestamp::now()))
}

/// Prints a line on standard output. A reader that has gone away ends the printing, not the program.
///
/// # Errors
/// Any other reason why it cannot be written, a full disk above all.
pub fn say(line: &str) -> Result<(), Box<Failure>> {
    let mut out = std::io::stdout().lock();
    printed(writeln!(out, "{line}").and_then(|()| out.flush()))
}

/// What the outcome of writing to standard output means: a reader such as `head` that has seen enough is no failure.
///
/// # Errors
/// Any other reason why it cannot be written.
pub fn printed(outcome: std::io::Result<()>) -> Result<(), Box<Failure>> {
    match outcome {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            let what = format!("write to standard output: {error}");
            Err(Box::new(Failure::outside(what, "let the output go to a place that takes it")))
        }
        _ => Ok(()),
    }
}

/// Tells a line on standard error, if anybody takes it: what is told there is worth no failure.
pub fn tell(line: impl std::fmt::Display) {
    // In one write: whoever reads along, or writes to the same terminal, sees whole lines.
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// `1 error`, `2 errors`.
pub fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// A runtime for the edges that need one (lake and SQL).
///
/// # Errors
/// What the system says.
pub fn runtime() -> Result<tokio::runtime::Runtime, Box<Failure>> {
    let built = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    built.map_err(|error| Box::new(Failure::from_outside(format!("start the runtime: {error}"))))
}
