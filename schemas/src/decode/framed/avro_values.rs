//! Values of any Avro type off the wire, along the nodes of a resolved schema.
//!
//! ```text
//! null: nothing · boolean: a byte · int, long: zigzag varint · float, double: 4, 8 bytes, little-endian
//! bytes, string: length and bytes · fixed: its bytes · enum: the symbol's place · union: the branch's place, then its value
//! array, map: blocks of a count (negative: its size in bytes follows) and as many items, ended by a count of 0
//! record: its fields one behind the other
//! ```
//!
//! Absent on purpose: what a value means; `avro` asks for the contract's fields.

use model::EventTime;

use super::avro_schema::{Node, Symbol, Unit};
use super::values;

/// How deep values may lie in each other that nobody asked for.
const SKIPPED_DEPTH_MAX: u32 = 64;

/// What has not been read. A local of the function that walks along the record, into which everything that moves it is inlined: as a field
/// of a reader it would travel through memory between any two reads, which is most of what a record would cost.
#[derive(Clone, Copy)]
pub(super) struct Wire<'a>(pub(super) &'a [u8]);

/// A value where one of a certain type was expected.
#[derive(Clone, Copy)]
pub(super) enum Value<'a, 'p> {
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
    pub(super) const fn shape(self) -> &'static str {
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

    pub(super) const fn number(self) -> Option<f64> {
        match self {
            Self::Integer(value) => Some(value as f64),
            Self::Real(value) => Some(value),
            _ => None,
        }
    }
}

impl<'a> Wire<'a> {
    #[inline(always)]
    pub(super) fn long(&mut self) -> Option<i64> {
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
    pub(super) fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    #[inline(always)]
    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
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

/// A schema's types, along which values are read.
#[derive(Clone, Copy)]
pub(super) struct Nodes<'p>(pub(super) &'p [Node]);

impl<'p> Nodes<'p> {
    /// The node itself, or the branch of a union that the datum has taken.
    #[inline(always)]
    pub(super) fn branch(&self, wire: &mut Wire<'_>, node: usize) -> Option<&'p Node> {
        let nodes = self.0;
        let mut node = &nodes[node];
        while let Node::Union(branches) = node {
            let at = usize::try_from(wire.long()?).ok()?;
            node = &nodes[*branches.get(at)?];
        }
        Some(node)
    }

    /// A branch of a union.
    #[inline(always)]
    pub(super) fn branch_at(&self, union: usize, at: usize) -> Option<&'p Node> {
        let Node::Union(branches) = &self.0[union] else { return None };
        self.0.get(*branches.get(at)?)
    }

    /// A scalar, or that it was none and has been passed.
    #[inline(always)]
    pub(super) fn value<'a>(&self, wire: &mut Wire<'a>, node: usize) -> Option<Value<'a, 'p>> {
        let node = self.branch(wire, node)?;
        self.value_of(wire, node)
    }

    #[inline(always)]
    pub(super) fn value_of<'a>(&self, wire: &mut Wire<'a>, node: &'p Node) -> Option<Value<'a, 'p>> {
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
            Node::Array(_) | Node::Map(_) | Node::Union(_) | Node::Record(..) => {
                *wire = self.past(*wire, node)?;
                Value::Other
            }
        })
    }

    /// Passes a value of any type.
    pub(super) fn past<'a>(&self, mut wire: Wire<'a>, node: &'p Node) -> Option<Wire<'a>> {
        self.skip(&mut wire, node, SKIPPED_DEPTH_MAX)?;
        Some(wire)
    }

    fn skip(&self, wire: &mut Wire<'_>, node: &'p Node, depth: u32) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        let nodes = self.0;
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
            Node::Record(fields, _) => {
                fields.iter().try_for_each(|field| self.skip(wire, &nodes[field.node], depth))
            }
            scalar => self.value_of(wire, scalar).map(|_| ()),
        }
    }
}

/// The items of an array or map.
#[inline(always)]
pub(super) fn blocks<'a>(
    wire: &mut Wire<'a>,
    mut item: impl FnMut(&mut Wire<'a>) -> Option<()>,
) -> Option<()> {
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

/// A boolean, false where it is null; `None` for anything else.
pub(super) const fn truth(value: Value<'_, '_>) -> Option<bool> {
    match value {
        Value::Boolean(value) => Some(value),
        Value::Null => Some(false),
        _ => None,
    }
}

/// Notes that a sighting holds a value it cannot have.
#[cold]
pub(super) fn spoilt<T: Default>(is_usable: &mut bool) -> T {
    *is_usable = false;
    T::default()
}

pub(super) fn rssi(value: Value<'_, '_>, is_usable: &mut bool) -> Option<i16> {
    match value {
        Value::Null => None,
        Value::Integer(value) => Some(values::rssi(value)),
        // `as` saturates at the ends of the range.
        Value::Real(value) if !value.is_nan() => Some(value.round() as i16),
        _ => spoilt(is_usable),
    }
}

/// An age in milliseconds, 0 where it is null; `None` for a negative one, which no clock can mean.
pub(super) fn age(value: Value<'_, '_>) -> Option<u32> {
    match value {
        Value::Null => Some(0),
        Value::Integer(value) => u64::try_from(value).ok().map(|age| u32::try_from(age).unwrap_or(u32::MAX)),
        // `as` saturates: an age beyond seven weeks is as stale as one of seven weeks.
        Value::Real(value) => (value >= 0.0).then_some(value as u32),
        _ => None,
    }
}

pub(super) fn beacon_number(value: Value<'_, '_>) -> Option<u16> {
    match value {
        Value::Integer(value) => u16::try_from(value).ok(),
        _ => None,
    }
}
