//! JSON values met where one of a certain shape was expected: any value is read to its end and told apart, never copied.
//!
//! Why so: `serde`'s own errors name neither the field nor the outcome, and stop at the first surprise, before the ids
//! that a dead letter should carry. Here a surprise is a value, and only broken syntax is an error.

use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A scalar, or that it was none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Found<'a> {
    Null,
    Boolean(bool),
    Integer(i64),
    /// A number that is no `i64`.
    Number(f64),
    Text(&'a str),
    Array,
    Object,
}

impl Found<'_> {
    /// What it is, without its value: for fields whose values stay out of messages.
    pub(super) const fn shape(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "a boolean",
            Self::Integer(_) | Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::Array => "an array",
            Self::Object => "an object",
        }
    }
}

impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Number(value) => write!(f, "{value}"),
            Self::Text(value) => {
                // A message stays short whatever the record holds.
                let end = value.char_indices().nth(40).map_or(value.len(), |(at, _)| at);
                let dots = if end < value.len() { "…" } else { "" };
                write!(f, "the text {:?}{dots}", &value[..end])
            }
            Self::Array => f.write_str("an array"),
            Self::Object => f.write_str("an object"),
        }
    }
}

/// What to do with a value, by its shape. Values of the shapes that are not asked for end up in [`Shape::other`].
pub(super) trait Shape<'de>: Sized {
    /// A scalar, or an array or object that has been skipped.
    fn other(self, found: Found<'_>);

    /// An object. Must read it to its end.
    fn object<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        self.other(Found::Object);
        Ok(())
    }

    /// An array. Must read it to its end.
    fn array<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        self.other(Found::Array);
        Ok(())
    }
}

/// A scalar is wanted: the function gets whatever there is.
pub(super) struct Scalar<F>(pub(super) F);

impl<'de, F: FnOnce(Found<'_>)> Shape<'de> for Scalar<F> {
    fn other(self, found: Found<'_>) {
        self.0(found);
    }
}

/// Reads one value of any shape.
pub(super) struct Any<S>(pub(super) S);

impl<'de, S: Shape<'de>> DeserializeSeed<'de> for Any<S> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, S: Shape<'de>> Visitor<'de> for Any<S> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.0.other(Found::Null);
        Ok(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.0.other(Found::Boolean(value));
        Ok(())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.0.other(Found::Integer(value));
        Ok(())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.0.other(match i64::try_from(value) {
            Ok(value) => Found::Integer(value),
            Err(_) => Found::Number(value as f64),
        });
        Ok(())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.0.other(Found::Number(value));
        Ok(())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.0.other(Found::Text(value));
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        self.0.object(map)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<(), A::Error> {
        self.0.array(items)
    }
}

/// Reads a key and finds its place among the known names; `None` for a name that is none of them.
///
/// The search begins at `hint`, the place behind the key before: producers keep to one order, so the first comparison
/// is nearly always the last.
pub(super) struct Key<'k> {
    pub(super) names: &'k [&'static str],
    pub(super) hint: usize,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        let count = self.names.len();
        Ok((self.hint..count).chain(0..self.hint.min(count)).find(|at| self.names[*at] == key))
    }
}

/// What a key of an object is.
pub(super) enum Next {
    /// The known name at this place.
    Known(usize),
    /// A name that no version of the contract has; the value has been skipped.
    Unknown,
    /// A known name for the second time; the value has been skipped.
    Again(usize),
}

/// The keys of one object.
pub(super) struct Keys {
    names: &'static [&'static str],
    hint: usize,
    seen: u32,
}

impl Keys {
    pub(super) const fn new(names: &'static [&'static str]) -> Self {
        Self { names, hint: 0, seen: 0 }
    }

    /// The next key; `None` at the object's end.
    pub(super) fn next<'de, A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<Option<Next>, A::Error> {
        let Some(key) = map.next_key_seed(Key { names: self.names, hint: self.hint })? else {
            return Ok(None);
        };
        let Some(at) = key else {
            map.next_value::<IgnoredAny>()?;
            return Ok(Some(Next::Unknown));
        };
        self.hint = at + 1;
        if self.seen & 1 << at != 0 {
            map.next_value::<IgnoredAny>()?;
            return Ok(Some(Next::Again(at)));
        }
        self.seen |= 1 << at;
        Ok(Some(Next::Known(at)))
    }
}

/// Reads the next value of an object, whatever its shape.
pub(super) fn scalar<'de, A: MapAccess<'de>, T: Default>(
    map: &mut A,
    read: impl FnOnce(Found<'_>) -> T,
) -> Result<T, A::Error> {
    let mut value = T::default();
    map.next_value_seed(Any(Scalar(|found: Found<'_>| value = read(found))))?;
    Ok(value)
}
