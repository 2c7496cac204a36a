//! Silent people or a silent log: while almost nobody of many who are due shows a punch, no-shows wait.
//!
//! ```text
//!   a no-show falls due, or this partition's turn comes to listen for an org
//!     ├─ few of the org are due ──────────────────────────────────────▶ let go
//!     ├─ own people alone prove that the org speaks ──────────────────▶ let go
//!     ├─ all who are due are own people, and almost nobody punched ───▶ hold, silent
//!     └─ else hold, and ask for the stored punches of the others ─────▶ `heard`: let go, or silent: again in a while
//! ```
//!
//! In: the org's starts due by the roster (people of all partitions), own people's punches, the stored punches of the
//! others.  Out: hold or let go; questions ([`Listen`]); notes about an org falling silent and speaking again.
//! Owns: per org its silence, the question under way, and the shifts held back.
//! Absent on purpose: anything under `clock = "record"`, where the clock itself stands still while punches do; I/O: whoever
//! owns the partition reads the lake and answers.
//! Invariants: a no-show waits at most [`HELD_US_MAX`]; one that is held back is neither said nor taken back; one partition
//! alone, the one the org's name falls on, says that an org is silent, whether its own people are due or not.
//! Why so: a clock cannot tell silent ingest from silent people (design, decision 6). The rule is about an org, and a
//! partition sees a share of it, often one person: judged by its own share, it would call every lone no-show a silence (and
//! hold it), or none. The lake is where the other partitions' punches can be seen, whichever process judged them; it is
//! asked only where own people do not settle it: those who show a punch are a tenth of all who are due, or twenty and more
//! own people are due (people fall on partitions by a hash, so they stand for the others). The starts of one shift change leave the last fifteen minutes at once, so
//! an org that is silent stays so until those starts show punches.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use foldhash::fast::FixedState;
use model::anomaly::Finding;
use model::position::partition_of;
use model::reference::ShiftKind;
use model::{AnomalyKind, AnomalyState, EventTime, StoredPunch};

use crate::book::{Book, Kept};
use crate::due::DueTime;
use crate::findings::anomaly_id;
use crate::judge::Holds;
use crate::partition::{Settings, Step};
use crate::roster::{Roster, ShiftIndex, local_date};

/// How long a no-show is held back at most.
pub(crate) const HELD_US_MAX: i64 = 2 * 3_600_000_000;
/// How often a no-show held back, or a silent org, is asked for again.
pub(crate) const ASK_AGAIN_US: i64 = 20_000_000;
/// What the lake said holds for so long: less than until the next question.
const ANSWER_HOLDS_US: i64 = ASK_AGAIN_US / 2;
/// A question without an answer for so long is put again.
const ANSWER_US_MAX: i64 = 10 * 60_000_000;

const DAY_US: i64 = 86_400_000_000;
const DUE_WITHIN_US: i64 = 15 * 60_000_000;
pub(crate) const STARTS_MIN: usize = 20;
/// Silent while fewer than one in this many shows a punch.
const ONE_IN: usize = 10;

/// An org fell silent, or speaks again.
#[derive(Clone, Debug, PartialEq)]
pub struct SilenceNote {
    /// Firing when it fell silent, resolved when it speaks again. May be repeated; and an org that speaks may be told of
    /// after a restart although it was never told to be silent.
    pub state: AnomalyState,
    /// Kind `ingest_silent`, about the org.
    pub finding: Finding,
    /// The clock at which it holds.
    pub clock: EventTime,
}

/// A question: which of these people, who are of other partitions, show a punch? The answer goes to
/// [`crate::PartitionState::heard`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// The org that may be silent.
    pub org: Arc<str>,
    /// People who are due, sorted. Their stored punches are wanted, whatever partition of the log they are on.
    pub employee_ids: Vec<Arc<str>>,
    /// Punches that occurred before are not wanted.
    pub since: EventTime,
    /// The clock at which it was asked.
    pub clock: EventTime,
    /// Whose start lies before is no longer counted.
    from: EventTime,
}

/// What to do about a no-show that fell due.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// Let it fire.
    LetGo,
    /// Ask again then.
    Hold(EventTime),
}

/// What is heard of an org.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hearing {
    /// Too few are due for silence to mean anything.
    Few,
    /// Enough of those due show a punch.
    Speaks,
    /// Almost nobody does.
    Silent,
    /// Own people do not settle it; the lake is being asked.
    Unsure,
}

/// Where a partition stands when it listens.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) roster: &'a Roster,
    pub(crate) book: &'a Book,
    pub(crate) settings: &'a Settings,
    /// Where the log's clock first stood.
    pub(crate) since: EventTime,
    pub(crate) clock: EventTime,
}

