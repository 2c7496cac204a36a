//! From what holds to what is said: changes of state, their differences, alerts handed to the speaker.
//!
//! In: a change of the partition's state.  Out: differences into the said state, bodies to the speaker.
//! Owns: nothing.
//! Invariants: I-12 alerts are durable before the position can be cut: they are handed over before a batch counts as
//! taken, and a cut waits for the speaker (`threads`).

use alerts::body;
use attendance::{PartitionState, Recall, Step};
use model::anomaly::Finding;
use model::position::{Cause, LogClock, NextOffset, partition_of};
use model::{Anomaly, EventTime};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::{ClockMode, PartitionWork};
use crate::worker::pipeline::Outlets;
use crate::worker::ruling::Ruled;
use crate::worker::said::{Among, Reach};
use crate::worker::speaker::Alerts;
use crate::worker::world::World;

/// How long a resolved alert stays on its topic (contract, section 6).
const ALERTS_KEPT_DAYS: i64 = 35;

/// Days above the floor of which memory may not hold every punch.
const PARTLY_KNOWN_DAYS: i64 = 2;

impl PartitionWork {
    /// Runs a change of state and compares what then holds with what was said. A fault of our own in judging a person
    /// leaves that person's results as they were said; the punch is kept.
    pub(super) fn with_steps(&mut self, change: impl FnOnce(&mut PartitionState, &mut dyn FnMut(Step))) {
        let mut steps = std::mem::take(&mut self.buffers.steps);
        let state = &mut self.state;
        let changed = catch_unwind(AssertUnwindSafe(|| change(state, &mut |step| steps.push(step))));
        if changed.is_err() {
            tracing::error!(partition = %self.partition, next = self.next.get(), "judging a person failed");
        }
        for step in steps.drain(..) {
            match step {
                Step::Judged(mut judged) => {
                    let cause = Cause { clock: LogClock::at(judged.clock), ..self.here() };
                    self.said.take(&mut judged, cause);
                    self.state.recycle(judged);
                }
                Step::Silence(note) => {
                    let cause = Cause { clock: LogClock::at(note.clock), ..self.here() };
                    self.said.take_note(&note, cause);
                }
                Step::Recall(recall) => self.recalls.push(recall),
                Step::Listen(listen) => self.listens.push(listen),
            }
        }
        self.buffers.steps = steps;
    }

    /// Moves the state's clock, timers firing in portions: what each says is compared before the next fires.
    pub(super) fn advance_state(&mut self, clock: EventTime) {
        let mut is_more_due = false;
        self.with_steps(|state, sink| is_more_due = state.advance_some(clock, sink));
        while std::mem::take(&mut is_more_due) {
            self.with_steps(|state, sink| is_more_due = state.advance_on(clock, sink));
        }
    }

    /// What rules answer at an instant: of their findings, those about subjects whose key falls on this partition.
    pub(in crate::worker) fn ruled(&mut self, ruled: &Ruled, world: &World, outlets: &Outlets) {
        if self.ruled_until.is_some_and(|until| ruled.at <= until) {
            return;
        }
        // They rest on the clock alone: how far the owner had read meanwhile differs from run to run.
        let cause = Cause { next: NextOffset::START, clock: LogClock::at(ruled.at), ..self.here() };
        let is_ours = |finding: &&Finding| {
            partition_of(finding.subject().as_bytes(), self.settings.partitions) == self.partition
        };
        for answer in &ruled.answers {
            let own: Vec<&Finding> = answer.findings.iter().filter(is_ours).collect();
            self.said.take_ruled(answer, &own, cause);
        }
        self.ruled_until = Some(ruled.at);
        self.publish(world, outlets);
    }

