//! A small language for days: sites, a policy, shifts, leave, corrections and punches in, outcomes and findings out.
//!
//! Statements end at `;` or at the end of the line. Times are `HH:MM[:SS]` on the site's wall clock from `date` on, hours
//! beyond 23 are the days after, a leading `-1d` or `+3d` moves days; `u` in front means UTC.
//!
//!     zone Europe/London            the zone of the sites A, B, C (home: A, allowed: B); default Asia/Hong_Kong
//!     date 2026-11-02               day 0; default a Monday
//!     policy grace_in=15 flex=slide …    the contract's defaults, but nobody is reminded
//!     policy@NAME rest=11 …         what a policy of that name sets otherwise than the one above
//!     shift s1 09:00-18:00 [at B] [break 12:00-13:00] [paid 15:00-15:15] [free] [cancelled] [as NAME]
//!     leave l1 09:00-12:00 [type overtime] [from 10:30] [pending]        `from`: when approved
//!     correct c1 in 09:00 [for s1] [from 20:00] [pending]
//!     in 08:58 [at B] [outside|none] [mocked] [suspect] [arrives 20:00] [terminal|correction] [id x]
//!     calendar 1 holiday            day 1 is a holiday (or rest, workday) everywhere
//!     swap 12:00 shift s1 10:00-19:00   from then on the row of that id is so; `swap 12:00 drop s1`: it is gone;
//!                                   `swap 12:00 calendar …` and `swap 12:00 policy …` too
//!     clock 10:00                   stop there; default: run until everything has settled
//!     since 07:00                   where the log begins; default: two days before day 0

// Each test binary uses a part of this; and these helpers are test code outside of test functions.
#![allow(dead_code, unused_imports, clippy::unwrap_used)]

mod life;
mod random;

use std::sync::Arc;

use attendance::*;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use model::anomaly::Finding;
use model::policy::{
    CorrectionTypes, Flex, LateFrom, LateLeave, LateResolution, NightBand, Overtime, OvertimeRestDay,
};
use model::reference::*;
use model::shift_result::ShiftOutcome;
use model::*;

pub(crate) use life::*;
pub(crate) use random::*;

pub(crate) const EMPLOYEE: &str = "E1";

/// A punch as it arrives.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) event_id: String,
    pub(crate) kind: Kind,
    pub(crate) occurred_at: EventTime,
    pub(crate) arrives_at: EventTime,
    pub(crate) place: Place,
    pub(crate) site: Option<SiteIndex>,
    pub(crate) reasons: Reasons,
    pub(crate) origin: Origin,
    pub(crate) device_id: String,
}

/// One person's days.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) reference: Reference,
    pub(crate) zone: TimeZone,
    pub(crate) date: Date,
    pub(crate) sent: Vec<Sent>,
    pub(crate) clock: Option<EventTime>,
    pub(crate) since: EventTime,
    /// The names of the policies behind the first.
    policies: Vec<String>,
    /// Statements that hold from an instant on, by instant.
    swaps: Vec<(EventTime, String)>,
}

impl World {
    pub(crate) fn parse(script: &str) -> Self {
        let statements: Vec<Vec<&str>> = script
            .split(['\n', ';'])
            .map(|line| line.split_whitespace().collect())
            .filter(|w: &Vec<_>| !w.is_empty())
            .collect();
        let setting = |name: &str| statements.iter().find(|words| words[0] == name).map(|words| words[1]);
        let zone_name = setting("zone").unwrap_or("Asia/Hong_Kong");
        let mut world = Self {
            reference: Reference::default(),
            zone: TimeZone::get(zone_name).unwrap(),
            date: setting("date").unwrap_or("2026-11-02").parse().unwrap(),
            sent: Vec::new(),
            clock: None,
            since: EventTime::from_us(0),
            policies: Vec::new(),
            swaps: Vec::new(),
        };
        world.since = world.time("-2d00:00");
        let reference = &mut world.reference;
        reference.sites = ["A", "B", "C"].map(|id| site(id, zone_name)).into_iter().collect();
        reference.policies = vec![Policy { reminder_before_min: 0, ..Policy::default() }];
        reference.people.push(Person {
            employee_id: EMPLOYEE.into(),
            org: "hk".into(),
            home_site: Some(SiteIndex(0)),
            allowed_sites: vec![SiteIndex(1)],
            groups: vec![],
            managers: vec![],
            location_declined: false,
            joined: None,
            left: None,
        });
        for words in &statements {
            world.statement(words);
        }
        world.swaps.sort_by_key(|(at, _)| *at);
        world.sort();
        world
    }

