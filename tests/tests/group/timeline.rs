//! What a tormented group does while it is tormented: how much is appended and committed, how much memory its processes take.
//!
//! In: the folder of lake and processes, how much was appended.  Out: samples, twice a second; what is to be read from them.
//! Owns: a thread, until it is stopped.
//! Absent on purpose: anything the processes say of themselves: what is committed is read from the table's log, and memory from
//! the system, which is asked for every process at work in the folder (Linux; elsewhere no memory is told).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

const EVERY: Duration = Duration::from_millis(500);

/// One look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// Seconds since the beginning.
    pub(crate) at_s: f64,
    /// Records appended to the log.
    pub(crate) appended: u64,
    /// Of these, passed by the frontier in the lake.
    pub(crate) committed: u64,
    /// Of the largest process, bytes.
    pub(crate) resident: u64,
}

impl Sample {
    /// Records that wait.
    pub(crate) fn lag(&self) -> u64 {
        self.appended.saturating_sub(self.committed)
    }
}

/// What was done to the group, from when to when, in seconds since the beginning.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    pub(crate) what: &'static str,
    pub(crate) from_s: f64,
    pub(crate) until_s: f64,
}

/// A timeline being taken.
pub(crate) struct Timeline {
    begun: Instant,
    appended: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    samples: Arc<Mutex<Vec<Sample>>>,
    thread: Option<JoinHandle<()>>,
    faults: Vec<Fault>,
}

impl Timeline {
    /// Begins, over the processes at work in `folder` and the lake there.
    pub(crate) fn start(folder: &Path) -> Self {
        let (appended, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (samples, begun) = (Arc::new(Mutex::new(Vec::new())), Instant::now());
        let (read, over, into) = (Arc::clone(&appended), Arc::clone(&stop), Arc::clone(&samples));
        let folder = folder.canonicalize().unwrap();
        let thread = std::thread::spawn(move || {
            let mut frontier = Frontier::of(&folder.join("lake/punches/_delta_log"));
            while !over.load(Ordering::Relaxed) {
                let sample = Sample {
                    at_s: begun.elapsed().as_secs_f64(),
                    appended: read.load(Ordering::Relaxed),
                    committed: frontier.committed(),
                    resident: resident_of(&folder),
                };
                into.lock().unwrap().push(sample);
                std::thread::sleep(EVERY);
            }
        });
        Self { begun, appended, stop, samples, thread: Some(thread), faults: Vec::new() }
    }

    /// So many more records are in the log.
    pub(crate) fn appended(&self, records: usize) {
        self.appended.fetch_add(records as u64, Ordering::Relaxed);
    }

    /// Does something to the group and keeps what it was.
    pub(crate) fn fault(&mut self, act: impl FnOnce() -> &'static str) -> Fault {
        let from_s = self.begun.elapsed().as_secs_f64();
        let what = act();
        let fault = Fault { what, from_s, until_s: self.begun.elapsed().as_secs_f64() };
        self.faults.push(fault);
        fault
    }

    /// Since the beginning.
    pub(crate) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Ends, one look behind everything.
    pub(crate) fn stop(mut self) -> (Vec<Sample>, Vec<Fault>) {
        std::thread::sleep(2 * EVERY);
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
        let samples = std::mem::take(&mut *self.samples.lock().unwrap());
        (samples, std::mem::take(&mut self.faults))
    }
}

impl Drop for Timeline {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// The longest time in which records waited and none was committed, and when it began, in seconds.
pub(crate) fn worst_pause(samples: &[Sample]) -> (f64, f64) {
    let mut worst = (0.0, 0.0);
    let mut since: Option<Sample> = None;
    for sample in samples {
        match since {
            Some(first) if sample.lag() > 0 && sample.committed == first.committed => {
                if sample.at_s - first.at_s > worst.0 {
                    worst = (sample.at_s - first.at_s, first.at_s);
                }
            }
            _ => since = (sample.lag() > 0).then_some(*sample),
        }
    }
    worst
}

/// How far the frontier in a table's log has come, read entry by entry.
struct Frontier {
    log: PathBuf,
    next: u64,
    offsets: BTreeMap<String, u64>,
}

impl Frontier {
    fn of(log: &Path) -> Self {
        Self { log: log.to_owned(), next: 0, offsets: BTreeMap::new() }
    }

    /// The sum of all partitions' offsets.
    fn committed(&mut self) -> u64 {
        while let Ok(entry) = std::fs::read_to_string(self.log.join(format!("{:020}.json", self.next))) {
            self.next += 1;
            for line in entry.lines() {
                let Ok(action) = serde_json::from_str::<Value>(line) else { continue };
                let id = action["txn"]["appId"].as_str().unwrap_or_default();
                if id.ends_with("/offset") {
                    self.offsets.insert(id.to_owned(), action["txn"]["version"].as_u64().unwrap_or(0));
                }
            }
        }
        self.offsets.values().sum()
    }
}

/// Bytes of memory of the largest process whose working folder is `folder`.
fn resident_of(folder: &Path) -> u64 {
    let Ok(processes) = std::fs::read_dir("/proc") else { return 0 };
    let at_work = |process: &PathBuf| std::fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd == folder);
    let resident = |process: PathBuf| {
        let status = std::fs::read_to_string(process.join("status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kib| kib * 1024)
    };
    processes.flatten().map(|entry| entry.path()).filter(at_work).filter_map(resident).max().unwrap_or(0)
}
