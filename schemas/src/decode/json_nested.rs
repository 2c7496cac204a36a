//! The objects and lists within a punch: location, access points, beacons, photo.
//!
//! A location decides and is strict. A malformed access point or beacon is dropped, never a reject: phones report
//! garbage among good sightings (contract, section 1, Rejects).

use model::{AccessPoint, Beacon, BeaconId, Bssid, Datum, Fix, LonLat, Platform, RejectCode};
use serde::de::{MapAccess, SeqAccess};

use super::json::Reader;
use super::json_shape::{Any, Found, Keys, Next, Shape, scalar};
use super::photo;

/// The field `location`.
pub(super) struct Location<'a, 'r>(pub(super) &'a mut Reader<'r>);

const LOCATION: &[&str] = &["lon", "lat", "accuracy_m", "datum", "mocked", "platform"];

impl<'de> Shape<'de> for Location<'_, '_> {
    fn other(self, found: Found<'_>) {
        if found != Found::Null {
            let shape = found.shape();
            self.0.fault(RejectCode::WrongType, || format!("`location` is {shape}, expected an object"));
        }
    }

    fn object<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let reader = self.0;
        let mut keys = Keys::new(LOCATION);
        let (mut lon, mut lat) = (None, None);
        let (mut accuracy_m, mut mocked) = (None, false);
        let (mut datum, mut platform) = (Datum::default(), Platform::default());
        while let Some(next) = keys.next(&mut map)? {
            match next {
                Next::Known(0) => lon = reader.coordinate("lon", &mut map)?,
                Next::Known(1) => lat = reader.coordinate("lat", &mut map)?,
                Next::Known(2) => accuracy_m = scalar(&mut map, |found| reader.accuracy(found))?,
                Next::Known(3) => {
                    let read = |found: Found<'_>| {
                        reader.named("location.datum", found, Datum::from_name, "wgs84, gcj02 or bd09")
                    };
                    datum = scalar(&mut map, read)?.unwrap_or_default();
                }
                Next::Known(4) => mocked = scalar(&mut map, |found| reader.mocked(found))?,
                Next::Known(_) => {
                    let read = |found: Found<'_>| {
                        reader.named("location.platform", found, platform_of, "android or ios")
                    };
                    platform = scalar(&mut map, read)?.unwrap_or_default();
                }
                Next::Unknown => reader.batch.unknown_fields += 1,
                Next::Again(at) => reader.twice(LOCATION[at]),
            }
        }
        match (lon, lat) {
            (Some(lon), Some(lat)) => match LonLat::new(lon, lat) {
                Some(point) => reader.draft.fix = Some(Fix { point, datum, accuracy_m, mocked, platform }),
                None => reader.fault(RejectCode::BadCoordinates, || out_of_range(lon, lat)),
            },
            _ => reader.fault(RejectCode::BadCoordinates, || "`location` lacks `lon` or `lat`".to_owned()),
        }
        Ok(())
    }
}

/// What is said of coordinates beyond the globe. The values are not: swapped, they may well be where a person was, and
/// messages are kept longer than coordinates may be.
pub(super) fn out_of_range(lon: f64, lat: f64) -> String {
    let fields = match ((-180.0..=180.0).contains(&lon), (-90.0..=90.0).contains(&lat)) {
        (true, _) => "`lat` is beyond ±90",
        (_, true) => "`lon` is beyond ±180",
        _ => "`lon` is beyond ±180, `lat` beyond ±90",
    };
    let swapped = if LonLat::new(lat, lon).is_some() { "; are they swapped?" } else { "" };
    format!("{fields}{swapped}")
}

/// The platform of that name.
pub(super) fn platform_of(name: &str) -> Option<Platform> {
    match name {
        "android" => Some(Platform::Android),
        "ios" => Some(Platform::Ios),
        _ => None,
    }
}

