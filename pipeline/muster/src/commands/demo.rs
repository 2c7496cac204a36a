//! `muster demo`: a small chain on the embedded log: a shift change, live alerts, the lake, a monthly table.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use alerts::{Facts, summary as sentence};
use arc_swap::ArcSwap;
use clap::Args;
use generate::{Spec, World as Chain};
use jiff::tz::TimeZone;
use lake::LocalLock;
use model::{Anomaly, AnomalyState, EventTime, Reference, ShiftResult};
use query::{Format, Session};

use super::Outcome;
use super::load;
use super::replay::{summary, tell};
use crate::chain_files::{LedgerFile, Made, Pace, append_records, write_reference};
use crate::failure::{Exit, Failure};
use crate::files;
use crate::lake_place::LakePlace;
use crate::live_log::{LiveLog, Manner};
use crate::picture::{Picture, Scene, StoreLine};
use crate::truth;
use crate::wiring::Wiring;
use crate::worker::{End, Observer, Patience, Status, Tally, World};

/// The rest of the demo's configuration: the record's own clock, commits often enough to watch.
const CONFIG: &str =
    "\n[source]\ndir = \"log\"\nclock = \"record\"\n\n[lake]\nurl = \"lake\"\ncommit_every_ms = 500\n";

/// How often the picture is drawn.
const DRAW_EVERY: Duration = Duration::from_millis(200);

/// Mismatches told one by one.
const MISMATCHES_TOLD: usize = 20;

const MONTH: &str = "SELECT site_id, due_days, attended_days, round(attendance_rate * 100, 1) AS \"attendance %\", \
    late_count, late_min, absent_days, missing_in, missing_out FROM monthly_statistics_by_site \
    ORDER BY attendance_rate, site_id LIMIT 12";

/// Arguments of `muster demo`.
#[derive(Args)]
pub struct DemoArguments {
    /// How many stores.
    #[arg(long, default_value_t = 200)]
    stores: u32,
    /// How many people.
    #[arg(long, default_value_t = 5_000)]
    employees: u32,
    /// From which everything random follows.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// An empty folder for reference data, log, lake and ledger; a new one in the system's temporary folder otherwise.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// How many times faster than life.
    #[arg(long, default_value_t = 600.0, value_parser = parse_speed)]
    speed: f64,
    /// As fast as it goes.
    #[arg(long)]
    once: bool,
    /// The summary as the last line on standard output, for machines.
    #[arg(long)]
    json: bool,
}

fn parse_speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if speed.is_finite() && speed > 0.0 => Ok(speed),
        _ => Err("a number above 0".to_owned()),
    }
}

/// Runs the command.
pub(super) fn run(arguments: &DemoArguments) -> Outcome {
    let spec = Spec {
        stores: arguments.stores,
        employees: arguments.employees,
        seed: arguments.seed,
        ..Spec::demo()
    };
    let chain = generate::chain(&spec)
        .map_err(|error| Failure::usage(error.to_string(), "change --stores or --employees"))?;
    let folder = folder(arguments.dir.as_deref())?;
    write_reference(&chain, &folder, CONFIG)?;
    let config = load::config(Some(&folder.join("muster.toml")))?;
    let (reference, loaded) = load::reference(&config.reference)?;
    let runtime = crate::runtime()?;
    let place = LakePlace::of(&config, None)?;
    let lake = runtime.block_on(place.open())?;
    let beside = place.beside(&lake);
    let _lock = LocalLock::take(&beside).map_err(Failure::from_outside)?;
    let log = LiveLog::open(&config, Manner::Speaks)?;
    let identity = log.prepare(&config, Manner::Speaks).map_err(files::failure)?;
    let world = ArcSwap::from_pointee(World::new(Arc::clone(&reference)));
    let wiring = Wiring {
        config: &config,
        runtime: runtime.handle().clone(),
        lake: lake.clone(),
        beside,
        log: &log,
        manner: Manner::Speaks,
        identity,
        unwritten: Arc::default(),
        registry: None,
        end: End::At(chain.settled_at().plus_min(1)),
        patience: Patience::short(),
        drain: None,
    };
    wiring.write_reference(&reference, &loaded.names)?;
    let pace = if arguments.once { Pace::Full } else { Pace::Speed(arguments.speed) };
    let title = format!(
        "muster demo: {} stores, {} people, {}",
        spec.stores,
        spec.employees,
        if arguments.once {
            "as fast as it goes".to_owned()
        } else {
            format!("{}× the speed of life", arguments.speed)
        }
    );
    let picture = Picture::on_terminal().filter(|_| !arguments.once);
    let mut watch = Watch::new(title, &reference, chain.count_records(), picture);
    let (stop, produced) = (AtomicBool::new(false), AtomicBool::new(false));
    let (tally, made) = std::thread::scope(|scope| {
        let producer = scope.spawn(|| {
            let made = produce(&chain, &log, &config.source.topic, &folder, pace, &stop);
            produced.store(true, Ordering::Release);
            made
        });
        let tally = wiring.run(&world, &stop, &produced, &mut watch);
        stop.store(true, Ordering::Relaxed);
        let made =
            producer.join().unwrap_or_else(|_| Err(Box::new(Failure::from_outside("the producer died"))));
        (tally, made)
    });
    let (tally, made) = (tally?, made?);
    tracing::info!(records = made.records, "produced");
    watch.finish();
    let mismatches = runtime.block_on(async {
        let session = Session::open(lake, query::Options::default())
            .await
            .map_err(|error| super::sql::failure(&error, ""))?;
        if !arguments.json {
            show_month(&session).await?;
        }
        truth::mismatches(&folder.join("ledger.ndjson"), &session).await
    })?;
    for mismatch in mismatches.iter().take(MISMATCHES_TOLD) {
        crate::tell(format_args!("mismatch: {mismatch}"));
    }
    let mut summary = summary(&tally, &watch.fired, &config.lake.url);
    summary.truth_mismatches = Some(mismatches.len() as u64);
    tell(&summary, arguments.json, &format!("the topic {}.dlq", config.source.topic))?;
    if !arguments.json {
        crate::say(&format!("truth_mismatches: {}", mismatches.len()))?;
        crate::say(&format!("ask it more: muster sql --lake {}", config.lake.url))?;
    }
    Ok(if mismatches.is_empty() { Exit::Done } else { Exit::Findings })
}

