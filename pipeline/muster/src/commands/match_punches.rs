//! `muster match`: verdicts only, one NDJSON line a punch, in input order: a dry run for fences and access points.

use std::io::{BufWriter, ErrorKind, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use attendance::expect;
use clap::Args;
use matcher::Scratch;
use model::position::NextOffset;
use model::{Batch, DueBatch, EventTime, Partition, Verdicts};
use schemas::Decoder;
use schemas::lines::VerdictLine;
use source::{BatchLimits, FileFormat, FileSource, Polled, RawBatch, Source};

use super::Outcome;
use super::load;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::worker::World;

/// Arguments of `muster match`.
#[derive(Args)]
pub struct MatchArguments {
    /// The configuration; `[reference] sites` is needed.
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    config: PathBuf,
    /// Threads; the output does not depend on it.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,
    /// The format of the input; by its ending where not given.
    #[arg(long, value_parser = files::parse_format)]
    format: Option<FileFormat>,
    /// The punches.
    #[arg(value_name = "PUNCHES")]
    punches: PathBuf,
}

/// Runs the command.
pub(super) fn run(arguments: &MatchArguments) -> Outcome {
    let config = load::config(Some(&arguments.config))?;
    if config.reference.sites.0.is_empty() {
        return Err(Box::new(Failure::usage(
            "no sites to match against",
            "name a GeoJSON file as `sites` in [reference] of the configuration",
        )));
    }
    let (reference, _) = load::reference(&config.reference)?;
    let world = World::new(reference);
    let limits = BatchLimits { records_max: config.limits.batch_records_max, ..BatchLimits::default() };
    files::expect_file(&arguments.punches)?;
    let mut source =
        FileSource::open(&arguments.punches, arguments.format, limits).map_err(files::failure)?;
    let lane = |_| files::decoder(&source, &config).map(Lane::new);
    let mut lanes: Vec<Lane> = (0..arguments.threads).map(lane).collect::<Result<_, _>>()?;
    let stdout = std::io::stdout().lock();
    let mut out = BufWriter::with_capacity(1 << 20, stdout);
    let mut rejected = 0;
    loop {
        let filled = fill(&mut source, &mut lanes)?;
        std::thread::scope(|scope| {
            for lane in &mut lanes[..filled] {
                scope.spawn(|| lane.run(&world));
            }
        });
        for lane in &lanes[..filled] {
            match out.write_all(&lane.lines) {
                // A reader such as `head` that has seen enough ends the work, and is no failure.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(Exit::Done),
                written => crate::printed(written)?,
            }
            for reject in &lane.batch.rejects {
                let (unit, number) = (source.format().unit(), reject.offset.get() + 1);
                crate::tell(format_args!("{unit} {number}: {}: {}", reject.code.name(), reject.message));
            }
            rejected += lane.batch.rejects.len();
        }
        if filled < lanes.len() {
            break;
        }
    }
    match out.flush() {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(Exit::Done),
        flushed => crate::printed(flushed)?,
    }
    Ok(if rejected == 0 { Exit::Done } else { Exit::Findings })
}

/// Reads one batch for each lane; fewer at the end of the input.
fn fill(source: &mut FileSource, lanes: &mut [Lane]) -> Result<usize, Box<Failure>> {
    let mut filled = 0;
    while filled < lanes.len() {
        match source.poll(Duration::ZERO, &mut lanes[filled].raw).map_err(files::failure)? {
            Polled::Assigned(partitions) => {
                let starts: Vec<_> = partitions.into_iter().map(|p| (p, NextOffset::START)).collect();
                source.start(&starts).map_err(files::failure)?;
            }
            Polled::Batch => filled += 1,
            Polled::Ended(_) => break,
            _ => {}
        }
    }
    Ok(filled)
}

/// What one thread works with: its batch and every buffer, reused.
struct Lane {
    raw: RawBatch,
    decoder: Decoder,
    batch: Batch,
    clocks: Vec<EventTime>,
    due: DueBatch,
    scratch: Scratch,
    verdicts: Verdicts,
    lines: Vec<u8>,
}

impl Lane {
    fn new(decoder: Decoder) -> Self {
        Self {
            raw: RawBatch::new(),
            decoder,
            batch: Batch::new(Partition::new(0), NextOffset::START),
            clocks: Vec::new(),
            due: DueBatch::default(),
            scratch: Scratch::default(),
            verdicts: Verdicts::default(),
            lines: Vec::new(),
        }
    }

    fn run(&mut self, world: &World) {
        self.batch.clear(self.raw.partition(), self.raw.next());
        for entry in self.raw.iter() {
            entry.decode(&mut self.decoder, &mut self.batch);
        }
        // A dry run knows no log clock: a request counts if it was approved by the punch's own time.
        self.clocks.clear();
        self.clocks.extend(self.batch.punches.iter().map(|punch| punch.occurred_at));
        expect(&world.roster, &self.batch, &self.clocks, &mut self.due);
        let reference: &Arc<model::Reference> = &world.reference;
        world.sites.match_batch(reference, &self.batch, &self.due, &mut self.scratch, &mut self.verdicts);
        self.lines.clear();
        for (punch, verdict) in self.batch.punches.iter().zip(&self.verdicts.rows) {
            let line = VerdictLine::new(&self.batch, punch, &self.verdicts, verdict, reference);
            // Writing to memory cannot fail, and the struct has no map with keys other than text.
            let written = serde_json::to_writer(&mut self.lines, &line);
            debug_assert!(written.is_ok());
            self.lines.push(b'\n');
        }
    }
}
