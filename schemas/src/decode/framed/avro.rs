//! An Avro datum from the wire into the batch, along its writer's resolved schema.
//!
//! ```text
//! null: nothing · boolean: a byte · int, long: zigzag varint · float, double: 4, 8 bytes, little-endian
//! bytes, string: length and bytes · fixed: its bytes · enum: the symbol's place · union: the branch's place, then its value
//! array, map: blocks of a count (negative: its size in bytes follows) and as many items, ended by a count of 0
//! record: its fields one behind the other
//! ```
//!
//! Absent on purpose: values that are built to be taken apart again. `apache-avro` is the oracle of the tests.

use model::{Batch, Datum, EventTime, Kind, Origin, RejectCode, Text, Trigger};

use super::super::draft::{Draft, Fault};
use super::super::json_nested::platform_of;
use super::super::time_text;
use super::avro_schema::{Node, Program, Symbol, UNKNOWN, Unit, Within};
use super::format_fault;
use super::values::{self, Filler, Place, SeenBeacon, Sighting};

pub(super) fn read(
    body: &[u8],
    program: &Program,
    batch: &mut Batch,
    draft: &mut Draft,
) -> Result<(), Fault> {
    let mut reader = Reader { rest: body, nodes: &program.nodes, filler: Filler::new(batch, draft) };
    if reader.punch(program.top).is_none() {
        return Err(format_fault("broken Avro, or of another schema than its id says"));
    }
    if !reader.rest.is_empty() {
        return Err(format_fault("bytes behind the Avro datum"));
    }
    reader.filler.finish()
}

/// How deep values may lie in each other that nobody asked for.
const SKIPPED_DEPTH_MAX: u32 = 64;

struct Reader<'a, 'p, 'b> {
    rest: &'a [u8],
    nodes: &'p [Node],
    filler: Filler<'b>,
}

/// A value where one of a certain type was expected.
#[derive(Clone, Copy)]
enum Value<'a, 'p> {
    Null,
    Boolean(bool),
    Integer(i64),
    /// A whole number that its schema calls an instant.
    Instant(EventTime),
    Real(f64),
    Bytes(&'a [u8]),
    Symbol(&'p Symbol),
    /// An array, map or record, passed.
    Other,
}

impl Value<'_, '_> {
    const fn shape(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "a boolean",
            Self::Integer(_) | Self::Real(_) => "a number",
            Self::Instant(_) => "an instant",
            Self::Bytes(_) => "a text or bytes",
            Self::Symbol(_) => "an enum's symbol",
            Self::Other => "an array, a map or a record",
        }
    }

    const fn number(self) -> Option<f64> {
        match self {
            Self::Integer(value) => Some(value as f64),
            Self::Real(value) => Some(value),
            _ => None,
        }
    }
}

/// The wire.
impl<'a, 'p> Reader<'a, 'p, '_> {
    #[inline(always)]
    fn long(&mut self) -> Option<i64> {
        let (first, rest) = self.rest.split_first()?;
        let value = if *first < 0x80 {
            self.rest = rest;
            u64::from(*first)
        } else {
            self.long_varint()?
        };
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn long_varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for at in 0..10 {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            // Of the tenth byte one bit is left, and it is the last.
            if at == 9 && *byte > 1 {
                return None;
            }
            value |= u64::from(byte & 0x7f) << (7 * at);
            if *byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    #[inline(always)]
    fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(bytes)
    }

    /// The node itself, or the branch of a union that the datum has taken.
    #[inline(always)]
    fn branch(&mut self, node: usize) -> Option<&'p Node> {
        let nodes = self.nodes;
        let mut node = &nodes[node];
        while let Node::Union(branches) = node {
            let at = usize::try_from(self.long()?).ok()?;
            node = &nodes[*branches.get(at)?];
        }
        Some(node)
    }

    /// A scalar, or that it was none and has been passed.
    #[inline(always)]
    fn value(&mut self, node: usize) -> Option<Value<'a, 'p>> {
        let node = self.branch(node)?;
        self.value_of(node)
    }

