//! `muster replay`: the same pipeline over files, each a small log of its own, as fast as it goes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use alerts::{FileOutlet, Outlet, SilentOutlet};
use arc_swap::ArcSwap;
use clap::Args;
use jiff::Timestamp;
use lake::{Lake, LocalLock, LogIdentity, LogKind, Which};
use model::{Anomaly, AnomalyState, EventTime, Reference, ShiftResult};
use schemas::Decoder;
use schemas::lines::Summary;
use source::{BatchLimits, DeadLetterFile, FileFormat, FileSource, Source, StartAt};

use super::Outcome;
use super::load;
use super::reach;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::lake_place::LakePlace;
use crate::live_log::Manner;
use crate::progress::Progress;
use crate::reference_rows;
use crate::rules;
use crate::worker::{
    ClockMode, End, FileLetters, LogReader, Observer, PartitionSettings, Patience, Pipeline, Rivals,
    Settings, Status, Store, Tally, World,
};

/// Arguments of `muster replay`.
#[derive(Args)]
pub struct ReplayArguments {
    /// The configuration; without one, no reference data and a lake in `./lake`.
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Files of punches, in the order they are to be read.
    #[arg(required = true, value_name = "PUNCHES")]
    pub punches: Vec<PathBuf>,
    /// The lake's folder or URL (s3://BUCKET/PREFIX), in place of the configured one.
    #[arg(long, value_name = "PLACE")]
    pub lake: Option<String>,
    /// The format of the files; by their endings where not given.
    #[arg(long, value_parser = files::parse_format)]
    pub format: Option<FileFormat>,
    /// Run the timers to this time (RFC 3339) instead of until every window has settled.
    #[arg(long, value_name = "TIME")]
    pub until: Option<Timestamp>,
    /// The summary as the last line on standard output, for machines.
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
pub(super) fn run(arguments: &ReplayArguments) -> Outcome {
    let config = load::config(arguments.config.as_deref())?;
    run_as(Manner::Speaks, &config, arguments)
}

/// Runs the command, or a shadow over files, under a configuration that was read.
pub(super) fn run_as(manner: Manner, config: &Config, arguments: &ReplayArguments) -> Outcome {
    let place = LakePlace::of(config, arguments.lake.as_deref())?;
    for file in &arguments.punches {
        files::expect_file(file)?;
    }
    // Each has a core: the files' bytes are hashed before they are read.
    let (reference, opened) = thread::scope(|scope| {
        let opened = scope.spawn(|| open_all(arguments, config));
        (load::reference(&config.reference), opened.join())
    });
    let (mut reference, loaded) = reference?;
    remind_nobody(Arc::make_mut(&mut reference));
    reach::require(config, &reference)?;
    let opened = opened.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    let runtime = crate::runtime()?;
    let lake = runtime.block_on(place.open())?;
    let beside = place.beside(&lake);
    let _lock = LocalLock::take(&beside).map_err(Failure::from_outside)?;
    let world = ArcSwap::from_pointee(World::new(Arc::clone(&reference)));
    let mut replayed = Replayed::default();
    let mut tally = Tally::default();
    for (file, source) in arguments.punches.iter().zip(opened) {
        let mut source = match source {
            Some(source) => source,
            None => open(file, arguments, config)?,
        };
        let identity = source.identity();
        let log = LogIdentity::file(identity.log_id.clone());
        let kind = match manner {
            Manner::Speaks => LogKind::Replay,
            Manner::Shadow => LogKind::ShadowReplay,
        };
        runtime.block_on(lake.own(&log, kind)).map_err(Failure::from_outside)?;
        let tables = reference_rows::tables(&reference, &loaded.names, (crate::wall_clock())());
        runtime.block_on(lake.append_reference(tables, &reference.version)).map_err(Failure::from_outside)?;
        let rules = rules::of_run(config, (&lake, &log), ClockMode::Record, runtime.handle());
        let pipeline = Pipeline {
            store: store(
                &source,
                Store::new(lake.clone(), log, runtime.handle().clone(), config.lake.state_days),
            ),
            world: &world,
            outlet: outlet(manner, &beside)?,
            letters: Box::new(FileLetters {
                file: DeadLetterFile::open(&files::letters_file(&beside)).map_err(files::failure)?,
                log: reader(file, arguments.format),
            }),
            forwarder: None,
            rules,
            patience: Patience::short(),
            settings: settings(config, &source, arguments.until)?,
            stop: &AtomicBool::new(false),
            may_end: &AtomicBool::new(true),
            source: &mut source,
        };
        let mut watch =
            Watch { progress: Progress::new(&file.display().to_string()), replayed: &mut replayed };
        let of_file = pipeline.run(&mut watch)?;
        watch.progress.finish(&of_file);
        tally.add(&of_file);
    }
    if let Err(error) = runtime.block_on(tidy(&lake)) {
        tracing::warn!(%error, "housekeeping of the lake failed");
    }
    let summary = summary(&tally, &replayed.fired, &place.url);
    // As the lake was named, where that names the folder.
    let is_url = place.url.contains("://");
    let folder = if is_url { beside } else { PathBuf::from(&place.url) };
    let letters = files::letters_file(&folder);
    tell(&summary, arguments.json, &letters.display().to_string())?;
    Ok(if summary.rejected == 0 { Exit::Done } else { Exit::Findings })
}

/// A reminder is for before a shift: of one that is over by the time its punches are replayed there is nobody to remind, and
/// every other shift would have one.
fn remind_nobody(reference: &mut Reference) {
    reference.policies.iter_mut().for_each(|policy| policy.reminder_before_min = 0);
}

/// Nobody else tidies a lake of replays: its small files become one, and what was replaced long ago is deleted.
async fn tidy(lake: &Lake) -> lake::Result<()> {
    lake.compact(Which::Due).await?;
    lake.maintain().await?;
    lake.sweep().await?;
    Ok(())
}

/// Files that stay open between the look at their headers and their turn; further ones are opened twice.
const KEPT_OPEN_MAX: usize = 128;

/// Opens every file and reads its header, so that a file that cannot be read is told before the lake is touched.
fn open_all(arguments: &ReplayArguments, config: &Config) -> Result<Vec<Option<FileSource>>, Box<Failure>> {
    let mut opened = Vec::with_capacity(arguments.punches.len());
    for (index, file) in arguments.punches.iter().enumerate() {
        let source = open(file, arguments, config)?;
        partition_settings(config, &source)?;
        opened.push((index < KEPT_OPEN_MAX).then_some(source));
    }
    Ok(opened)
}

fn outlet(manner: Manner, beside: &Path) -> Result<Box<dyn Outlet>, Box<Failure>> {
    Ok(match manner {
        Manner::Speaks => {
            Box::new(FileOutlet::open(&beside.join("alerts.ndjson")).map_err(|e| files::outlet_failure(&e))?)
        }
        Manner::Shadow => Box::new(SilentOutlet),
    })
}

/// `store` as the records of `source` need it.
fn store(source: &FileSource, store: Store) -> Store {
    match source.format() {
        FileFormat::DingTalk | FileFormat::WeCom | FileFormat::Feishu => store.with_vendor_records(),
        FileFormat::Ndjson
        | FileFormat::Csv
        | FileFormat::AttLog
        | FileFormat::CnTerminal
        | FileFormat::Arrow => store,
    }
}

/// Reads single lines of `file` once more.
fn reader(file: &Path, format: Option<FileFormat>) -> LogReader {
    let file = file.to_owned();
    LogReader::new(Box::new(move || {
        let source = FileSource::open(&file, format, BatchLimits::default())?;
        Ok(Box::new(source) as Box<dyn Source>)
    }))
}

fn open(file: &Path, arguments: &ReplayArguments, config: &Config) -> Result<FileSource, Box<Failure>> {
    let limits = BatchLimits { records_max: config.limits.batch_records_max, ..BatchLimits::default() };
    FileSource::open(file, arguments.format, limits).map_err(files::failure)
}

fn settings(
    config: &Config,
    source: &FileSource,
    until: Option<Timestamp>,
) -> Result<Settings, Box<Failure>> {
    let end = until.map_or(End::Settled, |until| End::At(EventTime::from(until)));
    let partition = partition_settings(config, source)?;
    Ok(Settings {
        partition,
        threads: 1,
        commit_every: Duration::from_millis(config.lake.commit_every_ms),
        buffered_rows_max: config.limits.buffered_rows_max,
        buffered_bytes_max: config.limits.buffered_bytes_max,
        start: StartAt::Earliest,
        end,
        rivals: Rivals::GiveWay,
    })
}

fn partition_settings(config: &Config, source: &FileSource) -> Result<PartitionSettings, Box<Failure>> {
    let format = files::format(source, config)?;
    let import = files::import_options(config)?;
    let import_zone = config.import.time_zone.as_ref().map(|_| import.time_zone.clone());
    let identity = source.identity();
    Ok(PartitionSettings {
        clock_max: None,
        topic: identity.topic.as_str().into(),
        partitions: 1,
        clock: ClockMode::Record,
        state_days: config.lake.state_days,
        restate_days: config.lake.restate_days,
        log: identity.log_id.mark(),
        tells_results: false,
        keeps_evidence: config.privacy.location_days > 0,
        alert_age_max: None,
        import_zone,
        decoder: Arc::new(move || Decoder::new(format.clone(), import.clone())),
        wall: crate::wall_clock(),
    })
}

/// Which distinct anomalies fired.
#[derive(Default)]
struct Replayed {
    fired: BTreeSet<(model::AnomalyKind, model::AnomalyId)>,
}

struct Watch<'a> {
    progress: Progress,
    replayed: &'a mut Replayed,
}

