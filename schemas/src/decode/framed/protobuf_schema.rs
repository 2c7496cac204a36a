//! A writer's Protobuf file held against `proto/punch.proto`: where its punch stands, or what of it would be misread.
//!
//! In: the file's text, and those of its imports.  Out: the message's place in the file, or the first field that does not
//! fit.  Owns: nothing.
//! Absent on purpose: descriptors on the hot path. A message that fits is read by the contract's own numbers, so a field
//! that a writer numbers otherwise must be found here: on the wire nothing shows it.
//! Why so: names are compared without case and underscores, as Protobuf's own JSON names are made.

use std::collections::HashMap;

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto};

/// Why a text is no schema for punches.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtobufSchemaError {
    /// It is no Protobuf file.
    #[error("read the Protobuf schema: it is no Protobuf file: {0}")]
    NotProtobuf(String),
    /// It has no message.
    #[error("read the Protobuf schema: it has no message")]
    NoMessage,
    /// The message lacks a field that every punch needs.
    #[error("read the Protobuf schema: `{0}` lacks the field `{1}`")]
    Missing(String, String),
    /// A field that would be misread.
    #[error("read the Protobuf schema: the field `{field}` {what}")]
    Field {
        /// The field of the contract.
        field: String,
        /// How the writer's differs.
        what: String,
    },
}

/// The contract's own file.
const OURS: &str = include_str!("../../../proto/punch.proto");

/// Fields without which nothing is a punch, or a place.
const REQUIRED: [&str; 7] = ["event_id", "employee_id", "kind", "occurred_at", "origin", "lon", "lat"];

/// The place of the punch's message in the file, if it fits.
pub(super) fn punch_path(text: &str, imports: &[&str]) -> Result<Vec<u32>, ProtobufSchemaError> {
    let parse = |text: &str| {
        let file = protox_parse::parse("schema.proto", text);
        file.map_err(|error| ProtobufSchemaError::NotProtobuf(error.to_string()))
    };
    let ours = [parse(OURS)?];
    let theirs: Vec<FileDescriptorProto> =
        std::iter::once(&text).chain(imports).map(|text| parse(text)).collect::<Result<_, _>>()?;
    let messages = &theirs[0].message_type;
    let at = messages.iter().position(|message| message.name() == "Punch").unwrap_or(0);
    let punch = messages.get(at).ok_or(ProtobufSchemaError::NoMessage)?;
    let (ours_types, their_types) = (Types::of(&ours), Types::of(&theirs));
    let ours_punch = Message::new(ours[0].package(), &ours[0].message_type[0]);
    compare(&ours_punch, &Message::new(theirs[0].package(), punch), (&ours_types, &their_types))?;
    // A file has fewer messages than fit in 32 bits.
    Ok(vec![at as u32])
}

/// A message, and the scope that its fields' types are named in.
struct Message<'a> {
    scope: String,
    descriptor: &'a DescriptorProto,
}

impl<'a> Message<'a> {
    fn new(package: &str, descriptor: &'a DescriptorProto) -> Self {
        Self { scope: joined(package, descriptor.name()), descriptor }
    }
}

/// The types of some files by their full names.
#[derive(Default)]
struct Types<'a> {
    messages: HashMap<String, &'a DescriptorProto>,
    enums: HashMap<String, &'a EnumDescriptorProto>,
}

impl<'a> Types<'a> {
    fn of(files: &'a [FileDescriptorProto]) -> Self {
        let mut types = Self::default();
        for file in files {
            types.add_enums(file.package(), &file.enum_type);
            for message in &file.message_type {
                types.add(file.package(), message);
            }
        }
        types
    }

    fn add(&mut self, scope: &str, message: &'a DescriptorProto) {
        let full = joined(scope, message.name());
        self.add_enums(&full, &message.enum_type);
        for nested in &message.nested_type {
            self.add(&full, nested);
        }
        self.messages.insert(full, message);
    }

    fn add_enums(&mut self, scope: &str, enums: &'a [EnumDescriptorProto]) {
        for found in enums {
            self.enums.insert(joined(scope, found.name()), found);
        }
    }

    /// What a name means within `scope`: the innermost type of that name.
    fn find(&self, scope: &str, name: &str) -> Found<'a> {
        let mut scope = if name.starts_with('.') { "" } else { scope };
        let name = name.trim_start_matches('.');
        loop {
            let full = joined(scope, name);
            if let Some(message) = self.messages.get(&full) {
                return Found::Message(Message { scope: full, descriptor: message });
            }
            if let Some(found) = self.enums.get(&full) {
                return Found::Enum(found);
            }
            if scope.is_empty() {
                return Found::Nothing;
            }
            scope = scope.rsplit_once('.').map_or("", |(outer, _)| outer);
        }
    }
}

