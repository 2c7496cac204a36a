//! `muster replay` in a process of its own: the benchmark's binary called again, doing nothing else.
//!
//! In: a configuration, a file of punches, a lake's folder.  Out: [`Run`] for one that was left to finish, [`Running`] for
//! one that is to be killed.  Owns: the process.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use muster::commands::{self, ReplayArguments};
use serde_json::{Value, json};

use crate::usage::Usage;

/// The first argument of a process that is the program, not the benchmark.
const CHILD: &str = "--as-muster-replay";

/// If this process was called as the program, runs `muster replay` and gives its exit code.
pub fn run_if_asked() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()? != CHILD {
        return None;
    }
    let mut path = || arguments.next().map(PathBuf::from);
    let (config, punches, lake) = (path(), path()?, path());
    commands::start_log();
    let replay =
        ReplayArguments { config, punches: vec![punches], lake, format: None, until: None, json: true };
    match commands::run(commands::Command::Replay(replay)) {
        Ok(_) => {
            let usage = Usage::own();
            let used = json!({
                "cpu_s": usage.map(|usage| usage.cpu_s),
                "peak_rss_bytes": usage.map(|usage| usage.peak_rss_bytes),
            });
            let told = writeln!(std::io::stdout(), "{used}");
            Some(if told.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Err(failure) => {
            eprintln!("{failure}");
            Some(ExitCode::FAILURE)
        }
    }
}

/// A replay that was left to finish.
#[derive(Clone, Debug)]
pub struct Run {
    /// From the start of the process to its end.
    pub wall: Duration,
    /// The program's summary.
    pub summary: Value,
    /// Seconds of processor time and bytes of memory it used; null where the system does not tell.
    pub used: Value,
}

impl Run {
    /// Replays `punches` into `lake` and waits for the end.
    ///
    /// # Panics
    /// If the process fails, or says nothing.
    pub fn whole(config: &Path, punches: &Path, lake: &Path) -> Self {
        let begun = Instant::now();
        let output = command(config, punches, lake).stderr(Stdio::piped()).output();
        let output = output.expect("the benchmark's own binary can be started");
        let wall = begun.elapsed();
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "replay failed: {}", String::from_utf8_lossy(&output.stderr));
        let mut lines = told.lines().map(|line| serde_json::from_str(line).expect("lines of JSON"));
        let (summary, used) = (lines.next().expect("a summary"), lines.next().expect("what was used"));
        Self { wall, summary, used }
    }

    /// A number of the summary, or of what was used; 0 where it is not told.
    pub fn number(&self, key: &str) -> f64 {
        self.summary.get(key).or_else(|| self.used.get(key)).and_then(Value::as_f64).unwrap_or(0.0)
    }
}

/// A replay under way. Dropping it kills the process.
#[derive(Debug)]
pub struct Running {
    /// When the process was started.
    pub begun: Instant,
    child: Child,
}

impl Running {
    /// Starts to replay `punches` into `lake`.
    ///
    /// # Panics
    /// If the process cannot be started.
    pub fn start(config: &Path, punches: &Path, lake: &Path) -> Self {
        let begun = Instant::now();
        let child = command(config, punches, lake).stderr(Stdio::null()).stdout(Stdio::null()).spawn();
        Self { begun, child: child.expect("the benchmark's own binary can be started") }
    }

    /// Whether it has ended by itself, and if so whether well.
    ///
    /// # Panics
    /// If the system does not know the process.
    pub fn ended(&mut self) -> Option<bool> {
        self.child.try_wait().expect("a process of our own").map(|status| status.success())
    }

    /// Kills it as `kill -9` does, and waits until it is gone.
    pub fn kill(self) {
        drop(self);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(config: &Path, punches: &Path, lake: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("the path of the running binary"));
    command.arg(CHILD).arg(config).arg(punches).arg(lake).stdin(Stdio::null());
    command
}
