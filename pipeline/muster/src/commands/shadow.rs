//! `muster shadow`: the processor beside another system, with nobody told; then what would have happened, site by site; then a
//! sites file as the evidence would have it.
//!
//! In: the configuration of the processor that is to come.  Out: a lake of the shadow's own; a report; a file of sites.
//! Owns: nothing.
//! Absent on purpose: any word to anybody: no topic is made or written, no group but its own reads, no webhook goes out.
//! Invariants: I-33 a shadow says nothing and leaves the log as it is; the lake of a shadow is never another's, kept by
//! `a_shadow_says_nothing_to_anybody` and `a_lake_never_changes_hands`.

mod accept;
mod advice;
mod figures;
mod report;
mod sites_file;
mod table;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use jiff::Timestamp;
use matcher::RadioIndex;
use model::{Bssid, Reference};
use query::Session;
use source::FileFormat;

use self::accept::Only;
use self::figures::Figures;
use self::report::Findings;
use super::replay::{self, ReplayArguments};
use super::run::{self, RunArguments};
use super::sql::{failure, not_opened};
use super::{Outcome, load};
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::lake_place::LakePlace;
use crate::live_log::Manner;

/// What the names of a shadow's lake and group end with.
const SUFFIX: &str = "-shadow";

/// Arguments of `muster shadow`.
#[derive(Args)]
pub struct ShadowArguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Reads the log, or files, judges every punch, and tells nobody.
    Run(ShadowRunArguments),
    /// What would have happened, site by site: of the last days, as long as fixes are kept.
    Report(ReportArguments),
    /// Writes a new file of sites: radii that fit, access points that are missing. The configured one stays as it is.
    Accept(AcceptArguments),
}

#[derive(Args)]
struct ShadowRunArguments {
    /// The configuration.
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    config: PathBuf,
    /// The shadow's lake, a folder or URL (s3://BUCKET/PREFIX); unset, the configured one's name with `-shadow` behind it.
    #[arg(long, value_name = "PLACE")]
    lake: Option<String>,
    /// Files of punches, in the order they are to be read, in place of the log.
    #[arg(long, value_name = "PUNCHES", num_args = 1..)]
    replay: Vec<PathBuf>,
    /// The format of the files; by their endings where not given.
    #[arg(long, value_parser = files::parse_format, requires = "replay")]
    format: Option<FileFormat>,
    /// Drain the log, run the timers to this time (RFC 3339), end.
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
    /// The summary as the last line on standard output, for machines.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct ReportArguments {
    /// The configuration; without one, access points are not told: the lake does not know which are listed.
    #[arg(short = 'c', long = "config", value_name = "FILE", required_unless_present = "lake")]
    config: Option<PathBuf>,
    #[command(flatten)]
    of: OfArguments,
    /// One JSON object, for machines.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct OfArguments {
    /// The shadow's lake, a folder or URL (s3://BUCKET/PREFIX); unset, the configured one's name with `-shadow` behind it.
    #[arg(long, value_name = "PLACE")]
    lake: Option<String>,
    /// These sites only.
    #[arg(long, value_name = "ID", num_args = 1..)]
    site: Vec<String>,
    /// The last so many business dates of the lake; unset, as many as `[privacy] location_days`.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..=3_660))]
    days: Option<i64>,
}

#[derive(Args)]
struct AcceptArguments {
    /// The configuration.
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    config: PathBuf,
    #[command(flatten)]
    of: OfArguments,
    /// Only these changes.
    #[arg(long, value_name = "WHAT")]
    only: Option<Only>,
    /// Which of several configured files of sites is to be changed.
    #[arg(long, value_name = "FILE")]
    sites: Option<PathBuf>,
    /// The new file.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Writes over a file that is there.
    #[arg(long)]
    force: bool,
}

/// Runs the command.
pub(super) fn run(arguments: &ShadowArguments) -> Outcome {
    match &arguments.action {
        Action::Run(arguments) => shadow(arguments),
        Action::Report(arguments) => report(arguments),
        Action::Accept(arguments) => accept(arguments),
    }
}

fn report(arguments: &ReportArguments) -> Outcome {
    let config = load::config(arguments.config.as_deref())?;
    let reference = match &arguments.config {
        Some(_) => Some(load::reference(&config.reference)?.0),
        None => None,
    };
    let Some(mut figures) = figures(&config, &arguments.of)? else { return nothing() };
    if let Some(reference) = &reference {
        hold_against(reference, &mut figures);
    }
    let findings = Findings { figures, knows_lists: reference.is_some() };
    crate::say(&if arguments.json { findings.json().to_string() } else { findings.text() })?;
    Ok(Exit::Done)
}

