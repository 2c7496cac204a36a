//! The summary line of a run and the generator's truth ledger (contract, section 8).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The last line on stdout of `muster demo --json` and `muster replay --json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// Records read: accepted + duplicates + rejected.
    pub punches: u64,
    /// Rows this run added to `punches`.
    pub accepted: u64,
    /// Records that are no punch.
    pub rejected: u64,
    /// Repeats of punches already taken.
    pub duplicates: u64,
    /// Records of other attendance systems that hold no punch but only what that system says: none of `punches`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub no_punch: u64,
    /// Distinct alert ids that fired, by kind.
    pub alerts: BTreeMap<String, u64>,
    /// Where the lake is.
    pub lake: String,
    /// Where the run and the generator's ledger disagree; only the demo has a ledger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truth_mismatches: Option<u64>,
}

const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// One line of the ledger: what is true of one punch, or of one finding without a punch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LedgerLine {
    /// The punch; `null` for a finding without one.
    pub event_id: Option<String>,
    /// The person.
    pub employee_id: String,
    /// The place due for the evidence that was sampled; `null` without a punch.
    pub place: Option<String>,
    /// The site due; `null` where none is.
    pub site_id: Option<String>,
    /// The sites the evidence cannot tell apart, sorted; else empty.
    #[serde(default)]
    pub candidates: Vec<String>,
    /// The anomaly kinds due, sorted.
    #[serde(default)]
    pub anomalies: Vec<String>,
    /// The shift instance; `null` where none is.
    #[serde(default)]
    pub shift_id: Option<String>,
}
