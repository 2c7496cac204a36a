//! What runs beside a live pipeline: the HTTP face, the deliverer with the mover of its rows, and the publisher of results, each
//! only where the configuration asks for it.
//!
//! In: `[serve]`, `[alerts] deliver` and its destinations, `[results]`, the open log and lake.  Out: metrics and health for the pipeline's
//! observer.  Owns: them until `stop`.
//! Absent on purpose: any say in the pipeline: a deliverer that fails is reported (log, `/readyz`) and the punches go on.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use alerts::{
    Deliverer, DeliveryLimits, DeliverySetup, DeliveryStats, Destination, DestinationState, HttpPost, NameOf,
    Running,
};
use lake::Lake;
use model::{NextOffset, Partition};
use serve::metrics::{Delivery, Level};
use serve::{Build, Health, Ingest, Metrics, Server};
use source::Registry;
use tokio::runtime::Handle;

use crate::config::{ClockKind, Config};
use crate::failure::Failure;
use crate::live_log::{LiveLog, Manner};
use crate::meter;
use crate::mover::Mover;
use crate::publisher::Publisher;
use crate::stepper::Stepper;
use crate::told_elsewhere::told_elsewhere;
use crate::worker::{Outside, Patience};

/// How long requests in flight may take once the process is told to stop.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// How often counters are taken over.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often the log is asked how far the deliverer is behind.
const LAG_EVERY: Duration = Duration::from_secs(5);

/// What was done reaches the lake's table `alert_deliveries` within about this, or `[lake] commit_every_ms` if that is
/// longer: a commit every second for a few rows would cost every reader of the table.
const MOVE_EVERY: Duration = Duration::from_secs(5);

/// The check of `/readyz` about the deliverer.
const DELIVERER: &str = "deliverer";

/// The HTTP face and the deliverer of one process.
pub struct Edges {
    /// Counters of this process.
    pub metrics: Metrics,
    /// Its health.
    pub health: Health,
    runtime: Handle,
    server: Option<Server>,
    deliverer: Option<(Running, Stepper)>,
    publisher: Option<Stepper>,
    delivered: DeliveryStats,
    read_ahead: Option<Level>,
    /// The checks of those that were waited for at the last look.
    waited: BTreeSet<&'static str>,
    topic: String,
    lag: u64,
    lag_at: Option<Instant>,
}

impl Edges {
    /// Starts what `config` asks for. `names` are people's names by pseudonym, for destinations that get names.
    ///
    /// # Errors
    /// What cannot be started: an address in use, a certificate, an outbox that another process holds.
    pub fn start(
        config: &Config,
        (log, manner): (&LiveLog, Manner),
        lake: &Lake,
        runtime: &Handle,
        names: &[(Arc<str>, String)],
    ) -> Result<Self, Box<Failure>> {
        let build = Build {
            version: env!("CARGO_PKG_VERSION"),
            revision: option_env!("MUSTER_REVISION").unwrap_or(""),
        };
        let metrics = Metrics::new(build, crate::wall_clock());
        let mut checks = meter::CHECKS.to_vec();
        checks.extend(config.alerts.deliver.then_some(DELIVERER));
        checks.extend(config.source.registry.is_some().then_some(crate::registry::CHECK));
        let health = Health::new(&checks, &metrics);
        let server = start_server(config, (log, manner), runtime, &metrics, &health)?;
        let deliverer = match config.alerts.deliver {
            true => Some(start_deliverer(config, log, lake, (runtime, &metrics), names)?),
            false => None,
        };
        let publisher = match &config.results.topic {
            Some(topic) => {
                let publisher = Publisher::open(
                    topic,
                    &config.results.position,
                    (lake.clone(), log.appender(), runtime.clone()),
                )?;
                let every = Duration::from_millis(config.lake.commit_every_ms);
                Some(publisher.spawn(every).map_err(Failure::from_outside)?)
            }
            None => None,
        };
        for destination in &config.alerts.destinations {
            metrics.add_destination(&destination.name);
        }
        if let Some(rules) = &config.rules {
            // Counters begin at nothing, so that a rule that fails at its first run is seen to have moved.
            crate::rules::load(rules).0.iter().for_each(|rule| metrics.count_rule_runs(&rule.name, 0, 0));
        }
        let read_ahead = log.read_ahead().map(|ahead| metrics.budget("source", ahead.bytes_max));
        Ok(Self {
            metrics,
            health,
            runtime: runtime.clone(),
            server,
            deliverer,
            publisher,
            delivered: DeliveryStats::default(),
            read_ahead,
            waited: BTreeSet::new(),
            topic: config.alerts.topic.clone(),
            lag: 0,
            lag_at: None,
        })
    }

