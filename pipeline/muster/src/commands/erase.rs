//! `muster erase`: one person leaves the lake, the embedded log, the outbox and the files beside; a proof of it stays.
//!
//! ```text
//!   refuse? ▶ look ▶ (--yes) proof begun ▶ most rows, beside owners ▶ owners wait, all is claimed ▶ refuse? ▶ outbox ▶ alerts and log
//!                                                                     ▶ the rest of the rows ▶ bytes ▶ … until nothing is found ▶ files
//!                                                                     ▶ proof ended ▶ owners may go on
//! ```
//!
//! In: an id, who asks, the configuration.  Out: counts; a proof in the lake.  Owns: nothing beyond the command.
//! Absent on purpose: names (an id is a pseudonym, and the names go with it); the records of a broker, which go by its own
//! retention; an undo; stopping processors of a broker's log: they wait for the last seconds, and go on by themselves.
//! Invariants: what is found by something is erased before that: the outbox and reviews by anomalies, these last. Each step can be
//! done twice: killed anywhere, the same command goes on.
//! Why so: whoever still names the person would write it again with the next snapshot, and what is unread, queued or waits in the
//! inbox would come back; so these refuse, each with what to do about it.

mod elsewhere;
mod key;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use alerts::erase_from_outbox;
use clap::Args;
use lake::{Claim, ErasedRows, Eraser, Erasing, Erasure, Lake, LocalLock, LogIdentity, Purged};
use model::{NextOffset, Partition, Reference};
use schemas::lines::utc_text;
use schemas::tables::{late, punches};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::{Outcome, load};
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::lake_place::LakePlace;
use crate::live_log::{LiveLog, Manner};
use crate::publisher;
use crate::wiring;
use elsewhere::Counts;
use key::Key;

/// How often the tables are gone through again because something was found.
const ROUNDS_MAX: u32 = 16;

/// Arguments of `muster erase`.
#[derive(Args)]
pub struct EraseArguments {
    /// The configuration: the lake, the log, the outbox, and the reference data that must not name the person any more.
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    config: Option<PathBuf>,
    /// A lake filled by replays, in place of the configured one: its folder or URL (s3://BUCKET/PREFIX).
    #[arg(long, value_name = "PLACE")]
    lake: Option<String>,
    /// The person's id.
    #[arg(long, value_name = "ID")]
    employee: String,
    /// Who asked for it, for the record; not the person's own id.
    #[arg(long, value_name = "WHO")]
    by: Option<String>,
    /// The key of the hash under which the proof keeps the id; made if there is none. `_muster/erasure.key` in the folder of
    /// the lake, or beside it, without this.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Says what would go, and does nothing.
    #[arg(long)]
    dry_run: bool,
    /// Does it. There is no way back.
    #[arg(long)]
    yes: bool,
    /// One JSON object in place of sentences.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) fn run(arguments: &EraseArguments) -> Outcome {
    let id = arguments.employee.as_str();
    let by = arguments.by.as_deref().map(str::trim).unwrap_or_default();
    if id.is_empty() || (arguments.yes && (by.is_empty() || lake::names(by, id))) {
        let what = if id.is_empty() { "--employee is empty" } else { "--by does not say who asked" };
        return Err(Box::new(Failure::usage(
            what,
            "name the person by --employee ID, and by --by WHO whoever asked for it",
        )));
    }
    let config = load::config(arguments.config.as_deref())?;
    let (reference, loaded) = load::reference(&config.reference)?;
    refuse_named(&named_in(&reference, &loaded.names, id))?;
    let runtime = crate::runtime()?;
    let place = LakePlace::of(&config, arguments.lake.as_deref())?;
    let lake = runtime.block_on(place.open_existing()).map_err(super::sql::not_opened)?;
    let standing = runtime.block_on(lake.is_live()).map_err(Failure::from_outside)?;
    if standing == Some(true) && arguments.config.is_none() {
        let what = "the lake belongs to a live log, which holds records of the person, too";
        return Err(Box::new(Failure::usage(what, "name the configuration of its processor with -c")));
    }
    let held = Held::open(&config, &place, lake, runtime.handle(), id)?;
    held.erase(arguments, by)
}

