//! Records of other attendance systems: one JSON object each, as their interfaces answer and push it.
//!
//! In: an element of an answer's list, or one pushed event; the source cuts documents into these.  Out: a punch and
//! what the vendor says of it, what the vendor says alone, or a fault.  Owns: nothing.
//! Absent on purpose: the vendor's verdict in the punch. Muster judges anew, and keeps theirs beside
//! (`model::VendorRecord`), without coordinates, addresses, access points, names, pictures and free text.
//! Invariants: a record that is no punch has at least one `VendorRecord`, so that no record vanishes, kept by
//! [`Record::says`]; its id is a hash of the record's content alone, so that overlapping files add nothing twice.
//! Why so: a tree of values (`serde_json::Value`) instead of the hot path's readers: exports are read once, by the
//! thousand, and their fields come in any shape.

mod dingtalk;
mod feishu;
mod fields;
mod wecom;

use std::borrow::Cow;

use jiff::civil::Date;
use jiff::tz::{self, TimeZone};
use model::{
    AccessPoint, Batch, Bssid, Datum, EventTime, Fix, Kind, LonLat, Offset, Platform, RejectCode, Vendor,
    VendorRecord,
};
use serde_json::Value;
use sha2::{Digest, Sha256};

use self::fields::{Fields, write_sorted, wrong};
use super::ImportOptions;
use super::draft::{Draft, Fault};
use super::import::{FileTime, push_event_id};
use super::json_nested::out_of_range;

/// What `raw` goes without, whoever's record it is: where somebody was, names, pictures, free text, and secrets of
/// pushed events.
const LESS: &[&str] = &[
    // DingTalk
    "userAddress",
    "userLongitude",
    "userLatitude",
    "userAccuracy",
    "userSsid",
    "baseAddress",
    "baseLongitude",
    "baseLatitude",
    "baseAccuracy",
    "baseSsid",
    "baseMacAddr",
    "address",
    "longitude",
    "latitude",
    "outsideRemark",
    "photoUrl",
    // WeCom
    "location_title",
    "location_detail",
    "wifiname",
    "notes",
    "mediaids",
    "lat",
    "lng",
    // Feishu
    "employee_name",
    "location_name",
    "comment",
    "ssid",
    "photo_urls",
    "token",
];

/// Addresses of access points. One that is no address is kept: it tells nothing of where somebody was, and only the
/// vendor's own word shows what is wrong with it.
const ACCESS_POINTS: &[&str] = &["userMacAddr", "wifimac", "bssid"];

/// What a record turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// A punch, in the draft.
    Punch,
    /// What the vendor says only.
    NoPunch,
}

/// Reads one record of `vendor`: what makes its punch into `draft`, what the vendor says into `batch`.
pub(super) fn read(
    vendor: Vendor,
    text: &str,
    offset: Offset,
    options: &ImportOptions,
    batch: &mut Batch,
    draft: &mut Draft,
) -> Result<Read, Fault> {
    if text.trim().is_empty() {
        let message = "the file ends before its list of records does: fetch it again, whole";
        return Err(Fault::new(RejectCode::NotJson, message));
    }
    let value: Value =
        serde_json::from_str(text).map_err(|error| Fault::new(RejectCode::NotJson, error.to_string()))?;
    let Value::Object(map) = &value else { return Err(wrong("the record", &value, "an object")) };
    let mut record = Record { vendor, offset, value: &value, fields: Fields(map), options, batch, draft };
    match vendor {
        Vendor::DingTalk => dingtalk::read(&mut record),
        Vendor::WeCom => wecom::read(&mut record),
        Vendor::Feishu => feishu::read(&mut record),
    }
}

/// One record while it is read.
struct Record<'r> {
    vendor: Vendor,
    offset: Offset,
    value: &'r Value,
    fields: Fields<'r>,
    options: &'r ImportOptions,
    batch: &'r mut Batch,
    draft: &'r mut Draft,
}