    /// Takes over the counters of the log's edge, of the registry and of the deliverer until `is_over`, and tells what is waited
    /// for.
    pub fn watch(
        &mut self,
        log: &LiveLog,
        (patience, registry): (&Patience, Option<&Registry>),
        is_over: impl Fn() -> bool,
    ) {
        let mut has_failed = false;
        self.health.pass(Outside::Log.name(), "it answers");
        while !is_over() {
            std::thread::park_timeout(LOOK_EVERY);
            if let Some(totals) = log.totals() {
                self.metrics.set_source(totals);
            }
            if let (Some(level), Some(ahead)) = (&self.read_ahead, log.read_ahead()) {
                level.set(ahead.bytes);
            }
            for outside in Outside::ALL {
                self.tell_wait(outside, wait_for(outside, log, patience));
            }
            if let Some(registry) = registry {
                crate::registry::tell(&registry.status(), &self.metrics, &self.health);
            }
            let Some((deliverer, _)) = &self.deliverer else { continue };
            let stats = deliverer.stats();
            if self.lag_at.is_none_or(|at| at.elapsed() >= LAG_EVERY) {
                // A log that does not answer is told of elsewhere; what was known of the lag stays.
                self.lag = log.ends(&self.topic).map_or(self.lag, |ends| lag(&stats, &ends));
                self.lag_at = Some(Instant::now());
            }
            count(&self.metrics, &self.delivered, &stats, self.lag);
            let off: Vec<&str> = stats
                .destinations
                .iter()
                .filter(|to| to.state == DestinationState::Off)
                .map(|to| to.name.as_str())
                .collect();
            if deliverer.is_finished() && !has_failed {
                has_failed = true;
                tracing::error!("the deliverer has ended: nobody is told of alerts until a restart");
                self.health.fail(DELIVERER, "it has ended; see the log of this process, and start it again");
            } else if !has_failed && !off.is_empty() {
                self.health.fail(DELIVERER, format!("switched off by their own answer: {}", off.join(", ")));
            } else if !has_failed {
                self.health.pass(DELIVERER, format!("{} messages sent", sent(&stats)));
            }
            self.delivered = stats;
        }
    }

    /// Tells whether `outside` is waited for, since when and why.
    fn tell_wait(&mut self, outside: Outside, wait: Option<(Instant, String)>) {
        let check = outside.name();
        self.metrics.set_waiting(check, wait.as_ref().map_or(Duration::ZERO, |(since, _)| since.elapsed()));
        match wait {
            Some((since, why)) => {
                let waited_s = since.elapsed().as_secs();
                self.health.fail(check, format!("waiting for it for {waited_s} s, nothing is lost: {why}"));
                self.waited.insert(check);
            }
            None if self.waited.remove(check) => self.health.pass(check, "it answers again"),
            None => {}
        }
    }

    /// Ends both in good order. A deliverer that failed before says why here.
    ///
    /// # Errors
    /// Why the deliverer ended before it was told to.
    pub fn stop(self) -> Result<(), Box<Failure>> {
        self.health.stopping();
        if let Some(server) = self.server {
            self.runtime.block_on(server.stop(STOP_WITHIN));
        }
        if let Some(publisher) = self.publisher {
            publisher.stop();
        }
        let Some((deliverer, mover)) = self.deliverer else { return Ok(()) };
        let stopped = deliverer.stop();
        // Behind the deliverer, for its last rows.
        mover.stop();
        stopped.map_err(|error| Box::new(Failure::from_outside(error)))
    }
}

impl std::fmt::Debug for Edges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let running = (self.server.is_some(), self.deliverer.is_some());
        f.debug_tuple("Edges").field(&running).finish()
    }
}

/// Since when `outside` is waited for, and why: several threads may wait, each for something else of it.
fn wait_for(outside: Outside, log: &LiveLog, patience: &Patience) -> Option<(Instant, String)> {
    let mut waits: Vec<(Instant, String)> =
        patience.waits(outside).into_iter().map(|wait| (wait.since, wait.why)).collect();
    waits.extend(
        log.silence().filter(|_| outside == Outside::Log).map(|silence| (silence.since, silence.why)),
    );
    waits.sort();
    let since = waits.first()?.0;
    let mut whys: Vec<String> = Vec::new();
    for (_, why) in waits {
        if !whys.contains(&why) {
            whys.push(why);
        }
    }
    Some((since, whys.join("; and ")))
}