/// Everything that may hold something of the person.
struct Held<'a> {
    config: &'a Config,
    id: &'a str,
    runtime: &'a Handle,
    lake: Lake,
    beside: PathBuf,
    /// The lake's live log; none of a lake of replays, or of a shadow, which may not write it.
    log: Option<(LiveLog, LogIdentity)>,
    _lock: Option<LocalLock>,
}

/// What was found, or went.
#[derive(Default)]
struct Found {
    rows: ErasedRows,
    elsewhere: Counts,
}

impl<'a> Held<'a> {
    fn open(
        config: &'a Config,
        place: &LakePlace,
        lake: Lake,
        runtime: &'a Handle,
        id: &'a str,
    ) -> Result<Self, Box<Failure>> {
        let beside = place.beside(&lake);
        let standing = runtime.block_on(lake.partition_move()).map_err(Failure::from_outside)?;
        let mut log = None;
        if let Some(standing) = standing.as_ref().filter(|standing| !standing.is_shadow) {
            let open = LiveLog::open(config, Manner::Speaks)?;
            if open.identity(config).is_none_or(|found| found.log_id != standing.log.log_id) {
                let what = format!(
                    "the lake belongs to log `{}` (topic {}), which topic {} is not",
                    standing.log.log_id, standing.log.topic, config.source.topic
                );
                return Err(Box::new(Failure::usage(
                    what,
                    "name the configuration with which `muster run` writes it",
                )));
            }
            log = Some((open, standing.log.clone()));
        }
        // Of a lake on a broker's log owners are kept away by the lake itself.
        let is_shared = log.as_ref().is_some_and(|(log, _)| !log.is_alone());
        let lock =
            (!is_shared).then(|| LocalLock::take(&beside)).transpose().map_err(Failure::from_outside)?;
        Ok(Self { config, id, runtime, lake, beside, log, _lock: lock })
    }

    fn erase(&self, arguments: &EraseArguments, by: &str) -> Outcome {
        let path = arguments.key.clone().unwrap_or_else(|| Key::default_path(&self.beside));
        let key = if arguments.dry_run && !path.exists() { None } else { Some(Key::open(&path)?) };
        let under_way = self.block(self.lake.erasing())?;
        let begun = key.as_ref().map(|key| self.begun(key, under_way.as_deref())).transpose()?.flatten();
        let known = begun.as_ref().map(|(_, erasure)| erasure.alerts.clone()).unwrap_or_default();
        let mut eraser = self.lake.eraser(self.id, known);
        self.refuse_waiting(&eraser)?;
        let found = self.look(&mut eraser)?;
        if arguments.dry_run {
            return tell(arguments, &found, None);
        }
        if !arguments.yes {
            let what = format!("nothing was erased: {}", summed(&found));
            return Err(Box::new(Failure::usage(
                what,
                "--dry-run shows it; add --yes, and --by WHO, to erase it",
            )));
        }
        if found.rows.is_empty() && found.elsewhere.is_empty() && begun.is_none() {
            return tell(arguments, &found, None);
        }
        let key = key.expect("a key is made where this is no dry run");
        let (name, mut erasure) = begun.unwrap_or_else(|| self.new_erasure(&key, by));
        merge(&mut erasure, &found, eraser.alerts());
        self.block(self.lake.keep_erasure(&name, &erasure))?;
        // Most of it goes while processors go on.
        self.block(eraser.remove(Erasing::Bulk))?;
        let (lake, claim) = self.block(self.lake.begin_erasure(&name))?;
        if let Err(refusal) = self.refuse_waiting(&eraser) {
            self.block(lake.end_erasure())?;
            return Err(refusal);
        }
        let mut eraser = eraser.with(&lake);
        let (more, purged) = self.erase_rest(&mut eraser, &claim, (&name, &mut erasure))?;
        merge(&mut erasure, &more, &BTreeSet::new());
        erasure.alerts.clear();
        erasure.erased_at = Some(utc_text((crate::wall_clock())()));
        self.block(lake.keep_erasure(&name, &erasure))?;
        self.block(lake.end_erasure())?;
        tell(arguments, &found, Some((&name, &erasure, purged, self.is_on_a_broker())))
    }

    /// The erasure of the same person that was begun and has not ended, by its name.
    fn begun(&self, key: &Key, under_way: Option<&str>) -> Result<Option<(String, Erasure)>, Box<Failure>> {
        let person = key.hash(self.id);
        let erasures = self.block(self.lake.erasures())?;
        let is_open = |(name, erasure): &(String, Erasure)| {
            erasure.person == person && (erasure.erased_at.is_none() || under_way == Some(name.as_str()))
        };
        Ok(erasures.into_iter().find(is_open))
    }

