//! What is wrong: findings about a shift instance, and about punches, each with its stable identity.
//!
//! In: an outcome with the punches of its shift; punches that no shift holds.  Out: [`Finding`]s.
//! Why so: a finding is level, not edge: it is there as long as it holds, so a later fact that explains it simply leaves
//! it out, and the caller, who knows what was said, resolves it.

use std::fmt::{self, Display, Write};
use std::sync::Arc;

use jiff::civil::Date;
use model::anomaly::Finding;
use model::reference::ShiftPlan;
use model::shift_result::ShiftOutcome;
use model::{AnomalyId, AnomalyKind, EventId, EventTime, PersonIndex, Place, Reason, ShiftStatus, Site};
use sha2::{Digest, Sha256};
use smallvec::SmallVec;

use crate::binding::Bound;
use crate::due::{DueTime, no_show_at, remind_at};
use crate::minutes::LATE_AS_ABSENT;
use crate::neighbours::Neighbours;
use crate::roster::{Roster, ShiftIndex};
use crate::standing::{Seen, Standing};

/// The identity of an anomaly: the first 128 bits of SHA-256 over kind, subject and instance, separated by 0x1f.
/// `subject` is the employee id, else the site id, else the org; `instance` the shift id, else the business date as
/// `2026-11-22` (contract, section 4).
pub fn anomaly_id(kind: AnomalyKind, subject: &str, instance: &str) -> AnomalyId {
    identity(kind, subject, &instance)
}

/// As [`anomaly_id`], of an instance that is not written out before.
pub(crate) fn identity(kind: AnomalyKind, subject: &str, instance: &dyn Display) -> AnomalyId {
    struct Hashed(Sha256);
    impl Write for Hashed {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0.update(text.as_bytes());
            Ok(())
        }
    }
    let mut hashed = Hashed(Sha256::new());
    // A hash takes any text: writing to it cannot fail.
    let _ = write!(hashed, "{}\u{1f}{subject}\u{1f}{instance}", kind.name());
    let Hashed(hash) = hashed;
    let mut id = [0; 16];
    id.copy_from_slice(&hash.finalize()[..16]);
    AnomalyId(id)
}

/// The person whom findings are about.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) roster: &'a Roster,
    pub(crate) employee_id: &'a Arc<str>,
    pub(crate) person: Option<PersonIndex>,
}

/// Findings as they are found, their lists of punches taken from spent ones.
pub(crate) struct Findings<'a> {
    pub(crate) found: &'a mut Vec<Finding>,
    pub(crate) spent: &'a mut Vec<Vec<EventId>>,
}

impl Findings<'_> {
    fn add(&mut self, finding: impl FnOnce(Vec<EventId>) -> Finding) {
        let event_ids = self.spent.pop().unwrap_or_default();
        self.found.push(finding(event_ids));
    }
}

/// What a shift or a day shows at once: seldom anything.
type Facts = SmallVec<[Fact; 2]>;

/// What a finding says beside whom and where: its rule, its minutes and when.
pub(crate) struct Fact {
    pub(crate) kind: AnomalyKind,
    pub(crate) minutes: Option<i64>,
    pub(crate) first_at: EventTime,
    pub(crate) last_at: EventTime,
    pub(crate) event_ids: SmallVec<[EventId; 2]>,
    /// The first site that one of its punches names.
    pub(crate) site_id: Option<Arc<str>>,
}

impl Fact {
    /// What is wrong from one instant on, shown by no punch.
    pub(crate) fn at(kind: AnomalyKind, at: EventTime) -> Self {
        Self { kind, minutes: None, first_at: at, last_at: at, event_ids: SmallVec::new(), site_id: None }
    }
}

