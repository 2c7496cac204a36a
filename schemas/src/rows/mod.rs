//! Rows of reference data as files and topics carry them, before any check (contract, section 2).
//!
//! In: NDJSON, CSV and TOML text, read by `reference`.  Out: structs of plain text and numbers.  Owns: nothing.
//! Absent on purpose: parsed times, zones and addresses: `reference` reads those, because only it can say file, line
//! and remedy. An unknown key is refused in TOML (`deny_unknown_fields`); in NDJSON, CSV and GeoJSON the reader warns
//! with the help of [`ReferenceRow::FIELDS`].
//! Invariants: `FIELDS` names exactly the keys a row takes, kept by `tests::fields_are_the_keys_of_the_json_schema`.

mod people;
mod policy;
mod requests;
mod shifts;
mod sites;

pub use people::{OrgRow, PersonRow};
pub use policy::{
    CalendarDayRow, CalendarFile, CalendarRow, LawFile, LawRow, PolicyFile, PolicyRow, WeekdaysRow,
};
pub use requests::{ApprovalRow, CorrectionRow, LeaveRow, PlaceRow};
pub use shifts::{BreakRow, ShiftRow};
pub use sites::{BeaconRow, SiteProperties};

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

/// How the text of one CSV cell becomes a key's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// Text as it is.
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// Texts separated by `;`.
    TextList,
    /// Breaks separated by `;`, each `12:00-13:00`.
    Breaks,
    /// A JSON value; a CSV cell holds its text.
    Json,
}

/// One key of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// The key, also the name of the CSV column.
    pub name: &'static str,
    /// How a CSV cell is read.
    pub kind: FieldKind,
}

/// A row of a reference set that is kept as NDJSON, CSV or GeoJSON.
pub trait ReferenceRow: DeserializeOwned {
    /// The set's name in the contract: `people`.
    const SET: &'static str;
    /// Every key it takes; another one deserves a warning.
    const FIELDS: &'static [Field];
}

/// A name in English, traditional and simplified Chinese, each where known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NameRow {
    /// English.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub en: Option<String>,
    /// Traditional Chinese.
    #[serde(default, rename = "zh-Hant", skip_serializing_if = "Option::is_none")]
    pub zh_hant: Option<String>,
    /// Simplified Chinese.
    #[serde(default, rename = "zh-Hans", skip_serializing_if = "Option::is_none")]
    pub zh_hans: Option<String>,
}

const fn text(name: &'static str) -> Field {
    Field { name, kind: FieldKind::Text }
}

const fn list(name: &'static str) -> Field {
    Field { name, kind: FieldKind::TextList }
}

const fn field(name: &'static str, kind: FieldKind) -> Field {
    Field { name, kind }
}

/// Reads a list that may also be absent or `null`.
fn list_or_null<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests;