    fn new_erasure(&self, key: &Key, by: &str) -> (String, Erasure) {
        let begun_at = utc_text((crate::wall_clock())());
        let person = key.hash(self.id);
        let digits: String = begun_at.chars().filter(char::is_ascii_digit).take(14).collect();
        let name = format!("{digits}-{}", person.chars().rev().take(8).collect::<String>());
        let erasure =
            Erasure { person, key: key.told(), asked_by: by.to_owned(), begun_at, ..Erasure::default() };
        (name, erasure)
    }

    /// Whether the log's records are a broker's.
    fn is_on_a_broker(&self) -> bool {
        self.log.as_ref().is_some_and(|(log, _)| !log.is_alone())
    }

    /// Refuses while something of the person would come back.
    fn refuse_waiting(&self, eraser: &Eraser) -> Result<(), Box<Failure>> {
        let refuse = |what: String, remedy: &str| Err(Box::new(Failure::outside(what, remedy)));
        let Some((log, identity)) = &self.log else { return Ok(()) };
        let frontiers = self.block(self.lake.frontiers(identity))?;
        let taken: BTreeMap<Partition, NextOffset> =
            frontiers.iter().map(|(partition, frontier)| (*partition, frontier.next())).collect();
        let unread = elsewhere::unread(self.config, log, &taken, self.id)?;
        if unread > 0 {
            let records = crate::counted(unread, "record of the person is", "records of the person are");
            return refuse(
                format!("{records} not yet read"),
                "let `muster run` read them, and see that nobody sends more",
            );
        }
        let mut waiting = 0;
        for (partition, frontier) in &frontiers {
            let between = frontier.late()..frontier.next();
            for batch in self.block(self.lake.late_rows(identity, *partition, between))? {
                let rows = late::to_punches(&batch).and_then(|rows| punches::read(&rows));
                let rows = rows.map_err(|error| Box::new(Failure::from_outside(error)))?;
                waiting += rows.iter().filter(|(_, punch)| &*punch.employee_id == self.id).count() as u64;
            }
        }
        if waiting > 0 {
            let rows =
                crate::counted(waiting, "late punch of the person waits", "late punches of the person wait");
            return refuse(
                format!("{rows} to be judged"),
                "let `muster run` judge them, which takes seconds",
            );
        }
        let unsent = self.outbox(eraser.alerts(), true)?.unsent;
        if unsent > 0 {
            let messages =
                crate::counted(unsent, "alert about the person waits", "alerts about the person wait");
            return refuse(
                format!("{messages} to be delivered"),
                "let `muster run` deliver them; `muster destinations list` shows who does not take them",
            );
        }
        let results = &self.config.results;
        if results.topic.is_some() && self.block_failing(publisher::waits(&results.position, &self.lake))? {
            return refuse(
                "results wait to be published".to_owned(),
                "let `muster run` publish them, which takes seconds",
            );
        }
        Ok(())
    }

    fn look(&self, eraser: &mut Eraser) -> Result<Found, Box<Failure>> {
        let rows = self.block(eraser.look())?;
        let mut elsewhere = Counts::new();
        if let Some((log, _)) = &self.log {
            let alerts = self.all_alerts(log, eraser)?;
            elsewhere.extend(elsewhere::records(log, &alerts, self.id, true)?);
            let rows = self.outbox(&alerts, true)?.rows;
            elsewhere.extend((rows > 0).then(|| ("outbox".to_owned(), rows)));
        }
        elsewhere.extend(elsewhere::files_beside(&self.beside, self.id, true)?);
        Ok(Found { rows, elsewhere })
    }

