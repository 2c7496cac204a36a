//! The keys a `[[policy]]` table may set: each one's name, kind, range, and where it goes.
//!
//! In: a key and its value as TOML has it.  Out: the same value in a [`model::Policy`], or why not.  Owns: nothing.
//! Invariants: the keys are those of `schemas::rows::PolicyRow` but for name, applies_to and valid_from, held by
//! `tests::every_key_of_the_contract_can_be_set`.
//! Why so: policies win key by key, so a table is kept as the list of keys it sets and put on the defaults from the
//! weakest table to the strongest; a struct of 26 options would say the same three times over.

use model::policy::{CorrectionTypes, FieldPhoto, Flex, LateFrom, Overtime};
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
        set: |policy, setting| put(&mut policy.consecutive_days_max, whole(setting, 0, 366)),
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
            ("wifi_age_max_ms", Setting::Integer(i64::MAX), Err("write a whole number from 0 to 86400000")),
        ] {
            check(name, setting, expected);
        }
    }
}
