//! `proto/punch.proto` from the wire into the batch, in one pass.
//!
//! ```text
//! (field number << 3 | wire type) as varint | value        wire type 0 varint, 1 eight bytes, 2 length and bytes, 5 four bytes
//! ```
//!
//! As Protobuf has it, the last value of a field that comes twice holds, and messages that come twice are merged.
//! Absent on purpose: descriptors and generated structs; numbers and types are the contract's, so a writer's schema has
//! nothing to add. `prost` is the oracle of the tests.

use model::{Batch, Datum, EventTime, Kind, Origin, Platform, Trigger};

use super::super::draft::{Draft, Fault};
use super::format_fault;
use super::values::{self, Filler, Place, SeenBeacon, Sighting};

pub(super) fn read(body: &[u8], punch: &[u32], batch: &mut Batch, draft: &mut Draft) -> Result<(), Fault> {
    let mut wire = Wire(body);
    if !wire.is_message(punch).ok_or_else(|| format_fault("Protobuf without message indexes"))? {
        return Err(format_fault("another message of its Protobuf file than a punch"));
    }
    let mut reader = Reader { filler: Filler::new(batch, draft), place: None };
    if reader.punch(wire).is_none() {
        return Err(format_fault("broken Protobuf"));
    }
    let Reader { mut filler, place } = reader;
    if let Some(place) = place {
        filler.location(&place);
    }
    filler.finish()
}

/// Bytes of the wire that have not been read.
#[derive(Clone, Copy)]
struct Wire<'a>(&'a [u8]);

/// How deep groups may lie in each other, as in other readers.
const GROUP_DEPTH_MAX: u32 = 100;

impl<'a> Wire<'a> {
    /// Reads the list of message indexes: whether it leads to `punch`.
    fn is_message(&mut self, punch: &[u32]) -> Option<bool> {
        let zigzag = |value: u64| (value >> 1) as i64 ^ -((value & 1) as i64);
        let count = zigzag(self.varint()?);
        if count == 0 {
            return Some(punch == [0]);
        }
        let mut is_punch = usize::try_from(count).is_ok_and(|count| count == punch.len());
        for at in 0..usize::try_from(count).ok()? {
            let index = zigzag(self.varint()?);
            is_punch &= punch.get(at).is_some_and(|wanted| i64::from(*wanted) == index);
        }
        Some(is_punch)
    }

    #[inline(always)]
    fn varint(&mut self) -> Option<u64> {
        let (first, rest) = self.0.split_first()?;
        if *first < 0x80 {
            self.0 = rest;
            return Some(u64::from(*first));
        }
        let (value, rest) = long_varint(self.0)?;
        self.0 = rest;
        Some(value)
    }

    #[inline(always)]
    fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.varint()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    /// Passes a field of any type: its number, and what its value is.
    fn past(&mut self) -> Option<(u32, &'static str)> {
        let tag = u32::try_from(self.varint()?).ok()?;
        let number = tag >> 3;
        let found = match tag & 7 {
            0 => self.varint().map(|_| "a varint")?,
            1 => self.chunk::<8>().map(|_| "eight bytes")?,
            2 => self.bytes().map(|_| "a length and bytes")?,
            3 => self.group(number, GROUP_DEPTH_MAX).map(|()| "a group")?,
            5 => self.chunk::<4>().map(|_| "four bytes")?,
            _ => return None,
        };
        (number > 0).then_some((number, found))
    }

    #[inline(always)]
    fn chunk<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*bytes)
    }

    #[inline(always)]
    fn double(&mut self) -> Option<f64> {
        self.chunk().map(f64::from_le_bytes)
    }

    /// Passes a group up to its end.
    #[cold]
    fn group(&mut self, number: u32, depth: u32) -> Option<()> {
        loop {
            let tag = u32::try_from(self.varint()?).ok()?;
            match tag & 7 {
                0 => _ = self.varint()?,
                1 => _ = self.chunk::<8>()?,
                2 => _ = self.bytes()?,
                3 => self.group(tag >> 3, depth.checked_sub(1)?)?,
                4 => return (tag >> 3 == number).then_some(()),
                5 => _ = self.chunk::<4>()?,
                _ => return None,
            }
        }
    }
}

