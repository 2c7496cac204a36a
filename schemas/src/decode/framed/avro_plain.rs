//! Records that stand in a writer's schema as the contract's own has them, read straight through.
//!
//! In: a schema's types, once; records of those found plain.  Out: what `avro` makes of them, for less.
//! Absent on purpose: any difference in the outcome, faults included. A record that differs in one name, type or place is not
//! plain and is walked; the records within it may be plain all the same.
//! Invariants: what is plain reads as what is walked (`plain_records_read_as_walked_ones`).
//! Why so: a walk along the schema jumps by each value's field and once more by its type, which is most of what it costs.
//! Where both are known when the schema is, nothing is left to jump on but nulls.

use model::{Datum, EventTime, Kind, Origin, Text, Trigger};

use super::super::json_nested::platform_of;
use super::avro::Reader;
use super::avro_schema::{Field, Node, Symbol, Unit, Within};
use super::avro_values::{Value, Wire, age, blocks};
use super::values::{self, Place, SeenBeacon, Sighting};

/// One of the contract's records (`avro/punch.avsc`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plain {
    Punch,
    Location,
    AccessPoint,
    Beacon,
}

/// A type of the contract's fields.
enum Type {
    Text,
    Octets(usize),
    Enum,
    Whole,
    Double,
    Boolean,
    OrNull(&'static Type),
    Record(Plain),
    List(Plain),
    /// Read by whatever type it has.
    Any,
}

use Type::{Any, Boolean, Double, Enum, List, Octets, OrNull, Record, Whole};

impl Plain {
    const ALL: [Self; 4] = [Self::Punch, Self::Location, Self::AccessPoint, Self::Beacon];

    /// Which of the contract's records a node is.
    pub(super) fn of(nodes: &[Node], at: usize) -> Option<Self> {
        Self::ALL.into_iter().find(|plain| plain.is(nodes, at))
    }

    fn is(self, nodes: &[Node], at: usize) -> bool {
        let Node::Record(fields, _) = &nodes[at] else { return false };
        let (within, types) = (self.within() as usize, self.types());
        fields.len() == types.len()
            && fields
                .iter()
                .zip(types)
                .zip(0_u8..)
                .all(|((field, of), place)| field.places[within] == place && of.is(nodes, field.node))
    }

    const fn within(self) -> Within {
        match self {
            Self::Punch => Within::Punch,
            Self::Location => Within::Location,
            Self::AccessPoint => Within::AccessPoint,
            Self::Beacon => Within::Beacon,
        }
    }

    /// The types of its fields, in the order of `avro_schema::NAMES`.
    const fn types(self) -> &'static [Type] {
        const TEXT: Type = Type::Text;
        const TEXT_OR_NULL: Type = OrNull(&TEXT);
        match self {
            Self::Punch => &[
                TEXT,
                TEXT,
                Enum,
                Whole,
                Enum,
                OrNull(&Enum),
                TEXT_OR_NULL,
                TEXT_OR_NULL,
                OrNull(&Record(Self::Location)),
                List(Self::AccessPoint),
                List(Self::Beacon),
                Any,
                TEXT_OR_NULL,
                TEXT_OR_NULL,
                TEXT_OR_NULL,
            ],
            Self::Location => &[Double, Double, OrNull(&Double), Enum, Boolean, OrNull(&Enum)],
            Self::AccessPoint => &[Octets(6), OrNull(&Whole), Boolean, Whole],
            Self::Beacon => &[Octets(16), Whole, Whole, OrNull(&Whole)],
        }
    }
}

impl Type {
    fn is(&self, nodes: &[Node], at: usize) -> bool {
        match (self, &nodes[at]) {
            (Self::Any, _)
            | (Self::Text, Node::Bytes)
            | (Enum, Node::Enum(_))
            | (Whole, Node::Integer(Unit::Plain))
            | (Double, Node::Double)
            | (Boolean, Node::Boolean) => true,
            (Octets(asked), Node::Fixed(len)) => asked == len,
            (OrNull(of), Node::Union(branches)) => {
                matches!(branches[..], [null, other] if matches!(nodes[null], Node::Null) && of.is(nodes, other))
            }
            (Record(plain), Node::Record(..)) => plain.is(nodes, at),
            (List(plain), Node::Array(items)) => plain.is(nodes, *items),
            _ => false,
        }
    }
}