fn accept(arguments: &AcceptArguments) -> Outcome {
    let config = load::config(Some(&arguments.config))?;
    let sites = accept::sites_path(&config, arguments.sites.as_deref())?;
    let (reference, _) = load::reference(&config.reference)?;
    let Some(mut figures) = figures(&config, &arguments.of)? else { return nothing() };
    hold_against(&reference, &mut figures);
    let accepted = accept::accepted(&figures, &reference, arguments.only);
    let found = accept::write(&config, &sites, &arguments.out, arguments.force, &accepted.changes)?;
    // Sites of other files change when it is their turn.
    let is_here = |site: &String| found.contains(site) || !accepted.changes.contains_key(site);
    for (site, line) in accepted.lines.iter().filter(|(site, _)| is_here(site)) {
        crate::say(&format!("{site}: {line}"))?;
    }
    let count = crate::counted(found.len() as u64, "site changes", "sites change");
    crate::say(&format!("{count}: {}", arguments.out.display()))?;
    Ok(Exit::Done)
}

fn nothing() -> Outcome {
    crate::say("the lake holds no punch yet")?;
    Ok(Exit::Done)
}

/// The figures of the sites asked for; `None` of a lake without a punch.
fn figures(config: &Config, of: &OfArguments) -> Result<Option<Figures>, Box<Failure>> {
    let place = LakePlace::of(config, Some(&lake_of(config, of.lake.as_deref())))?;
    if Path::new(&place.url).is_file() {
        let what = format!("open lake {}: it is a file, no folder", place.url);
        return Err(Box::new(Failure::usage(what, "name the shadow's lake with --lake")));
    }
    let days = of.days.unwrap_or_else(|| config.privacy.location_days.max(1));
    let runtime = crate::runtime()?;
    let figures = runtime.block_on(async {
        let lake = place.open_existing().await.map_err(not_opened)?;
        let session = Session::open(lake, query::Options::default()).await;
        figures::read(&session.map_err(|error| failure(&error, ""))?, days).await
    })?;
    let Some(mut figures) = figures else { return Ok(None) };
    if let Some(unknown) = of.site.iter().find(|site| !figures.sites.contains_key(*site)) {
        let what = format!("nothing is known of a site `{unknown}` since {}", figures.since);
        return Err(Box::new(Failure::usage(what, "the report without --site names those that there are")));
    }
    if !of.site.is_empty() {
        figures.sites.retain(|site, _| of.site.contains(site));
    }
    Ok(Some(figures))
}

/// Leaves of the access points seen at a site those that no site lists, and of the misjudged ones those that it lists itself.
fn hold_against(reference: &Reference, figures: &mut Figures) {
    let radios = RadioIndex::build(reference);
    let listed = |bssid: &str| {
        let bssid = Bssid::parse(bssid.as_bytes()).filter(|bssid| !bssid.is_placeholder())?;
        let sites = radios.sites(radios.access_point(bssid, |_| true));
        Some(sites.as_slice().iter().map(|site| reference.site(*site).site_id.clone()).collect::<Vec<_>>())
    };
    for (site_id, of) in &mut figures.sites {
        of.access_points.retain(|row| listed(&row.bssid).is_some_and(|sites| sites.is_empty()));
        let is_own = |sites: Vec<_>| sites.iter().any(|site: &std::sync::Arc<str>| **site == **site_id);
        of.misjudged.retain(|row| listed(&row.bssid).is_some_and(is_own));
    }
}

fn shadow(arguments: &ShadowRunArguments) -> Outcome {
    let configured = load::config(Some(&arguments.config))?;
    let config = silenced(configured, arguments.lake.as_deref());
    let ran = if arguments.replay.is_empty() {
        let run =
            RunArguments { config: arguments.config.clone(), until: arguments.until, json: arguments.json };
        run::run_as(Manner::Shadow, &config, &run)?
    } else {
        let replay = ReplayArguments {
            config: Some(arguments.config.clone()),
            punches: arguments.replay.clone(),
            lake: None,
            format: arguments.format,
            until: arguments.until,
            json: arguments.json,
        };
        replay::run_as(Manner::Shadow, &config, &replay)?
    };
    if !arguments.json {
        let file = arguments.config.display();
        let lake = arguments.lake.as_ref().map(|lake| format!(" --lake {lake}")).unwrap_or_default();
        crate::say(&format!(
            "nobody was told; `muster shadow report -c {file}{lake}` tells what would have happened"
        ))?;
    }
    Ok(ran)
}

/// The configuration of a processor beside the one that is configured.
fn silenced(config: Config, lake: Option<&str>) -> Config {
    let mut config = config;
    config.lake.url = lake_of(&config, lake);
    config.source.group.push_str(SUFFIX);
    config.alerts.deliver = false;
    config.alerts.destinations.clear();
    config.results.topic = None;
    config
}

/// Where the shadow's lake is: as `named`, else beside the configured one.
fn lake_of(config: &Config, named: Option<&str>) -> String {
    let beside = || format!("{}{SUFFIX}", config.lake.url.trim_end_matches('/'));
    named.map_or_else(beside, str::to_owned)
}
