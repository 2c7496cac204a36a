//! An Avro datum into the batch, field by field of its writer's resolved schema.
//!
//! Absent on purpose: values that are built to be taken apart again. `apache-avro` is the oracle of the tests.

use model::{Batch, Datum, EventTime, Kind, Origin, RejectCode, Text, Trigger};

use super::super::draft::{Draft, Fault};
use super::super::json_nested::platform_of;
use super::super::time_text;
use super::avro_plain::Plain;
use super::avro_schema::{Node, Program, Symbol, UNKNOWN, Within};
use super::avro_values::{Nodes, Value, Wire, age, beacon_number, blocks, rssi, spoilt, truth};
use super::format_fault;
use super::values::{self, Filler, Place, SeenBeacon, Sighting};

pub(super) fn read(
    body: &[u8],
    program: &Program,
    batch: &mut Batch,
    draft: &mut Draft,
) -> Result<(), Fault> {
    let mut reader = Reader { nodes: Nodes(&program.nodes), filler: Filler::new(batch, draft) };
    match reader.punch(program.top, body) {
        None => Err(format_fault("broken Avro, or of another schema than its id says")),
        Some([]) => reader.filler.finish(),
        Some(_) => Err(format_fault("bytes behind the Avro datum")),
    }
}

pub(super) struct Reader<'p, 'b> {
    pub(super) nodes: Nodes<'p>,
    pub(super) filler: Filler<'b>,
}

/// The contract's fields, by their places in `avro_schema::NAMES`.
impl<'p> Reader<'p, '_> {
    /// Reads the record at the front of `body`; what stands behind it is given back.
    fn punch<'a>(&mut self, top: usize, body: &'a [u8]) -> Option<&'a [u8]> {
        let wire = &mut Wire(body);
        let Node::Record(fields, plain) = &self.nodes.0[top] else { return None };
        if *plain == Some(Plain::Punch) {
            return self.plain_punch(fields, body);
        }
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
                12 | 13 => *wire = self.nodes.past(*wire, &self.nodes.0[node])?,
                14 => self.filler.draft.time_zone = self.text(wire, "tz", node)?,
                _ => *wire = self.unknown(*wire, node)?,
            }
        }
        Some(wire.0)
    }

    #[cold]
    fn unknown<'a>(&mut self, wire: Wire<'a>, node: usize) -> Option<Wire<'a>> {
        self.filler.batch.unknown_fields += 1;
        self.nodes.past(wire, &self.nodes.0[node])
    }

    #[inline(always)]
    fn text(&mut self, wire: &mut Wire<'_>, field: &str, node: usize) -> Option<Text> {
        Some(match self.nodes.value(wire, node)? {
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
        let value = self.nodes.value(wire, node)?;
        Some(self.named_by(value, field, of_symbol, from_name))
    }

    /// What a symbol or text names; `None` where it is null, empty or wrong.
    #[inline(always)]
    pub(super) fn named_by<T>(
        &mut self,
        value: Value<'_, '_>,
        field: &str,
        of_symbol: fn(&Symbol) -> Option<T>,
        from_name: fn(&str) -> Option<T>,
    ) -> Option<T> {
        let named = match value {
            Value::Null | Value::Bytes([]) => return None,
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
        named
    }

    #[inline(always)]
    fn time(&mut self, wire: &mut Wire<'_>, node: usize) -> Option<()> {
        match self.nodes.value(wire, node)? {
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
        let record = self.nodes.branch(wire, node)?;
        let Node::Record(fields, plain) = record else {
            let value = self.nodes.value_of(wire, record)?;
            if !matches!(value, Value::Null) {
                self.filler.wrong("location", value.shape(), "a record");
            }
            return Some(());
        };
        if *plain == Some(Plain::Location) {
            return self.plain_location(wire, fields);
        }
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
        let value = self.nodes.value(wire, node)?;
        let number = value.number();
        if number.is_none() {
            let message = format!("`location.{name}` is {}, expected a number", value.shape());
            self.filler.fault(RejectCode::BadCoordinates, message);
        }
        Some(number)
    }

    #[inline(always)]
    fn accuracy(&mut self, wire: &mut Wire<'_>, node: usize) -> Option<Option<f64>> {
        let value = self.nodes.value(wire, node)?;
        if !matches!(value, Value::Null) && value.number().is_none() {
            self.filler.wrong("location.accuracy_m", value.shape(), "a number");
        }
        Some(value.number())
    }

    #[inline(always)]
    fn mocked(&mut self, wire: &mut Wire<'_>, node: usize) -> Option<bool> {
        let value = self.nodes.value(wire, node)?;
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
        let nodes = self.nodes.0;
        match self.nodes.branch(wire, node)? {
            Node::Array(items) => blocks(wire, |wire| item(self, wire, &nodes[*items])),
            other => {
                let value = self.nodes.value_of(wire, other)?;
                if !matches!(value, Value::Null) {
                    self.filler.wrong(name, value.shape(), "an array");
                }
                Some(())
            }
        }
    }

    #[inline(always)]
    fn access_point(&mut self, wire: &mut Wire<'_>, node: &'p Node) -> Option<()> {
        let Node::Record(fields, plain) = self.item(wire, node)? else {
            self.filler.ignore_access_point();
            return Some(());
        };
        if *plain == Some(Plain::AccessPoint) {
            return self.plain_access_point(wire);
        }
        let (mut seen, mut is_usable) = (Sighting::default(), true);
        for field in fields {
            let place = field.places[Within::AccessPoint as usize];
            if place == UNKNOWN {
                *wire = self.unknown(*wire, field.node)?;
                continue;
            }
            let value = self.nodes.value(wire, field.node)?;
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
        let Node::Record(fields, plain) = self.item(wire, node)? else { return Some(()) };
        if *plain == Some(Plain::Beacon) {
            return self.plain_beacon(wire);
        }
        let (mut seen, mut is_usable) = (SeenBeacon::default(), true);
        for field in fields {
            let place = field.places[Within::Beacon as usize];
            if place == UNKNOWN {
                *wire = self.unknown(*wire, field.node)?;
                continue;
            }
            let value = self.nodes.value(wire, field.node)?;
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
            node = &self.nodes.0[*branches.get(at)?];
        }
        if !matches!(node, Node::Record(..)) {
            self.nodes.value_of(wire, node)?;
            return Some(&Node::Null);
        }
        Some(node)
    }

    #[inline(always)]
    pub(super) fn photo(&mut self, wire: &mut Wire<'_>, node: usize) -> Option<()> {
        let record = self.nodes.branch(wire, node)?;
        let Node::Record(fields, _) = record else {
            let value = self.nodes.value_of(wire, record)?;
            if !matches!(value, Value::Null) {
                self.filler.wrong("photo", value.shape(), "a record");
            }
            return Some(());
        };
        for field in fields {
            match field.places[Within::Photo as usize] {
                UNKNOWN => *wire = self.unknown(*wire, field.node)?,
                place => match self.nodes.value(wire, field.node)? {
                    Value::Bytes(text) => self.filler.photo_part(usize::from(place), text),
                    Value::Null => {}
                    other => self.filler.wrong("photo", other.shape(), "texts"),
                },
            }
        }
        Some(())
    }
}
