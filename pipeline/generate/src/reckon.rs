//! What is true of a person's day, reckoned from its times by the plainest reading of the contract's section 4.
//!
//! In: duties, a [`Plan`], the policy.  Out: for each record the shift it binds to and its anomaly kinds; for each
//! duty the kinds that no punch shows.  Owns: nothing.
//! Absent on purpose: the story behind the plan: what is true follows from what happened, not from what was meant.
//! Anything that `attendance` does for speed, for restart or for changing facts is absent too: all facts are known.
//! Invariants: a ledger line says what fires at some time, whether or not it resolves later: a no-show that a late
//! arrival or an approved leave resolves is in it.
//! Why so: this is the other opinion that the pipeline is held against; it may be slow, it must be plain.

use model::{AnomalyKind, EventTime, Kind, Policy};

use crate::roster::Duty;
use crate::story::{Plan, Planned, What};

/// What is true of a day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reckoning {
    /// For each record by ordinal: the segment it binds to, and the kinds of anomalies it shows.
    pub(crate) records: Vec<RecordTruth>,
    /// Kinds that no punch shows, with their segment, in the order of the segments.
    pub(crate) without_punch: Vec<(u8, AnomalyKind)>,
    /// Whether some answer hangs on what other people's records the same partition holds; no plan may.
    pub(crate) hangs_on_partition: bool,
}

/// What is true of a record, apart from its place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RecordTruth {
    /// The part of the day that it goes with.
    pub(crate) segment: Option<u8>,
    /// Anomalies that its time shows.
    pub(crate) kinds: Vec<AnomalyKind>,
    /// Whether its place counts: a punch with an impossible clock, or punched again, shows nothing else.
    pub(crate) counts: bool,
}

/// Which end of a shift a punch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    In,
    Out,
    Break,
}

/// A punch with what is known so far.
struct Bound<'p> {
    punch: &'p Planned,
    end: End,
    segment: u8,
}

/// What is true of the day.
pub(crate) fn reckon(duties: &[Duty], plan: &Plan, policy: &Policy, has_shift_near: bool) -> Reckoning {
    let mut truth =
        Reckoning { records: vec![RecordTruth::default(); plan.records.len()], ..Reckoning::default() };
    let mut punches: Vec<&Planned> =
        plan.records.iter().filter(|record| matches!(record.what, What::Punch(_))).collect();
    punches.sort_by_key(|punch| (punch.occurred_at, punch.arrival));
    punches.retain(|punch| {
        let is_suspect = is_suspect(punch);
        if is_suspect {
            truth.records[usize::from(punch.ordinal)].kinds.push(AnomalyKind::ClockSuspect);
        }
        !is_suspect
    });
    let own_clock = |at: EventTime| {
        let arrived = punches.iter().filter(|punch| punch.arrival <= at).map(|punch| punch.occurred_at);
        arrived.max().unwrap_or(EventTime::from_us(0))
    };
    let mut bound: Vec<Bound<'_>> = Vec::new();
    let mut last_of_kind: Vec<&Planned> = Vec::new();
    for punch in &punches {
        let repeats = |last: &&&Planned| {
            last.kind == punch.kind
                && punch.occurred_at.us_since(last.occurred_at) <= policy.debounce_s * 1_000_000
        };
        if let Some(last) = last_of_kind.iter().find(repeats) {
            // Punched again: it goes with the same shift, binds to nothing, and says nothing of its own.
            truth.records[usize::from(punch.ordinal)].segment =
                truth.records[usize::from(last.ordinal)].segment;
            continue;
        }
        last_of_kind.push(punch);
        let record = &mut truth.records[usize::from(punch.ordinal)];
        record.counts = true;
        match bind(duties, &bound, punch) {
            Some((segment, end)) => {
                record.segment = Some(segment);
                bound.push(Bound { punch, end, segment });
            }
            None if has_shift_near => record.kinds.push(AnomalyKind::Unscheduled),
            None => {}
        }
    }
    for duty in duties {
        judge(duty, plan, policy, &bound, &own_clock, &mut truth);
    }
    truth
}

/// Whether the device's clock contradicts the log: no phone is offline for a month here.
fn is_suspect(punch: &Planned) -> bool {
    punch.arrival.us_since(punch.occurred_at).abs() > 31 * 86_400_000_000
}

