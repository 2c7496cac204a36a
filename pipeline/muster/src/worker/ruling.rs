//! Rules on a schedule by the log's clock: at each instant those that are due are asked, and their answers handed to control.
//!
//! ```text
//!   commit ─▶ every partition's clock stands at T or later ─▶ ask the rules due at T ─▶ Ruled ─▶ owners of the subjects
//! ```
//!
//! In: claims and commits, from control.  Out: [`Ruled`], instant by instant.  Owns: a session over the lake, and the last
//! instant done.
//! Absent on purpose: any say in the pipeline. A rule that fails or takes too long is told (log, metric) and nothing waits for
//! it; what it found before stays as it was said.
//! Invariants: I-31 instants are multiples of `[rules] every`, whatever is committed when; a replay asks at the same ones, and
//! once more at its end.
//! Why so: a thread of its own, since a statement may take seconds and a commit may not wait for it. Answers carry no state: an
//! owner compares them with what was said, so asking twice says nothing twice.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use attendance::anomaly_id;
use frontier::PartitionFrontier;
use lake::{Lake, LogIdentity};
use model::anomaly::Finding;
use model::{AnomalyKind, EventTime};
use query::{Rule, RuledRow, Session, Subject};
use tokio::runtime::Handle;

use super::partition::ClockMode;
use super::threads::FromWorker;
use crate::rules::{RuleFiles, RuleProblem};

/// How long one rule may take at one instant.
const DURATION_MAX: Duration = Duration::from_secs(30);
/// How often a rule under way looks whether the run has ended.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How much memory the rules of one instant may hold.
const MEMORY_BYTES_MAX: usize = 512 << 20;
/// How long partitions whose owner stands still keep the rules waiting, in minutes of the log's clock.
const HELD_MAX_MIN: i64 = 15;

/// What rules are run with.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The rules.
    pub rules: Vec<Rule>,
    /// Their files, if they are to be looked at before each instant.
    pub files: Option<RuleFiles>,
    /// Minutes between two instants.
    pub every_min: i64,
    /// The lake.
    pub lake: Lake,
    /// The log whose clock decides.
    pub log: LogIdentity,
    /// Which clock that is.
    pub clock: ClockMode,
    /// For the lake's edge.
    pub runtime: Handle,
}

/// What the rules of one instant answer.
#[derive(Debug)]
pub(super) struct Ruled {
    /// The instant.
    pub(super) at: EventTime,
    /// By kind.
    pub(super) answers: Vec<RuledKind>,
    /// How each rule went: its name, and what it failed of.
    pub(super) runs: Vec<(Arc<str>, Option<String>)>,
}

/// What the rules of one kind answer.
#[derive(Debug)]
pub(super) struct RuledKind {
    /// The kind.
    pub(super) kind: AnomalyKind,
    /// How far back they look: what began before is left as it was said.
    pub(super) from: EventTime,
    /// Whether all of them answered: only then does what is not among the findings no longer hold.
    pub(super) is_whole: bool,
    /// What they find.
    pub(super) findings: Vec<Finding>,
}

/// Where a claimed partition stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    /// The last instant whose answers are stored.
    pub(super) ruled: Option<EventTime>,
    /// The log's clock, where it is set.
    pub(super) clock: Option<EventTime>,
    /// Where that clock first stood.
    pub(super) since: Option<EventTime>,
}

impl Standing {
    /// Of a partition that was committed up to `frontier`.
    pub(super) fn of(ruled: Option<EventTime>, frontier: PartitionFrontier) -> Self {
        let clock = frontier.clock().is_set().then(|| frontier.clock().time());
        Self { ruled, clock, since: frontier.since() }
    }
}

pub(super) enum ToRuler {
    /// Partitions were claimed.
    Own(Vec<Standing>),
    /// A commit is in the lake; the held partitions stand so.
    Committed(Vec<Standing>),
    /// The input has ended: every instant that is left.
    Finish,
}

/// Tells that no more answers come when it is dropped.
struct AtEnd(Sender<FromWorker>);

impl Drop for AtEnd {
    fn drop(&mut self) {
        let _ = self.0.send(FromWorker::RulesDone);
    }
}

/// The rules of one kind.
struct Group {
    kind: AnomalyKind,
    rules: Vec<Rule>,
    every_min: i64,
    window_min: i64,
}

struct Ruler<'a> {
    with: Rules,
    groups: Vec<Group>,
    session: Option<Session>,
    /// The last instant done.
    done: Option<EventTime>,
    is_over: &'a AtomicBool,
    outbox: Sender<FromWorker>,
}

