//! What rows take and refuse.

use std::collections::BTreeSet;

use super::*;

fn keys<R: ReferenceRow + JsonSchema>() -> (BTreeSet<String>, BTreeSet<String>) {
    let schema = schemars::schema_for!(R);
    let properties = schema.get("properties").and_then(|value| value.as_object()).unwrap();
    (properties.keys().cloned().collect(), R::FIELDS.iter().map(|field| field.name.to_owned()).collect())
}

#[test]
fn fields_are_the_keys_of_the_json_schema() {
    let all = [
        keys::<SiteProperties>(),
        keys::<OrgRow>(),
        keys::<PersonRow>(),
        keys::<ShiftRow>(),
        keys::<LeaveRow>(),
        keys::<CorrectionRow>(),
    ];
    for (in_schema, in_fields) in all {
        assert_eq!(in_schema, in_fields);
    }
}

#[test]
fn a_policy_takes_dates_in_both_spellings_and_no_unknown_key() {
    for date in ["2026-01-01", "\"2026-01-01\""] {
        let file: PolicyFile =
            toml::from_str(&format!("[[policy]]\nvalid_from = {date}\ntolerance_m = 5\nflex_min = 3\n"))
                .unwrap();
        assert_eq!(file.policy[0].valid_from.as_deref(), Some("2026-01-01"));
        assert_eq!((file.policy[0].tolerance_m, file.policy[0].flex_min), (Some(5.0), Some(3)));
        assert_eq!(file.policy[0].grace_in_min, None);
    }
    let refused = toml::from_str::<PolicyFile>("[[policy]]\ngrace_in_minutes = 5\n").unwrap_err();
    assert!(refused.to_string().contains("unknown field `grace_in_minutes`"), "{refused}");
    let refused = toml::from_str::<PolicyFile>("[[policy]]\nvalid_from = { day = 1 }\n");
    assert!(refused.is_err());
}

#[test]
fn every_key_of_the_policy_in_the_model_is_a_key_of_the_row() {
    let row = serde_json::to_value(PolicyRow::default()).unwrap();
    let debug = format!("{:#?}", model::Policy::default());
    let in_model: BTreeSet<&str> = debug
        .lines()
        .filter_map(|line| line.strip_prefix("    ")?.split_once(':'))
        .filter(|(key, _)| !key.starts_with(' '))
        .map(|(key, _)| key)
        .collect();
    let in_row: BTreeSet<&str> = row
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .filter(|key| !["name", "applies_to", "valid_from"].contains(key))
        .collect();
    assert_eq!(in_model, in_row);
}

#[test]
fn a_calendar_is_dated_and_says_its_source() {
    let text = r#"
        [[calendar]]
        applies_to = "hk"
        source = "https://www.gov.hk/en/about/abouthk/holiday/2026.htm"
        status = "official"
        weekdays = { saturday = "rest", sunday = "rest" }

        [[calendar.days]]
        date = 2026-12-25
        kind = "holiday"
        name = "Christmas Day"
        status = "estimated"
    "#;
    let file: CalendarFile = toml::from_str(text).unwrap();
    let calendar = &file.calendar[0];
    assert_eq!(calendar.weekdays.from_monday()[5..], [Some("rest"), Some("rest")]);
    assert_eq!(calendar.weekdays.from_monday()[0], None);
    assert_eq!(calendar.days[0].date.as_deref(), Some("2026-12-25"));
    assert_eq!(calendar.days[0].status.as_deref(), Some("estimated"));
    assert!(toml::from_str::<CalendarFile>("[[calendar]]\nweekdays = { sun = \"rest\" }\n").is_err());
}

#[test]
fn lists_may_be_absent_or_null() {
    for text in [r#"{"employee_id":"E1","org":"hk"}"#, r#"{"employee_id":"E1","org":"hk","groups":null}"#] {
        let person: PersonRow = serde_json::from_str(text).unwrap();
        assert!(person.groups.is_empty());
    }
    let missing = serde_json::from_str::<PersonRow>(r#"{"org":"hk"}"#).unwrap_err();
    assert!(missing.to_string().contains("missing field `employee_id`"));
}