    #[inline(always)]
    fn value_of(&mut self, node: &'p Node) -> Option<Value<'a, 'p>> {
        Some(match node {
            Node::Null => Value::Null,
            Node::Boolean => Value::Boolean(self.bytes(1)? != [0]),
            Node::Integer(unit) => {
                let value = self.long()?;
                match unit {
                    Unit::Plain => Value::Integer(value),
                    Unit::Micros => Value::Instant(EventTime::from_us(value)),
                    Unit::Nanos => Value::Instant(EventTime::from_us(value.div_euclid(1_000))),
                }
            }
            Node::Float => Value::Real(f64::from(f32::from_le_bytes(self.bytes(4)?.try_into().ok()?))),
            Node::Double => Value::Real(f64::from_le_bytes(self.bytes(8)?.try_into().ok()?)),
            Node::Bytes => {
                let len = usize::try_from(self.long()?).ok()?;
                Value::Bytes(self.bytes(len)?)
            }
            Node::Fixed(len) => Value::Bytes(self.bytes(*len)?),
            Node::Enum(symbols) => {
                let at = usize::try_from(self.long()?).ok()?;
                Value::Symbol(symbols.get(at)?)
            }
            Node::Array(_) | Node::Map(_) | Node::Union(_) | Node::Record(_) => {
                self.skip(node, SKIPPED_DEPTH_MAX)?;
                Value::Other
            }
        })
    }

    /// Passes a value of any type.
    fn skip(&mut self, node: &'p Node, depth: u32) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        let nodes = self.nodes;
        match node {
            Node::Union(branches) => {
                let at = usize::try_from(self.long()?).ok()?;
                self.skip(&nodes[*branches.get(at)?], depth)
            }
            Node::Array(items) => self.blocks(|reader| reader.skip(&nodes[*items], depth)),
            Node::Map(values) => self.blocks(|reader| {
                let len = usize::try_from(reader.long()?).ok()?;
                reader.bytes(len)?;
                reader.skip(&nodes[*values], depth)
            }),
            Node::Record(fields) => fields.iter().try_for_each(|field| self.skip(&nodes[field.node], depth)),
            scalar => self.value_of(scalar).map(|_| ()),
        }
    }

    /// The items of an array or map.
    #[inline(always)]
    fn blocks(&mut self, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        loop {
            let mut count = self.long()?;
            if count == 0 {
                return Some(());
            }
            if count < 0 {
                count = count.checked_neg()?;
                self.long()?;
            }
            for _ in 0..count {
                let before = self.rest.len();
                item(self)?;
                // An item without bytes is followed by such items only, and a count may claim any number of them.
                if self.rest.len() == before {
                    break;
                }
            }
        }
    }
}

/// The contract's fields, by their places in `avro_schema::NAMES`.
impl<'p> Reader<'_, 'p, '_> {
    fn punch(&mut self, top: usize) -> Option<()> {
        let Node::Record(fields) = &self.nodes[top] else { return None };
        for field in fields {
            let node = field.node;
            match field.places[Within::Punch as usize] {
                0 => self.filler.draft.event_id = self.text("event_id", node)?,
                1 => self.filler.draft.employee_id = self.text("employee_id", node)?,
                2 => {
                    let named = self.named("kind", node, |symbol| symbol.kind, Kind::from_name)?;
                    self.filler.draft.kind = named;
                }
                3 => self.time(node)?,
                4 => {
                    let named = self.named("origin", node, |symbol| symbol.origin, Origin::from_name)?;
                    self.filler.draft.origin = named;
                }
                5 => {
                    let named = self.named("trigger", node, |symbol| symbol.trigger, Trigger::from_name)?;
                    self.filler.draft.trigger = named;
                }
                6 => self.filler.draft.device_id = self.text("device_id", node)?,
                7 => self.filler.draft.site_claim = self.text("site_id", node)?,
                8 => self.location(node)?,
                9 => self.list("wifi", node, Self::access_point)?,
                10 => self.list("beacons", node, Self::beacon)?,
                11 => self.photo(node)?,
                // What decides nothing is not looked at.
                12 | 13 => self.skip(&self.nodes[node], SKIPPED_DEPTH_MAX)?,
                14 => self.filler.draft.time_zone = self.text("tz", node)?,
                _ => self.unknown(node)?,
            }
        }
        Some(())
    }

    #[cold]
    fn unknown(&mut self, node: usize) -> Option<()> {
        self.filler.batch.unknown_fields += 1;
        self.skip(&self.nodes[node], SKIPPED_DEPTH_MAX)
    }

    #[inline(always)]
    fn text(&mut self, field: &str, node: usize) -> Option<Text> {
        Some(match self.value(node)? {
            Value::Bytes(bytes) => self.filler.text(field, bytes),
            Value::Null => Text::default(),
            other => {
                self.filler.wrong(field, other.shape(), "a text");
                Text::default()
            }
        })
    }