    /// Judges people again about whom something was said from further on than this owner then stood: from memory, and from the lake
    /// where memory does not reach what it was about.
    pub(super) fn look_again(&mut self) {
        let passed = self.said.take_passed(self.here());
        if passed.is_empty() {
            return;
        }
        self.has_new_requests |= self.said.has_requests(&passed);
        let floor = self.state.floor();
        for (employee_id, earliest) in self.said.people_of(&passed) {
            self.with_steps(|state, sink| state.rejudge(&employee_id, floor, sink));
            if earliest < floor.plus_min(PARTLY_KNOWN_DAYS * 24 * 60) {
                let recall = self.state.recall(&employee_id, earliest);
                if !self.recalls.contains(&recall) {
                    self.recalls.push(recall);
                }
            }
        }
        // What they said of shifts that are no longer theirs no judgement of them speaks for.
        self.take_back_departed(self.restated_since(), Among::Passed(&passed));
    }

    /// From when on changed reference data is judged again.
    pub(super) fn restated_since(&self) -> EventTime {
        self.state.clock().plus_min(-self.settings.restate_days * 24 * 60).max(self.state.floor())
    }

    /// Judges everyone again since `from`, and takes back what was said of shifts that have left their person or their time.
    pub(super) fn restate_from(&mut self, from: EventTime) {
        self.compare_all();
        self.said.drop_departed(self.state.roster());
        self.with_steps(|state, sink| state.restate(from, sink));
        self.take_back_departed(from, Among::Everything);
    }

    fn take_back_departed(&mut self, from: EventTime, among: Among<'_>) {
        self.compare_all();
        let (roster, here) = (Arc::clone(self.state.roster()), self.here());
        for shift in self.said.resolve_departed(&roster, from, here, among) {
            self.with_steps(|state, sink| state.rejudge_shift(shift, sink));
        }
        self.said.take_back(&roster, from, here, Reach::Memory(self.state.floor()), among);
    }

    /// Has fresh alerts published; they are durable before the next cut.
    pub(super) fn publish(&mut self, world: &World, outlets: &Outlets) {
        if self.clock.is_set() && std::mem::take(&mut self.has_new_requests) {
            let pending = self.state.pending_requests();
            let (roster, floor) = (Arc::clone(self.state.roster()), self.state.floor());
            let unread = self.said.level_requests(&pending, &roster, floor, self.here());
            // Only what was said of them is asked for: nothing is judged again.
            let clock = self.state.judged_clock();
            let recall = |employee_id| Recall { employee_id, span: floor..floor, read: floor..floor, clock };
            self.recalls.extend(unread.into_iter().map(recall));
        }
        let fresh = self.said.take_fresh();
        if fresh.is_empty() {
            return;
        }
        let oldest = self
            .settings
            .alert_age_max
            .map(|age| (self.settings.wall)().plus_us(-i64::try_from(age.as_micros()).unwrap_or(i64::MAX)));
        let is_fresh = |anomaly: &&Anomaly| oldest.is_none_or(|oldest| anomaly.detected_at >= oldest);
        let is_live = self.settings.clock == ClockMode::Append;
        let found_at: Vec<EventTime> =
            (fresh.iter().filter(is_fresh)).filter(|_| is_live).map(|anomaly| anomaly.detected_at).collect();
        let bodies: Vec<_> = fresh
            .iter()
            .filter(is_fresh)
            .map(|anomaly| {
                let finding = &anomaly.finding;
                let roster = &world.roster;
                let shift = finding.shift_id.as_deref().and_then(|id| roster.shift(id));
                let site = finding.site_id.as_deref().and_then(|id| roster.site(id));
                let shift = shift.map(|index| roster.shift_at(index));
                body(anomaly, self.generation, shift, site.map(|site| world.reference.site(site)))
            })
            .collect();
        if !bodies.is_empty() {
            outlets.alerts.publish(Alerts { partition: self.partition, bodies, found_at });
        }
        self.anomalies.extend(fresh);
    }

    /// Forgets alerts of this partition that were resolved long ago. Nothing rests on it: it is tried again later.
    pub(in crate::worker) fn tidy(&self, outlets: &Outlets) {
        let before = self.state.clock().plus_min(-ALERTS_KEPT_DAYS * 24 * 60);
        outlets.alerts.tidy(self.partition, before, self.has_moved.then_some(self.settings.partitions));
    }
}
