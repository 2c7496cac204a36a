//! The keys a `[[policy]]` table may set: each one's name, kind, range, and where it goes.
//!
//! In: a key and its value as TOML has it.  Out: the same value in a [`model::Policy`], or why not.  Owns: nothing.
//! Invariants: the keys are those of `schemas::rows::PolicyRow` but for name, applies_to and valid_from, held by
//! `tests::every_key_of_the_contract_can_be_set`.
//! Why so: policies win key by key, so a table is kept as the list of keys it sets and put on the defaults from the
//! weakest table to the strongest; a struct of as many options would say the same three times over.

use model::policy::{
    CorrectionTypes, FieldPhoto, Flex, LateFrom, LateLeave, LateResolution, NightBand, Overtime,
    OvertimeRestDay,
};
use model::{FenceRule, Policy};

use crate::evidence;

/// A value as written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Setting {
    Text(String),
    Integer(i64),
    Number(f64),
}

/// One key.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    /// Puts a value into its place, or says what it should have been.
    pub(crate) set: fn(&mut Policy, &Setting) -> Result<(), String>,
}

/// A week: no window, grace or threshold of one shift is longer.
const WEEK_MIN: i64 = 7 * 24 * 60;
/// A year, for what settles late.
const YEAR_MIN: i64 = 366 * 24 * 60;
const DAY_MS: i64 = 24 * 3_600 * 1_000;
/// As many days in a row as memory reaches back for each punch of a person to whom the rule applies.
const STREAK_DAYS: i64 = 31;