    /// A symbol or text that names a value; inner `None` where it is null, empty or wrong.
    #[inline(always)]
    fn named<T>(
        &mut self,
        field: &str,
        node: usize,
        of_symbol: fn(&Symbol) -> Option<T>,
        from_name: fn(&str) -> Option<T>,
    ) -> Option<Option<T>> {
        let value = self.value(node)?;
        let named = match value {
            Value::Null | Value::Bytes([]) => return Some(None),
            Value::Symbol(symbol) => of_symbol(symbol),
            Value::Bytes(bytes) => std::str::from_utf8(bytes).ok().and_then(from_name),
            _ => None,
        };
        if named.is_none() {
            let found = match value {
                Value::Symbol(symbol) => format!("the symbol {:?}", symbol.name),
                other => other.shape().to_owned(),
            };
            self.filler.wrong(field, found, "a name of the contract");
        }
        Some(named)
    }

    #[inline(always)]
    fn time(&mut self, node: usize) -> Option<()> {
        match self.value(node)? {
            Value::Integer(ms) => self.filler.occurred_at(EventTime::from_ms(ms)),
            Value::Instant(time) => self.filler.occurred_at(time),
            Value::Null | Value::Bytes([]) => {}
            Value::Bytes(bytes) => match std::str::from_utf8(bytes).ok().and_then(time_text::rfc3339) {
                Some(time) => self.filler.occurred_at(time),
                None => {
                    let message = "`occurred_at` is no RFC 3339 time with offset".to_owned();
                    self.filler.fault(RejectCode::TimeImpossible, message);
                }
            },
            other => self.filler.wrong("occurred_at", other.shape(), "an instant or a text"),
        }
        Some(())
    }

    fn location(&mut self, node: usize) -> Option<()> {
        let record = self.branch(node)?;
        let Node::Record(fields) = record else {
            let value = self.value_of(record)?;
            if !matches!(value, Value::Null) {
                self.filler.wrong("location", value.shape(), "a record");
            }
            return Some(());
        };
        let mut place = Place::default();
        for field in fields {
            let node = field.node;
            match field.places[Within::Location as usize] {
                0 => place.lon = self.coordinate("lon", node)?,
                1 => place.lat = self.coordinate("lat", node)?,
                2 => place.accuracy_m = self.accuracy(node)?,
                3 => {
                    let named =
                        self.named("location.datum", node, |symbol| symbol.datum, Datum::from_name)?;
                    place.datum = named.unwrap_or_default();
                }
                4 => place.mocked = self.mocked(node)?,
                5 => {
                    let named =
                        self.named("location.platform", node, |symbol| symbol.platform, platform_of)?;
                    place.platform = named.unwrap_or_default();
                }
                _ => self.unknown(node)?,
            }
        }
        self.filler.location(&place);
        Some(())
    }

    #[inline(always)]
    fn coordinate(&mut self, name: &str, node: usize) -> Option<Option<f64>> {
        let value = self.value(node)?;
        let number = value.number();
        if number.is_none() {
            let message = format!("`location.{name}` is {}, expected a number", value.shape());
            self.filler.fault(RejectCode::BadCoordinates, message);
        }
        Some(number)
    }

    #[inline(always)]
    fn accuracy(&mut self, node: usize) -> Option<Option<f64>> {
        let value = self.value(node)?;
        if !matches!(value, Value::Null) && value.number().is_none() {
            self.filler.wrong("location.accuracy_m", value.shape(), "a number");
        }
        Some(value.number())
    }

    #[inline(always)]
    fn mocked(&mut self, node: usize) -> Option<bool> {
        let value = self.value(node)?;
        match truth(value) {
            Some(mocked) => Some(mocked),
            None => {
                self.filler.wrong("location.mocked", value.shape(), "true or false");
                Some(false)
            }
        }
    }