fn start_server(
    config: &Config,
    (log, manner): (&LiveLog, Manner),
    runtime: &Handle,
    metrics: &Metrics,
    health: &Health,
) -> Result<Option<Server>, Box<Failure>> {
    let Some(serve) = &config.serve else { return Ok(None) };
    let checked = serve.check().map_err(|problems| {
        let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Failure::wrong_use(texts.join("\n"))
    })?;
    // A shadow writes no log but one of its own.
    let ingest = (manner == Manner::Speaks || log.is_alone()).then(|| Ingest {
        appender: log.appender(),
        topic: config.source.topic.clone(),
        record_bytes_max: config.limits.record_bytes_max,
    });
    let started = runtime.block_on(Server::start(checked, ingest, metrics.clone(), health.clone()));
    let server = started.map_err(Failure::from_outside)?;
    crate::tell(format_args!("serving {}", server.url()));
    Ok(Some(server))
}

fn start_deliverer(
    config: &Config,
    log: &LiveLog,
    lake: &Lake,
    (runtime, metrics): (&Handle, &Metrics),
    names: &[(Arc<str>, String)],
) -> Result<(Running, Stepper), Box<Failure>> {
    let alerts = &config.alerts;
    let variable = |name: &str| std::env::var(name).ok();
    let checked = Destination::check_all(&alerts.destinations, &config.regions(), &variable);
    let destinations = checked.map_err(|problems| {
        let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Failure::wrong_use(texts.join("\n"))
    })?;
    let names: HashMap<Arc<str>, String> = names.iter().cloned().collect();
    let name_of: NameOf = Box::new(move |employee_id| names.get(employee_id).cloned());
    let is_live = config.source.clock == ClockKind::Append;
    let setup = DeliverySetup {
        post: Box::new(HttpPost::new(runtime.clone(), &destinations).map_err(Failure::from_outside)?),
        destinations,
        source: log.reader(&alerts.topic).map_err(crate::files::failure)?,
        wall: crate::wall_clock(),
        name_of: Some(name_of),
        age_max: if is_live { Duration::try_from(alerts.max_age.0).ok() } else { None },
        limits: DeliveryLimits::default(),
    };
    let mut deliverer = Deliverer::open(&alerts.outbox, setup).map_err(Failure::from_outside)?;
    let since = deliverer.unheard_since().map_err(Failure::from_outside)?;
    let told = told_elsewhere(lake, runtime, since)?;
    deliverer.learn(&told).map_err(Failure::from_outside)?;
    // Before the deliverer runs: an outbox brought back from a copy must number its attempts behind those in the lake.
    let mover = Mover::open(&alerts.outbox, lake.clone(), runtime.clone(), metrics.clone())?;
    let every = MOVE_EVERY.max(Duration::from_millis(config.lake.commit_every_ms));
    let deliverer = deliverer.spawn().map_err(Failure::from_outside)?;
    let mover = mover.spawn(every).map_err(Failure::from_outside)?;
    Ok((deliverer, mover))
}

/// Records of the topic, which ends at `ends`, that are not in the outbox yet.
fn lag(stats: &DeliveryStats, ends: &[(Partition, NextOffset)]) -> u64 {
    let behind = |(partition, end): &(Partition, NextOffset)| {
        let position = stats.positions.get(partition)?;
        u64::try_from(end.get() - position.get()).ok()
    };
    ends.iter().filter_map(behind).sum()
}

fn sent(stats: &DeliveryStats) -> u64 {
    stats.destinations.iter().map(|to| to.sent).sum()
}

fn count(metrics: &Metrics, before: &DeliveryStats, now: &DeliveryStats, lag: u64) {
    let mut outbox = 0;
    for (at, to) in now.destinations.iter().enumerate() {
        let earlier = before.destinations.get(at);
        let fresh = |value: u64, earlier: Option<u64>| value.saturating_sub(earlier.unwrap_or(0));
        for _ in 0..fresh(to.sent, earlier.map(|to| to.sent)) {
            metrics.count_delivery(&to.name, Delivery::Done);
        }
        for _ in 0..fresh(to.failed, earlier.map(|to| to.failed)) {
            metrics.count_delivery(&to.name, Delivery::Retried);
        }
        for _ in 0..fresh(to.dead, earlier.map(|to| to.dead)) {
            metrics.count_delivery(&to.name, Delivery::Failed);
        }
        outbox += to.waiting + to.queued + to.in_flight;
    }
    let oldest = now.destinations.iter().filter_map(|to| to.oldest_due).min();
    metrics.set_deliverer(outbox, oldest, lag);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_is_what_lies_behind_the_outbox() {
        let at = |partition, offset| (Partition::new(partition), NextOffset::new(offset).unwrap());
        let stats = DeliveryStats {
            positions: [at(0, 7), at(1, 20), at(2, 9)].into_iter().collect(),
            ..DeliveryStats::default()
        };
        // Partition 2 was asked before it was read further; nobody has begun with partition 3.
        assert_eq!(lag(&stats, &[at(0, 10), at(1, 20), at(2, 8), at(3, 100)]), 3);
        assert_eq!(lag(&DeliveryStats::default(), &[at(0, 10)]), 0);
    }
}