impl Subject<'_> {
    /// The finding that the fact is. Its site is the shift's, else its punches', else the person's home.
    fn finding(
        &self,
        fact: Fact,
        shift: Option<(&ShiftOutcome, &Site)>,
        day: Date,
        mut event_ids: Vec<EventId>,
    ) -> Finding {
        let (person, home) = self.roster.home(self.person);
        let told = fact.site_id.as_deref().and_then(|id| self.roster.site(id));
        let told = told.map(|at| self.roster.reference().site(at));
        let site = shift.map(|(_, site)| site).or(told).or(home);
        let shift = shift.map(|(shift, _)| shift);
        let org = site.map(|site| site.org.clone()).or_else(|| person.map(|person| person.org.clone()));
        let id = match shift {
            Some(shift) => identity(fact.kind, self.employee_id, &shift.shift_id),
            None => identity(fact.kind, self.employee_id, &day),
        };
        let Fact { kind, minutes, first_at, last_at, event_ids: shown, site_id: _ } = fact;
        event_ids.extend(shown);
        event_ids.sort_unstable();
        Finding {
            id,
            kind,
            employee_id: Some(self.employee_id.clone()),
            site_id: site.map(|site| site.site_id.clone()),
            org: org.unwrap_or_else(|| "".into()),
            business_date: day,
            shift_id: shift.map(|shift| shift.shift_id.clone()),
            device_id: None,
            event_ids,
            minutes,
            first_at,
            last_at,
        }
    }

    /// Everything wrong with one shift instance: its ends, its absence, and where its punches were made.
    pub(crate) fn of_shift(&self, shift: &mut JudgedShift<'_>, out: &mut Findings<'_>) {
        if self.roster.shift_at(shift.index).plan == ShiftPlan::Cancelled {
            return;
        }
        let site = self.roster.shift_site(shift.index);
        let mut facts = Facts::new();
        shift.ends(self.roster, &mut facts);
        shift.beside(&mut facts);
        facts.extend(shift.hours.take());
        if shift.punches.iter().any(|(seen, _)| PLACE_RULES.iter().any(|(_, applies)| applies(seen))) {
            for (kind, applies) in PLACE_RULES {
                facts.extend(collect(
                    kind,
                    shift.punches.iter().map(|(seen, _)| *seen).filter(|seen| applies(seen)),
                ));
            }
        }
        let strays = |(seen, bound): &&(Seen<'_>, Bound)| {
            bound.standing == Standing::Binds && seen.place == Place::Inside && self.strays(seen, site)
        };
        if shift.punches.iter().any(|punch| strays(&punch)) {
            let strays = shift.punches.iter().filter(strays);
            facts.extend(collect(AnomalyKind::WrongStore, strays.map(|(seen, _)| *seen)));
        }
        if facts.is_empty() {
            return;
        }
        let day = shift.outcome.business_date;
        facts
            .into_iter()
            .for_each(|fact| out.add(|ids| self.finding(fact, Some((shift.outcome, site)), day, ids)));
    }

    /// Whether the punch was made at a permitted site that is not the shift's.
    fn strays(&self, seen: &Seen<'_>, site: &Site) -> bool {
        let is_elsewhere = |at: &&Arc<str>| !Arc::ptr_eq(at, &site.site_id) && **at != site.site_id;
        let Some(at) = seen.site_id.filter(is_elsewhere) else { return false };
        let permitted = self.person.map_or(&[][..], |person| self.roster.permitted(person));
        self.roster.site(at).is_some_and(|at| permitted.contains(&at))
    }

    /// Everything wrong with the punches of one business date that no shift holds.
    pub(crate) fn of_day(&self, day: Date, punches: &[Seen<'_>], out: &mut Findings<'_>) {
        let believed = || punches.iter().filter(|seen| seen.counts()).copied();
        let mut facts = Facts::new();
        for (kind, applies) in PLACE_RULES {
            facts.extend(collect(kind, believed().filter(applies)));
        }
        let is_rostered = |seen: &Seen<'_>| {
            self.person.is_some_and(|person| self.roster.is_rostered_near(person, seen.occurred_at))
        };
        facts.extend(collect(AnomalyKind::Unscheduled, believed().filter(is_rostered)));
        let suspect = punches.iter().filter(|seen| seen.reasons.contains(Reason::ClockSuspect)).copied();
        facts.extend(collect(AnomalyKind::ClockSuspect, suspect));
        facts.into_iter().for_each(|fact| out.add(|ids| self.finding(fact, None, day, ids)));
    }
}

