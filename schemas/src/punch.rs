//! A punch on the wire: the record of the topic `punches`, one JSON object each (contract, section 1).
//!
//! For producers, the generator and golden files. The hot path does not come this way: `decode` reads the same fields
//! straight into a `model::Batch`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One punch as a producer writes it. Names and order are the contract's; absent options are left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PunchLine {
    /// With `employee_id` the identity for de-duplication, for ever; not empty.
    #[schemars(length(min = 1))]
    pub event_id: String,
    /// A pseudonym, never a name or an identity-card number; not empty.
    #[schemars(length(min = 1))]
    pub employee_id: String,
    /// What the person says it is; `auto`: the shift decides.
    #[schemars(extend("enum" = ["in", "out", "break_out", "break_in", "auto"]))]
    pub kind: String,
    /// When it happened by the device's clock, 1970 to 2199.
    pub occurred_at: OccurredAt,
    /// By what road it came; a `correction` is kept but never binds.
    #[schemars(extend("enum" = ["phone", "terminal", "kiosk", "field", "import", "correction"]))]
    pub origin: String,
    /// How a phone came to punch: `manual`, `wifi` or `fence`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["manual", "wifi", "fence", null]))]
    pub trigger: Option<String>,
    /// The phone, tablet or time clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<String>,
    /// A terminal's own claim; believed only if `device_id` is listed in that site's `terminals`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site_id: Option<String>,
    /// The position fix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<LocationLine>,
    /// The access points seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wifi: Option<Vec<AccessPointLine>>,
    /// The beacons seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beacons: Option<Vec<BeaconLine>>,
    /// A reference to a picture, never the picture itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub photo: Option<PhotoLine>,
    /// Free text; not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The privacy notice that was shown; not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice_version: Option<String>,
    /// The device's IANA time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tz: Option<String>,
}

/// The two spellings of a punch's time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OccurredAt {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    EpochMs(i64),
    /// RFC 3339 with offset.
    Text(String),
}

/// A position fix on the wire.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LocationLine {
    /// Degrees east, −180 to 180.
    #[schemars(range(min = -180.0, max = 180.0))]
    pub lon: f64,
    /// Degrees north, −90 to 90.
    #[schemars(range(min = -90.0, max = 90.0))]
    pub lat: f64,
    /// The accuracy radius in metres, as the phone reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy_m: Option<f64>,
    /// The datum of `lon` and `lat`: `wgs84` (default), `gcj02` or `bd09`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["wgs84", "gcj02", "bd09", null]))]
    pub datum: Option<String>,
    /// Whether the phone says that the fix was simulated; false if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mocked: Option<bool>,
    /// Whose definition of accuracy holds: `android` or `ios`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["android", "ios", null]))]
    pub platform: Option<String>,
}

/// One access point of a scan on the wire.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AccessPointLine {
    /// Six hex octets, separated by `:` or `-` or not at all, any case.
    pub bssid: String,
    /// Received signal strength in dBm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rssi: Option<i16>,
    /// Whether the phone was connected to it; false if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connected: Option<bool>,
    /// Age of the sighting in milliseconds; absent = fresh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_ms: Option<u32>,
}

/// One iBeacon of a scan on the wire.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BeaconLine {
    /// 32 hex digits, with or without the usual hyphens.
    pub uuid: String,
    /// The major number.
    pub major: u16,
    /// The minor number.
    pub minor: u16,
    /// Received signal strength in dBm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rssi: Option<i16>,
}

/// A reference to a photo that is kept elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PhotoLine {
    /// Where the picture is kept.
    #[serde(rename = "ref")]
    pub reference: String,
    /// The hash of its bytes, 64 hex digits.
    pub sha256: String,
}