enum Found<'a> {
    Message(Message<'a>),
    Enum(&'a EnumDescriptorProto),
    Nothing,
}

/// Holds their message against ours, and what it holds; ours do not hold themselves, so this ends.
fn compare(
    ours: &Message<'_>,
    theirs: &Message<'_>,
    types: (&Types<'_>, &Types<'_>),
) -> Result<(), ProtobufSchemaError> {
    for field in &ours.descriptor.field {
        let wrong = |what: String| ProtobufSchemaError::Field { field: field.name().to_owned(), what };
        let fields = &theirs.descriptor.field;
        let same_name = |other: &&FieldDescriptorProto| plain(other.name()) == plain(field.name());
        let Some(other) = fields.iter().find(|other| other.number() == field.number()) else {
            if let Some(moved) = fields.iter().find(same_name) {
                return Err(wrong(format!("has number {}, expected {}", moved.number(), field.number())));
            }
            if REQUIRED.contains(&field.name()) {
                let message = theirs.descriptor.name().to_owned();
                return Err(ProtobufSchemaError::Missing(message, field.name().to_owned()));
            }
            continue;
        };
        if !same_name(&other) {
            return Err(wrong(format!("is called `{}` at number {}", other.name(), field.number())));
        }
        let is_list = |field: &FieldDescriptorProto| field.label() == Label::Repeated;
        if is_list(field) != is_list(other) {
            let expected = if is_list(field) { "a list" } else { "one value" };
            return Err(wrong(format!("is not {expected}, as expected")));
        }
        compare_type(&wrong, (field, ours), (other, theirs), types)?;
    }
    Ok(())
}

fn compare_type(
    wrong: &dyn Fn(String) -> ProtobufSchemaError,
    (field, ours): (&FieldDescriptorProto, &Message<'_>),
    (other, theirs): (&FieldDescriptorProto, &Message<'_>),
    (our_types, their_types): (&Types<'_>, &Types<'_>),
) -> Result<(), ProtobufSchemaError> {
    let our_type = found(field, our_types, &ours.scope);
    let their_type = found(other, their_types, &theirs.scope);
    match (our_type, their_type) {
        (Found::Message(ours), Found::Message(theirs)) => compare(&ours, &theirs, (our_types, their_types)),
        (Found::Enum(ours), Found::Enum(theirs)) => match misnamed(ours, theirs) {
            Some(what) => Err(wrong(what)),
            None => Ok(()),
        },
        // A plain whole number says as much as an enum's.
        (Found::Enum(_), Found::Nothing) if on_wire(other) == Some(Wire::Varint) => Ok(()),
        (Found::Nothing, Found::Nothing) if on_wire(field) == on_wire(other) => Ok(()),
        // The type of a file that was not handed over.
        (Found::Message(_) | Found::Enum(_), Found::Nothing) if other.r#type.is_none() => {
            Err(wrong(format!("is of the type `{}`, which is not known", other.type_name())))
        }
        _ => Err(wrong("has another type than in punch.proto".to_owned())),
    }
}

fn found<'a>(field: &FieldDescriptorProto, types: &Types<'a>, scope: &str) -> Found<'a> {
    field.type_name.as_deref().map_or(Found::Nothing, |name| types.find(scope, name))
}

/// How their enum names a number otherwise than ours.
fn misnamed(ours: &EnumDescriptorProto, theirs: &EnumDescriptorProto) -> Option<String> {
    for our in &ours.value {
        let name = short(ours, our.name());
        for their in &theirs.value {
            let their_name = short(theirs, their.name());
            let has_number = their.number() == our.number();
            // 0 is what a writer leaves out: its name matters only where it is another value's.
            if has_number != (their_name == name) && !(has_number && our.number() == 0) {
                let (their_number, number) = (their.number(), our.number());
                return Some(format!("gives {their_name} the number {their_number}; {name} has {number}"));
            }
        }
    }
    None
}

/// An enum value's name without its enum's: `KIND_IN` of `Kind` is `IN`.
fn short(of: &EnumDescriptorProto, name: &str) -> String {
    let mut prefix = String::new();
    for c in of.name().chars() {
        if c.is_uppercase() && !prefix.is_empty() {
            prefix.push('_');
        }
        prefix.extend(c.to_uppercase());
    }
    let name = name.to_uppercase();
    let rest = name.strip_prefix(&prefix).and_then(|rest| rest.strip_prefix('_'));
    rest.unwrap_or(&name).to_owned()
}

/// How a scalar lies on the wire, as far as the reader minds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wire {
    Varint,
    Zigzag,
    Text,
    Double,
    Other,
}

fn on_wire(field: &FieldDescriptorProto) -> Option<Wire> {
    // Without a type it is a name's, which is a message or an enum.
    field.r#type?;
    Some(match field.r#type() {
        Type::Int64 | Type::Uint64 | Type::Int32 | Type::Uint32 | Type::Bool | Type::Enum => Wire::Varint,
        Type::Sint32 | Type::Sint64 => Wire::Zigzag,
        Type::String | Type::Bytes => Wire::Text,
        Type::Double => Wire::Double,
        _ => Wire::Other,
    })
}

fn joined(scope: &str, name: &str) -> String {
    if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") }
}

/// Without case and underscores.
fn plain(name: &str) -> String {
    name.chars().filter(|c| *c != '_').flat_map(char::to_lowercase).collect()
}