/// Every key, in the contract's order.
pub(crate) const KEYS: &[Key] = &[
    Key {
        name: "evidence",
        set: |policy, setting| put(&mut policy.evidence, text(setting).and_then(evidence::parse)),
    },
    Key {
        name: "fence_rule",
        set: |policy, setting| {
            put(&mut policy.fence_rule, named(setting, FenceRule::from_name, FenceRule::ALL, FenceRule::name))
        },
    },
    Key {
        name: "tolerance_m",
        set: |policy, setting| put(&mut policy.tolerance_m, meters(setting, 0.0, 10_000.0)),
    },
    Key {
        name: "accuracy_max_m",
        set: |policy, setting| put(&mut policy.accuracy_max_m, meters(setting, f64::MIN_POSITIVE, 100_000.0)),
    },
    Key {
        name: "wifi_age_max_ms",
        set: |policy, setting| {
            put(&mut policy.wifi_age_max_ms, whole(setting, 0, DAY_MS).map(|ms| ms as u32))
        },
    },
    Key {
        name: "field_radius_m",
        set: |policy, setting| put(&mut policy.field_radius_m, meters(setting, f64::MIN_POSITIVE, 100_000.0)),
    },
    Key {
        name: "field_photo",
        set: |policy, setting| {
            put(
                &mut policy.field_photo,
                named(setting, FieldPhoto::from_name, FieldPhoto::ALL, FieldPhoto::name),
            )
        },
    },
    Key {
        name: "accept_before_min",
        set: |policy, setting| put(&mut policy.accept_before_min, whole(setting, 0, WEEK_MIN)),
    },
    Key {
        name: "accept_after_min",
        set: |policy, setting| put(&mut policy.accept_after_min, whole(setting, 0, WEEK_MIN)),
    },
    Key {
        name: "grace_in_min",
        set: |policy, setting| put(&mut policy.grace_in_min, whole(setting, 0, WEEK_MIN)),
    },
    Key {
        name: "grace_out_min",
        set: |policy, setting| put(&mut policy.grace_out_min, whole(setting, 0, WEEK_MIN)),
    },
    Key {
        name: "late_from",
        set: |policy, setting| {
            put(&mut policy.late_from, named(setting, LateFrom::from_name, LateFrom::ALL, LateFrom::name))
        },
    },
    Key {
        name: "serious_late_min",
        set: |policy, setting| put(&mut policy.serious_late_min, whole(setting, 0, WEEK_MIN)),
    },
    Key {
        name: "late_as_absent_min",
        set: |policy, setting| put(&mut policy.late_as_absent_min, whole(setting, 0, WEEK_MIN)),
    },
    Key {
        name: "no_show_after_min",
        set: |policy, setting| put(&mut policy.no_show_after_min, whole(setting, 0, WEEK_MIN)),
    },
    Key {
        name: "flex",
        set: |policy, setting| put(&mut policy.flex, named(setting, Flex::from_name, Flex::ALL, Flex::name)),
    },
    Key { name: "flex_min", set: |policy, setting| put(&mut policy.flex_min, whole(setting, 0, WEEK_MIN)) },
    Key { name: "debounce_s", set: |policy, setting| put(&mut policy.debounce_s, whole(setting, 0, 3_600)) },
    Key {
        name: "settle_min",
        set: |policy, setting| put(&mut policy.settle_min, whole(setting, 0, YEAR_MIN)),
    },
    Key {
        name: "reminder_before_min",
        set: |policy, setting| put(&mut policy.reminder_before_min, whole(setting, 0, WEEK_MIN)),
    },
    Key {
        name: "rest_min_hours",
        set: |policy, setting| put(&mut policy.rest_min_hours, whole(setting, 0, 7 * 24)),
    },
    Key {
        name: "consecutive_days_max",
        set: |policy, setting| put(&mut policy.consecutive_days_max, whole(setting, 0, STREAK_DAYS)),
    },
    Key {
        name: "overtime",
        set: |policy, setting| {
            put(&mut policy.overtime, named(setting, Overtime::from_name, Overtime::ALL, Overtime::name))
        },
    },
    Key {
        name: "overtime_after_min",
        set: |policy, setting| put(&mut policy.overtime_after_min, whole(setting, 0, WEEK_MIN)),
    },
    Key {
        name: "overtime_min_min",
        set: |policy, setting| put(&mut policy.overtime_min_min, whole(setting, 0, WEEK_MIN)),
    },
    Key {
        name: "correction_count_max",
        set: |policy, setting| put(&mut policy.correction_count_max, whole(setting, -1, 1_000)),
    },
    Key {
        name: "correction_days_back_max",
        set: |policy, setting| put(&mut policy.correction_days_back_max, whole(setting, -1, 366)),
    },
    Key {
        name: "correction_kinds",
        set: |policy, setting| put(&mut policy.correction_kinds, correction_types(setting)),
    },
    Key {
        name: "overtime_max_min",
        set: |policy, setting| put(&mut policy.overtime_max_min, whole(setting, 0, WEEK_MIN)),
    },
    Key {
        name: "overtime_rest_day",
        set: |policy, setting| {
            let (all, name) = (OvertimeRestDay::ALL, OvertimeRestDay::name);
            put(&mut policy.overtime_rest_day, named(setting, OvertimeRestDay::from_name, all, name))
        },
    },
    Key {
        name: "late_resolution",
        set: |policy, setting| {
            let (all, name) = (LateResolution::ALL, LateResolution::name);
            put(&mut policy.late_resolution, named(setting, LateResolution::from_name, all, name))
        },
    },
    Key {
        name: "late_leave",
        set: |policy, setting| put(&mut policy.late_leave, text(setting).and_then(late_leave)),
    },
    Key {
        name: "hours_day_max",
        set: |policy, setting| put(&mut policy.hours_day_max, whole(setting, 0, 24)),
    },
    Key {
        name: "hours_week_max",
        set: |policy, setting| put(&mut policy.hours_week_max, whole(setting, 0, 7 * 24)),
    },
    Key {
        name: "hours_warn_min",
        set: |policy, setting| put(&mut policy.hours_warn_min, whole(setting, 0, 24 * 60)),
    },
    Key {
        name: "break_after_hours",
        set: |policy, setting| put(&mut policy.break_after_hours, whole(setting, 0, 24)),
    },
    Key {
        name: "break_deduct_min",
        set: |policy, setting| put(&mut policy.break_deduct_min, whole(setting, 0, 60)),
    },
    Key {
        name: "half_day_under_min",
        set: |policy, setting| put(&mut policy.half_day_under_min, whole(setting, 0, 24 * 60)),
    },
    Key { name: "night", set: |policy, setting| put(&mut policy.night, text(setting).and_then(night)) },
];

