//! A process that cannot outlive the one that started it.
//!
//! In: a command.  Out: its process id and whether it has ended.  Owns: the process: dropping kills it and waits.
//! Absent on purpose: a timeout: whoever waits knows how long.
//! Invariants: when the owner ends, even by kill -9, the guarded process is killed. test `a_guarded_process_ends_with_its_pipe`
//! Why so: a small shell stands between the two and reads from a pipe whose other end only the owner holds: it ends with
//! the owner, whatever ends that. Linux's parent-death signal would go by the *thread* that started the process, and a
//! test's thread ends before a broker that later tests still use.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Runs its arguments after the first, which is the file for what they print; tells the process id; kills the process
/// when its own input ends, or when a signal ends the shell's reading. The signals are caught, not ignored: the process
/// would inherit that, and Java then sees no SIGTERM.
const GUARD: &str = r#"trap : INT HUP TERM
out="$1"; shift
"$@" </dev/null >"$out" 2>&1 &
echo "$!"
read -r _
kill -9 "$!"
wait "$!"
"#;

/// What can be said to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGKILL.
    Kill,
    /// SIGTERM.
    Terminate,
    /// SIGSTOP.
    Stop,
    /// SIGCONT.
    Continue,
}

/// Sends `signal` to the process `pid`.
///
/// # Panics
/// If there is no such process.
pub fn signal(pid: u32, signal: Signal) {
    let name = match signal {
        Signal::Kill => "KILL",
        Signal::Terminate => "TERM",
        Signal::Stop => "STOP",
        Signal::Continue => "CONT",
    };
    let status = Command::new("sh").args(["-c", "kill -s \"$0\" \"$1\"", name, &pid.to_string()]).status();
    assert!(status.expect("start a shell").success(), "send SIG{name} to process {pid}");
}

/// A running process and its guard.
#[derive(Debug)]
pub(super) struct Guarded {
    guard: Child,
    pid: u32,
}

impl Guarded {
    /// Starts `command`; what it prints goes to the file `out`.
    ///
    /// # Panics
    /// If there is no shell.
    pub(super) fn spawn(command: &Command, out: &Path) -> Self {
        let mut guard = Command::new("sh");
        guard.args(["-c", GUARD, "guard"]).arg(out).arg(command.get_program()).args(command.get_args());
        guard.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut guard = guard.spawn().expect("start a shell");
        let mut line = String::new();
        let stdout = guard.stdout.take().expect("stdout is piped");
        BufReader::new(stdout).read_line(&mut line).expect("read the process id");
        let pid = line.trim().parse().unwrap_or_else(|error| panic!("a process id, not {line:?}: {error}"));
        Self { guard, pid }
    }

    /// The guarded process.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether it has ended. Its id is not given to another process before the guard, too, has ended.
    pub(super) fn has_ended(&self) -> bool {
        // `pid (name) state …`, where a name may hold anything, parentheses too.
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        matches!(state, None | Some('Z' | 'X'))
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // The guard's input ends; it kills the process, waits for it and ends.
        drop(self.guard.stdin.take());
        // Nothing to be done where even that fails, and a panic here would hide the test's own.
        let _ = self.guard.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_guarded_process_ends_with_its_pipe() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sleep");
        command.arg("600");
        let process = Guarded::spawn(&command, &folder.path().join("out"));
        let proc = format!("/proc/{}", process.pid());
        assert!(!process.has_ended());
        signal(process.pid(), Signal::Stop);
        assert!(!process.has_ended());
        drop(process);
        assert!(!Path::new(&proc).exists());
    }

    #[test]
    fn what_it_prints_is_kept_and_its_end_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let mut command = Command::new("sh");
        command.args(["-c", "echo said; exec sleep 600"]);
        let process = Guarded::spawn(&command, &out);
        let is_within_20_s = |what: &str, is_so: &dyn Fn() -> bool| {
            let begun = Instant::now();
            while !is_so() {
                assert!(begun.elapsed() < Duration::from_secs(20), "{what}");
                std::thread::yield_now();
            }
        };
        // Not before it has said so: a process just forked still has the guard's traps, and would pass over a SIGTERM.
        is_within_20_s("it says nothing", &|| fs::read_to_string(&out).is_ok_and(|said| said == "said\n"));
        assert!(!process.has_ended());
        signal(process.pid(), Signal::Terminate);
        is_within_20_s("it does not end", &|| process.has_ended());
        drop(process);
        assert_eq!(fs::read_to_string(out).unwrap(), "said\n");
    }
}
