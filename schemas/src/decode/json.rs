//! One JSON object into the batch, in one pass (contract, section 1).
//!
//! Outcomes: broken syntax is `not_json`; another type or an unknown name `wrong_type`; a required field absent, null
//! or empty `missing_field`; a coordinate that is no number in its range `bad_coordinates`; a time that is none
//! `time_impossible`. Of several faults the first in the text is told. An optional field that is null or an empty text
//! is absent. A known key that appears twice is `wrong_type`: readers of JSON disagree which one holds, and the log's
//! partition may have been computed from the other.

use model::{Batch, EventTime, Kind, Origin, RejectCode, Text, Trigger};
use serde::de::{DeserializeSeed, MapAccess};
use serde_json::error::Category;

use super::FIELDS;
use super::draft::{Draft, Fault};
use super::json_nested::{Beacons, Location, Photo, Wifi};
use super::json_shape::{Any, Found, Keys, Next, Shape, scalar};
use super::time_text;

/// Reads the record's text into `draft` and its lists into `batch`.
pub(super) fn read(text: &str, batch: &mut Batch, draft: &mut Draft) -> Result<(), Fault> {
    let mut reader = Reader { batch, draft, fault: None, in_coordinate: None };
    let mut json = serde_json::Deserializer::from_str(text);
    let outcome = Any(Record(&mut reader)).deserialize(&mut json).and_then(|()| json.end());
    match (outcome, reader.fault) {
        (Err(error), _) => Err(syntax_fault(&error, reader.in_coordinate)),
        (Ok(()), Some(fault)) => Err(fault),
        (Ok(()), None) => Ok(()),
    }
}

/// Some producers write `NaN` where JSON has no word for it: that is a bad coordinate rather than broken JSON.
fn syntax_fault(error: &serde_json::Error, in_coordinate: Option<&str>) -> Fault {
    match in_coordinate {
        Some(name) if error.classify() == Category::Syntax => {
            Fault::new(RejectCode::BadCoordinates, format!("`location.{name}` is no number: {error}"))
        }
        _ => Fault::new(RejectCode::NotJson, error.to_string()),
    }
}

/// Where values go while an object is read.
pub(super) struct Reader<'r> {
    pub(super) batch: &'r mut Batch,
    pub(super) draft: &'r mut Draft,
    fault: Option<Fault>,
    /// The coordinate whose value is being read.
    pub(super) in_coordinate: Option<&'static str>,
}

impl Reader<'_> {
    /// Notes a fault; the first one is kept.
    pub(super) fn fault(&mut self, code: RejectCode, message: impl FnOnce() -> String) {
        if self.fault.is_none() {
            self.fault = Some(Fault { code, message: message() });
        }
    }

    pub(super) fn wrong(&mut self, field: &str, found: Found<'_>, expected: &str) {
        self.fault(RejectCode::WrongType, || format!("`{field}` is {found}, expected {expected}"));
    }

    pub(super) fn twice(&mut self, field: &str) {
        self.fault(RejectCode::WrongType, || format!("`{field}` appears twice"));
    }

    /// A text; empty where it is null or of another type.
    fn text(&mut self, field: &str, found: Found<'_>) -> Text {
        match found {
            Found::Text("") | Found::Null => Text::default(),
            Found::Text(text) => self.batch.push_text(text),
            _ => {
                self.wrong(field, found, "a text");
                Text::default()
            }
        }
    }

    /// A text that names a value; `None` where it is null, empty or wrong.
    pub(super) fn named<T>(
        &mut self,
        field: &str,
        found: Found<'_>,
        from_name: fn(&str) -> Option<T>,
        expected: &str,
    ) -> Option<T> {
        let value = match found {
            Found::Null | Found::Text("") => return None,
            Found::Text(name) => from_name(name),
            _ => None,
        };
        if value.is_none() {
            self.wrong(field, found, expected);
        }
        value
    }

    fn time(&mut self, field: &str, found: Found<'_>) -> Option<EventTime> {
        let time = match found {
            Found::Null | Found::Text("") => return None,
            Found::Integer(ms) => Some(EventTime::from_ms(ms)),
            // Beyond 64 bits it is surely no time of a punch; below, a fraction of a millisecond is another type.
            Found::Number(number) if number.abs() >= i64::MAX as f64 => None,
            Found::Text(text) => time_text::rfc3339(text),
            _ => {
                self.wrong(field, found, "RFC 3339 text with offset, or whole epoch milliseconds");
                return None;
            }
        };
        let possible = time.filter(|time| time.is_possible());
        if possible.is_none() {
            let why = match time {
                Some(_) => "outside 1970 to 2199",
                None => "no RFC 3339 time with offset",
            };
            self.fault(RejectCode::TimeImpossible, || format!("`{field}` is {found}: {why}"));
        }
        possible
    }
}

/// The record itself.
struct Record<'a, 'r>(&'a mut Reader<'r>);

impl<'de> Shape<'de> for Record<'_, '_> {
    fn other(self, found: Found<'_>) {
        self.0.fault(RejectCode::WrongType, || format!("the record is {found}, expected an object"));
    }

    fn object<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut keys = Keys::new(&FIELDS);
        while let Some(next) = keys.next(&mut map)? {
            match next {
                Next::Known(at) => self.0.field(FIELDS[at], &mut map)?,
                Next::Unknown => self.0.batch.unknown_fields += 1,
                Next::Again(at) => self.0.twice(FIELDS[at]),
            }
        }
        Ok(())
    }
}

impl Reader<'_> {
    /// Reads the value of one top-level field.
    fn field<'de, A: MapAccess<'de>>(&mut self, name: &'static str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "event_id" => self.draft.event_id = scalar(map, |found| self.text(name, found))?,
            "employee_id" => self.draft.employee_id = scalar(map, |found| self.text(name, found))?,
            "device_id" => self.draft.device_id = scalar(map, |found| self.text(name, found))?,
            "site_id" => self.draft.site_claim = scalar(map, |found| self.text(name, found))?,
            "tz" => self.draft.time_zone = scalar(map, |found| self.text(name, found))?,
            "occurred_at" => self.draft.occurred_at = scalar(map, |found| self.time(name, found))?,
            "kind" => {
                let expected = "in, out, break_out, break_in or auto";
                self.draft.kind = scalar(map, |found| self.named(name, found, Kind::from_name, expected))?;
            }
            "origin" => {
                let expected = "phone, terminal, kiosk, field, import or correction";
                self.draft.origin =
                    scalar(map, |found| self.named(name, found, Origin::from_name, expected))?;
            }
            "trigger" => {
                let expected = "manual, wifi or fence";
                self.draft.trigger =
                    scalar(map, |found| self.named(name, found, Trigger::from_name, expected))?;
            }
            "location" => map.next_value_seed(Any(Location(self)))?,
            "wifi" => map.next_value_seed(Any(Wifi(self)))?,
            "beacons" => map.next_value_seed(Any(Beacons(self)))?,
            "photo" => map.next_value_seed(Any(Photo(self)))?,
            // `note` and `notice_version` decide nothing and are not kept: whatever they hold is skipped.
            _ => _ = map.next_value::<serde::de::IgnoredAny>()?,
        }
        Ok(())
    }
}
