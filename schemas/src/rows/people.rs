//! Orgs and people.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Field, FieldKind, NameRow, ReferenceRow, field, list, list_or_null, text};

/// A node of the org tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OrgRow {
    /// Its path: `hk/kln`.
    pub org: String,
    /// Its names.
    #[serde(default)]
    pub name: NameRow,
    /// Employee ids of its managers.
    #[serde(default, deserialize_with = "list_or_null", skip_serializing_if = "Vec::is_empty")]
    pub managers: Vec<String>,
}

/// One employee.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PersonRow {
    /// The pseudonym.
    pub employee_id: String,
    /// The org path.
    pub org: String,
    /// The site where the person belongs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home_site: Option<String>,
    /// Further sites where the person may punch.
    #[serde(default, deserialize_with = "list_or_null", skip_serializing_if = "Vec::is_empty")]
    pub allowed_sites: Vec<String>,
    /// Groups for policies that apply to `group:NAME`.
    #[serde(default, deserialize_with = "list_or_null", skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Employee ids of the person's own managers.
    #[serde(default, deserialize_with = "list_or_null", skip_serializing_if = "Vec::is_empty")]
    pub managers: Vec<String>,
    /// The language of messages to the person: `en`, `zh-Hant`, `zh-Hans`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lang: Option<String>,
    /// How the person is reached; free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contacts: Option<serde_json::Value>,
    /// Full time, part time, …; free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub employment_type: Option<String>,
    /// `declined`: the person's fixes are dropped before any store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location_consent: Option<String>,
    /// The person's name; goes to the restricted table `people_names` and nowhere else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// First day of employment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joined: Option<String>,
    /// Last day of employment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<String>,
}

impl ReferenceRow for OrgRow {
    const SET: &'static str = "orgs";
    const FIELDS: &'static [Field] = &[text("org"), field("name", FieldKind::Json), list("managers")];
}

impl ReferenceRow for PersonRow {
    const SET: &'static str = "people";
    const FIELDS: &'static [Field] = &[
        text("employee_id"),
        text("org"),
        text("home_site"),
        list("allowed_sites"),
        list("groups"),
        list("managers"),
        text("lang"),
        field("contacts", FieldKind::Json),
        text("employment_type"),
        text("location_consent"),
        text("name"),
        text("joined"),
        text("left"),
    ];
}
