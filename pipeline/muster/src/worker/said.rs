//! What holds now against what was said: new versions of anomalies, alerts and shift results, and nothing else.
//!
//! In: what a judgement of one person found, and the cause at which it holds.  Out: versions to write and to publish.
//! Owns: said state of the table `anomalies`, of the alerts outlet and of `shift_results`, for one partition.
//! Absent on purpose: I/O, and any rule: the digest of a value decides whether it is new.
//! Invariants: I-5 through `frontier::said`; the table and the outlet are compared apart, since a crash can leave either
//! ahead of the other.
//! Why so: alerts go out within milliseconds, table rows with the next commit, so they cannot share one said state.

mod departed;
mod due;
mod passed;
mod rejected;
mod requests;
mod ruled;

pub(super) use departed::Reach;
pub(super) use due::Due;
use due::Outcomes;
pub(super) use passed::{Among, Passed};
pub(super) use rejected::Taken;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use alerts::{SaidAlert, SaidAnomaly, digest};
use attendance::{Departure, Judged, Plan, Roster, SilenceNote};
use foldhash::fast::FixedState;
use frontier::said::{Decision, Said, SaidState};
use model::anomaly::Finding;
use model::position::Cause;
use model::shift_result::ShiftOutcome;
use model::{Anomaly, AnomalyId, AnomalyKind, AnomalyState, EventTime, SaidShift, ShiftStatus};

use super::seals::Seals;

/// Of which shift and whom a result was said: each person has versions of their own, so that one who swapped a shift away is
/// told apart from the one who has it now, whichever partitions they are on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ResultKey {
    shift_id: Arc<str>,
    employee_id: Arc<str>,
}

impl ResultKey {
    fn of(outcome: &ShiftOutcome) -> Self {
        Self { shift_id: outcome.shift_id.clone(), employee_id: outcome.employee_id.clone() }
    }
}

impl Hash for ResultKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Hardly any shift is ever anybody else's.
        self.shift_id.hash(state);
    }
}

/// What is remembered of a shift result that was said.
#[derive(Clone, Debug)]
struct SaidResult {
    plan: Plan,
    org: Arc<str>,
}

impl SaidResult {
    fn of(outcome: &ShiftOutcome) -> Self {
        Self { plan: Plan::of(outcome), org: outcome.org.clone() }
    }

    /// The outcome that takes it back where it was said to be.
    fn taken_back(&self, roster: &Roster, departure: Departure, key: &ResultKey) -> ShiftOutcome {
        let org = self.org.clone();
        ShiftOutcome { org, ..roster.taken_back(departure, &key.employee_id, self.plan) }
    }
}

/// The said state of one partition, and what has to be said since the last cut.
#[derive(Default)]
pub(super) struct SaidBook {
    table: SaidState<AnomalyId, SaidAnomaly>,
    outlet: SaidState<AnomalyId, SaidAnomaly>,
    results: SaidState<ResultKey, SaidResult>,
    /// What the outlet holds from further on than this owner stood when it started: the table may never say the same.
    unsettled: HashSet<AnomalyId, FixedState>,
    seals: Seals,
    of_person: HashMap<Arc<str>, Vec<AnomalyId>, FixedState>,
    /// Who may have been told of a record that could not be taken; hardly ever anybody.
    rejected: HashSet<Arc<str>, FixedState>,
    /// What the outlet was told and the table may not say, since a former owner died between the two; looked at once.
    unsaid: Vec<AnomalyId>,
    /// Up to which clock the table is known to say what the outlet was told.
    said_until: Option<EventTime>,
    /// Of whom everything that was said was read from the lake.
    read: HashSet<Arc<str>, FixedState>,
    /// What rules have found.
    ruled: HashSet<AnomalyId, FixedState>,
    rows: Vec<Anomaly>,
    fresh: Vec<Anomaly>,
    /// What is to be said of shifts at the next cut.
    outcomes: Outcomes,
    /// The room of those of the cut before.
    spare: Option<Outcomes>,
    /// The floor up to which was last forgotten.
    swept: Option<EventTime>,
}

/// Forget when the floor has moved this far: it takes a look at everything that was said.
const FORGET_EVERY_MIN: i64 = 24 * 60;

impl SaidBook {
    /// Of an owner to whom these months are closed.
    pub(super) fn new(seals: Seals) -> Self {
        Self { seals, ..Self::default() }
    }

    /// Takes in what the outlet holds.
    pub(super) fn fold_alert(&mut self, (id, said): SaidAlert) {
        self.index(&said.value.finding);
        self.outlet.fold(id, said);
    }