    fn sort(&mut self) {
        let reference = &mut self.reference;
        reference.shifts.sort_by(|a, b| (a.start, &a.shift_id).cmp(&(b.start, &b.shift_id)));
        reference.leave.sort_by(|a, b| (a.from, &a.leave_id).cmp(&(b.from, &b.leave_id)));
        reference.corrections.sort_by_key(|row| row.occurred_at);
    }

    /// The instant of the first swap behind `clock`.
    pub(crate) fn next_swap(&self, clock: Option<EventTime>) -> Option<EventTime> {
        self.swaps.iter().map(|(at, _)| *at).find(|at| clock.is_none_or(|clock| *at > clock))
    }

    /// The world whose reference data hold at `clock`.
    pub(crate) fn as_of(&self, clock: EventTime) -> Self {
        let mut world = self.clone();
        for (_, statement) in self.swaps.iter().filter(|(at, _)| *at <= clock) {
            let words: Vec<&str> = statement.split(' ').collect();
            let reference = &mut world.reference;
            reference.shifts.retain(|row| &*row.shift_id != words[1]);
            reference.leave.retain(|row| &*row.leave_id != words[1]);
            reference.corrections.retain(|row| &*row.correction_id != words[1]);
            if words[0] != "drop" {
                world.statement(&words);
            }
        }
        world.sort();
        world
    }

    /// An instant written as in the language.
    pub(crate) fn time(&self, text: &str) -> EventTime {
        let (zone, text) = match text.strip_prefix('u') {
            Some(rest) => (TimeZone::UTC, rest),
            None => (self.zone.clone(), text),
        };
        let (days, clock) =
            text.split_once('d').map_or((0, text), |(days, clock)| (days.parse().unwrap(), clock));
        let parts: Vec<i64> = clock.split(':').map(|part| part.parse().unwrap()).collect();
        let hours = parts[0] + 24 * days;
        let date = self.date + jiff::Span::new().days(hours.div_euclid(24));
        let (hour, minute) = (hours.rem_euclid(24) as i8, parts[1] as i8);
        let civil = date.at(hour, minute, parts.get(2).copied().unwrap_or(0) as i8, 0);
        EventTime::from(zone.to_ambiguous_timestamp(civil).compatible().unwrap())
    }

    fn span(&self, text: &str) -> (EventTime, EventTime) {
        let separator = text[1..].find('-').unwrap() + 1;
        (self.time(&text[..separator]), self.time(&text[separator + 1..]))
    }

    fn site(&self, id: &str) -> SiteIndex {
        SiteIndex(self.reference.sites.iter().position(|site| &*site.site_id == id).unwrap() as u32)
    }

