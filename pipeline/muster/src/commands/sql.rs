//! `muster sql`: one query over the lake, or a REPL.

use std::io::{BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use query::{Format, Layout, ReplOptions, Session};

use super::Outcome;
use super::load;
use crate::failure::{Exit, Failure};
use crate::lake_place::LakePlace;

/// Arguments of `muster sql`.
#[derive(Args)]
pub struct SqlArguments {
    /// The configuration, for the place of the lake and how to reach it.
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The lake's folder or URL (s3://BUCKET/PREFIX), in place of the configured one.
    #[arg(long, value_name = "PLACE")]
    lake: Option<String>,
    /// table, csv, json or parquet.
    #[arg(long, default_value = "table", value_parser = parse_format)]
    format: Format,
    /// The statement; without one, a REPL.
    #[arg(value_name = "SELECT …")]
    statement: Option<String>,
}

pub(super) fn parse_format(name: &str) -> Result<Format, String> {
    Format::from_name(name).ok_or_else(|| "one of table, csv, json, parquet".to_owned())
}

/// Runs the command.
pub(super) fn run(arguments: &SqlArguments) -> Outcome {
    let config = load::config(arguments.config.as_deref())?;
    let place = LakePlace::of(&config, arguments.lake.as_deref())?;
    if Path::new(&place.url).is_file() {
        return Err(Box::new(Failure::usage(
            format!("open lake {}: it is a file, no folder", place.url),
            NAME_A_LAKE,
        )));
    }
    let runtime = crate::runtime()?;
    runtime.block_on(async {
        let lake = place.open_existing().await.map_err(not_opened)?;
        let session =
            Session::open(lake, query::Options::default()).await.map_err(|error| failure(&error, ""))?;
        match &arguments.statement {
            Some(statement) => once(&session, statement, arguments.format).await,
            None => {
                let history =
                    std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".muster_history"));
                let options = ReplOptions { history, format: arguments.format };
                query::repl(session, options).await.map_err(|error| failure(&error, ""))?;
                Ok(Exit::Done)
            }
        }
    })
}

/// What to do about a place that is no lake.
const NAME_A_LAKE: &str = "name the lake's folder or URL with --lake, or the configuration with -c";

/// A wrong place is wrong use; a lake that is there and cannot be read is not.
pub(super) fn not_opened(error: lake::Error) -> Box<Failure> {
    Box::new(match error.kind() {
        lake::ErrorKind::NoLake | lake::ErrorKind::NotBuiltYet | lake::ErrorKind::InTheWay => {
            Failure::usage(error.to_string(), NAME_A_LAKE)
        }
        lake::ErrorKind::Settings => Failure::wrong_use(error.to_string()),
        _ => Failure::from_outside(error),
    })
}

async fn once(session: &Session, statement: &str, format: Format) -> Outcome {
    let stdout = std::io::stdout();
    let layout = if stdout.is_terminal() {
        let (_, columns) = console::Term::stdout().size();
        Layout::Fold(usize::from(columns))
    } else {
        Layout::Whole
    };
    let mut out = BufWriter::new(stdout);
    let ran = query::run_laid_out(session, statement, format, layout, &mut out).await;
    match ran.map(|_| out.flush()) {
        Ok(flushed) => crate::printed(flushed).map(|()| Exit::Done),
        Err(error) => Err(failure(&error, statement)),
    }
}

/// An error of the engine, with its place in the statement; wrong statements are wrong use.
pub(super) fn failure(error: &query::Error, statement: &str) -> Box<Failure> {
    let text = error.explain(statement);
    let text = text.trim_end().trim_start_matches("error: ").to_owned();
    Box::new(match error.kind() {
        query::Kind::Statement | query::Kind::Refused => Failure::wrong_use(text),
        _ => Failure::from_outside(text),
    })
}
