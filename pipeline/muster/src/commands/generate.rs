//! `muster generate`: load: a chain of any size, shift-change shaped, to files or a log, with a truth ledger.

use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;

use clap::Args;
use generate::Spec;
use jiff::civil::Date;
use source::EmbeddedLog;
use source::embedded::Options;

use super::Outcome;
use crate::chain_files::{LedgerFile, Pace, append_records, write_records, write_reference};
use crate::failure::{Exit, Failure};

/// Arguments of `muster generate`.
#[derive(Args)]
pub struct GenerateArguments {
    /// How many stores.
    #[arg(long, default_value_t = 200)]
    stores: u32,
    /// How many people.
    #[arg(long, default_value_t = 5_000)]
    employees: u32,
    /// How many days.
    #[arg(long, default_value_t = 1)]
    days: u16,
    /// The first business date.
    #[arg(long, default_value = "2026-11-02")]
    first_day: Date,
    /// From which everything random follows: the same seed gives the same bytes.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The folder for reference files, configuration, ledger and punches; made if absent.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Append the punches to the embedded log in this folder instead of writing `punches.ndjson`.
    #[arg(long, value_name = "DIR")]
    log: Option<PathBuf>,
    /// Partitions of the log's topic, where it is made.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1_024))]
    partitions: u32,
    /// At most so many records a second; as fast as it goes where not given.
    #[arg(long, value_name = "N", value_parser = parse_rate)]
    rate: Option<f64>,
}

fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate > 0.0 => Ok(rate),
        _ => Err("a number above 0".to_owned()),
    }
}

/// Runs the command.
pub(super) fn run(arguments: &GenerateArguments) -> Outcome {
    let spec = Spec {
        stores: arguments.stores,
        employees: arguments.employees,
        days: arguments.days,
        first_day: arguments.first_day,
        seed: arguments.seed,
        ..Spec::demo()
    };
    let world = generate::chain(&spec)
        .map_err(|error| Failure::usage(error.to_string(), "change --stores, --employees or --days"))?;
    let folder = &arguments.out;
    let log = arguments.log.as_ref().map(|dir| std::path::absolute(dir).unwrap_or_else(|_| dir.clone()));
    let source = match &log {
        Some(dir) => format!("\n[source]\ndir = {:?}\nclock = \"record\"\n", dir.display().to_string()),
        None => String::new(),
    };
    write_reference(&world, folder, &source)?;
    let mut ledger = LedgerFile::create(&folder.join("ledger.ndjson"))?;
    let pace = arguments.rate.map_or(Pace::Full, Pace::Rate);
    let made = match &log {
        Some(dir) => {
            let options = Options { partitions: arguments.partitions, ..Options::default() };
            let log = EmbeddedLog::open(dir, options, crate::wall_clock()).map_err(crate::files::failure)?;
            append_records(&world, &mut log.appender(), "punches", &mut ledger, pace, &|| false)?
        }
        None => {
            let path = folder.join("punches.ndjson");
            let file = File::create(&path).map_err(|error| {
                Failure::outside(
                    format!("write {}: {error}", path.display()),
                    "name a folder that can be written",
                )
            })?;
            write_records(&world, &mut BufWriter::new(file), &mut ledger, pace)?
        }
    };
    ledger.finish(&world)?;
    crate::say(&format!(
        "{} records: {} punches, {} repeats, {} that are none{}",
        made.records,
        made.punches,
        made.duplicates,
        made.rejects,
        if made.left_out > 0 {
            format!("; {} without a value left out", made.left_out)
        } else {
            String::new()
        }
    ))?;
    crate::say(&format!("next: muster {} -c {}", next(&log), folder.join("muster.toml").display()))?;
    Ok(Exit::Done)
}

fn next(log: &Option<PathBuf>) -> &'static str {
    if log.is_some() { "run --until 2199-01-01T00:00:00Z" } else { "replay <DIR>/punches.ndjson" }
}