fn folder(asked: Option<&Path>) -> Result<PathBuf, Box<Failure>> {
    let folder = match asked {
        Some(folder) => folder.to_owned(),
        None => std::env::temp_dir().join(format!("muster-demo-{}", std::process::id())),
    };
    let unwritable = |error: std::io::Error| {
        Failure::outside(
            format!("{}: {error}", folder.display()),
            "name a folder that can be written with --dir",
        )
    };
    std::fs::create_dir_all(&folder).map_err(unwritable)?;
    let mut inside = std::fs::read_dir(&folder).map_err(unwritable)?;
    if inside.next().is_some() {
        return Err(Box::new(Failure::usage(
            format!("{} is not empty", folder.display()),
            "name an empty or new folder with --dir: the demo begins a log and a lake of its own",
        )));
    }
    std::path::absolute(&folder).map_err(|error| Box::new(Failure::from_outside(error)))
}

fn produce(
    chain: &Chain,
    log: &LiveLog,
    topic: &str,
    folder: &Path,
    pace: Pace,
    stop: &AtomicBool,
) -> Result<Made, Box<Failure>> {
    let mut ledger = LedgerFile::create(&folder.join("ledger.ndjson"))?;
    let stopped = || stop.load(Ordering::Relaxed);
    let made = append_records(chain, &mut *log.appender(), topic, &mut ledger, pace, &stopped)?;
    ledger.finish(chain)?;
    Ok(made)
}

async fn show_month(session: &Session) -> Result<(), Box<Failure>> {
    crate::say("\nthe month by store, lowest attendance first (monthly_statistics_by_site):")?;
    let mut text = Vec::new();
    query::run_once(session, MONTH, Format::Table, &mut text)
        .await
        .map_err(|error| super::sql::failure(&error, MONTH))?;
    let mut out = std::io::stdout().lock();
    crate::printed(out.write_all(&text))
}

/// Watches the run: draws the picture on a terminal, or says a line now and then.
struct Watch<'a> {
    scene: Scene,
    picture: Option<Picture>,
    reference: &'a Reference,
    /// Starts of planned shifts with their site, ascending.
    starts: VecDeque<(EventTime, u32)>,
    due: BTreeMap<u32, usize>,
    here: BTreeMap<u32, HashSet<Arc<str>>>,
    fired: BTreeSet<(model::AnomalyKind, model::AnomalyId)>,
    firing: HashSet<model::AnomalyId>,
    zone: TimeZone,
    drawn: Instant,
    counted: (Instant, u64),
    said: Instant,
    total: hdrhistogram::Histogram<u64>,
}

