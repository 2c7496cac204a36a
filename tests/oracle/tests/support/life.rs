//! A month lived through record by record, with what was said kept as a caller keeps it; and the same told by the oracle.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;

use attendance::*;
use model::anomaly::Finding;
use model::shift_result::ShiftOutcome;
use model::*;
use oracle::{Found, Seconds, When};

use super::{Files, Month, Random, Sent};

/// What holds about one person: rows by start, findings in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Moments {
    pub(crate) rows: Vec<ShiftOutcome>,
    pub(crate) found: Vec<Found>,
}

/// What held about one person from which clock on.
pub(crate) type Story = Vec<(EventTime, Moments)>;

impl Moments {
    fn of(mut rows: Vec<ShiftOutcome>, mut found: Vec<Found>) -> Self {
        rows.sort_by(|a, b| (a.planned_start, &a.shift_id).cmp(&(b.planned_start, &b.shift_id)));
        found.sort();
        Self { rows, found }
    }

    /// What only one of both says, a line each.
    pub(crate) fn against(&self, other: &Self) -> String {
        let mut text = String::new();
        for (name, one, two) in [("program", self, other), ("oracle", other, self)] {
            for row in one.rows.iter().filter(|row| !two.rows.contains(row)) {
                writeln!(text, "{name}: {row:?}").unwrap();
            }
            for found in one.found.iter().filter(|found| !two.found.contains(found)) {
                writeln!(text, "{name}: {found:?}").unwrap();
            }
        }
        text
    }
}

/// What is remembered of what was said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Keep {
    Last,
    Story,
}

/// What was last said about one person's keys.
#[derive(Default)]
struct Said {
    outcomes: BTreeMap<Arc<str>, ShiftOutcome>,
    findings: BTreeMap<AnomalyId, Finding>,
    /// What held from which clock on, where anybody asks.
    story: Option<BTreeMap<EventTime, Moments>>,
}

fn found(finding: &Finding) -> Found {
    Found {
        kind: finding.kind,
        shift_id: finding.shift_id.clone(),
        business_date: finding.business_date,
        site_id: finding.site_id.clone(),
        minutes: finding.minutes,
        event_ids: finding.event_ids.iter().map(|id| id.to_string().into()).collect(),
        first_at: finding.first_at,
        last_at: finding.last_at,
    }
}

impl Said {
    fn take(&mut self, judged: &Judged) {
        for outcome in &judged.outcomes {
            self.outcomes.insert(outcome.shift_id.clone(), outcome.clone());
        }
        self.findings.retain(|_, finding| !judged.covers(finding));
        self.findings.extend(judged.findings.iter().map(|finding| (finding.id, finding.clone())));
        self.note(judged.clock);
    }

    fn moments(&self) -> Moments {
        let rows = self.outcomes.values().cloned().collect();
        Moments::of(rows, self.findings.values().map(found).collect())
    }

    fn note(&mut self, clock: EventTime) {
        let moments = self.story.is_some().then(|| self.moments());
        self.story.iter_mut().zip(moments).for_each(|(story, moments)| _ = story.insert(clock, moments));
    }

    /// What was said of shifts that are another person's now, or at another time that has not come, is taken back.
    fn depart(&mut self, roster: &Roster, employee_id: &str, judged: &BTreeSet<Arc<str>>, clock: EventTime) {
        self.outcomes.retain(|shift_id, outcome| match roster.departure(employee_id, shift_id) {
            Some(departure @ Departure::Reassigned(_)) => {
                let back = roster.taken_back(departure, &outcome.employee_id, Plan::of(outcome));
                assert_eq!((back.status, back.due_min, back.worked_s), (ShiftStatus::Cancelled, 0, Some(0)));
                false
            }
            Some(Departure::Kept(index)) => {
                roster.plan(index) == Plan::of(outcome) || judged.contains(shift_id)
            }
            None => true,
        });
        self.findings.retain(|_, finding| {
            let Some(shift_id) = &finding.shift_id else { return true };
            match roster.departure(employee_id, shift_id) {
                Some(Departure::Reassigned(_)) => false,
                Some(Departure::Kept(index)) => !roster.is_left_behind(index, finding.last_at, clock),
                None => true,
            }
        });
        self.note(clock);
    }
}