impl Record<'_> {
    /// The person in the field `name`. An answer without records says so instead of lacking a person.
    fn person(&mut self, name: &str) -> Result<String, Fault> {
        if let Some(person) = self.fields.text(name)? {
            self.draft.employee_id = self.batch.push_text(&person);
            return Ok(person.into_owned());
        }
        let code = ["errcode", "code"].into_iter().find_map(|key| self.fields.kept(key));
        let message = ["errmsg", "msg"].into_iter().find_map(|key| self.fields.kept(key));
        match (code, message) {
            (Some(code), Some(message)) => {
                let message: String = message.chars().take(80).collect();
                let what =
                    format!("an answer without records: the vendor said {code}, {message:?}: ask again");
                Err(Fault::new(RejectCode::MissingField, what))
            }
            _ => Err(Fault::missing(name)),
        }
    }

    /// An empty statement about `person`: to be filled, then given to [`Self::says`].
    fn about(&self, person: &str) -> VendorRecord {
        VendorRecord::about(self.vendor, self.offset, person)
    }

    /// Keeps what the vendor says; `Read::NoPunch` if that is all there is.
    fn says(&mut self, mut said: VendorRecord) -> Read {
        let access_points = if self.draft.wifi_ignored == 0 { ACCESS_POINTS } else { &[] };
        write_sorted(self.value, &|key| LESS.contains(&key) || access_points.contains(&key), &mut said.raw);
        let mut whole = String::new();
        write_sorted(self.value, &|_| false, &mut whole);
        let earlier = self.batch.vendor_records.iter().rev().take_while(|other| other.offset == said.offset);
        let mut hash = Sha256::new();
        hash.update(self.vendor.name());
        hash.update([0x1f, earlier.count().min(255) as u8, 0x1f]);
        hash.update(&whole);
        said.id = hash.finalize().iter().take(16).fold(0, |id, byte| id << 8 | u128::from(*byte));
        let read = if said.no_punch.is_some() { Read::NoPunch } else { Read::Punch };
        self.batch.vendor_records.push(said);
        read
    }

    /// The id of the punch: the vendor's, else one made of what the record says (contract, section 7).
    fn push_event_id(
        &mut self,
        vendor_id: Option<&str>,
        device: &str,
        at: EventTime,
        flags: &[&str],
    ) -> String {
        self.draft.event_id = match vendor_id {
            Some(id) => self.batch.push_text(id),
            None => {
                let person = self.batch.text(self.draft.employee_id).to_owned();
                push_event_id(device, &person, FileTime::of_instant(at), flags, self.batch)
            }
        };
        self.batch.text(self.draft.event_id).to_owned()
    }

    /// The device, if the record names one. The import's own is no phone's: many people would seem to share it.
    fn push_device(&mut self, device: &str) {
        if !device.is_empty() {
            self.draft.device_id = self.batch.push_text(device);
        }
    }

    /// The fix, in the datum of mainland Chinese maps; (0, 0) is a fix that was never filled in.
    fn set_fix(&mut self, lon: Option<f64>, lat: Option<f64>, accuracy_m: Option<f64>) -> Result<(), Fault> {
        let (lon, lat) = match (lon, lat) {
            (None, None) => return Ok(()),
            (Some(lon), Some(lat)) if lon == 0.0 && lat == 0.0 => return Ok(()),
            (Some(lon), Some(lat)) => (lon, lat),
            _ => {
                let message = "one of longitude and latitude is missing";
                return Err(Fault::new(RejectCode::BadCoordinates, message));
            }
        };
        let point = LonLat::new(lon, lat)
            .ok_or_else(|| Fault::new(RejectCode::BadCoordinates, out_of_range(lon, lat)))?;
        let (datum, platform) = (Datum::Gcj02, Platform::Unknown);
        self.draft.fix = Some(Fix { point, datum, accuracy_m, mocked: false, platform });
        Ok(())
    }

    /// The access point the phone was connected to, if `text` is the address of one; others are counted.
    fn push_access_point(&mut self, text: Option<Cow<'_, str>>) {
        let Some(text) = text else { return };
        match Bssid::parse(text.as_bytes()).filter(|bssid| !bssid.is_placeholder()) {
            Some(bssid) => {
                self.batch.access_points.push(AccessPoint {
                    bssid,
                    rssi_dbm: None,
                    connected: true,
                    age_ms: 0,
                });
                self.draft.wifi.end = self.batch.access_points.len() as u32;
            }
            None => self.draft.wifi_ignored = self.draft.wifi_ignored.saturating_add(1),
        }
    }
}

/// The day that a vendor writes as the instant of its midnight: of the import's zone, else of the vendor's own, UTC+8.
fn day_of_midnight(midnight: EventTime, zone: &TimeZone) -> Date {
    let local = midnight.timestamp().to_zoned(zone.clone()).datetime();
    if local.time() == jiff::civil::Time::midnight() && *zone != TimeZone::UTC {
        return local.date();
    }
    tz::offset(8).to_datetime(midnight.timestamp()).date()
}

/// Which end of a shift it is, of those two kinds only.
fn direction(kind: Kind) -> Option<Kind> {
    matches!(kind, Kind::In | Kind::Out).then_some(kind)
}
