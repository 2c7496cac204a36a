//! Sites: the properties of a GeoJSON feature.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Field, FieldKind, ReferenceRow, field, list, list_or_null, text};

/// The properties of one site's feature. The geometry stands beside them in the feature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SiteProperties {
    /// Its id.
    pub site_id: String,
    /// What people call it.
    pub name: String,
    /// The org path it belongs to: `hk/kln/mong-kok`.
    pub org: String,
    /// The IANA zone of its wall clock.
    pub time_zone: String,
    /// The radius around a Point in metres; a Point needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub radius_m: Option<f64>,
    /// The datum of its own geometry: `wgs84` (default), `gcj02` or `bd09`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datum: Option<String>,
    /// Its own tolerance in metres, in place of the policy's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance_m: Option<f64>,
    /// The name of the policy it asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Access points, each an address or a block `aa:bb:cc:dd:ee:f0/44`.
    #[serde(default, deserialize_with = "list_or_null", skip_serializing_if = "Vec::is_empty")]
    pub bssids: Vec<String>,
    /// Beacons.
    #[serde(default, deserialize_with = "list_or_null", skip_serializing_if = "Vec::is_empty")]
    pub beacons: Vec<BeaconRow>,
    /// Device ids of its terminals.
    #[serde(default, deserialize_with = "list_or_null", skip_serializing_if = "Vec::is_empty")]
    pub terminals: Vec<String>,
    /// Employee ids of its managers.
    #[serde(default, deserialize_with = "list_or_null", skip_serializing_if = "Vec::is_empty")]
    pub managers: Vec<String>,
    /// First instant or day at which it counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<String>,
    /// First instant or day at which it no longer counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_to: Option<String>,
}

/// One beacon of a site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BeaconRow {
    /// 32 hex digits, with or without the usual hyphens.
    pub uuid: String,
    /// The major number.
    pub major: u16,
    /// The minor number.
    pub minor: u16,
}

impl ReferenceRow for SiteProperties {
    const SET: &'static str = "sites";
    const FIELDS: &'static [Field] = &[
        text("site_id"),
        text("name"),
        text("org"),
        text("time_zone"),
        field("radius_m", FieldKind::Number),
        text("datum"),
        field("tolerance_m", FieldKind::Number),
        text("policy"),
        list("bssids"),
        field("beacons", FieldKind::Json),
        list("terminals"),
        list("managers"),
        text("valid_from"),
        text("valid_to"),
    ];
}