    /// Takes in one row of `anomalies`.
    pub(super) fn fold_anomaly(&mut self, anomaly: Anomaly) {
        self.index(&anomaly.finding);
        let digest = digest(anomaly.state, &anomaly.finding);
        let value = SaidAnomaly { state: anomaly.state, finding: anomaly.finding };
        let said = Said { version: anomaly.version, digest, cause: anomaly.cause, value };
        // Said to be over in the table, it was published first, unless it was too old; the outlet may have forgotten it
        // since. The next version is the one behind. What the table holds to be firing tells nothing of the outlet: that
        // never forgets what it said to fire, and may have said that it is over before a crash.
        if anomaly.state == AnomalyState::Resolved {
            self.outlet.fold(said.value.finding.id, said.clone());
        }
        self.table.fold(said.value.finding.id, said);
    }

    /// Takes in one row of `shift_results`.
    pub(super) fn fold_result(&mut self, said: &SaidShift) {
        let (start, end) = (said.planned_start, said.planned_end);
        let plan = Plan { business_date: said.business_date, start, end };
        let value = SaidResult { plan, org: said.org.clone() };
        let key = ResultKey { shift_id: said.shift_id.clone(), employee_id: said.employee_id.clone() };
        let SaidShift { version, inputs: digest, cause, .. } = *said;
        self.results.fold(key, Said { version, digest, cause, value });
    }

    /// Ends folding at the owner's frontier.
    pub(super) fn start_at(&mut self, here: Cause) {
        self.table.start_at(here);
        self.outlet.start_at(here);
        self.results.start_at(here);
        self.unsettled = self.outlet.ahead().iter().copied().collect();
    }

    /// What was said from further on than the owner stood, and is passed at `here`; the first time also what only the outlet was
    /// told from less far on.
    pub(super) fn take_passed(&mut self, here: Cause) -> Passed {
        let mut findings = self.table.take_passed(here);
        findings.extend(self.outlet.take_passed(here));
        findings.append(&mut self.unsaid);
        Passed { findings, results: self.results.take_passed(here) }
    }

    /// Whom that was about, each with the earliest instant: they must be judged again.
    pub(super) fn people_of(&self, passed: &Passed) -> BTreeMap<Arc<str>, EventTime> {
        let mut people: BTreeMap<Arc<str>, EventTime> = BTreeMap::new();
        let mut note = |employee_id: &Arc<str>, at: EventTime| {
            let earliest = people.entry(employee_id.clone()).or_insert(at);
            *earliest = at.min(*earliest);
        };
        for finding in self.findings(Among::Passed(passed)).map(|said| &said.value.finding) {
            finding.employee_id.iter().for_each(|employee_id| note(employee_id, finding.first_at));
        }
        for (key, said) in self.results(Among::Passed(passed)) {
            note(&key.employee_id, said.plan.start);
        }
        people
    }

    /// Compares what holds with what was said and keeps the difference. Takes the outcomes out of `judged`.
    pub(super) fn take(&mut self, judged: &mut Judged, cause: Cause) {
        self.take_findings(judged, cause);
        // Kept whole until the cut and hashed once there: the hash costs several times what a move does, and a shift is
        // judged at each of its punches.
        for outcome in judged.outcomes.drain(..) {
            self.outcomes.keep(outcome, cause);
        }
    }

    fn take_findings(&mut self, judged: &Judged, cause: Cause) {
        for finding in &judged.findings {
            self.index(finding);
            self.level(finding, AnomalyState::Firing, None, judged.clock, cause);
        }
        let Some(ids) = self.of_person.get(&judged.employee_id) else { return };
        let holds = |id: &AnomalyId| judged.findings.iter().any(|finding| finding.id == *id);
        let over: Vec<Finding> = ids
            .iter()
            .filter(|id| !holds(id))
            .filter_map(|id| self.table.get(id).or_else(|| self.outlet.get(id)))
            .map(|said| &said.value.finding)
            .filter(|finding| judged.covers(finding))
            .cloned()
            .collect();
        for finding in over {
            let by = resolved_by(&finding, judged);
            self.level(&finding, AnomalyState::Resolved, Some(by), judged.clock, cause);
        }
    }

    /// Takes in that an org fell silent, or speaks again.
    pub(super) fn take_note(&mut self, note: &SilenceNote, cause: Cause) {
        let by = (note.state == AnomalyState::Resolved).then_some(Resolver::from("punch"));
        self.level(&note.finding, note.state, by, note.clock, cause);
    }

