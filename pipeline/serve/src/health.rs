//! Whether the process has started, is alive and is ready, each with its reasons as text.
//!
//! In: what `muster` knows of its parts.  Out: the answers of `/startupz`, `/livez` and `/readyz`.  Owns: one state a
//! check.
//! Absent on purpose: any look at the parts themselves, and dependencies in liveness: a broker that is down must not
//! make an orchestrator kill every processor that waits for it.
//! Invariants: ready means started, alive, and every check passed; a check of which nothing was said does not pass.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::metrics::Metrics;

/// The process' health. Clones share it.
#[derive(Clone, Debug)]
pub struct Health {
    state: Arc<Mutex<State>>,
    metrics: Metrics,
}

#[derive(Debug, Default)]
struct State {
    has_started: bool,
    broken: Option<String>,
    is_stopping: bool,
    /// Name → what is well, or why it is not.
    checks: BTreeMap<&'static str, Result<String, String>>,
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) is_well: bool,
    /// A line a reason.
    pub(crate) text: String,
}

impl Health {
    /// Not started. `/readyz` asks for each of `checks` (`owning`, `caught_up`, `lake`, …), which all fail until
    /// [`Self::pass`] says otherwise.
    pub fn new(checks: &[&'static str], metrics: &Metrics) -> Self {
        let unknown = |check: &&'static str| (*check, Err("nothing is known of it yet".to_owned()));
        let state = State { checks: checks.iter().map(unknown).collect(), ..State::default() };
        Self { state: Arc::new(Mutex::new(state)), metrics: metrics.clone() }
    }

    /// The process has started: configuration and reference data are read, the log and the lake are open.
    pub fn started(&self) {
        self.change(|state| state.has_started = true);
    }

    /// `check` is well; `what` says how (`4 partitions`).
    pub fn pass(&self, check: &'static str, what: impl Into<String>) {
        let what = what.into();
        self.change(|state| state.checks.insert(check, Ok(what)));
    }

    /// `check` is not well; `why` says why, and what would mend it.
    pub fn fail(&self, check: &'static str, why: impl Into<String>) {
        let why = why.into();
        self.change(|state| state.checks.insert(check, Err(why)));
    }

    /// The process is stopping in good order: no longer ready, still alive.
    pub fn stopping(&self) {
        self.change(|state| state.is_stopping = true);
    }

    /// The process cannot go on and only a restart helps: a thread died, or its state contradicts itself. Never for an
    /// outside system that is down.
    pub fn broken(&self, why: impl Into<String>) {
        let why = why.into();
        self.change(|state| state.broken = Some(why));
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) {
        let mut state = self.lock();
        change(&mut state);
        self.metrics.set_ready(state.readiness().is_well);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn liveness(&self) -> Answer {
        match &self.lock().broken {
            None => Answer { is_well: true, text: "alive\n".into() },
            Some(why) => Answer { is_well: false, text: format!("broken: {why}\n") },
        }
    }

    pub(crate) fn startup(&self) -> Answer {
        let is_well = self.lock().has_started;
        Answer { is_well, text: if is_well { "started\n" } else { "starting\n" }.into() }
    }

    pub(crate) fn readiness(&self) -> Answer {
        self.lock().readiness()
    }
}

impl State {
    fn readiness(&self) -> Answer {
        let mut is_well = self.has_started && self.broken.is_none() && !self.is_stopping;
        let mut text = String::new();
        let mut line = |line: std::fmt::Arguments<'_>| {
            text.write_fmt(line).expect("a String takes everything that is written to it");
        };
        if !self.has_started {
            line(format_args!("not ready: starting\n"));
        }
        if let Some(why) = &self.broken {
            line(format_args!("not ready: broken: {why}\n"));
        }
        if self.is_stopping {
            line(format_args!("not ready: stopping\n"));
        }
        for (check, state) in &self.checks {
            match state {
                Ok(what) => line(format_args!("ok {check}: {what}\n")),
                Err(why) => {
                    is_well = false;
                    line(format_args!("not ready: {check}: {why}\n"));
                }
            }
        }
        if is_well {
            text.insert_str(0, "ready\n");
        }
        Answer { is_well, text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::tests::metrics;

    fn ready(health: &Health) -> (bool, String) {
        let answer = health.readiness();
        (answer.is_well, answer.text)
    }

    #[test]
    fn ready_is_started_alive_and_every_check() {
        let metrics = metrics();
        let health = Health::new(&["owning", "caught_up"], &metrics);
        health.pass("owning", "4 partitions");
        health.fail("caught_up", "partition 3 is 12345 records behind");
        let expected = "not ready: starting\n\
                        not ready: caught_up: partition 3 is 12345 records behind\n\
                        ok owning: 4 partitions\n";
        assert_eq!(ready(&health), (false, expected.into()));
        health.started();
        assert!(!ready(&health).0);
        health.pass("caught_up", "0 records behind");
        let expected = "ready\nok caught_up: 0 records behind\nok owning: 4 partitions\n";
        assert_eq!(ready(&health), (true, expected.into()));
        assert!(metrics.text().contains("muster_ready 1\n"));
        health.stopping();
        assert!(!ready(&health).0 && health.liveness().is_well);
        assert!(metrics.text().contains("muster_ready 0\n"));
    }

    #[test]
    fn nothing_known_is_not_ready() {
        let health = Health::new(&["lake"], &metrics());
        health.started();
        assert_eq!(ready(&health), (false, "not ready: lake: nothing is known of it yet\n".into()));
    }

    #[test]
    fn broken_is_not_alive_and_says_why() {
        let health = Health::new(&[], &metrics());
        assert_eq!(health.startup(), Answer { is_well: false, text: "starting\n".into() });
        health.started();
        assert!(health.startup().is_well && health.liveness().is_well && ready(&health).0);
        health.broken("the committer thread died");
        assert_eq!(health.liveness().text, "broken: the committer thread died\n");
        assert!(!health.liveness().is_well && !ready(&health).0);
    }
}