type PlaceRule = (AnomalyKind, fn(&Seen<'_>) -> bool);

/// Rules that one punch alone can break.
const PLACE_RULES: [PlaceRule; 3] = [
    (AnomalyKind::Outside, |seen| seen.place == Place::Outside),
    (AnomalyKind::Mocked, |seen| seen.reasons.contains(Reason::Mocked)),
    (AnomalyKind::Contradiction, |seen| seen.reasons.contains(Reason::ContradictionWifiGps)),
];

fn collect<'a>(kind: AnomalyKind, punches: impl Iterator<Item = Seen<'a>>) -> Option<Fact> {
    let mut fact: Option<Fact> = None;
    for seen in punches {
        let fact = fact.get_or_insert_with(|| Fact::at(kind, seen.occurred_at));
        fact.first_at = fact.first_at.min(seen.occurred_at);
        fact.last_at = fact.last_at.max(seen.occurred_at);
        fact.event_ids.push(seen.event.clone());
        fact.site_id = fact.site_id.take().or_else(|| seen.site_id.cloned());
    }
    fact
}

/// A shift instance with what judging made of it.
pub(crate) struct JudgedShift<'a> {
    pub(crate) index: ShiftIndex,
    pub(crate) outcome: &'a ShiftOutcome,
    pub(crate) due: &'a DueTime,
    /// The punches that go with it, repeats too.
    pub(crate) punches: &'a [(Seen<'a>, Bound)],
    pub(crate) is_bound: bool,
    pub(crate) is_held_back: bool,
    pub(crate) neighbours: Neighbours<'a>,
    /// What is to be said of the hours.
    pub(crate) hours: Option<Fact>,
    pub(crate) clock: EventTime,
}

impl JudgedShift<'_> {
    /// What is wrong with coming, leaving and being there.
    fn ends(&self, roster: &Roster, facts: &mut Facts) {
        let outcome = self.outcome;
        let closes = roster.window(self.index).closes;
        let policy = roster.shift_policy(self.index);
        if self.due.is_leave {
            return;
        }
        if let Some(came) = outcome.first_in.filter(|_| outcome.late_min > 0) {
            let is_serious = policy.serious_late_min > 0 && outcome.late_min >= policy.serious_late_min;
            let is_serious = is_serious || outcome.reasons.contains(&LATE_AS_ABSENT);
            let kind = if is_serious { AnomalyKind::SeriousLate } else { AnomalyKind::Late };
            let event_ids = outcome.in_event_id.iter().cloned().collect();
            facts.push(Fact { minutes: Some(outcome.late_min), event_ids, ..Fact::at(kind, came) });
        }
        if let Some(left) = outcome.last_out.filter(|_| outcome.early_min > 0) {
            let event_ids = outcome.out_event_id.iter().cloned().collect();
            let fact = Fact::at(AnomalyKind::EarlyLeave, left);
            facts.push(Fact { minutes: Some(outcome.early_min), event_ids, ..fact });
        }
        if !self.is_bound {
            let no_show_at = no_show_at(roster, self.index, self.due);
            let is_past = no_show_at
                .map_or_else(|| roster.window(self.index).is_closed(self.clock), |at| at <= self.clock);
            let reminded_at = remind_at(roster, self.index, self.due).filter(|at| *at <= self.clock);
            if let Some(at) = reminded_at.filter(|_| !is_past) {
                facts.push(Fact::at(AnomalyKind::Reminder, at));
            }
            let due_at = no_show_at.filter(|at| *at <= self.clock);
            if let Some(at) = due_at.filter(|_| !outcome.is_final && !self.is_held_back) {
                facts.push(Fact::at(AnomalyKind::NoShow, at));
            }
            if outcome.status == ShiftStatus::Absent && outcome.missing_in && outcome.missing_out {
                facts.push(Fact::at(AnomalyKind::Absent, closes));
            }
            return;
        }
        for (is_missing, kind) in
            [(outcome.missing_in, AnomalyKind::MissingIn), (outcome.missing_out, AnomalyKind::MissingOut)]
        {
            if is_missing {
                let held = [&outcome.in_event_id, &outcome.out_event_id];
                let event_ids = held.into_iter().flatten().cloned().collect();
                facts.push(Fact { event_ids, ..Fact::at(kind, closes) });
            }
        }
    }

    /// What is wrong with coming so soon, or so many days in a row.
    fn beside(&self, facts: &mut Facts) {
        let outcome = self.outcome;
        if !self.is_bound || self.neighbours.ends.is_empty() {
            return;
        }
        let in_event_id = outcome.in_event_id.as_ref();
        let came = outcome.first_in;
        facts.extend(came.and_then(|came| self.neighbours.short_rest(came, in_event_id)));
        let at = came.or(outcome.last_out).unwrap_or(outcome.planned_start);
        facts.extend(self.neighbours.rest_day_missed(at, in_event_id));
    }
}
