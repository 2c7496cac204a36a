//! A `muster` process that goes on: what it says is kept in a file, it is told to end, and its end is waited for.
//!
//! In: a folder with a configuration, arguments.  Out: its log, its exit code, answers of its HTTP face.
//! Owns: the process; it is killed when this is dropped.
//! Absent on purpose: an HTTP client of the rooms under test: one request is one connection here.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::program;

const LOOK_EVERY: Duration = Duration::from_millis(20);

/// One running process.
pub struct Running {
    name: String,
    log: PathBuf,
    child: Child,
}

impl Running {
    /// Starts `muster ARGS` in `folder`; what it says goes to `folder/NAME.log`.
    pub fn start(folder: &Path, name: &str, args: &[&str]) -> Self {
        Self::start_with(folder, name, args, &[])
    }

    /// As [`Running::start`], with environment variables.
    pub fn start_with(folder: &Path, name: &str, args: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::spawn(Command::new(program::path()), (folder, name), args, variables)
    }

    /// As [`Running::start`], and [`Running::fill_disk`] may be said to it.
    pub fn start_on_a_disk_that_fills(folder: &Path, name: &str, args: &[&str]) -> Self {
        let mut shell = Command::new("sh");
        // The signal that comes with a full disk of this kind would end the process.
        shell.arg("-c").arg("trap '' XFSZ; exec \"$0\" \"$@\"").arg(program::path());
        Self::spawn(shell, (folder, name), args, &[])
    }

    fn spawn(
        mut command: Command,
        (folder, name): (&Path, &str),
        args: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        let log = folder.join(format!("{name}.log"));
        let file = std::fs::File::options().create(true).append(true).open(&log).unwrap();
        command.args(args).current_dir(folder).env("NO_COLOR", "1").env_remove("RUST_LOG");
        command.envs(variables.iter().copied());
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        Self { name: name.to_owned(), log, child: command.spawn().unwrap() }
    }

    /// Everything it has said, both outputs.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until it has said `text` and ended that line; gives the rest of the line.
    pub fn await_said(&mut self, text: &str, limit: Duration) -> String {
        let begun = Instant::now();
        loop {
            let log = self.log();
            // A line is written in pieces.
            if let Some((rest, _)) = log.split_once(text).and_then(|(_, rest)| rest.split_once('\n')) {
                return rest.trim().to_owned();
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("{} ended ({status}) and never said {text:?}:\n{log}", self.name);
            }
            assert!(begun.elapsed() < limit, "{} never said {text:?}:\n{log}", self.name);
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// From now on no file it writes may grow past `bytes`, as on a full disk; none: there is room again. Needs no right to mount
    /// anything, but Linux's `prlimit`.
    pub fn fill_disk(&self, bytes: Option<u64>) {
        let limit = bytes.map_or("unlimited".to_owned(), |bytes| bytes.to_string());
        let args = [format!("--pid={}", self.child.id()), format!("--fsize={limit}:")];
        assert!(Command::new("prlimit").args(&args).status().unwrap().success(), "prlimit {args:?}");
    }

    /// Bytes of memory it has in use, as Linux tells; 0 elsewhere.
    pub fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kib.unwrap_or(0) << 10
    }

    /// Tells it to end (SIGTERM).
    pub fn terminate(&self) {
        crate::broker::signal(self.child.id(), crate::broker::Signal::Terminate);
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until it has ended; gives its exit code.
    pub fn await_end(&mut self, limit: Duration) -> Option<i32> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(begun.elapsed() < limit, "{} did not end in {limit:?}:\n{}", self.name, self.log());
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Nothing is left behind, whatever failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One request to `http://HOST:PORT`; status and body. Status 0 if nobody answered: whoever waits for a program to say
/// something looks whether it still runs.
pub fn http(url: &str, method: &str, path: &str, body: &str) -> (u16, String) {
    request(url, method, path, body).unwrap_or_default()
}

fn request(url: &str, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
    let address = url.trim_end_matches('/').strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split_whitespace().nth(1).unwrap().parse().unwrap();
    Some((status, body.to_owned()))
}