/// The segment and end that a punch binds to, the earlier ones being bound.
fn bind(duties: &[Duty], bound: &[Bound<'_>], punch: &Planned) -> Option<(u8, End)> {
    let has =
        |duty: &Duty, end: End| bound.iter().any(|other| other.segment == duty.segment && other.end == end);
    let distance = |duty: &Duty| duty.start.us_since(punch.occurred_at).abs();
    let holders: Vec<&Duty> = duties.iter().filter(|duty| duty.holds(punch.occurred_at)).collect();
    let nearest = *holders.iter().min_by_key(|duty| (distance(duty), duty.start))?;
    let end = match punch.kind {
        Kind::In => End::In,
        Kind::Out => End::Out,
        Kind::BreakOut | Kind::BreakIn => End::Break,
        // A time clock that does not say: the first is the in, unless it is nearer to the end than to the start.
        Kind::Auto if has(nearest, End::In) => End::Out,
        Kind::Auto if distance(nearest) < nearest.end.us_since(punch.occurred_at).abs() => End::In,
        Kind::Auto => End::Out,
    };
    let open = holders.iter().find(|duty| has(duty, End::In) && !has(duty, End::Out));
    let unentered = holders.iter().filter(|duty| !has(duty, End::In));
    let duty = match end {
        End::In => *unentered.min_by_key(|duty| (distance(duty), duty.start)).unwrap_or(&nearest),
        End::Out | End::Break => *open.unwrap_or(&nearest),
    };
    Some((duty.segment, end))
}

fn judge(
    duty: &Duty,
    plan: &Plan,
    policy: &Policy,
    bound: &[Bound<'_>],
    own_clock: &impl Fn(EventTime) -> EventTime,
    truth: &mut Reckoning,
) {
    let mine: Vec<&Bound<'_>> = bound.iter().filter(|punch| punch.segment == duty.segment).collect();
    let came = mine.iter().filter(|punch| punch.end == End::In).map(|punch| punch.punch).next();
    let left = mine.iter().filter(|punch| punch.end == End::Out).map(|punch| punch.punch).next_back();
    let (due_start, due_end) = due(duty, plan);
    let on_leave = due_start >= due_end;
    if let (Some(punch), false) = (came, on_leave) {
        let late_min = punch.occurred_at.floor_minute().us_since(due_start).div_euclid(60_000_000);
        if late_min > policy.grace_in_min {
            let is_serious = policy.serious_late_min > 0 && late_min >= policy.serious_late_min;
            let kind = if is_serious { AnomalyKind::SeriousLate } else { AnomalyKind::Late };
            truth.records[usize::from(punch.ordinal)].kinds.push(kind);
        }
    }
    if let (Some(punch), false) = (left, on_leave) {
        let early_min = due_end.us_since(punch.occurred_at).div_euclid(60_000_000);
        if early_min > policy.grace_out_min {
            truth.records[usize::from(punch.ordinal)].kinds.push(AnomalyKind::EarlyLeave);
        }
    }
    let reminded = reminded_at(duty, plan, policy).map(|at| shown_before(&mine, own_clock, at));
    match reminded {
        Some(Some(false)) => truth.without_punch.push((duty.segment, AnomalyKind::Reminder)),
        Some(None) => truth.hangs_on_partition = true,
        Some(Some(true)) | None => {}
    }
    let mut without = |kind| truth.without_punch.push((duty.segment, kind));
    let no_show_at = duty.start.plus_min(policy.grace_in_min + policy.no_show_after_min);
    if !plan.leave.is_some_and(|leave| leave.excuses(no_show_at)) {
        match shown_before(&mine, own_clock, no_show_at) {
            Some(false) => without(AnomalyKind::NoShow),
            Some(true) => {}
            None => truth.hangs_on_partition = true,
        }
    }
    let closes = duty.closes();
    truth.hangs_on_partition |= mine.iter().any(|punch| punch.punch.arrival >= closes);
    let mut without = |kind| truth.without_punch.push((duty.segment, kind));
    let mended = |kind| {
        let mends = plan.correction.filter(|mend| mend.segment == duty.segment && mend.kind == kind);
        mends.is_some_and(|mend| mend.approved_at <= closes)
    };
    if on_leave && plan.leave.is_some_and(|leave| leave.approved_at <= closes) {
        return;
    }
    match (came.is_some() || mended(Kind::In), left.is_some() || mended(Kind::Out)) {
        (false, false) => without(AnomalyKind::Absent),
        (false, true) => without(AnomalyKind::MissingIn),
        (true, false) => without(AnomalyKind::MissingOut),
        (true, true) => {}
    }
}

/// Whether any of these punches is known when the log's clock reaches `at`; nobody can tell where it hangs on others.
fn shown_before(
    mine: &[&Bound<'_>],
    own_clock: &impl Fn(EventTime) -> EventTime,
    at: EventTime,
) -> Option<bool> {
    // The clock is at least what the person's own records say, and at most the present.
    match mine.iter().map(|punch| punch.punch.arrival).min() {
        None => Some(false),
        Some(first) if own_clock(first) >= at => Some(false),
        Some(first) if first < at => Some(true),
        Some(_) => None,
    }
}

/// When the person is reminded of the duty unless there: before its start, or before the end of leave that is in force by
/// then; not at all where nothing is left of it, or where nobody is reminded.
fn reminded_at(duty: &Duty, plan: &Plan, policy: &Policy) -> Option<EventTime> {
    let before = |start: EventTime| start.plus_min(-policy.reminder_before_min);
    let planned = before(duty.start);
    let (due_start, due_end) = match plan.leave {
        Some(leave) if leave.approved_at <= planned => due(duty, plan),
        _ => (duty.start, duty.end),
    };
    (policy.reminder_before_min > 0 && due_start < due_end).then(|| before(due_start))
}

/// When the duty begins and ends once leave over one end is taken off; nothing is left of it if it is all leave.
fn due(duty: &Duty, plan: &Plan) -> (EventTime, EventTime) {
    let Some(leave) = plan.leave else { return (duty.start, duty.end) };
    let start = if leave.from <= duty.start && leave.until > duty.start { leave.until } else { duty.start };
    let end = if leave.until >= duty.end && leave.from < duty.end { leave.from } else { duty.end };
    (start, end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::{PlannedCorrection, PlannedLeave, Scene};

    fn time(text: &str) -> EventTime {
        let (hour, minute) = text.split_once(':').unwrap();
        let (minute, second) = minute.split_once(':').unwrap_or((minute, "30"));
        let [hour, minute, second] = [hour, minute, second].map(|part| part.parse::<i64>().unwrap());
        EventTime::from_us(1_000 * 86_400_000_000).plus_min(hour * 60 + minute).plus_s(second)
    }

    fn duty(segment: u8, start: &str, end: &str) -> Duty {
        Duty {
            day: 0,
            segment,
            start: time(start).floor_minute(),
            end: time(end).floor_minute(),
            lunch: None,
        }
    }

    /// One word a fact: `in 08:55`, `out 18:05@20:00` (what the device says @ when it arrives, else a second later),
    /// `leave 09:00-11:00@07:00`, `mend-out 18:00@19:00`, `grace 5`, `remind 15` (else nobody is). Told: what each punch shows, then the rest.
    fn check(duties: &[Duty], facts: &str, told: &str) {
        let mut plan = Plan::default();
        let mut policy = Policy { reminder_before_min: 0, ..Policy::default() };
        for fact in facts.split(", ") {
            let (word, rest) = fact.split_once(' ').unwrap();
            let (said, arrival) = rest.split_once('@').unwrap_or((rest, ""));
            let at = |text: &str| if arrival.is_empty() { time(text).plus_s(1) } else { time(arrival) };
            match word {
                "grace" => policy.grace_in_min = rest.parse().unwrap(),
                "remind" => policy.reminder_before_min = rest.parse().unwrap(),
                "leave" => {
                    let (from, until) = said.split_once('-').unwrap();
                    let (from, until) = (time(from).floor_minute(), time(until).floor_minute());
                    plan.leave = Some(PlannedLeave { from, until, approved_at: at(said) });
                }
                "mend-in" | "mend-out" => {
                    let kind = if word == "mend-in" { Kind::In } else { Kind::Out };
                    let (occurred_at, approved_at) = (time(said), at(said));
                    plan.correction = Some(PlannedCorrection { segment: 0, kind, occurred_at, approved_at });
                }
                _ => plan.records.push(Planned {
                    ordinal: plan.records.len() as u8,
                    what: What::Punch(Scene::AtStore),
                    kind: Kind::from_name(word).unwrap(),
                    store: 0,
                    occurred_at: time(said),
                    arrival: at(said),
                }),
            }
        }
        let truth = reckon(duties, &plan, &policy, true);
        let names =
            |kinds: &[AnomalyKind]| kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join("+");
        let records = truth.records.iter().map(|record| match (record.segment, record.counts) {
            (Some(segment), true) => format!("{segment}{}", names(&record.kinds)),
            (Some(segment), false) => format!("({segment})"),
            (None, true) => format!("-{}", names(&record.kinds)),
            (None, false) => format!("x{}", names(&record.kinds)),
        });
        let mut all: Vec<String> = records.collect();
        all.extend(truth.without_punch.iter().map(|(segment, kind)| format!("{segment}:{}", kind.name())));
        if truth.hangs_on_partition {
            all.push("hangs".to_owned());
        }
        assert_eq!(all.join(" "), told, "{facts}");
    }

    #[test]
    fn a_day_shift_is_judged_as_the_contract_says() {
        let day = [duty(0, "09:00", "18:00")];
        for (facts, told) in [
            ("in 08:55, out 18:05", "0 0"),
            ("in 09:00:59, out 18:00", "0 0"),
            ("in 09:01:00, out 18:00", "0late 0"),
            ("grace 15, in 09:15:59, out 18:00", "0 0"),
            ("grace 15, in 09:16, out 18:00", "0late 0"),
            ("in 09:14, out 18:00", "0late 0"),
            ("in 09:15, out 18:00", "0late 0 0:no_show"),
            ("grace 15, in 09:20, out 18:00", "0late 0"),
            ("in 09:59, out 18:00", "0late 0 0:no_show"),
            ("in 10:00, out 18:00", "0serious_late 0 0:no_show"),
            ("in 08:55, out 17:59:30", "0 0"),
            ("in 08:55, out 17:58:30", "0 0early_leave"),
            ("in 08:55", "0 0:missing_out"),
            ("out 18:05", "0 0:no_show 0:missing_in"),
            ("grace 0", "0:no_show 0:absent"),
            ("in 08:55@18:06, out 18:05", "0 0 0:no_show"),
            ("in 08:55@09:20, out 18:05", "0 0 hangs"),
            ("in 08:55, out 18:05@20:00", "0 0"),
            ("in 08:55, out 18:05@23:00", "0 0 hangs"),
            ("in 08:55, in 08:55:50, out 18:05", "0 (0) 0"),
            ("in 08:55, in 08:57, out 18:05", "0 0 0"),
            ("in 06:55, out 18:05", "-unscheduled 0 0:no_show 0:missing_in"),
            ("in 08:55, out 18:05, in 23:00, out 23:59", "0 0 -unscheduled -unscheduled"),
            ("in 08:55, break_out 13:01, break_in 13:55, out 18:05", "0 0 0 0"),
            ("in 08:55, out 9000:00@18:05", "0 xclock_suspect 0:missing_out"),
            ("auto 08:55, auto 18:05", "0 0"),
            ("auto 11:00, auto 18:05", "0serious_late 0 0:no_show"),
            ("auto 18:05", "0 0:no_show 0:missing_in"),
            ("auto 08:55", "0 0:missing_out"),
        ] {
            check(&day, facts, told);
        }
    }

    #[test]
    fn leave_and_corrections_take_away_what_they_explain() {
        let day = [duty(0, "09:00", "18:00")];
        for (facts, told) in [
            ("leave 08:00-19:00@07:00", ""),
            ("leave 08:00-19:00@10:00", "0:no_show"),
            ("leave 09:00-11:00@07:00, in 10:55, out 18:05", "0 0"),
            ("leave 09:00-11:00@07:00, in 11:05, out 18:05", "0late 0"),
            ("leave 16:00-18:00@07:00, in 08:55, out 16:02", "0 0"),
            ("leave 16:00-18:00@07:00, in 08:55, out 15:02", "0 0early_leave"),
            ("in 08:55, mend-out 18:00@19:00", "0"),
            ("in 08:55, mend-out 18:00@23:00", "0 0:missing_out"),
            ("in 09:05, mend-in 08:58@12:00, out 18:05", "0late 0"),
        ] {
            check(&day, facts, told);
        }
    }

    #[test]
    fn who_is_not_there_is_reminded() {
        let day = [duty(0, "09:00", "18:00")];
        for (facts, told) in [
            ("remind 15, in 08:44:40, out 18:05", "0 0"),
            ("remind 15, in 08:45:00, out 18:05", "0 0 0:reminder"),
            ("remind 15, in 08:44:58@08:45:02, out 18:05", "0 0 hangs"),
            ("remind 5, in 08:44, out 18:05@18:07", "0 0"),
            ("remind 15", "0:reminder 0:no_show 0:absent"),
            ("remind 15, leave 08:00-19:00@07:00", ""),
            ("remind 15, leave 08:00-19:00@10:00", "0:reminder 0:no_show"),
            ("remind 15, leave 09:00-11:00@07:00, in 10:44, out 18:05", "0 0"),
            ("remind 15, leave 09:00-11:00@07:00, in 10:46, out 18:05", "0 0 0:reminder"),
        ] {
            check(&day, facts, told);
        }
    }

    #[test]
    fn a_split_days_punches_go_to_the_part_they_belong_to() {
        let split = [duty(0, "10:00", "14:00"), duty(1, "17:00", "21:00")];
        for (facts, told) in [
            ("in 09:55, out 14:05, in 16:55, out 21:05", "0 0 1 1"),
            ("in 09:55, in 16:55, out 21:05", "0 1 1 0:missing_out"),
            ("in 09:55, out 14:05, in 17:40, out 21:05", "0 0 1late 1 1:no_show"),
            ("out 14:05, in 16:55, out 21:05", "0 1 1 0:no_show 0:missing_in"),
            ("in 09:55, out 14:05, out 21:05", "0 0 1 1:no_show 1:missing_in"),
            ("in 09:55, out 14:05@16:58, in 16:55, out 21:05", "0 0 1 1"),
            ("grace 0", "0:no_show 0:absent 1:no_show 1:absent"),
        ] {
            check(&split, facts, told);
        }
    }
}
