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
    let mut reader = Reader { nodes: &program.nodes, filler: Filler::new(batch, draft) };
    match reader.punch(program.top, body) {
        None => Err(format_fault("broken Avro, or of another schema than its id says")),
        Some([]) => reader.filler.finish(),
        Some(_) => Err(format_fault("bytes behind the Avro datum")),
    }
}

/// How deep values may lie in each other that nobody asked for.
const SKIPPED_DEPTH_MAX: u32 = 64;

struct Reader<'p, 'b> {
    nodes: &'p [Node],
    filler: Filler<'b>,
}

/// What has not been read. A local of the function that walks along the record, into which everything that moves it is inlined: as a field
/// of the reader it would travel through memory between any two reads, which is most of what a record would cost.
#[derive(Clone, Copy)]
struct Wire<'a>(&'a [u8]);

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

impl<'a> Wire<'a> {
    #[inline(always)]
    fn long(&mut self) -> Option<i64> {
        let value = match self.0 {
            [first @ ..0x80, rest @ ..] => {
                self.0 = rest;
                u64::from(*first)
            }
            [first, second @ ..0x80, rest @ ..] => {
                self.0 = rest;
                u64::from(first & 0x7f) | u64::from(*second) << 7
            }
            _ => {
                let (value, rest) = long_varint(self.0)?;
                self.0 = rest;
                value
            }
        };
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    #[inline(always)]
    fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    #[inline(always)]
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*bytes)
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

/// Values of any type.
impl<'p> Reader<'p, '_> {
    /// The node itself, or the branch of a union that the datum has taken.
    #[inline(always)]
    fn branch(&self, wire: &mut Wire<'_>, node: usize) -> Option<&'p Node> {
        let nodes = self.nodes;
        let mut node = &nodes[node];
        while let Node::Union(branches) = node {
            let at = usize::try_from(wire.long()?).ok()?;
            node = &nodes[*branches.get(at)?];
        }
        Some(node)
    }

    /// A scalar, or that it was none and has been passed.
    #[inline(always)]
    fn value<'a>(&self, wire: &mut Wire<'a>, node: usize) -> Option<Value<'a, 'p>> {
        let node = self.branch(wire, node)?;
        self.value_of(wire, node)
    }

    #[inline(always)]
    fn value_of<'a>(&self, wire: &mut Wire<'a>, node: &'p Node) -> Option<Value<'a, 'p>> {
        Some(match node {
            Node::Null => Value::Null,
            Node::Boolean => Value::Boolean(wire.array::<1>()? != [0]),
            Node::Integer(unit) => {
                let value = wire.long()?;
                match unit {
                    Unit::Plain => Value::Integer(value),
                    Unit::Micros => Value::Instant(EventTime::from_us(value)),
                    Unit::Nanos => Value::Instant(EventTime::from_us(value.div_euclid(1_000))),
                }
            }
            Node::Float => Value::Real(f64::from(f32::from_le_bytes(wire.array()?))),
            Node::Double => Value::Real(f64::from_le_bytes(wire.array()?)),
            Node::Bytes => {
                let len = usize::try_from(wire.long()?).ok()?;
                Value::Bytes(wire.bytes(len)?)
            }
            Node::Fixed(len) => Value::Bytes(wire.bytes(*len)?),
            Node::Enum(symbols) => {
                let at = usize::try_from(wire.long()?).ok()?;
                Value::Symbol(symbols.get(at)?)
            }
            Node::Array(_) | Node::Map(_) | Node::Union(_) | Node::Record(_) => {
                *wire = self.past(*wire, node)?;
                Value::Other
            }
        })
    }

    /// Passes a value of any type.
    fn past<'a>(&self, mut wire: Wire<'a>, node: &'p Node) -> Option<Wire<'a>> {
        self.skip(&mut wire, node, SKIPPED_DEPTH_MAX)?;
        Some(wire)
    }

    fn skip(&self, wire: &mut Wire<'_>, node: &'p Node, depth: u32) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        let nodes = self.nodes;
        match node {
            Node::Union(branches) => {
                let at = usize::try_from(wire.long()?).ok()?;
                self.skip(wire, &nodes[*branches.get(at)?], depth)
            }
            Node::Array(items) => blocks(wire, |wire| self.skip(wire, &nodes[*items], depth)),
            Node::Map(values) => blocks(wire, |wire| {
                let len = usize::try_from(wire.long()?).ok()?;
                wire.bytes(len)?;
                self.skip(wire, &nodes[*values], depth)
            }),
            Node::Record(fields) => {
                fields.iter().try_for_each(|field| self.skip(wire, &nodes[field.node], depth))
            }
            scalar => self.value_of(wire, scalar).map(|_| ()),
        }
    }
}

