//! What a webhook carries: what is new about one store, several alerts in one body (contract, section 6).
//!
//! Absent on purpose: how a body is put together and kept small (`alerts`); coordinates, access points, photos and leave
//! types; names but in `names`, which only the copy that is sent to a destination that gets names ever holds.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::alert::{AlertBody, SummaryText};

/// The `type` of every [`AlertDigest`].
pub const ALERT_DIGEST_TYPE: &str = "muster.alerts";

/// The body of a message to a destination of alerts. Absent options are left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AlertDigest {
    /// Always [`ALERT_DIGEST_TYPE`].
    #[serde(rename = "type")]
    #[schemars(extend("const" = "muster.alerts"))]
    pub message_type: String,
    /// When it was put together, RFC 3339 in UTC; the same in every attempt.
    pub timestamp: String,
    /// The destination's name.
    pub destination: String,
    /// The destination's region.
    pub region: String,
    /// The store it is about; absent for alerts that are about none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site_id: Option<String>,
    /// What people call the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site_name: Option<String>,
    /// The org path of the store, or of the alerts that are about none.
    pub org: String,
    /// The business dates it is about, sorted; the latest 62.
    pub business_dates: Vec<String>,
    /// Kind → how many fire and how many are resolved, all of them, whether listed below or not.
    pub counts: BTreeMap<String, KindCount>,
    /// The alerts: firing before resolved, severe ones first. As many as fit.
    pub alerts: Vec<AlertBody>,
    /// How many alerts of `counts` are not in `alerts`, because the message would have become too large.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: u64,
    /// What it says, in one sentence, in three languages.
    pub summary: SummaryText,
    /// Pseudonym → name, where the destination gets names and they are known.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<String, String>,
}

/// How many alerts of a kind a message is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KindCount {
    /// That hold.
    pub firing: u64,
    /// That no longer do.
    pub resolved: u64,
}

impl AlertDigest {
    /// As it is sent.
    ///
    /// # Panics
    /// Never: it is text, numbers and lists of them.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a message is text, numbers and lists of them")
    }
}

const fn is_zero(count: &u64) -> bool {
    *count == 0
}