    fn statement(&mut self, words: &[&str]) {
        let after = |word: &str| words.iter().position(|w| *w == word).map(|at| words[at + 1]);
        let status = words.iter().find_map(|word| RequestStatus::from_name(word));
        let status = status.unwrap_or(RequestStatus::Approved);
        // `by M1@10:00 by M2@16:00`: two levels; `from 10:00` tells nobody.
        let mut approvals: Vec<Approval> = Vec::new();
        for (word, value) in words.iter().zip(words.iter().skip(1)) {
            let level = Some(approvals.len() as u32 + 1);
            match (*word, value.split_once('@')) {
                ("by", Some((by, at))) => {
                    approvals.push(Approval { level, by: Some(by.into()), at: self.time(at) });
                }
                ("from", None) => approvals.push(Approval { level: None, by: None, at: self.time(value) }),
                _ => {}
            }
        }
        match words[0] {
            "zone" | "date" => {}
            "policy" => words[1..].iter().for_each(|pair| set(&mut self.reference.policies[0], pair)),
            "calendar" => {
                let date = self.date + jiff::Span::new().days(words[1].parse::<i64>().unwrap());
                let kind = DayKind::from_name(words[2]).unwrap();
                let blank =
                    || Calendar { applies_to: "".into(), days: vec![], weekdays: [DayKind::Workday; 7] };
                let mut calendar = self.reference.calendars.pop().unwrap_or_else(blank);
                calendar.days.retain(|day| day.date != date);
                calendar.days.push(CalendarDay { date, kind, is_statutory: false, is_estimated: false });
                calendar.days.sort_unstable_by_key(|day| day.date);
                self.reference.calendars.push(calendar);
            }
            "swap" => self.swaps.push((self.time(words[1]), words[2..].join(" "))),
            named if named.starts_with("policy@") => {
                let policy = self.policy(&named["policy@".len()..]).0 as usize;
                words[1..].iter().for_each(|pair| set(&mut self.reference.policies[policy], pair));
            }
            "clock" => self.clock = Some(self.time(words[1])),
            "since" => self.since = self.time(words[1]),
            "shift" => self.shift(words),
            "leave" => {
                let (from, until) = self.span(words[2]);
                let row = Leave {
                    leave_id: words[1].into(),
                    person: PersonIndex(0),
                    from,
                    until,
                    leave_type: after("type").unwrap_or("annual").into(),
                    status,
                    approvals: approvals.clone(),
                    effective_at: approvals.iter().map(|approval| approval.at).max(),
                    place: None,
                    compensation: None,
                };
                self.reference.leave.push(row);
            }
            "correct" => {
                let row = Correction {
                    correction_id: words[1].into(),
                    person: PersonIndex(0),
                    kind: CorrectionKind::from_name(words[2]).unwrap(),
                    occurred_at: self.time(words[3]),
                    shift_id: after("for").map(Into::into),
                    correction_type: after("as")
                        .map_or(CorrectionType::Missing, |kind| CorrectionType::from_name(kind).unwrap()),
                    status,
                    approvals: approvals.clone(),
                    effective_at: approvals.iter().map(|approval| approval.at).max(),
                };
                self.reference.corrections.push(row);
            }
            _ => self.punch(words),
        }
    }

    fn punch(&mut self, words: &[&str]) {
        let after = |word: &str| words.iter().position(|w| *w == word).map(|at| words[at + 1]);
        let has = |word: &str| words.contains(&word);
        let kind = Kind::from_name(words[0]).unwrap_or_else(|| panic!("no statement: {words:?}"));
        let occurred_at = self.time(words[1]);
        let mut reasons = Reasons::EMPTY;
        for (word, reason) in [("mocked", Reason::Mocked), ("contradicts", Reason::ContradictionWifiGps)] {
            if has(word) {
                reasons.insert(reason);
            }
        }
        if has("suspect") {
            reasons.insert(Reason::ClockSuspect);
        }
        let place = if has("outside") {
            Place::Outside
        } else if has("none") {
            Place::NoEvidence
        } else {
            Place::Inside
        };
        let site = (place == Place::Inside).then(|| self.site(after("at").unwrap_or("A")));
        let origins = [("terminal", Origin::Terminal), ("correction", Origin::Correction)];
        let origin = origins.iter().find(|(word, _)| has(word)).map_or(Origin::Phone, |(_, origin)| *origin);
        self.sent.push(Sent {
            event_id: after("id").map_or_else(|| format!("e{}", self.sent.len() + 1), str::to_owned),
            kind,
            occurred_at,
            arrives_at: after("arrives").map_or(occurred_at, |at| self.time(at)),
            place,
            site,
            reasons,
            origin,
            device_id: after("device").unwrap_or("").to_owned(),
        });
    }

    /// The policy of that name, at first the same as the nameless one.
    fn policy(&mut self, name: &str) -> PolicyIndex {
        let known = self.policies.iter().position(|known| known == name);
        let at = known.unwrap_or_else(|| {
            self.policies.push(name.to_owned());
            self.reference.policies.push(self.reference.policies[0].clone());
            self.policies.len() - 1
        });
        PolicyIndex(at as u32 + 1)
    }