/// The items of an array or map.
#[inline(always)]
fn blocks<'a>(wire: &mut Wire<'a>, mut item: impl FnMut(&mut Wire<'a>) -> Option<()>) -> Option<()> {
    loop {
        let mut count = wire.long()?;
        if count == 0 {
            return Some(());
        }
        if count < 0 {
            count = count.checked_neg()?;
            wire.long()?;
        }
        for _ in 0..count {
            let before = wire.0.len();
            item(wire)?;
            // An item without bytes is followed by such items only, and a count may claim any number of them.
            if wire.0.len() == before {
                break;
            }
        }
    }
}

/// The contract's fields, by their places in `avro_schema::NAMES`.
impl<'p> Reader<'p, '_> {
    /// Reads the record at the front of `body`; what stands behind it is given back.
    fn punch<'a>(&mut self, top: usize, body: &'a [u8]) -> Option<&'a [u8]> {
        let wire = &mut Wire(body);
        let Node::Record(fields) = &self.nodes[top] else { return None };
        for field in fields {
            let node = field.node;
            match field.places[Within::Punch as usize] {
                0 => self.filler.draft.event_id = self.text(wire, "event_id", node)?,
                1 => self.filler.draft.employee_id = self.text(wire, "employee_id", node)?,
                2 => {
                    let named = self.named(wire, "kind", node, |symbol| symbol.kind, Kind::from_name)?;
                    self.filler.draft.kind = named;
                }
                3 => self.time(wire, node)?,
                4 => {
                    let named =
                        self.named(wire, "origin", node, |symbol| symbol.origin, Origin::from_name)?;
                    self.filler.draft.origin = named;
                }
                5 => {
                    let named =
                        self.named(wire, "trigger", node, |symbol| symbol.trigger, Trigger::from_name)?;
                    self.filler.draft.trigger = named;
                }
                6 => self.filler.draft.device_id = self.text(wire, "device_id", node)?,
                7 => self.filler.draft.site_claim = self.text(wire, "site_id", node)?,
                8 => self.location(wire, node)?,
                9 => self.list(wire, "wifi", node, Self::access_point)?,
                10 => self.list(wire, "beacons", node, Self::beacon)?,
                11 => self.photo(wire, node)?,
                // What decides nothing is not looked at.
                12 | 13 => *wire = self.past(*wire, &self.nodes[node])?,
                14 => self.filler.draft.time_zone = self.text(wire, "tz", node)?,
                _ => *wire = self.unknown(*wire, node)?,
            }
        }
        Some(wire.0)
    }

    #[cold]
    fn unknown<'a>(&mut self, wire: Wire<'a>, node: usize) -> Option<Wire<'a>> {
        self.filler.batch.unknown_fields += 1;
        self.past(wire, &self.nodes[node])
    }

    #[inline(always)]
    fn text(&mut self, wire: &mut Wire<'_>, field: &str, node: usize) -> Option<Text> {
        Some(match self.value(wire, node)? {
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
        wire: &mut Wire<'_>,
        field: &str,
        node: usize,
        of_symbol: fn(&Symbol) -> Option<T>,
        from_name: fn(&str) -> Option<T>,
    ) -> Option<Option<T>> {
        let value = self.value(wire, node)?;
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
    fn time(&mut self, wire: &mut Wire<'_>, node: usize) -> Option<()> {
        match self.value(wire, node)? {
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

    #[inline(always)]
    fn location(&mut self, wire: &mut Wire<'_>, node: usize) -> Option<()> {
        let record = self.branch(wire, node)?;
        let Node::Record(fields) = record else {
            let value = self.value_of(wire, record)?;
            if !matches!(value, Value::Null) {
                self.filler.wrong("location", value.shape(), "a record");
            }
            return Some(());
        };
        let mut place = Place::default();
        for field in fields {
            let node = field.node;
            match field.places[Within::Location as usize] {
                0 => place.lon = self.coordinate(wire, "lon", node)?,
                1 => place.lat = self.coordinate(wire, "lat", node)?,
                2 => place.accuracy_m = self.accuracy(wire, node)?,
                3 => {
                    let named =
                        self.named(wire, "location.datum", node, |symbol| symbol.datum, Datum::from_name)?;
                    place.datum = named.unwrap_or_default();
                }
                4 => place.mocked = self.mocked(wire, node)?,
                5 => {
                    let named =
                        self.named(wire, "location.platform", node, |symbol| symbol.platform, platform_of)?;
                    place.platform = named.unwrap_or_default();
                }
                _ => *wire = self.unknown(*wire, node)?,
            }
        }
        self.filler.location(&place);
        Some(())
    }

    #[inline(always)]
    fn coordinate(&mut self, wire: &mut Wire<'_>, name: &str, node: usize) -> Option<Option<f64>> {
        let value = self.value(wire, node)?;
        let number = value.number();
        if number.is_none() {
            let message = format!("`location.{name}` is {}, expected a number", value.shape());
            self.filler.fault(RejectCode::BadCoordinates, message);
        }
        Some(number)
    }

    #[inline(always)]
    fn accuracy(&mut self, wire: &mut Wire<'_>, node: usize) -> Option<Option<f64>> {
        let value = self.value(wire, node)?;
        if !matches!(value, Value::Null) && value.number().is_none() {
            self.filler.wrong("location.accuracy_m", value.shape(), "a number");
        }
        Some(value.number())
    }

    #[inline(always)]
    fn mocked(&mut self, wire: &mut Wire<'_>, node: usize) -> Option<bool> {
        let value = self.value(wire, node)?;
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
    fn list<'a>(
        &mut self,
        wire: &mut Wire<'a>,
        name: &str,
        node: usize,
        item: impl Fn(&mut Self, &mut Wire<'a>, &'p Node) -> Option<()>,
    ) -> Option<()> {
        let nodes = self.nodes;
        match self.branch(wire, node)? {
            Node::Array(items) => blocks(wire, |wire| item(self, wire, &nodes[*items])),
            other => {
                let value = self.value_of(wire, other)?;
                if !matches!(value, Value::Null) {
                    self.filler.wrong(name, value.shape(), "an array");
                }
                Some(())
            }
        }
    }

    #[inline(always)]
    fn access_point(&mut self, wire: &mut Wire<'_>, node: &'p Node) -> Option<()> {
        let Node::Record(fields) = self.item(wire, node)? else {
            self.filler.ignore_access_point();
            return Some(());
        };
        let (mut seen, mut is_usable) = (Sighting::default(), true);
        for field in fields {
            let place = field.places[Within::AccessPoint as usize];
            if place == UNKNOWN {
                *wire = self.unknown(*wire, field.node)?;
                continue;
            }
            let value = self.value(wire, field.node)?;
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

    #[inline(always)]
    fn beacon(&mut self, wire: &mut Wire<'_>, node: &'p Node) -> Option<()> {
        let Node::Record(fields) = self.item(wire, node)? else { return Some(()) };
        let (mut seen, mut is_usable) = (SeenBeacon::default(), true);
        for field in fields {
            let place = field.places[Within::Beacon as usize];
            if place == UNKNOWN {
                *wire = self.unknown(*wire, field.node)?;
                continue;
            }
            let value = self.value(wire, field.node)?;
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
    fn item(&self, wire: &mut Wire<'_>, node: &'p Node) -> Option<&'p Node> {
        let mut node = node;
        while let Node::Union(branches) = node {
            let at = usize::try_from(wire.long()?).ok()?;
            node = &self.nodes[*branches.get(at)?];
        }
        if !matches!(node, Node::Record(_)) {
            self.value_of(wire, node)?;
            return Some(&Node::Null);
        }
        Some(node)
    }

    #[inline(always)]
    fn photo(&mut self, wire: &mut Wire<'_>, node: usize) -> Option<()> {
        let record = self.branch(wire, node)?;
        let Node::Record(fields) = record else {
            let value = self.value_of(wire, record)?;
            if !matches!(value, Value::Null) {
                self.filler.wrong("photo", value.shape(), "a record");
            }
            return Some(());
        };
        for field in fields {
            match field.places[Within::Photo as usize] {
                UNKNOWN => *wire = self.unknown(*wire, field.node)?,
                place => match self.value(wire, field.node)? {
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