/// The program under test, driven as its caller drives it.
pub(crate) struct Life<'m> {
    month: &'m Month,
    files: &'m Files,
    state: PartitionState,
    said: BTreeMap<String, Said>,
    pub(crate) rows: Vec<StoredPunch>,
    swapped: usize,
    /// The latest believable time that a device told.
    devices: BTreeMap<String, Seconds>,
}

fn settings() -> Settings {
    Settings { partition: Partition::new(0), partitions: 1, clock: ClockSource::Append, state_days: 400 }
}

fn time(at: Seconds) -> EventTime {
    EventTime::from_us(at * 1_000_000)
}

impl<'m> Life<'m> {
    pub(crate) fn new(month: &'m Month, files: &'m Files, keep: Keep) -> Self {
        let roster = Arc::new(Roster::new(files.load(&month.worlds[0].1)));
        let said = month.worlds[0].1.people.iter().map(|person| {
            let story = (keep == Keep::Story).then(BTreeMap::new);
            (person.id.clone(), Said { story, ..Said::default() })
        });
        let mut life = Self {
            month,
            files,
            state: PartitionState::new(roster, settings()),
            said: said.collect(),
            rows: Vec::new(),
            swapped: 0,
            devices: BTreeMap::new(),
        };
        life.advance(time(month.since));
        life
    }

    pub(crate) fn clock(&self) -> EventTime {
        self.state.clock()
    }

    /// Moves the clock; the reference data change on the way.
    pub(crate) fn advance(&mut self, clock: EventTime) {
        while let Some((at, world)) =
            self.month.worlds.get(self.swapped + 1).filter(|(at, _)| time(*at) <= clock)
        {
            self.advance_to(time(*at));
            self.swapped += 1;
            let roster = Arc::new(Roster::new(self.files.load(world)));
            self.state.swap(roster.clone());
            let judged = self.restate();
            for (employee_id, said) in &mut self.said {
                said.depart(&roster, employee_id, &judged, time(*at));
            }
        }
        self.advance_to(clock);
    }

    fn advance_to(&mut self, clock: EventTime) {
        let Self { state, said, .. } = self;
        state.advance(clock, &mut |step| _ = take(said, step));
    }

    /// Judges everybody again; gives the shifts that have a row.
    fn restate(&mut self) -> BTreeSet<Arc<str>> {
        let Self { state, said, month, .. } = self;
        let mut shifts = BTreeSet::new();
        state.restate(time(month.since), &mut |step| shifts.extend(take(said, step)));
        shifts
    }

    /// A punch arrives, at the later of its own time and the clock.
    pub(crate) fn send(&mut self, sent: &Sent) {
        let received_at = time(sent.arrives_at).max(self.clock());
        self.advance(received_at);
        let roster = self.state.roster().clone();
        let facts = Facts {
            person: roster.person(&sent.employee_id),
            employee_id: &sent.employee_id,
            event_id: EventId::new(&sent.event_id),
            kind: sent.kind,
            occurred_at: time(sent.occurred_at),
            received_at,
            origin: sent.origin,
            device_id: &sent.device,
            time_zone: "",
            place: sent.place,
            site: sent.site.as_deref().and_then(|site| roster.site(site)),
            import_zone: None,
        };
        let arrival = self.state.arrive(&facts, Clocking::Append);
        let is_suspect = self.is_suspect(sent, received_at);
        assert_eq!(arrival.reasons.contains(Reason::ClockSuspect), is_suspect, "{sent:?}");
        let row = StoredPunch {
            employee_id: sent.employee_id.as_str().into(),
            event_id: sent.event_id.as_str().into(),
            kind: sent.kind,
            occurred_at: time(sent.occurred_at),
            received_at,
            origin: sent.origin,
            device_id: sent.device.as_str().into(),
            place: sent.place,
            site_id: sent.site.as_deref().map(Into::into),
            reasons: sent.reasons.union(arrival.reasons),
            business_date: arrival.business_date,
            offset: Offset::new(self.rows.len() as i64).unwrap(),
        };
        let Self { state, said, .. } = self;
        let applied = state.apply_arrived(&(&row).into(), &facts, &mut |step| _ = take(said, step));
        assert_eq!(applied, Applied::Folded);
        self.rows.push(row);
    }

