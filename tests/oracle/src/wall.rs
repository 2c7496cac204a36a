//! Wall clocks: from one to an instant and back.
//!
//! In: a zone's offset at an instant (the time-zone database, through `jiff`).  Out: seconds, dates, minutes of the day.
//! Why so: a wall time is looked for among all instants that could show it, so that the two hours of an autumn night and
//! the missing one of a spring night are told by what a clock on the wall would show.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::world::Seconds;

pub(crate) const DAY_S: Seconds = 86_400;
/// Offsets change on a quarter of an hour, and are multiples of it.
const QUARTER_S: Seconds = 900;
/// No zone changes its offset twice within so long.
const STEADY_S: Seconds = 6 * 3_600;

pub(crate) fn offset(zone: &TimeZone, at: Seconds) -> Seconds {
    let at = Timestamp::from_second(at).expect("an instant of the calendar");
    Seconds::from(zone.to_offset(at).seconds())
}

/// Days since 1970-01-01.
fn day_number(date: Date) -> i64 {
    i64::from((date - Date::constant(1970, 1, 1)).get_days())
}

/// The instant at which the wall clock shows `minutes` of `date`, counted on into the next day. What it shows twice is the
/// earlier, what it skips is later by as much as it skips.
pub(crate) fn instant(zone: &TimeZone, date: Date, minutes: i64) -> Seconds {
    let shown = day_number(date) * DAY_S + minutes * 60;
    let around = (shown - DAY_S..=shown + DAY_S).step_by(STEADY_S as usize);
    let mut offsets: Vec<Seconds> = around.map(|at| offset(zone, at)).collect();
    let before = offsets[0];
    offsets.sort_unstable();
    offsets.dedup();
    let shows = |at: &Seconds| at + offset(zone, *at) == shown;
    offsets.iter().map(|offset| shown - offset).filter(shows).min().unwrap_or(shown - before)
}

/// The date that the wall clock shows.
pub(crate) fn date(zone: &TimeZone, at: Seconds) -> Date {
    let days = (at + offset(zone, at)).div_euclid(DAY_S);
    Date::constant(1970, 1, 1) + jiff::Span::new().days(days)
}

/// The minute of the day that the wall clock shows.
pub(crate) fn minute_of_day(zone: &TimeZone, at: Seconds) -> i64 {
    (at + offset(zone, at)).rem_euclid(DAY_S) / 60
}

/// Calls `each` with pieces of `from..until` within which the wall clock's minute of the day goes evenly, and the offset.
pub(crate) fn quarters(
    zone: &TimeZone,
    from: Seconds,
    until: Seconds,
    mut each: impl FnMut(Seconds, Seconds, Seconds),
) {
    let mut at = from;
    while at < until {
        let next = ((at.div_euclid(QUARTER_S) + 1) * QUARTER_S).min(until);
        each(at, next, offset(zone, at));
        at = next;
    }
}

/// How many days `later` lies behind `earlier`.
pub(crate) fn days_between(earlier: Date, later: Date) -> i64 {
    day_number(later) - day_number(earlier)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skipped_time_is_later_and_a_time_shown_twice_the_earlier() {
        let zone = TimeZone::get("Europe/London").unwrap();
        let at = |date: &str, minutes: i64| {
            let at = instant(&zone, date.parse().unwrap(), minutes);
            Timestamp::from_second(at).unwrap().to_string()
        };
        assert_eq!(at("2026-03-29", 90), "2026-03-29T01:30:00Z");
        assert_eq!(at("2026-10-25", 90), "2026-10-25T00:30:00Z");
        assert_eq!(at("2026-10-24", 1_440 + 150), "2026-10-25T02:30:00Z");
        assert_eq!(at("2026-07-01", 540), "2026-07-01T08:00:00Z");
    }
}
