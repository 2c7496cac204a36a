//! Shift instances.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Field, FieldKind, ReferenceRow, field, list_or_null, text};

/// One person's planned duty. The instance *is* its `shift_id`: changing site or times keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShiftRow {
    /// Its id.
    pub shift_id: String,
    /// Whose.
    pub employee_id: String,
    /// Where.
    pub site_id: String,
    /// The day it counts for, in the site's zone: `2026-11-22`.
    pub business_date: String,
    /// Its number within the day; 0 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<u32>,
    /// RFC 3339, or `HH:MM` up to 47:59 on the site's wall clock, counted from the business date.
    pub start: String,
    /// As `start`.
    pub end: String,
    /// Planned breaks.
    #[serde(default, deserialize_with = "list_or_null", skip_serializing_if = "Vec::is_empty")]
    pub breaks: Vec<BreakRow>,
    /// `fixed` (default) or `free`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The name of a policy that overrides all others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// `planned` (default) or `cancelled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
}

/// One planned break; times as in [`ShiftRow::start`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BreakRow {
    /// Its first instant.
    pub start: String,
    /// The first instant after it.
    pub end: String,
    /// Whether it counts as work; false if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paid: Option<bool>,
}

impl ReferenceRow for ShiftRow {
    const SET: &'static str = "shifts";
    const FIELDS: &'static [Field] = &[
        text("shift_id"),
        text("employee_id"),
        text("site_id"),
        text("business_date"),
        field("segment", FieldKind::Integer),
        text("start"),
        text("end"),
        field("breaks", FieldKind::Breaks),
        text("kind"),
        text("policy"),
        text("status"),
    ];
}
