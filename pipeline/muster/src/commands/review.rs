//! `muster review`: suspicions and what operations should look at, one by one, and what a reviewer decides about each.
//!
//! In: the lake's anomalies for reviewers and operations.  Out: a line for each; decisions, as rows of `reviews`.
//! Owns: nothing.
//! Absent on purpose: any consequence: a confirmed suspicion changes no hours and tells no manager; and names of people.
//! Why so: a decision is about the version the reviewer saw. New evidence opens the anomaly again.

use std::path::{Path, PathBuf};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use clap::{Args, Subcommand};
use lake::Lake;
use model::AnomalyId;
use query::{Format, Layout, Session};
use schemas::tables::reviews;

use super::sql::{failure, not_opened};
use super::{Outcome, load};
use crate::failure::{Exit, Failure};
use crate::lake_place::LakePlace;

/// Fewest digits of an id that may stand for it.
const ID_DIGITS_MIN: usize = 6;

/// Arguments of `muster review`.
#[derive(Args)]
pub struct ReviewArguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// What waits for a decision, the newest first.
    List(ListArguments),
    /// It is what it looks like.
    Confirm(DecideArguments),
    /// It is nothing: a false alarm.
    Dismiss(DecideArguments),
}

#[derive(Args)]
struct PlaceArguments {
    /// The configuration, for the place of the lake and how to reach it.
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The lake's folder or URL (s3://BUCKET/PREFIX), in place of the configured one.
    #[arg(long, value_name = "PLACE")]
    lake: Option<String>,
}

#[derive(Args)]
struct ListArguments {
    #[command(flatten)]
    place: PlaceArguments,
    /// Decided ones, too.
    #[arg(long)]
    all: bool,
    /// table, csv or json.
    #[arg(long, default_value = "table", value_parser = super::sql::parse_format)]
    format: Format,
}

#[derive(Args)]
struct DecideArguments {
    #[command(flatten)]
    place: PlaceArguments,
    /// The anomaly's id, or so much of its beginning that it is the only one.
    #[arg(value_name = "ID")]
    id: String,
    /// Who decides.
    #[arg(long, value_name = "WHO")]
    by: String,
    /// Why. To name nobody: it is kept in the lake.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

/// Runs the command.
pub(super) fn run(arguments: &ReviewArguments) -> Outcome {
    match &arguments.action {
        Action::List(arguments) => list(arguments),
        Action::Confirm(arguments) => decide(arguments, "confirmed"),
        Action::Dismiss(arguments) => decide(arguments, "dismissed"),
    }
}

/// The columns of a list: whom it is about stands in one of them.
const SHOWN: &str = "SELECT anomaly_id, kind, state, coalesce(employee_id, device_id, '') AS subject, site_id, business_date, \
                     minutes, array_to_string(event_ids, ' ') AS event_ids, review FROM latest_anomalies \
                     WHERE audience IN ('reviewer', 'operations')";

fn list(arguments: &ListArguments) -> Outcome {
    let which = if arguments.all { "" } else { " AND review = 'open'" };
    let statement = format!("{SHOWN}{which} ORDER BY last_at DESC, anomaly_id");
    let runtime = crate::runtime()?;
    runtime.block_on(async {
        let session = open(&arguments.place).await?.1;
        let mut out = Vec::new();
        let ran = query::run_laid_out(&session, &statement, arguments.format, Layout::Whole, &mut out).await;
        ran.map_err(|error| failure(&error, &statement))?;
        crate::say(String::from_utf8_lossy(&out).trim_end())?;
        Ok(Exit::Done)
    })
}

/// What is to be decided about.
struct Seen {
    id: AnomalyId,
    version: i64,
    review: String,
    /// Decisions there were before.
    decisions: i64,
}

fn decide(arguments: &DecideArguments, review: &str) -> Outcome {
    let digits = arguments.id.to_ascii_lowercase();
    if digits.len() < ID_DIGITS_MIN || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        let what = format!("`{}` is no id of an anomaly", arguments.id);
        return Err(Box::new(Failure::usage(what, "`muster review list` shows them; six digits or more")));
    }
    if arguments.by.trim().is_empty() {
        return Err(Box::new(Failure::usage("--by is empty", "say who decides")));
    }
    let runtime = crate::runtime()?;
    runtime.block_on(async {
        let (lake, session) = open(&arguments.place).await?;
        let seen = find(&session, &digits).await?;
        if seen.review == review {
            crate::say(&format!("{} is {review} already", seen.id))?;
            return Ok(Exit::Done);
        }
        let number = seen.decisions + 1;
        let mut rows = reviews::Builder::default();
        rows.append(&reviews::Row {
            reviewed_at: (crate::wall_clock())(),
            anomaly_id: seen.id,
            version: seen.version,
            number,
            review,
            by: arguments.by.trim(),
            note: arguments.note.as_deref(),
        });
        let is_new =
            lake.append_review(seen.id, number, rows.finish()).await.map_err(Failure::from_outside)?;
        if !is_new {
            return Err(Box::new(Failure::outside(
                format!("somebody else decided about {} a moment ago", seen.id),
                "look at it again with `muster review list --all`",
            )));
        }
        crate::say(&format!("{} version {} is {review}", seen.id, seen.version))?;
        Ok(Exit::Done)
    })
}

