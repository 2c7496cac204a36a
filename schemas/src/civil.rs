//! Days and digits of the proleptic Gregorian calendar, without allocation.
//!
//! Why so: the hot path turns two texts into instants and one instant into text per punch; these forms cost a few
//! nanoseconds where a general parser costs hundreds. `jiff` is the oracle in the tests.

use jiff::civil::Date;

/// Days from 1970-01-01 to the given day; the month is 1 to 12.
pub(crate) const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    // Years are counted from March, so that the leap day is the last of its year (Hinnant, "chrono-compatible
    // low-level date algorithms").
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month and day of the day `days` after 1970-01-01.
pub(crate) const fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days - era * 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

/// How many days the month has.
pub(crate) const fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days from 1970-01-01 to `date`, as Arrow's `Date32` counts them.
pub(crate) fn epoch_days(date: Date) -> i32 {
    // At most 3.7 million for jiff's years −9999 to 9999.
    days_from_civil(i64::from(date.year()), i64::from(date.month()), i64::from(date.day())) as i32
}

/// The date `days` after 1970-01-01, or `None` beyond jiff's years.
pub(crate) fn date_of(days: i32) -> Option<Date> {
    let (year, month, day) = civil_from_days(i64::from(days));
    Date::new(i16::try_from(year).ok()?, month as i8, day as i8).ok()
}

/// Writes `value` (below 100) as two digits at the front of `out`.
pub(crate) fn two_digits(out: &mut [u8], value: i64) {
    debug_assert!((0..100).contains(&value));
    out[0] = b'0' + (value / 10) as u8;
    out[1] = b'0' + (value % 10) as u8;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fourth_day_of_eight_thousand_years_agrees_with_jiff() {
        let epoch = Date::constant(1970, 1, 1);
        for days in (-1_400_000..1_400_000).step_by(4) {
            let date = epoch + jiff::Span::new().days(days);
            assert_eq!(i64::from(epoch_days(date)), days, "{date}");
            assert_eq!(date_of(days as i32), Some(date));
            assert_eq!(
                days_in_month(i64::from(date.year()), i64::from(date.month())),
                i64::from(date.days_in_month())
            );
        }
        assert_eq!(date_of(i32::MAX), None);
    }
}