impl Reader<'_> {
    fn coordinate<'de, A: MapAccess<'de>>(
        &mut self,
        name: &'static str,
        map: &mut A,
    ) -> Result<Option<f64>, A::Error> {
        self.in_coordinate = Some(name);
        let value = scalar(map, |found| {
            let number = number(found);
            if number.is_none() {
                self.fault(RejectCode::BadCoordinates, || {
                    format!("`location.{name}` is {}, expected a number", found.shape())
                });
            }
            number
        })?;
        self.in_coordinate = None;
        Ok(value)
    }

    fn accuracy(&mut self, found: Found<'_>) -> Option<f64> {
        let number = number(found);
        if number.is_none() && found != Found::Null {
            self.wrong("location.accuracy_m", found, "a number");
        }
        number
    }

    fn mocked(&mut self, found: Found<'_>) -> bool {
        let mocked = truth(found);
        if mocked.is_none() {
            self.wrong("location.mocked", found, "true or false");
        }
        mocked.unwrap_or(false)
    }
}

fn number(found: Found<'_>) -> Option<f64> {
    match found {
        Found::Integer(value) => Some(value as f64),
        Found::Number(value) => Some(value),
        _ => None,
    }
}

/// A boolean, or false where it is null; `None` for anything else.
fn truth(found: Found<'_>) -> Option<bool> {
    match found {
        Found::Boolean(value) => Some(value),
        Found::Null => Some(false),
        _ => None,
    }
}

/// A signal strength in dBm, rounded; `Some(None)` where it is null; `None` for anything but a number.
fn rssi(found: Found<'_>) -> Option<Option<i16>> {
    match found {
        Found::Null => Some(None),
        // `as` saturates at the ends of the range.
        _ => number(found).map(|value| Some(value.round() as i16)),
    }
}

/// The field `wifi`.
pub(super) struct Wifi<'a, 'r>(pub(super) &'a mut Reader<'r>);

impl<'de> Shape<'de> for Wifi<'_, '_> {
    fn other(self, found: Found<'_>) {
        if found != Found::Null {
            self.0.wrong("wifi", found, "an array");
        }
    }

    fn array<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Any(OneAccessPoint(self.0)))?.is_some() {}
        self.0.draft.wifi.end = self.0.batch.access_points.len() as u32;
        Ok(())
    }
}

struct OneAccessPoint<'a, 'r>(&'a mut Reader<'r>);

const ACCESS_POINT: &[&str] = &["bssid", "rssi", "connected", "age_ms"];

impl<'de> Shape<'de> for OneAccessPoint<'_, '_> {
    fn other(self, _: Found<'_>) {
        self.0.ignore_access_point();
    }

    fn object<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let reader = self.0;
        let mut keys = Keys::new(ACCESS_POINT);
        let mut bssid = None;
        let (mut rssi_dbm, mut connected, mut age_ms) = (Some(None), Some(false), Some(0));
        let mut is_twice = false;
        while let Some(next) = keys.next(&mut map)? {
            match next {
                Next::Known(0) => bssid = scalar(&mut map, usable_bssid)?,
                Next::Known(1) => rssi_dbm = scalar(&mut map, rssi)?,
                Next::Known(2) => connected = scalar(&mut map, truth)?,
                Next::Known(_) => age_ms = scalar(&mut map, age)?,
                Next::Unknown => reader.batch.unknown_fields += 1,
                Next::Again(_) => is_twice = true,
            }
        }
        match (bssid, rssi_dbm, connected, age_ms) {
            (Some(bssid), Some(rssi_dbm), Some(connected), Some(age_ms)) if !is_twice => {
                reader.batch.access_points.push(AccessPoint { bssid, rssi_dbm, connected, age_ms });
            }
            _ => reader.ignore_access_point(),
        }
        Ok(())
    }
}

impl Reader<'_> {
    fn ignore_access_point(&mut self) {
        self.draft.wifi_ignored = self.draft.wifi_ignored.saturating_add(1);
    }
}