fn long_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (at, byte) in bytes.iter().enumerate().take(10) {
        // Of the tenth byte one bit is left, and it is the last.
        if at == 9 && *byte > 1 {
            return None;
        }
        value |= u64::from(byte & 0x7f) << (7 * at);
        if *byte < 0x80 {
            return Some((value, &bytes[at + 1..]));
        }
    }
    None
}

struct Reader<'b> {
    filler: Filler<'b>,
    place: Option<Place>,
}

const KINDS: &[Kind] = &[Kind::In, Kind::Out, Kind::BreakOut, Kind::BreakIn, Kind::Auto];
const ORIGINS: &[Origin] =
    &[Origin::Phone, Origin::Terminal, Origin::Kiosk, Origin::Field, Origin::Import, Origin::Correction];
const TRIGGERS: &[Trigger] = &[Trigger::Manual, Trigger::Wifi, Trigger::Fence];
const PLATFORMS: &[Platform] = &[Platform::Android, Platform::Ios];
/// Those but the default, which is 0.
const DATUMS: &[Datum] = &[Datum::Gcj02, Datum::Bd09];

impl Reader<'_> {
    fn punch(&mut self, mut wire: Wire<'_>) -> Option<()> {
        while let [tag, rest @ ..] = wire.0 {
            // The tag of a known field with its own wire type is one byte: one jump for both.
            let before = wire;
            wire.0 = rest;
            match tag {
                0x0a => self.filler.draft.event_id = self.filler.text("event_id", wire.bytes()?),
                0x12 => self.filler.draft.employee_id = self.filler.text("employee_id", wire.bytes()?),
                0x18 => self.filler.draft.kind = self.named("kind", wire.varint()?, KINDS),
                0x20 => self.filler.occurred_at(EventTime::from_ms(wire.varint()? as i64)),
                0x28 => self.filler.draft.origin = self.named("origin", wire.varint()?, ORIGINS),
                0x30 => self.filler.draft.trigger = self.named("trigger", wire.varint()?, TRIGGERS),
                0x3a => self.filler.draft.device_id = self.filler.text("device_id", wire.bytes()?),
                0x42 => self.filler.draft.site_claim = self.filler.text("site_id", wire.bytes()?),
                0x4a => self.location(Wire(wire.bytes()?))?,
                0x52 => self.access_point(Wire(wire.bytes()?))?,
                0x5a => self.beacon(Wire(wire.bytes()?))?,
                0x62 => self.photo(Wire(wire.bytes()?))?,
                // What decides nothing is not looked at.
                0x6a | 0x72 => _ = wire.bytes()?,
                0x7a => self.filler.draft.time_zone = self.filler.text("tz", wire.bytes()?),
                _ => wire = self.other("Punch", 15, before)?,
            }
        }
        Some(())
    }

    /// A field that no version has, or one with another wire type than the contract's.
    #[cold]
    fn other<'a>(&mut self, message: &str, known: u32, mut wire: Wire<'a>) -> Option<Wire<'a>> {
        let (number, found) = wire.past()?;
        if number > known {
            self.filler.batch.unknown_fields += 1;
        } else {
            self.filler.wrong(&format!("{message}.{number}"), found, "the type of punch.proto");
        }
        Some(wire)
    }

    /// The value that a number above 0 names; `None` for 0, which says nothing.
    #[inline(always)]
    fn named<T: Copy>(&mut self, field: &str, value: u64, from_1: &[T]) -> Option<T> {
        // An enum is 32 bits, whatever its varint holds above.
        match value as u32 as usize {
            0 => None,
            number => {
                let value = from_1.get(number - 1).copied();
                if value.is_none() {
                    self.filler.wrong(field, number as u32 as i32, "a number of punch.proto");
                }
                value
            }
        }
    }

    #[inline(always)]
    fn location(&mut self, mut wire: Wire<'_>) -> Option<()> {
        let mut place = self.place.unwrap_or_default();
        while let [tag, rest @ ..] = wire.0 {
            let before = wire;
            wire.0 = rest;
            match tag {
                0x09 => place.lon = Some(wire.double()?),
                0x11 => place.lat = Some(wire.double()?),
                0x19 => place.accuracy_m = Some(wire.double()?),
                0x20 => {
                    place.datum = self.named("location.datum", wire.varint()?, DATUMS).unwrap_or_default()
                }
                0x28 => place.mocked = wire.varint()? != 0,
                0x30 => {
                    let named = self.named("location.platform", wire.varint()?, PLATFORMS);
                    place.platform = named.unwrap_or_default();
                }
                _ => wire = self.other("Location", 6, before)?,
            }
        }
        self.place = Some(place);
        Some(())
    }

    #[inline(always)]
    fn access_point(&mut self, mut wire: Wire<'_>) -> Option<()> {
        let (mut seen, mut is_usable) = (Sighting::default(), true);
        while let [tag, rest @ ..] = wire.0 {
            let before = wire;
            wire.0 = rest;
            match tag {
                0x0a => seen.bssid = values::bssid(wire.bytes()?),
                0x10 => seen.rssi_dbm = Some(zigzag_rssi(wire.varint()?)),
                0x18 => seen.connected = wire.varint()? != 0,
                0x20 => seen.age_ms = wire.varint()? as u32,
                _ => wire = self.other_of_sighting(before, &mut is_usable)?,
            }
        }
        if is_usable {
            self.filler.access_point(&seen)
        } else {
            self.filler.ignore_access_point()
        }
        Some(())
    }

    /// An unknown field of an access point or beacon, which does not touch it, or a known one of another type, which makes
    /// it malformed: ignored, never a reject.
    #[cold]
    fn other_of_sighting<'a>(&mut self, mut wire: Wire<'a>, is_usable: &mut bool) -> Option<Wire<'a>> {
        match wire.past()? {
            (5.., _) => self.filler.batch.unknown_fields += 1,
            _ => *is_usable = false,
        }
        Some(wire)
    }

    #[inline(always)]
    fn beacon(&mut self, mut wire: Wire<'_>) -> Option<()> {
        // A number of 0 is not on the wire.
        let mut seen = SeenBeacon { major: Some(0), minor: Some(0), ..SeenBeacon::default() };
        let mut is_usable = true;
        while let [tag, rest @ ..] = wire.0 {
            let before = wire;
            wire.0 = rest;
            match tag {
                0x0a => seen.uuid = values::uuid(wire.bytes()?),
                0x10 => seen.major = u16::try_from(wire.varint()? as u32).ok(),
                0x18 => seen.minor = u16::try_from(wire.varint()? as u32).ok(),
                0x20 => seen.rssi_dbm = Some(zigzag_rssi(wire.varint()?)),
                _ => wire = self.other_of_sighting(before, &mut is_usable)?,
            }
        }
        if is_usable {
            self.filler.beacon(&seen);
        }
        Some(())
    }

    fn photo(&mut self, mut wire: Wire<'_>) -> Option<()> {
        while let [tag, rest @ ..] = wire.0 {
            let before = wire;
            wire.0 = rest;
            match tag {
                0x0a => self.filler.photo_part(0, wire.bytes()?),
                0x12 => self.filler.photo_part(1, wire.bytes()?),
                _ => wire = self.other("Photo", 2, before)?,
            }
        }
        Some(())
    }
}

#[inline(always)]
const fn zigzag_rssi(value: u64) -> i16 {
    // A `sint32` is 32 bits, whatever its varint holds above.
    let value = value as u32;
    values::rssi(((value >> 1) as i32 ^ -((value & 1) as i32)) as i64)
}
