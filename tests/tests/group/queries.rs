//! Analysts who ask while a group is tormented: `muster sql` in processes of its own, again and again.
//!
//! In: a folder with a configuration and a lake.  Out: how many answers; a panic where one is not the recount of its own state.
//! Owns: a thread, until it is stopped.
//! Absent on purpose: the views in the recount: every version of every result comes back in the same answer, and a statement sees
//! one state of all tables.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;
use tests::program::Program;

/// Between two questions: a process that starts and reads a lake takes from the others what they need.
const PAUSE: Duration = Duration::from_secs(4);

const STATEMENT: &str = "SELECT 'month' AS what, employee_id, month, '' AS shift_id, CAST(0 AS BIGINT) AS version, \
    CAST(late_min AS BIGINT) AS late_min, CAST(worked_s AS BIGINT) AS worked_s, CAST(missing_in AS BIGINT) AS missing_in \
    FROM monthly_statistics UNION ALL \
    SELECT 'version', employee_id, business_month, shift_id, CAST(version AS BIGINT), CAST(late_min AS BIGINT), \
    CAST(worked_s AS BIGINT), CAST(missing_in AS BIGINT) FROM shift_results";

/// Whoever asks.
pub(crate) struct Analyst {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<(usize, usize)>>,
}

impl Analyst {
    /// Begins to ask, by `config` in `folder`.
    pub(crate) fn start(folder: &Path, config: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (over, folder, config) = (Arc::clone(&stop), folder.to_owned(), config.to_owned());
        let thread = std::thread::spawn(move || {
            let (mut answers, mut months) = (0, 0);
            while !over.load(Ordering::Relaxed) {
                if let Some(counted) = ask(&folder, &config) {
                    answers += 1;
                    months = counted;
                }
                std::thread::park_timeout(PAUSE);
            }
            (answers, months)
        });
        Self { stop, thread: Some(thread) }
    }

    /// Ends; how many answers there were, and how many months the last one told.
    pub(crate) fn stop(mut self) -> (usize, usize) {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().unwrap();
        thread.thread().unpark();
        thread.join().unwrap()
    }
}

impl Drop for Analyst {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Late minutes, seconds worked, ends missing.
type Counts = [i64; 3];

/// One question; how many months its answer told, all as recounted. `None` while there is no lake.
fn ask(folder: &Path, config: &str) -> Option<usize> {
    if !lake_is_there(folder) {
        return None;
    }
    let ran =
        Program::new().args(["sql", "-c", config, "--format", "json", STATEMENT]).in_folder(folder).run();
    assert_eq!(ran.code, Some(0), "{}", ran.told());
    let mut told: BTreeMap<(String, String), Counts> = BTreeMap::new();
    let mut latest: BTreeMap<(String, String), (i64, String, Counts)> = BTreeMap::new();
    for line in ran.stdout.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| row[key].as_str().unwrap().to_owned();
        let counts = ["late_min", "worked_s", "missing_in"].map(|key| row[key].as_i64().unwrap_or(0));
        if row["what"] == "month" {
            told.insert((text("employee_id"), text("month")), counts);
            continue;
        }
        let version = row["version"].as_i64().unwrap();
        let of_shift = latest.entry((text("shift_id"), text("employee_id"))).or_default();
        if version > of_shift.0 {
            *of_shift = (version, text("month"), counts);
        }
    }
    let mut recount: BTreeMap<(String, String), Counts> = BTreeMap::new();
    for ((_, employee_id), (_, month, counts)) in latest {
        let sums = recount.entry((employee_id, month)).or_default();
        sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
    }
    assert_eq!(told, recount, "an answer is not the recount of its own state");
    Some(told.len())
}

/// A processor has begun: the table of results has an entry.
fn lake_is_there(folder: &Path) -> bool {
    let entry: PathBuf = folder.join("lake/shift_results/_delta_log/00000000000000000000.json");
    entry.is_file()
}
