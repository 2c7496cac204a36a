//! `muster dlq`: the dead letters listed, shown, replayed after a fix, or settled without one.
//!
//! In: the dead-letter topic of a log, or the file of dead letters in a lake of replays.  Out: a table, one letter in
//! full, or the records appended again.  Owns: nothing beyond the command; what was replayed is remembered by [`marks`], what
//! was settled by [`drops`].
//! Absent on purpose: mending a record here (its producer sends a mended one; what is mended here is the limit or the
//! decoder that refused it), and taking letters away: their topic keeps them by its own retention,
//! and to settle one is to write down who did so and why.
//! Invariants: an origin is one letter, however often it stands in the topic; a letter is named by its origin.
//! Why so: a letter's own place in its topic says nothing to anybody, its origin is what `rejects` and the log know.

mod drops;
mod letters;
mod list;
mod marks;
mod outlet;
mod place;
mod replay;
mod show;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use model::EventTime;

use super::Outcome;
use letters::Known;
use place::{Offsets, Place};

/// Arguments of `muster dlq`.
#[derive(Args)]
pub struct DlqArguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// A table of the dead letters, and how many there are by code.
    List(ListArguments),
    /// Everything about one letter: headers, origin, and its bytes.
    Show(ShowArguments),
    /// Appends the records of letters again to the topic they came from. Repeats are found by their identity, so what
    /// is replayed twice is added once; what still is no punch comes back as a new letter.
    Replay(ReplayArguments),
    /// Settles letters without a replay: notes who decided so and why. Nothing is deleted; `list` and `replay` pass them
    /// over from then on.
    Drop(DropArguments),
}

/// Where the letters are.
#[derive(Args)]
#[group(required = true, multiple = true)]
struct Where {
    /// The configuration: the dead-letter topic of its log, or the letters in its lake if replays filled that.
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    config: Option<PathBuf>,
    /// A lake filled by replays: its folder or URL.
    #[arg(long, value_name = "PLACE")]
    lake: Option<String>,
}

/// Which letters.
#[derive(Args)]
struct Filter {
    /// Only letters of this code, such as too_large; may be given several times.
    #[arg(long = "code", value_name = "CODE")]
    codes: Vec<String>,
    /// Only letters of this step, such as decode; may be given several times.
    #[arg(long = "stage", value_name = "STAGE")]
    stages: Vec<String>,
    /// Only records of this topic; `file:<id>` of a replayed file.
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
    /// Only records of this partition.
    #[arg(long, value_name = "N")]
    partition: Option<u32>,
    /// Only records from the first offset until before the second; either may be left out: 100..200, 100.., ..200
    #[arg(long, value_name = "FROM..UNTIL", value_parser = place::parse_offsets)]
    offsets: Option<Offsets>,
    /// Only records that the log took at or after this time (RFC 3339); a replayed file has no such times.
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    /// Only records that the log took before this time.
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
    /// Only records with this key.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Only records of this person, by their key or by what can be read of them.
    #[arg(long, value_name = "ID")]
    employee: Option<String>,
}

impl Filter {
    fn is_empty(&self) -> bool {
        let Self { codes, stages, topic, partition, offsets, since, until, key, employee } = self;
        let is_named = topic.is_some() || key.is_some() || employee.is_some();
        let is_placed = partition.is_some() || offsets.is_some() || since.is_some() || until.is_some();
        codes.is_empty() && stages.is_empty() && !is_named && !is_placed
    }

    fn takes(&self, place: &Place, known: &Known) -> bool {
        let (since, until) = (self.since.map(EventTime::from), self.until.map(EventTime::from));
        (self.codes.is_empty() || self.codes.contains(&known.code))
            && (self.stages.is_empty() || self.stages.contains(&known.stage))
            && self.topic.as_ref().is_none_or(|topic| *topic == place.topic)
            && self.partition.is_none_or(|partition| partition == place.partition)
            && self.offsets.is_none_or(|Offsets { from, until }| (from..until).contains(&place.offset))
            && since.is_none_or(|since| known.time.is_some_and(|time| time >= since))
            && until.is_none_or(|until| known.time.is_some_and(|time| time < until))
            && self.key.as_ref().is_none_or(|key| known.key.as_deref() == Some(key.as_bytes()))
            && self.employee.as_deref().is_none_or(|wanted| known.is_of(wanted))
    }
}

#[derive(Args)]
struct ListArguments {
    #[command(flatten)]
    home: Where,
    #[command(flatten)]
    filter: Filter,
    /// Those that were settled by `drop`, too.
    #[arg(long)]
    settled: bool,
    /// The latest N; all are counted.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// One JSON object a letter, and no counts.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct ShowArguments {
    #[command(flatten)]
    home: Where,
    /// The letter's origin: TOPIC/PARTITION/OFFSET, or PARTITION/OFFSET.
    #[arg(value_name = "PLACE", value_parser = place::parse)]
    place: Place,
    /// The letter as one line of JSON, its bytes in base64, as `dead_letters.ndjson` has it.
    #[arg(long, conflicts_with = "bytes")]
    json: bool,
    /// The record's bytes and nothing else, untouched.
    #[arg(long)]
    bytes: bool,
}

#[derive(Args)]
struct ReplayArguments {
    #[command(flatten)]
    home: Where,
    /// Letters by their origin: TOPIC/PARTITION/OFFSET, or PARTITION/OFFSET.
    #[arg(value_name = "PLACE", value_parser = place::parse, conflicts_with_all = ["all", "Filter"])]
    places: Vec<Place>,
    #[command(flatten)]
    filter: Filter,
    /// Every letter.
    #[arg(long)]
    all: bool,
    /// Those that were replayed before, too, as `<lake>/_muster/replayed.ndjson` notes it. (Letters named by their place
    /// are replayed in any case.)
    #[arg(long)]
    again: bool,
    /// Says what would be done, and does nothing.
    #[arg(long)]
    dry_run: bool,
    /// For a lake of replays, whose logs are files that were read: writes the records into this new file, a line each,
    /// for `muster replay`.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The counts as one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct DropArguments {
    #[command(flatten)]
    home: Where,
    /// Letters by their origin: TOPIC/PARTITION/OFFSET, or PARTITION/OFFSET.
    #[arg(value_name = "PLACE", value_parser = place::parse, conflicts_with_all = ["all", "Filter"])]
    places: Vec<Place>,
    #[command(flatten)]
    filter: Filter,
    /// Every letter.
    #[arg(long)]
    all: bool,
    /// Who settles them.
    #[arg(long, value_name = "WHO")]
    by: String,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    note: String,
    /// Says what would be done, and does nothing.
    #[arg(long)]
    dry_run: bool,
    /// The counts as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) fn run(arguments: &DlqArguments) -> Outcome {
    match &arguments.action {
        Action::List(arguments) => list::run(arguments),
        Action::Show(arguments) => show::run(arguments),
        Action::Replay(arguments) => replay::run(arguments),
        Action::Drop(arguments) => drops::run(arguments),
    }
}
