//! Watches the files of the reference data, and puts what they say now in force beside the running workers.
//!
//! In: the files, looked at several times a second.  Out: `World`s, swapped as a whole; their rows, for the lake.
//! Owns: two threads: one that looks, loads and builds, one that writes rows. Neither is waited for on the hot path.
//! Absent on purpose: file notifications (folders on network volumes have none; a look at a handful of files costs
//! microseconds); half-read changes: a file is to be put in place by renaming it there, and one that is being written is
//! refused or loaded again when it looks different a moment later.
//! Invariants: I-9 a batch is judged by one snapshot; what does not load, or loses too much, leaves the old one in force.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use lake::Lake;
use matcher::SiteIndex;
use model::Reference;
use reference::{Loader, Look};
use serve::Metrics;
use serve::metrics::Swap;
use tokio::runtime::Handle;

use crate::worker::{Snapshot, Unwritten, World};

/// How often the files are looked at, unless a look takes more than a twentieth of that: then less often.
const LOOK_EVERY: Duration = Duration::from_millis(200);
const LOOK_SHARE: u32 = 20;
/// Changed files are loaded when two looks so far apart see the same, at the latest after so many looks.
const SETTLE: Duration = Duration::from_millis(50);
const SETTLE_LOOKS_MAX: u32 = 10;
/// How often rows that the lake refused are tried again.
const WRITE_EVERY: Duration = Duration::from_secs(2);

/// What a reloader works with.
pub struct Reloading {
    /// Loads the files; has loaded the snapshot in force.
    pub loader: Loader,
    /// What the files looked like before that.
    pub seen: Look,
    /// The world in force.
    pub world: Arc<ArcSwap<World>>,
    /// Where snapshots wait for the lake.
    pub unwritten: Arc<Unwritten>,
    /// The lake that their rows are for.
    pub lake: Lake,
    /// For the lake's edge.
    pub runtime: Handle,
    /// Counts swaps.
    pub metrics: Metrics,
}

/// The threads of a reloader.
pub struct Reloader {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// The thread that looks, loads and builds.
struct Watch {
    loader: Loader,
    seen: Look,
    world: Arc<ArcSwap<World>>,
    unwritten: Arc<Unwritten>,
    metrics: Metrics,
    writer: Thread,
    /// An index without changes beside its base, on its way, with the snapshot that it is of.
    rebuilding: Option<JoinHandle<(Arc<Reference>, SiteIndex)>>,
}

impl Reloader {
    /// Begins to watch.
    pub fn start(with: Reloading) -> Self {
        let Reloading { loader, seen, world, unwritten, lake, runtime, metrics } = with;
        let stop = Arc::new(AtomicBool::new(false));
        let writer = {
            let (stop, unwritten, metrics) = (Arc::clone(&stop), Arc::clone(&unwritten), metrics.clone());
            thread::spawn(move || write(&stop, &unwritten, &runtime, &lake, &metrics))
        };
        let thread = writer.thread().clone();
        let mut watch = Watch { loader, seen, world, unwritten, metrics, writer: thread, rebuilding: None };
        let watch = {
            let stop = Arc::clone(&stop);
            thread::spawn(move || watch.run(&stop))
        };
        Self { stop, threads: vec![watch, writer] }
    }

    /// Ends both threads when they have done what they are at.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.thread().unpark();
            // A panic was printed; there is nothing left that it could harm.
            let _ = thread.join();
        }
    }
}

/// Writes the rows of new snapshots when told, and again while the lake refuses them.
fn write(stop: &AtomicBool, unwritten: &Unwritten, runtime: &Handle, lake: &Lake, metrics: &Metrics) {
    while !stop.load(Ordering::Relaxed) {
        thread::park_timeout(WRITE_EVERY);
        match unwritten.write(runtime, lake) {
            Ok(written) => written.iter().for_each(|(table, rows)| metrics.count_lake_rows(table, *rows)),
            Err(error) => tracing::error!(%error, "reference data is in force and not in the lake yet"),
        }
    }
}

impl Watch {
    fn run(&mut self, stop: &AtomicBool) {
        let mut wait = LOOK_EVERY;
        while !stop.load(Ordering::Relaxed) {
            thread::park_timeout(wait);
            let begun = Instant::now();
            let now = self.loader.look();
            wait = LOOK_EVERY.max(begun.elapsed() * LOOK_SHARE);
            if now != self.seen {
                self.seen = self.settled(now);
                self.reload();
            }
            self.rebuild();
        }
    }

    /// What the files look like when nobody changes them any more.
    fn settled(&self, mut seen: Look) -> Look {
        for _ in 0..SETTLE_LOOKS_MAX {
            thread::park_timeout(SETTLE);
            let now = self.loader.look();
            if now == seen {
                break;
            }
            seen = now;
        }
        seen
    }

    fn reload(&mut self) {
        let begun = Instant::now();
        let loaded = self.loader.load();
        let Some(next) = loaded.reference else {
            let first = loaded.problems.first().map(ToString::to_string).unwrap_or_default();
            let problems = loaded.problems.len();
            tracing::error!(problems, first, "changed reference data refused: the old one stays");
            return self.metrics.count_reference_swap(Swap::Refused);
        };
        let before = self.world.load_full();
        if next.version == before.reference.version {
            return tracing::info!("the changed files of reference data say the same");
        }
        if let Err(refused) = reference::accept(&before.reference, &next) {
            tracing::error!(%refused, "changed reference data refused: the old one stays");
            return self.metrics.count_reference_swap(Swap::Refused);
        }
        let taken_at = (crate::wall_clock())();
        let world = before.followed_by(Arc::clone(&next));
        let changes = world.sites.changes();
        // Before the swap, so that no commit passes it by.
        self.unwritten.push(Snapshot { reference: Arc::clone(&next), names: loaded.names, taken_at });
        self.world.store(Arc::new(world));
        self.writer.unpark();
        self.metrics.count_reference_swap(Swap::Accepted);
        self.metrics.reference_swap_duration(begun.elapsed());
        tracing::info!(
            version = &*next.version,
            changes,
            ms = begun.elapsed().as_millis() as u64,
            "reference data swapped"
        );
    }

    /// Indexes the sites anew, beside everything else, where much changed since they were indexed.
    fn rebuild(&mut self) {
        let world = self.world.load_full();
        if let Some(rebuilding) = self.rebuilding.take_if(|rebuilding| rebuilding.is_finished()) {
            let rebased = rebuilding.join().ok().and_then(|(of, base)| world.rebased(&base, &of));
            if let Some(rebased) = rebased {
                self.world.store(Arc::new(rebased));
            }
        } else if self.rebuilding.is_none() && world.sites.is_worth_rebuilding() {
            let reference = Arc::clone(&world.reference);
            self.rebuilding = Some(thread::spawn(move || {
                let index = SiteIndex::build(&reference);
                (reference, index)
            }));
        }
    }
}
