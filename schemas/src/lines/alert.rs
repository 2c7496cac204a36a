//! An alert as the topic `alerts` and webhooks carry it (contract, section 6).
//!
//! Absent on purpose: names, coordinates, access points, photos and leave types; nothing here can hold one.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Keys of the topic `alerts` that start so are ownership records: the rest of the key is the partition.
pub const ALERT_OWNER_PREFIX: &str = "_owner/";

/// One version of an alert. Names and order are the contract's; absent options are left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AlertBody {
    /// The anomaly's id, 32 hex digits; the record's key.
    pub alert_id: String,
    /// 1 for the first version.
    pub version: i64,
    /// `firing` or `resolved`.
    #[schemars(extend("enum" = ["firing", "resolved"]))]
    pub state: String,
    /// The broken rule.
    pub kind: String,
    /// `info`, `low`, `medium` or `high`.
    #[schemars(extend("enum" = ["info", "low", "medium", "high"]))]
    pub severity: String,
    /// Who may see it: `manager,employee`, `manager`, `employee`, `reviewer` or `operations`.
    pub audience: String,
    /// The person, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub employee_id: Option<String>,
    /// The site, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site_id: Option<String>,
    /// What people call the site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site_name: Option<String>,
    /// The org path; may be empty.
    pub org: String,
    /// The shift instance, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shift_id: Option<String>,
    /// The device, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<String>,
    /// The day it counts for: `2026-11-22`.
    pub business_date: String,
    /// The IANA zone of `local_time`.
    pub time_zone: String,
    /// `occurred_at` on the wall clock there, RFC 3339 with offset.
    pub local_time: String,
    /// The planned start of the shift, RFC 3339 in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned_start: Option<String>,
    /// The planned end of the shift, RFC 3339 in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned_end: Option<String>,
    /// How many minutes, for kinds that have minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minutes: Option<i64>,
    /// When it happened, RFC 3339 in UTC.
    pub occurred_at: String,
    /// Where the log clock stood when this version was said, RFC 3339 in UTC.
    pub detected_at: String,
    /// The punches that show it, sorted; of an approval the request, `leave/ID` or `correction/ID`.
    pub event_ids: Vec<String>,
    /// What resolved it: `punch`, `leave`, `correction`, `decision`, `superseded`, `reference` or `rule`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_by: Option<String>,
    /// The leave or the correction that resolved it, by its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_ref: Option<String>,
    /// What made Muster say it.
    pub cause: CauseLine,
    /// One sentence in three languages.
    pub summary: SummaryText,
    /// Where to look further, by name.
    #[serde(default)]
    pub links: BTreeMap<String, String>,
}

/// How far the partition had been read, and by which owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CauseLine {
    /// The log in short, 16 hex digits.
    pub log: String,
    /// The partition of the log.
    pub partition: u32,
    /// The position just behind the last record that had been judged; 0 for what rules in SQL find.
    pub offset: i64,
    /// The log clock at that moment, RFC 3339 in UTC.
    pub clock: String,
    /// The owner's generation.
    pub generation: i64,
}

/// One sentence in three languages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SummaryText {
    /// English.
    pub en: String,
    /// Traditional Chinese.
    #[serde(rename = "zh-Hant")]
    pub zh_hant: String,
    /// Simplified Chinese.
    #[serde(rename = "zh-Hans")]
    pub zh_hans: String,
}

/// The body of an ownership record: readers ignore alerts of a lower generation that come after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AlertOwner {
    /// The new owner's generation.
    pub generation: i64,
}
