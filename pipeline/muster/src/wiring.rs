//! The pipeline wired to a live log: topics, outlets, the lake it owns.
//!
//! In: an open log, an open lake, the configuration.  Out: a run's tally.  Owns: nothing beyond the run.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::live_log::{LiveLog, Manner};
use alerts::{Outlet, SilentOutlet, TopicOutlet};
use arc_swap::ArcSwap;
use lake::{Lake, LogKind};
use model::anomaly::Finding;
use model::position::partition_of;
use model::{EventTime, Generation, Partition, Reference};
use source::{DeadLetterFile, KeptRecords, Registry, Source};
use tokio::runtime::Handle;

use crate::commands::clock_mode;
use crate::config::Config;
use crate::drained::Drained;
use crate::failure::Failure;
use crate::files;
use crate::rules::{self, RuleFiles};
use crate::worker::{
    ClockMode, End, FileLetters, Forwarder, Letters, LogReader, Observer, PartitionSettings, Patience,
    Pipeline, Rivals, Rules, Settings, Store, Tally, TopicLetters, Unwritten, World,
};

/// What a run on a live log is wired from.
pub struct Wiring<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// For the lake's edge.
    pub runtime: Handle,
    /// The lake, locked by the caller where the log is one process's.
    pub lake: Lake,
    /// The folder beside it.
    pub beside: PathBuf,
    /// The log.
    pub log: &'a LiveLog,
    /// Whether anybody is told.
    pub manner: Manner,
    /// What [`LiveLog::prepare`] said of it.
    pub identity: lake::LogIdentity,
    /// Snapshots that came into force since [`Self::write_reference`].
    pub unwritten: Arc<Unwritten>,
    /// Where the schemas of its records are, unless they are plain JSON.
    pub registry: Option<Registry>,
    /// When the run ends.
    pub end: End,
    /// How long it waits for what does not answer.
    pub patience: Patience,
    /// Set where the run drains what lies under a number of partitions that no longer holds.
    pub drain: Option<Drain>,
}

/// How far an old number of partitions is drained: outside the group, to each partition's present end.
#[derive(Clone, Copy, Debug)]
pub struct Drain {
    /// The clock stops here.
    pub clock_max: Option<EventTime>,
}

