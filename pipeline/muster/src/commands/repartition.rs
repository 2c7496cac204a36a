//! `muster repartition`: a log that has outgrown its partitions is given more, and everybody's state goes along.
//!
//! ```text
//!   lake: on its way to M ▶ partitions added ▶ old ones read to their ends as before ▶ lake: the new ones' numbers ▶ alerts ▶ lake: M
//!        owners stop here      (by us, or       people judged where they were;         (all claimed)              said again
//!                            by an operator)    clocks stop where new ones begin                                where they now are
//! ```
//!
//! In: the configuration, the log, the lake.  Out: what moved.  Owns: the run that drains the old partitions.
//! Absent on purpose: fewer partitions, which no log gives; a way back once it has begun. Records rewritten: what producers with
//! an old count still append is found misplaced by `muster run`, and goes on from there.
//! Invariants: nothing is judged twice and nobody is concluded absent by a clock that ran ahead of them: what was appended before
//! the first record under the new count is judged under the old one, with clocks that stop at that record; kept by
//! `crate::drained` and `PartitionSettings::clock_max`. Each step can be done twice: killed anywhere, the same command goes on.
//! Why so: the alternative, to move positions at once and to leave what is unread to the misplaced path, would show the owner of a
//! new partition later records of a person before earlier ones, and page managers for people who have come.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use clap::Args;
use lake::{Lake, LocalLock, LogIdentity, PartitionMove};
use model::position::partition_of;
use model::{Anomaly, EventTime, NextOffset, Partition, Reference};
use serde_json::json;
use source::{Polled, RawBatch};
use tokio::runtime::Handle;

use super::{Outcome, load};
use crate::config::{ClockKind, Config};
use crate::failure::{Exit, Failure};
use crate::files;
use crate::lake_place::LakePlace;
use crate::live_log::{LiveLog, Manner};
use crate::progress::Progress;
use crate::wiring::{Drain, Wiring};
use crate::worker::{End, Observer, Patience, Status, Unwritten, World};

/// How long one poll waits for the first record of a new partition, and how many may hear nothing.
const POLL_WAIT: Duration = Duration::from_millis(100);
const SILENT_POLLS_MAX: u32 = 600;

/// Arguments of `muster repartition`.
#[derive(Args)]
pub struct RepartitionArguments {
    /// The configuration.
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    config: PathBuf,
    /// How many partitions the log is to have; they are added. As many as the topic has, or as `[source] partitions` says of
    /// an embedded log, without it.
    #[arg(long, value_name = "M")]
    partitions: Option<u32>,
    /// Says what would be done, and does nothing.
    #[arg(long)]
    dry_run: bool,
    /// One JSON object in place of sentences.
    #[arg(long)]
    json: bool,
}

/// What is to be moved.
struct Plan {
    log: LogIdentity,
    to: u32,
    /// Records not yet read, by old partition.
    unread: Vec<u64>,
    people: usize,
    people_moved: usize,
}

/// What was done on the way.
#[derive(Default)]
struct Done {
    records: u64,
    alerts: u64,
}

