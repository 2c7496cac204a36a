//! `muster run`: the processor on the embedded log or on Kafka, until it is stopped or has come to a given time.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use clap::Args;
use jiff::Timestamp;
use lake::{Lake, LakeOptions};
use model::{Anomaly, AnomalyState, EventTime};
use serve::Metrics;
use serve::metrics::Swap;

use super::Outcome;
use super::load;
use super::replay::{summary, tell};
use crate::config::{ClockKind, Config, Paths};
use crate::edges::Edges;
use crate::failure::{Exit, Failure};
use crate::live_log::LiveLog;
use crate::meter::Meter;
use crate::progress::Progress;
use crate::wiring::Wiring;
use crate::worker::{End, Observer, Status, World};

/// How often the reference files are looked at for a change.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Arguments of `muster run`.
#[derive(Args)]
pub struct RunArguments {
    /// The configuration.
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    pub config: PathBuf,
    /// Drain the log, run the timers to this time (RFC 3339), end.
    #[arg(long, value_name = "TIME")]
    pub until: Option<Timestamp>,
    /// The summary as the last line on standard output, for machines.
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
pub(super) fn run(arguments: &RunArguments) -> Outcome {
    let config = load::config(Some(&arguments.config))?;
    let (reference, loaded) = load::reference(&config.reference)?;
    let runtime = crate::runtime()?;
    let stop = Arc::new(AtomicBool::new(false));
    stop_on_signal(&runtime, &stop);
    let options = LakeOptions {
        target_file_bytes: config.lake.target_file_bytes,
        location_days: config.privacy.location_days,
        ..LakeOptions::default()
    };
    let lake = runtime.block_on(Lake::open(&config.lake.url, options)).map_err(Failure::from_outside)?;
    let log = LiveLog::open(&config)?;
    let _lock = log.is_alone().then(|| lake.lock_local()).transpose().map_err(Failure::from_outside)?;
    let identity = log.prepare(&config)?;
    let world = Arc::new(ArcSwap::from_pointee(World::new(Arc::clone(&reference))));
    let wiring = Wiring {
        config: &config,
        runtime: runtime.handle().clone(),
        lake: lake.clone(),
        log: &log,
        identity,
        registry: crate::registry::open(&config, runtime.handle())?,
        end: arguments.until.map_or(End::Never, |until| End::At(EventTime::from(until))),
    };
    let written = wiring.write_reference(&reference, &loaded.names)?;
    let mut edges = Edges::start(&config, &log, &lake, runtime.handle(), &loaded.names)?;
    count_rows(&edges.metrics, &written);
    let reloader = (arguments.until.is_none()).then(|| {
        let (config, world, stop, lake) =
            (config.clone(), Arc::clone(&world), Arc::clone(&stop), lake.clone());
        let (handle, metrics) = (runtime.handle().clone(), edges.metrics.clone());
        std::thread::spawn(move || reload(&config, &world, &stop, &lake, &handle, &metrics))
    });
    let mut watch = Watch { progress: Progress::new("run"), fired: BTreeSet::new() };
    let (metrics, health) = (edges.metrics.clone(), edges.health.clone());
    let mut meter = Meter::new(metrics, health, config.limits.buffered_rows_max, &mut watch);
    edges.health.started();
    let is_over = AtomicBool::new(false);
    let tally = std::thread::scope(|scope| {
        let looking =
            scope.spawn(|| edges.watch(&log, wiring.registry.as_ref(), || is_over.load(Ordering::Relaxed)));
        let tally = wiring.run(&world, &stop, &AtomicBool::new(true), &mut meter);
        is_over.store(true, Ordering::Relaxed);
        looking.thread().unpark();
        tally
    });
    stop.store(true, Ordering::Relaxed);
    if let Some(reloader) = reloader {
        reloader.thread().unpark();
        // It only sleeps and reads; its panic would have been printed.
        let _ = reloader.join();
    }
    let stopped = edges.stop();
    let tally = tally?;
    stopped?;
    watch.progress.finish(&tally);
    let summary = summary(&tally, &watch.fired, &config.lake.url);
    tell(&summary, arguments.json, &format!("the topic {}.dlq", config.source.topic))?;
    Ok(if summary.rejected == 0 { Exit::Done } else { Exit::Findings })
}

fn stop_on_signal(runtime: &tokio::runtime::Runtime, stop: &Arc<AtomicBool>) {
    let stop = Arc::clone(stop);
    runtime.spawn(async move {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        crate::tell("stopping: draining what was read, then committing");
        stop.store(true, Ordering::Relaxed);
    });
}

fn count_rows(metrics: &Metrics, written: &[(&'static str, u64)]) {
    for (table, rows) in written {
        metrics.count_lake_rows(table, *rows);
    }
}

/// Looks at the reference files now and then; a changed set is validated, compared and swapped in as a whole.
fn reload(
    config: &Config,
    world: &ArcSwap<World>,
    stop: &AtomicBool,
    lake: &Lake,
    runtime: &tokio::runtime::Handle,
    metrics: &Metrics,
) {
    let mut known = stamps(config);
    while !stop.load(Ordering::Relaxed) {
        std::thread::park_timeout(LOOK_EVERY);
        let now = stamps(config);
        if now == known {
            continue;
        }
        known = now;
        let is_taken = swap(config, world, lake, runtime, metrics);
        metrics.count_reference_swap(if is_taken { Swap::Accepted } else { Swap::Refused });
    }
}

/// Swaps in what the reference files now say; `false` if the old data stays in force.
fn swap(
    config: &Config,
    world: &ArcSwap<World>,
    lake: &Lake,
    runtime: &tokio::runtime::Handle,
    metrics: &Metrics,
) -> bool {
    let loaded = reference::load(&load::sources(&config.reference));
    let Some(next) = loaded.reference else {
        let first = loaded.problems.first().map(ToString::to_string).unwrap_or_default();
        let problems = loaded.problems.len();
        tracing::error!(problems, first, "changed reference data refused: the old one stays");
        return false;
    };
    if let Err(refused) = reference::accept(&world.load().reference, &next) {
        tracing::error!(%refused, "changed reference data refused: the old one stays");
        return false;
    }
    let tables = crate::reference_rows::tables(&next, &loaded.names, (crate::wall_clock())());
    match runtime.block_on(lake.append_reference(tables, &next.version)) {
        Ok(written) => count_rows(metrics, &written),
        Err(error) => {
            tracing::error!(%error, "changed reference data could not be written to the lake: the old one stays");
            return false;
        }
    }
    tracing::info!(version = &*next.version, "reference data swapped");
    world.store(Arc::new(World::new(next)));
    true
}

/// When each reference file was last changed.
fn stamps(config: &Config) -> Vec<(PathBuf, Option<SystemTime>)> {
    let reference = &config.reference;
    let sets: [&Paths; 8] = [
        &reference.sites,
        &reference.orgs,
        &reference.people,
        &reference.shifts,
        &reference.leave,
        &reference.corrections,
        &reference.policies,
        &reference.calendars,
    ];
    let mut stamps = Vec::new();
    for path in sets.into_iter().flat_map(|set| &set.0) {
        let inside = std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
        for file in std::iter::once(path.clone()).chain(inside) {
            let changed = std::fs::metadata(&file).and_then(|data| data.modified()).ok();
            stamps.push((file, changed));
        }
    }
    stamps.sort();
    stamps
}

struct Watch {
    progress: Progress,
    fired: BTreeSet<(model::AnomalyKind, model::AnomalyId)>,
}

impl Observer for Watch {
    fn watch(&mut self, status: &Status<'_>) {
        self.progress.show(status.tally, status.events.committed_rows);
    }

    fn said(&mut self, anomalies: &[Anomaly], _results: &[model::ShiftResult]) {
        let firing = anomalies.iter().filter(|anomaly| anomaly.state == AnomalyState::Firing);
        self.fired.extend(firing.map(|anomaly| (anomaly.finding.kind, anomaly.finding.id)));
    }
}

/// Which clock the configuration asks for.
pub(crate) fn clock_mode(config: &Config) -> crate::worker::ClockMode {
    match config.source.clock {
        ClockKind::Append => crate::worker::ClockMode::Append,
        ClockKind::Record => crate::worker::ClockMode::Record,
    }
}
