//! Which policy holds, key by key (contract, section 2, "policies").
//!
//! In: tables as written; an org, groups, names, a date.  Out: a policy with every key.
//! Why so: each key is looked for on its own among all tables, as the sentence reads.

use jiff::civil::Date;
use model::Policy;
use model::policy::{
    CorrectionTypes, Flex, LateFrom, LateLeave, LateResolution, NightBand, Overtime, OvertimeRestDay,
};

use crate::world::{Table, World, covers};

/// For whom a policy is asked.
pub(crate) struct Asked<'a> {
    pub(crate) org: &'a str,
    pub(crate) groups: &'a [String],
    /// The names asked for, the one that overrides the others first: the shift's, then the site's.
    pub(crate) names: [Option<&'a str>; 2],
    pub(crate) date: Date,
}

impl Asked<'_> {
    fn applies(&self, table: &Table) -> bool {
        table.valid_from <= self.date
            && match table.applies_to.strip_prefix("group:") {
                Some(group) => self.groups.iter().any(|own| own == group),
                None => covers(&table.applies_to, self.org),
            }
    }
}

/// The policy in force.
pub(crate) fn policy(world: &World, asked: &Asked<'_>) -> Policy {
    let mut policy = Policy::default();
    let mut keys: Vec<&String> = world.policies.iter().flat_map(|table| table.keys.keys()).collect();
    keys.sort();
    keys.dedup();
    for key in keys {
        if let Some(value) = value(world, asked, key) {
            set(&mut policy, key, value);
        }
    }
    policy
}

/// The value of one key: the longest `applies_to` wins, then the latest date; a table that the shift asks for by name goes
/// before one that the site asks for, and that before all others. Who asks by name for a table that does not cover the site
/// means it all the same.
fn value<'a>(world: &'a World, asked: &Asked<'_>, key: &str) -> Option<&'a str> {
    for name in asked.names.into_iter().flatten() {
        let named = || world.policies.iter().filter(|table| table.name.as_deref() == Some(name));
        let covering: Vec<&Table> = named().filter(|table| asked.applies(table)).collect();
        let meant = if covering.is_empty() { named().collect() } else { covering };
        let found = best(meant.into_iter().filter(|table| table.valid_from <= asked.date), key);
        if found.is_some() {
            return found;
        }
    }
    best(world.policies.iter().filter(|table| asked.applies(table)), key)
}

fn best<'a>(tables: impl Iterator<Item = &'a Table>, key: &str) -> Option<&'a str> {
    let sets_it = tables.filter(|table| table.keys.contains_key(key));
    let table = sets_it.max_by_key(|table| (table.applies_to.len(), table.valid_from))?;
    table.keys.get(key).map(String::as_str)
}

fn minute_of(text: &str) -> i64 {
    let (hours, minutes) = text.trim().split_once(':').expect("HH:MM");
    number(hours) * 60 + number(minutes)
}

fn number(text: &str) -> i64 {
    text.trim().parse().unwrap_or_else(|_| panic!("{text} is no number"))
}

fn named<T>(found: Option<T>, text: &str) -> T {
    found.unwrap_or_else(|| panic!("no such value: {text}"))
}

fn set(policy: &mut Policy, key: &str, value: &str) {
    match key {
        "accept_before_min" => policy.accept_before_min = number(value),
        "accept_after_min" => policy.accept_after_min = number(value),
        "grace_in_min" => policy.grace_in_min = number(value),
        "grace_out_min" => policy.grace_out_min = number(value),
        "late_from" => policy.late_from = named(LateFrom::from_name(value), value),
        "serious_late_min" => policy.serious_late_min = number(value),
        "late_as_absent_min" => policy.late_as_absent_min = number(value),
        "no_show_after_min" => policy.no_show_after_min = number(value),
        "flex" => policy.flex = named(Flex::from_name(value), value),
        "flex_min" => policy.flex_min = number(value),
        "debounce_s" => policy.debounce_s = number(value),
        "settle_min" => policy.settle_min = number(value),
        "reminder_before_min" => policy.reminder_before_min = number(value),
        "rest_min_hours" => policy.rest_min_hours = number(value),
        "consecutive_days_max" => policy.consecutive_days_max = number(value),
        "overtime" => policy.overtime = named(Overtime::from_name(value), value),
        "overtime_after_min" => policy.overtime_after_min = number(value),
        "overtime_min_min" => policy.overtime_min_min = number(value),
        "overtime_max_min" => policy.overtime_max_min = number(value),
        "overtime_rest_day" => policy.overtime_rest_day = named(OvertimeRestDay::from_name(value), value),
        "late_resolution" => policy.late_resolution = named(LateResolution::from_name(value), value),
        "correction_count_max" => policy.correction_count_max = number(value),
        "correction_days_back_max" => policy.correction_days_back_max = number(value),
        "correction_kinds" => policy.correction_kinds = named(CorrectionTypes::parse(value), value),
        "hours_day_max" => policy.hours_day_max = number(value),
        "hours_week_max" => policy.hours_week_max = number(value),
        "hours_warn_min" => policy.hours_warn_min = number(value),
        "break_after_hours" => policy.break_after_hours = number(value),
        "break_deduct_min" => policy.break_deduct_min = number(value),
        "half_day_under_min" => policy.half_day_under_min = number(value),
        "night" => {
            let (from, until) = value.split_once('-').expect("HH:MM-HH:MM");
            policy.night = NightBand { from_min: minute_of(from), until_min: minute_of(until) };
        }
        "late_leave" => {
            policy.late_leave = Default::default();
            for (rule, text) in policy.late_leave.iter_mut().zip(value.split(',')) {
                let (left, excused) = text.split_once('+').expect("HH:MM+MINUTES");
                *rule = LateLeave { left_min: minute_of(left), excused_min: number(excused) };
            }
        }
        _ => panic!("{key} is no key that attendance reads"),
    }
}