    fn shift(&mut self, words: &[&str]) {
        let (start, end) = self.span(words[2]);
        let mut breaks = Vec::new();
        for pair in words.windows(2).filter(|pair| matches!(pair[0], "break" | "paid")) {
            let (from, until) = self.span(pair[1]);
            breaks.push(Break { start: from, end: until, paid: pair[0] == "paid" });
        }
        breaks.sort_by_key(|b| b.start);
        let site = words.iter().position(|w| *w == "at").map_or(SiteIndex(0), |at| self.site(words[at + 1]));
        let policy = words.iter().position(|word| *word == "as").map(|at| self.policy(words[at + 1]));
        let policy = policy.unwrap_or(PolicyIndex(0));
        let row = Shift {
            shift_id: words[1].into(),
            person: PersonIndex(0),
            site,
            business_date: self.zone.to_datetime(start.timestamp()).date(),
            segment: 0,
            start,
            end,
            breaks,
            kind: if words.contains(&"free") { ShiftKind::Free } else { ShiftKind::Fixed },
            plan: if words.contains(&"cancelled") { ShiftPlan::Cancelled } else { ShiftPlan::Planned },
            policy,
        };
        self.reference.shifts.push(row);
    }

    pub(crate) fn roster(&self) -> Arc<Roster> {
        Arc::new(Roster::new(Arc::new(self.reference.clone())))
    }

    pub(crate) fn local(&self, at: EventTime) -> String {
        let local = self.zone.to_datetime(at.timestamp());
        let days = (local.date() - self.date).get_days();
        let day = if days == 0 { String::new() } else { format!("{days:+}d") };
        let seconds = if local.second() == 0 { String::new() } else { format!(":{:02}", local.second()) };
        format!("{day}{:02}:{:02}{seconds}", local.hour(), local.minute())
    }

