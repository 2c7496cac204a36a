//! The verdict of one punch as `muster match` prints it (contract, section 3).

use model::{Batch, Punch, Reason, Reference, Verdict, Verdicts};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One verdict: exactly the contract's fields in its order; `null` where there is none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VerdictLine {
    /// The punch.
    pub event_id: String,
    /// `inside`, `outside`, `uncertain` or `no_evidence`.
    #[schemars(extend("enum" = ["inside", "outside", "uncertain", "no_evidence"]))]
    pub place: String,
    /// The site, where one is told.
    pub site_id: Option<String>,
    /// The sites the evidence cannot tell apart, sorted; else empty.
    pub candidates: Vec<String>,
    /// The evidence that decided: of `terminal`, `wifi`, `beacon`, `gps`, in this order.
    pub evidence: Vec<String>,
    /// Signed metres (0.01) from the fix to the fence's edge, negative inside.
    pub distance_m: Option<f64>,
    /// Why, sorted.
    pub reasons: Vec<String>,
}

impl VerdictLine {
    /// The line for `punch` of `batch`, judged as `verdict` of `verdicts` against `reference`.
    pub fn new(
        batch: &Batch,
        punch: &Punch,
        verdicts: &Verdicts,
        verdict: &Verdict,
        reference: &Reference,
    ) -> Self {
        let site_id = |index| reference.site(index).site_id.to_string();
        Self {
            event_id: batch.text(punch.event_id).to_owned(),
            place: verdict.place.name().to_owned(),
            site_id: verdict.site.map(site_id),
            candidates: verdicts.candidates(verdict).iter().copied().map(site_id).collect(),
            evidence: verdict.evidence.names().map(str::to_owned).collect(),
            distance_m: verdict.distance_m,
            reasons: verdict.reasons.iter().map(Reason::name).map(str::to_owned).collect(),
        }
    }
}