/// The thread that asks rules, until control is gone.
pub(super) fn rule_all(
    with: Rules,
    inbox: &Receiver<ToRuler>,
    outbox: Sender<FromWorker>,
    is_over: &AtomicBool,
) {
    let groups = groups(&with);
    let mut ruler = Ruler { with, groups, session: None, done: None, is_over, outbox };
    // However this ends: who waits for the last answers hears of it.
    let _end = AtEnd(ruler.outbox.clone());
    for message in inbox {
        match message {
            ToRuler::Own(standings) => ruler.begin(&standings),
            ToRuler::Committed(standings) => ruler.committed(&standings),
            ToRuler::Finish => {
                ruler.finish();
                let _ = ruler.outbox.send(FromWorker::RulesDone);
            }
        }
        if is_over.load(Ordering::Relaxed) {
            return;
        }
    }
}

fn groups(with: &Rules) -> Vec<Group> {
    let mut groups: BTreeMap<AnomalyKind, Vec<Rule>> = BTreeMap::new();
    let runs = |rule: &&Rule| with.clock == ClockMode::Append || !rule.needs_append_clock;
    for rule in with.rules.iter().filter(runs) {
        groups.entry(rule.kind).or_default().push(rule.clone());
    }
    let group = |(kind, rules): (AnomalyKind, Vec<Rule>)| {
        let least = |of: fn(&Rule) -> i64| rules.iter().map(of).min().unwrap_or(1);
        let (every_min, window_min) = (least(|rule| rule.every_min), least(|rule| rule.window_min));
        Group { kind, rules, every_min, window_min }
    };
    groups.into_iter().map(group).collect()
}

impl Ruler<'_> {
    /// Goes on where the answers of the partition that is farthest behind are stored to. Where none ever were, a replay begins
    /// with its log, and a live log where it stands: what was before nobody asked for.
    fn begin(&mut self, standings: &[Standing]) {
        let from = |standing: &Standing| {
            let fresh = if self.with.clock == ClockMode::Record { standing.since } else { standing.clock };
            standing.ruled.or(fresh)
        };
        let from = standings.iter().filter_map(from).min();
        self.done = self.done.into_iter().chain(from).min();
    }

    fn committed(&mut self, standings: &[Standing]) {
        let Some(own) = standings.iter().filter_map(|standing| standing.clock).min() else { return };
        let since = || standings.iter().filter_map(|standing| standing.since).min();
        let Some(done) = self.done.or_else(since) else { return };
        self.done = Some(done);
        if own < self.next_instant(done) {
            return;
        }
        let clocks = self.with.runtime.block_on(self.with.lake.clocks(&self.with.log));
        let slowest = match clocks {
            Ok(clocks) => clocks.into_iter().min().unwrap_or(own),
            Err(error) => return tracing::warn!(%error, "rules wait: the log's clocks cannot be read"),
        };
        // Other processes' partitions are waited for, too, but not for ever. A replay has no other process.
        let until = match self.with.clock {
            ClockMode::Append => slowest.max(own.plus_min(-HELD_MAX_MIN)).min(own),
            ClockMode::Record => slowest,
        };
        self.run_until(until);
    }

    /// Every instant up to the farthest clock, and in a replay that clock itself: nothing comes behind it.
    fn finish(&mut self) {
        let clocks = self.with.runtime.block_on(self.with.lake.clocks(&self.with.log));
        let clocks = clocks.unwrap_or_else(|error| {
            tracing::warn!(%error, "the last rules are not asked: the log's clocks cannot be read");
            Vec::new()
        });
        let end = match self.with.clock {
            ClockMode::Append => clocks.into_iter().min(),
            ClockMode::Record => clocks.into_iter().max(),
        };
        let (Some(end), Some(_)) = (end, self.done) else { return };
        self.run_until(end);
        let is_left = self.done.is_some_and(|done| done < end);
        if self.with.clock == ClockMode::Record && is_left && self.look() {
            let due = Vec::from_iter(0..self.groups.len());
            self.ask(end, &due);
        }
    }

    /// Takes the rules anew where their files changed; what is broken leaves those in force.
    fn reload(&mut self) {
        let changed = self.with.files.as_mut().and_then(|files| files.changed(&self.with.runtime));
        let is_taken = match changed {
            None => return,
            Some(Ok(rules)) => {
                tracing::info!(rules = rules.len(), "changed rules are in force");
                self.with.rules = rules;
                self.groups = groups(&self.with);
                true
            }
            Some(Err(problems)) => {
                for RuleProblem { file, what } in problems {
                    tracing::error!(rule = %file.display(), what, "changed rules are refused: those of before stay");
                }
                false
            }
        };
        let _ = self.outbox.send(FromWorker::RulesRead(is_taken));
    }

    fn run_until(&mut self, until: EventTime) {
        let Some(mut done) = self.done else { return };
        if self.next_instant(done) > until || !self.look() {
            return;
        }
        self.reload();
        loop {
            let at = self.next_instant(done);
            if at > until || self.is_over.load(Ordering::Relaxed) {
                return;
            }
            let is_due = |group: &Group| is_due(at, self.with.every_min, group.every_min);
            let due: Vec<usize> = (0..self.groups.len()).filter(|n| is_due(&self.groups[*n])).collect();
            if due.is_empty() {
                self.done = Some(at);
            } else {
                self.ask(at, &due);
            }
            done = at;
        }
    }

    /// The first instant behind `done`.
    fn next_instant(&self, done: EventTime) -> EventTime {
        let every_ms = self.with.every_min * 60_000;
        EventTime::from_ms((done.ms().div_euclid(every_ms) + 1) * every_ms)
    }

    /// Sees what is committed by now; `false` if the lake cannot be read, so that the instant is asked later.
    fn look(&mut self) -> bool {
        let looked = match &self.session {
            Some(session) => self.with.runtime.block_on(session.refresh()).map(|_| ()),
            None => {
                let options = query::Options {
                    memory_bytes_max: MEMORY_BYTES_MAX,
                    parallelism: Some(1),
                    duration_max: Some(DURATION_MAX),
                    ..query::Options::default()
                };
                let opened = self.with.runtime.block_on(Session::open(self.with.lake.clone(), options));
                opened.map(|session| self.session = Some(session))
            }
        };
        looked.inspect_err(|error| tracing::warn!(%error, "rules wait: the lake cannot be read")).is_ok()
    }

    /// Asks the groups `due` at `at`.
    fn ask(&mut self, at: EventTime, due: &[usize]) {
        let Some(session) = &self.session else { return };
        let mut ruled = Ruled { at, answers: Vec::new(), runs: Vec::new() };
        for group in due.iter().map(|n| &self.groups[*n]) {
            let (mut findings, mut is_whole) = (BTreeMap::new(), true);
            for rule in &group.rules {
                let asked = || self.with.runtime.block_on(answer(session, rule, at, self.is_over));
                // A fault of the engine costs the rule its answer and nobody else anything.
                let failed = match catch_unwind(AssertUnwindSafe(asked)) {
                    Ok(None) => return,
                    Ok(Some(Ok(rows))) => {
                        for row in rows {
                            let finding = finding(rule, row);
                            findings.entry(finding.id).or_insert(finding);
                        }
                        None
                    }
                    Ok(Some(Err(error))) => Some(error.to_string()),
                    Err(_) => Some("the SQL engine failed by a fault of its own".to_owned()),
                };
                if let Some(error) = &failed {
                    is_whole = false;
                    tracing::warn!(rule = rule.name, at = %at.timestamp(), error, "a rule failed");
                }
                ruled.runs.push((rule.name.as_str().into(), failed));
            }
            ruled.answers.push(RuledKind {
                kind: group.kind,
                from: at.plus_min(-group.window_min),
                is_whole,
                findings: findings.into_values().collect(),
            });
        }
        self.done = Some(at);
        // Control that is gone needs no answer.
        let _ = self.outbox.send(FromWorker::Ruled(Box::new(ruled)));
    }
}

