//! A writer's Avro schema, resolved once: nodes to walk along a datum, each record's fields with their places in the contract.
//!
//! In: the schema's JSON text.  Out: [`Program`].  Owns: the nodes, which refer to each other by number, so that a schema
//! may be recursive.
//! Absent on purpose: a reader's schema with defaults. The contract's optional fields default to being absent, which is
//! what a field that the writer lacks is anyway; promotions are those of `avro`'s values.

use std::collections::HashMap;

use model::{Datum, Kind, Origin, Platform, Trigger};
use serde_json::{Map, Value};

use super::super::FIELDS;
use super::super::json_nested::platform_of;
use super::avro_plain::Plain;

/// Why a text is no schema for punches.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AvroSchemaError {
    /// It is no JSON.
    #[error("read the Avro schema: it is no JSON: {0}")]
    NotJson(String),
    /// A type is neither primitive nor complex nor named before.
    #[error("read the Avro schema: `{0}` is no type")]
    UnknownType(String),
    /// An attribute that a type needs is absent or of another type.
    #[error("read the Avro schema: `{within}` lacks a usable `{attribute}`")]
    Attribute {
        /// The type.
        within: String,
        /// Its attribute.
        attribute: &'static str,
    },
    /// Its datum is no record.
    #[error("read the Avro schema: its top is no record")]
    NotARecord,
}

/// A resolved schema.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub(super) nodes: Vec<Node>,
    /// The punch's record.
    pub(super) top: usize,
}

/// One type.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Null,
    Boolean,
    /// `int` and `long`, which are alike on the wire.
    Integer(Unit),
    Float,
    Double,
    /// `bytes` and `string`, which are alike on the wire.
    Bytes,
    Fixed(usize),
    Enum(Vec<Symbol>),
    Array(usize),
    Map(usize),
    Union(Vec<usize>),
    /// And which of the contract's own records it is, to the last field.
    Record(Vec<Field>, Option<Plain>),
}

/// What a whole number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Whatever the field says; of an instant, milliseconds.
    Plain,
    Micros,
    Nanos,
}

/// One symbol of an enum, and all it may mean.
#[derive(Clone, Debug)]
pub(super) struct Symbol {
    pub(super) name: Box<str>,
    pub(super) kind: Option<Kind>,
    pub(super) origin: Option<Origin>,
    pub(super) trigger: Option<Trigger>,
    pub(super) datum: Option<Datum>,
    pub(super) platform: Option<Platform>,
}

impl Symbol {
    fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            kind: Kind::from_name(name),
            origin: Origin::from_name(name),
            trigger: Trigger::from_name(name),
            datum: Datum::from_name(name),
            platform: platform_of(name),
        }
    }
}

/// One field of a record: its type, and its place among the contract's names wherever the record stands.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) node: usize,
    /// By [`Within`]; [`UNKNOWN`] where the contract has no such name.
    pub(super) places: [u8; 5],
}

/// No name of the contract.
pub(super) const UNKNOWN: u8 = u8::MAX;

/// Where a record stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Within {
    Punch,
    Location,
    AccessPoint,
    Beacon,
    Photo,
}

/// The contract's names, by [`Within`]. `avro` reads them by their places here.
pub(super) const NAMES: [&[&str]; 5] = [
    &FIELDS,
    &["lon", "lat", "accuracy_m", "datum", "mocked", "platform"],
    &["bssid", "rssi", "connected", "age_ms"],
    &["uuid", "major", "minor", "rssi"],
    &["ref", "sha256"],
];

/// The fields without which nothing is a punch: the first of [`NAMES`].
const REQUIRED: usize = 5;

impl Program {
    /// `references` are schemas whose types `text` names, each behind those that it names itself.
    pub(super) fn compile(text: &str, references: &[&str]) -> Result<Self, AvroSchemaError> {
        let parse = |text: &str| {
            serde_json::from_str(text).map_err(|error| AvroSchemaError::NotJson(error.to_string()))
        };
        let mut compiler = Compiler { nodes: Vec::new(), named: HashMap::new() };
        for reference in references {
            compiler.node(&parse(reference)?, "")?;
        }
        let top = compiler.node(&parse(text)?, "")?;
        let mut nodes = compiler.nodes;
        let plain: Vec<Option<Plain>> = (0..nodes.len()).map(|at| Plain::of(&nodes, at)).collect();
        for (node, found) in nodes.iter_mut().zip(plain) {
            if let Node::Record(_, plain) = node {
                *plain = found;
            }
        }
        match nodes[top] {
            Node::Record(..) => Ok(Self { nodes, top }),
            _ => Err(AvroSchemaError::NotARecord),
        }
    }

    /// The first required field that the punch's record lacks.
    pub(super) fn missing_field(&self) -> Option<&'static str> {
        let Node::Record(fields, _) = &self.nodes[self.top] else { return None };
        let has =
            |at: usize| fields.iter().any(|field| usize::from(field.places[Within::Punch as usize]) == at);
        (0..REQUIRED).find(|at| !has(*at)).map(|at| NAMES[Within::Punch as usize][at])
    }
}

struct Compiler {
    nodes: Vec<Node>,
    /// Full name → node.
    named: HashMap<String, usize>,
}