    /// Erases all that is left, while nobody else works on the lake.
    fn erase_rest(
        &self,
        eraser: &mut Eraser,
        claim: &Claim,
        (name, erasure): (&str, &mut Erasure),
    ) -> Result<(Found, Purged), Box<Failure>> {
        let mut found = Found { rows: self.block(eraser.look())?, elsewhere: Counts::new() };
        if let Some((log, identity)) = &self.log {
            let mut alerts = self.all_alerts(log, eraser)?;
            // Known to whoever goes on, before the rows go that tell of them.
            merge(erasure, &found, &alerts);
            self.block(self.lake.keep_erasure(name, erasure))?;
            if let LiveLog::Kafka(_) = log {
                let mut outlet = wiring::topic_outlet(log, &self.config.alerts.topic);
                let all: Vec<Partition> = (0..identity.partitions).map(Partition::new).collect();
                let is_theirs =
                    |body: &schemas::lines::AlertBody| body.employee_id.as_deref() == Some(self.id);
                let ended = outlet.erase(&all, claim.generation(), is_theirs);
                let ended = ended.map_err(|error| Box::new(Failure::from_outside(error)))?;
                found.elsewhere.insert(format!("topic {}", self.config.alerts.topic), ended.len() as u64);
                alerts.extend(ended);
            }
            let rows = self.outbox(&alerts, false)?.rows;
            found.elsewhere.extend((rows > 0).then(|| ("outbox".to_owned(), rows)));
            found.elsewhere.extend(elsewhere::records(log, &alerts, self.id, false)?);
        }
        let mut purged = Purged::default();
        for _ in 0..ROUNDS_MAX {
            self.block(eraser.remove(Erasing::Everything))?;
            let more = self.block(eraser.purge())?;
            purged.entries += more.entries;
            purged.log_snapshots += more.log_snapshots;
            purged.files += more.files;
            if self.block(eraser.look())?.is_empty() {
                found.elsewhere.extend(elsewhere::files_beside(&self.beside, self.id, false)?);
                return Ok((found, purged));
            }
        }
        let what = "somebody writes rows of the person again and again";
        let remedy = "stop whoever has reference data that names the person, or an outbox with alerts about the person";
        Err(Box::new(Failure::outside(what, remedy)))
    }

    /// The alerts that the tables know, and those of which only their topic tells.
    fn all_alerts(&self, log: &LiveLog, eraser: &Eraser) -> Result<BTreeSet<String>, Box<Failure>> {
        let mut alerts = eraser.alerts().clone();
        alerts.extend(elsewhere::alerts_of(log, &self.config.alerts.topic, self.id)?);
        Ok(alerts)
    }

    fn outbox(
        &self,
        alerts: &BTreeSet<String>,
        dry_run: bool,
    ) -> Result<alerts::OutboxErasure, Box<Failure>> {
        let tells_of = |body: &[u8]| elsewhere::tells_of(self.id, body);
        let erased = erase_from_outbox(&self.config.alerts.outbox, alerts, &tells_of, dry_run);
        erased.map_err(|error| Box::new(Failure::from_outside(error)))
    }

    fn block<T>(&self, act: impl Future<Output = lake::Result<T>>) -> Result<T, Box<Failure>> {
        self.runtime.block_on(act).map_err(|error| Box::new(Failure::from_outside(error)))
    }

    fn block_failing<T>(
        &self,
        act: impl Future<Output = Result<T, Box<Failure>>>,
    ) -> Result<T, Box<Failure>> {
        self.runtime.block_on(act)
    }
}

/// Where the reference data names the person.
fn named_in(reference: &Reference, names: &[(std::sync::Arc<str>, String)], id: &str) -> BTreeSet<String> {
    let mut places = BTreeSet::new();
    let is = |other: &std::sync::Arc<str>| &**other == id;
    let person = reference.people.iter().position(|person| is(&person.employee_id));
    if person.is_some() || names.iter().any(|(other, _)| is(other)) {
        places.insert("people".to_owned());
    }
    let managed = reference.people.iter().filter(|person| person.managers.iter().any(is));
    places.extend(managed.map(|person| format!("the managers of {}", person.employee_id)));
    let managed = reference.sites.iter().filter(|site| site.managers.iter().any(is));
    places.extend(managed.map(|site| format!("the managers of site {}", site.site_id)));
    let managed = reference.orgs.iter().filter(|org| org.managers.iter().any(is));
    places.extend(managed.map(|org| format!("the managers of org {}", org.org)));
    let leave = reference.leave.iter().filter(|leave| approves(&leave.approvals, id));
    places.extend(leave.map(|leave| format!("the approvals of leave {}", leave.leave_id)));
    let corrections = reference.corrections.iter().filter(|correction| approves(&correction.approvals, id));
    places.extend(corrections.map(|made| format!("the approvals of correction {}", made.correction_id)));
    places
}

