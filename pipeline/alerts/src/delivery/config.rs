//! Where alerts are delivered to, as written in `[[alerts.destinations]]`.
//!
//! Absent on purpose: any check (`destination`).

use std::fmt;
use std::time::Duration;

use jiff::SignedDuration;
use serde::Deserialize;

/// One `[[alerts.destinations]]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DestinationConfig {
    /// What it is called in logs, metrics, the outbox and `alert_deliveries`: letters, digits, `-` and `_`. A
    /// destination under another name is another destination.
    pub name: String,
    /// Where messages are posted to: `https://…`; `http://` only to a host listed in `allow_private`.
    pub url: SecretText,
    /// Signing secrets, `whsec_…`: every message is signed with each one, so that they can be rotated.
    #[serde(default)]
    pub secrets: Vec<SecretText>,
    /// Environment variables that hold further secrets.
    #[serde(default)]
    pub secrets_env: Vec<String>,
    /// Where its receiver is: `hk`, `cn`, `mo`, … as the chain calls its jurisdictions.
    pub region: String,
    /// Whose alerts it gets: `manager` (default), `employee`, `operations`. Never `reviewer`: suspicion is shown to
    /// reviewers in Muster, not sent out.
    #[serde(default = "manager")]
    pub audiences: Vec<String>,
    /// The least severity: `info` (default), `low`, `medium` or `high`.
    #[serde(default)]
    pub min_severity: Option<String>,
    /// Org paths whose subtrees it gets; none = all.
    #[serde(default)]
    pub orgs: Vec<String>,
    /// How long the first alert of a store waits for others to go along: `"30 s"`.
    #[serde(default = "group_wait")]
    pub group_wait: Length,
    /// How long after a message the next one about the same store may go: `"5 min"`.
    #[serde(default = "group_interval")]
    pub group_interval: Length,
    /// Whether it is told that an alert it got is over.
    #[serde(default = "yes")]
    pub send_resolved: bool,
    /// The most messages within any minute; retries count.
    #[serde(default = "rate_per_minute")]
    pub rate_per_minute: u32,
    /// Hosts, addresses and networks (`10.1.0.0/16`) it may be called at although they are not public.
    #[serde(default)]
    pub allow_private: Vec<String>,
    /// How long a request may take: `"15 s"`.
    #[serde(default = "timeout")]
    pub timeout: Length,
    /// Whether people's names go along.
    #[serde(default)]
    pub names: bool,
}

fn manager() -> Vec<String> {
    vec!["manager".into()]
}

const fn group_wait() -> Length {
    Length(Duration::from_secs(30))
}

const fn group_interval() -> Length {
    Length(Duration::from_secs(300))
}

const fn yes() -> bool {
    true
}

const fn rate_per_minute() -> u32 {
    60
}

const fn timeout() -> Length {
    Length(Duration::from_secs(15))
}

/// A length of time as people write it: `"30 s"`, `"5 min"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Length(pub Duration);

impl TryFrom<String> for Length {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let parsed = text.parse::<SignedDuration>().ok().and_then(|length| Duration::try_from(length).ok());
        parsed.map(Self).ok_or_else(|| format!("`{text}` is no length of time such as \"30 s\" or \"5 min\""))
    }
}

/// Text that is never shown: robots' URLs and signing secrets.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct SecretText(pub String);

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}
