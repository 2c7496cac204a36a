//! Living through a day record by record, with what was said kept as a caller keeps it.

use std::collections::BTreeMap;
use std::sync::Arc;

use attendance::*;
use model::anomaly::Finding;
use model::shift_result::ShiftOutcome;
use model::*;

use super::{EMPLOYEE, Sent, World};

/// What was last said about every key, kept as a caller keeps it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Said {
    pub(crate) outcomes: BTreeMap<Arc<str>, ShiftOutcome>,
    pub(crate) findings: BTreeMap<AnomalyId, Finding>,
    /// How often an outcome changed.
    pub(crate) versions: BTreeMap<Arc<str>, u32>,
    /// Every finding as it fired and was resolved, in order: `+late s1`, `-no_show s1`.
    pub(crate) story: Vec<String>,
}

impl Said {
    pub(crate) fn take(&mut self, world: &World, judged: &Judged) {
        for outcome in &judged.outcomes {
            let before = self.outcomes.insert(outcome.shift_id.clone(), outcome.clone());
            let is_new = before.is_none_or(|before| digest(&before) != digest(outcome));
            *self.versions.entry(outcome.shift_id.clone()).or_default() += u32::from(is_new);
        }
        let name = |finding: &Finding| {
            let line = world.finding(finding);
            line.split(' ').skip(1).take(2).collect::<Vec<_>>().join(" ")
        };
        let over =
            |finding: &Finding| judged.covers(finding) && !judged.findings.iter().any(|f| f.id == finding.id);
        let mut gone: Vec<AnomalyId> = self.findings.values().filter(|f| over(f)).map(|f| f.id).collect();
        gone.sort_by_key(|id| (self.findings[id].kind, *id));
        for id in gone {
            let finding = self.findings.remove(&id).unwrap();
            self.story.push(format!("-{}", name(&finding)));
        }
        for finding in &judged.findings {
            assert!(judged.covers(finding), "a judgement speaks for its own findings: {finding:?}");
            if self.findings.insert(finding.id, finding.clone()).is_none() {
                self.story.push(format!("+{}", name(finding)));
            }
        }
    }

    pub(crate) fn text(&self, world: &World) -> String {
        let mut outcomes: Vec<_> = self.outcomes.values().collect();
        outcomes.sort_by_key(|outcome| (outcome.planned_start, outcome.shift_id.clone()));
        let mut findings: Vec<_> = self.findings.values().collect();
        findings.sort_by_key(|finding| (finding.first_at, finding.kind, finding.id));
        let lines = outcomes
            .into_iter()
            .map(|o| world.outcome(o))
            .chain(findings.into_iter().map(|f| world.finding(f)));
        lines.collect::<Vec<_>>().join("\n")
    }
}

pub(crate) fn settings() -> Settings {
    Settings { partition: Partition::new(0), partitions: 1, clock: ClockSource::Append, state_days: 40 }
}

/// Lives through the punches in the given order; each arrives at the later of its own time and the clock.
pub(crate) struct Life<'a> {
    pub(crate) world: &'a World,
    pub(crate) state: PartitionState,
    pub(crate) said: Said,
    pub(crate) rows: Vec<StoredPunch>,
    swapped_at: Option<EventTime>,
}

impl<'a> Life<'a> {
    pub(crate) fn new(world: &'a World) -> Self {
        let mut life = Self {
            world,
            state: PartitionState::new(world.roster(), settings()),
            said: Said::default(),
            rows: Vec::new(),
            swapped_at: None,
        };
        life.advance(world.since);
        life
    }

    /// Moves the clock, snapshots changing on the way.
    pub(crate) fn advance(&mut self, clock: EventTime) {
        while let Some(at) = self.world.next_swap(self.swapped_at).filter(|at| *at <= clock) {
            self.swapped_at = Some(at);
            self.advance_to(at);
            self.state.swap(self.world.as_of(at).roster());
            self.restate(self.world.since);
        }
        self.advance_to(clock);
    }

    fn advance_to(&mut self, clock: EventTime) {
        let Self { world, state, said, .. } = self;
        state.advance(clock, &mut |step| take(world, said, step));
    }

    pub(crate) fn send(&mut self, sent: &Sent) -> Arrival {
        self.advance(sent.arrives_at);
        let zone = None;
        let facts = Facts {
            person: self.state.roster().person(EMPLOYEE),
            employee_id: EMPLOYEE,
            event_id: EventId::new(&sent.event_id),
            kind: sent.kind,
            occurred_at: sent.occurred_at,
            received_at: sent.arrives_at,
            origin: sent.origin,
            device_id: &sent.device_id,
            time_zone: "",
            place: sent.place,
            site: sent.site,
            import_zone: zone,
        };
        let arrival = self.state.arrive(&facts, Clocking::Append);
        let row = StoredPunch {
            employee_id: EMPLOYEE.into(),
            event_id: sent.event_id.as_str().into(),
            kind: sent.kind,
            occurred_at: sent.occurred_at,
            received_at: sent.arrives_at,
            origin: sent.origin,
            device_id: sent.device_id.as_str().into(),
            place: sent.place,
            site_id: sent.site.map(|site| self.world.reference.site(site).site_id.clone()),
            reasons: sent.reasons.union(arrival.reasons),
            business_date: arrival.business_date,
            offset: Offset::new(self.rows.len() as i64).unwrap(),
        };
        let Self { world, state, said, .. } = self;
        let applied = state.apply_arrived(&(&row).into(), &facts, &mut |step| take(world, said, step));
        assert_eq!(applied, Applied::Folded);
        self.rows.push(row);
        arrival
    }

    pub(crate) fn restate(&mut self, from: EventTime) {
        let Self { world, state, said, .. } = self;
        state.restate(from, &mut |step| take(world, said, step));
    }

    /// Runs to the clock of the script, or to the end of the input. Returns where the log ends.
    pub(crate) fn finish(&mut self) -> EventTime {
        if let Some(clock) = self.world.clock {
            self.advance(clock);
            return Moment::NO_END;
        }
        if self.rows.is_empty() {
            // A log without a punch still reaches its shifts.
            let starts = self.world.reference.shifts.iter().map(|shift| shift.start);
            starts.max().into_iter().for_each(|start| self.advance(start));
        }
        while let Some(at) = self.world.next_swap(self.swapped_at) {
            self.advance(at);
        }
        let until = self.state.clock();
        self.end();
        until
    }

    pub(crate) fn end(&mut self) {
        let Self { world, state, said, .. } = self;
        state.end(&mut |step| take(world, said, step));
    }
}

fn take(world: &World, said: &mut Said, step: Step) {
    match step {
        Step::Judged(judged) => said.take(world, &judged),
        Step::Recall(recall) => panic!("everything is in memory here: {recall:?}"),
        Step::Silence(_) | Step::Listen(_) => {}
    }
}

/// Everything the pure function says of the whole span at one clock.
pub(crate) fn judged_at(world: &World, rows: &[StoredPunch], clock: EventTime, until: EventTime) -> Said {
    let roster = world.roster();
    let moment = Moment { clock, since: world.since, until, holds: Holds::none() };
    let span = world.time("-40d00:00")..world.time("60d00:00");
    let mut said = Said::default();
    said.take(world, &judge(&roster, &EMPLOYEE.into(), rows, span, moment));
    said.story.clear();
    said
}