/// Runs the command.
pub(super) fn run(arguments: &RepartitionArguments) -> Outcome {
    let config = load::config(Some(&arguments.config))?;
    let (reference, loaded) = load::reference(&config.reference)?;
    let runtime = crate::runtime()?;
    let place = LakePlace::of(&config, None)?;
    let lake = runtime.block_on(place.open_existing()).map_err(super::sql::not_opened)?;
    let log = LiveLog::open(&config, Manner::Speaks)?;
    let beside = place.beside(&lake);
    let _lock =
        log.is_alone().then(|| LocalLock::take(&beside)).transpose().map_err(Failure::from_outside)?;
    let standing = runtime.block_on(lake.partition_move()).map_err(Failure::from_outside)?;
    let standing = standing.ok_or_else(|| {
        Failure::usage(
            format!("{} belongs to no live log", config.lake.url),
            "name the configuration of a lake that `muster run` writes: a replayed file has one partition",
        )
    })?;
    let to = wanted(arguments, &config, &log, &standing)?;
    if to == standing.log.partitions && standing.to.is_none() {
        return told_done(arguments, to);
    }
    let plan = plan(&config, (&lake, &log), (&standing, to), &reference, runtime.handle())?;
    if arguments.dry_run {
        return tell(arguments, &config, &plan, None);
    }
    let stop = Arc::new(AtomicBool::new(false));
    super::run::stop_on_signal(&runtime, &stop);
    let lake = runtime.block_on(lake.begin_repartition(to)).map_err(Failure::from_outside)?;
    let log = log.grow(&config, to)?;
    let mut config = config;
    config.source.partitions = to;
    let wide = log.prepare(&config, Manner::Speaks).map_err(files::failure)?;
    let wiring = Wiring {
        config: &config,
        runtime: runtime.handle().clone(),
        lake: lake.clone(),
        beside,
        log: &log,
        manner: Manner::Speaks,
        identity: LogIdentity { partitions: plan.log.partitions, ..wide },
        unwritten: Arc::new(Unwritten::default()),
        registry: crate::registry::open(&config, runtime.handle())?,
        end: End::Never,
        patience: Patience::short(),
        drain: Some(Drain { clock_max: first_append(&config, &log, plan.log.partitions)? }),
    };
    wiring.write_reference(&reference, &loaded.names)?;
    let world = ArcSwap::from_pointee(World::new(Arc::clone(&reference)));
    let mut watch = Watch(Progress::new("repartition"));
    let tally = wiring.run(&world, &stop, &AtomicBool::new(true), &mut watch)?;
    if stop.load(Ordering::Relaxed) {
        let what = format!("stopped on the way from {} to {to} partitions", plan.log.partitions);
        return Err(Box::new(Failure::outside(
            what,
            "run the same command again: it goes on where it ended",
        )));
    }
    let claim = runtime.block_on(lake.move_frontiers(&plan.log, to)).map_err(Failure::from_outside)?;
    let alerts = wiring.regroup_alerts(claim.generation(), to)?;
    runtime.block_on(lake.end_repartition()).map_err(Failure::from_outside)?;
    tell(arguments, &config, &plan, Some(&Done { records: tally.records, alerts }))
}

/// How many partitions the log is to have.
fn wanted(
    arguments: &RepartitionArguments,
    config: &Config,
    log: &LiveLog,
    standing: &PartitionMove,
) -> Result<u32, Box<Failure>> {
    let usage = |what: String, remedy: &str| Err(Box::new(Failure::usage(what, remedy)));
    let topic = &config.source.topic;
    if standing.is_shadow {
        let what = format!("{} is a shadow's lake", config.lake.url);
        return usage(what, "begin a new one: it is there to compare, and nobody was told what it holds");
    }
    let Some(found) = log.identity(config).filter(|found| found.log_id == standing.log.log_id) else {
        let what = format!(
            "the lake belongs to log `{}` (topic {}), which topic {topic} is not",
            standing.log.log_id, standing.log.topic
        );
        return usage(what, "name the log that the lake was written from");
    };
    let from = standing.log.partitions;
    let least = found.partitions.max(from);
    let to = arguments.partitions.or(standing.to).unwrap_or(match log {
        LiveLog::Embedded(_) => config.source.partitions,
        LiveLog::Kafka(_) => least,
    });
    if let Some(under_way) = standing.to.filter(|under_way| *under_way != to) {
        let what = format!("topic {topic} is on its way from {from} to {under_way} partitions");
        return usage(what, "run the command without --partitions to end that first");
    }
    if to < least {
        let what = format!("topic {topic} has {least} partitions, {to} are fewer");
        return usage(
            what,
            "name a higher number: a log takes no partition away; for fewer, begin a new log and lake",
        );
    }
    if to > source::embedded::PARTITIONS_MAX && log.is_alone() {
        let what =
            format!("{to} partitions: an embedded log has {} at most", source::embedded::PARTITIONS_MAX);
        return usage(what, "name a lower number");
    }
    Ok(to)
}

fn plan(
    config: &Config,
    (lake, log): (&Lake, &LiveLog),
    (standing, to): (&PartitionMove, u32),
    reference: &Reference,
    runtime: &Handle,
) -> Result<Plan, Box<Failure>> {
    let from = standing.log.partitions;
    let taken = runtime.block_on(lake.frontiers(&standing.log)).map_err(Failure::from_outside)?;
    let ends = log.ends(&config.source.topic).map_err(files::failure)?;
    let unread = |(partition, end): &(Partition, NextOffset)| {
        let next = taken.get(partition).map_or(0, |frontier| frontier.next().get());
        u64::try_from(end.get() - next).unwrap_or(0)
    };
    let moves = |id: &str| partition_of(id.as_bytes(), from) != partition_of(id.as_bytes(), to);
    let people = reference.people.iter().map(|person| &*person.employee_id);
    let (people, people_moved) =
        people.fold((0, 0), |(all, moved), id| (all + 1, moved + usize::from(moves(id))));
    let unread = ends.iter().filter(|(partition, _)| partition.number() < from).map(unread).collect();
    Ok(Plan { log: standing.log.clone(), to, unread, people, people_moved })
}

