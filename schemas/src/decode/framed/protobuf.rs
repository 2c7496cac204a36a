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

/// One field's value.
#[derive(Clone, Copy, Debug)]
enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32,
    Group,
}

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

    /// The next field's number and value.
    #[inline(always)]
    fn field(&mut self) -> Option<(u32, Value<'a>)> {
        let tag = u32::try_from(self.varint()?).ok()?;
        let number = tag >> 3;
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => {
                let (bytes, rest) = self.0.split_first_chunk::<8>()?;
                self.0 = rest;
                Value::Fixed64(u64::from_le_bytes(*bytes))
            }
            2 => Value::Bytes(self.bytes()?),
            3 => {
                self.group(number, GROUP_DEPTH_MAX)?;
                Value::Group
            }
            5 => {
                self.0 = self.0.split_first_chunk::<4>()?.1;
                Value::Fixed32
            }
            _ => return None,
        };
        (number > 0).then_some((number, value))
    }

    /// Passes a group up to its end.
    #[cold]
    fn group(&mut self, number: u32, depth: u32) -> Option<()> {
        loop {
            let tag = u32::try_from(self.varint()?).ok()?;
            match tag & 7 {
                0 => _ = self.varint()?,
                1 => self.0 = self.0.split_first_chunk::<8>()?.1,
                2 => _ = self.bytes()?,
                3 => self.group(tag >> 3, depth.checked_sub(1)?)?,
                4 => return (tag >> 3 == number).then_some(()),
                5 => self.0 = self.0.split_first_chunk::<4>()?.1,
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
        while !wire.0.is_empty() {
            match wire.field()? {
                (1, Value::Bytes(text)) => self.filler.draft.event_id = self.filler.text("event_id", text),
                (2, Value::Bytes(text)) => {
                    self.filler.draft.employee_id = self.filler.text("employee_id", text)
                }
                (3, Value::Varint(value)) => self.filler.draft.kind = self.named("kind", value, KINDS),
                (4, Value::Varint(value)) => self.filler.occurred_at(EventTime::from_ms(value as i64)),
                (5, Value::Varint(value)) => self.filler.draft.origin = self.named("origin", value, ORIGINS),
                (6, Value::Varint(value)) => {
                    self.filler.draft.trigger = self.named("trigger", value, TRIGGERS)
                }
                (7, Value::Bytes(text)) => self.filler.draft.device_id = self.filler.text("device_id", text),
                (8, Value::Bytes(text)) => self.filler.draft.site_claim = self.filler.text("site_id", text),
                (9, Value::Bytes(bytes)) => self.location(Wire(bytes))?,
                (10, Value::Bytes(bytes)) => self.access_point(Wire(bytes))?,
                (11, Value::Bytes(bytes)) => self.beacon(Wire(bytes))?,
                (12, Value::Bytes(bytes)) => self.photo(Wire(bytes))?,
                (13 | 14, Value::Bytes(_)) => {}
                (15, Value::Bytes(text)) => self.filler.draft.time_zone = self.filler.text("tz", text),
                (number, value) => self.other("Punch", number, 15, value),
            }
        }
        Some(())
    }

    /// A field that no version has, or one with another wire type than the contract's.
    #[cold]
    fn other(&mut self, message: &str, number: u32, known: u32, value: Value<'_>) {
        if number > known {
            self.filler.batch.unknown_fields += 1;
            return;
        }
        let found = match value {
            Value::Varint(_) => "a varint",
            Value::Fixed64(_) => "eight bytes",
            Value::Bytes(_) => "a length and bytes",
            Value::Fixed32 => "four bytes",
            Value::Group => "a group",
        };
        self.filler.wrong(&format!("{message}.{number}"), found, "the type of punch.proto");
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

    fn location(&mut self, mut wire: Wire<'_>) -> Option<()> {
        let mut place = self.place.unwrap_or_default();
        while !wire.0.is_empty() {
            match wire.field()? {
                (1, Value::Fixed64(bits)) => place.lon = Some(f64::from_bits(bits)),
                (2, Value::Fixed64(bits)) => place.lat = Some(f64::from_bits(bits)),
                (3, Value::Fixed64(bits)) => place.accuracy_m = Some(f64::from_bits(bits)),
                (4, Value::Varint(value)) => {
                    place.datum = self.named("location.datum", value, DATUMS).unwrap_or_default();
                }
                (5, Value::Varint(value)) => place.mocked = value != 0,
                (6, Value::Varint(value)) => {
                    place.platform = self.named("location.platform", value, PLATFORMS).unwrap_or_default();
                }
                (number, value) => self.other("Location", number, 6, value),
            }
        }
        self.place = Some(place);
        Some(())
    }

    #[inline(always)]
    fn access_point(&mut self, mut wire: Wire<'_>) -> Option<()> {
        let mut seen = Sighting::default();
        let mut is_usable = true;
        while !wire.0.is_empty() {
            match wire.field()? {
                (1, Value::Bytes(bytes)) => seen.bssid = values::bssid(bytes),
                (2, Value::Varint(value)) => seen.rssi_dbm = Some(zigzag_rssi(value)),
                (3, Value::Varint(value)) => seen.connected = value != 0,
                (4, Value::Varint(value)) => seen.age_ms = value as u32,
                (5.., _) => self.filler.batch.unknown_fields += 1,
                // A malformed access point is ignored, never a reject.
                _ => is_usable = false,
            }
        }
        if is_usable {
            self.filler.access_point(&seen)
        } else {
            self.filler.ignore_access_point()
        }
        Some(())
    }

    #[inline(always)]
    fn beacon(&mut self, mut wire: Wire<'_>) -> Option<()> {
        // A number of 0 is not on the wire.
        let mut seen = SeenBeacon { major: Some(0), minor: Some(0), ..SeenBeacon::default() };
        let mut is_usable = true;
        while !wire.0.is_empty() {
            match wire.field()? {
                (1, Value::Bytes(bytes)) => seen.uuid = values::uuid(bytes),
                (2, Value::Varint(value)) => seen.major = u16::try_from(value as u32).ok(),
                (3, Value::Varint(value)) => seen.minor = u16::try_from(value as u32).ok(),
                (4, Value::Varint(value)) => seen.rssi_dbm = Some(zigzag_rssi(value)),
                (5.., _) => self.filler.batch.unknown_fields += 1,
                _ => is_usable = false,
            }
        }
        if is_usable {
            self.filler.beacon(&seen);
        }
        Some(())
    }

    fn photo(&mut self, mut wire: Wire<'_>) -> Option<()> {
        while !wire.0.is_empty() {
            match wire.field()? {
                (1, Value::Bytes(text)) => self.filler.draft.has_photo = !text.is_empty(),
                (2, Value::Bytes(_)) => {}
                (number, value) => self.other("Photo", number, 2, value),
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
