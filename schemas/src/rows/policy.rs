//! Policies and calendars: the TOML files. An unknown key is refused.
//!
//! ```toml
//! [[policy]]
//! name = "kln"
//! applies_to = "hk/kln"          # or "group:NAME"; "" = everywhere
//! valid_from = 2026-01-01
//! grace_in_min = 5
//!
//! [[calendar]]
//! applies_to = "hk"
//! source = "https://www.gov.hk/en/about/abouthk/holiday/2026.htm"
//! status = "official"            # or "estimated"; a day may say otherwise
//! weekdays = { sunday = "rest" } # days not named are workdays
//!
//! [[calendar.days]]
//! date = 2026-12-25
//! kind = "holiday"               # workday | rest | holiday
//! name = "Christmas Day"
//! ```

use std::fmt;

use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// A file of policies.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyFile {
    /// Its tables.
    #[serde(default)]
    pub policy: Vec<PolicyRow>,
}

/// One `[[policy]]` table: only the keys it sets. Meanings and defaults are those of `model::Policy`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PolicyRow {
    /// Its name, by which shifts and sites ask for it.
    pub name: Option<String>,
    /// An org path, or `group:NAME`; empty = everywhere.
    pub applies_to: Option<String>,
    /// First business date at which it holds: a TOML date, or text.
    #[serde(deserialize_with = "date_text")]
    pub valid_from: Option<String>,
    /// `any`, or terms `terminal`, `wifi`, `beacon`, `gps` joined by `_and_` and `_or_`.
    pub evidence: Option<String>,
    /// `lenient`, `centre`, `strict` or `probability`.
    pub fence_rule: Option<String>,
    /// Metres, at least 0.
    pub tolerance_m: Option<f64>,
    /// Metres, above 0.
    pub accuracy_max_m: Option<f64>,
    /// Milliseconds.
    pub wifi_age_max_ms: Option<i64>,
    /// Metres, above 0.
    pub field_radius_m: Option<f64>,
    /// `required` or `optional`.
    pub field_photo: Option<String>,
    /// Minutes before the planned start at which the window opens.
    pub accept_before_min: Option<i64>,
    /// Minutes after the planned end at which the window closes.
    pub accept_after_min: Option<i64>,
    /// Minutes.
    pub grace_in_min: Option<i64>,
    /// Minutes.
    pub grace_out_min: Option<i64>,
    /// `start` or `grace_end`.
    pub late_from: Option<String>,
    /// Late minutes, inclusive; 0 = off.
    pub serious_late_min: Option<i64>,
    /// Late minutes, inclusive; 0 = off.
    pub late_as_absent_min: Option<i64>,
    /// Minutes after start and grace.
    pub no_show_after_min: Option<i64>,
    /// `none`, `forgive` or `slide`.
    pub flex: Option<String>,
    /// Minutes.
    pub flex_min: Option<i64>,
    /// Seconds.
    pub debounce_s: Option<i64>,
    /// Minutes after the window's close.
    pub settle_min: Option<i64>,
    /// Minutes before the start.
    pub reminder_before_min: Option<i64>,
    /// Hours; 0 = off.
    pub rest_min_hours: Option<i64>,
    /// Days; 0 = off.
    pub consecutive_days_max: Option<i64>,
    /// `off`, `punched`, `approved` or `both`.
    pub overtime: Option<String>,
    /// Minutes past the due end.
    pub overtime_after_min: Option<i64>,
    /// Minutes, the shortest overtime that counts.
    pub overtime_min_min: Option<i64>,
    /// Corrections (補卡) that count in a business month; -1 = any number.
    pub correction_count_max: Option<i64>,
    /// Days from the business date to a correction's last approval; -1 = any number.
    pub correction_days_back_max: Option<i64>,
    /// The types of corrections that count: `missing`, `late`, `early`, `other`, separated by `;`.
    pub correction_kinds: Option<String>,
    /// Minutes, the longest overtime of a shift that counts; 0 = no end.
    pub overtime_max_min: Option<i64>,
    /// `from_end` or `whole`: what of a shift on a rest day or a holiday is overtime.
    pub overtime_rest_day: Option<String>,
    /// `minute` or `second`.
    pub late_resolution: Option<String>,
    /// Up to four `HH:MM+MINUTES` joined by commas: who left at HH:MM or later may come so much later on the day after.
    pub late_leave: Option<String>,
    /// Hours worked a business date; 0 = off.
    pub hours_day_max: Option<i64>,
    /// Hours worked a week from Sunday on; 0 = off.
    pub hours_week_max: Option<i64>,
    /// Minutes before either at which it is told to be near; 0 = not told.
    pub hours_warn_min: Option<i64>,
    /// Hours of work for each of which, when full, a break is deducted; 0 = off.
    pub break_after_hours: Option<i64>,
    /// Minutes of that break.
    pub break_deduct_min: Option<i64>,
    /// Minutes worked below which a shift is half a day; 0 = off.
    pub half_day_under_min: Option<i64>,
    /// `HH:MM-HH:MM` on the site's wall clock, past midnight if need be; empty = off.
    pub night: Option<String>,
}