impl Wiring<'_> {
    /// Makes the lake the log's and writes the snapshot's rows, before any punch is judged by it. Gives how many rows of
    /// which table were new.
    ///
    /// # Errors
    /// A lake that belongs to another log; what the lake says.
    pub fn write_reference(
        &self,
        reference: &Reference,
        names: &[(Arc<str>, String)],
    ) -> Result<Vec<(&'static str, u64)>, Box<Failure>> {
        let kind = match self.manner {
            Manner::Speaks => LogKind::Live,
            Manner::Shadow => LogKind::Shadow,
        };
        self.runtime.block_on(self.lake.own(&self.identity, kind)).map_err(Failure::from_outside)?;
        let tables = crate::reference_rows::tables(reference, names, (crate::wall_clock())());
        let written = self.runtime.block_on(self.lake.append_reference(tables, &reference.version));
        written.map_err(|error| Box::new(Failure::from_outside(error)))
    }

    /// Runs the pipeline until its end, or until `stop`; it ends by itself only once `may_end`.
    ///
    /// # Errors
    /// What the log, the lake or an outlet says.
    pub fn run(
        &self,
        world: &ArcSwap<World>,
        stop: &AtomicBool,
        may_end: &AtomicBool,
        observer: &mut dyn Observer,
    ) -> Result<Tally, Box<Failure>> {
        let topic = &self.config.source.topic;
        let source: Box<dyn Source> = match self.drain {
            Some(_) => {
                let reader = self.log.reader(topic).map_err(files::failure)?;
                Box::new(Drained::new(reader, self.identity.partitions))
            }
            None => self.log.source(self.config).map_err(files::failure)?,
        };
        let mut source: Box<dyn Source> = match &self.registry {
            Some(registry) => Box::new(registry.gate(source)),
            None => source,
        };
        let clock = clock_mode(self.config);
        let age_max = (clock == ClockMode::Append).then_some(self.config.alerts.max_age.0);
        let import = files::import_options(self.config)?;
        let import_zone = self.config.import.time_zone.as_ref().map(|_| import.time_zone.clone());
        let threads = match self.config.limits.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        };
        let settings = Settings {
            partition: PartitionSettings {
                topic: topic.as_str().into(),
                partitions: self.identity.partitions,
                clock,
                state_days: self.config.lake.state_days,
                restate_days: self.config.lake.restate_days,
                log: self.identity.log_id.mark(),
                clock_max: self.drain.and_then(|drain| drain.clock_max),
                tells_results: false,
                keeps_evidence: self.config.privacy.location_days > 0,
                alert_age_max: age_max,
                import_zone,
                decoder: crate::registry::decoders(self.registry.as_ref(), import),
                wall: crate::wall_clock(),
            },
            threads,
            commit_every: Duration::from_millis(self.config.lake.commit_every_ms),
            buffered_rows_max: self.config.limits.buffered_rows_max,
            buffered_bytes_max: self.config.limits.buffered_bytes_max,
            start: self.config.source.start.0,
            end: self.end,
            rivals: if self.drain.is_some() { Rivals::GiveWay } else { Rivals::Overtake },
        };
        // Looked at before they are read: what changes in between is seen later.
        let is_open = matches!(self.end, End::Never);
        let files = self.config.rules.as_ref().filter(|_| is_open).and_then(RuleFiles::of);
        let rules = rules::of_run(self.config, (&self.lake, &self.identity), clock, &self.runtime);
        let rules = rules.map(|rules| Rules { files, ..rules });
        let pipeline = Pipeline {
            source: &mut *source,
            store: Store::new(
                self.lake.clone(),
                self.identity.clone(),
                self.runtime.clone(),
                self.config.lake.state_days,
            )
            .behind(Arc::clone(&self.unwritten)),
            world,
            outlet: self.outlet(),
            letters: self.letters()?,
            forwarder: match self.manner {
                Manner::Speaks => Some(Forwarder::new(topic, self.log.appender())),
                Manner::Shadow => None,
            },
            rules,
            patience: self.patience.clone(),
            settings,
            stop,
            may_end,
        };
        pipeline.run(observer)
    }

    /// Says again, by the owner of `generation`, what was last said of everything that belongs to another of `partitions`
    /// partitions now. Gives how much it was.
    ///
    /// # Errors
    /// What the log says.
    pub fn regroup_alerts(&self, generation: Generation, partitions: u32) -> Result<u64, Box<Failure>> {
        let all: Vec<Partition> = (0..partitions).map(Partition::new).collect();
        let owner = |finding: &Finding| partition_of(finding.subject().as_bytes(), partitions);
        let moved = self.topic_outlet().regroup(&all, generation, owner);
        moved.map_err(|error| Box::new(Failure::from_outside(error)))
    }

    fn outlet(&self) -> Box<dyn Outlet> {
        match self.manner {
            Manner::Shadow => Box::new(SilentOutlet),
            Manner::Speaks => Box::new(self.topic_outlet()),
        }
    }

    fn topic_outlet(&self) -> TopicOutlet {
        topic_outlet(self.log, &self.config.alerts.topic)
    }

    /// On the log, or, for a shadow, in a file beside its lake.
    fn letters(&self) -> Result<Box<dyn Letters>, Box<Failure>> {
        let (again, punches) = (self.log.clone(), self.config.source.topic.clone());
        let log = LogReader::new(Box::new(move || again.reader(&punches)));
        if self.manner == Manner::Shadow {
            let file = DeadLetterFile::open(&files::letters_file(&self.beside)).map_err(files::failure)?;
            return Ok(Box::new(FileLetters { file, log }));
        }
        Ok(Box::new(TopicLetters { appender: self.log.appender(), kept: self.kept_records()?, log }))
    }

    /// Where records go that are too large for a dead letter: beside the lake.
    fn kept_records(&self) -> Result<KeptRecords, Box<Failure>> {
        let bytes_max = self.log.letter_bytes_max().map_err(files::failure)?;
        Ok(KeptRecords::new(&files::kept_records_dir(&self.beside), bytes_max))
    }
}

/// Where alerts are said on `log`.
pub fn topic_outlet(log: &LiveLog, topic: &str) -> TopicOutlet {
    let (again, name) = (log.clone(), topic.to_owned());
    TopicOutlet::new(topic, log.appender(), Box::new(move || again.reader(&name)))
}
