//! What the binary formats share: values of the contract's fields into draft and batch, and the first fault among them.
//!
//! Outcomes are those of JSON (see `json`): of several faults the first in the record is told, after the whole record
//! has been read, so that a dead letter carries the ids wherever they stand.

use std::fmt::Display;

use model::{
    AccessPoint, Batch, Beacon, BeaconId, Bssid, Datum, EventTime, Fix, LonLat, Platform, RejectCode, Text,
};

use super::super::draft::{Draft, Fault};
use super::super::hex;
use super::super::json_nested::out_of_range;
use super::super::photo;

/// Where values go.
pub(in crate::decode) struct Filler<'b> {
    pub(in crate::decode) batch: &'b mut Batch,
    pub(in crate::decode) draft: &'b mut Draft,
    fault: Option<Fault>,
}

/// A location while it is read.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::decode) struct Place {
    pub(in crate::decode) lon: Option<f64>,
    pub(in crate::decode) lat: Option<f64>,
    pub(in crate::decode) accuracy_m: Option<f64>,
    pub(in crate::decode) datum: Datum,
    pub(in crate::decode) mocked: bool,
    pub(in crate::decode) platform: Platform,
}

/// An access point while it is read.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::decode) struct Sighting {
    pub(in crate::decode) bssid: Option<Bssid>,
    pub(in crate::decode) rssi_dbm: Option<i16>,
    pub(in crate::decode) connected: bool,
    pub(in crate::decode) age_ms: u32,
}

/// A beacon while it is read.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::decode) struct SeenBeacon {
    pub(in crate::decode) uuid: Option<u128>,
    pub(in crate::decode) major: Option<u16>,
    pub(in crate::decode) minor: Option<u16>,
    pub(in crate::decode) rssi_dbm: Option<i16>,
}

impl<'b> Filler<'b> {
    pub(in crate::decode) fn new(batch: &'b mut Batch, draft: &'b mut Draft) -> Self {
        Self { batch, draft, fault: None }
    }

    /// The outcome, once the whole record has been read.
    pub(in crate::decode) fn finish(self) -> Result<(), Fault> {
        self.draft.wifi.end = self.batch.access_points.len() as u32;
        self.draft.beacons.end = self.batch.beacons.len() as u32;
        self.fault.map_or(Ok(()), Err)
    }

    /// Notes a fault; the first one is kept.
    #[cold]
    pub(in crate::decode) fn fault(&mut self, code: RejectCode, message: String) {
        self.fault.get_or_insert(Fault { code, message });
    }

    #[cold]
    pub(in crate::decode) fn wrong(&mut self, field: &str, found: impl Display, expected: &str) {
        self.fault(RejectCode::WrongType, format!("`{field}` is {found}, expected {expected}"));
    }

    /// A text that is kept.
    #[inline]
    pub(in crate::decode) fn text(&mut self, field: &str, bytes: &[u8]) -> Text {
        if bytes.is_empty() {
            return Text::default();
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => self.batch.push_text(text),
            Err(error) => {
                let at = error.valid_up_to();
                self.fault(RejectCode::NotUtf8, format!("`{field}`: byte {at} is not UTF-8"));
                Text::default()
            }
        }
    }

    /// A part of the photo, by its place.
    pub(in crate::decode) fn photo_part(&mut self, at: usize, text: &[u8]) {
        let part = photo::part(at, text, self.batch);
        match at {
            0 => self.draft.photo.reference = part,
            _ => self.draft.photo.sha256 = part,
        }
    }

    /// The time of the punch.
    #[inline]
    pub(in crate::decode) fn occurred_at(&mut self, time: EventTime) {
        if time.is_possible() {
            self.draft.occurred_at = Some(time);
        } else {
            let us = time.us();
            self.fault(RejectCode::TimeImpossible, format!("`occurred_at` is {us} µs: outside 1970 to 2199"));
        }
    }

    pub(in crate::decode) fn location(&mut self, place: &Place) {
        let (Some(lon), Some(lat)) = (place.lon, place.lat) else {
            return self.fault(RejectCode::BadCoordinates, "`location` lacks `lon` or `lat`".to_owned());
        };
        if place.accuracy_m.is_some_and(|accuracy| !accuracy.is_finite()) {
            return self.wrong("location.accuracy_m", "not finite", "a number");
        }
        match LonLat::new(lon, lat) {
            Some(point) => {
                let Place { accuracy_m, datum, mocked, platform, .. } = *place;
                self.draft.fix = Some(Fix { point, datum, accuracy_m, mocked, platform });
            }
            None => self.fault(RejectCode::BadCoordinates, out_of_range(lon, lat)),
        }
    }

    #[inline]
    pub(in crate::decode) fn access_point(&mut self, seen: &Sighting) {
        match seen.bssid.filter(|bssid| !bssid.is_placeholder()) {
            Some(bssid) => {
                let Sighting { rssi_dbm, connected, age_ms, .. } = *seen;
                self.batch.access_points.push(AccessPoint { bssid, rssi_dbm, connected, age_ms });
            }
            None => self.ignore_access_point(),
        }
    }

    #[inline]
    pub(in crate::decode) fn ignore_access_point(&mut self) {
        self.draft.wifi_ignored = self.draft.wifi_ignored.saturating_add(1);
    }

    #[inline]
    pub(in crate::decode) fn beacon(&mut self, seen: &SeenBeacon) {
        if let SeenBeacon { uuid: Some(uuid), major: Some(major), minor: Some(minor), rssi_dbm } = *seen {
            self.batch.beacons.push(Beacon { id: BeaconId { uuid, major, minor }, rssi_dbm });
        }
    }
}

/// Six octets, or any text of an address.
#[inline]
pub(in crate::decode) fn bssid(bytes: &[u8]) -> Option<Bssid> {
    match bytes {
        [a, b, c, d, e, f] => Bssid::from_bits(u64::from_be_bytes([0, 0, *a, *b, *c, *d, *e, *f])),
        _ => bytes.try_into().ok().and_then(hex::bssid).or_else(|| Bssid::parse(bytes)),
    }
}

/// Sixteen octets, or any text of a UUID.
#[inline]
pub(in crate::decode) fn uuid(bytes: &[u8]) -> Option<u128> {
    match bytes.try_into() {
        Ok(octets) => Some(u128::from_be_bytes(octets)),
        Err(_) => bytes.try_into().ok().and_then(hex::uuid).or_else(|| BeaconId::parse_uuid(bytes)),
    }
}

/// A whole number of dBm, cut to what a signal strength may be.
#[inline]
pub(in crate::decode) const fn rssi(value: i64) -> i16 {
    if value > i16::MAX as i64 {
        i16::MAX
    } else if value < i16::MIN as i64 {
        i16::MIN
    } else {
        value as i16
    }
}
