//! The stage with history as a worker runs it: per record, advance the clock, look up, judge on arrival, make the row,
//! apply it as stored.
//!
//! In: a located batch, record by record.  Out: an Arrow row for each punch, what then holds (counted, not compared with
//! what was said: that is `muster`'s).  Owns: one `PartitionState` and one row builder.

use std::sync::Arc;

use attendance::{AHEAD, ClockSource, Clocking, Facts, PartitionState, Roster, Settings, Step};
use model::{EventTime, Partition, Reference};
use schemas::tables::punches::{self, Judgement};

use crate::{Fingerprint, Level, Locator};

/// Days of punches in memory: the default of `lake.state_days`.
const STATE_DAYS: i64 = 45;

/// The state of the one partition, and the rows waiting for a commit.
pub struct Judge {
    /// The state.
    pub state: PartitionState,
    /// Rows of `punches`.
    pub rows: punches::Builder,
    /// Punches that were rows.
    pub stored: u64,
    /// Repeats of a punch in memory.
    pub repeats: u64,
    /// Punches older than memory.
    pub late: u64,
    /// Persons judged, by punches and by timers.
    pub judged: u64,
    /// The last word on every key; kept only where asked for, since it costs more than the judging.
    pub level: Option<Level>,
    reference: Arc<Reference>,
    steps: Vec<Step>,
    outcomes: u64,
    findings: u64,
}

impl Judge {
    /// Nothing known yet; the timers of all shifts are set as of `begins`.
    pub fn new(roster: &Arc<Roster>, begins: EventTime) -> Self {
        let partition = Partition::new(0);
        let settings =
            Settings { partition, partitions: 1, clock: ClockSource::Append, state_days: STATE_DAYS };
        let mut judge = Self {
            state: PartitionState::new(Arc::clone(roster), settings),
            rows: punches::Builder::new(),
            stored: 0,
            repeats: 0,
            late: 0,
            judged: 0,
            level: None,
            reference: Arc::clone(roster.reference()),
            steps: Vec::new(),
            outcomes: 0,
            findings: 0,
        };
        judge.advance(begins);
        judge
    }

    /// Moves the log's clock.
    pub fn advance(&mut self, clock: EventTime) {
        let mut is_more_due = false;
        self.change(|state, sink| is_more_due = state.advance_some(clock, sink));
        while is_more_due {
            self.change(|state, sink| is_more_due = state.advance_on(clock, sink));
        }
    }

    /// As a worker does: what the change says is gathered, looked at, and given back for its buffers.
    fn change(&mut self, change: impl FnOnce(&mut PartitionState, &mut dyn FnMut(Step))) {
        let Self { state, steps, judged, outcomes, findings, level, .. } = self;
        change(state, &mut |step| steps.push(step));
        for step in steps.drain(..) {
            if let Step::Judged(about) = step {
                *judged += 1;
                *outcomes += about.outcomes.len() as u64;
                *findings += about.findings.len() as u64;
                if let Some(level) = level {
                    level.take(&about);
                }
                state.recycle(about);
            }
        }
    }

    /// Takes the punch at place `at` of the located batch, its clock first.
    pub fn take(&mut self, located: &Locator, at: usize) {
        self.advance(located.clocks[at]);
        let (batch, verdicts) = (&located.batch, &located.verdicts);
        let (punch, verdict) = (&batch.punches[at], &verdicts.rows[at]);
        let facts = Facts::of(batch, punch, (&located.due.rows[at], verdict), None);
        if self.state.lookup(&facts).is_some() {
            self.repeats += 1;
            return;
        }
        let arrival = self.state.arrive(&facts, Clocking::Append);
        let judgement = Judgement {
            direction: arrival.direction,
            shift_id: arrival.shift_id.as_deref(),
            reasons: arrival.reasons,
            business_date: arrival.business_date,
            time_zone: &arrival.time_zone,
        };
        let reference = Arc::clone(&self.reference);
        let row = punches::Row::judged("punches", batch, punch, (verdicts, verdict), &reference, &judgement);
        if self.state.is_late(punch.occurred_at) {
            self.late += 1;
            return;
        }
        self.rows.append(&row);
        self.stored += 1;
        let stored = row.stored_ref();
        self.change(|state, sink| _ = state.apply_arrived(&stored, &facts, sink));
    }

    /// Takes a located batch.
    pub fn take_all(&mut self, located: &Locator) {
        for at in 0..located.batch.punches.len() {
            if at % AHEAD == 0 {
                self.state.foresee(&located.batch, &located.due, at..at + AHEAD);
            }
            self.take(located, at);
        }
    }

    /// Hands over the rows waiting, as a commit does; returns how many there were.
    pub fn cut(&mut self) -> usize {
        let rows = self.rows.finish();
        if let Some(level) = &mut self.level {
            level.cut(&rows);
        }
        rows.num_rows()
    }

    /// A hash of what was counted.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut print = Fingerprint::default();
        let Self { stored, repeats, late, judged, outcomes, findings, .. } = self;
        print.add(&[stored, repeats, late, judged, outcomes, findings]);
        print.add(&self.state.clock());
        print
    }
}

impl std::fmt::Debug for Judge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { stored, repeats, late, judged, .. } = self;
        f.debug_tuple("Judge").field(&(stored, repeats, late, judged)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Chain, Scale};

    #[test]
    fn every_punch_is_stored_late_or_a_repeat_and_runs_agree() {
        let chain = Chain::make(Scale::TINY);
        let (roster, sites) = (chain.roster(), chain.sites());
        let run = |size: usize| {
            let records: Vec<_> = chain.records().collect();
            let (mut locator, mut judge) = (Locator::default(), Judge::new(&roster, chain.begins()));
            let mut punches = 0;
            for batch in records.chunks(size) {
                locator.run(batch, &roster, &sites);
                judge.take_all(&locator);
                punches += locator.batch.punches.len() as u64;
            }
            assert_eq!(judge.stored + judge.repeats + judge.late, punches);
            assert_eq!(judge.cut() as u64, judge.stored);
            assert!(judge.judged >= judge.stored, "every stored punch judges its person");
            judge.fingerprint()
        };
        assert_eq!(run(1), run(97));
    }
}