fn usable_bssid(found: Found<'_>) -> Option<Bssid> {
    match found {
        Found::Text(text) => Bssid::parse(text.as_bytes()).filter(|bssid| !bssid.is_placeholder()),
        _ => None,
    }
}

/// An age in milliseconds, 0 where it is null; `None` for a negative one, which no clock can mean.
fn age(found: Found<'_>) -> Option<u32> {
    match found {
        Found::Null => Some(0),
        // `as` saturates: an age beyond seven weeks is as stale as one of seven weeks.
        _ => number(found).filter(|age| *age >= 0.0).map(|age| age as u32),
    }
}

/// The field `beacons`.
pub(super) struct Beacons<'a, 'r>(pub(super) &'a mut Reader<'r>);

impl<'de> Shape<'de> for Beacons<'_, '_> {
    fn other(self, found: Found<'_>) {
        if found != Found::Null {
            self.0.wrong("beacons", found, "an array");
        }
    }

    fn array<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Any(OneBeacon(self.0)))?.is_some() {}
        self.0.draft.beacons.end = self.0.batch.beacons.len() as u32;
        Ok(())
    }
}

struct OneBeacon<'a, 'r>(&'a mut Reader<'r>);

const BEACON: &[&str] = &["uuid", "major", "minor", "rssi"];

impl<'de> Shape<'de> for OneBeacon<'_, '_> {
    fn other(self, _: Found<'_>) {}

    fn object<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut keys = Keys::new(BEACON);
        let (mut uuid, mut major, mut minor, mut rssi_dbm) = (None, None, None, Some(None));
        let mut is_twice = false;
        while let Some(next) = keys.next(&mut map)? {
            match next {
                Next::Known(0) => uuid = scalar(&mut map, beacon_uuid)?,
                Next::Known(1) => major = scalar(&mut map, beacon_number)?,
                Next::Known(2) => minor = scalar(&mut map, beacon_number)?,
                Next::Known(_) => rssi_dbm = scalar(&mut map, rssi)?,
                Next::Unknown => self.0.batch.unknown_fields += 1,
                Next::Again(_) => is_twice = true,
            }
        }
        if let (Some(uuid), Some(major), Some(minor), Some(rssi_dbm), false) =
            (uuid, major, minor, rssi_dbm, is_twice)
        {
            self.0.batch.beacons.push(Beacon { id: BeaconId { uuid, major, minor }, rssi_dbm });
        }
        Ok(())
    }
}

fn beacon_uuid(found: Found<'_>) -> Option<u128> {
    match found {
        Found::Text(text) => BeaconId::parse_uuid(text.as_bytes()),
        _ => None,
    }
}

fn beacon_number(found: Found<'_>) -> Option<u16> {
    match found {
        Found::Integer(value) => u16::try_from(value).ok(),
        _ => None,
    }
}

/// The field `photo`.
pub(super) struct Photo<'a, 'r>(pub(super) &'a mut Reader<'r>);

const PHOTO: &[&str] = &["ref", "sha256"];

impl<'de> Shape<'de> for Photo<'_, '_> {
    fn other(self, found: Found<'_>) {
        if found != Found::Null {
            self.0.wrong("photo", found, "an object");
        }
    }

    fn object<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let reader = self.0;
        let mut keys = Keys::new(PHOTO);
        while let Some(next) = keys.next(&mut map)? {
            match next {
                Next::Known(at) => {
                    let part = scalar(&mut map, |found| match found {
                        Found::Text(text) => photo::part(at, text.as_bytes(), reader.batch),
                        Found::Null => None,
                        _ => {
                            reader.wrong(photo::PARTS[at], found, "a text");
                            None
                        }
                    })?;
                    match at {
                        0 => reader.draft.photo.reference = part,
                        _ => reader.draft.photo.sha256 = part,
                    }
                }
                Next::Unknown => reader.batch.unknown_fields += 1,
                Next::Again(at) => reader.twice(PHOTO[at]),
            }
        }
        Ok(())
    }
}
