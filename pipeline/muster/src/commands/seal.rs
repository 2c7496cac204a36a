//! `muster seal MONTH`: a month is closed; what is learned of it later goes to the ledger `adjustments`.
//!
//! In: a month, an org, the lake.  Out: the seal, or the shifts that are still open.  Owns: nothing.
//! Absent on purpose: opening a month again. Who was paid by it was paid; what was wrong is in the ledger, and is paid with the
//! month in which it came up.
//! Why so: it works beside a processor that runs. That one loses its partitions for a moment, claims them again and knows the seal.

use std::path::PathBuf;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type};
use clap::Args;
use jiff::civil::Date;
use lake::{Lake, Sealing, TakenFile};
use model::EventTime;
use model::position::NextOffset;
use query::{Answer, Session};
use schemas::lines::{utc_text, utc_time};
use schemas::tables::seals::Seal;
use serde_json::json;

use super::{Outcome, load};
use crate::failure::{Exit, Failure};
use crate::lake_place::LakePlace;

/// How many open shifts are named.
const NAMED_MAX: usize = 20;

/// How long after the first UTC midnight behind a month its last day has ended everywhere on earth.
const LAST_ZONE_MIN: i64 = 12 * 60;

/// Arguments of `muster seal`.
#[derive(Args)]
pub struct SealArguments {
    /// The month: 2026-10.
    #[arg(value_name = "MONTH", value_parser = parse_month)]
    month: Date,
    /// The configuration, for the place of the lake and how to reach it.
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The lake's folder or URL (s3://BUCKET/PREFIX), in place of the configured one.
    #[arg(long, value_name = "PLACE")]
    lake: Option<String>,
    /// Only the sites of this org and below it: hk, or hk/kln. Everything without it.
    #[arg(long, value_name = "ORG", default_value = "")]
    org: String,
    /// Who seals it, for the record.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Even though shifts are open, or the log has not come to the month's end.
    #[arg(long)]
    force: bool,
    /// One JSON object in place of sentences.
    #[arg(long)]
    json: bool,
}

fn parse_month(text: &str) -> Result<Date, String> {
    let month = (text.len() == 7).then(|| format!("{text}-01").parse::<Date>().ok()).flatten();
    month.ok_or_else(|| "a month is written as 2026-10".to_owned())
}

/// Runs the command.
pub(super) fn run(arguments: &SealArguments) -> Outcome {
    let config = load::config(arguments.config.as_deref())?;
    let place = LakePlace::of(&config, arguments.lake.as_deref())?;
    crate::runtime()?.block_on(async {
        let lake = place.open_existing().await.map_err(super::sql::not_opened)?;
        seal(arguments, &lake).await
    })
}

async fn seal(arguments: &SealArguments, lake: &Lake) -> Outcome {
    let failed = |error: query::Error| super::sql::failure(&error, "");
    let session = Session::open(lake.clone(), query::Options::default()).await.map_err(failed)?;
    let open = texts(&session.sql(&open_shifts(arguments)).await.map_err(failed)?, 0);
    if !open.is_empty() && !arguments.force {
        return refuse_open(arguments, &open);
    }
    let decided = texts(&session.sql(DECIDED).await.map_err(failed)?, 0);
    let decided = decided.first().and_then(|at| utc_time(at)).unwrap_or(EventTime::from_us(0));
    let is_live = lake.live_log().await.map_err(Failure::from_outside)?.is_some();
    let files = if is_live { Vec::new() } else { files(&session.sql(FILES).await.map_err(failed)?) };
    let seal = Seal {
        month: arguments.month,
        org: arguments.org.trim_matches('/').into(),
        sealed_at: if is_live { EventTime::from_us(0) } else { decided },
        sealed_on: crate::wall_clock()(),
        sealed_by: arguments.by.as_deref().map(Into::into),
        unresolved: open.len() as i64,
    };
    let not_before = if arguments.force { EventTime::from_us(0) } else { month_end(arguments.month) };
    let sealing = lake.seal(&seal, &files, not_before).await.map_err(Failure::from_outside)?;
    tell(arguments, &seal, &sealing)
}