impl Scene<'_> {
    /// Whether this partition is the one that says what is heard of `org`.
    pub(crate) fn speaks_for(&self, org: &str) -> bool {
        partition_of(org.as_bytes(), self.settings.partitions) == self.settings.partition
    }

    /// How many starts of the org there are from `from` until `until`, due or not.
    fn starts(&self, org: &str, from: EventTime, until: EventTime) -> usize {
        let starts = self.roster.starts_of(org);
        let before =
            |time: EventTime| starts.partition_point(|shift| self.roster.shift_at(*shift).start < time);
        before(until.plus_us(1)) - before(from)
    }

    /// The org's starts that are due from `from` until `until`.
    fn due(&self, org: &str, from: EventTime, until: EventTime) -> impl Iterator<Item = ShiftIndex> + '_ {
        let (roster, since) = (self.roster, self.since);
        let starts = roster.starts_of(org);
        let first = starts.partition_point(|shift| roster.shift_at(*shift).start < from);
        let starts = starts[first..].iter().copied();
        starts.take_while(move |shift| roster.shift_at(*shift).start <= until).filter(move |shift| {
            let is_due = |due: &DueTime| !due.is_leave && due.start <= until;
            roster.shift_at(*shift).kind != ShiftKind::Free
                && roster.window(*shift).closes >= since
                && (roster.is_plain(*shift) || is_due(&DueTime::of(roster, *shift, until)))
        })
    }

    fn employee_id(&self, shift: ShiftIndex) -> &Arc<str> {
        &self.roster.reference().person(self.roster.shift_at(shift).person).employee_id
    }

    fn is_ours(&self, shift: ShiftIndex) -> bool {
        self.settings.owns(self.roster, self.roster.shift_at(shift).person)
    }

    /// Whether any believed punch of our own lies in the window of the shift.
    fn shows(&self, shift: ShiftIndex) -> bool {
        let window = self.roster.window(shift);
        let punches = self.book.punches_of(self.roster.shift_at(shift).person);
        let first = punches.partition_point(|kept| kept.occurred_at < window.opens);
        punches[first..].iter().take_while(|kept| kept.occurred_at <= window.closes).any(Kept::counts)
    }
}

struct Episode {
    from: EventTime,
    finding: Finding,
}

#[derive(Default)]
struct Org {
    episode: Option<Episode>,
    /// What was heard last, and at which clock.
    last: Option<(EventTime, Hearing)>,
    /// What the lake said last, whether it is silent, and at which clock.
    answer: Option<(EventTime, bool)>,
    /// The clock of the question under way.
    asking: Option<EventTime>,
    held: BTreeSet<ShiftIndex>,
    is_asked_again: bool,
}

/// The silence of one partition's orgs.
#[derive(Default)]
pub(crate) struct Silence {
    orgs: HashMap<Arc<str>, Org, FixedState>,
    pub(crate) holds: Holds,
    is_resumed: bool,
}

impl Silence {
    /// Of a partition that another owner, or another snapshot, may have spoken for before.
    pub(crate) fn resumed() -> Self {
        Self { is_resumed: true, ..Self::default() }
    }

    /// A no-show that has been due since `due_at` is asked for.
    pub(crate) fn ask(
        &mut self,
        scene: Scene<'_>,
        shift: ShiftIndex,
        due_at: EventTime,
        out: &mut Vec<Step>,
    ) -> Verdict {
        let last = due_at.plus_us(HELD_US_MAX);
        let may_hold = scene.clock < last;
        match self.hear(scene, shift, out) {
            Hearing::Silent | Hearing::Unsure if may_hold => {
                self.hold(scene.roster, shift);
                Verdict::Hold(scene.clock.plus_us(ASK_AGAIN_US).min(last))
            }
            _ => {
                self.let_go(scene.roster, shift);
                Verdict::LetGo
            }
        }
    }

    /// Holds back no-shows that fell due before, until they are asked for, unless their org is heard to speak.
    pub(crate) fn hold_unless_heard(&mut self, scene: Scene<'_>, shifts: &[ShiftIndex]) {
        let mut heard: HashMap<&Arc<str>, Hearing> = HashMap::new();
        for shift in shifts {
            let org = &scene.roster.shift_site(*shift).org;
            let hearing = *heard.entry(org).or_insert_with(|| self.hear_own(scene, *shift).0);
            if matches!(hearing, Hearing::Silent | Hearing::Unsure) {
                self.hold(scene.roster, *shift);
            }
        }
    }