async fn open(arguments: &PlaceArguments) -> Result<(Lake, Session), Box<Failure>> {
    let config = load::config(arguments.config.as_deref())?;
    let place = LakePlace::of(&config, arguments.lake.as_deref())?;
    if Path::new(&place.url).is_file() {
        let what = format!("open lake {}: it is a file, no folder", place.url);
        return Err(Box::new(Failure::usage(
            what,
            "name the lake with --lake, or the configuration with -c",
        )));
    }
    let lake = place.open_existing().await.map_err(not_opened)?;
    let session = Session::open(lake.clone(), query::Options::default()).await;
    Ok((lake, session.map_err(|error| failure(&error, ""))?))
}

/// The only anomaly whose id begins with `digits`.
async fn find(session: &Session, digits: &str) -> Result<Seen, Box<Failure>> {
    let statement = format!(
        "SELECT a.anomaly_id, a.version, a.review, (SELECT count(*) FROM reviews AS r WHERE r.anomaly_id = a.anomaly_id) \
         AS decisions FROM latest_anomalies AS a \
         WHERE starts_with(a.anomaly_id, '{digits}') AND a.audience IN ('reviewer', 'operations')"
    );
    let answer = session.sql(&statement).await.map_err(|error| failure(&error, &statement))?;
    let mut found = Vec::new();
    for batch in &answer.batches {
        found
            .extend(read(batch).ok_or_else(|| Failure::from_outside("the lake's anomalies cannot be read"))?);
    }
    let usage = |what: String, remedy: &str| Box::new(Failure::usage(what, remedy));
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(usage(
            format!("no anomaly that a reviewer decides about has an id that begins with {digits}"),
            "`muster review list --all` shows them",
        )),
        many => {
            Err(usage(format!("{many} anomalies have an id that begins with {digits}"), "give more of it"))
        }
    }
}

fn read(batch: &RecordBatch) -> Option<Vec<Seen>> {
    let column = |at: usize, to: &DataType| cast(batch.column(at), to).ok();
    let (ids, versions) = (column(0, &DataType::Utf8)?, column(1, &DataType::Int64)?);
    let (states, decisions) = (column(2, &DataType::Utf8)?, column(3, &DataType::Int64)?);
    let row = |row: usize| {
        let counted = decisions.as_primitive::<Int64Type>();
        Some(Seen {
            id: AnomalyId::parse(ids.as_string::<i32>().value(row))?,
            version: versions.as_primitive::<Int64Type>().value(row),
            review: states.as_string::<i32>().value(row).to_owned(),
            decisions: if counted.is_valid(row) { counted.value(row) } else { 0 },
        })
    };
    (0..batch.num_rows()).map(row).collect()
}
