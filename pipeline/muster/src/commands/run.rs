//! `muster run`: the processor on the embedded log or on Kafka, until it is stopped or has come to a given time.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use clap::Args;
use jiff::Timestamp;
use lake::LocalLock;
use model::{Anomaly, AnomalyState, EventTime};
use reference::Loader;
use serve::Metrics;

use super::Outcome;
use super::load;
use super::reach;
use super::replay::{summary, tell};
use crate::config::{ClockKind, Config};
use crate::edges::Edges;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::lake_place::LakePlace;
use crate::live_log::{LogPlace, Manner};
use crate::meter::Meter;
use crate::progress::Progress;
use crate::reloader::{Reloader, Reloading};
use crate::wiring::Wiring;
use crate::worker::{End, Observer, Patience, Status, Unwritten, World};

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
    run_as(Manner::Speaks, &config, arguments)
}

/// Runs the command, or a shadow, under a configuration that was read.
pub(super) fn run_as(manner: Manner, config: &Config, arguments: &RunArguments) -> Outcome {
    let mut loader = Loader::new(load::sources(&config.reference));
    let seen = loader.look();
    let (reference, loaded) = load::told(loader.load())?;
    reach::require(config, &reference)?;
    let runtime = crate::runtime()?;
    let stop = Arc::new(AtomicBool::new(false));
    stop_on_signal(&runtime, &stop);
    let place = LakePlace::of(config, None)?;
    let lake = runtime.block_on(place.open())?;
    let beside = place.beside(&lake);
    // Whoever waits for the end of a run is told when there will be none; a processor waits for as long as it takes.
    let patience = match arguments.until {
        Some(_) => Patience::short(),
        None => Patience::until(&stop),
    };
    let known = runtime.block_on(lake.live_log()).map_err(Failure::from_outside)?;
    // By a processor that is to run for ever, a log that the lake was filled from is waited for as while running. Any other has to
    // answer at once: its address may be mistyped.
    let is_known = known.is_some_and(|known| *known.topic == *config.source.topic);
    let awaiting = (is_known && arguments.until.is_none()).then_some(&patience);
    let log_place = LogPlace::of(config, manner)?;
    let log = answered(awaiting, || log_place.open())?;
    // The file of a shadow's letters is one process's, too.
    let is_alone = log.is_alone() || manner == Manner::Shadow;
    let _lock = is_alone.then(|| LocalLock::take(&beside)).transpose().map_err(Failure::from_outside)?;
    let identity = answered(awaiting, || log.prepare(config, manner))?;
    let world = Arc::new(ArcSwap::from_pointee(World::new(Arc::clone(&reference))));
    let unwritten = Arc::new(Unwritten::default());
    let letters = match manner {
        Manner::Speaks => format!("the topic {}.dlq", config.source.topic),
        Manner::Shadow => files::letters_file(&beside).display().to_string(),
    };
    let wiring = Wiring {
        config,
        runtime: runtime.handle().clone(),
        lake: lake.clone(),
        beside,
        log: &log,
        manner,
        identity,
        unwritten: Arc::clone(&unwritten),
        registry: crate::registry::open(config, runtime.handle())?,
        end: arguments.until.map_or(End::Never, |until| End::At(EventTime::from(until))),
        patience: patience.clone(),
        drain: None,
    };
    let written = wiring.write_reference(&reference, &loaded.names)?;
    let mut edges = Edges::start(config, (&log, manner), &lake, runtime.handle(), &loaded.names)?;
    count_rows(&edges.metrics, &written);
    let reloader = arguments.until.is_none().then(|| {
        let (world, lake, runtime) = (Arc::clone(&world), lake.clone(), runtime.handle().clone());
        let metrics = edges.metrics.clone();
        Reloader::start(Reloading { loader, seen, world, unwritten, lake, runtime, metrics })
    });
    let mut watch = Watch { progress: Progress::new("run"), fired: BTreeSet::new() };
    let (metrics, health) = (edges.metrics.clone(), edges.health.clone());
    let mut meter = Meter::new(metrics, health, &config.limits, &mut watch);
    edges.health.started();
    let is_over = AtomicBool::new(false);
    let tally = std::thread::scope(|scope| {
        let looking = scope.spawn(|| {
            edges.watch(&log, (&patience, wiring.registry.as_ref()), || is_over.load(Ordering::Relaxed))
        });
        let tally = wiring.run(&world, &stop, &AtomicBool::new(true), &mut meter);
        is_over.store(true, Ordering::Relaxed);
        looking.thread().unpark();
        tally
    });
    stop.store(true, Ordering::Relaxed);
    if let Some(reloader) = reloader {
        reloader.stop();
    }
    let stopped = edges.stop();
    let tally = tally?;
    stopped?;
    watch.progress.finish(&tally);
    let summary = summary(&tally, &watch.fired, &config.lake.url);
    tell(&summary, arguments.json, &letters)?;
    Ok(if summary.rejected == 0 { Exit::Done } else { Exit::Findings })
}

/// What the log answers, tried until it does where there is somebody to wait.
fn answered<T>(
    patience: Option<&Patience>,
    mut act: impl FnMut() -> Result<T, source::Error>,
) -> Result<T, Box<Failure>> {
    match patience {
        Some(patience) => patience.persevere(act),
        None => act(),
    }
    .map_err(files::failure)
}

pub(super) fn stop_on_signal(runtime: &tokio::runtime::Runtime, stop: &Arc<AtomicBool>) {
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
