//! The commands: one file each, its arguments beside what it does.

mod check;
mod demo;
mod destinations;
mod dlq;
mod erase;
mod generate;
mod load;
mod match_punches;
mod reach;
mod refused;
mod repartition;
mod replay;
mod review;
mod run;
mod seal;
mod shadow;
mod shifted;
mod sql;
mod top;

use std::io::IsTerminal;

use clap::Subcommand;
use tracing_subscriber::EnvFilter;

use crate::failure::{Exit, Failure};

pub use demo::DemoArguments;
pub use replay::ReplayArguments;
pub use run::RunArguments;
pub(crate) use run::clock_mode;

/// What a command returns: its exit, or why it could not do its work (boxed: it carries a whole report).
pub type Outcome = Result<Exit, Box<Failure>>;

/// The commands of the program.
#[derive(Subcommand)]
pub enum Command {
    /// A small chain on the embedded log: a shift change, live alerts, the lake, a monthly table.
    Demo(DemoArguments),
    /// The processor: reads the log until it is stopped.
    Run(RunArguments),
    /// The same pipeline over files of punches, as fast as it goes.
    Replay(ReplayArguments),
    /// Verdicts only, NDJSON out: a dry run for fences and access points.
    Match(match_punches::MatchArguments),
    /// One SQL query over the lake, or a REPL.
    Sql(sql::SqlArguments),
    /// Load: a chain of any size, shift-change shaped, to files or a log, with a truth ledger.
    Generate(generate::GenerateArguments),
    /// Everything wrong with the configuration and the reference data, with file, line and remedy.
    Check(check::CheckArguments),
    /// A running processor, live, from its metrics.
    Top(top::TopArguments),
    /// The dead letters: what was no punch, with its bytes.
    Dlq(dlq::DlqArguments),
    /// Closes a month; later facts go to the adjustment ledger.
    Seal(seal::SealArguments),
    /// Takes one person out of the lake, the embedded log and the outbox, and keeps a proof.
    Erase(erase::EraseArguments),
    /// Moves a log and its lake to another number of partitions.
    Repartition(repartition::RepartitionArguments),
    /// Beside another system, silently; then what would have happened, site by site.
    Shadow(shadow::ShadowArguments),
    /// Suspicions: what waits for a reviewer, and what is decided about each.
    Review(review::ReviewArguments),
    /// The destinations of alerts: which are switched off, and on again.
    Destinations(destinations::DestinationsArguments),
}

/// Runs one command.
///
/// # Errors
/// Why it could not do its work.
pub fn run(command: Command) -> Outcome {
    match command {
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Run(arguments) => run::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Match(arguments) => match_punches::run(&arguments),
        Command::Sql(arguments) => sql::run(&arguments),
        Command::Generate(arguments) => generate::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Top(arguments) => top::run(&arguments),
        Command::Dlq(arguments) => dlq::run(&arguments),
        Command::Seal(arguments) => seal::run(&arguments),
        Command::Erase(arguments) => erase::run(&arguments),
        Command::Repartition(arguments) => repartition::run(&arguments),
        Command::Shadow(arguments) => shadow::run(&arguments),
        Command::Review(arguments) => review::run(&arguments),
        Command::Destinations(arguments) => destinations::run(&arguments),
    }
}

/// Warnings of ours; the Delta kernel reports each table that is not there yet as an error.
const QUIET: &str = "warn,buoyant_kernel=off";

/// Logs to standard error: warnings, or what `MUSTER_LOG` asks for; JSON lines with `MUSTER_LOG_JSON=1`.
pub fn start_log() {
    let filter = EnvFilter::try_from_env("MUSTER_LOG").unwrap_or_else(|_| EnvFilter::new(QUIET));
    // A closed standard error must not end the work: the log's own complaints would be written there, too.
    let log = tracing_subscriber::fmt()
        .log_internal_errors(false)
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    if std::env::var_os("MUSTER_LOG_JSON").is_some_and(|value| value == "1") {
        log.json().init();
    } else {
        log.with_ansi(std::io::stderr().is_terminal()).init();
    }
}
