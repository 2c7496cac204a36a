//! `muster destinations`: which destinations of alerts are switched off, and how one is switched on again.
//!
//! In: the configuration, the deliverer's outbox.  Out: a line a destination; a note in the outbox, which its deliverer
//! obeys within a second or two, or when it starts.  Owns: nothing.
//! Absent on purpose: switching off (take the destination out of the configuration), and a key of the configuration that
//! switches on: it would do so again at every start.
//! Why so: a destination goes off because its receiver said so (410) or took nothing for days; only a person knows when
//! that was mended, and the processor should go on meanwhile.

use std::path::{Path, PathBuf};

use alerts::{DeliveryLog, DestinationConfig};
use clap::{Args, Subcommand};
use schemas::lines::utc_text;

use super::{Outcome, load};
use crate::failure::{Exit, Failure};

/// Arguments of `muster destinations`.
#[derive(Args)]
pub struct DestinationsArguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Each destination of the configuration: on, or since when and why it is off.
    List(ListArguments),
    /// Switches a destination on again; what was given up there is tried again.
    Enable(EnableArguments),
}

#[derive(Args)]
struct ListArguments {
    /// The configuration of the process that delivers.
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    config: PathBuf,
}

#[derive(Args)]
struct EnableArguments {
    /// The configuration of the process that delivers.
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    config: PathBuf,
    /// The destination's name.
    #[arg(value_name = "NAME")]
    name: String,
}

/// Runs the command.
pub(super) fn run(arguments: &DestinationsArguments) -> Outcome {
    match &arguments.action {
        Action::List(arguments) => list(arguments),
        Action::Enable(arguments) => enable(arguments),
    }
}

/// The destinations of the configuration, and the outbox of their deliverer, if it has ever run.
fn open(config: &Path) -> Result<(Vec<DestinationConfig>, Option<DeliveryLog>), Box<Failure>> {
    let alerts = load::config(Some(config))?.alerts;
    let log = alerts.outbox.exists().then(|| DeliveryLog::open(&alerts.outbox));
    Ok((alerts.destinations, log.transpose().map_err(Failure::from_outside)?))
}

fn list(arguments: &ListArguments) -> Outcome {
    let (destinations, log) = open(&arguments.config)?;
    let off = log.map_or_else(|| Ok(Vec::new()), |log| log.off()).map_err(Failure::from_outside)?;
    for destination in &destinations {
        let name = &destination.name;
        match off.iter().find(|off| off.name == *name) {
            None => crate::say(&format!("{name}  on"))?,
            Some(off) => {
                let wanted = if off.is_wanted_on { "; to be switched on" } else { "" };
                crate::say(&format!("{name}  off since {}: {}{wanted}", utc_text(off.since), off.why))?;
            }
        }
    }
    if destinations.is_empty() {
        crate::say("no destinations are configured")?;
    }
    Ok(Exit::Done)
}

fn enable(arguments: &EnableArguments) -> Outcome {
    let (destinations, log) = open(&arguments.config)?;
    let name = &arguments.name;
    if !destinations.iter().any(|destination| destination.name == *name) {
        let names: Vec<&str> = destinations.iter().map(|destination| destination.name.as_str()).collect();
        let what = format!("{} has no destination `{name}`", arguments.config.display());
        return Err(Box::new(Failure::usage(what, format!("it has: {}", names.join(", ")))));
    }
    let off = log.as_ref().map_or_else(|| Ok(Vec::new()), DeliveryLog::off).map_err(Failure::from_outside)?;
    match log.filter(|_| off.iter().any(|off| off.name == *name)) {
        None => crate::say(&format!("{name} is on already"))?,
        Some(log) => {
            log.enable(name).map_err(Failure::from_outside)?;
            crate::say(&format!(
                "{name} is switched on by the process that delivers, within seconds or when it starts"
            ))?;
        }
    }
    Ok(Exit::Done)
}