    /// A list whose items `item` reads.
    #[inline(always)]
    fn list(&mut self, name: &str, node: usize, item: fn(&mut Self, &'p Node) -> Option<()>) -> Option<()> {
        let nodes = self.nodes;
        match self.branch(node)? {
            Node::Array(items) => self.blocks(|reader| item(reader, &nodes[*items])),
            other => {
                let value = self.value_of(other)?;
                if !matches!(value, Value::Null) {
                    self.filler.wrong(name, value.shape(), "an array");
                }
                Some(())
            }
        }
    }

    fn access_point(&mut self, node: &'p Node) -> Option<()> {
        let Node::Record(fields) = self.item(node)? else {
            self.filler.ignore_access_point();
            return Some(());
        };
        let (mut seen, mut is_usable) = (Sighting::default(), true);
        for field in fields {
            let place = field.places[Within::AccessPoint as usize];
            if place == UNKNOWN {
                self.unknown(field.node)?;
                continue;
            }
            let value = self.value(field.node)?;
            match place {
                0 => seen.bssid = if let Value::Bytes(bytes) = value { values::bssid(bytes) } else { None },
                1 => seen.rssi_dbm = rssi(value, &mut is_usable),
                2 => seen.connected = truth(value).unwrap_or_else(|| spoilt(&mut is_usable)),
                _ => seen.age_ms = age(value).unwrap_or_else(|| spoilt(&mut is_usable)),
            }
        }
        if is_usable {
            self.filler.access_point(&seen)
        } else {
            self.filler.ignore_access_point()
        }
        Some(())
    }

    fn beacon(&mut self, node: &'p Node) -> Option<()> {
        let Node::Record(fields) = self.item(node)? else { return Some(()) };
        let (mut seen, mut is_usable) = (SeenBeacon::default(), true);
        for field in fields {
            let place = field.places[Within::Beacon as usize];
            if place == UNKNOWN {
                self.unknown(field.node)?;
                continue;
            }
            let value = self.value(field.node)?;
            match place {
                0 => seen.uuid = if let Value::Bytes(bytes) = value { values::uuid(bytes) } else { None },
                1 => seen.major = beacon_number(value),
                2 => seen.minor = beacon_number(value),
                _ => seen.rssi_dbm = rssi(value, &mut is_usable),
            }
        }
        if is_usable {
            self.filler.beacon(&seen);
        }
        Some(())
    }

    /// The record of a list's item; anything else is passed, and given back as null.
    #[inline(always)]
    fn item(&mut self, node: &'p Node) -> Option<&'p Node> {
        let mut node = node;
        while let Node::Union(branches) = node {
            let at = usize::try_from(self.long()?).ok()?;
            node = &self.nodes[*branches.get(at)?];
        }
        if !matches!(node, Node::Record(_)) {
            self.value_of(node)?;
            return Some(&Node::Null);
        }
        Some(node)
    }

    fn photo(&mut self, node: usize) -> Option<()> {
        let record = self.branch(node)?;
        let Node::Record(fields) = record else {
            let value = self.value_of(record)?;
            if !matches!(value, Value::Null) {
                self.filler.wrong("photo", value.shape(), "a record");
            }
            return Some(());
        };
        for field in fields {
            match field.places[Within::Photo as usize] {
                UNKNOWN => self.unknown(field.node)?,
                place => match self.value(field.node)? {
                    Value::Bytes(text) => self.filler.draft.has_photo |= place == 0 && !text.is_empty(),
                    Value::Null => {}
                    other => self.filler.wrong("photo", other.shape(), "texts"),
                },
            }
        }
        Some(())
    }
}

/// A boolean, false where it is null; `None` for anything else.
const fn truth(value: Value<'_, '_>) -> Option<bool> {
    match value {
        Value::Boolean(value) => Some(value),
        Value::Null => Some(false),
        _ => None,
    }
}

/// Notes that a sighting holds a value it cannot have.
#[cold]
fn spoilt<T: Default>(is_usable: &mut bool) -> T {
    *is_usable = false;
    T::default()
}

fn rssi(value: Value<'_, '_>, is_usable: &mut bool) -> Option<i16> {
    match value {
        Value::Null => None,
        Value::Integer(value) => Some(values::rssi(value)),
        // `as` saturates at the ends of the range.
        Value::Real(value) if !value.is_nan() => Some(value.round() as i16),
        _ => spoilt(is_usable),
    }
}

/// An age in milliseconds, 0 where it is null; `None` for a negative one, which no clock can mean.
fn age(value: Value<'_, '_>) -> Option<u32> {
    match value {
        Value::Null => Some(0),
        Value::Integer(value) => u64::try_from(value).ok().map(|age| u32::try_from(age).unwrap_or(u32::MAX)),
        // `as` saturates: an age beyond seven weeks is as stale as one of seven weeks.
        Value::Real(value) => (value >= 0.0).then_some(value as u32),
        _ => None,
    }
}

fn beacon_number(value: Value<'_, '_>) -> Option<u16> {
    match value {
        Value::Integer(value) => u16::try_from(value).ok(),
        _ => None,
    }
}