fn put<T>(place: &mut T, value: Result<T, String>) -> Result<(), String> {
    *place = value?;
    Ok(())
}

fn correction_types(setting: &Setting) -> Result<CorrectionTypes, String> {
    let types = text(setting).ok().and_then(CorrectionTypes::parse);
    types.ok_or_else(|| "write some of missing, late, early, other, separated by `;`".to_owned())
}

fn text(setting: &Setting) -> Result<&str, String> {
    match setting {
        Setting::Text(text) => Ok(text),
        _ => Err("it is a number; write text in quotes".to_owned()),
    }
}

fn named<T: Copy>(
    setting: &Setting,
    from_name: fn(&str) -> Option<T>,
    all: &[T],
    name: fn(T) -> &'static str,
) -> Result<T, String> {
    let names = || all.iter().map(|value| name(*value)).collect::<Vec<_>>().join(", ");
    text(setting).ok().and_then(from_name).ok_or_else(|| format!("write one of {}", names()))
}

fn whole(setting: &Setting, min: i64, max: i64) -> Result<i64, String> {
    match setting {
        Setting::Integer(value) if (min..=max).contains(value) => Ok(*value),
        _ => Err(format!("write a whole number from {min} to {max}")),
    }
}

/// `HH:MM` as minutes, up to `hours_max` exclusive.
fn wall_minutes(text: &str, hours_max: i64) -> Option<i64> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let number = |text: &str| {
        let is_plain = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        is_plain.then(|| text.parse::<i64>().ok()).flatten()
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (hours < hours_max && minutes < 60).then_some(hours * 60 + minutes)
}

fn late_leave(text: &str) -> Result<[LateLeave; 4], String> {
    let remedy = "write up to four rules such as 21:00+60, 26:00+120, the later with the more minutes";
    let mut rules = [LateLeave::default(); 4];
    if text.trim().is_empty() {
        return Ok(rules);
    }
    let mut count = 0;
    for rule in text.split(',') {
        let read = rule.split_once('+').and_then(|(left, excused)| {
            let excused_min = excused.trim().parse().ok().filter(|minutes| (1..=720).contains(minutes))?;
            Some(LateLeave { left_min: wall_minutes(left, 48)?, excused_min })
        });
        let (Some(read), Some(place)) = (read, rules.get_mut(count)) else { return Err(remedy.to_owned()) };
        *place = read;
        count += 1;
    }
    let rises =
        |pair: &[LateLeave]| pair[0].left_min < pair[1].left_min && pair[0].excused_min < pair[1].excused_min;
    if rules[..count].windows(2).all(rises) { Ok(rules) } else { Err(remedy.to_owned()) }
}

fn night(text: &str) -> Result<NightBand, String> {
    if text.trim().is_empty() {
        return Ok(NightBand::default());
    }
    let read = text.split_once('-').and_then(|(from, until)| {
        Some(NightBand { from_min: wall_minutes(from, 24)?, until_min: wall_minutes(until, 24)? })
    });
    let band = read.filter(|band| band.from_min != band.until_min);
    band.ok_or_else(|| "write a stretch of the wall clock such as 22:00-06:00, or nothing".to_owned())
}

fn meters(setting: &Setting, min: f64, max: f64) -> Result<f64, String> {
    let value = match setting {
        Setting::Integer(value) => *value as f64,
        Setting::Number(value) => *value,
        Setting::Text(_) => f64::NAN,
    };
    let bound = if min > 0.0 { "above 0".to_owned() } else { format!("from {min}") };
    if (min..=max).contains(&value) { Ok(value) } else { Err(format!("write metres {bound} to {max}")) }
}

