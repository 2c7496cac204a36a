//! The fields of a vendor's JSON object, read with patience: what the documentation calls a text comes as a number
//! and the other way round, an absent value as null, an empty text or 0.
//!
//! Two ways to read: what makes the punch is strict (a wrong shape is a fault that names the field), what is only
//! kept is not (a scalar is kept as its text, anything else as JSON).

use std::borrow::Cow;

use model::{EventTime, RejectCode};
use serde_json::{Map, Value};

use super::super::draft::Fault;
use super::super::import::FileTime;
use super::super::{ImportOptions, time_text};

/// What a vendor's numbers of time count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Epoch {
    Milliseconds,
    Seconds,
}

/// Below it a number of milliseconds (1973-03-03), at it and above a number of seconds (year 5138), is of the other
/// unit: no vendor here is as old, and none will be.
const OTHER_UNIT: i64 = 100_000_000_000;

/// One object's fields.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a>(pub(super) &'a Map<String, Value>);

impl<'a> Fields<'a> {
    /// The field, unless it is absent or null.
    pub(super) fn get(self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// Whether the field is there and not null.
    pub(super) fn has(self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The object in the field.
    pub(super) fn object(self, name: &str) -> Option<Fields<'a>> {
        self.get(name)?.as_object().map(Fields)
    }

    /// The objects of the list in the field; empty where there is none.
    pub(super) fn objects(self, name: &str) -> impl Iterator<Item = Fields<'a>> {
        let list = self.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        list.iter().filter_map(Value::as_object).map(Fields)
    }

    /// Whether there is a text, or a list with something in it.
    pub(super) fn has_any(self, name: &str) -> bool {
        match self.get(name) {
            Some(Value::Array(items)) => !items.is_empty(),
            Some(Value::String(text)) => !text.is_empty(),
            _ => false,
        }
    }

    /// A text or a number, trimmed; `None` where it is absent or empty.
    pub(super) fn text(self, name: &str) -> Result<Option<Cow<'a, str>>, Fault> {
        let text = match self.get(name) {
            None => return Ok(None),
            Some(Value::String(text)) => Cow::Borrowed(text.trim()),
            Some(Value::Number(number)) => Cow::Owned(number.to_string()),
            Some(other) => return Err(wrong(name, other, "a text or a number")),
        };
        Ok(Some(text).filter(|text| !text.is_empty()))
    }

    /// Whatever is there, as text: for what is kept and decides nothing. An empty text is one.
    pub(super) fn kept(self, name: &str) -> Option<String> {
        Some(match self.get(name)? {
            Value::String(text) => text.trim().to_owned(),
            other => other.to_string(),
        })
    }

    /// The same, but an empty text is none.
    pub(super) fn kept_some(self, name: &str) -> Option<String> {
        self.kept(name).filter(|text| !text.is_empty())
    }

    /// Yes or no in any of its spellings; `None` for anything else.
    pub(super) fn truth(self, name: &str) -> Option<bool> {
        match self.get(name)? {
            Value::Bool(truth) => Some(*truth),
            Value::String(text) if text.eq_ignore_ascii_case("true") || text == "1" => Some(true),
            Value::String(text) if text.eq_ignore_ascii_case("false") || text == "0" => Some(false),
            Value::Number(number) => match number.as_i64() {
                Some(0) => Some(false),
                Some(1) => Some(true),
                _ => None,
            },
            _ => None,
        }
    }

    /// A number, or a text that writes one; `None` where it is absent or an empty text.
    pub(super) fn number(self, name: &str, code: RejectCode) -> Result<Option<f64>, Fault> {
        // Without the value: coordinates stay out of messages.
        let fault = || Fault::new(code, format!("`{name}` is no number"));
        let number = match self.get(name) {
            None => return Ok(None),
            Some(Value::Number(number)) => number.as_f64(),
            Some(Value::String(text)) if text.trim().is_empty() => return Ok(None),
            Some(Value::String(text)) => text.trim().parse().ok(),
            Some(_) => None,
        };
        number.filter(|number: &f64| number.is_finite()).map(Some).ok_or_else(fault)
    }

    /// A number of the epoch, or a text that writes one, a wall-clock time of the import's zone or RFC 3339; `None`
    /// where it is absent, empty or 0.
    pub(super) fn time(
        self,
        name: &str,
        epoch: Epoch,
        options: &ImportOptions,
    ) -> Result<Option<EventTime>, Fault> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let Some(number) = whole(&text) else {
            return match time_text::rfc3339(&text).filter(|time| time.is_possible()) {
                Some(time) => Ok(Some(time)),
                None => FileTime::read_local(name, &text, &options.time_zone).map(|time| Some(time.instant)),
            };
        };
        let (time, is_other, hint) = match epoch {
            Epoch::Milliseconds => {
                let hint = "seconds where milliseconds are due? multiply by 1000";
                (EventTime::from_ms(number), number < OTHER_UNIT, hint)
            }
            Epoch::Seconds => {
                let hint = "milliseconds where seconds are due? divide by 1000";
                (EventTime::from_us(0).plus_s(number), number >= OTHER_UNIT, hint)
            }
        };
        match number {
            0 => Ok(None),
            _ if number < 0 || (!is_other && !time.is_possible()) => Err(Fault::new(
                RejectCode::TimeImpossible,
                format!("`{name}` is {text}: outside 1970 to 2199"),
            )),
            _ if is_other => {
                Err(Fault::new(RejectCode::TimeImpossible, format!("`{name}` is {text}: {hint}")))
            }
            _ => Ok(Some(time)),
        }
    }

    /// The same for what is only kept: `None` where it cannot be read.
    pub(super) fn kept_time(self, name: &str, epoch: Epoch, options: &ImportOptions) -> Option<EventTime> {
        self.time(name, epoch, options).ok().flatten()
    }
}

/// The whole number a text writes, `1599441505000.0` included.
fn whole(text: &str) -> Option<i64> {
    let (digits, fraction) = text.split_once('.').unwrap_or((text, ""));
    digits.parse().ok().filter(|_| fraction.bytes().all(|byte| byte == b'0'))
}

pub(super) fn wrong(name: &str, found: &Value, expected: &str) -> Fault {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    Fault::new(RejectCode::WrongType, format!("`{name}` is {found}, expected {expected}"))
}

/// Writes `value` as JSON with the keys of objects sorted and those that are `left_out` left out, at any depth. The
/// order of a map is not relied on: a build in which another crate asks `serde_json` to keep the order of keys writes
/// the same.
pub(super) fn write_sorted(value: &Value, left_out: &dyn Fn(&str) -> bool, into: &mut String) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().filter(|(key, _)| !left_out(key)).collect();
            entries.sort_unstable_by_key(|(key, _)| key.as_str());
            into.push('{');
            for (at, (key, value)) in entries.into_iter().enumerate() {
                if at > 0 {
                    into.push(',');
                }
                into.push_str(&Value::from(key.as_str()).to_string());
                into.push(':');
                write_sorted(value, left_out, into);
            }
            into.push('}');
        }
        Value::Array(items) => {
            into.push('[');
            for (at, value) in items.iter().enumerate() {
                if at > 0 {
                    into.push(',');
                }
                write_sorted(value, left_out, into);
            }
            into.push(']');
        }
        scalar => into.push_str(&scalar.to_string()),
    }
}
