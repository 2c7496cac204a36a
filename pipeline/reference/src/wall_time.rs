//! Times as people write them to instants: RFC 3339, or a wall clock in a site's zone.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::{Disambiguation, TimeZone};
use model::EventTime;

/// First hour that a wall time may not name: a shift ends before the end of the day after its business date.
const WALL_HOUR_END: i64 = 48;

/// Why a text is no time. The sentence is part of a problem, behind the field's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TimeFault {
    #[error("is no time")]
    NotATime,
    #[error("has no offset from UTC")]
    NoOffset,
    #[error("lies outside the years 1970 to 2199")]
    Impossible,
    #[error("is beyond 47:59")]
    BeyondWallEnd,
}

/// A date, `2026-11-02`, in the years 1970 to 2199.
pub(crate) fn date(text: &str) -> Result<Date, TimeFault> {
    let is_shaped = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    let date = if is_shaped { text.parse::<Date>().ok() } else { None }.ok_or(TimeFault::NotATime)?;
    if (1970..2200).contains(&date.year()) { Ok(date) } else { Err(TimeFault::Impossible) }
}

/// RFC 3339 with an offset.
pub(crate) fn instant(text: &str) -> Result<EventTime, TimeFault> {
    if text.contains('[') {
        return Err(TimeFault::NotATime);
    }
    match text.parse::<Timestamp>() {
        Ok(timestamp) => possible(EventTime::from(timestamp)),
        Err(_) if text.parse::<DateTime>().is_ok() => Err(TimeFault::NoOffset),
        Err(_) => Err(TimeFault::NotATime),
    }
}

/// A shift's time: RFC 3339, or `HH:MM` up to 47:59 on the wall clock of `zone`, counted from `business_date`. A skipped
/// wall time moves forward by the gap, an ambiguous one is the earlier (contract, section 2).
pub(crate) fn shift_time(text: &str, business_date: Date, zone: &TimeZone) -> Result<EventTime, TimeFault> {
    let Some((hours, minutes)) = wall(text) else { return instant(text) };
    if hours >= WALL_HOUR_END {
        return Err(TimeFault::BeyondWallEnd);
    }
    let mut day = business_date;
    if hours >= 24 {
        day = day.tomorrow().map_err(|_| TimeFault::Impossible)?;
    }
    on_the_wall(day.at((hours % 24) as i8, minutes as i8, 0, 0), zone)
}

/// RFC 3339; or, where a zone is known, a wall clock without an offset, or a date alone: its midnight.
pub(crate) fn instant_in(text: &str, zone: Option<&TimeZone>) -> Result<EventTime, TimeFault> {
    let strict = instant(text);
    let Some(zone) = zone else { return strict };
    match strict {
        Err(TimeFault::NoOffset) => on_the_wall(text.parse().map_err(|_| TimeFault::NotATime)?, zone),
        other => other,
    }
}

/// `H:MM` or `HH:MM`, if the text has that shape.
fn wall(text: &str) -> Option<(i64, i64)> {
    let (hours, minutes) = text.split_once(':')?;
    let is_number = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if !matches!(hours.len(), 1 | 2) || minutes.len() != 2 || !is_number(hours) || !is_number(minutes) {
        return None;
    }
    let minutes: i64 = minutes.parse().ok()?;
    (minutes < 60).then_some((hours.parse().ok()?, minutes))
}

fn on_the_wall(time: DateTime, zone: &TimeZone) -> Result<EventTime, TimeFault> {
    let instant = zone
        .to_ambiguous_zoned(time)
        .disambiguate(Disambiguation::Compatible)
        .map_err(|_| TimeFault::Impossible)?
        .timestamp();
    possible(EventTime::from(instant))
}