    /// One line for an outcome: what is not zero, not missing and not said by the shift itself.
    pub(crate) fn outcome(&self, outcome: &ShiftOutcome) -> String {
        let mut line = format!("{} {}", outcome.shift_id, outcome.status.name());
        let mut add = |text: String| line += &format!(" {text}");
        let ends = [
            ("in", outcome.first_in, &outcome.in_event_id, &outcome.in_site_id),
            ("out", outcome.last_out, &outcome.out_event_id, &outcome.out_site_id),
        ];
        for (name, at, event, site) in ends {
            let Some(at) = at else { continue };
            let by = if event.is_some() { "" } else { "*" };
            let site = site.as_ref().filter(|site| **site != outcome.site_id);
            let site = site.map(|site| format!("@{site}")).unwrap_or_default();
            add(format!("{name} {}{by}{site}", self.local(at)));
        }
        let numbers = [
            ("late", outcome.late_min),
            ("early", outcome.early_min),
            ("break", outcome.break_min),
            ("leave", outcome.leave_min),
            ("overtime", outcome.overtime_min),
        ];
        match outcome.worked_s {
            None => add("worked ?".to_owned()),
            Some(0) => {}
            Some(s) if s % 60 == 0 => add(format!("worked {}:{:02}", s / 3600, s / 60 % 60)),
            Some(s) => add(format!("worked {}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)),
        }
        for (name, minutes) in numbers {
            if minutes != 0 {
                add(format!("{name} {minutes}"));
            }
        }
        if outcome.night_s != 0 {
            add(format!("night {}:{:02}", outcome.night_s / 3600, outcome.night_s / 60 % 60));
        }
        add(format!("due {}", outcome.due_min));
        for (flag, name) in [
            (outcome.break_auto, "auto"),
            (outcome.missing_in, "-in"),
            (outcome.missing_out, "-out"),
            (!outcome.is_final, "open"),
        ] {
            if flag {
                add(name.to_owned());
            }
        }
        outcome.reasons.iter().for_each(|reason| add((*reason).to_owned()));
        let shares = &outcome.leave_minutes;
        assert_eq!((shares.len(), shares.iter().sum()), (outcome.leave_ids.len(), outcome.leave_min));
        // A lone leave has all of the minutes that the line told already.
        let leave: Vec<String> = match &outcome.leave_ids[..] {
            [one] => vec![one.to_string()],
            more => more.iter().zip(shares).map(|(id, minutes)| format!("{id} {minutes}")).collect(),
        };
        let corrections: Vec<String> = outcome.correction_ids.iter().map(ToString::to_string).collect();
        for ids in [leave, corrections].into_iter().filter(|ids| !ids.is_empty()) {
            add(format!("({})", ids.join(",")));
        }
        line
    }

    /// One line for a finding: kind, shift or day, minutes, the punches.
    pub(crate) fn finding(&self, finding: &Finding) -> String {
        let instance = match &finding.shift_id {
            Some(shift_id) => shift_id.to_string(),
            None => format!("day{}", (finding.business_date - self.date).get_days()),
        };
        let minutes = finding.minutes.map(|minutes| format!(" {minutes}")).unwrap_or_default();
        let events = if finding.event_ids.is_empty() {
            String::new()
        } else {
            format!(" [{}]", finding.event_ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
        };
        format!("! {} {instance}{minutes}{events}", finding.kind.name())
    }
}

fn site(id: &str, zone: &str) -> Site {
    Site {
        site_id: id.into(),
        name: id.into(),
        org: format!("hk/{}", id.to_lowercase()).into(),
        time_zone: TimeZone::get(zone).unwrap(),
        time_zone_name: zone.into(),
        fence: Fence::Circle { centre: LonLat::new(114.17, 22.31).unwrap(), radius_m: 100.0 },
        tolerance_m: None,
        policy: None,
        bssids: vec![],
        beacons: vec![],
        terminals: vec![],
        managers: vec![],
        valid_from: None,
        valid_to: None,
    }
}

fn set(policy: &mut Policy, pair: &str) {
    let (key, value) = pair.split_once('=').unwrap();
    let number = || value.parse::<i64>().unwrap();
    match key {
        "before" => policy.accept_before_min = number(),
        "after" => policy.accept_after_min = number(),
        "grace_in" => policy.grace_in_min = number(),
        "grace_out" => policy.grace_out_min = number(),
        "late_from" => policy.late_from = LateFrom::from_name(value).unwrap(),
        "serious" => policy.serious_late_min = number(),
        "as_absent" => policy.late_as_absent_min = number(),
        "no_show" => policy.no_show_after_min = number(),
        "flex" => policy.flex = Flex::from_name(value).unwrap(),
        "flex_min" => policy.flex_min = number(),
        "debounce" => policy.debounce_s = number(),
        "settle" => policy.settle_min = number(),
        "overtime" => policy.overtime = Overtime::from_name(value).unwrap(),
        "overtime_after" => policy.overtime_after_min = number(),
        "overtime_min" => policy.overtime_min_min = number(),
        "fix_max" => policy.correction_count_max = number(),
        "fix_days" => policy.correction_days_back_max = number(),
        "fix_kinds" => policy.correction_kinds = CorrectionTypes::parse(&value.replace('+', ";")).unwrap(),
        "reminder" => policy.reminder_before_min = number(),
        "rest" => policy.rest_min_hours = number(),
        "days_max" => policy.consecutive_days_max = number(),
        "day_hours" => policy.hours_day_max = number(),
        "week_hours" => policy.hours_week_max = number(),
        "warn" => policy.hours_warn_min = number(),
        // `late_leave=1260+60,1560+120`: minutes of the day.
        "overtime_max" => policy.overtime_max_min = number(),
        "rest_day" => policy.overtime_rest_day = OvertimeRestDay::from_name(value).unwrap(),
        "resolution" => policy.late_resolution = LateResolution::from_name(value).unwrap(),
        "break_after" => policy.break_after_hours = number(),
        "break_deduct" => policy.break_deduct_min = number(),
        "half_day" => policy.half_day_under_min = number(),
        // `night=1320-360`: minutes of the day.
        "night" => {
            let (from, until) = value.split_once('-').unwrap();
            policy.night = NightBand { from_min: from.parse().unwrap(), until_min: until.parse().unwrap() };
        }
        "late_leave" => {
            for (rule, pair) in policy.late_leave.iter_mut().zip(value.split(',')) {
                let (left, excused) = pair.split_once('+').unwrap();
                let (left_min, excused_min) = (left.parse().unwrap(), excused.parse().unwrap());
                *rule = LateLeave { left_min, excused_min };
            }
        }
        _ => panic!("no policy key {key}"),
    }
}
