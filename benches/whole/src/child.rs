//! `muster replay` or `muster run` in a process of its own: the benchmark's binary called again, doing nothing else.
//!
//! In: a [`Task`].  Out: [`Run`] for one that was left to finish, [`Running`] for one that is to be ended or killed.
//! Owns: the process.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use muster::commands::{self, ReplayArguments, RunArguments};
use serde_json::{Value, json};

use crate::usage::Usage;

/// The first argument of a process that is the program, not the benchmark; then come the [`Task`]'s words.
const CHILD: &str = "--as-muster";

/// What the process does.
#[derive(Clone, Copy, Debug)]
pub enum Task<'a> {
    /// `muster replay` of a file into a lake.
    Replay {
        /// The configuration.
        config: &'a Path,
        /// The file.
        punches: &'a Path,
        /// The lake's folder.
        lake: &'a Path,
    },
    /// `muster run` of a log.
    Run {
        /// The configuration.
        config: &'a Path,
        /// Until when its timers run, RFC 3339; without, until it is ended.
        until: Option<&'a str>,
    },
}

impl Task<'_> {
    fn command(self) -> Command {
        let mut command = Command::new(std::env::current_exe().expect("the path of the running binary"));
        command.arg(CHILD).stdin(Stdio::null());
        match self {
            Self::Replay { config, punches, lake } => {
                command.arg("replay").arg(config).arg(punches).arg(lake)
            }
            Self::Run { config, until } => command.arg("run").arg(config).args(until),
        };
        command
    }
}

/// If this process was called as the program, runs it and gives its exit code.
pub fn run_if_asked() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()? != CHILD {
        return None;
    }
    let name = arguments.next()?;
    let config = PathBuf::from(arguments.next()?);
    let command = if name == "replay" {
        let punches = PathBuf::from(arguments.next()?);
        let lake = arguments.next().map(|lake| lake.to_string_lossy().into_owned());
        commands::Command::Replay(ReplayArguments {
            config: Some(config),
            punches: vec![punches],
            lake,
            format: None,
            until: None,
            json: true,
        })
    } else {
        let until = arguments.next().map(|time| time.to_string_lossy().parse().expect("a time"));
        commands::Command::Run(RunArguments { config, until, json: true })
    };
    muster::allocator::keep_freed_memory();
    commands::start_log();
    match commands::run(command) {
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

/// A process that was left to finish.
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
    /// Does the task and waits for the end.
    ///
    /// # Panics
    /// If the process fails, or says nothing.
    pub fn whole(task: Task<'_>) -> Self {
        let begun = Instant::now();
        let output = task.command().stderr(Stdio::piped()).output();
        let output = output.expect("the benchmark's own binary can be started");
        let wall = begun.elapsed();
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{task:?} failed: {}", String::from_utf8_lossy(&output.stderr));
        let mut lines = told.lines().map(|line| serde_json::from_str(line).expect("lines of JSON"));
        let (summary, used) = (lines.next().expect("a summary"), lines.next().expect("what was used"));
        Self { wall, summary, used }
    }

    /// A number of the summary, or of what was used; 0 where it is not told.
    pub fn number(&self, key: &str) -> f64 {
        self.summary.get(key).or_else(|| self.used.get(key)).and_then(Value::as_f64).unwrap_or(0.0)
    }
}

/// A process under way. Dropping it kills it.
#[derive(Debug)]
pub struct Running {
    /// When the process was started.
    pub begun: Instant,
    child: Child,
}

impl Running {
    /// Starts the task; what it logs comes out at this process's standard error.
    ///
    /// # Panics
    /// If the process cannot be started.
    pub fn start(task: Task<'_>) -> Self {
        Self::start_with(task, &[])
    }

    /// As [`Running::start`], with environment variables.
    ///
    /// # Panics
    /// If the process cannot be started.
    pub fn start_with(task: Task<'_>, variables: &[(&str, &str)]) -> Self {
        let begun = Instant::now();
        let child = task.command().envs(variables.iter().copied()).stdout(Stdio::null()).spawn();
        Self { begun, child: child.expect("the benchmark's own binary can be started") }
    }

    /// Whether it has ended by itself, and if so whether well.
    ///
    /// # Panics
    /// If the system does not know the process.
    pub fn ended(&mut self) -> Option<bool> {
        self.child.try_wait().expect("a process of our own").map(|status| status.success())
    }

    /// What it has used so far; `None` where there is no `/proc`.
    pub fn usage(&self) -> Option<Usage> {
        Usage::of(self.child.id())
    }

    /// Tells it to end (SIGTERM) and waits until it has.
    ///
    /// # Panics
    /// If it fails.
    pub fn end(mut self) {
        let told = Command::new("kill").arg(self.child.id().to_string()).status();
        assert!(told.expect("a command kill").success(), "a process of our own can be told to end");
        let status = self.child.wait().expect("a process of our own");
        assert!(status.success(), "told to end, it ended with {status}");
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