    /// More than ten minutes ahead of its receipt; a record of a terminal or a file 31 days behind the latest
    /// of its device.
    fn is_suspect(&mut self, sent: &Sent, received_at: EventTime) -> bool {
        let is_ahead = sent.occurred_at * 1_000_000 > received_at.us() + 600_000_000;
        let is_machine = matches!(sent.origin, Origin::Terminal | Origin::Import);
        let latest = self.devices.get(&sent.device).filter(|_| is_machine);
        let is_behind = latest.is_some_and(|latest| latest - sent.occurred_at >= 31 * 86_400);
        if is_machine && !is_ahead && !is_behind {
            let latest = self.devices.entry(sent.device.clone()).or_insert(sent.occurred_at);
            *latest = sent.occurred_at.max(*latest);
        }
        is_ahead || is_behind
    }

    /// The process ends; another takes over from the rows as stored, which it reads in no particular order.
    pub(crate) fn restart(&mut self) {
        let clock = self.clock();
        let mut state = PartitionState::new(self.state.roster().clone(), settings());
        self.rows.iter().rev().for_each(|row| state.fold(row));
        state.resume(clock, Some(time(self.month.since)));
        self.state = state;
    }

    /// Sends all in the order of arrival, the clock moving in steps of any size between, with restarts.
    pub(crate) fn live(&mut self, sent: &[Sent], restarts_percent: i64, random: &mut Random) {
        let mut sent = sent.to_vec();
        sent.sort_by_key(|sent| sent.arrives_at);
        for sent in &sent {
            if random.happens(restarts_percent) {
                self.restart();
            }
            // A batch ends somewhere between two records.
            let gap_us = time(sent.arrives_at).us_since(self.clock());
            if gap_us > 0 && random.happens(30) {
                self.advance(self.clock().plus_us(random.below(gap_us) / 1_000 * 1_000));
            }
            self.send(sent);
        }
        self.advance(time(self.month.end));
    }

    /// What was said last of a person.
    pub(crate) fn last(&self, employee_id: &str) -> Moments {
        self.said[employee_id].moments()
    }

    /// What was said of a person, and when.
    pub(crate) fn story(&self, employee_id: &str) -> Story {
        changes(
            self.said[employee_id].story.iter().flatten().map(|(clock, moments)| (*clock, moments.clone())),
        )
    }

    /// The plans and the stored punches of the shifts of which both say something else.
    pub(crate) fn around(&self, employee_id: &str, said: &Moments, told: &Moments) -> String {
        let mut text = String::new();
        let plan = oracle::Plan::of(self.month.world_at(time(self.month.end)), employee_id);
        let differing = said.against(told);
        for duty in plan.duties().iter().filter(|duty| differing.contains(&format!("\"{}\"", duty.id()))) {
            writeln!(text, "{duty:?}").unwrap();
            let (opens, closes) = duty.window();
            for row in self.rows_of(employee_id) {
                if (time(opens)..=time(closes)).contains(&row.occurred_at) {
                    let at = row.occurred_at.timestamp();
                    writeln!(
                        text,
                        "{} {} {at} {:?} {:?}",
                        row.event_id,
                        row.kind.name(),
                        row.site_id,
                        row.reasons
                    )
                    .unwrap();
                }
            }
        }
        let world = self.month.world_at(time(self.month.end));
        let own = world.leave.iter().filter(|row| row.person == employee_id);
        own.for_each(|row| writeln!(text, "{row:?}").unwrap());
        let own = world.corrections.iter().filter(|row| row.person == employee_id);
        own.for_each(|row| writeln!(text, "{row:?}").unwrap());
        text
    }