fn possible(time: EventTime) -> Result<EventTime, TimeFault> {
    if time.is_possible() { Ok(time) } else { Err(TimeFault::Impossible) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, day: &str, zone: &str, expected: &str) {
        let zone = TimeZone::get(zone).unwrap();
        let got = match shift_time(text, day.parse().unwrap(), &zone) {
            Ok(time) => time.timestamp().to_string(),
            Err(fault) => fault.to_string(),
        };
        assert_eq!(got, expected, "{text} on {day}");
    }

    #[test]
    fn shift_times_stand_on_the_sites_wall() {
        for (text, day, zone, expected) in [
            ("09:00", "2026-11-02", "Asia/Hong_Kong", "2026-11-02T01:00:00Z"),
            ("9:00", "2026-11-02", "Asia/Hong_Kong", "2026-11-02T01:00:00Z"),
            ("24:00", "2026-11-02", "Asia/Hong_Kong", "2026-11-02T16:00:00Z"),
            ("26:30", "2026-12-31", "Asia/Hong_Kong", "2026-12-31T18:30:00Z"),
            ("47:59", "2026-11-02", "Asia/Hong_Kong", "2026-11-03T15:59:00Z"),
            ("48:00", "2026-11-02", "Asia/Hong_Kong", "is beyond 47:59"),
            ("09:60", "2026-11-02", "Asia/Hong_Kong", "is no time"),
            ("0900", "2026-11-02", "Asia/Hong_Kong", "is no time"),
            // Skipped: 02:30 becomes 03:30 CEST, by the gap of an hour.
            ("02:30", "2026-03-29", "Europe/Berlin", "2026-03-29T01:30:00Z"),
            ("26:30", "2026-03-28", "Europe/Berlin", "2026-03-29T01:30:00Z"),
            // Ambiguous: the earlier, still summer time.
            ("02:30", "2026-10-25", "Europe/Berlin", "2026-10-25T00:30:00Z"),
            // A gap of half an hour.
            ("02:10", "2026-10-04", "Australia/Lord_Howe", "2026-10-03T15:40:00Z"),
            ("2026-11-02T09:00:00+08:00", "2020-01-01", "UTC", "2026-11-02T01:00:00Z"),
            ("2026-11-02T09:00:00", "2026-11-02", "UTC", "has no offset from UTC"),
            ("2026-11-02T09:00:00+08:00[Asia/Hong_Kong]", "2026-11-02", "UTC", "is no time"),
            ("2200-11-02T09:00:00Z", "2026-11-02", "UTC", "lies outside the years 1970 to 2199"),
            ("nine", "2026-11-02", "UTC", "is no time"),
            ("", "2026-11-02", "UTC", "is no time"),
        ] {
            check(text, day, zone, expected);
        }
    }

    #[test]
    fn a_date_alone_is_its_midnight_where_a_zone_is_known() {
        let zone = TimeZone::get("Asia/Hong_Kong").unwrap();
        let at = |text| instant_in(text, Some(&zone)).map(|time| time.timestamp().to_string());
        assert_eq!(at("2026-11-02").unwrap(), "2026-11-01T16:00:00Z");
        assert_eq!(at("2026-11-02T09:30").unwrap(), "2026-11-02T01:30:00Z");
        assert_eq!(at("2026-11-02T09:30:00Z").unwrap(), "2026-11-02T09:30:00Z");
        assert_eq!(at("2026-11"), Err(TimeFault::NotATime));
        assert_eq!(instant_in("2026-11-02", None), Err(TimeFault::NoOffset));
        assert_eq!(instant_in("2026-11-02T09:30", None), Err(TimeFault::NoOffset));
    }

    #[test]
    fn dates_are_whole_and_possible() {
        assert_eq!(date("2026-02-29"), Err(TimeFault::NotATime));
        assert_eq!(date("2026-2-9"), Err(TimeFault::NotATime));
        assert_eq!(date("9999-01-01"), Err(TimeFault::Impossible));
        assert_eq!(date("2024-02-29").unwrap().day(), 29);
    }
}
