//! The built `muster` program as a user runs it: arguments in, exit code and texts out.
//!
//! In: arguments, a folder, a limit on file sizes.  Out: the exit code and both texts, or the running process.
//! Owns: the process, for as long as [`Program::run`] lasts.
//! Absent on purpose: a call into `muster`'s own code. What is tested here is what a shell sees, allocator, argument
//! parser and exit codes included.
//! Invariants: a run ends: [`Program::run`] kills the process after its limit and fails the test.
//! Why so: cargo builds programs of other packages of the workspace beside the tests, but tells only a package's own
//! tests where they are; the folder of the running test leads there.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long a run may take, unless a test says otherwise.
const LIMIT: Duration = Duration::from_secs(120);

/// How often a running program is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// One block of the shell's `ulimit -f`, in bytes.
const ULIMIT_BLOCK_BYTES: u64 = 512;

/// How to run `muster` once.
#[derive(Clone, Debug)]
pub struct Program {
    file: Option<PathBuf>,
    args: Vec<OsString>,
    folder: Option<PathBuf>,
    variables: Vec<(String, String)>,
    file_bytes_max: Option<u64>,
    limit: Duration,
}

/// What a run left behind.
#[derive(Clone, Debug)]
pub struct Ran {
    /// The exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it said beside that.
    pub stderr: String,
}

impl Program {
    /// The program, without arguments, in the test's own folder.
    #[expect(clippy::new_without_default, reason = "a run without arguments is no default anybody wants")]
    pub fn new() -> Self {
        Self {
            file: None,
            args: Vec::new(),
            folder: None,
            variables: Vec::new(),
            file_bytes_max: None,
            limit: LIMIT,
        }
    }

    /// Another build of it: a former version.
    #[must_use]
    pub fn built_at(mut self, file: &Path) -> Self {
        self.file = Some(file.to_owned());
        self
    }

    /// Adds one argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    pub fn args<I: IntoIterator<Item: AsRef<OsStr>>>(mut self, args: I) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Runs it in `folder`, so that paths may be relative to it.
    pub fn in_folder(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    /// Adds variables to its environment.
    pub fn envs<'a>(mut self, variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        self.variables.extend(variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
        self
    }

    /// Lets no file it writes grow past `bytes` (rounded up to the shell's blocks of 512): the write fails with
    /// "file too large", which for the program is what a full disk is. The signal that would come with it is ignored.
    pub fn file_bytes_max(mut self, bytes: u64) -> Self {
        self.file_bytes_max = Some(bytes);
        self
    }

    /// Lets it run for as long as `limit` instead of two minutes.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// If there is no program, or it does not end in time (it is killed then).
    pub fn run(self) -> Ran {
        let limit = self.limit;
        let told = format!("{:?}", self.args);
        let mut child = self.spawn();
        let stdout = collect(child.stdout.take().expect("stdout is piped"));
        let stderr = collect(child.stderr.take().expect("stderr is piped"));
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().expect("wait for muster") {
                break Some(status);
            }
            if begun.elapsed() > limit {
                child.kill().expect("kill muster");
                child.wait().expect("wait for the killed muster");
                break None;
            }
            thread::sleep(LOOK_EVERY);
        };
        let stdout = stdout.join().expect("read stdout");
        let stderr = stderr.join().expect("read stderr");
        let Some(status) = status else {
            panic!("muster {told} did not end within {limit:?}\nstdout:\n{stdout}\nstderr:\n{stderr}");
        };
        Ran { code: status.code(), stdout, stderr }
    }

    /// Starts it and returns the running process, its two outputs piped, its input empty. Whoever takes it reads the
    /// outputs (or lets go of them) and ends it.
    ///
    /// # Panics
    /// If there is no program or it does not start.
    pub fn spawn(self) -> Child {
        let program = self.file.unwrap_or_else(path);
        let mut command = match self.file_bytes_max {
            None => Command::new(&program),
            Some(bytes) => {
                let blocks = bytes.div_ceil(ULIMIT_BLOCK_BYTES);
                let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
                let mut shell = Command::new("sh");
                shell.arg("-c").arg(script).arg(&program);
                shell
            }
        };
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.args(&self.args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A terminal's width, colours or log settings of whoever runs the tests must not change what is printed.
        command
            .env("NO_COLOR", "1")
            .env("COLUMNS", "200")
            .env_remove("RUST_LOG")
            .env_remove("RUST_BACKTRACE");
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command.spawn().unwrap_or_else(|error| panic!("start {}: {error}", program.display()))
    }
}

impl Ran {
    /// Both texts and the code, for the message of a failed assertion.
    pub fn told(&self) -> String {
        format!("exit code {:?}\nstdout:\n{}\nstderr:\n{}", self.code, self.stdout, self.stderr)
    }

    /// All it said on stderr in one line: the frames and line breaks of its reports undone.
    pub fn said(&self) -> String {
        let words = self.stderr.split_whitespace().filter(|word| !matches!(*word, "│" | "×" | "|"));
        words.collect::<Vec<_>>().join(" ")
    }

    /// The last line of stdout.
    pub fn last_line(&self) -> &str {
        self.stdout.lines().last().unwrap_or_default()
    }
}

/// Where the built program is: two folders above the running test, which cargo keeps in `deps`.
///
/// # Panics
/// If it has not been built.
pub fn path() -> PathBuf {
    let test = env::current_exe().expect("the path of the running test");
    let deps = test.parent().expect("the running test has a folder");
    let folder = if deps.ends_with("deps") { deps.parent().expect("deps has a parent") } else { deps };
    let program = folder.join(format!("muster{}", env::consts::EXE_SUFFIX));
    assert!(
        program.is_file(),
        "no {}: build it first: cargo build --workspace --all-targets",
        program.display()
    );
    program
}

/// Reads a pipe to its end beside the waiting, so that a full pipe stops nothing.
fn collect(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("read from muster");
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