    /// Whether the no-show of that shift is held back.
    pub(crate) fn is_held(&self, shift: ShiftIndex) -> bool {
        self.holds.shifts.contains(&shift)
    }

    /// The no-show of that shift is no longer held back.
    pub(crate) fn let_go(&mut self, roster: &Roster, shift: ShiftIndex) {
        if !self.holds.shifts.remove(&shift) {
            return;
        }
        if let Some(org) = self.orgs.get_mut(&roster.shift_site(shift).org) {
            org.held.remove(&shift);
        }
    }

    fn hold(&mut self, roster: &Roster, shift: ShiftIndex) {
        self.holds.shifts.insert(shift);
        self.orgs.entry(roster.shift_site(shift).org.clone()).or_default().held.insert(shift);
    }

    /// It is this partition's turn to listen for the org of `shift`, which starts are due with; whether and when to
    /// listen again.
    pub(crate) fn listen(
        &mut self,
        scene: Scene<'_>,
        shift: ShiftIndex,
        is_again: bool,
        out: &mut Vec<Step>,
    ) -> Option<EventTime> {
        let hearing = self.hear(scene, shift, out);
        let org = self.orgs.entry(scene.roster.shift_site(shift).org.clone()).or_default();
        let is_wanted = matches!(hearing, Hearing::Silent | Hearing::Unsure);
        let is_listened_to = !is_again && org.is_asked_again;
        if is_again {
            org.is_asked_again = false;
        }
        if !is_wanted || is_listened_to {
            return None;
        }
        org.is_asked_again = true;
        Some(scene.clock.plus_us(ASK_AGAIN_US))
    }

    /// The answer to a question. Gives the shifts whose no-shows are no longer held back.
    pub(crate) fn heard(
        &mut self,
        scene: Scene<'_>,
        listen: &Listen,
        punches: &[StoredPunch],
        out: &mut Vec<Step>,
    ) -> Vec<ShiftIndex> {
        let mut stored: HashMap<&str, Vec<&StoredPunch>> = HashMap::new();
        for punch in punches {
            stored.entry(&punch.employee_id).or_default().push(punch);
        }
        let shows = |shift: ShiftIndex| {
            if scene.is_ours(shift) {
                return scene.shows(shift);
            }
            let window = scene.roster.window(shift);
            let of_person = stored.get(&**scene.employee_id(shift));
            of_person.is_some_and(|punches| punches.iter().any(|p| window.holds(p.occurred_at) && counts(p)))
        };
        let (mut all, mut shown) = (0, 0);
        for shift in scene.due(&listen.org, listen.from, listen.clock) {
            all += 1;
            shown += usize::from(shows(shift));
        }
        let org = self.orgs.entry(listen.org.clone()).or_default();
        let is_silent = all >= STARTS_MIN && shown * ONE_IN < all;
        (org.asking, org.last, org.answer) = (None, None, Some((scene.clock, is_silent)));
        if is_silent {
            self.note(scene, &listen.org, listen.from, Hearing::Silent, out);
            return Vec::new();
        }
        let released: Vec<ShiftIndex> = std::mem::take(&mut org.held).into_iter().collect();
        for shift in &released {
            self.holds.shifts.remove(shift);
        }
        if shown > 0 {
            self.note(scene, &listen.org, listen.from, Hearing::Speaks, out);
        }
        released
    }

    /// What is heard of the org of `shift`; asks the lake where own people do not settle it.
    fn hear(&mut self, scene: Scene<'_>, shift: ShiftIndex, out: &mut Vec<Step>) -> Hearing {
        let org = &scene.roster.shift_site(shift).org;
        let clock = scene.clock;
        let known = self.orgs.get(org).and_then(|org| org.last);
        if let Some((_, hearing)) = known.filter(|(at, _)| *at == clock) {
            return hearing;
        }
        let (hearing, from) = self.hear_own(scene, shift);
        let state = self.orgs.entry(org.clone()).or_default();
        state.last = Some((clock, hearing));
        match hearing {
            Hearing::Few => {}
            Hearing::Speaks | Hearing::Silent => self.note(scene, org, from, hearing, out),
            Hearing::Unsure => {
                if state.asking.is_none_or(|at| clock.us_since(at) >= ANSWER_US_MAX) {
                    state.asking = Some(clock);
                    out.push(Step::Listen(question(scene, org, from)));
                }
            }
        }
        hearing
    }