fn approves(approvals: &[model::reference::Approval], id: &str) -> bool {
    approvals.iter().any(|approval| approval.by.as_deref() == Some(id))
}

/// How many places are told one by one.
const PLACES_TOLD_MAX: usize = 10;

fn refuse_named(places: &BTreeSet<String>) -> Result<(), Box<Failure>> {
    if places.is_empty() {
        return Ok(());
    }
    let told: Vec<&str> = places.iter().take(PLACES_TOLD_MAX).map(String::as_str).collect();
    let more = places.len().saturating_sub(told.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let what = format!("the reference data still names the person: {}{more}", told.join(", "));
    let remedy = "take the person out of it, with shifts, leave and corrections, on every machine that runs a processor; \
                  `muster run` takes notice within a second";
    Err(Box::new(Failure::usage(what, remedy)))
}

/// Adds what was found to what is known of it: a run that goes on finds less than the one before it did.
fn merge(erasure: &mut Erasure, found: &Found, alerts: &BTreeSet<String>) {
    let merge = |into: &mut BTreeMap<String, u64>, name: &str, count: u64| {
        let known = into.entry(name.to_owned()).or_default();
        *known = (*known).max(count);
    };
    for (table, rows) in &found.rows.removed {
        merge(&mut erasure.rows, table, *rows);
    }
    for (table, rows) in &found.rows.unnamed {
        merge(&mut erasure.rows_unnamed, table, *rows);
    }
    for (place, count) in &found.elsewhere {
        merge(&mut erasure.elsewhere, place, *count);
    }
    erasure.alerts.extend(alerts.iter().cloned());
}

fn summed(found: &Found) -> String {
    let rows: u64 = found.rows.removed.values().sum();
    let unnamed: u64 = found.rows.unnamed.values().sum();
    let elsewhere: u64 = found.elsewhere.values().sum();
    format!(
        "the tables hold {} of the person and {} that name the person, and {} elsewhere",
        crate::counted(rows, "row", "rows"),
        crate::counted(unnamed, "row of others", "rows of others"),
        crate::counted(elsewhere, "trace lies", "traces lie"),
    )
}

type Done<'a> = (&'a str, &'a Erasure, Purged, bool);

fn tell(arguments: &EraseArguments, found: &Found, done: Option<Done<'_>>) -> Outcome {
    let (rows, unnamed, elsewhere): (Value, Value, Value) = match done {
        Some((_, erasure, ..)) => {
            (json!(erasure.rows), json!(erasure.rows_unnamed), json!(erasure.elsewhere))
        }
        None => (json!(found.rows.removed), json!(found.rows.unnamed), json!(found.elsewhere)),
    };
    if arguments.json {
        let mut line = json!({ "erased": done.is_some(), "rows": rows, "rows_unnamed": unnamed, "elsewhere": elsewhere });
        if let Some((name, erasure, purged, _)) = done {
            line["proof"] = json!(format!("_muster/erasures/{name}.json"));
            line["person"] = json!(erasure.person);
            line["erased_at"] = json!(erasure.erased_at);
            line["files_deleted"] = json!(purged.files);
        }
        crate::say(&line.to_string())?;
        return Ok(Exit::Done);
    }
    let is_nothing =
        [&rows, &unnamed, &elsewhere].iter().all(|counts| counts.as_object().is_some_and(|of| of.is_empty()));
    if is_nothing {
        crate::say("nothing of the person is held")?;
    }
    for (counts, what) in
        [(&rows, "rows of"), (&unnamed, "rows of others, which named the person, of"), (&elsewhere, "in")]
    {
        for (place, count) in counts.as_object().into_iter().flatten() {
            crate::say(&format!("{:>10} {what} {place}", count.as_u64().unwrap_or(0)))?;
        }
    }
    let Some((name, erasure, _, is_on_a_broker)) = done else { return Ok(Exit::Done) };
    crate::say(&format!(
        "erased; the proof is _muster/erasures/{name}.json in the lake, for {}",
        erasure.person
    ))?;
    crate::say(&format!("its key is {}", erasure.key))?;
    if is_on_a_broker {
        crate::say(
            "what the broker keeps goes by its retention: see that punches and dead letters have one (kafka-delete-records \
             ends them earlier), and send a tombstone for the id to a compacted topic of results",
        )?;
    }
    Ok(Exit::Done)
}