    /// New versions of anomalies for the alerts outlet, in the order they came about.
    pub(super) fn take_fresh(&mut self) -> Vec<Anomaly> {
        std::mem::take(&mut self.fresh)
    }

    /// New versions for the table `anomalies` since the last cut.
    pub(super) fn take_rows(&mut self) -> Vec<Anomaly> {
        std::mem::take(&mut self.rows)
    }

    /// Forgets what lies before `floor` and is over, now and then. Nothing asks for it any more: what is older than memory is
    /// read from the lake.
    pub(super) fn forget_before(&mut self, floor: EventTime, due: &Due) {
        if self.swept.is_some_and(|swept| floor < swept.plus_min(FORGET_EVERY_MIN)) {
            return;
        }
        self.swept = Some(floor);
        self.read.clear();
        // What was said not long ago stays, too: after a crash the table may be behind the outlet by it.
        let keep = |said: &Said<SaidAnomaly>| {
            said.value.state == AnomalyState::Firing
                || said.value.finding.last_at >= floor
                || said.cause.clock.time() >= floor
        };
        // What the table does not know could not be read from the lake.
        let (table, unsettled) = (&self.table, &self.unsettled);
        let is_behind = |id: &AnomalyId, version| table.get(id).is_none_or(|known| known.version < version);
        self.outlet.retain(|id, said| keep(said) || unsettled.contains(id) && is_behind(id, said.version));
        self.table.retain(|_, said| keep(said));
        self.results.retain(|key, said| said.value.plan.end >= floor || due.holds(&key.shift_id));
        let (table, outlet) = (&self.table, &self.outlet);
        self.of_person.retain(|_, ids| {
            ids.retain(|id| table.get(id).is_some() || outlet.get(id).is_some());
            !ids.is_empty()
        });
        self.ruled.retain(|id| table.get(id).is_some() || outlet.get(id).is_some());
    }

    fn level(
        &mut self,
        finding: &Finding,
        state: AnomalyState,
        resolved: Option<Resolver>,
        detected_at: EventTime,
        cause: Cause,
    ) {
        for (book, into) in [(&mut self.table, &mut self.rows), (&mut self.outlet, &mut self.fresh)] {
            level_in((book, into), (finding, state), resolved.as_ref(), detected_at, cause);
        }
    }

    fn index(&mut self, finding: &Finding) {
        if finding.kind.is_ruled() {
            self.ruled.insert(finding.id);
            return;
        }
        let Some(employee_id) = &finding.employee_id else { return };
        let ids = self.of_person.entry(employee_id.clone()).or_default();
        if !ids.contains(&finding.id) {
            ids.push(finding.id);
        }
        if finding.kind == AnomalyKind::PunchRejected {
            self.rejected.insert(employee_id.clone());
        }
    }
}

/// Says of a finding that it is so by now, where that was not said, and adds what was said to `into`.
fn level_in(
    (book, into): (&mut SaidState<AnomalyId, SaidAnomaly>, &mut Vec<Anomaly>),
    (finding, state): (&Finding, AnomalyState),
    resolved: Option<&Resolver>,
    detected_at: EventTime,
    cause: Cause,
) {
    let digest = digest(state, finding);
    let said = book.get(&finding.id);
    if state == AnomalyState::Resolved && said.is_none() {
        return;
    }
    // Instants are asked again after a crash; what was said for a later one stands.
    let is_later = |said: &Said<SaidAnomaly>| {
        (said.cause.log, said.cause.partition) == (cause.log, cause.partition)
            && said.cause.clock.time() >= cause.clock.time()
    };
    if finding.kind.is_ruled() && said.is_some_and(is_later) {
        return;
    }
    if let Decision::Say { version } = book.decide(&finding.id, digest, cause) {
        let value = SaidAnomaly { state, finding: finding.clone() };
        book.say(finding.id, Said { version, digest, cause, value });
        into.push(Anomaly {
            version,
            state,
            finding: finding.clone(),
            detected_at,
            resolved_by: resolved.map(|resolver| resolver.word),
            resolved_ref: resolved.and_then(|resolver| resolver.request_id.clone()),
            cause,
        });
    }
}

/// What ended a finding.
struct Resolver {
    word: &'static str,
    /// The leave or the correction.
    request_id: Option<Arc<str>>,
}

impl From<&'static str> for Resolver {
    fn from(word: &'static str) -> Self {
        Self { word, request_id: None }
    }
}

/// Of the requests that count for a shift, the one that was approved last.
fn last_approved(outcome: &ShiftOutcome, request_ids: &[Arc<str>]) -> Option<Arc<str>> {
    let known = outcome.approvals.iter().rev().find(|one| request_ids.contains(&one.request_id));
    known.map(|one| &one.request_id).or(request_ids.last()).cloned()
}

