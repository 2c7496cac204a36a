//! The JSON Schema of every wire struct, generated from the structs themselves.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, schema_for};
use serde_json::Value;

use crate::lines::{AlertBody, AlertDigest, AlertOwner, DeadLetterLine, LedgerLine, Summary, VerdictLine};
use crate::punch::PunchLine;
use crate::rows::{
    CalendarFile, CorrectionRow, LawFile, LeaveRow, OrgRow, PersonRow, PolicyFile, ShiftRow, SiteProperties,
};

/// One generated schema: the name of its file in `schemas/json` less `.json`, and the schema.
#[derive(Clone, Debug)]
pub struct NamedSchema {
    /// `punch`, `alert`, …
    pub name: &'static str,
    /// JSON Schema, draft 2020-12.
    pub schema: Schema,
}

/// Every wire struct's schema.
pub fn all() -> Vec<NamedSchema> {
    fn of<T: JsonSchema>(name: &'static str) -> NamedSchema {
        NamedSchema { name, schema: schema_for!(T) }
    }
    vec![
        of::<PunchLine>("punch"),
        of::<SiteProperties>("site"),
        of::<OrgRow>("org"),
        of::<PersonRow>("person"),
        of::<ShiftRow>("shift"),
        of::<LeaveRow>("leave"),
        of::<CorrectionRow>("correction"),
        of::<PolicyFile>("policies"),
        of::<CalendarFile>("calendars"),
        of::<LawFile>("law"),
        of::<VerdictLine>("verdict"),
        of::<AlertBody>("alert"),
        of::<AlertDigest>("alert_digest"),
        of::<AlertOwner>("alert_owner"),
        of::<DeadLetterLine>("dead_letter"),
        of::<Summary>("summary"),
        of::<LedgerLine>("ledger"),
    ]
}

/// The schema as the text of its file: indented, keys sorted whatever map `serde_json` was built with, ending in a line
/// feed.
pub fn text(schema: &Schema) -> String {
    format!("{:#}\n", sorted(schema.as_value()))
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let by_key: BTreeMap<_, _> =
                map.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
            Value::Object(by_key.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}