#[cfg(test)]
mod tests {
    use schemas::rows::PolicyRow;

    use super::*;

    #[test]
    fn every_key_of_the_contract_can_be_set() {
        let row = serde_json::to_value(PolicyRow::default()).unwrap();
        let of_table = ["name", "applies_to", "valid_from"];
        let mut in_contract: Vec<&str> = row
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .filter(|key| !of_table.contains(key))
            .collect();
        let mut here: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
        in_contract.sort_unstable();
        here.sort_unstable();
        assert_eq!(here, in_contract);
    }

    fn check(name: &str, setting: Setting, expected: Result<(), &str>) {
        let key = KEYS.iter().find(|key| key.name == name).unwrap();
        let mut policy = Policy::default();
        let got = (key.set)(&mut policy, &setting);
        assert_eq!(got.as_ref().map_err(String::as_str).copied(), expected, "{name} = {setting:?}");
        assert_eq!(policy == Policy::default(), expected.is_err(), "{name} = {setting:?} reaches the policy");
    }

    const LATE_LEAVE: &str =
        "write up to four rules such as 21:00+60, 26:00+120, the later with the more minutes";
    const NIGHT: &str = "write a stretch of the wall clock such as 22:00-06:00, or nothing";

    #[test]
    fn values_are_held_to_their_range() {
        let text = |text: &str| Setting::Text(text.to_owned());
        for (name, setting, expected) in [
            ("grace_in_min", Setting::Integer(5), Ok(())),
            ("grace_in_min", Setting::Integer(-5), Err("write a whole number from 0 to 10080")),
            ("grace_in_min", Setting::Number(5.0), Err("write a whole number from 0 to 10080")),
            ("grace_in_min", text("5"), Err("write a whole number from 0 to 10080")),
            ("tolerance_m", Setting::Integer(5), Ok(())),
            ("tolerance_m", Setting::Number(f64::NAN), Err("write metres from 0 to 10000")),
            ("accuracy_max_m", Setting::Integer(0), Err("write metres above 0 to 100000")),
            ("accuracy_max_m", Setting::Number(f64::INFINITY), Err("write metres above 0 to 100000")),
            ("fence_rule", text("strict"), Ok(())),
            ("fence_rule", text("Strict"), Err("write one of lenient, centre, strict, probability")),
            ("overtime", Setting::Integer(1), Err("write one of off, punched, approved, both")),
            ("evidence", text("wifi_and_gps"), Ok(())),
            ("evidence", Setting::Integer(1), Err("it is a number; write text in quotes")),
            ("debounce_s", Setting::Integer(3_601), Err("write a whole number from 0 to 3600")),
            ("late_leave", text("21:00+60,26:30+120"), Ok(())),
            ("late_leave", text("22:00+60,21:00+120"), Err(LATE_LEAVE)),
            ("late_leave", text("21:00+0"), Err(LATE_LEAVE)),
            ("late_leave", text("48:00+30"), Err(LATE_LEAVE)),
            ("late_leave", text("20:00+1,21:00+2,22:00+3,23:00+4,24:00+5"), Err(LATE_LEAVE)),
            ("late_leave", text("21:00+60,"), Err(LATE_LEAVE)),
            ("night", text("22:00-06:00"), Ok(())),
            ("night", text("22:00-24:00"), Err(NIGHT)),
            ("night", text("22:00-22:00"), Err(NIGHT)),
            ("overtime_rest_day", text("whole"), Ok(())),
            ("late_resolution", text("hour"), Err("write one of minute, second")),
            ("consecutive_days_max", Setting::Integer(32), Err("write a whole number from 0 to 31")),
            ("wifi_age_max_ms", Setting::Integer(i64::MAX), Err("write a whole number from 0 to 86400000")),
        ] {
            check(name, setting, expected);
        }
    }
}