impl Observer for Watch<'_> {
    fn watch(&mut self, status: &Status<'_>) {
        self.progress.show(status.tally, status.events.committed_rows);
    }

    fn said(&mut self, anomalies: &[Anomaly], _results: &[ShiftResult]) {
        let firing = anomalies.iter().filter(|alert| alert.state == AnomalyState::Firing);
        self.replayed.fired.extend(firing.map(|alert| (alert.finding.kind, alert.finding.id)));
    }
}

/// The summary of a run whose distinct fired alerts are `fired`.
pub(super) fn summary(
    tally: &Tally,
    fired: &BTreeSet<(model::AnomalyKind, model::AnomalyId)>,
    lake: &str,
) -> Summary {
    let mut summary = Summary {
        punches: tally.accepted + tally.duplicates + tally.rejected,
        accepted: tally.accepted,
        rejected: tally.rejected,
        duplicates: tally.duplicates,
        no_punch: tally.no_punch,
        lake: lake.to_owned(),
        ..Summary::default()
    };
    for (kind, _) in fired {
        *summary.alerts.entry(kind.name().to_owned()).or_default() += 1;
    }
    summary
}

/// Prints the summary: one JSON line, or a few lines for a person, who is told that rejected records lie in `letters`.
pub(super) fn tell(summary: &Summary, json: bool, letters: &str) -> Result<(), Box<Failure>> {
    if json {
        return crate::say(&serde_json::to_string(summary).map_err(Failure::from_outside)?);
    }
    crate::say(&format!(
        "{}: {} accepted, {}, {} rejected",
        crate::counted(summary.punches, "punch", "punches"),
        summary.accepted,
        crate::counted(summary.duplicates, "repeat", "repeats"),
        summary.rejected
    ))?;
    if summary.no_punch > 0 {
        let records = crate::counted(summary.no_punch, "record", "records");
        crate::say(&format!("without a punch: {records}, kept in the table vendor_records"))?;
    }
    if summary.rejected > 0 {
        crate::say(&format!("what was rejected: see the table rejects, and {letters}"))?;
    }
    let alerts: Vec<String> = summary.alerts.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    crate::say(&format!(
        "alerts: {}",
        if alerts.is_empty() { "none".to_owned() } else { alerts.join(", ") }
    ))?;
    crate::say(&format!("lake: {}", summary.lake))
}
