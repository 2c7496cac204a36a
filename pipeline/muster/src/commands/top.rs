//! `muster top`: a running processor, live, from its metrics.
//!
//! In: two scrapes of `/metrics`, some time apart.  Out: a picture on the terminal, drawn anew every interval; one
//! plain picture with `--once` or where standard output is no terminal.  Owns: the terminal's second screen, and
//! the mode its keys are read in, while it draws there.
//! Absent on purpose: anything the metrics do not say, and any way to change the processor.

mod picture;

use std::fs::File;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use console::{Key, Term};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use serve::client::{Credentials, fetch_metrics};
use serve::{ErrorKind, Samples};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use super::Outcome;
use super::load;
use crate::failure::{Exit, Failure};
use picture::View;

/// Where a token is taken from: the configuration knows only its hash.
const TOKEN_VARIABLE: &str = "MUSTER_TOKEN";
/// Between the two scrapes of `--once`.
const ONCE_BETWEEN: Duration = Duration::from_secs(1);
/// How often the terminal's size is looked at.
const SIZE_EVERY: Duration = Duration::from_millis(100);
/// Columns of a picture that goes to no terminal.
const PLAIN_COLUMNS: usize = 100;

/// Arguments of `muster top`.
#[derive(Args)]
pub struct TopArguments {
    /// The processor: `http://127.0.0.1:9464`, which is the default.
    #[arg(value_name = "URL", conflicts_with = "config")]
    url: Option<String>,
    /// The processor's configuration, for its address and, where it speaks TLS, its certificate. A token, where it asks
    /// for one, comes from MUSTER_TOKEN.
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    config: Option<PathBuf>,
    /// One plain picture of one second, then the end.
    #[arg(long)]
    once: bool,
    /// Seconds between two pictures, 0.2 to 60.
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, value_parser = parse_interval)]
    interval: f64,
}

fn parse_interval(text: &str) -> Result<f64, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.2..=60.0).contains(seconds));
    seconds.ok_or_else(|| "a number of seconds from 0.2 to 60".to_owned())
}

/// Runs the command.
pub(super) fn run(arguments: &TopArguments) -> Outcome {
    let target = Target::of(arguments)?;
    let runtime = crate::runtime()?;
    let term = Term::stdout();
    if arguments.once || !term.is_term() {
        once(&target, &runtime)?;
    } else {
        live(&target, &runtime, &term, Duration::from_secs_f64(arguments.interval))?;
    }
    Ok(Exit::Done)
}

/// Whom to ask, and with what.
struct Target {
    url: String,
    token: Option<String>,
    certificate: Option<PathBuf>,
}

impl Target {
    fn of(arguments: &TopArguments) -> Result<Self, Box<Failure>> {
        let token = std::env::var(TOKEN_VARIABLE).ok().filter(|token| !token.is_empty());
        let Some(file) = &arguments.config else {
            let url = arguments.url.clone().unwrap_or_else(|| format!("http://{}", serve::DEFAULT_ADDRESS));
            return Ok(Self { url, token, certificate: None });
        };
        let Some(serve) = load::config(Some(file))?.serve else {
            let what = format!("{} has no section [serve]: the processor shows no metrics", file.display());
            return Err(Box::new(Failure::usage(what, "add it, or name the URL of another processor")));
        };
        let checked = serve.check().map_err(|problems| {
            let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Failure::wrong_use(told.join("\n"))
        })?;
        let certificate = checked.certificate().map(PathBuf::from);
        Ok(Self { url: checked.local_url(), token, certificate })
    }

    fn scrape(&self, runtime: &Runtime) -> Result<Scrape, serve::Error> {
        let credentials =
            Credentials { token: self.token.as_deref(), certificate: self.certificate.as_deref() };
        let samples = runtime.block_on(fetch_metrics(&self.url, credentials))?;
        Ok(Scrape { samples, at: Instant::now() })
    }
}

struct Scrape {
    samples: Samples,
    at: Instant,
}

/// A wrong URL is wrong use; a processor that does not answer is not.
fn failure(error: &serve::Error) -> Box<Failure> {
    Box::new(match error.kind() {
        ErrorKind::Url => Failure::wrong_use(error.to_string()),
        _ => Failure::from_outside(error),
    })
}

fn view<'a>(target: &'a Target, before: &'a Scrape, after: &'a Scrape, trouble: Option<&'a str>) -> View<'a> {
    View {
        url: &target.url,
        before: &before.samples,
        after: &after.samples,
        between_s: (after.at - before.at).as_secs_f64(),
        now_s: (crate::wall_clock())().us() as f64 / 1e6,
        trouble,
    }
}