/// When the first record was appended to a partition that the lake does not know yet: there the old ones' clocks stop.
fn first_append(config: &Config, log: &LiveLog, from: u32) -> Result<Option<EventTime>, Box<Failure>> {
    if config.source.clock == ClockKind::Record {
        return Ok(None);
    }
    let mut reader = log.reader(&config.source.topic).map_err(files::failure)?;
    let (mut batch, mut first, mut silent_polls) = (RawBatch::new(), None, 0);
    let mut open: Option<BTreeSet<Partition>> = None;
    while open.as_ref().is_none_or(|open| !open.is_empty()) {
        match reader.poll(POLL_WAIT, &mut batch).map_err(files::failure)? {
            Polled::Assigned(partitions) => {
                let new: Vec<_> =
                    partitions.into_iter().filter(|partition| partition.number() >= from).collect();
                let starts: Vec<_> = new.iter().map(|partition| (*partition, NextOffset::START)).collect();
                reader.start(&starts).map_err(files::failure)?;
                open = Some(new.into_iter().collect());
            }
            Polled::Batch => {
                let appended = batch.iter().filter_map(|entry| entry.append_time).min();
                first = first.into_iter().chain(appended).min();
                reader.pause(batch.partition());
                open.get_or_insert_default().remove(&batch.partition());
            }
            Polled::CaughtUp { partition, .. } | Polled::Ended(partition) => {
                open.get_or_insert_default().remove(&partition);
            }
            Polled::Idle if silent_polls >= SILENT_POLLS_MAX => {
                let what = format!("topic {}: its new partitions do not answer", config.source.topic);
                return Err(Box::new(Failure::outside(
                    what,
                    "see that the brokers are well, then run it again",
                )));
            }
            _ => silent_polls += 1,
        }
    }
    Ok(first)
}

fn told_done(arguments: &RepartitionArguments, to: u32) -> Outcome {
    if arguments.json {
        crate::say(&json!({ "from": to, "to": to, "is_new": false }).to_string())?;
    } else {
        crate::say(&format!("the log and its lake have {to} partitions: there is nothing to move"))?;
    }
    Ok(Exit::Done)
}

fn tell(arguments: &RepartitionArguments, config: &Config, plan: &Plan, done: Option<&Done>) -> Outcome {
    let Plan { log, to, unread, people, people_moved } = plan;
    let from = log.partitions;
    if arguments.json {
        let mut line = json!({ "from": from, "to": to, "is_new": true, "unread": unread, "people": people,
            "people_moved": people_moved });
        if let Some(Done { records, alerts }) = done {
            line["records"] = json!(records);
            line["alerts_moved"] = json!(alerts);
        }
        crate::say(&line.to_string())?;
        return Ok(Exit::Done);
    }
    let waiting: u64 = unread.iter().sum();
    let who = format!("{people_moved} of {}", crate::counted(*people as u64, "person", "people"));
    match done {
        None => {
            crate::say(&format!(
                "topic {} would go from {from} to {to} partitions, {who} to another one",
                log.topic
            ))?;
            crate::say(&format!(
                "before that, {} of the {from} would be read and judged where they are",
                crate::counted(waiting, "record", "records")
            ))?;
        }
        Some(Done { records, alerts }) => {
            crate::say(&format!(
                "topic {} has gone from {from} to {to} partitions, {who} to another one; {} read before, {} said again",
                log.topic,
                crate::counted(*records, "record", "records"),
                crate::counted(*alerts, "alert", "alerts")
            ))?;
            let remedy = match config.source.kind {
                crate::config::SourceKind::Embedded => {
                    format!("set [source] partitions = {to}, and start `muster run`")
                }
                crate::config::SourceKind::Kafka => "start `muster run`".to_owned(),
            };
            crate::say(&remedy)?;
        }
    }
    Ok(Exit::Done)
}

struct Watch(Progress);

impl Observer for Watch {
    fn watch(&mut self, status: &Status<'_>) {
        self.0.show(status.tally, status.events.committed_rows);
    }

    fn said(&mut self, _anomalies: &[Anomaly], _results: &[model::ShiftResult]) {}
}