/// What `rule` answers at `at`; `None` if the run ended meanwhile.
async fn answer(
    session: &Session,
    rule: &Rule,
    at: EventTime,
    is_over: &AtomicBool,
) -> Option<Result<Vec<RuledRow>, query::Error>> {
    let mut asked = pin!(session.rule(rule, at));
    loop {
        match tokio::time::timeout(LOOK_EVERY, &mut asked).await {
            Ok(answer) => return Some(answer),
            Err(_) if is_over.load(Ordering::Relaxed) => return None,
            Err(_) => {}
        }
    }
}

/// Whether what runs every `group_min` minutes is due at the instant `at`, the one before being `every_min` minutes earlier.
fn is_due(at: EventTime, every_min: i64, group_min: i64) -> bool {
    let minute = at.ms().div_euclid(60_000);
    minute.div_euclid(group_min) > (minute - every_min).div_euclid(group_min)
}

fn finding(rule: &Rule, row: RuledRow) -> Finding {
    let RuledRow { subject, business_date, first_at, last_at, event_ids, minutes, site_id, org } = row;
    let of = |wanted: Subject| (rule.subject == wanted).then(|| subject.clone());
    Finding {
        id: anomaly_id(rule.kind, &subject, &business_date.to_string()),
        kind: rule.kind,
        employee_id: of(Subject::Employee),
        site_id: of(Subject::Site).or(site_id),
        org: of(Subject::Org).unwrap_or(org),
        business_date,
        shift_id: None,
        device_id: of(Subject::Device),
        event_ids,
        minutes,
        first_at,
        last_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_due_once_in_its_own_time() {
        let at = |minute: i64| EventTime::from_ms(minute * 60_000);
        let due = |every_min, group_min| -> Vec<i64> {
            (1..=12)
                .map(|n| n * every_min)
                .filter(|minute| is_due(at(*minute), every_min, group_min))
                .collect()
        };
        assert_eq!(due(15, 60), [60, 120, 180]);
        assert_eq!(due(15, 15).len(), 12);
        // Instants farther apart than its own time: at each of them.
        assert_eq!(due(60, 15).len(), 12);
        // A time that no instant falls on: at the first one behind it.
        assert_eq!(due(20, 50), [60, 100, 160, 200]);
    }
}