/// Whether a value that may be null is there.
#[inline(always)]
fn is_there(wire: &mut Wire<'_>) -> Option<bool> {
    match wire.long()? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// A whole number that may be null, as a signal strength.
#[inline(always)]
fn rssi(wire: &mut Wire<'_>) -> Option<Option<i16>> {
    Some(if is_there(wire)? { Some(values::rssi(wire.long()?)) } else { None })
}

impl<'p> Reader<'p, '_> {
    /// Reads a punch of the contract's own schema; what stands behind it is given back.
    pub(super) fn plain_punch<'a>(&mut self, fields: &'p [Field], body: &'a [u8]) -> Option<&'a [u8]> {
        let wire = &mut Wire(body);
        self.filler.draft.event_id = self.plain_text(wire, "event_id")?;
        self.filler.draft.employee_id = self.plain_text(wire, "employee_id")?;
        let kind = self.symbol(wire, &fields[2])?;
        self.filler.draft.kind = self.named_by(kind, "kind", |symbol| symbol.kind, Kind::from_name);
        self.filler.occurred_at(EventTime::from_ms(wire.long()?));
        let origin = self.symbol(wire, &fields[4])?;
        self.filler.draft.origin = self.named_by(origin, "origin", |symbol| symbol.origin, Origin::from_name);
        let trigger = self.nodes.value(wire, fields[5].node)?;
        self.filler.draft.trigger =
            self.named_by(trigger, "trigger", |symbol| symbol.trigger, Trigger::from_name);
        self.filler.draft.device_id = self.plain_text_or_null(wire, "device_id")?;
        self.filler.draft.site_claim = self.plain_text_or_null(wire, "site_id")?;
        if is_there(wire)? {
            let Node::Record(location, _) = self.nodes.branch_at(fields[8].node, 1)? else { return None };
            self.plain_location(wire, location)?;
        }
        blocks(wire, |wire| self.plain_access_point(wire))?;
        blocks(wire, |wire| self.plain_beacon(wire))?;
        self.photo(wire, fields[11].node)?;
        // What decides nothing is not looked at.
        for _ in 12..14 {
            if is_there(wire)? {
                let len = usize::try_from(wire.long()?).ok()?;
                wire.bytes(len)?;
            }
        }
        self.filler.draft.time_zone = self.plain_text_or_null(wire, "tz")?;
        Some(wire.0)
    }

    #[inline(always)]
    pub(super) fn plain_location(&mut self, wire: &mut Wire<'_>, fields: &'p [Field]) -> Option<()> {
        let lon = f64::from_le_bytes(wire.array()?);
        let lat = f64::from_le_bytes(wire.array()?);
        let accuracy_m = if is_there(wire)? { Some(f64::from_le_bytes(wire.array()?)) } else { None };
        let datum = self.symbol(wire, &fields[3])?;
        let datum = self.named_by(datum, "location.datum", |symbol| symbol.datum, Datum::from_name);
        let mocked = wire.array::<1>()? != [0];
        let platform = self.nodes.value(wire, fields[5].node)?;
        let platform = self.named_by(platform, "location.platform", |symbol| symbol.platform, platform_of);
        self.filler.location(&Place {
            lon: Some(lon),
            lat: Some(lat),
            accuracy_m,
            datum: datum.unwrap_or_default(),
            mocked,
            platform: platform.unwrap_or_default(),
        });
        Some(())
    }

    #[inline(always)]
    pub(super) fn plain_access_point(&mut self, wire: &mut Wire<'_>) -> Option<()> {
        let bssid = values::bssid(&wire.array::<6>()?);
        let rssi_dbm = rssi(wire)?;
        let connected = wire.array::<1>()? != [0];
        match age(Value::Integer(wire.long()?)) {
            Some(age_ms) => self.filler.access_point(&Sighting { bssid, rssi_dbm, connected, age_ms }),
            None => self.filler.ignore_access_point(),
        }
        Some(())
    }

    #[inline(always)]
    pub(super) fn plain_beacon(&mut self, wire: &mut Wire<'_>) -> Option<()> {
        let uuid = Some(u128::from_be_bytes(wire.array()?));
        let (major, minor) = (u16::try_from(wire.long()?).ok(), u16::try_from(wire.long()?).ok());
        let rssi_dbm = rssi(wire)?;
        self.filler.beacon(&SeenBeacon { uuid, major, minor, rssi_dbm });
        Some(())
    }

    #[inline(always)]
    fn symbol(&self, wire: &mut Wire<'_>, field: &Field) -> Option<Value<'static, 'p>> {
        let Node::Enum(symbols) = &self.nodes.0[field.node] else { return None };
        let symbol: &'p Symbol = symbols.get(usize::try_from(wire.long()?).ok()?)?;
        Some(Value::Symbol(symbol))
    }

    #[inline(always)]
    fn plain_text(&mut self, wire: &mut Wire<'_>, field: &str) -> Option<Text> {
        let len = usize::try_from(wire.long()?).ok()?;
        Some(self.filler.text(field, wire.bytes(len)?))
    }

    #[inline(always)]
    fn plain_text_or_null(&mut self, wire: &mut Wire<'_>, field: &str) -> Option<Text> {
        if is_there(wire)? { self.plain_text(wire, field) } else { Some(Text::default()) }
    }
}
