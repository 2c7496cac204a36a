//! Policies and calendars made at random.

use std::collections::BTreeMap;

use jiff::civil::Date;
use model::reference::DayKind;
use oracle::{Calendar, Table};

use super::Random;

/// Some keys with values, as one table sets them. Windows are seldom so wide that a month becomes one chain of them.
fn keys(random: &mut Random) -> BTreeMap<String, String> {
    let mut keys = BTreeMap::new();
    let mut set = |key: &str, value: String| _ = keys.insert(key.to_owned(), value);
    if random.happens(50) {
        set("accept_before_min", (random.below(6) * 50).to_string());
        set("accept_after_min", (random.below(8) * 45).to_string());
    }
    if random.happens(60) {
        set("grace_in_min", (random.below(4) * 5).to_string());
        set("grace_out_min", (random.below(3) * 5).to_string());
        set("late_from", random.pick(&["start", "start", "grace_end"]).to_owned());
    }
    if random.happens(40) {
        set("serious_late_min", (random.below(3) * 30).to_string());
        set("late_as_absent_min", (random.below(3) * 60).to_string());
    }
    if random.happens(40) {
        set("flex", random.pick(&["none", "forgive", "slide"]).to_owned());
        set("flex_min", (random.below(4) * 10).to_string());
    }
    if random.happens(40) {
        set("no_show_after_min", random.below(40).to_string());
        set("reminder_before_min", (random.below(5) * 40).to_string());
    }
    if random.happens(30) {
        set("debounce_s", (random.below(4) * 45).to_string());
        set("settle_min", (random.below(3) * 720).to_string());
    }
    if random.happens(70) {
        set("overtime", random.pick(&["off", "punched", "approved", "both"]).to_owned());
        set("overtime_after_min", (random.below(4) * 15).to_string());
        set("overtime_min_min", (random.below(4) * 15).to_string());
        set("overtime_max_min", (random.below(3) * 75).to_string());
        set("overtime_rest_day", random.pick(&["from_end", "whole"]).to_owned());
    }
    if random.happens(40) {
        set("correction_count_max", (random.below(4) - 1).to_string());
        set("correction_days_back_max", (random.below(5) - 1).to_string());
        set(
            "correction_kinds",
            random.pick(&["missing;other", "missing;late;early;other", "late"]).to_owned(),
        );
    }
    looking_back(random, &mut set);
    if random.happens(40) {
        set("break_after_hours", random.below(5).to_string());
        set("break_deduct_min", (random.below(3) * 15).to_string());
        set("half_day_under_min", (random.below(3) * 150).to_string());
    }
    if random.happens(50) {
        set("night", random.pick(&["22:00-06:00", "00:00-05:00", "18:00-23:00"]).to_owned());
        set("late_resolution", random.pick(&["minute", "second"]).to_owned());
    }
    keys
}

fn looking_back(random: &mut Random, set: &mut impl FnMut(&str, String)) {
    if random.happens(35) {
        set("rest_min_hours", (random.below(4) * 6).to_string());
        set("consecutive_days_max", random.below(5).to_string());
    }
    if random.happens(35) {
        set("late_leave", random.pick(&["19:00+30", "18:00+20,21:00+60", "20:00+45,26:00+120"]).to_owned());
    }
    if random.happens(35) {
        set("hours_day_max", (random.below(4) * 4).to_string());
        set("hours_week_max", (random.below(4) * 14).to_string());
        set("hours_warn_min", (random.below(4) * 30).to_string());
    }
}

/// Tables for everybody, for an org, for groups, and one that is asked for by name; some begin within the month.
pub(crate) fn policies(random: &mut Random, first: Date) -> Vec<Table> {
    let mut tables = Vec::new();
    let mut add = |random: &mut Random, name: Option<&str>, applies_to: &str, valid_from: Date| {
        let (name, applies_to) = (name.map(str::to_owned), applies_to.to_owned());
        tables.push(Table { name, applies_to, valid_from, keys: keys(random) });
    };
    let always = first - jiff::Span::new().days(400);
    add(random, None, "", always);
    add(random, Some("special"), "group:only-by-name", always);
    for applies_to in ["acme/north", "acme/north/a", "group:night", "group:part-timers", "acme/south-east"] {
        if random.happens(50) {
            add(random, None, applies_to, always);
        }
        if random.happens(30) {
            let later = first + jiff::Span::new().days(random.between(3, 25));
            add(random, None, applies_to, later);
        }
    }
    tables
}

pub(crate) fn calendars(random: &mut Random, first: Date) -> Vec<Calendar> {
    let mut calendars = Vec::new();
    for applies_to in ["acme", "acme/south-east"] {
        if random.happens(30) {
            continue;
        }
        let mut weekdays = [DayKind::Workday; 7];
        weekdays[6] = DayKind::Rest;
        if random.happens(30) {
            weekdays[5] = DayKind::Rest;
        }
        let mut days = BTreeMap::new();
        for _ in 0..random.below(5) {
            let date = first + jiff::Span::new().days(random.below(30));
            let kinds = [(DayKind::Holiday, true), (DayKind::Holiday, false), (DayKind::Workday, false)];
            days.insert(date, kinds[random.below(3) as usize]);
        }
        calendars.push(Calendar { applies_to: applies_to.to_owned(), weekdays, days });
    }
    calendars
}
