//! The lists of access points and beacons, as the scanner reads them.

use model::{AccessPoint, Beacon, BeaconId, Bssid};

use super::cursor::Number;
use super::hex;
use super::scan::{Scanner, Seen};

impl<const SPACED: bool> Scanner<'_, '_, SPACED> {
    /// The access points.
    #[inline(always)]
    pub(super) fn wifi(&mut self) -> Option<()> {
        if !self.opens(b'[')? {
            return Some(());
        }
        if !self.at.eat(b"]") {
            loop {
                self.access_point()?;
                if !self.more(b']')? {
                    break;
                }
            }
        }
        self.draft.wifi.end = self.batch.access_points.len() as u32;
        Some(())
    }

    #[inline(always)]
    fn access_point(&mut self) -> Option<()> {
        if !self.opens(b'{')? {
            return None;
        }
        let mut point = Sighting::default();
        let mut seen = Seen::default();
        loop {
            let before = self.at.left();
            if !self.sighting(&mut point, &mut seen)? {
                break;
            }
            if self.at.left() == before && !self.unknown()? {
                break;
            }
        }
        match point.bssid {
            Some(bssid) => {
                let Sighting { rssi_dbm, connected, age_ms, .. } = point;
                self.batch.access_points.push(AccessPoint { bssid, rssi_dbm, connected, age_ms });
            }
            None => self.draft.wifi_ignored = self.draft.wifi_ignored.saturating_add(1),
        }
        Some(())
    }

    #[inline(always)]
    fn sighting(&mut self, point: &mut Sighting, seen: &mut Seen) -> Option<bool> {
        if self.key(seen, 0, b"\"bssid\":")? {
            point.bssid = self.bssid()?.filter(|bssid| !bssid.is_placeholder());
            if !self.more(b'}')? {
                return Some(false);
            }
        }
        if self.key(seen, 1, b"\"rssi\":")? {
            point.rssi_dbm = self.rssi()?;
            if !self.more(b'}')? {
                return Some(false);
            }
        }
        if self.key(seen, 2, b"\"connected\":")? {
            point.connected = self.truth()?;
            if !self.more(b'}')? {
                return Some(false);
            }
        }
        if self.key(seen, 3, b"\"age_ms\":")? {
            point.age_ms = self.age()?;
            return self.more(b'}');
        }
        Some(true)
    }

    /// An address; inner `None` for a text that is none.
    #[inline(always)]
    fn bssid(&mut self) -> Option<Option<Bssid>> {
        if let Some([b'"', text @ .., b'"']) = self.at.rest().first_chunk::<19>()
            && let Some(bssid) = hex::bssid(text)
        {
            self.at.pass(19);
            return Some(Some(bssid));
        }
        self.at.eat(b"\"").then(|| self.at.plain_text().map(|text| Bssid::parse(text.as_bytes())))?
    }

    /// A signal strength in whole dBm; inner `None` where it is null.
    #[inline(always)]
    fn rssi(&mut self) -> Option<Option<i16>> {
        if self.at.eat(b"null") {
            return Some(None);
        }
        Some(Some(match self.at.number()? {
            Number::Integer(value) => value.clamp(i64::from(i16::MIN), i64::from(i16::MAX)) as i16,
            // `as` saturates at the ends of the range.
            Number::Real(value) => value.round() as i16,
        }))
    }

    /// An age in milliseconds, 0 where it is null; a negative one is for the general reader.
    #[inline(always)]
    fn age(&mut self) -> Option<u32> {
        if self.at.eat(b"null") {
            return Some(0);
        }
        match self.at.number()? {
            Number::Integer(value) if value >= 0 => Some(u32::try_from(value).unwrap_or(u32::MAX)),
            Number::Real(value) if value >= 0.0 => Some(value as u32),
            _ => None,
        }
    }

    /// The beacons.
    #[inline(always)]
    pub(super) fn beacons(&mut self) -> Option<()> {
        if !self.opens(b'[')? {
            return Some(());
        }
        if !self.at.eat(b"]") {
            loop {
                self.beacon()?;
                if !self.more(b']')? {
                    break;
                }
            }
        }
        self.draft.beacons.end = self.batch.beacons.len() as u32;
        Some(())
    }

    #[inline(always)]
    fn beacon(&mut self) -> Option<()> {
        if !self.opens(b'{')? {
            return None;
        }
        let (mut uuid, mut major, mut minor, mut rssi_dbm) = (None, None, None, None);
        let mut seen = Seen::default();
        loop {
            if self.key(&mut seen, 0, b"\"uuid\":")? {
                uuid = self.uuid()?;
            } else if self.key(&mut seen, 1, b"\"major\":")? {
                major = Some(self.beacon_number()?);
            } else if self.key(&mut seen, 2, b"\"minor\":")? {
                minor = Some(self.beacon_number()?);
            } else if self.key(&mut seen, 3, b"\"rssi\":")? {
                rssi_dbm = self.rssi()?;
            } else if self.unknown()? {
                continue;
            } else {
                break;
            }
            if !self.more(b'}')? {
                break;
            }
        }
        if let (Some(uuid), Some(major), Some(minor)) = (uuid, major, minor) {
            self.batch.beacons.push(Beacon { id: BeaconId { uuid, major, minor }, rssi_dbm });
        }
        Some(())
    }

    /// A UUID; inner `None` for a text that is none.
    #[inline(always)]
    fn uuid(&mut self) -> Option<Option<u128>> {
        if let Some([b'"', text @ .., b'"']) = self.at.rest().first_chunk::<38>()
            && let Some(uuid) = hex::uuid(text)
        {
            self.at.pass(38);
            return Some(Some(uuid));
        }
        self.at.eat(b"\"").then(|| self.at.plain_text().map(|text| BeaconId::parse_uuid(text.as_bytes())))?
    }

    /// A major or minor number; any other is for the general reader, which drops the beacon.
    #[inline(always)]
    fn beacon_number(&mut self) -> Option<u16> {
        match self.at.number()? {
            Number::Integer(value) => u16::try_from(value).ok(),
            Number::Real(_) => None,
        }
    }
}

/// One access point while it is read.
#[derive(Default)]
struct Sighting {
    bssid: Option<Bssid>,
    rssi_dbm: Option<i16>,
    connected: bool,
    age_ms: u32,
}