impl Compiler {
    fn push(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// A type within `namespace`. JSON readers bound how deep schemas nest, and so this recursion.
    fn node(&mut self, schema: &Value, namespace: &str) -> Result<usize, AvroSchemaError> {
        match schema {
            Value::String(name) => self.by_name(name, Unit::Plain, namespace),
            Value::Array(branches) => {
                let branches = branches.iter().map(|branch| self.node(branch, namespace));
                let branches = branches.collect::<Result<_, _>>()?;
                Ok(self.push(Node::Union(branches)))
            }
            Value::Object(schema) => self.complex(schema, namespace),
            other => Err(AvroSchemaError::UnknownType(other.to_string())),
        }
    }

    fn by_name(&mut self, name: &str, unit: Unit, namespace: &str) -> Result<usize, AvroSchemaError> {
        let node = match name {
            "null" => Node::Null,
            "boolean" => Node::Boolean,
            "int" | "long" => Node::Integer(unit),
            "float" => Node::Float,
            "double" => Node::Double,
            "bytes" | "string" => Node::Bytes,
            _ => {
                let known = self.named.get(&full_name(name, namespace)).or_else(|| self.named.get(name));
                return known.copied().ok_or_else(|| AvroSchemaError::UnknownType(name.to_owned()));
            }
        };
        Ok(self.push(node))
    }

    fn complex(&mut self, schema: &Map<String, Value>, namespace: &str) -> Result<usize, AvroSchemaError> {
        let kind = schema.get("type").ok_or_else(|| lacks("a type", "type"))?;
        let Value::String(kind) = kind else { return self.node(kind, namespace) };
        let unit = match schema.get("logicalType").and_then(Value::as_str) {
            Some("timestamp-micros") => Unit::Micros,
            Some("timestamp-nanos") => Unit::Nanos,
            _ => Unit::Plain,
        };
        match kind.as_str() {
            "array" => self.of_items(schema, "items", namespace, Node::Array),
            "map" => self.of_items(schema, "values", namespace, Node::Map),
            "record" | "error" | "enum" | "fixed" => self.named(kind, schema, namespace),
            name => self.by_name(name, unit, namespace),
        }
    }

    fn of_items(
        &mut self,
        schema: &Map<String, Value>,
        attribute: &'static str,
        namespace: &str,
        of: fn(usize) -> Node,
    ) -> Result<usize, AvroSchemaError> {
        let items = schema.get(attribute).ok_or_else(|| lacks("array or map", attribute))?;
        let items = self.node(items, namespace)?;
        Ok(self.push(of(items)))
    }

    fn named(
        &mut self,
        kind: &str,
        schema: &Map<String, Value>,
        namespace: &str,
    ) -> Result<usize, AvroSchemaError> {
        let name = schema.get("name").and_then(Value::as_str).ok_or_else(|| lacks(kind, "name"))?;
        let namespace = schema.get("namespace").and_then(Value::as_str).unwrap_or(namespace);
        let full = full_name(name, namespace);
        let namespace = full.rsplit_once('.').map_or("", |(namespace, _)| namespace).to_owned();
        let at = self.push(Node::Null);
        self.named.insert(full, at);
        self.nodes[at] = match kind {
            "enum" => {
                let symbols = schema.get("symbols").and_then(Value::as_array);
                let symbols = symbols.ok_or_else(|| lacks(name, "symbols"))?.iter();
                let symbols: Option<Vec<Symbol>> =
                    symbols.map(|symbol| symbol.as_str().map(Symbol::new)).collect();
                Node::Enum(symbols.ok_or_else(|| lacks(name, "symbols"))?)
            }
            "fixed" => {
                let size = schema.get("size").and_then(Value::as_u64).and_then(|size| size.try_into().ok());
                Node::Fixed(size.ok_or_else(|| lacks(name, "size"))?)
            }
            _ => {
                let fields = schema.get("fields").and_then(Value::as_array);
                let fields = fields.ok_or_else(|| lacks(name, "fields"))?.iter();
                let fields = fields.map(|field| self.field(name, field, &namespace));
                Node::Record(fields.collect::<Result<_, _>>()?, None)
            }
        };
        Ok(at)
    }

    fn field(&mut self, record: &str, field: &Value, namespace: &str) -> Result<Field, AvroSchemaError> {
        let name = field.get("name").and_then(Value::as_str).ok_or_else(|| lacks(record, "name"))?;
        let schema = field.get("type").ok_or_else(|| lacks(name, "type"))?;
        let node = self.node(schema, namespace)?;
        let place = |names: &[&str]| names.iter().position(|known| *known == name);
        // The lists are short: a place fits a byte.
        let places = NAMES.map(|names| place(names).map_or(UNKNOWN, |at| at as u8));
        Ok(Field { node, places })
    }
}

fn full_name(name: &str, namespace: &str) -> String {
    if name.contains('.') || namespace.is_empty() { name.to_owned() } else { format!("{namespace}.{name}") }
}

fn lacks(within: &str, attribute: &'static str) -> AvroSchemaError {
    AvroSchemaError::Attribute { within: within.to_owned(), attribute }
}