    fn rows_of(&self, employee_id: &str) -> Vec<StoredPunch> {
        self.rows.iter().filter(|row| *row.employee_id == *employee_id).cloned().collect()
    }

    /// What the oracle says of a person at the end.
    pub(crate) fn told(&self, employee_id: &str) -> Moments {
        let clock = time(self.month.end);
        let plan = oracle::Plan::of(self.month.world_at(clock), employee_id);
        let told = plan.told(&self.rows_of(employee_id), when(self.month, clock));
        Moments::of(told.rows, told.found)
    }

    /// What the oracle says of a person at every clock at which anything can change.
    pub(crate) fn told_story(&self, employee_id: &str) -> Story {
        story(self.month, employee_id, &self.rows_of(employee_id))
    }
}

fn when(month: &Month, clock: EventTime) -> When {
    When { clock, since: time(month.since), until: Moment::NO_END }
}

fn take(said: &mut BTreeMap<String, Said>, step: Step) -> Vec<Arc<str>> {
    match step {
        Step::Judged(judged) => {
            said.get_mut(&*judged.employee_id).unwrap().take(&judged);
            judged.outcomes.iter().map(|outcome| outcome.shift_id.clone()).collect()
        }
        Step::Recall(recall) => panic!("everything is in memory here: {recall:?}"),
        Step::Silence(_) | Step::Listen(_) => vec![],
    }
}

/// Only what differs from what held before.
fn changes(moments: impl Iterator<Item = (EventTime, Moments)>) -> Story {
    let mut story: Story = Vec::new();
    let mut before = Moments::default();
    for (clock, moments) in moments {
        if moments != before {
            before = moments.clone();
            story.push((clock, moments));
        }
    }
    story
}

/// The oracle asked at every instant at which a record arrives, the reference data change, a request takes effect, or at
/// which by its own word something may change.
fn story(month: &Month, employee_id: &str, rows: &[StoredPunch]) -> Story {
    let mut pending: BTreeSet<EventTime> = rows.iter().map(|row| row.received_at).collect();
    pending.extend(month.worlds.iter().map(|(at, _)| time(*at)));
    let mut told = Vec::new();
    let plans = month.worlds.iter().map(|(at, world)| (time(*at), oracle::Plan::of(world, employee_id)));
    let plans: Vec<(EventTime, oracle::Plan<'_>)> = plans.collect();
    while let Some(clock) = pending.pop_first().filter(|clock| *clock <= time(month.end)) {
        let (_, plan) = plans.iter().rev().find(|(at, _)| *at <= clock).unwrap();
        let stored: Vec<StoredPunch> = rows.iter().filter(|row| row.received_at <= clock).cloned().collect();
        let holds = plan.told(&stored, when(month, clock));
        let ahead = holds.ahead.into_iter().chain(plan.approvals());
        pending.extend(ahead.filter(|at| *at > clock));
        told.push((clock, Moments::of(holds.rows, holds.found)));
    }
    changes(told.into_iter())
}

/// The first clock at which both do not hold the same, with what each holds. A row that has lost what it told of before its
/// window has closed (the shift was called off, the punch no longer binds) stands until then: there is none in its place.
pub(crate) fn differing(said: &Story, told: &Story) -> Option<(EventTime, Moments, Moments)> {
    let clocks: BTreeSet<EventTime> = said.iter().chain(told).map(|(clock, _)| *clock).collect();
    let at = |story: &Story, clock: EventTime| {
        let until = story.partition_point(|(at, _)| *at <= clock);
        until.checked_sub(1).map_or_else(Moments::default, |last| story[last].1.clone())
    };
    clocks.into_iter().find_map(|clock| {
        let (mut one, two) = (at(said, clock), at(told, clock));
        let is_told = |row: &ShiftOutcome| two.rows.iter().any(|told| told.shift_id == row.shift_id);
        one.rows.retain(is_told);
        (one != two).then_some((clock, one, two))
    })
}