    /// What own people, and what the lake said a moment ago, tell about the org of `shift`; since which start.
    fn hear_own(&self, scene: Scene<'_>, shift: ShiftIndex) -> (Hearing, EventTime) {
        let clock = scene.clock;
        let org = &scene.roster.shift_site(shift).org;
        let state = self.orgs.get(org);
        let recent = clock.plus_us(-DUE_WITHIN_US).min(scene.roster.shift_at(shift).start);
        let from = match state.and_then(|state| state.episode.as_ref()) {
            Some(episode) => episode.from.max(clock.plus_us(-2 * HELD_US_MAX)),
            None => recent,
        };
        let (mut all, mut own, mut shown) = (0, 0, 0);
        let all_max = scene.starts(org, from, clock);
        for shift in scene.due(org, from, clock) {
            all += 1;
            if scene.is_ours(shift) {
                own += 1;
                shown += usize::from(scene.shows(shift));
                if shown > 0 && shown * ONE_IN >= all_max {
                    return (Hearing::Speaks, from);
                }
            }
        }
        let is_enough = own >= STARTS_MIN || own == all;
        let answer = state.and_then(|state| state.answer);
        let answer = answer.filter(|(at, _)| clock.us_since(*at) < ANSWER_HOLDS_US);
        let hearing = if shown > 0 && (shown * ONE_IN >= all || is_enough && shown * ONE_IN >= own) {
            Hearing::Speaks
        } else if all < STARTS_MIN {
            Hearing::Few
        } else if own == all {
            Hearing::Silent
        } else {
            match answer {
                Some((_, true)) => Hearing::Silent,
                Some((_, false)) => Hearing::Speaks,
                None => Hearing::Unsure,
            }
        };
        (hearing, from)
    }

    /// Notes a change of what is heard; the one partition that speaks for the org says it.
    fn note(
        &mut self,
        scene: Scene<'_>,
        org: &Arc<str>,
        from: EventTime,
        hearing: Hearing,
        out: &mut Vec<Step>,
    ) {
        let clock = scene.clock;
        let state = self.orgs.entry(org.clone()).or_default();
        let mut notes = Vec::new();
        if hearing == Hearing::Silent {
            if state.episode.is_none()
                && let Some(finding) = finding(scene, org, from, clock)
            {
                notes.push((AnomalyState::Firing, finding.clone()));
                state.episode = Some(Episode { from, finding });
            }
        } else if let Some(mut episode) = state.episode.take() {
            episode.finding.last_at = clock;
            notes.push((AnomalyState::Resolved, episode.finding));
        } else if self.is_resumed {
            // Whoever owned it before may have said that it is silent, today or the day before. Said again and again, since
            // what was said from further on is left alone until this owner has come there.
            let days = [clock, clock.plus_us(-DAY_US)];
            let findings = days.into_iter().filter_map(|at| finding(scene, org, from, at));
            notes.extend(findings.map(|finding| (AnomalyState::Resolved, finding)));
        }
        if scene.speaks_for(org) {
            let step = |(state, finding)| Step::Silence(SilenceNote { state, finding, clock });
            out.extend(notes.into_iter().map(step));
        }
    }
}

fn counts(punch: &StoredPunch) -> bool {
    punch.origin != model::Origin::Correction && !punch.reasons.contains(model::Reason::ClockSuspect)
}

fn question(scene: Scene<'_>, org: &Arc<str>, from: EventTime) -> Listen {
    let others = || scene.due(org, from, scene.clock).filter(|shift| !scene.is_ours(*shift));
    let people: HashSet<&Arc<str>> = others().map(|shift| scene.employee_id(shift)).collect();
    let mut employee_ids: Vec<Arc<str>> = people.into_iter().cloned().collect();
    employee_ids.sort_unstable();
    let since = others().map(|shift| scene.roster.window(shift).opens).min().unwrap_or(from);
    Listen { org: org.clone(), employee_ids, since, clock: scene.clock, from }
}

/// The finding about the silence of an org on the day of `at`; none of an org without shifts.
fn finding(scene: Scene<'_>, org: &Arc<str>, from: EventTime, at: EventTime) -> Option<Finding> {
    let kind = AnomalyKind::IngestSilent;
    let shift = scene.roster.starts_of(org).first()?;
    let business_date = local_date(at, &scene.roster.shift_site(*shift).time_zone);
    Some(Finding {
        id: anomaly_id(kind, org, &business_date.to_string()),
        kind,
        employee_id: None,
        site_id: None,
        org: org.clone(),
        business_date,
        shift_id: None,
        device_id: None,
        event_ids: Vec::new(),
        minutes: None,
        first_at: from,
        last_at: at,
    })
}