fn tell(arguments: &SealArguments, seal: &Seal, sealing: &Sealing) -> Outcome {
    let name = name(arguments);
    let said = |is_new: bool, seal: &Seal, at: EventTime| {
        json!({ "month": month_text(seal.month), "org": &*seal.org, "sealed_at": utc_text(at), "is_new": is_new,
            "sealed_by": seal.sealed_by.as_deref(), "unresolved": seal.unresolved })
    };
    match sealing {
        Sealing::Now(at) if arguments.json => crate::say(&said(true, seal, *at).to_string())?,
        Sealing::Before(known) if arguments.json => {
            crate::say(&said(false, known, known.sealed_at).to_string())?;
        }
        Sealing::Now(at) => crate::say(&format!(
            "{name} is sealed as of {}: what comes later goes to adjustments",
            utc_text(*at)
        ))?,
        Sealing::Before(known) => {
            let by = known.sealed_by.as_deref().map(|by| format!(" by {by}")).unwrap_or_default();
            crate::say(&format!("{name} has been sealed before, as of {}{by}", utc_text(known.sealed_at)))?;
        }
        Sealing::Overlaps(known) => {
            let org = if known.org.is_empty() { "all orgs" } else { &known.org };
            let what = format!("seal {name}: the month is sealed for {org} already");
            return Err(Box::new(Failure::usage(
                what,
                "name an org that is neither above nor below that one",
            )));
        }
        Sealing::TooEarly(at) => {
            let what = format!("seal {name}: the log has come to {} only", utc_text(*at));
            return Err(Box::new(Failure::usage(what, "wait for the month's end, or add --force")));
        }
        Sealing::Waits(rows) => {
            let what = format!("seal {name}: {rows} late punches wait to be judged");
            let remedy = "let `muster run` judge them, which takes seconds, and seal again";
            return Err(Box::new(Failure::outside(what, remedy)));
        }
    }
    Ok(Exit::Done)
}

fn refuse_open(arguments: &SealArguments, open: &[String]) -> Outcome {
    if arguments.json {
        let month = month_text(arguments.month);
        crate::say(&json!({ "month": month, "org": arguments.org, "open_shifts": open }).to_string())?;
        return Ok(Exit::Findings);
    }
    let named = open.iter().take(NAMED_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = open.len().saturating_sub(NAMED_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let count = crate::counted(open.len() as u64, "shift is", "shifts are");
    crate::say(&format!("{} is not sealed: {count} open: {named}{more}", name(arguments)))?;
    crate::say("their results are not final, or there are none; --force seals the month as it is")?;
    Ok(Exit::Findings)
}

fn name(arguments: &SealArguments) -> String {
    let org = if arguments.org.is_empty() { String::new() } else { format!(" of {}", arguments.org) };
    format!("{}{org}", month_text(arguments.month))
}

fn month_text(month: Date) -> String {
    format!("{:04}-{:02}", month.year(), month.month())
}

/// When the month has ended everywhere.
fn month_end(month: Date) -> EventTime {
    let next = month.saturating_add(jiff::Span::new().months(1));
    let midnight = next.to_zoned(jiff::tz::TimeZone::UTC).expect("a month that was parsed is no last one");
    EventTime::from(midnight.timestamp()).plus_min(LAST_ZONE_MIN)
}

/// Shifts of the month that the latest roster plans and that have no final result, and results of it that are not final.
fn open_shifts(arguments: &SealArguments) -> String {
    let month = month_text(arguments.month);
    let org = arguments.org.trim_matches('/').replace('\'', "''");
    let within = |column: &str| match org.as_str() {
        "" => "true".to_owned(),
        org => format!("({column} = '{org}' OR starts_with({column}, '{org}/'))"),
    };
    format!(
        "WITH results AS (SELECT shift_id, final, org FROM latest_shift_results WHERE business_month = '{month}'), \
         planned AS (SELECT s.shift_id FROM shifts AS s JOIN latest_sites AS l ON l.site_id = s.site_id \
         WHERE s.status = 'planned' AND substr(CAST(s.business_date AS VARCHAR), 1, 7) = '{month}' AND {} \
         AND s.reference_version = (SELECT last_value(reference_version ORDER BY taken_at) FROM snapshots)) \
         SELECT shift_id FROM (SELECT p.shift_id FROM planned AS p LEFT JOIN results AS r ON r.shift_id = p.shift_id \
         WHERE r.shift_id IS NULL UNION SELECT shift_id FROM results WHERE NOT final AND {}) ORDER BY shift_id",
        within("l.org"),
        within("org")
    )
}

const DECIDED: &str = "SELECT replace(CAST(max(decided_at) AS VARCHAR), ' ', 'T') FROM shift_results";

const FILES: &str = "SELECT topic, max(\"offset\") + 1 FROM punches GROUP BY topic";

fn texts(answer: &Answer, column: usize) -> Vec<String> {
    let of_batch = |batch: &RecordBatch| {
        let column = arrow::compute::cast(batch.column(column), &DataType::Utf8);
        let column = column.expect("a column of texts is texts, however they are stored");
        column.as_string::<i32>().iter().flatten().map(str::to_owned).collect::<Vec<_>>()
    };
    answer.batches.iter().flat_map(of_batch).collect()
}

fn files(answer: &Answer) -> Vec<TakenFile> {
    let numbers =
        answer.batches.iter().flat_map(|batch| batch.column(1).as_primitive::<Int64Type>().values().iter());
    let file = |(topic, next): (String, &i64)| {
        Some(TakenFile { topic: topic.into(), next: NextOffset::new(*next)? })
    };
    texts(answer, 0).into_iter().zip(numbers).filter_map(file).collect()
}
