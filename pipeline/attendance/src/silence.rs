//! Silent people or a silent log: while almost nobody of many who are due shows a punch, no-shows wait.
//!
//! In: shifts as their windows open, no-shows as they fall due, whether a shift shows a punch.  Out: hold or let go, and
//! notes about an org falling silent and speaking again.
//! Owns: the recent starts of each org, the silent orgs, and the shifts held back.
//! Absent on purpose: anything under `clock = "record"`, where the clock itself stands still while punches do.
//! Invariants: a no-show waits at most [`HELD_US_MAX`]; what is decided depends on the log's clock and the punches alone.
//! Why so: a clock cannot tell silent ingest from silent people (design, decision 6). The starts of one shift change
//! leave the last fifteen minutes at once, so an org that is silent stays so until those starts show punches.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use model::anomaly::Finding;
use model::{AnomalyKind, AnomalyState, EventTime};

use crate::findings::anomaly_id;
use crate::judge::Holds;
use crate::roster::{Roster, ShiftIndex, local_date};

/// How long a no-show is held back at most.
pub(crate) const HELD_US_MAX: i64 = 2 * 3_600_000_000;
/// How often a no-show held back is asked for again.
pub(crate) const ASK_AGAIN_US: i64 = 60_000_000;

const DUE_WITHIN_US: i64 = 15 * 60_000_000;
const STARTS_MIN: usize = 20;
/// Silent while fewer than one in this many shows a punch.
const ONE_IN: usize = 10;

/// An org fell silent, or speaks again.
#[derive(Clone, Debug, PartialEq)]
pub struct SilenceNote {
    /// Firing when it fell silent, resolved when it speaks again.
    pub state: AnomalyState,
    /// Kind `ingest_silent`, about the org. Every partition of the log sees the silence of its own people and says it
    /// under the same identity.
    pub finding: Finding,
    /// The clock at which it holds.
    pub clock: EventTime,
}

/// What to do about a no-show that fell due.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// Let it fire.
    LetGo,
    /// Ask again then.
    Hold(EventTime),
}

struct Episode {
    from: EventTime,
    finding: Finding,
}

/// The silence of one partition's orgs.
#[derive(Default)]
pub(crate) struct Silence {
    starts: HashMap<Arc<str>, VecDeque<(EventTime, ShiftIndex)>>,
    silent: BTreeMap<Arc<str>, Episode>,
    asked: HashMap<Arc<str>, (EventTime, bool)>,
    pub(crate) holds: Holds,
}

impl Silence {
    /// A window has opened.
    pub(crate) fn open(&mut self, roster: &Roster, shift: ShiftIndex) {
        let org = &roster.shift_site(shift).org;
        let start = (roster.shift_at(shift).start, shift);
        match self.starts.get_mut(org) {
            Some(starts) => {
                // Windows open almost in the order of starts.
                let at = starts.partition_point(|other| *other <= start);
                starts.insert(at, start);
            }
            None => _ = self.starts.insert(org.clone(), VecDeque::from([start])),
        }
    }

    /// A no-show that has been due since `due_at` is asked for at `clock`. `shows` tells whether a shift shows a punch.
    pub(crate) fn ask(
        &mut self,
        roster: &Roster,
        shift: ShiftIndex,
        due_at: EventTime,
        clock: EventTime,
        shows: impl Fn(ShiftIndex) -> bool,
        notes: &mut Vec<SilenceNote>,
    ) -> Verdict {
        let org = roster.shift_site(shift).org.clone();
        let asked = self.asked.get(&org).filter(|(at, _)| *at == clock).map(|(_, silent)| *silent);
        let is_silent = asked.unwrap_or_else(|| {
            let is_silent = self.listen(roster, &org, shift, clock, shows, notes);
            self.asked.insert(org, (clock, is_silent));
            is_silent
        });
        let last = due_at.plus_us(HELD_US_MAX);
        if is_silent && clock < last {
            self.holds.shifts.insert(shift);
            return Verdict::Hold(clock.plus_us(ASK_AGAIN_US).min(last));
        }
        self.holds.shifts.remove(&shift);
        Verdict::LetGo
    }

    fn listen(
        &mut self,
        roster: &Roster,
        org: &Arc<str>,
        shift: ShiftIndex,
        clock: EventTime,
        shows: impl Fn(ShiftIndex) -> bool,
        notes: &mut Vec<SilenceNote>,
    ) -> bool {
        let own_start = roster.shift_at(shift).start;
        let recent = clock.plus_us(-DUE_WITHIN_US).min(own_start);
        let from =
            self.silent.get(org).map_or(recent, |episode| episode.from.max(clock.plus_us(-2 * HELD_US_MAX)));
        let Some(starts) = self.starts.get_mut(org) else { return false };
        while starts.front().is_some_and(|(start, _)| *start < clock.plus_us(-3 * HELD_US_MAX)) {
            starts.pop_front();
        }
        let due = || starts.iter().filter(|(start, _)| from <= *start && *start <= clock);
        let count = due().count();
        let punched = due().filter(|(_, shift)| shows(*shift)).count();
        let is_silent = count >= STARTS_MIN && punched * ONE_IN < count;
        if is_silent && !self.silent.contains_key(org) {
            let finding = finding(roster, org, shift, from, clock);
            notes.push(SilenceNote { state: AnomalyState::Firing, finding: finding.clone(), clock });
            self.silent.insert(org.clone(), Episode { from, finding });
        } else if !is_silent && let Some(mut episode) = self.silent.remove(org) {
            episode.finding.last_at = clock;
            notes.push(SilenceNote { state: AnomalyState::Resolved, finding: episode.finding, clock });
        }
        is_silent
    }
}

fn finding(roster: &Roster, org: &Arc<str>, shift: ShiftIndex, from: EventTime, clock: EventTime) -> Finding {
    let kind = AnomalyKind::IngestSilent;
    let business_date = local_date(clock, &roster.shift_site(shift).time_zone);
    Finding {
        id: anomaly_id(kind, org, &business_date.to_string()),
        kind,
        employee_id: None,
        site_id: None,
        org: org.clone(),
        business_date,
        shift_id: None,
        event_ids: Vec::new(),
        minutes: None,
        first_at: from,
        last_at: clock,
    }
}