fn once(target: &Target, runtime: &Runtime) -> Result<(), Box<Failure>> {
    let before = target.scrape(runtime).map_err(|error| failure(&error))?;
    thread::sleep(ONCE_BETWEEN);
    let after = target.scrape(runtime).map_err(|error| failure(&error))?;
    crate::say(&picture::lines(&view(target, &before, &after, None), PLAIN_COLUMNS, usize::MAX).join("\n"))
}

fn live(target: &Target, runtime: &Runtime, term: &Term, interval: Duration) -> Result<(), Box<Failure>> {
    // The first answer comes before the second screen is taken: a wrong URL is said where it stays readable.
    let mut before = target.scrape(runtime).map_err(|error| failure(&error))?;
    let mut after = target.scrape(runtime).map_err(|error| failure(&error))?;
    let mut trouble: Option<String> = None;
    // Before the keys are read, which is what changes the terminal's mode.
    let screen = Screen::take(term)?;
    let quit = keys(term, runtime);
    loop {
        let ends = Instant::now() + interval;
        let mut drawn_for = None;
        loop {
            let size = term.size();
            if drawn_for != Some(size) {
                screen.draw(&view(target, &before, &after, trouble.as_deref()))?;
                drawn_for = Some(size);
            }
            let left = ends.saturating_duration_since(Instant::now());
            match quit.recv_timeout(left.min(SIZE_EVERY)) {
                Ok(()) => return Ok(()),
                Err(RecvTimeoutError::Timeout) if left > SIZE_EVERY => {}
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Box::new(Failure::usage(
                        "neither keys nor signals reach this program",
                        "use --once here",
                    )));
                }
            }
        }
        match target.scrape(runtime) {
            Ok(next) => {
                before = std::mem::replace(&mut after, next);
                trouble = None;
            }
            // A processor that restarts is back in a moment: the last picture stays, and says that it is old.
            Err(error) => trouble = Some(error.to_string()),
        }
    }
}

/// Hears of `q`, Ctrl-C and signals. Whoever waits for a key holds the terminal in raw mode: the screen ends that.
fn keys(term: &Term, runtime: &Runtime) -> Receiver<()> {
    let (tell, quit) = channel();
    let term = term.clone();
    let signalled = tell.clone();
    runtime.spawn(async move {
        let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        let _ = signalled.send(());
    });
    thread::spawn(move || {
        loop {
            match term.read_key_raw() {
                Ok(Key::Char('q' | 'Q') | Key::CtrlC | Key::Escape) => {
                    // The other end may have ended for another reason.
                    let _ = tell.send(());
                    return;
                }
                Ok(_) => {}
                Err(_) => return,
            }
        }
    });
    quit
}

/// The terminal's second screen, without a cursor; what stood on the first, and the mode in which keys are read, come
/// back at the end, however that comes about.
struct Screen<'a>(&'a Term, Option<KeyMode>);

/// How the terminal that keys come from was set before.
struct KeyMode {
    terminal: File,
    settings: Termios,
}

impl KeyMode {
    /// None where keys come from no terminal.
    fn now() -> Option<Self> {
        // The same that keys are read from: standard input, else the process's terminal.
        let own = std::io::stdin().as_fd().try_clone_to_owned().map(File::from).ok();
        let own = own.filter(|input| rustix::termios::isatty(input));
        let terminal = own.or_else(|| File::options().read(true).write(true).open("/dev/tty").ok())?;
        let settings = tcgetattr(&terminal).ok()?;
        Some(Self { terminal, settings })
    }
}

impl<'a> Screen<'a> {
    fn take(term: &'a Term) -> Result<Self, Box<Failure>> {
        let screen = Self(term, KeyMode::now());
        screen.write("\x1b[?1049h\x1b[?25l")?;
        Ok(screen)
    }

    fn draw(&self, view: &View<'_>) -> Result<(), Box<Failure>> {
        let (height, width) = self.0.size();
        let lines = picture::lines(view, usize::from(width), usize::from(height));
        // Written over what is there, line by line, so that nothing flickers.
        let mut text = String::from("\x1b[H");
        text.push_str(&lines.join("\x1b[K\r\n"));
        text.push_str("\x1b[K\x1b[J");
        self.write(&text)
    }

    fn write(&self, text: &str) -> Result<(), Box<Failure>> {
        let written = self.0.write_str(text).and_then(|()| self.0.flush());
        crate::printed(written)
    }
}

impl Drop for Screen<'_> {
    fn drop(&mut self) {
        // A terminal that is gone needs no restoring.
        let _ = self.write("\x1b[?25h\x1b[?1049l");
        if let Some(KeyMode { terminal, settings }) = &self.1 {
            let _ = tcsetattr(terminal, OptionalActions::Now, settings);
        }
    }
}