impl<'a> Watch<'a> {
    fn new(title: String, reference: &'a Reference, records: u64, picture: Option<Picture>) -> Self {
        let mut starts: Vec<_> = reference.shifts.iter().map(|shift| (shift.start, shift.site.0)).collect();
        starts.sort_unstable();
        let zone = reference.sites.first().map_or(TimeZone::UTC, |site| site.time_zone.clone());
        Self {
            scene: Scene { title, punches_total: Some(records), ..Scene::default() },
            picture,
            reference,
            starts: starts.into(),
            due: BTreeMap::new(),
            here: BTreeMap::new(),
            fired: BTreeSet::new(),
            firing: HashSet::new(),
            zone,
            drawn: Instant::now(),
            counted: (Instant::now(), 0),
            said: Instant::now(),
            total: Tally::default().latency_ns,
        }
    }

    fn local(&self, time: EventTime, format: &str) -> String {
        time.timestamp().to_zoned(self.zone.clone()).strftime(format).to_string()
    }

    fn stores(&self) -> Vec<StoreLine> {
        let line = |(site, due): (&u32, &usize)| StoreLine {
            name: self.reference.sites[*site as usize].name.to_string(),
            due: *due,
            here: self.here.get(site).map_or(0, HashSet::len).min(*due),
        };
        let mut lines: Vec<StoreLine> = self.due.iter().map(line).collect();
        let share = |line: &StoreLine| line.here as f64 / line.due.max(1) as f64;
        lines.sort_by(|a, b| share(a).total_cmp(&share(b)).then(b.due.cmp(&a.due)));
        lines
    }

    fn finish(&mut self) {
        if let Some(picture) = &mut self.picture {
            // The last picture stays on the terminal; that it could not be drawn is no failure of the run.
            let _ = picture.draw(&self.scene);
        }
        let at = |quantile| self.total.value_at_quantile(quantile);
        let [half, most, nearly_all] = [0.5, 0.99, 0.999].map(at);
        crate::tell(format_args!("hot path per punch: p50 {half} ns, p99 {most} ns, p99.9 {nearly_all} ns"));
    }
}

impl Observer for Watch<'_> {
    fn watch(&mut self, status: &Status<'_>) {
        let Status { tally, clock, .. } = *status;
        self.total = tally.latency_ns.clone();
        self.scene.punches = tally.records;
        self.scene.committed = status.events.committed_rows;
        self.scene.firing = self.firing.len();
        if clock.us() > 0 {
            self.scene.clock = self.local(clock, "%a %F %T");
        }
        while self.starts.front().is_some_and(|(start, _)| *start <= clock) {
            if let Some((_, site)) = self.starts.pop_front() {
                *self.due.entry(site).or_default() += 1;
            }
        }
        let at = |quantile| tally.latency_ns.value_at_quantile(quantile);
        self.scene.latency_ns = [at(0.5), at(0.99), at(0.999)];
        let seconds = self.counted.0.elapsed().as_secs_f64();
        if seconds >= 1.0 {
            self.scene.punches_per_s = (tally.records - self.counted.1) as f64 / seconds;
            self.counted = (Instant::now(), tally.records);
        }
        if self.picture.is_some() && self.drawn.elapsed() >= DRAW_EVERY {
            self.drawn = Instant::now();
            self.scene.stores = self.stores();
            if let Some(picture) = &mut self.picture
                && picture.draw(&self.scene).is_err()
            {
                self.picture = None;
            }
        } else if self.picture.is_none() && self.said.elapsed() >= Duration::from_secs(10) {
            self.said = Instant::now();
            let (clock, firing) = (&self.scene.clock, self.firing.len());
            crate::tell(format_args!("{clock}: {} records, {firing} alerts firing", tally.records));
        }
    }

    fn wants_results(&self) -> bool {
        true
    }

    fn said(&mut self, anomalies: &[Anomaly], results: &[ShiftResult]) {
        for anomaly in anomalies {
            let finding = &anomaly.finding;
            if anomaly.state == AnomalyState::Firing {
                self.fired.insert((finding.kind, finding.id));
                self.firing.insert(finding.id);
            } else {
                self.firing.remove(&finding.id);
            }
            let date = finding.business_date.to_string();
            let [english, ..] = sentence(Facts {
                kind: finding.kind,
                state: anomaly.state,
                employee_id: finding.employee_id.as_deref(),
                device_id: finding.device_id.as_deref(),
                site_name: finding.site_id.as_deref(),
                business_date: &date,
                planned: None,
                minutes: finding.minutes,
            });
            let time = self.local(anomaly.detected_at, "%H:%M");
            self.scene.push_alert(time, finding.kind.severity(), english);
        }
        for result in results {
            let outcome = &result.outcome;
            if outcome.first_in.is_none() && outcome.last_out.is_none() {
                continue;
            }
            let site = self.reference.sites.binary_search_by(|site| site.site_id.cmp(&outcome.site_id));
            if let Ok(site) = site {
                self.here.entry(site as u32).or_default().insert(outcome.shift_id.clone());
            }
        }
    }
}
