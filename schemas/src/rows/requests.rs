//! Leave, permissions and corrections, with the record of who approved them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Field, FieldKind, ReferenceRow, field, list_or_null, text};

/// A stretch of leave, or a permission (`overtime`, `field`), half open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LeaveRow {
    /// Its id.
    pub leave_id: String,
    /// Whose.
    pub employee_id: String,
    /// Its first instant.
    pub from: String,
    /// The first instant after it.
    pub to: String,
    /// What kind of leave; `overtime` and `field` are permissions, not absences.
    #[serde(rename = "type")]
    pub leave_type: String,
    /// `pending`, `approved`, `rejected`, `withdrawn` or `revoked`; this alone decides.
    pub status: String,
    /// Who approved it, and when.
    #[serde(default, deserialize_with = "list_or_null", skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<ApprovalRow>,
    /// The place of a `field` permission.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<PlaceRow>,
    /// How an `overtime` permission is made good: `pay` or `time_off`; absent = not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compensation: Option<String>,
}

/// A correction (補卡).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CorrectionRow {
    /// Its id.
    pub correction_id: String,
    /// Whose.
    pub employee_id: String,
    /// Which end of the shift it replaces: `in` or `out`.
    pub kind: String,
    /// The instant it puts in place, RFC 3339.
    pub occurred_at: String,
    /// The shift instance it names, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shift_id: Option<String>,
    /// What it mends: `missing`, `late`, `early` or `other`.
    #[serde(rename = "type")]
    pub correction_type: String,
    /// As in [`LeaveRow::status`].
    pub status: String,
    /// Who approved it, and when.
    #[serde(default, deserialize_with = "list_or_null", skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<ApprovalRow>,
}

/// One approval. The last one's `at` is when the row takes effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ApprovalRow {
    /// The level of the approver, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<u32>,
    /// Who approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// When, RFC 3339.
    pub at: String,
}

/// A place in WGS-84.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlaceRow {
    /// Degrees east.
    pub lon: f64,
    /// Degrees north.
    pub lat: f64,
}

impl ReferenceRow for LeaveRow {
    const SET: &'static str = "leave";
    const FIELDS: &'static [Field] = &[
        text("leave_id"),
        text("employee_id"),
        text("from"),
        text("to"),
        text("type"),
        text("status"),
        field("approvals", FieldKind::Json),
        field("place", FieldKind::Json),
        text("compensation"),
    ];
}

impl ReferenceRow for CorrectionRow {
    const SET: &'static str = "corrections";
    const FIELDS: &'static [Field] = &[
        text("correction_id"),
        text("employee_id"),
        text("kind"),
        text("occurred_at"),
        text("shift_id"),
        text("type"),
        text("status"),
        field("approvals", FieldKind::Json),
    ];
}