/// The strongest fact its shift now shows ended a finding.
fn resolved_by(finding: &Finding, judged: &Judged) -> Resolver {
    let same_shift = |other: &Finding| other.shift_id.is_some() && other.shift_id == finding.shift_id;
    let kinds =
        |wanted: &[AnomalyKind]| judged.findings.iter().any(|f| same_shift(f) && wanted.contains(&f.kind));
    let superseded = match finding.kind {
        AnomalyKind::NoShow => kinds(&[AnomalyKind::Absent]),
        AnomalyKind::Late => kinds(&[AnomalyKind::SeriousLate]),
        AnomalyKind::SeriousLate => kinds(&[AnomalyKind::Late]),
        AnomalyKind::Absent => kinds(&[AnomalyKind::MissingIn, AnomalyKind::MissingOut]),
        _ => false,
    };
    if superseded {
        return "superseded".into();
    }
    let outcome = judged.outcomes.iter().find(|outcome| Some(&outcome.shift_id) == finding.shift_id.as_ref());
    match outcome {
        Some(outcome) if outcome.status == ShiftStatus::Leave || !outcome.leave_ids.is_empty() => {
            Resolver { word: "leave", request_id: last_approved(outcome, &outcome.leave_ids) }
        }
        Some(outcome) if !outcome.correction_ids.is_empty() => {
            Resolver { word: "correction", request_id: last_approved(outcome, &outcome.correction_ids) }
        }
        Some(outcome) if outcome.first_in.is_some() || outcome.last_out.is_some() => "punch".into(),
        Some(_) | None => "reference".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use attendance::Scope;
    use model::position::{LogClock, LogId, NextOffset, Partition};

    fn cause(at: i64) -> Cause {
        let clock = LogClock::at(EventTime::from_us(at));
        Cause {
            log: LogId::new("log").unwrap().mark(),
            partition: Partition::new(0),
            next: NextOffset::new(at).unwrap(),
            clock,
        }
    }

    fn finding(kind: AnomalyKind, minutes: i64) -> Finding {
        Finding {
            id: AnomalyId([kind as u8; 16]),
            kind,
            employee_id: Some("E1".into()),
            site_id: None,
            org: "hk".into(),
            business_date: "2026-11-02".parse().unwrap(),
            shift_id: Some("s".into()),
            device_id: None,
            event_ids: vec![],
            minutes: Some(minutes),
            first_at: EventTime::from_us(1),
            last_at: EventTime::from_us(1),
        }
    }

    fn take(book: &mut SaidBook, findings: &[Finding], at: i64) -> Vec<(AnomalyKind, i64, AnomalyState)> {
        let mut judged = Judged {
            employee_id: "E1".into(),
            person: None,
            clock: EventTime::from_us(at),
            scope: Scope { shift_ids: vec!["s".into()], dates: vec![] },
            outcomes: vec![],
            findings: findings.to_vec(),
            withheld: vec![],
        };
        book.take(&mut judged, cause(at));
        book.take_fresh().iter().map(|a| (a.finding.kind, a.version, a.state)).collect()
    }

    #[test]
    fn a_finding_fires_changes_and_resolves_once_each() {
        use AnomalyState::{Firing, Resolved};
        let mut book = SaidBook::default();
        let late = |minutes| finding(AnomalyKind::Late, minutes);
        assert_eq!(take(&mut book, &[late(5)], 1), [(AnomalyKind::Late, 1, Firing)]);
        assert_eq!(take(&mut book, &[late(5)], 2), []);
        assert_eq!(take(&mut book, &[late(4)], 3), [(AnomalyKind::Late, 2, Firing)]);
        assert_eq!(take(&mut book, &[], 4), [(AnomalyKind::Late, 3, Resolved)]);
        assert_eq!(take(&mut book, &[], 5), []);
        assert_eq!(take(&mut book, &[late(4)], 6), [(AnomalyKind::Late, 4, Firing)]);
        assert_eq!(book.take_rows().len(), 4, "the table gets the same versions");
    }

    /// Judging a person takes back only what it could have found: a record that could not be taken stays told.
    #[test]
    fn what_judging_does_not_find_it_does_not_take_back() {
        let mut book = SaidBook::default();
        let rejected = Finding { shift_id: None, ..finding(AnomalyKind::PunchRejected, 0) };
        let unscheduled = Finding { shift_id: None, ..finding(AnomalyKind::Unscheduled, 0) };
        for (n, finding) in [&rejected, &unscheduled].into_iter().enumerate() {
            let (state, cause) = (AnomalyState::Firing, cause(1));
            let at = EventTime::from_us(1);
            let said = Anomaly {
                version: 1,
                state,
                finding: finding.clone(),
                detected_at: at,
                resolved_by: None,
                resolved_ref: None,
                cause,
            };
            book.fold_anomaly(said);
            assert_eq!(book.of_person[&Arc::<str>::from("E1")].len(), n + 1);
        }
        book.start_at(cause(2));
        let scope = Scope { shift_ids: vec![], dates: vec![rejected.business_date] };
        let mut judged = Judged {
            employee_id: "E1".into(),
            person: None,
            clock: EventTime::from_us(3),
            scope,
            outcomes: vec![],
            findings: vec![],
            withheld: vec![],
        };
        book.take(&mut judged, cause(3));
        let over: Vec<_> = book.take_rows().into_iter().map(|row| (row.finding.kind, row.state)).collect();
        assert_eq!(over, [(AnomalyKind::Unscheduled, AnomalyState::Resolved)]);
    }

    #[test]
    fn what_was_published_before_a_crash_is_not_published_again_when_memory_has_passed_it() {
        for floor in [5, 100] {
            let mut before = SaidBook::default();
            take(&mut before, &[finding(AnomalyKind::Late, 5)], 1);
            let row = before.take_rows().remove(0);
            take(&mut before, &[], 9);
            let mut after = SaidBook::default();
            let (id, published) = (row.finding.id, before.outlet.get(&row.finding.id).unwrap().clone());
            after.fold_alert((id, published));
            after.fold_anomaly(row.clone());
            after.start_at(cause(3));
            let due = after.take_due();
            after.forget_before(EventTime::from_us(floor), &due);
            // Read from the lake once more, as for a late punch of that person.
            after.fold_anomaly(row);
            assert_eq!(take(&mut after, &[], 9), [], "floor {floor}");
            assert_eq!(after.take_rows().iter().map(|row| row.version).collect::<Vec<_>>(), [2]);
        }
    }

    #[test]
    fn what_was_published_before_a_crash_and_never_came_to_hold_again_keeps_its_versions() {
        let mut before = SaidBook::default();
        take(&mut before, &[finding(AnomalyKind::Late, 5)], 1);
        take(&mut before, &[], 2);
        let id = finding(AnomalyKind::Late, 5).id;
        let mut after = SaidBook::default();
        after.fold_alert((id, before.outlet.get(&id).unwrap().clone()));
        // Judged otherwise this time, the table was never told of it.
        after.start_at(cause(0));
        assert_eq!(take(&mut after, &[], 3), []);
        let due = after.take_due();
        after.forget_before(EventTime::from_us(100), &due);
        let again = take(&mut after, &[finding(AnomalyKind::Late, 5)], 200);
        assert_eq!(again, [(AnomalyKind::Late, 3, AnomalyState::Firing)]);
    }

    #[test]
    fn an_alert_that_the_outlet_has_forgotten_goes_on_with_its_next_version() {
        let mut before = SaidBook::default();
        take(&mut before, &[finding(AnomalyKind::Late, 5)], 1);
        take(&mut before, &[], 2);
        let mut after = SaidBook::default();
        before.take_rows().into_iter().for_each(|row| after.fold_anomaly(row));
        after.start_at(cause(3));
        assert_eq!(
            take(&mut after, &[finding(AnomalyKind::Late, 5)], 4),
            [(AnomalyKind::Late, 3, AnomalyState::Firing)]
        );
    }

    #[test]
    fn after_a_crash_the_table_catches_up_and_the_outlet_does_not_repeat() {
        let mut before = SaidBook::default();
        take(&mut before, &[finding(AnomalyKind::NoShow, 0)], 7);
        let published = before.outlet.get(&finding(AnomalyKind::NoShow, 0).id).unwrap().clone();
        let mut after = SaidBook::default();
        after.fold_alert((published.value.finding.id, published));
        after.start_at(cause(3));
        assert_eq!(take(&mut after, &[], 5), [], "not passed yet: left alone");
        assert_eq!(take(&mut after, &[finding(AnomalyKind::NoShow, 0)], 7), []);
        assert_eq!(after.take_rows().iter().map(|a| a.version).collect::<Vec<_>>(), [1]);
        let passed = after.take_passed(cause(7));
        let passed: Vec<Arc<str>> = after.people_of(&passed).into_keys().collect();
        assert_eq!(passed, ["E1".into()]);
    }
}