/// A file of calendars.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CalendarFile {
    /// Its tables.
    #[serde(default)]
    pub calendar: Vec<CalendarRow>,
}

/// One `[[calendar]]` table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CalendarRow {
    /// The org path whose subtree it covers; empty = everywhere.
    pub applies_to: Option<String>,
    /// Who published it: an address or a citation.
    pub source: Option<String>,
    /// `official` or `estimated` (days announced later, such as those of the lunar year).
    pub status: Option<String>,
    /// `false` leaves out the calendar that Muster ships for this path.
    pub preset: Option<bool>,
    /// The kinds of ordinary weekdays.
    pub weekdays: WeekdaysRow,
    /// The days that differ.
    pub days: Vec<CalendarDayRow>,
}

/// The kind of each weekday: `workday`, `rest` or `holiday`; one that is not named is a workday.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WeekdaysRow {
    /// Its kind.
    pub monday: Option<String>,
    /// Its kind.
    pub tuesday: Option<String>,
    /// Its kind.
    pub wednesday: Option<String>,
    /// Its kind.
    pub thursday: Option<String>,
    /// Its kind.
    pub friday: Option<String>,
    /// Its kind.
    pub saturday: Option<String>,
    /// Its kind.
    pub sunday: Option<String>,
}

impl WeekdaysRow {
    /// The kinds as written, Monday first.
    pub fn from_monday(&self) -> [Option<&str>; 7] {
        [
            &self.monday,
            &self.tuesday,
            &self.wednesday,
            &self.thursday,
            &self.friday,
            &self.saturday,
            &self.sunday,
        ]
        .map(|kind| kind.as_deref())
    }
}

/// One day that differs from its weekday.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CalendarDayRow {
    /// The day: a TOML date, or text.
    #[serde(default, deserialize_with = "date_text")]
    pub date: Option<String>,
    /// `workday`, `rest` or `holiday`.
    pub kind: String,
    /// Whether it is a holiday to which the law entitles every employee; absent: what the shipped calendar says.
    #[serde(default)]
    pub statutory: Option<bool>,
    /// What people call it.
    #[serde(default)]
    pub name: Option<String>,
    /// `official` or `estimated`; the table's own if absent.
    #[serde(default)]
    pub status: Option<String>,
}

/// A file of legal values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LawFile {
    /// Its tables.
    #[serde(default)]
    pub law: Vec<LawRow>,
}

/// One `[[law]]` table: a value that holds from a day on until the next one of the same path and key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LawRow {
    /// The org path whose subtree it covers; empty = everywhere.
    #[serde(default)]
    pub applies_to: Option<String>,
    /// What it is: `continuous_week_hours`, `minimum_wage_hourly`, `legal_leave.annual`, …
    pub key: String,
    /// The value, 0 or more.
    pub value: f64,
    /// The first day on which it holds: a TOML date, or text.
    #[serde(default, deserialize_with = "date_text")]
    pub valid_from: Option<String>,
    /// Who says so: an address or a citation.
    pub source: String,
    /// `official` or `estimated` (not enacted yet).
    #[serde(default)]
    pub status: Option<String>,
}

/// Reads a TOML date, or text, as text.
fn date_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    struct DateVisitor;

    impl<'de> Visitor<'de> for DateVisitor {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a date such as 2026-01-01")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
            Ok(text.to_owned())
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<String, A::Error> {
            let date = toml::value::Datetime::deserialize(MapAccessDeserializer::new(map))?;
            Ok(date.to_string())
        }
    }

    deserializer.deserialize_any(DateVisitor).map(Some)
}
